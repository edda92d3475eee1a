"""Training on MNIST until a test accuracy is reached, the clock stopped while it is looked at.

Run as a program it is the worker that does so.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.contenders.contender import Array, Contender, Task, he_uniform
from benchmarks.contenders.roster import ROSTER, Entry
from benchmarks.contenders.worker import Worker, serve
from models import by_hand
from tinygrad_np import data, optim, training
from tinygrad_np.run.recipes import DEFAULT, RECIPES, Arrays
from tinygrad_np.training.history import Progress

MARK = 0.9753
SPRINT = replace(
    RECIPES[DEFAULT],
    name="sprint",
    epochs=3,
    schedule=lambda steps, epochs: optim.OneCycle(4e-3, steps * epochs),
)
WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Outcome:
    """When the mark was reached, or that it was not (``seconds`` is None).

    ``seconds`` and ``steps`` of training up to there; ``accuracy`` the last one looked at;
    ``start_seconds`` is what it took to be ready for the first step, compilation included.
    """

    seconds: float | None
    steps: int
    accuracy: float
    start_seconds: float


class Clock:
    """Seconds of training, without those of looking at the accuracy, and when to look."""

    def __init__(self, steps_per_epoch: int, epochs: int) -> None:
        self.last_epoch = steps_per_epoch * (epochs - 1)
        self.start = time.perf_counter()

    def seconds(self) -> float:
        """Since the start, while the clock ran."""
        return time.perf_counter() - self.start

    def back_to(self, seconds: float) -> None:
        """Let the time since then not have passed."""
        self.start = time.perf_counter() - seconds

    def due(self, step: int) -> bool:
        """Whether to look after this step: often in the last epoch, seldom before."""
        return step % (20 if step > self.last_epoch else 200) == 0


def course_task(seed: int) -> Task:
    """The sprint's network, and arrays for its batches that hold noise as yet."""
    rng = np.random.default_rng(seed)
    assert SPRINT.batch_size is not None
    x = rng.random((SPRINT.batch_size, SPRINT.sizes[0]), dtype=np.float32)
    y = rng.integers(0, SPRINT.sizes[-1], SPRINT.batch_size)
    return Task(
        SPRINT.sizes,
        SPRINT.activation,
        loss="cross_entropy",
        optimiser=SPRINT.optimiser.__name__.lower(),
        rate=1e-3,
        weights=he_uniform(SPRINT.sizes, seed),
        x=x,
        y=y,
    )


def train(
    entry: Entry,
    seed: int,
    choice: Mapping[str, Any] | None,
    parts: tuple[Arrays, Arrays] | None = None,
) -> Outcome:
    """The sprint: weights and the order of the batches come from the seed, for all contenders.

    A last batch that would be shorter is left out. ``parts`` are those to train and to test with,
    MNIST's as the default recipe has them if they are not given.
    """
    (x, y), (x_test, y_test) = parts or mnist()
    task = course_task(seed)
    n = len(task.x)
    before = time.perf_counter()
    contender = warmed_up(entry.build(task, choice))
    start_seconds = time.perf_counter() - before
    rate = SPRINT.schedule(len(x) // n, SPRINT.epochs)
    assert callable(rate)
    clock = Clock(len(x) // n, SPRINT.epochs)
    accuracy, step = 0.0, 0
    for rows in batches(len(x), n, seed):
        np.take(x, rows, axis=0, out=task.x, mode="clip")
        np.take(y, rows, axis=0, out=task.y, mode="clip")
        contender.load()
        contender.set_rate(rate(step))
        contender.step()
        step += 1
        if clock.due(step):
            seconds = clock.seconds()
            logits = by_hand.logits(SPRINT.by_hand, contender.weights(), x_test)
            accuracy = training.accuracy(logits.argmax(axis=1), y_test)
            if accuracy >= MARK:
                return Outcome(seconds, step, accuracy, start_seconds)
            clock.back_to(seconds)
    return Outcome(None, step, accuracy, start_seconds)


def mnist() -> tuple[Arrays, Arrays]:
    """The part to train with and the part to test with."""
    parts = SPRINT.parts(data.mnist())
    return parts.train, parts.test


def warmed_up(contender: Contender) -> Contender:
    """Everything compiled, and back at the initial weights."""
    for _ in range(WARM_UP_STEPS):
        contender.step()
    return contender.fresh()


def batches(examples: int, size: int, seed: int) -> Iterator[Array]:
    """The rows of each batch of all epochs; each epoch has an order of its own."""
    rng = np.random.default_rng(seed)
    for _ in range(SPRINT.epochs):
        order = rng.permutation(examples)
        for first in range(0, examples - size + 1, size):
            yield order[first : first + size]


class Look:
    """A callback that evaluates where the clock says so, and ends the training at the mark."""

    def __init__(self, clock: Clock, accuracy: Callable[[], float], outcome: Outcome) -> None:
        self.clock = clock
        self.accuracy = accuracy
        self.outcome = outcome

    def on_step(self, _: Progress) -> bool:
        """Whether the mark is reached."""
        self.outcome = replace(self.outcome, steps=self.outcome.steps + 1)
        if not self.clock.due(self.outcome.steps):
            return False
        seconds = self.clock.seconds()
        self.outcome = replace(self.outcome, accuracy=self.accuracy())
        if self.outcome.accuracy >= MARK:
            self.outcome = replace(self.outcome, seconds=seconds)
            return True
        self.clock.back_to(seconds)
        return False


def train_recipe(seed: int, parts: tuple[Arrays, Arrays] | None = None) -> Outcome:
    """The default recipe, as the main job trains it."""
    recipe = RECIPES[DEFAULT]
    train_part, test_part = parts or mnist()
    before = time.perf_counter()
    weights_seed, order_seed = np.random.default_rng(seed).spawn(2)
    model = recipe.build(weights_seed)
    optimiser = recipe.build_optimiser(model, train_part)
    given = recipe.batches(train_part, order_seed)
    clock = Clock(recipe.steps_per_epoch(train_part), recipe.epochs)
    start_seconds = clock.start - before
    outcome = Outcome(None, 0, 0.0, start_seconds)

    look = Look(clock, lambda: training.evaluate(model, *test_part)[1], outcome)
    training.fit(model, given, optimiser, epochs=recipe.epochs, callbacks=[look])
    return look.outcome


class CourseWorker(Worker):
    """The requests of ``time_to_accuracy``; its only task is the course's."""

    new_batches = True

    def task(self, scenario: str, optimiser: str) -> Task:
        del scenario, optimiser
        return course_task(0)

    def train(self, contender: str, seed: int, choice: Any) -> Any:
        """The sprint of one contender."""
        return asdict(train(ROSTER[contender], seed, choice))

    def train_recipe(self, seed: int) -> Any:
        """The default recipe by the project's own loop."""
        return asdict(train_recipe(seed))


if __name__ == "__main__":
    serve(CourseWorker())
