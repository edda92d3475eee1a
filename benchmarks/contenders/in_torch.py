"""PyTorch: eager, and compiled by TorchInductor."""

import os
from typing import Any

import torch

from benchmarks.contenders.contender import BETAS, EPS, SLOPE, Array, Contender, Task


class TorchEager(Contender):
    """A loop as in PyTorch's tutorials, with the fused optimisers."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.network = network(task)
        parameters: Any = self.network.parameters()
        self.optimiser: Any
        if task.optimiser == "adam":
            self.optimiser = torch.optim.Adam(
                parameters, task.rate, betas=BETAS, eps=EPS, fused=True
            )
        else:
            self.optimiser = torch.optim.SGD(parameters, task.rate, fused=True)
        functional: Any = torch.nn.functional
        self.loss = functional.mse_loss if task.loss == "squares" else functional.cross_entropy
        self.forward: Any = self._forward
        self.load()

    def load(self) -> None:
        self.x, self.y = torch.from_numpy(self.task.x), torch.from_numpy(self.task.y)

    def set_rate(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def step(self) -> float:
        self.optimiser.zero_grad()
        loss = self.forward(self.x, self.y)
        loss.backward()
        self.optimiser.step()
        return float(loss.item())

    def weights(self) -> list[Array]:
        return [p.detach().numpy().copy() for p in self.network.parameters()]

    def _forward(self, x: Any, y: Any) -> Any:
        return self.loss(self.network(x), y)


class TorchCompiled(TorchEager):
    """``torch.compile`` on forward and loss, whose backward is compiled with them.

    The fused update is one kernel already and stays as it is.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.forward = torch.compile(self._forward)

    def fresh(self) -> Contender:
        """In place: what is compiled belongs to these parameters."""
        with torch.no_grad():
            for theirs, ours in zip(self.network.parameters(), self.task.weights, strict=True):
                theirs.copy_(torch.from_numpy(ours))
        for state in self.optimiser.state.values():
            for value in state.values():
                value.zero_()
        return self


def network(task: Task) -> Any:
    """Linear layers with an activation between each two, and the task's weights."""
    layers: list[Any] = []
    for fan_in, fan_out in zip(task.sizes[:-1], task.sizes[1:], strict=True):
        leaky = task.activation == "leaky_relu"
        layers += [
            torch.nn.Linear(fan_in, fan_out),
            torch.nn.LeakyReLU(SLOPE) if leaky else torch.nn.ReLU(),
        ]
    built = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for theirs, ours in zip(built.parameters(), task.weights, strict=True):
            theirs.copy_(torch.from_numpy(ours))
    return built
