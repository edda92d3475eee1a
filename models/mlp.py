"""A multi-layer perceptron from Tensors and NumPy's functions; all of it is on this screen."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_np as tg

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


class MLP(tg.nn.Module):
    """(n, sizes[0]) to logits (n, sizes[-1]): products with an activation between each two.

    ``seed`` is an int or an ``np.random.Generator``; the same seed gives the weights of
    ``tinygrad_np.run.networks.MLP``. Raises ValueError for fewer than two sizes or an activation
    that is not in ``ACTIVATIONS``.
    """

    def __init__(
        self, sizes: Sequence[int], activation: str = "relu", *, seed: Any = None,
        dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        if len(sizes) < 2 or activation not in ACTIVATIONS:
            raise ValueError(
                f"sizes {tuple(sizes)}, activation {activation!r}: give at least two sizes, and "
                f"one of {', '.join(ACTIVATIONS)}."
            )
        rng = np.random.default_rng(seed)
        self.activation = ACTIVATIONS[activation]
        self.layers = [
            (drawn((fan_out, fan_in), rng, dtype), zeros(fan_out, dtype))
            for fan_in, fan_out in pairwise(sizes)
        ]

    def forward(self, x: Any) -> Any:
        *hidden, (last, last_bias) = self.layers
        for weight, bias in hidden:
            x = self.activation(x @ weight.T + bias)
        return x @ last.T + last_bias


def drawn(shape: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> tg.Tensor:
    """A weight (out, in, …), uniform with variance 2 / fan_in (He et al. 2015, equation 10)."""
    bound = np.sqrt(6 / np.prod(shape[1:]))
    return tg.Tensor(rng.uniform(-bound, bound, shape), requires_grad=True, dtype=dtype)


def zeros(count: int, dtype: Any) -> tg.Tensor:
    """A bias (count,)."""
    return tg.Tensor(np.zeros(count), requires_grad=True, dtype=dtype)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean of -log softmax(logits)[label]: (n, classes), (n,) to (); nothing overflows."""
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])
