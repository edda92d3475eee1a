"""Initial values of weights: arrays drawn from an explicit generator.

Every function takes the shape ``(fan_out, fan_in, *kernel)`` of a weight, and ``seed``, an int or
an ``np.random.Generator`` (None draws anew each time), and returns an array of ``dtype``.
"""

import math
from typing import Any, TypeAlias

import numpy as np

# a string, because NumPy imports its random module only when it is asked for: 12 ms
Seed: TypeAlias = "int | np.random.Generator | None"
Shape = tuple[int, ...]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: how many inputs an output has, and the reverse."""
    if len(shape) < 2:
        raise ValueError(f"a weight has at least two axes (out, in), not shape {shape}.")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def uniform(shape: Shape, bound: float, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """Uniform in (-bound, bound)."""
    return np.random.default_rng(seed).uniform(-bound, bound, shape).astype(dtype)


def normal(shape: Shape, std: float, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and the given standard deviation."""
    return (np.random.default_rng(seed).standard_normal(shape) * std).astype(dtype)


def zeros(shape: Shape, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """All zeros; ``seed`` is not used."""
    del seed
    return np.zeros(shape, dtype)


def xavier_uniform(
    shape: Shape, seed: Seed = None, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Uniform with variance gain² 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16)."""
    return uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), seed, dtype)


def xavier_normal(
    shape: Shape, seed: Seed = None, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Normal with variance gain² 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    return normal(shape, gain * math.sqrt(2 / sum(fans(shape))), seed, dtype)


def he_uniform(
    shape: Shape, seed: Seed = None, gain: float = math.sqrt(2), dtype: Any = np.float32
) -> np.ndarray:
    """Uniform with variance gain² / fan_in (He et al. 2015, eq. 10)."""
    return uniform(shape, gain * math.sqrt(3 / fans(shape)[0]), seed, dtype)


def he_normal(
    shape: Shape, seed: Seed = None, gain: float = math.sqrt(2), dtype: Any = np.float32
) -> np.ndarray:
    """Normal with variance gain² / fan_in (He et al. 2015, eq. 10)."""
    return normal(shape, gain / math.sqrt(fans(shape)[0]), seed, dtype)
