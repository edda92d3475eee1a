"""``tg.checkpoint`` computes again what it did not keep; ``tg.stop_gradient`` keeps nothing."""

import functools
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import StaleValueError
from tinygrad_np.autodiff.nests import leaves

RNG = np.random.default_rng(0)
W = RNG.standard_normal((4, 4)) * 0.4
X = RNG.standard_normal((3, 4))


def layer(x: Any, w: Any) -> Any:
    return np.tanh(np.sin(x @ w) ** 2 + x)


def chain(one: Callable[..., Any]) -> Callable[..., Any]:
    def run(w: Any, x: Any = X) -> Any:
        for _ in range(3):
            x = one(x, w)
        return np.sum(x * x)

    return run


PLAIN, KEPT = chain(layer), chain(tg.checkpoint(layer))
NESTED = chain(tg.checkpoint(lambda x, w: np.sin(tg.checkpoint(layer)(x, w))))
NESTED_PLAIN = chain(lambda x, w: np.sin(layer(x, w)))


def test_gradients_are_those_of_the_function_bit_for_bit() -> None:
    np.testing.assert_array_equal(tg.grad(KEPT)(W), tg.grad(PLAIN)(W))
    np.testing.assert_array_equal(tg.grad(NESTED)(W), tg.grad(NESTED_PLAIN)(W))
    both = tg.grad(KEPT, (0, 1))(W, X), tg.grad(PLAIN, (0, 1))(W, X)
    np.testing.assert_array_equal(*[g[1] for g in both])


@pytest.mark.parametrize("pair", [(KEPT, PLAIN), (NESTED, NESTED_PLAIN)])
def test_every_transform_goes_through_it(pair: Any) -> None:
    kept, plain = pair
    for name, through in {
        "hessian": lambda f: tg.hessian(f)(W),
        "hvp": lambda f: tg.hvp(f, W, W + 1),
        "jvp": lambda f: np.stack(tg.jvp(f, (W,), (W,))),
        "jacobian": lambda f: tg.jacobian(lambda w: f(w) * w)(W),
        "vmap of grad": lambda f: tg.vmap(tg.grad(f, 1), (None, 0))(W, X),
        "grad of vmap": lambda f: tg.grad(
            lambda w: np.sum(tg.vmap(lambda x: f(w, x) ** 2)(X)))(W),
        "grad of a checkpoint of vmap": lambda f: tg.grad(
            lambda w: np.sum(tg.checkpoint(tg.vmap(lambda x: f(w, x) ** 2))(X)))(W),
        "grad of a checkpoint of grad": lambda f: tg.grad(
            lambda w: np.sum(tg.checkpoint(tg.grad(f))(w) ** 2))(W),
    }.items():  # fmt: skip
        np.testing.assert_allclose(through(kept), through(plain), rtol=1e-12, err_msg=name)


def test_a_replayed_step_is_the_step_in_eager_mode() -> None:
    w = tg.Tensor(W, requires_grad=True)
    rng = np.random.default_rng(1)

    def noisy(x: Any, w: Any) -> Any:
        return layer(x, w) * tg.random.normal(x.shape, generator=rng, dtype=np.float64)

    inner = tg.checkpoint(noisy)
    outer = tg.checkpoint(lambda x, w: inner(x * w[0], w) + noisy(x, w) * x)

    def step(x: Any) -> Any:
        w.grad = None
        loss = KEPT(w, outer(noisy(x, w), w))
        loss.backward()
        return loss

    replayed = tg.replay(step)
    found = [(replayed(X + k).item(), w.grad.numpy()) for k in range(6)]  # type: ignore[union-attr]
    state = rng.bit_generator.state
    rng = np.random.default_rng(1)
    for k, (value, gradient) in enumerate(found):
        assert step(tg.Tensor(X + k)).item() == value
        np.testing.assert_array_equal(w.grad.numpy(), gradient)  # type: ignore[union-attr]
    assert rng.bit_generator.state == state


