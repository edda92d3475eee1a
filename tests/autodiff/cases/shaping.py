"""Shaping."""

import numpy as np

from tinygrad_np.autodiff import primitives as p
from tinygrad_np.autodiff.primitives import (
    shaping,
)

from .case import (
    Const,
    complex_,
    empty,
    real,
    row,
    scalar,
)

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
row(np.pad, real(2, 3), 1, constant_values=real(2, 2, seed=1))
row(np.pad, complex_(3), (1, 2), constant_values=scalar)
row(np.pad, real(2, 3), ((1, 2), (0, 3)), "linear_ramp", end_values=real(2, 2, seed=1))
row(np.pad, complex_(2, 3), (1, 2), "linear_ramp", end_values=0.5)
for mode in ("reflect", "symmetric"):
    row(np.pad, real(2, 3), (3, 5), mode, reflect_type="odd")
    row(np.pad, real(1, 3), 1, mode, reflect_type="odd")
for mode in ("maximum", "mean", "median", "minimum"):
    row(np.pad, real(2, 3), (2, 1), mode)
    row(np.pad, real(2, 3), ((1, 0), (2, 1)), mode, stat_length=((2, 1), (1, 2)))
row(np.pad, complex_(2, 3), 1, "mean", stat_length=2)
for shape in (4, (2, 4), (3, 0)):
    row(np.resize, real(2, 3), shape)
row(np.resize, empty, (2, 2))
row(np.delete, real(2, 3), 1)
row(np.delete, real(2, 3), [0, 2], axis=1)
row(np.delete, real(4, 2), slice(0, None, 2), axis=0)
row(np.delete, real(3), np.array([True, False, True]))
row(np.delete, real(2, 3), -1, -1)
