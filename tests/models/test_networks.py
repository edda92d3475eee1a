"""The multi-layer perceptron: its shape, its seeds, its refusals."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.run.networks import ACTIVATIONS, MLP


def test_layers_and_parameters() -> None:
    model = MLP((7, 5, 4, 3), "tanh", seed=0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert {name: p.shape for name, p in model.named_parameters()} == {
        "layers.0.weight": (5, 7), "layers.0.bias": (5,),
        "layers.2.weight": (4, 5), "layers.2.bias": (4,),
        "layers.4.weight": (3, 4), "layers.4.bias": (3,),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda z: np.maximum(z, 0)),
        ("leaky_relu", lambda z: np.where(z > 0, z, 0.01 * z)),
        ("tanh", np.tanh),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward(activation: str, function: Any, dtype: Any) -> None:
    model = MLP((6, 5, 4, 3), activation, seed=0, dtype=dtype)
    x = np.random.default_rng(1).standard_normal((9, 6)).astype(dtype)
    w1, b1, w2, b2, w3, b3 = (p.numpy() for p in model.parameters())
    expected = function(function(x @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    logits = model(tg.Tensor(x))
    assert logits.dtype == dtype
    np.testing.assert_allclose(
        logits.numpy(), expected, rtol=1e-4 if dtype == np.float32 else 1e-12
    )


def test_one_layer_is_linear() -> None:
    assert [type(layer).__name__ for layer in MLP((4, 2), seed=0).layers] == ["Linear"]


def test_every_activation_is_a_module() -> None:
    for name, make in ACTIVATIONS.items():
        assert isinstance(make(), nn.Module)
        assert len(MLP((4, 3, 2), name, seed=0).layers) == 3


def test_seeds_and_initialisation() -> None:
    def weights(**options: Any) -> list[np.ndarray]:
        return [p.numpy() for p in MLP((6, 5, 5), **options).parameters()]

    same = zip(weights(seed=3), weights(seed=np.random.default_rng(3)), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)
    assert not np.array_equal(weights(seed=3)[0], weights(seed=4)[0])
    rng = np.random.default_rng(3)
    for initial in (nn.init.he_uniform, nn.init.xavier_normal):
        rng = np.random.default_rng(3)
        first, bias, second, _ = weights(seed=3, initial=initial)
        np.testing.assert_array_equal(first, initial((5, 6), rng))
        np.testing.assert_array_equal(second, initial((5, 5), rng))
        np.testing.assert_array_equal(bias, np.zeros(5))


@pytest.mark.parametrize(
    ("sizes", "activation", "message"),
    [
        ((), "relu", r"at least two sizes above 0, not \(\)"),
        ((4,), "relu", "at least two sizes"),
        ((4, 0, 2), "relu", r"not \(4, 0, 2\)"),
        ((4, 2), "swish", "activation 'swish'; known are relu, leaky_relu"),
    ],
)
def test_refused(sizes: Any, activation: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(sizes, activation, seed=0)
