"""The pencil-and-paper gradients against complex step, finite differences and PyTorch."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import by_hand
from tests.each import for_each

Array = NDArray[Any]

DEPTHS = [(7, 4), (7, 5, 4), (9, 6, 5, 3), (6, 7, 6, 5, 4)]
NETS: list[tuple[str, tuple[int, ...]]] = [
    ("two_layer_relu", (7, 5, 4)),
    *(("relu", widths) for widths in DEPTHS),
    *(("leaky_relu", widths) for widths in DEPTHS),
    *(("tanh", widths) for widths in DEPTHS),
]
KINDS = list(by_hand.BY_HAND)


def read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def example(
    widths: tuple[int, ...], dtype: str = "f8", seed: int = 0, n: int = 11
) -> tuple[list[Array], Array, Array]:
    """Random parameters, x and labels, all read-only: NumPy itself reports a write."""
    rng = np.random.default_rng(seed)
    parameters: list[Array] = []
    for fan_in, fan_out in pairwise(widths):
        parameters.append(read_only(rng.normal(size=(fan_out, fan_in)).astype(dtype)))
        parameters.append(read_only(rng.normal(size=fan_out).astype(dtype)))
    x = read_only(rng.normal(size=(n, widths[0])).astype(dtype))
    labels = read_only(rng.integers(widths[-1], size=n))
    return parameters, x, labels


def complex_safe_loss(kind: str, parameters: list[Array], x: Array, labels: Array) -> Any:
    """The loss written again, analytic in a small imaginary part: kinks look at the real part."""
    activations: dict[str, Callable[[Array], Array]] = {
        "two_layer_relu": lambda z: np.where(z.real > 0, z, 0),
        "relu": lambda z: np.where(z.real > 0, z, 0),
        "leaky_relu": lambda z: np.where(z.real > 0, z, 0.01 * z),
        "tanh": np.tanh,
    }
    z = x @ parameters[0].T + parameters[1]
    for weight, bias in zip(parameters[2::2], parameters[3::2], strict=True):
        z = activations[kind](z) @ weight.T + bias
    z = z - z.real.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(x)), labels])


def complex_step_gradients(
    kind: str, parameters: list[Array], x: Array, labels: Array
) -> list[Array]:
    """d loss / dp = Im loss(p + ih) / h, without cancellation, so h may be 1e-30."""
    gradients = []
    for which, parameter in enumerate(parameters):
        gradient = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            shifted = [p.astype(complex) for p in parameters]
            shifted[which][index] += 1e-30j
            gradient[index] = complex_safe_loss(kind, shifted, x, labels).imag / 1e-30
        gradients.append(gradient)
    return gradients


def central_differences(kind: str, parameters: list[Array], x: Array, labels: Array) -> list[Array]:
    """Fourth order: (8 (f₁ − f₋₁) − (f₂ − f₋₂)) / 12h, of the module's own loss."""
    h = 1e-4

    def loss_at(which: int, index: tuple[int, ...], offset: float) -> float:
        shifted = [p.copy() for p in parameters]
        shifted[which][index] += offset
        return by_hand.BY_HAND[kind](shifted, x, labels)[0]

    gradients = []
    for which, parameter in enumerate(parameters):
        gradient = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            at = partial(loss_at, which, index)
            gradient[index] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        gradients.append(gradient)
    return gradients


def assert_relatively_close(got: list[Array], expected: list[Array], tolerance: float) -> None:
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape
        assert np.abs(g - e).max() <= tolerance * np.abs(e).max()


