"""From the equations of a captured step to a plan: which of them run, and in which memory.

Nothing here runs a step. Equations that repeat another one, only copy, or have results that are not
used are removed. Each result gets a buffer that no value uses which is still needed; if an operand
is not needed any more, the result takes its buffer.
"""

import operator
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..autodiff.guards import Slot
from ..autodiff.tape import Leaf
from ..autodiff.tensor import Tensor
from ..recording.equations import Equation, Variable
from ..recording.recording import Recording
from .memory import alike, is_dense
from .rows import blocked

_size = operator.attrgetter("nbytes")


@dataclass(eq=False)
class Buffer:
    """Memory for results that are never needed at the same time; ``fixed`` if it is a slot's."""

    number: int
    nbytes: int = 0
    fixed: np.ndarray | None = None


@dataclass
class Plan:
    """What to run, and where its results lie.

    ``place`` gives each result that is no view its buffer; ``in_place`` has those results that take
    over the buffer of an operand; ``outputs`` are the variables that the step returns.
    """

    equations: list[Equation]
    outputs: list[Variable]
    captured: int
    place: dict[Variable, Buffer] = field(default_factory=dict)
    in_place: dict[Variable, Variable] = field(default_factory=dict)
    buffers: list[Buffer] = field(default_factory=list)
    slots: dict[Tensor, Slot] = field(default_factory=dict)

    def slot_of(self, tensor: Tensor) -> Slot:
        """Where the gradient of a leaf is left: in memory laid out as its own."""
        if tensor not in self.slots:
            leaf, array = tensor._node, tensor._array
            slot = leaf.slot if isinstance(leaf, Leaf) else None
            if slot is None or not alike(slot.array, array):
                slot = Slot(np.empty_like(array))
                if isinstance(leaf, Leaf):
                    leaf.slot = slot
            self.slots[tensor] = slot
        return self.slots[tensor]


def plan(recording: Recording) -> Plan:
    """The equations of a recorded step that its results need, without memory yet."""
    equations, same = simplified(recording.equations)
    returned = [same.get(v, v) for v in recording.results]
    kept = blocked(needed(equations, returned), returned)
    return Plan(kept, returned, len(recording.equations))


def simplified(equations: Iterable[Equation]) -> tuple[list[Equation], dict[Variable, Variable]]:
    """The equations without copies that equal their original, and without repetitions."""
    kept: list[Equation] = []
    same: dict[Variable, Variable] = {}
    seen: dict[Any, Equation] = {}
    epoch = 0
    for old in equations:
        equation = _renamed(old, same)
        if equation.kind in ("write", "effect"):
            epoch += 1
        if equation.kind == "call" and (original := _original(equation)) is not None:
            same[old.results[0]] = original
            continue
        is_pure = equation.rule is not None and equation.rule.is_pure and not equation.draws
        if equation.kind == "call" and is_pure:  # equal operands give equal results, always
            if equation.traits.shape_only or all(v.kind == "constant" for v in equation.reads):
                for result in equation.results:  # it depends on nothing that changes
                    result.kind, result.view_of = "constant", None
                continue
            twin = seen.setdefault(_key(equation, epoch), equation)
            if twin is not equation:
                same.update(zip(old.results, twin.results, strict=True))
                continue
        kept.append(equation)
    return kept, same


def _renamed(old: Equation, same: dict[Variable, Variable]) -> Equation:
    """The equation with other names for what was found to be the same."""
    equation = old if same.keys().isdisjoint(old.reads) else old.renamed(same, old.results)
    for result in old.results:
        result.made = equation
        if result.view_of is not None:
            result.view_of = same.get(result.view_of, result.view_of)
    return equation


def _original(equation: Equation) -> Variable | None:
    """The operand that the only result equals in every bit, stride and chance to change."""
    if len(equation.results) != 1 or equation.options:
        return None
    out, chosen, traits = equation.results[0], None, equation.traits
    if traits.copies:
        chosen = equation.operands[0]
    elif traits.neutral is not None and out.dtype.kind != "c":  # where 1 · ∞ has a NaN
        left, right = equation.operands
        same = [_is_number(operand, traits.neutral) for operand in (left, right)]
        chosen = left if same[1] else right if same[0] else None
    if not isinstance(chosen, Variable) or chosen.root.kind in ("memory", "entry"):
        return None
    return chosen if alike(chosen, out) else None


def _is_number(operand: Any, number: float) -> bool:
    if isinstance(operand, Variable):
        one = operand.kind == "constant" and operand.array.size == 1
        return bool(one and operand.array.item() == number)
    return type(operand) in (int, float) and operand == number


def _key(equation: Equation, epoch: int) -> Any:
    """Equal for pure equations that do the same."""
    parts: list[Any] = [equation.fn, epoch]
    for key, value in [*enumerate(equation.operands), *equation.options.items()]:
        if isinstance(value, Variable):
            parts.append((key, value.number))
        else:
            parts.append((key, type(value), repr(value)))
    return tuple(parts)


