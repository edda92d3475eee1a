"""Learning-rate schedules: their values, and what they refuse."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.optim import CosineDecay, InverseTimeDecay, OneCycle, StepDecay

ROWS: list[tuple[Any, dict[int, float]]] = [
    (StepDecay(1.0, every=10), {0: 1, 9: 1, 10: 0.1, 19: 0.1, 20: 0.01}),
    (StepDecay(2.0, every=1, factor=0.5), {0: 2, 1: 1, 2: 0.5, 5: 0.0625}),
    (InverseTimeDecay(1.0, decay=1.0), {0: 1, 1: 1 / 2, 2: 1 / 3, 9: 0.1}),
    (InverseTimeDecay(0.8, decay=0.5, every=10), {0: 0.8, 9: 0.8, 10: 0.8 / 1.5, 20: 0.4}),
    (CosineDecay(1.0, steps=100), {0: 1, 25: (1 + np.sqrt(0.5)) / 2, 50: 0.5, 100: 0, 200: 0}),
    (CosineDecay(1.0, steps=100, final=0.5), {0: 1, 50: 0.75, 100: 0.5, 10**6: 0.5}),
    (
        OneCycle(1.0, steps=100),
        {0: 0.04, 15: 0.52, 30: 1, 65: (1 + 1e-4) / 2, 100: 1e-4, 150: 1e-4},
    ),
    (
        OneCycle(2.0, steps=10, warm_up=0.5, start_divisor=2, final_divisor=4),
        {0: 1, 1: 1.2, 4: 1.8, 5: 2, 10: 0.5},
    ),
    (OneCycle(1.0, steps=10, warm_up=0.0), {0: 1, 5: (1 + 1e-4) / 2, 10: 1e-4}),
    (OneCycle(1.0, steps=10, warm_up=1.0), {0: 0.04, 5: 0.52, 10: 1}),
    (OneCycle(1.0, steps=3, warm_up=0.5), {0: 0.04, 1: 0.68, 2: 1, 3: 1e-4}),
    (OneCycle(1.0, steps=1), {0: 0.04, 1: 1}),
]


@pytest.mark.parametrize(("schedule", "values"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_values(schedule: Any, values: dict[int, float]) -> None:
    assert {step: schedule(step) for step in values} == pytest.approx(values, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 8440])
def test_one_cycle_goes_up_and_then_down(steps: int) -> None:
    rates = np.array([OneCycle(0.01, steps)(step) for step in range(steps + 1)])
    top = int(rates.argmax())
    assert np.all(np.diff(rates[: top + 1]) > 0)
    assert np.all(np.diff(rates[top:]) < 0)
    assert abs(top - 0.3 * steps) <= 1
    assert rates.max() <= 0.01


def test_an_optimiser_follows_a_schedule() -> None:
    p = tg.Tensor(np.zeros(1), requires_grad=True)
    optimiser = tg.optim.SGD([p], StepDecay(1.0, every=2))
    path = []
    for _ in range(5):
        p.grad = tg.Tensor(np.ones(1))
        optimiser.step()
        path.append(-p.item())
    assert path == pytest.approx([1, 2, 2.1, 2.2, 2.21])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(1.0, every=0), "every=0: at least 1"),
        (lambda: InverseTimeDecay(1.0, 1.0, every=-1), "every=-1"),
        (lambda: CosineDecay(1.0, steps=0), "steps=0"),
        (lambda: OneCycle(1.0, steps=0), "steps=0"),
        (lambda: OneCycle(1.0, steps=5, warm_up=1.5), r"warm_up=1\.5: a share"),
        (lambda: OneCycle(1.0, steps=5, warm_up=-0.1), "warm_up"),
    ],
)
def test_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
