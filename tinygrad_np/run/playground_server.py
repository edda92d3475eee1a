"""The playground's server: one page, on this machine alone, for whoever has its address."""

import base64
import binascii
import hmac
import json
import secrets
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from .playground_session import Refused, Session

LARGEST = 2**20  # bytes of a request
SIDE = 1000  # of a drawing, in pixels
SECONDS = 30  # that a client may keep a connection without a word


class Server(ThreadingHTTPServer):
    """Answers at a free port of 127.0.0.1, below a random word that only its address has."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: Session, page: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.session, self.page = session, page
        self.token = secrets.token_urlsafe(24)
        self.lock = threading.Lock()
        self.hosts = {f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}"}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of ours."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection. What is asked wrongly is answered with a sentence, and the server goes on."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    server: Server

    def do_GET(self) -> None:
        self._answer({"": self._page, "explore": self._explore})

    def do_POST(self) -> None:
        self._answer({"guess": self._guess, "learn": self._learn, "forget": self._forget})

    def _answer(self, known: dict[str, Any]) -> None:
        try:
            asked = self._asked()
            if asked not in known:
                raise Refused(404, "there is nothing at this address; open the one that was shown.")
            kind, content = known[asked]()
            status = 200
        except Refused as refused:
            status, kind, content = refused.status, *_json({"error": str(refused)})
        except ValueError as error:  # such as a drawing without ink
            status, kind, content = 422, *_json({"error": str(error)})
        self._send(status, kind, content)

    def _asked(self) -> str:
        """What follows the token; refused for another host, another page, or without the token."""
        if self.headers.get("Host") not in self.server.hosts:
            raise Refused(403, "this server answers at its own address on this machine alone.")
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            raise Refused(403, "this server answers its own page alone.")
        token, slash, asked = self.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(403, "open the address that was shown, with its random word.")
        return asked

    def _page(self) -> tuple[str, bytes]:
        return "text/html", self.server.page.encode()

    def _explore(self) -> tuple[str, bytes]:
        with self.server.lock:
            return "text/html", self.server.session.explore().encode()

    def _guess(self) -> tuple[str, bytes]:
        drawing = _drawing(self._given())
        with self.server.lock:
            return _json(self.server.session.guess(drawing))

    def _learn(self) -> tuple[str, bytes]:
        given = self._given()
        drawing, label = _drawing(given), given.get("label")
        classes = self.server.session.described.classes
        if type(label) is not int or not 0 <= label < len(classes):
            raise Refused(400, f"label is not a whole number from 0 to {len(classes) - 1}.")
        with self.server.lock:
            return _json(self.server.session.learn(drawing, label))

    def _forget(self) -> tuple[str, bytes]:
        self._given()
        with self.server.lock:
            return _json(self.server.session.forget())

    def _given(self) -> dict[str, Any]:
        """The request's body, an object of JSON."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(411, "the request does not say how long it is (Content-Length).")
        if len(length) > 12 or int(length) > LARGEST:
            raise Refused(413, f"the request is longer than {LARGEST:,} bytes.")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "the request is not of the type application/json.")
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400, "the request is not JSON.") from None
        if not isinstance(given, dict):
            raise Refused(400, "the request is not an object of JSON.")
        return given

    def _send(self, status: int, kind: str, content: bytes) -> None:
        if status >= 400:  # what was not read of the body must not be taken for a request
            self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request of ours: bad lines and headers, other methods."""
        status = 405 if code == 501 else code
        self._send(status, *_json({"error": message or explain or HTTPStatus(status).phrase}))

    def version_string(self) -> str:
        return "playground"

    def log_message(self, *_: object) -> None:
        """Nothing: the address has the token in it."""


def _json(content: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(content, allow_nan=False).encode()


def _drawing(given: dict[str, Any]) -> np.ndarray:
    """The picture (height, width) uint8 of a request."""
    height, width, pixels = (given.get(key) for key in ("height", "width", "pixels"))
    for name, side in (("height", height), ("width", width)):
        if type(side) is not int or not 1 <= side <= SIDE:
            raise Refused(400, f"{name} is not a whole number from 1 to {SIDE}.")
    if not isinstance(pixels, str):
        raise Refused(400, "pixels is not text in base64.")
    try:
        values = np.frombuffer(base64.b64decode(pixels, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        raise Refused(400, "pixels is not text in base64.") from None
    if values.size != height * width:  # type: ignore[operator]
        raise Refused(
            400, f"pixels has {values.size:,} bytes for {height} rows of {width}: one for each."
        )
    return values.reshape(height, width)  # type: ignore[arg-type]
