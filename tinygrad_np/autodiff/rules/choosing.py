"""Functions that choose elements, and those that find distinct ones among them."""

from typing import Any

import numpy as np

from ..primitives import ARRAY, cast, replace_at
from ..primitives.building import distinct
from ..shapes import as_array
from .shaping import laid
from .table import composite


@composite(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """For each element the choice of that number."""
    a = as_array(a)
    if a.dtype.kind not in "iub":
        raise TypeError(f"np.choose by dtype {a.dtype}; give integers.")
    choices = list(choices)
    shape = np.broadcast_shapes(np.shape(a), *map(np.shape, choices))
    given = [as_array(choice) for choice in choices]
    kinds = zip(choices, given, strict=True)  # a Python number has no dtype of its own
    dtype = np.result_type(*(c if type(c) in (bool, int, float, complex) else x for c, x in kinds))
    rows = np.stack([np.broadcast_to(cast(x, dtype), shape) for x in given])
    places = np.broadcast_to(cast(a, np.intp), shape)
    if mode == "wrap":
        places = np.remainder(places, len(choices))
    elif mode == "clip":
        places = np.clip(places, 0, len(choices) - 1)
    elif mode != "raise":
        raise ValueError(f"np.choose(mode={mode!r}); use 'raise', 'wrap' or 'clip'.")
    places = np.where(places < 0, len(choices), places)  # NumPy takes none from behind
    return laid(np.take_along_axis(rows, np.expand_dims(places, 0), 0)[0])


@composite(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Zeros, with the value of each function where its condition holds; the last one elsewhere."""
    funcs = list(funclist)
    x = as_array(x)
    alone = not isinstance(condlist, (list, tuple)) and np.ndim(condlist) <= max(np.ndim(x), 1)
    if isinstance(condlist, (list, tuple)) and np.ndim(x) and np.ndim(condlist[0]) == 0:
        alone = True
    masks = [condlist] if alone and not (np.ndim(x) == 0 and np.ndim(condlist)) else list(condlist)
    masks = [np.not_equal(mask, 0) for mask in masks]
    if len(funcs) == len(masks) + 1:
        held = masks[0]
        for mask in masks[1:]:
            held = np.logical_or(held, mask)
        masks.append(np.logical_not(held))
    elif len(funcs) != len(masks):
        raise ValueError(
            f"np.piecewise with {len(masks)} conditions and {len(funcs)} functions; give as many, "
            "or one function more."
        )
    out = np.zeros_like(x)
    for mask, func in zip(masks, funcs, strict=True):
        value = func
        if callable(func):
            chosen = x[mask]
            if np.size(chosen) == 0:
                continue
            value = func(chosen, *args, **kw)
        out = replace_at(out, value, (ARRAY,), mask if hasattr(mask, "dtype") else np.array(mask))
    return out


@composite(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """The distinct elements, each taken from where it stands first; in order in any case."""
    del sorted
    index, inverse, counts = distinct(ar, axis, equal_nan)
    wanted = [np.take(ar, index, axis=axis)]
    wanted += [index] * return_index + [inverse] * return_inverse + [counts] * return_counts
    return tuple(wanted) if len(wanted) > 1 else wanted[0]


@composite(np.unique_values)
def unique_values(x: Any) -> Any:
    """The distinct elements, in order; NaNs are distinct."""
    return unique(x, equal_nan=False)


def several(fn: Any, **which: bool) -> None:
    """``np.unique_all`` and its like, which give named tuples."""
    kind = type(fn(np.zeros(1)))

    @composite(fn)
    def unique_with(x: Any) -> Any:
        return kind(*unique(x, **which, equal_nan=False))


several(np.unique_all, return_index=True, return_inverse=True, return_counts=True)
several(np.unique_counts, return_counts=True)
several(np.unique_inverse, return_inverse=True)


@composite(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of both."""
    return unique(np.concatenate((ar1, ar2), axis=None))


@composite(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements of the first that the second lacks."""
    ar1 = np.reshape(ar1, (-1,)) if assume_unique else unique(ar1)
    return ar1[np.logical_not(np.isin(ar1, ar2))]


@composite(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The elements that only one of both has."""
    one, other = setdiff1d(ar1, ar2, assume_unique), setdiff1d(ar2, ar1, assume_unique)
    return np.sort(np.concatenate((one, other)))
