"""What is to be drawn: the operations of a graph in order, and the modules they ran in."""

import copy
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..autodiff import nests
from ..autodiff.sweep import sweep
from ..autodiff.tape import Leaf, Node, Record, history, recording
from ..autodiff.tensor import Tensor
from ..errors import DetachError, TapeError
from ..nn.module import Module
from . import labels

Kind = Literal["input", "parameter", "constant", "operation", "gradient", "effect", "result"]


@dataclass
class Item:
    """One thing in the picture. ``sources`` are positions of the items it is computed from."""

    kind: Kind
    name: str | None
    formula: str = ""
    array: Any = None
    sources: list[int] = field(default_factory=list)
    node: Node | None = None
    box: int = 0


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

    def common(self, a: int, b: int) -> int:
        """The innermost box around two boxes."""
        while a != b:
            if self.boxes[a].depth >= self.boxes[b].depth:
                a = self.boxes[a].parent
            else:
                b = self.boxes[b].parent
        return a


@dataclass
class Call:
    """A module's forward pass: the numbers of the records between ``start`` and ``end`` are its.

    ``module`` is None where it no longer exists; with kind None the call stands for everything
    outside of all modules.
    """

    module: Module | None
    kind: type | None
    start: int
    end: int
    parent: int = 0


def _calls(results: Sequence[Tensor]) -> list[Call]:
    """The module calls whose results ``results`` depend on, each behind the one around it."""
    found: dict[int, Call] = {}
    for node in history(*(t._node for t in results)):
        origin = getattr(node, "origin", None)
        while origin is not None:
            reference, kind, start, origin = origin
            call = found.setdefault(start, Call(reference(), kind, start, node.number))
            call.end = max(call.end, node.number)
    return [found[start] for start in sorted(found)]


def _nested(calls: list[Call]) -> list[Call]:
    """The calls with the positions of those around them."""
    inside = [0]
    for i, call in enumerate(calls[1:], 1):
        while inside[-1] and calls[inside[-1]].end < call.end:
            inside.pop()
        call.parent = inside[-1]
        inside.append(i)
    return calls


def of_tensor(result: Tensor) -> Trace:
    """The graph a result was recorded with, in the modules that were called for it.

    Raises TapeError if nothing was recorded, or if a backward has released the graph.
    """
    calls = _nested([Call(None, None, 0, sys.maxsize), *_calls([result])])
    modules: dict[Module, str] = {}
    paths: dict[Node, str] = {}
    outermost = [call.module for call in calls[1:] if call.parent == 0 and call.module is not None]
    for root, own in _named(outermost).items():
        for path, module in root.named_modules():
            is_told = module is root and own == type(root).__name__
            modules.setdefault(module, "" if is_told else f"{own}.{path}".strip("."))
        for path, part in root.named_parameters():
            paths.setdefault(part._node, f"{own}.{path}".strip("."))  # type: ignore[arg-type]
    return _Tracer(_boxes(modules, calls), calls, paths, []).trace([("result", result)])


def _named(roots: list[Module]) -> dict[Module, str]:
    """What tells the parameters of several modules apart: class and number; nothing for one.

    A module inside of another comes behind it, without a name.
    """
    distinct = list(dict.fromkeys(roots))
    inner = {part for root in distinct for name, part in root.named_modules() if name}
    apart = [module for module in distinct if module not in inner and module.parameters()]
    kinds = [type(module).__name__ for module in apart]
    named = dict.fromkeys(apart, "")
    for i, (module, kind) in enumerate(zip(apart, kinds, strict=True)):
        if len(apart) > 1:
            number = f" {kinds[: i + 1].count(kind)}" if kinds.count(kind) > 1 else ""
            named[module] = kind + number
    return named | {module: "" for module in distinct if module not in named}


def of_module(module: Module, inputs: Sequence[Any]) -> Trace:
    """The graph of a module's forward pass on a copy of it, with every input a variable.

    Raises what the forward pass raises, and TapeError if its result depends on no variable.
    """
    _check_inputs(module, inputs)
    names = _names_of_inputs(module, len(inputs))
    try:
        own, given, out = _run(module, inputs, names, variable=True)
    except (DetachError, TapeError, NotImplementedError):
        # The forward pass does with its inputs what only constants allow: integer arithmetic on
        # labels, np.asarray(x). If the error is its own, it comes again.
        own, given, out = _run(module, inputs, names, variable=False)
    paths = {node: path for path, part in own.named_parameters() if (node := part._node)}
    known = [(t._array, "input", t.name) for t in given]
    known += [(t._array, "constant", path) for path, t in own.named_tensors()]
    results = [t for t in nests.leaves(out) if isinstance(t, Tensor)]
    word = "output {}" if len(results) > 1 else "output"
    named = [(word.format(i), t) for i, t in enumerate(results, 1)]
    inner = [call for call in _calls(results) if call.module is not own]
    calls = _nested([Call(own, type(own), 0, sys.maxsize), *inner])
    boxes = _boxes({m: path for path, m in own.named_modules()}, calls)
    return _Tracer(boxes, calls, paths, known, [t._node for t in given]).trace(named)


