"""The laws of the design, each with tests that can fail."""
# ruff: noqa: ARG005 - the functions of one table all take the same arguments

import copy
import gc
import itertools
import random
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff import conventions
from tests.autodiff.cases import CASES, Case, full_name
from tests.each import for_each
from tinygrad_np.autodiff import funnel, operators, writes
from tinygrad_np.autodiff import tensor as tensor_module
from tinygrad_np.autodiff.nests import leaves, rebuild
from tinygrad_np.autodiff.primitives import primitive
from tinygrad_np.autodiff.rules import TABLE, neural
from tinygrad_np.autodiff.rules.table import Rule, defvjp
from tinygrad_np.autodiff.tape import NO_OPTIONS


def variable(*values: Any, dtype: Any = np.float64) -> tg.Tensor:
    return tg.Tensor(list(values), requires_grad=True, dtype=dtype)


def counting(monkeypatch: pytest.MonkeyPatch, fn: Any) -> list[int]:
    """Counts, for each operand of ``fn``, how often its derivative is computed."""
    right = TABLE[fn]
    counts = [0] * len(right.vjps)

    def counted(k: int) -> Callable[..., Any]:
        def vjp(*args: Any, **options: Any) -> Any:
            counts[k] += 1
            return right.vjps[k](*args, **options)

        return vjp

    wrapped: Rule = copy.copy(right)
    wrapped.vjps = tuple(counted(k) for k in range(len(right.vjps)))
    monkeypatch.setitem(TABLE, fn, wrapped)
    return counts


# Law 1: one funnel.


def test_every_way_to_an_operation_leads_through_the_funnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed: list[str] = []
    right = tensor_module.apply

    def watched(fn: Any, args: Any, kwargs: Any = NO_OPTIONS) -> Any:
        passed.append(fn.__name__)
        return right(fn, args, kwargs)

    for module in (funnel, operators, tensor_module, writes):
        monkeypatch.setattr(module, "apply", watched)
    t = variable(1.0, 2.0)
    _ = t + 1, 1 + t, np.add(t, 1), np.ones(2) + t, t.sum(), np.sum(t), t[0], np.add.reduce(t)
    assert passed == ["add"] * 4 + ["sum", "sum", "take_at", "sum"]


# Law 2: a gradient that nobody asked for is not computed.


def test_matmul_by_constant_input_computes_one_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch, np.matmul)
    x, w = np.ones((4, 3)), tg.Tensor(np.ones((3, 2)), requires_grad=True)
    (x @ w).sum().backward()
    assert counts == [0, 1]


def test_derivatives_below_the_targets_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch, np.exp)
    outer = variable(1.0, 2.0)
    before = np.exp(outer)
    with tg.no_grad():
        tg.grad(lambda t: np.sum(t * before))(np.ones(2))
    assert counts == [0]


def test_rules_get_no_tensors_in_a_plain_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[type] = []
    right = TABLE[np.multiply]
    wrapped: Rule = copy.copy(right)

    def vjp(g: Any, _out: Any, x: Any, y: Any) -> Any:
        seen.extend([type(g), type(x), type(y)])
        return g * y

    wrapped.vjps = (vjp, right.vjps[1])
    monkeypatch.setitem(TABLE, np.multiply, wrapped)
    (variable(1.0, 2.0) * np.ones(2)).sum().backward()
    assert set(seen) == {np.ndarray}


# Law 3: a cotangent of the wrong shape is a bug in the rule, and says so.


def test_wrong_cotangent_shape_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    @tg.primitive
    def reversed_sum(x: Any) -> Any:
        return np.sum(x)

    monkeypatch.setattr(funnel, "TABLE", TABLE)
    try:
        defvjp(reversed_sum, lambda g, _out, _x: g)
        with pytest.raises(
            tg.ShapeError, match=r"rule of reversed_sum for operand 0 .*\(\).*\(3,\)"
        ):
            reversed_sum(variable(1.0, 2.0, 3.0)).backward()
    finally:
        TABLE.pop(reversed_sum, None)


def test_broadcasting_rule_may_not_return_what_cannot_have_been_broadcast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong: Rule = copy.copy(TABLE[np.add])
    for shape in ((7,), ()):
        wrong.vjps = (lambda g, _out, _x, _y, shape=shape: np.ones(shape), wrong.vjps[1])
        monkeypatch.setitem(TABLE, np.add, wrong)
        with pytest.raises(tg.ShapeError, match="rule of add for operand 0"):
            (variable(1.0, 2.0) + 1.0).sum().backward()


# Law 4: no recursion over user graphs.

DEPTH = 100_000


def chain(t: tg.Tensor, depth: int = DEPTH) -> tg.Tensor:
    for _ in range(depth):
        t = t + 1.0
    return t


def test_backward_through_a_hundred_thousand_operations() -> None:
    t = variable(1.0)
    chain(t).backward()
    assert t.grad is not None and t.grad.item() == 1.0


def test_deletion_of_a_hundred_thousand_operations_without_backward() -> None:
    t = variable(1.0)
    result = chain(t)
    assert result.item() == DEPTH + 1
    end = weakref.ref(result._array)
    del result
    assert end() is None


