"""Functions and values as Python source that needs NumPy alone."""

import ast
import base64
import builtins
import inspect
import itertools
import math
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import ExportError

PLAIN = (bool, int, str, bytes, type(None), type(Ellipsis))
SPELLED = 16  # elements of an array that are written out; more are its bytes


class Code(str):
    """An expression that is written already."""


class Sources:
    """Source texts of functions and classes, each behind those it uses, and names for values."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.modules: dict[str, str] = {"np": "numpy"}
        self.texts: dict[str, str] = {}
        self.known: dict[int, str] = {}
        self.held: list[Any] = []  # what is known by id
        self.taken = {"np", *reserved, *dir(builtins)}

    def written(self, value: Any) -> str:
        """An expression that gives a value: a number, an index, a dtype, an array, a function."""
        if type(value) is Code:
            return str(value)
        if type(value) in (float, complex, *PLAIN):
            return _number(value)
        if isinstance(value, np.generic):
            return f"np.{type(value).__name__}({_number(value.item())})"
        if isinstance(value, np.dtype):
            return f"np.dtype({value.str!r})"
        if isinstance(value, slice):
            parts = ", ".join(self.written(p) for p in (value.start, value.stop, value.step))
            return f"slice({parts})"
        if type(value) in (tuple, list, set, frozenset, dict):
            return self._nest(value)
        if isinstance(value, np.ndarray):
            return _array(value)
        return self._named(value)

    def _nest(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{self.written(k)}: {self.written(v)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        parts = ", ".join(map(self.written, value))
        if isinstance(value, tuple):
            return f"({parts}{',' * (len(value) == 1)})"
        name = "" if isinstance(value, list) else type(value).__name__
        return f"{name}([{parts}])" if name else f"[{parts}]"

    def _named(self, value: Any) -> str:
        """The name of a function, a class, a module, or of the one object of a class."""
        if id(value) not in self.known:
            self.held.append(value)
            self.known[id(value)] = self._found(value)
        return self.known[id(value)]

    def _found(self, value: Any) -> str:
        if isinstance(value, types.ModuleType):
            name = "np" if value is np else self._free(value.__name__.replace(".", "_"))
            self.modules[name] = value.__name__
            return name
        if (path := _of_numpy(value)) is not None:
            return path
        scipy, name = sys.modules.get("scipy.special"), getattr(value, "__name__", "")
        if scipy is not None and getattr(scipy, name, None) is value:
            return f"{self._named(scipy)}.{name}"
        if (inner := inspect.unwrap(getattr(value, "implementation", value))) is not value:
            return self._named(inner)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.BuiltinFunctionType) and (module := inspect.getmodule(value)):
            return f"{self._named(module)}.{value.__name__}"
        if isinstance(value, type):
            return self._class(value)
        if not getattr(value, "__dict__", None) and type(value).__init__ is object.__init__:
            name = self._free(type(value).__name__.upper())
            self.texts[name] = f"{name} = {self._named(type(value))}()"
            return name
        raise ExportError(f"{value!r} has no source that a script could hold")

    def _free(self, name: str) -> str:
        found = next(n for n in itertools.chain([name], _numbered(name)) if n not in self.taken)
        self.taken.add(found)
        return found

    def _function(self, fn: types.FunctionType) -> str:
        if fn.__closure__:
            raise ExportError(f"the function {fn.__qualname__} has variables of where it was made")
        if fn.__name__ == "<lambda>":
            raise ExportError("a lambda has no name in a script; write a def")
        name = self.known[id(fn)] = self._free(fn.__name__)
        self.held.append(fn)
        tree = _definition(fn)
        self._add(name, tree, fn.__globals__)
        return name

    def _class(self, kind: type) -> str:
        if kind.__module__ == "builtins":
            return kind.__name__
        name = self.known[id(kind)] = self._free(kind.__name__)
        self.held.append(kind)
        module = inspect.getmodule(kind)
        self._add(name, _definition(kind), vars(module) if module else {})
        return name

    def _add(self, name: str, tree: Any, names: dict[str, Any]) -> None:
        """A definition, with the names that it uses as they are called in the script."""
        tree = _Bare().visit(tree)
        renamed = {}
        own, bound = tree.name, _bound(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in names.keys() - bound - {own}:
                renamed[node.id] = self.written(names[node.id])
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = renamed.get(node.id, name if node.id == own else node.id)
        tree.name = name
        self.texts[name] = ast.unparse(ast.fix_missing_locations(tree))


def _bound(tree: Any) -> set[str]:
    """The names that a definition binds inside: they are not those of its module."""
    found = set()
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            found.add(inner.id)
        elif isinstance(inner, ast.arg):
            found.add(inner.arg)
        elif isinstance(inner, ast.alias):
            found.add(inner.asname or inner.name.partition(".")[0])
        elif isinstance(inner, (ast.ExceptHandler, ast.FunctionDef)) and inner is not tree:
            found |= {inner.name or ""}
    return found


class _Bare(ast.NodeTransformer):
    """Without decorators, annotations, and docstrings of several lines."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list, node.returns = [], None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self._shorter(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.decorator_list = []
        return self._shorter(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        made = ast.Assign([node.target], node.value)
        return ast.copy_location(made, node)

    def _shorter(self, node: Any) -> Any:
        said = ast.get_docstring(node)
        if said is not None:
            node.body[0] = ast.copy_location(
                ast.Expr(ast.Constant(said.partition("\n")[0])), node.body[0]
            )
        return self.generic_visit(node)


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}_{i}" for i in itertools.count(2))


