"""The table of rules, one module per family; importing it fills the table.

The rules of SciPy's ufuncs come in with the first use of one.
"""

import sys
from typing import Any

import numpy as np

from . import (
    constants,
    convolution,
    drawing,
    elementwise,
    indexing,
    linear_algebra,
    neural,
    reductions,
    shaping,
)
from .table import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, Rule, defvjp

__all__ = [
    "COMPOSITES",
    "FACTS",
    "METADATA",
    "TABLE",
    "WRITERS",
    "Rule",
    "constants",
    "convolution",
    "defvjp",
    "drawing",
    "elementwise",
    "indexing",
    "linear_algebra",
    "neural",
    "of_scipy",
    "reductions",
    "shaping",
]  # fmt: skip


def of_scipy(fn: Any) -> tuple[bool, str]:
    """Whether ``fn`` is a ufunc of ``scipy.special`` that has a rule, and why it has none."""
    if not isinstance(fn, np.ufunc) or "scipy.special" not in sys.modules:
        return False, ""
    from . import special  # fills the table

    reason = special.REFUSED.get(fn.__name__)
    return fn in TABLE or fn in COMPOSITES, f" ({reason})" if reason else ""
