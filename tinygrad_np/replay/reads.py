"""What the Python code of a step reads while it is captured.

``sys.setprofile`` tells of every Python function that runs. The names that its code mentions
(globals, closure cells, attributes of what these and the arguments hold) are looked up as the
function begins, and noted with their values: ``guards`` keeps watch over them afterwards.
"""

import array
import collections
import contextlib
import contextvars
import dis
import functools
import gc
import io
import os
import sys
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.guards import fingerprint
from ..autodiff.tensor import Tensor

PACKAGE = __name__.split(".")[0]
LIBRARIES = {"numpy", "scipy", *sys.stdlib_module_names} - {"__main__"}
ENGINE = frozenset(["autodiff", "data", "draw", "errors", "optim", "random", "replay", "threads"])
LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME")
APPENDING = frozenset(["add", "append", "appendleft", "extend"])
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")
PASSED = ("CACHE", "COPY", "EXTENDED_ARG", "NOP", "PRECALL", "PUSH_NULL", "RESUME")
# who mentions these may read any attribute of what it has
REFLECTION = frozenset(
    ["__dict__", "asdict", "astuple", "attrgetter", "dir", "getattr", "hasattr", "setattr", "vars"]
)
SEQUENCES = (list, set, bytearray, collections.deque, collections.UserList, array.array)
MISSING = object()


class Chain(NamedTuple):
    """``root.attribute.attribute``: ``kind`` is where the root lies (local, cell or global)."""

    kind: str
    root: str
    attributes: tuple[str, ...]
    line: int


class Mentions(NamedTuple):
    """What a code object mentions: chains as they are used, and attributes of unknown objects.

    With ``reflects`` it may read any attribute of the objects it has.
    """

    chains: tuple[Chain, ...]
    floating: frozenset[str]
    imports: frozenset[str]
    reflects: bool


@functools.lru_cache(maxsize=4096)
def mentions(code: types.CodeType) -> Mentions:
    """What a function's code mentions, in the order of its instructions."""
    chains: dict[tuple[str, str, tuple[str, ...]], int] = {}
    floating: set[str] = set()
    stored: set[str] = set()
    imports: set[str] = set()
    assigned = {i.argval for i in dis.get_instructions(code) if i.opname.startswith("STORE_FAST")}
    top: tuple[str, str, tuple[str, ...]] | None = None
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        op, name = instruction.opname, instruction.argval
        if op in PASSED:
            continue
        extends = op in ATTRIBUTES and top is not None
        if top is not None and not extends:
            chains.setdefault(top, line)
            top = None
        if instruction.positions is not None and instruction.positions.lineno is not None:
            line = instruction.positions.lineno
        if op.startswith(LOADS) or op in ("STORE_GLOBAL", "STORE_DEREF"):
            name = name[-1] if isinstance(name, tuple) else name
            kind = "global" if op.endswith(("GLOBAL", "NAME")) else "local"
            kind = "cell" if name in code.co_freevars else kind
            top = None if kind == "local" and name in assigned else (kind, name, ())
        elif extends:
            top = (top[0], top[1], (*top[2], name))  # type: ignore[index]
        elif op == "IMPORT_NAME":
            imports.add(name)
        elif op == "IMPORT_FROM":
            floating.add(name)
        elif op in ATTRIBUTES:
            (floating if op.startswith("LOAD") else stored).add(name)
    known = {name for _, _, attributes in chains for name in attributes}
    reflects = not REFLECTION.isdisjoint(code.co_names)
    if reflects:
        words = {c for c in code.co_consts if isinstance(c, str) and c.isidentifier()}
        floating |= words
    found = tuple(Chain(*chain, line) for chain, line in chains.items())
    return Mentions(found, frozenset(floating | stored - known), frozenset(imports), reflects)


def is_own(name: object) -> bool:
    """Whether a module, by its name, is the user's: what libraries have in them does not change."""
    return str(name or "").split(".")[0] not in LIBRARIES | {PACKAGE}


def is_read(name: object) -> bool:
    """Whether it counts what the code of a module reads: the user's, and that of our layers."""
    first, *rest = str(name or "").split(".")
    if first == PACKAGE:
        return bool(rest) and rest[0] not in ENGINE
    return first not in LIBRARIES


