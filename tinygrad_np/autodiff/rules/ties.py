"""Equal eigenvalues and singular values, where a rule does not know the whole derivative.

A smooth function of a matrix may read both values and vectors; so does the second derivative of a
function that reads only values. Between the vectors of equal values its derivative has a part, the
limit of (gj - gi) / (wj - wi), that cannot be computed from the cotangents. If both values and
vectors have a cotangent, and equal values are among them, backward raises an error.
"""

from typing import Any

import numpy as np

from ..primitives import akin, hint, largest_or_0, rebuilt, settled, silent
from .inverses import by_matrix, transposed
from .table import Traits, constant, defvjp

constant(settled, traits=Traits(checks=True))
constant(silent, hint)


def rebuilt_by_left(g: Any, left: Any, values: Any, right: Any, unseen: Any, dual: bool) -> Any:
    return np.matmul(g, transposed(right)) * values + hint(g, left, right, unseen, dual)


def rebuilt_by_values(g: Any, left: Any, right: Any) -> Any:
    return np.sum(left * np.matmul(g, transposed(right)), axis=-2, keepdims=True)


defvjp(
    rebuilt,
    lambda g, _out, left, values, right, unseen, dual: rebuilt_by_left(
        g, left, values, right, unseen, dual
    ),
    lambda g, _out, left, _values, right, _unseen, _dual: rebuilt_by_values(g, left, right),
    lambda g, _out, left, values, _right, _unseen, _dual: np.matmul(transposed(left * values), g),
    reach=by_matrix,
    broadcasts=True,
)


def inverse(x: Any, none: Any) -> Any:
    """1 / x, and 0 where ``none`` is True."""
    return np.where(none, 0, 1 / np.where(none, 1, x))


def rounding(largest: Any, n: int) -> Any:
    """By how much eigenvalues or singular values of a matrix of ``n`` rows are rounded."""
    return n * float(np.finfo(largest.dtype).eps) * largest


def top(values: Any) -> Any:
    """The largest modulus along the last axis."""
    return largest_or_0(np.abs(values), -1, True)


def differences(values: Any) -> Any:
    """At i, j the j-th value less the i-th."""
    return values[..., None, :] - values[..., :, None]


def sums(values: Any) -> Any:
    """At i, j the j-th value and the i-th."""
    return values[..., None, :] + values[..., :, None]


def told_apart(equal: Any, g: Any, turned: Any, name: str) -> Any:
    """False for each pair of vectors; refused where they belong to equal values that count.

    ``g`` is the cotangent of the values; ``turned`` that of the vectors, in terms of the vectors.
    """
    others = akin(~np.eye(np.shape(g)[-1], dtype=bool), g)
    counts = np.logical_or(g[..., None, :] != 0, np.logical_or(g[..., :, None] != 0, turned != 0))
    return settled(np.logical_and(np.logical_and(equal, others), counts), name)


def inverse_gaps(w: Any, g: Any, turned: Any, name: str) -> Any:
    """At i, j 1 / (wj - wi), and 0 where these eigenvalues are equal."""
    gaps = differences(w)
    equal = np.abs(gaps) <= rounding(top(w), np.shape(w)[-1])[..., None]
    if g is not None:
        equal = np.logical_or(told_apart(equal, g, turned, name), equal)
    return inverse(gaps, equal)


def of_values(left: Any, g: Any, right: Any, values: Any, rows: int, singular: bool = False) -> Any:
    """left diag(g) right, the gradient by a matrix from the cotangent of its values."""
    values, g = values[..., None, :], g[..., None, :]
    return rebuilt(left, g, right, silent(values, g, rows, singular), not singular)
