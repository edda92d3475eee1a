"""The table of rules, one module per family; importing it fills the table."""

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
    "linear_algebra", "neural", "norms", "polynomials", "reductions", "several", "shaping",
    "signals", "statistics",
]  # fmt: skip
