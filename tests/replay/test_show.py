"""A program in print: its equations, what they cost, and that looking changes nothing."""

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.steps import rng, rows
from tests.replay.twins import same
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F
from tinygrad_np.replay.rows import RowLoop
from tinygrad_np.replay.show import Profile


class Training:
    """Adam on a small network, dropout by hand, and a buffer that changes."""

    def __init__(self) -> None:
        draw = rng(0)
        self.first = nn.Linear(4, 8, seed=draw)
        self.second = nn.Linear(8, 3, seed=draw)
        self.optimiser = optim.Adam([*self.first.parameters(), *self.second.parameters()], 0.01)
        self.seen = tg.Tensor(np.zeros(4), name="seen")
        self.by_hand = tg.Tensor([2.0], requires_grad=True, name="temperature")
        self.generator = rng(1)

    def run(self, x: Any, y: Any) -> Any:
        self.optimiser.zero_grad()
        self.by_hand.grad = None
        self.seen[...] = self.seen + np.sum(x, axis=0)
        hidden = F.relu(self.first(x))
        hidden = hidden * kept(hidden.detach(), self.generator)
        loss = F.cross_entropy(self.second(hidden) / self.by_hand, y)
        loss.backward()
        self.optimiser.step()
        with tg.no_grad():
            self.by_hand[...] = self.by_hand - 0.1 * self.by_hand.grad
        return loss

    def state(self) -> list[Any]:
        parameters = [*self.optimiser.params, self.by_hand]
        found: list[Any] = [p.numpy() for p in (*parameters, self.seen)]
        found += [None if p.grad is None else p.grad.numpy() for p in parameters]
        found += self.optimiser.state_dict().values()
        return [*found, self.generator.bit_generator.state]


@tg.primitive
def kept(x: Any, generator: np.random.Generator) -> Any:
    return (generator.random(x.shape) < 0.5).astype(x.dtype)


def trained() -> tuple[Training, Any]:
    training = Training()
    step = tg.replay(training.run)
    for k in range(4):
        step(*rows(k))
    return training, step


LINE = re.compile(
    r"^ *(?P<number>\d+)  (?:(?P<results>.*?) = )?(?P<operation>.+?)(?:  +(?P<memory>(?:view of|"
    r"in place of|new|gradient).*?))?(?:  +(?P<bytes>[\d,]+) B, (?P<flops>[\d,]+) FLOP)?$"
)


def test_the_equations_are_numbered_and_have_a_kind_a_place_and_a_cost() -> None:
    _, step = trained()
    head, *lines = str(step.program).splitlines()
    equations = step.program.plan.equations
    assert re.fullmatch(
        rf"{len(equations)} equations of \d+ recorded, \d+ calls, \d+ buffers of [\d,]+ bytes in "
        "all",
        head,
    )
    found = [LINE.match(line) for line in lines]
    assert all(found)
    matches = [m for m in found if m is not None]
    assert [int(m["number"]) for m in matches] == list(range(1, len(equations) + 1))
    by_name = {m["operation"].split("(")[0]: m for m in matches}
    assert by_name["Adam.step"]["results"] is None
    assert by_name["become"]["results"] == "seen[4]"
    delivered = {m["results"] for m in matches if m["operation"].startswith("deliver(")}
    assert delivered == {
        "temperature[1].grad",
        "Linear 1.weight[8, 4].grad",
        "Linear 1.bias[8].grad",
        "Linear 2.weight[3, 8].grad",
        "Linear 2.bias[3].grad",
    }
    assert by_name["replace_at"]["operation"].startswith("replace_at(temperature, v")
    products = [m for m in matches if m["operation"].startswith("row_product(")]
    assert [(m["results"].split(": ")[1], m["bytes"], m["flops"]) for m in products] == [
        ("float32[5, 8]", "160", "320"),
        ("float32[5, 3]", "60", "240"),
        ("float32[5, 8]", "160", "240"),
    ]
    contractions = [m for m in matches if m["operation"].startswith("row_contraction(")]
    assert [m["flops"] for m in contractions] == ["240", "320"]
    places = {re.sub(r" ?([a-z]\d+|weight)$", "", m["memory"] or "none") for m in matches}
    places = {re.sub(r"Linear \d\.$", "", place).strip() for place in places}
    assert places == {"none", "view of", "in place of", "new", "gradient"}
    assert repr(step.program) == str(step.program)


def test_costs_are_those_of_the_results() -> None:
    step = tg.replay(lambda x: (x.T @ x + 1).sum())
    for _ in range(2):
        step(np.ones((4, 3)))
    lines = str(step.program).splitlines()[1:]
    costs = [re.search(r"([\d,]+) B, ([\d,]+) FLOP", line) for line in lines]
    assert [c and c.groups() for c in costs] == [None, ("72", "72"), ("72", "9"), ("8", "1")]


