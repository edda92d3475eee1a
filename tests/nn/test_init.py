"""Initial weights: fans, bounds, variances, seeds."""

from typing import Any

import numpy as np
import pytest

from tinygrad_np.nn import init

SHAPES = [(200, 300), (300, 200), (64, 32, 5, 5)]


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((10, 784), (784, 10)), ((8, 3, 5, 5), (75, 200)), ((4, 2, 3), (6, 12)), ((1, 1), (1, 1))],
)
def test_fans(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert init.fans(shape) == fans


@pytest.mark.parametrize("shape", [(), (3,)])
def test_fans_of_what_is_no_weight(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least two axes"):
        init.fans(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (init.xavier_uniform, lambda i, o: 2 / (i + o)),
        (init.xavier_normal, lambda i, o: 2 / (i + o)),
        (init.he_uniform, lambda i, o: 2 / i + 0 * o),
        (init.he_normal, lambda i, o: 2 / i + 0 * o),
    ],
)
@pytest.mark.parametrize("gain", [None, 3.0])
def test_variance_mean_and_bounds(draw: Any, variance: Any, shape: Any, gain: Any) -> None:
    values = draw(shape, 0, dtype=np.float64, **({} if gain is None else {"gain": gain}))
    expected = variance(*init.fans(shape))
    if gain is not None:
        expected *= gain**2 / (2 if draw in (init.he_uniform, init.he_normal) else 1)
    n = values.size
    normal = draw in (init.xavier_normal, init.he_normal)
    kurtosis = 3.0 if normal else 1.8
    spread = np.sqrt((kurtosis - 1) / n)  # the standard error of a variance, relative to it
    assert values.var() == pytest.approx(expected, rel=5 * spread)
    assert abs(values.mean()) <= 5 * np.sqrt(expected / n)
    if not normal:
        bound = np.sqrt(3 * expected)
        assert bound * 0.999 <= np.abs(values).max() <= bound


@pytest.mark.parametrize(
    "draw",
    [
        init.xavier_uniform,
        init.xavier_normal,
        init.he_uniform,
        init.he_normal,
        lambda shape, seed=None, dtype=np.float32: init.uniform(shape, 0.5, seed, dtype),
        lambda shape, seed=None, dtype=np.float32: init.normal(shape, 0.5, seed, dtype),
    ],
)
def test_seeds_and_dtypes(draw: Any) -> None:
    a, b, c = (draw((4, 5), seed) for seed in (7, np.random.default_rng(7), 8))
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    wide = draw((4, 5), 7, dtype=np.float64)
    assert wide.dtype == np.float64
    np.testing.assert_allclose(a, wide, rtol=1e-6)
    assert not np.array_equal(draw((4, 5)), draw((4, 5)))


def test_uniform_and_zeros() -> None:
    values = init.uniform((100, 100), 0.25, 0)
    assert 0.249 < np.abs(values).max() <= 0.25
    zeros = init.zeros((2, 3), dtype=np.float64)
    np.testing.assert_array_equal(zeros, np.zeros((2, 3)))
    assert zeros.dtype == np.float64
