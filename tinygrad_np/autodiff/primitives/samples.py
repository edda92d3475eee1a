"""Functions of samples: order statistics, interpolation, convolution, histograms, roots.

Most are NumPy's own functions; everything that they have a derivative for is an operand.
"""

import math
import warnings
from typing import Any

import numpy as np

from ..shapes import Axis
from .dispatch import akin, primitive

NODES = 64  # of a quarter turn: enough for every x whose i0 is finite, see ``bessel``


@primitive
def quantile(
    x: Any, q: Any, weights: Any = None, axis: Axis = None, method: str = "linear",
    keepdims: bool = False, skips: bool = False,
) -> Any:  # fmt: skip
    """``np.quantile`` or ``np.nanquantile`` with the weights as an operand."""
    fn = np.nanquantile if skips else np.quantile
    q = akin(np.asarray(q), x) if isinstance(q, (list, tuple)) else q
    return fn(x, q, axis, method=method, keepdims=keepdims, weights=weights)  # type: ignore[call-overload]


@primitive
def middle(x: Any, axis: Axis = None, keepdims: bool = False, skips: bool = False) -> Any:
    """``np.median`` or ``np.nanmedian``."""
    return (np.nanmedian if skips else np.median)(x, axis, keepdims=keepdims)


@primitive
def interpolate(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """``np.interp`` of a function that has no period."""
    return np.interp(x, xp, fp, left, right)


@primitive
def convolved(x: Any, y: Any, *, mode: str) -> Any:
    """``np.convolve``; in reverse it correlates."""
    x, y = akin(x, y), akin(y, x)
    return np.convolve(x, y, mode)  # type: ignore[call-overload]


@primitive
def sample_weights(w: Any, count: int, whole: bool) -> Any:
    """Weights of ``count`` samples themselves, once they are known to be such."""
    if np.shape(w) != (count,):
        raise RuntimeError(f"np.cov: weights of shape {np.shape(w)} for {count} samples.")
    if whole and np.any(w != np.rint(w)):
        raise TypeError("np.cov: fweights are counts; give whole numbers.")
    if np.any(w < 0):
        raise ValueError("np.cov: a weight is negative.")
    return w.astype(np.float64)


@primitive
def bessel(x: Any, n: int) -> Any:
    """The modified Bessel function I_n, whose slope is (I_{n-1} + I_{n+1}) / 2.

    It is the mean of cosh(x cos θ) cos(nθ), of odd n of sinh, over a quarter turn (DLMF 10.32.3).
    With ``NODES`` midpoints the error is I_m(x), m = 4 NODES - n: below rounding for x up to 709.
    """
    part, total = (np.sinh if n % 2 else np.cosh), np.zeros_like(x)
    for angle in (np.arange(NODES) + 0.5) * (math.pi / 2 / NODES):
        total = total + part(x * math.cos(angle)) * (math.cos(n * angle) / NODES)
    return total


@primitive
def roots_of(p: Any) -> Any:
    """``np.roots``."""
    return np.roots(p)


@primitive
def characteristic(a: Any) -> Any:
    """``np.poly`` of a matrix: the coefficients of det(λ - a)."""
    return np.poly(a)


@primitive
def tally(places: Any, weights: Any = None, minlength: int = 0) -> Any:
    """``np.bincount``: how often each place is met, or the sum of its weights."""
    return np.bincount(places, weights, minlength)


@primitive
def even_edges(x: Any, bins: Any, limits: Any = None) -> Any:
    """``np.histogram_bin_edges`` between the smallest and the largest element, or the limits."""
    return np.histogram_bin_edges(x, bins, limits)


@primitive
def bin_of(x: Any, edges: Any) -> Any:
    """The bin that each element is in, the last edge included; outside all, the number of bins."""
    if np.any(edges[:-1] > edges[1:]):
        raise ValueError("a histogram's bins must increase; give sorted edges.")
    n = len(edges) - 1
    place = np.searchsorted(edges, x, side="right") - 1
    place = np.where(x == edges[-1], n - 1, place)
    return np.where((place < 0) | (place >= n), n, place)


@primitive
def full_rank(x: Any, rank: Any, columns: int) -> Any:
    """A least squares solution itself; a rank below the number of columns is warned of."""
    if np.any(rank < columns):
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    return x
