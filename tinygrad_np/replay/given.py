"""The arguments of one call of a replayed step."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..autodiff.nests import leaves, parts, rebuild
from ..autodiff.primitives import has_no_protocols, is_foreign, kind_of
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from ..recording.lines import Whose, users_line, whose
from ..watch.objects import is_plain


class Given:
    """The arguments of one call, by position and by name: the ``parts`` of their nest.

    ``key`` is equal for calls that the same program may answer.
    """

    def __init__(self, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.nest = list(args), named
        self.parts = leaves(self.nest)
        self.inputs = self.arrays()
        values = ["array" if is_array(part) else _identity(part) for part in self.parts]
        shown = repr(_told(self.nest, iter(values)))
        specs = [(a.shape, a.dtype.str, a.strides) for a in self.inputs]
        self.key = (mode.recording, shown, *specs)

    def arrays(self) -> list[np.ndarray]:
        """The arrays as they are now: an argument that is a gradient may get another one."""
        return [_array(part) for part in self.parts if is_array(part)]

    def others(self) -> list[Any]:
        """What is no array."""
        return [part for part in self.parts if not is_array(part)]

    def passed_to(self, fn: Callable[..., Any], tensors: Iterable[Tensor]) -> Any:
        """What a function gives for the arguments, with these Tensors for the arrays."""
        found = iter(tensors)
        given = [next(found) if is_array(part) else part for part in self.parts]
        args, named = rebuild(self.nest, given)
        return fn(*args, **named)


def is_array(part: Any) -> bool:
    return isinstance(part, (np.ndarray, np.generic, Tensor))


def _array(part: Any) -> np.ndarray:
    """An argument's array."""
    kind = type(part)
    if kind is not Tensor and whose(kind.__module__) is Whose.USER:
        raise ReplayError(
            f"{users_line()}: an argument of class {kind.__name__}, and a replayed step gets plain "
            "Tensors; pass its values, and its other contents as separate arguments."
        )
    if not isinstance(part, Tensor):
        return np.asarray(part)
    if part.requires_grad:
        raise ReplayError(
            f"{users_line()}: an argument of shape {part.shape} requires grad; replay the "
            "gradient, tg.replay(tg.grad(f)), close over a Tensor whose gradient the step "
            "computes, or pass its .detach() and make it Tensor(x, requires_grad=True) inside."
        )
    return part._array  # type: ignore[no-any-return]


def _told(nest: Any, values: Iterator[Any]) -> Any:
    """A nest as its classes and keys, with these values in it."""
    if (found := parts(nest)) is None:
        return None if nest is None else next(values)
    return type(nest), {key: _told(part, values) for key, part in found.items()}


def _identity(part: Any) -> Any:
    """What tells an argument that is no array from others: its value, or that it is this object."""
    if is_plain(part):
        return type(part), repr(part)
    if is_foreign(part) or has_no_protocols(part):
        raise ReplayError(
            f"{users_line()}: an argument is {kind_of(part)}, and replay is NumPy's; call the "
            "step without tg.replay, or give it arrays of NumPy's."
        )
    return type(part), id(part)
