"""Factors of matrices, and the derivatives of the determinant."""

import contextlib
import functools
import math
from typing import Any

import numpy as np

from ...errors import TapeError
from ...foreign import is_foreign
from .dispatch import akin, primitive
from .reductions import largest_or_0


@primitive
def decomposed(a: Any, full: bool = False) -> Any:
    """``np.linalg.svd`` with vectors."""
    return np.linalg.svd(a, full)


@primitive
def orthogonalised(a: Any, complete: bool = False) -> Any:
    """``np.linalg.qr`` with both factors."""
    return np.linalg.qr(a, "complete") if complete else np.linalg.qr(a)


BOTH = (
    "a gradient for both the values and the vectors is not known here, because two values are "
    "equal or a singular value is 0"
)
DEFECTIVE = (
    "a value of this matrix has fewer vectors than its multiplicity, and no derivative by itself"
)


@primitive
def settled(undecided: Any, name: str, reason: str = BOTH) -> Any:
    """``undecided``, of which nothing is True."""
    if np.any(undecided):
        raise TapeError(
            f"np.linalg.{name}: {reason}. Write the function without "
            "vectors (inv, pinv, solve, cholesky, matrix_power, norm; np.sum(a * a) for a sum of "
            "squares), or change the matrix so that the values differ."
        )
    return undecided


@primitive
def silent(values: Any, g: Any, rows: int, singular: bool) -> Any:
    """At i, j the common cotangent (1 for 0) of two values that are equal, to rounding; else 0.

    Of singular values whether both have the cotangent 0, and on the diagonal whether the value is
    0, too. Values and cotangents are rows of a matrix.
    """
    down = np.swapaxes(values, -1, -2)
    least = rows * np.finfo(values.dtype).eps * largest_or_0(np.abs(values), -1, True)
    diagonal = akin(np.eye(values.shape[-1], dtype=bool), values)
    equal = np.where(diagonal, singular & (values <= least), np.abs(values - down) <= least)
    if singular:
        return equal & (g == 0) & np.swapaxes(g == 0, -1, -2)
    return np.where(equal & (g == np.swapaxes(g, -1, -2)), np.where(g == 0, 1, g), 0)


@primitive
def rebuilt(left: Any, values: Any, right: Any, unseen: Any, dual: bool) -> Any:  # noqa: ARG001
    """left diag(values) right, with values as a row; the rest is for the rule."""
    return np.matmul(left * values, right)


@primitive
def hint(g: Any, left: Any, right: Any, unseen: Any, dual: bool) -> Any:
    """A cotangent of ``left`` that turns nothing and is not 0 where ``unseen`` vectors would turn.

    With it ``told_apart`` notices second derivatives that are lost. It moves a vector along itself
    (singular value 0) or is Hermitian between vectors of equal values; of eigenvectors anything
    between these does nothing.
    """
    shape = (*np.broadcast_shapes(g.shape[:-2], left.shape[:-2]), *left.shape[-2:])
    if not np.any(unseen):
        return np.zeros_like(left, shape=shape)
    gr, lg = np.matmul(g, np.swapaxes(right, -1, -2)), np.matmul(np.swapaxes(left, -1, -2), g)
    core = np.matmul(np.swapaxes(left, -1, -2), gr)
    along = np.diagonal(core, 0, -2, -1)
    steps = np.abs(along[..., None, :] - along[..., :, None])
    # else the cotangents of the two values differ, and told_apart sees these
    alike = steps <= np.finfo(g.dtype).eps ** 0.5 * np.max(np.abs(core), (-2, -1), keepdims=True)
    if dual:
        return np.matmul(np.swapaxes(right, -1, -2), np.where(alike, unseen * core, 0))
    unseen = unseen & alike
    size = np.abs(gr).sum(-2)[..., None, :] + np.abs(lg).sum(-1)[..., None, :]
    inner = (core + np.conj(np.swapaxes(core, -1, -2))) / 2
    inner = np.where(akin(np.eye(left.shape[-1], dtype=bool), left), size, inner)
    return np.matmul(np.conj(left), np.where(unseen, inner, 0))


