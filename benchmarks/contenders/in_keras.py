"""Keras: ``train_on_batch`` of a compiled model."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from benchmarks.contenders.contender import BETAS, EPS, SLOPE, Array, Contender, Task


class Keras(Contender):
    """A ``Sequential`` of Dense layers, given the plain arrays at each step."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model: Any = keras.Sequential([keras.Input((task.sizes[0],))])
        for width in task.sizes[1:-1]:
            self.model.add(keras.layers.Dense(width))
            leaky = task.activation == "leaky_relu"
            self.model.add(
                keras.layers.LeakyReLU(SLOPE) if leaky else keras.layers.Activation("relu")
            )
        self.model.add(keras.layers.Dense(task.sizes[-1]))
        if task.optimiser == "adam":
            optimiser = keras.optimizers.Adam(task.rate, *BETAS, epsilon=EPS)
        else:
            optimiser = keras.optimizers.SGD(task.rate)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if task.loss == "squares":
            loss = keras.losses.MeanSquaredError()
        self.model.compile(optimiser, loss)
        self._start()

    def _start(self) -> None:
        weights = zip(self.task.weights[::2], self.task.weights[1::2], strict=True)
        self.model.set_weights([w for weight, bias in weights for w in (weight.T, bias)])

    def load(self) -> None:
        """The arrays are given to each call."""

    def set_rate(self, rate: float) -> None:
        self.model.optimizer.learning_rate = rate

    def step(self) -> float:
        return float(self.model.train_on_batch(self.task.x, self.task.y))

    def fresh(self) -> Contender:
        """In place: another model would be compiled anew."""
        self._start()
        for variable in self.model.optimizer.variables:
            if variable is not self.model.optimizer.learning_rate:
                variable.assign(variable.value * 0)
        return self

    def weights(self) -> list[Array]:
        return [w.T for w in self.model.get_weights()]
