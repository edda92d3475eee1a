"""Operations with several results: NumPy's and those of users, eager and replayed."""
# ruff: noqa: ARG005 - the functions of one table all take the same arguments

import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.autodiff.tape import Record

X = np.array([0.3, 1.2, 2.5])


class Waves(NamedTuple):
    """What ``waves`` gives: two that have slopes, a whole number, and nothing."""

    sine: Any
    cosine: Any
    turns: Any
    nothing: Any = None


@tg.primitive
def waves(x: Any) -> Waves:
    """Sine and cosine at once."""
    return Waves(np.sin(x), np.cos(x), np.floor(x).astype(int))


def waves_slope(g: Any, out: Any, _x: Any) -> Any:
    """Where there is no cotangent, there are zeros; the result that is None has none."""
    assert type(g) is type(out) is Waves
    assert g.turns.dtype == out.turns.dtype == int and g.nothing is out.nothing is None
    return g.sine * out.cosine - g.cosine * out.sine


@tg.primitive
def both(*xs: Any) -> Any:
    """Sum and product of any number of operands: a list counts as a tuple."""
    return [sum(xs), np.prod(np.stack(xs), axis=0)]


@tg.primitive
def polar(x: Any, y: Any, turn: float = 0.0) -> Any:
    """Two operands, two results, one option."""
    return np.hypot(x, y), np.arctan2(y, x) + turn


tg.defvjp(waves, waves_slope)
tg.defvjp(both, each=lambda i, g, out, *xs: g[0] + g[1] * out[1] / xs[i])
tg.defvjp(
    polar,
    lambda g, out, x, y, turn=0.0: (g[0] * x - g[1] * y / out[0]) / out[0],
    lambda g, out, x, y, turn=0.0: (g[0] * y + g[1] * x / out[0]) / out[0],
)


pytestmark = pytest.mark.usefixtures("same_table")


# the operation, and the same of operations that have one result each
PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {
    "named": (waves, lambda x: (np.sin(x), np.cos(x), np.floor(x)), 1),
    "each": (both, lambda x, y, z: (x + y + z, x * y * z), 3),
    "rules": (
        lambda x, y: polar(x, y, turn=0.5),
        lambda x, y: (np.hypot(x, y), np.arctan2(y, x) + 0.5), 2,
    ),
    "ufunc": (np.divmod, lambda x, y: (np.floor_divide(x, y), np.remainder(x, y)), 2),
    "the same twice": (lambda x: both(x, x), lambda x: (2 * x, x * x), 1),
}  # fmt: skip
USES: dict[str, Callable[[Any], Any]] = {
    "all": lambda r: np.sum(r[0] * r[1] ** 2),
    "one": lambda r: np.sum(r[1] ** 3),
    "the other": lambda r: np.sum(np.exp(r[0] * 0.1)),
    "again and again": lambda r: np.sum(r[1]) * np.sum(r[0] * r[1] + r[1]) + r[0][0],
    "none": lambda r: 1.0,
}


def operands(count: int) -> list[Any]:
    return [X, X[::-1] + 0.15, X * X + 0.35][:count]


def through(pair: str, use: str) -> tuple[Callable[..., Any], Callable[..., Any], list[Any]]:
    fn, apart, count = PAIRS[pair]
    return lambda *xs: USES[use](fn(*xs)), lambda *xs: USES[use](apart(*xs)), operands(count)


def close(found: Any, expected: Any) -> None:
    assert len(leaves(found)) == len(leaves(expected)) > 0
    for ours, theirs in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@for_each(PAIRS, USES)
def test_derivatives_are_those_of_the_results_apart(pair: str, use: str) -> None:
    together, apart, xs = through(pair, use)
    every = tuple(range(len(xs)))
    directions = [np.cos(x) for x in xs]
    close(tg.grad(together, every)(*xs), tg.grad(apart, every)(*xs))
    close(tg.hessian(together, every)(*xs), tg.hessian(apart, every)(*xs))
    close(tg.jvp(together, xs, directions), tg.jvp(apart, xs, directions))
    close(tg.hvp(together, tuple(xs), tuple(directions)), tg.hvp(apart, tuple(xs), directions))
    variables = [tg.Tensor(x, requires_grad=True) for x in xs]
    result = together(*variables)
    if use != "none":
        result.backward()
        close([v.grad.numpy() for v in variables if v.grad is not None], tg.grad(apart, every)(*xs))