def away_from_kinks(parameters: list[Array], x: Array, kind: str, margin: float) -> bool:
    return all(
        np.abs(by_hand.logits(kind, parameters[: 2 * layer], x)).min() > margin
        for layer in range(1, len(parameters) // 2)
    )


@for_each(NETS)
def test_complex_step(net: tuple[str, tuple[int, ...]]) -> None:
    kind, widths = net
    parameters, x, labels = example(widths)
    loss, gradients = by_hand.BY_HAND[kind](parameters, x, labels)
    assert loss == pytest.approx(complex_safe_loss(kind, parameters, x, labels), rel=1e-14)
    assert_relatively_close(
        gradients, complex_step_gradients(kind, parameters, x, labels), tolerance=1e-12
    )


@for_each([net for net in NETS if len(net[1]) == 3 or net == NETS[-1]])
def test_central_differences(net: tuple[str, tuple[int, ...]]) -> None:
    """One network of each kind, and the deepest: all of them are in the test above."""
    kind, widths = net
    examples = (example(widths, seed=seed, n=4) for seed in range(100))
    parameters, x, labels = next(e for e in examples if away_from_kinks(e[0], e[1], kind, 2e-3))
    _, gradients = by_hand.BY_HAND[kind](parameters, x, labels)
    assert_relatively_close(
        gradients, central_differences(kind, parameters, x, labels), tolerance=1e-9
    )


@for_each(NETS)
def test_pytorch(net: tuple[str, tuple[int, ...]]) -> None:
    kind, widths = net
    torch = pytest.importorskip("torch")
    activation = {
        "two_layer_relu": torch.relu,
        "relu": torch.relu,
        "leaky_relu": partial(torch.nn.functional.leaky_relu, negative_slope=0.01),
        "tanh": torch.tanh,
    }[kind]
    parameters, x, labels = example(widths)
    theirs = [torch.tensor(p, requires_grad=True) for p in parameters]
    z = torch.tensor(x) @ theirs[0].T + theirs[1]
    for weight, bias in zip(theirs[2::2], theirs[3::2], strict=True):
        z = activation(z) @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(labels))
    loss.backward()

    by_hand_loss, gradients = by_hand.BY_HAND[kind](parameters, x, labels)
    assert by_hand_loss == pytest.approx(loss.item(), rel=1e-13)
    assert_relatively_close([by_hand.logits(kind, parameters, x)], [z.detach().numpy()], 1e-13)
    assert_relatively_close(gradients, [p.grad.numpy() for p in theirs], tolerance=1e-12)


def test_two_layer_relu_is_deep_relu_with_two_layers() -> None:
    parameters, x, labels = example((12, 10, 10))
    two_layer_loss, two_layer = by_hand.two_layer_relu(parameters, x, labels)
    deep_loss, deep = by_hand.deep_relu(parameters, x, labels)
    assert two_layer_loss == deep_loss
    for a, b in zip(two_layer, deep, strict=True):
        np.testing.assert_array_equal(a, b)


@for_each(KINDS, ["f4", "f8"])
def test_dtype_is_kept(kind: str, dtype: str) -> None:
    parameters, x, labels = example((7, 5, 4), dtype)
    _, gradients = by_hand.BY_HAND[kind](parameters, x, labels)
    assert [g.dtype for g in gradients] == [np.dtype(dtype)] * 4
    assert by_hand.logits(kind, parameters, x).dtype == dtype


@pytest.mark.parametrize(
    ("kind", "slope_at_zero"),
    [("two_layer_relu", 0.0), ("relu", 0.0), ("leaky_relu", 0.01), ("tanh", 1.0)],
)
def test_slope_at_the_kink(kind: str, slope_at_zero: float) -> None:
    hidden, output = np.eye(2), np.array([[1.0, 2.0], [3.0, 5.0]])
    parameters = [hidden, np.zeros(2), output, np.zeros(2)]
    _, gradients = by_hand.BY_HAND[kind](parameters, np.zeros((1, 2)), np.array([0]))
    dz2 = np.array([0.5 - 1, 0.5])
    np.testing.assert_allclose(gradients[1], slope_at_zero * (dz2 @ output), rtol=1e-15)


def test_another_leaky_slope() -> None:
    parameters, x, labels = example((7, 5, 4))
    as_relu = by_hand.deep_leaky_relu(parameters, x, labels, slope=0.0)
    expected = by_hand.deep_relu(parameters, x, labels)
    assert as_relu[0] == expected[0]
    assert_relatively_close(as_relu[1], expected[1], tolerance=1e-15)
    linear = by_hand.deep_leaky_relu(parameters, x, labels, slope=1.0)
    product = [parameters[2] @ parameters[0], parameters[2] @ parameters[1] + parameters[3]]
    one_layer = by_hand.deep_relu(product, x, labels)
    assert linear[0] == pytest.approx(one_layer[0], rel=1e-13)
    assert_relatively_close(linear[1][3:], one_layer[1][1:], tolerance=1e-13)


def test_softmax_cross_entropy_of_huge_logits() -> None:
    z = np.array([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4]])
    loss, dz = by_hand.softmax_cross_entropy(z, np.array([0, 1]))
    assert loss == 5e3
    np.testing.assert_array_equal(dz, [[0, 0, 0], [0, -0.5, 0.5]])


