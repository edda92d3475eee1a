"""Rules that users write: each works, or is refused in a sentence that names the function."""
# ruff: noqa: ARG001, ARG005 - the functions of one table all take the same arguments

import collections
import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each

X = np.array([1.0, 2.0, 3.0])


pytestmark = pytest.mark.usefixtures("same_table")


def leaf(*values: float) -> tg.Tensor:
    return tg.Tensor(list(values) or X, requires_grad=True)


def plain(x: Any) -> Any:
    return np.asarray(x) ** 2


WITHOUT_DISPATCH: dict[str, Any] = {
    "function": plain,
    "lambda": lambda x: x,
    "builtin": len,
    "class": dict,
    "np.asarray": np.asarray,
    "bound method": X.sum,
}


@pytest.mark.parametrize("name", WITHOUT_DISPATCH)
def test_a_rule_of_what_does_not_dispatch_is_refused(name: str) -> None:
    fn = WITHOUT_DISPATCH[name]
    with pytest.raises(tg.TapeError, match=r"does not dispatch.*tg\.primitive"):
        tg.defvjp(fn, lambda g, out, x: g)


def test_numpys_and_scipys_functions_and_primitives_take_rules() -> None:
    special = pytest.importorskip("scipy.special")
    tg.defvjp(special.erf, lambda g, _out, x: g * 2 / np.sqrt(np.pi) * np.exp(-(x**2)))
    tg.gradcheck(special.erf, X, order=2)
    tg.defvjp(np.partition, lambda g, _out, _x, kth: g)
    t = leaf()
    np.sum(np.partition(t, 1)).backward()
    assert t.grad is not None and t.grad.tolist() == [1.0, 1.0, 1.0]
    tg.gradcheck(made(lambda x: x**3, lambda g, _out, x: g * 3 * x**2), X, order=2)


def made(fn: Callable[..., Any], *rules: Any, **traits: Any) -> Any:
    fn.__name__ = "mine"
    primitive = tg.primitive(fn)
    tg.defvjp(primitive, *rules, **traits)
    return primitive


def scaled(x: Any, scale: Any = 2.0, shift: Any = 0.0) -> Any:
    return x * scale + shift


def test_rules_with_options_of_any_name_accept_them() -> None:
    fn = made(scaled, lambda g, _out, _x, scale=2.0, **options: g * scale + 0 * len(options))
    t = leaf()
    np.sum(fn(t, scale=3.0, shift=1.0)).backward()
    assert t.grad is not None and t.grad.tolist() == [3.0] * 3
    fn = made(scaled, lambda g, _out, _x, scale=2.0: g * scale)
    with pytest.raises(NotImplementedError, match="mine with shift= cannot be recorded"):
        fn(t, shift=1.0)


FILLED: dict[str, tuple[Callable[..., Any], list[float]]] = {
    "default": (lambda fn, x: fn(x), [2.0] * 3),
    "by position": (lambda fn, x: fn(x, 3.0), [3.0] * 3),
    "by keyword": (lambda fn, x: fn(x, scale=4.0), [4.0] * 3),
    "a Tensor": (lambda fn, x: fn(x, tg.Tensor(5.0)), [5.0] * 3),
}


@for_each(FILLED, [False, True])
def test_defaults_of_the_function_are_filled_in_for_its_rules(name: str, each: bool) -> None:
    def fn(x: Any, scale: Any = 2.0) -> Any:
        return x * scale

    rules: Any = (lambda g, _out, _x, scale: g * scale,)
    traits = {"each": lambda i, g, _out, _x, scale: g * scale} if each else {}
    call, expected = FILLED[name]
    fn = made(fn, *(() if each else rules), **traits)
    assert tg.grad(lambda x: np.sum(call(fn, x)))(X).tolist() == expected
    assert tg.hessian(lambda x: np.sum(call(fn, x) ** 2))(X)[0, 0] == 2 * expected[0] ** 2


def test_an_option_that_only_one_of_the_rules_knows_is_refused() -> None:
    def fn(x: Any, y: Any, scale: Any = 1.0) -> Any:
        return x * y * scale

    fn = made(fn, lambda g, _o, _x, y, scale=1.0: g * y * scale, lambda g, _o, x, _y: g * x)
    with pytest.raises(NotImplementedError, match="mine with scale="):
        fn(leaf(), X, scale=2.0)


