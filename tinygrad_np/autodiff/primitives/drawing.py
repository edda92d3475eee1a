"""Random draws: constants that are drawn again in each run, from a given generator.

The generator is an operand. A replay runs the operation, so it draws as eager mode does.
"""

from typing import Any

import numpy as np

from ...errors import DataError
from .dispatch import akin, primitive


@primitive
def standard_normal(shape: tuple[int, ...], dtype: str, generator: "np.random.Generator") -> Any:
    """Normal with mean 0 and variance 1; narrower floats are rounded from float32."""
    return generator.standard_normal(shape, np.result_type(dtype, np.float32)).astype(dtype)


@primitive
def standard_uniform(shape: tuple[int, ...], dtype: str, generator: "np.random.Generator") -> Any:
    """Uniform from 0 to below 1; narrower floats are rounded from float32."""
    return generator.random(shape, np.result_type(dtype, np.float32)).astype(dtype)


@primitive
def bernoulli(p: Any, shape: tuple[int, ...], dtype: str, generator: "np.random.Generator") -> Any:
    """1 with probability ``p``, which broadcasts to ``shape``, else 0."""
    if not np.all(np.greater_equal(p, 0) & np.less_equal(p, 1)):
        raise DataError(
            f"bernoulli: p from {np.min(p):g} to {np.max(p):g}; give probabilities from 0 to 1."
        )
    return np.less(generator.random(shape), p).astype(dtype)


@primitive
def permutation(n: int, generator: "np.random.Generator") -> Any:
    """0 … n - 1 in a random order."""
    return generator.permutation(n)


@primitive
def kept_share(x: Any, p: float, generator: "np.random.Generator") -> Any:
    """The factor of dropout, drawn anew: 0 with probability ``p``, else 1 / (1 - p); like ``x``."""
    kept = np.greater_equal(generator.random(x.shape, np.float32), p).astype(x.dtype)
    kept *= 1 / (1 - p)
    return akin(kept, x)
