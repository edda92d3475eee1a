"""A captured step, bound to its memory and ready to run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from sys import getrefcount
from time import perf_counter
from typing import Any

import numpy as np

from ..autodiff.guards import Slot
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tensor import Tensor
from . import kernels, show
from .capture import Capture, Equation, Variable
from .kernels import Call, Cell, Cells
from .plan import Plan, allocate, is_dense, slot_of

_ready = attrgetter("ready")
_given = attrgetter("_grad")
_data = attrgetter("_data")


@dataclass
class Instruction:
    """One call of the program, and the equation it belongs to."""

    equation: Equation
    run: Callable[[], Any]


class Program:
    """What replays one captured step.

    It belongs to one signature, and to one thread: its buffers are written by every run.
    """

    def __init__(self, capture: Capture, plan: Plan, result: Any, places: list[int | None]) -> None:
        self.plan = plan
        self.result = result
        self.parts = leaves(result)
        self.places = places
        self.single = isinstance(result, Variable)
        self.effects = capture.effects
        self.generators = capture.generators
        self.inputs = [v for v in capture.variables if v.kind == "input"]
        self.entries = [v for v in capture.variables if v.kind == "entry"]
        self.leaves = [t for t, before in capture.tensors.items()]
        self.empty = [t for t, before in capture.tensors.items() if before is False]
        self.cleared = _cleared_first(capture)
        self.memory = _memory(plan)
        self.written = [e.operands[0].source for e in plan.equations if e.kind == "write"]
        self.modules = [(m, _attributes(m)) for m in capture.modules]
        self.marks = [m._mark for m in capture.modules]
        self.trace = capture.equations
        self.specs: Any = None
        self.numbers: list[Any] = []
        self.recording = True
        self.runs = 0
        self.due = 0.0
        capture.close()
        self.link()

    def link(self) -> None:
        """Allocate the buffers and bind every call to them."""
        self.slots = [slot_of(t) for t in self.leaves]
        allocate(self.plan)
        self.cells = Cells()
        self.arrays: dict[Variable, Any] = {}
        self.pools = [np.empty(b.nbytes, np.uint8) for b in self.plan.buffers]
        for variable in (*self.inputs, *self.entries):
            self.arrays[variable] = self.cells.add()
        self.instructions = [
            Instruction(equation, call.bound(self.cells))
            for equation in self.plan.equations
            for call in self._calls(equation)
        ]
        self.calls = [instruction.run for instruction in self.instructions]
        self.returned = [self._operand(v) for v in self.plan.outputs]
        self.last: list[Any] = [None] * len(self.inputs)

    def _operand(self, value: Any) -> Any:
        """An operand as array, cell, or itself."""
        if not isinstance(value, Variable):
            return value
        found = self.arrays.get(value)
        if found is None:
            found = self.arrays[value] = self._array(value)
        return found

    def _array(self, variable: Variable) -> Any:
        if variable.kind in ("constant", "memory"):
            return variable.array if variable.kind == "constant" else variable.source._data
        buffer = self.plan.place[variable]
        if buffer.fixed is not None:
            return buffer.fixed
        strides = variable.strides if is_dense(variable) else None
        memory = self.pools[buffer.number]
        return np.ndarray(variable.shape, variable.dtype, memory.data, 0, strides)

    def _calls(self, equation: Equation) -> list[Call]:
        operands = [self._operand(value) for value in equation.operands]
        options = {key: self._operand(value) for key, value in equation.options.items()}
        if equation.kind == "effect":
            return [Call(equation.fn.perform, ())]
        if equation.kind == "check":
            return kernels.check_for(equation, operands, self.cells)
        if equation.kind == "write":
            return [Call(equation.fn, tuple(operands))]
        if equation.kind == "deliver":
            return self._delivery(equation, operands)
        results = equation.results
        if len(results) == 1 and results[0].view_of is not None:
            self.arrays[results[0]] = self._view(equation, operands, options)
            return []
        outs = [self._operand(result) for result in results]
        if len(outs) == 1:
            return kernels.calls_for(equation, operands, options, outs[0], self.cells)
        return [Call(_keep_all, (equation, outs, *operands), options)]

    def _view(self, equation: Equation, operands: list[Any], options: dict[str, Any]) -> Any:
        """A result that lies in an operand's memory: made now, or whenever that is new."""
        at = next(i for i, v in enumerate(equation.operands) if v is equation.results[0].view_of)
        fn, before, after = equation.fn, operands[:at], operands[at + 1 :]
        return self.cells.view(operands[at], lambda x: fn(*before, x, *after, **options))

    def _delivery(self, equation: Equation, operands: list[Any]) -> list[Call]:
        tensor = equation.options["tensor"]
        if not operands:
            return [Call(setattr, (tensor, "_grad", None))]
        slot = slot_of(tensor)
        variable = equation.operands[0]
        place = self.plan.place.get(variable.root)
        calls = []
        if place is None or place.fixed is None or not np.shares_memory(place.fixed, slot.array):
            calls.append(Call(np.copyto, (slot.array, operands[0])))
        return [*calls, Call(setattr, (tensor, "_grad", slot))]

    def is_unchanged(self) -> bool:
        """Whether the modules of the step have the attributes they were captured with."""
        if [module._mark for module, _ in self.modules] == self.marks:
            return True
        same = all(_same(_attributes(module), was) for module, was in self.modules)
        if same:
            self.marks = [module._mark for module, _ in self.modules]
        return same

    def fits(self) -> bool:
        """Whether the gradients that are there are those the step was captured with."""
        for tensor in self.cleared:
            tensor._grad = None
        entries = [v.source for v in self.entries]
        return all(getattr(t, "_grad", None) is None for t in self.empty) and not any(
            getattr(t, "_grad", None) is None for t in entries
        )

    def is_ready(self) -> bool:
        """Whether all memory is where it was, and nobody else has what this will overwrite."""
        if all(map(_ready, self.slots)):
            return True
        reclaimed = [_reclaimed(slot) for slot in self.slots]
        return all(reclaimed)

    def run(self, inputs: Sequence[np.ndarray]) -> Any:
        """Replay the step on these inputs; returns what it returned."""
        values = self.cells.values
        if self.entries:
            self._take_entries()
            self._set(inputs)
        elif any(a is not b for a, b in zip(inputs, self.last, strict=True)):
            self._set(inputs)
        self.runs += 1
        for call in self.calls:
            call()
        return self._results(values)

    def __str__(self) -> str:
        return show.table(self)

    __repr__ = __str__

    def profile(self, rounds: int = 50) -> show.Profile:
        """Run the program ``rounds`` times on its last inputs, timing each call."""
        spent: dict[Equation, list[float]] = {e: [] for e in self.plan.equations}
        for _ in range(rounds):
            round_: dict[Equation, float] = dict.fromkeys(spent, 0.0)
            for instruction in self.instructions:
                start = perf_counter()
                instruction.run()
                round_[instruction.equation] += perf_counter() - start
            for equation, seconds in round_.items():
                spent[equation].append(seconds)
        medians = [(row, median(spent[e])) for row, e in zip(show.rows(self), spent, strict=True)]
        return show.Profile(medians, sum(seconds for _, seconds in medians))

    def _set(self, inputs: Sequence[np.ndarray]) -> None:
        self.last = list(inputs)
        self.cells.values[: len(inputs)] = inputs
        self.cells.refresh()

    def _take_entries(self) -> None:
        """Put the gradients that are there already where the program reads them."""
        for i, variable in enumerate(self.entries, len(self.inputs)):
            before = variable.source._grad
            array = before.array if type(before) is Slot else before._data
            self.cells.values[i] = np.array(array)  # the slot is written anew in this run

    def _results(self, values: list[Any]) -> Any:
        made = []
        for variable, found in zip(self.plan.outputs, self.returned, strict=True):
            if variable.kind == "memory":
                made.append(variable.source)
            else:
                array = values[found.place] if isinstance(found, Cell) else found
                made.append(Tensor._owning(array.copy()))
        if self.single:
            return made[0]
        parts = zip(self.places, self.parts, strict=True)
        return rebuild(self.result, [v if p is None else made[p] for p, v in parts])


