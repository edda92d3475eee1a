"""Bessel functions (DLMF 10) and their relatives in ``scipy.special``.

By the order there is no closed form.
"""

import math
from typing import Any

import numpy as np
from scipy import special as sp

from .steady import (
    ROOT_PI,
    arrays,
    combined,
    cut,
    elementwise,
    from_pole,
    i0,
    j0,
    k0,
    modstruve,
    polynomial,
    quotient,
    rgamma,
    struve,
    y0,
)

# of H_0(x) / x in x**2, highest first; exact to 1e-16 for |x| < 1
STRUVE_RATIO = [
    (-1) ** k * (2 / math.pi) / math.prod(range(1, 2 * k + 2, 2)) ** 2 for k in range(7, -1, -1)
]


def wobble(fn: Any, v: Any, x: Any, sign: int) -> Any:
    """(f(v-1, x) ± f(v+1, x)) / 2, the slope of Bessel functions (DLMF 10.6.1, 10.29.1)."""
    return (fn(v - 1, x) + sign * fn(v + 1, x)) / 2


def first_order(zeroth: Any, out: Any, x: Any, second: Any) -> Any:
    """The slope of J_1 or I_1: J_0 - J_1 / x, or near 0 from J_0 and ``second``(2, x)."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    return np.where(near, (zeroth + second(2, inside)) / 2, zeroth - out / outside)


def decay(v: Any, x: Any, turn: Any, usual: Any, out: Any, holds: Any = True) -> Any:
    """The slope of a Bessel function with its exponential taken off; ``usual`` cancels far away.

    There f = x**-½ Σ a_k (turn / x)**k (DLMF 10.17.5, 10.40), and so x f' / f has no difference;
    it ``holds`` where no other exponential counts.
    """
    if isinstance(x, np.ndarray) and not (np.abs(x) > 100).any():
        return usual
    far = np.logical_and(np.abs(x) > np.maximum(100, 10 * v * v), holds)
    order = 4 * np.square(np.where(far, arrays(v, np.real(x))[0], 0))
    place = np.where(far, x, 100)
    factor: Any = np.ones_like(place * turn)
    total, tilted = factor, factor / 2
    for k in range(1, 9):
        factor = np.multiply(factor * ((order - (2 * k - 1) ** 2) / (8 * k)), turn / place)
        total, tilted = total + factor, tilted + (k + 0.5) * factor
    return np.where(far, np.multiply(-out, tilted) / total / place, usual)


def off_the_cut(x: Any, side: int) -> Any:
    """Where ``hankel1e`` (side 1) or ``hankel2e`` has one exponential: not at the cut beyond 0."""
    turned = np.imag(x) * side
    behind = turned < 0 if side > 0 else turned <= 0
    return np.logical_or(np.real(x) > 0, np.logical_not(np.logical_and(behind, turned > -20)))


def along_real(g: Any, out: Any, v: Any, x: Any, slope: Any) -> Any:
    """The cotangent of ``ive``, a function of ``slope`` times exp(-|Re x|)."""
    side = np.sign(np.real(x))
    found = g * decay(v, x, -side, slope - side * out, out, np.abs(np.real(x)) > 20)
    return found + np.imag(g * out) * side * 1j if np.iscomplexobj(x) else found


def along_imaginary(g: Any, out: Any, v: Any, x: Any, slope: Any) -> Any:
    """The cotangent of ``jve`` and ``yve``, functions of ``slope`` times exp(-|Im x|)."""
    if not np.iscomplexobj(x):
        return g * slope
    side = np.sign(np.imag(x))
    usual, holds = slope + 1j * side * out, np.abs(np.imag(x)) > 20
    return g * decay(v, x, -1j * side, usual, out, holds) + np.imag(g * out) * side


def struve_term(v: Any, x: Any) -> Any:
    """(x/2)**v / (√π Γ(v + 3/2)), of DLMF 11.4.25 and 11.4.29."""
    return np.power(x / 2, v) * rgamma(v + 1.5) / ROOT_PI


def struve_slope(apart: Any, v: Any, x: Any, sign: int) -> Any:
    """The slope of ``struve`` (sign -1) or ``modstruve``: ``apart``, near 0 its series (DLMF 11.2).

    That of ``struve`` is H_{v-1} - v / x H_v: others of DLMF 11.4 cancel for large x.
    """
    v, x = arrays(v, x)
    near = np.abs(x) < 0.1
    half, outside = np.where(near, x, 0) / 2, np.where(near, 1, x)
    total: Any = 0
    for k in range(5):
        power = v + 2 * k
        factor = sign**k * (power + 1) / 2 * rgamma(power - k + 1.5) / math.gamma(k + 1.5)
        none = factor == 0
        if k:  # beside the first no other decides at 0
            none = np.logical_or(none, np.logical_and(half == 0, power < 0))
        total = total + np.where(none, 0, factor) * np.power(
            np.where(none, 1, half), np.where(none, 0, power))  # fmt: skip
    return np.where(near, total, apart(outside))


def struve_ratio(x: Any) -> Any:
    """H_0(x) / x, near 0 by its series."""
    near = np.abs(x) < 1
    inside, outside = np.where(near, x, 0), np.where(near, 1, x)
    return np.where(near, polynomial(STRUVE_RATIO, inside * inside), struve(0, outside) / outside)


elementwise(sp.j0, lambda g, _out, x: g * -sp.j1(x))
elementwise(sp.j1, lambda g, out, x: g * first_order(
    j0(x), out, x, lambda v, z: -sp.jv(v, z)))  # fmt: skip
elementwise(sp.y0, lambda g, _out, x: g * -sp.y1(x))
elementwise(sp.y1, lambda g, out, x: g * from_pole(
    lambda y, t: y0(t) - y / t, out, x))  # fmt: skip
elementwise(sp.i0, lambda g, _out, x: g * sp.i1(x))
elementwise(sp.i1, lambda g, out, x: g * first_order(i0(x), out, x, sp.iv))
elementwise(sp.i0e, lambda g, out, x: g * decay(
    0, x, -np.sign(x), sp.i1e(x) - np.sign(x) * out, out))  # fmt: skip
elementwise(sp.i1e, lambda g, out, x: g * decay(
    1, x, -np.sign(x), first_order(sp.i0e(x), out, x, sp.ive) - np.sign(x) * out, out))  # fmt: skip
elementwise(sp.k0, lambda g, _out, x: g * -sp.k1(x))
elementwise(sp.k1, lambda g, out, x: -g * (k0(x) + out / x))
elementwise(sp.k0e, lambda g, out, x: g * decay(0, x, 1, from_pole(
    lambda y, t: y - sp.k1e(t), out, x), out))  # fmt: skip
elementwise(sp.k1e, lambda g, out, x: g * decay(1, x, 1, from_pole(
    lambda y, t: y - sp.k0e(t) - y / t, out, x), out))  # fmt: skip
elementwise(sp.jv, None, lambda g, _out, v, x: g * wobble(sp.jv, v, x, -1))
elementwise(sp.yv, None, lambda g, out, v, x: g * from_pole(
    lambda _, t: wobble(sp.yv, v, t, -1), out, x))  # fmt: skip
elementwise(sp.yn, None, lambda g, out, v, x: g * from_pole(
    lambda _, t: wobble(sp.yv, cut(v), t, -1), out, x))  # fmt: skip
elementwise(sp.iv, None, lambda g, _out, v, x: g * wobble(sp.iv, v, x, 1))
elementwise(sp.kv, None, lambda g, _out, v, x: g * -wobble(sp.kv, v, x, 1))
elementwise(sp.kn, None, lambda g, _out, v, x: g * -wobble(sp.kv, cut(v), x, 1))
elementwise(sp.hankel1, None, lambda g, _out, v, x: g * wobble(sp.hankel1, v, x, -1))
elementwise(sp.hankel2, None, lambda g, _out, v, x: g * wobble(sp.hankel2, v, x, -1))
elementwise(sp.hankel1e, None, lambda g, out, v, x: g * decay(
    v, x, 1j, wobble(sp.hankel1e, v, x, -1) - 1j * out, out, off_the_cut(x, 1)))  # fmt: skip
elementwise(sp.hankel2e, None, lambda g, out, v, x: g * decay(
    v, x, -1j, wobble(sp.hankel2e, v, x, -1) + 1j * out, out, off_the_cut(x, -1)))  # fmt: skip
elementwise(sp.jve, None, lambda g, out, v, x: along_imaginary(
    g, out, v, x, wobble(sp.jve, v, x, -1)))  # fmt: skip
elementwise(sp.yve, None, lambda g, out, v, x: along_imaginary(
    g, out, v, x, wobble(sp.yve, v, x, -1)))  # fmt: skip
elementwise(sp.ive, None, lambda g, out, v, x: along_real(
    g, out, v, x, wobble(sp.ive, v, x, 1)))  # fmt: skip
elementwise(sp.kve, None, lambda g, out, v, x: g * decay(v, x, 1, from_pole(
    lambda y, t: y - wobble(sp.kve, v, t, 1), out, x), out))  # fmt: skip
elementwise(sp.struve, None, lambda g, _out, v, x: g * struve_slope(
    lambda t: struve(v - 1, t) - v / t * struve(v, t), v, x, -1))  # fmt: skip
elementwise(sp.modstruve, None, lambda g, _out, v, x: g * struve_slope(
    lambda t: wobble(modstruve, v, t, 1) + struve_term(v, t) / 2, v, x, 1))  # fmt: skip
elementwise(sp.ber, lambda g, _out, x: g * sp.berp(x))
elementwise(sp.bei, lambda g, _out, x: g * sp.beip(x))
elementwise(sp.ker, lambda g, _out, x: g * sp.kerp(x))
elementwise(sp.kei, lambda g, _out, x: g * sp.keip(x))
elementwise(sp.berp, lambda g, out, x: g * (-sp.bei(x) - np.where(x == 0, 0, quotient(out, x))))
elementwise(sp.beip, lambda g, out, x: g * (sp.ber(x) - np.where(x == 0, 0.5, quotient(out, x))))
elementwise(sp.kerp, lambda g, out, x: g * from_pole(
    lambda y, t: -sp.kei(t) - y / t, out, x))  # fmt: skip
elementwise(sp.keip, lambda g, out, x: g * np.where(
    x == 0, sp.ker(x) / 2, sp.ker(x) - out / np.where(x == 0, 1, x)))  # fmt: skip
elementwise(sp.airy, lambda g, out, x: combined(g, out[1], x * out[0], out[3], x * out[2]))
elementwise(sp.iti0k0, lambda g, _out, x: combined(g, i0(x), k0(x)))
elementwise(sp.itj0y0, lambda g, _out, x: combined(g, j0(x), y0(x)))
elementwise(sp.itstruve0, lambda g, _out, x: g * struve(0, x))
elementwise(sp.it2struve0, lambda g, _out, x: g * -struve_ratio(x))
elementwise(sp.itmodstruve0, lambda g, _out, x: g * modstruve(0, x))
