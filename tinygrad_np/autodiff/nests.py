"""Nests: lists, tuples and dicts of arrays, as functions take and return them."""

from collections.abc import Callable
from typing import Any


def leaves(nest: Any) -> list[Any]:
    """The arrays of a nest, in order."""
    if isinstance(nest, dict):
        return [leaf for key in nest for leaf in leaves(nest[key])]
    if isinstance(nest, (list, tuple)):
        return [leaf for part in nest for leaf in leaves(part)]
    return [] if nest is None else [nest]


def rebuild(nest: Any, values: list[Any]) -> Any:
    """A nest like ``nest`` with other arrays."""
    found = iter(values)
    return _map(lambda _: next(found), nest)


def _map(fn: Callable[[Any], Any], nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: _map(fn, part) for key, part in nest.items()}
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(_map(fn, part) for part in nest))
    if isinstance(nest, (list, tuple)):
        return type(nest)(_map(fn, part) for part in nest)
    return None if nest is None else fn(nest)
