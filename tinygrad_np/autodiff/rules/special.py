"""The ufuncs of ``scipy.special``: imported with the first use of one, so never without SciPy.

The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF). Where the
derivative by an operand has no closed form (orders, most shape parameters) there is no rule, and
backward raises an error. ``REFUSED`` names the ufuncs without any rule, with the reason.
"""

import math
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import special as sp
from scipy.special import _ufuncs as hidden  # what its Python functions lead to

from ...errors import TapeError
from ..primitives import cast, is_foreign, primitive
from .elementwise import LOG10, power_base, power_exponent
from .table import constant, defvjp, elementwise

ROOT_PI = math.sqrt(math.pi)
ROOT_TWO_PI = math.sqrt(2 * math.pi)
DEGREE = math.pi / 180
# of (exp(x) (x - 1) + 1) / x**2, the slope of exprel, highest first; exact to 1e-16 for |x| < 1
EXPREL_SLOPE = [1 / (math.factorial(k) * (k + 2)) for k in range(17, -1, -1)]
# of log(1 + u) / u, highest first; exact to 1e-16 for |u| < 0.02
LOG_RATIO = [(-1) ** k / (k + 1) for k in range(9, -1, -1)]
# how much 1/x**2, 1/x**4, … count in x**2 times the slope of dawsn, and with signs of erfcx
DECAY = [math.prod(range(1, 2 * k + 2, 2)) / 2**k for k in range(7, -1, -1)]


def steady(fn: np.ufunc) -> Any:
    """``fn`` in the dtype of the arrays it is given, in float32 of float16.

    Of some ufuncs SciPy lists the loop for float64 first, which numbers beside arrays then lead to.
    """

    def call(*operands: Any) -> Any:
        out = fn(*operands)
        dtypes = [v.dtype for v in operands if hasattr(v, "dtype")]
        if not dtypes:
            return out.item()  # a Python number, which has no dtype
        wanted = np.result_type(np.float32, *dtypes)
        return out if out.dtype == wanted else cast(out, wanted)

    return call


betaln, erf, gamma, gammaln, hyp2f1, i0, j0, k0 = map(
    steady, (sp.betaln, sp.erf, sp.gamma, sp.gammaln, sp.hyp2f1, sp.i0, sp.j0, sp.k0)
)
modstruve, psi, rgamma, struve, xlog1py, xlogy, y0 = map(
    steady, (sp.modstruve, sp.psi, sp.rgamma, sp.struve, sp.xlog1py, sp.xlogy, sp.y0)
)


def polynomial(coefficients: list[float], x: Any) -> Any:
    """Horner's scheme, the highest power first."""
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def exprel_slope(x: Any) -> Any:
    """(exp(x) (x - 1) + 1) / x², near 0 by its series."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    far = np.isinf(x)
    outside = np.where(far, 1, outside)
    closed = (np.exp(outside) * (outside - 1) + 1) / outside / outside
    closed = np.where(far, np.exp(np.where(far, x, 0)), closed)
    return np.where(near, polynomial(EXPREL_SLOPE, inside), closed)


def decaying(x: Any, sign: int) -> Any:
    """Σ (2k+1)!! / (±2 x²)^k / x², which the slopes of dawsn (+) and erfcx (-) are far from 0."""
    inverse = 1 / x / x
    return polynomial(DECAY, sign * inverse) * inverse


@primitive
def gauss(x: Any) -> Any:
    """exp(-x²)."""
    return np.exp(-x * x)


elementwise(gauss, lambda g, out, x: g * (out * (-2 * where_moves(out, x))))


def where_moves(out: Any, x: Any) -> Any:
    """x, but 0 where ``out`` has come to 0: what is multiplied by it counts no more."""
    return np.where(out == 0, 0, x)


def erfcx_slope(out: Any, x: Any) -> Any:
    """2 x erfcx(x) - 2/√π, which cancels for large x."""
    if np.iscomplexobj(x):
        return 2 * x * out - 2 / ROOT_PI
    far = x > 30
    apart = -decaying(np.where(far, x, 1), -1) / ROOT_PI
    return np.where(far, apart, np.where(far, 0, 2 * x) * np.where(far, 0, out) - 2 / ROOT_PI)


def dawsn_slope(out: Any, x: Any) -> Any:
    """1 - 2 x dawsn(x), which cancels for large x."""
    if np.iscomplexobj(x):
        return 1 - 2 * x * out
    far = np.abs(x) > 30
    apart = -decaying(np.where(far, x, 1), 1) / 2
    return np.where(far, apart, 1 - np.where(far, 0, 2 * x) * out)


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
    if np.iscomplexobj(x):
        return -psi(x) * out
    left = x < 0.5
    mirrored = np.where(left, 1 - x, 1)
    turned = np.where(left, x, 0) * math.pi
    tilt = np.cos(turned) - np.sin(turned) * psi(mirrored) / math.pi
    return np.where(left, gamma(mirrored) * tilt, -psi(np.where(left, 1, x)) * out)


def is_pole(x: Any) -> Any:
    """Where Γ has a pole."""
    return np.logical_and(x <= 0, np.equal(x, np.floor(x)))


def arrays(a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands, a Python number as an array like the other: chosen from it has no dtype."""
    if not hasattr(a, "dtype"):
        return np.full_like(b, a), b
    return a, b if hasattr(b, "dtype") else np.full_like(a, b)


