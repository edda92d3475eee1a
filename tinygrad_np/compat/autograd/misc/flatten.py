"""A nest of numbers and arrays as one vector, and back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ....autodiff.nests import rebuild


def _ordered(nest: Any, keyed: Any) -> list[Any]:
    """The leaves of ``nest``, the dicts of ``keyed`` in the order of their keys."""
    if isinstance(keyed, dict):
        return [leaf for key in sorted(keyed) for leaf in _ordered(nest[key], keyed[key])]
    if isinstance(keyed, (list, tuple)):
        pairs = zip(nest, keyed, strict=True)
        return [leaf for part, like in pairs for leaf in _ordered(part, like)]
    return [nest]


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a nest in one row, and the function that makes the nest of such a row.

    Dicts are taken in the order of their keys. Numbers come back as 0-d arrays.
    """
    parts = _ordered(value, value)
    shapes = [np.shape(part) for part in parts]
    ends = np.cumsum([0] + [int(np.prod(shape)) for shape in shapes]).tolist()
    places = _ordered(rebuild(value, list(range(len(parts)))), value)  # of each part in the nest

    def unflatten(vector: Any) -> Any:
        if np.shape(vector) != (ends[-1],):
            raise ValueError(f"{np.shape(vector)} numbers for a nest of {ends[-1]}.")
        made: list[Any] = [None] * len(parts)
        for k, place in enumerate(places):
            made[place] = np.reshape(vector[ends[k] : ends[k + 1]], shapes[k])
        return rebuild(value, made)

    flat = np.concatenate([np.ravel(part) for part in parts]) if parts else np.array([])
    return flat, unflatten


def flatten_func(func: Any, example: Any) -> tuple[Any, Any, Any]:
    """``func`` of a nest as one of a vector, the way back, and the example as a vector."""
    flat, unflatten = flatten(example)

    def of_vector(vector: Any, *args: Any) -> Any:
        return flatten(func(unflatten(vector), *args))[0]

    return of_vector, unflatten, flat
