"""The checker checked: wrong rules are noticed, right ones pass, the message says where."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.broken import broken, caught
from tests.each import for_each
from tinygrad_np.autodiff.gradcheck import largest_error
from tinygrad_np.autodiff.rules import TABLE

X = np.array([[0.5, 1.0, 2.0], [1.5, -0.5, 0.25]])


pytestmark = pytest.mark.usefixtures("same_table")


def defined(forward: Callable[..., Any], *vjps: Any, **options: Any) -> Callable[..., Any]:
    fn = tg.primitive(forward)
    tg.defvjp(fn, *vjps, **options)
    return fn


def cubed(x: Any) -> Any:
    return x**3


RIGHT: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "composition": (lambda x: np.tanh(x @ x.T), (X,), 3),
    "nest": (lambda p: [p["a"] * p["b"], np.sum(p["a"])], ({"a": X, "b": 2.0},), 2),
    "integers are taken as floats": (lambda x: x * x, (np.array([1, 2]),), 2),
    "float32 is taken as float64": (np.exp, (X.astype(np.float32),), 2),
    "Tensor": (np.sin, (tg.Tensor(X),), 2),
    "complex": (lambda z: z * np.conj(z) + z**2, (X + 1j,), 2),
    "no arrays at all": (lambda: np.ones(2), (), 1),
    "empty": (np.exp, (np.zeros((0, 2)),), 2),
    "constant": (lambda _: 2.0, (X,), 2),
    "numbers of many sizes": (lambda x: x * 1e6, (np.array([1e-6, 1.0, 1e6]),), 2),
}


@for_each(RIGHT)
def test_right_rules_pass(name: str) -> None:
    f, args, order = RIGHT[name]
    assert tg.gradcheck(f, *args, order=order) is None
    assert largest_error(f, *args, order=order) < 1e-8


def test_message_has_both_numbers_the_op_the_index_and_the_shapes() -> None:
    wrong = defined(cubed, lambda g, _out, x: g * 3 * x)
    with pytest.raises(tg.GradientError) as error:
        tg.gradcheck(wrong, X)
    text = str(error.value)
    assert "cubed" in text and "(2, 3)" in text and "index (1, 1)" in text
    numbers = [float(number) for number in re.findall(r"float64\(([^)]+)\)", text)]
    assert len(numbers) == 2 and numbers[0] == pytest.approx(-2 * numbers[1], rel=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_rule_whose_own_derivative_is_wrong_is_noticed_at_the_next_order(order: int) -> None:
    """A rule right in value, wrong where it hides a dependence from the tape."""

    def hidden(g: Any, _out: Any, x: Any) -> Any:
        plain = x.numpy() if isinstance(x, tg.Tensor) else x
        return g * (3 * plain * plain)

    sneaky = defined(cubed, hidden)
    f = sneaky if order < 3 else lambda x: x * x * x
    if order == 2:
        with pytest.raises(tg.GradientError):
            tg.gradcheck(f, X, order=2)
    else:
        tg.gradcheck(f, X, order=order)


def test_nan_is_an_error() -> None:
    wrong = defined(cubed, lambda g, _out, x: g * np.nan * x)
    with pytest.raises(tg.GradientError, match="nan"):
        tg.gradcheck(wrong, X)


def test_tolerance() -> None:
    wrong = defined(cubed, lambda g, _out, x: g * (3 * x * x) * (1 + 1e-5))
    with pytest.raises(tg.GradientError):
        tg.gradcheck(wrong, X)
    tg.gradcheck(wrong, X, tolerance=1e-3)


@pytest.mark.parametrize(
    ("fn", "k"), [(np.multiply, 0), (np.multiply, 1), (np.matmul, 0), (np.sum, 0), (np.tanh, 0)]
)
def test_broken_rules_are_noticed_and_mended(fn: Any, k: int) -> None:
    before = TABLE[fn]
    assert caught(fn, k)
    with broken(fn, k):
        assert TABLE[fn] is not before
    assert TABLE[fn] is before


# Rules of the user's own.


def test_a_function_of_the_users_own() -> None:
    softplus = defined(
        lambda x: np.log1p(np.exp(x)), lambda g, _out, x: g / (1 + np.exp(-x)), broadcasts=True
    )
    tg.gradcheck(softplus, X, order=3)
    plain = softplus(X)
    assert type(plain) is np.ndarray
    t = tg.Tensor(X, requires_grad=True)
    softplus(t).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), 1 / (1 + np.exp(-X)))


def test_a_function_of_two_operands_and_options() -> None:
    scaled = defined(
        lambda x, y, power=1: x * y**power,
        lambda g, _out, _x, y, power=1: g * y**power,
        lambda g, _out, x, y, power=1: g * x * power * y ** (power - 1),
        broadcasts=True,
    )
    positive = np.abs(X) + 0.1
    tg.gradcheck(lambda x, y: scaled(x, y, power=3), X, positive[0], order=2)
    tg.gradcheck(lambda x, y: scaled(x, y, 2), X, positive[0], order=2)


def test_a_function_of_any_number_of_operands() -> None:
    def total(*values: Any) -> Any:
        return sum(values[1:], values[0] * 1)

    added = defined(total, each=lambda _i, g, _out, *_values: g * 1)
    tg.gradcheck(lambda x, y: added(x, y, x), X, X, order=2)


def test_a_missing_derivative_says_which() -> None:
    half = defined(lambda x, y: x * y, lambda g, _out, _x, y: g * y, None)
    tg.gradcheck(lambda x: half(x, 2.0), X)
    with pytest.raises(
        tg.TapeError, match=r"no derivative with respect to operand 1.*detach.*defvjp"
    ):
        tg.gradcheck(lambda y: half(2.0, y), X)


def test_no_rule_at_all_is_refused() -> None:
    with pytest.raises(tg.TapeError, match="no rule"):
        tg.defvjp(cubed)
    bare = tg.primitive(cubed)
    with pytest.raises(tg.TapeError, match=r"cubed has no derivative.*tg\.defvjp"):
        bare(tg.Tensor(X, requires_grad=True))
    np.testing.assert_array_equal(bare(tg.Tensor(X)).numpy(), X**3)


def test_too_many_positional_arguments_for_a_rule() -> None:
    narrow = defined(lambda x, k=1: x * k, lambda g, _out, _x: g)
    with pytest.raises(TypeError, match="give options by keyword"):
        narrow(tg.Tensor(X, requires_grad=True), 2)


def test_builtins_take_tensors_by_position() -> None:
    counted = defined(np.bincount, None, lambda g, _out, x, _weights: g[x])
    index, t = np.array([0, 1, 1]), tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (counted(index, t) * np.array([1.0, 5.0])).sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), [1.0, 5.0, 5.0])
    unnamed = defined(max, lambda g, _out, _x: g)
    with pytest.raises(TypeError, match="max takes Tensors by position"):
        unnamed(index, key=t)


def test_primitive_keeps_name_and_documentation() -> None:
    wrapped = tg.primitive(cubed)
    assert wrapped.__name__ == "cubed" and wrapped.__wrapped__ is cubed


def test_primitive_dispatches_on_keywords_and_past_the_unwilling() -> None:
    class Unwilling:
        def __array_function__(self, *_: Any) -> Any:
            return NotImplemented

    @tg.primitive
    def pick(a: Any, b: Any = None) -> Any:
        return b if isinstance(a, Unwilling) else a

    assert pick(Unwilling(), 5) == 5
    double = defined(lambda x, y=1.0: x * y, lambda g, _out, _x, y=1.0: g * y, None)
    t = tg.Tensor(2.0, requires_grad=True)
    assert double(x=t, y=3.0).item() == 6.0
