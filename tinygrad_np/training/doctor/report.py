"""What the doctor says: findings in plain words, and the measurements behind them."""

import textwrap
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from ...markup import Html, escape, facts, joined
from .facts import DataFacts
from .layers import Start
from .trials import Overfit, RangeTest, Updates

Level = Literal["ok", "note", "warning"]
SIGNS = {"ok": "✓", "note": "•", "warning": "✗"}
WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    ``name`` is the cause (or, for "ok", what was looked at) in two or three words, ``cause`` says
    what was measured and what it does, ``remedy`` what to do (empty if nothing).

    >>> finding = tg.training.Finding("note", "large inputs", "They reach 255.", "Divide by 255.")
    >>> finding.name
    'large inputs'
    """

    level: Level
    name: str
    cause: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{SIGNS[self.level]} {self.name}: {self.cause}"]
        lines += [f"  → {self.remedy}"] if self.remedy else []
        return "\n".join(
            textwrap.fill(line, WIDTH, subsequent_indent="  " * i)
            for i, line in enumerate(lines, 1)
        )


warning, note, fine = (partial(Finding, level) for level in ("warning", "note", "ok"))
# names of findings that others follow from
TRAINED = "loss low at start"
UNRELATED = "labels unrelated to inputs"


@dataclass
class Measurements:
    """Everything that was measured; None where it was not possible."""

    inputs: list[DataFacts]  # one for each array
    targets: np.ndarray  # without entries where there are several arrays
    start: Start | None = None
    failure: str | None = None  # the error of the first loss, where there is none
    one_hot: bool = False  # whether a loss of classes took one-hot rows as shares of the classes
    mixed: float = 0.0  # how far an output changes with the other examples, relative to its size
    foreign: bool = False  # whether the optimiser has none of the model's parameters
    left_out: list[str] = field(default_factory=list)  # parameters the optimiser does not have
    updates: Updates | None = None
    overfit: Overfit | None = None
    range_test: RangeTest | None = None
    neighbours: tuple[float, float] | None = None  # accuracy of the nearest neighbour, and chance
    transfer: tuple[float, float] | None = None  # accuracy on held-out examples, and chance

    @property
    def data(self) -> DataFacts:
        """The facts of the first array of inputs."""
        return self.inputs[0]


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The findings, worst first, and the measurements; ``str`` of it is the report.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    >>> found = tg.training.diagnose(model, x, (x[:, 0] > 0).astype(int), 0.1)
    >>> type(found.findings[0]).__name__
    'Finding'
    """

    findings: list[Finding]
    measurements: Measurements

    @property
    def ok(self) -> bool:
        """Whether there is no warning."""
        return not self.warnings

    @property
    def warnings(self) -> list[Finding]:
        """The findings that explain why a network does not learn."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def _counted(self) -> str:
        levels = [finding.level for finding in self.findings]
        counts = [_count(levels.count("warning"), "warning"), _count(levels.count("note"), "note")]
        return " and ".join(counts)

    def __str__(self) -> str:
        return "\n".join([f"Diagnosis: {self._counted()}.", *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        found = [
            f"<li>{SIGNS[f.level]} <b>{escape(f.name)}</b>: {escape(f.cause)}"
            + (f"<br>→ {escape(f.remedy)}" if f.remedy else "")
            + "</li>"
            for f in self.findings
        ]
        listed = Html(f'<ul style="list-style:none">{"".join(found)}</ul>')
        return joined([facts("Diagnosis", [self._counted()]), listed])


def _count(n: int, word: str) -> str:
    return f"{n or 'no'} {word}{'' if n == 1 else 's'}"


def figure(value: float) -> str:
    """A number with three digits, as a sentence takes it."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
