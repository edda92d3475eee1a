"""The page about searches: two local workers of Dask, and two of Optuna, run its programs."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def programs() -> list[str]:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    found: list[str] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return found


def started(program: str, folder: Path) -> "subprocess.Popen[str]":
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    return subprocess.Popen(
        [sys.executable, str(path)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_the_estimators_with_two_workers_of_dask(tmp_path: Path) -> None:
    for name in ("sklearn", "distributed"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    code = programs()[1]
    run = started(code, tmp_path)
    out, err = run.communicate(timeout=300)
    assert out == code.rsplit("# ", 1)[1], err


@pytest.mark.slow
def test_two_workers_of_optuna_share_a_study(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    code = programs()[2]
    workers = [started(code, tmp_path) for _ in range(2)]
    for worker in workers:
        _, err = worker.communicate(timeout=300)
        assert worker.returncode == 0, err
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "digits.journal"))
    study = optuna.load_study(study_name="digits", storage=optuna.storages.JournalStorage(backend))
    lines = (tmp_path / "digits.journal").read_text(encoding="utf-8").splitlines()
    makers = {json.loads(line)["worker_id"] for line in lines}
    assert 6 <= len(study.trials) <= 7
    assert len(makers) >= 2
    assert study.best_value > 0.7
