"""The ufuncs of ``scipy.special``: imported with the first use of one, so never without SciPy.

Those of Γ, Bessel and distributions are in files of their own. The derivatives are those of the
NIST Digital Library of Mathematical Functions (DLMF). Where the derivative by an operand has no
closed form (orders, most shape parameters) there is no rule, and backward raises an error.
``REFUSED`` names the ufuncs without any rule, with the reason.
"""

import math
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import special as sp
from scipy.special import _ufuncs as hidden  # what its Python functions lead to

from ..primitives import primitive
from .elementwise import LOG10, as_wide, hypot_slope, power_base, power_exponent
from .steady import (
    ROOT_PI,
    arrays,
    beside,
    combined,
    cut,
    elementwise,
    elliprd,
    from_pole,
    hyp2f1,
    polynomial,
    quotient,
)

ROOT_TWO_PI = math.sqrt(2 * math.pi)
DEGREE = math.pi / 180
# of (exp(x) (x - 1) + 1) / x**2, the slope of exprel, highest first; exact to 1e-16 for |x| < 1
EXPREL_SLOPE = [1 / (math.factorial(k) * (k + 2)) for k in range(17, -1, -1)]
# of log(1 + u) / u, highest first; exact to 1e-16 for |u| < 0.02
LOG_RATIO = [(-1) ** k / (k + 1) for k in range(9, -1, -1)]
# of sinh(x) / x in x**2, highest first; exact to 1e-16 for |x| < 1
SINH_RATIO = [1 / math.factorial(2 * k + 1) for k in range(8, -1, -1)]
# of x**2 f' in 1/x**2 for f = dawsn, or with signs, highest first; exact to 1e-16 for |x| > 8
DECAY = [math.prod(range(1, 2 * k + 2, 2)) / 2**k for k in range(17, -1, -1)]


