"""Whose memory is whose: what a replay returns or leaves stays what it was, and nothing grows."""

import gc
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tests.replay.steps import network, rng, rows, training_step
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F

# What someone may keep of a gradient, and how to look at it later.
KEPT: dict[str, tuple[Callable[[tg.Tensor], Any], Callable[[Any], np.ndarray]]] = {
    "the Tensor": (lambda g: g, lambda kept: kept.numpy()),
    "its array": (lambda g: g.data, np.array),
    "a view of its array": (lambda g: g.data[0], np.array),
    "a memoryview": (lambda g: memoryview(g.data), np.array),
    "a row": (lambda g: g[0], lambda kept: kept.numpy()),
    "the Tensor and a row": (lambda g: (g, g[1:]), lambda kept: kept[1].numpy()),
    "rows": (lambda g: list(g), lambda kept: kept[0].numpy()),
    "the transpose": (lambda g: g.T, lambda kept: kept.numpy()),
    "the transpose of a row's transpose": (lambda g: g[0].T[1:].T, lambda kept: kept.numpy()),
    "another shape": (lambda g: g.T.reshape(-1), lambda kept: kept.numpy()),
    "a detached Tensor": (lambda g: g.detach(), lambda kept: kept.numpy()),
    "an array of it": (np.asarray, np.array),
    "a copy": (lambda g: g.numpy(), np.array),
    "broadcast": (lambda g: np.broadcast_to(g, (2, *g.shape)), lambda kept: kept.numpy()),
    "parts": (lambda g: np.array_split(g, 2), lambda kept: kept[0].numpy()),
    "a grid": (
        lambda g: np.meshgrid(g[0], g[0], copy=False, sparse=True),
        lambda kept: kept[1].numpy(),
    ),
    "a real part": (lambda g: g.real, lambda kept: kept.numpy()),
    "a leaf of it": (
        lambda g: tg.array(g, requires_grad=True),
        lambda kept: kept.numpy(),
    ),
    "a view's array": (lambda g: g[1:].data, np.array),
}  # fmt: skip


class Training:
    """Linear classifiers whose weights have the layout of ``nn.Linear``."""

    def __init__(self, cleared: str, stepped: bool, count: int = 1) -> None:
        self.layers = [nn.Linear(4, 3, seed=k) for k in range(count)]
        self.w = self.layers[0].weight
        self.optimiser = optim.SGD([p for layer in self.layers for p in layer.parameters()], 0.1)
        self.cleared, self.stepped = cleared, stepped

    def step(self, x: Any, y: Any) -> Any:
        if self.cleared == "inside":
            self.optimiser.zero_grad()
        logits = [layer(x) for layer in self.layers]
        loss = sum(F.cross_entropy(part, y) for part in logits)
        loss.backward()
        if self.stepped:
            self.optimiser.step()
        return loss, *logits

    def clear(self) -> None:
        if self.cleared == "outside":
            self.optimiser.zero_grad()


@pytest.mark.parametrize(
    ("cleared", "stepped"),
    [("inside", True), ("outside", True), ("never", True), ("inside", False)],
)
def test_what_is_kept_of_a_gradient_stays_as_it_was(cleared: str, stepped: bool) -> None:
    """One layer for each way to keep something, all in one step."""
    ours, eager = Training(cleared, stepped, len(KEPT)), Training(cleared, stepped, len(KEPT))
    step = tg.replay(ours.step)
    kept: list[tuple[str, Any, np.ndarray]] = []
    for k in range(7):
        ours.clear()
        eager.clear()
        step(*rows(k))
        eager.step(*map(tg.Tensor, rows(k)))
        for what, layer, as_it_is in zip(KEPT, ours.layers, eager.layers, strict=True):
            w, expected = layer.weight, as_it_is.weight
            assert w.grad is not None and expected.grad is not None
            np.testing.assert_array_equal(w.numpy(), expected.numpy())
            np.testing.assert_array_equal(w.grad.numpy(), expected.grad.numpy())
            if k % 2:  # the first of these is from the call that verifies
                held = KEPT[what][0](w.grad)
                kept.append((what, held, KEPT[what][1](held)))
        for what, held, was in kept:
            np.testing.assert_array_equal(KEPT[what][1](held), was, err_msg=what)
    assert step.program.runs == (5 if cleared == "never" else 6)


