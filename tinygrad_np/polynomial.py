"""The functions of ``numpy.polynomial``, for Tensors as well.

NumPy's own turn their arguments into arrays, which refuses a Tensor that requires grad; ``polyval``
and its like take one for ``x``, but as a number: with coefficients of several axes their result has
another shape. Here they have the same names, arguments and results as for arrays, and are
differentiable by the points and by the coefficients alike. The six bases differ in one line each:
their three-term recurrence, with which Clenshaw's scheme sums a series (Clenshaw 1955, "A note on
the summation of Chebyshev series").

>>> from tinygrad_np import polynomial
>>> polynomial.chebval(np.array([0.5, 1.0]), [1.0, 2.0, 3.0])
array([0.5, 6. ])
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .autodiff.primitives import refuse_namespace
from .autodiff.rules.inverses import transposed
from .autodiff.rules.polynomials import least_squares

__all__ = [
    "chebder", "chebfit", "chebgrid2d", "chebgrid3d", "chebint", "chebval", "chebval2d",
    "chebval3d", "chebvander", "chebvander2d", "chebvander3d", "evaluate", "hermder", "hermeder",
    "hermefit", "hermegrid2d", "hermegrid3d", "hermeint", "hermeval", "hermeval2d", "hermeval3d",
    "hermevander", "hermevander2d", "hermevander3d", "hermfit", "hermgrid2d", "hermgrid3d",
    "hermint", "hermval", "hermval2d", "hermval3d", "hermvander", "hermvander2d", "hermvander3d",
    "lagder", "lagfit", "laggrid2d", "laggrid3d", "lagint", "lagval", "lagval2d", "lagval3d",
    "lagvander", "lagvander2d", "lagvander3d", "legder", "legfit", "leggrid2d", "leggrid3d",
    "legint", "legval", "legval2d", "legval3d", "legvander", "legvander2d", "legvander3d",
    "polyder", "polyfit", "polygrid2d", "polygrid3d", "polyint", "polyval", "polyval2d",
    "polyval3d", "polyvander", "polyvander2d", "polyvander3d",
]  # fmt: skip

Function = Callable[..., Any]


def _array(value: Any) -> Any:
    """A Tensor or an array as it is, what else there is as an array; integers as floats."""
    refuse_namespace("the operand", value)
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return value + 0.0 if value.dtype.kind in "biu" else value


class Basis(NamedTuple):
    """Polynomials P₀ = 1, P₁, … with Pₖ₊₁ = (aₖ x + bₖ) Pₖ - dₖ Pₖ₋₁.

    ``step(k)`` gives aₖ, bₖ and dₖ. ``module`` and ``name`` tell where NumPy has the same basis.
    """

    module: str
    name: str
    step: Callable[[int], tuple[float, float, float]]

    def __repr__(self) -> str:
        return f"Basis({self.module!r}, {self.name!r})"

    def val(self, x: Any, c: Any, tensor: bool = True) -> Any:
        """The series with coefficients ``c`` (lowest first, along axis 0) at ``x``.

        The result has the shape ``c.shape[1:] + x.shape``; with ``tensor=False`` each of the other
        axes of ``c`` is broadcast against those of ``x`` instead.

        >>> tg.polynomial.polyval(np.array([0.0, 2.0]), [1.0, 0.0, 3.0])  # 1 + 3 x²
        array([ 1., 13.])
        """
        x, c = x if isinstance(x, (int, float, complex)) else _array(x), _array(c)
        c = np.atleast_1d(c) if np.ndim(c) == 0 else c
        if tensor:
            c = np.reshape(c, np.shape(c) + (1,) * np.ndim(x))
        after: Any = None
        out: Any = c[-1] + 0 * x
        for k in range(len(c) - 2, -1, -1):
            a, b, _ = self.step(k)
            term = c[k] + (a * x + b if b else a * x) * out
            if after is not None and (d := self.step(k + 1)[2]):
                term = term - d * after
            after, out = out, term
        return out

    def val2d(self, x: Any, y: Any, c: Any) -> Any:
        """The series in two variables at the points (x, y), which have one shape.

        >>> c = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> float(tg.polynomial.polyval2d(1.0, 2.0, c))
        16.0
        """
        return self._at_points([x, y], c)

    def val3d(self, x: Any, y: Any, z: Any, c: Any) -> Any:
        """The series in three variables at the points (x, y, z), which have one shape.

        >>> float(tg.polynomial.polyval3d(1.0, 1.0, 1.0, np.ones((2, 2, 2))))
        8.0
        """
        return self._at_points([x, y, z], c)

    def _at_points(self, points: Sequence[Any], c: Any) -> Any:
        if len({np.shape(p) for p in points}) > 1:
            raise ValueError(
                f"{self.name}val{len(points)}d at points of shapes {[np.shape(p) for p in points]}"
                "; give coordinates of one shape."
            )
        for k, point in enumerate(points):
            c = self.val(point, c, tensor=k == 0)
        return c

    def grid2d(self, x: Any, y: Any, c: Any) -> Any:
        """The series in two variables on the grid of all x with all y.

        >>> tg.polynomial.polygrid2d(np.ones(3), np.ones(4), np.ones((2, 2))).shape
        (3, 4)
        """
        return self.val(y, self.val(x, c))

    def grid3d(self, x: Any, y: Any, z: Any, c: Any) -> Any:
        """The series in three variables on the grid of all x, y and z.

        >>> tg.polynomial.polygrid3d(np.ones(3), np.ones(4), np.ones(5), np.ones((2, 2, 2))).shape
        (3, 4, 5)
        """
        return self.val(z, self.grid2d(x, y, c))

    def vander(self, x: Any, deg: int) -> Any:
        """P₀ … P_deg at each ``x``, on a new last axis.

        >>> tg.polynomial.polyvander(np.array([1.0, 2.0]), 2).tolist()
        [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0]]
        """
        if deg < 0:
            raise ValueError(f"{self.name}vander(deg={deg}); give 0 or more.")
        x = _array(x)
        x = np.atleast_1d(x) if np.ndim(x) == 0 else x
        columns = [np.ones_like(x)]
        for k in range(deg):
            a, b, d = self.step(k)
            column = (a * x + b if b else a * x) * columns[-1]
            columns.append(column - d * columns[-2] if d and k else column)
        return np.stack(columns, axis=-1)

    def vander2d(self, x: Any, y: Any, deg: Sequence[int]) -> Any:
        """All products of P₀ … at x and at y, up to the two degrees.

        >>> tg.polynomial.polyvander2d(np.ones(3), np.ones(3), [1, 2]).shape
        (3, 6)
        """
        return self._products([x, y], deg)

    def vander3d(self, x: Any, y: Any, z: Any, deg: Sequence[int]) -> Any:
        """All products of P₀ … at x, at y and at z, up to the three degrees.

        >>> tg.polynomial.polyvander3d(np.ones(3), np.ones(3), np.ones(3), [1, 1, 1]).shape
        (3, 8)
        """
        return self._products([x, y, z], deg)

    def _products(self, points: Sequence[Any], degrees: Sequence[int]) -> Any:
        first, *others = (self.vander(p, n) for p, n in zip(points, degrees, strict=True))
        for other in others:
            first = np.expand_dims(first, -1) * np.expand_dims(other, -2)
            first = np.reshape(first, (*np.shape(first)[:-2], -1))
        return first

    def _numpys(self, name: str) -> Function:
        """NumPy's function of this basis, for arrays."""
        fn: Function = getattr(getattr(np.polynomial, self.module), self.name + name)
        return fn

    def _linear(self, matrix: Any, c: Any, axis: int) -> Any:
        """A matrix times the coefficients along an axis."""
        return np.moveaxis(np.tensordot(matrix.astype(c.dtype), c, ((1,), (axis,))), 0, axis)

    def der(self, c: Any, m: int = 1, scl: Any = 1, axis: int = 0) -> Any:
        """The coefficients of the ``m``-th derivative, multiplied by ``scl`` each time.

        >>> tg.polynomial.polyder([1.0, 2.0, 3.0]).tolist()
        [2.0, 6.0]
        """
        c = np.atleast_1d(_array(c))
        if m == 0:
            return c
        matrix = self._numpys("der")(np.eye(np.shape(c)[axis]), m, scl)
        return self._linear(matrix, c, axis)

    def int(
        self, c: Any, m: int = 1, k: Any = (), lbnd: Any = 0, scl: Any = 1, axis: int = 0
    ) -> Any:
        """The coefficients of the ``m``-th integral; the i-th is ``k[i]`` (else 0) at ``lbnd``.

        A constant 0 gets a term of degree 1 as every other constant does, unlike in NumPy.

        >>> tg.polynomial.polyint([1.0, 2.0]).tolist()
        [0.0, 1.0, 1.0]
        """
        c = np.atleast_1d(_array(c))
        n = np.shape(c)[axis]
        if m == 0:
            return c
        integral = self._numpys("int")
        out = self._linear(integral(np.eye(n), m, (), lbnd, scl), c, axis)
        constants = np.zeros(n + m, out.dtype)
        constants[:m] = integral(np.zeros(2), m, k, lbnd, scl)[:m]
        return out + np.reshape(constants, (-1,) + (1,) * (np.ndim(out) - 1 - axis % np.ndim(out)))

    def fit(self, x: Any, y: Any, deg: Any, rcond: float | None = None, *, w: Any = None) -> Any:
        """The coefficients of the least squares fit of ``y`` (n,) or (n, k) at ``x`` (n,).

        ``deg`` is the degree, or a list of those that are to take part; ``w`` are weights of the
        points. Differentiable by ``x``, ``y`` and ``w``.

        >>> x = np.array([0.0, 1.0, 2.0, 3.0])
        >>> tg.polynomial.polyfit(x, 1 + 2 * x, 1).round(6).tolist()
        [1.0, 2.0]
        """
        x, y = _array(x), _array(y)
        degrees = sorted(np.reshape(deg, (-1,)).tolist())
        if np.ndim(x) != 1 or len(x) != len(y) or not len(x) or np.ndim(y) not in (1, 2):
            raise TypeError(
                f"{self.name}fit of x of shape {np.shape(x)} and y of shape {np.shape(y)}; give "
                "(n,) and (n,) or (n, k)."
            )
        left, right = self.vander(x, degrees[-1]), y
        if np.ndim(deg):
            left = left[:, degrees]
        else:
            degrees = list(range(degrees[-1] + 1))
        if w is not None:
            column = np.reshape(_array(w), (-1, 1))
            left, right = left * column, right * (column if np.ndim(y) == 2 else column[:, 0])
        size = np.abs(left)
        scale = np.sqrt(np.sum(size * size, axis=0))
        rcond = len(x) * float(np.finfo(x.dtype).eps) if rcond is None else rcond
        found = least_squares(left / scale, right, rcond)
        found = transposed(transposed(found) / scale) if np.ndim(y) == 2 else found / scale
        if len(degrees) == degrees[-1] + 1:
            return found
        whole = np.zeros_like(found, shape=(degrees[-1] + 1, *np.shape(found)[1:]))
        return np.concatenate([
            found[degrees.index(k)][None] if k in degrees else whole[k : k + 1]
            for k in range(degrees[-1] + 1)
        ])  # fmt: skip

    def functions(self) -> tuple[Function, ...]:
        """The functions in the order in which they are named below."""
        return (self.val, self.val2d, self.val3d, self.grid2d, self.grid3d, self.vander,
                self.vander2d, self.vander3d, self.der, self.int, self.fit)  # fmt: skip


