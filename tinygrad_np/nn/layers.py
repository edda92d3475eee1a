"""Layers: modules with weights of their own, and activations as modules."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from . import functional, init
from .module import Module


class Linear(Module):
    """x Wᵀ + b: (..., in_features) to (..., out_features).

    ``weight`` (out, in) starts He-uniform (``initial`` takes another function of ``nn.init``),
    ``bias`` (out,) at 0. ``seed`` is an int or an ``np.random.Generator``; pass one generator to
    all layers of a network. Without one the weights differ from run to run. Parameters are float32
    unless ``dtype`` says otherwise. Raises ValueError for sizes below 1.
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
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Linear({in_features}, {out_features}): both sizes must be at least 1."
            )
        # in memory (in, out): x Wᵀ and the weight's gradient take a fifth less time then
        weight = np.asfortranarray(initial((out_features, in_features), seed, dtype=dtype))
        self.weight = Tensor(weight, requires_grad=True, name="weight")
        self.bias: Tensor | None = None
        if bias:
            self.bias = Tensor(np.zeros(out_features, dtype), requires_grad=True, name="bias")

    def forward(self, x: Any) -> Any:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias is not None else ", bias=False")


class Sequential(Module):
    """One module after the other."""

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            setattr(self, str(i), module)

    def __iter__(self) -> Iterator[Module]:
        return (child for child in vars(self).values() if isinstance(child, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int) -> Module:
        return list(iter(self))[i]

    def forward(self, x: Any) -> Any:
        for module in vars(self).values():
            if isinstance(module, Module):
                x = module(x)
        return x


class Flatten(Module):
    """All axes but the first in one: (n, ...) to (n, features)."""

    def forward(self, x: Any) -> Any:
        rows, *others = np.shape(x)
        return np.reshape(x, (rows, math.prod(others)))


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class LeakyReLU(Module):
    """x where it is positive, ``negative_slope`` times x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"{self.negative_slope}"


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return functional.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(x)


class GELU(Module):
    """x times the normal distribution function of x; see ``functional.gelu``."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """exp(x) / sum exp(x) along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
