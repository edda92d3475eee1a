"""Writes inside ``tg.vmap``: what NumPy's arrays hold after a loop over the examples, or an error.

The views and the writes are those of ``tests/autodiff/test_views.py``.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.test_views import REFUSED, VIEWS, WORKS, WRITES, X
from tests.each import for_each, named

BATCH = X + np.array([0.0, 100.0]).reshape(2, 1, 1)
WEIGHTS = np.arange(1.0, 13.0)


def program(
    view: Callable[[Any], Any], write: Callable[[Any], None], to_base: bool, own: bool = True
) -> Any:
    """A function of one example that writes to a view, or beside it, and gives both.

    What it writes to is its ``own``, or its argument.
    """

    def f(x: Any) -> Any:
        t = x * 1.0 if own else x
        seen = view(t)
        write(t if to_base else seen)
        return t * 1.0, seen * 1.0

    return f


def weighted(results: Any) -> Any:
    return sum(np.sum(r * np.resize(WEIGHTS, r.shape) * r) for r in results)


def slopes(f: Callable[[Any], Any], batch: Any) -> Any:
    """The gradients of ``weighted``, which is a square, by differences of any length."""
    found = np.zeros(batch.shape)
    for at in np.ndindex(batch.shape[1:]):
        unit = np.zeros(batch.shape[1:])
        unit[at] = 0.5
        for i, x in enumerate(batch):
            found[i, *at] = weighted(f(x + unit)) - weighted(f(x - unit))
    return found


def looped(f: Callable[[Any], Any], batch: Any) -> Any:
    """The results of NumPy's loop, or None where NumPy refuses."""
    try:
        columns = zip(*[f(x.copy()) for x in batch], strict=True)
    except ValueError:
        return None
    return [np.stack(column) for column in columns]


MADE: dict[str, Callable[[Any, Any], Any]] = {
    "vmap": lambda f, batch: tg.vmap(f)(batch),
    "along another axis": lambda f, batch: tg.vmap(f, 2)(np.moveaxis(batch, 0, 2).copy()),
    "of a recorded result": lambda f, batch: tg.vmap(f)(tg.Tensor(batch, requires_grad=True) * 1),
    "recorded inside": lambda f, batch: tg.vmap(lambda x: tg.vjp(f, x)[0])(batch),
    "of a vmap": lambda f, batch: [v[0] for v in tg.vmap(tg.vmap(f))(batch[None])],
    "the same for all": lambda f, batch: [
        np.stack(rows)
        for rows in zip(*[[r.detach().numpy()[0] for r in _for_all(f, x)] for x in batch],
                        strict=True)
    ],
}  # fmt: skip


def twofold(f: Callable[[Any], Any], batch: Any) -> Any:
    """All examples in a ``vmap`` whose own examples are others."""
    return tg.vmap(lambda y: [r + y for r in tg.vmap(f)(batch)])(np.zeros(1))


def _for_all(f: Callable[[Any], Any], x: Any) -> Any:
    w = tg.Tensor(x, requires_grad=True)
    return tg.vmap(lambda one: [r * one for r in f(w)])(tg.Tensor(np.ones(1)))


