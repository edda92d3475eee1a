"""Learning-rate schedules: their values, and what they refuse."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.optim import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp

NAN = float("nan")
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
    (WarmUp(0.8, steps=4), {0: 0, 1: 0.2, 3: 0.6, 4: 0.8, 100: 0.8}),
    (WarmUp(0.8, steps=1, start=0.4), {0: 0.4, 1: 0.8}),
    (WarmUp(StepDecay(1.0, every=2), steps=5, start=0.5), {0: 0.5, 2: 0.7, 5: 1, 6: 1, 7: 0.1}),
    (WarmUp(CosineDecay(1.0, steps=10), steps=10), {5: 0.5, 10: 1, 15: 0.5, 20: 0, 30: 0}),
    (WarmUp(WarmUp(0.8, 4, start=0.4), 2), {0: 0, 1: 0.2, 2: 0.4, 4: 0.6, 6: 0.8}),
]


@pytest.mark.parametrize(("schedule", "values"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_values(schedule: Any, values: dict[int, float]) -> None:
    assert {step: schedule(step) for step in values} == pytest.approx(values, rel=1e-12, abs=1e-15)


PYTORCH: list[tuple[Any, str, dict[str, Any], range]] = [
    (StepDecay(0.3, every=7, factor=0.5), "StepLR", {"step_size": 7, "gamma": 0.5}, range(100)),
    (CosineDecay(0.3, 100, 0.01), "CosineAnnealingLR", {"T_max": 100, "eta_min": 0.01}, range(100)),
    (WarmUp(0.3, 20, 0.03), "LinearLR", {"start_factor": 0.1, "total_iters": 20}, range(100)),
    (InverseTimeDecay(0.3, 0.1), "LambdaLR", {"lr_lambda": lambda k: 1 / (1 + k / 10)}, range(100)),
]
# 30 steps up and 70 down; PyTorch counts the last step as one of the cycle, and divides the start
CYCLE = {"max_lr": 0.3, "total_steps": 101, "pct_start": 31 / 101, "final_div_factor": 400}
for half, shape in ((range(31), "linear"), (range(30, 101), "cos")):
    PYTORCH.append((OneCycle(0.3, 100), "OneCycleLR", {**CYCLE, "anneal_strategy": shape}, half))


@pytest.mark.parametrize(("schedule", "name", "settings", "steps"), PYTORCH)
def test_with_pytorch(schedule: Any, name: str, settings: dict[str, Any], steps: range) -> None:
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    other = getattr(torch.optim.lr_scheduler, name)(optimiser, **settings)
    rates = []
    for step in range(steps.stop):
        rates.append(other.get_last_lr()[0])
        optimiser.step()
        if step < steps.stop - 1:
            other.step()
    ours = [schedule(step) for step in steps]
    np.testing.assert_allclose(ours, rates[steps.start :], rtol=1e-12, atol=1e-15)


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
        (lambda: StepDecay(1.0, every=0), r"every=0\): an int from 1 up"),
        (lambda: InverseTimeDecay(1.0, 1.0, every=-1), "every=-1"),
        (lambda: CosineDecay(1.0, steps=0), "steps=0"),
        (lambda: OneCycle(1.0, steps=0), "steps=0"),
        (lambda: OneCycle(1.0, steps=5, warm_up=1.5), r"warm_up=1\.5\): a number from 0 to 1"),
        (lambda: OneCycle(1.0, steps=5, warm_up=-0.1), "warm_up"),
        (lambda: OneCycle(1.0, steps=5, start_divisor=0), r"start_divisor=0\): a number above 0"),
        (lambda: OneCycle(1.0, steps=5, final_divisor=-1.0), r"final_divisor=-1\.0"),
        (lambda: OneCycle(-1.0, steps=5), r"peak=-1\.0\): a number from 0 up is needed"),
        (lambda: StepDecay(-1.0, 5), r"lr=-1\.0\): a number from 0 up is needed"),
        (lambda: StepDecay(1.0, 5, factor=NAN), "factor=nan"),
        (lambda: StepDecay(1.0, NAN), r"every=nan\): an int from 1 up"),
        (lambda: InverseTimeDecay(NAN, 1.0), "lr=nan"),
        (lambda: InverseTimeDecay(1.0, -0.1), r"decay=-0\.1"),
        (lambda: CosineDecay(float("inf"), 5), "lr=inf"),
        (lambda: CosineDecay(1.0, 5, final=-1.0), r"final=-1\.0"),
        (lambda: CosineDecay(1.0, float("inf")), r"steps=inf\)"),
        (lambda: WarmUp(-1.0, 5), r"schedule=-1\.0"),
        (lambda: WarmUp(1.0, 0), r"steps=0\): an int from 1 up"),
        (lambda: WarmUp(1.0, 5, start=NAN), "start=nan"),
    ],
)
def test_refused(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()
