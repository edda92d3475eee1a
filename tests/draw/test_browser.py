"""Pages in a real browser, where there is one: Playwright, and Chromium from the system."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import draw, markup, nn
from tinygrad_np.draw import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
WIDE = "document.documentElement.scrollWidth"
# elements that end right of the window, or have to be scrolled to be read
HIDDEN = """[...document.querySelectorAll("body *")].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 1
    || (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX != "visible")
).map(e => e.tagName + " " + e.textContent.slice(0, 40))"""

SCALES = "[...document.images].map(e => [e.alt, e.clientWidth / e.naturalWidth])"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_page_fits_a_phone_and_a_screen(tmp_path: Path) -> None:
    browsers = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("matplotlib")
    model = nn.Sequential(nn.Linear(784, 16, seed=0), nn.ReLU(), nn.Linear(16, 10, seed=0))
    graph = draw.graph(model, np.zeros((2, 784), np.float32))
    if not draw.render.programs():
        pytest.skip("no program that draws is installed")
    net = nn.Sequential(
        nn.Conv2d(1, 8, 5, seed=0), nn.ReLU(), nn.Flatten(), nn.Linear(4608, 3, seed=0)
    )
    images = np.random.default_rng(0).random((4, 1, 28, 28))
    seen = {
        "filters": draw.filters(net), "feature maps": draw.feature_maps(net, images[0]),
        "saliency": draw.saliency(net, images), "Grad-CAM": draw.grad_cam(net, images, classes=0),
        "hardest": draw.hardest(images, np.arange(4) % 3, np.eye(3)[[0, 0, 2, 1]]),
    }  # fmt: skip
    confusion = page.png(draw.confusion(np.eye(10, dtype=int)))
    digest = "0123456789abcdef" * 4
    parts = [
        markup.section("Data", markup.table([("training images", "uint8 (6000, 28, 28)", digest)])),
        markup.section("Seeds", markup.table([("mean ± sd", *["98.58 ± 0.03"] * 4, digest)])),
        markup.section("Confusion", page.picture(confusion, "confusion", "How to read it.")),
        *[markup.section(name, page.picture(page.png(figure), name, "Read it so."))
          for name, figure in seen.items()],
        markup.section("Network", page.drawing(graph.pipe("svg", encoding="utf-8"), "Read it so."),
                     markup.code(repr(model) + " " + "word " * 60)),
    ]  # fmt: skip
    (tmp_path / "p.html").write_text(markup.page("A page", *parts), encoding="utf-8")
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in (390, 1280):
            tab = browser.new_page(viewport={"width": width, "height": 800})
            tab.goto((tmp_path / "p.html").as_uri())
            assert tab.evaluate(WIDE) == width
            if width == 390:
                assert tab.evaluate(HIDDEN) == []
                shown = dict(tab.evaluate(SCALES))
                # letters of 9 points, 12.5 pixels of the picture, are 6 high or more
                assert {name: shown[name] > 0.5 for name in seen} == dict.fromkeys(seen, True)
            tab.click('nav a[href="#network"]')
            assert tab.evaluate("scrollY") > 0
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_receipt_fits_a_screen_and_scrolls_in_its_tables_on_a_phone(tmp_path: Path) -> None:
    browsers = pytest.importorskip("playwright.sync_api")
    rng = np.random.default_rng(0)
    normalised = nn.Sequential(nn.Linear(4, 3, seed=0), nn.GELU(), nn.LayerNorm(3))
    convolved = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, seed=0), nn.ReLU(), nn.MaxPool2d(2))
    made = {
        "mlp": tg.receipt(lambda x: np.sum(normalised(x) ** 2), rng.normal(size=(5, 4))),
        "cnn": tg.receipt(lambda x: np.sum(convolved(x) ** 2), rng.normal(size=(2, 1, 6, 6))),
    }
    scrolled = "[...document.querySelectorAll('table')].map(t => t.scrollWidth > t.clientWidth)"
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, receipt in made.items():
            place = receipt.save(tmp_path / f"{name}.html").as_uri()
            for width in (390, 1280):
                tab = browser.new_page(viewport={"width": width, "height": 800})
                tab.goto(place)
                assert tab.evaluate(WIDE) == width
                ends, each, functions = tab.evaluate(scrolled)
                assert (each, functions) == (width == 390, False)
                assert not (ends and width > 390)
                tab.close()
        browser.close()
