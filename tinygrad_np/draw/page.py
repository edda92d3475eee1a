"""Pictures and links in web pages of one file."""

import base64
import html
import io
import re
from typing import Any

from ..markup import Html


def link(target: str, text: str) -> Html:
    """A link to a file beside the page."""
    return Html(f'<a href="{html.escape(target)}">{html.escape(text)}</a>')


def picture(png: bytes, description: str, caption: str = "") -> Html:
    """A PNG picture, kept inside the page; ``caption`` stands below it."""
    data = base64.b64encode(png).decode()
    source = f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}">'
    return Html(f"<figure>{source}{_caption(caption)}</figure>")


def drawing(svg: str, caption: str = "") -> Html:
    """An SVG drawing, kept inside the page; raises ValueError for other text."""
    found = re.search(r"<svg\b.*</svg>", svg, re.DOTALL)
    if found is None:
        raise ValueError("drawing() takes the text of an SVG file, and there is no <svg> in it.")
    return Html(f"<figure>{found.group()}{_caption(caption)}</figure>")


def _caption(text: str) -> str:
    return f"<figcaption>{html.escape(text)}</figcaption>" if text else ""


def png(figure: Any, dpi: int = 100) -> bytes:
    """A matplotlib figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()
