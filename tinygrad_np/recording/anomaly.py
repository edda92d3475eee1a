"""``anomaly``: stop where a value that is not finite arrives, or a saved array is overwritten."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autodiff.nests import leaves
from ..autodiff.rules.table import Rule
from ..autodiff.tape import Record, mode
from ..autodiff.tensor import Tensor
from ..errors import StaleValueError, TapeError
from .autopsy import Finding, find, is_bad
from .equations import Equation, Variable
from .lines import users_line
from .locks import Lock, Locks
from .names import calls_of, give_names, named
from .recorder import Recorder
from .text import short


class Inspector(Recorder):
    """Records, looks at what arrives, and forgets after each backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.locks = Locks()
        self._given_out: list[Lock] = []  # memory of Tensors that may be written to by hand
        self._outside: dict[int, np.ndarray] = {}  # that are no Tensors', by identity
        self._was_swept = False
        self._open: dict[Equation | None, set[Variable]] = {}  # what their derivatives will need
        self._pulled: Record | None = None  # at which a sweep was last

    def apply(
        self, rule: Rule, args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """An array whose contents the derivatives need is read-only while the graph is there."""
        out = super().apply(rule, args, values, options)
        if mode.recording and not rule.constant:
            nodes = [getattr(operand, "_node", None) for operand in args]
            for i in read(rule, nodes):
                if (known := self._known.get(id(values[i]))) is not None and self.equations:
                    self._open.setdefault(self.equations[-1], set()).add(known)
                if isinstance(values, list) and isinstance(args[i], np.ndarray):
                    values[i] = self._view(values[i])
                self.locks.need(values[i], users_line)
        return out

    def lift(self, nest: Any, declared: bool = False, pulled: Any = None) -> Any:
        """Tensors that stand for arrays inside of a function are around views, too."""
        if pulled is not None:
            self._close(pulled[0])
        before, nest = leaves(nest), super().lift(nest, declared, pulled)
        for old, new in zip(before, leaves(nest), strict=True) if declared else ():
            if old is not new:
                new._array = self._view(old)
        return nest

    @contextmanager
    def sweeping(self, records: bool) -> Iterator[None]:
        """A graph that nobody else holds is gone after the sweep, and with it what it needs."""
        with super().sweeping(records):
            try:
                yield
            finally:
                self._close(None)

    def deliver(self, tensor: Tensor, gradient: Tensor | None) -> None:
        """A gradient is to be finite."""
        super().deliver(tensor, gradient)
        self._look(self.equations[-1].operands)
        if gradient is not None:
            self._was_swept = True
            self._take_back()

    def write(
        self, rule: Rule, target: Tensor, operands: Sequence[Any], values: Sequence[Any]
    ) -> None:
        """A write into memory that a graph still needs is an error here, not in ``backward()``."""
        self._check(target)
        super().write(rule, target, operands, values)
        if target.requires_grad:
            self._look(self.equations[-1].operands[1:])

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
            self._given_out += self.locks.hold(tensor._array, users_line())
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

    def _close(self, pulled: Record | None) -> None:
        """A sweep comes to a record: the one before is done, unless it is kept for another."""
        if self._pulled is not None and self._pulled.released:
            self._open.pop(self._of_record(self._pulled), None)
        self._pulled = pulled

    def _saver(self, target: Tensor) -> str | None:
        """The operation that needs what is in a Tensor's memory, if there is one."""
        known = self._known.get(id(target._array))
        if not any(known in needed for needed in self._open.values()):  # the search takes 40 ms
            return None
        gc.collect()  # graphs in cycles, as of an error's frames, will never be swept
        return next(savers(target._array), None)

    def leave_block(self) -> None:
        """Look at the results that no operation has read."""
        read = {v for equation in self.equations for v in equation.reads}
        self._look([v for e in self.equations for v in e.results if v not in read])

    def _take_back(self) -> None:
        """What was handed out is needed no more."""
        given, self._given_out = self._given_out, []
        self.locks.let_go(given)

    def _operand(self, name: str, i: int, operand: Any, value: Any) -> Any:
        """An array that was filled anew is another."""
        known = self._known.get(id(value)) if id(value) in self._outside else None
        if known is not None and not is_same(known.array, value):
            del self._known[id(value)]
        return super()._operand(name, i, operand, value)

    def _raw(self, array: np.ndarray, _operand: Any) -> Variable:
        """What is in it now: it may be filled anew."""
        variable = super()._raw(array, _operand)
        variable.array = np.array(array)
        self._outside[id(array)] = array
        return variable

    def _view(self, array: np.ndarray) -> np.ndarray:
        """What a graph keeps in place of an array: when it goes, nothing needs the array."""
        made = self.locks.view(array)
        if made is not array and (known := self._known.get(id(array))) is not None:
            self._known[id(made)] = known
            weakref.finalize(made, self._known.pop, id(made), None).atexit = False
        return made

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
        outside = [k for k in self._known if k in self._outside or self.locks.has(k)]
        outside = [k for k in outside if self._known[k] in kept]
        self._known = {id(v.array): v for v in kept} | {k: self._known[k] for k in outside}
        self._outside = {k: self._outside[k] for k in outside if k in self._outside}
        self._kept.clear()
        self._overwritten.clear()
        self._was_swept = False
        self._open.clear()
        self._draws.clear()  # else each mask of a dropout would be kept
        self._take_back()

    def _look(self, ends: Sequence[Any]) -> None:
        if any(map(is_bad, ends)):
            give_names(self.equations, self.variables)
            found = find(self.equations, [v for v in ends if isinstance(v, Variable)])
            raise FloatingPointError(f"{found}.")


class anomaly:
    """A ``with`` block in which a value that is not finite is an error at once.

    Raises FloatingPointError, with what ``tg.autopsy`` finds and the line, as soon as one of these
    is not finite: a loss that ``backward()`` starts from, a gradient, a parameter after an
    optimiser's step, or, at the end of the block, a result that no operation has used. Values that
    ``np.where`` does not choose are no error. The block sees all operations on Tensors of its
    thread. It does not see what NumPy computes from plain arrays, until an operation on Tensors
    uses it.

    Raises StaleValueError when an array is overwritten that a backward pass still needs: at
    ``t[...] = v``, ``t.data[...] = v``, an optimiser's step, and a write into an array that was an
    operand beside a Tensor, or into the array of which that operand is a view. Such an array is
    read-only as long as a graph needs it. A block inside a block changes nothing.

    Everything in the block runs as Python (replayed steps, too), several times more slowly. ``fit``
    needs no such block, because it looks for values that are not finite itself.

    >>> w = tg.Tensor([0.5, 0.0], requires_grad=True)
    >>> try:
    ...     with tg.anomaly(), np.errstate(divide="ignore"):
    ...         np.sum(np.where(w > 0, np.log(w), 0.0)).backward()  # not taken: no error
    ...         np.sum(np.log(w)).backward()
    ... except FloatingPointError as error:
    ...     print(str(error).partition(" (")[0])
    log gives -inf at index
    """

    _watch: Inspector | None = None

    def __repr__(self) -> str:
        return "anomaly()"

    def __enter__(self) -> None:
        self._watch = None
        if isinstance(mode.capture, Inspector):  # the block around looks
            return
        if mode.capture is not None:
            raise TapeError("tg.anomaly() inside of a step that is being recorded; put it around.")
        self._watch = mode.capture = Inspector()

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        watch = self._watch
        if watch is None:
            return
        mode.capture, lines = None, ", ".join(map(short, watch.locks.lines()))
        watch.locks.close()
        if kind is None:
            watch.leave_block()
        elif isinstance(error, Exception) and not isinstance(error, FloatingPointError):
            try:  # as LinAlgError for a matrix with NaN
                watch.leave_block()
            except FloatingPointError as found:
                error.add_note(f"tg.anomaly: {found}")
        if isinstance(error, ValueError) and "read-only" in str(error) and lines:
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
            if any(values[i] is array for i in read(rule, record.parents)):
                yield rule.name


def read(rule: Rule, nodes: Sequence[Any]) -> set[int]:
    """The operands whose contents the derivatives by those that have a node need."""
    places = [k for k, node in enumerate(nodes) if node is not None and not rule.is_option(k)]
    return {i for k in places for i in rule.read_by(k, len(nodes))}


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays hold the same bytes."""
    alike = (one.shape, one.dtype) == (other.shape, other.dtype)
    return alike and one.tobytes() == other.tobytes()
