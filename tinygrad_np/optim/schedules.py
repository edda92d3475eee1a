"""Learning rates as functions of the step: any callable from the number of steps done will do."""

import math
from dataclasses import dataclass


def _at_least_one(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count}: at least 1 is needed.")


@dataclass(frozen=True)
class StepDecay:
    """lr · factor^⌊step / every⌋."""

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _at_least_one(every=self.every)

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class InverseTimeDecay:
    """lr / (1 + decay · ⌊step / every⌋)."""

    lr: float
    decay: float
    every: int = 1

    def __post_init__(self) -> None:
        _at_least_one(every=self.every)

    def __call__(self, step: int) -> float:
        return self.lr / (1 + self.decay * (step // self.every))


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine from ``lr`` to ``final`` over ``steps`` (Loshchilov & Hutter 2017, eq. 5)."""

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _at_least_one(steps=self.steps)

    def __call__(self, step: int) -> float:
        share = min(step / self.steps, 1.0)
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class OneCycle:
    """Up in a straight line to ``peak``, then down along half a cosine (Smith & Topin 2018).

    Starts at ``peak / start_divisor``, reaches ``peak`` after ``warm_up`` (a share) of the
    ``steps``, and is ``peak / final_divisor`` after all of them and from then on.
    """

    peak: float
    steps: int
    warm_up: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self) -> None:
        _at_least_one(steps=self.steps)
        if not 0 <= self.warm_up <= 1:
            raise ValueError(f"warm_up={self.warm_up}: a share of the steps, 0 to 1, is needed.")

    def __call__(self, step: int) -> float:
        rise = self.warm_up * self.steps
        start, final = self.peak / self.start_divisor, self.peak / self.final_divisor
        if step < rise:
            return start + (self.peak - start) * step / rise
        return CosineDecay(self.peak, max(self.steps - math.ceil(rise), 1), final)(
            step - math.ceil(rise)
        )
