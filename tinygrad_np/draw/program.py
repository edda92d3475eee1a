"""The program of a replayed step as something to be drawn: its equations, line by line."""

import linecache
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ..autodiff.tensor import Tensor
from ..recording.equations import Equation, Variable
from ..recording.text import Row
from ..replay.program import Program
from ..replay.rows import RowLoop
from ..replay.show import rows
from . import labels
from .canvas import Graph, box_title, counted_parameters, drawing, html
from .fitting import Drawn, fit
from .trace import Box, Item, Kind, Trace

WORDS = {"module": "several equations"}


@dataclass
class Group:
    """Equations that run one after the other, and what is said of them."""

    title: str
    parts: Sequence["Row | Group"]
    is_loop: bool = False


@dataclass
class Made(Item):
    """What an equation makes: the operation's name, and where the result lies."""

    operation: str = ""
    memory: str = ""


def picture(program: Program, title: str, inputs: Sequence[str], max_nodes: int) -> Graph:
    """The program as a graph.

    Equations that come from one line of the step stand in a box, and so does a loop over blocks of
    rows. Where there would be more than ``max_nodes`` nodes, a product with what follows it is one
    node, then each line, then each loop; what is too long even so loses its middle. ``inputs`` are
    the names of the arguments, if known.
    """
    names = _names(program, inputs)
    traced = _traced(program, _lines(rows(program), program), names)
    if len(traced.items) > max_nodes:
        chained = _chained(_lines(rows(program), program))
        traced = _traced(program, chained, names)
    chosen = fit(traced, max_nodes)

    def label(_: int, node: Drawn) -> str:
        return _label(traced, node)

    return drawing(traced, chosen, label, _heading(program, title, traced), WORDS)


def _names(program: Program, inputs: Sequence[str]) -> dict[Any, str]:
    """What the Tensors of the captured modules are called, and the inputs, by place."""
    names: dict[Any, str] = {}
    for module in program.guards.modules:
        for path, tensor in module.named_tensors():
            names.setdefault(tensor, path)
        for path, tensor in module.named_parameters():
            names.setdefault(tensor, path)
    single = len(inputs) == len(program.inputs)
    for place, variable in enumerate(program.inputs):
        names[variable.number] = inputs[place] if single else f"argument {place}"
    return names


# Which equations belong together.


def _lines(found: Sequence[Row], program: Program) -> list[Row | Group]:
    """The equations in groups: loops, and runs that come from one line."""
    plain: list[Row | Group] = []
    left = iter(found)
    for row in left:
        loop = row.equation.fn
        if not isinstance(loop, RowLoop):
            plain.append(row)
            continue
        inner = program.binding.loops[row.equation].plan
        assert inner is not None
        size = loop.blocks[0].stop - loop.blocks[0].start
        title = f"{len(loop.blocks)} times, for blocks of {size:,} rows"
        sums = {v.number for v in loop.sums}
        inside = [_added_up(next(left), sums) for _ in inner.equations]
        plain.append(Group(title, list(_runs(inside)), is_loop=True))
    return list(_runs(plain))


def _added_up(row: Row, sums: set[int]) -> Row:
    """A row of a loop, which says so if its result is added to that of the other blocks."""
    if not any(v.number in sums for v in row.equation.results):
        return row
    return replace(row, place=f"{row.place}, added up")


def _runs(parts: Sequence[Row | Group]) -> Iterator[Row | Group]:
    """Rows of the same line one after the other as one group."""
    for line, run in groupby(parts, lambda part: part.line if isinstance(part, Row) else None):
        members = list(run)
        if line is None or len(members) == 1:
            yield from members
        else:
            yield Group(_shown_line(line), members)


def _shown_line(line: str) -> str:
    """``line 12: loss.backward()``, or where the file says no more ``train.py:12``."""
    file, _, number = line.rpartition(":")
    if not file:
        return "elsewhere"
    text = linecache.getline(file, int(number)).strip()
    return f"line {number}: {text}" if text else f"{Path(file).name}:{number}"


