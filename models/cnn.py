"""A convolutional network for images of 28×28 pixels, from Tensors and NumPy's functions."""

from typing import Any

import numpy as np

import tinygrad_np as tg
from models.mlp import drawn, zeros

SIDE = 28


class CNN(tg.nn.Module):
    """Two convolutions with ReLU and maxima, then two products: (n, 784) to logits (n, 10).

    After LeNet-5 (LeCun et al. 1998). ``channels`` are those of the two convolutions, ``width``
    that of the hidden layer; the same ``seed`` gives the weights of
    ``tinygrad_np.run.networks.CNN``.
    """

    input_shape = (SIDE * SIDE,)  # of one example, for drawings

    def __init__(
        self, channels: tuple[int, int] = (16, 32), width: int = 128, *, seed: Any = None,
        dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        first, second = channels
        shapes = [(first, 1, 5, 5), (second, first, 5, 5), (width, second * 4 * 4), (10, width)]
        self.layers = [(drawn(shape, rng, dtype), zeros(shape[0], dtype)) for shape in shapes]

    def forward(self, x: Any) -> Any:
        *convolutions, (hidden, hidden_bias), (last, last_bias) = self.layers
        x = np.reshape(x, (-1, 1, SIDE, SIDE))
        for weight, bias in convolutions:
            x = halved(relu(convolved(x, weight) + bias[:, None, None]))
        x = relu(np.reshape(x, (len(x), -1)) @ hidden.T + hidden_bias)
        return x @ last.T + last_bias


def relu(z: Any) -> Any:
    """max(z, 0), with slope 0 at 0."""
    return np.where(z > 0, z, 0)


def convolved(x: Any, weight: Any) -> Any:
    """Each weight meets each place: (n, c, h, w), (o, c, k, k) to (n, o, h - k + 1, w - k + 1)."""
    k = weight.shape[2]
    high, wide = (size - k + 1 for size in x.shape[2:])
    return sum(
        np.einsum("ncuv,oc->nouv", x[:, :, i : i + high, j : j + wide], weight[:, :, i, j])
        for i in range(k)
        for j in range(k)
    )


def halved(a: Any) -> Any:
    """The largest of each 2×2 elements: (n, c, h, w) to (n, c, h / 2, w / 2)."""
    n, c, high, wide = a.shape
    return np.max(np.reshape(a, (n, c, high // 2, 2, wide // 2, 2)), axis=(3, 5))
