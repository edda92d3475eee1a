"""The few functions NumPy lacks, most in adjoint pairs: each is the other one in reverse.

Every function here takes arrays and dispatches like NumPy's own functions do, so that it can be
called on Tensors and recorded.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .nests import leaves

F = TypeVar("F", bound=Callable[..., Any])
PLAIN = frozenset([np.ndarray, int, float, bool, str, tuple, type(None)])
PACKAGE = __name__.partition(".")[0] + "."


def primitive(fn: F) -> F:
    """Make a function of arrays dispatch as NumPy's functions do (NEP 18).

    Called with plain arrays the function just runs. Called with an operand that speaks
    ``__array_function__`` (a Tensor) the call goes to that operand, which records it. Give the
    result a derivative with ``defvjp``. Tensors are operands of their own: inside a list, tuple or
    dict they are refused with a TypeError. Arrays that are Tensors' are read-only: a function that
    writes into its operands is refused with a TapeError; it works on a copy instead. It returns an
    array or a tuple of arrays, each of which has its own gradient (those of integers are constants,
    named tuples stay named).
    """
    if not callable(fn) or isinstance(fn, type):
        raise TypeError(f"tg.primitive takes a function of arrays, not {fn!r}.")
    is_ours = str(getattr(fn, "__module__", None)).startswith(PACKAGE)  # gets no Tensors in nests
    plain = PLAIN if is_ours else PLAIN - {tuple}

    @functools.wraps(fn)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and plain.issuperset(map(type, args)):  # 0.3 µs less than to look at each
            return fn(*args)
        operands = (*args, *kwargs.values())
        for operand in operands if is_ours else leaves(operands):
            kind = type(operand)
            if kind is not np.ndarray and hasattr(kind, "__array_function__"):
                result = operand.__array_function__(dispatch, (kind,), args, kwargs)
                if result is not NotImplemented:
                    return result
        return fn(*args, **kwargs)

    dispatch.implementation = fn  # type: ignore[attr-defined] # what runs on plain arrays
    return dispatch  # type: ignore[return-value]


def written_out(fn: F) -> F:
    """A ``primitive`` whose body is NumPy functions and primitives only.

    So it can run on Tensors too, and a replay sees what it is made of.
    """
    dispatch = primitive(fn)
    dispatch.written_out = True  # type: ignore[attr-defined]
    return dispatch


class Slot:
    """Stands in an index where an array belongs."""

    def __repr__(self) -> str:
        return "array"


ARRAY = Slot()


def split_index(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """An index as its fixed part, with ``ARRAY`` where an array was, and those arrays."""
    layout, arrays = [], []
    for part in index if isinstance(index, tuple) else (index,):
        fixed = part is None or part is Ellipsis or isinstance(part, (int, slice, np.integer))
        if fixed and not isinstance(part, bool):
            layout.append(part)
            continue
        if not hasattr(part, "dtype"):
            part = np.asarray(part, dtype=None if np.size(part) else np.intp)
        if part.dtype.kind not in "biufc":
            raise TypeError(f"t[{part!r}]: an index is integers, slices, None, ... and masks.")
        arrays.append(part)
        layout.append(ARRAY)
    return tuple(layout), arrays


def join_index(layout: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    found = iter(arrays)
    return tuple(next(found) if part is ARRAY else part for part in layout)


@primitive
def take_at(x: Any, layout: tuple[Any, ...], *arrays: Any) -> Any:
    """``x[index]``; in reverse it is ``add_at``."""
    return x[join_index(layout, arrays)]


@primitive
def add_at(g: Any, shape: tuple[int, ...], layout: tuple[Any, ...], *arrays: Any) -> Any:
    """Zeros of ``shape`` with ``g`` added at the index; repeated indices add up."""
    out = np.zeros_like(g, shape=shape)
    index = join_index(layout, arrays)
    if any(a.dtype != np.bool_ for a in arrays):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


@primitive
def replace_at(x: Any, value: Any, layout: tuple[Any, ...], *arrays: Any) -> Any:
    """A copy of ``x`` in which the index holds ``value``: ``x[index] = value`` out of place."""
    out = np.copy(x)
    out[join_index(layout, arrays)] = value
    return out


def put_at(x: Any, value: Any, layout: tuple[Any, ...], *arrays: Any) -> None:
    """``x[index] = value`` in place."""
    x[join_index(layout, arrays)] = value


def update(x: Any, ufunc: np.ufunc, value: Any) -> None:
    """``x += value`` and the like, in place."""
    ufunc(x, value, out=x, casting="same_kind")


@primitive
def cast(x: Any, dtype: Any) -> Any:
    """``x`` in another dtype; from complex to real the real part."""
    if np.iscomplexobj(x) and not np.issubdtype(dtype, np.complexfloating):
        x = x.real
    return x.astype(dtype)


@primitive
def where_finite_or(x: Any, reached: Any) -> Any:
    """``x`` where it is finite or ``reached`` is not 0, else 0; in memory as ``x`` lies."""
    out = np.zeros_like(x)
    np.copyto(out, x, where=np.logical_or(np.isfinite(x), np.not_equal(reached, 0)))
    return out


@primitive
def added_to(x: Any, y: Any) -> Any:
    """``x + y`` in memory as ``x`` lies, as ``x += y`` leaves it."""
    return np.add(x, y, out=np.empty_like(x))


@primitive
def if_finite(x: Any, other: Any) -> Any:
    """``x`` if all of it is finite, else ``other``; in memory as ``x`` lies."""
    return np.positive(x if np.isfinite(x).all() else other, out=np.empty_like(x))


@primitive
def identity(x: Any) -> Any:
    """``x`` itself, under a new place on the tape."""
    return x


@primitive
def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """``np.broadcast_to`` as memory of its own."""
    return np.copy(np.broadcast_to(x, shape))


@primitive
def lent(x: Any) -> Any:
    """``x`` itself, in the hands of a user's function."""
    return x


@primitive
def concat(*values: Any, axis: int = 0) -> Any:
    """``np.concatenate`` with its arrays as operands."""
    return np.concatenate(values, axis=axis)
