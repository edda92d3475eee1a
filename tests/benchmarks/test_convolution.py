"""Convolutional networks by hand, replayed and eager: they agree before they are measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import convolution
from benchmarks.contenders import images


@pytest.mark.parametrize("optimiser", images.RATES)
@pytest.mark.parametrize("network", images.NETWORKS)
def test_the_losses_are_the_same(network: str, optimiser: str) -> None:
    task = images.images(network, optimiser, batch=4)
    found = {}
    for name in ("by hand", "replayed", "eager"):
        step = images.CONTENDERS[name](task)
        found[name] = [step() for _ in range(4)]
    assert found["by hand"] == pytest.approx(found["eager"], rel=1e-5)
    assert found["replayed"] == found["eager"]
    assert found["eager"][0] != found["eager"][-1]
    assert images.CONTENDERS["products alone"](task)() == 0


@pytest.mark.slow
def test_the_table_and_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    arguments = ["--rounds", "1", "--turn", "0.01", "--networks", "LeNet-5"]
    arguments += ["--optimisers", "sgd", "--contenders", "eager", "--json", str(path)]
    assert convolution.main(arguments) == 0
    assert "| by hand |" in capsys.readouterr().out
    figures: Any = json.loads(path.read_text(encoding="utf-8"))
    assert [r["contender"] for r in figures["results"]] == ["by hand", "eager"]
    assert all(r["peak"] > 1e7 for r in figures["results"])
