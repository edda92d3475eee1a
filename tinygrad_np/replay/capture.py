"""Capture: a recorder for a step that will be replayed; refuses what cannot be repeated."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autodiff.nests import leaves
from ..autodiff.primitives import is_foreign
from ..autodiff.rules import ways
from ..autodiff.rules.table import Rule
from ..autodiff.sweep import OWN, references
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from ..recording.equations import Variable
from ..recording.lines import users_line
from ..recording.recorder import FUNNEL, Recorder, spelled
from ..watch.kept import Kept
from ..watch.objects import array_state
from ..watch.reads import Read, Reads
from ..watch.walk import Steady, Watch

# what is done to Tensors that no operation does, and what to do instead
CHANGES = {
    "t.data = v": ("replaces t.data", "write t[...] = v inside tg.no_grad()"),
    "t.requires_grad = v": (
        "changes requires_grad of a Tensor from outside",
        "change it before the step, or use the Tensor's .detach() within",
    ),
    "t.register_hook(f)": (
        "gives a leaf from outside another hook",
        "call register_hook, or remove(), outside the step, or hook a result within",
    ),
    "a write to memory that others share": (
        "writes to a Tensor whose memory others share (its .data, a view)",
        "keep a copy (t.numpy(), t.copy()) instead",
    ),
}
PLAIN = (
    "A step that has to look at values runs without tg.replay (in fit: replay=False), more slowly."
)


class Capture(Recorder):
    """The equations of one run of a step that is to be replayed, and what it needs from outside."""

    folds = True

    def __init__(self) -> None:
        super().__init__()
        self.reads = Reads()
        self.watches: list[Watch] = []  # of arrays that somebody may write to
        self.refused: ReplayError | None = None  # the first refusal, which the step may catch
        self._contents: dict[Variable, Any] = {}  # arrays that are no Tensors', as they came

    def apply(
        self, rule: Rule, args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        if any(map(is_foreign, values)):
            raise refusal(
                "computes with arrays of another library, and replay is NumPy's",
                "call the step without tg.replay, or give it arrays of NumPy's",
            )
        if getattr(rule.fn, "written_out", False):
            return super().apply(rule, args, values, options)
        notes = self.reads.pause()
        try:
            with self._noting(spelled(rule)):
                return super().apply(rule, args, values, options)
        finally:
            self.reads.resume(notes)

    def write(
        self, rule: Rule, target: Tensor, operands: Sequence[Any], values: Sequence[Any]
    ) -> None:
        with self.reads.paused(), self._noting(spelled(rule)):
            rule.forward(target._array, *values)  # raises what the write would
        super().write(rule, target, operands, values)

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Note an error: where the step catches it, another branch runs by what the values are."""
        try:
            yield
        except Exception as error:
            self.reads.miss(f"catches {type(error).__name__} of {name}", users_line())
            raise

    def gradient(self, tensor: Tensor, *change: Tensor | None) -> None:
        """``tensor.grad`` is about to be read or changed: of no concern for the step's own."""
        known = self._known.get(id(tensor._array))
        if known is None or known.kind == "memory":
            super().gradient(tensor, *change)

    def leave(self, how: str, tensor: Tensor | None = None) -> None:
        """A value leaves the tape, or what no operation changes is about to be changed."""
        known = None if tensor is None else self._known.get(id(tensor._array))
        if how in CHANGES:
            own = known is not None and known.kind != "memory"
            if tensor is None or not (own or tensor in self._detached):
                raise refusal(*CHANGES[how])
            return
        given = known is not None and known.kind == "input"
        itself = "; the argument of the step is a Tensor: use it itself" if given else ""
        name = ways.numpys_own() or ""
        way = f"{found}, or " if (found := ways.way_of(name)) else ""
        place = f" in np.{name}" if name and f"np.{name}" != how else ""
        raise refusal(
            f"takes a value out of a Tensor: {how}{place}",
            f"{way}return the Tensor and look at it outside the step, choose with np.where, or "
            "take rows by labels with F.one_hot(t, k) or from a Tensor, "
            f"tg.Tensor(table)[t]{itself}",
        )

    def settle(self, reached: Mapping[int, Any]) -> None:
        """The step is over: refuse what moves outside it, and tell constants from memory.

        Raw arrays are constants. Those that the step has not made itself are compared before each
        replay: the guards see to the ones that they have ``reached`` (by id), ``watches`` to what
        others may be held by somebody.
        """
        if (generator := self.reads.moved_generator()) is not None:
            raise refusal(
                f"draws random numbers outside of Tensors ({generator.name})",
                "use tg.random, or pass the numbers as an argument",
                generator.place,
            )
        for variable in self._contents:
            self._check_raw(variable)
            base = variable.array
            while isinstance(base.base, np.ndarray):
                base = base.base
            made = base.base is None and references(base) <= OWN + (base is variable.array)
            if not made and id(variable.array) not in reached:
                read = Read("what is in an array", "")
                self.watches.append(Watch(Steady(array_state), variable.array, read))
            variable.array = np.array(variable.array)
        self.reads = Reads()  # those hold what the step has made, and this capture

    def refuse(self, what: str, remedy: str) -> None:
        """Raise the error for what cannot be done again."""
        raise refusal(what, remedy)

    def _perform(self, worker: Any) -> None:
        with self.reads.paused():
            kept = Kept([worker])
        for iterator in kept.iterators[:1]:
            what = f"updates with an optimiser that holds a {type(iterator).__name__}"
            self.reads.miss(what, users_line())
        with self.reads.working(worker), self._noting(f"{type(worker).__name__}.step"):
            worker.perform()

    def _forget(self, variables: set[Variable]) -> None:
        """A replay reads memory where it lies, whatever is there by then."""

    def _drawn(self, generator: Any) -> None:
        self.reads.drawn(generator)

    def _raw(self, array: np.ndarray, operand: Any) -> Variable:
        raw = super()._raw(array, operand)
        written = isinstance(operand, list) and not _holds_array(operand)
        if not written and not self._is_own_code(FUNNEL):
            self._contents[raw] = array_state(array)
        return raw

    def _operand(self, name: str, i: int, operand: Any, value: Any) -> Any:
        """An array that came once before is to be what it was."""
        known = self._known.get(id(value))
        if known is not None and known in self._contents:
            self._check_raw(known)
        return super()._operand(name, i, operand, value)

    def _check_raw(self, variable: Variable) -> None:
        if array_state(variable.array) != self._contents[variable]:
            raise refusal(
                f"writes into an array of shape {variable.shape} that it has used before",
                "write into a copy, or keep it in a Tensor and write t[...] = v",
            )


def refusal(what: str, remedy: str, place: str = "") -> ReplayError:
    """The error for a step that cannot be replayed, kept where the step may catch it."""
    error = ReplayError(
        f"{place or users_line()}: the step {what}. It cannot be replayed so: {remedy}. {PLAIN}"
    )
    if isinstance(mode.capture, Capture) and mode.capture.refused is None:
        mode.capture.refused = error
    return error


def _holds_array(nest: Any) -> bool:
    return any(isinstance(part, (np.ndarray, Tensor)) for part in leaves(nest))
