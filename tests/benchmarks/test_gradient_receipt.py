"""The gradient receipt: every row of every network agrees, and a wrong rule is shown as such."""

import functools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gradient_receipt
from models.by_hand import FORMULAS
from models.by_hand_regularised import NORM_FORMULAS
from tests.autodiff.broken import broken
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.run import receipt
from tinygrad_np.run.networks import CNN
from tinygrad_np.run.recipes import DEFAULT, RECIPES, Recipe

ROOT = Path(__file__).resolve().parents[2]
MLPS = [recipe for recipe in RECIPES.values() if recipe.network is None]


@pytest.mark.parametrize("recipe", MLPS, ids=lambda recipe: recipe.name)
def test_every_row_agrees(recipe: Recipe) -> None:
    """Of each recipe's network, with layers of at most 60."""
    first, *hidden, last = recipe.sizes
    recipe = replace(recipe, sizes=(first, *(min(size, 60) for size in hidden), last))
    model, x, y = receipt.example(recipe, images=8)
    made = receipt.receipt(model, x, y)
    assert made.agrees
    assert [check.by for check in made.ends] == [name for name, _ in model.named_parameters()]
    for i, check in enumerate(made.ends):
        assert check.step is not None
        assert check.error <= 1e-9  # the complex step has no truncation error
        norm = np.linalg.norm(made.gradients[check.by])
        if recipe.norm and i < len(made.ends) - 2 and i % 4 == 1:
            assert norm < 1e-12  # a bias in front of batch normalisation moves nothing
        else:
            assert norm > 1e-3
    rows = gradient_receipt.compared(recipe, made, model, x, y)
    assert max(apart for _, _, apart in rows) <= 1e-12
    formulas = FORMULAS[recipe.by_hand]
    assert rows[0][1] == (NORM_FORMULAS[0] if recipe.norm else formulas["hidden weight"])
    assert [text for _, text, _ in rows[-2:]] == [
        formulas["output weight"],
        formulas["output bias"],
    ]


def test_what_it_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "receipt.md"
    assert gradient_receipt.main(["--recipe", "ref-0", "--out", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Receipt of loss: 18 equations, 30 rules, 4 gradients, all agree"
    told = lines.index(f"18 equations, 30 rules, 4 gradients, all agree; written to {target}")
    assert lines[told + 1] == "by hand:"
    by_hand = lines[told + 2 :]
    assert [line.split()[0] for line in by_hand] == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
    ]  # fmt: skip
    assert all(line.endswith("  agrees") for line in by_hand)
    assert "dW1 = dZ1ᵀ X, dZ1 = (dZ2 W2) ⊙ [Z1 > 0]" in by_hand[0]
    text = target.read_text()
    assert text.startswith("# Receipt of loss\n")
    assert lines[0] in text


def test_convolutions_have_a_receipt_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the package has it alone."""
    small = functools.partial(CNN, (2, 3), 4)
    monkeypatch.setitem(RECIPES, "cnn", replace(RECIPES["cnn"], network=small))
    target = tmp_path / "r.html"
    assert receipt.main(["--recipe", "cnn", "--out", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("end to end")
    names = [name for name, _ in RECIPES["cnn"].build(0).named_parameters()]
    assert [line.split()[0] for line in lines[start + 1 : start + 1 + len(names)]] == names
    page = target.read_text()
    # its own line, at the rule of the whole operation, and at that of a part
    assert page.count("<th><code>layers.0.weight</code></th>") == 3


def test_a_broken_rule_is_shown_and_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """relu 0.1 % off: what lies before it differs by hand, the output layer does not."""
    target = tmp_path / "r.md"
    with broken(neural.relu, 0):
        assert gradient_receipt.main(["--recipe", "ref-0", "--out", str(target)]) == 1
    printed = capsys.readouterr().out
    assert "equation 5 by v7 DIFFERS" in printed
    assert "the gradient by layers.0.weight DIFFERS, the gradient by layers.0.bias" in printed
    assert "the gradient by layers.2" not in printed
    assert target.read_text().count("  DIFFERS\n") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "ref-9"], "there is no recipe 'ref-9'; known: "),
        (
            ["--recipe", "cnn"],
            "recipe cnn is not an MLP, and there are gradients by hand for",
        ),
        (["--out", "r.pdf"], "--out r.pdf: name a file that ends in .html, .md, .txt"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gradient_receipt.main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith(f"gradient_receipt.py: {message}")


@pytest.mark.slow
def test_the_program_itself(tmp_path: Path) -> None:
    """From another folder, by the path of its file."""
    program = [sys.executable, str(ROOT / "benchmarks" / "gradient_receipt.py")]
    program += ["--recipe", "ref-0"]
    done: Any = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "runs" / "receipt-ref-0.html").is_file()


def test_the_default_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, DEFAULT, replace(RECIPES[DEFAULT], sizes=(784, 8, 6, 10)))
    assert gradient_receipt.main([]) == 0
    assert (tmp_path / "runs" / f"receipt-{DEFAULT}.html").is_file()
