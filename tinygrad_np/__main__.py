"""``python -m tinygrad_np``, or ``tinygrad-np``: the commands."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from .run import draw, playground, predict, receipt, train
from .run.command_line import Arguments, guarded
from .version import __version__

COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "train": (train.main, "train a network on MNIST or other images: weights, pictures, a report"),
    "predict": (predict.main, "what a trained network sees in your photos, drawings or tables"),
    "draw": (draw.main, "draw the graph of a recipe's network, or of your own my.module:function"),
    "check": (receipt.main, "the gradient receipt: every derivative of a network in a second way"),
    "playground": (playground.main, "draw digits in the browser, look inside, let it learn"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command that is named first; 2 and one line where there is none."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]][0](given[1:])
    return guarded("tinygrad_np", lambda: _list(given))


def _list(given: Sequence[str]) -> int:
    """Say what the commands are."""
    known = "\n".join(f"  {name:<12}{about}" for name, (_, about) in COMMANDS.items())
    parser = Arguments(
        "python -m tinygrad_np",
        usage="%(prog)s COMMAND …",
        description=f"commands (each has --help):\n{known}",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.parse_args(given)
    parser.print_help()
    return 0


def program() -> int:
    """``main`` for a process of its own, where all that train or predict have one thread.

    Two threads on two free cores save a quarter of the time, but wait for each other where another
    process has one of the cores: 80 ms a step instead of 0.9. One thread also gives the same
    weights on machines with other numbers of cores. NumPy reads the number when it is first
    imported, which it is by now; so this process starts anew.
    """
    name = "OPENBLAS_NUM_THREADS"
    trains = sys.argv[1:2] in (["train"], ["predict"], ["playground"])
    if trains and name not in os.environ and os.name == "posix":
        os.environ[name] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return main()


if __name__ == "__main__":
    sys.exit(program())