def test_uniform_logits_cost_log_of_the_number_of_classes() -> None:
    loss, dz = by_hand.softmax_cross_entropy(np.zeros((4, 10)), np.array([0, 3, 9, 9]))
    assert loss == pytest.approx(np.log(10), rel=1e-15)
    np.testing.assert_allclose(dz[1], np.where(np.arange(10) == 3, -0.9, 0.1) / 4, rtol=1e-15)


REFUSED_LABELS: list[tuple[Any, str]] = [
    ([0, 1, 4], r"labels must lie in 0 … 3 for a network of 4 outputs; given 0 … 4"),
    ([0, -1, 2], r"labels must lie in 0 … 3 for a network of 4 outputs; given -1 … 2"),
    ([0, 1], r"labels must be 3 integers, .* shape \(3,\); given int64 of shape \(2,\)"),
    ([[0], [1], [2]], r"labels must be 3 integers, .*; given int64 of shape \(3, 1\)"),
    ([0.0, 1.0, 2.0], r"labels must be 3 integers, .*; given float64 of shape \(3,\)"),
]


@for_each(KINDS, REFUSED_LABELS)
def test_labels_are_refused(kind: str, case: tuple[Any, str]) -> None:
    labels, message = case
    parameters, x, _ = example((7, 5, 4), n=3)
    with pytest.raises(ValueError, match=message):
        by_hand.BY_HAND[kind](parameters, x, np.array(labels))


REFUSED_SHAPES: list[tuple[list[tuple[int, ...]], tuple[int, ...], str]] = [
    ([(5, 7), (5,), (4, 5)], (3, 7), r"parameters come in pairs .*; given 3"),
    ([], (3, 7), r"parameters come in pairs .*; given 0"),
    ([(5, 7), (5,)], (7,), r"x must hold at least one example, .*; given \(7,\)"),
    ([(5, 7), (5,)], (0, 7), r"x must hold at least one example, .*; given \(0, 7\)"),
    ([(7, 5), (5,)], (3, 7), r"layer 1 receives 7 .* \(out, 7\) .*; given W \(7, 5\) and b \(5,\)"),
    ([(5, 7), (1, 5)], (3, 7), r"layer 1 receives 7 .*; given W \(5, 7\) and b \(1, 5\)"),
    ([(5, 7), (5,), (4, 6), (4,)], (3, 7), r"layer 2 receives 5 .*; given W \(4, 6\)"),
]


@for_each(REFUSED_SHAPES)
def test_shapes_are_refused(case: tuple[list[tuple[int, ...]], tuple[int, ...], str]) -> None:
    shapes, x_shape, message = case
    parameters, x = [np.zeros(shape) for shape in shapes], np.zeros(x_shape)
    with pytest.raises(ValueError, match=message):
        by_hand.deep_relu(parameters, x, np.zeros(len(x), int))
    with pytest.raises(ValueError, match=message):
        by_hand.logits("relu", parameters, x)


def test_two_layer_relu_refuses_other_depths() -> None:
    parameters, x, labels = example((7, 6, 5, 4))
    with pytest.raises(ValueError, match=r"four parameters W1, b1, W2, b2 and was given 6"):
        by_hand.two_layer_relu(parameters, x, labels)


def test_unknown_kind_is_refused() -> None:
    message = r"no network kind 'gelu'; the kinds are two_layer_relu, relu, leaky_relu, tanh"
    parameters, x, labels = example((7, 4))
    with pytest.raises(ValueError, match=message):
        by_hand.logits("gelu", parameters, x)
    with pytest.raises(ValueError, match=message):
        next(by_hand.train("gelu", parameters, [(x, labels)], repeat(0.1)))


def test_every_kind_has_a_formula_for_every_role() -> None:
    roles = {"hidden weight": "dW", "hidden bias": "db", "output weight": "dW", "output bias": "db"}
    assert list(by_hand.FORMULAS) == KINDS
    for formulas in by_hand.FORMULAS.values():
        assert {role: formula[:2] for role, formula in formulas.items()} == roles


def test_sgd_step() -> None:
    p = np.array([1.0, 2.0])
    by_hand.sgd_step([p], [np.array([4.0, -4.0])], lr=0.25)
    np.testing.assert_array_equal(p, [0.0, 3.0])


