"""Where the first value that is not finite came from, read off a recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from .equations import Equation, Variable
from .recording import Recording
from .tape import tape_of
from .text import short

NUMBERS = (float, complex, np.floating, np.complexfloating)


@dataclass(frozen=True)
class Finding:
    """The first operation that made a value which is not finite from finite ones.

    ``index`` is the first such element of its result and ``value`` what it is; ``operands`` are the
    operands there, in words: numbers where an operand has that element, else shape and range.
    ``line`` is the user's (empty where only the tape is known) and ``module`` what was being
    called. In the backward pass ``of`` is the operation whose derivative this belongs to. Where
    ``operation`` is empty the value came from outside, and ``operands`` says as what. ``untaken``
    names the operation that did not take the value, where one stands between.
    """

    operation: str
    line: str
    module: str
    of: str
    index: tuple[int, ...]
    value: Any
    operands: tuple[str, ...]
    untaken: str = ""

    @property
    def in_backward(self) -> bool:
        """Whether it happened in the backward pass."""
        return bool(self.of)

    def __str__(self) -> str:
        place = f" at index {self.index}" if self.index else ""
        if not self.operation:
            line = f" ({short(self.line)})" if self.line else ""
            return f"{self.operands[0]} is {self.value}{place}{line}"
        where = f", in the backward pass of {self.of}," if self.of else ""
        made = f" of {' and '.join(self.operands)}" if self.operands else " of nothing"
        told = ", ".join(part for part in (short(self.line), self.module) if part)
        told = f" ({told})" if told else ""
        untaken = f"; {self.untaken}" if self.untaken else ""
        return f"{self.operation}{where} gives {self.value}{place},{made}{told}{untaken}"


def autopsy(loss: Tensor | Recording) -> Finding | None:
    """The first operation, forward or backward, that made a non-finite value from finite ones.

    ``loss`` is a result whose graph still exists (before ``backward()``, or after
    ``backward(retain_graph=True)``), or a recording of ``tg.trace``, which also knows the lines of
    the source. Only operations that lead to a result or a gradient that is not finite are looked
    at. Returns None if all results and gradients are finite. The backward pass is run once more for
    this; a training is not slower unless you call it. Raises TapeError if there is no graph.

    >>> w = tg.Tensor([0.5, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore"):
    ...     print(tg.autopsy(np.sum(np.log(w))))
    log gives -inf at index (1,), of 0
    >>> print(tg.autopsy(np.sum(np.arcsin(w * 2.0))))
    divide, in the backward pass of arcsin, gives inf at index (0,), of 1 and 0
    """
    if isinstance(loss, Recording):
        loss.restore()
        return find(loss.equations, ends(loss))
    tape = tape_of(loss)
    found = find(tape.equations, tape.results)
    if found is None:
        tape = tape_of(loss, backward=True)
        found = find(tape.equations, tape.gradients)
    return found


def ends(made: Recording) -> list[Variable]:
    """What a run leaves behind: its results, or if they are finite the gradients."""
    bad = [variable for variable in made.results if is_bad(variable)]
    given = [e.operands[0] for e in made.equations if e.kind == "deliver" and e.operands]
    return bad or [*given, *made.gradients]


def is_bad(value: Any, test: Any = np.isfinite) -> bool:
    """Whether an operand is a number, or has one, that is not finite."""
    array = value.array if isinstance(value, Variable) else value
    if isinstance(value, (Variable, *NUMBERS)):
        return np.asarray(array).dtype.kind in "fc" and not test(array).all()
    return False


def find(equations: Sequence[Equation], ends: Iterable[Variable]) -> Finding | None:
    """Where what leads to those of the ``ends`` that are not finite began."""
    found = _first(equations, ends, np.isfinite)
    if isinstance(found, Equation):
        return _finding(equations, found)
    if found is None:
        return None
    if found.kind == "constant" and not np.isnan(found.array).any():  # as a mask has -inf
        worse = _first(equations, ends, _is_number)
        if isinstance(worse, Equation):
            return _finding(equations, worse, _is_number)
    reader = found.source
    if not isinstance(reader, Equation):
        reader = next(e for e in equations if any(v is found for v in e.reads))
    shape = f", of shape {found.shape}," if found.shape else ""
    told = found.name or f"{_source(reader, found)}{shape}"
    if getattr(found.source, "requires_grad", False) and found.name is None:
        told = f"a parameter of shape {found.shape}"
    told = f"the earlier gradient of {told}" if found.kind == "entry" else told
    index = _where(found.array)
    value = np.asarray(found.array)[index].item()
    return Finding("", reader.line, "", "", index, value, (told,))


def _is_number(array: Any) -> Any:
    return ~np.isnan(array)


def _first(
    equations: Sequence[Equation], ends: Iterable[Variable], test: Any
) -> Equation | Variable | None:
    """The earliest equation that makes what fails the test of what passes it, or a source."""
    number = {equation: i for i, equation in enumerate(equations)}
    waiting = [variable for variable in ends if is_bad(variable, test)]
    seen = set(waiting)
    sources: list[Variable] = []
    made: list[Equation] = []
    while waiting:
        variable = waiting.pop()
        if variable.made is None or variable.made not in number:
            sources.append(variable)
            continue
        bad = [v for v in variable.made.reads if is_bad(v, test)]
        numbers = [v for v in variable.made.operands if is_bad(v, test) and v not in bad]
        # a number that is no array's, with the only equation that reads it
        sources += [Variable(0, "constant", np.asarray(v), variable.made) for v in numbers]
        if not bad and not numbers:
            made.append(variable.made)
        new = [v for v in dict.fromkeys(bad) if v not in seen]
        waiting += new
        seen.update(new)
    if made and not any(s.kind != "constant" for s in sources):
        return min(made, key=number.__getitem__)
    return min(sources, key=lambda v: v.number, default=None)


def _finding(equations: Sequence[Equation], equation: Equation, test: Any = np.isfinite) -> Finding:
    result = next(v for v in equation.results if is_bad(v, test))
    index = _where(result.array, test)
    words = tuple(
        _in_words(v.array if isinstance(v, Variable) else v, result.shape, index)
        for i, v in enumerate(equation.operands)
        if isinstance(v, Variable) or (_is_numeric(v) and _is_computed_with(equation, i))
    )
    of = equation.of
    return Finding(
        _name(equation), (of or equation).line, (of or equation).module, _name(of),
        index, result.array[index].item(), words, _untaken(equations, equation, result, index),
    )  # fmt: skip


def _untaken(
    equations: Sequence[Equation], equation: Equation, result: Variable, index: tuple[int, ...]
) -> str:
    """What did not take the value: an operation behind it that selects, or no cotangent arrives."""
    if equation.of is not None:
        g = equation.of.cotangent
        if g is not None and g.shape == result.shape and g.array[index] == 0:
            return f"no cotangent arrives there{_why_not(equations, equation.of, index)}"
        return ""
    bad = {result}
    for after in equations[equations.index(equation) + 1 :]:
        if after.is_backward or bad.isdisjoint(after.reads):
            continue
        new = {v for v in after.results if is_bad(v)}
        taken = new or not after.results  # by memory from outside
        if not taken and after.rule is not None and after.rule.selects:
            return f"{_told(after)} did not choose it, the backward pass met it"
        bad |= new
    return ""


def _why_not(equations: Sequence[Equation], of: Equation, index: tuple[int, ...]) -> str:
    """The operation whose cotangent is not 0, behind one where it is."""
    reached, shape = set(of.results), of.results[0].shape
    for after in equations[equations.index(of) + 1 :]:
        g = after.cotangent
        if g is None or after.is_backward or reached.isdisjoint(after.reads):
            continue
        same = g.shape == shape
        arrives = bool(g.array[index] if same else g.array.any())
        if arrives and after.rule is not None and after.rule.selects:
            return f": {_told(after)} did not choose it"
        if arrives and same:
            return f": {_told(after)} makes it 0"
        reached.update(after.results)
    return ""


def _told(equation: Equation) -> str:
    return f"{_name(equation)} ({short(equation.line)})" if equation.line else _name(equation)


def _name(equation: Equation | None) -> str:
    return "" if equation is None else equation.part_of or equation.name


def _source(reader: Equation, found: Variable) -> str:
    """What an operation reads that comes from outside."""
    if reader.traits.copies and found.kind == "constant":  # of an array that becomes a Tensor
        return "the gradient given to backward()" if reader.of else "an array given to Tensor()"
    return f"an operand of {reader.traits.spelled or _name(reader)}"


def _is_computed_with(equation: Equation, place: int) -> bool:
    """Whether an operand is a value, not an axis or a count: there is a derivative by it."""
    rule = equation.rule
    return rule is None or rule.each is not None or any(rule.vjps[place : place + 1])


def _is_numeric(value: Any) -> bool:
    return hasattr(value, "dtype") or isinstance(value, (bool, int, float, complex))


def _where(array: Any, test: Any = np.isfinite) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(~test(np.asarray(array)))[0])


def _in_words(value: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    """The element of an operand that belongs to an element of the result, or what there is."""
    array = np.asarray(value)
    try:
        return f"{np.broadcast_to(array, shape)[index].item():.6g}"
    except ValueError:
        if not array.size:
            return f"an operand of shape {array.shape}, which is empty"
        return f"an operand of shape {array.shape} from {array.min():.4g} to {array.max():.4g}"
