"""What a step may do: replayed, it does the same to the last bit."""

import pytest

from tests.replay.changes import CHANGES
from tests.replay.steps import STEPS, Step
from tests.replay.twins import assert_twins


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_replay_does_what_the_step_does(step: Step) -> None:
    assert_twins(step.make, step.inputs, step.calls, step.runs)


@pytest.mark.parametrize("step", CHANGES, ids=lambda step: step.name)
def test_changes_between_the_calls_are_noticed(step: Step) -> None:
    assert_twins(step.make, step.inputs, step.calls, step.runs)