def test_second_derivative_through_a_long_chain() -> None:
    t = variable(2.0)
    end = chain(t * t, 20_000)
    end.backward(create_graph=True)
    first = t.grad
    assert first is not None
    t.grad = None
    first.backward()
    assert t.grad is not None and t.grad.item() == 2.0


def test_wide_diamonds_are_swept_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counting(monkeypatch, np.add)
    t = variable(1.0)
    end = t
    for _ in range(60):  # 2**60 paths
        end = end + end
    end.backward()
    assert t.grad is not None and t.grad.item() == 2.0**60
    assert counts == [60, 60]


# Law 5: no reference cycles.


@pytest.fixture
def no_collector() -> Any:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@for_each(["dropped", "swept", "kept", "recorded"])
def test_graph_is_freed_by_reference_counting(how: str) -> None:
    t = variable(1.0, 2.0)
    middle = np.exp(t) * t
    result = np.sum(np.tanh(middle))
    watched = [weakref.ref(middle._array), weakref.ref(result._array)]
    if how == "swept":
        result.backward()
    if how == "kept":
        result.backward(retain_graph=True)
    if how == "recorded":
        result.backward(create_graph=True)
    del middle, result
    t.grad = None
    assert [ref() for ref in watched] == [None, None]


@pytest.mark.usefixtures("no_collector")
def test_sweep_releases_what_it_passed() -> None:
    t = variable(1.0, 2.0)
    middle = np.exp(t)
    saved = weakref.ref(middle._array)
    result = np.sum(middle * middle)
    del middle
    assert saved() is not None
    result.backward()
    assert saved() is None
    assert result.requires_grad


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "backward": lambda x: np.sum(np.exp(tg.Tensor(x, requires_grad=True))).backward(),
    "create_graph": lambda x: np.sum(tg.Tensor(x, requires_grad=True) ** 3).backward(
        create_graph=True
    ),
    "grad": tg.grad(lambda t: np.sum(np.exp(t) * t)),
    "hessian": tg.hessian(lambda t: np.sum(np.exp(t) * t)),
    "jvp": lambda x: tg.jvp(np.sin, (x,), (x,)),
    "vjp": lambda x: tg.vjp(np.sin, x)[1](x),
    "hvp": lambda x: tg.hvp(lambda t: np.sum(np.exp(t)), x, x),
    "gradcheck": lambda x: tg.gradcheck(np.sin, x, order=2),
}


@pytest.mark.usefixtures("no_collector")
@for_each(TRANSFORMS)
def test_transforms_leave_no_cycles(name: str) -> None:
    x = np.ones(3)
    TRANSFORMS[name](x)
    gc.collect()
    TRANSFORMS[name](x)
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_a_leaf_with_a_recorded_gradient_is_freed() -> None:
    t = variable(1.0)
    leaf = weakref.ref(t)
    (t * t).backward(create_graph=True)
    assert t.grad is not None and t.grad.requires_grad
    del t
    assert leaf() is None


@pytest.mark.usefixtures("no_collector")
def test_memory_is_flat_over_two_thousand_training_steps() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    w, b = tg.Tensor(rng.normal(size=(3, 1)), requires_grad=True), variable(0.0)

    def step() -> float:
        loss = np.mean((np.tanh(x @ w + b) - y) ** 2)
        loss.backward()
        with tg.no_grad():
            for parameter in (w, b):
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
        return float(loss.item())

    first = step()
    before = len(gc.get_objects())
    for _ in range(2_000):
        last = step()
    assert last < first
    assert abs(len(gc.get_objects()) - before) < 20


# Law 6: a gradient buffer has one owner.

SHARERS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "add again": lambda a, b: (a + b) + (a + b),
    "subtract": lambda a, b: a - b,
    "add to its sum": lambda a, b: a + b + a,
    "reshape": lambda a, b: np.reshape(a, 4) + np.reshape(b, 4),
    "transpose": lambda a, b: a.T + b.T,
    "positive": lambda a, b: +a + +b,
    "stack": lambda a, b: np.stack([a, b]),
    "concatenate": lambda a, b: np.concatenate([a, b]),
    "stack twice": lambda a, b: np.stack([a, b, a]),
    "slices": lambda a, b: a[:, ::-1] + b[::-1],
    "broadcast": lambda a, b: np.broadcast_to(a, (2, 2, 2)) + b,
    "where": lambda a, b: np.where(True, a, b) + b,
    "maximum": lambda a, b: np.maximum(a, b) + np.minimum(a, b),
    "multiply": lambda a, b: a * 1 + b * 1,
    "written": lambda a, b: np.append(a, b) + np.append(b, a),
    "pad": lambda a, b: np.pad(a, 1) + np.pad(b, 1),
    "squeeze": lambda a, b: np.squeeze(a[None]) + np.squeeze(b[:, None], axis=1),
    "real": lambda a, b: np.real(a) + np.real(b),
    "split": lambda a, b: np.split(a, 2)[0] + np.split(b, 2)[0],
    "einsum": lambda a, b: np.einsum("ij,ij->ij", a, np.ones((2, 2))) + b,
    "astype": lambda a, b: a.astype(np.float64) + b.astype(np.float64),
    "copy": lambda a, b: a.copy() + b,
}


