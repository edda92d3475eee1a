"""The functions of neural networks that deserve a rule of their own."""

import math
from typing import Any

import numpy as np
from numpy import ndarray

from ..primitives.dispatch import Kept
from ..primitives.elementwise import sigmoid
from ..primitives.neural import (
    binary_cross_entropy,
    binary_cross_entropy_and_fall,
    binary_cross_entropy_slope,
    cross_entropy,
    cross_entropy_and_powers,
    cross_entropy_slope,
    in_unit_interval,
    leaky_relu,
    less_one_hot,
    line_max,
    line_sums,
    linear,
    log_softmax,
    logsumexp,
    mean_along,
    moments,
    mse_loss,
    pick,
    place,
    relu,
    relu_of_array,
    row_contraction,
    row_product,
    row_sum,
    rows,
    shaped,
    slope_of_fall,
    slope_of_powers,
    softmax,
    standardise,
)
from ..shapes import keep
from .reductions import extremum_back
from .table import Traits, along, defvjp, elementwise, itself, terms

ONE_LESS = ("icmp eq {i} {j}, {b}", "uitofp {m} {0} to {t}", "fsub {t} {a}, {1}")
LARGE = 1 << 16  # elements; from there on a pass over memory less counts: 0.7 of the time replayed


def times(factor: Any, g: Any) -> Any:
    """``g * factor``, in the memory of ``factor`` if it is an array that lies as the product will.

    Nobody else may have that array.
    """
    if type(factor) is not ndarray or (g.ndim and g.strides != factor.strides):
        return g * factor
    factor *= g
    return factor


def where_positive(g: Any, out: Any) -> Any:
    """``g`` where ``out`` is positive, 0 elsewhere."""
    if g.size < LARGE:
        return times((out > 0).astype(g.dtype), g)
    return g * (out > 0)


def leaky_slope(g: Any, x: Any, slope: float) -> Any:
    """``g`` where x is positive, ``slope`` times it elsewhere."""
    if 0 < slope <= 1:  # half the choice's time
        share = (x > 0).astype(g.dtype)
        return times(np.maximum(share, slope, out=share if type(share) is ndarray else None), g)
    return np.where(x > 0, g, g * slope)


def weight_back(g: Any, x: Any, room: Any) -> Any:
    """``linear`` in reverse, to the weight: in memory (in, out), in ``room`` if that lies so."""
    if room is None or g.dtype != room.dtype or not room.flags.f_contiguous:
        return row_contraction(rows(x), rows(g)).T
    return row_contraction(rows(x), rows(g), out=room.T).T


def shares_of_sum(out: Any, x: Any, axis: int) -> Any:
    """exp(x) / sum exp(x), given ``logsumexp``; equal infinities share evenly."""
    powers = np.exp(np.where(np.logical_and(x == out, np.isinf(x)), 0, x - out))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def standardise_back(g: Any, out: Any, x: Any, axis: Any = 0, eps: float = 1e-5) -> Any:
    """What moves mean or variance alone does not move the result: its part of ``g`` goes."""
    _, _, variance = moments(x, axis)
    straight = g - mean_along(g, axis) - out * mean_along(g * out, axis)
    return straight / np.sqrt(variance + eps)


def cross_entropy_back(g: Any, out: Any, logits: Any, labels: Any) -> Any:
    """``cross_entropy`` in reverse."""
    if type(out) is not Kept:
        return g * cross_entropy_slope(logits, labels)
    powers, totals = out.kept
    return times(slope_of_powers(powers, totals, labels), g)


def cross_entropy_curve(g: Any, logits: Any) -> Any:
    """The softmax in reverse: the labels' part of the slope is constant."""
    p = softmax(logits, axis=1)
    return p * (g - np.sum(g * p, axis=1, keepdims=True)) / np.shape(logits)[0]


def binary_cross_entropy_back(g: Any, out: Any, logits: Any, targets: Any) -> Any:
    """``binary_cross_entropy`` in reverse."""
    share = g / max(logits.size, 1)
    if type(out) is not Kept:
        return binary_cross_entropy_slope(logits, targets) * share
    return times(slope_of_fall(out.kept, logits, targets), share)


