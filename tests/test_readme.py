"""What the README claims can be run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_block_prints_what_its_comments_say(block: str, tmp_path: Path) -> None:
    program = tmp_path / "block.py"
    program.write_text(block)
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    expected = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert expected, "the example prints nothing that could be checked"
    for line, said in zip(done.stdout.splitlines(), expected, strict=True):
        assert numbers(line) == pytest.approx(numbers(said), rel=1e-12)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]


def test_the_example_has_twelve_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) == 12


def test_files_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"\]\(([\w/.]+)\)|`((?:docs|benchmarks|models)/[\w.]+)`", text):
        path = "".join(name)
        assert (ROOT / path).exists(), path
