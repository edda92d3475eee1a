"""The table of cases: what the tests try of every operation that has a derivative.

One ``row`` per way of calling an operation. Every floating-point or complex array among the
arguments is a variable; ``Const`` marks one that is not.
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_np.autodiff import primitives as p
from tinygrad_np.autodiff.primitives import ARRAY
from tinygrad_np.autodiff.rules import (
    convolution,
    elementwise,
    linear_algebra,
    neural,
    reductions,
    shaping,
)


@dataclass(frozen=True)
class Const:
    """An array that is not differentiated by."""

    array: np.ndarray


def is_variable(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def transform(visit: Callable[[Any], Any], tree: Any) -> Any:
    """``tree`` with ``visit`` applied to everything that is not a list, tuple or dict."""
    if type(tree) in (list, tuple):
        return type(tree)(transform(visit, part) for part in tree)
    if type(tree) is dict:
        return {key: transform(visit, part) for key, part in tree.items()}
    return visit(tree)


@dataclass(frozen=True, eq=False)
class Case:
    """One way of calling an operation.

    ``reference`` computes the value with NumPy alone; ``order`` is how often the operation can be
    differentiated at these arguments in agreement with finite differences.
    """

    id: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reference: Callable[..., Any]
    order: int

    @property
    def variables(self) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        transform(lambda v: found.append(v) if is_variable(v) else None, [self.args, self.kwargs])
        return found

    def call(self, *variables: Any, fn: Callable[..., Any] | None = None) -> Any:
        """The operation at other variables."""
        following = iter(variables)

        def visit(value: Any) -> Any:
            if is_variable(value):
                return next(following)
            return value.array if isinstance(value, Const) else value

        args, kwargs = transform(visit, [self.args, self.kwargs])
        return (fn or self.fn)(*args, **kwargs)

    def astype(self, double: str) -> "Case":
        """The same case with all its floating-point arrays in another dtype."""
        single = np.result_type(double, np.complex64)

        def visit(value: Any) -> Any:
            if isinstance(value, Const):
                kind = value.array.dtype.kind
                return Const(value.array.astype(double)) if kind in "fc" else value
            if not is_variable(value):
                return value
            return value.astype(single if value.dtype.kind == "c" else double)

        args, kwargs = transform(visit, [self.args, self.kwargs])
        return Case(self.id, self.fn, args, kwargs, self.reference, self.order)


CASES: list[Case] = []


def full_name(fn: Callable[..., Any]) -> str:
    room = getattr(fn, "__module__", None) or "numpy"
    return f"{room.rpartition('.')[2]}.{fn.__name__}".removeprefix("numpy.")


def describe(value: Any) -> str:
    if isinstance(value, Const):
        return "const" + describe(value.array)
    if isinstance(value, np.ndarray):
        return f"{value.dtype.char}{'x'.join(map(str, value.shape))}"
    if isinstance(value, (list, tuple)):
        return "(" + " ".join(map(describe, value)) + ")"
    if isinstance(value, slice):
        return f"{value.start}:{value.stop}:{value.step}"
    return "..." if value is Ellipsis else getattr(value, "__name__", str(value))


def row(
    fn: Callable[..., Any], *args: Any, _order: int = 2, _reference: Any = None, **kwargs: Any
) -> None:
    shown = [describe(a) for a in args] + [f"{k}={describe(v)}" for k, v in kwargs.items()]
    number = sum(case.fn is fn for case in CASES)
    name = f"{full_name(fn)}.{number}({','.join(shown)})"
    CASES.append(Case(name, fn, args, kwargs, _reference or fn, _order))


def real(*shape: int, seed: int = 0) -> np.ndarray:
    """Distinct numbers of both signs, none near 0, none shared by two seeds."""
    n = int(np.prod(shape))
    rng = np.random.default_rng(seed)
    size = rng.permutation(np.linspace(0.43, 1.87, n)) + 0.05 * seed
    return (size * np.where(np.arange(n) % 2, -1.0, 1.0)).reshape(shape)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.abs(real(*shape, seed=seed))


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers between -0.8 and 0.8."""
    return real(*shape, seed=seed) * 0.4


def between(*shape: int) -> np.ndarray:
    """Numbers of both signs, away from all multiples of a half."""
    n = int(np.prod(shape))
    return (np.arange(n) - n // 2 + np.linspace(0.15, 0.35, n)).reshape(shape)


def complex_(*shape: int, seed: int = 0) -> np.ndarray:
    return real(*shape, seed=seed) + 1j * real(*shape, seed=seed + 1)


def bools(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).permutation(np.arange(np.prod(shape)) % 2 == 0).reshape(shape)


empty = np.zeros((0, 3))
scalar = np.array(1.3)

# Elementwise, one operand.

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
           np.arctan2):  # fmt: skip
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

# Reductions: every axis, dims kept or not, masks, first values, ties, zeros, nothing at all.

