"""The receipt: right rules agree, a wrong one is shown at its equation, formulas are sources."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.broken import broken, seeds
from tests.autodiff.cases import BY_FUNCTION, CASES
from tinygrad_np import nn
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import TABLE
from tinygrad_np.recording.formulas import formula
from tinygrad_np.recording.receipt import Receipt


def verdicts(made: Receipt) -> list[str]:
    return [check.verdict for check in made.checks]


def test_no_case_of_the_table_differs() -> None:
    """A sample of the cases of every operation; all of them take half a minute."""
    wrong = []
    for case in CASES[::53]:
        made = tg.receipt(case.call, *case.variables)
        if not made.agrees:
            wrong.append((case.id, made.summary()))
    assert not wrong


def test_a_wrong_rule_is_shown_at_its_own_equation_and_at_no_other() -> None:
    unseen = {"nonzero", "in_unit_interval", "full_rank", "identity", "lent"}  # give their operand
    missed, stray = [], []
    for fn, k in seeds()[::9]:
        if fn.__name__ in unseen:
            continue
        with broken(fn, k):
            found = []
            for case in BY_FUNCTION[fn]:
                for row, checks in tg.receipt(case.call, *case.variables).equations:
                    if any(check.verdict == "DIFFERS" for check in checks):
                        assert row.equation.rule is not None
                        found.append(row.equation.rule.fn)
                if found:
                    break
        missed += [] if found else [(fn, k)]
        stray += [other for other in found if other is not fn]
    assert not missed
    assert not stray


@pytest.mark.parametrize("fn", [np.tanh, neural.relu], ids=lambda fn: fn.__name__)
def test_what_is_said_of_a_wrong_rule(fn: Any) -> None:
    """The one of ``relu`` is not used by the parts that a recording shows."""

    def loss(x: Any) -> Any:
        return np.sum(fn(x * 2.0) ** 2)

    with broken(fn, 0):
        made = tg.receipt(loss, np.array([0.5, -0.25, 1.0]))
    assert not made.agrees
    assert "equation 2 by v1 DIFFERS" in made.summary()
    assert "all agree" not in str(made)
    if fn is np.tanh:
        assert made.summary()[-1] == "the gradient by x DIFFERS"
    [check] = [check for check in made.checks if check.verdict == "DIFFERS"][:1]
    assert (
        made._repr_html_().count('<b class="bad"')
        == sum(check.verdict == "DIFFERS" for check in made.checks) * 2
    )  # in the summary, too
    assert check.autodiff == pytest.approx(1.001 * check.difference, rel=1e-9)


X, AXIS = np.ones((2, 3)), {"axis": 1}
FORMULAS: list[tuple[Any, int, list[str], dict[str, Any], str]] = [
    (np.sin, 0, ["x"], {}, "g · cos(x)"),
    (np.multiply, 1, ["0.weight", "b"], {}, "g · 0.weight"),
    (np.divide, 1, ["a", "b"], {}, "-g · out / b"),
    (np.tanh, 0, ["x"], {}, "g · (1 - out · out)"),
    (np.angle, 0, ["z"], {"deg": False}, "angle_slope(g, z) · 1"),
    (np.angle, 0, ["z"], {"deg": True}, "angle_slope(g, z) · (180 / pi)"),
    (np.expand_dims, 0, ["x"], {"axis": 0}, "reshape(g, shape(x))"),
    (np.reshape, 0, ["x", "(3, 2)"], {}, "reshape(g, shape(x), 'C')"),
    (np.flip, 0, ["x"], AXIS, "flip(g, axis=1)"),
    (np.where, 2, ["c", "a", "b"], {}, "where(c, 0, g)"),
]


def test_formulas() -> None:
    """The source of the rule, with the names of the operands and the values of options."""
    for fn, k, operands, options, expected in FORMULAS:
        assert formula(TABLE[fn], k, "out", operands, options).text == expected
    share = formula(TABLE[np.maximum], 0, "out", ["x", "0"], {})
    assert share.text == "share(g, x, 0, out)"
    assert share.legend["share"].startswith("The part of g for chosen")


def test_every_rule_has_a_formula() -> None:
    """What stands in it are the rule's parameters no longer, where these are operands."""
    for fn, rule in TABLE.items():
        count = 0 if rule.constant else 2 if rule.each is not None else len(rule.vjps)
        for k in range(count):
            if rule.vjps[k] is not None:
                found = formula(rule, k, "OUT", [f"OPERAND{i}" for i in range(9)], {})
                assert found.text, fn
                assert not re.search(r"\b_out\b|\b_x\b|\b_y\b|np\.", found.text), (fn, found)


