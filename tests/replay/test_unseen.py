"""State that C code keeps: a step that reads it gives what eager mode gives, or is refused.

The sweep takes objects that something changes, and every way to read them: each attribute, each
method without arguments, and what Python does with objects. Where eager mode gives another number
after the change (or one in each call), so must a replay, before anything is compared again.
"""

import array
import collections
import contextlib
import contextvars
import ctypes
import dataclasses
import decimal
import functools
import gc
import io
import itertools
import logging
import math
import mmap
import multiprocessing
import operator
import os
import queue
import random
import re
import sqlite3
import sys
import tempfile
import threading
import time
import types
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.nn import functional as F

Change = Callable[[Any], Any]
STATES: dict[str, tuple[Callable[[], Any], Change]] = {}


def state(name: str, make: Callable[[], Any], change: Change) -> None:
    STATES[name] = make, change


class Plain:
    """An object of Python's."""

    v = 1.0


class Read:
    """What reads attributes in C."""

    held = property(operator.attrgetter("_held"))
    deep = property(operator.attrgetter("_deep.v"))

    def __init__(self) -> None:
        self._held = 1.0
        self._deep = Plain()


class Pair(ctypes.Structure):
    _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]


@dataclasses.dataclass(slots=True)
class Slotted:
    a: float = 1.0


def error() -> Exception:
    return OSError(1, "a")


def cached() -> Any:
    @functools.lru_cache
    def f(k: int = 0) -> int:
        return k

    return f


def function() -> Any:
    def f(a: float = 1.0, *, b: float = 2.0) -> float:
        return a * b

    return f


def weakly() -> Any:
    """A reference, and beside it what keeps its object."""
    made = [Plain()]
    reference = weakref.ref(made[0])
    KEPT[id(reference)] = made
    return reference


KEPT: dict[int, Any] = {}


def in_c(change: Change) -> Change:
    """The change of a context of its own."""
    return lambda context: context.run(change)


VARIABLE: contextvars.ContextVar[float] = contextvars.ContextVar("v", default=1.0)

