"""What a step reads that others can change, and how to look whether it is the same.

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
    array_state,
    attribute,
    attributes,
    closure,
    contents,
    fields,
    generator_state,
    given_by,
    held_by,
    in_cell,
    is_iterator,
    is_plain,
    isa,
    kinds_of,
    member,
    origin_of,
    plain,
)
from .reads import Read, Reads
from .unseen import is_hidden, looks_around

ARRAYS = (Tensor, np.ndarray)
FIXED = (*ARRAYS, tuple, frozenset)  # who has attributes is of a class of the user's
NAMED = (types.FunctionType, types.ModuleType)
CELL = operator.attrgetter("cell_contents")
BASES = operator.attrgetter("__mro__")
NAME = operator.attrgetter("__name__")
CALLED = operator.attrgetter("name")
_made_of = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__", "__name__")


class Watch(NamedTuple):
    """``get(of)`` gives values; ``reads`` say what they are: one for all, or one for each."""

    get: Callable[[Any], Any]
    of: Any
    reads: Read | Sequence[Read]


class Steady:
    """Gets what ``look`` makes anew each time: the same object for as long as it is equal."""

    def __init__(self, look: Callable[[Any], Any]) -> None:
        self.look = look
        self.last: Any = MISSING

    def __call__(self, of: Any) -> list[Any]:
        if (now := self.look(of)) != self.last:
            self.last = now
        return [self.last]


class Walk:
    """What a step reads that others can change, as far as it can be reached."""

    def __init__(self, reads: Reads, roots: Sequence[Any]) -> None:
        self.reads = reads
        self.watches: list[Watch] = []
        self.tensors: dict[Tensor, None] = {}
        self.seen: dict[int, Any] = {}
        self._names: dict[int, tuple[Any, dict[str, Read]]] = {}  # in namespaces
        # by what is got of each of them: objects
        self._each: dict[Any, dict[int, tuple[Any, Read]]] = {}
        self._arrays: list[Watch] = []
        self._inner: set[int] = set()  # what only objects of a library's classes have
        code = getattr(roots[0], "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if code in reads.codes else ""
        self._todo = [(root, Read("an argument", place)) for root in reversed(roots)]
        for space, places in reads.variables.of.values():
            if isa(space, dict):
                for name, place in places.items():
                    self._variable(space, Read(name, place))
        for name in reads.imports & sys.modules.keys():
            self._name(sys.modules, name, Read(name, ""))
            self._todo.append((sys.modules[name], Read(name, "")))
        self._todo += reads.roots
        self._visit_all()
        self._todo += [(function, Read(function.__name__, "")) for function in self._hidden()]
        self._visit_all()
        self._collect()

    def _collect(self) -> None:
        """Watches that check the same thing of many objects; what has a name comes first."""
        found = []
        for space, names in self._names.values():
            twice = [*names] * (2 if len(names) == 1 else 1)  # so that one comes as a tuple, too
            found.append(Watch(operator.itemgetter(*twice), space, [names[n] for n in twice]))
        self.watches = found + self.watches
        for get, pairs in self._each.items():
            objects, of = zip(*pairs.values(), strict=True)
            self.watches.append(Watch(functools.partial(map, get), objects, of))
        for generator in self.reads.asked.values():
            name, place = type(generator).__name__, self.reads.generators[id(generator)][2]
            if id(generator) not in self.reads.drawing:
                read = Read(f"the state of {name}", place)
                self.watches.append(Watch(Steady(generator_state), generator, read))
            else:
                self.reads.miss(f"looks into a {name}, and draws from it", place)
        if self.reads.warns:
            read = Read("the filters of warnings", "")
            self.watches.append(Watch(lambda of: [*of.filters], warnings, read))
        if self.reads.abstract:
            read = Read("what is registered for an abstract class", "")
            self.watches.append(Watch(Steady(operator.call), abc.get_cache_token, read))
        self.watches += self._arrays  # which take longest to compare

    def _visit_all(self) -> None:
        while self._todo:
            value, read = self._todo.pop()
            if not is_plain(value) and id(value) not in self.seen:
                self.seen[id(value)] = value
                if (
                    read.place  # layers ask only for a class
                    and self.reads.unseen is None
                    and (is_iterator(value) or is_hidden(value, id(value) in self._inner))
                ):
                    what = f"reads {read.name}, an object of class {type(value).__qualname__}"
                    self.reads.miss(what, read.place)
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
                self._watch(CALLED, value, Read("the name of a Tensor", read.place))
        elif isa(value, types.FunctionType):
            self._function(value, read)
        elif (inside := contents(value)) is not None:
            self._contents(value, inside, read)
        elif isa(value, np.ndarray):
            whole = Read(f"what is in {read.name}", read.place)
            self._arrays.append(Watch(Steady(array_state), value, whole))
        self._todo += [(part, read) for part in held]
        if not (held or isa(value, FIXED)) or whose(type(value).__module__) is Whose.USER:
            self._attributes(value, read)

    def _contents(self, value: Any, inside: list[Any], read: Read) -> None:
        """What is in a container."""
        whole = Read(f"what is in {read.name}", read.place)
        if id(value) in self.reads.appended:
            _, length, place = self.reads.appended[id(value)]
            new = any(isa(part, ARRAYS) for part in inside[length:])
            if not (new or id(value) in self.reads.used):
                return  # a list of runs, say, that the step does not read
            whole = whole._replace(place=place)
        self.watches.append(Watch(list if type(value) is list else contents, value, whole))
        if isa(value, (*SEQUENCES, Mapping)):  # what left another may have come to this one
            self._watch(len, value, whole)
        self._todo += [(part, read) for part in inside]

    def _attributes(self, value: Any, read: Read) -> None:
        """The attributes of an object, a class or a file that are read, or may be."""
        is_class, is_module = isa(value, type), isa(value, types.ModuleType)
        of = value if is_class else type(value)
        origin = origin_of(value)
        if is_module and origin < Whose.USER:
            return
        known, floating = self.reads.attributes.places(value), self.reads.floating
        there = [*attributes(value), *([] if is_class else attributes(of))]
        unseen = origin is Whose.USER and whose(of.__module__) is Whose.LIBRARY
        is_whole = (
            id(value) in self.reads.whole
            or (self.reads.reflects and origin >= Whose.LAYERS and not is_module)
            or (unseen and not isa(value, (type, *NAMED)))  # C compares and shows all that it has
            or any(looks_around(member(value, name)) for name in (*known, *floating))
        )
        names = [*known, *(name for name in there if name in floating)]
        if is_whole:
            names += [name for name in there if (id(value), name) not in self.reads.worked]
            all_of_it = Read(f"the attributes of {of.__name__}", read.place)
            if is_class:
                self._watch(len, self._space(value), all_of_it)
            if (own := fields(value)) is not None:
                self._watch(len, own, all_of_it)
        named = value if is_class or isa(value, NAMED) else of
        for name in dict.fromkeys(names):
            place = known.get(name, read.place)
            self._attribute(value, name, Read(f"{named.__name__}.{name}", place))
        if not is_module:
            self._classes(value, origin, read)

    def _classes(self, value: Any, origin: Whose, read: Read) -> None:
        """The class of an object, and what it inherits: methods that ran, bases, names."""
        if origin >= Whose.LAYERS and not isa(value, (type, *NAMED)):
            self._watch(type, value, Read(f"the class of {type(value).__name__}", read.place))
        special: list[str] = []  # which Python calls without a look at the object
        for kind in reversed(kinds_of(value)):
            if whose(kind.__module__) >= Whose.LAYERS:
                ran = {
                    name: method for name, method in vars(kind).items() if self._ran(plain(method))
                }
                self._todo += [(plain(method), read) for method in ran.values()]
                special += [name for name in ran if name.startswith("__")]
                if whose(kind.__module__) is Whose.USER:
                    for name in special:  # of its own, or one that it may get
                        self._name(
                            self._space(kind), name, Read(f"{kind.__name__}.{name}", read.place)
                        )
                    what = Read(f"the bases or the name of {kind.__name__}", read.place)
                    self._watch(BASES, kind, what)
                    self._watch(NAME, kind, what)
                    self._todo.append((kind, Read(kind.__name__, read.place)))

    def _attribute(self, value: Any, name: str, read: Read) -> None:
        """One attribute, and where it is kept."""
        now = attribute(value, name)
        of_library = whose(type(value).__module__) is Whose.LIBRARY
        if of_library and name not in self.reads.attributes.places(value):
            self._inner.add(id(now))
        self._todo.append((now, read))
        own = vars(value) if isa(value, types.ModuleType) else fields(value)
        held = member(value, name)
        if isa(held, OF_C) and isa(value, held.__objclass__):
            self._watch(functools.partial(given_by, held), value, read)
        kinds = [kind for kind in kinds_of(value) if whose(kind.__module__) is Whose.USER]
        for space in (*([] if own is None else [own]), *map(self._space, kinds)):
            if name not in space:  # it may get an attribute of that name
                self._watch(len, space, read)
                continue
            self._name(space, name, read)
            if space is not own:
                break

    def _function(self, function: types.FunctionType, read: Read) -> None:
        """A function that ran: its closure, and what its parameters are by default."""
        unseen = whose(function.__globals__.get("__name__")) is Whose.LIBRARY
        if not (self._ran(function) or unseen):
            return
        code, label = function.__code__, function.__name__
        places = self.reads.variables.places(code)
        for name, cell in closure(function):
            held = Read(label if unseen else name, places.get(name, read.place))
            value = in_cell(cell)
            self._watch(in_cell if value is MISSING else CELL, cell, held)
            if value is not MISSING:
                self._todo.append((value, held))
        if whose(function.__module__) is Whose.USER:
            place = f"{code.co_filename}:{code.co_firstlineno}"
            self.watches.append(Watch(_made_of, function, Read(label, place)))
            held = Read(f"the defaults of {label}", place)
            self._todo += [(function.__defaults__, held), (function.__kwdefaults__, held)]

    def _variable(self, space: dict[str, Any], read: Read) -> None:
        """A name in a namespace of the user's; what the user's code has of a library's."""
        now = space.get(read.name)
        if whose(space.get("__name__")) is Whose.USER or (read.place and not _is_fixed(now)):
            self._name(space, read.name, read)
            if not _is_fixed(now):
                self._todo.append((now, read))

    def _name(self, space: Any, name: str, read: Read) -> None:
        """A name in a namespace, or that it is not there."""
        if name in space:
            self._names.setdefault(id(space), (space, {}))[1][name] = read
        else:
            self._watch(space.get, name, read)

    def _watch(self, get: Callable[[Any], Any], of: Any, read: Read) -> None:
        """What is got of an object, as of others."""
        self._each.setdefault(get, {})[id(of)] = of, read

    def _space(self, kind: type) -> Any:
        """The namespace of a class, the same view of it each time."""
        return self.seen.setdefault(-id(kind), vars(kind))

    def _ran(self, function: Any) -> bool:
        code = function.__code__ if isa(function, types.FunctionType) else None
        return self.reads.codes.get(code) is not None  # type: ignore[arg-type]


def _is_fixed(value: Any) -> bool:
    """Whether this never changes, as what libraries contain."""
    if isa(value, types.ModuleType):
        return whose(value.__name__) < Whose.USER
    kinds = (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc, type(np.shape))
    return isa(value, kinds) and whose(getattr(value, "__module__", None)) < Whose.USER
