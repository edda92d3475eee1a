"""Each derivative of a recording in two other ways: by differences, and by the complex step."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..autodiff.funnel import apply
from ..autodiff.gradcheck import _ridders
from ..autodiff.nests import leaves, rebuild
from ..autodiff.rules.table import Rule
from ..autodiff.tensor import Tensor
from ..autodiff.transforms import vjp
from .equations import Equation, Variable
from .formulas import Formula, formula
from .recorder import Recorder
from .recording import Recording
from .tables import run
from .text import Row, row_of
from .trace import ARRAYS

HALF, TINY = 2e-4, 1e-7  # where central differences start, and where they do near an edge
STEP = 1e-30
BY_DIFFERENCE, BY_STEP = 1e-6, 1e-9  # relative errors that count as rounding


@dataclass(frozen=True)
class Check:
    """One derivative: along a random direction, of the results weighed at random, in float64.

    ``by`` is the array that is moved, ``rule`` its ``Formula``. ``step`` is None where the function
    is not holomorphic or NumPy takes no complex numbers for it. ``error`` is relative, and against
    the complex step where there is one. ``verdict`` is ``agrees``, ``DIFFERS``, ``kink`` (the
    slopes on both sides differ, and autodiff follows a convention) or ``unknown``: the value or the
    second number is not finite, or a decomposition has several results that are known up to a
    phase, and all gradients of the whole agree.
    """

    by: str
    rule: Formula
    autodiff: float
    difference: float
    step: float | None
    error: float
    verdict: str

    def cells(self) -> tuple[str, ...]:
        """As a row of a table."""
        step = "–" if self.step is None else f"{self.step:.9g}"
        numbers = f"{self.autodiff:.9g}", f"{self.difference:.9g}", step, f"{self.error:.1e}"
        return self.by, self.rule.text, *numbers, self.verdict

    @property
    def is_bad(self) -> bool:
        """Whether the numbers differ."""
        return self.verdict == "DIFFERS"


class Whole(Recorder):
    """Keeps the operations, too, that a recording shows as equations of their own: ``wholes``.

    By the place of the first of these equations. Outside of recordings they have one rule. What is
    detached is a constant here, as it is for autodiff.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wholes: dict[int, Equation] = {}

    def make(self, made: Any, source: Any, rule: Rule | None = None) -> None:
        """As in a recorder."""
        super().make(made, source, rule)
        if rule is None and source._node is not None:
            made._array = made._array.view()  # by whose identity it is known
            self._remember("constant", made._array, source)

    def apply(
        self, rule: Rule, args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """As in a recorder."""
        start, is_part = len(self.equations), bool(self._part_of)
        out = super().apply(rule, args, values, options)
        if getattr(rule.fn, "written_out", False) and not is_part and self.pulled is None:
            operands = [self._known.get(id(value), value) for value in values]
            options = {n: self._known.get(id(value), value) for n, value in options.items()}
            result = self._known.get(id(out))
            if result is not None and len(self.equations) > start:
                line = self.equations[start].line
                whole = Equation("call", rule, operands, options, [result], line)
                whole.call, self.wholes[start] = self.call, whole
        return out


def wide_leaves(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with each array as a leaf in double precision."""
    return tuple(rebuild(list(inputs), [_own(part) for part in leaves(list(inputs))]))


def _own(part: Any) -> Any:
    """An argument as a leaf in float64."""
    part = np.asarray(part) if isinstance(part, (float, complex)) else part
    if not isinstance(part, ARRAYS) or part.dtype.kind not in "fc":  # type: ignore[union-attr]
        return part
    array = part.numpy() if isinstance(part, Tensor) else part
    name = part.name if isinstance(part, Tensor) else None
    return Tensor(_wide(np.array(array)), requires_grad=True, name=name)


def _wide(value: Any) -> Any:
    """Arrays, and dtypes among options, in double precision."""
    if isinstance(value, type) and issubclass(value, np.generic):
        value = np.dtype(value)
    kind = value if isinstance(value, np.dtype) else getattr(value, "dtype", None)
    if kind is None or kind.kind not in "fc":
        return value
    wide = np.dtype(np.complex128 if kind.kind == "c" else np.float64)
    return wide if kind is value else value.astype(wide)


class Checking:
    """Computes the equations of a recording again in float64, and from values that are moved."""

    def __init__(self, recording: Recording, wholes: dict[int, Equation], seed: int) -> None:
        self.recording, self.wholes = recording, wholes
        self.rng = np.random.default_rng(seed)
        recording.release()
        count, seeds = _back(recording)
        self.forward, back = recording.equations[:count], recording.equations[count:]
        self.outside = {v: _wide(v.array) for v in recording.variables if v.array is not None}
        self.values = self.computed(self.outside, self.forward)
        self.results = [v for v in recording.results if _is_float(v) and v in self.values]
        self.needed = _needed(self.forward, self.results)
        self.read = {v for e in recording.equations for v in e.reads} | set(recording.results)
        self.weights = {v: self.random(self.values[v]) for v in self.results}
        if [v.shape for v in self.results] == [()]:  # its gradients are those that are asked for
            self.weights[self.results[0]] = np.ones(())
        given = {v: self.weights[of] for v, of in seeds.items() if of in self.weights}
        self.values |= self.computed(self.values | given, back)

    def computed(
        self, given: Mapping[Variable, Any], equations: Sequence[Equation]
    ) -> dict[Variable, Any]:
        """The values of all variables, in double precision, of those that are ``given``."""

        def wide(_equation: Equation, call: partial[Any]) -> Any:
            options = {name: _wide(value) for name, value in call.keywords.items()}
            return call.func(*map(_wide, call.args), **options)

        return {**run(equations, wide, given), **given}  # draws are what they were

    def random(self, like: Any) -> Any:
        """Weights for an array, none of them near 0."""
        drawn = self.rng.uniform(0.5, 1.5, like.shape) * self.rng.choice([-1.0, 1.0], like.shape)
        return drawn + 1j * self.rng.uniform(0.5, 1.5, like.shape) if _is_complex(like) else drawn

    def direction(self, x: Any) -> Any:
        """Where an array is moved to: each element by about its own size, 0 by about 1."""
        size = np.where(np.isfinite(x), np.abs(x), 0)
        moved = np.where(x == 0, 1.0, np.minimum(size, 1.0))
        return self.random(x) * moved

    def found(self) -> tuple[list[tuple[Row, list[Check]]], list[Check], dict[str, np.ndarray]]:
        """The checks of all equations, those of the whole function, and its gradients by name."""
        equations = [(row, list(self.local(row.equation))) for row in self.rows()]
        gradients, ends = {}, []
        for variable, gradient in sorted(self.ends(), key=lambda pair: pair[0].number):
            name = repr(variable)
            gradients[name] = self.values[gradient]
            ends.append(self.check(
                name, Formula("", {}), self.values[variable],
                partial(self.whole, variable),
                partial(_along, self.values[gradient]),
            ))  # fmt: skip
        if ends and all(check.verdict == "agrees" for check in ends):
            equations = [(row, _uncertain(row.equation, checks)) for row, checks in equations]
        return equations, ends, gradients

    def rows(self) -> Iterator[Row]:
        """The equations, each whole before its parts."""
        for i, row in enumerate(self.recording.rows()[: len(self.forward)]):
            part, place = row.equation.part_of, row.place
            if i in self.wholes:
                told = f"{place}, in parts:".lstrip(", ")
                yield row_of(row.number, self.wholes[i], told, self.recording.names)
            yield replace(row, place=f"{place}, part of {part}".lstrip(", ")) if part else row

    def ends(self) -> Iterator[tuple[Variable, Variable]]:
        """The arguments and parameters with the gradients that arrived there."""
        sources = {id(v.source): v for v in self.recording.variables
                   if v.kind in ("input", "memory") and v.source is not None}  # fmt: skip
        for equation in self.recording.equations if self.recording.gradients else ():
            tensor = equation.options.get("tensor")
            if equation.kind == "deliver" and equation.operands and id(tensor) in sources:
                yield sources[id(tensor)], equation.operands[0]

    def whole(self, moved: Variable, x: Any) -> Any:
        """All results with their weights, where a variable from outside is ``x``."""
        values = self.computed({**self.outside, moved: x}, self.needed)
        return [(self.weights[v], values[v]) for v in self.results]

    def local(self, equation: Equation) -> Iterator[Check]:
        """The rules of an equation, each from the operands that it had."""
        rule = equation.rule
        if equation.kind != "call" or rule is None or rule.constant or equation.draws:
            return
        operands = [self.value(x) for x in equation.operands]
        options = {name: self.value(x) for name, x in equation.options.items()}
        names = [repr(x) if isinstance(x, Variable) else f"{x}" for x in equation.operands]
        result = ", ".join(map(repr, equation.results))
        some = self.read.intersection(equation.results)  # a phase that nobody reads is free
        weights = [self.random(self.values[v]) * (v in some or not some) for v in equation.results]

        def call(k: int, x: Any) -> Any:
            made = equation.fn(*operands[:k], np.asarray(x), *operands[k + 1 :], **options)
            several = len(equation.results) > 1
            return list(zip(weights, made if several else [made], strict=True))

        def pulled(k: int, direction: Any) -> float:
            def op(x: Any) -> Any:
                made = apply(rule.fn, (*operands[:k], x, *operands[k + 1 :]), options)
                if not isinstance(made, tuple):
                    return [made]
                places = getattr(equation.fn, "places", range(len(made)))
                return [made[i] for i in places]

            out, pull = vjp(lambda x: [o for o in op(x) if _is_float(o)], operands[k])
            of = [w for w, v in zip(weights, equation.results, strict=True) if _is_float(v)]
            (g,) = pull(rebuild(out, of))
            return _along(g.numpy() if isinstance(g, Tensor) else g, direction)

        for k, x in enumerate(equation.operands):
            known = rule.each is not None or (k < rule.count and rule.vjps[k] is not None)
            fixed = not isinstance(x, Variable) or (x.kind == "constant" and x.source is None)
            if not fixed and _is_float(x) and known:
                shown = formula(rule, k, result, names, equation.options)
                yield self.check(repr(x), shown, operands[k], partial(call, k), partial(pulled, k))

    def value(self, x: Any) -> Any:
        """What an operand or an option is in double precision."""
        return _wide(self.values[x] if isinstance(x, Variable) else x)

    def check(
        self, by: str, rule: Formula, x: Any, of: Callable[[Any], Any],
        along: Callable[[Any], float],
    ) -> Check:  # fmt: skip
        """Compare; at a kink once more without the elements that are 0."""
        direction = self.direction(x)
        found = _compared(by, rule, x, direction, of, along)
        if found.verdict == "kink" and (x == 0).any():
            moved = np.where(x == 0, 0, direction)
            found = _compared(by, rule, x, moved, of, along) if moved.any() else found
        return found


@np.errstate(all="ignore")
def _compared(
    by: str, rule: Formula, x: Any, direction: Any, of: Callable[[Any], Any],
    along: Callable[[Any], float],
) -> Check:  # fmt: skip
    def number(t: float) -> float:
        return _weighed(of(x + t * direction))

    difference = _ridders(number, HALF)
    if not math.isfinite(difference):
        difference = _ridders(number, TINY)
    here = number(0.0)
    terms = [(np.abs(w), np.abs(w * out)) for w, out in of(x) if _is_float(out)]
    size = float(sum(np.sum(term) for _, term in terms) or sum(np.sum(w) for w, _ in terms))
    autodiff, step = along(direction), _complex_step(of, x, direction, difference, here)
    error, limit = _apart(autodiff, difference, 1e-4 * size), BY_DIFFERENCE
    if step is not None:
        error, limit = _apart(autodiff, step, 1e-6 * size), BY_STEP
    made = Check(by, rule, autodiff, difference, step, error, "agrees")
    if error <= limit:
        return made
    if not math.isfinite(here) or (step is None and not math.isfinite(difference)):
        return replace(made, verdict="unknown")
    ahead, behind = number(TINY) - here, here - number(-TINY)
    bent = abs(ahead - behind) / TINY > 1e-4 * max(abs(ahead), abs(behind)) / TINY + 1e-6 * size
    return replace(made, verdict="kink" if bent else "DIFFERS")


def _complex_step(
    of: Callable[[Any], Any], x: Any, direction: Any, difference: float, here: float
) -> float | None:
    """The derivative without a difference; None where the results do not follow complex steps."""
    if _is_complex(x):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = of(x + 1j * STEP * direction)
            plain = of(x + 1j * HALF * direction)
    except Exception:  # NumPy and users' functions say in many ways that they take real ones only
        return None
    if not all(_is_complex(out) and not _is_complex(w) for w, out in made if _is_float(out)):
        return None
    found = sum(float(np.sum(w * out.imag)) for w, out in made if _is_float(out)) / STEP
    turned = sum(float(np.sum(w * out.imag)) for w, out in plain if _is_float(out)) / HALF
    # the equations of Cauchy and Riemann: along i the derivative is i times that along 1
    scale = max(abs(difference), abs(here), 1e-300)
    holds = abs(turned - difference) <= 1e-3 * scale and abs(found - difference) <= 1e-3 * scale
    return found if holds else None


def _back(recording: Recording) -> tuple[int, dict[Variable, Variable]]:
    """Where the backward pass that trace ran begins, and the result of each first cotangent."""
    start, results = recording.own, recording.results
    seeds: dict[Variable, Variable] = {}
    for equation in recording.equations[start : start + len(results)]:
        of = equation.operands[0] if equation.traits.shape_only else None
        if of not in results:
            break
        seeds[equation.results[0]] = of
    return start, seeds


def _needed(equations: Sequence[Equation], results: Sequence[Variable]) -> list[Equation]:
    """The equations that results depend on."""
    read, found = set(results), []
    for equation in reversed(equations):
        if not read.isdisjoint(equation.results):
            read.update(equation.reads)
            found.append(equation)
    return found[::-1]


def _weighed(made: Any) -> float:
    return float(sum(np.sum(w * out).real for w, out in made if _is_float(out)))


def _along(gradient: Any, direction: Any) -> float:
    return float(np.sum(gradient * direction).real)


def _apart(a: float, b: float, floor: float) -> float:
    """The relative difference, not a number where one is none."""
    return abs(a - b) / max(abs(a), abs(b), floor, 1e-300)


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and value.dtype.kind in "fc"


def _is_complex(value: Any) -> bool:
    return bool(value.dtype.kind == "c")


def _uncertain(equation: Equation, checks: list[Check]) -> list[Check]:
    """Without what differs in a decomposition, whose parts are known up to a phase or a basis."""
    if len(equation.results) == 1:
        return checks
    return [replace(c, verdict="unknown") if c.is_bad else c for c in checks]
