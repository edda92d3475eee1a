"""The functions of networks on arrays that the table of cases does not have."""

from typing import Any

import numpy as np
import pytest

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


SIDES = [(32, 784, 128), (64, 400, 120), (61, 300, 100), (64, 785, 128), (128, 512, 10)]


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("sides", SIDES)
def test_products_in_pieces_are_those_of_blas(sides: tuple[int, int, int], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    rows, depth, columns = sides
    x = rng.standard_normal((rows, depth)).astype(dtype)
    y = rng.standard_normal((depth, columns)).astype(dtype)
    right, divided = x.astype("g") @ y.astype("g"), 0
    for orders in ("CC", "CF", "FC", "FF"):
        a, b = (np.asarray(v, order=o) for v, o in zip((x, y), orders, strict=True))
        out = np.empty((rows, columns), dtype)
        found = neural.row_product(a, b)
        assert neural.row_product(a, b, out=out) is out
        np.testing.assert_array_equal(found, out)
        assert found.flags.c_contiguous
        assert np.abs(found - right).max() <= 20 * np.finfo(dtype).eps * np.abs(right).max()
        divided += neural.in_pieces(a, b, None) is not None
    assert divided >= 2
