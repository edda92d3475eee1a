"""The reverse sweep: down the numbers of the records, from a result to the variables."""

from collections.abc import Collection, Iterable
from heapq import heappop, heappush
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError, StaleValueError, TapeError
from .primitives import cast
from .shapes import broadcasts_to, unbroadcast
from .tape import Leaf, Node, Record, recording

if TYPE_CHECKING:
    from .tensor import Tensor


class Cotangent:
    """What has arrived at a node so far.

    ``owned``: the sweep made this buffer itself, so it may add into it. ``selected``: on the way
    an operation did not take some elements; they have cotangent exactly 0.
    """

    __slots__ = ("node", "owned", "selected", "value")

    def __init__(self, node: Node, value: Any, owned: bool, selected: bool) -> None:
        self.node = node
        self.value = value
        self.owned = owned
        self.selected = selected

    def add(self, value: Any, selected: bool) -> None:
        """Accumulate another contribution."""
        self.selected = self.selected or selected
        if self.owned and type(self.value) is np.ndarray:
            np.add(self.value, value, out=self.value)
            return
        self.value = self.value + value
        self.owned = type(self.value) is np.ndarray


def sweep(
    seeds: Iterable[tuple[Node, Any]],
    *,
    retain: bool,
    targets: Collection[Node] = (),
    wrap: "type[Tensor] | None" = None,
) -> dict[Node, Any]:
    """The cotangents of ``targets`` (without targets: of all leaves) for cotangents ``seeds``.

    ``wrap`` is the Tensor class when the rules shall run on Tensors, and so be recorded
    (``create_graph``). Records are released as the sweep passes unless ``retain`` is set.
    """
    floor = min((node.number for node in targets), default=0)
    pending: dict[int, Cotangent] = {}
    heap: list[int] = []
    for root, seed in seeds:
        if root.number in pending:
            pending[root.number].add(seed, False)
        elif root.number >= floor:
            pending[root.number] = Cotangent(root, seed, False, False)
            heappush(heap, -root.number)
    found: dict[Node, Any] = {}
    with recording(wrap is not None), np.errstate(all="ignore"):
        while heap:
            arrived = pending.pop(-heappop(heap))
            node = arrived.node
            if node.rule is None or node in targets:
                if not targets or node in targets:
                    found[node] = arrived.value if arrived.owned else _own(arrived.value)
                continue
            _step(node, arrived, pending, heap, floor, wrap)
            if not retain:
                node.release()
    return found


def _step(
    record: Record,
    arrived: Cotangent,
    pending: dict[int, Cotangent],
    heap: list[int],
    floor: int,
    wrap: "type[Tensor] | None",
) -> None:
    """Hand one record's cotangent on to its parents."""
    rule, values, g, out = record.rule, record.values, arrived.value, record.out
    if values is None:
        raise TapeError(
            f"this part of the graph ({rule.name}) was released by an earlier backward; call that "
            "one with retain_graph=True to go through it twice."
        )
    operands = values
    if wrap is not None:
        operands = [
            value if parent is None else wrap._of(value, parent)
            for value, parent in zip(values, record.parents, strict=True)
        ]
        out = None if out is None else wrap._of(out, record)
    options = {} if rule.is_ufunc else record.kwargs
    selected = arrived.selected or rule.selects
    for argument, parent in enumerate(record.parents):
        if parent is None or parent.number < floor:
            continue
        if record.guards is not None:
            _check_unchanged(record, argument)
        vjp = rule.vjp(argument)
        if vjp is None:
            raise TapeError(_no_derivative(record, argument))
        cotangent = vjp(g, out, *operands, **options)
        if rule.nonlinear and arrived.selected and not rule.selects:
            cotangent = _drop_untaken(g, cotangent)
        value = values[argument]
        if cotangent.shape != value.shape or cotangent.dtype != value.dtype:
            cotangent = _fit(cotangent, value, record, argument)
        there = pending.get(parent.number)
        if there is not None:
            there.add(cotangent, selected)
            continue
        # two references: this variable and getrefcount's own; nobody else has the buffer
        owned = (
            parent.rule is None
            and type(cotangent) is np.ndarray
            and cotangent.base is None
            and getrefcount(cotangent) == 2
        )
        pending[parent.number] = Cotangent(parent, cotangent, owned, selected)
        heappush(heap, -parent.number)


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


def _drop_untaken(g: Any, cotangent: Any) -> Any:
    """Where nothing arrived, nothing goes on, even if the slope there is infinite or NaN."""
    if type(cotangent) is np.ndarray and np.isfinite(cotangent).all():
        return cotangent
    return np.where(np.logical_or(np.isfinite(cotangent), g != 0), cotangent, 0)


def _check_unchanged(record: Record, argument: int) -> None:
    """Refuse to use a saved array that was overwritten after the operation ran."""
    guards, values = record.guards, record.values
    assert guards is not None and values is not None
    for operand, guard in enumerate(guards):
        if guard is None or not record.rule.reads_operand(argument, operand):
            continue
        if guard.changed_since(record.number, values[operand]):
            raise StaleValueError(
                f"operand {operand} of {describe(record)} was overwritten after the operation ran, "
                "and its derivative needs the old values; write after backward(), or give the "
                "operation a copy."
            )


def _no_derivative(record: Record, argument: int) -> str:
    return (
        f"{record.rule.name} has no derivative with respect to operand {argument} "
        f"({describe(record)}); pass it as .detach() or add a rule with tg.defvjp."
    )


def describe(record: Record) -> str:
    """An operation with its operands, as errors name it: ``multiply(w: (3,) float32, 2.0)``."""
    operands = []
    for value, parent in zip(record.values or (), record.parents, strict=False):
        name = getattr(parent, "name", None) if isinstance(parent, Leaf | Record) else None
        label = f"{name}: " if name else ""
        shown = f"{value.shape} {value.dtype}" if hasattr(value, "dtype") else repr(value)
        operands.append(label + shown)
    return f"{record.rule.name}({', '.join(operands)})"
