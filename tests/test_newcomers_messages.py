"""Mistakes of a first hour: each is named with its cause, and no other one."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim, training

F = nn.functional
X = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
LEAF = [tg.Tensor([1.0, 2.0], requires_grad=True)]


class Late(optim.Optimiser):
    def __init__(self, params: Any, lr: float) -> None:
        self.lr, self.params = lr, params


class OnData(optim.Optimiser):
    def step(self) -> None:
        for p in self.params:
            p.data -= self.rate() * p.grad.data


class OnArrays(optim.Optimiser):
    def step(self) -> None:
        for p in self.params:
            p[...] = p - 0.1 * p.grad.numpy()


class Hidden(nn.Module):
    def __init__(self) -> None:
        self.kept = {nn.Linear(4, 2, seed=0)}

    def forward(self, x: Any) -> Any:
        return next(iter(self.kept))(x)


class Drawing(nn.Module):
    def __init__(self) -> None:
        self.inner = nn.Linear(4, 2, seed=0)

    def forward(self, x: Any) -> Any:
        return F.dropout(self.inner(x), 0.5, True, np.random.default_rng(0))


def fit(model: nn.Module, kind: Any = optim.SGD) -> Any:
    return training.fit(model, [(X, Y)] * 2, kind(model.parameters(), 0.1), epochs=2)


def linear() -> nn.Module:
    return nn.Linear(4, 2, seed=0)


def renamed(rename: Any) -> Callable[[], Any]:
    return lambda: linear().load_state_dict(linear().state_dict(), rename=rename)


NONE = "returned None, which has no derivative; is a `return` missing"
OWN = r"in step\(\) of an optimiser of your own; write p\[\.\.\.\] = p - lr \* p\.grad inside"
ROWS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no super": (lambda: Late(LEAF, 0.1), AttributeError, r"super\(\).__init__\(params, lr\)\."),
    "step on .data": (lambda: fit(linear(), OnData), tg.ReplayError, OWN),
    "step on arrays": (lambda: fit(linear(), OnArrays), tg.ReplayError, OWN),
    "hidden": (lambda: fit(Hidden()), ValueError, "where a Module does not look, as in a set"),
    "a generator for each step": (
        lambda: fit(Drawing()), tg.ReplayError, r"it got a new Generator\(PCG64\), which",
    ),
    "rename": (renamed(lambda _: None), TypeError, "returns None for weight.*`return` missing"),
    "rename to None": (renamed({"bias": None}), TypeError, "returns None for bias, expected the"),
    "rename to a number": (renamed(lambda _: 3), TypeError, "returns 3 for weight, expected the"),
    "weights of 0": (
        lambda: F.cross_entropy(X, Y, weight=np.zeros(4)), ValueError, "all weights are 0",
    ),
    "grad": (lambda: tg.grad(lambda _: None)(1.0), tg.TapeError, NONE),
    "jacobian": (lambda: tg.jacobian(lambda _: None)(np.ones(2)), tg.TapeError, NONE),
    "vjp": (lambda: tg.vjp(lambda _: None, 1.0), tg.TapeError, NONE),
    "jvp": (lambda: tg.jvp(lambda _: None, (1.0,), (1.0,)), tg.TapeError, NONE),
    "tg.Adam": (lambda: tg.Adam, AttributeError, r"; use tg\.optim\.Adam$"),
    "tg.relu": (lambda: tg.relu, AttributeError, r"; use tg\.nn\.functional\.relu$"),
    "tg.matmul": (lambda: tg.matmul, AttributeError, r"; use np\.matmul, which takes Tensors$"),
    "nn.SGD": (lambda: nn.SGD, AttributeError, r"; use tg\.optim\.SGD$"),
    "tg.nothing": (lambda: tg.nothing, AttributeError, "no attribute 'nothing'$"),
    "schedule.step": (
        lambda: optim.StepDecay(0.1, 2).step(),  # type: ignore[attr-defined]
        AttributeError, "StepDecay has no attribute 'step'; leave it out: the optimiser asks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_the_cause_is_named(case: str) -> None:
    call, error, message = ROWS[case]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "0x" not in str(caught.value)


def said(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


def test_the_gradient_of_a_result_is_none_and_says_why() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    result, other = w - 0.1, w * 2
    [words] = said(lambda: result.grad)
    assert words.startswith("t.grad of a result is None") and "write w -= step inside" in words
    np.sum(result**2).backward()
    cleared = w * 3
    cleared.grad = None
    for quiet in (cleared, w, w.detach(), tg.Tensor([1.0])):
        assert said(lambda quiet=quiet: (quiet.grad, repr(quiet))) == []
    assert said(lambda: (repr(other), tg.draw.graph(np.sum(other), values=True))) == []


@pytest.mark.parametrize("whole", [True, False])
def test_what_took_the_place_of_a_parameter_is_named_so(whole: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4, seed=0), nn.Linear(4, 2, seed=1))
    optimiser = optim.SGD(model.parameters(), 0.1)
    if whole:
        model[0] = nn.Linear(4, 4, seed=2)
    else:
        model[0].weight = tg.Tensor(np.ones((4, 4), np.float32), requires_grad=True)
    with pytest.warns(RuntimeWarning, match=r"0\.weight.* took the place of what the optimiser"):
        training.fit(model, [(X, Y)], optimiser, epochs=1)


def test_a_state_of_which_nothing_fits_is_said() -> None:
    [words] = said(lambda: linear().load_state_dict({"a": np.ones(2)}, strict=False))
    assert "none of the 1 entries, such as a, is one of the module's, such as weight" in words
    assert said(lambda: linear().load_state_dict({"bias": np.ones(2)}, strict=False)) == []
    assert said(lambda: linear().load_state_dict({}, strict=False)) == []


def test_one_class_cannot_be_told_apart() -> None:
    from tinygrad_np.data.datasets import Dataset
    from tinygrad_np.run.recipes import RECIPES

    part = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.int64)
    with pytest.raises(tg.DataError, match="found the class 'cat' alone, expected two or more"):
        RECIPES["default"].fitted(Dataset((part, part), ("cat",)))
