"""The inputs of a model: arrays or nests of arrays, calls with them, parts of them."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import shown
from ..autodiff.nests import held, leaves, parts, rebuild, refuse_subclass, remade
from ..autodiff.tensor import Tensor
from ..data.samples import ARRAYS, SETTINGS, arrays, plain
from ..errors import ShapeError
from ..nn import Embedding
from ..nn.module import Module


def outputs_of(model: Module, x: Any) -> Any:
    """What a model gives: an array goes in as it is, a tuple or list as arguments, a dict by name.

    Where ``forward`` does not take that many, or not these names, the nest is its one argument.
    """
    if not isinstance(x, (tuple, list, dict)):  # the commonest; to look at names takes 0.1 ms
        return model(x)
    least, most, names, needed, any_name = _taken(model)
    if isinstance(x, dict):
        known = any_name or all(name in names for name in x)
        fits = bool(x) and known and all(name in x for name in needed)
        return model(**x) if fits else model(x)
    return model(*x) if least <= len(x) <= most else model(x)


def _taken(model: Module) -> tuple[float, float, list[str], list[str], bool]:
    """Of ``forward``: the least and the most arguments by place, all names, those that must be."""
    try:
        given = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # what is written in C may tell none
        return 1, 1, [], [], False
    kinds = inspect.Parameter
    placed = [p for p in given if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    named = [p for p in given if p.kind in (kinds.KEYWORD_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    several = any(p.kind is kinds.VAR_POSITIONAL for p in given)
    must = [p for p in named if p.default is kinds.empty]
    if any(p.kind is kinds.KEYWORD_ONLY for p in must):
        least: float = math.inf
    else:
        least = sum(p.default is kinds.empty for p in placed)
    return (
        least,
        math.inf if several else len(placed),
        [p.name for p in named],
        [p.name for p in must],
        any(p.kind is kinds.VAR_KEYWORD for p in given),
    )


def given_batch(batch: Any, model: Module, remedy: str) -> tuple[Any, Any]:
    """A batch as (x, y) of arrays or nests of such; raises TypeError for other things."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(f"fit: one of the batches is no (x, y), but {shown(batch)}; give {remedy}.")
    x, y = batch
    if type(x) is not np.ndarray or x.dtype.kind not in "biufc":
        x = numbers("x", x, model)
    if type(y) is not np.ndarray or y.dtype.kind not in "biufc":
        y = numbers("y", y, model)
    return x, y


def numbers(name: str, value: Any, model: Module | None = None) -> Any:
    """An array, Tensor or nest of such, of numbers; a list gets the dtype of the ``model``.

    In a nest there may be numbers, words and None as well, for arguments that are no data. Raises
    TypeError for words and objects elsewhere, and for what ``plain`` refuses.
    """
    if isinstance(value, ARRAYS):
        return _checked(name, value)
    if isinstance(value, (dict, tuple, list)):
        if isinstance(value, dict) or any(map(_is_nest, value)):
            items = parts(value) or {}
            made = {k: _entry(f"{name}[{k!r}]", part, model) for k, part in items.items()}
            return remade(value, made)
    elif held(value) is not None:
        entries = [_entry(f"an entry of {name}", part, model) for part in leaves(value)]
        return rebuild(value, entries)
    return _checked(name, _as_array(name, value, model))


def _is_nest(part: Any) -> bool:
    if isinstance(part, (tuple, list)):
        return any(map(_is_nest, part))
    return isinstance(part, (*ARRAYS, dict)) or held(part) is not None


def _entry(name: str, part: Any, model: Module | None) -> Any:
    return part if part is None or isinstance(part, SETTINGS) else numbers(name, part, model)


def _checked(name: str, array: Any) -> Any:
    refuse_subclass(name, array)
    if array.dtype.kind not in "biufc":
        remedy = (
            "labels are class numbers: np.unique(y, return_inverse=True)[1], or "
            if name == "y"
            else ""
        )
        raise TypeError(
            f"{name} of shape {array.shape} has dtype {array.dtype}, which is not numeric; "
            f"{remedy}make numbers of its columns and give {name}.astype(np.float32)."
        )
    return array


def _as_array(name: str, value: Any, model: Module | None) -> np.ndarray:
    """What is no array as one. Lists would make a network of float32 compute in float64."""
    array = plain(name, value, TypeError)
    if model is None or not isinstance(value, (list, tuple)):
        return array
    is_index = name[0] == "y" or any(isinstance(m, Embedding) for _, m in model.named_modules())
    like = next((p.dtype for p in model.parameters() if p.dtype.kind == "f"), array.dtype)
    return array.astype(like) if array.dtype.kind in ("f" if is_index else "biuf") else array


def examples(name: str, value: Any, model: Module | None = None) -> Any:
    """``numbers`` with an axis of examples; raises ShapeError for one number."""
    known = isinstance(value, (*ARRAYS, str, bytes, list, tuple, dict)) or held(value) is not None
    if not known and hasattr(value, "__iter__") and not hasattr(value, "__array__"):
        raise TypeError(
            f"{name} is {shown(value)}, expected an array (n, ...); of batches give the "
            "arrays, one batch at a time: for x, y in batches."
        )
    value = numbers(name, value, model)
    if not arrays(value):
        raise ShapeError(f"{name} is one number, {shown(value)}; expected an array (n, ...).")
    return value


def rows(*nests: Any) -> int:
    """How many examples there are: the length of the first array that has an axis."""
    return next((len(array) for nest in nests for array in arrays(nest)), 0)


def are_paired(*nests: Any) -> bool:
    """Whether all arrays with an axis have the same length."""
    return len({len(array) for nest in nests for array in arrays(nest)}) == 1


def part(nest: Any, which: Any) -> Any:
    """The examples ``which``, a slice or a list of indices."""
    if isinstance(nest, ARRAYS):
        return nest[which] if nest.ndim else nest
    return _mapped(nest, lambda p: p[which] if isinstance(p, ARRAYS) and p.ndim else p)


def as_tensors(nest: Any) -> Any:
    """Arrays as Tensors, as a replayed step gets them."""
    if isinstance(nest, Tensor):
        return nest
    if isinstance(nest, np.ndarray):
        return Tensor(nest)
    return _mapped(nest, lambda p: Tensor(p) if isinstance(p, (np.ndarray, np.generic)) else p)


def as_arrays(nest: Any) -> Any:
    """Tensors as arrays, copied."""
    if isinstance(nest, Tensor):
        return nest.numpy()
    return _mapped(nest, lambda p: p.numpy() if isinstance(p, Tensor) else p)


def with_floats(nest: Any, dtype: Any) -> Any:
    """A nest of arrays whose real numbers are all of ``dtype``."""
    if isinstance(nest, np.ndarray):
        return nest.astype(dtype)

    def changed(leaf: Any) -> Any:
        is_float = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
        return leaf.astype(dtype) if is_float else leaf

    return _mapped(nest, changed)


def _mapped(nest: Any, change: Callable[[Any], Any]) -> Any:
    return rebuild(nest, [change(leaf) for leaf in leaves(nest)])


def shapes(nest: Any) -> str:
    """The shapes of arrays, for a message."""
    if isinstance(nest, ARRAYS):
        return f"shape {nest.shape}"
    return f"shapes {', '.join(str(p.shape) for p in leaves(nest) if isinstance(p, ARRAYS))}"
