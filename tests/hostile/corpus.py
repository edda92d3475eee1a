# ruff: noqa: ARG005, E501 -- a table: one file a row, whatever it is made of
"""The files that fuzzing starts from: whole ones and harmful ones, with what must follow."""

import bz2
import functools
import gzip
import io
import json
import pickle
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_np import data, nn, optim
from tinygrad_np.training import fit, load


class File(NamedTuple):
    """A file by hand; ``refusal`` is part of the message, or None where it is to be read."""

    name: str
    content: bytes
    refusal: str | None


def idx(code: int, shape: Sequence[int], body: bytes = b"") -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + body


def npy(
    shape: str = "(2,)",
    descr: str = "'<f4'",
    fortran: str = "False",
    body: bytes = bytes(8),
    version: tuple[int, int] = (1, 0),
    header: bytes | None = None,
    length: int | None = None,
) -> bytes:
    if header is None:
        text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
        header = text.encode("utf-8")
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = struct.pack("<H" if version[0] == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + header + body


def archive(
    *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED, level: int | None = None
) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as target:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            target.writestr(zipfile.ZipInfo(name), content, method, level)
    return file.getvalue()


def patched(content: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    """With a field of all records that start with ``mark`` overwritten."""
    out = bytearray(content)
    at = out.find(mark)
    while at >= 0:
        struct.pack_into(form, out, at + offset, value)
        at = out.find(mark, at + 4)
    return bytes(out)


LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def overlapping(copies: int, size: int) -> bytes:
    """Many entries, each of them the same packed zeros (D. Fifield, "A better zip bomb", 2019)."""
    kernel = npy(f"({size},)", body=bytes(4 * size))
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(kernel) + packed.flush()
    name = b"a.npy"
    fields = (8, 0, 0, zlib.crc32(kernel), len(data), len(kernel), len(name))
    local = struct.pack("<4sHHHHHIIIHH", LOCAL, 20, 0, *fields, 0) + name + data
    entry = b"".join(
        struct.pack("<4sHHHHHHIIIHHHHHII", CENTRAL, 20, 20, 0, *fields, 0, 0, 0, 0, 0, 0) + name
        for _ in range(copies)
    )
    return local + entry + struct.pack("<4sHHHHIIH", END, 0, 0, copies, copies, len(entry), len(local), 0)  # fmt: skip


def bomb(size: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    level = 1 if method == zipfile.ZIP_DEFLATED else None  # soon made
    return archive(("a.npy", npy(f"({size // 4},)", body=bytes(size))), method=method, level=level)


def lying_bomb(size: int, declared: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """It says it unpacks to as much as an honest file would."""
    content = patched(bomb(size, method), CENTRAL, 24, "<I", declared)
    return patched(content, LOCAL, 22, "<I", declared)


def many_entries(count: int) -> bytes:
    """A directory with nothing but entries."""
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", CENTRAL, 20, *[0] * 15) + b"a"
    entry = entry[:28] + struct.pack("<H", 1) + entry[30:]
    return entry * count + struct.pack("<4sHHHHIIH", END, 0, 0, 0, 0, len(entry) * count, 0, 0)


def zip64(content: bytes, directory: int, offset: int) -> bytes:
    """With records that say where the directory is, in 64 bits."""
    at = content.rindex(END)
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, directory, offset)
    return content[:at] + end + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1) + content[at:]


def safe(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(shape: Any, start: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


class Trap:
    """Unpickling it runs a command."""

    def __reduce__(self) -> Any:
        return (exec, ("import os; os.system('true')",))


PIXELS = bytes(range(48))
SMALL = idx(8, (3, 4, 4), PIXELS)
ROWS = b"label,a,b,c,d\n5,0,255,7,08\n0,1,2,3,4\r\n9,10,20,30,255"
FLOATS = np.array([[1.5, -2, np.nan], [0, np.inf, 3e-9]], np.float32)


def saved(compressed: bool, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def idx_files() -> list[File]:
    return [
        File("images", SMALL, None),
        File("packed", gzip.compress(SMALL, mtime=0), None),
        File(
            "two members",
            gzip.compress(SMALL[:9], mtime=0) + gzip.compress(SMALL[9:], mtime=0),
            None,
        ),
        File("labels", idx(8, (3,), b"\1\2\3"), None),
        File("floats", idx(13, (2, 2), FLOATS[:, :2].byteswap().tobytes()), None),
        File("rank 0", idx(14, (), bytes(8)), None),
        File("rank 64", idx(11, (1,) * 64, b"\1\2"), None),
        File("nothing along an axis", idx(8, (0, 1 << 31)), None),
        File("nothing", b"", "found nothing"),
        File("rank 255", idx(8, (1,) * 255, b"\1"), "rank 255"),
        File("rank 255 cut off", b"\0\0\x08\xff", "rank 255"),
        File(
            "largest dimensions",
            idx(14, (0xFFFFFFFF,) * 64),
            "expected at most 9223372036854775807",
        ),
        File("largest dimensions and none", idx(8, (0xFFFFFFFF,) * 3 + (0,)), "expected at most"),
        File(
            "a product that overflows to 0", idx(8, (1 << 31, 1 << 31, 4), b""), "expected at most"
        ),
        File("a terabyte", idx(8, (1 << 20, 1 << 20), b"\1"), "the end"),
        File("a terabyte, packed", gzip.compress(idx(8, (1 << 20, 1 << 20), b"\1")), "the end"),
        File("more than declared", SMALL + b"\0", "more data"),
        File("bomb", gzip.compress(idx(8, (1,)) + bytes(1 << 23)), "more data"),
        File("bomb in many members", gzip.compress(bytes(1 << 18)) * 32, "byte 0"),
        File("bomb in a bomb", gzip.compress(gzip.compress(bytes(1 << 23))), "byte 0"),
        File("no content in many members", gzip.compress(b"") * 2000, "found nothing"),
        File("empty blocks", b"\x1f\x8b\x08" + bytes(7) + b"\0\0\0\xff\xff" * 5000, "damaged gzip"),
        File("packed by another method", b"\x1f\x8b\x07" + bytes(30), "damaged gzip"),
        File("garbage after", gzip.compress(SMALL) + b"garbage", "damaged gzip"),
        File("wrong checksum", gzip.compress(SMALL)[:-8] + bytes(8), "damaged gzip"),
        File("unknown type", idx(10, (1,), b"\1"), "the start of an IDX file"),
        File("little-endian", b"\x03\x08\0\0" + SMALL[4:], "the start of an IDX file"),
        File("pickle", pickle.dumps(Trap()), "the start of an IDX file"),
    ]


def csv_files() -> list[File]:
    return [
        File("rows", ROWS, None),
        File("packed", gzip.compress(ROWS, mtime=0), None),
        File("one pixel", b"label,p\n1,2\n3,4\n", None),
        File("many rows", b"label,p\n" + b"1,2\n3,255\n" * 1_000, None),
        File("nothing", b"", "'label'"),
        File("no rows", b"label,p\n", "row 2"),
        File("no pixels", b"label\n1\n", "0 pixel columns"),
        File("not square", b"label,a,b\n1,2,3\n", "2 pixel columns"),
        File("Kaggle's test.csv", b"a,b,c,d\n1,2,3,4\n", "'label'"),
        File("byte order mark", b"\xef\xbb\xbf" + ROWS, None),
        File("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf" + ROWS, "'label'"),
        File("negative", b"label,p\n-1,2\n", "'-1'"),
        File("negative pixel", b"label,p\n1,-2\n", "'-2'"),
        File("float", b"label,p\n1,2.5\n", "'2.5'"),
        File("exponent", b"label,p\n1,1e2\n", "'1e2'"),
        File("256", b"label,p\n1,256\n", "'256'"),
        File("wraps to 0", b"label,p\n1,65536\n", "'65536'"),
        File("not a number", b"label,p\n1,nan\n", "'nan'"),
        File("other digits", "label,p\n1,٣\n".encode(), "'٣'"),
        File("empty cell", b"label,p\n1,\n", "nothing"),
        File("NUL", b"label,p\n1,\0\n", "'\\x00'"),
        File("control characters", b"label,p\n1,\x1b[2J\r\n", "'\\x1b[2J'"),
        File("turned around", "label,p\n1,\u202e2\n".encode(), "'\\u202e2'"),
        File("no text", b"label,p\n1,\xff\xfe\n", "'��'"),
        File("quotes", b'label,p\n"1","2"\n', "'\"1\"'"),
        File("formula", b"label,p\n1,=cmd|' /C calc'!A0\n", "=cmd"),
        File("line of 3 MiB", b"label," + b"p" * (3 << 20), "a line of over"),
        File("row of 3 MiB", b"label,p\n1," + b"0" * (3 << 20) + b"\n", "a line of over"),
        File("500,000 columns", b"label" + b",p" * 500_000 + b"\n", "500000 pixel columns"),
        File("many empty lines", b"label,p\n" + b"\n" * (1 << 17), "1 cells"),
        File("returns alone", b"label,p\r1,2\r", "2 pixel columns"),
        File("bomb of one line", gzip.compress(b"label" * (1 << 21)), "a line of over"),
        File("UTF-16", ROWS.decode().encode("utf-16"), "'label'"),
        File("pickle", pickle.dumps(Trap()), "'label'"),
    ]


TWO = saved(False, a=FLOATS, b=np.arange(3))


def npz_files() -> list[File]:
    return [
        File("two", TWO, None),
        File("packed", saved(True, a=FLOATS, b=np.arange(3)), None),
        File("kinds", saved(False, f=np.asfortranarray(FLOATS), t=np.array([True, False]), s=np.array(2.5), e=np.zeros((0, 4)), g=np.arange(2, dtype=">i2")), None),
        File("no entries", archive(), None),
        File("after something else", b"#!/bin/sh\n" + TWO, None),
        File("version 2", archive(("a.npy", npy(version=(2, 0)))), None),
        File("version 3", archive(("a.npy", npy(version=(3, 0)))), None),
        File("Python 2", archive(("a.npy", npy("(2L,)"))), None),
        File("honest 16 MiB", bomb(1 << 24), None),
        File("nothing", b"", "not a zip file"),
        File("pickle", pickle.dumps(Trap()), "not a zip file"),
        File("bare array", npy(), "not a zip file"),
        File("cut off", TWO[:-30], "not a zip file"),
        File("bomb", bomb((1 << 26) + 4), "would unpack from"),
        File("bomb that lies", lying_bomb(1 << 23, 136), "Bad CRC-32"),
        File("bomb that lies in both", patched(patched(archive(("a.npy", npy() + bytes(1 << 23)), method=8), CENTRAL, 24, "<I", 136), LOCAL, 22, "<I", 136), "Bad CRC-32"),
        File("bomb in a bomb", archive(("a.npy", bomb(1 << 24)), method=8), "is not a NumPy array"),
        File("overlapping bomb", overlapping(1000, 1 << 15), "would unpack from"),
        File("overlapping and small", overlapping(2, 4), "two entries"),
        File("bzip2 bomb", lying_bomb(1 << 18, 136, zipfile.ZIP_BZIP2), "packed by method 12"),
        File("LZMA bomb", lying_bomb(1 << 18, 136, zipfile.ZIP_LZMA), "packed by method 14"),
        File("bzip2", archive(("a.npy", npy()), method=zipfile.ZIP_BZIP2), "packed by method 12"),
        File("method 99", patched(TWO, CENTRAL, 10, "<H", 99), "packed by method 99"),
        File("encrypted", patched(TWO, CENTRAL, 8, "<H", 1), "encrypted"),
        File("strongly encrypted", patched(TWO, CENTRAL, 8, "<H", 64), "strong encryption"),
        File("patch data", patched(TWO, CENTRAL, 8, "<H", 32), "patched data"),
        File("newer than the format", patched(TWO, CENTRAL, 6, "<H", 255), "zip file version"),
        File("30,000 entries", many_entries(30_000), "its directory has"),
        File("wrong size of the directory", patched(TWO, END, 12, "<I", 1), ""),
        File("4 GiB of directory", patched(TWO, END, 12, "<I", 0xFFFFFFFF), ""),
        File("directory before the start", patched(TWO, END, 16, "<I", 0xFFFFFFF0), ""),
        File("entries at the end", patched(TWO, CENTRAL, 42, "<I", 0xFFFFFFF0), ""),
        File("size of 4 GiB", patched(TWO, CENTRAL, 24, "<I", 0xFFFFFFFE), "would unpack from"),
        File("size in zip64 that is not there", patched(TWO, CENTRAL, 24, "<I", 0xFFFFFFFF), ""),
        File("zip64 of 2**63", zip64(TWO, 1 << 63, 0), ""),
        File("zip64 of minus one", zip64(TWO, (1 << 64) - 1, (1 << 64) - 1), ""),
        File("size less than packed", patched(TWO, CENTRAL, 24, "<I", 130), ""),
        File("packed size less", patched(TWO, CENTRAL, 20, "<I", 5), ""),
        File("wrong checksum", patched(TWO, CENTRAL, 16, "<I", 7), "Bad CRC-32"),
        File("two of one name", archive(("a.npy", npy()), ("a.npy", npy(body=b"\1" * 8))), "two entries"),
        File("two of one name but for the ending", archive(("a.npy", npy()), ("a", npy())), "two entries"),
        File("long name", archive(("n" * 60_000, npy("(3,)"))), "nnn"),
        File("name with control characters", archive(("\x1b[2J\n\u202e.npy", npy("(3,)"))), "\\x1b[2J\\n\\u202e"),
        File("name out of the folder", archive(("../../a.npy", npy())), None),
        File("empty member", archive(("a.npy", b"")), "is not a NumPy array"),
        File("pickle in it", archive(("a.npy", pickle.dumps(Trap()))), "is not a NumPy array"),
        File("objects", saved(False, a=np.array([Trap()], dtype=object)), "has objects where numbers are needed"),
        File("objects that are pickles", archive(("a.npy", npy("(1,)", "'|O'", body=pickle.dumps(Trap())))), "has objects where"),
        File("terabytes", archive(("a.npy", npy("(1000000000000,)"))), "has 8 bytes for shape"),
        File("overflow to 8 bytes", archive(("a.npy", npy(f"({(1 << 62) + 2},)"))), "has 8 bytes for shape"),
        File("overflow in a product", archive(("a.npy", npy("(4294967296, 4294967296, 2)"))), "has 8 bytes for"),
        File("none of much", archive(("a.npy", npy("(0, 9999999999999999999)", body=b""))), ""),
        File("negative", archive(("a.npy", npy("(-2,)"))), "that does not describe an array of numbers"),
        File("leading zeros", archive(("a.npy", npy("(002,)"))), "does not describe an array of numbers"),
        File("minus once more", archive(("a.npy", npy("(-1, -2)"))), "does not describe an array of numbers"),
        File("no tuple", archive(("a.npy", npy("(2)"))), "does not describe an array of numbers"),
        File("list", archive(("a.npy", npy("[2]"))), "does not describe an array of numbers"),
        File("float shape", archive(("a.npy", npy("(2.0,)"))), "does not describe an array of numbers"),
        File("True for 1", archive(("a.npy", npy("(True, 2)"))), "does not describe an array of numbers"),
        File("many dimensions", archive(("a.npy", npy(f"({'1, ' * 100}2)"))), "dimension"),
        File("too many digits", archive(("a.npy", npy(f"({'9' * 5000},)"))), "does not describe an array of numbers"),
        File("fortran 1", archive(("a.npy", npy(fortran="1"))), "does not describe an array of numbers"),
        File("fortran text", archive(("a.npy", npy(fortran="'yes'"))), "does not describe an array of numbers"),
        File("fields", archive(("a.npy", npy("(2,)", "[('x', '<f4')]"))), "does not describe an array of numbers"),
        File("subarray", archive(("a.npy", npy("(1,)", "('<f4', (2,))"))), "does not describe an array of numbers"),
        *(File(f"dtype {d}", archive(("a.npy", npy("(1,)", repr(d)))), "") for d in ("<U2", "|S8", "|V8", "<M8[s]", "<m8[ns]", "<f3", "<f99", "<i0", "f4,f4", "O", "|O8", "(2,)f4", "", "<c4", "float", "object")),
        File("header of a program", archive(("a.npy", npy(header=b"__import__('os').system('true')"))), "does not describe an array of numbers"),
        File("deep brackets", archive(("a.npy", npy(header=b"(" * 9000))), "does not describe an array of numbers"),
        File("deep minus", archive(("a.npy", npy(header=b"-" * 9000 + b"1"))), "does not describe an array of numbers"),
        File("deep lists", archive(("a.npy", npy("[" * 4000 + "]" * 4000))), "does not describe an array of numbers"),
        File("big power", archive(("a.npy", npy("(9**9**9,)"))), "does not describe an array of numbers"),
        File("escapes that warn", archive(("a.npy", npy(descr="'\\q'"))), "does not describe an array of numbers"),
        File("header over the limit", archive(("a.npy", npy(header=b"{" + b" " * 20_000))), "over 10000"),
        File("header of 4 GiB", archive(("a.npy", npy(version=(2, 0), length=0xFFFFFFFF))), "over 10000"),
        File("header to the end", archive(("a.npy", npy(length=9999))), "does not describe an array of numbers"),
        File("version 9", archive(("a.npy", npy(version=(9, 0)))), "is not a NumPy array"),
        File("missing key", archive(("a.npy", npy(header=b"{'shape': (2,)}"))), "does not describe an array of numbers"),
        File("flags of 2", archive(("a.npy", npy("(2,)", "'|b1'", body=b"\1\2"))), "booleans other"),
        File("folder", archive(("a/", b"")), "is not a NumPy array"),
        File("LZMA", archive(("a.npy", npy()), method=zipfile.ZIP_LZMA), "packed by method 14"),
        File("bzip2 inside", archive(("a.npy", bz2.compress(npy()))), "is not a NumPy array"),
    ]  # fmt: skip


BODY = FLOATS.tobytes()
GOOD = {"a": entry([2, 3], 0, 24), "b": entry([2], 24, 28, "I16"), "c": entry([], 28, 29, "BOOL")}
HUGE = 10**18


def safetensors_files() -> list[File]:
    return [
        File("three", safe(GOOD, BODY + b"\1\2\3\4\1"), None),
        File("metadata", safe({"__metadata__": {"format": "pt"}, "w": entry([6], 0, 24)}, BODY), None),
        File("no entries", safe({}), None),
        File("none of something", safe({"a": entry([0, 4], 0, 0)}), None),
        File("spaces after", safe(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   ', b"\7"), None),
        File("nothing", b"", ""),
        File("seven bytes", bytes(7), ""),
        File("header only", bytes(8), ""),
        File("pickle", pickle.dumps(Trap()), ""),
        File("spaces before", safe(b'  {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"\7"), "starts with b' '"),
        File("header of 2**64 - 1", safe(GOOD, BODY, (1 << 64) - 1), "a header of 18446744073709551615"),
        File("header of 2**63", safe(GOOD, BODY, 1 << 63), "a header of"),
        File("header past the end", safe(GOOD, b"", 9999), ""),
        File("header into the data", safe({"a": entry([2], 0, 8)}, bytes(8), 80), ""),
        File("header of 2 MiB", safe(b"{}" + b" " * (2 << 20)), "over 1048576"),
        File("20,000 entries", safe({f"a{i}": entry([0], 0, 0) for i in range(20_000)}), "over 1048576"),
        File("overlap", safe({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)), ""),
        File("the same twice", safe({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, bytes(8)), ""),
        File("hole", safe({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)), ""),
        File("past the end", safe({"a": entry([4], 0, 16)}, bytes(8)), ""),
        File("backwards", safe({"a": entry([2], 8, 0)}, bytes(8)), ""),
        File("negative offset", safe({"a": entry([2], -8, 0)}, bytes(8)), ""),
        File("data left over", safe({"a": entry([1], 0, 4)}, bytes(8)), ""),
        File("shape and size differ", safe({"a": entry([3], 0, 8)}, bytes(8)), ""),
        File("overflow", safe({"a": entry([1 << 62, 4], 0, 0)}), ""),
        File("overflow to 8", safe({"a": entry([(1 << 62) + 2], 0, 8)}, bytes(8)), ""),
        File("none of much", safe({"a": entry([0, (1 << 64) - 1], 0, 0)}), ""),
        File("more than 2**64", safe({"a": entry([1 << 64], 0, 0)}), ""),
        File("negative size", safe({"a": entry([-2], 0, 8)}, bytes(8)), ""),
        File("float size", safe({"a": entry([2.0], 0, 8)}, bytes(8)), ""),
        File("many dimensions", safe({"a": entry([1] * 100, 0, 4)}, bytes(4)), ""),
        File("NaN", safe(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', bytes(4)), ""),
        File("1e999999", safe(b'{"a":{"dtype":"F32","shape":[1e999999],"data_offsets":[0,4]}}'), ""),
        File("million digits", safe(b'{"a":{"dtype":"F32","shape":[' + b"1" * 10**6 + b"]}}"), ""),
        File("deep", safe(b'{"a":' * 100_000), ""),
        File("deep lists", safe(b'{"a":' + b"[" * 500_000), ""),
        File("entry of another type", safe({"a": [1, 2]}), ""),
        File("list", safe(b"[]"), ""),
        File("text for a shape", safe({"a": entry("22", 0, 4)}, bytes(4)), ""),
        File("three offsets", safe({"a": {**entry([1], 0, 4), "data_offsets": [0, 4, 4]}}, bytes(4)), ""),
        File("metadata of another type", safe({"__metadata__": {"a": 1}}), ""),
        File("key twice", safe(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"\1\2"), ""),
        File("field twice", safe(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"\1"), ""),
        File("no UTF-8", safe(b'{"\xff":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"\1"), ""),
        File("half a pair", safe(b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"\1"), ""),
        File("name of 1 MB", safe({"n" * 10**6: entry([3], 0, 8)}, bytes(8)), ""),
        File("name with control characters", safe({"\x1b[2J\n\u202e": entry([3], 0, 8)}, bytes(8)), ""),
        File("dtype with control characters", safe({"a": entry([1], 0, 4, "\x1b[2J\n" * 50_000)}, bytes(4)), ""),
        File("flags of 2", safe({"a": entry([2], 0, 2, "BOOL")}, b"\1\2"), "booleans other"),
        *(File(f"dtype {d}", safe({"a": entry([1], 0, 1, d)}, b"\1"), "") for d in ("F8_E4M3", "F8_E5M2", "F8_E8M0", "O", "object", "", None, 1)),
        *(File(f"dtype {d}", safe({"a": entry([2], 0, 4, d)}, bytes(4)), "") for d in ("BF16", "I128")),
        *(File(f"dtype {d}", safe({"a": entry([2], 0, 1, d)}, b"\1"), "") for d in ("F4", "F6_E2M3")),
    ]  # fmt: skip


def checkpoint(change: Any = lambda manifest, arrays: None, manifest: bytes | None = None) -> bytes:
    """A checkpoint of one step of the smallest training, with its parts changed."""
    arrays = dict(_trained())
    parts = json.loads(arrays["checkpoint"].tobytes())
    change(parts, arrays)
    text = json.dumps(parts).encode() if manifest is None else manifest
    arrays["checkpoint"] = np.frombuffer(text, np.uint8)
    return saved(False, **arrays)


def training() -> tuple[nn.Module, Any, Any]:
    """The smallest training: (model, batches, optimiser)."""
    model = nn.Sequential(nn.Linear(2, 2, seed=0), nn.Dropout(0.5, seed=1))
    x, y = np.arange(8, dtype=np.float32).reshape(4, 2), np.array([0, 1, 1, 0])
    given = data.batches(x, y, batch_size=2, seed=0)
    return model, given, optim.SGD(model.parameters(), 0.1, momentum=0.9)


@functools.cache
def _trained() -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        model, batches, optimiser = training()
        fit(model, batches, optimiser, epochs=2, checkpoint=path, replay=False)
        return load(path)


def setting(key: str, value: Any) -> Any:
    return lambda manifest, arrays: manifest.update({key: value})


def array(name: str, value: Any) -> Any:
    return lambda manifest, arrays: arrays.update({name: np.asarray(value)})


def without(name: str) -> Any:
    return lambda manifest, arrays: (manifest.pop(name, None), arrays.pop(name, None))


def checkpoint_files() -> list[File]:
    return [
        File("whole", checkpoint(), None),
        File("more than asked for", checkpoint(array("x", [1])), None),
        File("name with control characters", checkpoint(array("model/\x1b[2J\n\u202e", [1])), "unexpected \\x1b[2J\\n\\u202e"),
        File("many names", checkpoint(lambda m, a: a.update({f"model/{i}": np.ones(1) for i in range(500)})), "; unexpected 499."),
        File("nothing", b"", "not a zip file"),
        File("weights", TWO, "no entry 'checkpoint'"),
        File("pickle", pickle.dumps(Trap()), "not a zip file"),
        *(
            File(f"manifest {text[:20]!r}", checkpoint(manifest=text), "not a readable checkpoint")
            for text in (
                b"", b"null", b"[]", b"1", b"{}", b"NaN", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
                b"9" * 100_000, b'{"format":' + b"9" * 5000 + b"}", b'{"format":1e999999}', b'{"a":"\\ud800"}',
                b'{"format":"' + b"x" * 100_000 + b'"}', b'{"format":"\\u001b[2J\\n\\u202e"}', b" " * (2 << 20),
                pickle.dumps(Trap()),
            )
        ),
        *(
            File(f"{key} {str(value)[:20]}", checkpoint(setting(key, value)), "")
            for key in ("format", "monitor", "optimiser", "generators", "batches", "first", "start", "now")
            for value in ("x", -1, 1e308, 10**4000, [], [[]], {"$array": "no"}, {"$array": []}, True)
        ),
        *(
            File(f"{name} {np.asarray(value).dtype}{np.asarray(value).shape}", checkpoint(array(name, value)), "")
            for name in ("history", "step_losses", "step_accuracies", "checkpoint", "model/0.weight")
            for value in (1, [], [1.0], [[1.0] * 7], [[np.nan] * 7], [[np.inf] * 7], [[-1.0] * 7], [[1e300] * 7], [1j], [True])
            if name != "checkpoint"
        ),
        *(File(f"tally {value}", checkpoint(array("tally", value)), "not a readable checkpoint") for value in (1.0, [1.0], [np.nan] * 5, [np.inf] * 5, [1.0, -1, 0, 0, 0], [1, 2, 3, 4, 5])),
        *(File(f"without {name}", checkpoint(without(name)), "") for name in ("format", "monitor", "optimiser", "generators", "batches", "first", "start", "now", "history", "step_losses", "step_accuracies", "model/0.weight")),
    ]  # fmt: skip


MAKERS: dict[str, Callable[[], list[File]]] = {
    "idx": idx_files,
    "csv": csv_files,
    "npz": npz_files,
    "safetensors": safetensors_files,
    "checkpoint": checkpoint_files,
}


@functools.cache
def files(format: str) -> list[File]:
    """The files of a format, made when they are first asked for: bombs take a while."""
    return MAKERS[format]()
