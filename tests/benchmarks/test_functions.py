"""Derivatives beside other libraries: they agree before they are measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import functions


@pytest.fixture(autouse=True)
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (functions.REPLAYED, "eager")
    monkeypatch.setattr(functions, "CONTENDERS", {n: functions.CONTENDERS[n] for n in names})


def test_every_function_has_its_derivatives_replayed() -> None:
    for problem in functions.problems(quick=True):
        scalar, _ = problem.make(functions._namespace(np, np.linalg, np.array))
        tg.gradcheck(scalar, problem.start, order=2)
        figures = functions.measured(problem, "gradient", 0.0, 1, {})
        assert [len(figure.turns) for figure in figures] == [1, 1]


@pytest.mark.slow
def test_the_table_and_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: Any) -> functions.Call:
        raise ImportError

    monkeypatch.setitem(functions.CONTENDERS, "absent", absent)
    path = tmp_path / "figures.json"
    assert functions.main(["--quick", "--only", "rosenbrock 2", "--json", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "|  | replayed, µs | eager ÷ replayed | absent ÷ replayed |"
    assert [line.split(" |")[0] for line in lines[2:7]] == [
        f"| Rosenbrock 2: {task}" for task in functions.TASKS
    ]
    assert lines[2].endswith(" not installed |")
    figures = json.loads(path.read_text())["figures"]
    assert len(figures) == 2 * 5 * 3
    assert figures[0].keys() > {"problem", "task", "contender", "turns", "median_us"}


def test_who_disagrees_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(functions.CONTENDERS, "eager", lambda *_: lambda x: x * 0)
    figures = functions.measured(functions.rosenbrock(2), "gradient", 0.0, 1, {})
    assert [figure.remark for figure in figures] == ["", "another result"]
    assert functions.table(figures).split("|")[-2] == " another result "


def test_who_is_slow_to_begin_is_left_out_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "LIMIT", -1.0)
    left_out: dict[str, str] = {}
    for turns in (1, 0):
        figures = functions.measured(functions.rosenbrock(2), "value", 0.0, 1, left_out)
        assert [len(figure.turns) for figure in figures] == [turns, turns]
    assert figures[1].remark == "left out (value: 0 s to begin)"
