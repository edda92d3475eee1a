"""Initial values of weights: arrays drawn from an explicit generator.

Every function takes the shape ``(fan_out, fan_in, *kernel)`` of a weight, and ``seed``, an int or
an ``np.random.Generator`` (None draws anew each time), and returns an array of ``dtype``.
"""

import math
from typing import Any, TypeAlias

import numpy as np

from .. import arguments
from ..arguments import real, refusal, whole
from ..habits import lacking

__all__ = [
    "fans", "he_normal", "he_uniform", "normal", "standard_normal", "uniform", "xavier_normal",
    "xavier_uniform", "zeros",
]  # fmt: skip


def __getattr__(name: str) -> None:
    raise lacking(__name__, name)


# a string, because NumPy imports its random module only when it is asked for: 12 ms
Seed: TypeAlias = "int | np.random.Generator | None"
Shape = tuple[int, ...]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: how many inputs an output has, and the reverse.

    Raises ValueError for a shape of fewer than two axes.

    >>> tg.nn.init.fans((8, 3, 5, 5))
    (75, 200)
    """
    shape = _sizes("nn.init", shape)
    if len(shape) < 2:
        raise ValueError(f"a weight has at least two axes (out, in), not shape {shape}.")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def weights(place: str, initial: Any, shape: Shape, seed: Seed, dtype: Any) -> np.ndarray:
    """The first values of a layer's weight by one of these functions, or one of the user's own."""
    arguments.function(
        place, "initial", initial, "(shape, seed, dtype=…), such as nn.init.he_normal,"
    )
    arguments.generator(place, seed)
    dtype = arguments.dtype(place, "dtype", dtype)
    try:
        found = np.asarray(initial(shape, seed, dtype=dtype))
    except TypeError as error:
        raise TypeError(
            f"{place}(initial={arguments.shown(initial)}): it is called as initial(shape, seed, "
            f"dtype=dtype), and raised: {error}"
        ) from error
    if found.shape != shape:
        raise ValueError(
            f"{place}: initial, {arguments.shown(initial)}, returned values of shape "
            f"{found.shape}; expected {shape}."
        )
    return found


def _sizes(place: str, shape: Any) -> Shape:
    if not isinstance(shape, (tuple, list)):
        raise refusal(place, "shape", shape, "a tuple of ints")
    return tuple(whole(place, "shape", size, least=0) for size in shape)


def uniform(shape: Shape, bound: float, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """Uniform in (-bound, bound).

    >>> weight = tg.nn.init.uniform((100, 10), 0.5, seed=0)
    >>> bool(np.all(np.abs(weight) <= 0.5))
    True
    """
    shape, bound = _sizes("uniform", shape), real("uniform", "bound", bound)
    drawn = arguments.generator("uniform", seed).uniform(-bound, bound, shape)
    return drawn.astype(arguments.dtype("uniform", "dtype", dtype))


def normal(shape: Shape, std: float, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and the given standard deviation.

    >>> tg.nn.init.normal((2, 3), std=0.1, seed=0).dtype
    dtype('float32')
    """
    shape, std = _sizes("normal", shape), real("normal", "std", std)
    drawn = arguments.generator("normal", seed).standard_normal(shape)
    return (drawn * std).astype(arguments.dtype("normal", "dtype", dtype))


def standard_normal(shape: Shape, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """Normal with mean 0 and standard deviation 1.

    >>> tg.nn.init.standard_normal((2, 3), seed=0).shape
    (2, 3)
    """
    return normal(shape, 1.0, seed, dtype)


def zeros(shape: Shape, seed: Seed = None, dtype: Any = np.float32) -> np.ndarray:
    """All zeros; ``seed`` is not used.

    >>> tg.nn.init.zeros((3,))
    array([0., 0., 0.], dtype=float32)
    """
    arguments.generator("zeros", seed)
    return np.zeros(_sizes("zeros", shape), arguments.dtype("zeros", "dtype", dtype))


def xavier_uniform(
    shape: Shape, seed: Seed = None, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Uniform with variance gain² 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16).

    >>> round(float(np.abs(tg.nn.init.xavier_uniform((400, 200), seed=0)).max()), 2)
    0.1
    """
    gain = real("nn.init", "gain", gain)
    return uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), seed, dtype)


def xavier_normal(
    shape: Shape, seed: Seed = None, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Normal with variance gain² 2 / (fan_in + fan_out) (Glorot & Bengio 2010).

    >>> round(float(tg.nn.init.xavier_normal((400, 400), seed=0).std()), 2)
    0.05
    """
    gain = real("nn.init", "gain", gain)
    return normal(shape, gain * math.sqrt(2 / sum(fans(shape))), seed, dtype)


def he_uniform(
    shape: Shape, seed: Seed = None, gain: float = math.sqrt(2), dtype: Any = np.float32
) -> np.ndarray:
    """Uniform with variance gain² / fan_in (He et al. 2015, eq. 10).

    >>> weight = tg.nn.init.he_uniform((100, 400), seed=0)
    >>> weight.shape, round(float(np.abs(weight).max()), 2)
    ((100, 400), 0.12)
    """
    gain = real("nn.init", "gain", gain)
    return uniform(shape, gain * math.sqrt(3 / fans(shape)[0]), seed, dtype)


def he_normal(
    shape: Shape, seed: Seed = None, gain: float = math.sqrt(2), dtype: Any = np.float32
) -> np.ndarray:
    """Normal with variance gain² / fan_in (He et al. 2015, eq. 10).

    >>> weight = tg.nn.init.he_normal((100, 400), seed=0)
    >>> weight.shape, round(float(weight.std()), 2)
    ((100, 400), 0.07)
    """
    gain = real("nn.init", "gain", gain)
    return normal(shape, gain / math.sqrt(fans(shape)[0]), seed, dtype)
