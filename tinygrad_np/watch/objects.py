"""What is in Python's objects, looked up without running any code of theirs."""

import collections
import functools
import gc
import io
import random
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..autodiff.guards import fingerprint
from ..recording.lines import Whose, whose

UNREAD = frozenset(["abc", "logging", "typing", "warnings"])  # of whose objects nothing is read
SLOT = types.MemberDescriptorType
OF_C = (types.GetSetDescriptorType, SLOT)
NUMBERS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
SEQUENCES = (list, set, collections.deque, collections.UserList)
MISSING = object()


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
    given = origin is Whose.LIBRARY and module.split(".")[0] not in UNREAD
    return Whose.USER if given and fields(value) is not None else origin


def held_by(value: Any) -> list[Any]:
    """What an object holds that never holds another: a tuple, a method."""
    if isa(value, (tuple, frozenset)):
        return list(value)
    if isa(value, types.MethodType):
        return [value.__self__, value.__func__]
    owner = value.__self__ if hasattr(type(value), "__self__") else None  # of a class of C
    return [] if owner is None or isa(owner, (types.ModuleType, type)) else [owner]


def closure(function: types.FunctionType) -> list[tuple[str, Any]]:
    """The names and cells of what a function closes over."""
    return [*zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)]


def in_cell(cell: Any) -> Any:
    """What a function closes over; MISSING where that has no value yet, or no more."""
    return next(iter(gc.get_referents(cell)), MISSING)


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
    own = isa(container, (dict, collections.UserDict))
    library = whose(type(container).__module__) is Whose.LIBRARY
    if own or (library and isa(container, Mapping)):
        return [*container, *container.values()]
    if isa(container, functools._lru_cache_wrapper):
        held = gc.get_referents(container)
        known = [part for d in held if type(d) is dict for part in d.values()]
        results = [p for p in (*held, *known) if not isa(p, (type, dict, types.FunctionType))]
        return [container.cache_info().misses, *sorted(results, key=id)]
    if isa(container, np.ndarray):
        return container.ravel().tolist() if container.dtype.hasobject else None
    return None


def draws(kind: type) -> bool:
    """Whether objects of a class draw random numbers, from a state that they keep."""
    if issubclass(kind, random.Random):
        return not issubclass(kind, random.SystemRandom)
    if "numpy.random" not in sys.modules:
        return False
    return issubclass(kind, (np.random.Generator, np.random.RandomState, np.random.BitGenerator))


def generator_state(value: Any) -> Any:
    """The state of a generator of random numbers, fit for ==."""
    return _frozen(access_to(value)[0]())


def access_to(value: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """How the state of a generator is got and set."""
    if isa(value, random.Random):
        return value.getstate, value.setstate
    if isa(value, np.random.RandomState):
        return functools.partial(value.get_state, legacy=False), value.set_state
    bits = value.bit_generator if isa(value, np.random.Generator) else value
    return lambda: bits.state, lambda state: setattr(bits, "state", state)


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return [(key, _frozen(value)) for key, value in state.items()]
    return state.tobytes() if isinstance(state, np.ndarray) else state


def array_state(array: np.ndarray) -> Any:
    """What can be another in an array, fit for ==."""
    return fingerprint(array), array.shape, array.strides, array.dtype, array.flags.num


def is_iterator(value: Any) -> bool:
    """Whether taking from it changes it, unseen: no file, and nothing written in Python."""
    step = getattr(type(value), "__next__", None)
    unseen = step is not None and not isa(step, types.FunctionType)
    return unseen and not isa(value, (io.IOBase, *weakref.ProxyTypes))
