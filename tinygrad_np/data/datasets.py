"""Data sets by name or by place, each as ((x_train, y_train), (x_test, y_test))."""

import functools
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError
from ..files import cache, replacing
from .files import StrPath, load_idx, read_idx

Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Dataset(tuple[Part, Part]):
    """``((x_train, y_train), (x_test, y_test))``, and what the classes are called.

    Images are (n, h, w) uint8, labels (n,) int64; where a file has none, they are None and the test
    part is empty. ``names`` has what each class is called there if labels were words, or numbers
    that do not count from 0, else it is None.

    >>> (x, y), (x_test, y_test) = tg.data.mnist()
    >>> x.shape, y.shape, x_test.shape
    ((60000, 28, 28), (60000,), (10000, 28, 28))
    """

    names: tuple[str, ...] | None

    def __new__(cls, parts: tuple[Part, Part], names: tuple[str, ...] | None = None) -> "Dataset":
        needed = "((x_train, y_train), (x_test, y_test))"
        pairs = parts if isinstance(parts, (tuple, list)) else ()
        if [len(pair) for pair in pairs if isinstance(pair, (tuple, list))] != [2, 2]:
            raise arguments.refusal("Dataset", "parts", parts, needed)
        made = super().__new__(cls, parts)
        made.names = names
        return made

    @property
    def classes(self) -> int:
        """How many classes there are: one for each name, or up to the largest label."""
        if self.names is not None:
            return len(self.names)
        return 1 + max((int(labels.max(initial=-1)) for _, labels in self), default=-1)


_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CLASSES = 10
_Checksums = tuple[str | None, ...]

# SHA-256 of the uncompressed files, in the order of _NAMES.
_MNIST_SHA256: _Checksums = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
_FASHION_SHA256: _Checksums = (
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)

_MNIST_FOLDER = Path(__file__).parent / "mnist"
_FASHION_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_FASHION_URL = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
)
_TIMEOUT_SECONDS = 30
_DOWNLOAD_LIMIT = 1 << 26


def mnist() -> Dataset:
    """Return MNIST, which is embedded: 60,000 training and 10,000 test images.

    Images are (n, 28, 28) uint8, labels (n,) int64 from 0 to 9; the arrays are the caller's own.
    The SHA-256 of each file is checked once per process. Raises DataError if a file was damaged.
    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", 1998; CC BY-SA 3.0, see data/mnist/README.md.

    >>> (x, y), (x_test, y_test) = tg.data.mnist()
    >>> x.shape, x.dtype, y[:5].tolist()
    ((60000, 28, 28), dtype('uint8'), [5, 0, 4, 1, 9])
    """
    return _copied(_verified(_MNIST_FOLDER, _MNIST_SHA256))


def fashion_mnist(folder: StrPath | None = None, download: bool = False) -> Dataset:
    """Return Fashion-MNIST: the sizes, shapes and dtypes of MNIST, pictures of clothes.

    Looks for the four IDX files in `folder` alone if it is given; else in the folder named by the
    environment variable TINYGRAD_NP_DATA, where Debian's package `dataset-fashion-mnist` puts
    them, and in the user's cache. Only with `download=True` are missing files fetched from their
    authors, into `folder`, else TINYGRAD_NP_DATA, else the cache. A folder may also be the `root`
    of torchvision's FashionMNIST. The SHA-256 of each file is checked once per process. Raises
    DataError if files are absent, other or out of reach.
    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747.

    >>> try:
    ...     tg.data.fashion_mnist(folder="not-there")
    ... except tg.DataError:
    ...     print("download=True fetches the files")
    ...
    download=True fetches the files
    """
    places = _fashion_places(folder)
    inside = (place / inner for place in places for inner in ("", "FashionMNIST/raw", "raw"))
    home = next((each for each in inside if not _missing(each)), None)
    if home is None and download:
        home = places[0] if places[0] != _FASHION_DEBIAN else places[-1]
        _download_fashion(home)
    if home is None:
        raise DataError(
            f"Fashion-MNIST: found no complete set of files in {', '.join(map(str, places))}, "
            f"expected {_NAMES[0]} and three more; install Debian's dataset-fashion-mnist, set "
            "TINYGRAD_NP_DATA to a folder that holds them, or fetch them in Python with "
            "tinygrad_np.data.fashion_mnist(download=True)"
        )
    return _copied(_verified(home, _FASHION_SHA256))


