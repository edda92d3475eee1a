"""Windows that slide over an array, and their reverse."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..primitives import cast
from ..primitives.building import overlap_add
from ..shapes import Axis
from .table import defvjp


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
