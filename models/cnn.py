"""A convolutional network for images of 28×28 pixels."""

from typing import Any

import numpy as np

from tinygrad_np import nn

SIDE = 28


class CNN(nn.Module):
    """Two convolutions with ReLU and pooling, then two linear layers: (n, 784) to (n, 10) logits.

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
            nn.Linear(width, 10, **options),
        )

    def forward(self, x: Any) -> Any:
        return self.layers(np.reshape(x, (-1, 1, SIDE, SIDE)))
