"""One module in several threads: what changes it for the time of a call."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import nn

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


class Meeting(nn.Module):
    """Its first call waits until another thread has called it, or a moment for one that may not."""

    def __init__(self) -> None:
        self.inner = nn.Linear(3, 2, seed=0)
        self.outer = nn.Sequential(nn.Dropout(0.5, seed=0), nn.Linear(2, 2, seed=1))
        self.calls = [threading.Event(), threading.Event()]

    def forward(self, x: Any) -> Any:
        calls = [call for call in self.calls if not call.is_set()]
        for call in calls[:1]:
            call.set()
        if len(calls) == 2:
            calls[1].wait(0.05)
        return self.outer(self.inner(x))


def functional(model: Meeting, k: int) -> Any:
    params = {name: p.numpy() * np.float32(k) for name, p in model.named_parameters()}
    with tg.no_grad():
        return nn.functional_call(model.eval(), params, X).numpy()


def features(model: Meeting, k: int) -> Any:
    return tg.training.features(model, X * np.float32(k), "inner")


def predicted(model: Meeting, k: int) -> Any:
    return tg.training.predict(model, X * np.float32(k))


@for_each((functional, features, predicted))
def test_threads_share_a_module(call: Callable[[Meeting, int], Any]) -> None:
    expected = {k: call(Meeting(), k) for k in (1, 2)}
    model, found = Meeting(), {}
    modes = [part.training for _, part in model.named_modules()]
    before = [(name, id(tensor)) for name, tensor in model.named_tensors()]

    def work(k: int) -> None:
        found[k] = call(model, k)

    threads = [threading.Thread(target=work, args=(k,)) for k in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, value in expected.items():
        np.testing.assert_array_equal(found[k], value)
    assert [(name, id(tensor)) for name, tensor in model.named_tensors()] == before
    if call is not functional:
        assert [part.training for _, part in model.named_modules()] == modes


def test_features_beside_predictions() -> None:
    model = Meeting()
    expected = features(Meeting(), 1)
    beside = threading.Thread(target=predicted, args=(model, 3))
    beside.start()
    np.testing.assert_array_equal(features(model, 1), expected)
    beside.join()


class Again(nn.Module):
    """Calls itself with other parameters than it has been given."""

    def __init__(self) -> None:
        self.inner = nn.Linear(3, 2, bias=False, seed=0)

    def forward(self, x: Any, depth: int = 2) -> Any:
        y = self.inner(x)
        if not depth:
            return y
        params = {"inner.weight": self.inner.weight * 3}
        return y + nn.functional_call(self, params, x, depth=depth - 1) + self.inner(x)


def test_nested_functional_calls() -> None:
    net = Again()
    own = net.inner.weight
    expected = X @ own.numpy().T * (2 + 3 * (2 + 3))
    np.testing.assert_allclose(net(X).numpy(), expected, rtol=1e-5)
    given = {"inner.weight": own * 2}  # a result
    found = nn.functional_call(net, given, X).numpy()
    np.testing.assert_allclose(found, 2 * expected, rtol=1e-5)
    assert net.inner.weight is own