def _check_inputs(module: Module, inputs: Sequence[Any]) -> None:
    try:
        own = type(module).__call__ is not Module.__call__
        inspect.signature(module.__call__ if own else module.forward).bind(*inputs)
    except TypeError as error:
        raise TypeError(
            f"the forward pass of {type(module).__name__} cannot run on "
            f"{labels.counted(len(inputs), 'example input')}: {error}; "
            "give them after the module: graph(module, x)."
        ) from None


def _names_of_inputs(module: Module, count: int) -> list[str]:
    """What the author of the module calls its inputs, in its own ``__call__`` or in ``forward``."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    fixed: list[str] = []
    for method in (module.__call__, module.forward):
        parameters = inspect.signature(method).parameters.values()
        fixed = fixed or [p.name for p in parameters if p.kind in kinds][:count]
    others = [f"input {i}" for i in range(len(fixed) + 1, count + 1)]
    return fixed + (["input"] if count == 1 and others else others)


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
    with recording():
        return own, given, own(*arguments)


def _boxes(paths: dict[Module, str], calls: list[Call]) -> list[Box]:
    """One box per call, labelled with the module's place in the model."""
    times: dict[Module | None, int] = {}
    for call in calls:
        times[call.module] = times.get(call.module, 0) + 1
    boxes: list[Box] = []
    seen: dict[Module, int] = {}
    for i, call in enumerate(calls):
        module, path, details, count = call.module, "", "", 0
        if module is not None:
            seen[module] = seen.get(module, 0) + 1
            path = paths.get(module, "")
            if times[module] > 1:
                path = f"{path} call {seen[module]}".strip()
            details = module.extra_repr()
            count = sum(parameter.size for parameter in module.parameters())
        name = call.kind.__name__ if call.kind is not None else ""
        title = name + (f"({details})" if details else "")
        depth = boxes[call.parent].depth + 1 if i else 0
        boxes.append(Box(path, title, count, call.parent, depth))
    return boxes


class _Tracer:
    """Turns records into items, each after those it is computed from."""

    def __init__(
        self,
        boxes: list[Box],
        calls: list[Call],
        paths: dict[Node, str],
        known: Sequence[tuple[Any, Any, str | None]],
        inputs: Sequence[Node | None] = (),
    ) -> None:
        self.made = Trace([], boxes)
        self.calls = calls
        self.paths = paths
        self.inputs = {node for node in inputs if node is not None}
        self.places: dict[Node, int] = {}
        # by id: arrays do not hash; all of them are alive as long as this object
        self.known = {id(array): (kind, name) for array, kind, name in known}
        self.constants: dict[int, int] = {}

    def trace(self, results: list[tuple[str, Tensor]]) -> Trace:
        """The items of everything that ``results`` depend on, and of themselves."""
        roots = [t._node for _, t in results]
        if not any(roots):
            raise TapeError(
                "there is no graph to draw: the result does not depend on a Tensor made with "
                "requires_grad=True, or it was computed under no_grad."
            )
        items, box, entered = self.made.items, 0, 0
        for node in reversed(list(history(*roots))):
            if isinstance(node, Leaf):
                continue
            while entered < len(self.calls) and self.calls[entered].start < node.number:
                box, entered = entered, entered + 1
            while box and self.calls[box].end < node.number:
                box = self.calls[box].parent
            self._add_operation(node, box)
        for word, tensor in results:
            source = self._place(tensor._node, tensor._array, 0)
            if items[source].kind == "operation":
                items[source].array, items[source].name = tensor._array, None
            name = (tensor._is_result and tensor.name) or word
            items.append(Item("result", name, array=tensor._array, sources=[source]))
        return self.made

    def _add_operation(self, record: Record, box: int) -> None:
        if record.released:
            raise TapeError(
                f"this graph ({record.rule.name}) was released by backward(); draw it before "
                "backward(), or call backward(retain_graph=True)."
            )
        guards = record.guards or [None] * len(record.values)
        sources = [
            self._place(parent, value, box, getattr(guard, "name", None))
            for value, parent, guard in zip(record.values, record.parents, guards, strict=True)
            if parent is not None or not labels.is_inline(value)
        ]
        self.places[record] = len(self.made.items)
        name = getattr(record, "name", None)
        formula = labels.formula(record)
        self.made.items.append(Item("operation", name, formula, None, sources, record, box))

    def _place(
        self, node: Node | None, value: Any, box: int, constant_name: str | None = None
    ) -> int:
        """The position of what an operand is, in the innermost box around all its uses."""
        items = self.made.items
        place = self.constants.get(id(value)) if node is None else self.places.get(node)
        if place is not None:
            item = items[place]
            if item.kind == "operation":
                item.array = value
            else:
                item.box = self.made.common(item.box, box)
            return place
        if node is None:
            kind, name = self.known.get(id(value), ("constant", constant_name))
            self.constants[id(value)] = len(items)
        else:
            kind = "input" if node in self.inputs else "parameter"
            name = self.paths.get(node, getattr(node, "name", None))
            self.places[node] = len(items)
        items.append(Item(kind, name, "", value, [], node, 0 if kind == "input" else box))
        return len(items) - 1


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
