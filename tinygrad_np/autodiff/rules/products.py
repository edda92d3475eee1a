"""Products of vectors: NumPy's generalised ufuncs, and the vector product."""

from typing import Any

import numpy as np

from ..shapes import axes_of
from .table import composite

NAMED = {name: getattr(np, name) for name in ("vecdot", "matvec", "vecmat") if hasattr(np, name)}


def has_axes(name: str, x: Any, least: int) -> None:
    """Refuse what has too few axes, as NumPy does."""
    if np.ndim(x) < least:
        raise ValueError(f"np.{name} of shape {np.shape(x)}: at least {least} axes are needed.")


def conjugated(x: Any) -> Any:
    """The conjugate of complex numbers."""
    return np.conjugate(x) if np.iscomplexobj(x) else x


@composite(*[fn for name, fn in NAMED.items() if name == "vecdot"])
def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """Sums of products along an axis, the first factor conjugated."""
    for x in (x1, x2):
        has_axes("vecdot", x, 1)
    x1, x2 = (x if axis == -1 else np.moveaxis(x, axis, -1) for x in (x1, x2))
    return np.matmul(np.expand_dims(conjugated(x1), -2), np.expand_dims(x2, -1))[..., 0, 0]


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
    return np.matmul(np.expand_dims(conjugated(x1), -2), x2)[..., 0, :]


@composite(np.linalg.cross)
def cross_in_space(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The vector product in three dimensions alone."""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError(
            f"np.linalg.cross needs 3 elements on axis {axis}, not shapes {np.shape(x1)} and "
            f"{np.shape(x2)}."
        )
    return cross(x1, x2, axis=axis)


@composite(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The vector product; vectors of two elements lie in the plane."""
    if axis is not None:
        axisa = axisb = axisc = axis
    for x, over in ((a, axisa), (b, axisb)):
        axes_of((over,), np.ndim(x))
        has_axes("cross", x, 1)
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    sizes = np.shape(a)[-1], np.shape(b)[-1]
    if sizes != (3, 3):  # refused or deprecated, as NumPy does it
        np.cross(np.zeros((1, sizes[0])), np.zeros((1, sizes[1])))
    last = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if sizes == (2, 2):
        return last
    none = np.zeros_like(last)
    a2 = a[..., 2] if sizes[0] == 3 else none
    b2 = b[..., 2] if sizes[1] == 3 else none
    first = a[..., 1] * b2 - a2 * b[..., 1]
    second = a2 * b[..., 0] - a[..., 0] * b2
    return np.stack([first, second, last], axis=axisc)
