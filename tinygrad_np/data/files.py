"""Image files as they are published: IDX (the format of MNIST) and Kaggle's CSV, plain or gzip."""

import codecs
import csv
import gzip
import hashlib
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError
from ..files import replacing
from .kinds import known_kind

StrPath = str | os.PathLike[str]

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MAX_RANK = 64  # NumPy's own limit
_MAX_BYTES = np.iinfo(np.intp).max

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31
_PACKED_PIECE = 1 << 16
_PIECE = 1 << 20

# A CSV declares no size, so a packed one that grows beyond these is taken for a gzip bomb.
# Kaggle's train.csv packs 8:1.
_CSV_UNPACK_RATIO = 100
_CSV_UNPACK_FREE = 1 << 26

_MOST_TOLD = 300

_CELL = re.compile(rb"[0-9]{1,3}(\.0*)?")
_OTHER_TABLES = "tg.data.load(path) reads tables without labels or a header, and of other orders"
_FRACTION = re.compile(rb"(?<=[0-9])\.0*(?=[,\n])")  # of a whole number

_COMMA, _NEWLINE = (ord(mark) - ord("0") + 256 for mark in ",\n")


def load_idx(path: StrPath, *, sha256: str | None = None) -> NDArray[Any]:
    """Read an IDX file, plain or gzip as its content says.

    Returns a writable array in native byte order with the shape and dtype that the file declares:
    uint8, int8, int16, int32, float32 or float64. With `sha256` (64 lower-case hex digits) the
    uncompressed content must have that checksum. Raises DataError for anything but a complete IDX
    file; memory is taken as content arrives, never because a header asks for it.
    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "The IDX file format".

    >>> tg.data.save_idx("images.idx", np.zeros((3, 28, 28), np.uint8))
    >>> tg.data.load_idx("images.idx").shape
    (3, 28, 28)
    """
    with opened("load_idx", path) as file:
        return read_idx(file, os.fspath(path), sha256)


def read_idx(file: BinaryIO, name: str, sha256: str | None = None) -> NDArray[Any]:
    """Read IDX content from an open, seekable binary file; `name` stands for it in messages.

    Returns and raises as `load_idx` does.
    """
    content = Content(file, name)
    header, dtype, shape = _read_header(content)
    count = math.prod(shape) * dtype.itemsize
    declared = f"{len(header) + count} bytes as declared ({dtype.name} of shape {shape})"
    body = content.read(count)
    place = f"byte {content.position}"
    if len(body) < count:
        raise content.fault(place, "the end", declared, "get the file again")
    if content.read(1):
        raise content.fault(place, "more data", declared, "get the file again")
    if sha256 is not None:
        _check_sha256(content, header, body, sha256)
    array: NDArray[Any] = np.ndarray(shape, dtype, buffer=body)
    return array.astype(dtype.newbyteorder("="))


def save_idx(path: StrPath, array: NDArray[Any]) -> None:
    """Write an array as an IDX file, gzip if the name ends with `.gz`.

    `array` has any shape and dtype uint8, int8, int16, int32, float32 or float64. Equal arrays give
    equal bytes. The file is written beside `path` and renamed, so `path` never holds half a file.
    Raises DataError if IDX cannot hold the array or the file cannot be written.

    >>> tg.data.save_idx("labels.idx.gz", np.array([3, 1, 4], np.uint8))
    >>> tg.data.load_idx("labels.idx.gz").tolist()
    [3, 1, 4]
    """
    target = arguments.path("save_idx", "path", path)
    content = _idx_header(array) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    with replacing(target) as file:
        if target.suffix == ".gz":
            with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
                packed.write(content)
        else:
            file.write(content)


