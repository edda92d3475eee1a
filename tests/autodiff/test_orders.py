"""Gradients of large arrays lie in memory in one order, whether the sweep is recorded or not.

From 256 KiB on NumPy writes a product into an operand that has no name. Such an operand may lie in
another order than the product of two names would, and then sums of it have other bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import CASES, full_name
from tests.autodiff.test_bits import is_same, lies_alike

SHAPE = 130, 256  # of float64: 260 KiB
ORDERS = {"F": "C", "C": "F"}  # of the first operand, and of the second and of the cotangent


def laid_out(args: Any, order: str) -> list[Any]:
    """The arrays of a case, large and in orders that change."""
    found: list[Any] = []
    for arg in args:
        if isinstance(arg, np.ndarray):
            found.append(np.asarray(np.resize(arg, SHAPE), order=order))  # type: ignore[call-overload]
            order = ORDERS[order]
        else:
            found.append(arg)
    return found


def gradients(fn: Callable[..., Any], args: list[Any], factor: Any, recorded: bool) -> list[Any]:
    given = [tg.from_numpy(a, requires_grad=True) if isinstance(a, np.ndarray) else a for a in args]
    np.sum(np.real(fn(*given)) * factor).backward(create_graph=recorded)
    return [t.grad.numpy() for t in given if isinstance(t, tg.Tensor) and t.grad is not None]


def differs(fn: Callable[..., Any], args: Any, order: str) -> bool:
    args = laid_out(args, order)
    factor = np.asarray(np.random.default_rng(0).standard_normal(SHAPE), order=ORDERS[order])  # type: ignore[call-overload]
    with np.errstate(all="ignore"):
        plain, recorded = (gradients(fn, args, factor, on) for on in (False, True))
    same = zip(plain, recorded, strict=True)
    return not all(is_same(a, b) and lies_alike(a, b) for a, b in same)


def ufuncs(special: bool) -> dict[str, Any]:
    """A case of each ufunc with one result, of real or complex arrays of one dtype and numbers."""
    found = {}
    for case in CASES:
        fn, arrays = case.fn, [a for a in case.args if isinstance(a, np.ndarray)]
        if isinstance(fn, np.ufunc) and fn.nout == 1 and fn.signature is None and not case.kwargs:
            numbers = all(isinstance(a, (int, float, np.ndarray)) for a in case.args)
            if numbers and {a.dtype.char for a in arrays} in ({"d"}, {"D"}):
                found.setdefault(full_name(fn), case)
    return {name: c for name, c in found.items() if ("special" in name) == special}


FUNCTIONS: list[Any] = [
    getattr(tg.nn.functional, name)
    for name in ("sigmoid", "tanh", "softplus", "silu", "gelu", "elu", "softmax", "log_softmax")
] + [np.linalg.inv, np.cumprod, np.var, lambda x: np.linalg.qr(x)[0]]


@pytest.mark.parametrize("order", ORDERS)
def test_of_ufuncs(order: str) -> None:
    found = ufuncs(special=False)
    assert len(found) > 50
    assert not [name for name, case in found.items() if differs(case.fn, case.args, order)]


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_of_special_functions(order: str) -> None:
    found = ufuncs(special=True)
    assert len(found) > 100
    assert not [name for name, case in found.items() if differs(case.fn, case.args, order)]


@pytest.mark.parametrize("order", ORDERS)
def test_of_other_functions(order: str) -> None:
    rng = np.random.default_rng(0)
    with_two = lambda x, y: (x * x + 1) * (y + 2) - x / y
    assert not differs(with_two, rng.uniform(1, 2, (2, *SHAPE)), order)
    x = np.asarray(rng.uniform(0.1, 0.9, (190, 190)), order=order)  # type: ignore[call-overload]
    for fn in FUNCTIONS:
        shape = np.shape(fn(x))
        factor = np.asarray(rng.standard_normal(shape), order=ORDERS[order])  # type: ignore[call-overload]
        plain, recorded = (gradients(fn, [x], factor, on)[0] for on in (False, True))
        assert is_same(plain, recorded), fn
        assert lies_alike(plain, recorded), fn


def test_a_network_whose_gradient_arrives_in_another_order_is_replayed() -> None:
    """Behind ``Flatten`` the gradient is in C order, and images lie last."""
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 1, 28, 28)).astype("f4"), rng.integers(0, 10, 64)

    def weights(replay: bool) -> list[Any]:
        net = tg.nn.Sequential(
            tg.nn.Conv2d(1, 6, 5, padding=2, seed=0), tg.nn.Tanh(), tg.nn.Flatten(),
            tg.nn.Linear(4704, 10, seed=1),
        )  # fmt: skip
        batches = tg.data.batches(x, y, 32, seed=0)
        adam = tg.optim.Adam(net.parameters(), 0.003)
        tg.training.fit(net, batches, adam, epochs=2, replay=replay)
        return [p.numpy() for p in net.parameters()]

    for eager, replayed in zip(weights(False), weights(True), strict=True):
        np.testing.assert_array_equal(eager, replayed)
