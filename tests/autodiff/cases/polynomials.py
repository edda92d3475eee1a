"""Polynomials: values, arithmetic, derivatives, integrals, roots, fits."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import samples

from .case import Const, complex_, positive, real, row, scalar

spaced = np.array([-1.2, -0.1, 0.6, 1.5])
row(np.polyval, real(4), real(2, 3, seed=1))
row(np.polyval, [0.5, -1.0, 2.0], real(2))
row(np.polyval, real(3), 0.7)
row(np.polyval, complex_(3), complex_(2, seed=2))
row(np.polyval, real(0), real(2))
for fn in (np.polyadd, np.polysub):
    for m, n in ((3, 3), (2, 4), (4, 1)):
        row(fn, real(m), real(n, seed=1))
    row(fn, real(2), 1.5)
    row(fn, [1.0, 2.0, 3.0], complex_(2))
row(np.polymul, real(3), real(2, seed=1))
row(np.polymul, real(2), [0.0, 0.0, 1.0, -2.0])
row(np.polymul, complex_(2), scalar)
row(np.polymul, real(2), [0.0, 0.0])
row(np.polydiv, real(4), real(2, seed=1))
row(np.polydiv, real(2), real(3, seed=1))
row(np.polydiv, complex_(3), real(2, seed=1))
row(np.polydiv, np.array([1.0, 5.0, 6.0]), [1.0, 2.0], _order=1)
for k in (0, 1, 2, 5):
    row(np.polyder, real(4), k)
row(np.polyint, real(3))
row(np.polyint, real(3), 2, scalar)
row(np.polyint, real(3), 2, real(2, seed=1))
row(np.polyint, complex_(2), m=2, k=[0.5, 1.0])
row(np.polyint, real(3), 0)
for n in (None, 0, 1, 4):
    row(np.vander, real(3), n)
row(np.vander, np.array([0.0, 1.2]), increasing=True)
row(np.vander, complex_(2), 3)


def trimmed(x: Any, trim: str) -> Any:
    """What is left of a row or a matrix with zeros around it."""
    return np.trim_zeros(np.pad(x, 2), trim)


row(np.trim_zeros, real(3))
for trim in ("fb", "f", "b"):
    row(trimmed, real(3), trim)
for p in (real(4), real(2), np.array([1.0, -3.0, 2.0]), complex_(3)):
    row(np.roots, p)
row(samples.roots_of, real(4), _reference=np.roots)
row(np.poly, real(3))
row(np.poly, np.array([0.5 + 1j, 0.5 - 1j, 2.0]), _order=1)
row(np.poly, complex_(2))
row(np.poly, real(3, 3))
row(np.poly, np.diag([1.5, 1.5, 0.5]))
row(np.poly, complex_(2, 2))
row(samples.characteristic, real(2, 2), _reference=np.poly)
row(samples.full_rank, real(2), np.array(2), 2, _reference=lambda x, *_: x)
for deg in (0, 1, 3):
    row(np.polyfit, spaced, real(4), deg)
row(np.polyfit, spaced, real(4, 2), 2)
row(np.polyfit, spaced, real(4), 2, w=positive(4, seed=1))
row(np.polyfit, spaced, real(4, 2), 1, w=Const(positive(4, seed=1)), cov=True)
row(np.polyfit, spaced, real(4), 1, cov="unscaled")
row(np.polyfit, spaced, complex_(4), 1)
