"""Dropout, normalisation, embedding, label smoothing: formulas, states, PyTorch beside them."""

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.nn import functional as F


def real(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def variable(*shape: int, seed: int = 0) -> tg.Tensor:
    return tg.Tensor(real(*shape, seed=seed), requires_grad=True)


# Dropout.


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(p: float, dtype: str) -> None:
    x = np.ones((400, 500), dtype)
    out = nn.Dropout(p, seed=1)(x)
    assert out.dtype == x.dtype
    np.testing.assert_allclose(np.unique(out), [0, 1 / (1 - p)], rtol=1e-6)
    # four standard deviations of a share of 200,000 draws
    assert abs(np.mean(out == 0) - p) < 4 * np.sqrt(p * (1 - p) / x.size)


def test_dropout_is_drawn_anew_from_its_own_generator() -> None:
    x = np.ones(100)
    layer, twin = nn.Dropout(seed=2), nn.Dropout(seed=2)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    np.testing.assert_array_equal(twin(x), first)
    shared = np.random.default_rng(2)
    np.testing.assert_array_equal(nn.Dropout(seed=shared)(x), first)
    np.testing.assert_array_equal(nn.Dropout(seed=shared)(x), second)
    unfinished = copy.deepcopy(twin)
    np.testing.assert_array_equal(unfinished(x), second)
    np.testing.assert_array_equal(twin(x), second)


def test_gradient_of_dropout_passes_where_the_value_passed() -> None:
    x = variable(6, 5)
    out = F.dropout(x, 0.4, generator=np.random.default_rng(0))
    out.backward(np.ones((6, 5)))
    np.testing.assert_allclose(x.grad.numpy(), out.numpy() / x.numpy(), rtol=1e-15)
    assert 0 < np.count_nonzero(x.grad.numpy()) < 30


def test_dropout_in_evaluation_and_at_its_ends() -> None:
    x = variable(3)
    layer = nn.Dropout(0.5, seed=0).eval()
    state = layer.generator.bit_generator.state
    assert layer(x) is x
    assert F.dropout(x, 0.0) is x
    assert layer.generator.bit_generator.state == state
    out = nn.Dropout(1.0, seed=0)(x)
    out.backward(np.ones(3))
    np.testing.assert_array_equal(out.numpy(), np.zeros(3))
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros(3))


def test_dropout_refuses() -> None:
    with pytest.raises(ValueError, match=r"Dropout\(p=1.5\): a number from 0 to 1"):
        nn.Dropout(1.5)
    with pytest.raises(ValueError, match=r"dropout\(p=-0.1\): a number from 0 to 1"):
        F.dropout(real(3), -0.1, generator=np.random.default_rng(0))
    with pytest.raises(TypeError, match="generator is of type NoneType; give the same"):
        F.dropout(real(3), 0.5)


# Normalisation.


def hand_batch_norm(x: Any, g: Any, weight: Any, eps: float) -> tuple[Any, Any, Any]:
    """The cotangents of x, weight and bias, as derived by Ioffe & Szegedy (2015), section 3."""
    n, centred = len(x), x - x.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    root = np.sqrt(variance + eps)
    standard = centred / root
    inner = g * weight
    of_variance = (inner * centred).sum(axis=0) * -0.5 / root**3
    of_mean = -(inner / root).sum(axis=0) + of_variance * -2 * centred.mean(axis=0)
    of_x = inner / root + of_variance * 2 * centred / n + of_mean / n
    return of_x, (g * standard).sum(axis=0), g.sum(axis=0)


@pytest.mark.parametrize("rows", [2, 7, 3000])
def test_batch_norm_against_pencil_and_paper(rows: int) -> None:
    x, g = variable(rows, 4), real(rows, 4, seed=1)
    layer = nn.BatchNorm1d(4, eps=1e-3, dtype=np.float64)
    layer.load_state_dict(
        {**layer.state_dict(), "weight": real(4, seed=2), "bias": real(4, seed=3)}
    )
    layer(x).backward(g)
    expected = hand_batch_norm(x.numpy(), g, layer.weight.numpy(), 1e-3)
    for ours, theirs in zip((x, layer.weight, layer.bias), expected, strict=True):
        error = np.abs(ours.grad.numpy() - theirs).max() / np.abs(theirs).max()
        assert error <= 1e-12


