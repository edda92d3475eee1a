"""How the functions of the table are computed for all examples at once.

Elementwise functions need no rule, and neither do functions that are made of others. A function
that has no rule here is called once for each example.
"""

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.stride_tricks import sliding_window_view

from ..autodiff.primitives import (
    ARRAY,
    add_at,
    added_to,
    broadcast,
    concat,
    identity,
    if_finite,
    lent,
    matrices,
    neural,
    pad_zeros,
    reductions,
    replace_at,
    take_at,
    where_finite_or,
)
from ..autodiff.primitives import reductions as products
from ..errors import TapeError
from .batched import (
    RULES,
    Batched,
    Level,
    aligned,
    closed,
    each_element,
    is_varying,
    likeness,
    made_of,
    plain,
    spread,
)

LIKE = frozenset([np.zeros_like, np.ones_like, np.empty_like])
RESHAPING = frozenset(
    [np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d, np.atleast_3d]
)
EACH_ELEMENT = frozenset([
    identity, lent, np.isclose, np.isreal, np.iscomplex, np.isposinf, np.isneginf, np.isin,
    neural.in_range, neural.in_unit_interval, neural.signs, reductions.nonzero,
    neural.one_hot, matrices.settled, matrices.silent, matrices.rebuilt, matrices.hint,
])  # fmt: skip
OF_MATRICES = frozenset([
    np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky, np.linalg.eig,
    np.linalg.eigh, np.linalg.eigvals, np.linalg.eigvalsh, np.linalg.svd, np.linalg.svdvals,
    np.linalg.qr, np.linalg.pinv, matrices.decomposed, matrices.orthogonalised, matrices.cofactors,
    matrices.inverse_or_zero,
])  # fmt: skip
# the parameters that name axes; None stands for all of them, or for the elements in one row
ALL_AXES = dict.fromkeys([
    np.sum, np.prod, np.mean, np.max, np.min, np.amax, np.amin, np.any, np.all, np.count_nonzero,
    np.flip, neural.logsumexp, neural.softmax, neural.log_softmax, reductions.variance,
    reductions.deviation, reductions.length, reductions.unit, products.power_norm,
    sliding_window_view,
], ("axis",)) | dict.fromkeys([np.fft.fftn, np.fft.ifftn, np.fft.fftshift, np.fft.ifftshift],
    ("axes",))  # fmt: skip
ONE_ROW = dict.fromkeys([
    np.cumsum, np.cumprod, np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort,
    np.argpartition, np.sort, np.repeat, np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft,
    np.fft.hfft, np.fft.ihfft, products.euclidean_norm,
], ("axis",)) | {
    np.swapaxes: ("axis1", "axis2"), np.moveaxis: ("source", "destination"),
    np.diagonal: ("axis1", "axis2"), np.trace: ("axis1", "axis2"),
    np.rot90: ("axes",), np.roll: ("axis",),
}  # fmt: skip


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
    axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
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
    reps = tuple(np.ravel(reps).tolist())
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


def _rows(x: Any, labels: Any) -> tuple[Any, ...]:
    return (ARRAY, ARRAY), np.arange(np.shape(x)[0]), labels


def _standardised(x: Any, axis: int = 0, eps: float = 1e-5) -> Any:
    away = x - np.mean(x, axis=axis, keepdims=True)
    return away / np.sqrt(np.mean(away * away, axis=axis, keepdims=True) + eps)


KNOWN: dict[Any, Any] = {
    **dict.fromkeys(EACH_ELEMENT, each_element),
    np.matmul: matmul, np.transpose: transpose, np.tile: tile, concat: joined, take_at: taken,
    add_at: put_back, replace_at: replaced, products.contract: contract, np.linalg.solve: solve,
    np.broadcast_to: widened, broadcast: widened, pad_zeros: padded,
    np.tril: of_matrices, np.triu: of_matrices,
    **dict.fromkeys(ALL_AXES | ONE_ROW, along), **dict.fromkeys(RESHAPING, reshaped),
    **dict.fromkeys(LIKE, like), **dict.fromkeys(OF_MATRICES, of_matrices),
    np.fliplr: made_of(lambda m: np.flip(m, 1)), np.flipud: made_of(lambda m: np.flip(m, 0)),
    neural.row_product: made_of(np.matmul),
    neural.row_contraction: made_of(lambda x, y: np.swapaxes(x, 0, 1) @ y),
    neural.row_sum: made_of(lambda x: np.sum(x, axis=0)),
    neural.line_sums: made_of(lambda x: np.sum(x, axis=1)),
    neural.line_max: made_of(lambda x: np.max(x, axis=1, keepdims=True)),
    neural.mse_loss: made_of(lambda x: np.mean(x * x)),
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
RULES.update(KNOWN)
