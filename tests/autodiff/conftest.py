"""What several test files of the engine need."""

from collections.abc import Iterator

import pytest

from tinygrad_np.autodiff.rules import TABLE


@pytest.fixture
def same_table() -> Iterator[None]:
    """Rules that a test defines are gone after it."""
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)
