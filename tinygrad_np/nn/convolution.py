"""Layers for images (n, channels, height, width)."""

from typing import Any

import numpy as np

from ..arguments import flag, whole
from ..autodiff.tensor import Tensor
from . import functional, init
from .functional import Sizes, pair
from .module import Module


class Conv2d(Module):
    """Cross-correlation: (n, in_channels, h, w) to (n, out_channels, h', w').

    ``weight`` (out_channels, in_channels / groups, kh, kw) starts He-uniform, ``bias``
    (out_channels,) at 0; ``seed``, ``initial`` and ``dtype`` as in ``Linear``, the other arguments
    as in ``functional.conv2d``, sizes being an int or a pair (height, width). Raises ValueError for
    sizes below 1, negative padding, and groups that do not divide the channels.

    >>> layer = tg.nn.Conv2d(1, 8, kernel_size=3, padding=1, seed=0)
    >>> layer(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 8, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        seed: init.Seed = None,
        initial: Any = init.he_uniform,
        dtype: Any = np.float32,
    ) -> None:
        whole("Conv2d", "in_channels", in_channels), whole("Conv2d", "out_channels", out_channels)
        if in_channels % whole("Conv2d", "groups", groups) or out_channels % groups:
            raise ValueError(
                f"Conv2d({in_channels}, {out_channels}, groups={groups}): groups that divide both "
                "numbers of channels are needed."
            )
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding = pair("Conv2d", "padding", padding, least=0)
        self.dilation = pair("Conv2d", "dilation", dilation)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        weight = init.weights("Conv2d", initial, shape, seed, dtype)
        self.weight = Tensor(weight, requires_grad=True, name="weight")
        self.bias: Tensor | None = None
        if flag("Conv2d", "bias", bias):
            self.bias = Tensor(np.zeros(out_channels, dtype), requires_grad=True, name="bias")

    def forward(self, x: Any) -> Any:
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        out_channels, inner = self.weight.shape[:2]
        said = [f"{inner * self.groups}, {out_channels}, kernel_size={_short(self.kernel_size)}"]
        for name, usual in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1))):
            if getattr(self, name) != usual:
                said.append(f"{name}={_short(getattr(self, name))}")
        said += [f"groups={self.groups}"] * (self.groups > 1) + ["bias=False"] * (self.bias is None)
        return ", ".join(said)


class _Pool2d(Module):
    """What both kinds of pooling keep."""

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        name = type(self).__name__
        self.kernel_size = pair(name, "kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair(name, "stride", stride)
        self.padding = pair(name, "padding", padding, least=0)

    def extra_repr(self) -> str:
        said = [_short(self.kernel_size)]
        said += [f"stride={_short(self.stride)}"] * (self.stride != self.kernel_size)
        return ", ".join([*said, *[f"padding={_short(self.padding)}"] * any(self.padding)])


class MaxPool2d(_Pool2d):
    """The largest of each window, as ``functional.max_pool2d``.

    >>> tg.nn.MaxPool2d(2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 2, 2)
    """

    def forward(self, x: Any) -> Any:
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of each window, as ``functional.avg_pool2d``.

    >>> tg.nn.AvgPool2d(2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 2, 2)
    """

    def forward(self, x: Any) -> Any:
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


def _short(sizes: tuple[int, int]) -> str:
    """One number where both are the same."""
    return str(sizes[0] if sizes[0] == sizes[1] else sizes)
