"""d²f/dxdy of every operation with several operands, against differences of the gradient by x.

The second derivatives of ``test_rules.py`` are along one direction of all operands at once, where
the mixed ones could hide behind others.
"""

import itertools
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import CASES, Case
from tests.each import run_all
from tinygrad_np.autodiff.gradcheck import _ridders
from tinygrad_np.autodiff.nests import leaves

SEVERAL = [case for case in CASES if case.order > 1 and 1 < len(case.variables) < 5
           and all(v.size for v in case.variables)]  # fmt: skip


def drawn(like: Any, rng: np.random.Generator) -> Any:
    real = rng.uniform(0.5, 1.5, like.shape)
    return real + 1j * rng.uniform(0.5, 1.5, like.shape) if like.dtype.kind == "c" else real


def smooth(case: Case, variables: Any) -> list[Any]:
    return [out for out in leaves(case.call(*variables)) if out.dtype.kind in "fc"]


def check(case: Case, first: int, second: int) -> None:
    rng = np.random.default_rng(7)
    given = case.variables
    weights = [drawn(out, rng) for out in smooth(case, map(tg.Tensor, given))]
    ways = [drawn(v, rng) for v in given]

    def slope(by_second: Any) -> Any:
        """The derivative by the first operand, along its way."""

        def f(x: Any) -> Any:
            found: list[Any] = [tg.Tensor(v) for v in given]
            found[first], found[second] = x, tg.Tensor(0.0) + by_second
            outs = smooth(case, found)
            return sum(np.real(np.sum(w * out)) for w, out in zip(weights, outs, strict=True))

        return np.sum(np.real(tg.grad(f)(given[first]) * ways[first]))

    way = ways[second]
    found = np.sum(np.real(tg.grad(slope)(given[second]) * way))
    expected = _ridders(lambda h: float(slope(given[second] + h * way)), 0.02)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def pairs(cases: list[Case]) -> list[tuple[Case, int, int]]:
    return [
        (case, first, second)
        for case in cases
        for first, second in itertools.permutations(range(len(case.variables)), 2)
    ]


@pytest.mark.filterwarnings("ignore")
def test_mixed_second_derivatives_of_some() -> None:
    run_all(check, pairs(SEVERAL[::29]))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mixed_second_derivatives() -> None:
    run_all(check, pairs(SEVERAL))
