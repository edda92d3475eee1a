"""Which calls one loop may do: each condition of ``fuse.py`` by itself."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.each import for_each, named
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.recording.equations import NO_TRAITS
from tinygrad_np.replay import fuse, kernels, native

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "fused"))


def array(*shape: int, dtype: str = "f4", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def owner(kind: str = "call", **errors: str) -> Any:
    return SimpleNamespace(kind=kind, errors=errors)


def ran(*calls: Any, unused: Any = ()) -> list[bool]:
    """For each instruction that comes of the calls whether it is a loop; they gave NumPy's bits."""
    arrays = {id(a): a for call in calls for a in call.args if isinstance(a, np.ndarray)}
    before = {k: a.copy() for k, a in arrays.items() if a.flags.writeable}
    for call in calls:
        call()
    wanted = {k: arrays[k].copy() for k in before}
    for k, values in before.items():
        arrays[k][...] = values
    items = [fuse.Item(owner(), [call], fuse.elementwise(call)) for call in calls]
    gone = {id(a) for a in unused}
    found = [call for _, call in fuse.chained(items, lambda *_: gone, fuse.Crew())]
    for call in found:
        call()
    for k, values in wanted.items():
        if k not in gone:
            assert arrays[k].tobytes() == values.tobytes()
    return [hasattr(call, "used") for call in found]


def filled(value: float, *shape: int) -> np.ndarray:
    return kernels._spread(value, np.empty(shape, "f4"))


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


X, Y, Z = array(4, 6), array(4, 6, seed=1), np.empty((4, 6), "f4")
MASK = X > 0
BOTH_ZEROS = np.frombuffer(np.array([0.0, -0.0], "f4").tobytes(), "f4")
SINGLE: list[tuple[str, Any, bool]] = [
    ("a function of two arrays", partial(np.add, X, Y, Z), True),
    ("out by name", partial(np.add, X, Y, out=Z), True),
    ("a number", partial(np.add, X, 2.0, Z), True),
    ("no partial", lambda: None, False),
    ("another function", partial(np.sort, X), False),
    ("what it computes by itself", partial(np.exp, X, Z), False),
    ("where", partial(np.add, X, Y, Z, where=MASK), False),
    ("where in a copy", partial(np.copyto, Z, X, where=MASK), False),
    ("where by its place", partial(np.copyto, Z, X, "same_kind", MASK), False),
    ("a copy of booleans to booleans", partial(np.copyto, MASK.copy(), MASK), False),
    ("a copy of booleans to integers", partial(np.copyto, np.ones((4, 6), int), MASK), False),
    ("no result", partial(np.add, X, Y), False),
    ("two elements", partial(np.add, X[0, :2], Y[0, :2], Z[0, :2]), True),
    ("one element", partial(np.add, X[:1, :1], Y[:1, :1], Z[:1, :1]), False),
    ("another order of bytes", partial(np.add, X.astype(">f4"), Y, Z), False),
    ("all in another order", partial(np.add, *[X.astype(">f4")] * 3), False),
    ("a copy from another order", partial(np.copyto, Z, X.astype(">f4")), False),
    ("truth values", partial(np.greater, X, Y, MASK.copy()), True),
    ("truth values as floats", partial(np.greater, X, Y, Z), False),
    ("a result of another kind", partial(np.add, X, Y, np.empty((4, 6), "f8")), False),
    ("operands of two kinds", partial(np.add, X, Y.astype("f8"), np.empty((4, 6), "f8")), False),
    ("integers", partial(np.add, *[np.ones((4, 6), int)] * 3), False),
    ("float16", partial(np.add, *[np.ones((4, 6), "f2")] * 3), False),
    ("a kind of array of its own", partial(np.add, np.ma.array(X), Y, Z), False),
    ("a number of NumPy's", partial(np.add, X, np.float32(2), Z), False),
    ("a truth value", partial(np.add, X, True, Z), False),
    ("numbers alone", partial(np.add, 1.0, 2.0, Z), False),
    ("what has no row in the table", partial(np.vecdot, X, Y, np.empty(4, "f4")), False),
    ("a copy", partial(np.copyto, Z, X), True),
    ("a copy of booleans", partial(np.copyto, Z, MASK), True),
    ("a copy to booleans", partial(np.copyto, MASK.copy(), X, "unsafe"), False),
    ("a copy to another kind", partial(np.copyto, Z, X.astype("f8"), "unsafe"), False),
]  # fmt: skip


def test_which_calls_a_loop_can_do() -> None:
    for what, call, can in SINGLE:
        with named(what):
            assert (fuse.elementwise(call) is not None) is can


