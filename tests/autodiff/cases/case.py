"""What a case of the table is, and the arrays that cases are made of.

One ``row`` per way of calling an operation. Every floating-point or complex array among the
arguments is a variable; ``Const`` marks one that is not.
"""

import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Const:
    """An array that is not differentiated by."""

    array: np.ndarray


def is_variable(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def transform(visit: Callable[[Any], Any], tree: Any) -> Any:
    """``tree`` with ``visit`` applied to everything that is not a list, tuple or dict."""
    if type(tree) in (list, tuple):
        return type(tree)(transform(visit, part) for part in tree)
    if type(tree) is dict:
        return {key: transform(visit, part) for key, part in tree.items()}
    return visit(tree)


@dataclass(frozen=True, eq=False)
class Case:
    """One way of calling an operation.

    ``reference`` computes the value with NumPy alone; ``order`` is how often the operation can be
    differentiated at these arguments in agreement with finite differences.
    """

    id: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reference: Callable[..., Any]
    order: int

    @property
    def variables(self) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        transform(lambda v: found.append(v) if is_variable(v) else None, [self.args, self.kwargs])
        return found

    def size(self) -> int:
        """How many numbers it is differentiated by: gradcheck goes through them one by one."""
        return sum(v.size for v in self.variables)

    def call(self, *variables: Any, fn: Callable[..., Any] | None = None) -> Any:
        """The operation at other variables."""
        following = iter(variables)

        def visit(value: Any) -> Any:
            if is_variable(value):
                return next(following)
            return value.array if isinstance(value, Const) else value

        args, kwargs = transform(visit, [self.args, self.kwargs])
        return (fn or self.fn)(*args, **kwargs)

    def astype(self, double: str) -> "Case":
        """The same case with all its floating-point arrays in another dtype."""
        single = np.result_type(double, np.complex64)

        def visit(value: Any) -> Any:
            if isinstance(value, Const):
                kind = value.array.dtype.kind
                return Const(value.array.astype(double)) if kind in "fc" else value
            if not is_variable(value):
                return value
            return value.astype(single if value.dtype.kind == "c" else double)

        args, kwargs = transform(visit, [self.args, self.kwargs])
        return Case(self.id, self.fn, args, kwargs, self.reference, self.order)


CASES: list[Case] = []
NUMBERS: Counter[Any] = Counter()  # of rows of each function


def full_name(fn: Callable[..., Any]) -> str:
    if isinstance(ufunc := getattr(fn, "__self__", None), np.ufunc):
        return f"{ufunc.__name__}.{fn.__name__}"
    room = getattr(fn, "__module__", None) or "numpy"
    if isinstance(fn, np.ufunc) and getattr(np, fn.__name__, None) is not fn:
        room = "special"  # SciPy's own exp2 and the like
    return f"{room.rpartition('.')[2]}.{fn.__name__}".removeprefix("numpy.")


def describe(value: Any) -> str:
    if isinstance(value, Const):
        return "const" + describe(value.array)
    if isinstance(value, np.ndarray):
        return f"{value.dtype.char}{'x'.join(map(str, value.shape))}"
    if isinstance(value, (list, tuple)):
        return "(" + " ".join(map(describe, value)) + ")"
    if isinstance(value, slice):
        return f"{value.start}:{value.stop}:{value.step}"
    return "..." if value is Ellipsis else getattr(value, "__name__", str(value))


def row(
    fn: Callable[..., Any], *args: Any, _order: int = 2, _reference: Any = None, **kwargs: Any
) -> None:
    shown = [describe(a) for a in args] + [f"{k}={describe(v)}" for k, v in kwargs.items()]
    number = NUMBERS[fn] = NUMBERS[fn] + 1
    name = f"{full_name(fn)}.{number - 1}({','.join(shown)})"
    CASES.append(Case(name, fn, args, kwargs, _reference or fn, _order))


def real(*shape: int, seed: int = 0) -> np.ndarray:
    """Distinct numbers of both signs, none near 0, none shared by two seeds."""
    n = int(np.prod(shape))
    rng = np.random.default_rng(seed)
    size = rng.permutation(np.linspace(0.43, 1.87, n)) + 0.05 * seed
    return (size * np.where(np.arange(n) % 2, -1.0, 1.0)).reshape(shape)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.abs(real(*shape, seed=seed))


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers between -0.8 and 0.8."""
    return real(*shape, seed=seed) * 0.4


def between(*shape: int) -> np.ndarray:
    """Numbers of both signs, away from all multiples of a half."""
    n = int(np.prod(shape))
    return (np.arange(n) - n // 2 + np.linspace(0.15, 0.35, n)).reshape(shape)


def complex_(*shape: int, seed: int = 0) -> np.ndarray:
    return real(*shape, seed=seed) + 1j * real(*shape, seed=seed + 1)


def bools(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).permutation(np.arange(np.prod(shape)) % 2 == 0).reshape(shape)


empty = np.zeros((0, 3))
scalar = np.array(1.3)
HAS_SCIPY = importlib.util.find_spec("scipy") is not None
