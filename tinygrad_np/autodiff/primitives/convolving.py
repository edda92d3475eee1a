"""The places of a window; convolution in products of whole arrays, for those of other libraries.

Each place of the window is one product of matrices; nothing is said of how arrays lie in memory.
"""

import functools
from typing import Any

import numpy as np

Pair = tuple[int, int]


@functools.lru_cache
def outputs(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How many windows fit in each direction; less than 1 where none does."""
    high, wide = (
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )
    return high, wide


@functools.lru_cache
def places(
    counts: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[tuple[int, int, slice, slice], ...]:
    """The places (i, j) of the window, each with the rows and columns that ``counts`` windows see.

    They come in a fixed order, which is the order of the terms of every sum.
    """
    rows, columns = (
        [slice(i * d, i * d + s * (count - 1) + 1, s) for i in range(k)]
        for count, k, s, d in zip(counts, kernel, stride, dilation, strict=True)
    )
    return tuple(
        (i, j, high, wide) for i, high in enumerate(rows) for j, wide in enumerate(columns)
    )


def split(x: Any, groups: int, axis: int) -> Any:
    """An axis of channels as one of groups and one of the channels in each."""
    shape = x.shape
    return x.reshape((*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def convolved(x: Any, weight: Any, stride: Pair, dilation: Pair, groups: int) -> Any:
    """What ``convolve`` gives."""
    counts = outputs(x.shape[2:], weight.shape[2:], stride, dilation)
    seen, lines = split(x, groups, 1), split(weight, groups, 0)
    found: Any = 0
    for i, j, high, wide in places(counts, weight.shape[2:], stride, dilation):
        found = found + np.einsum("ngcuv,goc->ngouv", seen[..., high, wide], lines[..., i, j])
    return found.reshape((len(x), len(weight), *counts))


def convolved_back(
    y: Any, weight: Any, size: Pair, stride: Pair, dilation: Pair, groups: int
) -> Any:
    """What ``convolve_back`` gives."""
    there, lines = split(y, groups, 1), split(weight, groups, 0)
    shape = (len(y), groups, weight.shape[1], *size)
    found = np.zeros_like(y, np.result_type(y, weight), shape=shape)
    for i, j, high, wide in places(y.shape[2:], weight.shape[2:], stride, dilation):
        found[..., high, wide] += np.einsum("ngouv,goc->ngcuv", there, lines[..., i, j])
    return found.reshape((len(y), weight.shape[1] * groups, *size))


def convolved_weight(
    x: Any, y: Any, kernel: Pair, stride: Pair, dilation: Pair, groups: int
) -> Any:
    """What ``convolve_weight`` gives."""
    seen, there = split(x, groups, 1), split(y, groups, 1)
    found = [
        np.einsum("ngcuv,ngouv->goc", seen[..., high, wide], there)
        for _i, _j, high, wide in places(y.shape[2:], kernel, stride, dilation)
    ]
    inner = x.shape[1] // groups
    return np.stack(found, -1).reshape((y.shape[1], inner, *kernel))
