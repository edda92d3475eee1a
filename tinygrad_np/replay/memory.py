"""How arrays, and variables of a captured step, lie in memory."""

from typing import Any


def layout(array: Any) -> tuple[int, ...]:
    """The strides, as far as they matter."""
    return tuple(s for s, n in zip(array.strides, array.shape, strict=True) if n > 1)


def alike(a: Any, b: Any) -> bool:
    """Whether both have one shape, dtype and layout."""
    return bool(a.shape == b.shape and a.dtype == b.dtype and layout(a) == layout(b))


def is_dense(array: Any) -> bool:
    """Whether the elements fill their memory without gaps, in whatever order of the axes."""
    extent = sum(s * (n - 1) for s, n in zip(array.strides, array.shape, strict=True))
    dense = extent + array.dtype.itemsize == array.nbytes
    return dense and min(array.strides, default=0) >= 0
