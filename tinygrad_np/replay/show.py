"""A program as numbered equations, and where its time goes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..markup import Html, facts, folded, joined
from ..markup import table as html_table
from ..recording.equations import Equation, Variable
from .plan import Plan
from .rows import RowLoop

if TYPE_CHECKING:
    from .program import Program


@dataclass
class Row:
    """One equation: what it does, where its result lies, what it costs.

    ``memory`` is "view", "in place of vN", "new bN" (buffer N), "gradient" (a slot) or empty;
    ``nbytes`` and ``flops`` are those of one run, ``flops`` counted as 2 for each multiply-add of a
    product and 1 for each element of other results.
    """

    equation: Equation
    number: int
    results: str
    operation: str
    memory: str
    nbytes: int
    flops: int
    line: str

    @property
    def is_product(self) -> bool:
        """Whether this is a matrix product."""
        return self.equation.traits.cost is not None


def rows(program: "Program") -> list[Row]:
    """The equations of a program as they are run."""
    listed: list[tuple[Equation, Plan]] = []
    for equation in program.plan.equations:
        listed.append((equation, program.plan))
        if equation in program.binding.loops:
            inner = program.binding.loops[equation].plan
            assert inner is not None
            listed += [(e, inner) for e in inner.equations]
    return [_row(i, equation, plan) for i, (equation, plan) in enumerate(listed, 1)]


def _row(number: int, equation: Equation, plan: Plan) -> Row:
    shown = [_operand(value) for value in equation.operands]
    shown += [f"{k}={_operand(v)}" for k, v in equation.options.items() if k != "tensor"]
    results = ", ".join(f"{v!r}{_type(v)}" for v in equation.results)
    name = equation.name
    if equation.kind in ("deliver", "become"):
        tensor, name = equation.options["tensor"], equation.kind
        results = f"{tensor.name or 'tensor'}{list(tensor.shape)}"
        results += ".grad" if name == "deliver" else ""
    if equation.kind == "effect":
        name = f"{type(equation.fn).__name__}.step"
    if isinstance(equation.fn, RowLoop):
        size = equation.fn.blocks[0].stop
        count = len(equation.fn.blocks)
        name = f"{count} times, for {size} rows of {', '.join(map(repr, equation.fn.rowed))}:"
        return Row(equation, number, "", name, "", 0, 0, equation.line)
    return Row(
        equation,
        number,
        results,
        f"{name}({', '.join(shown)})",
        ", ".join(_memory(v, plan) for v in equation.results),
        sum(v.nbytes for v in equation.results if v.view_of is None),
        _flops(equation),
        equation.line,
    )


def _operand(value: Any) -> str:
    if isinstance(value, Variable) and value.kind == "memory":
        return value.source.name or repr(value)
    return repr(value)


def _type(variable: Variable) -> str:
    return f": {variable.dtype}{list(variable.shape)}"


def _memory(variable: Variable, plan: Plan) -> str:
    if variable.view_of is not None:
        return f"view of {variable.view_of!r}"
    if variable in plan.in_place:
        return f"in place of {plan.in_place[variable]!r}"
    buffer = plan.place.get(variable)
    if buffer is None:
        return ""
    return "gradient" if buffer.fixed is not None else f"new b{buffer.number}"


def _flops(equation: Equation) -> int:
    if not equation.results or equation.results[0].view_of is not None:
        return 0
    out, cost = equation.results[0], equation.traits.cost
    if cost is None:
        return int(out.nbytes // out.dtype.itemsize)
    return 2 * cost(out, *equation.operands, **equation.options)


def _summary(program: "Program", found: list[Row]) -> list[str]:
    pools = program.binding.memory()
    return [
        f"{len(found)} equations of {program.plan.captured} captured",
        f"{len(program.binding.instructions)} calls",
        f"{len(pools)} buffers of {sum(pools):,} bytes in all",
    ]


def as_html(program: "Program", title: str = "Program") -> Html:
    """The program as a notebook shows it."""
    found = rows(program)
    cells = [
        (row.number, row.results, row.operation, row.memory, f"{row.nbytes:,}", f"{row.flops:,}",
         row.line.replace("\\", "/").rpartition("/")[2])
        for row in found
    ]  # fmt: skip
    head = ("", "result", "operation", "memory", "bytes", "FLOP", "from")
    equations = folded("equations", html_table(cells, head))
    return joined([facts(title, _summary(program, found)), equations])


def table(program: "Program") -> str:
    """The program as text."""
    found = rows(program)
    lines = [", ".join(_summary(program, found))]
    for row in found:
        cost = f"{row.nbytes:,} B, {row.flops:,} FLOP" if row.nbytes else ""
        left = (
            f"{row.number:4d}  {row.results} = {row.operation}"
            if row.results
            else (f"{row.number:4d}  {row.operation}")
        )
        lines.append(
            "  ".join(part for part in (f"{left:<72}", f"{row.memory:<18}", cost) if part).rstrip()
        )
    return "\n".join(lines)


@dataclass
class Profile:
    """Seconds per equation of one run (medians), and what share is matrix products.

    ``print`` shows the equations, the costliest first.
    """

    rows: list[tuple[Row, float]]
    total: float

    @property
    def product_share(self) -> float:
        """The share of the time in matrix products, 0 to 1."""
        spent = sum(seconds for row, seconds in self.rows if row.is_product)
        return spent / self.total if self.total else 0.0

    def __str__(self) -> str:
        lines = [
            f"{1e6 * self.total:,.1f} µs in {len(self.rows)} equations, "
            f"{100 * self.product_share:.0f} % of it in matrix products"
        ]
        for row, seconds in sorted(self.rows, key=lambda pair: -pair[1]):
            share = 100 * seconds / self.total if self.total else 0.0
            lines.append(
                f"{1e6 * seconds:9.2f} µs {share:5.1f} %  {row.number:4d}  {row.operation}"
            )
        return "\n".join(lines)

    __repr__ = __str__
