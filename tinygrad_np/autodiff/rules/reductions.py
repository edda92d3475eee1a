"""Reductions: functions that combine the elements along some axes."""

from typing import Any

import numpy as np

from ..primitives import (
    akin,
    bodies,
    cast,
    chosen,
    deviation,
    length,
    nonzero,
    of_dtype,
    unit,
    variance,
)
from ..shapes import Axis, as_array, axes_of, beside, expand, extent, keep, kept, total
from .elementwise import as_wide, in_single
from .table import Traits, along, composite, defvjp, onwards


def spread(g: Any, x: Any, axis: Axis, where: Any) -> Any:
    """``g`` sent back to every element of ``x`` that took part."""
    wide = expand(g, x.shape, axis)
    return wide if where is True else np.where(where, wide, 0)


def count(x: Any, axis: Axis, where: Any) -> Any:
    """How many elements of ``x`` took part."""
    if where is True:
        return extent(np.shape(x), axis)
    taken = np.broadcast_to(where, np.shape(x))
    return np.sum(taken, axis=axis, keepdims=True, dtype=np.result_type(x, np.float32))


def degrees(x: Any, axis: Axis, ddof: float, where: Any) -> Any:
    """The degrees of freedom: how many elements took part, less ``ddof``, and 0 at least."""
    if where is True:
        return float(max(extent(x.shape, axis) - ddof, 0))
    return cast(np.maximum(count(x, axis, where) - ddof, 0), np.real(x).dtype)


def mean_back(g: Any, x: Any, axis: Axis, where: Any) -> Any:
    """Each element moves the mean by 1 / count."""
    if g.dtype == np.float16:  # there a count ends at 65,504
        return cast(mean_back(cast(g, np.float32), x, axis, where), np.float16)
    if where is True:
        return expand(g / count(x, axis, where), np.shape(x), axis)
    return spread(keep(g, np.shape(x), axis) / count(x, axis, where), x, axis, where)


def extremum_back(g: Any, out: Any, x: Any, axis: Axis, initial: Any, where: Any) -> Any:
    """``g`` goes to the elements that are the extremum; ties share it evenly."""
    dtype = np.result_type(x, np.float32)  # float16 counts ones to 2,048 only
    best = beside(out, x, axis)
    hit = cast(x == best if where is True else np.logical_and(x == best, where), dtype)
    ties = total(hit, axis, keepdims=True)
    if initial is not None:
        ties = np.maximum(ties + cast(best == initial, dtype), 1)
    return of_dtype(beside(g, x, axis) / ties * hit, g.dtype)


def centred(x: Any, axis: Axis, where: Any) -> Any:
    """What differs from the mean, of those that take part."""
    if where is True:
        return x - total(x, axis, keepdims=True) / extent(x.shape, axis)
    return np.where(where, x - np.mean(x, axis=axis, keepdims=True, where=where), 0)


def variance_back(g: Any, x: Any, axis: Axis, ddof: float, where: Any) -> Any:
    """d var / dx = 2 (x - mean) / (n - ddof)."""
    x = as_wide(x, g)
    freedom = degrees(x, axis, ddof, where)
    return beside(g, x, axis) * (np.conj(centred(x, axis, where)) / (freedom / 2))


def deviation_back(g: Any, x: Any, axis: Axis, ddof: float, where: Any) -> Any:
    """d std / dx = (x - mean) / |x - mean| / root(n - ddof), 0 where all elements are equal.

    There the mean may be rounded and x - mean 1e-17 instead of 0, hence the comparison.
    """
    if x.size == 0:
        return np.zeros_like(x)
    x = as_wide(x, g)
    high, low = (x, x) if where is True else (np.where(where, x, v) for v in (-np.inf, np.inf))
    highest = np.max(high, axis=axis, keepdims=True)
    flat = highest == np.min(low, axis=axis, keepdims=True)
    apart = np.conj(np.where(flat, 0, centred(x, axis, where)))
    return beside(g, x, axis) * (unit(apart, axis) / degrees(x, axis, ddof, where) ** 0.5)


def unit_back(g: Any, out: Any, x: Any, axis: Axis) -> Any:
    """What lies along the unit vector moves the length alone: its part of ``g`` goes."""
    size = length(x, axis)
    across = g - np.sum(np.real(g * out), axis=axis, keepdims=True) * np.conj(out)
    return np.where(size == 0, 0, across / np.where(size == 0, 1, size))


def product_of_others(x: Any, axis: Axis) -> Any:
    """For each element the product of the other ones along ``axis``: no division, so zeros work."""
    shape, axes = x.shape, axes_of(axis, x.ndim)
    if x.ndim == 1 == len(axes):
        return products_around(x)
    rest = [a for a in range(len(shape)) if a not in axes]
    order = [*rest, *axes]
    lined = np.reshape(np.transpose(x, order), (*(shape[a] for a in rest), extent(shape, axis)))
    others = np.reshape(products_around(lined), tuple(shape[a] for a in order))
    return np.transpose(others, [order.index(a) for a in range(len(shape))])


