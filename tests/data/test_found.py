"""Files and arrays as people have them: read, or refused with what they are and what reads them."""

import gzip
import pickle
import re
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
    load_idx,
    split,
)
from tinygrad_np.errors import DataError, DataWarning

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (30, 8, 8)).astype(np.uint8), np.arange(30, dtype=np.uint8) % 10


def check(dataset: Any, parts: Any) -> None:
    for found, part in zip([a for pair in dataset for a in pair], parts, strict=True):
        np.testing.assert_array_equal(found, part)


def test_labels_above_nine_of_libraries() -> None:
    flat, labels = X.reshape(30, -1), np.where(Y == 0, 10, Y)
    assert from_sklearn(flat, labels, classes=11)[0][1].max() == 10
    for some in (labels, np.where(labels == 1, 2, labels)):
        with pytest.warns(DataWarning, match=r"labels 1 to 10 became 0 to 9 \(10 stands for 0\)"):
            np.testing.assert_array_equal(from_sklearn(flat, some)[0][1], some[:-4] % 10)
    np.testing.assert_array_equal(from_sklearn(flat, labels % 10)[0][1], Y[:-4])

    class Part:
        data, targets = X, np.arange(30)

    assert from_torchvision(Part, Part, classes=30)[1][1].max() == 29
    with pytest.raises(DataError, match=r"found 10, expected 0 to 9; .* or give classes=30$"):
        from_torchvision(Part, Part)


FILES: dict[str, tuple[bytes, str]] = {
    "npz": (b"PK\3\4....", "this is an .npz of arrays or a zip archive: tg.data.load(path) reads"),
    "npy": (b"\x93NUMPY\1\0", "this is an array of NumPy's: np.load(path) reads it"),
    "pickle": (pickle.dumps([1]), "this is a pickle: a pickle can run code, so it is not read"),
    "mat": (b"MATLAB 5.0 MAT-file", "this is a .mat file: tg.data.load(path) reads it"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "this is an HDF5 file: h5py.File(path) reads it"),
    "parquet": (b"PAR1\x15\4", "this is a Parquet file: tg.data.load(path) reads it"),
    "png": (b"\x89PNG\r\n\x1a\n", "this is a PNG picture: tg.data.load reads a folder of"),
    "jpeg": (b"\xff\xd8\xff\xe0\0", "this is a JPEG picture: tg.data.load reads a folder of"),
    "page": (b"<!DOCTYPE html>\n", "this is a web page: get the file that it links to"),
    "xz": (b"\xfd7zXZ\0", "this is packed data (bzip2, xz or 7z): unpack it"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, message: str, pack: Any) -> None:
    path = tmp_path / "data"
    path.write_bytes(pack(content))
    for load in (load_idx, load_csv):
        with pytest.raises(DataError, match=f"; {re.escape(message)}"):
            load(str(path))


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
    lines = [",".join(["label", *map(str, range(64))])]
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
    "a dict of numbers": ({"x": 1}, [1], "found arrays of shapes y (1,), expected in x and in y"),
    "sparse": (Sparse(), [1, 2, 3], "x is a sparse Sparse; give x.toarray()"),
    "ragged": ([[1], [1, 2]], [1, 2], "x is a list whose entries have different lengths"),
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
