"""Networks trained by replayed steps: weights and losses are those of eager mode, bit for bit."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.twins import Twin, assert_twins
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F
from tinygrad_np.optim import schedules

ROWS = [6, 6, 3, 6, 3, 3, 6]  # of each batch: the last of an epoch is short
CLASSES = 3


def activations() -> list[Callable[[], nn.Module]]:
    found: list[Callable[[], nn.Module]] = [
        nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.Softmax, lambda: nn.GELU("tanh"),
        lambda: nn.LeakyReLU(0.2), lambda: nn.LeakyReLU(-0.3), lambda: nn.Softmax(axis=0),
    ]  # fmt: skip
    return found


ACTIVATIONS = {repr(make()): make for make in activations()}


def mean_squares(logits: Any, y: Any) -> Any:
    return F.mse_loss(logits, F.one_hot(y, CLASSES))


def binary(logits: Any, y: Any) -> Any:
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(y, CLASSES))


def likelihood(logits: Any, y: Any) -> Any:
    return F.nll_loss(F.log_softmax(logits), y)


def by_logsumexp(logits: Any, y: Any) -> Any:
    return np.mean(F.logsumexp(logits) - np.sum(logits * F.one_hot(y, CLASSES), axis=1))


def softmax_and_log(logits: Any, y: Any) -> Any:
    return -np.mean(np.log(F.softmax(logits)) * F.one_hot(y, CLASSES))


LOSSES = [F.cross_entropy, mean_squares, binary, likelihood, by_logsumexp, softmax_and_log]

OPTIMISERS: dict[str, Callable[[Any], optim.Optimiser]] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "decay": lambda p: optim.SGD(p, 0.1, weight_decay=0.01),
    "momentum, decay": lambda p: optim.SGD(p, 0.1, momentum=0.5, weight_decay=0.01),
    "all of SGD": lambda p: optim.SGD(p, 0.1, momentum=0.5, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, 0.01),
    "Adam, decay": lambda p: optim.Adam(p, 0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01),
    "step decay": lambda p: optim.SGD(p, schedules.StepDecay(0.1, 2)),
    "inverse time": lambda p: optim.Adam(p, schedules.InverseTimeDecay(0.01, 0.5)),
    "cosine": lambda p: optim.SGD(p, schedules.CosineDecay(0.1, 5), momentum=0.9),
    "one cycle": lambda p: optim.Adam(p, schedules.OneCycle(0.01, 6)),
    "a function": lambda p: optim.SGD(p, lambda step: 0.1 / (1 + step)),
}
PLACES = ["inside", "outside", "none"]


def batch(k: int) -> list[np.ndarray]:
    rng = np.random.default_rng(k)
    n = ROWS[k]
    return [rng.standard_normal((n, 2, 2)).astype("f4"), rng.integers(0, CLASSES, n)]


def twin(
    activation: Callable[[], nn.Module] = nn.ReLU,
    loss: Callable[[Any, Any], Any] = F.cross_entropy,
    make: Callable[[Any], optim.Optimiser] = OPTIMISERS["SGD"],
    stepped: str = "inside",
    cleared: str = "inside",
    dtype: Any = np.float32,
) -> Twin:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(4, 5, seed=rng, dtype=dtype),
        activation(),
        nn.Linear(5, 4, bias=False, seed=rng, dtype=dtype),
        nn.Sequential(activation(), nn.Linear(4, CLASSES, seed=rng, dtype=dtype)),
    )
    optimiser = make(model.parameters())

    def step(x: Any, y: Any) -> Any:
        if cleared == "inside":
            optimiser.zero_grad()
        logits = model(x)
        value = loss(logits, y)
        value.backward()
        if stepped == "inside":
            optimiser.step()
        return value, logits

    def before(_: int) -> None:
        if cleared == "outside":
            optimiser.zero_grad()

    def after(_: int) -> None:
        if stepped == "outside":
            optimiser.step()

    def others() -> Any:
        return [optimiser.steps, *optimiser.save()["state"]]

    return Twin(step, model.parameters(), others, before, after)


def runs(cleared: str) -> int:
    """Two for each number of rows, and one more for the first call, which finds no gradients."""
    return 5 if cleared == "none" else 4


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_layers_and_losses(activation: str, loss: Any) -> None:
    assert_twins(lambda: twin(ACTIVATIONS[activation], loss), batch, len(ROWS), runs("inside"))


PLACED = list(itertools.product(OPTIMISERS, ["inside", "outside"], PLACES))


@pytest.mark.parametrize(("name", "stepped", "cleared"), PLACED)
def test_optimisers(name: str, stepped: str, cleared: str) -> None:
    def make() -> Twin:
        return twin(make=OPTIMISERS[name], stepped=stepped, cleared=cleared)

    assert_twins(make, batch, len(ROWS), runs(cleared))


@pytest.mark.parametrize("name", ["SGD", "Adam, decay"])
def test_double_precision(name: str) -> None:
    assert_twins(
        lambda: twin(nn.Tanh, make=OPTIMISERS[name], dtype=np.float64),
        lambda k: [batch(k)[0].astype(float), batch(k)[1]],
        len(ROWS),
        runs("inside"),
    )


def test_everything_the_package_has_is_here() -> None:
    layers = {getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    used = {type(make()) for make in ACTIVATIONS.values()}
    assert layers - used == {nn.Flatten, nn.Linear, nn.Module, nn.Sequential}
    made = [type(make([tg.Tensor(1.0, requires_grad=True)])) for make in OPTIMISERS.values()]
    assert set(made) == {optim.SGD, optim.Adam}
    decays = {n for n, v in vars(schedules).items() if isinstance(v, type)} - {"Any"}
    assert decays == {"StepDecay", "InverseTimeDecay", "CosineDecay", "OneCycle"}