def load_csv(path: StrPath) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read a CSV of images in the layout of Kaggle's `train.csv`, plain or gzip.

    The first row names the columns and starts with `label`; each further row has a label and k·k
    pixels, whole numbers from 0 to 255, perhaps as `5.0`. A byte order mark before
    them is skipped. Returns images (n, k, k) uint8 and labels (n,) int64. Raises DataError with the
    row (the header is row 1) and column of the first fault, and for a gzip file that unpacks to
    over 64 MiB and 100 times its size.

    >>> header = "label,p0,p1,p2,p3"
    >>> np.savetxt("train.csv", [[7, 0, 255, 0, 255]], "%d", ",", header=header, comments="")
    >>> images, labels = tg.data.load_csv("train.csv")
    >>> images.shape, labels.tolist()
    ((1, 2, 2), [7])
    """
    with opened("load_csv", path) as file:
        content = Content(file, os.fspath(path))
        table = _read_table(content, csv_limit(file))
    side = math.isqrt(table.shape[1] - 1)
    images = np.ascontiguousarray(table[:, 1:]).reshape(-1, side, side)
    return images, table[:, 0].astype(np.int64)


def csv_limit(file: BinaryIO) -> int:
    """To how many bytes an open CSV file may unpack."""
    return max(_CSV_UNPACK_FREE, _CSV_UNPACK_RATIO * os.fstat(file.fileno()).st_size)


@contextmanager
def opened(caller: str, path: StrPath) -> Iterator[BinaryIO]:
    arguments.path(caller, "path", path)
    try:
        _check_regular(path)
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise DataError(not_found(str(path), error)) from error
    except csv.Error as error:  # of a cell that is too long for Python's reader
        raise DataError(f"{path}: found no table ({error}); give the path of a CSV") from error
    except MemoryError as error:
        raise DataError(
            f"{path}: its content does not fit into memory; use a smaller file"
        ) from error


def not_found(path: str, error: OSError) -> str:
    """What to say of a file that cannot be read."""
    return f"{path}: cannot be read ({error.strerror}); {way_to(path)}"


def way_to(path: str) -> str:
    """What to do where there is no such file."""
    if re.match("[a-z]{2,}:/", path):
        return "this is an address: download it first, and give the path of the file"
    return "check the path"


def listed(folder: Path, most: int | None = None) -> list[Path]:
    """What is in a folder, in order, but for hidden entries; no more than the first ``most``."""
    try:
        entries = (each for each in folder.iterdir() if not each.name.startswith((".", "__MACOSX")))
        return sorted(islice(entries, most))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check the path") from error


def one_line(error: object) -> str:
    """What an error or a file says, for a message: one line of printable characters, not long."""
    text = str(error) or type(error).__name__
    return repr(text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]} …")[1:-1]


def _check_regular(path: StrPath) -> None:
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return
    found = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
    raise DataError(f"{path}: found {found}, expected a file; give the path of one file")


class _Gunzip:
    """Unpacks gzip members one after another, never more bytes than asked for."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._waiting = b""
        self._member = zlib.decompressobj(_GZIP_WBITS)

    def read(self, count: int) -> bytes:
        """Return 1 to `count` bytes, or none where the last member has ended properly."""
        while True:
            given = self._waiting or self._packed.read(_PACKED_PIECE)
            if self._member.eof:
                if not given:
                    return b""
                self._member = zlib.decompressobj(_GZIP_WBITS)
            piece = self._member.decompress(given, count)
            self._waiting = self._member.unconsumed_tail or self._member.unused_data
            if piece:
                return piece
            if not given:
                raise EOFError("cut off")


class Content:
    """The uncompressed bytes of a file, plain or gzip as its first two bytes say."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        self.name = name
        self.position = 0
        self._source = _Gunzip(file) if packed else file

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only where the content ends."""
        pieces = []
        while count > 0 and (piece := self._piece(min(count, _PIECE))):
            pieces.append(piece)
            count -= len(piece)
            self.position += len(piece)
        return b"".join(pieces)

    def fault(self, place: str, found: str, expected: str, remedy: str) -> DataError:
        return DataError(f"{self.name}, {place}: found {found}, expected {expected}; {remedy}")

    def _piece(self, count: int) -> bytes:
        try:
            return self._source.read(count)
        except (EOFError, zlib.error) as error:
            raise self.fault(
                f"after {self.position} uncompressed bytes",
                f"damaged gzip data ({error})",
                "gzip data whole to its end",
                "get the file again",
            ) from error


def _read_header(content: Content) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    """The header as it is, and the dtype and shape that it declares."""
    magic = content.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        known = known_kind(magic)
        raise content.fault(
            "byte 0",
            f"0x{magic.hex()}" if magic else "nothing",
            "the start of an IDX file (0x0000, a type 08 09 0b 0c 0d or 0e, a rank)",
            "give an IDX file, plain or gzip" + (f"; {known}" if known else ""),
        )
    rank = magic[3]
    if rank > _MAX_RANK:
        raise content.fault(
            "byte 3", f"rank {rank}", f"at most {_MAX_RANK}", "give a file NumPy can hold"
        )
    sizes = content.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise content.fault(
            f"byte {content.position}", "the end", f"{rank} dimensions", "get the file again"
        )
    dtype, shape = _DTYPES[magic[2]], struct.unpack(f">{rank}I", sizes)
    # NumPy refuses by the non-zero dimensions even where the array is empty.
    if math.prod(size for size in shape if size) * dtype.itemsize > _MAX_BYTES:
        raise content.fault(
            "byte 4", f"shape {shape}", f"at most {_MAX_BYTES} bytes", "get the file again"
        )
    return magic + sizes, dtype, shape


def _check_sha256(content: Content, header: bytes, body: bytes, expected: str) -> None:
    checksum = hashlib.sha256(header)
    checksum.update(body)
    if checksum.hexdigest() != expected:
        raise content.fault(
            "uncompressed content",
            f"SHA-256 {checksum.hexdigest()}",
            expected,
            "get the published file, or use tg.data.load for data of your own",
        )


