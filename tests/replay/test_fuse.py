"""Fused replays: the same bits as eager mode, from loops in machine code."""

import functools
import itertools
import os
import re
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tests.replay import every_case, twins
from tests.replay.steps import training_step
from tests.replay.test_every_case import FORMS, TOGETHER, chosen
from tests.replay.test_rows import LOOPED, ROWS, batch
from tests.replay.twins import Twin, assert_twins
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.nn import functional as F
from tinygrad_np.optim import pack
from tinygrad_np.replay import fuse, native, verify

pytest.importorskip("llvmlite")

FUNCTIONS = {
    fn: rule.traits.native for fn, rule in TABLE.items() if rule.traits.native and rule.is_ufunc
}
SPECIAL = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e-42, 3e38, -3e38]


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What compares replays with eager mode compares fused ones."""
    kept = tmp_path_factory.getbasetemp() / "fused"  # one for all: compiled once
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    monkeypatch.setattr(twins.tg, "replay", functools.partial(tg.replay, fuse=True))
    monkeypatch.setattr(twins, "same", twins.same_but_for_the_kind_of_nan)


def loops(step: Any) -> Iterator[Any]:
    """The loops of the program that ran last."""
    binding = step.program.binding
    inner = [b for loop in binding.loops.values() for b in loop.bindings.values()]
    for instructions in [b.instructions for b in (binding, *inner)]:
        yield from (call for _, call in instructions if hasattr(call, "used"))


def test_every_function_has_numpys_bits() -> None:
    """Special numbers beside each other, whole vectors and the rest, one or both operands single.

    On a processor whose NumPy has other bits a function is not fused: ``agrees`` says which.
    """
    assert all(native.agrees(*row, letter) for row in FUNCTIONS.items() for letter in "fd")
    wrong = []
    for (fn, lines), letter, single in itertools.product(FUNCTIONS.items(), "fd", (0, 1, 2)):
        values = np.array(SPECIAL, letter)
        for one in values[:: 1 if single else len(values)]:
            pairs = [np.ravel(v) for v in np.meshgrid(*[values] * fn.nin)]
            if single and fn.nin == 2:
                pairs[single - 1] = np.array(one)
            given = [np.resize(v, 77) if v.ndim else v for v in pairs]
            with np.errstate(all="ignore"):
                wanted = fn(*given)
            result = np.empty_like(wanted)
            twice = np.empty(77, letter)
            part = fuse.Elementwise(lines, given, result)
            chain = fuse.Chain(part)
            assert chain.takes(part)
            assert chain.takes(fuse.Elementwise((), [result], twice))
            run = chain.compiled(set(), fuse.Crew())
            assert run is not None
            run()
            same = native.with_one_nan(result).tobytes() == native.with_one_nan(wanted).tobytes()
            if (
                not same
                or native.with_one_nan(twice).tobytes()
                != native.with_one_nan(wanted.astype(letter)).tobytes()
            ):
                wrong.append((fn.__name__, letter, single, one))
    assert wrong == []


def test_agrees_sees_another_bit() -> None:
    right, other = FUNCTIONS[np.maximum], FUNCTIONS[np.minimum]
    assert native.agrees(np.maximum, right, "f")
    assert not native.agrees(np.maximum, other, "f")
    # of two zeros the first, as some processors have it
    assert not native.agrees(np.maximum, ("fcmp oge {t} {a}, {b}", *right[1:]), "f")


def test_of_nan_there_is_one_kind() -> None:
    kinds = np.array([0x7FC00000, 0xFFC00001, 0x3F800000], np.uint32)
    one = native.with_one_nan(kinds.view("f4")).view(np.uint32)
    assert one[0] == one[1] and one[2] == kinds[2]
    assert native.with_one_nan(kinds) is kinds
    a, b = kinds[:1].view("f4"), kinds[1:2].view("f4")
    assert verify._same_bits(a, b, but_for_nan=True)
    assert not verify._same_bits(a, b, but_for_nan=False)
    assert not verify._same_bits(a, kinds[2:].view("f4"), but_for_nan=True)


def elementwise_step(seed: int) -> tuple[Callable[[], Twin], Callable[[int], Any]]:
    """A random step: operations on arrays of several layouts that broadcast, writes, a gradient."""
    shapes = [(7, 40), (40,), (7, 1), (), (1, 40)]
    layouts = [every_case.dense, every_case.fortran, every_case.strided, every_case.backwards]
    draw = np.random.default_rng(seed)
    dtype = "f4" if seed % 2 else "f8"
    picked = [shapes[int(draw.integers(len(shapes)))] for _ in range(4)] + [(7, 40)]
    lie = [layouts[int(draw.integers(4))] for _ in picked]
    plan = [
        (int(draw.integers(9)), *(int(k) for k in draw.integers(5 + i, size=2))) for i in range(9)
    ]
    binary = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum]

    def values(k: int) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, k])
        found = [rng.normal(size=shape).astype(dtype) for shape in picked]
        if k > 1:  # what decides sides
            found[-1].reshape(-1)[: len(SPECIAL)] = SPECIAL
        return [layout(array) for layout, array in zip(lie, found, strict=True)]

    def make() -> Twin:
        weight = tg.Tensor(np.linspace(-1, 1, 280, dtype=dtype).reshape(7, 40), requires_grad=True)

        def step(*given: Any) -> Any:
            weight.grad = None
            found = [*given[:-1], given[-1] * weight]
            for kind, i, j in plan:
                a, b = found[i], found[j]
                if kind < len(binary):
                    found.append(binary[kind](a, b))
                elif kind == 6:
                    found.append(np.where(a > b, a, b * 0.5))
                elif kind == 7:
                    found.append(np.sqrt(np.abs(a)) - np.square(b))
                else:
                    found.append(np.maximum(a, 0) + np.exp(-np.abs(b)))
            loss = functools.reduce(lambda s, t: s + np.sum(t), found, found[-1].sum())
            loss.backward()
            return [loss, *found[-3:]]

        return Twin(step, [weight])

    return make, values


@for_each(range(24), parts=2)
def test_random_steps(seed: int) -> None:
    with np.errstate(all="ignore"):
        assert twins.differences(*elementwise_step(seed)) == ""


@pytest.mark.parametrize("turn", range(len(FORMS)), ids=[form for form, *_ in FORMS])
def test_every_operation_of_the_table(turn: int) -> None:
    """Of those that loops are made of each, of the others some: all are in every_case --fused."""
    form, dtype, layout = FORMS[turn]
    cases = [c for i, c in enumerate(chosen(turn, True)) if c.fn in FUNCTIONS or i % 9 == turn]
    for start in range(0, len(cases), TOGETHER):
        together = cases[start : start + TOGETHER]
        assert every_case.difference(form, together, dtype, layout, False) == ""


BY_ROW: dict[Any, Callable[..., Any]] = {
    neural.line_max: lambda x, _: neural.line_max(x),
    neural.less_one_hot: neural.less_one_hot,
    neural.pick: lambda x, labels: np.expand_dims(neural.pick(x, labels), 1),
}


def row_step(fn: Any, shape: tuple[int, int], dtype: str, kind: str) -> str:
    """What differs in a step with an operation that goes by rows, between two others."""

    def make() -> Twin:
        shift = tg.Tensor(np.linspace(-1, 1, shape[1], dtype=dtype), requires_grad=True)

        def step(x: Any, labels: Any) -> Any:
            shift.grad = None
            before = x * shift
            found = BY_ROW[fn](x, labels)
            of_changed = BY_ROW[fn](before, labels)
            behind = [before - found, (of_changed + found) * 0.5]
            loss = np.sum(behind[0]) + np.sum(behind[1])
            loss.backward()
            return [loss, found, of_changed, *behind]

        return Twin(step, [shift])

    def values(k: int) -> list[np.ndarray]:
        draw = np.random.default_rng(k)
        x = draw.choice(SPECIAL[: 2 + 4 * k], shape).astype(dtype)  # at first of zeros the last
        return [x, draw.integers(0, shape[1], 2 * shape[0]).astype(kind)[::2]]

    with np.errstate(all="ignore"):
        return twins.differences(make, values)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_operations_that_go_by_rows(dtype: str) -> None:
    by_row = {f for f, rule in TABLE.items() if rule.traits.native or rule.traits.folds}
    assert by_row - FUNCTIONS.keys() == BY_ROW.keys()
    shapes = [(0, 7), (1, 7), (2, 7), (7, 1), (7, 2), (33, 7), (33, 33), (7, 64), (7, 65)]
    shapes = shapes if dtype == "f4" else shapes[::3]
    kinds = itertools.cycle(["i8", "i4", "u1", "u8"])
    tried = itertools.product(BY_ROW, shapes)
    found = {(fn.__name__, shape): row_step(fn, shape, dtype, next(kinds)) for fn, shape in tried}
    assert {case: what for case, what in found.items() if what} == {}


def test_labels_out_of_range_change_nothing() -> None:
    model = net()
    optimiser = optim.SGD(model.parameters(), 0.1)
    step = twins.tg.replay(training_step(model, optimiser))
    x, y = np.ones((9, 6), "f4"), np.arange(9) % 3
    for _ in range(3):
        step(x, y)
    assert {part.form for call in loops(step) for part in call.steps} >= {"folds", "picks"}
    before = [p.tolist() for p in model.parameters()]
    for wrong in (3, -1):
        with pytest.raises(tg.DataError, match="labels from"):
            step(x, np.where(y == 2, wrong, y))
    assert [p.tolist() for p in model.parameters()] == before


def test_labels_that_the_step_writes_are_copied_again() -> None:
    def make() -> Twin:
        labels = tg.Tensor(np.array([0, 2, 1]))

        def step(x: Any) -> Any:
            found = np.tanh(x)
            first = neural.pick(found * 2, labels)
            with tg.no_grad():
                labels[...] = (labels + 1) % 3
            return [first, neural.pick(found * 3, labels)]

        return Twin(step, [labels])

    assert_twins(make, lambda k: [np.random.default_rng(k).normal(size=(3, 4))])


def test_labels_are_copied_for_loops_alone() -> None:
    """Rows of 65 are too long for one."""
    counts = []
    for fused in (False, True):
        step = tg.replay(neural.pick, fuse=fused)
        for _ in range(3):
            step(np.ones((3, native.SHORT + 1)), np.arange(3))
        counts.append(len(step.program.binding.instructions))
    assert counts[0] == counts[1]


def net(dtype: str = "f4", **layers: int) -> nn.Module:
    model = nn.Sequential(
        nn.Linear(6, 40, seed=0, **layers), nn.ReLU(), nn.BatchNorm1d(40), nn.Linear(40, 3, seed=1)
    )
    return model.astype(dtype) if dtype != "f4" else model


OPTIMISERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum, a schedule": lambda p: optim.SGD(p, lambda k: 0.1 / (k + 1), momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: optim.Adam(p, 0.01),
    "adam, limits": lambda p: optim.Adam(p, 0.01, clip_norm=0.1, max_norm=1.0),
    "adamw": lambda p: optim.AdamW(p, lambda k: 0.01 * (k + 1), weight_decay=0.1, clip_value=0.1),
    "adagrad": lambda p: optim.Adagrad(p, 0.1),
    "adadelta": lambda p: optim.Adadelta(p, 1.0),
    "rmsprop": lambda p: optim.RMSprop(p, 0.01),
    "rmsprop, centred": lambda p: optim.RMSprop(p, 0.01, momentum=0.9, centered=True),
}


@pytest.mark.parametrize("made", OPTIMISERS.values(), ids=list(OPTIMISERS))
def test_optimisers(made: Callable[[Any], Any]) -> None:
    def make() -> Twin:
        model = net()
        optimiser = made(model.parameters())

        def before(k: int) -> None:
            if k == 6:  # settings too
                optimiser.lr = 0.003
            if k == 7 and optimiser.param_groups[0].get("momentum"):
                optimiser.momentum = 0.5

        return Twin(training_step(model, optimiser), list(model.parameters()), before=before)

    def batch(k: int) -> Any:
        rng = np.random.default_rng(k)
        return rng.normal(size=(9, 6)).astype("f4"), rng.integers(0, 3, 9)

    assert_twins(make, batch, calls=10, runs=None)


@pytest.mark.parametrize("dtype", ["f2", "f8", "c8"])
def test_an_update_of_another_dtype(dtype: str) -> None:
    def make() -> Twin:
        w = tg.Tensor(np.linspace(-1, 1, 40).astype(dtype).reshape(8, 5), requires_grad=True)
        optimiser = optim.Adam([w], 0.01, clip_norm=0.1)

        def step(x: Any) -> Any:
            optimiser.zero_grad()
            loss = np.sum(np.real(w * np.conj(w)) * x)
            loss.backward()
            optimiser.step()
            return loss

        return Twin(step, [w])

    assert_twins(make, lambda k: [np.float16(k + 1)], calls=5, runs=None)


def counted(sizes: list[int], rows: int, dtype: str = "f4") -> list[Any]:
    """The loops of a training step."""
    weights = [
        tg.Tensor(np.random.default_rng(i).normal(size=pair).astype(dtype) / 9, requires_grad=True)
        for i, pair in enumerate(itertools.pairwise(sizes))
    ]
    optimiser = optim.Adam(weights, 0.001)

    @twins.tg.replay
    def step(x: Any) -> Any:
        optimiser.zero_grad()
        for weight in weights:
            x = F.relu(x @ weight + 0.5)
        loss = np.mean(x)
        loss.backward()
        optimiser.step()
        return loss

    x = np.random.default_rng(9).normal(size=(rows, sizes[0])).astype(dtype)
    for _ in range(4):
        step(x)
    return list(loops(step))


def test_what_is_joined() -> None:
    """A bias and its ReLU are one loop, and so are the mask of a ReLU and the product with it."""
    found = counted([5, 40, 40], 8)
    names = {lines: fn.__name__ for fn, lines in FUNCTIONS.items()} | {(): "cast"}
    joined = [[names[lines] for lines, *_ in call.steps] for call in found]
    assert joined[:2] == [["add", "maximum"]] * 2
    assert all(name[-1] == "multiply" and "greater" in name for name in joined[2:]), joined


def test_what_is_joined_in_a_training_step() -> None:
    """Labels are copied once, and checked first; one loop for an update."""
    model = net()
    optimiser = optim.Adam(model.parameters(), 0.1)
    step = twins.tg.replay(training_step(model, optimiser))
    for _ in range(4):  # the fourth is compared
        step(np.ones((9, 6), "f4"), np.arange(9) % 3)
    names = {rule.traits.native: fn.__name__ for fn, rule in TABLE.items() if rule.traits.native}
    joined = [[names.get(part.lines, "cast") for part in call.steps] for call in loops(step)]
    assert ["add", "maximum", "subtract", "pick"] in joined
    assert ["divide", "less_one_hot", "divide"] in joined
    owners = [equation.name for equation, _ in step.program.binding.instructions]
    assert owners.count("in_range") == 2  # a copy and a check
    assert {"pick", "less_one_hot"}.isdisjoint(owners)  # no other copies
    noted = changes_of(step, optimiser)
    [[update]] = noted.calls
    assert len(update.steps) == 10
    [pack] = optimiser._packs
    kept = {id(a) for a in (pack.values, *pack.state)}
    others = [a for a in update.used[0] if a.size > 1 and a is not pack.grads and id(a) not in kept]
    for array in others:
        array.fill(7)
    step(np.ones((9, 6), "f4"), np.arange(9) % 3)
    assert changes_of(step, optimiser) is noted  # noted once
    assert others and all((array == 7).all() for array in others)  # which the loop does without


def changes_of(step: Any, optimiser: optim.Optimiser) -> Any:
    """How a step changes the parameters of an optimiser's only pack."""
    calls = [call for _, call in step.program.binding.instructions if isinstance(call, partial)]
    [updates] = [c.keywords["updates"] for c in calls if "updates" in c.keywords]
    [(pack, noted)] = updates._known.items()
    assert [pack] == optimiser._packs
    return noted


