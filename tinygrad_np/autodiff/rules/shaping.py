"""Functions that move elements and change none of them."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitives import broadcast, cast, concat, identity, lent, pad_zeros
from ..primitives import shaping as bodies
from ..shapes import axes_of, total, unbroadcast
from .table import Traits, composite, defvjp


def inverse(order: Any, ndim: int) -> Any:
    """The permutation that undoes a transpose."""
    if order is None:
        return None
    return np.argsort([a % ndim for a in ([order] if isinstance(order, int) else order)]).tolist()


def repeat_back(g: Any, x: Any, repeats: Any, axis: int | None) -> Any:
    """Each element collects the copies of itself."""
    lined = np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, 0)
    moved = g if axis is None else np.moveaxis(g, axis, 0)
    size = np.shape(lined)[0]
    if np.size(repeats) == 0:
        back = np.zeros_like(lined)
    elif np.size(repeats) == 1:
        each = int(np.reshape(repeats, ())[()])
        back = total(np.reshape(moved, (size, each, *np.shape(moved)[1:])), 1)
    else:
        ends = np.cumsum(repeats)
        back = np.stack([total(moved[int(e) - int(r) : int(e)], 0)
                         for r, e in zip(repeats, ends, strict=True)])  # fmt: skip
    return np.reshape(back, np.shape(x)) if axis is None else np.moveaxis(back, 0, axis)


def tile_back(g: Any, x: Any, reps: Any) -> Any:
    """Each element collects the copies of itself."""
    counts = tuple(map(int, np.ravel(reps)))
    ndim = max(len(counts), np.ndim(x))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - np.ndim(x)) + np.shape(x)
    split = [n for pair in zip(counts, shape, strict=True) for n in pair]
    return np.reshape(total(np.reshape(g, split), tuple(range(0, 2 * ndim, 2))), np.shape(x))


def roll_back(g: Any, shift: Any, axis: Any) -> Any:
    """Roll the other way."""
    if isinstance(shift, (tuple, list)):
        return np.roll(g, tuple(-int(s) for s in shift), axis=axis)
    return np.roll(g, 0 - (cast(shift, np.intp) if hasattr(shift, "dtype") else shift), axis=axis)


def part(g: Any, i: int, values: Sequence[Any], axis: int) -> Any:
    """The piece of a concatenation that came from operand ``i``."""
    sizes = [np.shape(v)[axis] for v in values]
    start = sum(sizes[:i])
    index: list[Any] = [slice(None)] * np.ndim(g)
    index[axis] = slice(start, start + sizes[i])
    return g[tuple(index)]


def reshape(g: Any, shape: tuple[int, ...], order: Any) -> Any:
    """``np.reshape``, with ``order`` by its name: in other libraries its place is another's."""
    return np.reshape(g, shape) if order == "C" else np.reshape(g, shape, order=order)


