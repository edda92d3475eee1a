"""Convolutional networks: the tasks, and the process that runs one contender on one of them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.contenders.contender import BETAS, EPS, Array
from benchmarks.contenders.worker import Worker, serve

Layer = tuple[str, tuple[int, ...]]
RATES = {"sgd": 1e-3, "adam": 1e-4}
SIDE = 28

# ("conv", (in, out, kernel, padding)), ("linear", (in, out)), ReLU, 2×2 maxima, flattening
NETWORKS: dict[str, list[Layer]] = {
    "LeNet-5": [
        ("conv", (1, 6, 5, 2)), ("relu", ()), ("pool", ()),
        ("conv", (6, 16, 5, 0)), ("relu", ()), ("pool", ()), ("flatten", ()),
        ("linear", (400, 120)), ("relu", ()), ("linear", (120, 84)), ("relu", ()),
        ("linear", (84, 10)),
    ],
    "32-64-128": [
        ("conv", (1, 32, 3, 0)), ("relu", ()), ("conv", (32, 64, 3, 0)), ("relu", ()),
        ("pool", ()), ("flatten", ()), ("linear", (9216, 128)), ("relu", ()), ("linear", (128, 10)),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Images:
    """A network, its weights [W, b, ...] with W (out, in, ...), an optimiser, and a batch."""

    layers: list[Layer]
    optimiser: str
    weights: list[Array]
    x: Array
    y: Array

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATES[self.optimiser]


def images(network: str, optimiser: str, batch: int = 64) -> Images:
    """The same weights and batch at each call; each image comes twice, with labels of its own."""
    rng = np.random.default_rng(0)
    weights: list[Array] = []
    for kind, sizes in NETWORKS[network]:
        if kind in ("conv", "linear"):
            kernel = sizes[2:3] * 2
            shape = (sizes[1], sizes[0], *kernel)
            limit = np.sqrt(6 / np.prod(shape[1:]))
            weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
            weights.append(np.zeros(sizes[1], np.float32))
    x = np.resize(rng.random((batch // 2, 1, SIDE, SIDE), np.float32), (batch, 1, SIDE, SIDE))
    return Images(NETWORKS[network], optimiser, weights, x, rng.integers(0, 10, batch))


def network(task: Images, nn: Any) -> Any:
    """The layers of PyTorch's ``nn``, or of this project's, which are called and made alike."""
    made: dict[str, Callable[..., Any]] = {
        "conv": lambda i, o, k, p: nn.Conv2d(i, o, k, padding=p), "linear": nn.Linear,
        "relu": nn.ReLU, "pool": lambda: nn.MaxPool2d(2), "flatten": nn.Flatten,
    }  # fmt: skip
    return nn.Sequential(*[made[kind](*sizes) for kind, sizes in task.layers])


def in_torch(task: Images, channels_last: bool = False, compiled: bool = False) -> Any:
    """A loop as in PyTorch's tutorials, with the fused optimisers."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = network(task, nn)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), task.weights, strict=True):
            parameter.copy_(torch.from_numpy(weight))
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)
    if channels_last:
        model, x = (v.to(memory_format=torch.channels_last) for v in (model, x))
    parameters = model.parameters()
    optimiser: Any
    if task.optimiser == "adam":
        optimiser = torch.optim.Adam(parameters, task.rate, betas=BETAS, eps=EPS, fused=True)
    else:
        optimiser = torch.optim.SGD(parameters, task.rate, fused=True)

    def forward(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(model(x), y)

    run: Any = torch.compile(forward) if compiled else forward

    def step() -> float:
        optimiser.zero_grad()
        loss = run(x, y)
        loss.backward()
        optimiser.step()
        return float(loss.item())

    return step


def in_jax(task: Images) -> Any:
    """The whole step compiled by XLA, images and weights in PyTorch's order."""
    import jax
    import jax.numpy as jnp

    from benchmarks.contenders.in_jax import adam

    def forward(weights: Any, x: Any, y: Any) -> Any:
        found = iter(weights)
        for kind, sizes in task.layers:
            if kind == "conv":
                pads = [(sizes[3],) * 2] * 2
                x = jax.lax.conv_general_dilated(x, next(found), (1, 1), pads)
                x = x + next(found)[:, None, None]
            elif kind == "linear":
                x = x @ next(found).T + next(found)
            elif kind == "pool":
                window = (1, 1, 2, 2)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
            else:
                x = jnp.maximum(x, 0) if kind == "relu" else x.reshape(len(x), -1)
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

    def train(weights: Any, state: Any, x: Any, y: Any) -> Any:
        loss, changes = jax.value_and_grad(forward)(weights, x, y)
        if task.optimiser == "adam":
            changes, state = adam(changes, state)
        return [p - task.rate * c for p, c in zip(weights, changes, strict=True)], state, loss

    compiled: Any = jax.jit(train, donate_argnums=(0, 1))
    weights: Any = [jnp.array(w) for w in task.weights]
    state: Any = ()
    if task.optimiser == "adam":
        state = (*jax.tree.map(jnp.zeros_like, (weights, weights)), jnp.zeros((), jnp.float32))
    x, y = jnp.array(task.x), jnp.array(task.y)

    def step() -> float:
        nonlocal weights, state
        weights, state, loss = compiled(weights, state, x, y)
        return float(loss)

    return step


def in_tinygrad_np(task: Images, replay: bool, fuse: bool = False) -> Any:
    """As the README writes it."""
    import tinygrad_np as tg
    from tinygrad_np import nn

    model = network(task, nn)
    model.load_state_dict(dict(zip(model.state_dict(), task.weights, strict=True)))
    kind: Any = {"sgd": tg.optim.SGD, "adam": tg.optim.Adam}[task.optimiser]
    optimiser = kind(model.parameters(), lr=task.rate)

    def train(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    run = tg.replay(train, fuse=fuse) if replay else train
    return lambda: float(run(task.x, task.y).item())


def by_hand(task: Images, products_only: bool = False) -> Any:
    """NumPy alone."""
    from benchmarks.contenders.images_by_hand import HandWritten

    made = HandWritten(task)
    if not products_only:
        return made.step
    made.step()  # products of what is in memory by chance may be of denormals
    return made.products


CONTENDERS: dict[str, Callable[[Images], Any]] = {
    "by hand": by_hand,
    "products alone": lambda task: by_hand(task, products_only=True),
    "replayed": lambda task: in_tinygrad_np(task, replay=True),
    "fused": lambda task: in_tinygrad_np(task, replay=True, fuse=True),
    "eager": lambda task: in_tinygrad_np(task, replay=False),
    "PyTorch": in_torch,
    "channels last": lambda task: in_torch(task, channels_last=True),
    "compiled": lambda task: in_torch(task, compiled=True),
    "JAX jit": in_jax,
}


class ImagesWorker(Worker):
    """As for the other networks; steps give the processor's time as well."""

    def make(self, contender: str, scenario: str, optimiser: str, choice: Any = None) -> Any:
        """Make a contender; the losses of its first steps."""
        del choice
        self.step = CONTENDERS[contender](images(scenario, optimiser))
        return {"losses": [self.step() for _ in range(5)]}

    def steps(self, count: int) -> Any:
        """Seconds a step, and seconds of all threads together."""
        self.step()
        start, worked = time.perf_counter(), time.process_time()
        for _ in range(count):
            self.step()
        worked = time.process_time() - worked
        return {"seconds": (time.perf_counter() - start) / count, "worked": worked / count}


if __name__ == "__main__":
    serve(ImagesWorker())
