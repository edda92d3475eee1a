"""What repeats is one box with "× 20": blocks, steps of loops, chains; and what does not."""

import functools
import re
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_np as tg
from tests.draw.test_graph import Function, boxes, caption, edges, leaf, lines, mlp, titles
from tinygrad_np import nn
from tinygrad_np.draw import graph, hover, render
from tinygrad_np.draw.repeats import folded
from tinygrad_np.draw.trace import of_tensor

X = np.ones((2, 8), np.float32)


def loops(drawn):
    """The dashed arrows, by title."""
    named = {node: label[0] for node, label in lines(drawn).items()}
    found = re.findall(r"^\t(n\d+) -> (n\d+) (.*dashed.*)", drawn.source, re.M)
    return [(named[b], named[a]) if "dir=back" in how else (named[a], named[b])
            for a, b, how in found]  # fmt: skip


class Block(nn.Module):
    """x + b(relu(a(x)))."""

    def __init__(self, n, rng):
        self.a, self.b = nn.Linear(n, n, seed=rng), nn.Linear(n, n, seed=rng)

    def forward(self, x):
        return x + self.b(nn.functional.relu(self.a(x)))


def residual(depth):
    rng = np.random.default_rng(0)
    blocks = [Block(16, rng) for _ in range(depth)]
    return nn.Sequential(nn.Linear(8, 16, seed=rng), *blocks, nn.Linear(16, 3, seed=rng))


def test_equal_blocks_are_one_with_their_number():
    drawn = graph(residual(20), X)
    assert boxes(drawn) == [
        "0: Linear(8, 16)", "1 … 20: Block × 20", "1.a: Linear(16, 16)", "1.b: Linear(16, 16)",
        "21: Linear(16, 3)",
    ]  # fmt: skip
    assert caption(drawn) == "Sequential, 11,075 parameters, 82 operations; 16 of 168 nodes drawn"
    assert "10,880 parameters" in drawn.source
    assert loops(drawn) == [("add", "linear"), ("add", "add")]
    assert ("add", "linear") in edges(drawn)[: -len(loops(drawn))]
    assert len(lines(graph(residual(3), X))) == len(of_tensor(residual(3)(X)).items)
    assert "×" not in graph(residual(20), X, fold=False).source
    deep = graph(mlp(*[8] * 22), X)
    assert "× 20" in boxes(deep)
    assert {"0: Linear(8, 8)", "1: ReLU", "40: Linear(8, 8)"} <= {*boxes(deep), *titles(deep)}


def unrolled(steps, cell=None):
    """The loss of a recurrent network, written as a loop."""
    rng = np.random.default_rng(0)
    w, u, b = (leaf(rng.normal(size=s), n) for n, s in (("W", (4, 8)), ("U", (8, 8)), ("b", (8,))))
    h = np.zeros((5, 8))
    for x in rng.normal(size=(steps, 5, 4)):
        h = np.tanh(x @ w + h @ u + b) if cell is None else cell(x.astype(np.float32), h)
    return (h**2).mean()


def test_the_steps_of_a_loop_are_one():
    drawn = graph(unrolled(20))
    assert boxes(drawn) == ["× 20"]
    assert titles(drawn).count("tanh") == 1
    assert loops(drawn) == [("tanh", "matmul")]
    assert {"W", "U", "b"} <= set(titles(drawn))
    assert caption(drawn) == "104 parameters, 102 operations; 13 of 127 nodes drawn"

    def steps(self, x):
        h = np.zeros((len(x), 8), np.float32)
        for t in range(12):
            h = np.tanh(self.a(x[:, t]) + self.b(h))
        return h

    parts = {"a": nn.Linear(4, 8, seed=0), "b": nn.Linear(8, 8, seed=1)}
    module = graph(Function(steps, **parts), np.ones((2, 12, 4), np.float32))
    assert boxes(module)[0] == "× 12"
    assert titles(module).count("·[:, 0]") == 1
    lstm = graph(Function(lambda m, x: m.r(x)[0][-1], r=nn.LSTM(4, 8, seed=0)), np.ones((9, 2, 4)))
    assert ["× 9", "expand_dims(·, 0)", "(1, 2, 8) float64"] in lines(lstm).values()
    assert len(loops(lstm)) == 2  # of the state and of the output


