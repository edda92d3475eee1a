"""What the Python code of a step reads while it is captured.

``sys.setprofile`` reports every Python function that runs. The names in its code (globals, closure
cells, attributes of what these and the arguments hold) are looked up when the function begins, and
stored with their values. ``guards`` checks them afterwards.
"""

import abc
import builtins
import collections
import contextlib
import contextvars
import dis
import functools
import gc
import io
import operator
import os
import random
import sys
import types
import weakref
from collections.abc import ItemsView, Iterator, Mapping, MappingView, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.guards import fingerprint
from ..autodiff.tensor import Tensor
from ..recording.lines import Whose, whose
from .unseen import HIDING, TEXT, asks, draws, is_for_nothing, named, users_frame

LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME")
APPENDING = frozenset(["add", "append", "appendleft", "extend"])
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR")
PASSED = ("CACHE", "COPY", "EXTENDED_ARG", "NOP", "PRECALL", "PUSH_NULL", "RESUME")
# what reads attributes by names that the code need not mention: methods, functions of Python's own,
REFLECTING = frozenset(["__dict__", "__getattribute__", "format", "format_map"])
REFLECTION = frozenset([
    "__import__", "delattr", "dir", "eval", "exec", "getattr", "globals", "hasattr", "locals",
    "setattr", "vars",
])  # fmt: skip
# and all of libraries but what these have: they read numbers, words, elements, and call functions
HARMLESS = frozenset([
    "_collections_abc", "_functools", "_operator", "abc", "builtins", "cmath", "collections",
    "contextlib", "functools", "itertools", "logging", "math", "numbers", "numpy", "random",
    "scipy", "threading", "time", "types", "typing", "warnings",
])  # fmt: skip
TELLING = frozenset(["abc", "logging", "typing", "warnings"])  # of whose objects nothing is read
SLOT = types.MemberDescriptorType
OF_C = (types.GetSetDescriptorType, SLOT)
NUMBERS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
SEQUENCES = (list, set, collections.deque, collections.UserList)
MISSING = object()
# what functions of libraries read; those of Python's reach the names of a module
REACHED = {("os", "getenv"): os.environ, ("importlib", "import_module"): sys.modules}
REACHED[("builtins", "__import__")] = sys.modules


class Chain(NamedTuple):
    """``root.attribute.attribute``: ``kind`` is where the root lies (local, cell or global)."""

    kind: str
    root: str
    attributes: tuple[str, ...]
    line: int


class Mentions(NamedTuple):
    """What a code object mentions: chains as they are used, and attributes of unknown objects.

    With ``reflects`` it may read any attribute of the objects it has; ``words`` are names for that.
    """

    chains: tuple[Chain, ...]
    floating: frozenset[str]
    imports: frozenset[str]
    reflects: bool
    words: frozenset[str]


@functools.lru_cache(maxsize=4096)
def mentions(code: types.CodeType) -> Mentions:
    """What a function's code mentions, in the order of its instructions."""
    chains: dict[tuple[str, str, tuple[str, ...]], int] = {}
    floating: set[str] = set()
    stored: set[str] = set()
    imports: set[str] = set()
    writes = [i.argval for i in dis.get_instructions(code) if i.opname.startswith("STORE_FAST")]
    assigned = {name for w in writes for name in (w if isinstance(w, tuple) else (w,))}
    top: tuple[str, str, tuple[str, ...]] | None = None
    line, stores = code.co_firstlineno, False
    reflects = not REFLECTING.isdisjoint(code.co_names)
    for instruction in dis.get_instructions(code):
        op, name = instruction.opname, instruction.argval
        if op in PASSED:
            continue
        extends = op in ATTRIBUTES and op != "LOAD_SUPER_ATTR" and top is not None
        if top is not None and not extends:
            if stores:
                chains[top] = line
            chains.setdefault(top, line)
            top = None
        stores = op.startswith(("STORE", "DELETE"))
        if instruction.positions is not None and instruction.positions.lineno is not None:
            line = instruction.positions.lineno
        if op.startswith(LOADS) or op in ("STORE_GLOBAL", "STORE_DEREF"):
            if isinstance(name, tuple):  # two at once
                chains.setdefault(("local", name[0], ()), line)
                name = name[-1]
            kind = "global" if op.endswith(("GLOBAL", "NAME")) else "local"
            kind = "cell" if name in code.co_freevars else kind
            top = None if kind == "local" and name in assigned else (kind, name, ())
        elif extends:
            top = (top[0], top[1], (*top[2], name))  # type: ignore[index]
        elif op == "MATCH_CLASS":  # its names are among the words
            reflects = True
        elif op == "IMPORT_NAME":
            imports.add(name)
        elif op == "IMPORT_FROM" or (op in ATTRIBUTES and op.startswith("LOAD")):
            floating.add(name)
        elif op in ATTRIBUTES:
            stored.add(name)
            chains |= {chain: line for chain in chains if chain[2][-1:] == (name,)}  # x.n += 1
    known = {name for _, _, attributes in chains for name in attributes}
    held = [part for c in code.co_consts for part in (c if isinstance(c, tuple) else (c,))]
    words = {c for c in held if isinstance(c, str) and c.replace(".", "").isidentifier()}
    found = tuple(Chain(*chain, line) for chain, line in chains.items())
    floating |= stored - known
    return Mentions(found, frozenset(floating), frozenset(imports), reflects, frozenset(words))


