"""Functions of functions: nests, any order, closures, mixed modes."""
# ruff: noqa: ARG005 - unused arguments are what some rows are about

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import ShapeError

X = np.array([0.5, 1.0, 2.0])
Y = np.array([1.5, -0.5, 0.25])
Pair = namedtuple("Pair", "w b")


def close(ours: Any, theirs: Any, rtol: float = 1e-12) -> None:
    """Same nest, plain arrays, dtype and values."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            close(ours[key], theirs[key], rtol)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            close(mine, other, rtol)
    elif theirs is not None:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-14)


# Gradients over nests.

GRADIENTS: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "array": (tg.grad(lambda x: np.sum(x**3)), (X,), 3 * X**2),
    "number": (tg.grad(lambda x: x * x), (3.0,), np.array(6.0)),
    "integer": (tg.grad(lambda x: x * x), (3,), np.array(6.0)),
    "NumPy number": (tg.grad(lambda x: x * x), (np.float32(3),), np.array(6.0, np.float32)),
    "float32": (tg.grad(lambda x: np.sum(x * Y)), (X.astype("f4"),), Y.astype("f4")),
    "second": (tg.grad(lambda x, y: np.sum(x * y), 1), (X, Y), X),
    "last": (tg.grad(lambda x, y: np.sum(x * y), -1), (X, Y), X),
    "both": (tg.grad(lambda x, y: np.sum(x * y), (0, 1)), (X, Y), (Y, X)),
    "swapped": (tg.grad(lambda x, y: np.sum(x * y), (1, 0)), (X, Y), (X, Y)),
    "one as tuple": (tg.grad(lambda x, y: np.sum(x * y), (1,)), (X, Y), (X,)),
    "list": (tg.grad(lambda p: np.sum(p[0] * p[1])), ([X, Y],), [Y, X]),
    "dict": (
        tg.grad(lambda p: np.sum(p["w"] * X + p["b"])),
        ({"w": X, "b": Y},),
        {"w": X, "b": X * 0 + 1},
    ),
    "deep": (
        tg.grad(lambda p: p["a"][0] * p["a"][1][0] ** 2),
        ({"a": [2.0, (3.0,)], "n": None},),
        {"a": [np.array(9.0), (np.array(12.0),)], "n": None},
    ),
    "named tuple": (tg.grad(lambda p: np.sum(p.w * p.b)), (Pair(X, Y),), Pair(Y, X)),
    "unused": (tg.grad(lambda x, y: np.sum(x * 2), (0, 1)), (X, Y), (X * 0 + 2, Y * 0)),
    "unused float32": (tg.grad(lambda _: 1.0), (X.astype("f4"),), X.astype("f4") * 0),
    "constant": (tg.grad(lambda _: np.float64(3.0)), (X,), X * 0),
    "itself": (tg.grad(lambda x: x), (2.0,), np.array(1.0)),
    "one element": (tg.grad(lambda x: x * 3), (np.array([[2.0]]),), np.array([[3.0]])),
    "comparison": (tg.grad(lambda x: np.sum(x > 1)), (X,), X * 0),
    "complex": (tg.grad(lambda z: np.abs(z) ** 2), (1 + 2j,), np.array(2 - 4j)),
    "keyword": (lambda x: tg.grad(lambda v, k=1: np.sum(v * k))(x, k=3.0), (X,), X * 0 + 3),
    "keyword array": (lambda x: tg.grad(lambda v, k: np.sum(v * k))(x, k=Y), (X,), Y),
    "branch": (tg.grad(lambda x: x * x if x > 1 else x), (3.0,), np.array(6.0)),
    "loop": (tg.grad(lambda x: sum(v**2 for v in x)), (X,), 2 * X),
}


@for_each(GRADIENTS)
def test_gradients(name: str) -> None:
    f, args, expected = GRADIENTS[name]
    close(f(*args), expected)


@for_each(GRADIENTS)
def test_gradients_under_no_grad(name: str) -> None:
    f, args, expected = GRADIENTS[name]
    with tg.no_grad():
        close(f(*args), expected)


def test_value_and_grad() -> None:
    value, gradient = tg.value_and_grad(lambda x: np.sum(x**2))(X)
    close(value, np.array(5.25))
    close(gradient, 2 * X)


def test_aux_is_handed_through() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2), {"double": x * 2, "count": 3, "text": "a"}

    (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(X)
    close(value, np.array(5.25))
    close(gradient, 2 * X)
    close(aux["double"], 2 * X)
    assert aux["count"] == 3 and aux["text"] == "a"


@pytest.mark.parametrize(
    ("f", "args", "kind", "message"),
    [
        (tg.grad(lambda x: x), (X,), tg.TapeError, r"one number.*\(3,\).*tg\.jacobian"),
        (tg.grad(lambda x: (x, x)), (1.0,), tg.TapeError, "one number"),
        (tg.grad(lambda z: z * z), (1j,), tg.TapeError, "complex.*real part.*tg.vjp"),
        (tg.grad(lambda x: x, 1), (1.0,), TypeError, "argnums=1 .* 1 arguments"),
        (tg.grad(lambda x: x, -2), (1.0,), TypeError, "argnums=-2"),
        (tg.grad(lambda x, y: x, (0, -2)), (1.0, 1.0), TypeError, "names an argument twice"),
        (lambda: tg.vjp(lambda x: x, X)[1](np.ones(2)), (), tg.ShapeError, r"\(2,\).*\(3,\)"),
        (lambda: tg.vjp(lambda x: x, X)[1]((X, X)), (), tg.ShapeError, r"\(2, 3\).*\(3,\)"),
        (lambda: tg.jvp(np.sin, (X,), (np.ones(2),)), (), tg.ShapeError, r"\(2,\).*\(3,\)"),
        (lambda: tg.hvp(np.sum, X, np.ones(2)), (), tg.ShapeError, r"\(2,\).*\(3,\)"),
    ],
)
def test_errors_name_what_was_given(f: Any, args: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        f(*args)


# Pullbacks and pushforwards.


def test_dicts_are_matched_by_key() -> None:
    """The order in which a dict was filled does not matter."""

    def f(p: Any) -> Any:
        return {"a": p["x"] * p["y"], "b": 2 * p["x"]}

    at, along = {"x": 3.0, "y": 4.0}, {"y": 10.0, "x": 1.0}
    (pulled,) = tg.vjp(f, at)[1]({"b": 1.0, "a": 10.0})
    assert pulled == {"x": 42.0, "y": 30.0}
    assert tg.jvp(f, (at,), (along,))[1] == {"a": 34.0, "b": 2.0}
    assert tg.hvp(lambda p: p["x"] ** 2 * p["y"], (at,), (along,)) == ({"x": 68.0, "y": 6.0},)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.vjp(lambda x: {"a": x}, 1.0)[1]({"b": 1.0}), r"\['b'\] .*\['a'\]"),
        (lambda: tg.vjp(lambda x: [x, x], 1.0)[1]([1.0]), r"\[0\] .*\[0, 1\]"),
        (lambda: tg.jvp(lambda p: p[0], ([1.0],), (1.0,)), r"one array .*\[0\]"),
        (lambda: tg.hvp(lambda x, y: x * y, (1.0, 2.0), (1.0,)), r"\[0\] .*\[0, 1\]"),
    ],
)
def test_nests_that_differ_are_refused(call: Any, message: str) -> None:
    with pytest.raises(tg.ShapeError, match=message):
        call()


def swirl(p: Any, y: Any) -> dict[str, Any]:
    return {"a": np.sin(p["x"]) * y, "b": [np.sum(p["x"] * y)]}


def test_pullback_over_nests() -> None:
    value, pullback = tg.vjp(swirl, {"x": X}, Y)
    close(value, {"a": np.sin(X) * Y, "b": [np.array(0.75)]})
    cotangent = {"a": Y, "b": [np.array(2.0)]}
    expected = ({"x": np.cos(X) * Y * Y + 2 * Y}, np.sin(X) * Y + 2 * X)
    close(pullback(cotangent), expected)
    close(pullback(cotangent), expected)


def test_pullback_adds_up_what_was_returned_twice_and_takes_any_dtype() -> None:
    def f(x: Any) -> Any:
        y = x.astype(np.float32) * 2
        return y, y

    _, pullback = tg.vjp(f, X)
    close(pullback((Y, X)), (2 * (Y + X),))


def test_pushforward_over_nests() -> None:
    value, pushed = tg.jvp(swirl, ({"x": X}, Y), ({"x": Y}, X))
    close(value, {"a": np.sin(X) * Y, "b": [np.array(0.75)]})
    close(pushed, {"a": np.cos(X) * Y * Y + np.sin(X) * X, "b": [np.array(np.sum(Y * Y + X * X))]})


def test_unused_arguments_and_constants_have_zeros() -> None:
    _, pullback = tg.vjp(lambda x, y: (x * 2, 5.0), X, Y.astype("f4"))
    close(pullback((X, 1.0)), (2 * X, np.zeros(3, "f4")))
    value, pushed = tg.jvp(lambda _: (Y, 3.0), (X,), (X,))
    close(value, (Y, np.array(3.0)))
    close(pushed, (Y * 0, np.array(0.0)))


def test_pushforward_of_one_argument_without_tuple_and_of_numbers() -> None:
    close(tg.jvp(np.sin, X, Y)[1], np.cos(X) * Y)
    close(tg.jvp(lambda x: x**3, (2.0,), (1.0,))[1], np.array(12.0))
    close(tg.jvp(lambda x: x * 3, (X.astype("f4"),), (Y,))[1], (3 * Y).astype("f4"))


def test_pullback_of_complex_results() -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    value, pullback = tg.vjp(lambda v: v**2, z)
    close(value, z**2)
    close(pullback(np.array([1.0, 1j]))[0], 2 * z * np.array([1, 1j]))
    close(tg.jvp(lambda v: v**2, (z,), (z,))[1], 2 * z * z)


# Jacobians and Hessians.


def test_jacobian_has_the_shape_of_result_and_argument() -> None:
    m = np.arange(6.0).reshape(2, 3)
    close(tg.jacobian(lambda x: m @ x)(X), m)
    close(tg.jacobian(np.sum)(X), np.ones(3))
    close(tg.jacobian(lambda x: x[:0])(X), np.zeros((0, 3)))
    outer = tg.jacobian(lambda x, y: np.outer(x, y), (0, 1))(X, Y[:2])
    close(outer[0], np.einsum("ik,j->ijk", np.eye(3), Y[:2]))
    close(outer[1], np.einsum("i,jk->ijk", X, np.eye(2)))


def test_jacobian_of_nests() -> None:
    found = tg.jacobian(lambda p: {"s": np.sum(p["x"] ** 2), "v": p["x"] * p["y"]})(
        {"x": X, "y": 2.0}
    )
    close(found["s"], {"x": 2 * X, "y": np.array(0.0)})
    close(found["v"], {"x": 2 * np.eye(3), "y": X})


def test_hessian() -> None:
    a = np.arange(9.0).reshape(3, 3)
    close(tg.hessian(lambda x: x @ a @ x)(X), a + a.T)
    close(tg.hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))
    found = tg.hessian(lambda x, y: np.sum(x * y), (0, 1))(X, Y)
    close(found, ((np.zeros((3, 3)), np.eye(3)), (np.eye(3), np.zeros((3, 3)))))
    third = np.zeros((3, 3, 3))
    third[[0, 1, 2], [0, 1, 2], [0, 1, 2]] = 6 * X
    close(tg.hessian(lambda x: x**3)(X), third)
    close(tg.hessian(lambda x: {"a": x[:1] ** 3, "b": x[0]})(X)["a"], third[:1])


def test_hessian_times_vectors() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x) + x[0] * x[1] * x[2]

    close(tg.hvp(f, X, Y), tg.hessian(f)(X) @ Y)
    close(tg.hvp(lambda x, y: np.sum(x * y), (X, Y), (Y, X)), (X, Y))
    close(tg.hvp(f, (X,), (Y,)), (tg.hessian(f)(X) @ Y,))
    nested = tg.hvp(lambda p: np.sum(p["a"] ** 3), ({"a": X},), ({"a": Y},))
    close(nested, ({"a": 6 * X * Y},))


# Everything nests in everything.


def power(order: int) -> Callable[..., Any]:
    f: Any = lambda x: x**6
    for _ in range(order):
        f = tg.grad(f)
    return f


@pytest.mark.parametrize(("order", "expected"), [(1, 6.0), (2, 30.0), (3, 120.0), (4, 360.0)])
def test_gradients_of_gradients(order: int, expected: float) -> None:
    close(power(order)(1.0), np.array(expected))


def forward(f: Any) -> Any:
    return lambda x: tg.jvp(f, (x,), (np.ones_like(x),))[1]


def backward(f: Any) -> Any:
    return lambda x: tg.vjp(f, x)[1](np.ones_like(x))[0]


def row(f: Any) -> Any:
    return tg.jacobian(f)


MODES = {"grad": tg.grad, "forward": forward, "backward": backward, "jacobian": row}


@for_each(MODES, MODES, MODES)
def test_modes_nest_in_any_order(first: str, second: str, third: str) -> None:
    f = MODES[third](MODES[second](MODES[first](lambda x: np.sin(x) * np.exp(x))))
    x = 0.7
    close(f(x), np.array(2 * np.exp(x) * (np.cos(x) - np.sin(x))))


def test_perturbations_are_not_confused() -> None:
    inner = lambda x: tg.grad(lambda y: x + y)(1.0)
    close(tg.grad(lambda x: x * inner(x))(1.0), np.array(1.0))
    close(tg.grad(lambda x: x * tg.grad(lambda y: x * y)(2.0))(3.0), np.array(6.0))
    close(forward(lambda x: x * forward(lambda y: x * y)(2.0))(3.0), np.array(6.0))
    close(tg.grad(lambda x: tg.grad(lambda x: x * x)(x) * x)(3.0), np.array(12.0))
    close(tg.jvp(lambda x: x * tg.grad(lambda y: x * y * y)(x), (3.0,), (1.0,))[1], np.array(54.0))


def test_closures_over_recorded_tensors_record() -> None:
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    slope = tg.grad(lambda x: np.sum(x**2 * w))(X)
    assert isinstance(slope, tg.Tensor) and slope.requires_grad
    np.sum(slope).backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * X)
    w.grad = None
    product = tg.hvp(lambda x: np.sum(x**3 * w), X, Y)
    np.sum(product).backward()
    np.testing.assert_allclose(w.grad.numpy(), 6 * X * Y)
    w.grad = None
    value, pushed = tg.jvp(lambda x: np.sin(x) * w, (X,), (Y,))
    np.sum(value + pushed).backward()
    np.testing.assert_allclose(w.grad.numpy(), np.sin(X) + np.cos(X) * Y)
    w.grad = None
    np.sum(tg.jacobian(lambda x: x * w)(X)).backward()
    np.testing.assert_allclose(w.grad.numpy(), np.ones(3))
    w.grad = None
    (value, aux), _ = tg.value_and_grad(lambda x: (np.sum(x * w), w * 2), has_aux=True)(X)
    (value + np.sum(aux)).backward()
    np.testing.assert_allclose(w.grad.numpy(), X + 2)


def test_closures_under_no_grad_give_plain_values() -> None:
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with tg.no_grad():
        slope = tg.grad(lambda x: np.sum(x**2 * w))(X)
    np.testing.assert_allclose(np.asarray(slope), 2 * X * w.numpy())


def test_tensors_given_are_tensors_returned() -> None:
    constant = tg.Tensor(X)
    slope = tg.grad(lambda x: np.sum(x**3))(constant)
    assert isinstance(slope, tg.Tensor) and not slope.requires_grad
    leaf = tg.Tensor(X, requires_grad=True)
    slope = tg.grad(lambda x: np.sum(x**3))(leaf)
    np.sum(slope).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 6 * X)
    value, pullback = tg.vjp(np.sin, leaf)
    (pulled,) = pullback(tg.Tensor(Y))
    assert value.requires_grad and pulled.requires_grad


def test_pullback_is_differentiable_by_its_cotangent() -> None:
    _, pullback = tg.vjp(lambda x: x**2, X)
    slope = tg.grad(lambda v: np.sum(pullback(v)[0] * Y))(np.ones(3))
    np.testing.assert_allclose(tg.array(slope).numpy(), 2 * X * Y)
    cotangent = tg.Tensor(Y, requires_grad=True)
    np.sum(pullback(cotangent)[0]).backward()
    np.testing.assert_allclose(cotangent.grad.numpy(), 2 * X)
    given = pullback(tg.Tensor(Y))[0]
    assert isinstance(given, tg.Tensor) and not given.requires_grad


def test_pushforward_is_differentiable_by_its_tangent() -> None:
    close(tg.grad(lambda u: np.sum(tg.jvp(np.sin, (X,), (u,))[1] * Y))(X), np.cos(X) * Y)
    close(tg.grad(lambda x: np.sum(tg.jvp(np.sin, (x,), (Y,))[1]))(X), -np.sin(X) * Y)


def test_backward_inside_a_transform_and_transform_inside_backward() -> None:
    w = tg.Tensor(2.0, requires_grad=True)
    (w * tg.grad(lambda x: x**3 * w)(1.5)).backward()
    assert w.grad.item() == pytest.approx(2 * 2.0 * 3 * 1.5**2)


def test_transforms_leave_gradients_of_leaves_alone() -> None:
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    tg.grad(lambda x: np.sum(x * w))(X)
    tg.hessian(lambda x: np.sum(x * w))(X)
    tg.jvp(lambda x: x * w, (X,), (X,))
    assert w.grad is None


def test_names_and_documentation_survive() -> None:
    def loss(x: Any) -> Any:
        """What it is."""
        return np.sum(x)

    for wrapped in (tg.grad(loss), tg.value_and_grad(loss), tg.jacobian(loss), tg.hessian(loss)):
        assert wrapped.__name__ == "loss" and wrapped.__doc__ == "What it is."


def test_arguments_are_not_written_to() -> None:
    x = X.copy()
    x.flags.writeable = False
    tg.hessian(lambda v: np.sum(v**3))(x)
    tg.jvp(np.sin, (x,), (x,))
    np.testing.assert_array_equal(x, X)


def test_results_of_writes_inside_a_function() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[0] = x[1] * 3
        y += x
        return np.sum(y * y)

    close(
        tg.grad(f)(X), tg.grad(lambda x: (3 * x[1] + x[0]) ** 2 + 4 * x[1] ** 2 + 4 * x[2] ** 2)(X)
    )


@dataclass(frozen=True)
class Several:
    """A nest of the user's own."""

    first: Any
    second: Any = None


