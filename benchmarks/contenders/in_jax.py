"""JAX: the whole step compiled by XLA, the old parameters' memory given to the new ones."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders.contender import BETAS, EPS, SLOPE, Array, Contender, Task


class JaxJit(Contender):
    """``jax.jit`` of ``value_and_grad`` and the update."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.compiled: Any = jax.jit(partial(train_step, task), donate_argnums=(0, 1))
        self._start()

    def _start(self) -> None:
        self.parameters: Any = [jnp.array(w) for w in self.task.weights]
        self.state: Any = ()
        if self.task.optimiser == "adam":
            zeros = jax.tree.map(jnp.zeros_like, (self.parameters, self.parameters))
            self.state = (*zeros, jnp.zeros((), jnp.float32))
        self.set_rate(self.task.rate)
        self.load()

    def load(self) -> None:
        self.x, self.y = jnp.array(self.task.x), jnp.array(self.task.y)

    def set_rate(self, rate: float) -> None:
        self.rate = jnp.float32(rate)

    def step(self) -> float:
        self.parameters, self.state, loss = self.compiled(
            self.parameters, self.state, self.rate, self.x, self.y
        )
        return float(loss)

    def weights(self) -> list[Array]:
        return [np.array(w) for w in self.parameters]

    def fresh(self) -> Contender:
        self._start()
        return self


def train_step(task: Task, parameters: Any, state: Any, rate: Any, x: Any, y: Any) -> Any:
    """The new parameters and state, and the loss of the old ones."""
    loss, gradients = jax.value_and_grad(partial(loss_of, task))(parameters, x, y)
    if task.optimiser == "adam":
        changes, state = adam(gradients, state)
    else:
        changes = gradients
    return jax.tree.map(lambda p, change: p - rate * change, parameters, changes), state, loss


def loss_of(task: Task, parameters: Any, x: Any, y: Any) -> Any:
    """Forward and loss; weights (out, in), which took a third less than (in, out) at 1,000 rows."""
    weights, biases = parameters[::2], parameters[1::2]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = x @ weight.T + bias
        x = jax.nn.leaky_relu(x, SLOPE) if task.activation == "leaky_relu" else jax.nn.relu(x)
    z = x @ weights[-1].T + biases[-1]
    if task.loss == "squares":
        return jnp.mean((z - y) ** 2)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))


def adam(gradients: Any, state: Any) -> Any:
    """m̂ / (√v̂ + ε) and the new m, v, t."""
    (beta1, beta2), (m, v, t) = BETAS, state
    t = t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradients)
    first, second = 1 / (1 - beta1**t), 1 / (1 - beta2**t)
    return jax.tree.map(lambda m, v: m * first / (jnp.sqrt(v * second) + EPS), m, v), (m, v, t)
