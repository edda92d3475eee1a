"""The networks that recipes train, made of the package's layers.

``models/`` in the repository has the same networks written from the primitives, and by hand.
"""

import functools
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


class _Convolutional(nn.Module):
    """A network of images (n, 1, 28, 28) or their rows (n, 784); gives logits (n, classes).

    ``sizes`` are those of its kind. ``seed`` is an int or an ``np.random.Generator``, and all
    layers draw from it in order; ``initial`` is a function of ``nn.init`` for the weights, biases
    start at 0.
    """

    input_shape = (SIDE * SIDE,)  # of one example, for drawings
    _made: Callable[..., list[nn.Module]]  # of the classes, options of all that have weights, sizes

    def __init__(
        self,
        *sizes: Any,
        classes: int = 10,
        initial: Any = nn.init.he_uniform,
        seed: nn.init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.layers = nn.Sequential(
            *self._made(classes, {"initial": initial, "seed": rng, "dtype": dtype}, *sizes)
        )

    def forward(self, x: Any) -> Any:
        return self.layers(np.reshape(x, (-1, 1, SIDE, SIDE)))


class CNN(_Convolutional):
    """Two 5×5 convolutions with ReLU and maxima, two linear layers: after LeNet-5.

    ``channels`` are those of the convolutions, ``width`` that of the hidden linear layer.
    """

    def _made(
        self, classes: int, options: Any, channels: tuple[int, int] = (16, 32), width: int = 128
    ) -> list[nn.Module]:
        first, second = channels
        return [
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
        ]


class LeNet5(_Convolutional):
    """LeNet-5 with ReLU, maxima, and all connections from map to map.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE
    (1998), section II.B, where it has tanh, means, and some of the connections.
    """

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        return [
            nn.Conv2d(1, 6, 5, padding=2, **options),  # 28×28
            nn.ReLU(),
            nn.MaxPool2d(2),  # 14×14
            nn.Conv2d(6, 16, 5, **options),  # 10×10
            nn.ReLU(),
            nn.MaxPool2d(2),  # 5×5
            nn.Flatten(),
            nn.Linear(400, 120, **options),
            nn.ReLU(),
            nn.Linear(120, 84, **options),
            nn.ReLU(),
            nn.Linear(84, classes, **options),
        ]


class PyTorchExample(_Convolutional):
    """The network of PyTorch's MNIST example: two 3×3 convolutions, maxima, two linear layers."""

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        (drawn,) = options["seed"].spawn(1)
        return [
            nn.Conv2d(1, 32, 3, **options),  # 26×26
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, **options),  # 24×24
            nn.ReLU(),
            nn.MaxPool2d(2),  # 12×12
            nn.Dropout(0.25, seed=drawn),
            nn.Flatten(),
            nn.Linear(64 * 12 * 12, 128, **options),
            nn.ReLU(),
            nn.Dropout(0.5, seed=drawn),
            nn.Linear(128, classes, **options),
        ]


class Residual(nn.Module):
    """x + f(x), then ReLU; f is two 3×3 convolutions with batch normalisation.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), figure 2.
    """

    def __init__(self, channels: int, options: dict[str, Any]) -> None:
        first, norm, relu = _normalised(channels, channels, 3, options, padding=1)
        self.inner = nn.Sequential(
            first, norm, relu, *_normalised(channels, channels, 3, options, padding=1)[:2]
        )

    def forward(self, x: Any) -> Any:
        return nn.functional.relu(x + self.inner(x))


class ResNet(_Convolutional):
    """A small residual network: four equal blocks of 32 channels behind two convolutions."""

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        return [
            *_normalised(1, 16, 5, options, padding=2, halved=True),  # 14×14
            *_normalised(16, 32, 3, options, padding=1, halved=True),  # 7×7
            *[Residual(32, options) for _ in range(4)],
            nn.MaxPool2d(2),  # 3×3
            nn.Flatten(),
            nn.Linear(32 * 3 * 3, classes, **options),
        ]


