"""Signals: interpolation, slopes, integrals, convolutions, covariances, phases."""

import math
from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import samples

from .case import Const, complex_, positive, real, row, scalar

places, values = np.array([-1.3, -0.2, 0.4, 1.7]), real(4, seed=1)
outside = np.array([[-2.0, -0.9, 0.1], [0.9, 1.2, 2.5]])
row(np.interp, outside, places, values)
row(np.interp, outside, places, values, scalar, np.array(-0.7))
row(np.interp, outside, places, values, left=0.5)
row(np.interp, outside, places, values, right=scalar)
row(np.interp, outside, places, complex_(4))
row(np.interp, outside, np.array([0.3]), np.array([1.1]))
row(np.interp, 0.1, places, values)
row(np.interp, scalar, [-1.0, 2.0, 3.0], [0.5, 0.1, 0.9])
row(np.interp, outside, places, values, period=4.0)
row(np.interp, outside, places[::-1].copy(), values, period=np.array(-2.9))
row(np.interp, np.zeros((0, 2)), places, values)
row(samples.interpolate, outside, places, values, scalar, np.array(-0.7), _reference=np.interp)
row(np.gradient, real(5))
row(np.gradient, real(4), 0.5, edge_order=2)
row(np.gradient, real(3, 2))
row(np.gradient, real(3, 3), scalar, edge_order=2)
row(np.gradient, real(3, 2), np.array([0.1, 0.5, 1.4]), np.array(0.7))
row(np.gradient, real(1, 4), places, axis=1)
row(np.gradient, real(1, 4), places, axis=-1, edge_order=2)
row(np.gradient, real(4, 2), Const(np.array([0, 2, 3, 7])), axis=0)
row(np.gradient, complex_(3), 2)
row(np.gradient, real(2, 1, 2), axis=(2, 0))
row(np.trapezoid, real(5))
row(np.trapezoid, real(2, 4), places)
row(np.trapezoid, real(4, 2), places, axis=0)
row(np.trapezoid, real(2, 3), real(2, 3, seed=2), axis=1)
row(np.trapezoid, complex_(3), dx=scalar)
row(np.trapezoid, real(1, 3), axis=0)
for fn in (np.convolve, np.correlate):
    for m, n in ((5, 2), (2, 5), (4, 4), (1, 3)):
        for mode in ("full", "same", "valid"):
            row(fn, real(m), real(n, seed=1), mode)
    row(fn, real(4), real(3, seed=1))
    row(fn, complex_(4), complex_(3, seed=2), mode="same")
    row(fn, complex_(2), complex_(3, seed=2), "same")
    row(fn, real(3), complex_(2), "full")
row(np.convolve, scalar, real(3))
for mode in ("full", "same", "valid"):
    row(samples.convolved, real(3), real(4, seed=1), mode=mode, _reference=np.convolve)
COVARIANCES: list[dict[str, Any]] = [
    {}, {"rowvar": False}, {"bias": True}, {"ddof": 0}, {"ddof": 2},
]  # fmt: skip
counts = Const(np.array([1, 3, 2, 1]))
for options in COVARIANCES:
    row(np.cov, real(2, 4), **options)
row(np.cov, real(4))
row(np.cov, real(4), real(4, seed=1))
row(np.cov, real(4, 2), real(4, 1, seed=1), rowvar=False)
row(np.cov, complex_(2, 3))
row(np.cov, real(2, 4), dtype=np.float64)
for ddof in (None, 0):
    row(np.cov, real(2, 4), None, True, False, ddof, counts, positive(4))
row(np.cov, real(2, 4), fweights=counts)
row(np.cov, real(4), aweights=positive(4))
row(samples.sample_weights, positive(3), 3, False, _reference=lambda w, *_: w)
row(np.corrcoef, real(2, 4))
row(np.corrcoef, real(4, 2), rowvar=False)
row(np.corrcoef, real(4), real(4, seed=1))
row(np.corrcoef, complex_(2, 3))
phases = np.array([[0.1, 3.0, -3.0, 2.9], [5.0, 0.2, 6.1, 12.9]])
row(np.unwrap, phases)
row(np.unwrap, phases, axis=0)
row(np.unwrap, phases, 4.0)
row(np.unwrap, phases, period=np.array(2.2))
row(np.diff, real(3), prepend=scalar, append=real(2, seed=1))
row(np.diff, real(2, 3), 2, 0, real(1, 3, seed=1))
row(np.diff, real(2, 3), 1, 1, 0.5, real(2, 1, seed=1))
row(np.ediff1d, real(2, 3))
row(np.ediff1d, real(4), real(2, seed=1), scalar)
row(np.ediff1d, real(1), to_begin=real(1, 2, seed=1))
row(np.i0, real(2, 3))
row(np.i0, np.array([9.0]))
row(np.i0, np.array([0.0, 1e-9, -5.0]))


def bessel_series(x: Any, n: int) -> Any:
    """The power series."""
    term = (x / 2) ** n / math.factorial(n)
    total = term
    for k in range(1, 40):
        term = term * (x / 2) ** 2 / (k * (k + n))
        total = total + term
    return total


for n in range(4):
    row(samples.bessel, np.array([0.0, -0.7, 4.0]), n, _reference=bessel_series)
