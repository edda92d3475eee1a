"""How every graph looks: styles, boxes, edges and caption, and the Digraph that shows itself."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import graphviz

from ..files import replacing
from ..markup import counted
from . import labels, page, render, trace
from .fitting import Drawn, Picture

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
    "gradient": {"shape": "invhouse", "fillcolor": "#f8d9e6", "color": "#96275e"},
    "effect": {"shape": "cds", "fillcolor": "#f4eca8", "color": "#665c00", "penwidth": "2.2"},
    "result": {"shape": "octagon", "fillcolor": "#cdebd2", "color": "#1b642c", "penwidth": "2.2"},
}
BOX = {
    "label": "",
    "style": "filled,rounded",
    "fillcolor": "#f6f4fb",
    "color": "#8f7cc0",
    "margin": "10",
}

SIDE = {"color": "#8a8a8a"}
LOOP = {
    "color": "#55389a",
    "style": "dashed",
    "tooltip": "what one repetition hands on to the next",
}
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
        leaves the DOT text out, ``view`` opens the picture. Raises RenderError where no installed
        program can draw it; then nothing is written.
        """
        del quiet  # the renderer says nothing unless it fails
        if filename is not None and outfile is format is None and render.is_picture(filename):
            filename, outfile = None, filename
        if outfile is None:
            text = Path(directory or self.directory, filename or self.filename)
            picture = text.with_name(f"{text.name}.{format or self.format}")
        else:
            picture = Path(directory or "", outfile)
            text = picture.with_name(filename or picture.with_suffix(".dot").name)
        drawn = render.picture_for(picture, self.source, format)
        picture.parent.mkdir(parents=True, exist_ok=True)
        contents = {picture: drawn} if cleanup else {text: self.source.encode(), picture: drawn}
        for path, content in contents.items():
            with replacing(path) as file:
                file.write(content)
        if view or quiet_view:
            graphviz.view(str(picture), quiet=quiet_view)
        return str(picture)

    def save(
        self, filename: Any = None, directory: Any = None, *, skip_existing: Any = False
    ) -> str:
        """Write the file as its name says: a picture (svg, png, pdf), or the DOT text (dot, gv).

        Returns the path. As ``tg.draw.save``, writes the DOT text beside and warns with
        RenderWarning where no installed program can draw. Raises DataError for another ending.
        """
        path = Path(directory or self.directory or "", filename or self.filename)
        if skip_existing and path.exists():
            return str(path)
        render.check_ending(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(render.save(self, path))

    def __repr__(self) -> str:
        heading = re.search(r'colspan="\d+">(.*?)</td>', self.graph_attr.get("label", ""))
        text = heading[1].replace("<br/>", ", ") if heading else self.name
        return f"Graph({unescape(re.sub('<[^>]*>', '', text))})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """What a notebook shows: the picture, or the DOT text and what to install.

        As HTML too: in an SVG image the pointer shows nothing.
        """
        try:
            shown = super()._repr_mimebundle_(include, exclude)
            if svg := shown.get("image/svg+xml"):
                shown["text/html"] = str(page.drawing(svg))
            return shown
        except render.RenderError as error:
            return {"text/plain": f"{error}\n\n{self.source}"}


def drawing(
    traced: trace.Trace,
    picture: Picture,
    nodes: Sequence[Mapping[str, str]],
    heading: str,
    words: Mapping[str, str] = MappingProxyType({}),
    legend: Mapping[str, str] = MappingProxyType({}),
) -> Graph:
    """The picture as a Digraph; ``nodes`` have the attributes that are not those of their kinds.

    ``heading`` (markup) stands above the legend; ``words`` are other names of kinds in it, and
    ``legend`` says what other colours mean.
    """
    drawn = Graph(
        format="svg",
        graph_attr={
            "label": _caption(picture, heading, words, legend),
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
    _write_nodes(drawn, traced, picture, nodes)
    main = _main_line(picture)
    for tail, head in picture.edges:
        drawn.edge(f"n{tail}", f"n{head}", **({"weight": "8"} if tail in main else SIDE))
    for tail, head in picture.loops:
        if tail > head:  # written downwards, so that it goes around the boxes between the two
            drawn.edge(f"n{head}", f"n{tail}", dir="back", weight="0", **LOOP)
        else:
            drawn.edge(f"n{tail}", f"n{head}", constraint="false", **LOOP)
    for above, below in _stacking(traced, picture):
        # a title stands close to what is in its box, which else would reach up to what enters it
        drawn.edge(above, below, style="invis", weight="1" if above.startswith("t") else "0")
    inputs = [f"n{i}" for i, node in enumerate(picture.nodes) if node.kind == "input"]
    if inputs:
        drawn.body.append(f"\t{{ rank=source; {'; '.join(inputs)} }}\n")
    return drawn


def _write_nodes(
    drawn: Graph, traced: trace.Trace, picture: Picture, nodes: Sequence[Mapping[str, str]]
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
            label = html(box_title(call), counted_parameters(call.parameters))
            drawn.attr(**BOX)
            drawn.node(f"t{box}", label, shape="plaintext", style="", margin="0", height="0")
            stack.append(-1)
        for i in inside.get(box, ()):
            drawn.node(f"n{i}", **{**STYLES[picture.nodes[i].kind], **nodes[i]})
        stack.extend(reversed(children.get(box, ())))


def _main_line(picture: Picture) -> set[int]:
    """The nodes that depend on an input, or where there is none all operations."""
    main = {i for i, node in enumerate(picture.nodes) if node.kind == "input"}
    for tail, head in picture.edges:  # in an order of computation
        if tail in main:
            main.add(head)
    return main or {i for i, node in enumerate(picture.nodes) if node.kind not in LEAVES}


def _stacking(traced: trace.Trace, picture: Picture) -> list[tuple[str, str]]:
    """Invisible edges: titles stand below what enters their module, and above all in it.

    A title is a node, so that arrows keep off it. What only the module needs would stand beside
    the module before, because it is needed no sooner than its input.
    """
    entering: dict[int, int] = {}
    fed: set[tuple[int, int]] = set()  # (box, node) where the node has a source in the box
    for tail, head in picture.edges:
        outside = picture.nodes[tail].box
        for box in traced.around(picture.nodes[head].box):
            if traced.common(box, outside) != box:
                entering.setdefault(box, tail)
            else:
                fed.add((box, head))
    edges: dict[tuple[str, str], None] = {}
    for i, node in enumerate(picture.nodes):
        below = f"n{i}"
        for box in traced.around(node.box):
            if (box, i) not in fed:
                edges[f"t{box}", below] = None
            if box in entering:
                edges[f"n{entering[box]}", f"t{box}"] = None
            below = f"t{box}"
    return list(edges)


Cell = str | tuple[str, int]  # the second one stands in the middle over so many columns
Detail = str | Sequence[Sequence[Cell]]  # a line that is escaped already, or rows of cells


def html(title: str, details: Sequence[Detail]) -> str:
    """A label of one strong line and smaller ones; rows of cells are a table in Courier."""
    strong = "<br/>".join(f"<b>{labels.escape(line)}</b>" for line in labels.lines(title))
    columns = max(
        [_width(row) for rows in details if isinstance(rows, list) for row in rows] or [0]
    )
    if not columns:
        return f"<{strong}{''.join(f'<br/>{_small(str(line))}' for line in details)}>"
    lines = [f'<tr><td colspan="{columns}">{strong}</td></tr>']
    for detail in details:
        if isinstance(detail, str):
            lines.append(f'<tr><td colspan="{columns}">{_small(detail)}</td></tr>')
            continue
        for row in detail:
            cells = [*map(_cell, row)] + ["<td></td>"] * (columns - _width(row))
            lines.append(f"<tr>{''.join(cells)}</tr>")
    table = '<table border="0" cellborder="0" cellspacing="0" cellpadding="1">'
    return f"<{table}{''.join(lines)}</table>>"


def _width(row: Sequence[Cell]) -> int:
    return sum(1 if isinstance(cell, str) else cell[1] for cell in row)


def _cell(cell: Cell) -> str:
    """A cell of a table; an empty one is a gap."""
    if not cell:
        return '<td width="12"></td>'
    if isinstance(cell, tuple):
        return f'<td colspan="{cell[1]}">{_small(labels.escape(cell[0]), "Courier")}</td>'
    return f'<td align="right">{_small(f"&#160;{labels.escape(cell)}", "Courier")}</td>'


def _small(line: str, face: str = "") -> str:
    face = f' face="{face}"' if face else ""
    return f'<font{face} point-size="10" color="{FAINT}">{line}</font>'


def box_title(box: trace.Box) -> str:
    """What stands above a box, or in the node that stands for it."""
    return f"{box.path}: {box.title}" if box.path else box.title


def node_label(
    traced: trace.Trace, node: Drawn, shown: Sequence[Detail] = (), of: str = "module"
) -> str:
    """What a node says: its name, its array, and what else is ``shown``; a gap hides ``of``."""
    item = node.item
    if node.kind == "gap":
        parts = ((node.modules, of), (node.operations, "operation"))
        hidden = ", ".join(counted(count, noun) for count, noun in parts if count)
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
    return html(title, [part for part in (array, *shown) if part])


def counted_parameters(count: int) -> list[str]:
    """The line that says how many parameters there are, if any."""
    return [counted(count, "parameter")] if count else []


def _caption(
    picture: Picture, heading: str, words: Mapping[str, str], legend: Mapping[str, str]
) -> str:
    """The heading, how much of the graph is drawn, and what the colours mean."""
    if len(picture.nodes) < picture.whole:
        heading += f"; {len(picture.nodes)} of {picture.whole:,} nodes drawn"
    cells = []
    for kind, style in STYLES.items():
        if any(node.kind == kind for node in picture.nodes) and kind != "gap":
            fill, edge = style["fillcolor"], style["color"]
            word = f'<font point-size="10">{words.get(kind, kind)}</font>'
            cells.append(f'<td bgcolor="{fill}" color="{edge}">{word}</td>')
    for fill, word in legend.items():
        said = f'<font point-size="10">{labels.escape(word)}</font>'
        cells.append(f'<td bgcolor="{fill}" color="{INK}">{said}</td>')
    span = len(cells)
    return (
        f'<<table border="0" cellborder="1" cellspacing="4" cellpadding="3">'
        f'<tr><td border="0" colspan="{span}">{heading}</td></tr><tr>{"".join(cells)}</tr></table>>'
    )
