"""MyGrad: Tensors on NumPy; the update is plain NumPy."""

from typing import Any

import mygrad
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.contenders.contender import SLOPE, Array, Contender, Task
from benchmarks.contenders.in_numpy import update
from models import by_hand


class MyGrad(Contender):
    """With its fused loss and activations, and without memory guards, as its page on speed says."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        mygrad.turn_memory_guarding_off()
        self.parameters: Any = [mygrad.tensor(w.copy()) for w in task.weights]
        self.adam = by_hand.AdamState.zeros([p.data for p in self.parameters])
        self.rate = task.rate

    def load(self) -> None:
        """Nothing is kept of a batch."""

    def set_rate(self, rate: float) -> None:
        self.rate = rate

    def step(self) -> float:
        loss = self._loss()
        loss.backward()
        values = [p.data for p in self.parameters]
        gradients = [p.grad for p in self.parameters]
        update(self.task.optimiser, values, gradients, self.adam, self.rate)
        for parameter in self.parameters:
            parameter.null_grad()
        return float(loss.item())

    def weights(self) -> list[Array]:
        return [p.data.copy() for p in self.parameters]

    def _loss(self) -> Any:
        a: Any = self.task.x
        weights, biases = self.parameters[::2], self.parameters[1::2]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            z = mygrad.matmul(a, weight.T) + bias
            leaky = self.task.activation == "leaky_relu"
            a = mygrad.where(z > 0, z, SLOPE * z) if leaky else relu(z)
        z = mygrad.matmul(a, weights[-1].T) + biases[-1]
        if self.task.loss == "squares":
            return mygrad.mean((z - self.task.y) ** 2)
        return softmax_crossentropy(z, self.task.y)