def test_operands_by_keyword() -> None:
    def fn(x: Any, w: Any) -> Any:
        return x * w

    one = made(fn, lambda g, _out, _x, w: g * w)
    with pytest.raises(tg.TapeError, match=r"first operands \(1\).*defvjp.*\.detach\(\)"):
        one(X, w=leaf())
    with pytest.raises(tg.TapeError, match=r"first operands \(1\)"):
        one(X, leaf())
    both = made(fn, lambda g, _out, _x, w: g * w, lambda g, _out, x, _w: g * x)
    x, w = leaf(), leaf(4.0, 5.0, 6.0)
    np.sum(both(w=w, x=x)).backward()
    assert x.grad is not None and x.grad.tolist() == [4.0, 5.0, 6.0]
    assert w.grad is not None and w.grad.tolist() == X.tolist()
    only = made(lambda x, *, w: x * w, lambda g, _out, x: g)
    with pytest.raises(tg.DetachError, match=r"mine\(w=t\)"):
        only(X, w=leaf())


class Own(np.ndarray):
    """An array with an arithmetic of its own."""

    def __array_ufunc__(self, *_args: Any, **_options: Any) -> Any:
        return 1.0


RETURNED: dict[str, tuple[Any, Any]] = {
    # what a rule returns for an operand of three elements; the gradient, or the refusal
    "number": (2.0, [2.0, 2.0, 2.0]),
    "integer": (3, [3.0, 3.0, 3.0]),
    "boolean": (True, [1.0, 1.0, 1.0]),
    "complex number": (2 + 1j, "mine for operand 0 returned complex128 where all is real"),
    "list": ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
    "integers": (np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
    "complex": (X + 1j, "mine for operand 0 returned complex128 where all is real"),
    "float32": (X.astype(np.float32), [1.0, 2.0, 3.0]),
    "None": (None, r"rule of mine for operand 0 returned None"),
    "words": (["a", "b", "c"], r"rule of mine for operand 0 returned <U1"),
    "objects": (np.array([1, 2, 3], object), r"rule of mine for operand 0 returned object"),
    "dict": ({}, r"rule of mine for operand 0 returned {}"),
    "another shape": (np.ones(2), r"rule of mine for operand 0 returned a cotangent of shape \(2"),
    "masked": (np.ma.array(X, mask=[0, 1, 0]), "the rule of mine returned is a MaskedArray"),
    "subclass": (X.view(Own), "the rule of mine returned is a Own, whose mask"),
    "short list": ([1.0], r"rule of mine for operand 0 returned a cotangent of shape \(1"),
}


@for_each(RETURNED, [False, True])
def test_what_a_rule_returns(name: str, create_graph: bool) -> None:
    returned, expected = RETURNED[name]
    fn = made(lambda x: x * 1.0, lambda g, _out, _x: returned)
    t = leaf()
    out = np.sum(fn(t))
    if isinstance(expected, str):
        with pytest.raises((tg.TapeError, tg.ShapeError, TypeError), match=expected):
            out.backward(create_graph=create_graph)
        return
    out.backward(create_graph=create_graph)
    assert t.grad is not None and t.grad.tolist() == expected and t.grad.dtype == np.float64


def one(g: Any, out: Any, x: Any) -> Any:
    return g


NUMBERS: dict[str, tuple[Callable[[], Any], str]] = {
    "too many": (lambda: made(lambda x: x, one, one), "given 2 rules, and mine takes 1"),
    "too many for options": (lambda: made(lambda x, *, a=1: x, one, one), "takes 1 operands"),
    "too many of a ufunc": (lambda: tg.defvjp(np.exp, one, one), "2 rules, and exp takes 1"),
    "too few of a ufunc": (lambda: tg.defvjp(np.add, one), "1 rules, and add takes 2"),
    "none": (lambda: made(lambda x: x), "was given no rule"),
    "rule of g": (lambda: made(lambda x: x, lambda g: g), r"takes \(g, out, \*operands\), not 1"),
    "rule of nothing": (lambda: made(lambda x: x, lambda: 1), "not 0 positional"),
    "each": (lambda: made(lambda *x: x[0], each=lambda g, out: g), r"takes \(i, g, out"),
}


@for_each(NUMBERS)
def test_a_wrong_number_of_rules_is_told(name: str) -> None:
    work, message = NUMBERS[name]
    with pytest.raises(tg.TapeError, match=message):
        work()


def test_functions_of_any_number_of_operands_take_any_number_of_rules() -> None:
    made(lambda *xs: sum(xs), one, one, one)
    made(lambda x, n=1, **options: x, one)
    tg.defvjp(np.add, None, lambda g, _out, _x, _y: g)
    tg.defvjp(tg.primitive(getattr), one, one, one)  # whose parameters nobody tells


def test_too_many_operands_are_told_of_each() -> None:
    fn = made(lambda *xs: xs[0] * xs[1], lambda g, _out, x: g * x)
    with pytest.raises(TypeError, match=r"its rules take 1 after g and out; .*each="):
        fn(leaf(), leaf())


class Pair(NamedTuple):
    """A tuple with names."""

    a: Any
    b: Any


@dataclasses.dataclass
class Fields:
    """A dataclass, whose field may be a number first."""

    a: Any


class Plain:
    """An object that keeps what it is given."""

    def __init__(self, kept: Any) -> None:
        self.kept = kept

    def get(self) -> Any:
        return self.kept


class Slotted:
    """The same without a namespace of its own."""

    __slots__ = ("kept",)

    def __init__(self, kept: Any) -> None:
        self.kept = kept


NESTS: dict[str, Callable[[tg.Tensor, tg.Tensor], Any]] = {
    "list": lambda t, u: [t, u],
    "tuple": lambda t, u: (t, u),
    "dict": lambda t, u: {"a": t, "b": u},
    "deeper": lambda t, u: [1.0, (X, {"a": t})],
    "Pair": Pair,
    "OrderedDict": lambda t, u: collections.OrderedDict(a=t, b=u),
    "Fields": lambda t, u: Fields(t),
}
# where no list of all operands finds them: refused where a gradient would be lost
HIDDEN: dict[str, Callable[[tg.Tensor], Any]] = {
    "set": lambda t: {t},
    "frozenset": lambda t: frozenset([t]),
    "deque": lambda t: collections.deque([1.0, t]),
    "odict_values": lambda t: collections.OrderedDict(a=t).values(),
    "dict_items": lambda t: {"a": t}.items(),
    "SimpleNamespace": lambda t: types.SimpleNamespace(deep={"a": {t}}),
    "Plain": lambda t: Plain(t),
    "Slotted": lambda t: Slotted(t),
    "Classy": lambda t: type("Classy", (), {"kept": t})(),
    "function": lambda t: lambda: t,
    "method": lambda t: Plain(t).get,
    "partial": lambda t: functools.partial(len, t),
    "list_iterator": lambda t: iter([t]),
    "generator": lambda t: (u * 2 for u in [t]),
    "map": lambda t: map(abs, t),
    "zip": lambda t: zip([t], [X], strict=True),
}


@for_each(NESTS, ["position", "keyword"])
def test_tensors_inside_nests_are_refused_by_name(name: str, how: str) -> None:
    fn = made(lambda nest: 1.0, lambda g, _out, _nest: g)
    for t in (leaf(), tg.Tensor(X)):
        nest = NESTS[name](t, t)
        with pytest.raises(TypeError, match=r"mine was given Tensors inside a .*mine\(\*tensors\)"):
            fn(nest) if how == "position" else fn(nest=nest)
    assert fn([X, X]) == fn((X, X)) == fn(nest={"a": X}) == 1.0


@pytest.mark.parametrize("how", ["alone", "beside", "keyword"])
@pytest.mark.parametrize("name", HIDDEN)
def test_tensors_that_operands_hide_are_refused_by_name(name: str, how: str) -> None:
    fn = made(lambda x, held=None: 1.0, lambda g, _out, _x, _held: g)
    for t in (leaf(), leaf() * 2):
        held = HIDDEN[name](t)
        with pytest.raises(TypeError, match=rf"mine was given Tensors inside a {name}, .*mine\(\*"):
            if how == "alone":
                fn(held)
            elif how == "beside":
                fn(leaf(), held)
            else:
                fn(X, held=held)
    assert fn(HIDDEN[name](tg.Tensor(X))) == 1.0  # no gradient is lost


def test_without_a_rule_what_a_function_makes_of_hidden_tensors_is_recorded() -> None:
    fn = tg.primitive(lambda held: sum(held) * 3)
    assert tg.grad(lambda t: np.sum(fn({t})))(X).tolist() == [3.0] * 3


@pytest.mark.parametrize("parts", [1, 2])
def test_a_function_that_computes_with_tensors_of_elsewhere_is_refused(parts: int) -> None:
    def elsewhere(w: tg.Tensor) -> Any:
        return made(lambda x: x * w if parts == 1 else (x, x * w), lambda g, _out, _x: g)

    for fn in (elsewhere(leaf()), elsewhere(tg.Tensor(X))):
        step = tg.grad(lambda x, fn=fn: np.sum(fn(x)[0]))
        with pytest.raises(TypeError, match=r"mine returned a Tensor: it computed with .* not its"):
            step(X)
        with pytest.raises((TypeError, tg.ReplayError), match=r"mine"):
            tg.replay(step)(X)


def test_a_rule_that_sums_too_much_is_refused() -> None:
    fn = made(lambda x: x * 2, lambda g, _out, _x: np.sum(g) * 2)
    with pytest.raises(tg.ShapeError, match=r"cotangent of shape \(\) for an operand of shape"):
        tg.grad(lambda x: np.sum(fn(x)))(X)


NO_RESULTS: dict[str, tuple[Any, str]] = {
    "dict": (lambda x: {"a": x}, "mine returned a dict instead of an array"),
    "None": (lambda x: None, "mine returned a NoneType instead of an array"),
    "object": (lambda x: object(), "mine returned a object instead of an array"),
    "nest": (lambda x: (x, (x, x)), "returned a tuple inside a tuple; return one array"),
    "list in a list": (lambda x: [x, [x, x]], "returned a list inside a tuple; return one array"),
}


@pytest.mark.parametrize("name", NO_RESULTS)
def test_primitives_return_arrays(name: str) -> None:
    fn = made(NO_RESULTS[name][0], lambda g, _out, _x: g)
    for t in (leaf(), tg.Tensor(X)):
        with pytest.raises(TypeError, match=NO_RESULTS[name][1]):
            fn(t)


OWN_WAY: dict[str, Callable[[Any], Any]] = {
    "masked": lambda x: np.ma.array(x, mask=[0, 1, 0]) * 2,
    "matrix": np.asmatrix,
    "subclass": lambda x: np.array(x).view(Own),
    "in a tuple": lambda x: (x * 1, np.ma.array(x, mask=[0, 1, 0])),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", OWN_WAY)
def test_a_result_with_an_arithmetic_of_its_own_is_refused(name: str) -> None:
    fn, ruleless = made(OWN_WAY[name], lambda g, _out, _x: g), tg.primitive(OWN_WAY[name])
    for t in (leaf(), tg.Tensor(X)):
        with pytest.raises(TypeError, match=r"a result of a primitive is a .*, whose mask"):
            fn(t)
    with pytest.raises(TypeError, match=r"a result of a primitive is a .*, whose mask"):
        ruleless(tg.Tensor(X))


def test_a_result_that_is_no_number_is_refused() -> None:
    fn = made(lambda x: x.astype(object), lambda g, _out, _x: g)
    with pytest.raises(TypeError, match="a result of mine, of dtype object"):
        fn(leaf())


# Functions and rules that write into what they are given.


def doubled_in_place(x: Any) -> Any:
    x *= 2.0
    return x


WRITING: dict[str, Callable[[Any], Any]] = {
    "update": doubled_in_place,
    "index": lambda x: (x.__setitem__(0, 9.0), x)[1],
    "out": lambda x: np.exp(x, out=x),
    "view": lambda x: x.reshape(-1)[:1].__imul__(0.0),
    "sort": lambda x: (x.sort(), x)[1],
    "copyto": lambda x: (np.copyto(x, 0.0), x)[1],
}


@for_each(WRITING, ["leaf", "constant", "without a rule", "transform"])
def test_a_primitive_that_writes_into_its_operand_is_refused(name: str, kind: str) -> None:
    fn = made(WRITING[name], lambda g, _out, _x: g)
    t = tg.Tensor(X[::-1], requires_grad=kind == "leaf")
    if kind == "without a rule":
        fn = tg.primitive(WRITING[name])
    with pytest.raises(tg.TapeError, match=r"writes into its operands.*x = x\.copy\(\)"):
        tg.grad(lambda x: np.sum(fn(x)))(X[::-1]) if kind == "transform" else fn(t)
    assert t.tolist() == X[::-1].tolist()
    x = X[::-1].copy()
    fn(x)  # arrays are the caller's own
    assert x.tolist() != X[::-1].tolist()


def test_a_primitive_may_return_its_operand_or_a_view_of_it() -> None:
    same = made(lambda x: x, lambda g, _out, _x: g)
    t = leaf() * 1
    result = same(t)
    assert result._array is t._array and result._array.flags.writeable
    part = made(lambda x: x[:2], lambda g, _out, _x: np.concatenate([g, [0.0]]))
    with pytest.raises(ValueError, match="destination is read-only; write into a copy"):
        part(t)[0] = 1.0


RULES_THAT_WRITE: dict[str, Callable[..., Any]] = {
    "cotangent": lambda g, _out, x, _y: g.__imul__(x),
    "operand": lambda g, _out, x, _y: x.__imul__(g),
    "result": lambda g, out, _x, _y: out.__imul__(g),
    "index": lambda g, _out, _x, _y: (g.__setitem__(0, 0.0), g)[1],
}


@for_each(RULES_THAT_WRITE, [False, True])
def test_a_rule_that_writes_into_what_it_is_given_is_refused(name: str, create_graph: bool) -> None:
    fn = made(lambda x, y: x * y, RULES_THAT_WRITE[name], lambda g, _out, x, _y: g * x)
    t, u = leaf(), leaf()
    out = np.sum(fn(t, u) * 2.0)
    with pytest.raises(tg.TapeError, match=r"a rule of mine writes into|shares its memory"):
        out.backward(create_graph=create_graph)
    assert t.tolist() == u.tolist() == X.tolist()


SHARING: dict[str, Callable[..., Any]] = {
    "g": lambda g, _out, _x, _y: g,
    "operand": lambda _g, _out, x, _y: x,
    "result": lambda _g, out, _x, _y: out,
    "view of g": lambda g, _out, _x, _y: g[:],
    "view of an operand": lambda _g, _out, x, _y: x[::-1][::-1],
}


@for_each(SHARING, [False, True])
def test_gradients_share_no_memory_with_what_rules_return(name: str, create_graph: bool) -> None:
    fn = made(lambda x, y: x * y, SHARING[name], SHARING[name])
    t, u = leaf(), leaf()
    out = fn(t, u)
    seed = np.ones(3)
    out.backward(seed, create_graph=create_graph, retain_graph=True)
    found = [t.grad._array, u.grad._array]  # type: ignore[union-attr]
    arrays = [*found, t._array, u._array, out._array, seed]
    for i, a in enumerate(arrays[:2]):
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    before = found[0].copy()
    out.backward(seed, create_graph=create_graph)
    assert t.grad is not None and t.grad.tolist() == (2 * before).tolist()


# Complex cotangents.


def test_a_real_operand_of_a_complex_function_has_the_real_part() -> None:
    """As the rules of the table have it: see docs/conventions.md."""
    z = X * (1 + 2j)
    fn = made(lambda x, y: x * y, lambda g, _out, _x, y: g * y, lambda g, _out, x, _y: g * x)
    for f in (fn, np.multiply):
        t = leaf()
        np.sum(np.real(f(t, z) * 1j)).backward()
        assert t.grad is not None and t.grad.tolist() == np.real(z * 1j).tolist()
        assert tg.grad(lambda x, f=f: np.real(np.sum(f(x, z))))(X).dtype == np.float64
