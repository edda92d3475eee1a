"""Ctrl-C that waits for the end of a step."""

import signal
import threading
from types import FrameType
from typing import Any


class Interrupt:
    """While it is entered, the first Ctrl-C is noted in ``asked`` and the second raises.

    An interrupt in the middle of an update would leave half of the parameters changed. Outside the
    main thread, and where the program handles Ctrl-C in a way of its own, nothing is changed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._is_installed = False

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._is_installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._is_installed and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True
