"""For each operation that ONNX can do: the nodes that do it.

A row is a function of a ``Reading``, that writes nodes and returns the name of the result.
"""

import math
import sys
from typing import Any

import numpy as np

from ..autodiff import primitives
from ..autodiff.primitives import bodies, convolution, convolving, neural, pooling
from ..errors import ExportError
from ..nn.convolving import covered
from ..recording.equations import Equation, Variable
from .onnx_arithmetic import ELEMENTWISE, SPECIAL, Write, number
from .onnx_graph import Reading

LAST = np.iinfo(np.int64).max


def _axes(r: Reading, axis: Any) -> list[int]:
    count = len(r.shapes_of(0)[0])
    given = range(count) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [int(a) % count for a in given]


def _reduced(r: Reading, kind: str, x: str, axis: Any, keepdims: Any) -> str:
    axes = _axes(r, axis)
    if not axes:
        return r.add("Identity", x)
    return r.add(kind, x, r.constant(axes, np.int64), keepdims=int(bool(keepdims)))


def _reduction(kind: str) -> Write:
    def write(r: Reading) -> str:
        r.only("axis", "dtype", "keepdims")
        axis, keepdims = r.option(1, "axis"), r.option(-1, "keepdims", False)
        if len(r.equation.operands) > 2:
            raise ExportError("it has more than one operand beside the axis; name the options")
        return _reduced(r, kind, r.x(0, r.dtype), axis, keepdims)

    return write


def _truth(kind: str) -> Write:
    def write(r: Reading) -> str:
        r.only("axis", "keepdims")
        axis, keepdims = r.option(1, "axis"), r.option(-1, "keepdims", False)
        found = _reduced(r, kind, r.cast(r.x(0, bool), np.int32), axis, keepdims)
        return r.cast(found, bool)

    return write


def _mse_loss(r: Reading) -> str:
    x = r.x()
    return _reduced(r, "ReduceMean", r.add("Mul", x, x), None, False)


def _picked(r: Reading) -> str:
    """From each row the element of its label."""
    second = r.constant([1], np.int64)
    places = r.add("Unsqueeze", r.x(1, np.int64), second)
    return r.add("Squeeze", r.add("GatherElements", r.x(), places, axis=1), second)


def _variance(r: Reading) -> str:
    axis, ddof = r.option(1, "axis"), r.option(3, "ddof", 0)
    keepdims = r.option(4, "keepdims", False)
    x = r.x(0, r.dtype)
    centred = r.add("Sub", x, _reduced(r, "ReduceMean", x, axis, True))
    found = _reduced(r, "ReduceMean", r.add("Mul", centred, centred), axis, keepdims)
    if ddof:
        counts = [math.prod(shape[a] for a in _axes(r, axis)) for shape in r.shapes_of(0)]
        if counts[0] != counts[1]:
            raise ExportError("its ddof with the axis of the rows depends on their number")
        found = r.add("Mul", found, number(r, counts[0] / (counts[0] - ddof)))
    return found


def _norm(r: Reading) -> str:
    axis, keepdims = r.option(1, "axis"), r.option(2, "keepdims", False)
    return _reduced(r, "ReduceL2", r.x(0, r.dtype), axis, keepdims)


def _mean(r: Reading) -> str:
    """The mean of windows is a node of its own."""
    made = getattr(r.equation.operands[0], "made", None)
    if made is not None and made.rule is not None and made.rule.fn is convolution.windows:
        x, kernel, stride, dilation = made.operands
        is_whole = r.option(1, "axis") == (0, 1) and not r.option(-1, "keepdims")
        if is_whole and len(x.shape) == 4 and dilation == (1, 1):  # others opset 19 brings
            return r.add("AveragePool", r.graph.read(x), kernel_shape=kernel, strides=stride)
    return _reduction("ReduceMean")(r)


def _along(r: Reading, x: str) -> tuple[str, Any]:
    """The operand and the axis that it is read along, all of it in a row where none is given."""
    axis = r.option(1, "axis")
    return (r.add("Reshape", x, r.constant([-1], np.int64)), 0) if axis is None else (x, axis)


def _arg(kind: str) -> Write:
    def write(r: Reading) -> str:
        r.only("axis", "keepdims")
        x, axis = _along(r, r.x())
        return r.add(kind, x, axis=axis, keepdims=int(bool(r.option(-1, "keepdims", False))))

    return write


