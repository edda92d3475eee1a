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
    MISSING,
    OF_C,
    SEQUENCES,
    SLOT,
    array_state,
    attribute,
    attributes,
    bound_to,
    contents,
    fields,
    generator_state,
    given_by,
    is_iterator,
    is_plain,
    is_same,
    isa,
    kinds_of,
    member,
    origin_of,
    plain,
)
from .reads import Read, Reads
from .unseen import is_hidden, looks_around

ARRAYS = (Tensor, np.ndarray)
NAMED = (types.FunctionType, types.ModuleType)
_cells = functools.partial(map, operator.attrgetter("cell_contents"))
_lengths = functools.partial(map, len)
_types = functools.partial(map, type)
_bases = functools.partial(map, operator.attrgetter("__mro__"))
_names = functools.partial(map, operator.attrgetter("__name__"))
ALIKE = (_cells, _lengths, _types, _bases, _names)
_called = functools.partial(map, operator.attrgetter("name"))
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
        self.arrays: dict[int, tuple[np.ndarray, Any]] = {}
        self.seen: dict[int, Any] = {}
        self._names: dict[int, tuple[Any, dict[str, str]]] = {}  # namespaces, and labels of names
        self._absent: dict[int, tuple[Any, dict[str, str]]] = {}  # and of what is not in them
        # what is looked at alike, with its label: _lengths of namespaces in which a name is not, …
        self._alike: dict[Any, dict[int, tuple[Any, str]]] = {get: {} for get in ALIKE}
        self._inner: set[int] = set()  # what only objects of a library's classes have
        code = getattr(roots[0], "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if code in reads.codes else ""
        self._todo = [(root, Read("an argument", root, place)) for root in reversed(roots)]
        self._known: dict[int, list[str]] = {}
        for owner, name in reads.attributes:
            self._known.setdefault(owner, []).append(name)
        for namespace, name in reads.namespaces.values():
            self._global(namespace, name)
        for name in reads.imports & sys.modules.keys():
            self._names.setdefault(id(sys.modules), (sys.modules, {}))[1][name] = name
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
        for get, pairs in self._alike.items():
            of, labels = zip(*pairs.values(), strict=True) if pairs else ((), ())
            found += [Watch(get, of, labels)] if of else []
        for generator in self.reads.asked.values():
            _, read = self.reads.generators[id(generator)]
            if id(generator) not in self.reads.drawing:
                label = f"the state of {read.name}"
                self.watches.append(Watch(lambda g: [generator_state(g)], generator, label))
            elif self.unseen is None:
                self.unseen = read._replace(name=f"looks into a {read.name}, and draws from it")
        if self.reads.warns:
            found.append(Watch(lambda of: [*of.filters], warnings, "the filters of warnings"))
        if self.reads.abstract:
            label = "what is registered for an abstract class"
            found.append(Watch(lambda of: [sys.intern(str(of()))], abc.get_cache_token, label))
        if "name" in self.reads.floating and self.tensors:
            found.append(Watch(_called, list(self.tensors), "the name of a Tensor"))
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
        if (wrapped := (fields(value) or {}).get("__wrapped__")) is not None:
            self._todo.append((wrapped, read))
        if isa(value, Tensor):
            self.tensors[value] = None
        elif isa(value, types.FunctionType):
            self._function(value, read)
            self._attributes(value, read)
        elif isa(value, types.MethodType):
            self._todo += [(value.__self__, read), (value.__func__, read)]
        elif (owner := bound_to(value)) is not None:
            self._todo.append((owner, read))
        elif isa(value, (tuple, frozenset)):
            for part in value:
                self._todo.append((part, read))
        elif isa(value, np.ndarray) and not value.dtype.hasobject:
            content = array_state(value)
            self.arrays[id(value)] = value, content
            first = self.reads.arrays.get(id(value))
            if first is not None and first.value != content:
                label, place = f"what is in {read.name}", first.place or read.place
                self._change(Read(label, None, place), content)
        else:
            self._container(value, read)
            self._attributes(value, read)
            return
        if whose(type(value).__module__) is Whose.USER:
            self._attributes(value, read)

    def _container(self, value: Any, read: Read) -> None:
        inside = contents(value)
        if inside is None:
            return
        label = f"what is in {read.name}"
        if (first := self.reads.contents.get(id(value))) is not None:
            appended = id(value) in self.reads.appended and id(value) not in self.reads.used
            if appended and not any(isa(p, ARRAYS) for p in inside[len(first.value) :]):
                return  # a list of runs, say, that the step does not read
            read = Read(read.name, first.value, first.place or read.place)
            self._compare(read._replace(name=label), inside)
        self.watches.append(Watch(list if type(value) is list else contents, value, label))
        if isa(value, (*SEQUENCES, Mapping)):  # what left another may have come to this one
            self._alike[_lengths][id(value)] = value, label
        for part in inside:
            self._todo.append((part, read))

    def _attributes(self, value: Any, read: Read) -> None:
        """The attributes of an object, a class or a file that were read, or may have been."""
        is_class, is_module = isa(value, type), isa(value, types.ModuleType)
        of = value if is_class else type(value)
        origin = origin_of(value)
        if is_module and origin < Whose.USER:
            return
        known, floating = self._known.get(id(value), ()), self.reads.floating
        there = attributes(value)
        is_whole = id(value) in self.reads.whole
        is_whole |= self.reads.reflects and origin >= Whose.LAYERS and not is_module
        inherited = [] if is_class else attributes(of)
        names = dict.fromkeys(known)
        names |= dict.fromkeys(n for n in (*there, *inherited) if n in floating)
        unseen = origin is Whose.USER and whose(of.__module__) is Whose.LIBRARY
        unseen &= not isa(value, (type, *NAMED))  # C compares and shows all that it has
        unseen = unseen or any(looks_around(member(value, n)) for n in (*known, *floating))
        if is_whole or unseen:
            names |= dict.fromkeys((*there, *inherited))
            if is_class:
                self._alike[_lengths][-id(value)] = (
                    vars(value),
                    f"the attributes of {value.__name__}",
                )
            if (own := fields(value)) is not None:
                self._alike[_lengths][id(own)] = own, f"the attributes of {of.__name__}"
        named = value if is_class or isa(value, NAMED) else of
        for name in names:
            if self.reads.is_worked(value, name):
                continue
            self._attribute(value, name, Read(f"{named.__name__}.{name}", None, read.place))
        if is_module:
            return
        if origin >= Whose.LAYERS and not isa(value, (type, *NAMED)):
            self._alike[_types][id(value)] = value, f"the class of {of.__name__}"
        for kind in kinds_of(value):
            if whose(kind.__module__) >= Whose.LAYERS:
                methods = map(plain, vars(kind).values())
                self._todo += [(method, read) for method in methods if self._ran(method)]
                if whose(kind.__module__) is Whose.USER:
                    label = f"the bases or the name of {kind.__name__}"
                    self._alike[_bases][id(kind)] = self._alike[_names][id(kind)] = kind, label
                    self._todo.append((kind, Read(kind.__name__, kind, read.place)))

    def _attribute(self, value: Any, name: str, read: Read) -> None:
        now = attribute(value, name)
        if (first := self.reads.attributes.get((id(value), name))) is not None:
            read = first._replace(name=read.name)
            self._compare(read, now)
        elif whose(type(value).__module__) is Whose.LIBRARY:
            self._inner.add(id(now))
        self._place(value, name, read.name)
        self._todo.append((now, read))

    def _place(self, value: Any, name: str, label: str) -> None:
        """Where an attribute is kept."""
        own = vars(value) if isa(value, types.ModuleType) else fields(value)
        kinds = kinds_of(value)
        kind = next((k for k in kinds if name in vars(k)), None)
        for between in kinds[: kinds.index(kind)] if kind is not None else kinds:
            if whose(between.__module__) is Whose.USER:  # it may get an attribute of that name
                self._alike[_lengths][-id(between)] = vars(between), label
        held: Any = vars(kind).get(name) if kind is not None else None
        if own is not None and name in own:
            self._names.setdefault(id(own), (own, {}))[1][name] = label
        elif isa(held, OF_C) and isa(value, held.__objclass__):
            self.watches.append(Watch(lambda of: [given_by(held, of)], value, label))
        elif not isa(held, SLOT):
            if own is not None:
                self._alike[_lengths][id(own)] = own, label
            if kind is not None and whose(kind.__module__) is Whose.USER:
                space = self.seen.setdefault(-id(kind), vars(kind))  # the same proxy each time
                self._names.setdefault(id(space), (space, {}))[1][name] = label

    def _function(self, function: types.FunctionType, read: Read) -> None:
        """A function that ran: its closure, and what its parameters are by default."""
        unseen = whose(function.__globals__.get("__name__")) is Whose.LIBRARY
        if not (self._ran(function) or unseen):
            return
        code, label = function.__code__, function.__name__
        ran = self._is_the_one(function)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                now = cell.cell_contents
            except ValueError:  # it has no value
                continue
            noted = self.reads.variables.get((id(code), name))
            first = self.reads.cells.get(id(cell), noted if ran else None)
            held = read._replace(name=label if unseen else name) if first is None else first
            if first is not None:
                self._compare(first, now)
            self._alike[_cells][id(cell)] = cell, held.name
            self._todo.append((now, held))
        if whose(function.__module__) is Whose.USER:
            self.watches.append(Watch(_made_of, function, label))
            defaults = (function.__defaults__, function.__kwdefaults__)
            place = f"{code.co_filename}:{code.co_firstlineno}"
            held = Read(f"the defaults of {label}", None, place)
            self._todo += [(part, held) for part in defaults]

    def _is_the_one(self, function: types.FunctionType) -> bool:
        """Whether what was noted first of a code's cells is of this function, not of another."""
        if self._has_noted(function):
            return True
        others = self.reads.functions(function.__code__)
        return not any(other is not function and self._has_noted(other) for other in others)

    def _has_noted(self, function: types.FunctionType) -> bool:
        """Whether the cells have the values that were noted first."""
        code = function.__code__
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            first = self.reads.variables.get((id(code), name))
            try:
                if first is not None and not is_same(cell.cell_contents, first.value):
                    return False
            except ValueError:  # it has no value
                return False
        return True

    def _global(self, namespace: dict[str, Any], name: str) -> None:
        read = self.reads.variables.get((id(namespace), name))
        now, origin = namespace.get(name, MISSING), whose(namespace.get("__name__"))
        if read is None:  # it is looked up in Python's own
            if origin is Whose.USER:
                self._absent.setdefault(id(namespace), (namespace, {}))[1][name] = name
        elif origin is Whose.USER or (read.place and not _is_fixed(now)):
            self._compare(read, now)
            if now is MISSING:
                self._absent.setdefault(id(namespace), (namespace, {}))[1][name] = name
            else:
                self._names.setdefault(id(namespace), (namespace, {}))[1][name] = name
                if not _is_fixed(now):
                    self._todo.append((now, read))

    def _compare(self, read: Read, now: Any) -> None:
        """Note a difference between what was read first and what is there after the step."""
        if not is_same(now, read.value):
            self._change(read, now)

    def _change(self, read: Read, now: Any) -> None:
        self.changes.setdefault(read.name, (read, now))

    def _ran(self, function: Any) -> bool:
        code = function.__code__ if isa(function, types.FunctionType) else None
        return self.reads.codes.get(code) is not None  # type: ignore[arg-type]


def _is_fixed(value: Any) -> bool:
    """Whether this never changes, as what libraries contain."""
    if isa(value, types.ModuleType):
        return whose(value.__name__) < Whose.USER
    kinds = (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc, type(np.shape))
    return isa(value, kinds) and whose(getattr(value, "__module__", None)) < Whose.USER
