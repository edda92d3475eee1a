"""Order statistics: every method, at and between sample points, with NaN and with weights."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import samples
from tinygrad_np.autodiff.rules import statistics

from .case import Const, complex_, positive, real, row, scalar

LINES: list[dict[str, Any]] = [
    {}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (2, 0)},
    {"axis": [1], "keepdims": True},
]  # fmt: skip
gaps = np.zeros((4, 3), bool)
gaps[0, 1] = gaps[2, 1] = gaps[3, 0] = True
METHODS = (*statistics.CONTINUOUS, "lower", "higher", "nearest", "midpoint", "inverted_cdf",
           "averaged_inverted_cdf", "closest_observation")  # fmt: skip
between = Const(np.array([0.0, 0.1, 0.37, 0.5, 0.81, 1.0]))


for fn in (np.median, np.nanmedian):
    for options in LINES:
        row(fn, real(2, 3, 2), **options)
    row(fn, real(5))
    row(fn, scalar)
    row(fn, np.zeros((3, 0)), axis=0)
row(np.median, complex_(4))
for fn, scale in (
    (np.quantile, 1), (np.percentile, 100), (np.nanquantile, 1), (np.nanpercentile, 100),
):  # fmt: skip
    for options in LINES:
        row(fn, real(2, 3, 2), 0.3 * scale, **options)
    row(fn, real(5), np.array([0.13, 0.55]) * scale)
    row(fn, scalar, Const(np.array(0.5 * scale)))
for method in METHODS:
    row(np.quantile, real(5), between, method=method)
    row(np.quantile, real(4, 3), np.array([0.41, 0.68]), axis=0, method=method)
row(np.quantile, real(2, 3), [0.2, 0.6], 1)
row(np.percentile, real(2, 3), 25, axis=1)
for w in (positive(4), np.array([0.5, 0.0, 2.0, 1.0])):
    row(np.quantile, real(4, 3), Const(np.array([0.0, 0.33, 0.9])), axis=0, method="inverted_cdf",
        weights=Const(w))  # fmt: skip
row(np.percentile, real(2, 3), 40.0, method="inverted_cdf", weights=Const(positive(2, 3)))
row(np.nanquantile, real(2, 3, 2), 0.4, axis=(2, 1), method="inverted_cdf",
    weights=Const(positive(2, 3, 2)))  # fmt: skip
row(np.quantile, real(2, 3, 2), 0.4, axis=(2, 0), method="inverted_cdf",
    weights=Const(positive(2, 2)))  # fmt: skip


def missing_quantile(x: Any, q: Any, **options: Any) -> Any:
    return np.nanquantile(np.where(gaps, np.nan, x), q, **options)


def missing_median(x: Any, **options: Any) -> Any:
    return np.nanmedian(np.where(gaps, np.nan, x), **options)


for axis in (None, 0, 1):
    row(missing_median, real(4, 3), axis=axis)
    row(missing_quantile, real(4, 3), np.array([0.17, 0.6]), axis=axis)
    row(missing_quantile, real(4, 3), 0.3, axis=axis, method="weibull", keepdims=True)
row(missing_quantile, real(4, 3), 0.6, axis=0, method="inverted_cdf",
    weights=Const(positive(4, 3)))  # fmt: skip


def numpys_quantile(x: Any, q: Any, weights: Any, axis: Any, method: str, *rest: Any) -> Any:
    fn = np.nanquantile if rest[1:] else np.quantile
    return fn(x, q, axis, method=method, weights=weights, keepdims=rest[0])  # type: ignore[call-overload]


row(samples.quantile, real(2, 3), np.array(0.3), positive(2, 3, seed=1), 1, "inverted_cdf",
    True, _reference=numpys_quantile)  # fmt: skip
row(samples.quantile, real(2, 3), np.array([0.3, 0.8]), None, 0, "hazen", False, True,
    _reference=numpys_quantile)  # fmt: skip
row(samples.middle, real(2, 3), 1, _reference=np.median)
row(np.sort_complex, real(2, 3))
row(np.sort_complex, complex_(4))
