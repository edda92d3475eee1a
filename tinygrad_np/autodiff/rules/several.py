"""Functions with several results: the cotangent ``g`` has one entry for each, None for none."""

from typing import Any

import numpy as np

from .table import composite, defvjp, elementwise, itself


def given(g: Any, like: Any) -> Any:
    """A cotangent, zeros in the form of another one where there is none."""
    return np.zeros_like(like) if g is None else g


def modulus_slope(g: Any, quotient: Any) -> Any:
    """How the remainder moves with the divisor; the quotient is a step, whose slope is 0."""
    return given(None, g[0]) if g[1] is None else -g[1] * quotient


elementwise(np.modf, lambda g, _out, _x: given(g[0], g[1]))  # the whole part is a step
elementwise(np.divmod, lambda g, _out, _x, _y: given(g[1], g[0]),
            lambda g, out, _x, _y: modulus_slope(g, out[0]))  # fmt: skip
elementwise(np.frexp, lambda g, out, _x: np.ldexp(g[0], -out[1]))


def determinant_back(g: Any, out: Any, a: Any) -> Any:
    """The cotangent of a matrix from those of sign and logarithm of its determinant.

    d log|det| is the real part of the trace t of inv(a) da, and d sign is i sign Im t, which is 0
    for real matrices. A singular matrix is inverted, and refused with that, only where something
    has arrived: else the identity stands for it.
    """
    weight = given(g.logabsdet, out.logabsdet)
    if g.sign is not None and np.iscomplexobj(a):
        weight = weight + 1j * np.imag(g.sign * out.sign)
    stands = np.logical_and(np.equal(out.sign, 0), np.equal(weight, 0))
    eye = np.eye(np.shape(a)[-1], dtype=np.result_type(a))
    inverse = np.linalg.inv(np.where(np.expand_dims(stands, (-1, -2)), eye, a))
    return np.expand_dims(weight, (-1, -2)) * np.swapaxes(inverse, -1, -2)


defvjp(
    np.linalg.slogdet,
    lambda g, out, a: determinant_back(g, out, a),
    reach=lambda g, _out, _a: np.expand_dims(itself(g), (-1, -2)),
)


def atleast(fn: Any) -> Any:
    """The body of ``np.atleast_nd``: what has so many axes stays as it is."""

    def form(x: Any) -> Any:
        shape = fn(np.broadcast_to(0, np.shape(x))).shape
        return x if np.shape(x) == shape and hasattr(x, "dtype") else np.reshape(x, shape)

    return lambda *arys: form(arys[0]) if len(arys) == 1 else tuple(map(form, arys))


for fn in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    composite(fn)(atleast(fn))
