"""Activations as modules."""

from typing import Any

from ..arguments import finite, one_of, whole
from . import functional
from .module import Module


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class LeakyReLU(Module):
    """x where it is positive, ``negative_slope`` times x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = finite("LeakyReLU", "negative_slope", negative_slope)

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
        one_of("GELU", "approximate", approximate, functional.GELUS)
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """exp(x) / sum exp(x) along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = whole("Softmax", "axis", axis, least=None)

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
