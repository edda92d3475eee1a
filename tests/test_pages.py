"""The pages for a first hour: their programs run, and print what their comments say.

Where two computers may differ, in the last digits of a measure or in what is written after
``for example:``, the measure itself is held to a bound.
"""

import ast
import contextlib
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_np.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
RECIPE = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", re.DOTALL | re.MULTILINE)
RECIPES = {
    title: code
    for page in ("cookbook_networks.md", "cookbook_parts.md")
    for title, code in RECIPE.findall((DOCS / page).read_text("utf-8"))
}

Names = dict[str, Any]
Bounds = tuple[Callable[[Names], Any], float, float]


def share(guesses: Any, right: Any) -> float:
    return float(np.mean(guesses == right))


# recipe, its measure, and between what that lies
MEASURES: dict[str, list[Bounds]] = {
    "Regression": [(lambda n: n["r2"], 0.93, 1)],
    "Moons with a decision boundary": [(lambda n: n["accuracy"], 0.97, 1)],
    "Residual network": [
        (lambda n: n["accuracies"][True], 0.95, 1),
        (lambda n: n["accuracies"][False], 0, 0.7),
    ],
    "Autoencoder": [(lambda n: n["error"] / n["linear"], 0, 0.95)],
    "Variational autoencoder": [(lambda n: n["held_out"], 100, 185)],
    "Generative adversarial network in two dimensions": [
        (lambda n: n["share"], 0.85, 1),
        (lambda n: n["sectors"], 12, 12),
    ],
    "Characters with an LSTM": [(lambda n: share(n["guesses"], n["held_out"][:, 1:]), 0.78, 1)],
    "A transformer block": [(lambda n: share(n["guesses"], n["test"][:, ::-1]), 0.97, 1)],
    "Word embeddings": [(lambda n: share(n["kind"], n["kind"][n["nearest"]]), 0.95, 1)],
    "Learning to learn (MAML)": [(lambda n: n["after"] / n["before"], 0, 0.3)],
    "Physics-informed fit": [(lambda n: n["distance"], 0, 0.005)],
    "Gauss–Newton with `jacobian`": [
        (lambda n: np.abs(n["slope"]).max(), 0, 1e-6),
        (lambda n: (np.abs(n["p"] - [3, 1, 2]) / n["errors"]).max(), 0, 2),
    ],
    "Logistic regression with SciPy": [
        (lambda n: n["accuracy"], 0.96, 1),
        (lambda n: np.abs(n["found"].jac).max(), 0, 1e-4),
    ],
    "Operation of your own": [(lambda n: np.abs(n["p"] - [1.5, 0.6]).max(), 0, 0.02)],
    "Optimiser of your own": [(lambda n: n["own"], 0.92, 1), (lambda n: n["sgd"], 0.5, 0.87)],
    "Callback of your own": [(lambda n: n["last_loss"] - n["mean_loss"], 0.01, 1)],
    "Weights from PyTorch": [
        (lambda n: n["accuracies"]["transferred"], 0.85, 1),
        (lambda n: n["accuracies"]["from scratch"], 0.7, 0.85),
    ],
}
SECONDS = {  # of CPU time, more than one
    "Autoencoder", "Characters with an LSTM", "Learning to learn (MAML)", "Physics-informed fit",
    "Residual network", "Variational autoencoder",
    "Generative adversarial network in two dimensions", "A transformer block",
}  # fmt: skip
NEEDS = {"Physics-informed fit": "scipy.integrate", "Logistic regression with SciPy": "scipy"}


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """The names that a program binds; what it prints is what its comments say."""
    file = folder / "program.py"
    file.write_text(code, encoding="utf-8")
    monkeypatch.chdir(folder)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        names = runpy.run_path(str(file))
    expected = re.findall(r"^(?:print\(.*\)  )?# (.*)$", code, re.MULTILINE)
    printed = said.getvalue().splitlines()
    assert len(printed) == len(expected) > 0
    for line, comment in zip(printed, expected, strict=True):
        if comment.startswith("for example: "):
            continue
        assert NUMBER.sub("#", line) == NUMBER.sub("#", comment)
        ours, theirs = ([float(n) for n in NUMBER.findall(text)] for text in (line, comment))
        np.testing.assert_allclose(ours, theirs, rtol=0.1, atol=0.05, err_msg=line)
    return names


