"""How many threads there are, and who has them: NumPy's matrix products or workers of ours."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any


def thread_count() -> int:
    """How many threads may work: what BLAS was told, or the cores of this process."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(int(os.environ[name]), 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Threads that work beside this one, started when there is first something to do."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0  # that of the pool: a fork has none of its threads

    def run(self, work: Callable[[Any], None], lists: Sequence[Any]) -> None:
        """``work`` on every list at the same time; the first is this thread's."""
        if len(lists) == 1:
            work(lists[0])
            return
        if self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(len(lists) - 1), os.getpid()
        assert self._pool is not None
        others = [self._pool.submit(work, other) for other in lists[1:]]
        try:
            work(lists[0])
        finally:
            wait(others)  # nobody may still write when this returns or raises
        for other in others:
            other.result()


def blas_threads() -> int:
    """The threads of NumPy's matrix products; 0 where threadpoolctl is not there to tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return 0
    return max(
        (pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=0
    )
