"""``anomaly``: stop where a value that is not finite arrives, or a saved array is overwritten."""

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..autodiff.rules.table import Rule
from ..autodiff.tape import Record, mode
from ..autodiff.tensor import Tensor
from ..errors import StaleValueError, TapeError
from .autopsy import find, is_bad
from .equations import Equation, Variable
from .lines import users_line
from .recorder import Recorder
from .text import short


class Watch(Recorder):
    """Records, looks at what arrives, and forgets after each backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.locked: list[tuple[np.ndarray, str]] = []
        self._was_swept = False

    def deliver(self, tensor: Tensor, gradient: Tensor | None) -> None:
        """A gradient is to be finite."""
        super().deliver(tensor, gradient)
        self._look(self.equations[-1].operands)
        if gradient is not None:
            self._was_swept = True
            self.unlock()

    def write(
        self, rule: Rule, target: Tensor, operands: Sequence[Any], values: Sequence[Any]
    ) -> None:
        """A write into memory that a graph still needs is an error here, not in ``backward()``."""
        self._check(target)
        super().write(rule, target, operands, values)

    def effect(self, worker: Any) -> None:
        """An optimiser's step writes to all of its parameters."""
        for parameter in worker.params:
            self._check(parameter)
        super().effect(worker)

    def leave(self, how: str, tensor: Tensor | None = None) -> None:
        """An array that a graph still needs cannot be written to by ``t.data``."""
        super().leave(how, tensor)
        if how == "t.data" and tensor is not None and self._saver(tensor) is not None:
            self._lock(tensor._array)

    def _check(self, target: Tensor) -> None:
        if (name := self._saver(target)) is not None:
            raise StaleValueError(
                f"{short(users_line())}: {target.name or f'a Tensor of shape {target.shape}'} "
                f"is overwritten here, and {name} has saved it: its derivative needs the old "
                "values; write after backward(), or give the operation a copy."
            )

    def _saver(self, target: Tensor) -> str | None:
        """The operation that needs what is in a Tensor's memory, if there is one."""
        known = self._known.get(id(target._array))
        if not any(known in equation.reads for equation in self.equations):
            return None
        gc.collect()  # graphs in cycles, as of an error's frames, will never be swept
        return next(savers(target._array), None)

    def leave_block(self) -> None:
        """Look at the results that no operation has read."""
        read = {v for equation in self.equations for v in equation.reads}
        self._look([v for e in self.equations for v in e.results if v not in read])

    def unlock(self) -> None:
        """Let arrays from outside be written to again."""
        for array, _ in reversed(self.locked):  # a view after what it is a view of
            array.flags.writeable = True
        self.locked = []

    def _raw(self, array: np.ndarray, _operand: Any) -> Variable:
        self._lock(array)
        return super()._raw(array, _operand)

    def _lock(self, array: np.ndarray) -> None:
        """Let NumPy say where an array is written to, or the one that it is a view of."""
        while isinstance(array, np.ndarray):
            if array.flags.writeable:
                array.flags.writeable = False
                self.locked.append((array, users_line()))
            array = array.base  # type: ignore[assignment]

    def _append(self, equation: Equation) -> None:
        begins = self.pulled is not None and self._last is None
        if self._was_swept and self.pulled is None and equation.kind != "deliver":
            self.leave_block()
            self._start_again(equation)
        super()._append(equation)
        if begins and equation.of is not None:
            self._look(equation.of.results)

    def _start_again(self, equation: Equation) -> None:
        """Forget a finished step; what is read of it comes from outside from now on."""
        kept = [*equation.reads, *equation.results]
        self.equations.clear()
        self._numbers.clear()
        self.variables[:] = kept
        self._known = {id(v.array): v for v in kept}
        self._kept.clear()
        self._overwritten.clear()
        self._was_swept = False
        self.unlock()

    def _look(self, ends: Sequence[Any]) -> None:
        if any(map(is_bad, ends)):
            found = find(self.equations, [v for v in ends if isinstance(v, Variable)])
            raise FloatingPointError(f"{found}.")


class anomaly:
    """Stop with an error where something goes wrong: a ``with`` block around anything.

    Raises FloatingPointError, with what ``tg.autopsy`` finds and the line, as soon as a loss that
    ``backward()`` starts from, a gradient that arrives, or at the end a result that nothing has
    read is not finite: values that ``np.where`` does not take are no error. Raises StaleValueError
    at the write where an array is overwritten that a backward pass still needs: at ``t[...] = v``,
    ``t.data[...] = v``, an optimiser's step, and a write into an array that was given to an
    operation beside a Tensor, or into the one of which it is a view. These arrays are read-only
    until their backward pass. A block in a block changes nothing.

    Everything in it runs as Python, replays too, and several times more slowly; ``fit`` looks into
    what is not finite by itself, and needs none.

    >>> w = tg.Tensor([0.5, 0.0], requires_grad=True)
    >>> try:
    ...     with tg.anomaly(), np.errstate(divide="ignore"):
    ...         np.sum(np.where(w > 0, np.log(w), 0.0)).backward()  # not taken: no error
    ...         np.sum(np.log(w)).backward()
    ... except FloatingPointError as error:
    ...     print(str(error).partition(" (")[0])
    log gives -inf at index
    """

    _watch: Watch | None = None

    def __repr__(self) -> str:
        return "anomaly()"

    def __enter__(self) -> None:
        self._watch = None
        if isinstance(mode.capture, Watch):  # the block around looks
            return
        if mode.capture is not None:
            raise TapeError("tg.anomaly() inside of a step that is being recorded; put it around.")
        self._watch = mode.capture = Watch()

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        watch = self._watch
        if watch is None:
            return
        mode.capture, locked = None, watch.locked
        watch.unlock()
        if kind is None:
            watch.leave_block()
        if isinstance(error, ValueError) and "read-only" in str(error) and locked:
            lines = ", ".join(dict.fromkeys(short(line) for _, line in locked))
            raise StaleValueError(
                f"an array is overwritten that an operation ({lines}) has saved; write after "
                "backward(), or give the operation a copy."
            ) from error


def savers(array: np.ndarray) -> Iterator[str]:
    """The operations on a tape that need what is in this array for their derivatives."""
    for record in gc.get_objects():
        if type(record) is Record and any(value is array for value in record.values):
            rule, values = record.rule, record.values
            needs = [k for k, parent in enumerate(record.parents) if parent is not None]
            if any(values[i] is array for k in needs for i in rule.read_by(k, len(values))):
                yield rule.name
