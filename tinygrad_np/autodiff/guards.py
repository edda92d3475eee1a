"""Checks that saved arrays did not change between forward and backward."""

import sys
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .tape import next_number

if TYPE_CHECKING:
    from .tensor import Tensor

EXACT_BYTES = 1 << 20
WORDS_PER_ROW = 4096
ALWAYS = sys.maxsize
_nothing = type(None)  # a call of it gives None


def fingerprint(array: np.ndarray) -> Any:
    """Something small that changes when ``array`` does.

    Up to 1 MiB it is a copy of the bytes. Beyond, it is the sums (modulo 2**64) of the rows and of
    the columns of the memory seen as a matrix of 4,096 words: one changed word changes both, and
    words that trade places change one of them.
    """
    if array.nbytes <= EXACT_BYTES:
        return array.tobytes()
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    row_bytes = 8 * WORDS_PER_ROW
    whole = raw.size // row_bytes * row_bytes
    words = raw[:whole].view(np.uint64).reshape(-1, WORDS_PER_ROW)
    rows = np.empty(len(words), np.uint64)
    columns = np.zeros(WORDS_PER_ROW, np.uint64)
    for start in range(0, len(words), 16):  # 512 KiB at a time: the second pass reads the cache
        block = words[start : start + 16]
        np.add.reduce(block, axis=1, out=rows[start : start + 16])
        columns += np.add.reduce(block, axis=0)
    return rows.tobytes(), columns.tobytes(), raw[whole:].tobytes()


# Held while a gradient is delivered or a write is noted, so that threads lose none of each other's.
# One for all: both are short, and an uncontended one costs 0.05 µs.
EXCLUSIVE = threading.RLock()


class Shared:
    """What all Tensors in one piece of memory hold, and arrays of it that were handed out.

    There is one from the second Tensor on, and its references count them. ``base`` is the first.
    """

    __slots__ = ("base",)

    def __init__(self, base: "Tensor") -> None:
        self.base = weakref.ref(base)


class Lent:
    """Stands behind an array that is handed out: gone when nobody holds that, or a view of it.

    NumPy makes views refer to the array that they were made of if it rests on an object like this.
    With a ``storage`` the array may be written to, which is watched; else it is read-only.
    """

    __slots__ = ("__array_interface__", "array", "shared", "storage")

    def __init__(self, array: np.ndarray, storage: "Storage | None", shared: Any = None) -> None:
        self.array = array
        self.shared = shared
        self.storage = storage if storage is not None and not storage.exposed else None
        interface = array.__array_interface__
        readonly = storage is None or not array.flags.writeable
        interface["data"] = (interface["data"][0], readonly)
        self.__array_interface__ = interface

    def __del__(self) -> None:
        if self.storage is not None:
            self.storage.take_back()


class Slot:
    """Where steps leave the gradient of one leaf: memory that is used again and again.

    Nobody else has it: a leaf whose ``.grad`` is a slot gives a copy to whoever reads that.
    ``room`` is the same memory for an eager backward. NumPy makes views of it refer to it, as it
    rests on no array; so its references tell whether a backward is at it. Other kinds of arrays
    have no room. ``trains`` says whether an optimiser made it, for a parameter of its.
    """

    __slots__ = ("alone", "array", "room", "trains")

    def __init__(self, array: np.ndarray, trains: bool = False) -> None:
        self.array, self.room, self.trains = array, None, trains
        if isinstance(array, np.ndarray):
            behind = Lent(array, None)
            behind.__array_interface__ = array.__array_interface__  # which lets write
            self.room = np.asarray(behind)
        self.alone = sys.getrefcount(self.room)

    def take(self) -> np.ndarray | None:
        """The memory to write a gradient into, unless another backward is at it."""
        if self.room is None or sys.getrefcount(self.room) > self.alone:
            return None
        return self.room.view()


class Seen:
    """An array beside Tensors as an operation saw it, which anybody may write to since then."""

    __slots__ = ("array", "print")
    exposed, touched = True, ALWAYS

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.print = fingerprint(array), array.shape, array.dtype  # which may be set, too

    def changed_since(self, _number: int) -> bool:
        """Whether it is another one now."""
        array = self.array
        return bool(self.print != (fingerprint(array), array.shape, array.dtype))


class Storage:
    """The memory of one leaf or constant Tensor, shared by all views of it.

    ``touched`` is the number up to which it may have been written to, ALWAYS if that is not known.
    Writes through Tensors are numbered in the same sequence as the records. While somebody has the
    raw array (``t.data``) writes may bypass us, and fingerprints take over: what is found changed
    counts as written then, and each record that reads the memory looks before it takes its number.
    """

    __slots__ = ("array", "exposed", "lent", "name", "print", "touched", "written")

    def __init__(self, array: Any) -> None:
        self.touched = 0
        self.array = array
        self.written = 0
        self.exposed = False
        self.lent: Callable[[], np.ndarray | None] = _nothing
        self.name: str | None = None  # what drawings call a constant
        self.print: Any = None

    def write(self) -> None:
        """Note that the memory is written to."""
        with EXCLUSIVE:  # a later number must not give way to an earlier one
            self.written = next_number()
            self.touched = max(self.touched, self.written)
            self.print = None

    def expose(self) -> None:
        """Note that the raw array is in the hands of others."""
        if not self.exposed and isinstance(self.array, np.ndarray):
            self.exposed = True
            self.touched = ALWAYS
            self.print = fingerprint(self.array)

    def lend(self) -> np.ndarray:
        """The array for others to read and write: exposed until nobody holds it any more."""
        with EXCLUSIVE:
            array = self.lent()
            if array is None:
                array = np.asarray(Lent(self.array, self))
                self.lent = weakref.ref(array)
                self.expose()
            return array

    def take_back(self) -> None:
        """Note that nobody holds the array that was lent."""
        with EXCLUSIVE:
            if self.print is not None:
                self.notice()
            self.exposed = False
            self.touched = self.written
            self.print = None

    def notice(self) -> None:
        """Number a write that bypassed us, if there was one since the last look."""
        now = fingerprint(self.array)
        if self.print is not None and self.print != now:
            self.written = next_number()
        self.print = now

    def changed_since(self, number: int) -> bool:
        """Whether the memory, saved by record ``number``, was overwritten after that."""
        if self.exposed and self.written <= number:
            with EXCLUSIVE:
                self.notice()
        return self.written > number
