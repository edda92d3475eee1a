"""The networks that recipes train, made of the package's layers.

``models/`` in the repository has the same networks written from the primitives, and by hand.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}
NORMS: dict[str, Callable[..., nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
SIDE = 28  # of an image, in pixels


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


class CNN(nn.Module):
    """Two convolutions with ReLU and pooling, two linear layers: (n, 784) to (n, classes) logits.

    After LeNet-5 (LeCun et al. 1998), with ReLU and maxima. Images may also be (n, 1, 28, 28).
    ``channels`` are those of the two convolutions, ``width`` that of the hidden linear layer;
    ``seed`` is an int or an ``np.random.Generator``, and all layers draw from it in order.
    """

    input_shape = (SIDE * SIDE,)  # of one example, for drawings

    def __init__(
        self,
        channels: tuple[int, int] = (16, 32),
        width: int = 128,
        *,
        classes: int = 10,
        initial: Any = nn.init.he_uniform,
        seed: nn.init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        options: dict[str, Any] = {
            "initial": initial, "seed": np.random.default_rng(seed), "dtype": dtype,
        }  # fmt: skip
        first, second = channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 5, **options),  # 24×24
            nn.ReLU(),
            nn.MaxPool2d(2),  # 12×12
            nn.Conv2d(first, second, 5, **options),  # 8×8
            nn.ReLU(),
            nn.MaxPool2d(2),  # 4×4
            nn.Flatten(),
            nn.Linear(second * 4 * 4, width, **options),
            nn.ReLU(),
            nn.Linear(width, classes, **options),
        )

    def forward(self, x: Any) -> Any:
        return self.layers(np.reshape(x, (-1, 1, SIDE, SIDE)))
