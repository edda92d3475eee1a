"""Optimisers: what to do with a gradient."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..threads import Crew
from .pack import Pack, gathered

LearningRate = float | Callable[[int], float]
MADE_ANEW = ("_packs", "_crew")  # for each copy of an optimiser


class Optimiser:
    """Base of the optimisers: keeps the parameters, counts the steps, asks for the rate.

    ``params`` are leaf Tensors that require grad; ``lr`` is a number or a function of the number of
    steps done (see ``schedules``). Parameters without a gradient are left alone. Raises TypeError
    for what is no list of Tensors, ValueError for an empty list, a Tensor that is not a leaf, one
    that is there twice, and settings out of range.
    """

    states = 0  # how many arrays are kept for each parameter
    numbers = 1  # how many numbers a change needs

    def __init__(self, params: Iterable[Tensor], lr: LearningRate, **settings: float) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"an optimiser takes a list of Tensors, not {type(params).__name__}; give "
                "model.parameters()."
            )
        self.params = list(params)
        self.lr = lr
        self.steps = 0
        if not self.params:
            raise ValueError("the optimiser was given no parameters.")
        for i, parameter in enumerate(self.params):
            _check_parameter(i, parameter)
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter was given to the optimiser twice; give each once.")
        if not callable(lr):
            settings["lr"] = lr
        for name, value in settings.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}={value}: a number from 0 up is needed.")
        self._packs = gathered(self.params, self.states, self.numbers)
        self._crew = Crew()

    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.lr(self.steps) if callable(self.lr) else self.lr)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        if mode.capture is None:
            for parameter in self.params:
                parameter._grad = None
            return
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter by its gradient."""
        if mode.capture is None:
            self.perform()
        else:
            mode.capture.effect(self)

    def perform(self) -> None:
        """``step``, whether or not one is captured: what a replay does at this place."""
        rate = self.rate()
        self.steps += 1
        for pack in self._packs:
            if pack.is_whole():
                age = pack.ages[0] + 1
                pack.ages = [age] * len(pack.ages)
                self._set_numbers(pack.numbers, rate, age)
                pack.written()
                if len(pack.pieces) == 1:
                    self._change_all(pack.numbers, pack.pieces[0])
                else:
                    self._crew.run(functools.partial(self._change_all, pack.numbers), pack.pieces)
            else:
                self._one_by_one(pack, rate)

    def _change_all(self, numbers: list[Any], pieces: Iterable[tuple[Any, ...]]) -> None:
        for piece in pieces:
            self._change(numbers, *piece)

    def _one_by_one(self, pack: Pack, rate: float) -> None:
        """Parameters whose gradients lie here and there, or are not there at all."""
        states = list(zip(*(pack.parts(flat) for flat in pack.state), strict=True))
        for i, parameter in enumerate(pack.params):
            grad = parameter.grad
            if grad is None:
                continue
            pack.ages[i] += 1
            self._set_numbers(pack.numbers, rate, pack.ages[i])
            values, state = parameter._write(), states[i] if states else ()
            self._change(pack.numbers, values, grad._data, np.empty_like(values), *state)
        pack.uneven = len(set(pack.ages)) > 1

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        """Fill in what a change needs; ``age`` counts the parameter's gradients, this one too."""
        raise NotImplementedError

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        """Change ``values`` and ``state`` by the gradient ``g``; all arrays have one shape."""
        raise NotImplementedError

    def save(self) -> dict[str, Any]:
        """The state, and the parameters' values, as they are now."""
        return {
            "steps": self.steps,
            "ages": [list(pack.ages) for pack in self._packs],
            "state": [[np.array(flat) for flat in pack.state] for pack in self._packs],
            "values": [np.array(parameter._data) for parameter in self.params],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Make state and values what ``save`` found."""
        self.steps = saved["steps"]
        for pack, ages, state in zip(self._packs, saved["ages"], saved["state"], strict=True):
            pack.ages = list(ages)
            pack.uneven = len(set(ages)) > 1
            for flat, values in zip(pack.state, state, strict=True):
                flat[...] = values
        for parameter, values in zip(self.params, saved["values"], strict=True):
            parameter._write()[...] = values

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take: settings, and the state of each parameter."""
        kept = {name: value for name, value in vars(self).items() if name not in MADE_ANEW}
        found = []
        for pack in self._packs:
            states = [pack.parts(flat) for flat in pack.state]
            for i, parameter in enumerate(pack.params):
                found.append((parameter, pack.ages[i], [np.array(parts[i]) for parts in states]))
        return {"kept": kept, "found": found}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["kept"])
        self._packs = gathered(self.params, self.states, self.numbers)
        self._crew = Crew()
        ages = {parameter: age for parameter, age, _ in state["found"]}
        values = {parameter: arrays for parameter, _, arrays in state["found"]}
        for pack in self._packs:
            pack.ages = [ages[parameter] for parameter in pack.params]
            pack.uneven = len(set(pack.ages)) > 1
            for k, flat in enumerate(pack.state):
                for parameter, part in zip(pack.params, pack.parts(flat), strict=True):
                    part[...] = values[parameter][k]


