"""``vmap``: its arguments and results; ``batched`` has the arrays inside."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autodiff.nests import leaves, rebuild
from ..autodiff.rules.calls import refuse_own_way, without_history
from ..autodiff.tape import Leaf, history, mode
from ..autodiff.tensor import Tensor
from ..autodiff.transforms import marked, taken
from ..errors import ShapeError, TapeError
from .batched import Batched, Level, from_outside, is_varying

Axes = Any  # an int, None, or a nest of these


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """A function that computes ``f``, a function of one example, for a batch at once.

    ``in_axes`` says along which axis of each argument the examples lie: one int for all, or a
    tuple with one entry per argument: an int, None for an argument that is the same for all
    examples, or a nest of these like the argument. ``out_axes`` says the same of the results (None:
    the result is the same for all). Keyword arguments are passed on as they are. ``f`` gets
    Tensors, and may return any nest. Plain arrays give plain arrays; operations on Tensors, also
    those that ``f`` closes over, are recorded. ``vmap`` and the other transforms can be nested in
    any order: ``tg.vmap(tg.grad(f), (None, 0))`` has the gradients of each example.

        >>> tg.vmap(lambda x, w: np.tanh(x @ w), (0, None))(np.ones((5, 3)), np.zeros(3)).shape
        (5,)

    NumPy's functions take a whole batch in one call; those that cannot are called for one example
    after the other, and are right, but slower. Raises ShapeError where the batches differ in
    length, TapeError for what would be another thing in each example: ``if t > 0`` (use
    ``np.where``), a mask as an index, ``t.item()``, a random draw; TypeError for what is no
    function.
    """
    if not callable(f):
        raise TypeError(f"tg.vmap takes a function, not {f!r}.")

    @functools.wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        if mode.capture is not None:
            args, kwargs = mode.capture.lift([args, kwargs], declared=True)
        given = leaves(list(args))
        axes = _axes("in_axes", _per_argument(in_axes, args), list(args))
        level = Level(_batch_size(given, axes), mode.watch)
        inner = [
            leaf if axis is None else Tensor._of(Batched(_first(leaf, axis, level), level), None)
            for leaf, axis in zip(given, axes, strict=True)
        ]
        mode.watch = level
        try:
            out = f(*rebuild(list(args), inner), **kwargs)
        finally:
            mode.watch = level.outer
        level.leave(results := leaves(out))
        places = _axes("out_axes", out_axes, out)
        found = [_of_all(leaf, a, level) for leaf, a in zip(results, places, strict=True)]
        tensors = any(isinstance(leaf, Tensor) for leaf in (*given, *leaves(kwargs)))
        is_plain = mode.capture is None and not tensors  # no value leaves a step
        if is_plain and not any(isinstance(v, Tensor) and _belongs_to_others(v) for v in found):
            found = [taken(v) if isinstance(v, Tensor) else v for v in found]
        else:
            found = [v if isinstance(v, Tensor) else Tensor._owning(v) for v in found]
        return rebuild(out, found)

    return marked(batched, ())


def _belongs_to_others(result: Tensor) -> bool:
    """Whether a result is recorded, or one of the examples of a ``vmap`` outside."""
    return result.requires_grad or type(result._array) is Batched


def _per_argument(axes: Axes, args: Sequence[Any]) -> Axes:
    if isinstance(axes, (tuple, list)) and len(axes) != len(args):
        raise TypeError(f"in_axes={axes!r} for {len(args)} arguments; give one axis for each.")
    return axes


def _axes(name: str, axes: Axes, nest: Any) -> list[int | None]:
    """An axis, or None, for each array of a nest."""
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        return [axes if axes is None else int(axes)] * len(leaves(nest))
    is_nest = isinstance(axes, (tuple, list, dict)) and isinstance(nest, (tuple, list, dict))
    if not is_nest or isinstance(axes, dict) is not isinstance(nest, dict):
        raise TypeError(
            f"{name} has {axes!r} for {_kind(nest)}; give an int, None, or a nest like it."
        )
    keys: Any = list(nest) if isinstance(nest, dict) else range(len(nest))
    if len(axes) != len(nest) or (isinstance(axes, dict) and set(axes) != set(keys)):
        raise TypeError(f"{name} has {axes!r} for a nest with the entries {[*keys]}; give as many.")
    return [axis for key in keys for axis in _axes(name, axes[key], nest[key])]


def _kind(nest: Any) -> str:
    return f"an array of shape {nest.shape}" if hasattr(nest, "shape") else repr(nest)


def _batch_size(given: list[Any], axes: list[int | None]) -> int:
    """The number of examples, in which all arguments must agree."""
    sizes = []
    for leaf, axis in zip(given, axes, strict=True):
        if axis is None:
            continue
        shape = np.shape(leaf)
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(
                f"tg.vmap along axis {axis} of an argument of shape {shape}; give in_axes=None for "
                "what is the same in all examples."
            )
        sizes.append(shape[axis])
    if not sizes:
        raise ShapeError("tg.vmap of no argument: give an axis for at least one in in_axes.")
    if len(set(sizes)) > 1:
        raise ShapeError(f"tg.vmap of {sizes} examples; give as many in each argument.")
    return int(sizes[0])


def _first(leaf: Any, axis: int, level: Level) -> Any:
    refuse_own_way("an argument of tg.vmap", leaf)
    array = from_outside(leaf, level.outer) if hasattr(leaf, "dtype") else np.asarray(leaf)
    return np.moveaxis(array, axis, 0) if axis else array


def _of_all(leaf: Any, axis: int | None, level: Level) -> Any:
    """A result of all examples: an array, or a Tensor if it is that."""
    node = leaf._node if isinstance(leaf, Tensor) else None
    if node is not None and node.number > level.number:
        if any(isinstance(n, Leaf) and not n.closed for n in history(node, since=level.number)):
            raise TapeError(
                "a Tensor made with requires_grad=True inside tg.vmap: its gradient would be lost; "
                "take the gradient inside (tg.grad), or pass the Tensor as an argument."
            )
        leaf = without_history(leaf)
    value = leaf
    refuse_own_way("a result inside tg.vmap", leaf)
    if isinstance(leaf, Tensor) and type(leaf._array) is Batched:
        value = leaf._array
    elif not hasattr(leaf, "dtype"):
        value = np.asarray(leaf)
    varies = is_varying(value, level)
    if type(value) is Batched and value.level is level:
        value = value.held
    elif type(value) is Batched:
        value = leaf
    if axis is None:
        if varies:
            raise TapeError(
                f"out_axes=None for a result of shape {leaf.shape} that differs between examples; "
                "give the axis of the examples in the result."
            )
        return value
    if not varies:
        value = np.broadcast_to(value, (level.size, *np.shape(value)))
        value = value.copy()
    if not -(ndim := np.ndim(value)) <= axis < ndim:
        raise ShapeError(
            f"tg.vmap with out_axes={axis} of a result of shape {np.shape(leaf)}, which has the "
            f"axes {-ndim} to {ndim - 1} with that of the examples."
        )
    return np.moveaxis(value, 0, axis) if axis else value
