"""Limits of what a step may do: clipped gradients, and weights of bounded norm."""

import math
from typing import Any

import numpy as np

# Elements of which one call takes the sum of squares. From 10,000 on OpenBLAS may use several
# threads, and the last digits would depend on their number.
CUT = 8192


def cut(array: np.ndarray) -> list[np.ndarray]:
    """The elements of ``array``, as they lie in memory, in pieces of at most ``CUT``."""
    flat = array.ravel(order="K")
    return [flat[i : i + CUT] for i in range(0, flat.size, CUT)]


def squares(flat: np.ndarray) -> float:
    """The sum of the squares of the absolute values of one axis."""
    if flat.dtype == np.float16:  # whose own products end at 65,504
        flat = flat.astype(np.float32)
    return float(np.vdot(flat, flat).real)


def clipping(most: float, total: float) -> float:
    """The factor for gradients whose squares add up to ``total``: min(1, most / (norm + 1e-6)).

    Pascanu, Mikolov, Bengio (2013), algorithm 1, as ``torch.nn.utils.clip_grad_norm_`` has it.
    """
    return min(most / (math.sqrt(total) + 1e-6), 1.0)  # in this order NaN stays NaN


def bound_rows(values: np.ndarray, most: float) -> None:
    """Scale the rows ``values[i]`` whose L2 norm is above ``most`` to that norm.

    Arrays of fewer than two axes are left alone. Srivastava et al. (2014), section 5.1.
    """
    if values.ndim < 2:
        return
    norms = np.sqrt(_row_squares(values))
    above = norms > most
    if not above.any():
        return
    factors = np.ones_like(norms)
    # as torch.renorm does; rows that stay are multiplied by 1: picking the others takes longer
    np.divide(most, norms + 1e-7, out=factors, where=above)
    values *= factors.reshape(-1, *[1] * (values.ndim - 1))


def _row_squares(values: np.ndarray) -> Any:
    if values.dtype.kind == "c":
        return _row_squares(values.real) + _row_squares(values.imag)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    axes = list(range(values.ndim))
    return np.einsum(values, axes, values, axes, [0])
