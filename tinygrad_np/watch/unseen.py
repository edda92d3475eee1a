"""What a step reads that no guard can see: state that C code keeps, and text made of a Tensor.

A step that does this runs as Python. Two things are known of C code: each call of a C function that
Python code makes (``sys.setprofile`` reports it), and the class of each object that is reached.
What is not known to be free of hidden state has some.
"""

import collections
import contextvars
import functools
import io
import operator
import random
import re
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from ..recording.lines import Whose, whose
from .mentions import REFLECTING
from .objects import draws, isa, plain

# whose functions look at nothing but their arguments, or at what is watched as names are
FREE = frozenset([
    "_abc", "_ast", "_bisect", "_blake2", "_codecs", "_collections", "_functools", "_hashlib",
    "_heapq", "_json", "_md5", "_operator", "_sha1", "_sha2", "_sha256", "_sha3",
    "_sha512", "_sre", "_stat", "_statistics", "_string", "_struct", "_typing", "array", "binascii",
    "builtins", "cmath", "collections", "copyreg", "functools", "itertools", "math", "numpy", "re",
    "scipy", "types", "typing", "unicodedata", "zlib",
])  # fmt: skip
FREE_TOO = {
    "_thread": ("RLock", "allocate_lock"),
    "_warnings": ("warn", "warn_explicit"),  # the filters are watched
    "gc": ("collect",),
    "nt": ("fspath",),
    "posix": ("fspath",),
    "sys": ("exc_info", "intern"),
    "time": ("sleep",),
}
ASKING = {"numpy": ("_get_extobj_dict",), "builtins": ("input", "open")}  # but for these
# classes of C whose objects are watched, or never change,
KNOWN = frozenset([
    collections.OrderedDict, collections.defaultdict, collections.deque, dict, functools.partial,
    list, np.ndarray, np.ufunc, operator.attrgetter, operator.itemgetter, operator.methodcaller,
    re.Match, set, slice, threading.local, type, types.MappingProxyType, types.ModuleType,
])  # fmt: skip
# what nothing comes back from: methods, and modules of Python's
TELLING_CALLS = frozenset(["__enter__", "__exit__", "flush", "write", "writelines"])
TELLING = frozenset(["logging", "warnings"])
WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
HIDING = ("_ctypes", "_decimal", "ctypes", "decimal")  # pointers lead elsewhere, a context decides
TEXT = frozenset(f.__code__ for f in (Tensor.__repr__, Tensor.__format__, Tensor._repr_html_))
# whose functions, written in Python, look at their arguments, or at what is watched as names are
HARMLESS = FREE | TELLING | {
    "_collections_abc", "_weakrefset", "abc", "bisect", "codecs", "contextlib", "enum", "fractions",
    "genericpath", "heapq", "numbers", "ntpath", "operator", "os", "posixpath", "random",
    "statistics", "string", "textwrap", "threading", "weakref",
}  # fmt: skip


def _adds_state(kind: type) -> bool:
    """Whether a class has a place in memory that is no attribute of Python's."""
    base = kind.__base__
    if base is None:
        return False
    held = vars(kind)
    slots = sum(isinstance(v, types.MemberDescriptorType) for v in held.values())
    own = kind.__basicsize__ - base.__basicsize__ - (8 * slots if "__slots__" in held else 0)
    for place in ("__dictoffset__", "__weakrefoffset__"):
        own -= 8 * (getattr(kind, place) > 0 and getattr(base, place) == 0)
    return own > 0 or (kind.__itemsize__ > 0 and base.__itemsize__ == 0)


@functools.lru_cache(maxsize=4096)
def hidden_class(kind: Any) -> type | None:
    """The class of C, of those an object has, that keeps something out of sight; None if none does.

    What compares and hashes by value has to stay what it is, and so has a descriptor.
    """
    found = next(filter(_adds_state, kind.__mro__), None)
    if found is None or found in KNOWN or issubclass(found, np.generic) or draws(kind):
        return None
    is_value = found.__eq__ is not object.__eq__ and found.__hash__ not in (None, object.__hash__)
    hides = found is memoryview or found.__module__.split(".")[0] in HIDING
    return found if hides or not (is_value or hasattr(found, "__get__")) else None


