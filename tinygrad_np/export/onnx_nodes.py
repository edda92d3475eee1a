"""For each kind of node in an ONNX file: what computes it here.

A function gets the node's inputs (None where one is left out) as arrays or Tensors, and its
attributes as keywords; attributes that it does not take are refused when the file is read.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autodiff.primitives import cast, convolution, neural, pooling
from ..autodiff.tensor import Tensor
from ..nn import functional as F

Node = Callable[..., Any]


def plain(value: Any) -> np.ndarray:
    """The numbers of an array that says how, not what: a shape, axes, an index."""
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def numbers(value: Any) -> tuple[int, ...]:
    """The same as a tuple."""
    return tuple(int(n) for n in plain(value).reshape(-1))


def _either(given: Any, attribute: Any) -> tuple[int, ...] | None:
    """What newer opsets have as an input and older ones as an attribute."""
    found = attribute if given is None else numbers(given)
    return None if found is None else tuple(found)


def _folded(fn: Callable[[Any, Any], Any]) -> Node:
    return lambda *values: functools.reduce(fn, values)


def _divide(x: Any, y: Any) -> Any:
    """Integers are divided towards zero."""
    if np.result_type(x, y).kind in "iu":
        return np.sign(x) * np.sign(y) * (np.absolute(x) // np.absolute(y))
    return x / y


def _power(x: Any, y: Any) -> Any:
    """The result has the dtype of the base; an exponent that is one number stays a number."""
    if not isinstance(y, Tensor) and np.size(y) == 1 and np.ndim(y) <= np.ndim(x):
        return x ** plain(y).item()
    return x ** cast(y, x.dtype)


def _clip(x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
    bounds = [a if g is None else plain(g) for g, a in ((low, min), (high, max))]
    kept = [None if b is None else np.asarray(b, x.dtype).item() for b in bounds]
    return x if kept == [None, None] else np.clip(x, *kept)


def _hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return np.clip(alpha * x + beta, 0, 1)


def _selu(x: Any, *, alpha: float = 1.67326319217681884765625,
          gamma: float = 1.05070102214813232421875) -> Any:  # fmt: skip
    return gamma * F.elu(x, alpha)


def _softmax(fn: Callable[..., Any]) -> Node:
    def call(x: Any, *, axis: int | None = None, opset: int = 13) -> Any:
        if opset >= 13:
            return fn(x, axis=-1 if axis is None else axis)
        axis = (1 if axis is None else axis) % max(x.ndim, 1)  # of the axes from this one on
        rows = math.prod(x.shape[:axis])
        return np.reshape(fn(np.reshape(x, (rows, -1)), axis=-1), x.shape)

    return call


def _reduction(fn: Callable[..., Any]) -> Node:
    def call(x: Any, given: Any = None, *, axes: Any = None, keepdims: int = 1,
             noop_with_empty_axes: int = 0) -> Any:  # fmt: skip
        chosen = _either(given, axes)
        if not chosen and noop_with_empty_axes:
            return x
        return fn(x, axis=chosen or None, keepdims=bool(keepdims))

    return call


def _extreme(fn: Callable[..., Any]) -> Node:
    def call(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        if select_last_index:
            found = x.shape[axis] - 1 - fn(np.flip(x, axis), axis=axis)
        else:
            found = fn(x, axis=axis)
        return np.expand_dims(found, axis) if keepdims else found

    return call


def _gemm(a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0,
          transA: int = 0, transB: int = 0) -> Any:  # fmt: skip
    if alpha == beta == 1 and transB and not transA and c is not None and np.ndim(c) == 1:
        return F.linear(a, b, c)
    found = (a.T if transA else a) @ (b.T if transB else b)
    found = found if alpha == 1 else alpha * found
    return found if c is None else found + (c if beta == 1 else beta * c)


def _ends(x: Any, kernel: Sequence[int], strides: Any, dilations: Any, pads: Any,
          auto_pad: str, ceil_mode: int = 0) -> tuple[Any, Any, list[tuple[int, int]]]:  # fmt: skip
    """Strides and dilations, and how wide the frame is before and after each axis."""
    axes = len(kernel)
    strides, dilations = tuple(strides or (1,) * axes), tuple(dilations or (1,) * axes)
    pads = tuple(pads or (0,) * 2 * axes)
    widths = []
    for i, (n, k, s, d) in enumerate(zip(x.shape[2:], kernel, strides, dilations, strict=True)):
        reach = d * (k - 1) + 1
        before, after = pads[i], pads[i + axes]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = max((math.ceil(n / s) - 1) * s + reach - n, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            after = total - before
        if ceil_mode:
            count = math.ceil((n + before + after - reach) / s) + 1
            if (count - 1) * s >= n + before:  # a window that would begin in the frame behind
                count -= 1
            after = max(after, (count - 1) * s + reach - n - before)
        widths.append((before, after))
    return strides, dilations, widths


def _framed(x: Any, widths: list[tuple[int, int]], value: float = 0) -> Any:
    if not any(map(any, widths)):
        return x
    return F.pad(x, tuple(w for pair in reversed(widths) for w in pair), value=value)


def _conv(x: Any, weight: Any, bias: Any = None, *, strides: Any = None, dilations: Any = None,
          pads: Any = None, group: int = 1, kernel_shape: Any = None,
          auto_pad: str = "NOTSET") -> Any:  # fmt: skip
    kernel = kernel_shape or weight.shape[2:]
    strides, dilations, widths = _ends(x, kernel, strides, dilations, pads, auto_pad)
    fn: Any = F.conv1d if len(kernel) == 1 else F.conv2d
    return fn(_framed(x, widths), weight, bias, stride=strides, dilation=dilations, groups=group)


def _conv_transpose(x: Any, weight: Any, bias: Any = None, *, strides: Any = None,
                    dilations: Any = None, pads: Any = None, output_padding: Any = None,
                    group: int = 1, kernel_shape: Any = None,
                    auto_pad: str = "NOTSET") -> Any:  # fmt: skip
    axes = len(kernel_shape or weight.shape[2:])
    lengths = {1: (1,), 2: ()}[axes]
    strides, dilations = (lengths + tuple(v or (1,) * axes) for v in (strides, dilations))
    more = (0,) * len(lengths) + tuple(output_padding or (0,) * axes)
    pads = tuple(pads or (0,) * 2 * axes)
    if axes == 1:
        x, weight = np.expand_dims(x, 2), np.expand_dims(weight, 2)
    found = F.conv_transpose2d(
        x, weight, bias, stride=strides, output_padding=more, groups=group, dilation=dilations
    )
    found = np.squeeze(found, 2) if axes == 1 else found
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):  # as many outputs as inputs, times the stride
        total = [
            n - m * s
            for n, m, s in zip(found.shape[2:], x.shape[-axes:], strides[-axes:], strict=True)
        ]
        pads = tuple((n + (auto_pad == "SAME_LOWER")) // 2 for n in total)
        pads += tuple(n - first for n, first in zip(total, pads, strict=True))
    ends = [slice(pads[i], n - pads[i + axes]) for i, n in enumerate(found.shape[2:])]
    return found[(slice(None), slice(None), *ends)] if any(pads) else found


def _pooled(x: Any, kernel: Any, strides: Any, dilations: Any, value: float, widths: Any) -> Any:
    """Framed images, and the arguments of windows over them: sequences are images of one row."""
    x = _framed(x, widths, value)
    if len(kernel) == 1:
        return np.expand_dims(x, 2), (1, *kernel), (1, *strides), (1, *dilations)
    return x, tuple(kernel), strides, dilations


def _max_pool(x: Any, *, kernel_shape: Any, strides: Any = None, dilations: Any = None,
              pads: Any = None, auto_pad: str = "NOTSET", ceil_mode: int = 0,
              storage_order: int = 0) -> Any:  # fmt: skip  # noqa: ARG001 - of the second result
    strides, dilations, widths = _ends(
        x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode
    )
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    found = pooling.window_max(*_pooled(x, kernel_shape, strides, dilations, lowest, widths))
    return np.squeeze(found, 2) if len(kernel_shape) == 1 else found


def _average_pool(x: Any, *, kernel_shape: Any, strides: Any = None, dilations: Any = None,
                  pads: Any = None, auto_pad: str = "NOTSET", ceil_mode: int = 0,
                  count_include_pad: int = 0) -> Any:  # fmt: skip
    _, _, declared = _ends(x, kernel_shape, strides, dilations, pads, auto_pad)
    strides, dilations, widths = _ends(
        x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode
    )
    counted = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:  # not what ceil_mode added
        counted = _framed(counted, declared, 1)
        rest = [(0, a[1] - b[1]) for a, b in zip(widths, declared, strict=True)]
    else:
        rest = widths
    sums = [
        np.sum(convolution.windows(*_pooled(y, kernel_shape, strides, dilations, 0, w)), (0, 1))
        for y, w in ((x, widths), (counted, rest))
    ]
    found = sums[0] / sums[1]
    return np.squeeze(found, 2) if len(kernel_shape) == 1 else found


def _global(fn: Callable[..., Any]) -> Node:
    return lambda x: fn(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _batch_norm(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, *,
                epsilon: float = 1e-5, momentum: float = 0.9,
                training_mode: int = 0,  # noqa: ARG001 - the module's mode says it
                spatial: int = 1, training: bool = False) -> Any:  # fmt: skip  # noqa: ARG001
    return F.batch_norm(
        x, mean, variance, scale, bias, training=training, momentum=1 - momentum, eps=epsilon
    )


def _layer_norm(x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5,
                stash_type: int = 1) -> Any:  # fmt: skip  # noqa: ARG001
    axes = tuple(range(axis % x.ndim, x.ndim))
    centred = x - np.mean(x, axis=axes, keepdims=True)
    spread = np.mean(centred * centred, axis=axes, keepdims=True)
    found = centred / np.sqrt(spread + epsilon) * scale
    return found if bias is None else found + bias


def _group_norm(x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5,
                stash_type: int = 1) -> Any:  # fmt: skip  # noqa: ARG001
    repeats = x.shape[1] // num_groups
    if scale.shape == (num_groups,) and repeats > 1:  # before opset 21 one for each group
        scale, bias = np.repeat(scale, repeats), np.repeat(bias, repeats)
    return F.group_norm(x, num_groups, scale, bias, eps=epsilon)


def _instance_norm(x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    return F.group_norm(x, x.shape[1], scale, bias, eps=epsilon)


def _flatten(x: Any, *, axis: int = 1) -> Any:
    axis = axis % x.ndim if axis < 0 else axis
    return np.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _reshape(x: Any, given: Any = None, *, shape: Any = None, allowzero: int = 0) -> Any:
    lengths = _either(given, shape) or ()
    if not allowzero:
        lengths = tuple(x.shape[i] if n == 0 else n for i, n in enumerate(lengths))
    return np.reshape(x, lengths)


def _split(x: Any, given: Any = None, *, axis: int = 0, split: Any = None,
           num_outputs: int = 0, outputs: int = 0) -> Any:  # fmt: skip
    lengths = _either(given, split)
    if lengths is None:
        count = num_outputs or outputs
        most = math.ceil(x.shape[axis] / count)
        lengths = (most,) * (count - 1) + (x.shape[axis] - most * (count - 1),)
    return tuple(np.split(x, [*itertools.accumulate(lengths)][:-1], axis=axis))


def _slice(x: Any, first: Any = None, last: Any = None, along: Any = None, by: Any = None, *,
           starts: Any = None, ends: Any = None, axes: Any = None) -> Any:  # fmt: skip
    begin, end = _either(first, starts) or (), _either(last, ends) or ()
    places = _either(along, axes) or tuple(range(len(begin)))
    steps = (1,) * len(begin) if by is None else numbers(by)
    index = [slice(None)] * x.ndim
    for a, b, axis, step in zip(begin, end, places, steps, strict=True):
        n = x.shape[axis]
        if step > 0:
            index[axis] = slice(a, b, step)
        else:
            stop = None if b < -n else b
            index[axis] = slice(min(a, n - 1), stop, step)
    return x[tuple(index)]


def _pad(x: Any, given: Any = None, value: Any = None, along: Any = None, *, pads: Any = None,
         mode: str = "constant") -> Any:  # fmt: skip
    widths = _either(given, pads) or ()
    axes = tuple(range(x.ndim)) if along is None else numbers(along)
    every = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        every[axis] = widths[i], widths[i + len(axes)]
    flat = tuple(w for pair in reversed(every) for w in pair)
    modes = {"edge": "replicate", "wrap": "circular"}
    number = 0 if value is None else plain(value).item()
    return F.pad(x, flat, mode=modes.get(mode, mode), value=number)


def _resize(x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, *,
            mode: str = "nearest", coordinate_transformation_mode: str = "half_pixel",
            nearest_mode: str = "round_prefer_floor", axes: Any = None, antialias: int = 0,
            exclude_outside: int = 0, cubic_coeff_a: float = -0.75,
            extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch",
            opset: int = 18) -> Any:  # fmt: skip
    del antialias, exclude_outside, cubic_coeff_a, extrapolation_value, keep_aspect_ratio_policy
    if opset < 11:
        scales, coordinate_transformation_mode, nearest_mode = roi, "asymmetric", "floor"
    given = plain(sizes if scales is None or not np.size(scales) else scales).reshape(-1)
    for place, axis in enumerate(range(x.ndim) if axes is None else axes):
        n, wanted = x.shape[axis], given[place].item()
        count = wanted if isinstance(wanted, int) else math.floor(n * wanted)
        scale = count / n if isinstance(wanted, int) else wanted
        if scale == 1:
            continue
        at = _places(n, count, scale, coordinate_transformation_mode)
        if mode == "nearest":
            at = NEAREST[nearest_mode](at)
            x = np.take(x, np.clip(at, 0, n - 1).astype(np.int64), axis=axis)
            continue
        at = np.clip(at, 0, n - 1)
        low = np.floor(at).astype(np.int64)
        share = (at - low).astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis % x.ndim))
        ends = (np.take(x, i, axis=axis) for i in (low, np.minimum(low + 1, n - 1)))
        x = next(ends) * (1 - share) + next(ends) * share
    return x


NEAREST: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5), "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip


def _places(n: int, count: int, scale: float, how: str) -> np.ndarray:
    """Where in ``n`` elements each of ``count`` lies, in single precision as others have it."""
    i, scale = np.arange(count, dtype=np.float32), np.float32(scale)  # type: ignore[assignment]
    if how == "asymmetric":
        return i / scale
    if how == "align_corners":
        return i * ((n - 1) / max(count - 1, 1))
    if how == "pytorch_half_pixel" and count == 1:
        return np.zeros(1, np.float32)
    shift = n / 2 * (1 - count / (scale * n)) if how == "half_pixel_symmetric" else 0.0
    return shift + ((i + 0.5) / scale - 0.5)


def _filled(shape: Any, *, value: Any = None) -> Any:
    filling = np.zeros(1, np.float32) if value is None else value
    return np.full(numbers(shape), filling.item(), filling.dtype)


def _range(start: Any, limit: Any, delta: Any) -> Any:
    first, last, step = plain(start), plain(limit).item(), plain(delta).item()
    return np.arange(first.item(), last, step).astype(first.dtype)


def _trilu(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    return (np.triu if upper else np.tril)(x, 0 if k is None else int(plain(k).item()))


def _cast(x: Any, *, to: Any, saturate: int = 1) -> Any:  # noqa: ARG001 - of float8
    return cast(x, to) if isinstance(x, Tensor) else np.asarray(x).astype(to)


def _dropout(x: Any, *_: Any, ratio: float = 0.5, seed: int = 0) -> Any:  # noqa: ARG001
    return x


# the words that an attribute may be, where not all are known
WORDS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("Pad", "mode"): ("constant", "reflect", "edge", "wrap"),
    ("Resize", "mode"): ("nearest", "linear"),
    ("Resize", "coordinate_transformation_mode"): (
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    ),
    ("Resize", "antialias"): (0,),
    ("Resize", "keep_aspect_ratio_policy"): ("stretch",),
}  # fmt: skip
NODES: dict[str, Node] = {
    "Abs": np.absolute, "Acos": np.arccos, "Acosh": np.arccosh, "Add": np.add,
    "And": np.logical_and, "ArgMax": _extreme(np.argmax), "ArgMin": _extreme(np.argmin),
    "Asin": np.arcsin, "Asinh": np.arcsinh, "Atan": np.arctan, "Atanh": np.arctanh,
    "AveragePool": _average_pool, "BatchNormalization": _batch_norm, "Cast": _cast,
    "Ceil": np.ceil, "Clip": _clip,
    "Concat": lambda *values, axis: np.concatenate(values, axis=axis),
    "ConstantOfShape": _filled, "Conv": _conv, "ConvTranspose": _conv_transpose, "Cos": np.cos,
    "Cosh": np.cosh,
    "CumSum": lambda x, axis: np.cumsum(x, axis=int(plain(axis).item())),
    "Div": _divide, "Dropout": _dropout,
    "Einsum": lambda *values, equation: np.einsum(equation.replace(" ", ""), *values),
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha), "Equal": np.equal, "Erf": neural.erf,
    "Exp": np.exp,
    "Expand": lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, numbers(shape))),
    "Flatten": _flatten, "Floor": np.floor,
    "Gather": lambda x, index, *, axis=0: np.take(x, index, axis=axis),
    "GatherElements": lambda x, index, *, axis=0: np.take_along_axis(x, index, axis),
    "Gelu": lambda x, *, approximate="none": F.gelu(x, approximate),
    "Gemm": _gemm, "GlobalAveragePool": _global(np.mean), "GlobalMaxPool": _global(np.max),
    "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "GroupNormalization": _group_norm, "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x: x * _hard_sigmoid(x, alpha=1 / 6), "Identity": lambda x: x,
    "InstanceNormalization": _instance_norm, "IsInf": np.isinf, "IsNaN": np.isnan,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha), "Less": np.less,
    "LessOrEqual": np.less_equal, "Log": np.log, "LogSoftmax": _softmax(F.log_softmax),
    "MatMul": np.matmul, "Max": _folded(np.maximum), "MaxPool": _max_pool,
    "Mean": lambda *values: functools.reduce(np.add, values) / len(values),
    "Min": _folded(np.minimum), "Mish": lambda x: x * np.tanh(F.softplus(x)),
    "Mod": lambda x, y, *, fmod=0: np.fmod(x, y) if fmod else np.remainder(x, y),
    "Mul": np.multiply, "Neg": np.negative, "Not": np.logical_not, "Or": np.logical_or,
    "PRelu": lambda x, slope: np.where(x > 0, x, slope * x),
    "Pad": _pad, "Pow": _power, "Range": _range, "Reciprocal": np.reciprocal,
    "ReduceL1": _reduction(lambda x, **o: np.sum(np.absolute(x), **o)),
    "ReduceL2": _reduction(lambda x, **o: np.sqrt(np.sum(x * x, **o))),
    "ReduceLogSumExp": _reduction(lambda x, **o: np.log(np.sum(np.exp(x), **o))),
    "ReduceMax": _reduction(np.max), "ReduceMean": _reduction(np.mean),
    "ReduceMin": _reduction(np.min), "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "ReduceSumSquare": _reduction(lambda x, **o: np.sum(x * x, **o)),
    "Relu": neural.relu, "Reshape": _reshape, "Resize": _resize, "Round": np.rint,
    "Selu": _selu,
    "Shape": lambda x, *, start=0, end=None: np.array(x.shape[start:end], np.int64),
    "Sigmoid": F.sigmoid, "Sign": np.sign, "Sin": np.sin, "Sinh": np.sinh,
    "Size": lambda x: np.array(x.size, np.int64),
    "Slice": _slice, "Softmax": _softmax(F.softmax), "Softplus": F.softplus,
    "Softsign": lambda x: x / (1 + np.absolute(x)), "Split": _split, "Sqrt": np.sqrt,
    "Squeeze": lambda x, given=None, *, axes=None: np.squeeze(x, _either(given, axes)),
    "Sub": np.subtract, "Sum": _folded(np.add), "Tan": np.tan, "Tanh": np.tanh,
    "Tile": lambda x, repeats: np.tile(x, numbers(repeats)),
    "Transpose": lambda x, *, perm=None: np.transpose(x, perm and tuple(perm)),
    "Trilu": _trilu,
    "Unsqueeze": lambda x, given=None, *, axes=None: np.expand_dims(x, _either(given, axes) or ()),
    "Where": lambda condition, x, y: np.where(condition, x, y), "Xor": np.logical_xor,
}  # fmt: skip
