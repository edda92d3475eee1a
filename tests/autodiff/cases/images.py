"""Images."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import convolution, pooling

from .case import (
    Const,
    complex_,
    real,
    row,
)


def tapped(size: Any, kernel: Any, stride: Any, dilation: Any) -> np.ndarray:
    """Which places of the image each place of each window is: (h', w', kh, kw, h, w) of 0 and 1."""
    lines = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        starts = np.arange(0, n - d * (k - 1), s)
        lines.append(np.eye(n)[starts[:, None] + d * np.arange(k)])
    return np.einsum("uih,vjw->uvijhw", *lines)


def by_group(subscripts: str, groups: int, a: Any, b: Any, t: Any, split: str, join: int) -> Any:
    """An einsum for each group of channels; ``split`` says along which axes a and b are divided."""
    parts = [np.split(v, groups, int(axis)) for v, axis in zip((a, b), split, strict=True)]
    found = [np.einsum(subscripts, p, q, t) for p, q in zip(*parts, strict=True)]
    return np.concatenate(found, axis=join)


def convolved(x: Any, w: Any, *, stride: Any, dilation: Any, groups: int) -> Any:
    t = tapped(x.shape[2:], w.shape[2:], stride, dilation)
    return by_group("nchw,ocij,uvijhw->nouv", groups, x, w, t, "10", 1)


def convolved_back(y: Any, w: Any, size: Any, *, stride: Any, dilation: Any, groups: int) -> Any:
    t = tapped(size, w.shape[2:], stride, dilation)
    return by_group("nouv,ocij,uvijhw->nchw", groups, y, w, t, "10", 1)


def convolved_weight(
    x: Any, y: Any, kernel: Any, *, stride: Any, dilation: Any, groups: int
) -> Any:
    t = tapped(x.shape[2:], kernel, stride, dilation)
    return by_group("nchw,nouv,uvijhw->ocij", groups, x, y, t, "11", 0)


def seen(x: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    return np.einsum("nhw,uvijhw->ijnuv", x, tapped(x.shape[1:], kernel, stride, dilation))


def folded(y: Any, size: Any, stride: Any, dilation: Any) -> Any:
    return np.einsum("ijnuv,uvijhw->nhw", y, tapped(size, y.shape[:2], stride, dilation))


for shape, outs, kernel, geometry in [
    ((2, 2, 3, 4), 3, (2, 2), {"stride": (1, 1), "dilation": (1, 1), "groups": 1}),
    ((1, 2, 4, 3), 2, (2, 1), {"stride": (2, 1), "dilation": (1, 2), "groups": 2}),
    ((1, 1, 3, 4), 1, (1, 2), {"stride": (2, 2), "dilation": (1, 2), "groups": 1}),
    ((0, 1, 3, 3), 1, (2, 2), {"stride": (1, 1), "dilation": (1, 1), "groups": 1}),
]:
    size, steps = shape[2:], (geometry["stride"], geometry["dilation"])
    there = (shape[0], outs, *convolution.outputs(size, kernel, *steps))
    weight = real(outs, shape[1] // geometry["groups"], *kernel, seed=1)
    row(convolution.convolve, real(*shape), weight, **geometry, _reference=convolved)
    row(convolution.convolve_biased, real(*shape), weight, real(outs, seed=2), **geometry,
        _reference=lambda x, w, b, **how: convolved(x, w, **how) + b[:, None, None])  # fmt: skip
    row(convolution.convolve_back, real(*there), weight, size, **geometry,
        _reference=convolved_back)  # fmt: skip
    row(convolution.convolve_weight, real(*shape), real(*there, seed=1), kernel, **geometry,
        _reference=convolved_weight)  # fmt: skip
row(convolution.convolve, complex_(1, 1, 2, 3), complex_(1, 1, 2, 2, seed=2), stride=(1, 1),
    dilation=(1, 1), groups=1, _reference=convolved)  # fmt: skip
WINDOWS = [((4, 4), (2, 2), (2, 2), (1, 1)), ((3, 4), (2, 3), (1, 1), (1, 1)),
           ((4, 3), (2, 1), (1, 2), (2, 1))]  # fmt: skip
for size, *window in WINDOWS:
    there = (*window[0], 2, *convolution.outputs(size, *window))
    row(convolution.windows, real(2, *size), *window, _reference=seen)
    row(convolution.fold_windows, real(*there), size, *window[1:], _reference=folded)
    row(pooling.window_max, real(2, *size), *window,
        _reference=lambda x, *w: seen(x, *w).max((0, 1)))  # fmt: skip
row(pooling.window_max, real(2, 3, 3), (1, 1), (2, 2), (1, 1),
    _reference=lambda x, *w: seen(x, *w).max((0, 1)))  # fmt: skip
row(pooling.window_max, np.array([[[1.0, 1.0, 0.4], [0.3, 0.2, 0.8]]]), (2, 2), (1, 1), (1, 1),
    _order=1, _reference=lambda x, *w: seen(x, *w).max((0, 1)))  # fmt: skip


def shares(x: Any, top: Any, *window: Any) -> Any:
    equal = seen(x, *window) == top
    return equal / np.maximum(equal.sum((0, 1)), 1)


for size, *window in [*WINDOWS, ((5, 5), (2, 3), (2, 1), (1, 1))]:
    x = np.round(real(2, *size)).astype(int)  # some are equal
    top = seen(x, *window).max((0, 1)).astype(int)
    row(pooling.window_max_back, real(*top.shape), Const(x), Const(top), *window,
        _reference=lambda g, x, top, *w: folded(
            g * shares(x, top, *w), x.shape[1:], *w[1:]))  # fmt: skip
    row(pooling.window_pick, real(*x.shape), Const(x), Const(top), *window,
        _reference=lambda t, x, top, *w: (
            seen(t, *w) * shares(x, top, *w)).sum((0, 1)))  # fmt: skip
