"""Layers with a window of weights: for sequences (n, channels, length) and for images."""

from typing import Any

import numpy as np

from ..arguments import flag, one_of, whole
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from . import functional, init
from .convolving import Sizes, covered, paddings
from .module import Module
from .operands import shape_of, short, sized, unusual

MODES = ("zeros", "reflect", "replicate", "circular")  # what may stand around an image


class _Convolution(Module):
    """What convolutions keep: the settings for each axis of the window, weight and bias."""

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        seed: init.Seed = None,
        initial: Any = init.he_uniform,
        dtype: Any = np.float32,
    ) -> None:
        name, axes = type(self).__name__, self.axes
        whole(name, "in_channels", in_channels), whole(name, "out_channels", out_channels)
        if in_channels % whole(name, "groups", groups) or out_channels % groups:
            raise ValueError(
                f"{name}({in_channels}, {out_channels}, groups={groups}): groups that divide both "
                "numbers of channels are needed."
            )
        self.kernel_size = sized(name, "kernel_size", kernel_size, axes)
        self.stride = sized(name, "stride", stride, axes)
        self.dilation = sized(name, "dilation", dilation, axes)
        self._widths = paddings(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding: Any = (
            padding if isinstance(padding, str) else tuple(p for p, _ in self._widths)
        )
        one_of(name, "padding_mode", padding_mode, MODES)
        self.groups, self.padding_mode = groups, padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Tensor(
            self._laid(init.weights(name, initial, shape, seed, dtype)),
            requires_grad=True, name="weight",
        )  # fmt: skip
        self.bias: Tensor | None = None
        if flag(name, "bias", bias):
            self.bias = Tensor(np.zeros(out_channels, dtype), requires_grad=True, name="bias")

    def _laid(self, weight: Any) -> Any:
        """A weight (out_channels, in_channels / groups, kernel) as the layer has it."""
        return weight

    def _correlated(self, fn: Any, x: Any) -> Any:
        """``fn`` of x, in its frame if that is not of zeros."""
        padding = self.padding
        if self.padding_mode != "zeros" and len(shape_of(x)) == self.axes + 2:
            ends = [width for both in reversed(self._widths) for width in both]
            x, padding = functional.pad(x, tuple(ends), self.padding_mode), 0
        return fn(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _channels(self) -> tuple[int, int]:
        out_channels, inner = self.weight.shape[:2]
        return inner * self.groups, out_channels

    def extra_repr(self) -> str:
        ins, outs = self._channels()
        said = [f"{ins}, {outs}, kernel_size={short(self.kernel_size)}"]
        said += unusual(self, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
        said += ["bias=False"] * (self.bias is None)
        return ", ".join([*said, *unusual(self, padding_mode="zeros")])


class Conv1d(_Convolution):
    """Cross-correlation of sequences: (n, in_channels, l) to (n, out_channels, l').

    ``weight`` is (out_channels, in_channels / groups, k); sizes are ints. Everything else is as in
    ``Conv2d``.

    >>> layer = tg.nn.Conv1d(2, 8, kernel_size=3, padding="same", seed=0)
    >>> layer(np.zeros((5, 2, 100), np.float32)).shape
    (5, 8, 100)
    """

    axes = 1

    def forward(self, x: Any) -> Any:
        return self._correlated(functional.conv1d, x)


class Conv2d(_Convolution):
    """Cross-correlation: (n, in_channels, h, w) to (n, out_channels, h', w').

    ``weight`` (out_channels, in_channels / groups, kh, kw) starts He-uniform, ``bias``
    (out_channels,) at 0; ``seed``, ``initial`` and ``dtype`` as in ``Linear``, the other arguments
    as in ``functional.conv2d``, sizes being an int or a pair (height, width). ``padding`` adds
    zeros around the image; ``padding_mode`` names other kinds: "reflect", "replicate", "circular",
    as in ``functional.pad``. Raises ValueError for sizes below 1, negative padding, and groups that
    do not divide the channels.

    >>> layer = tg.nn.Conv2d(1, 8, kernel_size=3, padding=1, seed=0)
    >>> layer(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 8, 28, 28)
    """

    def forward(self, x: Any) -> Any:
        return self._correlated(functional.conv2d, x)


class ConvTranspose2d(_Convolution):
    """``Conv2d`` in reverse, for images that grow: (n, in_channels, h, w) to (n, out, h', w').

    ``weight`` is (in_channels, out_channels / groups, kh, kw). Each element of x is multiplied by
    it and added to a window of the result (Zeiler et al. 2010). The sizes are those of
    ``functional.conv_transpose2d``; a ``Conv2d`` with the same arguments gives images of the first
    size again. With a ``stride`` above 1, images of several sizes have the same size behind
    ``Conv2d``; ``output_size`` (height, width), given with x, chooses one of these sizes, instead
    of ``output_padding``.
    Everything else is as in ``Conv2d``.

    >>> layer = tg.nn.ConvTranspose2d(8, 1, kernel_size=2, stride=2, seed=0)
    >>> layer(np.zeros((2, 8, 14, 14), np.float32)).shape
    (2, 1, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        seed: init.Seed = None,
        initial: Any = init.he_uniform,
        dtype: Any = np.float32,
    ) -> None:
        name = "ConvTranspose2d"
        padding = sized(name, "padding", padding, least=0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            seed=seed, initial=initial, dtype=dtype,
        )  # fmt: skip
        self.output_padding = sized(name, "output_padding", output_padding, least=0)

    def _laid(self, weight: Any) -> Any:
        parts = np.reshape(weight, (self.groups, -1, *weight.shape[1:]))
        return np.reshape(np.swapaxes(parts, 1, 2), (-1, *parts.shape[1:2], *self.kernel_size))

    def _channels(self) -> tuple[int, int]:
        in_channels, outer = self.weight.shape[:2]
        return in_channels, outer * self.groups

    def forward(self, x: Any, output_size: Sizes | None = None) -> Any:
        beyond = self.output_padding
        if output_size is not None:
            wanted, shape = sized("ConvTranspose2d", "output_size", output_size), shape_of(x)
            if len(shape) == 4:  # what has other axes is refused below
                beyond = self._beyond(shape, wanted)
        return functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, beyond, self.groups, self.dilation
        )

    def _beyond(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
        """The output padding that gives a size; raises ShapeError for one that there is not."""
        whole_size = covered(shape[2:], self.kernel_size, self.stride, self.dilation)
        least = [n - 2 * p for n, p in zip(whole_size, self.padding, strict=True)]
        beyond = tuple(m - n for m, n in zip(wanted, least, strict=True))
        if any(not 0 <= b < s for b, s in zip(beyond, self.stride, strict=True)):
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            raise ShapeError(
                f"ConvTranspose2d: output_size={wanted} for x of shape {shape}; give heights from "
                f"{least[0]} to {most[0]} and widths from {least[1]} to {most[1]}."
            )
        return beyond
