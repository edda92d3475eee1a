"""The methods of ufuncs, and the products that are generalised ufuncs."""

import functools
import itertools
from typing import Any

import numpy as np

from tinygrad_np.autodiff.rules import COMPOSITES, TABLE

from .case import complex_, empty, positive, real, row, scalar

for name, a, b in (
    ("vecdot", (2, 3), (2, 3)), ("vecdot", (3,), (2, 3)), ("matvec", (2, 3), (3,)),
    ("matvec", (2, 2, 3), (2, 3)), ("vecmat", (3,), (3, 2)), ("vecmat", (2, 3), (2, 3, 2)),
):  # fmt: skip
    if hasattr(np, name):
        row(getattr(np, name), real(*a), real(*b, seed=1))
        row(getattr(np, name), complex_(*a), complex_(*b, seed=2))
if hasattr(np, "vecdot"):
    row(np.vecdot, real(2, 3), real(2, 1, seed=1), axis=0)
row(np.cross, real(2, 3), real(2, 3, seed=1))
row(np.cross, real(3, 2), real(3, 2, seed=1), axis=0)
row(np.cross, real(3), real(2, 3, seed=1), -1, -1, 0)
row(np.cross, real(3, 2), real(2, 3, seed=1), axisa=0, axisb=1)
row(np.linalg.cross, real(2, 3), real(3, seed=1))
row(np.nextafter, real(3), scalar, _order=1)


def has_slope(fn: Any) -> bool:
    """Whether ``fn`` is the method of a ufunc, and no constant."""
    if not isinstance(getattr(fn, "__self__", None), np.ufunc):
        return False
    return fn in COMPOSITES or not TABLE[fn].constant


def one_by_one(ufunc: np.ufunc, x: np.ndarray, axis: int = 0) -> Any:
    """The reduction; NumPy's own of power and arctan2 leaves elements out on some machines."""
    return np.take(ufunc.accumulate(x, axis=axis), -1, axis=axis)


def in_slices(ufunc: np.ufunc, x: np.ndarray, indices: Any, axis: int = 0) -> Any:
    parts = [x.take(range(i, max(j, i + 1)), axis)
             for i, j in itertools.pairwise([*indices, x.shape[axis]])]  # fmt: skip
    return np.stack([one_by_one(ufunc, part, axis) for part in parts], axis=axis)


x = positive(3, 4) + 0.5
methods = [
    fn for fn in [*TABLE, *COMPOSITES] if isinstance(getattr(fn, "__self__", None), np.ufunc)
]
for fn in filter(has_slope, methods):
    ufunc = fn.__self__
    own = ufunc not in (np.power, np.arctan2)
    if fn == ufunc.reduceat:
        ours = None if own else functools.partial(in_slices, ufunc)
        row(fn, x, [0, 2, 1], axis=1, _reference=ours)
        row(fn, x, [1, 1], _reference=ours)
        continue
    ours = None if own or fn == ufunc.accumulate else functools.partial(one_by_one, ufunc)
    row(fn, x, _reference=ours)
    row(fn, x, axis=-1, _reference=ours)
    row(fn, x[:, 0], _reference=ours)
    row(fn, real(1, 3), axis=0, _reference=ours)  # hypot of one is |x|
for ufunc in (np.maximum, np.fmin):
    row(ufunc.accumulate, np.array([[1.0, 2.0, 0.5], [1.5, 0.7, 2.5]]), axis=1)
    row(ufunc.accumulate, empty, axis=0)
row(np.multiply.accumulate, complex_(3))
row(np.divide.accumulate, complex_(3))
row(np.add.accumulate, real(2, 3), axis=1)
row(np.add.reduce, real(2, 3), axis=(0, 1), initial=0.5)
row(np.logaddexp.accumulate, real(2, 3), axis=1)
row(np.logaddexp.reduce, real(2, 3), axis=None, keepdims=True)
row(np.logaddexp.reduce, real(2, 3), axis=1, initial=0.3, where=np.array([True, False, True]))
row(np.hypot.reduce, real(2, 3), axis=(0, 1))
row(np.subtract.reduce, real(2, 3), axis=1, keepdims=True, initial=2.0)
row(np.logaddexp.reduce, empty, axis=0)
row(np.subtract.reduce, complex_(2, 3), axis=-1)
row(np.multiply.outer, real(2), real(3, seed=1))
