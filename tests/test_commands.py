"""``python -m tinygrad_np``: its commands, and what the front door says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tinygrad_np as tg
from tinygrad_np import __main__ as door
from tinygrad_np.run import train

ROOT = Path(__file__).resolve().parent.parent


def test_without_arguments_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main([]) == 0
    listed = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(door.COMMANDS) == ["train", "predict", "draw", "check", "playground"]


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{tg.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", tg.__version__)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["guess"], "tinygrad_np: command: invalid choice: 'guess'"),
        (["--recipe", "all"], "tinygrad_np: "),
        (["train", "--recipe", "ref-9"], "train: there is no recipe 'ref-9'; known: default, "),
        (["train", "--by-hand"], "train: unrecognized arguments: --by-hand; --help shows"),
        (["train", "--dataset", "nowhere"], "train: found no data set, folder or file called"),
        (
            ["train", "--resume", "--doctor"],
            "train: --resume needs checkpoints; leave out",
        ),
        (["draw", "nope", "--out", "a.svg"], "draw: 'nope' is not a recipe (default, ref-0, "),
        (["check", "--recipe", "ref-9"], "check: there is no recipe 'ref-9'; known: default, "),
        (
            ["check", "--out", "/proc/nowhere/r.md"],
            "check: --out: there is no folder /proc/nowhere for r.md, make it or name another",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith(message)


def test_train_starts_anew_with_one_thread_for_products(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(sys, "argv", ["tinygrad_np", "train", "--seed", "-1"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "tinygrad_np", "train", "--seed", "-1"])
    monkeypatch.setattr(os, "execv", lambda *given: started.append(given))
    assert door.program() == 2  # where nothing was replaced, it goes on
    again = [sys.executable, "-m", "tinygrad_np", "train", "--seed", "-1"]
    assert started == [(sys.executable, again)]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert door.program() == 2  # the number is set
    assert len(started) == 1


def test_the_repeated_command_is_that_of_the_package() -> None:
    given = train.parse(["--eager", "--recipe", "ref-4"])
    words = train.command(given, train.RECIPES["ref-4"], "mnist", 3)
    expected = "--recipe ref-4 --data mnist --epochs 20 --seed 3 --eager"
    assert words == f"python -m tinygrad_np train {expected}"


def test_as_a_program(tmp_path: Path) -> None:
    """With the thread that ``train`` starts anew for; a bad number of epochs is the quickest."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    command = [sys.executable, "-m", "tinygrad_np", "train", "--epochs", "0"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "train: --epochs 0: at least 1 is needed.\n"


def test_hints_name_what_exists() -> None:
    """The package is on no index: documents install it from a clone, messages name libraries."""
    for path in [*ROOT.glob("*.md"), *ROOT.rglob("docs/**/*.md"), *ROOT.rglob("docs/**/*.ipynb")]:
        for hint in re.findall(r"pip install ([^\n`]+)", path.read_text(encoding="utf-8")):
            assert not re.search(r"tinygrad", hint), (path, hint)
            for extras in re.findall(r"\.\[([\w,-]+)\]", hint):
                assert set(extras.split(",")) <= declared_extras(), (path, hint)
    for folder in ("tinygrad_np", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"pip install [^\n]*tinygrad", text), path


def declared_extras() -> set[str]:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return set(settings["project"]["optional-dependencies"])
