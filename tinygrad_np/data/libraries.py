"""Data sets as other libraries hand them out, none of which is imported here."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError
from .datasets import Dataset, Part, check_labels, last_seventh

_WHITE = 255
_DIGIT = re.compile(r"[+-]?[0-9]{1,9}(\.0+)?")


def from_sklearn(x: Any, y: Any = None, largest: float = _WHITE, classes: int = 10) -> Dataset:
    """Return the data set in what scikit-learn's `fetch_openml("mnist_784")` gives.

    That is a Bunch, or its `data` (n, k·k) and `target` (n,) as arrays, DataFrame and Series;
    labels may be text ("5"). The test part is the last n // 7: the 10,000 of MNIST, in the order
    of OpenML. `largest` is the value that a white pixel has in `x`: 16 for `load_digits`, 1 for
    scaled images; it becomes 255 and others in proportion, rounded. Images are (n, k, k) uint8,
    labels (n,) int64 from 0 to classes - 1, the caller's own. Raises DataError for pixels outside 0
    to `largest`, for others than whole numbers up to 255, for images without a pixel above 16 (such
    are scaled) and for labels that are no numbers from 0 to classes - 1.

    >>> from sklearn.datasets import load_digits
    >>> (x, y), (x_test, y_test) = tg.data.from_sklearn(load_digits(), largest=16)
    >>> x.shape, x_test.shape
    ((1541, 8, 8), (256, 8, 8))
    """
    if y is None:
        if not (hasattr(x, "data") and hasattr(x, "target")):
            raise DataError(
                f"from_sklearn: found {type(x).__name__} alone, expected a Bunch with data and "
                "target; give from_sklearn(x, y)"
            )
        x, y = x.data, x.target
    pixels = np.asarray(x)
    side = round(pixels.shape[-1] ** 0.5) if pixels.ndim else 0
    if pixels.ndim != 2 or not side or side * side != pixels.shape[1]:
        raise DataError(
            f"from_sklearn: found x of shape {pixels.shape}, expected (n, k·k), one row for each "
            "square image; reshape it"
        )
    labels = _labels("from_sklearn", y, len(pixels))
    images = _images(pixels, largest).reshape(-1, side, side)
    return last_seventh("from_sklearn", images, labels, classes)


def from_torchvision(train: Any, test: Any, classes: int = 10) -> Dataset:
    """Return the data set in two of torchvision's, `MNIST(root)` and `MNIST(root, train=False)`.

    Each has `data`, (n, h, w) uint8, and `targets`, (n,) from 0 to classes - 1, as tensors, arrays
    or lists; their transforms are not applied. The arrays returned are the caller's own. Raises
    DataError for anything else, such as images in colour.

    >>> from types import SimpleNamespace
    >>> train = SimpleNamespace(data=np.zeros((8, 28, 28), np.uint8), targets=[1] * 8)
    >>> test = SimpleNamespace(data=np.zeros((2, 28, 28), np.uint8), targets=[3, 1])
    >>> (x, y), (x_test, y_test) = tg.data.from_torchvision(train, test)
    >>> x.shape, y_test.tolist()
    ((8, 28, 28), [3, 1])
    """
    first, second = (
        _tensors(name, part, classes) for name, part in (("training", train), ("test", test))
    )
    if first[0].shape[1:] != second[0].shape[1:]:
        raise DataError(
            f"from_torchvision: found training images of shape {first[0].shape} and test images of "
            f"shape {second[0].shape}, expected the same height and width; give one data set"
        )
    return Dataset((first, second))


def _tensors(name: str, dataset: Any, classes: int) -> Part:
    source = f"from_torchvision, {name} part"
    if not (hasattr(dataset, "data") and hasattr(dataset, "targets")):
        raise DataError(
            f"{source}: found {type(dataset).__name__} without data and targets, expected "
            "torchvision's MNIST or the like; give the data set itself, no loader or subset"
        )
    images = np.asarray(dataset.data).copy()
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(
            f"{source}: found {images.dtype} images of shape {images.shape}, expected uint8 "
            "(n, h, w); use a data set of grey images"
        )
    labels = _labels(source, dataset.targets, len(images))
    check_labels(source, labels, classes)
    return images, labels


def _images(pixels: NDArray[Any], largest: float) -> NDArray[np.uint8]:
    if pixels.dtype.kind not in "iuf":
        raise DataError(
            f"from_sklearn: found x of dtype {pixels.dtype}, expected numbers; convert it"
        )
    needed = "a number above 0, the value of a white pixel such as 255,"
    arguments.real("from_sklearn", "largest", largest, needed, ends="()", error=DataError)
    # Two quick questions, as an answer for each pixel takes a second for MNIST.
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= largest):
        wrong = ~((pixels >= 0) & (pixels <= largest))
        raise _fault(pixels, wrong, f"0 to {largest:g}", "check the pixels")
    if largest != _WHITE:
        return np.rint(pixels * (_WHITE / largest)).astype(np.uint8)
    images = pixels.astype(np.uint8)
    remedy = "give from_sklearn(x, y, largest=1) if pixels are from 0 to 1"
    if pixels.dtype.kind == "f" and (images != pixels).any():
        raise _fault(pixels, images != pixels, "a whole number", remedy)
    if images.size and images.max() <= 16:
        raise DataError(
            f"from_sklearn: found no pixel above {images.max()}, expected 0 to 255; give the value "
            "of a white pixel, as in from_sklearn(x, y, largest=16) for load_digits"
        )
    return images


def _fault(pixels: NDArray[Any], wrong: NDArray[np.bool_], expected: str, remedy: str) -> DataError:
    row, column = (int(place[0]) for place in np.nonzero(wrong))
    return DataError(
        f"from_sklearn, row {row}, column {column}: found pixel {pixels[row, column]:g}, expected "
        f"{expected}; {remedy}"
    )


def _labels(source: str, y: Any, count: int) -> NDArray[np.int64]:
    """Numbers, also from their text, (count,)."""
    given = np.asarray(y)
    if given.shape != (count,):
        raise DataError(
            f"{source}: found labels of shape {given.shape}, expected ({count},), one for each "
            "image; use labels and images of one data set"
        )
    if given.dtype.kind in "iu":
        return given.astype(np.int64)
    names, places = np.unique(given.astype(str), return_inverse=True)
    for name in names:
        if not _DIGIT.fullmatch(name):
            first = int(np.flatnonzero(names[places] == name)[0])
            raise DataError(
                f"{source}, label number {first + 1}: found {str(name)!r}, expected a whole number "
                "from 0 to 9; encode the labels as numbers"
            )
    numbers: NDArray[np.int64] = np.array([int(float(name)) for name in names], np.int64)
    return numbers[places]
