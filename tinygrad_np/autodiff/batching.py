"""``vmap``: a function of one example, computed for all examples of a batch at once.

Inside, each array that differs between the examples is a ``Batched``: it looks like the array of
one example and computes with those of all. It speaks NumPy's protocols, so Tensors hold it as they
hold any array, and the table's rules run on it: gradients inside ``vmap`` are those of each
example. What it holds may be a Tensor, which records: ``vmap`` can be differentiated, too.
"""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import ShapeError, TapeError
from .nests import leaves, rebuild
from .primitives import (
    ARRAY,
    add_at,
    added_to,
    broadcast,
    cast,
    concat,
    identity,
    if_finite,
    lent,
    replace_at,
    take_at,
    where_finite_or,
)
from .rules import COMPOSITES, FACTS, TABLE, neural, reductions
from .rules import linear_algebra as products
from .rules import shaping as shapes
from .tape import Watch, mode, next_number
from .tensor import Tensor

LIKE = frozenset([np.zeros_like, np.ones_like, np.empty_like])
RESHAPING = frozenset(
    [np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d, np.atleast_3d]
)
EACH_ELEMENT = frozenset([
    identity, lent, np.isclose, np.isreal, np.iscomplex, np.isposinf, np.isneginf, np.isin,
    neural.in_range, neural.in_unit_interval, reductions.nonzero, neural.one_hot,
])  # fmt: skip
OF_MATRICES = frozenset([
    np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky, np.linalg.eig,
    np.linalg.eigh, np.linalg.eigvals, np.linalg.eigvalsh, np.linalg.svd, np.linalg.svdvals,
    np.linalg.qr, np.linalg.pinv,
])  # fmt: skip
# the parameters that name axes; None stands for all of them, or for the elements in one row
ALL_AXES = dict.fromkeys([
    np.sum, np.prod, np.mean, np.max, np.min, np.amax, np.amin, np.any, np.all, np.count_nonzero,
    np.flip, np.median, np.quantile, reductions.variance, reductions.deviation, reductions.length,
    reductions.unit, products.euclidean_norm, products.power_norm,
], ("axis",)) | dict.fromkeys([np.fft.fftn, np.fft.ifftn, np.fft.fftshift, np.fft.ifftshift],
    ("axes",))  # fmt: skip
ONE_ROW = dict.fromkeys([
    np.cumsum, np.cumprod, np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort,
    np.argpartition, np.sort, np.repeat, neural.logsumexp, neural.softmax, neural.log_softmax,
    np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft,
    np.fft.ihfft,
], ("axis",)) | {
    np.swapaxes: ("axis1", "axis2"), np.moveaxis: ("source", "destination"),
    np.diagonal: ("axis1", "axis2"), np.rot90: ("axes",), np.roll: ("axis",),
}  # fmt: skip
INSTEAD = (
    "inside tg.vmap it is another one in each example; choose with np.where(condition, a, b), and "
    "look at values outside."
)