POWER = Basis("polynomial", "poly", lambda _: (1, 0, 0))
CHEBYSHEV = Basis("chebyshev", "cheb", lambda k: (2 if k else 1, 0, 1))
LEGENDRE = Basis("legendre", "leg", lambda k: ((2 * k + 1) / (k + 1), 0, k / (k + 1)))
LAGUERRE = Basis("laguerre", "lag", lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1)))
HERMITE = Basis("hermite", "herm", lambda k: (2, 0, 2 * k))
HERMITE_E = Basis("hermite_e", "herme", lambda k: (1, 0, k))

(
    polyval, polyval2d, polyval3d, polygrid2d, polygrid3d, polyvander, polyvander2d, polyvander3d,
    polyder, polyint, polyfit,
) = POWER.functions()  # fmt: skip
(
    chebval, chebval2d, chebval3d, chebgrid2d, chebgrid3d, chebvander, chebvander2d, chebvander3d,
    chebder, chebint, chebfit,
) = CHEBYSHEV.functions()  # fmt: skip
(
    legval, legval2d, legval3d, leggrid2d, leggrid3d, legvander, legvander2d, legvander3d,
    legder, legint, legfit,
) = LEGENDRE.functions()  # fmt: skip
(
    lagval, lagval2d, lagval3d, laggrid2d, laggrid3d, lagvander, lagvander2d, lagvander3d,
    lagder, lagint, lagfit,
) = LAGUERRE.functions()  # fmt: skip
(
    hermval, hermval2d, hermval3d, hermgrid2d, hermgrid3d, hermvander, hermvander2d, hermvander3d,
    hermder, hermint, hermfit,
) = HERMITE.functions()  # fmt: skip
(
    hermeval, hermeval2d, hermeval3d, hermegrid2d, hermegrid3d, hermevander, hermevander2d,
    hermevander3d, hermeder, hermeint, hermefit,
) = HERMITE_E.functions()  # fmt: skip


