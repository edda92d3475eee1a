"""Second readers of the formats, written apart from the package's: what a whole file holds.

They are plain and slow, and take the whole file as bytes. `Refused` means that the content is no
file of the format, `Undecided` that it uses something these readers leave out.
"""

import ast
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, tuple[str, tuple[int, ...], bytes]]  # dtype, shape, C-ordered bytes

CAP = 1 << 27  # what these readers unpack at most
IDX = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
SAFE = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip


class Refused(Exception):
    """The content is no file of the format."""


class Undecided(Exception):
    """The content uses what these readers leave out."""


def need(condition: object) -> None:
    if not condition:
        raise Refused


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def gunzip(content: bytes) -> tuple[bytes, bool]:
    """What gzip members hold, up to `CAP` bytes, and whether they are whole."""
    out = bytearray()
    while content:
        member = zlib.decompressobj(31)
        try:
            out += member.decompress(content, CAP - len(out) + 1)
        except zlib.error:
            return bytes(out), False
        if len(out) > CAP or not member.eof:
            return bytes(out), False
        content = member.unused_data
    return bytes(out), True


def plain(content: bytes) -> tuple[bytes, bool]:
    """The content that a file has for `load_idx` and `load_csv`, and whether it is whole."""
    return gunzip(content) if content[:2] == b"\x1f\x8b" else (content, True)


def idx(content: bytes) -> Arrays:
    content, whole = plain(content)
    need(whole and len(content) >= 4 and content[:2] == b"\0\0" and content[2] in IDX)
    rank = content[3]
    need(rank <= 64 and len(content) >= 4 + 4 * rank)
    shape = struct.unpack_from(f">{rank}I", content, 4)
    dtype = np.dtype(IDX[content[2]])
    need(math.prod(n for n in shape if n) * dtype.itemsize < 1 << 63)
    body = content[4 + 4 * rank :]
    need(len(body) == math.prod(shape) * dtype.itemsize)
    swapped = np.frombuffer(body, dtype.str.replace("f", "u")).astype(
        dtype.str[1:].replace("f", "u")
    )
    return {"": (dtype.newbyteorder("=").str, shape, swapped.tobytes())}


def idx_declares(content: bytes) -> int:
    content, _ = plain(content)
    if len(content) < 4 or content[2] not in IDX or len(content) < 4 + 4 * content[3]:
        return 0
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    return min(math.prod(shape) * np.dtype(IDX[content[2]]).itemsize, len(content))


def csv(content: bytes) -> Arrays:
    content, whole = plain(content)
    need(whole)
    *lines, last = content.split(b"\n")
    lines = [line.removesuffix(b"\r") for line in lines] + ([last] if last else [])
    need(len(lines) > 1 and re.match(rb"(\xef\xbb\xbf)?label(,|$)", lines[0]))
    pixels = lines[0].count(b",")
    side = math.isqrt(pixels)
    need(pixels and side**2 == pixels)
    rows = []
    for line in lines[1:]:
        cells = line.split(b",")
        need(len(cells) == 1 + pixels)
        cells = [re.sub(rb"(?<=[0-9])\.0*\Z", b"", cell) for cell in cells]
        need(all(0 < len(cell) <= 3 and set(cell) <= set(b"0123456789") for cell in cells))
        rows.append([int(cell) for cell in cells])
        need(max(rows[-1]) < 256)
    images = b"".join(bytes(row[1:]) for row in rows)
    labels = struct.pack(f"={len(rows)}q", *(row[0] for row in rows))
    return {
        "images": ("|u1", (len(rows), side, side), images),
        "labels": (np.dtype(np.int64).str, (len(rows),), labels),
    }


def csv_declares(content: bytes) -> int:
    return len(plain(content)[0])


