"""Public functions given what they do not take: one sentence of ours that names what was given."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.compat import autograd

X = np.array([1.0, 2.0, 3.0])
ROOM = str(Path(tg.__file__).parent)


def square(x: Any) -> Any:
    return np.sum(x * x)


def leaf() -> tg.Tensor:
    return tg.Tensor(X, requires_grad=True)


BAD: dict[str, Any] = {
    "None": None, "word": "abc", "int": 3, "float": 2.5, "list": [1, "a"], "object": object(),
    "bytes": b"x", "dict": {"a": 1}, "class": dict, "function": square,
}  # fmt: skip
TRANSFORMS = [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian]
FUNCTIONS = ["None", "word", "int", "float", "list", "object", "bytes", "dict"]  # what is none
NUMBERS = ["word", "list", "object", "bytes", "dict", "class", "function"]  # what is no number

# A function's place, and what is not taken there.
PLACES: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "Tensor": (tg.Tensor, ["None", *NUMBERS]),
    "Tensor dtype": (lambda b: tg.Tensor(X, dtype=b), [*NUMBERS, "int", "float"]),
    "array": (tg.array, ["None", *NUMBERS]),
    "array of Tensors": (lambda b: tg.array([leaf(), b]), ["None", "word", "object", "dict"]),
    "stack": (tg.stack, ["None", "int", "float", "object", "function"]),
    "stack with": (lambda b: tg.stack([leaf(), b]), ["None", *NUMBERS]),
    "primitive": (tg.primitive, [*FUNCTIONS, "class"]),
    "requires_grad": (lambda b: setattr(leaf(), "requires_grad", b), list(BAD)),
    "requires_grad of a new one": (lambda b: tg.Tensor(X, requires_grad=b), list(BAD)),
    "requires_grad of an array": (lambda b: tg.array(X, b), [n for n in BAD if n != "None"]),
    "broadcasts": (lambda b: tg.defvjp(np.sin, lambda g, *_: g, broadcasts=b), list(BAD)),
    "no_grad": (tg.no_grad, FUNCTIONS[1:]),
    "defvjp": (lambda b: tg.defvjp(b, lambda g, *_: g), list(BAD)),
    "a rule": (lambda b: tg.defvjp(np.sin, b), [name for name in FUNCTIONS if name != "None"]),
    "each": (lambda b: tg.defvjp(np.sin, each=b), FUNCTIONS),
    "vjp": (lambda b: tg.vjp(b, X), FUNCTIONS),
    "vjp at": (lambda b: tg.vjp(square, b), ["word", "object", "bytes", "class", "function"]),
    "pullback": (lambda b: tg.vjp(square, X)[1](b), ["None", *NUMBERS]),
    "jvp": (lambda b: tg.jvp(b, X, X), FUNCTIONS),
    "jvp along": (lambda b: tg.jvp(square, X, b), ["None", *NUMBERS, "int", "float"]),
    "hvp": (lambda b: tg.hvp(b, X, X), FUNCTIONS),
    "hvp along": (lambda b: tg.hvp(square, X, b), ["None", *NUMBERS, "int", "float"]),
    "gradcheck": (lambda b: tg.gradcheck(b, X), FUNCTIONS),
    "order": (lambda b: tg.gradcheck(square, X, order=b), ["None", "float", *NUMBERS]),
    "tolerance": (lambda b: tg.gradcheck(square, X, tolerance=b), ["None", *NUMBERS]),
    "aux": (lambda b: tg.value_and_grad(lambda _: b, has_aux=True)(X), list(BAD)),
    "backward": (lambda b: square(leaf()).backward(b), NUMBERS),
    "backward of several": (lambda b: (leaf() * 1).backward(b), ["None", *NUMBERS, "int"]),
    "data": (lambda b: setattr(leaf(), "data", b), NUMBERS),
    "grad": (lambda b: setattr(leaf(), "grad", b), NUMBERS),
    "t + b": (lambda b: leaf() + b, ["None", *NUMBERS]),
    "b * t": (lambda b: b * leaf(), ["None", *(set(NUMBERS) - {"list"})]),
    "t @ b": (lambda b: leaf() @ b, ["None", *NUMBERS, "int", "float"]),
    "t ** b": (lambda b: leaf() ** b, ["None", *NUMBERS]),
    "t < b": (lambda b: leaf() < b, ["None", *NUMBERS]),
    "t += b": (lambda b: (leaf() * 1).__iadd__(b), ["None", *NUMBERS]),
    "t[0] = b": (lambda b: tg.Tensor(X).__setitem__(0, b), ["None", *NUMBERS]),
    "t[b]": (lambda b: leaf()[b], ["word", "object", "bytes", "dict", "class", "function"]),
    **{fn.__name__: (lambda b, fn=fn: fn(b)(X), FUNCTIONS) for fn in TRANSFORMS},
    **{f"{fn.__name__} at": (lambda b, fn=fn: fn(square)(b), ["word", "object", "bytes"])
       for fn in TRANSFORMS},
    **{f"{fn.__name__} argnums": (lambda b, fn=fn: fn(square, b)(X),
                                  ["None", "float", "int", *NUMBERS]) for fn in TRANSFORMS},
    **{f"{fn.__name__} of": (lambda b, fn=fn: fn(lambda _: b)(X), ["word", "object", "bytes"])
       for fn in TRANSFORMS},
}  # fmt: skip
ERRORS = (TypeError, ValueError, NotImplementedError, tg.TapeError, tg.ShapeError)


@for_each(PLACES)
def test_what_is_not_taken_is_named(place: str) -> None:
    call, names = PLACES[place]
    for name in names:
        with pytest.raises(ERRORS) as caught:
            call(BAD[name])
        frame = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert frame.filename.startswith(ROOM), f"{name}: {caught.value!r}"
        assert " " in str(caught.value) and frame.line is not None
        assert frame.line.startswith("raise"), f"{name}: {caught.value!r}"


SENTENCES: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: leaf() * None, "the operand None, of dtype object"),
    "word": (lambda: leaf() + "a", "the operand 'a', of dtype <U1"),
    "number": (lambda: leaf() @ 3, r"(?s)^matmul: Input.*operand 1: 3.*use \* for the product"),
    "argnums": (lambda: tg.grad(square, "a"), "argnums='a'; give the place"),
    "argnums, a bool": (lambda: tg.grad(square, True), "argnums=True; give the place"),
    "argnums, one a bool": (lambda: tg.hessian(square, (0, True)), r"argnums=\(0, True\); give"),
    "argnum, a bool": (lambda: autograd.grad(square, True), "for argnum the place"),
    "order, a bool": (lambda: tg.gradcheck(square, X, order=True), "order=True, tolerance"),
    "function": (lambda: tg.grad("x"), "a function to differentiate was expected, not 'x'"),  # type: ignore[arg-type]
    "rule": (lambda: tg.defvjp(np.sin, "x"), r"defvjp\(sin\) was given 'x' for a rule"),  # type: ignore[arg-type]
    "rule and each": (
        lambda: tg.defvjp(np.sin, lambda g, *_: g, each=lambda _, g, *__: g),
        r"defvjp\(sin\) was given rules by position and each=",
    ),
    "modulus": (lambda: pow(leaf(), 2, 3), r"pow\(t, v, 3\).*t\*\*v % m"),
    "del": (lambda: leaf().__delitem__(0), r"del t\[0\].*np\.delete"),
    "complex into real": (lambda: (leaf() * 1).__setitem__(0, 1j), "the number written is complex"),
    "word as index": (lambda: leaf()["a"], r"t\[array\('a'.*an index is integers, slices"),
    "out": (lambda: np.add(leaf(), 1, out=leaf()), r"np\.add\(out=tensor\)"),
    "out of a method": (
        lambda: np.add.reduce(leaf(), out=leaf()),
        r"np\.add\.reduce\(out=tensor\)",
    ),
    "out of a function": (lambda: np.sum(leaf(), out=leaf()), r"np\.sum\(out=tensor\)"),
    "put": (lambda: np.put(leaf(), [0], [1]), r"np\.put cannot write into a Tensor; .*t\.put"),
    "copyto": (lambda: np.copyto(leaf(), 0), r"np\.copyto cannot write into .*t\[\.\.\.\] = v"),
    "copyto by keyword": (lambda: np.copyto(dst=leaf(), src=0), "np.copyto cannot write into"),
    "fill_diagonal": (
        lambda: np.fill_diagonal(tg.Tensor(np.eye(2)), 0),
        r"fill_diagonal cannot.*t\[i, i\] = v",
    ),
    "into an array": (
        lambda: np.copyto(np.zeros(3), leaf()),
        "np.copyto would write a Tensor that",
    ),
    "no axis": (lambda: np.add.accumulate(leaf(), axis=None), "np.add.accumulate with axis=None"),
    "no axis by position": (lambda: np.multiply.accumulate(leaf(), None), "with axis=None"),
    "dtype of a maximum": (
        lambda: np.maximum.reduce(leaf(), dtype=np.float32),
        r"np.maximum.reduce with dtype=.*astype",
    ),
    "dtype by position": (
        lambda: np.minimum.reduce(leaf(), 0, np.float32),
        r"np.minimum.reduce with dtype=",
    ),
    "into integers": (
        lambda: tg.Tensor([0, 0, 0]).__setitem__(0, leaf()[0]),
        r"a value that requires grad, written into a Tensor of dtype int64.*v\.detach",
    ),
    "fill of integers": (lambda: tg.Tensor([0]).fill(leaf()[0]), "would lose its gradient"),
    "put into integers": (lambda: tg.Tensor([0]).put(0, leaf()[0]), "would lose its gradient"),
    "full_like": (lambda: np.full_like(tg.Tensor([0]), leaf()[0]), "would lose its gradient"),
    "update of integers": (lambda: tg.Tensor([0]).__iadd__(leaf()[:1]), "into a Tensor of int64"),
    "complex gradient": (
        lambda: (leaf() * 2).backward(X + 1j),
        "gradient given to backward is complex.*np.real",
    ),
    "complex cotangent": (
        lambda: tg.vjp(lambda x: x * 2, X)[1](X + 1j),
        "a cotangent is complex.*imaginary part",
    ),
    "complex direction": (lambda: tg.jvp(square, (X,), (X * 1j,)), "a direction is complex"),
    "complex vector": (lambda: tg.hvp(square, X, tg.Tensor(X * 1j)), "a direction is complex"),
    "ragged": (lambda: tg.Tensor([[1], [1, 2]]), r"a Tensor of \[\[1\], \[1, 2\]\]: its rows have"),
    "order": (lambda: tg.gradcheck(square, X, order=2.5), "order=2.5"),  # type: ignore[arg-type]
    "masked": (lambda: np.ma.max(leaf()), "of t would lose"),
    "option": (lambda: leaf().max(fill_value=1), "max takes no option fill_value= but a, axis"),
    "list": (lambda: listed(leaf()), "returned a list inside a tuple"),
    "arity": (
        lambda: tg.defvjp(np.add, lambda g, out: g, lambda g, out: g),  # noqa: ARG005
        r"takes \(g, out, \*operands\), not 2 positional parameters, and add has 2 operands",
    ),
}


def listed(t: tg.Tensor) -> Any:
    @tg.primitive
    def pair(x: Any) -> Any:
        return x * 2, [x * 3]

    tg.defvjp(pair, lambda g, _out, _x: g)
    return pair(t)


@for_each(SENTENCES)
def test_sentences(name: str) -> None:
    call, message = SENTENCES[name]
    with pytest.raises(ERRORS, match=message):
        call()
