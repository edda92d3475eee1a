"""The table of rules, one module per family; importing it fills the table.

The rules of SciPy's ufuncs come in with the first use of one.
"""

import sys
from typing import Any

import numpy as np

from . import (
    constants,
    convolution,
    decompositions,
    elementwise,
    fourier,
    histograms,
    indexing,
    inverses,
    linear_algebra,
    neural,
    norms,
    polynomials,
    reductions,
    several,
    shaping,
    signals,
    statistics,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "FACTS", "METADATA", "TABLE", "WRITERS", "Rule", "constants", "convolution",
    "decompositions", "defvjp", "elementwise", "fourier", "histograms", "indexing", "inverses",
    "linear_algebra", "neural", "norms", "of_scipy", "polynomials", "reductions", "several",
    "shaping", "signals", "statistics",
]  # fmt: skip


def of_scipy(fn: Any) -> tuple[bool, str]:
    """Whether ``fn`` is a ufunc of ``scipy.special`` that has a rule, and why it has none."""
    if not isinstance(fn, np.ufunc) or "scipy.special" not in sys.modules:
        return False, ""
    from . import special  # fills the table

    reason = special.REFUSED.get(fn.__name__)
    return fn in TABLE, f" ({reason})" if reason else ""