def isa(value: Any, kinds: Any) -> bool:
    """``isinstance``, without asking the object what it is."""
    return issubclass(type(value), kinds)


def is_plain(value: Any, kinds: Any = NUMBERS) -> bool:
    """Whether it is of these kinds, and not of a class of the user's, which may have more."""
    return isa(value, kinds) and whose(type(value).__module__) is not Whose.USER


def kinds_of(value: Any) -> tuple[type, ...]:
    """The classes in which attributes are looked up, of a class its metaclasses too."""
    if not isa(value, type):
        return type(value).__mro__
    return (*value.__mro__, *(kind for kind in type(value).__mro__ if kind is not object))


def fields(value: Any) -> dict[str, Any] | None:
    """An object's own attributes, as they are kept."""
    look: Any = type(value).__getattribute__
    if isinstance(look, types.FunctionType):  # the user's
        look = object.__getattribute__
    try:
        found = look(value, "__dict__")
    except (AttributeError, ReferenceError):
        return None
    return found if type(found) is dict else None


def member(value: Any, name: str) -> Any:
    """What the class of an object, or a class itself, has by a name."""
    return next((vars(kind)[name] for kind in kinds_of(value) if name in vars(kind)), MISSING)


def given_by(descriptor: Any, value: Any) -> Any:
    """What an attribute that C code looks up is of an object."""
    try:
        return descriptor.__get__(value)
    except AttributeError:
        return MISSING


def is_same(now: Any, was: Any) -> bool:
    """Whether this is the same object, an equal number, or a list or tuple of such."""
    if now is was:
        return True
    if type(now) is not type(was):
        return False
    if isa(now, (list, tuple)):
        return len(now) == len(was) and all(map(is_same, now, was))
    return is_plain(now) and repr(now) == repr(was)  # -0.0 is not 0.0, NaN is NaN


def attribute(value: Any, name: str) -> Any:
    """An attribute, looked up without running any code; MISSING where that cannot be done."""
    if name == "__class__":
        return type(value)
    if isa(value, types.ModuleType):
        return vars(value).get(name, MISSING)
    in_class = member(value, name)
    if isa(in_class, OF_C) and isa(value, in_class.__objclass__):
        found = given_by(in_class, value)
        return found if is_same(given_by(in_class, value), found) else in_class
    own = None if isa(value, type) else fields(value)
    if own is not None and name in own:
        return own[name]
    return MISSING if isa(in_class, property) else in_class


def attributes(value: Any) -> list[str]:
    """The names of all attributes of an object that hold data; of a class, of all it has."""
    if isa(value, types.ModuleType):
        return [name for name in vars(value) if not name.startswith("__")]
    if isa(value, type):
        kinds = [kind for kind in kinds_of(value) if whose(kind.__module__) is Whose.USER]
        return [name for kind in kinds for name in vars(kind) if not name.startswith("__")]
    found = list(fields(value) or ())
    for kind in type(value).__mro__:
        if "__slots__" in vars(kind) and whose(kind.__module__) is not Whose.ENGINE:
            found += [name for name in vars(kind) if isa(vars(kind)[name], SLOT)]
    return found


