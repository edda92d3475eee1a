"""Losses with all their options: PyTorch's twins, derivatives, replays, refusals."""

import itertools
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.twins import Twin, assert_twins
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
Z, Y, W = RNG.standard_normal((6, 4)), RNG.integers(0, 4, 6), RNG.uniform(0.5, 2, 4)
LONG, LABELS = RNG.standard_normal((3, 4, 5)), RNG.integers(0, 4, (3, 5))
SHARES = RNG.dirichlet(np.ones(4), 6)
LONG_SHARES = np.moveaxis(RNG.dirichlet(np.ones(4), (3, 5)), -1, 1).copy()
P, T = RNG.uniform(size=6), RNG.uniform(size=6)
P[:2], T[:1] = [0, 1], 1
REDUCTIONS = ["mean", "sum", "none"]


def rows() -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    found: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for smoothing, weight, ignored in itertools.product((0.0, 0.1), (None, W), (None, 2)):
        options = {"label_smoothing": smoothing, "weight": weight, "ignore_index": ignored}
        found += [("cross_entropy", (Z, Y), options), ("cross_entropy", (LONG, LABELS), options)]
        if ignored is None:
            options = {"label_smoothing": smoothing, "weight": weight}
            found += [
                ("cross_entropy", (Z, SHARES), options),
                ("cross_entropy", (LONG, LONG_SHARES), options),
            ]
    logs = Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))
    return [
        *found,
        ("nll_loss", (logs, Y), {"weight": W, "ignore_index": 1}),
        ("nll_loss", (LONG, LABELS), {}),
        ("multi_margin_loss", (Z, Y), {"margin": 0.7, "weight": W}),
        ("mse_loss", (Z, Z[::-1]), {}),
        ("l1_loss", (Z, Z[::-1]), {}),
        ("huber_loss", (Z, Z[::-1]), {"delta": 0.7}),
        ("smooth_l1_loss", (Z, Z[::-1]), {"beta": 0.7}),
        ("smooth_l1_loss", (Z, Z[::-1]), {"beta": 0}),
        ("binary_cross_entropy", (P, T), {}),
        ("binary_cross_entropy", (P[2:], T[2:]), {"weight": W}),
        ("binary_cross_entropy_with_logits", (Z, SHARES), {"weight": W}),
        ("binary_cross_entropy_with_logits", (Z, SHARES), {"pos_weight": W}),
    ]


def test_values_and_slopes_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for (name, arrays, options), reduction in itertools.product(rows(), REDUCTIONS):
        given = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        given = {k: v for k, v in given.items() if v is not None}
        mine = tg.Tensor(arrays[0], requires_grad=True)
        twin = torch.tensor(arrays[0], requires_grad=True)
        ours = getattr(F, name)(mine, *arrays[1:], **options, reduction=reduction)
        others = (torch.tensor(a.copy()) for a in arrays[1:])
        theirs = getattr(torch.nn.functional, name)(twin, *others, **given, reduction=reduction)
        np.testing.assert_allclose(
            ours.numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-14, err_msg=name
        )
        np.sum(ours * ours).backward()
        (theirs * theirs).sum().backward()
        inside = (arrays[0] != 0) & (arrays[0] != 1)  # where PyTorch's logarithms have no end
        np.testing.assert_allclose(
            mine.grad.numpy()[inside], twin.grad.numpy()[inside], rtol=1e-10, atol=1e-13
        )


def test_none_keeps_the_shape_of_the_labels() -> None:
    for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss):
        found = loss(LONG, LABELS, reduction="none")
        assert found.shape == LABELS.shape
        np.testing.assert_allclose(np.mean(found), loss(LONG, LABELS), rtol=1e-12)


def test_hinge() -> None:
    signs = np.array([1, -1, 1, 1, -1, -1])
    x = Z[:, 0]
    expected = np.maximum(0.5 - signs * x, 0)
    for reduction, value in zip(
        REDUCTIONS, (expected.mean(), expected.sum(), expected), strict=True
    ):
        found = F.hinge_loss(x, signs, 0.5, reduction=reduction)
        np.testing.assert_allclose(found, value, rtol=1e-14)
    with pytest.raises(tg.DataError, match=r"target 0 at \(1,\); targets must be -1 or 1"):
        F.hinge_loss(x, np.maximum(signs, 0))


def test_derivatives() -> None:
    """Of the losses with rules of their own, with as many options as there are; above, of all."""
    found = {(name, len(arrays[0].shape)): (arrays, options) for name, arrays, options in rows()}
    for (name, _), (arrays, options) in found.items():
        loss, others = getattr(F, name), arrays[1:]
        if name in ("cross_entropy", "nll_loss", "binary_cross_entropy_with_logits"):
            tg.gradcheck(lambda z, f=loss, a=others, o=options: f(z, *a, **o), arrays[0])
    few = Z[:2]
    tg.gradcheck(lambda z: F.cross_entropy(z, Y[:2], 0.1, weight=W, ignore_index=2), few, order=2)
    tg.gradcheck(lambda z: F.huber_loss(z, few[::-1] + 0.3), few, order=2)


