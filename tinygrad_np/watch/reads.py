"""What the Python code of a step reads while it is captured.

``sys.setprofile`` reports every Python function that runs. The names in its code (globals, closure
cells, attributes of what these and the arguments hold) are looked up when the function begins.
``walk`` finds afterwards what they lead to.
"""

import abc
import builtins
import contextlib
import gc
import operator
import os
import random
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.tensor import Tensor
from ..recording.lines import Whose, whose
from .mentions import Mentions, mentions
from .objects import (
    MISSING,
    attribute,
    attributes,
    contents,
    draws,
    fields,
    generator_state,
    held_by,
    is_inert,
    is_plain,
    isa,
    member,
    origin_of,
    plain,
)
from .unseen import (
    HIDING,
    TEXT,
    asks,
    is_opaque,
    is_unknown,
    named,
    users_frame,
)

APPENDING = frozenset(["add", "append", "appendleft", "extend"])
# what functions of libraries read; those of Python's reach the names of a module
REACHED = {("os", "getenv"): os.environ, ("importlib", "import_module"): sys.modules}
REACHED[("builtins", "__import__")] = sys.modules
INERT = frozenset([dict, list, set, frozenset, tuple, str])  # whose methods see nothing else
# Python refuses a profiler while another thread installs one, which an audit hook may interrupt
INSTALLING = threading.RLock()
PLAIN_KINDS = (Tensor, np.ndarray, np.generic, int, float, str, complex)


class Read(NamedTuple):
    """What is read: what it is called, and where in the user's code that is, if that is known."""

    name: str
    place: str


class Names:
    """Names that are looked up in objects, each with the first place in the user's code.

    Objects are known by their id, and held, so that none is used twice.
    """

    def __init__(self) -> None:
        self.of: dict[int, tuple[Any, dict[str, str]]] = {}

    def add(self, owner: Any, name: str, place: str) -> None:
        """A name, with its place if it has none yet."""
        places = self.of.setdefault(id(owner), (owner, {}))[1]
        places[name] = places.get(name) or place

    def places(self, owner: Any) -> dict[str, str]:
        """Those of an object."""
        return self.of[id(owner)][1] if id(owner) in self.of else {}