def test_what_does_not_agree_on_this_machine_stays_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    traits = TABLE[neural.line_max].traits
    assert fuse.by_row(traits, [X], np.empty((4, 1), "f4")) is not None
    monkeypatch.setattr(native, "agrees", lambda *_: False)
    assert fuse.elementwise(partial(np.add, X, Y, Z)) is None
    assert fuse.by_row(traits, [X], np.empty((4, 1), "f4")) is None
    monkeypatch.setattr(native, "agrees", lambda *_: True)  # as no lines do for np.positive
    assert fuse.elementwise(partial(np.exp, X, Z)) is None


def test_a_masked_array_is_not_one_number() -> None:
    masked = np.ma.array(filled(2.0, 4, 6), copy=False)
    assert fuse._one_number(masked, [masked]) is masked


@for_each(
    [
        (filled(2.0, 4, 6), ()),
        (np.full((4, 6), 2.0), (4, 6)),  # which may be written to
        (read_only(np.full((4, 6), 2.0)), (4, 6)),  # whose owner may let write
        (BOTH_ZEROS, (2,)),
        (filled(np.nan, 4, 6), ()),
        (np.frombuffer(np.float32(2).tobytes(), "f4"), ()),
    ]
)
def test_an_array_that_is_one_number(case: tuple[np.ndarray, Any]) -> None:
    operand, shape = case
    assert np.shape(fuse._one_number(operand, [operand])) == shape


def by_row(rows: int, cols: int, dtype: str = "f4", out: str = "f4") -> bool:
    traits = TABLE[neural.line_max].traits
    return (
        fuse.by_row(traits, [array(rows, cols, dtype=dtype)], np.empty((rows, 1), out)) is not None
    )


def test_which_operations_go_by_rows() -> None:
    short = native.SHORT
    assert by_row(2, 2) and by_row(9, short) and by_row(3, 4, "f8", "f8")
    assert not any(by_row(*shape) for shape in ((1, 4), (4, 1), (4, short + 1), (0, 4)))
    assert not by_row(3, 4, "f2", "f2") and not by_row(3, 4, "f4", "f8")
    traits = TABLE[neural.line_max].traits
    assert fuse.by_row(traits, [array(3, 4, 5)], np.empty((3, 4, 1), "f4")) is None
    given = [X, np.zeros((4, 1), np.int64)]
    for fn, operands, out, form in (
        (neural.line_max, [X], np.empty((4, 1), "f4"), "folds"),
        (neural.less_one_hot, given, np.empty_like(X), "columns"),
        (neural.pick, given, np.empty(4, "f4"), "picks"),
    ):
        part = fuse.by_row(TABLE[fn].traits, operands, out)
        assert part is not None and part.form == form
    assert fuse.by_row(traits, [np.ma.array(X)], np.empty((4, 1), "f4")) is None


def buffers(count: int, *shape: int, dtype: str = "f4") -> list[np.ndarray]:
    return [array(*shape, dtype=dtype, seed=k) for k in range(count)]


def of_two(first: Any, second: Any) -> list[bool]:
    return ran(partial(*first), partial(*second))


def two_shapes() -> list[bool]:
    a, b = buffers(2, 4, 6)
    c, d = buffers(2, 3, 6)
    return of_two((np.negative, a, b), (np.negative, c, d))


def a_result_that_broadcasts() -> list[bool]:
    a, b, d = buffers(3, 4, 6)
    [row] = buffers(1, 6)
    return of_two((np.negative, a, b), (np.copyto, row, row)) + ran(partial(np.add, b, row, d))


def shifted(forward: bool) -> list[bool]:
    """A result in the memory of an operand, one element further."""
    memory, other, last = array(30), array(24), array(24)
    one, two = (memory[:24], memory[1:25]) if forward else (memory[1:25], memory[:24])
    return of_two((np.add, one, other, last), (np.multiply, last, other, two))


def in_place() -> list[bool]:
    a, b = buffers(2, 4, 6)
    return of_two((np.multiply, a, b, a), (np.add, a, b, a))


def every_other() -> list[bool]:
    a, b, c = array(4, 12)[:, ::2], *buffers(2, 4, 6)
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def of_three_strides() -> list[bool]:
    a, b, c = array(4, 7, 10)[:, :6:2, :5], *buffers(2, 4, 3, 5)
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def turned() -> list[bool]:
    a, b, c = array(6, 4).T, *buffers(2, 4, 6)
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def all_turned() -> list[bool]:
    a, b, c = (v.T for v in buffers(3, 6, 4))
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def of_a_row_and_a_column() -> list[bool]:
    a, b, c = buffers(3, 4, 6)
    [row], [column] = buffers(1, 6), buffers(1, 4, 1)
    return of_two((np.add, a, row, b), (np.multiply, b, column, c))


def a_row_first() -> list[bool]:
    a, b, c = buffers(3, 4, 6)
    return of_two((np.add, array(6), a, b), (np.multiply, b, a, c))