def _definition(value: Any) -> Any:
    """The ``def`` or ``class`` of something, as a tree."""
    try:
        text = inspect.getsource(value)
    except (OSError, TypeError):
        raise ExportError(f"the source of {value.__qualname__} cannot be read") from None
    return ast.parse(inspect.cleandoc("\n" + text)).body[0]


def _of_numpy(value: Any) -> str | None:
    """``np.linalg.inv``: where NumPy has a function, a type, or a ufunc's method."""
    whole = getattr(value, "__self__", None)
    if isinstance(whole, np.ufunc):
        return f"np.{whole.__name__}.{value.__name__}"
    name = getattr(value, "__name__", "")
    for path, module in (("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft)):
        if name and getattr(module, name, None) is value:
            return f"{path}.{name}"
    if getattr(value, "__objclass__", None) is np.ndarray:
        return f"np.ndarray.{name}"
    return None


def _number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, complex):
        return f"complex({_number(value.real)}, {_number(value.imag)})"
    return "..." if value is Ellipsis else repr(value)


def _array(value: np.ndarray) -> str:
    """An array to the last bit, which lies as it does: products of others differ there."""
    if value.dtype.kind not in "biufc":
        raise ExportError(f"an array of dtype {value.dtype} is no number")
    if value.shape == () and value.dtype.char in "fd":
        return f"np.{value.dtype.name}({_number(value.item())})"
    if value.size <= SPELLED and value.dtype.kind in "biu":
        return f"np.array({value.tolist()!r}, {value.dtype.str!r})"
    axes, back = layout(value)
    value = value.transpose(axes)
    text = base64.b64encode(value.tobytes()).decode()
    return f"from_bytes({text!r}, {value.dtype.str!r}, {value.shape})" + turned(back)


def layout(value: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of an array's axes in memory, and how they get back from there."""
    axes = sorted(range(value.ndim), key=lambda i: -abs(value.strides[i]))
    if value.flags.c_contiguous or 0 in value.strides:
        axes = list(range(value.ndim))
    return tuple(axes), tuple(int(i) for i in np.argsort(axes))


def turned(axes: tuple[int, ...]) -> str:
    """What follows an expression for an array with its axes in that order."""
    if axes == tuple(sorted(axes)):
        return ""
    return ".T" if axes == tuple(sorted(axes))[::-1] else f".transpose{axes}"
