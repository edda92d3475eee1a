"""The chi-squared distribution: that of a gamma variable of shape df/2 and scale 2."""

from typing import Any

from scipy.stats import chi2 as theirs

from ..choice import beside
from . import gamma


@beside(theirs.logpdf)
def logpdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density, -inf below 0."""
    return gamma.logpdf(x, df / 2, loc, scale * 2)


@beside(theirs.pdf)
def pdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The density."""
    return gamma.pdf(x, df / 2, loc, scale * 2)


@beside(theirs.cdf)
def cdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The probability of less."""
    return gamma.cdf(x, df / 2, loc, scale * 2)
