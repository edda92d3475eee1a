"""``tinygrad_np.polynomial`` beside ``numpy.polynomial``, and its derivatives."""

import doctest
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import positive, real
from tinygrad_np import polynomial
from tinygrad_np.autodiff.nests import leaves

BASES = [polynomial.POWER, polynomial.CHEBYSHEV, polynomial.LEGENDRE, polynomial.LAGUERRE,
         polynomial.HERMITE, polynomial.HERMITE_E]  # fmt: skip
every_basis = pytest.mark.parametrize("basis", BASES, ids=lambda basis: basis.module)
x, y, z = real(3), real(3, seed=1), real(3, seed=2)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *(("val", (real(2, 3), real(n, seed=1)), {}) for n in (1, 2, 5)),
    ("val", (x, real(4, 2)), {}),
    ("val", (x, real(4, 3)), {"tensor": False}),
    ("val", (0.7, real(4)), {}),
    ("val", (x, [1, 2, 3]), {}),
    ("val", (real(2) * 1j, real(3)), {}),
    ("val2d", (x, y, real(2, 3)), {}),
    ("val3d", (x, y, z, real(2, 3, 2)), {}),
    ("grid2d", (x, real(2), real(2, 3)), {}),
    ("grid3d", (x, real(2), real(1), real(2, 3, 2)), {}),
    *(("vander", (real(2, 2), n), {}) for n in (0, 1, 4)),
    ("vander2d", (x, y, [2, 1]), {}),
    ("vander3d", (x, y, z, [1, 2, 0]), {}),
    *(("der", (real(4), m), {}) for m in (0, 1, 2, 6)),
    ("der", (real(2, 4), 1, 0.5, -1), {}),
    *(("int", (real(3), m), {}) for m in (0, 1, 2)),
    ("int", (real(1),), {"k": [0.5]}),
    ("int", (real(3, 2), 2, [1.0, -0.5], 0.3, 2.0), {}),
    ("int", (real(2, 3),), {"axis": 1, "k": [2.0]}),
    ("fit", (real(6), real(6, seed=1), 2), {}),
    ("fit", (real(6), real(6, 2, seed=1), 1), {"w": positive(6)}),
    ("fit", (real(6), real(6, seed=1), [0, 3]), {"w": positive(6)}),
    ("fit", (real(6), real(6, 2), [2]), {}),
]


@every_basis
def test_values_are_those_of_numpy(basis: Any) -> None:
    module = getattr(np.polynomial, basis.module)
    for name, args, options in CALLS:
        mine = getattr(polynomial, basis.name + name)
        wanted = getattr(module, basis.name + name)(*args, **options)
        np.testing.assert_allclose(mine(*args, **options), wanted, rtol=1e-9, atol=1e-11)
        tensors = [tg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        found = mine(*tensors, **options)
        assert np.shape(found) == np.shape(wanted)
        given = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == float else a
                 for a in args]  # fmt: skip
        if name not in ("vander", "fit", "vander2d", "vander3d") and all(
            isinstance(a, np.ndarray) for a in args
        ):
            theirs = getattr(module, basis.name + name)(*given, **options)
            assert mine(*given, **options).dtype == theirs.dtype


SLOPES: list[tuple[str, tuple[Any, ...], list[Any], int]] = [
    # name, variables, the other arguments, order
    ("val", (real(2), real(4, 2)), [], 2),
    ("val", (real(2), real(3, 2)), [False], 1),
    ("grid2d", (real(2), real(1), real(2, 3)), [], 1),
    ("vander", (real(2),), [3], 1),
    ("der", (real(4),), [2, 0.5], 1),
    ("int", (real(2),), [2, [1.0], 0.3, 2.0], 1),
]
FITS: list[tuple[str, tuple[Any, ...], list[Any], int]] = [
    ("vander2d", (real(2), real(2, seed=1)), [[2, 1]], 1),
    ("val3d", (real(1), real(1), real(1), real(2, 2, 2)), [], 1),
    ("fit", (real(5), real(5, seed=1)), [[0, 2]], 2),
]


@every_basis
def test_derivatives(basis: Any) -> None:
    """By points, coefficients and weights, and forward."""
    for name, variables, others, order in SLOPES + FITS * (basis is polynomial.LAGUERRE):
        fn = getattr(basis, name)
        tg.gradcheck(lambda *v, fn=fn, o=others: fn(*v, *o), *variables, order=order)
    weight = positive(5)
    tg.gradcheck(lambda w: basis.fit(real(5), real(5, 2), 1, w=w), weight)
    directions = [np.cos(a) for a in (x, real(4))]
    _, pushed = tg.jvp(basis.val, (x, real(4)), directions)
    weight = np.array([0.5, -1.0, 2.0])
    pulled = tg.vjp(basis.val, x, real(4))[1](weight)
    expected = sum(np.sum(p * d) for p, d in zip(pulled, directions, strict=True))
    np.testing.assert_allclose(np.sum(weight * pushed), expected)


