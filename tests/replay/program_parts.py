"""What random step programs are made of: pieces of Python source, by kind.

``$name`` stands for a variable of the frame that holds the step: a global, a cell or an attribute.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

PRELUDE = """
import abc
import argparse
import array
import builtins
import collections
import contextlib
import contextvars
import copy
import ctypes
import dataclasses
import enum
import functools
import gc
import importlib
import inspect
import io
import itertools
import operator
import os
import pickle
import queue
import random
import struct
import sys
import threading
import types
import typing
import weakref

import numpy as np

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F

kept = []


class Box:
    def __init__(self, k):
        self.k = k

    def get(self):
        return self.k


class Child(Box):
    pass


class Levelled:
    level = 1.0


class Deriving(Levelled):
    def __init__(self, k):
        Levelled.level = k

    def get(self):
        return super().level


def event(k):
    made = threading.Event()
    if k > 1:
        made.set()
    return made


class Slotted:
    __slots__ = ("__weakref__", "k")

    def __init__(self, k):
        self.k = k


class Hidden:
    def __init__(self, k):
        self._k = k

    @property
    def k(self):
        return self._k


class Dynamic:
    def __init__(self, k):
        self.store = {"k": k}

    def __getattr__(self, name):
        return self.__dict__["store"][name]


class Indexed:
    def __init__(self, k):
        self.items = [k]

    def __getitem__(self, i):
        return self.items[i]

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


class Calling:
    def __init__(self, k):
        self.k = k

    def __call__(self):
        return self.k


class Classy:
    @classmethod
    def read(cls):
        return cls.k


class Descriptor:
    def __init__(self, k):
        self.stored = k

    def __get__(self, instance, owner):
        return self.stored if instance is None else instance.__dict__.get("_k", self.stored)

    def __set__(self, instance, value):
        instance.__dict__["_k"] = value


def described(k):
    return type("Described", (), {"k": Descriptor(k)})()


class Everything:
    def __init__(self, k):
        object.__setattr__(self, "store", {"k": k})

    def __getattribute__(self, name):
        try:
            return object.__getattribute__(self, "store")[name]
        except KeyError:
            raise AttributeError(name) from None


class Lazy:
    def __init__(self, k):
        self._k = k

    @functools.cached_property
    def k(self):
        return self._k


class Listed(list):
    pass


def derived(kind, k, *given):
    made = type("Made", (kind,), {})(*given)
    made.k = k
    return made


def with_k(made, k):
    made.k = k
    return made


def with_metaclass(k):
    return type("Meta", (type,), dict(k=k))("Made", (), {})


def named(k):
    return tg.Tensor(np.ones(2), name=str(k))


class Abstract(abc.ABC):
    pass


class Defaulting(dict):
    other = 1.0

    def __missing__(self, name):
        return self.other


class Pair(typing.NamedTuple):
    k: object
    other: object = None


class Settings(nn.Module):
    def __init__(self, k):
        self.k = k


@dataclasses.dataclass
class Record:
    k: object


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    k: object


class Local(threading.local):
    k = None


def local(k):
    made = Local()
    made.k = k
    return made


def context(k):
    made = contextvars.ContextVar("k")
    made.set(k)
    return made


def module(k):
    made = types.ModuleType("settings")
    made.k = k
    return made


def with_attribute(k):
    def fn():
        return None

    fn.k = k
    return fn


def with_default(k):
    return lambda k=k: k


def with_keyword(k):
    def fn(*, k=k):
        return k

    return fn


def same(k):
    return k


GET_K = operator.attrgetter("k")
GETTERS = {"k": operator.itemgetter("k")}


def dispatching(k):
    @functools.singledispatch
    def get(_):
        return k

    return get


def cached(box):
    @functools.lru_cache
    def get():
        return box.k

    get()
    return get


def closing(k):
    def get():
        return k

    def set(value):
        nonlocal k
        k = value

    return get, set


def queue_of(k):
    made = queue.Queue()
    made.put(k)
    return made


def matched(box):
    match box:
        case Box(k=k):
            return k


def held(value):
    kept.append(value)
    return value


def wrapping(fn, box):
    @functools.wraps(fn)
    def wrapper():
        return fn(box.k)

    return wrapper


def counting():
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    return count


FACTOR = [1.0]


@tg.primitive
def own(t):
    return np.asarray(t) * FACTOR[0]


tg.defvjp(own, lambda g, out, t: g * FACTOR[0])


def doubled(h):
    return h * 2.0


def halved(h):
    return h * 0.5


@contextlib.contextmanager
def managed(k):
    yield k


class Scaling(nn.Module):
    factor = 1.0

    def __init__(self, factor=1.0):
        self.shift = 0.0
        self.factors = [factor]

    def forward(self, h):
        return h * self.factor * self.factors[0] + self.shift


class Net(nn.Module):
    level = 1.0
    cache = None

    def __init__(self, seed=0):
        self.layers = [nn.Linear(4, 6, seed=seed), nn.Linear(6, 3, seed=seed + 1)]
        self.act = np.tanh
        self.gates = [True]
        self.settings = types.SimpleNamespace(alpha=1.0)
        self.mean = tg.Tensor(np.zeros(6, np.float32))

    def encode(self, h):
        return self.act(self.layers[0](h)) * self.level

    def forward(self, h):
        h = self.encode(h) * self.settings.alpha
        if self.training:
            h = h * 1.5
        for layer in self.layers[1:]:
            h = layer(h)
        return h if self.gates[0] else h * 0.25


class Bare:
    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.w = tg.Tensor(rng.standard_normal((4, 3)).astype("f4"), requires_grad=True)
        self.b = tg.Tensor(np.zeros(3, "f4"), requires_grad=True)
        self.scale = tg.Tensor(np.float32(1.5), requires_grad=True)

    def __call__(self, h):
        return (h @ self.w + self.b) * self.scale

    def parameters(self):
        return [self.scale, self.w, self.b]

    def zero_grad(self):
        for p in self.parameters():
            p.grad = None

    def state_dict(self):
        return {k: getattr(self, k).numpy() for k in ("w", "b", "scale")}

    def load_state_dict(self, state):
        with tg.no_grad():
            for name, value in state.items():
                getattr(self, name)[...] = value
