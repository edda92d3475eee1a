"""Every command with every kind of bad input: one line, exit code 2, and nothing is written."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks import (
    augment,
    compare_frameworks,
    convolution,
    dynamics,
    estimators,
    functions,
    gradient_receipt,
    mnist_cnn,
    mnist_mlp,
    overhead,
    processes,
    scaling,
    search,
    small_functions,
    step_time,
    time_to_accuracy,
)
from tinygrad_np import DataError
from tinygrad_np import __main__ as door
from tinygrad_np.draw import figures, render
from tinygrad_np.run import command_line

ROOT = Path(__file__).resolve().parents[2]
Main = Callable[[Sequence[str]], int]


def of(*words: str) -> Main:
    return lambda arguments: door.main([*words, *arguments])


PROGRAMS: dict[str, Main] = {
    "tinygrad_np": of(),
    "train": of("train"),
    "draw": of("draw", "3-2"),
    "check": of("check"),
    "predict": of("predict", "weights.npz", "picture.png"),
    "playground": of("playground"),
    **{
        module.__name__.rpartition(".")[2]: module.main
        for module in (
            augment, compare_frameworks, dynamics, gradient_receipt, mnist_cnn, mnist_mlp,
            overhead, scaling, search, step_time, time_to_accuracy,
        )
    },
}  # fmt: skip
WRITERS: dict[str, Main] = {
    **PROGRAMS,
    **{m.__name__: m.main for m in (convolution, estimators, functions, small_functions)},
    "processes": processes.main,
}
NAMES = {"--recipe", "--dataset", "--data", "--label", "--scenarios", "--optimisers", "--optimiser",
         "--contenders", "--only", "--sizes"}  # fmt: skip


def options_of(program: Main, monkeypatch: pytest.MonkeyPatch) -> dict[str, argparse.Action]:
    """What a program can be given, as its parser has it."""
    seen: dict[str, argparse.Action] = {}

    def stop(self: argparse.ArgumentParser, *_: object) -> None:
        seen.update({name: each for each in self._actions for name in each.option_strings})
        raise DataError("seen")

    with monkeypatch.context() as patch:
        patch.setattr(command_line.Arguments, "parse_args", stop)
        assert program([]) == 2
    return seen


def kinds(name: str, action: argparse.Action, place: Path) -> list[list[str]]:
    """Arguments that are wrong for an option."""
    if action.nargs == 0:
        return [[f"{name}=x"]]
    wrong: list[list[str]] = [[name]]
    (place / "file").touch()
    (place / "folder").mkdir(exist_ok=True)
    if action.type in (command_line.new_file, command_line.new_picture, command_line.new_folder):
        places = ["/proc/nothing/x.svg", str(place / "file" / "x.svg"), str(place / ("x" * 300))]
        if action.type is command_line.new_folder:
            places += [str(place / "file")]
        else:
            places += [str(place / "folder"), "/dev/null", "", "nowhere/x.svg"]
        wrong += [[name, each] for each in places]
    elif action.type in (int, float):
        below = {
            "--rate": ["0", "-1", "nan", "inf"],
            "--seed": ["-1"],
            "--lr": ["0", "-1", "nan", "inf"],
        }.get(name, ["0", "-3"])
        wrong += [[name, each] for each in ("x", "", *below)]
    elif name in NAMES:
        wrong += [[name, "no such thing"]]
    else:
        assert name in {"--shape", "--input"}
        wrong += [[name, "x"], [name, "0,2"], [name, "1,2"], [name, ""]]
    return wrong


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_line_exit_code_2_and_no_file(
    program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    main = PROGRAMS[program]
    options = options_of(main, monkeypatch)
    capsys.readouterr()
    tried = [["--no-such-option"], ["one", "two", "too", "many"]]
    for name, action in options.items():
        if name not in ("-h", "--help", "--version"):
            tried += kinds(name, action, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for arguments in tried:
        if program == "draw" and "--out" not in arguments:
            arguments = [*arguments, "--out", "x.dot"]
        code, told = main(arguments), capsys.readouterr()
        assert (code, told.out) == (2, ""), arguments
        assert told.err.count("\n") == 1, told.err
        assert "Error" not in told.err.split(":")[0]
        assert not told.err.startswith(f"{program}: [Errno"), told.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_printed_and_is_no_error(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in options_of(PROGRAMS[program], monkeypatch):
        capsys.readouterr()
        assert PROGRAMS[program](["--help"]) == 0
        assert name in capsys.readouterr().out


OUTPUTS = (command_line.new_file, command_line.new_picture, command_line.new_folder)
WORDS = {"--json", "--csv", "--plot", "--out", "--storage", "--measure"}


@pytest.mark.parametrize("program", WRITERS)
def test_the_folder_of_a_result_must_be_there(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For every option that names a file, said before the work; what names a folder makes it."""
    main = WRITERS[program]
    options = options_of(main, monkeypatch)
    assert {name for name, each in options.items() if each.type in OUTPUTS} == WORDS & {*options}
    for name, each in options.items():
        if each.type in OUTPUTS[:2]:
            capsys.readouterr()
            assert main([name, "/mistyped/folder/a.md"]) == 2
            expected = f"{name}: there is no folder /mistyped/folder for a.md, make it or name"
            assert expected in capsys.readouterr().err