def fields(value: Any) -> dict[str, Any] | None:
    """An object's own attributes, as they are kept."""
    found = getattr(value, "__dict__", None)
    return found if type(found) is dict else None


def attribute(value: Any, name: str) -> Any:
    """An attribute, looked up without running any code; MISSING where that cannot be done."""
    classes = value.__mro__ if isinstance(value, type) else type(value).__mro__
    in_class: Any = next((c.__dict__[name] for c in classes if name in c.__dict__), MISSING)
    if isinstance(in_class, types.MemberDescriptorType) and not isinstance(value, type):
        return getattr(value, name, MISSING)
    if isinstance(in_class, property):
        return MISSING
    own = None if isinstance(value, type) else fields(value)
    return own[name] if own is not None and name in own else in_class


def attributes(value: Any) -> list[str]:
    """The names of all attributes of an object that hold data."""
    slots = [
        name
        for kind in type(value).__mro__
        for name, held in vars(kind).items()
        if isinstance(held, types.MemberDescriptorType)
    ]
    return [*(fields(value) or ()), *(slots if is_own(type(value).__module__) else ())]


def bound_to(value: Any) -> Any:
    """The object whose method, of a class not written in Python, this is; else None."""
    owner = value.__self__ if hasattr(type(value), "__self__") else None
    function = isinstance(value, types.MethodType) or isinstance(owner, (types.ModuleType, type))
    return None if function else owner


def contents(container: Any) -> list[Any] | None:
    """What a container has in it, keys of a dict included; None for what is no container."""
    if isinstance(container, SEQUENCES):
        return list(container)
    own = isinstance(container, (dict, collections.UserDict))
    if own or (isinstance(container, Mapping) and not is_own(type(container).__module__)):
        return [*container, *container.values()]
    if isinstance(container, weakref.ref):
        return [container()]
    return [container.get(None)] if isinstance(container, contextvars.ContextVar) else None


