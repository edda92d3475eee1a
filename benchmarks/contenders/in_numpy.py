"""The textbook loop: plain NumPy, nothing preallocated."""

import numpy as np

from benchmarks.contenders.contender import BETAS, EPS, SLOPE, Array, Contender, Task
from models import by_hand


class Plain(Contender):
    """Pencil and paper, with the losses and updates of ``models.by_hand``."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.parameters = [w.copy() for w in task.weights]
        self.adam = by_hand.AdamState.zeros(self.parameters)
        self.rate = task.rate

    def load(self) -> None:
        """Nothing is kept of a batch."""

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    def step(self) -> float:
        inputs, outputs = self._forward()
        loss, dz = self._loss(outputs[-1])
        gradients = self._backward(inputs, outputs, dz)
        update(self.task.optimiser, self.parameters, gradients, self.adam, self.rate)
        return loss

    def weights(self) -> list[Array]:
        return self.parameters

    def _forward(self) -> tuple[list[Array], list[Array]]:
        """[A₀ … A_L₋₁] and [Z₁ … Z_L]."""
        inputs, outputs = [self.task.x], list[Array]()
        for weight, bias in zip(self.parameters[::2], self.parameters[1::2], strict=True):
            if outputs:
                z = outputs[-1]
                leaky = self.task.activation == "leaky_relu"
                inputs.append(np.where(z > 0, z, SLOPE * z) if leaky else np.maximum(z, 0))
            outputs.append(inputs[-1] @ weight.T + bias)
        return inputs, outputs

    def _loss(self, z: Array) -> tuple[float, Array]:
        if self.task.loss == "cross_entropy":
            return by_hand.softmax_cross_entropy(z, self.task.y)
        residual = z - self.task.y
        return float(np.mean(residual**2)), 2 / len(z) * residual

    def _backward(self, inputs: list[Array], outputs: list[Array], dz: Array) -> list[Array]:
        slope = SLOPE if self.task.activation == "leaky_relu" else 0.0
        gradients: list[Array] = []
        for index in reversed(range(len(inputs))):
            gradients += [dz.sum(axis=0), dz.T @ inputs[index]]
            if index:
                da = dz @ self.parameters[2 * index]
                dz = np.where(outputs[index - 1] > 0, da, slope * da)
        return gradients[::-1]


def update(
    optimiser: str,
    parameters: list[Array],
    gradients: list[Array],
    adam: by_hand.AdamState,
    rate: float,
) -> None:
    """One step of the optimiser, in place; for the libraries that have none of their own, too."""
    if optimiser == "adam":
        by_hand.adam_step(parameters, gradients, adam, rate, BETAS, EPS)
    else:
        by_hand.sgd_step(parameters, gradients, rate)
