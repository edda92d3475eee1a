"""What a step may change: what its first run leaves, or leaves each time; eager beside replayed."""

import collections
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F
from tinygrad_np.training import fit


class Net(nn.Module):
    """One layer; ``forward`` does something beside it."""

    def __init__(self) -> None:
        self.layer = nn.Linear(4, 3, seed=0)
        self.table: Any = None
        self.cache: dict[Any, Any] = {}
        self.counts: Any = collections.defaultdict(lambda: 2.0)
        self.shape: Any = ()
        self.first = True
        self.parts = [Part(), Part()]

    @functools.cached_property
    def scale(self) -> Any:
        return np.full(3, 1.5)

    def forward(self, x: Any) -> Any:
        return self.layer(x)


class Part:
    """What a layer made for itself has."""

    made: Any = None
    level = 1.0


def table(self: Net, x: Any) -> Any:
    if self.table is None:
        self.table = np.linspace(0.5, 1.5, 3)
    return self.layer(x) * self.table


def tensor_of_a_size(self: Net, x: Any) -> Any:
    if len(x) not in self.cache:
        self.cache[len(x)] = tg.Tensor(np.arange(len(x), dtype=float)[:, None])
    return self.layer(x) + self.cache[len(x)]


def cached_property(self: Net, x: Any) -> Any:
    return self.layer(x) * self.scale


def default_of_a_dict(self: Net, x: Any) -> Any:
    return self.layer(x) * self.counts["first"]


def shape_of_the_last_batch(self: Net, x: Any) -> Any:
    self.shape = x.shape
    return self.layer(x)


def shape_that_is_read(self: Net, x: Any) -> Any:
    h = self.layer(x) if self.shape in ((), x.shape) else self.layer(x) * 0.5
    self.shape = x.shape
    return h


def flag(self: Net, x: Any) -> Any:
    h = self.layer(x) * (2.0 if self.first else 1.0)
    self.first = False
    return h


def parts_of_a_list(self: Net, x: Any) -> Any:
    for part in self.parts:
        if part.made is None:
            part.made = np.ones(3)
        x = x * part.level
    return self.layer(x) * self.parts[1].made


def computed_name(self: Net, x: Any) -> Any:
    name = f"made_for_{x.shape[1]}"
    if not hasattr(self, name):
        setattr(self, name, np.full(3, 0.5))
    return self.layer(x) * getattr(self, name)


def layer_made_late(self: Net, x: Any) -> Any:
    if self.table is None:
        self.table = tg.Tensor(np.full(3, 0.5), requires_grad=True)
    return self.layer(x) * self.table


WAYS = [
    table, tensor_of_a_size, cached_property, default_of_a_dict, shape_of_the_last_batch,
    shape_that_is_read, flag, parts_of_a_list, computed_name, layer_made_late,
]  # fmt: skip


def made(way: Callable[..., Any]) -> Net:
    net = type("Made", (Net,), {"forward": way})()
    assert isinstance(net, Net)
    return net


SIZES = [[6] * 9, [6, 6, 4] * 4, [6, 4] * 5]


@pytest.mark.parametrize(
    ("way", "sizes"),
    [(way, SIZES[(i + k) % 3]) for i, way in enumerate(WAYS) for k in range(2)],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_a_step_that_fills_what_it_keeps(way: Any, sizes: list[int]) -> None:
    results: list[list[Any]] = []
    for replayed in (False, True):
        net = made(way)
        optimiser = optim.SGD(net.layer.parameters(), 0.1)

        def step(x: Any, y: Any, net: Any = net, optimiser: Any = optimiser) -> Any:
            optimiser.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimiser.step()
            return loss

        run = tg.replay(step) if replayed else step
        rng = np.random.default_rng(0)
        found: list[Any] = []
        for n in sizes:
            x, y = rng.standard_normal((n, 4)), rng.integers(0, 3, n)
            out = run(x, y) if replayed else run(tg.Tensor(x), tg.Tensor(y))
            grads = [p.grad.numpy() for p in net.parameters()]  # type: ignore[union-attr]
            found += [out.numpy(), *grads, net.shape, net.first, len(net.cache), len(net.counts)]
        results.append(found)
        if replayed and not (sizes[:2] == [6, 4] and way.__name__.startswith("shape_")):
            assert run.program.runs > 1  # where the state differs in each call, it never is
    assert repr(results[0]) == repr(results[1])


@pytest.mark.parametrize("way", WAYS[:-1], ids=lambda way: way.__name__)
def test_fit_trains_it(way: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 3, 20)
    losses = []
    for replay in (True, False):
        net = made(way)
        batches = tg.data.batches(x, y, 8, seed=1)
        optimiser = optim.SGD(net.parameters(), 0.1)
        history = fit(net, batches, optimiser, epochs=3, replay=replay)
        losses.append([epoch.train_loss for epoch in history.epochs])
    assert losses[0] == losses[1]
