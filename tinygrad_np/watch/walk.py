"""What the step read that others can change, and how to look whether it is the same.

``Walk`` finds it, starting from the step, its arguments and the globals. It makes watches, which
get what is to be compared: numbers by value, containers by their elements, the rest by identity.
"""

import abc
import functools
import gc
import operator
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.tensor import Tensor
from ..recording.lines import Whose, whose
from .objects import (
    OF_C,
    SEQUENCES,
    SLOT,
    attribute,
    attributes,
    cell,
    closure,
    content,
    draws,
    fields,
    given_by,
    held_by,
    is_iterator,
    is_plain,
    is_same,
    isa,
    kinds_of,
    member,
    origin_of,
    plain,
    variable,
)
from .reads import Read, Reads
from .unseen import is_hidden, looks_around

ARRAYS = (Tensor, np.ndarray)
FIXED = (*ARRAYS, tuple, frozenset)  # whose attributes nobody sets, but of classes of the user's
NAMED = (types.FunctionType, types.ModuleType)
# what is looked at of one object after the other
CELL, BASES, NAME, CALLED = map(
    operator.attrgetter, ("cell_contents", "__mro__", "__name__", "name")
)
_made_of = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__", "__name__")


class Watch(NamedTuple):
    """``get(of)`` gives values, named by ``labels``: one for all, or one for each."""

    get: Callable[[Any], Any]
    of: Any
    labels: Any