AXES: list[dict[str, Any]] = [
    {}, {"axis": 0}, {"axis": 1}, {"axis": -1}, {"axis": (0, 2)}, {"axis": (-1, 0)}, {"axis": ()},
    {"axis": None, "keepdims": True}, {"axis": -2, "keepdims": True},
    {"axis": (0, 1), "keepdims": True},
]  # fmt: skip
wheres = bools(2, 3)
for fn in (np.sum, np.mean, np.prod, np.max, np.min, np.amax, np.amin, np.var, np.std):
    for options in AXES:
        if fn is np.std and options.get("axis") == ():
            continue  # the deviation of one number is 0: a kink, see test_laws
        row(fn, real(2, 2, 2), **options)
    row(fn, real(2, 3), 1)
    if fn is not np.std:
        row(fn, scalar)
for fn in (np.sum, np.mean, np.prod):
    row(fn, real(2, 3), where=wheres)
    row(fn, real(2, 3), axis=1, where=np.array([True, False, True]))
    row(fn, real(2, 3), axis=0, keepdims=True, where=np.array([[True], [True]]))
    row(fn, complex_(2, 3), axis=1)
    row(fn, real(2, 3), dtype=np.float64)
for fn in (np.sum, np.prod):
    row(fn, empty)
    row(fn, empty, axis=0)
    row(fn, empty, axis=1)
    row(fn, real(2, 3), initial=2.5)
    row(fn, real(2, 3), axis=1, initial=2.5, where=np.array([True, False, True]))
    row(fn, real(2, 3), axis=0, initial=3, keepdims=True)
row(np.mean, np.zeros((3, 0)), axis=0)
row(np.std, np.zeros((3, 0)), axis=0)
for zeros in ([0.0, 1.2, -0.7], [0.0, 0.0, -0.7], [0.0, 0.0, 0.0]):
    row(np.prod, np.array([zeros, [1.1, 0.6, -0.8]]), axis=1)
    row(np.prod, np.array([zeros, [1.1, 0.6, -0.8]]))
    row(np.cumprod, np.array([zeros, [1.1, 0.6, -0.8]]), axis=1)
    row(np.cumprod, np.array(zeros))
row(
    np.prod,
    np.array([[0.0, 1.2], [0.0, 0.7]]),
    axis=0,
    where=np.array([[True, True], [False, True]]),
)
for fn, first in ((np.max, -3.0), (np.min, 3.0), (np.amax, 0.1), (np.amin, -0.1)):
    row(fn, real(2, 3), initial=first)
    row(fn, real(2, 3), axis=1, initial=first, where=wheres)
    row(fn, real(2, 3), axis=0, initial=first, where=np.array([True, False, True]), keepdims=True)
    row(fn, empty, axis=0, initial=first)
    row(fn, np.array([[1.0, 1.0, 0.4], [0.3, 0.8, 0.8]]), axis=1, _order=1)
row(np.max, np.array([0.5, 1.5]), initial=1.5, _order=1)
row(np.min, np.array([0.5, 1.5]), initial=0.5, _order=1)
for fn in (np.var, np.std):
    row(fn, real(2, 3), ddof=1)
    row(fn, real(2, 3), axis=1, ddof=1, keepdims=True)
    row(fn, real(2, 3), 0, ddof=0.5)
    row(fn, complex_(2, 3), axis=1)
for fn, theirs in ((reductions.variance, np.var), (reductions.deviation, np.std)):
    row(fn, real(2, 3), _reference=theirs)
    row(fn, real(2, 3), 1, ddof=1, keepdims=True, _reference=theirs)
    row(theirs, real(2, 3), where=wheres)
    row(theirs, real(3, 3), axis=1, where=np.array([True, False, True]), correction=1)


def lengths(x: Any, axis: Any) -> Any:
    return np.sqrt(np.sum(np.abs(x) ** 2, axis=axis, keepdims=True))


for shape, axis in (((2, 3), None), ((2, 3), 1), ((2, 2, 3), (0, 2))):
    row(reductions.length, real(*shape), axis, _reference=lengths)
    row(reductions.unit, real(*shape), axis, _reference=lambda x, axis: x / lengths(x, axis))
row(reductions.length, complex_(2, 3), 1, _reference=lengths)
row(reductions.unit, complex_(2, 3), 1, _reference=lambda x, axis: x / lengths(x, axis))
row(reductions.nonzero, real(3), _reference=np.array)
for fn in (np.cumsum, np.cumprod):
    row(fn, real(2, 3))
    for axis in (0, 1, -1):
        row(fn, real(2, 3), axis=axis)
    row(fn, real(5), 0)
    row(fn, empty, axis=0)
    row(fn, empty)
    row(fn, complex_(3))
