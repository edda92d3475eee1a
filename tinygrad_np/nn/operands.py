"""Checks of the inputs of layers and losses, and the messages of their errors."""

import math
from typing import Any

import numpy as np

from ..arguments import is_whole, refusal
from ..autodiff.making import array
from ..autodiff.nests import held, leaves, refuse_subclass
from ..autodiff.primitives import cast, is_foreign, refuse_namespace
from ..autodiff.tensor import Tensor
from ..errors import ShapeError

Shape = tuple[int, ...]
INTS = frozenset([int])


def entered(caller: str, x: Any, like: Any = None, name: str = "x") -> Any:
    """``x`` as an array or Tensor of numbers.

    A list or number gets the dtype of ``like`` where that is a floating one, so that it does not
    widen a float32 network; arrays keep their own. Raises TypeError for what holds no numbers,
    ShapeError for a ragged list.
    """
    if type(x) is Tensor:
        return x
    named = x if isinstance(x, dict) else held(x)
    parts = leaves(x) if named or isinstance(x, tuple) else []
    if len(parts) > (named is None) and all(isinstance(part, Tensor) for part in parts):
        what, first = f"tuple of {len(parts)} Tensors", "outputs[0]"
        if named is not None:
            what = f"{type(x).__name__} of Tensors named {', '.join(map(str, named))}"
            key = next(iter(named))
            first = f"outputs[{key!r}]" if named is x else f"outputs.{key}"
        raise TypeError(
            f"{caller}: {name} is a {what}, as of a model or a recurrent "
            "layer that returns several outputs; give one of them, in Sequential with a function "
            f"in between, lambda outputs: {first}, or in a loss of your own: lambda outputs, y: "
            f"{caller}({first}, y)."
        )
    if isinstance(x, (list, tuple)) and any(isinstance(part, Tensor) for part in leaves(x)):
        return array(x)
    if not isinstance(x, np.ndarray):
        if hasattr(type(x), "__array_function__"):
            return x
        x = as_array(caller, x, name, getattr(like, "dtype", None))
    refuse_subclass(f"{caller}: {name}", x)
    if x.dtype.kind not in "biufc":
        raise TypeError(f"{caller}: {name} of dtype {x.dtype}; {to_numbers(name)}.")
    return x


def floats(caller: str, x: Any, like: Any = None, name: str = "x") -> Any:
    """``entered``, with integers as floats, as wide as NumPy has it beside ``like``.

    In their own dtype differences and sums leave its range unseen: 3 - 5 is 254 of uint8.
    """
    x = entered(caller, x, like, name)
    if x.dtype.kind not in "biu":
        return x
    dtype = getattr(like, "dtype", None)
    is_float = dtype is not None and dtype.kind == "f"
    return cast(x, np.result_type(x.dtype, dtype, np.float32) if is_float else np.float64)


def as_array(caller: str, x: Any, name: str, dtype: Any = None) -> Any:
    """What is neither array nor Tensor as an array; raises as ``entered`` does."""
    if isinstance(x, (Tensor, np.ndarray)) or is_foreign(x):
        return x
    refuse_namespace(f"{caller}: {name}", x)
    if not isinstance(x, (list, tuple, str, bool, int, float)) and not hasattr(x, "__array__"):
        raise TypeError(f"{caller}: {name} is of type {type(x).__name__}; give an array.")
    try:
        made = np.asarray(x)
    except ValueError:
        raise ShapeError(
            f"{caller}: {name} is a list whose entries have different lengths; give rows of one "
            "length."
        ) from None
    narrows = dtype is not None and dtype.kind == "f" and made.dtype.kind in "biuf"
    return made.astype(dtype) if narrows and isinstance(x, (list, tuple, int, float)) else made


def shape_of(x: Any) -> Any:
    """``np.shape``, in a tenth of the time for Tensors."""
    return x.shape if isinstance(x, (Tensor, np.ndarray)) else np.shape(x)


def sized(caller: str, name: str, sizes: Any, axes: int = 2, least: int = 1) -> Any:
    """A tuple of one size for each of one or two axes; raises ValueError below ``least``."""
    if type(sizes) is int and sizes >= least:
        return (sizes,) * axes  # 0.2 instead of 2.6 µs
    known = type(sizes) is tuple and len(sizes) == axes and INTS.issuperset(map(type, sizes))
    if known and min(sizes) >= least:
        return sizes  # as layers keep them
    every = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,) * axes
    if len(every) != axes or not all(is_whole(n) and n >= least for n in every):
        pair = " or a pair (height, width) of them" * (axes == 2)
        raise refusal(caller, name, sizes, f"an int from {least} up{pair}", ValueError)
    return tuple(map(int, every))


def short(sizes: Any) -> str:
    """One number where all are the same."""
    if not isinstance(sizes, tuple):
        return repr(sizes)
    return str(sizes[0] if len(set(sizes)) == 1 else sizes)


def unusual(module: Any, **usual: Any) -> list[str]:
    """What ``repr`` shows of a layer's arguments: those that it has, and not as usual."""
    shown = {name: short(getattr(module, name, value)) for name, value in usual.items()}
    return [f"{name}={value}" for name, value in shown.items() if value != short(usual[name])]


