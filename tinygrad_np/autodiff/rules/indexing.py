"""Functions that pick elements or put them in place."""

from typing import Any

import numpy as np

from ..primitives import (
    ARRAY,
    add_at,
    akin,
    cast,
    last_writes,
    lexical_order,
    replace_at,
    split_index,
    take_at,
)
from ..primitives.indexing import flat_index, in_order, picked_along, with_order
from ..shapes import as_array, axes_of, unbroadcast
from .shaping import laid
from .table import WRITERS, Kept, Traits, along, composite, defvjp


def added_back(g: Any, shape: tuple[int, ...], layout: Any, arrays: tuple[Any, ...]) -> Any:
    """What arrives at elements that were taken, of float16 added in float32."""
    if arrays and g.dtype == np.float16:
        return cast(add_at(cast(g, np.float32), shape, layout, *arrays), np.float16)
    return add_at(g, shape, layout, *arrays)


def written_back(g: Any, value: Any, layout: Any, arrays: tuple[Any, ...]) -> Any:
    """What arrives at the written elements, each counted for the last value written to it."""
    arrived = take_at(g, layout, *arrays)
    if any(np.result_type(a) != np.bool_ for a in arrays):
        stays = last_writes(np.shape(g), layout, *arrays)
        arrived = np.where(akin(stays, g), arrived, 0)
    shape = np.shape(value)  # may begin with ones that the target does not have
    inner = shape[max(len(shape) - np.ndim(arrived), 0) :]
    return np.reshape(unbroadcast(arrived, inner), shape)


defvjp(
    take_at,
    lambda g, _out, _x, layout, *arrays: added_back(g, np.shape(_x), layout, arrays),
    selects=1,
    traits=Traits(spelled="t[index]"),
)
defvjp(add_at, lambda g, _out, _g, shape, layout, *arrays: take_at(g, layout, *arrays))
defvjp(
    replace_at,
    lambda g, _out, _x, _value, layout, *arrays: replace_at(g, 0, layout, *arrays),
    lambda g, _out, _x, _value, layout, *arrays: written_back(g, _value, layout, arrays),
    selects=1,
    traits=Traits(spelled="t[index] = v"),
)


@composite(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,  # noqa: ARG001 - NumPy's
    shape: Any = None,
) -> Any:
    """The fill value, written everywhere."""
    options = {} if order == "K" else {"order": order}
    blank = np.zeros_like(a, dtype=dtype, shape=shape, **options)
    return replace_at(blank, fill_value, (Ellipsis,))


@composite(np.take)
def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Indexing along one axis."""
    a = as_array(a)
    if axis is None or np.ndim(a) == 0:
        a, axis = np.reshape(a, (-1,)), axis or 0
    n = np.shape(a)[axis]
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices, np.intp)
    if indices.dtype != np.intp and np.can_cast(indices.dtype, np.intp):
        # booleans are numbers here, and 300 is no int8
        indices = cast(indices, np.intp)
    if mode == "wrap":
        indices = np.remainder(indices, n)
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    elif mode != "raise":
        raise ValueError(f"np.take(mode={mode!r}); use 'raise', 'wrap' or 'clip'.")
    return laid(a[(*(slice(None),) * axes_of(axis, np.ndim(a))[0], indices)])


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """One element for each index, along one axis."""
    if np.result_type(indices).kind not in "iu":
        raise IndexError("np.take_along_axis: the indices must be integers.")
    if axis is None:
        arr, axis = np.reshape(arr, (-1,)), 0
    (axis,) = axes_of((axis,), np.ndim(arr))
    if np.ndim(indices) != np.ndim(arr):
        raise ValueError(
            f"np.take_along_axis: indices of shape {np.shape(indices)} for an array of shape "
            f"{np.shape(arr)}; give as many axes."
        )
    ones = (1,) * np.ndim(arr)
    grid: list[Any] = [
        np.arange(n).reshape((*ones[:a], n, *ones[a + 1 :])) for a, n in enumerate(np.shape(arr))
    ]
    grid[axis] = indices
    return take_at(arr, (ARRAY,) * len(grid), *grid)


@composite(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    """The elements in the order of ``argsort``, equal ones as they were unless ``kind`` says so."""
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    kind = "stable" if kind is None is stable else kind
    return laid(in_order(a, axis, kind, stable), a)


def unsorted(g: Any, out: Any, x: Any, axis: int, kind: Any, stable: Any) -> Any:
    """Each element's ``g`` back at its place."""
    known = type(out) is Kept
    order = out.kept if known else np.argsort(x, axis=axis, kind=kind, stable=stable)
    return picked_along(g, np.argsort(order, axis=axis), axis)


