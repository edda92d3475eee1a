"""Files and arrays as people have them: read, or refused with what they are and what reads them."""

import gzip
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.data import (
    batches,
    from_sklearn,
    from_torchvision,
    load_csv,
    load_dataset,
    load_folder,
    load_idx,
    save_idx,
    split,
)
from tinygrad_np.errors import DataError

RNG = np.random.default_rng(0)
NAMES = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
]  # fmt: skip
X, Y = RNG.integers(0, 256, (30, 4, 4)).astype(np.uint8), np.arange(30, dtype=np.uint8) % 10
PARTS = [X[:20], Y[:20], X[20:], Y[20:]]


def write(folder: Path, rename: Callable[[str], str] = str, parts: Any = PARTS) -> Path:
    for name, part in zip(NAMES, parts, strict=True):
        target = folder / rename(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        save_idx(target, part)
    return folder


def check(dataset: Any, parts: Any = PARTS) -> None:
    for found, part in zip([a for pair in dataset for a in pair], parts, strict=True):
        np.testing.assert_array_equal(found, part)


NAMED: dict[str, Callable[[str], str]] = {
    "with a dot": lambda name: name.replace("-idx", ".idx"),
    "with a dot, packed": lambda name: name.replace("-idx", ".idx") + ".gz",
    "each in a folder of its name": lambda name: f"{name}/{name}",
    "with dots in folders": lambda name: f"{name}/{name}".replace("-idx", ".idx"),
    "packed": lambda name: f"{name}.gz",
}


@pytest.mark.parametrize("rename", NAMED.values(), ids=NAMED)
def test_names_of_the_four_files(tmp_path: Path, rename: Callable[[str], str]) -> None:
    check(load_folder(write(tmp_path / "data", rename)))
    check(load_dataset(str(tmp_path / "data")))
    check(load_dataset(str(tmp_path)))  # one folder deeper
    write(tmp_path / "other", rename)
    with pytest.raises(DataError, match=r"found data sets in .*data and .*other, expected one"):
        load_dataset(str(tmp_path))


def test_labels_above_nine(tmp_path: Path) -> None:
    letters = [X[:26], np.arange(26, dtype=np.uint8) + 1, X[26:], Y[26:] + 1]
    write(tmp_path, parts=letters)
    check(load_folder(tmp_path, classes=27), letters)
    check(load_dataset(str(tmp_path), classes=27), letters)
    with pytest.raises(DataError, match=r"found 10, expected 0 to 9; use a data set of 10 classes, "
                       r"or give classes=27 \(labels - 1 count from 0\)$"):  # fmt: skip
        load_folder(tmp_path)
    with pytest.raises(DataError, match="found 26, expected 0 to 25"):
        load_folder(tmp_path, classes=26)
    flat, labels = X.reshape(30, -1), np.where(Y == 0, 10, Y)
    assert from_sklearn(flat, labels, classes=11)[0][1].max() == 10
    with pytest.raises(DataError, match=r"classes=11 .* labels % 10 if 10 stands for 0"):
        from_sklearn(flat, labels)
    np.testing.assert_array_equal(from_sklearn(flat, labels % 10)[0][1], Y[:-4])

    class Part:
        data, targets = X, np.arange(30)

    assert from_torchvision(Part, Part, classes=30)[1][1].max() == 29
    with pytest.raises(DataError, match=r"found 10, expected 0 to 9; .* or give classes=30$"):
        from_torchvision(Part, Part)


def emnist(folder: Path) -> None:
    write(folder, lambda name: "emnist-digits-" + name.replace("t10k", "test"))


def pictures(folder: Path) -> None:
    for label in "01":
        (folder / label).mkdir(parents=True)
        (folder / label / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def one_file(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b"x") and None


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "EMNIST": (emnist, "rename files such as emnist-digits-test-images-idx3-ubyte, or read each "
                       "with load_idx (EMNIST's pictures are transposed: load_idx(path)."),
    "pictures": (pictures, "it has 0.png: Pillow reads pictures: np.stack([np.asarray(PIL.Image."),
    "npz": (one_file("mnist.npz"), "it has mnist.npz: tg.load(path) gives the arrays"),
    "csv": (one_file("train.csv"), "it has train.csv: give the CSV file itself"),
    "packed csv": (one_file("train.csv.gz"), "it has train.csv.gz: give the CSV file itself"),
    "mat": (one_file("digits.mat"), "it has digits.mat: scipy.io.loadmat(path) reads it"),
    "archive": (one_file("archive.zip"), "it has archive.zip: unpack it"),
    "parquet": (one_file("a.parquet"), "it has a.parquet: pandas.read_parquet(path) reads it"),
    "pickle": (one_file("mnist.pkl.gz"), "it has mnist.pkl.gz: a pickle runs code when it is read"),
    "nothing": (Path.exists, "check the path or add the file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), FOLDERS.values(), ids=FOLDERS)
def test_folders_of_other_things(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path)
    for load in (load_dataset, load_folder):
        with pytest.raises(DataError, match=rf"expected the four files.*; {re.escape(message)}"):
            load(str(tmp_path))


FILES: dict[str, tuple[bytes, str]] = {
    "npz": (b"PK\3\4....", "this is a zip archive: tg.load(path) gives the arrays of an .npz"),
    "npy": (b"\x93NUMPY\1\0", "this is an array of NumPy's: np.load(path) reads it"),
    "pickle": (pickle.dumps([1]), "this is a pickle: a pickle runs code when it is read, so none"),
    "mat": (b"MATLAB 5.0 MAT-file", "this is a .mat file: scipy.io.loadmat(path) reads it"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "this is an HDF5 file: h5py.File(path) reads it"),
    "parquet": (b"PAR1\x15\4", "this is a Parquet file: pandas.read_parquet(path) reads it"),
    "png": (b"\x89PNG\r\n\x1a\n", "this is a PNG picture: np.asarray(PIL.Image.open(path)) reads"),
    "jpeg": (b"\xff\xd8\xff\xe0\0", "this is a JPEG picture: np.asarray(PIL.Image.open(path))"),
    "page": (b"<!DOCTYPE html>\n", "this is a web page: get the file that it links to"),
    "xz": (b"\xfd7zXZ\0", "this is packed data (bzip2, xz or 7z): unpack it"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, message: str, pack: Any) -> None:
    path = tmp_path / "data"
    path.write_bytes(pack(content))
    for load in (load_idx, load_csv, load_dataset):
        with pytest.raises(DataError, match=f"; {re.escape(message)}"):
            load(str(path))


def test_an_idx_file_is_no_csv(tmp_path: Path) -> None:
    save_idx(tmp_path / "a", X)
    with pytest.raises(DataError, match=r"this is an IDX file: load_idx\(path\) reads it"):
        load_dataset(str(tmp_path / "a"))


HEADER = b"label,a,b,c,d\n"
TABLES: dict[str, tuple[bytes, str]] = {
    "no header": (b"7,0,1,2,3\n", "without a header, table = np.loadtxt(path, delimiter=',')"),
    "no labels": (HEADER[6:] + b"1,2,3,4\n", "np.loadtxt(path, delimiter=',', skiprows=1, dtype=np"
                                             ".uint8) reads one without labels"),
    "semicolons": (b"label;a;b;c;d\n", "separate its cells by commas, or read it with np.loadtxt("
                                       "path, delimiter=';')"),
    "tabs": (b"label\ta\tb\tc\td\n", "np.loadtxt(path, delimiter='\\t')"),
    "labels last": (b"a,b,c,d,label\n", "skiprows=1) reads other orders of columns, and from_skl"),
    "floats": (HEADER + b"1,0.5,2,3,4\n", "mend the cell, or read other numbers with np.loadtxt"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), TABLES.values(), ids=TABLES)
def test_tables_of_other_forms(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        load_csv(tmp_path / "a.csv")


def test_what_the_messages_say_reads_tables(tmp_path: Path) -> None:
    rows = np.column_stack([Y, X.reshape(30, -1)])
    np.savetxt(tmp_path / "bare.csv", rows, fmt="%d", delimiter=",")
    table = np.loadtxt(tmp_path / "bare.csv", delimiter=",")
    check(from_sklearn(table[:, 1:], table[:, 0]), [X[:26], Y[:26], X[26:], Y[26:]])
    np.savetxt(tmp_path / "test.csv", rows[:, 1:], "%d", ",", header="a,b", comments="")
    read = np.loadtxt(tmp_path / "test.csv", delimiter=",", skiprows=1, dtype=np.uint8)
    np.testing.assert_array_equal(read, rows[:, 1:])
    np.savez(tmp_path / "all.npz", x=X)
    np.testing.assert_array_equal(tg.load(tmp_path / "all.npz")["x"], X)


@pytest.mark.parametrize("form", ["%d.0", "%.1f", "%.3f", "%d."])
def test_whole_numbers_with_a_point(tmp_path: Path, form: str) -> None:
    rows = np.column_stack([Y, X.reshape(30, -1)])
    lines = [",".join(["label", *map(str, range(16))])]
    lines += [",".join((form if i % 3 else "%d") % cell for cell in row)
              for i, row in enumerate(rows)]  # fmt: skip
    (tmp_path / "a.csv").write_text("\n".join(lines))
    images, labels = load_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(images, X)
    np.testing.assert_array_equal(labels, Y)


WORDS = np.array(["a", "b", "c"])
ROWS = np.ones((3, 2))


class Sparse:
    """As SciPy's matrices are."""

    def toarray(self) -> Any:
        return ROWS


PAIRS: dict[str, tuple[Any, Any, str]] = {
    "lengths": (ROWS, [1, 2], "found x of shape (3, 2) and y of shape (2,), expected the same len"),
    "transposed": (ROWS.T, WORDS == "a", "give x.T, as examples are rows"),
    "a row of labels": (ROWS, [[1, 2, 3]], "give y.ravel()"),
    "one label": (ROWS, 1, "found x of shape (3, 2) and y of shape (), expected the same length"),
    "no labels": (ROWS, None, "found y of type NoneType, expected an array of numbers; give one y"),
    "a word": ("images", [1], "found x of type str, expected an array of numbers; give one row"),
    "a dict": ({"x": 1}, [1], "found x of type dict, expected an array of numbers"),
    "sparse": (Sparse(), [1, 2, 3], "found x of type Sparse, expected an array; give x.toarray()"),
    "ragged": ([[1], [1, 2]], [1, 2], "found x as a list whose entries have several shapes"),
}


@pytest.mark.parametrize(("x", "y", "message"), PAIRS.values(), ids=PAIRS)
def test_pairs_that_are_none(x: Any, y: Any, message: str) -> None:
    for call in (lambda: batches(x, y, 2, seed=0), lambda: split(x, y, 1, seed=0)):
        with pytest.raises(DataError, match=f"^(batches|split): .*{re.escape(message)}"):
            call()


@pytest.mark.parametrize("kind", [object, str, "S2", "M8[D]"])
def test_words_and_objects_are_no_batches(kind: Any) -> None:
    x, y = ROWS.astype(int).astype(kind), np.arange(3)
    for given, name in (((x, y), "x"), ((ROWS, y.astype(kind)), "y")):
        with pytest.raises(DataError, match=rf"found {name} of dtype .*, expected numbers; convert "
                           rf"numbers with {name}.astype\(np.float32\)"):  # fmt: skip
            batches(*given, 2, seed=0)
    assert split(x, y.astype(kind), 1, seed=0)[0][1].dtype == y.astype(kind).dtype


@pytest.mark.parametrize("size", [0, -1, 2.0, 2.5, "2", None, True])
def test_batch_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(
        DataError, match=rf"found batch_size={re.escape(repr(size))}, expected an i"
    ):
        batches(ROWS, [1, 2, 3], size, seed=0)
