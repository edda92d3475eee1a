"""``python -m tinygrad_np playground [WEIGHTS]``: draw a digit, and see what a network does."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from .. import nn, training
from ..data.batches import batches
from ..data.datasets import mnist
from ..draw.explore import assembled, asset
from ..errors import DataError
from ..optim import Adam
from .command_line import Arguments, guarded
from .description import Description, rebuilt, weights_at
from .networks import MLP
from .playground_server import Server
from .playground_session import RATE, Session
from .predict import scaled

PROGRAM = "python -m tinygrad_np playground"
DESCRIPTION = """Draw a digit in the browser, and see what a trained network makes of it.

WEIGHTS is the weights.npz of a run of `python -m tinygrad_np train`, or the folder of the run.
Without it the newest weights in runs/ are taken; where there are none, a small network is trained
first, which takes a few seconds. The page is served on this machine alone, at the address that is
printed, until Ctrl-C. What the network learns there is kept in no file.
"""
RUNS = Path("runs")
QUICK = 12_000  # images that the small network learns from, twice
SIZES = (784, 64, 10)


def quick() -> tuple[nn.Module, Description]:
    """A small network, trained for a moment: about 93 % right."""
    images, labels = mnist()[0]
    described = Description("mlp", SIZES, "relu", None, (28, 28), None, None, None, True)
    model = MLP(SIZES, seed=0)
    x, y = scaled(images[:QUICK], described), labels[:QUICK]
    optimiser = Adam(model.parameters(), lr=0.002)
    training.fit(model, batches(x, y, 64, seed=0), optimiser, epochs=2)
    return model, described


def chosen(weights: Path | None) -> tuple[nn.Module, Description, str]:
    """The network to play with, and where it is from. Raises DataError for weights of no use."""
    if weights is not None:
        path = weights_at(weights)
        return *rebuilt(path), f"the weights of {path}"
    found = sorted(RUNS.glob("*/weights.npz"), key=lambda path: (path.stat().st_mtime_ns, path))
    for path in reversed(found):
        try:
            return *rebuilt(path), f"{path}, the newest weights in {RUNS}"
        except DataError as error:
            print(f"passed over: {' '.join(str(error).split())}", flush=True)
    print(f"no weights in {RUNS}: training a small network for a few seconds", flush=True)
    return *quick(), f"a small network, trained on {QUICK:,} digits of MNIST just now"


def page(described: Description, origin: str) -> str:
    told = json.dumps({"classes": described.classes, "origin": origin}).replace("<", "\\u003c")
    kinds = ("css", "html", "js")
    style, body, script = (asset(f"playground.{kind}", str(__package__)) for kind in kinds)
    return assembled("Playground", asset("arrays.css") + style, asset("arrays.js") + script, body,
                     told, "'self'")  # fmt: skip


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Arguments(PROGRAM, description=DESCRIPTION)
    parser.add_argument("weights", metavar="WEIGHTS", type=Path, nargs="?")
    parser.add_argument(
        "--lr", type=float, default=RATE, help="the rate of a step that learns (%(default)s)"
    )
    given = parser.parse_args(arguments)
    if not 0 < given.lr < math.inf:
        raise DataError(f"--lr {given.lr}: a finite number above 0 is needed.")
    return given


def run(given: argparse.Namespace) -> int:
    model, described, origin = chosen(given.weights)
    with Server(Session(model, described, given.lr), page(described, origin)) as server:
        print(f"{origin}\n{server.address}\nCtrl-C ends it.", flush=True)
        server.serve_forever()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 130 and one line after Ctrl-C, 2 and one line for bad input."""
    return guarded("playground", lambda: run(parse(arguments)))
