"""The process behind ``scaling.py``: a step of any depth, batch or width, its time and memory."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import tinygrad_np as tg
from benchmarks import overhead
from benchmarks.contenders.contender import Task
from benchmarks.contenders.roster import EAGER, REPLAY, ROSTER
from benchmarks.contenders.scenarios import Scenario
from benchmarks.contenders.worker import Worker, peak_bytes, serve

CHAINS = {EAGER: overhead.eager, REPLAY: overhead.eager, "torch": overhead.pytorch}


class Chain:
    """Multiply-adds of one element, one after the other, as a step."""

    def __init__(self, contender: str, operations: int) -> None:
        self.step: Callable[[], Any] = CHAINS[contender](operations // 2)
        if contender == REPLAY:
            self.step = tg.replay(self.step, verify=10**9)  # no check but the first


def task(axis: str, size: int) -> Task:
    """The same network for all batches, the same batch for all widths."""
    sizes, batch = (784, 128, 64, 10), size
    if axis == "width":
        sizes, batch = (784, size, size, 10), 64
    return Scenario(axis, sizes, batch, sgd=0.01, adam=1e-4).task("sgd")


class Grower(Worker):
    """Requests beside those for steps and memory."""

    def prepare(self, contender: str, axis: str, size: int) -> Any:
        """Make a step; the seconds its first two calls take, and the memory before them."""
        made: Any
        if axis == "depth":
            made = Chain(contender, size)
        else:
            made = ROSTER[contender].build(task(axis, size), None)
        self.contender = made
        before, start = peak_bytes(), time.perf_counter()
        self.contender.step()
        self.contender.step()
        return {"seconds": time.perf_counter() - start, "before": before}

    def traced(self, count: int) -> Any:
        """What Python and NumPy allocate in ``count`` steps at most at a time, and what stays."""
        step = self.contender.step
        tracemalloc.start()
        try:
            step()
            gc.collect()
            objects, (before, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            for _ in range(count):
                step()
            after, peak = tracemalloc.get_traced_memory()
            gc.collect()
            more = len(gc.get_objects()) - objects
        finally:
            tracemalloc.stop()
        return {"peak": peak - before, "kept": after - before, "objects": more}


if __name__ == "__main__":
    serve(Grower())
