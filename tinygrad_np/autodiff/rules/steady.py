"""What the rules of SciPy's ufuncs share: the ufuncs in the dtype of arrays, series, quotients."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special as sp

from ..primitives import F, of_dtype
from . import table

ROOT_PI = math.sqrt(math.pi)


def steady(fn: np.ufunc) -> Any:
    """``fn`` in the dtype of the arrays it is given, in float32 of float16.

    Of some ufuncs SciPy lists the loop for float64 first, which numbers beside arrays then lead to.
    """

    def call(*operands: Any) -> Any:
        out = fn(*operands)
        if getattr(operands[-1], "dtype", None) is out.dtype:
            return out  # the commonest: 1.5 µs less
        dtypes = [v.dtype for v in operands if hasattr(v, "dtype")]
        if not dtypes:
            return out.item()  # a Python number, which has no dtype
        wanted = np.result_type(np.float32, *dtypes)
        return of_dtype(out, wanted)

    return call


beta, betaln, erf, gamma, gammaln, hyp2f1, i0, j0, k0 = map(
    steady, (sp.beta, sp.betaln, sp.erf, sp.gamma, sp.gammaln, sp.hyp2f1, sp.i0, sp.j0, sp.k0)
)
modstruve, poch, psi, rgamma, struve, xlog1py, xlogy, y0, elliprd = map(
    steady,
    (sp.modstruve, sp.poch, sp.psi, sp.rgamma, sp.struve, sp.xlog1py, sp.xlogy, sp.y0, sp.elliprd),
)


def elementwise(fn: Any, *vjps: Any, selects: int = 0) -> None:
    """The row of a function whose rules are given all operands in one precision."""
    table.elementwise(fn, *vjps, selects=selects, traits=table.Traits(alike=True))


def polynomial(coefficients: list[float], x: Any) -> Any:
    """Horner's scheme, the highest power first.

    ``np.multiply`` gives complex scalars the bits of arrays; their own product rounds otherwise.
    """
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = np.multiply(total, x) + coefficient
    return total


def arrays(a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands, a Python number as an array like the other: chosen from it has no dtype."""
    if not hasattr(a, "dtype"):
        return np.full_like(b, a), b
    return a, b if hasattr(b, "dtype") else np.full_like(a, b)


def away_from_ends(usual: Callable[..., Any]) -> Callable[[F], F]:
    """A decorator of slopes by two operands that have forms for the ends of the domain.

    ``usual`` is what they come to where it is finite and not 0, bit for bit and in less time. Only
    arrays are looked at: a replay would keep what was seen for other values.
    """

    def decorate(whole: F) -> F:
        @functools.wraps(whole)
        def slope(*operands: Any) -> Any:
            *first, a, b = operands
            a, b = arrays(a, b)
            if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
                found = usual(*first, a, b)
                if math.isfinite(np.add.reduce(found, None)) and found.all():
                    return found
            return whole(*first, a, b)

        return slope  # type: ignore[return-value]

    return decorate


def cut(n: Any) -> Any:
    """An order without its fraction, as SciPy takes it where orders are integers."""
    if hasattr(n, "dtype"):
        return n if n.dtype.kind in "iu" else np.trunc(n)
    return math.trunc(n)


def combined(g: Any, *slopes: Any) -> Any:
    """The cotangent of the operand of several functions, from those that arrived."""
    return sum(part * slope for part, slope in zip(g, slopes, strict=True) if part is not None)


def from_pole(usual: Callable[[Any, Any], Any], out: Any, x: Any) -> Any:
    """``usual``(out, x), and where ``out`` is infinite at x = 0 what leads away from there."""
    pole = np.logical_and(x == 0, np.isinf(out))
    away = 1 / np.where(pole, x + 0.0, 1)  # without the sign of -0.0
    slope = usual(np.where(pole, 1, out), np.where(pole, 1, x))
    return np.where(pole, np.where(np.real(out) > 0, -away, away), slope)


def beside(x: Any, y: Any, pole: int = 0) -> Any:
    """y, but inside of its domain, beyond ``pole``, where x is 0: there x rules."""
    y = y if hasattr(y, "dtype") else np.full_like(x, y)
    outside = np.equal(y, pole) if np.iscomplexobj(y) else y <= pole
    return np.where(np.logical_and(x == 0, outside), pole + 1, y)


def quotient(x: Any, y: Any) -> Any:
    """x / y, which is 0 at x = y = 0."""
    return x / beside(x, y)
