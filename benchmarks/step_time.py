"""The time of one training step: this project, NumPy by hand, and other libraries.

    python benchmarks/step_time.py                               everything: 45 minutes
    python benchmarks/step_time.py --quick                       a look: a quarter of that
    python benchmarks/step_time.py --scenarios deep,wide --optimisers adam --contenders jax,replay
    pip install '.[peers]'                                       the libraries

A step is: gradients forgotten, forward, backward, update, and the loss as a Python float; float32,
two threads for all. Every contender runs in a process of its own, from the same weights and on the
same batch; the losses of its first steps are held against the hand-written ones before anything is
timed. The contenders take turns of some steps each while the others sleep; a round is one turn of
each, in random order; what is shown are medians over the rounds.
"""

import argparse
import math
import os
import platform
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders.processes import THREADS, WORKER, Process, RefusedError
from benchmarks.contenders.report import (
    Result,
    draw,
    memory_table,
    summary,
    summary_lines,
    table,
)
from benchmarks.contenders.roster import HAND, ROSTER
from benchmarks.contenders.scenarios import OPTIMISERS, SCENARIOS
from tinygrad_np import DataError
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file, new_picture
from tinygrad_np.run.environment import processor
from tinygrad_np.run.outputs import write_json

PAUSE = 0.12  # before each turn: OpenBLAS's threads spun for 0.1 s after their last product
WARM_UP = 10  # turns before a contender is measured: it may compile beside its first steps
DECREASE = 100  # times a contender's tolerance is that of what the first steps take off the loss