def fresh_pair() -> tuple[tg.Tensor, tg.Tensor]:
    return (
        tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        tg.Tensor([[0.5, 1.5], [2.5, 3.5]], requires_grad=True),
    )


@for_each(SHARERS, [False, True])
def test_gradients_share_no_memory(name: str, create_graph: bool) -> None:
    a, b = fresh_pair()
    result = SHARERS[name](a, b)
    seed = tg.Tensor(np.arange(1.0, result.size + 1).reshape(result.shape))
    kept = seed.numpy()
    result.backward(seed, create_graph=create_graph)
    assert a.grad is not None and b.grad is not None
    buffers = [a.grad._array, b.grad._array, seed._array, a._array, b._array]
    for i, left in enumerate(buffers):
        for right in buffers[:i]:
            assert not np.shares_memory(left, right)
    before = b.grad.numpy()
    if not create_graph:
        a.grad.data[...] = 99.0
    np.testing.assert_array_equal(b.grad.numpy(), before)
    np.testing.assert_array_equal(seed.numpy(), kept)


@for_each(SHARERS)
def test_pullback_results_share_no_memory(name: str) -> None:
    a, b = (t.numpy() for t in fresh_pair())
    value, pullback = tg.vjp(SHARERS[name], a, b)
    seed = np.ones_like(value)
    found = pullback(seed)
    again = pullback(seed)
    arrays = [*found, *again, seed, a, b]
    for i, left in enumerate(arrays):
        for right in arrays[:i]:
            assert not np.shares_memory(left, right)


def test_a_gradient_seen_once_is_not_changed_by_the_next_backward() -> None:
    t = variable(1.0, 2.0)
    (t * 1.0).sum().backward()
    first = t.grad
    assert first is not None
    kept = first.numpy()
    (t * t).sum().backward()
    np.testing.assert_array_equal(first.numpy(), kept)
    np.testing.assert_array_equal(t.grad.numpy(), [3.0, 5.0])


@for_each(range(40))
def test_random_sums_share_no_gradients(seed: int) -> None:
    draw = random.Random(seed)
    program = [
        (draw.choice("+-*r"), draw.randrange(10), draw.randrange(10)) for _ in range(seed % 9)
    ]
    a, b = variable(1.0, 2.0), variable(3.0, 5.0)
    pool: list[Any] = [a, b]
    # value, derivative by a, derivative by b
    exact: list[tuple[Any, Any, Any]] = [
        (np.array([1.0, 2.0]), np.ones(2), np.zeros(2)),
        (np.array([3.0, 5.0]), np.zeros(2), np.ones(2)),
    ]
    for op, i, j in program:
        (x, xa, xb), (y, ya, yb) = exact[i % len(exact)], exact[j % len(exact)]
        left, right = pool[i % len(pool)], pool[j % len(pool)]
        if op == "+":
            pool.append(left + right)
            exact.append((x + y, xa + ya, xb + yb))
        elif op == "-":
            pool.append(left - right)
            exact.append((x - y, xa - ya, xb - yb))
        elif op == "*":
            pool.append(left * right * 0.1)
            exact.append((x * y * 0.1, (xa * y + x * ya) * 0.1, (xb * y + x * yb) * 0.1))
        else:
            pool.append(np.reshape(left, (2, 1))[:, 0])
            exact.append((x, xa, xb))
    np.sum(sum(pool)).backward()
    np.testing.assert_allclose(a.grad.numpy(), sum(e[1] for e in exact), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b.grad.numpy(), sum(e[2] for e in exact), rtol=1e-12, atol=1e-12)
    assert not np.shares_memory(a.grad._array, b.grad._array)


def test_one_owner_per_view_too() -> None:
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    np.sum((a + b).T * np.array([[5.0], [6.0]])).backward()
    assert a.grad is not None and b.grad is not None
    assert a.grad.tolist() == b.grad.tolist() == [[5.0, 6.0]]
    assert not np.shares_memory(a.grad._array, b.grad._array)


def test_a_gradient_made_for_one_leaf_is_not_copied() -> None:
    made = []

    def slope(g: Any, _out: Any, x: Any) -> Any:
        made.append(weakref.ref(whole := np.array(g * x)))
        return whole.T.T

    fn = primitive(lambda x: x * x / 2)
    defvjp(fn, slope)
    try:
        t = variable([1.0, 2.0])
        np.sum(fn(t)).backward()
    finally:
        del TABLE[fn]
    assert t.grad is not None and t.grad.tolist() == [[1.0, 2.0]]
    assert t.grad._array.base is made[0]()


def test_a_gradient_that_its_rule_keeps_is_copied() -> None:
    kept = []

    def slope(g: Any, _out: Any, _x: Any) -> Any:
        kept.append(np.array(g))
        return kept[0].T.T

    fn = primitive(lambda x: x * 1)
    defvjp(fn, slope)
    try:
        t = variable([1.0, 2.0])
        np.sum(fn(t)).backward()
    finally:
        del TABLE[fn]
    assert t.grad is not None and t.grad.tolist() == [[1.0, 1.0]]
    assert not np.shares_memory(t.grad._array, kept[0])


# Law 7: dtype is kept; a whole float32 program, with constants that would widen it.