class Level:
    """One call of ``vmap``: its number on the tape, and how many examples there are.

    It looks at all operands while it runs. What was recorded outside is the same for all examples
    and is to be recorded there: the operation gets it as ``Batched``, too. While a step is captured
    that goes for all Tensors, since what is inside is no array that a replay could be told of.
    """

    __slots__ = ("number", "outer", "size")

    def __init__(self, size: int, outer: Watch | None) -> None:
        self.number = next_number()
        self.size = size
        self.outer = outer

    def operands(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``args`` with ``Batched`` around what comes from outside."""
        for part in args:
            if hasattr(part, "bit_generator"):
                raise TapeError(
                    "a random draw inside tg.vmap: is it one for each example, or one for all? "
                    "Draw outside, and pass the numbers (in_axes=0 or in_axes=None)."
                )
        return tuple([self._inside(part) if type(part) is Tensor else part for part in args])

    def _inside(self, tensor: Tensor) -> Tensor:
        node, array = tensor._node, tensor._array
        is_inside = mode.capture is None if node is None else node.number > self.number
        if is_inside or (type(array) is Batched and array.level is self):
            return tensor
        return Tensor._of(Batched(tensor, self, False), None)

    def computes(self, values: Sequence[Any]) -> bool:
        """Whether there is an operand of all examples."""
        return any(type(value) is Batched for value in values)


class Batched(NDArrayOperatorsMixin):
    """The array of one example, which holds those of all: along the first axis of ``held``.

    Where it ``varies`` not, ``held`` is the same for all, without that axis.
    """

    __slots__ = ("__weakref__", "held", "level", "varies")

    def __init__(self, held: Any, level: Level, varies: bool = True) -> None:
        self.held = held
        self.level = level
        self.varies = varies

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return tuple(self.held.shape[self.varies :])

    @property
    def dtype(self) -> Any:
        """Of the elements."""
        return self.held.dtype

    @property
    def ndim(self) -> int:
        """Of one example."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Of one example."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Of one example."""
        return self.size * int(self.dtype.itemsize)

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)

    @property
    def real(self) -> Any:
        """The real part."""
        return np.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return np.imag(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(part, Tensor) for part in inputs):
            return NotImplemented  # a Tensor may hold one of these, and is asked next
        if options.get("out") is not None:
            raise TapeError(f"np.{ufunc.__name__}(out=) inside tg.vmap; assign the result instead.")
        return computed(
            ufunc if method == "__call__" else getattr(ufunc, method), inputs, options
        )

    def __array_function__(
        self, fn: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if any(isinstance(part, Tensor) for part in leaves([args, kwargs])):
            return NotImplemented
        return computed(fn, args, kwargs)

    def _refuse(self, what: str) -> Any:
        raise TapeError(f"{what} was asked of a Tensor of shape {self.shape}; {INSTEAD}")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:  # noqa: ARG002
        self._refuse("its array (t.numpy(), np.asarray(t))")

    def __bool__(self) -> bool:
        return bool(self._refuse("a truth value (if t, while t, and, or)"))

    def __float__(self) -> float:
        return float(self._refuse("a Python number"))

    def __int__(self) -> int:
        return int(self._refuse("a Python number"))

    def __complex__(self) -> complex:
        return complex(self._refuse("a Python number"))

    def __index__(self) -> int:
        return int(self._refuse("an index or count"))

    def item(self, *_index: Any) -> Any:
        """Refused: there is one number in each example."""
        self._refuse("a Python number (t.item())")

    def tolist(self) -> Any:
        """Refused: there is one list in each example."""
        self._refuse("its values (t.tolist())")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes.")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.level.size} examples of shape {self.shape}, dtype {self.dtype}>"

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        layout = tuple(ARRAY if hasattr(part, "dtype") and np.ndim(part) else part
                       for part in parts)  # fmt: skip
        arrays = [part for part, spot in zip(parts, layout, strict=True) if spot is ARRAY]
        return take_at(self, layout, *arrays)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """In another dtype."""
        return self if options.get("copy") is False and dtype == self.dtype else cast(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """In another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def conj(self) -> Any:
        """The complex conjugate."""
        return np.conjugate(self)

    def all(self, **options: Any) -> Any:
        """Whether all elements of an example are true."""
        return np.all(self, **options)

    def any(self, **options: Any) -> Any:
        """Whether any element of an example is true."""
        return np.any(self, **options)


# How functions are computed for all examples at once.


def computed(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``fn`` of operands some of which are ``Batched``: that of the newest ``vmap`` first."""
    found = [part for part in leaves([args, kwargs]) if type(part) is Batched]
    level = max((part.level for part in found), key=lambda level: level.number)
    if fn in FACTS:
        return fn(*opened(args, level, likeness), **opened(kwargs, level, likeness))
    inside, mode.watch = mode.watch, level.outer
    try:
        if not any(part.varies for part in found if part.level is level):
            out = fn(*opened(args, level, held), **opened(kwargs, level, held))
            return closed(out, level, False)
        out = rule_of(fn)(fn, level, args, kwargs)
        return one_by_one(fn, level, args, kwargs) if out is NotImplemented else out
    finally:
        mode.watch = inside


def rule_of(fn: Any) -> Callable[..., Any]:
    """How ``fn`` is computed for all examples at once."""
    if (rule := RULES.get(fn)) is not None:
        return rule
    in_table = TABLE.get(fn)
    is_plain_ufunc = isinstance(fn, np.ufunc) and fn.signature is None
    if is_plain_ufunc or (in_table is not None and in_table.broadcasts) or fn in EACH_ELEMENT:
        return each_element
    if getattr(fn, "written_out", False):
        return made_of(fn.implementation)
    return made_of(COMPOSITES[fn]) if fn in COMPOSITES else one_by_one


def opened(tree: Any, level: Level, how: Callable[[Batched], Any]) -> Any:
    """A call's arguments with something else for what is ``Batched`` in this ``vmap``."""
    if type(tree) is Batched:
        return how(tree) if tree.level is level else tree
    if isinstance(tree, (list, tuple)):
        return type(tree)(opened(part, level, how) for part in tree)
    if isinstance(tree, dict):
        return {name: opened(part, level, how) for name, part in tree.items()}
    return tree


def held(x: Batched) -> Any:
    return x.held


def likeness(x: Batched) -> Any:
    """An array of the shape and dtype of one example."""
    return np.broadcast_to(np.empty((), x.dtype), x.shape)


def closed(out: Any, level: Level, varies: bool = True) -> Any:
    """A result, or several."""
    if isinstance(out, tuple):
        parts = [closed(part, level, varies) for part in out]
        return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)
    if isinstance(out, list):
        return [closed(part, level, varies) for part in out]
    return Batched(out if hasattr(out, "shape") else np.asarray(out), level, varies)


def is_varying(x: Any, level: Level) -> bool:
    return type(x) is Batched and x.level is level and x.varies


def plain(x: Any, level: Level) -> Any:
    """What does not vary, without its wrapping."""
    return x.held if type(x) is Batched and x.level is level and not x.varies else x


def aligned(x: Any, ndim: int, level: Level) -> Any:
    """What is held, broadcasting as the example with ``ndim`` axes does."""
    if not is_varying(x, level):
        return plain(x, level)
    missing = ndim - x.ndim
    return x.held if missing <= 0 else x.held.reshape((level.size, *(1,) * missing, *x.shape))


def spread(x: Any, level: Level, shape: tuple[int, ...]) -> Any:
    """What is held by all examples, broadcast to ``shape`` in each."""
    return np.broadcast_to(aligned(x, len(shape), level), (level.size, *shape))


def one_by_one(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions that know no batches: one call for each example."""
    quick = getattr(fn, "implementation", fn) if fn in TABLE else fn
    results = []
    for i in range(max(level.size, 1)):

        def example(x: Batched, i: int = i) -> Any:
            if not x.varies:
                return x.held
            if not level.size:
                return np.zeros(x.shape, x.dtype)
            part = x.held[i]
            if isinstance(part, np.ndarray):
                part = part.view()
                part.flags.writeable = False
            return part if hasattr(part, "__array_function__") else np.asarray(part)

        given, options = opened(args, level, example), opened(kwargs, level, example)
        is_raw = not any(isinstance(v, (Tensor, Batched)) for v in leaves([given, options]))
        results.append((quick if is_raw else fn)(*given, **options))
    parts = [[p if hasattr(p, "shape") else np.asarray(p) for p in leaves(r)] for r in results]
    if len({tuple(p.shape for p in part) for part in parts}) > 1:
        raise ShapeError(
            f"{getattr(fn, '__name__', fn)} inside tg.vmap gives another shape in each example; "
            "give what decides the shape as an argument that is the same for all (in_axes=None)."
        )
    stacked = [np.stack(column)[: level.size] for column in zip(*parts, strict=True)]
    return rebuild(results[0], [Batched(column, level) for column in stacked])


def each_element(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions of each element of operands that broadcast."""
    operands = [*args, *kwargs.values()]
    ndim = max(np.ndim(part) for part in operands if hasattr(part, "shape"))
    first = [aligned(part, ndim, level) for part in args]
    options = {name: aligned(part, ndim, level) for name, part in kwargs.items()}
    return closed(fn(*first, **options), level)


def arguments(fn: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by name, defaults included."""
    bound = signature(fn).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


signature = functools.cache(inspect.signature)


def along(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions that are told axes, which all stand one further on here."""
    names = ALL_AXES.get(fn) or ONE_ROW[fn]
    given = arguments(fn, args, kwargs)
    first, *others = given
    x, where = given[first], given.get("where")
    if any(is_varying(given[name], level) for name in others if name != "where"):
        return NotImplemented
    shape = x.shape
    inner = spread(x, level, shape)
    for name in names:
        axis = given[name]
        if axis is None and fn in ALL_AXES:
            given[name] = tuple(range(1, len(shape) + 1))
        elif axis is None:
            if given.get("keepdims") is True:
                return NotImplemented
            inner, given[name] = inner.reshape((level.size, x.size)), 1
        else:
            given[name] = shifted(axis, len(shape))
    if type(where) is Batched:
        given["where"] = aligned(where, len(shape), level)
    defaults = {name: p.default for name, p in signature(fn).parameters.items()}
    options = {name: plain(value, level) for name, value in given.items()
               if name != first and value is not defaults[name]}  # fmt: skip
    out = fn(inner, **options)
    return closed(out.reshape((level.size, *shape)) if fn is np.roll else out, level)


def shifted(axis: Any, ndim: int) -> Any:
    if isinstance(axis, (tuple, list)):
        return tuple(shifted(a, ndim) for a in axis)
    return normalize_axis_index(axis, ndim) + 1 if ndim or axis not in (0, -1) else axis or 0


def reshaped(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions that lay the elements out in another shape."""
    x, *rest = args
    if not is_varying(x, level) or arguments(fn, args, kwargs).get("order", "C") != "C":
        return NotImplemented
    shape = fn(likeness(x), *rest, **kwargs).shape
    return Batched(x.held.reshape((level.size, *shape)), level)


def like(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Arrays of one number, in the shape of their operand."""
    x, *rest = args
    shape = kwargs.get("shape")
    shape = x.shape if shape is None else (shape,) if isinstance(shape, int) else shape
    return Batched(fn(x.held, *rest, **{**kwargs, "shape": (level.size, *shape)}), level)


def widened(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """np.broadcast_to and its copy."""
    (x, shape, *rest) = args
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    wide = (level.size, *shape)
    return Batched(fn(aligned(x, len(shape), level), wide, *rest, **kwargs), level)


def transpose(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    given = arguments(fn, args, kwargs)
    x, axes = given["a"], given["axes"]
    axes = range(x.ndim)[::-1] if axes is None else axes
    return Batched(fn(x.held, (0, *shifted(tuple(axes), x.ndim))), level)


def of_matrices(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions of the last two axes."""
    if len(args) != 1 or not is_varying(args[0], level) or args[0].ndim < 2:
        rest = [*args[1:], *kwargs.values()]
        if any(type(part) is Batched for part in rest) or args[0].ndim < 2:
            return NotImplemented
    return closed(fn(args[0].held, *args[1:], **kwargs), level)


def tile(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    given = arguments(fn, args, kwargs)
    x, reps = given["A"], given["reps"]
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    ndim = max(len(reps), x.ndim)
    return Batched(fn(aligned(x, ndim, level), (1,) * (ndim - len(reps) + 1) + reps), level)


def joined(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    axis = normalize_axis_index(kwargs.get("axis", 0), np.ndim(args[0])) + 1
    return Batched(fn(*(spread(x, level, np.shape(x)) for x in args), axis=axis), level)


def padded(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    x, widths = args
    return Batched(fn(x.held, ((0, 0), *widths)), level)


def matmul(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Matrices that are the same for all examples take part in one large product."""
    a, b = args
    first, second = is_varying(a, level), is_varying(b, level)
    x, y = aligned(a, 0, level), aligned(b, 0, level)
    nd, md = np.ndim(a), np.ndim(b)
    if first and not second and md == 2 and nd:
        rows = x.reshape((-1, x.shape[-1])) if nd > 1 and a.size else x
        out = fn(rows, y, **kwargs)
        return Batched(out.reshape((level.size, *a.shape[:-1], out.shape[-1])), level)
    if second and not first and (nd, md) == (2, 1):
        return Batched(fn(y, np.swapaxes(x, 0, 1), **kwargs), level)
    if not nd or not md:
        return NotImplemented  # which NumPy refuses
    a2 = np.expand_dims(a, 0) if nd == 1 else a
    b2 = np.expand_dims(b, 1) if md == 1 else b
    ndim = max(a2.ndim, b2.ndim)
    out = fn(aligned(a2, ndim, level), aligned(b2, ndim, level), **kwargs)
    out = np.squeeze(out, -2) if nd == 1 else out
    return Batched(np.squeeze(out, -1) if md == 1 else out, level)


def solve(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    a, b = args
    right = np.expand_dims(b, 1) if np.ndim(b) == 1 else b
    ndim = max(np.ndim(a), right.ndim)
    out = fn(aligned(a, ndim, level), aligned(right, ndim, level))
    return Batched(np.squeeze(out, -1) if np.ndim(b) == 1 else out, level)


def contract(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """A label more, for the examples."""
    inputs, output = kwargs["subscripts"].split("->")
    new = next(chr(c) for c in (*range(97, 123), *range(65, 91)) if chr(c) not in inputs + output)
    labels = [new + part if is_varying(x, level) else part
              for part, x in zip(inputs.split(","), args, strict=True)]  # fmt: skip
    operands = [aligned(x, 0, level) for x in args]
    return Batched(fn(*operands, subscripts=f"{','.join(labels)}->{new}{output}"), level)


class Place:
    """An index of one example, as an index of all: for ``take_at`` and its relatives.

    With arrays in it there is one more, which counts the examples. NumPy puts the axes of arrays
    first then, and ``back`` and ``forth`` move them to where they are in one example, and away.
    """

    def __init__(
        self, level: Level, shape: tuple[int, ...], layout: Any, arrays: Sequence[Any]
    ) -> None:
        parts: list[Any] = []
        found = iter(arrays)
        for part in layout:
            array = plain(next(found), level) if part is ARRAY and arrays else part
            parts += _integers(array) if part is ARRAY else [part]
        example = [np.zeros(np.shape(p), np.intp) if hasattr(p, "dtype") else p for p in parts]
        self.shape = np.broadcast_to(np.empty(()), shape)[tuple(example)].shape
        self.count, self.start = 0, 0
        self.layout, self.arrays = (slice(None), *layout), list[Any](arrays)
        if not arrays:
            return
        spans = [0 if p is ... else 1 if p is None or isinstance(p, slice) else -1 for p in parts]
        chosen = [i for i, span in enumerate(spans) if span < 0]
        self.count = max(np.ndim(parts[i]) for i in chosen)
        before = spans[: chosen[0]]
        if chosen[-1] - chosen[0] + 1 == len(chosen):
            self.start = sum(before)
            if 0 in before:  # the axes that the ellipsis stands for
                self.start += len(self.shape) - self.count - spans.count(1)
        each = np.arange(level.size).reshape((level.size, *(1,) * self.count))
        wide = [aligned(parts[i], self.count, level) for i in chosen]
        self.layout = (ARRAY, *(ARRAY if i in chosen else p for i, p in enumerate(parts)))
        self.arrays = [each, *wide]

    def back(self, x: Any) -> Any:
        """Axes that the arrays gave to where they are in an example."""
        axes = range(1, self.count + 1)
        return np.moveaxis(x, tuple(axes), tuple(a + self.start for a in axes)) if self.start else x

    def forth(self, x: Any) -> Any:
        axes = range(1, self.count + 1)
        return np.moveaxis(x, tuple(a + self.start for a in axes), tuple(axes)) if self.start else x


def _integers(array: Any) -> list[Any]:
    """An array in an index as arrays of integers."""
    if array.dtype != np.bool_:
        return [array]
    if type(array) is Batched:
        raise TapeError(
            "a mask as an index (t[mask]) inside tg.vmap takes another number of elements in each "
            "example; choose with np.where(mask, a, b)."
        )
    return list(array.nonzero()) if array.ndim else [array]


def has_flag(arrays: Sequence[Any]) -> bool:
    """Whether there is a 0-d mask in an index, which NumPy takes for an axis more."""
    return any(np.ndim(a) == 0 and a.dtype == np.bool_ for a in arrays)


def taken(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    x, layout, *arrays = args
    if has_flag(arrays):
        return NotImplemented
    place = Place(level, np.shape(x), layout, arrays)
    inner = spread(x, level, np.shape(x))
    return Batched(place.back(fn(inner, place.layout, *place.arrays)), level)


def put_back(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    g, shape, layout, *arrays = args
    if has_flag(arrays):
        return NotImplemented
    place = Place(level, shape, layout, arrays)
    inner = place.forth(spread(g, level, place.shape))
    return Batched(fn(inner, (level.size, *shape), place.layout, *place.arrays), level)


def replaced(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    x, value, layout, *arrays = args
    if has_flag(arrays):
        return NotImplemented
    place = Place(level, np.shape(x), layout, arrays)
    value = value if hasattr(value, "dtype") else np.asarray(value)
    while np.ndim(value) > len(place.shape):  # NumPy takes ones in front
        value = np.squeeze(value, 0)
    inner = place.forth(spread(value, level, place.shape))
    return Batched(fn(spread(x, level, np.shape(x)), inner, place.layout, *place.arrays), level)


def made_of(body: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that is other functions."""
    return lambda _fn, _level, args, kwargs: body(*args, **kwargs)


def _rows(x: Any, labels: Any) -> tuple[Any, ...]:
    return (ARRAY, ARRAY), np.arange(np.shape(x)[0]), labels


def _standardised(x: Any, axis: int = 0, eps: float = 1e-5) -> Any:
    away = x - np.mean(x, axis=axis, keepdims=True)
    return away / np.sqrt(np.mean(away * away, axis=axis, keepdims=True) + eps)


RULES: dict[Any, Callable[..., Any]] = {
    np.matmul: matmul, np.transpose: transpose, np.tile: tile, concat: joined, take_at: taken,
    add_at: put_back, replace_at: replaced, products.contract: contract, np.linalg.solve: solve,
    np.broadcast_to: widened, broadcast: widened, shapes.pad_zeros: padded,
    np.tril: of_matrices, np.triu: of_matrices,
    **dict.fromkeys(ALL_AXES | ONE_ROW, along), **dict.fromkeys(RESHAPING, reshaped),
    **dict.fromkeys(LIKE, like), **dict.fromkeys(OF_MATRICES, of_matrices),
    np.fliplr: made_of(lambda m: np.flip(m, 1)), np.flipud: made_of(lambda m: np.flip(m, 0)),
    neural.row_product: made_of(np.matmul),
    neural.row_contraction: made_of(lambda x, y: np.swapaxes(x, 0, 1) @ y),
    neural.row_sum: made_of(lambda x: np.sum(x, axis=0)),
    neural.line_sums: made_of(lambda x: np.sum(x, axis=1)),
    neural.line_max: made_of(lambda x: np.max(x, axis=1, keepdims=True)),
    neural.mean_square: made_of(lambda x: np.mean(x * x)),
    neural.linear: made_of(lambda x, w, b=None: x @ np.swapaxes(w, 0, 1) + (0 if b is None else b)),
    neural.pick: made_of(lambda x, labels: take_at(x, *_rows(x, labels))),
    neural.place: made_of(lambda g, labels, k: add_at(g, (len(g), k), *_rows(g, labels))),
    neural.less_one_hot: made_of(
        lambda p, labels: p - neural.one_hot(labels, np.shape(p)[1], p.dtype)),
    neural.standardise: made_of(_standardised),
    added_to: made_of(np.add),
    if_finite: made_of(lambda x, other: np.where(np.all(np.isfinite(x)), x, other)),
    where_finite_or: made_of(lambda x, reached: np.where(
        np.logical_or(np.isfinite(x), np.not_equal(reached, 0)), x, 0)),
}  # fmt: skip
