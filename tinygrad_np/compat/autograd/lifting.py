"""Functions of a library as functions that take lists of Tensors, which it would not dispatch."""

import builtins
import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...autodiff.making import array
from ...autodiff.nests import leaves
from ...autodiff.tensor import Tensor

METHODS = ("accumulate", "at", "identity", "nargs", "nin", "nout", "outer", "reduce", "reduceat",
           "signature", "types")  # fmt: skip
SEQUENCES = (
    "block", "broadcast_arrays", "choose", "column_stack", "concat", "concatenate", "dstack",
    "einsum", "einsum_path", "hstack", "lexsort", "piecewise", "row_stack", "select", "stack",
    "vstack",
)  # fmt: skip

LISTS = frozenset([list, tuple])
ARRAYS = (np.ndarray, Tensor, tuple, str)


def holds_tensor(value: Any) -> bool:
    """Whether a list or tuple has Tensors in it."""
    return type(value) in LISTS and any(isinstance(leaf, Tensor) for leaf in leaves(value))


def lifted(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn``, which gets one Tensor for a list of Tensors."""

    @functools.wraps(fn, [a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(fn, a)], ())
    def call(*args: Any, **kwargs: Any) -> Any:
        if not LISTS.isdisjoint(map(type, args)):
            args = tuple(array(a) if holds_tensor(a) else a for a in args)
        return fn(*args, **kwargs)

    call.lifts = fn  # type: ignore[attr-defined]
    for name in METHODS:
        if isinstance(fn, np.ufunc):
            setattr(call, name, getattr(fn, name, None))
    return call


def gathered(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` of a sequence, which may be any iterable."""

    @functools.wraps(fn)
    def call(sequence: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(sequence, Iterable) and not isinstance(sequence, ARRAYS):
            sequence = builtins.list(sequence)
        if type(sequence) in (list, tuple) and fn is not np.block:
            sequence = [array(part) if holds_tensor(part) else part for part in sequence]
        return fn(sequence, *args, **kwargs)

    call.lifts = fn  # type: ignore[attr-defined]
    return call


def names_of(module: types.ModuleType) -> dict[str, Any]:
    """The public names of a module, its functions lifted (each once, whatever its names)."""
    found: dict[str, Any] = {}
    made: list[tuple[Any, Any]] = []
    for name in dir(module):
        value = getattr(module, name, None)
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if not callable(value) or isinstance(value, type):
            found[name] = value
            continue
        known = [wrapper for fn, wrapper in made if fn is value]
        wrapper = known[0] if known else (gathered if name in SEQUENCES else lifted)(value)
        made.append((value, wrapper))
        found[name] = wrapper
    return found
