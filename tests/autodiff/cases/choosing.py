"""Choosing: pieces, distinct elements; NaNs passed over."""

import numpy as np

from .case import Const, bools, complex_, real, row, scalar

row(np.choose, np.array([[0, 1, 1], [1, 0, 0]]), [real(2, 3), real(3, seed=1)])
row(np.choose, np.array([0, 2, 1]), real(3, 3))
row(np.choose, np.array([0, 1, 1]), [real(3), 1.5])
row(np.choose, np.array([-1, 4, 1]), [real(3), real(3, seed=1)], mode="wrap")
row(np.choose, np.array([-1, 4, 1]), (real(3), scalar), mode="clip")
wheres = bools(2, 3)
row(np.piecewise, real(2, 3), [wheres, ~wheres], [np.sin, np.exp])
row(np.piecewise, real(2, 3), [wheres], [np.square, 1.5])
row(np.piecewise, real(3), [True, False, True], [np.square, np.negative])
row(np.piecewise, real(3), Const(np.array([[True, False, False]])),
    [lambda v, k: v**k, lambda v, k: v * k], 3.0)  # fmt: skip
row(np.piecewise, scalar, [False, True], [np.exp, np.sin])
row(np.piecewise, np.array([1.5, 0.5]), [np.array([False, False])], [np.exp])
row(np.unique, real(2, 3))
row(np.unique, real(2, 3), True, True, True)
row(np.unique, real(3, 2), axis=0)
row(np.unique, real(2, 3), return_inverse=True)
for fn in (np.unique_all, np.unique_counts, np.unique_inverse):
    row(fn, real(2, 3))
row(np.unique_values, real(2, 3), _reference=lambda x: np.sort(x, axis=None))
row(np.union1d, real(3), real(2, seed=1))
row(np.setdiff1d, real(4), Const(np.array([0.43, 2.0])))
row(np.setdiff1d, real(3), real(2, seed=1), assume_unique=True)
row(np.setxor1d, real(3), real(2, seed=1))
for fn in (np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd):
    for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}):
        row(fn, real(2, 3), **options)
    row(fn, real(2, 3), axis=1, where=np.array([True, False, True]),
        **({"initial": 0.1} if fn in (np.nanmax, np.nanmin) else {}))  # fmt: skip
for fn in (np.nansum, np.nanprod):
    row(fn, real(2, 3), initial=2.5)
row(np.nanmax, real(2, 3), axis=0, initial=0.1)
row(np.nanmin, real(2, 3), initial=-5.0)
row(np.nanvar, real(2, 3), axis=0, ddof=1)
row(np.nanvar, complex_(2, 3), correction=1)
row(np.nanvar, real(2, 3), axis=1, mean=real(2, 1, seed=1))
row(np.nanstd, real(3, 3), axis=0, ddof=1, keepdims=True)
row(np.nanmean, complex_(2, 3), axis=1)
for fn in (np.nancumsum, np.nancumprod):
    row(fn, real(2, 3))
    row(fn, real(2, 3), axis=1)
