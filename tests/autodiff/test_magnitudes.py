"""Gradients at tiny, huge and infinite numbers, and those of float16 beside float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import optim
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.nn import functional as F

INF = np.inf


def gradients(f: Callable[..., Any], *xs: Any) -> list[np.ndarray]:
    leaves = [tg.Tensor(x, requires_grad=True) for x in xs]
    with np.errstate(all="ignore"):
        out = f(*leaves)
        out.backward(np.ones(out.shape, out.dtype))
    return [leaf.grad.numpy() for leaf in leaves]


HOMOGENEOUS: list[tuple[str, Callable[..., Any], int]] = [
    ("arctan2", np.arctan2, -1), ("hypot", np.hypot, 0), ("divide", np.divide, -1),
    ("norm", lambda x, y: np.linalg.norm(np.stack([x, y])), 0),
    ("norm of rows", lambda x, y: np.linalg.norm(np.stack([x, y]), axis=0), 0),
    ("std", lambda x, y: np.std(np.stack([x, y, 3 * x])), 0),
    ("abs", lambda x, y: np.abs(x + y * 1j), 0),
    ("angle", lambda x, y: np.angle(x + y * 1j), -1),
    ("sign", lambda x, y: np.real(np.sign(x + y * 1j)), -1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "f", "degree"), HOMOGENEOUS, ids=lambda v: str(v)[:12])
@pytest.mark.parametrize(("dtype", "scale"), [("f4", 1e-30), ("f4", 1e30), ("f8", 1e-200),
                                              ("f8", 1e200), ("f8", 1.0)])  # fmt: skip
def test_slopes_scale_though_squares_do_not(
    name: str, f: Callable[..., Any], degree: int, dtype: str, scale: float
) -> None:
    at_one = gradients(f, 3.0, -4.0)
    scaled = gradients(f, np.array(3 * scale, dtype), np.array(-4 * scale, dtype))
    for ours, expected in zip(scaled, at_one, strict=True):
        assert float(ours) == pytest.approx(float(expected) * scale**degree, rel=1e-5), name


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_slopes_scale_though_cubes_do_not(scale: float) -> None:
    x = np.array([[3.0, 1.0], [-4.0, 2.0]])
    for order in (3, 2.5, -3):
        f = tg.hessian(lambda v, order=order: np.linalg.norm(v, order))
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(f(x[0] * scale) * scale, f(x[0]), rtol=1e-9)
    for matrix in (x, x[:1], x[:, :1]):
        slope = tg.grad(lambda a: np.sum(np.linalg.pinv(a) * [[1.0], [2.0]][: a.shape[1]]))
        np.testing.assert_allclose(slope(matrix * scale) * scale**2, slope(matrix), rtol=1e-9)


@pytest.mark.parametrize(
    ("f", "xs", "expected"),
    [
        (np.remainder, (1.0, 0.1), (1, -9)),
        (np.remainder, (-3.0, INF), (1, 1)),
        (np.fmod, (1.0, 0.1), (1, -9)),
        (np.fmod, (-7.0, 2.0), (1, 3)),
        (np.logaddexp, (-INF, 2.0), (0, 1)),
        (np.logaddexp, (INF, 2.0), (1, 0)),
        (np.logaddexp2, (-INF, -INF), (0.5, 0.5)),
        (np.arcsinh, (1e200,), (1e-200,)),
        (np.arctan2, (INF, 1.0), (0, 0)),
        (np.power, (INF, -1.0), (0, 0)),
        (lambda x: np.modf(x)[0], (INF,), (0,)),
    ],
)
def test_edges(f: Callable[..., Any], xs: Any, expected: Any) -> None:
    found = [float(g) for g in gradients(f, *xs)]
    assert found == pytest.approx(list(expected), rel=1e-12)


LOGITS = np.linspace(-60, 60, 4000).reshape(4, 1000)
HALF: list[tuple[str, Callable[..., Any], np.ndarray]] = [
    ("mean", np.mean, np.full(70_000, 1.5)), ("var", np.var, np.linspace(-300, 300, 1000)),
    ("std", np.std, np.linspace(-300, 300, 1000)), ("norm", np.linalg.norm, np.full(100, 300.0)),
    ("average", np.average, np.full(70_000, 1.5)),
    ("mse", lambda x: F.mse_loss(x, np.zeros(x.shape, x.dtype)), np.full(1000, 10.0)),
    ("layer_norm", lambda x: F.layer_norm(x, 1000), 100 + LOGITS),
    ("batch_norm", lambda x: F.batch_norm(x, training=True), 300 + LOGITS.T),
    ("softmax", F.softmax, LOGITS), ("log_softmax", F.log_softmax, LOGITS),
    ("logsumexp", F.logsumexp, LOGITS),
    ("cross_entropy", lambda x: F.cross_entropy(x, np.arange(4)), LOGITS),
    ("bce", lambda x: F.binary_cross_entropy_with_logits(x, np.full(x.shape, 0.5)), LOGITS),
    ("bias", lambda b: np.mean(np.zeros((5000, 3), b.dtype) + b, axis=0), np.ones(3)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x"), [row[1:] for row in HALF], ids=[row[0] for row in HALF])
def test_half_precision_works_in_single(f: Any, x: np.ndarray) -> None:
    narrow = x.astype(np.float16)
    out, exact = f(tg.Tensor(narrow)), np.asarray(f(narrow.astype(float)))
    assert out.dtype == np.float16
    np.testing.assert_allclose(out.numpy().astype(float), exact, rtol=4e-3, atol=1e-3)
    (ours,), (theirs,) = gradients(f, narrow), gradients(f, narrow.astype(float))
    assert ours.dtype == np.float16
    np.testing.assert_allclose(ours.astype(float), theirs, rtol=1e-2, atol=1e-3)


OPTIMISERS = [lambda p: optim.Adam(p, 0.01), lambda p: optim.AdamW(p, 0.01),
              lambda p: optim.RMSprop(p, 0.01, centered=True, momentum=0.5),
              lambda p: optim.SGD(p, 1e-4, momentum=0.9, weight_decay=0.1)]  # fmt: skip


@for_each(OPTIMISERS, [0.0, 1e-4, 200.0])
def test_optimisers_of_half_precision(make: Any, gradient: float) -> None:
    found = []
    for dtype in (np.float16, np.float64):
        w = tg.Tensor(np.array([1.0, -2.0], dtype), requires_grad=True)
        optimiser = make([w])
        for _ in range(10):
            w.grad = np.full(2, gradient, dtype)
            optimiser.step()
        assert w.dtype == dtype
        found.append(w.numpy().astype(float))
    np.testing.assert_allclose(found[0], found[1], atol=8e-3)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan])
def test_targets_outside_the_unit_interval(wrong: float) -> None:
    target = np.array([[0.5, 1.0], [wrong, 0.0]])
    with pytest.raises(tg.DataError, match=r"at \(1, 0\); targets must lie in 0 … 1"):
        F.binary_cross_entropy_with_logits(tg.Tensor(np.ones((2, 2))), target)


def test_targets_are_looked_at_in_replays() -> None:
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True)

    @tg.replay
    def step(x: Any, t: Any) -> Any:
        w.grad = None
        loss = F.binary_cross_entropy_with_logits(x @ w, t)
        loss.backward()
        return loss

    x, target = np.ones((4, 3)), np.full((4, 2), 0.5)
    for _ in range(4):
        step(x, target)
    with pytest.raises(tg.DataError, match=r"target 2\.0 at"):
        step(x, target * 4)


@pytest.mark.parametrize("label", [-1, -128])
def test_short_negative_labels_of_many_classes(label: int) -> None:
    labels = np.array([label], np.int8)
    for call in (lambda: F.cross_entropy(np.zeros((1, 300)), labels),
                 lambda: F.one_hot(labels, 300)):  # fmt: skip
        with pytest.raises(tg.DataError, match="for 300 classes"):
            call()


def test_pooling_of_integers() -> None:
    x = np.arange(-4, 0).reshape(1, 1, 2, 2)
    expected = F.max_pool2d(x.astype(float), 2, 1, 1)
    np.testing.assert_array_equal(F.max_pool2d(tg.Tensor(x), 2, 1, 1).numpy(), expected)


@pytest.mark.parametrize("dtype", ["e", "f", "d", "g", ">f4", "?", "i4"])
def test_the_ends_of_the_unit_interval(dtype: str) -> None:
    """Every float dtype in both byte orders: what is told from its bits, and what is not."""
    kind = np.dtype(dtype)
    inside = np.array([0, 1, 1, 0], kind)
    outside = [kind.type(2)] if dtype != "?" else []
    if kind.kind == "f":
        one = kind.type(1)
        least = np.nextafter(kind.type(0), one)
        inside = np.array([0.0, -0.0, least, 0.5, np.nextafter(one, kind.type(0)), 1], kind)
        outside = [np.nextafter(one, kind.type(2)), -least, kind.type(-1)]
        outside += [kind.type(v) for v in ("inf", "-inf", "nan", "-nan")]
    for shape in ((-1, 1), (1, -1)):
        assert neural.in_unit_interval(inside.reshape(shape)[::-1], "loss", "target") is not None
    for value in outside:
        wrong = inside.copy()
        wrong[2] = value
        with pytest.raises(tg.DataError, match=r"at \(2,\)"):
            neural.in_unit_interval(wrong, "loss", "target")
