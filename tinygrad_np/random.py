"""Random numbers that a replayed step draws anew, as eager mode does.

Each function takes a ``generator``, made once outside of the step, and returns a Tensor that is a
constant. From one state of the generator the numbers are the same, replayed or not.
"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .autodiff.funnel import apply
from .autodiff.primitives import drawing
from .autodiff.tensor import Tensor
from .errors import DetachError, ShapeError

__all__ = ["bernoulli", "normal", "permutation", "uniform"]

Shape = int | Sequence[int]


def normal(
    shape: Shape,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    generator: "np.random.Generator",
    dtype: Any = np.float32,
) -> Tensor:
    """``loc + scale`` times standard normal numbers, which are drawn in a floating ``dtype``.

    ``loc`` and ``scale`` are numbers, or arrays and Tensors that broadcast to ``shape``; gradients
    flow to them (the pathwise derivative: Kingma & Welling 2014, section 2.4). Raises TypeError
    without a generator or for another dtype, ShapeError where they do not fit.

    >>> generator = np.random.default_rng(0)
    >>> tg.random.normal((2, 3), loc=1.0, generator=generator).shape
    (2, 3)
    """
    drawn = _drawn("normal", drawing.standard_normal, shape, dtype, generator)
    loc, scale = _parameters("normal", drawn.shape, loc=loc, scale=scale)
    return _moved(drawn, loc, scale)


def uniform(
    shape: Shape,
    low: Any = 0.0,
    high: Any = 1.0,
    *,
    generator: "np.random.Generator",
    dtype: Any = np.float32,
) -> Tensor:
    """Evenly from ``low`` to ``high``; arguments, gradients and errors are as for ``normal``.

    >>> drawn = tg.random.uniform(1000, 2.0, 3.0, generator=np.random.default_rng(0))
    >>> drawn.min().item() >= 2.0, drawn.max().item() <= 3.0
    (True, True)
    """
    drawn = _drawn("uniform", drawing.standard_uniform, shape, dtype, generator)
    low, high = _parameters("uniform", drawn.shape, low=low, high=high)
    return _moved(drawn, low, high - low)


def bernoulli(
    shape: Shape,
    p: Any = 0.5,
    *,
    generator: "np.random.Generator",
    dtype: Any = np.float32,
) -> Tensor:
    """1 with probability ``p``, else 0, in any ``dtype``, bool among them.

    ``p`` is a number, or an array or Tensor that broadcasts to ``shape``. Raises TypeError without
    a generator, DataError for p outside 0 … 1, ShapeError where it does not fit, DetachError for
    a Tensor that requires grad: what is drawn has no derivative by its probability.

    >>> generator = np.random.default_rng(0)
    >>> tg.random.bernoulli((5,), 0.5, generator=generator).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    check_generator("tg.random.bernoulli", generator)
    sizes = _sizes("bernoulli", shape)
    if isinstance(p, Tensor) and p.requires_grad:
        raise DetachError(
            "tg.random.bernoulli: p requires grad, and a draw has no derivative; give p.detach()."
        )
    (p,) = _parameters("bernoulli", sizes, p=p)
    return apply(drawing.bernoulli, (p, sizes, np.dtype(dtype).str, generator))


def permutation(n: int, *, generator: "np.random.Generator") -> Tensor:
    """The integers 0 … n - 1 in a random order, (n,) int64, to be used as an index.

    Raises TypeError without a generator, or for anything but an integer from 0 up.

    >>> tg.random.permutation(5, generator=np.random.default_rng(0)).tolist()
    [2, 4, 3, 0, 1]
    """
    check_generator("tg.random.permutation", generator)
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 0:
        found = f"{n}" if isinstance(n, (int, float)) else f"of type {type(n).__name__}"
        raise TypeError(
            f"tg.random.permutation: n is {found}; give an int from 0 up, and permute with the "
            "result: x[tg.random.permutation(len(x), generator=generator)]."
        )
    return apply(drawing.permutation, (int(n), generator))


def check_generator(caller: str, generator: Any) -> None:
    """Raise TypeError for anything but a generator of NumPy's."""
    if not isinstance(generator, np.random.Generator):
        found = repr(generator) if isinstance(generator, int) else type(generator).__name__
        raise TypeError(
            f"{caller}: the generator is {found}; give generator=np.random.default_rng(seed), made "
            "once and not at every call, which would draw the same each time."
        )


def _drawn(name: str, fn: Any, shape: Shape, dtype: Any, generator: Any) -> Tensor:
    """Standard numbers of a shape and dtype."""
    check_generator(f"tg.random.{name}", generator)
    kind = np.dtype(dtype)
    if kind.char not in "efd":
        raise TypeError(
            f"tg.random.{name}: dtype {kind}; give float16, float32 or float64, and use .astype."
        )
    return apply(fn, (_sizes(name, shape), kind.str, generator))


def _moved(drawn: Tensor, start: Any, width: Any) -> Tensor:
    """``start + width * drawn``, without the steps that change nothing."""
    moved = drawn if type(width) is float and width == 1 else drawn * width
    return moved if type(start) is float and start == 0 else moved + start


def _sizes(name: str, shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    try:
        sizes = tuple(map(operator.index, (shape if isinstance(shape, Sequence) else [shape])))
    except TypeError:
        sizes = (-1,)
    if min(sizes, default=0) < 0:
        raise TypeError(
            f"tg.random.{name}: shape {shape!r}; give an int from 0 up, or several as a tuple."
        )
    return sizes


def _parameters(name: str, sizes: tuple[int, ...], **given: Any) -> list[Any]:
    """Numbers as Python's, which do not widen float32, and arrays as they are, if they fit."""
    for word, value in given.items():
        shape = np.shape(value)
        try:
            fits = np.broadcast_shapes(shape, sizes) == sizes
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"tg.random.{name}: {word} of shape {shape} does not broadcast to shape {sizes}; "
                "give one number, or as many as are drawn."
            )
    numbers = (int, float, np.integer, np.floating)
    return [float(v) if isinstance(v, numbers) else v for v in given.values()]
