"""The playground: what a network does with a drawing, the server, and the page in a browser."""

import base64
import http.client
import json
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.outside import interrupted
from tinygrad_np import __main__ as door
from tinygrad_np.run import description, playground
from tinygrad_np.run.description import Description
from tinygrad_np.run.playground_server import LARGEST, SIDE, Server
from tinygrad_np.run.playground_session import Refused, Session
from tinygrad_np.run.predict import scaled
from tinygrad_np.training import weights

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PLAIN = Description("mlp", (784, 12, 10), "tanh", None, (28, 28), None, None, None, True)
NETWORKS = {
    "mlp": PLAIN,
    "normalised": replace(PLAIN, norm="batch", mean=0.13, std=0.31),
    "smaller": replace(PLAIN, sizes=(196, 12, 10), shape=(14, 14)),
    "convolutional": replace(PLAIN, network="lenet-5", names=tuple("abcdefghij")),
}
X, Y = (part[:20] for part in tg.data.mnist()[0])


def session(described: Description = PLAIN, rate: float = 0.01) -> Session:
    return Session(described.build(), described, rate)


def drawing(i: int = 0, factor: int = 6) -> np.ndarray:
    """A digit as one would draw it."""
    drawn: np.ndarray = 255 - np.kron(X[i], np.ones((factor, factor), np.uint8))
    return drawn


def pixels(array: list[Any]) -> np.ndarray:
    """What a page draws of an array (the picture as a matrix)."""
    *shape, _, _, text = array[12]
    levels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape).astype(float)
    share = (levels - 127) / 127 if array[10] else levels / 254
    return np.asarray(share * array[11])


@pytest.mark.parametrize("described", NETWORKS.values(), ids=NETWORKS)
def test_a_guess_and_a_step_are_the_networks_own(described: Description) -> None:
    played = session(described)
    x, _ = played.prepared(drawing())
    if described.shape == (28, 28):
        np.testing.assert_array_equal(x, scaled(tg.data.digits_from(drawing()), described))
    found = played.guess(drawing())
    logits = tg.training.predict(played.model, x)
    own = np.asarray(tg.nn.functional.softmax(tg.Tensor(logits)).numpy())[0]
    assert found["guess"] == logits.argmax()
    np.testing.assert_allclose(found["shares"], own, atol=6e-5)
    slope = tg.grad(lambda v: played.model(v)[0, found["guess"]])(x).reshape(described.shape)
    assert np.abs(pixels(found["saliency"])[0] - slope).max() <= np.abs(slope).max() / 250
    layer = found["layers"][-1]
    assert layer[0].endswith(": Linear") and layer[1] == "float32[10]"
    assert np.abs(pixels(layer).ravel() - logits[0]).max() <= np.abs(logits).max() / 250
    # a step is that of SGD by the gradient of this loss
    before = {name: tensor.numpy().copy() for name, tensor in played.model.named_parameters()}

    def loss(parameters: Any) -> Any:
        value = tg.nn.functional_call(played.model, parameters, x)
        return tg.nn.functional.cross_entropy(value, np.array([3]))

    value, slopes = tg.value_and_grad(loss)(before)
    said = played.learn(drawing(), 3)
    assert said["loss"] == pytest.approx(float(value), abs=1e-4)
    for name, tensor in played.model.named_parameters():
        expected = before[name] - 0.01 * slopes[name]
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert said["shares"][3] > found["shares"][3]
    assert played.steps == said["steps"] == 1
    page = played.explore()
    assert '"text":' not in page and "cross_entropy" in page and "SGD.step()" in page
    played.forget()
    assert played.guess(drawing())["shares"] == found["shares"]
    with pytest.raises(Refused, match="no step to explore yet"):
        played.explore()


def test_a_step_to_nowhere_is_taken_back() -> None:
    played = session(replace(PLAIN, activation="relu"), rate=1e30)
    before = played.guess(drawing())["shares"]
    with pytest.raises(Refused, match="not finite, and was taken back") as caught:
        for _ in range(5):
            played.learn(drawing(), 3)
    assert caught.value.status == 409
    played.forget()
    assert played.guess(drawing())["shares"] == before
    two = np.hstack([drawing(0), drawing(1)])
    assert played.guess(two)["note"] == "found 2 digits: this is the first"
    with pytest.raises(tg.DataError, match="found no ink"):
        played.guess(np.full((50, 50), 255, np.uint8))


