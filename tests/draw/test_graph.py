"""The DOT text of computation graphs, by value."""

import gc
import re
import subprocess
import sys
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.draw import graph
from tinygrad_np.draw.trace import of_tensor

ROOT = Path(__file__).parents[2]

GOLDEN = """\
digraph {
	graph [bgcolor=white fontname=Helvetica label=<<table border="0" cellborder="1" \
cellspacing="4" cellpadding="3"><tr><td border="0" colspan="3">1 parameter, 1 operation</td></tr>\
<tr><td bgcolor="#fde5c4" color="#8f5200"><font point-size="10">parameter</font></td>\
<td bgcolor="#ffffff" color="#333333"><font point-size="10">operation</font></td>\
<td bgcolor="#cdebd2" color="#1b642c"><font point-size="10">result</font></td></tr></table>> \
labelloc=t newrank=true nodesep=0.3 ordering=in ranksep=0.3]
	node [fontcolor="#1a1a1a" fontname=Helvetica fontsize=12 height=0.3 margin="0.12,0.06" \
shape=box style=filled]
	edge [arrowsize=0.7 color="#444444"]
	n0 [label=<<b>w</b><br/><font point-size="10" color="#444444">scalar float32</font><br/>\
<font point-size="10" color="#444444">value 3.0</font><br/>\
<font point-size="10" color="#444444">grad 2.0</font>> \
color="#8f5200" fillcolor="#fde5c4" shape=note tooltip="scalar float32\\nvalue 3.0\\ngradient 2.0"]
	n1 [label=<<b>· × 2.0</b><br/><font point-size="10" color="#444444">scalar float32</font><br/>\
<font point-size="10" color="#444444">value 6.0</font><br/>\
<font point-size="10" color="#444444">grad 1.0</font>> \
color="#333333" fillcolor="#ffffff" style="filled,rounded" tooltip="scalar float32\\nvalue 6.0\\n\
gradient 1.0\\nrule, of g (gradient) and out (value here):\\nto x: g · y"]
	n2 [label=<<b>y</b><br/><font point-size="10" color="#444444">scalar float32</font><br/>\
<font point-size="10" color="#444444">value 6.0</font>> \
color="#1b642c" fillcolor="#cdebd2" penwidth=2.2 shape=octagon \
tooltip="scalar float32\\nvalue 6.0"]
	n0 -> n1 [color="#8a8a8a"]
	n1 -> n2 [weight=8]
}
"""


def lines(drawn):
    """The lines of each node's label, without markup, by node."""
    found = re.findall(r"^\t(n\d+) \[label=<(.*?)> (?:color|fillcolor)=", drawn.source, re.M)
    return {n: lines_of(text) for n, text in found}


def lines_of(label):
    """The lines of a label; cells of a table beside each other."""
    text = re.sub(r"</?(?:b|table\b[^>]*|tr|font\b[^>]*)>", "", label)
    if "<td" not in text:
        return text.split("<br/>")
    rows = re.findall("<tr>(.*?)</tr>", label)
    cells = [re.findall("<td[^>]*>(.*?)</td>", row) for row in rows]
    return [" ".join(re.sub("<[^>]*>|&#160;", "", cell) for cell in row) for row in cells]


def titles(drawn):
    return [label[0] for label in lines(drawn).values()]


def boxes(drawn):
    return re.findall(r"^\tt\d+ \[label=<<b>(.*?)</b>", drawn.source, re.M)


def caption(drawn):
    return re.sub("<[^>]*>", "", re.search(r'colspan="\d+">(.*?)</td>', drawn.source)[1])


def edges(drawn):
    """Pairs of titles, for the edges that can be seen."""
    named = {node: label[0] for node, label in lines(drawn).items()}
    shown = re.findall(r"^\t(n\d+) -> (n\d+)(?!.*invis)", drawn.source, re.M)
    return [(named[a], named[b]) for a, b in shown]


