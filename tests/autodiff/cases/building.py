"""Building: grids, ranges, blocks, insertions, windows."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_np.autodiff.primitives import building

from .case import Const, bools, complex_, empty, positive, real, row, scalar

for options in ({}, {"indexing": "ij"}, {"sparse": True}, {"copy": False}):
    row(np.meshgrid, real(2), real(3, seed=1), **options)
row(np.meshgrid, real(2), real(3, seed=1), real(2, seed=2))
row(np.meshgrid, real(2), scalar, sparse=True, copy=False)
row(np.meshgrid, real(3))
row(np.ix_, real(2), real(3, seed=1))
ENDS: list[tuple[Any, ...]] = [
    (scalar, np.array(3.1)), (real(2, 3), real(3, seed=1)), (0.3, real(2)), (real(2, 1), 2.0),
    (complex_(2), real(2, seed=3)),
]  # fmt: skip
for start, stop in ENDS:
    row(np.linspace, start, stop, 4)
    row(building.ramp, start, stop, 4, _reference=np.linspace)
for options in (
    {"num": 5, "endpoint": False}, {"num": 1}, {"num": 0}, {"num": 3, "axis": -1},
    {"num": 4, "retstep": True}, {"num": 4, "axis": 1, "endpoint": False, "retstep": True},
):  # fmt: skip
    row(np.linspace, real(2), real(2, seed=1), **options)
row(np.linspace, real(2), real(2, seed=1), num=1, endpoint=False, retstep=True)
row(building.ramp, real(2), real(3, 2, seed=1), num=5, endpoint=False, axis=-1,
    _reference=np.linspace)  # fmt: skip
row(np.logspace, scalar, np.array(2.1), 4)
row(np.logspace, real(2), real(2, seed=1), 4, base=np.array(2.5), endpoint=False)
row(np.logspace, real(2), real(3, 2, seed=1), 4, base=positive(2, seed=2), axis=-1)
row(np.geomspace, scalar, np.array(5.1), 4)
row(np.geomspace, positive(2), positive(3, 2, seed=1), 4, axis=-1)
row(np.geomspace, -positive(2), -positive(2, seed=1), 4, endpoint=False)
row(np.geomspace, complex_(2), complex_(2, seed=3) + 2, 3)
a, b, c, d = real(2, 2), real(2, 1, seed=1), real(3, seed=2), scalar
row(np.block, [[a, b], [c]])
row(np.block, [a, b])
row(np.block, [c, d, 2.0])
row(np.block, a)
row(np.block, [[[d, d], [c[:2]]]])
row(np.diagflat, real(2, 2))
row(np.diagflat, real(3), k=-1)
row(np.diagflat, scalar, 1)
row(np.insert, real(2, 3), 1, scalar)
row(np.insert, real(2, 3), 1, real(2, seed=1), axis=1)
row(np.insert, real(2, 3), [0, 2], real(2, 3, seed=1), axis=0)
row(np.insert, real(3), [1, 1, 3], real(3, seed=1))
row(np.insert, real(2, 3), slice(0, 2), real(2, 1, seed=1), axis=-1)
row(np.insert, real(3), np.array([True, False, True]), real(2, seed=1))
row(np.insert, real(3), -1, 2.5)
row(np.apply_along_axis, np.cumsum, 0, real(2, 3))
row(np.apply_along_axis, np.sum, -1, real(2, 3))
row(np.apply_along_axis, np.outer, 1, real(2, 3), Const(real(2, seed=1)))
row(np.apply_along_axis, np.diag, 1, real(2, 2, 3))
row(np.apply_over_axes, np.sum, real(2, 3, 2), [0, -1])
row(np.apply_over_axes, np.max, real(2, 3), 1)
row(np.real_if_close, real(2, 3))
row(np.real_if_close, complex_(2, 3))
if hasattr(np, "astype"):
    row(np.astype, real(2, 3), np.complex128)
    row(np.astype, real(2, 3), np.float64, copy=False)
for fn in [getattr(np, n) for n in ("cumulative_sum", "cumulative_prod") if hasattr(np, n)]:
    row(fn, real(4))
    row(fn, real(2, 3), axis=1, include_initial=True)
    row(fn, empty, axis=0, include_initial=True)
for shape, window, axis in (
    ((5,), 3, None), ((4, 3), (2, 2), None), ((4, 3), 2, 0), ((4, 3), (2, 3), (0, 1)),
    ((5,), (2, 2), (0, 0)), ((2, 4), 1, -1),
):  # fmt: skip
    row(sliding_window_view, real(*shape), window, axis)
row(sliding_window_view, complex_(4), window_shape=2)
row(sliding_window_view, np.zeros((0, 3)), 2, axis=1)


def overlapped(g: Any, shape: Any, window: Any, axis: Any) -> Any:
    out = np.zeros(shape)
    np.add.at(out.reshape(-1), sliding_window_view(np.arange(out.size).reshape(shape),
                                                   window, axis), g)  # fmt: skip
    return out


row(building.overlap_add, real(3, 3), (5,), 3, None, _reference=overlapped)
row(building.overlap_add, real(3, 2, 2, 2), (4, 3), (2, 2), None, _reference=overlapped)
row(building.overlap_add, real(2, 3, 2), (2, 4), 2, -1, _reference=overlapped)
mask = bools(2, 3)
for mean in (np.array(0.3), real(1, 3, seed=2)):
    for fn in (np.var, np.std):
        axis = 0 if mean.ndim else None
        row(fn, real(2, 3), axis=axis, mean=mean.reshape((1, -1)[: 2 - mean.ndim] or (1, 3))
            if mean.ndim else mean.reshape(1, 1), ddof=1)  # fmt: skip
row(np.var, real(2, 3), axis=1, mean=real(2, 1, seed=2), where=mask, keepdims=True)
row(np.var, complex_(2, 3), mean=complex_(1, 1, seed=4), correction=1)
