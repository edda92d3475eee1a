"""clip_grad_norm: PyTorch's numbers, in replays too, and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import optim

RNG = np.random.default_rng(0)
SHAPES: list[tuple[int, ...]] = [(3, 4), (4,), (), (0, 2), (2, 1)]


def leaves(dtype: Any = np.float64) -> list[tg.Tensor]:
    rng = np.random.default_rng(1)
    return [tg.Tensor(rng.standard_normal(s), requires_grad=True, dtype=dtype) for s in SHAPES]


def test_the_norm_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for order in (2.0, 1.0, 3.0, 0.5, math.inf):
        for most in (0.0, 0.1, 2.0, 1e3, math.inf):
            ours = leaves()
            theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in ours]
            for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
                if i != 1 and (p.size or order != math.inf):  # PyTorch has no maximum of nothing
                    p.grad, q.grad = tg.Tensor(2 * p.numpy()), 2 * q.detach()
            norm = optim.clip_grad_norm(ours, most, order)
            wanted = torch.nn.utils.clip_grad_norm_(theirs, most, order)
            assert norm.item() == pytest.approx(wanted.item(), rel=1e-12)
            assert ours[1].grad is None
            for p, q in zip(ours, theirs, strict=True):
                if p.grad is not None:
                    np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_dtypes_stay_and_half_precision_does_not_overflow() -> None:
    for dtype, most in ((np.float32, 1e-6), (np.float16, 2e-3), (np.complex64, 1e-6)):
        p, q = (tg.Tensor(np.ones(4), requires_grad=True, dtype=dtype) for _ in range(2))
        p.grad, q.grad = tg.Tensor(np.full(4, 300, dtype)), tg.Tensor(np.full(4, 400, dtype))
        norm = optim.clip_grad_norm([p, q], 10.0)
        assert norm.dtype == np.float32 and norm.item() == 1000
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(q.grad.numpy(), np.full(4, 4.0), rtol=most)
    assert optim.clip_grad_norm(p, 1.0).item() == pytest.approx(6.0)
    assert optim.clip_grad_norm([], 1.0).item() == 0


def test_replayed_is_eager_and_is_the_optimisers_clip_norm() -> None:
    x = RNG.standard_normal((9, 5, 3)).astype(np.float32)
    found = []
    for way in ("replayed", "eager", "keyword"):
        w = tg.Tensor(np.ones((3, 2), np.float32), requires_grad=True)
        b = tg.Tensor(np.zeros(2, np.float32), requires_grad=True)
        sgd = optim.SGD([w, b], 0.1, momentum=0.9, clip_norm=0.5 if way == "keyword" else None)

        def step(x: Any, w: Any = w, b: Any = b, sgd: Any = sgd, way: str = way) -> Any:
            sgd.zero_grad()
            np.sum((x @ w + b) ** 2).backward()
            norm = w if way == "keyword" else optim.clip_grad_norm([w, b], 0.5)
            sgd.step()
            return norm * 1

        call = tg.replay(step) if way == "replayed" else lambda x, step=step: step(tg.Tensor(x))
        norms = [call(part).numpy().tobytes() for part in x]
        found.append((w.numpy(), norms))
    assert found[0][1] == found[1][1] and np.array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][0], found[2][0], rtol=1e-5)


def test_what_is_refused() -> None:
    p = tg.Tensor([1.0], requires_grad=True)
    p.grad = tg.Tensor([math.nan])
    for args, error, text in (
        (([p], -1.0), ValueError, r"clip_grad_norm\(max_norm=-1\.0\)"),
        (([p], "1"), TypeError, "max_norm='1'"),
        (([p], 1.0, 0), ValueError, "norm_type=0"),
        (([p, 3], 1.0), TypeError, "params has 3; give Tensors"),
        (([p], 1.0, 2, True), ValueError, "is nan; look for"),
    ):
        with pytest.raises(error, match=text):
            optim.clip_grad_norm(*args)  # type: ignore[arg-type]
    assert math.isnan(optim.clip_grad_norm([p], 1.0).item())