row(np.average, real(2, 3))
row(np.average, real(2, 3), axis=1, returned=True)
row(np.average, real(2, 3), axis=[0])
row(np.average, real(2, 3), axis=True)
row(np.average, real(2, 3), axis=[0, 1], weights=positive(2, 3, seed=1))
row(np.prod, real(2, 3), axis=0, initial=None)
row(np.average, real(2, 3), axis=1, weights=np.array([0.2, 0.5, 0.9]))
row(np.average, real(2, 3), weights=positive(2, 3, seed=1), returned=True)
row(np.average, real(2, 3), axis=0, weights=positive(2, 3, seed=1), keepdims=True)
for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}):
    row(np.ptp, real(2, 3), **options)
    row(np.nansum, real(2, 3), **options)
    row(np.nanmean, real(2, 3), **options)
for options in ({}, {"n": 2}, {"axis": 0}, {"n": 2, "axis": -2}, {"n": 0}):
    row(np.diff, real(3, 4), **options)

# Shaping.

for shape in ((3, 2), (6,), -1, (3, -1), (1, 2, 3)):
    row(np.reshape, real(2, 3), shape)
row(np.reshape, real(2, 3), (3, 2), order="F")
row(np.reshape, real(2, 3), (3, 2), "F")
row(np.reshape, scalar, (1, 1))
row(np.reshape, empty, (3, 0))
row(np.reshape, real(2, 3), shape=(6,))
row(np.ravel, real(2, 3))
row(np.ravel, real(2, 3), order="F")
row(np.transpose, real(2, 3))
for axes in ((2, 0, 1), (-1, 0, 1), [1, 0, 2], None):
    row(np.transpose, real(2, 1, 3), axes)
row(np.transpose, real(2, 1, 3), axes=(1, 2, 0))
row(np.transpose, scalar)
row(np.swapaxes, real(2, 1, 3), 0, -1)
row(np.moveaxis, real(2, 1, 3), 0, -1)
row(np.moveaxis, real(2, 1, 3), (0, 2), (-1, 0))
row(np.moveaxis, real(2, 1, 3), source=2, destination=0)
row(np.rollaxis, real(2, 1, 3), 2)
row(np.rollaxis, real(2, 1, 3), 0, 3)
row(np.rollaxis, real(2, 1, 3), -1, start=-2)
for fn in (np.matrix_transpose, np.linalg.matrix_transpose):
    row(fn, real(2, 1, 3))
for axis in (0, -1, (0, 2)):
    row(np.expand_dims, real(2, 3), axis)
    row(np.expand_dims, real(2, 3), axis=axis)
row(np.squeeze, real(1, 3, 1))
row(np.squeeze, real(1, 3, 1), 0)
row(np.squeeze, real(1, 3, 1), axis=(0, -1))
for shape in ((2, 3), (4, 2, 3), (2, 0)):
    row(np.broadcast_to, real(2, 1), shape)
    row(p.broadcast, real(2, 1), shape, _reference=np.broadcast_to)
row(np.broadcast_to, scalar, (2, 2))
row(np.broadcast_arrays, real(2, 1), real(3, seed=1), scalar)
row(np.copy, real(2, 3))
row(p.identity, real(2, 3), _reference=np.array)
row(p.lent, real(2, 3), _reference=np.array)
for axis in (None, 0, -1, (0, 1)):
    row(np.flip, real(2, 3), axis)
row(np.flip, real(2, 3), axis=1)
row(np.fliplr, real(2, 3))
row(np.flipud, real(2, 3))
for k in (0, 1, 2, 3, -1):
    row(np.rot90, real(2, 3), k)
row(np.rot90, real(2, 1, 3), k=1, axes=(2, 0))
for shift, axis in ((1, None), (-2, 0), (2, -1), ((1, 2), (0, 1)), (4, (0, 1))):
    row(np.roll, real(2, 3), shift, axis)
row(np.roll, real(2, 3), 1, axis=1)
for repeats, axis in ((2, None), (2, 0), ([1, 2, 0], 1), ([2], 0), ([1, 0, 2, 0, 1, 3], None)):
    row(np.repeat, real(2, 3), repeats, axis)
row(np.repeat, real(3), np.array([2, 0, 1]), axis=-1)
row(np.repeat, scalar, 3)
row(np.repeat, empty, 2, axis=1)
for reps in (2, (2, 1), (3, 2, 1), [2], (1, 0)):
    row(np.tile, real(2, 3), reps)
row(np.tile, scalar, (2, 2))
for fn in (np.tril, np.triu):
    row(fn, real(3, 3))
    row(fn, real(2, 3), 1)
    row(fn, real(2, 3, 3), k=-1)
for fn in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    for shape in ((), (2,), (2, 3), (1, 2, 2)):
        row(fn, real(*shape))
row(p.concat, real(2, 3), real(1, 3, seed=1), real(2, 3, seed=2),
    _reference=lambda *xs: np.concatenate(xs))  # fmt: skip
row(p.concat, real(2, 1), real(2, 3), axis=-1,
    _reference=lambda *xs, axis: np.concatenate(xs, axis=axis))  # fmt: skip
for axis in (0, None):
    row(np.concatenate, [real(2, 3), real(1, 3, seed=1)], axis)