def _chained(parts: Iterable[Row | Group]) -> list[Row | Group]:
    """The same with smaller groups inside those of a line: products and what follows them."""
    found: list[Row | Group] = []
    for part in parts:
        if isinstance(part, Row):
            found.append(part)
        elif any(isinstance(inner, Group) for inner in part.parts):
            found.append(Group(part.title, _chained(part.parts), part.is_loop))
        else:
            found.append(Group(part.title, _chains(part.parts)))
    return found


def _chains(members: Sequence[Any]) -> list[Row | Group]:
    """A line's rows, cut before products that follow something else; views go with what comes."""
    chains: list[list[Row]] = [[]]
    views: list[Row] = []
    after_product = True
    for row in members:
        if row.place.startswith("view"):
            views.append(row)
            continue
        if row.is_product and not after_product:
            chains.append([])
        chains[-1] += [*views, row]
        views = []
        after_product = row.is_product
    chains[-1] += views
    if len(chains) == 1:
        return list(members)
    found: list[Row | Group] = []
    for chain in chains:
        found += chain if len(chain) < 2 else [Group("", chain)]
    return found


# What there is to draw.


def _traced(program: Program, parts: Sequence[Row | Group], names: dict[Any, str]) -> Trace:
    """The items of the equations in their groups, and of what they read and leave."""
    tracer = _Tracer(program, names)
    tracer.add(parts, 0)
    return tracer.finished()


class _Tracer:
    """Turns equations into items. Variables are known by number: those of a loop have the same."""

    def __init__(self, program: Program, names: dict[Any, str]) -> None:
        self.program = program
        self.names = names
        self.made = Trace([], [Box("", "", 0, 0, 0)])
        self.places: dict[int, int] = {}
        self.delivered: dict[Tensor, int] = {}
        self.loops: set[int] = set()  # boxes of loops, and those in them

    def add(self, parts: Sequence[Row | Group], around: int) -> None:
        """Equations and groups that lie in the box ``around``."""
        for part in parts:
            if isinstance(part, Row):
                self._add_row(part, around)
                continue
            depth = self.made.boxes[around].depth + 1
            self.made.boxes.append(Box("", part.title, 0, around, depth))
            box = len(self.made.boxes) - 1
            if part.is_loop or around in self.loops:
                self.loops.add(box)
            self.add(part.parts, box)

    def finished(self) -> Trace:
        """Everything, with the results of the step."""
        outputs = self.program.plan.outputs
        for k, variable in enumerate(outputs, 1):
            name = "result" if len(outputs) == 1 else f"result {k}"
            self._add(Item("result", name, "", variable, [self._place(variable, 0)]))
        for item in self.made.items:
            box = item.box
            while item.kind == "parameter" and box:
                self.made.boxes[box].parameters += item.array.size
                box = self.made.boxes[box].parent
        return self.made

    def _add(self, item: Item) -> int:
        self.made.items.append(item)
        return len(self.made.items) - 1

    def _add_row(self, row: Row, box: int) -> None:
        equation = row.equation
        sources = [self._place(v, box) for v in equation.reads if not _is_number(v)]
        if equation.kind == "deliver":
            self._deliver(equation, sources, box)
            return
        if equation.kind in ("effect", "become", "write"):
            self._add_effect(row, sources, box)
            return
        names = ", ".join(map(repr, equation.results))
        array = equation.results[0] if equation.results else None
        formula = _formula(equation)
        place = self._add(
            Made("operation", names, formula, array, sources, None, box, equation.name, row.place)
        )
        for result in equation.results:
            self.places[result.number] = place

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

    def _add_effect(self, row: Row, sources: list[int], box: int) -> None:
        """What works outside of the step; an optimiser reads the gradients of its parameters."""
        equation = row.equation
        if equation.kind == "effect":
            name = row.operation.removesuffix("()")
            params = getattr(equation.fn, "params", self.delivered)
            sources = [self.delivered[t] for t in params if t in self.delivered]
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
        if variable.number not in self.places:
            kind, name, array = self._source(variable)
            where = 0 if kind == "input" else box
            self.places[variable.number] = self._add(Item(kind, name, "", array, box=where))
        return self.places[variable.number]

    def _source(self, variable: Variable) -> tuple[Kind, str | None, Any]:
        """Kind, name and array of something that no equation makes."""
        known = self.names.get(variable.number)
        if known is not None:
            whole = next(v for v in self.program.inputs if v.number == variable.number)
            return "input", known, whole
        if variable.kind == "constant":
            return "constant", None, variable
        name = self._name(variable.source)
        if variable.kind == "entry":
            return "constant", f"{name or 'tensor'}.grad before", variable.source
        kind: Kind = "parameter" if variable.source.requires_grad else "constant"
        return kind, name, variable.source


