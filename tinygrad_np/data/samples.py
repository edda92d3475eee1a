"""Samples: x and y, arrays or nests of arrays, with one row for each."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autodiff.nests import held, leaves, parts, rebuild, refuse_subclass, remade
from ..autodiff.primitives import is_foreign, kind_of, refuse_namespace
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.operands import to_numbers

Pair = tuple[Any, Any]  # of arrays, or nests of such
ARRAYS = (np.ndarray, Tensor)
SETTINGS = (bool, int, float, complex, str)  # what may stand beside arrays in a nest, as may None


def arrays(nest: Any) -> list[Any]:
    """The arrays and Tensors of a nest that have an axis."""
    if isinstance(nest, ARRAYS):
        return [nest] if nest.ndim else []
    return [part for part in leaves(nest) if isinstance(part, ARRAYS) and part.ndim]


def named_arrays(name: str, nest: Any) -> list[tuple[str, Any]]:
    """The same with what each is called in a nest that is called ``name``."""
    if isinstance(nest, ARRAYS) or nest is None or isinstance(nest, SETTINGS):
        return [(name, array) for array in (arrays(nest) if isinstance(nest, ARRAYS) else [])]
    return [each for _, place, part in _placed(name, nest) for each in named_arrays(place, part)]


def _placed(name: str, nest: Any) -> list[tuple[Any, str, Any]]:
    """The parts of a nest that is called ``name``, behind the key and what each is called."""
    way = "{}[{!r}]" if isinstance(nest, (dict, list, tuple)) else "{}.{}"
    return [(key, way.format(name, key), part) for key, part in (parts(nest) or {}).items()]


def rows_of(x: Any, y: Any, rows: NDArray[np.intp]) -> Pair:
    """The samples `rows`, copied."""
    return _taken(x, rows), _taken(y, rows)


def _taken(nest: Any, rows: NDArray[np.intp]) -> Any:
    if isinstance(nest, np.ndarray):
        return nest.take(rows, axis=0)
    taken = [p.take(rows, axis=0) if isinstance(p, ARRAYS) and p.ndim else p for p in leaves(nest)]
    return rebuild(nest, taken)


def length(nest: Any) -> int:
    """How many samples there are."""
    return len(nest if isinstance(nest, np.ndarray) else arrays(nest)[0])


def paired(caller: str, x: Any, y: Any) -> Pair:
    """Arrays, or nests of arrays, with one length along all first axes."""
    nested = [_is_nest(x, y), _is_nest(y, x)]
    if not any(nested):
        return _paired_arrays(caller, x, y)
    pairs = zip(("x", "y"), (x, y), nested, strict=True)
    found = [_as_nest(caller, n, v) if nest else as_array(caller, n, v) for n, v, nest in pairs]
    every = [each for n, v in zip(("x", "y"), found, strict=True) for each in named_arrays(n, v)]
    if not all(map(arrays, found)) or len({len(array) for _, array in every}) > 1:
        told = ", ".join(f"{name} {array.shape}" for name, array in every)
        raise DataError(
            f"{caller}: found arrays of shapes {told}, expected in x and in y at least one, and "
            "the same length along all first axes"
        )
    return found[0], found[1]


def _is_nest(given: Any, other: Any) -> bool:
    """Whether this is several arrays, each with a row for every sample, not a list of rows."""
    if isinstance(given, dict):
        return bool(given)
    if held(given) is not None:
        return True
    if not isinstance(given, (tuple, list)):
        return False
    first = arrays(other)[:1]
    several = bool(first) and len(first[0]) in map(len, arrays(given))
    return several and (isinstance(given, tuple) or len(given) != len(first[0]))


def _as_nest(caller: str, name: str, given: Any) -> Any:
    """A nest with arrays for all lists of numbers in it."""
    if given is None or isinstance(given, SETTINGS):
        return given
    if parts(given) is None or (isinstance(given, (tuple, list)) and not arrays(given)):
        return as_array(caller, name, given)
    made = {k: _as_nest(caller, place, part) for k, place, part in _placed(name, given)}
    return remade(given, made)


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


def plain(what: str, given: Any, error: type[Exception] = DataError) -> NDArray[Any]:
    """An array; raises ``error`` for a ragged list, and for what would lose something as one."""
    if hasattr(given, "toarray"):
        raise error(
            f"{what} is a sparse {type(given).__name__}; give {what.rpartition(' ')[2]}.toarray()."
        )
    refuse_subclass(what, given, error)
    refuse_namespace(what, given)
    if is_foreign(given):
        raise error(
            f"{what} is {kind_of(given)}, and would become an array of NumPy's unseen; convert "
            "it first (np.asarray(a), or the library's own function, as a.compute())."
        )
    try:
        return np.asarray(given)
    except ValueError as ragged:
        raise error(
            f"{what} is a list whose entries have different lengths; give rows of one length."
        ) from ragged


def as_array(caller: str, name: str, given: Any) -> NDArray[Any]:
    """The same for x or y; raises DataError for what NumPy takes for one thing, too."""
    found = plain(f"{caller}: {name}", given)
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
