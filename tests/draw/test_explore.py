"""The explorer: what its page holds, and the page in a real browser."""

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.draw.explore import PIXELS, asset
from tinygrad_np.draw.explore_arrays import NOT_FINITE, described, heights
from tinygrad_np.markup import printable
from tinygrad_np.recording import Recording

HOSTILE = "w</script><script>window.bad=1</script><img src=x onerror=window.bad=1>\u202e\ud800"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ROWS, EQUATIONS, ARRAYS = "rows", "equations", "arrays"


def network() -> tuple[Recording, dict[str, np.ndarray]]:
    """Two linear layers on pictures, of which each pixel is its number, and the gradients."""
    model = nn.Sequential(nn.Linear(64, 5, seed=0), nn.Tanh(), nn.Linear(5, 3, seed=1))
    x = np.arange(4 * 64, dtype=np.float32).reshape(4, 64) / 256
    labels, shift = np.arange(4) % 3, tg.Tensor(np.float32(0.0), name=HOSTILE)

    def loss(pictures: Any, labels: Any) -> Any:
        return nn.functional.cross_entropy(model(pictures) + shift, labels)

    def of_parameters(parameters: Any) -> Any:
        return nn.functional.cross_entropy(nn.functional_call(model, parameters, x), labels)

    loss.__name__ = HOSTILE
    made = tg.trace(loss, x, labels)
    return made, tg.grad(of_parameters)(model.state_dict())


def data_of(path: Path) -> dict[str, Any]:
    """What the page is told."""
    found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def levels(picture: list[Any]) -> np.ndarray:
    """A picture's pixels."""
    *shape, _, _, text = picture
    pixels: np.ndarray = np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
    return pixels