def _running_sum(r: Reading) -> str:
    r.only("axis", "dtype")
    x, axis = _along(r, r.x(0, r.dtype))
    return r.add("CumSum", x, r.constant(axis, np.int64))


def _reshaped(r: Reading) -> str:
    r.only("shape", "newshape")
    if r.option(2, "order", "C") not in ("C", None):
        raise ExportError("ONNX has reshape in C order alone")
    return _as(r, r.x())


def _as(r: Reading, x: str) -> str:
    """In the shape of the result: a length that follows the number of rows is what is left over."""
    one, other = r.shapes
    open_axes = [i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
    if len(open_axes) == 1 and 0 not in one:
        shape = [-1 if i in open_axes else n for i, n in enumerate(one)]
        return r.add("Reshape", x, r.constant(shape, np.int64))
    return r.add("Reshape", x, r.graph.shape(r.shapes))


def _broadcast(r: Reading) -> str:
    one, other = (list(shape) for shape in r.shapes)
    before, after = r.shapes_of(0)
    for i in range(1, len(before) + 1):
        if one[-i] != other[-i] and (one[-i], other[-i]) == (before[-i], after[-i]):
            one[-i] = other[-i] = 1  # Expand leaves it as it is
    return r.add("Expand", r.x(0, r.dtype), r.graph.shape((one, other)))


def _permuted(r: Reading) -> str:
    """Lengths that tell the axes apart say where each of them goes."""
    count = len(r.shapes_of(0)[0])
    options = {name: r.option(-1, name) for name in r.equation.options}
    marked = np.broadcast_to(np.int8(0), tuple(range(2, 2 + count)))
    fn: Any = r.equation.rule.fn  # type: ignore[union-attr]
    moved = fn(marked, *r.equation.operands[1:], **options)
    return r.add("Transpose", r.x(), perm=[n - 2 for n in moved.shape])


def _inserted(r: Reading) -> str:
    axis = r.option(1, "axis")
    count = len(r.shapes[0])
    axes = sorted(a % count for a in (axis if isinstance(axis, tuple) else (axis,)))
    return r.add("Unsqueeze", r.x(), r.constant(axes, np.int64))


def _squeezed(r: Reading) -> str:
    axis = r.option(1, "axis")
    shape = r.shapes_of(0)[0]
    axes = [i for i, n in enumerate(shape) if n == 1] if axis is None else _axes(r, axis)
    return r.add("Squeeze", r.x(), r.constant(axes, np.int64)) if axes else r.add("Identity", r.x())


def _padded(r: Reading) -> str:
    widths = r.option(1, "widths")
    ends = [before for before, _ in widths] + [after for _, after in widths]
    return r.add("Pad", r.x(), r.constant(ends, np.int64))


def _taken(r: Reading) -> str:
    """Slices first, then numbers and one array, from the last axis on; new axes last."""
    layout, arrays = r.option(1, "layout"), r.equation.operands[2:]
    if len(arrays) == 1 and (found := _meshed(r)) is not None:
        return found
    axes = len(r.shapes_of(0)[0])
    used = sum(part is not None and part is not Ellipsis for part in layout)
    parts: list[Any] = []
    for part in layout:
        parts += [slice(None)] * (axes - used) if part is Ellipsis else [part]
    if Ellipsis not in layout:
        parts += [slice(None)] * (axes - used)
    numbers = [part for part in parts if isinstance(part, (int, np.integer))]
    if len(arrays) > 1 or (arrays and (numbers or arrays[0].dtype.kind not in "iu")):
        raise ExportError("ONNX has an index of one integer array, beside slices")
    old = [part for part in parts if part is not None]
    found = _sliced(r, r.x(), {a: p for a, p in enumerate(old) if isinstance(p, slice)})
    for axis, part in reversed(list(enumerate(old))):
        if not isinstance(part, slice):
            index = r.constant(part, np.int64) if part in numbers else r.x(2, np.int64)
            found = r.add("Gather", found, index, axis=axis)
    new, place = [], 0
    for part in parts:
        if part is None:
            new.append(place)
        is_array = part is not None and not isinstance(part, slice) and part not in numbers
        gone = part in numbers
        place += len(arrays[0].shape) if is_array else 0 if gone else 1
    return r.add("Unsqueeze", found, r.constant(new, np.int64)) if new else found


def _meshed(r: Reading) -> str | None:
    """An index into all elements in a row that is one for each axis, as np.pad has it."""
    one, other = map(_lines, (r.equation, r.twin))
    if one is None or other is None:
        return None
    (x, lines), (twin, others) = one, other
    found = r.graph.read(x)
    for axis, pair in enumerate(zip(lines, others, strict=True)):
        lengths = x.shape[axis], twin.shape[axis]
        if all(map(np.array_equal, pair, map(np.arange, lengths))):
            continue
        if not np.array_equal(*pair):
            raise ExportError("it takes rows by their number")
        found = r.add("Gather", found, r.constant(pair[0], np.int64), axis=axis)
    return found


def _lines(equation: Equation) -> tuple[Variable, list[np.ndarray]] | None:
    """The array whose elements in a row are read, and the places along each of its axes."""
    row, _, index = equation.operands
    made = row.made
    if made is None or made.rule is None or made.rule.fn is not np.reshape or len(row.shape) != 1:
        return None
    x, places = made.operands[0], index.array
    if index.kind != "constant" or places.dtype.kind not in "iu" or places.ndim != len(x.shape):
        return None
    parts = np.unravel_index(places % max(row.shape[0], 1), x.shape) if places.size else ()
    found = []
    for axis, part in enumerate(parts):
        line = np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1)
        if (line != line[:, :1]).any():
            return None
        found.append(line[:, 0])
    return (x, found) if found else None