def test_layer_norm_is_batch_norm_of_the_transpose() -> None:
    x, g = real(5, 3), real(5, 3, seed=1)
    rows, columns = tg.Tensor(x, requires_grad=True), tg.Tensor(x.T, requires_grad=True)
    by_rows = nn.LayerNorm(3, elementwise_affine=False)(rows)
    by_columns = nn.BatchNorm1d(5, affine=False)(columns)
    np.testing.assert_allclose(by_rows.numpy(), by_columns.numpy().T, rtol=1e-13)
    by_rows.backward(g)
    by_columns.backward(g.T)
    np.testing.assert_allclose(rows.grad.numpy(), columns.grad.numpy().T, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2)])
def test_second_derivatives_of_norms(shape: tuple[int, ...]) -> None:
    norm = nn.BatchNorm1d(3, dtype=np.float64)
    tg.gradcheck(lambda x: np.tanh(norm(x)), real(*shape), order=2)
    inner = nn.LayerNorm(shape[1:], dtype=np.float64)
    tg.gradcheck(lambda x: np.tanh(inner(x)), real(*shape), order=2)


def test_running_statistics_are_those_of_all_batches_or_fade() -> None:
    batches = [real(5, 3, seed=k) + k for k in range(4)]
    fading, mean = nn.BatchNorm1d(3, dtype="f8"), nn.BatchNorm1d(3, momentum=None, dtype="f8")
    expected = np.zeros(3)
    for x in batches:
        fading(x)
        mean(x)
        expected = 0.9 * expected + 0.1 * x.mean(axis=0)
    np.testing.assert_allclose(fading.running_mean.numpy(), expected, rtol=1e-14)
    of_all = np.mean([x.mean(axis=0) for x in batches], axis=0)
    np.testing.assert_allclose(mean.running_mean.numpy(), of_all, rtol=1e-14)
    of_all = np.mean([x.var(axis=0, ddof=1) for x in batches], axis=0)
    np.testing.assert_allclose(mean.running_var.numpy(), of_all, rtol=1e-14)
    assert mean.num_batches_tracked.item() == 4
    before = mean.eval().state_dict()
    mean(batches[0])
    for name, value in mean.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2, 4), (2, 3, 0)])
def test_a_batch_of_none_moves_nothing(shape: tuple[int, ...], training: bool) -> None:
    """As in PyTorch 2.13."""
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3).train(training)
    x = tg.Tensor(np.zeros(shape, np.float32), requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert (out.shape, out.dtype, x.grad.shape) == (shape, np.float32, shape)
    for tensor, value in (
        (layer.running_mean, 0), (layer.running_var, 1), (layer.num_batches_tracked, training),
        (layer.weight.grad, 0), (layer.bias.grad, 0),
    ):  # fmt: skip
        np.testing.assert_array_equal(tensor.numpy(), np.full(tensor.shape, value))


def test_evaluation_takes_the_running_statistics() -> None:
    layer = nn.BatchNorm1d(2, eps=0.0, dtype="f8").eval()
    layer.running_mean[...] = [1.0, 2.0]
    layer.running_var[...] = [4.0, 9.0]
    np.testing.assert_allclose(layer(np.array([[3.0, 5.0]])).numpy(), [[1.0, 1.0]], rtol=1e-15)
    x = np.array([[3.0, 5.0], [1.0, 2.0]])
    plain = F.batch_norm(x, np.array([1.0, 2.0]), np.array([4.0, 9.0]), eps=0.0)
    np.testing.assert_allclose(plain, [[1.0, 1.0], [0.0, 0.0]], rtol=1e-15)


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm1d(3), lambda: nn.LayerNorm(3)])
def test_norms_keep_single_precision(make: Any) -> None:
    layer = make()
    for _ in range(2):
        x = tg.Tensor(real(4, 3), dtype=np.float32, requires_grad=True)
        out = layer(x)
        out.backward(np.ones((4, 3), np.float32))
        assert {out.dtype, x.grad.dtype, layer.weight.grad.dtype} == {np.dtype("f4")}
        layer.eval()
    kinds = {value.dtype for name, value in layer.state_dict().items() if "num" not in name}
    assert kinds == {np.dtype("f4")}


