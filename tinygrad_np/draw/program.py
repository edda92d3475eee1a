"""The program of a replayed step as something to be drawn: its equations, line by line."""

import linecache
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ..markup import counted
from ..recording.text import Row
from ..replay.program import Program
from ..replay.rows import RowLoop
from ..replay.show import rows
from . import labels
from .canvas import Graph, box_title, counted_parameters, drawing, html, node_label
from .fitting import Drawn, fit
from .trace import SOURCES, Trace, Tracer

WORDS = {"module": "several equations"}


@dataclass
class Group:
    """Equations that run one after the other, and what is said of them."""

    title: str
    parts: Sequence["Row | Group"]
    is_loop: bool = False


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

    nodes = [{"label": _label(traced, node)} for node in chosen.nodes]
    return drawing(traced, chosen, nodes, _heading(program, title, traced), WORDS)


def _names(program: Program, inputs: Sequence[str]) -> dict[Any, str]:
    """What Tensors from outside are called, and the inputs, by place."""
    names = dict(program.names)
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
    tracer = Tracer(names, numbered=True)
    tracer.inputs = {v.number: (names[v.number], v) for v in program.inputs}
    _fill(tracer, parts, 0)
    made = tracer.finished(program.plan.outputs)
    for item in made.items:
        if item.kind == "parameter":
            for box in made.around(item.box):
                made.boxes[box].parameters += item.array.size
    return made


def _fill(tracer: Tracer, parts: Sequence[Row | Group], around: int) -> None:
    for part in parts:
        if isinstance(part, Row):
            tracer.add(part.equation, around, part.place)
        else:
            _fill(tracer, part.parts, tracer.box(part.title, around, part.is_loop))


# What is written.


def _heading(program: Program, title: str, traced: Trace) -> str:
    """What the program is, and what it costs in calls and memory."""
    equations = sum(item.kind not in SOURCES for item in traced.items)
    pools = program.binding.memory()
    facts = [
        f"<b>{labels.escape(title)}</b>, {counted(equations, 'equation')} of "
        f"{program.plan.captured:,} captured",
        f"{counted(len(program.binding.instructions), 'call')}, "
        f"{counted(len(pools), 'buffer')} of {sum(pools):,} bytes in all",
    ]
    return "<br/>".join(facts)


def _label(traced: Trace, node: Drawn) -> str:
    if node.kind == "module":
        return _group_label(traced, node)
    return node_label(traced, node, [labels.escape(node.item.memory)], "group")


def _group_label(traced: Trace, node: Drawn) -> str:
    """A line of the step, or a chain of its equations: how many of which, and what they leave."""
    box = traced.boxes[node.module]
    inside = [item for item in traced.items if node.module in traced.around(item.box)]
    common = ", ".join(dict.fromkeys(i.operation for i in inside if i.operation))
    gradients = sum(item.kind == "gradient" for item in inside)
    details = [f"{counted(node.operations, 'operation')}"] if box.title else []
    details += [labels.escape(common)] if box.title else []
    details += counted_parameters(box.parameters)
    details += [counted(gradients, "gradient")] if gradients else []
    if node.item.array is not None:
        details.append(labels.escape(labels.kind_of_array(node.item.array)))
    return html(box_title(box) or common, details)
