"""What is to be drawn: the equations of a recording in order, and the modules they ran in."""

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..autodiff import nests
from ..autodiff.rules.table import Several
from ..autodiff.sweep import sweep
from ..autodiff.tape import Node, mode
from ..autodiff.tensor import Tensor
from ..errors import DetachError, TapeError
from ..markup import counted
from ..nn.module import Module
from ..recording import Recording, tape_of
from ..recording.equations import Call, Equation, Variable
from ..recording.names import calls_of
from ..recording.tape import Reader
from ..recording.trace import names_of
from . import labels

Kind = Literal["input", "parameter", "constant", "operation", "gradient", "effect", "result"]


@dataclass
class Item:
    """One thing in the picture. ``sources`` are positions of the items it is computed from.

    Of an operation ``operation`` is the name, and ``memory`` says where its result lies.
    """

    kind: Kind
    name: str | None
    formula: str = ""
    array: Any = None
    sources: list[int] = field(default_factory=list)
    node: Node | None = None
    box: int = 0
    operation: str = ""
    memory: str = ""
    equation: Equation | None = field(default=None, compare=False)


@dataclass
class Box:
    """One call of a module. Box 0 is the whole; ``parent`` is the position of the box around."""

    path: str
    title: str
    parameters: int
    parent: int
    depth: int


@dataclass
class Trace:
    """Everything about a graph that a picture needs, in the order in which it was computed.

    ``loops`` has, where repetitions are drawn once, the positions of what one makes and what takes
    it in the next.
    """

    items: list[Item]
    boxes: list[Box]
    loops: list[tuple[int, int]] = field(default_factory=list)

    def around(self, box: int) -> Iterator[int]:
        """A box and those around it, from the inside, but for the whole."""
        while box:
            yield box
            box = self.boxes[box].parent

    def common(self, a: int, b: int) -> int:
        """The innermost box around two boxes."""
        while a != b:
            if self.boxes[a].depth >= self.boxes[b].depth:
                a = self.boxes[a].parent
            else:
                b = self.boxes[b].parent
        return a


def of_tensor(result: Tensor) -> Trace:
    """The graph a result was recorded with, in the modules that were called for it.

    Raises TapeError if nothing was recorded, or if a backward has released the graph.
    """
    return of_recording(tape_of(result), numbered=False)


def of_module(module: Module, inputs: Sequence[Any]) -> Trace:
    """The graph of a module's forward pass on a copy of it, with every input a variable.

    Raises what the forward pass raises, and TapeError if its result depends on no variable.
    """
    _check_inputs(module, inputs)
    names = names_of(module, len(inputs))
    try:
        own, given, out = _run(module, inputs, names, variable=True)
    except (DetachError, TapeError, NotImplementedError):
        # The forward pass does with its inputs what only constants allow: integer arithmetic on
        # labels, np.asarray(x). If the error is its own, it comes again.
        own, given, out = _run(module, inputs, names, variable=False)
    results = [t for t in nests.leaves(out) if isinstance(t, Tensor)]
    tape = Reader(results).recording(results, own)
    known = {id(t._array): path for path, t in own.named_tensors()}
    inputs_known = {id(t._array): t.name for t in given}
    for variable in tape.variables:
        if id(variable.array) in inputs_known and variable.kind != "result":
            variable.kind, variable.name = "input", inputs_known[id(variable.array)]
        elif variable.kind == "constant":
            variable.name = known.get(id(variable.array), variable.name)
    return of_recording(tape, "output", own, numbered=False)


def of_recording(
    made: Recording, word: str = "result", whole: Module | None = None, numbered: bool = True
) -> Trace:
    """The equations of a recording, in the modules they ran in, or were the derivative of.

    ``whole`` is the module around everything, if one is.
    """
    calls = [c for c in calls_of(made.equations) if whole is None or c.module() is not whole]
    tracer = Tracer(made.names, numbered)
    place = _boxes(tracer.made.boxes, calls, whole)
    for equation in made.equations:
        if equation.of is None:
            tracer.add(equation, _innermost(place, equation.call))
        else:
            tracer.add(equation, _backward(tracer, place, equation.of.call))
    return tracer.finished(made.results, word)


def _check_inputs(module: Module, inputs: Sequence[Any]) -> None:
    try:
        own = type(module).__call__ is not Module.__call__
        inspect.signature(module.__call__ if own else module.forward).bind(*inputs)
    except TypeError as error:
        raise TypeError(
            f"the forward pass of {type(module).__name__} cannot run on "
            f"{counted(len(inputs), 'example input')}: {error}; "
            "give them after the module: graph(module, x)."
        ) from None


