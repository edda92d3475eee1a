"""The table of rules, one module per family; importing it fills the table."""

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
    "norms", "polynomials", "products", "reductions", "several", "shaping", "signals",
    "statistics", "ways", "windows",
]  # fmt: skip
