"""Calls of elementwise operations that follow each other, as one pass: ``replay(fn, fuse=True)``.

Each ufunc of a replayed step goes over its arrays by itself. Here those that go over arrays of one
shape become one loop in machine code, in which intermediate results stay in registers. What NumPy
computes by an algorithm of its own, such as exp, stays NumPy's call: no bit is another one.
"""

import contextlib
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.rules import TABLE
from ..recording.equations import Equation
from ..threads import Crew, thread_count
from . import native
from .bind import Binding, Instruction
from .kernels import Call, Cell, Cells, Traced, Tracer, UntraceableError
from .memory import layout
from .plan import last_uses

THREADED_FROM = 1 << 18  # elements; below, handing work to a thread costs more than it saves
HELD_BELOW = 1 << 14  # elements; other threads of Python wait for some microseconds
FLOATS = np.dtype(np.float32), np.dtype(np.float64)  # of this processor's order of bytes
QUIET = {"ignore", "warn"}  # what NumPy does at an error, of which a loop does the first


class Elementwise(NamedTuple):
    """A call that a loop can do: its lines in LLVM's language, operands and result.

    Of the ``form`` "columns" they name the element's column. "folds" and "picks" give one number
    for each row: they join its elements, or take the one that the second operand names.
    """

    lines: native.Lines
    operands: list[np.ndarray]
    out: np.ndarray
    form: str = ""


class Item(NamedTuple):
    """Calls that belong together; ``part`` if a loop can do them.

    What is ``free`` may be called before operations that stand in front of it.
    """

    owner: Any
    calls: list[Callable[[], Any]]
    part: Elementwise | None = None
    free: bool = False


def has_stops() -> bool:
    """Whether NumPy is to do more than warn where a number overflows; a loop does neither."""
    return not QUIET.issuperset(np.geterr().values())


def fuse(binding: Binding) -> None:
    """Join what can be joined among the instructions of a program and of its loops over rows."""
    crew = Crew()
    for part in binding.nested():
        part.instructions = joined(part, crew)
    for loop in binding.loops.values():
        loop.link()


def joined(binding: Binding, crew: Crew) -> list[Instruction]:
    """The instructions with loops for those that follow each other."""
    places = {equation: i for i, equation in enumerate(binding.plan.equations)}
    uses = last_uses(binding.plan)

    def unused(group: Sequence[Instruction], then: Equation | None) -> set[int]:
        last = places[group[-1][0]] - (then is group[-1][0])
        results = [v for equation, _ in group for v in equation.results]
        ids = [{id(binding.arrays.get(v)) for v in results if (uses[v.root] > last) is later}
               for later in (False, True)]  # fmt: skip
        return ids[0] - ids[1]

    updates, labels = Updates(crew), Labels(binding)
    groups = itertools.groupby(binding.instructions, lambda pair: pair[0])
    items = [
        item for equation, group in groups
        for item in _items(binding, equation, [call for _, call in group], updates, labels)
    ]  # fmt: skip
    return chained(items, unused, crew)


def chained(
    items: Iterable[Item],
    unused: Callable[[Sequence[Instruction], Any], set[int]],
    crew: Crew,
) -> list[Any]:
    """The calls, each with what it belongs to, with loops in the places of several.

    ``unused(group, then)`` has the ids of arrays that a group of calls writes and nobody reads
    behind them; ``then`` is what the call after them belongs to.
    """
    found: list[Any] = []
    group: list[Any] = []
    chain: Chain | None = None
    for owner, calls, given, free in [*items, Item(None, [])]:
        pairs = [(owner, call) for call in calls]
        if free and all(before.kind == "call" for before, _ in group):
            found += pairs
            continue
        errors = getattr(owner, "errors", None) or {}
        part = given if QUIET.issuperset(errors.values()) else None
        if part is not None and chain is not None and chain.takes(part):
            group += pairs
            continue
        if chain is not None:
            run = chain.compiled(unused(group, owner), crew)
            if run is not None:
                run.owners = [owner for owner, _ in group]  # type: ignore[attr-defined]
            found += group if run is None else [(group[0][0], run)]
        chain, group = None, []
        if part is not None and (begun := Chain(part)).takes(part):
            chain, group = begun, pairs
        else:
            found += pairs
    return found


