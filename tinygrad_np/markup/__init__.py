"""What notebooks and reports show: pieces of HTML, arrays as tables, curves as SVG."""

from .arrays import number, of_array
from .chart import chart
from .elements import (
    Html,
    code,
    counted,
    escape,
    facts,
    folded,
    joined,
    paragraph,
    printable,
    table,
)
from .pages import page, section

__all__ = [
    "Html",
    "chart",
    "code",
    "counted",
    "escape",
    "facts",
    "folded",
    "joined",
    "number",
    "of_array",
    "page",
    "paragraph",
    "printable",
    "section",
    "table",
]
