"""Adam, with decay in the gradient or beside it."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arguments import real, refusal
from .groups import Group
from .optimisers import Check, LearningRate, Optimiser, below_one


def _betas(place: str, name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise refusal(place, name, value, "a pair of numbers from 0 to below 1")
    return tuple(below_one(place, name, beta) for beta in value)


class _Moments(Optimiser):
    """What Adam and AdamW share: steps along the mean gradient over the root of the mean square.

    The moments are kept without their factors 1 − β, which saves two passes over the parameters.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": _betas, "eps": real, "weight_decay": real}
    states = ("first", "second")

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        # √(second moment, bias-corrected) = root · √(second); eps is brought to the same scale
        root = math.sqrt((1 - beta2) / (1 - beta2**age))
        factor = rate * (1 - beta1) / (1 - beta1**age) / root
        return beta1, beta2, group["eps"] / root, factor

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        del group
        beta1, beta2, eps, factor = numbers[:4]
        first, second = state
        np.multiply(first, beta1, first)
        np.add(first, g, first)
        np.multiply(g, g, scratch)
        np.multiply(second, beta2, second)
        np.add(second, scratch, second)
        np.sqrt(second, scratch)
        np.add(scratch, eps, scratch)
        np.divide(first, scratch, scratch)
        np.multiply(scratch, factor, scratch)
        np.subtract(values, scratch, values)


class Adam(_Moments):
    """Adam (Kingma & Ba 2015, algorithm 1).

    m ← β₁ m + (1 − β₁) g;  s ← β₂ s + (1 − β₂) g²;
    p ← p − lr · (m / (1 − β₁ᵗ)) / (√(s / (1 − β₂ᵗ)) + eps), where t counts the gradients that a
    parameter had. ``weight_decay`` adds weight_decay · p to g.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.Adam([w], lr=0.1)
    >>> np.sum(w**2).backward()
    >>> optimiser.step()
    >>> w.numpy().round(4).tolist()
    [0.9]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm,
            betas=betas, eps=eps, weight_decay=weight_decay,
        )  # fmt: skip


class AdamW(_Moments):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, in PyTorch's form).

    p ← (1 − lr · weight_decay) · p, then Adam's step: the decay has no part in the moments.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.AdamW([w], lr=0.1, weight_decay=0.1)
    >>> np.sum(w**2).backward()
    >>> optimiser.step()
    >>> w.numpy().round(4).tolist()
    [0.89]
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm,
            betas=betas, eps=eps, weight_decay=weight_decay,
        )  # fmt: skip

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        return *super()._numbers_of(group, rate, age), 1 - rate * group["weight_decay"]

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        if group["weight_decay"]:
            np.multiply(values, numbers[4], values)
        super()._change(group, numbers, values, g, scratch, *state)
