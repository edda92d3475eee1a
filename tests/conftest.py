"""What holds for all tests."""

import gc
import os
import signal
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # two BLAS threads in each of two workers wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# processes that tests start compile what they import once, not each
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what it runs in the background so; then no test of Ctrl-C could be one
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What 13,000 tests are made of is not walked by every collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was given to each capture of a step from here on."""
    from tinygrad_np.replay import Replay  # after the number of threads is set

    found: list[Any] = []
    captured = Replay._captured

    def noted(*given: Any) -> Any:
        found.append(given)
        return captured(*given)

    monkeypatch.setattr(Replay, "_captured", noted)
    return found