@pytest.mark.parametrize(("kind", "nodes"), [(nn.LSTM, 31), (nn.GRU, 32), (nn.RNN, 17)])
def test_what_a_stack_gathers_of_many_steps_is_one_too(kind, nodes):
    drawn = graph(Function(lambda m, x: m.r(x)[0][-1], r=kind(4, 3, seed=0)), np.ones((20, 2, 4)))
    assert boxes(drawn).count("× 20") + titles(drawn).count("× 20") == 2
    assert len(lines(drawn)) <= nodes


def test_chains_and_values_of_the_first():
    y = functools.reduce(lambda t, _: t * 2.0, range(30), leaf(1.0, "x"))
    drawn = graph(y, values=True)
    assert titles(drawn) == ["x", "× 30", "result"]
    assert edges(drawn) == [("x", "× 30"), ("× 30", "result"), ("× 30", "× 30")]
    many = [leaf(float(i), f"p{i}") for i in range(300)]
    assert "p0 … 299" in titles(graph(tg.stack(many)))


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a[0] * a[1] * a[2] * a[3] * a[4],  # other names
        lambda a: a[0] * 2.0 * 3.0 * 4.0 * 5.0 * 6.0,  # other numbers
        lambda a: np.tanh(np.tanh(np.tanh(a[0]))),  # three
        lambda a: a[0] * (b := np.sin(a[0])) + a[0] * (c := np.sin(b)) + a[0] * np.sin(c),
        lambda a: functools.reduce(lambda s, _: (s[1], s[0] * s[1]), range(5), (a[0], a[1]))[1],
    ],
)
def test_what_differs_is_not_folded(make):
    y = make([leaf(0.5, name) for name in "abcde"])
    assert folded(of_tensor(y)).items == of_tensor(y).items


def test_the_search_ends_also_where_nothing_repeats():
    names = np.random.default_rng(0).choice(list("abcdefgh"), (1500, 8))
    y = functools.reduce(lambda t, name: t * leaf(1.0, "".join(name)), names, leaf(1.0))
    traced = of_tensor(y)
    assert folded(traced).items == traced.items


def test_titles_are_kept_clear_of_arrows():
    """Points along each arrow lie outside of the titles of boxes."""
    if not render.programs():
        pytest.skip("no program that draws is installed")
    networks = [(residual(3), X), (mlp(8, 9, 9, 8), X)]
    for network, x in networks:
        root = ET.fromstring(graph(network, x, max_nodes=99).pipe("svg"))
        svg = "{http://www.w3.org/2000/svg}"
        titles, arrows = [], []
        for group in root.iter(f"{svg}g"):
            words = list(group.iter(f"{svg}text"))
            if group.get("class") == "node" and not list(group.iter(f"{svg}polygon")):
                titles += [w for w in words if w.get("font-weight") == "bold"]
            if group.get("class") == "edge":
                arrows += [path.get("d") for path in group.iter(f"{svg}path")]
        assert len(titles) >= 3 and len(arrows) > 10
        for arrow in arrows:
            points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", arrow), float)
            for k in range(0, len(points) - 3, 3):
                t = np.linspace(0, 1, 20)[:, None]
                p, q, r, s = points[k : k + 4]
                curve = (1-t)**3*p + 3*(1-t)**2*t*q + 3*(1-t)*t**2*r + t**3*s  # fmt: skip
                for title in titles:
                    half = float(title.get("textLength")) / 2
                    middle = float(title.get("x")), float(title.get("y")) - 4
                    off = np.abs(curve - middle)
                    assert ((off[:, 0] > half) | (off[:, 1] > 5)).all(), title.text


