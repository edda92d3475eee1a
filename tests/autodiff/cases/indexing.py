"""Indexing."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff import primitives as p
from tinygrad_np.autodiff.primitives import ARRAY
from tinygrad_np.autodiff.primitives.indexing import in_order

from .case import (
    bools,
    complex_,
    real,
    row,
    scalar,
)

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
row(in_order, real(4), 0, None, None, _reference=lambda x, *_: np.sort(x))
row(in_order, real(2, 3), 0, "stable", None, _reference=lambda x, *_: np.sort(x, 0))
row(np.partition, real(2, 3), 1)  # the rows say all about the order: NumPy's own may differ
row(np.partition, real(3), 1, axis=None)
row(np.partition, real(4, 3), (1, 2), 0)
row(np.compress, np.array([True, False, True]), real(2, 3), axis=1)
row(np.compress, [0, 1, 1], real(2, 3))
row(np.lexsort, (real(3), real(3, seed=1)))
row(np.extract, bools(2, 3), real(2, 3))
mask = bools(2, 3)
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
