"""A Tensor's value has the bits that NumPy gives for the same arrays, however they lie.

Which cases differ depends on the kernels of a processor's BLAS and LAPACK, so that the table names
functions, and why.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import CASES, Case, Const, full_name, transform
from tests.replay.every_case import Layout, backwards, dense, fortran, strided
from tinygrad_np.autodiff.nests import leaves

VECTORS = "one decomposition gives the value and what its slope needs; NumPy's has no vectors"
PRODUCTS = "np.matmul makes the products, whose kernels and order are others"
SUMS = "is made of other sums"
DIFFER = {
    **dict.fromkeys(
        ["linalg.eigvalsh", "linalg.svdvals", "linalg.svd", "linalg.norm", "linalg.matrix_norm",
         "linalg.cond"], VECTORS),
    **dict.fromkeys(
        ["dot", "inner", "vecdot", "matvec", "vecmat", "linalg.vecdot", "linalg.multi_dot",
         "einsum", "poly", "polyfit", "linalg.qr"], PRODUCTS),
    **dict.fromkeys(
        ["var", "nanmean", "histogram", "histogramdd", "add.reduceat", "hypot.reduce",
         "logaddexp.reduce", "logaddexp.reduceat", "gradient"], SUMS),
}  # fmt: skip


def is_same(x: Any, y: Any) -> bool:
    x, y = np.asarray(x), np.asarray(y)
    if (x.shape, x.dtype) != (y.shape, y.dtype):
        return False
    return x.tobytes() == y.tobytes() or np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")


def lies_alike(x: Any, y: Any) -> bool:
    """Whether steps along the axes are the same: so are views of both, and how sums are rounded."""
    x, y = np.asarray(x), np.asarray(y)
    steps = zip(x.shape, x.strides, y.strides, strict=True) if x.shape == y.shape else []
    return not x.size or all(n == 1 or of_x == of_y for n, of_x, of_y in steps)


def differs(case: Case, layout: Layout, same: Callable[[Any, Any], bool]) -> bool:
    def of_numpy(value: Any) -> Any:
        value = value.array if isinstance(value, Const) else value
        return layout(value) if isinstance(value, np.ndarray) else value

    def of_ours(value: Any) -> Any:
        array = of_numpy(value)
        is_variable = isinstance(value, np.ndarray) and value.dtype.kind in "fc"
        return tg.from_numpy(array, requires_grad=True) if is_variable else array

    with np.errstate(all="ignore"):
        args, kwargs = transform(of_numpy, [case.args, case.kwargs])
        wanted = leaves(case.fn(*args, **kwargs))
        args, kwargs = transform(of_ours, [case.args, case.kwargs])
        found = [getattr(v, "_array", v) for v in leaves(case.fn(*args, **kwargs))]
    return len(found) != len(wanted) or not all(map(same, found, wanted))


def differing(
    layouts: list[Layout], dtypes: str, same: Callable[[Any, Any], bool] = is_same
) -> set[str]:
    # of functions that NumPy lacks the bits are those of another formula
    own = [c for c in CASES if c.fn is c.reference or same is not is_same]
    cases = [case if dtype == "d" else case.astype("f") for case in own for dtype in dtypes]
    return {full_name(c.fn) for c in cases for layout in layouts if differs(c, layout, same)}


@pytest.mark.filterwarnings("ignore")
def test_values_have_the_bits_of_numpys() -> None:
    assert differing([fortran], "d") <= set(DIFFER)


LAID = {
    "linalg.svd",
    "linalg.qr",
    "linalg.matrix_power",
    "einsum",
    "block",
    "histogram2d",
    "histogramdd",
}


@pytest.mark.filterwarnings("ignore")
def test_results_lie_in_memory_as_numpys() -> None:
    assert differing([dense, fortran], "d", lies_alike) <= LAID


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_values_have_the_bits_of_numpys_however_arrays_lie() -> None:
    assert differing([dense, fortran, strided, backwards], "df") <= set(DIFFER)