defvjp(
    in_order,
    lambda g, out, x, axis, kind, stable: unsorted(g, out, x, axis, kind, stable),
    eager=with_order,
    reach=along(-1),
)


@composite(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    """The elements in the order of ``argpartition``."""
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    return laid(take_along_axis(a, np.argpartition(a, kth, axis=axis, kind=kind), axis), a)


@composite(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """The order by the last key, then by the one before it."""
    return lexical_order(*keys, axis=axis)


@composite(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    """Places in the flattened array."""
    return flat_index(*multi_index, dims=dims, mode=mode, order=order)


@composite(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The slices where the condition holds."""
    if np.ndim(condition) != 1:
        raise ValueError(f"np.compress: a condition of shape {np.shape(condition)}; give one axis.")
    if axis is None or np.ndim(a) == 0:
        a, axis = np.reshape(a, (-1,)), axis or 0
    return take(a, np.flatnonzero(condition), axis=axis)


@composite(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements where the condition holds."""
    return np.reshape(arr, (-1,))[np.flatnonzero(condition)]


@composite(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The choice of the first condition that holds."""
    out = default
    for i, condition in enumerate(condlist):
        if getattr(getattr(condition, "dtype", None), "kind", "b") != "b":
            raise TypeError(f"np.select: condition {i} is of dtype {condition.dtype}, not bool.")
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = np.where(condition, choice, out)
    return laid(out)


def diagonal_back(g: Any, shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    """Zeros of ``shape`` with ``g`` on the diagonal of two axes."""
    first, second = axes_of((axis1, axis2), len(shape))
    if shape == (size := g.shape[-1] + abs(offset), size) and first < second:
        return np.diag(g, offset)
    rest = tuple(n for a, n in enumerate(shape) if a not in (first, second))
    places = np.arange(g.shape[-1])
    rows = places - offset if offset < 0 else places
    columns = places + offset if offset > 0 else places
    wide = (*rest, shape[first], shape[second])
    out = add_at(g, wide, (Ellipsis, ARRAY, ARRAY), rows, columns)
    in_place = (first, second) == (len(shape) - 2, len(shape) - 1)
    return out if in_place else np.moveaxis(out, (-2, -1), (first, second))


defvjp(
    np.diagonal,
    lambda g, _out, _a, offset=0, axis1=0, axis2=1: diagonal_back(
        g, np.shape(_a), offset, axis1, axis2
    ),
    selects=1,
)


@composite(np.linalg.diagonal)
def last_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of a stack of matrices."""
    return np.diagonal(x, offset, -2, -1)


@composite(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with the given diagonal."""
    if np.ndim(v) == 2:
        return np.diagonal(v, k)
    n = np.shape(v)[0]
    places = np.arange(n)
    blank = np.zeros_like(v, shape=(n + abs(k), n + abs(k)))
    return replace_at(blank, v, (ARRAY, ARRAY), places + max(-k, 0), places + max(k, 0))


def fill(x: Any, value: Any) -> Any:
    """What ``x.fill(value)`` leaves."""
    if np.ndim(value):
        raise ValueError(f"t.fill of shape {np.shape(value)}; give a number, or t[...] = v.")
    return np.full_like(x, value)


def put(x: Any, indices: Any, values: Any, mode: str = "raise") -> Any:
    """What ``np.put`` leaves: of places in the flattened array, values as often as they go."""
    places = np.take(np.arange(np.size(x)), np.reshape(indices, -1), mode=mode)  # type: ignore[call-overload]
    if not np.size(places) or not np.size(values):
        return x
    flat = replace_at(np.reshape(x, -1), np.resize(values, np.shape(places)), (ARRAY,), places)
    return np.reshape(flat, np.shape(x))


def added_at(ufunc: Any, x: Any, index: Any, value: Any) -> Any:
    """What ``np.add.at`` or ``np.subtract.at`` leaves: of repeated indices all count."""
    layout, arrays = split_index(index)
    wide = np.broadcast_to(value, np.shape(take_at(x, layout, *arrays)))
    return ufunc(x, added_back(wide, np.shape(x), layout, tuple(arrays)))


WRITERS.update([np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis])
