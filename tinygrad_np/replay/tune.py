"""Choices that a plan may leave to the clock: threads and block sizes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..threads import blas_threads, thread_count

if TYPE_CHECKING:
    from .program import Program


@dataclass(frozen=True)
class Choice:
    """How a program is run where there is more than one way; the default leaves all as it is.

    ``blas_threads``: threads of the matrix products (0: as many as the process has). ``rows``: rows
    of a block in a loop over a full batch (0: as eager mode). ``workers``: threads that share the
    blocks of such a loop, each with products of one thread. All of them change the order of sums,
    and so the last digits.
    """

    blas_threads: int = 0
    rows: int = 0
    workers: int = 1

    def as_dict(self) -> dict[str, int]:
        """The fields by name, as JSON takes them."""
        return asdict(self)

    @classmethod
    def of(cls, given: Any) -> "Choice":
        """A choice from what ``as_dict`` gave; raises ValueError for anything else."""
        if isinstance(given, Choice):
            return given
        known = set(cls.__dataclass_fields__)
        if not isinstance(given, dict) or not set(given) <= known:
            raise ValueError(f"a choice has the entries {sorted(known)}, not {given!r}.")
        if not all(isinstance(value, int) and value >= 0 for value in given.values()):
            raise ValueError(f"a choice has counts from 0 up, not {given!r}.")
        return cls(**given)


def questions(threads: int, looped: int) -> list[list[dict[str, int]]]:
    """What to try, one question after the other: changes of the best choice so far.

    ``looped`` is the number of rows of the full batch, 0 if there is no loop over blocks.
    """
    counts = [1, threads] if threads > 1 else [1]
    if not looped:
        return [[{"blas_threads": n} for n in counts]]
    first = [{"blas_threads": 1, "workers": n} for n in counts]
    first += [{"blas_threads": n} for n in counts[1:]]
    return [first, [{"rows": n} for n in (256, 512, 1024, 2048, 4096) if n < looped]]


def tuned(program: "Program", inputs: Sequence[Any], seconds: float) -> Choice:
    """The fastest choice for a program, found by running it on ``inputs`` for ``seconds`` at most.

    What the runs change outside is the caller's to restore. The program is left linked for the
    choice.
    """
    end = perf_counter() + seconds
    times = {Choice(): _time(program, Choice(), inputs, end)}
    best = Choice()
    threads = thread_count() if blas_threads().known else 1
    for question in questions(threads, program.looped_rows()):
        for change in question:
            wanted = replace(best, **change)
            if perf_counter() < end and wanted not in times:
                times[wanted] = _time(program, wanted, inputs, end)
        best = min(times, key=times.__getitem__)
    if best != Choice() and times[best] > 0.97 * times[Choice()]:
        best = Choice()  # not worth other last digits
    program.link(best)
    return best


def _time(program: "Program", choice: Choice, inputs: Sequence[Any], end: float) -> float:
    """Seconds of the fastest of some runs."""
    program.link(choice)
    program.run(inputs)
    found: list[float] = []
    until = min(end, perf_counter() + 0.06)
    while len(found) < 3 or perf_counter() < until:
        start = perf_counter()
        program.run(inputs)
        found.append(perf_counter() - start)
        if perf_counter() > end:
            break
    return min(found)
