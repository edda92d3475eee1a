"""Threads that share a leaf, arrays that are lent, updates in place, and gradients without axes."""

import gc
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.autodiff import guards

# Threads.


@pytest.fixture
def _eager_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], None], count: int = 4) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in failed:
        raise error


@pytest.mark.usefixtures("_eager_switches")
@pytest.mark.parametrize("create_graph", [False, True])
def test_threads_lose_no_gradient_of_a_common_leaf(create_graph: bool) -> None:
    w, v = tg.Tensor([0.0, 0.0], requires_grad=True), tg.Tensor(0.0, requires_grad=True)

    def work() -> None:
        for _ in range(200):
            np.sum(w * 1.0 + v).backward(create_graph=create_graph)

    in_threads(work)
    assert w.grad is not None and w.grad.tolist() == [800.0, 800.0]
    assert v.grad is not None and v.grad.item() == 1600.0
    w.grad = v.grad = None


@pytest.mark.usefixtures("_eager_switches")
def test_a_write_of_a_thread_is_not_forgotten_for_an_earlier_one() -> None:
    storage = guards.Storage(np.zeros(1))
    latest: list[int] = []

    def work() -> None:
        for _ in range(500):
            before = guards.next_number()
            storage.write()
            assert storage.written > before
            latest.append(before)

    in_threads(work)
    assert storage.written > max(latest) and storage.touched == storage.written


@pytest.mark.usefixtures("_eager_switches")
def test_views_made_by_several_threads_are_all_seen() -> None:
    for _ in range(50):
        t = tg.Tensor(np.zeros((4, 2)), requires_grad=True) * 1
        views: list[Any] = []
        in_threads(lambda t=t, views=views: views.append(t[0]))
        assert len({id(view._shared) for view in views}) == 1
        with pytest.raises(tg.TapeError, match="shares its memory"):
            t[0] = 1.0


LINKS: dict[str, Callable[[Any], Any]] = {
    "where": lambda u: np.where(True, u, 0.0),
    "add": lambda u: u + 0.0 * u,  # by the sweep's quick way
    "matmul": lambda u: u @ np.eye(3),
    "concatenate": lambda u: np.concatenate([u[:1], u[1:]]),
}


@pytest.mark.usefixtures("_eager_switches")
@for_each(LINKS, [1, 2], [{}, {"create_graph": True}, {"retain_graph": True}])
def test_a_graph_swept_by_two_threads_is_refused_or_right(
    link: str, roots: int, options: dict[str, bool]
) -> None:
    for _ in range(25):
        w = tg.Tensor(np.ones(3), requires_grad=True)
        u = w
        for _ in range(10):
            u = LINKS[link](u)
        losses, swept = [np.sum(u) for _ in range(roots)] * (3 - roots), []

        def work(losses: list[Any] = losses, swept: list[int] = swept) -> None:
            try:
                losses.pop().backward(**options)
            except tg.TapeError as error:
                assert "released by an earlier backward" in str(error)
                return
            swept.append(1)

        in_threads(work, 2)
        found = 0.0 if w.grad is None else w.grad.tolist()[0]
        assert found == len(swept) > 0
        assert not options or len(swept) == 2
        w.grad = None


# Arrays that are lent.


def test_weights_are_watched_only_while_somebody_holds_their_array() -> None:
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True)
    storage = w._storage
    assert storage is not None
    array = w.data
    assert w.data is array and storage.exposed and array.flags.writeable
    row = array[0].reshape(-1)[:1]
    del array
    assert storage.exposed  # by a view of a view
    view = memoryview(row)
    del row
    assert storage.exposed  # by a buffer
    del view
    assert not storage.exposed and storage.print is None
    assert np.shares_memory(w.data, w._array)
    assert not storage.exposed


@for_each([(), (0,), (2, 3), (2, 0, 3)], "efdgFD", "CF")
def test_what_is_lent_is_the_array(shape: Any, dtype: str, order: Any) -> None:
    w = tg.Tensor(np.zeros(shape, dtype, order), requires_grad=True)
    array = w.data
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.strides == w._array.strides or not array.size
    array[...] = 7
    assert (w._array == 7).all()


MOMENTS = ["before", "between", "after"]


