"""The functions of networks on arrays that the table of cases does not have."""

import numpy as np

import tinygrad_np as tg
from tinygrad_np.autodiff.primitives import neural


class Foreign(np.ndarray):
    """An array of another library, as far as these functions can tell."""


def test_ones_are_of_the_library_that_the_array_is_of() -> None:
    ones = neural.ones_for(np.zeros((3, 2), np.float32).view(Foreign), 3)
    assert isinstance(ones, Foreign)
    assert ones.dtype == np.float32
    assert ones.tolist() == [1.0, 1.0, 1.0]


def test_relu_of_large_arrays_in_every_order_is_that_of_small_ones() -> None:
    """Beyond ``LARGE`` its mask stays in bytes, and a replay compares with a few zeros."""
    x = np.random.default_rng(0).standard_normal((7, 5, 91, 90)).astype(np.float32)
    x[0, 0, 0, :3] = 0, np.nan, -np.inf
    for laid in (x, x.transpose(2, 1, 3, 0)):
        step = tg.replay(tg.value_and_grad(lambda x: np.sum(tg.nn.functional.relu(x) * 3)))
        for _ in range(3):
            _, found = step(laid)
            np.testing.assert_array_equal(found, np.where(laid > 0, np.float32(3), 0))
    out = tg.replay(tg.nn.functional.relu)
    for _ in range(3):
        np.testing.assert_array_equal(
            out(x.transpose(2, 1, 3, 0)), np.maximum(x, 0).transpose(2, 1, 3, 0)
        )
