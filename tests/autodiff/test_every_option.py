"""The options that NumPy documents, for every differentiable function on the coverage page.

What ``test_options.py`` does for the commonest, for the others: each option with a few values has
the value and the gradient of NumPy's function, in eager mode and replayed, or is refused.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import coverage
from tests.autodiff.test_options import FUNCTIONS, A, B, M, compare_slopes, flat
from tests.each import for_each

pytestmark = pytest.mark.slow

V, W = A[0], B[1]
BOTH: dict[str, list[Any]] = {
    "axis": [0, 1, -1, None], "axes": [0, (0,), (1, 0), None], "keepdims": [True],
    "out": [np.zeros((3, 3))], "initial": [0.3], "where": [M], "dtype": [np.float32, complex],
    "decimals": [1], "copy": [True, False], "device": ["cpu"], "weights": [V, B],
    "minlength": [5], "subok": [True], "mode": ["same", "valid", "full", "wrap", "clip"],
    "rowvar": [False], "y": [B], "bias": [True], "ddof": [0, 1], "fweights": [[1, 2, 1]],
    "aweights": [[0.3, 1.0, 0.6]], "axisa": [0], "axisb": [0], "axisc": [0],
    "include_initial": [True], "k": [1, [0.5]], "to_end": [[0.5]], "to_begin": [[0.5]],
    "optimize": [True, "greedy"], "num": [5], "endpoint": [False], "edge_order": [2],
    "bins": [4], "range": [(0.0, 1.0)], "density": [True], "left": [0.2], "right": [0.9],
    "period": [0.8], "retstep": [True], "base": [2.0], "overwrite_input": [True],
    "sparse": [True], "indexing": ["ij", "xy"], "full": [True], "w": [[0.3, 1.0, 0.6]],
    "cov": [True, "unscaled"], "rcond": [1e-8], "m": [1, 2], "tol": [50], "default": [0.5],
    "assume_unique": [True], "x": [[0.1, 0.4, 0.9]], "dx": [0.3], "trim": ["f", "b"],
    "return_index": [True], "return_inverse": [True], "return_counts": [True],
    "equal_nan": [False], "sorted": [True], "discont": [3.0], "N": [2], "increasing": [True],
    "UPLO": ["U", "L"], "ord": [1, 2, np.inf, "fro", "nuc"], "offset": [1], "ind": [1],
    "n": [2, 5], "s": [(2, 2), (4, 5)], "norm": ["ortho", "forward", "backward"],
    "like": [None], "writeable": [False], "casting": ["same_kind", "safe"],
    "method": ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull",
               "inverted_cdf", "averaged_inverted_cdf", "median_unbiased"],
}  # fmt: skip
TWO = ("cross", "linalg.cross", "linalg.vecdot", "linalg.tensordot", "linalg.matmul")
LINES = dict.fromkeys(
    ("bincount", "convolve", "correlate", "ediff1d", "trim_zeros", "vander", "polyder", "polyint",
     "polyfit", "interp", "histogram2d", "setdiff1d", "setxor1d", "geomspace", "linspace",
     "logspace")
)  # fmt: skip
CALLS: dict[str, tuple[list[Any], Callable[..., Any]]] = {
    "bincount": ([V], lambda f, v, **o: f([0, 1, 1], v, **o)),
    "choose": ([A, B], lambda f, a, b, **o: f(M.astype(int), [a, b], **o)),
    "compress": ([A], lambda f, a, **o: f([True, False, True], a, **o)),
    "convolve": ([V, W], lambda f, v, w, **o: f(v, w, **o)),
    "correlate": ([V, W], lambda f, v, w, **o: f(v, w, **o)),
    "broadcast_arrays": ([A, V], lambda f, a, v, **o: f(a, v, **o)),
    "ediff1d": ([V], lambda f, v, **o: f(v, **o)),
    "einsum": ([A, B], lambda f, a, b, **o: f("ij,jk->ik", a, b, **o)),
    "geomspace": ([V[0], V[2]], lambda f, a, b, **o: f(a, b, **{"num": 4, **o})),
    "linspace": ([V[0], V[2]], lambda f, a, b, **o: f(a, b, **{"num": 4, **o})),
    "logspace": ([V[0], V[2]], lambda f, a, b, **o: f(a, b, **{"num": 4, **o})),
    "histogram2d": ([V, W], lambda f, v, w, **o: f(v, w, **{"bins": 3, **o})),
    "insert": ([A, V], lambda f, a, v, **o: f(a, 1, v, **{"axis": 0, **o})),
    "interp": ([V], lambda f, v, **o: f(v, [0.1, 0.5, 0.7], W, **o)),
    "meshgrid": ([V, W], lambda f, v, w, **o: f(v, w, **o)),
    "polyfit": ([V], lambda f, v, **o: f([0.0, 0.4, 1.0, 1.5, 2.1, 3.0][: v.size], v, 1, **o)),
    "percentile": ([A], lambda f, a, **o: f(a, 30, **o)),
    "nanpercentile": ([A], lambda f, a, **o: f(a, 30, **o)),
    "quantile": ([A], lambda f, a, **o: f(a, 0.3, **o)),
    "nanquantile": ([A], lambda f, a, **o: f(a, 0.3, **o)),
    "select": ([A, B], lambda f, a, b, **o: f([M, ~M], [a, b], **o)),
    "setdiff1d": ([V], lambda f, v, **o: f(v, W, **o)),
    "setxor1d": ([V], lambda f, v, **o: f(v, W, **o)),
    "row_stack": ([A, B], lambda f, a, b, **o: f([a, b], **o)),
    "linalg.lstsq": ([A, V], lambda f, a, b, **o: f(a, b, **o)),
    "linalg.multi_dot": ([A, B], lambda f, a, b, **o: f([a, b, a], **o)),
    "linalg.tensorsolve": ([A, V], lambda f, a, b, **o: f(a, b, **o)),
    "lib.stride_tricks.sliding_window_view": ([A], lambda f, a, **o: f(a, 2, **{"axis": 0, **o})),
    "fromfunction": ([A], lambda f, a, **o: f(lambda i, j: a * (i + j), (3, 3), **o)),
}  # fmt: skip


def differentiable() -> dict[str, Any]:
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, fn in coverage.names().items():
            known = fn in FUNCTIONS or isinstance(fn, np.ufunc)
            if not known and coverage.classify(name, fn) == coverage.DIFFERENTIABLE:
                found[name] = fn
    return found


ROWS = differentiable()


def calls(name: str) -> Iterator[tuple[list[Any], dict[str, Any], Callable[..., Any]]]:
    fn = ROWS[name]
    one = [V] if name in LINES else [A]
    operands, form = CALLS.get(
        name, ([A, B] if name in TWO else one, lambda f, *xs, **o: f(*xs, **o))
    )
    places = inspect.signature(fn).parameters.values()
    for place in places:
        if place.default is place.empty and place.kind is not place.KEYWORD_ONLY:
            continue
        for value in BOTH[place.name]:
            options = {place.name: value}
            yield operands, options, lambda *xs, o=options: form(fn, *xs, **o)


def replays_as_eager(operands: list[Any], call: Any, shown: str) -> None:
    """The gradient by the first operand; from the second call on that of the program."""

    def total(x: Any) -> Any:
        outs = [o for o in flat(call(x, *operands[1:])) if isinstance(o, tg.Tensor)]
        return sum(np.sum(np.real(o) * 0.7) for o in outs if o.dtype.kind in "fc")

    eager, step = tg.grad(total)(operands[0]), tg.replay(tg.grad(total))
    for _ in range(3):
        try:
            found = step(operands[0])
        except tg.ReplayError:  # of a result whose shape is a matter of values
            return
        np.testing.assert_array_equal(found, eager, err_msg=shown)


@for_each(ROWS)
def test_every_option_is_honoured_or_refused(name: str) -> None:
    for operands, options, call in calls(name):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            compare_slopes(ROWS[name], operands, options, call)
            given = tg.Tensor(operands[0], requires_grad=True)
            try:
                outs = flat(call(given, *operands[1:]))
            except Exception:
                continue
            if any(isinstance(o, tg.Tensor) and o.requires_grad for o in outs):
                replays_as_eager(operands, call, f"{name} {options}")
