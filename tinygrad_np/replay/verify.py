"""Compare a replay with the step: both run from the same state, and all bits must be equal."""

import hashlib
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import tape
from ..autodiff.guards import Slot, fingerprint
from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from ..recording.equations import Equation, Variable
from ..recording.lines import users_line
from ..recording.recorder import spelled
from ..watch.kept import Kept
from ..watch.objects import is_plain
from .capture import PLAIN, Capture, refusal
from .native import with_one_nan
from .program import Program

# what errors call a variable
KINDS = {
    "constant": "a constant array",
    "entry": "a gradient from before",
    "input": "an argument of the step",
    "memory": "a Tensor from outside",
    "result": "a result of the step",
    "state": "a Tensor from outside",
}
PART = 1 << 18  # elements that are compared at once
Outcome = Iterable[tuple[str, Any]]


class Line(NamedTuple):
    """What an equation does: ``fixed`` are its operands, as far as they must stay as they are."""

    kind: Any
    name: str
    place: str
    fixed: list[tuple[Any, Any]]


class Content(NamedTuple):
    """The bits of an array that is a constant."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    bits: Any

    def __str__(self) -> str:
        if self.dtype.hasobject or math.prod(self.shape) >= 100:
            digest = hashlib.sha256(repr(self.bits).encode()).hexdigest()[:12]
            return f"an array {self.shape} of {self.dtype} with SHA-256 {digest}"
        return repr(np.frombuffer(self.bits, self.dtype).reshape(self.shape))


class Which(NamedTuple):
    """A variable, known by its number and its Tensor from outside, if it has one."""

    number: int
    source: int
    told: str

    def __str__(self) -> str:
        return self.told


class State:
    """What a step changes outside itself, as it was."""

    def __init__(self, program: Program) -> None:
        self.grads = [(tensor, tensor.grad) for tensor in program.leaves]
        self.written = [(tensor, np.array(tensor._array)) for tensor in program.written]
        self.became = [(tensor, tensor._array, tensor._storage) for tensor in program.became]
        self.kept = Kept(program.effects)
        self.effects = [(effect, effect.save()) for effect in program.effects]
        self.generators = [(g, g.bit_generator.state) for g in program.generators]

    def restore(self) -> None:
        """Make everything what it was."""
        for tensor, grad in self.grads:
            tensor._grad = grad
        for tensor, values in self.written:
            tensor._array[...] = values
        for tensor, data, storage in self.became:
            tensor._array, tensor._storage = data, storage
            tape.changes.note()
        for effect, saved in self.effects:
            effect.restore(saved)
        self.kept.restore()
        for generator, state in self.generators:
            generator.bit_generator.state = state


def compare_state(program: Program) -> None:
    """Raise ReplayError if the step has changed what it reads outside."""
    if (moved := program.guards.moved()) is None:
        return
    (name, place), now = moved
    remedy = (
        "change it outside the step (in fit: count in a callback's on_step), or keep it in a "
        "Tensor and write t[...] = v"
    )
    if isinstance(now, (Tensor, np.ndarray)):
        remedy = (
            "return the value from the step and keep it (a number as float(t)) outside of it; in "
            "fit return it from the model, (out, t), and the loss gets the tuple"
        )
    what = f"changes {name}, which is outside of it and would stay as it is in a replay"
    raise refusal(what, remedy, place)


def compare_runs(program: Program, second: Sequence[Line]) -> None:
    """Raise ReplayError unless the step did the same when it was captured a second time."""
    for was, now in zip(program.trace, second, strict=False):
        if was.kind != now.kind:
            did, does = (f"calls {line.name}" if line.name else "ends" for line in (was, now))
            raise ReplayError(
                f"{now.place}: here the step {does}, and in its first run, with arguments of the "
                f"same shapes, it {did}: something else decides what it does. Pass that to the "
                f"step as a number or a word, or choose with np.where. {PLAIN}"
            )
        for (place, old), (_, new) in zip(was.fixed, now.fixed, strict=True):
            if not _is_same(old, new, program.guards.reached):
                got = "another" if str(new) == str(old) else old
                remedy = (
                    "Pass it to the step as an argument (an array, np.float32(value)); draw noise "
                    "with tg.random."
                )
                if str(new).startswith("Generator("):
                    remedy = (
                        "Make the generator once, outside the step: one made within it draws the "
                        "same numbers each time."
                    )
                raise ReplayError(
                    f"{now.place}: {now.name or 'return'} gets {new} as operand {place} here, and "
                    f"in the first run of the step it got {got}, which a replay would use again. "
                    f"{remedy} {PLAIN}"
                )


def _is_same(old: Any, new: Any, reached: set[int]) -> bool:
    """Whether an operand is what it was; which Tensor it is counts where others can get at it."""
    if isinstance(old, Which) and isinstance(new, Which):
        sources = {old.source, new.source}
        is_one = len(sources) == 1 or reached.isdisjoint(sources)
        return is_one and (old.number, old.told) == (new.number, new.told)
    return bool(old == new)


def outcome(program: Program, returned: Any, copied: bool) -> Outcome:
    """All that a run of the step has left behind; what is not ``copied`` is where it lies."""
    taken = np.array if copied else np.asarray
    for i, part in enumerate(leaves(returned)):
        if isinstance(part, Tensor):
            yield f"result {i}", taken(part._array)
    for tensor in program.leaves:
        grad = getattr(tensor, "_grad", None)
        array = grad.array if type(grad) is Slot else getattr(grad, "_array", None)
        gradient = None if array is None else taken(array)
        yield f"the gradient of {_named(tensor, program)}", gradient
    for tensor in [*program.written, *program.became]:
        yield f"the memory of {_named(tensor, program)}", taken(tensor._array)
    for effect in program.effects:
        for value in leaves(effect.save()):
            yield f"the state of {type(effect).__name__}", np.asarray(value)


def _named(tensor: Tensor, program: Program) -> str:
    return f"{program.names.get(tensor) or tensor.name or 'a Tensor'} of shape {tensor.shape}"


def difference(program: Program, replayed: Outcome | Exception, eager: Outcome) -> str:
    """What a replay has done otherwise than the step; nothing if it is equal to the last bit."""
    if isinstance(replayed, Exception):
        return "the replay raised what the step itself did not"
    pairs = itertools.zip_longest(replayed, eager, fillvalue=("", None))
    for (what, ours), (name, theirs) in pairs:
        if what != name or not _same_bits(ours, theirs, program.fused):
            return (
                f"{what} of the replay differs from that of the step itself"
                f"{_distance(ours, theirs)}: the step does something that cannot be recorded, such "
                "as reading the clock, or a value inside a library"
            )
    return ""


def refuse_difference(wrong: str, replayed: Outcome | Exception) -> None:
    """Raise ReplayError if a replay has done anything otherwise."""
    if wrong:
        cause = replayed if isinstance(replayed, Exception) else None
        raise ReplayError(f"{users_line()}: {wrong}. {PLAIN}") from cause


def _same_bits(a: np.ndarray | None, b: np.ndarray | None, but_for_nan: bool) -> bool:
    """Whether two arrays have the same bits, ``but_for_nan`` with any kind of NaN as one."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.char in "gG":  # there are bits between these that mean nothing
        return np.array_equal(a, b, equal_nan=True)
    x, y = a.reshape(-1), b.reshape(-1)
    parts = (slice(i, i + PART) for i in range(0, a.size, PART))
    if all(x[part].tobytes() == y[part].tobytes() for part in parts):
        return True
    return but_for_nan and with_one_nan(a).tobytes() == with_one_nan(b).tobytes()


