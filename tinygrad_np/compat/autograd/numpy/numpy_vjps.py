"""What rules of users need of HIPS/autograd's own."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ....autodiff.shapes import unbroadcast as _sum_down


def unbroadcast(x: Any, target_meta: Any, broadcast_idx: int = 0) -> Any:  # noqa: ARG001
    """``x`` summed down to the shape of the target, given as ``metadata`` gives it."""
    shape, _, _, is_complex = target_meta
    x = _sum_down(x, tuple(shape))
    return np.real(x) if np.iscomplexobj(x) and not is_complex else x


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The rule ``f`` of an operand that was broadcast, summed down to its shape."""
    meta = np.shape(target), np.ndim(target), np.result_type(target), np.iscomplexobj(target)
    return lambda g: unbroadcast(f(g), meta)


def repeat_to_match_shape(g: Any, shape: Any, _dtype: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction's cotangent at all elements that were reduced, and how many those are."""
    if shape == ():
        return g, 1
    axes = tuple(range(len(shape))) if axis is None else np.atleast_1d(axis).tolist()
    axes = [a % len(shape) for a in axes]
    kept = [1 if a in axes else n for a, n in enumerate(shape)]
    count = int(np.prod([shape[a] for a in axes]))
    return np.broadcast_to(np.reshape(g, kept) if not keepdims else g, shape), count
