"""Steps that shrink with what a parameter has seen: Adagrad and Adadelta."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arguments import real
from .groups import Group
from .optimisers import Check, LearningRate, Optimiser, below_one


class Adagrad(Optimiser):
    """Adagrad (Duchi et al. 2011, in PyTorch's form).

    s ← s + g²;  p ← p − lr / (1 + (t − 1) lr_decay) · g / (√s + eps), where t counts the gradients
    that a parameter had and s starts at ``initial_accumulator_value``. ``weight_decay`` adds
    weight_decay · p to g.

    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.Adagrad([w], lr=0.1)
    >>> np.sum(w**2).backward()
    >>> optimiser.step()
    >>> w.numpy().round(4).tolist()
    [0.9]
    """

    checks: ClassVar[dict[str, Check]] = dict.fromkeys(
        ["lr_decay", "eps", "weight_decay", "initial_accumulator_value"], real
    )
    states = ("square",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm, eps=eps, weight_decay=weight_decay,
            lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value,
        )  # fmt: skip

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        # the state is kept without its first value
        slowed = rate / (1 + (age - 1) * group["lr_decay"])
        return group["eps"], slowed, group["initial_accumulator_value"]

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        del group
        eps, rate, first = numbers
        (square,) = state
        np.multiply(g, g, scratch)
        np.add(square, scratch, square)
        np.add(square, first, scratch)
        np.sqrt(scratch, scratch)
        np.add(scratch, eps, scratch)
        np.divide(g, scratch, scratch)
        np.multiply(scratch, rate, scratch)
        np.subtract(values, scratch, values)


class Adadelta(Optimiser):
    """Adadelta (Zeiler 2012, algorithm 1, with a learning rate as in PyTorch).

    s ← ρ s + (1 − ρ) g²;  d = √(u + eps) / √(s + eps) · g;  u ← ρ u + (1 − ρ) d²;
    p ← p − lr · d. ``weight_decay`` adds weight_decay · p to g.

    >>> model = tg.nn.Linear(2, 1, seed=0)
    >>> optimiser = tg.optim.Adadelta(model.parameters())
    >>> np.sum(model(np.ones((4, 2)))).backward()
    >>> optimiser.step()
    """

    checks: ClassVar[dict[str, Check]] = {"rho": below_one, "eps": real, "weight_decay": real}
    states = ("square", "moved")
    eps: float

    def __init__(
        self,
        params: Iterable[Any],
        lr: LearningRate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        max_norm: float | None = None,
    ) -> None:
        super().__init__(
            params, lr, clip_norm, clip_value, max_norm, rho=rho, eps=eps, weight_decay=weight_decay
        )

    def _numbers_of(self, group: Group, rate: float, age: int) -> tuple[float, ...]:
        del age
        return group["rho"], math.sqrt(1 - group["rho"]), group["eps"], rate

    def _change(
        self, group: Group, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any
    ) -> None:
        del group
        rho, root, eps, rate = numbers
        square, moved = state
        np.multiply(square, rho, square)
        np.multiply(g, root, scratch)
        np.multiply(scratch, scratch, scratch)
        np.add(square, scratch, square)
        np.add(square, eps, scratch)
        np.divide(moved + eps, scratch, scratch)
        np.sqrt(scratch, scratch)
        np.multiply(scratch, g, scratch)
        np.multiply(moved, rho, moved)
        moved += np.square(scratch * root)
        np.multiply(scratch, rate, scratch)
        np.subtract(values, scratch, values)
