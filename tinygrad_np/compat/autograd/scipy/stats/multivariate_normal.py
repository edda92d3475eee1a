"""The normal distribution of vectors; the covariance counts as the symmetric matrix it is."""

import math
from typing import Any

import numpy as np
from scipy.stats import multivariate_normal as theirs

from .....autodiff.primitives import primitive
from .....autodiff.rules import defvjp
from ...tracing import getval
from ..choice import beside, exponential

rvs = theirs.rvs


@primitive
def log_det(a: Any) -> Any:
    """log |det a|."""
    return np.linalg.slogdet(a)[1]


defvjp(log_det, lambda g, _out, a: (
    np.reshape(g, (*np.shape(g), 1, 1)) * np.swapaxes(np.linalg.inv(a), -1, -2)))  # fmt: skip


@primitive
def log_pdet(a: Any) -> Any:
    """The sum of the logarithms of the eigenvalues of a symmetric matrix that are not 0."""
    found = np.linalg.eigvalsh(a)
    return np.sum(np.log(found[found > found.max() * len(found) * np.finfo(found.dtype).eps]))


defvjp(log_pdet, lambda g, _out, a: g * np.linalg.pinv(a))


def _full(mean: Any, cov: Any, d: int) -> tuple[Any, Any]:
    """Mean and covariance as an array of shape (d,) and a symmetric matrix."""
    mean = 0.0 if mean is None else mean
    if np.ndim(cov) < 2:
        cov = cov * np.eye(d)
    return mean, (cov + np.swapaxes(cov, -1, -2)) / 2


@beside(theirs.logpdf)
def logpdf(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    """The logarithm of the density at x of shape (..., d)."""
    d = max(np.ndim(cov) and np.shape(cov)[-1], np.size(mean) if mean is not None else 1,
            np.shape(x)[-1] if np.ndim(x) and not np.ndim(cov) and mean is None else 1)  # fmt: skip
    if d == 1 and (np.ndim(x) == 0 or np.shape(x)[-1] != 1):
        x = np.expand_dims(x, -1)
    elif d > 1 and np.ndim(x) == 0:
        x = np.broadcast_to(x, (d,))
    mean, cov = _full(mean, cov, d)
    apart = x - mean
    if allow_singular:
        inverse = np.linalg.pinv(cov)
        solved, volume = apart @ inverse, log_pdet(cov)
        d = np.linalg.matrix_rank(getval(cov))
    else:
        solved = np.linalg.solve(cov, np.expand_dims(apart, -1))[..., 0]
        volume = log_det(cov)
    squares = np.sum(apart * solved, axis=-1)
    return (squares + volume + d * math.log(2 * math.pi)) * -0.5


pdf = exponential(theirs.pdf, logpdf)


@beside(theirs.entropy)
def entropy(mean: Any = None, cov: Any = 1) -> Any:
    """The differential entropy."""
    d = max(np.ndim(cov) and np.shape(cov)[-1], np.size(mean) if mean is not None else 1)
    return (log_det(_full(mean, cov, d)[1]) + d * (1 + math.log(2 * math.pi))) * 0.5
