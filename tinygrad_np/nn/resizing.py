"""Frames around images and sequences, and images made larger or smaller."""

import math
from typing import Any

import numpy as np

from ..arguments import is_real, is_whole, one_of, refusal
from ..errors import ShapeError
from ..habits import hinted
from .convolving import framed
from .operands import entered, shape_of

# PyTorch's words for NumPy's
FRAMES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
Counts = int | tuple[int, ...]
Factors = float | tuple[float, ...]


def pad(x: Any, pad: tuple[int, ...], mode: str = "constant", value: float = 0) -> Any:
    """``x`` with a frame around its last axes, whose widths ``pad`` gives from the last axis on.

    ``(left, right, top, bottom)`` of the last two axes, two numbers for each; negative ones cut
    off. The frame is ``value``, or of elements of x: mirrored at the last one (``mode="reflect"``),
    the last one (``"replicate"``), those of the other end (``"circular"``). Raises ValueError for
    widths that are not pairs of ints, that cut off more than there is, or that need more elements
    than there are, ShapeError for more of them than axes, TypeError for a ``value`` that is none.

    >>> tg.nn.functional.pad(np.array([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    array([[3., 2., 1., 2., 3., 2.]])
    >>> tg.nn.functional.pad(np.ones((1, 2)), (0, -1, 1, 0))
    array([[0.],
           [1.]])
    """
    one_of("pad", "mode", mode, ("constant", *FRAMES))
    x = entered("pad", x)
    shape = shape_of(x)
    given = tuple(pad) if isinstance(pad, (tuple, list)) else ()
    if not given or len(given) % 2 or not all(map(is_whole, given)):
        needed = "a tuple of ints, two for each axis, the last axis first,"
        raise refusal("pad", "pad", pad, needed, ValueError)
    if mode == "constant" and not is_real(value):
        raise refusal("pad", "value", value, "a number")
    ends = list(zip(given[::2], given[1::2], strict=True))[::-1]
    if len(ends) > len(shape):
        raise ShapeError(
            f"pad: pad={pad} is for {len(ends)} axes, x of shape {shape} has {len(shape)}."
        )
    widths = [(0, 0)] * (len(shape) - len(ends)) + ends
    for axis, both in enumerate(widths):
        if any(both):
            _check_frame(shape, pad, mode, axis, *both)
    if any(min(each) < 0 for each in ends):
        x = x[tuple(slice(max(-a, 0), n - max(-b, 0))
                    for (a, b), n in zip(widths, shape, strict=True))]  # fmt: skip
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if not any(map(any, widths)):
        return x
    if mode == "constant":
        return framed(x, widths, np.asarray(value).astype(x.dtype).item())
    return np.pad(x, widths, mode=FRAMES[mode])  # type: ignore[call-overload]


def _check_frame(shape: Any, pad: Any, mode: str, axis: int, before: int, after: int) -> None:
    """Raises ValueError where one axis does not have the elements that its frame is made of."""
    length = shape[axis]
    if mode == "constant":
        if min(length + before, length + after, length + before + after) < 0:
            raise ValueError(
                f"pad: pad={pad} cuts more off axis {axis} of x of shape {shape} than it has; give "
                f"widths that cut off {length} there at most."
            )
        return
    most = {"reflect": length - 1, "replicate": math.inf if length else 0}.get(mode, length)
    if min(before, after) < 0 or max(before, after) > most:
        limit = "from 0 up" if most == math.inf else f"from 0 to {most}"
        raise ValueError(
            f"pad: pad={pad} with mode={mode!r} for axis {axis} of x of shape {shape}; give widths "
            f"{limit} there."
        )


@hinted("numpy")
def interpolate(
    x: Any, size: Counts | None = None, scale_factor: Factors | None = None, mode: str = "nearest"
) -> Any:
    """Images in another size, each pixel the one it lies on: (n, c, h, w) to (n, c, h', w').

    Either ``size`` is (h', w'), or ``scale_factor`` what h and w are multiplied with (the product
    is rounded down); one number stands for both. Sequences (n, c, l) and volumes (n, c, d, h, w)
    have one and three. Output i is input i h / h' or i / scale_factor, rounded down, in float32 as
    PyTorch has it. ``mode`` is
    "nearest". Raises ShapeError for less than three axes and results of no pixels, ValueError for
    other sizes, and unless one of both is given.

    >>> tg.nn.functional.interpolate(np.array([[[[1.0, 2.0]]]]), scale_factor=2)
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    one_of("interpolate", "mode", mode, ("nearest",))
    x = entered("interpolate", x)
    shape = shape_of(x)
    if len(shape) < 3:
        raise ShapeError(f"interpolate: x of shape {shape}; expected (n, c, h, w).")
    scaled, given = chosen("interpolate", size, scale_factor, len(shape) - 2)
    counts = [int(n * f) if scaled else int(f) for n, f in zip(shape[2:], given, strict=True)]
    if min(*counts, *shape[2:]) < 1:
        raise ShapeError(
            f"interpolate: x of shape {shape} would have sizes {counts}; expected at least 1 each."
        )
    places = [
        _nearest(n, m, f if scaled else None, images=len(shape) == 4)
        for n, m, f in zip(shape[2:], counts, given, strict=True)
    ]
    times = [m // n for n, m in zip(shape[2:], counts, strict=True)]
    if all(
        n * t == m and (at == np.arange(m) // t).all()
        for n, m, t, at in zip(shape[2:], counts, times, places, strict=True)
    ):
        return _repeated(x, times)
    for axis, (n, at) in enumerate(zip(shape[2:], places, strict=True), 2):
        if len(at) != n or (at != np.arange(n)).any():
            x = x[(*(slice(None),) * axis, at)]
    return x


def _nearest(length: int, count: int, factor: float | None, images: bool) -> Any:
    """The places that ``count`` elements are taken from.

    Computed in float32, and without ``factor`` for images of the same or twice the size, because
    PyTorch does so; so a pixel on the border between two is the one that it is there.
    """
    if images and count in (length, 2 * length):
        return np.arange(count) * length // count
    step = np.float32(length) / np.float32(count) if factor is None else np.float32(1 / factor)
    found = np.floor(np.arange(count, dtype=np.float32) * step).astype(np.intp)
    return np.minimum(found, length - 1)


def _repeated(x: Any, times: list[int]) -> Any:
    """Each element so many times along the axes from the third on."""
    n, c, *size = shape_of(x)
    spread = [part for length in size for part in (length, 1)]
    wide = [part for pair in zip(size, times, strict=True) for part in pair]
    found = np.broadcast_to(np.reshape(x, (n, c, *spread)), (n, c, *wide))
    return np.reshape(found, (n, c, *(m * t for m, t in zip(size, times, strict=True))))


def chosen(
    caller: str, size: Any, scale_factor: Any, axes: int | None = None
) -> tuple[bool, tuple[Any, ...]]:
    """Whether factors are given, not sizes, and one for each axis."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{caller}: size={size} and scale_factor={scale_factor}; give one of them."
        )
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    known, what = (
        (is_whole, "an int from 1 up") if scale_factor is None else (is_real, "a number above 0")
    )
    every = tuple(given) if isinstance(given, (tuple, list)) else (given,) * (axes or 1)
    fits = len(every) == axes or (axes is None and every)
    if not fits or not all(known(v) and 0 < v < math.inf for v in every):
        one_each = "one for each axis" if axes is None else f"{axes} of such"
        needed = f"{what} or a tuple of {one_each}"
        raise refusal(caller, name, given, needed, ValueError)
    return scale_factor is not None, every