state("list", lambda: [1.0], lambda o: o.append(2.0))
state("dict", lambda: {"a": 1.0}, lambda o: o.update(a=2.0))
state("set", lambda: {1}, lambda o: o.add(2))
state("deque", lambda: collections.deque([1.0, 2.0]), lambda o: o.rotate())
state("OrderedDict", lambda: collections.OrderedDict(a=1, b=2), lambda o: o.move_to_end("a"))
state("bytearray", lambda: bytearray(b"ab"), lambda o: o.append(3))
state("array", lambda: array.array("d", [1.0]), lambda o: o.append(3))
state("memoryview", lambda: memoryview(bytearray(b"ab")), lambda o: o.__setitem__(0, 9))
state("StringIO", lambda: io.StringIO("ab\ncd"), lambda o: o.write("x"))
state("BytesIO", lambda: io.BytesIO(b"ab\ncd"), lambda o: o.write(b"x"))
state("exception", lambda: ValueError("a"), lambda o: setattr(o, "args", ("bcd",)))
state("OSError", error, lambda o: setattr(o, "errno", 7))
state("lock", threading.Lock, lambda o: o.acquire())
state("RLock", threading.RLock, lambda o: o.acquire())
state("Event", threading.Event, lambda o: o.set())
state("Semaphore", lambda: threading.Semaphore(3), lambda o: o.acquire())
state("Queue", queue.Queue, lambda o: o.put(1))
state("SimpleQueue", queue.SimpleQueue, lambda o: o.put(1))
state("Context", contextvars.copy_context, in_c(lambda: VARIABLE.set(5.0)))
state("weakref", weakly, lambda o: KEPT.pop(id(o), None))
state("lru_cache", cached, lambda o: o(7))
state("partial", lambda: functools.partial(max, 1), lambda o: o.__setstate__((min, (3,), {}, {})))
state("function", function, lambda o: setattr(o, "__defaults__", (7.0,)))
state("named", function, lambda o: setattr(o, "__name__", "another"))
state("annotated", function, lambda o: setattr(o, "__annotations__", {"x": int}))
state("class", lambda: type("C", (), {}), lambda o: setattr(o, "v", 1))
state("base", lambda: type("C", (), {}), lambda o: KEPT.update({id(o): type("D", (o,), {})}))
state("module", lambda: types.ModuleType("m"), lambda o: setattr(o, "v", 1))
state("namespace", lambda: types.SimpleNamespace(v=1), lambda o: setattr(o, "v", 2))
state("shape", lambda: np.ones(4), lambda o: setattr(o, "shape", (2, 2)))
state("dtype", lambda: np.ones(4), lambda o: setattr(o, "dtype", np.int64))
state("content", lambda: np.ones(4), lambda o: o.__setitem__(0, 3.0))
state("flags", lambda: np.ones(4), lambda o: setattr(o.flags, "writeable", False))
state("flags of", lambda: np.ones(4).flags, lambda o: setattr(o, "writeable", False))
state("Generator", lambda: np.random.default_rng(0), lambda o: o.random())
state("RandomState", lambda: np.random.RandomState(0), lambda o: o.rand())
state("PCG64", lambda: np.random.PCG64(0), lambda o: o.random_raw())
state("SeedSequence", lambda: np.random.SeedSequence(0), lambda o: o.spawn(2))
state("Random", lambda: random.Random(0), lambda o: o.random())
state("iterator", lambda: iter([1.0, 2.0, 3.0] * 9), next)
state("generator", lambda: (k for k in range(99)), next)
state("flat", lambda: np.arange(30.0).flat, next)
state("Structure", lambda: Pair(1, 2.0), lambda o: setattr(o, "b", 5.0))
state("c_double", lambda: ctypes.c_double(1.0), lambda o: setattr(o, "value", 5.0))
state("Element", lambda: ElementTree.fromstring("<a v='1'>b</a>"), lambda o: o.set("v", "7"))
state("mmap", lambda: mmap.mmap(-1, 8), lambda o: o.write(b"abc"))
state("sqlite", lambda: sqlite3.connect(":memory:"), lambda o: o.execute("create table t(v)"))
state("slots", Slotted, lambda o: setattr(o, "a", 5.0))
state("attrgetter", Read, lambda o: (setattr(o, "_held", 3.0), setattr(o._deep, "v", 4.0)))
state("context of decimal", decimal.Context, lambda o: setattr(o, "prec", 5))
state("error", lambda: np.polynomial.Polynomial([1.0]), lambda o: o.coef.__setitem__(0, 4.0))


def attribute(o: Any) -> Any:
    return o.NAME


def method(o: Any) -> Any:
    return o.NAME()


def renamed(template: Any, name: str) -> Any:
    """The function with this name for ``NAME``."""
    code = template.__code__
    names = tuple(name if n == "NAME" else n for n in code.co_names)
    return types.FunctionType(code.replace(co_names=names), globals(), name)


def called(o: Any) -> Any:
    return o()


def first(o: Any) -> Any:
    return o[0]


PROTOCOLS: list[Any] = [
    called, first, lambda o: len(o), lambda o: list(o), lambda o: str(o), lambda o: repr(o),
    lambda o: f"{o}", lambda o: bool(o), lambda o: [*o], lambda o: vars(o), lambda o: dir(o),
    lambda o: next(o), lambda o: hash(o), lambda o: o.__dict__, lambda o: {**o}, lambda o: bytes(o),
    lambda o: list(map(str, [o])), lambda o: np.array(o), lambda o: "a" in o,
]  # fmt: skip
# they wait, end something for all, or tell of the machine
LEFT_OUT = re.compile(
    r"^(acquire|get|wait|wait_for|join|put|close|_wait|detach|release|acquire_lock|__sizeof__|"
    r"__enter__|__getstate__|iterdump|_at_fork_reinit|__del__|raise_for|interrupt|__reduce__|resize|"
    r"buffer_info)$"  # where it lies
)


