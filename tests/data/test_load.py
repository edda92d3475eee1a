"""The one door: what lies in every kind of file and folder is the same data set."""

import gzip
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each, named
from tinygrad_np.data import load
from tinygrad_np.data.load import load_pictures
from tinygrad_np.errors import DataError, DataWarning

TRAIN, TEST = tg.data.mnist()
X, Y, XT, YT = TRAIN[0][:70].copy(), TRAIN[1][:70].copy(), TEST[0][:40].copy(), TEST[1][:40].copy()
FLAT = X.reshape(70, -1)
NAMES = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
]  # fmt: skip
PIXELS = [f"pixel{i}" for i in range(784)]


def idx(array: np.ndarray, code: int = 8) -> bytes:
    body = array.astype({8: ">u1", 12: ">i4"}[code]).tobytes()
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + body


def four(
    folder: Path, rename: Callable[[str], str] = str, parts: Any = None,
    pack: Callable[[bytes], bytes] = bytes,
) -> Path:  # fmt: skip
    for name, array in zip(NAMES, parts or (X, Y, XT, YT), strict=True):
        target = folder / rename(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pack(idx(array)))
    return folder


def check(dataset: Any, parts: Any = None) -> None:
    """The arrays are those, in order, of the dtypes of every data set."""
    for pair, expected in zip(dataset, parts or ((X, Y), (XT, YT)), strict=True):
        for found, array, dtype in zip(pair, expected, (np.uint8, np.int64), strict=True):
            np.testing.assert_array_equal(found, array)
            assert found.dtype == dtype and found.flags.writeable and found.flags.c_contiguous