class Labels:
    """Integers as a loop reads them, copied once in each replay."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self._made: dict[Any, np.ndarray] = {}
        self._there: set[Any] = set()

    def memory(self, given: Any) -> np.ndarray:
        """Where the copy is."""
        if given not in self._made:
            self._made[given] = np.empty(given.shape, np.int64)
        return self._made[given]

    def copied(self, equation: Equation, given: Any) -> list[Item]:
        """The call that makes the copy, unless it is there."""
        if given in self._there:
            return []
        self._there.add(given)  # a write makes a variable of its own
        call = Call(operator.setitem, (self.memory(given), ..., self.binding.operand(given)))
        return [Item(equation, [call.bound(self.binding.cells)], free=True)]


def _items(
    binding: Binding, equation: Equation, calls: list[Any], updates: "Updates", labels: Labels
) -> list[Item]:
    """The calls of an equation, those together that a loop does row by row."""
    fn, traits = equation.fn, equation.traits
    if equation.kind == "effect":
        calls = [partial(fn.perform, updates=updates)]
    if equation.kind == "check":  # of arguments, which no operation changes
        free = all(isinstance(binding.operand(v), Cell) for v in equation.reads)
        copies: list[Item] = []
        if traits.below:
            given, limit = equation.operands[0], equation.operands[traits.below]
            copies = labels.copied(equation, given)
            unsigned = labels.memory(given).view(np.uint64)
            wrong = np.empty(unsigned.shape, bool)
            calls = [partial(_below, unsigned, np.array(limit, np.uint64), wrong, *calls)]
        return [*copies, Item(equation, calls, free=free)]
    if isinstance(fn, np.ufunc) or not (traits.native or traits.folds):
        return [Item(equation, [call], elementwise(call)) for call in calls]
    whole = [v for v in equation.operands if v.dtype.kind in "iu"]  # no loop makes integers
    operands = [
        labels.memory(v).reshape(-1, 1) if v in whole else binding.operand(v)
        for v in equation.operands
    ]
    part = by_row(traits, operands, binding.operand(equation.results[0]))
    copies = [item for v in whole for item in labels.copied(equation, v)] if part else []
    return [*copies, Item(equation, calls, part)]


def _below(labels: Any, limit: Any, wrong: Any, check: Callable[[], Any]) -> None:
    """Let the check itself look at labels only if one, -1 as the largest number, is too large."""
    np.greater_equal(labels, limit, wrong)
    if 1 in wrong.tobytes():
        check()


def by_row(traits: Any, operands: list[Any], out: Any) -> Elementwise | None:
    """What an operation that is no ufunc does, if a loop can do it row by row."""
    shape = np.shape(operands[0])
    if any(type(v) is not np.ndarray for v in (*operands, out)) or len(shape) != 2:
        return None
    if shape[0] < 2 or not 2 <= shape[1] <= native.SHORT:
        return None
    if out.dtype not in FLOATS or operands[0].dtype != out.dtype:
        return None
    if out.ndim == 1:
        return Elementwise(traits.native, operands, out.reshape(-1, 1), "picks")
    if traits.folds is None:
        return Elementwise(traits.native, operands, out, "columns")
    lines = TABLE[traits.folds].traits.native
    agree = native.agrees(traits.folds, lines, out.dtype.char)
    return Elementwise(lines, operands, out, "folds") if agree else None


def elementwise(call: Any) -> Elementwise | None:
    """What a bound call does, if that is an operation that a loop can do."""
    if not isinstance(call, partial):
        return None
    fn: Any = call.func
    args, options = call.args, dict(call.keywords)
    if fn is np.copyto and len(args) in (2, 3):
        args = (args[1], args[0])
    elif not isinstance(fn, np.ufunc):
        return None
    elif "out" in options:
        args = (*args, options.pop("out"))
    if options or (fn is not np.copyto and len(args) != fn.nin + fn.nout):
        return None
    *operands, out = args
    if out.size < 2:
        return None
    operands = [_one_number(operand, operands) for operand in operands]
    if any(type(o) is not np.ndarray for o in operands):
        return None
    dtype, *others = {o.dtype for o in operands}
    if others:
        return None
    if fn is np.copyto:
        fits = out.dtype in FLOATS and dtype in (np.bool_, out.dtype)
        return Elementwise((), operands, out) if fits else None
    lines = TABLE[fn].traits.native if fn in TABLE else ()
    if not lines or dtype not in FLOATS:
        return None
    if fn.resolve_dtypes((*[dtype] * fn.nin, None))[-1] != out.dtype:
        return None
    return Elementwise(lines, operands, out) if native.agrees(fn, lines, dtype.char) else None


def _one_number(operand: Any, operands: Sequence[Any]) -> Any:
    """A Python number as an array, and an array that is and stays one number as that."""
    if type(operand) in (int, float):
        kinds = [o.dtype for o in operands if isinstance(o, np.ndarray)]
        return np.array(operand, kinds[0]) if kinds else operand
    if type(operand) is np.ndarray and isinstance(operand.base, bytes):
        one = operand.reshape(-1)[:1]
        if operand.tobytes() == one.tobytes() * operand.size:
            return one.reshape(())
    return operand


class Chain:
    """Operations that one loop can do, on arrays that broadcast to one shape."""

    def __init__(self, part: Elementwise) -> None:
        self.shape = part.operands[0].shape if part.form else part.out.shape
        self.arrays: list[np.ndarray] = []
        self.steps: list[native.Step] = []
        self.written: dict[int, int] = {}  # the places of results, and the ids of their arrays
        self.order: Any = None

    def takes(self, part: Elementwise) -> bool:
        """Add an operation, if it can be a part of the same loop."""
        narrows = part.form in ("folds", "picks")
        if (part.operands[0] if narrows else part.out).shape != self.shape:
            return False
        before = len(self.arrays)
        by_row = any((part.form, *(step.form for step in self.steps)))
        try:
            places = tuple(map(self._place, part.operands))
            result = self._place(part.out)
            order = self._order(result, by_row)
            written = {**self.written, result: id(part.out)}
            fits = order is not None and self._is_apart(written)
            fits &= result >= before or result in self.written or not narrows
        except ValueError:  # shapes that do not broadcast to this one
            fits = False
        if not fits:
            del self.arrays[before:]
            return False
        self.written, self.order = written, order
        self.steps.append(native.Step(part.lines, places, result, part.form))
        return True

    def _place(self, array: np.ndarray) -> int:
        """The place of an array, or of one that is the same view."""
        for k, known in enumerate(self.arrays):
            if _view(known) == _view(array):
                return k
        np.broadcast_to(array, self.shape)
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _is_apart(self, written: Iterable[int]) -> bool:
        """Whether nothing that is written lies in the memory of another view."""
        return not any(
            np.may_share_memory(self.arrays[w], other)
            for w in written
            for k, other in enumerate(self.arrays)
            if k != w
        )

    def _order(self, result: int, by_row: bool) -> tuple[int, int, list[tuple[int, int]]] | None:
        """Rows, columns, and each array's steps from row to row and from column to column.

        None where the elements of a row do not lie side by side, or rows are no axis ``by_row``.
        """
        wide = [np.broadcast_to(array, self.shape) for array in self.arrays]
        axes = sorted(range(len(self.shape)), key=lambda a: -abs(wide[result].strides[a]))
        dims: list[tuple[int, list[int]]] = []
        for axis in axes:
            size, steps = self.shape[axis], [array.strides[axis] for array in wide]
            if size == 1:
                continue
            if dims and dims[-1][1] == [step * size for step in steps]:
                dims[-1] = dims[-1][0] * size, steps
            else:
                dims.append((size, steps))
        nothing = (1, [0] * len(wide))
        if len(dims) > 2 or (by_row and axes != [0, 1]):
            return None
        (rows, outer), (cols, inner) = [*[nothing] * (2 - len(dims)), *dims]
        if any(step not in (0, a.itemsize) for a, step in zip(wide, inner, strict=True)):
            return None
        return rows, cols, list(zip(outer, inner, strict=True))

    def compiled(self, unused: set[int], crew: Crew) -> Callable[[], Any] | None:
        """The loop as a function of nothing; None where it would save nothing.

        ``unused`` are ids of arrays whose values nobody reads afterwards.
        """
        rows, cols, steps = self.order
        threads = thread_count() if rows * cols >= THREADED_FROM else 1
        kept = [k for k, array in self.written.items() if array not in unused]
        if (len(self.steps) < 2 and threads == 1) or not kept:
            return None
        kinds = [
            (array.dtype.char, "each" if inner else "row" if outer else "single")
            for array, (outer, inner) in zip(self.arrays, steps, strict=True)
        ]
        short = cols if rows > 1 and cols <= native.SHORT else 0
        code = native.compiled(native.Loop(kinds, self.steps, kept, short).text())
        parts = _shares(rows, cols, threads)
        starts = [array.ctypes.data for array in self.arrays]
        tables = [
            np.array(
                [last - first, end - begin]
                + [v for start, (outer, inner) in zip(starts, steps, strict=True)
                   for v in (start + first * outer + begin * inner, outer)],
                np.int64,
            )
            for first, last, begin, end in parts
        ]  # fmt: skip
        places = [table.ctypes.data for table in tables]
        if len(places) == 1:
            call = native.holding_the_lock if rows * cols < HELD_BELOW else native.without_the_lock
            run = partial(call(code), places[0])
        else:
            run = partial(crew.run, native.without_the_lock(code), places)
        run.used, run.steps = (self.arrays, tables), self.steps  # type: ignore[attr-defined]
        return run


def _view(array: np.ndarray) -> Any:
    return array.ctypes.data, array.shape, layout(array), array.dtype


def _shares(rows: int, cols: int, threads: int) -> list[tuple[int, int, int, int]]:
    """Rows from and to, columns from and to, for each thread."""
    by_row = rows >= threads
    count = rows if by_row else cols
    pairs = itertools.pairwise(count * k // threads for k in range(threads + 1))
    return [(*pair, 0, cols) if by_row else (0, rows, *pair) for pair in pairs]


class Noted(NamedTuple):
    """How a pack of parameters is changed: calls for each thread, none if that is not known.

    They are the right ones for these ``pieces`` and ``settings``, those of the group by ``names``.
    """

    pieces: Any
    names: list[str]
    settings: list[Any]
    calls: list[list[Callable[[], Any]]]


class Group(dict[str, Any]):
    """The settings of a group of parameters, which notes those that are read."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.names: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.names.append(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.append(name)
        return super().get(name, default)


