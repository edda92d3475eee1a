"""Computation graphs as pictures: modules, operations, parameters, inputs and the result."""

import inspect
from typing import Any

from ..arguments import one_of
from ..arguments import whole as number
from ..autodiff.rules.table import Several
from ..autodiff.tensor import Tensor
from ..markup import counted
from ..nn.module import Module
from ..recording import Recording
from ..replay import Program, Replay
from . import hover, labels, program, trace
from .canvas import Detail, Graph, drawing, node_label
from .colours import COLOURS, Colouring
from .fitting import Picture, fit
from .repeats import folded

BESIDE = 4  # columns of a matrix beside which its gradient has room
HIDING = ("module", "gap")  # kinds of nodes that stand for several
SAID = {"gradient": "the root mean square of the gradient that arrives"}
CHEAP = 1e7  # elements, and 1000 for each operation, for each gradient that nobody asked for


def graph(
    tensor_or_module: Tensor | Module | Replay | Program | Recording,
    *example_inputs: Any,
    values: bool = False,
    max_nodes: int = 60,
    fold: bool = True,
    colour: str | None = None,
) -> Graph:
    """The computation graph of a result, of a module run on example inputs, or of a replayed step.

    A module runs on a copy of itself, so neither its state nor its gradients change, and also
    inside ``no_grad``. Its modules are boxes; where the picture would have more than ``max_nodes``
    nodes they become one node each, and what is too long even so loses its middle. ``values`` shows
    the value of each node (of arrays above 16 elements the range), and its gradient where the
    result has one element. In SVG the pointer shows them, and the local rule. Four or more equal
    blocks one after the other, or steps of a loop, are one box that says how many there are
    ("× 20"), with the names and values of the first; a dashed arrow leads from one to the next.
    With ``fold=False`` all are drawn. The same graph gives the same DOT text in every process.

    Of a step made by ``tg.replay``, or its ``program``, the equations that are run are shown, and
    where their results lie: in a buffer of their own (``new b3``), in that of an operand, in one
    that is delivered as a gradient, or as a view. What comes from one line of the step is a box.

    Of a recording (``tg.trace``, ``tg.tape_of``) both passes are drawn. ``colour`` fills the
    operations by what they cost, pale to dark: the ``"bytes"`` of their results, their
    ``"time"``, or the size of the ``"gradient"`` that arrives (its root mean square, by order of
    magnitude); the legend says what palest and darkest are, and what has no fill. Modules in which
    the colours differ are open as far as there is room, and gradients are not drawn once for
    several blocks.

    Raises TapeError for a graph that was never recorded or that backward has released, TypeError
    for inputs that do not fit, ValueError for ``max_nodes`` below 3, ReplayError for a step that is
    not captured yet.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> picture = tg.draw.graph(np.sum(w**2))
    >>> "sum" in picture.source
    True
    """
    number("graph", "max_nodes", max_nodes, least=3)
    if isinstance(tensor_or_module, (Replay, Program)):
        if example_inputs or values:
            raise TypeError("a replayed step is drawn as it was captured: graph(step).")
        return _of_program(tensor_or_module, max_nodes)
    one_of("graph", "colour", colour, COLOURS)
    if isinstance(tensor_or_module, Recording):
        if example_inputs:
            raise TypeError("a recording is drawn as it is: graph(recording).")
        traced, title = trace.of_recording(tensor_or_module), tensor_or_module.title
    elif colour is not None:
        raise TypeError("colour= is for recordings: graph(tg.trace(fn, x), colour=...).")
    elif isinstance(tensor_or_module, Module):
        traced = trace.of_module(tensor_or_module, example_inputs)
        title = traced.boxes[0].title
    elif not isinstance(tensor_or_module, Tensor):
        raise TypeError(
            f"graph draws a Tensor, a Module or a replayed step, not "
            f"{type(tensor_or_module).__name__}; call graph(loss), graph(module, x) or graph(step)."
        )
    elif example_inputs:
        raise TypeError("a Tensor has its graph already; give example inputs with a module only.")
    else:
        traced, title = trace.of_tensor(tensor_or_module), ""
    whole = traced
    traced = folded(whole) if fold and colour != "gradient" else whole
    colouring = None if colour is None else Colouring(traced, colour)
    picture = fit(traced, max_nodes, {} if colouring is None else colouring.spreads())
    picture.whole = len(whole.items)
    slopes = _slopes(traced, picture, values)
    heading = _heading(whole, title)
    filled, legend = ({}, {}) if colouring is None else colouring.fills(picture)
    if colour is not None:
        heading += f"; filled by {SAID.get(colour, colour)}"

    nodes: list[dict[str, str]] = []
    for i, (node, slope) in enumerate(zip(picture.nodes, slopes, strict=True)):
        shown = values and node.kind not in HIDING and not isinstance(node.item.array, Several)
        lines = _value_lines(node.item.array, slope) if shown else []
        nodes.append({"label": node_label(traced, node, lines)})
        if i in filled:
            nodes[i]["fillcolor"] = filled[i]
        if node.kind != "gap" and (said := hover.text(node.item, slope, node.operations < 2)):
            nodes[i]["tooltip"] = labels.quoted(said)
    return drawing(traced, picture, nodes, heading, legend=legend)


