"""Layers, except activations and normalisation."""

import math
import sys
from typing import Any

import numpy as np

from ..arguments import flag, generator, share, whole
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from . import functional, init
from .module import Module
from .operands import entered, shape_of, to_images, unusual


class Linear(Module):
    """x Wᵀ + b: (..., in_features) to (..., out_features).

    ``weight`` (out, in) starts He-uniform (``initial`` takes another function of ``nn.init``),
    ``bias`` (out,) at 0. ``seed`` is an int or an ``np.random.Generator``; pass one generator to
    all layers of a network. Without one the weights differ from run to run. Parameters are float32
    unless ``dtype`` says otherwise; a list given for x gets their dtype, an array keeps its own, as
    NumPy does. Raises ValueError for sizes below 1.

    >>> layer = tg.nn.Linear(3, 2, seed=0)
    >>> layer.weight.shape, layer.bias.shape, layer(np.ones((5, 3), np.float32)).shape
    ((2, 3), (2,), (5, 2))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        seed: init.Seed = None,
        initial: Any = init.he_uniform,
        dtype: Any = np.float32,
    ) -> None:
        whole("Linear", "in_features", in_features), whole("Linear", "out_features", out_features)
        # in memory (in, out): x Wᵀ and the weight's gradient take a fifth less time then
        weight = init.weights("Linear", initial, (out_features, in_features), seed, dtype)
        self.weight = Tensor(np.asfortranarray(weight), requires_grad=True, name="weight")
        self.bias: Tensor | None = None
        if flag("Linear", "bias", bias):
            self.bias = Tensor(np.zeros(out_features, dtype), requires_grad=True, name="bias")

    def forward(self, x: Any) -> Any:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """The axes from ``start_dim`` to ``end_dim`` in one: (n, ...) to (n, features) by default.

    >>> tg.nn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = whole("Flatten", "start_dim", start_dim, least=-sys.maxsize)
        self.end_dim = whole("Flatten", "end_dim", end_dim, least=-sys.maxsize)

    def forward(self, x: Any) -> Any:
        x = entered("Flatten", x)
        if not x.shape:
            raise ShapeError("Flatten: x of shape (); expected (n, ...); give x.reshape(1, 1).")
        shape, axes = x.shape, len(x.shape)
        start, end = (d + axes * (d < 0) for d in (self.start_dim, self.end_dim))
        if (start, end) == (1, 0):  # one axis, which is that of the examples
            return np.reshape(x, (*shape, 1))
        if not 0 <= start <= end < axes:
            raise ShapeError(
                f"Flatten: x of shape {shape} has no axes from {self.start_dim} to {self.end_dim}."
            )
        size = math.prod(shape[start : end + 1])
        return np.reshape(x, (*shape[:start], size, *shape[end + 1 :]))

    def extra_repr(self) -> str:
        usual = (self.start_dim, self.end_dim) == (1, -1)
        return "" if usual else f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """Each element 0 with probability ``p``, else divided by 1 - p; nothing in evaluation mode.

    ``seed`` is an int or an ``np.random.Generator``, kept as ``generator`` (Srivastava et al.
    2014). Without one the draws differ from run to run. Raises ValueError for p outside 0 … 1.

    >>> layer = tg.nn.Dropout(0.5, seed=0)
    >>> layer(np.ones(6)).tolist()
    [2.0, 2.0, 2.0, 0.0, 0.0, 0.0]
    >>> layer.eval()(np.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, *, seed: init.Seed = None) -> None:
        self.p = share(type(self).__name__, "p", p)
        self.generator = generator(type(self).__name__, seed)

    def forward(self, x: Any) -> Any:
        return functional.dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Each channel of each image 0 with probability ``p``, else divided by 1 - p: (n, c, h, w).

    Nothing in evaluation mode (Tompson et al. 2015). ``seed`` as in ``Dropout``. Raises ShapeError
    for other than four axes.

    >>> tg.nn.Dropout2d(0.5, seed=0)(np.ones((1, 4, 1, 1))).ravel().tolist()
    [2.0, 2.0, 2.0, 0.0]
    """

    def forward(self, x: Any) -> Any:
        x = entered("dropout2d", x)
        shape = shape_of(x)
        if len(shape) != 4:
            raise ShapeError(
                f"Dropout2d: x of shape {shape}; expected (n, c, h, w){to_images(shape)}."
            )
        return functional.dropout2d(x, self.p, self.training, self.generator)


class Embedding(Module):
    """A row of weights for each of ``num_embeddings`` integers: (...,) to (..., embedding_dim).

    ``weight`` (num_embeddings, embedding_dim) starts standard normal, from ``seed`` as in
    ``Linear``. The row ``padding_idx`` starts as zeros and gets no gradient. Raises ValueError for
    sizes below 1 and a row that is not there.

    >>> layer = tg.nn.Embedding(100, 8, seed=0)
    >>> layer(np.array([[3, 5, 5]])).shape
    (1, 3, 8)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        seed: init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        whole("Embedding", "num_embeddings", num_embeddings)
        whole("Embedding", "embedding_dim", embedding_dim)
        shape = num_embeddings, embedding_dim
        weight = init.weights("Embedding", init.standard_normal, shape, seed, dtype)
        if padding_idx is not None:
            padding_idx = functional.padded_at("Embedding", padding_idx, num_embeddings)
            weight[padding_idx] = 0
        self.padding_idx = padding_idx
        self.weight = Tensor(weight, requires_grad=True, name="weight")

    def forward(self, x: Any) -> Any:
        return functional.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        return ", ".join([*map(str, self.weight.shape), *unusual(self, padding_idx=None)])
