"""How an equation is run into memory that is there already.

A kernel turns an equation into calls of NumPy functions that write into ``out``. What has none here
is run as in eager mode, and its result copied. The calls compute the same bits as the functions do
themselves; that many of them are other functions is where the time is saved.
"""

import contextvars
import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..autodiff import primitives
from ..autodiff.primitives import ARRAY
from ..autodiff.rules import neural
from ..errors import ReplayError
from .capture import Cast, Equation, Variable, updated

dot = np.ndarray.dot  # 0.15 µs less a call than np.dot, which looks for other kinds of arrays
ZEROS_UP_TO = 1 << 18  # elements; beyond, an array of zeros costs more than the scalar loop


@dataclass(frozen=True)
class Cell:
    """Stands for an array that is another one in every replay."""

    place: int


@dataclass
class Cells:
    """The arrays of one replay: the inputs, and what is a view of them."""

    values: list[Any] = field(default_factory=list)
    recipes: list[tuple[int, Callable[[Any], Any], int]] = field(default_factory=list)
    indices: dict[tuple[Variable, int], np.ndarray] = field(default_factory=dict)

    def add(self) -> Cell:
        """A cell to be filled before each replay."""
        self.values.append(None)
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


def quieted(
    instructions: Sequence[tuple[Equation, Callable[[], Any]]],
) -> tuple[list[Callable[[], Any]], list[Equation]]:
    """The calls, those together that treat floating-point errors as NumPy did in the capture.

    With the first equation of each.
    """
    found: list[Callable[[], Any]] = []
    begun: list[Equation] = []
    for errors, group in itertools.groupby(instructions, lambda pair: pair[0].errors):
        equations, calls = map(list, zip(*group, strict=True))
        found += calls if errors is None else [_under(errors, calls)]
        begun += equations if errors is None else equations[:1]
    return found, begun


def _under(errors: dict[str, Any], calls: list[Callable[[], Any]]) -> Callable[[], None]:
    """The calls as one, with NumPy's floating-point errors treated so.

    NumPy keeps that in a context variable: entering a context takes 0.05 µs, np.errstate 0.9.
    """

    def run() -> None:
        for call in calls:
            call()

    def run_guarded() -> None:
        with np.errstate(**errors):
            run()

    with np.errstate():  # whatever happens here is undone
        before = np.geterr()
        context = contextvars.copy_context()
        context.run(np.seterr, **errors)
        kept = np.geterr() == before
    return partial(context.run, run) if kept else run_guarded


@dataclass(frozen=True)
class Call:
    """One call of a function, with arrays and cells for arguments."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def bound(self, cells: Cells) -> Callable[[], Any]:
        """The call as a function of nothing: the fastest that Python has."""
        places = [i for i, a in enumerate(self.args) if isinstance(a, Cell)]
        names = [name for name, a in self.options.items() if isinstance(a, Cell)]
        if not places and not names:
            return partial(self.fn, *self.args, **self.options)
        return _late(self.fn, self.args, places, self.options, names, cells.values)


def _late(
    fn: Any,
    args: tuple[Any, ...],
    places: list[int],
    options: dict[str, Any],
    names: list[str],
    values: list[Any],
) -> Callable[[], Any]:
    """A call that looks up what is in its cells; the common forms are spelled out."""
    if len(places) == 1 and not options and len(args) == 3:
        a, b, c = args
        at = args[places[0]].place
        if places == [0]:
            return lambda: fn(values[at], b, c)
        if places == [1]:
            return lambda: fn(a, values[at], c)

    def call() -> Any:
        filled = list(args)
        for i in places:
            filled[i] = values[args[i].place]
        if not names:
            return fn(*filled, **options)
        return fn(*filled, **options | {name: values[options[name].place] for name in names})

    return call


Kernel = Callable[[Equation, Sequence[Any], Any, Cells], "list[Call] | None"]


def calls_for(
    equation: Equation, operands: Sequence[Any], options: Any, out: Any, cells: Cells
) -> list[Call]:
    """The calls that leave the equation's only result in ``out``."""
    fn = equation.fn
    if isinstance(fn, np.ufunc):
        return _ufunc(equation, operands, options, out)
    kernel = KERNELS.get(fn) or (_cast if isinstance(fn, Cast) else None)
    found = kernel(equation, operands, out, cells) if kernel and not _arrays_in(options) else None
    if found is not None:
        return found
    return [Call(_keep, (equation, out, fn, *operands), options)]