def test_settings_that_change_are_noted_anew_and_the_old_ones_forgotten() -> None:
    """Whatever they are: a list cannot be a key."""
    found: list[list[Any]] = []
    for fused in (False, True):
        model = net()
        optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        step = tg.replay(training_step(model, optimiser), fuse=fused)
        for k in range(12):
            if k > 4:
                optimiser.momentum = 0.9 - k / 100
            step(np.ones((9, 6), "f4"), np.arange(9) % 3)
        if fused:
            assert changes_of(step, optimiser).names == ["weight_decay", "momentum", "nesterov"]
        adam = optim.Adam(model.parameters(), 0.1, clip_norm=0.1)
        step = tg.replay(training_step(model, adam), fuse=fused)
        for k in range(6):
            adam.param_groups[0]["betas"] = [0.9, 0.9 + k / 100]
            adam.clip_norm = (0.1, 100.0)[k % 2]
            step(np.ones((9, 6), "f4"), np.arange(9) % 3)
        found.append([p.tolist() for p in model.parameters()])
    assert found[0] == found[1]


def test_state_that_is_made_anew_is_noted_anew() -> None:
    found: list[list[Any]] = []
    for fused in (False, True):
        model = net()
        optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        train = training_step(model, optimiser)
        step = tg.replay(train, fuse=fused)
        for k in range(8):
            step(np.ones((9, 6), "f4"), np.arange(9) % 3)
            if k == 5:
                optimiser.momentum = 0.0
                train(tg.Tensor(np.ones((9, 6), "f4")), np.arange(9) % 3)
                optimiser.momentum = 0.9
        found.append([p.tolist() for p in model.parameters()])
    assert found[0] == found[1]


