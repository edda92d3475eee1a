"""Hooks: the user's functions that read or replace a gradient during the sweep."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError, TapeError
from ..foreign import refuse_mixture
from .primitives.numbers import own
from .tape import Leaf, changes, no_grad

if TYPE_CHECKING:
    from .tensor import Tensor

Hooks = dict["Handle", tuple[Callable[[Any], Any], "type[Tensor]"]]


class Handle:
    """What ``register_hook`` returns: ``remove()`` takes the hook away."""

    def __init__(self, tensor: "Tensor", hooks: Hooks) -> None:
        self._tensor = weakref.ref(tensor)
        self._hooks = hooks

    def __repr__(self) -> str:
        return f"Handle({'a hook' if self in self._hooks else 'removed'})"

    def remove(self) -> None:
        """Let the function be called no more."""
        tensor = self._tensor()
        if self._hooks.pop(self, None) is not None and tensor is not None:
            _renew(tensor)


def register(tensor: "Tensor", hook: Any) -> Handle:
    """Let ``hook`` be called with the gradient of a Tensor."""
    node = tensor._node
    if node is None:
        raise TapeError(
            f"register_hook() on a Tensor of shape {tensor.shape} that does not require grad, and "
            "so gets no gradient; make it with requires_grad=True."
        )
    if not callable(hook) or isinstance(hook, type):
        raise TypeError(f"register_hook() takes a function of the gradient, not {hook!r}.")
    if node.hooks is None:
        node.hooks = {}
    handle = Handle(tensor, node.hooks)
    _renew(tensor)
    node.hooks[handle] = hook, type(tensor)
    return handle


def _renew(tensor: "Tensor") -> None:
    """Give a leaf another node, by which replays see that its hooks are other ones."""
    old = tensor._node
    if isinstance(old, Leaf) and old.closed is None:
        tensor._leave("t.register_hook(f)", tensor)
        tensor._node = fresh = Leaf(tensor, old.name)
        fresh.hooks, fresh.slot, fresh.number = old.hooks, old.slot, old.number
        changes.note()


def fire(hooks: Hooks, g: Any) -> Any:
    """The gradient that goes on: what each hook in turn returns, or ``g`` where that is None."""
    for hook, kind in list(hooks.values()):
        if isinstance(g, kind):
            found = hook(g)
        else:
            with no_grad():
                found = hook(kind._owning(own(g)))
        if found is None:
            continue
        found = found if isinstance(found, kind) else kind(found)
        refuse_mixture("what a hook returned", found, g)
        if found.shape != g.shape:
            raise ShapeError(
                f"a hook returned shape {found.shape} for a gradient of shape {g.shape}; return "
                "one of that shape, or None to leave it."
            )
        found = found if found.dtype == g.dtype else found.astype(g.dtype)
        g = found if isinstance(g, kind) else found._array
    return g
