"""Layers for images (n, channels, height, width) that have no weights."""

from typing import Any

from ..arguments import flag, is_whole, one_of, refusal
from . import functional
from .convolving import Sizes
from .module import Module
from .operands import short, sized, unusual
from .pooling import parts
from .resizing import Counts, Factors, chosen


class _Pool(Module):
    """What all kinds of pooling keep."""

    axes = 2

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool
    ) -> None:
        name = type(self).__name__
        self.kernel_size = sized(name, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size
        if stride is not None:
            self.stride = sized(name, "stride", stride, self.axes)
        self.padding = sized(name, "padding", padding, self.axes, least=0)
        self.ceil_mode = flag(name, "ceil_mode", ceil_mode)

    def extra_repr(self) -> str:
        others = unusual(
            self, stride=self.kernel_size, padding=0, dilation=1, count_include_pad=True,
            ceil_mode=False,
        )  # fmt: skip
        return ", ".join([short(self.kernel_size), *others])


class MaxPool2d(_Pool):
    """The largest of each window, as ``functional.max_pool2d``.

    >>> tg.nn.MaxPool2d(2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 2, 2)
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = sized(type(self).__name__, "dilation", dilation, self.axes)

    def forward(self, x: Any) -> Any:
        return functional.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )


class MaxPool1d(MaxPool2d):
    """The largest of each window of sequences (n, c, l), as ``functional.max_pool1d``.

    >>> tg.nn.MaxPool1d(2)(np.ones((1, 3, 4))).shape
    (1, 3, 2)
    """

    axes = 1

    def forward(self, x: Any) -> Any:
        (size,), (step,), (around,) = self.kernel_size, self.stride, self.padding
        return functional.max_pool1d(x, size, step, around, self.dilation[0], self.ceil_mode)


class AvgPool2d(_Pool):
    """The mean of each window, as ``functional.avg_pool2d``.

    >>> tg.nn.AvgPool2d(2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 2, 2)
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = flag(type(self).__name__, "count_include_pad", count_include_pad)

    def forward(self, x: Any) -> Any:
        return functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool1d(AvgPool2d):
    """The mean of each window of sequences (n, c, l), as ``functional.avg_pool1d``.

    >>> tg.nn.AvgPool1d(2)(np.ones((1, 3, 4))).shape
    (1, 3, 2)
    """

    axes = 1

    def forward(self, x: Any) -> Any:
        (size,), (step,), (around,) = self.kernel_size, self.stride, self.padding
        return functional.avg_pool1d(x, size, step, around, self.ceil_mode, self.count_include_pad)


class AdaptiveAvgPool2d(Module):
    """The mean of each of ``output_size`` parts, as ``functional.adaptive_avg_pool2d``.

    The number of features is the same for every image size. Raises ValueError for sizes below 1.

    >>> tg.nn.AdaptiveAvgPool2d(1)(np.ones((2, 3, 5, 7))).shape
    (2, 3, 1, 1)
    """

    def __init__(self, output_size: int | tuple[int | None, int | None]) -> None:
        self.output_size = parts("AdaptiveAvgPool2d", output_size)

    def forward(self, x: Any) -> Any:
        return functional.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return short(self.output_size)


class ZeroPad2d(Module):
    """Zeros around images: ``padding`` (left, right, top, bottom), or one int for all sides.

    Negative numbers cut pixels off. Raises ValueError for anything else, and if more pixels would
    be cut off than there are.

    >>> tg.nn.ZeroPad2d((1, 0, 2, 0))(np.ones((1, 1, 2, 2))).shape
    (1, 1, 4, 3)
    """

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        given = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
        if len(given) != 4 or not all(map(is_whole, given)):
            needed = "an int or a tuple of four ints (left, right, top, bottom)"
            raise refusal("ZeroPad2d", "padding", padding, needed, ValueError)
        self.padding = tuple(map(int, given))

    def forward(self, x: Any) -> Any:
        return functional.pad(x, self.padding)

    def extra_repr(self) -> str:
        return short(self.padding)


class Upsample(Module):
    """Images in another size, as ``functional.interpolate``: (n, c, h, w) to (n, c, h', w').

    Either ``size`` or ``scale_factor``, each one number or one for each axis; ``mode`` is
    "nearest". Raises ValueError for anything else.

    >>> tg.nn.Upsample(scale_factor=2)(np.ones((1, 3, 4, 5))).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Counts | None = None,
        scale_factor: Factors | None = None,
        mode: str = "nearest",
    ) -> None:
        one_of("Upsample", "mode", mode, ("nearest",))
        chosen("Upsample", size, scale_factor)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode

    def forward(self, x: Any) -> Any:
        return functional.interpolate(x, self.size, self.scale_factor, self.mode)

    def extra_repr(self) -> str:
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}"
