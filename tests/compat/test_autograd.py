"""HIPS/autograd's names: values, conventions, primitives, the runner."""
# ruff: noqa: ARG001, ARG005 - rules take all arguments of their call

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import numpy as onp
import pytest

import tinygrad_np as tg
import tinygrad_np.compat.autograd.numpy as np
from tinygrad_np.compat import autograd
from tinygrad_np.compat.autograd import builtins as ag_builtins
from tinygrad_np.compat.autograd import core, extend, tracer, util
from tinygrad_np.compat.autograd.__main__ import main
from tinygrad_np.compat.autograd.differential_operators import make_jvp_reversemode
from tinygrad_np.compat.autograd.misc import const_graph, flatten, optimizers
from tinygrad_np.compat.autograd.misc.fixed_points import fixed_point
from tinygrad_np.compat.autograd.misc.flatten import flatten_func
from tinygrad_np.compat.autograd.numpy import numpy_boxes, numpy_vjps
from tinygrad_np.compat.autograd.test_util import check_equivalent, check_grads, combo_check
from tinygrad_np.compat.autograd.wrap_util import get_doc, unary_to_nary

X = onp.array([0.3, -1.1, 0.8])


def cubes(x: Any) -> Any:
    return np.sum(x**3)


# Transforms


def test_a_gradient_by_a_number_is_a_number() -> None:
    slope = autograd.grad(lambda x: x**2)(3.0)
    assert type(slope) is onp.float64 and slope == 6.0
    assert type(autograd.grad(lambda x: x**2)(3)) is onp.float64
    nest = autograd.grad(lambda d: d["a"] * d["b"][0] ** 2)({"a": 2.0, "b": [3.0, 1.0]})
    assert nest == {"a": 9.0, "b": [12.0, 0.0]}
    value, gradient = autograd.value_and_grad(cubes)(X)
    assert type(value) is onp.float64 and type(gradient) is onp.ndarray
    assert autograd.grad(cubes)(X.astype(onp.float32)).dtype == onp.float32
    assert autograd.grad(cubes)(onp.array([1, 2])).tolist() == [3.0, 12.0]


def test_argnum_is_a_place_or_several() -> None:
    def f(x: Any, y: Any, scale: float = 1.0) -> Any:
        return scale * x * y**2

    assert autograd.grad(f, 1)(2.0, 3.0, scale=2.0) == 24.0
    assert autograd.grad(f, (0, 1))(2.0, 3.0) == (9.0, 12.0)
    assert autograd.grad(f, argnum=[1])(2.0, 3.0) == (12.0,)
    assert autograd.grad_named(f, "y")(2.0, 3.0) == 12.0
    assert autograd.multigrad_dict(f)(2.0, y=3.0) == {"x": 9.0, "y": 12.0, "scale": 18.0}
    with pytest.raises(TypeError, match="argnum the place of an argument"):
        autograd.grad(f, "y")


def test_an_augmented_assignment_gives_the_name_a_new_value() -> None:
    def f(x: Any) -> Any:
        y = x
        y += 1.0
        y *= x
        return np.sum(y)

    assert autograd.grad(f)(X).tolist() == (2 * X + 1).tolist()
    with pytest.raises(tg.TapeError, match="leaf"):
        tg.grad(f)(X)


def test_second_derivatives() -> None:
    h = onp.diag(6 * X)
    onp.testing.assert_allclose(autograd.hessian(cubes)(X), h)
    onp.testing.assert_allclose(autograd.hessian_vector_product(cubes)(X, X), h @ X)
    product, gradient = autograd.make_hvp(cubes)(X)
    onp.testing.assert_allclose(product(X), h @ X)
    onp.testing.assert_allclose(gradient, 3 * X**2)
    vector_valued = autograd.hessian(lambda x: x**3)(X)
    expected = onp.zeros((3, 3, 3))
    expected[range(3), range(3), range(3)] = 6 * X
    onp.testing.assert_allclose(vector_valued, expected)
    second = autograd.grad(autograd.grad(np.tanh))(0.5)
    assert second == pytest.approx(-2 * onp.tanh(0.5) / onp.cosh(0.5) ** 2)


