"""Computation graphs as pictures: modules, operations, parameters, inputs and the result."""

from pathlib import Path
from typing import Any

import graphviz

from ..autodiff.tensor import Tensor
from ..nn.module import Module
from . import labels, render, trace
from .fitting import Drawn, Picture, fit

FONT = "Helvetica"  # one name: Graphviz knows the widths of its letters
INK, FAINT = "#1a1a1a", "#444444"

# Shape, border and brightness differ as well as the colour, so that grey prints can be read too.
STYLES: dict[str, dict[str, str]] = {
    "input": {"shape": "ellipse", "fillcolor": "#cfe6f7", "color": "#1f5f99"},
    "parameter": {"shape": "note", "fillcolor": "#fde5c4", "color": "#8f5200"},
    "constant": {"style": "filled,dashed", "fillcolor": "#efefef", "color": "#5f5f5f"},
    "operation": {"style": "filled,rounded", "fillcolor": "#ffffff", "color": "#333333"},
    "module": {"peripheries": "2", "fillcolor": "#e6dff5", "color": "#55389a"},
    "gap": {"style": "dashed", "color": "#5f5f5f"},
    "result": {"shape": "octagon", "fillcolor": "#cdebd2", "color": "#1b642c", "penwidth": "2.2"},
}
BOX = {
    "style": "filled,rounded",
    "fillcolor": "#f6f4fb",
    "color": "#8f7cc0",
    "margin": "10",
    "labeljust": "l",
}

SIDE = {"color": "#8a8a8a"}
LEAVES = ("parameter", "constant")


class Graph(graphviz.Digraph):  # type: ignore[misc]
    """A Digraph that shows and renders itself also where graphviz-pure is the only program."""

    def pipe(self, format: str | None = None, *, encoding: str | None = None) -> bytes | str:
        """The picture (svg unless told otherwise) as bytes, with ``encoding`` as text.

        Raises RenderError where no installed program can draw it.
        """
        drawn = render.picture(self.source, format or self.format)
        return drawn if encoding is None else drawn.decode("utf-8")

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *,
        outfile: Any = None,
        quiet: bool = False,
        quiet_view: bool = False,
    ) -> str:
        """Write the DOT text to ``filename`` and the picture beside it; return the picture's path.

        As in graphviz, the picture's name is ``filename`` with ``.format`` added, or ``outfile``; a
        ``filename`` that ends like a picture (``net.svg``) is taken as ``outfile``. ``cleanup``
        removes the DOT text, ``view`` opens the picture. Raises RenderError, after the DOT text was
        written, where no installed program can draw it.
        """
        del quiet  # the renderer says nothing unless it fails
        if outfile is None and format is None and render.is_picture(filename):
            filename, outfile = None, filename
        if outfile is None:
            source = Path(self.save(filename, directory=directory))
            picture = source.with_name(f"{source.name}.{format or self.format}")
        else:
            picture = Path(directory or "", outfile)
            text = filename or picture.with_suffix(".dot").name
            source = Path(self.save(text, directory=picture.parent))
        render.write(self.source, picture, format)
        if cleanup:
            source.unlink()
        if view or quiet_view:
            graphviz.view(str(picture), quiet=quiet_view)
        return str(picture)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """What a notebook shows: the picture, or the DOT text and what to install."""
        try:
            return super()._repr_mimebundle_(include, exclude)
        except render.RenderError as error:
            return {"text/plain": f"{error}\n\n{self.source}"}


def graph(
    tensor_or_module: Tensor | Module,
    *example_inputs: Any,
    values: bool = False,
    max_nodes: int = 60,
) -> Graph:
    """The computation graph of a result, or of a module run on example inputs.

    A module runs on a copy of itself, so neither its state nor its gradients change, and also
    inside ``no_grad``. Its modules are boxes; where the picture would have more than ``max_nodes``
    nodes they become one node each, and what is too long even so loses its middle. ``values`` shows
    the value of each node (of arrays above 16 elements the range), and its gradient where the
    result has one element. The same graph gives the same DOT text in every process.

    Raises TapeError for a graph that was never recorded or that backward has released, TypeError
    for inputs that do not fit, ValueError for ``max_nodes`` below 3.
    """
    if max_nodes < 3:
        raise ValueError(f"max_nodes={max_nodes}: a picture needs at least 3 nodes.")
    if isinstance(tensor_or_module, Module):
        traced = trace.of_module(tensor_or_module, example_inputs)
        title = traced.boxes[0].title
    elif not isinstance(tensor_or_module, Tensor):
        raise TypeError(
            f"graph draws a Tensor or a Module, not {type(tensor_or_module).__name__}; "
            "call graph(loss) or graph(module, x)."
        )
    elif example_inputs:
        raise TypeError("a Tensor has its graph already; give example inputs with a module only.")
    else:
        traced, title = trace.of_tensor(tensor_or_module), ""
    picture = fit(traced, max_nodes)
    shown = _values(traced, picture) if values else [[] for _ in picture.nodes]
    drawn = Graph(
        format="svg",
        graph_attr={
            "label": _caption(traced, picture, title),
            "labelloc": "t",
            "fontname": FONT,
            "bgcolor": "white",
            "newrank": "true",
            "ordering": "in",
            "ranksep": "0.3",
            "nodesep": "0.3",
        },
        node_attr={
            "shape": "box",
            "style": "filled",
            "fontname": FONT,
            "fontsize": "12",
            "fontcolor": INK,
            "margin": "0.12,0.06",
            "height": "0.3",
        },
        edge_attr={"color": FAINT, "arrowsize": "0.7"},
    )
    _write_nodes(drawn, traced, picture, shown)
    main = _main_line(picture)
    for tail, head in picture.edges:
        drawn.edge(f"n{tail}", f"n{head}", **({"weight": "8"} if tail in main else SIDE))
    for tail, head in _stacking(traced, picture):
        drawn.edge(f"n{tail}", f"n{head}", style="invis", weight="0")
    inputs = [f"n{i}" for i, node in enumerate(picture.nodes) if node.kind == "input"]
    if inputs:
        drawn.body.append(f"\t{{ rank=source; {'; '.join(inputs)} }}\n")
    return drawn


