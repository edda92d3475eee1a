"""Inverses, determinants, and the solutions of linear equations.

Cotangents pair with changes without a conjugate, as everywhere in the table: d f = Re sum(g dx).
"""

import functools
import operator
from typing import Any

import numpy as np

from ..primitives import akin, cofactors, inverse_or_zero, second_cofactors
from .table import composite, defvjp


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    return x.swapaxes(-1, -2)


def conj(x: Any) -> Any:
    """The complex conjugate; what is real stays itself."""
    return np.conjugate(x) if np.iscomplexobj(x) else x


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(transposed(x))


def by_matrix(g: Any, _out: Any, a: Any, *_rest: Any, **_options: Any) -> Any:
    """The reach of functions of matrices: all of one, if anything that it gives is reached."""
    batch = np.ndim(a) - 2
    arrived = [
        np.any(np.not_equal(part, 0), axis=tuple(range(batch, np.ndim(part))))
        for part in (g if isinstance(g, tuple) else (g,))
        if part is not None
    ]
    found = functools.reduce(np.logical_or, arrived)
    return found[..., None, None] if batch else found


def solve_right(g: Any, a: Any, b: Any) -> Any:
    """x = a⁻¹ b by b: a⁻ᵀ g."""
    if np.ndim(b) == 1:
        return np.linalg.solve(transposed(a), np.expand_dims(g, -1))[..., 0]
    return np.linalg.solve(transposed(a), g)


def solve_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    """x = a⁻¹ b by a: −(a⁻ᵀ g) xᵀ."""
    back = solve_right(g, a, b)
    if np.ndim(b) == 1:
        return -np.expand_dims(back, -1) * np.expand_dims(out, -2)
    return -np.matmul(back, transposed(out))


def by_equations(g: Any, out: Any, _a: Any, b: Any) -> Any:
    """The reach of ``solve``: with one vector for all matrices, everything or nothing."""
    return by_matrix(g, out, g) if np.ndim(b) > 1 else np.any(np.not_equal(g, 0))


defvjp(
    np.linalg.solve,
    lambda g, out, a, b: solve_left(g, out, a, b),
    lambda g, _out, a, _b: solve_right(g, a, _b),
    broadcasts=True,
    reach=by_equations,
)


def inverse_back(g: Any, out: Any) -> Any:
    """−a⁻ᵀ g a⁻ᵀ."""
    return -np.matmul(np.matmul(transposed(out), g), transposed(out))


defvjp(np.linalg.inv, lambda g, out, _a: inverse_back(g, out), reach=by_matrix)


@composite(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``solve`` of a matrix whose rows and columns have several axes."""
    ndim, rows = np.ndim(a), np.ndim(b)
    if axes is not None:
        moved = [operator.index(k) for k in axes]
        order = list(range(ndim))
        for k in moved:
            order.remove(k)
            order.append(k)
        a = np.transpose(a, order)
    shape = np.shape(a)[-(ndim - rows) :]
    n = int(np.prod(shape))
    if np.size(a) != n * n:
        raise np.linalg.LinAlgError(
            f"np.linalg.tensorsolve of shapes {np.shape(a)} and {np.shape(b)}: the axes after "
            f"those of b, {shape}, do not make a square matrix."
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (n, n)), np.reshape(b, (-1,))), shape)


@composite(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """``inv`` of a matrix whose rows are the first ``ind`` axes."""
    if ind <= 0 or np.ndim(a) == 0:
        raise ValueError(
            f"np.linalg.tensorinv(ind={ind}) of shape {np.shape(a)}: give an array with axes, and "
            "the number of those of a row, 1 or more."
        )
    rows, columns = np.shape(a)[:ind], np.shape(a)[ind:]
    matrix = np.reshape(a, (int(np.prod(columns)), -1))
    return np.reshape(np.linalg.inv(matrix), (*columns, *rows))


@composite(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Products of squares, as many as ``n`` has binary digits."""
    n = operator.index(n)
    if np.ndim(a) < 2 or len(set(np.shape(a)[-2:])) > 1:
        raise np.linalg.LinAlgError(f"np.linalg.matrix_power of shape {np.shape(a)}: not square.")
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.zeros_like(a) + akin(np.eye(np.shape(a)[-1], dtype=np.result_type(a)), a)
    if n == 3:  # as NumPy does it
        return np.matmul(np.matmul(a, a), a)
    out = None
    while True:
        n, odd = divmod(n, 2)
        if odd:
            out = a if out is None else np.matmul(out, a)
        if n == 0:
            return out
        a = np.matmul(a, a)


def third_cofactors(g: Any, a: Any, h: Any) -> Any:
    """The derivative of sum(g second_cofactors(a, h)) by an invertible ``a``.

    With x = a⁻¹ h, y = a⁻¹ g the sum is f = det(a) (tr x tr y − tr x y).
    """
    inverse, det = np.linalg.inv(a), np.expand_dims(np.linalg.det(a), (-1, -2))
    x, y = np.matmul(inverse, h), np.matmul(inverse, g)
    trace_x, trace_y, trace_xy = (
        np.expand_dims(np.trace(m, 0, -2, -1), (-1, -2)) for m in (x, y, np.matmul(x, y))
    )
    eye = akin(np.eye(np.shape(a)[-1], dtype=np.result_type(a)), a)
    inner = np.matmul(x, y) + np.matmul(y, x) - trace_y * x - trace_x * y
    inner = inner + (trace_x * trace_y - trace_xy) * eye
    return det * transposed(np.matmul(inner, inverse))


defvjp(np.linalg.det, lambda g, _out, a: g[..., None, None] * cofactors(a), reach=by_matrix)
defvjp(cofactors, lambda g, _out, a: second_cofactors(a, g), reach=by_matrix)
defvjp(
    second_cofactors,
    lambda g, _out, a, h: third_cofactors(g, a, h),
    lambda g, _out, a, _h: second_cofactors(a, g),
    reach=by_matrix,
)


defvjp(inverse_or_zero, lambda g, out, _a: inverse_back(g, out), reach=by_matrix)


def slogdet_back(g: Any, out: Any, a: Any) -> Any:
    """a⁻ᵀ times the cotangent of log |det a|, and for the angle of complex ones i Im(g sign)."""
    (gsign, glog), (sign, _) = g, out
    total: Any = 0 if glog is None else glog
    if gsign is not None and a.dtype.kind == "c":
        total = total + 1j * np.imag(gsign * sign)
    elif glog is None:
        return np.zeros_like(a)
    return np.expand_dims(total, (-1, -2)) * transposed(inverse_or_zero(a))


defvjp(np.linalg.slogdet, lambda g, out, a: slogdet_back(g, out, a), reach=by_matrix)