def generator_state(value: Any) -> Any:
    """The state of a generator of random numbers, fit for ==; None for what is none."""
    python = sys.modules.get("random")
    if python is not None and isinstance(value, python.Random):
        return value.getstate()
    if "numpy.random" not in sys.modules:
        return None
    if isinstance(value, np.random.Generator):
        return _frozen(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return _frozen(value.get_state(legacy=False))
    return _frozen(value.state) if isinstance(value, np.random.BitGenerator) else None


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return [(key, _frozen(value)) for key, value in state.items()]
    return state.tobytes() if isinstance(state, np.ndarray) else state


def is_iterator(value: Any) -> bool:
    """Whether taking from it changes it, unseen: no file, and nothing written in Python."""
    step = getattr(type(value), "__next__", None)
    unseen = step is not None and not isinstance(step, types.FunctionType)
    return unseen and not isinstance(value, io.IOBase)


class Read(NamedTuple):
    """A name that was looked up: what it is called, its value then, and where that was."""

    name: str
    value: Any
    place: str


class Reads:
    """Everything that was read, each with its value at the first time.

    ``attributes`` are known by the object's id and the name, ``variables`` (globals and cells) by
    the id of the namespace (or the code) and the name, ``contents`` by the container's id. The
    objects are held meanwhile, so that no id is used twice.
    """

    def __init__(self) -> None:
        self.attributes: dict[tuple[int, str], Read] = {}
        self.variables: dict[tuple[int, str], Read] = {}
        self.contents: dict[int, tuple[Any, list[Any]]] = {}
        self.generators: dict[int, tuple[Any, Any]] = {}
        self.arrays: dict[int, tuple[np.ndarray, Any]] = {}
        self.codes: dict[types.CodeType, Mentions | None] = {}
        self.namespaces: dict[tuple[int, str], tuple[dict[str, Any], str]] = {}
        self.floating: set[str] = set()
        self.imports: set[str] = set()
        self.used: set[int] = set()
        self.appended: set[int] = set()  # containers; those not used besides are not read
        self.whole: set[int] = set()  # objects of which any attribute may be read
        self.reflects = False  # whether code of the package reads any attribute of modules
        self.environment = False
        self._held: list[Any] = []
        self._paused = False

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """While this lasts, note what Python functions of this thread read."""
        for generator in self._global_generators():
            self.see(generator)
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
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def drawn(self, generator: Any) -> None:
        """A captured operation has drawn from a generator, as replays will."""
        self.generators[id(generator)] = generator, generator_state(generator)

    def moved_generator(self) -> Any:
        """A generator whose state is not what was noted last, if there is one."""
        moved = (g for g, was in self.generators.values() if generator_state(g) != was)
        return next(moved, None)

    def see(self, value: Any) -> None:
        """Note what a value contains, or the state of a generator."""
        if id(value) in self.contents or id(value) in self.generators:
            return
        if isinstance(value, np.ndarray):
            if id(value) not in self.arrays:
                self.arrays[id(value)] = value, fingerprint(value)
            return
        inside = list(value) if isinstance(value, tuple) else contents(value)
        if inside is not None:
            self.contents[id(value)] = value, inside
            for part in inside:
                self.see(part)
        elif (state := generator_state(value)) is not None:
            self.generators[id(value)] = value, state
        elif (owner := bound_to(value)) is not None:
            self.see(owner)

    @staticmethod
    def _global_generators() -> list[Any]:
        """Those behind the functions of ``random`` and ``np.random``, where these are loaded."""
        found = []
        if "random" in sys.modules:
            found.append(sys.modules["random"].random.__self__)
        if "numpy.random" in sys.modules:
            found.append(np.random.rand.__self__)  # type: ignore[attr-defined]
        return found

    def _event(self, frame: types.FrameType, event: str, _: Any) -> None:
        if event != "call" or self._paused:
            return
        code = frame.f_code
        found = self.codes.get(code, MISSING)
        if found is MISSING:
            known = mentions(code) if is_read(frame.f_globals.get("__name__")) else None
            found = self.codes[code] = known
            if known is not None:
                self.floating |= known.floating
                self.imports |= known.imports
                ours = not is_own(frame.f_globals.get("__name__"))
                self.reflects = self.reflects or (ours and known.reflects)
        if found is not None:
            self._enter(frame, found)  # type: ignore[arg-type]

    def _enter(self, frame: types.FrameType, found: Mentions) -> None:
        """Look up what a function that begins will read."""
        code, variables, namespace = frame.f_code, frame.f_locals, frame.f_globals
        for kind, root, names, line in found.chains:
            place = f"{code.co_filename}:{line}"
            if kind == "global":
                if root not in namespace:
                    continue  # of Python itself
                value = namespace[root]
                self._environment(value)
                self._variable(id(namespace), Read(root, value, place))
                self.namespaces.setdefault((id(namespace), root), (namespace, root))
            elif root in variables:
                value = variables[root]
                if kind == "cell":
                    self._variable(id(code), Read(root, value, place))
                else:
                    self.see(value)
            else:
                self.floating.update(names)
                continue
            if found.reflects and not names:
                self._held.append(value)
                self.whole.add(id(value))
            self._follow(value, names, place)

    def _variable(self, where: int, read: Read) -> None:
        if (where, read.name) not in self.variables:
            self.variables[where, read.name] = read
            self.see(read.value)

    def _follow(self, value: Any, names: tuple[str, ...], place: str) -> None:
        """Note the attributes along a chain."""
        for i, name in enumerate(names):
            if name in APPENDING and contents(value) is not None:
                self._held.append(value)
                self.appended.add(id(value))
                return
            if isinstance(value, (Tensor, np.ndarray, np.generic, int, float, str, complex)):
                return
            if isinstance(value, types.ModuleType):
                owner, value = value, vars(value).get(name, MISSING)
                if is_own(owner.__name__):
                    self._attribute(owner, Read(name, value, place))
                self._environment(value)
                continue
            owner, value = value, attribute(value, name)
            self._attribute(owner, Read(name, value, place))
            if value is MISSING:
                self.floating.update(names[i + 1 :])
                return
        self.used.add(id(value))

    def _environment(self, value: Any) -> None:
        if value is os.environ or value is os.getenv:
            self.environment = True
            self.see(os.environ)

    def _attribute(self, owner: Any, read: Read) -> None:
        if (id(owner), read.name) not in self.attributes:
            self._held.append(owner)
            self.attributes[id(owner), read.name] = read
            self.see(read.value)
