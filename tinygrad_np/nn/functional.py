"""The functions networks are made of, on Tensors or arrays."""

import math
from typing import Any

import numpy as np

from ..arguments import dtype as kind
from ..arguments import finite, flag, is_whole, one_of, real, refusal, share, whole
from ..autodiff.primitives import cast, drawing, elementwise, neural
from ..autodiff.rules.elementwise import in_single
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..autodiff.transforms import stop_gradient
from ..errors import ShapeError
from ..habits import hinted, lacking
from .convolving import conv1d, conv2d, conv_transpose2d
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    multi_margin_loss,
    nll_loss,
    smooth_l1_loss,
)
from .operands import as_array, entered, floats, integers, shape_of, to_features, to_images
from .pooling import adaptive_avg_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from .resizing import interpolate, pad

__all__ = [
    "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv_transpose2d", "cross_entropy",
    "dropout", "dropout2d", "elu", "embedding", "gelu", "group_norm", "hinge_loss", "huber_loss",
    "interpolate", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "logsumexp",
    "max_pool1d", "max_pool2d", "mse_loss", "multi_margin_loss", "nll_loss", "one_hot", "pad",
    "relu", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip


def __getattr__(name: str) -> None:
    raise lacking(__name__, name)


GELUS = ("none", "tanh")

relu = neural.relu
sigmoid = elementwise.sigmoid
tanh = np.tanh


@hinted("numpy")
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where it is positive, ``negative_slope`` times x elsewhere (slope at 0: the latter).

    Any shape and float dtype, which is kept.

    >>> tg.nn.functional.leaky_relu(np.array([-2.0, 3.0]), 0.1)
    array([-0.2,  3. ])
    """
    slope = finite("leaky_relu", "negative_slope", negative_slope)
    return neural.leaky_relu(entered("leaky_relu", x), slope=slope)


@hinted("numpy")
def silu(x: Any) -> Any:
    """x times its logistic function, also called swish (Elfwing et al. 2018).

    >>> tg.nn.functional.silu(np.array([-1.0, 2.0])).round(3)
    array([-0.269,  1.762])
    """
    x = floats("silu", x)
    return x * sigmoid(x)


def softplus(x: Any, beta: float = 1.0, threshold: float | None = None) -> Any:
    """log(1 + exp(beta x)) / beta, which does not overflow; x where beta x > ``threshold``.

    >>> tg.nn.functional.softplus(np.array([0.0, 1000.0])).round(3)
    array([6.93e-01, 1.00e+03])
    """
    beta = real("softplus", "beta", beta, "a number above 0", ends="()")
    x = floats("softplus", x)
    soft = np.logaddexp(x, 0) if beta == 1 else np.logaddexp(beta * x, 0) / beta
    if threshold is None:
        return soft
    return np.where(np.greater(beta * x, finite("softplus", "threshold", threshold)), x, soft)


@hinted("numpy")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``alpha`` (exp(x) - 1) elsewhere (Clevert et al. 2016).

    The slope at 0 is ``alpha``.

    >>> tg.nn.functional.elu(np.array([-1.0, 2.0])).round(3)
    array([-0.632,  2.   ])
    """
    alpha, x = finite("elu", "alpha", alpha), floats("elu", x)
    positive = np.greater(x, 0)
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x)))


@in_single
def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016).

    Exact by SciPy's erf; ``approximate="tanh"`` is their approximation and needs NumPy alone.
    Raises ImportError where the exact form is asked for and SciPy is not installed.

    >>> tg.nn.functional.gelu(np.array([-1.0, 2.0]), approximate="tanh").round(3)
    array([-0.159,  1.955])
    """
    one_of("gelu", "approximate", approximate, GELUS)
    x = entered("gelu", x)
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + np.tanh(inner))
    return 0.5 * x * (1 + neural.erf(x * math.sqrt(0.5)))


@in_single
def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum exp(x) along ``axis``; nothing overflows.

    The result has the shape and dtype of x.

    >>> tg.nn.functional.softmax(np.array([[0.0, 0.0], [0.0, 2.0]])).round(3)
    array([[0.5  , 0.5  ],
           [0.119, 0.881]])
    """
    return neural.softmax(*_along("softmax", x, axis))


@in_single
def log_softmax(x: Any, axis: int = -1) -> Any:
    """log softmax(x) along ``axis``; nothing overflows, and no log of 0.

    The result has the shape and dtype of x.

    >>> tg.nn.functional.log_softmax(np.array([0.0, 0.0])).round(4)
    array([-0.6931, -0.6931])
    """
    return neural.log_softmax(*_along("log_softmax", x, axis))


