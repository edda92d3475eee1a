"""The distributions in ``scipy.special``: cumulative, complement, inverse, by the last operand.

The derivative of a cumulative distribution is its density; that of an inverse is one over the
density. For most shape parameters there is no closed form.
"""

import math
from typing import Any

import numpy as np
from scipy import special as sp

from ..primitives import akin, cast, is_foreign, of_dtype, primitive
from .special import ROOT_TWO_PI, faddeeva_slope, gauss
from .steady import (
    ROOT_PI,
    arrays,
    betaln,
    cut,
    elementwise,
    erf,
    gammaln,
    polynomial,
    steady,
    xlog1py,
    xlogy,
)

gammaincinv = steady(sp.gammaincinv)
# (2k+1)!!, highest first, and (2k+2) times that
ODD_PRODUCTS = [float(math.prod(range(1, 2 * k + 2, 2))) for k in range(7, -1, -1)]
EVEN_PRODUCTS = [(2 * k + 2) * odd for k, odd in zip(range(7, -1, -1), ODD_PRODUCTS, strict=True)]


def bell(x: Any) -> Any:
    """The density of the normal distribution."""
    return gauss(x * math.sqrt(0.5)) / ROOT_TWO_PI


def hazard(x: Any) -> Any:
    """The normal density at x over its integral up to x, to all digits at both ends."""
    far = x < -1e4
    left, right = np.where(np.logical_or(x > 0, far), 0, x), np.where(x > 0, x, 0)
    tail = math.sqrt(2 / math.pi) / sp.erfcx(left * -math.sqrt(0.5))
    x = np.where(far, x, -1)
    return np.where(far, -x - 1 / x, np.where(right > 0, bell(right) / sp.ndtr(right), tail))


@primitive
def weighed(x: Any, p: Any, b: Any, q: Any, c: Any, log_scale: Any) -> Any:
    """x**p (1 + b x)**q exp(c x + log_scale), which densities and their inverses are made of."""
    x = x if is_foreign(x) else np.asarray(x)
    p, b, q, c, log_scale = (akin(v, x) for v in (p, b, q, c, log_scale))
    wanted = np.result_type(x, np.float32)
    plain = sp.xlogy(p, x) + log_scale
    if not (isinstance(q, int) and q == 0):
        plain = plain + sp.xlog1py(q, b * x)
    if not (isinstance(c, int) and c == 0):
        plain = plain + c * x
    out = np.exp(plain)
    if np.isfinite(out).all():  # else an end decides; the whole takes three times as long
        return of_dtype(out, wanted)
    far = np.isposinf(x)
    near = np.where(far, 1, x)
    power = xlogy(p, near) + xlog1py(q, b * near) + c * near + log_scale
    grows = np.where(np.equal(c, 0), p + q, c)  # what decides at infinity
    out = np.exp(np.where(far, np.where(grows == 0, power, grows * np.inf), power))
    return cast(np.where(np.isneginf(log_scale) | np.isneginf(c), 0, out), wanted)


def weighed_slope(x: Any, p: Any, b: Any, q: Any, c: Any, log_scale: Any, power: int = 1) -> Any:
    """The slope of ``weighed`` by x, as one product: at the ends nothing is subtracted.

    With a ``power`` of 2 times ``weighed`` itself.
    """
    near = np.where(np.isinf(x), 1e30, x)
    c_near = np.clip(c, -1e30, 1e30) if hasattr(c, "dtype") else min(max(c, -1e30), 1e30)
    by_x, by_y = np.where(p == 0, 1, near), np.where(q == 0, 1, 1 + b * near)
    less_p, less_q = np.where(p == 0, 0, power * p - 1), np.where(q == 0, 0, power * q - 1)
    lower = weighed(x, less_p, b, less_q, power * c, power * log_scale)
    return lower * (p * by_y + by_x * (b * q + c_near * by_y))


@primitive
def inverse_slope(y: Any, x: Any, p: Any, b: Any, q: Any, c: Any, log_scale: Any) -> Any:
    """``weighed`` of x, an inverse function of y, where it is the slope of x by y."""
    out = weighed(x, p, b, q, c, log_scale)
    return out if np.shape(y) == np.shape(out) else out + np.zeros_like(y, dtype=out.dtype)