def number(value: Any) -> float:
    """One for what can be told of a value, but for where it lies."""
    return 1.0 + zlib.crc32(re.sub(r"0x[0-9a-f]+", "", repr(value)).encode()) % 97


def readers(thing: Any) -> Iterator[Any]:
    yield from PROTOCOLS
    for name in dir(thing):
        if not LEFT_OUT.match(name):
            yield renamed(attribute, name)
            if callable(getattr(type(thing), name, None)):
                yield renamed(method, name)


def outcomes(make: Callable[[], Any], change: Change, read: Any, replayed: bool) -> list[Any]:
    """What a step that reads it gives in four calls, with the change before the third."""
    thing = make()

    def step(x: Any) -> Any:
        return x * number(read(thing))

    run, found = tg.replay(step, verify=100) if replayed else step, []
    for k in range(4):
        if k == 2:
            change(thing)
        found.append(run(np.ones(1) if replayed else tg.Tensor(np.ones(1))).item())
    return found


def assert_no_third_outcome(make: Callable[[], Any], change: Change, read: Any) -> str:
    """Nothing to see in eager mode, equal, or refused; which of them it was."""
    try:
        thing = make()
        before = number(read(thing))
        moves = before != number(read(thing))
        change(thing)
        if not moves and number(read(thing)) == before:
            return "nothing"
        expected, again = (outcomes(make, change, read, False) for _ in range(2))
    except Exception:
        return "raises"
    if expected != again:  # addresses, entropy
        return "nothing"
    try:
        found = outcomes(make, change, read, True)
    except tg.ReplayError as refused:
        assert re.search(r"\.py:\d+: ", str(refused))
        return "refused"
    assert found == expected, f"{found}, not {expected}"
    return "equal"


@pytest.mark.filterwarnings("ignore")
def test_whatever_can_be_read_of_an_object() -> None:
    seen: collections.Counter[str] = collections.Counter()
    wrong = []
    for i, (name, (make, change)) in enumerate(STATES.items()):
        for read in itertools.islice(readers(make()), i % 2, None, 2):  # every second one, by turns
            try:
                seen[assert_no_third_outcome(make, change, read)] += 1
            except AssertionError as stale:
                wrong.append(f"{name}: {read.__name__}: {stale}")
    assert wrong == []
    assert seen["equal"] > 200


class Other(types.ModuleType):
    """A module that a step imports."""

    v = 1.0


def install(v: float) -> None:
    made = Other("other_of_a_step")
    made.v = v
    sys.modules["other_of_a_step"] = made


def imported() -> Any:
    import other_of_a_step  # type: ignore[import-not-found]

    return other_of_a_step.v


def imported_name() -> Any:
    from other_of_a_step import v

    return v


def warned() -> str:
    try:
        warnings.warn("of a step", UserWarning, stacklevel=1)
    except UserWarning:
        return "raised"
    return "told"


@tg.primitive
def cube(x: Any) -> Any:
    return x**3


def sees_a_type() -> Any:
    return type(SHARED["named"]).__name__


def in_a_thread() -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(SHARED["v"].v))
    thread.start()
    thread.join()
    return found[0]


def of_a_file() -> str:
    with Path(SHARED["file"]).open(encoding="utf-8") as file:
        return file.read()


class Named:
    """A class whose name is changed."""


SHARED: dict[str, Any] = {"v": types.SimpleNamespace(v=1.0), "named": Named()}
LENT = {"a": 1.0, "b": 2.0}
KEYS, VALUES, ITEMS = LENT.keys(), LENT.values(), LENT.items()
POINTER: Any = ctypes.pointer(ctypes.c_double(1.0))
LOCK, HELD = threading.Lock(), Plain()
GET = HELD.__getattribute__
COUNT = itertools.count()
BAG, LOGGER = collections.Counter("ab"), logging.getLogger("a_step")
METHOD = weakref.WeakMethod(BAG.most_common)


