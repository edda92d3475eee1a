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
from ..recording.equations import Variable
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


class Operand(NamedTuple):
    """What an operation got: the same again where the ``key`` is equal.

    ``told`` is what errors call it; of a constant array the key has the bits. ``source`` is the id
    of its Tensor from outside, if it has one.
    """

    key: Any
    told: str = ""
    source: int = 0

    def __str__(self) -> str:
        if self.told:
            text = re.sub(r" at 0x\w+", "", self.told)  # a place in memory
            return text if text == self.told else f"a new {text}"
        shape, dtype, bits = self.key
        if dtype.hasobject or math.prod(shape) >= 100:
            digest = hashlib.sha256(repr(bits).encode()).hexdigest()[:12]
            return f"an array {shape} of {dtype} with SHA-256 {digest}"
        return repr(np.frombuffer(bits, dtype).reshape(shape))

    def is_as(self, other: "Operand", reached: set[int]) -> bool:
        """Whether this is the same; which Tensor it is counts where others can get at it."""
        sources = {self.source, other.source}
        return self.key == other.key and (len(sources) == 1 or reached.isdisjoint(sources))


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
    if (changed := program.guards.changed()) is None:
        return
    (name, place), now = changed
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
            if not new.is_as(old, program.guards.reached):
                got = "another" if new.told == old.told and new.told else old
                remedy = (
                    "Pass it to the step as an argument (an array, np.float32(value)); draw noise "
                    "with tg.random."
                )
                if new.told.startswith("Generator("):
                    remedy = (
                        "Make the generator once, outside the step: one made within it draws the "
                        "same numbers each time."
                    )
                raise ReplayError(
                    f"{now.place}: {now.name or 'return'} gets {new} as operand {place} here, and "
                    f"in the first run of the step it got {got}, which a replay would use again. "
                    f"{remedy} {PLAIN}"
                )


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
        fn = e.rule.fn if e.rule else e.fn
        fixed = [(k, _operand(v)) for k, v in (*enumerate(e.operands), *e.options.items())]
        kind = e.kind, fn, len(e.operands), tuple(e.options)
        made.append(Line(kind, spelled(e.rule) if e.rule else e.name, e.line, fixed))
    parts = [capture.variable(p) if isinstance(p, Tensor) else p for p in leaves(result)]
    fixed = [
        (i, _operand(p)) for i, p in enumerate(parts) if isinstance(p, Variable) or is_plain(p)
    ]
    return [*made, Line(("return", [i for i, _ in fixed]), "", users_line(), fixed)]


def _operand(value: Any) -> Operand:
    if not isinstance(value, Variable):
        told = f"a Tensor {value.shape}" if isinstance(value, Tensor) else repr(value)
        return Operand(told, told)
    if value.kind == "constant" and value.array is not None:
        return Operand((value.shape, value.dtype, fingerprint(value.array)))
    told = f"{KINDS[value.kind]} of shape {value.shape} and dtype {value.dtype}"
    source = id(value.source) if isinstance(value.source, Tensor) else 0
    return Operand((value.number, told), told, source)