class Scaled(optim.SGD):
    """Descent by a number that is no setting."""

    scale = 0.1

    def _change(self, _group: Any, _: Any, values: Any, g: Any, scratch: Any, *_state: Any) -> None:
        np.multiply(g, np.float32(self.scale), scratch)
        np.subtract(values, scratch, values)


def test_an_update_of_the_users_runs_each_time() -> None:
    found: list[list[Any]] = []
    for fused in (False, True):
        model = net()
        optimiser = Scaled(model.parameters(), 1.0)
        step = tg.replay(training_step(model, optimiser), fuse=fused)
        for k in range(4):
            optimiser.scale = 0.1 / (k + 1)
            step(np.ones((9, 6), "f4"), np.arange(9) % 3)
        found.append([p.tolist() for p in model.parameters()])
    assert found[0] == found[1]


def test_an_update_is_one_loop_on_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pieces are that NumPy's calls go in, and none of them for what has no loop."""
    monkeypatch.setattr(pack, "PIECE", 30)
    monkeypatch.setattr(pack, "THREADED_FROM", 100)
    for module in (pack, fuse):
        monkeypatch.setattr(module, "thread_count", lambda: 3)
    monkeypatch.setattr(fuse, "THREADED_FROM", 100)
    for made, whole in (
        (lambda p: optim.SGD(p, 0.1, weight_decay=0.1), True),
        (lambda p: optim.Adam(p, 0.1), True),
        (lambda p: optim.RMSprop(p, 0.1, centered=True), False),  # np.clip is in between
    ):
        optimiser = made((model := net()).parameters())
        step = twins.tg.replay(training_step(model, optimiser))
        for _ in range(4):
            step(np.ones((9, 6), "f4"), np.arange(9) % 3)
        calls = changes_of(step, optimiser).calls
        pieces = optimiser._packs[0].pieces
        assert [len(lists) for lists in (pieces, pieces[0])] == [3, 6]
        counts = [sum(hasattr(call, "used") for call in of_thread) for of_thread in calls]
        assert counts == ([1] if whole else [12] * 3)
        assert not whole or len(calls[0][0].used[1]) == 3


