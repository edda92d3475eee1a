"""Ruled lines: what is straight, thin and as long as the picture is taken off the ink."""

import numpy as np
from numpy.typing import NDArray

from .ink import Floats, Mask, components, extreme

_SEGMENT = 0.1  # of the picture's side: what is straight for so long may be part of a line
_LONG = 0.7  # of the picture's side: how far a line goes
_THIN = 40  # times as long as thick is a line
_CROSSED = 2.0  # times the line's thickness: what is thicker is a stroke that touches or crosses it


def without_lines(ink: Floats, mask: Mask) -> tuple[Floats, Mask]:
    """Ink and strokes without ruled lines, along rows or columns, also a little slanted ones.

    Where a stroke touches or crosses a line, the ink across the line is thicker than the line, and
    stays (as in the removal of staff lines from scores of music). Where nothing else would be left,
    all stays.
    """
    runs = [_runs(mask, axis) for axis in (0, 1)]
    of_lines = [_lines(mask, runs, axis) for axis in (0, 1)]
    lines = of_lines[0][1] | of_lines[1][1] | (of_lines[0][0] & of_lines[1][0])
    left = mask & ~lines
    if not lines.any() or not left.any():
        return ink, mask
    edges = extreme(lines.astype(np.float64), 5, np.maximum) > 0
    return np.where(edges & ~left, 0.0, ink), left


def _lines(mask: Mask, runs: list[NDArray[np.intp]], axis: int) -> tuple[Mask, Mask]:
    """The lines along an axis, and of them what is not under a stroke."""
    side = mask.shape[axis]
    straight = mask & (runs[axis] >= max(3, _SEGMENT * side))
    labels = components(straight)
    whole, bare = np.zeros_like(mask), np.zeros_like(mask)
    across = runs[1 - axis]
    for label in range(1, int(labels.max(initial=0)) + 1):
        own = labels == label
        places = np.flatnonzero(own.any(axis=1 - axis))
        length = int(places[-1] - places[0]) + 1
        least = np.where(own, across, mask.size).min(axis=1 - axis)[places]
        thickness = float(np.median(least))
        if length >= _LONG * side and thickness * _THIN <= length:
            near = mask & (extreme(own.astype(np.float64), 5, np.maximum) > 0)
            whole |= near
            bare |= near & (across <= _CROSSED * thickness + 1)
    return whole, bare


def _runs(mask: Mask, axis: int) -> NDArray[np.intp]:
    """For each pixel how many strokes' pixels there are in a row with it, along an axis."""
    rows = np.moveaxis(mask, axis, 1)
    places = np.arange(rows.shape[1])
    before = np.maximum.accumulate(np.where(rows, -1, places), axis=1)
    after = np.minimum.accumulate(np.where(rows, len(places), places)[:, ::-1], axis=1)[:, ::-1]
    return np.moveaxis(np.where(rows, after - before - 1, 0), 1, axis)
