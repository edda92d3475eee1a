"""Arrays as a page shows them: statistics, a histogram, and pictures of one byte a pixel."""

import base64
import math
from collections.abc import Collection
from typing import Any

import numpy as np

from ..markup import number

BINS = 24  # of a histogram
COUNTED = 100_000  # elements that a histogram looks at
TILES = 64  # pictures beside each other
SIDE = 96  # rows and columns of a heat map
PRINTED = 36  # elements that are also given as numbers
IMAGE = (5, 128)  # sides of what is shown as a picture of its own
NOT_FINITE = 255  # the pixel of NaN and infinity; the others have 0 … 254


def described(
    array: Any, pixels: int, sides: Collection[int] = (), printed: int = 0, is_given: bool = False
) -> list[Any]:
    """What a page is told of an array, in at most ``pixels`` pixels.

    ``[low, high, mean, std, zeros, not finite, numbers, histogram, signed, scale, matrix, images]``
    with numbers as text, and pictures as ``[tiles, height, width, step down, step across, pixels]``
    or None. ``sides`` are lengths of an axis that holds a square image. ``signed`` arrays have
    colours around 0; the others are grey: images that the network ``is_given``, if none is below 0.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biufc" or not array.size:
        return []
    values = np.abs(array) if array.dtype.kind == "c" else array
    with np.errstate(all="ignore"):
        finite = values[np.isfinite(values)]
        wide = finite.astype(np.float64)
        if not finite.size:
            shown, low, high = ["", "", "", ""], 0.0, 0.0
        else:
            low, high = float(wide.min()), float(wide.max())
            shown = [number(finite.min()), number(finite.max())]
            shown += [number(float(wide.mean())), number(float(wide.std()))]
    small = [number(value) for value in array.ravel()] if array.size <= printed else []
    images, scale = _images(values, pixels, sides), max(abs(low), abs(high))
    is_signed = low < 0 or images is None or not is_given
    matrix = _pixels(_matrix(values, pixels), is_signed, scale)
    return [
        *shown, int(wide.size - np.count_nonzero(wide)), int(values.size - finite.size), small,
        _histogram(wide, low, high), int(is_signed), scale, matrix,
        None if images is None else _pixels(images, is_signed, scale),
    ]  # fmt: skip


def _histogram(values: np.ndarray, low: float, high: float) -> str:
    """How many values lie in each bin from the least to the greatest, the most being 255."""
    width = high - low
    if values.size < 10 or not 0 < width < math.inf:
        return ""
    values = values[:: -(-values.size // COUNTED)]
    bins = np.minimum((values - low) * (BINS / width), BINS - 1).astype(np.intp)
    counts = np.bincount(bins, minlength=BINS)
    return _text(heights(counts))


def heights(counts: np.ndarray) -> np.ndarray:
    """Bars from 0 to 255; what is more than 0 has 1 or more."""
    bars: np.ndarray = np.ceil(counts * 255 / counts.max())  # 22 * (255 / 22) is above 255
    return bars


Sample = tuple[np.ndarray, int, int]  # (tiles, height, width), and the steps of rows and columns


def _matrix(values: np.ndarray, pixels: int) -> Sample:
    """Rows and columns, every so many of them where there are too many."""
    rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)
    high, wide = rows.shape
    if high == 1 and wide > SIDE:  # a long vector goes on below
        keep = min(pixels, SIDE * SIDE)
        step = -(-wide // keep)
        line = rows[0, ::step]
        columns = math.isqrt(len(line) - 1) + 1
        square = np.zeros(-(-len(line) // columns) * columns, line.dtype)
        square[: len(line)] = line
        return square.reshape(1, -1, columns), 0, step
    side = min(SIDE, max(math.isqrt(pixels), 1))
    least = max(pixels // side, 1)
    across = -(-wide // max(side, least // max(min(high, side), 1)))
    down = -(-high // max(min(pixels // -(-wide // across), 2 * SIDE), 1))
    return rows[None, ::down, ::across], down, across


def _images(values: np.ndarray, pixels: int, sides: Collection[int]) -> Sample | None:
    """The array as a row of images, if that is what it holds, as many as there is room for."""
    least, most = IMAGE
    if values.ndim >= 3 and all(least <= side <= most for side in values.shape[-2:]):
        tiles = values.reshape(-1, *values.shape[-2:])
    elif values.ndim in (1, 2) and values.shape[-1] in sides:
        side = math.isqrt(values.shape[-1])
        tiles = values.reshape(-1, side, side)
    elif values.ndim == 2 and values.shape[0] in sides:
        side = math.isqrt(values.shape[0])
        tiles = values.T.reshape(-1, side, side)
    elif values.ndim == 2 and all(least <= side <= most for side in values.shape) and (
        values.shape[0] * values.shape[1] in sides
    ):  # fmt: skip
        tiles = values[None]
    else:
        return None
    size = tiles.shape[1] * tiles.shape[2]
    step = math.ceil(math.sqrt(size / pixels)) if size > pixels else 1
    tiles = tiles[:, ::step, ::step]
    room = max(min(pixels // (tiles.shape[1] * tiles.shape[2]), TILES), 1)
    return tiles[:room], step, step


def square_sides(shapes: Collection[tuple[int, ...]]) -> set[int]:
    """Lengths of last axes that are square images of 8 or more pixels a side."""
    lengths = {shape[-1] for shape in shapes if shape}
    return {n for n in lengths if n >= 64 and math.isqrt(n) ** 2 == n}


def _pixels(sample: Sample, is_signed: bool, scale: float) -> list[Any]:
    """0 to 254 from zero, or if ``is_signed`` from -scale, to scale."""
    tiles, down, across = sample
    with np.errstate(all="ignore"):
        share = tiles.astype(np.float64) / (scale or 1.0)
        levels = np.rint(127 + 127 * share if is_signed else 254 * share)
    levels = np.where(np.isfinite(levels), levels, NOT_FINITE)
    return [*tiles.shape, down, across, _text(levels)]


def _text(levels: np.ndarray) -> str:
    return base64.b64encode(levels.astype(np.uint8).tobytes()).decode()