row(np.concatenate, (real(2, 1), Const(real(2, 2)), real(2, 3, seed=1)), axis=-1)
row(np.concatenate, [real(2, 3), empty], dtype=np.float64)
row(np.concatenate, [real(2), complex_(2)])
for axis in (0, 1, -1):
    row(np.stack, [real(2, 3), real(2, 3, seed=1)], axis=axis)
row(np.stack, [scalar, np.array(0.4)])
row(np.vstack, [real(3), real(2, 3, seed=1)])
row(np.hstack, [real(2), real(3, seed=1), scalar])
row(np.hstack, [real(2, 1), real(2, 3, seed=1)])
row(np.dstack, [real(2, 3), real(2, 3, seed=1)])
row(np.column_stack, [real(2), real(2, 3, seed=1)])
row(np.append, real(2, 3), real(3, seed=1))
row(np.append, real(2, 3), real(1, 3, seed=1), axis=0)
for fn, shape, sections in (
    (np.array_split, (5, 2), 3), (np.array_split, (5, 2), [1, 3]), (np.split, (4, 2), 2),
    (np.split, (4, 2), [1, 2, 6]), (np.hsplit, (2, 4), 2), (np.hsplit, (4,), 2),
    (np.vsplit, (4, 2), 2), (np.dsplit, (1, 2, 4), 2),
):  # fmt: skip
    row(fn, real(*shape), sections)
row(np.split, real(2, 4), 2, axis=-1)
row(np.array_split, real(2, 3), 2, axis=1)
row(np.array_split, real(5, 2), [-2])
if hasattr(np, "unstack"):
    row(np.unstack, real(2, 3))
    row(np.unstack, real(2, 3), axis=-1)
row(shaping.pad_zeros, real(2, 3), [[1, 0], [0, 2]], _reference=np.pad)
for width in (1, (1, 2), ((1, 0), (0, 2)), ((1,), (2,))):
    row(np.pad, real(2, 3), width)
    for mode in ("edge", "wrap", "reflect", "symmetric"):
        row(np.pad, real(2, 3), width, mode)
row(np.pad, real(2, 3), 1, constant_values=1.5)
row(np.pad, real(2, 3), 1, constant_values=((1, 2), (3, 4)))
row(np.pad, real(3), (1, 2), mode="constant", constant_values=(0.5, -1))
for shape in (4, (2, 4), (3, 0)):
    row(np.resize, real(2, 3), shape)
row(np.resize, empty, (2, 2))
row(np.delete, real(2, 3), 1)
row(np.delete, real(2, 3), [0, 2], axis=1)
row(np.delete, real(4, 2), slice(0, None, 2), axis=0)
row(np.delete, real(3), np.array([True, False, True]))
row(np.delete, real(2, 3), -1, -1)

# Indexing.

row(np.full_like, real(2, 3), scalar)
row(np.full_like, real(2, 3), real(2, 1, seed=1), shape=(2, 2))
row(np.full_like, real(2, 3), 2.0, dtype=np.complex128)
fancy, repeated = np.array([2, 0]), np.array([1, 1, 0])
INDICES: list[tuple[Any, ...]] = [
    (1,), (-1,), (slice(None, None, 2),), (slice(None, None, -1),), (Ellipsis, 0), (None, 1),
    (slice(0, 0),), (slice(None), slice(1, None)), (), (np.intp(1),), (1, 2),
    (fancy,), (repeated,), (slice(None), repeated), (repeated, np.array([0, 0, 2])),
    (np.array([[0, 1], [1, 2]]),), (bools(4, 3),), (np.array([True, False, True, True]),),
    (np.array([True, False, True, False]), fancy), (0, repeated), (repeated, None, fancy[:1]),
    (np.array(1),), (np.array([], dtype=np.intp),), (-fancy,), (np.array(True),),
    (fancy[:, None], fancy), (slice(1, 3), np.array([False, True, True])),
]  # fmt: skip


def split(index: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[np.ndarray]]:
    """An index as its layout and its arrays."""
    arrays = [part for part in index if isinstance(part, np.ndarray)]
    return tuple(ARRAY if isinstance(part, np.ndarray) else part for part in index), arrays


def joined(layout: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    following = iter(arrays)
    return tuple(next(following) if part is ARRAY else part for part in layout)


def added(g: Any, shape: Any, layout: Any, *arrays: Any) -> Any:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, joined(layout, arrays), g)
    return out


def written(x: Any, value: Any, layout: Any, *arrays: Any) -> Any:
    out = x.copy()
    out[joined(layout, arrays)] = value
    return out


for index in INDICES:
    layout, arrays = split(index)
    there = real(4, 3)[index].shape
    row(p.take_at, real(4, 3), layout, *arrays, _reference=lambda x, lay, *a: x[joined(lay, a)])
    row(p.add_at, real(*there), (4, 3), layout, *arrays, _reference=added)
    row(p.replace_at, real(4, 3), real(*there, seed=1), layout, *arrays, _reference=written)
