"""The functions of neural networks."""

import functools
import math
from typing import Any

import numpy as np
from numpy import ndarray

from ...errors import DataError
from ...foreign import is_foreign
from ..shapes import BLOCK_ROWS, SHARED, pieces, row_blocks
from .bodies import maximum
from .dispatch import Kept, akin, numbers, primitive, written_out
from .elementwise import cast, copied, number_as_array

LARGE, INNER = 1 << 16, 1 << 10  # elements of an array, of one in the place of a number
GAINING = 1 << 17  # times the shortest of three sides, up to 64: such products gain by threads


@written_out
def relu(x: Any) -> Any:
    """max(x, 0).

    Any shape and dtype; the slope at 0 is 0.

    >>> tg.nn.functional.relu(np.array([-2.0, 3.0]))
    array([0., 3.])
    """
    return np.maximum(numbers("relu", x), 0)


def relu_of_array(x: Any) -> Any:
    """``relu``, of large arrays with an array of zeros: 0.6 of the time."""
    if type(x) is not ndarray or x.size < LARGE or x.dtype.kind != "f":
        return relu(x)
    return np.maximum(x, number_as_array(0, x, INNER))


@written_out
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope`` times x elsewhere."""
    if 0 < slope <= 1:  # 0.4 of the time of the choice
        lower = x * slope
        return np.maximum(x, lower, out=lower if type(lower) is ndarray else None)
    return np.where(x > 0, x, x * slope)


@written_out
def logsumexp(x: Any, axis: int = -1) -> Any:
    """log sum exp along one axis, kept as 1; shifted by the largest so that nothing overflows."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # of nothing but -inf it is -inf
        return np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top


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
    return cast(at_labels(labels, classes), dtype)


def at_labels(labels: Any, classes: int) -> Any:
    """Whether a class is the one of its row's label: (...) to (..., classes)."""
    return np.equal(np.expand_dims(labels, -1), akin(np.arange(classes), labels))


def rows(x: Any) -> Any:
    """All axes but the last as one."""
    return x if x.ndim == 2 else np.reshape(x, (-1, x.shape[-1]))