def logistic_slope(g: Any, x: Any) -> Any:
    """The logistic function in reverse."""
    p = sigmoid(x)
    return g * (p * (1 - p))


# These two have finite slopes at every operand, NaN included: no reach is needed.
defvjp(
    relu,
    lambda g, out, _x: where_positive(g, out),
    broadcasts=True,
    selects=1,
    eager=relu_of_array,
)
defvjp(leaky_relu, lambda g, _out, x, slope=0.01: leaky_slope(g, x, slope), broadcasts=True)
defvjp(
    logsumexp,
    lambda g, out, x, axis=-1: keep(g, np.shape(x), axis) * shares_of_sum(out, x, axis),
    reach=along(-1),
)
defvjp(
    softmax,
    lambda g, out, _x, axis=-1: out * (g - np.sum(g * out, axis=axis, keepdims=True)),
    reach=along(-1),
)
defvjp(
    log_softmax,
    lambda g, out, _x, axis=-1: g - np.exp(out) * np.sum(g, axis=axis, keepdims=True),
    reach=along(-1),
)
defvjp(
    cross_entropy,
    cross_entropy_back,
    None,
    reach=itself,
    eager=cross_entropy_and_powers,
)
defvjp(in_unit_interval, lambda g, _out, _x, _caller, _what: g, traits=Traits(checks=True))
defvjp(
    binary_cross_entropy,
    binary_cross_entropy_back,
    lambda g, _out, x, _targets: x * (-g / max(x.size, 1)),
    reach=itself,
    eager=binary_cross_entropy_and_fall,
)
elementwise(
    binary_cross_entropy_slope,
    lambda g, _out, x, _targets: logistic_slope(g, x),
    lambda g, _out, _x, _targets: -g,
)
defvjp(
    cross_entropy_slope,
    lambda g, _out, x, _labels: cross_entropy_curve(g, x),
    None,
    reach=lambda g, _out, _x, _labels: np.any(np.not_equal(g, 0), axis=1, keepdims=True),
)
defvjp(
    row_product,
    lambda g, _out, _x, w: row_product(g, w.T),
    lambda g, _out, x, _w: row_contraction(x, g),
    reach=terms,
    traits=Traits(by_row=1, cost=lambda _out, x, w: math.prod(x.shape) * w.shape[1]),
)
defvjp(
    row_contraction,
    lambda g, _out, _x, y: row_product(y, np.transpose(g)),
    lambda g, _out, x, _y: row_product(x, g),
    reach=terms,
    traits=Traits(adds="blocks", cost=lambda _out, x, y: math.prod(x.shape) * y.shape[1]),
)
defvjp(standardise, standardise_back, reach=along(0))
defvjp(
    row_sum,
    lambda g, _out, _x: np.broadcast_to(g, np.shape(_x)),
    traits=Traits(adds="blocks"),
)
defvjp(
    mse_loss,
    lambda g, _out, x: x * (g * (2 / max(x.size, 1))),
    reach=itself,
)
defvjp(
    line_max,
    lambda g, out, x: extremum_back(g, out, x, 1, None, True),
    reach=along(1),
    selects=1,
    traits=Traits(by_row=1, folds=np.maximum),
)
defvjp(
    line_sums,
    lambda g, _out, _x: np.broadcast_to(np.expand_dims(g, 1), np.shape(_x)),
    traits=Traits(by_row=1),
)
defvjp(
    pick,
    lambda g, _out, _x, labels: place(g, labels, np.shape(_x)[1]),
    None,
    selects=1,
    traits=Traits(by_row=2, native=("extractelement {t} {a}, i64 {b}",)),
)
defvjp(place, lambda g, _out, _g, labels, _classes: pick(g, labels), None)
defvjp(
    less_one_hot,
    lambda g, _out, _p, _labels: g,
    None,
    traits=Traits(by_row=2, overwrites=True, native=ONE_LESS),
)
# the weight's gradient lies in memory as (in, out), as ``nn.Linear`` keeps its weight
defvjp(
    linear,
    lambda g, _out, _x, weight, _bias: shaped(row_product(rows(g), weight), _x.shape),
    lambda g, _out, x, _weight, _bias, *, room=None: weight_back(g, x, room),
    lambda g, _out, _x, _weight, _bias: row_sum(rows(g)),
    reach=terms,
)
