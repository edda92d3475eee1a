"""Arrays that say where to cut, how wide to pad, what to take may be plain in a replay, too."""

from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each

ONE = np.array([1])
CALLS: dict[str, tuple[Any, np.ndarray, np.ndarray]] = {
    "split": (lambda t, k: np.split(t, k, axis=1)[1], ONE, np.array([2])),
    "array_split": (lambda t, k: np.array_split(t, k)[1], ONE, np.array([0])),
    "hsplit": (lambda t, k: np.hsplit(t, k)[1], ONE, np.array([2])),
    "vsplit": (lambda t, k: np.vsplit(t, k)[1], ONE, np.array([0])),
    "pad": (np.pad, np.array([[1, 1], [0, 2]]), np.array([[0, 1], [2, 0]])),
    "delete": (lambda t, k: np.delete(t, k, axis=1), ONE, np.array([2])),
    "insert": (lambda t, k: np.insert(t, k, 0.5, axis=1), ONE, np.array([2])),
    "reduceat": (lambda t, k: np.add.reduceat(t, k, axis=1), np.array([0, 2]), np.array([0, 1])),
    "repeat": (lambda t, k: np.repeat(t, k, axis=0), np.array([1, 2]), np.array([2, 1])),
    "reshape": (np.reshape, np.array([3, 2]), np.array([6, 1])),
    "transpose": (np.transpose, np.array([1, 0]), np.array([0, 1])),
    "roll": (lambda t, k: np.roll(t, k, axis=(0, 1)), np.array([1, 1]), np.array([0, 2])),
    "tile": (np.tile, np.array([2, 1]), np.array([1, 3])),
    "take": (lambda t, k: np.take(t, k, axis=1), np.array([0, 2]), np.array([1, 1])),
    "index": (lambda t, k: t[:, k], np.array([0, 2]), np.array([1, 1])),
    "moveaxis": (lambda t, k: np.moveaxis(t, k, k[::-1]), np.array([0, 1]), np.array([1, 0])),
}


@for_each(CALLS)
def test_options_may_be_arrays_and_others_later(name: str) -> None:
    call, first, other = CALLS[name]
    given = first.copy()

    def outside(t: Any) -> Any:
        return np.sum(call(t, given) ** 2 * 0.5)

    def inside(t: Any) -> Any:
        return np.sum(call(t, np.array(first.tolist())) ** 2 * 0.5)

    x = np.arange(6.0).reshape(2, 3) + 1
    replayed, within = tg.replay(tg.grad(outside)), tg.replay(tg.grad(inside))
    for k in range(6):
        given[...] = other if k in (3, 4) else first
        assert np.array_equal(replayed(x + k), tg.grad(outside)(x + k)), f"{name}, call {k}"
        assert np.array_equal(within(x + k), tg.grad(inside)(x + k)), f"{name}, call {k}"
