"""What a step may do: replayed, it does the same to the last bit."""

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.changes import CHANGES
from tests.replay.steps import STEPS, Step, network, rows
from tests.replay.twins import assert_twins
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_replay_does_what_the_step_does(step: Step) -> None:
    assert_twins(step.make, step.inputs, step.calls, step.runs)


@pytest.mark.parametrize("step", CHANGES, ids=lambda step: step.name)
def test_changes_between_the_calls_are_noticed(step: Step) -> None:
    assert_twins(step.make, step.inputs, step.calls, step.runs)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_captures_for_itself(how: Any) -> None:
    """And what has a replayed step among its attributes can be copied."""
    step = tg.replay(lambda x: x * 2, verify=3)
    for _ in range(3):
        step(np.ones(2))
    twin = how({"step": step})["step"] if how is copy.deepcopy else how(step)
    assert (twin.fn, twin.verify) == (step.fn, 3)
    with pytest.raises(tg.ReplayError, match="nothing is recorded yet"):
        _ = twin.program
    assert [twin(np.full(2, k)).tolist() for k in (1.0, 2.0, 3.0)] == [
        [2.0] * 2,
        [4.0] * 2,
        [6.0] * 2,
    ]


@pytest.mark.parametrize("inner", [True, False])
def test_a_replayed_step_in_a_replayed_step(inner: bool) -> None:
    """It is part of the outer one, with its graph."""
    models = [network(), network()]
    optimisers = [optim.SGD(model.parameters(), 0.1) for model in models]

    def forward(model: Any, x: Any) -> Any:
        return np.tanh(model(x))

    def trained(model: Any, optimiser: Any, x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy((tg.replay(forward) if inner else forward)(model, x), y)
        loss.backward()
        optimiser.step()
        return loss

    step = tg.replay(trained) if inner else trained
    twice = tg.replay(lambda x, y: [step(models[0], optimisers[0], x, y) for _ in range(2)])
    for k in range(4):
        x, y = rows(k)
        found = [loss.item() for loss in twice(x, y)]
        for value in found:
            loss = F.cross_entropy(forward(models[1], tg.Tensor(x)), y)
            optimisers[1].zero_grad()
            loss.backward()
            optimisers[1].step()
            assert loss.item() == value


class Model(nn.Module):
    """A model with a step of its own, decorated as a method."""

    def __init__(self) -> None:
        self.layer = nn.Linear(4, 3, seed=0)
        self.optimiser = optim.SGD(self.layer.parameters(), 0.1)
        self.other = tg.replay(self.plain)

    @tg.replay
    def step(self, x: Any, y: Any) -> Any:
        return self.plain(x, y)

    def plain(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.layer(x), y)
        loss.backward()
        self.optimiser.step()
        return loss


def test_steps_that_are_methods() -> None:
    models = [Model() for _ in range(5)]
    models.append(copy.deepcopy(models[0]))
    for k in range(4):
        x, y = rows(k)
        models[0].plain(tg.Tensor(x), tg.Tensor(y))
        models[1].step(x, y)
        models[2].step(x, y)  # the same decorated function, another object
        models[3].other(x, y)
        models[4].other(x, y) if k % 2 else models[4].step(x, y)
        models[5].other(x, y)
    values = [model.layer.weight.numpy().tobytes() for model in models]
    assert values == values[:1] * len(models)
    assert isinstance(Model.step, type(models[0].other))


def test_names_that_only_look_like_something_outside(monkeypatch: Any) -> None:
    """An attribute is no global of the same name, and a local variable neither."""
    ran = []

    @tg.replay
    def step(x: Any) -> Any:
        ran.append(None)
        loss = x.mean() + x.sum()
        return loss

    for k in range(5):
        for name in ("mean", "sum", "loss", "x"):
            monkeypatch.setitem(globals(), name, k + 0.5)
        step(np.ones(2))
    assert len(ran) == 3  # calls 1, 2 and 4