def test_norms_refuse() -> None:
    with pytest.raises(tg.ShapeError, match=r"x of shape \(1, 3\) has one value for each channel"):
        nn.BatchNorm1d(3)(real(1, 3))
    with pytest.raises(tg.ShapeError, match=r"x of shape \(2, 3\); expected \(n, 4\) or"):
        nn.BatchNorm1d(4)(real(2, 3))
    with pytest.raises(
        tg.ShapeError, match=r"x of shape \(3,\); expected \(n, 3\) or \(n, 3, length\)"
    ):
        nn.BatchNorm1d(3)(real(3))
    with pytest.raises(tg.ShapeError, match=r"layer_norm: x of shape \(2, 3\), normalized_shape"):
        nn.LayerNorm(4)(real(2, 3))
    with pytest.raises(tg.ShapeError, match=r"\(n, 3, length\); use nn\.BatchNorm2d"):
        nn.BatchNorm1d(3)(real(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"BatchNorm1d\(num_features=0\): an int from 1 up"):
        nn.BatchNorm1d(0)
    with pytest.raises(TypeError, match=r"LayerNorm\(normalized_shape=\(\)\): an int from 1 up"):
        nn.LayerNorm(())


# Embedding and label smoothing.


def test_embedding_takes_rows_and_adds_up_gradients() -> None:
    layer = nn.Embedding(4, 2, seed=0)
    words = np.array([[0, 3, 0], [1, 0, 3]])
    out = layer(words)
    np.testing.assert_array_equal(out.numpy(), layer.weight.numpy()[words])
    out.backward(np.ones((2, 3, 2), np.float32))
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [3, 1, 0, 2])


def test_embedding_refuses() -> None:
    layer = nn.Embedding(4, 2, seed=0)
    with pytest.raises(tg.DataError, match="embedding: indices from -1 to 4 for 4 rows"):
        layer([-1, 4])
    with pytest.raises(TypeError, match="must be integers"):
        layer([0.5])
    with pytest.raises(ValueError, match=r"Embedding\(num_embeddings=0\): an int from 1 up"):
        nn.Embedding(0, 2)


@pytest.mark.parametrize("share", [0.1, 0.7, 1.0])
def test_label_smoothing_is_a_softer_target(share: float) -> None:
    logits, labels = variable(5, 4), np.array([0, 3, 1, 1, 2])
    loss = F.cross_entropy(logits, labels, label_smoothing=share)
    loss.backward()
    powers = np.exp(logits.numpy())
    p = powers / powers.sum(axis=1, keepdims=True)
    target = (1 - share) * np.eye(4)[labels] + share / 4
    assert loss.item() == pytest.approx(-np.mean(np.sum(target * np.log(p), axis=1)), rel=1e-14)
    np.testing.assert_allclose(logits.grad.numpy(), (p - target) / 5, rtol=1e-13, atol=1e-17)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_label_smoothing_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match=rf"label_smoothing={share}\): a number from 0 to 1"):
        F.cross_entropy(real(2, 3), [0, 1], label_smoothing=share)


# PyTorch.


def pairs() -> list[Any]:
    torch = pytest.importorskip("torch")
    return [
        (nn.BatchNorm1d(3, dtype="f8"), torch.nn.BatchNorm1d(3).double(), (6, 3)),
        (nn.BatchNorm1d(3, dtype="f8"), torch.nn.BatchNorm1d(3).double(), (6, 3, 4)),
        (nn.BatchNorm1d(3, momentum=None, dtype="f8"),
         torch.nn.BatchNorm1d(3, momentum=None).double(), (6, 3)),
        (nn.BatchNorm1d(3, 0.1, 0.3, False, dtype="f8"),
         torch.nn.BatchNorm1d(3, 0.1, 0.3, False).double(), (6, 3)),
        (nn.LayerNorm(4, dtype="f8"), torch.nn.LayerNorm(4).double(), (6, 3, 4)),
        (nn.LayerNorm((3, 4), dtype="f8"), torch.nn.LayerNorm((3, 4)).double(), (6, 3, 4)),
    ]  # fmt: skip


@pytest.mark.parametrize("k", range(6))
def test_norms_against_pytorch(k: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs, shape = pairs()[k]
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        x, g = real(*shape, seed=step) + step, real(*shape, seed=9 + step)
        a, b = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        out, other = ours(a), theirs(b)
        np.testing.assert_allclose(out.numpy(), other.detach().numpy(), rtol=1e-11, atol=1e-13)
        out.backward(g)
        other.backward(torch.tensor(g))
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value, state[name].numpy(), rtol=1e-12)