def mlp(*sizes):
    rng = np.random.default_rng(0)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, seed=rng), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Wrapped(nn.Module):
    """A network one level down."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class Function(nn.Module):
    """A module that is one function."""

    def __init__(self, fn, **parts):
        self.fn = fn
        vars(self).update(parts)

    def forward(self, *inputs):
        return self.fn(self, *inputs)


def leaf(value, name=None, dtype=np.float64):
    return tg.Tensor(value, requires_grad=True, dtype=dtype, name=name)


def test_the_whole_text_of_a_tiny_graph():
    y = leaf(3.0, "w", np.float32) * 2.0
    y.name = "y"
    assert graph(y, values=True).source == GOLDEN


def test_a_network_shows_modules_parameters_shapes_and_counts():
    drawn = graph(mlp(4, 3, 2), np.zeros((5, 4), np.float32))
    assert caption(drawn) == "Sequential, 23 parameters, 3 operations"
    assert boxes(drawn) == ["0: Linear(4, 3)", "2: Linear(3, 2)"]
    assert [label for label in lines(drawn).values() if "weight" in label[0]] == [
        ["0.weight", "(3, 4) float32"],
        ["2.weight", "(2, 3) float32"],
    ]
    assert ["1: ReLU", "(5, 3) float32"] in lines(drawn).values()
    assert ["x", "(5, 4) float32"] in lines(drawn).values()
    assert ["output", "(5, 2) float32"] in lines(drawn).values()
    assert edges(drawn) == [
        ("x", "linear"), ("0.weight", "linear"), ("0.bias", "linear"), ("linear", "1: ReLU"),
        ("1: ReLU", "linear"), ("2.weight", "linear"), ("2.bias", "linear"), ("linear", "output"),
    ]  # fmt: skip


def test_kinds_differ_in_shape_or_border_and_in_colour():
    t = graph(Function(lambda m, x: np.tanh(x) * m.w + np.ones(2), w=leaf([1.0, 2.0])), np.ones(2))
    styles = re.findall(r"^\tn\d+ \[.*?> (color=.*?)(?: tooltip=.*)?\]$", t.source, re.M)
    assert len(set(styles)) == 5  # input, parameter, constant, operation, result


def source():
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.Tanh(), nn.Linear(3, 2, seed=1))
    x = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)
    return graph(model, x, values=True).source


def test_the_same_model_gives_the_same_bytes_in_every_process():
    other = subprocess.run(
        [sys.executable, "-c", "from tests.draw.test_graph import source; print(source(), end='')"],
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    ).stdout
    assert other.decode() == source()
    assert b"digraph" in other


def test_deep_networks_show_one_node_per_module():
    drawn = graph(mlp(*[8] * 22), np.zeros((1, 8), np.float32), fold=False)
    assert len(lines(drawn)) == 43
    assert titles(drawn)[:3] == ["x", "0: Linear(8, 8)", "1: ReLU"]
    assert lines(drawn)["n1"] == ["0: Linear(8, 8)", "72 parameters", "(1, 8) float32"]
    assert caption(drawn).endswith("; 43 of 85 nodes drawn")
    assert not boxes(drawn)


def test_a_long_row_of_modules_inside_a_module_keeps_its_ends():
    drawn = graph(Wrapped(mlp(*[8] * 102)), np.zeros((1, 8), np.float32), fold=False)
    assert len(lines(drawn)) == 60
    assert boxes(drawn) == ["inner: Sequential"]
    assert ["… 144 modules, 144 operations …", "5,184 parameters"] in lines(drawn).values()
    assert titles(drawn)[-1] == "inner.200: Linear(8, 8)"


def test_modules_of_many_operations_become_one_node():
    def busy(self, x):
        for _ in range(100):
            x = np.sin(x) + self.w
        return np.cos(x)

    rng = np.random.default_rng(0)
    parts = [Function(busy, w=leaf(rng.normal(size=3))) for _ in range(2)]
    drawn = graph(nn.Sequential(*parts), np.zeros(3), fold=False)
    assert titles(drawn) == ["x", "0: Function", "1: Function", "output"]


@pytest.mark.parametrize(("length", "values"), [(4_000, False), (1_500, True)])
def test_a_long_chain_loses_its_middle(length, values):
    y = leaf(1.0, "x")
    for _ in range(length):
        y = y * 1.0
    drawn = graph(y, values=values, fold=False)
    assert len(lines(drawn)) == 60
    assert f"… {length - 57:,} operations …" in titles(drawn)
    assert titles(drawn)[0] == "x"
    assert titles(drawn)[-1] == "result"


@pytest.mark.parametrize("max_nodes", [3, 4, 10, 60])
def test_no_graph_exceeds_the_limit(max_nodes):
    many = [leaf(float(i), f"p{i}") for i in range(300)]
    assert len(lines(graph(tg.stack(many).sum(), max_nodes=max_nodes, fold=False))) == max_nodes


def test_limits_below_three_are_refused():
    with pytest.raises(ValueError, match=r"max_nodes=2\): an int from 3 up is needed"):
        graph(leaf(1.0), max_nodes=2)


def test_values_and_gradients_of_all_nodes():
    a, b = leaf(2.0, "a"), leaf(-3.0, "b")
    e = a * b
    e.name = "e"
    found = lines(graph((e + a) * -2.0, values=True)).values()
    assert ["a", "scalar float64", "value 2.0", "grad 4.0"] in found
    assert ["b", "scalar float64", "value -3.0", "grad -4.0"] in found
    assert ["e = multiply", "scalar float64", "value -6.0", "grad -2.0"] in found
    assert ["add", "scalar float64", "value -4.0", "grad -2.0"] in found
    assert ["· × -2.0", "scalar float64", "value 8.0", "grad 1.0"] in found
    assert a.grad is None


def test_the_graph_can_go_backward_after_it_was_drawn():
    a = leaf(2.0)
    y = a * a
    graph(y, values=True)
    y.backward()
    assert a.grad.item() == 4.0


def test_values_of_arrays():
    w = leaf([[1.0, -2.5], [0.125, 100000.0]], "w")
    big = np.arange(20.0)
    y = (w * 2.0).sum() + (leaf(big, "big") * 1j).real.sum() + leaf([1.0, 2.0], "pair").sum()
    found = {label[0]: label[2:] for label in lines(graph(y, values=True)).values()}
    assert found["w"] == ["value  grad", "1.0 -2.5  2.0 2.0", "0.125 1e+05  2.0 2.0"]
    assert found["big"] == ["value 0.0 … 19.0", "grad 0.0 … 0.0"]
    assert found["· × 1j"][0] == "value |·| up to 19.0"
    assert found["pair"] == ["value [1.0, 2.0]", "grad [1.0, 1.0]"]


def test_a_result_of_many_elements_has_values_but_no_gradients():
    assert lines(graph(leaf([1.0, 2.0], "w") * 2.0, values=True))["n0"] == [
        "w", "(2,) float64", "value [1.0, 2.0]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "title"),
    [
        (lambda t: t * 2.0, "· × 2.0"),
        (lambda t: 1 - t, "1 − ·"),
        (lambda t: t**2, "· ** 2"),
        (lambda t: t / np.float32(3), "· ÷ 3.0"),
        (lambda t: t * np.array(0.1234567), "· × 0.1235"),
        (lambda t: np.maximum(t, 0.0), "maximum(·, 0.0)"),
        (lambda t: t @ t.T, "matmul"),
        (lambda t: t.sum(axis=1, keepdims=True), "sum(·, axis=1, keepdims=True)"),
        (lambda t: t.reshape(4, 1), "reshape(·, (4, 1))"),
        (lambda t: t.reshape((4,)), "reshape(·, (4,))"),
        (lambda t: t[0], "·[0]"),
        (lambda t: t[..., None, 0:2], "·[..., None, 0:2]"),
        (lambda t: t[::2], "·[::2]"),
        (lambda t: t[[0, 1]], "·[array]"),
        (lambda t: t.astype(np.float32), "cast(·, float32)"),
        (lambda t: np.concatenate([t, t, t, t], axis=1), "concat(…, axis=1)"),
        (lambda t: t * 123456789, "· × 1.235e+08"),
        (lambda t: t * True, "· × True"),
    ],
)
def test_operations_are_written_as_formulas(make, title):
    assert title in titles(graph(make(leaf(np.ones((2, 2)), "t"))))


def test_an_operand_of_no_known_kind_is_named_by_its_type():
    class Extra:
        """An option of the user's own."""

    @tg.primitive
    def shift(x, extra, step=None):  # noqa: ARG001
        return x + 1

    tg.defvjp(shift, lambda g, out, x, extra, step=None: g)  # noqa: ARG005
    drawn = graph(shift(leaf(1.0), Extra(), step=abs))
    assert "shift(·, Extra, step=abs)" in titles(drawn)


