"""Functions that act on each element by itself.

Conventions where a derivative does not exist are in ``docs/conventions.md``.
"""

import functools
import math
from typing import Any

import numpy as np

from ..primitives.dispatch import F, primitive
from ..primitives.elementwise import cast, clip, of_dtype, replace_nonfinite, sigmoid
from .calls import in_numpys_words
from .table import Traits, composite, elementwise

NONE: Any = object()  # an option that was not given
LOG2 = math.log(2.0)
LOG10 = math.log(10.0)
# of x, x**3, … in the derivative of sin(x) / x, highest first; the rest is below 1e-15 for x < 1
SINC_SLOPE = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(9, 0, -1)]


def in_single(fn: F) -> F:
    """A function that computes in float32 where its first argument is float16.

    Arrays of float16 among the others go in as float32, too. The result is float16 unless one of
    them is wider.
    """

    @functools.wraps(fn)
    def run(*args: Any, **options: Any) -> Any:
        first = args[0] if args else next(iter(options.values()), None)
        if getattr(first, "dtype", None) != np.float16:
            try:
                return fn(*args, **options)
            except TypeError as error:
                raise in_numpys_words(error) from None
        given = [*args, *options.values()]
        wider = any(hasattr(v, "dtype") and v.dtype.kind in "fc" and v.dtype.itemsize > 2
                    for v in given)  # fmt: skip
        out = fn(*map(_single, args), **{k: _single(v) for k, v in options.items()})
        if wider:
            return out
        return tuple(map(_half, out)) if isinstance(out, tuple) else _half(out)

    return run  # type: ignore[return-value]


def _half(value: Any) -> Any:
    """What was computed in float32 as float16."""
    return cast(value, np.float16) if value.dtype == np.float32 else value


def _single(value: Any) -> Any:
    """Arrays of float16 as float32."""
    return cast(value, np.float32) if getattr(value, "dtype", None) == np.float16 else value


def as_wide(x: Any, g: Any) -> Any:
    """``x``, in the dtype of both where ``g`` is wider, as the result was computed.

    The logarithm of a small integer would be float16.
    """
    if not hasattr(x, "dtype") or x.dtype is g.dtype:
        return x
    return of_dtype(x, np.result_type(x.dtype, g.dtype))


def power_base(g: Any, x: Any, y: Any) -> Any:
    """x**y by x: y x**(y-1); 0 at x = 0 where that is infinite (as sqrt'(0) = 0)."""
    x = as_wide(x, g)
    if isinstance(y, (int, float)) and abs(y) < math.inf:
        if y == 2:
            return g * (2 * x)
        if y >= 1 or y < 0:
            return g * (y * raised(x, y - 1))
        return root_slope(g * y, x, raised(x, 1 - y)) if y else np.zeros_like(g)
    y = as_wide(y, g)
    flat = (x == 0) & ((y == 0) if _is_complex(x, y) else (y >= 0) & (y < 1))
    below = np.power(np.where(flat, 1, x), np.where(flat, 1, y - 1))
    flat = flat | ((below == 0) & np.isinf(y)) | ((y == 0) & np.isinf(below))  # 0 times infinity
    return np.where(flat, 0, g * (y * below))


def raised(x: Any, y: float) -> Any:
    """x**y by the functions that NumPy's operator has for some powers, on Tensors as on arrays."""
    shortcut = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(y)
    return np.power(x, y) if shortcut is None else shortcut(x)


def power_exponent(g: Any, out: Any, x: Any) -> Any:
    """x**y by y: x**y log x, which is 0 at x = 0."""
    if isinstance(x, (int, float)):
        if x > 0:
            return g * (out * math.log(x))
        x = np.full_like(out, x)
    x = as_wide(x, out)
    zero = np.logical_or(x == 0, out == 0)
    return g * np.where(zero, 0, out * np.log(np.where(zero, 1, x)))


def _is_complex(*values: Any) -> bool:
    return any(np.iscomplexobj(value) for value in values)