def _idx_header(array: NDArray[Any]) -> bytes:
    if not isinstance(array, np.ndarray):
        raise arguments.refusal("save_idx", "array", array, "an array", DataError)
    code = _CODES.get(array.dtype.newbyteorder(">"))
    if code is None:
        names = " ".join(dtype.name for dtype in _CODES)
        raise DataError(
            f"save_idx: found an array of dtype {array.dtype}, expected one of {names}; convert "
            "with astype"
        )
    if max(array.shape, default=0) >= 1 << 32:
        raise DataError(
            f"save_idx: found shape {array.shape}, expected dimensions below 2**32; split the array"
        )
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def _read_table(content: Content, limit: int) -> NDArray[np.uint8]:
    """All rows below the header, (n, 1 + k·k)."""
    blocks = line_blocks(content, limit)
    header, _, start = next(blocks, b"").partition(b"\n")
    columns = _count_columns(content, header)
    tables = []
    row = 2
    for block in chain([start], blocks):
        table = parse_cells(block, columns)
        if table is None:
            table = parse_cells(_FRACTION.sub(b"", block), columns)
        if table is None:
            raise next(_cell_faults(content, block, row, columns))
        tables.append(table)
        row += len(table)
    if row == 2:
        raise content.fault("row 2", "the end", "a row of pixels", "give a CSV with images")
    return np.concatenate(tables)


def line_blocks(content: Content, limit: int) -> Iterator[bytes]:
    """Pieces of whole lines, each line ended by one newline."""
    rest = b""
    while piece := content.read(_PIECE):
        text = rest + piece
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end].replace(b"\r\n", b"\n")
        rest = text[end:]
        start = content.position - len(rest)
        if len(rest) >= _PIECE:
            found, expected = f"a line of over {len(rest)} bytes", "the rows of a CSV"
            raise content.fault(f"byte {start}", found, expected, "give a CSV, plain or gzip")
        if content.position > limit:
            expected = f"at most {limit} from a file this small"
            remedy = "unpack the file first if it is what it should be"
            raise content.fault(f"byte {limit}", "still more bytes", expected, remedy)
    if rest:
        yield rest + b"\n"


def _count_columns(content: Content, header: bytes) -> int:
    names = header.removeprefix(codecs.BOM_UTF8).split(b",")
    if names[0] != b"label":
        raise content.fault(
            "row 1, column 1",
            shown_cell(names[0]),
            "'label'",
            "give a CSV with a header and the label first (Kaggle's train.csv, not test.csv)"
            f"; {known_kind(header) or _OTHER_TABLES}",
        )
    pixels = len(names) - 1
    if not pixels or math.isqrt(pixels) ** 2 != pixels:
        raise content.fault(
            "row 1", f"{pixels} pixel columns", "a square number", "give a CSV of square images"
        )
    return len(names)


def parse_cells(block: bytes, columns: int) -> NDArray[np.uint8] | None:
    """The rows of a block (n, columns), or None if there is a fault anywhere in it."""
    digits = np.frombuffer(block, np.uint8) - np.uint8(ord("0"))
    ends = np.flatnonzero(digits > 9)
    if ends.size % columns:
        return None
    marks = digits[ends].reshape(-1, columns)
    if np.any(marks[:, :-1] != _COMMA) or np.any(marks[:, -1] != _NEWLINE):
        return None
    widths = np.diff(ends, prepend=-1) - 1
    if np.any((widths < 1) | (widths > 3)):
        return None
    values = digits[ends - 1].astype(np.uint16)
    values += digits[ends - 2] * (widths > 1) * np.uint16(10)
    values += digits[ends - 3] * (widths > 2) * np.uint16(100)
    if np.any(values > 255):
        return None
    return values.astype(np.uint8).reshape(-1, columns)


def _cell_faults(content: Content, block: bytes, row: int, columns: int) -> Iterator[DataError]:
    """What `parse_cells` refused, in reading order."""
    for number, line in enumerate(block.split(b"\n")[:-1], start=row):
        cells = line.split(b",")
        if len(cells) != columns:
            found, expected = f"{len(cells)} cells", f"{columns} as in row 1"
            yield content.fault(f"row {number}", found, expected, "correct or remove the row")
        for column, cell in enumerate(cells, start=1):
            if not _CELL.fullmatch(cell) or int(cell.partition(b".")[0]) > 255:
                place, expected = f"row {number}, column {column}", "a whole number from 0 to 255"
                remedy = "correct the cell; tg.data.load(path) reads other numbers"
                yield content.fault(place, shown_cell(cell), expected, remedy)


def shown_cell(cell: bytes) -> str:
    return repr(cell[:20].decode("utf-8", "replace")) if cell else "nothing"
