"""The DOT text of replayed steps: equations, where their results lie, what is delivered."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinygrad_np as tg
from tests.draw.test_graph import boxes, edges, lines
from tinygrad_np import nn, optim
from tinygrad_np.draw import graph

ROOT = Path(__file__).parents[2]


def caption(drawn):
    return re.sub("<[^>]*>", " ", re.search(r'colspan="\d+">(.*?)</td>', drawn.source)[1]).strip()


def replayed(fn, *inputs):
    step = tg.replay(fn)
    for _ in range(2):
        step(*inputs)
    return step


def network(sizes, rows):
    rng = np.random.default_rng(0)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, seed=rng), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    sgd = optim.SGD(model.parameters(), lr=0.1)

    def train(x, labels):
        sgd.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        sgd.step()
        return loss

    x = rng.random((rows, sizes[0]), dtype=np.float32)
    return replayed(train, x, rng.integers(0, sizes[-1], rows))


def chain(length):
    a = tg.Tensor([0.5], requires_grad=True, name="a")

    def step(x):
        a.grad = None
        y = x
        for _ in range(length):
            y = np.tanh(y * a)
        y.backward()
        return y

    return replayed(step, np.ones(1))


def test_every_equation_of_a_small_step_is_a_node():
    w = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="w")

    def step(x):
        w.grad = None
        loss = (np.exp(x * w) * 3.0).sum()
        loss.backward()
        return loss

    drawn = graph(replayed(step, np.ones((2, 2))))
    assert caption(drawn).startswith("step , 7 equations of ")
    assert set(map(tuple, lines(drawn).values())) >= {
        ("x", "(2, 2) float64"),
        ("w", "(2, 2) float64"),
        ("v2 = multiply", "(2, 2) float64", "new b0"),
        ("v3 = exp", "(2, 2) float64", "in place of v2"),
        ("w.grad", "(2, 2) float64"),
        ("result", "scalar float64"),
    }
    gradient = [label for label in lines(drawn).values() if label[-1] == "gradient"]
    assert len(gradient) == 1
    assert (gradient[0][0], "w.grad") in edges(drawn)
    assert edges(drawn)[:2] == [("x", "v2 = multiply"), ("w", "v2 = multiply")]


def test_a_training_step_shows_its_lines_gradients_and_optimiser():
    drawn = graph(network((784, 128, 64, 10), 64))
    assert len(lines(drawn)) <= 60
    forward, backward = boxes(drawn)
    assert re.fullmatch(r"line \d+: loss = nn\.functional.*…", forward)
    assert re.fullmatch(r"line \d+: loss\.backward\(\)", backward)
    titles = [label[0] for label in lines(drawn).values()]
    assert {"x", "labels", "0.weight", "4.bias", "in_range(·, 10, cross_entropy)"} <= set(titles)
    updated = {tail for tail, head in edges(drawn) if head == "SGD.step"}
    assert updated == {f"{k}.{name}.grad" for k in (0, 2, 4) for name in ("weight", "bias")}
    memory = [label[-1] for label in lines(drawn).values()]
    assert memory.count("gradient") == 6
    assert any(text.startswith("view of") for text in memory)


def test_a_loop_over_blocks_of_rows_is_a_box():
    drawn = graph(network((20, 10, 10), 5_000))
    [loop] = [title for title in boxes(drawn) if "times" in title]
    assert re.fullmatch(r"\d+ times, for blocks of [\d,]+ rows", loop)
    added = [label for label in lines(drawn).values() if label[-1].endswith(", added up")]
    assert len(added) == 5  # the loss, two weights, two biases
    assert ("0.weight.grad", "SGD.step") in edges(drawn)


def test_a_deep_network_shows_one_node_per_layer_and_direction():
    drawn = graph(network((64, *[16] * 20, 10), 8))
    assert len(lines(drawn)) <= 60
    assert caption(drawn).endswith("nodes drawn")
    layers = [label for label in lines(drawn).values() if "maximum" in label[0]]
    assert len(layers) == 20
    assert "272 parameters" in layers[1]
    assert sum("2 gradients" in label for label in lines(drawn).values()) == 21


def test_a_long_chain_shows_one_node_per_line():
    drawn = graph(chain(120))
    found = list(lines(drawn).values())
    assert found[0][0] == "x"
    forward = next(label for label in found if "y = np.tanh(y * a)" in label[0])
    assert forward[1:4] == ["240 operations", "multiply, tanh", "1 parameter"]
    backward = next(label for label in found if "y.backward()" in label[0])
    assert "1 gradient" in backward
    assert (forward[0], backward[0]) in edges(drawn)


def test_no_program_exceeds_the_limit():
    for step in (network((8, 8, 4), 6), network((8, 8, 4), 5_000), chain(50)):
        for max_nodes in (3, 10, 30):
            assert len(lines(graph(step, max_nodes=max_nodes))) <= max_nodes


def test_a_program_is_drawn_as_its_step_is_but_does_not_know_its_names():
    step = network((8, 8, 4), 6)
    text = graph(step).source.replace("train", "replayed step")
    text = text.replace("<b>x</b>", "<b>argument 0</b>").replace("<b>labels<", "<b>argument 1<")
    assert caption(graph(step.program)).startswith("replayed step , ")
    assert sorted(graph(step.program).source) == sorted(text)


def test_writes_and_what_no_gradient_reaches_are_drawn():
    mean = tg.Tensor([0.0, 0.0], name="mean")
    count = tg.Tensor([1.0, 1.0], name="count")

    def step(x):
        with tg.no_grad():
            mean[...] = 0.9 * mean + 0.1 * x
            count[...] = 0.0
        return (x * 2.0).sum()

    drawn = graph(replayed(step, np.ones(2)))
    titles = [label[0] for label in lines(drawn).values()]
    assert sum(title == "mean[…] =" for title in titles) == 1
    assert sum(title == "count[…] =" for title in titles) == 1


@tg.primitive
def drawn_like(x, generator):
    return generator.random(x.shape)


def test_random_numbers_are_drawn():
    rng = np.random.default_rng(0)
    w = tg.Tensor(np.ones(50), requires_grad=True)

    def step(x):
        w.grad = None
        loss = (drawn_like(x, rng) * x * w).sum()
        loss.backward()
        return loss

    drawn = graph(replayed(step, np.ones(50)))
    assert any("Generator" in label[0] for label in lines(drawn).values())
    assert "tensor.grad" in [label[0] for label in lines(drawn).values()]


def test_drawing_changes_nothing():
    step, x = chain(20), np.ones(1)
    before = step(x).item()
    graph(step)
    assert step(x).item() == before


def test_the_same_step_gives_the_same_bytes_in_every_process(tmp_path):
    program = tmp_path / "same.py"
    program.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.draw.test_program_graph import graph, network\n"
        "sys.stdout.buffer.write(graph(network((8, 8, 4), 5_000)).source.encode())"
    )
    other = subprocess.run(
        [sys.executable, program, ROOT],
        env={"PYTHONHASHSEED": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    ).stdout
    assert other.decode() == graph(network((8, 8, 4), 5_000)).source
    assert b"digraph" in other


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([tg.replay(abs)], {}, tg.ReplayError, "call the step twice first"),
        ([tg.replay(abs), 1.0], {}, TypeError, r"drawn as it was recorded: graph\(step\)"),
        ([tg.replay(abs)], {"values": True}, TypeError, "drawn as it was recorded"),
        ([tg.replay(abs)], {"max_nodes": 2}, ValueError, "max_nodes=2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        graph(*arguments, **options)
