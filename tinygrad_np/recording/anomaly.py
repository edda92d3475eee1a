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
        known = self._known.get(id(target._array))
        if any(known in equation.reads for equation in self.equations):
            gc.collect()  # graphs in cycles, as of an error's frames, will never be swept
            for name in savers(target._array):
                raise StaleValueError(
                    f"{short(users_line())}: {target.name or f'a Tensor of shape {target.shape}'} "
                    f"is overwritten here, and {name} has saved it: its derivative needs the old "
                    "values; write after backward(), or give the operation a copy."
                )
        super().write(rule, target, operands, values)

    def leave_block(self) -> None:
        """Look at the results that no operation has read."""
        read = {v for equation in self.equations for v in equation.reads}
        self._look([v for e in self.equations for v in e.results if v not in read])

    def unlock(self) -> None:
        """Let arrays from outside be written to again."""
        for array, _ in self.locked:
            array.flags.writeable = True
        self.locked = []

    def _raw(self, array: np.ndarray, _operand: Any) -> Variable:
        if array.flags.writeable and array.base is None:
            array.flags.writeable = False  # NumPy says where it is written to
            self.locked.append((array, users_line()))
        return super()._raw(array, _operand)

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
    at the write where an array is overwritten that a backward pass still needs, for ``t[...] = v``
    and for arrays that were given to operations beside Tensors, which are read-only until their
    backward pass. A write through ``t.data``, an optimiser's step or the array of which that one is
    a view is found by ``backward()``, as without the block. A block in a block changes nothing.

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
