"""The table of rules, one module per family; importing it fills the table.

The rules of SciPy's ufuncs come in with the first use of one.
"""

import sys
from typing import Any

import numpy as np

from . import (
    building,
    choosing,
    constants,
    convolution,
    decompositions,
    elementwise,
    fourier,
    histograms,
    indexing,
    inverses,
    linear_algebra,
    methods,
    nans,
    neural,
    norms,
    padding,
    polynomials,
    products,
    reductions,
    several,
    shaping,
    signals,
    statistics,
    ways,
    windows,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "FACTS", "METADATA", "TABLE", "WRITERS", "Rule", "building", "choosing",
    "constants", "convolution", "decompositions", "defvjp", "elementwise", "fourier",
    "histograms", "indexing", "inverses", "linear_algebra", "methods", "nans", "neural",
    "norms", "of_scipy", "padding", "polynomials", "products", "reductions", "several", "shaping",
    "signals", "statistics", "ways", "windows",
]  # fmt: skip


def of_scipy(fn: Any) -> tuple[bool, str]:
    """Whether ``fn`` is a ufunc of ``scipy.special`` that has a rule, and why it has none."""
    if not isinstance(fn, np.ufunc) or "scipy.special" not in sys.modules:
        return False, ""
    from . import bessel, distributions, gammas, special  # fill the table

    del bessel, distributions, gammas
    reason = special.REFUSED.get(fn.__name__)
    return fn in TABLE, f" ({reason})" if reason else ""