@pytest.mark.parametrize("pair", PAIRS)
def test_jacobian_and_pushforward_of_the_tuple_itself(pair: str) -> None:
    fn, apart, count = PAIRS[pair]
    xs = operands(count)
    every = tuple(range(count))
    close(tg.jacobian(fn, every)(*xs), tg.jacobian(apart, every)(*xs))
    value, pushed = tg.jvp(fn, xs, [np.ones(3)] * count)
    close(pushed, tg.jvp(apart, xs, [np.ones(3)] * count)[1])
    assert type(value) is type(pushed) is type(fn(*(tg.Tensor(x) for x in xs)))
    tg.gradcheck(fn, *xs, order=2)
    third = tg.grad(lambda *v: np.sum(tg.grad(lambda *u: np.sum(fn(*u)[0] * fn(*u)[1]))(*v) ** 2))
    others = tg.grad(
        lambda *v: np.sum(tg.grad(lambda *u: np.sum(apart(*u)[0] * apart(*u)[1]))(*v) ** 2)
    )
    close(third(*xs), others(*xs))


def bits(found: Any) -> list[bytes]:
    arrays = [leaf.numpy() if isinstance(leaf, tg.Tensor) else leaf for leaf in leaves(found)]
    return [np.asarray(a).tobytes() for a in arrays]


@for_each([*((pair, "all") for pair in PAIRS), *(("named", use) for use in USES if use != "all")])
def test_replays_are_bit_equal(case: tuple[str, str]) -> None:
    """A step with backward, with gradients of gradients, and with the results themselves."""
    together, _, xs = through(*case)
    fn = PAIRS[case[0]][0]
    every = tuple(range(len(xs)))
    weight = tg.Tensor(X * 0.9, requires_grad=True)

    def step(*given: Any) -> Any:
        weight.grad = None
        first = given[0] * weight
        loss = together(first, *given[1:]) * weight[0]
        loss.backward()
        return loss, weight.grad

    steps: list[Callable[..., Any]] = [
        step,
        lambda *v: tg.grad(lambda *u: np.sum(tg.grad(together)(*u) ** 2), every)(*v),
        lambda *v: tg.jvp(together, v, v),
        lambda *v: fn(*v),
    ]
    for run in steps:
        replayed = tg.replay(run)
        for k in range(3):
            given = [tg.Tensor(x * (1 + 0.01 * k)) for x in xs]
            expected = run(*given)
            found = replayed(*(x.numpy() for x in given))
            assert bits(found) == bits(expected)
            assert type(found) is type(expected)


def test_results_that_nobody_uses_cost_nothing() -> None:
    """Our rules get None for them, and a replay computes no zeros."""
    seen = []
    fn = tg.primitive(lambda x: (x * 2.0, x * 3.0, x * 4.0))
    tg.defvjp(fn, lambda g, _out, x: seen.append(g) or g[1] * 3.0)
    right = TABLE[fn]
    right.is_users = False
    t = tg.Tensor(X, requires_grad=True)
    fn(t)[1].sum().backward()
    assert [part is None for part in seen[0]] == [True, False, True]
    right.is_users = True
    fn(t)[1].sum().backward()
    assert [part.tolist() for part in seen[1]] == [[0.0] * 3, [1.0] * 3, [0.0] * 3]
    step = tg.replay(lambda x: np.linalg.slogdet(x * 2.0).sign * 1.0)
    for _ in range(3):
        step(np.eye(3))
    assert "inv" not in str(step.program)


