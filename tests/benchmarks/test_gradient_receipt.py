"""The gradient receipt: every row of every network agrees, and a wrong rule is shown as such."""

import functools
import re
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
    rows = receipt.receipt(recipe, gradient_receipt.by_hand, images=8, elements=6)
    shapes = []
    for fan_in, fan_out in zip(recipe.sizes[:-1], recipe.sizes[1:], strict=True):
        shapes += [(fan_out, fan_in), (fan_out,)]
        if recipe.norm and fan_out != recipe.sizes[-1]:
            shapes += [(fan_out,), (fan_out,)]
    assert [row.shape for row in rows] == shapes
    for i, row in enumerate(rows):
        assert row.by_hand <= 1e-12
        assert row.by_step <= 1e-12  # the complex step has no truncation error
        if recipe.norm and i < len(rows) - 2 and i % 4 == 1:
            assert row.norm < 1e-12  # a bias in front of batch normalisation moves nothing
        else:
            assert row.norm > 1e-3
        assert row.agrees
    formulas = FORMULAS[recipe.by_hand]
    hidden = NORM_FORMULAS[0] if recipe.norm else formulas["hidden weight"]
    assert rows[0].formula == hidden
    assert [row.formula for row in rows[-2:]] == [
        formulas["output weight"],
        formulas["output bias"],
    ]


@pytest.mark.parametrize(
    ("by_hand", "by_step", "agrees"),
    [
        (0.0, 0.0, True),
        (1e-12, 1e-7, True),
        (2e-12, 0.0, False),
        (0.0, 2e-7, False),
        (np.nan, 0.0, False),
        (0.0, np.nan, False),
    ],
)
def test_verdict(by_hand: float, by_step: float, agrees: bool) -> None:
    assert receipt.Row("w", (1,), 1.0, "", by_hand, by_step).agrees is agrees


def test_what_it_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "receipt.md"
    assert gradient_receipt.main(["--recipe", "ref-0", "--out", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ref-0: 784-10-10 relu, float64"
    head = ["parameter", "shape", "norm", "by hand", "− by hand", "− cx. step", "verdict"]
    assert re.split(r"  +", lines[1]) == head
    assert [line.split()[0] for line in lines[2:6]] == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
    ]  # fmt: skip
    assert all(line.endswith("  agrees") for line in lines[2:6])
    assert "dW1 = dZ1ᵀ X, dZ1 = (dZ2 W2) ⊙ [Z1 > 0]" in lines[2]
    assert lines[6:] == [f"written to {target}"]
    assert max(map(len, lines[:6])) <= 130
    text = target.read_text()
    assert text.startswith("# Gradient receipt: ref-0, 784-10-10\n")
    rows = [line for line in text.splitlines() if line.startswith("| layers.")]
    assert len(rows) == 4
    assert all(row.count("|") == 8 and row.endswith("| agrees |") for row in rows)


def test_without_formulas_there_are_no_columns_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the package has it alone; convolutions have a receipt too."""
    small = functools.partial(CNN, (2, 3), 4)
    monkeypatch.setitem(RECIPES, "cnn", replace(RECIPES["cnn"], network=small))
    target = tmp_path / "r.md"
    assert receipt.main(["--recipe", "cnn", "--out", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("  ")[-1] == "verdict"
    assert "by hand" not in lines[1]
    names = [name for name, _ in RECIPES["cnn"].build(0).named_parameters()]
    assert [line.split()[0] for line in lines[2:-1]] == names
    assert all(line.endswith("  agrees") for line in lines[2:-1])
    rows = [line for line in target.read_text().splitlines() if line.startswith("| layers.")]
    assert all(row.count("|") == 6 and row.endswith("| agrees |") for row in rows)


def test_a_broken_rule_is_shown_and_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """relu 0.1 % off: what lies before it differs, the output layer does not."""
    target = tmp_path / "r.md"
    with broken(neural.relu, 0):
        assert gradient_receipt.main(["--recipe", "ref-0", "--out", str(target)]) == 1
    verdicts = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[2:6]]
    assert verdicts == ["DIFFERS", "DIFFERS", "agrees", "agrees"]
    assert target.read_text().count("| DIFFERS |") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "ref-9"], "there is no recipe 'ref-9'; known: "),
        (
            ["--recipe", "cnn"],
            "recipe cnn is not an MLP, and there are gradients by hand for",
        ),
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
    assert (tmp_path / "runs" / "receipt-ref-0.md").is_file()


def test_the_default_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, DEFAULT, replace(RECIPES[DEFAULT], sizes=(784, 8, 6, 10)))
    assert gradient_receipt.main([]) == 0
    assert (tmp_path / "runs" / f"receipt-{DEFAULT}.md").is_file()