def _sliced(r: Reading, x: str, slices: dict[int, slice]) -> str:
    wanted = {axis: s for axis, s in slices.items() if s != slice(None)}
    if not wanted:
        return x
    starts, ends, steps = [], [], []
    for s in wanted.values():
        step = 1 if s.step is None else int(s.step)
        first, last = (0, LAST) if step > 0 else (LAST, -LAST)
        starts.append(first if s.start is None else int(s.start))
        ends.append(last if s.stop is None else int(s.stop))
        steps.append(step)
    return r.add("Slice", x, *(r.constant(v, np.int64) for v in (starts, ends, [*wanted], steps)))


def _flipped(r: Reading) -> str:
    back = slice(None, None, -1)
    return _sliced(r, r.x(), dict.fromkeys(_axes(r, r.option(1, "axis")), back))


def _repeated(r: Reading) -> str:
    times, axis = r.option(1, "repeats"), r.option(2, "axis")
    lengths = None if axis is None else [shape[axis] for shape in r.shapes_of(0)]
    if lengths is None or lengths[0] != lengths[1]:
        raise ExportError("it repeats along the rows; use np.broadcast_to and reshape")
    index = np.repeat(np.arange(lengths[0]), times)
    return r.add("Gather", r.x(), r.constant(index, np.int64), axis=int(axis))


def _rolled(r: Reading) -> str:
    shift, axis = r.option(1, "shift"), r.option(2, "axis")
    if not isinstance(axis, int) or not isinstance(shift, int):
        raise ExportError("give one shift and one axis")
    length, more = (shape[axis] for shape in r.shapes_of(0))
    if length != more:
        raise ExportError("it rolls along the rows")
    index = np.roll(np.arange(length), shift)
    return r.add("Gather", r.x(), r.constant(index, np.int64), axis=axis)


def _tiled(r: Reading) -> str:
    times = r.option(1, "reps")
    times = list(times) if isinstance(times, (tuple, list)) else [times]
    axes, x = len(r.shapes_of(0)[0]), r.x()
    if len(times) > axes:
        new = r.constant(list(range(len(times) - axes)), np.int64)
        x = r.add("Unsqueeze", x, new)
    times = [1] * (axes - len(times)) + times
    return r.add("Tile", x, r.constant(times, np.int64))


def _triangle(upper: int) -> Write:
    return lambda r: r.add("Trilu", r.x(), r.constant(r.option(1, "k", 0), np.int64), upper=upper)


def _product(r: Reading) -> str:
    r.only()
    return r.add("MatMul", *r.operands(r.dtype))


def _dot(r: Reading) -> str:
    if len(r.shapes_of(1)[0]) > 2 or 0 in map(len, (r.shapes_of(0)[0], r.shapes_of(1)[0])):
        raise ExportError("ONNX has matmul, which differs for more than two axes; use @")
    return _product(r)


def _contraction(r: Reading) -> str:
    return r.add("Einsum", *r.operands(r.dtype), equation=r.option(-1, "subscripts"))


def _moving(r: Reading) -> dict[str, Any]:
    return {
        "strides": r.option(-1, "stride"), "dilations": r.option(-1, "dilation"),
        "group": r.option(-1, "groups"),
    }  # fmt: skip


