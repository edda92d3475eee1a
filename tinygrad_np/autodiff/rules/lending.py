"""What rules are given: operands in one precision, and those of users to read only."""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import TapeError
from ..nests import tupled
from ..primitives import lent as lent_to
from ..primitives import of_dtype

NOTHING: Mapping[Any, Any] = MappingProxyType({})


def reading(fn: Any, name: str, fills: Mapping[int, tuple[str, Any]] = NOTHING) -> Any:
    """A user's ``fn`` that gets its operands to read only: they belong to leaves and to records.

    ``fills`` are names and values for the places that a call leaves open.
    """

    @functools.wraps(fn)
    def call(*args: Any, **options: Any) -> Any:
        lent = [read_only(operand) for operand in args]
        for place, (option, value) in fills.items():
            if place >= len(args):
                options.setdefault(option, value)
        try:
            out = fn(*lent, **options)
        except ValueError as error:
            refuse_write(error, name)
            raise
        pairs = list(zip(args, lent, strict=True))
        if isinstance(out, tuple):
            return tupled(type(out), [_own(part, pairs) for part in out])
        return [_own(part, pairs) for part in out] if type(out) is list else _own(out, pairs)

    return call


def _own(out: Any, pairs: Sequence[tuple[Any, Any]]) -> Any:
    """What a user's function returned; the operand itself where that is what it was lent."""
    return next((own for own, view in pairs if out is view), out)


def refuse_write(error: ValueError, name: str) -> None:
    """Say what NumPy's refusal to write into what is ``read_only`` means in a user's function."""
    if "read-only" in str(error):
        raise TapeError(
            f"{name} writes into its operands ({error}), which the caller still uses; write into "
            "a copy (x = x.copy())."
        ) from error


def read_only(operand: Any) -> Any:
    """An operand in the hands of a user's function."""
    if type(operand) is np.ndarray:
        operand = operand.view()
        operand.flags.writeable = False
    elif not isinstance(operand, np.ndarray) and hasattr(type(operand), "__array_function__"):
        operand = lent_to(operand)
    elif isinstance(operand, tuple):
        operand = tupled(type(operand), map(read_only, operand))
    return operand


def in_one_precision(vjp: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that is given its operands in the precision of the cotangent, and integers as int64.

    Functions of small integers alone are of float16, and 0 - 1 of uint8 is 255.
    """

    @functools.wraps(vjp)
    def rule(g: Any, out: Any, *operands: Any) -> Any:
        arrived = next(part for part in g if part is not None) if isinstance(g, tuple) else g
        given, kind = list(operands), arrived.dtype
        for place, operand in enumerate(given):
            if getattr(operand, "dtype", kind) is not kind:
                given[place] = precise(operand, kind)
        return vjp(g, out, *given)

    return rule


def precise(x: Any, kind: Any) -> Any:
    """``x`` with the precision of ``kind`` at least."""
    is_float = x.dtype.kind in "fc"
    return of_dtype(x, np.result_type(x.dtype, np.finfo(kind).dtype) if is_float else np.int64)