row(p.replace_at, real(4, 3), scalar, (ARRAY,), repeated, _reference=written)
row(p.replace_at, real(4, 3), 0.0, (slice(None), 1), _reference=written)
row(p.replace_at, real(4, 3), real(3, seed=1), (ARRAY,), bools(4), _reference=written)
row(p.replace_at, real(4, 3), real(2, 1, seed=1), (slice(1, 3),), _reference=written)
row(p.replace_at, real(4, 3), real(1, 1, 3, seed=1), (slice(1, 3),), _reference=written)
row(p.take_at, scalar, (Ellipsis,), _reference=lambda x, _: x)
row(p.take_at, scalar, (None,), _reference=lambda x, _: x[None])
row(np.take, real(2, 3), fancy)
row(np.take, real(2, 3), [[0, 5], [1, 1]])
row(np.take, real(2, 3), 1, axis=1)
row(np.take, real(2, 3), repeated, axis=-1)
row(np.take, real(2, 3), np.array([4, -1]), axis=1, mode="wrap")
row(np.take, real(2, 3), np.array([4, -1]), 1, mode="clip")
order = np.argsort(real(2, 3), axis=1)
row(np.take_along_axis, real(2, 3), order, 1)
row(np.take_along_axis, real(2, 3), order[:, :1], axis=-1)
row(np.take_along_axis, real(2, 3), np.array([[1, 0, 0]]), axis=0)
row(np.take_along_axis, real(2, 3), np.array([[1]]), axis=1)
row(np.take_along_axis, real(2, 3), np.array([5, 0]), axis=None)
for axis in (-1, 0, None):
    row(np.sort, real(2, 3), axis)
row(np.sort, real(2, 3), axis=1, kind="stable")
row(np.partition, real(2, 3), 1)  # the rows say all about the order: NumPy's own may differ
row(np.partition, real(3), 1, axis=None)
row(np.partition, real(4, 3), (1, 2), 0)
row(np.compress, np.array([True, False, True]), real(2, 3), axis=1)
row(np.compress, [0, 1, 1], real(2, 3))
row(np.lexsort, (real(3), real(3, seed=1)))
row(np.extract, bools(2, 3), real(2, 3))
row(np.select, [mask, ~mask], [real(2, 3), real(2, 3, seed=1)])
row(np.select, [np.array([True, False, False]), np.array([True, True, False])],
    [real(3), real(3, seed=1)], 0.5)  # fmt: skip
for fn in (np.diagonal,):
    for offset, *axes in ((0,), (1,), (-2,), (5,), (0, 1, 0), (0, 0, -1)):
        row(fn, real(3, 4), offset, *axes)
    row(fn, real(2, 3, 3), offset=-1, axis1=1, axis2=2)
row(np.linalg.diagonal, real(3, 4))
row(np.linalg.diagonal, real(2, 3, 3), offset=1)
for offset in (0, 1, -1):
    row(np.trace, real(3, 4), offset)
    row(np.diag, real(3, 4), offset)
    row(np.diag, real(3), offset)
row(np.trace, real(2, 3, 3), axis1=1, axis2=-1)
row(np.diag, complex_(2), k=-1)

# Products.

PRODUCTS = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((2, 2, 3), (3, 2)),
            ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (2, 3, 1)), ((2, 2, 3), (3,)), ((3,), (2, 3, 2)),
            ((1, 2, 3), (2, 3, 1)), ((2, 0), (0, 2)), ((0, 3), (3, 2))]  # fmt: skip
for a, b in PRODUCTS:
    row(np.matmul, real(*a), real(*b, seed=1))
row(np.matmul, real(2, 3), Const(real(3, 2)))
row(np.matmul, Const(real(2, 3)), real(3, 2))
row(np.matmul, real(2, 3), np.arange(6).reshape(3, 2))
row(np.matmul, complex_(2, 3), complex_(3, 2, seed=2))
row(np.matmul, real(2, 3), complex_(3))
DOTS = [
    ((), ()),
    ((), (2, 3)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 2)),
    ((2, 2, 3), (3,)),
    ((2, 3), (2, 3, 2)),
    ((2, 2, 3), (1, 3, 2)),
    ((3,), (2, 3, 2)),
]
for a, b in DOTS:
    row(np.dot, real(*a), real(*b, seed=1))
