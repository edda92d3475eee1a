"""Web pages in one file: escaped, self-contained, the same bytes again."""

import html.parser
import re

import pytest

from tinygrad_np import markup
from tinygrad_np.draw import page

EVIL = '<script>alert("&")</script>'


class Reader(html.parser.HTMLParser):
    """Every tag that is opened is closed, and which ones there are."""

    VOID = ("meta", "img", "br", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def whole() -> str:
    return markup.page(
        f"title {EVIL}",
        f"paragraph {EVIL}",
        markup.section(
            f"heading {EVIL}",
            markup.table([(f"row {EVIL}", 1.5, page.link(f"a.html?{EVIL}", f"link {EVIL}"))],
                       head=("a", f"head {EVIL}", "c")),
            markup.code(f"code {EVIL}\n  indented"),
            page.picture(b"\x89PNG...", f"picture {EVIL}"),
            page.drawing('<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg width="1pt"><g></g></svg>\n'),
        ),
    )  # fmt: skip


def test_everything_is_escaped() -> None:
    read = Reader(whole())
    assert "script" not in {tag for tag, _ in read.tags}
    for name in ("title", "paragraph", "heading", "row", "head", "link", "code"):
        assert f"{name} {EVIL}" in read.text
    attributes = [attrs for tag, attrs in read.tags if tag in ("img", "a")]
    assert attributes[0] == {"href": f"a.html?{EVIL}"}
    assert attributes[1] == {
        "alt": f"picture {EVIL}",
        "src": "data:image/png;base64,iVBORy4uLg==",
    }


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = whole()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"https?:|url\(|@import|<link|<iframe", text)
    assert "prefers-color-scheme: dark" in text


def test_what_stands_where() -> None:
    text = markup.page("t", "first", markup.section("s", markup.table([("a", 1), ("b", "é")])))
    body = text[text.index("<body>") :]
    assert body == (
        '<body>\n<h1>t</h1>\n<p>first</p>\n<section>\n<h2 id="s">s</h2>\n<table>\n'
        "<tr><th>a</th><td>1</td></tr>\n<tr><th>b</th><td>é</td></tr>\n</table>\n</section>\n"
        "</body>\n</html>\n"
    )
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')


def test_a_drawing_without_its_prologue() -> None:
    assert page.drawing("<?xml?><svg a='1'>\n</svg>\n") == "<figure><svg a='1'>\n</svg></figure>"
    with pytest.raises(ValueError, match="there is no <svg> in it"):
        page.drawing("digraph {}")


def test_equal_pictures_are_equal_bytes() -> None:
    matplotlib = pytest.importorskip("matplotlib.figure")

    def made() -> bytes:
        figure = matplotlib.Figure((2, 1))
        figure.subplots().plot([1, 3, 2])
        return page.png(figure, dpi=50)

    assert made() == made()
    assert made().startswith(b"\x89PNG")