def test_jacobians_and_their_products() -> None:
    a = onp.arange(6.0).reshape(2, 3)

    def f(x: Any) -> Any:
        return np.tanh(np.dot(a, x))

    j = (1 - f(X) ** 2)[:, None] * a
    onp.testing.assert_allclose(autograd.jacobian(f)(X), j)
    assert autograd.jacobian(lambda x: x[:0])(X).shape == (0, 3)
    value, along = autograd.make_jvp(f)(X)(X)
    onp.testing.assert_allclose(value, f(X))
    onp.testing.assert_allclose(along, j @ X)
    onp.testing.assert_allclose(make_jvp_reversemode(f)(X)(X), j @ X)
    pull, value = autograd.make_vjp(f)(X)
    assert pull(onp.array([1.0 + 5j, 2.0])).tolist() == pull(onp.array([1.0, 2.0])).tolist()
    pull, of_tensor = autograd.make_vjp(f)(tg.Tensor(X))
    assert isinstance(pull(onp.ones(2)), tg.Tensor) and isinstance(of_tensor, tg.Tensor)
    pull, value = autograd.make_vjp(f)(X)
    onp.testing.assert_allclose(pull(onp.array([1.0, 2.0])), [1.0, 2.0] @ j)
    onp.testing.assert_allclose(autograd.tensor_jacobian_product(f)(X, onp.ones(2)), j.sum(0))
    onp.testing.assert_allclose(autograd.make_ggnvp(f)(X)(X), j.T @ (j @ X))
    onp.testing.assert_allclose(autograd.elementwise_grad(np.sin)(X), onp.cos(X))
    assert autograd.deriv(np.sin)(0.3) == pytest.approx(onp.cos(0.3))
    gradient, other = autograd.grad_and_aux(lambda x: (np.sum(x**2), x[0]))(X)
    assert (gradient.tolist(), other) == ((2 * X).tolist(), X[0])


def test_complex_numbers() -> None:
    z = 0.3 + 0.7j
    assert autograd.holomorphic_grad(lambda v: v**2)(z) == pytest.approx(2 * z)
    with pytest.raises(TypeError, match=r"one real number, not \(\) complex128"):
        autograd.grad(lambda v: v**2)(z)
    with pytest.raises(TypeError, match="real results"):
        autograd.elementwise_grad(lambda v: v**2)(z)
    with pytest.warns(UserWarning, match="not complex"):
        autograd.holomorphic_grad(lambda v: v**2)(0.3)


@pytest.mark.parametrize("x", [1.5, 2, onp.float32(1.5), onp.array(1.5)])
@pytest.mark.parametrize("v", [2.0, 2, onp.float64(2.0), onp.array(2.0)])
def test_a_number_moves_by_a_number(x: Any, v: Any) -> None:
    for f in (np.tanh, lambda x: x * x, lambda x: np.where(x > 0, x, 0.0), lambda x: x):
        value, moved = autograd.make_jvp(f)(x)(v)
        assert type(value) is type(moved) is (type(x) if type(x) is onp.float32 else onp.float64)
        assert moved == autograd.deriv(f)(x) * v == make_jvp_reversemode(f)(x)(v)
    assert autograd.make_jvp(np.sum)(X)([1, 2, 3])[1] == 6.0
    assert autograd.make_jvp(lambda x: [x, 2 * x])(x)(v)[1] == [v, 2 * v]


def test_fixed_points() -> None:
    def root(a: Any) -> Any:
        return fixed_point(
            lambda a: lambda x: 0.5 * (x + a["a"] / x), {"a": a}, 0 * a + 1.0,
            lambda x, y: np.max(np.abs(x - y)), 1e-12,
        )  # fmt: skip

    assert root(2.0) == pytest.approx(2**0.5)
    assert autograd.grad(root)(2.0) == pytest.approx(0.5 / 2**0.5)
    assert autograd.grad(autograd.grad(root))(2.0) == pytest.approx(-0.25 / 2**1.5)
    onp.testing.assert_allclose(autograd.jacobian(root)(X + 2), onp.diag(0.5 / (X + 2) ** 0.5))


def test_what_cannot_be_differentiated_says_so() -> None:
    with pytest.raises(TypeError, match=r"one real number, not \(3,\) float64"):
        autograd.grad(lambda x: x)(X)
    with pytest.raises(TypeError, match=r"Can't differentiate w\.r\.t\. type <class 'str'>"):
        autograd.grad(lambda x: x)("word")
    with pytest.warns(UserWarning, match="independent of input"):
        assert autograd.grad(lambda x: 2.0)(1.0) == 0.0


