"""How a function of arrays dispatches as NumPy's own functions do."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ...foreign import core, is_foreign, refuse_namespace
from ..nests import leaves, within

F = TypeVar("F", bound=Callable[..., Any])
KINDS = [type(np.dtype(code)) for code in np.typecodes["AllFloat"] + np.typecodes["AllInteger"]]
PLAIN = frozenset([np.ndarray, int, float, bool, str, tuple, type(None), type, *KINDS])
PACKAGE = __name__.partition(".")[0] + "."


def primitive(fn: F) -> F:
    """Make a function of arrays dispatch as NumPy's functions do (NEP 18).

    Called with plain arrays, the function just runs. If an operand has ``__array_function__`` (as a
    Tensor has), the call goes to that operand, which records it. Give the function a derivative
    with ``defvjp``.

    Each Tensor must be an operand itself. A Tensor inside a list, tuple, dict or dataclass is a
    TypeError; so is one that requires grad inside any other object, or that the function uses
    without getting it as an operand. The arrays of Tensors are read-only: a function that writes
    into its operands is a TapeError, and must work on a copy. The function returns an array or a
    tuple of arrays. Each array of a tuple has its own gradient; integers are constants, and named
    tuples stay named.

    >>> @tg.primitive
    ... def double(x):
    ...     return 2 * x
    ...
    >>> tg.defvjp(double, lambda g, out, x: 2 * g)
    >>> tg.grad(double)(5.0)
    array(2.)
    """
    if not callable(fn) or isinstance(fn, type):
        raise TypeError(f"tg.primitive takes a function of arrays, not {fn!r}.")
    is_ours = str(getattr(fn, "__module__", None)).startswith(PACKAGE)  # gets no Tensors in nests
    plain = PLAIN if is_ours else PLAIN - {tuple, type}

    @functools.wraps(fn)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        if plain.issuperset(map(type, args)):  # 0.3 µs less than to look at each
            if not kwargs:
                return fn(*args)
            if plain.issuperset(map(type, kwargs.values())):
                return fn(*args, **kwargs)
        operands = (*args, *kwargs.values())
        for operand in operands if is_ours else leaves(operands):
            kind = type(operand)
            if kind in plain or (not hasattr(kind, "mixes") and is_foreign(operand)):
                continue  # another library's knows NumPy's functions only
            if hasattr(kind, "__array_function__"):
                result = operand.__array_function__(dispatch, (kind,), args, kwargs)
                if result is not NotImplemented:
                    return result
            refuse_namespace(f"the operand of {fn.__name__}", operand)
        if not is_ours and (hidden := hidden_in(operands)) is not None:
            return hidden.__array_function__(dispatch, (type(hidden),), args, kwargs)
        return fn(*args, **kwargs)

    dispatch.implementation = fn  # type: ignore[attr-defined] # what runs on plain arrays
    return dispatch  # type: ignore[return-value]


def hidden_in(given: Any) -> Any:
    """A Tensor that requires grad and that ``given`` holds somewhere, None where there is none."""
    for part in within(given):
        if hasattr(type(part), "mixes") and getattr(part, "requires_grad", False) is True:
            return part
    return None


def akin(constant: Any, x: Any) -> Any:
    """A constant that meets ``x`` in an operation: in the kind of array that ``x`` is, or holds.

    Arrays of other libraries refuse those of NumPy's; kinds of our own, which ``mixes`` marks, do
    not.
    """
    if type(x) is np.ndarray or type(constant) is not np.ndarray:
        return constant
    return np.asarray(constant, like=x) if is_foreign(x := core(x)) else constant


def number(x: Any) -> Any:
    """The one element as a Python number, which computes what is lazy."""
    return x.item() if hasattr(x, "item") else np.asarray(x).item()


def numbers(name: str, x: Any) -> Any:
    """An operand of a function that users call; raises TypeError for what is no number or list."""
    if not hasattr(x, "dtype") and (made := np.asarray(x)).dtype.kind not in "biufc":
        raise TypeError(f"{name} of dtype {made.dtype} (type {type(x).__name__}); give an array.")
    return x


def written_out(fn: F) -> F:
    """A ``primitive`` whose body is NumPy functions and primitives only.

    So it can run on Tensors too, and a replay sees what it is made of.
    """
    dispatch = primitive(fn)
    dispatch.written_out = True  # type: ignore[attr-defined]
    return dispatch


class Kept(NamedTuple):
    """A result with what its rule needs to know again: the rule gets this for the result."""

    out: Any
    kept: Any
