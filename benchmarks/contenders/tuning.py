"""The best choice for a hand-written step on this machine, by measuring."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.contenders.contender import Task
from benchmarks.contenders.tuned import Choice, Tuned

TURNS = 7
TURN_SECONDS = 0.015


def best_choice(task: Task, blas_threads: int, threads: int, new_batches: bool) -> Choice:
    """The fastest of each stage's alternatives, the stages one after the other.

    ``blas_threads`` is what the process was started with, ``threads`` how many may be used;
    ``new_batches`` says that each step has a batch of its own, which may have to be copied.
    """
    best = Choice(blas_threads=blas_threads)
    for stage in (_layouts, _masks, _blocks, _pieces):
        alternatives = list(dict.fromkeys([best, *stage(task, best, threads)]))
        if len(alternatives) > 1:
            best = fastest(task, alternatives, new_batches)
    return best


def _layouts(_task: Task, best: Choice, _threads: int) -> Iterator[Choice]:
    for hidden, inputs_first in itertools.product(("rows", "columns", "ones"), (False, True)):
        yield replace(best, hidden=hidden, inputs_first=inputs_first)


def _masks(task: Task, best: Choice, _threads: int) -> Iterator[Choice]:
    if task.activation == "relu":
        yield replace(best, mask="compare")


def _blocks(task: Task, best: Choice, threads: int) -> Iterator[Choice]:
    """Blocks of rows, and where products have one thread, several threads that each take some."""
    n = len(task.x)
    for workers in {1, threads} if best.blas_threads == 1 else {1}:
        for rows in {-(-n // workers), 512, 1024, 2048}:
            if rows <= n // workers + 1 and (n >= 512 or workers > 1):
                yield replace(best, rows=rows, workers=workers)


def _pieces(task: Task, best: Choice, threads: int) -> Iterator[Choice]:
    """Pieces of the parameters that stay in cache; several threads where it may be worth it."""
    count = sum(w.size for w in task.weights)
    for updaters in (1, threads):
        for piece in (-(-count // updaters), 1 << 14, 1 << 16, 1 << 18):
            if piece <= count and count >= 1 << 14:
                yield replace(best, piece=piece, updaters=updaters)


def fastest(task: Task, choices: list[Choice], new_batches: bool) -> Choice:
    """The choice with the shortest turn; they take turns, as other work disturbs all alike."""
    steps = [_step(Tuned(task, choice), new_batches) for choice in choices]
    shortest = [float("inf")] * len(steps)
    for step in steps:
        step()
    for _ in range(TURNS):
        for index, step in enumerate(steps):
            shortest[index] = min(shortest[index], _seconds(step))
    return choices[shortest.index(min(shortest))]


def _step(contender: Tuned, new_batches: bool) -> Callable[[], float]:
    def load_and_step() -> float:
        contender.load()
        return contender.step()

    return load_and_step if new_batches else contender.step


def _seconds(step: Callable[[], float]) -> float:
    """Seconds a step, over a turn."""
    start = time.perf_counter()
    count = 0
    while (spent := time.perf_counter() - start) < TURN_SECONDS or not count:
        step()
        count += 1
    return spent / count
