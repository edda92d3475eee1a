"""Elementwise, one operand."""

import numpy as np

from tinygrad_np.autodiff import primitives as p
from tinygrad_np.autodiff.primitives import (
    elementwise,
)
from tinygrad_np.autodiff.rules.elementwise import hypot_slope

from .case import (
    Const,
    between,
    bools,
    complex_,
    empty,
    positive,
    real,
    row,
    scalar,
    unit,
)

row(np.sign, complex_(2, 3))
for fn in (np.negative, np.positive, np.square, np.sin, np.cos, np.arctan, np.sinh, np.cosh,
           np.tanh, np.arcsinh, np.exp, np.exp2, np.expm1, np.conjugate, np.sinc, np.absolute,
           np.real, np.imag, np.reciprocal):  # fmt: skip
    row(fn, real(2, 3))
    row(fn, scalar)
    row(fn, empty)
    if fn not in (np.sinc, np.exp2):
        row(fn, complex_(3))
for fn in (np.exp2, np.sinc):
    row(fn, complex_(3))
row(np.sinc, np.array([0.0, 1e-9, 0.1, 0.29, 0.31]))
for fn in (np.cbrt, np.fabs, np.degrees, np.rad2deg, np.radians, np.deg2rad):
    row(fn, real(2, 3))
    row(fn, scalar)
for fn in (np.log, np.log2, np.log10, np.log1p, np.sqrt):
    row(fn, positive(2, 3))
    row(fn, scalar)
    row(fn, complex_(3))
for fn in (np.arcsin, np.arccos, np.arctanh, np.tan):
    row(fn, unit(2, 3))
    row(fn, complex_(3))
row(np.arccosh, 1 + positive(2, 3))
row(np.arccosh, complex_(3))
row(np.angle, real(2, 3))
row(np.angle, complex_(2, 3))
row(np.angle, complex_(3), deg=True)
for fn in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.fix):
    row(fn, between(2, 3))
    row(fn, np.array(1.3))
row(np.round, between(2, 3) / 10, 1)
row(np.around, between(2, 3) / 10, decimals=1)
row(np.nan_to_num, real(2, 3))
row(elementwise.replace_nonfinite, Const(np.array([np.nan, np.inf, -np.inf, 1.5])), scalar,
    np.array(2.6), np.array(3.9), _reference=lambda x, *v: np.nan_to_num(x, True, *v))  # fmt: skip
row(elementwise.replace_nonfinite, real(3), 0.0, None, None,
    _reference=lambda x, *fills: np.nan_to_num(x, True, *fills))  # fmt: skip
row(np.nan_to_num, complex_(3), copy=True)
row(np.nan_to_num, real(3), nan=2.0, posinf=1.0, neginf=-1.0)
row(np.modf, between(2, 3))

# Elementwise, two operands, with every way their shapes can broadcast.

SHAPES = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((0, 3), (1, 3))]
for fn in (np.add, np.subtract, np.multiply, np.divide):
    for a, b in SHAPES:
        row(fn, real(*a), real(*b, seed=1))
    row(fn, real(2, 3), 2.0)
    row(fn, 2, real(2, 3))
    row(fn, real(2, 3), Const(real(3, seed=1)))
    row(fn, Const(real(2, 3)), real(3, seed=1))
    row(fn, real(3), np.arange(1, 4))
    row(fn, complex_(2, 3), complex_(3, seed=2))
    row(fn, complex_(2, 3), real(3, seed=2))
    row(fn, real(1, 3), complex_(2, 3))
for fn in (np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.logaddexp, np.logaddexp2,
           np.arctan2, hypot_slope):  # fmt: skip
    for a, b in SHAPES:
        row(fn, real(*a), real(*b, seed=1))
    row(fn, real(2, 3), 0.2)
    row(fn, 0.2, real(2, 3))
    row(fn, real(2, 3), Const(real(3, seed=1)))
for fn in (np.maximum, np.minimum, np.fmax, np.fmin):
    row(fn, np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]), _order=1)
for fn in (np.power, np.float_power):
    for a, b in SHAPES:
        row(fn, positive(*a), real(*b, seed=1))
    for exponent in (3, 2, 2.0, 1, 0.5, 0, -1, -2.5):
        row(fn, positive(2, 3), exponent)
    for exponent in (3, 2, -1):
        row(fn, real(2, 3), exponent)
    row(fn, 2.5, real(2, 3))
    row(fn, 2, real(3))
    row(fn, positive(3), Const(np.array([2.0, 0.5, -1.0])))
    row(fn, Const(positive(3)), real(2, 3))
    row(fn, complex_(3), complex_(3, seed=2))
    row(fn, complex_(3), 3)
    row(fn, complex_(3), 0.5)
row(np.power, real(3), np.array([2, 3, 0]))
row(np.power, np.array([-1.4, 0.6, 0.8]), Const(np.array([2.0, 3.0, 0.0])))
row(np.power, np.array([0.0, 1.2, -0.7]), 2)
row(np.power, np.array([0.0, 1.2, -0.7]), 3)
for fn in (np.remainder, np.fmod, np.floor_divide, np.divmod):
    row(fn, real(2, 3), np.array([0.7, -0.9, 1.1]))
    row(fn, real(2, 3), 0.7)
    row(fn, 5.1, real(3))
    row(fn, scalar, np.array([0.7, -0.9, 1.1]))
row(np.copysign, real(2, 3), real(3, seed=1))
row(np.copysign, real(3), -1.0)
row(np.heaviside, real(2, 3), real(3, seed=1))
row(np.heaviside, real(3), 0.5)
row(np.ldexp, real(2, 3), np.array([1, 2, -1]))
row(np.ldexp, real(3), 2)
mask = bools(2, 3)
for a, b in SHAPES[:4]:
    row(np.where, mask, real(*a), real(*b, seed=1))
row(np.where, mask, real(2, 3), 0.0)
row(np.where, mask, 1, real(3))
row(np.where, np.array(True), real(3), real(2, 3, seed=1))
row(np.where, real(3), real(3, seed=1), 0.0)
row(np.where, mask, complex_(2, 3), real(3))
row(np.where, mask, Const(real(2, 3)), real(2, 3, seed=1))
for low, high in [(-0.9, 0.9), (None, 0.9), (-0.9, None)]:
    row(elementwise.clip, real(2, 3), low, high, _reference=np.clip)
    row(np.clip, real(2, 3), low, high)
row(
    elementwise.clip,
    real(2, 3),
    np.array([-0.9, -0.8, -0.7]),
    np.array([[0.9], [0.8]]),
    _reference=np.clip,
)
row(elementwise.clip, real(3), np.array(1.4), np.array(1.2), _reference=np.clip)
row(np.clip, real(2, 3), np.array([-0.9, -0.8, -0.7]), np.array([[0.9], [0.8]]))
row(np.clip, real(2, 3), min=-0.9, max=0.9)
row(np.clip, real(2, 3), max=np.array([0.9, 0.8, 0.7]))
row(np.clip, real(2, 3), a_min=-0.9, a_max=0.9)
row(np.clip, scalar, -0.9, np.array([0.9, 2.0]))
for dtype in (np.float64, np.complex128):
    row(p.cast, real(2, 3), np.dtype(dtype), _reference=np.ndarray.astype)
row(p.cast, complex_(3), np.dtype(float), _reference=lambda x, dtype: x.real.astype(dtype))