"""


@dataclass(frozen=True)
class Container:
    """How a value ``{v}`` is put away, read again from ``{r}``, and changed there."""

    name: str
    make: str
    read: str
    sets: tuple[str, ...] = ()
    numbers: bool = False  # for numbers only


ATTRIBUTE = ("{r}.k = {v}", 'setattr({r}, "k", {v})')
FREE = (*ATTRIBUTE, '{r}.__dict__["k"] = {v}', "vars({r}).update(k={v})")
CONTAINERS = [
    Container("list", "[{v}]", "{r}[0]", ("{r}[0] = {v}", "{r}[:] = [{v}]", "{r}.insert(0, {v})")),
    Container("long list", "[*range(100), {v}]", "{r}[-1]", ("{r}[-1] = {v}", "{r}.append({v})")),
    Container("length", "[0] * int({v})", "float(len({r}))", ("{r}[:] = [0] * int({v})",), True),
    Container("tuple", "({v}, 1)", "{r}[0]"),
    Container("unpacked tuple", "({v}, 1)", "[a for a, _ in [{r}]][0]"),
    Container("dict", '{{"k": {v}}}', '{r}["k"]', ('{r}["k"] = {v}', "{r}.update(k={v})")),
    Container("dict.get", '{{"k": {v}}}', '{r}.get("k", 1.0)', ('{r}["k"] = {v}',)),
    Container("dict of ints", "{{0: {v}}}", "sum({r}.values())", ("{r}[len({r})] = {v}",), True),
    Container("dict of float32", '{{"k": np.float32({v})}}', '{r}["k"]',
              ('{r}["k"] = np.float32({v})',), True),
    Container("long dict", '{{**{{i: i for i in range(90)}}, "k": {v}}}', '{r}["k"]',
              ('{r}["k"] = {v}',)),
    Container("OrderedDict", "collections.OrderedDict(k={v})", '{r}["k"]', ('{r}["k"] = {v}',)),
    Container("defaultdict", "collections.defaultdict(float, k={v})", '{r}["k"]',
              ('{r}["k"] = {v}',)),
    Container("ChainMap", "collections.ChainMap({{}}, dict(k={v}))", '{r}["k"]',
              ('{r}["k"] = {v}',)),
    Container("UserDict", "collections.UserDict(k={v})", '{r}["k"]', ('{r}["k"] = {v}',)),
    Container("deque", "collections.deque([{v}], 3)", "{r}[0]",
              ("{r}[0] = {v}", "{r}.appendleft({v})")),
    Container("set", "{{{v}}}", "max({r})", ("{r}.add({v})", "{r}.clear(); {r}.add({v})"), True),
    Container("membership", "{{{v}}}", "(2.0 if 2.0 in {r} else 1.0)",
              ("{r}.clear(); {r}.add({v})",), True),
    Container("frozenset", "frozenset([{v}])", "min({r})", (), True),
    Container("array.array", 'array.array("d", [{v}])', "{r}[0]", ("{r}[0] = {v}",), True),
    Container("element of an ndarray", "np.array([{v}, 0.0])", "{r}[0]", ("{r}[0] = {v}",), True),
    Container("SimpleNamespace", "types.SimpleNamespace(k={v})", "{r}.k", FREE),
    Container("argparse.Namespace", "argparse.Namespace(k={v})", "{r}.k", FREE),
    Container("object", "Box({v})", "{r}.k", FREE),
    Container("getattr", "Box({v})", 'getattr({r}, "k")', FREE),
    Container("vars", "Box({v})", 'vars({r})["k"]', FREE),
    Container("attrgetter", "Box({v})", 'operator.attrgetter("k")({r})', FREE),
    Container("method", "Child({v})", "{r}.get()", FREE),
    Container("slots", "Slotted({v})", "{r}.k", ATTRIBUTE),
    Container("dataclass", "Record({v})", "{r}.k", FREE),
    Container("frozen dataclass", "Frozen({v})", "{r}.k",
              ('object.__setattr__({r}, "k", {v})',)),
    Container("property", "Hidden({v})", "{r}.k", ("{r}._k = {v}",)),
    Container("__getattr__", "Dynamic({v})", "{r}.k", ('{r}.store["k"] = {v}',)),
    Container("__getitem__", "Indexed({v})", "{r}[0]", ("{r}.items[0] = {v}",)),
    Container("__len__", "Indexed(0.0)", "float(len({r}))", ("{r}.items[:] = [0] * int({v})",),
              True),
    Container("__iter__", "Indexed({v})", "sum({r})", ("{r}.items[0] = {v}",), True),
    Container("class", 'type("Made", (), dict(k={v}))', "{r}.k", ATTRIBUTE),
    Container("attribute of the class", 'type("Made", (), dict(k={v}))()', "{r}.k",
              ("type({r}).k = {v}", "{r}.k = {v}")),
    Container("attribute of the base", 'type("Made", (type("Base", (), dict(k={v})),), {{}})()',
              "{r}.k", ("type({r}).__base__.k = {v}", "type({r}).k = {v}")),
    Container("module", "module({v})", "{r}.k", ATTRIBUTE),
    Container("attribute of nn.Module", "Settings({v})", "{r}.k", ATTRIBUTE),
    Container("attribute of a function", "with_attribute({v})", "{r}.k", ATTRIBUTE),
    Container("cell", "(lambda k: lambda: k)({v})", "{r}()",
              ("{r}.__closure__[0].cell_contents = {v}",)),
    Container("default", "with_default({v})", "{r}()", ("{r}.__defaults__ = ({v},)",)),
    Container("keyword default", "with_keyword({v})", "{r}()",
              ('{r}.__kwdefaults__["k"] = {v}', "{r}.__kwdefaults__ = dict(k={v})")),
    Container("partial", "functools.partial(same, k={v})", "{r}()", ('{r}.keywords["k"] = {v}',)),
    Container("partial of a list", "functools.partial(operator.itemgetter(0), [{v}])", "{r}()",
              ("{r}.args[0][0] = {v}",)),
    Container("wraps", "wrapping(same, Box({v}))", "{r}()",
              ("[c.cell_contents for c in {r}.__closure__ if isinstance(c.cell_contents, Box)]"
               "[0].k = {v}",)),
    Container("bound method", "Box({v}).get", "{r}()", ("{r}.__self__.k = {v}",)),
    Container("__call__", "Calling({v})", "{r}()", ("{r}.k = {v}",)),
    Container("ContextVar", "context({v})", "{r}.get()", ("{r}.set({v})",)),
    Container("threading.local", "local({v})", "{r}.k", ("{r}.k = {v}",)),
    Container("weakref", "weakref.ref(held(Box({v})))", "{r}().k", ("{r}().k = {v}",)),
    Container("attrgetter made before", "Box({v})", "GET_K({r})", FREE),
    Container("mapped attrgetter", "Box({v})", "next(map(GET_K, [{r}]))", FREE),
    Container("itemgetter of __dict__", "Box({v})", 'GETTERS["k"]({r}.__dict__)', FREE),
    Container("methodcaller", "Child({v})", 'operator.methodcaller("get")({r})', FREE),
    Container("computed name", "Box({v})", 'getattr({r}, "K".lower())', FREE),
    Container("computed name in a class", 'type("Made", (), dict(k={v}))',
              'getattr({r}, "K".lower())', ATTRIBUTE),
    Container("computed name in vars", "Box({v})", 'vars({r})["K".lower()]', FREE),
    Container("reduce", "Box({v})", 'functools.reduce(getattr, ["k"], {r})', FREE),
    Container("getattr_static", "Box({v})", 'inspect.getattr_static({r}, "k")', FREE),
    Container("getmembers", "Box({v})", 'dict(inspect.getmembers({r}))["k"]', FREE),
    Container("copy", "Box({v})", "copy.copy({r}).k", FREE),
    Container("pickle", "Frozen({v})", "pickle.loads(pickle.dumps(({r}.k,)))[0]",
              ('object.__setattr__({r}, "k", {v})',), True),
    Container("asdict", "Record({v})", 'dataclasses.asdict({r})["k"]', FREE, True),
    Container("format", "Box({v})", 'float("{{0.k}}".format({r}))', FREE, True),
    Container("match", "Box({v})", "matched({r})", FREE),
    Container("partial of getattr", "functools.partial(getattr, Box({v}))", '{r}("k")',
              ("{r}.args[0].k = {v}",)),
    Container("classmethod", 'type("Made", (Classy,), dict(k={v}))', "{r}.read()", ATTRIBUTE),
    Container("classmethod of the base", 'type("Made", (type("Base", (Classy,), dict(k={v})),), '
              "{{}})()", "{r}.read()", ("type({r}).__base__.k = {v}", "type({r}).k = {v}")),
    Container("class replaced", "Box({v})", "{r}.get()",
              ('{r}.__class__ = type("Other", (Box,), dict(get=lambda _: {v}))',)),
    Container("base replaced", 'type("Made", (Child,), {{}})({v})', "{r}.get()",
              ('type({r}).__bases__ = (type("Other", (Child,), dict(get=lambda _: {v})),)',)),
    Container("descriptor", "described({v})", "{r}.k",
              ("{r}.k = {v}", 'type({r}).__dict__["k"].stored = {v}')),
    Container("__getattribute__", "Everything({v})", "{r}.k",
              ('object.__getattribute__({r}, "store")["k"] = {v}',)),
    Container("cached_property", "Lazy({v})", "{r}.k",
              ('{r}.__dict__["k"] = {v}', '{r}.__dict__.pop("k", None); {r}._k = {v}')),
    Container("NamedTuple", "Pair({v})", "{r}.k"),
    Container("Enum", 'enum.Enum("Kind", dict(A=[{v}]))', "{r}.A.value[0]",
              ("{r}.A.value[0] = {v}", "{r}.A._value_ = [{v}]")),
    Container("attribute of an Enum", 'enum.Enum("Kind", dict(A=[{v}]))', "{r}.A._value_[0]",
              ("{r}.A._value_ = [{v}]",)),
    Container("MappingProxyType", "types.MappingProxyType({{'k': {v}}})", '{r}["k"]',
              ('gc.get_referents({r})[0]["k"] = {v}',)),
    Container("singledispatch", "dispatching({v})", "{r}(1)",
              ("{r}.register(int)(lambda _, k={v}: k)",)),
    Container("lru_cache", "cached(Box({v}))", "{r}()",
              ("{r}.__wrapped__.__closure__[0].cell_contents.k = {v}; {r}.cache_clear()",
               "{r}.__wrapped__.__closure__[0].cell_contents.k = {v}")),
    Container("weakref.proxy", "weakref.proxy(held(Box({v})))", "{r}.k", ATTRIBUTE),
    Container("WeakValueDictionary", "weakref.WeakValueDictionary(k=held(Box({v})))",
              '{r}["k"].k', ('{r}["k"].k = {v}', '{r}["k"] = held(Box({v}))')),
    Container("nonlocal", "closing({v})", "{r}[0]()", ("{r}[1]({v})",)),
    Container("list of the user's", "Listed([{v}])", "{r}[0]", ("{r}[0] = {v}",)),
    Container("__missing__", "Defaulting(k={v})", '{r}["k"]',
              ('{r}["k"] = {v}', '{r}.pop("k", None); {r}.other = {v}')),
    Container("Counter", "collections.Counter(k={v})", '{r}["k"]', ('{r}["k"] = {v}',)),
    Container("Queue", "queue_of({v})", "{r}.queue[0]", ("{r}.queue[0] = {v}",)),
    Container("memoryview", 'memoryview(array.array("d", [{v}]))', "{r}[0]", ("{r}[0] = {v}",),
              True),
    Container("struct", 'bytearray(struct.pack("d", {v}))', 'struct.unpack("d", {r})[0]',
              ('{r}[:] = struct.pack("d", {v})',), True),
    Container("ctypes", "ctypes.c_double({v})", "{r}.value", ("{r}.value = {v}",), True),
    Container("StringIO", "io.StringIO(str({v}))", "float({r}.getvalue())",
              ("{r}.seek(0); {r}.truncate(); {r}.write(str({v}))",), True),
    Container("ndarray of objects", "np.array([Box({v}), None], object)", "{r}[0].k",
              ("{r}[0].k = {v}", "{r}[0] = Box({v})")),
    Container("comparison of namespaces", "types.SimpleNamespace(k={v})",
              "(1.0 if {r} == types.SimpleNamespace(k=1.0) else 3.0)", ("{r}.k = {v}",), True),
    Container("Event", "event({v})", "(3.0 if {r}.is_set() else 1.0)",
              ("{r}.set() if {v} > 1 else {r}.clear()",), True),
    Container("poly1d", "np.poly1d([0.0, {v}])", "{r}(1.0)", ("{r}.coeffs[-1] = {v}",), True),
    Container("super", "Deriving({v})", "{r}.get()", ("Deriving.__base__.level = {v}",), True),
    *[Container(f"attribute of a derived {kind}", f"derived({kind}, {{v}}{given})", "{r}.k", FREE)
      for kind, given in [("float", ""), ("int", ""), ("complex", ""), ("str", ""), ("bytes", ""),
                          ("tuple", ""), ("frozenset", ""), ("np.float32", ", 1"),
                          ("np.ndarray", ", 2"), ("tg.Tensor", ", [1.0]"),
                          ("functools.partial", ", same")]],
    Container("replaced derived float", "[derived(float, {v}, 1.0)]", "{r}[0].k",
              ("{r}[0] = derived(float, {v}, 1.0)",)),
    Container("attribute of an IntEnum", "with_k(enum.IntEnum('Kind', 'A').A, {v})", "{r}.k",
              ATTRIBUTE),
    Container("attribute of an Enum of str",
              "with_k(enum.Enum('Kind', dict(A='a'), type=str).A, {v})", "{r}.k", ATTRIBUTE),
    Container("partial's attribute", "with_k(functools.partial(same), {v})", "{r}.k", ATTRIBUTE),
    Container("metaclass", "with_metaclass({v})", "{r}.k",
              ("type({r}).k = {v}", "{r}.k = {v}")),
    Container("__dict__ of a class", 'type("Made", (), {{}} if {v} == 1 else dict(k={v}))',
              '{r}.__dict__.get("k", 1.0)', ATTRIBUTE, True),
    Container("name of a Tensor", "named({v})", "float({r}.name)", ("{r}.name = str({v})",), True),
    Container("name of a Tensor in a list", "[named({v})]", "[float(t.name) for t in {r}][0]",
              ("{r}[0].name = str({v})",), True),
    Container("registered class", 'type("Made", (), {{}})()',
              "(2.0 if isinstance({r}, Abstract) else 1.0)",
              ("Abstract.register(type({r}))",), True),
    Container("structured ndarray", 'np.array([({v},)], [("k", "f8")])', '{r}["k"][0]',
              ('{r}["k"][0] = {v}',), True),
]  # fmt: skip

# what the value is: those it takes in turn, and how the step uses it, as N, in what it does to h
DOMAINS: dict[str, tuple[list[str], list[str]]] = {
    "number": (
        ["1.0", "2.0", "3.0", "1.25", "2", "0.5"],
        [
            "h = h * N",
            "h = h + N",
            "h = np.clip(h, -N, N)",
            "h = h if N > 1.5 else h * 0.5",
            "for _ in range(int(N)):\n    h = h * 1.1",
            "h = np.where(h > N - 1, h, 0.1 * h)",
            "h = F.leaky_relu(h, 0.1 * N)",
            "if N > 1.5 and len(h) > 2:\n    h = np.tanh(h)",
            "h = [h, h * 0.5, np.tanh(h), h][int(N)]",
            "h = h * {1: 1.5}.get(int(N), 0.5)",
            "h = h * sum(N for _ in range(2))",
            "with managed(N) as factor:\n    h = h * factor",
            "h = (lambda t: t * N)(h)",
            "h = functools.reduce(lambda t, f: t * f, [1.1, N], h)",
        ],
    ),
    "flag": (
        ["False", "True"],
        ["h = np.tanh(h) if N else h", "if not N:\n    h = h * 2.0"],
    ),
    "word": (
        ['"tanh"', '"sin"', '"abs"'],
        ["h = getattr(np, N)(h)", 'h = {"tanh": doubled, "sin": halved, "abs": F.relu}[N](h)',
         'if N == "tanh":\n    h = F.sigmoid(h)'],
    ),
    "function": (
        ["np.tanh", "F.relu", "doubled", "halved", "np.sin", "(lambda t: t * 3.0)",
         "functools.partial(np.multiply, 1.5)"],
        ["h = N(h)", "h = (lambda f: f(h))(N)"],
    ),
    "array": (
        ["np.float32([1.5])", "np.float32([0.5])", 'np.full(1, 2.5, "f4")'],
        ["h = h * N", "h = h + N", "h = np.where(h > N, h, 0.1 * h)", "h = h * tg.Tensor(N)"],
    ),
    "scalar": (
        ["np.float32(1.5)", "np.float32(0.5)", "np.float64(0.5)"],
        ["h = h * N", "h = h + N", "h = h if N > 1 else np.tanh(h)"],
    ),
    "variable": (
        ['tg.Tensor(np.float32([1.5]), requires_grad=True)',
         'tg.Tensor(np.float32([0.5]), requires_grad=True)'],
        ["h = h * N", "h = h + N", "h = np.maximum(h, N)"],
    ),
    "tensor": (
        ["tg.Tensor(np.float32([1.5]))", "tg.Tensor(np.float32([0.5]))"],
        ["h = h * N", "h = h + N"],
    ),
}  # fmt: skip
# how the step gets at it: declarations, and an expression; {r} is the root, {e} reads the value
ROUTES = [
    ("direct", "", "{e}"),
    ("direct", "", "{e}"),
    ("helper", "def read_@(r):\n    return {er}", "read_@({r})"),
    ("helper of a helper",
     "def inner_@(r):\n    return {er}\n\n\ndef read_@(r):\n    return inner_@(r)", "read_@({r})"),
    ("static method", "class Reader_@:\n    @staticmethod\n    def read(r):\n        return {er}",
     "Reader_@.read({r})"),
    ("method", "class Reader_@:\n    def __init__(self, r):\n        self.r = r\n\n"
     "    def read(self):\n        r = self.r\n        return {er}", "Reader_@({r}).read()"),
    ("lambda", "", "(lambda: {e})()"),
    ("comprehension", "", "[{e} for _ in range(1)][0]"),
    ("generator", "", "next({e} for _ in range(1))"),
    ("map", "def read_@(r):\n    return {er}", "next(map(read_@, [{r}]))"),
    ("key of max", "def read_@(r):\n    return {er}",
     "max([({r}, read_@({r}))], key=lambda pair: 1)[1]"),
]  # fmt: skip


@dataclass
class Part:
    """One kind of state, as source: what declares, makes, uses and changes it."""

    kind: str
    declares: str = ""
    builds: list[tuple[str, str]] = field(default_factory=list)  # variables of the frame
    pre: str = ""  # statements of the step, before the model,
    post: str = ""  # after it,
    late: str = ""  # and after backward
    changes: list[tuple[str, str]] = field(default_factory=list)  # kinds and statements
    watches: list[str] = field(default_factory=list)  # expressions of the user's state
    tail: str = ""  # (of the loss, before backward)
    extra: str = ""  # a further parameter of the step,
    argument: str = ""  # and what is given for it
    dress: str = ""  # what is replayed instead of the step {f}
    state: "State | None" = None  # what it is made from
    moves: bool = False  # whether the step itself changes state that is no Tensor's
    leaves: bool = False  # whether it does what is to be refused


FUNCTIONS = ("cell", "default", "keyword default", "wraps")  # of which a class makes methods:
BINDING = ("attribute of the class", "attribute of the base")
HOMES = ["frame"] * 4 + ["global", "global", "class", "default", "argument", "step's default"]
HOMES += ["partial", "wrapper", "globals()", "sys.modules", "importlib", "builtins"]
REACHED = {  # the namespace of the module, by
    "globals()": "globals()",
    "sys.modules": "sys.modules[__name__].__dict__",
    "importlib": "vars(importlib.import_module(__name__))",
}


@dataclass(frozen=True)
class State:
    """Something Python holds, which the step reads on some way and which is changed in another."""

    i: int
    domain: str
    values: tuple[str, ...]
    use: str  # what the step does with it
    after: bool  # whether that is after the model
    named: bool  # whether it is put into a variable first
    containers: tuple[Container, ...]  # from the outside in
    home: str  # where it hangs
    route: tuple[str, str, str]
    changes: tuple[tuple[int, int, str], ...]  # depth, which statement, value

    def made(self, k: int, v: str) -> str:
        """The value, as it is from depth ``k`` on."""
        for container in reversed(self.containers[k:]):
            v = container.make.format(v=v)
        return v

    def read(self, root: str, k: int) -> str:
        """What is at depth ``k``."""
        for container in self.containers[:k]:
            root = container.read.format(r=root)
        return root

    @property
    def kind(self) -> str:
        """Its description."""
        path = " in ".join(c.name for c in reversed(self.containers)) or "a variable"
        route = "" if self.route[0] == "direct" else f" by {self.route[0]}"
        return f"{self.domain} in {path} ({self.home}){route}"

    def part(self) -> Part:
        """Its source."""
        i, first, depth = self.i, self.made(0, self.values[0]), len(self.containers)
        part = Part(self.kind, state=self)
        inside = outside = f"G{i}"
        rebind = f'globals()["G{i}"] = {{v}}'
        if self.home == "frame":
            part.builds.append((f"s{i}", first))
            inside = outside = f"$s{i}"
            rebind = f'rebind("s{i}", {{v}})'
        elif self.home == "global":
            part.declares = f"G{i} = {first}"
        elif self.home in REACHED:
            part.declares = f"G{i} = {first}"
            inside = f'{REACHED[self.home]}["G{i}"]'
        elif self.home == "builtins":
            inside = f"WORLD_{i}"  # the worlds share it
            outside, rebind = f"builtins.{inside}", f"builtins.{inside} = {{v}}"
            part.declares = f"{outside} = {first}"
        elif self.home == "class":
            part.declares = f"class Home{i}:\n    k = {first}"
            inside = outside = f"Home{i}.k"
            rebind = f"Home{i}.k = {{v}}"
        elif self.home == "default":
            part.declares = f"def default_{i}(r={first}):\n    return r"
            inside, outside = f"default_{i}()", f"default_{i}.__defaults__[0]"
            rebind = f"default_{i}.__defaults__ = ({{v}},)"
        elif self.home == "argument":
            part.declares = f"G{i} = {first}"
            part.extra, part.argument, inside = f"a{i}", f"G{i}", f"a{i}"
        elif self.home == "step's default":
            part.declares = f"G{i} = {first}"
            part.extra, inside = f"*, a{i}=G{i}", f"a{i}"
            outside = f'original(step).__kwdefaults__["a{i}"]'
            rebind = f"{outside} = {{v}}"
        elif self.home == "partial":
            part.declares = f"G{i} = {first}"
            part.extra, inside = f"*, a{i}=None", f"a{i}"
            part.dress = f"functools.partial({{f}}, a{i}=G{i})"
            rebind = f'undressed(step).keywords["a{i}"] = {{v}}'
            outside = f'undressed(step).keywords["a{i}"]'
        elif self.home == "wrapper":
            part.declares = (
                f"BOX{i} = Box({first})\n\n\ndef dress_{i}(fn, box):\n    @functools.wraps(fn)\n"
                f"    def wrapper(*args, **more):\n        return fn(*args, a{i}=box.k, **more)\n\n"
                "    return wrapper"
            )
            part.extra, inside, outside = f"*, a{i}=None", f"a{i}", f"BOX{i}.k"
            part.dress = f"dress_{i}({{f}}, BOX{i})"
            rebind = f"BOX{i}.k = {{v}}"
        else:
            key = f"TINYGRAD_PROGRAM_{i}"
            part.declares = f'os.environ["{key}"] = "{self.values[0]}"'
            inside = outside = f'float(os.environ["{key}"])'
            rebind = f'os.environ["{key}"] = "{{v}}"'
        _, declared, expression = self.route
        if declared:
            declared = declared.replace("{er}", self.read("r", depth)).replace("_@", f"_{i}")
            part.declares += f"\n\n\n{declared}"
        expression = expression.replace("_@", f"_{i}").replace("{r}", inside)
        expression = expression.replace("{e}", self.read(inside, depth))
        if self.named:
            lines = f"n{i} = {expression}\n" + self.use.replace("N", f"n{i}")
        else:
            lines = self.use.replace("N", expression)
        if self.after:
            part.post = lines
        else:
            part.pre = lines
        if self.domain in ("tensor", "variable"):
            tensor = self.read(outside, depth)
            part.watches += [f"{tensor}.numpy()", f"{tensor}.grad"]
        for level, which, v in self.changes:
            statement = rebind.format(v=self.made(0, v))
            if level < depth and self.containers[level].sets:
                sets = self.containers[level].sets
                root, v = self.read(outside, level), self.made(level + 1, v)
                statement = sets[which % len(sets)].format(r=root, v=v)
            if which == 11 and f"read_{i}" in part.declares:
                statement = f'globals()["read_{i}"] = lambda r: {self.values[-1]}'
            part.changes.append((self.kind, statement))
        return part

    def simpler(self) -> "Iterator[State]":
        """The same with one thing less, or plainer."""
        for k in range(len(self.containers)):
            left = self.containers[:k] + self.containers[k + 1 :]
            changes = tuple((d - (d > k), w, v) for d, w, v in self.changes)
            yield replace(self, containers=left, changes=changes)
        if self.route[0] != "direct":
            yield replace(self, route=ROUTES[0])
        if self.home not in ("frame", "environ"):
            yield replace(self, home="frame")
        if self.use != DOMAINS[self.domain][1][0]:
            yield replace(self, use=DOMAINS[self.domain][1][0])


def state(r: Random, i: int) -> Part:
    """State of Python's, read by the step."""
    domain = r.choice([*DOMAINS, "number", "number", "number"])
    values, uses = DOMAINS[domain]
    chosen = r.sample(values, min(len(values), 3))
    containers: list[Container] = []
    for _ in range(r.choice([0, 1, 1, 1, 2, 2, 3])):
        inner = not containers  # numbers are read from the innermost
        is_function = containers[0].name in FUNCTIONS if containers else domain == "function"
        fitting = [
            c
            for c in CONTAINERS
            if (not c.numbers or (inner and domain == "number"))
            and not (is_function and c.name in BINDING)
        ]
        containers.insert(0, r.choice(fitting))
    if domain == "number" and containers and containers[-1].name in ("length", "__len__"):
        chosen = ["1.0", "2.0", "3.0"]
    home = r.choice(HOMES)
    if domain == "number" and r.random() < 0.04:
        home, containers = "environ", []
    changes = [
        (r.randrange(len(containers) + 1), r.randrange(12), r.choice(chosen[1:]))
        for _ in range(r.choice([1, 1, 2, 3]))
    ]
    return State(
        i, domain, tuple(chosen), r.choice(uses), r.random() < 0.5, r.random() < 0.7,
        tuple(containers), home, r.choice(ROUTES), tuple(changes),
    ).part()  # fmt: skip


