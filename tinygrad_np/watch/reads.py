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
    array_state,
    attribute,
    attributes,
    bound_to,
    contents,
    draws,
    fields,
    generator_state,
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
PLAIN_KINDS = (Tensor, np.ndarray, np.generic, int, float, str, complex)


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
    by the object's id. ``cells`` are those of functions that have one code, as a decorator makes
    them, by their id. The objects are held meanwhile, so that no id is used twice.
    """

    def __init__(self) -> None:
        self.attributes: dict[tuple[int, str], Read] = {}
        self.variables: dict[tuple[int, str], Read] = {}
        self.cells: dict[int, Read] = {}
        self._shared: dict[types.CodeType, list[Any]] = {}
        self.contents: dict[int, Read] = {}
        self.arrays: dict[int, Read] = {}
        self.generators: dict[int, tuple[Any, Read]] = {}
        self.codes: dict[types.CodeType, Mentions | None] = {}
        self.namespaces: dict[tuple[int, str], tuple[dict[str, Any], str]] = {}
        self.floating: set[str] = set()
        self.imports: set[str] = set()
        self.used: set[int] = set()
        self.appended: set[int] = set()  # containers; those not used besides are not read
        self.unseen: Read | None = None  # what the step does that no guard can watch
        self.warns = False  # whether the filters of warnings may decide
        self.drawing: set[int] = set()  # generators that captured operations draw from
        self.asked: dict[int, Any] = {}  # generators that are looked at, beside drawing from them
        self._free: set[Any] = set()  # functions of Python's that look at their arguments alone
        self.abstract = False  # whether it has classes that others may be registered for
        self.reflects = False  # whether the user's code reads any attribute of what it has
        self.roots: list[tuple[Any, Read]] = []  # what the step reaches through libraries
        self.whole: set[int] = set()  # objects of which any attribute may be read
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
                    if self.variables.get((id(code), root), (0, value))[1] is not value:
                        self._share(code)
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

    def _share(self, code: types.CodeType) -> None:
        """Note the cells of the functions with this code, if there are several."""
        if code not in self._shared:
            for function in self.functions(code) if len(self.functions(code)) > 1 else []:
                for name, cell in zip(code.co_freevars, function.__closure__, strict=True):
                    with contextlib.suppress(ValueError):  # it has no value
                        read = self.variables.get((id(code), name), Read(name, None, ""))
                        self.cells.setdefault(id(cell), read._replace(value=cell.cell_contents))

    def functions(self, code: types.CodeType) -> list[Any]:
        """All that have this code, as a decorator makes them: a look through all objects, once."""
        if code not in self._shared:
            found = [f for f in gc.get_referrers(code) if isa(f, types.FunctionType)]
            self._shared[code] = found
        return self._shared[code]

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
            self._held.append(value)
            self.whole.add(id(value))
            if isa(value, types.ModuleType):
                for name in found.words if whose(value.__name__) < Whose.USER else ():
                    self._of_module(value, name, place)
            elif not is_plain(value, PLAIN_KINDS) and origin_of(value) >= Whose.LAYERS:
                for name in attributes(value):
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
                self._of_module(owner, name, place)
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

    def _of_module(self, module: types.ModuleType, name: str, place: str) -> None:
        space = vars(module)
        self.namespaces[id(space), name] = space, name
        self._note(self.variables, id(space), Read(name, space.get(name, MISSING), place))

    def _attribute(self, owner: Any, read: Read) -> None:
        self._held.append(owner)
        self._note(self.attributes, id(owner), read)