def integers(caller: str, values: Any, name: str = "labels") -> None:
    """Raises TypeError for labels or indices that are not integers."""
    if values.dtype.kind not in "iu":
        array = getattr(values, "_array", values)  # to raise, not to go on with
        if array.dtype.kind == "f" and (broken := array[array != np.rint(array)]).size:
            raise TypeError(
                f"{caller}: {name} of dtype {array.dtype}, such as {broken.flat[0]}; they must be "
                "integers. Leave out rows with NaN; for numbers that are no classes use mse_loss."
            )
        raise TypeError(
            f"{caller}: {name} of dtype {values.dtype}; {to_integers(name, values.dtype)}."
        )


def to_numbers(name: str) -> str:
    """How an array of objects or words becomes one of numbers."""
    words = f"if {name} has words: _, {name} = np.unique({name}, return_inverse=True)"
    return f"convert numbers with {name}.astype(np.float32); {words}"


def to_integers(name: str, dtype: Any) -> str:
    """How labels or indices of this dtype become integers."""
    if dtype.kind in "bf":
        return f"they must be integers, {name}.astype(np.int64)"
    return (
        f"they must be integers, {name}.astype(np.int64) of numbers, and "
        f"_, {name} = np.unique({name}, return_inverse=True) of words"
    )


def to_features(shape: Shape, features: int) -> str:
    """How an input becomes rows of so many features, as the end of a message."""
    if len(shape) > 2 and math.prod(shape[1:]) == features:
        return "; put nn.Flatten() before the layer, or give x.reshape(len(x), -1)"
    if len(shape) == 2 and math.prod(shape) == features:
        return "; give x.reshape(1, -1) for one example"
    if len(shape) == 2 and shape[0] == features:
        return "; give x.T if the examples are its columns"
    if len(shape) > 2:
        return f"; flattened it has {math.prod(shape[1:])} features, and the weight {features}"
    if len(shape) == 2:
        return f"; make in_features {shape[1]}, or give rows of {features} numbers"
    return ""


def to_images(shape: Shape, channels: int | None = None, name: str = "in_channels") -> str:
    """How an input becomes images (n, channels, h, w), as the end of a message.

    Where the channels alone are others, it has the layer's argument for them, ``name``, too.
    """
    known = (1, 3, 4) if channels is None else (channels,)
    one = channels is None or channels == 1
    if len(shape) == 4 and shape[3] in known:
        return "; give x.transpose(0, 3, 1, 2) if the channels are the last axis"
    if len(shape) == 4 and channels is not None and channels != shape[1]:
        return to_channels(shape, channels, name)
    if len(shape) == 3 and one:
        return "; give x[:, None] for images (n, h, w) of one channel"
    if len(shape) == 3 and shape[0] in known:
        return "; give x[None] for one image"
    if len(shape) == 3 and shape[2] in known:
        return "; give x.transpose(2, 0, 1)[None] for one image with its channels last"
    if len(shape) == 2:
        number = channels or 1
        side = math.isqrt(shape[1] // number)
        if number * side * side == shape[1]:
            return f"; give x.reshape(len(x), {number}, {side}, {side}) for rows of pixels"
        return "; give x[None, None] for one image (h, w)" * one
    return ""


def to_channels(shape: Shape, channels: int, name: str = "in_channels") -> str:
    """How the channels of an input and those of a layer come to be as many."""
    if len(shape) < 2:
        return ""
    return f"; make {name} {shape[1]}, or give x of {channels} channel{'s' * (channels != 1)}"


def to_sequences(shape: Shape, channels: int) -> str:
    """How an input becomes sequences (n, channels, l), as the end of a message."""
    if len(shape) == 4:
        return "; conv2d and Conv2d are for images (n, c, h, w)"
    if len(shape) == 3 and shape[2] == channels:
        return "; give x.transpose(0, 2, 1) if the channels are the last axis"
    if len(shape) == 3 and shape[1] != channels:
        return to_channels(shape, channels)
    if len(shape) == 2 and channels == 1:
        return "; give x[:, None] for sequences (n, l) of one channel"
    if len(shape) == 2 and channels == shape[0]:
        return "; give x[None] for one sequence"
    if len(shape) == 2 and channels == shape[1]:
        return "; give x.T[None] for one sequence with its channels last"
    return "; give x[None, None] for one sequence (l,)" * (len(shape) == 1 and channels == 1)


def to_labels(shape: Shape, labels: Shape) -> str:
    """How labels come to fit logits of this shape, as the end of a message."""
    if len(shape) == 1 and len(labels) == 2:
        return "; give the logits first"
    if len(shape) == 1 or (shape[1:] == (1,) and labels == shape):
        return "; for one output use binary_cross_entropy_with_logits"
    if len(shape) == 2 and labels in ((shape[0], 1), (1, shape[0])):
        return "; give labels.ravel()"
    if len(shape) == 2 and len(labels) == 2 and labels[0] == shape[0]:
        return "; give labels.argmax(axis=1) for one-hot labels"
    if len(shape) > 2 and labels == shape[:-1]:
        return f"; give logits.reshape(-1, {shape[-1]}) and labels.ravel()"
    return ""


def to_shape(shape: Shape, target: Shape) -> str:
    """How a target comes to have the shape of a prediction, as the end of a message."""
    if math.prod(shape) == math.prod(target):
        return f"; give target.reshape({shape})"
    if shape[:-1] == target:
        return f"; give prediction[..., 0] of one output, or one_hot(target, {shape[-1]}) of labels"
    return ""
