"""Factors of matrices: Cholesky, eigenvalues and -vectors, singular values, QR, least squares.

The formulas use d f = Re tr(gᴴ dx), as the literature does. The table uses d f = Re sum(g dx), so
``conjugated`` takes the conjugate of what goes into a formula and of what comes out. A function
that reads only one triangle of a matrix has a gradient for this triangle only. Where two
eigenvalues or singular values are equal to rounding, their vectors do not turn towards each other;
the same holds for a singular value that is 0. ``ties`` refuses the cases where this is wrong.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import akin, cast, decomposed, largest_or_0, orthogonalised, settled
from ..primitives.matrices import DEFECTIVE
from .elementwise import as_wide
from .inverses import adjoint, by_matrix, conj, transposed
from .table import composite, defvjp
from .ties import (
    differences,
    inverse,
    inverse_gaps,
    of_values,
    rounding,
    sums,
    told_apart,
    top,
)


def conjugated(back: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of the table for one whose cotangents are conjugated."""

    def rule(g: Any, *rest: Any) -> Any:
        if isinstance(g, tuple):
            return conj(back(tuple(part if part is None else conj(part) for part in g), *rest))
        return conj(back(conj(g), *rest))

    return rule


def lower_half(x: Any) -> Any:
    """Ones below the diagonal of a matrix like ``x``, halves on it."""
    n, dtype = np.shape(x)[-1], np.finfo(np.result_type(x)).dtype
    return akin(np.tri(n, dtype=dtype) - np.eye(n, dtype=dtype) / 2, x)


def of_triangle(full: Any, lower: bool) -> Any:
    """The gradient by one triangle of a Hermitian matrix from that by all of it.

    An element off the diagonal stands for its mirror image, too; on it the real part is read.
    """
    half = lower_half(full)
    return (full + adjoint(full)) * (half if lower else half.T)


def times_inverse(x: Any, a: Any) -> Any:
    """x a⁻¹."""
    return adjoint(np.linalg.solve(adjoint(a), adjoint(x)))


def on_columns(values: Any) -> Any:
    """Values that scale the columns of a matrix."""
    return values[..., None, :]


@conjugated
def cholesky_back(g: Any, out: Any, upper: bool) -> Any:
    """l⁻ᴴ (lᴴ g, its lower half) l⁻¹.

    Source: Murray 2016, "Differentiation of the Cholesky decomposition", equation 10.
    """
    if upper:
        out, g = adjoint(out), adjoint(g)
    product = np.matmul(adjoint(out), g)
    inner = np.linalg.solve(adjoint(out), product * lower_half(out))
    return of_triangle(times_inverse(inner, out), not upper)


defvjp(
    np.linalg.cholesky,
    lambda g, out, _a, upper=False: cholesky_back(g, out, upper),
    reach=by_matrix,
)


@conjugated
def eigh_back(g: Any, out: Any, lower: bool) -> Any:
    """v (diag(gw) + vᴴ gv / (wj − wi)) vᴴ.

    Source: Giles 2008, "Collected matrix derivative results for forward and reverse mode
    algorithmic differentiation", section 3.1.
    """
    (gw, gv), (w, v) = g, out
    vh, total = adjoint(v), 0
    if gv is not None:
        turned = np.matmul(vh, gv)
        total = np.matmul(np.matmul(v, inverse_gaps(w, gw, turned, "eigh") * turned), vh)
    if gw is not None:
        total = total + of_values(v, gw, vh, w, np.shape(w)[-1])
    return of_triangle(total, lower)


@conjugated
def eig_back(g: Any, out: Any) -> Any:
    """v⁻ᴴ (diag(gw) + vᴴ gv' / conj(wj − wi)) vᴴ.

    Source: Boeddeker, Hanebrink, Drude, Heymann, Haeb-Umbach 2017, "On the computation of
    complex-valued gradients with application to statistically optimum beamforming", section 4.
    """
    (gw, gv), (w, v) = g, out
    v = spanning(v, w)
    vh, total = adjoint(v), 0
    if gv is not None:
        turned = np.matmul(vh, free_of_scale(gv, v))
        inner = conj(inverse_gaps(w, gw, turned, "eig")) * turned
        total = np.matmul(np.linalg.solve(vh, inner), vh)
    if gw is not None:
        total = total + of_values(np.linalg.inv(vh), gw, vh, w, np.shape(w)[-1])
    return total


