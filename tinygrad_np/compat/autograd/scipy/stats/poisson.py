"""The Poisson distribution, by its mean."""

from typing import Any

import numpy as np
from scipy import special
from scipy.stats import poisson as theirs

from ..choice import beside, exponential


@beside(theirs.logpmf)
def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability, -inf where k is no count."""
    count = np.floor(k - loc)
    is_count = np.logical_and(count == k - loc, count >= 0)
    count = np.where(is_count, count, 0)
    found = special.xlogy(count, mu) - special.gammaln(count + 1) - mu
    return np.where(is_count, found, -np.inf)


pmf = exponential(theirs.pmf, logpmf)


@beside(theirs.cdf)
def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of k or less."""
    count = np.floor(k - loc)
    return np.where(count >= 0, special.pdtr(np.maximum(count, 0), mu), 0)
