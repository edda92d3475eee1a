"""From arrays of a data set to what a network is fed: scaled pixels, one-hot labels, batches."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import DataError

Pair = tuple[NDArray[Any], NDArray[Any]]
# a string, because NumPy imports its random module only when it is asked for: 12 ms
Seed: TypeAlias = "int | np.random.Generator"


def normalise(
    images: NDArray[np.uint8],
    mean: float | None = None,
    std: float | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Scale pixels from 0 to 255 to 0 to 1, then standardise if `mean` and `std` are given.

    `images` is uint8 of any shape; the result has the same shape and the floating `dtype`. `mean`
    and `std` belong to the scaled pixels (0.1307 and 0.3081 for the training part of MNIST). Raises
    DataError for other dtypes, as such images may be scaled already, and for a useless std.
    """
    if images.dtype != np.uint8:
        raise DataError(
            f"normalise: found {images.dtype} images of shape {images.shape}, expected uint8 from "
            "0 to 255; give the images as loaded, once"
        )
    scaled: NDArray[Any] = images.astype(dtype)
    if scaled.dtype.kind != "f":
        raise DataError(
            f"normalise: found dtype {scaled.dtype}, expected a float; use dtype=np.float32"
        )
    scaled /= 255
    if mean is None and std is None:
        return scaled
    if mean is None or std is None or not (np.isfinite(mean) and np.isfinite(std) and std > 0):
        raise DataError(
            f"normalise: found mean={mean} and std={std}, expected two finite numbers with std "
            "above 0; give both or none"
        )
    scaled -= float(mean)
    scaled /= float(std)
    return scaled


def one_hot(labels: ArrayLike, classes: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return 1 at each label's place and 0 elsewhere, shape (*labels.shape, classes).

    `labels` are integers from 0 to classes - 1. Raises DataError, with the first wrong label and
    its index, if they are not.
    """
    indices = np.asarray(labels)
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


def split(x: ArrayLike, y: ArrayLike, fraction_or_count: float, seed: Seed) -> tuple[Pair, Pair]:
    """Shuffle n samples and deal them into two parts, ((x_a, y_a), (x_b, y_b)).

    The second part gets `fraction_or_count` samples: that many if it is an int, the nearest number
    to that fraction of n if it is a float. `x` and `y` have any shape and dtype but n entries each;
    the parts are copies. Raises DataError if the lengths differ, if a part would be empty, or
    without an int or np.random.Generator as `seed`.
    """
    xs, ys = _paired("split", x, y)
    count = _part_size(len(xs), fraction_or_count)
    order = generator_from("split", seed).permutation(len(xs))
    first, second = order[: len(xs) - count], order[len(xs) - count :]
    return _rows(xs, ys, first), _rows(xs, ys, second)


def batches(
    x: ArrayLike, y: ArrayLike, batch_size: int, seed: "Seed | None" = None, shuffle: bool = True
) -> "Batches":
    """Cut n samples into batches of `batch_size`; the last one may be shorter.

    `x` and `y` have any shape and dtype but n entries each. Every iteration over the result is an
    epoch; with `shuffle` each epoch draws a new order from `seed`, an int or np.random.Generator
    that the caller must give (without `shuffle` it is not needed). Raises DataError if the lengths
    differ, for a batch size below 1, and for a missing or wrong seed.
    """
    xs, ys = _paired("batches", x, y)
    if not _is_integer(batch_size) or batch_size < 1:
        raise DataError(
            f"batches: found batch_size={batch_size!r}, expected an int from 1 up; give one"
        )
    return Batches(xs, ys, batch_size, generator_from("batches", seed) if shuffle else None)


class Batches:
    """What `batches` returns: iterate once per epoch; `len` is the number of batches."""

    def __init__(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        batch_size: int,
        generator: "np.random.Generator | None",
    ) -> None:
        self._x = x
        self._y = y
        self._batch_size = batch_size
        self._generator = generator

    def __len__(self) -> int:
        return -(-len(self._x) // self._batch_size)

    def __iter__(self) -> Iterator[Pair]:
        """Yield (x, y) batches as fresh C-contiguous arrays that the caller may change."""
        order = np.arange(len(self._x))
        if self._generator is not None:
            self._generator.shuffle(order)
        starts = range(0, len(order), self._batch_size)
        # A generator expression: the order is drawn here, not when the first batch is asked for.
        return (_rows(self._x, self._y, order[i : i + self._batch_size]) for i in starts)


def _rows(x: NDArray[Any], y: NDArray[Any], rows: NDArray[np.intp]) -> Pair:
    return x.take(rows, axis=0), y.take(rows, axis=0)


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _paired(caller: str, x: ArrayLike, y: ArrayLike) -> Pair:
    xs, ys = np.asarray(x), np.asarray(y)
    if not xs.ndim or not ys.ndim or len(xs) != len(ys):
        raise DataError(
            f"{caller}: found x of shape {xs.shape} and y of shape {ys.shape}, expected the same "
            "length along the first axis; give one y for each x"
        )
    return xs, ys


def generator_from(caller: str, seed: "Seed | None") -> "np.random.Generator":
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, int | np.integer) and _is_integer(seed) and seed >= 0:
        return np.random.default_rng(seed)
    raise DataError(
        f"{caller}: found seed={seed!r}, expected an int from 0 up or a np.random.Generator, as "
        "nothing is drawn without one; give seed=0"
    )


def _part_size(length: int, wanted: float) -> int:
    """The integer `wanted`, or that fraction of `length`, if it leaves no part empty."""
    if _is_integer(wanted):
        count = int(wanted)
    elif isinstance(wanted, float | np.floating) and 0 < wanted < 1:
        count = round(length * float(wanted))
    else:
        count = 0
    if 0 < count < length:
        return count
    raise DataError(
        f"split: found {wanted!r} for {length} samples, expected a count from 1 to {length - 1} or "
        "a fraction between 0 and 1; leave samples for both parts"
    )
