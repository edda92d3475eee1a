"""The measurement of several processes, and the model that is fitted to it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import processes
from benchmarks.processes import Point
from tests.parallel.threads import World
from tinygrad_np import parallel

TRUE = np.array([1e-4, 1e-10, 3e-9, 2e-5, 1e-9])


def made_up() -> list[Point]:
    points = [
        Point(n, 4, width, batch, 800 * width, 3200 * width if n > 1 else 0, 0.0, 0.0)
        for n in (1, 2, 4) for width in (16, 64, 256) for batch in (16, 256, 2048)
    ]  # fmt: skip
    for point in points:
        point.seconds = float(np.dot(point.terms(), TRUE))
    return points


def test_a_fit_finds_the_constants_of_times_that_follow_the_model() -> None:
    np.testing.assert_allclose(processes.fitted(made_up()), TRUE, rtol=1e-6)
    faster = [point for point in made_up() if point.processes == 1]
    assert (processes.fitted(faster)[3:] == 0).all()  # of what was not measured


def test_measured_written_and_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one.json"
    options = ["--steps", "4", "--widths", "2,3", "--batches", "4,8"]
    assert processes.main(["--measure", str(one), *options]) == 0
    found = World(2).run(lambda comm: processes.measure(parallel.Group(comm), 3, 5, 4))
    point = found[0]
    assert point.processes == 2 and point.sent == 4 * (point.weights + 4 + 4)
    assert [p["batch"] for p in json.loads(one.read_text())] == [4, 8, 4, 8]
    assert processes.main([str(one)]) == 0
    assert "held out: 1 points" in capsys.readouterr().out
    for wrong in ([], ["--steps", "2", str(one)], [str(Path(__file__))]):
        assert processes.main(wrong) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
