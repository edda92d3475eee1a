"""Samples of functions: interpolation, slopes, integrals, convolutions, covariances, phases."""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..primitives import ARRAY, add_at, akin, cast, of_dtype, pad_zeros, take_at
from ..primitives.samples import bessel, convolved, interpolate, sample_weights
from ..shapes import as_array, axes_of
from .shaping import laid
from .table import composite, defvjp, elementwise, terms, whole

MODES = {0: "valid", 1: "same", 2: "full"}


def widened(x: Any, dtype: Any) -> Any:
    """``x`` in ``dtype``, in which NumPy's function computes whatever it is given."""
    return of_dtype(as_array(x), dtype)


def at(x: Any, places: Any) -> Any:
    """``x[places]``, where either may be recorded."""
    return take_at(x, (ARRAY,), places)


def piece(x: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The points on both sides of each ``x``, and how far it is from the first to the second.

    The last point is the end of the piece before it, any other the beginning of one. What is no
    number counts for the second.
    """
    first = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(np.shape(xp)[0] - 2, 0))
    second = np.minimum(first + 1, np.shape(xp)[0] - 1)
    width = at(xp, second) - at(xp, first)
    share = (x - at(xp, first)) / np.where(width == 0, 1, width)
    return first, second, np.where((width == 0) | np.isnan(share), 1, np.clip(share, 0, 1))


def places_back(g: Any, x: Any, xp: Any, fp: Any) -> Any:
    """``g`` times the slope of the piece that ``x`` lies on; 0 outside, where the ends go on."""
    first, second, _ = piece(x, xp)
    width = at(xp, second) - at(xp, first)
    rise = (at(fp, second) - at(fp, first)) / np.where(width == 0, 1, width)
    counts = (x >= xp[0]) & (x <= xp[-1]) & (width != 0)
    return np.where(counts & ((g != 0) | np.isfinite(rise)), g * rise, 0)


def collected(parts: Any, first: Any, second: Any, xp: Any) -> Any:
    """What arrives at the points on both sides."""
    return sum(
        add_at(np.reshape(part, (-1,)), np.shape(xp), (ARRAY,), np.reshape(place, (-1,)))
        for part, place in zip(parts, (first, second), strict=True)
    )


def points_back(g: Any, x: Any, xp: Any, fp: Any) -> Any:
    """v = y₀ + s (x - x₀) by x₀ and x₁: s (t - 1) and -s t, with t = (x - x₀) / (x₁ - x₀)."""
    first, second, share = piece(x, xp)
    moved = places_back(g, x, xp, fp)
    return collected((moved * (share - 1), -moved * share), first, second, xp)


def values_back(g: Any, x: Any, xp: Any, left: Any, right: Any) -> Any:
    """Both neighbours get their shares; the ends what is beyond them, if nothing is given there."""
    first, second, share = piece(x, xp)
    if left is not None:
        g = np.where(x < xp[0], 0, g)
    if right is not None:
        g = np.where(x > xp[-1], 0, g)
    return collected((g * (1 - share), g * share), first, second, xp)


defvjp(
    interpolate,
    lambda g, _out, x, xp, fp, _left=None, _right=None: places_back(g, x, xp, fp),
    lambda g, _out, x, xp, fp, _left=None, _right=None: points_back(g, x, xp, fp),
    lambda g, _out, x, xp, _fp, left=None, right=None: values_back(g, x, xp, left, right),
    lambda g, _out, x, xp, _fp, _left, _right=None: np.where(x < xp[0], g, 0),
    lambda g, _out, x, xp, _fp, _left, _right: np.where(x > xp[-1], g, 0),
    broadcasts=True,
    reach=whole,
    selects=1,
)


@composite(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Straight lines between points, in float64 or complex128 as NumPy computes them."""
    x, xp = widened(x, np.float64), widened(xp, np.float64)
    fp = widened(fp, np.complex128 if np.iscomplexobj(fp) else np.float64)
    x, xp, fp = akin(akin(x, xp), fp), akin(akin(xp, x), fp), akin(akin(fp, x), xp)
    if period is None:
        return interpolate(x, xp, fp, left, right)
    period = np.abs(period)
    x, xp = np.mod(x, period), np.mod(xp, period)
    order = np.argsort(xp)
    xp, fp = xp[order], fp[order]
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return interpolate(x, xp, np.concatenate([fp[-1:], fp, fp[:1]]))


def one_sided(values: list[Any], near: Any, far: Any) -> Any:
    """The slope of a parabola at the first of three samples, ``near`` and ``far`` apart."""
    weights = -1.5 / near, 2.0 / near, -0.5 / near
    if near is not far:
        both = near + far
        weights = -(near + both) / (near * both), both / (near * far), -near / (far * both)
    return sum(w * v for w, v in zip(weights, values, strict=True))


def differences(f: Any, step: Any, edge_order: int) -> Any:
    """The slopes along the last axis: ``step`` from each sample to the next, or one for all."""
    n = np.shape(f)[-1]
    is_even = np.ndim(step) == 0
    at = [step] * (n - 1) if is_even else step
    samples = [f[..., k : k + 1] for k in (0, 1, 2, n - 3, n - 2, n - 1)]
    if is_even:
        inside = (f[..., 2:] - f[..., :-2]) / (2.0 * step)
    else:
        one, two = step[:-1], step[1:]
        inside = (
            -two / (one * (one + two)) * f[..., :-2]
            + (two - one) / (one * two) * f[..., 1:-1]
            + one / (two * (one + two)) * f[..., 2:]
        )
    if edge_order == 1:
        start, end = (samples[1] - samples[0]) / at[0], (samples[-1] - samples[-2]) / at[-1]
    else:
        start = one_sided(samples[:3], at[0], at[1])
        end = -one_sided(samples[:2:-1], at[-1], at[-2])
    return np.concatenate([start, inside, end], axis=-1)


@composite(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences, at the ends one-sided ones of the order that is asked for."""
    axes = range(np.ndim(f)) if axis is None else normalize_axis_tuple(axis, np.ndim(f))
    steps = list(varargs) or [1.0]
    if len(steps) == 1 and np.ndim(steps[0]) == 0:
        steps = steps * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"np.gradient over {len(axes)} axes with {len(steps)} spacings; give one "
                        "for all, or one for each.")  # fmt: skip
    if edge_order > 2:
        raise ValueError(f"np.gradient(edge_order={edge_order}); use 1 or 2.")
    f = as_array(f)
    dtype = f.dtype if f.dtype.kind in "fc" else np.dtype(np.float64)
    f = cast(f, dtype) if f.dtype.kind in "iu" else f
    slopes = []
    for a, step in zip(axes, steps, strict=True):
        n = np.shape(f)[a]
        if n < edge_order + 1 or (np.ndim(step) and np.shape(step) != (n,)):
            raise ValueError(
                f"np.gradient of shape {np.shape(f)} along axis {a}, samples at shape "
                f"{np.shape(step)}; give {edge_order + 1} samples at least, and a place for each."
            )
        if np.ndim(step):
            step = as_array(step)
            step = np.diff(widened(step, step.dtype if step.dtype.kind in "fc" else np.float64))
        slope = cast(differences(np.moveaxis(f, a, -1), step, edge_order), dtype)
        slopes.append(laid(np.moveaxis(slope, -1, a), f))
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


@composite(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The mean of neighbours times their distance, summed."""
    y = as_array(y)
    lead = (slice(None),) * axes_of((axis,), np.ndim(y))[0]
    if x is not None and np.ndim(x) == 1:
        dx = np.reshape(np.diff(x), (-1,) + (1,) * (np.ndim(y) - len(lead) - 1))
    elif x is not None:
        dx = np.diff(x, axis=axis)
    both = y[(*lead, slice(1, None))] + y[(*lead, slice(None, -1))]
    return np.sum(dx * both / 2.0, axis=axis)


def convolved_back(g: Any, x: Any, y: Any, mode: str) -> Any:
    """Each element of ``x`` collects what it was multiplied by: ``g`` in its place in the whole
    convolution, correlated with ``y``.
    """
    short, whole = min(x.size, y.size), x.size + y.size - 1
    start = {"f": 0, "s": (short - 1) // 2, "v": short - 1}[mode[0]]
    wide = pad_zeros(g, [[start, whole - start - g.size]])
    return convolved(wide, y[::-1], mode="valid")


defvjp(
    convolved,
    lambda g, _out, _x, y, *, mode: convolved_back(g, _x, y, mode),
    lambda g, _out, x, _y, *, mode: convolved_back(g, _y, x, mode),
    reach=terms,
)


@composite(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """The discrete convolution of two rows."""
    a, v = (x if hasattr(x, "dtype") and np.ndim(x) else np.atleast_1d(x) for x in (a, v))
    return convolved(a, v, mode=MODES.get(mode, mode))


@composite(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """The convolution with the conjugate, from behind; NumPy turns the shorter row."""
    if np.ndim(a) != 1 or np.ndim(v) != 1:
        raise ValueError(f"np.correlate of shapes {np.shape(a)} and {np.shape(v)}; give two rows.")
    a, v = (x if hasattr(x, "dtype") else np.asarray(x) for x in (a, v))
    v = np.conjugate(v) if np.iscomplexobj(v) else v
    if np.shape(a) >= np.shape(v):
        return convolve(a, v[::-1], mode)
    return laid(convolve(v, a[::-1], mode)[::-1])


defvjp(sample_weights, lambda g, _out, _w, _count, _whole: g)


@composite(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Mean products of what differs from the means of variables."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"np.cov(ddof={ddof}); give a whole number.")
    given = [as_array(x) for x in ((m,) if y is None else (m, y))]
    if any(np.ndim(x) > 2 for x in given):
        raise ValueError(f"np.cov of shapes {[np.shape(x) for x in given]}; at most 2 axes each.")
    dtype = np.result_type(*given, np.float64) if dtype is None else np.dtype(dtype)
    tables = []
    for x in given:
        table = widened(x, dtype)
        table = np.reshape(table, (1, -1)) if np.ndim(x) < 2 else table
        is_column = np.ndim(x) != 1 if x is given[0] else np.shape(table)[0] != 1
        tables.append(table if rowvar or not is_column else np.transpose(table))
    if np.shape(tables[0])[0] == 0:
        return np.zeros((0, 0))
    table = tables[0] if y is None else np.concatenate(tables, axis=0)
    ddof = (0 if bias else 1) if ddof is None else int(ddof)
    count = np.shape(table)[1]
    frequency, weight = (
        None if w is None else sample_weights(as_array(w), count, whole)
        for w, whole in ((fweights, True), (aweights, False))
    )
    return np.squeeze(_covariance(table, frequency, weight, ddof))


def _covariance(table: Any, frequency: Any, weight: Any, ddof: int) -> Any:
    """The covariances of the rows, over the degrees of freedom that are left."""
    both = [w for w in (frequency, weight) if w is not None]
    w = math.prod(both[1:], start=both[0]) if both else None
    mean, total = np.average(table, axis=1, weights=w, returned=True)
    freedom: Any = np.shape(table)[1] - ddof
    if w is not None:
        total = total[0]
        freedom = total if ddof == 0 else total - ddof
        if ddof and weight is not None:
            freedom = total - ddof * np.sum(w * weight) / total
    apart = table - np.expand_dims(mean, 1)
    left = apart if w is None else apart * w
    products = np.matmul(apart, np.conjugate(np.transpose(left)))
    return cast(products * np.true_divide(1, np.where(freedom > 0, freedom, 0)), products.dtype)


@composite(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The covariances over the deviations, real and imaginary parts clipped to -1 … 1."""
    c = cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    c = c / np.expand_dims(deviation, 1) / deviation
    if not np.iscomplexobj(c):
        return np.clip(c, -1, 1)
    return np.clip(np.real(c), -1, 1) + 1j * np.clip(np.imag(c), -1, 1)


@composite(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Any:
    """Jumps of more than ``discont`` taken for turns by whole periods."""
    steps = np.diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    dtype = np.result_type(steps, period)
    half, rest = divmod(period, 2) if dtype.kind in "iu" else (period / 2, 0)
    turned = np.mod(steps + half, period) - half
    if rest == 0:
        turned = np.where((turned == -half) & (steps > 0), half, turned)
    turns = np.where(np.abs(steps) < discont, 0, turned - steps)
    lead = (slice(None),) * axes_of((axis,), np.ndim(p))[0]
    first, others = p[(*lead, slice(1))], p[(*lead, slice(1, None))]
    parts = [first, others + np.cumsum(turns, axis=axis)]
    return laid(cast(np.concatenate(parts, axis=axis), dtype), p)


@composite(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours, with what is to stand before and behind them."""
    ary = np.reshape(ary, (-1,))
    parts = []
    for name, part in (("to_begin", to_begin), ("to_end", to_end)):
        part = ary[:0] if part is None else np.reshape(part, (-1,))
        if not np.can_cast(part.dtype, ary.dtype, "same_kind"):
            raise TypeError(f"np.ediff1d: {name} does not fit into dtype {ary.dtype}.")
        parts.append(cast(part, ary.dtype))
    return np.concatenate([parts[0], ary[1:] - ary[:-1], parts[1]])


elementwise(np.i0, lambda g, _out, x: g * bessel(x, 1))
elementwise(bessel, lambda g, _out, x, n: g * ((bessel(x, abs(n - 1)) + bessel(x, n + 1)) / 2))
