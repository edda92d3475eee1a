"""The cases of the table with arrays of another library, and what is compared of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.autodiff.cases import Case, Const, transform
from tinygrad_np.autodiff.nests import leaves

Kind = Callable[[np.ndarray], Any]


def of_kind(case: Case, kind: Kind) -> Case:
    """The case with arrays of that kind for those that are no variables."""

    def visit(value: Any) -> Any:
        if isinstance(value, Const):
            return Const(kind(value.array))
        is_constant = isinstance(value, np.ndarray) and value.dtype.kind not in "fc"
        return kind(value) if is_constant else value

    args, kwargs = transform(visit, [case.args, case.kwargs])
    return Case(case.id, case.fn, args, kwargs, case.reference, case.order)


def weights(results: list[Any], kind: Kind) -> list[Any]:
    """Other numbers for each element of each result."""
    found = [(np.arange(r.size).reshape(r.shape) % 5 + 1, r.dtype) for r in results]
    return [kind(w.astype(dtype)) for w, dtype in found]


def pulled(case: Case, variables: list[Any], kind: Kind) -> list[Any]:
    """Results and gradients."""
    results, pullback = tg.vjp(lambda *v: leaves(case.call(*v)), *variables)
    return [*results, *pullback(weights(results, kind))]


def derivatives(case: Case, variables: list[Any], kind: Kind) -> list[Any]:
    """Results, gradients and the gradients of these."""
    if case.order < 2:
        return pulled(case, variables, kind)
    found, pullback = tg.vjp(lambda *v: pulled(case, v, kind), *variables)
    return [*found, *pullback(weights(found, kind))]
