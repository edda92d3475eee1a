"""The reverse sweep: from a result to the variables, in falling order of the records' numbers."""

from cmath import isfinite
from collections.abc import Collection, Iterable, Sequence
from heapq import heappop, heappush, heappushpop
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError, StaleValueError, TapeError
from ..foreign import check_kind, check_known, theirs
from .guards import EXCLUSIVE
from .hooks import fire
from .nests import SINGLE, tupled
from .primitives import added_to, cast, if_finite, where_finite_or
from .primitives.numbers import (
    ELIDED,
    ERRORS,
    IGNORED,
    Steady,
    cross,
    is_real,
    kept_array,
    own,
)  # fmt: skip
from .rules.calls import checked, describe, released
from .rules.table import Kept, Part, Several
from .shapes import broadcasts_to, unbroadcast
from .tape import NO_OPTIONS, RELEASED, Node, Record, mode

if TYPE_CHECKING:
    from .tensor import Tensor

ndarray = np.ndarray
ROOM = 1 << 14  # elements of a gradient; smaller ones are copied in less time


def sweep(
    seeds: Iterable[tuple[Node, Any]], wrap: "type[Tensor]", retain: bool,
    targets: Collection[Node] = (), records: bool = False,
) -> dict[Node, Any]:  # fmt: skip
    """The cotangents of ``targets`` and of all leaves above them, for cotangents ``seeds``.

    With ``records`` the rules run on Tensors (of class ``wrap``) and are recorded; while a step is
    captured they run on Tensors, too. Records are released on the way unless ``retain`` is set.
    """
    arrived: dict[Node, Any] = {}
    waiting: list[tuple[int, Node]] = []
    floor = min(node.number for node in targets) if targets else 0
    errors = ERRORS.set(IGNORED)
    try:
        for node, g in seeds:
            if node in arrived:
                arrived[node] = arrived[node] + g
            elif node.number >= floor:
                arrived[node] = g
                if node.rule is not None and node not in targets:
                    heappush(waiting, (-node.number, node))
        if not records and mode.capture is None:
            _descend(arrived, waiting, targets, floor, None, retain)
            return _settled(arrived)
        capture = mode.capture
        with mode.having(recording=records) if capture is None else capture.sweeping(records):
            _descend(arrived, waiting, targets, floor, wrap, retain)
            return _settled(arrived)
    finally:
        ERRORS.reset(errors)


def _descend(
    arrived: dict[Node, Any], waiting: list[Any], targets: Collection[Node], floor: int,
    wrap: "type[Tensor] | None", retain: bool,
) -> None:  # fmt: skip
    """Take what has ``arrived`` at records in the heap ``waiting`` down to leaves and targets."""
    own: set[Node] = set()  # where the sweep made the buffer itself and may add into it
    selected: dict[Node, int] = {}  # some elements were taken: by an operation (1), the user (2)
    quick = wrap is None and not floor and SINGLE.issuperset(map(type, arrived.values()))
    pulled: Iterable[tuple[Node | None, Any, Any]]
    ahead: Any = heappop(waiting)[1] if waiting else None
    while (node := ahead) is not None:
        g = arrived.pop(node) if node.hooks is None else fire(node.hooks, arrived.pop(node))
        rule, values, parents = node.rule, node.values, node.parents
        if (out := node.out) is RELEASED:  # looked at last: another thread may be at it
            raise TapeError(released(node))
        chosen, kwargs = selected.pop(node, 0) if selected else 0, node.kwargs
        chooses = 2 if "where" in kwargs else chosen | rule.selects
        real = quick and ((g.shape and g.nbytes < ELIDED) or _is_plain(rule, g, out, values))
        if real and (arity := rule.arity) and chosen < rule.heeds:  # spelled out: 1 µs less
            if node.guards is not None:
                _check_unchanged(node, parents, 0)
            if arity == 2:
                (x, y), (p, q), (u, v) = values, parents, rule.vjps
                pulled = (p, p and u(g, out, x, y), x), (q, q and v(g, out, x, y), y)
            elif rule.is_ufunc or (len(values) == 1 and not kwargs):
                pulled = ((parents[0], rule.vjps[0](g, out, values[0]), values[0]),)
            else:
                pulled = ((parents[0], rule.vjps[0](g, out, *values, **kwargs), values[0]),)
        else:
            pulled = _pull(node, values, parents, g, out, chosen, floor, wrap)
        ahead, top, written = None, 0, None  # the newest record met spares chains the heap
        for parent, cotangent, value in pulled:
            if parent is None:
                continue
            written = written or ((memory := parent.storage) and memory.touched > node.number)
            if cotangent.shape != value.shape or cotangent.dtype is not value.dtype:
                cotangent = _fit(cotangent, value, node)
            if chooses:
                selected[parent] = selected.get(parent, 0) | chooses
            if parent not in arrived:
                arrived[parent] = cotangent
                if parent.rule is not None and parent not in targets:
                    place = parent.number
                    if ahead is not None:
                        heappush(waiting, (-min(top, place), ahead if place > top else parent))
                    if place > top:
                        ahead, top = parent, place
            elif parent in own and (wrap is not None or type(cotangent) is ndarray):
                there = arrived[parent]
                arrived[parent] = added_to(there, cotangent) if wrap else there.__iadd__(cotangent)
            else:
                arrived[parent] = there = arrived[parent] + cotangent
                if there.size > 1 and (type(there) is ndarray or _is_captured()):
                    own.add(parent)  # one element takes 0.5 µs more in place
        if written:
            _check_unchanged(node, parents, floor)
        if not retain:
            node.release()
        if waiting:
            ahead = heappushpop(waiting, (-top, ahead))[1] if ahead else heappop(waiting)[1]


