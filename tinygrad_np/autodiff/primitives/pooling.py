"""The largest element of each window of images (..., height, width), and what moves it.

Windows are as in ``convolution``; results lie in memory as their operands do. Where m elements of a
window are the largest, each has the share 1 / m. ``window_max_back`` and ``window_pick`` are each
other's adjoints.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...foreign import is_foreign, needs_memory
from .convolution import evenly
from .convolving import Pair, outputs, places
from .dispatch import primitive

BLOCK = 1 << 16  # windows at a time, so that their shares stay in cache: 7.8 instead of 11.4 ms


def as_it_lies(x: Any, counts: Pair, dtype: Any = None) -> Any:
    """Memory (..., *counts), laid out as ``x`` is."""
    return np.empty_like(x, dtype, shape=(*x.shape[:-2], *counts))


@primitive
def window_max(x: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None) -> Any:
    """The largest of each window: (..., h, w) to (..., h', w')."""
    needs_memory("pooling", x)
    counts = outputs(x.shape[-2:], kernel, stride, dilation)
    if out is None:
        out = as_it_lies(x, counts)
    (_, _, high, wide), *others = places(counts, kernel, stride, dilation)
    largest = x[..., high, wide]
    if not others:
        out[...] = largest
    for _, _, high, wide in others:
        np.maximum(largest, x[..., high, wide], out=out)
        largest = out
    return out


@primitive
def fixed(x: Any) -> Any:
    """``x`` itself as a constant: which element is the largest does not move smoothly."""
    return x


def tiled(x: Any, kernel: Pair, stride: Pair, dilation: Pair, counts: Pair) -> Any:
    """Windows side by side as a view, (..., h, w) to (..., h', kh, w', kw); None for others."""
    if kernel != stride or dilation != (1, 1):
        return None
    (high, wide), (kh, kw) = counts, kernel
    return x[..., : high * kh, : wide * kw].reshape(*x.shape[:-2], high, kh, wide, kw)


def shares(
    x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[Any, Any, Any, Iterable[tuple[Any, Any]]]]:
    """Some rows of windows at a time: the rows, m, and which places have the largest element.

    That comes as ``tiled`` where it can, and place by place with their part of the images
    (..., h, w). m is 1 at least, as NaN is no largest element.
    """
    high, wide = top.shape[-2:]
    count = evenly(high, BLOCK // max(math.prod(top.shape[:-2]) * wide, 1))
    within = places((count, wide), kernel, stride, dilation)
    many = as_it_lies(top, (count, wide), np.min_scalar_type(len(within)))
    ones = np.ones_like(many)  # as an array, not a number: a sixth of the time
    tiles = tiled(x, kernel, stride, dilation, (high, wide))
    if tiles is not None:
        equal = np.empty_like(tiles[..., :count, :, :, :], bool)
        column = np.empty_like(tiles[..., :count, 0, :, :], many.dtype)
    else:
        whole = [as_it_lies(top, (count, wide), bool) for _ in within]
    found: Iterator[tuple[Any, Any]]
    for first in range(0, high, count):
        rows = slice(first, min(first + count, high))
        size, start = rows.stop - first, first * stride[0]
        seen = (
            (..., slice(n, n + (size - 1) * stride[0] + 1, stride[0]), across)
            for n, across in ((start + up.start, across) for _, _, up, across in within)
        )
        m = many[..., :size, :]
        if tiles is not None:  # one call for all places takes 0.7 of the time
            here, sums = equal[..., :size, :, :, :], column[..., :size, :, :]
            np.equal(tiles[..., rows, :, :, :], top[..., rows, None, :, None], out=here)
            add_up([here[..., i, :, :] for i in range(kernel[0])], sums)
            add_up([sums[..., j] for j in range(kernel[1])], m)
            found = ((here[..., i, :, j], next(seen)) for i, j, _, _ in within)
        else:
            here, parts = None, [is_largest[..., :size, :] for is_largest in whole]
            pairs = list(zip(parts, seen, strict=True))
            for part, place in pairs:
                np.equal(x[place], top[..., rows, :], out=part)
            add_up(parts, m)
            found = iter(pairs)
        np.maximum(m, ones[..., :size, :], out=m)
        yield rows, m, here, found


def add_up(parts: list[Any], out: Any) -> None:
    """The sum of arrays of single bytes."""
    first, *others = (p.view(np.uint8) if p.dtype == np.bool_ else p for p in parts)
    if not others:
        out[...] = first
    for part in others:
        first = np.add(first, part, out=out)


@primitive
def window_max_back(
    g: Any, x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None
) -> Any:
    """``window_max`` in reverse: (..., h', w') to the largest elements of x, in equal shares."""
    needs_memory("pooling", x)
    if out is None:
        out = np.empty_like(x, np.result_type(g, x))
    counts = top.shape[-2:]
    tiles = tiled(out, kernel, stride, dilation, counts)
    if tiles is None or tiles.size < out.size:
        out.fill(0)
    memory = None
    for rows, m, equal, found in shares(x, top, kernel, stride, dilation):
        size = rows.stop - rows.start
        if memory is None:
            memory = [as_it_lies(out, (size, counts[1])) for _ in range(2)]
        share, factor = (part[..., :size, :] for part in memory)
        share[...] = m
        given = g[..., rows, :]
        if not is_foreign(g) and g.strides != top.strides:
            factor[...] = given
            given = factor
        np.divide(given, share, out=share)
        if tiles is not None:
            target = tiles[..., rows, :, :, :]
            target[...] = equal
            np.multiply(target, share[..., None, :, None], out=target)
            continue
        for is_largest, place in found:
            np.multiply(is_largest, share, out=factor)
            np.add(out[place], factor, out=out[place])
    return out


@primitive
def window_pick(
    t: Any, x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None
) -> Any:
    """The mean of t where x has the largest elements of a window: (..., h, w) to (..., h', w')."""
    needs_memory("pooling", x)
    if out is None:
        out = np.empty_like(top, np.result_type(t, x))
    factor = None
    for rows, m, _, found in shares(x, top, kernel, stride, dilation):
        total = out[..., rows, :]
        if factor is None:
            factor = as_it_lies(out, (rows.stop, out.shape[-1]))
        part = factor[..., : rows.stop - rows.start, :]
        total[...] = 0
        for is_largest, place in found:
            np.multiply(is_largest, t[place], out=part)
            np.add(total, part, out=total)
        part[...] = m
        np.divide(total, part, out=total)
    return out
