"""Operands, options and results in several dtypes, cotangents of 0, and the sides of cuts.

A rule may see its operands in another precision than the one in which the result was computed.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import CASES, HAS_SCIPY, Case
from tests.each import run_all
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import TABLE, of_scipy

INF = np.inf
if HAS_SCIPY:
    from scipy import special as sp

    of_scipy(sp.erf)  # fills the table
NARROW = ("f4", "i1", "u1", "u2", "i8", "?")
pytestmark = pytest.mark.filterwarnings("ignore")


def is_public(case: Case) -> bool:
    return not str(getattr(case.fn, "__module__", "")).startswith("tinygrad_np.autodiff")


REAL = [case for case in CASES if case.variables and is_public(case)
        and all(v.dtype.kind == "f" and v.size for v in case.variables)]  # fmt: skip
SEVERAL = [case for case in REAL if len(case.variables) > 1]


def slope(call: Callable[..., Any], values: Sequence[Any], place: int) -> Any:
    """The gradient of a sum with other weights for each element, None for what has none."""
    rng = np.random.default_rng(7)
    ts = [tg.Tensor(v, requires_grad=i == place) for i, v in enumerate(values)]
    outs = [out for out in leaves(call(*ts)) if isinstance(out, tg.Tensor)]
    total = sum(np.sum(np.real(out) * rng.uniform(0.5, 1.5, out.shape))
                for out in outs if out.dtype.kind in "fc")  # fmt: skip
    if not getattr(total, "requires_grad", False):
        return None
    total.backward()
    found = ts[place].grad
    return None if found is None else found.numpy()


def pulled(f: Callable[[Any], Any], x: Any, g: Any) -> Any:
    """The cotangent of ``x`` from that of the result."""
    t: Any = tg.Tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        f(t).backward(np.asarray(g))
    return t.grad.numpy()


def as_narrow(value: Any, dtype: str) -> Any:
    return value.astype(dtype) if dtype == "f4" else (np.rint(np.abs(value)) + 1).astype(dtype)


def of_numpy(case: Case, values: Sequence[Any]) -> list[Any] | None:
    """What NumPy gives, None where it refuses."""
    try:
        return [np.asarray(out) for out in leaves(case.call(*values, fn=case.reference))]
    except (TypeError, ValueError, OverflowError, np.linalg.LinAlgError):
        return None


def agree(ours: Any, others: Any, eps: float = 2.0**-40) -> bool:
    if len(ours) != len(others):
        return False
    for a, b in zip(ours, others, strict=True):
        least = max(eps, 4 * np.finfo(b.dtype).eps) if b.dtype.kind in "fc" else 0
        if a.dtype != b.dtype or not np.allclose(a, b, least, least, equal_nan=True):
            return False
    return True


def check_narrow(case: Case, place: int, dtype: str) -> None:
    """Of narrow operands beside a float64 the gradient is that of the same numbers as float64."""
    values = case.variables
    narrow = [v if i == place else as_narrow(v, dtype) for i, v in enumerate(values)]
    wide = [np.asarray(v, float) for v in narrow]
    theirs = of_numpy(case, narrow), of_numpy(case, wide)
    if theirs[0] is None or theirs[1] is None or not agree(*theirs):
        return  # NumPy itself computes in the narrow dtype
    found, wanted = slope(case.call, narrow, place), slope(case.call, wide, place)
    if wanted is not None:
        np.testing.assert_allclose(found, wanted, 1e-11, 1e-12)


def narrow_ones(cases: Sequence[Case], dtypes: Sequence[str]) -> Iterator[Any]:
    return ((case, place, dtype) for case in cases for place in range(len(case.variables))
            for dtype in dtypes)  # fmt: skip


def test_gradients_beside_narrow_operands() -> None:
    ufuncs = [case for case in SEVERAL if isinstance(case.fn, np.ufunc)]
    run_all(check_narrow, narrow_ones(ufuncs, ("f4", "u1")))


@pytest.mark.slow
def test_gradients_beside_narrow_operands_of_all() -> None:
    run_all(check_narrow, narrow_ones(SEVERAL, NARROW))


OTHER_PRECISION = (
    "polygamma",
    "factorial",
    "comb",
    "perm",
    "unique_values",
    "gradient.3",
    "tall_sums",
)


def check_value(case: Case, place: int, dtype: str) -> None:
    """Values of narrow operands are NumPy's, in NumPy's dtype."""
    values = [v if i == place else (np.abs(v) * 60).astype(dtype)
              for i, v in enumerate(case.variables)]  # fmt: skip
    if any(name in case.id for name in OTHER_PRECISION):
        return
    wanted = of_numpy(case, values)
    if wanted is not None:
        outs = leaves(case.call(*map(tg.Tensor, values)))
        found = [out.numpy() if isinstance(out, tg.Tensor) else np.asarray(out) for out in outs]
        assert agree(found, wanted, 2e-3 if dtype == "f4" else 1e-9), (found, wanted)


def test_values_of_narrow_operands_of_some() -> None:
    run_all(check_value, list(narrow_ones(REAL, ("i1", "u1")))[::23])


X = np.array([0.5, 2.0, -1.0, 4.0])
MIXED: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    ("gradient", np.gradient, (X, np.array([0, 1, 3, 6], "i1"))),
    ("gradient", lambda f, d: np.gradient(f, d, edge_order=2), (X, np.array(200, "u1"))),
    ("gradient", lambda f, d: np.gradient(f, d, edge_order=2), (X, np.array(0.3, "f4"))),
    ("average", lambda a, w: np.average(a, weights=w), (np.arange(4, dtype="i1"), X.astype("f4"))),
    ("average", lambda a, w: np.average(a, weights=w), (X, np.array([0.1, 0.2, 0.3, 0.4], "f4"))),
    ("add.reduceat", lambda x: np.add.reduceat(x, [0, 2]), (np.full(3, 100, "i1"),)),
    ("logaddexp.reduce", np.logaddexp.reduce, (np.array([3, 1, 2], "u1"),)),
    ("logaddexp.reduce", np.logaddexp.reduce, (np.array([True, False]),)),
    ("histogramdd", lambda x, w: np.histogramdd([x], 2, weights=w)[0], (X, X.astype("f4") / 3)),
    ("nanvar", lambda x, m: np.nanvar(x, mean=m), (X.astype("f4"), np.array(0.3))),
    ("polyfit", lambda y, w: np.polyfit(np.arange(4.0), y, 1, w=w), (X.astype("f4"), 1 / (X + 3))),
    ("linspace", lambda a, b: np.linspace(a, b, 3, retstep=True)[1],
     (np.array(5, "u1"), np.array(3, "u1"))),
    ("einsum", lambda a, b: np.einsum("ij,jk,kl->il", a, a, b), (np.ones((2, 2), bool), np.eye(2))),
    ("einsum", lambda a, b: np.einsum("i,j,i->j", a, a, b), (X.astype("f4") / 3, X)),
    ("tensordot", lambda a: np.tensordot(a, a, (np.int64(0), np.int64(0))), (X,)),
]  # fmt: skip


def check_mixed(_name: str, f: Callable[..., Any], operands: tuple[Any, ...]) -> None:
    found, wanted = f(*map(tg.Tensor, operands)), np.asarray(f(*operands))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.numpy(), wanted, 1e-14)


def test_values_of_operands_in_several_dtypes() -> None:
    run_all(check_mixed, MIXED)


@pytest.mark.slow
def test_values_of_narrow_operands() -> None:
    run_all(check_value, narrow_ones(REAL, ("i1", "u1", "i8")))
    run_all(check_value, ((case, -1, dtype) for case in REAL for dtype in ("i1", "u1", "?")))


WIDE: list[tuple[str, Callable[[Any], Any], float]] = [
    (name, lambda x, name=name: getattr(np, name)(x, dtype="f8"), 100.0)  # type: ignore[misc]
    for name in ("cosh", "sinh", "exp", "exp2", "expm1")
]
WIDE += [
    ("square", lambda x: np.square(x, dtype="f8"), 1e30),
    ("power", lambda x: np.power(x, 25, dtype="f8"), 100.0),
    ("power of arrays", lambda x: np.power(x, np.full(1, 25, "f4"), dtype="f8"), 100.0),
    ("signature", lambda x: np.cosh(x, signature="d->d"), 100.0),
    ("multiply", lambda x: np.multiply(x, x, dtype="f8"), 1e30),
    ("float_power", lambda x: np.float_power(x, 25.0), 100.0),
    ("float_power of arrays", lambda x: np.float_power(x, np.full(1, 25, "f4")), 100.0),
    ("prod", lambda x: np.prod(np.tile(x, 25), dtype="f8"), 100.0),
    ("cumprod", lambda x: np.cumprod(np.tile(x, 25), dtype="f8"), 100.0),
    ("var", lambda x: np.var(np.stack([x, 3 * x]), dtype="f8"), 1e30),
    ("multiply.accumulate", lambda x: np.multiply.accumulate(np.tile(x, 25), dtype="f8"), 100.0),
]  # fmt: skip


@pytest.mark.parametrize(("f", "at"), [row[1:] for row in WIDE], ids=[row[0] for row in WIDE])
def test_slopes_are_as_wide_as_results(f: Callable[[Any], Any], at: float) -> None:
    """The logarithm's slope is finite where a result is beyond float32, and its rule too."""
    narrow, wide = (
        tg.grad(lambda x: np.sum(np.log(f(x))))(np.full(1, at, dtype)) for dtype in ("f4", "f8")
    )
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, 1e-6)