def test_what_nobody_reads_is_not_written() -> None:
    u = tg.Tensor(np.linspace(2, 3, 40).reshape(2, 20))

    def f(scale: Any) -> Any:
        square = u * u
        return (square * 3.0) * square * scale

    step = twins.tg.replay(f)
    for _ in range(4):
        step(2.0)
    (run,) = loops(step)
    results = {part.result: run.used[0][part.result] for part in run.steps}
    for array in results.values():
        array.fill(7)
    assert step(2.0).numpy().tobytes() == f(2.0).numpy().tobytes()
    assert [(array == 7).all() for array in results.values()].count(False) == 1 < len(results)


def test_arrays_of_another_order_of_bytes_stay_numpys() -> None:
    values = np.linspace(1, 2, 40).reshape(4, 10).astype(np.dtype("f4").newbyteorder())

    def make() -> Twin:
        outside, memory = tg.Tensor(values), tg.from_numpy(values)
        return Twin(lambda x: [(outside + 1) * outside * x, ((memory * 2) - values) / memory])

    assert_twins(make, lambda k: [np.float32(k)])


def test_a_read_only_array_may_be_written_to_by_its_owner() -> None:
    owned = np.full((4, 10), 2.0)

    def make() -> Twin:
        memory, other = tg.from_numpy(owned), tg.Tensor(np.linspace(1, 2, 40).reshape(4, 10))

        def before(k: int) -> None:
            owned.flags.writeable = True
            owned[1, 1] = k
            owned.flags.writeable = False

        return Twin(lambda x: (other * memory + memory) * x, before=before)

    owned.flags.writeable = False
    assert_twins(make, lambda k: [np.float64(k)], calls=5)


