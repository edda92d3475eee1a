"""HIPS/autograd: gradients of NumPy code; the update is plain NumPy."""

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from benchmarks.contenders.contender import SLOPE, Array, Contender, Task
from benchmarks.contenders.in_numpy import update
from models import by_hand


class Autograd(Contender):
    """``autograd.value_and_grad`` of the loss."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.parameters = [w.copy() for w in task.weights]
        self.adam = by_hand.AdamState.zeros(self.parameters)
        self.rate = task.rate
        self.value_and_grad: Any = autograd.value_and_grad(self._loss)
        self.load()

    def load(self) -> None:
        self.rows = np.arange(len(self.task.y))

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    def step(self) -> float:
        loss, gradients = self.value_and_grad(self.parameters)
        update(self.task.optimiser, self.parameters, gradients, self.adam, self.rate)
        return float(loss)

    def weights(self) -> list[Array]:
        return self.parameters

    def _loss(self, parameters: Any) -> Any:
        a, z = self.task.x, None
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            if z is not None:
                leaky = self.task.activation == "leaky_relu"
                a = anp.where(z > 0, z, SLOPE * z) if leaky else anp.maximum(z, 0)
            z = anp.dot(a, weight.T) + bias
        if self.task.loss == "squares":
            return anp.mean((z - self.task.y) ** 2)
        shifted = z - anp.max(z, axis=1, keepdims=True)
        log_sums = anp.log(anp.sum(anp.exp(shifted), axis=1))
        return anp.mean(log_sums - shifted[self.rows, self.task.y])
