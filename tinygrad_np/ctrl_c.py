"""Ctrl-C at the command line: one sentence and exit code 130 at any moment.

While Python imports what a command needs, and after the command is done, nobody can catch a
``KeyboardInterrupt``: its traceback would be all that a user sees. So a handler that ends the
process stands in there. It is installed only where the process is one of this project's programs.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


def _end(number: int, _: FrameType | None) -> None:
    os.write(2, b"stopped.\n")
    os._exit(128 + number)


def _is_own_program() -> bool:
    """Whether this is ``python -m tinygrad_np``, ``tinygrad-np`` or a program of ``benchmarks``."""
    words = sys.orig_argv
    if "-m" in words[1:-1]:
        return words[words.index("-m") + 1].split(".")[0] == __package__
    file = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
    if file.stem == "tinygrad-np":
        return True
    return file.resolve().parent == Path(__file__).resolve().parents[1] / "benchmarks"


@contextmanager
def raises() -> Iterator[None]:
    """While a command runs, Ctrl-C raises KeyboardInterrupt, as everywhere in Python."""
    ends = threading.current_thread() is threading.main_thread()
    ends = ends and signal.getsignal(signal.SIGINT) is _end
    if ends:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ends:
            signal.signal(signal.SIGINT, _end)


if _is_own_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
