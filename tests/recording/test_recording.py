"""Recordings: what is in them, what print shows, what lines cost, and what is drawn of them."""

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.tape import mode
from tinygrad_np.recording.tables import run

F = nn.functional
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 4)).astype(np.float32), np.arange(6) % 3


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5, seed=0), nn.Tanh(), nn.Linear(5, 3, seed=1))


def training() -> Any:
    model = network()
    optimiser = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    return step


def several() -> tuple[Any, tuple[Any, ...]]:
    a = tg.Tensor(2.0 * np.eye(2), requires_grad=True, name="a")
    return lambda x: np.linalg.slogdet(a * x)[1] * 2.0, (np.ones((2, 2)),)


# function, inputs: what print shows of forward, and how many equations are backward
CASES: dict[str, tuple[Any, list[str]]] = {
    "a module": (
        lambda: (network(), (X,)),
        ["transpose(0.weight)", "row_product(x,", "add(", "tanh("],
    ),
    "a training step": (
        lambda: (training(), (X, Y)),
        ["in_range(y, 3, 'cross_entropy')", "backward of", "0.bias[5].grad = None",
         "0.bias[5].grad = deliver(v", "SGD.step()"],
    ),
    "several results": (several, ["v3: float64[], v4: float64[] = slogdet(", "multiply(v4,"]),
    "a transform": (lambda: (tg.grad(lambda x: (x**3).sum()), (X,)), ["power(", "backward of"]),
    "a nest": (
        lambda: (lambda d: d["a"] * d["b"], ({"a": X, "b": X},)), ["multiply(d['a'], d['b'])"]
    ),
    "memory that is written": (
        lambda: (written(), (X[0],)), ["add(seen, x)", "seen[4] = become(v3)", "multiply(v3, 2.0)"],
    ),
}  # fmt: skip


def written() -> Any:
    seen = tg.Tensor(np.zeros(4, np.float32), name="seen")

    def step(x: Any) -> Any:
        with tg.no_grad():
            seen[...] = seen + x
        return seen * 2.0

    return step


@pytest.mark.parametrize("case", CASES)
def test_a_trace_is_what_ran(case: str) -> None:
    """The equations, computed again, give the values that the function gave."""
    make, shown = CASES[case]
    fn, inputs = make()
    recording = tg.trace(fn, *inputs)
    text = str(recording)
    head, *lines = text.splitlines()
    assert head.startswith(f"{len(recording)} equation")
    assert [int(line[:4]) for line in lines] == list(range(1, len(recording) + 1))
    for part in shown:
        assert part in text, text
    again = run(recording.equations, lambda _, call: call())
    for variable, value in again.items():
        assert np.array_equal(value, variable.array, equal_nan=True), variable
    for equation in recording.equations:
        assert equation.line == "" or "test_recording.py:" in equation.line
        for variable in equation.reads:
            assert variable.made is None or variable.made in recording.equations
    assert "<table>" in recording._repr_html_()


def test_a_trace_gives_the_gradients_and_leaves_those_that_are_there() -> None:
    model = network()
    before = tg.Tensor(np.ones(5, np.float32))
    model[0].bias.grad = before
    recording = tg.trace(lambda x, y: F.cross_entropy(model(x), y), X, Y)
    assert model[0].bias.grad is before and model[0].weight.grad is None
    found = {
        recording.names[e.options["tensor"]]: e.operands[0].array
        for e in recording.equations
        if e.kind == "deliver"
    }
    model.zero_grad()
    F.cross_entropy(model(X), Y).backward()
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert np.array_equal(found[name], parameter.grad.numpy())


def test_equations_know_line_module_and_what_they_are_the_derivative_of() -> None:
    model = network()
    recording = tg.trace(model, X)
    by_name = {}
    for row in recording.rows():
        by_name.setdefault(row.equation.name, row)
    assert by_name["tanh"].place == "1: Tanh"
    forward = {e: i for i, e in enumerate(recording.equations, 1)}
    squares = [row for row in recording.rows() if row.equation.name == "multiply"]
    tanh = by_name["tanh"].equation
    assert {row.place for row in squares} == {f"backward of {forward[tanh]}"}
    assert np.array_equal(tanh.results[0].array, np.tanh(tanh.operands[0].array))
    assert tanh.cotangent is not None and tanh.cotangent.shape == (6, 5)
    products = [row.flops for row in recording.rows() if row.is_product]
    assert products == [2 * 6 * 4 * 5, 2 * 6 * 5 * 3, 2 * 6 * 3 * 5, 2 * 5 * 6 * 3, 2 * 4 * 6 * 5]
    assert tg.trace(model, X, backward=False).summary([])[0] == "0 equations, 0 of them backward"