def exprel_slope(x: Any) -> Any:
    """(exp(x) (x - 1) + 1) / x², near 0 by its series."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    far = np.isinf(x)
    outside = np.where(far, 1, outside)
    closed = np.exp(outside) / outside * ((outside - 1) / outside) + 1 / outside / outside
    closed = np.where(far, np.exp(np.where(far, x, 0)), closed)
    return np.where(near, polynomial(EXPREL_SLOPE, inside), closed)


@primitive
def gauss(x: Any) -> Any:
    """exp(-x²)."""
    return np.exp(-x * x)


elementwise(gauss, lambda g, out, x: g * (out * (-2 * where_moves(out, x))))


def where_moves(out: Any, x: Any) -> Any:
    """x, but 0 where ``out`` has come to 0: what is multiplied by it counts no more."""
    return np.where(out == 0, 0, x)


def settling(out: Any, x: Any, sign: int, constant: Any, tail: Any) -> Any:
    """±2 x f + c, the slope of an f: two terms, which cancel far from 0.

    There by its asymptotic series, to which ``tail`` exp(±x²) comes in f beside the real line
    (DLMF 7.12).
    """
    size = np.abs(x)
    far = np.logical_and(size > 8, np.abs(out) < 1)
    inverse = 1 / np.where(far, x, 1)
    square = np.multiply(inverse, inverse)
    apart = np.multiply(polynomial(DECAY, -sign * square), square * (sign * constant / 2))
    if np.iscomplexobj(x):
        counts = np.logical_and(np.logical_and(far, size < 1e15), tail != 0)
        z = np.where(counts, x, 0)
        apart = apart + np.multiply(tail * z, np.exp(sign * z * z)) * (2 * sign)
    return np.where(far, apart, np.where(far, 0, x) * np.where(far, 0, out) * (2 * sign) + constant)


def erfcx_slope(out: Any, x: Any) -> Any:
    """2 x erfcx(x) - 2/√π."""
    return settling(out, x, 1, -2 / ROOT_PI, 1 - np.sign(np.real(x)))


def dawsn_slope(out: Any, x: Any) -> Any:
    """1 - 2 x dawsn(x)."""
    return settling(out, x, -1, 1, np.sign(np.imag(x)) * (ROOT_PI / 2 * 1j))


def faddeeva_slope(out: Any, z: Any) -> Any:
    """The slope of ``wofz``: -2 z w(z) + 2i/√π."""
    return settling(out, z, -1, 2j / ROOT_PI, 1 - np.sign(np.imag(z)))


def elliptic_slope(b: float, m: Any) -> Any:
    """₂F₁(½, b; 2; m), which is 0 at -∞: the slopes of ellipk (b = ½) and ellipe."""
    far = np.isneginf(m)
    return np.where(far, 0, hyp2f1(0.5, b, 2.0, np.where(far, 0, m)))


@primitive
def elliptic(phi: Any, m: Any, power: int, root: int) -> Any:
    """∫ sin^power / Δ^root from 0 to φ, where Δ² = 1 - m sin²; slopes of it are of its kind.

    For slopes of the first order by Carlson's integral (DLMF 19.25), else by double exponential
    quadrature (Takahasi & Mori 1974).
    """
    phi, m = arrays(phi, m)
    part = carlson if power == 2 else quadrature
    turns = np.round(phi / math.pi)
    angle, more = phi - turns * math.pi, turns != 0
    half = part(np.full_like(angle, math.pi / 2), np.where(more, m, 0), power, root)
    return part(angle, m, power, root) + 2 * turns * np.where(more, half, 0)


def carlson(phi: Any, m: Any, _power: int, root: int) -> Any:
    """``elliptic`` of a quarter turn at most, of power 2 and root 1 or 3."""
    square = np.square(np.sin(phi))
    rest = 1 - m * square
    order = (rest, 1) if root == 1 else (1, rest)
    return np.sin(phi) * square * (elliprd(np.square(np.cos(phi)), *order) / 3)


def quadrature(phi: Any, m: Any, power: int, root: int) -> Any:
    """``elliptic`` of a quarter turn at most."""
    total = np.zeros_like(phi + m)
    for share, weight in NODES:
        sine, cosine = np.sin(phi * share), np.cos(phi * share)
        rest = np.square(cosine) + (1 - m) * np.square(sine)
        total = total + weight * np.power(sine, power) / np.power(rest, root / 2)
    return total * phi


def nodes(step: float) -> list[tuple[float, float]]:
    """Places in 0 … 1 and their weights."""
    found = []
    for k in range(round(-3.1 / step), round(3.1 / step) + 1):
        tilt = math.pi * math.sinh(k * step)
        place, rest = 1 / (1 + math.exp(-tilt)), 1 / (1 + math.exp(tilt))
        found.append((place, step * math.pi * math.cosh(k * step) * place * rest))
    return found


NODES = nodes(1 / 32)


def delta(phi: Any, m: Any) -> Any:
    """Δ, the square root of 1 - m sin²(φ)."""
    return np.sqrt(1 - m * np.square(np.sin(phi)))


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


def shrunk(delta: Any, r: Any) -> Any:
    """1 - δ / h where h = hypot(δ, r), written so that nothing cancels; 0 at the origin."""
    size = np.hypot(delta, r)
    return hypot_slope(r, delta) * (r / (np.where(size == 0, 1, size) + delta))


@primitive
def pseudo_huber_by_delta(delta: Any, r: Any) -> Any:
    """(h - δ)² / h where h = hypot(δ, r)."""
    return np.hypot(delta, r) * np.square(shrunk(delta, r))


@primitive
def pseudo_huber_by_r(delta: Any, r: Any) -> Any:
    """δ r / h."""
    return delta * hypot_slope(r, delta)


elementwise(pseudo_huber_by_delta, lambda g, _out, delta, r:
            -g * (np.square(shrunk(delta, r)) * (2 + hypot_slope(delta, r))),
            lambda g, _out, delta, r: g * hypot_slope(r, delta) ** 3)  # fmt: skip
elementwise(pseudo_huber_by_r, lambda g, _out, delta, r: g * hypot_slope(r, delta) ** 3,
            lambda g, _out, delta, r: g * hypot_slope(delta, r) ** 3)  # fmt: skip


def spence_slope(x: Any) -> Any:
    """-log(x) / (x - 1), near 1 by its series."""
    near, end = np.abs(x - 1) < 0.02, x == 0
    inside, outside = np.where(near, x - 1, 0), np.where(np.logical_or(near, end), 2, x)
    slope = -np.where(near, polynomial(LOG_RATIO, inside), np.log(outside) / (outside - 1))
    return np.where(end, np.log(np.where(end, x + 0.0, 1)), slope)


def sinh_ratio(x: Any) -> Any:
    """sinh(x) / x, near 0 by its series; where sinh overflows the product of roots need not."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    closed = exp_ratio(outside) / 2 + exp_ratio(-outside) / 2
    return np.where(near, polynomial(SINH_RATIO, inside * inside), closed)


