"""Every public name has a docstring: a sentence, what it raises, and an example that runs."""

import ast
import doctest
import inspect
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.outside import loaded


def public() -> Iterator[tuple[str, Any]]:
    """Every public name of the package with its value; a value with two names has one of them."""
    pages, seen = loaded("docs/reference/pages.py"), set()
    for module in pages.modules():
        try:
            names = pages.public(module)
        except ImportError:  # of an extra
            continue
        for name, value in names.items():
            if not isinstance(value, np.ufunc) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module}.{name}", value


def test_every_public_name_says_what_it_does() -> None:
    lacking = []
    for name, value in public():
        text = inspect.getdoc(value) or ""
        first = text.split("\n\n")[0].rstrip()
        if not first.endswith((".", ":")) or ">>>" not in text:
            lacking.append(name)
    assert lacking == []


def raised(node: ast.AST) -> Iterator[str]:
    """What the statements of a function raise, not what it catches or its functions raise."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            yield from (name for name in [ast.unparse(child.exc.func)] if name[0].isupper())
        elif isinstance(child, (ast.stmt, ast.match_case)) and not isinstance(
            child, (ast.FunctionDef, ast.ClassDef, ast.Try)
        ):
            yield from raised(child)


def test_what_a_function_raises_itself_is_in_its_docstring() -> None:
    lacking = []
    for name, value in public():
        if not inspect.isfunction(value) or not value.__module__.startswith("tinygrad_np"):
            continue
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
        text = inspect.getdoc(value) or ""
        lacking += [f"{name}: {each}" for each in raised(function) if each not in text]
    assert lacking == []


ONNX = ("tinygrad_np.from_onnx", "tinygrad_np.to_onnx")
SLOW = ("tinygrad_np.draw.", "tinygrad_np.sklearn.", "tinygrad_np.data.from_sklearn")


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_example_runs(slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if slow:
        pytest.importorskip("matplotlib").use("Agg")
        pytest.importorskip("sklearn")
    runner = doctest.DocTestRunner()
    parser, said = doctest.DocTestParser(), list[str]()
    without = () if find_spec("onnx") else ONNX
    for name, value in public():
        if name.startswith(SLOW) == slow and name not in without:
            case = parser.get_doctest(inspect.getdoc(value), {"np": np, "tg": tg}, name, None, 0)
            runner.run(case, out=said.append)
    assert "".join(said) == ""
    assert runner.tries > (10 if slow else 200)
