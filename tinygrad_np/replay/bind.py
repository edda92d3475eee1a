"""A plan with its memory: its equations as calls that take no arguments."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..autodiff.guards import Slot, Storage
from ..autodiff.tape import NO_OPTIONS, changes
from ..autodiff.tensor import Tensor
from ..recording.equations import Equation, Variable
from . import kernels
from .kernels import Call, Cell, Cells, quieted
from .memory import is_dense
from .plan import Plan, allocate
from .rows import RowLoop

LINE = 64  # bytes of a cache line
Instruction = tuple[Equation, Callable[[], Any]]


class Binding:
    """The arrays of a plan's variables, and the calls in their order.

    ``inputs`` are variables whose arrays come with every run; ``given`` has arrays that are there
    already. The results of some equations are added to ``totals``.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[Variable],
        given: dict[Variable, Any] | None = None,
        totals: Mapping[Any, Variable] = NO_OPTIONS,
    ) -> None:
        self.plan = plan
        self.cells = Cells()
        self.arrays: dict[Variable, Any] = dict(given or {})
        self.pools = _pools([buffer.nbytes for buffer in plan.buffers])
        for variable in inputs:
            self.arrays[variable] = self.cells.add()
        self.loops: dict[Equation, Loop] = {}
        self._handed: list[tuple[Tensor, Slot | None]] = []  # by the last call that delivers
        self.instructions: list[Instruction] = []
        for equation in plan.equations:
            calls = self._calls(equation)
            if equation in totals:
                total, part = map(self.operand, (totals[equation], equation.results[0]))
                calls = [*calls, Call(np.add, (total, part, total))]
            self.instructions += [(equation, call.bound(self.cells)) for call in calls]

    def operand(self, value: Any) -> Any:
        """An operand as array, cell, or itself."""
        if not isinstance(value, Variable):
            return value
        found = self.arrays.get(value)
        if found is None:
            found = self.arrays[value] = self._array(value)
        return found

    def nested(self) -> "Iterator[Binding]":
        """This one, and those of its loops."""
        yield self
        for loop in self.loops.values():
            yield from loop.bindings.values()

    def memory(self) -> list[int]:
        """The bytes of each buffer, those of loops included."""
        return [pool.nbytes for binding in self.nested() for pool in binding.pools]

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
            return variable.array if variable.kind == "constant" else variable.source._array
        donor = self.plan.in_place.get(variable)
        if donor in self.arrays and self.arrays[donor].flags.writeable:
            return self.arrays[donor]  # for bodies, which see that it is the same
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
            return [Call(equation.fn, tuple(operands), options)]
        if equation.kind == "write":
            write = Call(equation.fn, tuple(operands), {"out": operands[0]})
            return [Call(equation.operands[0].source._storage.write, ()), write]
        if equation.kind == "become":
            return [Call(_become, (equation.options["tensor"], operands[0]))]
        if equation.kind == "deliver":
            return self._delivery(equation, operands)
        results = equation.results
        if len(results) == 1 and results[0].view_of is not None:
            self.arrays[results[0]] = self._view(equation, operands, options)
            return []
        outs = [self.operand(result) for result in results]
        return kernels.calls_for(equation, operands, options, outs, self.cells)

    def _view(self, equation: Equation, operands: list[Any], options: dict[str, Any]) -> Any:
        """A result that lies in an operand's memory: made now, or whenever that is new."""
        at = next(i for i, v in enumerate(equation.operands) if v is equation.results[0].view_of)
        fn, before, after = equation.fn, operands[:at], operands[at + 1 :]
        return self.cells.view(operands[at], lambda x: fn(*before, x, *after, **options))

    def _delivery(self, equation: Equation, operands: list[Any]) -> list[Call]:
        tensor = equation.options["tensor"]
        slot = self.plan.slot_of(tensor) if operands else None
        copies: list[Call] = []
        place = self.plan.place.get(equation.operands[0].root) if operands else None
        made = None if place is None else place.fixed
        if slot is not None and (made is None or not np.shares_memory(made, slot.array)):
            copies = [Call(np.copyto, (slot.array, operands[0]))]
        elif self.instructions and self.instructions[-1][0].kind == "deliver":
            self._handed.append((tensor, slot))  # by the same call as the one before
            return []
        self._handed = [(tensor, slot)]
        return [*copies, Call(_hand_over, (self._handed,))]


def _pools(sizes: list[int]) -> list[np.ndarray]:
    """Memory for each buffer, side by side in one piece, each from the start of a cache line on.

    Convolutions of what begins elsewhere take up to 1.3 times as long.
    """
    rounded = [-(-size // LINE) * LINE for size in sizes]
    memory = np.empty(sum(rounded) + LINE, np.uint8)
    starts = itertools.accumulate(rounded, initial=-memory.ctypes.data % LINE)
    pairs = zip(starts, sizes, strict=False)
    return [memory[start : start + size] for start, size in pairs]


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
        given = {v: a for v, a in known.items() if v not in late}
        # −0 is what a sum begins with: 0 + −0 is 0, and −0 + −0 is −0
        self.totals = [(known[v], -np.zeros((), v.dtype)) for v in loop.sums]
        self.sources = [outer.operand(v).place for v in loop.rowed]
        self.late = [a.place for a in late.values()]
        self.values = outer.cells.values
        self.bindings: dict[int, Binding] = {}
        for size in dict.fromkeys(b.stop - b.start for b in self.blocks):
            equations, rowed, totals = loop.cut(size)
            plan = Plan(equations, [], 0)
            allocate(plan)
            self.bindings[size] = Binding(plan, [*rowed, *late], given, totals)
        self.plan = next(iter(self.bindings.values())).plan
        self.link()

    def link(self) -> None:
        """Take up the calls of the blocks."""
        self.steps = [(block, quieted(self._of(block).instructions)) for block in self.blocks]

    def _of(self, block: slice) -> Binding:
        """What runs a block."""
        return self.bindings[block.stop - block.start]

    def _fill(self, block: slice) -> None:
        """Point the cells of a block at its rows; sums begin with the first."""
        for total, nothing in self.totals if block is self.blocks[0] else ():
            np.copyto(total, nothing)
        values, cells = self.values, self._of(block).cells
        filled = [values[place][block] for place in self.sources]
        filled += [values[place] for place in self.late]
        cells.values[: len(filled)] = filled
        cells.refresh()

    def run(self) -> None:
        """The blocks, one after the other."""
        for block, calls in self.steps:
            self._fill(block)
            for call in calls:
                call()

    def timed(self) -> dict[Equation, float]:
        """Run once; seconds per equation, all blocks together."""
        taken = []
        for block in self.blocks:
            self._fill(block)
            taken.append(self._of(block).timed().values())
        return dict(zip(self.plan.equations, map(sum, zip(*taken, strict=True)), strict=True))


def _become(tensor: Tensor, array: np.ndarray) -> None:
    """Give a Tensor new memory, as ``t[i] = v`` does: what was saved keeps its values."""
    tensor._array = np.array(array)
    tensor._storage = Storage(tensor._array)
    changes.note()
