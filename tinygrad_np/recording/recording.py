"""A recording: the equations of one run, in order."""

from collections.abc import Sequence

from ..autodiff.tensor import Tensor
from ..markup import Html
from .equations import Equation, Variable
from .text import Row, as_html, lines, row_of


class Recording:
    """The ``equations`` of one run, in the order they ran, and the ``variables`` in them.

    ``results`` are what the run returned, ``names`` what Tensors in modules are called.
    ``tg.trace`` and ``tg.tape_of`` make them; ``print`` shows the numbered equations.

    >>> tg.trace(lambda x: np.exp(x) + 1.0, np.ones(3))
    Recording of <lambda>(2 equations, 0 of them backward, 48 bytes, 6 FLOP)
    """

    def __init__(
        self,
        equations: list[Equation],
        variables: list[Variable],
        results: Sequence[Variable],
        title: str = "Recording",
    ) -> None:
        self.equations = equations
        self.variables = variables
        self.results = list(results)
        self.title = title
        self.names: dict[Tensor, str] = {}

    def __len__(self) -> int:
        return len(self.equations)

    def of_kind(self, kind: str) -> list[Variable]:
        """The variables of one kind: ``input``, ``memory``, ``constant``, ``result``, …"""
        return [variable for variable in self.variables if variable.kind == kind]

    def rows(self) -> list[Row]:
        """What there is to say of each equation."""
        number = {equation: i for i, equation in enumerate(self.equations, 1)}
        found = []
        for equation, i in number.items():
            place = "" if equation.call is None else equation.call.title
            if equation.of is not None:
                of = number.get(equation.of)
                place = "backward" if of is None else f"backward of {of}"
            found.append(row_of(i, equation, place, self.names))
        return found

    def summary(self, rows: Sequence[Row]) -> list[str]:
        """How much there is of it."""
        back = sum(equation.is_backward for equation in self.equations)
        return [
            f"{len(rows):,} equations, {back:,} of them backward",
            f"{sum(row.nbytes for row in rows):,} bytes",
            f"{sum(row.flops for row in rows):,} FLOP",
        ]

    def __str__(self) -> str:
        rows = self.rows()
        return "\n".join([", ".join(self.summary(rows)), *lines(rows, with_source=True)])

    def __repr__(self) -> str:
        return f"{self.title}({', '.join(self.summary(self.rows()))})"

    def _repr_html_(self) -> Html:
        rows = self.rows()
        return as_html(self.title, self.summary(rows), rows, "in")
