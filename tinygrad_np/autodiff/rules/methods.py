"""The methods of ufuncs: reduce, accumulate, reduceat and at."""

import functools
from typing import Any

import numpy as np

from ..primitives import ARRAY, add_at, akin, cast, of_dtype
from ..primitives.neural import logsumexp
from ..shapes import axes_of
from .calls import METHODS
from .reductions import recurrence
from .shaping import laid
from .table import TABLE, composite, constant, defvjp, onwards

NOTHING: Any = getattr(np, "_NoValue", None)  # where NumPy's methods have no initial value
EXTREMA = (np.maximum, np.minimum, np.fmax, np.fmin)


def steps(ufunc: np.ufunc, y: Any, x: Any) -> tuple[Any, Any]:
    """The slopes of y_i = f(y_{i-1}, x_i) by both, from the second place on."""
    before, now, out = y[..., :-1], x[..., 1:], y[..., 1:]
    if ufunc in EXTREMA:
        return shares(y, x)
    one = np.ones_like(out)
    left, right = TABLE[ufunc].vjps[:2]
    assert left is not None and right is not None
    return left(one, out, before, now), right(one, out, before, now)


def shares(y: Any, x: Any) -> tuple[Any, Any]:
    """As of ``steps``, for the extremum up to each place: all that tie have equal shares."""
    dtype = np.result_type(x)
    hit = cast(y == x, dtype)
    stays = cast(y[..., 1:] == y[..., :-1], dtype)
    lead = np.zeros_like(hit[..., :1])
    ties = np.flip(
        recurrence(np.flip(hit, -1), np.flip(np.concatenate([lead, stays], axis=-1), -1)), -1
    )
    share = (hit / np.maximum(ties, 1))[..., 1:]
    return stays * (1 - share), share


def scan_back(ufunc: np.ufunc, g: Any, out: Any, x: Any, axis: int) -> Any:
    """y_i = f(y_{i-1}, x_i): s_i = g_i + (df/dy)_{i+1} s_{i+1}, and x_i gets (df/dx)_i s_i."""
    if np.size(x) == 0:
        return np.zeros_like(x)
    x = of_dtype(x, g.dtype)
    g, y, lined = (np.moveaxis(v, axis, -1) if np.ndim(v) else v[None] for v in (g, out, x))
    by_before, by_now = steps(ufunc, y, lined)
    end = np.zeros_like(y[..., :1])
    s = recurrence(g, np.concatenate([by_before, end], axis=-1))
    back = np.concatenate([s[..., :1], by_now * s[..., 1:]], axis=-1)
    return np.moveaxis(back, -1, axis) if np.ndim(x) else back[0]


def scanned(ufunc: np.ufunc) -> Any:
    """The rule of ``ufunc.accumulate``."""
    return lambda g, out, x, axis=0, dtype=None: scan_back(ufunc, g, out, x, axis)


def reduce_by(
    ufunc: np.ufunc, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False,
    initial: Any = NOTHING, where: Any = True,
) -> Any:  # fmt: skip
    """The last of ``accumulate``, over one axis or, where NumPy reorders, over several.

    NumPy's own reduction of power and arctan2 leaves elements out on processors with AVX-512.
    """
    probe = np.ones((1,) * np.ndim(x), np.result_type(x))
    given: dict[str, Any] = (
        {} if initial is NOTHING else {"initial": None if initial is None else 1}
    )
    masked: dict[str, Any] = {} if where is True else {"where": np.ones((1,) * np.ndim(x), bool)}
    ufunc.reduce(probe, axis=axis, **given, **masked)  # refuses what NumPy does
    x = in_loop(ufunc, x, dtype)
    axes = axes_of(axis, np.ndim(x))
    shape = tuple(1 if a in axes else n for a, n in enumerate(np.shape(x)))
    if where is not True:
        if ufunc.identity is None:
            raise NotImplementedError(
                f"np.{ufunc.__name__}.reduce with where= cannot be recorded; choose the elements "
                "first (t[mask])."
            )
        x = np.where(where, x, ufunc.identity)
    rest = [a for a in range(np.ndim(x)) if a not in axes]
    lined = np.reshape(np.transpose(x, [*rest, *axes]), (*(np.shape(x)[a] for a in rest), -1))
    if initial is NOTHING and lined.shape[-1] == 1:
        initial = ufunc.identity  # which changes what is alone: hypot(0, x) = |x|
    if initial is not NOTHING and initial is not None:
        first = np.broadcast_to(akin(np.asarray(initial, np.result_type(x)), x), shape)
        lined = np.concatenate([np.reshape(first, (*np.shape(lined)[:-1], 1)), lined], axis=-1)
    out = last_of(ufunc, lined)
    return laid(np.reshape(out, shape if keepdims else tuple(np.shape(x)[a] for a in rest)))


