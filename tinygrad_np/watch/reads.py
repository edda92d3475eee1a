"""What the Python code of a step reads while it is captured.

``sys.setprofile`` reports every Python function that runs. The names in its code (globals, closure
cells, attributes of what these and the arguments hold) are looked up when the function begins, and
stored with their values. ``guards`` checks them afterwards.
"""

import abc
import builtins
import contextlib
import gc
import operator
import os
import random
import sys
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
    cell,
    content,
    draws,
    fields,
    held_by,
    is_inert,
    is_plain,
    isa,
    member,
    origin_of,
    plain,
    variable,
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
PLAIN_KINDS = (Tensor, np.ndarray, np.generic, int, float, str, complex)


class Read(NamedTuple):
    """What was looked up: what it is called, its value then, where that was, and whose it is."""

    name: str
    value: Any
    place: str
    owner: Any = None


class Reads:
    """Everything that was read, each with its value at the first time, and where that was.

    ``notes`` are known by how to look, the id of the owner, and the name: ``attribute`` of an
    object, ``variable`` of a namespace, ``content`` of a container, an array or a generator, and
    ``cell`` of a function's code; of functions that have one code, as a decorator makes them, each
    cell is an owner. Owners are held meanwhile, so that no id is used twice.
    """

    def __init__(self) -> None:
        self.notes: dict[tuple[Any, int, str], Read] = {}
        self.codes: dict[types.CodeType, Mentions | None] = {}
        self.floating: set[str] = set()
        self.imports: set[str] = set()
        self.used: dict[int, Any] = {}
        self.appended: dict[int, Any] = {}  # containers; those not used besides are not read
        self.unseen: Read | None = None  # what the step does that no guard can watch
        self.warns = False  # whether the filters of warnings may decide
        self.drawing: set[int] = set()  # generators that captured operations draw from
        self.asked: dict[int, Any] = {}  # generators that are looked at, beside drawing from them
        self.abstract = False  # whether it has classes that others may be registered for
        self.reflects = False  # whether the user's code reads any attribute of what it has
        self.roots: list[tuple[Any, Read]] = []  # what the step reaches through libraries
        self.whole: dict[int, Any] = {}  # objects of which any attribute may be read
        self.named: set[tuple[int, str]] = set()  # attributes that the code mentions,
        self.worked: set[tuple[int, str]] = set()  # and those that only effects change
        self._free: set[Any] = set()  # functions of Python's that look at their arguments alone
        self._opaque: dict[int, Any] = {}  # containers with such as read by computed names
        self._functions: dict[types.CodeType, list[Any]] = {}

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

    def pause(self) -> bool:
        """Note nothing until ``resume``; False where nothing is noted.

        For each operation: a ``with`` block takes ten events more.
        """
        notes = bool(sys.getprofile() == self._event)  # else a profiler began within the step
        if notes:
            sys.setprofile(None)
        return notes

    def resume(self, notes: bool) -> None:
        """Go on, if ``pause`` has stopped."""
        if notes:
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

    def is_worked(self, value: Any, name: str) -> bool:
        """Whether only an effect has to do with an attribute."""
        key = id(value), name
        return key in self.worked and key not in self.named and name not in self.floating

    def drawn(self, generator: Any) -> None:
        """A captured operation has drawn from a generator, as replays will."""
        read = Read("", content(generator), "", generator)
        self.notes[content, id(generator), ""] = read
        self.drawing.add(id(generator))

    def moved_generator(self) -> Read | None:
        """A generator whose state is not what was noted last, if there is one."""
        for (look, _, _), read in self.notes.items():
            if look is content and draws(type(read.owner)) and content(read.owner) != read.value:
                return read
        return None

    def note(self, look: Any, owner: Any, name: str, place: str) -> Any:
        """What this is now; what it was at the first time stays known."""
        value = look(owner, name)
        self._keep(look, Read(name, value, place, owner))
        self.see(value, place)
        return value

    def _keep(self, look: Any, read: Read) -> None:
        """Keep a note; one that is there already only gets a place, if it has none."""
        key = look, id(read.owner), read.name
        first = self.notes.setdefault(key, read)
        if read.place and not first.place:
            self.notes[key] = first._replace(place=read.place)

    def see(self, value: Any, place: str) -> None:
        """Note what is in a value."""
        if is_inert(type(value)):  # type: ignore[arg-type]
            self.abstract |= bool(place) and isa(value, abc.ABCMeta)
            return
        is_known = (content, id(value), "") in self.notes
        inside = None if is_known else content(value)
        if is_known or inside is not None:
            self._keep(content, Read("", inside, place, value))
        parts = inside if isa(inside, list) else held_by(value)
        for part in () if is_known else parts:
            if inside is None and draws(type(part)):
                self.asked[id(part)] = part
            self.see(part, place)
            if id(part) in self._opaque or is_opaque(part):
                self._opaque[id(value)] = value

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

    def _miss(self, what: str, frame: types.FrameType | None) -> None:
        """Note that the step does what no guard can watch."""
        user = users_frame(frame)
        if self.unseen is None and user is not None:
            self.unseen = Read(what, None, f"{user.f_code.co_filename}:{user.f_lineno}")

    def _enter(self, frame: types.FrameType, found: Mentions) -> None:
        """Look up what a function that begins will read."""
        code, variables, namespace = frame.f_code, frame.f_locals, frame.f_globals
        values, opaque, place = [], found.reflects, ""
        origin = whose(namespace.get("__name__"))
        for kind, root, names, line in found.chains:
            place = f"{code.co_filename}:{line}" if origin is Whose.USER else ""
            if kind == "global":
                value = self.note(variable, namespace, root, place)
                if value is MISSING:  # of Python itself, or of nobody
                    value = self.note(variable, vars(builtins), root, place)
            elif root in variables:
                value = variables[root]
                if kind == "cell":
                    self._enclosed(code, Read(root, value, place, code))
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

    def _enclosed(self, code: types.CodeType, read: Read) -> None:
        """Note a variable of a closure; where it was another before, all that have this code."""
        first = self.notes.get((cell, id(code), read.name), read)
        if first.value is not read.value and code not in self._functions:
            several = self.functions(code)
            for holder in [c for f in several for c in f.__closure__] if len(several) > 1 else []:
                self._keep(cell, Read("", cell(holder), read.place, holder))
        self._keep(cell, read)

    def functions(self, code: types.CodeType) -> list[Any]:
        """All that have this code, as a decorator makes them: a look through all objects, once."""
        if code not in self._functions:
            found = [f for f in gc.get_referrers(code) if isa(f, types.FunctionType)]
            self._functions[code] = found
        return self._functions[code]

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
            self.whole[id(value)] = value
            if isa(value, types.ModuleType):
                for name in found.words if whose(value.__name__) < Whose.USER else ():
                    self.note(variable, vars(value), name, place)
            elif not is_plain(value, PLAIN_KINDS) and origin_of(value) >= Whose.LAYERS:
                for name in attributes(value):
                    self.note(attribute, value, name, place)

    def _follow(self, value: Any, names: Sequence[str], place: str) -> Any:
        """Note the attributes along a chain; what it leads to."""
        for i, name in enumerate(names):
            if draws(type(value)):
                self.asked[id(value)] = value
            if isa(getter := plain(member(value, name)), operator.attrgetter):  # of a property
                for path in getter.__reduce__()[1]:
                    self._follow(value, path.split("."), place)
            if name in APPENDING and isa(content(value), list):
                self.appended[id(value)] = value
                key = content, id(value), ""
                self.notes[key] = self.notes[key]._replace(place=place)
                return MISSING
            if is_plain(value, PLAIN_KINDS):
                self.floating |= {name} & {"name"}  # a Tensor's
                return MISSING
            owner = value
            if isa(owner, types.ModuleType) and whose(owner.__name__) < Whose.USER:
                value = self.note(variable, vars(owner), name, place)
                if isa(content(value), list):  # sys.modules, os.environ
                    self.roots.append((value, Read(f"{owner.__name__}.{name}", value, place)))
                continue
            self.named.add((id(owner), name))
            value = self.note(attribute, owner, name, place)
            if value is MISSING or hasattr(type(value), "__get__"):
                self.floating.update(names[i + 1 :])
                return value
        self.used[id(value)] = value
        return value