class Entry(NamedTuple):
    """What the directory of an archive says of a member."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    at: int


def directory(content: bytes) -> Iterator[Entry]:
    end = len(content) - 22
    if end < 0 or content[end : end + 4] != b"PK\5\6" or content[-2:] != b"\0\0":
        end = content.rfind(b"PK\5\6", max(len(content) - 65557, 0))
    need(0 <= end <= len(content) - 22)
    if content[max(end - 20, 0) : end][:4] == b"PK\6\7":
        raise Undecided
    size, offset = struct.unpack_from("<II", content, end + 12)
    at = end - size
    shift = at - offset
    need(at >= 0)
    while at < end:
        need(end - at >= 46 and content[at : at + 4] == b"PK\1\2")
        flags, method = struct.unpack_from("<HH", content, at + 8)
        crc, packed, unpacked, *lengths = struct.unpack_from("<IIIHHH", content, at + 16)
        (place,) = struct.unpack_from("<I", content, at + 42)
        if 0xFFFFFFFF in (packed, unpacked, place):
            raise Undecided
        raw = content[at + 46 : min(at + 46 + lengths[0], end)]  # the directory's last word
        try:
            text = raw.decode("utf-8" if flags & 0x800 else "cp437").split("\0")[0]
        except UnicodeDecodeError:
            raise Refused from None
        name = text.removesuffix(".npy")
        yield Entry(name, flags, method, crc, packed, unpacked, place + shift)
        at += 46 + sum(lengths)


def member(content: bytes, entry: Entry) -> bytes:
    """What a member holds, up to the size that the directory has for it."""
    at = entry.at
    need(not entry.flags & 1 and entry.method in (0, 8) and 0 <= at <= len(content) - 30)
    need(content[at : at + 4] == b"PK\3\4")
    start = at + 30 + sum(struct.unpack_from("<HH", content, at + 26))
    data = content[start : start + entry.packed]
    if entry.method == 8:
        try:
            data = zlib.decompressobj(-15).decompress(data, min(entry.size + 1, CAP))
        except zlib.error:
            raise Refused from None
    return data[: entry.size]


def npz(content: bytes) -> Arrays:
    entries = list(directory(content))
    need(len({entry.name for entry in entries}) == len(entries))
    found = {}
    for entry in entries:
        data = member(content, entry)
        need(len(data) == entry.size and zlib.crc32(data) == entry.crc)
        found[entry.name] = npy(data)
    return found


def npz_declares(content: bytes) -> int:
    """The sum of what members say they hold, or really hold if that is less; not all of a bomb."""
    total = 0
    try:
        for entry in directory(content):
            if total > CAP // 4:
                break
            total += len(member(content, entry))
    except (Refused, Undecided):
        pass
    return total


def npy(data: bytes) -> tuple[str, tuple[int, ...], bytes]:
    need(len(data) >= 10 and data[:6] == b"\x93NUMPY" and data[6] in (1, 2, 3))
    width = 2 if data[6] == 1 else 4
    need(len(data) >= 8 + width)
    body = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    need(body <= len(data))
    text = data[8 + width : body].decode("latin-1")
    try:
        header = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text).strip())
        dtype = np.dtype(header["descr"])
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError):
        raise Refused from None
    need(set(header) == {"descr", "fortran_order", "shape"} and dtype.kind in "biufc")
    shape, is_fortran = header["shape"], header["fortran_order"]
    need(isinstance(shape, tuple) and all(is_count(n) for n in shape))
    need(isinstance(is_fortran, bool) and len(data) - body == math.prod(shape) * dtype.itemsize)
    if not math.prod(shape):
        return dtype.str, shape, b""
    array = np.frombuffer(data[body:], dtype).reshape(shape, order="F" if is_fortran else "C")
    need(dtype.kind != "b" or set(data[body:]) <= {0, 1})
    return dtype.str, shape, array.tobytes()


def safetensors(content: bytes) -> Arrays:
    header, body = safe_parts(content)
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        need(isinstance(entry, dict) and {"dtype", "shape", "data_offsets"} <= set(entry))
        shape, offsets = entry["shape"], entry["data_offsets"]
        need(all(isinstance(n, list) and all(map(is_count, n)) for n in (shape, offsets)))
        need(len(offsets) == 2)
        if entry["dtype"] not in SAFE:
            raise Refused
        dtype = np.dtype(SAFE[entry["dtype"]])
        start, end = offsets
        need(start <= end <= len(body) and end - start == math.prod(shape) * dtype.itemsize)
        need(dtype.kind != "b" or set(body[start:end]) <= {0, 1})
        found[name] = (dtype.str, tuple(shape), body[start:end])
    return found


def safe_parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    need(len(content) >= 8 and length <= len(content) - 8 and content[8:9] == b"{")
    try:
        header = json.loads(content[8 : 8 + length].decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Refused from None
    need(isinstance(header, dict))
    return header, content[8 + length :]


def refuse(text: str) -> None:
    raise Refused(text)


def safetensors_declares(content: bytes) -> int:
    return max(len(content) - 8, 0)