def test_costs_of_convolutions_are_those_of_their_products() -> None:
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, groups=2, seed=0)

    @tg.replay
    def step(x: Any) -> Any:
        layer.zero_grad()
        loss = np.sum(np.tanh(layer(np.tanh(x * layer.bias[0]))))
        loss.backward()
        return loss

    for _ in range(2):
        step(np.ones((5, 4, 7, 8), np.float32))
    lines = [line for line in str(step.program).splitlines() if "convolve" in line]
    kinds = [re.search(r"= (convolve\w*)\(.* ([\d,]+) FLOP", line) for line in lines]
    cost = f"{2 * (5 * 6 * 3 * 4) * (2 * 3 * 2):,}"  # outputs, and what each is a sum of
    assert sorted(m.groups() for m in kinds if m) == [
        ("convolve", cost), ("convolve_back", cost), ("convolve_weight", cost),
    ]  # fmt: skip


def test_a_loop_over_rows_is_shown_with_what_is_in_it() -> None:
    layer = nn.Linear(4, 3, seed=0)

    @tg.replay
    def step(x: Any, y: Any) -> Any:
        layer.zero_grad()
        loss = F.cross_entropy(layer(x), y)
        loss.backward()
        return loss

    x, y = rng(0).standard_normal((3000, 4)).astype("f4"), rng(1).integers(0, 3, 3000)
    for _ in range(2):
        step(x, y)
    assert any(isinstance(e.fn, RowLoop) for e in step.program.plan.equations)
    lines = str(step.program).splitlines()
    (loop,) = [i for i, line in enumerate(lines) if "3 times, for 1000 rows of i0, i1:" in line]
    assert any("row_product" in line and "float32[1000, 3]" in line for line in lines[loop:])
    assert step.profile(2).total > 0


def test_what_a_tensor_is_called_is_shown() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="weight")
    step = tg.replay(lambda x: w * x)
    for _ in range(2):
        step(np.ones(2))
    assert "= multiply(weight, i0)" in str(step.program)


@pytest.mark.parametrize("rounds", [1, 5])
def test_a_profile_leaves_everything_as_it_was(rounds: int) -> None:
    training, step = trained()
    twin, other = trained()
    before = training.state()
    profile = step.profile(rounds)
    after = training.state()
    assert len(before) == len(after)
    assert all(same(a, b) for a, b in zip(before, after, strict=True))
    assert isinstance(profile, Profile)
    for k in range(3):
        assert step(*rows(k)).numpy().tobytes() == other(*rows(k)).numpy().tobytes()
    assert all(same(a, b) for a, b in zip(training.state(), twin.state(), strict=True))


def test_a_profile_of_gradients_that_accumulate() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)

    @tg.replay
    def step(x: Any) -> None:
        (w * x).sum().backward()

    for _ in range(4):
        step(np.ones(2))
    assert w.grad is not None
    kept = w.grad
    step.profile(2)
    assert kept.tolist() == w.grad.tolist() == [4.0, 4.0]
    w.grad = None
    step.profile(2)
    assert w.grad is None


def test_a_profile_in_print() -> None:
    _, step = trained()
    profile = step.profile(3)
    head, *lines = str(profile).splitlines()
    assert re.fullmatch(
        rf"[\d,.]+ µs in {len(profile.rows)} equations, \d+ % of it in matrix products", head
    )
    shown = [re.fullmatch(r" *([\d.]+) µs +([\d.]+) % +(\d+)  \S.*", line) for line in lines]
    assert len(lines) == len(step.program.plan.equations) and all(shown)
    spent = [float(m[1]) for m in shown if m]
    assert spent == sorted(spent, reverse=True)
    numbers = sorted(int(m[3]) for m in shown if m)
    assert numbers == list(range(1, len(lines) + 1))
    products = sum(s for row, s in profile.rows if row.is_product)
    assert profile.product_share == products / profile.total
    assert {row.operation.split("(")[0] for row, _ in profile.rows if row.is_product} == {
        "row_product",
        "row_contraction",
    }


def test_there_is_nothing_to_show_before_the_second_call() -> None:
    step = tg.replay(lambda x: x * 2)
    for looked in (lambda: step.program, step.profile):
        with pytest.raises(tg.ReplayError, match=r"nothing is recorded yet; call the step twice"):
            looked()
    step(np.ones(2))
    with pytest.raises(tg.ReplayError, match=r"nothing is recorded yet"):
        _ = step.program
    step(np.ones(2))
    assert str(step.program).startswith("1 equation of 1 recorded, 1 call, 1 buffer of 16 bytes")
