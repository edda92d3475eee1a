"""What holds for all tests."""

import contextlib
import gc
import importlib
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


def pytest_collection(session: pytest.Session) -> None:
    """The second worker imports the files from the last on: each finds what the other compiled.

    Where nothing is compiled yet, as in a fresh clone, that are 4 of 16 s.
    """
    if os.environ.get("PYTEST_XDIST_WORKER") != "gw1" or session.config.args != ["tests"]:
        return
    for file in sorted(session.config.rootpath.glob("tests/**/test_*.py"), reverse=True):
        name = ".".join(file.relative_to(session.config.rootpath).with_suffix("").parts)
        with contextlib.suppress(Exception, pytest.skip.Exception):  # which collection reports
            importlib.import_module(name)


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