class Updates:
    """An optimiser's changes of its parameters: each is noted once, and joined."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._known: dict[Any, Noted] = {}

    def make(self, optimiser: Any, pack: Any) -> bool:
        """Change the parameters of a pack; whether it is known how."""
        found = self._known.get(pack)
        if (
            found is None
            or found.pieces is not pack.pieces
            or found.settings != optimiser.settings_of(pack.group, found.names)
        ):
            found = self._known[pack] = self._noted(optimiser, pack)
        if found.calls:
            self._crew.run(_call, found.calls)
        return bool(found.calls)

    def _noted(self, optimiser: Any, pack: Any) -> Noted:
        group = Group(pack.group)
        calls: list[list[Callable[[], Any]]] = []
        if optimiser.is_noted():
            with contextlib.suppress(UntraceableError):
                calls = self._calls(optimiser, pack, group)
        names = list(dict.fromkeys(group.names))
        return Noted(pack.pieces, names, optimiser.settings_of(pack.group, names), calls)

    def _calls(self, optimiser: Any, pack: Any, group: Group) -> list[list[Callable[[], Any]]]:
        """One loop over all, which needs none of its scratch, or the calls for each piece."""
        values, _, scratch, *_ = pack.pieces[0][0]
        both = (np.empty_like(values, scratch.dtype, shape=pack.values.shape) for _ in range(2))
        whole = self._joined(optimiser, pack, group, (pack.values, pack.grads, *both, *pack.state))
        if len(whole) == 1:
            return [whole]
        return [
            [call for piece in pieces for call in self._joined(optimiser, pack, group, piece)]
            for pieces in pack.pieces
        ]

    def _joined(
        self, optimiser: Any, pack: Any, group: Group, arrays: Sequence[np.ndarray]
    ) -> list[Callable[[], Any]]:
        tracer = Tracer(Cells())
        lent = {
            id(a): Traced(tracer, a, np.empty_like(a))
            for a in (*pack.numbers, pack.factor, *arrays)
        }
        numbers = [lent[id(number)] for number in pack.numbers]
        stand_in = SimpleNamespace(group=group, numbers=numbers, factor=lent[id(pack.factor)])
        optimiser.change_pieces(stand_in, [[lent[id(a)] for a in arrays]])
        bound: list[Any] = [call.bound(tracer.cells) for call in tracer.calls]
        items = [Item(None, [call], elementwise(call)) for call in bound]
        values, _, _, _, *state = arrays
        unused = {id(a) for call in bound for a in call.args} - {*map(id, (values, *state))}
        whole = chained(items, lambda *_: unused, self._crew)
        found = whole if len(whole) == 1 else chained(items, lambda *_: set(), self._crew)
        return [call for _, call in found]


def _call(calls: Iterable[Callable[[], Any]]) -> None:
    for call in calls:
        call()
