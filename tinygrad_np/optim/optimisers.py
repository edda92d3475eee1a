"""Optimisers: what to do with a gradient."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor

LearningRate = float | Callable[[int], float]


class Optimiser:
    """Base of the optimisers: keeps the parameters, counts the steps, asks for the rate.

    ``params`` are leaf Tensors that require grad; ``lr`` is a number or a function of the number of
    steps done (see ``schedules``). Parameters without a gradient are left alone. Raises TypeError
    for what is no list of Tensors, ValueError for an empty list, a Tensor that is not a leaf, one
    that is there twice, and settings out of range.
    """

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
        self._scratch = [np.empty_like(p._data) for p in self.params]

    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.lr(self.steps) if callable(self.lr) else self.lr)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter by its gradient."""
        rate = self.rate()
        self.steps += 1
        for i, parameter in enumerate(self.params):
            grad = parameter.grad
            if grad is not None:
                self._change(i, parameter._write(), grad._data, rate, self._scratch[i])

    def _change(self, i: int, values: Any, g: Any, rate: float, scratch: Any) -> None:
        raise NotImplementedError


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
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and not momentum:
            raise ValueError("nesterov=True needs a momentum above 0.")
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.weight_decay = float(weight_decay)
        self._velocity = [np.zeros_like(p._data) for p in self.params] if momentum else []

    def _change(self, i: int, values: Any, g: Any, rate: float, scratch: Any) -> None:
        if self.weight_decay:
            np.multiply(values, self.weight_decay, out=scratch)
            scratch += g
            g = scratch
        if self.momentum:
            velocity = self._velocity[i]
            velocity *= self.momentum
            velocity += g
            g = g + self.momentum * velocity if self.nesterov else velocity
        np.multiply(g, rate, out=scratch)
        values -= scratch


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1, in the efficient order of section 2).

    m ← β₁ m + (1 − β₁) g;  s ← β₂ s + (1 − β₂) g²;
    p ← p − lr · (m / (1 − β₁ᵗ)) / (√(s / (1 − β₂ᵗ)) + eps), where t counts the gradients that a
    parameter had. ``weight_decay`` adds weight_decay · p to g.
    """

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
        self._seen = [0] * len(self.params)
        self._first = [np.zeros_like(p._data) for p in self.params]
        self._second = [np.zeros_like(p._data) for p in self.params]

    def _change(self, i: int, values: Any, g: Any, rate: float, scratch: Any) -> None:
        beta1, beta2 = self.betas
        first, second = self._first[i], self._second[i]
        self._seen[i] += 1
        if self.weight_decay:
            g = g + self.weight_decay * values
        first *= beta1
        np.multiply(g, 1 - beta1, out=scratch)
        first += scratch
        second *= beta2
        np.multiply(g, g, out=scratch)
        scratch *= 1 - beta2
        second += scratch
        np.sqrt(second, out=scratch)
        root = math.sqrt(1 - beta2 ** self._seen[i])
        scratch += self.eps * root
        np.divide(first, scratch, out=scratch)
        scratch *= rate * root / (1 - beta1 ** self._seen[i])
        values -= scratch
