"""The main job with convolutional networks: that it is the main job with other defaults."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mnist_cnn
from tests.benchmarks.test_mnist_mlp import KEYS, write_idx
from tinygrad_np import data
from tinygrad_np.run import train
from tinygrad_np.run.recipes import CONVOLUTIONAL, RECIPES


def test_the_quick_recipe_is_trained_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats: list[str] = []

    def written(*given: Any, **_: Any) -> Path:
        repeats.append(given[2])
        return tmp_path

    monkeypatch.setattr(train, "write_run", written)
    small = replace(RECIPES["quick"], batch_size=20)
    monkeypatch.setattr(train, "RECIPES", {**RECIPES, "quick": small})
    place = write_idx(tmp_path / "bars", train=120, test=30)
    words = ["--dataset", place, "--epochs", 3, "--quiet", "--json", tmp_path / "r.json"]
    assert mnist_cnn.main([*map(str, words), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("quick   bars  conv 8-16-32-10 ")
    [result] = json.loads((tmp_path / "r.json").read_text())
    assert list(result) == KEYS
    assert (result["recipe"], result["epochs"], result["parameters"]) == ("quick", 3, 9410)
    assert result["test_accuracy"] > 0.3  # by chance 0.1
    assert len(repeats) == 1
    assert repeats[0].startswith("python benchmarks/mnist_cnn.py --recipe quick --data ")


def test_all_are_the_convolutional_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = data.load_dataset(str(write_idx(tmp_path / "bars", train=60, test=12)))
    monkeypatch.setattr(data, "mnist", lambda: dataset)
    monkeypatch.setattr(data, "load", lambda *_, **__: dataset)
    options = {"together": CONVOLUTIONAL, "default": "quick"}
    wanted = train.jobs(train.parse(["--recipe", "all"], **options), print)
    expected = [(name, RECIPES[name].dataset) for name in CONVOLUTIONAL]
    assert [(recipe.name, name) for recipe, name, _ in wanted] == expected
    assert mnist_cnn.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "--recipe all       one after the other, from cnn to fashion-best-distorted" in shown
    assert "--epochs EPOCHS       default: the recipe's; of quick 2" in shown
