"""Guards: a program may run if all that its step read outside is the same as in the capture."""

import itertools
import operator
from typing import Any

import numpy as np

from ..autodiff.guards import Slot
from ..autodiff.rules.table import revision
from ..autodiff.tape import changes, mode
from ..recording.equations import Variable
from ..watch.objects import MISSING, is_same
from ..watch.reads import Read
from ..watch.walk import Walk, Watch
from .capture import Capture
from .memory import alike

GONE = (AttributeError, KeyError, ReferenceError, RuntimeError, ValueError)
spec = operator.attrgetter("shape", "dtype", "strides")
_chain, _flat = itertools.chain, itertools.chain.from_iterable
_array, _node = operator.attrgetter("_array"), operator.attrgetter("_node")
# where a container has more in it, this is not in its place
END = Watch(operator.attrgetter("last", "last"), revision, Read("what tg.defvjp was given", ""))


class Guards:
    """What must hold for a program to run, and whether it does.

    ``specs`` are the shapes, dtypes and strides of the arguments, if these are arrays alone.
    """

    def __init__(self, walk: Walk, capture: Capture, specs: Any) -> None:
        self.specs = specs if mode.recording else None
        given = [v for v in capture.variables if v.kind in ("memory", "state")]
        self.given = given
        self.placed = list(dict.fromkeys(v.source for v in given if v.kind == "memory"))
        self.tensors = list(dict.fromkeys([*walk.tensors, *(v.source for v in given)]))
        self.reached = {*map(id, walk.tensors)}  # not what the step makes itself
        self.entries = [v for v in capture.variables if v.kind == "entry"]
        self.empty = [t for t, before in capture.tensors.items() if before is False]
        self.gradients = bool(self.empty or self.entries)  # whether it matters which are there
        self.watches = [*walk.watches, *capture.watches, END]
        self._gets = [watch.get for watch in self.watches], [watch.of for watch in self.watches]
        self.became = [(tensor, tensor._sharers()) for tensor in capture.became]
        self.bind()

    def bind(self) -> None:
        """From now on, expect what is there now, with the memory of Tensors."""
        self.changes = changes.last
        self.nodes = [*map(_node, self.tensors)]
        self.arrays = [*map(_array, self.placed)]
        self.found = [[*get(of)] for get, of, _ in self.watches]
        self.flat = [*[np.ndarray] * len(self.specs or ()), *_flat(self.found)]

    def are_met(self, args: tuple[Any, ...]) -> bool:
        """Whether the program may run again, told fast: False where that takes a closer look."""
        try:
            # nearly all that guards cost: one pass in C over what is there now
            now = _chain(map(type, args), _flat(map(operator.call, *self._gets)))
            if [*map(spec, args)] != self.specs or not all(map(operator.is_, now, self.flat)):
                return False
        except GONE:
            return False  # something is not there any more
        if changes.last is not self.changes and not self._stay():
            return False
        if self.became and self.is_lent():
            return False
        return not self.gradients or self._gradients_fit()

    def hold(self) -> bool:
        """Whether all that the step read is the same; ``is_bound`` says this of its memory."""
        if self.changed() or not self._gradients_fit():
            return False
        return all(alike(variable.source._array, variable) for variable in self.given)

    def is_lent(self) -> bool:
        """Whether somebody holds an array that eager mode would write to, and a replay replaces."""
        return any(tensor._sharers() > known for tensor, known in self.became)

    def is_bound(self) -> bool:
        """Whether Tensors have the memory that the program was bound to."""
        bound = all(map(operator.is_, map(_array, self.placed), self.arrays))
        if bound:
            self.bind()  # other objects with equal numbers
        return bound

    def changed(self) -> tuple[Read, Any] | None:
        """What the step reads and finds changed, if anything, and what it is now."""
        for (get, of, reads), found in zip(self.watches, self.found, strict=True):
            try:
                now = [*get(of)]
            except GONE:
                return Read("a variable that has no value now", ""), None
            for i, (a, b) in enumerate(itertools.zip_longest(now, found, fillvalue=MISSING)):
                if not is_same(a, b):
                    return (reads if isinstance(reads, Read) else reads[i]), a
        moved = map(operator.is_not, map(_node, self.tensors), self.nodes)
        names = [t.name or "a Tensor" for t in itertools.compress(self.tensors, moved)]
        return (Read(f"whether {names[0]} requires grad", ""), None) if names else None

    def _stay(self) -> bool:
        """Whether the Tensors have the memory they had, and require grad as they did."""
        last = changes.last
        now = _chain(map(_node, self.tensors), map(_array, self.placed))
        same = all(map(operator.is_, now, [*self.nodes, *self.arrays]))
        if same:
            self.changes = last
        return same

    def _gradients_fit(self) -> bool:
        """Whether the gradients that are there are those the step was captured with."""
        if self.empty and any(getattr(t, "_grad", None) is not None for t in self.empty):
            return False
        return not self.entries or all(map(_is_there, self.entries))


def _is_there(entry: Variable) -> bool:
    """Whether a leaf has a gradient as it had in the capture."""
    grad = getattr(entry.source, "_grad", None)
    if grad is None or type(grad) is Slot:
        return grad is not None
    return grad._node is None and grad._array.dtype == entry.dtype