defvjp(identity, lambda g, _out, _x: g)
defvjp(lent, lambda g, _out, _x: g)
defvjp(
    broadcast,
    lambda g, _out, _x, shape, order="K": unbroadcast(g, np.shape(_x)),
    traits=Traits(copies=True),
)
defvjp(
    np.reshape,
    lambda g, _out, _x, shape=None, order="C", copy=None: reshape(g, np.shape(_x), order),
    eager=bodies.reshape,
    traits=Traits(copies=True, body=bodies.reshape),
)
defvjp(
    np.ravel,
    lambda g, _out, _x, order="C": reshape(g, np.shape(_x), order),
    eager=lambda x, order="C": bodies.reshape(x, -1, order),
)
defvjp(np.transpose, lambda g, _out, _x, axes=None: np.transpose(g, inverse(axes, np.ndim(g))))
defvjp(np.swapaxes, lambda g, _out, _x, axis1, axis2: np.swapaxes(g, axis1, axis2))
defvjp(np.moveaxis, lambda g, _out, _x, source, destination: np.moveaxis(g, destination, source))
defvjp(
    np.expand_dims,
    lambda g, _out, _x, axis: np.reshape(g, np.shape(_x)),
    traits=Traits(along=True),
)
defvjp(np.squeeze, lambda g, _out, _x, axis=None: np.reshape(g, np.shape(_x)))
defvjp(np.broadcast_to, lambda g, _out, _x, shape: unbroadcast(g, np.shape(_x)))
defvjp(np.flip, lambda g, _out, _x, axis=None: np.flip(g, axis=axis))
defvjp(np.fliplr, lambda g, _out, _x: np.fliplr(g))
defvjp(np.flipud, lambda g, _out, _x: np.flipud(g))
defvjp(np.rot90, lambda g, _out, _x, k=1, axes=(0, 1): np.rot90(g, -k, axes=axes))
defvjp(np.roll, lambda g, _out, _x, shift, axis=None: roll_back(g, shift, axis))
defvjp(np.repeat, lambda g, _out, _x, repeats, axis=None: repeat_back(g, _x, repeats, axis))
defvjp(np.tile, lambda g, _out, _x, reps: tile_back(g, _x, reps))
defvjp(np.tril, lambda g, _out, _x, k=0: unbroadcast(np.tril(g, k), np.shape(_x)))
defvjp(np.triu, lambda g, _out, _x, k=0: unbroadcast(np.triu(g, k), np.shape(_x)))
defvjp(concat, each=lambda i, g, _out, *_values, axis=0: part(g, i, _values, axis))
defvjp(
    pad_zeros,
    lambda g, _out, _x, widths: g[
        tuple(slice(low, low + n) for (low, _), n in zip(widths, np.shape(_x), strict=True))
    ],
)


@composite(np.copy)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:  # noqa: ARG001 - NumPy's options
    """The same values in memory of their own."""
    return broadcast(a, np.shape(a), *(() if lies(a, order) else (order,)))


def lies(x: Any, order: str) -> bool:
    """Whether a copy that keeps the memory's order has this one."""
    array = _one(x)
    if order == "K" or type(array) is not np.ndarray:
        return True
    flags = array.flags
    return bool({"C": flags.c_contiguous, "F": flags.f_contiguous, "A": flags.forc}[order])


def _one(x: Any) -> Any:
    """The array, or a Tensor's; of many examples one."""
    array = getattr(x, "_array", x)
    return getattr(array, "one", array)


def is_fortran(x: Any) -> bool:
    """Whether an array, or a Tensor's, lies with its first axis last."""
    array = _one(x)
    return type(array) is np.ndarray and array.flags.fnc


def ordered(x: Any, order: str) -> Any:
    """``x``, or a copy of it that lies in this order."""
    return x if lies(x, order) else copy(x, order)


def laid(x: Any, like: Any = None) -> Any:
    """``x`` as NumPy lays what it makes anew: in C's order, if ``like`` has Fortran's in that.

    How an array lies decides how what is computed of it is rounded.
    """
    return ordered(x, "F" if is_fortran(like) else "C")


def places_of(x: Any) -> Any:
    """The number of each element, laid as ``x`` is."""
    return np.arange(np.size(x)).reshape(np.shape(x)).copy("F" if is_fortran(x) else "C")


