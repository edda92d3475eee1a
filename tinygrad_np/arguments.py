"""Checks of arguments: one sentence that names the argument, what was given and what is needed.

Each takes the name of the function or class, the argument's name and its value, and returns the
value as what it is to be. What is of another kind raises TypeError, what is out of range
ValueError, or both raise ``error``.
"""

import inspect
import math
import numbers
import os
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError

Error = type[Exception]


def called(value: Any) -> str:
    """A function by its name, else what ``repr`` says of a value, without its place in memory."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return name
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return f"{type(value).__name__}(…)" if " at 0x" in text else text


def shown(value: Any) -> str:
    """What was given, short and on one line."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(getattr(value, "shape", None), tuple):
        return f"{type(value).__name__} of shape {value.shape}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    if isinstance(value, (tuple, list, dict, set)):
        text = reprlib.repr(value)
        return text if len(text) < 60 and "(" not in text[1:] else _counted(value)
    if value is None or isinstance(value, (numbers.Number, str, bytes)):
        return reprlib.repr(value)
    return f"an object of type {type(value).__name__}"


def _counted(value: Any) -> str:
    return f"a {type(value).__name__} of {len(value)}"


def refusal(place: str, name: str, value: Any, needed: str, error: Error = TypeError) -> Exception:
    """The exception for an argument."""
    if issubclass(error, DataError):
        return error(f"{place}: found {name}={shown(value)}, expected {needed.rstrip(',')}")
    return error(f"{place}({name}={shown(value)}): {needed} is needed.")


def is_whole(value: Any) -> bool:
    """Whether it is an integer, of Python's or NumPy's, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Whether it is a real number, of Python's or NumPy's, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def whole(
    place: str, name: str, value: Any, least: int | None = 1, error: Error | None = None
) -> int:
    """An integer from ``least`` up, None for any."""
    needed = "an int" if least is None else f"an int from {least} up"
    if not is_whole(value):
        raise refusal(place, name, value, needed, error or TypeError)
    if least is not None and value < least:
        raise refusal(place, name, value, needed, error or ValueError)
    return int(value)


def real(
    place: str,
    name: str,
    value: Any,
    needed: str = "a number from 0 up",
    *,
    low: float = 0.0,
    high: float = math.inf,
    ends: str = "[)",
    error: Error | None = None,
) -> float:
    """A finite number between ``low`` and ``high``, which belong to it where ``ends`` says so."""
    if type(value) is float and low < value < high:
        return value
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value[()]
    if not is_real(value):
        raise refusal(place, name, value, needed, error or TypeError)
    above = low <= value if ends[0] == "[" else low < value
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below and math.isfinite(value)):
        raise refusal(place, name, value, needed, error or ValueError)
    return float(value)


def finite(place: str, name: str, value: Any, error: Error | None = None) -> float:
    """Any number that is finite."""
    return real(place, name, value, "a finite number", low=-math.inf, error=error)


def share(place: str, name: str, value: Any, ends: str = "[]", error: Error | None = None) -> float:
    """A number from 0 to 1, or with ``ends="[)"`` to below 1."""
    needed = f"a number from 0 to {'below ' * (ends[1] == ')')}1"
    return real(place, name, value, needed, high=1.0, ends=ends, error=error)


def flag(place: str, name: str, value: Any, error: Error = TypeError) -> bool:
    """True or False, which 1 and 0 are, too."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_) or (is_whole(value) and value in (0, 1)):
        return bool(value)
    raise refusal(place, name, value, "True or False", error)


def one_of(place: str, name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """One of some words."""
    if not any(value is choice or (isinstance(value, str) and value == choice)
               for choice in choices):  # fmt: skip
        raise refusal(place, name, value, f"one of {', '.join(map(repr, choices))}", ValueError)


def function(
    place: str, name: str, value: Any, of: str, error: Error = TypeError, count: int | None = None
) -> None:
    """Something that is called with what ``of`` says; no class, which was to be called before.

    ``count`` is how many arguments it will get, by position.
    """
    if isinstance(value, type) or not callable(value) or not takes(value, count):
        raise refusal(place, name, value, f"a function of {of}", error)


def takes(value: Any, count: int | None) -> bool:
    """Whether a function can be called with so many arguments, as far as it tells."""
    if count is None:
        return True
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def instance(place: str, name: str, value: Any, kind: type, needed: str) -> None:
    """An object of a class, which ``needed`` calls."""
    if not isinstance(value, kind):
        raise refusal(place, name, value, needed)


def dtype(place: str, name: str, value: Any, kinds: str = "fc", error: Error = TypeError) -> Any:
    """A dtype of one of the ``kinds``: by default a floating or complex one."""
    try:
        found = None if value is None else np.dtype(value)
    except TypeError:
        found = None
    if found is None or found.kind not in kinds:
        what = (
            "a floating dtype such as np.float32" if kinds in ("f", "fc") else "a dtype of numbers"
        )
        raise refusal(place, name, value, what, error)
    return found


def path(place: str, name: str, value: Any) -> Path:
    """The path of a file; a number would be an open file of the process."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise refusal(place, name, value, "the path of a file or folder")


def generator(place: str, seed: Any) -> "np.random.Generator":
    """What draws from a seed; None draws anew each time."""
    if not isinstance(seed, (str, bytes, bool, float)):
        try:
            return np.random.default_rng(seed)
        except (TypeError, ValueError):
            pass
    needed = "an int from 0 up or a np.random.Generator"
    raise refusal(place, "seed", seed, needed, ValueError if is_whole(seed) else TypeError)