@functools.lru_cache(maxsize=4096)
def _tells_when_called(kind: type) -> bool:
    """Whether nothing of a class of C can be read but by its methods (a lock)."""
    data = (types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType)
    names = {name for name, held in vars(kind).items() if isinstance(held, data)}
    return names <= {"__init__", "__repr__", "__weakref__"}


def is_hidden(value: Any, of_library: bool) -> bool:
    """Whether what is in an object, or whether it still is there, is out of the guards' sight.

    A library's object may have a lock (``of_library``): its methods are seen when they are called.
    """
    kind: Any = type(value)
    if issubclass(kind, io.IOBase) and hidden_class(kind):
        return value not in (sys.stdout, sys.stderr) and not value.closed and value.readable()
    if issubclass(kind, (weakref.ref, *WEAK)):  # a guard would keep what it refers to
        held = [value()] if issubclass(kind, weakref.ref) else [*value.keys(), *value.values()]
        held = [part for part in held if not isinstance(part, (type, types.FunctionType))]
        return any(part is not None for part in held)
    if issubclass(kind, (*weakref.ProxyTypes, weakref.WeakSet)):
        return True
    found = hidden_class(kind)
    return found is not None and not (of_library and _tells_when_called(found))


def asks(function: Any, in_library: bool) -> bool:
    """Whether a C function may look at what is neither an argument nor watched."""
    owner: Any = function.__self__
    if isinstance(owner, types.ModuleType):
        return _function_asks(owner.__name__, function.__name__)
    if isinstance(owner, type):
        first = owner.__module__.partition(".")[0]
        return function.__name__ == "__subclasses__" or first not in FREE
    kind: Any = type(owner)
    return _method_asks(kind, function.__name__, in_library)


@functools.lru_cache(maxsize=4096)
def _function_asks(module: str, name: str) -> bool:
    first = module.partition(".")[0]
    if first in FREE:
        return name in ASKING.get(first, ())
    return name not in FREE_TOO.get(module, ())


@functools.lru_cache(maxsize=4096)
def _method_asks(kind: Any, name: str, in_library: bool) -> bool:
    if issubclass(kind, contextvars.ContextVar):
        return name == "get"
    if issubclass(kind, (functools._lru_cache_wrapper, random.Random)):
        return True
    if in_library and kind.__module__.partition(".")[0] in FREE:
        return False
    return hidden_class(kind) is not None and name not in TELLING_CALLS


def is_unknown(frame: types.FrameType) -> bool:
    """Whether a function of a library that the user's code calls may look at more than it says."""
    caller, module = frame.f_back, str(frame.f_globals.get("__name__"))
    if caller is None or whose(caller.f_globals.get("__name__")) is not Whose.USER:
        return False
    return whose(module) is Whose.LIBRARY and module.partition(".")[0] not in HARMLESS


def named(function: Any) -> str:
    """What an error calls a C function."""
    owner = function.__self__
    return f"{getattr(owner, '__name__', type(owner).__name__)}.{function.__name__}()"


def users_frame(frame: types.FrameType | None) -> types.FrameType | None:
    """The frame of the user's that a library works for; None where that is this package.

    Nor is there one for what tells somebody what it is given, such as a logger.
    """
    while frame is not None and whose(frame.f_globals.get("__name__")) is Whose.LIBRARY:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in TELLING:
            return None
        frame = frame.f_back
    ours = frame is not None and whose(frame.f_globals.get("__name__")) is Whose.USER
    return frame if ours else None


def is_opaque(value: Any) -> bool:
    """Whether to call this may read attributes by names that no code mentions."""
    if isa(value, functools.partial):
        return is_opaque(value.func)
    if isa(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        return value.__name__ in REFLECTING
    return (value if isa(value, type) else type(value)).__module__ == "operator"


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
