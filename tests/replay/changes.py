"""Steps around which something changes between the calls: none of it may pass unnoticed."""

import copy
import sys
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.replay.steps import Step, clear, network, rng, rows, training_step, variable
from tests.replay.twins import Inputs, Twin
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F

CHANGES: list[Step] = []


def step(inputs: Inputs = rows, runs: int | None = 2, calls: int = 5) -> Any:
    def register(make: Any) -> Any:
        CHANGES.append(Step(make, inputs, calls, runs))
        return make

    return register


def classifier(model: nn.Module) -> Any:
    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return run


# The values of parameters.


@step()
def data_is_replaced() -> Twin:
    model = network()

    def before(k: int) -> None:
        for i, p in enumerate(model.parameters()):
            p.data = rng(10 * k + i).standard_normal(p.shape)

    return Twin(classifier(model), model.parameters(), before=before)


# the first layout is the second's again in the third call
@step(runs=4)
def data_is_replaced_in_another_layout() -> Twin:
    w = variable(4, 3)

    def run(x: Any, y: Any) -> Any:
        clear(w)
        loss = F.cross_entropy(x @ w, y) + np.sum(np.tanh(w * 2))
        loss.backward()
        return loss

    def before(k: int) -> None:
        w.data = np.array(w.numpy() * 0.9, order="CF"[k % 2])

    return Twin(run, [w], before=before)


@step()
def data_is_written_raw() -> Twin:
    model = network()

    def before(k: int) -> None:
        for i, p in enumerate(model.parameters()):
            p.data[...] = rng(10 * k + i).standard_normal(p.shape)

    return Twin(classifier(model), model.parameters(), before=before)


@step()
def a_state_is_loaded() -> Twin:
    model = network()
    return Twin(
        classifier(model),
        model.parameters(),
        before=lambda k: model.load_state_dict(network(k).state_dict()),
    )


