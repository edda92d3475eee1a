"""Functions that move elements and change none of them."""

from typing import Any

import numpy as np

from .dispatch import primitive


@primitive
def broadcast(x: Any, shape: tuple[int, ...], *, out: Any = None) -> Any:
    """``np.broadcast_to`` as memory of its own."""
    if out is None:
        return np.copy(np.broadcast_to(x, shape))
    np.copyto(out, x)
    return out


@primitive
def concat(*values: Any, axis: int = 0, out: Any = None) -> Any:
    """``np.concatenate`` with its arrays as operands."""
    return np.concatenate(values, axis, out=out)


@primitive
def pad_zeros(x: Any, widths: Any) -> Any:
    """Zeros around ``x``; in reverse the frame is cut off again."""
    return np.pad(x, widths)
