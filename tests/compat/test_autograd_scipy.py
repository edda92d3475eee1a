"""SciPy's names as HIPS/autograd has them: values beside SciPy's, slopes beside differences."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

scipy = pytest.importorskip("scipy")  # which imports its parts when they are used

from tinygrad_np.autodiff.rules import TABLE  # noqa: E402
from tinygrad_np.compat.autograd import extend, grad  # noqa: E402
from tinygrad_np.compat.autograd.scipy import integrate, linalg, signal, special, stats  # noqa: E402
from tinygrad_np.compat.autograd.test_util import check_grads  # noqa: E402

R = np.random.default_rng(3).normal
X = np.array([0.3, 1.1, 0.8])

DISTRIBUTIONS: list[tuple[str, list[str], tuple[Any, ...], list[int]]] = [
    ("norm", ["pdf", "cdf", "sf", "logpdf", "logcdf", "logsf"], (X - 0.5, 0.2, 1.3), [0, 1, 2]),
    ("norm", ["ppf"], (X / 2, 0.2, 1.3), [0, 1, 2]),
    ("t", ["pdf", "logpdf"], (X - 0.5, 3.5, 0.2, 1.3), [0, 1, 2, 3]),
    ("t", ["cdf", "logcdf"], (X - 0.5, 3.5, 0.2, 1.3), [0, 2, 3]),
    ("beta", ["pdf", "logpdf"], (X / 2, 2.5, 1.7, 0.01, 1.2), [0, 1, 2, 3, 4]),
    ("beta", ["cdf"], (X / 2, 2.5, 1.7), [0]),
    ("gamma", ["pdf", "logpdf"], (X, 2.5, 0.1, 1.2), [0, 1, 2, 3]),
    ("gamma", ["cdf"], (X, 2.5, 0.1, 1.2), [0, 2, 3]),
    ("chi2", ["pdf", "logpdf"], (X, 2.5, 0.1, 1.2), [0, 1, 2, 3]),
    ("chi2", ["cdf"], (X, 2.5), [0]),
    ("poisson", ["pmf", "logpmf", "cdf"], (np.array([0.0, 2.0, 5.0]), 1.3), [1]),
    ("dirichlet", ["pdf", "logpdf"], (np.array([0.2, 0.3, 0.5]), np.array([1.4, 2.0, 3.1])), [1]),
    ("multivariate_normal", ["pdf", "logpdf"],
     (R(size=(4, 2)), R(size=2), np.array([[2.0, 0.3], [0.3, 1.0]])), [0, 1, 2]),
    ("multivariate_normal", ["pdf", "logpdf"], (X, 0.3, 1.4), [0, 1, 2]),
    ("multivariate_normal", ["entropy"], (np.zeros(2), np.array([[2.0, 0.3], [0.3, 1.0]])), [1]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "functions", "args", "argnums"), DISTRIBUTIONS)
def test_distributions(name: str, functions: Any, args: Any, argnums: Any) -> None:
    for function in functions:
        ours = getattr(getattr(stats, name), function)
        theirs = getattr(getattr(scipy.stats, name), function)
        tensors = [tg.Tensor(a, requires_grad=k in argnums) for k, a in enumerate(args)]
        np.testing.assert_allclose(ours(*tensors).numpy(), theirs(*args), rtol=1e-10)
        np.testing.assert_array_equal(ours(*args), theirs(*args))
        smooth = ours if name != "multivariate_normal" else symmetric(ours)
        check_grads(smooth, argnums, modes=["rev"])(*args)


def symmetric(fn: Any) -> Any:
    """``fn`` of the symmetric part of its last argument, a covariance."""

    def call(*args: Any) -> Any:
        return fn(*args[:-1], (args[-1] + np.transpose(args[-1])) / 2)

    return call


def test_outside_the_support() -> None:
    t = tg.Tensor([-0.5, 1.5], requires_grad=True)
    assert stats.beta.pdf(t, 2.0, 3.0).numpy().tolist() == [0.0, 0.0]
    assert stats.beta.cdf(t, 2.0, 3.0).numpy().tolist() == [0.0, 1.0]
    assert stats.gamma.logpdf(t, 2.0).numpy()[0] == -np.inf
    assert stats.poisson.pmf(1.5, tg.Tensor(2.0, requires_grad=True)).item() == 0.0
    assert stats.poisson.cdf(-1, tg.Tensor(2.0, requires_grad=True)).item() == 0.0
    out = stats.dirichlet.logpdf(tg.Tensor([0.2, 0.3], requires_grad=True), np.ones(3))
    assert out.item() == pytest.approx(scipy.stats.dirichlet.logpdf([0.2, 0.3], np.ones(3)))
    out = stats.multivariate_normal.logpdf(
        tg.Tensor(0.5, requires_grad=True), np.zeros(2), np.eye(2)
    )
    assert out.item() == pytest.approx(
        scipy.stats.multivariate_normal.logpdf([0.5, 0.5], np.zeros(2))
    )


def test_a_singular_covariance() -> None:
    half = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]])

    def density(x: Any, root: Any) -> Any:
        cov = root @ np.transpose(root)
        return stats.multivariate_normal.logpdf(x, np.zeros(3), cov, allow_singular=True)

    x = half @ np.array([0.3, -0.4])
    expected = scipy.stats.multivariate_normal.logpdf(x, np.zeros(3), half @ half.T, True)
    assert density(tg.Tensor(x), half).item() == pytest.approx(expected)
    check_grads(density, 1, modes=["rev"], order=1)(x, half)


def test_special_functions_take_lists_and_tensors() -> None:
    assert special.expit([0.0]).tolist() == [0.5] and special.comb(5, 2) == 10.0
    assert grad(lambda x: special.logsumexp(np.ones(3) * x))(2.0) == pytest.approx(1.0)
    assert grad(lambda x: np.sum(special.gammaln([x, 2 * x])))(1.5) == pytest.approx(
        scipy.special.psi(1.5) + 2 * scipy.special.psi(3.0))  # fmt: skip
    check_grads(lambda x: special.polygamma(1, x))(X)


A = R(size=(3, 3)) + 4 * np.eye(3)
TRIANGLE = np.tril(A)


@pytest.mark.parametrize("b", [R(size=3), R(size=(3, 2))], ids=["vector", "matrix"])
def test_triangular_systems(b: Any) -> None:
    for trans in (0, 1, 2, "N", "T", "C"):
        for lower in (False, True):
            for unit in (False, True):
                options = {"trans": trans, "lower": lower, "unit_diagonal": unit}
                expected = scipy.linalg.solve_triangular(A, b, **options)
                np.testing.assert_array_equal(linalg.solve_triangular(A, b, **options), expected)
                check_grads(linalg.solve_triangular, (0, 1), modes=["rev"], order=1)(
                    A, b, **options
                )
    check_grads(linalg.solve_triangular, (0, 1))(A, b, lower=True)
    z = A + 1j * A.T
    check_grads(linalg.solve_triangular, (0, 1), modes=["rev"], order=1)(z, b + 0j, trans=2)


@pytest.mark.parametrize("b", [R(size=5), R(size=(5, 2))], ids=["vector", "matrix"])
def test_banded_systems(b: Any) -> None:
    for bands in ((1, 1), (2, 1), (0, 2), (1, 0)):
        ab = R(size=(sum(bands) + 1, 5)) + 6 * (np.arange(sum(bands) + 1) == bands[1])[:, None]
        for row in range(bands[1]):
            ab[row, : bands[1] - row] = 0
        expected = scipy.linalg.solve_banded(bands, ab, b)
        np.testing.assert_array_equal(linalg.solve_banded(bands, ab, b), expected)
        modes, order = (["fwd", "rev"], 2) if bands == (2, 1) else (["rev"], 1)

        def solve(m: Any, v: Any, k: Any = bands) -> Any:
            return linalg.solve_banded(k, m, v)

        check_grads(solve, (0, 1), modes=modes, order=order)(ab, b)


def test_functions_of_matrices() -> None:
    spd = A @ A.T
    check_grads(linalg.sqrtm)(spd)
    check_grads(linalg.expm)(A / 4)
    check_grads(linalg.expm, modes=["rev"])(np.stack([A / 4, A.T / 3]))
    check_grads(linalg.solve_sylvester, (0, 1, 2))(A, spd, R(size=(3, 3)))
    np.testing.assert_allclose(linalg.sqrtm(spd) @ linalg.sqrtm(spd), spd)
    with pytest.raises(NotImplementedError, match="disp=False"):
        linalg.sqrtm(spd, disp=False)


def test_what_numpy_has_as_well() -> None:
    for name, args in {"inv": (A,), "det": (A,), "norm": (A,), "solve": (A, X)}.items():
        ours, theirs = getattr(linalg, name), getattr(scipy.linalg, name)
        np.testing.assert_allclose(ours(tg.Tensor(A), *args[1:]).numpy(), theirs(*args))
        check_grads(ours, modes=["rev"], order=1)(*args)
        np.testing.assert_array_equal(ours(*args), theirs(*args))
    check_grads(lambda a: linalg.solve(a, A), modes=["rev"], order=1)(A)
    check_grads(linalg.pinv, modes=["rev"], order=1)(A[:, :2])

    def by_factor(a: Any, b: Any, lower: bool) -> Any:
        return linalg.cho_solve(linalg.cho_factor(a @ np.transpose(a), lower), b)

    for lower in (False, True):
        check_grads(by_factor, (0, 1), modes=["rev"], order=1)(A, X, lower)
        np.testing.assert_allclose(
            by_factor(tg.Tensor(A), X, lower).numpy(), by_factor(A, X, lower)
        )
    factor = linalg.cho_factor(A @ A.T)
    np.testing.assert_allclose(linalg.cho_solve(factor, X), np.linalg.solve(A @ A.T, X))


def convolved(a: Any, b: Any, mode: str) -> Any:
    return scipy.signal.convolve(a, b, mode=mode)


@pytest.mark.parametrize("mode", ["full", "valid", "same"])
def test_convolution(mode: str) -> None:
    for shapes in (((5,), (3,)), ((3,), (5,)), ((4, 5), (2, 3))):
        if mode == "same" and shapes[0] < shapes[1]:
            continue
        a, b = R(size=shapes[0]), R(size=shapes[1])
        np.testing.assert_allclose(
            signal.convolve(a, b, mode=mode), convolved(a, b, mode), atol=1e-12
        )
        check_grads(signal.convolve, (0, 1), modes=["rev"], order=1)(a, b, mode=mode)
    images, filters = R(size=(2, 3, 5, 6)), R(size=(3, 4, 2, 2))
    options: Any = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [0]), "mode": mode}
    found = signal.convolve(images, filters, **options)
    expected = sum(convolved(images[1, k], filters[k, 2], mode) for k in range(3))
    np.testing.assert_allclose(found[1, 2], expected, atol=1e-12)
    check_grads(signal.convolve, (0, 1), modes=["rev"], order=1)(images, filters, **options)


def test_valid_convolution_of_the_shorter_with_the_longer() -> None:
    images, filters = R(size=(2, 5, 6)), R(size=(4, 2, 2))
    options: Any = {"axes": ([1, 2], [1, 2]), "mode": "valid"}
    turned = signal.convolve(filters, images, **options)
    np.testing.assert_allclose(
        turned, np.swapaxes(signal.convolve(images, filters, **options), 0, 1)
    )
    with pytest.raises(ValueError, match="the longer one along all axes"):
        signal.convolve(R(size=(2, 5)), R(size=(5, 2)), mode="valid")
    with pytest.raises(ValueError, match="mode='some'"):
        signal.convolve(X, X, mode="some")
    assert signal.convolve([1.0, 2.0], [1.0, 1.0]).tolist() == [1.0, 3.0, 2.0]


def test_initial_value_problems() -> None:
    def slope(y: Any, t: Any, rate: Any, push: Any) -> Any:
        return np.stack([y[1], -rate * y[0] + push * np.cos(t)])

    times = np.array([0.0, 0.4, 1.1])
    options = {"rtol": 1e-10, "atol": 1e-10}

    def end(y0: Any, t: Any, rate: Any) -> Any:
        path = integrate.odeint(slope, y0, t, (rate, 0.3), **options)
        return np.sum(path**2 * np.arange(1.0, 7.0).reshape(3, 2))

    y0 = np.array([1.0, 0.2])
    found = grad(end, (0, 1, 2))(y0, times, 1.3)

    def plain(y0: Any, t: Any, rate: Any) -> Any:
        def flat(y: Any, now: Any) -> Any:
            return slope(y, now, rate, 0.3)

        path = scipy.integrate.odeint(flat, y0, t, **options)
        return np.sum(path**2 * np.arange(1.0, 7.0).reshape(3, 2))

    tiny = 1e-5
    units = np.eye(3) * tiny

    def differences(f: Any, count: int) -> Any:
        return [(f(u[:count]) - f(-u[:count])) / 2 / tiny for u in units[:count]]

    by_state = differences(lambda u: plain(y0 + u, times, 1.3), 2)
    by_times = differences(lambda u: plain(y0, times + u, 1.3), 3)
    by_rate = differences(lambda u: plain(y0, times, 1.3 + u[0]), 1)
    for ours, theirs in zip(found, (by_state, by_times, by_rate[0]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    single = integrate.odeint(lambda y, _t, k: -k * y, np.ones(1), times, 0.5)
    np.testing.assert_allclose(single[:, 0], np.exp(-0.5 * times), rtol=1e-6)


def test_a_ufunc_gets_the_rules_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    gammainc = extend.primitive(scipy.special.gammainc)

    def by_shape(_ans: Any, a: Any, x: Any) -> Any:
        return lambda g: g * (gammainc(a + 1e-6, x) - gammainc(a - 1e-6, x)) / 2e-6

    with pytest.raises(tg.TapeError, match="gammainc has no derivative with respect to operand 0"):
        grad(gammainc)(1.5, 2.0)
    monkeypatch.setitem(TABLE, gammainc, TABLE[gammainc])  # the row comes back
    by_x = grad(gammainc, 1)(1.5, 2.0)
    extend.defvjp(gammainc, by_shape, lambda _ans, _a, _x: lambda g: 7 * g)
    check_grads(gammainc, modes=["rev"], order=1)(1.5, 2.0)
    check_grads(gammainc, modes=["rev"], order=1)(np.array([[1.5], [0.7]]), X)
    assert grad(gammainc, 1)(1.5, 2.0) == by_x, "the rule that was there"
    extend.defvjp(gammainc, lambda _ans, _a, _x: lambda g: 7 * g)
    assert grad(gammainc)(1.5, 2.0) < 0, "filled once"