@for_each([np.float16, np.float32, np.float64], [False, True])
def test_gradients_have_the_dtype_of_what_they_belong_to(dtype: Any, create_graph: bool) -> None:
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True, dtype=dtype)
    x = np.linspace(0, 1, 12).reshape(4, 3)  # float64
    hidden = np.tanh(x @ w) * np.float64(2.0) + np.array(1.0)
    loss = np.mean((hidden - 0.5) ** 2) / np.prod((4, 2)) + np.std(w) + np.linalg.norm(w)
    loss.backward(create_graph=create_graph)
    assert w.grad is not None and w.grad.dtype == dtype and w.grad.shape == (3, 2)


def test_python_numbers_keep_float32() -> None:
    t = variable(1.0, 2.0, dtype=np.float32)
    result = 2.0 * t**2 / 3 - 1.5 + 0.5**t + np.maximum(t, 0.0) + t**0.5
    assert result.dtype == np.float32
    result.sum().backward()
    assert t.grad is not None and t.grad.dtype == np.float32


# Law 8: nothing is silently lost.


def _iadd(array: Any, t: Any) -> None:
    array += t


def _assign(array: Any, index: Any, t: Any) -> None:
    array[index] = t


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "np.array of a list": lambda t, a: np.array([t, t]),
    "np.asarray": lambda t, a: np.asarray(t),
    "np.array": lambda t, a: np.array(t, dtype=np.float32),
    "np.float64": lambda t, a: np.float64(t[0]),
    "float": lambda t, a: float(t[0]),
    "int": lambda t, a: int(t[0]),
    "complex": lambda t, a: complex(t[0]),
    "array += t": lambda t, a: _iadd(a, t),
    "out=array": lambda t, a: np.add(t, 1, out=a),
    "array[:] = t": lambda t, a: _assign(a, slice(None), t),
    "np.copyto": lambda t, a: np.copyto(a, t),
    "np.full_like": lambda t, a: np.full_like(a, t),
    "np.full": lambda t, a: np.full(3, t[0]),
    "np.put": lambda t, a: np.put(a, [0], t[0]),
    "np.place": lambda t, a: np.place(a, a == 0, t),
    "np.putmask": lambda t, a: np.putmask(a, a == 0, t),
    "np.put_along_axis": lambda t, a: np.put_along_axis(a, np.array([0]), t[:1], 0),
    "list operand": lambda t, a: np.maximum([t[0], t[1], t[2]], 0),
    "sum of a list": lambda t, a: np.sum([t, t]),
    "Tensor(t)": lambda t, a: tg.Tensor(t),
    "Tensor of a list": lambda t, a: tg.Tensor([t, t]),
    "index of an array": lambda t, a: a[t],
    "initial=t": lambda t, a: np.sum(t, initial=t[0]),
}


@for_each(LOSSES)
def test_nothing_leaves_the_tape_silently(way: str) -> None:
    remedy = r"\.item\(\) or \.numpy\(\) \(or \.detach\(\)\)|= (t|value)|np\.broadcast_to\(t"
    with pytest.raises(tg.DetachError, match=remedy):
        LOSSES[way](variable(1.0, 2.0, 3.0), np.zeros(3))


@for_each(["a[0] = t", "a.fill(t)"])
def test_numpys_own_sentence_has_ours_as_its_cause(way: str) -> None:
    t, a = variable(1.0, 2.0, 3.0), np.zeros(3)
    writes = {
        "a[0] = t": lambda: _assign(a, 0, t[0]),
        "a.fill(t)": lambda: a.fill(t[0]),
    }
    with pytest.raises(ValueError) as caught:
        writes[way]()
    assert isinstance(caught.value.__cause__, tg.DetachError)


