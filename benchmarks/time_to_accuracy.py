"""The seconds of training until 97.53 % of MNIST's test images are told right.

    python benchmarks/time_to_accuracy.py
    python benchmarks/time_to_accuracy.py --contenders hand,replay,jax --repeats 3 --json FILE

The sprint is 784-128-64-10 in batches of 128 with Adam, one cycle of the learning rate to 4e-3
over three epochs; float32, two threads for all. In each repeat all contenders start from the same
weights and see the same batches in the same order. The clock stands while the test accuracy is
looked at, and starts when everything is compiled; that time is shown beside. The last line is the
default recipe with the project's own loop, on one thread as in the main job. The test images decide
when to stop, so that 97.53 % is the goal here and no result.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders.processes import THREADS, Process, RefusedError
from benchmarks.contenders.report import markdown
from benchmarks.contenders.roster import HAND, ROSTER
from benchmarks.step_time import choose, machine, names
from tinygrad_np import DataError
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file
from tinygrad_np.run.outputs import write_json

CONTENDERS = (
    "hand",
    "plain",
    "eager",
    "replay",
    "torch",
    "torch-compile",
    "jax",
    "mygrad",
    "keras",
)
RECIPE = "recipe"
COURSE = "benchmarks.contenders.course"


@dataclass
class Line:
    """One contender's repeats, each as ``course.Outcome`` has it, or why there are none."""

    name: str
    title: str
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    remark: str = ""

    def cells(self) -> list[str]:
        """Median seconds, their range, steps, microseconds a step, seconds of preparation."""
        reached = [outcome for outcome in self.outcomes if outcome["seconds"] is not None]
        share = f"{len(reached)} of {len(self.outcomes)}"
        if not reached:
            return [self.title, "—", "—", "—", "—", "—", share]
        seconds = [outcome["seconds"] for outcome in reached]
        step = statistics.median(o["seconds"] / o["steps"] * 1e6 for o in reached)
        return [
            self.title,
            f"{statistics.median(seconds):.2f}",
            f"{min(seconds):.2f}–{max(seconds):.2f}",
            f"{statistics.median(outcome['steps'] for outcome in reached):,.0f}",
            f"{step:,.0f}",
            f"{statistics.median(outcome['start_seconds'] for outcome in reached):.2f}",
            share,
        ]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    known = (*CONTENDERS, RECIPE)
    parser.add_argument(
        "--contenders", default=",".join(known), metavar="NAMES", help=f"of {', '.join(known)}"
    )
    parser.add_argument("--repeats", type=int, default=5, help="with seeds 0 … N-1")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    given = parser.parse_args(arguments)
    given.contenders = names("contenders", given.contenders, known)
    at_least(given, repeats=1)
    return given


def measure(contenders: Sequence[str], repeats: int) -> list[Line]:
    """All repeats; in each the contenders come one after the other, each in a fresh process."""
    titles = {RECIPE: "default recipe, tinygrad_np", **{n: ROSTER[n].title for n in CONTENDERS}}
    lines = [Line(name, titles[name]) for name in contenders]
    choice: Mapping[str, Any] = choose("sprint", "adam", 0.2, COURSE) if HAND in contenders else {}
    for seed in range(repeats):
        for line in lines:
            if not line.remark:
                run(line, seed, choice)
    return lines


def run(line: Line, seed: int, choice: Mapping[str, Any]) -> None:
    """One repeat of one contender."""
    given = choice if line.name == HAND else None
    threads = {HAND: choice.get("blas_threads", THREADS), RECIPE: 1}.get(line.name, THREADS)
    with Process(threads, COURSE) as process:
        try:
            if line.name == RECIPE:
                outcome = process.ask("train_recipe", seed=seed)
            else:
                outcome = process.ask("train", contender=line.name, seed=seed, choice=given)
        except RefusedError as refused:
            line.remark = f"{refused.reason}: {refused}"
            print(f"{line.title}: {line.remark}", file=sys.stderr)
            return
    line.outcomes.append(outcome)
    print(f"{line.title}, seed {seed}: {outcome}", file=sys.stderr, flush=True)


def table(lines: Sequence[Line]) -> str:
    """As Markdown; those without a figure are left out."""
    head = ["contender", "seconds", "range", "steps", "µs a step", "compiling, s", "reached"]
    return markdown(head, [line.cells() for line in lines if line.outcomes])


def compare(given: argparse.Namespace) -> int:
    """Measure, print the table, write the file."""
    try:
        lines = measure(given.contenders, given.repeats)
    except RefusedError as refused:
        raise DataError(f"the hand-written step: {refused}") from refused
    print(table(lines))
    if given.json is not None:
        figures = {"machine": machine(), "results": [asdict(line) for line in lines]}
        write_json(given.json, figures)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("time_to_accuracy.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