@pytest.mark.parametrize(
    "title",
    [
        pytest.param(t, marks=[pytest.mark.slow, pytest.mark.long] if t in SECONDS else [], id=t)
        for t in RECIPES
    ],
)
def test_a_recipe_reaches_its_measure(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if title in NEEDS:
        pytest.importorskip(NEEDS[title])
    names = run(RECIPES[title], tmp_path, monkeypatch)
    for measure, least, most in MEASURES[title]:
        assert least <= measure(names) <= most


def test_every_recipe_has_a_measure_a_picture_and_at_most_forty_lines() -> None:
    assert set(RECIPES) == set(MEASURES)
    assert len(RECIPES) == 17
    for title, code in RECIPES.items():
        assert len([line for line in code.splitlines() if line.strip()]) <= 40, title
    for page in ("cookbook.md", "cookbook_networks.md", "cookbook_parts.md", "start.md"):
        text = (DOCS / page).read_text("utf-8")
        pictures = re.findall(r"\((pictures/\w+\.\w+)\)", text)
        assert len(pictures) == (5 if page == "start.md" else len(RECIPE.findall(text)))
        for picture in pictures:
            assert (DOCS / picture).stat().st_size < 100_000, picture


def table_rows(page: str) -> list[tuple[str, str]]:
    """The two columns of a page's tables."""
    cells = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", (DOCS / page).read_text("utf-8"), re.M)
    assert len(cells) > 30
    return cells


def results_of(setup: str, lines: list[str], folder: Path) -> list[Any]:
    """What each line gives at once, run one after the other behind the setup."""
    program = [setup, "results = []"]
    for line in lines:
        value = isinstance(ast.parse(line).body[0], ast.Expr)
        program.append(
            f"results.append(kept({line}))" if value else f"{line}\nresults.append(None)"
        )
    file = folder / "lines.py"
    file.write_text("\n".join(program), encoding="utf-8")
    found: list[Any] = runpy.run_path(str(file), {"kept": plain})["results"]
    return found


def plain(value: Any) -> Any:
    """Numbers, shapes and lists of names as they can be compared; None of other objects."""
    value = value.detach() if hasattr(value, "detach") else value
    value = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(value, np.ndarray | float | int | np.number):
        return np.array(value, dtype=float)
    return list(value) if isinstance(value, tuple | list) else None


def test_the_right_column_from_pytorch_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [here] = re.findall(r"```python\n(.*?)```", (DOCS / "from_pytorch.md").read_text("utf-8"), re.S)
    found = results_of(here, [right for _, right in table_rows("from_pytorch.md")], tmp_path)
    assert sum(part is not None for part in found) > 45


def test_the_right_column_from_keras_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "from_keras.md").read_text("utf-8")
    [here] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    rights = [right for _, right in table_rows("from_keras.md")]
    with contextlib.redirect_stdout(io.StringIO()):
        found = results_of(here, rights, tmp_path)
    assert found[rights.index("tg.training.predict(model, x)")].shape == (60, 2)
    shapes = {right: part.shape for right, part in zip(rights, found, strict=True)
              if right.startswith("nn.LSTM")}  # fmt: skip
    assert list(shapes.values()) == [(2, 5, 16), (2, 16)]


KERAS = """
import json
import keras
from keras import callbacks, layers

def compiled():
    made = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(optimizer="adam", loss=loss)
    return made

model = compiled()
history = model.fit(x, y, verbose=0)
for line in LINES:
    exec(line)
    if "compile" in line:
        (model := compiled()).fit(x, y, verbose=0)
print(json.dumps([keras.ops.convert_to_numpy(out).ravel().tolist() for out in VALUES()]))
"""
TWINS = (  # rows of the page whose two sides give the same numbers
    "MaxPooling2D", "AveragePooling2D", "LayerNormalization", "Activation", "LeakyReLU", "Lambda",
    "CosineDecay", "GlobalAveragePooling2D", "ZeroPadding2D", "UpSampling2D",
)  # fmt: skip
LEFT_OUT = ("load_data", "plot_model")  # the one fetches, the other needs pydot


@pytest.mark.slow
def test_the_left_column_from_keras_runs_and_gives_the_same_numbers(tmp_path: Path) -> None:
    backend = next((n for n in ("torch", "jax", "tensorflow") if find_spec(n)), None)
    if find_spec("keras") is None or backend is None:
        pytest.skip("needs Keras, and PyTorch, JAX or TensorFlow behind it")
    text = (DOCS / "from_keras.md").read_text("utf-8")
    [setup] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    rows = dict(table_rows("from_keras.md"))
    lines = [left for left in rows if not any(word in left for word in LEFT_OUT)]
    twins = [left for left in rows if any(f".{word}(" in left for word in TWINS)]
    assert len(twins) == len(TWINS)
    pictures = {True: "sequences[:, None]", False: "sequences[..., None]"}  # of one channel

    def called(left: str, here: bool) -> str:
        given = pictures[here] if "2D" in left else "300" if "schedules" in left else "x"
        return f"({rows[left] if here else left})({given})"

    values = ", ".join(called(left, False) for left in twins)
    program = f"{setup}\nLINES = {lines}\nVALUES = lambda: [{values}]\n{KERAS}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
                           "KERAS_BACKEND": backend, "KERAS_HOME": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = results_of(setup, [called(left, True) for left in twins], tmp_path)
    for left, one, other in zip(twins, ours, theirs, strict=True):
        np.testing.assert_allclose(np.ravel(one), other, atol=2e-6, err_msg=left)


@pytest.mark.parametrize("page", ["own_model.md", "how_it_works.md"])
def test_the_programs_of_a_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    names = run("\n".join(blocks), tmp_path, monkeypatch)
    if page == "own_model.md":
        assert names["accuracy"] > 0.9
    else:
        toy = "\n".join(blocks[:3]).partition("slopes = ")[0]
        kept = [line for line in toy.splitlines() if line.strip() and not line.startswith("print")]
        assert len(kept) <= 32


@pytest.mark.slow
@pytest.mark.long
def test_the_commands_of_the_first_page_give_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("PIL", "matplotlib"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "start.md").read_text("utf-8")
    epochs, guesses = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "docs").symlink_to(DOCS)
    for command in re.findall(r"^python -m tinygrad_np (.*)$", page, re.MULTILINE):
        assert main(shlex.split(command)) == 0
    said = capsys.readouterr().out.splitlines()
    for line in epochs.splitlines()[1:-1]:
        [ours] = [s for s in said if s.startswith(line[:11])]
        numbers = [[float(n) for n in NUMBER.findall(s)][:4] for s in (ours, line)]
        np.testing.assert_allclose(numbers[0], numbers[1], atol=0.5)
    first = [line.split()[:3] for line in guesses.splitlines()[1:]]
    assert [s.split()[:3] for s in said if s.startswith("docs/pictures/start_digits.png,")] == first
    assert Path("runs/default-mnist-seed0/report.html").exists()
    assert Path("runs/seen/start_digits.png").exists()
