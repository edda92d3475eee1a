"""Clipped gradients and bounded rows: against PyTorch, against plain NumPy, and the same bits."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tests.optim.test_pack import assert_same, trained
from tinygrad_np import nn, optim
from tinygrad_np.optim import limits, pack

SHAPES: list[tuple[int, ...]] = [(6, 4), (6,), (3, 6), (), (0, 2), (2, 3, 4), (1, 5)]
LIMITED: dict[str, Callable[[Any], optim.Optimiser]] = {
    "norm": lambda p: optim.SGD(p, 0.1, momentum=0.9, clip_norm=2.0),
    "norm, decay": lambda p: optim.SGD(p, 0.1, weight_decay=0.1, clip_norm=2.0),
    "norm, rarely": lambda p: optim.Adam(p, 0.1, clip_norm=8.5),
    "values": lambda p: optim.RMSprop(p, 0.1, centered=True, clip_value=0.5),
    "values, decay": lambda p: optim.AdamW(p, 0.1, weight_decay=0.1, clip_value=0.5),
    "rows": lambda p: optim.SGD(p, 0.1, max_norm=0.9),
    "norm, rows": lambda p: optim.Adam(p, 0.1, weight_decay=0.1, clip_norm=2.0, max_norm=0.9),
}
every = pytest.mark.parametrize("name", LIMITED)


def drawn(seed: int, dtype: Any = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]


def leaves(seed: int = 0, dtype: Any = np.float64) -> list[tg.Tensor]:
    return [tg.Tensor(a, requires_grad=True) for a in drawn(seed, dtype)]


def set_gradients(params: list[tg.Tensor], grads: list[np.ndarray]) -> None:
    for p, g in zip(params, grads, strict=True):
        p.grad = tg.Tensor(np.array(g, p.dtype))


@pytest.mark.parametrize("most", [0.1, 3.0, 7.5, 100.0])
@pytest.mark.parametrize("missing", [(), (0, 2)])
def test_clip_norm_with_pytorch(most: float, missing: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    ours = leaves()
    theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in ours]
    optimiser = optim.SGD(ours, 0.1, momentum=0.9, weight_decay=0.1, clip_norm=most)
    other = torch.optim.SGD(theirs, 0.1, momentum=0.9, weight_decay=0.1)
    for step in range(15):
        grads = drawn(step + 1)
        set_gradients(ours, grads)
        for i, (twin, g) in enumerate(zip(theirs, grads, strict=True)):
            twin.grad = None if i in missing else torch.tensor(g)
        for i in missing:
            ours[i].grad = None
        torch.nn.utils.clip_grad_norm_(theirs, most)
        optimiser.step()
        other.step()
    for mine, twin in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_clip_value_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    ours = leaves()
    theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in ours]
    optimiser = optim.Adam(ours, 0.1, weight_decay=0.1, clip_value=0.3)
    other = torch.optim.Adam(theirs, 0.1, weight_decay=0.1)
    for step in range(100):
        grads = drawn(step + 1)
        set_gradients(ours, grads)
        for twin, g in zip(theirs, grads, strict=True):
            twin.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_value_(theirs, 0.3)
        optimiser.step()
        other.step()
    for mine, twin in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_max_norm_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    ours = leaves()
    theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in ours]
    optimiser = optim.AdamW(ours, 0.1, max_norm=1.3)
    other = torch.optim.AdamW(theirs, 0.1)
    for step in range(100):
        grads = drawn(step + 1)
        set_gradients(ours, grads)
        for twin, g in zip(theirs, grads, strict=True):
            twin.grad = torch.tensor(g)
        optimiser.step()
        other.step()
        with torch.no_grad():
            for twin in theirs:
                if twin.ndim > 1 and twin.numel():
                    twin.copy_(torch.renorm(twin, 2, 0, 1.3))
    for mine, twin in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), twin.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_the_norm_is_that_of_all_parameters_of_all_dtypes() -> None:
    """Gradients 3 and 4 in two packs: norm 5, brought to 1."""
    wide = tg.Tensor(np.zeros(1), requires_grad=True)
    half = tg.Tensor(np.zeros((1, 1), np.float32), requires_grad=True)
    optimiser = optim.SGD([wide, half], 1.0, clip_norm=1.0)
    wide.grad, half.grad = tg.Tensor([3.0]), tg.Tensor(np.full((1, 1), 4.0, np.float32))
    optimiser.step()
    assert len(optimiser._packs) == 2
    assert [-wide.item(), -half.item()] == pytest.approx([0.6, 0.8], rel=1e-6)
    assert wide.grad.item() == 3.0 and half.grad.item() == 4.0


def test_small_gradients_are_not_clipped() -> None:
    limited, free = leaves(), leaves()
    optimisers = [optim.SGD(limited, 0.1, clip_norm=50.0), optim.SGD(free, 0.1)]
    for params, optimiser in zip((limited, free), optimisers, strict=True):
        set_gradients(params, drawn(1))
        optimiser.step()
    assert_same(limited, free)


@every
def test_gradients_stay_what_backward_found(name: str) -> None:
    params = leaves()
    optimiser = LIMITED[name](params)
    set_gradients(params, drawn(1))
    optimiser.step()
    for p, g in zip(params, drawn(1), strict=True):
        assert p.grad is not None
        np.testing.assert_array_equal(p.grad.numpy(), g)


def test_a_norm_that_is_not_finite_is_no_step_along_finite_gradients() -> None:
    p, q = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimiser = optim.SGD([p, q], 0.1, clip_norm=1.0)
    p.grad, q.grad = tg.Tensor([1e200]), tg.Tensor([1.0])
    with np.errstate(over="ignore"):
        optimiser.step()
    assert (p.item(), q.item()) == (1.0, 1.0)
    p.grad = tg.Tensor([np.nan])
    optimiser.step()
    assert np.isnan(p.item()) and np.isnan(q.item())


def test_rows_below_the_bound_are_left_alone() -> None:
    """And vectors; rows of [3, 4] have norm 5."""
    w = tg.Tensor([[3.0, 4.0], [0.3, 0.4]], requires_grad=True)
    b = tg.Tensor([3.0, 4.0], requires_grad=True)
    kernels = tg.Tensor(np.full((2, 2, 3, 3), 0.5), requires_grad=True)
    optimiser = optim.SGD([w, b, kernels], 0.0, max_norm=1.0)
    for p in (w, b, kernels):
        p.grad = tg.Tensor(np.zeros(p.shape))
    optimiser.step()
    np.testing.assert_allclose(w.numpy()[0], [0.6, 0.8], rtol=1e-7)
    assert w.numpy()[1].tolist() == [0.3, 0.4] and b.tolist() == [3.0, 4.0]
    np.testing.assert_allclose(kernels.numpy(), np.full((2, 2, 3, 3), 1 / np.sqrt(18)), rtol=1e-7)


@for_each(["f2", "f4", "f8", "c16"], ["C", "F", "strided"])
def test_bound_rows(dtype: str, order: Any) -> None:
    rng = np.random.default_rng(0)
    values = np.asarray(rng.standard_normal((5, 4, 3)) * 300, dtype)
    if dtype == "c16":
        values += 1j * values[::-1]
    values[2] *= np.asarray(0.0, dtype)
    values = (
        np.repeat(values, 2, 1)[:, ::2] if order == "strided" else np.array(values, order=order)
    )
    before = np.array(values, "c16")
    limits.bound_rows(values, 700.0)
    norms = np.sqrt((np.abs(before) ** 2).sum((1, 2)))
    expected = before * np.minimum(1, 700 / np.maximum(norms, 1e-3))[:, None, None]
    assert 0 < (norms > 700).sum() < 5
    np.testing.assert_allclose(values, expected, rtol={"f2": 2e-3, "f4": 1e-6}.get(dtype, 1e-9))


def test_squares_of_half_precision_do_not_overflow() -> None:
    array = np.full(20_000, 300, np.float16)
    assert sum(map(limits.squares, limits.cut(array))) == pytest.approx(20_000 * 90_000, rel=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtypes", [(np.float32,), (np.float64, np.float32)])
@every
def test_packed_is_unpacked(name: str, dtypes: Any, order: str) -> None:
    options = {"dtypes": dtypes, "order": order}
    packed, one = trained(LIMITED[name], True, **options)
    single, _ = trained(LIMITED[name], False, **options)
    assert len(one._packs) == len(dtypes)
    assert_same(packed, single)


@every
def test_packed_is_unpacked_where_gradients_lack(name: str) -> None:
    for missing in (lambda step, i: (step + i) % 3 == 0, lambda step, i: step < 3 and i == 2):
        packed, _ = trained(LIMITED[name], True, missing=missing)
        single, _ = trained(LIMITED[name], False, missing=missing)
        assert_same(packed, single)


@pytest.mark.parametrize("name", ["norm, rows", "values, decay"])
def test_pieces_and_threads(name: str, monkeypatch: Any) -> None:
    """The bits do not depend on the number of threads."""
    size = pack.THREADED_FROM + 12_345
    shapes = [(size // 7, 3), (100,), (size - 100 - size // 7 * 3,)]

    def run(threads: int) -> list[tg.Tensor]:
        monkeypatch.setattr(pack, "thread_count", lambda: threads)
        rng = np.random.default_rng(0)
        params = [tg.Tensor(rng.random(s, np.float32), requires_grad=True) for s in shapes]
        optimiser = LIMITED[name](params)
        assert len(optimiser._packs[0].pieces) == threads
        for _ in range(2):
            for p in params:
                p.grad = tg.Tensor(rng.random(p.shape, np.float32) - 0.5)
            optimiser.step()
        return params

    first = run(1)
    assert_same(first, run(2))
    assert_same(first, run(3))


@every
def test_a_copy_goes_on_alike(name: str) -> None:
    params, optimiser = trained(LIMITED[name], True, steps=2)
    copied = copy.deepcopy(optimiser)
    for own in (optimiser, copied):
        for _ in range(2):
            set_gradients(own.params, drawn(3, np.float32))
            own.step()
    assert_same(params, copied.params)


def test_max_norm_holds_in_training() -> None:
    """Incoming weights of every unit of a network; the biases grow as they like."""
    model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, seed=1))
    optimiser = optim.SGD(model.parameters(), 0.5, max_norm=0.5)
    x = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    for _ in range(20):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), np.arange(20) % 3).backward()
        optimiser.step()
    norms = [np.sqrt((p.numpy() ** 2).sum(1)) for p in model.parameters() if p.ndim == 2]
    assert all((n <= 0.5 * (1 + 1e-6)).all() for n in norms)
    assert sum((n > 0.499).sum() for n in norms) >= 3