def quiet(path: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return load(path, **options)


NAMED: dict[str, Callable[[str], str]] = {
    "dots": lambda n: n.replace("-idx", ".idx"),
    "gzip without the ending": str,
    "a folder for each": lambda n: f"{n}/{n}",
    "deep": lambda n: f"archive/data/{n}.gz",
    "dots, packed": lambda n: n.replace("-idx", ".idx") + ".gz",
    "dots in folders": lambda n: f"{n}/{n}".replace("-idx", ".idx"),
    "kmnist": lambda n: "kmnist-" + n + ".gz",
    "digits of the extended set": lambda n: "digits-" + n.replace("t10k", "test"),
    "other words": lambda n: n.replace("t10k", "testing").replace("train", "training"),
}


def test_idx_files_under_every_name(tmp_path: Path) -> None:
    for i, (what, rename) in enumerate(NAMED.items()):
        pack = gzip.compress if "gz" in rename("x") or "gzip" in what else bytes
        folder = four(tmp_path / str(i), rename, pack=pack)
        (folder / "._train-images-idx3-ubyte").write_bytes(b"\0\5\x16\7")
        (folder / ".DS_Store").write_bytes(b"x")
        check(load(folder))
        check(load(str(folder / rename(NAMES[0]))))  # one file stands for its set


def test_several_sets_in_one_folder(tmp_path: Path) -> None:
    for split in ("digits", "letters"):
        four(tmp_path, lambda n, s=split: f"a-{s}-{n}".replace("t10k", "test"))  # type: ignore[misc]
    one, other = (f"a-{split}-train-images-idx3-ubyte" for split in ("digits", "letters"))
    with pytest.raises(DataError, match=f"found data sets in .*{one} and .*{other}, expected one"):
        load(tmp_path)
    check(load(tmp_path / "a-letters-test-labels-idx1-ubyte"))
    four(tmp_path / "deeper")
    (tmp_path / "deeper" / NAMES[1]).unlink()
    with pytest.raises(DataError, match=r"deeper: found no train-labels-idx1-ubyte, plain or .gz"):
        load(tmp_path / "deeper")
    (tmp_path / "deeper" / NAMES[3]).unlink()
    with pytest.raises(DataError, match=r"deeper: found no train-labels-idx1-ubyte, plain or .gz"):
        load(tmp_path / "deeper")
    (x, y), (x_test, y_test) = load(tmp_path / "deeper" / NAMES[2])
    assert y is None and y_test is None and len(x_test) == 0
    np.testing.assert_array_equal(x, XT)


def test_a_set_without_all_four_files(tmp_path: Path) -> None:
    """Images and labels of one part are enough; the test part is then a seventh of it."""
    home = four(tmp_path / "data")
    (home / NAMES[3]).unlink()
    with pytest.raises(DataError, match=r"data: found no t10k-labels-idx1-ubyte, plain or .gz, exp"
                       f"ected the four files {NAMES[0]}"):  # fmt: skip
        load(home)
    (home / NAMES[2]).unlink()
    for place in (tmp_path, home, home / NAMES[0], home / NAMES[1]):
        with pytest.warns(DataWarning, match="found the training part alone, a seventh is now th"):
            check(load(place), seventh())
    own = tmp_path / "own"
    own.mkdir()
    for i, name in enumerate(NAMES[2:]):
        (own / name).write_bytes(idx((X, Y)[i]))
    with pytest.warns(DataWarning, match="found the test part alone, a seventh is now the test p"):
        check(load(own), seventh())
    for name in NAMES[2:]:  # of no part
        (own / name).rename(own / name.removeprefix("t10k-"))
    check(load(own), seventh())
    (own / "labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"own: found no labels-idx1-ubyte, plain or .gz"):
        load(own)
    np.savez(own / "a-train-imgs.npz", X)
    np.savez(own / "a-train-labels.npz", Y)
    with pytest.warns(DataWarning, match="found the training part alone"):
        check(load(own), seventh())


def test_floats_in_idx_are_pictures_too(tmp_path: Path) -> None:
    tg.data.save_idx(tmp_path / "images.idx", X.astype(np.float32) / 255)
    tg.data.save_idx(tmp_path / "labels.idx", Y.astype(np.int32)[:, None])
    with pytest.warns(DataWarning, match="pixels from 0 to 1 became 0 to 255"):
        check(load(tmp_path), seventh())


def test_labels_in_columns_and_arrays_in_archives_of_one(tmp_path: Path) -> None:
    columns = [np.repeat(y[:, None], 8, 1) for y in (Y, YT)]
    for name, array, code in (
        ("train-images-idx3-ubyte", X, 8), ("train-labels-idx2-int", columns[0], 12),
        ("test-images-idx3-ubyte", XT, 8), ("test-labels-idx2-int", columns[1], 12),
    ):  # fmt: skip
        (tmp_path / f"qmnist-{name}").write_bytes(idx(array, code))
    check(load(tmp_path))
    more = tmp_path / "k49"
    more.mkdir()
    for part, x, y in (("train", X, Y), ("test", XT, YT)):
        np.savez(more / f"k49-{part}-imgs.npz", x)
        np.savez(more / f"k49-{part}-labels.npz", y)
    check(load(more))


def test_names_in_files_are_shown_on_one_line(tmp_path: Path) -> None:
    odd = "a\n\x1b[2J"
    for name in ("k-train-imgs.npz", "k-train-labels.npz", "other.npz"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(f"{odd}.npy", b"damaged")
    for name in ("k-train-imgs.npz", "other.npz"):
        with pytest.raises(DataError, match=r"not a readable \.npz") as caught:
            load(tmp_path / name)
        assert str(caught.value).isprintable()
    head = ["label", *PIXELS, '"\x1b[2J"']
    with pytest.raises(DataError, match=r"remove the columns \\x1b\[2J from the file") as caught:
        load(table(tmp_path / "a.csv", np.column_stack([FIRST, Y % 3]), head))
    assert str(caught.value).isprintable()
    small = np.column_stack([Y, X[:, 8:16, 8:16].reshape(70, 64)])
    path = table(tmp_path / "long.csv", small, ["label", *(f"{'9' * 5000}{i}" for i in range(64))])
    np.testing.assert_array_equal(load(path)[0][0], X[:60, 8:16, 8:16])
    np.savez(tmp_path / "b.npz", x=X, y=Y, **{odd: X[0]})
    with pytest.warns(DataWarning, match=r"the array a\\n\\x1b\[2J was left out"):
        load(tmp_path / "b.npz")


def test_labels_beyond_nine(tmp_path: Path) -> None:
    letters, few = np.arange(70) % 26 + 1, np.arange(40) % 26 + 1
    folder = four(tmp_path / "letters", parts=(X, letters, XT, few))
    check(load(folder), ((X, letters), (XT, few)))
    check(load(folder, classes=27), ((X, letters), (XT, few)))
    with pytest.warns(DataWarning, match="labels 1 to 26 became 0 to 25"):
        found = load(folder, classes=26)
    check(found, ((X, letters - 1), (XT, few - 1)))
    assert found.classes == 26
    for count in (47, 49, 62):
        many = [np.concatenate([np.arange(count), y])[: len(y)] for y in (Y, YT)]
        assert load(four(tmp_path / f"{count}", parts=(X, many[0], XT, many[1]))).classes == count
    ten = [np.where(y == 0, 10, y) for y in (Y, YT)]
    with pytest.warns(DataWarning, match=r"labels 1 to 10 became 0 to 9 \(10 stands for 0\)"):
        check(load(four(tmp_path / "ten", parts=(X, ten[0], XT, ten[1]))))
    gap = np.where(Y == 0, 200, Y)
    place = four(tmp_path / "gap", parts=(X, gap, XT, YT))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte, label number \d+: found 200, "
                       r"expected 0 to 9; .* or give classes=201"):  # fmt: skip
        load(place)
    assert load(place, classes=201)[0][1].max() == 200


def test_transposed_pictures_are_seen_in_them_not_in_names(tmp_path: Path) -> None:
    lying = [x.transpose(0, 2, 1) for x in (X, XT)]
    names = {"plain": str, "emnist": lambda n: f"emnist-mnist-{n}".replace("t10k", "test")}
    for name, rename in names.items():
        check(load(four(tmp_path / name / "upright", rename)))  # type: ignore[arg-type]
        folder = four(tmp_path / name / "lying", rename, (lying[0], Y, lying[1], YT))  # type: ignore[arg-type]
        with pytest.warns(DataWarning, match="pictures were transposed and are upright now"):
            check(load(folder))
        check(load(folder, transpose=True))
        check(load(folder, transpose=False), ((lying[0], Y), (lying[1], YT)))
    noise = np.random.default_rng(0).integers(0, 256, X.shape).astype(np.uint8)
    check(load(four(tmp_path / "noise", parts=(noise, Y, XT, YT))), ((noise, Y), (XT, YT)))
    published = four(tmp_path / "by name", names["emnist"], (noise, Y, XT, YT))  # type: ignore[arg-type]
    with pytest.warns(DataWarning, match="transposed"):
        np.testing.assert_array_equal(load(published)[0][0], noise.transpose(0, 2, 1))


def test_what_idx_files_hold_is_seen_in_them_where_no_name_says_it(tmp_path: Path) -> None:
    names = ["training_pics", "training_answers", "test_pics", "test_answers"]
    for name, array in zip(names, (X, Y, XT, YT), strict=True):
        (tmp_path / f"{name}.bin").write_bytes(idx(array))
    check(load(tmp_path))
    check(load(tmp_path / "test_answers.bin"))
    np.testing.assert_array_equal(load_pictures(tmp_path / "test_pics.bin").labels, YT)  # type: ignore[arg-type]
    (tmp_path / "test_more.bin").write_bytes(idx(XT))
    with pytest.raises(DataError, match="found no train-images-idx3-ubyte"):
        load(tmp_path)


def test_labels_that_count_from_one_in_a_part_of_the_classes(tmp_path: Path) -> None:
    """Of letters some may be missing; of other classes it is said, as 0 may be the missing one."""
    part = [np.concatenate([np.arange(1, 21), y])[: len(y)] for y in (Y, YT)]
    part = [np.where(y == 0, 3, y) for y in part]
    folder = four(tmp_path / "a", lambda n: f"emnist-letters-{n}", (X, part[0], XT, part[1]))
    for options in ({}, {"classes": 26}):
        with pytest.warns(DataWarning, match="labels 1 to 26 became 0 to 25"):
            found = load(folder, transpose=False, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[0][1], part[0] - 1)
    other = four(tmp_path / "b", parts=(X, part[0], XT, part[1]))
    with pytest.warns(DataWarning, match="labels 1 to 20 of 26 classes were left as they are"):
        found = load(other, classes=26)
    np.testing.assert_array_equal(found[0][1], part[0])


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_one_file_stands_for_its_set(tmp_path: Path, kind: str) -> None:
    if kind == "npz":
        for part, x, y in (("train", X, Y), ("test", XT, YT)):
            np.savez(tmp_path / f"k49-{part}-imgs.npz", x)
            np.savez(tmp_path / f"k49-{part}-labels.npz", y)
    else:
        arrow = pytest.importorskip("pyarrow")
        for part, x, y in (("train", X, Y), ("test", XT, YT)):
            for i, piece in enumerate((slice(0, 20), slice(20, None))):
                columns = dict(zip(PIXELS, x[piece].reshape(len(x[piece]), -1).T, strict=True))
                made = arrow.table({**columns, "label": y[piece]})
                path = tmp_path / f"{part}-{i:05d}-of-00002.parquet"
                __import__("pyarrow.parquet").parquet.write_table(made, path)
    files = sorted(tmp_path.iterdir())
    for path in files:
        check(load(path))
    alone = load_pictures(files[-1])
    assert len(alone.images) == (len(X) if kind == "npz" else len(X) - 20)
    assert alone.labels is not None and len(alone.labels) == len(alone.images)
    if kind == "parquet":
        files[-1].unlink()
        with pytest.warns(DataWarning, match="found 1 of 2 pieces like train-00000-of-00002.parq"):
            assert len(load(files[0])[0][0]) == 20


@pytest.mark.parametrize("kind", ["csv", "idx", "npz"])
def test_pictures_to_predict_are_treated_as_those_to_train_on(tmp_path: Path, kind: str) -> None:
    """They are upright, and their labels count from 0, whether the look or the name says so."""
    for name, labels in (("plain", Y), ("emnist-letters", Y + 1)):
        path = tmp_path / f"{name}-test.csv"
        lying = X.transpose(0, 2, 1)
        if kind == "csv":
            table(path, np.column_stack([labels, lying.reshape(70, -1)]))
        elif kind == "npz":
            np.savez(path := path.with_suffix(".npz"), x=lying, y=labels)
        else:
            path = tmp_path / f"{name}-test-images-idx3-ubyte"
            path.write_bytes(idx(lying))
            (tmp_path / f"{name}-test-labels-idx1-ubyte").write_bytes(idx(labels))
        with pytest.warns(DataWarning, match="pictures were transposed and are upright now"):
            found = load_pictures(path)
        np.testing.assert_array_equal(found.images, X)
        np.testing.assert_array_equal(found.labels, Y)  # type: ignore[arg-type]
        loaded = quiet(path)
        np.testing.assert_array_equal(np.concatenate([x for x, _ in loaded]), found.images)
        np.testing.assert_array_equal(np.concatenate([y for _, y in loaded]), found.labels)


def seventh(x: Any = X, y: Any = Y) -> Any:
    return (x[:60], y[:60]), (x[60:], y[60:])


def table(path: Path, rows: Any, head: Any = None, mark: str = ",", form: str = "%d") -> Path:
    lines = [mark.join(head)] if head is not None else []
    lines += [mark.join(form % cell if not isinstance(cell, str) else cell for cell in row)
              for row in rows]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


FIRST = np.column_stack([Y, FLAT])
LAST = np.column_stack([FLAT, Y])
WORDS = np.array(["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
TABLES: dict[str, tuple[Any, dict[str, Any]]] = {
    "header": (FIRST, {"head": ["label", *PIXELS]}),
    "other names of pixels": (FIRST, {"head": ["label", *(f"{i}x{j}" for i in range(28)
                                                          for j in range(28))]}),
    "no header": (FIRST, {}),
    "no header, label last": (LAST, {}),
    "label last": (LAST, {"head": [*PIXELS, "class"]}),
    "semicolons": (FIRST, {"mark": ";", "head": ["label", *PIXELS]}),
    "tabs": (LAST, {"mark": "\t"}),
    "spaces": (FIRST, {"mark": " ", "form": " %d "}),
    "byte order mark": (FIRST, {"head": ["\ufefflabel", *PIXELS]}),
    "5.0": (FIRST, {"form": "%.1f"}),
    "5.": (LAST, {"form": "%d.", "head": [*PIXELS, "Label"]}),
    "quotes": (FIRST, {"form": '"%d"', "head": ["label", *PIXELS]}),
    "with the number of the row": (np.column_stack([np.arange(1000, 1070), FIRST]),
                                   {"head": ["", "label", *PIXELS]}),
}  # fmt: skip


def test_tables_of_every_order(tmp_path: Path) -> None:
    for i, (rows, options) in enumerate(TABLES.values()):
        path = table(tmp_path / f"{i}.csv", rows, **options)
        check(load(path), seventh())
        (tmp_path / f"{i}").write_bytes(gzip.compress(path.read_bytes()))
        check(load(tmp_path / f"{i}"), seventh())
    (tmp_path / "blank.csv").write_bytes(b"\r\n\n" + path.read_bytes())
    check(load(tmp_path / "blank.csv"), seventh())
    odd = table(tmp_path / "odd.csv", FIRST, head=["which", *PIXELS])
    for label in ("which", 0, -785):
        check(load(odd, label=label), seventh())
    words = [[WORDS[y], *row] for y, row in zip(Y, FLAT, strict=True)]
    for head in (None, ["label", *PIXELS]):
        found = load(table(tmp_path / "words.csv", words, head))
        assert found.names == tuple(sorted(WORDS)) and found.classes == 10
        assert [found.names[i] for i in found[0][1]] == list(WORDS[Y[:60]])
    (x, y), rest = load(table(tmp_path / "test.csv", FLAT, PIXELS))
    assert y is None and len(rest[0]) == 0
    np.testing.assert_array_equal(x, X)
    scaled = np.column_stack([Y, FLAT / 255])
    with pytest.warns(DataWarning, match="pixels from 0 to 1 became 0 to 255"):
        check(load(table(tmp_path / "scaled.csv", scaled, form="%.6f")), seventh())
    for mark in ";\t":  # a decimal comma
        path = table(tmp_path / "comma.csv", scaled, form="%.6f", mark=mark)
        path.write_text(path.read_text().replace(".", ","))
        with pytest.warns(DataWarning, match="pixels from 0 to 1 became 0 to 255"):
            check(load(path), seventh())
    mixed = [[("x" if y == 7 else str(y)), *row] for y, row in zip(Y, FLAT, strict=True)]
    found = load(table(tmp_path / "mixed.csv", mixed), label=0)
    assert found.names == (*"01234568", "9", "x")
    assert [found.names[i] for i in found[0][1]] == [row[0] for row in mixed[:60]]


@for_each((0, 400, 784), ("", "label", "Digit", "kind"))
def test_the_column_of_labels(at: int, name: str, tmp_path: Path) -> None:
    """Wherever it is, with a header or not: it is found, or a sentence asks for it."""
    head = [*PIXELS[:at], name, *PIXELS[at:]] if name else None
    rows = np.insert(FLAT[:21].astype(int), at, Y[:21], axis=1)
    path = table(tmp_path / "a.csv", rows, head)
    is_seen = bool(name) or at in (0, 784)
    for label, is_found in ((None, is_seen), (at, True), (at - 785, True),
                            (name or "label", bool(name)),
                            (name.upper() or "LABEL", bool(name))):  # fmt: skip
        with named(label), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", DataWarning)
            try:
                (x, y), _ = load(path, label=label)
            except DataError as error:
                assert not is_found and "no header, expected one called" in str(error)
                continue
            right = np.array_equal(x, X[:18]) and np.array_equal(y, Y[:18])
            told = ["label= names another" in str(each.message) for each in said]
            assert (right, told) == ((True, []) if is_found else (False, [True]))


def mangled(row: Any) -> list[str]:
    """A first row as pandas writes it where it took it for names."""
    met: dict[int, int] = {}
    for cell in row:
        met[cell] = met.get(cell, -1) + 1
    seen = dict.fromkeys(met, 0)
    out = []
    for cell in row:
        out.append(f"{cell}.{seen[cell]}" if seen[cell] else f"{cell}")
        seen[cell] += 1
    return out


def test_names_of_columns_that_are_numbers(tmp_path: Path) -> None:
    """As pandas writes them by default, and where it took the first row for them."""
    for head in (list(map(str, range(785))), mangled(FIRST[5].tolist()),
                 ["0", *mangled([0] * 784)]):  # fmt: skip
        with pytest.warns(DataWarning, match=r"the first row .*,… was taken for names of columns"):
            check(load(table(tmp_path / "a.csv", FIRST, head)), seventh())
    with pytest.warns(DataWarning, match="names of columns") as said:
        assert (
            len(load_pictures(table(tmp_path / "b.csv", FLAT, list(map(str, range(784))))).images)
            == 70
        )
    assert len(said) == 1
    counted = np.column_stack([np.arange(70), FIRST])
    check(load(table(tmp_path / "c.csv", counted, ["", *map(str, range(785))])), seventh())


def test_columns_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Sorted as words (pixel0, pixel1, pixel10) or shuffled, pixels go back to their places."""
    shuffled = np.random.default_rng(0).permutation(784)
    grid = [f"{i}x{j}" for i in range(1, 29) for j in range(1, 29)]
    for names in (PIXELS, grid):
        for order in (np.argsort(names), shuffled):
            head = ["label", *np.array(names)[order]]
            path = table(tmp_path / "a.csv", np.column_stack([Y, FLAT[:, order]]), head)
            with pytest.warns(DataWarning, match="columns of pixels were put in the order of the"):
                check(load(path), seventh())
    columns_first = [f"x{j}y{i}" for i in range(28) for j in range(28)]
    check(load(table(tmp_path / "b.csv", FIRST, ["label", *columns_first])), seventh())


def test_columns_to_remove_are_named(tmp_path: Path) -> None:
    for name, column in (("usage", ["Training"] * 70), ("fold", Y % 3)):
        rows = [[*row, cell] for row, cell in zip(FIRST.tolist(), column, strict=True)]
        with pytest.raises(DataError, match=f"remove the columns {name} from the file"):
            load(table(tmp_path / "a.csv", rows, ["label", *PIXELS, name]))


BAD_TABLES: dict[str, tuple[str, str]] = {
    "word": ("label,a,b,c,d\n1,2,3,4,5\n1,2,x,4,5\n", "row 3, column 3: found 'x', expected a num"),
    "short": ("label;a;b;c;d\n1;2;3;4;5\n1;2;3;4\n", "row 3: found 4 cells, expected 5 as in row"),
    "count": ("a,b,c\n1,2,3\n", "found 3 columns, expected a square number of pixels, 8×8 at le"),
    "range": (
        "label" + ",p" * 64 + "\n1,-9" + ",4" * 63 + "\n",
        "found numbers from -9 to 4, expected pixels from 0 to 255 or 0",
    ),
    "header alone": ("label,a,b,c,d\n", "row 2: found the end, expected a row of pixels"),
    "half a label": (
        "label" + ",p" * 64 + "\n" + ("1.5" + ",255" * 64 + "\n") * 7,
        "label number 1: found 1.5, expected",
    ),
    "long cell": (f"label,a\n1,{'2' * 200_000}\n", "found no table (field larger than field limit"),
    "long name": (f"label,{'a' * 200_000}\n1,2\n", "found no table (field larger than field limit"),
    "long word": (f"label,a\nx,2\n{'x' * 200_000},2\n", "found no table (field larger than field"),
    "page": ("<!DOCTYPE html>", "this is a web page: get the file that it links to"),
    "nothing": ("", "it is empty"),
    "blank": ("\n\n", "is no table"),
}


def test_bad_tables(tmp_path: Path) -> None:
    for text, message in BAD_TABLES.values():
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / 'a.csv'))}.*"
                           + re.escape(message)):  # fmt: skip
            load(tmp_path / "a.csv")
    good = table(tmp_path / "b.csv", FIRST[:2], head=["label", *PIXELS])
    for label, message in (
        ("y", "the columns label, pixel0"),
        (785, "found 785 columns, expected"),
    ):
        with pytest.raises(DataError, match=message):
            load(good, label=label)


def test_arrays_by_name(tmp_path: Path) -> None:
    both = {
        "keras": {"x_train": X, "y_train": Y, "x_test": XT, "y_test": YT},
        "upper": {"X_train": X / 255, "Y_train": Y, "X_test": XT / 255, "Y_test": YT},
        "med": {
            "train_images": X,
            "train_labels": Y[:, None],
            "test_images": XT,
            "test_labels": YT[:, None],
        },
        "channels": {
            "trainX": X[..., None],
            "trainY": np.eye(10)[Y],
            "testX": XT[:, None],
            "testY": YT,
        },
    }
    for name, arrays in both.items():
        np.savez_compressed(tmp_path / f"{name}.npz", **arrays)
        check(quiet(tmp_path / f"{name}.npz"))
    for arrays in ({"x": X, "y": Y}, {"data": FLAT, "target": Y}, {"images": X, "labels": Y}):
        np.savez(tmp_path / "one", **arrays)
        check(load(tmp_path / "one.npz"), seventh())
    np.savez(tmp_path / "none", weights=np.zeros(3))
    with pytest.raises(DataError, match=r"found the arrays weights \(3,\), expected pictures such"):
        load(tmp_path / "none.npz")
    np.savez(tmp_path / "objects", x=np.array([None]))
    with pytest.raises(DataError, match=r"not a readable .npz of arrays of numbers"):
        load(tmp_path / "objects.npz")


def test_what_is_sorted_by_class_keeps_every_class_in_both_parts(tmp_path: Path) -> None:
    order = np.argsort(Y, kind="stable")
    np.savez(tmp_path / "sorted", x=X[order], y=Y[order])
    (_, y), (_, y_test) = load(tmp_path / "sorted.npz")
    assert [len(y), len(y_test)] == [70 - sum(np.bincount(Y) // 7), sum(np.bincount(Y) // 7)]
    np.testing.assert_array_equal(np.bincount(y_test, minlength=10), np.bincount(Y) // 7)
    np.savez(tmp_path / "few", x=X[:15], y=np.arange(15) // 2)  # every seventh
    assert [part[1].tolist() for part in load(tmp_path / "few.npz")][1] == [3, 6]


def test_matlab_files(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    lying = X.transpose(0, 2, 1).reshape(70, -1)
    kinds: dict[str, tuple[dict[str, Any], Any]] = {
        "rows that lie, 10 for 0": ({"X": lying * (1.2 / 255) - 0.1,
                                     "y": np.where(Y, Y, 10)[:, None]},
                                    None),
        "columns": ({"data": FLAT.T, "label": Y[None].astype(float)}, seventh()),
        "structs": ({"dataset": {"train": {"images": lying, "labels": Y[:, None]}, "test": {
            "images": XT.transpose(0, 2, 1).reshape(40, -1), "labels": YT[:, None]}}},
            ((X, Y), (XT, YT))),
        "height, width, n": ({"X": X.transpose(1, 2, 0), "y": Y[:, None]}, seventh()),
        "an array for each class": (
            {f"{part}{i}": x[y == i].reshape(-1, 784)
             for part, x, y in (("train", X, Y), ("test", XT, YT)) for i in range(10)},
            tuple((x[np.argsort(y, kind="stable")], np.sort(y)) for x, y in ((X, Y), (XT, YT)))),
    }  # fmt: skip
    for arrays, expected in kinds.values():
        io.savemat(tmp_path / "a.mat", arrays, do_compression=True)
        found = quiet(tmp_path / "a.mat")
        if expected is not None:
            check(found, expected)
        else:
            np.testing.assert_array_equal(found[0][1], Y[:60])
            assert np.abs(found[0][0] - X[:60].astype(float)).mean() < 10
    (tmp_path / "b.mat").write_bytes((tmp_path / "a.mat").read_bytes()[:-90])
    with pytest.raises(DataError, match=r"not a readable .mat file"):
        load(tmp_path / "b.mat")


def write_classes(folder: Path, x: Any, y: Any, image: Any, names: Any = range(10)) -> None:
    for i, (picture, label) in enumerate(zip(x, y, strict=True)):
        place = folder / str(names[label])
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(place / f"{i:03d}.png")


def test_folders_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for part, x, y in (("training", X, Y), ("testing", XT, YT)):
        write_classes(tmp_path / "both" / "mnist_png" / part, x, y, image)
    orders = [np.argsort(y, kind="stable") for y in (Y, YT)]
    check(load(tmp_path / "both"), ((X[orders[0]], Y[orders[0]]), (XT[orders[1]], YT[orders[1]])))
    (tmp_path / "both" / "mnist_png" / "testing").rename(tmp_path / "both" / "mnist_png" / "val")
    assert len(load(tmp_path / "both")[1][1]) == len(YT)
    write_classes(tmp_path / "both" / "mnist_png" / "test", X[:9], Y[:9], image)
    with pytest.warns(DataWarning, match="the validation part was left out"):
        assert len(load(tmp_path / "both")[1][1]) == 9
    write_classes(tmp_path / "one", X, Y, image, WORDS)
    (tmp_path / "one" / "notes.txt").write_text("not a picture")
    found = load(tmp_path / "one")
    assert found.names == tuple(sorted(WORDS)) and len(found[1][1]) == sum(np.bincount(Y) // 7)
    coloured = np.repeat(X[:1, :, :, None], 3, -1) // [1, 2, 3]
    write_classes(tmp_path / "one", coloured.astype(np.uint8).repeat(2, 1), [0], image, WORDS)
    with pytest.raises(DataError, match=r"one: found pictures of 28×28 and 56×28 pixels, expected "
                       r"one size; give size=\(28, 28\)"):  # fmt: skip
        load(tmp_path / "one")
    with pytest.warns(DataWarning, match="pictures in colours were made grey"):
        found = load(tmp_path / "one", size=(14, 14))
    assert found[0][0].shape[1:] == (14, 14)
    (tmp_path / "one" / "one" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"x.png: not a readable picture"):
        load(tmp_path / "one")


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = dict(zip(PIXELS, FLAT.T, strict=True))
    parquet.write_table(arrow.table({**columns, "class": Y.astype(str)}), tmp_path / "a.pq")
    check(load(tmp_path / "a.pq"), seventh())
    image, io = pytest.importorskip("PIL.Image"), __import__("io")
    for part, x, y in (("train", X, Y), ("test", XT, YT)):
        cells = []
        for picture in x:
            image.fromarray(picture).save(file := io.BytesIO(), "png")
            cells.append({"bytes": file.getvalue(), "path": None})
        half = len(cells) // 2
        for i, piece in enumerate((slice(0, half), slice(half, None))):
            made = arrow.table({"image": cells[piece], "label": y[piece]})
            (tmp_path / "hub").mkdir(exist_ok=True)
            parquet.write_table(made, tmp_path / "hub" / f"{part}-{i:05d}-of-00002.parquet")
    check(load(tmp_path / "hub"))


def test_a_folder_of_tables(tmp_path: Path) -> None:
    table(tmp_path / "mnist_train.csv", FIRST)
    table(tmp_path / "mnist_test.csv", np.column_stack([YT, XT.reshape(40, -1)]))
    check(load(tmp_path))
    table(tmp_path / "mnist_test.csv", XT.reshape(40, -1))
    with pytest.warns(DataWarning, match="the test part, which has no labels, was left out"):
        check(load(tmp_path), seventh())
    table(tmp_path / "other.csv", FIRST)
    with pytest.raises(DataError, match="expected one file, or one for training and one for test"):
        (tmp_path / "mnist_train.csv").rename(tmp_path / "more.csv")
        load(tmp_path)


REFUSED = {
    "pickle": (pickle.dumps([1]), "this is a pickle: a pickle can run code, so it is not read"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "this is an HDF5 file: h5py.File(path) reads it"),
    "npy": (b"\x93NUMPY\1\0", "this is an array of NumPy's: np.load(path) reads it"),
    "xz": (b"\xfd7zXZ\0", "this is packed data (bzip2, xz or 7z): unpack it"),
    "picture": (b"\x89PNG\r\n\x1a\n", "this is a PNG picture: tg.data.load reads a folder"),
    "json": (b'{"a": [1, 2]}', "this is JSON: json.load(file) reads it"),
    "drawing": (b"<?xml version='1.0'?><svg/>", "this is a drawing or XML: open it in a program"),
    "pdf": (b"%PDF-1.7", "this is a PDF: open it in a program"),
    "program": (
        b'"""Trains."""\n\nimport os\n',
        'found text that starts with \'"""Trains."""\' and is no table, expected an IDX, CSV, npz',
    ),
    "program, with commas": (b"from a import b, c\nprint(b)\n", "text that starts with 'from a"),
    "old line ends": (b"label,a\r1,2\r", "lines that end with carriage returns alone"),
    "prose with numbers": (
        b"A, b\n\nOf 1, 2, the\n",
        "text that starts with 'A, b' and is no table",
    ),
    "prose": (b"Dear all,\nnothing.\n", "text that starts with 'Dear all,' and is no table"),
    "utf-16": (b"\xff\xfea\0", "this is text in UTF-16: save it in UTF-8"),
    "noise": (b"\1\0\2\0", "its kind is not known"),
}


def test_what_is_refused_has_the_way_out(tmp_path: Path) -> None:
    for content, message in REFUSED.values():
        for pack in (bytes, gzip.compress):
            (tmp_path / "data").write_bytes(pack(content))
            with pytest.raises(DataError, match=re.escape(message)):
                load(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: found no file, expected an IDX, CSV, npz"):
        load(tmp_path / "empty")
    (tmp_path / "empty" / "x.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match=r"it has x.pkl: this is a pickle: a pickle can run code"):
        load(tmp_path / "empty")


def test_libraries_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIL", "scipy.io", "pyarrow"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    (tmp_path / "0").mkdir()
    for path, content, extra in (
        ("0/x.png", b"\x89PNG\r\n\x1a\n", "pillow"), ("a.mat", b"MATLAB 5.0 MAT-file", "scipy"),
        ("a.parquet", b"PAR1", "pyarrow"),
    ):  # fmt: skip
        (tmp_path / path).write_bytes(content)
        with pytest.raises(ImportError, match=rf"pip install {extra}\.$"):
            load(tmp_path if extra == "pillow" else tmp_path / path)


def test_a_table_that_holds_no_pictures_is_not_cut_to_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 5, (60, 4)), rng.integers(0, 3, 60)
    lines = ["a,b,c,d,label", *(",".join(map(str, [*row, k])) for row, k in zip(x, y, strict=True))]
    (tmp_path / "iris.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "iris.npz", x=x.reshape(60, 2, 2), y=y)
    for name, message in (("csv", "found 5 columns"), ("npz", "with fractions, expected pixels")):
        with pytest.raises(DataError, match=f"{message}.*for a table of other numbers see MLPC"):
            tg.data.load(tmp_path / f"iris.{name}")
    np.savez(tmp_path / "scaled.npz", x=rng.uniform(0, 255, (60, 4, 4)), y=y)
    with pytest.warns(DataWarning, match="rounded to whole numbers"):
        tg.data.load(tmp_path / "scaled.npz")
