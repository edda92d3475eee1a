"""Norms of vectors and matrices, and condition numbers."""

from typing import Any

import numpy as np

from ..primitives import (
    cast,
    decomposed,
    euclidean_norm,
    inverse_or_zero,
    largest_or_0,
    power_norm,
    shares,
    unit,
)
from ..shapes import Axis, axes_of, beside, extent, keep
from .elementwise import in_single
from .inverses import conj
from .table import along, composite, defvjp

defvjp(
    euclidean_norm,
    lambda g, _out, x, axis=None, keepdims=False: (
        (g if keepdims else beside(g, x, axis)) * conj(unit(x, axis))
    ),
    reach=along(None),
)


def power_of(ratio: Any, exponent: float) -> Any:
    """``ratio ** exponent``, constantly 0 where the ratio is 0."""
    if exponent >= 2:  # there it is 0, and so is its slope
        return np.power(ratio, exponent)
    none = ratio == 0
    return np.where(none, 0, np.power(np.where(none, 1, ratio), exponent))


def power_norm_back(g: Any, x: Any, ord: float, axis: Axis) -> Any:
    """sign(x) (|x| / norm)**(ord-1), 0 where x or the norm is 0."""
    if x.size == 0:
        return np.zeros_like(x)
    slope = power_of(shares(np.abs(x), ord, axis), ord - 1)
    return beside(g, x, axis) * (slope * conj(np.sign(x)))


def shares_back(g: Any, out: Any, size: Any, ord: float, axis: Axis) -> Any:
    """A share moves with its number, and against all shares with the norm.

    The norm is the largest number over its share: powers may over- or underflow.
    """
    largest, share = (np.max(v, axis=axis, keepdims=True) for v in (size, out))
    none = share == 0
    across = g - power_of(out, ord - 1) * np.sum(g * out, axis=axis, keepdims=True)
    return np.where(none, 0, across / np.where(none, 1, largest) * share)


defvjp(
    power_norm,
    lambda g, _out, x, ord, axis=None, keepdims=False: power_norm_back(g, x, ord, axis),
    reach=lambda g, out, x, _ord, axis=None, *_rest, **_options: along(axis)(g, out, x),
)


defvjp(
    shares,
    lambda g, out, size, ord, axis: shares_back(g, out, size, ord, axis),
    reach=lambda g, out, size, _ord, axis: along(axis)(g, out, size),
)


SPECTRAL: dict[Any, Any] = {2: largest_or_0, -2: np.min, "nuc": np.sum}


@composite(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors and of matrices, with gradient 0 where they are 0."""
    if x.dtype.kind in "biu":
        x = cast(x, np.float64)
    if ord is None and axis is None:
        return frobenius_norm(x, None, keepdims)
    if axis is not None and x.ndim == 0:
        raise ValueError(f"np.linalg.norm(axis={axis}) of shape (): there are no axes.")
    pair = axes_of(axis if isinstance(axis, tuple) or axis is None else int(axis), x.ndim)
    if ord is not None and (len(pair) not in (1, 2) or (isinstance(ord, str) and len(pair) == 1)):
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}, axis={axis}) of shape {x.shape}: the order fits "
            f"neither vectors nor matrices of {len(pair)} axes; give one or two axes."
        )
    if ord in (None, "f", "fro") or (ord == 2 and len(pair) == 1):
        return frobenius_norm(x, axis, keepdims)
    if len(pair) == 1:
        return vector_norm(x, ord, axis, keepdims)
    if len(set(pair)) == 1:
        raise ValueError(f"np.linalg.norm(axis={axis}): the two axes are the same.")
    if ord in SPECTRAL:
        last = (x.ndim - 2, x.ndim - 1)
        s = decomposed(x if pair == last else np.moveaxis(x, pair, (-2, -1)))[1]
        out = SPECTRAL[ord](s, axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        out = sum_norm(x, ord, *pair)
    else:
        raise ValueError(
            f"np.linalg.norm(ord={ord!r}) of matrices: give 1, 2, np.inf, their negatives, 'nuc' "
            "or 'fro'."
        )
    return keep(out, x.shape, pair) if keepdims else out


def frobenius_norm(x: Any, axis: Axis, keepdims: bool) -> Any:
    """The root of the sum of squares, of float16 in float32."""
    if x.dtype == np.float16:
        return cast(euclidean_norm(cast(x, np.float32), axis, keepdims), np.float16)
    if axis is None and not keepdims:
        return euclidean_norm(x)  # 7 µs less than with its options
    return euclidean_norm(x, axis, keepdims)


@in_single
def vector_norm(x: Any, ord: float, axis: Axis, keepdims: bool) -> Any:
    """(sum |x|**ord) ** (1 / ord), and its limits."""
    if ord not in (np.inf, -np.inf, 0, 1):
        if axis is None and not keepdims:
            return power_norm(x, ord)
        return power_norm(x, ord, axis, keepdims)
    size = np.abs(x)
    if ord == np.inf:
        return largest_or_0(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if not ord:  # NaN is not 0
        size = np.sign(np.where(np.isnan(size), 1, size))
    return np.sum(size, axis=axis, keepdims=keepdims)


@in_single
def sum_norm(x: Any, ord: float, row: int, column: int) -> Any:
    """The largest (or least) sum of a column, or for infinite orders of a row."""
    over, along = (row, column) if np.abs(ord) == 1 else (column, row)
    sums = np.sum(np.abs(x), axis=over)
    return (largest_or_0 if ord > 0 else np.min)(sums, axis=along - (along > over))


@composite(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of the last two axes."""
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


@composite(np.linalg.vector_norm)
def norm_over(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of what lies along one axis, or along several as if they were one."""
    if axis is None or isinstance(axis, tuple):
        shape, axes = x.shape, axes_of(axis, x.ndim)
        if len(set(axes)) < len(axes):
            raise ValueError(f"np.linalg.vector_norm(axis={axis}): an axis is given twice.")
        rest = [a for a in range(x.ndim) if a not in axes]
        lines = np.transpose(x, (*axes, *rest)) if rest else x
        lines = np.reshape(lines, (extent(shape, axes), *(shape[a] for a in rest)))
        out = np.linalg.norm(lines, ord, 0)
        return keep(out, shape, axes) if keepdims else out
    return np.linalg.norm(x, ord, axis, keepdims)


@composite(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The largest singular value over the least, or the norm times that of the inverse.

    Where that is infinite it is a constant.
    """
    if 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError(f"np.linalg.cond of shape {x.shape}: the matrix is empty.")
    if p in (None, 2, -2):
        s = decomposed(x)[1]
        over, under = np.max(s, axis=-1), np.min(s, axis=-1)
        if p == -2:
            over, under = under, over
        singular = under == 0
        return np.where(singular, np.inf, over / np.where(singular, 1, under))
    sign = np.linalg.slogdet(x)[0]
    inverse = inverse_or_zero(x)
    out = np.linalg.matrix_norm(x, ord=p) * np.linalg.matrix_norm(inverse, ord=p)
    return np.where(np.equal(sign, 0), np.inf, out)