def psi_gap(a: Any, b: Any) -> Any:
    """ψ(a) - ψ(a + b): mirrored where both have poles, and 0 at infinity."""
    a, b = arrays(a, b)
    total = a + b
    mirrored, far = np.logical_and(is_pole(a), is_pole(total)), np.isposinf(a)
    a = np.where(far, 1, np.where(mirrored, 1 - a, a))
    total = np.where(far, 1, np.where(mirrored, 1 - total, total))
    return psi(a) - psi(total)


def beta_slope(out: Any, a: Any, b: Any) -> Any:
    """The slope of ``beta`` by a: where it is 0 that of 1/Γ(a + b), and 0 at infinity."""
    a, b = arrays(a, b)
    none = np.logical_and(np.equal(out, 0), is_pole(a + b))
    left, right = np.where(none, a, 1), np.where(none, b, 1)
    gap = psi_gap(np.where(none, 1, a), np.where(none, 1, b))
    gap = np.where(np.logical_and(np.equal(out, 0), np.isinf(gap)), 0, gap)
    crossing = gamma(left) * gamma(right) * crossing_slope(left, left + right)
    return np.where(none, crossing, out * gap)


def crossing_slope(x: Any, y: Any) -> Any:
    """The slope of Γ(x) / Γ(y), of which both move, over Γ(x)."""
    out = rgamma(y)
    return psi(x) * out + rgamma_slope(out, y)


def binom_poles(out: Any, n: Any, k: Any) -> tuple[Any, Any, Any]:
    """Where ``binom`` is 0 as one of 1/Γ is, and n and k there; 1, 1 elsewhere."""
    none = np.logical_and(np.equal(out, 0), np.logical_or(is_pole(n - k + 1), is_pole(k + 1)))
    none = np.logical_and(none, np.logical_not(is_pole(n + 1)))
    return none, np.where(none, n, 1), np.where(none, k, 1)


def binom_by_n(out: Any, n: Any, k: Any) -> Any:
    """The slope of ``binom`` = Γ(n+1) / Γ(k+1) / Γ(n-k+1) by n."""
    n, k = arrays(n, k)
    none, m, j = binom_poles(out, n, k)
    n, k = np.where(none, 1, n), np.where(none, 1, k)
    crossing = gamma(m + 1) * rgamma(j + 1) * crossing_slope(m + 1, m - j + 1)
    return np.where(none, crossing, out * (psi(n + 1) - psi(n - k + 1)))


def binom_by_k(out: Any, n: Any, k: Any) -> Any:
    """The slope of ``binom`` by k."""
    n, k = arrays(n, k)
    none, m, j = binom_poles(out, n, k)
    n, k = np.where(none, 1, n), np.where(none, 1, k)
    first, second = rgamma(j + 1), rgamma(m - j + 1)
    tilt = rgamma_slope(first, j + 1) * second - first * rgamma_slope(second, m - j + 1)
    crossing = gamma(m + 1) * tilt
    return np.where(none, crossing, out * (psi(n - k + 1) - psi(k + 1)))


def elliptic_slope(b: float, m: Any) -> Any:
    """₂F₁(½, b; 2; m), which is 0 at -∞: the slopes of ellipk (b = ½) and ellipe."""
    far = np.isneginf(m)
    return np.where(far, 0, hyp2f1(0.5, b, 2.0, np.where(far, 0, m)))


def beside(x: Any, y: Any, pole: int = 0) -> Any:
    """y, but inside of its domain, beyond ``pole``, where x is 0: there x rules."""
    y = y if hasattr(y, "dtype") else np.full_like(x, y)
    outside = np.equal(y, pole) if np.iscomplexobj(y) else y <= pole
    return np.where(np.logical_and(x == 0, outside), pole + 1, y)


