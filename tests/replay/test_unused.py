"""Steps that use only the shape, the error or the warning of what they compute."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

LABELS = [np.array(v) for v in ([0, 1, 2, 3], [0, 0, 0, 1], [2, 2, 2, 2], [0, 1, 1, 0])]
COUNTS: list[Callable[[Any], Any]] = [
    lambda t: len(np.unique(t)),
    lambda t: len(np.bincount(t)),
    lambda t: len(np.nonzero(t == 1)[0]),
    lambda t: (t == 1).nonzero()[0].size,
    lambda t: t[t == 1].shape[0],
    lambda t: np.flatnonzero(t).size,
    lambda t: len(np.argwhere(t)),
    lambda t: np.where(t == 0)[0].size,
    lambda t: np.extract(t == 1, t).size,
    lambda t: np.compress(t == 1, t).size,
    lambda t: len(np.setdiff1d(t, [1])),
    lambda t: len(np.union1d(t, [9])),
    lambda t: len(np.unique(t, return_counts=True)[1]),
    lambda t: 1 if t[t == 3].size == 0 else 2,
]


def both(make: Callable[[Any], Callable[..., Any]], calls: list[tuple[Any, ...]]) -> None:
    """Each call replayed gives what it gives as written, or the replay is refused."""
    ends: list[list[Any]] = []
    for replayed in (False, True):
        w = tg.Tensor(np.array([1.0, 2.0, 3.0, 4.0]), requires_grad=True)
        step = tg.replay(make(w)) if replayed else make(w)
        found: list[Any] = []
        for args in calls:
            try:
                found.append(step(*args).item())
                found.append(w.grad.tolist() if w.grad is not None else None)
            except tg.ReplayError:
                assert replayed
                break
            except Exception as error:
                found.append(type(error))
        ends.append(found)
    eager, replayed_ = ends
    assert replayed_ == eager[: len(replayed_)]


def test_the_length_of_what_depends_on_values() -> None:
    order = [0, 0, 1, 0, 2, 3, 1, 0, 2]
    for count in COUNTS:

        def make(w: Any, count: Any = count) -> Any:
            def step(x: Any, t: Any) -> Any:
                w.grad = None
                loss = np.sum(w * x) * count(t)
                loss.backward()
                return loss

            return step

        both(make, [(np.ones(4), LABELS[i]) for i in order])


def _caught(w: Any, attempt: Callable[[Any, Any], Any], uses: bool) -> Callable[[Any], Any]:
    def step(x: Any) -> Any:
        w.grad = None
        try:
            found = attempt(w, x)
            k = np.sum(found) if uses else 1.0
        except (np.linalg.LinAlgError, IndexError, FloatingPointError):
            k = 5.0
        loss = np.sum(w * x) * k
        loss.backward()
        return loss

    return step


def _raising(w: Any, x: Any) -> Any:
    with np.errstate(all="raise"):
        return np.log(x) + 0 * w


ATTEMPTS: list[Callable[[Any, Any], Any]] = [
    lambda _, x: np.linalg.cholesky(np.diag(x)),
    lambda w, x: np.linalg.inv(np.diag(w * x)),
    lambda w, x: w[(x * 9).astype(int)],
    _raising,
]


@pytest.mark.parametrize("uses", [False, True])
def test_errors_that_a_step_catches(uses: bool) -> None:
    good, bad = np.array([0.1, 0.2, 0.3, 0.1]), np.array([0.0, -1.0, 2.0, 0.0])
    for attempt in ATTEMPTS:

        def make(w: Any, attempt: Any = attempt) -> Any:
            return _caught(w, attempt, uses)

        with np.errstate(all="ignore"):
            both(make, [(x,) for x in (good, good, good, bad, good, good, bad, bad, good)])


def test_a_step_that_fails_raises_what_it_raises_as_written() -> None:
    w = tg.Tensor(np.eye(2), requires_grad=True)
    kept = []

    @tg.replay
    def step(x: Any) -> Any:
        w.grad = None
        kept.append(0)
        loss = np.sum(np.linalg.inv(w * x))
        loss.backward()
        return loss

    for _ in range(5):
        step(np.full((2, 2), 2.0))
    runs = len(kept)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        step(np.zeros((2, 2)))
    assert w.grad is None and len(kept) == runs + 1
    assert step(np.full((2, 2), 2.0)).item() == 1.0