def test_sgd_step_with_momentum_and_weight_decay() -> None:
    p, v = np.array([1.0]), np.array([2.0])
    by_hand.sgd_step([p], [np.array([4.0])], 0.25, [v], momentum=0.5, weight_decay=3.0)
    assert v == 0.5 * 2 + (4 + 3 * 1)
    assert p == 1 - 0.25 * 8


def test_momentum_needs_velocities() -> None:
    with pytest.raises(ValueError, match=r"momentum 0.9 needs velocities: pass a list of arrays"):
        by_hand.sgd_step([np.zeros(1)], [np.ones(1)], lr=0.1, momentum=0.9)


def test_adam_steps_from_the_paper() -> None:
    p = np.array([1.0])
    state = by_hand.AdamState.zeros([p])
    by_hand.adam_step([p], [np.array([3.0])], state, lr=0.1)
    assert p == pytest.approx(1 - 0.1 * 3 / (3 + 1e-8), rel=1e-14)
    by_hand.adam_step([p], [np.array([-1.0])], state, lr=0.1)
    m_hat = (0.9 * 0.1 * 3 - 0.1 * 1) / (1 - 0.9**2)
    v_hat = (0.999 * 0.001 * 9 + 0.001 * 1) / (1 - 0.999**2)
    expected = 1 - 0.1 * 3 / (3 + 1e-8) - 0.1 * m_hat / (np.sqrt(v_hat) + 1e-8)
    assert p == pytest.approx(expected, rel=1e-13)
    assert state.t == 2


def sgd_like_pytorch(parameters: list[Array]) -> by_hand.Update:
    velocities = [np.zeros_like(p) for p in parameters]
    return partial(by_hand.sgd_step, velocities=velocities, momentum=0.9, weight_decay=0.01)


def adam_like_pytorch(parameters: list[Array]) -> by_hand.Update:
    state = by_hand.AdamState.zeros(parameters)
    return lambda p, g, lr: by_hand.adam_step(p, g, state, lr)


@pytest.mark.parametrize(
    ("name", "options", "make_update"),
    [
        ("SGD", {"momentum": 0.9, "weight_decay": 0.01}, sgd_like_pytorch),
        ("Adam", {}, adam_like_pytorch),
    ],
)
def test_optimisers_follow_pytorch(
    name: str, options: dict[str, float], make_update: Callable[[list[Array]], by_hand.Update]
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    ours = [rng.normal(size=(3, 4)), rng.normal(size=3)]
    theirs = [torch.tensor(p, requires_grad=True) for p in ours]
    optimiser = getattr(torch.optim, name)(theirs, lr=0.05, **options)
    update = make_update(ours)
    for _ in range(20):
        gradients = [rng.normal(size=p.shape) for p in ours]
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = torch.tensor(g)
        optimiser.step()
        update(ours, gradients, 0.05)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12)


def test_steps_keep_float32() -> None:
    parameters, x, labels = example((7, 5, 4), "f4")
    trained = [p.copy() for p in parameters]
    update = adam_like_pytorch(trained)
    losses = list(by_hand.train("relu", trained, repeat((x, labels)), repeat(0.01, 3), update))
    assert len(losses) == 3
    assert {p.dtype for p in trained} == {np.dtype("f4")}


def test_train_is_the_loop_written_out() -> None:
    parameters, x, labels = example((7, 5, 4))
    trained, expected = [p.copy() for p in parameters], [p.copy() for p in parameters]
    batches = [(x[:6], labels[:6]), (x[6:], labels[6:])]
    rates = [0.5, 0.125]
    losses = list(by_hand.train("tanh", trained, batches, rates))

    expected_losses = []
    for (batch_x, batch_labels), lr in zip(batches, rates, strict=True):
        loss, gradients = by_hand.deep_tanh(expected, batch_x, batch_labels)
        expected_losses.append(loss)
        expected = [p - lr * g for p, g in zip(expected, gradients, strict=True)]
    assert losses == expected_losses
    for a, b in zip(trained, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns_to_separate(kind: str) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(3, size=60)
    x = rng.normal(size=(60, 4)) + 4 * np.eye(3, 4)[labels]
    parameters = [0.5 * rng.normal(size=s) for s in [(8, 4), (8,), (3, 8), (3,)]]
    losses = list(by_hand.train(kind, parameters, repeat((x, labels)), repeat(0.3, 200)))
    assert losses[-1] < 0.1 < losses[0]
    np.testing.assert_array_equal(by_hand.logits(kind, parameters, x).argmax(axis=1), labels)
