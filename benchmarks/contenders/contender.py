"""What all contenders have in common: the task they are given, and the step they take."""

import abc
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

SLOPE = 0.01  # of leaky ReLU
BETAS = (0.9, 0.999)
EPS = 1e-8


class CannotExpressError(Exception):
    """Raised by a contender for a network, loss or optimiser that its library does not have."""


@dataclass(frozen=True)
class Task:
    """A network, how it is trained, and the batch; all that a contender is told.

    ``activation`` is "relu" or "leaky_relu"; ``loss`` is "cross_entropy" (softmax, the mean over
    the rows, ``y`` (n,) int64) or "squares" (the mean of squares, ``y`` (n, 1) float32);
    ``optimiser`` is "sgd" or "adam". ``weights`` are [W₁, b₁, W₂, …], Wₗ (out, in) float32, and
    are copied; ``x`` is (n, sizes[0]) float32.
    """

    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimiser: str
    rate: float
    weights: Sequence[Array]
    x: Array
    y: Array


class Contender(abc.ABC):
    """A network under training on the batch of its task, one ``step`` at a time.

    The batch is what ``task.x`` and ``task.y`` held when the contender was made or ``load`` was
    called last. Raises CannotExpressError for a task that the library has no means for.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    @abc.abstractmethod
    def load(self) -> None:
        """Take over the batch that now is in ``task.x`` and ``task.y``."""

    @abc.abstractmethod
    def set_rate(self, rate: float) -> None:
        """Take the next steps with another learning rate."""

    @abc.abstractmethod
    def step(self) -> float:
        """Forward, backward, update; the loss before the update."""

    @abc.abstractmethod
    def weights(self) -> list[Array]:
        """[W₁, b₁, W₂, …] as they are now, Wₗ (out, in)."""

    def fresh(self) -> "Contender":
        """The same contender before its first step; what was compiled stays compiled."""
        return type(self)(self.task)


def he_uniform(sizes: Sequence[int], seed: int) -> list[Array]:
    """[W₁, b₁, W₂, …]: weights uniform in ±√(6 / fan_in) (He et al. 2015), biases 0; float32."""
    rng = np.random.default_rng(seed)
    weights: list[Array] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        limit = np.sqrt(6 / fan_in)
        weights.append(rng.uniform(-limit, limit, (fan_out, fan_in)).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return weights
