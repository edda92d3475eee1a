"""Inputs and outputs for tests of files."""

from typing import Any

import numpy as np

import tinygrad_np as tg
from tinygrad_np.autodiff.nests import leaves

FLOAT = np.float32


def images(rows: int = 2) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 3, 8, 8)).astype(FLOAT)


def rows(count: int = 2) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 4)).astype(FLOAT)


def outputs(found: Any) -> list[np.ndarray]:
    arrays = (tg.Tensor, np.ndarray, np.generic)
    parts = [part for part in leaves(found) if isinstance(part, arrays)]
    return [part.numpy() if isinstance(part, tg.Tensor) else np.asarray(part) for part in parts]


def difference(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    forms = [[(a.dtype, a.shape) for a in arrays] for arrays in (found, wanted)]
    assert forms[0] == forms[1]
    return max(
        float(np.max(np.abs(a.astype(float) - b.astype(float)) / np.maximum(1, np.abs(b))))
        for a, b in zip(found, wanted, strict=True)
    )