def test_the_pointer_shows_value_gradient_and_rule():
    a, b = leaf(2.0, "a"), leaf([[1.0, 2.0], [3.0, 4.0]], "b")
    drawn = graph((a * b).sum())
    said = dict(re.findall(r'<b>(\w+)</b>.*tooltip="([^"]*)"', drawn.source))
    assert said["a"] == r"scalar float64\nvalue 2.0\ngradient 10.0"
    assert said["b"] == r"(2, 2) float64\nvalue\n1.0  2.0\n3.0  4.0\ngradient\n2.0  2.0\n2.0  2.0"
    assert said["multiply"].endswith(
        r"rule, of g (gradient) and out (value here):\nto x: g · y\nto y: g · x"
    )
    if render.programs():
        svg = drawn.pipe("svg").decode()
        assert "<title>scalar float64&#10;value 2.0&#10;gradient 10.0</title>" in svg
        assert "<title>n" not in svg
    layer = graph(nn.functional.relu(nn.ReLU()(a * b)).sum())
    [relu] = re.findall(r'<b>ReLU</b>.*tooltip="([^"]*)"', layer.source)
    assert r"gradient\n1.0  1.0\n1.0  1.0" in relu
    [[_, _, rule]] = hover.rules_to(of_tensor(nn.ReLU()(a)).items[1].node.rule, [0])
    assert relu.endswith(rule) and "g" in rule
    assert "what one repetition hands on to the next" in graph(unrolled(4)).source
    values, vectors = np.linalg.eigh(leaf(np.eye(2), "c"))  # without a derivative: two are equal
    degenerate = (values * vectors[0]).sum()
    assert r"\ngradient" not in graph(degenerate).source
    with pytest.raises(tg.TapeError, match="two values are equal"):
        graph(degenerate, values=True)
    evil = graph(leaf(1.0, '"\\N<b>') * 2.0)
    assert evil.source.count("tooltip=") == 3


def test_rules_are_shown_as_formulas():
    def of(*vjps, **names):
        return hover.rules_to(types.SimpleNamespace(vjps=vjps, each=None), [0, 1, 2], **names)

    assert of(lambda g, out: g * (1 - out * out)) == [(0, "operand 1", "g · (1 - out · out)")]
    named = of(None, lambda g, out, x, _y: g * x / out, result="v3", operands=["a", "b"])
    assert named == [(1, "y", "g · a / v3")]
    [[_, _, long]] = of(lambda g: g + 1000000000000000000000000000000000 + 10000000000 + 1000000000 + 1000000000 + 100000000 + 1000000000 + 10000000000 + 1 + 100000000000000000000000000000000000000 + 10000000000000000000000000000000000)  # noqa: E501  # fmt: skip
    assert len(long) == hover.LONGEST and long.endswith("…")


def test_the_arrow_back_goes_around_the_boxes():
    """Its points lie in no box but those of its ends."""
    if not render.programs():
        pytest.skip("no program that draws")
    svg = graph(residual(4), X).pipe("svg", encoding="utf-8")
    number = r"(-?[\d.]+),(-?[\d.]+)"
    corners = [
        np.array(re.findall(number, group), float)
        for group in re.findall(r'class="cluster">.*?(<(?:path|polygon) .*?)</g>', svg, re.DOTALL)
    ]
    paths = re.findall(r'stroke-dasharray="[^"]*" d="([^"]*)"', svg)
    points = np.array(re.findall(number, max(paths, key=len)), float)
    inside = [(c.min(0) < points) & (points < c.max(0)) for c in corners]
    count = sorted(int(both.all(axis=1).sum()) for both in inside)
    # all in the block, its end in the first layer, nothing in the second and the two outside
    assert count[:3] == [0, 0, 0] and 0 < count[3] < count[4] == len(points) >= 7


class Scaled(nn.Module):
    """A convolution and a linear layer, times a parameter of its own."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, seed=0)
        self.head = nn.Linear(144, 3, seed=1)
        self.scale = leaf(3)

    def forward(self, x):
        return self.head(nn.functional.relu(self.conv(x)).reshape(len(x), -1)) * self.scale


def test_a_box_is_as_high_as_what_is_in_it():
    """Its title stands close to the rest, though what enters it stands far above."""
    if not render.programs():
        pytest.skip("no program that draws")
    net, x, y = Scaled(), np.ones((4, 1, 8, 8), np.float32), np.arange(4) % 3
    step = tg.trace(lambda x, y: nn.functional.cross_entropy(net(x), y), x, y)
    svg = graph(step, max_nodes=99).pipe("svg", encoding="utf-8")
    [title] = re.findall(r'y="(-?[\d.]+)"[^>]*>backward of conv: Conv2d', svg)
    [first] = re.findall(r'y="(-?[\d.]+)"[^>]*>v\d+ = convolve_weight', svg)
    assert float(first) - float(title) < 400  # else it may stand as high as what enters the box
