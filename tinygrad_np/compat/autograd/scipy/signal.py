"""Convolution along some axes, products along others."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

AXES = "abcdefghijklmnopqrstuvwxyz"


def convolve(
    A: Any, B: Any, axes: Any = None, dot_axes: Any = ((), ()), mode: str = "full",
) -> Any:  # fmt: skip
    """The convolution of ``A`` and ``B`` along the pairs of ``axes`` (all by default).

    Along the pairs of ``dot_axes`` they are multiplied and summed. The axes of the result are the
    others of ``A``, the others of ``B``, and those of the convolution, of length a + b - 1
    (``full``), that of ``A`` (``same``), or |a - b| + 1 (``valid``).
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode={mode!r}; it is 'full', 'same' or 'valid'.")
    A, B = _array(A), _array(B)
    if axes is None:
        axes = (tuple(range(A.ndim)), tuple(range(A.ndim)))
    pairs = [[int(a) % A.ndim for a in axes[0]], [int(b) % B.ndim for b in axes[1]]]
    dots = [[int(a) % A.ndim for a in dot_axes[0]], [int(b) % B.ndim for b in dot_axes[1]]]
    sizes = [(A.shape[a], B.shape[b]) for a, b in zip(*pairs, strict=True)]
    if mode == "valid" and all(a <= b for a, b in sizes) and any(a < b for a, b in sizes):
        found = _slide(B, A, pairs[::-1], dots[::-1])
        return _swapped(found, A.ndim - len(pairs[0]) - len(dots[0]), len(pairs[0]))
    if mode == "valid":
        if any(a < b for a, b in sizes):
            raise ValueError(
                f"valid: one array must be the longer one along all axes, not {sizes}."
            )
        return _slide(A, B, pairs, dots)
    wide = [(0, 0)] * A.ndim
    for a, (_, size) in zip(pairs[0], sizes, strict=True):
        wide[a] = (size - 1, size - 1)
    found = _slide(np.pad(A, wide), B, pairs, dots)
    if mode == "full":
        return found
    kept = tuple(slice((b - 1) // 2, (b - 1) // 2 + a) for a, b in sizes)
    return found[(..., *kept)] if kept else found


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.asarray(x)


def _swapped(found: Any, first: int, conv: int) -> Any:
    """The ``first`` axes before those that precede the last ``conv`` ones, and these after them."""
    others = found.ndim - conv
    order = [*range(others - first, others), *range(others - first), *range(others, found.ndim)]
    return np.transpose(found, order)


def _slide(A: Any, B: Any, pairs: Sequence[Sequence[int]], dots: Sequence[Sequence[int]]) -> Any:
    """The sum over the places k of ``B`` of ``A`` moved by k, times ``B`` there, from the end."""
    left = list(AXES[: A.ndim])
    right = list(AXES[A.ndim : A.ndim + B.ndim])
    for a, b in zip(*dots, strict=True):
        right[b] = left[a]
    kernel = [right[b] for b in pairs[1]]
    conv = [left[a] for a in pairs[0]]
    known = {*conv, *kernel, *(left[a] for a in dots[0])}
    result = [c for c in left if c not in known] + [c for c in right if c not in known] + conv
    rest = [c for c in right if c not in kernel]
    equation = f"{''.join(left)},{''.join(rest)}->{''.join(result)}"
    sizes = [B.shape[b] for b in pairs[1]]
    total: Any = 0
    for place in itertools.product(*map(range, sizes)):
        window: list[Any] = [slice(None)] * A.ndim
        there: list[Any] = [slice(None)] * B.ndim
        for k, a, b, size in zip(place, *pairs, sizes, strict=True):
            window[a] = slice(k, A.shape[a] - size + 1 + k)
            there[b] = size - 1 - k
        total = total + np.einsum(equation, A[tuple(window)], B[tuple(there)])
    return total
