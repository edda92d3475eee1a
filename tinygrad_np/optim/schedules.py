"""Learning rates as functions of the step: any callable from the number of steps done will do."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..arguments import called, real, share, whole
from ..habits import NAMES


@dataclass(frozen=True)
class Schedule:
    """What all schedules have in common: fields are checked, and PyTorch's names are answered."""

    def __post_init__(self) -> None:
        """Raise where a field is no number from 0 up, or no int from 1 up if it counts."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (field.name == "schedule" and callable(value) and not isinstance(value, type)):
                (whole if field.type is int else real)(type(self).__name__, field.name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            way = NAMES["Schedule"].get(name)
            said = f"{type(self).__name__} has no attribute {name!r}{f'; {way}' * bool(way)}"
            raise AttributeError(said)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """lr · factor^⌊step / every⌋.

    >>> rate = tg.optim.StepDecay(0.1, every=10, factor=0.5)
    >>> rate(0), rate(10)
    (0.1, 0.05)
    """

    lr: float
    every: int
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """lr / (1 + decay · ⌊step / every⌋).

    >>> tg.optim.InverseTimeDecay(0.1, decay=0.5)(2)
    0.05
    """

    lr: float
    decay: float
    every: int = 1

    def __call__(self, step: int) -> float:
        return self.lr / (1 + self.decay * (step // self.every))


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine from ``lr`` to ``final`` over ``steps`` (Loshchilov & Hutter 2017, eq. 5).

    >>> rate = tg.optim.CosineDecay(0.1, steps=100)
    >>> [round(rate(step), 3) for step in (0, 50, 100)]
    [0.1, 0.05, 0.0]
    """

    lr: float
    steps: int
    final: float = 0.0

    def __call__(self, step: int) -> float:
        share = min(step / self.steps, 1.0)
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up in a straight line to ``peak``, then down along half a cosine (Smith & Topin 2018).

    Starts at ``peak / start_divisor``, reaches ``peak`` after ``warm_up`` (a share) of the
    ``steps``, and is ``peak / final_divisor`` after all of them and from then on.

    >>> rate = tg.optim.OneCycle(0.1, steps=100)
    >>> [round(rate(step), 4) for step in (0, 30, 100)]
    [0.004, 0.1, 0.0]
    """

    peak: float
    steps: int
    warm_up: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        share("OneCycle", "warm_up", self.warm_up)
        for name in ("start_divisor", "final_divisor"):
            real("OneCycle", name, getattr(self, name), "a number above 0", ends="()")

    def __call__(self, step: int) -> float:
        rise = self.warm_up * self.steps
        start, final = self.peak / self.start_divisor, self.peak / self.final_divisor
        if step < rise:
            return start + (self.peak - start) * step / rise
        return CosineDecay(self.peak, max(self.steps - math.ceil(rise), 1), final)(
            step - math.ceil(rise)
        )


@dataclass(frozen=True)
class WarmUp(Schedule):
    """In a straight line from ``start`` to where ``schedule`` begins, over ``steps``; then that.

    ``schedule`` is a number or a function of the step, which is called with the steps since the
    end of the warm-up (Goyal et al. 2017, section 2.2).

    >>> rate = tg.optim.WarmUp(0.1, steps=10)
    >>> [round(rate(step), 3) for step in (0, 5, 10, 20)]
    [0.0, 0.05, 0.1, 0.1]
    """

    schedule: float | Callable[[int], float]
    steps: int
    start: float = 0.0

    def __repr__(self) -> str:
        return f"WarmUp({called(self.schedule)}, steps={self.steps}, start={self.start})"

    def __call__(self, step: int) -> float:
        after = max(step - self.steps, 0)
        goal = self.schedule(after) if callable(self.schedule) else self.schedule
        if step >= self.steps:
            return goal
        return self.start + (goal - self.start) * step / self.steps
