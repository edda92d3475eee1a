"""Activations as modules."""

from typing import Any

from ..arguments import finite, one_of, real, whole
from . import functional
from .module import Module
from .operands import unusual


class Plain(Module):
    """Base of those without arguments."""

    def __init__(self) -> None:
        pass


class Identity(Plain):
    """The input itself, for instance where another layer will be put later.

    >>> tg.nn.Identity()(3.0)
    3.0
    """

    def forward(self, x: Any) -> Any:
        return x


class ReLU(Plain):
    """max(x, 0).

    >>> tg.nn.ReLU()(np.array([-2.0, 3.0]))
    array([0., 3.])
    """

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class LeakyReLU(Module):
    """x where it is positive, ``negative_slope`` times x elsewhere.

    >>> tg.nn.LeakyReLU(0.1)(np.array([-2.0, 3.0]))
    array([-0.2,  3. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = finite("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, x: Any) -> Any:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"{self.negative_slope}"


class Tanh(Plain):
    """The hyperbolic tangent.

    >>> tg.nn.Tanh()(np.array([0.0, 1.0])).round(3)
    array([0.   , 0.762])
    """

    def forward(self, x: Any) -> Any:
        return functional.tanh(x)


class Sigmoid(Plain):
    """1 / (1 + exp(-x)).

    >>> tg.nn.Sigmoid()(np.array([0.0, 2.0])).round(3)
    array([0.5  , 0.881])
    """

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(x)


class SiLU(Plain):
    """x times its logistic function, also called swish (Elfwing et al. 2018).

    >>> tg.nn.SiLU()(np.array([-1.0, 2.0])).round(3)
    array([-0.269,  1.762])
    """

    def forward(self, x: Any) -> Any:
        return functional.silu(x)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, a smooth form of max(x, 0); x where beta x > ``threshold``.

    It does not overflow without a threshold, and has none unless one is given.

    >>> tg.nn.Softplus()(np.array([0.0, 2.0])).round(3)
    array([0.693, 2.127])
    """

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        self.beta = real("Softplus", "beta", beta, "a number above 0", ends="()")
        self.threshold = None if threshold is None else finite("Softplus", "threshold", threshold)

    def forward(self, x: Any) -> Any:
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return ", ".join(unusual(self, beta=1.0, threshold=None))


class ELU(Module):
    """x where it is positive, ``alpha`` (exp(x) - 1) elsewhere (Clevert et al. 2016).

    >>> tg.nn.ELU()(np.array([-1.0, 2.0])).round(3)
    array([-0.632,  2.   ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = finite("ELU", "alpha", alpha)

    def forward(self, x: Any) -> Any:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"{self.alpha}"


class GELU(Module):
    """x times the normal distribution function of x; see ``functional.gelu``.

    Any shape and float dtype, which is kept.

    >>> tg.nn.GELU(approximate="tanh")(np.array([-1.0, 2.0])).round(3)
    array([-0.159,  1.955])
    """

    def __init__(self, approximate: str = "none") -> None:
        one_of("GELU", "approximate", approximate, functional.GELUS)
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """exp(x) / sum exp(x) along ``axis``.

    >>> tg.nn.Softmax()(np.array([[0.0, 0.0], [0.0, 2.0]])).round(3)
    array([[0.5  , 0.5  ],
           [0.119, 0.881]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = whole("Softmax", "axis", axis, least=None)

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
