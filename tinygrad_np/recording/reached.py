"""What a loss goes through besides the model: leaves that nobody trains, layers nobody switches."""

from collections.abc import Iterable
from typing import Any

from ..autodiff.nests import leaves
from ..autodiff.tape import Leaf, history
from ..autodiff.tensor import Tensor


class Reached:
    """Looks at the first loss of a training; ``unknown`` is then what it found.

    That are names and shapes of leaves that no optimiser has, and hidden layers of a class in
    ``switched``. What requires grad on purpose is no fault: ``tensors`` and what an optimiser of
    ours has, the arguments of the step, and what a step makes itself, but for layers made there.
    It is of the engine's, so that a replay does not watch what it reads.
    """

    def __init__(
        self, tensors: Iterable[Tensor], modules: Iterable[Any], switched: tuple[type, ...]
    ) -> None:
        self.unknown: list[str] | None = None
        self._known = set(map(_node, tensors))
        self._modules = {id(module): module for module in modules}
        self._switched = switched

    def look(self, outputs: Any, losses: Iterable[Any], given: Any, since: int) -> None:
        """Look at the losses of a step that began at number ``since``, if they are the first."""
        if self.unknown is not None:
            return
        known = self._known | set(map(_node, leaves(given)))
        found: dict[Any, str] = {}
        for node in history(*map(_node, losses)):
            kind = self._stranger(node)
            for parent, value in zip(node.parents, getattr(node, "values", ()), strict=False):
                if type(parent) is not Leaf or parent in known or parent.closed is not None:
                    continue
                if parent.slot is not None and parent.slot.trains:
                    continue
                if parent.number < since or kind is not None:
                    found[parent] = f"{parent.name or 'a Tensor'} {value.shape}"
        for node in history(*map(_node, leaves(outputs))):
            kind = self._stranger(node)
            if kind is not None and issubclass(kind, self._switched):
                found[kind] = kind.__name__
        self.unknown = list(dict.fromkeys(found.values()))

    def _stranger(self, node: Any) -> Any:
        """The class of the module that made this result, if the model does not have it."""
        origin = getattr(node, "origin", None)
        while origin is not None:
            module, kind, _, origin = origin
            held = module()
            if id(held) not in self._modules and (held is None or held.training):
                return kind
        return None


def _node(given: Any) -> Any:
    return given._node if isinstance(given, Tensor) else None
