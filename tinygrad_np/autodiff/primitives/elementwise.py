"""Functions that act on each element by itself."""

from typing import Any

import numpy as np

from .dispatch import numbers, primitive, written_out


@primitive
def cast(x: Any, dtype: Any, *, out: Any = None) -> Any:
    """``x`` in another dtype; from complex to real the real part."""
    if np.iscomplexobj(x) and not np.issubdtype(dtype, np.complexfloating):
        x = x.real
    if out is None:
        return x.astype(dtype)
    np.copyto(out, x, "unsafe")
    return out


def of_dtype(x: Any, dtype: Any) -> Any:
    """``x`` itself if it is of this dtype, else ``cast``."""
    return x if x.dtype == dtype else cast(x, dtype)


def copied(x: Any, out: Any) -> Any:
    """``out`` with what is in ``x``, which it may be itself; a copy, as ``x`` lies, if None."""
    if out is None:
        return np.copy(x) if type(x) is np.ndarray else x.copy()
    if out is not x:
        np.copyto(out, x)
    return out


def number_as_array(number: Any, like: Any, least: int) -> Any:
    """``number`` as ``least`` elements or more that broadcast to ``like`` along its inner axes.

    NumPy's loops with a number among their operands take up to six times as long as with arrays.
    """
    inner, size = set(), 1
    for axis in sorted(range(like.ndim), key=lambda i: abs(like.strides[i])):
        if size >= least:
            break
        inner.add(axis)
        size *= like.shape[axis]
    first = tuple(slice(None) if axis in inner else slice(1) for axis in range(like.ndim))
    return np.full_like(like[first], number)


@primitive
def where_finite_or(x: Any, reached: Any, *, out: Any = None) -> Any:
    """``x`` where it is finite or ``reached`` is not 0, else 0; in memory as ``x`` lies."""
    finite = np.isfinite(x)
    out = copied(x, out)
    if not finite.all():
        np.copyto(out, 0, where=np.logical_not(finite | np.not_equal(reached, 0)))
    return out


@primitive
def added_to(x: Any, y: Any, *, out: Any = None) -> Any:
    """``x + y`` in memory as ``x`` lies, as ``x += y`` leaves it."""
    return np.add(x, y, out=np.empty_like(x) if out is None else out)


@primitive
def if_finite(x: Any, other: Any, *, out: Any = None) -> Any:
    """``x`` if all of it is finite, else ``other``; in memory as ``x`` lies."""
    chosen = x if np.isfinite(x).all() else other
    return copied(chosen, np.empty_like(x) if out is None else out)


@primitive
def identity(x: Any) -> Any:
    """``x`` itself, under a new place on the tape."""
    return x


@primitive
def lent(x: Any) -> Any:
    """``x`` itself, in the hands of a user's function."""
    return x


@written_out
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)): small results keep all their digits; an overflow is the limit 0.

    >>> tg.nn.functional.sigmoid(np.array([0.0, 2.0])).round(3)
    array([0.5  , 0.881])
    """
    x = numbers("sigmoid", x)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(x * -1.0))  # -x would wrap around in unsigned integers


@primitive
def clip(x: Any, low: Any, high: Any) -> Any:
    """``np.clip`` with either bound possibly None."""
    return np.clip(x, low, high)


@primitive
def replace_nonfinite(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """``np.nan_to_num`` into memory of its own, of the shape that all have together."""
    shape = np.broadcast_shapes(*map(np.shape, (x, nan, posinf, neginf)))
    x = x if np.shape(x) == shape else np.broadcast_to(x, shape)
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