def check_labels(source: str, labels: NDArray[np.int64], classes: int = _CLASSES) -> None:
    """Raise DataError for the first label outside 0 to classes - 1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        least, most = labels.min(), labels.max()
        remedy = ", number them with np.unique(labels, return_inverse=True)[1]"
        remedy += f", or give classes={most + 1}" if least >= 0 else ""
        if least == 1:
            ten = "; labels % 10 if 10 stands for 0" if most == 10 else ""
            remedy += f" (labels - 1 count from 0{ten})"
        raise DataError(
            f"{source}, label number {wrong[0] + 1}: found {labels[wrong[0]]}, expected 0 to "
            f"{classes - 1}; use a data set of {classes} classes{remedy}"
        )


def published(folder: Path) -> Dataset | None:
    """The data set in a folder that is called as torchvision's, with the published SHA-256."""
    home = folder.resolve()
    checksums = {("MNIST", "raw"): _MNIST_SHA256, ("FashionMNIST", "raw"): _FASHION_SHA256}
    found = checksums.get((home.parent.name, home.name))
    return None if found is None or _missing(folder) else _read_folder(folder, found)


@functools.cache
def mnist_means() -> NDArray[np.float64]:
    """The mean picture of each digit among MNIST's test images, (10, 28, 28), read-only."""
    paths = [_file_in(_MNIST_FOLDER, name) for name in _NAMES[2:]]
    images, labels = (load_idx(path) for path in paths)
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(_CLASSES)])
    means.flags.writeable = False
    return means


@functools.cache
def _verified(folder: Path, checksums: _Checksums) -> Dataset:
    """Read-only arrays: the cache must not change under anyone."""
    dataset = _read_folder(folder, checksums)
    for part in dataset:
        for array in part:
            array.flags.writeable = False
    return dataset


def _copied(dataset: Dataset) -> Dataset:
    (x_train, y_train), (x_test, y_test) = dataset
    return Dataset(((x_train.copy(), y_train.copy()), (x_test.copy(), y_test.copy())))


def _read_folder(folder: Path, checksums: _Checksums) -> Dataset:
    paths = [_file_in(folder, name) for name in _NAMES]
    arrays = [load_idx(path, sha256=sha256) for path, sha256 in zip(paths, checksums, strict=True)]
    x, y, x_test, y_test = arrays
    return Dataset(((x, y.astype(np.int64)), (x_test, y_test.astype(np.int64))))


def _file_in(folder: Path, name: str) -> Path:
    forms = (name, name.replace("-idx", ".idx"))
    places = [folder / inner / f for f in forms for inner in ("", f)]
    files = [place.with_name(place.name + end) for place in places for end in ("", ".gz")]
    return next((file for file in files if os.path.isfile(file)), files[1])


def _missing(folder: Path) -> list[str]:
    return [name for name in _NAMES if not os.path.isfile(_file_in(folder, name))]


def _fashion_places(folder: StrPath | None) -> list[Path]:
    if folder is not None:
        return [arguments.path("fashion_mnist", "folder", folder)]
    named = os.environ.get("TINYGRAD_NP_DATA")
    own = cache("fashion-mnist")
    return [*([Path(named)] if named else []), _FASHION_DEBIAN, *([own] if own else [])]


def _download_fashion(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror}); choose a writable folder"
        ) from error
    for name, sha256 in zip(_NAMES, _FASHION_SHA256, strict=True):
        if not os.path.isfile(_file_in(folder, name)):
            _download(f"{_FASHION_URL}{name}.gz", folder / f"{name}.gz", sha256)


def _download(url: str, target: Path, sha256: str | None) -> None:
    import http.client  # here, because the two take longer to import than all of NumPy's core
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as reply:
            content = reply.read(_DOWNLOAD_LIMIT)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{url}: cannot be fetched ({error}); check the connection, or install Debian's "
            "dataset-fashion-mnist, or set TINYGRAD_NP_DATA to a folder that holds the files"
        ) from error
    read_idx(io.BytesIO(content), url, sha256)
    with replacing(target) as file:
        file.write(content)
