"""``tg.replay`` of a transform: what the transform gives, of the same kind, bit for bit."""

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import run_all
from tinygrad_np import ReplayError
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import TABLE

X = np.linspace(0.3, 1.2, 5)
MATRIX = np.arange(15.0).reshape(5, 3) / 7


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def several(p: Any, scale: float = 1.0) -> Any:
    return {"a": p["w"] @ MATRIX * scale, "b": [np.tanh(p["b"][0]) * p["w"]]}


def nested(p: Any) -> Any:
    return np.sum(np.tanh(p["w"]) ** 2) * p["b"][0]


Call = tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]]]
CALLS: dict[str, Call] = {
    "grad": (tg.grad(rosenbrock), lambda k: (X + k,)),
    "value_and_grad": (tg.value_and_grad(rosenbrock), lambda k: (X * k,)),
    "of a number": (tg.grad(np.tanh), lambda k: (0.3 * k,)),
    "of an int": (tg.value_and_grad(lambda x: x**3), lambda k: (k,)),
    "of a complex number": (tg.grad(lambda z: np.real(z * np.conj(z))), lambda k: (1j * k,)),
    "of a float32": (tg.value_and_grad(np.tanh), lambda k: (np.float32(k),)),
    "by two": (tg.grad(lambda x, n, y: np.sum(x**n * y), (0, -1)), lambda k: (0.5 * k, 3, X + k)),
    "has_aux": (tg.value_and_grad(lambda x: (np.sum(x), {"p": x * 2, "n": 3}), has_aux=True),
                lambda k: (X + k,)),
    "nest": (tg.grad(nested), lambda k: ({"w": X + k, "b": [2.0 * k]},)),
    "jacobian": (tg.jacobian(several), lambda k: ({"w": X + k, "b": (float(k),)}, 0.5)),
    "hessian": (tg.hessian(rosenbrock), lambda k: (X - k,)),
    "hessian of two": (tg.hessian(lambda x, y: np.sum(x * y) ** 2, (0, 1)), lambda k: (X, X * k)),
    "hvp": (tg.hvp, lambda k: (rosenbrock, X + k, X)),
    "hvp of a tuple": (tg.hvp, lambda k: (rosenbrock, (X + k,), (X * k,))),
    "hvp, curried": (functools.partial(tg.hvp, rosenbrock), lambda k: (X + k, X)),
    "jvp": (tg.jvp, lambda k: (np.multiply, (2.0 * k, X), (1.0, X + k))),
    "vmap": (tg.vmap(tg.value_and_grad(rosenbrock)), lambda k: (MATRIX * k,)),
    "grad of vmap": (tg.grad(lambda w: np.sum(tg.vmap(np.dot, (0, None))(MATRIX, w) ** 2)),
                     lambda k: (X[:3] * k,)),
    "checkpoint": (tg.grad(lambda x: rosenbrock(tg.checkpoint(np.sin)(x))), lambda k: (X + k,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_without_replay(name: str) -> None:
    fn, arguments = CALLS[name]
    replayed = tg.replay(fn)
    for k in (1, 2, 3, 4, 5):
        found, expected = replayed(*arguments(k)), fn(*arguments(k))
        assert str(found) == str(expected)  # the same nest
        for a, b in zip(leaves(found), leaves(expected), strict=True):
            assert type(a) is type(b)
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)
    assert replayed.program.runs >= 3  # one program for all
    assert sum(map(len, replayed._local.programs.values())) == 1


def scaled(x: Any, w: Any = 1.0, *, p: Any = None, n: Any = 2) -> Any:
    return np.tanh(x * w) ** n * (1.0 if p is None else p["a"][0])


def total(*args: Any, **named: Any) -> Any:
    return np.sum(scaled(*args, **named))


ROWS = np.stack([X, X + 1])
TAKERS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[Any, ...]]]] = {
    "grad": (tg.grad(total), lambda *args: args),
    "value_and_grad": (tg.value_and_grad(total), lambda *args: args),
    "jacobian": (tg.jacobian(scaled), lambda *args: args),
    "hessian": (tg.hessian(total), lambda *args: args),
    "vmap": (tg.vmap(scaled), lambda x, *args: (ROWS + x, *[np.stack([a, a]) for a in args])),
    "vmap of grad": (tg.vmap(tg.grad(total)), lambda x, *args: (
        ROWS + x, *[np.stack([a, a]) for a in args])),
    "vjp": (lambda *args, **named: tg.vjp(scaled, *args, **named)[1](X)[0], lambda *args: args),
    "jvp": (tg.jvp, lambda *args: (scaled, args, (X, *[0 * np.asarray(a) for a in args[1:]]))),
    "hvp": (functools.partial(tg.hvp, total), lambda *args: (
        args, (X, *[0 * np.asarray(a) for a in args[1:]]))),
    "checkpoint": (tg.checkpoint(scaled), lambda *args: args),
}  # fmt: skip
NAMED: dict[str, Callable[[int], dict[str, Any]]] = {
    "array": lambda k: {"w": X * k},
    "number": lambda _: {"w": 2.0},
    "another number each time": lambda k: {"w": 0.5 * k},
    "number of NumPy's": lambda k: {"w": np.float64(k)},
    "nest": lambda k: {"p": {"a": [X - k, 3]}},
    "int": lambda _: {"n": 3},
    "all": lambda k: {"p": {"a": (X,)}, "n": 1 + k % 2, "w": X + k},
    "Tensor": lambda k: {"w": tg.Tensor(X * k)},
}


