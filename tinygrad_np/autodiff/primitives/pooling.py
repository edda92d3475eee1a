"""The largest element of each window of images (..., height, width), and what moves it.

Windows are as in ``convolution``; results lie in memory as their operands do. Where m elements of a
window are the largest, each has the share 1 / m. ``window_max_back`` and ``window_pick`` are each
other's adjoints.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .convolving import Pair, outputs, places
from .dispatch import primitive

BLOCK = 1 << 16  # windows at a time, so that their shares stay in cache: 7.8 instead of 11.4 ms


def as_it_lies(x: Any, counts: Pair, dtype: Any = None) -> Any:
    """Memory (..., *counts), laid out as ``x`` is."""
    return np.empty_like(x, dtype, shape=(*x.shape[:-2], *counts))


@primitive
def window_max(x: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None) -> Any:
    """The largest of each window: (..., h, w) to (..., h', w')."""
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


def shares(
    x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[Any, Any, list[tuple[Any, Any]]]]:
    """Some rows of windows at a time: the rows, m, and which places have the largest element.

    The places come with their part of the images (..., h, w). m is 1 at least, as NaN is no
    largest element.
    """
    high, wide = top.shape[-2:]
    count = min(max(BLOCK // max(math.prod(top.shape[:-2]) * wide, 1), 1), high)
    within = list(places((count, wide), kernel, stride, dilation))
    whole = [as_it_lies(top, (count, wide), bool) for _ in within]
    many = as_it_lies(top, (count, wide), np.min_scalar_type(len(within)))
    for first in range(0, high, count):
        rows = slice(first, min(first + count, high))
        size, start = rows.stop - first, first * stride[0]
        found: list[tuple[Any, Any]] = []
        m = many[..., :size, :]
        for equal, (_, _, up, across) in zip(whole, within, strict=True):
            begin = start + up.start
            seen = slice(begin, begin + (size - 1) * stride[0] + 1, stride[0])
            is_largest = equal[..., :size, :]
            np.equal(x[..., seen, across], top[..., rows, :], out=is_largest)
            if found:
                np.add(m, is_largest.view(np.uint8), out=m)
            else:
                m[...] = is_largest
            found.append((is_largest, (..., seen, across)))
        np.maximum(m, 1, out=m)
        yield rows, m, found


@primitive
def window_max_back(
    g: Any, x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None
) -> Any:
    """``window_max`` in reverse: (..., h', w') to the largest elements of x, in equal shares."""
    if out is None:
        out = np.empty_like(x, np.result_type(g, x))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    apart = all(r <= s for r, s in zip(reach, stride, strict=True))  # each element is seen once
    counts = top.shape[-2:]
    ends = [s * n for s, n in zip(stride, counts, strict=True)]
    if not apart or kernel != stride or tuple(ends) != tuple(x.shape[-2:]):
        out.fill(0)
    memory = None
    for rows, m, found in shares(x, top, kernel, stride, dilation):
        size = rows.stop - rows.start
        if memory is None:
            memory = [as_it_lies(out, (size, counts[1])) for _ in range(2)]
        share, factor = (part[..., :size, :] for part in memory)
        share[...] = m
        factor[...] = g[..., rows, :]  # which may lie otherwise
        np.divide(factor, share, out=share)
        for is_largest, place in found:
            if apart:
                np.multiply(is_largest, share, out=out[place])
            else:
                np.multiply(is_largest, share, out=factor)
                np.add(out[place], factor, out=out[place])
    return out


@primitive
def window_pick(
    t: Any, x: Any, top: Any, kernel: Pair, stride: Pair, dilation: Pair, *, out: Any = None
) -> Any:
    """The mean of t where x has the largest elements of a window: (..., h, w) to (..., h', w')."""
    if out is None:
        out = np.empty_like(top, np.result_type(t, x))
    factor = None
    for rows, m, found in shares(x, top, kernel, stride, dilation):
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