def test_what_a_function_writes_happens_twice_in_a_replay_too() -> None:
    def trained(wrap: Any) -> list[Any]:
        block = tg.nn.Sequential(
            tg.nn.Linear(4, 3, seed=0), tg.nn.BatchNorm1d(3), tg.nn.Dropout(0.5, seed=1)
        )
        optimiser, kept = tg.optim.SGD(block.parameters(), lr=0.1), tg.checkpoint(block)

        def step(x: Any) -> Any:
            optimiser.zero_grad()
            loss = np.mean(kept(x) ** 2)
            loss.backward()
            optimiser.step()
            return loss

        for k in range(5):
            wrap(step)(tg.Tensor((X + k).astype("f4")))
        return [*block.state_dict().values()]

    run = functools.cache(tg.replay)
    for a, b in zip(trained(run), trained(lambda step: step), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("x", [0.7, np.array(0.7), np.float32(0.7), X[:0], X[0, :1], X])
def test_arguments_of_any_shape(x: Any) -> None:
    def through(wrap: Any) -> Any:
        inner = wrap(lambda x, y: np.sin(x) * y)
        return tg.grad(lambda x: np.sum(np.exp(wrap(inner)(x, x + 1)) * x))

    found, expected = through(tg.checkpoint)(x), through(lambda f: f)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nests_constants_and_what_the_function_closes_over() -> None:
    w = tg.Tensor(W, requires_grad=True)
    constant = np.arange(3)
    found = []
    for wrap in (tg.checkpoint, lambda f: f):
        w.grad = None
        h = w * 2

        def f(x: Any, *, scale: Any, h: Any = h) -> Any:
            return np.tanh(x["a"] @ h), [x["a"] @ w * scale, np.float32(3), constant, x["b"][0]]

        first, (second, number, same, passed) = wrap(f)({"a": X, "b": (w,)}, scale=h[0, 0])
        assert (number, same, passed.shape) == (3, constant, (4, 4))
        (np.sum(first**2) + np.sum(second**3) + np.sum(passed)).backward()
        assert w.grad is not None
        found.append(w.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-14)


def test_without_anything_that_requires_grad_it_is_the_call() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return x * 2

    assert tg.checkpoint(f)(3.0) == 6.0
    assert tg.checkpoint(f)(tg.Tensor(3.0)).item() == 6.0
    with tg.no_grad():
        assert tg.checkpoint(f)(tg.Tensor(3.0, requires_grad=True)).requires_grad is False
    tg.checkpoint(f)(tg.Tensor(3.0, requires_grad=True)).backward()
    assert len(calls) == 5  # once more for the one backward
    with pytest.raises(TypeError, match=r"tg\.checkpoint takes a function, not 3"):
        tg.checkpoint(3)  # type: ignore[arg-type]


def test_draws_are_the_same_and_the_generator_goes_on() -> None:
    w = tg.Tensor(W, requires_grad=True)
    found = []
    for wrap in (tg.checkpoint, lambda f: f):
        rng, w.grad = np.random.default_rng(2), None

        def f(x: Any, g: Any) -> Any:
            noise = tg.random.normal(x.shape, generator=g, dtype=np.float64)
            return np.tanh(x @ w) * noise

        y: Any = X
        for _ in range(3):
            y = wrap(wrap(f))(y, rng)
        np.sum(y * tg.random.uniform(X.shape, generator=rng, dtype=np.float64)).backward()
        assert w.grad is not None
        found.append((w.grad.numpy(), rng.random()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-14)
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("how", ["draws", "closure", "graph"])
def test_another_result_the_second_time_is_an_error(how: str) -> None:
    rng = np.random.default_rng(0)
    state: dict[str, Any] = {"x": tg.Tensor(X), "w": tg.Tensor(W, requires_grad=True)}

    def f(w: Any) -> Any:
        noise = rng.random() if how == "draws" else 1.0
        return np.tanh(state["x"] @ w) @ state["w"] * noise

    out = np.sum(tg.checkpoint(f)(tg.Tensor(W, requires_grad=True)))
    if how == "closure":
        state["x"] = tg.Tensor(X * 2)
    if how == "graph":
        state["w"] = tg.Tensor(W, requires_grad=True)
    with pytest.raises(StaleValueError, match=r"f returned another result when tg\.checkpoint"):
        out.backward()


def test_an_overwritten_argument_is_an_error() -> None:
    w = tg.Tensor(W, requires_grad=True)
    out = KEPT(w)
    with tg.no_grad():
        w[0, 0] = 7.0
    with pytest.raises(StaleValueError, match="returned another result"):
        out.backward()


def test_two_threads_may_go_back_through_one_graph() -> None:
    w = tg.Tensor(W, requires_grad=True)
    _, pullback = tg.vjp(lambda w: tg.checkpoint(layer)(X, w), w.numpy())
    seeds = [np.full(X.shape, 1.0 + k) for k in range(8)]
    found: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda k=k: found.update({k: pullback(seeds[k])[0]}))
               for k in range(8)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_allclose(found[k], found[0] * (1 + k), rtol=1e-12)


def test_fifty_layers_take_a_third_of_the_memory_at_most() -> None:
    weights = [tg.Tensor(W, requires_grad=True) for _ in range(50)]
    images = np.ones((500, 4))

    def peak(one: Callable[..., Any]) -> int:
        tracemalloc.start()
        y: Any = tg.Tensor(images)
        for w in weights:
            y = one(y, w)
        np.sum(y).backward()
        del y
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert 3 * peak(tg.checkpoint(layer)) < peak(layer)


def test_stop_gradient() -> None:
    assert tg.grad(lambda x: x * tg.stop_gradient(x))(3.0) == 3.0
    assert tg.stop_gradient(3.0) == 3.0
    x = tg.Tensor(W, requires_grad=True)
    nest = tg.stop_gradient({"a": [x, X, 2], "b": (x * 1,)})
    assert [getattr(leaf, "requires_grad", None) for leaf in leaves(nest)] == [
        False, None, None, False]  # fmt: skip
    assert nest["a"][1] is X
    assert tg.vmap(tg.grad(lambda x: x * tg.stop_gradient(x)))(np.arange(3.0)).tolist() == [0, 1, 2]


def test_operations_with_several_results() -> None:
    w = tg.Tensor(W, requires_grad=True)
    found = []
    for wrap in (tg.checkpoint, lambda f: f):
        w.grad = None
        outside = np.linalg.svd(w * 1)

        def f(x: Any, s: Any = outside) -> Any:
            return np.sum(s.S * x) + np.sum(s.Vh**3), np.linalg.slogdet(x), np.modf(x)

        total, (sign, size), (rest, _) = wrap(f)(w + 2)
        (total + size + sign + np.sum(rest**2)).backward()
        assert w.grad is not None
        found.append(w.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-13)
