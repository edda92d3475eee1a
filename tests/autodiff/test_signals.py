"""Corners of transforms, order statistics, signals, polynomials and histograms."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases.case import complex_, real
from tests.each import for_each
from tinygrad_np.autodiff.primitives import samples

X = np.array([0.6, -1.1, 0.8, 1.7])


def slope(f: Callable[[Any], Any], at: Any = X) -> Any:
    return tg.grad(lambda t: np.sum(f(t)))(np.array(at, dtype=float))


def test_frequencies_are_constants_that_scale_with_the_sample_spacing() -> None:
    spacing = tg.Tensor(0.25, requires_grad=True)
    frequencies = np.fft.rfftfreq(4, spacing)
    np.testing.assert_array_equal(frequencies.numpy(), np.fft.rfftfreq(4, 0.25))
    np.sum(frequencies).backward()
    assert spacing.grad is not None and spacing.grad.item() == -12.0


def test_precision_of_transforms_is_that_of_the_operand() -> None:
    for fn in (np.fft.fft, np.fft.rfft, np.fft.ihfft, np.fft.rfftn):
        t = tg.Tensor(X, requires_grad=True, dtype=np.float32)
        out = fn(t)
        assert out.dtype == np.complex64
        np.sum(np.abs(out)).backward()
        assert t.grad is not None and t.grad.dtype == np.float32


def test_parseval() -> None:
    """The sum of squares does not change, so its gradient goes through both ways."""
    z = complex_(6)
    for there, back in ((np.fft.fft, np.fft.ifft), (np.fft.ifft, np.fft.fft)):
        found = tg.grad(lambda t, fn=there: np.sum(np.abs(fn(t, norm="ortho")) ** 2))(z)
        np.testing.assert_allclose(found, 2 * np.conj(z))
        found = tg.grad(lambda t, a=there, b=back: np.sum(np.abs(b(a(t))) ** 2))(z)
        np.testing.assert_allclose(found, 2 * np.conj(z))


def test_a_median_leaves_its_operand_as_it_is() -> None:
    for call in (
        lambda t: np.median(t, overwrite_input=True),
        lambda t: np.nanquantile(t, 0.5, overwrite_input=True),
        lambda t: np.percentile(t, 50, overwrite_input=True),
    ):
        t = tg.Tensor(X[::-1])
        call(t)
        np.testing.assert_array_equal(t.numpy(), X[::-1])


def test_quantiles_beyond_the_sample_points_do_not_move_with_q() -> None:
    found = tg.grad(lambda q: np.sum(np.quantile(X, q, method="hazen")))(
        np.array([0.01, 0.5, 0.99])
    )
    np.testing.assert_allclose(found, [0.0, 4 * 0.2, 0.0])


def test_missing_numbers() -> None:
    gaps = np.array([[np.nan, 1.0, 3.0], [np.nan, np.nan, np.nan], [2.0, 5.0, 4.0]])
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        found = slope(lambda t: np.nanmedian(t, axis=1), gaps)
    np.testing.assert_array_equal(found, [[0, 0.5, 0.5], [0, 0, 0], [0, 0, 1]])
    found = slope(lambda t: np.quantile(t, 0.75, axis=1), gaps[[0, 2]])
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 0.5, 0.5]])
    by_q = tg.grad(lambda q: np.sum(np.quantile(gaps[[0, 2]], q, axis=1)))(0.75)
    np.testing.assert_allclose(by_q, 2.0)
    by_q = tg.grad(lambda q: np.nanquantile(gaps[0], q))(0.25)
    np.testing.assert_allclose(by_q, 2.0)


def test_a_quantile_that_was_not_taken_counts_nothing() -> None:
    infinite = np.array([-np.inf, 0.0, np.inf])
    by_q = tg.grad(lambda q: np.sum(np.where([True, False], np.quantile(infinite, [0.5, q]), 0)))
    with np.errstate(all="ignore"):
        with pytest.raises(TypeError):
            by_q(0.3)  # a list of Tensors is no operand
        found = tg.grad(lambda q: np.where(q > 1, np.quantile(infinite, q), 0.0))(0.3)
    assert found == 0.0


def test_weights_of_a_quantile_have_no_slope() -> None:
    def weighted(w: Any) -> Any:
        return np.quantile(X, 0.4, weights=w, method="inverted_cdf")

    t = tg.Tensor(np.ones(4), requires_grad=True)
    np.testing.assert_array_equal(tg.grad(weighted)(np.ones(4)), np.zeros(4))
    assert weighted(t).item() == np.quantile(X, 0.4, weights=np.ones(4), method="inverted_cdf")


def test_interpolation_of_what_is_not_taken() -> None:
    """The place was NaN, and the values at the points hear nothing of it."""
    xp, at = np.array([0.0, 1.0, 2.0]), np.array([-1.0, 1.5])

    def taken(fp: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.where(at > 0, np.interp(np.log(at), xp - 1, fp), 0)

    np.testing.assert_allclose(slope(taken, xp), [0, 1 - np.log(1.5), np.log(1.5)])
    assert np.isnan(np.interp(tg.Tensor([np.nan]), xp, xp).numpy()).all()


def test_bessel_functions_of_large_numbers() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.array([1e-12, 0.1, 8.0, 20.0, 300.0, 700.0])
    for n in (0, 1):
        np.testing.assert_allclose(samples.bessel(x, n), special.iv(n, x), rtol=1e-13)
    np.testing.assert_allclose(slope(np.i0, x), special.i1(x), rtol=1e-13)


def test_unwrapped_phases_move_as_they_are() -> None:
    steps = np.array([0.1, 3.0, -3.0, 2.9, 9.0])
    np.testing.assert_array_equal(slope(np.unwrap, steps), np.ones(5))
    t = tg.Tensor(steps)
    by_period = tg.grad(lambda p: np.sum(np.unwrap(t, period=p)))(4.3)
    turns = np.rint((np.unwrap(steps, period=4.3) - steps) / 4.3)
    np.testing.assert_array_equal(by_period, np.sum(turns))


def test_counts_are_constants_and_edges_are_not() -> None:
    t = tg.Tensor(X, requires_grad=True)
    counts, edges = np.histogram(t, 2)
    assert counts.dtype == np.intp and not counts.requires_grad and edges.requires_grad
    np.testing.assert_array_equal(counts.numpy(), np.histogram(X, 2)[0])
    np.testing.assert_array_equal(slope(lambda a: np.histogram(a, 2)[1]), [0, 1.5, 0, 1.5])
    assert not np.bincount(tg.Tensor([0, 2, 2])).requires_grad
    table, x_edges, _ = np.histogram2d(t, X, 2)
    assert not table.requires_grad and x_edges.requires_grad


def test_poly1d_holds_recorded_coefficients() -> None:
    found = tg.grad(lambda c: (np.poly1d(c) * np.poly1d([1.0, 2.0]))(0.5))(
        np.array([3.0, 4.0, 5.0])
    )
    np.testing.assert_allclose(found, 2.5 * 0.5 ** np.array([2, 1, 0]))


def test_characteristic_polynomials_of_equal_eigenvalues() -> None:
    a = np.diag([2.0, 2.0])
    jacobian = tg.jacobian(np.poly)(a)
    np.testing.assert_allclose(jacobian[1], -np.eye(2))
    np.testing.assert_allclose(jacobian[2], 2 * np.eye(2))


def test_the_polynomial_without_roots_is_1() -> None:
    assert np.poly(tg.Tensor(np.zeros(0), requires_grad=True)) == 1.0


def test_a_fit_of_too_few_points_warns_as_numpys_does() -> None:
    t = tg.Tensor([1.0, 1.0], requires_grad=True)
    with pytest.warns(np.exceptions.RankWarning, match="poorly conditioned"):
        np.polyfit(t, np.ones(2), 1)


REFUSED: dict[str, tuple[type[Exception], str, Callable[[Any], Any]]] = {
    "full": (
        NotImplementedError,
        r"np.polyfit with full=",
        lambda t: np.polyfit(t, X, 1, full=True),
    ),
    "poly1d": (TypeError, r"give its coefficients", lambda t: np.polyadd(np.poly1d([1.0]), t)),
    "at a poly1d": (TypeError, "give numbers for x", lambda t: np.polyval(t, np.poly1d([1.0]))),
    "out": (tg.DetachError, "assign the result", lambda t: np.median(t, out=np.zeros(()))),
    "fft out": (tg.DetachError, "assign", lambda t: np.fft.fft(t, out=np.zeros(4, complex))),
    "q": (ValueError, r"range \[0, 1\]", lambda t: np.percentile(t, 101)),
    "few samples": (
        ValueError,
        "give 3 samples at least",
        lambda t: np.gradient(t[:2], edge_order=2),
    ),
    "negative weights": (ValueError, "weight is negative", lambda t: np.cov(X, aweights=-t * t)),
    "many weights": (RuntimeError, "for 4 samples", lambda t: np.cov(X, aweights=t[:2])),
    "lengths": (ValueError, "one length for each axis", lambda t: np.fft.fftn(t, (2, 2), (0,))),
    "spacings": (TypeError, "over 1 axes with 2 spacings", lambda t: np.gradient(t, 1.0, 2.0)),
    "no shape": (ValueError, "give two rows", lambda t: np.correlate(t, t[0])),
    "weighted auto": (TypeError, "weighted data", lambda t: np.histogram(t, "auto", weights=X)),
}


@for_each(REFUSED)
def test_refusals_say_what_to_do(name: str) -> None:
    kind, said, call = REFUSED[name]
    with pytest.raises(kind, match=said):
        call(tg.Tensor(np.abs(X) * real(4), requires_grad=True))


@pytest.mark.parametrize("name", ["quantile", "percentile", "nanquantile", "nanpercentile"])
def test_quantiles_of_every_layout(name: str) -> None:
    """NumPy lays out those that skip NaNs in its own way for a matrix q over several axes."""
    x, v = real(2, 3, 2, 2), real(2, 3, 2, 2)[::-1]
    axes = (None, -2, (0, 2), (-1, 0), (3, 1, 0))
    shapes: list[tuple[int, ...]] = [(), (2,), (2, 3), (0, 2), (2, 1, 2)]
    for shape, axis, keepdims in itertools.product(shapes, axes, (False, True)):
        scale = 100 if "percent" in name else 1
        q = scale * np.linspace(0.07, 0.91, math.prod(shape)).reshape(shape)

        def fn(a: Any, q: Any = q, axis: Any = axis, keepdims: bool = keepdims) -> Any:
            return getattr(np, name)(a, q, axis=axis, keepdims=keepdims)

        def by_q(q: Any, axis: Any = axis, fn: Any = fn) -> Any:
            return fn(x, q, axis)

        shown = f"{name} of q {shape} over {axis}"
        try:
            expected = fn(x)
        except ValueError:  # such a q NumPy refuses
            with pytest.raises(ValueError):
                fn(tg.Tensor(x))
            continue
        value, along = tg.jvp(fn, (x,), (v,))
        np.testing.assert_array_equal(value, expected, err_msg=shown)
        h = 1e-6
        numeric = (fn(x + h * v) - fn(x - h * v)) / (2 * h)
        np.testing.assert_allclose(along, numeric, atol=1e-7, err_msg=shown)
        w = np.arange(1.0, np.size(expected) + 1).reshape(np.shape(expected))
        back = tg.grad(lambda t, fn=fn, w=w: np.sum(fn(t) * w))(x)
        np.testing.assert_allclose(np.sum(back * v), np.sum(w * numeric), atol=1e-5, err_msg=shown)
        _, along = tg.jvp(by_q, (q,), (np.ones(shape),))
        numeric = (by_q(q + h) - by_q(q - h)) / (2 * h)
        np.testing.assert_allclose(along, numeric, atol=1e-6, err_msg=shown)


def test_a_matrix_of_fractions_over_two_axes() -> None:
    x = np.array([[[3.0, 1.0], [2.0, 5.0]], [[4.0, 9.0], [8.0, 7.0]]])
    q = np.array([[0.1], [0.9]])
    if np.nanquantile(x, q, axis=(0, 2)).shape != (1, 2, 2):
        pytest.skip("this NumPy has the usual layout")
    found = tg.grad(lambda a: np.nanquantile(a, q, axis=(0, 2))[0, 1, 0])(x)
    np.testing.assert_allclose(found.ravel(), [0, 0, 0.7, 0.3, 0, 0, 0, 0], atol=1e-12)
