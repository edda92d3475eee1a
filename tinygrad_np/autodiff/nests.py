"""Nests: lists, tuples, dicts and dataclasses of arrays, as functions take and return them."""

import copy
import dataclasses
import gc
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ShapeError

SINGLE = frozenset([np.ndarray, float, int, np.float64, np.float32])

# what nothing is looked for in
CLOSED = frozenset(
    [types.ModuleType, types.FrameType, np.ndarray, str, bytes, int, float, bool, type(None)]
)
OF_PYTHON = 1 << 9  # the flag of classes that are no C code


def refuse_subclass(what: str, given: Any, error: Any = TypeError, also: Any = ()) -> None:
    """Refuse masked arrays and matrices (and the types ``also``): what they mean would go."""
    if isinstance(given, (np.ma.MaskedArray, np.matrix, *also)):
        raise error(
            f"{what} is a {type(given).__name__}, whose mask, index or own arithmetic would be "
            "lost; give its plain numbers (np.asarray(a), masked_array.filled(0), "
            "series.to_numpy(), with np.where for a mask)."
        )


def leaves(nest: Any) -> list[Any]:
    """The arrays of a nest, in order."""
    if (type(nest) is tuple or type(nest) is list) and SINGLE.issuperset(map(type, nest)):
        return list(nest)
    if (found := parts(nest)) is not None:
        return [leaf for part in found.values() for leaf in leaves(part)]
    return [] if nest is None else [nest]


def parts(nest: Any) -> dict[Any, Any] | None:
    """The parts of a nest by key, place or field; None for what is in it."""
    if isinstance(nest, dict):
        return nest
    return dict(enumerate(nest)) if isinstance(nest, (list, tuple)) else held(nest)


def within(given: Any) -> Iterator[Any]:
    """All that a value holds or refers to, however deep, but for modules and C's classes.

    Of functions that is what they close over, of iterators what they go through: none is called.
    """
    seen: dict[int, Any] = {}
    todo = [given]
    while todo:
        part = todo.pop()
        if type(part) in CLOSED or id(part) in seen:
            continue
        seen[id(part)] = part
        yield part
        if isinstance(part, types.FunctionType):  # whose globals are a whole module
            todo += [part.__closure__, part.__defaults__]
        elif not isinstance(part, type):
            todo += gc.get_referents(part)
        elif part.__flags__ & OF_PYTHON:
            todo += [*part.__bases__, *(v for v in vars(part).values() if not callable(v))]


def held(nest: Any) -> dict[str, Any] | None:
    """The fields of a dataclass that has arrays in it; None for all else, and what is called."""
    if not hasattr(type(nest), "__dataclass_fields__") or callable(nest):
        return None
    found = {f.name: getattr(nest, f.name, None) for f in dataclasses.fields(nest)}
    return found if any(hasattr(leaf, "dtype") for leaf in leaves(found)) else None


def leaves_like(like: Any, nest: Any) -> list[Any]:
    """The arrays of ``nest`` in the order of ``like``, whose nest it must have.

    Dicts are matched by key, dataclasses by field, lists and tuples by place. Raises ShapeError
    where they differ.
    """
    wanted, given = parts(like), parts(nest)
    if wanted is None:
        return [] if like is None else [nest]
    if given is None or given.keys() != wanted.keys():
        found = "one array" if given is None else f"a nest with the entries {[*given]}"
        raise ShapeError(f"{found} was given where one with the entries {[*wanted]} is needed.")
    return [leaf for key in wanted for leaf in leaves_like(wanted[key], given[key])]


def rebuild(nest: Any, values: list[Any]) -> Any:
    """A nest like ``nest`` with other arrays."""
    kind: Any = type(nest)
    if (kind is tuple or kind is list) and SINGLE.issuperset(map(type, nest)):
        return kind(values)  # the commonest, and the next: 2 µs less
    if kind in SINGLE:
        return values[0]
    found = iter(values)
    return _map(lambda _: next(found), nest)


def tupled(kind: Any, values: Any) -> Any:
    """A tuple of ``values`` as ``kind`` is one: named tuples stay named."""
    return tuple.__new__(kind if issubclass(kind, tuple) else tuple, values)


def are_whole(nest: list[Any]) -> bool:
    """Whether all in a nest of lists are integers."""
    return bool(nest) and all(type(v) is int or isinstance(v, np.integer) for v in leaves(nest))


def frozen(nest: Any) -> Any:
    """A nest of lists as one of tuples."""
    return tuple(map(frozen, nest)) if isinstance(nest, (list, tuple)) else nest


def floating(leaf: Any) -> Any:
    """A Python integer as the float that calculus takes it for; all else as it is."""
    return float(leaf) if isinstance(leaf, int) and type(leaf) is not bool else leaf


def remade(nest: Any, parts: dict[Any, Any]) -> Any:
    """A nest of the class of this one, as an OrderedDict, with other ``parts``."""
    if isinstance(nest, tuple):
        return tupled(type(nest), parts.values())
    store: Any = operator.setitem if isinstance(nest, (dict, list)) else object.__setattr__
    made = copy.copy(nest)
    for key, part in parts.items():
        store(made, key, part)  # into a dataclass also where it is frozen
    return made


def _map(fn: Callable[[Any], Any], nest: Any) -> Any:
    if (found := parts(nest)) is None:
        return None if nest is None else fn(nest)
    return remade(nest, {key: _map(fn, part) for key, part in found.items()})
