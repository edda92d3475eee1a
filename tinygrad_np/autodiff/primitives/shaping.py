"""Functions that move elements and change none of them."""

from typing import Any

import numpy as np

from .dispatch import primitive


@primitive
def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """``np.broadcast_to`` as memory of its own."""
    return np.copy(np.broadcast_to(x, shape))


@primitive
def concat(*values: Any, axis: int = 0) -> Any:
    """``np.concatenate`` with its arrays as operands."""
    return np.concatenate(values, axis=axis)


@primitive
def pad_zeros(x: Any, widths: Any) -> Any:
    """Zeros around ``x``; in reverse the frame is cut off again."""
    return np.pad(x, widths)
