"""Full batches in blocks of rows: what is run so, and that it is what eager mode computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.steps import clear, rng, variable
from tests.replay.twins import Twin, assert_twins
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.nn import functional as F
from tinygrad_np.replay.rows import RowLoop

ROWS = 2_500  # three blocks, the last of which is shorter
Make = Callable[[], Twin]
LOOPED: list[Make] = []
WHOLE: list[Make] = []


def looped(make: Make) -> Make:
    """A step whose rows are passed in blocks."""
    LOOPED.append(make)
    return make


def whole(make: Make) -> Make:
    """A step that cannot be run so, or not to any use."""
    WHOLE.append(make)
    return make


def batch(k: int, n: int = ROWS) -> list[np.ndarray]:
    return [rng(k).standard_normal((n, 6)).astype("f4"), rng(k).integers(0, 3, n)]


def network(activation: Any = nn.ReLU, wide: int = 6, hidden: int = 5) -> nn.Sequential:
    layers = nn.Linear(wide, hidden, seed=rng(0)), nn.Linear(hidden, 3, seed=rng(1))
    return nn.Sequential(layers[0], activation(), layers[1])


def trained(loss: Any, *sizes: Any) -> Twin:
    model = network(*sizes)
    optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        found = loss(model, x, y)
        found[0].backward()
        optimiser.step()
        return found

    return Twin(run, model.parameters())


@looped
def cross_entropy() -> Twin:
    return trained(lambda model, x, y: [F.cross_entropy(model(x), y)])


@looped
def tanh_layers() -> Twin:
    return trained(lambda model, x, y: [F.cross_entropy(model(x), y)], nn.Tanh)


@looped
def sigmoid_layers() -> Twin:
    return trained(lambda model, x, y: [F.cross_entropy(model(x), y)], nn.Sigmoid)


@looped
def leaky_layers() -> Twin:
    return trained(lambda model, x, y: [F.cross_entropy(model(x), y)], nn.LeakyReLU)


@looped
def with_the_count_of_hits() -> Twin:
    def loss(model: Any, x: Any, y: Any) -> Any:
        logits = model(x)
        right = np.equal(np.argmax(logits, axis=1), y).sum()
        return [F.cross_entropy(logits, y), right]

    return trained(loss)


@looped
def with_a_penalty() -> Twin:
    def loss(model: Any, x: Any, y: Any) -> Any:
        penalty = sum(np.sum(np.square(p)) for p in model.parameters())
        return [F.cross_entropy(model(x), y) + 0.01 * penalty, penalty]

    return trained(loss)


@looped
def gradients_that_accumulate() -> Twin:
    model = network()

    def run(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for p in model.parameters():
        p.grad = tg.Tensor(np.ones(p.shape, p.dtype))
    return Twin(run, model.parameters())


@looped
def clipped() -> Twin:
    model = network()

    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        norm = np.sqrt(sum(np.sum(np.square(p.grad)) for p in model.parameters()))
        with tg.no_grad():
            for p in model.parameters():
                p[...] = p - p.grad * np.minimum(0.1 / norm, 1)
        return loss, norm

    return Twin(run, model.parameters())


@looped
def parameters_are_read_after_the_update() -> Twin:
    """What reads memory stays behind what writes it."""
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)

    def run(x: Any, y: Any) -> Any:
        before = [np.sum(p) for p in model.parameters()]
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss, before, [np.sum(p) for p in model.parameters()]

    return Twin(run, model.parameters())


@looped
def parameters_are_read_after_a_write_by_hand() -> Twin:
    model, w = network(), variable(3)

    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        with tg.no_grad():
            w[...] = w * 0.5
        return loss, w * 3

    return Twin(run, [*model.parameters(), w])


@tg.primitive
def noise(x: Any, generator: np.random.Generator) -> Any:
    return generator.standard_normal(x.shape).astype(x.dtype)


@looped
def draws_on_both_sides() -> Twin:
    model, w, generator = network(), tg.Tensor(np.ones(3, "f4")), rng(3)

    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        first = noise(w, generator)
        loss = F.cross_entropy(model(x), y) * np.mean(first)
        loss.backward()
        return loss, noise(loss.detach(), generator), noise(w, generator)

    return Twin(run, model.parameters(), others=lambda: [generator.bit_generator.state["state"]])


@whole
def results_of_every_row() -> Twin:
    def loss(model: Any, x: Any, y: Any) -> Any:
        logits = model(x)
        return [F.cross_entropy(logits, y), logits]

    return trained(loss)


@whole
def labels_from_outside() -> Twin:
    labels = tg.Tensor(batch(9)[1])
    return trained(lambda model, x, _: [F.cross_entropy(model(x), labels)])


@whole
def data_from_outside() -> Twin:
    data = tg.Tensor(batch(9)[0])
    return trained(lambda model, _, y: [F.cross_entropy(model(data), y)])


@whole
def weights_of_the_rows_from_outside() -> Twin:
    weights = tg.Tensor(rng(5).random((ROWS, 1)).astype("f4"))
    return trained(lambda model, x, y: [F.cross_entropy(model(x) * weights, y)])


@whole
def weights_of_the_rows_in_one_axis() -> Twin:
    weights = tg.Tensor(rng(5).random(ROWS).astype("f4"))

    def loss(model: Any, x: Any, y: Any) -> Any:
        rows = np.sum(model(x), axis=1) * weights
        return [np.mean(rows * y)]

    return trained(loss)


@whole
def rows_that_meet() -> Twin:
    def loss(model: Any, x: Any, y: Any) -> Any:
        logits = model(x - np.mean(x, axis=0))
        return [F.cross_entropy(logits, y)]

    return trained(loss)


@whole
def rows_in_another_order() -> Twin:
    return trained(lambda model, x, y: [F.cross_entropy(model(x[::-1]), y)])


@whole
def an_update_between_two_passes() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)

    def run(x: Any, y: Any) -> Any:
        losses = []
        for _ in range(2):
            optimiser.zero_grad()
            losses.append(F.cross_entropy(model(x), y))
            losses[-1].backward()
            optimiser.step()
        return losses

    return Twin(run, model.parameters())


@whole
def an_update_before_the_pass() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)

    def run(x: Any, y: Any) -> Any:
        optimiser.step()
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return Twin(run, model.parameters())


@whole
def a_square_of_rows() -> Twin:
    """Both axes as long as there are rows: nothing may be taken for the wrong one."""
    w = variable(1, dtype="f4")

    def run(x: Any, y: Any) -> Any:
        clear(w)
        line = np.sum(x, axis=1)
        square = np.expand_dims(line, 1) * np.expand_dims(line * w, 0) + y
        loss = np.sum(np.tanh(square)) / ROWS
        loss.backward()
        return loss

    return Twin(run, [w])


def has_loop(make: Make, k: int = 0) -> bool:
    step = tg.replay(make().step, verify=False)
    for _ in range(2):
        step(*batch(k))
    return any(isinstance(e.fn, RowLoop) for e in step.program.plan.equations)


@pytest.mark.parametrize("make", LOOPED + WHOLE, ids=lambda make: make.__name__)
def test_equal_to_eager_mode(make: Make) -> None:
    another = make is an_update_before_the_pass  # the first call finds no gradients
    assert_twins(make, batch, 3 + another, 2 + another, verify=False)


@pytest.mark.parametrize("make", LOOPED, ids=lambda make: make.__name__)
def test_rows_are_passed_in_blocks(make: Make) -> None:
    assert has_loop(make)


@pytest.mark.parametrize("n", [2_047, 2_048, 2_049, 3_072, 3_073, 4_096, 5_000])
def test_every_number_of_rows(n: int) -> None:
    assert_twins(cross_entropy, lambda k: batch(k, n), 3, verify=False)
    step = tg.replay(cross_entropy().step, verify=False)
    for k in range(2):
        step(*batch(k, n))
    loops = [e.fn for e in step.program.plan.equations if isinstance(e.fn, RowLoop)]
    assert [loop.blocks for loop in loops] == ([neural.row_blocks(n)] if n > 2_048 else [])


def test_products_of_blocks_in_pieces() -> None:
    def wide(k: int) -> list[np.ndarray]:
        return [rng(k).standard_normal((ROWS, 96)).astype("f4"), batch(k)[1]]

    def make() -> Twin:
        return trained(lambda model, x, y: [F.cross_entropy(model(x), y)], nn.ReLU, 96, 64)

    size = len(range(ROWS)[neural.row_blocks(ROWS)[0]])
    assert neural.in_pieces(np.zeros((size, 96)), np.zeros((96, 64)), None) is not None
    assert_twins(make, wide, 4)


def test_rows_of_a_view() -> None:
    def views(k: int) -> list[np.ndarray]:
        wide = rng(k).standard_normal((2 * ROWS, 12)).astype("f4")
        return [wide[::2, 3:9], rng(k).integers(0, 3, 3 * ROWS)[::3]]

    assert_twins(cross_entropy, views, 4)


def test_rows_in_columns() -> None:
    def turned(k: int) -> list[np.ndarray]:
        return [batch(k)[0].T.copy().T, batch(k)[1]]

    assert_twins(cross_entropy, turned, 4)
    assert_twins(tanh_layers, turned, 4)


def test_labels_out_of_range_in_any_block() -> None:
    step = tg.replay(cross_entropy().step)
    x, y = batch(0)
    for _ in range(3):
        step(x, y)
    for place in (0, 1_500, ROWS - 1):
        wrong = y.copy()
        wrong[place] = 7
        with pytest.raises(tg.DataError, match=r"cross_entropy: labels from 0 to 7 for 3 classes"):
            step(x, wrong)
    step(x, y)


def test_nan_in_one_row() -> None:
    def poisoned(k: int) -> list[np.ndarray]:
        x, y = batch(k)
        x[k * 800, 2] = np.nan
        return [x, y]

    with np.errstate(all="ignore"):
        assert_twins(cross_entropy, poisoned, 4)