def test_kinds_of_results() -> None:
    t = tg.Tensor(X, requires_grad=True)
    made = waves(t)
    assert type(made) is Waves and made.nothing is None
    assert made.sine.requires_grad and made.cosine.requires_grad and not made.turns.requires_grad
    assert "made by waves.sine" in repr(made.sine)
    assert type(both(t, t)) is tuple and "made by both[1]" in repr(both(t, t)[1])
    alone = tg.primitive(lambda x: (x * 2.0,))
    tg.defvjp(alone, lambda g, _out, _x: g[0] * 2.0)
    (only,) = alone(t)
    only.sum().backward()
    assert t.grad is not None and t.grad.tolist() == [2.0] * 3
    assert leaves(tg.jacobian(lambda x: alone(x))(X))[0].tolist() == (2 * np.eye(3)).tolist()
    for constant in (waves(tg.Tensor(X)), waves(t.detach())):
        assert type(constant) is Waves and not any(p.requires_grad for p in leaves(constant))
    with tg.no_grad():
        assert not any(p.requires_grad for p in leaves(waves(t)))
    whole = tg.primitive(lambda x: (np.floor(x).astype(int), x > 0))
    tg.defvjp(whole, lambda g, _out, _x: None)
    assert not any(p.requires_grad for p in whole(t))
    found = np.unique_all(tg.Tensor([2.0, 1.0, 2.0]))
    assert found.values.tolist() == [1.0, 2.0] and type(found.counts) is tg.Tensor


def test_complex_and_narrow_results_keep_their_dtype() -> None:
    fn = tg.primitive(lambda z: (np.abs(z), z * z, np.real(z)))
    tg.defvjp(fn, lambda g, out, z: g[0] * np.conj(z) / out[0] + 2.0 * g[1] * z + np.real(g[2]))
    z = np.array([1.0 + 0.5j, -0.3 + 1.2j])
    tg.gradcheck(fn, z, order=2)
    for dtype in (np.complex64, np.complex128):
        t = tg.Tensor(z.astype(dtype), requires_grad=True)
        length, square, _ = fn(t)
        (length.sum() + square.sum().real).backward()
        assert t.grad is not None and t.grad.dtype == dtype
    x = tg.Tensor(X.astype(np.float16), requires_grad=True)
    (np.frexp(x)[0].sum() + waves(x).sine.sum()).backward()
    assert x.grad is not None and x.grad.dtype == np.float16


def test_release_and_memory() -> None:
    """A second backward is refused by name, and nothing is kept that nobody needs."""
    t = tg.Tensor(X, requires_grad=True)
    sine, cosine, *_ = waves(t)
    loss = (sine * cosine).sum()
    loss.backward(retain_graph=True)
    assert t.grad is not None
    once = t.grad.numpy()
    loss.backward()
    assert t.grad.tolist() == (2 * once).tolist()
    with pytest.raises(tg.TapeError, match=r"\(waves.cosine\) was released"):
        cosine.sum().backward()
    gc.collect()
    gc.disable()
    try:
        made = waves(tg.Tensor(X, requires_grad=True))
        loss = np.sum(tg.grad(lambda x: np.sum(waves(x).sine))(made.cosine))
        kept = weakref.ref(made.sine)
        assert kept() is not None
        del made, loss
        assert kept() is None and gc.collect() == 0
    finally:
        gc.enable()


def test_twenty_thousand_operations_with_several_results() -> None:
    t = x = tg.Tensor(1.5, requires_grad=True)
    for _ in range(10_000):
        x, _ = np.modf(x)
        x = x + 1.0
    x.backward()
    assert t.grad is not None and t.grad.item() == 1.0
    for _ in range(10_000):
        x = np.modf(x)[0] + 1.0
    del x


def test_an_operand_that_was_overwritten_is_noticed() -> None:
    t = tg.Tensor(X, requires_grad=True)
    radius, angle = polar(X, t)
    with tg.no_grad():
        t[0] = 9.0
    with pytest.raises(tg.StaleValueError, match="operand 1 of polar"):
        (radius + angle).sum().backward()


