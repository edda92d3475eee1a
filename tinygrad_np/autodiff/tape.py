"""What happened, in order: records of applied operations. Nothing here is numerical."""

import itertools
import threading
import weakref
from collections.abc import Iterator
from contextlib import ContextDecorator
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .guards import Guard
    from .rules.table import Rule
    from .tensor import Tensor

# One growing sequence for all threads, so that a graph may be built in one and swept in another.
# ``count.__next__`` is atomic: threads share an order, never data.
next_number = itertools.count(1).__next__


class Mode(threading.local):
    """What the current thread does with the operations it applies."""

    recording = True
    scope: tuple[str, ...] = ()


mode = Mode()


class no_grad(ContextDecorator):  # noqa: N801 - reads as a statement, like torch.no_grad
    """Stop recording in the current thread, as a ``with`` block or as a decorator."""

    def __init__(self) -> None:
        self._outer: list[bool] = []

    def __enter__(self) -> None:
        self._outer.append(mode.recording)
        mode.recording = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        mode.recording = self._outer.pop()


class recording(no_grad):  # noqa: N801
    """Record in the current thread whatever the outside says: transforms need their own graph."""

    def __init__(self, on: bool = True) -> None:
        super().__init__()
        self._on = on

    def __enter__(self) -> None:
        super().__enter__()
        mode.recording = self._on


class Leaf:
    """A variable: where the sweep ends and a gradient is delivered.

    It refers weakly to the Tensor it stands for, so that a gradient that is itself recorded
    (``create_graph``) does not close a reference cycle.
    """

    __slots__ = ("__weakref__", "name", "number", "tensor")
    rule = None
    parents: tuple["Node | None", ...] = ()

    def __init__(self, tensor: "Tensor", name: str | None = None) -> None:
        self.number = next_number()
        self.tensor = weakref.ref(tensor)
        self.name = name


class Record:
    """One applied operation.

    ``values`` are the operands as plain arrays, ``parents`` the nodes they came from (``None`` for
    constants), ``guards`` what watches over arrays that the outside could overwrite, ``out`` the
    result if a rule reads it.
    """

    __slots__ = (
        "__weakref__", "guards", "kwargs", "name", "number", "out", "parents", "rule", "scope",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        rule: "Rule",
        values: list[Any],
        kwargs: dict[str, Any],
        parents: list["Node | None"],
        guards: "list[Guard | None] | None",
        out: Any,
    ) -> None:
        self.number = next_number()
        self.rule = rule
        self.values: list[Any] | None = values
        self.kwargs = kwargs
        self.parents = parents
        self.guards = guards
        self.out = out
        self.scope = mode.scope

    def release(self) -> None:
        """Forget the operands and with them the graph below."""
        self.values = self.guards = self.out = None
        self.parents = []


Node = Leaf | Record


def history(*roots: Node | None, since: int = 0) -> Iterator[Node]:
    """All nodes that ``roots`` depend on and that are numbered from ``since``, newest first."""
    found = {node.number: node for node in roots if node is not None and node.number >= since}
    stack = list(found.values())
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent.number >= since and parent.number not in found:
                found[parent.number] = parent
                stack.append(parent)
    return iter([found[number] for number in sorted(found, reverse=True)])