def _check_parameter(i: int, parameter: Any) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(
            f"an optimiser takes a list of Tensors; entry {i} is of type "
            f"{type(parameter).__name__}. Give model.parameters()."
        )
    if not parameter.requires_grad or parameter._is_result:
        raise ValueError(
            f"an optimiser works on leaves that require grad; entry {i}, of shape "
            f"{parameter.shape}, is none."
        )


class SGD(Optimiser):
    """Stochastic gradient descent.

    v ← momentum · v + g;  p ← p − lr · v, with ``nesterov`` p ← p − lr · (g + momentum · v)
    (Sutskever et al. 2013, in PyTorch's form). ``weight_decay`` adds weight_decay · p to g.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: LearningRate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.states = 1 if momentum else 0
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and not momentum:
            raise ValueError("nesterov=True needs a momentum above 0.")
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.weight_decay = float(weight_decay)

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        del age
        numbers[0].fill(rate)

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        if self.weight_decay:
            np.multiply(values, self.weight_decay, scratch)
            np.add(scratch, g, scratch)
            g = scratch
        if self.momentum:
            (velocity,) = state
            np.multiply(velocity, self.momentum, velocity)
            np.add(velocity, g, velocity)
            g = g + self.momentum * velocity if self.nesterov else velocity
        np.multiply(g, numbers[0], scratch)
        np.subtract(values, scratch, values)


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1).

    m ← β₁ m + (1 − β₁) g;  s ← β₂ s + (1 − β₂) g²;
    p ← p − lr · (m / (1 − β₁ᵗ)) / (√(s / (1 − β₂ᵗ)) + eps), where t counts the gradients that a
    parameter had. ``weight_decay`` adds weight_decay · p to g. The moments are kept without their
    factors 1 − β, which saves two passes over the parameters.
    """

    states = 2
    numbers = 4

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: LearningRate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, eps=eps, weight_decay=weight_decay)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas={betas}: two numbers from 0 to below 1 are needed.")
        self.betas = (float(betas[0]), float(betas[1]))
        self.eps = float(eps)
        self.weight_decay = float(weight_decay)

    def _set_numbers(self, numbers: list[Any], rate: float, age: int) -> None:
        beta1, beta2 = self.betas
        # √(second moment, bias-corrected) = root · √(second); eps is brought to the same scale
        root = math.sqrt((1 - beta2) / (1 - beta2**age))
        factor = rate * (1 - beta1) / (1 - beta1**age) / root
        for number, value in zip(numbers, (beta1, beta2, self.eps / root, factor), strict=True):
            number.fill(value)

    def _change(self, numbers: Any, values: Any, g: Any, scratch: Any, *state: Any) -> None:
        beta1, beta2, eps, factor = numbers
        first, second = state
        if self.weight_decay:
            g = g + self.weight_decay * values
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
