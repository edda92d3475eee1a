"""Shape arithmetic of the rules, in plain NumPy so that it can be recorded too."""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

Axis = int | tuple[int, ...] | None
BLOCK_ROWS = 1024
SHARED = 1 << 19  # multiply-adds: OpenBLAS shares products of so many among its threads


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """``axis`` as a tuple of non-negative axes; ``None`` means all of them.

    Raises AxisError for axes that are not there, as NumPy does.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not ndim and axes in ((0,), (-1,)):  # NumPy's scans and reductions take 0-d for 1-d
        return ()
    return tuple(normalize_axis_index(a, ndim) for a in axes)


def as_array(x: Any) -> Any:
    """An operand of a composite that may be a list of numbers."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def extent(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements a reduction over ``axis`` puts together."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """``shape`` after a reduction over ``axis`` with ``keepdims=True``."""
    axes = axes_of(axis, len(shape))
    return tuple(1 if a in axes else n for a, n in enumerate(shape))


def keep(g: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """A reduction's result with the reduced axes put back as ones."""
    return np.reshape(g, kept(shape, axis))


def beside(g: Any, x: Any, axis: Axis) -> Any:
    """A reduction's result as it broadcasts against ``x``, which was reduced."""
    return g if axis is None and g.ndim == 0 else keep(g, np.shape(x), axis)


def expand(g: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """The reduction over ``axis`` in reverse: each element goes back to all it came from."""
    if axis is None and isinstance(g, (np.ndarray, np.generic)):  # 8 µs less than broadcast_to
        wide = np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape))
        wide.flags.writeable = False
        return wide
    return np.broadcast_to(keep(g, shape, axis), shape)


def total(g: Any, axis: Axis, keepdims: bool = False) -> Any:
    """The sum; that of float16, which counts ones to 2,048 only, is made in float32."""
    if g.dtype != np.float16:
        if type(g) is np.ndarray:  # what np.sum calls in the end: 4 µs less
            return np.add.reduce(g, axis, keepdims=keepdims)  # type: ignore[call-overload]
        return np.sum(g, axis=axis, keepdims=keepdims)
    return np.sum(g, axis=axis, keepdims=keepdims, dtype=np.float32).astype(np.float16)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Broadcasting in reverse: sum ``g`` over the axes along which ``shape`` was repeated."""
    wide = np.shape(g)
    lead = len(wide) - len(shape)
    padded = (1,) * lead + shape
    axes = tuple(a for a, (n, m) in enumerate(zip(wide, padded, strict=True)) if m == 1 != n)
    if axes:
        g = total(g, axes, keepdims=True)
    return np.reshape(g, shape) if lead else g


def broadcasts_to(shape: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    """Whether an operand of ``shape`` can have been repeated to ``wide``."""
    if len(shape) > len(wide):
        return False
    return all(n in (1, m) for n, m in zip(shape[::-1], wide[::-1], strict=False))


def row_blocks(count: int) -> list[slice]:
    """How the sums over many rows are split: into equal blocks of at most 1,024, if over 2,048.

    A replayed step sends one block after the other forward and backward while it is in cache. Sums
    over rows therefore always are sums of the blocks' sums, replayed or not.
    """
    number = -(-count // BLOCK_ROWS) if count > 2 * BLOCK_ROWS else 1
    size = max(-(-count // number), 1)
    return [slice(start, min(start + size, count)) for start in range(0, max(count, 1), size)]


def pieces(count: int, steps: int) -> int:
    """How many equal parts of ``count`` give products for one thread of BLAS each, else 1.

    OpenBLAS gives ``SHARED`` multiply-adds (of ``steps`` in all) to several threads. Then it waits
    for all of them, whatever else the machine does: 10 products of 16 × 150 × 640 take 0.46 ms on
    one thread, and on two 0.44 on an idle machine, 11.5 on a busy one.
    """
    least = steps // SHARED + 1
    return next((n for n in range(least, 4 * least + 2) if count % n == 0), 1)
