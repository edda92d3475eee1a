"""Cotangents lie in memory as they do where a step is recorded: a replay does what was recorded.

How results lie is in ``test_bits.py``.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, Case, Const, transform
from tests.each import for_each
from tinygrad_np.autodiff import sweep
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.replay.memory import layout


@for_each(["C", "F", "K", "A"], ["C", "F"])
def test_copies_are_laid_as_asked(order: Any, given: Any) -> None:
    x = np.arange(6.0).reshape(2, 3).copy(given)
    t = tg.Tensor(x)
    for found, expected in [
        (np.copy(t, order), np.copy(x, order)), (t.copy(order), x.copy(order)), (t.copy(), x.copy())
    ]:  # fmt: skip
        assert layout(found.data) == layout(expected)


def weighted(t: Any) -> Any:
    return t * np.cos(1.0 + np.arange(t.size)).reshape(t.shape).astype(t.real.dtype)


# what is done with a result, and so how its cotangent lies
AFTER: dict[str, Callable[[Any], Any]] = {
    "C's order": weighted,
    "Fortran's order": lambda t: weighted(np.transpose(t)),
    "one number": lambda t: t,
    "a number for each row": lambda t: weighted(np.sum(t, axis=-1)) if t.ndim else t,
    "a number for each column": lambda t: weighted(np.sum(t, axis=0)) if t.ndim else t,
    "parts": lambda t: weighted(np.concatenate([t, t], -1)) if t.ndim else t,
    "backwards": lambda t: weighted(np.flip(t)),
}


def variables_of(case: Case, orders: str, found: list[tg.Tensor]) -> Case:
    """The case at leaves, which are ``found``; arrays lie in these orders in turn."""
    turns = itertools.cycle(orders)

    def visit(value: Any) -> Any:
        if isinstance(value, Const):
            return value.array.copy(next(turns))  # type: ignore[arg-type]
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
            return value
        found.append(tg.from_numpy(value.copy(next(turns))))  # type: ignore[arg-type]
        found[-1].requires_grad = True
        return found[-1]

    args, kwargs = transform(visit, [case.args, case.kwargs])
    return Case(case.id, case.fn, args, kwargs, case.reference, case.order)


def swept(case: Case, after: Any) -> None:
    total: Any = 0.0
    for result in leaves(case.fn(*case.args, **case.kwargs)):
        if getattr(result, "requires_grad", False):
            term = np.sum(after(result))
            total = total + (term.real + 0.5 * term.imag if term.dtype.kind == "c" else term)
    if isinstance(total, tg.Tensor):
        total.backward()


def check_alike(case: Case, way: str, orders: str, arrived: list[dict[Any, Any]]) -> None:
    case = variables_of(case, orders, [])
    arrived.clear()
    with np.errstate(all="ignore"):
        swept(case, AFTER[way])
        with tg.anomaly():
            swept(case, AFTER[way])
    if not arrived:
        return
    plain, recorded = arrived
    assert plain.keys() == recorded.keys()
    for node, g in plain.items():
        assert g.tobytes() == recorded[node].tobytes(), case.id
        if g.size > 1:
            assert layout(g) == layout(recorded[node]), case.id


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch) -> list[dict[Any, Any]]:
    """The cotangents of the leaves as each sweep made them, before they are copied."""
    found: list[dict[Any, Any]] = []
    settled = sweep._settled

    def seen(there: dict[Any, Any]) -> Any:
        found.append({node: np.asarray(getattr(g, "_array", g)) for node, g in there.items()})
        return settled(there)

    monkeypatch.setattr(sweep, "_settled", seen)
    return found


@for_each(BY_FUNCTION)
def test_cotangents_lie_alike_recorded_or_not(fn: Any, arrived: list[dict[Any, Any]]) -> None:
    check_alike(BY_FUNCTION[fn][0], "one number", "FC", arrived)


@pytest.mark.long
@pytest.mark.slow
@for_each(BY_FUNCTION, AFTER, ["C", "F", "CF", "FC"])
def test_all_cotangents_lie_alike_recorded_or_not(
    fn: Any, way: str, orders: str, arrived: list[dict[Any, Any]]
) -> None:
    check_alike(BY_FUNCTION[fn][0], way, orders, arrived)
