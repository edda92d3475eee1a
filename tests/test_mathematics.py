"""The formulas of docs/mathematics.md give the gradients that autodiff gives."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/mathematics.md").read_text(encoding="utf-8")
PROGRAM = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


def test_the_page_prints_what_its_comments_say(tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(program)]
    environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert not done.stderr
    expected = re.findall(r"^print\(.*\)  # (.*)$", PROGRAM, re.MULTILINE)
    assert len(expected) == len(re.findall(r"^print\(", PROGRAM, re.MULTILINE)) > 15
    assert done.stdout.splitlines() == expected