def _run(
    module: Module, inputs: Sequence[Any], names: Sequence[str], variable: bool
) -> tuple[Module, list[Tensor], Any]:
    """A copy of the module, its inputs as Tensors, its result."""
    parts = [part for _, m in module.named_modules() for part in nests.leaves(vars(m))]
    # results kept as attributes refuse to be copied: constants of their values stand in
    kept = {id(t): t.detach() for t in parts if isinstance(t, Tensor) and t._is_result}
    own = copy.deepcopy(module, kept)
    given: list[Tensor] = []

    def as_tensor(value: Any, name: str) -> Any:
        if not hasattr(type(value), "__array_function__"):
            return value
        tensor = value.detach() if isinstance(value, Tensor) else value
        floats = variable and value.dtype.kind in "fc"
        given.append(Tensor(tensor, floats, name=getattr(value, "name", None) or name))
        return given[-1]

    arguments = [as_tensor(value, name) for value, name in zip(inputs, names, strict=True)]
    with mode.having(recording=True):
        return own, given, own(*arguments)


def _boxes(boxes: list[Box], calls: Sequence[Call], whole: Module | None) -> dict[Any, int]:
    """One box per call, labelled with the module's place in the model, in the one of ``whole``."""
    boxes[0] = _box(whole, type(whole).__name__, "", 0, -1) if whole is not None else boxes[0]
    place: dict[Any, int] = {None: 0}
    for call in calls:
        place[call], outer = len(boxes), _innermost(place, call.around)
        boxes.append(_box(call.module(), call.kind.__name__, call.path, outer, boxes[outer].depth))
    return place


def _backward(tracer: "Tracer", place: dict[Any, int], call: Call | None) -> int:
    """The box of what is the derivative of a call, in that of the call around it."""
    if call is None:
        return 0
    if ("backward", call) not in place:
        around = _backward(tracer, place, call.around)
        place["backward", call] = tracer.box(f"backward of {call.title}", around)
    return place["backward", call]


def _innermost(place: dict[Any, int], call: Any) -> int:
    """The box of a call, or of the innermost around it that has one; outside of all 0."""
    while call not in place:
        call = call.around
    return place[call]


def _box(module: Any, kind: str, path: str, parent: int, depth: int) -> Box:
    details = module.extra_repr() if module is not None else ""
    count = sum(p.size for p in module.parameters()) if module is not None else 0
    return Box(path, kind + (f"({details})" if details else ""), count, parent, depth + 1)


SOURCES = ("input", "parameter", "constant", "result")