def gamma_terms(a: Any, power: int = 1) -> tuple[Any, ...]:
    """x**(a-1) exp(-x) / Γ(a), to the power of 1 or -1, as ``weighed`` takes it."""
    return power * (a - 1), 0, 0, -power, -power * gammaln(a)


def gamma_density(a: Any, x: Any) -> Any:
    """The slope of ``gammainc`` by x."""
    return weighed(x, *gamma_terms(a))


def gamma_inverse(a: Any, x: Any, y: Any) -> Any:
    """The slope of x, an inverse of ``gammainc``, by y, or with -y that of the complement's."""
    return inverse_slope(y, x, *gamma_terms(a, -1))


def scaled_density(a: Any, b: Any, x: Any) -> Any:
    """The slope of ``gdtr`` by a, and with a and x exchanged that by x."""
    return weighed(a, b - 1, 0, 0, -x, xlogy(b, x) - gammaln(b))


def scaled_inverse(p: Any, b: Any) -> Any:
    """The slope by p of a x, where ``gdtr`` of a, b, x is p."""
    return gamma_inverse(b, gammaincinv(b, p), p)


def beta_terms(a: Any, b: Any, power: int = 1) -> tuple[Any, ...]:
    """x**(a-1) (1-x)**(b-1) / B(a, b), to the power of 1 or -1, as ``weighed`` takes it."""
    return power * (a - 1), -1, power * (b - 1), 0, -power * betaln(a, b)


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """The slope of ``betainc`` by x."""
    return weighed(x, *beta_terms(a, b))


def beta_inverse(a: Any, b: Any, x: Any, y: Any) -> Any:
    """The slope of x, an inverse of ``betainc``, by y, or with -y that of the complement's."""
    return inverse_slope(y, x, *beta_terms(a, b, -1))


def fisher_terms(n: Any, d: Any, power: int = 1) -> tuple[Any, ...]:
    """The density of the F distribution to the power of 1 or -1, as ``weighed`` takes it."""
    n, d = n / 2, d / 2
    scale = xlogy(n, n / d) - betaln(n, d)
    return power * (n - 1), n / d, -power * (n + d), 0, power * scale


def student_density(df: Any, t: Any) -> Any:
    """The slope of ``stdtr`` by t."""
    return np.exp(-(df + 1) / 2 * np.log1p(t * t / df) - betaln(0.5, df / 2)) / df**0.5


def student_inverse(df: Any, t: Any) -> Any:
    """One over that, of t²."""
    return weighed(t * t, 0, 1 / df, (df + 1) / 2, 0, betaln(0.5, df / 2) + np.log(df) / 2)


def whole(k: Any) -> Any:
    """k rounded down, a Python number as such."""
    return np.floor(k) if hasattr(k, "dtype") else math.floor(k)


def binomial_density(k: Any, n: Any, p: Any) -> Any:
    """The slope of ``bdtrc`` by p."""
    return beta_density(whole(k) + 1, cut(n) - whole(k), p)


def lambda_density(p: Any, lam: Any) -> Any:
    """The slope of ``tklmbda`` where it is p; 0 outside its support."""
    inside = np.logical_and(p > 0, p < 1)
    p = np.where(inside, p, 0.5)
    return np.where(inside, 1 / (np.power(p, lam - 1) + np.power(1 - p, lam - 1)), 0)


def voigt_slope(x: Any, sigma: Any, gamma: Any) -> Any:
    """The slope of the complex Voigt function by x; far from 0, or where σ is 0, by its series."""
    far, place, sigma = voigt_places(x, sigma, gamma)
    near = np.where(far, 1, sigma)
    z = np.where(far, 1, place) / (near * math.sqrt(2))
    usual = faddeeva_slope(sp.wofz(z), z)
    inverse, few = 1 / np.where(far, place, 1), np.where(far, sigma, 0)
    square, share = np.multiply(inverse, inverse), few * inverse
    apart = np.multiply(polynomial(ODD_PRODUCTS, np.multiply(share, share)), square)
    return np.where(far, apart * (-1j / math.pi), usual / (near * near * (2 * ROOT_PI)))