def _arrays_in(options: dict[str, Any]) -> bool:
    return any(isinstance(value, (np.ndarray, Cell)) for value in options.values())


def _keep(equation: Equation, out: np.ndarray, fn: Any, *operands: Any, **options: Any) -> None:
    """The function itself, its result copied."""
    keep(equation, out, fn(*operands, **options))


def keep(equation: Equation, out: np.ndarray, result: Any) -> None:
    """Copy a result to its place; raises ReplayError if it does not fit there."""
    result = np.asarray(result)
    if result.shape != out.shape or result.dtype != out.dtype:
        raise ReplayError(
            f"{equation.line}: {equation.name} gave an array of shape {result.shape} and dtype "
            f"{result.dtype} where the captured step had {out.shape} and {out.dtype}: its shape "
            "depends on values. Use functions whose shapes do not, such as np.where for a mask."
        )
    np.copyto(out, result)


def _ufunc(equation: Equation, operands: Sequence[Any], options: Any, out: Any) -> list[Call]:
    fn = equation.fn
    if fn in (np.maximum, np.minimum):
        # a scalar here is four times slower than an array (4.4 and 2.4 µs for 8,192 elements),
        # and NumPy takes the result by keyword only
        operands = [_spread(o, out) for o in operands]
        return [Call(fn, tuple(operands), {**options, "out": out})]
    # a Python number takes 0.3 µs more than an array of it
    kinds = [o.dtype for o in equation.reads()]
    if fn not in (np.power, np.float_power) and kinds and kinds[0].kind == "f" and _same_loop(
        equation, kinds[0]
    ):  # fmt: skip
        operands = [np.array(o, kinds[0]) if type(o) in (int, float) else o for o in operands]
    return [Call(fn, (*operands, out), options)]


def _same_loop(equation: Equation, kind: Any) -> bool:
    """Whether arrays of ``kind`` for Python numbers lead to the same loop of the ufunc."""
    results = [None] * equation.fn.nout
    given = [o.dtype if hasattr(o, "dtype") else type(o) for o in equation.operands]
    numbers = [kind if k in (int, float) else k for k in given]
    if numbers == given:
        return False  # nothing to replace
    resolve = equation.fn.resolve_dtypes
    try:
        return bool(resolve((*given, *results)) == resolve((*numbers, *results)))
    except TypeError:  # there is none for the arrays
        return False


def _spread(operand: Any, out: np.ndarray) -> Any:
    """A number as an array of the result's shape, where that is faster."""
    if type(operand) not in (int, float) or not 1 < out.size <= ZEROS_UP_TO:
        return operand
    return np.full_like(out, operand)


