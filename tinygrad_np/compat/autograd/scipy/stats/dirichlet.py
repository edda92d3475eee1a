"""The Dirichlet distribution."""

from typing import Any

import numpy as np
from scipy import special
from scipy.stats import dirichlet as theirs

from ..choice import beside, exponential

rvs = theirs.rvs


@beside(theirs.logpdf)
def logpdf(x: Any, alpha: Any) -> Any:
    """The logarithm of the density at x of shape (K,), (K, n), or one row less."""
    count = np.shape(alpha)[0]
    if np.shape(x)[0] == count - 1:
        x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
    powers = np.reshape(alpha - 1, (count,) + (1,) * (np.ndim(x) - 1))
    scale = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    return np.sum(special.xlogy(powers, x), axis=0) + scale


pdf = exponential(theirs.pdf, logpdf)