@dataclass
class Runner:
    """A contender that is ready to take turns."""

    process: Process
    result: Result

    def calibrate(self, turn: float) -> None:
        """How many steps make a turn of so many seconds."""
        end = time.perf_counter() + WARM_UP * turn
        while time.perf_counter() < end:
            self._counted(turn)
        self.result.steps = self._counted(turn)

    def _counted(self, turn: float) -> int:
        count, seconds = 1, 0.0
        while count * seconds < turn / 4 and count < 1 << 20:
            count *= 2
            seconds = self.process.ask("steps", count=count)["seconds"]
        return max(1, round(turn / seconds))

    def turn(self) -> float:
        """Seconds a step, after a pause in which the others' threads go to sleep."""
        time.sleep(PAUSE)
        seconds = self.process.ask("steps", count=self.result.steps)["seconds"]
        return float(seconds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    for name, known in (
        ("scenarios", SCENARIOS), ("optimisers", OPTIMISERS), ("contenders", ROSTER)
    ):  # fmt: skip
        parser.add_argument(
            f"--{name}", default=",".join(known), metavar="NAMES", help=f"of {', '.join(known)}"
        )
    parser.add_argument("--rounds", type=int, help="turns of each contender (25; quick: 5)")
    parser.add_argument("--quick", action="store_true", help="few and short turns")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    parser.add_argument("--plot", type=new_picture, help="draw the ratios to this PNG file")
    given = parser.parse_args(arguments)
    given.scenarios = names("scenarios", given.scenarios, SCENARIOS)
    given.optimisers = names("optimisers", given.optimisers, OPTIMISERS)
    given.contenders = names("contenders", f"{HAND},{given.contenders}", ROSTER)
    at_least(given, rounds=1)
    given.rounds = given.rounds or (5 if given.quick else 25)
    given.turn = 0.05 if given.quick else 0.2
    return given


def names(option: str, given: str, known: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Names from a list with commas, in the order of those that there are."""
    wanted = [name.strip() for name in given.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise DataError(f"--{option}: there is no {name!r}; known: {', '.join(known)}.")
    if not wanted:
        raise DataError(f"--{option}: name at least one of {', '.join(known)}.")
    return [name for name in known if name in wanted]


def choose(scenario: str, optimiser: str, turn: float, module: str = WORKER) -> Mapping[str, Any]:
    """The best hand-written step: the winners for one and for two BLAS threads take turns."""
    with ExitStack() as stack:
        runners = []
        for threads in range(1, THREADS + 1):
            process = stack.enter_context(Process(threads, module))
            answer = process.ask(
                "choose",
                scenario=scenario,
                optimiser=optimiser,
                blas_threads=threads,
                threads=THREADS,
            )
            result = Result(scenario, optimiser, HAND, choice=answer["choice"])
            runners.append(Runner(process, result))
        for runner in runners:
            runner.calibrate(turn)
        for _ in range(7):
            for runner in runners:
                runner.result.seconds.append(runner.turn())
        best = min(runners, key=lambda runner: runner.result.median).result.choice
    assert best is not None
    return best


def measure(
    scenario: str, optimiser: str, contenders: Sequence[str], rounds: int, turn: float
) -> list[Result]:
    """All contenders on one scenario."""
    choice = choose(scenario, optimiser, turn)
    results = [Result(scenario, optimiser, contender) for contender in contenders]
    with ExitStack() as stack:
        runners = []
        for result in results:
            entry = ROSTER[result.contender]
            result.choice = choice if entry.tuned else None
            threads = choice["blas_threads"] if entry.tuned else THREADS
            runner = Runner(stack.enter_context(Process(threads)), result)
            with remarked(result):
                prepare(runner, results[0].losses, turn)
                runners.append(runner)
        order = random.Random(0)
        for _ in range(rounds):
            for runner in order.sample(runners, len(runners)):
                if not runner.result.remark:
                    with remarked(runner.result):
                        runner.result.seconds.append(runner.turn())
        for runner in runners:
            if not runner.result.remark:
                runner.result.peak = runner.process.ask("memory")["peak"]
    return results


@contextmanager
def remarked(result: Result) -> Iterator[None]:
    """A contender that is refused gets a remark, and no figures; without the hand-written: stop."""
    try:
        yield
    except RefusedError as refused:
        if result.contender == HAND:
            raise
        result.remark = f"{refused.reason}: {refused}"
        result.seconds = []


def prepare(runner: Runner, expected: list[float] | None, turn: float) -> None:
    """Make the contender, compare its losses, warm it up. Raises RefusedError."""
    result = runner.result
    answer = runner.process.ask(
        "make",
        contender=result.contender,
        scenario=result.scenario,
        optimiser=result.optimiser,
        choice=result.choice,
    )
    result.losses = answer["losses"]
    tolerance = ROSTER[result.contender].tolerance
    if result.losses and expected and not agree(result.losses, expected, tolerance):
        raise RefusedError("disagrees", f"its first losses are {result.losses}, not {expected}")
    runner.calibrate(turn)


def agree(losses: Sequence[float], expected: Sequence[float], tolerance: float) -> bool:
    """Whether the losses are the same, and so is what the steps took off them."""
    same = all(math.isclose(a, b, rel_tol=tolerance) for a, b in zip(losses, expected, strict=True))
    decrease, wanted = losses[0] - losses[-1], expected[0] - expected[-1]
    return same and math.isclose(decrease, wanted, rel_tol=DECREASE * tolerance)


def run(given: argparse.Namespace) -> list[Result]:
    """Measure what the command line asks for; remarks go to stderr, each once."""
    results: list[Result] = []
    contenders = list(given.contenders)
    for optimiser in given.optimisers:
        for scenario in given.scenarios:
            print(f"{optimiser}, {SCENARIOS[scenario].title} ...", file=sys.stderr, flush=True)
            measured = measure(scenario, optimiser, contenders, given.rounds, given.turn)
            for result in measured:
                if result.remark:
                    print(f"  {ROSTER[result.contender].title}: {result.remark}", file=sys.stderr)
                if result.remark.startswith("missing"):
                    contenders.remove(result.contender)
            results += measured
    return results


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {"python": platform.python_version()}
    needed = {name for entry in ROSTER.values() for name in entry.distributions}
    for name in sorted({"numpy", "tinygrad_np", *needed}):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": THREADS,
        "system": platform.platform(),
        "versions": versions,
    }


def report(given: argparse.Namespace, results: list[Result]) -> None:
    """Print the tables, write the files."""
    by_optimiser = {
        optimiser: [result for result in results if result.optimiser == optimiser]
        for optimiser in given.optimisers
    }
    print(f"µs a step (ratio to hand-written), medians of {given.rounds} turns, {THREADS} threads")
    for optimiser, part in by_optimiser.items():
        print(f"\n## {optimiser}\n\n{table(part)}\n")
        print("\n".join(summary_lines(part)))
        print(f"\nmost resident memory in MiB:\n\n{memory_table(part)}")
    if given.json is not None:
        figures = {
            "machine": machine(),
            "rounds": given.rounds,
            "geometric_means": {name: summary(part) for name, part in by_optimiser.items()},
            "results": [result.as_json() for result in results],
        }
        write_json(given.json, figures)
    if given.plot is not None:
        draw(results, given.plot)


def compare(given: argparse.Namespace) -> int:
    """Measure and report."""
    try:
        report(given, run(given))
    except RefusedError as refused:
        raise DataError(str(refused)) from refused
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("step_time.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