def exp_ratio(x: Any) -> Any:
    """exp(x) / x, where exp(x) may overflow."""
    root = np.exp(x / 2)
    return root / x * root


def sine_ratio(x: Any) -> Any:
    """sin(x) / x, which is 0 at infinity; near 0 as the slopes of sinc are exact."""
    near, far = np.abs(x) < 1, np.isinf(x)
    outside = np.where(np.logical_or(near, far), 1, x)
    ratio = np.sinc(np.where(near, x, 0) / math.pi)
    return np.where(near, ratio, np.where(far, 0, np.sin(outside) / outside))


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


def legendre_slope(m: Any, v: Any, out: Any, x: Any) -> Any:
    """DLMF 14.10.5, which divides by 0 at both ends."""
    end = np.abs(x) == 1
    inside = (np.where(end, 0, x) - 1) * (np.where(end, 0, x) + 1)
    usual = (v * x * out - (v + m) * sp.lpmv(m, v - 1, x)) / inside
    at_end = legendre_slope_at_end(arrays(m, x)[0], arrays(v, x)[0], x)
    return np.where(end, at_end, usual)


def legendre_slope_at_end(m: Any, v: Any, x: Any) -> Any:
    """That of (1 - x²)^(m/2) times Gegenbauer's function of degree v - m (DLMF 14.3.21)."""
    size = np.abs(m)
    n = np.maximum(v, -1 - v) - size
    scale = np.power(2.0, size) * sp.gamma(size + 0.5) / ROOT_PI
    scale = scale * np.where(m < 0, sp.gamma(n + 1) * sp.rgamma(n + 2 * size + 1), 1 - 2 * (m % 2))
    rest = (1 - x) * (1 + x)
    tilt = size * x * gegenbauer(n, size + 0.5, x)
    none = tilt == 0  # there an infinite factor counts no more
    tilt = tilt * np.power(np.where(none, 1, rest), np.where(none, 0, size / 2 - 1))
    return scale * (
        np.power(rest, size / 2) * (2 * size + 1) * gegenbauer(n - 1, size + 1.5, x) - tilt
    )


def gegenbauer(n: Any, a: Any, x: Any) -> Any:
    """Gegenbauer's function, which is 0 of negative whole degrees."""
    none = np.logical_and(n < 0, np.equal(n, np.floor(n)))
    return np.where(none, 0, sp.eval_gegenbauer(np.where(none, 0, n), a, x))


def omega_slope(out: Any) -> Any:
    """ω / (1 + ω), which is 1 at infinity."""
    far = np.isinf(out)
    out = np.where(far, 0, out)
    return np.where(far, 1, out / (1 + out))


# the error function and its relatives (DLMF 7)
elementwise(sp.erf, lambda g, _out, x: g * (gauss(x) * (2 / ROOT_PI)))
elementwise(sp.erfc, lambda g, _out, x: g * (gauss(x) * (-2 / ROOT_PI)))
elementwise(sp.erfi, lambda g, _out, x: g * (np.exp(x * x) * (2 / ROOT_PI)))
elementwise(sp.erfcx, lambda g, out, x: g * erfcx_slope(out, x))
elementwise(sp.dawsn, lambda g, out, x: g * dawsn_slope(out, x))
elementwise(sp.wofz, lambda g, out, x: g * faddeeva_slope(out, x))
elementwise(sp.erfinv, lambda g, out, _x: g * (np.exp(out * out) * (ROOT_PI / 2)))
elementwise(sp.erfcinv, lambda g, out, _x: g * (np.exp(out * out) * (-ROOT_PI / 2)))
# logistic functions, entropies, losses
elementwise(sp.expit, lambda g, out, x: g * (out * sp.expit(-x)))
elementwise(sp.log_expit, lambda g, _out, x: g * sp.expit(-x))
elementwise(sp.logit, lambda g, _out, x: g * (1 / (x + 0.0) + 1 / (1 - x)))
elementwise(sp.xlogy, lambda g, _out, x, y: g * np.log(beside(x, as_wide(y, g))),
            lambda g, _out, x, y: g * quotient(x, y))  # fmt: skip
