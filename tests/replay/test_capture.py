"""What cannot be replayed is refused, with the line and the remedy; what can be is not."""

import colorsys
import functools
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tests.replay.steps import rng, rows
from tests.replay.twins import array_of, out_of_sight, put_out_of_sight
from tinygrad_np import nn
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F

HERE = r"test_capture\.py:\d+: "
RAW = rng(1).standard_normal((4, 3)).astype("f4")
LABELS = rng(2).integers(0, 3, 5)
W = tg.Tensor(RAW, requires_grad=True)
OFF = r"takes a value out of a Tensor: {}\. It cannot be replayed so: return the Tensor and look"
OUTSIDE = r"changes {}, which is outside of it and would stay as it is in a replay"

Refused = tuple[Callable[..., Any], str]
REFUSED: list[Refused] = []


def refused(message: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorated step is refused: in its first call, or where it goes on as it began."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        REFUSED.append((fn, HERE + "the step " + message))
        return fn

    return register


def off(how: str) -> Any:
    return refused(OFF.format(how))


# Values that leave the tape.


@off(r"a truth value \(if t, while t, and, or\)")
def an_if(x: Any, _: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


@off(r"a truth value \(if t, while t, and, or\)")
def a_while(x: Any, _: Any) -> Any:
    while np.max(x) > 1:
        x = x / 2
    return x


@off(r"a truth value \(if t, while t, and, or\)")
def an_and(x: Any, _: Any) -> Any:
    return x.sum() > 0 and x.sum() < 1


@off(r"a truth value \(if t, while t, and, or\)")
def an_assert(x: Any, _: Any) -> Any:
    assert np.isfinite(x).all()
    return x


@off(r"float\(t\)")
def a_float(x: Any, _: Any) -> Any:
    return x * float(x.sum())


@off(r"int\(t\)")
def an_int(x: Any, _: Any) -> Any:
    return x * int(x.sum())


@off(r"complex\(t\)")
def a_complex(x: Any, _: Any) -> Any:
    return x * complex(x.sum())


@off("its use as an index or count")
def a_count(_: Any, y: Any) -> Any:
    return tg.Tensor(np.arange(3).tolist() * range(y.sum()).stop)


@off(r"t\.item\(\)")
def an_item(x: Any, y: Any) -> Any:
    loss = F.cross_entropy(x @ W, y)
    return loss / loss.item()


@off(r"t\.numpy\(\)")
def a_numpy(x: Any, _: Any) -> Any:
    return tg.Tensor(x.numpy() * 2)


@off(r"t\.tolist\(\)")
def a_tolist(x: Any, _: Any) -> Any:
    return tg.Tensor(x.tolist())


@off(r"t\.data")
def a_data(x: Any, _: Any) -> Any:
    return tg.Tensor(x.data * 2)


@off(r"np\.asarray\(t\)")
def an_asarray(x: Any, _: Any) -> Any:
    return tg.Tensor(np.asarray(x))


@off(r"np\.asarray\(t\)")
def a_list_of_tensors(x: Any, _: Any) -> Any:
    return W * np.array([x[0, 0], x[1, 0], x[2, 0]])


@off(r"np\.asarray\(t\)")
def a_write_into_an_array(x: Any, _: Any) -> Any:
    out = np.zeros(5)
    out[:] = x[:, 0]
    return x


@off(r"a write into an array \(array \+= t, out=array\)")
def an_array_in_place(x: Any, _: Any) -> Any:
    out = np.zeros((5, 4))
    out += x
    return x


@off(r"np\.allclose")
def an_allclose(x: Any, _: Any) -> Any:
    return x if np.allclose(x, 0) else -x


@off(r"np\.array_equal")
def an_array_equal(x: Any, _: Any) -> Any:
    return x if np.array_equal(x, x) else -x


@off(r"int\(t\)")
def repeats_that_are_data(x: Any, y: Any) -> Any:
    w = W * 1
    loss = (np.repeat(w, np.clip(y[:4], 1, 1), axis=0) * x[0, 0]).sum()
    loss.backward()
    return loss


@off(r"np\.asarray\(t\) in np\.delete")
def places_to_delete_that_are_data(x: Any, y: Any) -> Any:
    return np.delete(x, y[:1])


# Arrays that are no Tensors: of outside, read where they lie; made inside, constants.

CONSTANTS: dict[str, Callable[..., Any]] = {}


def constant(fn: Callable[..., Any]) -> Callable[..., Any]:
    CONSTANTS[fn.__name__] = fn
    return fn


@constant
def a_weight_that_is_an_array(x: Any, _: Any) -> Any:
    return x @ RAW


@constant
def an_operand_of_a_function(x: Any, _: Any) -> Any:
    return np.dot(x, RAW)


@constant
def labels_from_outside(x: Any, _: Any) -> Any:
    return F.cross_entropy(x @ W, LABELS)


@constant
def an_index_of_arrays(x: Any, y: Any) -> Any:
    return (x @ W)[np.arange(5), y]


@constant
def an_index_that_is_a_list(x: Any, _: Any) -> Any:
    return x[[0, 2]]


@constant
def a_mask_from_outside(x: Any, _: Any) -> Any:
    return np.where(np.ones((5, 1), bool), x, 0)


@constant
def a_mask_as_an_option(x: Any, _: Any) -> Any:
    return np.sum(x, where=np.ones((5, 1), bool))


@constant
def a_part_of_a_stack(x: Any, _: Any) -> Any:
    return np.stack([x, np.zeros((5, 4))])


@constant
def a_written_value(x: Any, _: Any) -> Any:
    y = x * 1
    y[0] = np.zeros(4)
    return y


@constant
def a_gradient_that_is_an_array(x: Any, _: Any) -> Any:
    W.grad = np.zeros((4, 3))
    return x


@constant
def a_cotangent_that_is_an_array(x: Any, _: Any) -> Any:
    y = x @ W
    y.backward(np.ones((5, 3)))
    return y


@constant
def the_argument_of_a_transform(x: Any, _: Any) -> Any:
    def f(t: Any) -> Any:
        return (t * x.sum()).sum()

    return tg.grad(f)(np.ones(3))


@constant
def a_direction(x: Any, _: Any) -> Any:
    def f(t: Any) -> Any:
        return (t**3).sum()

    return tg.hvp(f, x[0], np.ones(4))


@constant
def a_tangent(x: Any, _: Any) -> Any:
    def f(t: Any) -> Any:
        return t**3

    return tg.jvp(f, (x[0],), (np.ones(4),))[1]


@constant
def a_cotangent_of_a_pullback(x: Any, _: Any) -> Any:
    def f(t: Any) -> Any:
        return t**3

    return tg.vjp(f, x[0])[1](np.ones(4))


@tg.primitive
def halved(x: Any) -> Any:
    return x / 2


@tg.primitive
def masked(x: Any) -> Any:
    return np.where(np.arange(x.shape[-1]) % 2, x, 0)


tg.defvjp(halved, lambda g, _out, _x: g * np.full(np.shape(_x), 0.5, np.float32))
tg.defvjp(masked, lambda g, _out, _x: np.where(np.arange(np.shape(_x)[-1]) % 2, g, 0))


@constant
def an_array_in_a_rule_of_the_users_own(x: Any, _: Any) -> Any:
    loss = (x @ halved(W)).sum()
    loss.backward()
    return loss


@constant
def a_mask_in_a_rule_of_the_users_own(x: Any, _: Any) -> Any:
    loss = (x @ masked(W)).sum()
    loss.backward()
    return loss


@constant
def a_slice_of_an_array_from_outside(x: Any, _: Any) -> Any:
    return x[:, :3] * RAW[1] + RAW[2:3]


@constant
def a_mean_with_weights_from_outside(x: Any, _: Any) -> Any:
    return np.average(x, axis=0, weights=np.abs(RAW[:, :1]).sum() * np.arange(1.0, 6.0))


@constant
def arrays_of_the_length_of_the_batch(x: Any, y: Any) -> Any:
    picked = (x @ W)[np.arange(len(y)), y]
    return picked + np.zeros((len(x),), np.float32) + np.linspace(0, 1, len(x), dtype=np.float32)


@for_each(CONSTANTS)
def test_raw_arrays(name: str) -> None:
    """Replayed as eagerly, also after the arrays from outside were written to."""
    fn = CONSTANTS[name]
    step = tg.replay(fn)
    before = RAW.copy(), LABELS.copy()
    try:
        for k in range(7):
            x, y = rows(k)
            found: list[Any] = []
            for run in (step, lambda *args: fn(*map(tg.Tensor, args))):
                W.grad = None
                out = run(x, y)
                grad = None if W.grad is None else W.grad.numpy().tobytes()
                found += [[np.array(array_of(part)).tobytes() for part in leaves(out)], grad]
            assert found[:2] == found[2:]
            RAW[...] = rng(k).standard_normal(RAW.shape)
            LABELS[...] = rng(k).integers(0, 3, LABELS.shape)
    finally:
        RAW[...], LABELS[...] = before
        W.grad = None


def test_an_array_from_outside_that_is_replaced() -> None:
    holder = {"table": np.ones(3)}
    step = tg.replay(lambda x: x * holder["table"])
    for k in range(5):
        holder["table"] = np.full(3, k // 2 + 1.0)
        assert step(np.ones(3)).tolist() == holder["table"].tolist()


def test_an_array_that_somebody_keeps_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guards cannot reach is compared before each replay."""
    table = np.ones(3)
    monkeypatch.setattr(colorsys, "table", table, raising=False)
    step = tg.replay(lambda x: x * colorsys.table)  # type: ignore[attr-defined]
    del table
    for k in range(6):
        if k == 4:
            colorsys.table[0] = 5.0  # type: ignore[attr-defined]
        assert step(np.ones(3)).tolist() == colorsys.table.tolist()  # type: ignore[attr-defined]


def test_an_array_of_the_step_that_is_written_between_two_uses() -> None:
    def step(x: Any) -> Any:
        buffer = np.zeros(2)
        first = x * buffer
        buffer[0] = 1.0
        return first + x * buffer

    message = r"writes into an array of shape \(2,\) that it has used before"
    with pytest.raises(tg.ReplayError, match=message):
        tg.replay(step)(np.ones(2))


# Graphs and Tensors from outside.

GRAPH = [W * 2]
TOTAL = tg.Tensor(0.0)
OTHER = TOTAL.detach()


@refused(r"gives matmul a Tensor \(operand 1\) that was computed from variables outside of it")
def a_graph_from_outside(x: Any, _: Any) -> Any:
    return x @ GRAPH[0]


@refused(r"makes a Tensor from outside a recorded result\. .*: do it inside tg\.no_grad\(\)")
def a_total_of_losses(x: Any, y: Any) -> Any:
    total = TOTAL
    total += F.cross_entropy(x @ W, y)
    return x


@refused(r"replaces t\.data\. .*: write t\[\.\.\.\] = v inside tg\.no_grad\(\)")
def data_that_is_replaced(x: Any, _: Any) -> Any:
    with tg.no_grad():
        W.data = W * 0.5
    return x


@refused(r"takes a value out of a Tensor: a write to it")
def a_state_that_is_loaded(x: Any, _: Any) -> Any:
    LAYER.load_state_dict(STATE)
    return x


LAYER = nn.Linear(2, 2, seed=0)
STATE = LAYER.state_dict()


@refused(
    r"changes requires_grad of a Tensor from outside\. .*: change it before .* \.detach\(\) within"
)
def a_parameter_that_is_frozen(x: Any, _: Any) -> Any:
    FROZEN.requires_grad = False
    loss = (x @ W).sum() * FROZEN
    FROZEN.requires_grad = True
    return loss


FROZEN = tg.Tensor(1.0, requires_grad=True)


@refused(r"gives a Tensor of dtype float32 a gradient of float64\. .*: use \.astype\(\)")
def a_gradient_of_another_dtype(x: Any, _: Any) -> Any:
    W.grad = (x.astype("f8").T @ x[:, :3].astype("f8")) * 2
    return x


@refused(r"gives \w+ a view of a Tensor from before it was written in place")
def a_view_from_before_a_write(x: Any, _: Any) -> Any:
    w = tg.Tensor(x, requires_grad=True)
    view = w.detach()[1:]
    with tg.no_grad():
        w[...] = w * 2
    return view * 2


@refused(r"writes into memory that it did not make")
def a_write_into_a_view(x: Any, _: Any) -> Any:
    w = (x * 2)[1:]
    w.requires_grad = True
    with tg.no_grad():
        w[0] = 0.0
    return w


@refused(r"writes to a Tensor that shares its memory with another")
def a_write_to_a_twin(x: Any, _: Any) -> Any:
    y = TOTAL * 2
    OTHER[...] = y
    return x


# What it changes outside.

COUNT = 0
NAMES: dict[str, Any] = {"last": tg.Tensor(0.0), "steps": 0}


@refused(OUTSIDE.format("COUNT"))
def a_global_counter(x: Any, _: Any) -> Any:
    global COUNT
    COUNT += 1
    return x * COUNT


def counting() -> Callable[..., Any]:
    count = 0

    @refused(OUTSIDE.format("count"))
    def a_counter_in_the_closure(x: Any, _: Any) -> Any:
        nonlocal count
        count += 1
        return x

    return a_counter_in_the_closure


def rebinding() -> Callable[..., Any]:
    w = tg.Tensor(1.0, requires_grad=True)

    @refused(OUTSIDE.format("w"))
    def a_parameter_that_is_bound_anew(x: Any, _: Any) -> Any:
        nonlocal w
        loss = (x * w).sum()
        loss.backward()
        assert w.grad is not None
        w = tg.Tensor(w.detach() - 0.1 * w.grad, requires_grad=True)
        return loss

    return a_parameter_that_is_bound_anew


counting(), rebinding()


@refused(OUTSIDE.format("what is in NAMES"))
def an_entry_of_a_dict(x: Any, _: Any) -> Any:
    NAMES["steps"] += 1
    return x


@refused(OUTSIDE.format("what is in NAMES"))
def a_tensor_kept_in_a_dict(x: Any, _: Any) -> Any:
    NAMES["last"] = x.sum()
    return x


class Trainer:
    iteration = 0

    def __init__(self) -> None:
        self.iteration = 0

    def step(self, x: Any, _: Any) -> Any:
        self.iteration += 1
        return x


class Norm(nn.Module):
    """Keeps its mean by assignment, which a replay would not do."""

    def __init__(self) -> None:
        self.mean = tg.Tensor(np.zeros(4, "f4"))

    def forward(self, x: Any) -> Any:
        if self.training:
            with tg.no_grad():
                self.mean = 0.9 * self.mean + 0.1 * np.mean(x, axis=0)
        return x - np.mean(x, axis=0)


NORM = Norm()
refused(OUTSIDE.format("Trainer.iteration"))(Trainer().step)


@refused(OUTSIDE.format("Norm.mean"))
def statistics_kept_by_assignment(x: Any, _: Any) -> Any:
    return NORM(x)


def named(pair: Refused) -> str:
    return str(getattr(pair[0], "__name__", pair[0]))


@pytest.mark.parametrize("pair", REFUSED, ids=named)
def test_refused(pair: Refused) -> None:
    fn, message = pair
    W.grad = None
    step = tg.replay(fn)
    with pytest.raises(tg.ReplayError, match=message):
        for _ in range(2):
            step(*rows(0))
    W.grad = None
    assert (W * 2).sum().requires_grad  # nothing is captured any more
    assert tg.replay(lambda x: x * 2)(np.ones(2)).tolist() == [2.0, 2.0]


def test_the_line_is_the_users() -> None:
    def model(x: Any) -> Any:
        hidden = x @ W
        return hidden * hidden.sum().item()  # this line

    line = model.__code__.co_firstlineno + 2
    with pytest.raises(tg.ReplayError, match=rf"test_capture\.py:{line}: the step takes a value"):
        tg.replay(lambda x: model(x))(rows(0)[0])


def test_an_argument_that_requires_grad() -> None:
    step = tg.replay(lambda x: x.sum())
    for argument in (W, W * 2):
        message = r"of shape \(4, 3\) requires grad; replay .* tg.replay\(tg.grad\(f\)\)"
        with pytest.raises(tg.ReplayError, match=message):
            step(argument)
    assert step(W.detach()).item() == W.detach().sum().item()


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"tg\.replay takes a function, not Tensor"):
        tg.replay(W)


# What the second call finds.

CHANGING: list[tuple[str, list[Any], Callable[[Any, Any], Any], str]] = [
    (
        "a Python number",
        [0, 1],
        lambda x, number: x * number,
        HERE + r"multiply gets 1 as operand 1 here, and in the first run of the step it got 0,",
    ),
    (
        "a list",
        [0, 1],
        lambda x, number: x + tg.Tensor([number] * 4),
        HERE
        + r"add gets array\(\[1, 1, 1, 1\]\) as operand 1 here, .* it got array\(\[0, 0, 0, 0\]\),",
    ),
    (
        "a long list",
        [0, 1],
        lambda x, number: x[0, 0] + tg.Tensor([number] * 400),
        HERE + r"add gets an array \(400,\) of int64 with SHA-256 \w+ as operand 1 here",
    ),
    (
        "a function",
        [np.sin, np.cos],
        lambda x, function: function(x),
        HERE + r"here the step calls cos, and in its first run, .* it calls sin: something else",
    ),
    (
        "a count",
        [1, 2],
        lambda x, count: [x + 1 for _ in range(count)],
        r"here the step calls add, and in its first run, .* it ends",
    ),
    (
        "an option",
        [0, 1],
        lambda x, axis: np.sum(x, axis=axis),
        HERE + r"sum gets 1 as operand axis here, and in the first run of the step it got 0",
    ),
    (
        "a slice",
        [0, 1],
        lambda x, start: x[start : start + 2],
        HERE + r"t\[index\] gets \(slice\(1, 3, None\),\) as operand 1 here",
    ),
    (
        "a random number of Python",
        [random.Random(0).random(), random.Random(1).random()],
        lambda x, number: x * number,
        HERE + r"multiply gets 0\.134\d+ as operand 1 here, .* it got 0\.844\d+",
    ),
]


@pytest.mark.parametrize("row", CHANGING, ids=lambda row: row[0])
def test_what_changes_between_the_first_two_calls(row: Any) -> None:
    """What a library keeps is out of sight: the calls after the first find the difference."""
    _, values, fn, message = row
    put_out_of_sight(iter([*values[::-1], values[1]]))
    step = tg.replay(lambda x: fn(x, next(out_of_sight())))
    step(np.ones((4, 4)))
    step(np.ones((4, 4)))
    with pytest.raises(tg.ReplayError, match=message):
        step(np.ones((4, 4)))


def test_a_side_effect_that_is_not_captured() -> None:
    put_out_of_sight(iter(range(100)))

    @tg.primitive
    def shifted(x: Any) -> Any:
        return x + next(out_of_sight())

    step = tg.replay(lambda x: shifted(x))
    step(np.ones(2))
    message = (
        r"result 0 of the replay differs from that of the step itself by up to 1: the step does"
    )
    with pytest.raises(tg.ReplayError, match=message):
        step(np.ones(2))


SHAPES = {
    "nonzero": lambda x: np.nonzero(x)[0],
    "a mask": lambda x: x[x > 0],
    "compress": lambda x: np.compress(x > 0, x),
    "unique": lambda x: np.unique(x),
    "flatnonzero": lambda x: np.flatnonzero(x),
    "repeats": lambda x: np.repeat(x, (x + 1).astype(int)),
    "a write to a mask": lambda x: tg.grad(lambda t: (t[x > 0] ** 2).sum())(x),
}


@for_each(SHAPES, [1, 2, 4])
def test_shapes_that_depend_on_values(name: str, count: int) -> None:
    """Refused where the shape is another one, in whatever call; right where it is not."""
    fn = SHAPES[name]
    step = tg.replay(lambda x: fn(x))
    first = np.array([0.0, 1.0, 0.0, 2.0])
    other = np.array([2.0, 0.0, 1.0, 0.0])
    for x in (first, other, first):
        assert step(x).tolist() == fn(tg.Tensor(x)).tolist()
    shorter = np.where(np.arange(4) < count, 1.0, 0.0)
    if name != "a write to a mask" and fn(tg.Tensor(shorter)).shape == fn(tg.Tensor(first)).shape:
        assert step(shorter).tolist() == fn(tg.Tensor(shorter)).tolist()
        return
    if name == "a write to a mask" and count == 2:
        return
    message = (
        r"(t\[index\]|\w+) returns shape \(\d, ?\) and dtype .* here, .* shape depends on values"
    )
    with pytest.raises(tg.ReplayError, match=message.replace(", ?", ",?")):
        step(shorter)


# What looks like the above and is not.


def freed(x: Any) -> Any:
    W.requires_grad = True  # as it is
    x.requires_grad = True
    twin = x.detach()
    twin.requires_grad = True
    (x * x * twin).sum().backward()
    twin.requires_grad = False
    return x.grad + twin.grad


ALLOWED: dict[str, Callable[..., Any]] = {
    "numbers in lists": lambda x: x * [1.0, 2.0, 3.0] + np.array(2.0).item(),
    "shapes": lambda x: x.reshape(x.shape[::-1]) * len(x) * x.ndim * x.size,
    "np.take with a list": lambda x: np.take(x, [0, 1]),
    "slices and integers": lambda x: x[1:, ::-1][0][np.intp(1)],
    "types": lambda x: x.astype(np.result_type(x, np.float32)) + np.zeros_like(x),
    "a Tensor from lists": lambda x: x + tg.Tensor([1.0, 2.0, 3.0]) + tg.array([x[0, 0], 2.0, 1.0]),
    "numbers of NumPy": lambda x: x * np.float32(2) + np.float64(1) + np.pi,
    "an isinstance": lambda x: x if isinstance(x, tg.Tensor) else -x,
    "zeros of a shape": lambda x: (
        np.zeros_like(x) + np.ones_like(x, shape=(3,)) + np.full_like(x, 2)
    ),
    "a partial": functools.partial(lambda scale, x: x * scale, 3.0),
    "a Tensor that is freed": lambda x: freed(x),
    "default arguments": lambda x, scale=2.0: x * scale,
}


@for_each(ALLOWED)
def test_allowed(name: str) -> None:
    step = tg.replay(ALLOWED[name])
    for k in range(4):
        x = rng(k).standard_normal((2, 3))
        assert step(x).numpy().tobytes() == ALLOWED[name](tg.Tensor(x)).numpy().tobytes()


def test_rules_of_the_users_own_are_captured() -> None:
    @tg.primitive
    def cubed(x: Any, scale: float = 1.0) -> Any:
        return scale * x**3

    tg.defvjp(cubed, lambda g, _out, x, scale=1.0: g * (3 * scale * x**2))
    w = tg.Tensor([1.0, 2.0], requires_grad=True)

    @tg.replay
    def step(x: Any) -> Any:
        w.grad = None
        loss = cubed(w * x, scale=2.0).sum()
        loss.backward()
        return loss

    for k in range(4):
        x = np.array([k, 1.0])
        step(x)
        assert w.grad is not None
        assert w.grad.tolist() == (6.0 * np.array([1.0, 2.0]) ** 2 * x**3).tolist()


def test_a_write_to_memory_that_somebody_holds_is_refused() -> None:
    total = tg.Tensor(np.zeros(3))
    held = total.data

    @tg.replay
    def step(x: Any) -> Any:
        nonlocal total
        total += x
        return total * 1

    with pytest.raises(tg.ReplayError, match="a Tensor whose memory others share"):
        step(np.ones(3))
    np.testing.assert_array_equal(held, np.zeros(3))


def test_an_argument_of_a_derived_class_is_refused() -> None:
    class Scaled(tg.Tensor):
        pass

    class Rows(np.ndarray):
        pass

    step = tg.replay(lambda x: x * 1)
    with pytest.raises(tg.ReplayError, match=r"test_capture\.py:\d+: an argument of class Scaled"):
        step(Scaled([1.0]))
    with pytest.raises(tg.ReplayError, match=r"test_capture\.py:\d+: an argument of class Rows"):
        step(np.ones(3).view(Rows))


activation: Any = np.tanh


def test_a_function_of_a_library_in_a_variable_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    step = tg.replay(lambda x: activation(x))
    for _ in range(3):
        step(np.ones(2))
    monkeypatch.setitem(globals(), "activation", np.sin)
    np.testing.assert_array_equal(step(np.ones(2)).numpy(), np.sin(np.ones(2)))


LOOKS: dict[str, Any] = {
    "float": float,
    "bool": lambda t: bool(t > 0),
    "item": lambda t: t.item(),
    "int": lambda t: int(t),
    "asarray": np.asarray,
    "tolist": lambda t: t.tolist(),
    "requires_grad": lambda _: setattr(SHARED, "requires_grad", True),
}
SHARED = tg.Tensor([1.0, 2.0])


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_a_refusal_that_the_step_catches_is_raised_all_the_same(look: Any) -> None:
    def step(x: Any) -> Any:
        try:
            scale = look(np.max(x))
        except Exception:
            scale = 1.0
        return x * (2.0 if scale else 1.0)

    replayed = tg.replay(step)
    for _ in range(2):
        with pytest.raises(tg.ReplayError, match=r"test_capture\.py:\d+: the step"):
            replayed(np.ones(2))


HOOKED = """
import sys, threading, time
import numpy as np
import tinygrad_np as tg
sys.addaudithook(lambda event, _: time.sleep(1e-4) if event == "sys.setprofile" else None)

def work():
    step = tg.replay(lambda x: np.sum(np.tanh(x) ** 2))
    for _ in range(3):
        step(np.ones(3))
    done.append(step)

done = []
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(done))
"""


def test_threads_record_at_once_under_an_audit_hook() -> None:
    """A hook may let another thread run while one begins to be watched."""
    done = subprocess.run([sys.executable, "-c", HOOKED], capture_output=True, text=True)
    assert done.stdout == "4\n", done.stderr