def test_a_tape_is_read_as_a_trace_is_taken() -> None:
    """The same operations in the same modules, but for lines and what is written out."""
    model = network()

    def loss(x: Any) -> Any:
        return np.sum(model(x) ** 2)

    traced, tape = tg.trace(loss, X), tg.tape_of(loss(X), backward=True)
    found = [
        [(e.name, e.results[0].shape, e.call and e.call.title) for e in made.equations if e.results]
        for made in (traced, tape)
    ]
    common = [part for part in found[1] if part in found[0]]
    assert {name for name, *_ in common} >= {"tanh", "sum", "multiply", "broadcast_to"}
    assert {title for *_, title in found[1]} >= {"0: Linear", "1: Tanh", "2: Linear"}
    for ours, theirs in zip(tape.equations[-4:], traced.equations[-4:], strict=True):
        assert ours.kind == theirs.kind == "deliver"
        assert np.array_equal(ours.operands[0].array, theirs.operands[0].array)


def test_what_cannot_be_recorded_is_refused() -> None:
    with pytest.raises(tg.TapeError, match="there is no graph: the result does not depend"):
        tg.tape_of(tg.Tensor(1.0))
    loss = tg.Tensor(2.0, requires_grad=True) * 3.0
    loss.backward()
    with pytest.raises(tg.TapeError, match=r"was released by backward\(\); look at it before"):
        tg.tape_of(loss)
    with pytest.raises(tg.TapeError, match="inside of a step that is being recorded"):
        tg.trace(lambda x: tg.trace(np.sin, x), X)
    with pytest.raises(ZeroDivisionError):
        tg.trace(lambda x: 1 / 0, X)  # noqa: ARG005
    assert tg.trace(np.sin, X)  # the recorder is gone


def test_a_ledger_counts_what_the_backward_pass_reads() -> None:
    w = tg.Tensor(np.ones(1000), requires_grad=True)

    def step(x: Any) -> Any:
        h = np.exp(w * x)
        h = h + 1.0
        return np.sum(np.tanh(h) * x)

    ledger = tg.trace(step, np.ones(1000)).ledger()
    first = step.__code__.co_firstlineno
    rows = {row[0].line.rpartition(":")[2]: row[1:] for row in ledger.rows}
    assert rows == {str(first + k): (1, 8000, 50.0) for k in (1, 3)}
    assert "h = np.exp(w * x)" in str(ledger) and "h = np.exp(w * x)" in ledger._repr_html_()


def test_costs_are_those_of_lines_and_backward_counts_with_forward() -> None:
    layer, drawn = nn.Conv2d(1, 2, 3, seed=0), np.random.default_rng(3)

    def step(x: Any) -> Any:
        y = layer(x)
        return np.sum(F.dropout(y, 0.5, generator=drawn))

    recording = tg.trace(step, np.ones((2, 1, 5, 5), np.float32))
    state = drawn.bit_generator.state
    costs = recording.costs(rounds=2)
    assert drawn.bit_generator.state == state
    by_module = {row[0].module: row[1:] for row in costs.rows}
    product = 2 * (2 * 2 * 3 * 3) * 9
    assert by_module["Conv2d"][4] == 2 * product  # and its weight's gradient
    assert by_module[""][4] == 0
    assert 0 < by_module["Conv2d"][2] < 100
    assert sum(row[2] for row in costs.rows) == pytest.approx(100)
    assert re.match(r"[\d,]+ µs, [\d,]+ FLOP\n", str(costs))