def products_around(x: Any) -> Any:
    """For each element of the last axis the product of all before and behind it."""
    one = np.ones_like(x, shape=(*x.shape[:-1], 1))
    before = np.concatenate([one, x[..., :-1]], axis=-1)
    behind = np.concatenate([one, x[..., :0:-1]], axis=-1)
    scan = np.multiply.accumulate
    return scan(before, axis=-1) * scan(behind, axis=-1)[..., ::-1]


def prod_back(g: Any, x: Any, axis: Axis, initial: Any, where: Any) -> Any:
    """Each element moves the product by the product of the others."""
    if x.size == 0:
        return np.zeros_like(x)
    x = of_dtype(x, g.dtype)
    wide = beside(g, x, axis) * (1 if initial is None else initial)
    if where is True:
        return wide * product_of_others(x, axis)
    return np.where(where, wide * product_of_others(np.where(where, x, 1), axis), 0)


def cumsum_back(g: Any, x: Any, axis: int | None) -> Any:
    """Each element is in all sums from its place on."""
    if g.dtype == np.float16:  # which counts ones to 2,048 only
        return cast(cumsum_back(cast(g, np.float32), x, axis), np.float16)
    if axis is None or np.ndim(x) == 0:
        return np.reshape(np.flip(np.cumsum(np.flip(g))), np.shape(x))
    return np.flip(np.cumsum(np.flip(g, axis=axis), axis=axis), axis=axis)


def shifted(x: Any, by: int, fill: float) -> Any:
    """``x`` moved towards the front of its last axis by ``by``, ``fill`` behind it."""
    return np.concatenate([x[..., by:], np.full_like(x[..., :by], fill)], axis=-1)


def recurrence(total: Any, factor: Any) -> Any:
    """s_i = total_i + factor_i s_{i+1} along the last axis, where nothing follows the last one.

    It is solved by doubling (Hillis & Steele 1986): log2(n) steps, no division. Where nothing
    arrived behind a factor it may be infinite or NaN, or the product of several.
    """
    n, step = np.shape(total)[-1], 1
    while step < n:
        behind = shifted(total, step, 0)
        idle = np.logical_and(behind == 0, ~np.isfinite(factor))
        total = total + np.where(idle, 0, factor * behind)
        factor = factor * shifted(factor, step, 0)
        step *= 2
    return total


def cumprod_back(g: Any, x: Any, axis: int | None) -> Any:
    """cot_i = (x_0 … x_{i-1}) s_i, where s_i = g_i + x_{i+1} s_{i+1}."""
    x = of_dtype(x, g.dtype)
    axis = axis if np.ndim(x) else None  # NumPy takes 0-d for 1-d
    lined = np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, -1)
    total = np.reshape(g, (-1,)) if axis is None else np.moveaxis(g, axis, -1)
    if np.size(x) == 0:
        return np.zeros_like(x)
    one = np.ones_like(lined[..., :1])
    before = np.cumprod(np.concatenate([one, lined[..., :-1]], axis=-1), axis=-1)
    back = before * recurrence(total, shifted(lined, 1, 0))
    return np.reshape(back, np.shape(x)) if axis is None else np.moveaxis(back, -1, axis)


# Options behind NumPy's ``out`` are taken by keyword only: positions would be off by one.
defvjp(
    np.sum,
    lambda g, _out, _x, axis=None, dtype=None, *, keepdims=False, initial=0, where=True: spread(
        g, _x, axis, where
    ),
    traits=Traits(body=bodies.total, along=True, adds="integers"),
)
defvjp(
    np.mean,
    lambda g, _out, _x, axis=None, dtype=None, *, keepdims=False, where=True: mean_back(
        g, _x, axis, where
    ),
    traits=Traits(body=bodies.mean),
)
for extremum, body in (
    (np.max, bodies.largest),
    (np.min, bodies.least),
    (np.amax, bodies.largest),
    (np.amin, bodies.least),
):
    defvjp(
        extremum,
        lambda g, out, x, axis=None, *, keepdims=False, initial=None, where=True: extremum_back(
            g, out, x, axis, initial, where
        ),
        reach=along(None),
        selects=1,
        traits=Traits(body=body, along=True),
    )
defvjp(
    np.prod,
    lambda g, _out, x, axis=None, dtype=None, *, keepdims=False, initial=1, where=True: prod_back(
        g, x, axis, initial, where
    ),
    reach=along(None),
)
defvjp(
    variance,
    lambda g, _out, x, axis=None, dtype=None, ddof=0, keepdims=False, where=True: variance_back(
        g, x, axis, ddof, where
    ),
    reach=along(None),
)
defvjp(
    deviation,
    lambda g, _out, x, axis=None, dtype=None, ddof=0, keepdims=False, where=True: deviation_back(
        g, x, axis, ddof, where
    ),
    reach=along(None),
)
defvjp(length, lambda g, _out, x, axis: g * np.conj(unit(x, axis)), reach=along(None))
defvjp(unit, lambda g, out, x, axis: unit_back(g, out, x, axis), reach=along(None))
defvjp(np.cumsum, lambda g, _out, _x, axis=None, dtype=None: cumsum_back(g, _x, axis))
defvjp(
    np.cumprod,
    lambda g, _out, x, axis=None, dtype=None: cumprod_back(g, x, axis),
    reach=onwards(None),
)


