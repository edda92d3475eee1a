"""Whatever an operation is, a branch that was not taken contributes exactly 0 through it.

The promise of docs/conventions.md, for every row of the table of cases: with operands that are not
finite, and a result that ``np.where`` leaves out, all gradients are 0. A rule whose slope may be
infinite or NaN keeps it by its ``reach``.
"""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, CASES, Case, full_name
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import TABLE

ENDLESS = {"special.hyp1f1"}  # by SciPy 1.17, at infinity
POISONS = [np.nan, np.inf, -np.inf, 0.0]


def untaken(result: Any) -> Any:
    """Nothing of a result, as ``np.where`` leaves it out."""
    parts = [part for part in leaves(result) if isinstance(part, tg.Tensor)]
    return [np.where(False, part, np.zeros_like(part)) for part in parts if part.requires_grad]


def slopes(case: Case, poison: float) -> list[np.ndarray] | None:
    """The gradients by each variable; None where the function refuses what is not finite."""
    given = [np.full_like(v, poison) for v in case.variables]
    variables = [tg.Tensor(v, requires_grad=True) for v in given]
    try:
        parts = untaken(case.call(*variables))
    except (ValueError, ArithmeticError, np.linalg.LinAlgError, tg.DataError):
        return None
    if not parts:
        return None
    total = sum((np.sum(np.real(part)) for part in parts[1:]), np.sum(np.real(parts[0])))
    try:
        total.backward()
    except np.linalg.LinAlgError:
        return None
    return [t.grad.numpy() if t.grad is not None else np.zeros(1) for t in variables]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("poison", POISONS)
def test_what_was_not_taken_contributes_nothing(poison: float) -> None:
    wrong = set()
    few = [case for cases in BY_FUNCTION.values() for case in cases[:2]]
    with np.errstate(all="ignore"):
        for case in few if poison == -np.inf else CASES:  # the sign says little of an operation
            if full_name(case.fn) in ENDLESS:
                continue
            found = slopes(case, poison)
            if found is not None and any(np.any(slope != 0) for slope in found):
                wrong.add(full_name(case.fn))
    assert wrong == set(), "give these a reach (see CONTRIBUTING.md)"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("overflows", [False, True])
def test_what_comes_later_does_not_count_in_an_accumulation(overflows: bool) -> None:
    """The gradient of the first results is the same whatever stands behind them."""
    named = {full_name(case.fn): case.fn for case in CASES}
    scans = {name: fn for name, fn in named.items() if "accum" in name or "cum" in name}
    assert len(scans) > 12, sorted(scans)
    end = [1e200, 1e200, 1e200] if overflows else [0.0, -1.0, 2.0]
    for name, scan in scans.items():
        inner = (lambda x: x) if overflows else np.log
        f = lambda x, scan=scan, inner=inner: np.sum(
            np.where(np.arange(np.shape(x)[0]) < 2, scan(inner(x)), 0.0) * 3.0
        )
        with np.errstate(all="ignore"):
            try:
                found = tg.grad(f)(np.array([2.0, 1.5, *end]))
            except tg.TapeError:
                continue
        np.testing.assert_allclose(found[:2], tg.grad(f)(np.array([2.0, 1.5])), err_msg=name)
        assert not found[2:].any(), name


def test_a_rule_that_says_nothing_is_found(monkeypatch: Any) -> None:
    """Of a function with an infinite slope, beside those that are finite everywhere."""
    monkeypatch.setattr(TABLE[np.log], "reach", None)
    monkeypatch.setattr(TABLE[np.log], "heeds", 4)
    case = next(case for case in CASES if case.fn is np.log)
    with np.errstate(all="ignore"):
        found = slopes(case, 0.0)
    assert found is not None and np.isnan(found[0]).all()
