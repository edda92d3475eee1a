"""When a program may run: all that the step read outside is as it was when it was captured.

``Walk`` finds what was read, from the step, its arguments and the globals on. ``Guards`` owns the
question whether it is the same now: numbers are told by value, what containers hold by its
elements, other objects by identity.
"""

import functools
import gc
import operator
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autodiff.guards import Slot, fingerprint
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from .capture import Capture, Variable
from .memory import alike
from .reads import (
    LIBRARIES,
    MISSING,
    PACKAGE,
    Read,
    Reads,
    attribute,
    attributes,
    bound_to,
    contents,
    fields,
    is_iterator,
    is_own,
    is_read,
)  # fmt: skip

NUMBERS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
ARRAYS = (Tensor, np.ndarray)
NAMED = (types.FunctionType, types.ModuleType)
_array = operator.attrgetter("_array")
_node = operator.attrgetter("_node")
_made_of = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__")


class Walk:
    """What the step read that others can change, as far as it can be reached.

    ``changed`` says what the step itself has changed, and where it is read.
    """

    def __init__(self, reads: Reads, roots: Sequence[Any]) -> None:
        self.reads = reads
        self.changed: Read | None = None
        self.iterator: Read | None = None
        self.cells: list[tuple[Any, str]] = []
        self.functions: list[tuple[Any, str]] = []
        self.names: dict[int, tuple[Any, dict[str, str]]] = {}  # namespaces, and labels of names
        self.slots: list[tuple[Any, str, str]] = []
        self.containers: list[tuple[Any, str]] = []
        self.sized: dict[int, tuple[Any, str]] = {}  # namespaces in which a name is not
        self.tensors: dict[Tensor, None] = {}
        self.arrays: dict[int, tuple[np.ndarray, Any]] = {}
        self.seen: dict[int, Any] = {}
        self._todo = [(root, "an argument") for root in reversed(roots)]
        self._known: dict[int, list[str]] = {}
        for owner, name in reads.attributes:
            self._known.setdefault(owner, []).append(name)
        for namespace, name in reads.namespaces.values():
            self._global(namespace, name)
        modules = [sys.modules[name] for name in reads.imports if name in sys.modules]
        self._todo += [(module, module.__name__) for module in modules]
        if reads.environment:
            self._todo.append((os.environ, "os.environ"))
        self._visit_all()
        self._todo += [(function, function.__name__) for function in self._hidden()]
        self._visit_all()

    def _visit_all(self) -> None:
        while self._todo:
            value, label = self._todo.pop()
            if not isinstance(value, NUMBERS) and id(value) not in self.seen:
                self.seen[id(value)] = value
                self._visit(value, label)

    def _hidden(self) -> list[Any]:
        """The functions with a closure that ran and were not reached, nor made by the step."""
        ran = [code for code, known in self.reads.codes.items() if known is not None]
        made = {part for code in ran for part in code.co_consts if isinstance(part, types.CodeType)}
        met = {f.__code__ for f in self.seen.values() if isinstance(f, types.FunctionType)}
        codes = [code for code in ran if code.co_freevars and code not in made | met]
        found = gc.get_referrers(*codes) if codes else []
        return [function for function in found if isinstance(function, types.FunctionType)]

    def _visit(self, value: Any, label: str) -> None:
        if (wrapped := (fields(value) or {}).get("__wrapped__")) is not None:
            self._todo.append((wrapped, label))
        if isinstance(value, Tensor):
            self.tensors[value] = None
        elif isinstance(value, types.FunctionType):
            self._function(value)
            self._attributes(value)
        elif isinstance(value, types.MethodType):
            self._todo += [(value.__self__, label), (value.__func__, label)]
        elif (owner := bound_to(value)) is not None:
            self._hold(owner, label)
        elif isinstance(value, functools.partial):
            parts = (value.func, value.args, value.keywords)
            self._todo += [(part, label) for part in parts]
        elif isinstance(value, (tuple, frozenset)):
            self._todo += [(part, label) for part in value]
        elif isinstance(value, np.ndarray):
            content = fingerprint(value)
            self.arrays[id(value)] = value, content
            first = self.reads.arrays.get(id(value), (None, content))[1]
            if first != content and self.changed is None:
                self.changed = Read(f"what is in {label}", value, "")
        else:
            inside = contents(value)
            if inside is not None:
                first = self.reads.contents.get(id(value), (None, inside))[1]
                appended = id(value) in self.reads.appended and id(value) not in self.reads.used
                if appended and not any(isinstance(p, ARRAYS) for p in inside[len(first) :]):
                    return  # a list of runs, say, that the step does not read
                self._compare(Read(label, first, ""), inside)
                self.containers.append((value, label))
                self._todo += [(part, label) for part in inside]
            self._attributes(value)

    def _attributes(self, value: Any) -> None:
        """The attributes of an object, a class or a file that were read, or may have been."""
        of = value if isinstance(value, type) else type(value)
        if isinstance(value, types.ModuleType) and not is_own(value.__name__):
            return
        there = attributes(value)
        names = dict.fromkeys(self._known.get(id(value), ()))
        whole = id(value) in self.reads.whole or (self.reads.reflects and is_read(of.__module__))
        names |= dict.fromkeys(there if whole else ())
        if id(value) in self.reads.whole and (own := fields(value)) is not None:
            self.sized[id(own)] = own, f"the attributes of {of.__name__}"
        floating = [*there, *(n for k in of.__mro__ if is_own(k.__module__) for n in vars(k))]
        names |= dict.fromkeys(name for name in floating if name in self.reads.floating)
        for name in names:
            named = value if isinstance(value, (type, *NAMED)) else of
            label = f"{named.__name__}.{name}"
            now = vars(value).get(name, MISSING) if isinstance(value, types.ModuleType) else None
            now = attribute(value, name) if now is None else now
            if (read := self.reads.attributes.get((id(value), name))) is not None:
                self._compare(read._replace(name=label), now)
            self._place(value, name, label)
            self._hold(now, label)
        for kind in of.__mro__:
            if is_read(kind.__module__):
                methods = map(_plain, vars(kind).values())
                self._todo += [(method, kind.__name__) for method in methods if self._ran(method)]

    def _place(self, value: Any, name: str, label: str) -> None:
        """Where an attribute is kept."""
        own = vars(value) if isinstance(value, types.ModuleType) else fields(value)
        kinds = value.__mro__ if isinstance(value, type) else type(value).__mro__
        kind = next((k for k in kinds if name in vars(k)), None)
        for between in kinds[: kinds.index(kind)] if kind is not None else kinds:
            if is_own(between.__module__):  # it may get an attribute of that name
                self.sized[-id(between)] = vars(between), label
        member = vars(kind).get(name) if kind is not None else None
        if own is not None and name in own and not isinstance(member, property):
            self.names.setdefault(id(own), (own, {}))[1][name] = label
        elif isinstance(member, types.MemberDescriptorType):
            if not isinstance(value, type):
                self.slots.append((value, name, label))
        else:
            if own is not None:
                self.sized[id(own)] = own, label
            if kind is not None and is_own(kind.__module__):
                space = self.seen.setdefault(-id(kind), vars(kind))  # the same proxy each time
                self.names.setdefault(id(space), (space, {}))[1][name] = label

    def _function(self, function: types.FunctionType) -> None:
        """A function that ran: its closure, and what its parameters are by default."""
        if not self._ran(function):
            return
        code, label = function.__code__, function.__name__
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                now = cell.cell_contents
            except ValueError:  # it has no value
                continue
            if (read := self.reads.variables.get((id(code), name))) is not None:
                self._compare(read, now)
            self.cells.append((cell, name))
            self._hold(now, name)
        if is_own(function.__module__):
            self.functions.append((function, label))
            defaults = (function.__defaults__, function.__kwdefaults__)
            self._todo += [(held, f"the defaults of {label}") for held in defaults]

    def _global(self, namespace: dict[str, Any], name: str) -> None:
        now = namespace.get(name, MISSING)
        if not is_own(namespace.get("__name__")) or _is_fixed(now):
            return
        self._compare(self.reads.variables[id(namespace), name], now)
        if name in namespace:
            self.names.setdefault(id(namespace), (namespace, {}))[1][name] = name
        self._hold(now, name)

    def _hold(self, value: Any, label: str) -> None:
        if self.iterator is None and is_iterator(value):
            self.iterator = Read(label, value, "")
        self._todo.append((value, label))

    def _compare(self, read: Read, now: Any) -> None:
        """Note a difference between what was read first and what is there after the step."""
        if self.changed is None and not _is_same(now, read.value):
            self.changed = read

    def _ran(self, function: Any) -> bool:
        code = function.__code__ if isinstance(function, types.FunctionType) else None
        return self.reads.codes.get(code) is not None  # type: ignore[arg-type]


