"""The chi-squared distribution: that of a gamma variable of shape df/2 and scale 2."""

from collections.abc import Callable
from typing import Any

from scipy.stats import chi2 as theirs

from ..choice import beside
from . import gamma


def _of_gamma(name: str) -> Callable[..., Any]:
    @beside(getattr(theirs, name))
    def call(x: Any, df: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        return getattr(gamma, name)(x, df / 2, loc, scale * 2)

    return call


logpdf, pdf, cdf = map(_of_gamma, ("logpdf", "pdf", "cdf"))