def precision(digits: int) -> None:
    decimal.getcontext().prec = digits


# what is nobody's attribute, or shared by all: a way to read it, one to change it, one to undo that
PROCESS: list[tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any]]] = [
    (lambda: os.getcwd() == "/", lambda: os.chdir("/"), functools.partial(os.chdir, os.getcwd())),
    (lambda: os.environ.get("A_STEP"), lambda: os.environ.update(A_STEP="1"),
     lambda: os.environ.pop("A_STEP", None)),
    (sys.getrecursionlimit, lambda: sys.setrecursionlimit(2987),
     functools.partial(sys.setrecursionlimit, sys.getrecursionlimit())),
    (lambda: sys.getswitchinterval(), lambda: sys.setswitchinterval(0.02),
     lambda: sys.setswitchinterval(0.005)),
    (lambda: gc.get_threshold(), lambda: gc.set_threshold(900, 11, 12),
     functools.partial(gc.set_threshold, *gc.get_threshold())),
    (np.geterr, lambda: np.seterr(under="warn"), lambda: np.seterr(under="ignore")),
    (np.get_printoptions, lambda: np.set_printoptions(precision=3),
     lambda: np.set_printoptions(precision=8)),
    (lambda: str(np.ones(2) / 3), lambda: np.set_printoptions(precision=3),
     lambda: np.set_printoptions(precision=8)),
    (lambda: decimal.getcontext().prec, lambda: precision(5), lambda: precision(28)),
    (lambda: decimal.Decimal(1) / 3, lambda: precision(5), lambda: precision(28)),
    (random.getstate, random.random, lambda: random.seed(0)),
    (lambda: np.random.get_state()[2], np.random.rand, lambda: np.random.seed(0)),
    (VARIABLE.get, lambda: VARIABLE.set(5.0), lambda: VARIABLE.set(1.0)),
    (lambda: threading.stack_size(), lambda: threading.stack_size(1 << 20),
     lambda: threading.stack_size(0)),
    (imported, lambda: install(9.0), lambda: install(1.0)),
    (imported_name, lambda: install(9.0), lambda: install(1.0)),
    (warned, lambda: warnings.simplefilter("error"), lambda: warnings.simplefilter("ignore")),
    (sees_a_type, lambda: setattr(Named, "__name__", "Another"),
     lambda: setattr(Named, "__name__", "Named")),
    (in_a_thread, lambda: setattr(SHARED["v"], "v", 7.0), lambda: setattr(SHARED["v"], "v", 1.0)),
    (of_a_file, lambda: Path(SHARED["file"]).write_text("b", encoding="utf-8"),
     lambda: Path(SHARED["file"]).write_text("a", encoding="utf-8")),
    (lambda: list(KEYS), lambda: LENT.update(c=3.0), lambda: LENT.pop("c", None)),
    (lambda: sum(VALUES), lambda: LENT.update(b=3.0), lambda: LENT.update(b=2.0)),
    (lambda: [v for _, v in ITEMS], lambda: LENT.update(b=3.0), lambda: LENT.update(b=2.0)),
    (lambda: POINTER[0], lambda: setattr(POINTER.contents, "value", 7.0),
     lambda: setattr(POINTER.contents, "value", 1.0)),
    (lambda: POINTER.contents.value, lambda: setattr(POINTER.contents, "value", 7.0),
     lambda: setattr(POINTER.contents, "value", 1.0)),
    (LOCK.locked, LOCK.acquire, lambda: LOCK.locked() and LOCK.release()),
    (lambda: f"{LOCK}".split()[0], LOCK.acquire, lambda: LOCK.locked() and LOCK.release()),
    (lambda: GET("v"), lambda: setattr(HELD, "v", 7.0), lambda: setattr(HELD, "v", 1.0)),
    (lambda: Plain.__subclasses__(), lambda: KEPT.update({0: type("D", (Plain,), {})}),
     lambda: (KEPT.clear(), gc.collect())),
    (lambda: getattr(sys, "a_flag", 1), lambda: setattr(sys, "a_flag", 2),
     lambda: vars(sys).pop("a_flag", None)),
    (lambda: hasattr(np, "a_flag"), lambda: setattr(np, "a_flag", 2),
     lambda: vars(np).pop("a_flag", None)),
    (lambda: "a_flag" in vars(math), lambda: setattr(math, "a_flag", 2),
     lambda: vars(math).pop("a_flag", None)),
    (lambda: threading.current_thread().name,
     lambda: setattr(threading.current_thread(), "name", "another"),
     lambda: setattr(threading.current_thread(), "name", "MainThread")),
    (lambda: multiprocessing.current_process().name,
     lambda: setattr(multiprocessing.current_process(), "name", "another"),
     lambda: setattr(multiprocessing.current_process(), "name", "MainProcess")),
    (tempfile.gettempdir, lambda: setattr(tempfile, "tempdir", "another"),
     lambda: setattr(tempfile, "tempdir", None)),
    (lambda: LOGGER.isEnabledFor(10), lambda: LOGGER.setLevel(1), lambda: LOGGER.setLevel(0)),
    (lambda: {type(KEPT.get(1)).__name__}, lambda: KEPT.update({1: 2.0}), lambda: KEPT.clear()),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_whatever_can_be_read_of_the_process(tmp_path: Path) -> None:
    SHARED["file"] = tmp_path / "file"
    wrong = []
    with warnings.catch_warnings():
        for i, (read, change, undo) in enumerate(PROCESS):

            def make(undo: Any = undo) -> Any:
                undo()

            try:
                found = assert_no_third_outcome(
                    make, lambda _, change=change: change(), lambda _, read=read: read()
                )
            except AssertionError as stale:
                found = str(stale)
            finally:
                undo()
            if found not in ("equal", "refused"):
                wrong.append(f"{i}: {found[:200]}")
    assert wrong == []


def test_rules_that_are_given_later() -> None:
    def rule(factor: float) -> None:
        tg.defvjp(cube, lambda g, _out, _x: g * factor)

    rule(3.0)
    run = tg.replay(tg.grad(cube))
    assert [run(2.0).item() for _ in range(4)] == [3.0] * 4
    rule(7.0)
    assert [run(2.0).item() for _ in range(4)] == [7.0] * 4
    assert run.program.runs > 1


SCALE = tg.Tensor([2.0])
TEXTS: list[Callable[[Any], Any]] = [
    str, repr, lambda t: f"{t}", lambda t: f"{t:.1f}", "%s".__mod__, "{}".format,
    lambda t: str([t]), lambda t: f"{ {'a': t} }", lambda t: " ".join(map(str, [t])),
    lambda t: t._repr_html_(), lambda t: io.StringIO().write(str(t)), lambda t: ascii(t),
]  # fmt: skip


@pytest.mark.parametrize("of", ["argument", "result", "constant"])
def test_text_of_a_tensor_that_decides(of: str) -> None:
    for text in TEXTS:

        def step(x: Any, text: Any = text) -> Any:
            y = {"argument": x, "result": x * 2.0, "constant": SCALE}[of]
            return x * number(text(y))

        run = tg.replay(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for k in range(5):
                SCALE.data = np.array([float(k)])
                x = np.array([100.0**k])
                assert run(x).tolist() == step(tg.Tensor(x)).tolist()
        assert "runs as Python: it makes text of a Tensor at" in repr(run)


def by_suppress(fn: Any, x: Any) -> Any:
    y = x * 7.0
    with contextlib.suppress(Exception):
        y = fn(x)
    return y


def by_except(fn: Any, x: Any) -> Any:
    try:
        return fn(x)
    except (ArithmeticError, IndexError, ValueError):
        return x * 7.0


def raising(fn: Any, x: Any) -> Any:
    with np.errstate(divide="raise", invalid="raise"):
        return fn(x)


def written(x: Any, *index: Any) -> Any:
    x = x * 1.0
    x[index] = 3.0
    return x


def written_from_outside(x: Any) -> Any:
    with tg.no_grad():
        PARAMETER[x[0].astype(int)] = 3.0
    return x + PARAMETER.detach()


PARAMETER = tg.Tensor(np.ones(2), requires_grad=True)
FAILING: list[tuple[str, Callable[[Any], Any], float, float]] = [  # and values: fails with, works
    ("LinAlgError of cholesky", lambda x: np.linalg.cholesky(np.diag(x)), -1.0, 4.0),
    ("LinAlgError of inv", lambda x: np.linalg.inv(np.diag(x)), 0.0, 4.0),
    ("LinAlgError of solve", lambda x: np.linalg.solve(np.diag(x), x), 0.0, 4.0),
    ("FloatingPointError of log", lambda x: raising(np.log, x), 0.0, 4.0),
    ("FloatingPointError of divide", lambda x: raising(lambda x: 1.0 / x, x), 0.0, 4.0),
    (r"IndexError of t\[index\]", lambda x: x[x[0].astype(int)] * x, 9.0, 1.0),
    (r"IndexError of t\[index\] = v", lambda x: written(x, x[0].astype(int)), 9.0, 1.0),
    (r"IndexError of t\[index\] = v", written_from_outside, 9.0, 1.0),
    (r"\w+ of \w+", lambda x: F.cross_entropy(np.ones((2, 3)) * x[0], x.astype(int)), 9.0, 1.0),
    (r"\w+ of \w+", lambda x: F.embedding(x.astype(int), np.ones((3, 2))) * x[0], 9.0, 1.0),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(FAILING)))
@pytest.mark.parametrize("catch", [by_except, by_suppress])
def test_an_error_that_is_caught(catch: Any, k: int) -> None:
    """Its branch is no operation: the step takes the other one as soon as eager mode does."""
    name, fn, fails, works = FAILING[k]
    run = tg.replay(lambda x: catch(fn, x))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for value in [fails] * 4 + [works, fails, works, works]:
            x = np.full(2, value)
            PARAMETER.data = np.ones(2)
            found = run(x).numpy()
            PARAMETER.data = np.ones(2)
            np.testing.assert_array_equal(found, catch(fn, tg.Tensor(x)).numpy())
    assert re.search(rf"runs as Python: it catches {name} at .*test_unseen.py:\d+\)", repr(run))
    assert len([w for w in said if "which a replay cannot watch" in str(w.message)]) == 1


def test_an_error_that_leaves_the_step() -> None:
    """The next call begins anew, and is replayed."""
    run = tg.replay(lambda x: np.linalg.inv(x))
    for _ in range(3):
        with pytest.raises(np.linalg.LinAlgError):
            run(np.zeros((2, 2)))
    for _ in range(5):
        assert run(np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert "1 program recorded" in repr(run)
    with pytest.raises(np.linalg.LinAlgError):
        run(np.zeros((2, 2)))


@pytest.mark.parametrize("divide", ["warn", "ignore"])
def test_an_error_behind_a_write_leaves_what_one_run_leaves(divide: Any) -> None:
    """Whether or not NumPy treats floating-point errors in another way there."""
    w = tg.Tensor(np.ones(2), requires_grad=True)

    def step(x: Any) -> Any:
        with np.errstate(divide=divide), tg.no_grad():
            w[...] = w * 2
            return np.linalg.inv(x) @ w.detach()

    run = tg.replay(step, verify=False)
    for _ in range(3):
        run(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        run(np.zeros((2, 2)))
    assert w.tolist() == [16.0, 16.0]


def prints(x: Any) -> None:
    print("a step of", x.shape, end="\n" if x.ndim else "", flush=True, file=sys.stderr)
    sys.stderr.writelines(["its", "end"])


def logs(x: Any) -> None:
    logging.getLogger("of_a_step").warning("loss %s at %s", x, [x.shape, {"a": x}])


def warns(x: Any) -> None:
    warnings.warn(f"a step of {x.shape}", UserWarning, stacklevel=1)


def sleeps(_: Any) -> None:
    time.sleep(0)


@pytest.mark.filterwarnings("ignore:a step of")
@pytest.mark.parametrize("tell", [prints, logs, warns, sleeps], ids=lambda tell: tell.__name__)
def test_what_only_tells_is_replayed(tell: Any, capsys: Any) -> None:
    """In calls 1, 2 and 4 of five it runs as Python."""

    def step(x: Any) -> Any:
        tell(x)
        return x * 2.0

    run = tg.replay(step)
    assert [run(np.full(2, float(k))).tolist() for k in range(5)] == [
        [2.0 * k] * 2 for k in range(5)
    ]
    assert "1 program recorded" in repr(run)
    assert run.program.runs == 4
    capsys.readouterr()


STAMPS: dict[str, Any] = {}
NOTES: list[Any] = []


def keeps_a_stamp(x: Any) -> Any:
    STAMPS.update(at=os.getcwd())
    return x * len(STAMPS["at"])


def prints_a_value(x: Any) -> Any:
    print(x, file=sys.stderr)
    return x * 2.0


def hands_on_a_text(x: Any) -> Any:
    check(f"{x}")
    return x * NOTES[0]


def check(text: str) -> None:
    NOTES[:] = [len(text)]


UNSEEN: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: x * (1.0 + LOCK.locked()), r"calls lock\.locked\(\)"),
    (lambda x: x * next(COUNT), "reads COUNT, an object of class count"),
    (lambda x: x * (1.0 if COUNT else 2.0), "reads COUNT, an object of class count"),
    (lambda x: x * len(METHOD()()), "reads METHOD, an object of class WeakMethod"),  # type: ignore[misc]
    (lambda x: x * (time.time() > 0), r"calls time\.time\(\)"),
    (lambda x: x * len(str(x)), "makes text of a Tensor"),
    (keeps_a_stamp, r"calls \w+\.getcwd\(\)"),
    (hands_on_a_text, "makes text of a Tensor"),
    (prints_a_value, "makes text of a Tensor"),
]


@for_each(range(len(UNSEEN)))
def test_it_runs_as_python_and_says_why_once(k: int) -> None:
    fn, what = UNSEEN[k]
    run = tg.replay(fn)
    run(np.ones(2)), run(np.ones(2))
    line = rf"{re.escape(__file__)}:({'|'.join(str(n) for _, _, n in fn.__code__.co_lines())})"
    with pytest.warns(UserWarning, match=rf"the step {what} \({line}\), which a replay cannot"):
        run(np.ones(2))
    run(np.ones(2))
    assert re.search(rf"Replay\(.*, runs as Python: it {what} at {line}\)", repr(run))


def test_what_only_the_first_run_does_is_no_reason() -> None:
    """As an import, or the time at which a cache was filled."""
    cache: dict[str, float] = {}

    def step(x: Any) -> Any:
        if "since" not in cache:
            cache["since"] = time.time()
        return x * cache["since"]

    run = tg.replay(step)
    results = [run(np.ones(1)).item() for _ in range(5)]
    assert results == [cache["since"]] * 5
    assert run.program.runs > 1


def test_what_begins_late_is_noticed() -> None:
    """In the second run of a signature, which is captured too."""
    calls: list[int] = []

    def step(x: Any) -> Any:
        calls.append(1)
        if "rare" in sys.modules:
            return x * len(f"{x}")
        return x * 2.0

    run = tg.replay(step)
    assert [run(np.ones(1)).item() for _ in range(5)] == [2.0] * 5
    sys.modules["rare"] = types.ModuleType("rare")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for k in (1, 10, 100):
                x = np.full(1, float(k))
                assert run(x).item() == k * len(f"{tg.Tensor(x)}")
    finally:
        del sys.modules["rare"]
