"""Reductions: every axis, dims kept or not, masks, first values, ties, zeros, nothing at all."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import (
    reductions,
)

from .case import (
    bools,
    complex_,
    empty,
    positive,
    real,
    row,
    scalar,
)

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
row(np.average, real(2, 3, 2), axis=(2, 0), weights=positive(2, 2, seed=1))
row(np.average, real(2, 3), axis=1, weights=np.array([0.2, 0.5, 0.9]))
row(np.average, real(2, 3), weights=positive(2, 3, seed=1), returned=True)
row(np.average, real(2, 3), axis=0, weights=positive(2, 3, seed=1), keepdims=True)
for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}):
    row(np.ptp, real(2, 3), **options)
    row(np.nansum, real(2, 3), **options)
    row(np.nanmean, real(2, 3), **options)
for options in ({}, {"n": 2}, {"axis": 0}, {"n": 2, "axis": -2}, {"n": 0}):
    row(np.diff, real(3, 4), **options)
