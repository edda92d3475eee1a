"""Products of vectors and matrices: NumPy's generalised ufuncs."""

from typing import Any

import numpy as np

from .inverses import conj
from .table import composite

NAMED = {name: getattr(np, name) for name in ("vecdot", "matvec", "vecmat") if hasattr(np, name)}


def has_axes(name: str, x: Any, least: int) -> None:
    """Refuse what has too few axes, as NumPy does."""
    if np.ndim(x) < least:
        raise ValueError(f"np.{name} of shape {np.shape(x)}: at least {least} axes are needed.")


@composite(*[fn for name, fn in NAMED.items() if name == "vecdot"])
def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """Sums of products along an axis, the first factor conjugated."""
    for x in (x1, x2):
        has_axes("vecdot", x, 1)
    x1, x2 = (x if axis == -1 else np.moveaxis(x, axis, -1) for x in (x1, x2))
    return np.matmul(np.expand_dims(conj(x1), -2), np.expand_dims(x2, -1))[..., 0, 0]


@composite(*[fn for name, fn in NAMED.items() if name == "matvec"])
def matvec(x1: Any, x2: Any) -> Any:
    """Matrices times vectors."""
    has_axes("matvec", x1, 2)
    has_axes("matvec", x2, 1)
    return np.matmul(x1, np.expand_dims(x2, -1))[..., 0]


@composite(*[fn for name, fn in NAMED.items() if name == "vecmat"])
def vecmat(x1: Any, x2: Any) -> Any:
    """Conjugated vectors times matrices."""
    has_axes("vecmat", x1, 1)
    has_axes("vecmat", x2, 2)
    return np.matmul(np.expand_dims(conj(x1), -2), x2)[..., 0, :]