def shaped(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` in this shape."""
    return x if x.shape == shape else np.reshape(x, shape)


def in_pieces(x: Any, y: Any, out: Any) -> Any:
    """``x.dot(y, out)`` in pieces for one thread of BLAS each; None where threads gain more.

    Which axis is divided depends on the order in memory: for each this is the fastest.
    """
    if is_foreign(x) or x.ndim != 2 or y.ndim != 2 or x.dtype != y.dtype:
        return None
    (rows, depth), columns, ordered, turned = x.shape, y.shape[1], x.flags, y.flags
    steps = rows * depth * columns
    if steps >= min(rows, depth, columns, 64) * GAINING or x.dtype.char not in "fd":
        return None
    if out is None:
        out = np.empty((rows, columns), x.dtype)
    if ordered.c_contiguous and turned.c_contiguous and (count := pieces(depth, steps)) > 1:
        parts = np.empty_like(x, order="C", shape=(count, rows, columns))
        lined = x.reshape(rows, count, -1).swapaxes(0, 1)
        np.matmul(lined, y.reshape(count, -1, columns), parts)
        np.add.reduce(parts, 0, None, out)
    elif ordered.c_contiguous and turned.f_contiguous and (count := pieces(columns, steps)) > 1:
        lined = y.T.reshape(count, -1, depth).swapaxes(1, 2)
        np.matmul(x, lined, out.reshape(rows, count, -1).swapaxes(0, 1))
    elif ordered.f_contiguous and turned.c_contiguous and (count := pieces(rows, steps)) > 1:
        lined = x.T.reshape(depth, count, -1).transpose(1, 2, 0)
        np.matmul(lined, y, out.reshape(count, -1, columns))
    else:
        return None
    return out


def dot(x: Any, y: Any, out: Any) -> Any:
    """``x.dot(y, out)``; without memory given other libraries are given none."""
    if SHARED <= x.size * y.shape[-1] < 64 * GAINING:
        found = in_pieces(x, y, out)
        if found is not None:
            return found
    return x.dot(y) if out is None else x.dot(y, out)


def each_row(x: Any, w: Any, out: Any) -> Any:
    """x w, in blocks of rows: (n, in) and (in, out) or (in,)."""
    if len(x) <= 2 * BLOCK_ROWS or is_foreign(x):
        return dot(x, w, out)
    if out is None:
        dtype = np.result_type(x, w)
        out = np.empty_like(x, dtype, "C", shape=(len(x), *w.shape[1:]))
    for block in row_blocks(len(x)):
        dot(x[block], w, out[block])
    return out


def over_rows(x: Any, y: Any, out: Any) -> Any:
    """xᵀ y, the sum of blocks of rows: (n, a) or (n,), and (n, b) or (n,)."""
    if len(x) <= 2 * BLOCK_ROWS or is_foreign(x):
        return dot(x.T, y, out)
    first, *others = row_blocks(len(x))
    total = dot(x[first].T, y[first], out)
    part = np.empty_like(total)
    for block in others:
        total += dot(x[block].T, y[block], part)
    return total


@primitive
def row_product(x: Any, w: Any, *, out: Any = None) -> Any:
    """x w for each row of x: (n, in), (in, out) to (n, out)."""
    return each_row(x, w, out)


@primitive
def row_contraction(x: Any, y: Any, *, out: Any = None) -> Any:
    """xᵀ y, the sum over all rows: (n, a), (n, b) to (a, b)."""
    return over_rows(x, y, out)


def ones_for(x: Any, count: int) -> Any:
    """A vector of ones that goes with ``x``."""
    if type(x) is not ndarray:
        return np.ones_like(x, shape=(count,))
    ones = np.empty(count, x.dtype)
    ones.fill(1)  # 0.7 µs less than np.ones_like
    return ones


@primitive
def row_sum(x: Any, *, out: Any = None) -> Any:
    """The sum over all rows: (n, a) or (n,) to (a,) or (); as a product a third of the time."""
    return over_rows(ones_for(x, len(x)), x, out)


@primitive
def line_sums(x: Any, *, out: Any = None) -> Any:
    """The sum of each row: (n, a) to (n,); as a product a quarter of the time."""
    return each_row(x, ones_for(x, x.shape[1]), out)


@primitive
def mse_loss(x: Any, *, out: Any = None) -> Any:
    """The mean of the squares of all elements, as a product of the elements with themselves."""
    lined = x.reshape(-1)
    if lined.size == 0:
        return np.mean(lined)
    if out is None or out.dtype != x.dtype:
        return lined.dot(lined) / lined.size
    return np.divide(lined.dot(lined, out), lined.size, out=out)


@primitive
def line_max(x: Any, *, out: Any = None) -> Any:
    """The largest of each row: (n, a) to (n, 1)."""
    if is_foreign(x):
        return np.max(x, axis=1, keepdims=True)
    if x.shape[1] > 64:
        return maximum(x, 1, None, out, True)
    # down the columns of a copy: a seventh of the time for 1,000 rows of 10
    columns = x.T.copy() if out is None else np.positive(x.T, order="C")
    lined = None if out is None else out.reshape(-1)
    return maximum(columns, 0, None, lined).reshape(-1, 1)


def mean_along(x: Any, axis: Any) -> Any:
    """The mean over the rows, (n, a) to (a,), or (axis 1) that of each row, (n, a) to (n, 1).

    Several axes stay with length 1.
    """
    if type(axis) is tuple:
        return np.sum(x, axis=axis, keepdims=True) / max(math.prod(x.shape[i] for i in axis), 1)
    if axis == 0:
        return row_sum(x) / max(x.shape[0], 1)
    return np.expand_dims(line_sums(x), 1) / max(x.shape[1], 1)


def moments(x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """The mean along an axis, what differs from it, and the mean of the squares of that."""
    mean = mean_along(x, axis)
    centred = x - mean
    return mean, centred, mean_along(centred * centred, axis)


@written_out
def standardise(x: Any, axis: Any = 0, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(variance + eps) along an axis of (n, a), or along several of any array."""
    _, centred, variance = moments(x, axis)
    return centred / np.sqrt(variance + eps)


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


@functools.lru_cache
def label_limit(dtype: Any, classes: int) -> Any:
    """The first number that is no label, as an unsigned integer of the same size.

    It may be -128 of int8; None where the dtype has none.
    """
    unsigned = np.dtype(dtype.str.replace("i", "u"))
    limit = min(classes, int(np.iinfo(dtype).max) + 1)
    return None if limit > np.iinfo(unsigned).max else np.array(limit, unsigned)


@primitive
def in_range(labels: Any, classes: int, caller: str) -> Any:
    """The labels themselves, once they are known to lie in 0 … classes - 1."""
    limit = label_limit(labels.dtype, classes)
    if limit is None:
        return labels
    if is_foreign(labels):
        wrong = np.logical_or(labels < 0, labels >= classes)
    else:
        wrong = np.greater_equal(labels.view(limit.dtype), limit)  # there -1 is above all others
    if (
        wrong.any() if is_foreign(labels) else 1 in wrong.tobytes()
    ):  # a search of bytes: a third of the time of ``any``
        rows = caller == "embedding"
        name, bound = ("indices", "rows (num_embeddings)") if rows else ("labels", "classes")
        raise DataError(
            f"{caller}: {name} from {int(labels.min())} to {int(labels.max())} for {classes} "
            f"{bound}; {name} must lie in 0 … {classes - 1}.{_within(labels, classes, caller)}"
        )
    return labels


def _within(labels: Any, classes: int, caller: str) -> str:
    """How labels come to lie in their range, as the end of a message."""
    low, high = int(labels.min()), int(labels.max())
    if caller == "embedding":
        return f" Make it Embedding({high + 1}, …) to have a row for each." if low >= 0 else ""
    if caller not in ("cross_entropy", "nll_loss"):
        return ""
    if classes == 1:
        return (
            " A network with one output has no classes: give it two, or use the loss "
            "binary_cross_entropy_with_logits."
        )
    if low < 0:
        told = f" Rows labelled {low} are left out by ignore_index={low}."
        return told + (" Of classes -1 and 1 give (labels + 1) // 2." if high == 1 else "")
    counted = " If they count from 1, give labels - 1; else" if low and high == classes else ""
    return f"{counted or ' Then'} the last layer needs {high + 1} outputs."


def places(labels: Any, classes: int) -> Any:
    """Where the labels' elements lie when rows of ``classes`` are laid end to end."""
    if labels.dtype.kind == "u" and labels.dtype.itemsize == 8:
        labels = labels.view(np.int64)
    return np.add(akin(np.arange(0, len(labels) * classes, classes), labels), labels)


@primitive
def pick(x: Any, labels: Any, *, out: Any = None) -> Any:
    """From each row the element that its label names: (n, classes), (n,) to (n,)."""
    if is_foreign(x):
        return np.sum(np.where(at_labels(labels, x.shape[1]), x, 0), axis=1)
    # the labels are known to be in range, and NumPy copies where it checks
    return x.reshape(-1).take(places(labels, x.shape[1]), 0, out, "clip")


@primitive
def place(g: Any, labels: Any, classes: int, *, out: Any = None) -> Any:
    """``pick`` in reverse: zeros but for the labels' places."""
    if is_foreign(g):
        return np.where(at_labels(labels, classes), np.expand_dims(g, 1), 0)
    if out is None:
        out = np.zeros_like(g, shape=(len(labels), classes))
    elif not out.flags.c_contiguous:
        return copied(place(g, labels, classes), out)
    else:
        out.fill(0)
    out.reshape(-1)[places(labels, classes)] = g
    return out


@primitive
def less_one_hot(p: Any, labels: Any, *, out: Any = None) -> Any:
    """``p`` with 1 taken off at the labels' places, in memory as ``p`` lies."""
    if is_foreign(p):
        return p - one_hot(labels, p.shape[1], p.dtype)
    out = copied(p, out)
    if not out.flags.c_contiguous:
        return copied(less_one_hot(np.copy(out, order="C"), labels), out)
    lined, chosen = out.reshape(-1), places(labels, out.shape[1])
    picked = np.empty_like(out, shape=(len(labels),))
    lined[chosen] = np.subtract(lined.take(chosen, 0, picked, "clip"), 1, out=picked)
    return out


def exponentials(shifted: Any) -> tuple[Any, Any]:
    """The exponentials of logits less the largest of their row, and the sums of those."""
    powers = np.exp(shifted)
    return powers, line_sums(powers)


def loss_and_powers(logits: Any, labels: Any) -> tuple[Any, Any]:
    """The loss, and the exponentials with their sums."""
    labels = in_range(labels, np.shape(logits)[1], "cross_entropy")
    shifted = logits - line_max(logits)
    picked = pick(shifted, labels)  # here, so that a loop of a fused replay may do it, too
    powers, totals = exponentials(shifted)
    return row_sum(np.log(totals) - picked) / len(labels), (powers, totals)


@written_out
def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over the rows of -log softmax(logits)[label]; (n, classes) and (n,) to ()."""
    return loss_and_powers(logits, labels)[0]


def cross_entropy_and_powers(logits: Any, labels: Any) -> Any:
    """``cross_entropy`` of arrays, which keeps the exponentials and their sums for its rule."""
    return Kept(*loss_and_powers(logits, labels))


def slope_of_powers(powers: Any, totals: Any, labels: Any) -> Any:
    """(softmax - one hot) / n, given the exponentials and their sums."""
    p = powers / np.expand_dims(totals, 1)
    p = less_one_hot(p, labels, out=into(p))
    return np.divide(p, len(labels), out=into(p))


@written_out
def cross_entropy_slope(logits: Any, labels: Any) -> Any:
    """(softmax - one hot) / n, the gradient of ``cross_entropy``."""
    return slope_of_powers(*exponentials(logits - line_max(logits)), labels)


@functools.cache
def bits_of_one(dtype: np.dtype[Any]) -> Any:
    """1.0 read as an integer without sign, or None where that cannot be done.

    The floats from 0 to 1 are the integers up to that one: a comparison tells them from all others,
    NaN and negative numbers (and -0.0, which is none of them).
    """
    if dtype.kind != "f" or dtype.itemsize > 8 or not dtype.isnative:
        return None
    return np.array(1, dtype).view(f"u{dtype.itemsize}")


@primitive
def in_unit_interval(targets: Any, caller: str, what: str) -> Any:
    """The targets themselves, or ``what`` they are, once they are known to lie in 0 … 1."""
    one = None if is_foreign(targets) else bits_of_one(targets.dtype)
    if one is not None and 1 not in np.greater(targets.view(one.dtype), one).tobytes():
        return targets
    wrong = np.logical_not(np.logical_and(targets >= 0, targets <= 1))  # NaN, too
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        remedy = "Scale them, or use mse_loss for other numbers"
        if what == "prediction":
            remedy = "Take sigmoid(x) of logits, or binary_cross_entropy_with_logits"
        raise DataError(
            f"{caller}: {what} {targets[place]} at {place}; {what}s must lie in 0 … 1. {remedy}."
        )
    return targets


@primitive
def signs(targets: Any, caller: str) -> Any:
    """The targets themselves, once they are known to be -1 or 1."""
    wrong = np.not_equal(np.abs(targets), 1)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{caller}: target {targets[place]} at {place}; targets must be -1 or 1. Give "
            "2 * y - 1 for classes 0 and 1."
        )
    return targets


def into(x: Any, other: Any = None) -> Any:
    """The ``out=`` of a call that may overwrite ``x``: an array itself, no Tensor.

    Not where the ``other`` operand lies otherwise, since the result would with Tensors, too.
    """
    fits = type(x) is ndarray and (other is None or x.strides == other.strides)
    return x if fits else None


def fall_and_loss(logits: Any, targets: Any) -> tuple[Any, Any]:
    """exp(-|x|), and max(x, 0) - x t + log(1 + exp(-|x|)), which does not overflow."""
    fall = np.abs(logits)
    fall = np.negative(fall, out=into(fall))
    fall = np.exp(fall, out=into(fall))
    losses = np.maximum(logits, 0)
    products = logits * targets
    losses = np.subtract(losses, products, out=into(losses, products))
    falls = np.log1p(fall)
    losses = np.add(losses, falls, out=into(losses, falls))
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
    rest = np.copysign(rest, logits, out=into(rest, logits))
    slope = cast(np.logical_not(np.signbit(logits)), rest.dtype)
    slope = np.subtract(slope, targets, out=into(slope, targets))
    return np.subtract(slope, rest, out=into(slope, rest))


@written_out
def binary_cross_entropy_slope(logits: Any, targets: Any) -> Any:
    """sigmoid(x) - t, n times the gradient of ``binary_cross_entropy``."""
    return slope_of_fall(np.exp(-np.abs(logits)), logits, targets)
