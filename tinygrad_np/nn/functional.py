"""The functions networks are made of, on Tensors or arrays."""

import math
from typing import Any

import numpy as np

from ..autodiff.rules import neural
from ..autodiff.tensor import Tensor
from ..errors import ShapeError

relu = neural.relu
sigmoid = neural.sigmoid
tanh = np.tanh


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where it is positive, ``negative_slope`` times x elsewhere (slope at 0: the latter)."""
    return neural.leaky_relu(x, slope=negative_slope)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016).

    Exact by SciPy's erf; ``approximate="tanh"`` is their approximation and needs NumPy alone.
    Raises ImportError where the exact form is asked for and SciPy is not installed.
    """
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + np.tanh(inner))
    if approximate != "none":
        raise ValueError(f"gelu(approximate={approximate!r}); use 'none' or 'tanh'.")
    return 0.5 * x * (1 + neural.erf(x * math.sqrt(0.5)))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum exp(x) along ``axis``; nothing overflows."""
    return neural.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log softmax(x) along ``axis``; nothing overflows, and no log of 0."""
    return neural.log_softmax(x, axis=axis)


def logsumexp(x: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """log sum exp(x) along ``axis``; nothing overflows."""
    out = neural.logsumexp(x, axis=axis)
    return out if keepdims else np.squeeze(out, axis=axis)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b: (..., in), (out, in), (out,) to (..., out).

    Raises ShapeError where they do not fit.
    """
    try:
        return neural.linear(x, weight, bias)
    except ValueError:
        raise ShapeError(
            f"linear: x of shape {np.shape(x)}, weight {np.shape(weight)} and bias "
            f"{None if bias is None else np.shape(bias)}; expected (..., in), (out, in) and (out,)."
        ) from None


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean of -log softmax(logits)[label] over the rows: (n, classes), (n,) to ().

    ``labels`` are integers in 0 … classes - 1. One fused operation, with gradient
    (softmax - one hot) / n. Raises ShapeError for other shapes, TypeError for labels that are not
    integers, DataError for labels out of range.
    """
    labels = _labels("cross_entropy", logits, labels)
    return neural.cross_entropy(logits, labels)


def nll_loss(log_probabilities: Any, labels: Any) -> Any:
    """The mean of -log_probabilities[label] over the rows: (n, classes), (n,) to ().

    Raises what ``cross_entropy`` raises.
    """
    labels = _labels("nll_loss", log_probabilities, labels)
    classes = np.shape(log_probabilities)[1]
    labels = neural.in_range(labels, classes, "nll_loss")
    return -np.mean(neural.pick(log_probabilities, labels))


def _labels(name: str, logits: Any, labels: Any) -> Any:
    """Labels as an array or Tensor of integers that fits the logits."""
    if not isinstance(labels, (Tensor, np.ndarray)):
        labels = np.asarray(labels)
    shape = _shape(logits)
    if len(shape) != 2 or labels.shape != shape[:1]:
        raise ShapeError(
            f"{name}: logits of shape {shape} and labels of shape {labels.shape}; "
            "expected (n, classes) and (n,)."
        )
    _integers(name, labels)
    return labels


def _shape(x: Any) -> Any:
    """``np.shape``, in a tenth of the time for Tensors."""
    return x.shape if isinstance(x, (Tensor, np.ndarray)) else np.shape(x)


def _integers(name: str, labels: Any) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: labels of dtype {labels.dtype}; they must be integers, astype(np.int64)."
        )


def mse_loss(prediction: Any, target: Any) -> Any:
    """The mean of the squared differences; both of one shape, which is not broadcast."""
    _same_shape("mse_loss", prediction, target)
    return neural.mean_square(prediction - target)


def binary_cross_entropy_with_logits(logits: Any, target: Any) -> Any:
    """The mean of t log(1 + exp(-x)) + (1 - t) log(1 + exp(x)); both of one shape, t in 0 … 1."""
    _same_shape("binary_cross_entropy_with_logits", logits, target)
    return np.mean(target * np.logaddexp(0.0, -logits) + (1 - target) * np.logaddexp(0.0, logits))


def _same_shape(name: str, a: Any, b: Any) -> None:
    if _shape(a) != _shape(b):
        raise ShapeError(
            f"{name}: prediction of shape {np.shape(a)} and target of shape {np.shape(b)} must be "
            "equal, not only broadcast against each other; reshape one."
        )


def one_hot(labels: Any, classes: int, dtype: Any = np.float32) -> Any:
    """Rows of the identity matrix: (...,) integers in 0 … classes - 1 to (..., classes).

    Raises TypeError for labels that are not integers, DataError for labels out of range.
    """
    if not isinstance(labels, (Tensor, np.ndarray)):
        labels = np.asarray(labels)
    _integers("one_hot", labels)
    labels = neural.in_range(labels, classes, "one_hot")
    return neural.one_hot(labels, classes, dtype)
