"""Pixels as numbers from 0 to 1."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..errors import DataError

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