COUNTERS: list[tuple[str, str, str, str]] = [  # name, made of, counts, its number
    ("list", "[]", "{r}.append(1)", "len({r})"),
    ("attribute", "Box(0)", "{r}.k += 1", "{r}.k"),
    ("dict", '{{"n": 0}}', '{r}["n"] += 1', '{r}["n"]'),
    ("Counter", "collections.Counter()", '{r}["n"] += 1', '{r}["n"]'),
    ("slots", "Slotted(0)", "{r}.k += 1", "{r}.k"),
    ("attribute of nn.Module", "Settings(0)", "{r}.k += 1", "{r}.k"),
    ("class", 'type("Made", (), dict(k=0))', "{r}.k += 1", "{r}.k"),
    ("set", "set()", "{r}.add(len({r}))", "len({r})"),
    ("deque", "collections.deque()", "{r}.append(1)", "len({r})"),
    ("iterator", "Box(iter(range(1, 99)))", "", "next({r}.k)"),
    ("ndarray", "np.zeros(1)", "{r}[0] += 1", "int({r}[0])"),
    ("ndarray in place", "np.zeros(1)", "np.add({r}, 1, out={r})", "float({r}.sum())"),
    ("history of Tensors", "[]", "{r}.append(h.detach())", "len({r})"),
    ("history of results", "[]", "{r}.append(h)", "len({r})"),
    ("property", "Hidden(0)", "{r}._k = {r}.k + 1", "{r}.k"),
    ("variable", "0", "$nonlocal {n}\n{r} += 1", "{r}"),
    ("cell", "counting()", "", "{r}()"),
    ("generator", "Box(k for k in range(1, 99))", "", "next({r}.k)"),
    ("itertools.count", "Box(itertools.count(1))", "", "next({r}.k)"),
    ("pop", "list(range(99, 0, -1))", "", "{r}.pop()"),
    ("cache", "{{}}", "{r}.setdefault(len({r}), h.shape)", "len({r})"),
    ("lru_cache", "functools.lru_cache(None)(lambda k: Box(0))", "{r}(1).k += 1", "{r}(1).k"),
]  # fmt: skip
COUNTED = [
    "",
    "h = h * (2.0 if N > 4 else 1.0)",
    "h = h * (1.0 + N)",
    "if N % 3 == 0:\n    h = np.tanh(h)",
    "h = h * max(0.5, 1.0 - 0.25 * max(0, N - 3))",
]


