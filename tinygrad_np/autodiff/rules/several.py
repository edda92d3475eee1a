"""Functions with several results: the cotangent ``g`` has one entry for each, None for none."""

from typing import Any

import numpy as np

from .table import composite, elementwise


def given(g: Any, like: Any) -> Any:
    """A cotangent, zeros in the form of another one where there is none."""
    return np.zeros_like(like) if g is None else g


def modulus_slope(g: Any, quotient: Any) -> Any:
    """How the remainder moves with the divisor; the quotient is a step, whose slope is 0."""
    return given(None, g[0]) if g[1] is None else -g[1] * quotient


# the whole part is a step, and infinity has the fraction 0
elementwise(np.modf, lambda g, _out, x: np.where(np.isinf(x), 0, given(g[0], g[1])))
elementwise(np.divmod, lambda g, _out, _x, _y: given(g[1], g[0]),
            lambda g, out, _x, _y: modulus_slope(g, out[0]))  # fmt: skip
elementwise(np.frexp, lambda g, out, _x: np.ldexp(g[0], -out[1]))


def atleast(fn: Any) -> Any:
    """The body of ``np.atleast_nd``: what has so many axes stays as it is."""

    def form(x: Any) -> Any:
        shape = fn(np.broadcast_to(0, np.shape(x))).shape
        return x if np.shape(x) == shape and hasattr(x, "dtype") else np.reshape(x, shape)

    return lambda *arys: form(arys[0]) if len(arys) == 1 else tuple(map(form, arys))


for fn in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    composite(fn)(atleast(fn))
