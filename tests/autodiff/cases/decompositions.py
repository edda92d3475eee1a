"""Factors of matrices, and what depends on no choice of a basis or phase where they are complex."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff import primitives

from .case import Const, complex_, real, row

square = real(3, 3) + np.diag([3.0, 1.5, 4.5])
tall, wide = real(4, 2), real(2, 3, seed=2)
mixed = square + 1j * real(3, 3, seed=1)
positive = square @ square.T + np.eye(3)
hermitian = mixed @ mixed.conj().T + np.eye(3)
pair = np.stack([positive, 0.5 * positive + np.diag([1.0, 3.0, 2.0])])


def adjoint(x: Any) -> Any:
    return np.conjugate(np.swapaxes(x, -1, -2))


def spectral_function(a: Any) -> Any:
    """v f(w) vᴴ of eigenvalues w and eigenvectors v."""
    w, v = np.linalg.eigh(a)
    return np.matmul(v * np.expand_dims(np.sqrt(w), -2), adjoint(v))


def projectors(a: Any) -> Any:
    """What two eigenvectors say of themselves, whatever their phase."""
    v = np.linalg.eigh(a, "U")[1]
    return np.matmul(v[..., :, :2], adjoint(v[..., :, :2]))


def polar(a: Any) -> Any:
    """The nearest matrix with orthonormal columns or rows."""
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return np.matmul(u, vh)


def complements(a: Any) -> Any:
    """Projectors to what lies outside the spaces of columns and of rows, from full matrices."""
    u, s, vh = np.linalg.svd(a)
    k = s.shape[-1]
    left, right = u[..., :, k:], adjoint(vh[..., k:, :])
    return [np.matmul(left, adjoint(left)), np.matmul(right, adjoint(right))]


def leading(a: Any) -> Any:
    """The projectors to the first singular vectors."""
    u, _, vh = np.linalg.svd(a)
    return [
        np.matmul(u[..., :, :1], adjoint(u[..., :, :1])),
        np.matmul(adjoint(vh[..., :1, :]), vh[..., :1, :]),
    ]


def outside_of_columns(a: Any) -> Any:
    """The projector to what ``q`` has beyond the columns of ``a``."""
    q = np.linalg.qr(a, "complete")[0]
    rest = q[..., :, np.shape(a)[-1] :]
    return np.matmul(rest, adjoint(rest))


for a in (positive, hermitian, pair, np.array([[1.7]]), np.zeros((0, 0))):
    row(np.linalg.cholesky, a)
row(np.linalg.cholesky, positive, upper=True)
row(np.linalg.cholesky, hermitian, upper=True)

for uplo in ("L", "U"):
    row(np.linalg.eigh, square, uplo)
    row(np.linalg.eigvalsh, mixed, uplo)
row(np.linalg.eigh, pair)
row(np.linalg.eigh, np.zeros((0, 0)))
row(np.linalg.eigvalsh, pair)
for a in (positive, hermitian, pair):
    row(spectral_function, a)
for a in (square, mixed):
    row(projectors, a)

turning = np.array([[0.5, -1.3, 0.2], [1.1, 0.7, -0.4], [0.3, 0.6, -1.2]])  # a complex pair
for a in (square, turning, mixed, np.stack([turning, square]), np.array([[1.7]])):
    row(np.linalg.eig, a)
    row(np.linalg.eigvals, a)
row(np.linalg.eig, np.zeros((0, 0)))

for a in (square, tall, wide, np.stack([wide, 2 * wide[::-1]])):
    row(np.linalg.svd, a, full_matrices=False)
    row(np.linalg.svdvals, a)
row(np.linalg.svd, square)
row(np.linalg.svd, complex_(2, 3), compute_uv=False)
row(np.linalg.svd, square, hermitian=True)
row(np.linalg.svd, mixed, compute_uv=False, hermitian=True)
row(np.linalg.svdvals, np.zeros((0, 2)))
for at in (tall, complex_(4, 2)):
    row(primitives.rebuilt, at, real(1, 2), real(2, 3), Const(np.zeros((2, 2), bool)), False)
row(primitives.decomposed, tall, _reference=lambda a: np.linalg.svd(a, False))
for a in (square, mixed, complex_(3, 2), wide):
    row(polar, a)
for a in (tall, wide, complex_(3, 1)):
    row(complements, a)
    row(leading, a)

for a in (square, tall, wide, mixed, complex_(3, 2), complex_(2, 3), pair):
    row(np.linalg.qr, a)
row(np.linalg.qr, wide, "complete")
row(np.linalg.qr, tall, "r")
row(np.linalg.qr, np.zeros((0, 2)))
for a in (square, tall, wide, complex_(3, 2), complex_(2, 2), pair):
    row(np.linalg.qr, a[None], "raw")
row(primitives.orthogonalised, tall, _reference=np.linalg.qr)
row(outside_of_columns, tall)
row(outside_of_columns, complex_(3, 1))

for a in (square, tall, wide, complex_(2, 3), np.stack([wide, 2 * wide[::-1]])):
    row(np.linalg.pinv, a)
row(np.linalg.pinv, mixed, hermitian=True)
row(np.linalg.pinv, square, 0.4)
row(np.linalg.pinv, np.stack([tall, tall + 1]), np.array([0.6, 0.01]))
row(np.linalg.pinv, complex_(2, 3), rtol=0.5)
row(np.linalg.pinv, np.zeros((0, 2)))

for a, b in [
    (square, real(3)),
    (tall, real(4)),
    (tall, real(4, 2)),
    (wide, real(2, 2)),
    (complex_(3, 2), complex_(3)),
]:
    row(np.linalg.lstsq, a, b)
row(np.linalg.lstsq, square, real(3), 0.4)
row(np.linalg.lstsq, Const(tall), real(4))
row(np.linalg.lstsq, tall, Const(real(4)), rcond=-1)
