"""Lists and tuples of numbers beside a Tensor mean what the arrays of the same numbers mean."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, Case
from tests.autodiff.cases.case import Const
from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import COMPOSITES, TABLE

NUMPYS = [
    fn
    for fn in BY_FUNCTION
    if fn in {*TABLE, *COMPOSITES} and str(getattr(fn, "__module__", "numpy")).startswith("numpy")
]


def opened(value: Any) -> Any:
    return value.array if isinstance(value, Const) else value


def calls(case: Case) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    """Each array given by position, and the call as a function of it, lists for all others."""
    args = [opened(a) for a in case.args]
    options = {name: opened(value) for name, value in case.kwargs.items()}
    arrays = [a for a in [*args, *options.values()] if isinstance(a, np.ndarray)]
    for mine in [a for a in args if isinstance(a, np.ndarray)]:
        if not any(a.ndim for a in arrays if a is not mine):
            continue

        def call(x: Any, mine: Any = mine) -> Any:
            def one(value: Any) -> Any:
                listed = isinstance(value, np.ndarray) and value.ndim
                return x if value is mine else value.tolist() if listed else value

            named = {name: one(value) for name, value in options.items()}
            return case.fn(*map(one, args), **named)

        yield mine, call


@pytest.mark.filterwarnings("ignore")
@for_each(NUMPYS)
def test_lists_beside_a_tensor(fn: Any) -> None:
    for case in BY_FUNCTION[fn]:
        for array, call in calls(case):
            try:
                theirs = call(array)
            except Exception:
                continue  # NumPy takes no list there
            ours = call(tg.Tensor(array))
            for a, b in zip(leaves(ours), leaves(theirs), strict=True):
                assert np.asarray(a).dtype == np.asarray(b).dtype, case.id
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, err_msg=case.id)