@composite(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """The older spelling of moveaxis."""
    (axis,) = axes_of((axis,), np.ndim(a))
    (start,) = (start,) if start == np.ndim(a) else axes_of((start,), np.ndim(a))
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


@composite(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes swapped."""
    return np.swapaxes(x, -1, -2)


@composite(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None) -> Any:
    """A sequence of arrays as operands of one record."""
    arrays = list(arrays)
    if axis is None:
        arrays, axis = [np.reshape(a, (-1,)) for a in arrays], 0
    joined = concat(*arrays, axis=axis)
    return joined if dtype is None else joined.astype(dtype, casting="same_kind")


@composite(np.stack)
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Any:
    """Concatenation along a new axis."""
    arrays = list(arrays)
    shapes = {np.shape(a) for a in arrays}
    if len(shapes) > 1:
        raise ValueError(f"np.stack: all arrays must have the same shape, not {sorted(shapes)}.")
    return concatenate([np.expand_dims(a, axis) for a in arrays], axis, dtype=dtype)


@composite(np.vstack)
def vstack(tup: Any, *, dtype: Any = None) -> Any:
    """Rows below each other."""
    return concatenate([np.atleast_2d(a) for a in tup], 0, dtype=dtype)


@composite(np.hstack)
def hstack(tup: Any, *, dtype: Any = None) -> Any:
    """Columns beside each other."""
    arrays = [np.atleast_1d(a) for a in tup]
    return concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1, dtype=dtype)


@composite(np.dstack)
def dstack(tup: Any) -> Any:
    """Along the third axis."""
    return concatenate([np.atleast_3d(a) for a in tup], 2)


@composite(np.column_stack)
def column_stack(tup: Any) -> Any:
    """1-d arrays as columns beside each other."""
    return concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], 1)


@composite(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Concatenation of two."""
    return concatenate([arr, values], axis)


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Slices along ``axis``; the first ones are one longer where the division leaves a rest."""
    n = np.shape(ary)[axis]
    if np.ndim(indices_or_sections) == 0:
        indices_or_sections = operator.index(indices_or_sections)
        if indices_or_sections < 1:
            raise ValueError(f"np.array_split into {indices_or_sections} sections; at least 1.")
        quotient, rest = divmod(n, indices_or_sections)
        sizes = [quotient + 1] * rest + [quotient] * (indices_or_sections - rest)
        cuts = np.cumsum(sizes)[:-1].tolist()
    else:
        cuts = [int(cut) for cut in indices_or_sections]
    lead = (slice(None),) * axes_of(axis, np.ndim(ary))[0]
    ends = zip([0, *cuts], [*cuts, n], strict=True)
    return [ary[(*lead, slice(start, end))] for start, end in ends]


@composite(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Equal slices, or slices at the given places."""
    n = np.shape(ary)[axis]
    if np.ndim(indices_or_sections) == 0 and n % indices_or_sections:
        raise ValueError(
            f"np.split: axis {axis} of length {n} does not divide into {indices_or_sections} "
            "equal parts; np.array_split makes unequal ones."
        )
    return array_split(ary, indices_or_sections, axis)


@composite(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split into columns."""
    _has_axes("hsplit", ary, 1)
    return split(ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1)


@composite(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split into rows."""
    _has_axes("vsplit", ary, 2)
    return split(ary, indices_or_sections, 0)


@composite(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along the third axis."""
    _has_axes("dsplit", ary, 3)
    return split(ary, indices_or_sections, 2)


def _has_axes(name: str, x: Any, least: int) -> None:
    if np.ndim(x) < least:
        raise ValueError(f"np.{name} of shape {np.shape(x)}: at least {least} axes are needed.")


@composite(*([np.unstack] if hasattr(np, "unstack") else []))
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along ``axis``."""
    return tuple(np.moveaxis(x, axis, 0))


@composite(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """All operands in their common shape."""
    del subok
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(np.broadcast_to(a, shape) for a in args)


@composite(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements again and again until the new shape is full."""
    shape = (new_shape,) if isinstance(new_shape, (int, np.integer)) else tuple(new_shape)
    places = np.resize(np.arange(np.size(a)), shape)
    return np.reshape(a, (-1,))[places] if np.size(a) else np.zeros_like(a, shape=shape)


@composite(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """The elements that stay."""
    if axis is None:
        arr, axis = np.reshape(arr, (-1,)), 0
    obj = np.asarray(obj) if hasattr(obj, "__array_function__") else obj
    stay = np.delete(np.arange(np.shape(arr)[axis]), obj)
    left = arr[(*(slice(None),) * axes_of(axis, np.ndim(arr))[0], stay)]
    is_one = isinstance(obj, slice) or (np.size(obj) == 1 and np.asarray(obj).dtype != bool)
    return laid(left, arr) if is_one else left  # which NumPy takes by an index, as here
