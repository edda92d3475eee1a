"""Training beside others: the same network, weights and batches, one epoch at a time.

Run as a program it is the worker that does so.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders.contender import Array, Contender, Task, he_uniform
from benchmarks.contenders.course import warmed_up
from benchmarks.contenders.roster import ROSTER, Entry
from benchmarks.contenders.worker import Worker, serve
from models import by_hand
from tinygrad_np import training
from tinygrad_np.files import replacing
from tinygrad_np.run.recipes import Arrays, Parts

NETWORK = "relu"  # of models.by_hand
# One step of gradient descent with a rate of 2¹⁰ moves a weight so far that its own rounding
# (2⁻²⁴ of it, over 2¹⁰) does not show in the gradient that the move is divided back to.
PROBE_RATE = 1024.0


@dataclass(frozen=True)
class Match:
    """What all contenders are given; ``folder`` holds the arrays (``write_parts``)."""

    sizes: Sequence[int]
    batch: int
    optimiser: str
    rate: float
    seed: int
    folder: str


def write_parts(folder: Path, parts: Parts) -> None:
    """The arrays as files, which the workers map: all share one copy in memory."""
    for name, arrays in (("train", parts.train), ("validation", parts.validation)):
        _write(folder, name, arrays)
    _write(folder, "test", parts.test)


def _write(folder: Path, name: str, arrays: Arrays) -> None:
    for kind, array in zip("xy", arrays, strict=True):
        with replacing(folder / f"{name}-{kind}.npy") as file:
            np.save(file, array, allow_pickle=False)


def read_part(folder: str, name: str) -> Arrays:
    """Images and labels of "train", "validation" or "test"; both read-only."""
    x, y = (
        np.asarray(np.load(Path(folder) / f"{name}-{kind}.npy", mmap_mode="r")) for kind in "xy"
    )
    return x, y


def orders(examples: int, batch: int, seed: int, epoch: int) -> Iterator[Array]:
    """The rows of each batch of an epoch; a last one that would be shorter is left out."""
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    for first in range(0, examples - batch + 1, batch):
        yield order[first : first + batch]


def gradient_errors(entry: Entry, task: Task) -> list[float]:
    """How far each parameter's gradient is from the hand-written one in float64.

    The largest difference over the largest element. The gradient is what the contender's own update
    subtracted, over the rate: all of them can be asked for that, and it is what they train with.
    """
    contender = entry.build(replace(task, optimiser="sgd", rate=PROBE_RATE), None)
    contender.step()
    before = [w.astype(np.float64) for w in task.weights]
    _, expected = by_hand.BY_HAND[NETWORK](before, task.x.astype(np.float64), task.y)
    errors = []
    for old, new, gradient in zip(before, contender.weights(), expected, strict=True):
        found = (old - new) / PROBE_RATE
        errors.append(float(abs(found - gradient).max() / abs(gradient).max()))
    return errors


class MatchWorker(Worker):
    """The requests of ``compare_frameworks``."""

    contender: Contender
    match: Match

    def prepare(self, contender: str, match: dict[str, Any]) -> Any:
        """Errors of the gradients, and the seconds from import to the end of the first step."""
        self.match = Match(**match)
        x, y = self.train = read_part(self.match.folder, "train")
        rows = next(orders(len(x), self.match.batch, self.match.seed, epoch=1))
        task = Task(
            tuple(self.match.sizes),
            activation="relu",
            loss="cross_entropy",
            optimiser=self.match.optimiser,
            rate=self.match.rate,
            weights=he_uniform(self.match.sizes, self.match.seed),
            x=x[rows],
            y=y[rows],
        )
        start = time.perf_counter()
        entry = ROSTER[contender]
        errors = gradient_errors(entry, task)
        seconds = time.perf_counter() - start
        self.contender = warmed_up(entry.build(task, None))
        return {"errors": errors, "ready_seconds": seconds}

    def epoch(self, number: int) -> Any:
        """Train for one epoch: its seconds, those of all threads together, its mean loss, and the
        validation accuracy after it.
        """
        (x, y), task = self.train, self.contender.task
        losses = []
        start, cpu_start = time.perf_counter(), time.process_time()
        for rows in orders(len(x), self.match.batch, self.match.seed, number):
            np.take(x, rows, axis=0, out=task.x, mode="clip")
            np.take(y, rows, axis=0, out=task.y, mode="clip")
            self.contender.load()
            losses.append(self.contender.step())
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "loss": float(np.mean(losses)),
            "validation": self.accuracy("validation"),
        }

    def test(self) -> Any:
        """The test accuracy, for the end."""
        return {"accuracy": self.accuracy("test")}

    def accuracy(self, part: str) -> float:
        """By the same code for all, from the weights as they are now."""
        x, y = read_part(self.match.folder, part)
        logits = by_hand.logits(NETWORK, self.contender.weights(), x)
        return training.accuracy(logits.argmax(axis=1), y)


if __name__ == "__main__":
    serve(MatchWorker())
