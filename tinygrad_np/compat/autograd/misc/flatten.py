"""A nest of numbers and arrays as one vector, and back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ....autodiff.nests import leaves, rebuild


def _sorted(value: Any) -> Any:
    """A nest with all its dicts in the order of their keys."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_sorted, value))
    return type(value)(map(_sorted, value)) if isinstance(value, (list, tuple)) else value


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a nest in one row, and the function that makes the nest of such a row.

    Dicts are taken in the order of their keys.
    """
    value = _sorted(value)
    parts = leaves(value)
    shapes = [np.shape(part) for part in parts]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()

    def unflatten(vector: Any) -> Any:
        if np.shape(vector) != ((ends or [0])[-1],):
            raise ValueError(f"{np.shape(vector)} numbers for a nest of {(ends or [0])[-1]}.")
        starts = [0, *ends]
        rows = [vector[a:b] for a, b in zip(starts, ends, strict=False)]
        made = [
            np.reshape(row, shape) if shape or isinstance(part, np.ndarray) else row[0]
            for row, shape, part in zip(rows, shapes, parts, strict=True)
        ]
        return rebuild(value, made)

    flat = np.concatenate([np.ravel(part) for part in parts]) if parts else np.array([])
    return flat, unflatten


def flatten_func(func: Any, example: Any) -> tuple[Any, Any, Any]:
    """``func`` of a nest as one of a vector, the way back, and the example as a vector."""
    flat, unflatten = flatten(example)

    def of_vector(vector: Any, *args: Any) -> Any:
        return flatten(func(unflatten(vector), *args))[0]

    return of_vector, unflatten, flat