def evaluate(series: Any, x: Any, coef: Any = None) -> Any:
    """``series(x)`` for an object of ``numpy.polynomial`` (``Polynomial``, ``Chebyshev``, …).

    ``x`` is mapped from the series' domain to its window, as the object itself does it. ``coef``,
    if given, takes the place of its coefficients, which can only be arrays. Raises TypeError for
    what is no such object.

    >>> line = np.polynomial.Chebyshev([1.0, 2.0], domain=[0, 4])
    >>> tg.polynomial.evaluate(line, np.array([0.0, 3.0]))
    array([-1.,  2.])
    """
    of_numpy = np.polynomial
    kinds = (of_numpy.Polynomial, of_numpy.Chebyshev, of_numpy.Legendre, of_numpy.Laguerre,
             of_numpy.Hermite, of_numpy.HermiteE)  # fmt: skip
    bases = (POWER, CHEBYSHEV, LEGENDRE, LAGUERRE, HERMITE, HERMITE_E)
    found = [b for kind, b in zip(kinds, bases, strict=True) if isinstance(series, kind)]
    if not found:
        raise TypeError(
            f"evaluate takes a series of numpy.polynomial, not {type(series).__name__}; use "
            "polyval and its like for coefficients."
        )
    offset, scale = series.mapparms()
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return found[0].val(offset + scale * x, series.coef if coef is None else coef)
