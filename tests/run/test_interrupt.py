"""Ctrl-C while the report is drawn: what is done stays, and the run can be finished later."""

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.outside import interrupted
from tinygrad_np.run import progress, report, train
from tinygrad_np.run import run as runs
from tinygrad_np.run.progress import Drawing
from tinygrad_np.run.recipes import RECIPES
from tinygrad_np.training.scoring import score


def test_ctrl_c_on_a_process_that_draws_its_report(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (200, 28, 28)).astype(np.uint8), np.arange(200) % 10
    np.savez(tmp_path / "d.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    command = [
        sys.executable, "-m", "tinygrad_np", "train", "--data", str(tmp_path / "d.npz"),
        "--epochs", "1", "--out", str(tmp_path / "out"), "--json", str(tmp_path / "r.json"),
    ]  # fmt: skip
    code, rest, errors = interrupted(command, "  drawing the report")
    assert code == 130, errors
    told = "of 10 parts of the report drawn; --resume continues from there."
    assert errors.splitlines()[-1].startswith("interrupted with ")
    assert errors.splitlines()[-1].endswith(told)
    assert "Traceback" not in errors
    assert " 1 " in rest.splitlines()[2]  # the table: one epoch
    [folder] = (tmp_path / "out").iterdir()
    assert "weights.npz" in {path.name for path in folder.iterdir()}
    assert "layers.0.weight" in tg.load(folder / "weights.npz")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert report.LEFT_OUT in page
    assert page.endswith("</html>\n")
    assert (tmp_path / "r.json").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert (folder / "checkpoint.npz").exists()


def test_ctrl_c_while_accuracies_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return score(*given)

    monkeypatch.setattr(runs, "score", interrupted)
    x, y = np.zeros((300, 28, 28), np.uint8), np.arange(300) % 10
    recipe = replace(RECIPES["ref-4"], sizes=(784, 10), epochs=1)
    result = runs.run(recipe, "zeros", ((x, y), (x, y)))
    assert result.history.stopped == "interrupted"
    assert result.test_accuracy == 0.1
    for finished in (True, False):  # the last epoch, or broken off
        result.history[-1].finished = finished
        assert f" {finished:d}/1 interrupted " in train.table([[result]])
        assert ("epochs", f"{finished:d} of 1, interrupted") in report.headline(result)


def test_parts_after_ctrl_c_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def stop() -> str:
        raise KeyboardInterrupt

    with Drawing(quiet=False) as drawing:
        drawing.begin(4)
        assert capsys.readouterr().out == "  drawing the report\n"
        given = [drawing.part("a", lambda: 1), drawing.part("b", stop), drawing.part("c", int)]
    assert given == [1, None, None]
    assert (drawing.done, drawing.asked) == (1, True)


def test_ctrl_c_between_parts_is_noted_and_a_second_one_raises() -> None:
    with Drawing() as drawing:
        signal.raise_signal(signal.SIGINT)  # as while weights or the page are written
        assert drawing.part("a", int) is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with Drawing() as drawing:
        assert drawing.part("a", lambda: signal.raise_signal(signal.SIGINT)) is None
        assert (drawing.done, drawing.asked) == (0, True)


def test_a_terminal_shows_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    with Drawing(quiet=False) as drawing:
        drawing.begin(2)
        assert drawing.part("curves", lambda: "drawn") == "drawn"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "drawing the report: " in printed.err
    assert "curves" in printed.err
    assert "1/2" in printed.err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    Drawing(quiet=False).begin(2)
    assert capsys.readouterr().out == "  drawing the report\n"
    Drawing().begin(2)
    assert capsys.readouterr() == ("", "")
