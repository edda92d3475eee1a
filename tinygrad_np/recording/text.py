"""Equations as lines of text: what they do, what they cost, where they come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..autodiff.tape import NO_OPTIONS
from ..markup import Html, facts, folded, joined
from ..markup import table as html_table
from .equations import Equation, Variable, is_generator


@dataclass
class Row:
    """One equation: what it does, what it costs, where it comes from.

    ``place`` is where its result lies in a program (view, "in place of vN", "new bN": buffer N,
    "gradient": a slot), in a recording the module, or what it is the derivative of. ``nbytes`` and
    ``flops`` are those of one run, ``flops`` counted as 2 for each multiply-add of a product and 1
    for each element of other results.
    """

    equation: Equation
    number: int
    results: str
    operation: str
    place: str
    nbytes: int
    flops: int
    line: str

    @property
    def is_product(self) -> bool:
        """Whether this is a product of matrices, or a convolution."""
        return self.equation.traits.cost is not None

    @property
    def left(self) -> str:
        """Results and operation."""
        return f"{self.results} = {self.operation}" if self.results else self.operation


def row_of(
    number: int, equation: Equation, place: str = "", names: Mapping[Any, str] = NO_OPTIONS
) -> Row:
    """What there is to say of an equation; ``names`` are those of Tensors, if not their own."""
    shown = [_operand(value) for value in equation.operands]
    shown += [f"{k}={_operand(v)}" for k, v in equation.options.items() if k != "tensor"]
    results = ", ".join(f"{v!r}: {v.dtype}{list(v.shape)}" for v in equation.results)
    name = equation.name
    if equation.kind in ("deliver", "become"):
        tensor, name = equation.options["tensor"], equation.kind
        results = f"{names.get(tensor) or tensor.name or 'tensor'}{list(tensor.shape)}"
        results += ".grad" if name == "deliver" else ""
    if equation.kind == "effect":
        name = f"{type(equation.fn).__name__}.step"
    nbytes = sum(v.nbytes for v in equation.results if v.view_of is None)
    operation = f"{name}({', '.join(shown)})"
    if equation.kind == "deliver" and not equation.operands:
        operation = "None"
    return Row(equation, number, results, operation, place, nbytes, flops(equation), equation.line)


def _operand(value: Any) -> str:
    """A variable by its name, numbers as they are."""
    if isinstance(value, Variable) and value.is_number:
        return repr(value) if value.array is None else repr(value.array.item())
    return "generator" if is_generator(value) else repr(value)


def flops(equation: Equation) -> int:
    """Two for each multiply-add of a product, else one for each element; none for views."""
    if not equation.results or equation.results[0].view_of is not None:
        return 0
    out, cost = equation.results[0], equation.traits.cost
    if cost is None:
        return int(out.nbytes // out.dtype.itemsize)
    return 2 * cost(out, *equation.operands, **equation.options)


def short(line: str) -> str:
    """``model.py:12`` of a place in a file."""
    return PurePath(line.replace("\\", "/")).name


def lines(rows: Iterable[Row], with_source: bool = False) -> Iterable[str]:
    """The rows as numbered lines."""
    for row in rows:
        cost = f"{row.nbytes:,} B, {row.flops:,} FLOP" if row.nbytes else ""
        parts = [
            f"{row.number:4d}  {' '.join(row.left.splitlines()):<60}",
            f"{row.place:<18}",
            cost,
        ]
        if with_source:
            parts = [*parts[:2], f"{cost:<24}", short(row.line)]
        yield "  ".join(part for part in parts if part).rstrip()


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows of words as lines, each column to its side, ``<`` or ``>``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{side}{n}}}" for side, n in zip(sides, widths, strict=True))
    return [line.format(*row).rstrip() for row in rows]


def as_html(title: str, summary: Sequence[str], rows: Iterable[Row], place: str) -> Html:
    """The rows as a table that a click shows; ``place`` is what stands above that column."""
    cells = [
        (row.number, row.results, row.operation, row.place, f"{row.nbytes:,}", f"{row.flops:,}",
         short(row.line))
        for row in rows
    ]  # fmt: skip
    head = ("", "result", "operation", place, "bytes", "FLOP", "from")
    return joined([facts(title, summary), folded("equations", html_table(cells, head))])
