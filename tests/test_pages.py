"""The pages for a first hour: their programs run, and print what their comments say.

Where two computers may differ, in the last digits of a measure or in what is written after
``for example:``, the measure itself is held to a bound.
"""

import contextlib
import io
import re
import runpy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    expected = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
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
    [pytest.param(t, marks=[pytest.mark.slow] if t in SECONDS else [], id=t) for t in RECIPES],
)
def test_a_recipe_reaches_its_measure(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if title in NEEDS:
        pytest.importorskip(NEEDS[title])
    names = run(RECIPES[title], tmp_path, monkeypatch)
    for measure, least, most in MEASURES[title]:
        assert least <= measure(names) <= most
    if title == "Weights from PyTorch":
        same_as_pytorch(names)


def same_as_pytorch(names: Names) -> None:
    """The file, read by PyTorch into a network with those names, gives the same outputs."""
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    layers = [torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU()]
    parts = dict(zip(("fc1", "relu1", "fc2", "relu2"), layers, strict=True))
    net = torch.nn.Sequential(OrderedDict(parts | {"head": torch.nn.Linear(32, 10)}))
    net.load_state_dict(files.load_file("net.safetensors"))
    x = names["x_test"][:50]
    with torch.no_grad():
        theirs = net(torch.from_numpy(x)).numpy()
    ours = names["tg"].training.predict(names["other"], x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_every_recipe_has_a_measure_a_picture_and_at_most_forty_lines() -> None:
    assert set(RECIPES) == set(MEASURES)
    assert len(RECIPES) == 17
    for title, code in RECIPES.items():
        assert len([line for line in code.splitlines() if line.strip()]) <= 40, title
    for page in ("cookbook_networks.md", "cookbook_parts.md"):
        text = (DOCS / page).read_text("utf-8")
        pictures = re.findall(r"\((pictures/cookbook_\w+\.png)\)", text)
        assert len(pictures) == len(RECIPE.findall(text))
        for picture in pictures:
            assert (DOCS / picture).stat().st_size < 100_000, picture