@contextmanager
def serving(played: Session) -> Iterator[Server]:
    with Server(played, playground.page(played.described, "these weights")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def body(picture: np.ndarray, **more: Any) -> bytes:
    text = base64.b64encode(picture.tobytes()).decode()
    given = {"height": picture.shape[0], "width": picture.shape[1], "pixels": text}
    return json.dumps(given | more).encode()


def test_what_is_asked_wrongly_gets_a_sentence_and_the_server_goes_on() -> None:
    good, json_type = body(drawing()), {"Content-Type": "application/json"}
    with serving(session()) as server:
        port, place = server.server_port, f"/{server.token}/"

        def ask(
            method: str, path: str, content: bytes | None = None, headers: Any = json_type
        ) -> tuple[int, Any]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            connection.close()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if is_json else text

        def raw(text: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(text)
                return connection.recv(1000)

        def learn(label: Any) -> bytes:
            return body(drawing(), label=label)

        table: list[tuple[tuple[Any, ...], int, str]] = [
            (("GET", "/"), 403, "random word"),
            (("GET", place[:-1]), 403, "random word"),
            (("GET", f"/{server.token}x/"), 403, "random word"),
            (("POST", "/wrong/guess", good), 403, "random word"),
            (("GET", place, None, {"Host": "evil.example"}), 403, "at its own address"),
            (("GET", place, None, {"Host": f"evil.example:{port}"}), 403, "at its own address"),
            (("POST", place + "guess", good, json_type | {"Origin": "http://evil.example"}), 403,
             "its own page alone"),
            (("GET", place + "guess"), 404, "nothing at this address"),
            (("GET", place + "../../etc/passwd"), 404, "nothing at this address"),
            (("POST", place + "nothing", good), 404, "nothing at this address"),
            (("PUT", place + "guess", good), 405, "PUT"),
            (("DELETE", place), 405, "DELETE"),
            (("GET", place + "explore"), 409, "no step to explore yet"),
            (("POST", place + "guess", good, {}), 415, "application/json"),
            (("POST", place + "guess", b"{"), 400, "not JSON"),
            (("POST", place + "guess", b"[" * 100_000), 400, "not JSON"),
            (("POST", place + "guess", b"\xff\xfe\x00"), 400, "not JSON"),
            (("POST", place + "guess", b"[1]"), 400, "not an object"),
            (("POST", place + "guess", b"{}"), 400, f"a whole number from 1 to {SIDE}"),
            (("POST", place + "guess", body(drawing(), width=1e9)), 400, "width is not a whole"),
            (("POST", place + "guess", body(drawing(), width=True)), 400, "width is not a whole"),
            (("POST", place + "guess", body(drawing(), width=3)), 400, "168 rows of 3"),
            (("POST", place + "guess", body(drawing(), pixels=[0])), 400, "not text in base64"),
            (("POST", place + "guess", body(drawing(), pixels="é*")), 400, "not text in base64"),
            (("POST", place + "guess", body(np.zeros((40, 40), np.uint8))), 422, "found no ink"),
            (("POST", place + "learn", learn(None)), 400, "from 0 to 9"),
            (("POST", place + "learn", learn(10)), 400, "label is not"),
            (("POST", place + "learn", learn("3")), 400, "label is not"),
            (("POST", place + "learn", good), 400, "label is not"),
        ]  # fmt: skip
        for asked, status, sentence in table:
            found, said = ask(*asked)
            assert (found, sentence in said["error"]) == (status, True), (asked[:2], said)
        # what no client of Python's sends: no length, a wrong one, too long, no HTTP at all
        start = f"POST {place}guess HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
        for text, status in [
            (start + b"\r\n", b"411"),
            (start + b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
            (start + b"Content-Length: -1\r\n\r\n", b"411"),
            (start + b"Content-Length: \xb2\r\n\r\n", b"411"),
            (start + f"Content-Length: {LARGEST + 1}\r\n\r\n".encode(), b"413"),
            (start + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
            (b"hello there you\r\n\r\n", b'"error"'),  # no status before 1.0
            (b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
            (f"GET {place} HTTP/1.1\r\n\r\n".encode(), b"403"),
            (f"GET /é/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(), b"403"),
        ]:
            assert status in raw(text).split(b"\r\n")[0], text[:90]
        status, said = ask("POST", place + "guess", good)
        assert status == 200 and len(said["shares"]) == 10
        local = json_type | {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
        assert ask("POST", place + "learn", learn(3), local)[0] == 200
        status, page = ask("GET", place + "explore")
        assert status == 200 and "cross_entropy" in page
        status, page = ask("GET", place)
        assert status == 200 and "connect-src 'self'" in page
        assert server.server_address[0] == "127.0.0.1"


def saved(path: Path, described: Description) -> Path:
    """Weights as ``train`` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {name: getattr(described, name) for name in described.__dataclass_fields__}
    weights.save(path, described.build().state_dict(), {description.KEY: json.dumps(told)})
    return path


def test_the_weights_are_those_named_or_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(playground, "QUICK", 640)
    model, described, origin = playground.chosen(None)
    assert capsys.readouterr().out.startswith("no weights in runs: training a small network")
    assert (described.sizes, origin) == (
        (784, 64, 10), "a small network, trained on 640 digits of MNIST just now"
    )  # fmt: skip
    x, y = scaled(X, described), Y
    assert np.mean(tg.training.predict(model, x).argmax(axis=1) == y) > 0.6
    old = saved(tmp_path / "runs" / "old" / "weights.npz", NETWORKS["convolutional"])
    assert playground.chosen(None)[1:] == (
        NETWORKS["convolutional"], "runs/old/weights.npz, the newest weights in runs"
    )  # fmt: skip
    bad = tmp_path / "runs" / "bad" / "weights.npz"
    bad.parent.mkdir()
    bad.write_bytes(b"no weights")
    assert playground.chosen(None)[2].startswith("runs/old/weights.npz")
    assert capsys.readouterr().out.startswith("left out: runs/bad/weights.npz")
    for given in (old, old.parent):
        assert playground.chosen(given)[2] == f"the weights of {old}"
    for words, sentence in [
        (["nowhere.npz"], "nowhere.npz"), ([str(bad)], "weights.npz"), (["--lr", "0"], "above 0"),
        (["--lr", "nan"], "above 0"), (["--lr", "x"], "invalid float"), (["a", "b"], "b"),
    ]:  # fmt: skip
        assert door.main(["playground", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("playground: ") and sentence in line


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.npz", PLAIN)
    command = [sys.executable, "-m", "tinygrad_np", "playground", str(path)]
    assert interrupted(command, "Ctrl-C ends it.") == (130, "", "playground: stopped.\n")


STROKES = [(80, 70), (140, 50), (190, 90), (150, 140), (200, 190), (140, 240), (80, 210)]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser() -> None:
    browsers = pytest.importorskip("playwright.sync_api")
    said: list[str] = []
    played = Session(*playground.quick())
    with serving(played) as server, browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in (1280, 390):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on(
                "request",
                lambda r: None if r.url.startswith(server.address) else said.append(r.url),
            )
            tab.goto(server.address)
            assert tab.is_disabled("#learn") and tab.inner_text("#guess") == "?"
            draw(tab, STROKES)
            tab.wait_for_selector("#inside figure")
            assert tab.inner_text("#guess").startswith("3")
            assert tab.locator("#inside figure").count() == 5  # seen, saliency, three layers
            assert tab.locator("#shares i").count() == 10
            assert re.match(r"layers\.0: Linear", tab.inner_text("#inside figure >> nth=2"))
            last = tab.locator("#inside .vector").last  # the outputs, by their digits
            assert re.fullmatch(r"(\d [-.\d]+ ?){10}", " ".join(last.inner_text().split()))
            box = last.bounding_box()
            assert box["x"] + box["width"] < width
            tab.keyboard.press("8")
            before = played.steps
            tab.click("#learn")
            tab.wait_for_selector(f"#learned:has-text('step {before + 1} taken')")
            with tab.context.expect_page() as opened:
                tab.click("#explore")
            explorer = opened.value
            explorer.wait_for_selector("body[data-ready]")
            assert explorer.inner_text("h1") == "Recording of step"
            explorer.keyboard.press("End")
            assert explorer.inner_text("#detail h2").startswith("Equation ")
            explorer.close()
            assert tab.evaluate("document.documentElement.scrollWidth") == width
            tab.route("**/guess", lambda route: route.abort())  # the server is gone
            draw(tab, [(100, 150), (250, 150), (330, 420)])  # and the pointer out of the paper
            tab.wait_for_selector("#inside.old")
            assert tab.inner_text("#inside .bad") == "These pictures are of an earlier drawing."
            assert tab.evaluate("getSelection().toString()") == ""
            said[:] = [text for text in said if "ERR_FAILED" not in text]
            tab.unroute("**/guess")
            tab.click("#undo")
            tab.wait_for_selector("#inside:not(.old) figure")
            tab.click("#forget")
            tab.wait_for_selector("#learned:has-text('of the beginning')")
            assert tab.is_disabled("#explore")
            tab.keyboard.press("c")
            assert tab.inner_text("#guess") == "?" and not tab.locator("#inside figure").count()
            tab.close()
        browser.close()
    assert said == []


def draw(tab: Any, points: list[tuple[int, int]]) -> None:
    """One stroke with the mouse."""
    box = tab.locator("#paper").bounding_box()
    tab.mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
    tab.mouse.down()
    for x, y in points[1:]:
        tab.mouse.move(box["x"] + x, box["y"] + y, steps=3)
    tab.mouse.up()
