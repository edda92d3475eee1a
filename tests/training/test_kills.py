"""A training killed at random moments goes on as if nothing had been; ``kills.py`` has more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills.py forks")
def test_six_kills() -> None:
    program = [sys.executable, str(Path(__file__).with_name("kills.py")), "--kills", "6"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    counts = re.fullmatch(
        r"kills survived / tried: 6 / 6 \((\d) setting up, (\d) in a step, (\d) in a save, "
        r"(\d) between save and rename\)",
        first,
    )
    assert counts is not None
    assert sum(map(int, counts.groups())) == 6
    assert re.fullmatch(r"trainings finished bit for bit: (\d) / \1", second)