def spanning(v: Any, w: Any) -> Any:
    """The eigenvectors ``v``, refused where those of equal eigenvalues ``w`` are the same."""
    n, eps = np.shape(v)[-1], float(np.finfo(np.result_type(v)).eps)
    others = akin(~np.eye(n, dtype=bool), v)
    same = np.logical_and(np.abs(np.matmul(adjoint(v), v)) >= 1 - 4 * n * eps, others)
    equal = np.abs(differences(w)) <= rounding(top(w), n)[..., None]
    return np.where(settled(np.logical_and(same, equal), "eig", DEFECTIVE), 0, v)


def free_of_scale(g: Any, v: Any) -> Any:
    """The cotangent of eigenvectors before they are scaled.

    LAPACK gives each the length 1 and turns it until its largest element (the first of these) is
    real.
    """
    along = np.sum(conj(v) * g, axis=-2, keepdims=True)
    out = g - v * np.real(along)
    if not np.iscomplexobj(v) or np.size(v) == 0:
        return out
    size = np.where(np.equal(np.imag(v), 0), np.abs(v), 0)
    rows = akin(np.reshape(np.arange(np.shape(v)[-2]), (-1, 1)), v)
    turned = np.equal(rows, np.argmax(size, axis=-2)[..., None, :])
    return out - np.where(turned, 1j * np.imag(along) / np.where(turned, np.real(v), 1), 0)


defvjp(
    np.linalg.eigh, lambda g, out, _a, UPLO="L": eigh_back(g, out, UPLO in "lL"), reach=by_matrix
)
defvjp(np.linalg.eig, lambda g, out, _a: eig_back(g, out), reach=by_matrix)


@composite(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: Any = "L") -> Any:
    """The eigenvalues of ``eigh``."""
    return np.linalg.eigh(a, UPLO)[0]


