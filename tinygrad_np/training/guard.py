"""No update where the loss or a gradient is not finite; the effects of the batch are undone."""

import math
from typing import Any

import numpy as np

from ..autodiff.primitives import replace_at
from ..autodiff.tape import mode, no_grad
from ..autodiff.tensor import Tensor
from ..autodiff.writes import write_now
from ..nn.module import Module
from ..optim.optimisers import Optimiser
from ..optim.several import Several, is_ours, packs
from ..parallel import Group
from .reached import reached

# Updates between two copies of weights and optimiser's state. Each takes 10 % of a step of
# 784-128-64-10 with 32 examples, and what comes of a loss or gradient is looked at in every step.
KEPT = 32


class Diverged(Exception):
    """A loss, a gradient or a weight is not finite; raised before the update."""

    def __init__(self, loss: float) -> None:
        super().__init__(loss)
        self.loss = loss


class Stopped(Exception):
    """A process of the group wanted an end after the step before; raised before the update."""


class Guard:
    """An optimiser's step that looks at loss and gradients first.

    While a step is captured this is an effect like the optimiser's own, so that replays look too.
    ``is_updating`` is True where an update was begun and not ended.
    """

    def __init__(self, model: Module, optimiser: Any, group: Group | None = None) -> None:
        self.optimiser = optimiser
        self.group = group
        # of all processes: loss and how many were right before the last update, and before that
        # whether a callback or Ctrl-C wants an end
        self.joined: list[float] = []
        self.ends = [False, False]  # of this process
        self._right = Tensor(0.0)
        # one that has a step() of its own is a part of the step, as one of the user's own is
        self.is_ours = is_ours(optimiser)
        self._given = None if isinstance(optimiser, (Optimiser, Several)) else model.parameters()
        self.is_updating = False
        self._loss = Tensor(0.0)
        self.updates = 0  # that were made, as the training counts them
        self._copied: Any = None  # weights and the optimiser's state, when all were finite
        self._copied_at = 0
        self._looks = True
        self._looks = self.is_sound()  # or they are as the user wants them
        # gradients that no step would ever clear
        given = getattr(optimiser, "params", None)
        theirs = set(map(id, given if isinstance(given, (list, tuple)) else self.params))
        self.reached = reached(model, self.params)
        self._others = [p for p in model.parameters() if id(p) not in theirs]

    @property
    def params(self) -> list[Tensor]:
        """The parameters that the optimiser has, which may become more."""
        return self.optimiser.params if self._given is None else self._given

    def zero_grad(self) -> None:
        """Forget the gradients, those too that the optimiser does not know of."""
        self.optimiser.zero_grad()
        for parameter in self._others:
            parameter.grad = None

    def step(self, loss: Tensor, right: Tensor | None = None) -> None:
        """Update the parameters, or raise Diverged, or Stopped in a group.

        ``right`` is how many examples were right, where the step knows that.
        """
        with no_grad():
            scalar = loss if loss.ndim == 0 else np.reshape(loss, ())
            write_now(self._loss, replace_at, scalar, (Ellipsis,))
            if right is not None:
                write_now(self._right, replace_at, right, (Ellipsis,))
        if mode.capture is None:
            self.perform()
        else:
            mode.capture.effect(self)
        if not self.is_ours:  # its Python is part of the step
            self.is_updating = True
            self.optimiser.step()
            self.is_updating = False

    def perform(self, updates: Any = None) -> None:
        """What a replay does at this place."""
        loss = float(self._loss._array)
        if self.group is not None:
            right = float(self._right._array)
            self.joined = self.group.reduce(packs(self.optimiser), [loss, right, *self.ends])
            loss, _, *ends = self.joined
            if any(ends):
                raise Stopped
        is_finite = math.isfinite(loss)
        if (
            is_finite
            and self._looks
            and (self._copied is None or self.updates >= self._copied_at + KEPT)
        ):
            is_finite = self.is_sound()
            if is_finite:
                self._copied, self._copied_at = self._copy(), self.updates
        if is_finite and self.is_ours:
            self.is_updating = True
            is_finite = self.optimiser.perform(True, updates)
            self.is_updating = False
        elif is_finite:
            grads = [parameter.grad for parameter in self.params]
            is_finite = all(bool(np.isfinite(g.numpy()).all()) for g in grads if g is not None)
        if not is_finite:
            raise Diverged(loss)

    def is_sound(self) -> bool:
        """Whether the weights are finite, if they were at first."""
        return not self._looks or all(bool(np.isfinite(p._array).all()) for p in self.params)

    def go_back(self) -> int:
        """Make weights and state what they were when last copied; how many updates ago."""
        if self.is_ours:
            self.optimiser.restore(self._copied)
        else:
            for parameter, values in zip(self.params, self._copied, strict=True):
                parameter._write()[...] = values
        return self.updates - self._copied_at

    def _copy(self) -> Any:
        if self.is_ours:
            return self.optimiser.save()
        return [np.array(parameter._array) for parameter in self.params]

    def save(self) -> Any:
        """What an update changes."""
        if self.group is not None:
            self.group.keep()
        return self.optimiser.save() if self.is_ours else {}

    def restore(self, saved: Any) -> None:
        """Make everything what ``save`` found."""
        if self.is_ours:
            self.optimiser.restore(saved)


class Before:
    """The model's own state as it was before a batch: running statistics, generators.

    Only what the first batch changed is kept of the statistics, so that frozen weights cost
    nothing.
    """

    def __init__(self, model: Module) -> None:
        tensors = [t for _, t in model.named_tensors() if not t.requires_grad]
        self._tensors = [(tensor, tensor.numpy()) for tensor in tensors]
        self.generators = generators(model)
        self._states: list[Any] = []
        self._batches = 0

    def note(self) -> None:
        """Keep the state of now, before a batch."""
        if self._batches == 1:
            self._tensors = [(t, v) for t, v in self._tensors if not np.array_equal(t.numpy(), v)]
        self._batches += 1
        for tensor, values in self._tensors:
            np.copyto(values, tensor.numpy())
        if self.generators:
            self._states = [g.bit_generator.state for g in self.generators.values()]

    def restore(self) -> None:
        """Make the state what it was."""
        for tensor, values in self._tensors:
            if not np.array_equal(tensor.numpy(), values):
                tensor._write()[...] = values
        for generator, state in zip(self.generators.values(), self._states, strict=False):
            generator.bit_generator.state = state


def generators(model: Module) -> "dict[str, np.random.Generator]":
    """The generators that modules draw from, by dotted name."""
    return {
        f"{prefix}.{name}".lstrip("."): value
        for prefix, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, np.random.Generator)
    }
