"""Layers that standardise what passes through them."""

from typing import Any

import numpy as np

from ..arguments import dtype as floating
from ..arguments import flag, real, share, whole
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from . import functional
from .module import Module
from .operands import entered, shape_of, to_channels, to_images


class BatchNorm1d(Module):
    """Standardises each feature over the batch: (n, num_features) or (n, num_features, length).

    In training it uses the batch's mean and variance. Each step moves ``running_mean`` towards the
    batch's mean by the fraction ``momentum``, and so ``running_var`` (None: they are means over all
    batches so far). In evaluation mode it uses these two. With ``affine`` the result is scaled by
    ``weight`` and shifted by ``bias``, all of shape (num_features,) (Ioffe & Szegedy 2015). Raises
    ValueError for no features, ShapeError as ``functional.batch_norm`` does.

    >>> layer = tg.nn.BatchNorm1d(2)
    >>> layer(np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)).numpy().round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        place = type(self).__name__
        self.num_features = whole(place, "num_features", num_features)
        self.eps = real(place, "eps", eps)
        self.momentum = None if momentum is None else share(place, "momentum", momentum)
        affine, dtype = flag(place, "affine", affine), floating(place, "dtype", dtype)
        self.weight, self.bias = _affine((num_features,), affine, affine, dtype)
        self.running_mean = Tensor(np.zeros(num_features, dtype), name="running_mean")
        self.running_var = Tensor(np.ones(num_features, dtype), name="running_var")
        self.num_batches_tracked = Tensor(np.array(0), name="num_batches_tracked")

    axes: tuple[int, ...] = (2, 3)  # how many an input may have
    group: Any = None  # of processes whose batches are standardised as one, see ``tg.parallel``

    def forward(self, x: Any) -> Any:
        x = entered(type(self).__name__, x, self.running_mean)
        shape = shape_of(x)
        if len(shape) not in self.axes or shape[1] != self.num_features:
            raise ShapeError(f"{type(self).__name__}: x of shape {shape}; {self._wanted(shape)}.")
        momentum: Any = self.momentum
        if self.training:
            self.num_batches_tracked[...] = self.num_batches_tracked + 1
            if momentum is None:
                momentum = (1 / self.num_batches_tracked).astype(self.running_mean.dtype)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training, momentum, self.eps, self.group,
        )  # fmt: skip

    def _wanted(self, shape: tuple[int, ...]) -> str:
        features, way = self.num_features, ""
        if len(shape) == 4:
            way = "; use nn.BatchNorm2d for images (n, c, h, w)"
        elif len(shape) == 3 and shape[2] == features:
            way = "; give x.transpose(0, 2, 1) if the channels are the last axis"
        elif len(shape) in self.axes:
            way = to_channels(shape, features, "num_features")
        return f"expected (n, {features}) or (n, {features}, length){way}"

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm2d(BatchNorm1d):
    """``BatchNorm1d`` for images: each channel of (n, num_features, h, w).

    Raises ShapeError for other than four axes.

    >>> tg.nn.BatchNorm2d(3)(np.zeros((8, 3, 4, 4), np.float32)).shape
    (8, 3, 4, 4)
    """

    axes = (4,)

    def _wanted(self, shape: tuple[int, ...]) -> str:
        features = self.num_features
        return f"expected (n, {features}, h, w){to_images(shape, features, 'num_features')}"


class LayerNorm(Module):
    """Standardises each example over its last axes, which have ``normalized_shape``.

    With ``elementwise_affine`` the result is scaled by ``weight`` and, with ``bias``, shifted by
    ``bias``, both of that shape (Ba, Kiros & Hinton 2016). Raises ValueError for an empty shape.

    >>> layer = tg.nn.LayerNorm(2)
    >>> layer(np.array([[1.0, 3.0], [10.0, 30.0]], np.float32)).numpy().round(2)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        place, given = "LayerNorm", normalized_shape
        inner = given if isinstance(given, (tuple, list)) and given else (given,)
        self.normalized_shape = tuple(whole(place, "normalized_shape", size) for size in inner)
        self.eps = real(place, "eps", eps)
        weight = flag(place, "elementwise_affine", elementwise_affine)
        bias = flag(place, "bias", bias)
        dtype = floating(place, "dtype", dtype)
        self.weight, self.bias = _affine(self.normalized_shape, weight, weight and bias, dtype)

    def forward(self, x: Any) -> Any:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Standardises each example over each of ``num_groups`` groups of channels: (n, c, ...).

    With ``affine`` each channel is scaled by ``weight`` and shifted by ``bias``, both
    (num_channels,) (Wu & He 2018). It depends on no other example. Raises ValueError for groups
    that do not divide the channels, ShapeError for inputs of other channels.

    >>> layer = tg.nn.GroupNorm(2, 4)
    >>> layer(np.array([[1.0, 3.0, 10.0, 30.0]], np.float32)).numpy().round(2)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        place = "GroupNorm"
        self.num_groups = whole(place, "num_groups", num_groups)
        self.num_channels = whole(place, "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm({num_groups}, {num_channels}): num_groups that divides num_channels is "
                "needed."
            )
        self.eps, affine = real(place, "eps", eps), flag(place, "affine", affine)
        dtype = floating(place, "dtype", dtype)
        self.weight, self.bias = _affine((num_channels,), affine, affine, dtype)

    def forward(self, x: Any) -> Any:
        x = entered("GroupNorm", x, self.weight)
        shape = np.shape(x)
        if shape[1:2] != (self.num_channels,):
            channels, name = self.num_channels, "num_channels"
            way = to_images(shape, channels, name) or to_channels(shape, channels, name)
            raise ShapeError(f"GroupNorm: x of shape {shape}; expected (n, {channels}, ...){way}.")
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


def _affine(
    shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any
) -> tuple[Tensor | None, Tensor | None]:
    """Ones to scale by and zeros to shift by, where they are wanted."""
    return (
        Tensor(np.ones(shape, dtype), requires_grad=True, name="weight") if weight else None,
        Tensor(np.zeros(shape, dtype), requires_grad=True, name="bias") if bias else None,
    )