def share(g: Any, chosen: Any, other: Any, out: Any) -> Any:
    """The part of ``g`` for ``chosen`` where ``out`` is the larger or smaller: ties get half."""
    whole = cast(chosen == out, np.result_type(g))
    return g * (whole * (1 - 0.5 * cast(other == out, np.result_type(g))))


def angle_slope(g: Any, x: Any) -> Any:
    """The angle turns with 1/|x| across the radius; on the real line it does not turn."""
    if not np.iscomplexobj(x):
        return np.zeros_like(g)
    return turn(g, np.conj(x * 1j), np.abs(x))


def turn(g: Any, across: Any, radius: Any) -> Any:
    """``g across / radius²`` without the square, which ends long before its root does.

    0 at the origin, where no angle is defined, and at infinity.
    """
    apart = np.logical_and(radius > 0, radius < np.inf)
    radius = np.where(apart, radius, 1)
    return np.where(apart, g * (across / radius / radius), 0)


def sign_slope(g: Any, out: Any, x: Any) -> Any:
    """0 on the real line; x / |x| turns as x does: i Im(g out) conj(out) / |x|, 0 at 0."""
    if not np.iscomplexobj(x):
        return np.zeros_like(g)
    size = np.abs(x)
    return np.imag(g * out) * np.conj(out) * 1j / np.where(size == 0, 1, size)


def abs_slope(g: Any, x: Any) -> Any:
    """sign(x), or conj(x)/|x| in the complex plane; 0 at 0."""
    if not np.iscomplexobj(x):
        return g * np.sign(x)
    return g * (hypot_slope(x.real, x.imag) - hypot_slope(x.imag, x.real) * 1j)


def sinc_slope(g: Any, out: Any, x: Any) -> Any:
    """(cos(pi x) - sinc(x)) / x; near 0, where that cancels, its power series."""
    near = np.abs(x) < 0.3
    turned = np.pi * x
    series: Any = 0.0
    for coefficient in SINC_SLOPE:
        series = series * (turned * turned) + coefficient
    far = (np.cos(turned) - out) / np.where(near, 1, x)
    return g * np.where(near, np.pi * turned * series, far)


def root_slope(g: Any, root: Any, divisor: Any) -> Any:
    """``g / divisor``, set to 0 where the root is 0 and its slope infinite."""
    zero = root == 0
    return np.where(zero, 0, g / np.where(zero, 1, divisor))


@primitive
def hypot_slope(x: Any, y: Any) -> Any:
    """x / hypot(x, y), 0 at the origin, sign(x) where x is infinite."""
    radius = np.hypot(x, y)
    apart = np.logical_and(radius > 0, radius < np.inf)
    slope = x / np.where(apart, radius, 1)
    return np.where(apart, slope, np.where(np.isinf(x), np.sign(slope), 0))


def share_of_sum(x: Any, y: Any, scale: float = 1.0) -> Any:
    """exp(x) / (exp(x) + exp(y)); a half where both are the same infinity."""
    apart = np.where((x == y) & np.isinf(x), 0, x - y)
    return sigmoid(apart if scale == 1 else apart * scale)


def root_of_sum(x: Any) -> Any:
    """√(1 + x²), whose square may overflow."""
    if not np.iscomplexobj(x):
        return np.hypot(x, 1)
    root, left = root_of_rest(x * 1j), np.signbit(np.real(x)) & (np.imag(x) > 0)
    return np.where(left & (np.real(root) == 0), -root, root)  # x * 1j made +0.0 of -0.0


def over_square(g: Any, root: Any) -> Any:
    """``g / root²``, where the square may overflow."""
    return g / root / root


def root_of_rest(x: Any) -> Any:
    """√(1 - x²), whose square may overflow; 1 - x would lose the side of the cut that x is on."""
    if np.iscomplexobj(x):
        return np.sqrt(-(x - 1)) * np.sqrt(x - -1)
    return np.sqrt((1 - x) * (1 + x))