def test_what_the_rest_of_an_operation_reads_is_written() -> None:
    """A loop takes the copy that a write begins with; the write itself comes behind the loop."""

    def make() -> Twin:
        u = tg.Tensor(np.linspace(2, 3, 40).reshape(2, 20))

        def step(scale: Any) -> Any:
            result, copy = u * u + u, u * 2.0
            copy[:, ::2] = result[:, ::2]
            return copy * scale

        def before(k: int) -> None:
            with tg.no_grad():
                u[...] = u * (1 + 0.1 * k)

        return Twin(step, [u], before=before)

    assert_twins(make, lambda k: (np.float64(k),))


def test_threads_share_large_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "THREADED_FROM", 100)
    monkeypatch.setattr(fuse, "thread_count", lambda: 3)
    for seed in range(60, 64):
        with np.errstate(all="ignore"):
            assert twins.differences(*elementwise_step(seed)) == ""
    assert all(len(call.used[1]) == 3 for call in counted([5, 40, 40], 8))


def test_loops_over_rows_are_fused_too() -> None:
    joined = []
    for make in LOOPED:
        programs: list[Any] = []

        def replay(fn: Any, programs: list[Any] = programs, **options: Any) -> Any:
            programs.append(tg.replay(fn, fuse=True, **options))
            return programs[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(twins, "tg", types.SimpleNamespace(Tensor=tg.Tensor, replay=replay))
            assert_twins(make, batch)
        inner = [call for call in loops(programs[0]) if call.used[0][0].shape[:1] < (ROWS,)]
        joined.append(len(inner))
    assert sum(count > 0 for count in joined) > len(joined) / 2, joined


def test_raised_errors_come_from_numpy() -> None:
    w = tg.Tensor(np.full((2, 40), 3e37, "f4"), requires_grad=True)

    @twins.tg.replay
    def step(x: Any) -> Any:
        w.grad = None
        loss = np.sum(np.maximum(w * x, 0) * 0.5)
        loss.backward()
        return loss

    for _ in range(4):  # the fourth is compared, the fifth only replayed
        step(np.float32(0.1))
    assert list(loops(step))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="overflow"):
        step(np.float32(100))
    assert step(np.float32(0.1)).item() == pytest.approx(80 * 3e36 * 0.5, rel=1e-5)


