"""Layers: what each computes, its derivatives to second order, its repr, its refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(3)
X = RNG.uniform(0.2, 2, (4, 5)) * RNG.choice([-1, 1], (4, 5))  # away from the kinks
IMAGES = RNG.standard_normal((2, 3, 4, 2))


def f64(**options: Any) -> nn.Linear:
    return nn.Linear(5, 3, seed=0, dtype=np.float64, **options)


# module, its repr, the function it is, an input, the order to which it is smooth
MODULES: list[tuple[nn.Module, str, Callable[[Any], Any], np.ndarray]] = [
    (nn.ReLU(), "ReLU()", lambda x: np.maximum(x, 0), X),
    (nn.LeakyReLU(), "LeakyReLU(0.01)", lambda x: np.where(x > 0, x, 0.01 * x), X),
    (nn.LeakyReLU(0.3), "LeakyReLU(0.3)", lambda x: np.where(x > 0, x, 0.3 * x), X),
    (nn.Tanh(), "Tanh()", np.tanh, X),
    (nn.Sigmoid(), "Sigmoid()", lambda x: 1 / (1 + np.exp(-x)), X),
    (nn.GELU("tanh"), "GELU(approximate='tanh')", lambda x: F.gelu(x, "tanh"), X),
    (nn.Softmax(), "Softmax(axis=-1)", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True), X),
    (nn.Softmax(0), "Softmax(axis=0)", lambda x: np.exp(x) / np.exp(x).sum(0), X),
    (nn.Identity(), "Identity()", lambda x: x, X),
    (nn.SiLU(), "SiLU()", lambda x: x / (1 + np.exp(-x)), X),
    (nn.Softplus(), "Softplus()", lambda x: np.log1p(np.exp(x)), X),
    (nn.ELU(0.7), "ELU(0.7)", lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)), X),
    (nn.Flatten(), "Flatten()", lambda x: x.reshape(2, 24), IMAGES),
    (f64(), "Linear(5, 3)", lambda x: x @ f64().weight.numpy().T, X),
    (f64(bias=False), "Linear(5, 3, bias=False)", lambda x: x @ f64().weight.numpy().T, X),
    (
        nn.Sequential(f64(), nn.Tanh()),
        "Sequential(\n  (0): Linear(5, 3)\n  (1): Tanh()\n)",
        lambda x: np.tanh(x @ f64().weight.numpy().T),
        X,
    ),
]
every = pytest.mark.parametrize(
    ("module", "shown", "function", "x"), MODULES, ids=[row[1].split("\n")[0] for row in MODULES]
)


@every
def test_value_and_repr(module: nn.Module, shown: str, function: Any, x: Any) -> None:
    np.testing.assert_allclose(module(tg.Tensor(x)).numpy(), function(x), rtol=1e-13, atol=1e-15)
    assert repr(module) == shown


@every
def test_derivatives(module: nn.Module, shown: str, function: Any, x: Any) -> None:
    """Order 2 by the input; order 1 by every parameter."""
    del shown, function
    tg.gradcheck(module, x, order=2)
    parameters = module.parameters()

    def of_parameters(*values: Any) -> Any:
        if isinstance(module, nn.Sequential):
            return np.tanh(F.linear(x, *values))
        return F.linear(x, *values)

    if parameters:
        tg.gradcheck(of_parameters, *[p.numpy() for p in parameters], order=2)


def test_exact_gelu() -> None:
    special = pytest.importorskip("scipy.special")
    assert repr(nn.GELU()) == "GELU(approximate='none')"
    expected = X * special.ndtr(X)
    np.testing.assert_allclose(nn.GELU()(tg.Tensor(X)).numpy(), expected, rtol=1e-13)
    tg.gradcheck(nn.GELU(), X, order=2)


def test_elu_at_its_kink_and_far_away() -> None:
    for alpha in (1.0, 0.7):
        slope = tg.grad(lambda x, a=alpha: np.sum(nn.ELU(a)(x)))(np.array([0.0, np.inf, -np.inf]))
        np.testing.assert_array_equal(slope, [alpha, 1, 0])


LABELS = np.array([4, 0, 2, 2])
LOSSES: list[tuple[str, Any, list[np.ndarray]]] = [
    ("cross_entropy", lambda x: F.cross_entropy(x, LABELS), [X]),
    ("nll_loss", lambda x: F.nll_loss(F.log_softmax(x), LABELS), [X]),
    ("mse_loss", F.mse_loss, [X, X[::-1] ** 2]),
    ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, [X, np.tanh(X) ** 2]),
]


@pytest.mark.parametrize(("loss", "arguments"), [r[1:] for r in LOSSES], ids=[r[0] for r in LOSSES])
def test_derivatives_of_losses(loss: Any, arguments: Any) -> None:
    tg.gradcheck(loss, *arguments, order=2)


@pytest.mark.parametrize("activation", [lambda: nn.GELU("tanh"), nn.ReLU])
def test_a_whole_network_to_second_order(activation: Any) -> None:
    rng = np.random.default_rng(2)
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(24, 4, seed=rng, dtype=np.float64),
        activation(),
        nn.Linear(4, 3, seed=rng, dtype=np.float64),
    )
    tg.gradcheck(lambda x: F.cross_entropy(net(x), np.array([2, 0])), IMAGES, order=2)


@pytest.mark.parametrize(
    ("shape", "flat"), [((2, 3, 4), (2, 12)), ((5,), (5, 1)), ((0, 3, 2), (0, 6)), ((2, 7), (2, 7))]
)
def test_flatten(shape: tuple[int, ...], flat: tuple[int, ...]) -> None:
    assert nn.Flatten()(tg.Tensor(np.ones(shape))).shape == flat


def test_linear_starts_he_uniform_with_biases_zero_in_float32() -> None:
    layer = nn.Linear(100, 50, seed=1)
    assert (layer.weight.shape, layer.bias.shape) == ((50, 100), (50,))
    assert {layer.weight.dtype, layer.bias.dtype} == {np.dtype(np.float32)}
    assert (layer.weight.name, layer.bias.name) == ("weight", "bias")
    np.testing.assert_array_equal(layer.bias.numpy(), np.zeros(50))
    np.testing.assert_array_equal(layer.weight.numpy(), nn.init.he_uniform((50, 100), 1))
    assert np.abs(layer.weight.numpy()).max() <= np.sqrt(6 / 100)
    wide = nn.Linear(100, 50, seed=1, dtype=np.float64, initial=nn.init.xavier_normal)
    np.testing.assert_array_equal(
        wide.weight.numpy(), nn.init.xavier_normal((50, 100), 1, dtype=np.float64)
    )


def test_seeds() -> None:
    a, b, c = (nn.Linear(4, 3, seed=s).weight.numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    rng = np.random.default_rng(0)
    first, second = (nn.Linear(4, 3, seed=rng).weight.numpy() for _ in range(2))
    np.testing.assert_array_equal(first, a)
    assert not np.array_equal(first, second)


def test_layers_do_not_touch_numpys_global_generator() -> None:
    before = np.random.get_state(legacy=True)[1].copy()  # type: ignore[index,union-attr]
    nn.Linear(4, 3)
    nn.Linear(4, 3, seed=0)
    np.testing.assert_array_equal(np.random.get_state(legacy=True)[1], before)  # type: ignore[index]


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 3), (3, -2)])
def test_linear_refuses_sizes_below_one(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"Linear\(\w+_features=(0|-1|-2)\): an int from 1 up"):
        nn.Linear(*sizes, seed=0)


def test_linear_refuses_integers_as_parameters() -> None:
    with pytest.raises(TypeError, match=r"a floating dtype such as np\.float32"):
        nn.Linear(3, 2, seed=0, dtype=np.int64)


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Linear(3, 4, seed=0), nn.ReLU(), nn.Linear(4, 2, seed=1)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[1] is layers[1]
    assert net[-1] is layers[2]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert nn.Sequential()(5) == 5


def test_a_layer_names_the_shapes_that_do_not_fit() -> None:
    net = nn.Sequential(nn.Linear(3, 4, seed=0), nn.ReLU(), nn.Linear(5, 2, seed=1))
    with pytest.raises(tg.ShapeError, match=r"x of shape \(7, 4\), weight \(2, 5\) and bias \(2,"):
        net(tg.Tensor(np.ones((7, 3))))