def freedom_of(ddof: float, correction: float | None) -> float:
    """``ddof``, under either of its names."""
    if correction is not None and ddof:
        raise ValueError(f"ddof={ddof} and correction={correction} are the same; give one.")
    return ddof if correction is None else correction


@composite(np.var)
@in_single
def var(
    a: Any, axis: Axis = None, dtype: Any = None, ddof: float = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None,
    correction: float | None = None,
) -> Any:  # fmt: skip
    """The mean square of what differs from the mean."""
    ddof = freedom_of(ddof, correction)
    if mean is None:
        if axis is None is dtype and where is True and not (ddof or keepdims):
            return variance(a)  # 3 µs less
        return variance(a, axis, dtype, ddof, keepdims, **chosen(where))
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise NotImplementedError(f"np.var with mean= and dtype={dtype!r}; give a floating dtype.")
    apart = a - mean
    squares = np.real(apart * np.conjugate(apart))
    freedom = np.maximum(count(a, axis, where) - ddof, 0)
    total = np.sum(squares, axis=axis, dtype=dtype, keepdims=True, **chosen(where))
    out = total / cast(freedom, np.result_type(total))
    return out if keepdims else np.squeeze(out, axes_of(axis, np.ndim(out)))


@composite(np.std)
@in_single
def std(
    a: Any, axis: Axis = None, dtype: Any = None, ddof: float = 0,
    keepdims: bool = False, *, where: Any = True, mean: Any = None,
    correction: float | None = None,
) -> Any:  # fmt: skip
    """The root of the variance."""
    ddof = freedom_of(ddof, correction)
    if mean is None:
        if axis is None is dtype and where is True and not (ddof or keepdims):
            return deviation(a)
        return deviation(a, axis, dtype, ddof, keepdims, **chosen(where))
    return np.sqrt(var(a, axis, dtype, ddof, keepdims, where=where, mean=mean))


defvjp(nonzero, lambda g, _out, _scale: g, traits=Traits(checks=True))


@composite(np.average)
@in_single
def average(
    a: Any,
    axis: Axis = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """The mean, or the sum of ``weights * a`` over the sum of the weights."""
    if isinstance(axis, (list, bool)):
        axis = tuple(axis) if isinstance(axis, list) else int(axis)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        if np.size(mean) == 0:
            raise ZeroDivisionError(f"np.average over shape {np.shape(a)}: it has no elements.")
        scale = np.full_like(mean, np.size(a) / max(np.size(mean), 1))
        return (mean, scale) if returned else mean
    if np.shape(weights) != np.shape(a):
        axes = () if axis is None else axes_of(axis, np.ndim(a))
        if axis is None or np.shape(weights) != tuple(np.shape(a)[k] for k in axes):
            raise ValueError(
                f"np.average: weights of shape {np.shape(weights)} fit neither a of shape "
                f"{np.shape(a)} nor axis={axis}; give weights of one of these shapes."
            )
        nonzero(np.sum(weights))
        lined = [n if k in axes else 1 for k, n in enumerate(np.shape(a))]
        weights = np.transpose(weights, sorted(range(len(axes)), key=axes.__getitem__))
        weights = np.broadcast_to(np.reshape(weights, lined), np.shape(a))
    a, weights = as_array(a), as_array(weights)
    dtype = np.result_type(a, weights, *[] if a.dtype.kind in "fc" else [np.float64])
    a, weights = of_dtype(a, dtype), of_dtype(weights, dtype)
    scale = nonzero(np.sum(weights, axis=axis, keepdims=keepdims))
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / scale
    return (mean, scale) if returned else mean


@composite(np.ptp)
def ptp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The bodies.largest less the smallest."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composite(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, ``n`` times."""
    if n == 0:
        return a
    if n < 0 or np.ndim(a) == 0:
        raise ValueError(f"np.diff: n={n} of shape {np.shape(a)}; n is 0 or more, a has an axis.")
    (along_axis,) = axes_of((axis,), np.ndim(a))
    parts = [prepend, a, append]
    if prepend is not None or append is not None:
        end = kept(np.shape(a), along_axis)
        joined = [
            akin(np.broadcast_to(p, end) if np.ndim(p) == 0 else p, a)
            for p in parts
            if p is not None
        ]
        a = np.concatenate(joined, axis=along_axis)
    lead = (slice(None),) * along_axis
    less = np.not_equal if a.dtype == np.bool_ else np.subtract
    for _ in range(n):
        a = less(a[(*lead, slice(1, None))], a[(*lead, slice(None, -1))])
    return a
