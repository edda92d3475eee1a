"""Calls that NumPy refuses are refused on Tensors, and what few other tests come to."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.autodiff import funnel
from tinygrad_np.autodiff.rules import TABLE, convolution, linear_algebra
from tinygrad_np.autodiff.rules.table import whole
from tinygrad_np.autodiff.tape import names
from tinygrad_np.nn import functional as F

X = np.array([[0.5, -1.2, 2.0], [1.5, 0.7, -0.3]])
ROW = np.array([0.5, -1.2, 2.0])
# the call, as NumPy takes it and as it is said of a Tensor
BOTH_REFUSE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda t: np.meshgrid(t, t, indexing="x"), "use 'xy' or 'ij'"),  # type: ignore[call-overload]
    (lambda t: np.ix_(t.reshape(3, 1)), "sequences of one axis"),
    (lambda t: np.block([(t, t)]), "is a tuple"),
    (lambda t: np.block([t, [t]]), "deep|depth|nested"),
    (lambda t: np.apply_along_axis(np.sum, 0, t[:0].reshape(0, 0)), "array is empty"),
    (lambda t: np.apply_over_axes(lambda a, _: a.reshape(1, 1, -1), t, [0]), "another ndim"),
    (lambda t: np.cumulative_sum(t.reshape(1, 3)), "needs axis="),
    (lambda t: np.choose(t, [t, t]), "give integers"),
    (lambda t: np.choose(np.zeros(3, int), [t, t], mode="x"), "use 'raise', 'wrap' or 'clip'"),
    (lambda t: np.piecewise(t, [t > 0], [1.0, 2.0, 3.0]), "one function more"),
    (lambda t: np.linalg.multi_dot([t]), "give at least two"),
    (lambda t: np.linalg.multi_dot([t, t, t]), "may be vectors"),
]


@pytest.mark.parametrize(("call", "said"), BOTH_REFUSE)
def test_what_numpy_refuses_is_refused(call: Callable[[Any], Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        call(ROW)
    with pytest.raises((ValueError, TypeError), match=said):
        call(tg.Tensor(ROW, requires_grad=True))


def test_a_mask_of_a_function_without_a_first_value_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="choose the elements first"):
        np.subtract.reduce(tg.Tensor(X, requires_grad=True), where=X > 0, initial=0.0)


def test_labels_of_every_unsigned_dtype() -> None:
    for dtype, classes in ((np.uint8, 300), (np.uint64, 3)):
        logits = np.linspace(-1, 1, 2 * classes).reshape(2, classes)
        labels = np.array([2, 1])
        slope = tg.grad(
            lambda z, dtype=dtype, labels=labels: F.cross_entropy(z, labels.astype(dtype))
        )
        np.testing.assert_array_equal(
            slope(logits), tg.grad(lambda z, labels=labels: F.cross_entropy(z, labels))(logits)
        )


def test_pieces_of_three_conditions_and_a_rest() -> None:
    def f(x: Any) -> Any:
        return np.piecewise(x, [x < -1, x > 1.8, x == 0.5], [np.exp, np.sin, 3.0, np.square])

    np.testing.assert_array_equal(f(tg.Tensor(ROW)).numpy(), f(ROW))
    expected = [0.0, np.exp(-1.2), np.cos(2.0)]
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(f(x)))(ROW), expected)


def test_multiply_adds_of_products() -> None:
    assert convolution.taps(np.zeros((2, 3, 4, 4)), np.zeros((3, 2, 5, 1))) == 96 * 10
    pair = np.zeros((2, 3)), np.zeros((3, 4))
    assert linear_algebra.products(None, *pair, subscripts="ij,jk->ik") == 24


def test_at_writes_into_a_tensor() -> None:
    def f(x: Any) -> Any:
        t = x * 1.0
        np.add.at(t, [0, 0, 2], x * x)
        return np.sum(t * np.array([1.0, 10.0, 100.0]))

    plain = ROW.copy()
    np.add.at(plain, [0, 0, 2], ROW * ROW)
    assert np.isclose(f(tg.Tensor(ROW)).item(), plain @ [1.0, 10.0, 100.0])
    tg.gradcheck(f, ROW, order=2)


def test_nothing_has_gradients_of_nothing() -> None:
    assert tg.grad(lambda x: np.linalg.norm(x, 3))(np.zeros(0)).shape == (0,)
    assert np.poly(tg.Tensor(np.zeros(0), requires_grad=True)) == 1.0
    assert bool(whole(np.array([0.0, 2.0])))
    with pytest.raises(TypeError, match="cannot require grad"):
        tg.grad(lambda x: np.sum(x))(np.array([True]))


def test_an_update_may_make_another_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "rebind", True)
    t = tg.Tensor(ROW, requires_grad=True)
    u = t
    u += 1.0
    assert u is not t and t.numpy().tolist() == ROW.tolist()


def test_rules_of_scipy_come_with_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    special = pytest.importorskip("scipy.special")
    rule = TABLE.get(special.j0) or (special.j0(tg.Tensor(1.0)), TABLE[special.j0])[1]
    monkeypatch.delitem(TABLE, special.j0)
    monkeypatch.setattr(funnel, "of_scipy", lambda fn: (TABLE.setdefault(fn, rule) is rule, ""))
    np.testing.assert_allclose(tg.grad(special.j0)(0.7), -special.j1(0.7))


def test_a_complex_result_is_nothing_to_descend() -> None:
    for z in (1 + 2j, np.array([1 + 2j]), np.complex64(1j)):
        t = tg.Tensor(z, requires_grad=True)
        for result in (t, t * 2, np.sum(t) * np.ones(1)):
            with pytest.raises(
                tg.TapeError, match=r"backward\(\) of a complex result; take its real"
            ):
                result.backward()
            assert t.grad is None
        np.sum(np.real(t * 2)).backward()
        (t * 2).backward(np.ones(np.shape(z)))
        assert t.grad is not None and np.all(t.grad.numpy() == 4)
        for transform in (tg.grad, tg.value_and_grad):
            with pytest.raises(tg.TapeError, match="complex result; take its real part"):
                transform(lambda u: np.sum(u * 2))(z)


SCIPYS: dict[str, tuple[Any, ...]] = {  # what wraps a function, and objects that are called
    "scipy.special.legendre_p": (2, ROW), "scipy.special.spherical_jn": (1, ROW),
    "scipy.special.diric": (ROW, 3), "scipy.stats.norm.logpdf": (ROW,),
    "scipy.interpolate.CubicSpline": (ROW, ROW),
    "scipy.linalg.cholesky of a Tensor (np.linalg.cholesky takes Tensors)": (np.eye(3),),
    "scipy.linalg.inv of a Tensor (np.linalg.inv takes Tensors)": (np.eye(3),),
    "scipy.fft.fft of a Tensor (np.fft.fft takes Tensors)": (ROW,),
}  # fmt: skip


@pytest.mark.parametrize("said", SCIPYS)
def test_functions_of_scipy_are_named(said: str) -> None:
    _, room, *path = said.partition(" ")[0].split(".")
    fn: Any = pytest.importorskip(f"scipy.{room}")
    for part in path:
        if not hasattr(fn, part):  # an older SciPy
            pytest.skip(f"no {said}")
        fn = getattr(fn, part)
    tensors = [tg.Tensor(a, True) if isinstance(a, np.ndarray) else a for a in SCIPYS[said]]
    with pytest.raises(tg.DetachError, match=re.escape(said)):
        fn(*tensors)


COUNTS: dict[str, tuple[Any, str]] = {
    "range": (lambda t: range(t[0]), "shape () and dtype float64 as an index or a count"),
    "list": (lambda t: [1, 2][t], "shape (3,) and dtype float64 as an index or a count"),
    "einsum": (lambda t: np.einsum("i,i", t, np.ones(2)), "einsum: "),
    "dot": (lambda t: np.dot(t, np.ones(2)), "dot: "),
    "roll": (
        lambda t: np.roll(t, t[0]),
        "roll has derivatives with respect to its first operands (1)",
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_refusals_name_what_was_called(name: str) -> None:
    fn, said = COUNTS[name]
    with pytest.raises((TypeError, ValueError, tg.TapeError), match=re.escape(said)):
        fn(tg.Tensor(ROW, True))
