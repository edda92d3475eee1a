"""How the time of a training step depends on the number of processes: measured, fitted, prolonged.

    python benchmarks/processes.py --measure one.json
    mpirun -n 2 python benchmarks/processes.py --measure two.json
    mpirun -n 4 python benchmarks/processes.py --measure four.json
    python benchmarks/processes.py one.json two.json four.json

The first three train 784-w-10 for some widths w and batches, each process on its rows of every
batch, and keep the least seconds of a step: on a machine that does other work the others say how
long a process waited for a core. The last one fits the model of ``docs/scaling.md`` to three of
four of these points, and prints its numbers, its error on every fourth point, which it has not
seen, and what it says of more processes, one to a core.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.errors import DataError
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_file
from tinygrad_np.run.outputs import write_json

WIDTHS = (16, 32, 64, 128)
BATCHES = (16, 64, 256)
MANY = (8, 16, 32, 64, 128, 256, 512, 1024)
TERMS = {
    "fixed": "a step, whatever its size",
    "product": "a row and a weight",
    "update": "a weight",
    "latency": "a message, for each doubling of the processes",
    "byte": "a byte on its way",
}


@dataclass
class Point:
    """A network and a batch on so many processes, on so many cores; ``seconds`` of a step."""

    processes: int
    cores: int
    width: int
    batch: int
    weights: int
    sent: int
    seconds: float
    median: float

    def terms(self) -> list[float]:
        """What each constant of the model is multiplied with."""
        n, each = self.processes, -(-self.processes // self.cores)  # processes on a core
        return [
            each,
            each * self.batch / n * self.weights,
            each * self.weights,
            math.log2(n),
            2 * (n - 1) / n * self.sent,
        ]


class Clock:
    """The seconds from the end of one step to that of the next."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step(self, _: Any) -> None:
        """One step is done."""
        self.times.append(time.perf_counter())