def quotient(x: Any, y: Any) -> Any:
    """x / y, which is 0 at x = y = 0."""
    return x / beside(x, y)


def log_quotient(x: Any, y: Any) -> Any:
    """log(x / y), which is 0 at x = y = 0."""
    return np.log(np.where(np.logical_and(x == 0, y == 0), 1, quotient(x, y)))


def boxcox_slope(log_x: Any, power: Any) -> Any:
    """The slope of ``boxcox`` by its power, of log(x): log(x)² exprel'(power log(x))."""
    # x is 0 or infinite where it is -1 / power
    end = np.logical_and(np.isinf(log_x), np.where(log_x > 0, power < 0, power > 0))
    inside = np.where(end, 0, log_x)
    unclear = np.logical_and(np.isinf(inside), np.equal(power, 0))  # 0 times infinity
    exponent = np.where(unclear, 0, power * np.where(unclear, 0, inside))
    tilt = np.exp(np.where(unclear, power * np.sign(inside) * 1e30, 0))
    return np.where(end, 1 / np.square(np.where(end, power, 1)),
                    np.square(inside) * exprel_slope(exponent) * tilt)  # fmt: skip


def at_origin(delta: Any, r: Any) -> Any:
    """hypot(δ, r), and 1 at the origin: what a division can do with."""
    size = np.hypot(delta, r)
    return np.where(size == 0, 1, size)


def pseudo_huber_by_delta(delta: Any, r: Any) -> Any:
    """(h - δ)² / h where h = hypot(δ, r), written so that nothing cancels."""
    size = at_origin(delta, r)
    return np.square(r * (r / (size + delta))) / size


def spence_slope(x: Any) -> Any:
    """-log(x) / (x - 1), near 1 by its series."""
    near = np.abs(x - 1) < 0.02
    inside, outside = np.where(near, x - 1, 0), np.where(near, 2, x)
    return -np.where(near, polynomial(LOG_RATIO, inside), np.log(outside) / (outside - 1))


def cut(n: Any) -> Any:
    """An order without its fraction, as SciPy takes it where orders are integers."""
    if hasattr(n, "dtype"):
        return n if n.dtype.kind in "iu" else np.trunc(n)
    return math.trunc(n)


def expn_slope(n: Any, x: Any) -> Any:
    """-E_{n-1}(x), and that of E_0(x) = exp(-x) / x."""
    n = cut(n)
    end = np.exp(-x) * (1 + 1 / x) / x
    if isinstance(n, int):  # and so of no dtype
        return -sp.expn(n - 1, x) if n else -end
    return -np.where(n == 0, end, sp.expn(np.where(n == 0, 1, n - 1), x))


def lower(fn: Any, n: Any, *operands: Any) -> Any:
    """``fn`` of one degree less, 0 below degree 0."""
    if isinstance(n, int):  # and so of no dtype
        return fn(n - 1, *operands) if n else np.zeros_like(operands[-1])
    none = n == 0
    return np.where(none, 0, fn(np.where(none, 0, n - 1), *operands))


def wobble(fn: Any, v: Any, x: Any, sign: int) -> Any:
    """(f(v-1, x) ± f(v+1, x)) / 2, the slope of Bessel functions (DLMF 10.6.1, 10.29.1)."""
    return (fn(v - 1, x) + sign * fn(v + 1, x)) / 2


