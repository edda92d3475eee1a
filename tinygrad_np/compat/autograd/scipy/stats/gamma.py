"""The gamma distribution; ``cdf`` has no derivative by the shape parameter."""

from typing import Any

import numpy as np
from scipy import special
from scipy.stats import gamma as theirs

from ..choice import beside, exponential


@beside(theirs.logpdf)
def logpdf(x: Any, a: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density, -inf below 0."""
    z = (x - loc) / scale
    inside = z >= 0
    z = np.where(inside, z, 1.0)
    found = special.xlogy(a - 1, z) - z - special.gammaln(a) - np.log(scale)
    return np.where(inside, found, -np.inf)


pdf = exponential(theirs.pdf, logpdf)
cdf = beside(theirs.cdf)(
    lambda x, a, loc=0.0, scale=1.0: special.gammainc(a, np.maximum((x - loc) / scale, 0))
)