row(np.dot, real(2, 3), scalar)
row(np.dot, complex_(2, 3), complex_(3, seed=2))
for a, b in [((), (2,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((3,), (1, 2, 3))]:
    row(np.inner, real(*a), real(*b, seed=1))
row(np.vdot, real(2, 3), real(2, 3, seed=1))
row(np.vdot, complex_(3), complex_(3, seed=2))
for fn in (np.outer, np.linalg.outer):
    row(fn, real(2), real(3, seed=1))
    row(fn, complex_(2), real(3, seed=2))
row(np.outer, real(2, 2), scalar)
for fn in (np.tensordot, np.linalg.tensordot):
    row(fn, real(2, 3), real(3, 2, seed=1), axes=1)
    row(fn, real(2, 3), real(2, 3, seed=1))
    row(fn, real(2), real(3, seed=1), axes=0)
    row(fn, real(2, 3), real(4, 2, seed=1), axes=(0, 1))
    row(fn, real(2, 3, 2), real(2, 2, 3, seed=1), axes=([1, 0], [-1, 0]))
    row(fn, real(2, 1, 3), real(3, 1, seed=1), axes=([-1], [0]))
for a, b in [((2,), (3,)), ((2, 2), (1, 3)), ((2,), (2, 2)), ((), (2,)), ((1, 2, 1), (2, 2))]:
    row(np.kron, real(*a), real(*b, seed=1))
for fn in (np.cross, np.linalg.cross):
    row(fn, real(3), real(3, seed=1))
    row(fn, real(2, 3), real(3, seed=1))
    row(fn, real(3, 2), real(3, 2, seed=1), axis=0)
EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("i,i->", (3,), (3,)),
    ("i,j->ji", (2,), (3,)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 1)),
    ("...i->...", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("bij,bj->bi", (2, 2, 3), (2, 3)),
    ("iij,j->i", (2, 2, 3), (3,)),
    ("i,->i", (3,), ()),
    ("ji", (2, 3)),
    ("iii->i", (2, 2, 2)),
    ("i...,i...->...", (2, 3), (2, 1)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    (" i j , j -> i ", (2, 3), (3,)),
]
for subscripts, *shapes in EINSUMS:
    row(np.einsum, subscripts, *(real(*s, seed=k) for k, s in enumerate(shapes)))
row(np.einsum, "ij,jk->ik", real(2, 3), Const(real(3, 2)), optimize=True)
row(np.einsum, "i,i->", complex_(3), complex_(3, seed=2))
for subscripts, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij->", (2, 3)),
    ("i,j,i->j", (2,), (3,), (2,)),
    ("ij,j->i", (2, 3), (1,)),
]:
    row(linear_algebra.contract, *(real(*s, seed=k) for k, s in enumerate(shapes)),
        subscripts=subscripts,
        _reference=lambda *xs, subscripts: np.einsum(subscripts, *xs))  # fmt: skip

# Matrices.

square = real(3, 3) + 3 * np.eye(3)
batch = np.stack([square, square.T + 0.5 * real(3, 3, seed=1)])
for a, b in [
    (square, real(3)),
    (square, real(3, 2)),
    (batch, real(2, 3, 1)),
    (square, real(2, 3, 2)),
    (batch, real(3, 2)),
    (square + 1j * real(3, 3, seed=1), complex_(3)),
]:
    row(np.linalg.solve, a, b)
row(np.linalg.solve, Const(square), real(3))
row(np.linalg.solve, square, Const(real(3)))
for fn in (np.linalg.inv, np.linalg.det):
    row(fn, square)
    row(fn, batch)
    row(fn, np.array([[1.7]]))
    row(fn, real(2, 2) + 2 * np.eye(2))
    row(fn, square + 1j * real(3, 3, seed=1))
row(np.linalg.det, np.outer([1.0, 0.5, -0.7], [0.4, 1.1, 0.9]))
row(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]))
for n in (0, 1, 2, 3, -1, -2):
    row(np.linalg.matrix_power, square / 3, n)
row(np.linalg.multi_dot, [real(2, 3), real(3, 2, seed=1), real(2, 2, seed=2)])
row(np.linalg.multi_dot, [real(3), real(3, 2, seed=1), real(2, seed=2)])
for ord_ in (None, 2, 1, 3, 2.5, 0, np.inf, -np.inf, -1):
    row(np.linalg.norm, real(3), ord_)
    row(np.linalg.norm, real(2, 3), ord_, axis=1)
row(np.linalg.norm, real(2, 3))
row(np.linalg.norm, real(2, 3), "fro", keepdims=True)
row(np.linalg.norm, real(2, 2, 3), axis=(0, 2))
row(np.linalg.norm, real(2, 3), axis=-1, keepdims=True)
for order in (3, 0.5, -1, -2.5):
    row(linear_algebra.power_norm, real(2, 3), order, 1, _reference=np.linalg.norm)
row(linear_algebra.power_norm, real(2, 3), 3, 0, keepdims=True, _reference=np.linalg.norm)
row(linear_algebra.euclidean_norm, real(2, 3), 1, keepdims=True,
    _reference=lambda x, axis, keepdims: np.linalg.norm(x, None, axis, keepdims))  # fmt: skip
row(np.linalg.norm, complex_(3))
row(np.linalg.norm, complex_(3), 1)

# Networks.


