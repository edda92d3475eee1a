"""The doctor at the command line: what it prints and writes, and how it refuses."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import mnist_mlp
from tinygrad_np import data, draw, training
from tinygrad_np.run import doctor
from tinygrad_np.run.recipes import RECIPES
from tinygrad_np.run.run import weights_sha256

NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
PICTURES = {"activations", "gradients", "learning-rate", "updates", "one-batch"}


def write_idx(folder: Path, side: int = 28, flaw: Any = None) -> Path:
    """A bright bar whose place is the class, on noise; ``flaw`` changes the labels."""
    folder.mkdir()
    for names, n in ((NAMES[:2], 600), (NAMES[2:], 60)):
        rng = np.random.default_rng(n)
        labels = rng.integers(0, 10, n).astype(np.uint8)
        images = rng.integers(0, 60, (n, side, side)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 3] += 150
        data.save_idx(folder / names[0], images)
        data.save_idx(folder / names[1], labels if flaw is None else flaw(labels))
    return folder


def test_what_it_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are those that tests/draw/test_doctor.py looks at."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    monkeypatch.setattr(draw, "diagnosis", lambda *_, **__: {n: figure((1, 1)) for n in PICTURES})
    folder = write_idx(tmp_path / "bars")
    chosen = ["--recipe", "ref-2", "--dataset", str(folder), "--out", str(tmp_path / "o")]
    assert mnist_mlp.main(["--doctor", *chosen]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    written = tmp_path / "o" / "ref-2-bars-doctor"
    assert lines[0] == "ref-2 on bars"
    assert lines[1].startswith("Diagnosis: ")
    assert last == f"this text and pictures: {written}/"
    assert (written / "diagnosis.txt").read_text(encoding="utf-8").splitlines() == lines
    assert {path.stem for path in written.glob("*.png")} == PICTURES
    for path in written.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_findings_are_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels shuffled against the images are named, and the exit code is 0."""
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    folder = write_idx(tmp_path / "mixed", flaw=np.random.default_rng(7).permutation)
    arguments = ["--doctor", "--recipe", "ref-2", "--dataset", str(folder)]
    assert mnist_mlp.main([*arguments, "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr()
    assert "✗ labels unrelated to inputs: one batch can be learned by heart" in said.out
    assert "need matplotlib: pip install" in said.err
    assert [path.name for path in (tmp_path / "o" / "ref-2-mixed-doctor").iterdir()] == [
        "diagnosis.txt"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "r.json"], "--doctor trains nothing; leave out --json."),
        (["--by-hand", "--json", "r"], "--doctor trains nothing; leave out --by-hand and --json."),
        (["--dataset", "{missing}"], "missing"),
    ],
)
def test_refusals(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"missing": tmp_path / "missing"}
    given = [option.format(**places) for option in options]
    assert mnist_mlp.main(["--doctor", *given, "--out", str(tmp_path / "o")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "o").exists()


def test_it_looks_at_the_network_that_would_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The initial weights of ``run``, the recipe's optimiser, loss and batches."""
    seen: dict[str, Any] = {}

    def look(model: Any, x: Any, y: Any, optimiser: Any, **options: Any) -> str:
        seen.update(options, weights=weights_sha256(model.state_dict()), optimiser=optimiser)
        seen["own"] = [id(p) for p in optimiser.params] == [id(p) for p in model.parameters()]
        return f"{x.shape} {y.shape}"

    monkeypatch.setattr(training, "diagnose", look)
    recipe = RECIPES["ref-4"]
    x, y = np.zeros((9, 784), np.float32), np.zeros(9, int)
    parts = doctor.Parts((x, y), (x, y), (x, y))
    assert doctor.examined(recipe, parts, seed=3) == "(9, 784) (9,)"  # type: ignore[comparison-overlap]
    expected = recipe.build(np.random.default_rng(3).spawn(2)[0])
    assert seen["weights"] == weights_sha256(expected.state_dict())
    assert seen["own"]
    assert seen["loss"] == recipe.loss
    assert (seen["batch_size"], seen["seed"]) == (64, 3)
    full = RECIPES["ref-1"]
    doctor.examined(full, parts)
    assert seen["batch_size"] == 9
    assert seen["optimiser"].lr == 0.1