def smooth(case: Case) -> Callable[..., Any]:
    return lambda *xs: tuple(
        out for out in leaves(case.call(*xs)) if getattr(out, "dtype", np.dtype(int)).kind in "fc"
    )


def has_slope(case: Case) -> bool:
    outs = [tg.Tensor(v, requires_grad=True) for v in case.variables]
    return any(out.requires_grad for out in smooth(case)(*outs) if isinstance(out, tg.Tensor))


def check_minimum(case: Case) -> None:
    """At a perfect fit the Hessian of least squares is JᵀJ, though all cotangents are 0."""
    f, values = smooth(case), tuple(case.variables)
    rng = np.random.default_rng(2)
    way = tuple(rng.uniform(-1, 1, v.shape) for v in values)
    base, pushed = tg.jvp(f, values, way)

    def distance(*xs: Any) -> Any:
        rest = [out - fit for out, fit in zip(f(*xs), base, strict=True)]
        return sum(np.sum(np.real(r * np.conj(r))) / 2 for r in rest)

    found, wanted = (
        tg.hvp(distance, values, way),
        tg.vjp(f, *values)[1](tuple(np.conj(p) for p in pushed)),
    )
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, 1e-6, 1e-8)


MINIMA = [(case,) for case in REAL if case.order > 1 and has_slope(case)]


