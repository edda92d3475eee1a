"""A captured step, bound to its memory and ready to run."""

from collections.abc import Sequence
from operator import is_, length_hint
from statistics import median
from typing import Any

import numpy as np

from ..autodiff.nests import leaves, rebuild
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from ..recording.equations import Equation
from ..recording.names import give_names
from . import show
from .bind import Binding
from .capture import Capture
from .fuse import fuse, has_stops
from .guards import Guards
from .kernels import Cell, quieted
from .plan import allocate, plan
from .severed import leads_on, severed

COMPUTED = np.float64(0)  # in the places of a result's Tensors


class Untouched(Exception):
    """A call failed before the program had done anything that lasts: the step can run anew."""


class Program:
    """What replays one captured step.

    It belongs to one signature, and to one thread: its buffers are written by every run.
    """

    def __init__(self, capture: Capture, guards: Guards, result: Any, fused: bool) -> None:
        parts = leaves(result)
        returned = [part for part in parts if isinstance(part, Tensor)]
        self.taken_down: Any = capture, [*map(capture.variable, returned)]
        # the captured Tensors are not kept: they may hold a graph
        self.parts: list[Any] = [COMPUTED if isinstance(p, Tensor) else p for p in parts]
        self.result = rebuild(result, [COMPUTED] * len(parts))
        self.copied: set[int] = set()  # the places of arrays that a step makes anew in each run
        at: dict[int, int] = {}  # the places of what stands in several are one
        self.same = [at.setdefault(id(part), i) for i, part in enumerate(parts)]
        self.lead_on = [*map(leads_on, returned)]
        self.single = isinstance(result, Tensor)
        self.effects = capture.effects
        self.generators = capture.generators
        self.inputs = [v for v in capture.variables if v.kind == "input"]
        # gradients at the entry, and Tensors that get other memory
        self.outside = [v for v in capture.variables if v.kind in ("entry", "state")]
        self.became = list(capture.became)
        self.leaves = list(capture.tensors)
        written = [e.operands[0].source for e in capture.equations if e.kind == "write"]
        self.written = list(dict.fromkeys(written))
        self.trace: list[Any] = []  # what the step did, before it was planned
        self.is_second = False  # whether it has replaced one that did something else
        self.names: dict[Any, str] = {}  # of Tensors from outside, in their modules
        self.guards = guards
        self.held: list[Any] = []  # arguments that are no arrays: the signature has their id
        self.named: list[str] = []  # of the arguments by name
        self.runs = 0
        self.due = 0.0
        self.fused = fused

    def forget(self) -> None:
        """Let go of what was captured: it is planned, or nobody is going to run it."""
        self.taken_down[0].close()
        self.taken_down = None

    def link(self) -> None:
        """Plan what was captured, if that is still to be done, and bind every call to buffers."""
        if self.taken_down is not None:
            capture, outputs = self.taken_down
            self.names = give_names(capture.equations, capture.variables)
            self.plan = plan(capture.finished(outputs))
            self.forget()
        allocate(self.plan)
        self.binding = Binding(self.plan, [*self.inputs, *self.outside])
        if self.fused:
            fuse(self.binding)
        self.calls = quieted(self.binding.instructions)
        self.returned = [self.binding.operand(v) for v in self.plan.outputs]
        # the commonest result, one Tensor that the step computes, without the detours
        alone = self.single and type(self.returned[0]) is np.ndarray
        computed = alone and self.plan.outputs[0].kind != "memory" and not self.lead_on[0]
        self.only: np.ndarray | None = self.returned[0] if computed else None
        self.last: list[Any] = [None] * len(self.inputs)
        self.guards.bind()

    def run(self, inputs: Sequence[np.ndarray], plain: bool = False) -> Any:
        """Replay the step on these inputs; returns what it returned.

        With ``plain`` there are arrays for the Tensors that it computed.
        """
        if self.fused and has_stops():
            self.fused = False  # from here on: NumPy's own calls raise at the element
            self.link()
        values = self.binding.cells.values
        if self.outside or not all(map(is_, inputs, self.last)):
            self._set(inputs)
        self.runs += 1
        calls = iter(self.calls)
        try:
            for call in calls:
                call()
        except BaseException as error:
            failed = len(self.calls) - length_hint(calls) - 1
            is_the_steps = isinstance(error, Exception) and not isinstance(error, ReplayError)
            if is_the_steps and not self._has_acted(failed):
                raise Untouched from error
            self._clear(failed)
            raise
        return self._results(values, plain)

    def _until(self, failed: int) -> list[Equation]:
        """The equations up to the one that a call belongs to."""
        equations = self.plan.equations
        return equations[: equations.index(self.binding.instructions[failed][0]) + 1]

    def _has_acted(self, failed: int) -> bool:
        """Whether something that lasts was done before a call, so that nothing can begin anew."""
        place = self.plan.place
        fixed = {root for root, buffer in place.items() if buffer.fixed is not None}
        has_acted = any(
            equation.kind in ("write", "effect", "deliver", "become")
            or equation.draws
            or not fixed.isdisjoint(v.root for v in equation.results)  # a gradient may be there
            for equation in self._until(failed)[:-1]
        )
        return has_acted or bool(self.outside or self.became)

    def _clear(self, failed: int) -> None:
        """After an error in a call, take gradients away that eager mode would not have any more."""
        gone: dict[Tensor, None] = {}
        for equation in self._until(failed):
            gone |= dict.fromkeys(equation.clears)
            if equation.kind == "deliver":
                gone.pop(equation.options["tensor"], None)
        for tensor in gone:
            tensor._grad = None

    def settle(self, result: Any) -> None:
        """Let replays return the arrays that two runs returned; copies of those made anew.

        ``result`` is what the second run returned.
        """
        for i, (was, now) in enumerate(zip(self.parts, leaves(result), strict=False)):
            both = isinstance(was, np.ndarray) and isinstance(now, np.ndarray)
            if both and was is not now and not np.may_share_memory(was, now):
                self.parts[i] = _copied(now)
                self.copied.add(i)

    __repr__ = show.table
    _repr_html_ = show.as_html

    def profile(self, rounds: int = 50) -> show.Profile:
        """Run the program ``rounds`` times on its last inputs, timing each call."""
        inputs = self.last
        self.link()  # away from gradients that somebody has
        for entry in self.outside:
            if entry.kind == "entry" and getattr(entry.source, "_grad", None) is None:
                entry.source._grad = Tensor._owning(np.zeros(entry.shape, entry.dtype))
        self.run(inputs)
        taken = [self.binding.timed() for _ in range(rounds)]
        found = show.rows(self)
        medians = [(row, median(times[row.equation] for times in taken)) for row in found]
        return show.Profile(medians, sum(s for _, s in medians), show.joined(self))

    def _set(self, inputs: Sequence[np.ndarray]) -> None:
        """Put the inputs, and what is there already, where the program reads them."""
        self.last = list(inputs)
        found = [v.source.grad if v.kind == "entry" else v.source for v in self.outside]
        values = [*inputs, *[tensor._array for tensor in found]]
        self.binding.cells.values[: len(values)] = values
        self.binding.cells.refresh()

    def _results(self, values: list[Any], plain: bool) -> Any:
        if self.only is not None:
            copy = self.only.copy("K")  # who computes on sees the memory that eager mode would give
            return copy if plain else Tensor._of(copy, None)
        made = []
        for variable, found, leads in zip(
            self.plan.outputs, self.returned, self.lead_on, strict=True
        ):
            if variable.kind == "memory":
                made.append(variable.source)
            else:
                array = (values[found.place] if isinstance(found, Cell) else found).copy("K")
                make = severed if leads else Tensor._owning
                made.append(array if plain else make(array))
        computed = iter(made)
        parts = [next(computed) if part is COMPUTED else part for part in self.parts]
        for i in self.copied:
            parts[i] = _copied(parts[i])
        return rebuild(self.result, [parts[i] for i in self.same])


def _copied(array: np.ndarray) -> np.ndarray:
    """The same array in memory of its own."""
    copy = array.copy("K")
    copy.flags.writeable = array.flags.writeable
    return copy
