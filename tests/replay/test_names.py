"""Replay knows no operation: what it needs to know of one is in its row of the table."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_np.autodiff.rules import COMPOSITES, TABLE, WRITERS
from tinygrad_np.replay import program

ROOM = sorted(Path(program.__file__).parent.glob("*.py"))
NAMES = {getattr(fn, "__name__", "") for fn in (*TABLE, *COMPOSITES)}
# an option of NumPy's functions, methods of lists, sets and ufuncs, the place of a gradient, LLVM's
# type of a bit
WORDS = {"where", "append", "add", "at", "reduce", "gradient", "i1"}
# how replays move numbers themselves: results to their places, partial sums to sums
OWN = {"np.add", "np.copyto"}


def numpys(node: ast.AST) -> str:
    """``np.name`` or ``np.linalg.name``, where a node is that and it is an operation."""
    text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    found: Any = np
    for part in text.split(".")[1:] if text.startswith("np.") else [""]:
        found = getattr(found, part, None)
    known = isinstance(found, np.ufunc) or (callable(found) and found in {*TABLE, *COMPOSITES})
    return text if known else ""


def identities(tree: ast.AST) -> Iterator[str]:
    """Functions of NumPy's that are spoken of: compared, listed, handed on, not just called."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        name = numpys(node)
        if name and id(node) not in called and name not in OWN:
            yield f"line {node.lineno}: {name}"  # type: ignore[attr-defined]


def words(tree: ast.AST) -> Iterator[str]:
    """Strings that are the name of an operation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES - WORDS:
            yield f"line {node.lineno}: {node.value!r}"


def imports(tree: ast.AST) -> Iterator[str]:
    """Operations, and families of rules, that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and "autodiff" in (node.module or ""):
            below = (node.module or "").partition("autodiff.rules")[2]
            for alias in node.names:
                allowed = below in ("", ".table") and alias.name not in NAMES
                if not allowed:
                    yield f"line {node.lineno}: {node.module} {alias.name}"


@pytest.mark.parametrize("path", ROOM, ids=lambda path: path.stem)
def test_replay_contains_no_name_of_an_operation(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [*identities(tree), *words(tree), *imports(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        "known = {np.sum: 1}",
        "if fn is np.where: pass",
        "if name == 'in_range': pass",
        "from ..autodiff.primitives import cast",
        "from ..autodiff.rules.neural import relu",
        "note(np.linalg.solve)",
    ],
)
def test_a_name_would_be_found(code: str) -> None:
    tree = ast.parse(code)
    assert [*identities(tree), *words(tree), *imports(tree)] != []


def test_writers_are_no_operations() -> None:
    assert np.copyto in WRITERS
    assert np.copyto not in TABLE
