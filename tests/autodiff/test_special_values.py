"""Rules at 0, infinities, denormal, tiny and huge numbers and ties, beside PyTorch.

No gradient is NaN where NumPy's value is a number and the derivative too. Where PyTorch differs, a
row says so and why: docs/conventions.md, or its square over- or underflows.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.autodiff.rules import TABLE

torch = pytest.importorskip("torch")

VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, np.inf, -np.inf, 5e-324, 1e-310, 1e-300, -1e-300,
          1e-200, 1e200, -1e200, 1.7e308, 700.0, -700.0, 800.0, 1e-8, 20.0, -20.0, 1e16, 3.7,
          np.pi]  # fmt: skip
NAMES = {"divide": "div", "multiply": "mul", "subtract": "sub", "power": "pow", "arctan2": "atan2",
         "absolute": "abs", "fabs": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
         "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "negative": "neg"}  # fmt: skip
NONE = ("floor_divide", "heaviside", "ldexp", "nextafter")  # which PyTorch does not differentiate
UFUNCS = sorted(
    (f for f in TABLE if isinstance(f, np.ufunc) and f is getattr(np, f.__name__, None)
     and not TABLE[f].constant
     and f.__name__ not in NONE and f.signature is None and f.nout == 1
     and hasattr(torch, NAMES.get(f.__name__, f.__name__))),
    key=lambda f: f.__name__,
)  # fmt: skip
OTHERWISE: dict[str, Callable[..., bool]] = {
    "sqrt": lambda x: x == 0,  # conventions
    "fmax": lambda x, y: x == y,  # ties are shared
    "fmin": lambda x, y: x == y,
    "copysign": lambda x, _y: x == 0,  # the side that is written: |x| with a sign
    "power": lambda x, y: x == 0 and y < 1,  # conventions, and poles
    "float_power": lambda x, y: x == 0 and y < 1,
    "expm1": lambda x: x < -15,  # cancels in PyTorch
    "log10": lambda x: x > 1e307,  # x log(10) is inf in PyTorch
    "arccosh": lambda x: abs(x) > 1e150,  # x * x is inf in PyTorch
    "arcsinh": lambda x: abs(x) > 1e150,
    "arctan2": lambda *xs: any(abs(x) > 1e150 for x in xs) or all(abs(x) < 1e-150 for x in xs),
}
UNKNOWN: dict[str, Callable[..., bool]] = {  # the value is a number, and the slope none
    "power": lambda x, _y: x < 0,  # by the exponent
    "float_power": lambda x, _y: x < 0,
}


def slopes(fn: Any, values: tuple[float, ...]) -> tuple[Any, list[float]]:
    ts = [tg.Tensor(v, requires_grad=True) for v in values]
    out = fn(*ts)
    out.backward()
    return out.item(), [np.nan if t.grad is None else t.grad.item() for t in ts]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fn", UFUNCS, ids=lambda fn: fn.__name__)
def test_ufuncs_at_special_values(fn: Any) -> None:
    other = getattr(torch, NAMES.get(fn.__name__, fn.__name__))
    given = np.array(list(itertools.product(VALUES, repeat=fn.nin)))
    ours = [tg.Tensor(column, requires_grad=True) for column in given.T]
    with np.errstate(all="ignore"):
        results = fn(*ours)
        results.backward(np.ones(len(given)))
    yours = [torch.tensor(column.copy(), requires_grad=True) for column in given.T]
    other(*yours).sum().backward()
    for k, (values, out) in enumerate(zip(given, results.numpy(), strict=True)):
        if np.isnan(out):
            continue
        found = [np.nan if t.grad is None else t.grad.numpy()[k] for t in ours]
        wanted = [0.0 if t.grad is None else t.grad[k].item() for t in yours]
        known = [i for i, w in enumerate(wanted) if not np.isnan(w)]
        shown = f"{fn.__name__}{tuple(values)} = {out}: {found}, PyTorch {wanted}"
        if not UNKNOWN.get(fn.__name__, lambda *_: False)(*values):
            assert not np.isnan(found).any(), shown
        if not OTHERWISE.get(fn.__name__, lambda *_: False)(*values):
            for i in known:
                assert found[i] == wanted[i] or np.isclose(found[i], wanted[i], 1e-6, 0), shown


POWERS: list[tuple[float, float, list[float]]] = [
    # x, y, the gradient of x ** y by both
    (5e-324, 0.0, [0.0, np.log(5e-324)]),
    (0.5, np.inf, [0.0, 0.0]),
    (2.0, -np.inf, [0.0, 0.0]),
    (1e-310, -0.0, [0.0, np.log(1e-310)]),
]


@pytest.mark.parametrize(("x", "y", "slope"), POWERS)
def test_powers(x: float, y: float, slope: list[float]) -> None:
    for fn in (np.power, np.float_power):
        np.testing.assert_allclose(slopes(fn, (x, y))[1], slope)
        t = tg.Tensor(x, requires_grad=True)
        (t**y).backward()
        assert t.grad is not None and t.grad.item() == slope[0]
    mixed = tg.grad(lambda v: tg.grad(lambda u: u**v)(tg.Tensor(2.0, requires_grad=True) * 1))
    np.testing.assert_allclose(mixed(0.0), 0.5)


I = np.inf  # noqa: E741 - as it is written
LINES = [[0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [I, 1.0, 2.0], [-I, 1.0, 2.0],
         [I, I, 1.0],
         [I, -I, 0.0], [1e200, 1e200, 1.0], [1e-200, 2e-200, 0.0], [5e-324, 0.0, 1.0],
         [1e308, 1e308, 1e308], [1e160, -1e160, 1.0], [1e-170] * 3, [0.0, 1e-300, 1.0]]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [2, 3, 1.5, 0.5, -1, -2, 1, np.inf, -np.inf])
def test_norms_have_numbers_for_slopes(order: float) -> None:
    for line in LINES:
        t = tg.Tensor(line, requires_grad=True)
        with np.errstate(all="ignore"):
            out = np.linalg.norm(t, order)
            out.backward()
        assert t.grad is not None
        assert not np.isnan(t.grad.numpy()).any(), (line, t.grad)


NORMS: list[tuple[float, list[float], list[float]]] = [
    (2, [I, 1.0, -2.0], [1.0, 0.0, 0.0]),
    (2, [-I, I, 1.0], [-np.sqrt(0.5), np.sqrt(0.5), 0.0]),
    (2, [1.7e308, 1.7e308, 0.0], [np.sqrt(0.5), np.sqrt(0.5), 0.0]),
    (3, [1e308, 1e308, 0.0], [2 ** (-2 / 3), 2 ** (-2 / 3), 0.0]),
    (3, [1e-200, -1e-200, 0.0], [2 ** (-2 / 3), -(2 ** (-2 / 3)), 0.0]),
    (3, [I, 1.0, 0.0], [1.0, 0.0, 0.0]),
    (-1, [1e308, 1e308, 1e308], [1 / 9, 1 / 9, 1 / 9]),
    (-1, [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]),
    (-2, [1e-170, 1e-170, I], [2**-1.5, 2**-1.5, 0.0]),
    (0.5, [0.0, 1.0, 4.0], [0.0, 3.0, 1.5]),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("order", "line", "slope"), NORMS)
def test_norms(order: float, line: list[float], slope: list[float]) -> None:
    t = tg.Tensor(line, requires_grad=True)
    with np.errstate(all="ignore"):
        np.linalg.norm(t, order).backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.numpy(), slope, rtol=1e-12)


@pytest.mark.parametrize("order", [3, 1.5, 0.5, -1, -2.5])
def test_norms_are_differentiable_twice(order: float) -> None:
    x = np.array([[0.6, -1.1, 0.8], [1.3, 0.7, -0.9]])
    tg.gradcheck(lambda t: np.linalg.norm(t, order, axis=1), x, order=2)
    tg.gradcheck(lambda t: np.linalg.norm(t, order, axis=0, keepdims=True), x + 1j * x[::-1])
