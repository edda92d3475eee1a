"""Arrays of users that NumPy refuses writes into, for as long as something needs their contents."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np


class Lock:
    """An array that was writeable, for how many it is read-only, and the line of the first."""

    __slots__ = ("array", "holders", "line")

    def __init__(self, array: np.ndarray, line: str) -> None:
        self.array = array
        self.holders = 0
        self.line = line


class Locks:
    """All arrays that are read-only at the moment: an operand, and what it is a view of."""

    def __init__(self) -> None:
        self._held: dict[int, Lock] = {}
        # views that graphs keep: of what they are, and what is read-only while they are there
        self._views: dict[int, tuple[np.ndarray, list[Lock]]] = {}

    def lines(self) -> list[str]:
        """Where the arrays were read."""
        return list(dict.fromkeys(lock.line for lock in self._held.values()))

    def hold(self, array: np.ndarray, line: str) -> list[Lock]:
        """Make an array read-only, and each that it is a view of, until it is let go."""
        found = []
        base: Any = array
        while isinstance(base, np.ndarray):
            lock = self._held.get(id(base))
            if lock is None and base.flags.writeable and can_come_back(base):
                lock = self._held[id(base)] = Lock(base, line)
                base.flags.writeable = False
            if lock is not None:
                lock.holders += 1
                found.append(lock)
            base = base.base
        return found

    def let_go(self, locks: list[Lock]) -> None:
        """Give the arrays that nobody needs any more their flags back."""
        for lock in locks:
            lock.holders -= 1
        free = [lock for lock in self._held.values() if lock.holders <= 0]
        for lock in free:
            base = self._held.get(id(lock.array.base))
            if base is None or base.holders <= 0:  # else it waits for what it is a view of
                del self._held[id(lock.array)]
                make_writeable(lock.array)

    def has(self, key: int) -> bool:
        """Whether there is a view of this ``id``."""
        return key in self._views

    def view(self, array: np.ndarray) -> np.ndarray:
        """A view to be kept in place of the array, itself if it is one."""
        if id(array) in self._views:
            return array
        made = array.view()
        self._views[id(made)] = array, []
        weakref.finalize(made, self._end, id(made)).atexit = False
        return made

    def _end(self, key: int) -> None:
        _, locks = self._views.pop(key, (None, []))
        self.let_go(locks)

    def need(self, view: Any, line: Callable[[], str]) -> None:
        """What this is a view of is read-only while the view is there."""
        of, locks = self._views.get(id(view), (None, []))
        if of is not None and not locks:
            locks += self.hold(of, line())

    def close(self) -> None:
        """Give all arrays their flags back, for good."""
        self._views.clear()
        self.let_go([lock for lock in self._held.values() for _ in range(lock.holders)])


def can_come_back(array: np.ndarray) -> bool:
    """Whether NumPy would make this writeable again: not all memory of other libraries."""
    if array.flags.owndata or isinstance(array.base, np.ndarray):
        return True
    try:
        return array.base is not None and not memoryview(array.base).readonly
    except TypeError:
        return False


def make_writeable(array: np.ndarray) -> None:
    """Make an array writeable, even if its user made what it is a view of read-only."""
    bases = []
    base: Any = array
    while isinstance(base := base.base, np.ndarray) and not base.flags.writeable:
        bases.append(base)
    for base in reversed(bases):
        base.flags.writeable = True
    array.flags.writeable = True
    for base in bases:
        base.flags.writeable = False
