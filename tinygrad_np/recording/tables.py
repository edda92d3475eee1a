"""Which lines of the source cost what: the bytes they keep, their FLOPs, their time."""

import copy
import linecache
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.tape import NO_OPTIONS
from ..markup import Html, facts, joined
from ..markup import table as html_table
from .equations import Equation, Variable, is_generator
from .text import aligned, flops, short

LONGEST = 60  # characters of a line of the source


class Table:
    """Rows for places in the source, the costliest first; ``print`` and notebooks show it.

    ``head`` names the columns; the first of a row is the ``Place``. ``tg.draw.ranking`` draws the
    column ``drawn`` as bars.
    """

    def __init__(
        self, title: str, head: Sequence[str], rows: list[tuple[Any, ...]], drawn: int
    ) -> None:
        self.title = title
        self.head = tuple(head)
        self.rows = rows
        self.drawn = drawn

    def _cells(self) -> list[tuple[str, ...]]:
        shown = []
        for place, *values in self.rows:
            numbers = [f"{v:,.1f}" if isinstance(v, float) else f"{v:,}" for v in values]
            shown.append((str(place), *numbers))
        return shown

    def __str__(self) -> str:
        cells = [(*others, first) for first, *others in [self.head, *self._cells()]]
        return "\n".join([self.title, *aligned(cells, ">" * (len(self.head) - 1) + "<")])

    __repr__ = __str__

    def _repr_html_(self) -> Html:
        return joined([facts(self.title, []), html_table(self._cells(), self.head)])


class Place(NamedTuple):
    """A line of the user's source (file and number, as in errors), and the module called there."""

    line: str
    module: str

    @classmethod
    def of(cls, equation: Equation) -> "Place":
        """Where an equation comes from: a derivative from the operation that it is of."""
        equation = equation.of or equation
        return cls(equation.line, equation.module)

    def __str__(self) -> str:
        """``0: Linear  model.py:12  loss = f(x)``, as far as that is known."""
        file, _, number = self.line.rpartition(":")
        text = linecache.getline(file, int(number)).strip() if file else ""
        text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        return "  ".join(part for part in (self.module, short(self.line), text) if part) or "?"


def ledger(equations: Sequence[Equation]) -> Table:
    """Lines of the source by the bytes that the backward pass reads of what they made."""
    kept: dict[Variable, Place] = {}
    for equation in equations:
        reads = equation.is_backward and not equation.traits.shape_only
        for variable in equation.reads if reads else ():
            made = variable.root.made
            if made is not None and not made.is_backward:
                kept[variable.root] = Place.of(made)
    size, count = defaultdict[Place, int](int), defaultdict[Place, int](int)
    for variable, place in kept.items():
        size[place] += variable.nbytes
        count[place] += 1
    total = sum(size.values())
    rows = [
        (place, count[place], size[place], 100 * size[place] / (total or 1))
        for place in sorted(size, key=lambda place: -size[place])
    ]
    title = f"{total:,} bytes are kept for the backward pass"
    return Table(title, ("made at", "arrays", "bytes", "%"), rows, 2)


def costs(equations: Sequence[Equation], rounds: int) -> Table:
    """Lines of the source by measured time, with their FLOPs; backward counts where it belongs."""
    seconds = timed(equations, rounds)
    spent = defaultdict[Place, list[float]](lambda: [0.0, 0.0, 0.0, 0.0])
    for equation, time in seconds.items():
        found, cost = spent[Place.of(equation)], flops(equation)
        back, product = equation.is_backward, equation.traits.cost is not None
        for i, value in enumerate((time, time * back, cost, cost * product)):
            found[i] += value
    total, work = (sum(found[i] for found in spent.values()) for i in (0, 2))
    share = 100 / (total or 1)
    rows = [
        (place, 1e6 * time, share * time, 100 * back / (time or 1), int(cost), int(products))
        for place, (time, back, cost, products) in sorted(spent.items(), key=lambda kv: -kv[1][0])
    ]
    title = f"{1e6 * total:,.0f} µs, {int(work):,} FLOP"
    head = ("at", "µs", "% of all", "% backward", "FLOP", "in products")
    return Table(title, head, rows, 1)


def timed(equations: Sequence[Equation], rounds: int) -> dict[Equation, float]:
    """Seconds of each equation that computes something, the median of some rounds."""
    found: dict[Equation, list[float]] = {}

    def clocked(equation: Equation, call: Callable[[], Any]) -> Any:
        start = perf_counter()
        out = call()
        found.setdefault(equation, []).append(perf_counter() - start)
        return out

    for _ in range(rounds):
        run(equations, clocked)
    return {equation: median(times) for equation, times in found.items()}


def run(
    equations: Sequence[Equation],
    through: Callable[[Equation, Any], Any],
    given: Mapping[Any, Any] = NO_OPTIONS,
) -> dict[Variable, Any]:
    """Compute all results again from the arrays that are there; ``through`` makes each call.

    What is ``given`` counts in place of an array.

    Generators draw the same numbers as they would now, and are left as they are; what equations do
    outside (deliver, write, effect) is not done.
    """
    values: dict[Variable, Any] = {}
    copies: dict[int, Any] = {}

    def value(x: Any) -> Any:
        if is_generator(x):
            return copies.setdefault(id(x), copy.deepcopy(x))
        if not isinstance(x, Variable):
            return x
        if x in given:
            return given[x]
        return x.array if x.array is not None else values[x]

    for equation in equations:
        if equation.kind not in ("call", "check"):
            continue
        operands = [value(x) for x in equation.operands]
        options = {name: value(x) for name, x in equation.options.items()}
        with np.errstate(all="ignore"):
            out = through(equation, partial(equation.fn, *operands, **options))
        several = len(equation.results) > 1
        for result, made in zip(equation.results, out if several else [out], strict=False):
            values[result] = np.asarray(made)
    return values
