"""The check of the second call, checked: what is broken on purpose is noticed."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION
from tests.replay.steps import clear, network, rng, rows, variable
from tests.replay.twins import out_of_sight, put_out_of_sight
from tinygrad_np import optim
from tinygrad_np.autodiff import primitives
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.nn import functional as F
from tinygrad_np.replay import bind, kernels, plan, program
from tinygrad_np.replay import rows as replayed_rows
from tinygrad_np.replay.kernels import Call

DIFFERS = r"of the replay differs from that of the step itself"


def nudge(out: np.ndarray) -> None:
    """One element, one unit in the last place."""
    if out.size:
        flat = out.reshape(-1)
        largest = np.argmax(np.abs(flat))
        if out.dtype.kind == "f":
            flat[largest] = np.nextafter(flat[largest], np.inf, dtype=out.dtype)
        else:
            flat[largest] ^= 1
        out[...] = flat.reshape(out.shape)


def nudging(fn: Any) -> Any:
    """What makes calls of equations, those of ``fn`` with a result that is off."""
    right = kernels.calls_for

    def wrong(e: Any, operands: Any, options: Any, outs: Any, cells: Any) -> Any:
        calls = right(e, operands, options, outs, cells)
        return [*calls, Call(nudge, (outs[0],))] if e.rule.fn is fn else calls

    return wrong


def x_w(k: int) -> list[np.ndarray]:
    return [rng(k).standard_normal((4, 3))]


def training() -> Callable[..., Any]:
    """A step in which every part matters to what is left behind."""
    model = network()
    optimiser = optim.Adam(model.parameters(), 0.01)
    seen = tg.Tensor(np.zeros(4))
    scale = tg.Tensor([1.0], requires_grad=True)

    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        clear(scale)
        seen[...] = seen + x.sum(axis=0)
        logits = np.tanh(model(x)) * scale
        loss = F.cross_entropy(logits, y)
        loss.backward()
        optimiser.step()
        with tg.no_grad():
            scale[...] = scale - 0.1 * scale.grad
        return loss

    return step


def check(step: Callable[..., Any], inputs: Callable[[int], Any], message: str = DIFFERS) -> None:
    """The second call refuses, and says where."""
    replayed = tg.replay(step)
    replayed(*inputs(0))
    with pytest.raises(tg.ReplayError, match=message):
        replayed(*inputs(1))


def test_nothing_is_noticed_where_nothing_is_broken() -> None:
    replayed = tg.replay(training(), verify=1)
    for k in range(5):
        replayed(*rows(k))


# Operations with a body of their own.

W = variable(4, 3)
LABELS = tg.Tensor([2, 0, 1, 1])
INDEX = tg.Tensor([3, 0, 3])

USES: dict[Any, Callable[[Any], Any]] = {
    np.sum: lambda x: np.sum(x, axis=0),
    np.mean: lambda x: np.mean(x),
    np.max: lambda x: np.max(x),
    np.amax: lambda x: np.amax(x, axis=1),
    np.min: lambda x: np.min(x),
    np.amin: lambda x: np.amin(x, axis=1),
    np.any: lambda x: np.any(x > 0, axis=0) * 1.0,
    np.all: lambda x: np.all(x > -9) * 1.0,
    neural.row_product: lambda x: F.linear(x, W),
    neural.row_contraction: lambda x: tg.grad(lambda w: F.linear(x, w).sum())(W.detach()),
    neural.row_sum: lambda x: neural.row_sum(x),
    neural.mse_loss: lambda x: neural.mse_loss(x * 2),
    neural.line_max: lambda x: neural.line_max(x),
    neural.line_sums: lambda x: neural.line_sums(x),
    neural.pick: lambda x: neural.pick(x * 2, LABELS),
    neural.less_one_hot: lambda x: neural.less_one_hot(x, LABELS),
    neural.place: lambda x: neural.place(x[:, 0], LABELS, 3),
    primitives.broadcast: lambda x: np.copy(W.detach()) * x,
    primitives.cast: lambda x: (x > 0).astype("f4"),
    primitives.concat: lambda x: np.concatenate([x * 2, x * 3]),
    primitives.take_at: lambda x: x[INDEX],
    primitives.replace_at: lambda x: written(x * 1.5),
    primitives.add_at: lambda x: tg.grad(lambda t: (t[INDEX] ** 2).sum())(x),
    primitives.updated: lambda x: updated(x),
    primitives.where_finite_or: lambda x: untaken(x, lambda t: np.log(t * t) * np.sin(t)),
    primitives.added_to: lambda x: tg.grad(lambda t: np.sum(t * t.sum() * np.sin(t)))(x),
    primitives.if_finite: lambda x: untaken(x, lambda t: np.where(x > 0, t, 0) @ (t * t).T),
}


def written(y: Any) -> Any:
    y[INDEX] = y[0] * 2
    return y


def untaken(x: Any, f: Any) -> Any:
    """A gradient on the way to which some elements are not taken."""
    return tg.grad(lambda t: np.sum(np.where(x[:, :1] > 0, f(t), 0)))(x)


def updated(x: Any) -> Any:
    w = tg.Tensor(x, requires_grad=True)
    with tg.no_grad():
        w += x * 2
    return w


def test_every_body_is_used_here_or_has_a_case() -> None:
    """Cases are replayed by test_every_case."""
    bodies = {fn for fn, rule in TABLE.items() if rule.traits.body is not None}
    assert set(USES) <= bodies <= {*USES, *BY_FUNCTION}


@pytest.mark.parametrize("fn", [*USES, np.tanh, np.cumsum], ids=lambda fn: fn.__name__)
def test_a_result_that_is_off_by_one_unit_in_the_last_place(fn: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(kernels, "calls_for", nudging(fn))
    check(lambda x: USES.get(fn, fn)(x), x_w)


@pytest.mark.parametrize("fn", USES, ids=lambda fn: fn.__name__)
def test_the_same_results_as_they_are(fn: Any) -> None:
    step = tg.replay(lambda x: USES[fn](x), verify=1)
    for k in range(3):
        step(*x_w(k))


# Plans.


def used_once(made: Any) -> dict[Any, int]:
    """As if every value died where it is first read."""
    last: dict[Any, int] = {}
    for i, equation in enumerate(made.equations):
        for v in equation.results:
            last[v.root] = i
        for v in equation.reads:
            if last.get(v.root, -1) <= (0 if v.made is None else made.equations.index(v.root.made)):
                last[v.root] = i
    return last


def test_a_buffer_that_is_shared_too_early(monkeypatch: Any) -> None:
    monkeypatch.setattr(plan, "last_uses", used_once)
    check(lambda x: (np.tanh(x) * (y := np.exp(x)) + np.sin(x)) * y + np.tanh(y) * y, x_w)


def test_a_result_in_place_of_what_is_still_needed(monkeypatch: Any) -> None:
    def greedy(equation: Any, result: Any, last: Any, i: int, made: Any) -> Any:
        del last, i
        found = [v for v in equation.reads if v.root in made.place]
        return next((v for v in found if plan.alike(v, result)), None)

    monkeypatch.setattr(plan, "_donor", greedy)
    check(lambda x: (y := np.tanh(x)) * 2 + y, x_w)


def test_equations_taken_for_the_same(monkeypatch: Any) -> None:
    monkeypatch.setattr(plan, "_key", lambda equation, _: equation.fn)
    check(lambda x: np.tanh(x) + np.tanh(x * 2), x_w)


def test_reads_before_and_after_a_write_taken_for_the_same(monkeypatch: Any) -> None:
    w = variable(3)

    def step(x: Any) -> Any:
        before = w * 2
        with tg.no_grad():
            w[...] = w * x[0]
        return before + w * 2

    key = plan._key
    monkeypatch.setattr(plan, "_key", lambda equation, _: key(equation, 0))
    check(step, x_w)


def test_something_needed_that_is_dropped(monkeypatch: Any) -> None:
    def fewer(equations: Any, outputs: Any) -> Any:
        return [e for e in needed(equations, outputs) if e.kind != "write"]

    needed = plan.needed
    monkeypatch.setattr(plan, "needed", fewer)
    check(training(), rows, r"the memory of a Tensor of shape \(1,\) " + DIFFERS)


def test_a_copy_that_is_taken_for_its_original(monkeypatch: Any) -> None:
    w = variable(4, 3)

    def step(x: Any) -> Any:
        before = w.detach().copy()
        with tg.no_grad():
            w[...] = w * x
        return before

    def original(equation: Any) -> Any:
        return equation.operands[0] if equation.traits.copies else None

    monkeypatch.setattr(plan, "_original", original)
    check(step, x_w)


# What is bound to them.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_become", r"the memory of a Tensor of shape \(4,\) " + DIFFERS),
        ("_hand_over", r"the gradient of 0.weight of shape \(6, 4\) " + DIFFERS),
    ],
)
def test_something_left_behind_that_is_not(name: str, message: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(bind, name, lambda *_: None)
    check(training(), rows, message)


def test_an_optimiser_that_does_nothing(monkeypatch: Any) -> None:
    performed = optim.Optimiser.perform
    monkeypatch.setattr(bind.Binding, "_calls", without_effects(bind.Binding._calls))
    check(training(), rows, "the state of Adam " + DIFFERS)
    assert optim.Optimiser.perform is performed


def without_effects(right: Any) -> Any:
    def calls(self: Any, equation: Any) -> Any:
        return [] if equation.kind == "effect" else right(self, equation)

    return calls


def test_an_input_that_is_frozen(monkeypatch: Any) -> None:
    right = program.Program._set

    def stale(self: Any, inputs: Any) -> None:
        if self.last[0] is None:
            right(self, [np.array(x) * 0 for x in inputs])

    monkeypatch.setattr(program.Program, "_set", stale)
    check(lambda x: x * 2, x_w)


def test_a_view_that_is_not_made_anew(monkeypatch: Any) -> None:
    monkeypatch.setattr(kernels.Cells, "refresh", frozen)
    check(lambda x: x.T @ x, x_w)


def frozen(self: Any) -> None:
    for place, fn, _ in self.recipes:
        self.values[place] = fn(np.zeros((4, 3)))


def many_rows(k: int) -> list[np.ndarray]:
    return [rng(k).standard_normal((2500, 4)).astype("f4"), rng(k).integers(0, 3, 2500)]


@pytest.mark.parametrize("blocks", [[slice(0, 2500)], [slice(0, 1500), slice(1500, 2500)]])
def test_blocks_of_rows_that_are_others_than_in_eager_mode(blocks: Any, monkeypatch: Any) -> None:
    """Sums of other parts have other last digits."""
    model = network()

    def step(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    replayed = tg.replay(step)
    right = neural.row_blocks
    for module in (neural, replayed_rows):
        monkeypatch.setattr(module, "row_blocks", lambda n: blocks if n == 2500 else right(n))
    replayed(*many_rows(0))
    monkeypatch.undo()
    with pytest.raises(tg.ReplayError, match=DIFFERS):
        replayed(*many_rows(1))


# How often it is checked.


def runs(verify: Any, calls: int = 7) -> list[int]:
    """The calls in which the step is run as Python."""
    ran: list[Any] = []

    def step(x: Any) -> Any:
        ran.append(out_of_sight())
        return x * 2

    replayed = tg.replay(step, verify=verify)
    for k in range(calls):
        put_out_of_sight(k)
        assert replayed(np.full(2, float(k))).tolist() == [2.0 * k] * 2
    return ran


@pytest.mark.parametrize(
    ("verify", "expected"),
    [(True, [0, 1, 3]), (False, [0, 1]), (1, [0, 1, 3, 5]), (2, [0, 1, 4]), (100, [0, 1])],
)
def test_how_often_the_step_is_run(verify: Any, expected: list[int]) -> None:
    assert runs(verify) == expected


def test_a_later_check_notices_what_was_not_there_before() -> None:
    """Numbers that a library keeps are out of sight of the guards."""
    put_out_of_sight(0.0)

    @tg.primitive
    def shifted(x: Any) -> Any:
        now = out_of_sight()
        return x if now == 0 else x + now

    step = tg.replay(lambda x: shifted(x * 1.5) * 2, verify=3)
    for _ in range(4):
        assert step(np.ones(2)).tolist() == [3.0, 3.0]
    put_out_of_sight(1.0)
    with pytest.raises(tg.ReplayError, match="here the step calls shifted, and in its first run"):
        for _ in range(3):
            step(np.ones(2))


def test_a_refused_step_refuses_again() -> None:
    step = tg.replay(lambda x: x * float(x.sum()))
    for _ in range(3):
        with pytest.raises(tg.ReplayError, match=r"takes a value out of a Tensor: float\(t\)"):
            step(np.ones(2))


def test_the_check_consumes_no_draws_and_leaves_one_step_done() -> None:
    """The second call runs the step twice and leaves what one run leaves."""
    step, plain = training(), training()
    replayed = tg.replay(step)
    for k in range(2):
        assert replayed(*rows(k)).item() == plain(*map(tg.Tensor, rows(k))).item()


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble, ">f8", "f2", "c8"])
def test_other_dtypes(dtype: Any) -> None:
    def step(x: Any) -> Any:
        return np.tanh(x) * 2, x.sum(), tg.grad(lambda t: np.sum(t * t).real)(x)

    replayed = tg.replay(step, verify=1)
    for k in range(5):
        x = np.arange(-2, 3).astype(dtype) * k
        for found, expected in zip(replayed(x), step(tg.Tensor(x)), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_what_a_comparison_holds() -> None:
    """What is there twice is let go of when it is not needed, nothing by the garbage collector."""
    weight = tg.Tensor(np.zeros((1024, 1024), "f4"), requires_grad=True)
    optimiser = optim.SGD([weight], 0.1)

    @tg.replay
    def step(x: Any) -> Any:
        optimiser.zero_grad()
        loss = np.sum(np.tanh(x @ weight))
        loss.backward()
        optimiser.step()
        return loss

    x, size = np.ones((256, 1024), "f4"), weight.nbytes
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        step(x)
        begun, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step(x)
        left, most = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert most - begun < 7 * size  # 6.5: two copies, and what the capture holds; 8.5 with others
    assert left - after < 0.1 * size
