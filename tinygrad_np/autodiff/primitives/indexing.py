"""Functions that pick elements or put them in place."""

import math
from typing import Any

import numpy as np

from ...foreign import is_foreign, refuse_namespace
from .dispatch import Kept, akin, primitive
from .elementwise import copied


class Slot:
    """Stands in an index where an array belongs."""

    def __repr__(self) -> str:
        return "array"


ARRAY = Slot()


def split_index(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as its fixed part, with ``ARRAY`` where an array was, and those arrays."""
    layout, arrays = [], []
    for part in index if isinstance(index, tuple) else (index,):
        fixed = part is None or part is Ellipsis or isinstance(part, (int, slice, np.integer))
        if fixed and not isinstance(part, bool):
            layout.append(part)
            continue
        refuse_namespace("an index", part)
        if not hasattr(part, "dtype"):
            part = np.asarray(part, dtype=None if np.size(part) else np.intp)
        if part.dtype.kind not in "biufc":
            raise TypeError(f"t[{part!r}]: an index is integers, slices, None, ... and masks.")
        arrays.append(part)
        layout.append(ARRAY)
    return tuple(layout), arrays


def join_index(layout: tuple[Any, ...], arrays: tuple[Any, ...], x: Any = None) -> tuple[Any, ...]:
    """The index for ``x``: of the kind of array that it is."""
    if arrays and type(x) is not np.ndarray:
        arrays = tuple(akin(a, x) for a in arrays)
    if not arrays or len(arrays) == len(layout):
        return arrays or layout
    found = iter(arrays)
    return tuple(next(found) if part is ARRAY else part for part in layout)


@primitive
def take_at(x: Any, layout: tuple[Any, ...], *arrays: Any, out: Any = None) -> Any:
    """``x[index]``; in reverse it is ``add_at``."""
    if out is not None and layout == (ARRAY,) and arrays[0].dtype.kind != "b":
        return np.take(x, arrays[0], 0, out=out)  # whole rows, as of an embedding
    return x[join_index(layout, arrays, x)]


@primitive
def add_at(
    g: Any, shape: tuple[int, ...], layout: tuple[Any, ...], *arrays: Any, out: Any = None
) -> Any:
    """Zeros of ``shape`` with ``g`` added at the index; repeated indices add up."""
    if out is None:
        out = np.zeros_like(g, shape=shape)
    else:
        out.fill(0)
    index = join_index(layout, arrays, out)
    if any(a.dtype != np.bool_ for a in arrays):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


@primitive
def replace_at(x: Any, value: Any, layout: tuple[Any, ...], *arrays: Any, out: Any = None) -> Any:
    """``x`` in which the index holds ``value``: a copy, or with ``out=x`` ``x[index] = value``."""
    out = copied(x, out)
    out[join_index(layout, arrays, out)] = akin(value, out)
    return out


@primitive
def updated(x: Any, ufunc: np.ufunc, value: Any, *, out: Any = None) -> Any:
    """``x += value`` and the like: on a copy, or with ``out=x`` in place."""
    out = copied(x, out)
    ufunc(out, value, out=out, casting="same_kind")
    return out


@primitive
def last_writes(shape: tuple[int, ...], layout: tuple[Any, ...], *arrays: Any) -> Any:
    """Which elements written to an index of an array of ``shape`` stay: of repeats, the last."""
    like = next(filter(is_foreign, arrays), None)
    places = akin(np.arange(math.prod(shape)).reshape(shape), like)
    places = places[join_index(layout, arrays, places)]
    winner = np.zeros_like(places, shape=math.prod(shape))
    order = akin(np.arange(places.size).reshape(places.shape), like)
    winner[places] = order
    return winner[places] == order


def picked_along(x: Any, places: Any, axis: int) -> Any:
    """``np.take_along_axis``, which takes five times as long for one axis."""
    return take_at(x, (ARRAY,), places) if x.ndim == 1 else np.take_along_axis(x, places, axis)


@primitive
def in_order(x: Any, axis: int, kind: Any, stable: Any) -> Any:
    """``np.sort``, as the elements in the order of ``argsort``."""
    return picked_along(x, np.argsort(x, axis, kind, stable=stable), axis)


def with_order(x: Any, axis: int, kind: Any, stable: Any) -> Kept:
    """``in_order``, and the order."""
    order = np.argsort(x, axis, kind, stable=stable)
    return Kept(picked_along(x, order, axis), order)


@primitive
def lexical_order(*keys: Any, axis: int = -1) -> Any:
    """``np.lexsort`` with its keys as operands."""
    return np.lexsort(keys, axis=axis)


@primitive
def flat_index(*index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    """``np.ravel_multi_index`` with the index of each axis as an operand."""
    return np.ravel_multi_index(index, dims, mode, order)
