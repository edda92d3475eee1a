"""What watches over saved arrays: a change between forward and backward must be noticed."""

import sys
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


class Witness:
    """Guards memory the user can write to: compares fingerprints.

    ``touched`` is the number up to which a guard's array may have been written to, and ALWAYS where
    that cannot be known.
    """

    __slots__ = ("print", "storage", "touched")

    def __init__(self, array: np.ndarray, storage: "Storage | None" = None) -> None:
        self.touched = ALWAYS
        self.print = fingerprint(array)
        self.storage = storage

    def changed_since(self, number: int, array: np.ndarray) -> bool:
        """Whether ``array``, saved by record ``number``, was overwritten after that."""
        if self.storage is not None and self.storage.written > number:
            return True
        return bool(self.print != fingerprint(array))


class Slot:
    """Where replayed steps leave the gradient of one leaf: memory that is used again and again.

    It is the replays' alone: a leaf whose ``.grad`` is a slot gives a copy to whoever reads that.
    """

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


class Storage:
    """The memory of one leaf Tensor, shared by all views of it.

    Writes through Tensors are numbered in the same sequence as the records. From the first time
    the raw array is handed out (``t.data``) writes may bypass us, and fingerprints take over.
    """

    __slots__ = ("array", "exposed", "name", "print", "touched", "written")

    def __init__(self, array: Any) -> None:
        self.name: str | None = None
        self.touched = 0
        self.array = array
        self.written = 0
        self.exposed = False
        self.print: Any = None

    def write(self) -> None:
        """Note that the memory is written to."""
        self.written = next_number()
        self.touched = max(self.touched, self.written)
        self.print = None

    def expose(self) -> None:
        """Note that the raw array leaves our hands."""
        if not self.exposed and isinstance(self.array, np.ndarray):
            self.exposed = True
            self.touched = ALWAYS
            self.print = fingerprint(self.array)

    def changed_since(self, number: int, array: np.ndarray) -> bool:  # noqa: ARG002
        """Whether the memory, saved by record ``number``, was overwritten after that."""
        if self.written > number:
            return True
        return self.print is not None and bool(self.print != fingerprint(self.array))


Guard = Storage | Witness
