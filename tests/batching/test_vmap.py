"""``tg.vmap``: the loop over the examples, without the loop."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy.polynomial.chebyshev import chebval

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, Case, full_name
from tests.each import for_each, run_all
from tinygrad_np import ShapeError, TapeError
from tinygrad_np.autodiff.nests import leaves, rebuild
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3))
Y = RNG.standard_normal((5, 2))
MLP = {"w": [RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))], "b": RNG.standard_normal(4)}


def loss(params: Any, x: Any, y: Any) -> Any:
    hidden = np.tanh(x @ params["w"][0] + params["b"])
    return np.mean((hidden @ params["w"][1] - y) ** 2)


def looped(f: Callable[..., Any], *args: Any) -> Any:
    """The loop: arguments are pairs of a value and whether it is a batch (of leaves)."""
    results = []
    for i in range(5):
        given = [rebuild(v, [a[i] for a in leaves(v)]) if batch else v for v, batch in args]
        results.append(f(*given))
    columns = zip(*(leaves(r) for r in results), strict=True)
    return rebuild(results[0], [np.stack([array(v) for v in c]) for c in columns])


def array(value: Any) -> Any:
    return value.numpy() if isinstance(value, tg.Tensor) else np.asarray(value)


def same(found: Any, expected: Any) -> None:
    pairs = list(zip(leaves(found), leaves(expected), strict=True))
    assert pairs
    for a, b in pairs:
        assert isinstance(a, np.ndarray)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_gradients_of_each_example_of_a_network() -> None:
    found = tg.vmap(tg.grad(loss), (None, 0, 0))(MLP, X, Y)
    same(found, looped(tg.grad(loss), (MLP, 0), (X, 1), (Y, 1)))
    assert found["w"][0].shape == (5, 3, 4)


def test_gradients_of_each_example_of_layers() -> None:
    model = tg.nn.Sequential(
        tg.nn.Linear(3, 4, seed=0), tg.nn.ReLU(), tg.nn.LayerNorm(4), tg.nn.Linear(4, 2, seed=1)
    )
    labels = np.array([0, 1, 1, 0, 1])

    def f(x: Any, label: Any) -> Any:
        return F.cross_entropy(model(x.reshape(1, 3)), label.reshape(1))

    x = X.astype(np.float32)
    found = tg.vmap(tg.value_and_grad(f))(x, labels)
    expected = looped(lambda x, y: tg.value_and_grad(f)(x, tg.Tensor(y)), (x, 1), (labels, 1))
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(array(a), b, rtol=1e-5, atol=1e-6)


def test_every_transform_inside() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(np.tanh(np.outer(x, y)) ** 2) + x[0] * y[1]

    def g(x: Any, y: Any) -> Any:
        return {"a": x * y[0], "b": [np.cumsum(x), np.where(x > 0, x, y[1])]}

    for name, transform in {
        "hessian": tg.hessian(f), "jacobian": tg.jacobian(g, (0, 1)),
        "jvp": lambda x, y: tg.jvp(f, (x, y), (x * 2, y)),
        "hvp": lambda x, y: tg.hvp(f, (x, y), (x, y)),
        "vjp": lambda x, y: tg.vjp(f, x, y)[1](x[0] * 0 + 1.0),
        "grad of grad": tg.grad(lambda x, y: np.sum(tg.grad(f)(x, y) ** 2), (0, 1)),
        "hessian beside constants": lambda x, y: tg.hessian(
            lambda w: np.sum(np.tanh(x @ w)))(np.outer([1.0, 2.0, 3.0], y / 9)),
        "vmap": lambda x, y: tg.vmap(f, (None, 0))(x, np.stack([y, y * 2, y * 3])),
    }.items():  # fmt: skip
        expected = looped(lambda x, y, t=transform: t(x, y), (X, 1), (Y, 1))
        try:
            same(tg.vmap(transform)(X, Y), expected)
        except AssertionError as error:
            error.add_note(name)
            raise


def test_every_transform_outside() -> None:
    def batched(params: Any) -> Any:
        return tg.vmap(loss, (None, 0, 0))(params, X, Y)

    def over(params: Any) -> Any:
        return tg.vmap(lambda x, y: loss(params, x, y))(X, Y)  # closes over them

    def plainly(params: Any) -> Any:
        return tg.stack([loss(params, x, y) for x, y in zip(X, Y, strict=True)])

    along = rebuild(MLP, [np.cos(p) for p in leaves(MLP)])
    for transform in (
        lambda f: f(MLP).numpy() if isinstance(f(MLP), tg.Tensor) else f(MLP),
        tg.grad(lambda p, f=None: np.sum(f(p) ** 2)) and (
            lambda f: tg.grad(lambda p: np.sum(f(p) ** 2))(MLP)),
        lambda f: tg.jacobian(f)(MLP),
        lambda f: tg.jvp(f, (MLP,), (along,)),
        lambda f: tg.hvp(lambda p: np.sum(f(p) ** 3), (MLP,), (along,)),
        lambda f: tg.hessian(lambda b: np.sum(f({**MLP, "b": b})))(MLP["b"]),
    ):  # fmt: skip
        expected = transform(plainly)
        same(transform(batched), expected)
        same(transform(over), expected)


def test_derivatives_inside_and_outside_at_once() -> None:
    def penalty(f: Callable[..., Any]) -> Any:
        return tg.grad(lambda p: np.sum(f(p) ** 2))(MLP)

    slope = tg.grad(loss, 1)
    same(
        penalty(lambda p: tg.vmap(slope, (None, 0, 0))(p, X, Y)),
        penalty(lambda p: tg.stack([slope(p, x, y) for x, y in zip(X, Y, strict=True)])),
    )
    # a variable of inside and one of outside meet before the examples come in
    xs = np.arange(4.0)

    def inner(w: Any) -> Any:
        return tg.vmap(lambda x: tg.grad(lambda u: (u * w) ** 2 * x)(3.0))(xs)

    found = tg.grad(lambda w: np.sum(inner(w)))(2.0)
    assert found == sum(2 * 2 * 3.0 * x * 2.0 for x in xs)


def test_inside_a_replayed_step() -> None:
    w = tg.Tensor(MLP["b"], requires_grad=True)
    calls = {
        "gradients": lambda x, y: tg.vmap(tg.grad(loss), (None, 0, 0))(MLP, x, y),
        "of a gradient": lambda x, y: tg.grad(lambda b: np.sum(
            tg.vmap(tg.grad(loss, 1), (None, 0, 0))({**MLP, "b": b}, x, y) ** 2))(MLP["b"]),
        "closed over": lambda x, y: _backward(
            np.sum(tg.vmap(lambda x, y: loss({**MLP, "b": w}, x, y))(x, y)), w),
    }  # fmt: skip
    for name, step in calls.items():
        replayed = tg.replay(step)
        for k in range(4):
            found = replayed(X + k, Y)
            expected = step(tg.Tensor(X + k), tg.Tensor(Y))
            for a, b in zip(leaves(found), leaves(expected), strict=True):
                np.testing.assert_array_equal(array(a), array(b), err_msg=name)
        assert replayed.program is not None
    factor = [2.0]  # what the function inside reads is watched
    replayed = tg.replay(tg.vmap(tg.grad(lambda x: np.sum(x * x) * factor[0])))
    for value in (2.0, 2.0, 2.0, 5.0, 5.0):
        factor[0] = value
        np.testing.assert_array_equal(replayed(X), 2 * value * X)


def _backward(value: Any, w: tg.Tensor) -> Any:
    w.grad = None
    value.backward()
    return w.grad


def test_a_replayed_step_inside() -> None:
    step = tg.replay(lambda x: np.sum(x * x))
    for _ in range(3):
        np.testing.assert_allclose(tg.vmap(step)(X), np.sum(X * X, axis=1))


def test_axes_of_arguments_and_results() -> None:
    def f(x: Any, nest: Any, *, scale: float = 1.0) -> Any:
        assert x.shape == (3,)
        assert nest["a"].shape == (2,)
        return {"sum": np.sum(x) * scale, "outer": np.outer(x, nest["a"]) + nest["b"][0]}, nest["b"]

    nest = {"a": Y.T, "b": [np.float64(2.0)]}
    axes = (0, {"a": 1, "b": [None]})
    out, unchanged = tg.vmap(f, axes, ({"sum": 0, "outer": -1}, None))(X, nest, scale=2.0)
    assert unchanged == [2.0]
    assert out["outer"].shape == (3, 2, 5)
    np.testing.assert_allclose(out["sum"], 2 * X.sum(1))
    np.testing.assert_allclose(out["outer"][..., 3], np.outer(X[3], Y[3]) + 2)
    assert tg.vmap(lambda _: 3.0)(X).tolist() == [3.0] * 5
    assert tg.vmap(lambda x: np.sum(x), 1)(X).shape == (3,)
    assert tg.vmap(lambda x: x * 2)(np.zeros((0, 3))).shape == (0, 3)
    given = tg.vmap(lambda x: x * 2)(tg.Tensor(X))
    assert isinstance(given, tg.Tensor)
    assert not given.requires_grad
    shared = tg.vmap(lambda _: w, out_axes=None)
    w = tg.Tensor(1.0, requires_grad=True)
    assert shared(X) is w
    assert tg.vmap(tg.vmap(np.cross), in_axes=(0, None))(np.zeros((2, 5, 3)), X).shape == (2, 5, 3)
    matrix = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(tg.vmap(lambda x: matrix @ x)(X), X @ matrix.T)
    masks = X > 0
    found = tg.vmap(lambda x, m: np.sum(x, where=m) + np.max(x, keepdims=True, initial=9))(X, masks)
    np.testing.assert_allclose(found, np.sum(X, axis=1, where=masks)[:, None] + 9)
    assert tg.vmap(lambda x: np.argmax(x.reshape(3, 1), keepdims=True))(X).shape == (5, 1, 1)
    outer = tg.vmap(lambda x: tg.vmap(lambda _: x)(Y))(X)
    np.testing.assert_allclose(outer, np.broadcast_to(X[:, None], (5, 5, 3)))
    assert tg.vmap(np.sort)(np.zeros((0, 3))).shape == (0, 3)
    assert tg.vmap(lambda x: np.searchsorted(x, 0.5))(np.zeros((0, 3))).shape == (0,)
    numbers = np.arange(1, 6)
    counts = tg.vmap(lambda x, n: np.argpartition(x, n, axis=0))(X, numbers % 3)
    assert counts.tolist() == [
        np.argpartition(x, n % 3).tolist() for x, n in zip(X, numbers, strict=True)
    ]
    both = tg.vmap(lambda x: (w, x, w * 2))(X)
    assert [type(v) for v in both] == [tg.Tensor] * 3
    (both[0].sum() + both[2].sum()).backward()
    assert w.grad is not None
    assert w.grad.item() == 15.0


def test_writes_and_iterations_inside() -> None:
    def f(x: Any) -> Any:
        out = x * 1
        out[0] = x[1] * 2
        out[np.array([2])] += x[0]
        first, *_, last = x
        return out * len(x) + tg.array([last, first, 0.0]) + tg.stack([x[0], x[0], x[2]])

    same(tg.vmap(f)(X), looped(lambda x: f(tg.Tensor(x)).numpy(), (X, 1)))
    same(
        tg.vmap(tg.grad(lambda x: np.sum(f(x) ** 2)))(X),
        looped(tg.grad(lambda x: np.sum(f(x) ** 2)), (X, 1)),
    )


# another thing in each example: how many elements there are, and whether they are complex
REFUSED_CASES = {
    "poly", "polydiv", "polymul", "polynomials.trimmed", "real_if_close", "setdiff1d", "setxor1d",
    "trim_zeros",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", range(4))
def test_every_operation_is_the_loop(family: int) -> None:
    """All rows of the table of cases; of each function two with their gradients, in and out."""

    def check(case: Case, turn: int) -> None:  # in turn the first operand is a batch, or all are
        axes = (0, *(0 if turn % 2 else None for _ in case.variables[1:]))
        try:
            _compare(case, axes, gradients=turn < 2)
        except TapeError as error:
            if full_name(case.fn) not in REFUSED_CASES or "tg.vmap" not in str(error):
                raise

    cases = [[case for case in rows if case.variables] for rows in BY_FUNCTION.values()]
    run_all(check, [(case, k) for rows in cases[family::4] for k, case in enumerate(rows)])


def _compare(case: Case, axes: tuple[int | None, ...], gradients: bool) -> None:
    given, examples = [], [[], []]  # type: ignore[var-annotated]
    for variable, axis in zip(case.variables, axes, strict=True):
        rng = np.random.default_rng(len(given))
        near = [np.asarray(variable * (1 + 0.02 * k * rng.uniform(-1, 1, variable.shape)),
                variable.dtype) for k in range(2)]  # fmt: skip
        given.append(variable if axis is None else np.stack(near))
        for k, example in enumerate(examples):
            example.append(variable if axis is None else near[k])

    def scalar(*variables: Any, seen: list[Any] | None = None) -> Any:
        found = leaves(case.call(*variables))
        if seen is not None:
            seen.append([v.detach() if isinstance(v, tg.Tensor) else v for v in found])
        results = [v for v in found if isinstance(v, tg.Tensor)]
        parts = [np.real(v) * 1.5 + np.imag(v) if v.dtype.kind == "c" else v * (v + 1)
                 for v in results if v.dtype.kind in "fc"]  # fmt: skip
        return sum((np.sum(part) for part in parts), tg.Tensor(0.0))

    calls: list[Any] = []
    if gradients:
        every = tuple(range(len(given)))
        slopes = [leaves(tg.grad(scalar, every)(*example, seen=calls)) for example in examples]
    else:
        calls = [leaves(case.call(*map(tg.Tensor, example))) for example in examples]
    values = [np.stack([array(v) for v in column]) for column in zip(*calls, strict=True)]
    pairs = [(leaves(tg.vmap(case.call, axes)(*given)), values)]
    if gradients:
        columns = list(zip(*slopes, strict=True))
        pairs.append((leaves(tg.vmap(tg.grad(scalar, every), axes)(*given)),
                      [np.stack(column) for column in columns]))  # fmt: skip
        total = leaves(tg.grad(lambda *v: np.sum(tg.vmap(scalar, axes)(*v)), every)(*given))
        wanted = zip(columns, axes, strict=True)
        pairs.append((total, [np.stack(c) if axis == 0 else sum(c) for c, axis in wanted]))
    for found, expected in pairs:
        for a, b in zip(found, expected, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype, case.id
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10, err_msg=case.id)


def test_the_sweep_sees_every_function() -> None:
    assert {full_name(fn) for fn in BY_FUNCTION} >= {"matmul", "linalg.solve", "neural.linear"}


def test_functions_without_a_rule_are_called_for_each_example() -> None:
    @tg.primitive
    def cube(x: Any) -> Any:
        assert x.shape == (3,)
        return x**3

    tg.defvjp(cube, lambda g, _out, x: 3 * g * x**2)
    np.testing.assert_allclose(tg.vmap(cube)(X), X**3)
    np.testing.assert_allclose(tg.vmap(tg.grad(lambda x: np.sum(cube(x))))(X), 3 * X**2)
    total = tg.grad(lambda x: np.sum(tg.vmap(cube)(x)))(X)
    np.testing.assert_allclose(total, 3 * X**2)

    @tg.primitive
    def half(z: Any) -> Any:
        return np.sum(z.real**2 - z.imag**2) / 2

    # a user's rule takes its operands for arrays
    tg.defvjp(half, lambda g, _out, z: g.sum() * (z.real - 1j * z.imag).T.reshape(3))
    z = X + 1j
    np.testing.assert_allclose(tg.vmap(half)(z), [half(part) for part in z])
    found = tg.vmap(tg.grad(lambda z: np.real(half(z) * 1)))(z)
    np.testing.assert_allclose(found, z.conj())

    @tg.primitive
    def parts(z: Any) -> Any:
        return [z.real, z.imag]

    assert [part.shape for part in tg.vmap(parts)(z)] == [(5, 3)] * 2

    @tg.primitive
    def spoil(x: Any) -> Any:
        x[0] = 3.0
        return x

    with pytest.raises(TapeError, match="spoil writes into its operands"):
        tg.vmap(spoil)(X)


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: x if x[0] > 0 else -x, r"a truth value .* choose with np\.where"),
    (lambda x: x[x > 0], r"a mask as an index .* np\.where\(mask, a, b\)"),
    (lambda x: x[0].item(), r"a Python number \(t\.item\(\)\) .* np\.where"),
    (lambda x: float(x[0]), r"float\(t\) in float\(x\[0\]\) needs the numbers"),
    (lambda x: int(x[0]), r"int\(t\) in int\(x\[0\]\) needs the numbers"),
    (lambda x: complex(x[0]), r"complex\(t\)"),
    (lambda x: round(x[0]), r"round\(t\)"),
    (lambda x: math.sin(x[0]), r"float\(t\) in math\.sin\(x\[0\]\)"),
    (lambda x: [1, 2, 3][x[0].astype(int)], "an index or count"),
    (
        lambda x: np.asarray(x),
        r"np\.asarray\(x\) needs .* the examples of tg\.vmap \(shape \(3,\)\)",
    ),
    (
        lambda x: np.array([x[0], x[1]]),
        r"in np\.array\(\[x\[0\], x\[1\]\]\) .* with tg\.array or tg\.stack",
    ),
    (lambda x: np.r_[x, x], r"np\.r_ of t needs .*: use np\.concatenate"),
    (lambda x: np.full(2, x[0]), r"np\.full of t needs .*: use np\.full_like"),
    (lambda x: np.vectorize(lambda v: v)(x), r"np\.vectorize\(.*: call the function on the whole"),
    (
        lambda x: scipy.special.softmax(x),
        r"scipy\.special\.softmax of a Tensor \(tinygrad_np\.special",
    ),
    (
        lambda x: chebval(1.0, x),
        r"numpy\.polynomial\.\w+\.chebval of a Tensor \(tinygrad_np\.polynomial",
    ),
    (lambda x: np.polymul(x, x), r"np\.polymul of t needs .*: use np\.convolve"),
    (lambda x: np.polydiv(x, x)[0], r"np\.polydiv of t needs .* np\.polyval"),
    (lambda x: np.poly1d(x)(2.0), r"np\.poly1d of t needs .*: use np\.polyval"),
    (lambda x: np.poly(x + 1j), r"np\.poly of t needs .* np\.convolve"),
    (lambda x: tg.grad(lambda v: np.sum(np.array(v)))(x), r"np\.array\(v\) needs .* tg\.array"),
    (lambda x: x.numpy(), r"its array"),
    (lambda x: x.tolist(), r"its values"),
    (lambda x: np.nonzero(x > 0), "returns another shape in each example"),
    (lambda _: tg.random.normal(3, generator=np.random.default_rng(0)), "Draw outside"),
    (lambda x: x * tg.Tensor(1.0, requires_grad=True), "its gradient would be lost"),
    (lambda x: np.add(x._array, 1, out=np.zeros((5, 3))), "assign the result instead"),
]


def test_what_is_another_thing_in_each_example_is_refused() -> None:
    def check(f: Callable[[Any], Any], said: str) -> None:
        with pytest.raises((TapeError, ShapeError), match=said):
            tg.vmap(f)(X)
        assert tg.vmap(np.sin)(X).shape == (5, 3)  # nothing is left behind

    run_all(check, REFUSED)


def test_what_is_no_batch_is_refused() -> None:
    add = tg.vmap(np.add)
    for call, error, said in [
        (lambda: tg.vmap(3), TypeError, "takes a function, not 3"),  # type: ignore[arg-type]
        (lambda: add(X, Y[:3]), ShapeError, r"of \[5, 3\] examples; give as many"),
        (lambda: add(X, 3.0), ShapeError, r"axis 0 of an argument of shape \(\); give in_axes"),
        (lambda: tg.vmap(np.sin, 2)(X), ShapeError, r"along axis 2 of an argument of shape"),
        (lambda: tg.vmap(np.sin, None)(X), ShapeError, "an axis for at least one"),
        (lambda: tg.vmap(np.add, (0,))(X, X), TypeError, "for 2 arguments; give one axis"),
        (lambda: tg.vmap(np.sin, ([0],))(X), TypeError, r"in_axes has \[0\] for an array of"),
        (lambda: tg.vmap(np.sin, ("a",))(X), TypeError, "in_axes has 'a'"),
        (lambda: tg.vmap(len, ([0, 1],))([X]), TypeError, r"a nest with the entries \[0\]"),
        (lambda: tg.vmap(np.sin, 0, (0, 0))(X), TypeError, "out_axes has"),
        (lambda: tg.vmap(np.sin, 0, None)(X), TapeError, "out_axes=None for a result"),
        (lambda: tg.vmap(np.sin, 0, 2)(X), ShapeError, r"out_axes=2 of a result of shape \(3,\)"),
        (lambda: tg.vmap(np.frompyfunc(abs, 1, 1))(X), TypeError, "not dtype object"),
        (lambda: tg.vmap(lambda x: x[0] @ x)(X), ShapeError, "use \\* for the product"),
    ]:  # fmt: skip
        with pytest.raises(error, match=said):
            call()


def test_what_it_shows() -> None:
    seen = []
    tg.vmap(lambda x: seen.append((repr(x), x.nbytes, x.T.shape, x[0].ndim)))(X)
    assert seen[0][0].startswith("Tensor(<5 examples of shape (3,), dtype float64>, shape=(3,)")
    assert seen[0][1:] == (24, (3,), 0)
    assert tg.vmap(lambda x: np.add(x._array, x))(X).tolist() == (X * 2).tolist()
    with pytest.raises(TypeError):
        tg.vmap(lambda x: len(x[0]))(X)


def test_operations_with_several_results() -> None:
    matrices = np.random.default_rng(1).standard_normal((5, 4, 3))

    def f(a: Any) -> Any:
        u, s, _ = np.linalg.svd(a, full_matrices=False)
        return np.sum(s**3) + np.sum((u * s) ** 4) + np.linalg.slogdet(a.T @ a).logabsdet

    same(tg.vmap(tg.grad(f))(matrices), looped(tg.grad(f), (matrices, 1)))
    total = tg.grad(lambda a: np.sum(tg.vmap(f)(a)))(matrices)
    same(total, looped(tg.grad(f), (matrices, 1)))
    found = tg.vmap(np.linalg.svd)(matrices)
    assert type(found) is type(np.linalg.svd(matrices))
    assert found.S.shape == (5, 3)
    replayed = tg.replay(tg.vmap(tg.grad(f)))
    for k in range(3):
        same(replayed(matrices + k), tg.vmap(tg.grad(f))(matrices + k))


def test_a_batch_of_constants_inside_a_replayed_step() -> None:
    def f(x: Any) -> Any:
        return tg.vmap(lambda y: np.sum(x) * y)(np.ones(2))

    replayed = tg.replay(f)
    for k in range(3):
        assert replayed(np.arange(3.0) + k).tolist() == [3 + 3 * k] * 2


TAKEN_OUT: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "item": lambda t: t.item(),
    "tolist": lambda t: t.tolist(),
    "a truth value": lambda t: 1.0 if t > 0 else 2.0,
    "np.asarray": np.asarray,
    "np.ascontiguousarray": lambda t: np.ascontiguousarray(t)[0],
}


@for_each(TAKEN_OUT)
def test_what_is_the_same_for_all_is_refused_as_outside(name: str) -> None:
    """A number of it is that of a Tensor outside; no sentence says that the examples differ."""

    def f(x: Any, w: Any) -> Any:
        return x * TAKEN_OUT[name](w[1])

    x, w = np.ones((2, 3)), np.arange(3.0)
    for over, of in ((f, x[0]), (tg.vmap(f, (0, None)), x)):
        assert np.shape(over(of, w)) == of.shape
        with pytest.raises(tg.ReplayError, match="takes a value out of a Tensor"):
            tg.replay(over)(of, w)
        leaf = tg.Tensor(w, requires_grad=True)
        if name in ("item", "tolist", "a truth value"):
            assert over(of, leaf).shape == of.shape
        else:
            with pytest.raises(tg.DetachError):
                over(of, leaf)


def test_what_is_detached_inside_is_a_constant_outside() -> None:
    x = np.arange(1.0, 4.0)
    inside = {
        "an example": (lambda v: tg.vmap(lambda a: a.detach() * a)(v), x),
        "stop_gradient": (lambda v: tg.vmap(lambda a: tg.stop_gradient(a * a) * a)(v), x * x),
        "the same for all": (lambda v: tg.vmap(lambda a: (v * 1).detach() * a)(x), 0 * x),
        "of another vmap": (
            lambda v: tg.vmap(lambda a: tg.vmap(lambda b: a.detach() * a * b)(np.ones(2)))(v), 2 * x
        ),
        "a gradient": (tg.vmap(tg.grad(lambda a: a.detach() * a**2)), 2 * x),
        "a gradient without it": (tg.vmap(tg.grad(lambda a: a**3)), 6 * x),
    }  # fmt: skip
    for name, (f, expected) in inside.items():
        slope = tg.grad(lambda v, f=f: np.sum(f(v)))
        replayed = tg.replay(slope)
        for _ in range(2):
            replayed(x)
        for found in (slope(x), replayed(x)):
            np.testing.assert_array_equal(found, expected, err_msg=name)
