"""Steps over the root of the mean square."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import flag, real, share
from ..autodiff.tensor import Tensor
from .optimisers import LearningRate, Optimiser


class RMSprop(Optimiser):
    """RMSprop (Hinton 2012, lecture 6e, in PyTorch's form).

    s ← α s + (1 − α) g²;  d = g / (√s + eps);  p ← p − lr · d. With ``centered`` the mean
    m ← α m + (1 − α) g is taken off, d = g / (√(s − m²) + eps) (Graves 2013, equations 38 to 40);
    with ``momentum`` v ← momentum · v + d and p ← p − lr · v. ``weight_decay`` adds
    weight_decay · p to g. The averages are kept without their factor 1 − α.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.RMSprop([w], lr=0.01)
    >>> np.sum(w**2).backward()
    >>> optimiser.step()
    >>> w.numpy().round(4).tolist()
    [0.9]
    """

    settings = ("alpha", "eps", "weight_decay", "momentum", "centered")
    numbers = 5
    eps: float
    momentum: float

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: LearningRate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        self.centered = flag("RMSprop", "centered", centered)
        real("RMSprop", "momentum", momentum)
        mean, velocity = ("mean",) if self.centered else (), ("velocity",) if momentum else ()
        self.states = ("square", *mean, *velocity)
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm,
            eps=eps, weight_decay=weight_decay, momentum=momentum,
        )  # fmt: skip
        self.alpha = share("RMSprop", "alpha", alpha, ends="[)")

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        del age
        # √(mean square) = root · √square; eps is brought to the same scale, root into the rate
        root = math.sqrt(1 - self.alpha)
        found = (self.alpha, 1 - self.alpha, self.eps / root, rate / root, self.momentum)
        for number, value in zip(numbers, found, strict=True):
            number.fill(value)

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        alpha, rest, eps, factor, momentum = numbers
        square, *others = state
        np.multiply(g, g, scratch)
        np.multiply(square, alpha, square)
        np.add(square, scratch, square)
        if self.centered:
            mean = others.pop(0)
            np.multiply(mean, alpha, mean)
            np.add(mean, g, mean)
            np.multiply(mean, mean, scratch)
            np.multiply(scratch, rest, scratch)
            np.subtract(square, scratch, scratch)
            np.clip(scratch, 0, math.inf, out=scratch)  # rounding may leave a little less
            np.sqrt(scratch, scratch)
        else:
            np.sqrt(square, scratch)
        np.add(scratch, eps, scratch)
        np.divide(g, scratch, scratch)
        if self.momentum:
            (velocity,) = others
            np.multiply(velocity, momentum, velocity)
            np.add(velocity, scratch, velocity)
            np.multiply(velocity, factor, scratch)
        else:
            np.multiply(scratch, factor, scratch)
        np.subtract(values, scratch, values)
