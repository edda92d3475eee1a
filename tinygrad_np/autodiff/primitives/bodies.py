"""NumPy's own functions without their wrappers, which take longer than sums of small arrays."""

from typing import Any

import numpy as np

from ..shapes import Axis

add: Any = np.add.reduce
maximum: Any = np.maximum.reduce
minimum: Any = np.minimum.reduce
logical_or: Any = np.logical_or.reduce
logical_and: Any = np.logical_and.reduce


def total(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    *limits: Any, **named: Any,
) -> Any:  # fmt: skip
    """``np.sum``; ``limits`` are ``initial`` and ``where``, also by name."""
    return add(a, axis, dtype, out, keepdims, *limits, **named)


def largest(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *limits: Any, **named: Any
) -> Any:
    """``np.max``."""
    return maximum(a, axis, None, out, keepdims, *limits, **named)


def least(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *limits: Any, **named: Any
) -> Any:
    """``np.min``."""
    return minimum(a, axis, None, out, keepdims, *limits, **named)


def any_true(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, **limits: Any
) -> Any:
    """``np.any``."""
    return logical_or(a, axis, bool, out, keepdims, **limits)


def all_true(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, **limits: Any
) -> Any:
    """``np.all``."""
    return logical_and(a, axis, bool, out, keepdims, **limits)


def mean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    """``np.mean``: the sum over the count, which is a float itself (2²⁴ in float32).

    With ``out`` NumPy rounds the sum of float16 numbers to float16, without it only their mean.
    """
    counts = a.ndim and 0 < a.size < 1 << 24  # a sum may name the axis of a number, a mean not
    if dtype is None and where is True and a.dtype.char in "fd" and counts:
        sums = add(a, axis, None, out, keepdims)
        if sums.size:
            return np.divide(sums, a.size // sums.size, out=out)
    if out is None or a.dtype.char != "e":
        return np.mean(a, axis, dtype, out=out, keepdims=keepdims, where=where)
    out[...] = np.mean(a, axis, dtype, keepdims=keepdims, where=where)
    return out
