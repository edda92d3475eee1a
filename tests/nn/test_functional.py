"""The functions of networks: values and gradients beside PyTorch's, extremes, refusals."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import ShapeError
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(5)
X = RNG.standard_normal((6, 5))
X[0, 0], X[1, 1] = 0.0, -0.0  # the kinks
LABELS = RNG.integers(0, 5, 6)
TARGET = RNG.uniform(0, 1, (6, 5))
WEIGHT, BIAS = RNG.standard_normal((4, 5)), RNG.standard_normal(4)
BATCH = RNG.standard_normal((2, 3, 5))

# name, ours, PyTorch's (given its nn.functional), arguments that are differentiated
ROWS: list[tuple[str, Callable[..., Any], Callable[..., Any], list[np.ndarray]]] = [
    ("relu", F.relu, lambda f, x: f.relu(x), [X]),
    ("leaky_relu", F.leaky_relu, lambda f, x: f.leaky_relu(x), [X]),
    (
        "leaky_relu 0.3",
        lambda x: F.leaky_relu(x, negative_slope=0.3),
        lambda f, x: f.leaky_relu(x, negative_slope=0.3),
        [X],
    ),
    ("sigmoid", F.sigmoid, lambda f, x: f.sigmoid(x), [X]),
    ("tanh", F.tanh, lambda f, x: f.tanh(x), [X]),
    (
        "gelu tanh",
        lambda x: F.gelu(x, approximate="tanh"),
        lambda f, x: f.gelu(x, approximate="tanh"),
        [X],
    ),
    ("softmax", F.softmax, lambda f, x: f.softmax(x, dim=-1), [X]),
    ("softmax 0", lambda x: F.softmax(x, axis=0), lambda f, x: f.softmax(x, dim=0), [X]),
    ("softmax 3-d", lambda x: F.softmax(x, axis=1), lambda f, x: f.softmax(x, dim=1), [BATCH]),
    ("log_softmax", F.log_softmax, lambda f, x: f.log_softmax(x, dim=-1), [X]),
    ("log_softmax 0", lambda x: F.log_softmax(x, 0), lambda f, x: f.log_softmax(x, dim=0), [X]),
    ("logsumexp", F.logsumexp, lambda _, x: x.logsumexp(-1), [X]),
    (
        "logsumexp keepdims",
        lambda x: F.logsumexp(x, axis=0, keepdims=True),
        lambda _, x: x.logsumexp(0, keepdim=True),
        [X],
    ),
    ("linear", F.linear, lambda f, x, w, b: f.linear(x, w, b), [X, WEIGHT, BIAS]),
    ("linear no bias", F.linear, lambda f, x, w: f.linear(x, w), [X, WEIGHT]),
    ("linear 3-d", F.linear, lambda f, x, w, b: f.linear(x, w, b), [BATCH, WEIGHT, BIAS]),
    ("linear 1-d", F.linear, lambda f, x, w, b: f.linear(x, w, b), [X[0], WEIGHT, BIAS]),
    (
        "cross_entropy",
        lambda x: F.cross_entropy(x, LABELS),
        lambda f, x: f.cross_entropy(x, torch_labels()),
        [X],
    ),
    (
        "nll_loss",
        lambda x: F.nll_loss(F.log_softmax(x), LABELS),
        lambda f, x: f.nll_loss(f.log_softmax(x, dim=1), torch_labels()),
        [X],
    ),
    ("mse_loss", F.mse_loss, lambda f, x, t: f.mse_loss(x, t), [X, TARGET]),
    (
        "binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        lambda f, x, t: f.binary_cross_entropy_with_logits(x, t),
        [X, TARGET],
    ),
]
every_row = pytest.mark.parametrize(
    ("ours", "theirs", "arguments"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)


def torch_labels() -> Any:
    return pytest.importorskip("torch").tensor(LABELS)


def compare(ours: Any, theirs: Any, arguments: list[np.ndarray], rtol: float = 1e-11) -> None:
    torch = pytest.importorskip("torch")
    leaves = [tg.Tensor(a, requires_grad=True) for a in arguments]
    twins = [torch.tensor(a, requires_grad=True) for a in arguments]
    out, expected = ours(*leaves), theirs(torch.nn.functional, *twins)
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=rtol, atol=1e-14)
    weight = np.random.default_rng(1).standard_normal(out.shape)
    out.backward(weight)
    expected.backward(torch.tensor(weight))
    for leaf, twin in zip(leaves, twins, strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), twin.grad.numpy(), rtol=rtol, atol=1e-13)


@every_row
def test_value_and_gradient_are_pytorchs(ours: Any, theirs: Any, arguments: Any) -> None:
    compare(ours, theirs, arguments)


def test_exact_gelu_is_pytorchs() -> None:
    pytest.importorskip("scipy")
    compare(F.gelu, lambda f, x: f.gelu(x), [X])


@every_row
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_dtype_is_kept_and_arrays_give_arrays(
    ours: Any, theirs: Any, arguments: Any, dtype: str
) -> None:
    del theirs
    arrays = [a.astype(dtype) for a in arguments]
    leaves = [tg.Tensor(a, requires_grad=True) for a in arrays]
    out = ours(*leaves)
    out.backward(np.ones(out.shape, dtype))
    assert [out.dtype, *(leaf.grad.dtype for leaf in leaves)] == [np.dtype(dtype)] * (
        1 + len(leaves)
    )
    plain = ours(*arrays)
    assert not isinstance(plain, tg.Tensor)
    np.testing.assert_array_equal(plain, out.numpy())


BIG = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, -np.inf, 1.0]])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_huge_logits_and_minus_infinity(dtype: str) -> None:
    """Warnings are errors here: no overflow, no log of 0, no NaN on the way."""
    logits = tg.Tensor(BIG.astype(dtype), requires_grad=True)
    e = 1 / (1 + np.e)
    expected = [[1, 0, 0], [0, 0.5, 0.5], [e, 0, 1 - e]]
    np.testing.assert_allclose(F.softmax(logits).numpy(), expected, rtol=1e-6)
    logs = [[0, -2e4, -1e4], [-2e4 - np.log(2), -np.log(2), -np.log(2)],
            [np.log(e), -np.inf, np.log(1 - e)]]  # fmt: skip
    np.testing.assert_allclose(F.log_softmax(logits).numpy(), logs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        F.logsumexp(logits).numpy(), [1e4, 1e4 + np.log(2), np.log(1 + np.e)], rtol=1e-6
    )
    loss = F.cross_entropy(logits, np.array([1, 0, 2]))
    loss.backward()
    hand = (np.array(expected) - np.eye(3)[[1, 0, 2]]) / 3
    assert loss.item() == pytest.approx((2e4 + 2e4 + np.log(2) - np.log(1 - e)) / 3, rel=1e-6)
    np.testing.assert_allclose(logits.grad.numpy(), hand, rtol=1e-6, atol=1e-9)


def test_label_on_a_column_of_minus_infinity_costs_infinity() -> None:
    logits = tg.Tensor(BIG[2:], requires_grad=True)
    loss = F.cross_entropy(logits, [1])
    loss.backward()
    assert loss.item() == np.inf
    np.testing.assert_allclose(logits.grad.numpy(), [[0.26894142, -1.0, 0.73105858]], rtol=1e-7)


@pytest.mark.parametrize(
    ("x", "value", "slope"),
    [(1e4, 1.0, 0.0), (-1e4, 0.0, 0.0), (np.inf, 1.0, 0.0), (-np.inf, 0.0, 0.0), (0.0, 0.5, 0.25)],
)
def test_sigmoid_at_extremes(x: float, value: float, slope: float) -> None:
    t = tg.Tensor(np.array([x]), requires_grad=True)
    F.sigmoid(t).backward()
    assert (F.sigmoid(t).item(), t.grad.item()) == (value, slope)


@pytest.mark.parametrize("x", [-40.0, -20.0, -5.0, 3.0])
def test_sigmoid_keeps_its_digits(x: float) -> None:
    exact = math.exp(x) / (1 + math.exp(x))
    np.testing.assert_allclose(F.sigmoid(np.array(x)), exact, rtol=1e-15)
    np.testing.assert_allclose(F.sigmoid(np.array(x, np.float32)), exact, rtol=5e-7)


@pytest.mark.parametrize("shape", [(1,), (1, 4), (2, 4), ()])
def test_linear_refuses_a_bias_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(tg.ShapeError, match="bias"):
        F.linear(np.ones((2, 3)), np.ones((4, 3)), tg.Tensor(np.ones(shape), requires_grad=True))


@pytest.mark.parametrize(
    ("logit", "target", "loss", "slope"),
    [
        (1e4, 1.0, 0.0, 0.0),
        (1e4, 0.0, 1e4, 1.0),
        (-1e4, 1.0, 1e4, -1.0),
        (-1e4, 0.0, 0.0, 0.0),
        (20.0, 1.0, 2.0611536203e-9, -2.0611536182e-9),
        (-20.0, 0.0, 2.0611536203e-9, 2.0611536182e-9),
        (0.0, 1.0, np.log(2), -0.5),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_binary_cross_entropy_at_extremes(
    logit: float, target: float, loss: float, slope: float, dtype: str
) -> None:
    x = tg.Tensor(np.array([logit], dtype), requires_grad=True)
    out = F.binary_cross_entropy_with_logits(x, np.array([target], dtype))
    out.backward()
    assert out.item() == pytest.approx(loss, rel=1e-6)
    assert x.grad.item() == pytest.approx(slope, rel=1e-6)


@for_each(
    [F.cross_entropy, F.nll_loss],
    [list, np.array, lambda y: tg.Tensor(np.array(y)), lambda y: np.array(y, np.uint8)],
)
def test_labels_in_any_form(loss: Any, form: Any) -> None:
    x = tg.Tensor(X, requires_grad=True)
    out = loss(x, form([int(y) for y in LABELS]))
    out.backward()
    expected = {
        F.cross_entropy: -np.mean(F.log_softmax(X)[np.arange(6), LABELS]),
        F.nll_loss: -np.mean(X[np.arange(6), LABELS]),
    }
    assert out.item() == pytest.approx(expected[loss], rel=1e-14)
    assert x.grad.shape == X.shape


BAD_LABELS = [
    (np.array([0, 5, 1, 1, 1, 1]), ValueError, "labels from 0 to 5 for 5 classes"),
    (np.array([0, -1, 1, 1, 1, 1]), ValueError, "labels from -1 to 1 for 5 classes"),
    (np.zeros(6), TypeError, "labels of dtype float64; they must be integers"),
    (np.zeros(6, bool), TypeError, "labels of dtype bool"),
    (np.zeros((6, 1), int), ShapeError, r"\(6, 5\) and labels of shape \(6, 1\); expected \(n, c"),
    (np.zeros(5, int), ShapeError, r"\(6, 5\) and labels of shape \(5,\)"),
    (np.int64(1), ShapeError, r"\(6, 5\) and labels of shape \(\)"),
    (np.eye(5, dtype=int)[[0] * 6], ShapeError, r"\(6, 5\) and labels of shape \(6, 5\)"),
]


@pytest.mark.parametrize("wrap", [np.asarray, tg.Tensor])
@pytest.mark.parametrize(("labels", "error", "message"), BAD_LABELS)
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_bad_labels_are_refused(
    loss: Any, labels: Any, error: Any, message: str, wrap: Any
) -> None:
    with pytest.raises(error, match=message):
        loss(tg.Tensor(X, requires_grad=True), wrap(labels))


@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize(
    ("a", "b"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 1), (1, 4)), ((4, 2), (2,)), ((), (1,))]
)
def test_losses_do_not_broadcast(loss: Any, a: Any, b: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        loss(tg.Tensor(np.ones(a), requires_grad=True), np.ones(b))
    assert f"prediction of shape {a} and target of shape {b}" in str(caught.value)


@pytest.mark.parametrize(
    ("x", "w", "b"), [((4, 5), (2, 3), (2,)), ((4, 5), (2, 3), None), ((3,), (2, 4), (2,))]
)
def test_linear_names_the_shapes_that_do_not_fit(x: Any, w: Any, b: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        F.linear(tg.Tensor(np.ones(x)), np.ones(w), None if b is None else np.ones(b))
    assert f"x of shape {x}, weight {w} and bias {b}" in str(caught.value)


def test_one_hot() -> None:
    expected = np.array([[[0, 0, 1], [1, 0, 0]]], np.float32)
    for labels in ([[2, 0]], np.array([[2, 0]]), tg.Tensor(np.array([[2, 0]]))):
        hot = F.one_hot(labels, 3)
        values = hot.numpy() if isinstance(hot, tg.Tensor) else hot
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == np.float32
    assert F.one_hot(np.zeros(0, int), 3).shape == (0, 3)
    assert F.one_hot([1], 2, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([3], ValueError, "one_hot: labels from 3 to 3 for 3 classes"),
        ([-1], ValueError, "one_hot: labels from -1 to -1"),
        ([1.0], TypeError, "one_hot: labels of dtype float64"),
    ],
)
def test_one_hot_refuses(labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        F.one_hot(labels, 3)


def test_gelu_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "scipy"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    x = tg.Tensor(X, requires_grad=True)
    with pytest.raises(ImportError, match=r"pip install scipy, or use gelu\(x, approximate='tanh'"):
        F.gelu(x)
    assert F.gelu(x, approximate="tanh").numpy()[2, 2] == pytest.approx(
        0.5 * X[2, 2] * (1 + np.tanh(np.sqrt(2 / np.pi) * (X[2, 2] + 0.044715 * X[2, 2] ** 3)))
    )


def test_gelu_refuses_other_approximations() -> None:
    with pytest.raises(ValueError, match="'none', 'tanh'"):
        F.gelu(X, approximate="fast")


def test_cross_entropy_of_equal_logits_is_log_of_the_classes() -> None:
    for classes in (2, 10, 1000):
        loss = F.cross_entropy(tg.Tensor(np.full((3, classes), 7.0)), [0, 1, classes - 1])
        assert loss.item() == pytest.approx(np.log(classes), rel=1e-14)


def test_operands_may_be_read_only_and_strided() -> None:
    x = np.repeat(X, 2, axis=1)[:, ::2]
    x.flags.writeable = False
    labels = np.repeat(LABELS, 2)[::2]
    labels.flags.writeable = False
    leaf = tg.Tensor(x, requires_grad=True)
    F.cross_entropy(leaf, labels).backward()
    hand = (F.softmax(X) - np.eye(5)[LABELS]) / 6
    np.testing.assert_allclose(leaf.grad.numpy(), hand, rtol=1e-12, atol=1e-15)


def test_cross_entropy_goes_back_twice_over_the_same_graph() -> None:
    logits = tg.Tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], requires_grad=True)
    loss = F.cross_entropy(logits * 1, np.array([1, 0]))
    loss.backward(retain_graph=True)
    assert logits.grad is not None
    first = logits.grad.numpy()
    logits.grad = None
    loss.backward()
    np.testing.assert_array_equal(logits.grad.numpy(), first)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_cross_entropy_goes_back_as_its_rule_on_tensors_does(weight: float) -> None:
    values = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 3, 1, 1, 2])
    gradients = []
    for create_graph in (False, True):
        logits = tg.Tensor(values, requires_grad=True)
        (F.cross_entropy(logits, labels) * weight).backward(create_graph=create_graph)
        assert logits.grad is not None
        gradients.append(logits.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_the_mean_square_of_nothing_is_nan() -> None:
    empty = np.zeros((0, 3))
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty slice"):
        assert np.isnan(F.mse_loss(tg.Tensor(empty), empty).item())


def test_sums_of_rows_of_other_arrays() -> None:
    class Other(np.ndarray):
        """An array that is no plain one."""

    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(neural.row_sum.implementation(x.view(Other)), x.sum(0))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(neural.line_sums.implementation(x.view(Other)), x.sum(1))  # type: ignore[attr-defined]