def in_loop(ufunc: np.ufunc, x: Any, dtype: Any) -> Any:
    """``x`` in ``dtype``; integers in that in which the ufunc takes them for its operands."""
    if dtype is None and x.dtype.kind in "biu":
        dtype = ufunc.resolve_dtypes((x.dtype, x.dtype, None))[0]
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def last_of(ufunc: np.ufunc, x: Any) -> Any:
    """The reduction of the last axis."""
    if np.shape(x)[-1] == 0:
        return np.full_like(x, ufunc.reduce(np.zeros(0, x.dtype)).item(), shape=np.shape(x)[:-1])
    if ufunc is np.logaddexp:
        return logsumexp(x, axis=-1)[..., 0]
    return ufunc.accumulate(x, axis=-1)[..., -1]


def reduceat_by(ufunc: np.ufunc, x: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    """The reductions of the slices between neighbouring indices."""
    if dtype is None and ufunc in (np.add, np.multiply):
        dtype = ufunc.reduce(np.zeros(0, x.dtype)).dtype  # sums of small integers are wide
    x = in_loop(ufunc, x, dtype)
    (axis,) = axes_of((axis,), np.ndim(x))
    n, starts = np.shape(x)[axis], [int(i) for i in indices]
    np.add.reduceat(np.zeros(n), starts)  # refuses indices that are not there
    lead = (slice(None),) * axis
    if not starts:
        return x[(*lead, slice(0))]
    ends = [*starts[1:], n]
    spans = [(i, j if j > i else i + 1) for i, j in zip(starts, ends, strict=True)]
    if ufunc is np.add:  # each element to its sums
        places = np.concatenate([np.arange(i, j) for i, j in spans])
        owners = np.repeat(np.arange(len(spans)), [j - i for i, j in spans])
        shape = (*np.shape(x)[:axis], len(spans), *np.shape(x)[axis + 1 :])
        taken = x[(*lead, places)]
        wide = taken if np.result_type(x) != np.float16 else cast(taken, np.float32)
        return laid(cast(add_at(wide, shape, (*lead, ARRAY), owners), np.result_type(taken)))
    parts = [  # what is alone stays as it is: hypot.reduce makes |x| of it
        ufunc.reduce(x[(*lead, slice(i, j))], axis=axis) if j - i > 1 else x[(*lead, i)]
        for i, j in spans
    ]
    return np.stack(parts, axis=axis)


def is_binary(ufunc: Any) -> bool:
    """Whether a ufunc takes two numbers of one dtype and gives one."""
    if not isinstance(ufunc, np.ufunc) or (ufunc.nin, ufunc.nout) != (2, 1) or ufunc.signature:
        return False
    return any(types[0] == types[1] for types in ufunc.types)


for ufunc in [fn for fn in TABLE if is_binary(fn)]:
    if TABLE[ufunc].constant:
        constant(ufunc.reduce, ufunc.accumulate, ufunc.reduceat)
        continue
    if ("reduce", ufunc) not in METHODS:
        composite(ufunc.reduce)(functools.partial(reduce_by, ufunc))
    if ("accumulate", ufunc) not in METHODS:
        defvjp(ufunc.accumulate, scanned(ufunc), reach=onwards(0), selects=ufunc in EXTREMA)
    composite(ufunc.reduceat)(functools.partial(reduceat_by, ufunc))
