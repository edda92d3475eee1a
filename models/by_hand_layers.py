"""Convolution, transposed convolution and pooling with gradients from pencil and paper.

NumPy alone, no autodiff. X (n, c, h, w) are images, a window has kₕ × k_w places, stride s, padding
p, dilation d; all of them may differ between height and width, which is left out here. Place (i, j)
of the window of output (u, v) is the pixel

    r(u, i) = u s + i d − p,   t(v, j) = v s + j d − p

and a pixel outside of the image is 0 for sums, and is left out of maxima. Every sum below is over
the triples (u, i, r) that fit together, read in one direction or the other.

Convolution, W (o, c / g, kₕ, k_w), g groups of channels (o and c are those of one group):
    Z[n, o, u, v]  = b[o] + Σ_cij W[o, c, i, j] X[n, c, r(u, i), t(v, j)]
    dX[n, c, r, t] = Σ dZ[n, o, u, v] W[o, c, i, j]   over all o, u, v, i, j with r(u, i) = r, …
    dW[o, c, i, j] = Σ_nuv dZ[n, o, u, v] X[n, c, r(u, i), t(v, j)]
    db[o]          = Σ_nuv dZ[n, o, u, v]

Transposed convolution, W (c, o / g, kₕ, k_w): the places change sides, X is at (u, v) and Y at
(r, t), of which there are (h − 1) s − 2 p + d (kₕ − 1) + 1 + q, q being the output padding:
    Y[n, o, r, t]  = b[o] + Σ X[n, c, u, v] W[c, o, i, j]   over all c, u, v, i, j as in dX above
    dX[n, c, u, v] = Σ_oij dY[n, o, r(u, i), t(v, j)] W[c, o, i, j]
    dW[c, o, i, j] = Σ_nuv X[n, c, u, v] dY[n, o, r(u, i), t(v, j)]
    db[o]          = Σ_nrt dY[n, o, r, t]

Maxima: Q[u, v] moves with each of the m pixels of its window that equal it, by 1/m; means: with
each pixel of its window by 1 / (kₕ k_w), also where some of them are padding:
    dX[r, t] = Σ dQ[u, v] [X[r, t] = Q[u, v]] / m[u, v],   dX[r, t] = Σ dQ[u, v] / (kₕ k_w)

Means of h′ × w′ parts of the image, part u being the rows ⌊u h / h′⌋ ≤ r < ⌈(u + 1) h / h′⌉:
    dX[r, t] = Σ dQ[u, v] / (rows of part u · columns of part v)   over the parts that r, t is in

Sources: LeCun et al., Proc. IEEE (1998); Dumoulin & Visin, "A guide to convolution arithmetic for
deep learning" (2016).
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from models.by_hand import Array

Pair = tuple[int, int]
Slices = tuple[slice, slice]


class Window(NamedTuple):
    """Sizes of a window, (height, width) each."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def outputs(self, size: Pair) -> Pair:
        """How many windows there are on an image."""
        high, wide = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, (k, s, p, d) in zip(size, zip(*self, strict=True), strict=True)
        )
        return high, wide

    def inputs(self, counts: Pair, extra: Pair) -> Pair:
        """The size of the image that so many windows lie on, and ``extra`` at the end."""
        high, wide = (
            (n - 1) * s - 2 * p + d * (k - 1) + 1 + q
            for n, q, (k, s, p, d) in zip(counts, extra, zip(*self, strict=True), strict=True)
        )
        return high, wide

    def places(self, size: Pair, counts: Pair) -> Iterator[tuple[Pair, Slices, Slices]]:
        """For each place (i, j): the windows that are in the image there, and their pixels."""
        lines = []
        for n, count, (k, s, p, d) in zip(size, counts, zip(*self, strict=True), strict=True):
            line = []
            for i in range(k):
                start = i * d - p
                first = max(0, -(start // s))  # the first u with u s + start >= 0
                last = min(count - 1, (n - 1 - start) // s)
                if first <= last:
                    rows = slice(first * s + start, last * s + start + 1, s)
                    line.append((i, slice(first, last + 1), rows))
            lines.append(line)
        for (i, u, r), (j, v, t) in product(*lines):
            yield (i, j), (u, v), (r, t)


def split(x: Array, groups: int, axis: int) -> Array:
    """One axis as (groups, the rest)."""
    each = x.shape[axis] // groups
    return x.reshape(*x.shape[:axis], groups, each, *x.shape[axis + 1 :])


def joined(x: Array, axis: int) -> Array:
    """``split`` undone."""
    groups, each = x.shape[axis : axis + 2]
    return x.reshape(*x.shape[:axis], groups * each, *x.shape[axis + 2 :])


def convolution(x: Array, W: Array, b: Array, window: Window, groups: int = 1) -> Array:
    """Z."""
    counts = window.outputs(x.shape[2:])
    W, X = split(W, groups, 0), split(x, groups, 1)
    z = np.zeros((len(x), groups, W.shape[1], *counts))
    for (i, j), (u, v), (r, t) in window.places(x.shape[2:], counts):
        z[..., u, v] += np.einsum("ngcuv,goc->ngouv", X[..., r, t], W[..., i, j])
    return joined(z, 1) + b[:, None, None]


def convolution_gradients(
    dz: Array, x: Array, W: Array, window: Window, groups: int = 1
) -> tuple[Array, Array, Array]:
    """dX, dW, db."""
    W, X, dZ = split(W, groups, 0), split(x, groups, 1), split(dz, groups, 1)
    dX, dW = np.zeros_like(X), np.zeros_like(W)
    for (i, j), (u, v), (r, t) in window.places(x.shape[2:], dz.shape[2:]):
        dX[..., r, t] += np.einsum("ngouv,goc->ngcuv", dZ[..., u, v], W[..., i, j])
        dW[..., i, j] += np.einsum("ngouv,ngcuv->goc", dZ[..., u, v], X[..., r, t])
    return joined(dX, 1), joined(dW, 0), dz.sum(axis=(0, 2, 3))


def transposed(
    x: Array, W: Array, b: Array, window: Window, groups: int = 1, extra: Pair = (0, 0)
) -> Array:
    """Y; ``extra`` is the output padding."""
    size = window.inputs(x.shape[2:], extra)
    W, X = split(W, groups, 0), split(x, groups, 1)
    y = np.zeros((len(x), groups, W.shape[2], *size))
    for (i, j), (u, v), (r, t) in window.places(size, x.shape[2:]):
        y[..., r, t] += np.einsum("ngcuv,gco->ngouv", X[..., u, v], W[..., i, j])
    return joined(y, 1) + b[:, None, None]


def transposed_gradients(
    dy: Array, x: Array, W: Array, window: Window, groups: int = 1
) -> tuple[Array, Array, Array]:
    """dX, dW, db."""
    W, X, dY = split(W, groups, 0), split(x, groups, 1), split(dy, groups, 1)
    dX, dW = np.zeros_like(X), np.zeros_like(W)
    for (i, j), (u, v), (r, t) in window.places(dy.shape[2:], x.shape[2:]):
        dX[..., u, v] += np.einsum("ngouv,gco->ngcuv", dY[..., r, t], W[..., i, j])
        dW[..., i, j] += np.einsum("ngcuv,ngouv->gco", X[..., u, v], dY[..., r, t])
    return joined(dX, 1), joined(dW, 0), dy.sum(axis=(0, 2, 3))


def maxima(x: Array, window: Window) -> Array:
    """The largest of each window."""
    counts = window.outputs(x.shape[2:])
    q = np.full((*x.shape[:2], *counts), -np.inf)
    for _, (u, v), (r, t) in window.places(x.shape[2:], counts):
        q[..., u, v] = np.maximum(q[..., u, v], x[..., r, t])
    return q


def maxima_gradient(dq: Array, x: Array, window: Window) -> Array:
    """dX of the largest."""
    q, ties, dX = maxima(x, window), np.zeros_like(dq), np.zeros_like(x)
    places = list(window.places(x.shape[2:], dq.shape[2:]))
    for _, (u, v), (r, t) in places:
        ties[..., u, v] += x[..., r, t] == q[..., u, v]
    for _, (u, v), (r, t) in places:
        dX[..., r, t] += (dq / ties)[..., u, v] * (x[..., r, t] == q[..., u, v])
    return dX


def means(x: Array, window: Window) -> Array:
    """The mean of each window, padding included."""
    counts = window.outputs(x.shape[2:])
    q = np.zeros((*x.shape[:2], *counts))
    for _, (u, v), (r, t) in window.places(x.shape[2:], counts):
        q[..., u, v] += x[..., r, t] / np.prod(window.kernel)
    return q


def means_gradient(dq: Array, size: Pair, window: Window) -> Array:
    """dX of the means."""
    dX = np.zeros((*dq.shape[:2], *size))
    for _, (u, v), (r, t) in window.places(size, dq.shape[2:]):
        dX[..., r, t] += dq[..., u, v] / np.prod(window.kernel)
    return dX


def parts(size: Pair, counts: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """(u, v) and the rows and columns of that part."""
    for u, v in np.ndindex(*counts):
        rows, columns = (
            slice(k * n // m, -(-(k + 1) * n // m))
            for k, n, m in zip((u, v), size, counts, strict=True)
        )
        yield u, v, rows, columns


def part_means(x: Array, counts: Pair) -> Array:
    """The mean of each part."""
    q = np.zeros((*x.shape[:2], *counts))
    for u, v, rows, columns in parts(x.shape[2:], counts):
        q[..., u, v] = x[..., rows, columns].mean(axis=(2, 3))
    return q


def part_means_gradient(dq: Array, size: Pair) -> Array:
    """dX of the means of parts."""
    dX = np.zeros((*dq.shape[:2], *size))
    for u, v, rows, columns in parts(size, dq.shape[2:]):
        part = dX[..., rows, columns]
        part += (dq[..., u, v] / (part.shape[2] * part.shape[3]))[..., None, None]
    return dX