def test_two_edges_where_an_operand_is_taken_twice():
    w = leaf(2.0, "w")
    assert edges(graph(w * w)).count(("w", "multiply")) == 2


def test_a_constant_used_twice_is_one_node():
    c = np.ones(3)
    drawn = graph((leaf(np.ones(3), "w") * c + c).sum())
    assert titles(drawn).count("constant") == 1


@pytest.mark.parametrize(
    ("fn", "inputs", "names"),
    [
        (lambda _, x: x * 2.0, 1, ["input"]),
        (lambda _, x, y: x * y, 2, ["input 1", "input 2"]),
    ],
)
def test_inputs_without_a_name_are_numbered(fn, inputs, names):
    drawn = graph(Function(fn), *[np.ones(2) for _ in range(inputs)])
    assert [title for title in titles(drawn) if title.startswith("input")] == names


def test_integer_inputs_and_buffers_are_shown_by_name():
    class Loss(nn.Module):
        def __init__(self):
            self.scale = tg.Tensor([2.0, 3.0])

        def forward(self, logits, labels, note):
            assert note == "a note"
            return nn.functional.cross_entropy(logits * self.scale, labels)

    drawn = graph(Loss(), tg.Tensor(np.ones((3, 2)), name="z"), np.zeros(3, int), "a note")
    assert {"z", "labels", "scale", "output"} <= set(titles(drawn))


