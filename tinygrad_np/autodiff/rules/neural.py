"""The functions of neural networks that deserve a rule of their own."""

from typing import Any

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ..primitives import cast, primitive, written_out
from ..shapes import keep
from .elementwise import sigmoid as sigmoid
from .reductions import extremum_back
from .table import Kept, along, defvjp, elementwise, itself, terms

BLOCK_ROWS = 1024


def times(factor: Any, g: Any) -> Any:
    """``g * factor``, in the memory of ``factor`` if it is an array that lies as the product will.

    Nobody else may have that array.
    """
    if type(factor) is not ndarray or (g.ndim and g.strides != factor.strides):
        return g * factor
    factor *= g
    return factor


@written_out
def relu(x: Any) -> Any:
    """max(x, 0)."""
    return np.maximum(x, 0)


@written_out
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope`` times x elsewhere."""
    if 0 < slope <= 1:  # 0.4 of the time of the choice
        lower = x * slope
        return np.maximum(x, lower, out=lower if type(lower) is ndarray else None)
    return np.where(x > 0, x, x * slope)


def leaky_slope(g: Any, x: Any, slope: float) -> Any:
    """``g`` where x is positive, ``slope`` times it elsewhere."""
    if 0 < slope <= 1:  # half the choice's time
        share = (x > 0).astype(g.dtype)
        return times(np.maximum(share, slope, out=share if type(share) is ndarray else None), g)
    return np.where(x > 0, g, g * slope)


@written_out
def logsumexp(x: Any, axis: int = -1) -> Any:
    """log sum exp along one axis, kept as 1; shifted by the largest so that nothing overflows."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # of nothing but -inf it is -inf
        return np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top


def shares_of_sum(out: Any, x: Any, axis: int) -> Any:
    """exp(x) / sum exp(x), given ``logsumexp``; equal infinities share evenly."""
    powers = np.exp(np.where(x == out, 0, x - out))
    return powers / np.sum(powers, axis=axis, keepdims=True)


@written_out
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum exp(x) along one axis, shifted by the largest."""
    out = np.exp(x - np.max(x, axis=axis, keepdims=True))
    out /= np.sum(out, axis=axis, keepdims=True)
    return out


@written_out
def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log sum exp(x) along one axis, shifted by the largest."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def erf(x: Any) -> Any:
    """The error function, by SciPy's ufunc, in the dtype of x; raises ImportError without it."""
    try:
        from scipy.special import erf as error_function
    except ImportError:
        raise ImportError(
            "the exact gelu needs SciPy: pip install scipy, or use gelu(x, approximate='tanh')."
        ) from None
    found = error_function(x)
    return found if found.dtype == x.dtype else cast(found, x.dtype)


@written_out
def one_hot(labels: Any, classes: int, dtype: Any) -> Any:
    """Rows of the identity matrix."""
    return cast(np.equal(np.expand_dims(labels, -1), np.arange(classes)), dtype)


@primitive
def kept_share(x: Any, p: float, generator: "np.random.Generator") -> Any:
    """The factor of dropout, drawn anew: 0 with probability ``p``, else 1 / (1 - p); like ``x``."""
    kept = np.greater_equal(generator.random(x.shape, np.float32), p).astype(x.dtype)
    kept *= 1 / (1 - p)
    return kept


def rows(x: Any) -> Any:
    """All axes but the last as one."""
    return x if x.ndim == 2 else np.reshape(x, (-1, x.shape[-1]))