class Reads:
    """Everything that is read: ``attributes`` of objects, ``variables`` of namespaces, and more."""

    def __init__(self) -> None:
        self.attributes = Names()
        self.variables = Names()
        self.codes: dict[types.CodeType, Mentions | None] = {}
        self.floating: set[str] = set()  # attributes of objects that are not known
        self.imports: set[str] = set()
        self.reflects = False  # whether the user's code reads any attribute of what it has
        self.whole: dict[int, Any] = {}  # objects of which any attribute may be read
        self.used: dict[int, Any] = {}
        # with lengths before and places; what is not used besides is not read
        self.appended: dict[int, tuple[Any, int, str]] = {}
        self.worked: set[tuple[int, str]] = set()  # attributes that effects change
        self.roots: list[tuple[Any, Read]] = []  # what the step reaches through libraries
        self.generators: dict[int, tuple[Any, Any, str]] = {}  # with states and places
        self.drawing: set[int] = set()  # generators that captured operations draw from
        self.asked: dict[int, Any] = {}  # generators that are looked at, beside drawing from them
        self.abstract = False  # whether it has classes that others may be registered for
        self.warns = False  # whether the filters of warnings may decide
        self.unseen: Read | None = None  # what the step does that no guard can watch
        self._free: set[Any] = set()  # functions of Python's that look at their arguments alone
        self._seen: dict[int, Any] = {}
        self._opaque: set[int] = set()  # of these, what holds functions that read computed names

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """While this lasts, note what Python functions of this thread read."""
        self.see(random.random.__self__, "")  # type: ignore[attr-defined]
        if "numpy.random" in sys.modules:
            self.see(np.random.rand.__self__, "")  # type: ignore[attr-defined]
        before, collects = sys.getprofile(), gc.isenabled()
        gc.disable()  # what others run when it collects is not of the step
        with INSTALLING:
            sys.setprofile(self._event)
        try:
            yield
        finally:
            with INSTALLING:
                sys.setprofile(before if before is None or callable(before) else None)
            if before is not None and not callable(before):
                before.enable()  # a profiler of the standard library
            if collects:
                gc.enable()

    def pause(self) -> bool:
        """Note nothing until ``resume``; False where nothing is noted.

        For each operation: a ``with`` block takes ten events more.
        """
        notes = bool(sys.getprofile() == self._event)  # else a profiler began within the step
        if notes:
            with INSTALLING:
                sys.setprofile(None)
        return notes

    def resume(self, notes: bool) -> None:
        """Go on, if ``pause`` has stopped."""
        if notes:
            with INSTALLING:
                sys.setprofile(self._event)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While this lasts, note nothing: what runs here runs in every replay."""
        notes = self.pause()
        try:
            yield
        finally:
            self.resume(notes)

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

    def drawn(self, generator: Any) -> None:
        """A captured operation has drawn from a generator, as replays will."""
        self.generators[id(generator)] = generator, generator_state(generator), ""
        self.drawing.add(id(generator))

    def moved_generator(self) -> Read | None:
        """A generator whose state is not what was noted last, if there is one."""
        found = self.generators.values()
        moved = (Read(type(g).__name__, p) for g, state, p in found if generator_state(g) != state)
        return next(moved, None)

    def see(self, value: Any, place: str) -> None:
        """Look into what the code has: for generators, and for functions that reflect."""
        if is_inert(type(value)):  # type: ignore[arg-type]
            self.abstract |= bool(place) and isa(value, abc.ABCMeta)
        elif draws(type(value)):
            _, state, known = self.generators.get(id(value)) or (0, generator_state(value), "")
            self.generators[id(value)] = value, state, known or place
        elif id(value) not in self._seen:
            self._seen[id(value)] = value
            inside = contents(value)
            for part in held_by(value) if inside is None else inside:
                if inside is None and draws(type(part)):  # whose method it is
                    self.asked[id(part)] = part
                self.see(part, place)
                if id(part) in self._opaque or is_opaque(part):
                    self._opaque.add(id(value))

    def _event(self, frame: types.FrameType, event: str, function: Any) -> None:
        if event == "c_call":  # half of all events
            if self.unseen is None and function not in self._free:
                self._calls(frame, function)
        elif event == "call":
            self._begins(frame)

    def _calls(self, frame: types.FrameType, function: Any) -> None:
        """A C function is called."""
        owner = function.__self__
        if type(owner) in INERT:
            return
        self.warns |= function.__module__ == "_warnings"
        if asks(function, whose(frame.f_globals.get("__name__")) is Whose.LIBRARY):
            self._miss(f"calls {named(function)}", frame)
        elif owner is builtins:
            self._free.add(function)

    def _begins(self, frame: types.FrameType) -> None:
        """A Python function is called."""
        code = frame.f_code
        if code in TEXT:
            self._miss("makes text of a Tensor", frame.f_back)
        found = self.codes.get(code, MISSING)
        if found is MISSING:
            origin = whose(frame.f_globals.get("__name__"))
            found = self.codes[code] = mentions(code) if origin >= Whose.LAYERS else None
            if found is not None:
                self.floating |= found.floating
                self.imports |= found.imports
        if found is not None:
            self._enter(frame, found)  # type: ignore[arg-type]
        elif self.unseen is None and is_unknown(frame):
            self._miss(f"calls {frame.f_globals['__name__']}.{code.co_qualname}()", frame.f_back)

    def miss(self, what: str, place: str) -> None:
        """Note that the step does what no guard can watch."""
        self.unseen = self.unseen or Read(what, place)

    def _miss(self, what: str, frame: types.FrameType | None) -> None:
        """The same of what was called in a frame, if the user's code did that."""
        if (user := users_frame(frame)) is not None:
            self.miss(what, f"{user.f_code.co_filename}:{user.f_lineno}")

    def _enter(self, frame: types.FrameType, found: Mentions) -> None:
        """Look up what a function that begins will read."""
        code, variables, namespace = frame.f_code, frame.f_locals, frame.f_globals
        values, opaque, place = [], found.reflects, ""
        origin = whose(namespace.get("__name__"))
        for kind, root, names, line in found.chains:
            place = f"{code.co_filename}:{line}" if origin is Whose.USER else ""
            if kind == "cell":
                self.variables.add(code, root, place)
            if kind == "global":
                value = self._variable(namespace, root, place)
                if value is MISSING:  # of Python itself, or of nobody
                    value = self._variable(vars(builtins), root, place)
            elif root in variables:
                value = variables[root]
                self.see(value, place)
            else:
                self.floating.update(names)
                continue
            value = self._follow(value, names, place)
            values.append((value, place))
            opaque = opaque or id(value) in self._opaque or is_opaque(value)
            if place and isa(value, type) and value.__module__ in HIDING:
                self.miss(f"uses {value.__name__}", place)
            if isa(value, (types.FunctionType, types.BuiltinFunctionType)):
                self._reach(value, namespace, place)
        if opaque:
            self._reflect(found, [*values, *((v, place) for v in variables.values())], origin)

    def _variable(self, space: dict[str, Any], name: str, place: str) -> Any:
        """What a name in a namespace means."""
        self.variables.add(space, name, place)
        value = space.get(name, MISSING)
        self.see(value, place)
        return value

    def _reach(self, function: Any, namespace: dict[str, Any], place: str) -> None:
        """Note what a function reads that is nobody's argument."""
        name = str(getattr(function, "__module__", "")), str(getattr(function, "__name__", ""))
        space = namespace if name == ("builtins", "globals") else REACHED.get(name)
        if space is not None:
            self.see(space, place)
            self.roots.append((space, Read(f"what {name[1]} reads", place)))

    def _reflect(self, found: Mentions, values: list[tuple[Any, str]], origin: Whose) -> None:
        """Any attribute of these may be read; in the user's code of anything that is reached."""
        if origin is Whose.USER:
            self.reflects = True
            self.floating |= {word for word in found.words if word.isidentifier()}
            self.imports |= found.words & sys.modules.keys()
        for value, place in values:
            self.whole[id(value)] = value
            if draws(type(value)):
                self.asked[id(value)] = value
            elif isa(value, types.ModuleType):
                for name in found.words if whose(value.__name__) < Whose.USER else ():
                    self._variable(vars(value), name, place)
            elif not is_plain(value, PLAIN_KINDS) and origin_of(value) >= Whose.LAYERS:
                for name in attributes(value):
                    self.see(attribute(value, name), place)

    def _follow(self, value: Any, names: Sequence[str], place: str) -> Any:
        """Note the attributes along a chain; what it leads to."""
        for i, name in enumerate(names):
            if draws(type(value)):
                self.asked[id(value)] = value
            if isa(getter := plain(member(value, name)), operator.attrgetter):  # of a property
                for path in getter.__reduce__()[1]:
                    self._follow(value, path.split("."), place)
            if name in APPENDING and (inside := contents(value)) is not None:
                self.appended.setdefault(id(value), (value, len(inside), place))
                return MISSING
            if is_plain(value, PLAIN_KINDS):
                self.floating |= {name} & {"name"}  # a Tensor's
                return MISSING
            owner = value
            if isa(owner, types.ModuleType) and whose(owner.__name__) < Whose.USER:
                value = self._variable(vars(owner), name, place)
                if contents(value) is not None:  # sys.modules, os.environ
                    self.roots.append((value, Read(f"{owner.__name__}.{name}", place)))
                continue
            self.attributes.add(owner, name, place)
            value = attribute(owner, name)
            self.see(value, place)
            if value is MISSING or hasattr(type(value), "__get__"):
                self.floating.update(names[i + 1 :])
                return value
        self.used[id(value)] = value
        return value
