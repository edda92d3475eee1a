"""Writes in place, and how all Tensors that share the memory get the new values."""

import dis
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError, TapeError
from .funnel import NUMBERS, admitted, apply, requires_grad, unwrap
from .primitives import ARRAY, identity, is_foreign, lent, replace_at, split_index, take_at, updated
from .rules import TABLE, calls
from .tape import Leaf, Record, changes, mode, names

if TYPE_CHECKING:
    from .tensor import Tensor

ndarray = np.ndarray
PACKAGE = __name__.partition(".")[0] + "."
STORES = {dis.opmap.get(name) for name in ("STORE_SUBSCR", "STORE_SLICE")}  # t[i] = v as written


def put(target: "Tensor", what: str, index: Any, value: Any) -> None:
    """Write at an index."""
    layout, arrays = split_index(index)
    if not isinstance(value, (type(target), list, *NUMBERS)):
        calls.refuse_own_way("the value written", value)
        value = value if is_foreign(value) else np.asanyarray(value)
    if isinstance(value, complex):
        calls.refuse_imaginary("the number written", value, target)
    if _is_part(target, value, layout, arrays):  # t[i] += v ends so
        return
    if isinstance(value, type(target)) and value.ndim and _is_of_one_memory(target, value):
        _refuse_shuffle()
    if _is_written_in_place(target, what, value):
        write_now(target, replace_at, value, layout, *arrays)
    else:
        other = apply(replace_at, (target, value, layout, *arrays))
        _write_through(target, what, other, value)


def _is_of_one_memory(one: "Tensor", other: "Tensor") -> bool:
    """Whether two Tensors may see each other's writes."""
    shared = getattr(one, "_shared", None)
    return shared is not None and shared is getattr(other, "_shared", None)


