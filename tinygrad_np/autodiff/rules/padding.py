"""``np.pad``: what each of its modes puts around an array, one axis after the other."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import cast, concat, pad_zeros
from .shaping import copy, laid, places_of
from .table import composite

PLACED = ("edge", "wrap", "reflect", "symmetric")  # elements of the array, at other places
STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max, "mean": np.mean, "median": np.median, "minimum": np.min,
}  # fmt: skip


@composite(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """Constants, ramps, statistics or elements of the array itself around it."""
    if callable(mode):
        raise NotImplementedError(
            "np.pad with a function as its mode cannot be recorded, because NumPy writes what it "
            "does into an array: write padded = np.pad(t, pad_width), then padded[index] = v."
        )
    given, shape, blank = array, np.shape(array), places_of(array)
    if isinstance(pad_width, dict):  # axes and their widths
        by_axis, pad_width = pad_width, np.zeros((len(shape), 2), int)
        for axis, width in by_axis.items():
            pad_width[axis] = width
    ends = options.get("end_values", options.get("constant_values", 0))
    is_plain = mode == "constant" and isinstance(ends, (int, float)) and ends == 0
    if not is_plain or not shape:
        checked = {
            name: value if name in ("stat_length", "reflect_type") else np.zeros(np.shape(value))
            for name, value in options.items()
        }
        places = np.pad(blank, pad_width, mode, **checked)  # refuses
    elif options.keys() - {"constant_values"}:
        np.pad(blank.ravel()[:0], 0, mode, **options)  # refuses
    if not shape:
        return copy(array)
    if mode in PLACED and options.get("reflect_type", "even") != "odd":
        return np.reshape(array, (-1,))[places]
    widths = np.broadcast_to(pad_width, (len(shape), 2)).tolist()
    if is_plain or mode == "empty" or (mode != "constant" and 0 in shape):
        return laid(pad_zeros(array, widths), array)
    are_python = np.size(ends) > 2 and array.dtype.kind in "fc"  # to NumPy: of no dtype
    ends = np.broadcast_to(ends, (len(shape), 2))
    ends = cast(ends, array.dtype) if are_python else ends
    wanted: Any = options.get("stat_length")
    lengths = np.broadcast_to(wanted, (len(shape), 2)).tolist()
    for axis, (width, length) in enumerate(zip(widths, lengths, strict=True)):
        if mode in PLACED:
            array = mirrored(array, axis, width, mode == "symmetric")
        elif any(width):
            array = between(array, axis, width, sides(array, axis, width, mode, length, ends[axis]))
    return laid(array, given)


def cut(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """A slice along an axis."""
    return x[(*(slice(None),) * axis, slice(start, stop))]


def between(x: Any, axis: int, width: Any, pair: Any) -> Any:
    """``x`` after one and before the other of a pair, each as often as the width says."""
    parts = []
    for count, side in zip(width, pair, strict=True):
        shape = (*np.shape(x)[:axis], count, *np.shape(x)[axis + 1 :])
        parts.append(np.broadcast_to(cast(side, x.dtype), shape))
    return concat(parts[0], x, parts[1], axis=axis)


def sides(x: Any, axis: int, width: Any, mode: str, length: Any, ends: Any) -> list[Any]:
    """What stands before and after ``x``, along an axis."""
    if mode == "constant":
        return [ends[0], ends[1]]
    edges = [cut(x, axis, 0, 1), cut(x, axis, -1, None)]
    if mode == "linear_ramp":
        before, after = (
            np.linspace(end, np.squeeze(edge, axis), count, False, dtype=x.dtype, axis=axis)
            for end, edge, count in zip(ends, edges, width, strict=True)
        )
        return [before, np.flip(after, axis)]
    n = np.shape(x)[axis]
    counts = [n if count is None else min(int(count), n) for count in length]
    chunks = [cut(x, axis, None, counts[0]), cut(x, axis, n - counts[1], None)]
    found = [STATISTICS[mode](chunk, axis=axis, keepdims=True) for chunk in chunks]
    return [np.rint(v) if x.dtype.kind in "iu" else v for v in found]


def mirrored(x: Any, axis: int, width: Any, with_edge: bool) -> Any:
    """``x`` turned about its ends, by half a turn, again and again until there is enough."""
    least, (low, high) = np.shape(x)[axis], width
    if least == 1:
        return between(x, axis, width, [x, x])
    skipped = 0 if with_edge else 1
    while low or high:
        n = np.shape(x)[axis]
        period = (n - skipped) // (least - skipped) * (least - skipped)
        before, after = min(period, low), min(period, high)
        stop = n - skipped
        turned = [cut(x, axis, skipped, skipped + before), cut(x, axis, stop - after, stop)]
        edges = [cut(x, axis, 0, 1), cut(x, axis, -1, None)]
        pair = [2 * e - np.flip(t, axis) for e, t in zip(edges, turned, strict=True)]
        x = between(x, axis, (before, after), pair)
        low, high = low - before, high - after
    return x
