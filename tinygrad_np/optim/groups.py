"""Parameter groups: parameters and the settings that hold for them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import real, refusal, shown, takes
from ..autodiff.tensor import Tensor
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp

Group = dict[str, Any]
_NOTHING = 1e3  # a rate so many times smaller than the largest trains nothing


@dataclass(frozen=True)
class Scaled:
    """factor · schedule(step): the rate of a group of parameters."""

    schedule: Callable[[int], float]
    factor: float

    def __call__(self, step: int) -> float:
        return self.factor * self.schedule(step)

    @classmethod
    def to(cls, schedule: Callable[[int], float], lr: float) -> "Scaled":
        """A schedule whose base rate is ``lr``.

        The base of a schedule of the package is its ``lr`` or ``peak``, that of another function
        its value at step 0. Raises ValueError where that is 0.
        """
        base = _base(schedule)
        if not base > 0:
            raise ValueError(
                f"lr={lr} of a group scales the optimiser's schedule, which begins with {base}; "
                "give the group a schedule of its own."
            )
        return cls(schedule, lr / base)


def _base(schedule: Any) -> float:
    if isinstance(schedule, WarmUp):
        return _base(schedule.schedule)
    if isinstance(schedule, Scaled):
        return schedule.factor * _base(schedule.schedule)
    if isinstance(schedule, OneCycle):
        return schedule.peak
    if isinstance(schedule, (StepDecay, InverseTimeDecay, CosineDecay)):
        return schedule.lr
    return float(schedule(0) if callable(schedule) else schedule)


def steps_of(schedule: Any) -> int | None:
    """After how many steps a schedule is as good as 0 for good; None for any other."""
    if isinstance(schedule, WarmUp):
        inner = steps_of(schedule.schedule)
        return None if inner is None else schedule.steps + inner
    if isinstance(schedule, Scaled):
        return steps_of(schedule.schedule)
    if isinstance(schedule, OneCycle):
        return schedule.steps if schedule.final_divisor >= _NOTHING else None
    if isinstance(schedule, CosineDecay):
        return schedule.steps if schedule.lr >= _NOTHING * schedule.final else None
    return None


NO_PARAMETERS = (
    "the optimiser was given no parameters: params is empty, as model.parameters() is where all "
    "are frozen, or stand where a Module does not look, as in a set or another object; give a "
    "model that has some, with requires_grad=True, as attributes or in a list."
)


def given_groups(params: Any) -> list[Any]:
    """The groups in what an optimiser was given: a list of Tensors is one, without settings.

    Raises TypeError for what is neither, ValueError for nothing.
    """
    none = isinstance(params, (Tensor, Mapping, np.ndarray))
    if none or not isinstance(params, Iterable):
        raise TypeError(
            f"an optimiser takes a list of Tensors for params, not {shown(params)}; give "
            "model.parameters(), or a list of groups, [{'params': …, 'lr': …}]."
        )
    parts = list(params)
    if not parts:
        raise ValueError(NO_PARAMETERS)
    if not any(isinstance(part, Mapping) for part in parts):
        return [{"params": parts}]
    return parts


def group_of(place: str, given: Any, defaults: Group, check: Callable[[str, Any], Any]) -> Group:
    """A group with all its settings: those that it lacks are the optimiser's ``defaults``.

    Where the optimiser has a schedule, a number for ``lr`` scales it. Raises TypeError and
    ValueError for what is no group, and for settings that are unknown or out of range.
    """
    if not isinstance(given, Mapping) or "params" not in given:
        raise TypeError(
            f"{place}: {shown(given)} is no group of parameters; give a dict with "
            "'params', such as {'params': model.parameters(), 'lr': 0.01}."
        )
    params = given["params"]
    if not isinstance(params, Tensor) and not isinstance(params, Iterable):
        raise TypeError(
            f"{place}: a group has params={shown(params)}; a Tensor or a list of Tensors is needed."
        )
    known = {"params", "name", *defaults}
    if unknown := [name for name in given if name not in known]:
        raise ValueError(
            f"{place}: a group has {', '.join(map(repr, unknown))}; its settings are "
            f"{', '.join(sorted(defaults))}, and clip_norm, clip_value and max_norm are those of "
            "the whole optimiser."
        )
    group: Group = {"params": [params] if isinstance(params, Tensor) else list(params)}
    if "name" in given:
        group["name"] = given["name"]
    for name, default in defaults.items():
        value = given.get(name, default)
        group[name] = rate(place, value) if name == "lr" else check(name, value)
    base = defaults["lr"]
    if callable(base) and not callable(group["lr"]):
        group["lr"] = Scaled.to(base, group["lr"])
    return group


def rate(place: str, lr: Any) -> Any:
    """A learning rate: a number, or a function of the number of steps done."""
    needed = "a number from 0 up or a function of the number of steps done"
    if callable(lr) and not isinstance(lr, type):
        if not takes(lr, 1):
            raise refusal(place, "lr", lr, needed)
        return lr
    return real(place, "lr", lr, needed)


def check_parameters(params: Iterable[Any], first: int) -> None:
    """Raise TypeError or ValueError for what cannot be optimised; they count from ``first``."""
    for i, parameter in enumerate(params, first):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"an optimiser takes a list of Tensors for params, whose entry {i} is "
                f"{shown(parameter)}; give model.parameters()."
            )
        if not parameter.requires_grad or parameter._is_result:
            raise ValueError(
                f"an optimiser works on leaves, made with requires_grad=True; entry {i}, of shape "
                f"{parameter.shape}, is not one."
            )


def greatest_rate(params: Iterable[Tensor]) -> float:
    """The greatest learning rate that all parameters' dtypes hold."""
    return min(float(np.finfo(parameter.dtype).max) for parameter in params)