def measure(group: tg.parallel.Group | None, width: int, batch: int, steps: int) -> Point:
    """Train for some steps."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, 784)).astype(np.float32)
    y = rng.integers(0, 10, batch)
    model = nn.Sequential(nn.Linear(784, width, seed=0), nn.ReLU(), nn.Linear(width, 10, seed=1))
    optimiser = optim.Adam(model.parameters(), 1e-4)
    clock, before = Clock(), 0 if group is None else group.sent
    tg.training.fit(
        model, [(x, y)] * steps, optimiser, epochs=1, callbacks=[clock], group=group
    )  # fmt: skip
    seconds = np.diff(clock.times)
    return Point(
        processes=1 if group is None else group.size,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        width=width,
        batch=batch,
        weights=sum(p.size for p in model.parameters()),
        sent=0 if group is None else (group.sent - before) // steps,
        seconds=float(seconds.min()),
        median=float(statistics.median(seconds)),
    )


def measured(given: argparse.Namespace) -> int:
    """All points, written by the first process."""
    is_alone = not any(name.startswith(("OMPI_", "PMI_", "PMIX_")) for name in os.environ)
    group = None if is_alone else tg.parallel.Group()
    points = []
    for width in given.widths:
        for batch in given.batches:
            points.append(measure(group, width, batch, given.steps))
            if group is None or group.rank == 0:
                last = points[-1]
                print(
                    f"{last.processes:>4} processes, width {width:>5}, batch {batch:>5}: "
                    f"{1e3 * last.seconds:8.3f} ms, median {1e3 * last.median:8.3f} ms, "
                    f"{last.sent:,} bytes",
                    flush=True,
                )
    if group is None or group.rank == 0:
        write_json(given.measure, [asdict(point) for point in points])
    return 0


def fitted(points: Sequence[Point]) -> np.ndarray:
    """The constants, none below 0, that make the sum of the squares of relative errors least."""
    rows = np.array([point.terms() for point in points])
    rows /= np.array([[point.seconds] for point in points])
    scale = rows.max(axis=0, initial=1e-300)
    constants, used = np.zeros(rows.shape[1]), list(range(rows.shape[1]))
    while used:  # without those that would be negative (Lawson & Hanson 1974, in its simplest form)
        found = np.linalg.lstsq(rows[:, used] / scale[used], np.ones(len(rows)), rcond=None)[0]
        if (found >= 0).all():
            constants[used] = found / scale[used]
            break
        del used[int(np.argmin(found))]
    return constants


def predicted(point: Point, constants: np.ndarray) -> float:
    """Seconds of a step."""
    return float(np.dot(point.terms(), constants))


def on_cores(width: int, batch: int, n: int) -> Point:
    """A point with a core for each process."""
    weights = 784 * width + width + 10 * width + 10
    sent = 4 * (weights + 4 + 4) if n > 1 else 0
    return Point(n, n, width, batch, weights, sent, 0.0, 0.0)


def report(points: Sequence[Point], latency: float, bandwidth: float) -> str:
    """The constants, the error on points held out, and what follows for more processes."""
    kept = [point for i, point in enumerate(points) if i % 4 != 3]
    held = [point for i, point in enumerate(points) if i % 4 == 3]
    constants = fitted(kept)
    lines = ["constant   seconds     for", "-" * 60]
    for (name, what), value in zip(TERMS.items(), constants, strict=True):
        lines.append(f"{name:<10} {value:<11.3g} {what}")
    for title, group in (("fitted", kept), ("held out", held)):
        errors = [abs(predicted(p, constants) / p.seconds - 1) for p in group]
        lines.append(
            f"{title}: {len(group)} points, error {100 * statistics.median(errors):.0f} % "
            f"(median), {100 * max(errors):.0f} % (worst)"
        )
    assumed = constants.copy()
    assumed[3:] = latency, 1 / bandwidth
    lines.append(
        f"\nspeed-up over one process, as fitted / over a network of {1e6 * latency:g} µs and "
        f"{bandwidth / 1e9:g} GB/s"
    )
    cases = [(width, batch) for width in (64, 1024) for batch in (256, 4096, 65536)]
    lines.append(f"{'processes':>10}" + "".join(f"{f'{w}, batch {b:,}':>22}" for w, b in cases))
    for n in MANY:
        cells = []
        for width, batch in cases:
            alone, many = on_cores(width, batch, 1), on_cores(width, batch, n)
            gains = [predicted(alone, c) / predicted(many, c) for c in (constants, assumed)]
            cells.append(f"{gains[0]:.1f} / {gains[1]:.1f}" if batch >= n else "-")
        lines.append(f"{n:>10}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def read(path: Path) -> list[Point]:
    """The points of a file; raises DataError for another one."""
    try:
        return [Point(**point) for point in json.loads(path.read_text("utf-8"))]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: not a file that --measure wrote ({error}).") from error


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="what --measure wrote")
    parser.add_argument("--measure", type=new_file, metavar="FILE", help="measure, and write it")
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    parser.add_argument("--widths", type=_numbers, default=WIDTHS, help="with commas")
    parser.add_argument("--batches", type=_numbers, default=BATCHES, help="with commas")
    parser.add_argument("--latency", type=float, default=20, help="of a network, in µs")
    parser.add_argument("--bandwidth", type=float, default=1.25, help="of a network, in GB/s")
    given = parser.parse_args(arguments)
    at_least(given, steps=3)
    if (given.measure is None) == (not given.files):
        raise DataError("give --measure FILE to measure, or the files of such runs to fit.")
    return given


def work(arguments: Sequence[str] | None) -> int:
    """Measure, or fit and print."""
    given = parse(arguments)
    if given.measure is not None:
        return measured(given)
    points = [point for path in given.files for point in read(path)]
    print(report(points, given.latency / 1e6, given.bandwidth * 1e9))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("processes.py", lambda: work(arguments))


if __name__ == "__main__":
    sys.exit(main())
