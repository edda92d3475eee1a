"""Functions that build arrays from others: grids, ranges, blocks, insertions."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..primitives import akin, broadcast, cast, concat
from ..primitives.building import ramp
from ..shapes import as_array, axes_of, kept, total, unbroadcast
from .shaping import concatenate, places_of
from .table import composite, defvjp, whole


def lined(x: Any, axis: int, ndim: int) -> Any:
    """A row of numbers along one of ``ndim`` axes."""
    return np.reshape(x, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


@composite(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """Coordinates, each varying along its own axis; with ``"xy"`` the first two trade axes."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid(indexing={indexing!r}); use 'xy' or 'ij'.")
    axes = list(range(len(xi)))
    if indexing == "xy":
        axes[:2] = axes[1::-1]
    grids = tuple(lined(x, axis, len(xi)) for x, axis in zip(xi, axes, strict=True))
    shape = np.broadcast_shapes(*map(np.shape, grids))
    if copy:
        return tuple(broadcast(grid, np.shape(grid) if sparse else shape, "C") for grid in grids)
    return grids if sparse else tuple(np.broadcast_to(grid, shape) for grid in grids)


@composite(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """Each sequence along an axis of its own; masks as places."""
    if wrong := [np.shape(a) for a in args if np.ndim(a) != 1]:
        raise ValueError(f"np.ix_ takes sequences of one axis, not shape {wrong[0]}.")
    arrays = [as_array(a) for a in args]
    places = [np.flatnonzero(a) if a.dtype == np.bool_ else a for a in arrays]
    places = [cast(a, np.intp) if np.size(a) == 0 else a for a in places]
    return tuple(lined(a, axis, len(args)) for axis, a in enumerate(places))


def weights_of(g: Any, endpoint: bool, axis: int) -> Any:
    """How much of ``stop`` each place of a range has, along its axis."""
    (axis,) = axes_of((axis,), np.ndim(g))
    share = akin(np.linspace(0, 1, np.shape(g)[axis], endpoint), g)
    return lined(cast(share, g.real.dtype), axis, np.ndim(g))


def ramp_back(g: Any, x: Any, axis: int) -> Any:
    """The sum over the places of a range, down to the shape of an end of it."""
    return unbroadcast(total(g, axes_of((axis,), np.ndim(g))), np.shape(x))


defvjp(
    ramp,
    lambda g, _out, _start, _stop, num=50, endpoint=True, dtype=None, axis=0: ramp_back(
        g * (1 - weights_of(g, endpoint, axis)), _start, axis
    ),
    lambda g, _out, _start, _stop, num=50, endpoint=True, dtype=None, axis=0: ramp_back(
        g * weights_of(g, endpoint, axis), _stop, axis
    ),
)


@composite(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """Numbers at equal distances; the ends may be arrays."""
    out = ramp(start, stop, num=num, endpoint=endpoint, dtype=dtype, axis=axis)
    if not retstep:
        return out
    intervals = num - 1 if endpoint else num
    numbers = (v if type(v) in (int, float, complex) else as_array(v) * 1.0 for v in (stop, start))
    distance = operator.sub(*numbers)  # integers may have no sign
    return out, distance / intervals if intervals > 0 else distance * np.nan


@composite(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """``base`` to the power of numbers at equal distances."""
    shape = np.broadcast_shapes(*map(np.shape, (start, stop, base)))
    if np.ndim(base) > 0:
        start, stop = (np.broadcast_to(x, shape) for x in (start, stop))
        base = np.expand_dims(base, axis)
    out = np.power(base, ramp(start, stop, num=num, endpoint=endpoint, axis=axis))
    return out if dtype is None else out.astype(dtype)


def geomspace_back(g: Any, out: Any, x: Any, axis: int) -> Any:
    """The share of ``out / x`` that an end of the range has, summed over its places."""
    (axis,) = axes_of((axis,), np.ndim(g))
    shape = (*np.shape(g)[:axis], *np.shape(g)[axis + 1 :])
    end = np.expand_dims(np.broadcast_to(x, shape), axis)
    return ramp_back(g * out / end, x, axis)


# out = start**(1 - w) * stop**w, where w goes from 0 to 1
defvjp(
    np.geomspace,
    lambda g, out, start, _stop, num=50, endpoint=True, dtype=None, axis=0: geomspace_back(
        g * (1 - weights_of(g, endpoint, axis)), out, start, axis
    ),
    lambda g, out, _start, stop, num=50, endpoint=True, dtype=None, axis=0: geomspace_back(
        g * weights_of(g, endpoint, axis), out, stop, axis
    ),
    reach=whole,
)


@composite(np.block)
def block(arrays: Any) -> Any:
    """Nested lists: the innermost are joined along the last axis, those around along others."""
    depth = _depth(arrays)
    ndim = max(depth, *(np.ndim(a) for a in _leaves(arrays)))
    return _joined(arrays, depth, ndim) if depth else broadcast(arrays, np.shape(arrays))


def _leaves(nested: Any) -> list[Any]:
    return [a for n in nested for a in _leaves(n)] if isinstance(nested, list) else [nested]


def _depth(nested: Any) -> int:
    """How deep lists are nested, everywhere equally."""
    if not isinstance(nested, list):
        return 0
    depths = {_depth(part) for part in nested}
    if len(depths) != 1:
        raise ValueError(
            "np.block: " + ("lists of different depth" if depths else "an empty list")
            + "; give arrays in lists that are nested equally deep, none of them empty."
        )  # fmt: skip
    return depths.pop() + 1


def _joined(nested: Any, depth: int, ndim: int) -> Any:
    if not depth:
        return np.reshape(nested, (1,) * (ndim - np.ndim(nested)) + np.shape(nested))
    return concatenate([_joined(part, depth - 1, ndim) for part in nested], ndim - depth)


@composite(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements on a diagonal."""
    return np.diag(np.reshape(v, (-1,)), k)


@composite(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """The elements, with others between them: NumPy itself says which goes where."""
    obj = np.asarray(obj) if hasattr(obj, "__array_function__") else obj
    values = values if hasattr(values, "dtype") else np.asarray(values)
    arr, values = (x if hasattr(x, "__array_function__") else np.asarray(x) for x in (arr, values))
    size, dtype = np.size(arr), np.result_type(arr)
    places = np.insert(
        places_of(arr),
        obj,
        np.arange(size, size + np.size(values)).reshape(np.shape(values)),
        axis,
    )
    return concat(np.reshape(arr, (-1,)), akin(np.reshape(cast(values, dtype), (-1,)), arr))[places]


@composite(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of each line along an axis; what it gives takes the place of that axis."""
    (axis,) = axes_of((axis,), np.ndim(arr))
    lines = np.moveaxis(arr, axis, -1)
    outer = np.shape(lines)[:-1]
    found = [func1d(lines[index], *args, **kwargs) for index in np.ndindex(*outer)]
    if not found:
        raise ValueError(f"np.apply_along_axis of shape {np.shape(arr)}: the array is empty.")
    inner = np.ndim(found[0])
    joined = np.reshape(_stacked(found), (*outer, *np.shape(found[0])))
    back = range(joined.ndim - inner, joined.ndim)
    return np.moveaxis(joined, tuple(back), tuple(range(axis, axis + inner)))


def _stacked(found: Sequence[Any]) -> Any:
    return np.stack([x if hasattr(x, "dtype") else np.asarray(x) for x in found])


@composite(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """A reduction over one axis after the other, which stay as ones."""
    ndim = np.ndim(a)
    for axis in np.reshape(axes, (-1,)).tolist():
        out = func(a, axis + ndim if axis < 0 else axis)
        a = out if np.ndim(out) == np.ndim(a) else np.expand_dims(out, axis)
        if np.ndim(a) != ndim:
            raise ValueError("np.apply_over_axes: the function returned an array of another ndim.")
    return a


@composite(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part, if what is imaginary is rounding alone."""
    if not np.iscomplexobj(a):
        return a
    least = tol * float(np.finfo(a.dtype).eps) if tol > 1 else tol
    return np.real(a) if bool(np.all(np.abs(np.imag(a)) < least)) else a


@composite(*([np.astype] if hasattr(np, "astype") else []))
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """The values in another dtype."""
    return x.astype(dtype, copy=copy)


def running(name: str, scan: Any, start: int) -> Any:
    """``np.cumulative_sum`` and its twin for products."""

    def run(
        x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        if axis is None and np.ndim(x) != 1:
            raise ValueError(f"np.{name} of shape {np.shape(x)} needs axis=.")
        axis = 0 if axis is None else axis
        out = scan(x, axis=axis, dtype=dtype)
        if not include_initial:
            return out
        lead = np.full_like(out, start, shape=kept(np.shape(out), axis))
        return concat(lead, out, axis=axis)

    return run


for name, scan, start in (("cumulative_sum", np.cumsum, 0), ("cumulative_prod", np.cumprod, 1)):
    composite(*([getattr(np, name)] if hasattr(np, name) else []))(running(name, scan, start))