elementwise(np.add, lambda g, _out, _x, _y: g, lambda g, _out, _x, _y: g,
            traits=Traits(native=("fadd {t} {a}, {b}",)))  # fmt: skip
elementwise(np.subtract, lambda g, _out, _x, _y: g, lambda g, _out, _x, _y: -g,
            traits=Traits(native=("fsub {t} {a}, {b}",)))  # fmt: skip
elementwise(
    np.multiply,
    lambda g, _out, _x, y: g * y,
    lambda g, _out, x, _y: g * x,
    traits=Traits(neutral=1, native=("fmul {t} {a}, {b}",)),
)
elementwise(np.divide, lambda g, _out, _x, y: g / y, lambda g, out, _x, y: -g * out / y,
            traits=Traits(native=("fdiv {t} {a}, {b}",)))  # fmt: skip
elementwise(
    np.power,
    lambda g, _out, x, y: power_base(g, x, y),
    lambda g, out, x, _y: power_exponent(g, out, x),
)
elementwise(
    np.float_power,
    lambda g, _out, x, y: power_base(g, x, y),
    lambda g, out, x, _y: power_exponent(g, out, x),
)
# the quotients are those that the remainders were made with: 1 % 0.1 is 1 - 9 * 0.1
elementwise(np.remainder, lambda g, _out, _x, _y: g,
            lambda g, _out, x, y: -g * np.floor_divide(x, y))  # fmt: skip
elementwise(np.fmod, lambda g, _out, _x, _y: g,
            lambda g, out, x, y: g * np.rint((out - x) / y))  # fmt: skip
elementwise(np.arctan2, lambda g, _out, x, y: turn(g, y, np.hypot(x, y)),
            lambda g, _out, x, y: turn(-g, x, np.hypot(x, y)))  # fmt: skip
elementwise(np.hypot, lambda g, _out, x, y: g * hypot_slope(x, y),
            lambda g, _out, x, y: g * hypot_slope(y, x))  # fmt: skip
# y² / r³ and -xy / r³: of 1 / r - x² / r³ the digits would cancel
elementwise(hypot_slope, lambda g, _out, x, y: turn(g * hypot_slope(y, x), y, np.hypot(x, y)),
            lambda g, _out, x, y: turn(-g * hypot_slope(y, x), x, np.hypot(x, y)))  # fmt: skip
elementwise(np.logaddexp, lambda g, _out, x, y: g * share_of_sum(x, y),
            lambda g, _out, x, y: g * share_of_sum(y, x))  # fmt: skip
elementwise(np.logaddexp2, lambda g, _out, x, y: g * share_of_sum(x, y, LOG2),
            lambda g, _out, x, y: g * share_of_sum(y, x, LOG2))  # fmt: skip
elementwise(np.copysign, lambda g, _out, x, y: np.where(np.signbit(x) == np.signbit(y), g, -g),
            lambda g, _out, _x, _y: np.zeros_like(g))  # fmt: skip
elementwise(np.heaviside, lambda g, _out, _x, _y: np.zeros_like(g),
            lambda g, _out, x, _y: np.where(x == 0, g, 0))  # fmt: skip
elementwise(np.nextafter, lambda g, _out, _x, _y: g, lambda g, _out, _x, _y: np.zeros_like(g))
elementwise(np.ldexp, lambda g, _out, _x, n: np.ldexp(g, n), None)

# y where both are zero, and x where that is NaN
CHOICE = ["select {m} {0}, {t} {a}, {t} {b}", "fcmp uno {t} {a}, {a}",
          "select {m} {2}, {t} {a}, {t} {1}"]  # fmt: skip
NATIVE = {np.maximum: ("fcmp ogt {t} {a}, {b}", *CHOICE),
          np.minimum: ("fcmp olt {t} {a}, {b}", *CHOICE)}  # fmt: skip
