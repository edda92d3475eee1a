"""Networks with dropout, normalisation and label smoothing against their hand-derived twins."""

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from models.by_hand import deep_relu
from models.by_hand_regularised import regularised
from tinygrad_np import nn
from tinygrad_np.run.networks import MLP

TOLERANCE = 1e-12


def drawn(model: MLP, x: np.ndarray) -> list[Any]:
    """The masks that the next forward pass draws, the input's first, from copies of generators."""
    copied = copy.deepcopy(model)
    masks: list[Any] = []
    width = x.shape[1]
    if not isinstance(copied.layers[0], nn.Dropout):
        masks.append(None)
    for layer in copied.layers:
        if isinstance(layer, nn.ReLU):
            masks.append(None)
        elif isinstance(layer, nn.Linear):
            width = layer.weight.shape[0]
        elif isinstance(layer, nn.Dropout):
            kept = layer.generator.random((len(x), width), np.float32) >= layer.p
            masks[len(masks) - 1 if masks else 0 :] = [kept / (1 - layer.p)]
    return masks


def example(inputs: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, inputs)), rng.integers(0, 4, n)


def shaken(model: MLP) -> MLP:
    """The model with biases, scales and shifts where an error could not hide."""
    rng = np.random.default_rng(9)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data = 0.5 + 0.3 * rng.standard_normal(parameter.shape)
    return model


OPTIONS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.5},
    {"input_dropout": 0.2},
    {"norm": "batch"},
    {"norm": "layer"},
    {"norm": "batch", "dropout": 0.3, "input_dropout": 0.1},
    {"norm": "layer", "dropout": 0.5, "input_dropout": 0.2},
]


SIZES = (5, 4), (6, 7, 4), (6, 8, 7, 4), (5, 6, 6, 6, 6, 4)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients(options: dict[str, Any]) -> None:
    for i, sizes in enumerate(SIZES):  # smoothed and not in turns
        check_gradients(options, sizes, 0.1 * ((i + OPTIONS.index(options)) % 2))


def check_gradients(options: dict[str, Any], sizes: tuple[int, ...], smoothing: float) -> None:
    model = shaken(MLP(sizes, seed=3, dtype=np.float64, **options))
    x, y = example(sizes[0], 9, 4)
    for _ in range(2):
        masks = drawn(model, x)
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(tg.Tensor(x)), y, label_smoothing=smoothing)
        loss.backward()
        hand_loss, hand = regularised(
            [p.numpy() for p in model.parameters()], x, y,
            norm=options.get("norm"), masks=masks, label_smoothing=smoothing,
        )  # fmt: skip
        assert loss.item() == pytest.approx(hand_loss, rel=1e-13)
        for ours, theirs in zip(model.parameters(), hand, strict=True):
            # behind a batch norm the true gradient of a bias is 0: held against its terms
            scale = max(np.abs(theirs).max(), 1e-2)
            assert np.abs(ours.grad.numpy() - theirs).max() <= TOLERANCE * scale


def test_without_any_of_it_it_is_the_plain_network() -> None:
    model = shaken(MLP((5, 6, 4), seed=0, dtype=np.float64))
    x, y = example(5, 7, 1)
    parameters = [p.numpy() for p in model.parameters()]
    loss, gradients = regularised(parameters, x, y)
    plain_loss, plain = deep_relu(parameters, x, y)
    assert loss == pytest.approx(plain_loss, rel=1e-14)
    for a, b in zip(gradients, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_pencil_and_paper_against_central_differences(norm: str) -> None:
    x, y = example(4, 6, 2)
    model = shaken(MLP((4, 5, 4), norm=norm, seed=1, dtype=np.float64))
    parameters = [p.numpy() for p in model.parameters()]
    masks = [None, np.random.default_rng(0).integers(0, 2, (6, 5)) * 2.0]
    options: dict[str, Any] = {"norm": norm, "masks": masks, "label_smoothing": 0.2}
    _, gradients = regularised(parameters, x, y, **options)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in np.ndindex(parameter.shape):
            kept, ends = parameter[place], []
            for step in (1e-6, -1e-6):
                parameter[place] = kept + step
                ends.append(regularised(parameters, x, y, **options)[0])
            parameter[place] = kept
            slope = (ends[0] - ends[1]) / 2e-6
            assert slope == pytest.approx(gradient[place], rel=1e-6, abs=1e-8)
