"""Convolution and pooling of images (n, channels, height, width).

A window of ``kernel`` places moves over an image of ``size`` in steps of ``stride``, its places
``dilation`` apart: at place (i, j) output (u, v) sees input (u s + i d, v s + j d). Every function
here runs over the places and treats all outputs at once; padding is for the caller. The functions
come in adjoint pairs and in one triple, so that they have derivatives of any order.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .dispatch import primitive

Pair = tuple[int, int]

BLOCK = 1 << 17  # elements of a patch matrix, so that it stays in cache: 2.3 instead of 3.4 ms


def outputs(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How many windows fit in each direction; less than 1 where none does."""
    high, wide = (
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )
    return high, wide


def places(
    counts: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """The places (i, j) of the window, each with the rows and columns that ``counts`` windows see.

    They come in a fixed order, which is the order of the terms of every sum.
    """
    rows, columns = (
        [slice(i * d, i * d + s * (count - 1) + 1, s) for i in range(k)]
        for count, k, s, d in zip(counts, kernel, stride, dilation, strict=True)
    )
    for i, high in enumerate(rows):
        for j, wide in enumerate(columns):
            yield i, j, high, wide


def image_blocks(count: int, elements: int) -> Iterator[slice]:
    """A few images at a time, each with so many ``elements`` of the patch matrix."""
    step = max(4, BLOCK // max(elements, 1))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def images_last(x: Any) -> Any:
    """(n, c, h, w) as (c, h, w, n) in C order: the moves in ``patches`` are long runs then."""
    return np.ascontiguousarray(np.transpose(x, (1, 2, 3, 0)))


def patches(x: Any, counts: Pair, kernel: Pair, stride: Pair, dilation: Pair, groups: int) -> Any:
    """What every window sees, (groups, c / groups · kh · kw, h' · w' · n): "im2col"."""
    images, channels = x.shape[:2]
    inner = images_last(x)
    found = np.empty((channels, *kernel, *counts, images), x.dtype)
    for i, j, high, wide in places(counts, kernel, stride, dilation):
        found[:, i, j] = inner[:, high, wide]
    return found.reshape(groups, channels // groups * math.prod(kernel), -1)


def grouped(weight: Any, groups: int) -> Any:
    """(o, ...) as (groups, o / groups, the rest)."""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


@primitive
def convolve(x: Any, weight: Any, *, stride: Pair, dilation: Pair, groups: int) -> Any:
    """out[n, o, u, v] = Σ_cij x[n, c, u s + i d, v s + j d] weight[o, c, i, j].

    (n, c, h, w) and (o, c / groups, kh, kw) to (n, o, h', w'); each of the ``groups`` of output
    channels sees its group of input channels. Patches of a few images at a time, and one product
    (Chellapilla et al. 2006).
    """
    kernel = weight.shape[2:]
    counts = outputs(x.shape[2:], kernel, stride, dilation)
    out = np.empty((len(x), len(weight), *counts), np.result_type(x, weight))
    lines = grouped(weight, groups)
    for block in image_blocks(len(x), math.prod((x.shape[1], *kernel, *counts))):
        found = np.matmul(lines, patches(x[block], counts, kernel, stride, dilation, groups))
        out[block] = np.moveaxis(found.reshape(len(weight), *counts, -1), -1, 0)
    return out


@primitive
def convolve_back(
    y: Any, weight: Any, size: Pair, *, stride: Pair, dilation: Pair, groups: int
) -> Any:
    """``convolve`` in reverse, to x: (n, o, h', w') to (n, c, *size)."""
    kernel, counts, channels = weight.shape[2:], y.shape[2:], weight.shape[1] * groups
    out = np.empty((len(y), channels, *size), np.result_type(y, weight))
    lines = grouped(weight, groups).swapaxes(1, 2)
    for block in image_blocks(len(y), math.prod((channels, *kernel, *counts))):
        found = np.matmul(lines, grouped(images_last(y[block]), groups))
        found = found.reshape(channels, *kernel, *counts, -1)
        inner = np.zeros((channels, *size, found.shape[-1]), out.dtype)
        for i, j, high, wide in places(counts, kernel, stride, dilation):
            inner[:, high, wide] += found[:, i, j]
        out[block] = np.moveaxis(inner, -1, 0)
    return out


@primitive
def convolve_weight(
    x: Any, y: Any, kernel: Pair, *, stride: Pair, dilation: Pair, groups: int
) -> Any:
    """``convolve`` in reverse, to the weight: (n, c, h, w), (n, o, h', w') to (o, c', *kernel)."""
    counts, outs, inner = y.shape[2:], y.shape[1], x.shape[1] // groups
    total = np.zeros((groups, outs // groups, inner * math.prod(kernel)), np.result_type(x, y))
    for block in image_blocks(len(x), math.prod((x.shape[1], *kernel, *counts))):
        found = patches(x[block], counts, kernel, stride, dilation, groups)
        total += np.matmul(grouped(images_last(y[block]), groups), found.swapaxes(1, 2))
    return total.reshape(outs, inner, *kernel)


@primitive
def windows(x: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """What each window sees: (..., h, w) to (kh, kw, ..., h', w')."""
    counts = outputs(x.shape[-2:], kernel, stride, dilation)
    out = np.empty((*kernel, *x.shape[:-2], *counts), x.dtype)
    for i, j, high, wide in places(counts, kernel, stride, dilation):
        out[i, j] = x[..., high, wide]
    return out


@primitive
def fold_windows(y: Any, size: Pair, stride: Pair, dilation: Pair) -> Any:
    """``windows`` in reverse: what several windows see adds up to (..., *size)."""
    out = np.zeros((*y.shape[2:-2], *size), y.dtype)
    for i, j, high, wide in places(y.shape[-2:], y.shape[:2], stride, dilation):
        out[..., high, wide] += y[i, j]
    return out


@primitive
def window_max(x: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """The largest of each window: (..., h, w) to (..., h', w')."""
    counts = outputs(x.shape[-2:], kernel, stride, dilation)
    (_, _, high, wide), *others = places(counts, kernel, stride, dilation)
    out = x[..., high, wide].copy()
    for _, _, high, wide in others:
        np.maximum(out, x[..., high, wide], out=out)
    return out


@primitive
def window_shares(x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """1 / m where a window has its largest element, m of them, else 0: (kh, kw, ..., h', w')."""
    out = np.empty((*kernel, *top.shape), top.dtype)
    for i, j, high, wide in places(top.shape[-2:], kernel, stride, dilation):
        np.equal(x[..., high, wide], top, out=out[i, j], casting="unsafe")
    out /= np.maximum(out.sum(axis=(0, 1)), 1)
    return out
