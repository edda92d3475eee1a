"""What the command lines share: bad input of any kind ends with one line and exit code 2."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from .. import ctrl_c
from ..draw.figures import empty_figure
from ..draw.render import RenderError
from ..errors import DataError, ShapeError


class Arguments(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and shows its description as it is written."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file)  # argparse's own drops what cannot be written

    def error(self, message: str) -> NoReturn:
        raise DataError(f"{message.removeprefix('argument ')}; --help shows the options")


def guarded(program: str, work: Callable[[], int]) -> int:
    """The exit code of ``work``, or 2 and one line for bad input, 130 and one for Ctrl-C.

    What is missing (a library, a program, room on the disk) counts as bad input.
    """
    try:
        with ctrl_c.raises():
            try:
                code = work()
            except SystemExit as stop:  # --help and --version
                code = int(stop.code or 0)
            _flush()
            return code
    except (DataError, ShapeError, RenderError, ImportError, OSError, MemoryError) as problem:
        if isinstance(problem, BrokenPipeError):  # the reader has read enough, as `head` has
            with suppress(OSError):
                _flush()
            return 0
        text = " ".join(str(problem).split()) or type(problem).__name__
        if isinstance(problem, OSError) and problem.strerror and problem.filename is None:
            text = f"the output cannot be written ({problem.strerror})."
        code = 2
    except KeyboardInterrupt:
        text, code = "stopped.", 130
    with suppress(OSError):
        _flush()
    print(f"{program}: {text}", file=sys.stderr)
    return code


def _flush() -> None:
    """Write what was printed now, not when Python ends, which would add lines of its own.

    Raises OSError where it cannot be written; the rest of it is then dropped.
    """
    if sys.stdout is None:  # closed by the caller
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def at_least(given: argparse.Namespace, **least: int) -> None:
    """Raise DataError for the first option whose number is too small; None is not given."""
    for name, bound in least.items():
        if (value := getattr(given, name)) is not None and value < bound:
            raise DataError(f"--{name} {value}: at least {bound} is needed.")


def new_folder(text: str) -> Path:
    """An argument that names a folder for results, made with the first of them, if need be."""
    return _writable(Path(text), is_folder=True)


def new_file(text: str) -> Path:
    """An argument that names a file for results, in a folder that is there already.

    A folder that is missing is more often a slip of the pen than wanted.
    """
    return _writable(Path(text), is_folder=False)


def new_picture(text: str) -> Path:
    """``new_file`` for what matplotlib draws. Raises ImportError where that is missing."""
    empty_figure(1, 1)
    return new_file(text)


def _writable(path: Path, is_folder: bool) -> Path:
    """The path, refused where results could not be kept, before time is spent on them."""
    try:
        if _exists(path) and not is_folder and not path.is_file():
            kind = "folder" if path.is_dir() else "device"
            raise argparse.ArgumentTypeError(f"{path} is a {kind}, name a file")
        folder = path if is_folder else path.parent
        while not _exists(folder):
            if not is_folder:
                raise argparse.ArgumentTypeError(
                    f"there is no folder {folder} for {path.name}, make it or name another place"
                )
            folder = folder.parent
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"nothing can be written to {path} ({error.strerror}), name another place"
        ) from error
    return path


def not_an_input(option: str, target: Path | None, inputs: Iterable[Path]) -> None:
    """Raise DataError where a result would be written over what is read."""
    if target is not None and any(_resolved(target) == _resolved(place) for place in inputs):
        raise DataError(f"{option} {target}: this file is also read; name another.")


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _exists(path: Path) -> bool:
    """Whether there is such a thing; raises OSError where there can be none."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True
