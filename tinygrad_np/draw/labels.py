"""The words of a picture: operations as formulas, numbers, arrays, and their escaping for DOT."""

import html
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import graphviz
import numpy as np

from ..autodiff.primitives import ARRAY, take_at
from ..autodiff.rules.table import Several
from ..markup import counted, number, printable

LONGEST = 40  # characters of a name or formula before it is cut
PRINTED = 16  # elements of an array that are printed one by one
ACROSS = 8  # of them beside each other
SYMBOLS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "power": "**", "remainder": "%",
    "floor_divide": "//",
}  # fmt: skip


def escape(text: str, longest: int = LONGEST) -> str:
    """Any text as it must stand in an HTML-like label to be shown as it is, on one line."""
    shown = printable(text)
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return html.escape(shown.replace("\\", "\\\\"))  # Graphviz replaces \N and the like, even here


def lines(text: str) -> list[str]:
    """A formula or module, with its arguments on further lines where one line is too short."""
    text = printable(text)
    if len(text) <= LONGEST or not re.match(r"[^\s(]*(: \w+)?\(.*, ", text):
        return [text]
    return textwrap.wrap(
        text, LONGEST, max_lines=4, placeholder=" …", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def quoted(text: str) -> str:
    """Plain text of several lines as an attribute of DOT has it."""
    return str(graphviz.escape(printable(text, "\n"))).replace("\n", "\\n")


def kind_of_array(value: Any) -> str:
    """``(64, 10) float32``; ``3 results`` of an operation that gives a tuple; empty for None."""
    if value is None:
        return ""
    if isinstance(value, Several):
        return counted(len(value.forms), "result")
    return f"{value.shape if value.shape else 'scalar'} {value.dtype}"


def contents(value: Any) -> str | list[list[str]]:
    """The elements of a small array as text or rows of cells, of a large one the range.

    A vector is one row; matrices in an array of more axes have an empty row between them.
    """
    array = np.asarray(value)
    if array.size > PRINTED and array.dtype.kind == "c":
        return f"|·| up to {number(np.abs(array).max())}"
    if array.size > PRINTED or (array.ndim > 1 and array.shape[-1] > ACROSS):
        return f"{number(array.min())} … {number(array.max())}"
    if array.ndim == 0:
        return number(array[()])
    if array.size == 0 or (array.ndim == 1 and array.size <= 4):
        return "[" + ", ".join(number(element) for element in array.flat) + "]"
    flat = array.reshape(-1, array.shape[-1])
    rows = [[number(element, 3) for element in row] for row in flat]
    if array.ndim < 3:
        return rows
    high = array.shape[-2]
    slabs = [[[""], *rows[i : i + high]] for i in range(0, len(rows), high)]
    return [row for slab in slabs for row in slab][1:]


def written(
    name: str, fn: Any, operands: Sequence[Any], drawn: Sequence[bool], options: Mapping[str, Any]
) -> str:
    """A call as a formula; ``drawn`` says which operands are nodes."""
    if fn in (take_at, take_at.implementation):  # type: ignore[attr-defined]
        return f"·[{', '.join(map(_part_of_index, operands[1]))}]"
    shown = ["·" if known else _constant(x) for x, known in zip(operands, drawn, strict=True)]
    symbol = SYMBOLS.get(name) if isinstance(fn, np.ufunc) else None
    if symbol and len(shown) == 2 and not all(drawn):
        return f"{shown[0]} {symbol} {shown[1]}"
    named = [f"{key}={_constant(value)}" for key, value in options.items()]
    if all(drawn) and not named:
        return name
    if all(drawn) and len(drawn) > 3:
        shown = ["…"]
    return f"{name}({', '.join(shown + named)})"


def _constant(value: Any) -> str:
    """A number, axis, shape or option."""
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(_constant(part) for part in value) + ("," * (len(value) == 1)) + ")"
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return number(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return number(value[()])
    if value is None or isinstance(value, (str, np.dtype)):
        return str(value)
    return getattr(value, "__name__", type(value).__name__)


def _part_of_index(part: Any) -> str:
    """As it was written, with ``array`` where one stood."""
    if part is ARRAY:
        return "array"
    if part is Ellipsis:
        return "..."
    if not isinstance(part, slice):
        return str(part)
    ends = [part.start, part.stop] + ([] if part.step is None else [part.step])
    return ":".join("" if end is None else str(end) for end in ends)
