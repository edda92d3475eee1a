"""The normal distribution."""

import math
from typing import Any

import numpy as np
from scipy import special
from scipy.stats import norm as theirs

from ..choice import beside


@beside(theirs.logpdf)
def logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density."""
    return ((x - loc) / scale) ** 2 * -0.5 - np.log(scale) - math.log(2 * math.pi) / 2


@beside(theirs.pdf)
def pdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The density."""
    return np.exp(((x - loc) / scale) ** 2 * -0.5) / (scale * math.sqrt(2 * math.pi))


@beside(theirs.cdf)
def cdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of less."""
    return special.ndtr((x - loc) / scale)


@beside(theirs.sf)
def sf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of more."""
    return special.ndtr((loc - x) / scale)


@beside(theirs.logcdf)
def logcdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of ``cdf``, to all digits."""
    return special.log_ndtr((x - loc) / scale)


@beside(theirs.logsf)
def logsf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of ``sf``, to all digits."""
    return special.log_ndtr((loc - x) / scale)


@beside(theirs.ppf)
def ppf(q: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The inverse of ``cdf``."""
    return special.ndtri(q) * scale + loc
