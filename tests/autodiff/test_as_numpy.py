"""Calls that Tensors answer as NumPy's arrays do: with the same values, or with an error too."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

V = np.array([1.0, 2.0, 3.0])
Z = np.array([complex(np.inf, 1), complex(-np.inf, 1), 4 + 0j])
HOLED = np.array([1.0, np.nan, 0.0, 2.0])
CALLS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "norm of order 0": (lambda x: np.linalg.norm(x, 0), HOLED),
    "vector_norm of order 0": (lambda x: np.linalg.vector_norm(x, ord=0), HOLED),
    "complex root": (lambda x: x**0.5, Z),
    "select by numbers": (lambda x: np.select([x], [x]), V),
    "add.accumulate": (np.add.accumulate, np.array(2.5)),
    "multiply.accumulate": (np.multiply.accumulate, np.array(2.5)),
    "add.reduceat of none": (lambda x: np.add.reduceat(x, []), V),
    "maximum.reduceat of none": (lambda x: np.maximum.reduceat(x, [], 1), np.ones((2, 3))),
    "clip below": (lambda x: x.clip(2), V),
    "clip above": (lambda x: x.clip(max=2), V),
    "clip both": (lambda x: x.clip(1.5, 2), V),
    "equal to a word": (lambda x: x == "a", V),
    "unequal to a word": (lambda x: x != "a", V),
    "a word in it": (lambda x: "a" in x, V),
}


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name: str, requires_grad: bool) -> None:
    call, x = CALLS[name]
    t = tg.Tensor(x, requires_grad=requires_grad)
    with np.errstate(all="ignore"):
        try:
            expected = call(x)
        except Exception as error:
            with pytest.raises(type(error)):
                call(t)
            return
        found = call(t)
    value = found.numpy() if isinstance(found, tg.Tensor) else found
    np.testing.assert_array_equal(value, expected)
    assert np.shape(value) == np.shape(expected)


SHUFFLES: dict[str, Callable[[Any], Any]] = {
    "Generator": np.random.default_rng(0).shuffle,
    "RandomState": np.random.RandomState(0).shuffle,
    "random": random.Random(0).shuffle,
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_shuffles_of_rows_are_refused_and_those_of_numbers_work(name: str) -> None:
    t, row = tg.Tensor(np.arange(12.0).reshape(4, 3)), tg.Tensor(np.arange(6.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own, of what is no Sequence
        with pytest.raises(tg.TapeError, match=r"swaps rows.*rng\.permutation"):
            SHUFFLES[name](t)
        SHUFFLES[name](row)
    assert t.tolist() == np.arange(12.0).reshape(4, 3).tolist()
    assert sorted(row.tolist()) == list(range(6))
    t[0], t[2:4] = t[1], t[0:2].copy()  # written as statements, they mean what NumPy means
    assert t[0].tolist() == [3.0, 4.0, 5.0]
