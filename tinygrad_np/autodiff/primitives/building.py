"""Functions that build arrays from others: ranges, sums of windows, distinct elements."""

from typing import Any

import numpy as np

from ..shapes import Axis, axes_of
from .dispatch import primitive


@primitive
def ramp(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``np.linspace``."""
    options: dict[str, Any] = {"axis": axis} if axis != 0 else {}
    return np.linspace(start, stop, num, endpoint, dtype=dtype, **options)


@primitive
def overlap_add(g: Any, shape: tuple[int, ...], window_shape: Any, axis: Axis = None) -> Any:
    """``sliding_window_view`` in reverse: each element of ``shape`` collects all its copies."""
    axes = axes_of(axis, len(shape))
    window = window_shape if np.ndim(window_shape) else (int(window_shape),)
    out = np.zeros_like(g, shape=shape)
    counts = np.shape(g)[: len(shape)]
    for offsets in np.ndindex(*window):
        start = [0] * len(shape)
        for a, offset in zip(axes, offsets, strict=True):
            start[a] += offset  # an axis may be given twice
        there = tuple(slice(s, s + n) for s, n in zip(start, counts, strict=True))
        out[there] += g[(Ellipsis, *offsets)]
    return out


@primitive
def distinct(x: Any, axis: int | None, equal_nan: bool) -> Any:
    """Of the distinct elements, in order: where each stands first, which each is, and counts."""
    options: dict[str, Any] = {} if axis is None else {"axis": axis}
    options |= {} if equal_nan else {"equal_nan": False}
    return np.unique(x, True, True, True, **options)[1:]
