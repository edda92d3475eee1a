"""The recording of what is on the tape already."""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autodiff.rules.table import Part, Several
from ..autodiff.sweep import sweep
from ..autodiff.tape import Node, Record, history, mode
from ..autodiff.tensor import Tensor
from ..errors import TapeError
from .equations import Call, Equation, Variable
from .names import calls_of, named
from .recorder import Recorder, chosen
from .recording import Recording


def tape_of(*results: Tensor, backward: bool = False) -> Recording:
    """A ``Recording`` of the operations on the tape that ``results`` depend on.

    With ``backward`` the operations of the backward pass follow, with cotangents of ones; the graph
    is kept, and no ``.grad`` changes. The tape has no lines of the source; ``tg.trace`` has them.
    Raises TapeError if nothing was recorded, or if a backward has released the graph.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> tape = tg.tape_of(np.sum(w * w), backward=True)
    >>> tape
    Recording(10 equations, 8 of them backward, 96 bytes, 12 FLOP)
    >>> [row.left for row in tape.rows()[:2]]
    ['v1: float64[2] = multiply(w, w)', 'v2: float64[] = sum(v1)']
    """
    reader = Reader(results)
    found = reader.recording(results)
    if backward:
        found.gradients = add_backward(reader, results)
    return found


class Reader(Recorder):
    """Turns records into equations, each behind those it is computed from.

    Where the tape ends it goes on as a recorder.
    """

    def __init__(self, results: Any) -> None:
        super().__init__()
        for result in results:
            if not isinstance(result, Tensor):
                raise TypeError(
                    "tg.autopsy and tg.tape_of take results of operations (Tensors), not "
                    f"{result!r}."
                )
        roots = [t._node for t in results]
        if not any(roots):
            raise TapeError(
                "there is no graph: the result does not depend on a Tensor made with "
                "requires_grad=True, or it was computed under no_grad."
            )
        self.nodes = list(history(*roots))[::-1]
        self.constants: dict[int, Variable] = {}  # by id: the tape holds them
        self.places: dict[Node, Variable] = {}
        # what each record gave: those that read it have it
        self.values: dict[Node, Any] = {t._node: t._array for t in results if t._node is not None}

    def recording(self, results: Any, whole: Any = None) -> Recording:
        """All of it, with the modules that were called; ``whole`` is the one around everything."""
        records = [node for node in self.nodes if isinstance(node, Record)]
        for record in records:
            if record.released:
                raise TapeError(
                    f"this graph ({record.rule.name}) was released by backward(); look at it "
                    "before backward(), or call backward(retain_graph=True)."
                )
            for parent, value in zip(record.parents, record.values, strict=True):
                if parent is not None:
                    self.values[parent] = value
        parts: dict[Node, list[Record]] = {}
        for record in records:
            if isinstance(record.rule, Part):
                parts.setdefault(record.parents[0], []).append(record)  # type: ignore[arg-type]
        calls = iter(_calls(records))
        waiting, inside = next(calls, None), [_Span(sys.maxsize, None)]
        for record in records:
            while waiting is not None and waiting[0] < record.number:
                while inside[-1].end < waiting[1].end:
                    inside.pop()
                if waiting[1].call is not None:
                    waiting[1].call.around = inside[-1].call
                inside.append(waiting[1])
                waiting = next(calls, None)
            while inside[-1].end < record.number:
                inside.pop()
            if not isinstance(record.rule, Part):
                self._add(record, parts.get(record), inside[-1].call)
        found = self.finished([self._read(t._node, t._array, None) for t in results])
        found.names = named(calls_of(self.equations), whole)
        by_node = {t._node: path for t, path in found.names.items() if t._node is not None}
        for variable in found.of_kind("memory"):
            variable.name = by_node.get(variable.source, variable.name)
        return found

    def _add(self, record: Record, parts: list[Record] | None, call: Call | None) -> None:
        guards = record.guards or [None] * len(record.values)
        operands = [
            self._read(parent, value, getattr(guard, "name", None))
            for value, parent, guard in zip(record.values, record.parents, guards, strict=True)
        ]
        made = parts or [record]
        results = [self._place("result", self.values.get(node, node.out), node) for node in made]
        equation = Equation("call", record.rule, operands, record.kwargs, results, "")
        equation.call, equation.record = call, record
        if parts:
            rules: list[Any] = [part.rule for part in parts]
            several: Several = parts[0].values[0]
            equation.count = len(several.forms)
            if len(parts) < equation.count:
                equation.fn = chosen(equation.fn, [rule.index for rule in rules])
            for result, rule in zip(results, rules, strict=True):
                result.field = rule.field
        for result in results:
            result.made = equation
        self.equations.append(equation)
        self._numbers.append(record.number)

    def _read(self, node: Node | None, value: Any, name: str | None) -> Any:
        """The variable of an operand, or the operand itself if it is no array."""
        if node is not None:
            if node not in self.places:
                self._place("memory", value, node)
            return self.places[node]
        if not hasattr(value, "dtype") or isinstance(value, np.generic):
            return value
        if id(value) not in self.constants:
            constant = self.constants[id(value)] = self._remember("constant", value)
            constant.name = name
        return self.constants[id(value)]

    def _place(self, kind: str, value: Any, node: Node) -> Variable:
        variable = self.places[node] = self._remember(kind, value, node)
        variable.name = getattr(node, "name", None)
        return variable


class _Span:
    """A module's call, up to the number of its last record."""

    def __init__(self, end: int, call: Call | None) -> None:
        self.end = end
        self.call = call


def _calls(records: list[Record]) -> list[tuple[int, _Span]]:
    """The calls of modules whose results these are, with the numbers at which they began."""
    found: dict[int, _Span] = {}
    for record in records:
        origin = record.origin
        while origin is not None:
            module, kind, start, origin = origin
            span = found.setdefault(start, _Span(record.number, Call(module, kind)))
            span.end = max(span.end, record.number)
    return [(start, found[start]) for start in sorted(found)]


def add_backward(recorder: Recorder, results: Iterable[Tensor]) -> list[Variable]:
    """Let a recorder write down the backward pass of ``results``, from cotangents of ones.

    Returns the gradients, those too of leaves that nobody holds.
    """
    gradients = []
    roots, before = [t for t in results if t._node is not None], len(recorder.equations)
    mode.capture, outer = recorder, mode.capture
    try:
        seeds = [(t._node, np.ones_like(t)) for t in roots]
        for leaf, cotangent in sweep(seeds, retain=True, wrap=Tensor).items():  # type: ignore[arg-type]
            gradients.append(recorder.variable(cotangent))
            tensor = leaf.tensor()  # type: ignore[union-attr] # a sweep without targets
            if tensor is not None:
                recorder.deliver(tensor, cotangent)
    finally:
        mode.capture = outer
        for equation in recorder.equations[before:]:  # nobody has written a line for it
            equation.line = equation.of.line if equation.of is not None else ""
    return gradients