def _is_plain(rule: Any, g: Any, out: Any, values: Any) -> bool:
    """Whether a cotangent goes to a rule as it is: no complex number, no arrays that ``cross``."""
    if not g.shape:
        return g.shape is not None and bool(g.dtype.kind != "c")
    return not cross(rule, g, (out, *values))


def _pull(
    node: Record, values: Sequence[Any], parents: Sequence[Node | None], g: Any, out: Any,
    chosen: int, floor: int, wrap: "type[Tensor] | None",
) -> list[tuple[Node | None, Any, Any]]:  # fmt: skip
    """The cotangents of a record's operands, each between the node and the value it is for."""
    rule, operands = node.rule, values
    if type(rule) is Part:
        (operation,), (several,) = parents, values
        is_above = operation is not None and operation.number >= floor
        return [(operation, rule.pull(g, several), several)] if is_above else []
    if floor or node.guards is not None:
        _check_unchanged(node, parents, floor)
    if type(g) is Several:
        g = g.tuple(filled=rule.is_users)
    options = NO_OPTIONS if rule.is_ufunc else node.kwargs
    if wrap is None and not rule.is_users:
        crossed = cross(rule, g, (out, *values))
        if crossed or (rule.is_ufunc and not is_real(g)):
            g, out, *operands = (kept_array(v, crossed) for v in (g, out, *values))
    if wrap is not None:
        operands, out, options = _wrapped(node, g, values, parents, out, wrap, options)
    pulled: list[tuple[Node | None, Any, Any]] = []
    for argument, parent in enumerate(parents):
        if parent is None or parent.number < floor:
            continue
        if argument >= rule.count or (vjp := rule.vjps[argument]) is None:
            raise TapeError(
                f"{rule.name} has no derivative with respect to operand {argument} "
                f"({describe(node)}); pass it as .detach() or add a rule with tg.defvjp."
            )
        try:
            if wrap is None and not floor and argument in rule.fills and parent.rule is None:
                cotangent = vjp(g, out, *operands, **options, room=_room(parent))
            else:
                cotangent = vjp(g, out, *operands, **options)
            if type(cotangent) is Steady:
                cotangent = cotangent.view(ndarray)
            if rule.is_users:
                cotangent = checked(cotangent, g, values, rule.name, argument)
            if chosen >= rule.heeds:
                cotangent = _drop_untaken(g, cotangent, node, argument, out, operands)
        except Exception as error:
            raise theirs(error, node.called, values) or error  # noqa: B904 - it is its context
        if type(cotangent) is not ndarray or type(values[argument]) is not ndarray:
            check_kind(node.called, values, None, cotangent, values[argument])
        pulled.append((parent, cotangent, values[argument]))
    return pulled


def _room(leaf: Any) -> Any:
    """Memory of the optimiser's for the gradient of a leaf that has none yet."""
    slot, tensor = leaf.slot, leaf.tensor()
    if slot is None or tensor is None or slot.array.size < ROOM:
        return None
    with EXCLUSIVE:  # another thread may ask for it
        return slot.take() if tensor._grad is None else None


def _settled(arrived: dict[Node, Any]) -> dict[Node, Any]:
    """What has arrived, in buffers that nobody else has."""
    for node in list(arrived):
        g = arrived.pop(node)  # so that its references are counted
        if node.hooks is not None:
            g = fire(node.hooks, g)
        if type(g) is not ndarray:
            g = own(g)
        elif not _is_fresh(g) and not is_in_slot(node, g):
            g = np.array(g)
        arrived[node] = g
    return arrived


