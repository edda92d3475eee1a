"""Computation graphs as pictures: modules, operations, parameters, inputs and the result."""

import inspect
from typing import Any

from ..autodiff.rules.table import Part, Several
from ..autodiff.tensor import Tensor
from ..nn.module import Module
from ..replay import Program, Replay
from . import labels, program, trace
from .canvas import Graph, box_title, counted_parameters, drawing, html
from .fitting import Drawn, Picture, fit


def graph(
    tensor_or_module: Tensor | Module | Replay | Program,
    *example_inputs: Any,
    values: bool = False,
    max_nodes: int = 60,
) -> Graph:
    """The computation graph of a result, of a module run on example inputs, or of a replayed step.

    A module runs on a copy of itself, so neither its state nor its gradients change, and also
    inside ``no_grad``. Its modules are boxes; where the picture would have more than ``max_nodes``
    nodes they become one node each, and what is too long even so loses its middle. ``values`` shows
    the value of each node (of arrays above 16 elements the range), and its gradient where the
    result has one element. The same graph gives the same DOT text in every process.

    Of a step made by ``tg.replay``, or its ``program``, the equations that are run are shown, and
    where their results lie: in a buffer of their own (``new b3``), in that of an operand, in one
    that is delivered as a gradient, or as a view. What comes from one line of the step is a box.

    Raises TapeError for a graph that was never recorded or that backward has released, TypeError
    for inputs that do not fit, ValueError for ``max_nodes`` below 3, ReplayError for a step that is
    not captured yet.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> picture = tg.draw.graph(np.sum(w**2))
    >>> "sum" in picture.source
    True
    """
    if max_nodes < 3:
        raise ValueError(f"max_nodes={max_nodes}: a picture needs at least 3 nodes.")
    if isinstance(tensor_or_module, (Replay, Program)):
        if example_inputs or values:
            raise TypeError("a replayed step is drawn as it was captured: graph(step).")
        return _of_program(tensor_or_module, max_nodes)
    if isinstance(tensor_or_module, Module):
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
    picture = fit(traced, max_nodes)
    shown = _values(traced, picture) if values else [[] for _ in picture.nodes]

    def label(i: int, node: Drawn) -> str:
        return _node_label(traced, node, shown[i])

    return drawing(traced, picture, label, _heading(traced, title))


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


def _node_label(traced: trace.Trace, node: Drawn, shown: list[str]) -> str:
    item = node.item
    if node.kind == "gap":
        parts = ((node.modules, "module"), (node.operations, "operation"))
        hidden = ", ".join(labels.counted(count, noun) for count, noun in parts if count)
        return html(f"… {hidden} …", counted_parameters(node.parameters))
    array = labels.escape(labels.kind_of_array(item.array))
    if node.kind == "module":
        box = traced.boxes[node.module]
        told = node.operations != 1 or box.title.lower().startswith(item.formula.lower())
        only = [] if told else [labels.escape(item.formula)]
        return html(box_title(box), [*counted_parameters(box.parameters), *only, array])
    title = item.name or ("variable" if item.kind == "parameter" else item.kind)
    if node.kind == "operation":
        title = f"{item.name} = {item.formula}" if item.name else item.formula
    return html(title, [array, *shown])


def _values(traced: trace.Trace, picture: Picture) -> list[list[str]]:
    """For each node the lines that show its value and gradient."""
    results = [item for item in traced.items if item.kind == "result"]
    hidden = "module", "gap"
    whole = [None if node.kind in hidden else node.item for node in picture.nodes]
    whole = [None if item and isinstance(item.array, Several) else item for item in whole]
    items = [item for item in whole if item is not None]
    root = traced.items[results[0].sources[0]]
    found: list[Any] = [None] * len(items)
    if len(results) == 1 and root.array.size == 1:
        found = trace.gradients(items, root)
    slopes = iter(found)
    return [[] if item is None else _value_lines(item.array, next(slopes)) for item in whole]


def _value_lines(value: Any, slope: Any) -> list[str]:
    """Value and gradient: numbers on one line, small matrices in rows below the word."""
    lines = []
    for word, array in (("value", value), ("grad", slope)):
        if array is None:
            continue
        rows = [labels.escape(row, longest=200) for row in labels.contents(array)]
        if len(rows) == 1:
            lines.append(f"{word} {rows[0]}")
            continue
        lines.append(word)
        lines += [f'<font face="Courier">{row.replace(" ", "&#160;")}</font>' for row in rows]
    return lines


def _heading(traced: trace.Trace, title: str) -> str:
    """What the picture shows."""
    items = traced.items
    parts = [isinstance(getattr(item.node, "rule", None), Part) for item in items]
    operations = sum(item.kind == "operation" for item in items) - sum(parts)
    if title:
        parameters = traced.boxes[0].parameters
    else:
        parameters = sum(item.array.size for item in items if item.kind == "parameter")
    facts = [labels.counted(parameters, "parameter"), labels.counted(operations, "operation")]
    return f"<b>{labels.escape(title)}</b>, " * bool(title) + ", ".join(facts)
