"""What a node says where the pointer rests on it: value, gradient and the local rule."""

import inspect
import linecache
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autodiff.rules.table import Part, Several
from ..autodiff.tape import Record
from . import labels
from .trace import Item

LONGEST = 120  # characters of a rule


def text(item: Item, slope: Any = None, with_rule: bool = True) -> str:
    """Lines of plain text. ``slope`` is the gradient, where it is known."""
    lines = [] if item.array is None else [labels.kind_of_array(item.array)]
    known = not isinstance(item.array, Several) and isinstance(item.array, np.ndarray)
    lines += [_shown("value", item.array)] if known else []
    lines += [_shown("gradient", slope)] if slope is not None else []
    if with_rule and isinstance(item.node, Record) and item.kind == "operation":
        rules = _rules(item.node)
        lines += ["rule, of g (gradient) and out (value here):", *rules] if rules else []
    return "\n".join(lines)


def _shown(word: str, array: Any) -> str:
    found = labels.contents(array)
    if isinstance(found, str):
        return f"{word} {found}"
    return "\n".join([word, *("  ".join(row) for row in found)])


def _rules(record: Record) -> list[str]:
    """What the operation hands on to each operand that a gradient flows to."""
    places = [i for i, parent in enumerate(record.parents) if parent is not None]
    return [f"to {name}: {said}" for _, name, said in rules_to(record.rule, places)]


def rules_to(rule: Any, places: Iterable[int]) -> list[tuple[int, str, str]]:
    """Of each operand that a gradient may flow to: its place, name, and how the table says it."""
    found = []
    for place in () if isinstance(rule, Part) else places:
        if place < len(rule.vjps):
            vjp = rule.each or rule.vjps[place]
            said = None if vjp is None else written(vjp)
            if said is not None:
                found.append((place, _operand(vjp, place), said))
    return found


def _operand(rule: Any, place: int) -> str:
    """What a rule (g, out, operands) calls an operand."""
    code = getattr(inspect.unwrap(rule), "__code__", None)
    names = code.co_varnames[2 : code.co_argcount] if code is not None else ()
    return str(names[place]).lstrip("_") if place < len(names) else f"operand {place + 1}"


def written(rule: Any) -> str | None:
    """``g * y`` as the table has it, None where the source cannot be read."""
    rule = inspect.unwrap(rule)
    code = getattr(rule, "__code__", None)
    if code is None:
        return None
    if code.co_name != "<lambda>":
        said = (inspect.getdoc(rule) or "").partition("\n")[0]
        return said or f"{code.co_name}({', '.join(code.co_varnames[: code.co_argcount])})"
    body = " ".join(_source(code).split())
    body = re.sub(r"(?<=[(\[]) |,? (?=[)\]])", "", body)  # of brackets over several lines
    if not body:
        return None
    return body if len(body) <= LONGEST else body[: LONGEST - 1] + "…"


def _source(code: Any) -> str:
    """The text of a lambda's body, by the places of its instructions."""
    spots = [
        (line, start, end_line, end)
        for line, end_line, start, end in code.co_positions()
        if line is not None and start is not None and (line, start) != (end_line, end)
    ]
    if not spots:
        return ""
    first = min(spot[:2] for spot in spots)
    last = max(spot[2:] for spot in spots)
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first[0], last[0] + 1)]
    if not lines:
        return ""
    lines[-1] = lines[-1][: last[1]]  # columns count bytes
    lines[0] = lines[0][first[1] :]
    return b"".join(lines).decode(errors="replace")
