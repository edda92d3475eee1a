"""NumPy's own functions without their wrappers, which take longer than sums of small arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..shapes import Axis

add: Any = np.add.reduce
maximum: Any = np.maximum.reduce
minimum: Any = np.minimum.reduce


def total(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    *limits: Any, **named: Any,
) -> Any:  # fmt: skip
    """``np.sum``; ``limits`` are ``initial`` and ``where``, also by name."""
    return add(a, axis, dtype, out, keepdims, *limits, **named)


def _reducing(reduce: Any, dtype: Any) -> Callable[..., Any]:
    """``np.max`` and its relatives; ``limits`` are ``initial`` and ``where``."""

    def body(
        a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, **limits: Any
    ) -> Any:
        return reduce(a, axis, dtype, out, keepdims, **limits)

    return body


largest, least = _reducing(maximum, None), _reducing(minimum, None)
any_true, all_true = _reducing(np.logical_or.reduce, bool), _reducing(np.logical_and.reduce, bool)


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
