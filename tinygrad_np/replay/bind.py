"""A plan bound to memory: its equations as calls that take no arguments."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..autodiff.guards import Slot, Storage
from ..autodiff.tensor import Tensor
from . import kernels
from .capture import Equation, Variable
from .kernels import Call, Cell, Cells, quieted
from .memory import is_dense
from .plan import Plan, allocate, slot_of
from .rows import Block, RowLoop

Instruction = tuple[Equation, Callable[[], Any]]


class Binding:
    """The arrays of a plan's variables, and the calls in their order.

    ``inputs`` are variables whose arrays come with every run; ``given`` has arrays that are there
    already.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[Variable],
        given: dict[Variable, Any] | None = None,
        block: Block | None = None,
    ) -> None:
        self.plan = plan
        self.cells = Cells()
        self.arrays: dict[Variable, Any] = dict(given or {})
        self.pools = [np.empty(buffer.nbytes, np.uint8) for buffer in plan.buffers]
        for variable in inputs:
            self.arrays[variable] = self.cells.add()
        self.loops: dict[Equation, Loop] = {}
        self._handed: list[tuple[Tensor, Slot | None]] = []  # by the last call that delivers
        self.first: list[Instruction] = []  # of a block: sums are set, later ones are added
        self.instructions: list[Instruction] = []
        for equation in plan.equations:
            target = block.sums.get(equation) if block is not None else None
            if target is not None:
                first, later = self._sums(equation, self.operand(target))
            else:
                first = later = [call.bound(self.cells) for call in self._calls(equation)]
            self.first += [(equation, call) for call in first]
            self.instructions += [(equation, call) for call in later]

    def operand(self, value: Any) -> Any:
        """An operand as array, cell, or itself."""
        if not isinstance(value, Variable):
            return value
        found = self.arrays.get(value)
        if found is None:
            found = self.arrays[value] = self._array(value)
        return found

    def memory(self) -> list[int]:
        """The bytes of each buffer, those of loops included."""
        found = [pool.nbytes for pool in self.pools]
        for loop in self.loops.values():
            for binding in loop.bindings.values():
                found += binding.memory()
        return found

    def timed(self) -> dict[Equation, float]:
        """Run once; seconds per equation."""
        times: dict[Equation, float] = dict.fromkeys(self.plan.equations, 0.0)
        for equation, call in self.instructions:
            if equation in self.loops:
                times |= self.loops[equation].timed()
                continue
            start = perf_counter()
            call()
            times[equation] += perf_counter() - start
        return times

    def _array(self, variable: Variable) -> Any:
        if variable.kind in ("constant", "memory"):
            return variable.array if variable.kind == "constant" else variable.source._data
        buffer = self.plan.place[variable]
        if buffer.fixed is not None:
            return buffer.fixed
        strides = variable.strides if is_dense(variable) else None
        memory = self.pools[buffer.number].data
        return np.ndarray(variable.shape, variable.dtype, memory, 0, strides)

    def _calls(self, equation: Equation) -> list[Call]:
        if isinstance(equation.fn, RowLoop):
            self.loops[equation] = Loop(equation.fn, self)
            return [Call(self.loops[equation].run, ())]
        operands = [self.operand(value) for value in equation.operands]
        options = {key: self.operand(value) for key, value in equation.options.items()}
        if equation.kind == "effect":
            return [Call(equation.fn.perform, ())]
        if equation.kind == "check":
            return kernels.check_for(equation, operands, self.cells)
        if equation.kind == "write":
            source = equation.operands[0].source
            return [Call(_note_write, (source,)), Call(equation.fn, tuple(operands))]
        if equation.kind == "become":
            return [Call(_become, (equation.options["tensor"], operands[0]))]
        if equation.kind == "deliver":
            return self._delivery(equation, operands)
        results = equation.results
        if len(results) == 1 and results[0].view_of is not None:
            self.arrays[results[0]] = self._view(equation, operands, options)
            return []
        outs = [self.operand(result) for result in results]
        if len(outs) == 1:
            return kernels.calls_for(equation, operands, options, outs[0], self.cells)
        return [Call(_keep_all, (equation, outs, *operands), options)]

    def _sums(self, equation: Equation, total: np.ndarray) -> list[list[Callable[[], Any]]]:
        """A sum over the rows of a block: right into the total, and added to it."""
        operands = [self.operand(value) for value in equation.operands]
        part = self.operand(equation.results[0])
        first = kernels.calls_for(equation, operands, {}, total, self.cells)
        later = kernels.calls_for(equation, operands, {}, part, self.cells)
        later = [*later, Call(np.add, (total, part, total))]
        return [[call.bound(self.cells) for call in calls] for calls in (first, later)]

    def _view(self, equation: Equation, operands: list[Any], options: dict[str, Any]) -> Any:
        """A result that lies in an operand's memory: made now, or whenever that is new."""
        at = next(i for i, v in enumerate(equation.operands) if v is equation.results[0].view_of)
        fn, before, after = equation.fn, operands[:at], operands[at + 1 :]
        return self.cells.view(operands[at], lambda x: fn(*before, x, *after, **options))

    def _delivery(self, equation: Equation, operands: list[Any]) -> list[Call]:
        tensor = equation.options["tensor"]
        slot = slot_of(tensor) if operands else None
        if slot is not None and not self._is_in_slot(equation.operands[0], slot):
            self._handed = [(tensor, slot)]
            return [
                Call(np.copyto, (slot.array, operands[0])),
                Call(_hand_over, (self._handed,)),
            ]
        if self.instructions and self.instructions[-1][0].kind == "deliver":
            self._handed.append((tensor, slot))  # by the same call as the one before
            return []
        self._handed = [(tensor, slot)]
        return [Call(_hand_over, (self._handed,))]

    def _is_in_slot(self, variable: Variable, slot: Slot) -> bool:
        place = self.plan.place.get(variable.root)
        if place is None or place.fixed is None:
            return False
        return np.shares_memory(place.fixed, slot.array)