def exact_softmax(x: Any, axis: int = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


row(neural.relu, real(2, 3), _reference=lambda x: np.maximum(x, 0))
row(neural.leaky_relu, real(2, 3), _reference=lambda x: np.where(x > 0, x, 0.01 * x))
row(neural.leaky_relu, real(3), 0.3, _reference=lambda x, s: np.where(x > 0, x, s * x))
row(
    neural.leaky_relu, real(3), slope=0.3, _reference=lambda x, slope: np.where(x > 0, x, slope * x)
)
row(neural.sigmoid, real(2, 3), _reference=lambda x: 1 / (1 + np.exp(-x)))
HAS_SCIPY = importlib.util.find_spec("scipy") is not None
if HAS_SCIPY:
    row(neural.erf, real(2, 3), _reference=np.vectorize(math.erf))
for options in ({}, {"axis": 0}, {"axis": 1}):
    row(neural.logsumexp, real(2, 3), **options, _reference=lambda x, axis=-1: np.log(
        np.sum(np.exp(x), axis=axis, keepdims=True)))  # fmt: skip
    row(neural.softmax, real(2, 3), **options, _reference=exact_softmax)
    row(neural.log_softmax, real(2, 3), **options,
        _reference=lambda x, axis=-1: np.log(exact_softmax(x, axis)))  # fmt: skip
row(neural.cross_entropy, real(2, 3), np.array([2, 0]), _reference=lambda x, labels: -np.mean(
    np.log(exact_softmax(x))[np.arange(len(labels)), labels]))  # fmt: skip
targets = np.linspace(0.05, 0.95, 6).reshape(2, 3)
row(neural.in_unit_interval, targets, "loss", _reference=lambda t, _: t)
row(neural.binary_cross_entropy, real(2, 3), targets, _reference=lambda x, t: np.mean(
    t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))))  # fmt: skip
row(neural.binary_cross_entropy, real(2, 3), Const(targets), _reference=lambda x, t: np.mean(
    t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))))  # fmt: skip
row(neural.binary_cross_entropy_slope, real(2, 3), targets,
    _reference=lambda x, t: 1 / (1 + np.exp(-x)) - t)  # fmt: skip
row(
    neural.cross_entropy_slope,
    real(2, 3),
    np.array([2, 0]),
    _reference=lambda x, labels: (exact_softmax(x) - np.eye(3)[labels]) / 2,
)
for shape in ((2, 3), (3,), (2, 1, 3)):
    row(neural.linear, real(*shape), real(4, 3, seed=1), real(4, seed=2),
        _reference=lambda x, w, b: x @ w.T + b)  # fmt: skip
row(neural.linear, Const(real(2, 3)), real(4, 3, seed=1), real(4, seed=2),
    _reference=lambda x, w, b: x @ w.T + b)  # fmt: skip


def standard(x: Any, axis: int = 0, eps: float = 1e-5) -> Any:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


for options in ({}, {"axis": 1}, {"axis": 0, "eps": 0.3}, {"axis": 1, "eps": 0.3}):
    row(neural.standardise, real(4, 3), **options, _reference=standard)


def placed(g: Any, labels: Any, classes: int) -> Any:
    return np.eye(classes)[labels] * np.expand_dims(g, 1)


labels = np.array([2, 0, 2, 1])
for n in (4, 0):
    row(neural.row_product, real(n, 3), real(3, 2, seed=1), _reference=np.matmul)
    row(neural.row_contraction, real(n, 3), real(n, 2, seed=1), _reference=lambda x, y: x.T @ y)
    row(neural.row_sum, real(n, 3), _reference=lambda x: np.sum(x, axis=0))
    row(neural.line_sums, real(n, 3), _reference=lambda x: np.sum(x, axis=1))
row(neural.row_product, complex_(2, 3), complex_(3, 2, seed=2), _reference=np.matmul)
row(neural.row_contraction, complex_(2, 3), real(2, 2), _reference=lambda x, y: x.T @ y)
row(neural.row_sum, real(4), _reference=np.sum)
row(neural.line_max, real(4, 3), _reference=lambda x: np.max(x, axis=1, keepdims=True))
row(neural.line_max, real(2, 66), _reference=lambda x: np.max(x, axis=1, keepdims=True))
row(neural.line_max, np.array([[1.0, 1.0, 0.4], [0.3, 0.8, 0.8]]), _order=1,
    _reference=lambda x: np.max(x, axis=1, keepdims=True))  # fmt: skip
for shape in ((4, 3), (5,), ()):
    row(neural.mean_square, real(*shape), _reference=lambda x: np.mean(x * x))
row(neural.pick, real(4, 3), labels,
    _reference=lambda x, y: np.take_along_axis(x, y[:, None], 1)[:, 0])  # fmt: skip
row(neural.place, real(4), labels, 3, _reference=placed)
row(neural.less_one_hot, real(4, 3), labels, _reference=lambda p, y: p - np.eye(3)[y])


def tall(x: Any) -> Any:
    """More rows than are summed at once."""
    return np.tile(x, (neural.BLOCK_ROWS, 1))


def tall_product(x: Any, w: Any) -> Any:
    return np.sum(neural.row_product(tall(x), w), axis=0)


def tall_contraction(x: Any, y: Any) -> Any:
    return neural.row_contraction(tall(x), tall(y))


def tall_sums(x: Any) -> Any:
    return [neural.row_sum(tall(x)), np.sum(np.square(neural.line_sums(tall(x))))]


