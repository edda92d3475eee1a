"""How the time and the memory of a step grow with its depth, its batch and its width.

    python benchmarks/scaling.py                         everything: five minutes
    python benchmarks/scaling.py --quick                 few sizes and short turns: a look
    python benchmarks/scaling.py --json FILE --plot FILE.png

Depth is a chain of multiply-adds of one element, forward and backward; batch is the training step
of 784-128-64-10; width that of 784-w-w-10 on 64 examples: this project as the tape records it, and
replayed, and PyTorch eager where it is installed, on one thread. Each runs in a process of its own
and they take turns; times are medians.

"Grown" is the most resident memory less that before the first call. "Allocated" is what Python and
NumPy allocate during a step at most (tracemalloc; PyTorch's memory is not seen by it), for the
replayed one over many steps, after which there should be no more objects than before. "Captured"
are the seconds to the end of the second call: recorded, replayed, and compared.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders.processes import Process, RefusedError
from benchmarks.contenders.report import COLOURS, Result, markdown
from benchmarks.contenders.roster import EAGER, REPLAY, ROSTER
from benchmarks.step_time import Runner, machine
from tinygrad_np.draw.figures import empty_figure
from tinygrad_np.run.command_line import Arguments, guarded, new_file, new_picture
from tinygrad_np.run.outputs import write_json, write_picture

WORKER = "benchmarks.contenders.growth"
CONTENDERS = (EAGER, REPLAY, "torch")
AXES: dict[str, tuple[int, ...]] = {
    "depth": (10, 100, 1_000, 10_000, 100_000),
    "batch": (1, 4, 16, 64, 256, 1_024, 4_096, 16_384),
    "width": (16, 32, 64, 128, 256, 512, 1_024, 2_048),
}
QUICK: dict[str, tuple[int, ...]] = {"depth": (10, 1_000), "batch": (1, 256), "width": (16, 256)}
STEPS = 100  # of a replayed step while its allocations are traced,
PATIENCE = 10.0  # or as many as take so many seconds


@dataclass
class Point:
    """One contender at one size: seconds a step of each turn, bytes; or a remark.

    ``first`` are the seconds of the first two calls; ``peak``, ``kept`` and ``objects`` are what
    ``traced`` steps allocated at most, and left behind.
    """

    axis: str
    size: int
    contender: str
    remark: str = ""
    seconds: list[float] = field(default_factory=list)
    first: float = 0.0
    grown: int = 0
    traced: int = 0
    peak: int = 0
    kept: int = 0
    objects: int = 0

    @property
    def median(self) -> float:
        """Seconds a step."""
        return statistics.median(self.seconds)


def measure(
    axis: str, size: int, contenders: Sequence[str], rounds: int, turn: float
) -> list[Point]:
    """All contenders at one size; who fails or is missing gets a remark."""
    points = [Point(axis, size, contender) for contender in contenders]
    with ExitStack() as stack:
        ready = []
        for point in points:
            process = stack.enter_context(Process(1, WORKER))
            try:
                answer = process.ask("prepare", contender=point.contender, axis=axis, size=size)
            except RefusedError as refused:
                point.remark = f"{refused.reason}: {refused}"
                continue
            point.first = answer["seconds"]
            runner = Runner(process, Result(axis, "", point.contender))
            runner.calibrate(turn)
            ready.append((point, runner, answer["before"]))
        for _ in range(rounds):
            for point, runner, _ in ready:
                point.seconds.append(runner.turn())
        for point, runner, before in ready:
            point.grown = max(0, runner.process.ask("memory")["peak"] - before)
            if point.contender in (EAGER, REPLAY):
                trace(point, runner.process)
    return points


def trace(point: Point, process: Process) -> None:
    """What one eager step, or many replayed ones, allocate."""
    point.traced = 1
    if point.contender == REPLAY:
        point.traced = max(1, min(STEPS, round(PATIENCE / point.median)))
    answer = process.ask("traced", count=point.traced)
    point.peak, point.kept, point.objects = (answer[key] for key in ("peak", "kept", "objects"))


def run(sizes: dict[str, tuple[int, ...]], rounds: int, turn: float) -> list[Point]:
    """All sizes of all axes; remarks go to stderr, and who is missing is not asked again."""
    contenders, found = list(CONTENDERS), []
    for axis, values in sizes.items():
        for size in values:
            print(f"{axis} {size:,} ...", file=sys.stderr, flush=True)
            points = measure(axis, size, contenders, rounds, turn)
            for point in points:
                if point.remark:
                    title = ROSTER[point.contender].title
                    print(f"  {title}: {point.remark}", file=sys.stderr)
                if point.remark.startswith("missing"):
                    contenders.remove(point.contender)
            found += points
    return found


def table(points: Sequence[Point], cell: Callable[[Point], str], more: dict[str, Any]) -> str:
    """Sizes of one axis down, contenders across; ``more`` are columns about one contender."""
    names = [name for name in CONTENDERS if any(p.contender == name for p in points)]
    by_place = {(p.size, p.contender): p for p in points if p.seconds}
    columns = [(ROSTER[name].title, name, cell) for name in names]
    columns += [(title, name, shown) for title, (name, shown) in more.items()]
    lines = []
    for size in dict.fromkeys(p.size for p in points):
        row = [by_place.get((size, name)) for _, name, _ in columns]
        cells = [c[2](p) if p is not None else "—" for p, c in zip(row, columns, strict=True)]
        lines.append([f"{size:,}", *cells])
    return markdown([points[0].axis, *(title for title, _, _ in columns)], lines)


def tables(points: Sequence[Point]) -> str:
    """Time and memory for each axis."""
    parts = []
    for axis in dict.fromkeys(p.axis for p in points):
        here = [p for p in points if p.axis == axis]
        parts += [
            f"## {axis}: µs a step\n",
            table(
                here,
                lambda p: _digits(p.median * 1e6),
                {"captured, s": (REPLAY, lambda p: f"{p.first:.3f}")},
            ),
            f"\n## {axis}: grown, MiB\n",
            table(
                here,
                lambda p: _digits(p.grown / 2**20),
                {
                    "allocated by an eager step, KiB": (EAGER, lambda p: _digits(p.peak / 1024)),
                    "by replayed ones, KiB": (REPLAY, lambda p: _digits(p.peak / 1024)),
                    "objects more after them": (REPLAY, lambda p: f"{p.objects}"),
                },
            ),
            "",
        ]
    return "\n".join(parts)


def _digits(value: float) -> str:
    return f"{value:,.1f}" if value < 99.95 else f"{value:,.0f}"


def draw(points: Sequence[Point], path: Path) -> None:
    """Time above memory, for each axis, both scales logarithmic, as a PNG file."""
    axes = list(dict.fromkeys(p.axis for p in points))
    figure = empty_figure(4.6 * len(axes), 7.5)
    panels = figure.subplots(2, len(axes), squeeze=False)
    for (above, below), axis in zip(panels.T, axes, strict=True):
        for name, colour in zip(CONTENDERS, COLOURS[1:], strict=False):
            here = [p for p in points if (p.axis, p.contender) == (axis, name) and p.seconds]
            sizes = [p.size for p in here]
            title = ROSTER[name].title
            above.plot(sizes, [p.median * 1e6 for p in here], "o-", color=colour, label=title)
            grown = [max(p.grown, 4096) / 2**20 for p in here]
            below.plot(sizes, grown, "o-", color=colour)
        above.set_title(axis)
        below.set_xlabel(axis)
        sizes = list(dict.fromkeys(p.size for p in points if p.axis == axis))
        for panel in (above, below):
            panel.set(xscale="log", yscale="log")
            panel.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
            panel.set_xticks([], minor=True)
            panel.yaxis.set_major_formatter("{x:,.10g}")
            panel.yaxis.set_minor_formatter("")
            panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("µs a step")
    panels[1][0].set_ylabel("grown, MiB")
    labels = panels[0][0].get_legend_handles_labels()
    figure.legend(*labels, loc="outside lower center", ncols=len(CONTENDERS))
    write_picture(path, figure)


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    sizes, rounds, turn = (QUICK, 3, 0.01) if given.quick else (AXES, 7, 0.1)
    points = run(sizes, rounds, turn)
    print(tables(points))
    if given.json is not None:
        lines = [asdict(p) | {"median": p.median if p.seconds else None} for p in points]
        figures = {"machine": {**machine(), "threads": 1}, "rounds": rounds, "points": lines}
        write_json(given.json, figures)
    if given.plot is not None:
        draw(points, given.plot)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few sizes, few and short turns")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    parser.add_argument("--plot", type=new_picture, help="draw time and memory to this PNG file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("scaling.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