def _hand_over(pairs: list[tuple[Tensor, Slot | None]]) -> None:
    """Give leaves their gradients, or take them away."""
    for tensor, slot in pairs:
        tensor._grad = slot


class Loop:
    """A loop over blocks of rows, each of which passes all its equations while it is in cache."""

    def __init__(self, loop: RowLoop, outer: Binding) -> None:
        self.blocks = loop.blocks
        known = {v: outer.operand(v) for v in (*loop.reads, *loop.sums)}
        late = {v: a for v, a in known.items() if isinstance(a, Cell)}
        self.sources = [outer.operand(v).place for v in loop.rowed]
        self.late = [a.place for a in late.values()]
        self.values = outer.cells.values
        given = {v: a for v, a in known.items() if v not in late}
        self.plan: Plan | None = None  # of the first block: its equations stand for all
        self.bindings: dict[int, Binding] = {}
        self.calls: dict[tuple[int, bool], list[Instruction]] = {}
        for size in dict.fromkeys(b.stop - b.start for b in self.blocks):
            block = loop.of(size)
            plan = Plan(block.equations, [], 0)
            allocate(plan)
            binding = Binding(plan, [*block.rowed, *late], given, block)
            self.bindings[size] = binding
            self.plan = self.plan or plan
            originals = dict(zip(block.equations, self.plan.equations, strict=True))
            for first, found in ((True, binding.first), (False, binding.instructions)):
                self.calls[size, first] = [(originals[e], call) for e, call in found]
        self.steps = [
            (block, self.bindings[block.stop - block.start], quieted(self._of(block)))
            for block in self.blocks
        ]

    def _of(self, block: slice) -> list[Instruction]:
        return self.calls[block.stop - block.start, block.start == 0]

    def _fill(self, block: slice, cells: Cells) -> None:
        """Point the cells of a block at its rows."""
        values = self.values
        filled = [values[place][block] for place in self.sources]
        filled += [values[place] for place in self.late]
        cells.values[: len(filled)] = filled
        cells.refresh()

    def run(self) -> None:
        """All blocks, one after the other."""
        for block, binding, calls in self.steps:
            self._fill(block, binding.cells)
            for call in calls:
                call()

    def timed(self) -> dict[Equation, float]:
        """Run once; seconds per equation, all blocks together."""
        assert self.plan is not None
        times: dict[Equation, float] = dict.fromkeys(self.plan.equations, 0.0)
        for block, binding, _ in self.steps:
            self._fill(block, binding.cells)
            for equation, call in self._of(block):
                start = perf_counter()
                call()
                times[equation] += perf_counter() - start
        return times


def _note_write(tensor: Tensor) -> None:
    """Mark a Tensor as written to, so that graphs which saved it notice."""
    assert tensor._storage is not None
    tensor._storage.write()


def _become(tensor: Tensor, array: np.ndarray) -> None:
    """Give a Tensor new memory, as ``t[i] = v`` does: what was saved keeps its values."""
    tensor._data = np.array(array)
    tensor._storage = Storage(tensor._data)


def _keep_all(equation: Equation, outs: list[Any], *operands: Any, **options: Any) -> None:
    for out, result in zip(outs, equation.fn(*operands, **options), strict=True):
        kernels.keep(equation, out, result)
