"""Elementwise operations as nodes of ONNX.

A row is a function of a ``Reading``, that writes nodes and returns the name of the result.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autodiff import primitives
from ..errors import ExportError
from .onnx_graph import Reading

Write = Callable[[Reading], str]


def _elementwise(kind: str) -> Write:
    """One node on operands of the result's dtype."""
    return lambda r: r.add(kind, *_floats(r))


def _floats(r: Reading) -> list[str]:
    r.only("dtype")
    return r.operands(r.dtype)


def _compared(kind: str, negated: bool = False) -> Write:
    """One node on operands of the dtype that they have in common."""

    def write(r: Reading) -> str:
        r.only()
        found = r.add(kind, *r.operands(r.common()))
        return r.add("Not", found) if negated else found

    return write


def _logical(kind: str, bits: bool = False) -> Write:
    def write(r: Reading) -> str:
        r.only()
        if bits and r.dtype != bool:
            raise ExportError("it takes integers apart into bits")
        return r.add(kind, *r.operands(bool))

    return write


def _asked(kind: str) -> Write:
    def write(r: Reading) -> str:
        r.only()
        return r.add(kind, r.x())

    return write


def _formula(formula: Callable[..., str]) -> Write:
    """Several nodes: ``formula`` gets the reading and the names of the operands."""
    return lambda r: formula(r, *_floats(r))


def number(r: Reading, value: float) -> str:
    """A number of the result's dtype."""
    return r.constant(value, r.dtype)


def _logaddexp(r: Reading, x: str, y: str) -> str:
    apart = r.add("Neg", r.add("Abs", r.add("Sub", x, y)))
    rest = r.add("Log", r.add("Add", r.add("Exp", apart), number(r, 1)))
    return r.add("Add", r.add("Max", x, y), rest)


def _remainder(r: Reading, x: str, y: str) -> str:
    if r.dtype.kind in "iu":
        return r.add("Mod", x, y)
    whole = r.add("Floor", r.add("Div", x, y))
    return r.add("Sub", x, r.add("Mul", whole, y))


def _quotient(r: Reading, x: str, y: str) -> str:
    if r.dtype.kind in "iu":
        return r.add("Div", r.add("Sub", x, r.add("Mod", x, y)), y)
    return r.add("Floor", r.add("Div", x, y))


def _clip(r: Reading) -> str:
    found = r.x(0, r.dtype)
    for i, kind in ((1, "Max"), (2, "Min")):
        if len(r.equation.operands) > i and r.equation.operands[i] is not None:
            found = r.add(kind, found, r.x(i, r.dtype))
    return found


def _rounded(r: Reading) -> str:
    x, decimals = r.x(), r.option(1, "decimals", 0)
    if r.dtype.kind in "biu" or not isinstance(decimals, int):
        raise ExportError("ONNX rounds floats, by a number of decimals")
    if not decimals:
        return r.add("Round", x)
    scale = number(r, 10.0 ** abs(decimals))
    there, back = ("Mul", "Div") if decimals > 0 else ("Div", "Mul")
    return r.add(back, r.add("Round", r.add(there, x, scale)), scale)


def _finite(r: Reading) -> str:
    x = r.x()
    return r.add("Not", r.add("Or", r.add("IsNaN", x), r.add("IsInf", x)))


_UNARY: dict[Any, str] = {
    np.negative: "Neg", np.absolute: "Abs", np.fabs: "Abs", np.exp: "Exp", np.log: "Log",
    np.sqrt: "Sqrt", np.tanh: "Tanh", np.sin: "Sin", np.cos: "Cos", np.tan: "Tan",
    np.arcsin: "Asin", np.arccos: "Acos", np.arctan: "Atan", np.sinh: "Sinh", np.cosh: "Cosh",
    np.arcsinh: "Asinh", np.arccosh: "Acosh", np.arctanh: "Atanh", np.floor: "Floor",
    np.ceil: "Ceil", np.rint: "Round", np.sign: "Sign", np.reciprocal: "Reciprocal",
    np.positive: "Identity",
}  # fmt: skip
_BINARY: dict[Any, str] = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.divide: "Div", np.power: "Pow",
    np.maximum: "Max", np.minimum: "Min",
}  # fmt: skip
_COMPARED: dict[Any, str] = {
    np.greater: "Greater", np.less: "Less", np.greater_equal: "GreaterOrEqual",
    np.less_equal: "LessOrEqual", np.equal: "Equal",
}  # fmt: skip
_LOGICAL: dict[Any, str] = {
    np.logical_and: "And", np.logical_or: "Or", np.logical_xor: "Xor", np.logical_not: "Not",
}  # fmt: skip
# functions of SciPy, which is not loaded for them
SPECIAL: dict[str, Write] = {"erf": _elementwise("Erf"), "expit": _elementwise("Sigmoid")}
ELEMENTWISE: dict[Any, Write] = {
    **{fn: _elementwise(kind) for fn, kind in {**_UNARY, **_BINARY}.items()},
    **{fn: _compared(kind) for fn, kind in _COMPARED.items()},
    **{fn: _logical(kind) for fn, kind in _LOGICAL.items()},
    np.bitwise_and: _logical("And", bits=True),
    np.bitwise_or: _logical("Or", bits=True),
    np.bitwise_xor: _logical("Xor", bits=True),
    np.invert: _logical("Not", bits=True),
    np.not_equal: _compared("Equal", negated=True),
    np.isnan: _asked("IsNaN"),
    np.isinf: _asked("IsInf"),
    np.isfinite: _finite,
    np.round: _rounded,
    np.around: _rounded,
    np.square: _formula(lambda r, x: r.add("Mul", x, x)),
    np.expm1: _formula(lambda r, x: r.add("Sub", r.add("Exp", x), number(r, 1))),
    np.log1p: _formula(lambda r, x: r.add("Log", r.add("Add", x, number(r, 1)))),
    np.exp2: _formula(lambda r, x: r.add("Pow", number(r, 2), x)),
    np.log2: _formula(lambda r, x: r.add("Div", r.add("Log", x), number(r, math.log(2)))),
    np.log10: _formula(lambda r, x: r.add("Div", r.add("Log", x), number(r, math.log(10)))),
    np.hypot: _formula(
        lambda r, x, y: r.add("Sqrt", r.add("Add", r.add("Mul", x, x), r.add("Mul", y, y)))
    ),
    np.logaddexp: _formula(_logaddexp),
    np.remainder: _formula(_remainder),
    np.floor_divide: _formula(_quotient),
    np.where: lambda r: r.add("Where", r.x(0, bool), r.x(1, r.dtype), r.x(2, r.dtype)),
    np.clip: _clip,
    primitives.clip: _clip,
    primitives.cast: lambda r: r.cast(r.x(), r.dtype),
    primitives.identity: lambda r: r.add("Identity", r.x()),
    np.copy: lambda r: r.add("Identity", r.x()),
}