for selection in (np.maximum, np.minimum, np.fmax, np.fmin):
    elementwise(selection, lambda g, out, x, y: share(g, x, y, out),
                lambda g, out, x, y: share(g, y, x, out), selects=1,
                traits=Traits(spreads=True, native=NATIVE.get(selection, ())))  # fmt: skip

elementwise(
    np.where,
    lambda g, _out, _c, _x, _y: np.zeros_like(g),
    lambda g, _out, c, _x, _y: np.where(c, g, 0),
    lambda g, _out, c, _x, _y: np.where(c, 0, g),
    selects=2,
)


def within(g: Any, x: Any, low: Any, high: Any) -> Any:
    """``g`` where the clip let ``x`` pass, bounds included."""
    inside: Any = True
    if low is not None:
        inside = x >= low
    if high is not None:
        inside = np.logical_and(inside, x <= high)
    return np.where(inside, g, 0)


def where_finite(g: Any, x: Any) -> Any:
    """``g`` where ``x`` is finite, of complex numbers for each part by itself."""
    if not np.iscomplexobj(x):
        return np.where(np.isfinite(x), g, 0)
    return where_finite(np.real(g), np.real(x)) + where_finite(np.imag(g), np.imag(x)) * 1j


def in_place_of(g: Any, x: Any, is_replaced: Any) -> Any:
    """What a number gets that stands in place of parts of ``x``."""
    if not np.iscomplexobj(x):
        return np.where(is_replaced(x), g, 0)
    return (np.where(is_replaced(np.real(x)), np.real(g), 0)
            - np.where(is_replaced(np.imag(x)), np.imag(g), 0))  # fmt: skip


elementwise(
    clip,
    lambda g, _out, x, low, high: within(g, x, low, high),
    lambda g, _out, x, low, high: np.where(x < low, within(g, low, None, high), 0),
    lambda g, _out, x, low, high: np.where((x if low is None else np.maximum(x, low)) > high, g, 0),
    selects=2,
)


@composite(np.clip)
def clip_(a: Any, a_min: Any = NONE, a_max: Any = NONE, *, min: Any = NONE, max: Any = NONE) -> Any:
    """Both spellings of the bounds lead to one."""
    if a_min is NONE and a_max is NONE:
        return clip(a, None if min is NONE else min, None if max is NONE else max)
    if a_min is NONE or a_max is NONE or min is not NONE or max is not NONE:
        raise TypeError("np.clip takes both a_min and a_max (None for no bound), or min and max.")
    return clip(a, a_min, a_max)


elementwise(np.negative, lambda g, _out, _x: -g,
            traits=Traits(native=("fneg {t} {a}",)))  # fmt: skip
elementwise(np.positive, lambda g, _out, _x: g,
            traits=Traits(copies=True, native=("freeze {t} {a}",)))  # fmt: skip
elementwise(np.exp, lambda g, out, _x: g * out)
elementwise(np.exp2, lambda g, out, _x: g * (out * LOG2))
elementwise(np.expm1, lambda g, _out, x: g * np.exp(x))
elementwise(np.log, lambda g, _out, x: g / x)
elementwise(np.log2, lambda g, _out, x: g / LOG2 / x)
elementwise(np.log10, lambda g, _out, x: g / LOG10 / x)
elementwise(np.log1p, lambda g, _out, x: g / (x + 1))
elementwise(np.sqrt, lambda g, out, _x: root_slope(g, out, 2 * out),
            traits=Traits(native=("call {t} @llvm.sqrt({t} {a})",)))  # fmt: skip
elementwise(np.cbrt, lambda g, out, _x: root_slope(g, out, 3 * (out * out)))
elementwise(np.square, lambda g, _out, x: g * (2 * x),
            traits=Traits(native=("fmul {t} {a}, {a}",)))  # fmt: skip
elementwise(np.reciprocal, lambda g, out, _x: -g * (out * out))
elementwise(np.absolute, lambda g, _out, x: abs_slope(g, x),
            traits=Traits(native=("call {t} @llvm.fabs({t} {a})",)))  # fmt: skip