def needed(equations: list[Equation], outputs: Sequence[Variable]) -> list[Equation]:
    """The equations whose results are used, or whose errors or shapes the step may see.

    No gradients that are replaced before they are read.
    """
    wanted = set(outputs) | {v.root for v in outputs}
    replaced: set[Tensor] = set()
    kept: list[Equation] = []
    for equation in reversed(equations):
        if equation.kind == "effect":
            replaced = set()
        if equation.kind == "deliver":
            tensor = equation.options["tensor"]
            if tensor in replaced:
                if not equation.operands:  # an error leaves what eager mode leaves
                    kept[-1].clears.append(tensor)
                continue
            replaced.add(tensor)
        elif _may_go(equation) and wanted.isdisjoint(equation.results):
            continue
        for variable in equation.reads:
            wanted.add(variable)
            while variable.view_of is not None:
                variable = variable.view_of
                wanted.add(variable)
        kept.append(equation)
    return kept[::-1]


def allocate(made: Plan) -> None:
    """Give every result that is no view a buffer."""
    made.place, made.in_place, made.buffers, made.slots = {}, {}, [], {}
    last = last_uses(made)
    returned = {v.root for v in made.outputs}
    slots = _deliveries(made, returned)
    free: list[Buffer] = []  # nobody uses them; by size, then by the time since when
    for i, equation in enumerate(made.equations):
        for result in equation.results:
            if result.view_of is not None:
                continue
            donor = None if result in slots else _donor(equation, result, last, i, made)
            if result in slots:
                made.place[result] = Buffer(-1, result.nbytes, fixed=slots[result])
            elif donor is not None:
                made.place[result] = made.place[donor.root]
                made.in_place[result] = donor
            else:
                made.place[result] = _taken(free, result.nbytes, made.buffers)
        passed_on = {made.place[r] for r in equation.results if r in made.in_place}
        for variable in dict.fromkeys(v.root for v in (*equation.reads, *equation.results)):
            buffer = made.place.get(variable)
            if buffer is None or buffer.fixed is not None or last[variable] != i:
                continue
            if buffer not in passed_on:
                insort(free, buffer, key=_size)


def _taken(free: list[Buffer], nbytes: int, buffers: list[Buffer]) -> Buffer:
    """The smallest free buffer that is large enough, else the largest, enlarged; or a new one."""
    if free:
        chosen = free.pop(bisect_left(free, min(nbytes, free[-1].nbytes), key=_size))
    else:
        chosen = Buffer(len(buffers))
        buffers.append(chosen)
    chosen.nbytes = max(chosen.nbytes, nbytes)
    return chosen


def _may_go(equation: Equation) -> bool:
    """Whether an equation does nothing but give results of shapes that are known.

    A random draw changes its generator. An index, a factorisation or a list of places may fail, or
    be longer, with other values, and the step may see that though it reads no element.
    """
    if equation.kind != "call" or equation.draws or equation.errors:
        return False
    traits, fn = equation.traits, equation.fn
    option = equation.rule.is_option if equation.rule is not None else bool
    said = [*equation.options.values(), *(v for i, v in enumerate(equation.operands) if option(i))]
    along = traits.along and not any(isinstance(v, Variable) for v in said)  # as an axis computed
    known = isinstance(fn, np.ufunc) or traits.shape_only or along or traits.copies
    known = known or traits.cost is not None
    return known or all(result.view_of is not None for result in equation.results)


def last_uses(made: Plan) -> dict[Variable, int]:
    """The place of the last equation that reads each root, directly or through a view."""
    last: dict[Variable, int] = {}
    for i, equation in enumerate(made.equations):
        for variable in (*equation.reads, *equation.results):
            last[variable.root] = i
    for variable in made.outputs:
        last[variable.root] = len(made.equations)
    return last


def _deliveries(made: Plan, returned: set[Variable]) -> dict[Variable, np.ndarray]:
    """Results that can be made right in the slot of the leaf whose gradient they are."""
    delivered = [e for e in made.equations if e.kind == "deliver" and e.operands]
    times = Counter(e.options["tensor"] for e in delivered)
    slots: dict[Variable, np.ndarray] = {}
    for equation in delivered:
        tensor, seen = equation.options["tensor"], equation.operands[0]
        base = seen.root
        if base.kind != "result" or base in slots or base in returned or times[tensor] > 1:
            continue
        slot = made.slot_of(tensor).array
        whole = base.start == seen.start and base.nbytes == seen.nbytes and base.dtype == seen.dtype
        if whole and alike(slot, seen) and is_dense(base) and is_dense(slot):
            slots[base] = np.lib.stride_tricks.as_strided(slot, base.shape, base.strides)
    return slots


def _donor(
    equation: Equation, result: Variable, last: dict[Variable, int], i: int, made: Plan
) -> Variable | None:
    """An operand whose buffer the result can take over while it is computed."""
    is_ufunc = isinstance(equation.fn, np.ufunc)
    # for one element in place takes 0.7 µs instead of 0.2: NumPy looks for an overlap
    is_one = result.nbytes == result.dtype.itemsize
    if is_one or not equation.traits.overwrites or (is_ufunc and equation.options):
        return None
    # a function that is no ufunc may be written over its first operand only
    operands = equation.reads if is_ufunc else equation.reads[:1]
    for operand in operands:
        base = operand.root
        buffer = made.place.get(base)
        if buffer is None or buffer.fixed is not None or last[base] != i:
            continue
        whole = operand.nbytes == base.nbytes and operand.start == base.start
        twice = any(v.root is base and v is not operand for v in equation.reads)
        if whole and not twice and alike(operand, result):
            return operand
    return None