def test_hessians_where_all_cotangents_are_0_of_some() -> None:
    run_all(check_minimum, MINIMA[::37])
    run_all(check_minimum, [row for row in MINIMA if row[0].fn in (np.interp, np.quantile)])


@pytest.mark.slow
def test_hessians_where_all_cotangents_are_0() -> None:
    run_all(check_minimum, MINIMA)


def test_a_cotangent_of_0_stops_no_infinite_rise() -> None:
    """0 times infinity stays 0, as before."""
    rise = np.array([0.0, INF])
    found = tg.grad(lambda x: np.where([True, False], np.interp(x, [0.0, 1.0], rise), 0.0).sum())
    assert found(np.array([-1.0, 0.5])).tolist() == [0.0, 0.0]


def of_complex() -> dict[str, Callable[[Any], Any]]:
    """Functions of one complex number that have a slope, SciPy's too."""
    found: dict[str, Callable[[Any], Any]] = {
        fn.__name__: fn for fn, rule in TABLE.items()
        if isinstance(fn, np.ufunc) and not rule.constant and (fn.nin, fn.nout) == (1, 1)
        and any(types in ("D->D",) for types in fn.types)
        and fn.__name__ not in ("conjugate", "sign", "rint", "psi")
    }  # fmt: skip
    for y in (0.3, -1.7, 2, 0.3 + 0.2j):
        found[f"power {y}"] = functools.partial(lambda y, z: np.power(z, y), y)
    if HAS_SCIPY:
        for fn in (sp.jv, sp.yv, sp.kv, sp.iv, sp.hankel1, sp.hankel2e, sp.kve, sp.xlogy):
            found[fn.__name__] = functools.partial(fn, 0.3)
    return found


def check_cut(fn: Callable[[Any], Any], at: float, zero: float, is_real: bool) -> None:
    """On the axes, where cuts lie, the slope is that of the side which the sign of 0 names."""
    z, h = np.array([at, at + 1e-5, at - 1e-5]), 2e-5
    given = np.empty(3, complex)
    given.real, given.imag = (z, zero) if is_real else (zero, z)
    with np.errstate(all="ignore"):
        values = fn(given)
    wanted = (values[1] - values[2]) / (h if is_real else 1j * h)
    if np.isfinite(wanted) and abs(wanted) < 1e3:
        np.testing.assert_allclose(pulled(fn, given[:1], [1 + 0j])[0], wanted, 1e-6, 1e-6)


def test_both_sides_of_cuts() -> None:
    fns = of_complex()
    assert len(fns) > 20
    run_all(check_cut, ((fn, at, zero, is_real) for fn in fns.values()
                        for at in (0.4, 1.3, -0.4, -1.3, -2.0) for zero in (0.0, -0.0)
                        for is_real in (True, False)))  # fmt: skip


def test_complex_numbers_whose_square_overflows() -> None:
    far = np.array([1e200 + 1e200j, 1e200, -1e200j])
    for fn, power in ((np.arctan, 0), (np.arctanh, 0), (np.arcsin, 1), (np.arcsinh, 1)):
        found = pulled(fn, far, np.ones(3, complex))
        np.testing.assert_allclose(np.abs(found * far), power, atol=1e-100)
    assert pulled(np.abs, [INF + 1j, 2 - 1j * INF], np.ones(2)).tolist() == [1, 1j]