elementwise(sp.xlog1py, lambda g, _out, x, y: g * np.log1p(beside(x, as_wide(y, g), -1)),
            lambda g, _out, x, y: g * (x / (1 + beside(x, y, -1))))  # fmt: skip
elementwise(sp.entr, lambda g, _out, x: g * (-1 - np.log(x)))
elementwise(sp.rel_entr, lambda g, _out, x, y: g * (1 + log_quotient(x, y)),
            lambda g, _out, x, y: -g * quotient(x, y))  # fmt: skip
elementwise(sp.kl_div, lambda g, _out, x, y: g * log_quotient(x, y),
            lambda g, _out, x, y: g * (1 - quotient(x, y)))  # fmt: skip
elementwise(sp.huber, lambda g, _out, delta, r: g * np.maximum(np.abs(r) - delta, 0),
            lambda g, _out, delta, r: g * np.clip(r, -delta, delta))  # fmt: skip
elementwise(sp.pseudo_huber, lambda g, _out, delta, r: g * pseudo_huber_by_delta(delta, r),
            lambda g, _out, delta, r: g * pseudo_huber_by_r(delta, r))  # fmt: skip
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
elementwise(sp.expm1, lambda g, _out, x: g * np.exp(x))
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

# integrals and functions that solve an equation
elementwise(sp.exp1, lambda g, _out, x: g * (-np.exp(-x) / x))
elementwise(sp.expi, lambda g, out, x: g * from_pole(
    lambda _, t: exp_ratio(t), out, x))  # fmt: skip
elementwise(sp.expn, None, lambda g, _out, n, x: g * expn_slope(n, x))
elementwise(sp.spence, lambda g, _out, x: g * spence_slope(x))
elementwise(sp.wrightomega, lambda g, out, _x: g * omega_slope(out))
elementwise(hidden._lambertw, lambda g, out, _z, _k, _tol: g * (np.exp(-out) / (1 + out)),
            None, None)  # fmt: skip
elementwise(sp.ellipk, lambda g, _out, m: g * (
    elliptic_slope(0.5, m) / (1 - m) * (math.pi / 8)))  # fmt: skip
elementwise(sp.ellipkm1, lambda g, _out, p: g * (
    elliptic_slope(0.5, 1 - p) / p * (-math.pi / 8)))  # fmt: skip
elementwise(sp.ellipe, lambda g, _out, m: g * (elliptic_slope(1.5, m) * (-math.pi / 8)))
elementwise(sp.ellipkinc, lambda g, _out, phi, m: g / delta(phi, m),
            lambda g, _out, phi, m: g * elliptic(phi, m, 2, 3) / 2)  # fmt: skip
elementwise(sp.ellipeinc, lambda g, _out, phi, m: g * delta(phi, m),
            lambda g, _out, phi, m: -g * elliptic(phi, m, 2, 1) / 2)  # fmt: skip
elementwise(
    elliptic,
    lambda g, _out, phi, m, power, root: (
        g * (np.power(np.sin(phi), power) / np.power(delta(phi, m), root))
    ),
    lambda g, _out, phi, m, power, root: g * elliptic(phi, m, power + 2, root + 2) * (root / 2),
    None,
    None,
)
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

# several results
elementwise(sp.sici, lambda g, out, x: combined(
    g, sine_ratio(x), from_pole(lambda _, t: np.cos(t) / t, out[1], x)))  # fmt: skip
elementwise(sp.shichi, lambda g, out, x: combined(
    g, sinh_ratio(x), from_pole(
        lambda _, t: exp_ratio(t) / 2 - exp_ratio(-t) / 2, out[1], x)))  # fmt: skip
elementwise(sp.fresnel, lambda g, _out, x: combined(
    g, np.sin(x * x * (math.pi / 2)), np.cos(x * x * (math.pi / 2))))  # fmt: skip
elementwise(sp.ellipj, lambda g, out, _u, m: combined(
    g, out[1] * out[2], -out[0] * out[2], -m * out[0] * out[1], out[2]), None)  # fmt: skip

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
