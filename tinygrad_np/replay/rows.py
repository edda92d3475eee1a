"""Full batches in blocks of rows: each block goes forward and backward while it is in the cache.

If a step treats all rows of a large batch in the same way, and combines them only in sums, its
equations run block by block. ``row_blocks`` says which sums are split, and where. Eager mode adds
the same blocks in the same order, so the results are the same to the last bit.
"""

from collections.abc import Sequence

import numpy as np

from ..autodiff.shapes import row_blocks
from ..recording.equations import Equation, Variable
from .memory import layout


class RowLoop:
    """The equations of a loop over blocks of rows, and what goes in and out.

    ``rowed`` are the inputs that are cut into blocks, ``reads`` what else is read, ``sums`` the
    results: sums over all rows.
    """

    __name__ = "rows"

    def __init__(self, blocks: list[slice], equations: list[Equation]) -> None:
        self.blocks = blocks
        self.equations = equations
        made = {result for e in equations for result in e.results}
        self.sums = [e.results[0] for e in equations if is_sum(e)]
        read = {v: None for e in equations for v in e.reads if v not in made}
        self.rowed = [v for v in read if v.kind == "input" and _has_rows(v, blocks[-1].stop)]
        self.reads = [v for v in read if v not in self.rowed]

    def cut(self, size: int) -> tuple[list[Equation], list[Variable], dict[Equation, Variable]]:
        """The equations on the rows of one block, and what stands for the inputs there.

        With the equations whose result is to be added to a sum of the whole.
        """
        rows, equations = self.blocks[-1].stop, []
        rowed = [_cut(v, size) for v in self.rowed]
        names: dict[Variable, Variable] = dict(zip(self.rowed, rowed, strict=True))
        totals: dict[Equation, Variable] = {}
        for equation in self.equations:
            adds = is_sum(equation)
            for result in equation.results:
                names[result] = _cut(result, size if _has_rows(result, rows) and not adds else None)
                if result.view_of is not None:
                    names[result].view_of = names.get(result.view_of, result.view_of)
            equations.append(equation.renamed(names, [names[v] for v in equation.results]))
            if adds:
                totals[equations[-1]] = equation.results[0]
        return equations, rowed, totals


def _cut(variable: Variable, size: int | None) -> Variable:
    """A result in the place of a variable, of ``size`` rows or all; inputs keep their strides."""
    shape = variable.shape if size is None else (size, *variable.shape[1:])
    made = Variable(variable.number, "result", np.empty(shape, variable.dtype))
    if variable.kind == "input":
        made.strides = variable.strides
    made.array, made.start, made.name = None, 0, variable.name
    return made


def blocked(equations: list[Equation], outputs: Sequence[Variable]) -> list[Equation]:
    """The equations with a loop over blocks of rows, where there can be one."""
    counts = {v.shape[0] for e in equations for v in e.reads if v.kind == "input" and v.shape}
    for rows in sorted(counts, reverse=True):
        blocks = row_blocks(rows)
        if len(blocks) > 1:
            found = _split(equations, outputs, rows, blocks)
            if found is not None:
                return found
    return equations


def _split(
    equations: list[Equation], outputs: Sequence[Variable], rows: int, blocks: list[slice]
) -> list[Equation] | None:
    """What comes before the loop, the loop, and what comes after; None if it cannot be so."""
    rowed: set[Variable] = set()
    late: set[Variable] = set()
    before: list[Equation] = []
    inside: list[Equation] = []
    after: list[Equation] = []
    for equation in equations:
        reads = equation.reads
        rowed |= {v for v in reads if v.kind == "input" and _has_rows(v, rows)}
        if not rowed.isdisjoint(reads):
            known = is_sum(equation) and rowed.issuperset(reads)
            known = known or _is_by_row(equation, rowed, rows)
            if _has_changed(after) or not known or not late.isdisjoint(reads):
                return None
            inside.append(equation)
            (late if is_sum(equation) else rowed).update(equation.results)
        elif equation.kind != "call" or _has_changed(after) or not late.isdisjoint(reads):
            after.append(equation)
            late.update(equation.results)
        else:
            before.append(equation)
    if not rowed.isdisjoint(outputs) or not any(is_sum(e) for e in inside):
        return None
    loop = RowLoop(blocks, inside)
    whole = Equation("call", loop, [*loop.rowed, *loop.reads], {}, loop.sums, inside[0].line)
    whole.clears = [tensor for equation in inside for tensor in equation.clears]
    return [*before, whole, *after]


def _has_changed(after: list[Equation]) -> bool:
    """Whether what is read or drawn behind these is not what it was before."""
    return any(e.kind in ("effect", "write") or e.draws for e in after)


def is_sum(equation: Equation) -> bool:
    """Whether the result is a sum over rows that may be taken block by block."""
    adds = equation.traits.adds
    if adds != "integers":
        return bool(adds)
    operand = equation.operands[0]
    whole = len(equation.operands) == 1 and not equation.options
    return whole and isinstance(operand, Variable) and operand.dtype.kind in "biu"


def _has_rows(variable: Variable, rows: int) -> bool:
    return variable.shape[:1] == (rows,)


def _is_by_row(equation: Equation, rowed: set[Variable], rows: int) -> bool:
    """Whether each row of the result comes from the same row of the operands alone."""
    if any(isinstance(v, Variable) for v in equation.options.values()):
        return False
    results, traits = equation.results, equation.traits
    if not all(_has_rows(r, rows) and layout(r) == layout(_cut(r, None)) for r in results):
        return False
    if traits.by_row:
        with_rows, others = (
            [v for v in part if isinstance(v, Variable)]
            for part in (equation.operands[: traits.by_row], equation.operands[traits.by_row :])
        )
        return rowed.issuperset(with_rows) and rowed.isdisjoint(others)
    if traits.along:
        return _leaves_rows(equation)
    if not traits.elementwise or equation.options or len(results) != 1:
        return False
    return all(_is_aligned(v, results[0], v in rowed) for v in equation.reads)


def _leaves_rows(equation: Equation) -> bool:
    """Whether an axis that is not the first is reduced or inserted."""
    given = [*equation.operands[1:2], *[v for k, v in equation.options.items() if k == "axis"]]
    source, axis = equation.operands[0], given[0] if given else None
    assert isinstance(source, Variable)
    axes = max(len(source.shape), len(equation.results[0].shape))
    return isinstance(axis, int) and axis % axes != 0


def _is_aligned(operand: Variable, result: Variable, has_rows: bool) -> bool:
    """Whether an operand's rows are the result's rows, or it has none."""
    if has_rows:
        return len(operand.shape) == len(result.shape)
    wide = len(operand.shape) == len(result.shape) and operand.shape[:1] != (1,)
    return not wide and len(operand.shape) <= len(result.shape)
