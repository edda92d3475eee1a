"""The table of rules, one module per family; importing it fills the table."""

from . import constants, elementwise, indexing, linear_algebra, neural, reductions, shaping
from .table import COMPOSITES, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES", "METADATA", "TABLE", "WRITERS", "Rule", "constants", "defvjp",
    "elementwise", "indexing", "linear_algebra", "neural", "reductions", "shaping",
]  # fmt: skip