def test_results_over_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("1")
    for words in (["predict", "w.npz", "a.csv", "--csv"], ["train", "--data", "a.csv", "--json"]):
        assert door.main([*words, f"{tmp_path}/a.csv"]) == 2
        assert "a.csv: this file is also read; name another.\n" in capsys.readouterr().err
    assert Path("a.csv").read_text() == "1"


def test_results_that_would_be_in_each_others_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    assert door.main(["train", "--out", "a/b", "--json", "a/b"]) == 2
    assert "--json a/b: --out makes that a folder" in capsys.readouterr().err
    assert not list(Path("a").iterdir())


@pytest.mark.parametrize("main", [dynamics.main, scaling.main, step_time.main])
def test_a_plot_without_matplotlib(
    main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError):
        figures.empty_figure(1, 1)
    assert main(["--plot", "x.png"]) == 2
    assert "need matplotlib: pip install matplotlib." in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_drawing_without_a_program_that_draws(
    ending: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(render, "programs", list)
    target = tmp_path / f"net.{ending}"
    assert door.main(["draw", "3-2", "--out", str(target)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"draw: {target} was not written: no program to draw the graph is inst")
    assert line.endswith("A .dot file needs none.")
    assert not list(tmp_path.iterdir())


def program(*words: str, unbuffered: str = "", **options: object) -> "subprocess.Popen[str]":
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": unbuffered,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *words], env=environment, text=True, stderr=subprocess.PIPE, **options
    )  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("words", "unbuffered"), [(["--version"], "1"), (["train", "--help"], "")], ids=str
)
def test_an_output_that_nobody_reads(words: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ["-m", "tinygrad_np", *words]
    with open(writing, "w") as pipe, program(*words, unbuffered=unbuffered, stdout=pipe) as run:
        _, said = run.communicate()
    assert said == ""
    assert run.returncode == 0


AT = """
import builtins, os, runpy, signal, sys
sys.orig_argv = ["python", "-m", "tinygrad_np"]
whole = builtins.__import__

def stopped(name, *rest, **more):
    if name == {name!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return whole(name, *rest, **more)

builtins.__import__ = stopped
sys.argv = ["tinygrad_np", "--version"]
runpy.run_module("tinygrad_np", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["numpy", "importlib.metadata", "run"])
def test_ctrl_c_while_it_is_imported(name: str, tmp_path: Path) -> None:
    (tmp_path / "at.py").write_text(AT.format(name=name))
    with program(str(tmp_path / "at.py"), stdout=subprocess.PIPE) as run:
        out, said = run.communicate()
    assert (run.returncode, out, said) == (130, "", "stopped.\n")


def test_ctrl_c_in_a_command_and_after_it() -> None:
    code = """
import os, signal, sys
sys.orig_argv = ["python", "-m", "tinygrad_np"]
from tinygrad_np.run.command_line import guarded
print(guarded("here", lambda: os.kill(os.getpid(), signal.SIGINT) or 0), flush=True)
os.kill(os.getpid(), signal.SIGINT)
print("not reached")
"""
    with program("-c", code, stdout=subprocess.PIPE) as run:
        out, said = run.communicate()
    assert (run.returncode, out, said) == (130, "130\n", "here: stopped.\nstopped.\n")


def test_a_library_leaves_ctrl_c_alone() -> None:
    code = """
import signal, tinygrad_np
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    with program("-c", code) as run:
        assert run.communicate()[1] == ""