@every_basis
def test_evaluate_maps_the_domain(basis: Any) -> None:
    classes = {"poly": "Polynomial", "herme": "HermiteE"}
    kind = getattr(np.polynomial, classes.get(basis.name, basis.module.capitalize()))
    series = kind([1.0, 2.0, -0.5], domain=[-1, 3], window=[0, 2])
    np.testing.assert_allclose(polynomial.evaluate(series, x), series(x))
    np.testing.assert_allclose(polynomial.evaluate(series, 0.3), series(0.3))
    slope = tg.grad(lambda t: np.sum(polynomial.evaluate(series, t)))(x)
    np.testing.assert_allclose(slope, series.deriv()(x))
    by_coef = tg.grad(lambda c: polynomial.evaluate(series, 0.3, c))(series.coef)
    offset, scale = series.mapparms()
    np.testing.assert_allclose(by_coef, basis.vander(offset + scale * 0.3, 2)[0])


def test_a_replayed_step_has_the_same_bits() -> None:
    c = tg.Tensor(real(4), requires_grad=True)

    def step(points: Any) -> tg.Tensor:
        c.grad = None
        loss = np.mean(polynomial.legval(points, c) ** 2)
        loss.backward()
        return loss

    replayed = tg.replay(step)
    for k in range(4):
        points = real(5, seed=k)
        found = replayed(points).item(), c.grad.tolist()  # type: ignore[union-attr]
        assert found == (step(points).item(), c.grad.tolist())  # type: ignore[union-attr]


def test_examples_run() -> None:
    found = doctest.testmod(polynomial, extraglobs={"tg": tg})
    assert found.attempted and not found.failed


def test_the_integral_of_a_constant_0_moves_with_it() -> None:
    np.testing.assert_array_equal(polynomial.legint(np.zeros(1), k=[0.5]), [0.5, 0.0])
    jacobian = tg.jacobian(polynomial.legint)(np.zeros(1))
    np.testing.assert_array_equal(jacobian, [[0.0], [1.0]])


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"legval2d at points of shapes \[\(3,\), \(2,\)\]; give"):
        polynomial.legval2d(x, real(2), real(2, 2))
    with pytest.raises(ValueError, match=r"chebvander\(deg=-1\); give 0 or more"):
        polynomial.chebvander(x, -1)
    with pytest.raises(TypeError, match=r"polyfit of x of shape \(3,\) and y of shape \(2,\)"):
        polynomial.polyfit(x, real(2), 1)
    with pytest.raises(TypeError, match=r"evaluate takes a series of numpy\.polynomial, not list"):
        polynomial.evaluate([1.0], x)


def test_numpys_functions_name_the_way() -> None:
    """They make arrays of what they are given."""
    t, c = tg.Tensor(x, requires_grad=True), tg.Tensor(real(3), requires_grad=True)
    cases: list[tuple[Any, str]] = [
        (lambda: np.polynomial.polynomial.polyval(0.5, c), "numpy.polynomial.polynomial.polyval"),
        (lambda: np.polynomial.chebyshev.chebder(c), "numpy.polynomial.chebyshev.chebder"),
        (lambda: np.polynomial.legendre.legadd(c, c), "numpy.polynomial.legendre.legadd"),
        (lambda: np.polynomial.Polynomial([1.0, 2.0])(t), "numpy.polynomial.Polynomial"),
        (lambda: np.polynomial.Hermite(c), "numpy.polynomial.Hermite"),
    ]
    for call, name in cases:
        with pytest.raises(tg.DetachError, match=rf"^{name} of a Tensor \(tinygrad_np.polynomial"):
            call()
    with pytest.raises(tg.DetachError, match=r"^np.asarray\(t\) would lose"):
        np.asarray(t)


@pytest.mark.skipif(
    not hasattr(np.polynomial.polynomial.polyval2d, "_implementation"), reason="does not dispatch"
)
def test_those_that_dispatch_name_the_way() -> None:
    t = tg.Tensor(x, requires_grad=True)
    with pytest.raises(tg.TapeError, match=r"here: use tinygrad_np\.polynomial\.polyval2d"):
        np.polynomial.polynomial.polyval2d(t, t, np.ones((2, 2)))
    plain = np.polynomial.polynomial.polyval2d(tg.Tensor(x), tg.Tensor(y), np.ones((2, 2)))
    np.testing.assert_allclose(leaves(plain)[0].numpy(), (1 + x) * (1 + y))