def _is_number(variable: Variable) -> bool:
    """Whether it is written into the operation."""
    return variable.kind == "constant" and variable.shape == ()


def _formula(equation: Equation) -> str:
    """``row_product``, ``· ÷ 64``, ``sum(·, axis=1)``."""
    operands = [
        v.array[()] if isinstance(v, Variable) and _is_number(v) else v for v in equation.operands
    ]
    drawn = [isinstance(v, Variable) for v in operands]
    return labels.written(equation.name, equation.fn, operands, drawn, equation.options)


# What is written.


def _heading(program: Program, title: str, traced: Trace) -> str:
    """What the program is, and what it costs in calls and memory."""
    equations = sum(item.kind not in SOURCES for item in traced.items)
    pools = program.binding.memory()
    facts = [
        f"<b>{labels.escape(title)}</b>, {labels.counted(equations, 'equation')} of "
        f"{program.plan.captured:,} captured",
        f"{labels.counted(len(program.binding.instructions), 'call')}, "
        f"{labels.counted(len(pools), 'buffer')} of {sum(pools):,} bytes in all",
    ]
    return "<br/>".join(facts)


SOURCES = ("input", "parameter", "constant", "result")


def _label(traced: Trace, node: Drawn) -> str:
    item = node.item
    if node.kind == "gap":
        parts = ((node.modules, "group"), (node.operations, "operation"))
        hidden = ", ".join(labels.counted(count, noun) for count, noun in parts if count)
        return html(f"… {hidden} …", counted_parameters(node.parameters))
    array = [] if item.array is None else [labels.escape(labels.kind_of_array(item.array))]
    if node.kind == "module":
        return _group_label(traced, node)
    memory = [labels.escape(item.memory)] if isinstance(item, Made) and item.memory else []
    title = item.name or item.kind
    if node.kind == "operation":
        title = f"{item.name} = {item.formula}" if item.name else item.formula
    return html(title, [*array, *memory])


def _group_label(traced: Trace, node: Drawn) -> str:
    """A line of the step, or a chain of its equations: how many of which, and what they leave."""
    box = traced.boxes[node.module]
    inside = [item for item in traced.items if _is_in(traced, item.box, node.module)]
    common = ", ".join(dict.fromkeys(i.operation for i in inside if isinstance(i, Made)))
    gradients = sum(item.kind == "gradient" for item in inside)
    details = [f"{labels.counted(node.operations, 'operation')}"] if box.title else []
    details += [labels.escape(common)] if box.title else []
    details += counted_parameters(box.parameters)
    details += [labels.counted(gradients, "gradient")] if gradients else []
    if node.item.array is not None:
        details.append(labels.escape(labels.kind_of_array(node.item.array)))
    return html(box_title(box) or common, details)


def _is_in(traced: Trace, box: int, outer: int) -> bool:
    while box and box != outer:
        box = traced.boxes[box].parent
    return box == outer
