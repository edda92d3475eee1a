"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arguments import flag, real, share
from .groups import Group
from .optimisers import Check, LearningRate, Optimiser


class SGD(Optimiser):
    """Stochastic gradient descent.

    v ← momentum · v + g;  p ← p − lr · v, with ``nesterov`` p ← p − lr · (g + momentum · v)
    (Sutskever et al. 2013, in PyTorch's form). ``weight_decay`` adds weight_decay · p to g.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.SGD([w], lr=0.1)
    >>> np.sum(w**2).backward()
    >>> optimiser.step()
    >>> w.tolist()
    [0.8]
    """

    checks: ClassVar[dict[str, Check]] = {"momentum": share, "nesterov": flag, "weight_decay": real}

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm,
            momentum=momentum, nesterov=nesterov, weight_decay=weight_decay,
        )  # fmt: skip

    def _states(self, group: Group) -> tuple[str, ...]:
        if group["nesterov"] and not group["momentum"]:
            raise ValueError("nesterov=True needs a momentum above 0.")
        return ("velocity",) if group["momentum"] else ()

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        del group, age
        return (rate,)

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        if momentum := group["momentum"]:
            (velocity,) = state
            np.multiply(velocity, momentum, velocity)
            np.add(velocity, g, velocity)
            if group["nesterov"]:
                np.multiply(velocity, momentum, scratch)
                g = np.add(g, scratch, scratch)
            else:
                g = velocity
        np.multiply(g, numbers[0], scratch)
        np.subtract(values, scratch, values)
