"""``anomaly``: stop where a value that is not finite arrives, or a saved array is overwritten."""

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..autodiff.rules.table import Rule
from ..autodiff.tape import Record, mode
from ..autodiff.tensor import Tensor
from ..errors import StaleValueError, TapeError
from .autopsy import Finding, find, is_bad
from .equations import Equation, Variable
from .lines import users_line
from .names import calls_of, give_names, named
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
        """An optimiser's step writes to all of its parameters, and leaves finite ones finite."""
        before = {}
        for parameter in worker.params:
            self._check(parameter)
            if np.isfinite(parameter._array).all():
                before[parameter] = np.array(parameter._array)
        calls = calls_of(self.equations)
        super().effect(worker)
        step = f"{type(getattr(worker, 'optimiser', worker)).__name__}.step"
        for parameter, old in before.items():
            if not np.isfinite(parameter._array).all():
                what = named(calls).get(parameter) or parameter.name or "a parameter"
                raise FloatingPointError(f"{spoilt(step, what, old, parameter)}.")

    def leave(self, how: str, tensor: Tensor | None = None) -> None:
        """Memory may be written to from now on, without an operation."""
        super().leave(how, tensor)
        if tensor is None or how not in ("t.data", "a write to it"):
            return
        if how != "t.data":
            self._check(tensor)
        known = self._known.get(id(tensor._array))
        if self._saver(tensor) is not None:
            self._lock(tensor._array)
        elif known is not None:
            self._forget({known.root})

    def _check(self, target: Tensor) -> None:
        if (saver := self._saver(target)) is not None:
            known = named(calls_of(self.equations)).get(target) or target.name
            raise StaleValueError(
                f"{short(users_line())}: {known or f'a Tensor of shape {target.shape}'} "
                f"is overwritten here, and {saver} has saved it: its derivative needs the old "
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
            give_names(self.equations, self.variables)
            found = find(self.equations, [v for v in ends if isinstance(v, Variable)])
            raise FloatingPointError(f"{found}.")


class anomaly:
    """Stop with an error where something goes wrong: a ``with`` block around anything.

    Raises FloatingPointError, with what ``tg.autopsy`` finds and the line, as soon as a loss that
    ``backward()`` starts from, a gradient that arrives, a parameter after an optimiser's step, or
    at the end a result that nothing has read is not finite: values that ``np.where`` does not take
    are no error. It sees all operations of its thread on Tensors; what NumPy alone makes of plain
    arrays it sees where such an operation reads it. Raises StaleValueError
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
        elif isinstance(error, Exception) and not isinstance(error, FloatingPointError):
            try:  # as LinAlgError for a matrix with NaN
                watch.leave_block()
            except FloatingPointError as found:
                error.add_note(f"tg.anomaly: {found}")
        if isinstance(error, ValueError) and "read-only" in str(error) and locked:
            lines = ", ".join(dict.fromkeys(short(line) for _, line in locked))
            raise StaleValueError(
                f"an array is overwritten that an operation ({lines}) has saved; write after "
                "backward(), or give the operation a copy."
            ) from error


def spoilt(step: str, what: str, old: np.ndarray, parameter: Tensor) -> Finding:
    """The finding for a finite parameter that is not finite after an optimiser's ``step``."""
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(parameter._array))[0])
    operands = [f"{what} = {old[index]:.6g}"]
    if (gradient := getattr(parameter, "_grad", None)) is not None:
        operands.append(f"its gradient = {gradient._array[index]:.6g}")
    value = parameter._array[index].item()
    return Finding(step, users_line(), "", "", index, value, tuple(operands))


def savers(array: np.ndarray) -> Iterator[str]:
    """The operations on a tape that need what is in this array for their derivatives."""
    for record in gc.get_objects():
        if type(record) is Record and any(value is array for value in record.values):
            rule, values = record.rule, record.values
            needs = [k for k, parent in enumerate(record.parents) if parent is not None]
            if any(values[i] is array for k in needs for i in rule.read_by(k, len(values))):
                yield rule.name
