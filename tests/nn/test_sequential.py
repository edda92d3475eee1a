"""Sequential: modules and functions in one row, numbered by position; everything else by name."""

import copy
import functools
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim, training
from tinygrad_np.nn import functional as F

X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def double(x: Any) -> Any:
    return x * 2


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 3, seed=0),
        np.tanh,
        functools.partial(F.leaky_relu, negative_slope=0.2),
        nn.Linear(3, 2, seed=1),
        F.relu,
        double,
    )


def by_hand(net: nn.Sequential, x: Any) -> Any:
    first, last = net[0], net[3]
    return double(F.relu(last(F.leaky_relu(np.tanh(first(x)), 0.2))))


def test_functions_are_layers() -> None:
    net = network()
    np.testing.assert_array_equal(net(X).numpy(), by_hand(net, X).numpy())
    net(X).sum().backward()
    of_first = tg.grad(
        lambda w: np.sum(double(F.relu(net[3](F.leaky_relu(np.tanh(F.linear(X, w)), 0.2)))))
    )
    np.testing.assert_array_equal(
        net[0].weight.grad.numpy(), of_first(net[0].weight.numpy()).numpy()
    )
    assert len(net) == 6
    assert list(net)[1] is net[1] is np.tanh
    assert net[-1] is double
    assert net(X).dtype == np.float32


def test_names_count_functions_too() -> None:
    assert list(network().state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert repr(network()) == (
        "Sequential(\n  (0): Linear(4, 3)\n  (1): tanh\n  (2): leaky_relu\n  (3): Linear(3, 2)\n"
        "  (4): relu\n  (5): double\n)"
    )


def test_a_slice_is_a_sequential_under_the_same_names() -> None:
    net = network()
    head, tail = net[:3], net[3:]
    assert (len(head), len(tail), len(net[:0])) == (3, 3, 0)
    np.testing.assert_array_equal(tail(head(X)).numpy(), net(X).numpy())
    assert list(tail.state_dict()) == ["3.weight", "3.bias"]
    assert tail.parameters()[0] is net[3].weight


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_have_functions(copied: Any) -> None:
    net = network()
    other = copied(net)
    np.testing.assert_array_equal(other(X).numpy(), net(X).numpy())
    assert other[1] is np.tanh
    assert other[0].weight is not net[0].weight


def test_a_module_may_stand_twice() -> None:
    shared = nn.Linear(4, 4, seed=0)
    net = nn.Sequential(shared, np.tanh, shared)
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    np.testing.assert_array_equal(net(X).numpy(), shared(np.tanh(shared(X))).numpy())
    net(X).sum().backward()
    whole = tg.grad(lambda w: np.sum(F.linear(np.tanh(F.linear(X, w, shared.bias)), w)))
    assert shared.weight.grad is not None
    np.testing.assert_allclose(
        shared.weight.grad.numpy(), whole(shared.weight.numpy()).numpy(), rtol=1e-5, atol=1e-6
    )


def test_graph_shows_functions() -> None:
    source = tg.draw.graph(network(), X).source
    for operation in ("tanh", "leaky_relu(·, slope=0.2)", "relu", "· × 2"):
        assert f"<b>{operation}</b>" in source


def test_functions_train_replayed_as_eager() -> None:
    y = (X.sum(axis=1) > 0).astype(np.int64)
    found = []
    for replay in (True, False):
        net = network()
        history = training.fit(
            net, [(X, y)] * 4, optim.SGD(net.parameters(), 0.1), epochs=2, replay=replay
        )
        found.append([*net.state_dict().values(), history[-1].train_loss])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


MODULE_OR = "give a module such as nn.ReLU(), or a function of one array such as np.tanh."
REFUSED = {
    "class": (nn.Tanh, "the class nn.Tanh; write nn.Tanh()"),
    "class with arguments": (nn.Linear, "the class nn.Linear; write nn.Linear()"),
    "other class": (np.float32, "the dtype float32; give each layer its dtype=float32."),
    "list": ([nn.ReLU()], "of type list; unpack it: Sequential(*layers)."),
    "tuple": ((np.tanh,), "of type tuple; unpack it: Sequential(*layers)."),
    "generator": ((f for f in [np.tanh]), "of type generator; unpack it: Sequential(*layers)."),
    "dict": ({"a": np.tanh}, "of type dict; unpack it: Sequential(*layers.values())."),
    "word": ("relu", f"'relu'; {MODULE_OR}"),
    "number": (64, f"64; {MODULE_OR}"),
    "nothing": (None, f"None; {MODULE_OR}"),
    "array": (X, f"a ndarray of shape (6, 4); {MODULE_OR}"),
    "tensor": (tg.Tensor(X), f"a Tensor of shape (6, 4); {MODULE_OR}"),
    "namespace": (F, f"of type module; {MODULE_OR}"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("place", [0, 1])
def test_everything_else_is_refused_by_name_and_position(
    given: Any, message: str, place: int
) -> None:
    with pytest.raises(TypeError) as caught:
        nn.Sequential(*[nn.ReLU()] * place, given)
    assert str(caught.value).startswith(f"Sequential: layer {place} is {message}")


class Blocks(nn.Module):
    """Functions among the layers of a list; its forward pass takes an option."""

    def __init__(self) -> None:
        self.layers: list[Any] = [nn.Linear(4, 3, seed=0), np.tanh, nn.Linear(3, 2, seed=1)]
        self.activation = np.tanh
        self.kinds = [nn.ReLU]

    def forward(self, x: Any, scale: float = 1.0, *, shift: Any = 0.0) -> Any:
        for layer in self.layers:
            x = layer(x)
        return self.activation(x) * scale + shift


def test_functions_in_a_modules_lists_count_and_show() -> None:
    assert list(Blocks().state_dict()) == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"
    ]  # fmt: skip
    assert repr(Blocks()) == (
        "Blocks(\n  (layers.0): Linear(4, 3)\n  (layers.1): tanh\n  (layers.2): Linear(3, 2)\n)"
    )


def test_modules_take_keyword_arguments() -> None:
    net = Blocks()
    shift = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    np.testing.assert_array_equal(
        net(X, scale=3.0, shift=shift).numpy(), (net(X) * 3 + shift).numpy()
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'factor'"):
        net(X, factor=2.0)
