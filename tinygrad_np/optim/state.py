"""An optimiser's state by name: how it works is put in words, and what does not fit is named."""

import dataclasses
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..arguments import shown
from ..autodiff.primitives.numbers import own
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from ..threads import Crew
from .pack import Pack, gathered

MADE_ANEW = ("_packs", "_crew")  # for each copy of an optimiser
Kept = dict[Tensor, tuple[int, dict[str, np.ndarray]]]  # gradients had, and arrays by name


class Stateful:
    """What an optimiser keeps, as it is saved, taken back, copied and loaded."""

    params: tuple[Tensor, ...]
    param_groups: list[dict[str, Any]]
    steps: int
    _packs: list[Pack]
    _defaults: dict[str, Any]
    _crew: Crew

    def _states(self, group: dict[str, Any]) -> tuple[str, ...]:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All that later steps depend on, besides parameters and gradients; arrays are copies.

        ``class`` (str), ``settings`` (names and values, fit for JSON; a schedule as it is written),
        ``steps`` (int), ``ages`` (how many gradients each parameter had, int64), and, for each
        parameter by its place, arrays of its shape and dtype (float32 for float16) such as
        ``0.first``.
        """
        found = self._described()
        return {k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in found.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the optimiser whose ``state_dict()`` this is; all is checked before any is set.

        Raises ShapeError that names every missing, unexpected and other entry: class and settings
        must be the same, arrays must have the same shapes and dtypes. The code of a schedule that
        is a plain function is not compared.
        """
        own = self._described()
        wrong = misfits(own, state)
        if wrong:
            raise ShapeError(f"the state does not fit this optimiser: {'; '.join(wrong)}.")
        self.steps = int(state["steps"])
        ages = dict(zip(self.params, state["ages"].tolist(), strict=True))
        for pack in self._packs:
            pack.set_ages([ages[parameter] for parameter in pack.params])
        for name in own.keys() - {"class", "settings", "steps", "ages"}:
            own[name][...] = state[name]

    def _described(self) -> dict[str, Any]:
        """What ``state_dict`` has, with views of the state itself."""
        each = {p: (age, parts) for p, age, parts in self._each()}
        groups = [{n: in_words(g[n]) for n in self._defaults} for g in self.param_groups]
        limits = {n: in_words(getattr(self, n)) for n in ("clip_norm", "clip_value", "max_norm")}
        first, places = 0, []
        for group in self.param_groups:
            places.append([first, first := first + len(group["params"])])
        settings = groups[0] if len(groups) == 1 else {"groups": groups, "params": places}
        return {
            "class": type(self).__name__,
            "settings": {**settings, **limits},
            "steps": self.steps,
            "ages": np.array([each[p][0] for p in self.params], np.int64),
            **{
                f"{i}.{name}": part
                for i, p in enumerate(self.params)
                for name, part in each[p][1].items()
            },
        }

    def _each(self) -> Iterator[tuple[Tensor, int, dict[str, np.ndarray]]]:
        """Every parameter, how many gradients it had, and views of its state by name."""
        for pack in self._packs:
            states = [pack.parts(flat) for flat in pack.state]
            for i, parameter in enumerate(pack.params):
                parts = [parts[i] for parts in states]
                yield parameter, pack.ages[i], dict(zip(pack.names, parts, strict=True))

    def _kept(self) -> Kept:
        """Copies of the state, by parameter."""
        return {
            parameter: (age, {name: own(part) for name, part in parts.items()})
            for parameter, age, parts in self._each()
        }

    def _take(self, kept: Kept) -> None:
        """Make the state what ``_kept`` found, under the names that it had."""
        for pack in self._packs:
            found = [kept[parameter] for parameter in pack.params]
            pack.set_ages([age for age, _ in found])
            if (names := tuple(found[0][1])) != pack.names:
                pack.rename(names)
        for parameter, _, parts in self._each():
            for name, part in parts.items():
                part[...] = kept[parameter][1][name]

    def save(self) -> dict[str, Any]:
        """The state, and the parameters' values, as they are now."""
        values = [own(parameter._array) for parameter in self.params]
        return {"steps": self.steps, "kept": self._kept(), "values": values}

    def restore(self, saved: dict[str, Any]) -> None:
        """Make state and values what ``save`` found."""
        self.steps = saved["steps"]
        self._take(saved["kept"])
        for parameter, values in zip(self.params, saved["values"], strict=True):
            parameter._write()[...] = values

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take: settings, and the state of each parameter."""
        settings = {name: value for name, value in vars(self).items() if name not in MADE_ANEW}
        return {"settings": settings, "kept": list(self._kept().items())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state["settings"])
        groups = self.param_groups
        self._packs = [pack for g in groups for pack in gathered(g, self._states(g))]
        self._crew = Crew()
        self._take(dict(state["kept"]))


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