OF_ARGUMENTS: dict[str, Callable[[Any, Any], Any]] = {
    "vmap": MADE["vmap"],
    "of a vmap": lambda f, batch: [v[0] for v in twofold(f, batch)],
    "recorded outside": lambda f, batch: [
        v[0] for v in tg.vjp(lambda b: twofold(f, b), batch)[0]
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_has_numpys_effect_or_is_refused(name: str) -> None:
    plain, *others = MADE
    turns = itertools.islice(itertools.cycle(others), list(VIEWS).index(name), None)
    for (what, write), to_base in itertools.product(WRITES.items(), [False, True]):
        f = program(VIEWS[name], write, to_base)
        expected = looped(f, BATCH)
        for kind in (plain, next(turns)):
            made = MADE[kind]
            with named(name, kind, what, "to the base" if to_base else "to the view"):
                try:
                    found = made(f, BATCH)
                except REFUSED:
                    assert to_base or name not in WORKS or what not in ("set", "add", "multiply")
                    continue
                assert expected is not None, "NumPy refuses"
                for a, b in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(np.asarray(getattr(a, "data", a)), b)


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_an_argument_has_numpys_effect_on_the_example_or_is_refused(name: str) -> None:
    for what, to_base in itertools.product(["set", "add to a part"], [False, True]):
        f = program(VIEWS[name], WRITES[what], to_base, own=False)
        expected = looped(f, BATCH)
        for kind, made in OF_ARGUMENTS.items():
            with named(name, kind, what, "to the base" if to_base else "to the view"):
                try:
                    found = made(f, BATCH.copy())
                except REFUSED:
                    assert to_base or name not in WORKS or what != "set"
                    continue
                assert expected is not None, "NumPy refuses"
                for a, b in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(np.asarray(getattr(a, "data", a)), b)


OF_EACH: dict[str, Callable[[Any], Any]] = {
    "vmap of grad": lambda f: lambda batch: tg.vmap(tg.grad(lambda x: weighted(f(x))))(batch),
    "grad of vmap": lambda f: tg.grad(
        lambda batch: np.sum(tg.vmap(lambda x: weighted(f(x)))(batch))
    ),
    "product with a Hessian": lambda f: lambda batch: tg.hvp(
        lambda b: np.sum(tg.vmap(lambda x: weighted(f(x)))(b)), batch, batch
    ) + tg.grad(lambda b: np.sum(tg.vmap(lambda x: weighted(f(x)))(b)))(0.0 * batch),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_gradients_go_through_writes(name: str) -> None:
    for what in ("set", "add", "multiply"):
        f = program(VIEWS[name], WRITES[what], False)
        expected = slopes(f, BATCH)
        for kind, made in OF_EACH.items():
            with named(name, kind, what):
                np.testing.assert_allclose(made(f)(BATCH), expected, rtol=1e-9)


REPLAYED: dict[str, Callable[[Any], Any]] = {
    "a row": lambda t: t[0].__setitem__(1, t[1, 0]),
    "a transposed row": lambda t: t.T[1:].__setitem__(0, t[0, 1]),
    "an element": lambda t: t.__setitem__((0, 1), t[1, 1] * 3),
    "an update": lambda t: t.__iadd__(t[0] * 2),
    "np.add.at": lambda t: np.add.at(t, [0, 0], t[1] * 1),
}


@for_each(REPLAYED)
def test_writes_are_replayed(name: str) -> None:
    def f(x: Any) -> Any:
        t = x * 2.0
        REPLAYED[name](t)
        return np.sum(t * t)

    batch = BATCH[:, :2, :2]
    for transform in (
        tg.vmap(f), tg.vmap(tg.grad(f)), tg.jacobian(tg.vmap(f)),
        tg.vmap(lambda x: tg.hvp(f, x, x)), lambda b: twofold(lambda x: [f(x)], b)[0],
    ):  # fmt: skip
        replayed = tg.replay(transform)
        for k in range(3):
            found = replayed(batch + k)
        np.testing.assert_array_equal(found, transform(batch + 2))


def test_values_of_examples_are_written_into_what_is_the_same_for_all() -> None:
    def f(x: Any) -> Any:
        t = tg.Tensor(np.zeros(3))
        t[:1][0] = x
        t.reshape(3, 1)[1:][1] = x * 2
        return t

    def g(x: Any) -> Any:
        return np.sum(f(x) ** 2)

    np.testing.assert_array_equal(tg.vmap(f)(np.arange(3.0)), [[0, 0, 0], [1, 0, 2], [2, 0, 4]])
    np.testing.assert_array_equal(tg.vmap(tg.grad(g))(np.arange(3.0)), [0, 10, 20])


def test_a_tensor_from_outside_keeps_its_value() -> None:
    for w in (tg.Tensor(np.zeros(2)), tg.Tensor(np.zeros(2), requires_grad=True) * 1):

        def leak(x: Any, w: Any = w) -> Any:
            w[0] = x
            return x

        with pytest.raises(tg.TapeError, match="one for each example; write into a copy of it"):
            tg.vmap(leak)(np.ones(3))
        assert w.tolist() == [0, 0]
    w = tg.Tensor(np.zeros(2))
    with pytest.raises(tg.TapeError, match="one for each example"):
        tg.vmap(lambda x, w: w.__setitem__(0, x), (0, None))(np.ones(3), w)
    assert w.tolist() == [0, 0]
    array = np.zeros(2)
    with pytest.raises(ValueError, match="sequence") as caught:  # NumPy's, because of ours
        tg.vmap(lambda x, w: w.__setitem__(0, x), (0, None))(np.ones(3), array)
    assert "write into a Tensor in place of an array" in str(caught.value.__cause__)


LAID: dict[str, Callable[[Any], Any]] = {
    "a sum": lambda x: x + 1.0,
    "a transpose": lambda x: x.T * 1.0,
    "a copy": lambda x: x.T.copy(),
    "np.copy": lambda x: np.copy(x.T),
    "np.copy in C's order": lambda x: np.copy(x.T, order="C"),
    "np.copy in Fortran's order": lambda x: np.copy(x, order="F"),
    "np.copy as it lies": lambda x: np.copy(x.T, order="A"),
    "another dtype": lambda x: x.T.astype(np.float32),
    "another dtype in C's order": lambda x: x.T.astype(np.float64, order="C"),
    "the same dtype in Fortran's order": lambda x: x.astype(np.float64, order="F", copy=False),
    "a ufunc in Fortran's order": lambda x: np.add(x, 1.0, order="F"),
    "a copy of what is broadcast": lambda x: np.broadcast_to(x[0], (3, 4)).copy(),
    "columns": lambda x: x[:, [0, 2, 1]],
    "np.take": lambda x: np.take(x, [0, 2, 1], axis=1),
    "np.stack": lambda x: np.stack([x[0], x[1], x[2]], 1),
    "np.concatenate": lambda x: np.concatenate([x.T, x.T]),
    "np.sort": lambda x: np.sort(x.T, axis=0),
    "np.cumsum": lambda x: np.cumsum(x, axis=0),
    "np.fft": lambda x: np.abs(np.fft.fft(x.T, axis=0)),
    "np.pad": lambda x: np.pad(x.T, ((0, 0), (0, 3))),
    "einsum": lambda x: np.einsum("ij,jk->ki", x, x.T),
    "beside zeros": lambda x: np.zeros((3, 3)).T + x[:, :3],
}
ROWS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda t: t.reshape(-1),
    "reshape of a transpose": lambda t: np.reshape(t.T, (-1, 3)),
}


@for_each(LAID)
def test_a_reshape_is_a_view_where_that_of_one_example_is(name: str) -> None:
    """An example is one in memory of its own: what lies between two of them is not seen."""
    for (what, row), to_base in itertools.product(ROWS.items(), [False, True]):

        def f(x: Any, row: Any = row, to_base: bool = to_base) -> Any:
            t = LAID[name](x)
            v = row(t)
            (t if to_base else v)[0] = 100.0
            return [t, v]

        expected = looped(f, BATCH)
        assert expected is not None
        batches = [(axis, np.moveaxis(BATCH, 0, axis).copy()) for axis in (0, 1, 2)]
        batches += [(0, np.moveaxis(batch, axis, 0)) for axis, batch in batches[1:]]
        for axis, batch in batches:
            with named(
                name, what, axis, batch.strides, "to the base" if to_base else "to the view"
            ):
                try:
                    found = tg.vmap(f, axis)(batch)
                    twice = tg.vmap(tg.vmap(f, axis), 2)(np.stack([batch, batch], 2))
                except tg.TapeError:
                    assert to_base
                    continue
                for a, b, both in zip(found, expected, twice, strict=True):
                    np.testing.assert_array_equal(a, b)
                    np.testing.assert_array_equal(both[1], b)
