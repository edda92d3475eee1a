"""Autodiff against pencil and paper: the same network, the same gradients."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from models import by_hand
from models.by_hand import BY_HAND
from models.by_hand_regularised import regularised
from tests.each import for_each
from tinygrad_np.run.networks import MLP
from tinygrad_np.run.recipes import RECIPES, Recipe

TOLERANCE = 1e-12
ACTIVATION = {"two_layer_relu": "relu", "relu": "relu", "leaky_relu": "leaky_relu", "tanh": "tanh"}
SIZES = [(3, 2), (7, 5, 4), (9, 6, 5, 3), (6, 7, 6, 5, 4), (5,) * 12]
NETS = [
    (kind, sizes)
    for kind in BY_HAND
    for sizes in SIZES
    if kind != "two_layer_relu" or len(sizes) == 3
]


def network(sizes: Any, activation: str, seed: int, dtype: Any = np.float64) -> MLP:
    """A network whose biases are not 0, where an error could hide."""
    rng = np.random.default_rng(seed)
    model = MLP(sizes, activation, seed=rng, dtype=dtype)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data = 0.3 * rng.standard_normal(parameter.shape)
    return model


def example(inputs: int, classes: int, n: int, seed: int, dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, inputs)).astype(dtype), rng.integers(0, classes, n)


def gradients(model: MLP, x: Any, y: Any) -> tuple[float, list[np.ndarray]]:
    model.zero_grad()
    loss = tg.nn.functional.cross_entropy(model(tg.Tensor(x)), y)
    loss.backward()
    return loss.item(), [p.grad.numpy() for p in model.parameters()]


def relative_error(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest entry of the same array."""
    errors = [
        np.abs(a - b).max() / (np.abs(b).max() or 1.0) for a, b in zip(ours, theirs, strict=True)
    ]
    return float(max(errors))


def difference(model: MLP, kind: str, x: Any, y: Any) -> float:
    loss, ours = gradients(model, x, y)
    hand_loss, theirs = BY_HAND[kind]([p.numpy() for p in model.parameters()], x, y)
    assert loss == pytest.approx(hand_loss, rel=1e-13)
    return relative_error(ours, theirs)


def test_every_kind_has_a_twin() -> None:
    assert set(ACTIVATION) == set(BY_HAND)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("kind", "sizes"), NETS)
def test_small_networks(kind: str, sizes: tuple[int, ...], seed: int) -> None:
    model = network(sizes, ACTIVATION[kind], seed)
    x, y = example(sizes[0], sizes[-1], 11, seed)
    assert difference(model, kind, x, y) <= TOLERANCE


@pytest.mark.parametrize(
    "recipe", [r for r in RECIPES.values() if r.network is None], ids=lambda r: r.name
)
def test_recipes(recipe: Recipe) -> None:
    recipe = replace(recipe, dropout=0.0, input_dropout=0.0)
    model = recipe.build(0, dtype=np.float64)
    assert isinstance(model, MLP)
    x, y = example(recipe.sizes[0], recipe.sizes[-1], 20, 0)
    if recipe.norm is None:
        assert difference(model, recipe.by_hand, np.abs(x), y) <= TOLERANCE
        return
    _, ours = gradients(model, np.abs(x), y)
    _, theirs = regularised([p.numpy() for p in model.parameters()], np.abs(x), y, norm="batch")
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if i % 4 != 1:  # a bias in front of batch normalisation has gradient 0
            assert relative_error([a], [b]) <= TOLERANCE


@for_each(["relu", "leaky_relu", "tanh"], range(10))
def test_any_sizes(kind: str, seed: int) -> None:
    draw = random.Random(seed)
    sizes = [draw.randint(1, 12) for _ in range(2 + seed % 5)]
    n = draw.randint(1, 20) if seed else 1
    model = network(sizes, kind, seed)
    x, y = example(sizes[0], sizes[-1], n, seed)
    assert difference(model, kind, x, y) <= TOLERANCE


@for_each(list(BY_HAND), ["sgd", "momentum", "adam"])
def test_gradients_and_weights_after_training(kind: str, optimiser: str) -> None:
    model = network((8, 7, 5), ACTIVATION[kind], 3)
    x, y = example(8, 5, 30, 4)
    hand = [p.numpy() for p in model.parameters()]
    velocities = [np.zeros_like(p) for p in hand]
    adam = by_hand.AdamState.zeros(hand)
    steps: dict[str, tuple[tg.optim.Optimiser, Any]] = {
        "sgd": (
            tg.optim.SGD(model.parameters(), 0.1),
            lambda g: by_hand.sgd_step(hand, g, 0.1),
        ),
        "momentum": (
            tg.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=0.01),
            lambda g: by_hand.sgd_step(hand, g, 0.05, velocities, 0.9, 0.01),
        ),
        "adam": (
            tg.optim.Adam(model.parameters(), 0.01),
            lambda g: by_hand.adam_step(hand, g, adam, 0.01),
        ),
    }
    ours, theirs = steps[optimiser]
    for _ in range(25):
        assert difference(model, kind, x, y) <= TOLERANCE
        ours.step()
        theirs(BY_HAND[kind](hand, x, y)[1])
    assert relative_error([p.numpy() for p in model.parameters()], hand) <= 1e-10


@pytest.mark.parametrize("kind", list(BY_HAND))
def test_float32_stays_float32(kind: str) -> None:
    model = network((6, 5, 4), ACTIVATION[kind], 0, np.float32)
    x, y = example(6, 4, 9, 0, np.float32)
    logits = model(tg.Tensor(x))
    loss = tg.nn.functional.cross_entropy(logits, y)
    loss.backward()
    grads = [p.grad for p in model.parameters()]
    assert {t.dtype for t in (logits, loss, *grads)} == {np.dtype(np.float32)}
    _, hand = BY_HAND[kind]([p.numpy() for p in model.parameters()], x, y)
    assert relative_error([g.numpy() for g in grads], hand) <= 1e-5


@pytest.mark.parametrize(("kind", "sizes"), [(k, s) for k, s in NETS if len(s) == 3])
def test_third_number_finite_differences(kind: str, sizes: tuple[int, ...]) -> None:
    """Closes the triangle: by hand was checked against complex step in test_by_hand."""
    model = network(sizes, ACTIVATION[kind], 1)
    x, y = example(sizes[0], sizes[-1], 4, 2)

    def loss(*parameters: Any) -> Any:
        h = x
        layers = list(pairwise(parameters))[::2]
        for i, (weight, bias) in enumerate(layers):
            h = tg.nn.functional.linear(h, weight, bias)
            if i + 1 < len(layers):
                h = getattr(tg.nn.functional, ACTIVATION[kind])(h)
        return tg.nn.functional.cross_entropy(h, y)

    tg.gradcheck(loss, *[p.numpy() for p in model.parameters()])
