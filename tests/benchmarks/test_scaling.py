"""How steps grow: every request is answered, and tables and plot show what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.contenders.growth import Grower
from benchmarks.contenders.processes import RefusedError
from benchmarks.contenders.roster import EAGER, REPLAY
from benchmarks.scaling import Point


@pytest.mark.parametrize(
    ("axis", "size", "contender"),
    [("depth", 10, EAGER), ("depth", 10, REPLAY), ("batch", 3, REPLAY), ("width", 5, REPLAY)],
)
def test_a_step_of_any_size_is_made_and_traced(axis: str, size: int, contender: str) -> None:
    grower = Grower()
    answer = grower.answer(
        {"do": "prepare", "contender": contender, "axis": axis, "size": size},
    )
    assert answer["before"] > 1 << 20
    assert answer["seconds"] > 0
    traced = grower.answer({"do": "traced", "count": 20})
    assert traced["peak"] > 0
    if contender == REPLAY:
        assert traced["objects"] <= 5  # not one a step
        assert traced["peak"] < 1 << 19


def test_replayed_steps_allocate_nothing_that_grows_with_depth() -> None:
    peaks = []
    for depth in (20, 150):
        grower = Grower()
        grower.prepare(REPLAY, "depth", depth)
        peaks.append(grower.traced(10)["peak"])
    assert peaks[1] < peaks[0] + 2048


def test_who_is_missing_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Absent:
        """A process without the library."""

        def __init__(self, *_: object) -> None:
            """Needs nothing."""

        def __enter__(self) -> "Absent":
            return self

        def __exit__(self, *_: object) -> None:
            """Has nothing to end."""

        def ask(self, *_: object, **__: object) -> None:
            raise RefusedError("missing", "torch")

    monkeypatch.setattr(scaling, "Process", Absent)
    monkeypatch.setattr(scaling, "CONTENDERS", ("torch",))
    points = scaling.run({"depth": (10, 20)}, 1, 0.0)
    assert [point.remark for point in points] == ["missing: torch"]
    assert capsys.readouterr().err.splitlines() == [
        "depth 10 ...",
        "  PyTorch eager: missing: torch",
        "depth 20 ...",
    ]


def made_up() -> list[Point]:
    return [
        Point("batch", 4, EAGER, seconds=[3e-6, 1e-6, 2e-6], grown=3 << 20, peak=2048),
        Point("batch", 4, REPLAY, seconds=[1e-6], first=0.25, peak=512, objects=-1),
        Point("batch", 4, "torch", remark="failed: oh"),
        Point("batch", 1_024, EAGER, seconds=[2e-4], grown=300 << 20),
    ]


def test_tables() -> None:
    lines = scaling.tables(made_up()).splitlines()
    assert lines[:6] == [
        "## batch: µs a step",
        "",
        "| batch | tinygrad_np eager | tinygrad_np replayed | PyTorch eager | captured, s |",
        "|---|---:|---:|---:|---:|",
        "| 4 | 2.0 | 1.0 | — | 0.250 |",
        "| 1,024 | 200 | — | — | — |",
    ]
    assert "| 4 | 3.0 | 0.0 | — | 2.0 | 0.5 | -1 |" in lines
    assert "| 1,024 | 300 | — | — | 0.0 | — | — |" in lines


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "r.png"
    scaling.draw([*made_up(), Point("depth", 10, "torch", seconds=[1.0])], target)
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_what_it_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "QUICK", {"depth": (10,)})
    monkeypatch.setattr(scaling, "CONTENDERS", (EAGER, REPLAY))
    target = tmp_path / "r.json"
    assert scaling.main(["--quick", "--json", str(target)]) == 0
    assert "## depth: µs a step" in capsys.readouterr().out
    written = json.loads(target.read_text())
    assert [(p["axis"], p["contender"]) for p in written["points"]] == [
        ("depth", EAGER), ("depth", REPLAY),
    ]  # fmt: skip
    for point in written["points"]:
        assert len(point["seconds"]) == written["rounds"]
        assert point["median"] == pytest.approx(np.median(point["seconds"]))
        assert point["remark"] == ""
    assert written["points"][1]["traced"] == scaling.STEPS