REFUSALS: dict[str, tuple[type[Exception], str, Callable[[Any, Any], Any]]] = {
    "out=tensor": (tg.TapeError, "assign the result", lambda t, a: np.add(a, 1, out=t)),
    "out=array": (tg.DetachError, "assign the result", lambda t, a: np.cumsum(t, out=a)),
    "ufunc where=": (NotImplementedError, "np.where", lambda t, a: np.add(t, 1, where=a == 0)),
    "unknown option": (
        NotImplementedError,
        "leave the option out",
        lambda t, a: np.polyfit(t, a, 1, full=True),
    ),
    "ufunc.at": (tg.TapeError, r"t\[index\]", lambda t, a: np.add.at(a, [0], t[0])),
    "no rule": (tg.TapeError, r"defvjp.*detach", lambda t, a: tg.primitive(lambda x: 2 * x)(t)),
    "copyto a tensor": (tg.TapeError, r"t\[index\]", lambda t, a: np.copyto(t.detach(), a)),
    "leaf[i] = v": (tg.TapeError, "no_grad", lambda t, a: _assign(t, 0, 1.0)),
    "leaf += v": (tg.TapeError, "no_grad", lambda t, a: _iadd(t, 1.0)),
    "axes of a product": (
        NotImplementedError,
        "np.moveaxis",
        lambda t, a: np.vecdot(t, t, axes=[0, 0, ()]),
    ),
    "a product that keeps its axis": (
        NotImplementedError,
        "np.expand_dims",
        lambda t, a: np.vecdot(t, t, keepdims=True),
    ),
    "pad by a function": (
        NotImplementedError,
        "padded = np.pad",
        lambda t, a: np.pad(t, 1, lambda *_: None),
    ),
    "cross in 1d": (ValueError, "3 elements", lambda t, a: np.cross(t[:1], t[:1])),
    "take out=": (tg.DetachError, "assign", lambda t, a: np.take(t, [0, 1, 2], out=a)),
    "qr of halves": (
        TypeError,
        "float16",
        lambda t, a: np.linalg.qr(np.stack([t, t]).astype(np.float16), mode="raw"),  # type: ignore[call-overload]
    ),
    "einsum order": (NotImplementedError, "order", lambda t, a: np.einsum("i->i", t, order="C")),
    "einsum axes": (TypeError, "a list of axes after", lambda t, a: np.einsum(t, "i", a, [0])),
    "einsum count": (ValueError, "names 2 operands, not 1", lambda t, a: np.einsum("i,i", t)),
    "tensordot shapes": (ValueError, "do not fit", lambda t, a: np.tensordot(t, t[:2], 1)),
    "labels out of range": (
        ValueError,
        "labels from 0 to 3 for 3 classes",
        lambda t, a: neural.cross_entropy(t[None], np.array([0, 3])),
    ),
    "split unequal": (ValueError, "array_split", lambda t, a: np.split(t, 2)),
    "stack unequal": (ValueError, "same shape", lambda t, a: np.stack([t, t[:2]])),
    "average weights": (ValueError, "fit neither", lambda t, a: np.average(t, weights=a[:2])),
    "nan_to_num in place": (
        NotImplementedError,
        "assign",
        lambda t, a: np.nan_to_num(t, copy=False),
    ),
    "reshape in order A": (
        NotImplementedError,
        "use 'C' or 'F'",
        lambda t, a: np.reshape(t, (3, 1), order="A"),
    ),
    "backward twice": (tg.TapeError, "retain_graph=True", lambda t, a: _twice(t)),
    "backward of many": (tg.TapeError, "gradient=", lambda t, a: (t * 1).backward()),
    "backward of a constant": (
        tg.TapeError,
        "requires_grad=True",
        lambda t, a: t.detach().backward(),
    ),
    "backward of a shape": (
        tg.ShapeError,
        "given to backward has shape",
        lambda t, a: (t * 1).backward(a[:2]),
    ),
    "detached by setter": (
        tg.TapeError,
        "detach",
        lambda t, a: setattr(t * 1, "requires_grad", False),
    ),
    "pickled result": (tg.TapeError, "detach", lambda t, a: copy.deepcopy(t * 1)),
    "integer variable": (TypeError, "float32", lambda t, a: tg.Tensor([1, 2], requires_grad=True)),
    "strings": (TypeError, "numbers", lambda t, a: tg.Tensor(["a"])),
}


def _twice(t: Any) -> None:
    result = np.sum(t * t)
    result.backward()
    result.backward()


@for_each(REFUSALS)
def test_refusals_name_the_remedy(what: str) -> None:
    kind, message, call = REFUSALS[what]
    with pytest.raises(kind, match=message):
        call(variable(1.0, 2.0, 3.0), np.zeros(3))


@for_each(case for case in CASES if case.fn in TABLE)
def test_unknown_options_are_refused(case: Case) -> None:
    variables = [tg.Tensor(v, requires_grad=True) for v in case.variables]

    def bogus(*args: Any, **options: Any) -> Any:
        return tensor_module.apply(case.fn, args, {**options, "bogus": 1})

    with pytest.raises((NotImplementedError, TypeError), match="bogus"):
        case.call(*variables, fn=bogus)


# Law 9: a saved array that changed is an error, or the gradient is exactly right.

LARGE = 200_000  # 1.6 MB of float64


def _set(t: tg.Tensor, value: Any) -> None:
    with tg.no_grad():
        t[...] = value


def _subtract(t: tg.Tensor, value: Any) -> None:
    with tg.no_grad():
        t -= value


def _through_data(t: tg.Tensor, value: Any) -> None:
    t.data[...] = value


def _by_setter(t: tg.Tensor, value: Any) -> None:
    t.data = np.broadcast_to(value, t.shape)


def _by_setter_itself(t: tg.Tensor, value: Any) -> None:
    raw = t.data
    raw[...] = value
    t.data = raw


TENSOR_WRITES = {
    f.__name__: f for f in (_set, _subtract, _through_data, _by_setter, _by_setter_itself)
}
PROGRAMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "square": (lambda t: t * t, lambda x: 2 * x),
    "view": (lambda t: t[::-1] * t[::-1], lambda x: 2 * x),
    "reshaped": (lambda t: np.reshape(t, (-1, 1)) ** 2, lambda x: 2 * x),
    "view of a view": (lambda t: t[::-1].reshape(-1, 1).T ** 2, lambda x: 2 * x),
    "exp": (np.exp, np.exp),
    "sine": (np.sin, np.cos),
    "add": (lambda t: t + t, lambda x: 2 + 0 * x),
    "split": (lambda t: np.concatenate(np.split(t, 2)) ** 2, lambda x: 2 * x),
    "detached": (lambda t: t * t.detach(), lambda x: x),
    "detached view": (lambda t: t * t.detach()[...], lambda x: x),
    "broadcast": (lambda t: np.broadcast_to(t, (2, t.size)) ** 2, lambda x: 4 * x),
    "ravel": (lambda t: np.ravel(t) ** 2, lambda x: 2 * x),
    "positive": (lambda t: (+t) ** 2, lambda x: 2 * x),
    "real": (lambda t: np.real(t) ** 2, lambda x: 2 * x),
    "clip": (lambda t: np.clip(t, 0, 100), lambda x: (x >= 0) * (x <= 100.0)),
    "where": (lambda t: np.where(t > 1, t, 0), lambda x: 1.0 * (x > 1)),
    "sort": (lambda t: np.sort(t) * np.arange(t.size), lambda x: np.argsort(np.argsort(x)) * 1.0),
    "maximum": (lambda t: np.maximum(t, 1.5), lambda x: 1.0 * (x > 1.5)),
}


