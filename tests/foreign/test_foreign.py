"""Arrays of other libraries in Tensors: the table of cases, training, and what is refused."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, full_name
from tests.each import named
from tests.foreign.cases import derivatives, of_kind
from tests.foreign.strict import HOST_ARRAYS, Strict
from tinygrad_np.nn import functional as F

# these cases hold arrays of NumPy's where the operands are Strict: they have to be refused
MIXING = {"statistics.missing_median", "statistics.missing_quantile"}
HOSTS_ALONE = {"gammas.multigammaln", "_lambertw.lambertw"}  # SciPy's, for NumPy's arrays only


def test_the_table_gives_the_same_and_stays_with_its_kind_of_array() -> None:
    seen = 0
    for fn, cases in BY_FUNCTION.items():
        case, name = cases[-1], full_name(fn)
        if not case.variables:
            continue
        given = [Strict(v) for v in case.variables]
        with named(case.id):
            if name in MIXING or name in HOSTS_ALONE:
                with pytest.raises(TypeError, match=f"{HOST_ARRAYS}|does not become"):
                    derivatives(of_kind(case, Strict), given, Strict)
                continue
            wanted = derivatives(case, case.variables, np.array)
            for a, b in zip(wanted, derivatives(of_kind(case, Strict), given, Strict), strict=True):
                assert type(b) is Strict
                assert b.dtype == a.dtype
                np.testing.assert_allclose(b.host(), a, rtol=1e-9, atol=1e-11)
            seen += 1
    assert seen > 300


def test_the_sign_of_a_sum_stays_with_its_kind_of_array() -> None:
    special = pytest.importorskip("scipy.special")
    a, b = np.array([1.0, 2.0, 0.5]), np.array([1.0, -1.0, 0.5])
    found = tg.special.logsumexp(tg.Tensor(Strict(a)), b=tg.Tensor(Strict(b)), return_sign=True)
    assert all(isinstance(part.data, Strict) for part in found)
    wanted = special.logsumexp(a, b=b, return_sign=True)
    np.testing.assert_allclose([float(part.data.item()) for part in found], wanted, rtol=1e-14)


def test_training_is_that_of_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(8, 2, 4, 4)).astype(np.float32)
    y = np.arange(8) % 2

    def trained(make: Any, kind: Any) -> tuple[list[float], list[np.ndarray]]:
        layers = tg.nn.Conv2d(2, 3, 3, seed=0), tg.nn.ReLU(), tg.nn.Flatten()
        model = tg.nn.Sequential(*layers, tg.nn.Linear(12, 2, seed=1))
        if kind is Strict:
            assert model.to(like=Strict(0.0)) is model
            assert model.to(like=Strict(0.0)) is model
        optimiser, losses = make(model.parameters()), []
        for _ in range(3):
            loss = F.cross_entropy(model(kind(x)), kind(y))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        arrays = [p.data for p in model.parameters()]
        assert all(type(a) is type(kind(0.0)) for a in arrays)
        return losses, [a.host() if kind is Strict else a for a in arrays]

    for make in (
        lambda p: tg.optim.SGD(p, 0.1, momentum=0.9),
        lambda p: tg.optim.AdamW(p, 0.01, clip_norm=1.0),
    ):
        (losses, arrays), (others, strict) = trained(make, np.array), trained(make, Strict)
        np.testing.assert_allclose(others, losses, rtol=1e-5)
        for a, b in zip(arrays, strict, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


class Lenient(Strict):
    """An array of a library that gives NumPy's where it has no function of its own."""

    __slots__ = ()

    def __array_function__(self, _fn: Any, _types: Any, _args: Any, _kwargs: Any) -> Any:
        return np.zeros(3)


class Standard:
    """An array of the array API standard, which has none of NumPy's protocols."""

    dtype, shape = np.dtype(float), (2,)

    def __array_namespace__(self) -> Any:
        raise AssertionError

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return np.ones(2)


def test_what_cannot_be_is_said_in_one_sentence() -> None:
    x, host = tg.Tensor(Strict([1.0, 2.0]), requires_grad=True), np.ones(2)
    for wrong, kind, said in (
        (lambda: x * host, TypeError, HOST_ARRAYS),
        (lambda: np.flip(tg.Tensor(Lenient([1.0, 2.0]))), TypeError, "an array of NumPy's: that"),
        (lambda: tg.Tensor(Standard()), TypeError, "array API standard"),
        (lambda: tg.grad(np.sum)(Standard()), TypeError, "array API standard"),
        (lambda: tg.Tensor(host) * Standard(), TypeError, "array API standard"),
        (lambda: tg.nn.Linear(2, 1).to(like=host), TypeError, "not an array of another library"),
        (lambda: tg.nn.Linear(2, 1).to(like=Standard()), TypeError, "protocols"),
        (lambda: tg.replay(lambda: np.sum(x))(), tg.ReplayError, "replay is NumPy's"),
        (lambda: tg.replay(lambda a: np.sum(tg.Tensor(a) * 2))(Strict(host)), tg.ReplayError,
         "replay is NumPy's"),
    ):  # fmt: skip
        with pytest.raises(kind, match=said):
            wrong()


def test_dask_stays_lazy() -> None:
    da = pytest.importorskip("dask.array")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))

    def f(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(np.matmul(x, w)) ** 2 + np.exp(-np.abs(np.sin(x).mean())))

    def slope(x: Any) -> Any:
        return np.sum(tg.grad(f)(x, np.sqrt(np.abs(x[:3].T))) ** 2)

    arrays = da.from_array(x, chunks=3), da.from_array(w, chunks=2)
    value, gradients = tg.value_and_grad(f, argnums=(0, 1))(*arrays)
    wanted, others = tg.value_and_grad(f, argnums=(0, 1))(x, w)
    second, twice = tg.grad(slope)(arrays[0]), tg.grad(slope)(x)
    for a, b in [(wanted, value), *zip(others, gradients, strict=True), (twice, second)]:
        assert isinstance(b, da.Array)  # nothing was computed
        np.testing.assert_allclose(b.compute(), a, rtol=1e-12, atol=1e-12)
