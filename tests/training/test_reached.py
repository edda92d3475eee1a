"""What a loss goes through and the model does not know is said once; what is meant so is not."""

import collections
import itertools
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim, training

F = nn.functional
X = np.random.default_rng(0).standard_normal((24, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
OUTSIDE = nn.Linear(4, 4, seed=5)
Hidden = tuple[Any, Callable[[Any, Any], Any]]  # what the model keeps, and how it uses that


class Model(nn.Module):
    def __init__(self, kept: Any, use: Callable[[Any, Any], Any]) -> None:
        self.first = nn.Linear(4, 4, seed=1)
        self.kept = kept
        self.use = {use}  # which nothing is looked for in
        self.last = nn.Linear(4, 2, seed=2)

    def forward(self, x: Any) -> Any:
        [use] = self.use
        return self.last(use(self.kept, self.first(x)))


class Plain:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def layer() -> nn.Linear:
    return nn.Linear(4, 4, seed=3)


def behind(made: nn.Module) -> Callable[[Any], Any]:
    return lambda x: made(x)


def twice(kept: Any, x: Any) -> Any:
    return kept[1](kept[0](x))


def disturbed(_: Any, x: Any) -> Any:
    """A variable of the step's own, as adversarial examples and penalties have."""
    return x + tg.Tensor(np.zeros(4, np.float32), requires_grad=True, name="z")


LINEAR = "weight (4, 4), bias (4,)"
FIRST: Callable[[Any, Any], Any] = lambda kept, x: next(iter(kept))(x)
UNKNOWN: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any], str]] = {
    "deque": (lambda: collections.deque([layer()]), FIRST, LINEAR),
    "set": (lambda: {layer()}, FIRST, LINEAR),
    "object": (lambda: Plain(layer()), lambda kept, x: kept.inner(x), LINEAR),
    "namespace": (
        lambda: types.SimpleNamespace(inner=layer()), lambda kept, x: kept.inner(x), LINEAR,
    ),
    "lambda": (lambda: behind(layer()), lambda kept, x: kept(x), LINEAR),
    "Tensor": (
        lambda: Plain(tg.Tensor(np.ones(4, np.float32), requires_grad=True)),
        lambda kept, x: kept.inner * x, "a Tensor (4,)",
    ),
    "global": (lambda: None, lambda _, x: OUTSIDE(x), LINEAR),
    "made in forward": (lambda: None, lambda _, x: nn.Linear(4, 4, seed=4)(x), LINEAR),
    "dropout": (lambda: {nn.Dropout(0.5, seed=3)}, FIRST, "Dropout"),
    "dropout in forward": (lambda: None, lambda _, x: nn.Dropout(0.5, seed=1)(x), "Dropout"),
}  # fmt: skip
KNOWN: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any]]] = {
    "attribute": (layer, lambda kept, x: kept(x)),
    "tied": (lambda: [layer()] * 2, twice),
    "frozen, of nobody": (lambda: {layer().requires_grad_(False)}, FIRST),
    "evaluating, of nobody": (lambda: {nn.Dropout(0.5, seed=1).eval()}, FIRST),
    "activation of nobody": (lambda: {nn.ReLU()}, FIRST),
    "variable of the step": (lambda: None, disturbed),
}