def settle(result: Any, t: Any, right: Any) -> str:
    """Sweeps; the gradient must be right, or refused."""
    try:
        np.sum(result).backward()
    except tg.StaleValueError as error:
        assert "overwritten" in str(error) and "copy" in str(error)
        return "refused"
    np.testing.assert_allclose(t.grad.numpy(), right, rtol=1e-12)
    return "right"


@for_each(PROGRAMS, TENSOR_WRITES, [4, LARGE], [False, True])
def test_writes_through_tensors(program: str, write: str, size: int, exposed: bool) -> None:
    if size == LARGE and program not in ("square", "view", "exp", "add"):
        return
    f, slope = PROGRAMS[program]
    x = np.linspace(0.5, 3.0, size)
    t = tg.Tensor(x, requires_grad=True)
    if exposed:
        assert t.data.shape == x.shape
    result = f(t)
    TENSOR_WRITES[write](t, 7.0)
    outcome = settle(result, t, slope(x))
    if program == "add":
        assert outcome == "right"
    if program in ("square", "sine"):
        assert outcome == "refused" or write == "_by_setter"


def test_views_of_a_leaf_are_guarded_by_its_memory() -> None:
    w = tg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    x = tg.Tensor(np.ones((4, 3)), requires_grad=True)
    result = x @ w.T
    w.data[0, 0] = 50.0
    with pytest.raises(tg.StaleValueError, match="matmul"):
        result.sum().backward()


ARRAYS: dict[str, tuple[Any, Callable[[Any, Any], Any], Any, Callable[[Any], Any]]] = {
    # the array, the program, what is written, the right gradient at t = [1, 2, 3]
    "factor": (np.array([2.0, 3.0, 4.0]), lambda t, a: t * a, 9.0, lambda a: a),
    "left factor": (np.array([2.0, 3.0, 4.0]), lambda t, a: a * t, 9.0, lambda a: a),
    "summand": (np.array([2.0, 3.0, 4.0]), lambda t, a: t + a, 9.0, lambda a: a * 0 + 1),
    "divisor": (np.array([2.0, 4.0, 5.0]), lambda t, a: t / a, 9.0, lambda a: 1 / a),
    "exponent": (
        np.array([2.0, 2.0, 2.0]),
        lambda t, a: t**a,
        3.0,
        lambda a: 2 * np.arange(1, 4.0),
    ),
    "matrix": (np.eye(3), lambda t, a: a @ t, 9.0, lambda a: a.sum(0)),
    "index": (
        np.array([2, 0, 0]),
        lambda t, a: t[a],
        1,
        lambda a: np.bincount(a, minlength=3) * 1.0,
    ),
    "mask": (np.array([True, False, True]), lambda t, a: t[a], False, lambda a: a * 1.0),
    "where": (
        np.array([True, False, True]),
        lambda t, a: np.where(a, t, 0),
        False,
        lambda a: a * 1.0,
    ),
    "take": (np.array([2, 0, 0]), np.take, 1, lambda a: np.bincount(a, minlength=3) * 1.0),
    "where=": (
        np.array([True, False, True]),
        lambda t, a: np.sum(t, where=a),
        False,
        lambda a: a * 1.0,
    ),
    "clip bound": (
        np.array([5.0, 0.0, 5.0]),
        lambda t, a: np.clip(t, None, a),
        0.0,
        lambda a: np.array([1.0, 0, 1]),
    ),
    "write index": (
        np.array([0, 1]),
        lambda t, a: conventions.written(t, a, 0.0),
        2,
        lambda a: np.array([0, 0, 1.0]),
    ),
    "repeats": (np.array([2, 0, 1]), np.repeat, 1, lambda a: a * 1.0),
    "weights": (np.array([0.2, 0.3, 0.5]), lambda t, a: np.average(t, weights=a), 1.0, lambda a: a),
    "einsum": (np.array([2.0, 3.0, 4.0]), lambda t, a: np.einsum("i,i->i", t, a), 9.0, lambda a: a),
    "view of it": (np.array([2.0, 3.0, 4.0]), lambda t, a: t * a[::-1], 9.0, lambda a: a[::-1]),
    "tensor of it": (np.array([2.0, 3.0, 4.0]), lambda t, a: t * tg.Tensor(a), 9.0, lambda a: a),
    "take_along_axis": (
        np.array([2, 0, 0]),
        lambda t, a: np.take_along_axis(t, a, 0),
        1,
        lambda a: np.bincount(a, minlength=3) * 1.0,
    ),
    "compress": (
        np.array([True, False, True]),
        lambda t, a: np.compress(a, t),
        False,
        lambda a: a * 1.0,
    ),
    "select": (
        np.array([True, False, True]),
        lambda t, a: np.select([a], [t]),
        False,
        lambda a: a * 1.0,
    ),
    "maximum": (
        np.array([0.0, 9.0, 0.0]),
        lambda t, a: np.maximum(t, a),
        9.0,
        lambda a: np.array([1.0, 0, 1]),
    ),
    "sum initial": (
        np.array(2.0),
        lambda t, a: np.prod(t, initial=a),
        9.0,
        lambda a: a * np.array([6.0, 3, 2]),
    ),
    "roll": (
        np.array(1),
        lambda t, a: np.roll(t, a) * np.arange(3.0),
        2,
        lambda a: np.array([1.0, 2, 0]),
    ),
}


