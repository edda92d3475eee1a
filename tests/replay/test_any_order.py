"""Whatever people do between replays, in any order: all is as in a world without them."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tests.replay.steps import network, rng
from tests.replay.twins import same
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F


class World:
    """A network under training by steps of several kinds, replayed or as they are."""

    def __init__(self, replayed: bool) -> None:
        self.model = network()
        self.optimiser: optim.Optimiser = optim.SGD(self.model.parameters(), 0.1, momentum=0.9)
        self.parameters = self.model.parameters()
        self.average = tg.Tensor(np.zeros((3,), "f4"))
        self.kept: list[Any] = []
        self.result: Any = None
        steps = [self.train, self.accumulate, self.evaluate, self.clip, self.by_hand]
        self.steps = [tg.replay(step) if replayed else step for step in steps]
        self.plain = steps
        self.replayed = replayed

    # The steps.

    def train(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimiser.step()
        return loss

    def accumulate(self, x: Any, y: Any) -> Any:
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        if loss.requires_grad:
            loss.backward()
        return loss, logits

    def evaluate(self, x: Any, _: Any) -> Any:
        with tg.no_grad():
            logits = self.model(x)
            self.average[...] = 0.5 * self.average + 0.5 * np.mean(logits, axis=0)
        return logits

    def clip(self, x: Any, y: Any) -> Any:
        self.model.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        for p in self.model.parameters():
            p.grad *= np.minimum(0.1 / np.sqrt(np.sum(np.square(p.grad))), 1.0)
        return loss

    def by_hand(self, x: Any, y: Any) -> Any:
        loss = F.cross_entropy(self.model(x), y)
        self.model.zero_grad()
        loss.backward()
        with tg.no_grad():
            for p in self.model.parameters():
                p -= 0.1 * p.grad
        return loss

    # What is seen of it.

    def state(self) -> list[Any]:
        found: list[Any] = [p.numpy() for p in self.parameters]
        for p in self.parameters:
            found.append(None if p.grad is None else p.grad.numpy())
        saved = leaves(self.optimiser.state_dict())
        results = self.result if isinstance(self.result, tuple) else (self.result,)
        found += [None if r is None else r.detach().numpy() for r in results]
        return [*found, *saved, self.average.numpy()]


def bytes_of(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join(map(bytes_of, value))
    return (value.detach().numpy() if isinstance(value, tg.Tensor) else np.array(value)).tobytes()


Action = Callable[[World, int], None]


def batch(k: int) -> list[np.ndarray]:
    n = 5 if k % 3 else 3
    return [rng(k).standard_normal((n, 4)).astype("f4"), rng(k).integers(0, 3, n)]


def run(world: World, k: int) -> None:
    step = world.steps[k % 5 if k < 40 else 0]
    given = batch(k // 5) if world.replayed else [tg.Tensor(a) for a in batch(k // 5)]
    world.result = step(*given)


def run_eager(world: World, k: int) -> None:
    world.result = world.plain[k % 5 if k < 40 else 0](*map(tg.Tensor, batch(k // 5)))


def chosen(world: World, k: int) -> tg.Tensor:
    return world.parameters[k % 4]


def keep_gradient(how: Callable[[tg.Tensor], Any]) -> Action:
    def action(world: World, k: int) -> None:
        g = chosen(world, k).grad
        if g is not None:
            world.kept.append(how(g))

    return action


def keep_result(world: World, _: int) -> None:
    result = world.result[0] if isinstance(world.result, tuple) else world.result
    if result is not None:
        world.kept.append(result.detach())


def forget(world: World, _: int) -> None:
    world.kept.clear()


def clear(world: World, _: int) -> None:
    world.optimiser.zero_grad()


def clear_one(world: World, k: int) -> None:
    chosen(world, k).grad = None


def update(world: World, _: int) -> None:
    world.optimiser.step()


def replace(world: World, k: int) -> None:
    p = chosen(world, k)
    p.data = np.array(rng(k).standard_normal(p.shape), p.dtype, order="CF"[k % 2])


def write(world: World, k: int) -> None:
    p = chosen(world, k)
    with tg.no_grad():
        if p.requires_grad:
            p[...] = p * 0.5


def write_raw(world: World, k: int) -> None:
    chosen(world, k).data[...] *= np.float32(0.75)


def load(world: World, k: int) -> None:
    world.model.load_state_dict(network(k).state_dict())


def give_gradient(world: World, k: int) -> None:
    p = chosen(world, k)
    p.grad = tg.Tensor(rng(k).standard_normal(p.shape).astype(p.dtype))


def scale_gradient(world: World, k: int) -> None:
    p = chosen(world, k)
    if p.grad is not None:
        p.grad *= 0.5


def optimise_anew(world: World, k: int) -> None:
    kinds: list[Any] = [optim.SGD, optim.Adam]
    free = [p for p in world.parameters if p.requires_grad]
    world.optimiser = kinds[k % 2](free, 0.05)


def freeze(world: World, _: int) -> None:
    bias = world.parameters[1]
    bias.requires_grad = not bias.requires_grad


def another_layer(world: World, k: int) -> None:
    layer = nn.Linear(6, 3, seed=k)
    world.model.__setattr__("2", layer)
    world.parameters[2:] = layer.parameters()
    free = [p for p in world.parameters if p.requires_grad]
    world.optimiser = optim.SGD(free, 0.1, momentum=0.9)


ACTIONS: list[Action] = [
    *[run] * 12, run_eager, run_eager,
    keep_gradient(lambda g: g), keep_gradient(lambda g: g.data), keep_gradient(lambda g: g[0]),
    keep_gradient(lambda g: g.T), keep_gradient(np.asarray), keep_gradient(lambda g: g.detach()),
    keep_gradient(list), keep_gradient(lambda g: g[0:1].data), keep_result, forget, clear,
    clear_one, update, replace, write, write_raw, load, give_gradient, scale_gradient,
    optimise_anew, freeze, another_layer,
]  # fmt: skip


@for_each(range(6))
def test_any_order(seed: int) -> None:
    draw = random.Random(seed)
    # what is done, with which number, and whether all is looked at afterwards
    actions = [
        (draw.randrange(len(ACTIONS)), draw.randrange(100), draw.random() < 0.5) for _ in range(45)
    ]
    ours, plain = World(True), World(False)
    for number, k, looked in [*actions, (0, 0, True)]:
        ACTIONS[number](ours, k)
        ACTIONS[number](plain, k)
        pairs = zip(ours.state(), plain.state(), strict=True) if looked else ()
        for a, b in pairs:
            assert same(a, b), (ACTIONS[number], k)
        for a, b in zip(ours.kept, plain.kept, strict=True):
            assert bytes_of(a) == bytes_of(b)


def test_what_steps_do_not_read_makes_no_capture() -> None:
    """Otherwise nothing above would be replayed."""
    world = World(True)
    for k in [0] * 6 + [5] * 6:
        run(world, k)
        world.kept.append(world.result.detach())
    [[first], [second]] = world.steps[0]._local.programs.values()
    assert (first.runs, second.runs) == (5, 5)
