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


def test_weights_are_those_of_one_process_and_the_same_a_second_time(tmp_path: Path) -> None:
    for count in (2, 4):
        out = tmp_path / f"{count}.json"
        ended = mpirun(count, SHARED, "equality", str(out))
        assert ended.returncode == 0, ended.stderr
        for name, far in json.loads(out.read_text()).items():
            assert far < (1e-6 if "float32" in name else 1e-12), (name, count)


def test_one_that_raises_ends_all_with_one_sentence() -> None:
    ended = mpirun(2, SHARED, "raises")
    assert ended.returncode != 0
    sentence = "rank 1 of 2 ended all processes: ValueError: no more"
    assert ended.stderr.count("ended all processes") == ended.stderr.count(sentence) == 1


def test_a_killed_job_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    assert mpirun(2, SHARED, "killed", str(path), "yes").returncode != 0
    assert 3 <= len(training.checkpoint.Checkpoint.load(path).history) < 6
    again = mpirun(2, SHARED, "killed", str(path), "no")
    assert again.returncode == 0, again.stderr


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
