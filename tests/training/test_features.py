"""The outputs of any layer, without touching the network."""

from typing import Any

import numpy as np
import pytest

from tinygrad_np import nn, training
from tinygrad_np.training.features import leaf_layers
from tinygrad_np.training.scoring import EVALUATION_ROWS


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 6, seed=0), nn.ReLU(), nn.Dropout(0.5, seed=1), nn.Linear(6, 3, seed=2)
    )


X = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)


def test_features_are_the_outputs_of_the_layer() -> None:
    model = network()
    weight, bias = model[0].weight.numpy(), model[0].bias.numpy()
    before = X @ weight.T + bias
    np.testing.assert_allclose(training.features(model, X, "0"), before, rtol=1e-6)
    hidden = training.features(model, X, "1")
    np.testing.assert_allclose(hidden, np.maximum(before, 0), rtol=1e-6)
    np.testing.assert_array_equal(training.features(model, X, "2"), hidden)  # evaluation mode
    np.testing.assert_array_equal(training.features(model, X, "3"), training.predict(model, X))
    np.testing.assert_array_equal(training.features(model, X, ""), training.predict(model, X))
    assert hidden.dtype == np.float32


def test_more_rows_than_are_evaluated_at_once() -> None:
    x = np.random.default_rng(1).standard_normal((EVALUATION_ROWS + 5, 4)).astype(np.float32)
    found = training.features(network(), x, "1")
    assert found.shape == (EVALUATION_ROWS + 5, 6)
    np.testing.assert_allclose(found[-5:], training.features(network(), x[-5:], "1"), rtol=1e-5)


def test_the_model_is_left_as_it_is() -> None:
    model = network()
    model[2].eval()
    modes = [module.training for _, module in model.named_modules()]
    attributes = [set(vars(module)) for _, module in model.named_modules()]
    training.features(model, X, "1")
    assert [module.training for _, module in model.named_modules()] == modes
    assert [set(vars(module)) for _, module in model.named_modules()] == attributes


def test_layers_that_a_function_calls_are_left_as_they_are() -> None:
    inner = nn.Linear(4, 6, seed=0)
    model = nn.Sequential(lambda x: inner(x), nn.ReLU(), nn.Linear(6, 3, seed=1))
    before = dict(vars(inner))
    found = training.features(model, X, "0.inner")
    np.testing.assert_array_equal(found, inner(X).numpy())
    training.Histograms(model, X, np.zeros(7, int)).record(0)
    assert {name: vars(inner)[name] for name in before} == before
    assert "forward" not in vars(inner)
    doubled = inner.forward = lambda x: 2 * nn.Linear.forward(inner, x)  # type: ignore[method-assign]
    np.testing.assert_allclose(training.features(model, X, "0.inner"), 2 * found, rtol=1e-6)
    assert inner.forward is doubled


class Twice(nn.Module):
    """One layer called twice, one never, one that gives two things."""

    def __init__(self) -> None:
        self.shared = nn.Linear(4, 4, seed=0)
        self.unused = nn.Linear(4, 4, seed=1)
        self.pair = Pair()

    def forward(self, x: Any) -> Any:
        return self.pair(self.shared(self.shared(x)))[0]


class Pair(nn.Module):
    def forward(self, x: Any) -> Any:
        return x, x


def test_a_layer_that_is_called_twice_gives_its_last_output_and_a_pair_both() -> None:
    model = Twice()
    expected = training.predict(model, X)
    np.testing.assert_array_equal(training.features(model, X, "shared"), expected)
    np.testing.assert_array_equal(training.features(model, X, "pair"), (expected, expected))


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (network(), "4", "no layer '4'; the model has '', '0', '1', '2', '3'"),
        (Twice(), "unused", "layer 'unused' was not called"),
    ],
)
def test_what_is_refused(model: nn.Module, layer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training.features(model, X, layer)


def test_leaf_layers() -> None:
    assert leaf_layers(network()) == ["0", "1", "2", "3"]
    assert leaf_layers(Twice()) == ["shared", "unused", "pair"]
    assert leaf_layers(nn.Sequential(network(), nn.ReLU())) == ["0.0", "0.1", "0.2", "0.3", "1"]
    assert leaf_layers(nn.ReLU()) == [""]
