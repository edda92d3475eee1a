"""A communicator whose processes are threads, for tests without MPI."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np


class Stopped(BaseException):
    """What Abort ends a thread with."""


class World:
    """What the threads share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size)
        self.given: list[Any] = [None] * size
        self.aborted: list[int] = []
        self.calls = [0] * size
        self.ended: set[int] = set()

    def run(self, work: Callable[["Comm"], Any]) -> list[Any]:
        """What ``work`` gives in each thread, or the exception that ended it."""
        found: list[Any] = [None] * self.size

        def one(rank: int) -> None:
            try:
                found[rank] = work(Comm(self, rank))
            except BaseException as error:
                found[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return found


class Comm:
    """The part of an mpi4py communicator that ``Group`` uses."""

    def __init__(self, world: World, rank: int) -> None:
        self.world, self.rank = world, rank

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.world.size

    def _exchange(self, own: Any) -> list[Any]:
        world = self.world
        try:
            world.given[self.rank] = np.array(own)
            world.calls[self.rank] += 1
            world.barrier.wait(60)
            found = list(world.given)
            world.barrier.wait(60)
        except threading.BrokenBarrierError:
            raise Stopped from None
        return found

    def Allreduce(self, own: Any, joined: Any) -> None:
        found = self._exchange(own)
        assert len({(part.shape, part.dtype) for part in found}) == 1
        joined[...] = sum(found[1:], start=found[0])

    def Bcast(self, array: Any, root: int) -> None:
        array[...] = self._exchange(array)[root]

    def Dup(self) -> "Comm":
        return self

    def Ibarrier(self) -> "Comm":
        self.world.ended.add(self.rank)
        return self

    def Test(self) -> bool:
        return len(self.world.ended) == self.world.size

    def Abort(self, code: int) -> None:
        self.world.aborted.append(code)
        self.world.barrier.abort()
        raise Stopped
