"""How NumPy treats numbers: their errors, one complex number alone, and products without names."""

import contextvars
from typing import Any

import numpy as np


def _ignoring() -> tuple[contextvars.ContextVar[Any], Any]:
    """The variable in which NumPy keeps how errors of numbers are treated, and "ignore" for it.

    To set it takes 0.2 µs, np.errstate 1.
    """
    before = contextvars.copy_context()
    inside = np.errstate(all="ignore")(contextvars.copy_context)()
    found = (pair for pair in inside.items() if before.get(pair[0]) is not pair[1])
    return next(found, (contextvars.ContextVar("none"), None))


ERRORS, IGNORED = _ignoring()
ELIDED = 1 << 18


class Steady(np.ndarray):
    """An array whose products are new arrays, as those of Tensors are.

    Of one complex number NumPy makes scalars, whose products have other bits. And from ``ELIDED``
    bytes on NumPy writes the product with an array that has no name into that array, which may lie
    in another order than the product would. Sums of it are rounded in another way then.
    """

    def __array_function__(self, fn: Any, *others: Any) -> Any:
        ours = hasattr(fn, "implementation")  # which takes it as any array
        return NotImplemented if ours else super().__array_function__(fn, *others)


def is_real(g: Any) -> bool:
    """Whether this is an array or a number, which is not complex."""
    return getattr(g, "shape", None) is not None and g.dtype.kind != "c"


def own(g: Any) -> Any:
    """A copy, in the kind of array that ``g`` is."""
    return np.array(g) if isinstance(g, (np.ndarray, np.generic)) else np.positive(g)


def kept_array(value: Any, crossed: bool) -> Any:
    """One complex number as a ``Steady``, or any array if they ``cross``; else as it is."""
    if not isinstance(value, (np.ndarray, np.complexfloating)) or (value.shape and not crossed):
        return value
    return np.asarray(value).view(Steady)


def cross(rule: Any, g: Any, others: Any) -> bool:
    """Whether large arrays of the shape of ``g`` lie in memory in different orders.

    Rules of matrix products, which have a ``cost``, name all of their arrays.
    """
    if type(g) is not np.ndarray or g.nbytes < ELIDED or rule.traits.cost:
        return False
    arrays = (a for a in others if type(a) is np.ndarray and a.shape == g.shape)
    return any(a.strides != g.strides for a in arrays)