@in_single
def logsumexp(x: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """log sum exp(x) along ``axis``; nothing overflows.

    The result has the shape of x without ``axis`` (length 1 there with ``keepdims``).

    >>> float(tg.nn.functional.logsumexp(np.array([1000.0, 1000.0])).round(4))
    1000.6931
    """
    x, axis = _along("logsumexp", x, axis)
    out = neural.logsumexp(x, axis=axis)
    return out if keepdims else np.squeeze(out, axis=axis)


def _along(caller: str, x: Any, axis: Any) -> tuple[Any, int]:
    """An array that has something along an axis, and that axis."""
    axis = whole(caller, "axis", axis, least=None)
    x = floats(caller, x)
    shape = shape_of(x)
    if shape and not (-len(shape) <= axis < len(shape) and shape[axis]):
        raise ShapeError(
            f"{caller}: x of shape {shape} has nothing along axis {axis}; give the axis of the "
            "classes, of which there is one at least."
        )
    return x, axis


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b: (..., in), (out, in), (out,) to (..., out).

    A list gets the weight's dtype. Raises ShapeError where they do not fit, TypeError for x that
    holds no numbers.

    >>> tg.nn.functional.linear(np.array([1.0, 2.0]), np.array([[1.0, 1.0]]), np.array([0.5]))
    array([3.5])
    """
    weight = entered("linear", weight, name="weight")
    bias = None if bias is None else entered("linear", bias, weight, "bias")
    x = entered("linear", x, weight)
    try:
        return neural.linear(x, weight, bias)
    except (ValueError, IndexError):
        shape, remedy = shape_of(weight), ""
        if len(shape) == 2 and np.shape(x)[-1:] != shape[1:]:
            remedy = to_features(shape_of(x), shape[1])
        elif len(shape) == 2 and bias is not None:
            remedy = f"; give a bias of shape ({shape[0]},)"
        raise ShapeError(
            f"linear: x of shape {np.shape(x)}, weight {shape} and bias "
            f"{None if bias is None else np.shape(bias)}; expected (..., in), (out, in) and "
            f"(out,){remedy}."
        ) from None


@hinted("numpy")
def dropout(
    x: Any, p: float = 0.5, training: bool = True, generator: "np.random.Generator | None" = None
) -> Any:
    """Each element 0 with probability ``p``, else divided by 1 - p (Srivastava et al. 2014).

    Unless ``training`` it is ``x`` itself. ``generator`` draws, at every call anew. Raises
    ValueError for p outside 0 … 1, TypeError without a generator.

    >>> generator = np.random.default_rng(0)
    >>> tg.nn.functional.dropout(np.ones(6), 0.5, generator=generator).tolist()
    [2.0, 2.0, 2.0, 0.0, 0.0, 0.0]
    """
    if not _drops("dropout", p, training, generator):
        return x
    x = floats("dropout", x)
    return x * 0 if p == 1 else x * drawing.kept_share(x, p, generator)  # type: ignore[arg-type] # checked


def _drops(caller: str, p: Any, training: Any, generator: Any) -> bool:
    """Whether anything is dropped; raises as ``dropout`` does."""
    share(caller, "p", p)
    if not flag(caller, "training", training) or p == 0:
        return False
    if not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"{caller}: generator is of type {type(generator).__name__}; give the same "
            "generator=np.random.default_rng(seed) at every call, or use "
            f"nn.{caller.capitalize()}, which keeps one."
        )
    return True


@hinted("numpy")
def dropout2d(
    x: Any, p: float = 0.5, training: bool = True, generator: "np.random.Generator | None" = None
) -> Any:
    """``dropout`` of whole channels: (n, c, ...) as it is (Tompson et al. 2015).

    Takes and raises what ``dropout`` does, and ShapeError for fewer than three axes.

    >>> generator = np.random.default_rng(0)
    >>> tg.nn.functional.dropout2d(np.ones((1, 4, 2, 2)), generator=generator)[0, :, 0, 0].tolist()
    [2.0, 2.0, 2.0, 0.0]
    """
    x = entered("dropout2d", x)
    shape = shape_of(x)
    if len(shape) < 3:
        raise ShapeError(f"dropout2d: x of shape {shape}; expected (n, c, h, w){to_images(shape)}.")
    if not _drops("dropout2d", p, training, generator):
        return x
    ones = np.ones_like(x, shape=(*shape[:2], *(1 for _ in shape[2:])))
    return x * dropout(ones, p, True, generator)


@hinted("numpy")
def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """The rows of ``weight`` (entries, features) at integers (...,): (..., features).

    No gradient goes to the row ``padding_idx``, which may count from the end.
    Raises TypeError for indices that are not integers, DataError for those out of range, ShapeError
    for a weight of other than two axes.

    >>> tg.nn.functional.embedding(np.array([2, 0]), np.array([[1.0], [2.0], [3.0]])).tolist()
    [[3.0], [1.0]]
    """
    indices = as_array("embedding", indices, "indices")
    integers("embedding", indices, "indices")
    weight = entered("embedding", weight, name="weight")
    if len(shape_of(weight)) != 2:
        raise ShapeError(
            f"embedding: weight of shape {shape_of(weight)}; expected (entries, features)."
        )
    entries = shape_of(weight)[0]
    known = neural.in_range(indices, entries, "embedding")
    rows = np.take(weight, known, axis=0)
    if padding_idx is None:
        return rows
    padding = padded_at("embedding", padding_idx, entries)
    return np.where(np.expand_dims(np.equal(known, padding), -1), stop_gradient(rows), rows)


def padded_at(place: str, padding_idx: Any, entries: int) -> int:
    """The row of padding, counted from the start; raises ValueError where there is none."""
    if not is_whole(padding_idx) or not -entries <= padding_idx < entries:
        needed = f"an int from {-entries} to {entries - 1}"
        raise refusal(place, "padding_idx", padding_idx, needed, ValueError)
    return int(padding_idx) % entries


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    group: Any = None,
) -> Any:
    """(x - mean) / sqrt(variance + eps) · weight + bias for each channel: (n, c, ...) as it is.

    In ``training`` (or without running statistics) mean and variance are those of the batch, and
    ``running_mean`` and ``running_var`` (c,), if given, move towards them by the share
    ``momentum``, the variance being the unbiased one there; else they are taken instead (Ioffe &
    Szegedy 2015). A batch of no examples has an empty result, moves nothing, and its gradients are
    0. With a ``group`` (see ``tg.parallel``) the batch is that of all its processes, each of which
    has examples. Raises ShapeError for other shapes, and in training for one value a channel.

    >>> x = np.array([[1.0, 2.0], [3.0, 6.0]])
    >>> tg.nn.functional.batch_norm(x, training=True).round(2)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    x = floats("batch_norm", x, running_mean if weight is None else weight)
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: x of shape {shape}; expected (n, channels, ...).")
    eps, training = real("batch_norm", "eps", eps), flag("batch_norm", "training", training)
    if not isinstance(momentum, Tensor) and (training or momentum is not None):
        share("batch_norm", "momentum", momentum)
    given = (running_mean, running_var, weight, bias)
    names = ("running_mean", "running_var", "weight", "bias")
    vectors = {
        n: None if v is None else entered("batch_norm", v, x, n)
        for n, v in zip(names, given, strict=True)
    }
    running_mean, running_var, weight, bias = vectors.values()
    _check_channels("batch_norm", shape, vectors)
    axis: Any = 0 if len(shape) == 2 else (0, *range(2, len(shape)))
    count = shape[0] * math.prod(shape[2:])
    half = x.dtype == np.float16 and all(
        v is None or v.dtype == np.float16 for v in vectors.values()
    )
    x = cast(x, np.float32) if x.dtype == np.float16 else x
    if training or running_mean is None or running_var is None:
        if training and not count and group is not None:
            raise ShapeError(
                f"batch_norm: x of shape {shape} has no examples; give each process of a group "
                "some."
            )
        if training and group is None and count == 1:
            raise ShapeError(_one_value(shape))
        if group is None or not training:
            if training and count:
                _follow(running_mean, running_var, *_moments(x, axis), count, momentum)
            out = neural.standardise(x, axis=axis, eps=eps)
        else:
            lined = neural.rows(x if len(shape) == 2 else np.moveaxis(x, 1, -1))
            mean, variance, joined = group.moments(lined, _one_value(shape))
            _follow(running_mean, running_var, mean, variance, joined, momentum)
            out = (x - _across(mean, shape)) / _across(np.sqrt(variance + eps), shape)
        out = out if weight is None else out * _across(weight, shape)
    else:
        if running_var.dtype == np.float16:
            running_var = cast(running_var, np.float32)
        scale = 1 / np.sqrt(running_var + eps)
        scale = scale if weight is None else scale * weight
        out = (x - _across(running_mean, shape)) * _across(scale, shape)
    out = out if bias is None else out + _across(bias, shape)
    return cast(out, np.float16) if half else out


def _one_value(shape: tuple[int, ...]) -> str:
    return (
        f"batch_norm: x of shape {shape} has one value for each channel, whose variance is 0; "
        "train with larger batches, of a size that leaves no last batch of one, or call eval() "
        "first."
    )


def _across(vector: Any, shape: tuple[int, ...]) -> Any:
    """One number for each channel of (n, channels, ...), to broadcast."""
    return vector if len(shape) == 2 else np.reshape(vector, (-1, *(1 for _ in shape[2:])))


def _affine(caller: str, weight: Any, bias: Any) -> tuple[Any, Any]:
    """What scales and what shifts, None where that is left out."""
    weight = None if weight is None else entered(caller, weight, name="weight")
    return weight, None if bias is None else entered(caller, bias, name="bias")


def _check_channels(caller: str, shape: tuple[int, ...], vectors: dict[str, Any]) -> None:
    """Raises ShapeError for a vector that has not one number for each channel."""
    for name, vector in vectors.items():
        if vector is not None and shape_of(vector) != shape[1:2]:
            raise ShapeError(
                f"{caller}: {name} of shape {shape_of(vector)} for x of shape {shape}; expected "
                f"({shape[1]},){_channels_last(shape, shape_of(vector))}."
            )


def _channels_last(shape: tuple[int, ...], vector: tuple[int, ...]) -> str:
    """The end of a message about channels that may be on the last axis."""
    if len(shape) == 2 or shape[-1:] != vector:
        return ""
    axes = ", ".join(map(str, [0, len(shape) - 1, *range(1, len(shape) - 1)]))
    return f"; give x.transpose({axes}) if the channels are the last axis"


def _moments(x: Any, axis: Any) -> tuple[Any, Any]:
    """Mean and variance of each channel of ``x``."""
    with no_grad():
        mean, _, variance = neural.moments(x, axis)
        return mean, variance


def _follow(
    running_mean: Any, running_var: Any, mean: Any, variance: Any, count: Any, momentum: float
) -> None:
    """Move running statistics towards those of a batch with ``count`` numbers a channel."""
    with no_grad():
        for running, value in (
            (running_mean, mean),
            (running_var, variance * (count / (count - 1))),
        ):
            if running is not None:
                value = np.reshape(value, (-1,))
                running[...] = (1 - momentum) * running + momentum * value


@in_single
def layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(variance + eps) · weight + bias over the last axes (Ba et al. 2016).

    ``normalized_shape`` is the length of the last axis, or the shape of the last axes, and the
    shape of ``weight`` and ``bias``. Raises ShapeError where they do not fit.

    >>> tg.nn.functional.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), 2).round(2)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    given = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    inner = tuple(whole("layer_norm", "normalized_shape", size) for size in given)
    eps = real("layer_norm", "eps", eps)
    weight, bias = _affine("layer_norm", weight, bias)
    x = floats("layer_norm", x, weight)
    shape = shape_of(x)
    wrong = [v for v in (weight, bias) if v is not None and shape_of(v) != inner]
    if not inner or shape[-len(inner) :] != inner or wrong:
        raise ShapeError(
            f"layer_norm: x of shape {shape}, normalized_shape {inner}, weight "
            f"{None if weight is None else shape_of(weight)} and bias "
            f"{None if bias is None else shape_of(bias)}; expected (..., *normalized_shape)."
        )
    lined = np.reshape(x, (math.prod(shape[: -len(inner)]), math.prod(inner)))
    out = np.reshape(neural.standardise(lined, axis=1, eps=eps), shape)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(variance + eps) · weight + bias over groups of channels: (n, c, ...) as is.

    The channels are divided into ``num_groups`` parts in a row, and mean and variance are those of
    all elements that an example has in a part; ``weight`` and ``bias`` (c,) scale and shift each
    channel (Wu & He 2018). Raises ShapeError for other shapes and for groups that do not divide the
    channels.

    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> tg.nn.functional.group_norm(x, 2).round(2)
    array([[-1.,  1., -1.,  1.]])
    """
    groups, eps = whole("group_norm", "num_groups", num_groups), real("group_norm", "eps", eps)
    weight, bias = _affine("group_norm", weight, bias)
    x = floats("group_norm", x, weight)
    shape = shape_of(x)
    if len(shape) < 2 or shape[1] % groups:
        raise ShapeError(
            f"group_norm: x of shape {shape} and num_groups={groups}; expected (n, c, ...) with "
            "num_groups that divides c."
        )
    _check_channels("group_norm", shape, {"weight": weight, "bias": bias})
    return _standardised_groups(x, weight, bias, groups, eps)


@in_single
def _standardised_groups(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    shape = shape_of(x)
    lined = np.reshape(x, (shape[0] * groups, math.prod(shape[1:]) // groups))
    out = np.reshape(neural.standardise(lined, axis=1, eps=eps), shape)
    out = out if weight is None else out * _across(weight, shape)
    return out if bias is None else out + _across(bias, shape)


@hinted("numpy")
def one_hot(labels: Any, classes: int, dtype: Any = np.float32) -> Any:
    """Rows of the identity matrix: (...,) integers in 0 … classes - 1 to (..., classes).

    Raises TypeError for labels that are not integers, DataError for labels out of range.

    >>> tg.nn.functional.one_hot(np.array([2, 0]), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    labels = as_array("one_hot", labels, "labels")
    integers("one_hot", labels)
    classes, dtype = whole("one_hot", "classes", classes), kind("one_hot", "dtype", dtype, "biufc")
    labels = neural.in_range(labels, classes, "one_hot")
    return neural.one_hot(labels, classes, dtype)
