"""SVG whose text keeps the width it was laid out with, whatever font the viewer has.

Graphviz lays text out with the widths of Helvetica. Where a viewer takes a wider font the text
would run out of its box. So each line says how long it is (``textLength``), stands around its
middle, and names fonts of the same widths first.
"""

import html
import re

FAMILIES = {
    "Helvetica": "Helvetica,Arial,Liberation Sans,Nimbus Sans,DejaVu Sans Condensed,sans-serif",
    "Courier": "Courier,Courier New,Liberation Mono,DejaVu Sans Mono,monospace",
}
# Thousandths of the size, for the characters from " " to "~", from Adobe's font metrics.
_PLAIN = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556
556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778
722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222
500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
_BOLD = """
278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556
556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778
722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278
556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584
"""
_SIGNS = {"×": 584, "÷": 584, "−": 584, "±": 584, "·": 278, "…": 1000, "\xa0": 278}


def width(text: str, size: float, bold: bool = False, family: str = "Helvetica") -> float:
    """The width of a line in points; characters that Helvetica lacks count as wide ones."""
    if family == "Courier":
        return 0.6 * size * len(text)
    known = _WIDTHS[bold]
    return size / 1000 * sum(known.get(character, 650) for character in text)


def steadied(svg: bytes) -> bytes:
    """The picture with the length of each text beside it, and tooltips as titles; no wider than
    its place.

    Graphviz names nodes and edges in titles (``n3``), which a viewer would show beside the pointer.
    """
    text = re.sub(r"<text ([^>]*)>([^<]+)</text>", _steadied, svg.decode())
    text = text.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)
    return _NAMED.sub(_titled, text).encode()


_NAMED = re.compile(
    r'(<g id="[^"]*" class="(?:node|edge|cluster)">\s*)<title>[^<]*</title>\s*'
    r'((<g id="[^"]*"><a) xlink:title="([^"]*)">)?'
)


def _titled(found: re.Match[str]) -> str:
    start, link, opening, tooltip = found.groups()
    return start if link is None else f"{start}<title>{tooltip}</title>\n{opening}>"


def _steadied(found: re.Match[str]) -> str:
    attributes, text = dict(re.findall(r'([\w:-]+)="([^"]*)"', found[1])), html.unescape(found[2])
    family = attributes.get("font-family", "").split(",")[0]
    if family not in FAMILIES or not {"x", "font-size"} <= set(attributes) or not text.strip():
        return found[0]
    long = width(text, float(attributes["font-size"]), "font-weight" in attributes, family)
    shift = {"start": long / 2, "end": -long / 2}.get(attributes.get("text-anchor", "start"), 0)
    attributes |= {
        "x": f"{float(attributes['x']) + shift:.2f}",
        "text-anchor": "middle",
        "font-family": FAMILIES[family],
        "textLength": f"{long:.2f}",
        "lengthAdjust": "spacingAndGlyphs",
    }
    written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<text {written}>{found[2]}</text>"


_WIDTHS = [
    {chr(32 + i): int(word) for i, word in enumerate(table.split())} | _SIGNS
    for table in (_PLAIN, _BOLD)
]
