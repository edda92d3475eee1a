"""What a step finds outside of its arguments, so that a replay notices when that is another.

These are the variables it closes over, the globals and attributes that it names, and those of the
functions and modules that it calls. Tensors and other objects are told by identity, numbers by
value; in short lists and dicts the Tensors, modules and (dicts) numbers count, too.
"""

import collections
import dis
import functools
import inspect
import operator
import sys
import types
from collections.abc import Iterable, Sequence
from typing import Any

from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor

PACKAGE = __name__.split(".")[0]
LONGEST = 64  # entries of a container that is looked into
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
NUMBERS = (bool, int, float, str)
FOREIGN = {"numpy", "scipy", PACKAGE, *sys.stdlib_module_names} - {"__main__"}


class Outside:
    """The outside of ``fn`` and of the ``modules`` it calls, as far as it can be seen."""

    def __init__(self, fn: Any, modules: Iterable[Any] = ()) -> None:
        self.cells: list[Any] = []
        self.places: list[tuple[Any, Any]] = []
        self.names: list[str] = []
        self._named: list[list[str]] = []
        self._seen: list[Any] = []
        todo = [fn, *(module.forward for module in modules if _is_followed(type(module)))]
        while todo:
            todo += self._add(todo.pop())
        self.containers = [v for v in self._plain() if _is_short(v)]
        self.names += [name for names in self._named for name in names]

    def values(self) -> list[Any]:
        """All of it, as it is now."""
        found = self._plain()
        for container in self.containers:
            found += contents(container)
        return found

    def changed(self, was: Sequence[Any]) -> str | None:
        """What is not what it was, by name, if anything."""
        now = self.values()
        if are_same(now, was):
            return None
        pairs = zip(self.names, now, was, strict=False)
        return next((name for name, a, b in pairs if not are_same([a], [b])), "a list or dict")

    def _plain(self) -> list[Any]:
        try:
            found = [cell.cell_contents for cell in self.cells]
            for place, get in self.places:
                found += get(place)
        except (ValueError, KeyError):  # something has no value now
            found = [_content(cell) for cell in self.cells]
            for place, get in self.places:
                found += get(collections.defaultdict(lambda: None, place))
        return found

    def _add(self, fn: Any) -> list[Any]:
        """Note what a function names; returns the functions among it."""
        fn = inspect.unwrap(fn.func if isinstance(fn, functools.partial) else fn)
        instance = getattr(fn, "__self__", None)
        fn = getattr(fn, "__func__", fn)
        if not isinstance(fn, types.FunctionType) or any(fn is f for f in self._seen):
            return []
        self._seen.append(fn)
        variables, attributes = _names(fn.__code__)
        cells = fn.__closure__ or ()
        self.cells += cells
        self.names += fn.__code__.co_freevars
        found = [_content(cell) for cell in cells]
        found += self._add_place(fn.__globals__, variables)
        found += [
            value
            for thing in [instance, *found]
            if _has_attributes(thing)
            for value in self._add_place(vars(thing), attributes)
        ]
        for name in attributes:
            method = getattr(type(instance), name, None)
            if isinstance(method, types.FunctionType):
                found.append(types.MethodType(method, instance))
        return [value for value in found if isinstance(value, FUNCTIONS) and _is_followed(value)]

    def _add_place(self, place: Any, names: Sequence[str]) -> list[Any]:
        """Note the names that a namespace has; returns their values."""
        there = [name for name in names if name in place and not _is_fixed(place[name])]
        if not there or any(place is known for known, _ in self.places):
            there = [n for n in there if not self._is_noted(place, n)]
        if there:
            get = operator.itemgetter(*there, there[0])  # a tuple, also of one
            self.places.append((place, get))
            self._named.append([*there, there[0]])
        return [place[name] for name in there]

    def _is_noted(self, place: Any, name: str) -> bool:
        pairs = zip(self.places, self._named, strict=True)
        return any(known is place and name in names for (known, _), names in pairs)


def contents(container: Any) -> list[Any]:
    """The Tensors and modules in a list, and the numbers, too, in a dict."""
    numbers = NUMBERS if isinstance(container, dict) else ()
    return [
        part
        for part in leaves(container)
        if isinstance(part, (Tensor, *numbers)) or hasattr(part, "_mark")
    ]


def are_same(now: Sequence[Any], was: Sequence[Any]) -> bool:
    """Whether these are the same objects, or equal numbers."""
    if len(now) != len(was):
        return False
    if all(map(operator.is_, now, was)):
        return True
    return all(
        a is b or (type(a) is type(b) and isinstance(a, NUMBERS) and a == b)
        for a, b in zip(now, was, strict=True)
    )


def attributes(module: Any) -> dict[str, Any]:
    """A module's attributes, without its own marks."""
    return {name: value for name, value in vars(module).items() if name != "_mark"}


def has_attributes(module: Any, was: dict[str, Any]) -> bool:
    """Whether a module has these attributes: the same objects, or equal numbers."""
    now = attributes(module)
    return list(now) == list(was) and are_same(list(now.values()), list(was.values()))


def _names(code: types.CodeType) -> tuple[list[str], list[str]]:
    """The globals and the attributes that a function names, and the functions inside it."""
    variables: dict[str, None] = {}
    attributes: dict[str, None] = {}
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                variables[instruction.argval] = None
            elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                attributes[instruction.argval] = None
    return list(variables), list(attributes)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _is_fixed(value: Any) -> bool:
    """Whether nobody makes this another one: files, and what libraries have in them."""
    if isinstance(value, types.ModuleType):
        return value.__name__.split(".")[0] in FOREIGN
    return isinstance(value, (type, types.FunctionType)) and not _is_followed(value)


def _is_short(value: Any) -> bool:
    return type(value) in (list, dict) and len(value) <= LONGEST


def _is_followed(fn: Any) -> bool:
    """Whether it is the user's own: what libraries find outside does not change."""
    return str(getattr(fn, "__module__", None) or "").split(".")[0] not in FOREIGN


def _has_attributes(value: Any) -> bool:
    """Whether attributes count: those of the user's objects and files, and of layers."""
    if isinstance(value, types.ModuleType):
        return value.__name__.split(".")[0] not in FOREIGN
    if isinstance(value, (type, *FUNCTIONS)) or not hasattr(value, "__dict__"):
        return False
    return _is_followed(type(value)) or hasattr(value, "_mark")
