"""Pieces of HTML. What is not ``Html`` already is escaped."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


class Html(str):
    """Text that is markup already; all other text is escaped."""


def printable(text: str, kept: str = "") -> str:
    """The text with the escapes of what cannot be seen, but for the characters ``kept``."""
    return "".join(
        c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text
    )


def escape(text: object) -> str:
    """Any text as it must stand in HTML to be shown as it is; controls as their escapes."""
    return html.escape(printable(str(text), "\n\t"))


def counted(count: int, noun: str) -> str:
    """``1 parameter``, ``1,234 parameters``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def cell(value: Any) -> str:
    """A value as markup."""
    return value if isinstance(value, Html) else escape(value)


def joined(parts: Iterable[str]) -> Html:
    """Parts one below the other; those that are not ``Html`` become paragraphs."""
    return Html("\n".join(part if isinstance(part, Html) else paragraph(part) for part in parts))


def paragraph(text: str) -> Html:
    """A paragraph."""
    return Html(f"<p>{cell(text)}</p>")


def table(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> Html:
    """Rows of cells; the first cell of a row, and ``head``, name things.

    The only cell of a row stands above what follows, as wide as all columns.
    """
    lines = ["<tr>" + "".join(f"<th>{cell(name)}</th>" for name in head) + "</tr>"] if head else []
    for first, *others in rows:
        cells = "".join(f"<td>{cell(value)}</td>" for value in others)
        wide = f' colspan="{len(head)}"' if head and not others else ""
        lines.append(f"<tr><th{wide}>{cell(first)}</th>{cells}</tr>")
    return Html("<table>\n" + "\n".join(lines) + "\n</table>")


def code(text: str) -> Html:
    """Text in which every blank counts."""
    return Html(f"<pre>{escape(text)}</pre>")


def facts(title: str, details: Iterable[object]) -> Html:
    """A line that starts with a name in bold, and says what is known of the thing."""
    shown = " · ".join([f"<b>{escape(title)}</b>", *map(cell, details)])
    return Html(f"<div>{shown}</div>")


def folded(summary: str, *parts: str) -> Html:
    """Parts that a click on the summary shows."""
    return Html(f"<details><summary>{escape(summary)}</summary>\n{joined(parts)}\n</details>")