def plain(held: Any) -> Any:
    """The function in what a class has."""
    if isa(held, (staticmethod, classmethod)):
        return held.__func__
    return held.fget if isa(held, property) else held


def origin_of(value: Any) -> Whose:
    """Who may change an object; users also change what libraries make for them (settings)."""
    if isa(value, types.ModuleType):
        return whose(value.__name__)
    if isa(value, (type, types.FunctionType)):
        return whose(value.__module__)
    origin = whose(module := type(value).__module__)
    given = origin is Whose.LIBRARY and module.split(".")[0] not in TELLING
    return Whose.USER if given and fields(value) is not None else origin


def is_opaque(value: Any) -> bool:
    """Whether to call this, or to look it up in a class, may read attributes out of sight."""
    if isa(value, types.MethodType):
        value = value.__func__
    if isa(value, types.FunctionType):
        named = value.__globals__.get("__name__")
        return _is_unseen(named) and not hasattr(value, "__wrapped__")
    if isa(value, types.BuiltinFunctionType):
        owner = value.__self__
        if isa(owner, types.ModuleType):
            return _is_unseen(owner.__name__) or (
                owner.__name__ == "builtins" and value.__name__ in REFLECTION
            )
        return isa(owner, str) and value.__name__ in REFLECTING
    if isa(value, types.MethodWrapperType):
        return value.__name__ in REFLECTING
    if isa(value, functools.partial):
        return is_opaque(value.func)
    of = value if isa(value, type) else type(value)
    return _is_unseen(of.__module__) and callable(value)


def _is_unseen(module: str | None) -> bool:
    return whose(module) is Whose.LIBRARY and str(module).split(".")[0] not in HARMLESS


def looks_around(held: Any) -> bool:
    """Whether a library wrote what a class has: as it is looked up or called it reads anything."""
    held = plain(held)
    if isa(held, types.FunctionType):
        return whose(held.__globals__.get("__name__")) is Whose.LIBRARY
    of = type(held)
    return (
        hasattr(of, "__get__")
        and of is not functools.cached_property
        and of.__module__ != "builtins"
        and (whose(of.__module__) is Whose.LIBRARY)
    )


def bound_to(value: Any) -> Any:
    """The object whose method, of a class not written in Python, this is; else None."""
    owner = value.__self__ if hasattr(type(value), "__self__") else None
    function = isa(value, types.MethodType) or isa(owner, (types.ModuleType, type))
    return None if function else owner


@functools.lru_cache(maxsize=4096)
def is_inert(kind: Any) -> bool:
    """Whether objects of a class have nothing in them but attributes."""
    if issubclass(kind, (*NUMBERS, types.FunctionType, types.ModuleType, type)):
        return True
    return all(whose(k.__module__) is not Whose.LIBRARY for k in kind.__mro__ if k is not object)


def contents(container: Any) -> list[Any] | None:
    """What a container has in it, keys of a dict included; None for what is no container."""
    if is_inert(type(container)):  # type: ignore[arg-type]
        return None
    if isa(container, SEQUENCES):
        return list(container)
    if isa(container, functools.partial):
        return [container.func, container.args, container.keywords]
    if isa(container, ItemsView):
        return [part for pair in container for part in pair]
    if isa(container, MappingView):
        return list(container)
    if isa(container, BaseException):
        kinds = [k for k in type(container).__mro__ if whose(k.__module__) is Whose.LIBRARY]
        held = [d for k in kinds for n, d in vars(k).items() if isa(d, OF_C) and n[0] != "_"]
        return [given_by(d, container) for d in held]
    own = isa(container, (dict, collections.UserDict))
    library = whose(type(container).__module__) is Whose.LIBRARY
    if own or (library and isa(container, Mapping)):
        return [*container, *container.values()]
    if isa(container, contextvars.ContextVar):
        return [container.get(None)]
    if isa(container, functools._lru_cache_wrapper):
        held = gc.get_referents(container)
        known = [part for d in held if type(d) is dict for part in d.values()]
        results = [p for p in (*held, *known) if not isa(p, (type, dict, types.FunctionType))]
        return [container.cache_info().misses, *sorted(results, key=id)]
    if isa(container, (io.StringIO, io.BytesIO)):
        return [container.getvalue(), container.tell()]
    if isa(container, np.ndarray):
        return container.ravel().tolist() if container.dtype.hasobject else None
    if not (library or isa(container, bytearray)):
        return None
    try:
        return [memoryview(container).tobytes()]  # bytearray, array.array, ctypes
    except TypeError:
        return None


