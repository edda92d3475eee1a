"""Whose code a module is, and where in the user's code we are."""

import enum
import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

PACKAGE = __name__.split(".")[0]
LIBRARIES = {"numpy", "scipy", *sys.stdlib_module_names} - {"__main__"}
ENGINE = frozenset([
    "arguments", "autodiff", "batching", "data", "draw", "errors", "foreign", "habits", "optim",
    "random", "recording", "replay", "threads", "watch",
])  # fmt: skip
# of the engine's rooms, what reads lists and settings that users change between steps
OPEN = frozenset(["optim.clipping", "optim.optimisers", "optim.several"])


class Whose(enum.IntEnum):
    """Whose code a module is: what it reads counts from LAYERS on, and what is in it is USER's."""

    LIBRARY = 0
    ENGINE = 1
    LAYERS = 2
    USER = 3


@functools.lru_cache(maxsize=4096)
def whose(module: str | None) -> Whose:
    """Whose code a module is, by its name; only the user's code changes."""
    first, *rest = str(module or "").split(".")
    if first == PACKAGE:
        is_open = ".".join(rest) in OPEN or (rest and rest[0] not in ENGINE)
        return Whose.LAYERS if is_open else Whose.ENGINE
    return Whose.LIBRARY if first in LIBRARIES else Whose.USER


def outside(inside: Callable[[Any], bool]) -> FrameType | None:
    """The nearest frame of a module that is not ``inside``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and inside(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return frame


def users_line() -> str:
    """Where in the user's code we are."""
    frame = outside(lambda module: whose(module) < Whose.USER)
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
