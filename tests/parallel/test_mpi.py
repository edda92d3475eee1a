"""Trainings of 2 and 4 processes that ``mpirun`` starts; skipped without mpi4py or ``mpirun``."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import training

ROOT = Path(__file__).resolve().parents[2]
SHARED = str(Path(__file__).with_name("shared.py"))
MPIRUN = shutil.which("mpirun")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        MPIRUN is None or importlib.util.find_spec("mpi4py") is None,
        reason="needs mpi4py and mpirun",
    ),
]


def mpirun(count: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What so many processes give; more than there are cores, also where the user is root."""
    assert MPIRUN is not None
    told = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True, check=True).stdout
    options = ["--oversubscribe"] if "Open MPI" in told or "OpenRTE" in told else []
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [MPIRUN, "-n", str(count), *options, sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_weights_are_those_of_one_process_and_the_same_in_three_runs(tmp_path: Path) -> None:
    for count, runs in ((2, 3), (4, 1)):
        found = []
        for run in range(runs):
            out = tmp_path / f"{count} {run}.json"
            ended = mpirun(count, SHARED, "equality", str(out))
            assert ended.returncode == 0, ended.stderr
            found.append(json.loads(out.read_text()))
        for name, (far, _) in found[0].items():
            assert far < (1e-6 if "float32" in name else 1e-12), (name, count)
        assert all(other == found[0] for other in found)


def test_one_that_raises_ends_all_with_one_sentence() -> None:
    ended = mpirun(2, SHARED, "raises")
    assert ended.returncode != 0
    sentence = "rank 1 of 2 ended all processes: ValueError: no more"
    assert ended.stderr.count("ended all processes") == ended.stderr.count(sentence) == 1


def test_an_unequal_parameter_is_named_with_its_rank() -> None:
    ended = mpirun(2, SHARED, "spoils")
    assert ended.returncode != 0
    assert "DataError: rank 1 of 2 differs from rank 0 in " in ended.stderr, ended.stderr


def test_a_killed_job_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """Whatever ended it, and with another number of processes; "parent" is Ctrl-C at mpirun."""
    for number in ("9", "15", "parent"):
        path = tmp_path / f"{number}.npz"
        ended = mpirun(2, SHARED, "killed", str(path), number)
        assert ended.returncode != 0 and "Traceback" not in ended.stderr, ended.stderr
        assert 3 <= len(training.checkpoint.Checkpoint.load(path).history) < 6
    for count, name in ((2, "9"), (2, "15"), (1, "parent")):
        again = mpirun(count, SHARED, "killed", str(tmp_path / f"{name}.npz"), "0")
        assert again.returncode == 0, again.stderr
        fars = [float(line.split()[-1]) for line in again.stdout.splitlines()]
        assert len(fars) == count
        assert max(fars) < (1e-5 if count == 1 else 1e-30)


def test_a_training_of_one_process_goes_on_with_two(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    assert mpirun(1, SHARED, "killed", str(path), "9").returncode != 0
    assert len(training.checkpoint.Checkpoint.load(path).history) == 3
    again = mpirun(2, SHARED, "killed", str(path), "0")
    assert again.returncode == 0, again.stderr
    assert max(float(line.split()[-1]) for line in again.stdout.splitlines()) < 1e-5


def test_what_all_processes_refuse_is_said_once(tmp_path: Path) -> None:
    for wrong in (["--data", str(tmp_path / "nothing.npz")], ["--recipe", "nothing"]):
        ended = mpirun(2, "-m", "tinygrad_np", "train", "--mpi", *wrong)
        assert ended.returncode == 2
        assert ended.stderr.count("train: ") == ended.stderr.count("nothing") == 1
        assert "ended all" not in ended.stderr


def test_the_command_trains_and_goes_on(tmp_path: Path) -> None:
    """An MLP and a convolutional recipe; rank 0 alone prints and writes."""
    (x, y), _ = tg.data.mnist()
    np.savez(tmp_path / "small.npz", x=x[:300], y=y[:300])
    for recipe in ("default", "quick"):
        ended = mpirun(
            2, "-m", "tinygrad_np", "train", "--mpi", "--recipe", recipe, "--data",
            str(tmp_path / "small.npz"), "--epochs", "2", "--out", str(tmp_path / recipe),
            "--json", str(tmp_path / f"{recipe}.json"),
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("recipe ") == 1
        (found,) = json.loads((tmp_path / f"{recipe}.json").read_text())
        assert found["epochs"] == 2
        assert list((tmp_path / recipe).rglob("report.html"))
