"""The reverse sweep: down the numbers of the records, from a result to the variables."""

from collections.abc import Collection, Iterable, Sequence
from heapq import heappop, heappush
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError, StaleValueError, TapeError
from .guards import Guard
from .primitives import cast
from .shapes import broadcasts_to, unbroadcast
from .tape import RELEASED, Leaf, Node, Record, mode, recording

if TYPE_CHECKING:
    from .tensor import Tensor

ndarray = np.ndarray
NO_OPTIONS: dict[str, Any] = {}

# What has arrived at a node so far: [node, cotangent, owned, selected]. ``owned``: the sweep made
# the buffer itself and may add into it. ``selected``: on the way an operation did not take some
# elements (1), or the user chose them (2); theirs is exactly 0. A list, not a class: one is made
# for every node of the graph.
Arrived = list[Any]


def sweep(
    seeds: Iterable[tuple[Node, Any]],
    *,
    retain: bool,
    targets: Collection[Node] = (),
    wrap: "type[Tensor]",
    records: bool = False,
) -> dict[Node, Any]:
    """The cotangents of ``targets`` and of all leaves above them, for cotangents ``seeds``.

    With ``records`` the rules run on Tensors (the class is ``wrap``) and are recorded themselves
    (``create_graph``); they run on Tensors, too, while a step is captured. Records are released as
    the sweep passes unless ``retain`` is set.
    """
    pending, floor = _start(seeds, targets)
    heap = sorted(-number for number in pending)
    found: dict[Node, Any] = {}
    plain = not records and mode.capture is None
    with recording(records), np.errstate(all="ignore"):
        while heap:
            node, g, owned, selected = pending.pop(-heappop(heap))
            rule = node.rule
            if rule is None or node in targets:
                found[node] = g if owned else _own(g)
                continue
            values, parents, vjps, reads = node.values, node.parents, rule.vjps, rule.fixed_reads
            if node.out is RELEASED:
                raise TapeError(_released(rule.name))
            options = NO_OPTIONS if rule.is_ufunc else node.kwargs
            operands, out = values, node.out
            if not plain:
                operands, out, options = _wrapped(node, wrap, options)
            selects = 2 if "where" in options else selected | rule.selects
            pair = len(values) == 2 and not options  # spelled out: 0.1 µs less for each call
            x, y = operands if pair else (None, None)
            for argument, parent in enumerate(parents):
                if parent is None or (number := parent.number) < floor:
                    continue
                if reads is None or node.guards is not None:
                    _check_unchanged(node, argument)
                else:
                    for operand in reads[argument]:
                        source = parents[operand]
                        memory = None if source is None else source.storage
                        if memory is not None and memory.touched > node.number:
                            _check_unchanged(node, argument)
                if argument >= len(vjps) or (vjp := vjps[argument]) is None:
                    raise TapeError(_no_derivative(node, argument))
                cotangent = vjp(g, out, x, y) if pair else vjp(g, out, *operands, **options)
                if selected >= rule.heeds:
                    cotangent = _drop_untaken(g, cotangent, node, argument, out, operands)
                value = values[argument]
                if cotangent.shape != value.shape or cotangent.dtype != value.dtype:
                    cotangent = _fit(cotangent, value, node, argument)
                there = pending.get(number)
                if there is None:
                    owned = parent.rule is None and _is_fresh(cotangent)
                    pending[number] = [parent, cotangent, owned, selects]
                    heappush(heap, -number)
                else:
                    _accumulate(there, cotangent, selects)
            if not retain:
                node.release()
    return found


def _start(
    seeds: Iterable[tuple[Node, Any]], targets: Collection[Node]
) -> tuple[dict[int, Arrived], int]:
    """What has arrived before the first step, and the number below which nothing is wanted."""
    floor = min((node.number for node in targets), default=0)
    pending: dict[int, Arrived] = {}
    for root, seed in seeds:
        if root.number in pending:
            pending[root.number][1] = pending[root.number][1] + seed
        elif root.number >= floor:
            pending[root.number] = [root, seed, False, 0]
    return pending, floor


def _accumulate(there: Arrived, cotangent: Any, selects: int) -> None:
    """Add another contribution; in place only into a buffer of the sweep's own."""
    if there[2] and cotangent.size > 1:  # one element takes 0.8 µs in place, 0.25 µs anew
        there[1] += cotangent
    else:
        there[1] = there[1] + cotangent
        there[2] = type(there[1]) is ndarray
    there[3] |= selects


def _is_fresh(cotangent: Any) -> bool:
    """Whether a rule made this buffer, and nobody else has it."""
    return type(cotangent) is ndarray and cotangent.base is None and getrefcount(cotangent) <= OWN


def _references(array: Any) -> int:
    return getrefcount(array)