def test_a_page_needs_nothing_and_says_what_print_says(tmp_path: Path) -> None:
    made, gradients = network()
    path = tg.draw.explore(made, tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    data = data_of(path)
    assert not re.search(r"https?:|@import|url\(", text)
    outside = re.sub(r'id="data">.*?</script>', "", text, flags=re.DOTALL)  # of base64
    assert not re.search(r"[\"'(=]//", outside)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1  # the hostile name has made none
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert [found[0] for found in data[EQUATIONS]] == [printable(row.left) for row in made.rows()]
    line = data["lines"][data[EQUATIONS][0][5]]
    assert line[0].startswith("test_explore.py:")
    assert "cross_entropy(model(pictures) + shift, labels)" in line[3][line[1] - line[2]]
    # every equation has a row, and each row is computed from rows above it
    rows = data[ROWS]
    assert {row[2] for row in rows if row[2] >= 0} | {i for row in rows for i in row[6]} == set(
        range(len(made))
    )
    assert all(source < i for i, row in enumerate(rows) for source in row[5])
    titles = [group[0] for group in data["groups"]]
    assert titles == ["Sequential", "0: Linear › linear", "1: Tanh", "2: Linear › linear",
                      "cross_entropy"]  # fmt: skip
    # the pictures are digits, the gradients are the gradients
    x = data[ARRAYS][rows[0][3][0]]
    assert levels(x[13]).shape == (4, 8, 8)
    assert np.abs(levels(x[13]).ravel() / 254 * x[11] - np.arange(256) / 256).max() < 0.5 / 254
    shown = {data[ARRAYS][row[3][0]][0]: row[4] for row in rows if row[2] < 0 and row[4] >= 0}
    assert len(shown) == len(gradients) == 4
    for (name, cotangent), gradient in zip(shown.items(), gradients.values(), strict=True):
        picture = data[ARRAYS][cotangent]
        seen = (levels(picture[12]).reshape(gradient.shape) - 127.0) / 127 * picture[11]
        assert np.abs(seen - gradient).max() <= np.abs(gradient).max() / 127, name
    name, rule = data["groups"][1][2][2]
    assert name == "bias" and rule.startswith("row_sum(rows(g)); row_sum: The sum over all rows")


def test_every_kind_of_array_has_a_picture() -> None:
    nan, inf = np.nan, np.inf
    table: list[tuple[Any, list[int], int]] = [
        (np.array([True, False]), [254, 127], 0),
        (np.array([0, 2, 4]), [127, 190, 254], 0),
        (np.array([0, -2, -4]), [127, 64, 0], 0),
        (np.array([-4, 0, 4], np.int8), [0, 127, 254], 0),
        (np.array([1.0, nan, inf, -inf, 0.5], np.float16), [254, 255, 255, 255, 190], 3),
        (np.array([nan]), [NOT_FINITE], 1),
        (np.array([3 + 4j, 0]), [254, 127], 0),
        (np.array([-1e308, 1e308]), [0, 254], 0),
        (np.array(5.0), [254], 0),
        (np.zeros(3), [127, 127, 127], 0),
    ]
    for array, expected, bad in table:
        found = described(array, 100)
        assert (levels(found[10]).ravel().tolist(), found[5]) == (expected, bad), array
    for array in (np.zeros((0, 3)), np.array(["a"]), np.array([None])):
        assert described(array, 100) == []
    # in whatever room there is, a picture is there and no larger
    rng = np.random.default_rng(0)
    for shape in [(1000,), (7, 1000), (1000, 7), (2, 3, 28, 28), (64, 784), (1, 1, 300), (90, 90)]:
        array = rng.normal(size=shape)
        for pixels in (16, 200, 12_000):
            found = described(array, pixels, sides={784})
            assert 1 <= levels(found[10]).size <= max(pixels, 16) * 1.3, (shape, pixels)
            if found[11] is not None:
                assert 1 <= levels(found[11]).size <= pixels, (shape, pixels)
            bins = np.frombuffer(base64.b64decode(found[7]), np.uint8)
            assert (bins.size, bins.max()) == (24, 255)


def test_colours_are_around_0_for_all_but_the_pictures_that_are_given(tmp_path: Path) -> None:
    x, w = np.abs(np.sin(np.arange(128.0))).reshape(2, 64), np.sin(np.arange(192.0)).reshape(64, 3)
    weights, mask = tg.Tensor(w, requires_grad=True), tg.Tensor(x[:, :, None] * np.ones(8))

    def loss(pictures: Any, labels: Any) -> Any:
        seen = np.reshape(pictures, (2, 8, 8))
        hidden = nn.functional.relu(np.reshape(seen, (2, 64)) @ weights)
        return np.sum(hidden) + np.sum(np.abs(pictures - 2) * 2) + np.sum(mask) + np.sum(labels)

    path = tg.draw.explore(tg.trace(loss, x, np.arange(2)), tmp_path / "page.html")
    arrays = data_of(path)[ARRAYS]
    # the picture, its views and a constant picture; not what is computed, nor labels
    grey = [found[1] for found in arrays if len(found) > 2 and not found[10]]
    assert sorted(grey) == [
        "float64[2, 64, 8]", "float64[2, 64]", "float64[2, 64]", "float64[2, 8, 8]",
        "float64[64, 2]",
    ]  # fmt: skip
    for array in (x, x - 2):  # what is below 0 is blue, also in pictures
        assert described(array, 500, {64}, is_given=True)[8] == int(array is not x)


def test_the_tallest_bar_is_the_highest_for_every_count() -> None:
    lost = [
        most
        for most in range(1, 5_001)
        if heights(np.array([most, 1, 0])).tolist() != [255, -(-255 // most), 0]
    ]
    assert lost == []
    # as the page has it: 22 zeros and one 1
    bins = described(np.array([0.0] * 22 + [1.0]), 100)[7]
    assert list(base64.b64decode(bins)) == [255, *[0] * 22, 12]


def test_thousands_of_equations_fold_and_stay_small(tmp_path: Path) -> None:
    w = tg.Tensor(np.linspace(0.5, 1.5, 400).reshape(20, 20), requires_grad=True, name="w")

    def chain(x: Any) -> Any:
        for _ in range(130):
            x = np.tanh(x * w)
        return np.sum(x)

    made = tg.trace(chain, np.ones((20, 20)))
    made.release()
    path = tg.draw.explore(made, tmp_path / "page.html")
    assert made.results[0].array is None  # what was released is again
    data = data_of(path)
    pictures = sum(len(picture[5]) for found in data[ARRAYS] for picture in found[12:] if picture)
    assert pictures <= PIXELS * 4 / 3
    each = (path.stat().st_size - pictures) / len(made)
    assert each * 5000 + PIXELS * 4 / 3 < 5e6
    inside: dict[int, int] = {}
    for around in [row[1] for row in data[ROWS]] + [group[1] for group in data["groups"]]:
        inside[around] = inside.get(around, 0) + 1
    assert max(inside.values()) <= 150


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"explore\(recording=Tensor .*: what tg.trace ret"):
        tg.draw.explore(w * 2, tmp_path / "p.html")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty recording: fn computed nothing"):
        tg.draw.explore(tg.trace(lambda x: x, np.ones(2)), tmp_path / "p.html")
    with pytest.raises(tg.DataError, match="nowhere"):
        tg.draw.explore(tg.tape_of(w * 2), tmp_path / "nowhere" / "p.html")
    assert list(tmp_path.iterdir()) == []


def test_a_phone_has_all_that_a_screen_has_but_the_lines_around() -> None:
    hidden = re.findall(r"([^{}]*)\{[^{}]*display: none", asset("explore.css"))
    assert [each.strip() for each in hidden] == [
        "#summary, .colours", ".source div:not(.at, .file)"
    ]  # fmt: skip


CHOSEN = "document.querySelector('.row.chosen b').textContent"
WHERE = "document.getElementById('where').textContent"
TITLE = "document.querySelector('#detail h2').textContent"
COUNT = "document.getElementById('rows').clientHeight / 46"  # rows that are not folded away
MADE = "document.querySelectorAll('.row').length"
DRAWN = """[...document.querySelectorAll('#detail canvas')].every(canvas =>
    canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        .data.some(value => value > 0))"""

STEPS = f"""(() => {{
    const found = [], right = {{ key: "ArrowRight", bubbles: true }};
    for (let i = 4; i <= {WHERE}.split(" ").pop(); i++) {{
        document.getElementById("graph").dispatchEvent(new KeyboardEvent("keydown", right));
        found.push({WHERE} + " " + {DRAWN});
    }}
    return found;
}})()"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser(tmp_path: Path) -> None:
    browsers = pytest.importorskip("playwright.sync_api")
    small = tg.draw.explore(network()[0], tmp_path / "small.html")
    w = tg.Tensor(np.linspace(-1, 1, 9), requires_grad=True, name="w")

    def chain(x: Any) -> Any:
        for _ in range(300):
            x = np.tanh(x * w)
        return np.sum(x)

    large = tg.draw.explore(tg.trace(chain, np.ones(9)), tmp_path / "large.html")
    names: dict[str, Any] = {"np": np}
    source = tmp_path / "long.py"
    source.write_text(f"def lost(x):\n    return np.log(x)  # {'and so on ' * 25}\n")
    exec(compile(source.read_text(), source, "exec"), names)
    with np.errstate(all="ignore"):
        lost = tg.draw.explore(tg.trace(names["lost"], -np.ones(2)), tmp_path / "lost.html")
    said: list[str] = []
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (390, "dark")):
            tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("request", lambda r: None if r.url.startswith("file:") else said.append(r.url))
            tab.goto(small.as_uri())
            walk_through(tab, every=width > 1000)
            assert tab.evaluate("document.documentElement.scrollWidth") == width
            assert tab.evaluate("window.bad") is None
            tab.goto(lost.as_uri())
            assert "mean" not in tab.inner_text("#detail .made")
            assert tab.inner_text("#detail .made .bad") == "2 not finite"
            assert "and so on" in tab.inner_text("#detail .source .at")
            value, arrow = (tab.locator(f"#detail {e}").bounding_box() for e in (".made", ".to"))
            assert (value["x"] < arrow["x"]) == (width < 1000)  # on a phone what is made is first
            end = "e => e.getBoundingClientRect().right"
            ends = tab.eval_on_selector_all("#detail .source code", f"all => all.map({end})")
            assert max(ends) < width
            tab.goto(large.as_uri())
            fold_and_search(tab)
            assert tab.evaluate("document.documentElement.scrollWidth") == width
            tab.close()
        browser.close()
    assert said == []


def walk_through(tab: Any, every: bool) -> None:
    """Steps forwards and backwards, by keys and clicks."""
    press = tab.keyboard.press
    assert tab.evaluate(TITLE).startswith("Equation 1 of ")
    total = int(tab.evaluate(WHERE).split()[-1])
    assert tab.evaluate("document.activeElement.id") == "graph"
    for i in (2, 3):
        press("ArrowRight")
        assert tab.evaluate(WHERE) == f"{i} of {total}"
    if every:
        assert tab.evaluate(STEPS) == [f"{i} of {total} true" for i in range(4, total + 1)]
    press("End")
    press("ArrowRight")  # stays there
    assert tab.evaluate(TITLE) == f"Equation {total} of {total}, backward"
    press("ArrowLeft")
    assert tab.evaluate(WHERE) == f"{total - 1} of {total}"
    press("Home")
    assert "cross_entropy(model(pictures)" in tab.inner_text("#detail .source .at")
    press("ArrowUp")  # the parameter above
    assert tab.evaluate(TITLE) == "0.weight: parameter"
    assert tab.inner_text("#detail h3.backward >> nth=0") == "gradient"
    tab.fill("#search", "onerror constant")
    press("Enter")
    assert "</script><script>" in tab.evaluate(TITLE)
    assert "</script><script>" in tab.inner_text("h1")
    # the value of an operation and its derivative
    tab.fill("#search", "tanh")
    press("Enter")
    assert tab.evaluate(CHOSEN).startswith("tanh(")
    assert re.search(r"g · \(1 - (\w+) · \1\)", tab.inner_text("#detail .rule code"))
    press("Escape")
    press("b")
    assert tab.evaluate(TITLE).endswith(", backward")
    press("b")
    assert tab.evaluate(TITLE).endswith(", forward")
    tab.fill("#search", "transpose(0")  # a part of linear, whose derivative it is
    press("Enter")
    press("Escape")
    press("b")
    assert tab.evaluate(TITLE).endswith(", backward")
    tab.fill("#search", "labels input")
    press("Enter")
    press("Escape")
    assert tab.inner_text("#where") == f"{total} equations"
    press("b")
    assert tab.inner_text("#where") == "no derivative"
    tab.fill("#search", "tanh")
    press("Enter")
    press("Escape")
    tab.click("#detail .rule .link")  # to the operand
    assert tab.evaluate(CHOSEN).startswith("add(")
    # folding by key, by click, and all
    before = tab.evaluate(COUNT)
    press("Enter")
    assert tab.evaluate(TITLE) == "0: Linear › linear"
    assert tab.evaluate(COUNT) < before
    press(" ")
    assert tab.evaluate(COUNT) == before
    assert tab.locator(".row.chosen[aria-expanded=true][aria-selected=true]").count() == 1
    tab.click("#fold")
    assert tab.is_visible("footer")
    assert tab.evaluate(COUNT) == 6  # inputs, the network, what is added, the loss
    tab.click(".row.group >> nth=0 >> .node")
    assert tab.evaluate(COUNT) == 9


def fold_and_search(tab: Any) -> None:
    """Many equations: few rows at once, and a search finds what is folded."""
    assert tab.evaluate(MADE) < 40
    tab.keyboard.press("End")
    assert tab.evaluate(TITLE).endswith(", backward")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.keyboard.type("tanh v400")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#found").startswith("1 of ")
    assert "v400" in tab.inner_text("#detail .formula")
    assert tab.locator(".row.chosen").count() == 1
    tab.evaluate("document.getElementById('unfold').click()")
    assert tab.evaluate(COUNT) > 300
    assert tab.evaluate(MADE) < 40
    tab.fill("#search", "nothing like it")
    assert tab.inner_text("#found") == "0 found"