def _attributes(module: Any) -> dict[str, Any]:
    """A module's attributes, without its own marks."""
    return {name: value for name, value in vars(module).items() if name != "_mark"}


def _same(now: dict[str, Any], was: dict[str, Any]) -> bool:
    if list(now) != list(was):
        return False
    simple = (bool, int, float, str)
    return all(
        a is b or (type(a) is type(b) and isinstance(a, simple) and a == b)
        for a, b in zip(now.values(), was.values(), strict=True)
    )


def _cleared_first(capture: Capture) -> list[Tensor]:
    """Leaves whose gradient the step clears before it looks at it."""
    return [t for t, before in capture.tensors.items() if before is None]


def _memory(plan: Plan) -> list[Variable]:
    """The Tensors from outside that the plan reads or writes."""
    found: dict[Variable, None] = {}
    for equation in plan.equations:
        for variable in equation.reads():
            if variable.root.kind == "memory":
                found[variable.root] = None
    for variable in plan.outputs:
        if variable.root.kind == "memory":
            found[variable.root] = None
    return list(found)


def _keep_all(equation: Equation, outs: list[Any], *operands: Any, **options: Any) -> None:
    for out, result in zip(outs, equation.fn(*operands, **options), strict=True):
        np.copyto(out, result)


def _reclaimed(slot: Slot) -> bool:
    """Whether a slot that was given away is free again: nobody has the Tensor or a view of it."""
    if slot.ready:
        return True
    given = slot.given
    if slot.moved or given is None or given.exposed:
        return False
    holders = getrefcount(given) - FORGOTTEN
    if holders:
        tensor = slot.tensor()
        if tensor is None or holders > 1:
            return False
        given.array = tensor._data = np.array(tensor._data)  # whoever has it may keep it
        given.slot = None
    slot.given = None
    slot.ready = True
    return True


def _forgotten() -> int:
    """The references a function sees to an object that one attribute and one variable hold."""
    slot = Slot(np.empty(0))
    slot.give(Tensor._of)
    given = slot.given
    return getrefcount(given)


FORGOTTEN = _forgotten()
