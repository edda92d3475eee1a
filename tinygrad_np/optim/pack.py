"""Parameters side by side in one buffer, so that an optimiser needs a handful of calls for all."""

import functools
import itertools
from collections.abc import Sequence
from operator import attrgetter, is_
from sys import getrefcount
from typing import Any

import numpy as np

from ..autodiff.guards import Slot, Storage
from ..autodiff.primitives import needs_memory
from ..autodiff.tape import Leaf, changes, next_number
from ..autodiff.tensor import Tensor
from ..threads import thread_count
from .limits import cut

# Elements. Measured for 5.8 million: 2.2 ms (SGD) and 9.0 ms (Adam) instead of 2.8 and 12.1 for
# all at once; smaller pieces cost calls: 109,000 in pieces of 8,192 take 28.8 instead of 21.7 µs.
PIECE = 1 << 17
THREADED_FROM = 1 << 19  # elements; below, handing work to a thread costs more than it saves

_array = attrgetter("_array")
_grad = attrgetter("_grad")


class Pack:
    """Parameters of one dtype, their gradients in replays, and an optimiser's state for them.

    ``values`` is the flat buffer whose views the parameters' arrays are, in each parameter's own
    layout; ``state`` has flat arrays beside it, called ``names``; ``group`` has the settings.
    Where a parameter's array cannot be moved, because
    someone else has it too, the pack is that one parameter, and ``values`` its array.
    """

    def __init__(
        self, params: Sequence[Tensor], group: dict[str, Any], states: Sequence[str]
    ) -> None:
        self.params = list(params)
        self.group = group
        for parameter in self.params:
            parameter._grad = getattr(parameter, "_grad", None)
        if _is_movable(self.params[0]):
            self._gather()
        else:
            self.values = self.params[0]._array
            needs_memory("an optimiser", self.values)
            if isinstance(self.values, np.ndarray) and not self.values.flags.writeable:
                raise ValueError(
                    f"a parameter of shape {self.values.shape} shares an array that is read-only, "
                    "so that no optimiser can change it; give tg.Tensor(array, requires_grad=True),"
                    " which copies, or array.flags.writeable = True first."
                )
            self.grads = np.empty_like(self.values)
        self.views = [p._array for p in self.params]
        self.storages = [_storage(p) for p in self.params]
        self.slots = self._slots()
        self.factor = self._number()  # of clipped gradients
        self.numbers: list[np.ndarray] = []  # what a change needs, see ``set_numbers``
        self.names = tuple(states)
        self.state = [np.zeros_like(self.values, working(self.values.dtype)) for _ in states]
        self.ages = [0] * len(self.params)  # how many gradients each parameter had
        self.uneven = False  # whether some had more than others
        self.pieces = self._pieces()
        self._changes: object = None  # the last change of memory that was looked at

    def _gather(self) -> None:
        """Move the parameters' arrays into one buffer."""
        first = self.params[0]._array
        self.values = np.empty(sum(p.size for p in self.params), first.dtype)
        self.grads = np.empty_like(self.values)
        views = _parts(self.values, [p._array for p in self.params])
        for parameter, view in zip(self.params, views, strict=True):
            view[...] = parameter._array
            parameter._array = _storage(parameter).array = view
        changes.note()

    def _slots(self) -> list[Slot]:
        """Where replays leave the gradients: in ``grads``, as the parameters lie in ``values``."""
        slots = [Slot(part, trains=True) for part in self.parts(self.grads)]
        for parameter, slot in zip(self.params, slots, strict=True):
            leaf = parameter._node
            assert isinstance(leaf, Leaf)
            leaf.slot = slot
        return slots

    def rename(self, names: Sequence[str]) -> None:
        """Keep other arrays: those that are new begin as zeros."""
        old = dict(zip(self.names, self.state, strict=True))
        dtype, self.names = working(self.values.dtype), tuple(names)
        new = (np.zeros_like(self.values, dtype) if n not in old else old[n] for n in names)
        self.state = list(new)
        self.pieces = self._pieces()

    def parts(self, flat: np.ndarray) -> list[np.ndarray]:
        """The views of a flat array that belong to the parameters, in their shapes."""
        if flat.ndim != 1 or (len(self.params) == 1 and flat.shape == self.params[0].shape):
            return [flat]
        # as they lay when they were gathered: the state's elements lie so, whatever came since
        return _parts(flat, self.views)

    def _number(self) -> Any:
        return np.zeros_like(self.values, working(self.values.dtype), shape=()).real

    def set_numbers(self, values: Sequence[float]) -> None:
        """Note the numbers of a change: each as an array, which takes 0.3 µs less in a call."""
        if not self.numbers:
            self.numbers = [self._number() for _ in values]
        for number, value in zip(self.numbers, values, strict=True):
            number.fill(value)

    def set_ages(self, ages: Sequence[int]) -> None:
        """Note how many gradients each parameter had."""
        self.ages = list(ages)
        self.uneven = len(set(self.ages)) > 1

    def _pieces(self) -> list[list[tuple[np.ndarray, ...]]]:
        """(values, gradients, two of scratch, *state) in cache-sized pieces; a list a thread."""
        flat, dtype = [self.values, self.grads, *self.state], working(self.values.dtype)
        if self.values.ndim != 1:
            scratch = [np.empty_like(self.values, dtype) for _ in range(2)]
            return [[(self.values, self.grads, *scratch, *self.state)]]
        threads = thread_count() if self.values.size >= THREADED_FROM else 1
        share = -(-self.values.size // threads)
        lists = []
        for first in range(0, self.values.size, share):
            scratch = [np.empty(min(PIECE, share), dtype) for _ in range(2)]
            end = min(first + share, self.values.size)
            cuts = [(i, min(i + PIECE, end)) for i in range(first, end, PIECE)]
            lists.append(
                [(*(a[i:j] for a in flat[:2]), *(a[: j - i] for a in scratch),
                  *(a[i:j] for a in flat[2:]))
                 for i, j in cuts]
            )  # fmt: skip
        return lists

    @functools.cached_property
    def cuts(self) -> list[np.ndarray]:
        """The gradients, parameter by parameter, in short pieces."""
        return [piece for part in self.parts(self.grads) for piece in cut(part)]

    def is_whole(self) -> bool:
        """Whether all gradients are in the slots, so that all parameters can be changed at once.

        Gradients of an eager backward are copied there: two copies for each parameter instead of
        all the calls of an update.
        """
        if self.uneven:
            return False
        last = changes.last
        if last is not self._changes:
            if not all(map(is_, map(_array, self.params), self.views)):
                return False
            self._changes = last
        return all(map(is_, map(_grad, self.params), self.slots)) or self._collect()

    def _collect(self) -> bool:
        """Copy the gradients into the slots, if all are there."""
        grads = [p._grad for p in self.params]
        if len(grads) < 2:
            return False
        for grad, slot in zip(grads, self.slots, strict=True):
            if type(grad) is Tensor and type(grad._array) is np.ndarray:
                continue
            if grad is not slot:
                return False
        for grad, slot in zip(grads, self.slots, strict=True):
            if grad is not slot:
                np.copyto(slot.array, grad._array)  # type: ignore[union-attr]
        return True

    def flush(self) -> None:
        """Set numbers of the state that are too small for a normal one of their dtype to 0.

        A moment without gradients becomes so small and stays so, as 0.9 of the least number is
        rounded to that number; with such ones an update takes two to five times as long.
        """
        for _, _, _, _, *state in itertools.chain.from_iterable(self.pieces):
            for part in state:
                if isinstance(part, np.ndarray):
                    for numbers in (part.real, part.imag) if part.dtype.kind == "c" else (part,):
                        numbers[np.abs(numbers) < np.finfo(part.dtype).smallest_normal] = 0

    def written(self) -> None:
        """Note that the parameters' memory is written to."""
        number = next_number()
        for storage in self.storages:
            storage.written = number
            if storage.exposed:
                storage.print = None
            else:
                storage.touched = number


def working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What a step computes in: the dtype itself, float32 for float16."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def _storage(parameter: Tensor) -> Storage:
    assert parameter._storage is not None
    return parameter._storage


def gathered(group: dict[str, Any], states: Sequence[str]) -> list[Pack]:
    """Packs of a group: one for each dtype, and one for each parameter that cannot be moved."""
    groups: dict[Any, list[Tensor]] = {}
    for i, parameter in enumerate(group["params"]):
        movable = _is_movable(parameter)
        groups.setdefault(parameter.dtype if movable else i, []).append(parameter)
    return [Pack(params, group, states) for params in groups.values()]


def _is_movable(parameter: Tensor) -> bool:
    """Whether nobody but the parameter has its array, as far as that can be seen."""
    storage, array = parameter._storage, parameter._array
    return (
        type(array) is np.ndarray
        and storage is not None
        and storage.array is array
        and not storage.exposed
        and (array.flags.c_contiguous or array.flags.f_contiguous)
        and getrefcount(array) <= HELD_BY_ONE
    )


def _held_by_one() -> int:
    """The references to the array of a parameter that nobody else has."""
    parameter = Tensor(0.0)
    storage, array = parameter._storage, parameter._array
    assert storage is not None
    return getrefcount(array)


HELD_BY_ONE = _held_by_one()


def _parts(flat: np.ndarray, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The pieces of a flat buffer, each in the shape and layout of an array."""
    pieces = np.split(flat, np.cumsum([array.size for array in like])[:-1])
    return [
        piece.reshape(array.shape) if array.flags.c_contiguous
        else piece.reshape(array.shape[::-1]).T
        for piece, array in zip(pieces, like, strict=True)
    ]  # fmt: skip