def generator_state(value: Any) -> Any:
    """The state of a generator of random numbers, fit for ==."""
    if isa(value, random.Random):
        return value.getstate()
    if isa(value, np.random.RandomState):
        return _frozen(value.get_state(legacy=False))
    return _frozen(value.bit_generator.state if isa(value, np.random.Generator) else value.state)


def array_state(array: np.ndarray) -> Any:
    """What can be another in an array, fit for ==."""
    return fingerprint(array), array.shape, array.strides, array.dtype, array.flags.num


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return [(key, _frozen(value)) for key, value in state.items()]
    return state.tobytes() if isinstance(state, np.ndarray) else state


def is_iterator(value: Any) -> bool:
    """Whether taking from it changes it, unseen: no file, and nothing written in Python."""
    step = getattr(type(value), "__next__", None)
    unseen = step is not None and not isa(step, types.FunctionType)
    return unseen and not isa(value, (io.IOBase, *weakref.ProxyTypes))


class Read(NamedTuple):
    """A name that was looked up: what it is called, its value then, and where that was."""

    name: str
    value: Any
    place: str


def _placed(read: Read, place: str) -> Read:
    """The same with a place, where it has none of the user's yet."""
    return read if read.place or not place else read._replace(place=place)


class Reads:
    """Everything that was read, each with its value at the first time, and where that was.

    ``attributes`` are known by the object's id and the name, ``variables`` (globals and cells) by
    the id of the namespace (or the code) and the name, ``contents``, ``arrays`` and ``generators``
    by the object's id. The objects are held meanwhile, so that no id is used twice.
    """

    def __init__(self) -> None:
        self.attributes: dict[tuple[int, str], Read] = {}
        self.variables: dict[tuple[int, str], Read] = {}
        self.contents: dict[int, Read] = {}
        self.arrays: dict[int, Read] = {}
        self.generators: dict[int, tuple[Any, Read]] = {}
        self.codes: dict[types.CodeType, Mentions | None] = {}
        self.namespaces: dict[tuple[int, str], tuple[dict[str, Any], str]] = {}
        self.floating: set[str] = set()
        self.asked_of_c: set[str] = set()  # those of them that the user's code mentions
        self.imports: set[str] = set()
        self.used: set[int] = set()
        self.appended: set[int] = set()  # containers; those not used besides are not read
        self.unseen: Read | None = None  # what the step does that no guard can watch
        self.warns = False  # whether the filters of warnings may decide
        self.drawing: set[int] = set()  # generators that captured operations draw from
        self.asked: dict[int, Any] = {}  # generators that are looked at, beside drawing from them
        self.abstract = False  # whether it has classes that others may be registered for
        self.reflects = False  # whether the user's code reads any attribute of what it has
        self.roots: list[tuple[Any, Read]] = []  # what the step reaches through libraries
        self.whole: set[int] = set()  # modules of which any name may be read
        self.named: set[tuple[int, str]] = set()  # attributes that the code mentions,
        self.worked: set[tuple[int, str]] = set()  # and those that only effects change
        self._opaque: set[int] = set()  # containers with such functions
        self._held: list[Any] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """While this lasts, note what Python functions of this thread read."""
        self.see(random.random.__self__, "")  # type: ignore[attr-defined]
        if "numpy.random" in sys.modules:
            self.see(np.random.rand.__self__, "")  # type: ignore[attr-defined]
        before, collects = sys.getprofile(), gc.isenabled()
        gc.disable()  # what others run when it collects is not of the step
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before if before is None or callable(before) else None)
            if before is not None and not callable(before):
                before.enable()  # a profiler of the standard library
            if collects:
                gc.enable()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While this lasts, note nothing: what runs here runs in every replay."""
        before = sys.getprofile()
        if before != self._event:  # nothing is noted, or a profiler began within the step
            yield
            return
        sys.setprofile(None)
        try:
            yield
        finally:
            sys.setprofile(before)

    @contextlib.contextmanager
    def working(self, worker: Any) -> Iterator[None]:
        """While this lasts ``worker`` does what replays do too: what it changes of itself and of
        what it holds is no state of the step's."""
        parts = [worker]
        for _ in range(2):  # the optimiser that it steps, a schedule
            parts += [part for of in parts for part in (fields(of) or {}).values()]
        before = [(part, dict(own)) for part in parts if (own := fields(part))]
        with self.paused():
            yield
        for part, was in before:
            now = fields(part) or {}
            changed = [name for name in now if now[name] is not was.get(name, MISSING)]
            self.worked |= {(id(part), name) for name in changed}

    def is_worked(self, value: Any, name: str) -> bool:
        """Whether only an effect has to do with an attribute."""
        key = id(value), name
        return key in self.worked and key not in self.named and name not in self.floating

    def drawn(self, generator: Any) -> None:
        """A captured operation has drawn from a generator, as replays will."""
        read = Read(type(generator).__name__, generator_state(generator), "")
        self.generators[id(generator)] = generator, read
        self.drawing.add(id(generator))

    def moved_generator(self) -> Read | None:
        """A generator whose state is not what was noted last, if there is one."""
        moved = (read for g, read in self.generators.values() if generator_state(g) != read.value)
        return next(moved, None)

    def see(self, value: Any, place: str) -> None:
        """Note what a value contains, or the state of a generator."""
        self.abstract |= bool(place) and isa(value, abc.ABCMeta)
        if is_inert(type(value)):  # type: ignore[arg-type]
            return
        if id(value) in self.generators:
            self.generators[id(value)] = value, _placed(self.generators[id(value)][1], place)
            return
        if (known := self.contents.get(id(value))) is not None:
            self.contents[id(value)] = _placed(known, place)
            return
        inside = list(value) if isa(value, tuple) else contents(value)
        if inside is not None:
            self._held.append(value)
            self.contents[id(value)] = Read("", inside, place)
            for part in inside:
                self.see(part, place)
                if id(part) in self._opaque or is_opaque(part):
                    self._opaque.add(id(value))
        elif isa(value, np.ndarray):
            if id(value) not in self.arrays:
                self._held.append(value)
                self.arrays[id(value)] = Read("", array_state(value), place)
        elif draws(type(value)):
            read = Read(type(value).__name__, generator_state(value), place)
            self.generators[id(value)] = value, read
        elif (
            owner := value.__self__ if isa(value, types.MethodType) else bound_to(value)
        ) is not None:
            if draws(type(owner)):
                self.asked[id(owner)] = owner
            self.see(owner, place)

    def _event(self, frame: types.FrameType, event: str, function: Any) -> None:
        code = frame.f_code
        if event == "c_call" and self.unseen is None:
            self.warns |= function.__module__ == "_warnings"
            if asks(function, whose(frame.f_globals.get("__name__")) is Whose.LIBRARY):
                starts = function.__module__ == "_thread"  # whatever that does, nobody notes it
                self._miss(f"calls {named(function)}", frame, starts)
        if event != "call":
            return
        if code in TEXT:
            self._miss("makes text of a Tensor", frame.f_back)
        found = self.codes.get(code, MISSING)
        if found is MISSING:
            origin = whose(frame.f_globals.get("__name__"))
            found = self.codes[code] = mentions(code) if origin >= Whose.LAYERS else None
            if found is not None:
                self.floating |= found.floating
                self.asked_of_c |= found.floating if origin is Whose.USER else set()
                self.imports |= found.imports
        if found is not None:
            self._enter(frame, found)  # type: ignore[arg-type]

    def _miss(self, what: str, frame: types.FrameType | None, always: bool = False) -> None:
        """Note that the step does what no guard can watch, unless nothing comes of it."""
        user = users_frame(frame)
        if self.unseen is None and user is not None and (always or not is_for_nothing(user)):
            self.unseen = Read(what, None, f"{user.f_code.co_filename}:{user.f_lineno}")

    def _enter(self, frame: types.FrameType, found: Mentions) -> None:
        """Look up what a function that begins will read."""
        code, variables, namespace = frame.f_code, frame.f_locals, frame.f_globals
        values, opaque, place = [], found.reflects, ""
        origin = whose(namespace.get("__name__"))
        for kind, root, names, line in found.chains:
            place = f"{code.co_filename}:{line}" if origin is Whose.USER else ""
            if kind == "global":
                space = namespace
                self.namespaces.setdefault((id(space), root), (space, root))
                if root not in space:  # of Python itself, or of nobody
                    space = vars(builtins)
                    self.namespaces.setdefault((id(space), root), (space, root))
                value = space.get(root, MISSING)
                self._note(self.variables, id(space), Read(root, value, place))
            elif root in variables:
                value = variables[root]
                if kind == "cell":
                    self._note(self.variables, id(code), Read(root, value, place))
                else:
                    self.see(value, place)
            else:
                self.floating.update(names)
                continue
            value = self._follow(value, names, place)
            values.append((value, place))
            opaque = opaque or id(value) in self._opaque or is_opaque(value)
            if place and isa(value, type) and value.__module__ in HIDING and self.unseen is None:
                self.unseen = Read(f"uses {value.__name__}", None, place)
            if isa(value, (types.FunctionType, types.BuiltinFunctionType)):
                self._reach(value, namespace, place)
        if opaque:
            self._reflect(found, [*values, *((v, place) for v in variables.values())], origin)

    def _reach(self, function: Any, namespace: dict[str, Any], place: str) -> None:
        """Note what a function reads that is nobody's argument."""
        name = str(getattr(function, "__module__", "")), str(getattr(function, "__name__", ""))
        space = namespace if name == ("builtins", "globals") else REACHED.get(name)
        if space is not None:
            self.see(space, place)
            self.roots.append((space, Read(f"what {name[1]} reads", space, place)))

    def _reflect(self, found: Mentions, values: list[tuple[Any, str]], origin: Whose) -> None:
        """Any attribute of these may be read; in the user's code of anything that is reached."""
        if origin is Whose.USER:
            self.reflects = True
            self.floating |= {word for word in found.words if word.isidentifier()}
            self.imports |= found.words & sys.modules.keys()
        for value, place in values:
            if draws(type(value)):
                self.asked[id(value)] = value
            if isa(value, types.ModuleType):
                self.whole.add(id(value))
            elif not is_plain(value, PLAIN_KINDS) and origin_of(value) >= Whose.LAYERS:
                for name in {*attributes(value), *found.words}:
                    self._attribute(value, Read(name, attribute(value, name), place))

    def _note(self, table: dict[tuple[int, str], Read], where: int, read: Read) -> None:
        """Note a name and its value, which stays what it was at the first time."""
        key = where, read.name
        table[key] = _placed(table.get(key, read), read.place)
        self.see(read.value, read.place)

    def _follow(self, value: Any, names: Sequence[str], place: str) -> Any:
        """Note the attributes along a chain; what it leads to."""
        for i, name in enumerate(names):
            if draws(type(value)):
                self.asked[id(value)] = value
            if isa(getter := plain(member(value, name)), operator.attrgetter):  # of a property
                for path in getter.__reduce__()[1]:
                    self._follow(value, path.split("."), place)
            if name in APPENDING and contents(value) is not None:
                self._held.append(value)
                self.appended.add(id(value))
                self.contents[id(value)] = self.contents[id(value)]._replace(place=place)
                return MISSING
            if is_plain(value, PLAIN_KINDS):
                self.floating |= {name} & {"name"}  # a Tensor's
                return MISSING
            owner, value = value, attribute(value, name)
            if isa(owner, types.ModuleType) and whose(owner.__name__) < Whose.USER:
                self.namespaces[id(vars(owner)), name] = vars(owner), name
                self._note(self.variables, id(vars(owner)), Read(name, value, place))
                if contents(value) is not None:  # sys.modules, os.environ
                    self.roots.append((value, Read(f"{owner.__name__}.{name}", value, place)))
                continue
            self.named.add((id(owner), name))
            self._attribute(owner, Read(name, value, place))
            if value is MISSING or hasattr(type(value), "__get__"):
                self.floating.update(names[i + 1 :])
                return value
        self._held.append(value)
        self.used.add(id(value))
        return value

    def _attribute(self, owner: Any, read: Read) -> None:
        self._held.append(owner)
        self._note(self.attributes, id(owner), read)


PLAIN_KINDS = (Tensor, np.ndarray, np.generic, int, float, str, complex)