def _own_references() -> int:
    """The references that a function sees to an array which only its caller's variable holds.

    Up to Python 3.13 there are three: that variable, the parameter, and getrefcount's own. Later
    ones count fewer, hence the measurement.
    """
    array = np.empty(0)
    return _references(array)


OWN = _own_references()


def _wrapped(
    record: Record, wrap: "type[Tensor]", options: dict[str, Any]
) -> tuple[Sequence[Any], Any, dict[str, Any]]:
    """Operands, result and options as Tensors: those that were at their old places on the tape.

    While a step is captured those that were not, too: what a rule makes of them depends on them.
    """
    operands: list[Any] = list(record.values)
    if mode.capture is not None:
        varies = mode.capture.varies
        operands = [wrap._of(v, None) if varies(v) else v for v in operands]
        options = {k: wrap._of(v, None) if varies(v) else v for k, v in options.items()}
    for i, parent in enumerate(record.parents):
        if parent is not None:
            operands[i] = wrap._of(record.values[i], parent)
    return operands, None if record.out is None else wrap._of(record.out, record), options


def _own(value: Any) -> Any:
    """A buffer nobody else has."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.array(value)
    return np.positive(value)


def _fit(cotangent: Any, value: Any, record: Record, argument: int) -> Any:
    """Sum over broadcast axes and give the cotangent its operand's dtype."""
    if cotangent.shape != value.shape:
        fits = record.rule.broadcasts and broadcasts_to(value.shape, cotangent.shape)
        if not fits:
            raise ShapeError(
                f"the rule of {record.rule.name} for operand {argument} returned a cotangent of "
                f"shape {cotangent.shape} for an operand of shape {value.shape}: a bug in the rule."
            )
        cotangent = unbroadcast(cotangent, value.shape)
    return cotangent if cotangent.dtype == value.dtype else cast(cotangent, value.dtype)


def _drop_untaken(
    g: Any, cotangent: Any, record: Record, argument: int, out: Any, operands: Sequence[Any]
) -> Any:
    """Where nothing arrived, nothing goes on, even if the slope there is infinite or NaN."""
    if type(cotangent) is ndarray and np.isfinite(cotangent).all():
        return cotangent
    rule, options = record.rule, NO_OPTIONS if record.rule.is_ufunc else record.kwargs
    if rule.heeds == 1:
        arrived = rule.reach(g, out, *operands, **options) != 0  # type: ignore[misc]
        return np.where(np.logical_or(np.isfinite(cotangent), arrived), cotangent, 0)
    vjp, arrived = rule.vjps[argument], np.where(np.equal(g, 0), 0.0, 1.0)
    read = rule.read_by(argument, len(operands))
    sound, hit = list(operands), 0.0
    for k in read:
        sound[k] = np.where(np.isfinite(operands[k]), operands[k], 0)
        marked = [np.ones_like(v) if i in read else v for i, v in enumerate(operands)]
        marked[k] = np.where(np.isfinite(operands[k]), 0.0, 1.0)
        hit = hit + vjp(arrived, None, *marked, **options)  # type: ignore[misc]
    return np.where(np.not_equal(hit, 0), cotangent, vjp(g, None, *sound, **options))  # type: ignore[misc]


def _check_unchanged(record: Record, argument: int) -> None:
    """Refuse to use a saved array that was overwritten after the operation ran."""
    guards, parents = record.guards, record.parents
    for operand in record.rule.read_by(argument, len(parents)):
        if guards is not None:
            guard = guards[operand]
        else:
            source = parents[operand]
            guard = None if source is None else source.storage
        if guard is not None and guard.touched > record.number:
            _compare(record, operand, guard)


def _compare(record: Record, operand: int, guard: Guard) -> None:
    if guard.changed_since(record.number, record.values[operand]):
        raise StaleValueError(
            f"operand {operand} of {describe(record)} was overwritten after the operation ran, "
            "and its derivative needs the old values; write after backward(), or give the "
            "operation a copy."
        )


def _released(name: str) -> str:
    return (
        f"this part of the graph ({name}) was released by an earlier backward; call that one with "
        "retain_graph=True to go through it twice."
    )


def _no_derivative(record: Record, argument: int) -> str:
    return (
        f"{record.rule.name} has no derivative with respect to operand {argument} "
        f"({describe(record)}); pass it as .detach() or add a rule with tg.defvjp."
    )


def describe(record: Record) -> str:
    """An operation with its operands, as errors name it: ``multiply(w: (3,) float32, 2.0)``."""
    operands = []
    for value, parent in zip(record.values, record.parents, strict=False):
        name = getattr(parent, "name", None) if isinstance(parent, Leaf | Record) else None
        label = f"{name}: " if name else ""
        shown = f"{value.shape} {value.dtype}" if hasattr(value, "dtype") else repr(value)
        operands.append(label + shown)
    return f"{record.rule.name}({', '.join(operands)})"
