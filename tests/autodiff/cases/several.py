"""Functions with several results."""

import numpy as np

from .case import between, complex_, empty, real, row, scalar

for x in (between(2, 3), scalar, empty):
    row(np.frexp, x)
    row(np.modf, x)
    row(np.divmod, x, 0.7)
row(np.divmod, real(2, 1), np.array([0.7, -0.9, 1.1]))
square = real(3, 3) + 3 * np.eye(3)
for a in (square, -np.stack([square, square.T]), np.array([[-1.7]]), np.zeros((0, 2, 2))):
    row(np.linalg.slogdet, a)
    row(np.linalg.slogdet, a + 1j * np.ones_like(a))
for fn in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    row(fn, scalar, real(2), real(2, 1, 3), real(2, 3))
    row(fn, complex_(2), real(1, 2, 2))