def test_checkpoint_runs_again_for_the_pullback() -> None:
    runs: list[int] = []

    def f(params: Any, x: Any) -> Any:
        runs.append(1)
        return np.tanh(params["w"] * x)

    def loss(params: Any, g: Any = f) -> Any:
        return np.sum(g(params, X) ** 2)

    params = {"w": X + 1}
    right = autograd.grad(loss)(params)["w"]
    runs.clear()
    found = autograd.grad(lambda p: loss(p, autograd.checkpoint(f)))(params)["w"]
    onp.testing.assert_allclose(found, right)
    assert len(runs) == 2
    check_grads(lambda w: loss({"w": w}, autograd.checkpoint(f)), modes=["rev"])(X)


# Functions of the user's own


def test_primitives_with_rules_of_all_forms() -> None:
    @extend.primitive
    def product(x: Any, y: Any, times: float = 1.0) -> Any:
        assert not isinstance(x, tg.Tensor)
        return times * x * y

    with pytest.raises(NotImplementedError, match="VJP of product wrt argnum 0 is not defined"):
        autograd.grad(product)(2.0, 3.0)
    extend.defvjp(product, lambda ans, x, y, times=1.0: lambda g: g * times * y)
    assert autograd.grad(product)(2.0, 3.0, times=2.0) == 6.0
    extend.defvjp(product, lambda ans, x, y, times=1.0: lambda g: g * times * x, argnums=(1,))
    check_grads(product)(2.0, 3.0, times=2.0)

    @extend.primitive
    def constant(x: Any) -> Any:
        return onp.sign(x)

    extend.defvjp(constant, None)
    assert autograd.grad(constant)(2.0) == 0.0
    assert extend.primitive(constant) is constant and extend.primitive(onp.exp) is onp.exp
    extend.defvjp(np.where, None, None, None)  # which has a rule, and keeps it
    assert autograd.grad(lambda x: np.where(x > 0, x, 0.0))(2.0) == 1.0

    @extend.primitive
    def summed(*xs: Any) -> Any:
        return sum(xs)

    extend.defvjp_argnum(summed, lambda argnum, ans, args, kwargs: lambda g: g)
    check_grads(summed)(1.0, 2.0, 3.0)

    @extend.primitive
    def pair(x: Any, y: Any) -> Any:
        return x * y

    def both(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        return lambda g: tuple(g * args[1 - n] for n in argnums)

    extend.defvjp_argnums(pair, both)
    check_grads(pair)(1.5, 2.5)


def test_a_forward_rule_alone_is_transposed() -> None:
    @extend.primitive
    def scaled(x: Any, y: Any) -> Any:
        return x * onp.sin(y)

    extend.defjvp(
        scaled, lambda g, ans, x, y: g * np.sin(y), lambda g, ans, x, y: g * x * np.cos(y)
    )
    check_grads(scaled)(X, X + 1)

    @extend.primitive
    def linear(x: Any) -> Any:
        return 3 * x

    extend.defjvp(linear, "same")
    extend.def_linear(linear)
    with pytest.raises(NotImplementedError, match="VJP of linear"):
        autograd.make_jvp(linear)(X)(X)
    extend.defvjp(linear, lambda ans, x: lambda g: 3 * g)
    extend.defjvp_argnum(linear, None)  # has a rule already
    extend.defjvp(np.exp, None)
    extend.defjvp_argnum(np.exp, None)
    assert autograd.grad(np.exp)(0.0) == 1.0
    check_grads(linear)(X)

    @extend.primitive
    def twice(x: Any) -> Any:
        return 2 * x

    extend.defjvp_argnums(twice, lambda argnums, gs, ans, args, kwargs: 2 * gs[0])
    check_grads(twice)(X)


def test_rules_of_what_is_no_primitive_are_not_asked() -> None:
    """As in HIPS/autograd: the function is differentiated through what it calls."""

    def wrong(*_given: Any) -> Any:
        raise AssertionError

    for give in (extend.defvjp, extend.defjvp, extend.defvjp_argnum, extend.defjvp_argnum):

        def plain(x: Any) -> Any:
            return x * x

        give(plain, wrong)
        assert autograd.grad(plain)(3.0) == 6.0
        assert autograd.deriv(plain)(3.0) == 6.0


def test_the_old_way_to_give_rules() -> None:
    @core.primitive
    def product(x: Any, y: Any) -> Any:
        return x * y

    with pytest.warns(DeprecationWarning, match="old way"):
        product.defgrad(lambda ans, x, y: lambda g: g * y)
        product.defvjp(lambda g, ans, vs, gvs, x, y: g * x, argnum=1)
    check_grads(product)(2.0, 3.0)

    @core.primitive
    def flat(x: Any) -> Any:
        return 0 * x

    with pytest.warns(DeprecationWarning, match="old way"):
        flat.defvjp_is_zero([0])
    assert autograd.grad(flat)(1.0) == 0.0


def test_values_that_are_looked_at() -> None:
    seen: list[Any] = []

    def f(x: Any, y: Any) -> Any:
        seen.extend([tracer.isbox(x), tracer.getval(x), tracer.getval(y), np.isscalar(x)])
        seen.append(ag_builtins.isinstance(x, float) and ag_builtins.type(y) is onp.ndarray)
        seen.append(isinstance(y, numpy_boxes.ArrayBox) and x._value == 2.5)
        return extend.notrace_primitive(onp.floor)(x) * np.sum(y) * x

    gradient = autograd.grad(f, (0, 1))(2.5, X)
    assert seen[:2] == [True, 2.5] and seen[3:] == [True, True, True]
    assert seen[2].tolist() == X.tolist()
    assert gradient[0] == pytest.approx(2 * X.sum())
    f = extend.primitive(lambda x: 2 * x)
    extend.register_notrace(None, f)
    assert autograd.grad(f)(1.0) == 0.0


# NumPy


def test_constructors_that_numpy_cannot_dispatch() -> None:
    def f(x: Any) -> Any:
        rows = [
            np.array([x[0], 1.0, x[1] * x[2]]), np.full(3, x[0]), np.full_like(X, x[1]),
            np.stack(v * x for v in (1.0, 2.0))[1], np.sum([x, x**2], axis=0),
            np.append(x[:1], [x[1], 2.0]), np.select([X > 0, X < 0], [x, [x[0], x[1], 1.0]]),
            np.r_[x[0], x[1:]], np.c_[x, x**2][:, 1], np.asarray([x[0]] * 3, float),
            np.where(X > 0, x, 0.0), np.concatenate([[x[0]], x[1:]]),
            np.maximum([x[0], x[1], x[2]], 0.1),
            np.einsum(np.eye(3) * x, [0, 1], x, [1], [0]), np.einsum(x, [0], [x[0]], [1])[:, 0],
            np.atleast_1d(x[0], x)[1], np.atleast_2d([x[0], x[1], x[2]])[0],
            np.atleast_3d(x)[0, :, 0], np.array(x, ndmin=2)[0],
            np.make_diagonal(x, axis1=-1, axis2=-2)[1], np.mean([x, 2 * x], 0),
            np.vstack([x, [1.0, 2.0, 3.0]])[0], np.array(x, dtype=float),
            np.exp([x[0], x[1], 0.5]),
        ]  # fmt: skip
        return np.sum(np.array(rows) * onp.arange(1.0, 4.0))

    found = autograd.grad(f)(X)
    step = 1e-6 * onp.eye(3)
    with onp.errstate(all="ignore"):
        numeric = [(f(X + s) - f(X - s)) / 2e-6 for s in step]
    onp.testing.assert_allclose(found, numeric, rtol=1e-5)


def test_plain_arguments_give_what_numpy_gives() -> None:
    assert np.array([1, 2]).tolist() == [1, 2] and np.full(2, 3).tolist() == [3, 3]
    assert np.full_like(X, 2).tolist() == [2.0] * 3 and np.asarray([1.0]).tolist() == [1.0]
    assert np.where(True, 1, 2) == 1 and type(np.where(True, [1], [2])) is list
    assert np.where(onp.array([True, False]))[0].tolist() == [0]
    with pytest.raises(ValueError, match="condition alone"):
        np.where(True, 1)
    assert np.r_[0:3].tolist() == [0, 1, 2] and np.c_[[1, 2], [3, 4]].tolist() == [[1, 3], [2, 4]]
    assert np.add.reduce([1, 2]) == 3 and np.pi == onp.pi and np.float64 is onp.float64
    assert np.linalg.det(onp.eye(2)) == 1.0 and np.random.rand is numpy.random.rand
    assert np.metadata(X) == ((3,), 1, onp.dtype(float), False)
    assert np.einsum("ij->i", onp.eye(2)).tolist() == [1.0, 1.0]
    with pytest.raises(NotImplementedError, match="offset=0"):
        np.make_diagonal(X, offset=1)


def test_rules_of_users_sum_down_what_was_broadcast() -> None:
    @extend.primitive
    def plus(x: Any, y: Any) -> Any:
        return x + y

    unbroadcast = numpy_vjps.unbroadcast_f
    extend.defvjp(
        plus,
        lambda ans, x, y: unbroadcast(x, lambda g: g),
        lambda ans, x, y: unbroadcast(y, lambda g: g),
    )
    check_grads(plus)(X, onp.ones((2, 1)))
    meta = np.metadata(1.0)
    assert numpy_vjps.unbroadcast(onp.array([1.0 + 2j]), meta) == 1.0
    g, count = numpy_vjps.repeat_to_match_shape(onp.ones(3), (2, 3), None, 0, False)
    assert (g.shape, count) == ((2, 3), 2)
    assert numpy_vjps.repeat_to_match_shape(1.0, (), None, None, False) == (1.0, 1)


# Nests, optimisers, checks


def test_flatten_and_back() -> None:
    nest = {"b": [onp.eye(2), 2.0], "a": (X, {"c": onp.array(3.0)})}
    flat, unflatten = flatten(nest)
    assert flat.tolist() == [*X, 3.0, 1.0, 0.0, 0.0, 1.0, 2.0]
    again = unflatten(flat)
    assert list(again) == ["b", "a"] and type(again["b"][1]) is onp.ndarray
    assert again["b"][0].tolist() == [[1.0, 0.0], [0.0, 1.0]] and again["a"][1]["c"].shape == ()
    assert flatten(())[0].tolist() == [] and flatten([])[1](onp.zeros(0)) == []
    with pytest.raises(ValueError, match="numbers for a nest of 9"):
        unflatten(onp.zeros(4))
    slope = autograd.grad(lambda d: np.sum(flatten(d)[0] ** 2))(nest)
    assert slope["b"][1] == 4.0
    of_vector, _, start = flatten_func(lambda d: {"a": d["a"] * 2}, {"a": X})
    assert of_vector(start).tolist() == (2 * X).tolist()
    assert const_graph(lambda x, y: x * y, 2.0)(3.0) == 6.0


@pytest.mark.parametrize("optimize", [optimizers.sgd, optimizers.rmsprop, optimizers.adam])
def test_optimisers_find_the_least(optimize: Any) -> None:
    seen: list[int] = []

    def slope(params: Any, _i: int) -> Any:
        return autograd.grad(lambda p: np.sum((p["w"] - 1) ** 2) + (p["b"] + 2) ** 2)(params)

    found = optimize(
        slope, {"w": X, "b": 0.0}, callback=lambda p, i, g: seen.append(i), num_iters=150,
        step_size=0.1,
    )  # fmt: skip
    onp.testing.assert_allclose(found["w"], 1.0, atol=0.1)
    assert found["b"] == pytest.approx(-2.0, abs=0.1)
    assert seen == list(range(150))


def test_one_step_of_each_optimiser() -> None:
    def slope(x: Any, _i: int) -> Any:
        return onp.array([2.0])

    one: Any = {"num_iters": 1, "step_size": 0.1}
    x = onp.array([1.0])
    assert optimizers.sgd(slope, x, **one) == pytest.approx(1 - 0.1 * 0.1 * 2)
    assert optimizers.rmsprop(slope, x, **one) == pytest.approx(
        1 - 0.1 * 2 / (0.9 + 0.1 * 4) ** 0.5
    )
    assert optimizers.adam(slope, x, **one) == pytest.approx(0.9)


def test_check_grads_catches_a_wrong_rule() -> None:
    @extend.primitive
    def wrong(x: Any) -> Any:
        return onp.sin(x)

    extend.defvjp(wrong, lambda ans, x: lambda g: g * np.cos(x) * 1.001)
    with pytest.raises(AssertionError, match=r"\(VJP\) check of wrong failed"):
        check_grads(wrong, modes=["rev"])(0.4)
    with pytest.raises(AssertionError, match="different values"):
        check_grads(wrong, modes=["fwd"])(0.4)
    extend.defvjp(wrong, lambda ans, x: lambda g: g * extend.notrace_primitive(onp.cos)(x))
    with pytest.raises(AssertionError, match=r"\(VJP\) check of vjp_wrong failed"):
        check_grads(wrong, modes=["rev"])(0.4)
    with pytest.raises(AssertionError, match="modes are"):
        check_grads(np.sin, modes=["sideways"])(0.4)
    with pytest.raises(AssertionError, match="and VSpace"):
        check_equivalent(1.0, X)
    combo_check(np.sum, [0])([X, onp.eye(2)], axis=[0, -1])
    util.quick_grad_check(lambda x, y: x * y, 2.0, (3.0,))


def test_spaces() -> None:
    for value in (1.0, X, X + 1j, [X, 2.0], {"a": (X, 1j)}):
        space = core.vspace(value)
        assert space == core.vspace(space.zeros()) and hash(space) == hash(core.vspace(value))
        basis = list(space.standard_basis())
        assert len(basis) == space.size
        gram = [space.inner_prod(a, b) for a in basis for b in basis]
        onp.testing.assert_allclose(gram, onp.eye(space.size).ravel())
        assert space.inner_prod(space.ones(), space.ones()) == space.size
        assert space.inner_prod(space.randn(), space.zeros()) == 0.0
        twice = space.add(space.ones(), space.covector(space.covector(space.ones())))
        assert space.inner_prod(twice, space.ones()) == 2 * space.size
    assert core.vspace([X, 1.0]).shape == [core.vspace(X), core.vspace(1.0)]
    assert core.vspace([X]) != core.vspace((X,)) and core.vspace(X) != X.tolist()
    assert (core.vspace(X).ndim, core.vspace(X).iscomplex, core.vspace([]).size) == (1, False, 0)
    assert core.vspace([]).dtype == float and repr(core.vspace(1.0)) == "VSpace(()d)"
    with pytest.raises(TypeError, match="Can't find vector space"):
        core.vspace("word")
    sparse = extend.SparseObject(core.vspace(X), lambda zeros: zeros + 1)
    assert sparse.dense().tolist() == [1.0] * 3


def test_operators_of_ones_own() -> None:
    @unary_to_nary
    def doubled(fun: Any, x: Any) -> Any:
        return 2 * fun(x)

    assert doubled(lambda x, y: x + y, 1)(1.0, 3.0) == 8.0
    assert get_doc(doubled) == "None" and get_doc(unary_to_nary).startswith("Make")
    assert util.subval((1, 2), 0, 5) == (5, 2) and util.func(len) is len


# The runner


PROGRAM = """
import autograd, sys, warnings
import autograd.numpy as np
from autograd import grad
from autograd.extend import primitive, defvjp
assert autograd.__name__ == "tinygrad_np.compat.autograd"
print(grad(lambda x: np.sum(np.array([x, x**2])))(2.0), sys.argv[1:], __name__)
"""


@pytest.fixture
def modules() -> Iterator[None]:
    """What ``install`` does is undone."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("autograd")}
    for name in before:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.startswith("autograd")]:
        del sys.modules[name]
    sys.modules.update(before)


def test_the_runner_runs_a_script(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    root = str(Path(tg.__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", autograd.__name__, "program.py", "--fast"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("5.0 ['--fast'] __main__\n", "")


@pytest.mark.usefixtures("modules")
def test_the_runner_runs_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "program_of_hips.py").write_text(PROGRAM)
    (tmp_path / "script.py").write_text("import program_of_hips")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["before"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["-m", "program_of_hips", "a"]) == 0
    assert capsys.readouterr().out == "5.0 ['a'] __main__\n"
    assert main(["script.py", "b"]) == 0
    assert capsys.readouterr().out == "5.0 ['b'] program_of_hips\n"
    del sys.modules["program_of_hips"]


def test_the_runner_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["missing.py"], ["-m"], ["--help"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("usage: python -m tinygrad_np.compat.autograd")


@pytest.mark.usefixtures("modules")
def test_install_comes_before_hips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autograd", pytest)
    with pytest.raises(ImportError, match="imported already"):
        autograd.install()
    monkeypatch.delitem(sys.modules, "autograd")
    autograd.install()
    autograd.install()
    assert sys.modules["autograd.numpy.linalg"] is np.linalg


def test_without_scipy_the_rest_is_there() -> None:
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "from tinygrad_np.compat import autograd; autograd.install()\n"
        "import autograd.numpy as np; print(autograd.grad(np.tanh)(0.0))\n"
        "import importlib.util; print('autograd.scipy.special' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1.0\nFalse\n", "")


def test_names_that_programs_take_from_inside() -> None:
    from tinygrad_np.compat.autograd import differential_operators as inside

    vjp, value = inside._make_vjp(lambda x: x**2, 3.0)
    assert (value, vjp(inside.vspace(value).ones())) == (9.0, 6.0)
    assert inside._make_jvp(lambda x: x**2, 3.0)(1.0) == (9.0, 6.0)