row(tall_product, real(3, 2), real(2, 2, seed=1), _reference=lambda x, w: (tall(x) @ w).sum(0))
row(tall_contraction, real(3, 2), real(3, 1, seed=1),
    _reference=lambda x, y: tall(x).T @ tall(y))  # fmt: skip
row(tall_sums, real(3, 2),
    _reference=lambda x: [tall(x).sum(0), np.sum(tall(x).sum(1) ** 2)])  # fmt: skip

# Images.


def tapped(size: Any, kernel: Any, stride: Any, dilation: Any) -> np.ndarray:
    """Which places of the image each place of each window is: (h', w', kh, kw, h, w) of 0 and 1."""
    lines = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        starts = np.arange(0, n - d * (k - 1), s)
        lines.append(np.eye(n)[starts[:, None] + d * np.arange(k)])
    return np.einsum("uih,vjw->uvijhw", *lines)


def by_group(subscripts: str, groups: int, a: Any, b: Any, t: Any, split: str, join: int) -> Any:
    """An einsum for each group of channels; ``split`` says along which axes a and b are divided."""
    parts = [np.split(v, groups, int(axis)) for v, axis in zip((a, b), split, strict=True)]
    found = [np.einsum(subscripts, p, q, t) for p, q in zip(*parts, strict=True)]
    return np.concatenate(found, axis=join)


def convolved(x: Any, w: Any, *, stride: Any, dilation: Any, groups: int) -> Any:
    t = tapped(x.shape[2:], w.shape[2:], stride, dilation)
    return by_group("nchw,ocij,uvijhw->nouv", groups, x, w, t, "10", 1)


def convolved_back(y: Any, w: Any, size: Any, *, stride: Any, dilation: Any, groups: int) -> Any:
    t = tapped(size, w.shape[2:], stride, dilation)
    return by_group("nouv,ocij,uvijhw->nchw", groups, y, w, t, "10", 1)


def convolved_weight(
    x: Any, y: Any, kernel: Any, *, stride: Any, dilation: Any, groups: int
) -> Any:
    t = tapped(x.shape[2:], kernel, stride, dilation)
    return by_group("nchw,nouv,uvijhw->ocij", groups, x, y, t, "11", 0)


def seen(x: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    return np.einsum("nhw,uvijhw->ijnuv", x, tapped(x.shape[1:], kernel, stride, dilation))


def folded(y: Any, size: Any, stride: Any, dilation: Any) -> Any:
    return np.einsum("ijnuv,uvijhw->nhw", y, tapped(size, y.shape[:2], stride, dilation))


for shape, outs, kernel, geometry in [
    ((2, 2, 3, 4), 3, (2, 2), {"stride": (1, 1), "dilation": (1, 1), "groups": 1}),
    ((1, 2, 4, 3), 2, (2, 1), {"stride": (2, 1), "dilation": (1, 2), "groups": 2}),
    ((1, 1, 3, 4), 1, (1, 2), {"stride": (2, 2), "dilation": (1, 2), "groups": 1}),
    ((0, 1, 3, 3), 1, (2, 2), {"stride": (1, 1), "dilation": (1, 1), "groups": 1}),
]:
    size, steps = shape[2:], (geometry["stride"], geometry["dilation"])
    there = (shape[0], outs, *convolution.outputs(size, kernel, *steps))
    weight = real(outs, shape[1] // geometry["groups"], *kernel, seed=1)
    row(convolution.convolve, real(*shape), weight, **geometry, _reference=convolved)
    row(convolution.convolve_back, real(*there), weight, size, **geometry,
        _reference=convolved_back)  # fmt: skip
    row(convolution.convolve_weight, real(*shape), real(*there, seed=1), kernel, **geometry,
        _reference=convolved_weight)  # fmt: skip
row(convolution.convolve, complex_(1, 1, 2, 3), complex_(1, 1, 2, 2, seed=2), stride=(1, 1),
    dilation=(1, 1), groups=1, _reference=convolved)  # fmt: skip
WINDOWS = [((4, 4), (2, 2), (2, 2), (1, 1)), ((3, 4), (2, 3), (1, 1), (1, 1)),
           ((4, 3), (2, 1), (1, 2), (2, 1))]  # fmt: skip
for size, *window in WINDOWS:
    there = (*window[0], 2, *convolution.outputs(size, *window))
    row(convolution.windows, real(2, *size), *window, _reference=seen)
    row(convolution.fold_windows, real(*there), size, *window[1:], _reference=folded)
    row(convolution.window_max, real(2, *size), *window,
        _reference=lambda x, *w: seen(x, *w).max((0, 1)))  # fmt: skip
row(convolution.window_max, np.array([[[1.0, 1.0, 0.4], [0.3, 0.2, 0.8]]]), (2, 2), (1, 1), (1, 1),
    _order=1, _reference=lambda x, *w: seen(x, *w).max((0, 1)))  # fmt: skip

BY_FUNCTION: dict[Any, list[Case]] = {}
for case in CASES:
    BY_FUNCTION.setdefault(case.fn, []).append(case)
