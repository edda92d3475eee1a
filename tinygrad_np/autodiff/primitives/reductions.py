"""Reductions: functions that combine the elements along some axes."""

import functools
import math
from typing import Any

import numpy as np

from ..shapes import Axis
from ..shapes import total as sum_along
from .dispatch import number, primitive


def chosen(where: Any) -> dict[str, Any]:
    """``where`` as an option, none for all: operands alone take 6 µs less, and Dask has none."""
    return {} if where is True else {"where": where}


def largest_or_0(x: Any, axis: Axis, keepdims: bool = False) -> Any:
    """The maximum of what is not negative, 0 of nothing."""
    if np.size(x) == 0:
        return np.max(x, axis=axis, keepdims=keepdims, initial=0)
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive
def variance(
    x: Any, axis: Axis = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False,
    where: Any = True,
) -> Any:  # fmt: skip
    """``np.var``."""
    return np.var(x, axis, dtype, ddof=ddof, keepdims=keepdims, **chosen(where))


@primitive
def deviation(
    x: Any, axis: Axis = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False,
    where: Any = True,
) -> Any:  # fmt: skip
    """``np.std``."""
    return np.std(x, axis, dtype, ddof=ddof, keepdims=keepdims, **chosen(where))


@functools.cache
def largest_power(dtype: Any) -> float:
    """Up to where a sum of powers, and its inverse, is far from overflow."""
    return float(np.finfo(dtype).max / 4)


@functools.cache
def least_length(dtype: Any) -> float:
    """The length from which on the squares keep all their digits."""
    limits = np.finfo(dtype)
    return math.sqrt(limits.tiny) / float(limits.eps)


def plain_length(x: Any, axis: Axis) -> tuple[Any, bool]:
    """The root of the sum of |x|² along ``axis``, and whether no square over- or underflowed."""
    if axis is None and type(x) is np.ndarray and x.dtype.kind == "f":
        line = x.ravel(order="K")  # what np.linalg.norm does: 4 µs less
        out = np.sqrt(line.dot(line)).reshape((1,) * x.ndim)
    elif axis is None:
        out = np.linalg.norm(x, None, None, True)
    else:
        size = np.abs(x)
        out = np.sqrt(np.sum(size * size, axis=axis, keepdims=True))
    if out.size == 1:
        return out, least_length(out.dtype) < number(out) < math.inf
    return out, not out.size or bool(least_length(out.dtype) < out.min() and out.max() < math.inf)


@primitive
def length(x: Any, axis: Axis) -> Any:
    """The root of the sum of |x|² along ``axis``, kept as 1; no square over- or underflows."""
    out, sure = plain_length(x, axis)
    if not sure:
        size = np.abs(x)
        top = largest_or_0(size, axis, True)
        scale = np.where((top > 0) & (top < np.inf), top, 1)
        out = np.sqrt(np.sum(np.square(size / scale), axis=axis, keepdims=True)) * scale
    return out


@primitive
def unit(x: Any, axis: Axis) -> Any:
    """``x`` over its ``length`` along ``axis``; 0 where that is 0."""
    size, sure = plain_length(x, axis)
    if sure:
        return x / size
    size = length(x, axis)
    if np.isinf(size).any():  # an infinite element counts alone; a sum of others may overflow
        top = np.max(np.abs(x), axis=axis, keepdims=True)
        near = np.where(np.isinf(top), np.where(np.isinf(x), np.sign(x), 0), x / top)
        x = np.where(np.isinf(size), near, x)
        size = length(x, axis)
    return x / np.where(size == 0, 1, size)


@primitive
def nonzero(scale: Any) -> Any:
    """The sums of weights themselves, once none is known to be 0."""
    if np.any(scale == 0):
        raise ZeroDivisionError("np.average: the weights sum to zero and cannot be normalised.")
    return scale


@primitive
def contract(*values: Any, subscripts: str) -> Any:
    """``np.einsum`` with explicit subscripts in which no operand repeats a label.

    The best order multiplies two operands before a third, and all in the dtype of the result.
    """
    if len(values) > 2:
        dtype = np.result_type(*values)
        values = tuple(v if v.dtype == dtype else v.astype(dtype) for v in values)
    return np.einsum(subscripts, *values, optimize=len(values) > 2)


@primitive
def euclidean_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm`` of vectors, or of matrices as if they were vectors."""
    if axis is None and not keepdims and type(x) is np.ndarray and x.dtype.kind == "f":
        line = x.ravel(order="K")  # what NumPy does in the end: 3 µs less, as below
        return np.sqrt(line.dot(line))
    return np.linalg.norm(x, None, axis, keepdims)


@primitive
def power_norm(x: Any, ord: float, axis: Axis = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm`` of vectors: (sum |x|**ord) ** (1 / ord)."""
    if type(x) is np.ndarray and x.ndim == 1 and not keepdims:
        powers = np.abs(x)
        powers **= ord
        total = np.add.reduce(powers)
        return total ** np.reciprocal(ord, dtype=total.dtype)
    return np.linalg.norm(x, ord, axis, keepdims)


@primitive
def shares(size: Any, ord: float, axis: Axis) -> Any:
    """Numbers that are not negative over their p-norm along ``axis``; 0 where that is 0.

    Where a power over- or underflows all is taken over the largest first (the least, if that
    decides); infinite ones share alone.
    """
    total = sum_along(np.power(size, ord), axis, keepdims=True)
    if total.size == 1:  # which needs no search: 4 µs less
        least = most = number(total)
    elif total.size:
        least, most = np.min(total), np.max(total)
    if total.size and least > 1 / (limit := largest_power(total.dtype)) and most < limit:
        return size / np.power(total, 1.0 / ord)
    scale = (np.min if ord < 0 else np.max)(size, axis=axis, keepdims=True)
    scale = np.where(scale > 0, scale, 1)
    size = np.where(np.isinf(scale), np.isinf(size).astype(size.dtype), size / scale)
    norm = np.power(np.sum(np.power(size, ord), axis=axis, keepdims=True), 1.0 / ord)
    return np.where(norm == 0, 0, size / np.where(norm == 0, 1, norm))