def is_in_slot(node: Any, g: Any) -> bool:
    """Whether the gradient of a leaf was written into the memory of the optimiser's."""
    slot = node.slot if node.rule is None else None
    return slot is not None and type(g) is ndarray and g.base is slot.room


def _is_fresh(g: ndarray) -> bool:
    """Whether a rule made this buffer, or this view of all of it, and nobody else has it."""
    if getrefcount(g) > OWN:
        return False
    base = g.base
    return base is None or (
        type(base) is ndarray
        and base.base is None
        and base.size == g.size
        and references(base) <= OWN + 1
        and (g.flags.carray or g.flags.farray)
    )


def references(held: Any) -> int:
    """How many there are to an object, one for the caller's variable included: see ``OWN``."""
    return getrefcount(held)


def _own_references() -> int:
    """The references that a function sees to an array which only its caller's variable holds.

    Up to Python 3.13 there are three: that variable, the parameter, and getrefcount's own. Later
    ones count fewer, hence the measurement.
    """
    array = np.empty(0)
    return references(array)


OWN = _own_references()


def _wrapped(
    record: Record, g: Any, values: Sequence[Any], parents: Sequence[Node | None], out: Any,
    wrap: "type[Tensor]", options: dict[str, Any],
) -> tuple[Sequence[Any], Any, dict[str, Any]]:  # fmt: skip
    """Operands, result and options as Tensors: those that were at their old places on the tape.

    While a step is captured those that were not, too: what a rule makes of them depends on them.
    """
    operands: list[Any] = list(values)
    if mode.capture is not None:
        operands = mode.capture.lift(operands, pulled=(record, g))
        options = mode.capture.lift(options, pulled=(record, g)) if options else options
    for i, parent in enumerate(parents):
        if parent is not None:
            operands[i] = wrap._of(values[i], parent)
    if out is None or type(out) is Kept:
        return operands, None, options
    if isinstance(out, tuple):
        pairs = zip(out, record.parts(out), strict=True)
        out = tupled(type(out), [None if v is None else wrap._of(v, node) for v, node in pairs])
        return operands, out, options
    return operands, wrap._of(out, record), options


def _fit(cotangent: Any, value: Any, record: Record) -> Any:
    """Sum over broadcast axes and give the cotangent its operand's dtype."""
    if cotangent.shape != value.shape:
        fits = record.rule.broadcasts and broadcasts_to(value.shape, cotangent.shape)
        if not fits:
            check_known(cotangent)
            argument = [operand is value for operand in record.values].index(True)
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
    # a sum is finite only of finite numbers, and takes half the time of a look at each
    if isinstance(cotangent, (ndarray, np.generic)) and (
        isfinite(np.add.reduce(cotangent, None)) or np.isfinite(cotangent).all()
    ):
        return cotangent
    rule, options = record.rule, NO_OPTIONS if record.rule.is_ufunc else record.kwargs
    if rule.heeds == 1:
        reached = rule.reach(g, out, *operands, **options)  # type: ignore[misc]
        if _is_captured():
            return where_finite_or(cotangent, reached)
        return np.where(np.logical_or(np.isfinite(cotangent), reached != 0), cotangent, 0)
    vjp, arrived = rule.vjps[argument], np.where(np.equal(g, 0), 0.0, 1.0)
    read = rule.read_by(argument, len(operands))
    sound, hit = list(operands), 0.0
    for k in read:
        sound[k] = np.where(np.isfinite(operands[k]), operands[k], 0)
        marked = [np.ones_like(v) if i in read else v for i, v in enumerate(operands)]
        marked[k] = np.where(np.isfinite(operands[k]), 0.0, 1.0)
        hit = hit + vjp(arrived, None, *marked, **options)  # type: ignore[misc]
    other = np.where(np.not_equal(hit, 0), cotangent, vjp(g, None, *sound, **options))  # type: ignore[misc]
    return if_finite(cotangent, other) if _is_captured() else other


def _is_captured() -> bool:
    """Whether a replay will do this, which has to be laid out in memory as in eager mode."""
    return mode.capture is not None and not mode.recording


def _check_unchanged(record: Record, parents: Sequence[Node | None], floor: int) -> None:
    """Refuse to use saved arrays that were overwritten after the operation ran."""
    rule = record.rule
    guards = record.guards or [None if p is None else p.storage for p in parents]
    for argument, parent in enumerate(parents):
        if parent is not None and parent.number >= floor:
            for operand in rule.read_by(argument, len(parents)):
                guard = guards[operand]
                if guard is None or guard.touched <= record.number:
                    continue
                if guard.changed_since(record.number):
                    raise StaleValueError(
                        f"operand {operand} of {describe(record)} was overwritten after the "
                        "operation ran, and its derivative needs the old values; write after "
                        "backward(), or give the operation a copy."
                    )
