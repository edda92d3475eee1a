"""``explore``: a recording as one web page, to step through forwards and backwards."""

import base64
import hashlib
import json
import linecache
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from .. import arguments
from ..autodiff.rules.table import TABLE
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..files import replacing
from ..markup import escape, printable
from ..recording import Recording
from ..recording.equations import Equation, Variable
from ..recording.text import Row as Text
from ..recording.text import short
from .explore_arrays import PRINTED, TILES, described, square_sides
from .explore_rows import Layout
from .hover import rules_to

PIXELS = 1_800_000  # of all pictures of a page
MOST = 28 * 28 * TILES // 4  # of one picture
AROUND = 3  # lines of the source above and below
LONGEST = 300  # characters of an equation


def explore(recording: Recording, path: str | os.PathLike[str]) -> Path:
    """Write a page that shows a recording, and return its path.

    The page is one file that needs no network: the graph of both passes, foldable by module; each
    equation with its source line, its operands, value, cotangent and rule, arrays as heat maps,
    images and histograms. Arrow keys step through it, ``/`` searches. Pictures have one byte a
    pixel, and of large arrays every so many elements, so that 5,000 equations take less than 5 MB;
    statistics are those of all elements. Arrays that were released are computed again.

    Raises TypeError for what is no recording, ValueError for an empty one, DataError for a name
    that does not end in .html and for a place that cannot be written; then there is no file.

    >>> w = tg.Tensor(np.ones((3, 4)), requires_grad=True, name="w")
    >>> seen = tg.trace(lambda x: np.sum(np.tanh(x @ w)), np.ones((2, 3)))
    >>> print(tg.draw.explore(seen, "page.html"))
    page.html
    """
    path = arguments.path("explore", "path", path)
    if path.suffix.lower() != ".html":
        raise DataError(f"{path}: explore writes a page; name it .html.")
    content = page_of(recording).encode()
    with replacing(path) as file:
        file.write(content)
    return path


def page_of(recording: Recording) -> str:
    arguments.instance("explore", "recording", recording, Recording, "what tg.trace returns")
    if not recording.equations:
        raise ValueError("explore() of an empty recording: fn computed nothing from its inputs.")
    were_released = any(variable.array is None for variable in recording.variables)
    recording.restore()
    try:
        found = Content(recording).found
    finally:
        if were_released:
            recording.release()
    style = asset("arrays.css") + asset("explore.css")
    script = asset("arrays.js") + asset("explore.js")
    # what stands in a script element ends at "</script", whatever it is
    data = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    return assembled(str(found["title"]), style, script, asset("explore.html"), data)


def asset(name: str, package: str = str(__package__)) -> str:
    """A file that pages are made of."""
    return (files(package) / "assets" / name).read_text(encoding="utf-8")


def assembled(title: str, style: str, script: str, body: str, data: str, to: str = "'none'") -> str:
    """A page that runs one script, has data for it, and may ask ``to`` for more."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; connect-src {to}; "
    policy += f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}"
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


class Content:
    """What a page is told of a recording, in ``found``: lists, in the order that explore.js has."""

    def __init__(self, recording: Recording) -> None:
        layout = Layout(recording)
        texts = recording.rows()
        self.number = {equation: i for i, equation in enumerate(recording.equations)}
        self._layout = layout
        self._places: dict[Variable, int] = {}
        self._lines: dict[str, int] = {}
        rows = [
            [printable(row.name), row.group, -1 if row.equation is None else
             self.number[row.equation], self._all(row.values), self._one(row.cotangent),
             row.sources, [self.number[equation] for equation in row.backward]]
            for row in layout.rows
        ]  # fmt: skip
        equations = [self._equation(text) for text in texts]
        self.found = {
            "title": printable(recording.title),
            "summary": recording.summary(texts),
            "groups": [
                [printable(g.title), g.around, _rules_of_parts(g.part_of)] for g in layout.groups
            ],
            "rows": rows,
            "equations": equations,
            "lines": [_snippet(line) for line in self._lines],
        }
        shown = list(self._places)  # all that was named above
        pixels = max(min(PIXELS // len(shown), MOST), 16) if shown else 0
        printed = min(PRINTED, 20_000 // (len(shown) + 1))
        sides = square_sides({v.shape for v in recording.of_kind("input")})
        self.found["arrays"] = [
            [
                _cut(repr(v)),
                f"{v.dtype}{list(v.shape)}",
                *described(v.array, pixels, sides, printed, _is_given(v)),
            ]
            for v in shown
        ]

    def _one(self, variable: Variable | None) -> int:
        if variable is None:
            return -1
        return self._places.setdefault(variable, len(self._places))

    def _all(self, variables: Any) -> list[int]:
        return [self._one(variable) for variable in variables]

    def _equation(self, text: Text) -> list[Any]:
        """One equation: text, row, what it reads and makes, where from, costs, rules."""
        equation = text.equation
        operands = [v for v in equation.reads if not v.is_number]
        line = self._lines.setdefault(equation.line, len(self._lines)) if equation.line else -1
        is_at_home = self._layout.rows[self._layout.home[equation]].equation is equation
        return [
            _cut(text.left), self._layout.home[equation], int(not is_at_home),
            self._all(dict.fromkeys(operands)), self._all(equation.results), line, text.nbytes,
            text.flops, self._rules(equation) if is_at_home else [], printable(text.place),
        ]  # fmt: skip

    def _rules(self, equation: Equation) -> list[tuple[str, str, int]]:
        """What the derivative hands on to each operand: its name in the rule, and which it is."""
        if equation.rule is None or equation.part_of:
            return []
        operands = equation.operands
        places = [i for i, v in enumerate(operands) if isinstance(v, Variable) and not v.is_number]
        result = ", ".join(map(repr, equation.results))
        found = rules_to(equation.rule, places, result, [*map(str, operands)], equation.options)
        return [
            (printable(name), printable(said), self._one(operands[place]))
            for place, name, said in found
        ]


def _is_given(variable: Variable) -> bool:
    """Whether it is, or is a view of, an argument or constant."""
    root = variable.root
    is_tensors = root.kind in ("memory", "state") and isinstance(root.source, Tensor)
    return root.kind in ("input", "constant") or (is_tensors and not root.source.requires_grad)


def _rules_of_parts(name: str) -> list[tuple[str, str]]:
    """The rules of an operation that is written out in several equations."""
    rules = [r for r in TABLE.values() if r.name == name and getattr(r.fn, "written_out", False)]
    return [
        (printable(operand), printable(said))
        for rule in rules[:1]
        for _, operand, said in rules_to(rule, range(len(rule.vjps)))
    ]


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _snippet(line: str) -> list[Any]:
    """A place in a file, the number of the first line shown, and lines of the source around it."""
    file, _, number = line.rpartition(":")
    place = int(number)
    text = linecache.getlines(file)
    first = max(place - AROUND, 1)
    some = [_cut(each.rstrip("\n").expandtabs(4)) for each in text[first - 1 : place + AROUND]]
    return [printable(short(line)), place, first, some if place <= len(text) else []]
