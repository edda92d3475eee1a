"""Order statistics: medians, quantiles and percentiles.

A quantile lies between two neighbours in the sorted sample, at an index that need not be whole
(Hyndman & Fan 1996, "Sample quantiles in statistical packages"). Both neighbours get a share of the
cotangent. The derivative by q is the slope of the interpolation; it is 0 for methods that only take
sample points.
"""

import functools
import math
from typing import Any

import numpy as np

from ..primitives import ARRAY, add_at, akin, cast
from ..primitives.samples import middle, quantile
from ..shapes import Axis, axes_of
from .table import composite, defvjp

# alpha and beta of the methods that interpolate: the index is nq + alpha + q (1 - alpha - beta) - 1
CONTINUOUS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def lined(x: Any, axis: Axis) -> Any:
    """The samples as the rows of a matrix."""
    ndim = np.ndim(x)
    axes = axes_of(axis, ndim)
    rest = [a for a in range(ndim) if a not in axes]
    shape = np.shape(x)
    size = math.prod(shape[a] for a in rest), math.prod(shape[a] for a in axes)
    return np.reshape(np.transpose(x, (*rest, *axes)), size)


def unlined(rows: Any, x: Any, axis: Axis) -> Any:
    """The rows of ``lined`` back in the shape of ``x``."""
    axes = axes_of(axis, np.ndim(x))
    order = [*(a for a in range(np.ndim(x)) if a not in axes), *axes]
    wide = np.reshape(rows, [np.shape(x)[a] for a in order])
    return np.transpose(wide, [order.index(a) for a in range(np.ndim(x))])


def row(q: Any, x: Any) -> Any:
    """The quantiles wanted of ``x`` as a row."""
    return akin(np.reshape(q, (1, -1)), x)


def index_of(n: Any, q: Any, method: str) -> Any:
    """Where in a sorted sample of ``n`` the quantile is."""
    if method == "linear":
        return (n - 1) * q
    if method in CONTINUOUS:
        alpha, beta = CONTINUOUS[method]
        return n * q + (alpha + q * (1 - alpha - beta)) - 1
    if method in ("lower", "higher", "nearest"):
        rounded = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[method]
        return rounded((n - 1) * q)
    if method == "midpoint":
        return 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))
    after = n * q - 1.5 if method == "closest_observation" else n * q - 1
    before = np.floor(after)
    step = {"inverted_cdf": 0, "averaged_inverted_cdf": 0.5, "closest_observation": before % 2 != 1}
    return before + np.where(after == before, step[method], 1)


def weighted_index(rows: Any, weights: Any, order: Any, q: Any) -> Any:
    """The first place where the weights so far are at least the fraction ``q`` of all."""
    weights = np.where(np.isnan(rows), 0, weights)
    sums = np.cumsum(np.take_along_axis(weights, order, -1), axis=-1, dtype=np.float64)
    share = sums / sums[:, -1:]
    if (dtype := np.result_type(q)).kind == "f":  # as NumPy compares them
        share = cast(share, dtype)
    share = share[:, None, :]
    return np.sum(np.where(share == 0, -1, share) < np.expand_dims(q, -1), axis=-1)


def neighbours(
    x: Any, q: Any, axis: Axis, method: str, weights: Any, skips: bool
) -> tuple[Any, Any, Any, Any, Any]:
    """The samples as rows, both neighbours of each q, the second's share, whether q is inside."""
    rows = lined(x, axis)
    n = np.shape(rows)[-1]
    order = np.argsort(rows, axis=-1, kind="stable")
    missing = np.isnan(rows)
    count = np.sum(np.logical_not(missing), axis=-1, keepdims=True)
    if weights is None:
        index = index_of(count if skips else n, row(q, x), method)
    else:
        index = weighted_index(rows, _like(x, weights, axis), order, row(q, x))
    last = count - 1 if skips else n - 1
    inside = np.logical_and(index >= 0, index <= last)
    if not skips:  # a NaN is the last in order, and the result
        lost = np.any(missing, axis=-1, keepdims=True)
        index, inside = np.where(lost, n - 1, index), np.logical_and(inside, ~lost)
    low = np.maximum(np.minimum(np.floor(index), last - 1), 0)
    high = np.minimum(low + 1, np.maximum(last, 0))
    first, second = (np.take_along_axis(order, cast(k, np.intp), -1) for k in (low, high))
    return rows, first, second, np.clip(index - low, 0, 1), inside


def _like(x: Any, weights: Any, axis: Axis) -> Any:
    """The weights of the rows of ``x``; one for each place along ``axis`` counts in every row."""
    if np.shape(weights) != np.shape(x):
        axes = axes_of(axis, np.ndim(x))
        shape = [n if a in axes else 1 for a, n in enumerate(np.shape(x))]
        weights = np.reshape(np.transpose(weights, np.argsort(axes).tolist()), shape)
    return lined(np.broadcast_to(weights, np.shape(x)), axis)


def by_rows(g: Any, rows: Any) -> Any:
    """The cotangent with a row for each sample, a column for each q."""
    return np.transpose(np.reshape(g, (-1, np.shape(rows)[0])))


