"""Matrices."""

import numpy as np

from tinygrad_np.autodiff import primitives

from .case import (
    Const,
    complex_,
    real,
    row,
)

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
row(np.linalg.det, np.stack([square, np.outer(real(3), real(3, seed=1)), np.zeros((3, 3))]))
row(np.linalg.det, np.outer(complex_(3), complex_(3, seed=3)))
row(np.linalg.det, np.zeros((1, 1)))
row(np.linalg.det, np.zeros((0, 0)))
for a in (square, batch, complex_(2, 2), np.zeros((0, 0))):
    row(np.linalg.slogdet, a)
for a in (square, batch, complex_(2, 2)):
    row(primitives.cofactors, a)
row(primitives.cofactors, np.zeros((3, 3)), _order=1)
row(primitives.inverse_or_zero, batch)
row(primitives.inverse_or_zero, complex_(2, 2, 2))
row(primitives.second_cofactors, batch, real(2, 3, 3, seed=2))
row(primitives.second_cofactors, complex_(2, 2, 2), complex_(2, 2, 2, seed=2))
row(np.linalg.tensorinv, real(2, 2, 4) + np.eye(4).reshape(2, 2, 4))
row(np.linalg.tensorinv, real(4, 2, 2) + 2 * np.eye(4).reshape(4, 2, 2), ind=1)
row(np.linalg.tensorsolve, real(2, 2, 4) + np.eye(4).reshape(2, 2, 4), real(2, 2))
row(np.linalg.tensorsolve, real(3, 1, 3) + np.eye(3).reshape(3, 1, 3), real(3, 1), axes=(0,))
for n in (0, 1, 2, 3, -1, -2, 6):
    row(np.linalg.matrix_power, square / 3, n)
row(np.linalg.multi_dot, [real(2, 3), real(3, 2, seed=1), real(2, 2, seed=2)])
row(np.linalg.multi_dot, [real(3), real(3, 2, seed=1), real(2, seed=2)])
row(np.linalg.multi_dot, [real(2, 3), real(3, 1, seed=1), real(1, 2, seed=2)])
row(np.linalg.multi_dot, [real(3), real(3, 2, seed=1), real(2, 4, seed=2), real(4, 2, seed=3)])
row(np.linalg.matmul, real(2, 3), real(3, 2, seed=1))
row(np.linalg.vecdot, real(2, 3), real(3, seed=1))
row(np.linalg.vecdot, complex_(3, 2), complex_(3, 2, seed=3), axis=0)
row(np.linalg.cross, real(2, 3), real(3, seed=1))
row(np.cross, real(2, 3), real(3, 2, seed=1), axisb=0, axisc=0)
for axes in ((), (1, 0, 1), (-1, 2, 0), (1, 2, 0), (1, -1, -2), (-1, 1, 0)):
    row(np.trace, real(2, 3, 2), *axes)
for offset in (-1, 0, 1):
    row(np.trace, real(2, 3), offset, 1, 0)
row(np.linalg.trace, real(2, 3, 2), offset=-1)
for order in (1, -1, 2, -2, np.inf, -np.inf, "nuc"):
    row(np.linalg.norm, real(2, 3), order)
    row(np.linalg.norm, complex_(2, 2, 3), order, (2, 0), keepdims=order == 2)
    row(np.linalg.matrix_norm, real(2, 3, 2) ** 2, ord=order)
    row(np.linalg.cond, square, order)
row(np.linalg.matrix_norm, complex_(2, 2), keepdims=True)
row(np.linalg.cond, real(2, 2, 3))
row(np.linalg.cond, square + 1j * real(3, 3, seed=1), "fro")
for axis in (None, 1, (0, 2), (-1,)):
    for order in (2, 1, np.inf, 3):
        row(np.linalg.vector_norm, real(2, 2, 3), axis=axis, ord=order, keepdims=order == 1)
for ord_ in (None, 2, 1, 3, 2.5, 0, np.inf, -np.inf, -1):
    row(np.linalg.norm, real(3), ord_)
    row(np.linalg.norm, real(2, 3), ord_, axis=1)
row(np.linalg.norm, real(2, 3))
row(np.linalg.norm, real(2, 3), "fro", keepdims=True)
row(np.linalg.norm, real(2, 2, 3), axis=(0, 2))
row(np.linalg.norm, real(2, 3), axis=-1, keepdims=True)
for order in (3, 0.5, -1, -2.5):
    row(primitives.power_norm, real(2, 3), order, 1, _reference=np.linalg.norm)
row(primitives.power_norm, real(2, 3), 3, 0, keepdims=True, _reference=np.linalg.norm)
for order in (3, 0.5, -1):
    row(primitives.shares, real(2, 3) ** 2, order, 1)
row(primitives.euclidean_norm, real(2, 3), 1, keepdims=True,
    _reference=lambda x, axis, keepdims: np.linalg.norm(x, None, axis, keepdims))  # fmt: skip
row(np.linalg.norm, complex_(3))
row(np.linalg.norm, complex_(3), 1)
