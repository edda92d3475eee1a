"""The tape: records of the operations that ran, in order. Nothing here computes with numbers."""

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .rules.signatures import name_of
from .rules.table import Changes, Part, Several

if TYPE_CHECKING:
    from .guards import Slot, Storage
    from .rules.table import Rule
    from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

# One growing sequence for all threads, so that a graph may be built in one and swept in another.
# ``count.__next__`` is atomic: threads share an order, never data.
next_number = itertools.count(1).__next__


class Listener(Protocol):
    """Who is told what the engine does, as it does it: a capture, which can do it again.

    Any of these may raise ReplayError for what cannot be done again.
    """

    def apply(
        self, rule: "Rule", args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """Run an operation on ``values``, the arrays of ``args``, and return its result."""

    def make(self, made: Any, source: Any, rule: "Rule | None" = None) -> None:
        """A Tensor is made around the memory of ``source``, or of an array that ``rule`` copied."""

    def write(
        self, rule: "Rule", target: "Tensor", operands: Sequence[Any], values: Sequence[Any]
    ) -> None:
        """An operation is about to write its result into its first operand, the ``target``."""

    def become(self, target: "Tensor", value: "Tensor") -> None:
        """``target`` is about to take over the memory of ``value``."""

    def gradient(self, tensor: "Tensor", *change: "Tensor | None") -> None:
        """``tensor.grad`` is about to be read, or is another from now on."""

    def leave(self, how: str, tensor: "Tensor | None" = None) -> None:
        """A value leaves the tape, or what no operation changes is about to be changed."""

    def refuse(self, what: str, remedy: str) -> None:
        """What comes now can be done once, and not again."""

    def lift(self, nest: Any, declared: bool = False, pulled: Any = None) -> Any:
        """The nest with Tensors for the arrays that may be others when this is done again.

        With ``declared`` it is what a user gave to a function whose inside is recorded;
        ``pulled`` is the record that a sweep is at, and the cotangent that has arrived there.
        """

    def sweeping(self, records: bool) -> Any:
        """A block around a sweep, whose operations are recorded or not."""

    def inside(self, module: Any, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        """Run the forward pass of a module."""

    def effect(self, worker: Any) -> None:
        """Let ``worker`` do what is no operation: it performs, saves and restores."""


class Mode(threading.local):
    """What the current thread does with the operations it applies.

    ``capture`` is who takes them down for a replay, if anybody does (see the room ``replay``), and
    ``watch`` who looks at their operands before they run (``vmap``, ``checkpoint``).
    """

    recording = True
    capture: Listener | None = None
    watch: "Watch | None" = None
    again = False  # whether ``checkpoint`` makes a call again, which is to be what it was
    ordinary = True  # recording, nothing else: one look for each operation instead of three

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        plain = self.capture is None and self.watch is None
        super().__setattr__("ordinary", self.recording and plain)

    @contextmanager
    def having(self, **values: Any) -> Iterator[None]:
        """A block in which the mode is another one, whatever the outside says."""
        before = {name: getattr(self, name) for name in values}
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)


class Names(threading.local):
    """What the current thread does with the names of its variables."""

    rebind = False  # whether ``t += v`` is no write, but a new value of the name t


class Watch(Protocol):
    """Who looks at the operands of each operation of this thread."""

    def operands(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the operation is to get for the operands ``args``."""


class no_grad:
    """Stop recording in the current thread, as a ``with`` block or as a decorator.

    ``@tg.no_grad`` and ``@tg.no_grad()`` are the same.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     out = w * 2
    ...
    >>> out.requires_grad
    False
    """

    def __new__(cls, function: Any = None) -> Any:
        if not (function is None or callable(function) or isinstance(function, bool)):
            raise TypeError(f"no_grad takes a function, or nothing, not {function!r}.")
        made = super().__new__(cls)
        return made(function) if callable(function) else made

    def __repr__(self) -> str:
        return "no_grad()"

    def __init__(self) -> None:
        self._outer: list[bool] = []

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def quiet(*args: Any, **kwargs: Any) -> Any:
            with no_grad():  # one for each call: calls from several threads may overlap
                return function(*args, **kwargs)

        return quiet  # type: ignore[return-value]

    def __enter__(self) -> None:
        self._outer.append(mode.recording)
        mode.recording = False

    def __exit__(self, *_error: object) -> None:
        mode.recording = self._outer.pop()


class Leaf:
    """A variable: where the sweep ends and a gradient is delivered.

    ``closed`` is None, but False for the variable of a transform, and True for that of a finished
    one, which nobody else can differentiate by.
    It refers weakly to the Tensor it stands for, so that a gradient that is itself recorded
    (``create_graph``) does not close a reference cycle.
    """

    __slots__ = ("closed", "hooks", "name", "number", "slot", "storage", "tensor")
    rule = None
    parents: tuple["Node | None", ...] = ()

    def __init__(self, tensor: "Tensor", name: str | None, closed: bool | None = None) -> None:
        self.number = next_number()
        self.tensor = weakref.ref(tensor)
        self.storage = tensor._storage
        self.name = name
        self.closed = closed
        self.hooks: dict[Any, Any] | None = None
        self.slot: Slot | None = None  # where replays leave the gradient


changes = Changes()  # a Tensor got other memory, or requires grad or ceases to
RELEASED = object()
NO_OPTIONS: dict[str, Any] = {}


class Record:
    """One applied operation.

    ``values`` are the operands as plain arrays, ``parents`` the nodes they came from (``None`` for
    constants), ``out`` is the result if a rule reads it. ``storage`` is the leaf's memory that the
    result is a view of, and ``guards`` watch over operands that are in the reach of the outside
    (of a record that a backward released and failed behind, they are the reason).
    ``origin`` names the modules whose result this is, ``hooks`` are called with its cotangent.
    A record that a composite made has that function as its ``whole``.
    """

    __slots__ = (
        "guards", "hooks", "kwargs", "name", "number", "origin", "out", "parents", "rule",
        "storage", "values", "whole",
    )  # fmt: skip
    name: str

    def __init__(
        self, rule: "Rule", values: Sequence[Any], kwargs: dict[str, Any],
        parents: "Sequence[Node | None]", guards: "list[Storage | None] | None" = None,
    ) -> None:  # fmt: skip
        self.number = next_number()
        self.rule, self.values, self.kwargs, self.parents = rule, values, kwargs, parents
        self.guards: Any = guards
        self.out: Any = None
        self.whole: Any = None
        self.origin: tuple[Any, ...] | None = None
        self.storage: Storage | None = None
        self.hooks: dict[Any, Any] | None = None

    @property
    def called(self) -> str:
        """The function that the user called, as errors name it."""
        return name_of(self.whole) if self.whole else self.rule.name

    @property
    def released(self) -> bool:
        """Whether the operands were forgotten."""
        return self.out is RELEASED

    def parts(self, out: Sequence[Any]) -> "list[Record | None]":
        """Records of the results ``out`` of this one, None for those without a derivative."""
        forms = [None if v is None else (v.shape, v.dtype) for v in out]
        several = Several(type(out), forms, [None] * len(forms))
        return [
            Record(Part(self.rule, type(out), i), (several,), NO_OPTIONS, (self,))
            if form is not None and form[1].kind in "fc"
            else None
            for i, form in enumerate(forms)
        ]

    def release(self) -> None:
        """Forget the operands and with them the graph below."""
        self.out = RELEASED  # first: another thread that finds no parents must find why
        self.values = self.parents = ()
        self.guards = None


Node = Leaf | Record
mode, names = Mode(), Names()


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