def wider_than_the_first() -> list[bool]:
    """Operands of a shape to which the first result would have to be stretched."""
    a, b = buffers(2, 1, 6)
    c, d = buffers(2, 4, 6)
    return of_two((np.negative, a, b), (np.add, b, c, d))


def a_narrow_one_in_place() -> list[bool]:
    """It would be done once for each column."""
    a, b, c = buffers(3, 4, 6)
    [column] = buffers(1, 4, 1)
    return of_two((np.add, a, b, c), (np.add, column, column, column))


def of_three_axes() -> list[bool]:
    a, b, c = buffers(3, 2, 3, 4)
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def with_an_axis_of_one() -> list[bool]:
    a, b, c = (v[::2] for v in buffers(3, 8, 1, 6))
    return of_two((np.add, a, b, c), (np.multiply, c, a, b))


def the_same_view_twice() -> list[bool]:
    a, b, c = buffers(3, 4, 6)
    return of_two((np.add, a, b, c), (np.multiply, c[:], a, c))


@for_each(
    [
        (in_place, [True]),
        (of_three_axes, [True]),
        (a_row_first, [True]),
        (with_an_axis_of_one, [True]),
        (the_same_view_twice, [True]),
        (a_narrow_one_in_place, [False, False]),
        (all_turned, [True]),
        (of_a_row_and_a_column, [True]),
        (two_shapes, [False, False]),
        (wider_than_the_first, [False, False]),
        (lambda: shifted(True), [False, False]),
        (lambda: shifted(False), [False, False]),
        (every_other, [False, False]),
        (of_three_strides, [False, False]),
        (turned, [False, False]),
        (a_result_that_broadcasts, [False, False, False]),
    ]
)
def test_what_is_one_loop(case: tuple[Callable[[], list[bool]], list[bool]]) -> None:
    make, wanted = case
    assert make() == wanted


def test_a_refused_call_leaves_the_chain_as_it_was() -> None:
    a, b, c, d = buffers(4, 4, 6)
    wrong = array(4, 12)[:, ::2]
    chain = fuse.Chain(fuse.Elementwise((), [a], b))
    add, copy = TABLE[np.add].traits.native, fuse.Elementwise((), [a], b)
    assert chain.takes(copy)
    places = len(chain.arrays), dict(chain.written), chain.order
    for refused in (
        fuse.Elementwise(add, [b, wrong], c),
        fuse.Elementwise(add, [array(5, 6), b], c),
        fuse.Elementwise((), [array(2, 6)], d, "columns"),
    ):
        assert not chain.takes(refused)
        assert (len(chain.arrays), chain.written, chain.order) == places


def test_a_maximum_of_rows_is_not_written_over_what_the_loop_has_read() -> None:
    a, b = buffers(2, 4, 6)
    column = array(4, 1)
    fold = fuse.Elementwise(TABLE[np.maximum].traits.native, [b], column, "folds")
    add = fuse.Elementwise(TABLE[np.add].traits.native, [a, column], b)
    chain = fuse.Chain(add)
    assert chain.takes(add)
    assert not chain.takes(fold)
    other = fuse.Chain(add)
    assert other.takes(add)
    assert other.takes(fold._replace(out=array(4, 1)))
    assert fuse.Chain(fold).takes(fold)  # a loop may begin with one


def test_what_goes_by_rows_needs_rows_that_lie_so() -> None:
    lines, labels = TABLE[neural.less_one_hot].traits.native, np.zeros((4, 1), np.int64)
    turned = array(6, 4).T
    for operands, out, fits in (
        ([X, labels], np.empty_like(X), True),
        ([turned, labels], np.empty_like(turned), False),
    ):
        part = fuse.Elementwise(lines, operands, out, "columns")
        assert fuse.Chain(part).takes(part) is fits
    plain = fuse.Elementwise((), [turned], np.empty_like(turned))
    chain = fuse.Chain(plain)
    assert chain.takes(plain)
    assert not chain.takes(fuse.Elementwise(lines, [plain.out, labels], turned, "columns"))


def test_threads_are_for_large_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "thread_count", lambda: 2)
    a, b, c = buffers(3, 4, 6)
    calls = [partial(np.add, a, b, c), partial(np.negative, c, b)]
    items = [fuse.Item(owner(), [call], fuse.elementwise(call)) for call in calls]
    [(_, run)] = fuse.chained(items, lambda *_: set(), fuse.Crew())
    assert len(run.used[1]) == 1
    assert not hasattr(run.func, "__self__")  # called at once, not by the crew
    assert ran(calls[0]) == [False]
    monkeypatch.setattr(fuse, "THREADED_FROM", a.size)
    assert ran(calls[0]) == [True]