class Tracer:
    """Turns equations into items, each after those it is computed from.

    ``names`` are those of Tensors from outside. With ``numbered`` results have the names that print
    gives them, and a source stands in the box of its first use, else in the innermost one around
    all its uses. Variables are known by number: those of a loop have the same.
    """

    def __init__(self, names: Mapping[Any, str], numbered: bool) -> None:
        self.made = Trace([], [Box("", "", 0, 0, 0)])
        self.names = names
        self.inputs: dict[int, tuple[str, Variable]] = {}  # by number, where a loop has parts
        self.numbered = numbered
        self.places: dict[int, int] = {}
        self.delivered: dict[Tensor, int] = {}
        self.loops: set[int] = set()  # boxes of loops, and those in them

    def box(self, title: str, around: int, is_loop: bool = False) -> int:
        self.made.boxes.append(Box("", title, 0, around, self.made.boxes[around].depth + 1))
        box = len(self.made.boxes) - 1
        if is_loop or around in self.loops:
            self.loops.add(box)
        return box

    def add(self, equation: Equation, box: int, memory: str = "") -> None:
        sources = [self._place(v, box) for v in equation.reads if not v.is_number]
        if equation.kind == "deliver":
            self._deliver(equation, sources, box)
            return
        if equation.kind in ("effect", "become", "write"):
            self._add_effect(equation, sources, box)
            return
        results = equation.results
        name = ", ".join(map(repr, results)) if self.numbered else None
        array = _array(results[0]) if results else None
        if results and results[0].field:
            array, name = Several(tuple, [None] * equation.count, []), None
        elif results and not self.numbered:
            name = results[0].name
        item = Item("operation", name, _formula(equation), array, sources, equation.record, box,
                    equation.name, memory, equation)  # fmt: skip
        place = self._add(item)
        for result in results:
            self.places[result.number] = place
            if result.field:
                name = repr(result) if self.numbered else result.name
                part = Item("operation", name, "·" + result.field, _array(result), [place],
                            _node(result), box, equation=equation)  # fmt: skip
                self.places[result.number] = self._add(part)

    def finished(self, results: Sequence[Variable], word: str = "result") -> Trace:
        """Everything, with the results; those that have no name are called ``word``."""
        for number, variable in enumerate(results, 1):
            called = f"{word} {number}" if len(results) > 1 else word
            source = self._place(variable, 0)
            own = variable.name if variable.kind == "result" else None
            if self.made.items[source].kind == "operation" and not self.numbered:
                self.made.items[source].name = None
            self._add(Item("result", own or called, "", _array(variable), [source]))
        return self.made

    def _add(self, item: Item) -> int:
        self.made.items.append(item)
        return len(self.made.items) - 1

    def _deliver(self, equation: Equation, sources: list[int], box: int) -> None:
        """A gradient stands with the equation that makes it, unless that is in a loop."""
        tensor = equation.options["tensor"]
        name = f"{self._name(tensor) or 'tensor'}.grad"
        if not sources:
            name += " = None"
        else:
            made = self.made.items[sources[0]]
            own = made.kind != "operation" or made.box in self.loops
            box = box if own else made.box
        self.delivered[tensor] = self._add(Item("gradient", name, "", tensor, sources, None, box))

    def _add_effect(self, equation: Equation, sources: list[int], box: int) -> None:
        """What works outside of the step; an optimiser reads the gradients of its parameters."""
        if equation.kind == "effect":
            params = getattr(equation.fn, "params", self.delivered)
            sources = [self.delivered[t] for t in params if t in self.delivered]
            name = f"{type(equation.fn).__name__}.step"
            self._add(Item("effect", name, "", None, sources, None, box))
            return
        target = equation.options.get("tensor")
        if target is None:
            target = equation.operands[0].source
        name = f"{self._name(target) or 'tensor'}[…] ="
        self._add(Item("effect", name, "", target, sources, None, box))

    def _name(self, tensor: Any) -> str | None:
        return self.names.get(tensor) or tensor.name

    def _place(self, variable: Variable, box: int) -> int:
        """The position of what a variable comes from; sources appear with their first use."""
        items = self.made.items
        place = self.places.get(variable.number)
        if place is None:
            name, variable = self.inputs.get(variable.number, (variable.name, variable))
            kind, name = self._source(variable, name)
            where = 0 if kind == "input" else box
            source = Item(kind, name, "", _array(variable), [], _node(variable), where)
            place = self.places[variable.number] = self._add(source)
        elif not self.numbered and items[place].kind != "operation":
            items[place].box = self.made.common(items[place].box, box)
        return place

    def _source(self, variable: Variable, name: str | None) -> tuple[Kind, str | None]:
        """Kind and name of something that no equation makes."""
        if variable.kind in ("input", "constant"):
            return variable.kind, name  # type: ignore[return-value]
        if not isinstance(variable.source, Tensor):  # a leaf of the tape
            return "parameter", name
        name = self._name(variable.source)
        if variable.kind == "entry":
            return "constant", f"{name or 'tensor'}.grad before"
        return "parameter" if variable.source.requires_grad else "constant", name


def _array(variable: Variable) -> Any:
    """What there is of a variable's array: of parameters of a program the Tensor."""
    if isinstance(variable.source, Tensor):
        return variable.source
    return variable if variable.array is None else variable.array


def _node(variable: Variable) -> Node | None:
    return None if isinstance(variable.source, (Tensor, int)) else variable.source


def _formula(equation: Equation) -> str:
    """``row_product``, ``· ÷ 64``, ``sum(·, axis=1)``."""
    operands = [
        v.array[()] if isinstance(v, Variable) and v.is_number else v for v in equation.operands
    ]
    drawn = [isinstance(v, Variable) for v in operands]
    return labels.written(equation.name, equation.fn, operands, drawn, equation.options)


def gradients(items: Sequence[Item], root: Item) -> list[Any]:
    """d(root)/d(item) for each item, or None where nothing arrives; root has one element."""
    assert root.node is not None
    seed = np.ones_like(root.array)
    found: list[Any] = []
    for item in items:
        # One sweep for each: a sweep ends at its targets, and the targets here lie along the way.
        targets = [] if item.node is None else [item.node]
        reached = {}
        if targets:
            reached = sweep([(root.node, seed)], retain=True, targets=targets, wrap=Tensor)
        found.append(reached[targets[0]] if reached else None)
    return found