@step()
def a_state_is_loaded_into_packed_parameters() -> Twin:
    model = network()
    optimiser = optim.Adam(model.parameters())
    inner = classifier(model)

    def run(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        optimiser.step()
        return loss

    def before(k: int) -> None:
        if k % 2:
            model.load_state_dict(network(k).state_dict())

    return Twin(run, model.parameters(), before=before)


@step()
def packed_data_is_replaced() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    inner = classifier(model)

    def run(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        optimiser.step()
        return loss

    def before(k: int) -> None:
        if k >= 2:
            p = model.parameters()[k % 4]
            p.data = rng(k).standard_normal(p.shape).T.copy().T

    return Twin(run, model.parameters(), before=before)


@step(runs=2)
def parameters_are_packed_after_the_capture() -> Twin:
    model, optimisers = network(), []

    def before(k: int) -> None:
        if k == 2:
            optimisers.append(optim.Adam(model.parameters(), 0.1))

    def after(_: int) -> None:
        for optimiser in optimisers:
            optimiser.step()

    return Twin(classifier(model), model.parameters(), before=before, after=after)


@step(runs=2)
def parameters_of_an_evaluation_are_packed() -> Twin:
    model, optimisers = network(), []

    def after(k: int) -> None:
        if k == 2:
            optimisers.append(optim.SGD(model.parameters(), 0.1))
        classifier(model)(*map(tg.Tensor, rows(k)))
        for optimiser in optimisers:
            optimiser.step()

    return Twin(tg.no_grad(lambda x, _: model(x)), model.parameters(), after=after)


@step(runs=2)
def a_second_optimiser_on_the_same_parameters() -> Twin:
    model = network()
    optimisers = [optim.SGD(model.parameters(), 0.1)]

    def after(k: int) -> None:
        if k == 2:
            optimisers.append(optim.Adam(model.parameters()[:3], 0.1))
        for optimiser in optimisers:
            optimiser.step()

    return Twin(classifier(model), model.parameters(), after=after)


# Constants from outside.


@step(lambda k: [rng(k).standard_normal(3)])
def a_constant_tensor_gets_other_data() -> Twin:
    w, scale = variable(3), tg.Tensor([1.0, 2.0, 3.0])

    def run(x: Any) -> Any:
        clear(w)
        loss = (w * x * scale).sum()
        loss.backward()
        return loss

    def before(k: int) -> None:
        if k % 2:
            scale.data = np.array([k, 2.0, 3.0])
        else:
            scale[...] = scale * k

    return Twin(run, [w], before=before)


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def a_constant_tensor_is_another_one() -> Twin:
    w, scale = variable(3), tg.Tensor([1.0, 2.0, 3.0])

    def run(x: Any) -> Any:
        clear(w)
        loss = (w * x * scale).sum()
        loss.backward()
        return loss

    def before(k: int) -> None:
        nonlocal scale
        if k % 2:
            scale = tg.Tensor([1.0, 2.0, k])

    return Twin(run, [w], before=before)


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def an_element_of_a_list_is_another_tensor() -> Twin:
    tensors: list[Any] = [variable(3), {"scale": tg.Tensor(2.0)}]

    def run(x: Any) -> Any:
        clear(tensors[0])
        loss = (tensors[0] * x * tensors[1]["scale"]).sum()
        loss.backward()
        return loss

    def before(k: int) -> None:
        if k == 2:
            tensors[0] = variable(3, seed=k)
        elif k == 3:
            tensors[1]["scale"] = tg.Tensor(k)

    return Twin(run, others=lambda: [tensors[0].grad], before=before)


# Numbers, attributes and layers.

SCALE = 1.0
OPTIONS = {"shift": 0.0}


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def numbers_in_the_closure() -> Twin:
    scale = 2.0

    def before(k: int) -> None:
        nonlocal scale
        scale = [2.0, 2.0, 3.0, 2, 3.0][k]

    return Twin(lambda x: x * scale, before=before)


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def numbers_among_the_globals() -> Twin:
    def before(k: int) -> None:
        sys.modules[__name__].SCALE = float(k // 2)  # type: ignore[attr-defined]

    return Twin(lambda x: x * SCALE, before=before)


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def numbers_in_a_dict() -> Twin:
    def before(k: int) -> None:
        OPTIONS["shift"] = float(k // 2)

    return Twin(lambda x: x + OPTIONS["shift"], before=before)


class Shifting:
    def __init__(self) -> None:
        self.shift = 0.0

    def run(self, x: Any) -> Any:
        return x + self.shift


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def numbers_in_attributes_of_a_methods_object() -> Twin:
    shifting = Shifting()

    def before(k: int) -> None:
        shifting.shift = float(k // 2)

    return Twin(shifting.run, before=before)


@step(runs=6, calls=6)
def an_attribute_of_a_layer() -> Twin:
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.LeakyReLU(0.1))

    def before(k: int) -> None:
        model[1].negative_slope = [0.1, 0.1, 0.5, 0.5, 2.0, 2.0][k]  # type: ignore[assignment]

    return Twin(classifier(model), model.parameters(), before=before)


class Halving(nn.Module):
    """Halves in evaluation, and has its layers in a list."""

    def __init__(self) -> None:
        self.layers = [nn.Linear(4, 3, seed=0), nn.Tanh()]
        self.scale = tg.Tensor(2.0)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x * self.scale if self.training else x / 2


@step(runs=4, calls=8)
def training_and_evaluation() -> Twin:
    model = Halving()
    return Twin(classifier(model), model.parameters(), before=lambda k: model.train(k % 3 == 0))


@step(runs=None, calls=6)
def a_layer_is_replaced() -> Twin:
    model = network()

    def before(k: int) -> None:
        if k in (2, 4):
            model.__setattr__("0", nn.Linear(4, 6, seed=k))

    return Twin(
        classifier(model), others=lambda: [p.grad for p in model.parameters()], before=before
    )


@step(runs=None, calls=6)
def a_layer_in_a_list_is_replaced() -> Twin:
    model = Halving()

    def before(k: int) -> None:
        if k == 2:
            model.layers[0] = nn.Linear(4, 3, seed=k)
        if k == 4:
            model.layers.append(nn.Sigmoid())  # type: ignore[arg-type]

    return Twin(
        classifier(model), others=lambda: [p.grad for p in model.parameters()], before=before
    )


@step(runs=None, calls=7)
def a_group_of_parameters_is_added() -> Twin:
    model = network()
    parameters = model.parameters()
    optimiser = optim.SGD(parameters[:1], 0.1)

    def before(k: int) -> None:
        if k == 3:  # the others have gradients by now
            optimiser.add_param_group({"params": parameters[1:]})

    return Twin(training_step(model, optimiser), parameters, before=before)


class Own(optim.Optimiser):
    """An optimiser of the user's own, by ``step``."""

    @tg.no_grad()
    def step(self) -> None:
        for p in self.params:
            p[...] = p - self.rate() * p.grad


@step(runs=None, calls=7)
def a_rate_that_an_own_step_reads() -> Twin:
    w = variable(4, 3)
    optimiser = Own([w], 0.1)

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ w, y)
        loss.backward()
        optimiser.step()
        return loss

    def before(k: int) -> None:
        if k in (3, 5):
            optimiser.param_groups[0]["lr"] = 0.01 * k

    return Twin(run, [w], before=before)


@step(runs=None, calls=6)
def an_element_moves_to_the_next_list() -> Twin:
    w, kept = variable(4, 3), {"a": [1.0, 2.0], "b": [3.0, 4.0]}

    def run(x: Any, y: Any) -> Any:
        clear(w)
        loss = F.cross_entropy(x @ w, y) * (sum(kept["a"]) - 2.0 * sum(kept["b"]))
        loss.backward()
        return loss

    def before(k: int) -> None:
        if k == 2:
            kept["a"].append(kept["b"].pop(0))
        if k in (4, 5):
            kept["b"].append(kept["a"].pop(0))

    return Twin(run, [w], before=before)


@step(runs=None)
def a_tensor_of_a_module_is_replaced() -> Twin:
    model = Halving()

    def before(k: int) -> None:
        if k > 1:
            model.scale = tg.Tensor(float(k))

    return Twin(classifier(model), model.parameters(), before=before)


@step(runs=None, calls=8)
def parameters_are_frozen_and_freed() -> Twin:
    model = network()
    first = model.parameters()[0]

    def run(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def before(k: int) -> None:
        first.requires_grad = k % 4 < 2
        for p in [first, *model.parameters()]:
            p.grad = None

    return Twin(run, [first, *model.parameters()], before=before)


@step(lambda k: [rng(k).standard_normal(3)], runs=None)
def a_constant_becomes_a_variable() -> Twin:
    w, scale = variable(3), tg.Tensor([1.0, 2.0, 3.0])

    def run(x: Any) -> Any:
        clear(w)
        scale.grad = None
        loss = (w * x * scale).sum()
        loss.backward()
        return loss

    def before(k: int) -> None:
        scale.requires_grad = k >= 2

    return Twin(run, [w, scale], before=before)


@step()
def settings_of_an_optimiser() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.5)
    inner = classifier(model)

    def run(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        optimiser.step()
        return loss

    def before(k: int) -> None:
        optimiser.lr = 0.1 / (k + 1)
        optimiser.momentum = 0.5 if k < 3 else 0.9
        optimiser.weight_decay = 0.0 if k < 3 else 0.1

    return Twin(run, model.parameters(), before=before)


@step(runs=None)
def another_optimiser() -> Twin:
    model = network()
    optimiser: optim.Optimiser = optim.SGD(model.parameters(), 0.1)
    inner = classifier(model)

    def run(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        optimiser.step()
        return loss

    def before(k: int) -> None:
        nonlocal optimiser
        if k == 3:
            optimiser = optim.Adam(model.parameters(), 0.01)

    return Twin(run, model.parameters(), before=before)


@step(lambda k: [network(k // 3), *rows(k)], runs=None, calls=6)
def another_model_of_the_same_shapes_as_argument() -> Twin:
    def run(model: nn.Module, x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    return Twin(run)


MODELS = [network(0), network(1)]


@step(lambda k: [MODELS[k % 2], *rows(k)], runs=4, calls=6)
def two_models_taking_turns_as_argument() -> Twin:
    def run(model: nn.Module, x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    return Twin(run)


# Gradients.


@step(runs=4, calls=6)
def gradients_are_given_from_outside() -> Twin:
    w = variable(4, 3, dtype="f4")

    def run(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(x @ w, y)
        loss.backward()
        return loss

    def before(k: int) -> None:
        w.grad = None if k < 3 else rng(k).standard_normal(w.shape)

    return Twin(run, [w], before=before)


@step(runs=2)
def gradients_in_another_layout() -> Twin:
    w = variable(4, 3, dtype="f4")

    def run(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(x @ w, y)
        loss.backward()
        return loss

    def before(k: int) -> None:
        g = rng(k).standard_normal((3, 4)).astype("f4").T
        w.grad = tg.Tensor(g if k % 2 else g.copy())

    return Twin(run, [w], before=before)


@step(runs=2, calls=6)
def gradients_are_changed_in_place_between_the_calls() -> Twin:
    w = variable(4, 3, dtype="f4")
    optimiser = optim.SGD([w], 0.1)

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ w, y)
        loss.backward()
        return loss

    def after(k: int) -> None:
        assert w.grad is not None
        if k % 3 == 0:
            w.grad *= 0.5
        elif k % 3 == 1:
            w.grad.data[0] = 0.0
        else:
            w.grad[1:] = w.grad[1:] * 2
        optimiser.step()

    return Twin(run, [w], after=after)


@step(runs=2)
def an_eager_backward_between_the_calls() -> Twin:
    model = network()
    optimiser = optim.Adam(model.parameters())

    def run(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def after(k: int) -> None:
        F.cross_entropy(model(rows(k + 9)[0]), rows(k + 9)[1]).backward()
        optimiser.step()

    return Twin(run, model.parameters(), after=after)


@step(runs=2)
def a_copy_of_the_model_is_made() -> Twin:
    model = network()
    optimiser = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    inner = classifier(model)
    copies: list[Any] = []

    def run(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        optimiser.step()
        return loss

    def after(_: int) -> None:
        copies.append(copy.deepcopy(model))

    def others() -> Any:
        return [[p, p.grad] for each in copies for p in each.parameters()]

    return Twin(run, model.parameters(), others=others, after=after)
