"""What editors and mypy know of Tensor's methods: ``tinygrad_np/autodiff/operators.pyi``.

Most methods are made of NumPy's functions by one line each, which no type checker can follow. This
writes them down with the arguments that NumPy's functions have: ``--write`` after a change of
``operators.py``; a test compares.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tinygrad_np.autodiff.operators import Operators
from tinygrad_np.run.command_line import Arguments, guarded

RELEASE = ".".join(np.__version__.split(".")[:2])
STUB = ROOT / "tinygrad_np" / "autodiff" / "operators.pyi"
HEAD = f'''\
# With the arguments of NumPy {RELEASE}.
# fmt: off
# ruff: noqa: E501
"""Tensor's methods, with their types: written by ``python benchmarks/signatures.py --write``."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .hooks import Handle
from .tensor import Tensor

def apply_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any: ...

class Operators:
    __slots__ = ()
    _array: Any
'''
# Of these NumPy's functions take several axes at once.
SEVERAL_AXES = {"sum", "mean", "var", "std", "prod", "max", "min", "any", "all", "ptp", "squeeze"}
RESULTS = {
    "__divmod__": "tuple[Tensor, Tensor]",
    "__rdivmod__": "tuple[Tensor, Tensor]",
    "nonzero": "tuple[Tensor, ...]",
    "sort": "None",
    "partition": "None",
    "fill": "None",
    "put": "None",
}
TYPES = {"axis": "int | None", "keepdims": "bool", "decimals": "int", "offset": "int"}


def shown(value: Any) -> str:
    """An annotation as it is written."""
    if isinstance(value, str):
        return value
    if isinstance(value, type) and not hasattr(value, "__args__"):
        return value.__name__
    return re.sub(r"typing\.|collections\.abc\.|'", "", str(value))


def parameter(method: str, given: inspect.Parameter) -> str:
    """One argument with its type and default."""
    stars = "*" * (given.kind is given.VAR_POSITIONAL) or "**" * (given.kind is given.VAR_KEYWORD)
    name = given.name
    kind = "Any" if given.annotation is given.empty else shown(given.annotation)
    if kind == "Any" and not stars:
        kind = TYPES.get(given.name, "Any")
        if given.name == "axis" and method in SEVERAL_AXES:
            kind = "int | tuple[int, ...] | None"
    if given.default is given.empty:
        return f"{stars}{name}: {kind}"
    plain = isinstance(given.default, (bool, int, str, type(None)))
    return f"{name}: {kind} = {given.default!r}" if plain else f"{name}: {kind} = ..."


def line(name: str, method: Any) -> str:
    """The declaration of a method."""
    made_of = inspect.getclosurevars(method).nonlocals.get("fn")
    signature = inspect.signature(method if made_of is None or name[0] == "_" else made_of)
    _self, *given = signature.parameters.values()
    words, star = ["self"], False
    for each in given:
        if each.kind is each.KEYWORD_ONLY and not star:
            words.append("*")
        star = star or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        words.append(parameter(name, each))
    if name.startswith("__") and len(words) == 2:
        words.append("/")
    result = signature.return_annotation
    kind = RESULTS.get(name, "Tensor" if result is signature.empty else shown(result))
    note = "  # type: ignore[misc] # Python gives this one no modulus" if name == "__ipow__" else ""
    return f"def {name}({', '.join(words)}) -> {kind}: ...{note}"


def declarations() -> Iterator[str]:
    """Every member of the class, in its order."""
    for name, member in vars(Operators).items():
        if isinstance(member, property):
            yield f"@property\n    def {name}(self) -> Tensor: ..."
            if member.fset is not None:
                yield f"@{name}.setter\n    def {name}(self, value: Any) -> None: ..."
        elif inspect.isfunction(member):
            yield line(name, member)


def text() -> str:
    """The whole file."""
    return HEAD + "".join(f"    {each}\n" for each in declarations())


def run(arguments: argparse.Namespace) -> int:
    """Write the file, or say whether it is as it should be."""
    if arguments.write:
        STUB.write_text(text(), encoding="utf-8")
        return 0
    same = STUB.read_text(encoding="utf-8") == text()
    print("operators.pyi is up to date" if same else "operators.pyi differs; use --write")
    return int(not same)


def main(argv: list[str] | None = None) -> int:
    parser = Arguments(prog="signatures.py", description="The types of Tensor's methods.")
    parser.add_argument("--write", action="store_true", help=f"write {STUB.name}")
    return guarded("signatures.py", lambda: run(parser.parse_args(argv)))


if __name__ == "__main__":
    raise SystemExit(main())
