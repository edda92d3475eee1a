"""Gradients by depth: what the table says, and how it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import dynamics
from benchmarks.dynamics import NETWORKS, Course

COURSES = [Course(name, [8.0, 4.0, 2.0, 1.0], [1.0, 0.0, 1.0, 1.0], 2.3, 0.5) for name in NETWORKS]


def test_the_table() -> None:
    head, line, *rows = dynamics.table(COURSES, 7).splitlines()
    names = "network", "layer 1", "layer 2", "layer 3", "layer 4", "first / last", "loss", "after 7"
    assert [name.strip() for name in head.split("  ") if name.strip()] == list(names)
    assert set(line) == {"-"}
    assert [row.split("  ")[0] for row in rows] == list(NETWORKS)
    assert rows[0].split()[-7:] == [
        "8.0e+00", "4.0e+00", "2.0e+00", "1.0e+00", "8.0e+00", "2.3", "0.5"
    ]  # fmt: skip


def test_the_picture() -> None:
    pytest.importorskip("matplotlib")
    left, right = dynamics.picture(COURSES, 7).axes
    assert [line.get_label() for line in left.lines] == list(NETWORKS)
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [8, 4, 2, 1])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [1, np.nan, 1, 1])
    assert (left.get_title(), right.get_title()) == ("before training", "after 7 steps of Adam")


def test_deep_networks() -> None:
    """Sigmoids lose a gradient, weights twice too large blow it up, He's keep it."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 256)
    x = (rng.standard_normal((256, 20)) * 0.3 + np.eye(20)[y]).astype(np.float32)

    def ratio(name: str) -> float:
        course = dynamics.watched(name, x, y, depth=10, width=32, steps=2)
        assert len(course.before) == len(course.after) == 10
        assert course.first_loss != course.last_loss
        return course.before[0] / course.before[-1]

    assert ratio("sigmoid, Xavier") < 1e-4
    assert ratio("ReLU, He × 2") > 50
    assert 0.1 < ratio("ReLU, He") < 10
    assert 0.1 < ratio("ReLU, He, LayerNorm") < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--depth", "1"], "--depth 1: at least 2"), (["--steps", "0"], "--steps 0: at least 1")],
)
def test_refusals(options: Any, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dynamics.main(options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    flat = [1.0] * 4
    monkeypatch.setattr(dynamics, "watched", lambda name, *_: Course(name, flat, flat, 2, 1))
    assert dynamics.main(["--steps", "3", "--plot", str(tmp_path / "d.png")]) == 0
    assert "after 3" in capsys.readouterr().out
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
