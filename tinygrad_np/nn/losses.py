"""The losses: how far outputs are from targets, as one number or one for each example.

All take ``reduction``: "mean" (of the elements or rows), "sum", or "none" for all of them.
"""

import math
from typing import Any

import numpy as np

from ..arguments import one_of, real, share, whole
from ..autodiff.primitives import cast, neural
from ..autodiff.rules.elementwise import in_single
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from ..habits import hinted
from .operands import as_array, entered, floats, integers, shape_of, to_labels, to_shape

REDUCTIONS = ("mean", "sum", "none")


def _reduced(
    caller: str, losses: Any, reduction: str, total: Any = None, around: Any = None
) -> Any:
    """The losses in the shape ``around``, their sum, or that over ``total`` (else their number)."""
    one_of(caller, "reduction", reduction, REDUCTIONS)
    if reduction == "none":
        return losses if around is None else np.reshape(losses, around)
    if reduction == "sum":
        return np.sum(losses)
    if total is None:
        return np.mean(losses)
    none = np.equal(total, 0)  # nothing counts: NaN, with gradients of 0
    return np.where(none, math.nan, np.sum(losses) / np.where(none, 1, total))


@in_single
def cross_entropy(
    logits: Any,
    labels: Any,
    label_smoothing: float = 0.0,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean of -log softmax(logits)[label] over the rows: (n, classes), (n,) to ().

    ``labels`` are integers in 0 … classes - 1. One fused operation, with gradient
    (softmax - one hot) / n. Sequences and images have their classes on axis 1, as in PyTorch:
    (n, classes, ...) and (n, ...). Labels may be shares of the classes instead, floats of the
    logits' shape in 0 … 1.

    With ``label_smoothing`` s the label counts 1 - s, and each class s / classes (Szegedy et al.
    2016, section 7). ``weight`` (classes,) multiplies the losses of each class; the mean is then
    over the weights of the labels. Rows with the label ``ignore_index`` count nothing; the mean of
    none is NaN, with gradients of 0. As in PyTorch, weights may be negative, and shares need not
    add up to 1. Arithmetic is in the dtype of the logits. Raises ShapeError for other shapes,
    TypeError for labels that are not integers, DataError for labels out of range, ValueError for s
    outside 0 … 1.

    >>> logits = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> float(tg.nn.functional.cross_entropy(logits, np.array([0, 2])).round(4))
    0.6691
    """
    name = "cross_entropy"
    logits = floats(name, logits, name="logits")
    if type(label_smoothing) is not float or label_smoothing != 0:
        share(name, "label_smoothing", label_smoothing)
    plain = weight is None and ignore_index is None and reduction == "mean"
    labels = as_array(name, labels, "labels")
    if labels.dtype.kind == "f" and labels.ndim > 1 and labels.shape == shape_of(logits):
        if ignore_index is not None:
            raise TypeError(
                f"{name}: ignore_index={ignore_index} is for labels that are integers; to ignore a "
                "row of shares, make all of them 0."
            )
        return _of_shares(name, logits, labels, label_smoothing, weight, reduction)
    if plain and len(shape_of(logits)) == 2:
        labels = _labels(name, logits, labels)
        if type(label_smoothing) is float and label_smoothing == 0:
            return neural.cross_entropy(logits, labels)
        sums = np.squeeze(neural.logsumexp(logits, axis=1), axis=1)
        spread = np.mean(sums - np.mean(logits, axis=1))
        return (1 - label_smoothing) * neural.cross_entropy(logits, labels) + (
            label_smoothing * spread
        )
    logs = neural.log_softmax(logits, axis=1) if len(shape_of(logits)) > 1 else logits
    return _of_labels(name, logs, labels, label_smoothing, weight, ignore_index, reduction)


@hinted("numpy")
def nll_loss(
    log_probabilities: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean of -log_probabilities[label] over the rows: (n, classes), (n,) to ().

    Takes and raises what ``cross_entropy`` does.

    >>> float(tg.nn.functional.nll_loss(np.log([[0.25, 0.75]]), np.array([1])).round(4))
    0.2877
    """
    logs = floats("nll_loss", log_probabilities, name="log_probabilities")
    given = "log_probabilities"
    return _of_labels("nll_loss", logs, labels, 0.0, weight, ignore_index, reduction, given)


def _of_labels(
    name: str,
    logs: Any,
    labels: Any,
    smoothing: float,
    weight: Any,
    ignored: int | None,
    reduction: str,
    given: str = "logits",
) -> Any:
    """``cross_entropy`` of logarithms of probabilities, with all its options."""
    if ignored is not None:
        ignored = whole(name, "ignore_index", ignored, least=None)
    labels = _labels(name, logs, labels, given)
    around, classes = labels.shape, shape_of(logs)[1]
    lined, labels = _lined(logs), np.reshape(labels, (-1,))
    counted = None
    if ignored is not None:
        counted = np.not_equal(labels, ignored)
        labels = np.where(counted, labels, np.zeros_like(labels))
    labels = neural.in_range(labels, classes, name)
    losses = -neural.pick(lined, labels)
    share_of = None if counted is None else counted.astype(lined.dtype)
    if weight is not None:
        weight = _class_weight(name, weight, lined)
        each = _of_each(weight, labels)
        share_of = each if share_of is None else each * share_of
    if share_of is not None:
        losses = losses * share_of
    if smoothing:
        spread = -np.sum(lined if weight is None else lined * weight, axis=1) / classes
        spread = spread if counted is None else spread * counted.astype(lined.dtype)
        losses = (1 - smoothing) * losses + smoothing * spread
    total = None if share_of is None else np.sum(share_of)
    return _reduced(name, losses, reduction, total, around)


def _of_shares(
    name: str, logits: Any, shares: Any, smoothing: float, weight: Any, reduction: str
) -> Any:
    """``cross_entropy`` with a share for each class instead of a label."""
    around = shape_of(logits)
    logs = _lined(neural.log_softmax(logits, axis=1))
    shares = neural.in_unit_interval(_lined(_like(shares, logs)), name, "target")
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / around[1]
    parts = logs * shares
    parts = parts if weight is None else parts * _class_weight(name, weight, logs)
    losses = -np.sum(parts, axis=1)
    return _reduced(name, losses, reduction, around=(around[0], *around[2:]))


def _lined(x: Any) -> Any:
    """Classes on axis 1, (n, classes, ...), as rows (..., classes)."""
    shape = shape_of(x)
    return x if len(shape) == 2 else np.reshape(np.moveaxis(x, 1, -1), (-1, shape[1]))


def _like(x: Any, like: Any) -> Any:
    """``x`` in the dtype of ``like``."""
    return x if x.dtype == like.dtype else cast(x, like.dtype)


def _class_weight(name: str, weight: Any, lined: Any) -> Any:
    weight = _like(entered(name, weight, lined, "weight"), lined)
    if shape_of(weight) != lined.shape[1:]:
        raise ShapeError(
            f"{name}: weight of shape {shape_of(weight)} for {lined.shape[1]} classes; give one "
            "weight for each class."
        )
    if type(weight) is np.ndarray and not weight.any():
        raise ValueError(f"{name}: all weights are 0, so that nothing counts; give some above 0.")
    return weight


def _of_each(weight: Any, labels: Any) -> Any:
    """The weight of each label; NumPy does not ask a Tensor of indices into an array."""
    held = type(weight) is np.ndarray and isinstance(labels, Tensor)
    return np.take(Tensor(weight) if held else weight, labels)


def _labels(name: str, logits: Any, labels: Any, given: str = "logits") -> Any:
    """Labels as an array or Tensor of integers that fits the logits."""
    labels = as_array(name, labels, "labels")
    shape = shape_of(logits)
    if len(shape) < 2 or labels.shape != (shape[0], *shape[2:]):
        raise ShapeError(
            f"{name}: {given} of shape {shape} and labels of shape {labels.shape}; "
            f"expected (n, classes) and (n,), or (n, classes, ...) and (n, ...)"
            f"{to_labels(shape, labels.shape)}."
        )
    integers(name, labels)
    return labels


@hinted("numpy")
def multi_margin_loss(
    logits: Any, labels: Any, margin: float = 1.0, *, weight: Any = None, reduction: str = "mean"
) -> Any:
    """The hinge of several classes: (n, classes), (n,) to ().

    For each row the mean over the classes of max(0, margin - logits[label] + logits[other]), the
    label's own class left out of the sum (Crammer & Singer 2001, in PyTorch's form). ``weight``
    (classes,) multiplies the losses of each label. Raises what ``cross_entropy`` raises.

    >>> logits = np.array([[1.0, 0.5, 0.0]])
    >>> float(tg.nn.functional.multi_margin_loss(logits, np.array([0])).round(4))
    0.1667
    """
    name = "multi_margin_loss"
    logits = floats(name, logits, name="logits")
    margin = real(name, "margin", margin)
    labels = _labels(name, logits, labels)
    around, lined, labels = labels.shape, _lined(logits), np.reshape(labels, (-1,))
    classes = lined.shape[1]
    labels = neural.in_range(labels, classes, name)
    over = np.maximum(margin - np.expand_dims(neural.pick(lined, labels), 1) + lined, 0)
    others = 1 - neural.one_hot(labels, classes, lined.dtype)
    losses = np.sum(over * others, axis=1) / classes
    if weight is not None:
        losses = losses * _of_each(_class_weight(name, weight, lined), labels)
    return _reduced(name, losses, reduction, around=around)


@in_single
def mse_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The mean of the squared differences; both of one shape, which is not broadcast.

    A list gets the dtype of the other one.

    Raises ShapeError for other shapes.

    >>> float(tg.nn.functional.mse_loss(np.array([1.0, 3.0]), np.array([0.0, 0.0])))
    5.0
    """
    prediction, target = _both("mse_loss", prediction, target)
    if reduction == "mean":
        return neural.mse_loss(prediction - target)
    return _reduced("mse_loss", np.square(prediction - target), reduction)


@in_single
def l1_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The mean of the absolute differences; both of one shape, slope 0 at difference 0.

    Raises ShapeError for other shapes.

    >>> float(tg.nn.functional.l1_loss(np.array([1.0, 4.0]), np.array([0.0, 0.0])))
    2.5
    """
    prediction, target = _both("l1_loss", prediction, target)
    return _reduced("l1_loss", np.abs(prediction - target), reduction)


def huber_loss(prediction: Any, target: Any, delta: float = 1.0, *, reduction: str = "mean") -> Any:
    """Half the square of a difference d up to ``delta``, delta (|d| - delta / 2) beyond.

    The mean of these (Huber 1964); both of one shape. Raises ValueError for delta not above 0.

    >>> float(tg.nn.functional.huber_loss(np.array([0.5, 4.0]), np.array([0.0, 0.0])))
    1.8125
    """
    delta = real("huber_loss", "delta", delta, "a number above 0", ends="()")
    return _huber(prediction, target, delta, reduction, "huber_loss")


@in_single
def _huber(prediction: Any, target: Any, delta: float, reduction: str, name: str) -> Any:
    """The loss of a difference, which is the difference itself where ``delta`` is 0."""
    prediction, target = _both(name, prediction, target)
    apart = np.abs(prediction - target)
    if delta == 0:
        return _reduced(name, apart, reduction)
    near = np.minimum(apart, delta)  # near² / 2 + delta · (apart - near)
    return _reduced(name, near * (apart - near / 2), reduction)


@hinted("numpy")
def smooth_l1_loss(
    prediction: Any, target: Any, beta: float = 1.0, *, reduction: str = "mean"
) -> Any:
    """``huber_loss`` of ``beta``, divided by it; ``l1_loss`` where that is 0 (Girshick 2015).

    >>> float(tg.nn.functional.smooth_l1_loss(np.array([0.5, 4.0]), np.zeros(2)))
    1.8125
    """
    beta = real("smooth_l1_loss", "beta", beta)
    loss = _huber(prediction, target, beta, reduction, "smooth_l1_loss")
    return loss / beta if beta else loss


@in_single
def hinge_loss(
    prediction: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean"
) -> Any:
    """The mean of max(0, margin - t x) for targets t of -1 and 1; both of one shape.

    Slope 0 where x is right by more than the margin (Vapnik 1995). Raises DataError for other
    targets.

    >>> float(tg.nn.functional.hinge_loss(np.array([0.5, 2.0]), np.array([1.0, -1.0])))
    1.75
    """
    margin = real("hinge_loss", "margin", margin)
    prediction, target = _both("hinge_loss", prediction, target)
    target = _like(neural.signs(target, "hinge_loss"), prediction)
    return _reduced("hinge_loss", np.maximum(margin - target * prediction, 0), reduction)


@hinted("numpy")
def binary_cross_entropy_with_logits(
    logits: Any, target: Any, *, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """The mean of t log(1 + exp(-x)) + (1 - t) log(1 + exp(x)); both of one shape, t in 0 … 1.

    One fused operation, with gradient (sigmoid - t) / n, in the dtype of the logits. ``weight``
    multiplies each element's loss, ``pos_weight`` the part of t; both broadcast. Raises ShapeError
    for other shapes, DataError for targets outside 0 … 1.

    >>> logits, target = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    >>> float(tg.nn.functional.binary_cross_entropy_with_logits(logits, target).round(4))
    0.3556
    """
    name = "binary_cross_entropy_with_logits"
    logits, target = _both(name, logits, target, "logits")
    target = neural.in_unit_interval(target, name, "target")
    half = logits.dtype == np.float16
    dtype = np.result_type(logits, np.float32 if logits.dtype.kind == "f" else np.float64)
    z, t = (v if v.dtype == dtype else cast(v, dtype) for v in (logits, target))
    if weight is None and pos_weight is None and reduction == "mean":
        loss = neural.binary_cross_entropy(z, t)
    else:
        low, high = np.logaddexp(0, -z), np.logaddexp(0, z)
        low = low if pos_weight is None else low * _weights(name, "pos_weight", pos_weight, z)
        losses = t * low + (1 - t) * high
        losses = losses if weight is None else losses * _weights(name, "weight", weight, z)
        loss = _reduced(name, losses, reduction)
    return cast(loss, np.float16) if half else loss


@in_single
def binary_cross_entropy(
    probabilities: Any, target: Any, *, weight: Any = None, reduction: str = "mean"
) -> Any:
    """The mean of -t log p - (1 - t) log(1 - p); both of one shape, p and t in 0 … 1.

    The logarithm of 0 counts as -100, as in PyTorch. ``binary_cross_entropy_with_logits`` is more
    exact. Raises ShapeError for other shapes, DataError for p or t outside 0 … 1.

    >>> p, target = np.array([0.5, 0.5]), np.array([0.0, 1.0])
    >>> float(tg.nn.functional.binary_cross_entropy(p, target).round(4))
    0.6931
    """
    name = "binary_cross_entropy"
    p, t = _both(name, probabilities, target, "probabilities")
    p = neural.in_unit_interval(p, name, "prediction")
    t = neural.in_unit_interval(t, name, "target")
    none, all_of = np.equal(p, 0), np.equal(p, 1)
    logs = np.where(none, -100, np.log(np.where(none, 1, p)))
    others = np.where(all_of, -100, np.log1p(-np.where(all_of, 0, p)))
    losses = -(t * logs + (1 - t) * others)
    losses = losses if weight is None else losses * _weights(name, "weight", weight, p)
    return _reduced(name, losses, reduction)


def _weights(caller: str, name: str, weight: Any, like: Any) -> Any:
    """Weights of elements in their dtype; they broadcast against them, and widen nothing."""
    weight = _like(entered(caller, weight, like, name), like)
    shape = shape_of(like)
    try:
        fits = np.broadcast_shapes(shape_of(weight), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{caller}: {name} of shape {shape_of(weight)} does not broadcast to {shape}."
        )
    return weight


def _both(caller: str, a: Any, b: Any, name: str = "prediction") -> tuple[Any, Any]:
    """Prediction and target, of one shape."""
    a = floats(caller, a, b, name)
    b = entered(caller, b, a, "target")
    if shape_of(a) != shape_of(b):
        raise ShapeError(
            f"{caller}: prediction of shape {np.shape(a)} and target of shape {np.shape(b)} must "
            "be equal, not only broadcast against each other; reshape one"
            f"{to_shape(shape_of(a), shape_of(b))}."
        )
    return a, b
