"""A recording: the equations of one run, in order."""

from collections.abc import Sequence
from typing import Any

from ..autodiff.tensor import Tensor
from ..markup import Html, counted
from . import tables
from .equations import Equation, Variable
from .text import Row, as_html, lines, row_of, short


class Recording:
    """The ``equations`` of one run, in the order they ran, and the ``variables`` in them.

    ``results`` are the variables that the run returned, and ``returned`` is the whole result, with
    what is no Tensor. ``names`` are the names of Tensors in modules. The first ``own`` equations
    are those of the run itself; the others are those of a backward pass that was run for the
    recording, and ``gradients`` are its results. If a value left the tape (``t.item()``), ``left``
    says how and where first; what was computed from it is a plain number in the recording.
    ``tg.trace`` and ``tg.tape_of`` make recordings; ``print`` shows the numbered equations.

    >>> tg.trace(lambda x: np.exp(x) + 1.0, np.ones(3))
    Recording of <lambda>(2 equations, 0 of them backward, 48 bytes, 6 FLOP)
    """

    def __init__(
        self,
        equations: list[Equation],
        variables: list[Variable],
        results: Sequence[Variable],
    ) -> None:
        self.equations = equations
        self.variables = variables
        self.results = list(results)
        self.title = "Recording"
        self.names: dict[Tensor, str] = {}
        self.gradients: list[Variable] = []
        self.own = len(equations)
        self.returned: list[Any] = list(results)
        self.left = ("", "")

    def __len__(self) -> int:
        return len(self.equations)

    def of_kind(self, kind: str) -> list[Variable]:
        """The variables of one kind: ``input``, ``memory``, ``constant``, ``result``, …"""
        return [variable for variable in self.variables if variable.kind == kind]

    def release(self) -> None:
        """Free the arrays that the equations can compute again: all results except random draws.

        ``tg.autopsy`` computes them again if it needs them.

        >>> found = tg.trace(np.exp, np.ones(3))
        >>> found.release()
        >>> found.results[0].array is None
        True
        >>> found.restore()
        >>> found.results[0].array
        array([2.71828183, 2.71828183, 2.71828183])
        """
        for variable in self.of_kind("result"):
            if variable.made is not None and not variable.made.draws:
                variable.array = None

    def restore(self) -> None:
        """Compute the released arrays again."""
        if any(variable.array is None for variable in self.variables):
            found = tables.run(self.equations, lambda _, call: call())
            for variable in self.variables:
                variable.array = found[variable] if variable.array is None else variable.array

    def ledger(self) -> tables.Table:
        """Lines of the source, ranked by the bytes that the backward pass reads of what they made.

        Parameters and arguments are not counted, because they are in memory anyway. A view counts
        as the array that it is a view of.

        >>> w = tg.Tensor(np.ones(1000), requires_grad=True)
        >>> tg.trace(lambda x: np.sum(np.exp(w * x)), np.ones(1000)).ledger().rows[0][1:]
        (1, 8000, 100.0)
        """
        return tables.ledger(self.equations)

    def costs(self, rounds: int = 5) -> tables.Table:
        """Lines of the source, ranked by the measured time of their equations, with their FLOPs.

        The equations are computed again, ``rounds`` times; the time is the median. Time of the
        backward pass is added to the line whose derivative it is. A multiply-add of a product or a
        convolution is two FLOPs; any other operation is one FLOP for each element.

        >>> found = tg.trace(lambda x: x @ x + 1.0, np.ones((10, 10))).costs()
        >>> found.rows[0][4:]
        (2100, 2000)
        """
        return tables.costs(self.equations, rounds)

    def rows(self) -> list[Row]:
        """A row for each equation: its number, text, module and line."""
        number = {equation: i for i, equation in enumerate(self.equations, 1)}
        found = []
        for equation, i in number.items():
            place = equation.module
            if equation.of is not None:
                of = number.get(equation.of)
                place = "backward" if of is None else f"backward of {of}"
            found.append(row_of(i, equation, place, self.names))
        return found

    def summary(self, rows: Sequence[Row]) -> list[str]:
        """How much there is of it."""
        back = sum(equation.is_backward for equation in self.equations)
        how, line = self.left
        return [
            f"{counted(len(rows), 'equation')}, {back:,} of them backward",
            f"{sum(row.nbytes for row in rows):,} bytes",
            f"{sum(row.flops for row in rows):,} FLOP",
            *([f"a value left by {how} at {short(line)}"] if how else []),
        ]

    def __str__(self) -> str:
        rows = self.rows()
        return "\n".join([", ".join(self.summary(rows)), *lines(rows, with_source=True)])

    def __repr__(self) -> str:
        return f"{self.title}({', '.join(self.summary(self.rows()))})"

    def _repr_html_(self) -> Html:
        rows = self.rows()
        return as_html(self.title, self.summary(rows), rows, "in")
