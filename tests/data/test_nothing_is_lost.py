"""What is given is used, or a sentence says what was not: rows, classes, labels, files, options."""

import functools
import io
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.data import load
from tinygrad_np.data.load import load_pictures
from tinygrad_np.errors import DataError, DataWarning

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (84, 8, 8)).astype(np.uint8)
Y = np.arange(84) % 10
FLAT = X.reshape(84, -1)
PIXELS = [f"pixel{i}" for i in range(64)]


def said(call: Callable[[], Any]) -> tuple[Any, str]:
    """A result and all its warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        found = call()
    return found, " ".join(str(each.message) for each in told)


def table(path: Path, *columns: Any, head: Any = None, end: str = "") -> Path:
    """A CSV of columns, (n,) or (n, k) each."""
    rows = zip(*(c.tolist() if isinstance(c, np.ndarray) else c for c in columns), strict=True)
    lines = [",".join(head) + end] if head else []
    for row in rows:
        cells = [cell for each in row for cell in (each if isinstance(each, list) else [each])]
        lines.append(",".join(map(str, cells)) + end)
    path.write_text("\n".join(lines) + "\n")
    return path


GROUPS = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
ORDERS: dict[str, Any] = {
    "ascending": np.repeat(np.arange(12), 7), "descending": np.repeat(np.arange(12), 7)[::-1],
    "in any order": np.repeat(GROUPS, 8), "twice": np.repeat([*GROUPS, *GROUPS], 4),
    "as words": np.repeat([0, 1, 10, 11, *range(2, 10)], 7),
    "one class a line of its own": np.r_[np.arange(76) % 9, [9] * 8],
}  # fmt: skip


@for_each(ORDERS)
def test_no_class_is_lost_where_a_seventh_becomes_the_test_part(order: str, tmp_path: Path) -> None:
    y = ORDERS[order]
    x = X[: len(y)]
    np.savez(tmp_path / "a.npz", x=x, y=y)
    files = [tmp_path / "a.npz", table(tmp_path / "a.csv", y, x.reshape(len(y), -1))]
    files += [table(tmp_path / "b.csv", [f"w{i}" for i in y], x.reshape(len(y), -1))]
    for path in files:
        ((_, train), (_, test)), _ = said(functools.partial(load, path))
        counts = np.bincount(np.r_[train, test])
        assert np.bincount(test).tolist() == (counts // 7).tolist()
        assert len(np.bincount(train)) == len(counts) and np.bincount(train).all()


def test_folders_of_more_than_ten_classes(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for i in range(84):
        (tmp_path / str(i // 7)).mkdir(exist_ok=True)
        image.fromarray(X[i]).save(tmp_path / str(i // 7) / f"{i}.png")
    (_, train), (_, test) = load(tmp_path)
    assert np.bincount(train).tolist() == [6] * 12 and np.bincount(test).tolist() == [1] * 12


def test_classes_of_few_rows_stay_in_training(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X[:15], y=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5])
    (_, train), (_, test) = load(tmp_path / "a.npz")
    assert set(train.tolist()) == {0, 1, 2, 3, 4, 5} and len(test) == 2
    shuffled = np.arange(84) * 37 % 10  # the last rows, as they are
    np.savez(tmp_path / "b.npz", x=X, y=shuffled)
    np.testing.assert_array_equal(load(tmp_path / "b.npz")[1][1], shuffled[-12:])


def holed(row: int, column: int, cell: str = "") -> list[list[Any]]:
    rows: list[list[Any]] = np.column_stack([Y, FLAT]).tolist()
    rows[row][column] = cell
    return rows


@for_each((0, 5), (0, 3, 64), ("", "nan", "?"), ("", "a"))
def test_a_cell_that_is_missing_is_no_header(
    row: int, column: int, cell: str, other: str, tmp_path: Path
) -> None:
    rows = holed(row, column, cell)
    if other:
        rows[0][7] = other
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, each)) for each in rows))
    first = rf"row (1, column 8|{row + 1}, column {column + 1}):"
    first += f"|(picture|label number) {row + 1}: found "
    if (row, column, cell, other) == (0, 0, "?", ""):  # a class may be called so
        assert "?" in load(path).names  # type: ignore[operator]
        return
    with pytest.raises(DataError, match=first):
        load(path)


def test_lines_that_end_with_a_separator_keep_the_first_row(tmp_path: Path) -> None:
    for head in (None, ["label", *PIXELS]):
        path = table(tmp_path / "a.csv", Y, FLAT, head=head, end=",")
        with pytest.warns(DataWarning, match="the last column, which is empty, was left out"):
            (x, y), (xt, yt) = load(path)
        np.testing.assert_array_equal(np.r_[x, xt], X)
        np.testing.assert_array_equal(np.r_[y, yt], Y)


def test_what_may_stand_in_a_header(tmp_path: Path) -> None:
    numbers = list(map(str, range(64)))
    for head in (["y", *numbers], ["kind", *numbers], ["", "label", *numbers],
                 ["file", "digit", *map(str, range(1, 65))]):  # fmt: skip
        extra = [np.arange(84)] if head[0] in ("", "file") else []
        path = table(tmp_path / "a.csv", *extra, Y, FLAT, head=head)
        try:
            found, _ = said(functools.partial(load, path))
        except DataError as error:
            assert head[0] == "file" and "remove the columns file from" in str(error)
        else:
            assert len(found[0][0]) + len(found[1][0]) == 84
    words = ["y", *(["x"] * 41), *(["y"] * 42)]  # the label of the first row
    found = load(table(tmp_path / "b.csv", words, FLAT))
    assert found.names == ("x", "y") and found[0][1][0] == 1


DATES = [f"2026-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(84)]
ROWS: dict[str, Any] = {
    "files": [f"img{i}.png" for i in range(84)], "counted": np.arange(84),
    "from 1000": np.arange(84) + 1000, "dates": DATES, "long": np.arange(84) + 10**9,
    "nearly": [f"img{max(i, 9)}.png" for i in range(84)],
}  # fmt: skip


@for_each(ROWS, (None, "id", "file", "label"))
def test_names_of_rows_are_no_labels(what: str, name: str | None, tmp_path: Path) -> None:
    column = ROWS[what]
    head = None if name is None else [name, *PIXELS]
    path = table(tmp_path / "a.csv", column, FLAT, head=head)
    if name == "label":
        told = "classes in 84 rows, as names .* of rows are, .*; name the column of labels with la"
        with pytest.raises(DataError, match=told):
            load(path)
        return
    ((x, y), _), told = said(lambda: load(path))
    assert y is None and np.array_equal(x, X)
    assert name == "id" or "for names of rows, not for labels" in told
    with pytest.raises(DataError, match="classes in 84 rows"):
        load(path, label=0)
    ids, _ = said(lambda: load_pictures(path).ids)
    assert list(map(str, ids)) == list(map(str, column))


@for_each(ROWS, ("file,label", "date,…,label", "file,kind", "", "…,label,file"))
def test_names_of_rows_beside_labels(what: str, heads: str, tmp_path: Path) -> None:
    column, head = ROWS[what], heads.replace("…", ",".join(PIXELS)).split(",")
    columns = [column, FLAT, Y] if heads[:1] == "d" else [column, Y, FLAT]
    columns = [FLAT, Y, column] if heads[:1] == "…" else columns
    head += PIXELS * ("…" not in heads)
    path = table(tmp_path / "a.csv", *columns, head=head if heads else None)
    (parts, told), (source, _) = said(lambda: load(path)), said(lambda: load_pictures(path))
    assert np.array_equal(np.r_[parts[0][1], parts[1][1]], Y) and np.array_equal(source.images, X)
    assert "for names of rows, not for labels" in told
    assert list(map(str, source.ids)) == list(map(str, column))


SIGNS = np.array([*"0123456789ABCDEFGHIJ"])[np.arange(84) % 20]


@for_each((0, 10, 19), (True, False), (True, False))
def test_labels_of_digits_and_letters(
    first: int, before: bool, headed: bool, tmp_path: Path
) -> None:
    y, dark = np.roll(SIGNS, -first), FLAT * (np.arange(64) % 63 > 0).astype(np.uint8)
    columns, head = ([y, dark], ["label", *PIXELS]) if before else ([dark, y], [*PIXELS, "label"])
    found = load(table(tmp_path / "a.csv", *columns, head=head if headed else None))
    assert found.names == tuple("0123456789ABCDEFGHIJ")
    assert [found.names[i] for i in np.r_[found[0][1], found[1][1]]] == y.tolist()
    path = tmp_path / "b.csv"
    path.write_text("\n".join(",".join(map(str, each)) for each in holed(5, 0, "O")))
    with pytest.raises(DataError, match="row 6, column 1: found 'O', expected a number"):
        load(path)


@for_each((2, 3, 4, 9, 13, 16, 30, 49), (1, 9, 255))
def test_tables_of_few_columns_are_no_pictures(count: int, most: int, tmp_path: Path) -> None:
    """Whatever the numbers are: fewer columns than 8×8 pixels are measurements."""
    hint = r"for a table of other numbers see MLPClassifier \(docs/estimators.md\)"
    x = RNG.integers(0, most + 1, (84, count))
    for head in (None, [*(f"f{i}" for i in range(count)), "class"]):
        for y in ([Y % 3], []):
            path = table(tmp_path / "a.csv", x, *y, head=head and head[: count + len(y)])
            with pytest.raises(DataError, match=hint):
                load(path)
    np.savez(tmp_path / "a.npz", x=x, y=Y % 3)
    for call in (lambda: load(tmp_path / "a.npz"), lambda: tg.data.from_sklearn(x, Y % 3)):
        with pytest.raises(DataError, match=hint):
            call()
    assert count not in (9, 16, 49) or tg.data.from_sklearn(x, Y % 3, largest=most)


def test_tables_of_colours_are_pictures(tmp_path: Path) -> None:
    x = np.repeat(FLAT, 3, axis=1).reshape(84, 64, 3).transpose(0, 2, 1).reshape(84, -1)
    for columns in ((Y, x), (x, Y)):
        found, told = said(lambda c=columns: load(table(tmp_path / "a.csv", *c)))  # type: ignore[misc]
        assert np.array_equal(np.r_[found[0][0], found[1][0]], X) and "were made grey" in told


def test_the_index_of_pandas_in_parquet_is_no_pixel(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    columns = {"label": Y, **dict(zip(PIXELS, FLAT.T, strict=True)), "__index_level_0__": 83 - Y}
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet")
    assert np.array_equal(np.r_[found[0][1], found[1][1]], Y)


def test_arrays_that_name_rows_are_no_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, ids=np.arange(84))
    ((_, y), _), told = said(lambda: load(tmp_path / "a.npz"))
    assert y is None and "the array ids was left out" in told
    np.savez(tmp_path / "b.npz", x=X, ids=np.arange(84), classes_of=Y)
    found, told = said(lambda: load(tmp_path / "b.npz"))
    assert np.array_equal(np.r_[found[0][1], found[1][1]], Y) and "the array ids was left" in told


def test_a_pixel_named_as_the_column_of_labels(tmp_path: Path) -> None:
    dark = FLAT * (np.arange(64) % 63 > 0).astype(np.uint8)  # the corners are empty
    named = table(tmp_path / "last.csv", dark, Y, head=[*PIXELS, "class"])
    for label in (0, 5, "pixel5"):
        told = f"found label={label!r}, the column 'pixel.', beside one called 'class'; give label="
        with pytest.raises(DataError, match=told):
            load(named, label=label)
    bare = table(tmp_path / "bare.csv", dark, Y)
    with pytest.raises(DataError, match="found label=0, a column which is 0 in all rows, beside "
                       "column 64, which has labels; give label=64, or remove"):  # fmt: skip
        load(bare, label=0)
    with pytest.warns(
        DataWarning, match=r"a column which has numbers up to 25\d, beside column 64"
    ):
        load(bare, label=5, classes=256)
    for label in (64, -1):
        assert load(bare, label=label).classes == 10


NPZ: dict[str, list[str]] = {
    "short, before": ["trX", "trY", "teX", "teY"], "short, behind": ["Xtr", "ytr", "Xte", "yte"],
    "with lines": ["x_tr", "y_tr", "x_te", "y_te"], "words": ["tr_images", "tr_labels", "te_images",
                                                             "te_labels"],
    "small": ["xtr", "ytr", "xte", "yte"],
}  # fmt: skip


@for_each(NPZ)
def test_short_names_of_parts(names: str, tmp_path: Path) -> None:
    arrays: Any = dict(zip(NPZ[names], (X[:50], Y[:50], X[50:], Y[50:]), strict=True))
    np.savez(tmp_path / "a.npz", **arrays)
    (_, y), (x, _) = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(y, Y[:50])
    np.testing.assert_array_equal(x, X[50:])


def test_no_array_is_left_out_without_a_word(tmp_path: Path) -> None:
    whole = {"x_train": X[:50], "y_train": Y[:50], "x_test": X[50:], "y_test": Y[50:]}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"a": X[:50], "b": Y[:50], "c": X[50:], "d": Y[50:]},
         r"found the arrays a \(50, 8, 8\) and c \(34, 8, 8\) for one part"),
        ({"x": X[:50], "y": Y[:50], "x2": X[50:]}, r"arrays x .* and x2.*, or leave one out"),
        ({"x": X, "y": Y.astype(str)}, r"y.npy has words where numbers are needed; for wo"),
        ({"x": X, "names": Y.astype(str)}, "names.npy has words where numbers are needed"),
        ({"x": X.astype(str), "y": Y}, "x.npy has words where numbers are needed"),
        ({**whole, "x_train": X[:0], "y_train": Y[:0]},
         "the training part has no picture, expected at least one"),
        ({**whole, "x_test": X[:0], "y_test": Y[:0]}, "the test part has no picture"),
        ({**whole, "y_test": Y[50:] + 1},
         "found training labels from 0 to 9 and test labels from 1 to 10, expected the same"),
        ({**whole, "y_train": Y[:50] + 1},
         "found training labels from 1 to 10 and test labels from 0 to 9, expected the same"),
    ]  # fmt: skip
    for arrays, message in refused:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=message):
            load(tmp_path / "a.npz")
    told_of: list[tuple[dict[str, Any], str]] = [
        ({**whole, "mean": X[0]}, "the array mean was left out"),
        ({**whole, "x_extra": X, "n": np.array(3)}, "the arrays n, x_extra were left out"),
        ({**whole, "classes": Y.astype(str), "mean": X[0]}, "the arrays classes, mean were left"),
        ({"x": X, "y": Y, "names": Y.astype(object)}, "the array names was left out"),
        ({"x": X[:10], "y": Y[:10]}, "the test part is empty, as there is one row of each class"),
        ({"x": X, "y": Y, "fine_labels": Y}, "the array fine_labels was left out"),
        ({"x_train": X, "y_train": Y, "y_test": Y}, "the array y_test was left out"),
        ({"x_test": X, "y_test": Y}, "found the test part alone, a seventh is now the test part"),
    ]  # fmt: skip
    for arrays, message in told_of:
        np.savez(tmp_path / "a.npz", **arrays)
        assert message in said(lambda: load(tmp_path / "a.npz"))[1]


STEPS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "0 and 255": ([0, 255], {}), "tens": (list(range(0, 100, 10)), {"classes": 10}),
    "hundred and more": (list(range(100, 110)), {}), "signs": ([-1, 1], {}),
    "signs and nought": ([-1, 0, 1], {"classes": 3}),
    "letters": (list(range(1, 27)), {"classes": 26}),
}  # fmt: skip


@for_each(STEPS)
def test_labels_in_another_numbering_keep_their_names(what: str, tmp_path: Path) -> None:
    values, options = STEPS[what]
    y = np.array(values)[np.arange(84) % len(values)]
    np.savez(tmp_path / "a.npz", x=X, y=y)
    with pytest.warns(DataWarning, match=f"labels {values[0]}.* became 0 to {len(values) - 1}"):
        found = load(tmp_path / "a.npz", **options)
    assert found.names == tuple(map(str, values)) and found.classes == len(values)
    given = [int(found.names[i]) for part in found for i in part[1]]
    np.testing.assert_array_equal(given, y)


def test_ten_for_nought_and_numbers_with_gaps(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y + 1)
    found, _ = said(lambda: load(tmp_path / "a.npz"))
    assert found.names == ("10", *"123456789")
    np.savez(tmp_path / "b.npz", x=X, y=np.where(Y, Y, 200))
    with pytest.raises(
        DataError, match=r"found 200, expected 0 to 9; .*number them with np.unique\("
    ):
        load(tmp_path / "b.npz")


def zipped(*names: str) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name in names:
            archive.writestr(name, b"1,2\n")
    return file.getvalue()


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "excel": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel file: save it as CSV"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file or the like: save it as CSV"),
    "calc": (zipped("mimetype", "content.xml"), "an OpenDocument file: save it as CSV"),
    "torch": (zipped("a/data.pkl", "a/data/0"), "a file of PyTorch's: read it with torch.load"),
    "keras": (zipped("config.json", "model.weights.h5"), "a model of Keras'"),
    "csv": (zipped("train.csv"), "a zip archive with train.csv: unpack it"),
    "folder": (zipped("a/0/1.png", "a/1/2.png"), "zip archive with a/0/1.png and a/1/2.png: unp"),
    "rar": (b"Rar!\x1a\7\0", "packed data (rar or zstd): unpack it"),
    "tar": (b"a/b.png" + b"\0" * 250 + b"ustar\0" + b"\0" * 300, "a tar archive: unpack it"),
}  # fmt: skip


@for_each(ARCHIVES)
def test_archives_are_called_what_they_are(what: str, tmp_path: Path) -> None:
    content, message = ARCHIVES[what]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match="; this is .*" + re.escape(message)):
        load(tmp_path / "a")


def test_folders_whose_pictures_lie_elsewhere(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")

    def write(*names: str) -> Path:
        home = tmp_path / names[0].replace("/", "_")
        for name in names:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            image.fromarray(X[0]).save(home / name)
        return home

    cases = [
        (write("a/x/1.png", "a/y/1.png", "b/x/1.png"), "found pictures in a/x, a/y, b/x, expected"),
        (write("1.png", "2.png"), "found pictures in the folder itself, expected a folder of pict"),
    ]
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    cases += [(tmp_path / "empty", "empty: found no file, expected an IDX, CSV, npz, mat")]
    for home, message in cases:
        with pytest.raises(DataError, match=message):
            load(home)
    eight = [f"{c}/{i}.png" for c in "ab" for i in range(8)]
    home = write("d.png", *eight, "c/deep/1.png")
    left = "c and 1 picture outside of folders of classes were left out"
    assert said(lambda: load(home))[1] == f"{home}: {left}."
    deep = write(*(f"deep/{each}" for each in eight), "deep/c/d/1.png")
    assert said(lambda: load(deep))[1] == f"{deep}: c was left out."
    parts = write(
        *(f"{part}/{each}" for part in ("test", "train") for each in eight), "train/1.png"
    )
    alone = "in train, 1 picture outside of folders of classes was left out"
    assert said(lambda: load(parts))[1] == f"{parts}: {alone}."
    (home / "a" / "7.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"7.png: not a readable picture"):
        load(home)


def test_options_that_do_nothing_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert load(tmp_path / "a.npz", size=(8, 8)).classes == 10
    with pytest.raises(
        DataError, match=r"found size=\(32, 32\) and pictures of 8×8, expected a fold"
    ):
        load(tmp_path / "a.npz", size=(32, 32))
    words = table(tmp_path / "a.csv", [f"w{i}" for i in Y], FLAT)
    assert load(words, classes=10).classes == 10
    with pytest.raises(DataError, match="found classes=26 and labels of 10 words, expected a cl"):
        load(words, classes=26)
    for option in ({"label": 0}, {"size": (32, 32)}, {"classes": 26}, {"transpose": True}):
        with pytest.raises(
            DataError, match=f"found {next(iter(option))}=.*, expected none beside 'mnist'"
        ):
            load("mnist", **option)


def test_files_that_are_not_there() -> None:
    for call in (tg.data.digits_from, load):
        with pytest.raises(
            DataError, match=r"https://a.b/c.png.*address: download it first, and give the path"
        ):
            call("https://a.b/c.png")
    with pytest.raises(
        DataError, match=r"^nofile.png: cannot be read \(No such file.*\); check the path"
    ):
        tg.data.digits_from("nofile.png")


def test_stratify_needs_classes() -> None:
    with pytest.raises(
        DataError, match="found 84 values of stratify in 84 samples, expected classes"
    ):
        tg.data.split(X, Y, 10, 0, stratify=RNG.random(84))


def test_a_missing_label_is_named() -> None:
    with pytest.raises(DataError, match=r"label number 6: found nan, expected a label for each"):
        tg.data.from_sklearn(FLAT, np.where(np.arange(84) == 5, np.nan, Y))
    given = Y.astype(object)
    pandas = pytest.importorskip("pandas")
    given[5] = pandas.NA
    with pytest.raises(DataError, match=r"label number 6: found '<NA>', expected a label for each"):
        tg.data.from_sklearn(FLAT, pandas.Series(given))
    with pytest.raises(DataError, match=r"label number 6: found nan, expected a label for each"):
        tg.data.from_sklearn(FLAT, pandas.Series(given, dtype="Int64"))
