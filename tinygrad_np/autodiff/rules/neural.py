"""The functions of neural networks that deserve a rule of their own."""

import math
from typing import Any

import numpy as np

from ...errors import DataError
from ..primitives import primitive
from ..shapes import keep
from .table import along, defvjp, elementwise, itself, terms

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


@primitive
def relu(x: Any) -> Any:
    """max(x, 0)."""
    return np.maximum(x, 0)


@primitive
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope`` times x elsewhere."""
    return np.where(x > 0, x, x * slope)


@primitive
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)): small results keep all their digits; an overflow is the limit 0."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


@primitive
def logsumexp(x: Any, axis: int = -1) -> Any:
    """log sum exp along one axis, kept as 1; shifted by the largest so that nothing overflows."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    return np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top


@primitive
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum exp(x) along one axis, shifted by the largest."""
    out = np.exp(x - np.max(x, axis=axis, keepdims=True))
    out /= np.sum(out, axis=axis, keepdims=True)
    return out


@primitive
def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log sum exp(x) along one axis, shifted by the largest."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@primitive
def erf(x: Any) -> Any:
    """The error function, by SciPy; raises ImportError without it."""
    try:
        from scipy.special import erf as error_function
    except ImportError:
        raise ImportError(
            "the exact gelu needs SciPy: pip install scipy, or use gelu(x, approximate='tanh')."
        ) from None
    return error_function(x)


@primitive
def one_hot(labels: Any, classes: int, dtype: Any) -> Any:
    """Rows of the identity matrix."""
    return np.equal(np.expand_dims(labels, -1), np.arange(classes)).astype(dtype)


@primitive
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b in one buffer: (..., in), (out, in), (out,) to (..., out)."""
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias of shape {bias.shape} for a weight of shape {weight.shape}")
    out = np.matmul(x, np.transpose(weight))
    if bias.dtype == out.dtype:
        out += bias
        return out
    return out + bias


def rows(x: Any) -> Any:
    """All axes but the last as one."""
    return x if np.ndim(x) == 2 else np.reshape(x, (-1, np.shape(x)[-1]))


@primitive
def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over the rows of -log softmax(logits)[label]; (n, classes) and (n,) to ()."""
    if labels.size and (labels.min() < 0 or labels.max() >= logits.shape[1]):
        raise DataError(
            f"cross_entropy: labels from {labels.min()} to {labels.max()} for {logits.shape[1]} "
            "classes; labels must lie in 0 … classes - 1."
        )
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(total - shifted[np.arange(len(labels)), labels])


@primitive
def cross_entropy_slope(logits: Any, labels: Any) -> Any:
    """(softmax - one hot) / n, the gradient of ``cross_entropy``."""
    out = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    out /= np.sum(out, axis=1, keepdims=True)
    out[np.arange(len(labels)), labels] -= 1
    out /= len(labels)
    return out


def cross_entropy_curve(g: Any, logits: Any) -> Any:
    """The softmax in reverse: the labels' part of the slope is constant."""
    p = softmax(logits, axis=1)
    return p * (g - np.sum(g * p, axis=1, keepdims=True)) / np.shape(logits)[0]


elementwise(relu, lambda g, out, _x: g * (out > 0), selects=1)
elementwise(leaky_relu, lambda g, _out, x, slope=0.01: np.where(x > 0, g, g * slope))
elementwise(sigmoid, lambda g, out, _x: g * (out * (1 - out)))
elementwise(erf, lambda g, _out, x: g * (np.exp(-x * x) * TWO_OVER_ROOT_PI))
defvjp(
    logsumexp,
    lambda g, out, x, axis=-1: keep(g, np.shape(x), axis) * np.exp(x - out),
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
    lambda g, _out, x, labels: g * cross_entropy_slope(x, labels),
    None,
    reach=itself,
)
defvjp(cross_entropy_slope, lambda g, _out, x, _labels: cross_entropy_curve(g, x), None)
defvjp(
    linear,
    lambda g, _out, _x, weight, _bias: np.matmul(g, weight),
    lambda g, _out, x, _weight, _bias: np.matmul(np.transpose(rows(g)), rows(x)),
    lambda g, _out, _x, _weight, _bias: np.sum(rows(g), axis=0),
    reach=terms,
)