def sample_back(
    g: Any, x: Any, q: Any, axis: Axis, method: str = "linear", weights: Any = None,
    skips: bool = False,
) -> Any:  # fmt: skip
    """Both neighbours get their shares."""
    if np.size(x) == 0 or np.size(g) == 0:
        return np.zeros_like(x)
    rows, first, second, share, _ = neighbours(x, q, axis, method, weights, skips)
    back = by_rows(g, rows)
    if skips:
        back = np.where(np.all(np.isnan(rows), axis=-1, keepdims=True), 0, back)
    share = cast(share, np.finfo(g.dtype).dtype)
    parts = np.concatenate([back * (1 - share), back * share], axis=-1)
    places = np.concatenate([first, second], axis=-1)
    numbers = akin(np.arange(np.shape(rows)[0])[:, None], rows)
    return unlined(add_at(parts, np.shape(rows), (ARRAY, ARRAY), numbers, places), x, axis)


def q_back(g: Any, x: Any, q: Any, axis: Axis, method: str, skips: bool) -> Any:
    """The distance of both neighbours, times what the index moves by; beyond the ends 0.

    At a sample point it is the slope to the right, at the last one that to the left.
    """
    if method not in CONTINUOUS or np.size(x) == 0:
        return np.zeros_like(q)
    rows, first, second, _, inside = neighbours(x, q, axis, method, None, skips)
    back = by_rows(g, rows)
    step = np.take_along_axis(rows, second, -1) - np.take_along_axis(rows, first, -1)
    sound = np.logical_or(back != 0, np.isfinite(step))
    moved = np.where(np.logical_and(inside, sound), back * step, 0)
    count = np.sum(np.logical_not(np.isnan(rows)), axis=-1, keepdims=True)
    each = cast(count, moved.dtype) + (1 - sum(CONTINUOUS[method]))
    return np.reshape(np.sum(moved * each, axis=0), np.shape(q))


# finite wherever the cotangent is: no reach is needed
defvjp(
    quantile,
    lambda g, _out, x, q, weights=None, axis=None, method="linear", keepdims=False, skips=False: (
        sample_back(g, x, q, axis, method, weights, skips)
    ),
    lambda g, _out, x, q, weights=None, axis=None, method="linear", keepdims=False, skips=False: (
        q_back(g, x, q, axis, method, skips)
    ),
    lambda g, _out, _x, _q, _weights, axis=None, method="", keepdims=False, skips=False: (
        np.zeros_like(_weights)
    ),
    selects=1,
)  # fmt: skip
defvjp(
    middle,
    lambda g, _out, x, axis=None, keepdims=False, skips=False: sample_back(
        g, x, 0.5, axis, skips=skips
    ),
    selects=1,
)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


@functools.cache
def is_turned() -> bool:
    """Whether this NumPy lays out ``np.nanquantile`` of several axes as ``turned`` says."""
    x, q = np.zeros((1, 1, 2)), np.zeros((3, 4))
    return np.nanquantile(x, q, axis=(0, 1)).shape != (*q.shape, 2)


def turned(a: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    """``np.nanquantile`` over several of the axes of ``a`` with a matrix ``q``.

    NumPy mixes up the result's axes: the second of q, those that are kept, the first of q.
    """
    flat = quantile(a, np.reshape(q, -1), None, axis, method, False, True)
    usual = np.reshape(flat, (*np.shape(q), *np.shape(flat)[1:]))
    out = np.transpose(usual, (1, *range(2, np.ndim(usual)), 0))
    gone = tuple(2 + i for i in axes_of(axis, np.ndim(a)))
    return np.expand_dims(out, gone) if keepdims else out


def quantile_(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None, skips: bool = False,
) -> Any:  # fmt: skip
    """What NumPy computes; ``overwrite_input`` allows a write that is not needed."""
    del overwrite_input
    axis = _axes(axis)
    several = skips and isinstance(axis, tuple) and 1 < len(axis) < np.ndim(a)
    full = np.size(a) and np.size(q)
    if several and full and np.ndim(q) == 2 and weights is None and is_turned():
        return turned(a, q, axis, method, keepdims)
    return quantile(a, q, weights, axis, method, keepdims, skips)


def percentile_(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None, skips: bool = False,
) -> Any:  # fmt: skip
    """The quantile at q / 100; Python's numbers stay such."""
    del overwrite_input
    fraction = q / 100 if type(q) in (int, float) else np.true_divide(q, 100)
    return quantile_(
        a, fraction, axis, method=method, keepdims=keepdims, weights=weights, skips=skips
    )


def median_(
    a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False, *,
    skips: bool = False,
) -> Any:  # fmt: skip
    """What NumPy computes; ``overwrite_input`` allows a write that is not needed."""
    del overwrite_input
    return middle(a, _axes(axis), keepdims, skips)


composite(np.quantile)(quantile_)
composite(np.percentile)(percentile_)
composite(np.median)(median_)
composite(np.nanquantile)(functools.partial(quantile_, skips=True))
composite(np.nanpercentile)(functools.partial(percentile_, skips=True))
composite(np.nanmedian)(functools.partial(median_, skips=True))


@composite(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """The last axis in order, as complex numbers of NumPy's choice."""
    return cast(np.sort(a), np.sort_complex(np.zeros(1, np.result_type(a))).dtype)