def _transposed(r: Reading) -> str:
    moving, size = _moving(r), r.option(2, "size")
    inner, kernel = r.shapes_of(0)[0][2:], r.shapes_of(1)[0][2:]
    least = covered(inner, kernel, moving["strides"], moving["dilations"])
    rest = [n - m for n, m in zip(size, least, strict=True)]
    return r.add("ConvTranspose", r.x(0, r.dtype), r.x(1, r.dtype), **moving, output_padding=rest)


def _window(r: Reading) -> list[Any]:
    return [r.option(i, name) for i, name in enumerate(("kernel", "stride", "dilation"), 1)]


def _largest(r: Reading) -> str:
    if len(r.shapes_of(0)[0]) != 4:
        raise ExportError("ONNX has the largest of windows for images (n, c, h, w)")
    kernel, stride, dilation = _window(r)
    return r.add("MaxPool", r.x(), kernel_shape=kernel, strides=stride, dilations=dilation)


def _windows(r: Reading) -> str:
    """Each place of the window is a slice."""
    kernel, stride, dilation = _window(r)
    shape, x = r.shapes_of(0)[0], r.x()
    counts = convolving.outputs((shape[-2], shape[-1]), kernel, stride, dilation)
    first, axes = r.constant([0], np.int64), len(shape)
    found = [
        r.add("Unsqueeze", _sliced(r, x, {axes - 2: high, axes - 1: wide}), first)
        for _, _, high, wide in convolving.places(counts, kernel, stride, dilation)
    ]
    return _as(r, r.add("Concat", *found, axis=0))


_REDUCED: dict[Any, str] = {
    np.sum: "ReduceSum", bodies.total: "ReduceSum", np.max: "ReduceMax", np.amax: "ReduceMax",
    bodies.largest: "ReduceMax", np.min: "ReduceMin", np.amin: "ReduceMin",
    bodies.least: "ReduceMin", np.prod: "ReduceProd",
}  # fmt: skip


def operation(fn: Any) -> Write | None:
    """The row of a function, None where there is none."""
    name = getattr(fn, "__name__", "")
    if fn is neural.erf or getattr(sys.modules.get("scipy.special"), name, None) is fn:
        return SPECIAL.get(name)
    return OPERATIONS.get(fn)


OPERATIONS: dict[Any, Write] = {
    **ELEMENTWISE,
    **{fn: _reduction(kind) for fn, kind in _REDUCED.items()},
    np.mean: _mean,
    np.any: _truth("ReduceMax"),
    np.all: _truth("ReduceMin"),
    neural.line_sums: lambda r: _reduced(r, "ReduceSum", r.x(), -1, False),
    neural.line_max: lambda r: _reduced(r, "ReduceMax", r.x(), 1, True),
    neural.row_sum: lambda r: _reduced(r, "ReduceSum", r.x(), 0, False),
    neural.mse_loss: _mse_loss,
    neural.pick: _picked,
    primitives.variance: _variance,
    primitives.deviation: lambda r: r.add("Sqrt", _variance(r)),
    primitives.euclidean_norm: _norm,
    np.argmax: _arg("ArgMax"),
    np.argmin: _arg("ArgMin"),
    np.cumsum: _running_sum,
    np.reshape: _reshaped,
    np.ravel: _reshaped,
    primitives.broadcast: _broadcast,
    np.broadcast_to: _broadcast,
    np.transpose: _permuted,
    np.swapaxes: _permuted,
    np.moveaxis: _permuted,
    np.rollaxis: _permuted,
    np.expand_dims: _inserted,
    np.squeeze: _squeezed,
    primitives.concat: lambda r: r.add(
        "Concat", *r.operands(r.dtype), axis=r.option(-1, "axis", 0)
    ),
    primitives.pad_zeros: _padded,
    primitives.take_at: _taken,
    np.flip: _flipped,
    np.repeat: _repeated,
    np.roll: _rolled,
    np.tile: _tiled,
    np.tril: _triangle(0),
    np.triu: _triangle(1),
    np.matmul: _product,
    np.dot: _dot,
    neural.row_product: _product,
    primitives.contract: _contraction,
    convolution.convolve: lambda r: r.add("Conv", r.x(0, r.dtype), r.x(1, r.dtype), **_moving(r)),
    convolution.convolve_back: _transposed,
    pooling.window_max: _largest,
    convolution.windows: _windows,
}
