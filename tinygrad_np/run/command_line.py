"""What the command lines share: bad input of any kind ends with one line and exit code 2."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ..errors import DataError, ShapeError


class Arguments(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise DataError(f"{message}; --help shows the options")


def guarded(program: str, work: Callable[[], int]) -> int:
    """The exit code of ``work``, or 2 and one line for bad input, 130 and one for Ctrl-C."""
    try:
        return work()
    except (DataError, ShapeError, OSError, MemoryError) as problem:
        text = " ".join(str(problem).split()) or type(problem).__name__
        code = 2
    except KeyboardInterrupt:
        text, code = "stopped.", 130
    print(f"{program}: {text}", file=sys.stderr)
    return code


def make_folder(option: str, folder: Path) -> None:
    """Make a folder for results, before time is spent on what could not be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(
            f"{option}: no files can be written to {folder} ({error.strerror}); choose another "
            "folder."
        ) from error
