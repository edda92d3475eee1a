"""float16: results and gradients are those of float32, rounded, over the whole table of cases."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.autodiff.cases import CASES, Case
from tests.each import for_each, run_all
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.nn import functional as F

ROUNDS_INSIDE = ("networks.tall_product",)  # a product whose forward sums cancel


def is_half(case: Case) -> bool:
    """Whether real numbers of float16 give such: NumPy's solvers refuse them, others widen."""
    kinds = {v.dtype.kind for v in case.variables}
    if kinds != {"f"} or case.id.startswith(ROUNDS_INSIDE):
        return False
    half = case.astype("f2")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = leaves(half.call(*half.variables))
    except TypeError as error:
        if "float16 is unsupported in linalg" not in str(error):
            raise
        return False
    return all(np.asarray(part).dtype in (np.float16, int, bool) for part in results)


def tensors(found: Any) -> list[Any]:
    found = list(found) if isinstance(found, (tuple, list)) else found
    return [t for t in leaves(found) if isinstance(t, tg.Tensor) and t.requires_grad]


def swept(case: Case, dtype: str, variables: list[Any]) -> tuple[list[Any], list[Any]]:
    """Results, and gradients of their sums, at variables of this dtype."""
    given = [tg.Tensor(v.astype(dtype), requires_grad=True) for v in variables]
    outs = tensors(case.call(*given))
    for out in outs:
        out.backward(np.ones(out.shape, out.dtype), retain_graph=True)
    slopes = [None if t.grad is None else t.grad.numpy() for t in given]
    return [out.detach().numpy() for out in outs], slopes


def assert_close(ours: Any, theirs: Any, share: float) -> None:
    """Equal but for some roundings of the largest element."""
    wanted = theirs.astype(np.float16).astype(float)
    room = share * np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted)) + 2e-3
    sure = np.isfinite(wanted)
    assert np.all(np.abs(ours.astype(float) - wanted)[sure] <= room)


def test_half_is_single_rounded() -> None:
    run_all(half_is_single_rounded, [(case,) for case in CASES if is_half(case)])


def half_is_single_rounded(case: Case) -> None:
    halves = case.astype("f2").variables
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outs, slopes = swept(case.astype("f2"), "f2", halves)
        wide, wanted = swept(case.astype("f4"), "f4", halves)
    for out, other in zip(outs, wide, strict=True):
        if other.dtype == np.float32:
            assert out.dtype == np.float16
        assert_close(out, other, 4e-3)
    for slope, other in zip(slopes, wanted, strict=True):
        if slope is not None:
            assert slope.dtype == np.float16
            assert_close(slope, other, 8e-3)


N = 5000
SUMS: dict[str, Callable[[Any], Any]] = {
    # each element of t (4, 3) is used so often that float16 would stop counting at 2,048
    "index": lambda t: t[np.zeros(N, int)],
    "take": lambda t: np.take(t, np.zeros(N, int), axis=0),
    "take_along_axis": lambda t: np.take_along_axis(t, np.zeros((N, 3), int), 0),
    "embedding": lambda t: F.linear(t[np.zeros(N, int)], np.eye(3, dtype="f2"), np.zeros(3, "f2")),
    "broadcasting": lambda t: t + np.zeros((N, 4, 3), np.float16),
    "broadcast_to": lambda t: np.broadcast_to(t, (N, 4, 3)),
    "repeat": lambda t: np.repeat(t, N, axis=0),
    "repeats": lambda t: np.repeat(t, [N, 1, 1, 1], axis=0),
    "tile": lambda t: np.tile(t, (N, 1)),
    "resize": lambda t: np.resize(t, (4 * N, 3)),
    "matmul": lambda t: np.ones((N, 4), np.float16) @ t,
    "linear": lambda t: F.linear(np.ones((N, 3), np.float16), t, np.zeros(4, np.float16)),
    "einsum": lambda t: np.einsum("ni,ij->nj", np.ones((N, 4), np.float16), t),
    "cumsum": lambda t: np.cumsum(np.concatenate([t[:1], np.zeros((N - 1, 3), "f2")]), axis=0),
}  # fmt: skip


@for_each(SUMS, [False, True])
def test_gradients_of_many_uses_add_up_in_float32(name: str, create_graph: bool) -> None:
    t = tg.Tensor(np.full((4, 3), 0.01, np.float16), requires_grad=True)
    out = SUMS[name](t)
    out.backward(np.ones(out.shape, np.float16), create_graph=create_graph)
    assert t.grad is not None and t.grad.dtype == np.float16
    assert t.grad.tolist()[0] == [N] * 3
    t.grad = None