@composite(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """The eigenvalues of ``eig``."""
    return np.linalg.eig(a)[0]


def skew(x: Any) -> Any:
    """Twice the anti-Hermitian part."""
    return x - adjoint(x)


@conjugated
def svd_back(g: Any, out: Any) -> Any:
    """u p vᴴ, and what leaves the spaces that u and v span.

    The sum of the turns of u and v is (d + dᴴ) / (sj − si) and their difference (d − dᴴ) /
    (sj + si), where d = uᴴ da v. In this form u vᴴ has its derivative where singular values are
    equal, too. The phase that a pair of vectors shares is free, and stays as it is.
    Source: Wan and Zhang 2019, "Automatic differentiation for complex valued SVD".
    """
    (gu, gs, gvh), (u, s, vh) = g, out
    m, n, k = np.shape(u)[-2], np.shape(vh)[-1], np.shape(s)[-1]
    least = rounding(s[..., :1], max(m, n))
    first, last = u[..., :, :k], vh[..., :k, :]
    total: Any = 0
    if gs is not None:
        total = of_values(first, np.where(s > least, gs, 0), last, s, max(m, n), True)
    if gu is None and gvh is None:
        return total
    gu, gvh = (np.zeros_like(x) if gx is None else gx for gx, x in ((gu, u), (gvh, vh)))
    turn_u, turn_v = skew(np.matmul(adjoint(u), gu)), skew(np.matmul(vh, adjoint(gvh)))
    core_u, core_v = turn_u[..., :k, :k], turn_v[..., :k, :k]
    gaps, both, none = differences(s), sums(s), s <= least
    equal, small = np.abs(gaps) <= least[..., None], both <= least[..., None]
    if gs is not None:
        arrived = np.matmul(adjoint(u), gu)[..., :k, :k], np.matmul(vh, adjoint(gvh))[..., :k, :k]
        equal = np.logical_or(told_apart(equal, gs, arrived[0] + arrived[1], "svd"), equal)
        moving = np.any(gu != 0, axis=-2)[..., :k], np.any(gvh != 0, axis=-1)[..., :k]
        moving = np.logical_or(gs != 0, np.logical_or(*moving))
        none = np.logical_or(settled(np.logical_and(none, moving), "svd"), none)
    inner = inverse(gaps, equal) * (core_u + core_v)
    inner = (inner + inverse(both, small) * (core_u - core_v)) / 2
    total = total + np.matmul(np.matmul(first, inner), last)
    shrink = on_columns(inverse(s, none))
    if m > k:
        total = total + np.matmul(outside(gu, u, turn_u, k) * shrink, last)
    if n > k:
        left = outside(adjoint(gvh), adjoint(vh), turn_v, k) * shrink
        total = total + np.matmul(first, adjoint(left))
    return total


def outside(g: Any, u: Any, turn: Any, k: int) -> Any:
    """The part of a cotangent outside the space of the first ``k`` columns of ``u``.

    Columns beyond them turn with these the other way.
    """
    if np.shape(u)[-1] > k:
        return np.matmul(u[..., :, k:], turn[..., k:, :k])
    return g - np.matmul(u, np.matmul(adjoint(u), g))


SVDResult: Any = type(np.linalg.svd(np.eye(1)))


defvjp(decomposed, lambda g, out, _a, _full=False: svd_back(g, out), reach=by_matrix)


@composite(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """``decomposed``; of a Hermitian matrix by ``eigh``, with signs of eigenvalues in vᴴ."""
    if not hermitian:
        out = decomposed(a, full_matrices and compute_uv)
        return out if compute_uv else out[1]
    w, v = np.linalg.eigh(a)
    order = np.flip(np.argsort(np.abs(w), axis=-1), -1)
    w = np.take_along_axis(w, order, axis=-1)
    if not compute_uv:
        return np.abs(w)
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    minus = np.signbit(w)
    return SVDResult(u, np.where(minus, -w, w), adjoint(np.where(on_columns(minus), -u, u)))


@composite(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """The singular values of ``svd``."""
    return np.linalg.svd(x, compute_uv=False)


@conjugated
def qr_back(g: Any, out: Any, a: Any) -> Any:
    """q gr, and (q l + what of gq is outside of q) r⁻ᴴ; l is the lower half of r grᴴ − gqᴴ q.

    To be exact, of twice its anti-Hermitian part. The columns of a beyond the square part of r are
    q times those of r. Columns of q beyond those of a turn with these the other way. A column of a
    that depends on those before it turns no column of q, and its pivot stays 0.
    Source: Walter and Lehmann 2018, "Algorithmic differentiation of linear algebra functions with
    application in optimum experimental design"; Roberts and Roberts 2020, "QR and LQ decomposition
    matrix backpropagation algorithms for square, wide, and deep matrices".
    """
    (gq, gr), (q, r) = g, out
    m, n = np.shape(a)[-2:]
    k = min(m, n)
    beyond: Any = None
    if n > m:
        beyond = np.zeros_like(a[..., :, k:]) if gr is None else np.matmul(q, gr[..., :, k:])
        if gr is not None:
            gq = (0 if gq is None else gq) + np.matmul(a[..., :, k:], adjoint(gr[..., :, k:]))
            gr = gr[..., :, :k]
    elif np.shape(q)[-1] > k:
        if gq is not None:
            rest = np.matmul(adjoint(gq[..., :, k:]), q[..., :, :k])
            gq = gq[..., :, :k] - np.matmul(q[..., :, k:], rest)
        gr = None if gr is None else gr[..., :k, :]
    q, r = q[..., :, :k], r[..., :k, :k]
    pivots = np.abs(np.diagonal(r, 0, -2, -1))
    dependent = (pivots <= rounding(top(pivots), max(m, n)))[..., None]
    eye = akin(np.eye(k, dtype=np.finfo(np.result_type(r)).dtype), r)
    turn: Any = 0
    if gr is not None:
        gr = np.where(np.logical_and(dependent, eye), 0, np.triu(gr))
        turn = np.matmul(r, adjoint(gr))
    if gq is not None:
        turn = turn - np.matmul(adjoint(gq), q)
    back = np.matmul(q, skew(turn) * lower_half(r))
    if gq is not None and m > k:
        back = back + gq - np.matmul(q, np.matmul(adjoint(q), gq))
    back = np.where(dependent, 0, adjoint(back))
    back = adjoint(np.linalg.solve(np.where(dependent, eye, r), back))
    if gr is not None:
        back = back + np.matmul(q, gr)
    return back if beyond is None else np.concatenate([back, beyond], axis=-1)


defvjp(orthogonalised, lambda g, out, a, _complete=False: qr_back(g, out, a), reach=by_matrix)


def reflections(a: Any) -> tuple[Any, Any]:
    """The vectors of Householder's reflections below R, transposed, and their factors, as LAPACK.

    Source: Golub and Van Loan, "Matrix Computations", algorithm 5.2.1.
    """
    if a.dtype == np.float16:
        raise TypeError("array type float16 is unsupported in linalg: np.linalg.qr.")
    steps = []
    for _ in range(min(np.shape(a)[-2:])):
        head, below = a[..., :1, 0], a[..., 1:, 0]
        still = np.logical_and(np.imag(head) == 0, np.all(below == 0, axis=-1, keepdims=True))
        length = np.linalg.norm(a[..., :, 0], axis=-1, keepdims=True)
        pivot = np.where(still, head, -np.copysign(length, np.real(head)))
        factor = np.where(still, 0, (pivot - head) / np.where(still, 1, pivot))
        below = below / np.where(still, 1, head - pivot)
        vector = np.concatenate([np.ones_like(head), below], axis=-1)[..., None]
        rest = a[..., :, 1:]
        along = np.matmul(adjoint(vector), rest)
        rest = rest - conj(factor)[..., None] * vector * along
        steps.append((pivot, below, rest[..., :1, :], factor))
        a = rest[..., 1:, :]
    for pivot, below, row, _ in reversed(steps):
        row = np.concatenate([pivot[..., None], row], axis=-1)
        rest = np.concatenate([below[..., None], a], axis=-1)
        a = np.concatenate([row, rest], axis=-2)
    factors = [np.zeros_like(a, shape=(*np.shape(a)[:-2], 0)), *(factor for *_, factor in steps)]
    return transposed(a), np.concatenate(factors, axis=-1)


@composite(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``orthogonalised``; mode "r" is the triangle alone, "raw" are LAPACK's reflections."""
    if mode == "raw":
        return reflections(a)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"np.linalg.qr(mode={mode!r}): give 'reduced', 'complete', 'r' or 'raw'.")
    out = orthogonalised(a, mode == "complete")
    return out[1] if mode == "r" else out


@conjugated
def pinv_back(g: Any, out: Any, a: Any, cut: Any) -> Any:
    """−pᴴ g pᴴ + (1 − a p) gᴴ p pᴴ + pᴴ p gᴴ (1 − p a).

    Source: Golub and Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least
    squares problems whose variables separate", equation 4.12.
    """
    ph, gh = adjoint(out), adjoint(g)
    right = gh - np.matmul(a, np.matmul(out, gh))  # first: of three inverses nothing is left
    left = gh - np.matmul(np.matmul(gh, out), a)
    back = np.matmul(right, np.matmul(out, ph)) + np.matmul(np.matmul(ph, out), left)
    back = back - np.matmul(np.matmul(ph, g), ph)
    return back if cut is None else kept_back(back, a, cut)


def kept_back(g: Any, a: Any, cut: Any) -> Any:
    """The gradient by ``a`` from ``g``, that by the part of it whose singular values are large.

    Large are those above ``cut`` times the largest. In terms of the singular vectors the elements
    between two large values stay, and those between two small ones go. Between a large value s and
    a small one t the change of the part is that of a, Hermitian part times s / (s − t) and
    anti-Hermitian part times s / (s + t).
    """
    u, s, vh = decomposed(a)
    large = s > akin(np.expand_dims(cut, -1), s) * largest_or_0(s, -1, True)
    kept = np.where(large, s, 0)
    rows, columns = large[..., None], large[..., None, :]
    shares = [
        np.where(
            rows == columns,
            cast(rows, s.dtype),
            pairs(kept) / np.where(rows == columns, 1, pairs(s)),
        )
        for pairs in (differences, sums)
    ]
    uh, v = adjoint(u), adjoint(vh)
    inner = np.matmul(np.matmul(uh, g), v)
    inner = (shares[0] * (inner + adjoint(inner)) + shares[1] * skew(inner)) / 2
    left = np.where(columns, np.matmul(g, v), 0)
    right = np.where(rows, np.matmul(uh, g), 0)
    left = left - np.matmul(u, np.matmul(uh, left))
    right = right - np.matmul(np.matmul(right, v), vh)
    return np.matmul(np.matmul(u, inner) + left, vh) + np.matmul(u, right)


def pinv_rule(g: Any, out: Any, a: Any, cut: Any, hermitian: bool) -> Any:
    """The rule of ``pinv``; of a Hermitian matrix the lower triangle is read."""
    if isinstance(cut, (int, float)) and cut < NOTHING_KEPT_BACK:
        cut = None
    if not hermitian:
        return pinv_back(g, out, a, cut)
    half = np.tril(a) * lower_half(a)
    return conj(of_triangle(conj(pinv_back(g, out, half + adjoint(half), cut)), True))


NOTHING_KEPT_BACK = 1e-12  # values left out below this share are roundings
defvjp(
    np.linalg.pinv,
    lambda g, out, a, rcond=None, hermitian=False, *, rtol=None: pinv_rule(
        g, out, a, rtol if rcond is None else rcond, hermitian
    ),
    lambda _g, _out, _a, _rcond=None, _hermitian=False, *, rtol=None: np.zeros_like(_rcond),
    reach=by_matrix,
)


@conjugated
def lstsq_by_a(g: Any, out: Any, a: Any, b: Any, rcond: Any) -> Any:
    """With p = pinv(a), y = pᴴ g and what is left, r = b − a x: r (p y)ᴴ + pᴴ x (g − aᴴ y)ᴴ − y xᴴ.

    The sums of squares of r move by −2 r xᴴ. Source: Golub and Pereyra 1973, as for ``pinv``.
    """
    (gx, gsquares, _, gs), (x, _, _, s) = g, out
    a = as_wide(a, x)
    total = np.zeros_like(a)
    if gs is not None:
        u, _, vh = decomposed(a)
        total = total + np.matmul(u * np.where(s > rounding(s[:1], max(np.shape(a))), gs, 0), vh)
    left = as_columns(b) - np.matmul(a, as_columns(x))
    xh = adjoint(as_columns(x))
    if np.size(gsquares) and gsquares is not None:  # there are none unless the rank is full
        total = total - np.matmul(2 * gsquares * left, xh)
    if gx is not None:
        cut = share_cut(a, rcond)
        inverse_of_a = np.linalg.pinv(a, cut)
        ph, gx = adjoint(inverse_of_a), as_columns(gx)
        y = np.matmul(ph, gx)
        back = np.matmul(left, adjoint(np.matmul(inverse_of_a, y))) - np.matmul(y, xh)
        off = gx - np.matmul(adjoint(a), y)
        back = back + np.matmul(np.matmul(ph, as_columns(x)), adjoint(off))
        total = total + (back if cut < NOTHING_KEPT_BACK else kept_back(back, a, cut))
    return total


@conjugated
def lstsq_by_b(g: Any, out: Any, a: Any, b: Any, rcond: Any) -> Any:
    """pᴴ g; the sums of squares move by 2 r."""
    (gx, gsquares, _, _), x = g, out[0]
    a = as_wide(a, x)
    total = np.zeros_like(as_columns(b))
    if np.size(gsquares) and gsquares is not None:
        total = 2 * gsquares * (as_columns(b) - np.matmul(a, as_columns(x)))
    if gx is not None:
        ph = adjoint(np.linalg.pinv(a, share_cut(a, rcond)))
        total = total + np.matmul(ph, as_columns(gx))
    return np.reshape(total, np.shape(b))


def as_columns(b: Any) -> Any:
    """A vector as a matrix of one column."""
    return b[..., None] if np.ndim(b) == 1 else b


def share_cut(a: Any, rcond: float | None) -> float:
    """The share of the largest singular value up to which ``lstsq`` leaves others out."""
    eps = float(np.finfo(np.result_type(a)).eps)
    return eps * max(np.shape(a)) if rcond is None else eps if rcond < 0 else rcond


defvjp(
    np.linalg.lstsq,
    lambda g, out, a, b, rcond=None: lstsq_by_a(g, out, a, b, rcond),
    lambda g, out, a, b, rcond=None: lstsq_by_b(g, out, a, b, rcond),
    reach=by_matrix,
)
