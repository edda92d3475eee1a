"""The rows of docs/conventions.md as code: f, the point, the gradient of the sum of f there."""

import ast
import re
from collections.abc import Callable
from math import inf, log, nan
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_np.autodiff.primitives import replace_at, split_index
from tinygrad_np.autodiff.primitives.neural import leaky_relu, linear, logsumexp, relu, softmax
from tinygrad_np.nn.functional import binary_cross_entropy, conv2d, max_pool2d

Row = tuple[Callable[[Any], Any], Any, Any]


def written(t: Any, index: Any, value: Any) -> Any:
    """``t`` with ``t[index] = value``, out of place."""
    layout, arrays = split_index(index)
    return replace_at(t, value, layout, *arrays)


ROWS: list[Row] = [
    (lambda t: relu(t), [0, -1, 2], [0, 0, 1]),
    (lambda t: np.maximum(t, 0), [0, -1, 2], [0.5, 0, 1]),
    (lambda t: leaky_relu(t, 0.1), [0, -1, 2], [0.1, 0.1, 1]),
    (lambda t: np.abs(t), [0, -2, 2], [0, -1, 1]),
    (lambda t: np.fabs(t), [0, -2, 2], [0, -1, 1]),
    (lambda t: np.sqrt(t), [0, 4], [0, 0.25]),
    (lambda t: np.cbrt(t), [0, 8], [0, 1/12]),
    (lambda t: t ** 0.5, [0, 4], [0, 0.25]),
    (lambda t: t ** np.array(0.5), [0, 4], [0, 0.25]),
    (lambda t: t ** 0, [0, 3], [0, 0]),
    (lambda t: t ** 1, [0, 3], [1, 1]),
    (lambda t: t ** 2, [0, 3], [0, 6]),
    (lambda t: 0.0 ** t, [0, 2], [0, 0]),
    (lambda t: np.power(np.array([0.0, 2.0]), t), [2, 1], [0, 2*log(2)]),
    (lambda t: np.linalg.norm(t), [0, 0], [0, 0]),
    (lambda t: np.linalg.norm(t, 3), [0, 0], [0, 0]),
    (lambda t: np.linalg.norm(t, 1), [0, -1], [0, -1]),
    (lambda t: np.linalg.norm(t, -1), [0, 2], [0, 0]),
    (lambda t: np.linalg.norm(t), [inf, 2], [1, 0]),
    (lambda t: np.linalg.norm(t, np.inf), [1, -1], [0.5, -0.5]),
    (lambda t: np.hypot(t, 0), [0, 2], [0, 1]),
    (lambda t: np.std(t), [1, 1, 1], [0, 0, 0]),
    (lambda t: np.std(t), [0.1, 0.1, 0.1], [0, 0, 0]),
    (lambda t: np.arctan2(t, 0 * t), [0, 2], [0, 0]),
    (lambda t: np.angle(t), [0, 2, -2], [0, 0, 0]),
    (lambda t: np.sinc(t), [0], [0]),
    (lambda t: np.sign(t), [0, 2], [0, 0]),
    (lambda t: np.logaddexp(t[0], t[1]), [-inf, -inf], [0.5, 0.5]),
    (lambda t: logsumexp(t), [-inf, -inf], [0.5, 0.5]),
    (lambda t: binary_cross_entropy(t, np.array([1, 0, 0, 1])), [0, 1, 0, 1], [0, 0, 1/4, -1/4]),
    (lambda t: np.hypot(t, 2), [inf, 0], [1, 0]),
    (lambda t: np.arctan2(t, 2), [inf, 0], [0, 0.5]),
    (lambda t: np.floor(t), [1, 1.5], [0, 0]),
    (lambda t: np.modf(t)[0], [0, 1.5, inf], [1, 1, 0]),
    (lambda t: np.frexp(t)[0], [0, 1, 3], [1, 0.5, 0.25]),
    (lambda t: np.ceil(t), [1, 1.5], [0, 0]),
    (lambda t: np.round(t), [0.5, 1.2], [0, 0]),
    (lambda t: np.trunc(t), [1, 1.5], [0, 0]),
    (lambda t: t % 1, [1, 1.5], [1, 1]),
    (lambda t: np.heaviside(t, 0.5), [0, 2], [0, 0]),
    (lambda t: np.clip(t, 0, 1), [0, 1, 0.5, -1, 2], [1, 1, 1, 0, 0]),
    (lambda t: np.interp(t, [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]), [-1, 0, 1, 2, 3], [0, 1, 2, 2, 0]),
    (lambda t: np.quantile(np.array([1.0, 2.0, 4.0]), t), [0, 0.5, 1], [2, 4, 4]),
    (lambda t: np.quantile(np.array([1.0, 2.0, 4.0]), t, method='lower'), [0, 0.3, 1], [0, 0, 0]),
    (lambda t: np.roots(t), [1, 0, 0], [0, 0, 0]),
    (lambda t: np.nan_to_num(t), [nan, inf, 1], [0, 0, 1]),
    (lambda t: np.max(t), [3, 1, 3, 3], [1/3, 0, 1/3, 1/3]),
    (lambda t: max_pool2d(np.reshape(t, (1, 1, 2, 2)), 2), [3, 1, 3, 3], [1/3, 0, 1/3, 1/3]),
    (lambda t: np.min(t), [1, 1, 3], [0.5, 0.5, 0]),
    (lambda t: np.ptp(t), [2, 2], [0, 0]),
    (lambda t: np.maximum(t, np.array([1.0, 0.0])), [1, 1], [0.5, 1]),
    (lambda t: np.minimum(t, np.array([1.0, 0.0])), [1, 1], [0.5, 0]),
    (lambda t: np.maximum(t, t), [1, 2], [1, 1]),
    (lambda t: np.maximum.accumulate(t) * np.array([1, 2, 4]), [2, 2, 2], [10/3, 7/3, 4/3]),
    (lambda t: np.minimum.accumulate(t) * np.array([1, 2, 4]), [2, 2, 3], [4, 3, 0]),
    (lambda t: np.unique(t) * np.array([1, 2]), [2, 2, 1], [2, 0, 1]),
    (lambda t: np.sort(t) * np.array([1, 2, 3]), [5, 5, 0], [2, 3, 1]),
    (lambda t: np.median(t), [5, 5, 0], [1, 0, 0]),
    (lambda t: np.median(t), [nan, 1, 2], [1, 0, 0]),
    (lambda t: np.nanmedian(t), [nan, 1, 2], [0, 0.5, 0.5]),
    (lambda t: np.prod(t), [0, 0, 3], [0, 0, 0]),
    (lambda t: np.prod(t), [0, 2, 3], [6, 0, 0]),
    (lambda t: t[np.array([0, 0, 1])], [1, 2], [2, 1]),
    (lambda t: written(np.zeros(2), np.array([0, 0, 1]), t), [1, 2, 3], [0, 1, 1]),
    (lambda t: np.linalg.det(t), [[1, 2], [2, 4]], [[4, -2], [-2, 1]]),
    (lambda t: np.linalg.det(t), [[0, 0, 0], [0, 0, 0], [0, 0, 3]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    (lambda t: np.linalg.slogdet(t)[1], [[1, 0], [0, 0]], [[0, 0], [0, 0]]),
    (lambda t: np.linalg.cond(t), [[1, 0], [0, 0]], [[0, 0], [0, 0]]),
    (lambda t: np.linalg.cond(t), [[2, 0], [0, 2]], [[0, 0], [0, 0]]),
    (lambda t: np.linalg.cholesky(t)[1], [[4, 2], [2, 5]], [[-1/16, 0], [1/4, 1/4]]),
    (lambda t: np.linalg.eigvalsh(t)[1], [[2, 1], [1, 2]], [[1/2, 0], [1, 1/2]]),
    (lambda t: np.linalg.eigvalsh(t, 'U')[1], [[2, 1], [1, 2]], [[1/2, 1], [0, 1/2]]),
    (lambda t: np.linalg.eigvalsh(t), [[1, 0], [0, 1]], [[1, 0], [0, 1]]),
    (lambda t: np.linalg.eigh(t)[1], [[1, 0], [0, 1]], [[0, 0], [0, 0]]),
    (lambda t: (np.linalg.eigh(t)[1][:, :2] @ np.linalg.eigh(t)[1][:, :2].T)[0], [[1, 0, 0], [0, 1, 0], [0, 0, 2]], [[0, 0, 0], [0, 0, 0], [-1, 0, 0]]),
    (lambda t: np.linalg.eig(t)[1], [[1, 0], [0, 1]], [[0, 0], [0, 0]]),
    (lambda t: (np.linalg.svd(t)[0] @ np.linalg.svd(t)[2])[1], [[3, 0], [0, 3]], [[0, -1/6], [1/6, 0]]),
    (lambda t: np.linalg.svdvals(t), [[2, 0], [0, 0]], [[1, 0], [0, 0]]),
    (lambda t: np.linalg.norm(t, 'nuc'), [[2, 0], [0, 0]], [[1, 0], [0, 0]]),
    (lambda t: np.linalg.norm(t, -2), [[2, 0], [0, 0]], [[0, 0], [0, 0]]),
    (lambda t: np.linalg.norm(t, 2), [[3, 0], [0, 3]], [[1/2, 0], [0, 1/2]]),
    (lambda t: np.linalg.norm(t, 1), [[1, 2], [-1, 0]], [[1/2, 1/2], [-1/2, 0]]),
    (lambda t: np.linalg.pinv(t), [[2, 0], [0, 0]], [[-1/4, 1/4], [1/4, 0]]),
    (lambda t: np.linalg.qr(t)[1], [[3, 6], [4, 8]], [[-0.6, -0.6], [-0.8, -0.8]]),
    (lambda t: np.linalg.matrix_rank(t) * t, [[1, 0], [0, 0]], [[1, 1], [1, 1]]),
    (lambda t: np.where(t > 0, np.log(t), 0), [-1, 0, 2], [0, 0, 0.5]),
    (lambda t: np.where(t > 0, np.sqrt(t), 0), [-1, 0, 4], [0, 0, 0.25]),
    (lambda t: np.where(t > 0, t ** 0.5, 0), [-1, 0, 4], [0, 0, 0.25]),
    (lambda t: np.where(t > 0, t ** np.array(-0.5), 0), [-1, 0, 4], [0, 0, -1/16]),
    (lambda t: np.where(t != 0, 1 / t, 0), [0, 2], [0, -0.25]),
    (lambda t: np.where(t < 1, np.exp(t), 0), [1000, 0], [0, 1]),
    (lambda t: np.where(t > 0, t * np.log(t), 0), [0, 1], [0, 1]),
    (lambda t: np.where(t[1:] > 0, np.log(t)[1:], 0), [5, 0, 2], [0, 0, 0.5]),
    (lambda t: np.where(t > 0, np.reshape(np.log(np.reshape(t, (1, 2))), 2), 0), [0, 2], [0, 0.5]),
    (lambda t: np.where(t > 0, np.log(np.sqrt(t)), 0), [0, 2], [0, 0.25]),
    (lambda t: np.where([True, False], np.log(np.reshape(t, (2, 2))).sum(1), 0), [1, 2, 0, 1], [1, 0.5, 0, 0]),
    (lambda t: np.where([True, False], np.log(np.reshape(t, (2, 2))).max(1), 0), [1, 2, 0, 0], [0, 0.5, 0, 0]),
    (lambda t: np.where([True, False], np.log(np.reshape(t, (2, 2))).prod(1), 0), [1, 2, 0, -1], [log(2), 0, 0, 0]),
    (lambda t: np.where([True, False], np.exp(np.reshape(t, (2, 2))).var(1), 0), [0, 0, 1000, 1], [0, 0, 0, 0]),
    (lambda t: np.where([True, False], np.log(np.reshape(t, (2, 2))).std(axis=1), 0), [1, 1, 0, 1], [0, 0, 0, 0]),
    (lambda t: np.where(False, np.log(t).std(), 0), [1, 0, 2], [0, 0, 0]),
    (lambda t: np.where([[True], [False]], softmax(np.log(np.reshape(t, (2, 2))), -1), 0), [1, 1, 0, -1], [0, 0, 0, 0]),
    (lambda t: np.where([[True], [False]], np.log(np.reshape(t, (2, 1))) @ np.ones((1, 2)), 0), [2, 0], [1, 0]),
    (lambda t: np.where([[1, 0], [0, 0]], np.log(np.reshape(t, (2, 1))) @ np.log(np.reshape(t, (1, 2))), 0), [1, 0], [0, 0]),
    (lambda t: np.where([True, False], np.einsum('ij,ij->i', *[np.log(np.reshape(t, (2, 1)))] * 2), 0), [1, 0], [0, 0]),
    (lambda t: np.where([[True], [False]], linear(np.log(np.reshape(t, (2, 1))), np.ones((1, 1)), np.ones(1)), 0), [2, 0], [0.5, 0]),
    (lambda t: np.where([True, False], conv2d(np.log(np.reshape(t, (1, 1, 1, 2))), np.ones((1, 1, 1, 1))), 0), [2, 0], [0.5, 0]),
    (lambda t: np.where([True, False], np.linalg.det(np.log(np.reshape(t, (2, 1, 1)))), 0), [2, 0], [0.5, 0]),
    (lambda t: np.where([[[True]], [[False]]], np.linalg.inv(np.log(np.reshape(t, (2, 1, 1)))), 0), [2, 0], [-0.5/log(2)**2, 0]),
    (lambda t: np.where([[[True]], [[False]]], np.linalg.solve(np.log(np.reshape(t, (2, 1, 1))), np.ones((2, 1, 1))), 0), [2, 0], [-0.5/log(2)**2, 0]),
    (lambda t: np.log(t)[t.data > 0], [0, 2], [0, 0.5]),
    (lambda t: np.maximum(np.log(t), -1), [0, 2], [0, 0.5]),
    (lambda t: np.clip(1 / t, None, 2), [0, 1], [0, -1]),
    (lambda t: np.real(t * t), [1 + 2j], [2 + 4j]),
    (lambda t: np.imag(t), [1 + 2j], [-1j]),
    (lambda t: np.abs(t), [3 + 4j, 0], [0.6 - 0.8j, 0]),
    (lambda t: np.abs(t) ** 2, [3 + 4j], [6 - 8j]),
    (lambda t: np.angle(t), [2j, 0j], [-0.5, 0]),
    (lambda t: np.real(t * 2j * 1j), [3.0], [-2]),
]  # fmt: skip

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"


def said() -> list[list[str]]:
    """The rows as the page has them, spelled as Python spells them."""
    rows = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = re.findall(r"`([^`]+)`", line)
        if line.startswith("| `") and len(cells) == 3:
            rows.append([ast.unparse(ast.parse(cell, mode="eval")) for cell in cells])
    return rows


def coded() -> list[list[str]]:
    """The rows as this file has them, in the same spelling."""
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.List):
            found = []
            for row in node.value.elts:
                assert isinstance(row, ast.Tuple)
                f, at, expected = row.elts
                assert isinstance(f, ast.Lambda)
                found.append([ast.unparse(part) for part in (f.body, at, expected)])
            return found
    raise AssertionError("this file has no table")
