"""Pooling of images, on Tensors or arrays: one number for each window."""

import functools
import math
from typing import Any

import numpy as np

from ..arguments import flag, refusal
from ..autodiff.primitives import convolution, convolving
from ..autodiff.primitives import pooling as windows
from ..autodiff.rules.elementwise import in_single
from ..errors import ShapeError
from ..habits import hinted
from .convolving import Sizes, check_windows, covered, framed
from .operands import entered, shape_of, sized, to_images


@hinted("numpy")
def max_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest of each window: (n, c, h, w) to (n, c, h', w'), sizes as in ``conv2d``.

    ``stride`` is by default the window's size; ``padding``, at most half of that, counts as
    -infinity. With ``ceil_mode`` h' and w' are rounded up: windows may reach beyond the padding at
    the end, but start before it. Equal largest elements share the gradient evenly. Raises as
    ``conv2d`` does.

    >>> tg.nn.functional.max_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), 2).item()
    3.0
    """
    return _max_pool("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    apart = sized(name, "dilation", dilation)
    x, kernel, steps, _, widths = _windows(name, x, kernel_size, stride, padding, apart, ceil_mode)
    x = framed(x, widths, _lowest(x)) if any(map(any, widths)) else x
    return windows.window_max(x, kernel, steps, apart)


@hinted("numpy")
def max_pool1d(
    x: Any, kernel_size: int, stride: int | None = None, padding: int = 0, dilation: int = 1,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """The largest of each window: (n, c, l) to (n, c, l'), as ``max_pool2d``.

    >>> tg.nn.functional.max_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2).tolist()
    [[[3.0, 2.0]]]
    """
    x, kernel, steps, around = _as_images("max_pool1d", x, kernel_size, stride, padding)
    apart = (1, *sized("max_pool1d", "dilation", dilation, 1))
    out = _max_pool("max_pool1d", x, kernel, steps, around, apart, ceil_mode)
    return np.squeeze(out, 2)


def avg_pool1d(
    x: Any, kernel_size: int, stride: int | None = None, padding: int = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """The mean of each window: (n, c, l) to (n, c, l'), as ``avg_pool2d``.

    >>> tg.nn.functional.avg_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2).tolist()
    [[[2.0, 1.0]]]
    """
    x, kernel, steps, around = _as_images("avg_pool1d", x, kernel_size, stride, padding)
    out = _avg_pool("avg_pool1d", x, kernel, steps, around, ceil_mode, count_include_pad)
    return np.squeeze(out, 2)


def _as_images(
    name: str, x: Any, kernel: Any, stride: Any, padding: Any
) -> tuple[Any, Sizes, Sizes, Sizes]:
    """Sequences as images of one row, and kernel, stride and padding of these."""
    x = entered(name, x)
    if len(shape_of(x)) != 3:
        raise ShapeError(f"{name}: x of shape {shape_of(x)}; expected (n, channels, length).")
    long = sized(name, "kernel_size", kernel, 1)
    steps = long if stride is None else sized(name, "stride", stride, 1)
    around = sized(name, "padding", padding, 1, 0)
    return np.expand_dims(x, 2), (1, *long), (1, *steps), (0, *around)


def _lowest(x: Any) -> Any:
    """What is below every number of the dtype."""
    dtype = x.dtype
    return np.iinfo(dtype).min if dtype.kind in "iu" else False if dtype.kind == "b" else -np.inf


@hinted("numpy")
def avg_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window: (n, c, h, w) to (n, c, h', w'), sizes as in ``conv2d``.

    ``stride`` is by default the window's size; ``padding``, at most half of that, counts as zeros
    among the elements, or not at all unless ``count_include_pad``. ``ceil_mode`` as in
    ``max_pool2d``; what lies beyond the padding is never counted. Raises as ``conv2d`` does.

    >>> tg.nn.functional.avg_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), 2).item()
    1.5
    """
    return _avg_pool("avg_pool2d", x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _avg_pool(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any,
    count_include_pad: Any,
) -> Any:  # fmt: skip
    x, kernel, steps, counts, widths = _windows(
        name, x, kernel_size, stride, padding, (1, 1), ceil_mode
    )
    padded = flag(name, "count_include_pad", count_include_pad)
    beyond = [(before, before if padded else 0) for before, _ in widths]
    counted = _counted(counts, kernel, steps, shape_of(x)[2:], beyond)
    return _window_means(framed(x, widths), kernel, steps, counted)


@in_single
def _window_means(x: Any, kernel: Any, stride: Any, counted: Any) -> Any:
    seen = convolution.windows(x, kernel, stride, (1, 1))
    if np.all(counted == math.prod(kernel)):
        return np.mean(seen, axis=(0, 1))
    return np.sum(seen, axis=(0, 1)) / counted.astype(seen.dtype)


def _windows(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """The images, the window, its steps, how many there are, and how wide the frame is."""
    kernel = sized(name, "kernel_size", kernel_size)
    steps = kernel if stride is None else sized(name, "stride", stride)
    x, around = _images(name, x), sized(name, "padding", padding, least=0)
    reach = covered((1, 1), kernel, steps, dilation) if any(around) else around
    if any(2 * p > r for p, r in zip(around, reach, strict=True)):
        if name.endswith("1d"):
            padding, kernel_size = padding[1], kernel_size[1]
        raise ValueError(
            f"{name}: padding={padding} for kernel_size={kernel_size}; give at most half of that."
        )
    rounds_up = flag(name, "ceil_mode", ceil_mode)
    counts, widths = _counts(name, shape_of(x), kernel, steps, around, dilation, rounds_up)
    return x, kernel, steps, counts, widths


@functools.lru_cache
def _counts(
    name: str, shape: Any, kernel: Any, steps: Any, around: Any, dilation: Any, rounds_up: bool
) -> tuple[Any, Any]:
    """How many windows there are, and how wide the frame is; raises ShapeError for none."""
    size, reach = shape[2:], covered((1, 1), kernel, steps, dilation)
    high, wide = (n + 2 * p for n, p in zip(size, around, strict=True))
    counts = convolving.outputs((high, wide), kernel, steps, dilation)
    if rounds_up:
        rows = zip(counts, steps, size, around, reach, strict=True)
        up, across = (m + (m * s < n + p and (m - 1) * s + r < n + 2 * p) for m, s, n, p, r in rows)
        counts = (up, across)
    if min(counts) < 1:
        check_windows(name, (*shape[:2], high, wide), kernel, steps, dilation)
    ends = covered(counts, kernel, steps, dilation)
    widths = [(p, max(p, e - n - p)) for p, e, n in zip(around, ends, size, strict=True)]
    return counts, widths


def _counted(counts: Any, kernel: Any, steps: Any, size: Any, beyond: Any) -> Any:
    """How many elements each window sees, (h', w'), of images and a frame ``beyond`` wide."""
    along = []
    for m, s, k, n, (before, p) in zip(counts, steps, kernel, size, beyond, strict=True):
        starts = np.arange(m) * s - before
        along.append(np.minimum(starts + k, n + p) - np.maximum(starts, -p))
    return np.multiply.outer(*along)


def _images(name: str, x: Any) -> Any:
    x = entered(name, x)
    shape = shape_of(x)
    if len(shape) != 4:
        raise ShapeError(f"{name}: x of shape {shape}; expected (n, c, h, w){to_images(shape)}.")
    return x


def adaptive_avg_pool2d(x: Any, output_size: int | tuple[int | None, int | None]) -> Any:
    """The mean of each of h' x w' parts of an image: (n, c, h, w) to (n, c, h', w').

    ``output_size`` is h' and w', or one int for both; None for one of a pair leaves that axis as it
    is. Part i of h' has the rows from i h // h' to before (i + 1) h / h', rounded up, so that parts
    overlap in a row where h' does not divide h. With 1 it is the mean of each channel ("global
    average pooling", Lin et al. 2014). Raises ShapeError for other than four axes and for images of
    no pixels, ValueError for sizes below 1.

    >>> tg.nn.functional.adaptive_avg_pool2d(np.arange(6.0).reshape(1, 1, 2, 3), (1, 2))
    array([[[[2., 3.]]]])
    """
    name = "adaptive_avg_pool2d"
    wanted = parts(name, output_size)
    x = _images(name, x)
    size = shape_of(x)[2:]
    if not min(size):
        raise ShapeError(
            f"{name}: x of shape {shape_of(x)} has images of {size[0]}×{size[1]}; expected at "
            "least one pixel."
        )
    return _part_means(x, [n if p is None else p for n, p in zip(size, wanted, strict=True)])


def parts(caller: str, output_size: Any) -> tuple[int | None, int | None]:
    """The size after adaptive pooling, None where it is the one before."""
    if isinstance(output_size, (tuple, list)) and len(output_size) == 2:
        high, wide = (
            None if n is None else sized(caller, "output_size", n)[0] for n in output_size
        )
        return high, wide
    if output_size is None:
        needed = "an int from 1 up or a pair (height, width) of them"
        raise refusal(caller, "output_size", output_size, needed, ValueError)
    high, wide = sized(caller, "output_size", output_size)
    return high, wide


@in_single
def _part_means(x: Any, wanted: list[int]) -> Any:
    """Means of means: all parts of one row of parts have the same rows."""
    n, c, *size = shape_of(x)
    (high, tall), (wide, broad) = ((p, m // p) for p, m in zip(wanted, size, strict=True))
    if (high * tall, wide * broad) == tuple(size):
        return np.mean(np.reshape(x, (n, c, high, tall, wide, broad)), axis=(3, 5))
    for axis, count, length in zip((2, 3), wanted, size, strict=True):
        if count == length:
            continue
        ends = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
        before = (slice(None),) * axis
        x = np.stack([np.mean(x[*before, a:b], axis=axis) for a, b in ends], axis=axis)
    return x
