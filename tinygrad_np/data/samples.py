"""Samples: x and y, arrays or nests of arrays, with one row for each."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autodiff.nests import leaves, rebuild, refuse_subclass
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.operands import to_numbers

Pair = tuple[Any, Any]  # of arrays, or nests of such


def rows_of(x: Any, y: Any, rows: NDArray[np.intp]) -> Pair:
    """The samples `rows`, copied."""
    return _taken(x, rows), _taken(y, rows)


def _taken(nest: Any, rows: NDArray[np.intp]) -> Any:
    if isinstance(nest, np.ndarray):
        return nest.take(rows, axis=0)
    return rebuild(nest, [array.take(rows, axis=0) for array in leaves(nest)])


def length(nest: Any) -> int:
    """How many samples there are."""
    return len(nest if isinstance(nest, np.ndarray) else leaves(nest)[0])


def paired(caller: str, x: Any, y: Any) -> Pair:
    """Arrays, or nests of arrays, with one length along all first axes."""
    nested = [_is_nest(x, y), _is_nest(y, x)]
    if any(nested):
        pairs = zip(("x", "y"), (x, y), nested, strict=True)
        found = [_as_nest(caller, n, v) if nest else as_array(caller, n, v) for n, v, nest in pairs]
        arrays = [array for nest in found for array in leaves(nest)]
        if not all(array.ndim for array in arrays) or len({len(a) for a in arrays}) > 1:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise DataError(
                f"{caller}: found arrays of shapes {shapes} in x and y, expected the same length "
                "along all first axes"
            )
        return found[0], found[1]
    return _paired_arrays(caller, x, y)


def _is_nest(given: Any, other: Any) -> bool:
    """Whether this is several arrays, each with a row for every sample, not a list of rows."""
    if isinstance(given, dict):
        return bool(given)
    if not isinstance(given, (tuple, list)) or not given or not all(map(_has_axis, given)):
        return False
    first = leaves(other)[:1] if isinstance(other, (dict, tuple, list)) else [other]
    n = len(first[0]) if first and _has_axis(first[0]) else None
    several = n in [len(leaf) for leaf in leaves(given)]
    return several and (isinstance(given, tuple) or len(given) != n)


def _has_axis(part: Any) -> bool:
    if isinstance(part, (dict, tuple, list)):
        return bool(part) and all(map(_has_axis, leaves(part)))
    return isinstance(part, (np.ndarray, Tensor)) and part.ndim > 0


def _as_nest(caller: str, name: str, given: Any) -> Any:
    """A nest with arrays for all that is in it."""
    if isinstance(given, dict):
        return {k: _as_nest(caller, f"{name}[{k!r}]", part) for k, part in given.items()}
    if isinstance(given, (tuple, list)) and given and all(map(_has_axis, given)):
        return rebuild(given, [as_array(caller, name, part) for part in leaves(given)])
    return as_array(caller, name, given)


def _paired_arrays(caller: str, x: ArrayLike, y: ArrayLike) -> Pair:
    xs, ys = as_array(caller, "x", x), as_array(caller, "y", y)
    if not xs.ndim or not ys.ndim or len(xs) != len(ys):
        remedy = "give one y for each x"
        if ys.ndim == 2 and ys.shape[0] == 1 and ys.shape[1:] == xs.shape[:1]:
            remedy = "give y.ravel()"
        elif xs.ndim == 2 and ys.ndim and xs.shape[1] == len(ys):
            remedy = "give x.T, as examples are rows"
        raise DataError(
            f"{caller}: found x of shape {xs.shape} and y of shape {ys.shape}, expected the same "
            f"length along the first axis; {remedy}"
        )
    return xs, ys


def as_array(caller: str, name: str, given: Any) -> NDArray[Any]:
    """An array; raises DataError for a ragged list, and for what NumPy takes for one thing."""
    if hasattr(given, "toarray"):
        raise DataError(
            f"{caller}: found {name} of type {type(given).__name__}, expected an array; give "
            f"{name}.toarray()"
        )
    refuse_subclass(f"{caller}: {name}", given, DataError)
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise DataError(
            f"{caller}: found {name} as a list whose entries have several shapes, expected one; "
            "pad or cut them"
        ) from error
    if not found.ndim and found.dtype.kind not in "biufc":
        raise DataError(
            f"{caller}: found {name} of type {type(given).__name__}, expected an array of numbers; "
            f"give one {'row for each example' if name == 'x' else f'{name[0]} for each x'}"
        )
    return found


def check_numbers(caller: str, name: str, array: NDArray[Any]) -> None:
    """Raise DataError for words and objects."""
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{caller}: found {name} of dtype {array.dtype}, expected numbers; {to_numbers(name)}"
        )
