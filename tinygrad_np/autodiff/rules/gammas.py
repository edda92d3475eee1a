"""Γ and its relatives in ``scipy.special`` (DLMF 5).

Where Γ has a pole 1/Γ is 0, and its slope is not: what is made of both has its slope there, too.
"""

import math
from typing import Any

import numpy as np
from scipy import special as sp
from scipy.special import _ufuncs as hidden

from ...errors import TapeError
from ..primitives import primitive
from .steady import away_from_ends, beta, elementwise, gamma, poch, psi

# B_2k / 2k, which count 1 / x**2k in log(x) - 1/2x - ψ(x), highest first; to 1e-16 for x > 10
BERNOULLI = [-3617 / 8160, 1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12]


def trigamma(x: Any) -> Any:
    """The slope of ψ, which SciPy has of real numbers only."""
    if np.iscomplexobj(x):
        raise TapeError(
            "special.psi (digamma) of complex numbers has no derivative here, and so loggamma, "
            "gamma and rgamma of them have no second one; give real numbers."
        )
    return hidden._zeta(2, x)


def rgamma_slope(out: Any, x: Any) -> Any:
    """-ψ(x) / Γ(x); left of 1/2 mirrored, where both have poles."""
    if np.iscomplexobj(x):  # of them ψ has no slope here
        pole = np.logical_and(np.equal(out, 0), np.real(x) < 0.5)
        turned = np.cos(np.where(pole, x, 0) * math.pi)
        return np.where(pole, gamma(np.where(pole, 1 - x, 1)) * turned, -psi(x) * out)
    left = x < 0.5
    mirrored = np.where(left, 1 - x, 1)
    turned = np.where(left, x, 0) * math.pi
    tilt = np.cos(turned) - np.sin(turned) * psi(mirrored) / math.pi
    return np.where(left, gamma(mirrored) * tilt, -psi(np.where(left, 1, x)) * out)


def is_pole(x: Any) -> Any:
    """Where Γ has a pole."""
    return np.logical_and(x <= 0, np.equal(x, np.floor(x)))


def psi_step(x: Any, y: Any, m: Any) -> Any:
    """ψ(y) - ψ(x) for y = x + m; where it cancels by the series of both (DLMF 5.11.2)."""
    usual = psi(y) - psi(x)
    far = np.logical_and(np.minimum(x, y) > 10, np.abs(m) * 2 < x)
    if isinstance(far, np.ndarray) and not far.any():
        return usual
    x, y, m = np.where(far, x, 20), np.where(far, y, 20), np.where(far, m, 0)
    square, other, step = 1 / x / x, 1 / y / y, m / x / y
    value: Any = 0
    slope: Any = 0  # between both squares
    for coefficient in (*BERNOULLI, 0):
        slope = slope * other + value
        value = value * square + coefficient
    apart = np.log1p(m / x) + step * (0.5 + (1 / x + 1 / y) * slope)
    return np.where(far, apart, usual)


@away_from_ends(lambda a, b: -psi_step(a, a + b, b))
def psi_gap(a: Any, b: Any) -> Any:
    """ψ(a) - ψ(a + b): mirrored where both have poles, and 0 at infinity."""
    total = a + b
    mirrored, far = np.logical_and(is_pole(a), is_pole(total)), np.isposinf(a)
    a = np.where(far, 1, np.where(mirrored, 1 - a, a))
    total = np.where(far, 1, np.where(mirrored, 1 - total, total))
    return -psi_step(a, total, np.where(far, 0, np.where(mirrored, -b, b)))


def turns(x: Any) -> tuple[Any, Any]:
    """sin πx and cos πx, exact at integers."""
    angle = (x - 2 * np.rint(x / 2)) * math.pi
    return np.sin(angle), np.cos(angle)


def crossing(size: Any, gap: Any, x: Any) -> Any:
    """The slope by x of B sin(πx) / π, where ``size`` is B and ``gap`` the slope of its log.

    With Γ(x) Γ(1-x) = π / sin(πx) it is what has 1/Γ(x) for a factor, near a pole of Γ: no factor
    of B overflows where B does not.
    """
    sine, cosine = turns(x)
    return size * (cosine + gap * sine / math.pi)


@away_from_ends(lambda out, a, b: out * -psi_step(a, a + b, b))
def beta_slope(out: Any, a: Any, b: Any) -> Any:
    """The slope of ``beta`` by a: where it is 0 that of 1/Γ(a + b), and 0 at infinity."""
    none = np.logical_and(np.equal(out, 0), is_pole(a + b))
    left, right = np.where(none, a, 0.5), np.where(none, b, 0.5)
    gap = psi_gap(np.where(none, 1, a), np.where(none, 1, b))
    gap = np.where(np.logical_and(np.equal(out, 0), np.isinf(gap)), 0, gap)
    rest = 1 - left - right  # B(a, b) = B(b, rest) sin(π(a+b)) / sin(πa), and so with a, b changed
    first = left < right
    size = beta(np.where(first, right, left), rest) / turns(np.where(first, left, right))[0]
    crossed = crossing(size * math.pi, psi(left) - psi(rest), left + right)
    return np.where(none, crossed, out * gap)


