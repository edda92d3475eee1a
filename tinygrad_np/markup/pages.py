"""A whole web page in one file; nothing is fetched and nothing runs."""

import html
import re

from .elements import Html, joined

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #8886; --tint: #8881; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181c; } }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem;
  border-bottom: 1px solid var(--faint); }
table { border-collapse: collapse; font-size: 0.9rem; display: block; overflow-x: auto; }
th, td { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--faint); overflow-wrap: anywhere; }
th { font-weight: 600; } th, td:not(:last-child) { white-space: nowrap; }
th[colspan] { white-space: normal; font-weight: 400; padding-top: 1rem; }
td > code { display: block; min-width: 14rem; white-space: normal; overflow-wrap: anywhere; }
.bad { background: #b3134f; color: #fff; padding: 0 0.3rem; border-radius: 3px; }
pre { background: var(--tint); padding: 0.7rem; overflow-x: auto; font-size: 0.85rem; }
figure { margin: 1rem 0; background: #fff; border-radius: 4px; padding: 0.5rem; overflow-x: auto; }
figure img, figure svg { max-width: 100%; height: auto; display: block; margin: auto; }
figcaption { color: #444; font-size: 0.9rem; max-width: 40rem; margin: 0.5rem auto 0; }
nav { columns: 15rem; font-size: 0.9rem; } nav a { display: block; }
a { color: inherit; }
@media (max-width: 45rem) {
  figure img { max-width: none; min-width: 42rem; } /* it scrolls, and its texts can be read */
  body { margin: 1rem auto; padding: 0 0.7rem; overflow-wrap: anywhere; }
  table { table-layout: auto; font-size: 0.8rem; }
  th, td:not(:last-child) { white-space: normal; overflow-wrap: normal; }
  th { padding-right: 0.5rem; }
  table:has(code) :is(th:not([colspan]), td:nth-child(n)) { white-space: nowrap; }
  td { padding-right: 0.4rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  figure { padding: 0.2rem; }
}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def section(heading: str, *parts: str) -> Html:
    """A heading, which a link can lead to, and what stands below it."""
    place = "-".join(re.findall(r"\w+", heading.lower()))
    return Html(
        f'<section>\n<h2 id="{place}">{html.escape(heading)}</h2>\n{joined(parts)}\n</section>'
    )


def page(title: str, *parts: str) -> str:
    """A whole page; parts that are not ``Html`` become paragraphs. Equal input, equal bytes.

    Above four or more sections there is a table of contents.
    """
    name = html.escape(title)
    body = joined(parts)
    found = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', body)
    if len(found) >= 4:
        links = "\n".join(f'<a href="#{place}">{heading}</a>' for place, heading in found)
        body = Html(f'<nav aria-label="contents">\n{links}\n</nav>\n{body}')
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )
