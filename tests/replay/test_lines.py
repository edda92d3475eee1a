"""Every refusal names the user's own line, innermost, outside NumPy and this package."""

import collections
import inspect
import random
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F

W = tg.Tensor(np.ones((3, 2)), requires_grad=True)
TABLE = np.eye(3)
SEEN: Any = collections.Counter()
COUNT = 0
RANDOM = random.Random(0)
HISTORY: Any = []
HOLDER = types.SimpleNamespace(last=None, count=0, acts={})
STEPS: list[Callable[..., Any]] = []


def step(make: Any) -> Any:
    STEPS.append(make)
    return make


@step
def truth_value() -> Any:
    return lambda x: x if x.sum() > 0 else -x  # here


@step
def in_a_helper() -> Any:
    def helper(x: Any) -> Any:
        return x * float(x.sum())  # here

    return lambda x: helper(x)


@step
def take_by_a_tensor() -> Any:
    def run(x: Any) -> Any:
        labels = np.argmax(x, axis=1)
        return np.take(TABLE, labels, axis=0) * float(np.sum(x))  # here

    return run


@step
def array_by_a_tensor() -> Any:
    def run(x: Any) -> Any:
        labels = np.argmax(x, axis=1)
        return x + TABLE[labels]  # here

    return run


@step
def function_of_numpys_own() -> Any:
    return lambda x: x * np.vectorize(float)(x)  # here


@step
def key_of_sorted() -> Any:
    def size(t: Any) -> float:
        return float(np.sum(t))  # here

    return lambda x: sorted([x, x * 2], key=size)[0]


@step
def variable_of_a_closure() -> Any:
    count = 0

    def run(x: Any) -> Any:
        nonlocal count
        y = x * 2
        count += 1  # here
        return y

    return run


@step
def variable_read_before() -> Any:
    count = 0

    def run(x: Any) -> Any:
        nonlocal count
        y = x * count
        count = count + 1  # here
        return y

    return run


@step
def global_variable() -> Any:
    def run(x: Any) -> Any:
        global COUNT
        y = x * 2
        COUNT += 1  # here
        return y

    return run


@step
def container() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        SEEN["steps"] += 1  # here
        return y

    return run


@step
def list_of_tensors() -> Any:
    def run(x: Any) -> Any:
        loss = x.sum()
        HISTORY.append(loss)  # here
        return loss

    return run


@step
def list_that_is_read() -> Any:
    losses: list[float] = []

    def run(x: Any) -> Any:
        y = x * len(losses)
        losses.append(1.0)  # here
        return y

    return run


@step
def raw_array() -> Any:
    total = np.zeros(2)

    def run(x: Any) -> Any:
        y = x * 2
        total[0] += 1  # here
        return y

    return run


@step
def generator_of_python() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        return y * RANDOM.random()  # here

    return run


@step
def generator_of_numpy() -> Any:
    rng = np.random.default_rng(0)

    def run(x: Any) -> Any:
        y = x * 2
        return y + rng.standard_normal(y.shape)  # here

    return run


@step
def generator_of_the_process() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        return y * random.random()  # here

    return run


@step
def global_generator_of_numpy() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        return y * np.random.rand()  # here

    return run


@step
def attribute_in_every_step() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        HOLDER.last = np.mean(y)  # here
        return y

    return run


@step
def entry_in_every_step() -> Any:
    def run(x: Any) -> Any:
        y = x * 2
        HOLDER.acts["y"] = y  # here
        return y

    return run


class Net(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(3, 2, seed=0)
        self.penalty: Any = None

    def forward(self, x: Any) -> Any:
        h = self.layer(x)
        self.penalty = np.mean(h**2)  # here
        return h


@step
def attribute_of_a_module() -> Any:
    net = Net()
    return lambda x: net(x).sum()


@step
def module_as_the_step() -> Any:
    return Net()


class Counting:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Any) -> Any:
        y = x * self.count
        self.count += 1  # here
        return y


@step
def callable_object() -> Any:
    return Counting()


@step
def graph_from_outside() -> Any:
    graph = W * 2
    return lambda x: x @ graph  # here


@step
def replaced_data() -> Any:
    def run(x: Any) -> Any:
        with tg.no_grad():
            W.data = W * 0.5  # here
        return x

    return run


@step
def array_written_between() -> Any:
    def run(x: Any) -> Any:
        buffer = np.zeros(3)
        first = x + buffer
        buffer[0] = 1.0
        return first + buffer  # here

    return run


@step
def optimiser_of_the_users() -> Any:
    layer = nn.Linear(3, 2, seed=0)
    optimiser = optim.SGD(layer.parameters(), 0.1)

    def run(x: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(layer(x), np.zeros(len(x), int))
        loss.backward()
        optimiser.step()
        return loss * loss.item()  # here

    return run


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_the_line_is_the_users(make: Any) -> None:
    fn = make()
    run = tg.replay(fn)
    with pytest.raises(tg.ReplayError) as caught:
        for _ in range(3):
            run(np.arange(6.0).reshape(2, 3))
    code = make if not isinstance(fn, (Net, Counting)) else type(fn)
    code = Net if make is attribute_of_a_module else code
    lines, start = inspect.getsourcelines(code)
    here = [start + i for i, line in enumerate(lines) if line.rstrip().endswith("# here")]
    told = re.match(r"(.*?):(\d+): ", str(caught.value))
    assert told is not None, caught.value
    assert told[1] == __file__, caught.value
    assert int(told[2]) in here, caught.value
    assert "replay=False" in str(caught.value)


def test_remedies() -> None:
    message = r"changes SimpleNamespace\.last, .* return the value from the step .*replay=False"
    with pytest.raises(tg.ReplayError, match=message):
        run = tg.replay(attribute_in_every_step())
        run(np.ones(2)), run(np.ones(2))
    message = (
        r"changes what is in HISTORY, .*\(a number as float\(t\)\) outside of it.*replay=False"
    )
    with pytest.raises(tg.ReplayError, match=message):
        run = tg.replay(list_of_tensors())
        run(np.ones(2)), run(np.ones(2))


def test_lines_of_the_checks() -> None:
    """What a later check finds is told with the line of the call where nothing better is known."""
    step = tg.replay(lambda x: x * 2)
    with pytest.raises(tg.ReplayError, match=rf"{re.escape(__file__)}:\d+: nothing is recorded"):
        step.program  # noqa: B018


def test_a_step_whose_array_changes_all_the_time_is_not_captured_for_ever(
    captures: list[Any],
) -> None:
    """Not even where each capture is compared once before the array is another one."""
    scale = np.ones(20)
    step = tg.replay(lambda x: np.sum(x * scale))
    with pytest.warns(UserWarning, match="reads what is in scale, which changes in every call"):
        for k in range(60):
            scale[...] = k // 2  # two calls each
            assert step(np.ones(20)).item() == 20 * (k // 2)
    assert len(captures) <= 2 * 16