def test_a_loop_of_one_call_or_of_unused_results_saves_nothing() -> None:
    a, b, c = buffers(3, 4, 6)
    assert ran(partial(np.add, a, b, c)) == [False]
    two = [partial(np.add, a, b, c), partial(np.negative, c, b)]
    assert ran(*two) == [True]
    assert ran(*two, unused=[b, c]) == [False, False]
    assert ran(*two, unused=[c]) == [True]


def order(*items: fuse.Item) -> list[str]:
    """The kinds of owners, in the order of their calls; that of a loop in capitals."""
    found = fuse.chained(items, lambda *_: set(), fuse.Crew())
    return [o.kind.upper() if hasattr(call, "used") else o.kind for o, call in found]


def test_a_check_moves_before_calls_and_never_before_a_write() -> None:
    """What was written before a check that raises has been written, as without replay."""
    a, b, c = buffers(3, 4, 6)

    def items(kind: str, free: bool) -> list[fuse.Item]:
        calls = [partial(np.add, a, b, c), partial(np.negative, c, b)]
        first, second = (
            fuse.Item(owner(k), [call], fuse.elementwise(call))
            for k, call in zip((kind, "call"), calls, strict=True)
        )
        return [first, fuse.Item(owner("check"), [lambda: None], free=free), second]

    assert order(*items("call", True)) == ["check", "CALL"]
    assert order(*items("call", False)) == ["call", "check", "call"]
    assert order(*items("write", True)) == ["write", "check", "call"]
    write, check, call = items("write", True)
    assert order(write, call, check) == ["WRITE", "check"]


def test_a_check_of_what_is_computed_does_not_move() -> None:
    binding: Any = SimpleNamespace(operand=lambda v: v)
    nothing: Any = None
    given = kernels.Cell(0)
    for reads, free in (([given, given], True), ([given, X], False), ([X, given], False)):
        check: Any = SimpleNamespace(kind="check", fn=len, traits=NO_TRAITS, reads=reads)
        [item] = fuse._items(binding, check, [list], nothing, nothing)
        assert item.free is free


def test_the_check_of_labels_runs_only_for_wrong_ones() -> None:
    calls: list[str] = []
    limit, wrong = np.array(3, np.uint64), np.empty(2, bool)
    for labels, said in (([0, 2], []), ([0, 3], ["wrong"]), ([-1, 0], ["wrong"])):
        calls.clear()
        unsigned = np.array(labels).view(np.uint64)
        fuse._below(unsigned, limit, wrong, lambda: calls.append("wrong"))
        assert calls == said


def test_threads_share_rows_or_where_there_are_few_columns() -> None:
    assert fuse._shares(3, 5, 3) == [(0, 1, 0, 5), (1, 2, 0, 5), (2, 3, 0, 5)]
    assert fuse._shares(2, 5, 3) == [(0, 2, 0, 1), (0, 2, 1, 3), (0, 2, 3, 5)]


def test_short_loops_hold_pythons_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = buffers(3, 4, 6)
    calls = [partial(np.add, a, b, c), partial(np.negative, c, b)]
    items = [fuse.Item(owner(), [call], fuse.elementwise(call)) for call in calls]

    def way() -> str:
        [(_, run)] = fuse.chained(items, lambda *_: set(), fuse.Crew())
        return str(run.func())

    for name in ("holding_the_lock", "without_the_lock"):
        monkeypatch.setattr(native, name, lambda _, name=name: lambda *_: name)
    for below, wanted in ((a.size, "without_the_lock"), (a.size + 1, "holding_the_lock")):
        monkeypatch.setattr(fuse, "HELD_BELOW", below)
        assert way() == wanted


def test_calls_that_may_raise_stay_numpys() -> None:
    a, b, c = buffers(3, 4, 6)
    calls = [partial(np.add, a, b, c), partial(np.negative, c, b)]

    def items(**errors: str) -> list[fuse.Item]:
        return [fuse.Item(owner(**errors), [c], fuse.elementwise(c)) for c in calls]

    assert order(*items(over="ignore")) == ["CALL"]
    for what in ("raise", "call", "print", "log"):
        assert order(*items(over=what)) == ["call", "call"]


def test_short_rows_are_one_vector_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single row is no reason to compile for its length."""
    lengths: list[int] = []

    class Noted(native.Loop):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            lengths.append(self.short)

    monkeypatch.setattr(native, "Loop", Noted)
    short = native.SHORT
    for shape in ((4, 6), (6,), (4, short), (4, short + 1)):
        a, b, row = *buffers(2, *shape), array(*shape[-1:])
        assert ran(partial(np.add, a, row, b), partial(np.negative, b, a)) == [True]
    assert lengths == [6, 0, short, 0]
