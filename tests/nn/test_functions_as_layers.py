"""Modules and parameters that a function among the layers calls are trained and saved."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import data, nn, optim, training

X = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
Y = np.arange(12) % 2
GLOBAL = nn.Linear(3, 4, seed=0)


def encoder() -> nn.Linear:
    return nn.Linear(3, 4, seed=0)


class Holder:
    """An object that is called."""

    def __init__(self, inner: nn.Linear) -> None:
        self.inner = inner

    def __call__(self, x: Any) -> Any:
        return self.inner(x)

    def encode(self, x: Any) -> Any:
        return self.inner(x)


def nested(enc: nn.Linear) -> Callable[[Any], Any]:
    def inner(x: Any) -> Any:
        return enc(x)

    return lambda x: inner(x)


def decorated(enc: nn.Linear) -> Callable[[Any], Any]:
    def twice(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(fn)
        def run(x: Any) -> Any:
            return fn(x) * 2

        return run

    return twice(lambda x: enc(x))


def keyword(enc: nn.Linear) -> Callable[[Any], Any]:
    def run(x: Any, *, layer: nn.Linear = enc) -> Any:
        return layer(x)

    return run


def parameters(enc: nn.Linear) -> Callable[[Any], Any]:
    weight, bias = enc.weight, enc.bias
    return lambda x: x @ weight.T + bias


def apply(layer: Callable[[Any], Any], x: Any) -> Any:
    return layer(x)


WAYS: dict[str, Callable[[nn.Linear], Callable[[Any], Any]]] = {
    "bound call": lambda enc: enc.__call__,
    "bound forward": lambda enc: enc.forward,
    "lambda": lambda enc: lambda x: enc(x),
    "default": lambda enc: lambda x, layer=enc: layer(x),
    "keyword": keyword,
    "partial": lambda enc: functools.partial(apply, enc),
    "partial of a partial": lambda enc: functools.partial(functools.partial(apply, layer=enc)),
    "partial of a method": lambda enc: functools.partial(enc.forward),
    "object": Holder,
    "method of an object": lambda enc: Holder(enc).encode,
    "list": lambda enc: (lambda layers: lambda x: layers[0](x))([enc]),
    "dict": lambda enc: (lambda layers: lambda x: layers["a"](x))({"a": enc}),
    "nested": nested,
    "decorated": decorated,
    "parameters": parameters,
}  # fmt: skip


@for_each(WAYS)
def test_what_a_function_calls_is_trained_and_saved(way: str) -> None:
    enc = encoder()
    before = enc.weight.numpy()
    function = WAYS[way](enc)
    if isinstance(function, functools.partial) and "layer" in function.keywords:
        function = functools.partial(lambda x, layer: layer(x), layer=enc)
    net = nn.Sequential(function, nn.ReLU(), nn.Linear(4, 2, seed=1))
    assert {id(p) for p in enc.parameters()} < {id(p) for p in net.parameters()}
    assert len(net.parameters()) == len(net.state_dict()) == 4
    training.fit(net, data.batches(X, Y, 4, seed=0), optim.SGD(net.parameters(), 0.1), epochs=1)
    assert (enc.weight.numpy() != before).any()
    twin = nn.Sequential(WAYS[way](encoder()), nn.ReLU(), nn.Linear(4, 2, seed=2))
    twin.load_state_dict(net.state_dict())
    for (name, a), (_, b) in zip(net.named_parameters(), twin.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


def test_a_global_is_found_and_counts_once() -> None:
    net = nn.Sequential(lambda x: GLOBAL(x), nn.Linear(4, 4, seed=1), lambda h: h @ GLOBAL.weight)
    assert [name for name, _ in net.named_parameters()] == [
        "0.GLOBAL.weight", "0.GLOBAL.bias", "1.weight", "1.bias",
    ]  # fmt: skip
    net.eval()
    assert not GLOBAL.training
    net.train()


def test_functions_that_call_no_module_add_nothing() -> None:
    constant = tg.Tensor(np.ones(3, np.float32))
    frozen: list[Any] = [constant, np.tanh, nn.functional.gelu, np, tg, int]
    net = nn.Sequential(np.tanh, nn.functional.gelu, lambda x: x + constant, lambda x: frozen[1](x))
    assert net.state_dict() == {}
    assert repr(net).count("\n") == 5


def test_a_method_of_the_model_itself_is_a_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.scale = tg.Tensor(np.ones(3, np.float32), requires_grad=True)
            self.layers = nn.Sequential(self.scaled, nn.Linear(3, 2, seed=0))

        def scaled(self, x: Any) -> Any:
            return x * self.scale

        def forward(self, x: Any) -> Any:
            return self.layers(x)

    net = Net()
    assert list(net.state_dict()) == ["scale", "layers.1.weight", "layers.1.bias"]
    assert "scaled" in repr(net)
