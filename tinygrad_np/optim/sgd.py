"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import flag, share
from ..autodiff.tensor import Tensor
from .optimisers import LearningRate, Optimiser


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

    settings = ("momentum", "nesterov", "weight_decay")
    momentum: float

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: LearningRate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        self.states = ("velocity",) if share("SGD", "momentum", momentum) else ()
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm,
            momentum=momentum, weight_decay=weight_decay,
        )  # fmt: skip
        self.nesterov = flag("SGD", "nesterov", nesterov)
        if self.nesterov and not momentum:
            raise ValueError("nesterov=True needs a momentum above 0.")

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        del age
        numbers[0].fill(rate)

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        if self.momentum:
            (velocity,) = state
            np.multiply(velocity, self.momentum, velocity)
            np.add(velocity, g, velocity)
            if self.nesterov:
                np.multiply(velocity, self.momentum, scratch)
                g = np.add(g, scratch, scratch)
            else:
                g = velocity
        np.multiply(g, numbers[0], scratch)
        np.subtract(values, scratch, values)
