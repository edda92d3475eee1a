"""The time of a training step of convolutional networks: this project, by hand, other libraries.

    python benchmarks/convolution.py                       everything: 10 minutes
    python benchmarks/convolution.py --rounds 5 --networks LeNet-5 --optimisers sgd
    pip install '.[peers]'                                 the libraries

A step is: gradients forgotten, forward, backward, update, and the loss as a Python float; 64 images
of 28×28 pixels, float32, two threads. Every contender runs in a process of its own, from the same
weights and on the same batch; the losses of its first steps are held against the hand-written ones.
The contenders take turns of some steps each while the others sleep, in random order; shown are
medians over the rounds, of the time that passed and of the processors' time, all threads together:
on a machine that does other work too the second says more.
"""

import argparse
import random
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from benchmarks.contenders.images import CONTENDERS, NETWORKS, RATES
from benchmarks.contenders.processes import THREADS, Process, RefusedError
from benchmarks.step_time import PAUSE, agree, machine, names
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file
from tinygrad_np.run.outputs import write_json

HAND, PRODUCTS = "by hand", "products alone"
TOLERANCE = 1e-4


@dataclass
class Measured:
    """One contender: seconds a step of each turn, passed and worked, and the most memory."""

    network: str
    optimiser: str
    contender: str
    seconds: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    peak: int = 0
    remark: str = ""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    for name, known in (("networks", NETWORKS), ("optimisers", RATES), ("contenders", CONTENDERS)):
        parser.add_argument(f"--{name}", default=",".join(known), metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (15)")
    parser.add_argument("--turn", type=float, default=0.2, help="seconds of a turn (0.2)")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"of all ({THREADS})")
    parser.add_argument("--json", type=new_file, help="write all figures to this file")
    given = parser.parse_args(arguments)
    at_least(given, rounds=1, threads=1)
    given.networks = names("networks", given.networks, NETWORKS)
    given.optimisers = names("optimisers", given.optimisers, RATES)
    given.contenders = names("contenders", f"{HAND},{given.contenders}", CONTENDERS)
    return given


def measure(network: str, optimiser: str, given: argparse.Namespace) -> list[Measured]:
    """All contenders on one network."""
    found: list[Measured] = []
    expected: list[float] = []
    with ExitStack() as stack:
        running: list[tuple[Measured, Process, int]] = []
        for name in given.contenders:
            measured = Measured(network, optimiser, name)
            found.append(measured)
            process = stack.enter_context(
                Process(given.threads, "benchmarks.contenders.images", given.threads)
            )
            try:
                answer = process.ask("make", contender=name, scenario=network, optimiser=optimiser)
                losses = answer["losses"]
                if name != PRODUCTS and expected and not agree(losses, expected, TOLERANCE):
                    raise RefusedError("disagrees", f"its losses are {losses}, not {expected}")
                expected = expected or losses
                seconds = process.ask("steps", count=3)["seconds"]
            except RefusedError as refused:
                measured.remark = f"{refused.reason}: {refused}"
                print(f"{name}: {measured.remark}", file=sys.stderr)
                continue
            running.append((measured, process, max(1, round(given.turn / seconds))))
        order = random.Random(0)
        for _ in range(given.rounds):
            for measured, process, count in order.sample(running, len(running)):
                time.sleep(PAUSE)
                answer = process.ask("steps", count=count)
                measured.seconds.append(answer["seconds"])
                measured.worked.append(answer["worked"])
        for measured, process, _ in running:
            measured.peak = process.ask("memory")["peak"]
    return found


def table(results: list[Measured]) -> str:
    """One network and optimiser as Markdown."""
    lines = [
        "| contender | µs a step | ÷ by hand | µs of processors | ÷ by hand | peak MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    first = results[0]
    for result in results:
        if not result.seconds:
            lines.append(f"| {result.contender} | – | – | – | – | – |")
            continue
        cells = []
        for own, hand in ((result.seconds, first.seconds), (result.worked, first.worked)):
            median = statistics.median(own)
            cells += [f"{1e6 * median:,.0f}", f"{median / statistics.median(hand):.2f}"]
        cells.append(f"{result.peak / 2**20:.0f}")
        lines.append(f"| {result.contender} | {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(given: argparse.Namespace) -> int:
    """Measure and report."""
    everything: list[Measured] = []
    for network in given.networks:
        for optimiser in given.optimisers:
            results = measure(network, optimiser, given)
            print(f"\n{network}, {optimiser}, {given.threads} threads\n\n{table(results)}")
            everything += results
    if given.json is not None:
        figures: dict[str, Any] = {"machine": machine(), "rounds": given.rounds}
        write_json(given.json, {**figures, "results": [asdict(r) for r in everything]})
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("convolution.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