def _of_program(step: Replay | Program, max_nodes: int) -> Graph:
    """A step's program, with the names that the step gives its arguments."""
    if isinstance(step, Program):
        return program.picture(step, "replayed step", [], max_nodes)
    try:
        parameters = list(inspect.signature(step.fn).parameters)
    except (TypeError, ValueError):  # a callable that does not say
        parameters = []
    title = getattr(step.fn, "__name__", type(step.fn).__name__)
    return program.picture(step.program, title, parameters, max_nodes)


def _slopes(traced: trace.Trace, picture: Picture, exactly: bool) -> list[Any]:
    """The gradient of each node, None where there is none; unless ``exactly`` only if cheap."""
    nodes = [None if node.kind == "gap" else node.item for node in picture.nodes]
    items = [None if item and isinstance(item.array, Several) else item for item in nodes]
    if any(item.equation is not None and item.equation.cotangent for item in traced.items):
        return [_cotangent(item) for item in items]
    results = [item for item in traced.items if item.kind == "result"]
    root = traced.items[results[0].sources[0]] if len(results) == 1 else None
    if root is None or root.node is None or getattr(root.array, "size", 0) != 1:
        return [None] * len(items)
    cost = sum(getattr(item.array, "size", 0) + 1000 for item in traced.items) * len(items)
    if not exactly and cost > CHEAP:
        return [None] * len(items)
    try:
        found = trace.gradients([item for item in items if item is not None], root)
    except Exception:  # a rule may refuse, and the graph can be drawn all the same
        if exactly:
            raise
        return [None] * len(items)
    slopes = iter(found)
    return [None if item is None else next(slopes) for item in items]


def _cotangent(item: trace.Item | None) -> Any:
    """What arrives at an operation in a recorded backward pass."""
    equation = None if item is None else item.equation
    found = None if equation is None or equation.count else equation.cotangent
    return None if found is None else found.array


def _value_lines(value: Any, slope: Any) -> list[Detail]:
    """Value and gradient: a number or range on a line each, a vector beside or below its word.

    A matrix stands below its word, and its gradient beside it where both have few columns.
    """
    found = [("value", value), ("grad", slope)] if slope is not None else [("value", value)]
    shown = [(word, labels.contents(array)) for word, array in found]
    tables = [[word, *rows[0]] for word, rows in shown if isinstance(rows, list)]
    if tables and value.ndim == 1:
        too_wide = len(tables[0]) > labels.ACROSS + 1
        return [[list(row) for row in zip(*tables, strict=True)] if too_wide else tables]
    if tables and len(tables[0]) <= BESIDE + 1:
        wide = len(tables[0]) - 1
        blocks: list[Any] = [
            [[(word, wide)], *(row if any(row) else [""] * wide for row in rows)]
            for word, rows in shown
        ]
        if len(blocks) == 1:
            return blocks
        return [[[*left, "", *right] for left, right in zip(*blocks, strict=True)]]
    lines: list[Detail] = []
    for word, rows in shown:
        lines += [word, rows] if isinstance(rows, list) else [f"{word} {labels.escape(rows, 200)}"]
    return lines


def _heading(traced: trace.Trace, title: str) -> str:
    items = traced.items
    operations = sum(bool(item.operation) for item in items)
    if traced.boxes[0].title:
        parameters = traced.boxes[0].parameters
    else:
        parameters = sum(item.array.size for item in items if item.kind == "parameter")
    facts = [counted(parameters, "parameter"), counted(operations, "operation")]
    return f"<b>{labels.escape(title)}</b>, " * bool(title) + ", ".join(facts)