@away_from_ends(lambda out, z, m: out * psi_step(z, z + m, m))
def poch_by_z(out: Any, z: Any, m: Any) -> Any:
    """The slope of ``poch`` = Γ(z+m) / Γ(z) by z: at poles of both mirrored."""
    total = z + m
    none = np.logical_and(is_pole(z), np.logical_not(is_pole(total)))
    left, by = np.where(none, z, 0), np.where(none, m, 1)  # of these it is Γ(1)
    both = np.logical_and(is_pole(z), is_pole(total))
    z = np.where(none, 1, np.where(both, 1 - z, z))
    total = np.where(none, 1, np.where(both, 1 - total, total))
    usual = out * psi_step(z, total, np.where(both, -m, m))
    return np.where(none, poch_crossing(left, by), usual)


def poch_crossing(z: Any, m: Any) -> Any:
    """The slope of ``poch`` by z at a pole of Γ(z) that is none of Γ(z+m)."""
    total = z + m
    low = total < 0.5  # there both are mirrored: poch(1-z-m, m) sin(πz) / sin(π(z+m))
    sine = turns(np.where(low, total, 0.5))[0]
    size = poch(np.where(low, 1 - total, 1), np.where(low, m, 1)) * (math.pi / sine)
    size = np.where(low, size, gamma(np.where(low, 1, total)) * gamma(np.where(low, 1, 1 - z)))
    return crossing(size, psi(total) - psi(1 - z), z)


def binom_poles(out: Any, n: Any, k: Any) -> tuple[Any, ...]:
    """Where ``binom`` is 0 as 1/Γ(k+1) is, and where as 1/Γ(n-k+1) is; then four operands.

    At these places n, and j, of which that pole of Γ is 1-j; elsewhere n and k.
    """
    none = np.logical_and(np.equal(out, 0), np.logical_not(is_pole(n + 1)))
    first, second = (np.logical_and(none, is_pole(x + 1)) for x in (k, n - k))
    none = np.logical_or(first, second)
    m, j = np.where(none, n, 0), np.where(first, -k, np.where(second, k - n, 1))
    return first, second, m, j, np.where(none, 1, n), np.where(none, 1, k)


@away_from_ends(lambda out, n, k: out * psi_step(n - k + 1, n + 1, k))
def binom_by_n(out: Any, n: Any, k: Any) -> Any:
    """The slope of ``binom`` = Γ(n+1) / Γ(k+1) / Γ(n-k+1) by n."""
    first, second, m, j, n, k = binom_poles(out, n, k)
    size, sine = beta(j, m + 1), turns(j)[0]
    at_first = size * (psi(m + 1) - psi(m + 1 + j)) * sine / math.pi
    at_second = crossing(size, psi(m + 1) - psi(j), 1 - j)
    usual = out * psi_step(n - k + 1, n + 1, k)
    return np.where(first, at_first, np.where(second, at_second, usual))


@away_from_ends(lambda out, n, k: out * psi_step(k + 1, n - k + 1, n - 2 * k))
def binom_by_k(out: Any, n: Any, k: Any) -> Any:
    """The slope of ``binom`` by k."""
    first, second, m, j, n, k = binom_poles(out, n, k)
    tilt = psi(j + m + 1) - psi(j)
    crossed = crossing(beta(j, m + 1), tilt, 1 - j)
    usual = out * psi_step(k + 1, n - k + 1, n - 2 * k)
    return np.where(first, crossed, np.where(second, -crossed, usual))


elementwise(sp.gamma, lambda g, out, x: g * (out * psi(x)))
elementwise(sp.gammaln, lambda g, _out, x: g * psi(x))
elementwise(sp.loggamma, lambda g, _out, x: g * psi(x))
elementwise(sp.rgamma, lambda g, out, x: g * rgamma_slope(out, x))
elementwise(sp.gammasgn, lambda g, _out, _x: np.zeros_like(g))
elementwise(sp.psi, lambda g, _out, x: g * trigamma(x))
elementwise(hidden._zeta, None, lambda g, _out, s, q: g * (-s * hidden._zeta(s + 1, q)))
elementwise(sp.poch, lambda g, out, z, m: g * poch_by_z(out, z, m),
            lambda g, out, z, m: g * (out * psi(z + m)))  # fmt: skip
elementwise(sp.beta, lambda g, out, a, b: g * beta_slope(out, a, b),
            lambda g, out, a, b: g * beta_slope(out, b, a))  # fmt: skip
elementwise(sp.betaln, lambda g, _out, a, b: g * psi_gap(a, b),
            lambda g, _out, a, b: g * psi_gap(b, a))  # fmt: skip
elementwise(sp.binom, lambda g, out, n, k: g * binom_by_n(out, n, k),
            lambda g, out, n, k: g * binom_by_k(out, n, k))  # fmt: skip


@primitive
def multigammaln(a: Any, d: Any) -> Any:
    """The log of the multivariate gamma function of dimension ``d``, as SciPy's.

    >>> from tinygrad_np import special
    >>> float(special.multigammaln(3.0, 2).round(4))
    1.5502
    """
    return sp.multigammaln(a, d)


def multigamma_slope(a: Any, d: Any) -> Any:
    """Σ ψ(a - j/2)."""
    return sum(psi(a - j / 2) for j in range(int(d)))


elementwise(multigammaln, lambda g, _out, a, d: g * multigamma_slope(a, d), None)
