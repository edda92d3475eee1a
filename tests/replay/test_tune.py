"""Choices left to the clock: they change last digits only, and can be printed, saved and fixed."""

import json
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim, threads
from tinygrad_np.replay import program, tune
from tinygrad_np.replay import step as step_module

ROWS = 2_500
CHOICES = [
    {"blas_threads": 1},
    {"rows": 512},
    {"rows": 700, "workers": 2},
    {"rows": 4_096},
    {"blas_threads": 1, "rows": 300, "workers": 3},
]


class Task:
    """A network under training, and its batch."""

    def __init__(self, rows: int = ROWS) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.random((rows, 12))
        self.y = rng.integers(0, 4, rows)
        seed = np.random.default_rng(1)
        self.model = nn.Sequential(
            nn.Linear(12, 8, seed=seed, dtype=np.float64),
            nn.ReLU(),
            nn.Linear(8, 4, seed=seed, dtype=np.float64),
        )
        self.optimiser = optim.Adam(self.model.parameters(), 0.01)

    def step(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimiser.step()
        return loss

    def losses(self, step: Any, count: int = 6) -> list[float]:
        return [step(self.x, self.y).item() for _ in range(count)]

    def weights(self) -> bytes:
        return b"".join(p.numpy().tobytes() for p in self.model.parameters())


def signature(rows: int = ROWS) -> str:
    return f"float64[{rows}, 12], int64[{rows}]"


def test_tuning_measures_and_leaves_the_state_alone() -> None:
    task, plain = Task(), Task()
    step = tg.replay(task.step, tune=True)
    tuned = task.losses(step)
    assert tuned == pytest.approx(plain.losses(tg.replay(plain.step)), rel=1e-12)
    assert task.optimiser.steps == plain.optimiser.steps == 6
    assert list(step.choices) == [signature()]
    assert set(step.choices[signature()]) == {"blas_threads", "rows", "workers"}


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_fixed_choice_repeats_every_bit(choice: dict[str, int]) -> None:
    saved = json.loads(json.dumps({signature(): choice}))
    once, again, plain = Task(), Task(), Task()
    first = once.losses(tg.replay(once.step, tune=saved))
    assert first == again.losses(tg.replay(again.step, tune=saved))
    assert once.weights() == again.weights()
    assert first == pytest.approx(plain.losses(plain_step(plain)), rel=1e-12)


def plain_step(task: Task) -> Any:
    return lambda x, y: task.step(tg.Tensor(x), tg.Tensor(y))


def test_workers_each_add_up_their_own_blocks() -> None:
    task = Task()
    step = tg.replay(task.step, tune={signature(): {"rows": 500, "workers": 2}})
    task.losses(step, 3)
    (loop,) = step.program.binding.loops.values()
    assert [[b.stop - b.start for b in part.blocks] for part in loop.parts] == [
        [500, 500, 500],
        [500, 500],
    ]
    assert step.profile(2).total > 0


def test_a_signature_that_was_not_saved_stays_as_it_is() -> None:
    task, plain = Task(64), Task(64)
    step = tg.replay(task.step, tune={signature(): {"rows": 512}})
    assert task.losses(step) == plain.losses(plain_step(plain))
    assert step.choices == {signature(64): tune.Choice().as_dict()}


def test_verification_of_a_tuned_step_compares_every_bit() -> None:
    task = Task()
    step = tg.replay(task.step, tune={signature(): {"rows": 512}}, verify=2)
    task.losses(step, 9)
    assert step.program.choice == tune.Choice(rows=512)


@pytest.mark.parametrize("given", [{"row": 1}, {"rows": -1}, {"rows": "many"}, 3])
def test_what_is_no_choice_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="a choice has"):
        tune.Choice.of(given)


def test_without_threadpoolctl_the_threads_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = threads.BlasThreads()
    unknown._libraries = []
    for module in (tune, step_module):
        monkeypatch.setattr(module, "blas_threads", lambda: unknown)
    assert unknown.get() == 0
    task = Task(100)
    with pytest.warns(UserWarning, match="pip install threadpoolctl"):
        step = tg.replay(task.step, tune=True)
    task.losses(step, 4)
    assert step.choices[signature(100)]["workers"] == 1


def test_a_choice_of_threads_that_cannot_be_made_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = threads.BlasThreads()
    unknown._libraries = []
    task = Task(100)
    step = tg.replay(task.step, tune={signature(100): {"blas_threads": 1}})
    for module in (program, step_module):
        monkeypatch.setattr(module, "blas_threads", lambda: unknown)
    with pytest.raises(ImportError, match="pip install threadpoolctl"):
        tg.replay(task.step, tune={signature(100): {"blas_threads": 1}})
    with pytest.raises(ImportError, match="pip install threadpoolctl"):
        task.losses(step, 4)  # as where it was unpickled elsewhere


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert threads.thread_count() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.thread_count() >= 1


def test_a_crew_waits_for_all_and_passes_errors_on() -> None:
    crew, done = threads.Crew(), []

    def work(number: int) -> None:
        if number == 2:
            raise ValueError("the second")
        done.append(number)

    with pytest.raises(ValueError, match="the second"):
        crew.run(work, [1, 2, 3])
    assert sorted(done) == [1, 3]
