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


def test_numbers_in_place_of_what_is_none() -> None:
    inf, nan = np.inf, np.nan
    for x in ([nan, 1.0, inf, -inf, nan], [complex(nan, inf), complex(-inf, nan), 1 + 2j]):
        given, weights = tg.Tensor(x), np.arange(1.0, len(x) + 1) * (1 + 2j * np.iscomplexobj(x))

        def total(*fills: Any, given: Any = given, weights: Any = weights) -> Any:
            numbers = dict(zip(("nan", "posinf", "neginf"), fills, strict=True))
            return np.sum(np.real(np.nan_to_num(given, **numbers) * weights))

        fills = [np.array(0.5), np.array(2.0), np.array(-3.0)]
        found = tg.grad(lambda fills: total(*fills))([tg.Tensor(f) for f in fills])
        for k, slope in enumerate(found):
            moved = [f + 1e-6 * (i == k) for i, f in enumerate(fills)]
            difference = float(total(*moved) - total(*fills)) / 1e-6
            assert np.isclose(float(slope), difference, rtol=1e-6)
    with pytest.raises(ValueError, match=r"x of shape \(3,\) cannot hold values of \(2, 3\)"):
        np.nan_to_num(tg.Tensor(np.ones(3)), nan=tg.Tensor(np.ones((2, 3))))


def test_what_scipy_has_of_real_numbers_only() -> None:
    special = pytest.importorskip("scipy.special")
    with pytest.raises(tg.TapeError, match="give real numbers"):
        tg.grad(lambda z: np.real(special.psi(z)))(np.array(1 + 2j))
