"""The table of rules, one module per family; importing it fills the table."""

from . import (
    constants,
    convolution,
    drawing,
    elementwise,
    indexing,
    linear_algebra,
    neural,
    reductions,
    several,
    shaping,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "FACTS", "METADATA", "TABLE", "WRITERS", "Rule", "constants", "convolution",
    "defvjp", "drawing", "elementwise", "indexing", "linear_algebra", "neural", "reductions",
    "several", "shaping",
]  # fmt: skip
