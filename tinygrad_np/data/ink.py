"""Where the strokes on a picture are: light and shadow taken off, and what belongs together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pictures import shrunk

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_SMALL = 160  # pixels of a side on which the paper is looked at
_WIDE = 4  # a stroke is thinner than this part of the picture's shorter side
_CLEARLY = 0.3  # how skew the grey values must be to tell dark from bright ink
_NOISE = 3.0  # standard deviations of the paper that are no ink
_FAINTEST = 0.02  # part of the ink's strength that is none


def strokes(grey: Floats) -> tuple[Floats, Mask]:
    """How much ink there is on each pixel, 0 to 1, and where it is a stroke rather than its edge.

    Ink is what is thin: the difference to the picture after a grey-scale opening (Serra 1982), the
    "top hat", which keeps shades and shadows that are wider than a stroke. It is dark or bright as
    that of which there is less; where this is not clear, as what is not at the border. The
    threshold is the mean of the means on both its sides (Ridler & Calvard 1978).
    """
    factor = max(1.0, max(grey.shape) / _SMALL)
    small = shrunk(grey, *(max(1, round(side / factor)) for side in grey.shape))
    wide = max(3, min(small.shape) // _WIDE) | 1
    sign = _sign(small, wide)
    rest = sign * grey - shrunk(_opened(sign * small, wide), *grey.shape)
    if factor > 1:
        rest = _means(rest, 3)
    threshold = _threshold(rest)
    mask = rest > threshold
    if not mask.any() or mask.all():
        return np.zeros(grey.shape), np.zeros(grey.shape, bool)
    bare = rest[~mask]
    middle = float(np.median(bare))
    noise = 1.4826 * float(np.median(np.abs(bare - middle)))
    full = float(np.percentile(rest[mask], 75))
    low = min(max(middle + _NOISE * noise, _FAINTEST * full), 0.6 * threshold)
    return np.clip((rest - low) / (full - low), 0, 1), mask


def _sign(small: Floats, wide: int) -> float:
    """1 for bright ink, -1 for dark ink: that of which there is less, where it is clear."""
    flat = small - _means(small, wide)
    flat -= flat.mean()
    spread = float((flat**2).mean()) ** 1.5
    if spread and abs(skewness := float((flat**3).mean()) / spread) > _CLEARLY:
        return 1.0 if skewness > 0 else -1.0
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    return 1.0 if np.median(border) < (small.max() + small.min()) / 2 else -1.0


def _opened(a: Floats, wide: int) -> Floats:
    """The largest of the smallest values in squares: what is thinner and brighter is gone."""
    return extreme(extreme(a, wide, np.minimum), wide, np.maximum)


def extreme(a: Floats, wide: int, choose: Any) -> Floats:
    """The largest (np.maximum) or smallest value around each pixel, in a square of odd width."""
    for axis in (0, 1):
        edges = [(0, 0), (0, 0)]
        edges[axis] = (wide // 2, wide // 2)
        a = np.moveaxis(np.pad(a, edges, mode="edge"), axis, 0)
        length, reach = len(a) - wide + 1, 1
        while reach < wide:  # windows of twice the width, until they are wide enough
            step = min(reach, wide - reach)
            a = choose(a[: len(a) - step], a[step:])
            reach += step
        a = np.moveaxis(a[:length], 0, axis)
    return a


def _means(a: Floats, wide: int) -> Floats:
    """The mean around each pixel, in a square of odd width."""
    for axis in (0, 1):
        edges = [(0, 0), (0, 0)]
        edges[axis] = (wide // 2 + 1, wide // 2)
        sums = np.moveaxis(np.pad(a, edges, mode="edge").cumsum(axis=axis), axis, 0)
        a = np.moveaxis((sums[wide:] - sums[:-wide]) / wide, 0, axis)
    return a


def _threshold(values: Floats) -> float:
    """Between paper and ink, from half of the largest value on."""
    threshold = float(values.max(initial=0)) / 2
    for _ in range(50):
        above = values > threshold
        if not above.any() or above.all():
            break
        before = threshold
        threshold = float(values[above].mean() + values[~above].mean()) / 2
        if abs(threshold - before) < 1e-3:
            break
    return threshold


def components(mask: Mask) -> NDArray[np.intp]:
    """A number from 1 on for each connected piece (8 neighbours), 0 elsewhere; (h, w)."""
    labels = np.zeros(mask.shape, np.intp)
    parent = [0]

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    above: list[tuple[int, int, int]] = []
    for row, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]))).tolist()
        runs = []
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            own = 0
            for left, right, other in above:
                if left > end:
                    break
                if right >= start:
                    other = root(other)
                    if own and other != own:
                        parent[max(own, other)] = min(own, other)
                    own = min(own, other) if own else other
            if not own:
                own = len(parent)
                parent.append(own)
            runs.append((start, end, own))
            labels[row, start:end] = own
        above = runs
    names = np.array([root(i) for i in range(len(parent))])
    return np.unique(names, return_inverse=True)[1][labels]


def width_of(mask: Mask) -> float:
    """The width of strokes in pixels: twice their area over the length of their edges."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return 2 * float(mask.sum()) / max(1.0, float((mask & ~inner).sum()))