def test_code_is_kept_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text, other = (
        native.Loop([("f", "each")] * 2, [native.Step(FUNCTIONS[fn], (0,), 1)], [1]).text()
        for fn in (np.negative, np.square)
    )
    compiled = native.compiled.__wrapped__
    assert compiled(text)
    [file] = tmp_path.rglob("*.o")
    content = file.read_bytes()
    torn = content[:100] + bytes(len(content) - 100)  # as a loss of power may leave it
    for damaged in (b"", content[:50], content[:-1] + b"!", torn, b"\x7fELF" * 30):
        file.write_bytes(damaged)
        assert compiled(text)
        assert file.read_bytes() == content  # made anew
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".o"]
    assert compiled(other)
    [another] = set(tmp_path.rglob("*.o")) - {file}
    file.write_bytes(another.read_bytes())
    assert compiled(text)
    assert file.read_bytes() == content  # that is another's
    monkeypatch.setattr(native, "_keep", None)
    assert compiled(text)  # from the file


def test_code_is_kept_for_each_processor_system_and_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = native.Loop(
        [("f", "each")] * 2, [native.Step(FUNCTIONS[np.negative], (0,), 1)], [1]
    ).text()
    machine, described = native._machine(), native._machine().described
    others = [(*described[:i], "another", *described[i + 1 :]) for i in range(len(described))]
    for count, seen in enumerate([described, *others], 1):
        monkeypatch.setattr(machine, "described", seen)
        monkeypatch.setattr(machine, "made", lambda: native._Machine.made(native._Machine()))
        native.compiled.__wrapped__(text)
        assert len(list(tmp_path.rglob("*.o"))) == count
    version = (0, 0, 0)
    llvm = types.SimpleNamespace(**vars(machine.llvm) | {"llvm_version_info": version})
    monkeypatch.setattr(machine, "llvm", llvm)
    native.compiled.__wrapped__(text)
    assert len(list(tmp_path.rglob("*.o"))) == count + 1


