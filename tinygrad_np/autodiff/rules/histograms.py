"""Histograms: counts are constants, sums of weights and edges that follow the data are not."""

import math
from typing import Any

import numpy as np

from ..primitives import ARRAY, akin, cast, take_at
from ..primitives.samples import bin_of, even_edges, tally
from ..shapes import as_array
from .reductions import extremum_back
from .signals import widened
from .table import composite, constant, defvjp

defvjp(
    tally,
    None,
    lambda g, _out, places, _weights, _minlength=0: take_at(
        g, (ARRAY,), cast(as_array(places), np.intp)
    ),
)


def even_edges_back(g: Any, out: Any, x: Any, limits: Any) -> Any:
    """The smallest element moves the edges, less and less towards the largest, which does too."""
    if limits is not None or np.size(x) == 0:
        return np.zeros_like(x)
    share = akin(np.linspace(0, 1, np.shape(out)[0], dtype=x.dtype), g)
    low, high = np.sum(g * (1 - share)), np.sum(g * share)
    return extremum_back(low, np.min(x), x, None, None, True) + extremum_back(
        high, np.max(x), x, None, None, True
    )


defvjp(
    even_edges,
    lambda g, out, x, _bins, limits=None: even_edges_back(g, out, x, limits),
    selects=1,
)


constant(bin_of)


def edges_of(x: Any, bins: Any, limits: Any) -> Any:
    """The edges that were given, or ``bins`` even ones."""
    if np.ndim(bins) == 0:
        return even_edges(x, bins, limits)
    if np.ndim(bins) != 1:
        raise ValueError(
            f"a histogram with bins of shape {np.shape(bins)}; give a number or a row."
        )
    return bins if hasattr(bins, "dtype") else np.asarray(bins)


def summed(places: Any, weights: Any, bins: int) -> Any:
    """What falls into each bin, in the weights' dtype; what falls into none is left out."""
    if weights is None:
        return tally(places, None, bins + 1)[:bins]
    weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
    if np.iscomplexobj(weights):
        real, imag = np.real(weights), np.imag(weights)
        return summed(places, real, bins) + 1j * summed(places, imag, bins)
    return widened(tally(places, widened(weights, np.float64), bins + 1)[:bins], weights.dtype)


@composite(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Counts, or sums of weights in float64."""
    weights = weights if weights is None else widened(weights, np.float64)
    return tally(x, weights, minlength)


def refuse_weights(name: str, a: Any, weights: Any) -> None:
    """Refuse weights that are not one for each element."""
    if weights is not None and np.shape(weights) != np.shape(a):
        raise ValueError(
            f"np.{name} of shape {np.shape(a)} with weights of shape {np.shape(weights)}; give "
            "one for each element."
        )


@composite(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges alone."""
    if isinstance(bins, str) and weights is not None:
        raise TypeError(f"np.histogram_bin_edges(bins={bins!r}) of weighted data; give a number.")
    refuse_weights("histogram_bin_edges", a, weights)
    return edges_of(np.reshape(a, (-1,)), bins, range)


@composite(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    """Counts or sums of weights between edges; with ``density`` the integral over them is 1."""
    refuse_weights("histogram", a, weights)
    edges = histogram_bin_edges(a, bins, range, weights)
    places = bin_of(np.reshape(a, (-1,)), edges)
    weights = weights if weights is None else np.reshape(weights, (-1,))
    counts = summed(places, weights, len(edges) - 1)
    if density:
        counts = counts / widened(np.diff(edges), np.float64) / np.sum(counts)
    return counts, edges


@composite(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    """Counts or sums of weights in float64, in boxes between edges on every axis."""
    table = np.stack(sample) if isinstance(sample, (list, tuple)) else sample
    if table is not sample or np.ndim(table) != 2:
        table = np.transpose(np.atleast_2d(table))
    if np.ndim(table) != 2:
        raise ValueError(
            f"np.histogramdd of shape {np.shape(sample)}; give a column for each axis."
        )
    columns = list(np.transpose(table))
    bins = list(bins) if isinstance(bins, (list, tuple)) or np.ndim(bins) else [bins] * len(columns)
    limits = [None] * len(columns) if range is None else list(range)
    if not len(columns) == len(bins) == len(limits):
        raise ValueError(
            f"np.histogramdd of {len(columns)} columns with bins for {len(bins)} and a range for "
            f"{len(limits)}; give one for each."
        )
    edges = [
        edges_of(column if limit is None else widened(column, np.float64), number, limit)
        for column, number, limit in zip(columns, bins, limits, strict=True)
    ]
    shape = [len(e) - 1 for e in edges]
    place: Any = 0
    outside: Any = False
    for column, edge, n in zip(columns, edges, shape, strict=True):
        there = bin_of(column, edge)
        place, outside = place * n + there, np.logical_or(outside, there == n)
    place = np.where(outside, math.prod(shape), place)
    weights = weights if weights is None else widened(weights, np.float64)
    counts = np.reshape(widened(summed(place, weights, math.prod(shape)), np.float64), shape)
    if density:
        total = np.sum(counts)
        for k, edge in enumerate(edges):
            counts = counts / np.reshape(np.diff(edge), (-1,) + (1,) * (len(edges) - 1 - k))
        counts = counts / total
    return counts, edges


@composite(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Counts or sums of weights in rectangles."""
    if len(x) != len(y):
        raise ValueError(f"np.histogram2d of {len(x)} and {len(y)} elements; give as many.")
    if hasattr(bins, "__len__") and len(bins) not in (1, 2):
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, *edges