def _plain(held: Any) -> Any:
    """The function in what a class has."""
    if isinstance(held, (staticmethod, classmethod)):
        return held.__func__
    return held.fget if isinstance(held, property) else held


def _is_fixed(value: Any) -> bool:
    """Whether nobody makes this another one: what libraries have in them."""
    if isinstance(value, types.ModuleType):
        return not is_own(value.__name__)
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
        return str(getattr(value, "__module__", "")).split(".")[0] in LIBRARIES | {PACKAGE}
    return False


def _is_same(now: Any, was: Any) -> bool:
    """Whether this is the same object, an equal number, or a list or tuple of such."""
    if now is was:
        return True
    if type(now) is not type(was):
        return False
    if isinstance(now, (list, tuple)):
        return len(now) == len(was) and all(map(_is_same, now, was))
    return isinstance(now, NUMBERS) and repr(now) == repr(was)  # -0.0 is not 0.0, NaN is NaN


class Guards:
    """What must hold for a program to run, and whether it does.

    ``specs`` are the shapes, dtypes and strides of the arguments, if these are arrays alone.
    """

    def __init__(self, walk: Walk, capture: Capture, specs: Any) -> None:
        self.specs = specs
        self.recording = mode.recording
        given = [v for v in capture.variables if v.kind in ("memory", "state")]
        self.sources = [(v.source, v.source._node, v) for v in given]
        placed = dict.fromkeys(v.source for v in given if v.kind == "memory")
        self.placed = list(placed)
        self.others = [t for t in walk.tensors if t not in placed]
        self.entries = [v for v in capture.variables if v.kind == "entry"]
        self.empty = [t for t, before in capture.tensors.items() if before is False]
        self.gradients = bool(self.empty or self.entries)  # whether it matters which are there
        named = [v for v in walk.seen.values() if hasattr(type(v), "named_tensors")]
        self.modules = sorted(named, key=lambda module: -len(list(module.named_modules())))
        self.watched = [*walk.arrays.values(), *capture.watched]
        self._cells = walk.cells
        self._names = [_getter(space, names) for space, names in walk.names.values()]
        self._slots = walk.slots
        self._functions = walk.functions
        self._lists = [(c, label) for c, label in walk.containers if type(c) is list]
        self._containers = [(c, label) for c, label in walk.containers if type(c) is not list]
        self._sized = list(walk.sized.values())
        self._quick = [(get, space) for get, space, _ in self._names]
        self._quick += [(operator.attrgetter(n, n), value) for value, n, _ in self._slots]
        self._quick += [(_made_of, function) for function, _ in self._functions]
        self._quick += [(list, value) for value, _ in self._lists]
        self._quick += [(contents, value) for value, _ in self._containers]
        self._bare = [cell for cell, _ in self._cells]
        self._spaces = [space for space, _ in self._sized]
        self.found: list[Any] = []
        self.bind()

    def bind(self) -> None:
        """Take what is there now, with the memory of Tensors, for what is to be there."""
        self.found = self._now()

    def are_met(self, args: tuple[Any, ...]) -> bool:
        """Whether the program may run again, told fast: False where that takes a closer look."""
        specs = self.specs
        if specs is None or len(args) != len(specs) or self.recording is not mode.recording:
            return False
        for array, (shape, dtype, strides) in zip(args, specs):  # noqa: B905 - 0.1 µs
            if type(array) is not np.ndarray or array.shape != shape:
                return False
            if array.dtype is not dtype or array.strides != strides:
                return False
        try:
            now = self._now()
        except (AttributeError, KeyError, RuntimeError, ValueError):
            return False  # something is not there any more
        found = self.found
        if len(now) != len(found) or not all(map(operator.is_, now, found)):
            return False
        fit = not self.gradients or self._gradients_fit()
        return fit and (not self.watched or self._is_untouched())

    def hold(self) -> bool:
        """Whether the program is of this world; ``is_bound`` then says if its memory is, too."""
        if self.changed() is not None or not self._gradients_fit() or not self._is_untouched():
            return False
        return all(
            tensor._node is node and alike(tensor._array, variable)
            for tensor, node, variable in self.sources
        )

    def is_bound(self) -> bool:
        """Whether Tensors have the memory that the program was bound to."""
        start = len(self.found) - len(self.placed)
        bound = all(map(operator.is_, map(_array, self.placed), self.found[start:]))
        if bound:
            self.bind()  # other objects with equal numbers
        return bound

    def changed(self) -> str | None:
        """What the step reads and finds changed, by name, if anything."""
        try:
            now = self._now()
        except (AttributeError, KeyError, RuntimeError, ValueError):
            return "a variable that has no value now"
        end = len(self.found) - len(self.placed)
        if len(now) == len(self.found) and all(map(_is_same, now[:end], self.found)):
            return None
        pairs = zip(self._labels(), now, self.found, strict=False)
        return next((name for name, a, b in pairs if not _is_same(a, b)), "a container")

    def _now(self) -> list[Any]:
        """All of it, flat: identical objects everywhere say that nothing has changed."""
        found = [cell.cell_contents for cell in self._bare]
        for get, place in self._quick:
            found += get(place)
        if self._spaces:
            found += map(len, self._spaces)
        found += map(_node, self.others)
        found += map(_node, self.placed)
        found += map(_array, self.placed)
        return found

    def _labels(self) -> Iterator[str]:
        """The names of what ``_now`` has, one for each."""
        yield from (label for _, label in self._cells)
        for _, _, labels in self._names:
            yield from labels
        for _, _, label in self._slots:
            yield from (label, label)
        for _, label in self._functions:
            yield from (label, label, label)
        for container, label in [*self._lists, *self._containers]:
            yield from (f"what is in {label}" for _ in contents(container) or ())
        yield from (label for _, label in self._sized)
        for tensor in [*self.others, *self.placed]:
            yield f"whether {tensor.name or 'a Tensor'} requires grad"

    def _gradients_fit(self) -> bool:
        """Whether the gradients that are there are those the step was captured with."""
        if self.empty and any(getattr(t, "_grad", None) is not None for t in self.empty):
            return False
        return not self.entries or all(map(_is_there, self.entries))

    def _is_untouched(self) -> bool:
        """Whether arrays that somebody may still have are what they were."""
        return all(fingerprint(array) == content for array, content in self.watched)


def _getter(space: Any, names: dict[str, str]) -> tuple[Callable[[Any], Any], Any, list[str]]:
    """What gets the values of names, as a tuple also where there is one."""
    twice = list(names) * (2 if len(names) == 1 else 1)  # a tuple, also of one
    return operator.itemgetter(*twice), space, [names[name] for name in twice]


def _is_there(entry: Variable) -> bool:
    """Whether a leaf has a gradient as it had in the capture."""
    grad = getattr(entry.source, "_grad", None)
    if grad is None or type(grad) is Slot:
        return grad is not None
    return grad._node is None and grad._array.dtype == entry.dtype