def test_formulas_of_rules_of_users() -> None:
    """A lambda, a function of several lines, and what has no source."""

    @tg.primitive
    def cube(x: Any, y: Any, z: Any) -> Any:
        return x**3 + y + z

    def by_y(g: Any, _out: Any, _x: Any, _y: Any, _z: Any) -> Any:
        """The cotangent as it is."""
        found = g
        return found

    tg.defvjp(cube, lambda g, _out, x, _y, _z: 3 * g * x**2, by_y, eval("lambda g, *_: g"))
    made = tg.receipt(lambda a: cube(a, a, a), np.array([1.0, 2.0]))
    assert made.agrees
    [(_, checks)] = made.equations
    texts = [check.rule.text for check in checks]
    assert texts == ["3 · g · a**2", "by_y(g, v1, a, a, a)", "<lambda>(g)"]
    assert made.legend["by_y"] == "The cotangent as it is."


def test_a_network_with_dropout_and_statistics_is_left_as_it_was() -> None:
    """In float32, computed in float64: random draws stay, running means are not moved again."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(5, 4, seed=0), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5, seed=1),
        nn.Linear(4, 3, seed=2),
    )  # fmt: skip
    x, y = rng.normal(size=(8, 5)).astype(np.float32), np.arange(8) % 3

    def loss(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(model(x), y)

    made = tg.receipt(loss, x, y)
    assert made.summary()[1:] == ["all agree"]
    assert [check.by for check in made.ends] == [
        "x", "0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    assert all(check.error < 1e-9 for check in made.ends)
    assert model[1].num_batches_tracked == 1
    assert all(p.grad is None and p.dtype == np.float32 for p in model.parameters())
    wholes = [row.equation.name for row, _ in made.equations if row.place.endswith("in parts:")]
    assert wholes == ["linear", "standardise", "relu", "linear", "cross_entropy"]


def test_what_no_second_number_can_be_had_for() -> None:
    """Kinks, complex steps that do not hold, the edge of a domain, own backward passes."""
    relu = tg.receipt(lambda x: neural.relu(x), np.zeros(3))
    assert verdicts(relu) == ["kink", "agrees", "kink"]  # ties of its part, maximum, have a half
    assert relu.agrees
    assert "2 kink" in relu.summary()
    some = tg.receipt(lambda x: neural.relu(x), np.array([0.0, 1.0, -2.0]))
    assert verdicts(some) == ["agrees"] * 3  # without the element at the kink
    for fn, has_step in ((np.sin, True), (np.abs, False), (np.linalg.norm, False)):
        made = tg.receipt(fn, np.array([[0.5, 1.5]]))
        assert [check.step is not None for check in made.checks] == [has_step] * 2
        assert verdicts(made) == ["agrees"] * 2
    assert (
        verdicts(tg.receipt(lambda z: np.sum(z * np.conj(z)), np.array([1 + 2j]))) == ["agrees"] * 5
    )  # multiply by both operands, conjugate, sum, and the whole
    edge = tg.receipt(np.log, np.array([1e-5, 1e5]))
    assert verdicts(edge) == ["agrees"] * 2
    w = tg.Tensor(np.array([1.0, 2.0]), requires_grad=True)

    def step(x: Any) -> Any:
        value = np.sum(w * x)
        value.backward()
        return value

    own = tg.receipt(step, np.ones(2))
    assert own.ends == []
    assert own.agrees
    assert tg.receipt(lambda n: n + 1, np.arange(3)).summary()[0] == (
        "1 equation, 0 rules, 0 gradients"
    )
    same = tg.receipt(lambda x: (x, x), np.ones(2))
    assert verdicts(same) == ["agrees"]


def test_the_legend_has_what_equations_and_rules_call() -> None:
    made = tg.receipt(lambda x: np.linalg.svd(x)[1] @ (x @ x), np.eye(3) + np.tri(3))
    assert made.legend.items() >= {
        "decomposed": "np.linalg.svd with vectors.", "matmul_left": "out = x y by x: g yᵀ."
    }.items()  # fmt: skip
    assert made.legend.keys() >= {"matmul_right"}
    assert not made.legend.keys() & {"matmul", "add"}  # NumPy's own


@tg.primitive
def cubed(x: Any) -> Any:
    return x**3


tg.defvjp(cubed, lambda g, _out, x: 2 * g * x**2)


def test_a_wrong_rule_is_shown_where_nothing_reads_the_value() -> None:
    """As of the outermost operation whose gradient ``fn`` takes."""
    for fn in (tg.grad(lambda x: cubed(np.sum(x))), lambda x: (cubed(x), np.sum(x))[1]):
        made = tg.receipt(fn, np.array([1.0, 2.0]))
        [wrong] = [
            row for row, checks in made.equations if any(c.verdict == "DIFFERS" for c in checks)
        ]
        assert wrong.equation.name == "cubed"
    unread = tg.receipt(lambda x: np.linalg.svd(x)[1], np.arange(6.0).reshape(2, 3) ** 2)
    assert unread.agrees


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_no_second_number_is_finite_nothing_differs() -> None:
    nan, zero = np.array([np.nan, 1.0]), np.array([0.0, 0.25])
    for fn, x in (
        (np.log, zero), (lambda x: 1 / x, zero), (np.exp, nan), (np.arcsin, zero * 4),
        (lambda x: np.where(x > 0, np.log(x), 0.0), zero), (np.sqrt, zero),
    ):  # fmt: skip
        made = tg.receipt(lambda x, fn=fn: np.sum(fn(x)), x)
        assert made.agrees
        assert "unknown" in verdicts(made)


def test_what_is_detached_is_a_constant() -> None:
    w = tg.Tensor([0.5, 2.0], requires_grad=True, name="w")
    for cut in (tg.stop_gradient, lambda t: t.detach()):
        made = tg.receipt(
            lambda x, cut=cut: np.sum(np.exp(x) * cut(x * w) / cut(w)), np.array([0.3, 0.6])
        )
        assert set(verdicts(made)) == {"agrees"}
        assert [check.by for check in made.ends] == ["x"]
    assert w.grad is None


def test_as_text_and_as_pages(tmp_path: Path) -> None:
    def bent(x: Any) -> Any:
        return np.sum(np.sin(x) / x)

    made = tg.receipt(bent, np.array([0.5, 1.0], np.float32))
    lines = str(made).splitlines()
    assert lines[0] == "Receipt of bent: 3 equations, 4 rules, 1 gradient, all agree"
    assert re.split(r"  +", lines[1].strip())[:4] == ["by", "rule", "autodiff", "difference"]
    assert lines[2].startswith("   1  v1: float64[2] = sin(x)")
    numbers = lines[3].split()
    assert numbers[:4] == ["x", "g", "·", "cos(x)"]
    assert float(numbers[4]) == pytest.approx(float(numbers[6]), abs=1e-8)
    assert numbers[-1] == "agrees"
    assert "end to end" in lines
    assert repr(made) == "Receipt of bent(3 equations, 4 rules, 1 gradient, all agree)"
    assert made.gradients["x"] == pytest.approx(tg.grad(bent)(np.array([0.5, 1.0])))
    assert "<td><code>g · cos(x)</code></td>" in made._repr_html_()
    for suffix, start in ((".html", "<!DOCTYPE html>"), (".md", "# Receipt"), (".txt", "Receipt")):
        path = made.save(tmp_path / f"r{suffix}")
        text = path.read_text(encoding="utf-8")
        assert text.startswith(start)
        assert "-g · v2 / x" in text
        assert "http:" not in text
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.findall("<h2[^>]*>(.*?)</h2>", text) == [
        "Gradients of the whole function", "Equations, and the rule of each operand", "Functions"
    ]  # fmt: skip
    assert text.count("sin(x)") == 1 and "<pre>" not in text  # nothing is there twice
    assert 'class="bad"' not in text
    with pytest.raises(tg.DataError, match=r"r.pdf: a receipt is written as .html, .md, .txt"):
        made.save(tmp_path / "r.pdf")
    with pytest.raises(tg.DataError, match=r"r.html: cannot be written .No such file"):
        made.save(tmp_path / "nowhere" / "r.html")
