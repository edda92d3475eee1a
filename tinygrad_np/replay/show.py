"""A program as text: its numbered equations, and their times."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..markup import Html, counted
from ..recording import text
from ..recording.equations import Equation, Variable
from ..recording.text import Row, row_of
from .plan import Plan
from .rows import RowLoop

if TYPE_CHECKING:
    from .program import Program


def rows(program: "Program") -> list[Row]:
    """The equations of a program as they are run."""
    listed: list[tuple[Equation, Plan]] = []
    for equation in program.plan.equations:
        listed.append((equation, program.plan))
        if equation in program.binding.loops:
            inner = program.binding.loops[equation].plan
            listed += [(e, inner) for e in inner.equations]
    names = program.names
    return [_row(i, equation, plan, names) for i, (equation, plan) in enumerate(listed, 1)]


def _row(number: int, equation: Equation, plan: Plan, names: dict[Any, str]) -> Row:
    if isinstance(equation.fn, RowLoop):
        size = equation.fn.blocks[0].stop
        count = len(equation.fn.blocks)
        name = f"{count} times, for {size} rows of {', '.join(map(repr, equation.fn.rowed))}:"
        return Row(equation, number, "", name, "", 0, 0, equation.line)
    place = ", ".join(_memory(v, plan) for v in equation.results)
    return row_of(number, equation, place, names)


def _memory(variable: Variable, plan: Plan) -> str:
    if variable.view_of is not None:
        return f"view of {variable.view_of!r}"
    if variable in plan.in_place:
        return f"in place of {plan.in_place[variable]!r}"
    buffer = plan.place.get(variable)
    if buffer is None:
        return ""
    return "gradient" if buffer.fixed is not None else f"new b{buffer.number}"


def _summary(program: "Program", found: list[Row]) -> list[str]:
    pools = program.binding.memory()
    return [
        f"{counted(len(found), 'equation')} of {program.plan.captured} recorded",
        counted(len(program.binding.instructions), "call"),
        f"{counted(len(pools), 'buffer')} of {sum(pools):,} bytes in all",
    ]


def joined(program: "Program") -> dict[Equation, Equation]:
    """Equations whose calls, or some of them, are part of the loop of another equation."""
    return {
        joined: owner
        for binding in program.binding.nested()
        for owner, call in binding.instructions
        for joined in getattr(call, "owners", [])
        if joined is not owner
    }


def as_html(program: "Program", title: str = "Program") -> Html:
    """The program as a notebook shows it."""
    found = rows(program)
    return text.as_html(title, _summary(program, found), found, "memory")


def table(program: "Program") -> str:
    """The program as text."""
    found = rows(program)
    return "\n".join([", ".join(_summary(program, found)), *text.lines(found)])


@dataclass
class Profile:
    """Seconds per equation of one run (medians), and what share is matrix products.

    ``print`` shows the equations, the costliest first. In a fused step ``joined`` has the equations
    that are a part of another's loop, and the other, whose seconds are those of all.
    """

    rows: list[tuple[Row, float]]
    total: float
    joined: dict[Equation, Equation] = field(default_factory=dict)

    @property
    def product_share(self) -> float:
        """The share of the time in matrix products, 0 to 1."""
        spent = sum(seconds for row, seconds in self.rows if row.is_product)
        return spent / self.total if self.total else 0.0

    def __repr__(self) -> str:
        lines = [
            f"{1e6 * self.total:,.1f} µs in {counted(len(self.rows), 'equation')}, "
            f"{100 * self.product_share:.0f} % of it in matrix products"
        ]
        numbers = {row.equation: row.number for row, _ in self.rows}
        for row, seconds in sorted(self.rows, key=lambda pair: -pair[1]):
            share = 100 * seconds / self.total if self.total else 0.0
            spent = f"{1e6 * seconds:9.2f} µs {share:5.1f} %"
            other = self.joined.get(row.equation)
            within = "" if other is None else f"in the loop of {numbers[other]}"
            if within and not seconds:
                spent, within = f"{within:>20}", ""
            line = f"{spent}  {row.number:4d}  {row.operation}"
            lines.append(f"{line} (partly {within})" if within else line)
        return "\n".join(lines)
