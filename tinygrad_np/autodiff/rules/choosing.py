"""Functions that choose elements, distinct ones among them, and count them in bins."""

from typing import Any

import numpy as np

from ..primitives import ARRAY, add_at, cast, concat, primitive, replace_at
from .table import composite, defvjp


@composite(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """For each element the choice of that number."""
    if np.result_type(a).kind not in "iub":
        raise TypeError(f"np.choose by dtype {np.result_type(a)}; give integers.")
    choices = list(choices)
    shape = np.broadcast_shapes(np.shape(a), *map(np.shape, choices))
    rows = np.stack([np.broadcast_to(choice, shape) for choice in choices])
    places = np.broadcast_to(cast(a, np.intp), shape)
    if mode == "wrap":
        places = np.remainder(places, len(choices))
    elif mode == "clip":
        places = np.clip(places, 0, len(choices) - 1)
    elif mode != "raise":
        raise ValueError(f"np.choose(mode={mode!r}); use 'raise', 'wrap' or 'clip'.")
    places = np.where(places < 0, len(choices), places)  # NumPy takes none from behind
    return np.take_along_axis(rows, np.expand_dims(places, 0), 0)[0]


@composite(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Zeros, with the value of each function where its condition holds; the last one elsewhere."""
    funcs = list(funclist)
    x = x if hasattr(x, "dtype") else np.asarray(x)
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


@primitive
def distinct(x: Any, axis: int | None, equal_nan: bool) -> Any:
    """Of the distinct elements, in order: where each stands first, which each is, and counts."""
    return np.unique(x, True, True, True, axis, equal_nan=equal_nan)[1:]


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


defvjp(np.bincount, None, lambda g, _out, x, _weights, minlength=0: g[x])


@primitive
def finite(x: Any) -> Any:
    """``x`` itself, once it is known to be finite."""
    if not np.isfinite(x).all():
        raise ValueError("np.histogram: the range of the elements is not finite.")
    return x


defvjp(finite, lambda g, _out, _x: g)


def edges_of(x: Any, bins: Any, span: Any) -> Any:
    """The edges of the bins of ``x``, from its least to its largest element if no span is given."""
    if isinstance(bins, str):
        raise NotImplementedError(
            f"np.histogram(bins={bins!r}) of Tensors: the number of bins would depend on their "
            "values; give a number, or edges (np.histogram_bin_edges(t.numpy(), bins))."
        )
    if np.ndim(bins) > 0 and hasattr(bins, "__array_function__"):
        return bins
    np.histogram_bin_edges(np.zeros(0), bins, span)  # refuses what is no bins
    if np.ndim(bins) > 0:
        return np.asarray(bins)
    low, high = span if span is not None else (np.min(x), np.max(x)) if np.size(x) else (0.0, 1.0)
    dtype = np.result_type(low, high, x)
    same = np.equal(finite(low), finite(high))
    low, high = np.where(same, low - 0.5, low), np.where(same, high + 0.5, high)
    return np.linspace(low, high, int(bins) + 1, dtype=dtype if dtype.kind == "f" else float)


def counted(columns: list[Any], edges: list[Any], weights: Any) -> Any:
    """The sum of the weights in each bin, one axis for each column; the last edges belong to it."""
    places = [
        np.searchsorted(edge, x, side="right") - cast(x == edge[-1], np.intp)
        for x, edge in zip(columns, edges, strict=True)
    ]
    shape = tuple(np.size(edge) + 1 for edge in edges)  # with what lies outside
    if weights is None:
        weights = np.ones(np.shape(columns[0]), np.intp)
    weights = np.reshape(weights, (-1,))
    if np.shape(weights) != np.shape(columns[0]):
        raise ValueError(
            f"np.histogram: {np.size(weights)} weights for {np.size(columns[0])} elements."
        )
    sums = add_at(weights, shape, (ARRAY,) * len(columns), *places)
    return sums[(slice(1, -1),) * len(columns)]


def density_of(sums: Any, edges: list[Any]) -> Any:
    """Sums over the volume of their bins and over the sum of all."""
    out = sums
    for axis, edge in enumerate(edges):
        out = out / np.reshape(np.diff(edge), (-1,) + (1,) * (len(edges) - axis - 1))
    return out / np.sum(sums)


@composite(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins, linear in the least and the largest element."""
    del weights
    return edges_of(np.reshape(a, (-1,)), bins, range)


@composite(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> Any:
    """Counts are constants; sums of weights, densities and edges have slopes."""
    x = np.reshape(a, (-1,))
    edges = edges_of(x, bins, range)
    sums = counted([x], [edges], weights)
    return (density_of(sums, [edges]) if density else sums), edges


@composite(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None,
    weights: Any = None,
) -> Any:  # fmt: skip
    """``histogram`` of points."""
    if hasattr(sample, "dtype") and np.ndim(sample) == 2:
        columns = list(np.transpose(sample))
    else:
        columns = [np.reshape(x, (-1,)) for x in sample]
    spans = (None,) * len(columns) if range is None else range
    each = bins if hasattr(bins, "__len__") else [bins] * len(columns)
    if len(each) != len(columns) or len(spans) != len(columns):
        raise ValueError(f"np.histogramdd of {len(columns)} columns: give bins and range for each.")
    edges = [edges_of(x, n, span) for x, n, span in zip(columns, each, spans, strict=True)]
    sums = cast(counted(columns, edges, weights), np.float64)
    return (density_of(sums, edges) if density else sums), edges


@composite(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: bool | None = None,
    weights: Any = None,
) -> Any:  # fmt: skip
    """``histogram`` of points in the plane."""
    if np.shape(x) != np.shape(y):
        raise ValueError(f"np.histogram2d of shapes {np.shape(x)} and {np.shape(y)}: one length.")
    if hasattr(bins, "__len__") and len(bins) not in (1, 2):
        bins = [bins, bins]
    sums, edges = histogramdd([x, y], bins, range, density, weights)
    return sums, edges[0], edges[1]
