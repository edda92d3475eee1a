"""Whether all processes have the same: checksums of named values."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def checksum(value: Any, before: int = 0) -> int:
    """A checksum of an array with its dtype and shape, or of what else there is.

    ``before`` is that of what comes before it.
    """
    if not isinstance(value, np.ndarray):
        return zlib.crc32(repr(value).encode(), before)
    head = zlib.crc32(f"{value.dtype.str}{value.shape}".encode(), before)
    return zlib.crc32(as_bytes(value).data, head)


def as_bytes(array: np.ndarray) -> np.ndarray:
    """The bytes of an array as one of uint8, (n,): the same memory where that is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def flat(name: str, nest: Any) -> dict[str, Any]:
    """The leaves of a nest of dicts and lists, by their places in it."""
    if isinstance(nest, Mapping):
        items: Any = nest.items()
    elif isinstance(nest, (list, tuple)):
        items = enumerate(nest)
    else:
        return {name: nest}
    return {k: v for key, part in items for k, v in flat(f"{name} {key}", part).items()}


def as_text(nest: Any) -> bytes:
    """A nest of numbers, words and arrays of numbers as JSON."""
    return json.dumps(nest, default=lambda value: value.tolist()).encode()