ROUNDED = ("tanh", "ker", "kei", "kerp", "keip", "entr", "fresnel")  # of results near a limit


def check_half(fn: Any) -> None:
    """Slopes of float16 are those of float64, rounded: nothing inside a rule overflows."""
    given = np.arange(0, 65536, 37).astype(np.uint16).view(np.float16)
    given = given[np.isfinite(given)]
    with np.errstate(all="ignore"):
        found, wanted = (tg.grad(lambda t: np.sum(leaves(fn(t))[0], dtype=float))(given.astype(d))
                         for d in ("f2", "f8"))  # fmt: skip
        known = np.isfinite(wanted.astype("f2")) & np.isfinite(leaves(fn(given))[0])
        near = wanted.astype("f2").astype(float)[known]
    np.testing.assert_allclose(found.astype(float)[known], near, 0.02, 3e-7)


def test_slopes_of_half_precision_are_rounded_ones() -> None:
    run_all(check_half, (
        (fn,) for fn, rule in TABLE.items() if isinstance(fn, np.ufunc) and fn.nin == 1
        and not rule.constant and fn.__name__ not in (*ROUNDED, "frexp")
    ))  # fmt: skip


def test_equal_elements_of_many_keep_their_order() -> None:
    """NumPy's usual order is not stable from 17 elements on."""
    x = np.random.default_rng(0).integers(0, 3, 2000).astype(float)
    found = tg.grad(lambda t: np.sum(np.sort(t) * np.arange(2000.0)))(x)
    np.testing.assert_array_equal(found[np.argsort(x, kind="stable")], np.arange(2000.0))


def test_ties_of_half_precision_are_counted_in_full() -> None:
    for shape, axis in (((5000, 3), 0), ((70_000,), None)):
        x = np.zeros(shape, np.float16)
        for fn in (np.max, np.min):
            found = tg.grad(lambda t, fn=fn, axis=axis: np.sum(fn(t, axis=axis)))(x)
            np.testing.assert_allclose(found.astype(float), 1 / shape[0], 0.05)


def test_parts_of_complex_numbers_that_are_replaced() -> None:
    x = [complex(np.nan, 2), complex(2, INF)]
    found = pulled(lambda t: np.nan_to_num(t, posinf=1.0), x, np.full(2, 3 - 2j))
    assert found.tolist() == [-2j, 3]


def test_negative_bases_of_complex_exponents() -> None:
    wanted = (-2 + 0j) ** (1 + 1j) * np.log(-2 + 0j)
    for base in (-2, -2.0, np.array(-2), np.array(-2.0)):
        found = pulled(functools.partial(np.power, base), 1 + 1j, 1 + 0j)
        np.testing.assert_allclose(found, wanted)


def test_shifts_without_a_sign() -> None:
    weights = np.arange(10.0).reshape(2, 5)
    for shift, axis in ((np.uint8(1), 1), ((np.uint8(1), np.uint8(2)), (0, 1)),
                        (np.array([1, 2], np.uint8), (0, 1)), (-1, None)):  # fmt: skip
        found = tg.grad(lambda t, s=shift, a=axis: np.sum(np.roll(t, s, a) * weights))(weights)
        signed = np.asarray(shift, int)
        np.testing.assert_array_equal(found, np.roll(weights, -signed, axis))


def test_least_squares_with_a_matrix_in_another_dtype() -> None:
    a = np.array([[1, 2], [3, 4], [5, 7]])
    ill = np.array([[1, 1], [1, 1 + 2.0**-20], [1, 1 - 2.0**-20]], np.float32)
    b = np.array([1.0, 2.0, 4.0])
    for matrix in (a, a.astype("i1"), ill):
        wide = matrix.astype(float)
        found = [pulled(lambda t, m=matrix, k=k: np.sum(np.linalg.lstsq(m, t)[k]), b, 1.0)  # type: ignore[misc]
                 for k in (0, 1)]  # fmt: skip
        x, squares = np.linalg.lstsq(wide, np.eye(3))[0], b - wide @ np.linalg.lstsq(wide, b)[0]
        np.testing.assert_allclose(found, [x.sum(0), 2 * squares], 1e-6, 1e-9)


def test_products_of_three_truth_values_are_counts() -> None:
    ones = np.ones((2, 2), bool)
    t = tg.Tensor(np.ones((2, 2)), requires_grad=True)
    out = np.einsum("ij,jk,kl->il", ones, ones, t)
    out.sum().backward()
    assert out.tolist() == [[4, 4], [4, 4]]
    assert t.grad is not None and t.grad.tolist() == [[4, 4], [4, 4]]
