"""Pixels as numbers from 0 to 1, labels as rows of noughts with a one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import arguments
from ..errors import DataError
from .samples import as_array

_LARGEST_SCALED = 16  # the white of scikit-learn's digits


def normalise(
    images: NDArray[np.uint8],
    mean: float | None = None,
    std: float | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Scale pixels from 0 to 255 to 0 to 1, then standardise if `mean` and `std` are given.

    `images` is uint8 of any shape; the result has the same shape and the floating `dtype`. `mean`
    and `std` belong to the scaled pixels (0.1307 and 0.3081 for the training part of MNIST). Raises
    DataError for other dtypes and for images without a pixel above 16 (but black ones), as such may
    be scaled already, and for a useless std.

    >>> pixels = np.array([0, 51, 255], np.uint8)
    >>> tg.data.normalise(pixels).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    if getattr(images, "dtype", None) != np.uint8:
        raise DataError(_not_pixels(images))
    largest = images.max() if images.size else 0
    if 1 <= largest <= _LARGEST_SCALED:
        scale = "" if largest == 1 else f" / {_LARGEST_SCALED}"
        raise DataError(
            f"normalise: found no pixel above {largest} in images of shape {images.shape}, "
            f"expected 0 to 255; give images.astype(np.float32){scale} if that is white, or "
            "images / np.float32(255) if they are that dark"
        )
    scaled: NDArray[Any] = images.astype(
        arguments.dtype("normalise", "dtype", dtype, "f", DataError)
    )
    scaled /= 255
    if mean is None and std is None:
        return scaled
    if mean is None or std is None:
        raise DataError(
            f"normalise: found mean={mean} and std={std}, expected two finite numbers; "
            "give both or none"
        )
    scaled -= arguments.finite("normalise", "mean", mean, DataError)
    scaled /= arguments.real(
        "normalise", "std", std, "a number above 0", ends="()", error=DataError
    )
    return scaled


def _not_pixels(images: Any) -> str:
    """What was given to `normalise` for uint8, and how to come from there to what is wanted."""
    given = isinstance(images, np.ndarray) and images.dtype.kind in "biuf"
    if not given:
        found = f"{type(images).__name__}"
        if hasattr(images, "dtype"):
            found += f" of dtype {images.dtype}"
        return (
            f"normalise: found images as {found}, expected an array of uint8 from 0 to 255; make "
            "one with np.asarray(images, np.uint8)"
        )
    remedy = "give the images as loaded, once"
    if not images.size or (images.min() >= 0 and images.max() <= 1):
        remedy = "from 0 to 1 they are scaled already: leave it out, or use astype(np.float32)"
    elif images.min() >= 0 and images.max() <= 255 and (images == np.rint(images)).all():
        remedy = "give images.astype(np.uint8)"
    return (
        f"normalise: found {images.dtype} images of shape {images.shape}, expected uint8 from 0 to "
        f"255; {remedy}"
    )


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return 1 at each label's place and 0 elsewhere, shape (*labels.shape, classes).

    `labels` are integers from 0 to classes - 1. Raises DataError, with the first wrong label and
    its index, if they are not.

    >>> tg.data.one_hot([2, 0], 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    indices = as_array("one_hot", "labels", labels)
    arguments.whole("one_hot", "classes", classes, error=DataError)
    dtype = arguments.dtype("one_hot", "dtype", dtype, "biufc", DataError)
    if indices.dtype.kind not in "iu":
        raise DataError(
            f"one_hot: found labels of dtype {indices.dtype}, expected integers; convert with "
            "astype(np.int64)"
        )
    flat = indices.ravel()
    wrong = np.flatnonzero((flat < 0) | (flat >= classes))
    if wrong.size:
        place = tuple(int(i) for i in np.unravel_index(wrong[0], indices.shape))
        raise DataError(
            f"one_hot: found label {flat[wrong[0]]} at index {place}, expected 0 to {classes - 1}; "
            "check the labels or the number of classes"
        )
    encoded = np.zeros((flat.size, classes), dtype)
    encoded[np.arange(flat.size), flat] = 1
    return encoded.reshape(*indices.shape, classes)