def _reduction(ufunc: np.ufunc) -> Kernel:
    def kernel(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
        del cells
        known = {"axis": None, "dtype": None, "keepdims": False}
        given = dict(zip(("axis", "dtype"), operands[1:], strict=False)) | e.options
        if not set(given) <= set(known) or len(operands) > (3 if ufunc is np.add else 2):
            return None
        o = known | given
        return [Call(ufunc.reduce, (operands[0], o["axis"], o["dtype"], out, o["keepdims"]))]

    return kernel


def _mean(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    """The sum over the count: what ``np.mean`` does, without its checks (5 µs)."""
    source = e.operands[0]
    assert isinstance(source, Variable)
    if source.dtype != out.dtype or out.dtype not in (np.float32, np.float64):
        return None
    count = source.nbytes // max(out.nbytes, 1)
    sums = _reduction(np.add)(e, operands, out, cells)
    if sums is None or not 0 < count < 1 << 24:
        return None
    return [*sums, Call(np.divide, (out, np.array(count, out.dtype), out))]


def _mean_square(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    x = operands[0]
    if isinstance(x, Cell) or not x.flags.c_contiguous or x.size == 0 or not _may_dot(e, out):
        return None
    del cells
    lined, count = x.reshape(-1), np.array(x.size, out.dtype)
    return [Call(dot, (lined, lined, out)), Call(np.divide, (out, count, out))]


def _row_product(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    x, w = operands
    shape = _shape(e, 0)
    if not _may_dot(e, out):
        return [Call(_into(neural.row_product), (x, w, out))]
    if shape[0] <= 2 * neural.BLOCK_ROWS:
        return [Call(dot, (x, w, out))]
    return [
        Call(dot, (cells.view(x, operator.itemgetter(block)), w, out[block]))
        for block in neural.row_blocks(shape[0])
    ]


def _row_contraction(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    x, y = operands
    if not _may_dot(e, out):
        return [Call(_into(neural.row_contraction), (x, y, out))]
    blocks = neural.row_blocks(_shape(e, 0)[0])
    if len(blocks) == 1:
        return [Call(dot, (cells.view(x, _transposed), y, out))]
    calls = []
    part = np.empty_like(out)
    for i, block in enumerate(blocks):
        left = cells.view(cells.view(x, operator.itemgetter(block)), _transposed)
        right = cells.view(y, operator.itemgetter(block))
        calls.append(Call(dot, (left, right, part if i else out)))
        if i:
            calls.append(Call(np.add, (out, part, out)))
    return calls


def _line_max(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    (x,) = operands
    rows, columns = _shape(e, 0)
    if columns > 64:
        return [Call(np.maximum.reduce, (x, 1, None, out, True))]
    turned = np.empty((columns, rows), out.dtype)
    return [
        Call(np.copyto, (turned, cells.view(x, _transposed))),
        Call(np.maximum.reduce, (turned, 0, None, out.reshape(-1))),
    ]


def _row_sum(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    (x,) = operands
    if not _may_dot(e, out):
        return [Call(_into(neural.row_sum), (x, out))]
    blocks = neural.row_blocks(_shape(e, 0)[0])
    ones = np.ones(blocks[0].stop, out.dtype)
    if len(blocks) == 1:
        return [Call(dot, (ones, x, out))]
    calls = []
    part = np.empty_like(out)
    for i, block in enumerate(blocks):
        rows = cells.view(x, operator.itemgetter(block))
        calls.append(Call(dot, (ones[: block.stop - block.start], rows, part if i else out)))
        if i:
            calls.append(Call(np.add, (out, part, out)))
    return calls


def _line_sums(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    (x,) = operands
    if not _may_dot(e, out):
        return [Call(_into(neural.line_sums), (x, out))]
    ones = np.ones(_shape(e, 0)[1], out.dtype)
    return [
        Call(dot, (cells.view(x, operator.itemgetter(block)), ones, out[block]))
        for block in neural.row_blocks(_shape(e, 0)[0])
    ]


def _may_dot(e: Equation, out: Any) -> bool:
    """Whether ``np.dot`` can write here: one dtype, C order."""
    same = all(v.dtype == out.dtype for v in e.reads())
    return same and out.flags.c_contiguous and out.dtype.kind in "fc"


def _into(fn: Any) -> Callable[..., None]:
    """A primitive whose result is copied to its last argument."""
    implementation = fn.implementation

    def run(*args: Any) -> None:
        np.copyto(args[-1], implementation(*args[:-1]))

    return run


def _transposed(x: np.ndarray) -> np.ndarray:
    return x.T


def _shape(e: Equation, i: int) -> tuple[int, ...]:
    operand = e.operands[i]
    assert isinstance(operand, Variable)
    return operand.shape


def _flat_index(
    e: Equation, labels: Any, classes: int, cells: Cells
) -> tuple[list[Call], np.ndarray] | None:
    """The places of the labels in the rows laid end to end; computed once for each input."""
    variable, count = e.operands[1], _shape(e, 1)[0]
    assert isinstance(variable, Variable)
    if not np.can_cast(variable.dtype, np.intp):
        return None
    if (variable, classes) in cells.indices:
        return [], cells.indices[variable, classes]
    offsets = np.arange(0, count * classes, classes)
    flat = np.empty(count, np.intp)
    if isinstance(labels, Cell):  # an input, which nothing overwrites
        cells.indices[variable, classes] = flat
    return [Call(np.add, (labels, offsets, flat))], flat


def _pick(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    x, labels = operands
    if isinstance(x, Cell) or not x.flags.c_contiguous:
        return None
    found = _flat_index(e, labels, _shape(e, 0)[1], cells)
    if found is None:
        return None
    calls, flat = found
    # the labels are known to be in range, and NumPy copies where it checks
    return [*calls, Call(x.reshape(-1).take, (flat, None, out, "clip"))]


def _less_one_hot(
    e: Equation, operands: Sequence[Any], out: Any, cells: Cells
) -> list[Call] | None:
    p, labels = operands
    if not out.flags.c_contiguous:
        return None
    found = _flat_index(e, labels, _shape(e, 0)[1], cells)
    if found is None:
        return None
    calls, flat = found
    picked = np.empty(flat.shape, out.dtype)
    lined = out.reshape(-1)
    copies = [] if p is out or _same_memory(p, out) else [Call(np.copyto, (out, p))]
    return [
        *copies,
        *calls,
        Call(lined.take, (flat, None, picked, "clip")),
        Call(np.subtract, (picked, np.ones((), out.dtype), picked)),
        Call(operator.setitem, (lined, flat, picked)),
    ]


def _same_memory(a: Any, b: np.ndarray) -> bool:
    return (
        isinstance(a, np.ndarray)
        and a.__array_interface__["data"] == b.__array_interface__["data"]
        and a.strides == b.strides
    )


def _place(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    g, labels, _ = operands
    del e, cells
    rows = np.arange(out.shape[0])

    def run(g: Any, labels: Any, out: np.ndarray) -> None:
        out.fill(0)
        out[rows, labels] = g

    return [Call(run, (g, labels, out))]


def _copy(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    return [Call(np.copyto, (out, operands[0]))]


def _cast(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    del cells
    source = e.operands[0].dtype
    if source.kind == "c" and out.dtype.kind != "c":
        return None
    return [Call(np.copyto, (out, operands[0], "unsafe"))]


def _concatenate(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    del cells
    if any(isinstance(o, Cell) for o in operands):
        return None
    return [Call(np.concatenate, (operands, e.options.get("axis", 0), out))]


def _take_at(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call] | None:
    """One array as the index of the first axis: ``np.take`` (rows of an embedding)."""
    del cells
    x, where, *arrays = operands
    if len(arrays) != 1 or where != (ARRAY,) or e.operands[2].dtype.kind not in "iu":
        return None
    if not np.can_cast(e.operands[2].dtype, np.intp):
        return None
    return [Call(_rows_taken, (x, arrays[0], out))]


def _rows_taken(x: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
    np.take(x, index, 0, out)


def _replace_at(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    x, value, where, *arrays = operands
    return [Call(np.copyto, (out, x)), Call(primitives.put_at, (out, value, where, *arrays))]


def _added_to(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    return [Call(np.add, (*operands, out))]


def _where_finite_or(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    finite, in_place = np.empty_like(out, bool), _same_memory(operands[0], out)

    def run(x: Any, reached: Any, out: Any) -> None:
        np.isfinite(x, finite)
        if not in_place:
            np.copyto(out, x)
        if not finite.all():
            np.logical_or(finite, np.not_equal(reached, 0), finite)
            np.copyto(out, 0, where=~finite)

    return [Call(run, (*operands, out))]


def _if_finite(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    finite, in_place = np.empty_like(out, bool), _same_memory(operands[0], out)

    def run(x: Any, other: Any, out: Any) -> None:
        np.isfinite(x, finite)
        if not finite.all():
            np.copyto(out, other)
        elif not in_place:
            np.copyto(out, x)

    return [Call(run, (*operands, out))]


def _updated(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    x, ufunc, value = operands
    return [Call(np.copyto, (out, x)), Call(primitives.update, (out, ufunc, value))]


def _add_at(e: Equation, operands: Sequence[Any], out: Any, cells: Cells) -> list[Call]:
    del e, cells
    g, _, where, *arrays = operands
    if any(a.dtype != np.bool_ for a in arrays if isinstance(a, np.ndarray)) or arrays:
        return [Call(out.fill, (0,)), Call(_added, (out, g, where, *arrays))]
    return [Call(out.fill, (0,)), Call(primitives.put_at, (out, g, where))]


def _added(out: np.ndarray, g: np.ndarray, where: Any, *arrays: Any) -> None:
    index = primitives.join_index(where, arrays)
    if any(a.dtype != np.bool_ for a in arrays):
        np.add.at(out, index, g)
    else:
        out[index] = g


def _implementation(fn: Any) -> Any:
    return fn.implementation


KERNELS: dict[Any, Kernel] = {
    np.sum: _reduction(np.add),
    np.mean: _mean,
    np.max: _reduction(np.maximum),
    np.amax: _reduction(np.maximum),
    np.min: _reduction(np.minimum),
    np.amin: _reduction(np.minimum),
    np.any: _reduction(np.logical_or),
    np.all: _reduction(np.logical_and),
    np.copy: _copy,
    _implementation(neural.row_product): _row_product,
    _implementation(neural.row_contraction): _row_contraction,
    _implementation(neural.row_sum): _row_sum,
    _implementation(neural.mean_square): _mean_square,
    _implementation(neural.line_max): _line_max,
    _implementation(neural.line_sums): _line_sums,
    _implementation(neural.pick): _pick,
    _implementation(neural.less_one_hot): _less_one_hot,
    _implementation(neural.place): _place,
    _implementation(primitives.broadcast): _copy,
    _implementation(primitives.cast): _cast,
    _implementation(primitives.concat): _concatenate,
    _implementation(primitives.take_at): _take_at,
    _implementation(primitives.replace_at): _replace_at,
    updated: _updated,
    _implementation(primitives.where_finite_or): _where_finite_or,
    _implementation(primitives.if_finite): _if_finite,
    _implementation(primitives.added_to): _added_to,
    _implementation(primitives.add_at): _add_at,
}


def check_for(equation: Equation, operands: Sequence[Any], cells: Cells) -> list[Call]:
    """The call that raises if labels or targets are not what they should be."""
    if equation.fn is not _implementation(neural.in_range):
        return [Call(equation.fn, tuple(operands), equation.options)]
    labels, classes, caller = operands
    variable = equation.operands[0]
    assert isinstance(variable, Variable)
    unsigned = neural.unsigned_kind(variable.dtype)
    refuse = partial(equation.fn, classes=classes, caller=caller)
    first = neural.label_limit(variable.dtype, classes)
    if first > np.iinfo(unsigned).max:
        return []  # the dtype has no other labels
    limit = np.array(first, unsigned)
    wrong = bytearray(variable.nbytes // variable.dtype.itemsize)
    marks = np.frombuffer(wrong, np.bool_).reshape(variable.shape)

    def check(labels: np.ndarray, unsigned: np.ndarray) -> None:
        np.greater_equal(unsigned, limit, marks)
        if 1 in wrong:  # a search of bytes: 0.05 µs instead of 1 for the largest label
            refuse(labels)

    return [Call(check, (labels, cells.view(labels, lambda x: x.view(unsigned))))]
