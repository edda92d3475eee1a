"""Networks."""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import (
    elementwise,
    neural,
)

from .case import (
    Const,
    complex_,
    real,
    row,
)


def exact_softmax(x: Any, axis: int = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


row(neural.relu, real(2, 3), _reference=lambda x: np.maximum(x, 0))
row(neural.leaky_relu, real(2, 3), _reference=lambda x: np.where(x > 0, x, 0.01 * x))
row(neural.leaky_relu, real(3), 0.3, _reference=lambda x, s: np.where(x > 0, x, s * x))
row(
    neural.leaky_relu, real(3), slope=0.3, _reference=lambda x, slope: np.where(x > 0, x, slope * x)
)
row(elementwise.sigmoid, real(2, 3), _reference=lambda x: 1 / (1 + np.exp(-x)))
for options in ({}, {"axis": 0}, {"axis": 1}):
    row(neural.logsumexp, real(2, 3), **options, _reference=lambda x, axis=-1: np.log(
        np.sum(np.exp(x), axis=axis, keepdims=True)))  # fmt: skip
    row(neural.softmax, real(2, 3), **options, _reference=exact_softmax)
    row(neural.log_softmax, real(2, 3), **options,
        _reference=lambda x, axis=-1: np.log(exact_softmax(x, axis)))  # fmt: skip
row(neural.cross_entropy, real(2, 3), np.array([2, 0]), _reference=lambda x, labels: -np.mean(
    np.log(exact_softmax(x))[np.arange(len(labels)), labels]))  # fmt: skip
targets = np.linspace(0.05, 0.95, 6).reshape(2, 3)
row(neural.in_unit_interval, targets, "loss", "target", _reference=lambda t, *_: t)
row(neural.binary_cross_entropy, real(2, 3), targets, _reference=lambda x, t: np.mean(
    t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))))  # fmt: skip
row(neural.binary_cross_entropy, real(2, 3), Const(targets), _reference=lambda x, t: np.mean(
    t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))))  # fmt: skip
row(neural.binary_cross_entropy_slope, real(2, 3), targets,
    _reference=lambda x, t: 1 / (1 + np.exp(-x)) - t)  # fmt: skip
row(
    neural.cross_entropy_slope,
    real(2, 3),
    np.array([2, 0]),
    _reference=lambda x, labels: (exact_softmax(x) - np.eye(3)[labels]) / 2,
)
for shape in ((2, 3), (3,), (2, 1, 3)):
    row(neural.linear, real(*shape), real(4, 3, seed=1), real(4, seed=2),
        _reference=lambda x, w, b: x @ w.T + b)  # fmt: skip
row(neural.linear, Const(real(2, 3)), real(4, 3, seed=1), real(4, seed=2),
    _reference=lambda x, w, b: x @ w.T + b)  # fmt: skip


def standard(x: Any, axis: Any = 0, eps: float = 1e-5) -> Any:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


for options in ({}, {"axis": 1}, {"axis": 0, "eps": 0.3}, {"axis": 1, "eps": 0.3}):
    row(neural.standardise, real(4, 3), **options, _reference=standard)
row(neural.standardise, real(2, 3, 2), axis=(0, 2), eps=0.3, _reference=standard)


def placed(g: Any, labels: Any, classes: int) -> Any:
    return np.eye(classes)[labels] * np.expand_dims(g, 1)


labels = np.array([2, 0, 2, 1])
for n in (4, 0):
    row(neural.row_product, real(n, 3), real(3, 2, seed=1), _reference=np.matmul)
    row(neural.row_contraction, real(n, 3), real(n, 2, seed=1), _reference=lambda x, y: x.T @ y)
    row(neural.row_sum, real(n, 3), _reference=lambda x: np.sum(x, axis=0))
    row(neural.line_sums, real(n, 3), _reference=lambda x: np.sum(x, axis=1))
row(neural.row_product, complex_(2, 3), complex_(3, 2, seed=2), _reference=np.matmul)
row(neural.row_contraction, complex_(2, 3), real(2, 2), _reference=lambda x, y: x.T @ y)
row(neural.row_sum, real(4), _reference=np.sum)
row(neural.line_max, real(4, 3), _reference=lambda x: np.max(x, axis=1, keepdims=True))
row(neural.line_max, real(2, 66), _reference=lambda x: np.max(x, axis=1, keepdims=True))
row(neural.line_max, np.array([[1.0, 1.0, 0.4], [0.3, 0.8, 0.8]]), _order=1,
    _reference=lambda x: np.max(x, axis=1, keepdims=True))  # fmt: skip
for shape in ((4, 3), (5,), ()):
    row(neural.mse_loss, real(*shape), _reference=lambda x: np.mean(x * x))
row(neural.pick, real(4, 3), labels,
    _reference=lambda x, y: np.take_along_axis(x, y[:, None], 1)[:, 0])  # fmt: skip
row(neural.place, real(4), labels, 3, _reference=placed)
row(neural.less_one_hot, real(4, 3), labels, _reference=lambda p, y: p - np.eye(3)[y])


def tall(x: Any) -> Any:
    """More rows than are summed at once."""
    return np.tile(x, (neural.BLOCK_ROWS, 1))


def tall_product(x: Any, w: Any) -> Any:
    return np.sum(neural.row_product(tall(x), w), axis=0)


def tall_contraction(x: Any, y: Any) -> Any:
    return neural.row_contraction(tall(x), tall(y))


def tall_sums(x: Any) -> Any:
    return [neural.row_sum(tall(x)), np.sum(np.square(neural.line_sums(tall(x))))]


row(tall_product, real(3, 2), real(2, 2, seed=1), _reference=lambda x, w: (tall(x) @ w).sum(0))
row(tall_contraction, real(3, 2), real(3, 1, seed=1),
    _reference=lambda x, y: tall(x).T @ tall(y))  # fmt: skip
row(tall_sums, real(3, 2),
    _reference=lambda x: [tall(x).sum(0), np.sum(tall(x).sum(1) ** 2)])  # fmt: skip