def _write_nodes(
    drawn: Graph, traced: trace.Trace, picture: Picture, shown: list[list[str]]
) -> None:
    """All nodes, those of a module between the braces of its box."""
    inside: dict[int, list[int]] = {}
    for i, node in enumerate(picture.nodes):
        inside.setdefault(node.box, []).append(i)
    used = {0}
    for box in inside:
        while box not in used:
            used.add(box)
            box = traced.boxes[box].parent
    children: dict[int, list[int]] = {}
    for box in sorted(used - {0}):
        children.setdefault(traced.boxes[box].parent, []).append(box)
    stack = [0]
    while stack:
        box = stack.pop()
        if box < 0:
            drawn.body.append("\t}\n")
            continue
        if box:
            call = traced.boxes[box]
            drawn.body.append(f"\tsubgraph cluster_{box} {{\n")
            label = _html(_module_title(call), _parameters(call.parameters))
            drawn.attr(label=label, **BOX)
            stack.append(-1)
        for i in inside.get(box, ()):
            node = picture.nodes[i]
            drawn.node(f"n{i}", _node_label(traced, node, shown[i]), **STYLES[node.kind])
        stack.extend(reversed(children.get(box, ())))


def _main_line(picture: Picture) -> set[int]:
    """The nodes that depend on an input, or where there is none all operations."""
    main = {i for i, node in enumerate(picture.nodes) if node.kind == "input"}
    for tail, head in picture.edges:  # in an order of computation
        if tail in main:
            main.add(head)
    return main or {i for i, node in enumerate(picture.nodes) if node.kind not in LEAVES}


def _stacking(traced: trace.Trace, picture: Picture) -> list[tuple[int, int]]:
    """Invisible edges that put a module's parameters below what enters it.

    Without them modules stand beside each other like stairs, because the weight of the next one is
    needed no sooner than its input.
    """
    entering: dict[int, int] = {}
    for tail, head in picture.edges:
        box, outside = picture.nodes[head].box, picture.nodes[tail].box
        while box and traced.common(box, outside) != box:
            entering.setdefault(box, tail)
            box = traced.boxes[box].parent
    return [
        (entering[node.box], i)
        for i, node in enumerate(picture.nodes)
        if node.kind in LEAVES and node.box in entering
    ]


def _html(title: str, details: list[str]) -> str:
    """A label of one strong line and smaller ones that are escaped already."""
    small = [f'<br/><font point-size="10" color="{FAINT}">{line}</font>' for line in details]
    return f"<<b>{labels.escape(title)}</b>{''.join(small)}>"


def _module_title(box: trace.Box) -> str:
    return f"{box.path}: {box.title}" if box.path else box.title


def _parameters(count: int) -> list[str]:
    return [labels.counted(count, "parameter")] if count else []


def _node_label(traced: trace.Trace, node: Drawn, shown: list[str]) -> str:
    item = node.item
    if node.kind == "gap":
        parts = ((node.modules, "module"), (node.operations, "operation"))
        hidden = ", ".join(labels.counted(count, noun) for count, noun in parts if count)
        return _html(f"… {hidden} …", _parameters(node.parameters))
    array = labels.escape(labels.kind_of_array(item.array))
    if node.kind == "module":
        box = traced.boxes[node.module]
        told = node.operations != 1 or box.title.lower().startswith(item.formula.lower())
        only = [] if told else [labels.escape(item.formula)]
        return _html(_module_title(box), [*_parameters(box.parameters), *only, array])
    title = item.name or ("variable" if item.kind == "parameter" else item.kind)
    if node.kind == "operation":
        title = f"{item.name} = {item.formula}" if item.name else item.formula
    return _html(title, [array, *shown])


def _values(traced: trace.Trace, picture: Picture) -> list[list[str]]:
    """For each node the lines that show its value and gradient."""
    results = [item for item in traced.items if item.kind == "result"]
    whole = [node.item if node.kind not in ("module", "gap") else None for node in picture.nodes]
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


def _caption(traced: trace.Trace, picture: Picture, title: str) -> str:
    """What the picture shows, how much of it, and what the colours mean."""
    items = traced.items
    operations = sum(item.kind == "operation" for item in items)
    if title:
        parameters = traced.boxes[0].parameters
    else:
        parameters = sum(item.array.size for item in items if item.kind == "parameter")
    facts = [labels.counted(parameters, "parameter"), labels.counted(operations, "operation")]
    heading = f"<b>{labels.escape(title)}</b>, " * bool(title) + ", ".join(facts)
    if len(picture.nodes) < picture.whole:
        heading += f"; {len(picture.nodes)} of {picture.whole:,} nodes drawn"
    cells = []
    for kind, style in STYLES.items():
        if any(node.kind == kind for node in picture.nodes) and kind != "gap":
            fill, edge = style["fillcolor"], style["color"]
            word = f'<font point-size="10">{kind}</font>'
            cells.append(f'<td bgcolor="{fill}" color="{edge}">{word}</td>')
    span = len(cells)
    return (
        f'<<table border="0" cellborder="1" cellspacing="4" cellpadding="3">'
        f'<tr><td border="0" colspan="{span}">{heading}</td></tr><tr>{"".join(cells)}</tr></table>>'
    )
