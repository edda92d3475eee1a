"""Polynomials as NumPy's ``poly…`` functions have them, the highest power first.

NumPy makes some results shorter if a coefficient is 0. Such a call looks at values, so it is
recorded, but not replayed.
"""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..primitives import akin, cast, of_dtype, pad_zeros
from ..primitives.samples import characteristic, full_rank, roots_of
from .inverses import transposed
from .shaping import laid
from .table import Traits, composite, defvjp


def coefficients(name: str, p: Any) -> Any:
    """The coefficients of an argument in a row or more."""
    if isinstance(p, np.poly1d):
        raise TypeError(f"np.{name} of an np.poly1d and a Tensor; give its coefficients: p.coef.")
    p = p if hasattr(p, "dtype") else np.asarray(p)
    return np.atleast_1d(p) if np.ndim(p) == 0 else p


def powers(x: Any, n: int) -> Any:
    """1, x, … x**n on a new last axis, each the one before times ``x``."""
    x = np.expand_dims(x, -1)
    factors = np.broadcast_to(x, (*np.shape(x)[:-1], n))
    return np.concatenate([np.ones_like(x), np.cumprod(factors, axis=-1)], axis=-1)


@composite(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's scheme."""
    p = p if hasattr(p, "dtype") else np.asarray(p)
    if isinstance(x, np.poly1d):
        raise TypeError("np.polyval of a Tensor at an np.poly1d; give numbers for x.")
    x = akin(x if hasattr(x, "dtype") else np.asarray(x), p)
    out = np.zeros_like(x)
    for coefficient in p:
        out = out * x + coefficient
    return out


def sum_of(name: str, a1: Any, a2: Any, sign: int) -> Any:
    """The sum or the difference, the shorter one with zeros before it."""
    a1, a2 = coefficients(name, a1), coefficients(name, a2)
    a1, a2 = akin(a1, a2), akin(a2, a1)
    n = max(len(a1), len(a2))
    one, two = (
        a if len(a) == n else np.concatenate([np.zeros_like(a, shape=n - len(a)), a])
        for a in (a1, a2)
    )
    return one + two if sign > 0 else one - two


@composite(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum."""
    return sum_of("polyadd", a1, a2, 1)


@composite(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference."""
    return sum_of("polysub", a1, a2, -1)


@composite(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of both without leading zeros."""
    factors = []
    for a in (coefficients("polymul", a1), coefficients("polymul", a2)):
        if np.ndim(a) > 1:
            raise ValueError(f"np.polymul of shape {np.shape(a)}; give coefficients in a row.")
        short = np.trim_zeros(a, "f")
        factors.append(short if len(short) else np.zeros_like(a, shape=(1,)))
    return np.convolve(factors[0], factors[1])


@composite(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder by long division."""
    u, v = coefficients("polydiv", u) + 0.0, coefficients("polydiv", v) + 0.0
    u, v = akin(u, v), akin(v, u)
    m, n = len(u) - 1, len(v) - 1
    if min(m, n) < 0 or (m >= n and max(np.ndim(u), np.ndim(v)) > 1):
        raise ValueError(
            f"np.polydiv of shapes {np.shape(u)} and {np.shape(v)}; give coefficients in rows."
        )
    np.broadcast_shapes(np.shape(u)[1:], np.shape(v)[1:])
    dtype = np.result_type(u, v)
    rest, quotients = cast(u, dtype), []
    for k in range(m - n + 1):
        quotients.append(rest[k] * (1.0 / v[0]))
        rest = rest - pad_zeros(quotients[-1] * v, [[k, m - n - k]])
    while np.shape(rest)[-1] > 1 and np.allclose(rest[0], 0, rtol=1e-14):
        rest = rest[1:]
    return np.stack(quotients) if quotients else np.zeros_like(rest, shape=(1,)), rest


@composite(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The derivative, ``m`` times."""
    p = np.asarray(p) if isinstance(p, (list, tuple)) else p
    if m < 0:
        raise ValueError(f"np.polyder(m={m}); give 0 or more, or use np.polyint.")
    for left in range(int(m), -1, -1):
        order = akin(np.arange(len(p) - 1, 0, -1), p)
        np.broadcast_shapes((len(order), *np.shape(p)[1:]), np.shape(order))
        p = p[:-1] * order if left else p
    return p


@composite(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The integral, ``m`` times, with ``k`` for constants."""
    p = np.asarray(p) if isinstance(p, (list, tuple)) else p
    k = coefficients("polyint", np.zeros_like(p, shape=max(m, 0)) if k is None else k)
    if m < 0 or (len(k) < m and len(k) != 1):
        raise ValueError(
            f"np.polyint(m={m}) with constants of shape {np.shape(k)}; give m of them."
        )
    for i in range(int(m)):
        constant = k[:1] if len(k) == 1 else k[i : i + 1]
        p = np.concatenate([p / akin(np.arange(len(p), 0, -1), p), constant])
    return p


@composite(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of each element in a row."""
    if np.ndim(x) != 1:
        raise ValueError(f"np.vander of shape {np.shape(x)}; give a row.")
    n = len(x) if N is None else N
    x = cast(x, np.promote_types(x.dtype, int))
    table = powers(x, n - 1) if n > 0 else np.zeros_like(x, shape=(len(x), n))
    return table if increasing else laid(table[:, ::-1])


@composite(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """The smallest box around all that is not 0."""
    ndim, trim = np.ndim(filt), trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(
            f"np.trim_zeros(trim={trim!r}); give 'f' for front, 'b' for back, or both."
        )
    axes = range(ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    places = np.argwhere(filt)
    box = [slice(None)] * ndim
    for a in axes:
        if not len(places):
            box[a] = slice(0)
        else:
            start, stop = np.min(places[:, a]), np.max(places[:, a])
            box[a] = slice(
                int(start) if "f" in trim else None, int(stop) + 1 if "b" in trim else None
            )
    return filt[tuple(box)]


def roots_back(g: Any, out: Any, p: Any) -> Any:
    """p(r) = 0 in motion: dr = - Σ dpₖ r**(n-k) / p'(r), of multiple roots 0."""
    n = np.shape(p)[0] - 1
    table = powers(out, n)[:, ::-1]
    order = akin(np.arange(n, 0, -1).astype(p.dtype), p)
    slope = np.matmul(table[:, 1:], p[:-1] * order)
    moved = np.where(slope == 0, 0, -g / np.where(slope == 0, 1, slope))
    return np.matmul(moved, table)


defvjp(roots_of, lambda g, out, p: roots_back(g, out, p))


@composite(np.roots)
def roots(p: Any) -> Any:
    """The roots, each for itself."""
    p = coefficients("roots", p)
    if np.ndim(p) != 1:
        raise ValueError(f"np.roots of shape {np.shape(p)}; give coefficients in a row.")
    return roots_of(p)


def characteristic_back(g: Any, out: Any, a: Any) -> Any:
    """d det(λ - a) = - tr(adj(λ - a) da), where adj(λ - a) = Σ λ**(n-1-k) Mₖ.

    Faddeev & LeVerrier: M₀ = 1 and Mₖ = a Mₖ₋₁ + cₖ. Equal eigenvalues are no matter.
    """
    one = akin(np.eye(np.shape(a)[0], dtype=a.dtype), a)
    matrix, total = one, -g[1] * one
    for k in range(2, np.shape(a)[0] + 1):
        matrix = np.matmul(a, matrix) + out[k - 1] * one
        total = total - g[k] * matrix
    return transposed(total)


defvjp(characteristic, lambda g, out, a: characteristic_back(g, out, a))


@composite(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with these roots, or that whose roots are a matrix' eigenvalues."""
    zeros = coefficients("poly", seq_of_zeros)
    if np.ndim(zeros) == 2 and np.shape(zeros)[0] == np.shape(zeros)[1] != 0:
        return characteristic(zeros)
    if np.ndim(zeros) != 1:
        raise ValueError(f"np.poly of shape {np.shape(zeros)}; give a row, or a square matrix.")
    zeros = cast(zeros, np.mintypecode(zeros.dtype.char))
    out = np.ones_like(zeros, shape=(1,))
    for zero in zeros:
        out = pad_zeros(out, [[0, 1]]) - zero * pad_zeros(out, [[1, 0]])
    if np.iscomplexobj(zeros) and np.all(np.sort(zeros) == np.sort(np.conjugate(zeros))):
        return np.real(out) + 0.0  # pairs: NumPy gives memory of its own
    return out


defvjp(full_rank, lambda g, _out, _x, _rank, _columns: g, traits=Traits(checks=True))


def least_squares(a: Any, b: Any, rcond: float) -> Any:
    """The x for which |a x - b| is least; warns where several are."""
    x, _, rank, _ = np.linalg.lstsq(a, b, rcond)
    return full_rank(x, rank, np.shape(a)[1])


@composite(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, *, w: Any = None, cov: Any = False
) -> Any:
    """Least squares with the powers of ``x`` as columns, scaled to length 1."""
    x, y = (v if hasattr(v, "dtype") else np.asarray(v) for v in (x, y))
    x, y, order = x + 0.0, y + 0.0, int(deg) + 1
    if deg < 0:
        raise ValueError(f"np.polyfit(deg={deg}); give 0 or more.")
    fits = np.ndim(x) == 1 and len(x) and np.ndim(y) in (1, 2) and len(x) == len(y)
    if not fits or (w is not None and np.shape(w) != np.shape(x)):
        raise TypeError(
            f"np.polyfit of x of shape {np.shape(x)}, y of {np.shape(y)}, w of {np.shape(w)}; give "
            "x and w of shape (n,), y of shape (n,) or (n, k)."
        )
    rcond = len(x) * float(np.finfo(x.dtype).eps) if rcond is None else rcond
    left, right = vander(x, order), y
    if w is not None:
        column = np.expand_dims(w if hasattr(w, "dtype") else np.asarray(w), 1) + 0.0
        right = right * (column if np.ndim(y) == 2 else column[:, 0])
        left, right = left * column, of_dtype(right, y.dtype)
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    found = least_squares(left, right, rcond)
    fit = transposed(transposed(found) / scale) if np.ndim(y) == 2 else found / scale
    if not cov:
        return fit
    spread = np.linalg.inv(np.matmul(transposed(left), left)) / np.outer(scale, scale)
    factor: Any = 1
    if cov != "unscaled":
        if len(x) <= order:
            raise ValueError(f"np.polyfit(cov=True) of {len(x)} points; give more than {order}.")
        rest = right - np.matmul(left, found)
        factor = np.sum(np.real(rest * np.conjugate(rest)), axis=0) / (len(x) - order)
    return fit, (spread if np.ndim(y) == 1 else np.expand_dims(spread, 2)) * factor
