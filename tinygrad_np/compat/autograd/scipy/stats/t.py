"""Student's t distribution; ``cdf`` has no derivative by the degrees of freedom."""

from typing import Any

import numpy as np
from scipy import special
from scipy.stats import t as theirs

from ..choice import beside, exponential


@beside(theirs.logpdf)
def logpdf(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """The logarithm of the density."""
    z = (x - loc) / scale
    shape = special.betaln(0.5, df / 2) + np.log(df) / 2
    return -(df + 1) / 2 * np.log1p(z * z / df) - shape - np.log(scale)


pdf = exponential(theirs.pdf, logpdf)
cdf = beside(theirs.cdf)(lambda x, df, loc=0.0, scale=1.0: special.stdtr(df, (x - loc) / scale))
logcdf = beside(theirs.logcdf)(
    lambda x, df, loc=0.0, scale=1.0: np.log(special.stdtr(df, (x - loc) / scale))
)
