"""Convolution of images and sequences, and its transpose, on Tensors or arrays."""

import functools
from typing import Any

import numpy as np

from ..arguments import one_of, whole
from ..autodiff.primitives import akin, convolution, pad_zeros
from ..autodiff.rules.elementwise import in_single
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from .operands import entered, shape_of, sized, to_images, to_sequences

Sizes = int | tuple[int, int]
Length = int | tuple[int]
Widths = list[tuple[int, int]]
NAMED = ("same", "valid")  # paddings


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Length = 1,
    padding: Length | str = 0,
    dilation: Length = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation of sequences: (n, c, l), (o, c / groups, k) and (o,) to (n, o, l').

    l' as h' of ``conv2d``, whose arguments these are; it raises what that raises.

    >>> x, weight = np.ones((1, 1, 5)), np.ones((2, 1, 3))
    >>> tg.nn.functional.conv1d(x, weight, padding="same")[0, 1].tolist()
    [2.0, 3.0, 3.0, 3.0, 2.0]
    """
    return _correlated("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (n, c, h, w), (o, c / groups, kh, kw) and (o,) to (n, o, h', w').

    h' = (h + 2 padding - dilation (kh - 1) - 1) // stride + 1, the padding being zeros on both
    sides; sizes are an int or a pair (height, width). ``padding="same"`` gives h' = h for stride 1,
    with the odd zero at the end, ``"valid"`` is none. Output channel by output channel, each of the
    ``groups`` sees its own part of the input channels. A list gets the weight's dtype. Raises
    ShapeError where they do not fit, ValueError for sizes below 1.

    >>> x, weight = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
    >>> out = tg.nn.functional.conv2d(x, weight)
    >>> out.shape, float(out[0, 0, 0, 0])
    ((1, 2, 2, 2), 9.0)
    """
    return _correlated("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """What ``conv2d`` does to gradients: (n, c, h, w), (c, o / groups, kh, kw) to (n, o, h', w').

    Each element of x adds ``weight`` times itself to the places that a window of ``conv2d`` with
    the same arguments sees there (Zeiler et al. 2010), and ``bias`` (o,) is added to all.
    h' = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1: ``padding`` is cut off
    the sum on both sides, and ``output_padding``, which is less than stride or dilation, is left on
    at the end. Raises ShapeError and ValueError as ``conv2d`` does. ShapeError, too, where padding
    cuts off all (h' or w' is 0): that is a mistake (PyTorch refuses h' = 0, and lets w' = 0 pass).

    >>> x, weight = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> tg.nn.functional.conv_transpose2d(x, weight, stride=2)
    array([[[[ 1., 10.,  2., 20.]]]])
    """
    caller = "conv_transpose2d"
    x, weight, bias, steps, apart, groups = _fitting(
        caller, 2, x, weight, bias, stride, dilation, groups
    )
    shape, kernel = shape_of(x), shape_of(weight)
    cut = sized(caller, "padding", padding, least=0)
    left = sized(caller, "output_padding", output_padding, least=0)
    if any(p >= max(s, d) for p, s, d in zip(left, steps, apart, strict=True)):
        raise ValueError(
            f"{caller}: output_padding={output_padding} for stride={stride} and "
            f"dilation={dilation}; give less than one of them."
        )
    whole_size = covered(shape[2:], kernel[2:], steps, apart)
    size = [n - 2 * p + e for n, p, e in zip(whole_size, cut, left, strict=True)]
    if min(*size, *shape[2:], *kernel[2:]) < 1:
        raise ShapeError(
            f"{caller}: images of {shape[2]}×{shape[3]}, a window of {kernel[2]}×{kernel[3]} and "
            f"padding={padding} leave {size[0]}×{size[1]}; use larger images or less padding"
            f"{to_images(shape)}."
        )
    return _spread(x, weight, bias, whole_size, cut, size, steps, apart, groups)


@in_single
def _spread(
    x: Any, weight: Any, bias: Any, full: Any, cut: Any, size: Any, stride: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    """The whole sum, of it what is to be left, and the bias."""
    out = convolution.convolve_back(
        x, weight, tuple(full), stride=stride, dilation=dilation, groups=groups
    )
    if any(cut):
        high, wide = (slice(p, p + n) for p, n in zip(cut, size, strict=True))
        out = out[:, :, high, wide]
    beyond = [(0, n - m) for n, m in zip(size, shape_of(out)[2:], strict=True)]
    out = framed(out, beyond)
    return out if bias is None else out + np.reshape(bias, (-1, 1, 1))


EXPECTED = {
    "conv1d": "(n, c, l), (o, c / groups, k) and (o,), with groups that divide o",
    "conv2d": "(n, c, h, w), (o, c / groups, kh, kw) and (o,), with groups that divide o",
    "conv_transpose2d": "(n, c, h, w), (c, o / groups, kh, kw) and (o,), with groups that divide c",
}


def _fitting(
    caller: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, dilation: Any, groups: Any
) -> Any:
    """The operands, and stride, dilation and groups; raises ShapeError where they do not fit."""
    weight = entered(caller, weight, name="weight")
    bias = None if bias is None else entered(caller, bias, weight, "bias")
    x = entered(caller, x, weight)
    shape, kernel = shape_of(x), shape_of(weight)
    channels = None if bias is None else shape_of(bias)
    groups = whole(caller, "groups", groups)
    steps = sized(caller, "stride", stride, axes)
    apart = sized(caller, "dilation", dilation, axes)
    first, second = (*kernel, 0, 0)[:2]
    ins, outs = second * groups, first
    if caller == "conv_transpose2d":
        ins, outs = first, second * groups
    fits = len(shape) == len(kernel) == axes + 2 and shape[1] == ins and first % groups == 0
    if not fits or channels not in (None, (outs,)):
        to_fitting = to_images if axes == 2 else to_sequences
        remedy = ""
        if len(kernel) == axes + 2 and first % groups == 0:
            remedy = to_fitting(shape, ins)
        if fits:
            remedy = f"; give a bias of shape ({outs},)"
        raise ShapeError(
            f"{caller}: x of shape {shape}, weight {kernel}, bias {channels} and groups={groups}; "
            f"expected {EXPECTED[caller]}{remedy}."
        )
    return x, weight, bias, steps, apart, groups


def _correlated(
    caller: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Any:  # fmt: skip
    """The convolution along one axis or two, once all is known to fit."""
    x, weight, bias, steps, apart, groups = _fitting(
        caller, axes, x, weight, bias, stride, dilation, groups
    )
    kernel = shape_of(weight)
    # a copy of ours, once in the order of convolutions: no one need watch it for overwriting
    if mode.ordinary and axes == 2 and type(x) is np.ndarray and type(weight) is Tensor:
        x = Tensor._owning(convolution.laid_in_rows(x))
    x = framed(x, paddings(caller, padding, kernel[2:], steps, apart))
    check_windows(caller, shape_of(x), kernel[2:], steps, apart)
    if axes == 2:
        return _convolution(x, weight, bias, steps, apart, groups)
    x, weight = np.expand_dims(x, 2), np.expand_dims(weight, 2)
    return np.squeeze(_convolution(x, weight, bias, (1, *steps), (1, *apart), groups), 2)


@in_single
def _convolution(x: Any, weight: Any, bias: Any, stride: Any, dilation: Any, groups: int) -> Any:
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    if bias is None:
        return convolution.convolve(x, weight, **options)
    return convolution.convolve_biased(x, weight, bias, **options)


def paddings(caller: str, padding: Any, kernel: Any, stride: Any, dilation: Any) -> Widths:
    """How wide the frame is before and behind, for each axis of the window."""
    if not isinstance(padding, str):
        return [(p, p) for p in sized(caller, "padding", padding, len(kernel), least=0)]
    one_of(caller, "padding", padding, NAMED)
    if padding == "valid":
        return [(0, 0) for _ in kernel]
    if max(stride) > 1:
        raise ValueError(
            f"{caller}: padding='same' for stride={stride}; give stride=1, or widths for padding."
        )
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def framed(x: Any, widths: Widths, value: Any = 0) -> Any:
    """``x`` with ``value`` around its last axes, in memory as it lies."""
    if not any(map(any, widths)):
        return x
    others = [(0, 0)] * (len(shape_of(x)) - len(widths))
    found = pad_zeros(x, (*others, *widths))
    if value == 0:
        return found
    inside = np.pad(np.ones(shape_of(x)[-len(widths) :], bool), widths)
    return np.where(akin(inside, found), found, value)


def covered(counts: Any, kernel: Any, stride: Any, dilation: Any) -> list[int]:
    """How many elements so many windows lie on, for each axis."""
    return [
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(counts, kernel, stride, dilation, strict=True)
    ]


@functools.lru_cache  # what fitted once fits again
def check_windows(caller: str, shape: Any, kernel: Any, stride: Any, dilation: Any) -> None:
    """Raises ShapeError unless at least one window fits."""
    size = shape[2:]
    least = covered([1] * len(size), kernel, stride, dilation)
    if min(kernel) < 1 or any(n < m for n, m in zip(size, least, strict=True)):
        images = len(size) == 2
        raise ShapeError(
            f"{caller}: a window of {'×'.join(map(str, kernel))} with dilation {dilation} does not "
            f"fit in {'images' if images else 'sequences'} of {'×'.join(map(str, size))}, padding "
            f"included; use larger {'images' if images else 'ones'} or padding"
            f"{to_images(shape) if images else ''}."
        )