def test_a_module_that_needs_constants_is_run_on_constants():
    fn = lambda self, x: self.w * np.asarray(x)
    drawn = graph(Function(fn, w=leaf([1.0, 2.0])), np.ones(2))
    assert titles(drawn) == ["w", "constant", "multiply", "output"]


def test_errors_of_the_module_are_its_own():
    with pytest.raises(tg.ShapeError, match="linear: x of shape"):
        graph(nn.Linear(3, 2, seed=0), np.zeros((1, 4), np.float32))


def test_several_results_are_numbered():
    drawn = graph(Function(lambda _, x: {"a": x * 2.0, "b": [x + 1.0, None]}), np.ones(2))
    assert titles(drawn)[-2:] == ["output 1", "output 2"]


def test_an_operation_with_several_results():
    a = tg.Tensor(2.0 * np.eye(2), requires_grad=True, name="a")
    sign, logarithm = np.linalg.slogdet(a)
    mantissa, exponent = np.frexp(logarithm)
    drawn = graph(sign * mantissa * exponent, values=True)
    assert titles(drawn) == [
        "a", "slogdet", "·.sign", "·.logabsdet", "frexp", "·[0]", "multiply", "· × 1", "result",
    ]  # fmt: skip
    assert caption(drawn) == "4 parameters, 4 operations"
    assert str(drawn).count("2 results") == 4  # in labels and for the pointer
    assert "value 0.6931" in str(drawn) and "grad 0.6931" in str(drawn)


def test_a_module_that_returns_its_input_or_a_constant():
    drawn = graph(Function(lambda _, x: (x, tg.Tensor(1.0))), np.ones(2))
    assert sorted(titles(drawn)) == ["constant", "input", "output 1", "output 2"]


def test_a_module_called_twice_is_two_boxes_with_one_shared_parameter():
    def twice(self, x):
        return self.cell(self.cell(x))

    drawn = graph(Function(twice, cell=nn.Linear(2, 2, seed=0)), np.ones((1, 2), np.float32))
    assert titles(drawn).count("cell.weight") == 1
    assert "cell call 1: Linear(2, 2)" in titles(drawn)
    assert "cell call 2: Linear(2, 2)" in titles(drawn)
    assert caption(drawn).startswith("Function, 6 parameters")


def test_modules_made_on_the_way_have_no_path():
    fn = lambda _, x: Wrapped(nn.Tanh())(x)
    assert "Wrapped" in titles(graph(Function(fn), np.ones(2)))


def test_a_module_of_one_operation_tells_which():
    drawn = graph(Wrapped(Function(lambda _, x: np.exp(x))), np.ones(2))
    assert ["inner: Function", "exp", "(2,) float64"] in lines(drawn).values()


def test_neither_state_nor_gradients_nor_inputs_change():
    class Counting(nn.Module):
        def __init__(self):
            self.weight = leaf([1.0, 2.0])
            self.count = tg.Tensor(0.0)
            self.kept = self.weight * 2.0

        def forward(self, x):
            self.count = self.count + 1.0
            self.kept = self.weight * x
            return self.kept

    model, x = Counting(), leaf([1.0, 1.0])
    kept = model.kept
    with tg.no_grad():
        drawn = graph(model, x)
    assert "multiply" in titles(drawn)
    assert model.count.item() == 0.0
    assert model.kept is kept
    assert model.weight.grad is None
    assert x.grad is None


def test_a_released_graph_is_refused():
    y = leaf(2.0) * 3.0
    y.backward()
    with pytest.raises(
        tg.TapeError, match=r"released by backward\(\); look at it before backward\(\)"
    ):
        graph(y)