@for_each(ARRAYS)
def test_writes_to_arrays_that_took_part(what: str) -> None:
    given_array, program, value, slope = ARRAYS[what]
    array = given_array.copy()
    t = variable(1.0, 2.0, 3.0)
    result = program(t, array)
    array[...] = value
    settle(result, t, slope(given_array))


@for_each(["permuted rows", "permuted columns", "two words", "one bit", "int"])
def test_writes_to_large_arrays_are_noticed(what: str) -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(size=(500, 400))
    t = tg.Tensor(np.ones(400), requires_grad=True)
    result = np.sum((array * t) ** 2)
    saved = array.copy()
    if what == "permuted rows":
        array[...] = array[rng.permutation(500)]
    elif what == "permuted columns":
        array[...] = array[:, rng.permutation(400)]
    elif what == "two words":
        array[3, 7], array[400, 300] = array[400, 300], array[3, 7]
    elif what == "one bit":
        array.view(np.int64)[250, 200] ^= 1
    else:
        array[-1, -1] = 0
    assert (array != saved).any()
    with pytest.raises(tg.StaleValueError, match="overwritten"):
        result.backward()


def test_a_write_before_the_operation_is_no_reason_to_refuse() -> None:
    t = variable(1.0, 2.0)
    _ = t * t
    t.data[...] = 3.0
    _set(t, [5.0, 7.0])
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), [10.0, 14.0])


def test_recorded_writes_keep_what_was_saved() -> None:
    t = variable(1.0, 2.0)
    u = t * 1
    square = u * u
    u[0] = 10.0
    (np.sum(square) + np.sum(u)).backward()
    np.testing.assert_array_equal(t.grad.numpy(), [2.0, 5.0])


def test_results_cannot_be_written_through_their_data() -> None:
    t = np.exp(variable(1.0, 2.0))
    with pytest.raises(ValueError, match="read-only"):
        t.data[0] = 1.0


OPERATIONS = ["*", "+", "exp", "view", "index", "array", "sin", "div"]
WRITES = [*TENSOR_WRITES, "array", "index", "none"]


@for_each(range(100))
def test_random_programs_with_random_writes(seed: int) -> None:
    """Between forward and backward anything may be written; the gradient is never wrong."""
    draw = random.Random(seed)
    operations = draw.choices(OPERATIONS, k=1 + seed % 5)
    writes, value = draw.choices(WRITES, k=seed % 3), draw.uniform(0.3, 0.6)
    array, index = np.array([0.7, 1.1, 0.4]), np.array([2, 0, 1])

    def program(t: Any, a: Any, i: Any) -> Any:
        u = t
        for op in operations:
            if op == "*":
                u = u * t
            elif op == "+":
                u = t + u
            elif op == "exp":
                u = np.exp(np.sin(u))  # in any order, no overflow
            elif op == "view":
                u = u[::-1] * t.reshape(1, 3)[0, ::-1]
            elif op == "index":
                u = u[i]
            elif op == "array":
                u = u * a
            elif op == "sin":
                u = np.sin(u)
            else:
                u = t / (u * u + a)
        return np.sum(u)

    x = np.array([0.5, 1.5, 2.5])
    right = tg.grad(program)(x, array.copy(), index.copy())
    t = tg.Tensor(x, requires_grad=True)
    if draw.random() < 0.5:
        assert t.data.size == 3
    result = program(t, array, index)
    if not result.requires_grad:
        return
    for write in writes:
        if write == "array":
            array[1] = value
        elif write == "index":
            index[...] = index[::-1].copy()
        elif write != "none":
            TENSOR_WRITES[write](t, value)
    settle(result, t, right)


# Law 10: the table of conventions is what the code does.

NAMED = {
    f"{texts[0]} at {texts[1]}": row
    for row, texts in zip(conventions.ROWS, conventions.coded(), strict=True)
}


@for_each(NAMED)
def test_conventions(name: str) -> None:
    f, at, expected = NAMED[name]
    t = tg.Tensor(np.asarray(at) * 1.0, requires_grad=True)
    with np.errstate(all="ignore"):
        np.sum(np.real(f(t))).backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-14, atol=0)


