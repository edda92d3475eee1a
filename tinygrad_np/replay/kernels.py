"""How an equation is computed into memory that exists already.

Ufuncs write into ``out``. The body of any other operation runs once, on objects that stand for
arrays: the calls that it makes are recorded, and what depends only on shapes is computed once. A
body that looks at values is called as a whole. An operation without a body runs as in eager mode,
and its result is copied.
"""

import contextlib
import contextvars
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..autodiff.primitives.elementwise import number_as_array
from ..autodiff.rules import FACTS, TABLE, WRITERS
from ..errors import ReplayError
from ..recording.equations import Equation, Variable
from ..recording.recorder import spelled

SPREAD_UP_TO, INNER = 1 << 18, 1 << 10  # elements of an array in the place of a number


@dataclass(frozen=True)
class Cell:
    """Stands for an array that is another one in every replay."""

    place: int


@dataclass
class Cells:
    """The arrays of one replay: the inputs, and what is a view of them."""

    values: list[Any] = field(default_factory=list)
    recipes: list[tuple[int, Callable[[Any], Any], int]] = field(default_factory=list)

    def add(self, value: Any = None) -> Cell:
        """A cell to be filled before each replay, or with a ``value`` that stays."""
        self.values.append(value)
        return Cell(len(self.values) - 1)

    def view(self, x: Any, fn: Callable[[Any], Any]) -> Any:
        """``fn(x)``, a view: now, or of each new array in a cell."""
        if not isinstance(x, Cell):
            return fn(x)
        cell = self.add()
        self.recipes.append((cell.place, fn, x.place))
        return cell

    def refresh(self) -> None:
        """Make the views of the arrays that are there now."""
        values = self.values
        for place, fn, source in self.recipes:
            values[place] = fn(values[source])


def quieted(instructions: Sequence[tuple[Equation, Callable[[], Any]]]) -> list[Callable[[], Any]]:
    """The calls, each of which treats floating-point errors as NumPy did in the capture.

    NumPy keeps that in a context variable: entering a context takes 0.05 µs, np.errstate 0.9.
    """
    found: list[Callable[[], Any]] = []
    for equation, call in instructions:
        if equation.errors is not None:
            context = contextvars.copy_context()
            context.run(np.seterr, **equation.errors)
            call = partial(context.run, call)
        found.append(call)
    return found


@dataclass(frozen=True)
class Call:
    """One call of a function, with arrays and cells for arguments."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def bound(self, cells: Cells) -> Callable[[], Any]:
        """The call as a function of nothing: the fastest that Python has."""
        fn, values = self.fn, cells.values
        named = {name: a.place for name, a in self.options.items() if isinstance(a, Cell)}
        if not named and not any(isinstance(a, Cell) for a in self.args):
            return partial(fn, *self.args, **self.options)
        late = [i for i, a in enumerate(self.args) if isinstance(a, Cell)]
        if len(self.args) == 3 and late in ([0], [1]) and not self.options:  # 0.1 µs less
            (a, b, c), at, first = self.args, self.args[late[0]].place, late == [0]
            return (lambda: fn(values[at], b, c)) if first else lambda: fn(a, values[at], c)
        places = [(a if isinstance(a, Cell) else cells.add(a)).place for a in self.args]
        options = {name: value for name, value in self.options.items() if name not in named}
        if len(places) < 2 or named:
            return lambda: fn(
                *[values[place] for place in places],
                **options,
                **{name: values[place] for name, place in named.items()},
            )
        found = operator.itemgetter(*places)  # half of the time
        return lambda: fn(*found(values), **options)


def calls_for(
    equation: Equation, operands: Sequence[Any], options: dict[str, Any], outs: list[Any],
    cells: Cells,
) -> list[Call]:  # fmt: skip
    """The calls that leave the equation's results in ``outs``."""
    fn, body, out = equation.fn, equation.traits.body, outs[0]
    if len(outs) == 1 and isinstance(fn, np.ufunc):
        return [_ufunc(fn, operands, [v.dtype for v in equation.reads], options, out)]
    if len(outs) > 1 or body is None:
        return [Call(_keep, (equation, outs, fn, *operands), options)]
    tracer = Tracer(cells)
    try:
        tracer.trace(body, equation, operands, options, out)
    except UntraceableError:
        return [Call(_keep, (equation, outs, partial(body, out=out), *operands), options)]
    return tracer.calls


def _keep(equation: Equation, outs: list[Any], fn: Any, *operands: Any, **options: Any) -> None:
    """The function itself, its results copied, if they are elsewhere."""
    found = fn(*operands, **options)
    for out, result in zip(outs, [found] if len(outs) == 1 else found, strict=True):
        if result is not out:
            keep(equation, out, result)