def test_a_recording_is_drawn_in_both_directions_and_filled_by_what_it_costs() -> None:
    recording = tg.trace(training(), X, Y)
    drawn = tg.draw.graph(recording, max_nodes=100)
    for text in ("backward of 0: Linear", "2.weight.grad", "SGD.step", "1: Tanh", "= row_product"):
        assert text in drawn.source
    darkest = {}
    for colour in ("bytes", "time", "gradient"):
        source = tg.draw.graph(recording, colour=colour, max_nodes=100).source
        assert re.search(r">palest [^<]+<.*>darkest [^<]+<", source), colour
        assert ("no gradient of its own" in source) == (colour == "gradient")
        darkest[colour] = re.findall(r"(?m)^\s+n\d+ \[label=<<b>(.*?)</b>.*#f08a5d", source)
    assert len(darkest["time"]) == len(darkest["gradient"]) == 1
    assert darkest["gradient"][0].endswith("÷ 6")  # the loss itself
    deep = nn.Sequential(
        *[part for i in range(8) for part in (nn.Linear(4, 4, seed=i), nn.Sigmoid())]
    )
    vanishing = tg.trace(lambda x: np.sum(deep(x) ** 2), X)
    source = tg.draw.graph(vanishing, colour="gradient").source
    named = re.findall(r"<b>(\d+): (?:Linear|Sigmoid).*?fillcolor=\"(#\w+)\"", source)
    assert [int(n) for n, _ in named] == list(range(16))  # not once for all
    assert len({fill for _, fill in named}) > 10
    for nodes in (30, 60, 100, 300):  # whatever is folded, arrows lead on
        source = tg.draw.graph(recording, colour="gradient", max_nodes=nodes).source
        edges = re.findall(r"n(\d+) -> n(\d+) \[(?!style)", source)
        assert edges and all(int(a) < int(b) for a, b in edges)
    for wrong, message in (({"colour": "heat"}, "colour='heat'"), ({}, "drawn as it is")):
        with pytest.raises((ValueError, TypeError), match=message):
            tg.draw.graph(recording, *([] if wrong else [X]), **wrong)
    with pytest.raises(TypeError, match="colour= is for recordings"):
        tg.draw.graph(network(), X, colour="time")
    with pytest.raises(ValueError, match="without a backward pass"):
        tg.draw.graph(tg.trace(np.sin, X), colour="gradient")


def test_what_is_no_function_and_no_result_is_refused_in_one_sentence() -> None:
    for call in (tg.trace, tg.to_numpy, tg.receipt):
        with pytest.raises(TypeError, match=r"take a function, a module or a .*, not 3\.$"):
            call(3)  # type: ignore[operator]
    for read in (tg.autopsy, tg.tape_of):
        with pytest.raises(TypeError, match=r"take results of operations \(Tensors\), not 3\.$"):
            read(3)  # type: ignore[operator]


def test_floats_are_inputs_as_of_grad() -> None:
    made = tg.trace(lambda a, b: a * b + a, 2.0, 3)
    assert [row.operation for row in made.rows()] == ["multiply(a, 3)", "add(v1, a)"]
    assert len(tg.receipt(lambda x: x**3, 2.0).equations) == 1


def test_a_name_with_a_line_break_breaks_no_row() -> None:
    w = tg.Tensor([1.0], requires_grad=True, name="a\nb")
    made = tg.trace(lambda: np.sum(w * 2.0))
    assert len(str(made).splitlines()) == len(made) + 1 and "multiply(a b, 2.0)" in str(made)


def test_names_are_those_of_the_outermost_module_that_the_step_reads() -> None:
    model = nn.Sequential(nn.Linear(2, 3, seed=0), nn.Tanh(), nn.Linear(3, 1, seed=1))

    def step(x: Any) -> Any:
        loss: Any = np.sum(model[2](np.tanh(model[0](x))))
        loss.backward()
        return loss

    x = np.ones((2, 2), np.float32)
    assert "transpose(2.weight)" in str(tg.trace(step, x))
    for parameter in model.parameters():
        parameter.grad = None
    names: dict[str, Any] = {}
    exec(tg.to_numpy(step, x), names)
    made = names["step"]({"x": x, **model.state_dict()})
    assert set(made) == {"result", *(f"{name}.grad" for name in model.state_dict())}


def test_a_gradients_copy_belongs_where_the_gradient_was_made() -> None:
    net = nn.Sequential(nn.Linear(3, 4, seed=0), nn.ReLU(), nn.Linear(4, 2, seed=1))
    made = tg.trace(lambda x: np.sum(net(x) ** 2), np.ones((5, 3)))
    copies = [e for e in made.equations if e.fn is np.positive]
    assert len(copies) >= 2
    assert all(e.of is e.reads[0].made.of for e in copies)  # type: ignore[union-attr]
    assert len({e.of for e in copies}) > 1


def test_draws_of_finished_steps_are_not_kept() -> None:
    net = nn.Sequential(nn.Linear(3, 4, seed=0), nn.Dropout(0.5, seed=1))
    with tg.anomaly():
        for _ in range(4):
            np.sum(net(np.ones((5, 3)))).backward()
        watch = mode.capture
        assert watch is not None and len(watch._draws) < 2  # type: ignore[attr-defined]