class Walk:
    """What the step read that others can change, as far as it can be reached.

    ``changes`` has what the step itself has changed, with the value after it: by name, as it was
    read first.
    """

    def __init__(self, reads: Reads, roots: Sequence[Any]) -> None:
        self.reads = reads
        self.changes: dict[str, tuple[Read, Any]] = {}
        self.unseen = reads.unseen
        self.watches: list[Watch] = []
        self.tensors: dict[Tensor, None] = {}
        self.arrays: list[tuple[np.ndarray, Any]] = []
        self.seen: dict[int, Any] = {}
        self._names: dict[int, tuple[Any, dict[str, str]]] = {}  # namespaces, and labels of names
        self._absent: dict[int, tuple[Any, dict[str, str]]] = {}  # and of what is not in them
        # by what is got of each: objects with their labels
        self._each: dict[Any, dict[int, tuple[Any, str]]] = {}
        self._inner: set[int] = set()  # what only objects of a library's classes have
        code = getattr(roots[0], "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if code in reads.codes else ""
        self._todo = [(root, Read("an argument", root, place)) for root in reversed(roots)]
        self._known: dict[int, list[str]] = {}
        for (look, owner, name), read in reads.notes.items():
            if look is attribute:
                self._known.setdefault(owner, []).append(name)
            elif look is variable:
                self._variable(read)
        for name in reads.imports & sys.modules.keys():
            self._name(sys.modules, name, name)
            self._todo.append((sys.modules[name], Read(name, sys.modules[name], "")))
        self._todo += reads.roots
        self._visit_all()
        self._todo += [(function, Read(function.__name__, 0, "")) for function in self._hidden()]
        self._visit_all()
        self._collect()

    def _collect(self) -> None:
        """Watches that check the same thing of many objects."""
        found = []
        for space, names in self._names.values():
            twice = [*names] * (2 if len(names) == 1 else 1)  # so that one comes as a tuple, too
            found.append(Watch(operator.itemgetter(*twice), space, [names[n] for n in twice]))
        for space, names in self._absent.values():
            found.append(Watch(functools.partial(map, space.get), [*names], [*names.values()]))
        for get, pairs in self._each.items():
            of, labels = zip(*pairs.values(), strict=True)
            found.append(Watch(functools.partial(map, get), of, labels))
        for generator in self.reads.asked.values():
            name = type(generator).__name__
            if id(generator) not in self.reads.drawing:
                found.append(Watch(content, generator, f"the state of {name}"))
            elif self.unseen is None:
                place = self.reads.notes[content, id(generator), ""].place
                self.unseen = Read(f"looks into a {name}, and draws from it", None, place)
        if self.reads.warns:
            found.append(Watch(lambda of: [*of.filters], warnings, "the filters of warnings"))
        if self.reads.abstract:
            label = "what is registered for an abstract class"
            found.append(Watch(lambda of: [sys.intern(str(of()))], abc.get_cache_token, label))
        self.watches = found + self.watches

    def _visit_all(self) -> None:
        while self._todo:
            value, read = self._todo.pop()
            if not is_plain(value) and id(value) not in self.seen:
                self.seen[id(value)] = value
                if (
                    read.place  # layers ask only for a class
                    and self.unseen is None
                    and (is_iterator(value) or is_hidden(value, id(value) in self._inner))
                ):
                    what = f"reads {read.name}, an object of class {type(value).__qualname__}"
                    self.unseen = read._replace(name=what)
                self._visit(value, read)

    def _hidden(self) -> list[Any]:
        """The functions with a closure that ran and were not reached, nor made by the step."""
        ran = [code for code, known in self.reads.codes.items() if known is not None]
        made = {part for code in ran for part in code.co_consts if isinstance(part, types.CodeType)}
        met = {f.__code__ for f in self.seen.values() if isa(f, types.FunctionType)}
        codes = [code for code in ran if code.co_freevars and code not in made | met]
        found = gc.get_referrers(*codes) if codes else []
        return [function for function in found if isa(function, types.FunctionType)]

    def _visit(self, value: Any, read: Read) -> None:
        """Watch what is in an object, and go on to what it holds."""
        held = held_by(value)
        if (wrapped := (fields(value) or {}).get("__wrapped__")) is not None:
            held = [wrapped, *held]
        if isa(value, Tensor):
            self.tensors[value] = None
            if "name" in self.reads.floating:
                self._watch(CALLED, value, "the name of a Tensor")
        elif isa(value, types.FunctionType):
            self._function(value, read)
        elif not (held or isa(value, tuple)):
            self._content(value, read)
        self._todo += [(part, read) for part in held]
        if not (held or isa(value, FIXED)) or whose(type(value).__module__) is Whose.USER:
            self._attributes(value, read)

    def _content(self, value: Any, read: Read) -> None:
        """What is in a container or an array."""
        now = content(value)
        if now is None or draws(type(value)):
            return
        first = self._first(content, value)
        only_appended = id(value) in self.reads.appended and id(value) not in self.reads.used
        if first is not None and only_appended:
            if not any(isa(part, ARRAYS) for part in now[len(first.value) :]):
                return  # a list of runs, say, that the step does not read
        label = f"what is in {read.name}"
        held = self._compared(first, now, read._replace(name=label))._replace(name=read.name)
        if isa(now, tuple):
            self.arrays.append((value, now))
            return
        self.watches.append(Watch(list if type(value) is list else content, value, label))
        if isa(value, (*SEQUENCES, Mapping)):  # what left another may have come to this one
            self._watch(len, value, label)
        self._todo += [(part, held) for part in now]

    def _attributes(self, value: Any, read: Read) -> None:
        """The attributes of an object, a class or a file that were read, or may have been."""
        is_class, is_module = isa(value, type), isa(value, types.ModuleType)
        of = value if is_class else type(value)
        origin = origin_of(value)
        if is_module and origin < Whose.USER:
            return
        known, floating = self._known.get(id(value), ()), self.reads.floating
        there = [*attributes(value), *([] if is_class else attributes(of))]
        unseen = origin is Whose.USER and whose(of.__module__) is Whose.LIBRARY
        is_whole = (
            id(value) in self.reads.whole
            or (self.reads.reflects and origin >= Whose.LAYERS and not is_module)
            or (unseen and not isa(value, (type, *NAMED)))  # C compares and shows all that it has
            or any(looks_around(member(value, name)) for name in (*known, *floating))
        )
        if is_whole:
            own, label = fields(value), f"the attributes of {of.__name__}"
            spaces = ([self._space(value)] if is_class else []) + ([] if own is None else [own])
            for space in spaces:
                self._watch(len, space, label)
        named = value if is_class or isa(value, NAMED) else of
        for name in dict.fromkeys([*known, *(n for n in there if is_whole or n in floating)]):
            if not self.reads.is_worked(value, name):
                self._attribute(value, name, read._replace(name=f"{named.__name__}.{name}"))
        if is_module:
            return
        if origin >= Whose.LAYERS and not isa(value, (type, *NAMED)):
            self._watch(type, value, f"the class of {of.__name__}")
        for kind in kinds_of(value):
            if whose(kind.__module__) >= Whose.LAYERS:
                methods = map(plain, vars(kind).values())
                self._todo += [(method, read) for method in methods if self._ran(method)]
                if whose(kind.__module__) is Whose.USER:
                    label = f"the bases or the name of {kind.__name__}"
                    self._watch(BASES, kind, label)
                    self._watch(NAME, kind, label)
                    self._todo.append((kind, Read(kind.__name__, kind, read.place)))

    def _attribute(self, value: Any, name: str, read: Read) -> None:
        """One attribute, and where it is kept."""
        now, first = attribute(value, name), self._first(attribute, value, name)
        if first is None and whose(type(value).__module__) is Whose.LIBRARY:
            self._inner.add(id(now))
        self._todo.append((now, self._compared(first, now, read)))
        own = vars(value) if isa(value, types.ModuleType) else fields(value)
        held: Any = None
        users = False
        for kind in kinds_of(value):
            users = whose(kind.__module__) is Whose.USER
            if name in vars(kind):
                held = vars(kind)[name]
                break
            if users:  # it may get an attribute of that name
                self._watch(len, self._space(kind), read.name)
        if own is not None and name in own:
            self._name(own, name, read.name)
        elif isa(held, OF_C) and isa(value, held.__objclass__):
            self._watch(functools.partial(given_by, held), value, read.name)
        elif not isa(held, SLOT):
            if own is not None:
                self._watch(len, own, read.name)
            if users and name in vars(kind):
                self._name(self._space(kind), name, read.name)

    def _space(self, kind: type) -> Any:
        """The namespace of a class, the same view of it each time."""
        return self.seen.setdefault(-id(kind), vars(kind))

    def _name(self, space: Any, name: str, label: str) -> None:
        """A name in a namespace, or that it is not there."""
        names = self._names if name in space else self._absent
        names.setdefault(id(space), (space, {}))[1][name] = label

    def _watch(self, get: Callable[[Any], Any], of: Any, label: str) -> None:
        """What is got of an object, as of others."""
        self._each.setdefault(get, {})[id(of)] = of, label

    def _function(self, function: types.FunctionType, read: Read) -> None:
        """A function that ran: its closure, and what its parameters are by default."""
        unseen = whose(function.__globals__.get("__name__")) is Whose.LIBRARY
        if not (self._ran(function) or unseen):
            return
        code, label = function.__code__, function.__name__
        # what was noted by the code is of this function, or of another that has it
        ours = self._is_noted(function) or not any(map(self._is_noted, self.reads.functions(code)))
        for name, holder in closure(function):
            first = self._first(cell, holder) or (self._first(cell, code, name) if ours else None)
            held = read._replace(name=label if unseen else name)
            held = self._compared(first, holder.cell_contents, held)
            self._watch(CELL, holder, held.name)
            self._todo.append((holder.cell_contents, held))
        if whose(function.__module__) is Whose.USER:
            self.watches.append(Watch(_made_of, function, label))
            place = f"{code.co_filename}:{code.co_firstlineno}"
            held = Read(f"the defaults of {label}", None, place)
            self._todo += [
                (part, held) for part in (function.__defaults__, function.__kwdefaults__)
            ]

    def _is_noted(self, function: types.FunctionType) -> bool:
        """Whether the variables of a closure are what was noted first of its code's."""
        code = function.__code__
        pairs = zip(code.co_freevars, function.__closure__ or (), strict=True)
        firsts = [(self._first(cell, code, name), cell(holder)) for name, holder in pairs]
        return all(first is None or is_same(now, first.value) for first, now in firsts)

    def _variable(self, first: Read) -> None:
        """A name in a namespace: of the user's, or of a library's that the user's code reads."""
        space, name, now = first.owner, first.name, variable(first.owner, first.name)
        ours = whose(space.get("__name__")) is Whose.USER
        if ours or (first.place and not _is_fixed(now)):
            self._name(space, name, name)
            read = self._compared(first, now, first)
            if not _is_fixed(now):
                self._todo.append((now, read))

    def _first(self, look: Any, owner: Any, name: str = "") -> Read | None:
        """What was noted first."""
        return self.reads.notes.get((look, id(owner), name))

    def _compared(self, first: Read | None, now: Any, read: Read) -> Read:
        """A reading, of what was noted ``first`` if it was; if that is another now, it changed."""
        if first is None:
            return read
        read = Read(read.name, first.value, first.place or read.place)
        if not is_same(now, first.value):
            self.changes.setdefault(read.name, (read, now))
        return read

    def _ran(self, function: Any) -> bool:
        """Whether code of the user's ran, or of layers."""
        code = function.__code__ if isa(function, types.FunctionType) else None
        return self.reads.codes.get(code) is not None  # type: ignore[arg-type]


def _is_fixed(value: Any) -> bool:
    """Whether this never changes, as what libraries contain."""
    if isa(value, types.ModuleType):
        return whose(value.__name__) < Whose.USER
    kinds = (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc, type(np.shape))
    return isa(value, kinds) and whose(getattr(value, "__module__", None)) < Whose.USER
