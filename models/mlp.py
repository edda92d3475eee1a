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


NORMS: dict[str, Callable[..., nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class MLP(nn.Module):
    """Linear layers with an activation between each two: (n, sizes[0]) to (n, sizes[-1]) logits.

    ``initial`` is a function of ``nn.init`` for the weights, biases start at 0; ``seed`` is an int
    or an ``np.random.Generator``, and all layers draw from it in order. ``norm`` ("batch" or
    "layer") stands before every activation, ``dropout`` (a probability) behind it, and
    ``input_dropout`` before the first layer. Raises ValueError for fewer than two sizes, an unknown
    activation or norm.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        *,
        norm: str | None = None,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        initial: Any = nn.init.he_uniform,
        seed: nn.init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"an MLP needs at least two sizes above 0, not {tuple(sizes)}.")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r}; known are {', '.join(ACTIVATIONS)}.")
        if norm is not None and norm not in NORMS:
            raise ValueError(f"norm {norm!r}; known are {', '.join(NORMS)}.")
        rng = np.random.default_rng(seed)
        (drawn,) = rng.spawn(1)  # what dropout draws; the weights are the same with it and without
        modules: list[nn.Module] = [nn.Dropout(input_dropout, seed=drawn)] if input_dropout else []
        *inner, (last_in, classes) = itertools.pairwise(sizes)
        for fan_in, fan_out in inner:
            modules.append(nn.Linear(fan_in, fan_out, seed=rng, initial=initial, dtype=dtype))
            if norm is not None:
                modules.append(NORMS[norm](fan_out, dtype=dtype))
            modules.append(ACTIVATIONS[activation]())
            if dropout:
                modules.append(nn.Dropout(dropout, seed=drawn))
        modules.append(nn.Linear(last_in, classes, seed=rng, initial=initial, dtype=dtype))
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Any) -> Any:
        return self.layers(x)
