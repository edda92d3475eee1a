"""The process that runs one contender: requests come as lines of JSON, and so do the answers.

While it waits for a line it does nothing, so that several can take turns on the same cores.
"""

import json
import os
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.contenders.contender import CannotExpressError, Contender, Task
from benchmarks.contenders.roster import HAND, PRODUCTS, ROSTER
from benchmarks.contenders.scenarios import SCENARIOS
from benchmarks.contenders.tuning import best_choice

COMPARED_STEPS = 5


class Worker:
    """The requests by name; each gives what its answer says."""

    contender: Contender
    new_batches = False  # whether each step has a batch of its own

    def task(self, scenario: str, optimiser: str) -> Task:
        """What a scenario asks for."""
        return SCENARIOS[scenario].task(optimiser)

    def choose(self, scenario: str, optimiser: str, blas_threads: int, threads: int) -> Any:
        """Find and make the fastest hand-written step."""
        task = self.task(scenario, optimiser)
        choice = asdict(best_choice(task, blas_threads, threads, self.new_batches))
        self.contender = ROSTER[HAND].build(task, choice)
        return {"choice": choice}

    def make(self, contender: str, scenario: str, optimiser: str, choice: Any) -> Any:
        """Make a contender; the losses of its first steps."""
        self.contender = ROSTER[contender].build(self.task(scenario, optimiser), choice)
        losses = [self.contender.step() for _ in range(COMPARED_STEPS)]
        return {"losses": None if contender == PRODUCTS else losses}

    def steps(self, count: int) -> Any:
        """Seconds a step, over ``count`` steps after some that are not timed."""
        step = self.contender.step
        for _ in range(max(1, count // 10)):
            step()
        start = time.perf_counter()
        for _ in range(count):
            step()
        return {"seconds": (time.perf_counter() - start) / count}

    def memory(self) -> Any:
        """The most memory that was resident, in bytes."""
        return {"peak": peak_bytes()}

    def answer(self, request: dict[str, Any]) -> Any:
        """What to answer; errors are answers too."""
        method: Callable[..., Any] = getattr(self, request.pop("do"))
        try:
            return method(**request)
        except ImportError as error:
            return {"missing": error.name or str(error)}
        except CannotExpressError as error:
            return {"cannot": str(error)}
        except Exception as error:
            traceback.print_exc()
            return {"failed": f"{type(error).__name__}: {error}"}


def peak_bytes() -> int:
    """The most memory of this process that was resident.

    On Linux ``getrusage`` would also count what the process that started it had at that time.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    [kibibytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024


def serve(worker: Worker) -> None:
    """Answer until there are no more requests."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to stderr, not between the answers
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    serve(Worker())
