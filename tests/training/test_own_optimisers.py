"""Optimisers of the user's own, derived from ours: fit does what a plain loop does with them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import ReplayError, nn, optim, training
from tinygrad_np.nn import functional as F


class Empty(optim.SGD):
    pass


class Rate(optim.SGD):
    def rate(self) -> float:
        return 0.01


class Counting(optim.Adam):
    asked = 0

    def rate(self) -> float:
        self.asked += 1
        return super().rate() / 2


class Accumulating(optim.SGD):
    def zero_grad(self) -> None:
        pass


class Halving(optim.SGD):
    def step(self) -> None:
        for p in self.params:
            if p.grad is not None:
                p.grad = p.grad * 0.5
        super().step()


class Signs(optim.Optimiser):
    def step(self) -> None:
        with tg.no_grad():
            for p in self.params:
                if p.grad is not None:
                    p[...] = p - 0.01 * np.sign(p.grad)


class Raw(optim.Optimiser):
    def step(self) -> None:
        for p in self.params:
            if p.grad is not None:
                p.data[...] -= self.rate() * np.sign(p.grad.numpy())


class Nothing(optim.Optimiser):
    pass


KINDS = [optim.SGD, Empty, Rate, Counting, Accumulating, Halving, Signs]
LOSSES: dict[str, Callable[[Any], Callable[[Any, Any], Any]]] = {
    "plain": lambda _: F.cross_entropy,
    "reflecting": lambda _: lambda z, t: F.cross_entropy(z, t) * getattr(F, "factor", 1.0),
    "of the optimiser": lambda o: lambda z, t: F.cross_entropy(z, t) * getattr(o, "lr", 1.0),
}


def trained(kind: Any, replay: bool | None, loss: str = "plain") -> tuple[bytes, int]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 4)).astype(np.float32), rng.integers(0, 3, 24)
    batches = [(x[i : i + 4], y[i : i + 4]) for i in range(0, 24, 4)]
    model = nn.Linear(4, 3, seed=0)
    optimiser = kind(model.parameters(), 0.1)
    fn = LOSSES[loss](optimiser)
    if replay is None:
        for a, b in batches * 2:
            optimiser.zero_grad()
            fn(model(tg.Tensor(a)), tg.Tensor(b)).backward()
            optimiser.step()
    else:
        training.fit(model, batches, optimiser, epochs=2, loss=fn, replay=replay)
    return b"".join(p.numpy().tobytes() for p in model.parameters()), optimiser.steps


# a replay that looks at all it reaches takes five times as long to capture
OTHER_LOSSES = [(Accumulating, "reflecting"), (Counting, "of the optimiser")]


@for_each([*((kind, "plain") for kind in KINDS), *OTHER_LOSSES])
def test_fit_does_what_a_loop_does(case: tuple[Any, str]) -> None:
    kind, loss = case
    assert trained(kind, True, loss) == trained(kind, False, loss) == trained(kind, None, loss)


def test_a_step_that_writes_to_arrays_trains_without_replay() -> None:
    assert trained(Raw, False) == trained(Raw, None)
    with pytest.raises(ReplayError, match=r"t\.data.*replay=False"):
        trained(Raw, True)


@pytest.mark.parametrize("replay", [True, False, None])
def test_one_that_overrides_nothing_is_told_what_to_override(replay: bool | None) -> None:
    with pytest.raises(NotImplementedError, match=r"Nothing has no step\(\) of its own; override"):
        trained(Nothing, replay)
    assert "``step()``" in str(optim.Optimiser.__doc__)