def test_code_stays_when_the_compiler_is_made_again() -> None:
    """As where two threads make the first fused steps at once."""
    x = np.linspace(-1, 1, 7, dtype="f4")
    result = np.empty_like(x)
    table = np.array([1, 7, x.ctypes.data, 0, result.ctypes.data, 0], np.int64)
    lines = FUNCTIONS[np.negative]
    text = native.Loop([("f", "each")] * 2, [native.Step(lines, (0,), 1)], [1]).text()
    native._machine.cache_clear()
    run: Any = native.holding_the_lock(native.compiled.__wrapped__(text))
    native._machine.cache_clear()
    native._machine()
    assert run.code.engine.get_function_address("run") == run.code.address
    run(table.ctypes.data)
    assert (result == -x).all()


def test_code_is_not_kept_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = native.Loop(
        [("f", "each")] * 2, [native.Step(FUNCTIONS[np.negative], (0,), 1)], [1]
    ).text()
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert native.compiled.__wrapped__(text)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # where there is no home
    assert native.compiled.__wrapped__(text)


def test_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("libLLVM.so: cannot open\nshared object file")

    monkeypatch.setattr(native, "_machine", broken)
    with pytest.raises(ImportError, match=r"not start here \(OSError: libLLVM\.so: cannot open "):
        twins.tg.replay(lambda x: x)
    old = types.SimpleNamespace(llvm=types.SimpleNamespace(llvm_version_info=(15, 0, 7)))
    monkeypatch.setattr(native, "_machine", lambda: old)
    with pytest.raises(ImportError, match=r"too old: pip install 'llvmlite>=0\.45'"):
        twins.tg.replay(lambda x: x)
    old.llvm.llvm_version_info = native.OLDEST
    assert twins.tg.replay(lambda x: x).fuse
    monkeypatch.setattr(native, "_machine", native._Machine)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(ImportError, match=r"fuse=True\) compiles with llvmlite: pip install"):
        twins.tg.replay(lambda x: x)
    with pytest.raises(TypeError, match="fuse='yes'"):
        tg.replay(lambda x: x, fuse="yes")


@pytest.mark.parametrize("rows", [20, 3000])
def test_a_profile_says_in_whose_loop_equations_are(rows: int) -> None:
    w = tg.Tensor(np.linspace(-1, 1, 12).reshape(4, 3), requires_grad=True)

    def step(x: Any) -> Any:
        w.grad = None
        loss = np.mean(F.relu(x @ w) * 3 + 1)
        loss.backward()
        return loss

    step = tg.replay(step, fuse=True)
    for _ in range(3):
        step(np.ones((rows, 4)))
    profile = step.profile(3)
    owners = {row.equation: seconds for row, seconds in profile.rows}
    assert profile.joined
    assert all(owners[owner] > 0 for owner in profile.joined.values())
    numbers = {row.equation: row.number for row, _ in profile.rows}
    lines = re.findall(r"in the loop of (\d+) +(\d+) ", str(profile))
    said = {int(row): int(owner) for owner, row in lines}
    nothing = {e for e in profile.joined if not owners[e]}
    assert said == {numbers[e]: numbers[profile.joined[e]] for e in nothing}
    assert said