@pytest.mark.parametrize("look", [np.asarray, lambda t: t.data, lambda t: t[..., None]])
def test_results_stay_as_they_were(look: Any) -> None:
    ours = Training("inside", True)
    step = tg.replay(ours.step)
    kept = []
    for k in range(6):
        results = step(*rows(k))
        kept += [(look(t), t.numpy().tobytes()) for t in results]
        for held, was in kept:
            assert (held.numpy() if isinstance(held, tg.Tensor) else held).tobytes() == was


def test_a_result_is_nobody_elses() -> None:
    x = rng(0).standard_normal(3)
    step = tg.replay(lambda x: [x, x, x[1:], x * 1])
    for _ in range(4):
        for result in step(x):
            result.data[...] = 7.0
        np.testing.assert_array_equal(x, rng(0).standard_normal(3))


def test_a_parameter_that_is_returned_is_itself() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    step = tg.replay(lambda x: (w, w + x))
    for _ in range(4):
        assert step(np.ones(2))[0] is w


def test_a_gradient_into_a_result_is_refused_where_eager_mode_has_one() -> None:
    """Its values can be read, as those of any constant."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    steps: list[Any] = [lambda x: w * x, lambda x: {"y": (w * x, x)}]
    for k, step in enumerate(map(tg.replay, steps)):
        for _ in range(4):
            found = step(np.ones(2))
            y = found["y"][0] if k else found
            assert y.requires_grad
            assert np.asarray(y).tolist() == y.tolist() == [1.0, 2.0]
            for loss in (np.sum(w**2) + np.sum(y * 2), np.sum(y)):
                with pytest.raises(
                    tg.ReplayError, match=r"test_program.py:\d+: a gradient goes in"
                ):
                    loss.backward()
                assert w.grad is None
            (np.sum(w**2) + np.sum(y.detach())).backward()
            assert w.grad.tolist() == [2.0, 4.0]  # type: ignore[union-attr]
            w.grad = None
    assert float(tg.replay(lambda x: np.sum(w * x))(np.ones(2))) == 3.0
    with pytest.raises(tg.ReplayError, match=r"an argument of shape \(2,\) requires grad"):
        tg.replay(lambda x: x * 2)(y)


def test_results_require_no_grad_after_backward_and_without_recording() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)

    def trains(x: Any) -> Any:
        w.grad = None
        loss = np.sum(w * x)
        loss.backward()
        return loss

    for step in (trains, tg.no_grad(lambda x: w * x), lambda x: (w * x).detach()):
        run = tg.replay(step)
        assert [run(np.ones(2)).requires_grad for _ in range(4)] == [False] * 4


def test_one_buffer_filled_again_and_again() -> None:
    buffer = np.empty(3)
    step = tg.replay(lambda x: (x * 2, x, x[::-1]))
    for k in range(5):
        buffer[...] = k
        for result, expected in zip(step(buffer), (2 * k, k, k), strict=True):
            np.testing.assert_array_equal(result.numpy(), expected)


def trained(give: Callable[[nn.Linear, Any], Any], replayed: bool) -> list[bytes]:
    """The weights after each of six steps whose input is made of the layer and earlier results."""
    layer = nn.Linear(3, 3, seed=0)
    optimiser = optim.SGD(layer.parameters(), 0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimiser.zero_grad()
        y = np.tanh(layer(x))
        loss = np.square(y).sum() + (x * 0.5).sum()
        loss.backward()
        optimiser.step()
        return y, x - 1

    run: Any = tg.replay(step) if replayed else step
    result: Any = [tg.Tensor(np.ones((3, 3), "f4"))]
    found = []
    for _ in range(6):
        x = give(layer, result)
        shown = x if replayed or isinstance(x, tg.Tensor) else tg.Tensor._owning(x)
        result = run(shown)
        found += [t.numpy().tobytes() for t in (layer.weight, *result, layer.weight.grad)]
    return found


OVERLAPS: dict[str, Callable[[nn.Linear, Any], Any]] = {
    "an earlier result": lambda _, result: result[0].numpy(),
    "the memory of an earlier result": lambda _, result: result[0].data,
    "an earlier result as a Tensor": lambda _, result: result[0].detach(),
    "a parameter's memory": lambda layer, _: layer.weight.data,
    "a view of a parameter": lambda layer, _: layer.weight.data.T,
    "a parameter as a constant": lambda layer, _: layer.weight.detach(),
    "a gradient's memory": lambda layer, result: (
        result[0].data if layer.weight.grad is None else layer.weight.grad.data
    ),
    "a gradient": lambda layer, result: result[0].detach() if layer.weight.grad is None
    else layer.weight.grad,
    "a gradient's transpose": lambda layer, result: result[0].detach()
    if layer.weight.grad is None else layer.weight.grad.T,
}  # fmt: skip


@for_each(OVERLAPS)
def test_inputs_that_overlap_with_something(what: str) -> None:
    assert trained(OVERLAPS[what], True) == trained(OVERLAPS[what], False)


def test_a_graph_from_before_a_replay_notices_what_was_written() -> None:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)
    w = tg.Tensor(np.ones(3), requires_grad=True)

    @tg.replay
    def with_an_optimiser(x: Any, y: Any) -> None:
        optimiser.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimiser.step()

    @tg.replay
    def by_hand(x: Any) -> None:
        w.grad = None
        (w * w * x).sum().backward()
        with tg.no_grad():
            w[...] = w - w.grad

    for k in range(4):
        early, by = F.cross_entropy(model(rows(9)[0]), rows(9)[1]), (w * w).sum()
        with_an_optimiser(*rows(k))
        by_hand(np.full(3, 0.1))
        with pytest.raises(tg.StaleValueError):
            early.backward()
        with pytest.raises(tg.StaleValueError):
            by.backward()
        late = (w * w).sum()
        late.backward()


def test_a_graph_from_before_a_replay_that_writes_nothing_is_good() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    step = tg.replay(lambda x: (w * x).sum())
    for k in range(4):
        early = (w * w).sum()
        step(np.full(3, float(k)))
        w.grad = None
        early.backward()
        np.testing.assert_array_equal(w.grad.numpy(), 2.0)  # type: ignore[union-attr]


def test_two_threads_in_one_step() -> None:
    w = tg.Tensor(rng(0).standard_normal((20, 20)), requires_grad=True)

    @tg.replay
    def step(x: Any) -> Any:
        return tg.grad(lambda t: np.tanh(t @ w).sum())(x), x @ w

    inputs = [rng(k).standard_normal((20, 20)) for k in range(8)]
    expected = [[t.numpy().tobytes() for t in step.fn(tg.Tensor(x))] for x in inputs]
    wrong: list[int] = []
    start = threading.Barrier(2)

    def work(order: list[int]) -> None:
        start.wait()
        for k in order * 20:
            if [t.numpy().tobytes() for t in step(inputs[k])] != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(order,)) for order in ([0, 1, 2, 3], [7, 6, 5])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_labels_out_of_range_are_refused_and_nothing_is_broken() -> None:
    ours, eager = Training("inside", True), Training("inside", True)
    step = tg.replay(ours.step)
    for k in range(6):
        x, y = rows(k)
        with pytest.raises(tg.DataError, match=r"cross_entropy: labels from -?\d to \d+"):
            step(x, np.where(y == y[0], [3, -1, 100][k % 3], y))
        found = step(x, y)
        expected = eager.step(tg.Tensor(x), tg.Tensor(y))
        assert [t.numpy().tobytes() for t in found] == [t.numpy().tobytes() for t in expected]
        np.testing.assert_array_equal(ours.w.numpy(), eager.w.numpy())
    ours.step(tg.Tensor(x), tg.Tensor(y))  # eager mode, too, is as it was


def test_errors_inside_the_step_leave_everything_usable() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    broken = [True]

    @tg.replay
    def step(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        if broken[0]:
            raise KeyError("as meant")
        return loss

    for _ in range(3):
        with pytest.raises(KeyError, match="as meant"):
            step(np.ones(2))
    broken[0] = False
    assert [step(np.full(2, k)).item() for k in (1.0, 2.0, 3.0)] == [3.0, 6.0, 9.0]
    assert w.grad is not None and w.grad.tolist() == [3.0, 3.0]
    assert (w * 2).sum().requires_grad
    with pytest.raises(tg.ReplayError, match="nothing is recorded yet"):
        _ = tg.replay(lambda x: x).program


def test_floating_point_errors_are_treated_as_around_the_step() -> None:
    w = tg.Tensor([1.0, 1.0], requires_grad=True)

    @tg.replay
    def step(x: Any) -> Any:
        w.grad = None
        loss = (np.log(x) * w).sum() + F.sigmoid(w * x).sum() + np.sqrt(w * x).sum()
        loss.backward()
        return loss

    for _ in range(4):
        step(np.array([1.0, 2.0]))
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in log"):
        step(np.array([0.0, 2.0]))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        step(np.array([0.0, 2.0]))
    with np.errstate(all="ignore"):
        step(np.array([0.0, -5000.0]))
    assert step(np.array([1.0, 1.0])).item() == step.fn(tg.Tensor([1.0, 1.0])).item()


def test_a_write_in_place_is_as_quiet_in_a_replay_as_in_the_step() -> None:
    @tg.replay
    def step(x: Any, y: Any) -> Any:
        w = tg.Tensor(x, requires_grad=True)
        with tg.no_grad(), np.errstate(divide="ignore"):
            w /= y
        return w.detach() * 1.0

    with warnings.catch_warnings(record=True) as seen:  # an error would have it run as Python
        warnings.simplefilter("always")
        for _ in range(5):
            assert step(np.ones(3), np.zeros(3)).tolist() == [np.inf] * 3
    assert seen == []


def mlp_step() -> Any:
    model = nn.Sequential(nn.Linear(20, 16, seed=0), nn.ReLU(), nn.Linear(16, 10, seed=1))
    return tg.replay(training_step(model, optim.Adam(model.parameters())))


def test_nothing_is_allocated_in_steady_state() -> None:
    """Neither arrays nor objects, but for the 8,192 elements that NumPy takes where it broadcasts.

    A layer's result alone would take 128 kB.
    """
    step = mlp_step()
    x, y = rng(0).standard_normal((2000, 20)).astype("f4"), rng(1).integers(0, 10, 2000)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(260):  # until free lists are full, and call 256, a check, is over
            step(x, y)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            step(x, y)
        after, peak = tracemalloc.get_traced_memory()
        objects = len(gc.get_objects())
        for _ in range(100):
            step(x, y)
        assert len(gc.get_objects()) <= objects + 2
    finally:
        gc.enable()
        tracemalloc.stop()
    assert after - before < 2_000
    assert peak - before < 50_000


def test_a_capture_that_is_dropped_leaves_nothing() -> None:
    """A full batch captured: neither the graph nor the arrays of the capture stay."""
    w = tg.Tensor(np.ones((4, 4)), requires_grad=True)
    big = np.ones((5_000, 4))

    def run() -> Any:
        step = tg.replay(lambda x: np.tanh(np.tanh(x @ w) @ w))
        for _ in range(3):
            step(big)
        return step

    run()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        step = run()
        held = tracemalloc.get_traced_memory()[0]
        del step
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 4 * big.nbytes  # the buffers of the program, and its last result
    assert left < 20_000