def counter(r: Random, i: int) -> Part:
    """Something the step itself counts, and may read."""
    name, made, counts, number = r.choice(COUNTERS)
    use = r.choice(COUNTED)
    root = f"$c{i}"
    lines = counts.format(r=root, n=f"c{i}")
    if use or not lines:
        lines += f"\nc = {number.format(r=root)}\n" + use.replace("N", "c")
    part = Part(f"counter in {name}, {'read' if use else 'not read'}", moves=True)
    part.builds.append((f"c{i}", made.replace("{{", "{").replace("}}", "}")))
    if r.random() < 0.5:
        part.pre = lines.strip()
    else:
        part.post = lines.strip()
    if counts:
        part.watches.append(number.format(r=root))
    return part


RANDOM = [
    ("random.random", "", "random.random()"),
    ("random.Random", "random.Random(3)", "{r}.random()"),
    ("Generator.random", "np.random.default_rng(3)", "{r}.random()"),
    ("Generator.integers", "np.random.default_rng(3)", "float({r}.integers(0, 2))"),
    ("np.random.rand", "", "np.random.rand()"),
    ("RandomState", "np.random.RandomState(3)", "{r}.rand()"),
    ("random.choice", "", "random.choice([0.25, 0.75])"),
    ("rare", "random.Random(7)", "({r}.random() < 0.9) * 0.25"),
]
DRAWN = [
    "h = h * N",
    "h = h if N < 0.5 else np.tanh(h)",
    "if N < 0.8:\n    h = h * 0.5",
    "h = h + tg.Tensor(np.float32([N]))",
]


