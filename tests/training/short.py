"""The doctor's trainings with fewer steps, for the many patients whose findings they decide too."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from tinygrad_np.training.doctor import trials


@contextmanager
def short(by_heart: int = 60) -> Iterator[None]:
    """Fewer steps by heart, of 200, and two fifths of those over learning rates."""
    with mock.patch.multiple(trials, OVERFIT_STEPS=by_heart, PER_DECADE=8, WINDOW=5):
        yield
