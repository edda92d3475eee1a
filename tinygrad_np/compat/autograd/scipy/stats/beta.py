"""The beta distribution; ``cdf`` has no derivative by the shape parameters."""

from typing import Any

import numpy as np
from scipy import special
from scipy.stats import beta as theirs

from ..choice import beside, exponential


@beside(theirs.logpdf)
def logpdf(x: Any, a: Any, b: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density, -inf outside 0 … 1."""
    z = (x - loc) / scale
    inside = np.logical_and(z >= 0, z <= 1)
    z = np.where(inside, z, 0.5)
    log_z = special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z)
    return np.where(inside, log_z - special.betaln(a, b) - np.log(scale), -np.inf)


pdf = exponential(theirs.pdf, logpdf)
cdf = beside(theirs.cdf)(
    lambda x, a, b, loc=0.0, scale=1.0: special.betainc(a, b, np.clip((x - loc) / scale, 0, 1))
)
