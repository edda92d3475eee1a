"""This project: as the tape records it at each step, and replayed."""

from typing import Any, ClassVar

import numpy as np

import tinygrad_np as tg
from benchmarks.contenders.contender import BETAS, EPS, Array, CannotExpressError, Contender, Task
from tinygrad_np import nn, optim
from tinygrad_np.run.networks import MLP


class Eager(Contender):
    """``tinygrad_np`` with nothing captured."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model = MLP(task.sizes, task.activation, seed=0)
        names = [name for name, _ in self.model.named_parameters()]
        self.model.load_state_dict(dict(zip(names, task.weights, strict=True)))
        self.optimiser: optim.Optimiser
        if task.optimiser == "adam":
            self.optimiser = optim.Adam(self.model.parameters(), task.rate, BETAS, EPS)
        else:
            self.optimiser = optim.SGD(self.model.parameters(), task.rate)
        self.loss: Any = nn.functional.cross_entropy
        if task.loss == "squares":
            self.loss = nn.functional.mse_loss
        self.load()

    def load(self) -> None:
        self.x = tg.Tensor(self.task.x)

    def set_rate(self, rate: float) -> None:
        self.optimiser.lr = rate

    def train_step(self, x: Any, y: Any) -> Any:
        """The loop's body, as the README has it."""
        self.optimiser.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimiser.step()
        return loss

    def step(self) -> float:
        return float(self.train_step(self.x, self.task.y).item())

    def weights(self) -> list[Array]:
        return [np.array(p.numpy()) for p in self.model.parameters()]


class Replayed(Eager):
    """``tg.replay`` on the same body, called with plain arrays."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, task: Task) -> None:
        if not hasattr(tg, "replay"):
            raise CannotExpressError("this version of tinygrad_np has no replay yet")
        super().__init__(task)
        # a step is what is measured; checks, at calls 2, 4, 8 …, are in time_to_accuracy.py
        self.replayed: Any = tg.replay(self.train_step, verify=10**9, **self.options)

    def load(self) -> None:
        """The arrays are given to each call."""

    def step(self) -> float:
        return float(self.replayed(self.task.x, self.task.y).item())


class Fused(Replayed):
    """The same with ``fuse=True``."""

    options: ClassVar[dict[str, Any]] = {"fuse": True}