def said(model: nn.Module, loss: Any = F.cross_entropy, **given: Any) -> list[str]:
    optimiser = given.pop("optimiser", None) or optim.SGD(model.parameters(), lr=0.1)
    batches = given.pop("batches", [(X, Y)] * 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training.fit(model, batches, optimiser, epochs=2, loss=loss, **given)
    found = [warning for warning in caught if str(warning.message).startswith("fit: the l")]
    assert all(warning.filename == __file__ for warning in found)
    return [str(warning.message) for warning in found]


@pytest.mark.parametrize(("case", "replay"), list(zip(UNKNOWN, itertools.cycle([True, False]))))
def test_what_the_model_does_not_know_is_named_once(case: str, replay: bool) -> None:
    kept, use, named = UNKNOWN[case]
    [words] = said(Model(kept(), use), replay=replay)
    assert words.startswith(f"fit: the loss goes through {named}, which the model does not know,")
    assert "or in a list, tuple, dict or nn.ModuleList" in words


def test_the_doctor_names_it() -> None:
    found = training.diagnose(Model({layer()}, FIRST), X, Y, 0.1)
    [finding] = [f for f in found.findings if f.name == "parts unknown to the model"]
    assert finding.cause.startswith("the loss goes through weight (4, 4), bias (4,), which")


@pytest.mark.parametrize(("case", "replay"), list(zip(KNOWN, itertools.cycle([True, False]))))
def test_what_is_meant_so_is_not_named(case: str, replay: bool) -> None:
    kept, use = KNOWN[case]
    assert said(Model(kept(), use), replay=replay) == []


@pytest.mark.parametrize("replay", [True, False])
def test_what_another_optimiser_has_is_not_named(replay: bool) -> None:
    critic = nn.Linear(2, 1, seed=9)
    _theirs = optim.Adam(critic.parameters(), 0.01)

    def loss(outputs: Any, _: Any) -> Any:
        return F.binary_cross_entropy_with_logits(critic(outputs), np.ones((24, 1), np.float32))

    assert said(nn.Linear(4, 2, seed=0), loss, replay=replay) == []
    model = Model({layer()}, FIRST)
    [hidden] = model.kept
    both = optim.SGD([*model.parameters(), *hidden.parameters()], lr=0.1)
    assert said(model, optimiser=both, replay=replay) == []
    found = training.diagnose(model, X, Y, both)
    assert "parts unknown to the model" not in [f.name for f in found.findings]


def test_inputs_that_require_grad_are_not_named() -> None:
    given = [(tg.Tensor(X, requires_grad=True), Y)]
    assert said(nn.Linear(4, 2, seed=0), batches=given, replay=False) == []


@pytest.mark.parametrize(
    ("lr", "ends"),
    [
        (optim.OneCycle(0.05, 3), 3),
        (optim.WarmUp(optim.CosineDecay(0.05, 2), steps=1), 3),
        (optim.CosineDecay(0.05, 2), 2),
        (optim.CosineDecay(0.05, 4), None),
        (optim.CosineDecay(0.05, 2, final=0.01), None),
        (optim.OneCycle(0.05, 2, final_divisor=10), None),
        (optim.StepDecay(0.05, 1), None),
        (optim.WarmUp(0.05, 2), None),
    ],
)
def test_a_schedule_shorter_than_the_training(lr: Any, ends: int | None) -> None:
    model = nn.Linear(4, 2, seed=0)
    words = said(model, optimiser=optim.SGD([{"params": model.parameters(), "lr": lr}], lr=0.1))
    assert len(words) == (ends is not None)
    if ends is not None:
        assert f"nearly 0 from step {ends} on, and this training has 4 steps" in words[0]


def test_a_schedule_that_a_group_scales_and_a_second_training() -> None:
    model, schedule = nn.Linear(4, 2, seed=0), optim.OneCycle(0.1, 4)
    groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.01}]
    optimiser = optim.SGD(groups, lr=schedule)
    assert said(model, optimiser=optimiser) == []
    [words] = said(model, optimiser=optimiser)
    assert "has 8 steps; make the schedule for all of them" in words


def called(teacher: nn.Module, x: Any) -> Any:
    return teacher(x)


def constant(teacher: nn.Module, x: Any) -> Any:
    with tg.no_grad():
        return teacher(x)


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize("use", [called, constant])
def test_what_the_warning_proposes_ends_it(use: Any, replay: bool) -> None:
    """A teacher outside of the model, and a parameter of the loss given to an optimiser."""
    model = nn.Linear(4, 2, seed=0)
    teacher = nn.Sequential(nn.Linear(4, 2, seed=1), nn.Dropout(0.5, seed=2))
    scale = tg.Tensor(np.ones(2, np.float32), requires_grad=True)

    def loss(outputs: Any, x: Any) -> Any:
        return np.mean((outputs * scale - use(teacher, x)) ** 2)

    given: Any = {"batches": [(X, X)] * 2, "replay": replay}
    [words] = said(model, loss, **given)
    assert "give parameters of a loss to the optimiser" in words and "tg.no_grad()" in words
    if use is called:
        teacher.requires_grad_(False).eval()
    both = [optim.Adam(model.parameters(), 0.01), optim.SGD([scale], 0.1)]
    assert said(model, loss, optimiser=both, **given) == []


def test_one_of_several_optimisers_has_the_models_parameters() -> None:
    others = [optim.SGD([tg.Tensor([1.0], requires_grad=True)], lr=0.1) for _ in range(2)]
    with pytest.raises(ValueError, match="none of the optimiser's 2 parameters is one of the"):
        said(nn.Linear(4, 2, seed=0), optimiser=others)
