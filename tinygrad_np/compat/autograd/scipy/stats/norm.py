"""The normal distribution."""

import math

import numpy as np
from scipy import special
from scipy.stats import norm as theirs

from ..choice import beside

logpdf = beside(theirs.logpdf)(
    lambda x, loc=0.0, scale=1.0: (
        ((x - loc) / scale) ** 2 * -0.5 - np.log(scale) - math.log(2 * math.pi) / 2
    )
)
pdf = beside(theirs.pdf)(
    lambda x, loc=0.0, scale=1.0: (
        np.exp(((x - loc) / scale) ** 2 * -0.5) / (scale * math.sqrt(2 * math.pi))
    )
)
cdf = beside(theirs.cdf)(lambda x, loc=0.0, scale=1.0: special.ndtr((x - loc) / scale))
sf = beside(theirs.sf)(lambda x, loc=0.0, scale=1.0: special.ndtr((loc - x) / scale))
logcdf = beside(theirs.logcdf)(lambda x, loc=0.0, scale=1.0: special.log_ndtr((x - loc) / scale))
logsf = beside(theirs.logsf)(lambda x, loc=0.0, scale=1.0: special.log_ndtr((loc - x) / scale))
ppf = beside(theirs.ppf)(lambda q, loc=0.0, scale=1.0: special.ndtri(q) * scale + loc)
