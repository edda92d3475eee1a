"""The files that the package writes: each beside its place, and renamed once it is whole."""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import DataError

_LONG_NAME = 200  # bytes; file systems take 255, and a name beside it is 23 longer


@contextmanager
def replacing(path: Path, synced: bool = True) -> Iterator[BinaryIO]:
    """Yield a binary file beside ``path`` that takes its place once it is written and synced.

    If the block raises, ``path`` is as it was; if the process is killed, it is too, and the file
    beside it stays until ``remove_leftovers``. What is not ``synced``, 4 to 12 ms less, may be torn
    after a loss of power: its reader has to notice. Raises DataError if the file cannot be written.
    """
    part = path.parent / f"{_part_prefix(path)}{secrets.token_hex(8)}.part"
    try:
        if path.exists() and not path.is_file():  # a device would be gone, and a file in its place
            kind = "folder" if path.is_dir() else "device"
            raise DataError(f"{path}: cannot be written (it is a {kind}); name a file")
        with open(part, "xb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
        if synced:
            _sync_folder(path.parent)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose a writable place for it"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def remove_leftovers(path: Path, age: float = 0) -> None:
    """Remove what processes that were killed while ``replacing`` this path left beside it.

    With ``age`` only what is older, in seconds; else nobody may be writing now.
    """
    last = time.time() - age
    own = re.compile(re.escape(_part_prefix(path)) + "[0-9a-f]{16}[.]part")
    with suppress(OSError):
        for other in path.parent.iterdir():
            is_left = own.fullmatch(other.name) and other.is_file()
            if is_left and (not age or other.stat().st_mtime < last):
                other.unlink()


def _part_prefix(path: Path) -> str:
    """How the names of files start that are to become ``path``."""
    name = path.name
    if len(os.fsencode(name)) > _LONG_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlast a loss of power, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def cache(name: str) -> Path | None:
    """The folder of that name in the user's cache, if there is a home; it need not be there."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if caches.startswith("~") else Path(caches) / "tinygrad_np" / name
