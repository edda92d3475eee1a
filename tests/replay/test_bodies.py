"""The body of an operation: the same bits into new memory, into memory that is there, and noted."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import CASES, Case, full_name
from tests.each import for_each
from tests.replay.twins import same
from tinygrad_np.autodiff import primitives
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.nn import functional as F
from tinygrad_np.replay import kernels

WITH_BODY = [case for case in CASES if case.fn in TABLE and TABLE[case.fn].traits.body is not None]


def results(case: Case) -> tuple[Any, Any, Any]:
    """By the function itself, by its body, and by its body into memory that holds other numbers."""
    body: Any = TABLE[case.fn].traits.body
    plain = case.call(*case.variables)
    made = np.asarray(case.call(*case.variables, fn=body))
    out = np.full_like(made, 1 if made.dtype.kind == "b" else 7)
    found = case.call(*case.variables, fn=lambda *args, **options: body(*args, out=out, **options))
    return plain, made, found


def test_every_body_computes_the_same_into_memory_that_is_there() -> None:
    for case in WITH_BODY:
        plain, made, found = results(case)
        assert same(np.asarray(plain), made), case.id
        assert same(np.asarray(found), made), case.id
    assert {full_name(case.fn) for case in WITH_BODY} >= {"sum", "mean", "max", "neural.pick"}


NOT_FINITE = np.array([[1.0, np.nan, np.inf], [2.0, 3.0, -0.0]])


OVERWRITING = [fn for fn, rule in TABLE.items() if rule.traits.overwrites and rule.traits.body]


@pytest.mark.parametrize("fn", OVERWRITING, ids=lambda fn: fn.__name__)
def test_what_may_be_overwritten_is_right_in_place(fn: Any) -> None:
    body: Any = TABLE[fn].traits.body
    for x in (NOT_FINITE, NOT_FINITE[1:], NOT_FINITE.T):
        other = np.arange(len(x)) % x.shape[1] if fn is neural.less_one_hot else (x > 1) * 1.0
        made = body(x, other)
        for order in ("C", "F"):
            mine: Any = np.array(x, made.dtype, order=order)
            assert body(mine, other, out=mine) is mine and same(mine, made)
            mine = np.full_like(made, 7, order=order)
            assert body(x, other, out=mine) is mine and same(mine, made)


def test_gradients_of_labels_are_right_in_any_layout() -> None:
    g, labels = np.arange(1.0, 4.0), np.array([2, 0, 1])
    for order in ("C", "F"):
        out: Any = np.full((3, 4), 7.0, order=order)
        assert neural.place(g, labels, 4, out=out) is out
        assert same(out, neural.place(g, labels, 4))


def test_python_of_a_body_runs_once_and_its_calls_are_repeated(monkeypatch: Any) -> None:
    runs = []

    @primitives.primitive
    def spread(x: Any, *, out: Any = None) -> Any:
        runs.append(out)
        rest = np.subtract(x, 1)
        return np.multiply(rest, 2, out=out)

    monkeypatch.setattr(spread.implementation, "__module__", "tinygrad_np.autodiff.primitives")  # type: ignore[attr-defined]
    rule = type(TABLE[np.any])(spread, (), None, False, None, 0)
    monkeypatch.setitem(TABLE, spread, rule)
    step = tg.replay(lambda x: spread(x * 1.0) + 0.0)
    inputs = [np.full(3, float(k)) for k in range(9)]
    for k, x in enumerate(inputs):
        assert step(x).tolist() == [2.0 * (k - 1)] * 3
    assert len(runs) < len(inputs)  # at 1, 2, 4 and 8 it is compared with eager mode again


def test_a_body_that_looks_at_values_is_called_as_a_whole() -> None:
    step = tg.replay(lambda x: np.sum(np.where(x > 0, np.log(x), 0)))
    w = tg.Tensor([1.0, 0.0, 2.0], requires_grad=True)
    gradient = tg.replay(lambda x: tg.grad(lambda t: np.sum(np.where(x > 0, np.log(t), 0)))(w * x))
    with np.errstate(all="ignore"):
        for k in range(5):
            x = np.array([1.0, 0.0, k + 1.0])
            assert step(x).item() == np.log(k + 1.0)
            assert gradient(x).tolist() == [1.0, 0.0, 1 / (2 * (k + 1.0))]


@for_each(
    [
        bool,
        float,
        iter,
        np.asarray,
        lambda x: x.max(),
        lambda x: x[x > 0],
        lambda x: x[(x,)],
        np.linalg.norm,
        lambda x: np.add.reduce(x, 0),
        lambda x: np.modf(x),
        lambda x: x.T.ravel(),
        lambda x: x.dot(x, None),
        lambda x: np.add(x, 1, out=np.zeros((2, 3))),
        lambda x: np.multiply.outer(x, x),
    ]
)
def test_what_depends_on_values_cannot_be_noted(look: Any) -> None:
    held = np.ones((2, 3))
    with pytest.raises(kernels.UntraceableError):
        look(kernels.Traced(kernels.Tracer(kernels.Cells()), held, np.ones((2, 3))))


def test_labels_of_every_size() -> None:
    """300 classes: no uint8 can be wrong, and an int8 may be -1."""
    x = np.random.default_rng(0).standard_normal((4, 300))
    for dtype in (np.uint8, np.int8, np.uint64, np.int16):
        labels = np.array([0, 3, 100, 7], dtype)
        step = tg.replay(lambda x, y: F.cross_entropy(x, y))
        for _ in range(3):
            assert step(x, labels).item() == F.cross_entropy(tg.Tensor(x), labels).item()
    with pytest.raises(tg.DataError, match="labels from -1 to 7 for 300 classes"):
        F.cross_entropy(tg.Tensor(x), np.array([0, -1, 2, 7], np.int8))


@pytest.mark.parametrize(
    "fn", [np.sum, np.mean, np.var, np.std, np.prod, np.cumsum, np.linalg.norm]
)
def test_float16_is_rounded_where_eager_mode_rounds(fn: Any) -> None:
    for axis in (None, 0):
        step = tg.replay(lambda x, axis=axis: fn(x, axis=axis), verify=False)
        for seed in range(6):
            x = np.random.default_rng(seed).standard_normal((13, 10)).astype(np.float16)
            assert step(x).numpy().tobytes() == np.asarray(fn(tg.Tensor(x), axis=axis)).tobytes()