class Compact(_Convolutional):
    """Convolutions 5×5, 5×5 and 3×3 with batch normalisation, and one linear layer.

    Maxima stand before the normalisation, which so has a quarter of the places to work on.
    ``channels`` are those of the convolutions; ``dropout`` stands before the linear layer.
    """

    def _made(
        self,
        classes: int,
        options: Any,
        channels: Sequence[int] = (16, 32, 64),
        dropout: float = 0.4,
    ) -> list[nn.Module]:
        first, second, third = channels
        (drawn,) = options["seed"].spawn(1)
        return [
            *_normalised(1, first, 5, options, halved=True),  # 12×12
            *_normalised(first, second, 5, options, halved=True),  # 4×4
            *_normalised(second, third, 3, options),  # 2×2
            nn.Flatten(),
            *([nn.Dropout(dropout, seed=drawn)] if dropout else []),
            nn.Linear(third * 2 * 2, classes, **options),
        ]


class Halving(_Convolutional):
    """Three 3×3 convolutions with 32, 64 and 128 channels, each halving the sides of its images.

    For clothes: after 3 epochs 91.96 % on validation images, and ``Compact`` as wide 91.22 %.
    """

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        (drawn,) = options["seed"].spawn(1)
        return [
            *_normalised(1, 32, 3, options, padding=1, halved=True),  # 14×14
            *_normalised(32, 64, 3, options, padding=1, halved=True),  # 7×7
            *_normalised(64, 128, 3, options, padding=1, halved=True),  # 3×3
            nn.Flatten(),
            nn.Dropout(0.4, seed=drawn),
            nn.Linear(128 * 3 * 3, classes, **options),
        ]


class Pairs(_Convolutional):
    """3×3 convolutions with 32, 32, 64, 64 and 128 channels, maxima behind each pair of them.

    For digits distorted anew, of which ``Compact`` with as many channels does not learn enough.
    """

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        (drawn,) = options["seed"].spawn(1)
        return [
            *_normalised(1, 32, 3, options),  # 26×26
            *_normalised(32, 32, 3, options, halved=True),  # 12×12
            *_normalised(32, 64, 3, options),  # 10×10
            *_normalised(64, 64, 3, options, halved=True),  # 4×4
            *_normalised(64, 128, 3, options),  # 2×2
            nn.Flatten(),
            nn.Dropout(0.4, seed=drawn),
            nn.Linear(128 * 2 * 2, classes, **options),
        ]


class Deep(_Convolutional):
    """Convolutions with 16 and 64 channels, a residual block of 64, one with 128, and means.

    For clothes moved and mirrored anew, of which ``Halving`` does not learn enough. In evaluation
    mode the logits are the mean of those for the image and for its mirror image.
    """

    def forward(self, x: Any) -> Any:
        if self.training:
            return super().forward(x)
        images = np.reshape(x, (-1, 1, SIDE, SIDE))
        return (self.layers(images[..., ::-1]) + self.layers(images)) / 2

    def _made(self, classes: int, options: dict[str, Any]) -> list[nn.Module]:
        return [
            *_normalised(1, 16, 3, options, padding=1, halved=True),  # 14×14
            *_normalised(16, 64, 3, options, padding=1, halved=True),  # 7×7
            Residual(64, options),
            nn.MaxPool2d(2),  # 3×3
            *_normalised(64, 128, 3, options, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, classes, **options),
        ]


def _normalised(
    channels: int, out_channels: int, size: int, options: dict[str, Any], *,
    padding: int = 0, halved: bool = False,
) -> list[nn.Module]:  # fmt: skip
    """A convolution, maxima of 2×2 where ``halved``, batch normalisation, and ReLU.

    The convolution has no bias: the normalisation adds one.
    """
    return [
        nn.Conv2d(channels, out_channels, size, padding=padding, bias=False, **options),
        *([nn.MaxPool2d(2)] if halved else []),
        nn.BatchNorm2d(out_channels, dtype=options["dtype"]),
        nn.ReLU(),
    ]


Quick = functools.partial(Compact, (8, 16, 32), 0.0)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn": CNN,
    "compact": Compact,
    "deep": Deep,
    "halving": Halving,
    "lenet-5": LeNet5,
    "pairs": Pairs,
    "pytorch-example": PyTorchExample,
    "quick": Quick,
    "resnet": ResNet,
}