def first_order(zeroth: Any, out: Any, x: Any, second: Any) -> Any:
    """The slope of J_1 or I_1: J_0 - J_1 / x, or near 0 from J_0 and ``second``(2, x)."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    return np.where(near, (zeroth + second(2, inside)) / 2, zeroth - out / outside)


def along_real(g: Any, out: Any, x: Any) -> Any:
    """What a factor exp(-|Re x|) adds to the cotangent."""
    return np.real(g * out) * -np.sign(np.real(x))


def along_imaginary(g: Any, out: Any, x: Any) -> Any:
    """What a factor exp(-|Im x|) adds to the cotangent."""
    if not np.iscomplexobj(x):
        return np.zeros_like(g)
    return np.real(g * out) * np.sign(np.imag(x)) * 1j


def struve_term(v: Any, x: Any) -> Any:
    """(x/2)**v / (√π Γ(v + 3/2)), of DLMF 11.4.25 and 11.4.29."""
    return np.power(x / 2, v) * rgamma(v + 1.5) / ROOT_PI


def legendre_slope(m: Any, v: Any, out: Any, x: Any) -> Any:
    """DLMF 14.10.5."""
    return (v * x * out - (v + m) * sp.lpmv(m, v - 1, x)) / ((x - 1) * (x + 1))


def faddeeva_slope(z: Any) -> Any:
    """The slope of ``wofz``: -2 z w(z) + 2i/√π."""
    return -2 * z * sp.wofz(z) + 2j / ROOT_PI


# Γ and its relatives (DLMF 5)
elementwise(sp.gamma, lambda g, out, x: g * (out * psi(x)))
elementwise(sp.gammaln, lambda g, _out, x: g * psi(x))
elementwise(sp.loggamma, lambda g, _out, x: g * psi(x))
elementwise(sp.rgamma, lambda g, out, x: g * rgamma_slope(out, x))
elementwise(sp.gammasgn, lambda g, _out, _x: np.zeros_like(g))
elementwise(sp.psi, lambda g, _out, x: g * trigamma(x))
elementwise(hidden._zeta, None, lambda g, _out, s, q: g * (-s * hidden._zeta(s + 1, q)))
elementwise(sp.poch, lambda g, out, z, m: g * (out * (psi(z + m) - psi(z))),
            lambda g, out, z, m: g * (out * psi(z + m)))  # fmt: skip
elementwise(sp.beta, lambda g, out, a, b: g * beta_slope(out, a, b),
            lambda g, out, a, b: g * beta_slope(out, b, a))  # fmt: skip
elementwise(sp.betaln, lambda g, _out, a, b: g * psi_gap(a, b),
            lambda g, _out, a, b: g * psi_gap(b, a))  # fmt: skip
elementwise(sp.binom, lambda g, out, n, k: g * binom_by_n(out, n, k),
            lambda g, out, n, k: g * binom_by_k(out, n, k))  # fmt: skip

# the error function and its relatives (DLMF 7)
elementwise(sp.erf, lambda g, _out, x: g * (gauss(x) * (2 / ROOT_PI)))
elementwise(sp.erfc, lambda g, _out, x: g * (gauss(x) * (-2 / ROOT_PI)))
elementwise(sp.erfi, lambda g, _out, x: g * (np.exp(x * x) * (2 / ROOT_PI)))
elementwise(sp.erfcx, lambda g, out, x: g * erfcx_slope(out, x))
elementwise(sp.dawsn, lambda g, out, x: g * dawsn_slope(out, x))
elementwise(sp.wofz, lambda g, _out, x: g * faddeeva_slope(x))
elementwise(sp.erfinv, lambda g, out, _x: g * (np.exp(out * out) * (ROOT_PI / 2)))
elementwise(sp.erfcinv, lambda g, out, _x: g * (np.exp(out * out) * (-ROOT_PI / 2)))
# logistic functions, entropies, losses
elementwise(sp.expit, lambda g, out, x: g * (out * sp.expit(-x)))
elementwise(sp.log_expit, lambda g, _out, x: g * sp.expit(-x))
elementwise(sp.logit, lambda g, _out, x: g / (x * (1 - x)))
elementwise(sp.xlogy, lambda g, _out, x, y: g * np.log(beside(x, y)),
            lambda g, _out, x, y: g * quotient(x, y))  # fmt: skip
elementwise(sp.xlog1py, lambda g, _out, x, y: g * np.log1p(beside(x, y, -1)),
            lambda g, _out, x, y: g * (x / (1 + beside(x, y, -1))))  # fmt: skip
elementwise(sp.entr, lambda g, _out, x: g * (-1 - np.log(x)))
elementwise(sp.rel_entr, lambda g, _out, x, y: g * (1 + log_quotient(x, y)),
            lambda g, _out, x, y: -g * quotient(x, y))  # fmt: skip
elementwise(sp.kl_div, lambda g, _out, x, y: g * log_quotient(x, y),
            lambda g, _out, x, y: g * (1 - quotient(x, y)))  # fmt: skip
elementwise(sp.huber, lambda g, _out, delta, r: g * np.maximum(np.abs(r) - delta, 0),
            lambda g, _out, delta, r: g * np.clip(r, -delta, delta))  # fmt: skip
elementwise(sp.pseudo_huber, lambda g, _out, delta, r: g * pseudo_huber_by_delta(delta, r),
            lambda g, _out, delta, r: g * (r * (delta / at_origin(delta, r))))  # fmt: skip
elementwise(sp.boxcox, lambda g, _out, x, power: g * np.power(x, power - 1),
            lambda g, _out, x, power: g * boxcox_slope(np.log(x), power))  # fmt: skip
elementwise(sp.boxcox1p, lambda g, _out, x, power: g * np.power(1 + x, power - 1),
            lambda g, _out, x, power: g * boxcox_slope(np.log1p(x), power))  # fmt: skip
elementwise(
    sp.inv_boxcox,
    lambda g, out, _y, power: g * np.power(out, 1 - power),
    lambda g, out, _y, power: -g * np.power(out, 1 - power) * boxcox_slope(np.log(out), power),
)
elementwise(
    sp.inv_boxcox1p,
    lambda g, out, _y, power: g * np.power(1 + out, 1 - power),
    lambda g, out, _y, power: (
        -g * np.power(1 + out, 1 - power) * boxcox_slope(np.log1p(out), power)
    ),
)

# what NumPy has too, and angles in degrees
elementwise(sp.exp2, lambda g, out, _x: g * (out * math.log(2)))
elementwise(sp.exp10, lambda g, out, _x: g * (out * LOG10))
elementwise(sp.expm1, lambda g, out, _x: g * (out + 1))
elementwise(sp.log1p, lambda g, _out, x: g / (x + 1))
elementwise(sp.cbrt, lambda g, out, _x: np.where(out == 0, 0, g / np.where(
    out == 0, 1, 3 * out * out)))  # fmt: skip
elementwise(sp.round, lambda g, _out, _x: np.zeros_like(g))
elementwise(sp.cosm1, lambda g, _out, x: -g * np.sin(x))
elementwise(sp.exprel, lambda g, _out, x: g * exprel_slope(x))
elementwise(sp.powm1, lambda g, _out, x, y: power_base(g, x, y),
            lambda g, out, x, _y: power_exponent(g, out + 1, x))  # fmt: skip
elementwise(sp.sindg, lambda g, _out, x: g * (sp.cosdg(x) * DEGREE))
elementwise(sp.cosdg, lambda g, _out, x: g * (sp.sindg(x) * -DEGREE))
elementwise(sp.tandg, lambda g, out, _x: g * ((1 + out * out) * DEGREE))
elementwise(sp.cotdg, lambda g, out, _x: g * ((1 + out * out) * -DEGREE))

# Bessel functions (DLMF 10) and their relatives: by the order there is no closed form
elementwise(sp.j0, lambda g, _out, x: g * -sp.j1(x))
elementwise(sp.j1, lambda g, out, x: g * first_order(
    j0(x), out, x, lambda v, z: -sp.jv(v, z)))  # fmt: skip
elementwise(sp.y0, lambda g, _out, x: g * -sp.y1(x))
elementwise(sp.y1, lambda g, out, x: g * (y0(x) - out / x))
elementwise(sp.i0, lambda g, _out, x: g * sp.i1(x))
elementwise(sp.i1, lambda g, out, x: g * first_order(i0(x), out, x, sp.iv))
elementwise(sp.i0e, lambda g, out, x: g * (sp.i1e(x) - np.sign(x) * out))
elementwise(sp.i1e, lambda g, out, x: g * (
    first_order(sp.i0e(x), out, x, sp.ive) - np.sign(x) * out))  # fmt: skip
elementwise(sp.k0, lambda g, _out, x: g * -sp.k1(x))
elementwise(sp.k1, lambda g, out, x: -g * (k0(x) + out / x))
elementwise(sp.k0e, lambda g, out, x: g * (out - sp.k1e(x)))
elementwise(sp.k1e, lambda g, out, x: g * (out - sp.k0e(x) - out / x))
elementwise(sp.jv, None, lambda g, _out, v, x: g * wobble(sp.jv, v, x, -1))
elementwise(sp.yv, None, lambda g, _out, v, x: g * wobble(sp.yv, v, x, -1))
elementwise(sp.yn, None, lambda g, _out, v, x: g * wobble(sp.yv, cut(v), x, -1))
elementwise(sp.iv, None, lambda g, _out, v, x: g * wobble(sp.iv, v, x, 1))
elementwise(sp.kv, None, lambda g, _out, v, x: g * -wobble(sp.kv, v, x, 1))
elementwise(sp.kn, None, lambda g, _out, v, x: g * -wobble(sp.kv, cut(v), x, 1))
elementwise(sp.hankel1, None, lambda g, _out, v, x: g * wobble(sp.hankel1, v, x, -1))
elementwise(sp.hankel2, None, lambda g, _out, v, x: g * wobble(sp.hankel2, v, x, -1))
elementwise(sp.hankel1e, None, lambda g, out, v, x: g * (
    wobble(sp.hankel1e, v, x, -1) - 1j * out))  # fmt: skip
elementwise(sp.hankel2e, None, lambda g, out, v, x: g * (
    wobble(sp.hankel2e, v, x, -1) + 1j * out))  # fmt: skip
elementwise(sp.jve, None, lambda g, out, v, x: (
    g * wobble(sp.jve, v, x, -1) + along_imaginary(g, out, x)))  # fmt: skip
elementwise(sp.yve, None, lambda g, out, v, x: (
    g * wobble(sp.yve, v, x, -1) + along_imaginary(g, out, x)))  # fmt: skip
elementwise(sp.ive, None, lambda g, out, v, x: (
    g * wobble(sp.ive, v, x, 1) + along_real(g, out, x)))  # fmt: skip
elementwise(sp.kve, None, lambda g, out, v, x: g * (out - wobble(sp.kve, v, x, 1)))
elementwise(sp.struve, None, lambda g, _out, v, x: g * (
    wobble(struve, v, x, -1) + struve_term(v, x) / 2))  # fmt: skip
elementwise(sp.modstruve, None, lambda g, _out, v, x: g * (
    wobble(modstruve, v, x, 1) + struve_term(v, x) / 2))  # fmt: skip
elementwise(sp.ber, lambda g, _out, x: g * sp.berp(x))
elementwise(sp.bei, lambda g, _out, x: g * sp.beip(x))
elementwise(sp.ker, lambda g, _out, x: g * sp.kerp(x))
elementwise(sp.kei, lambda g, _out, x: g * sp.keip(x))
elementwise(sp.berp, lambda g, out, x: g * (-sp.bei(x) - np.where(x == 0, 0, quotient(out, x))))
elementwise(sp.beip, lambda g, out, x: g * (sp.ber(x) - np.where(x == 0, 0.5, quotient(out, x))))
elementwise(sp.kerp, lambda g, out, x: g * (-sp.kei(x) - out / x))
elementwise(sp.keip, lambda g, out, x: g * (sp.ker(x) - out / x))

# integrals and functions that solve an equation
elementwise(sp.exp1, lambda g, _out, x: g * (-np.exp(-x) / x))
elementwise(sp.expi, lambda g, _out, x: g * (np.exp(x) / x))
elementwise(sp.expn, None, lambda g, _out, n, x: g * expn_slope(n, x))
elementwise(sp.spence, lambda g, _out, x: g * spence_slope(x))
elementwise(sp.wrightomega, lambda g, out, _x: g * (out / (1 + out)))
elementwise(hidden._lambertw, lambda g, out, _z, _k, _tol: g * (np.exp(-out) / (1 + out)),
            None, None)  # fmt: skip
elementwise(sp.ellipk, lambda g, _out, m: g * (
    elliptic_slope(0.5, m) / (1 - m) * (math.pi / 8)))  # fmt: skip
elementwise(sp.ellipkm1, lambda g, _out, p: g * (
    elliptic_slope(0.5, 1 - p) / p * (-math.pi / 8)))  # fmt: skip
elementwise(sp.ellipe, lambda g, _out, m: g * (elliptic_slope(1.5, m) * (-math.pi / 8)))
elementwise(sp.ellipkinc, lambda g, _out, phi, m: g / np.sqrt(1 - m * np.square(np.sin(phi))), None)
elementwise(sp.ellipeinc, lambda g, _out, phi, m: g * np.sqrt(1 - m * np.square(np.sin(phi))), None)
elementwise(sp.wright_bessel, None, None,
            lambda g, _out, a, b, x: g * sp.wright_bessel(a, a + b, x))  # fmt: skip
if hasattr(sp, "log_wright_bessel"):  # since SciPy 1.14
    elementwise(sp.log_wright_bessel, None, None, lambda g, out, a, b, x: g * np.exp(
        sp.log_wright_bessel(a, a + b, x) - out))  # fmt: skip

# hypergeometric functions (DLMF 13, 15), by the last operand
elementwise(sp.hyp0f1, None, lambda g, _out, v, z: g * (sp.hyp0f1(v + 1, z) / v))
elementwise(sp.hyp1f1, None, None,
            lambda g, _out, a, b, z: g * (sp.hyp1f1(a + 1, b + 1, z) * (a / b)))  # fmt: skip
elementwise(sp.hyp2f1, None, None, None, lambda g, _out, a, b, c, z: g * (
    hyp2f1(a + 1, b + 1, c + 1, z) * (a * b / c)))  # fmt: skip
elementwise(sp.hyperu, None, None,
            lambda g, _out, a, b, z: g * (sp.hyperu(a + 1, b + 1, z) * -a))  # fmt: skip

# orthogonal polynomials (DLMF 18.9), by the last operand
elementwise(sp.eval_legendre, None, lambda g, _out, n, x: g * (
    lower(sp.eval_jacobi, n, 1.0, 1.0, x) * ((n + 1) / 2)))  # fmt: skip
elementwise(sp.eval_sh_legendre, None, lambda g, _out, n, x: g * (
    lower(sp.eval_jacobi, n, 1.0, 1.0, 2 * x - 1) * (n + 1)))  # fmt: skip
elementwise(sp.eval_chebyt, None, lambda g, _out, n, x: g * (n * lower(sp.eval_chebyu, n, x)))
elementwise(sp.eval_sh_chebyt, None, lambda g, _out, n, x: g * (
    2 * n * lower(sp.eval_sh_chebyu, n, x)))  # fmt: skip
elementwise(sp.eval_chebyc, None, lambda g, _out, n, x: g * (n * lower(sp.eval_chebys, n, x)))
elementwise(sp.eval_chebyu, None, lambda g, _out, n, x: g * (
    2 * lower(sp.eval_gegenbauer, n, 2.0, x)))  # fmt: skip
elementwise(sp.eval_sh_chebyu, None, lambda g, _out, n, x: g * (
    4 * lower(sp.eval_gegenbauer, n, 2.0, 2 * x - 1)))  # fmt: skip
elementwise(sp.eval_chebys, None, lambda g, _out, n, x: g * (
    lower(sp.eval_gegenbauer, n, 2.0, x / 2)))  # fmt: skip
elementwise(sp.eval_gegenbauer, None, None, lambda g, _out, n, a, x: g * (
    2 * a * lower(sp.eval_gegenbauer, n, a + 1, x)))  # fmt: skip
elementwise(sp.eval_hermite, None, lambda g, _out, n, x: g * (2 * n * lower(sp.eval_hermite, n, x)))
elementwise(sp.eval_hermitenorm, None,
            lambda g, _out, n, x: g * (n * lower(sp.eval_hermitenorm, n, x)))  # fmt: skip
elementwise(sp.eval_laguerre, None,
            lambda g, _out, n, x: g * -lower(sp.eval_genlaguerre, n, 1.0, x))  # fmt: skip
elementwise(sp.eval_genlaguerre, None, None,
            lambda g, _out, n, a, x: g * -lower(sp.eval_genlaguerre, n, a + 1, x))  # fmt: skip
elementwise(sp.eval_jacobi, None, None, None, lambda g, _out, n, a, b, x: g * (
    lower(sp.eval_jacobi, n, a + 1, b + 1, x) * ((n + a + b + 1) / 2)))  # fmt: skip
elementwise(sp.eval_sh_jacobi, None, None, None, lambda g, _out, n, p, q, x: g * (
    n * lower(sp.eval_sh_jacobi, n, p + 2, q + 1, x)))  # fmt: skip
elementwise(sp.lpmv, None, None, lambda g, out, m, v, x: g * legendre_slope(m, v, out, x))


def combined(g: Any, *slopes: Any) -> Any:
    """The cotangent of the operand of several functions, from those that arrived."""
    return sum(part * slope for part, slope in zip(g, slopes, strict=True) if part is not None)


elementwise(sp.sici, lambda g, _out, x: combined(g, np.sinc(x / math.pi), np.cos(x) / x))
elementwise(sp.shichi, lambda g, _out, x: combined(g, np.sinh(x) / x, np.cosh(x) / x))
elementwise(sp.fresnel, lambda g, _out, x: combined(
    g, np.sin(x * x * (math.pi / 2)), np.cos(x * x * (math.pi / 2))))  # fmt: skip
elementwise(sp.airy, lambda g, out, x: combined(g, out[1], x * out[0], out[3], x * out[2]))
elementwise(sp.iti0k0, lambda g, _out, x: combined(g, i0(x), k0(x)))
elementwise(sp.itj0y0, lambda g, _out, x: combined(g, j0(x), y0(x)))
elementwise(sp.ellipj, lambda g, out, _u, m: combined(
    g, out[1] * out[2], -out[0] * out[2], -m * out[0] * out[1], out[2]), None)  # fmt: skip
elementwise(sp.itstruve0, lambda g, _out, x: g * struve(0, x))
elementwise(sp.it2struve0, lambda g, _out, x: g * (struve(0, x) / -x))
elementwise(sp.itmodstruve0, lambda g, _out, x: g * modstruve(0, x))


@primitive
def log_of_sum(a: Any, b: Any, axis: Any, signed: bool) -> Any:
    """SciPy's ``logsumexp``, with all axes kept; log of the absolute value if ``signed``.

    The commonest is its formula without the wrapping, which takes 200 µs: the largest terms are
    counted, the others added to them by ``log1p``.
    """
    if b is None and not signed and type(a) is np.ndarray and a.dtype.kind == "f" and a.size:
        top = np.maximum.reduce(a, axis, keepdims=True)
        if np.isfinite(top).all():
            largest = a == top
            count = np.add.reduce(largest, axis, a.dtype, keepdims=True)
            rest = np.add.reduce(np.exp(a - top), axis, keepdims=True, where=~largest)
            return np.log1p(rest / count) + np.log(count) + top
    if is_foreign(a):
        total, top = shifted_sum(a, b, axis)
        return np.log(np.abs(total) if signed else total) + top
    found = sp.logsumexp(a, axis=axis, b=b, keepdims=True, return_sign=signed)
    return np.asarray(found[0] if signed else found)


@primitive
def sign_of_sum(a: Any, b: Any, axis: Any) -> Any:
    """The sign of Σ b exp(a), with all axes kept."""
    if is_foreign(a):
        return np.sign(shifted_sum(a, b, axis)[0])
    return np.asarray(sp.logsumexp(a, axis=axis, b=b, keepdims=True, return_sign=True)[1])


def shifted_sum(a: Any, b: Any, axis: Any) -> tuple[Any, Any]:
    """Σ b exp(a - top) and the largest ``a`` (0 if that is infinite), with all axes kept."""
    top = np.max(np.real(a), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    terms = np.exp(a - top) if b is None else b * np.exp(a - top)
    return np.sum(terms, axis=axis, keepdims=True), top


def shares(out: Any, a: Any, b: Any, axis: Any) -> tuple[Any, Any]:
    """exp(a) and b exp(a) over their sum; equal infinities share evenly."""
    powers = np.exp(np.where(np.logical_and(a == out, np.isinf(a)), 0, a - out))
    parts = powers
    if b is not None:
        parts = np.where(np.logical_and(b == 0, np.isinf(powers)), 0, b * powers)
    total = np.sum(parts, axis=axis, keepdims=True)
    return powers / total, parts / total


defvjp(
    log_of_sum,
    lambda g, out, a, b, axis, _signed: g * shares(out, a, b, axis)[1],
    lambda g, out, a, b, axis, _signed: g * shares(out, a, b, axis)[0],
    broadcasts=True,
    reach=lambda g, *_operands: g,
)
constant(sign_of_sum)


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

ORDER = "no closed form by its shape parameters, and none by x in SciPy's functions"
EQUATION = "the root of a distribution's equation in a shape parameter"
SERIES = "no function in SciPy is its derivative"
WAVE = "its second result is its derivative, and that one has none"
REFUSED = MappingProxyType({
    **dict.fromkeys(("bdtrik", "bdtrin", "btdtria", "btdtrib", "chdtriv", "chndtridf",
                     "chndtrinc", "fdtridfd", "gdtrib", "nbdtrik", "nbdtrin", "ncfdtridfd",
                     "ncfdtridfn", "ncfdtrinc", "nctdtridf", "nctdtrinc", "pdtrik",
                     "stdtridf"), EQUATION),
    **dict.fromkeys(("chndtr", "chndtrix", "ncfdtr", "ncfdtri", "nctdtr", "nctdtrit",
                     "besselpoly", "kolmogi", "kolmogorov", "smirnov", "smirnovi", "zetac",
                     "_riemann_zeta", "modfresnelm", "modfresnelp", "it2i0k0", "it2j0y0",
                     "airye", "kelvin", "itairy"), SERIES),
    "radian": "write (d + m / 60 + s / 3600) * pi / 180",
    "agm": "write pi (a + b) / (4 ellipk(((a - b) / (a + b))**2))",
    **dict.fromkeys(("elliprc", "elliprd", "elliprf", "elliprg", "elliprj"), ORDER),
    **dict.fromkeys(("mathieu_a", "mathieu_b", "mathieu_cem", "mathieu_sem",
                     "mathieu_modcem1", "mathieu_modcem2", "mathieu_modsem1",
                     "mathieu_modsem2", "pbdv", "pbvv", "pbwa"), WAVE),
    **dict.fromkeys(("obl_ang1", "obl_ang1_cv", "obl_cv", "obl_rad1", "obl_rad1_cv",
                     "obl_rad2", "obl_rad2_cv", "pro_ang1", "pro_ang1_cv", "pro_cv",
                     "pro_rad1", "pro_rad1_cv", "pro_rad2", "pro_rad2_cv"), WAVE),
})  # fmt: skip
