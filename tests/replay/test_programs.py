"""Random step programs: replayed they give what eager mode gives, or are refused."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.programs import Tally, alone, drawn, outcome, shown

# Of 150 seeds those that together have nearly all kinds of frames, models, losses, state, events
# and layouts; others: python -m tests.replay.programs --seed N --count M
SEEDS = [4, 8, 11, 19, 82, 84, 87, 91, 98, 123, 124, 127, 131, 132, 139, 141]


@functools.cache
def tally() -> Tally:
    counts = Tally()
    for seed in SEEDS:
        recipe = drawn(seed)
        counts.add(seed, recipe, outcome(recipe))
    return counts


def test_programs_are_equal_or_refused() -> None:
    faults = [f"seed {seed}: {found}\n{shown(drawn(seed))}" for seed, found in tally().faulty]
    assert not faults, faults[0]


def test_programs_whose_state_never_changes_are_not_refused() -> None:
    assert tally().unmoved == []


def test_refusals_name_a_line() -> None:
    assert tally().nowhere == []


def test_most_programs_are_not_refused() -> None:
    assert tally().verdicts["equal"] > len(SEEDS) / 2


# What is appended, and never read, is appended when the step runs as Python.
UNSEEN = ["deque, not read", "list, not read"]


@pytest.mark.slow
def test_each_kind_by_itself() -> None:
    for name, recipe in itertools.islice(alone(), 0, None, 31):
        if name.endswith(tuple(UNSEEN)):
            continue
        found = outcome(recipe)
        # a number that is changed outside counts at once: none is left to the next comparison
        wanted = ["equal"] if name.startswith("number in") else ["equal", "refused"]
        assert found.verdict in wanted, f"{name}: {found}\n{shown(recipe)}"


def as_written(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The step, which gets Tensors."""

    def step(*args: Any) -> Any:
        return fn(*[tg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args])

    step.fn = fn  # type: ignore[attr-defined]
    return step


def once(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A wrong replay: what the first call returned."""
    results: list[Any] = []

    def stale(*args: Any) -> Any:
        if not results:
            results.append(as_written(fn)(*args))
        return results[0]

    return stale


def test_a_stale_replay_is_found() -> None:
    found = [outcome(drawn(seed), once).verdict for seed in range(12)]
    assert found.count("equal") <= 1


def test_a_step_as_it_is_written_is_equal() -> None:
    assert [outcome(drawn(seed), as_written).verdict for seed in range(12)] == ["equal"] * 12
