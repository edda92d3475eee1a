"""The networks from primitives, those of layers and those by hand: the same numbers."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from models import cnn, mlp
from models.by_hand import BY_HAND
from models.by_hand_cnn import small_cnn
from tinygrad_np import nn
from tinygrad_np.run import networks

PACKAGE = Path(tg.__file__).parent
KINDS = {"relu": "relu", "leaky_relu": "leaky_relu", "tanh": "tanh", "sigmoid": None}


def settled(model: nn.Module) -> nn.Module:
    """The model with biases that are not 0, where an error could hide."""
    rng = np.random.default_rng(5)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data = 0.3 * rng.standard_normal(parameter.shape)
    return model


def results(model: nn.Module, loss: Any, x: np.ndarray, y: np.ndarray) -> list[Any]:
    """Logits, loss and every gradient."""
    logits = model(tg.Tensor(x))
    value = loss(logits, y)
    value.backward()
    gradients = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    assert len(gradients) == len(model.parameters())
    return [logits.numpy(), value.item(), *gradients]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("sizes", [(4, 3), (7, 6, 5), (9, 8, 6, 5, 4)], ids=str)
@pytest.mark.parametrize("activation", mlp.ACTIVATIONS)
def test_perceptrons(activation: str, sizes: tuple[int, ...]) -> None:
    primitive = settled(mlp.MLP(sizes, activation, seed=3, dtype=np.float64))
    layers = settled(networks.MLP(sizes, activation, seed=3, dtype=np.float64))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((11, sizes[0])), rng.integers(0, sizes[-1], 11)
    ours = results(primitive, mlp.cross_entropy, x, y)
    assert_same(ours, results(layers, nn.functional.cross_entropy, x, y))
    if (kind := KINDS[activation]) is not None:
        value, gradients = BY_HAND[kind]([p.numpy() for p in primitive.parameters()], x, y)
        assert_same(ours[1:], [value, *gradients])


def test_convolutional_networks() -> None:
    primitive = settled(cnn.CNN((3, 4), 6, seed=3, dtype=np.float64))
    layers = settled(networks.CNN((3, 4), 6, seed=3, dtype=np.float64))
    rng = np.random.default_rng(0)
    x, y = rng.random((5, 784)), rng.integers(0, 10, 5)
    ours = results(primitive, mlp.cross_entropy, x, y)
    assert_same(ours, results(layers, nn.functional.cross_entropy, x, y))


def test_one_convolution_by_hand() -> None:
    rng = np.random.default_rng(1)
    shapes = [(3, 2, 3, 3), (3,), (4, 12), (4,)]
    parameters = [rng.standard_normal(shape) for shape in shapes]
    x, y = rng.standard_normal((6, 2, 6, 6)), rng.integers(0, 4, 6)

    def loss(weight: Any, bias: Any, last: Any, last_bias: Any) -> Any:
        a = cnn.halved(cnn.relu(cnn.convolved(x, weight) + bias[:, None, None]))
        return mlp.cross_entropy(np.reshape(a, (6, -1)) @ last.T + last_bias, y)

    value, gradients = tg.value_and_grad(loss, argnums=(0, 1, 2, 3))(*parameters)
    hand, by_hand = small_cnn(parameters, x, y)
    assert_same([value, *gradients], [hand, *by_hand])


def test_float32_is_kept() -> None:
    x, y = np.ones((2, 784), np.float32), np.array([1, 2])
    for model in (mlp.MLP((784, 4, 10), seed=0), cnn.CNN((2, 2), 3, seed=0)):
        assert {np.asarray(r).dtype for r in results(model, mlp.cross_entropy, x, y)[2:]} == {
            np.dtype(np.float32)
        }


@pytest.mark.parametrize(("sizes", "activation"), [((4,), "relu"), ((4, 2), "swish")])
def test_refused(sizes: Any, activation: str) -> None:
    with pytest.raises(ValueError, match="give at least two sizes, and one of relu, leaky_relu"):
        mlp.MLP(sizes, activation)


@pytest.mark.parametrize("path", [mlp.__file__, cnn.__file__], ids=["mlp", "cnn"])
def test_of_the_networks_they_use_the_base_alone(path: str) -> None:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("tg.nn.")} == {"tg.nn.Module"}
    imports = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not any(name.startswith("tinygrad_np") for name in imports)


def test_the_package_imports_nothing_of_the_repository() -> None:
    theirs = re.compile(r"^\s*(from|import\b.*?[ ,])\s*(models|benchmarks)\b", re.MULTILINE)
    assert theirs.search("    import os, models.mlp") and theirs.search("from benchmarks import x")
    assert not theirs.search("from .models import x")
    for path in PACKAGE.rglob("*.py"):
        assert not theirs.search(path.read_text(encoding="utf-8")), path