def draw(r: Random, i: int) -> Part:
    """A number drawn inside the step."""
    name, made, number = r.choice(RANDOM)
    part = Part(f"{name} in the step", moves=True)
    if made:
        part.builds.append((f"r{i}", made))
    use = r.choice(DRAWN).replace("N", f"n{i}")
    part.pre = f"n{i} = {number.format(r=f'$r{i}')}\n{use}"
    return part


NOISE = [
    ("Generator.standard_normal", "h = h + $r@.standard_normal(h.shape).astype('f4')"),
    ("Generator.permutation", "h = h[$r@.permutation(len(h))] + h"),
    ("F.dropout", "h = F.dropout(h, 0.5, True, $r@)"),
]


def noise(r: Random, i: int) -> Part:
    """An array drawn inside the step."""
    name, line = r.choice(NOISE)
    part = Part(f"{name} in the step", moves=name != "F.dropout")
    part.builds.append((f"r{i}", "np.random.default_rng(5)"))
    part.pre = line.replace("r@", f"r{i}")
    part.watches.append(f"$r{i}.bit_generator.state")
    return part


MADE = [
    "h = h + np.zeros(h.shape, 'f4')",
    "h = h * np.ones_like(h)",
    "h = h + np.zeros((len(x), 1), 'f4')",
    "h = h[np.arange(len(x))]",
    "h = h * np.arange(len(x), dtype='f4')[:, None]",
    "h = h * np.float32([2.0])",
    "h = h * np.linspace(0, 1, h.shape[1], dtype='f4')",
    "h = h * np.eye(h.shape[1], dtype='f4')[0]",
    "h = np.concatenate([h, tg.Tensor(np.zeros(h.shape, 'f4'))])[: len(x)]",
    "h = h[:, [*range(h.shape[1])][::-1]]",
    "h = h * np.hanning(h.shape[1] + 2)[1:-1].astype('f4')",
    "h = h + np.full(h.shape[1:], 0.5, 'f4')",
    "h = np.where(np.tri(len(x), h.shape[1]) > 0, h, 0.5 * h)",
]
COMPUTED = [
    "h = h + tg.grad(lambda t: np.sum(np.tanh(t) ** 2))(h.detach())",
    "h = h * tg.value_and_grad(lambda t: np.mean(t * t))(h.detach())[0]",
    "h = h + tg.jvp(np.sin, (h,), (h,))[1]",
    "h = h + tg.vjp(np.tanh, h)[1](h)[0]",
    "h = h - np.mean(h, axis=0)",
    "h = (h - np.mean(h)) / (np.std(h) + 1.0)",
    "h = h * F.softmax(h)",
    "h = h * F.one_hot(np.argmax(h, axis=1), h.shape[1])",
    "with tg.no_grad():\n    shift = np.mean(h)\nh = h - shift",
    "h = h * h.detach()",
    "h = h * 1\nh[0] = 0.5",
    "try:\n    h = h * 2.0\nfinally:\n    h = h + 1.0",
    "for k in range(len(h) // 2):\n    h = h * (1.0 + k)",
    "h = np.stack([row * 2.0 for row in h])",
    "q = tg.Tensor(h.detach(), requires_grad=True)\nnp.sum(q * q).backward()\nh = h + q.grad",
    "h = h + [t * 0.5 for t in (h, h)][0] + {'a': h}['a'] * 0.1",
    "h = h * 1\nh *= 2.0\nh -= 0.5",
    "h = h * 1\nh[:, 0] = h[:, 1]",
    "h = h + 0.1 * sum(np.mean(p) for p in $model.parameters())",
    "h = h * (1.0 + sum(p.requires_grad for p in $model.parameters()))",
    "h = h * len($model.parameters())",
    "for p in $model.parameters():\n    if p.ndim > 1 and p.requires_grad:\n"
    "        h = h + np.mean(p * p)",
    "h = h * np.mean(x)",
    "h = h + (y[:, None] * 0.1).astype(h.dtype)",
    "h = np.where(y[:, None] == 1, h, h * 0.5)",
    "h = h * (2.0 if h.dtype == np.float32 else 0.5)",
    "with np.errstate(divide='ignore'):\n    h = h + 1 / (np.abs(h) + 1.0)",
    "h = np.sort(h, axis=0)",
    "h = np.einsum('ij,kj->ik', h, h) @ h",
    "h = h + np.cumsum(h, axis=1).astype(h.dtype) * tg.Tensor(0.5, dtype=h.dtype)",
]


