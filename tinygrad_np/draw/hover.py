"""What a node says where the pointer rests on it: value, gradient and the local rule."""

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autodiff.rules.table import Part, Several
from ..autodiff.tape import Record
from ..recording.formulas import formula
from . import labels
from .trace import Item

LONGEST = 200  # characters of a rule


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


def rules_to(
    rule: Any, places: Iterable[int], result: str = "out", operands: Sequence[str] = (),
    options: Mapping[str, Any] = types.MappingProxyType({}),
) -> list[tuple[int, str, str]]:  # fmt: skip
    """Of each operand that a gradient may flow to: its place, name in the table, and the formula.

    The formula has the names that the table has, where no ``operands`` are given.
    """
    found = []
    for place in () if isinstance(rule, Part) else places:
        vjp = rule.each or (rule.vjps[place] if place < len(rule.vjps) else None)
        if vjp is not None:
            own = _operands(vjp)
            name = own[place].lstrip("_") if place < len(own) else f"operand {place + 1}"
            said = formula(rule, place, result, operands or own, options)
            told = "; ".join([said.text, *(f"{n}: {what}" for n, what in said.legend.items())])
            found.append((place, name, told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"))
    return found


def _operands(vjp: Any) -> tuple[str, ...]:
    """What a rule (g, out, operands) calls its operands."""
    code = getattr(inspect.unwrap(vjp), "__code__", None)
    return () if code is None else code.co_varnames[2 : code.co_argcount]
