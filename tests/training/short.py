"""The doctor's trainings with fewer steps, for the many patients whose findings they decide too."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from tinygrad_np.training.doctor import trials

STEPS = {"OVERFIT_STEPS": 60, "PER_DECADE": 8, "WINDOW": 5}


@contextmanager
def short() -> Iterator[None]:
    """Three tenths of the steps by heart, two fifths of those over learning rates."""
    with mock.patch.multiple(trials, **STEPS):
        yield
