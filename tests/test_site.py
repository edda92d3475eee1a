"""The site: built without a warning, its links and its reference whole, and seen in a browser."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.outside import ROOT, loaded


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = set[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        if tag == "a" and (target := found.get("href")):
            self.links.append(target)
        elif target := found.get("src") or (tag == "link" and found.get("href")) or None:
            self.loads.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocstrings", reason="the site needs the extra docs")
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    """Links and pictures that lead nowhere, and what a page would load from the network."""
    for path, page in pages.items():
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    yield f"{path.name} loads {target}"
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = place / "index.html" if place.is_dir() else place
            if not place.exists() or (
                place in pages and unquote(parts.fragment) not in {"", *pages[place].anchors}
            ):
                yield f"{path.name} to {target}"


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere_and_nothing_is_loaded(site: Path) -> None:
    files = [path for path in site.rglob("*.html") if path.name != "404.html"]
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in files}
    assert len(pages) > 20
    assert list(broken(pages)) == []
    for style in [*site.glob("*.css"), *site.glob("assets/stylesheets/*.css")]:
        assert not re.search(r"url\(.?https?:", style.read_text(encoding="utf-8")), style
    made = loaded("docs/reference/pages.py")
    for name in made.modules():
        anchors = pages[site.resolve() / "reference" / f"{name}.html"].anchors
        assert [each for each in made.public(name) if f"{name}.{each}" not in anchors] == []


# what people type, and the page and heading they look for
QUESTIONS = {
    "save model": "own_model.html#save-and-load-a-model",
    "load model": "own_model.html#save-and-load-a-model",
    "own layer": "own_model.html#a-layer-of-your-own",
    "custom layer": "own_model.html#a-layer-of-your-own",
    "own model": "own_model.html#a-model-of-your-own-module",
    "my model does not learn": "own_model.html#my-model-does-not-learn",
    "overfitting": "training.html#overfitting",
    "early stopping": "training.html#early-stopping-and-the-best-weights",
    "gradient clipping": "optimisers.html#gradient-clipping-and-other-limits",
    "class weights": "training.html#class-weights",
    "image folder": "own_data.html#a-folder-of-pictures",
    "random seed": "training.html#seeds-the-same-run-again",
    "install on windows": "start.html#1-install-linux-macos-windows",
    "freeze layers": "training.html#freeze-layers",
    "notebooks": "notebooks.html",
}


def ranks(entry: dict[str, Any], words: list[str]) -> tuple[bool, float]:
    """Whether an entry has all the words, and how much it counts: words in a title count most."""
    title, body = (entry[key].lower() for key in ("title", "text"))
    in_title = sum(word in title for word in words)
    found = all(re.search(rf"\b{word}", f"{title} {body}") for word in words)
    return found, entry.get("boost", 1.0) * (1 + 100 * in_title)


@pytest.mark.slow
def test_the_words_people_type_find_their_place(site: Path) -> None:
    """By the index of the search: the place has all the words, and no other counts for more."""
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    lost = []
    for question, place in QUESTIONS.items():
        ranked = [(*ranks(e, question.split()), e["location"]) for e in index["docs"]]
        found = {location: score for has, score, location in ranked if has}
        if found.get(place, 0.0) < max(found.values(), default=1.0):
            lost.append((question, sorted(found, key=lambda where: -found[where])[:2]))
    assert lost == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that keeps connections open and prints no log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on this machine alone."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


WITH_SCRIPTS = ("coverage.html", "reference/tinygrad_np.html", "index.html")


@pytest.mark.slow
def test_every_page_in_a_browser(site: Path, address: str) -> None:
    """At 1280 and 390 pixels: no error, nothing wider than the window, nothing from elsewhere.

    With TINYGRAD_NP_SCREENSHOTS, a folder, every page's picture is left there: to be looked at.
    """
    browsers = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        pytest.skip("no browser test: there is no chromium on PATH")
    pictures = os.environ.get("TINYGRAD_NP_SCREENSHOTS") or None
    said: list[str] = []
    sizes = [{"width": width, "height": 900} for width in (1280, 390)]
    names = [file.relative_to(site).as_posix() for file in sorted(site.rglob("*.html"))]
    names.remove("404.html")
    with browsers.sync_playwright() as session:
        browser = session.chromium.launch(executable_path=program, args=["--no-sandbox"])
        # the theme's scripts are the same in all pages, and take longer than the pages
        for shown, scripts in ((names, pictures is not None), (WITH_SCRIPTS, True)):
            page = browser.new_page(
                viewport=sizes[0], reduced_motion="reduce", java_script_enabled=scripts
            )
            page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda r: None if r.url.startswith(address) else said.append(r.url))
            for name in shown:
                page.goto(f"{address}/{name}")
                for size in sizes:  # the page's first is the last of the page before
                    if page.viewport_size != size:
                        page.set_viewport_size(size)
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    assert (name, wide, said) == (name, size["width"], [])
                    if pictures is not None:
                        title = name.removesuffix(".html").replace("/", "-")
                        page.screenshot(path=f"{pictures}/{title}-{wide}.png", full_page=True)
                sizes.reverse()
        field = "input[name=query]"
        page.set_viewport_size({"width": 1280, "height": 900})
        for word, target in {"cross_entropy": "functional", "learning rate": "optimisers"}.items():
            page.fill(field, "")
            page.type(field, word)
            page.wait_for_selector(f".md-search-result__item a[href*={target}]")
        browser.close()
    assert said == []