@for_each(NAMED)
def test_conventions_leave_no_nan_behind_at_second_order(name: str) -> None:
    f, at, _ = NAMED[name]
    point = np.asarray(at) * 1.0

    def slope(t: Any) -> Any:
        return tg.vjp(total, t)[1](1.0)[0]

    def total(t: Any) -> Any:
        return np.sum(np.real(f(t)))

    with np.errstate(all="ignore"):
        try:
            second = tg.vjp(slope, point)[1](np.ones_like(point))[0]
        except tg.TapeError as error:  # equal values of matrices: test_ties.py
            assert "Write the function without vectors" in str(error)
            return
    assert np.isfinite(second).all()


def test_the_page_of_conventions_says_what_is_tested() -> None:
    assert conventions.said() == conventions.coded()
    assert len(NAMED) == len(conventions.ROWS) > 60


# Law 11: state is explicit and per thread.


def in_thread(work: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_no_grad_is_per_thread() -> None:
    t = variable(1.0, 2.0)
    with tg.no_grad():
        assert in_thread(lambda: (t * 2).requires_grad) is True
        assert (t * 2).requires_grad is False
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with tg.no_grad():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    assert (t * 2).requires_grad is True
    leave.set()
    thread.join()


def test_graph_built_in_one_thread_is_swept_in_another() -> None:
    t = variable(1.0, 2.0)
    result = in_thread(lambda: np.sum(np.exp(t) * t))
    in_thread(result.backward)
    np.testing.assert_allclose(t.grad.numpy(), np.exp([1.0, 2.0]) * [2.0, 3.0], rtol=1e-14)


def test_threads_sweep_their_own_graphs() -> None:
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        t = tg.Tensor(np.full(5, 1.0 + k), requires_grad=True)
        for _ in range(50):
            t.grad = None
            u = t
            for _ in range(10):
                u = u * t
            u.sum().backward()
        found[k] = t.grad.numpy()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_allclose(found[k], 11 * (1.0 + k) ** 10, rtol=1e-12)


@pytest.mark.parametrize("decorate", [tg.no_grad, tg.no_grad()])
def test_no_grad_decorates_functions_that_overlap_in_threads(decorate: Any) -> None:
    """Each call goes back to the mode it came from, whichever returns first."""
    first, second = threading.Event(), threading.Event()
    t, found = tg.Tensor(1.0, requires_grad=True), []

    @decorate
    def double(wait: Callable[[], Any]) -> tg.Tensor:
        wait()
        return t * 2

    def recorded_outside() -> None:
        found.append(double(lambda: (first.set(), second.wait(10))).requires_grad)
        found.append((t * 2).requires_grad)

    assert double.__name__ == "double"
    thread = threading.Thread(target=recorded_outside)
    with tg.no_grad():
        thread.start()
        first.wait(10)
        double(lambda: (second.set(), thread.join(10)))
    assert (found, (t * 2).requires_grad) == ([False, True], True)


def test_no_grad_is_a_decorator_and_nests() -> None:
    t = variable(1.0)

    @tg.no_grad()
    def inner() -> bool:
        with tg.no_grad():
            pass
        return (t * 2).requires_grad

    assert inner() is False
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        raise ZeroDivisionError
    assert (t * 2).requires_grad is True
    assert leaves([t]) == [t]


# Law 12: the traits of a row.


def test_what_is_linear_has_the_same_derivative_everywhere() -> None:
    rows = [(case, TABLE[case.fn].traits) for case in CASES if case.fn in TABLE]
    linear = [case for case, traits in rows if traits.linear and not traits.checks]
    assert {full_name(case.fn) for case in linear} >= {"add", "sum", "reshape", "conjugate"}
    for case in linear:
        pulled = []
        for k in range(2):
            value, pullback = tg.vjp(case.call, *[v + k * (0.5 + v * v) for v in case.variables])
            weights = [0.5 + np.arange(v.size).reshape(v.shape) for v in leaves(value)]
            pulled.append(pullback(rebuild(value, weights)))
        for a, b in zip(*pulled, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=case.id)


def test_an_array_whose_shape_or_dtype_is_set_is_another_one() -> None:
    numbers = [1.0, 2.0, 3.0]
    sets: dict[str, tuple[Any, Callable[[Any], None]]] = {
        "shape": (np.array(numbers), lambda a: setattr(a, "shape", (3, 1))),
        "dtype": (np.array(numbers), lambda a: setattr(a, "dtype", np.int64)),
        "byte order": (np.array(numbers), lambda a: setattr(a, "dtype", ">f8")),
        "shape of a mask": (np.ones(3, bool), lambda a: setattr(a, "shape", (3, 1))),
    }
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "multiply": lambda t, a: t * a,
        "divide": lambda t, a: t / a,
        "power": lambda t, a: t**a,
        "where": lambda t, a: np.where(a, t, 0),
    }
    for (what, (made, change)), (name, call) in itertools.product(sets.items(), calls.items()):
        array, t = made.copy(), tg.Tensor(np.ones((3, 3)), requires_grad=True)
        loss = np.sum(call(t, array))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy would rather have this done otherwise
            change(array)
        try:
            loss.backward()
        except tg.StaleValueError as error:
            assert name in str(error), what
        else:
            raise AssertionError(f"{name}: {what}")
