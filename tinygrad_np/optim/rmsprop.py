"""Steps over the root of the mean square."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arguments import flag, real
from .groups import Group
from .optimisers import Check, LearningRate, Optimiser, below_one


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

    checks: ClassVar[dict[str, Check]] = {
        "alpha": below_one, "eps": real, "weight_decay": real, "momentum": real, "centered": flag,
    }  # fmt: skip

    def __init__(
        self,
        params: Iterable[Any],
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
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm, alpha=alpha, eps=eps,
            weight_decay=weight_decay, momentum=momentum, centered=centered,
        )  # fmt: skip

    def _states(self, group: Group) -> tuple[str, ...]:
        mean, velocity = ("mean",) * group["centered"], ("velocity",) * bool(group["momentum"])
        return ("square", *mean, *velocity)

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        del age
        alpha = group["alpha"]
        # √(mean square) = root · √square; eps is brought to the same scale, root into the rate
        root = math.sqrt(1 - alpha)
        return alpha, 1 - alpha, group["eps"] / root, rate / root, group["momentum"]

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        alpha, rest, eps, factor, momentum = numbers
        square, *others = state
        np.multiply(g, g, scratch)
        np.multiply(square, alpha, square)
        np.add(square, scratch, square)
        if group["centered"]:
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
        if group["momentum"]:
            (velocity,) = others
            np.multiply(velocity, momentum, velocity)
            np.add(velocity, scratch, velocity)
            np.multiply(velocity, factor, scratch)
        else:
            np.multiply(scratch, factor, scratch)
        np.subtract(values, scratch, values)
