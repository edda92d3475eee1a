"""Products."""

import numpy as np

from tinygrad_np.autodiff.primitives import (
    reductions,
)

from .case import (
    Const,
    complex_,
    real,
    row,
    scalar,
)

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
row(np.einsum, real(2, 3), [0, 1], real(3, 2, seed=1), [1, 2])
row(np.einsum, real(3, 3), [30, 30], real(2, 3), [Ellipsis, 30], [Ellipsis, 30])
row(np.einsum, real(2, 3), [27, 1])
row(np.einsum, "i,i->", complex_(3), complex_(3, seed=2))
for subscripts, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij->", (2, 3)),
    ("i,j,i->j", (2,), (3,), (2,)),
    ("ij,j->i", (2, 3), (1,)),
]:
    row(reductions.contract, *(real(*s, seed=k) for k, s in enumerate(shapes)),
        subscripts=subscripts,
        _reference=lambda *xs, subscripts: np.einsum(subscripts, *xs))  # fmt: skip
