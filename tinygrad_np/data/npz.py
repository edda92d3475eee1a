"""Arrays by name in an ``.npz`` archive, read without trusting anything in it."""

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

# What an archive may grow to without being taken for a zip bomb: this share of its size, or this
# many bytes. Weights pack about 1.1 : 1.
_UNPACK_RATIO = 100
_UNPACK_FREE = 1 << 26

# The directory of an archive is read in one piece, and Python objects of twenty times its size are
# made of it. 1 MiB is over 10,000 entries.
_PIECE = 1 << 20

_MAX_HEADER = 10_000  # NumPy's own limit
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[biufc][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:(?:0|[1-9][0-9]{0,18})L?, ?)*)((?:0|[1-9][0-9]{0,18})L?)?\),? ?\}\s*"
)


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray], comment: bytes = b"") -> None:
    """``np.savez`` without its reserved names (an entry may be called "file") and dates.

    The comment, of the archive, is up to 65,535 bytes that readers of arrays pass over.
    """
    if len(comment) > zipfile.ZIP_MAX_COMMENT:
        raise ValueError(f"a comment of {len(comment)} bytes, over {zipfile.ZIP_MAX_COMMENT}")
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


class NoNumbersError(ValueError):
    """An array of words or objects."""


def read(
    source: Path, no_numbers: dict[str, NoNumbersError] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an archive of ours or of ``np.savez`` and ``np.savez_compressed``.

    Memory is taken as content arrives. Raises ValueError and whatever `zipfile` raises for
    anything but an archive of arrays of numbers; with `no_numbers` those of words and objects are
    passed over and put there.
    """
    with _Sparing(source) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        unpacked, most = sum(member.file_size for member in members), source.stat().st_size
        if unpacked > max(_UNPACK_FREE, _UNPACK_RATIO * most):
            raise ValueError(f"it would unpack from {most} to {unpacked} bytes")
        arrays: dict[str, np.ndarray] = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in arrays or name in (no_numbers or ()):
                raise ValueError(f"it has two entries {name!r}")
            try:
                arrays[name] = _read_member(archive, member)
            except NoNumbersError as error:
                if no_numbers is None:
                    raise
                no_numbers[name] = error
        return arrays


def read_comment(source: Path) -> bytes:
    """The comment of an archive."""
    with _Sparing(source) as file, zipfile.ZipFile(file) as archive:
        return archive.comment


def others(source: Path) -> list[str]:
    """The entries of an archive that are no arrays; none where it cannot be read."""
    try:
        with _Sparing(source) as file, zipfile.ZipFile(file) as archive:
            return [name for name in archive.namelist() if not name.endswith((".npy", "/"))]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return []


class _Sparing(io.FileIO):
    """A file read in pieces, so that no length in an archive makes `zipfile` ask for more."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _PIECE:
            raise ValueError(f"its directory has {size} bytes, over {_PIECE}")
        return super().read(-1 if size is None else size)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array, if its header, its length and the length in the archive agree."""
    name = member.filename
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed by method {member.compress_type}, not stored (0) or 8")
    with archive.open(member) as file:
        dtype, fortran, shape = _read_header(file, name)
        body = member.file_size - file.tell()
        if math.prod(shape) * dtype.itemsize != body:
            raise ValueError(f"{name} has {body} bytes for shape {shape} of {dtype}")
        content = bytearray()
        while len(content) < body and (piece := file.read(min(body - len(content), _PIECE))):
            content += piece
    if len(content) < body:
        raise ValueError(f"{name} ends after {len(content)} of {body} bytes")
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")


def _read_header(file: IO[bytes], name: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """The dtype, layout and shape of an array of numbers; no text is evaluated."""
    magic = file.read(8)
    width = {1: "<H", 2: "<I", 3: "<I"}.get(magic[-2] if len(magic) == 8 else 0)
    if magic[:6] != b"\x93NUMPY" or width is None:
        raise ValueError(f"{name} starts with 0x{magic.hex()}, so it is not a NumPy array")
    (length,) = struct.unpack(width, file.read(struct.calcsize(width)))
    if length > _MAX_HEADER:
        raise ValueError(f"{name} has a header of {length} bytes, over {_MAX_HEADER}")
    header = file.read(length)
    found = _HEADER.fullmatch(header)
    if len(header) < length or not found or (found[4] and not found[3]):
        kind = re.match(rb"\{'descr': '[<>|=]?([USO])", header)
        if kind:
            what = "objects" if kind[1] == b"O" else "words"
            remedy = "for words as labels store np.unique(words, return_inverse=True)[1]"
            raise NoNumbersError(f"{name} has {what} where numbers are needed; {remedy}")
        raise ValueError(
            f"{name} has a header that does not describe an array of numbers: {header[:80]!r}"
        )
    sizes = re.findall(rb"[0-9]+", found[3] + (found[4] or b""))
    return np.dtype(found[1].decode()), found[2] == b"True", tuple(map(int, sizes))