def keep(equation: Equation, out: np.ndarray, result: Any) -> None:
    """Copy a result to its place; raises ReplayError if it does not fit there."""
    result = np.asarray(result)
    name = spelled(equation.rule) if equation.rule else equation.name
    if result.dtype.kind != out.dtype.kind and "c" in (result.dtype.kind, out.dtype.kind):
        raise ReplayError(
            f"{equation.line}: {name} returns numbers of dtype {result.dtype} here, and of "
            f"{out.dtype} in the first run of the step: whether its results are complex "
            "depends on values. Give it complex numbers (x + 0j): then they always are."
        )
    if result.shape != out.shape or result.dtype != out.dtype:
        raise ReplayError(
            f"{equation.line}: {name} returns shape {result.shape} and dtype {result.dtype} "
            f"here, and {out.shape} and {out.dtype} in the first run of the step: its shape "
            "depends on values. Use functions whose shapes do not, such as np.where for a mask."
        )
    np.copyto(out, result)


def _ufunc(
    fn: np.ufunc, operands: Sequence[Any], dtypes: Sequence[Any], options: dict[str, Any], out: Any
) -> Call:
    rule = TABLE.get(fn)
    if rule is not None and rule.traits.spreads:
        # a scalar here is four times slower than an array (4.4 and 2.4 µs for 8,192 elements),
        # and NumPy takes the result by keyword only
        operands = [_spread(o, out) for o in operands]
        return Call(fn, tuple(operands), {**options, "out": out})
    # a Python number takes 0.3 µs more than an array of it
    numbers = [type(o) in (int, float) for o in operands]
    if any(numbers) and dtypes and dtypes[0].kind == "f":
        pairs = list(zip(operands, numbers, strict=True))
        kinds = [type(o) if is_number else dtypes[0] for o, is_number in pairs]
        with contextlib.suppress(TypeError):  # of types that a call turns into others
            if set(fn.resolve_dtypes((*kinds, *[None] * fn.nout))[: fn.nin]) == {dtypes[0]}:
                operands = [np.array(o, dtypes[0]) if is_number else o for o, is_number in pairs]
    return Call(fn, (*operands, out), options)


def _spread(operand: Any, out: Any) -> Any:
    """A number as an array that broadcasts to the result, of its innermost axes if it is large."""
    if type(operand) not in (int, float) or out.size < 2:
        return operand
    made = number_as_array(operand, out, INNER if out.size > SPREAD_UP_TO else out.size)
    # around bytes, so that one may see that it stays one number
    return np.ndarray(made.shape, made.dtype, made.tobytes(), 0, made.strides)


def _write(fn: Any, *args: Any, out: Any, **options: Any) -> None:
    """Call what takes ``out=``, and may forget it, as NumPy 2.4's ``hfft`` does."""
    result = fn(*args, out=out, **options)
    if result is not out:
        np.copyto(out, result)


class UntraceableError(Exception):
    """A body looks at values, or does what cannot be noted."""


