"""How results lie in memory: as NumPy's do, since that decides how sums of them are rounded."""

from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.autodiff.cases import BY_FUNCTION, Case, Const, full_name, transform
from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.replay.memory import layout

# whose rule computes in another way than NumPy does
OTHERWISE = {
    "block", "correlate", "cross", "dot", "einsum", "gradient", "histogram2d", "histogramdd",
    "linalg.cross", "linalg.matrix_power", "linalg.qr", "linalg.svd", "unwrap", "vander",
}  # fmt: skip


def results(case: Case, order: Any, wrap: Any) -> list[np.ndarray]:
    def visit(value: Any) -> Any:
        if isinstance(value, Const):
            return value.array.copy(order)
        return wrap(value.copy(order)) if isinstance(value, np.ndarray) else value

    args, kwargs = transform(visit, [case.args, case.kwargs])
    with np.errstate(all="ignore"):
        found = leaves(case.fn(*args, **kwargs))
    return [t.data if isinstance(t, tg.Tensor) else np.asarray(t) for t in found]


@for_each(BY_FUNCTION, ["C", "F"])
def test_results_are_laid_as_numpys(fn: Any, order: Any) -> None:
    if full_name(fn) in OTHERWISE:
        return
    for case in BY_FUNCTION[fn]:
        pairs = zip(results(case, order, np.asarray), results(case, order, tg.Tensor), strict=True)
        for expected, found in pairs:
            if found.size > 1:
                assert layout(found) == layout(expected), case.id


@for_each(["C", "F", "K", "A"], ["C", "F"])
def test_copies_are_laid_as_asked(order: Any, given: Any) -> None:
    x = np.arange(6.0).reshape(2, 3).copy(given)
    t = tg.Tensor(x)
    for found, expected in [
        (np.copy(t, order), np.copy(x, order)), (t.copy(order), x.copy(order)), (t.copy(), x.copy())
    ]:  # fmt: skip
        assert layout(found.data) == layout(expected)