def array_made(r: Random, i: int) -> Part:  # noqa: ARG001
    """An array that the step makes, the same in each call of a signature."""
    line = r.choice(MADE)
    return Part(f"array made inside: {line}", **{r.choice(["pre", "post"]): line})  # type: ignore[arg-type]


def computed(r: Random, i: int) -> Part:  # noqa: ARG001
    """A calculation of Tensors only."""
    line = r.choice(COMPUTED)
    return Part(f"calculation: {line}", **{r.choice(["pre", "post"]): line})  # type: ignore[arg-type]


def buffer(r: Random, i: int) -> Part:
    """A Tensor that the step writes, with or without a reader, and others change."""
    part = Part("running mean")
    part.builds.append((f"m{i}", "tg.Tensor(np.zeros(1, 'f4'))"))
    write = r.choice(
        [
            "$m[...] = 0.9 * $m + 0.1 * np.mean(h)",
            "m = $m\n    m += np.mean(h)",
            "$m[0] = np.max(h)",
        ]
    )
    part.pre = f"with tg.no_grad():\n    {write}".replace("$m", f"$m{i}")
    if r.random() < 0.5:
        part.pre += f"\nh = h - $m{i} * 0.5"
    part.changes = [
        (f"running mean: {line}", line.replace("$m", f"$m{i}"))
        for line in r.sample(
            [
                "$m[...] = 0.5",
                "$m.data[...] = 0.5",
                "$m.data = np.float32([0.25])",
                f'rebind("m{i}", tg.Tensor(np.float32([0.75])))',
                "m = $m; m *= 2.0",
                "kept.append($m.numpy())",
                "kept.append($m.data)",
            ],
            2,
        )
    ]
    part.watches.append(f"$m{i}.numpy()")
    return part


LATE = [
    "for p in $model.parameters():\n    if p.grad is not None:\n        p.grad = p.grad * 0.5",
    "with tg.no_grad():\n    for p in $model.parameters():\n        if p.grad is not None:\n"
    "            p[...] = p - 0.01 * p.grad",
    "for p in $model.parameters():\n    with tg.no_grad():\n        p *= 0.99",
    "norm = sum(np.sum(p.grad * p.grad) for p in $model.parameters() if p.grad is not None)\n"
    "loss = loss.detach() + 0.1 * norm",
    "$model.parameters()[0].grad = None",
    "for p in $model.parameters():\n    p.grad *= 0.5",
    "for p in $model.parameters():\n    if p.grad is not None:\n"
    "        p.grad[...] = np.clip(p.grad, -0.1, 0.1)",
]


STASHES = [  # of what an earlier call left
    ("Tensor of the last call", "Box(None)",
     "h = h if {r}.k is None else h + {r}.k * 0.1\n{r}.k = np.mean(h.detach())"),
    ("Tensor of the last call, always there", "Box(tg.Tensor(np.float32(1.0)))",
     "h = h + {r}.k * 0.1\n{r}.k = np.mean(h.detach())"),
    ("Tensor of the last call in a list", "[tg.Tensor(np.float32(1.0))]",
     "h = h + {r}[0] * 0.1\n{r}[0] = np.mean(h.detach())"),
    ("Tensor of the last call, not read", "Box(None)", "{r}.k = np.mean(h.detach())"),
    ("result of the last call", "Box(None)", "{r}.k = h"),
    ("Tensor of the last call in a variable", "tg.Tensor(np.float32(1.0))",
     "$nonlocal {n}\nh = h + {r} * 0.1\n{r} = np.mean(h.detach())"),
    ("shape of the last call", "Box(None)",
     "h = h * 2.0 if {r}.k == h.shape else h\n{r}.k = h.shape"),
    ("cached array", "{{}}",
     "h = h * {r}.setdefault(len(h), np.full(h.shape[1:], 1.0 + len({r}), h.dtype))"),
    ("cached Tensor", "{{}}",
     "h = h * {r}.setdefault(h.shape, tg.Tensor(np.full(h.shape[1:], 1.0 + len({r}), h.dtype)))"),
    ("flag set by the first call", "Box(True)",
     "h = np.tanh(h) if {r}.k else h\n{r}.k = False"),
    ("gradient of the last call", "Box(None)",
     "g = $model.parameters()[0].grad\nh = h if g is None else h + np.mean(g)"),
    ("steps of an optimiser", "optim.SGD($model.parameters(), 0.1)",
     "h = h * (1.0 + {r}.steps)\n{r}.steps += 1"),
]  # fmt: skip


