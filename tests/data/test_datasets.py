"""The embedded data set, Fashion-MNIST from every place, folders and CSV files."""

import gzip
import hashlib
import http.client
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_np.data import (
    datasets,
    fashion_mnist,
    load_dataset,
    load_folder,
    mnist,
    normalise,
    save_idx,
)
from tinygrad_np.errors import DataError

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def small_arrays() -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    random = np.random.default_rng(0)
    return [
        random.integers(0, 256, (5, 4, 4), np.uint8),
        np.array([0, 9, 3, 3, 1], np.uint8),
        random.integers(0, 256, (2, 4, 4), np.uint8),
        np.array([7, 0], np.uint8),
    ]


def write_small(folder: Path, suffix: str = ".gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, small_arrays(), strict=True):
        save_idx(folder / f"{name}{suffix}", array)
    return folder


def is_small(dataset: datasets.Dataset) -> bool:
    found = [array for part in dataset for array in part]
    return all(map(np.array_equal, found, small_arrays()))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fashion-MNIST is at none of its places, and the small data set counts as the real one."""
    monkeypatch.delenv("TINYGRAD_NP_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "_FASHION_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(datasets, "_FASHION_URL", f"{(tmp_path / 'site').as_uri()}/")
    monkeypatch.setattr(datasets, "_FASHION_SHA256", tuple(small_checksums(tmp_path)))
    return tmp_path


def small_checksums(tmp_path: Path) -> list[str]:
    plain = write_small(tmp_path / "plain", suffix="")
    return [hashlib.sha256((plain / name).read_bytes()).hexdigest() for name in NAMES]


def test_mnist_is_the_published_data_set() -> None:
    (x_train, y_train), (x_test, y_test) = mnist()
    assert [a.shape for a in (x_train, x_test)] == [(60_000, 28, 28), (10_000, 28, 28)]
    assert [a.shape for a in (y_train, y_test)] == [(60_000,), (10_000,)]
    assert {a.dtype for a in (x_train, x_test)} == {np.dtype(np.uint8)}
    assert {a.dtype for a in (y_train, y_test)} == {np.dtype(np.int64)}
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_train).tolist() == counts
    shares = np.bincount(x_train.ravel(), minlength=256) / x_train.size
    scaled = normalise(np.arange(256, dtype=np.uint8), dtype=np.float64)
    mean = shares @ scaled
    assert mean == pytest.approx(0.1306604762738429, rel=1e-12)
    assert np.sqrt(shares @ (scaled - mean) ** 2) == pytest.approx(0.30810780385646264, rel=1e-12)


def test_mnist_is_the_callers_own() -> None:
    (x_train, y_train), (x_test, y_test) = mnist()
    for array in (x_train, y_train, x_test, y_test):
        array[...] = 0
    assert all(array.any() for part in mnist() for array in part)


def test_damaged_mnist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "_MNIST_FOLDER", write_small(tmp_path))
    message = f"{tmp_path / NAMES[0]}.gz, uncompressed content: found SHA-256 "
    with pytest.raises(DataError, match=f"^{re.escape(message)}.*, expected ba891046e6505d7a"):
        mnist()


def test_real_fashion_mnist() -> None:
    try:
        (x_train, y_train), (x_test, y_test) = fashion_mnist()
    except DataError as error:
        pytest.skip(str(error))
    assert [a.shape for a in (x_train, x_test)] == [(60_000, 28, 28), (10_000, 28, 28)]
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10


@pytest.mark.parametrize("place", ["given", "named", "debian", "cache/tinygrad_np/fashion-mnist"])
def test_fashion_is_found(nowhere: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder = write_small(nowhere / place)
    if place == "named":
        monkeypatch.setenv("TINYGRAD_NP_DATA", str(folder))
    assert is_small(fashion_mnist(folder if place == "given" else None))


def test_fashion_is_looked_for_in_the_given_folder_alone(nowhere: Path) -> None:
    write_small(nowhere / "debian")
    message = f"Fashion-MNIST: found no complete set of files in {nowhere / 'given'}, expected"
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        fashion_mnist(nowhere / "given")


def test_absent_fashion_says_three_ways_to_get_it(nowhere: Path) -> None:
    with pytest.raises(DataError) as caught:
        fashion_mnist()
    message = str(caught.value)
    assert f"{nowhere / 'debian'}, {nowhere / 'cache'}/tinygrad_np/fashion-mnist" in message
    assert message.endswith(
        "install Debian's dataset-fashion-mnist, set TINYGRAD_NP_DATA to a folder that holds "
        "them, or fetch them in Python with tinygrad_np.data.fashion_mnist(download=True)"
    )
    assert not (nowhere / "cache").exists()


def test_other_data_is_not_taken_for_fashion(nowhere: Path) -> None:
    folder = write_small(nowhere / "debian")
    save_idx(folder / f"{NAMES[3]}.gz", np.array([7, 1], np.uint8))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz, uncompressed content: found"):
        fashion_mnist()


@pytest.mark.parametrize("place", ["given", "named", "cache/tinygrad_np/fashion-mnist"])
def test_download(nowhere: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    write_small(nowhere / "site")
    folder = nowhere / place
    if place == "named":
        monkeypatch.setenv("TINYGRAD_NP_DATA", str(folder))
    assert is_small(fashion_mnist(folder if place == "given" else None, download=True))
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.gz" for n in NAMES)


def test_download_keeps_what_is_there(nowhere: Path) -> None:
    site = write_small(nowhere / "site")
    folder = write_small(nowhere / "given")
    (folder / f"{NAMES[0]}.gz").unlink()
    for name in NAMES[1:]:
        (site / f"{name}.gz").unlink()
    assert is_small(fashion_mnist(folder, download=True))


def test_failed_downloads_leave_nothing(nowhere: Path) -> None:
    site, folder = nowhere / "site", nowhere / "given"
    url = re.escape(f"{site.as_uri()}/{NAMES[0]}.gz")
    with pytest.raises(DataError, match=f"^{url}: cannot be fetched .* check the connection"):
        fashion_mnist(folder, download=True)
    site.mkdir()
    (site / f"{NAMES[0]}.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match=f"^{url}, byte 0: found 0x3c68746d, expected the start"):
        fashion_mnist(folder, download=True)
    (site / f"{NAMES[0]}.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\0"))
    with pytest.raises(DataError, match=f"^{url}, uncompressed content: found SHA-256"):
        fashion_mnist(folder, download=True)
    assert list(folder.iterdir()) == []


def test_broken_replies_are_a_sentence(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(url: str, timeout: float) -> None:
        assert (url[-3:], timeout) == (".gz", 30)
        raise http.client.IncompleteRead(b"")

    monkeypatch.setattr("urllib.request.urlopen", broken)
    with pytest.raises(DataError, match=r"cannot be fetched \(IncompleteRead"):
        fashion_mnist(nowhere / "given", download=True)


def test_download_into_a_file_is_refused(nowhere: Path) -> None:
    (nowhere / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file: cannot be made \(File exists\); choose a writable"):
        fashion_mnist(nowhere / "file", download=True)


BAD_FOLDER: dict[str, tuple[int, Any, str]] = {
    "count": (1, np.zeros(4, np.uint8), "found 4 labels, expected 5, one for each image;"),
    "label": (3, np.array([7, 10], np.uint8), "label number 2: found 10, expected 0 to 9;"),
    "flat": (0, np.zeros((5, 15), np.uint8), "found an array of shape (5, 15), expected pictures"),
    "float": (2, np.full((2, 4, 4), 300, "f4"), "found numbers from 300 to 300, expected pixels"),
    "columns": (
        1,
        np.zeros((5, 10), np.uint8),
        "found labels of shape (5, 10), expected (n,), one",
    ),
    "signed": (3, -np.ones(2, np.int8), "label number 1: found -1, expected 0 to 9"),
    "size": (2, np.zeros((2, 5, 4), np.uint8), "(5, 4, 4) and test images of shape (2, 5, 4), exp"),
}


@pytest.mark.parametrize(("index", "array", "message"), BAD_FOLDER.values(), ids=BAD_FOLDER)
def test_bad_folder(tmp_path: Path, index: int, array: Any, message: str) -> None:
    save_idx(write_small(tmp_path) / f"{NAMES[index]}.gz", array)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))}.*{re.escape(message)}"):
        load_folder(tmp_path)


def test_dataset_by_name(nowhere: Path) -> None:
    write_small(nowhere / "debian")
    assert load_dataset("mnist")[1][0].shape == (10_000, 28, 28)
    assert is_small(load_dataset("fashion"))
    assert is_small(load_dataset(str(nowhere / "plain")))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("given", ["", "KMNIST", "KMNIST/raw", "MNIST", "MNIST/raw", "raw"])
def test_folders_of_torchvision(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, given: str, suffix: str
) -> None:
    monkeypatch.setattr(datasets, "_MNIST_SHA256", datasets._FASHION_SHA256)
    root = nowhere / "root"
    write_small(root / {"": "MNIST/raw"}.get(given, given), suffix)
    parent = root / given.removesuffix("raw")
    assert is_small(load_dataset(str(root / given)))
    if given.endswith("raw"):
        assert is_small(load_dataset(str(parent)))


@pytest.mark.parametrize("given", ["", "FashionMNIST", "FashionMNIST/raw"])
def test_torchvisions_fashion_is_found_and_checked(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    home = write_small(nowhere / "root" / "FashionMNIST" / "raw")
    place = nowhere / "root" / given
    monkeypatch.setenv("TINYGRAD_NP_DATA", str(place))
    for found in (load_dataset(str(place)), fashion_mnist(place), load_dataset("fashion")):
        assert is_small(found)
    save_idx(home / f"{NAMES[1]}.gz", np.zeros(5, np.uint8))
    for ask in (lambda: load_dataset(str(place)), lambda: fashion_mnist(place)):
        datasets._verified.cache_clear()
        with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz, uncompressed content: f"):
            ask()


def test_what_torchvision_calls_mnist_is_checked(tmp_path: Path) -> None:
    write_small(tmp_path / "MNIST" / "raw")
    with pytest.raises(DataError, match=r"idx3-ubyte.gz, uncompressed content: .* expected ba8910"):
        load_dataset(str(tmp_path))


def test_two_data_sets_under_one_root(tmp_path: Path) -> None:
    homes = [write_small(tmp_path / name / "raw") for name in ("MNIST", "FashionMNIST")]
    message = f"{tmp_path}: found data sets in {homes[0]} and {homes[1]}, expected one; give the"
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        load_dataset(str(tmp_path))


def test_an_empty_root_is_told_of_its_own_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))}: found no file, expected"):
        load_dataset(str(tmp_path))


def write_csv(path: Path, labels: list[int]) -> str:
    rows = [f"{y}{f',{i + 240}' * 64}\n" for i, y in enumerate(labels)]
    path.write_text("".join([f"label{',pixel' * 64}\n", *rows]))
    return str(path)


def test_last_seventh_of_a_csv_is_the_test_part(tmp_path: Path) -> None:
    labels = [i % 10 for i in range(15)]
    train, test = load_dataset(write_csv(tmp_path / "a.csv", labels))
    assert (train[1].tolist(), test[1].tolist()) == (labels[:13], labels[13:])
    corners = [x[:, 0, 0].tolist() for x, _ in (train, test)]
    assert corners == [[*range(240, 253)], [253, 254]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1] * 6, ": found 6 rows, expected at least 7, as a seventh becomes the test part;"),
        ([1, 2, 10] * 4, ", label number 3: found 10, expected 0 to 9;"),
    ],
)
def test_bad_csv_dataset(tmp_path: Path, labels: list[int], message: str) -> None:
    path = write_csv(tmp_path / "a.csv", labels)
    with pytest.raises(DataError, match=f"^{re.escape(path + message)}"):
        load_dataset(path)


def test_unknown_dataset() -> None:
    message = "found no data set, folder or file called 'minst', expected mnist, fashion, a folder"
    with pytest.raises(DataError, match=f"^{message}"):
        load_dataset("minst")


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_the_checksums_of_the_embedded_files(name: str) -> None:
    folder = Path(datasets.__file__).parent / "mnist"
    content = gzip.decompress((folder / f"{name}.gz").read_bytes())
    row = f"| {name} | {len(content):,} | {hashlib.sha256(content).hexdigest()} |"
    assert row in (folder / "README.md").read_text(encoding="utf-8")
