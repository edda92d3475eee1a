"""What was measured, as a table, as ratios, as JSON and as a picture."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders.roster import EAGER, HAND, REPLAY, ROSTER
from benchmarks.contenders.scenarios import SCENARIOS
from tinygrad_np.draw.figures import empty_figure
from tinygrad_np.run.outputs import write_picture

FASTEST_PEER = "the fastest peer"
# Okabe & Ito 2008: colours that stay apart for every kind of colour vision.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
MARKERS = "o^"
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@dataclass
class Result:
    """One contender on one scenario: seconds a step of each turn, or a remark why there are none.

    ``steps`` are those of a turn; ``choice`` is how the hand-written step is laid out; ``peak`` the
    most resident memory in bytes.
    """

    scenario: str
    optimiser: str
    contender: str
    remark: str = ""
    steps: int = 0
    seconds: list[float] = field(default_factory=list)
    losses: list[float] | None = None
    peak: int = 0
    choice: Mapping[str, Any] | None = None

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """The fields, and in microseconds the median and the quartiles."""
        middle: dict[str, Any] = {"median_us": None, "quartiles_us": None}
        if self.seconds:
            turns = [second * 1e6 for second in self.seconds]
            many = turns if len(turns) > 1 else turns * 2
            low, median, high = statistics.quantiles(many, n=4, method="inclusive")
            middle = {"median_us": median, "quartiles_us": [low, high]}
        losses = [loss if math.isfinite(loss) else None for loss in self.losses or []]
        return {**asdict(self), "losses": losses, **middle}


def table(results: Sequence[Result]) -> str:
    """Microseconds a step and in brackets the ratio to the hand-written step, as Markdown."""
    return _markdown(results, _time_cell)


def memory_table(results: Sequence[Result]) -> str:
    """The most resident memory of each process in MiB, as Markdown."""
    return _markdown(results, lambda result, _: f"{result.peak / 2**20:,.0f}")


def _time_cell(result: Result, hand: Result) -> str:
    time = result.median * 1e6
    digits = f"{time:,.1f}" if time < 99.95 else f"{time:,.0f}"
    return digits if result is hand else f"{digits} ({result.median / hand.median:.2f})"


def _markdown(results: Sequence[Result], cell: Any) -> str:
    """Scenarios down, contenders across; a dash where a contender has no figure."""
    shown = contenders_of(results)
    lines = []
    for scenario, row in rows_of(results).items():
        cells = [
            cell(row[name], row[HAND]) if name in row and row[name].seconds else "—"
            for name in shown
        ]
        lines.append([SCENARIOS[scenario].title, *cells])
    return markdown(["scenario", *(ROSTER[name].title for name in shown)], lines)


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is on the left, the others on the right."""
    shown = [f"| {' | '.join(line)} |" for line in (head, *lines)]
    return "\n".join([shown[0], "|---|" + "---:|" * (len(head) - 1), *shown[1:]])


def contenders_of(results: Sequence[Result]) -> list[str]:
    """Those that have a figure anywhere, in the roster's order."""
    timed = {result.contender for result in results if result.seconds}
    return [name for name in ROSTER if name in timed]


def rows_of(results: Sequence[Result]) -> dict[str, dict[str, Result]]:
    """By scenario and contender."""
    rows: dict[str, dict[str, Result]] = {}
    for result in results:
        rows.setdefault(result.scenario, {})[result.contender] = result
    return rows


def ratios(results: Sequence[Result], above: str, below: str) -> list[float]:
    """``above`` / ``below`` for each scenario that has both; ``below`` may be the fastest peer."""
    found = []
    for row in rows_of(results).values():
        times = {name: result.median for name, result in row.items() if result.seconds}
        peers = [time for name, time in times.items() if ROSTER[name].peer]
        if peers:
            times[FASTEST_PEER] = min(peers)
        if above in times and below in times:
            found.append(times[above] / times[below])
    return found


def summary(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Geometric means over the scenarios: of this project's times over those of others."""
    means: dict[str, dict[str, float]] = {}
    for above in (REPLAY, EAGER):
        for below in (HAND, FASTEST_PEER):
            found = ratios(results, above, below)
            if found:
                means.setdefault(above, {})[below] = statistics.geometric_mean(found)
    return means


def summary_lines(results: Sequence[Result]) -> list[str]:
    """The geometric means as sentences."""
    return [
        f"{ROSTER[above].title} / {ROSTER[below].title if below in ROSTER else below}: {mean:.2f} "
        f"(geometric mean, scenarios: {len(ratios(results, above, below))})"
        for above, others in summary(results).items()
        for below, mean in others.items()
    ]


def draw(results: Sequence[Result], path: Path) -> None:
    """The ratios to the hand-written step, a panel for each optimiser, as a PNG file."""
    optimisers = list(dict.fromkeys(result.optimiser for result in results))
    scenarios = list(rows_of(results))
    figure = empty_figure(7 * len(optimisers), 1.6 + 0.6 * len(scenarios))
    panels = figure.subplots(1, len(optimisers), sharey=True, squeeze=False)[0]
    for panel, optimiser in zip(panels, optimisers, strict=True):
        part = [result for result in results if result.optimiser == optimiser]
        _draw_panel(panel, part, scenarios)
        panel.set_title(optimiser)
    panels[0].invert_yaxis()
    labels = panels[0].get_legend_handles_labels()
    figure.legend(*labels, loc="outside lower center", ncols=3 * len(optimisers))
    write_picture(path, figure)


def _draw_panel(panel: Any, results: Sequence[Result], scenarios: Sequence[str]) -> None:
    rows = rows_of(results)
    for name in contenders_of(results):
        places, values = [], []
        for place, scenario in enumerate(scenarios):
            row = rows.get(scenario, {})
            if name in row and row[name].seconds:
                places.append(place)
                values.append(row[name].median / row[HAND].median)
        number = list(ROSTER).index(name)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS)]
        panel.plot(values, places, marker, color=colour, label=ROSTER[name].title)
    panel.axvline(1, color="#999999", zorder=0, linewidth=1)
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    panel.set_xticks([tick for tick in TICKS if low <= tick <= high])
    panel.set_xticks([], minor=True)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("time of a step / hand-written, tuned")
    panel.set_yticks(range(len(scenarios)), [SCENARIOS[name].title for name in scenarios])
    panel.grid(axis="y", color="#dddddd")
