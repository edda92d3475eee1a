"""Axes, counts and shapes as lists or arrays, under every transform, replayed and not."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each

X = np.arange(6.0).reshape(2, 3) + 1
BATCH = np.stack([X, X + 1])
LISTS: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: np.transpose(x, [1, 0]),
    "flip": lambda x: np.flip(x, [0, 1]),
    "roll": lambda x: np.roll(x, [1, 2], [0, 1]),
    "tile": lambda x: np.tile(x, [2, 1]),
    "pad": lambda x: np.pad(x, [[1, 1], [0, 0]]),
    "repeat": lambda x: np.repeat(x, [1, 2], axis=0),
    "expand_dims": lambda x: np.expand_dims(x, [0, 1]),  # type: ignore[arg-type]
    "take": lambda x: np.take(x, [1, 1, 0], axis=1),
    "tensordot": lambda x: np.tensordot(x, x, [[1], [1]]),  # type: ignore[list-item]
    "moveaxis": lambda x: np.moveaxis(x, [0], [1]),
    "reshape": lambda x: np.reshape(x, [3, 2]),
    "delete": lambda x: np.delete(x, [0], 1),
    "split": lambda x: np.split(x, [1, 2], 1)[1],
    "rot90": lambda x: np.rot90(x, 1, [0, 1]),  # type: ignore[arg-type]
    "insert": lambda x: np.insert(x, [1], 0.0, axis=1),
    "broadcast_to": lambda x: np.broadcast_to(x, [4, 2, 3]),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, 1),
}


@for_each(LISTS)
def test_lists_are_what_they_are_to_numpy(name: str) -> None:
    def f(x: Any) -> Any:
        return np.sum(LISTS[name](x) ** 2 * 1.5)

    assert f(tg.Tensor(X, requires_grad=True)).item() == f(X)
    tg.gradcheck(f, X)
    expected = np.stack([tg.hessian(f)(x) for x in BATCH])
    np.testing.assert_allclose(tg.vmap(tg.hessian(f))(BATCH), expected, rtol=1e-13)
    product = tg.vmap(lambda x: tg.hvp(f, x, X))
    replayed = tg.replay(product)
    for _ in range(3):
        np.testing.assert_array_equal(replayed(BATCH), product(BATCH))
    products = np.tensordot(expected, X)
    np.testing.assert_allclose(replayed(BATCH), products, rtol=1e-13, atol=1e-12)


A: Any = np.array
ARRAYS: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: np.transpose(x, A([1, 0])),
    "flip": lambda x: np.flip(x, A([0, 1])),
    "roll": lambda x: np.roll(x, A([1, 2]), A([0, 1])),
    "tile": lambda x: np.tile(x, A([2, 1])),
    "tile once": lambda x: np.tile(x, A(2)),
    "repeat": lambda x: np.repeat(x, A([1, 2, 0, 1, 1, 2])),
    "repeat method": lambda x: x.repeat(A([1, 2]), 0),
    "expand_dims": lambda x: np.expand_dims(x, [np.int64(0), np.int64(1)]),
    "moveaxis": lambda x: np.moveaxis(x, A([0]), A([1])),
    "rot90": lambda x: np.rot90(x, A(1), A([0, 1])),
    "split": lambda x: np.split(x, A(3), 1)[1],
    "fft": lambda x: np.real(np.fft.fft(x, A(4), A(0))),
    "trace": lambda x: np.trace(x, A(1)),
    "std": lambda x: np.std(x, axis=A(1), ddof=A(1)),
    "max": lambda x: np.max(x, axis=A(1), initial=A(3)),
}  # fmt: skip


@for_each(ARRAYS)
def test_arrays_are_what_they_are_to_numpy(name: str) -> None:
    def f(x: Any) -> Any:
        return np.sum(ARRAYS[name](x) ** 2 * 1.5)

    product = tg.vmap(lambda x: tg.hvp(f, x, X))
    replayed = tg.replay(product)
    for _ in range(3):
        np.testing.assert_array_equal(replayed(BATCH), product(BATCH))
    np.testing.assert_allclose(product(BATCH), [tg.hvp(f, x, X) for x in BATCH], rtol=1e-13)


def test_a_variable_that_is_used_three_times() -> None:
    found = tg.vmap(tg.grad(lambda x: np.sum(x**2 + x + x)))(X)
    np.testing.assert_array_equal(found, 2 * X + 2)