def test_what_a_users_rule_returns_is_checked() -> None:
    fn = tg.primitive(lambda x: (x * 1.0, x * 2.0))
    tg.defvjp(fn, lambda g, _out, _x: g)
    with pytest.raises(
        tg.TapeError, match=r"the rule of .* returned \(array.* instead of an array"
    ):
        fn(tg.Tensor(X, requires_grad=True))[0].sum().backward()
    writes = tg.primitive(lambda x: (x * 1.0, x * 2.0))
    tg.defvjp(writes, lambda g, _out, _x: g[0].__iadd__(g[1]))
    with pytest.raises(tg.TapeError, match="writes into its operands"):
        sum(writes(tg.Tensor(X, requires_grad=True))).sum().backward()


# Results in memory that others have.


@tg.primitive
def halves(x: Any) -> Any:
    """Views of the operand, and the operand itself."""
    return x[:1], x[1:], x


tg.defvjp(halves, lambda g, _out, _x: np.concatenate(g[:2]) + g[2])


def test_views_among_the_results() -> None:
    """They see what is written to a constant; a write that others would not see is refused."""
    t = tg.Tensor(X, requires_grad=True)
    first, rest, whole = halves(t)
    (first.sum() + 2.0 * rest.sum() + whole.sum()).backward()
    assert t.grad is not None and t.grad.tolist() == [2.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 5.0
    with tg.no_grad():
        t[0] = 7.0
    assert first.tolist() == [7.0] and whole.tolist()[0] == 7.0
    constant = tg.Tensor(X)
    for part in halves(constant)[:2]:
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 5.0
    pair = tg.primitive(lambda x: (lambda y: (y, y, y[1:]))(x * 2.0))
    tg.defvjp(pair, lambda g, _out, _x: 2.0 * g[0])
    one, two, tail = pair(tg.Tensor(X))
    one[...] = 0.0
    assert two.tolist() == [0.0] * 3 and tail.tolist() == [0.0] * 2
    recorded = pair(t)
    with pytest.raises(tg.TapeError, match="shares its memory"):
        recorded[1][0] = 5.0


def test_views_among_the_results_in_a_replay() -> None:
    t = tg.Tensor(X, requires_grad=True)

    def step(x: Any) -> Any:
        t.grad = None
        first, rest, whole = halves(t * x)
        loss = first.sum() * rest.sum() + np.sum(whole * whole)
        loss.backward()
        return loss, t.grad, *halves(x)

    replayed = tg.replay(step)
    for k in range(4):
        x = X + k
        assert bits(replayed(x)) == bits(step(tg.Tensor(x)))


def test_nothing_comes_through_where_nothing_was_taken() -> None:
    """The slope by a divisor of 0 is infinite, and ends where the other branch was taken."""
    x, y = np.array([1.0, 2.0]), np.array([0.0, 0.7])

    def chosen(x: Any, y: Any) -> Any:
        return np.sum(np.where(y > 0, np.divmod(x, y)[1], 0.0))

    with np.errstate(all="ignore"):
        close(tg.grad(chosen, 1)(x, y), np.array([0.0, -2.0]))
    stack = np.stack([np.eye(2), np.zeros((2, 2))])

    def regular(a: Any) -> Any:
        sign, logarithm = np.linalg.slogdet(a)
        return np.sum(np.where(sign != 0, logarithm, 0.0))

    close(tg.grad(regular)(stack), np.stack([np.eye(2), np.zeros((2, 2))]))
    found = tg.grad(lambda a: np.sum(np.linalg.slogdet(a).logabsdet))(stack)
    close(found, np.stack([np.eye(2), np.zeros((2, 2))]))  # 0 at the singular one: a convention


def test_records_of_results_refer_to_the_operation() -> None:
    made = waves(tg.Tensor(X, requires_grad=True))
    nodes = [made.sine._node, made.cosine._node]
    assert all(isinstance(node, Record) for node in nodes)
    assert nodes[0].parents == nodes[1].parents
    assert not any(isinstance(v, np.ndarray) for node in nodes for v in node.values)