def stash(r: Random, i: int) -> Part:
    """Something that the step leaves for its next call."""
    name, made, lines = r.choice(STASHES)
    part = Part(name, moves=True)
    part.builds.append((f"t{i}", made.replace("{{", "{").replace("}}", "}")))
    part.pre = lines.format(r=f"$t{i}", n=f"t{i}")
    return part


def penalty(r: Random, i: int) -> Part:  # noqa: ARG001
    """What is added to the loss."""
    line = r.choice(
        [
            "loss = loss + sum(np.sum(p * p) for p in $model.parameters() if p.requires_grad)",
            "loss = loss * 2.0",
            "loss = loss + np.mean(np.abs(h))",
            "if not loss.requires_grad:\n    return loss",
            "g = tg.grad(lambda t: np.mean(np.square($model(t))))(x)\nloss = loss + np.mean(g * g)",
            "loss.backward(retain_graph=True)",
            "tg.hvp(lambda t: np.sum(np.tanh(t)), (x,), (x,))",
            "loss = loss + 0.1 * np.sqrt(np.sum(np.square($model.parameters()[0])))",
        ]
    )
    return Part(f"loss: {line}", tail=line)


def primitive(r: Random, i: int) -> Part:  # noqa: ARG001
    """A function of the user's own, which looks outside itself."""
    part = Part("primitive that reads a global", pre="h = own(h)")
    part.changes = [(part.kind, f"FACTOR[0] = {r.choice([2.0, 3.0])}")]
    return part


def late(r: Random, i: int) -> Part:  # noqa: ARG001
    """What the step does with gradients."""
    line = r.choice(LATE)
    return Part(f"after backward: {line}", late=line)


def raising(r: Random, i: int) -> Part:
    """A step that may raise of itself, by a number of the user's."""
    where = r.choice(["pre", "post", "late"])
    part = Part(f"raises in {where}", **{where: f"if $e{i}:\n    raise KeyError($e{i})"})  # type: ignore[arg-type]
    part.builds.append((f"e{i}", "0"))
    part.changes = [(part.kind, f'rebind("e{i}", {v})') for v in (1, 0)]
    return part


def leaving(r: Random, i: int) -> Part:  # noqa: ARG001
    """What is to be refused, whatever changes."""
    line = r.choice(
        [
            "h = h * 2.0 if np.sum(h).item() > 0 else h",
            "h = h if np.mean(h) > 0 else np.tanh(h)",
            "h = h * np.eye(3, dtype='f4')[y][:, :1]",
            "h = h * float(np.mean(h.detach()))",
            "h = h + h.numpy().mean()",
        ]
    )
    return Part(f"leaves the tape: {line}", pre=line, leaves=True)


MOVING = [counter] * 3 + [draw] * 2 + [stash] * 2 + [noise, raising]
QUIET = [array_made] * 3 + [computed] * 4 + [late] * 2 + [penalty] * 2 + [leaving]
BESIDE = [computed] * 6 + [late] * 3 + [penalty] * 2 + [raising, array_made, primitive]