def separated(a: Any) -> tuple[Any, Any, Any, Any]:
    """u, s, vh and the determinant of u vh, NaN for matrices that hold anything but numbers."""
    sound = np.isfinite(a).all(axis=(-2, -1))[..., None, None]
    u, s, vh = np.linalg.svd(np.where(sound, a, 0))
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return u, s, vh, np.where(sound, phase[..., None, None], np.nan)


def products_around(s: Any) -> tuple[Any, Any]:
    """For each element of a line the product of those before it, and of those behind it."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], -1), -1)
    behind = np.cumprod(np.concatenate([ones, s[..., :0:-1]], -1), -1)[..., ::-1]
    return before, behind


def products_without_two(s: Any) -> Any:
    """For each pair of elements of a line the product of all others; 0 on the diagonal."""
    before, behind = products_around(s)
    later = akin(np.tri(s.shape[-1], k=-1, dtype=bool).T, s)
    between = np.cumprod(np.where(later, s[..., None, :], 1), -1)[..., :-1]
    between = np.concatenate([np.ones_like(s, shape=(*s.shape, 1)), between], -1)
    upper = np.where(later, before[..., :, None] * between * behind[..., None, :], 0)
    return upper + np.swapaxes(upper, -1, -2)


@functools.cache
def worst_condition(dtype: Any) -> float:
    """From where on an inverse loses a third of the digits."""
    return 1 / math.cbrt(np.finfo(dtype).eps)


@primitive
def cofactors(a: Any) -> Any:
    """The derivative of the determinant, of singular matrices too, in O(n³).

    det(a) a⁻ᵀ where that loses less than a third of the digits; else, with a = u s vh,
    det(u vh) conj(u) c conj(vh), where c has the products of all singular values but one on its
    diagonal.
    """
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        inverse = np.zeros_like(a)
        ill = np.ones_like(a, bool, shape=a.shape[:-2])
    else:
        if a.ndim == 2 and type(a) is np.ndarray:  # 14 µs less than with the largest elements
            size = np.vdot(a, a).real * np.vdot(inverse, inverse).real
            if len(a) ** 2 * size <= worst_condition(a.dtype) ** 2:
                return np.linalg.det(a) * inverse.T
        largest = [largest_or_0(np.abs(x), (-2, -1)) for x in (a, inverse)]
        ill = a.shape[-1] * largest[0] * largest[1] > worst_condition(a.dtype)
    out = np.expand_dims(np.linalg.det(a), (-2, -1)) * np.swapaxes(inverse, -1, -2)
    if not ill.any():
        return out
    u, s, vh, phase = separated(a)
    before, behind = products_around(s)
    other = phase * np.matmul(np.conj(u) * (before * behind)[..., None, :], np.conj(vh))
    return np.where(ill[..., None, None], other, out)


@primitive
def inverse_or_zero(a: Any) -> Any:
    """a⁻¹, and 0 of singular matrices."""
    if not is_foreign(a):
        with contextlib.suppress(np.linalg.LinAlgError):
            return np.linalg.inv(a)
    singular = np.equal(np.linalg.slogdet(a)[0], 0)[..., None, None]
    eye = akin(np.eye(a.shape[-1], dtype=a.dtype), a)
    return np.where(singular, 0, np.linalg.inv(np.where(singular, eye, a)))


@primitive
def second_cofactors(a: Any, h: Any) -> Any:
    """The second derivative of the determinant in the direction ``h``, in O(n³).

    In the bases of the singular vectors, where a is diagonal, the determinant has a second
    derivative by the elements ii and jj, and by ij and ji with a minus: the product of all other
    singular values.
    """
    u, s, vh, phase = separated(a)
    inner = phase * np.matmul(
        np.matmul(np.conj(np.swapaxes(u, -1, -2)), h), np.conj(np.swapaxes(vh, -1, -2))
    )
    pairs = products_without_two(s)
    diagonal = np.matmul(pairs, np.diagonal(inner, 0, -2, -1)[..., None])
    moved = akin(np.eye(a.shape[-1], dtype=a.real.dtype), a) * diagonal - pairs * np.swapaxes(
        inner, -1, -2
    )
    return np.matmul(np.matmul(np.conj(u), moved), np.conj(vh))