def _distance(a: Any, b: Any) -> str:
    if a is None or b is None or np.shape(a) != np.shape(b) or a.dtype.kind not in "fc":
        return ""
    with np.errstate(all="ignore"):
        return f" by up to {np.max(np.abs(a - b), initial=0):.3g}"


def described(capture: Capture, result: Any) -> list[Line]:
    """What a step did, before any of it is simplified, and what it returned."""
    made = []
    for e in capture.equations:
        given = [*enumerate(e.operands), *e.options.items()]
        made.append(Line(_kind(e), spelled(e.rule) if e.rule else e.name, e.line, _fixed(given)))
    parts = [capture.variable(p) if isinstance(p, Tensor) else p for p in leaves(result)]
    given = [(i, p) for i, p in enumerate(parts) if isinstance(p, Variable) or is_plain(p)]
    places = [i for i, _ in given]
    return [*made, Line(("return", places), "", users_line(), _fixed(given))]


def _kind(equation: Equation) -> Any:
    fn = equation.rule.fn if equation.rule else equation.fn
    return equation.kind, fn, len(equation.operands), tuple(equation.options)


class Told(str):
    """What ``repr`` tells; a message leaves a place in memory out."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        text = re.sub(r" at 0x\w+", "", self)
        return text if text == self else f"a new {text}"


def _fixed(given: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for place, value in given:
        if isinstance(value, Tensor):
            found.append((place, f"a Tensor {value.shape}"))
        elif not isinstance(value, Variable):
            found.append((place, Told(repr(value))))
        elif value.kind == "constant" and value.array is not None:
            found.append((place, Content(value.dtype, value.shape, fingerprint(value.array))))
        else:
            what = f"{KINDS[value.kind]} of shape {value.shape} and dtype {value.dtype}"
            source = id(value.source) if isinstance(value.source, Tensor) else 0
            found.append((place, Which(value.number, source, what)))
    return found