def _refuse_shuffle() -> None:
    """Refuse a row written over another by code that takes rows for copies, as they swap them."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame = frame.f_back
    written = frame.f_code.co_code[frame.f_lasti] in STORES
    if not written or frame.f_globals.get("__name__") == "random":
        raise TapeError(
            "a shuffle swaps rows, and those of a Tensor are views, so that rows would be lost; "
            "use t[rng.permutation(len(t))], and t[i] = t[j].copy() for a row alone."
        )


def _is_part(target: "Tensor", value: Any, layout: tuple[Any, ...], arrays: list[Any]) -> bool:
    """Whether ``value`` is the view of this Tensor that it is to be written to."""
    if arrays or not isinstance(value, type(target)) or not isinstance(target._array, ndarray):
        return False
    if not _is_of_one_memory(target, value):
        return False
    there = target._array[layout].__array_interface__
    return bool(there == value._array.__array_interface__)


def _is_written_in_place(target: "Tensor", what: str, value: Any) -> bool:
    """Whether a write goes to the memory itself; refuses those that would lose something.

    That is the memory of a leaf, or of constants that share it: all of them see the write then.
    """
    if not getattr(getattr(target._array, "flags", None), "writeable", True):
        raise ValueError(f"{what}: the destination is read-only; write into a copy of it.")
    if target._node is None:
        records = mode.capture is not None or (mode.recording and requires_grad(value))
        records = records or calls.is_of_many(target) or calls.is_of_many(value)
        return target._storage is not None and not records and target._sharers() > 0
    if mode.recording:
        if isinstance(target._node, Leaf):
            raise TapeError(
                f"{what} on a leaf that requires grad cannot be recorded; do it inside "
                "tg.no_grad() to change the leaf, or on a copy (t * 1) to record it."
            )
        return False
    if isinstance(target._node, Record):
        raise TapeError(
            f"{what} inside no_grad on a recorded result would lose its history; use "
            ".detach() first, or write outside no_grad."
        )
    return True


def write_now(target: "Tensor", fn: Any, *operands: Any) -> None:
    """Apply ``fn`` to the array itself and into it."""
    assert target._storage is not None
    rule = TABLE[fn]
    values = unwrap([admitted(operand) for operand in operands])
    if mode.capture is not None:
        mode.capture.write(rule, target, operands, values)
    target._storage.write()
    rule.forward(target._array, *values, out=target._array)


def _write_through(target: "Tensor", what: str, other: "Tensor", value: Any) -> None:
    """Take over the result ``other`` of a write of ``value``, and so do those who share."""
    if not (others := target._sharers()):
        _become(target, _fitted(target, other))
        return
    shared = getattr(target, "_shared", None)
    base = None if shared is None else shared.base()
    also = isinstance(value, type(target)) and getattr(value, "_shared", None) is shared
    views = [target, value] if also and value is not target else [target]
    views = [t for t in views if t is not base]
    ways = [_way_from(t, base) for t in views]
    if base is None or None in ways or others != len(views):
        if mode.capture is not None:
            mode.capture.become(target, other)  # both refuse in their own words
            target._leave("a write to memory that others share")
        raise calls.lost(what, target._storage is not None and target._is_result)
    _write_base(base, _fitted(target, other), ways[0] if target is not base else [])
    for view, way in zip(views, ways, strict=True):
        there = base
        for rule, (_, *rest), options in way:
            there = apply(rule.fn, (there, *rest), options)
        _become(view, there)
        view._shared = base._share()


def _way_from(target: "Tensor", base: "Tensor | None") -> Any:
    """The views that lead from ``base`` to this Tensor, if one can write through them."""
    node = target._node
    way = [*getattr(target, "_taken", ())] if node is None else []
    while isinstance(node, Record) and node.parents and (base is None or node is not base._node):
        way.insert(0, (node.rule, node.values, node.kwargs))
        node = node.parents[0]
    if base is None or not way or way[0][1][0] is not base._array or base.dtype != target.dtype:
        return None
    fits = not any(rule.fn in (identity, lent) or rule.is_users for rule, _, _ in way)
    if isinstance(base._node, Leaf):  # written as it is replayed
        fits = fits and mode.capture is not None and [r.fn for r, _, _ in way] == [take_at]
    elif base._node is not None:
        fits = fits and target._node is not None
    return way if fits and (base._node is None or mode.recording is base._is_result) else None


def _write_base(base: "Tensor", other: "Tensor", way: Any) -> None:
    """Give ``base`` the value of the view of it at the end of the ``way``."""
    if isinstance(base._node, Leaf):
        write_now(base, replace_at, other, *way[0][1][1:])
    elif len(way) == 1 and way[0][0].fn is take_at:
        _become(base, apply(replace_at, (base, other, *way[0][1][1:])))
    elif way:
        places = np.arange(base.size).reshape(base.shape)
        for rule, (_, *rest), options in way:
            places = rule.forward(places, *rest, **options)
        places[...] = places  # which NumPy refuses of views that are read-only
        index = (ARRAY,), type(base)._owning(places)
        flat = apply(replace_at, (base.reshape(-1), other, *index))
        _become(base, flat.reshape(base.shape))
    else:
        _become(base, other)


def _fitted(target: "Tensor", other: "Tensor") -> "Tensor":
    """A value that is to replace this one, in this one's dtype."""
    if not np.can_cast(other.dtype, target.dtype, "same_kind"):
        raise TypeError(
            f"a result of dtype {other.dtype} does not fit into a Tensor of {target.dtype}; "
            "write t = t + v instead of t += v to get a new Tensor."
        )
    if other.dtype != target.dtype:
        other = other.astype(target.dtype)
    if other.shape != target.shape:
        raise ShapeError(f"a result of shape {other.shape} cannot replace one of {target.shape}.")
    return other


def _become(target: "Tensor", other: "Tensor") -> None:
    """Take over another Tensor's value and history; what was saved before keeps its own."""
    if mode.capture is not None:
        mode.capture.become(target, other)
    if calls.is_of_many(other) and not calls.is_of_many(target):
        other._array.level.enter(target)
    target._array, target._node, target._storage = other._array, other._node, other._storage
    target._shared, target._taken = None, getattr(other, "_taken", ())
    changes.note()


def update(target: "Tensor", ufunc: np.ufunc, other: Any) -> "Tensor":
    """``t += other`` and the like."""
    if names.rebind:
        return apply(ufunc, (target, other))
    what = "an update in place (t += v)"
    if _is_written_in_place(target, what, other):
        write_now(target, updated, ufunc, other)
    else:
        _write_through(target, what, apply(ufunc, (target, other)), other)
    return target
