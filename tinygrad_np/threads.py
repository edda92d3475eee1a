"""How many threads there are, and who has them: NumPy's matrix products or workers of ours."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

INSTALL = "to set their number: pip install threadpoolctl."


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

    def run(self, work: Callable[[Any], None], lists: Sequence[Any]) -> None:
        """``work`` on every list at the same time; the first is this thread's."""
        if len(lists) == 1:
            work(lists[0])
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(len(lists) - 1)
        others = [self._pool.submit(work, other) for other in lists[1:]]
        try:
            work(lists[0])
        finally:
            wait(others)  # nobody may still write when this returns or raises
        for other in others:
            other.result()


@functools.cache
def blas_threads() -> "BlasThreads":
    """Those of this process; looking for the libraries takes some milliseconds."""
    return BlasThreads()


class BlasThreads:
    """The number of threads of the BLAS that NumPy uses, where threadpoolctl can set it."""

    def __init__(self) -> None:
        self._libraries: list[Any] = []
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError:
            return
        found = ThreadpoolController().select(user_api="blas")
        self._libraries = list(found.lib_controllers)

    @property
    def known(self) -> bool:
        """Whether the number can be read and set."""
        return bool(self._libraries)

    def get(self) -> int:
        """The number now; 0 where it is not known."""
        return max((library.get_num_threads() for library in self._libraries), default=0)

    def set(self, number: int) -> None:
        """Let products use so many threads from now on; raises ImportError if that cannot be."""
        if not self._libraries:
            raise ImportError(f"the threads of matrix products stay as they are; {INSTALL}")
        for library in self._libraries:
            library.set_num_threads(number)
