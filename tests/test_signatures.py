"""Tensor's methods have types: the stub is the class's, and a type checker reads it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import signatures

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
from typing import Any, assert_type

import numpy as np
import tinygrad_np as tg

t = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
assert_type(t.sum(axis=0), tg.Tensor)
assert_type(t.mean(axis=(0, 1), keepdims=True), tg.Tensor)
assert_type(t.reshape(-1).clip(0, 1), tg.Tensor)
assert_type(t @ t.T + 1.0, tg.Tensor)
assert_type(2 * t**2 - t / 3, tg.Tensor)
assert_type(t[0, 1:], tg.Tensor)
assert_type(t > 1, tg.Tensor)
assert_type(t.argmax(axis=1), tg.Tensor)
assert_type(t.astype(np.float32).shape, tuple[int, ...])
assert_type(len(t), int)
assert_type([row for row in t], list[tg.Tensor])
assert_type(t.grad, tg.Tensor | None)
t.sum().backward()
layer = tg.nn.Linear(2, 3, seed=0)
optimiser = tg.optim.Adam(layer.parameters(), lr=0.1)
value: Any = layer(t)
t.sum(axis="rows")  # wrong: [arg-type]
t.mena()  # wrong: [attr-defined]
t.sum() + t.backward()  # wrong: [func-returns-value]
"""


def test_the_stub_has_the_methods_of_the_class() -> None:
    text = signatures.STUB.read_text(encoding="utf-8")
    if signatures.RELEASE not in text.splitlines()[0]:
        pytest.skip(f"written for another NumPy than {np.__version__}")
    assert text == signatures.text(), "python benchmarks/signatures.py --write"


@pytest.mark.slow
def test_a_type_checker_knows_what_methods_return(tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    # a name of its own: the project's cache, which saves 40 s, would tell another run's place
    program = tmp_path / f"program_{os.getpid()}.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    lines = enumerate(PROGRAM.splitlines(), 1)
    wrong = {number: line.split("# wrong: ")[1] for number, line in lines if "# wrong: " in line}
    errors = [e for e in done.stdout.splitlines() if e.startswith(f"{program}:") and "error:" in e]
    said = {int(line.removeprefix(f"{program}:").split(":")[0]): line for line in errors}
    assert said.keys() == wrong.keys(), done.stdout
    assert all(said[number].endswith(code) for number, code in wrong.items()), done.stdout