class Traced(NDArrayOperatorsMixin):
    """Stands for an array in a body: what the body calls is noted instead of run.

    ``held`` is the array, or its cell; ``like`` is another one that lies in memory in the same way.
    """

    mixes = True

    def __init__(self, tracer: "Tracer", held: Any, like: np.ndarray) -> None:
        self.tracer = tracer
        self.held = held
        self.like = like

    def __len__(self) -> int:
        return len(self.like)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # such as __array_interface__, by which NumPy sees the memory
            raise AttributeError(name)
        found = getattr(self.like, name)
        if isinstance(found, np.ndarray):
            return self._viewed(found, operator.attrgetter(name))
        return partial(self._method, getattr(np.ndarray, name)) if callable(found) else found

    def _method(self, method: Any, *args: Any, **options: Any) -> Any:
        """Methods make views, fill their array, or write into the last array they are given."""
        targets = [a for a in args if isinstance(a, Traced)]
        seen = None if targets else method(self.like, *args, **options)
        if seen is not None:
            return self._viewed(seen, lambda x: method(x, *args, **options))
        if targets and any(a is None for a in args):
            raise UntraceableError
        self.tracer.note(method, (self, *args), options)
        return targets[-1] if targets else None

    def _viewed(self, seen: Any, fn: Callable[[Any], Any]) -> "Traced":
        if not isinstance(seen, np.ndarray) or not np.may_share_memory(seen, self.like):
            raise UntraceableError
        return Traced(self.tracer, self.tracer.cells.view(self.held, fn), seen)

    def __getitem__(self, index: Any) -> "Traced":
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Traced) for part in parts):
            raise UntraceableError
        return self._viewed(self.like[index], operator.itemgetter(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.note(operator.setitem, (self, index, value), {})

    def __array_ufunc__(
        self, fn: np.ufunc, method: str, *inputs: Any, out: tuple[Any] = (None,), **options: Any
    ) -> Any:
        (target,) = out
        if method == "__call__":
            if target is None:
                target = self.tracer.scratch(fn, inputs)
            self.tracer.note_ufunc(fn, inputs, options, target)
        elif method == "reduce" and isinstance(target, Traced):
            given = [options.pop(name, None) for name in ("axis", "dtype")]
            keeps = options.pop("keepdims", False)
            if options.get("where") is True:
                del options["where"]
            self.tracer.note(fn.reduce, (*inputs, *given, target, keeps), options)
        elif method == "at":
            self.tracer.note(fn.at, inputs, options)
        else:
            raise UntraceableError
        return target

    def __array_function__(self, fn: Any, _types: Any, args: Any, options: Any) -> Any:
        if fn in WRITERS or "out" in options:
            self.tracer.note(fn if fn in WRITERS else partial(_write, fn), args, options)
            return options.get("out")
        if fn in FACTS:
            return fn(*_opened(args, "like"), **options)
        if getattr(fn, "is_view", False):
            return self._viewed(fn(self.like, *args[1:]), lambda x: fn(x, *args[1:]))
        if fn in TABLE and TABLE[fn].traits.shape_only:
            made = fn(*_opened(args, "like"), **options)
            return Traced(self.tracer, made, np.empty_like(made))
        raise UntraceableError

    def _look(self, *_args: Any, **_options: Any) -> Any:
        raise UntraceableError

    __bool__ = __float__ = __int__ = __index__ = __iter__ = __array__ = _look


class Tracer:
    """The calls of a body, as they are noted."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.calls: list[Call] = []

    def trace(
        self, body: Any, equation: Equation, operands: Sequence[Any], options: Any, out: Any
    ) -> None:
        """Note what ``body`` calls to leave its result in ``out``."""
        known: dict[int, Traced] = {}

        def stand_in(value: Any, given: Any) -> Any:
            if not isinstance(given, Variable):
                return value
            if id(value) not in known:
                known[id(value)] = Traced(self, value, _blank(given))
            return known[id(value)]

        inputs = [*map(stand_in, operands, equation.operands)]
        given = {name: stand_in(options[name], value) for name, value in equation.options.items()}
        target = stand_in(out, equation.results[0])
        result = body(*inputs, out=target, **given)
        if result is not target and not (
            isinstance(result, Traced)
            and isinstance(result.held, np.ndarray)
            and result.held.__array_interface__ == out.__array_interface__
        ):
            raise UntraceableError

    def note(self, fn: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        """Note a call."""
        given = {name: _opened(value) for name, value in options.items()}
        self.calls.append(Call(fn, tuple(map(_opened, args)), given))

    def note_ufunc(
        self, fn: np.ufunc, inputs: Sequence[Any], options: dict[str, Any], target: Any
    ) -> None:
        """Note the call of a ufunc that writes into ``target``."""
        if not isinstance(target, Traced):
            raise UntraceableError
        dtypes = [x.dtype for x in inputs if isinstance(x, Traced)]
        options = {name: _opened(value) for name, value in options.items() if name != "order"}
        inputs = [_opened(x) for x in inputs]
        self.calls.append(_ufunc(fn, inputs, dtypes, options, target.held))

    def scratch(self, fn: np.ufunc, inputs: Sequence[Any]) -> Traced:
        """Memory for an intermediate result."""
        if fn.signature is not None or fn.nout != 1:
            raise UntraceableError
        kinds = [type(x) if type(x) in (int, float, bool) else x.dtype for x in inputs]
        dtype = fn.resolve_dtypes((*kinds, None))[-1]
        shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x in inputs))
        made = np.empty(shape, dtype)
        return Traced(self, made, np.empty_like(made))


def _blank(variable: Variable) -> np.ndarray:
    """An array without values that lies in memory as another one does."""
    pairs = list(zip(variable.strides, variable.shape, strict=True))
    if 0 in variable.shape:
        return np.empty(variable.shape, variable.dtype)
    low, high = (sum(f(s * (n - 1), 0) for s, n in pairs) for f in (min, max))
    memory = np.empty(high - low + variable.dtype.itemsize, np.uint8)
    return np.ndarray(variable.shape, variable.dtype, memory, -low, variable.strides)


def _opened(nest: Any, name: str = "held") -> Any:
    """What stands in for arrays, replaced by those (or by its ``like``); no cells in tuples."""
    if isinstance(nest, (tuple, list)):
        found = tuple(_opened(part, name) for part in nest)
        if any(isinstance(part, Cell) for part in found):
            raise UntraceableError
        return found
    return getattr(nest, name) if isinstance(nest, Traced) else nest
