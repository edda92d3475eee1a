"""An optimiser's state by name: how it works is put in words, and what does not fit is named."""

import dataclasses
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..arguments import shown


def in_words(value: Any) -> Any:
    """A setting as JSON can have it: schedules as they are written, other functions as such."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (f"{f.name}={in_words(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(fields)})"
    if callable(value):
        return "a function"
    if isinstance(value, tuple):
        return [in_words(part) for part in value]
    return value if value is None or isinstance(value, bool) else float(value)


def misfits(own: Mapping[str, Any], given: Any) -> list[str]:
    """Why ``given`` is no state for the optimiser whose state is ``own``, a phrase for each."""
    if not isinstance(given, Mapping):
        return [f"it is {shown(given)}, expected what state_dict() returns"]
    if "class" in given and repr(given["class"]) != repr(own["class"]):
        return [f"it is of class {_short(given['class'])}, expected {own['class']}"]
    wrong = [f"missing {name}" for name in own if name not in given]
    wrong += [f"unexpected {_short(name)}" for name in given if name not in own]
    if wrong:
        return wrong
    wrong += _other_settings(own["settings"], given["settings"])
    steps = given["steps"]
    counted = isinstance(steps, (int, np.integer)) and not isinstance(steps, bool) and steps >= 0
    if not counted:
        wrong.append(f"steps is {_short(steps)}, expected a number from 0 up")
    wrong += _other_arrays(own, given)
    ages = given["ages"]
    if not wrong and not np.all((ages >= 0) & (ages <= steps)):
        wrong.append(f"ages are not all in 0 … {steps}, the number of steps")
    return wrong


def _other_settings(own: Mapping[str, Any], given: Any) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"settings is {_short(given)}, expected names and values"
        return
    yield from (f"missing setting {name}" for name in own if name not in given)
    yield from (f"unexpected setting {_short(name)}" for name in given if name not in own)
    for name, value in own.items():
        if name in given and repr(given[name]) != repr(value):
            yield f"{name} is {_short(given[name])}, expected {value}"


def _other_arrays(own: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    for name, array in own.items():
        found = given[name]
        if not isinstance(array, np.ndarray):
            continue
        if not isinstance(found, np.ndarray):
            yield f"{name} is of type {type(found).__name__}, expected an array"
        elif found.shape != array.shape:
            yield f"{name} has shape {found.shape}, expected {array.shape}"
        elif found.dtype != array.dtype:
            yield f"{name} has dtype {found.dtype}, expected {array.dtype}"


_words = reprlib.Repr()
_words.maxstring = _words.maxother = 200  # a schedule is said in full


def _short(value: Any) -> str:
    return _words.repr(value)
