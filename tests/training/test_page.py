"""The example of docs/training.md runs, and runs again from its checkpoint."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_np import training

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_example_runs_and_goes_on_and_own_metrics_after_it(tmp_path: Path) -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        ).stdout
        for code in (BLOCKS[0], "\n".join(BLOCKS))
    ]  # fmt: skip
    again, *_, last = printed[1].splitlines()
    assert printed[0] == f"{again}\n"
    assert last == "True True"
    assert printed[1].splitlines()[1:3] == [
        "validation_loss True", "True ['generator', 'critic']"
    ]  # fmt: skip
    stopped, epochs, best, accuracy = printed[0].split()
    assert stopped in ("finished", "early")
    assert 1 <= int(best) <= int(epochs) <= 10
    assert float(accuracy) > 0.9
    with np.load(tmp_path / "training.npz") as entries:
        named = set(re.findall(r"^\| `(\w+)(?:/NAME)?` ", PAGE.split("entry by entry")[1], re.M))
        assert {name.split("/")[0] for name in entries} <= named
    found = training.Checkpoint.load(tmp_path / "training.npz")
    assert (len(found.history), found.history.best.epoch) == (int(epochs), int(best))
