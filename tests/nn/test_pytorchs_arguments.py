"""Arguments of layers by PyTorch's names: values and gradients beside PyTorch's, and the names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim

RNG = np.random.default_rng(3)
X = 2 * RNG.standard_normal((2, 3, 4, 5))
SEQUENCES = RNG.standard_normal((2, 3, 9))
Row = tuple[str, dict[str, Any], np.ndarray]
ROWS: list[Row] = [
    ("Softplus", {"beta": 2.5}, X),
    ("Softplus", {"beta": 0.5, "threshold": 0.4}, X),
    ("Flatten", {"start_dim": 2}, X),
    ("Flatten", {"start_dim": 0, "end_dim": -2}, X),
    ("Flatten", {"start_dim": -3, "end_dim": 2}, X),
    ("MaxPool1d", {"kernel_size": 2}, SEQUENCES),
    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, SEQUENCES),
    ("MaxPool1d", {"kernel_size": 2, "dilation": 3}, SEQUENCES),
    ("AvgPool1d", {"kernel_size": 2}, SEQUENCES),
    ("AvgPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, SEQUENCES),
    ("AvgPool1d", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, SEQUENCES),
]


@pytest.mark.parametrize(("name", "options", "x"), ROWS)
def test_values_and_gradients_are_pytorchs(name: str, options: Any, x: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    mine, twin = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    layer = getattr(nn, name)(**options)
    ours, theirs = layer(mine), getattr(torch.nn, name)(**options)(twin)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12)
    (ours**2).sum().backward(), (theirs**2).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), twin.grad.numpy(), rtol=1e-10)
    shown = repr(layer)
    for option, value in options.items():
        assert option == "kernel_size" or f"{option}={value}" in shown
    replayed = tg.replay(tg.grad(lambda x: (layer(x) ** 2).sum()))
    for _ in range(3):
        np.testing.assert_array_equal(replayed(x), mine.grad.numpy())


@pytest.mark.parametrize("padding", [1, -2])
def test_the_row_of_padding_is_zero_and_stays(padding: int) -> None:
    torch = pytest.importorskip("torch")
    indices = np.array([[1, 2, 0], [2, 2, 1]])
    layer = nn.Embedding(3, 4, padding, seed=0)
    assert not layer.weight.numpy()[1].any()
    twin = torch.nn.Embedding(3, 4, padding_idx=padding)
    twin.load_state_dict({"weight": torch.tensor(layer.weight.numpy())})
    scale = RNG.standard_normal((2, 3, 4)).astype(np.float32)
    (layer(indices) * scale).sum().backward()
    (twin(torch.tensor(indices)) * torch.tensor(scale)).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy(), twin.weight.grad.numpy())
    assert repr(layer) == "Embedding(3, 4, padding_idx=1)"


PARAMS = [tg.Tensor([1.0], requires_grad=True)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(3, 4, 3), ValueError, r"padding_idx=3\): an int from -3 to 2"),
        (lambda: nn.Flatten(3)(np.ones((2, 3))), tg.ShapeError, "no axes from 3"),
        (lambda: nn.Softplus(beta=0), ValueError, "beta.*above 0"),
        (lambda: nn.MaxPool1d(2)(np.ones((1, 2, 3, 4))), tg.ShapeError, r"\(n, channels, length"),
        (lambda: optim.Adam(PARAMS, 0.1, amsgrad=True), TypeError, "'amsgrad'; there is none"),
        (lambda: optim.SGD(PARAMS, 0.1, dampening=0.1), TypeError, "'dampening'; there is none"),
        (lambda: optim.SGD(PARAMS, 0.1, maximize=True), TypeError, "the loss with a minus"),
        (lambda: nn.LSTM(2, 3, proj_size=1), TypeError, "'proj_size'"),
        (lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True), TypeError, "'add_bias_kv'"),
    ],
)
def test_what_is_not_there_is_named(call: Callable[[], Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