def test_what_counts_nothing_has_no_slope() -> None:
    z = tg.Tensor(Z, requires_grad=True)
    F.cross_entropy(z, np.where(Y == 2, -100, Y), ignore_index=-100).backward()
    assert (z.grad.numpy()[Y == 2] == 0).all()
    assert (z.grad.numpy()[Y != 2] != 0).all()


def test_a_mean_of_nothing_is_nan_and_has_no_slope() -> None:
    """As in PyTorch: rows that are all ignored, or of weights that add up to 0."""
    for dtype in (np.float16, np.float32, np.float64):
        for options in ({"ignore_index": -100}, {"ignore_index": 7, "weight": np.ones(4, dtype)}):
            z = tg.Tensor(Z.astype(dtype), requires_grad=True)
            loss = F.cross_entropy(z, np.full_like(Y, options["ignore_index"]), **options)
            loss.backward()
            assert np.isnan(loss.item()) and loss.dtype == z.grad.dtype == dtype
            assert (z.grad.numpy() == 0).all()


def test_dtype_is_that_of_the_logits() -> None:
    for dtype in (np.float16, np.float32):
        z = tg.Tensor(Z.astype(dtype), requires_grad=True)
        for loss in (
            F.cross_entropy(z, Y, weight=W.astype(dtype)),
            F.cross_entropy(z, SHARES.astype(dtype)),
            F.huber_loss(z, Z.astype(dtype)),
        ):
            assert loss.dtype == dtype


def test_replays_are_bit_equal() -> None:
    def make() -> Twin:
        w = tg.Tensor(W.astype("f4"), requires_grad=True)

        def step(x: Any, y: Any) -> Any:
            w.grad = None
            z = x * w
            signs = 2.0 * np.minimum(y, 1) - 1
            parts = [
                F.cross_entropy(z, y, 0.1, weight=np.array([1, 2, 3, 4], "f4"), ignore_index=2),
                F.cross_entropy(z, F.softmax(x)),
                F.nll_loss(F.log_softmax(z), y, ignore_index=1, reduction="sum"),
                F.multi_margin_loss(z, y),
                F.huber_loss(z, x),
                F.binary_cross_entropy(F.sigmoid(z), F.sigmoid(x)),
                F.binary_cross_entropy_with_logits(z, F.sigmoid(x), pos_weight=2.0),
                F.hinge_loss(z[:, 0], signs),
            ]
            loss = sum(parts)
            loss.backward()
            return loss, parts

        return Twin(step, [w])

    def batch(k: int) -> list[np.ndarray]:
        rng = np.random.default_rng(k)
        return [rng.standard_normal((6, 4)).astype("f4"), rng.integers(0, 4, 6)]

    assert_twins(make, batch, 6)


def test_refusals() -> None:
    calls: list[tuple[Any, type[Exception], str]] = [
        (
            lambda: F.cross_entropy(Z, Y, weight=W[:3]),
            tg.ShapeError,
            r"weight of shape \(3,\) for 4",
        ),
        (lambda: F.cross_entropy(Z, Y, reduction="all"), ValueError, "reduction"),
        (lambda: F.cross_entropy(Z, SHARES, ignore_index=1), TypeError, "ignore_index=1"),
        (lambda: F.cross_entropy(Z, Y, ignore_index=1.5), TypeError, "ignore_index=1.5"),  # type: ignore[arg-type]
        (lambda: F.cross_entropy(Z, SHARES * 2), tg.DataError, "must lie in 0 … 1"),
        (lambda: F.cross_entropy(Z, Y + 1, weight=W), tg.DataError, "labels from"),
        (lambda: F.cross_entropy(Z, 0 * Y - 100), tg.DataError, "left out by ignore_index=-100"),
        (lambda: F.nll_loss(Z, 0 * Y - 1), tg.DataError, "left out by ignore_index=-1"),
        (lambda: F.huber_loss(Z, Z, 0.0), ValueError, "above 0"),
        (lambda: F.binary_cross_entropy(Z, SHARES), tg.DataError, "prediction .*_with_logits"),
        (lambda: F.binary_cross_entropy(SHARES, Z), tg.DataError, "target .*or use mse_loss"),
        (lambda: F.binary_cross_entropy(Z, SHARES), tg.DataError, "must lie in 0 … 1"),
        (
            lambda: F.binary_cross_entropy_with_logits(Z, SHARES, weight=W[:3]),
            tg.ShapeError,
            "does not broadcast",
        ),
    ]
    for call, error, words in calls:
        with pytest.raises(error, match=words):
            call()
