"""``scipy.linalg``: its functions, with derivatives where HIPS/autograd has them, and of ``expm``.

What NumPy has as well (``inv det solve cholesky norm pinv``) is NumPy's for Tensors.
"""

from typing import Any

import numpy as np
import scipy.linalg as _theirs

from ....autodiff.primitives import primitive as _primitive
from ....autodiff.rules import defvjp as _defvjp
from ..lifting import names_of as _names_of
from .choice import beside as _beside

globals().update(_names_of(_theirs))


def _turned(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


@_primitive
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The solution x of a x + x b = q."""
    return _theirs.solve_sylvester(a, b, q)


def _sylvester_back(g: Any, a: Any, b: Any) -> Any:
    return solve_sylvester(_turned(a), _turned(b), g)


_defvjp(
    solve_sylvester,
    lambda g, out, a, b, _q: -(_sylvester_back(g, a, b) @ _turned(out)),
    lambda g, out, a, b, _q: -(_turned(out) @ _sylvester_back(g, a, b)),
    lambda g, _out, a, b, _q: _sylvester_back(g, a, b),
)


@_primitive
def _root(a: Any) -> Any:
    return np.asarray(_theirs.sqrtm(a))


_defvjp(_root, lambda g, out, _a: _sylvester_back(g, out, out))


def sqrtm(A: Any, disp: bool = True, blocksize: int = 64) -> Any:  # noqa: ARG001
    """The square root of a matrix."""
    if not disp:
        raise NotImplementedError("sqrtm(disp=False) has no derivative; leave the option out.")
    return _root(A)


@_primitive
def expm(A: Any) -> Any:
    """The exponential of a matrix, or of a stack of matrices."""
    return _theirs.expm(A)


def _expm_back(g: Any, a: Any) -> Any:
    """The Fréchet derivative at aᵀ along g, a block of a larger exponential (Higham 2008, 3.16)."""
    n, turned = np.shape(a)[-1], _turned(a)
    upper = np.concatenate([turned, g], axis=-1)
    lower = np.concatenate([np.zeros_like(turned), turned], axis=-1)
    return expm(np.concatenate([upper, lower], axis=-2))[..., :n, n:]


_defvjp(expm, lambda g, _out, A: _expm_back(g, A))


@_primitive
def _triangular(a: Any, b: Any, turn: bool, lower: bool, unit: bool) -> Any:
    return _theirs.solve_triangular(a, b, trans=int(turn), lower=lower, unit_diagonal=unit)


def _by_triangle(g: Any, out: Any, a: Any, turn: bool, lower: bool, unit: bool) -> Any:
    v = _triangular(a, g, not turn, lower, unit)
    if np.ndim(v) == 1:
        v, out = v[:, None], out[:, None]
    whole = -(out @ _turned(v)) if turn else -(v @ _turned(out))
    return np.tril(whole, -int(unit)) if lower else np.triu(whole, int(unit))


_defvjp(
    _triangular,
    lambda g, out, a, _b, turn, lower, unit: _by_triangle(g, out, a, turn, lower, unit),
    lambda g, _out, a, _b, turn, lower, unit: _triangular(a, g, not turn, lower, unit),
)


def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
    **_options: Any,
) -> Any:  # fmt: skip
    """The solution of a triangular system; nothing is overwritten."""
    if trans in (2, "C"):
        return _triangular(np.conj(a), b, True, lower, unit_diagonal)
    return _triangular(a, b, trans in (1, "T"), lower, unit_diagonal)


@_primitive
def _banded(ab: Any, b: Any, low: int, high: int) -> Any:
    return _theirs.solve_banded((low, high), ab, b)


def _moved(row: Any, k: int) -> Any:
    """A row moved k places to the right, zeros in its place."""
    k = min(max(k, -row.shape[0]), row.shape[0])
    zeros = np.zeros_like(row[: abs(k)])
    return np.concatenate([zeros, row[:-k]] if k > 0 else [row[-k:], zeros]) if k else row


def _banded_turned(ab: Any, low: int, high: int) -> Any:
    """The transpose of a banded matrix, in the same form."""
    rows = [_moved(ab[r], r - high) for r in range(low + high + 1)]
    return np.stack(rows[::-1])


def _by_bands(g: Any, out: Any, ab: Any, low: int, high: int) -> Any:
    v = _banded(_banded_turned(ab, low, high), g, high, low)
    if np.ndim(v) == 1:
        v, out = v[:, None], out[:, None]
    return np.stack([-np.sum(_moved(v, high - r) * out, axis=-1) for r in range(low + high + 1)])


_defvjp(
    _banded,
    lambda g, out, ab, _b, low, high: _by_bands(g, out, ab, low, high),
    lambda g, _out, ab, _b, low, high: _banded(_banded_turned(ab, low, high), g, high, low),
)


def solve_banded(
    l_and_u: Any, ab: Any, b: Any, *_options: Any, **_named: Any
) -> Any:  # fmt: skip
    """The solution of a banded system, given by its diagonals; nothing is overwritten."""
    return _banded(ab, b, *map(int, l_and_u))


inv = _beside(_theirs.inv)(lambda a, *_options, **_named: np.linalg.inv(a))
det = _beside(_theirs.det)(lambda a, *_options, **_named: np.linalg.det(a))
pinv = _beside(_theirs.pinv)(np.linalg.pinv)
norm = _beside(_theirs.norm)(np.linalg.norm)


@_beside(_theirs.solve)
def solve(a: Any, b: Any, *_options: Any, **_named: Any) -> Any:
    """The solution of a linear system."""
    if np.ndim(b) == 1:
        return np.linalg.solve(a, b[:, None])[:, 0]
    return np.linalg.solve(a, b)


@_beside(_theirs.cholesky)
def cholesky(a: Any, lower: bool = False, *_options: Any, **_named: Any) -> Any:
    """The Cholesky factor, the upper one by default."""
    found = np.linalg.cholesky(a)
    return found if lower else np.conj(_turned(found))


@_beside(_theirs.cho_factor)
def cho_factor(a: Any, lower: bool = False, *_options: Any, **_named: Any) -> tuple[Any, bool]:
    """The factor for ``cho_solve``."""
    return cholesky(a, lower), lower


@_beside(_theirs.cho_solve)
def cho_solve(c_and_lower: Any, b: Any, *_options: Any, **_named: Any) -> Any:
    """The solution of the system whose factor this is."""
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else "C", lower=lower)
    return solve_triangular(c, first, trans="C" if lower else 0, lower=lower)