elementwise(np.fabs, lambda g, _out, x: g * np.sign(x),
            traits=Traits(native=("call {t} @llvm.fabs({t} {a})",)))  # fmt: skip
elementwise(sigmoid, lambda g, out, _x: g * (out * (1 - out)))
elementwise(np.sin, lambda g, _out, x: g * np.cos(x))
elementwise(np.cos, lambda g, _out, x: -g * np.sin(x))
elementwise(np.tan, lambda g, out, _x: g * (1 + out * out))
elementwise(np.arcsin, lambda g, _out, x: g / root_of_rest(x))
elementwise(np.arccos, lambda g, _out, x: -g / root_of_rest(x))
elementwise(np.arctan, lambda g, _out, x: over_square(g, root_of_sum(x)))
elementwise(np.sinh, lambda g, _out, x: g * np.cosh(x))
elementwise(np.cosh, lambda g, _out, x: g * np.sinh(x))
elementwise(np.tanh, lambda g, out, _x: g * (1 - out * out))
elementwise(np.arcsinh, lambda g, _out, x: g / root_of_sum(x))
elementwise(np.arccosh, lambda g, _out, x: g / (np.sqrt(x - 1) * np.sqrt(x - -1)))
elementwise(np.arctanh, lambda g, _out, x: g / (1 - x) / (1 + x))
elementwise(np.sinc, lambda g, out, x: sinc_slope(g, out, x))
elementwise(np.degrees, lambda g, _out, _x: g * (180 / math.pi))
elementwise(np.rad2deg, lambda g, _out, _x: g * (180 / math.pi))
elementwise(np.radians, lambda g, _out, _x: g * (math.pi / 180))
elementwise(np.deg2rad, lambda g, _out, _x: g * (math.pi / 180))
elementwise(np.conjugate, lambda g, _out, _x: np.conjugate(g))
elementwise(np.real, lambda g, _out, _x: g)
elementwise(np.imag, lambda g, _out, _x: g * -1j if np.iscomplexobj(_x) else np.zeros_like(g))
elementwise(np.angle, lambda g, _out, x, deg=False: angle_slope(g, x) * (180 / np.pi if deg else 1))
elementwise(
    replace_nonfinite,
    lambda g, _out, x, _nan, _posinf, _neginf: where_finite(g, x),
    lambda g, _out, x, _nan, _posinf, _neginf: in_place_of(g, x, np.isnan),
    lambda g, _out, x, _nan, _posinf, _neginf: in_place_of(g, x, lambda v: v == np.inf),
    lambda g, _out, x, _nan, _posinf, _neginf: in_place_of(g, x, lambda v: v == -np.inf),
    selects=2,
)
elementwise(cast, lambda g, _out, _x, dtype: g, traits=Traits(copies=True, by_row=1))

elementwise(np.sign, lambda g, out, x: sign_slope(g, out, x))
for step in (np.floor, np.ceil, np.trunc, np.rint):
    elementwise(step, lambda g, _out, _x: np.zeros_like(g))
for round_to in (np.round, np.around):
    elementwise(round_to, lambda g, _out, _x, decimals=0: np.zeros_like(g))
elementwise(np.fix, lambda g, _out, _x: np.zeros_like(g))
elementwise(np.floor_divide, lambda g, _out, _x, _y: np.zeros_like(g),
            lambda g, _out, _x, _y: np.zeros_like(g))  # fmt: skip


@composite(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Numbers in place of what is none; out of place only."""
    if not copy:
        raise NotImplementedError("np.nan_to_num(copy=False) is not recorded; assign the result.")
    shape = np.broadcast_shapes(*map(np.shape, (x, nan, posinf, neginf)))
    if shape != np.shape(x):
        raise ValueError(f"np.nan_to_num: x of shape {np.shape(x)} cannot hold values of {shape}.")
    return replace_nonfinite(x, nan, posinf, neginf)
