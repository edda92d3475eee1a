"""A row's rule as a formula: read from the source of the rule itself, so that it cannot differ."""

import ast
import copy
import functools
import inspect
import io
import linecache
import tokenize
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple

from ..autodiff.rules.table import Rule

MODULES = ("np", "math")  # whose names stand alone in a formula
FROM = "of_a_module_"  # in front of them, until all else has its name


class Formula(NamedTuple):
    """``text`` is the cotangent of an operand, ``legend`` says what the functions in it do."""

    text: str
    legend: Mapping[str, str]


def formula(
    rule: Rule, argument: int, result: str, operands: Sequence[str], options: Mapping[str, Any]
) -> Formula:
    """The rule of ``rule`` for one operand, with the names that an equation has for its arrays.

    It is the body of a lambda, or what a function returns right away; of a longer function its
    call, and what its docstring says. Where there is no source, the function's name is all.
    """
    vjp: Any = inspect.unwrap(rule.vjps[argument] if rule.each is None else rule.each)  # type: ignore[arg-type]
    name = getattr(vjp, "__name__", type(vjp).__name__)
    code, node = getattr(vjp, "__code__", None), _written(vjp)
    if not isinstance(code, CodeType):
        return Formula(f"{name}(g)", {})
    first = ("g", result) if rule.each is None else (str(argument), "g", result)
    named = dict(zip(code.co_varnames[: code.co_argcount], (*first, *operands), strict=False))
    known = {p.name: p.default for p in inspect.signature(vjp).parameters.values()}
    known = {n: v for n, v in known.items() if v is not inspect.Parameter.empty} | dict(options)
    known |= inspect.getclosurevars(vjp).nonlocals
    known = {n: v for n, v in known.items() if n not in named}
    body = _returned(node)
    if body is None:
        called = ", ".join(named[n] for n in code.co_varnames[: code.co_argcount] if n in named)
        place = f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
        return Formula(f"{name}({called})", {name: explained(vjp) or place})
    named |= {n: _shown(v) for n, v in known.items()}
    body = Writer(named).visit(copy.deepcopy(body))
    used = {n.id for n in ast.walk(body) if isinstance(n, ast.Name)}
    around = {n: vjp.__globals__[n] for n in sorted(used - set(named)) if n in vjp.__globals__}
    legend = {n: said for n, value in around.items() if (said := explained(value))}
    return Formula(_typeset(ast.unparse(body).replace(" ** ", "**"), named), legend)


class Writer(ast.NodeTransformer):
    """NumPy's functions by their names alone, and what options decide as it is decided."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self.decided = {n: v == "True" for n, v in named.items() if v in ("True", "False")}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``np.cos`` is ``cos``."""
        if isinstance(node.value, ast.Name) and node.value.id in MODULES:
            return ast.copy_location(ast.Name(FROM + node.attr), node)
        return self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """The branch that an option takes."""
        if isinstance(node.test, ast.Name) and node.test.id in self.decided:
            return self.visit(node.body if self.decided[node.test.id] else node.orelse)
        return self.generic_visit(node)


def _typeset(text: str, named: Mapping[str, str]) -> str:
    """An expression with other names, and a dot for products."""
    parts, end = [], 0
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for before, token, after in zip([tokens[-1], *tokens], tokens, tokens[1:], strict=False):
        if token.start[0] != 1 or token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            break
        parts.append(text[end : token.start[1]])
        end = token.end[1]
        shown = token.string
        if token.type == tokenize.NAME and before.string != "." and after.string != "=":
            shown = named.get(shown, shown.removeprefix(FROM))
        if shown == "*" and (before.type in (tokenize.NAME, tokenize.NUMBER) or
                             before.string in (")", "]")):  # fmt: skip
            shown = "·"
        parts.append(shown)
    return "".join(parts)


def _shown(value: Any) -> str:
    """A number or another option's value, a function's name, else what it is."""
    if callable(value):
        return str(getattr(value, "__name__", repr(value)))
    return repr(value) if len(repr(value)) <= 40 else f"a {type(value).__name__}"


def explained(value: Any) -> str:
    """What a function's docstring says first, or the value of a number."""
    if inspect.isfunction(value):
        text = (inspect.getdoc(value) or "").partition("\n\n")[0]
        return text.replace("\n", " ").replace("``", "")
    return f"{value:.12g}" if type(value) in (int, float) else ""


def _returned(node: Any) -> Any:
    """The expression that a lambda is, or that a function of one line returns."""
    if isinstance(node, ast.Lambda):
        return node.body
    body = [] if node is None else node.body[ast.get_docstring(node) is not None :]
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None


def _written(fn: Any) -> ast.Lambda | ast.FunctionDef | None:
    """The function in the tree of its file; None without a source, or where it is not certain."""
    code = getattr(fn, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    spots = [p for p in code.co_positions() if None not in p[:4] and p[2:4] != (0, 0)]
    found: list[Any] = []
    for node in _functions("".join(linecache.getlines(code.co_filename, fn.__globals__))):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if node.name == code.co_name and first == code.co_firstlineno:
                return node
        elif code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
            start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
            if all(start <= (p[0], p[2]) and (p[1], p[3]) <= end for p in spots):
                found.append(node)
    return found[0] if len(found) == 1 else None


@functools.lru_cache(256)
def _functions(source: str) -> list[ast.Lambda | ast.FunctionDef]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Lambda, ast.FunctionDef))]