def test_a_kept_graph_is_drawn_after_backward():
    y = leaf(2.0, "w") * 3.0
    y.backward(retain_graph=True)
    assert titles(graph(y)) == ["w", "· × 3.0", "result"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((tg.Tensor(1.0),), tg.TapeError, "there is no graph: the result"),
        (
            ([1.0],),
            TypeError,
            r"a Module or a replayed step, not list; call graph\(loss\)",
        ),
        ((leaf(1.0), 2.0), TypeError, "give example inputs with a module only"),
        ((nn.ReLU(),), TypeError, "ReLU cannot run on 0 example inputs: missing .*'x'; give them"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        graph(*arguments)


def test_parameters_used_by_several_modules_stand_outside_of_them():
    shared = leaf(np.ones(2))
    inner = [Function(lambda self, x: np.sin(x) * self.w, w=shared) for _ in range(2)]
    deeper = nn.Sequential(Wrapped(inner[0]), inner[1])
    drawn = graph(deeper, np.ones(2))
    before_boxes = drawn.source.split("subgraph")[0]
    assert "0.inner.w" in before_boxes


def test_an_empty_array_and_a_leaf_alone_can_be_drawn():
    assert titles(graph(leaf([], "none"), values=True)) == ["none", "result"]


def test_items_come_after_what_they_are_computed_from():
    w = leaf(np.ones(3))
    y = np.tanh(w * np.ones(3)) + w
    for i, item in enumerate(of_tensor(y).items):
        assert all(source < i for source in item.sources)


def test_a_loss_shows_the_modules_it_came_through_and_the_names_of_constants() -> None:
    model = nn.Sequential(nn.Linear(3, 4, seed=0), nn.Tanh(), nn.Linear(4, 2, seed=0))
    x = tg.Tensor(np.ones((5, 3), np.float32), name="images")
    labels = tg.Tensor(np.zeros(5, np.int64), name="labels")
    drawn = graph(nn.functional.cross_entropy(model(x), labels))
    assert "Sequential" in drawn.source
    assert drawn.source.count("subgraph cluster") == 3
    found = titles(drawn)
    for name in ("images", "labels", "0.weight", "2.bias", "1: Tanh", "cross_entropy"):
        assert name in found


def test_parameters_of_several_modules_have_names_of_their_own():
    encoder, decoder = Wrapped(nn.Linear(3, 2, seed=0)), nn.Linear(2, 3, seed=0)
    head = nn.Linear(3, 1, seed=0)
    loss = nn.functional.mse_loss(head(decoder(encoder(np.ones((5, 3))))), np.zeros((5, 1)))
    drawn = graph(loss + 0.1 * (decoder.weight**2).sum())
    expected = {"Wrapped.inner.weight", "Linear 1.weight", "Linear 2.bias"}
    assert expected <= set(titles(drawn))
    assert {"Wrapped", "Linear 2: Linear(3, 1)"} <= {*boxes(drawn), *titles(drawn)}
    model = nn.Sequential(nn.Linear(3, 2, seed=0), nn.Linear(2, 2, seed=0))
    y = nn.Softmax()(model[1](model(np.ones((5, 3)))))  # a part of it, and one without parameters
    assert {"0.weight", "1.weight", "1.bias"} <= set(titles(graph(y.sum())))


def test_modules_leave_no_cycles_in_the_graph() -> None:
    model = nn.Sequential(nn.Linear(3, 4, seed=0), nn.Tanh())
    watched = weakref.ref(model)
    result = model(np.ones((5, 3), np.float32))
    gc.disable()
    try:
        del model
        assert watched() is None
        assert "Tanh" in titles(graph(result))
    finally:
        gc.enable()


class Called(tg.nn.Module):
    """A module that hands all it is given on to its own forward pass."""

    def forward(self, pixels, scale):
        return pixels * scale

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)


class CalledItself(Called):
    def __call__(self, picture, *others, **options):
        return super().__call__(picture, *(others or [2.0]), **options)


class CalledAnyhow(tg.nn.Module):
    def forward(self, *inputs, **_options):
        return np.sum(inputs[0])


@pytest.mark.parametrize(
    ("module", "count", "names"),
    [
        (Called(), 2, ["pixels", "scale"]),
        (CalledItself(), 1, ["picture"]),
        (CalledAnyhow(), 1, ["input"]),
        (CalledAnyhow(), 2, ["input 1", "input 2"]),
        (tg.nn.ReLU(), 1, ["x"]),
    ],
)
def test_inputs_have_the_names_that_the_module_gives_them(module, count, names):
    source = graph(module, *[np.ones(2)] * count).source
    for name in names[:1] if isinstance(module, CalledAnyhow) else names:
        assert f"<b>{name}</b>" in source
    assert "<b>options</b>" not in source


def test_long_labels_go_on_in_further_lines() -> None:
    layer = nn.Conv2d(1, 2, 3, padding=1, seed=0)
    text = graph(nn.Sequential(layer), np.ones((1, 1, 4, 4), np.float32)).source
    for words in ("<b>padding=1)</b>", "<b>dilation=(1, 1), groups=1)</b>"):
        assert f"<br/>{words}" in text
    assert "…</b>" not in text