def shaped(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` in this shape."""
    return x if x.shape == shape else np.reshape(x, shape)


def row_blocks(count: int) -> list[slice]:
    """How the sums over many rows are split: into equal blocks of at most 1,024, if over 2,048.

    A replayed step sends one block after the other forward and backward while it is in cache. Sums
    over rows therefore always are sums of the blocks' sums, replayed or not.
    """
    number = -(-count // BLOCK_ROWS) if count > 2 * BLOCK_ROWS else 1
    size = max(-(-count // number), 1)
    return [slice(start, min(start + size, count)) for start in range(0, max(count, 1), size)]


@primitive
def row_product(x: Any, w: Any) -> Any:
    """x w for each row of x: (n, in), (in, out) to (n, out)."""
    if len(x) <= 2 * BLOCK_ROWS:
        return x.dot(w)
    out = np.empty_like(x, shape=(len(x), w.shape[1]), dtype=np.result_type(x, w))
    for block in row_blocks(len(x)):
        out[block] = np.dot(x[block], w)
    return out


@primitive
def row_contraction(x: Any, y: Any) -> Any:
    """xᵀ y, the sum over all rows: (n, a), (n, b) to (a, b)."""
    if len(x) <= 2 * BLOCK_ROWS:
        return x.T.dot(y)
    first, *others = row_blocks(len(x))
    total = x[first].T.dot(y[first])
    for block in others:
        total += x[block].T.dot(y[block])
    return total


def ones_for(x: Any, count: int) -> Any:
    """A vector of ones that goes with ``x``."""
    if type(x) is not ndarray:
        return np.ones_like(x, shape=(count,))
    ones = np.empty(count, x.dtype)
    ones.fill(1)  # 0.7 µs less than np.ones_like
    return ones


@primitive
def row_sum(x: Any) -> Any:
    """The sum over all rows: (n, a) or (n,) to (a,) or (); as a product a third of the time."""
    if len(x) <= 2 * BLOCK_ROWS:
        return ones_for(x, len(x)).dot(x)
    first, *others = row_blocks(len(x))
    ones = ones_for(x, first.stop)
    total = np.dot(ones, x[first])
    for block in others:
        total = total + np.dot(ones[: block.stop - block.start], x[block])
    return total


@primitive
def line_sums(x: Any) -> Any:
    """The sum of each row: (n, a) to (n,); as a product a quarter of the time."""
    ones = ones_for(x, x.shape[1])
    if len(x) <= 2 * BLOCK_ROWS:
        return x.dot(ones)
    return np.concatenate([np.dot(x[block], ones) for block in row_blocks(len(x))])


@primitive
def mean_square(x: Any) -> Any:
    """The mean of the squares of all elements, as a product of the elements with themselves."""
    lined = x.reshape(-1)
    if lined.size == 0:
        return np.mean(lined)
    return lined.dot(lined) / lined.size


@primitive
def line_max(x: Any) -> Any:
    """The largest of each row: (n, a) to (n, 1)."""
    if x.shape[1] > 64:
        return np.max(x, axis=1, keepdims=True)
    # down the columns of a copy: a seventh of the time for 1,000 rows of 10
    return x.T.copy().max(axis=0).reshape(-1, 1)


def mean_along(x: Any, axis: int) -> Any:
    """The mean over the rows, (n, a) to (a,), or (axis 1) that of each row, (n, a) to (n, 1)."""
    if axis == 0:
        return row_sum(x) / max(x.shape[0], 1)
    return np.expand_dims(line_sums(x), 1) / max(x.shape[1], 1)


def moments(x: Any, axis: int) -> tuple[Any, Any, Any]:
    """The mean along an axis, what differs from it, and the mean of the squares of that."""
    mean = mean_along(x, axis)
    centred = x - mean
    return mean, centred, mean_along(centred * centred, axis)


@written_out
def standardise(x: Any, axis: int = 0, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(variance + eps) along an axis of (n, a): 0 for batch norm, 1 for layers."""
    _, centred, variance = moments(x, axis)
    return centred / np.sqrt(variance + eps)


def standardise_back(g: Any, out: Any, x: Any, axis: int = 0, eps: float = 1e-5) -> Any:
    """What moves mean or variance alone does not move the result: its part of ``g`` goes."""
    _, _, variance = moments(x, axis)
    straight = g - mean_along(g, axis) - out * mean_along(g * out, axis)
    return straight / np.sqrt(variance + eps)


@written_out
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b in one buffer: (..., in), (out, in), (out,) or None to (..., out)."""
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(f"x of shape {x.shape} for a weight of shape {weight.shape}")
    out = row_product(rows(x), weight.T)
    if x.ndim != 2:
        out = np.reshape(out, (*x.shape[:-1], weight.shape[0]))
    if bias is None:
        return out
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias of shape {bias.shape} for a weight of {weight.shape}")
    if bias.dtype != out.dtype:
        return out + bias
    out += bias
    return out


def unsigned_kind(dtype: Any) -> Any:
    """The unsigned integers of the same size."""
    return np.dtype(dtype.str.replace("i", "u"))


def label_limit(dtype: Any, classes: int) -> int:
    """The first number that is no label, as an unsigned integer: it may be -128 of int8."""
    return min(classes, int(np.iinfo(dtype).max) + 1)


@primitive
def in_range(labels: Any, classes: int, caller: str) -> Any:
    """The labels themselves, once they are known to lie in 0 … classes - 1."""
    unsigned = labels.view(unsigned_kind(labels.dtype))  # there -1 is above all others
    if labels.size and unsigned.max() >= label_limit(labels.dtype, classes):
        rows = caller == "embedding"
        name, bound = ("indices", "rows (num_embeddings)") if rows else ("labels", "classes")
        raise DataError(
            f"{caller}: {name} from {labels.min()} to {labels.max()} for {classes} {bound}; "
            f"{name} must lie in 0 … {classes - 1}."
        )
    return labels


@primitive
def pick(x: Any, labels: Any) -> Any:
    """From each row the element that its label names: (n, classes), (n,) to (n,)."""
    return x[np.arange(len(labels)), labels]


@primitive
def place(g: Any, labels: Any, classes: int) -> Any:
    """``pick`` in reverse: zeros but for the labels' places."""
    out = np.zeros_like(g, shape=(len(labels), classes))
    out[np.arange(len(labels)), labels] = g
    return out


@primitive
def less_one_hot(p: Any, labels: Any) -> Any:
    """``p`` with 1 taken off at the labels' places."""
    out = np.copy(p)
    out[np.arange(len(labels)), labels] -= 1
    return out


def exponentials(logits: Any) -> tuple[Any, Any, Any]:
    """Logits less the largest of their row, their exponentials, and the sums of those."""
    shifted = logits - line_max(logits)
    powers = np.exp(shifted)
    return shifted, powers, line_sums(powers)


@written_out
def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over the rows of -log softmax(logits)[label]; (n, classes) and (n,) to ()."""
    labels = in_range(labels, np.shape(logits)[1], "cross_entropy")
    shifted, _, totals = exponentials(logits)
    return row_sum(np.log(totals) - pick(shifted, labels)) / len(labels)


def cross_entropy_and_powers(logits: Any, labels: Any) -> Any:
    """``cross_entropy`` of arrays, which keeps the exponentials and their sums for its rule."""
    labels = in_range(labels, logits.shape[1], "cross_entropy")
    shifted, powers, totals = exponentials(logits)
    return Kept(row_sum(np.log(totals) - pick(shifted, labels)) / len(labels), (powers, totals))


@written_out
def cross_entropy_slope(logits: Any, labels: Any) -> Any:
    """(softmax - one hot) / n, the gradient of ``cross_entropy``."""
    _, powers, totals = exponentials(logits)
    p = powers / np.expand_dims(totals, 1)
    return less_one_hot(p, labels) / len(labels)


def cross_entropy_back(g: Any, out: Any, logits: Any, labels: Any) -> Any:
    """``cross_entropy`` in reverse."""
    if type(out) is not Kept:
        return g * cross_entropy_slope(logits, labels)
    powers, totals = out.kept
    p = powers / totals[:, None]
    p[np.arange(len(labels)), labels] -= 1
    p /= len(labels)
    return times(p, g)


def cross_entropy_curve(g: Any, logits: Any) -> Any:
    """The softmax in reverse: the labels' part of the slope is constant."""
    p = softmax(logits, axis=1)
    return p * (g - np.sum(g * p, axis=1, keepdims=True)) / np.shape(logits)[0]


@primitive
def in_unit_interval(targets: Any, caller: str) -> Any:
    """The targets themselves, once they are known to lie in 0 … 1."""
    if targets.size and not (targets.min() >= 0 and targets.max() <= 1):  # NaN is neither
        wrong = np.logical_not(np.logical_and(targets >= 0, targets <= 1))
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{caller}: target {targets[place]} at {place}; targets must lie in 0 … 1. Scale them, "
            "or use mse_loss for other numbers."
        )
    return targets


def into(x: Any) -> Any:
    """The ``out=`` of a call that may overwrite ``x``: an array itself, no Tensor."""
    return x if type(x) is ndarray else None


def fall_and_loss(logits: Any, targets: Any) -> tuple[Any, Any]:
    """exp(-|x|), and max(x, 0) - x t + log(1 + exp(-|x|)), which does not overflow."""
    fall = np.abs(logits)
    fall = np.negative(fall, out=into(fall))
    fall = np.exp(fall, out=into(fall))
    losses = np.maximum(logits, 0)
    losses = np.subtract(losses, logits * targets, out=into(losses))
    losses = np.add(losses, np.log1p(fall), out=into(losses))
    return fall, np.mean(losses)


@written_out
def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """The mean of t log(1 + exp(-x)) + (1 - t) log(1 + exp(x)); equal shapes to ()."""
    return fall_and_loss(logits, targets)[1]


def binary_cross_entropy_and_fall(logits: Any, targets: Any) -> Any:
    """``binary_cross_entropy`` of arrays, which keeps exp(-|x|) for its rule."""
    fall, loss = fall_and_loss(logits, targets)
    return Kept(loss, fall)


def slope_of_fall(fall: Any, logits: Any, targets: Any) -> Any:
    """sigmoid(x) - t with all digits at both ends, given exp(-|x|)."""
    rest = fall + 1
    rest = np.divide(fall, rest, out=into(rest))
    rest = np.copysign(rest, logits, out=into(rest))
    slope = cast(np.logical_not(np.signbit(logits)), rest.dtype)
    slope = np.subtract(slope, targets, out=into(slope))
    return np.subtract(slope, rest, out=into(slope))


@written_out
def binary_cross_entropy_slope(logits: Any, targets: Any) -> Any:
    """sigmoid(x) - t, n times the gradient of ``binary_cross_entropy``."""
    return slope_of_fall(np.exp(-np.abs(logits)), logits, targets)


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
    lambda g, out, _x: times((out > 0).astype(g.dtype), g),
    broadcasts=True,
    selects=1,
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
defvjp(in_unit_interval, lambda g, _out, _x, _caller: g)
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
defvjp(cross_entropy_slope, lambda g, _out, x, _labels: cross_entropy_curve(g, x), None)
defvjp(
    row_product,
    lambda g, _out, _x, w: row_product(g, w.T),
    lambda g, _out, x, _w: row_contraction(x, g),
    reach=terms,
)
defvjp(
    row_contraction,
    lambda g, _out, _x, y: row_product(y, np.transpose(g)),
    lambda g, _out, x, _y: row_product(x, g),
    reach=terms,
)
defvjp(standardise, standardise_back, reach=along(0))
defvjp(row_sum, lambda g, _out, _x: np.broadcast_to(g, np.shape(_x)))
defvjp(
    mean_square,
    lambda g, _out, x: x * (g * (2 / max(x.size, 1))),
    reach=itself,
)
defvjp(
    line_max,
    lambda g, out, x: extremum_back(g, out, x, 1, None, True),
    reach=along(1),
    selects=1,
)
defvjp(line_sums, lambda g, _out, _x: np.broadcast_to(np.expand_dims(g, 1), np.shape(_x)))
defvjp(
    pick,
    lambda g, _out, _x, labels: place(g, labels, np.shape(_x)[1]),
    None,
    selects=1,
)
defvjp(place, lambda g, _out, _g, labels, _classes: pick(g, labels), None)
defvjp(less_one_hot, lambda g, _out, _p, _labels: g, None)
# the weight's gradient lies in memory as (in, out), as ``nn.Linear`` keeps its weight
defvjp(
    linear,
    lambda g, _out, _x, weight, _bias: shaped(row_product(rows(g), weight), _x.shape),
    lambda g, _out, x, _weight, _bias: row_contraction(rows(x), rows(g)).T,
    lambda g, _out, _x, _weight, _bias: row_sum(rows(g)),
    reach=terms,
)
