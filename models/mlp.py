"""Multi-layer perceptrons."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_np import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}


class MLP(nn.Module):
    """Linear layers with an activation between each two: (n, sizes[0]) to (n, sizes[-1]) logits.

    ``initial`` is a function of ``nn.init`` for the weights, biases start at 0; ``seed`` is an int
    or an ``np.random.Generator``, and all layers draw from it in order. Raises ValueError for fewer
    than two sizes or an unknown activation.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        *,
        initial: Any = nn.init.he_uniform,
        seed: nn.init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"an MLP needs at least two sizes above 0, not {tuple(sizes)}.")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}.")
        rng = np.random.default_rng(seed)
        modules: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            if modules:
                modules.append(ACTIVATIONS[activation]())
            modules.append(nn.Linear(fan_in, fan_out, seed=rng, initial=initial, dtype=dtype))
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Any) -> Any:
        return self.layers(x)
