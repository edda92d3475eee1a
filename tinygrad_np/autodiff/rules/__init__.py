"""The table of rules, one module per family; importing it fills the table."""

from . import (
    constants,
    convolution,
    drawing,
    elementwise,
    fourier,
    histograms,
    indexing,
    linear_algebra,
    neural,
    polynomials,
    reductions,
    shaping,
    signals,
    statistics,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "FACTS", "METADATA", "TABLE", "WRITERS", "Rule", "constants", "convolution",
    "defvjp", "drawing", "elementwise", "fourier", "histograms", "indexing", "linear_algebra",
    "neural", "polynomials", "reductions", "shaping", "signals", "statistics",
]  # fmt: skip
