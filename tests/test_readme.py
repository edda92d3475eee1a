"""What the README shows; ``test_wheel.py`` runs its blocks where a wheel is installed."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_example_has_twelve_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) == 12


def test_files_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"\]\(([\w/.]+)\)|`((?:docs|benchmarks|models)/[\w.]+)`", text):
        path = "".join(name)
        assert (ROOT / path).exists(), path
