"""The table of cases: what the tests try of every operation that has a derivative.

One module for each family of rules; importing one adds its rows. The cases are in the order of the
imports, the same in all processes of a test run.
"""

from typing import Any

from . import (
    building,
    choosing,
    decompositions,
    elementwise,
    fourier,
    histograms,
    images,
    indexing,
    matrices,
    methods,
    networks,
    polynomials,
    products,
    reductions,
    several,
    shaping,
    signals,
    special,
    statistics,
)
from .case import CASES, HAS_SCIPY, Case, Const, full_name, positive, real, transform, unit

BY_FUNCTION: dict[Any, list[Case]] = {}
for case in CASES:
    BY_FUNCTION.setdefault(case.fn, []).append(case)

__all__ = [
    "BY_FUNCTION", "CASES", "HAS_SCIPY", "Case", "Const", "building", "choosing",
    "decompositions", "elementwise", "fourier", "full_name", "histograms", "images", "indexing",
    "matrices", "methods", "networks", "polynomials", "positive", "products", "real",
    "reductions", "several", "shaping", "signals", "special", "statistics", "transform", "unit",
]  # fmt: skip