@for_each(MOMENTS, [False, True], [3, 200_000])
def test_a_raw_write_counts_from_the_moment_it_was_made(moment: str, held: bool, size: int) -> None:
    w = tg.Tensor(np.ones(size), requires_grad=True)
    array = w.data if held else None

    def write() -> None:
        w.data[...] = 2.0

    if moment == "before":
        write()
    result = np.sum(w * w)
    if moment == "between":
        write()
        with pytest.raises(tg.StaleValueError, match="overwritten"):
            result.backward()
        return
    result.backward()
    if moment == "after":
        write()
    assert w.grad is not None and w.grad[0].item() == (4.0 if moment == "before" else 2.0)
    assert array is None or array[0] == 2.0


@pytest.mark.parametrize("held", [False, True])
def test_raw_writes_before_second_derivatives(held: bool) -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    array = w.data if held else None
    w.data[...] = [3.0, 4.0]
    inner = tg.grad(lambda u: np.sum(u**3))
    assert tg.grad(lambda v: np.sum(inner(v)))(w).tolist() == [18.0, 24.0]
    w.data *= 2
    np.sum((w * w) ** 2).backward(create_graph=True)
    first, w.grad = w.grad, None
    assert first is not None
    np.sum(first).backward()
    assert w.grad is not None and w.grad.tolist() == [12 * 36.0, 12 * 64.0]
    assert array is None or array.tolist() == [6.0, 8.0]


def test_an_array_outlives_its_tensor() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    array = w.data
    w.data = [5.0, 6.0]
    assert array.tolist() == [1.0, 2.0]  # it has memory of its own now
    array = w.data
    del w
    gc.collect()
    assert array.tolist() == [5.0, 6.0]


# Updates in place.

UPDATES = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv,
    "//=": operator.ifloordiv, "%=": operator.imod, "**=": operator.ipow, "@=": operator.imatmul,
    "&=": operator.iand, "|=": operator.ior, "^=": operator.ixor, "<<=": operator.ilshift,
    ">>=": operator.irshift,
}  # fmt: skip
REAL = ["+=", "-=", "*=", "/=", "//=", "%=", "**=", "@="]


@for_each(UPDATES)
def test_updates_are_in_place_as_numpys_are(name: str) -> None:
    update = UPDATES[name]
    for dtype in ("f8", "f4", "i8", "?"):
        x, other = np.array([[[5, 3], [2, 7]], [[2, 1], [1, 2]]]).astype(dtype)
        t = tg.Tensor(x)
        alias, expected = t, x.copy()
        try:
            update(expected, other)
        except TypeError:
            with pytest.raises(TypeError):
                update(t, other)
            continue
        assert update(t, other) is alias
        np.testing.assert_array_equal(alias.numpy(), expected)
        assert alias.dtype == x.dtype


@for_each(REAL)
def test_updates_of_results_are_recorded_and_of_leaves_refused(name: str) -> None:
    update, other = UPDATES[name], np.array([[2.0, 1.0], [1.0, 2.0]])
    x = np.array([[5.0, 3.0], [2.5, 7.0]])
    w = tg.Tensor(x, requires_grad=True)
    with pytest.raises(tg.TapeError, match=r"in place .* on a leaf"):
        update(w, other)
    t = w * 1
    alias = t
    t = update(t, other)
    assert alias is t
    if t.requires_grad:
        np.sum(t).backward()
        plain = operator.attrgetter(update.__name__[1:])(operator)
        assert w.grad is not None
        assert w.grad.tolist() == tg.grad(lambda u: np.sum(plain(u, other)))(x).tolist()
    with tg.no_grad():
        update(w, other)
    np.testing.assert_array_equal(w.numpy(), update(x.copy(), other))


def test_an_update_that_does_not_fit_is_refused() -> None:
    t = tg.Tensor([1, 2])
    with pytest.raises(TypeError, match="int64"):
        t //= 1.5
    with pytest.raises((ValueError, TypeError)):
        t @= np.ones(2)
    assert t.tolist() == [1, 2]
    assert (1 << tg.Tensor([1, 2])).tolist() == [2, 4] and (8 >> t).tolist() == [4, 2]


# Gradients without axes are arrays.


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_arrays_however_often_they_are_added_to(create_graph: bool) -> None:
    w = tg.Tensor(2.0, requires_grad=True)
    for k in range(1, 4):
        (w * 3.0 + w).backward(create_graph=create_graph)
        assert w.grad is not None and type(w.grad._array) is np.ndarray
        assert w.grad.item() == 4.0 * k
    w.grad = None
    value, pullback = tg.vjp(lambda x: x * x, 3.0)
    assert type(value) is np.ndarray and type(pullback(1.0)[0]) is np.ndarray
    assert type(tg.grad(lambda x: x + x * x)(2.0)) is np.ndarray