PARAMETER = "$model.parameters()[{k}]"
MODEL_CHANGES = [  # of parameters, gradients, the model; {p} is a parameter
    ("freeze", "{p}.requires_grad = False"),
    ("freeze", "{p}.requires_grad = False"),
    ("unfreeze", "for p in $model.parameters() + seen: p.requires_grad = p.dtype.kind == 'f'"),
    ("freeze all but the last", "for p in $model.parameters()[:-1]: p.requires_grad = False"),
    ("p.data = v", "{p}.data = np.full({p}.shape, 0.25, {p}.dtype)"),
    ("p.data = v of the user", "kept.append(np.full({p}.shape, 0.25, {p}.dtype)); "
     "{p}.data = kept[-1]"),
    ("p.data[...] = v", "{p}.data[...] = 0.125"),
    ("p.data *= v", "data = {p}.data; data *= 0.5"),
    ("p[...] = v", "with tg.no_grad(): {p}[...] = 0.5"),
    ("p[0] = v", "with tg.no_grad(): {p}[0] = 0.5"),
    ("p *= v", "p = {p}\nwith tg.no_grad():\n    p *= 0.5"),
    ("p.grad = None", "{p}.grad = None"),
    ("p.grad kept", "kept.append({p}.grad)"),
    ("p.grad kept for all", "kept.extend(p.grad for p in $model.parameters())"),
    ("p.grad.data kept", "kept.append({p}.grad.data)"),
    ("p.grad read", "{p}.grad is not None and {p}.grad.numpy()"),
    ("p.grad *= v", "{p}.grad *= 0.5"),
    ("p.grad.data[...] = v", "{p}.grad.data[...] = 0.5"),
    ("p.grad[...] = v", "{p}.grad[...] = 0.25"),
    ("p.grad = array", "{p}.grad = np.ones({p}.shape, {p}.dtype)"),
    ("p.grad = Tensor", "{p}.grad = tg.Tensor(np.ones({p}.shape, {p}.dtype))"),
    ("p.grad = kept", "kept.append({p}.grad); {p}.grad = kept[-1]"),
    ("grads swapped for copies", "for p in $model.parameters():\n"
     "    p.grad = None if p.grad is None else p.grad.copy()"),
    ("model.zero_grad", "$model.zero_grad()"),
    ("eager backward", "F.mse_loss($model(tg.Tensor(np.ones((2, 4), 'f4'))), "
     "tg.Tensor(np.ones((2, 3), 'f4'))).backward()"),
    ("eager backward, graph kept", "kept.append(np.sum($model(tg.Tensor(np.ones((2, 4), 'f4')))))"
     "; kept[-1].backward(retain_graph=True)"),
    ("forward before, backward after", "kept.append(np.sum($model(tg.Tensor(np.ones((2, 4), "
     "'f4')))))"),
    ("backward of what was kept", "for t in kept:\n"
     "    if isinstance(t, tg.Tensor) and t.requires_grad:\n        t.backward()\n        break"),
    ("tg.grad outside", "tg.grad(lambda t: np.sum($model(t)))(np.ones((2, 4), 'f4'))"),
    ("load_state_dict", "$model.load_state_dict({k: v + v for k, v in "
     "$model.state_dict().items()})"),
    ("model replaced", 'rebind("model", copy.deepcopy($model)); $model.parameters()[0].data[...]'
     " = 0.5"),
    ("model replaced", 'rebind("model", MODEL(7))'),
    ("parameter's copy", "kept.append(copy.deepcopy({p}))"),
    ("result written", "for t in results[-1:]:\n    if isinstance(t, tg.Tensor): t[...] = 7.0"),
    ("result's data read", "for t in results[-1:]:\n"
     "    if isinstance(t, tg.Tensor): kept.append(t.data)"),
    ("p.data kept", "kept.append({p}.data)"),
    ("kept arrays written", "for a in kept:\n"
     "    if isinstance(a, np.ndarray) and a.flags.writeable: a[...] = 0.75"),
    ("view of p kept", "kept.append({p}.detach())"),
    ("kept Tensors written", "for t in kept:\n"
     "    if isinstance(t, tg.Tensor) and not t.requires_grad: t[...] = 0.5"),
    ("p.requires_grad toggled", "{p}.requires_grad = False; {p}.requires_grad = True"),
    ("p.grad swapped", "a, b = $model.parameters()[-2:]; a.grad, b.grad = None, b.grad"),
    ("garbage collected", "gc.collect()"),
    ("second optimiser", "kept.append(optim.SGD($model.parameters(), 0.1))"),
    ("second optimiser steps", "optim.Adam($model.parameters(), 0.1).step()"),
    ("no_grad", "quiet.append(1)"),
    ("end of no_grad", "quiet.clear()"),
]  # fmt: skip
MODULE_CHANGES = [
    ("model.eval", "$model.eval()"),
    ("model.train", "$model.train()"),
    ("training by attribute", "$model.training = False"),
    ("buffer written", "for t in tensors($model):\n"
     "    if not t.requires_grad: t[...] = t + 0.5"),
    ("buffer's data replaced", "for t in tensors($model):\n"
     "    if not t.requires_grad: t.data = t.numpy() + 0.5"),
]  # fmt: skip
SEQUENTIAL_CHANGES = [
    ("layer replaced", '$model.__setattr__("0", nn.Linear(4, 6, seed=8))'),
    ("layer's parameter replaced", "$model[0].weight = tg.Tensor($model[0].weight.numpy() * 0.5, "
     "requires_grad=True)"),
    ("layer's bias removed", "$model[0].bias = None"),
    ("layer's method replaced", "$model[0].forward = lambda h: np.tanh(h[:, [0, 1, 2, 3, 0, 1]])"),
    ("layer of no parameters replaced", '$model.__setattr__("1", nn.ReLU())'),
    ("layer frozen", "for p in $model[0].parameters(): p.requires_grad = False"),
    ("layer's training", "list($model)[1].training = False"),
]  # fmt: skip
NET_CHANGES = [
    ("class attribute of a Module", "Net.level = 2.0"),
    ("class attribute shadowed", "$model.level = 3.0"),
    ("flag in a list of a Module", "$model.gates[0] = False"),
    ("settings of a Module", "$model.settings.alpha = 0.5"),
    ("settings replaced", "$model.settings = types.SimpleNamespace(alpha=0.25)"),
    ("layer in a list replaced", "$model.layers[1] = nn.Linear(6, 3, seed=9)"),
    ("list of layers extended", "$model.layers.append(nn.Linear(3, 3, seed=9))"),
    ("function attribute of a Module", "$model.act = F.relu"),
    ("method of a Module's class", "Net.encode = lambda self, h: np.sin(self.layers[0](h))"),
    ("method of a Module", "$model.encode = lambda h: $model.layers[0](h) * 0.5"),
    ("helper of a Module replaced", "globals()['doubled'] = halved"),
]  # fmt: skip
OPTIMISER_CHANGES = [
    ("optimiser.lr", "$optimiser.lr = 0.01"),
    ("optimiser.lr by a schedule", "$optimiser.lr = optim.StepDecay(0.1, 2, 0.5)"),
    ("optimiser.steps", "$optimiser.steps = 10"),
    ("optimiser.weight_decay", "$optimiser.weight_decay = 0.1"),
    ("optimiser.clip_norm", "$optimiser.clip_norm = 0.1"),
    ("optimiser.clip_value", "$optimiser.clip_value = 0.01"),
    ("optimiser.max_norm", "$optimiser.max_norm = 0.5"),
    ("optimiser.step outside", "$optimiser.step()"),
    ("optimiser.zero_grad outside", "$optimiser.zero_grad()"),
    ("optimiser anew", 'rebind("optimiser", OPTIMISER($model.parameters()))'),
    ("optimiser of other kind", 'rebind("optimiser", optim.SGD($model.parameters(), 0.2))'),
    ("optimiser of some", 'rebind("optimiser", optim.SGD($model.parameters()[:1], 0.2))'),
    ("optimiser.load_state_dict", "state = $optimiser.state_dict(); state['steps'] += 1; "
     "$optimiser.load_state_dict(state)"),
    ("optimiser copied", 'rebind("optimiser", OPTIMISER($model.parameters())); '
     "$optimiser.lr = 0.02"),
]  # fmt: skip

LINEAR = "nn.Linear(4, 6, seed=seed), {}, nn.Linear(6, 3, seed=seed + 1)"
MODELS = {
    "tanh": LINEAR.format("nn.Tanh()"),
    "batch norm": LINEAR.format("nn.BatchNorm1d(6), nn.ReLU()"),
    "dropout": LINEAR.format("nn.Dropout(0.5, seed=4)"),
    "scaling": LINEAR.format("nn.LeakyReLU(0.1), Scaling()"),
    "layer norm": LINEAR.format("nn.LayerNorm(6), nn.Sigmoid()"),
}
LAYER_CHANGES = {
    "batch norm": [("BatchNorm.momentum", "$model[1].momentum = 0.5"),
                   ("running mean written", "$model[1].running_mean[...] = 0.5")],
    "dropout": [("Dropout.p", "$model[1].p = 0.25"),
                ("Dropout.generator", "$model[1].generator = np.random.default_rng(9)"),
                ("Dropout's generator drawn from", "$model[1].generator.random(3)")],
    "scaling": [("LeakyReLU.negative_slope", "$model[1].negative_slope = 0.5"),
                ("class attribute of a layer", "Scaling.factor = 2.0"),
                ("attribute of a layer", "$model[2].shift = 1.0"),
                ("list of a layer", "$model[2].factors[0] = 3.0")],
    "layer norm": [("LayerNorm.eps", "$model[1].eps = 0.1")],
}  # fmt: skip
OPTIMISERS = [
    "optim.SGD(params, 0.1)",
    "optim.SGD(params, 0.1, momentum=0.9)",
    "optim.Adam(params, 0.05)",
    "optim.AdamW(params, 0.05)",
    "optim.RMSprop(params, 0.01)",
    "optim.SGD(params, optim.InverseTimeDecay(0.1, 0.5), clip_norm=0.5)",
    "",
]
ZEROING = [
    "$optimiser.zero_grad()",
    "$optimiser.zero_grad()",
    "$model.zero_grad()",
    "for p in $model.parameters():\n    p.grad = None",
    "",
]
LOSSES = [
    "F.cross_entropy(h, y)",
    "F.mse_loss(h, F.one_hot(y, 3))",
    "F.nll_loss(F.log_softmax(h), y)",
    "np.mean(np.square(h)) * 0.5",
    "-np.mean(np.take_along_axis(F.log_softmax(h), y[:, None], 1))",
]
RESULTS = [
    "loss", "loss", "(loss, h)", "(loss, len(h))", "(loss, x)", "(loss, $model.parameters()[0])",
    "(loss, $model.parameters()[0].grad)", "(h, h.detach())", "h.T",
    '{"loss": loss, "out": [h, np.argmax(h, axis=1)]}', "None",
]  # fmt: skip


def changes_of(model: str, optimiser: str) -> list[tuple[str, str]]:
    """The changes of a model and its optimiser: more often those that others have not."""
    found = MODEL_CHANGES * 2
    if model != "bare":
        found += MODULE_CHANGES * 2
    if model == "net":
        found += NET_CHANGES * 3
    elif model != "bare":
        found += SEQUENTIAL_CHANGES
    found += LAYER_CHANGES.get(model, []) * 5
    if optimiser:
        found += OPTIMISER_CHANGES * 2
    return found
