"""Windows that slide over an array, and their reverse."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..primitives import cast, primitive
from ..shapes import Axis, axes_of
from .table import defvjp


@primitive
def overlap_add(g: Any, shape: tuple[int, ...], window_shape: Any, axis: Axis = None) -> Any:
    """``sliding_window_view`` in reverse: each element of ``shape`` collects all its copies."""
    axes = axes_of(axis, len(shape))
    window = (window_shape,) if isinstance(window_shape, (int, np.integer)) else window_shape
    out = np.zeros_like(g, shape=shape)
    counts = np.shape(g)[: len(shape)]
    for offsets in np.ndindex(*window):
        start = [0] * len(shape)
        for a, offset in zip(axes, offsets, strict=True):
            start[a] += offset  # an axis may be given twice
        there = tuple(slice(s, s + n) for s, n in zip(start, counts, strict=True))
        out[there] += g[(Ellipsis, *offsets)]
    return out


def collect(g: Any, shape: tuple[int, ...], window_shape: Any, axis: Axis) -> Any:
    """``overlap_add``, of float16 in float32."""
    if g.dtype == np.float16:
        return cast(collect(cast(g, np.float32), shape, window_shape, axis), np.float16)
    return overlap_add(g, shape, window_shape, axis)


defvjp(
    sliding_window_view,
    lambda g, _out, _x, window_shape, axis=None, *, subok=False, writeable=False: collect(
        g, np.shape(_x), window_shape, axis
    ),
    selects=1,
)
defvjp(
    overlap_add,
    lambda g, _out, _g, shape, window_shape, axis=None: sliding_window_view(g, window_shape, axis),
)
