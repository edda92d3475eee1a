"""Hooks on gradients: PyTorch's meaning, in transforms and replays, and what is refused."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ReplayError, ShapeError, TapeError


def double(g: Any) -> Any:
    return g * 2


def run(make: Any, where: str) -> list[Any]:
    """Hooks on leaves and results, before and after they are used, several, and removed ones."""
    seen: list[Any] = []

    def look(g: Any) -> None:
        seen.append(g.detach().numpy().copy())

    w, x = make([1.0, -2.0, 3.0]), make([0.5, 1.0, 2.0])
    y = w * x
    handles = []
    if where in ("result", "both"):
        handles.append(y.register_hook(double))
        handles.append(y.register_hook(look))
    z = (y * y).sum()
    y.register_hook(lambda g: g + 1)  # after it was used
    if where in ("leaf", "both"):
        handles.append(w.register_hook(look))
        handles.append(w.register_hook(double))
        handles.append(w.register_hook(look))
    if where == "both":
        handles[0].remove()
        handles[0].remove()
    z.backward()
    z = (w * w * x).sum()
    for handle in handles[2:3]:
        handle.remove()
    z.backward()
    return [*seen, w.grad.numpy(), x.grad.numpy()]


def test_hooks_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for where in ("result", "leaf", "both"):
        ours = run(lambda v: tg.Tensor(v, requires_grad=True), where)
        theirs = run(lambda v: torch.tensor(np.array(v), requires_grad=True), where)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b)


def test_gradients_keep_shape_and_dtype_and_the_hooks_copy_is_its_own() -> None:
    w = tg.Tensor(np.ones(3, np.float32), requires_grad=True)

    def spoil(g: Any) -> None:
        assert (g.dtype, g.shape, g.requires_grad) == (np.float32, (3,), False)
        g[...] = 7.0

    handle = w.register_hook(spoil)
    assert repr(handle) == "Handle(a hook)"
    w.register_hook(lambda _: np.full(3, 2.0))
    (w * 5).sum().backward()
    assert w.grad.dtype == np.float32 and w.grad.numpy().tolist() == [2, 2, 2]
    w.register_hook(lambda _: tg.Tensor(1.0))
    with pytest.raises(ShapeError, match=r"a hook returned shape \(\) for a gradient of shape"):
        w.sum().backward()


def test_hooks_survive_freezing_and_give_recorded_gradients() -> None:
    w = tg.Tensor([2.0], requires_grad=True)
    assert w.requires_grad_(False) is w and not w.requires_grad
    w.requires_grad_().register_hook(lambda g: g * w)
    (w**2).sum().backward(create_graph=True)
    assert w.grad.numpy().tolist() == [8.0]
    slope, w.grad = w.grad, None
    slope.sum().backward()
    assert w.grad.numpy().tolist() == [16.0]  # d(2w · w)/dw = 4w = 8, times w


def test_hooks_in_transforms() -> None:
    def f(x: Any) -> Any:
        y = x * 3
        y.register_hook(double)
        x.register_hook(lambda g: g + 1)
        return (y * y).sum()

    x = np.array([1.0, 2.0])
    assert np.allclose(tg.grad(f)(x), 2 * 18 * x + 1)
    # as in PyTorch, the second sweep passes the hooks again
    assert np.allclose(tg.grad(lambda x: tg.grad(f)(x).sum())(x), 2 * 36 + 1)
    assert np.allclose(tg.grad(lambda x: tg.checkpoint(f)(x))(x), 2 * 18 * x + 1)


def test_replayed_hooks_are_the_eager_ones_and_others_are_seen() -> None:
    inputs = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    found = []
    for replay in (True, False):
        w = tg.Tensor(np.ones(3, np.float32), requires_grad=True)

        def step(x: Any, w: Any = w) -> Any:
            w.grad = None
            y = w * x
            y.register_hook(lambda g: np.clip(g, -1, 1))
            loss = (y**3).sum()
            loss.backward()
            return loss

        call = tg.replay(step) if replay else lambda x, step=step: step(tg.Tensor(x))
        rows: list[Any] = []
        handle = None
        for k, x in enumerate(inputs):
            if k == 4:
                handle = w.register_hook(double)
            if k == 8 and handle is not None:
                handle.remove()
            rows += [call(x).numpy().tobytes(), w.grad.numpy().tobytes()]
        found.append(rows)
    assert found[0] == found[1]


def test_what_cannot_be_hooked_is_refused() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(TapeError, match=r"shape \(1,\) that does not require grad"):
        tg.Tensor([1.0]).register_hook(double)
    for wrong in (3, type):
        with pytest.raises(TypeError, match="takes a function of the gradient"):
            w.register_hook(wrong)

    def hooks_a_leaf(x: Any) -> Any:
        w.register_hook(double)
        return w * x

    def looks(x: Any) -> Any:
        y = w * x
        y.register_hook(lambda g: print(g.item()))
        y.sum().backward()
        return y

    with pytest.raises(ReplayError, match="gives a leaf from outside another hook"):
        tg.replay(hooks_a_leaf)(np.ones(1))
    with pytest.raises(ReplayError, match=r"t\.item\(\)"):
        tg.replay(looks)(np.ones(1))