def test_dataclasses_are_nests() -> None:
    def energy(given: Several) -> Any:
        return np.sum(given.first**2) + np.sum(given.second["inner"])

    slope = tg.grad(energy)(Several(X, {"inner": X}))
    assert type(slope) is Several
    close(slope.first, 2 * X)
    close(slope.second["inner"], np.ones_like(X))
    value, pullback = tg.vjp(lambda x: Several(x * 2, x * 3), X)
    assert type(value) is Several
    close(pullback(Several(X, X))[0], 5 * X)
    close(pullback({"first": X, "second": X})[0], 5 * X)
    with pytest.raises(ShapeError, match="one array was given where one with the entries"):
        pullback(X)


def test_a_cotangent_counts_the_same_wherever_it_lies() -> None:
    """A product with every second element of an array may add in another order: it is copied."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(37, np.float32), rng.standard_normal((1000, 37), np.float32)
    cotangent = rng.standard_normal(2000, np.float32)[::-2]
    for f in (lambda x: w @ x, lambda x: np.dot(np.sum(x) * np.ones_like(w), x)):
        _, pullback = tg.vjp(f, x)
        assert np.array_equal(pullback(cotangent)[0], pullback(cotangent.copy())[0])


def test_one_cotangent_for_what_each_example_sorts_its_own_way() -> None:
    x, g = np.random.default_rng(0).normal(size=(3, 4)), np.array([1.0, 2.0, 3.0, 4.0])
    f = tg.grad(lambda v: np.sum(np.real(np.sort_complex(v)) * g))
    np.testing.assert_array_equal(tg.vmap(f)(x), np.stack([f(v) for v in x]))


def test_indices_of_each_example_into_one_array() -> None:
    table, places = (
        np.arange(12.0).reshape(4, 3),
        np.random.default_rng(0).integers(0, 4, (5, 2, 3)),
    )
    f = lambda i: np.take_along_axis(table, i, 0)
    np.testing.assert_array_equal(tg.vmap(f)(places), np.stack([f(i) for i in places]))


def test_a_write_into_an_argument_is_numpys_unless_the_argument_is_the_transforms_own() -> None:
    def f(x: Any, w: Any) -> Any:
        w[0] = 5.0
        return np.sum(x * w)

    x = np.ones(2)
    passed_on: list[Callable[[Any], Any]] = [
        lambda w: f(x, w), lambda w: tg.grad(f)(x, w), lambda w: tg.value_and_grad(f)(x, w),
        lambda w: tg.jacobian(f)(x, w), lambda w: tg.hessian(f)(x, w),
        lambda w: tg.vmap(f, (0, None))(np.ones((3, 2)), w), lambda w: tg.checkpoint(f)(x, w),
        lambda w: tg.vjp(lambda x: f(x, w), x), lambda w: tg.grad(lambda x: f(x, w=w))(x),
    ]  # fmt: skip
    for kind in (np.array, tg.Tensor):
        for call in passed_on:
            w = kind([1.0, 2.0])
            call(w)
            assert w.tolist() == [5.0, 2.0]
    for call in (lambda w: tg.vmap(f)(w, w), lambda w: tg.vmap(f, (None, 0))(x, w)):
        batch = np.ones((3, 2))
        call(batch)
        assert batch.tolist() == np.ones((3, 2)).tolist()
    w = np.ones(2)
    with pytest.raises(tg.TapeError):
        tg.grad(f, 1)(x, w)
    for step in (f, tg.grad(f), tg.jacobian(f), tg.vmap(f, (0, None)), tg.checkpoint(f)):
        with pytest.raises(tg.ReplayError, match="writes into an argument, which would not reach"):
            tg.replay(step)(np.ones((3, 2)), w)
    assert w.tolist() == [1.0, 1.0]


class Keyed(dict[str, Any]):
    """A dict of the user's own."""


