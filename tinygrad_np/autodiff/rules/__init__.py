"""The table of rules, one module per family; importing it fills the table."""

from . import (
    building,
    choosing,
    constants,
    convolution,
    drawing,
    elementwise,
    indexing,
    linear_algebra,
    methods,
    nans,
    neural,
    products,
    reductions,
    shaping,
    ways,
    windows,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "FACTS", "METADATA", "TABLE", "WRITERS", "Rule", "building", "choosing",
    "constants", "convolution", "defvjp", "drawing", "elementwise", "indexing", "linear_algebra",
    "methods", "nans", "neural", "products", "reductions", "shaping", "ways", "windows",
]  # fmt: skip