def check_by_name(transform: str, way: str) -> None:
    (fn, arguments), named = TAKERS[transform], NAMED[way]
    replayed = tg.replay(fn)
    for k in (1, 2, 3, 4):
        found, expected = (f(*arguments(X * k), **named(k)) for f in (replayed, fn))
        with_tensors = way == "Tensor" or transform in ("vjp", "checkpoint")
        for a, b in zip(leaves(found), leaves(expected), strict=True):
            assert type(a) is (tg.Tensor if with_tensors else type(b))
            a, b = (v.numpy() if isinstance(v, tg.Tensor) else v for v in (a, b))
            np.testing.assert_array_equal(a, b, strict=True)
    others = {name: value for name, value in named(4).items() if name != "w"}
    if "w" in named(4) and way != "Tensor":  # by position it is the same
        placed = fn(*arguments(X * 4, named(4)["w"]), **others)
        for a, b in zip(leaves(expected), leaves(placed), strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    if way in ("array", "number", "nest", "int"):
        assert sum(map(len, replayed._local.programs.values())) == 1


def test_arguments_by_name() -> None:
    pairs = itertools.product(enumerate(TAKERS), enumerate(NAMED))  # every second one, by turns
    run_all(check_by_name, [(fn, way) for (i, fn), (j, way) in pairs if (i + j) % 2 == 0])


def test_a_name_is_no_place() -> None:
    step = tg.replay(tg.grad(lambda x, a=1.0, b=0.0: np.sum(x * a - x * b)))
    fixed = functools.partial(tg.replay(tg.hvp), total)
    for _ in range(4):
        np.testing.assert_array_equal(step(X, a=X), X)
        np.testing.assert_array_equal(step(X, b=X), 1 - X)
        np.testing.assert_array_equal(step(X, X), X)
        np.testing.assert_array_equal(step(X, {"b": X}["b"], b=X), 0 * X)
        expected = tg.hvp(total, X, X + 1)
        np.testing.assert_array_equal(fixed(primals=X, vectors=X + 1), expected)
    number = tg.replay(tg.jvp)
    for k in range(5):  # numbers that it differentiates by are inputs
        assert number(f=np.tanh, primals=0.1 * k, tangents=2.0)[0] == np.tanh(0.1 * k)
    assert sum(map(len, number._local.programs.values())) == 1


def test_tensors_give_tensors_and_record_inside_another_transform() -> None:
    replayed = tg.replay(tg.grad(rosenbrock))
    for _ in range(3):
        assert type(replayed(tg.Tensor(X))) is tg.Tensor
    twice = tg.grad(lambda x: np.sum(replayed(x) * X))(X)
    np.testing.assert_allclose(twice, tg.hvp(rosenbrock, X, X), rtol=1e-12)
    np.testing.assert_allclose(tg.vmap(replayed)(np.stack([X, X]))[1], replayed(X), rtol=1e-12)
    outer = tg.replay(lambda x: np.sum(replayed(x)))
    for _ in range(3):
        assert outer(X).item() == np.sum(replayed(X))
    closed = tg.replay(lambda x: np.sum(replayed(X)) * x)
    for _ in range(3):
        np.testing.assert_array_equal(closed(X).numpy(), np.sum(replayed(X)) * X)
    with pytest.raises(TypeError, match="call with 0 arguments"):
        tg.replay(tg.grad(rosenbrock))()


def test_a_pullback_inside_a_step_gives_tensors_as_any_step() -> None:
    step = tg.replay(lambda x, g: tg.vjp(np.tanh, x)[1](g)[0])
    for k in range(4):
        found = step(X + k, X)
        np.testing.assert_array_equal(found.numpy(), tg.vjp(np.tanh, X + k)[1](X)[0])


def test_data_that_the_function_closes_over_is_compared() -> None:
    data = np.array(X)
    eager = tg.value_and_grad(lambda x: np.sum((x - data) ** 2))
    replayed = tg.replay(eager)
    for _ in range(4):
        assert replayed(X + 1)[0] == eager(X + 1)[0]
        data += X


def test_a_user_s_function_around_a_transform_is_a_step() -> None:
    gradient = tg.grad(rosenbrock)

    @functools.wraps(gradient)
    def step(x: Any) -> Any:
        return gradient(x) * 2

    assert type(tg.replay(step)(X)) is tg.Tensor


def test_values_that_decide_are_refused_with_the_line() -> None:
    with pytest.raises(ReplayError, match=r"test_transforms\.py:\d+: .* choose with np\.where"):
        tg.replay(tg.grad(lambda x: x if x > 0 else -x))(1.0)


def test_a_result_that_would_require_grad_is_refused() -> None:
    w = tg.Tensor(2.0, requires_grad=True)
    for fn in (tg.grad(lambda x: x * w), tg.value_and_grad(lambda x: x * w)):
        with pytest.raises(ReplayError, match=r"closes over a Tensor that requires grad.*detach"):
            tg.replay(fn)(1.0)
    free = tg.replay(tg.grad(lambda x: x * w.detach()))
    assert [free(1.0 * k) for k in range(3)] == [2.0] * 3


def test_several_threads_may_call_one() -> None:
    replayed = tg.replay(tg.value_and_grad(rosenbrock))
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            x = rng.standard_normal(20)
            found, expected = replayed(x), tg.value_and_grad(rosenbrock)(x)
            if found[0] != expected[0] or not np.array_equal(found[1], expected[1]):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_step_may_differentiate_by_a_number() -> None:
    step = tg.replay(lambda x: x * tg.grad(np.tanh)(0.5))
    for _ in range(3):
        np.testing.assert_array_equal(step(X).numpy(), X * tg.grad(np.tanh)(0.5))


Pair = Callable[[Any, Any], Any]  # of two rows, a third
PLAIN: list[Pair] = [
    lambda x, y: np.tanh(x) * y,
    lambda x, y: np.sin(x @ MATRIX[:3]) * x + y**2,
    lambda x, y: x * x[::-1] + np.cumsum(y),
    lambda x, y: np.exp(-x * x) / (1 + y * y) + x,
]


def pulled(f: Pair) -> Pair:
    def call(x: Any, y: Any) -> Any:
        value, pullback = tg.vjp(f, x, y)
        return value * pullback(y)[0]

    return call


JOINED: list[Callable[[Pair, Pair], Pair]] = [
    lambda f, g: lambda x, y: f(x, y) + g(y, x) * x,
    lambda f, g: lambda x, y: f(g(x, y), y * x),
]
WRAPPED: list[Callable[[Pair], Pair]] = [
    tg.checkpoint,
    lambda f: lambda x, y: tg.checkpoint(lambda x: f(x, y) + y * x)(x),  # closes over y
    lambda f: lambda x, y: np.sum(tg.vmap(f, (0, None))(np.stack([x, x * y]), y), 0),
]
DERIVED: list[Callable[[Pair], Pair]] = [
    pulled,
    lambda f: tg.grad(lambda x, y: np.sum(f(x, y) * x)),
    lambda f: lambda x, y: tg.jvp(f, (x, y), (y, np.cos(x)))[1],
]


def nest(rng: np.random.Generator, depth: int, order: int = 2) -> Pair:
    """Transforms of transforms, at most ``order`` of them derivatives."""
    if depth == 0:
        return PLAIN[rng.integers(len(PLAIN))]
    kind = rng.integers(4)
    if kind == 0:
        both = nest(rng, depth - 1, order), nest(rng, depth - 1, order)
        return JOINED[rng.integers(len(JOINED))](*both)
    if kind == 1 and order > 0:
        return DERIVED[rng.integers(len(DERIVED))](nest(rng, depth - 1, order - 1))
    return WRAPPED[rng.integers(len(WRAPPED))](nest(rng, depth - 1, order))


def check_nest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    f = nest(rng, 3)
    x, y = rng.standard_normal((2, 3)) * 0.5
    for fn in (f, tg.value_and_grad(lambda x, y: np.sum(f(x, y) * y), (0, 1))):
        replayed = tg.replay(fn)
        for k in range(4):
            given = x + 0.1 * k, y - 0.1 * k
            for a, b in zip(leaves(replayed(*given)), leaves(fn(*given)), strict=True):
                a, b = (v.numpy() if isinstance(v, tg.Tensor) else v for v in (a, b))
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seeds", [range(6), pytest.param(range(6, 80), marks=pytest.mark.slow)])
def test_nests_drawn_at_random(seeds: range) -> None:
    run_all(check_nest, [(seed,) for seed in seeds])


COMPLEX = [
    fn
    for fn in TABLE
    if fn in vars(np).values() and isinstance(fn, np.ufunc) and fn.nin == 1 and "D->D" in fn.types
]


@pytest.mark.parametrize("ufunc", COMPLEX, ids=lambda fn: fn.__name__)
def test_one_complex_number_has_the_bits_of_eager_mode(ufunc: np.ufunc) -> None:
    """NumPy multiplies its complex scalars in other bits than arrays of one element."""
    f = tg.grad(lambda x, y: np.real(ufunc(x) * y + ufunc(y) ** x / ufunc(x * y)))
    step, rng = tg.replay(f), np.random.default_rng(0)
    for x, y in rng.normal(size=(10, 2, 2)) @ [1, 1j]:
        x, y = np.array(x), np.array(y)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(step(x, y), f(x, y), strict=True)