class Row(list[Any]):
    """A list of the user's own."""


class Couple(tuple[Any, ...]):
    """A tuple of the user's own, without fields."""


KEPT: dict[str, Callable[[Any], Any]] = {
    "OrderedDict": lambda v: OrderedDict(b=v, a=v),
    "defaultdict": lambda v: defaultdict(float, b=v, a=v),
    "Keyed": lambda v: Keyed(b=v, a=v),
    "Row": lambda v: Row([v, v]),
    "Couple": lambda v: Couple((v, v)),
}


@for_each(KEPT)
def test_a_nest_stays_of_its_class(name: str) -> None:
    """What the function gets, and what comes back, in every transform."""
    nest, x = KEPT[name], X

    def same(given: Any) -> Any:
        assert type(given).__name__ == name
        return nest(first(given) * 2)

    def first(given: Any) -> Any:
        return next(iter(given.values())) if isinstance(given, dict) else given[0]

    def total(given: Any) -> Any:
        return np.sum(first(same(given)) ** 2)

    step = tg.replay(same)
    for found in (
        tg.grad(total)(nest(x)),
        tg.vjp(same, nest(x))[0],
        tg.vjp(total, nest(x))[1](1.0)[0],
        tg.jvp(same, (nest(x),), (nest(x),))[1],
        tg.hvp(total, (nest(x),), (nest(x),))[0],
        tg.jacobian(total)(nest(x)),
        tg.vmap(same)(nest(x)),
        tg.checkpoint(same)(nest(tg.Tensor(x, requires_grad=True))),
        tg.stop_gradient(nest(tg.Tensor(x))),
        *(step(nest(x)) for _ in range(3)),
        next(iter(tg.data.batches(nest(x), nest(x), 1, seed=0)))[0],
    ):
        assert type(found).__name__ == name