def voigt_places(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any, Any]:
    """Where x + iγ is far away beside σ, x + iγ, and σ: arrays in the dtype of the whole."""
    like = x + sigma + gamma
    x, sigma, gamma = (arrays(v, like)[0] for v in (x, sigma, gamma))
    return np.hypot(x, gamma) >= 42 * np.abs(sigma), x + 1j * gamma, sigma


def voigt_by_sigma(out: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    """The slope of ``voigt_profile`` by the deviation of its normal part."""
    slope = voigt_slope(x, sigma, gamma)
    far, place, sigma = voigt_places(x, sigma, gamma)
    near = np.where(far, 1, sigma)
    usual = -out / near - np.real(np.where(far, 1, place) * slope) / near
    inverse, few = 1 / np.where(far, place, 1), np.where(far, sigma, 0)
    cube, share = np.multiply(np.multiply(inverse, inverse), inverse), few * inverse
    bend = np.multiply(polynomial(EVEN_PRODUCTS, np.multiply(share, share)), cube)
    return np.where(far, few * np.real(bend * (1j / math.pi)), usual)  # σ times the second by x


elementwise(
    weighed,
    lambda g, _out, x, p, b, q, c, log_scale: g * weighed_slope(x, p, b, q, c, log_scale),
    lambda g, out, x, _p, _b, _q, _c, _scale: g * xlogy(out, x),
    lambda g, out, x, _p, b, q, _c, _scale: g * (out * (q * x / (1 + b * x))),
    lambda g, out, x, _p, b, _q, _c, _scale: g * xlog1py(out, b * x),
    lambda g, out, x, _p, _b, _q, _c, _scale: g * (out * x),
    lambda g, out, _x, _p, _b, _q, _c, _scale: g * out,
)

elementwise(
    inverse_slope,
    lambda g, _out, _y, x, p, b, q, c, log_scale: g * weighed_slope(x, p, b, q, c, log_scale, 2),
    lambda g, _out, _y, _x, _p, _b, _q, _c, _scale: np.zeros_like(g),  # what moves x moves y
    lambda g, out, _y, x, _p, _b, _q, _c, _scale: g * xlogy(out, x),
    lambda g, out, _y, x, _p, b, q, _c, _scale: g * (out * (q * x / (1 + b * x))),
    lambda g, out, _y, x, _p, b, _q, _c, _scale: g * xlog1py(out, b * x),
    lambda g, out, _y, x, _p, _b, _q, _c, _scale: g * (out * x),
    lambda g, out, _y, _x, _p, _b, _q, _c, _scale: g * out,
    selects=1,
)

# incomplete gamma and beta functions (DLMF 8)
elementwise(sp.gammainc, None, lambda g, _out, a, x: g * gamma_density(a, x))
elementwise(sp.gammaincc, None, lambda g, _out, a, x: -g * gamma_density(a, x))
elementwise(sp.gammaincinv, None, lambda g, out, a, y: g * gamma_inverse(a, out, y))
elementwise(sp.gammainccinv, None, lambda g, out, a, y: -g * gamma_inverse(a, out, -y))
elementwise(sp.betainc, None, None, lambda g, _out, a, b, x: g * beta_density(a, b, x))
elementwise(sp.betaincc, None, None, lambda g, _out, a, b, x: -g * beta_density(a, b, x))
elementwise(sp.betaincinv, None, None, lambda g, out, a, b, y: g * beta_inverse(a, b, out, y))
elementwise(sp.betainccinv, None, None, lambda g, out, a, b, y: -g * beta_inverse(a, b, out, -y))

# of the normal distribution and its relatives
elementwise(sp.ndtr, lambda g, _out, x: g * bell(x))
elementwise(sp.log_ndtr, lambda g, _out, x: g * hazard(x))
elementwise(sp.ndtri, lambda g, out, _p: g * (np.exp(out * out * 0.5) * ROOT_TWO_PI))
elementwise(sp.ndtri_exp, lambda g, out, _y: g / hazard(out))
elementwise(sp.owens_t,
            lambda g, _out, h, a: g * (bell(h) * erf(a * h * math.sqrt(0.5)) * -0.5),
            lambda g, _out, h, a: g * (np.exp((h * h + np.square(a * h)) * -0.5)
                                       / (2 * math.pi) / (1 + a * a)))  # fmt: skip
elementwise(sp.voigt_profile,
            lambda g, _out, x, s, c: g * np.real(voigt_slope(x, s, c)),
            lambda g, out, x, s, c: g * voigt_by_sigma(out, x, s, c),
            lambda g, _out, x, s, c: g * -np.imag(voigt_slope(x, s, c)))  # fmt: skip
elementwise(sp.tklmbda, lambda g, out, _x, lam: g * lambda_density(out, lam), None)

# distributions: cumulative, its complement, and the inverse
elementwise(sp.pdtr, None, lambda g, _out, k, m: -g * gamma_density(whole(k) + 1, m))
elementwise(sp.pdtrc, None, lambda g, _out, k, m: g * gamma_density(whole(k) + 1, m))
elementwise(sp.pdtri, None, lambda g, out, k, p: -g * gamma_inverse(cut(k) + 1, out, -p))
elementwise(sp.chdtr, None, lambda g, _out, v, x: g * gamma_density(v / 2, x / 2) / 2)
elementwise(sp.chdtrc, None, lambda g, _out, v, x: -g * gamma_density(v / 2, x / 2) / 2)
elementwise(sp.chdtri, None, lambda g, out, v, p: -g * 2 * gamma_inverse(v / 2, out / 2, -p))
elementwise(sp.gdtr, lambda g, _out, a, b, x: g * scaled_density(a, b, x), None,
            lambda g, _out, a, b, x: g * scaled_density(x, b, a))  # fmt: skip
elementwise(sp.gdtrc, lambda g, _out, a, b, x: -g * scaled_density(a, b, x), None,
            lambda g, _out, a, b, x: -g * scaled_density(x, b, a))  # fmt: skip
elementwise(sp.gdtria, lambda g, _out, p, b, x: g * (scaled_inverse(p, b) / x), None,
            lambda g, out, _p, _b, x: -g * out / x)  # fmt: skip
elementwise(sp.gdtrix, lambda g, out, a, _b, _p: -g * out / a, None,
            lambda g, _out, a, b, p: g * (scaled_inverse(p, b) / a))  # fmt: skip
elementwise(sp.fdtr, None, None, lambda g, _out, n, d, x: g * weighed(x, *fisher_terms(n, d)))
elementwise(sp.fdtrc, None, None, lambda g, _out, n, d, x: -g * weighed(x, *fisher_terms(n, d)))
elementwise(
    sp.fdtri, None, None, lambda g, out, n, d, p: g * inverse_slope(p, out, *fisher_terms(n, d, -1))
)
elementwise(sp.stdtr, None, lambda g, _out, df, t: g * student_density(df, t))
elementwise(sp.stdtrit, None, lambda g, out, df, _p: g * student_inverse(df, out))
elementwise(sp.bdtr, None, None, lambda g, _out, k, n, p: -g * binomial_density(k, n, p))
elementwise(sp.bdtrc, None, None, lambda g, _out, k, n, p: g * binomial_density(k, n, p))
elementwise(
    sp.bdtri,
    None,
    None,
    lambda g, out, k, n, y: -g * beta_inverse(whole(k) + 1, cut(n) - whole(k), out, -y),
)
elementwise(sp.nbdtr, None, None,
            lambda g, _out, k, n, p: g * beta_density(cut(n), cut(k) + 1, p))  # fmt: skip
elementwise(sp.nbdtrc, None, None,
            lambda g, _out, k, n, p: -g * beta_density(cut(n), cut(k) + 1, p))  # fmt: skip
elementwise(sp.nbdtri, None, None,
            lambda g, out, k, n, y: g * beta_inverse(cut(n), cut(k) + 1, out, y))  # fmt: skip
elementwise(sp.nrdtrimn, lambda g, out, _p, std, x: -g * std / bell((x - out) / std),
            lambda g, out, _p, std, x: g * ((out - x) / std),
            lambda g, _out, _p, _std, _x: g)  # fmt: skip
elementwise(sp.nrdtrisd, lambda g, _out, _mn, p, _x: -g / sp.ndtri(p),
            lambda g, out, _mn, p, _x: -g * out / (sp.ndtri(p) * bell(sp.ndtri(p))),
            lambda g, _out, _mn, p, _x: g / sp.ndtri(p))  # fmt: skip
