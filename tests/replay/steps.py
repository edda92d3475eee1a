"""Steps as people write them, one function each: what it makes is a ``Twin``, from equal state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import tinygrad_np as tg
from tests.replay.twins import Inputs, Twin
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F

RATE = 0.1


@dataclass(frozen=True)
class Step:
    """A step, its inputs, and how often it is run as Python in ``calls`` calls."""

    make: Callable[[], Twin]
    inputs: Inputs
    calls: int = 4
    runs: int | None = 2

    @property
    def name(self) -> str:
        return self.make.__name__


STEPS: list[Step] = []


def rng(k: int) -> np.random.Generator:
    return np.random.default_rng(k)


def rows(k: int) -> list[Any]:
    """x (5, 4) in float32 and labels in 0 … 2."""
    return [rng(k).standard_normal((5, 4)).astype("f4"), rng(k).integers(0, 3, 5)]


def numbers(k: int) -> list[Any]:
    return [rng(k).standard_normal(3)]


def nothing(_: int) -> list[Any]:
    return []


def step(inputs: Inputs = numbers, **options: Any) -> Any:
    def register(make: Callable[[], Twin]) -> Callable[[], Twin]:
        STEPS.append(Step(make, inputs, **options))
        return make

    return register


def variable(*shape: int, seed: int = 1, dtype: str = "f8") -> tg.Tensor:
    return tg.Tensor(rng(seed).standard_normal(shape).astype(dtype), requires_grad=True)


def network(seed: int = 0) -> nn.Sequential:
    draw = rng(seed)
    return nn.Sequential(nn.Linear(4, 6, seed=draw), nn.ReLU(), nn.Linear(6, 3, seed=draw))


def training_step(model: nn.Module, optimiser: Any) -> Any:
    """A step of training on labels."""

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    return run


def clear(*leaves: tg.Tensor) -> None:
    for leaf in leaves:
        leaf.grad = None


# What is in the step, and what around it.


@step()
def a_loss_alone() -> Twin:
    w = variable(3)
    return Twin(lambda x: (w * x).sum(), [w])


@step(runs=3)  # the first call finds no gradient, the others do: two programs
def gradients_accumulate() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        loss = np.tanh(w * x).sum()
        loss.backward()
        return loss

    return Twin(run, [w])


@step()
def two_leaves_with_one_gradient() -> Twin:
    w, v = variable(3), variable(3, seed=2)

    def run(x: Any) -> Any:
        clear(w, v)
        loss = np.tanh((w + v) * x).sum()
        loss.backward()
        return loss

    return Twin(run, [w, v])


@step()
def gradients_are_cleared_outside() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        loss = np.tanh(w * x).sum()
        loss.backward()
        return loss

    return Twin(run, [w], before=lambda _: clear(w))


@step(calls=7, runs=4)
def gradients_are_cleared_every_other_call() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        loss = np.tanh(w * x).sum()
        loss.backward()
        return loss

    return Twin(run, [w], before=lambda k: clear(w) if k % 2 else None)


@step()
def gradients_are_cleared_at_the_end() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        (w * x * w).sum().backward()
        with tg.no_grad():
            w[...] = w - RATE * w.grad
        w.grad = None
        return w * 1.0

    return Twin(run, [w])


@step()
def several_losses_with_a_backward_each() -> Twin:
    w, u = variable(3), variable(3, seed=2)

    def run(x: Any) -> Any:
        clear(w, u)
        first = np.tanh(w * x).sum()
        first.backward()
        second = (w * u * x).sum()
        second.backward()
        third = np.square(u - x).mean()
        third.backward()
        return first, second, third

    return Twin(run, [w, u])


@step()
def one_graph_twice() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        loss = np.tanh(w * x).sum()
        loss.backward(retain_graph=True)
        loss.backward(np.array(0.5).tolist())
        return loss

    return Twin(run, [w])


@step()
def a_parameter_used_twice_and_one_not_at_all() -> Twin:
    w, unused = variable(3), variable(2)

    def run(x: Any) -> Any:
        clear(w, unused)
        loss = (np.tanh(w * x) + w * w).sum() + w[0]
        loss.backward()
        return loss

    return Twin(run, [w, unused])


@step()
def a_gradient_is_given() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        y = np.tanh(w * x)
        y.backward(x * 2)
        return y

    return Twin(run, [w])


@step(nothing)
def no_arguments() -> Twin:
    w, x = variable(3), tg.Tensor(rng(3).standard_normal(3))

    def run() -> Any:
        clear(w)
        loss = (w * x * w).sum()
        loss.backward()
        with tg.no_grad():
            w[...] = w - RATE * w.grad
        return loss

    return Twin(run, [w])


@step(lambda k: [rng(k).standard_normal(3), [2, 3.0][k % 2], "tanh", None], calls=8, runs=4)
def numbers_and_strings_as_arguments() -> Twin:
    w = variable(3)

    def run(x: Any, power: float, name: str, nothing: Any) -> Any:
        assert nothing is None
        clear(w)
        loss = (getattr(np, name)(w * x) ** power).sum()
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [np.float32(k), np.float64(k / 3), np.int64(k)])
def numpy_numbers_as_arguments() -> Twin:
    w = variable(3, dtype="f4")

    def run(rate: Any, shift: Any, count: Any) -> Any:
        clear(w)
        loss = (w * rate).sum() + shift * count
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [{"x": rng(k).standard_normal(3), "more": [(rng(-k + 9).standard_normal(()), 2)]}])
def a_nest_as_argument() -> Twin:
    w = variable(3)

    def run(batch: dict[str, Any]) -> Any:
        clear(w)
        ((scale, number),) = batch["more"]
        loss = (w * batch["x"]).sum() * scale * number
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [tg.Tensor(rng(k).standard_normal(3)), tg.Tensor(rng(k + 9).standard_normal(3)).T])
def tensors_as_arguments() -> Twin:
    w = variable(3)

    def run(x: Any, y: Any) -> Any:
        clear(w)
        loss = (w * x - y).sum()
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [v := rng(k).standard_normal(3), v if k < 2 else rng(k + 9).standard_normal(3)])
def the_same_array_twice() -> Twin:
    return Twin(lambda x, y: (x * 2 - y).sum())


class Pair(NamedTuple):
    first: Any
    second: Any


@step()
def a_nest_as_result() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        y = w * x
        loss = y.sum()
        loss.backward()
        return {"loss": loss, "y": [y, (y.T, x)], "n": len(x), "name": "a", "none": None,
                "pair": Pair(w, w.grad)}  # fmt: skip

    return Twin(run, [w])


@step()
def nothing_as_result() -> Twin:
    w = variable(3)

    def run(x: Any) -> None:
        clear(w)
        (w * x).sum().backward()

    return Twin(run, [w])


@step()
def a_number_as_result() -> Twin:
    return Twin(lambda x: x.shape[0] * 1.5)


@step(lambda k: [rng(k).standard_normal((3, 2)).T])
def the_argument_and_views_of_it_as_results() -> Twin:
    return Twin(lambda x: [x, x.T, x[1:], x[:, ::-1], x.reshape(-1), np.broadcast_to(x, (2, 2, 3))])


@step(rows)
def metrics_in_the_step() -> Twin:
    model = network()

    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        right = np.equal(np.argmax(logits, axis=1), y).sum()
        return loss, right, np.isfinite(logits).all(), np.count_nonzero(np.equal(y, 0))

    return Twin(run, model.parameters())


# What changes parameters.


def regression(w: tg.Tensor, b: tg.Tensor, x: Any, y: Any) -> Any:
    logits = x @ w + b
    return F.cross_entropy(logits, y)


def updated(update: Callable[[tg.Tensor], None]) -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")

    def run(x: Any, y: Any) -> Any:
        loss = regression(w, b, x, y)
        clear(w, b)
        loss.backward()
        with tg.no_grad():
            for parameter in (w, b):
                update(parameter)
        return loss

    return Twin(run, [w, b])


def minus(parameter: tg.Tensor) -> None:
    parameter -= RATE * parameter.grad  # type: ignore[operator]


def assigned(parameter: tg.Tensor) -> None:
    parameter[...] = parameter - RATE * parameter.grad  # type: ignore[operator]


def some_rows(parameter: tg.Tensor) -> None:
    parameter[1:] = parameter[1:] * 0.5
    parameter[0] += parameter.grad[0]  # type: ignore[index]


def decayed(parameter: tg.Tensor) -> None:
    parameter *= 0.9
    parameter -= RATE * np.sign(parameter.grad)


@step(rows)
def descent_by_hand() -> Twin:
    return updated(minus)


@step(rows)
def descent_by_assignment() -> Twin:
    return updated(assigned)


@step(rows)
def writes_to_parts() -> Twin:
    return updated(some_rows)


@step(rows)
def signs_and_decay() -> Twin:
    return updated(decayed)


@step(rows)
def an_optimiser_for_one_and_descent_by_hand_for_the_other() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.Adam([w], 0.01)

    def run(x: Any, y: Any) -> Any:
        clear(w, b)
        loss = regression(w, b, x, y)
        loss.backward()
        optimiser.step()
        with tg.no_grad():
            minus(b)
        return loss, w * 1.0, b * 1.0

    return Twin(run, [w, b], others=lambda: [optimiser.steps])


@step(rows, runs=3)  # the second has a gradient left from the call before
def two_optimisers_taking_turns() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    first, second = optim.SGD([w], 0.1, momentum=0.9), optim.Adam([b], 0.01)

    def run(x: Any, y: Any) -> Any:
        first.zero_grad()
        one = regression(w, b, x, y)
        one.backward()
        first.step()
        second.zero_grad()
        two = regression(w, b, x, y)
        two.backward()
        second.step()
        return one, two

    return Twin(run, [w, b])


@step(rows)
def two_steps_of_an_optimiser() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.SGD([w, b], 0.1, momentum=0.5)

    def run(x: Any, y: Any) -> Any:
        losses = []
        for _ in range(2):
            optimiser.zero_grad()
            loss = regression(w, b, x, y)
            loss.backward()
            optimiser.step()
            losses.append(loss)
        return losses

    return Twin(run, [w, b])


@step(rows)
def an_optimiser_before_the_forward_pass() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.SGD([w, b], 0.1)
    for parameter in (w, b):
        parameter.grad = tg.Tensor(np.ones(parameter.shape, "f4"))

    def run(x: Any, y: Any) -> Any:
        optimiser.step()
        optimiser.zero_grad()
        loss = regression(w, b, x, y)
        loss.backward()
        return loss

    return Twin(run, [w, b])


def clipped(*parameters: tg.Tensor) -> Any:
    """Scale gradients to a norm of at most 0.1, without a look at it."""
    norm = np.sqrt(sum(np.sum(np.square(p.grad)) for p in parameters))
    scale = np.minimum(0.1 / norm, 1.0)
    for parameter in parameters:
        parameter.grad = parameter.grad * scale
    return norm


@step(rows)
def clipping_inside() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.SGD([w, b], 0.1)

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = regression(w, b, x, y)
        loss.backward()
        norm = clipped(w, b)
        optimiser.step()
        return loss, norm

    return Twin(run, [w, b])


@step(rows)
def clipping_inside_in_place() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")

    def run(x: Any, y: Any) -> Any:
        clear(w, b)
        loss = regression(w, b, x, y)
        loss.backward()
        for parameter in (w, b):
            parameter.grad *= 0.5  # type: ignore[operator]
            gradient = parameter.grad
            gradient[0] = 0.0  # type: ignore[index]
        with tg.no_grad():
            minus(w)
            minus(b)
        return loss

    return Twin(run, [w, b])


@step(rows)
def clipping_and_the_optimiser_outside() -> Twin:
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.Adam([w, b], 0.01)

    def run(x: Any, y: Any) -> Any:
        loss = regression(w, b, x, y)
        loss.backward()
        return loss

    def after(_: int) -> None:
        clipped(w, b)
        optimiser.step()

    return Twin(run, [w, b], before=lambda _: optimiser.zero_grad(), after=after)


@step(rows, calls=8, runs=4)
def gradients_of_several_batches() -> Twin:
    """Micro-batches: two backwards, one step of the optimiser, every other call."""
    w, b = variable(4, 3, dtype="f4"), variable(3, dtype="f4")
    optimiser = optim.SGD([w, b], 0.1)

    def run(x: Any, y: Any) -> Any:
        loss = regression(w, b, x, y)
        loss.backward()
        return loss

    def after(k: int) -> None:
        if k % 2:
            optimiser.step()
            optimiser.zero_grad()

    return Twin(run, [w, b], after=after)


@step(rows)
def weights_in_the_loss() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1)

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        penalty = sum(np.sum(np.square(p)) for p in model.parameters())
        loss = F.cross_entropy(model(x), y) + 0.01 * penalty
        loss.backward()
        optimiser.step()
        return loss, penalty

    return Twin(run, model.parameters())


# What is no parameter and changes all the same.


@step(rows)
def running_statistics() -> Twin:
    w = variable(4, 3, dtype="f4")
    mean, count = tg.Tensor(np.zeros(4, "f4")), tg.Tensor(0)

    def run(x: Any, y: Any) -> Any:
        clear(w)
        with tg.no_grad():
            mean[...] = 0.9 * mean + 0.1 * np.mean(x, axis=0)
            count[...] = count + 1
        loss = F.cross_entropy((x - mean) @ w, y)
        loss.backward()
        return loss, mean, count

    return Twin(run, [w, mean, count])


@step()
def running_sum_in_place() -> Twin:
    total = tg.Tensor(np.zeros(3))
    history = []

    def run(x: Any) -> Any:
        nonlocal_total = total
        nonlocal_total += x
        return nonlocal_total * 1.0

    return Twin(run, [total], after=lambda _: history.append(total), others=lambda: history)


@step()
def a_buffer_written_in_parts() -> Twin:
    ring = tg.Tensor(np.zeros((2, 3)))

    def run(x: Any) -> Any:
        ring[0] = ring[1]
        ring[1] = x
        return ring.sum(axis=0)

    return Twin(run, [ring])


@step()
def a_moving_average_of_parameters() -> Twin:
    w = variable(3)
    average = tg.Tensor(np.zeros(3))
    optimiser = optim.SGD([w], 0.1)

    def run(x: Any) -> Any:
        optimiser.zero_grad()
        loss = np.square(w * x - 1).sum()
        loss.backward()
        optimiser.step()
        average[...] = 0.5 * average + 0.5 * w.detach()
        return loss

    return Twin(run, [w, average])


@step()
def writes_to_results() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        y = w * x
        y[0] = 0.0
        y[1:] *= x[1:]
        y += w
        loss = np.square(y).sum()
        loss.backward()
        return loss, y

    return Twin(run, [w])


@step()
def a_leaf_trained_inside() -> Twin:
    def run(x: Any) -> Any:
        w = tg.Tensor(x, requires_grad=True)
        b = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
        for _ in range(3):
            clear(w, b)
            np.square(w * x + b - 1).sum().backward()
            with tg.no_grad():
                w -= RATE * w.grad  # type: ignore[operator]
                b[1:] = b[1:] - RATE * b.grad[1:]  # type: ignore[index]
        return w, b

    return Twin(run)


@step()
def copies_of_parameters_from_before() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        before, view = w.detach().copy(), w.detach()[1:]
        (w * x * w).sum().backward()
        with tg.no_grad():
            minus(w)
        return before, view, w - before

    return Twin(run, [w])


# Random numbers.


@tg.primitive
def drawn(shape: Any, generator: np.random.Generator) -> Any:
    return generator.standard_normal(shape)


@tg.primitive
def dropped(x: Any, share: float, generator: np.random.Generator) -> Any:
    return np.where(generator.random(x.shape) < share, 0, 1 / (1 - share)).astype(x.dtype)


def with_noise(rewind: bool) -> Twin:
    w, generator = variable(3), rng(7)

    def run(x: Any) -> Any:
        clear(w)
        dropped(x, 0.5, generator)  # drawn all the same
        loss = (w * x * dropped(w.detach(), 0.5, generator)).sum()
        loss.backward()
        return loss

    def before(_: int) -> None:
        if rewind:
            generator.bit_generator.state = rng(8).bit_generator.state

    return Twin(run, [w], others=lambda: [generator.bit_generator.state["state"]], before=before)


@step()
def random_draws() -> Twin:
    return with_noise(False)


@step(lambda _: [np.arange(1.0, 4)])
def random_draws_from_one_state() -> Twin:
    return with_noise(True)


@step(lambda k: [rng(k).standard_normal(3), rng(k + 7)], runs=4)
def another_generator_as_argument() -> Twin:
    return Twin(lambda x, generator: x * dropped(x, 0.5, generator=generator))


# Derivatives of derivatives, and functions of functions.


@step()
def a_gradient_penalty() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        inner = tg.Tensor(x, requires_grad=True)
        score = np.tanh(inner * w).sum()
        score.backward(create_graph=True)
        clear(w)
        loss = np.square(np.sqrt(np.sum(np.square(inner.grad))) - 1)
        loss.backward()
        return loss

    return Twin(run, [w])


@step()
def a_penalty_by_grad() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        value, slope = tg.value_and_grad(lambda t: np.tanh(t * w).sum())(x)
        loss = value + np.square(slope).sum()
        loss.backward()
        return loss, slope

    return Twin(run, [w])


@step()
def a_recorded_gradient_is_differentiated() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        (np.tanh(w * x) ** 2).sum().backward(create_graph=True)
        slope = w.grad
        clear(w)
        np.sum(slope * x).backward()
        return slope

    return Twin(run, [w])


def f(t: Any) -> Any:
    return np.sum(np.tanh(t) ** 3)


@step(lambda k: [rng(k).standard_normal(3), rng(k + 9).standard_normal(3)])
def every_transform() -> Twin:
    w = variable(3)

    def run(x: Any, v: Any) -> Any:
        out, pullback = tg.vjp(lambda t: np.tanh(t * w), x)
        return {
            "grad": tg.grad(f)(x),
            "vjp": [out, pullback(v)],
            "jvp": tg.jvp(lambda t: np.tanh(t * w), (x,), (v,)),
            "jacobian": tg.jacobian(lambda t: np.tanh(t * w))(x),
            "hessian": tg.hessian(f)(x),
            "hvp": tg.hvp(f, x, v),
            "third": tg.grad(lambda t: np.sum(tg.grad(f)(t) * v))(x),
        }

    return Twin(run, [w])


@step(rows)
def newton_for_one_layer() -> Twin:
    w = variable(12)

    def run(x: Any, y: Any) -> Any:
        def loss(t: Any) -> Any:
            return F.cross_entropy(x @ t.reshape(4, 3), y) + 0.1 * np.sum(t * t)

        with tg.no_grad():
            w[...] = w - np.linalg.solve(tg.hessian(loss)(w.detach()), tg.grad(loss)(w.detach()))
        return loss(w.detach())

    return Twin(run, [w])


@step(rows)
def evaluation() -> Twin:
    model = network()

    @tg.no_grad
    def run(x: Any, y: Any) -> Any:
        logits = model(x)
        return F.cross_entropy(logits, y), np.argmax(logits, axis=1), F.softmax(logits)

    return Twin(run, model.parameters())


@step(rows)
def a_method() -> Twin:
    class Trainer:
        def __init__(self) -> None:
            self.model = network()
            self.optimiser = optim.SGD(self.model.parameters(), 0.1, momentum=0.9)

        def step(self, x: Any, y: Any) -> Any:
            self.optimiser.zero_grad()
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimiser.step()
            return loss

    trainer = Trainer()
    return Twin(trainer.step, trainer.model.parameters())


@step(rows)
def a_module_as_the_step() -> Twin:
    model = network()
    return Twin(lambda x, _: model(x), model.parameters())


@step(lambda k: [rng(k).standard_normal((n := [5, 5, 2, 5, 2, 2][k], 4)).astype("f4"),
                 rng(k).integers(0, 3, n)], calls=6, runs=4)  # fmt: skip
def a_short_last_batch() -> Twin:
    model = network()
    step = training_step(model, optim.Adam(model.parameters(), 0.01))
    return Twin(step, model.parameters())


@step(lambda _: [np.zeros((0, 4), "f4"), np.zeros(0, int)])
def an_empty_batch() -> Twin:
    model = network()

    def run(x: Any, y: Any) -> Any:
        return model(x), np.equal(y, 1).sum()

    return Twin(run, model.parameters())


@step(lambda k: [rng(k).standard_normal((3, 5)).astype("f4").T, rng(k).integers(0, 3, 10)[::2]])
def inputs_in_another_layout() -> Twin:
    model = nn.Linear(3, 3, seed=0)

    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return Twin(run, model.parameters())


@step(lambda k: [rng(k).integers(0, 6, (2, 4))])
def an_embedding() -> Twin:
    table, bias = variable(6, 3), variable(3)

    def run(words: Any) -> Any:
        clear(table, bias)
        found = table[words] + bias
        loss = np.square(found).mean() + found[0, 1].sum() + table[words[0]][:, 1].sum()
        loss.backward()
        return loss

    return Twin(run, [table, bias])


@step()
def choices_by_where() -> Twin:
    w = variable(3)

    def run(x: Any) -> Any:
        clear(w)
        y = w * x
        loss = np.where(y > 0, np.log(np.where(y > 0, y, 1)), y * y).sum()
        loss = loss + np.where(loss > 0, loss, 0) + np.maximum(y, 0.1).sum() + np.max(y)
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [np.array([[0.0, np.inf, -np.inf], [np.nan, -0.0, 1e308]][k % 2])])
def infinities_and_nans() -> Twin:
    w = tg.Tensor([1.0, -0.0, 2.0], requires_grad=True)

    def run(x: Any) -> Any:
        clear(w)
        y = np.log(w * x) + x / w - np.sqrt(x * w) + F.sigmoid(x) + np.exp(x)
        loss = np.where(np.isfinite(y), y, x).sum() + F.relu(w * x).sum()
        loss.backward()
        return y, loss

    return Twin(run, [w])


@step(lambda k: [rng(k).standard_normal(3) + 1j * rng(k + 9).standard_normal(3)])
def complex_numbers() -> Twin:
    w = tg.Tensor([1 + 2j, -0.5, 1j], requires_grad=True)

    def run(x: Any) -> Any:
        clear(w)
        loss = np.square(np.abs(w * x * 1 - np.conj(w))).sum() + np.exp(w * x).real.sum()
        loss.backward()
        return loss, w * x

    return Twin(run, [w])


@step(lambda k: [rng(k).integers(-5, 5, 4), rng(k).random(4) < 0.5, np.uint8(k)])
def integers_and_booleans() -> Twin:
    def run(i: Any, b: Any, small: Any) -> Any:
        return [i + 1, i // 2, i % 3, i & 3, ~b, b | (i > 0), np.where(b, i, -i), i.sum(),
                b.any(), small << 1, np.sort(i), np.cumsum(i), i.mean(), np.argsort(i),
                i.astype("f4")]  # fmt: skip

    return Twin(run)


@step()
def products_of_part_of_an_array_with_itself() -> Twin:
    """Not the bits of a product of copies: BLAS computes half of a symmetric result."""
    w = variable(12)

    def run(x: Any) -> Any:
        clear(w)
        part = np.outer(w, w * x[0])[:5, :5]
        loss = np.mean(part @ part.T) + np.mean(part)
        loss.backward()
        return loss

    return Twin(run, [w])


@step(lambda k: [rng(k).standard_normal((3, 4))])
def gradients_that_add_up_in_other_layouts() -> Twin:
    """The third is added in place, and the sum is laid out as the first two left it."""
    w = variable(3, 4)

    def run(x: Any) -> Any:
        clear(w)
        q = w * x
        a = np.std(q) + q
        loss = np.mean(w * x) + np.mean(a) + np.mean(a @ a.T) + np.sum(np.exp(a.T) * x.T)
        loss.backward()
        return loss

    return Twin(run, [w])


@step()
def functions_without_a_rule() -> Twin:
    def run(x: Any) -> Any:
        first, second = np.meshgrid(x, x[:2])
        values, vectors = np.linalg.eigh(np.outer(x, x))
        return [first, second, values, np.abs(vectors), np.histogram(x, bins=3)[0], np.median(x),
                np.quantile(x, 0.3), np.interp(x, np.sort(x), x), np.fft.rfft(x)]  # fmt: skip

    return Twin(run)
