"""Mutants: of bytes, of the tokens of a text, and of what lies under a layer of packing."""

import gzip
import json
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from tests.hostile import corpus, readers

NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    24,
    31,
    63,
    64,
    65,
    100,
    127,
    128,
    255,
    256,
    257,
    999,
    1024,
    4095,
    4096,
    32767,
    32768,
    65535,
    65536,
    (1 << 24) - 1,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 62) + 2,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
]
TOKENS = [
    *map(str, NUMBERS),
    *(f"-{n}" for n in NUMBERS[:12]),
    "9" * 30,
    "1" * 5000,
    "00",
    "1.0",
    "-0",
    "1e999999",
    "1e2",
    "NaN",
    "Infinity",
    "nan",
    "inf",
    "null",
    "true",
    "false",
    "True",
    "None",
    "''",
    '""',
    "[]",
    "{}",
    "()",
    "(,)",
    "[[",
    "]]",
    "((",
    "))",
    "{",
    "}",
    ",",
    ":",
    ",,",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\x1b[2J",
    "\u202e",
    "\ud7ff",
    "é",
    "٣",
    "\\",
    "\\u0000",
    "\\ud800",
    "#",
    "'<f4'",
    "'>i8'",
    "'|b1'",
    "'|O'",
    "'<U4'",
    "'<f2'",
    "'<c16'",
    "'|V4'",
    "(2, 3)",
    "(0,)",
    "(-1,)",
    '"F32"',
    '"F64"',
    '"I8"',
    '"BOOL"',
    '"BF16"',
    '"shape"',
    '"dtype"',
    '"data_offsets"',
    '"__metadata__"',
    "descr",
    "shape",
    "fortran_order",
    "label",
    "__import__('os')",
    "1L",
]
TOKEN = re.compile(r"-?\d+(?:\.\d+)?|\w+|'[^']*'|\"[^\"]*\"|[^\w\s]|\s+")


def mutant(format: str, content: bytes, random: Random) -> bytes:
    """One to four changes somewhere in a file, under its layers as often as on its outside."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        change = LAYERS[format] if random.random() < 0.7 else of_bytes
        content = change(content, random)
    return content


def of_bytes(content: bytes, random: Random) -> bytes:
    out = bytearray(content)
    at = random.randint(0, len(out))
    length = min(random.choice((1, 1, 2, 4, 8, 16, 64, 1000)), len(out) - at)
    kind = random.randrange(9)
    if kind == 0 and at < len(out):
        out[at] ^= 1 << random.randrange(8)
    elif kind == 1 and at < len(out):
        out[at] = random.choice((0, 1, 9, 10, 13, 32, 34, 44, 45, 48, 57, 127, 128, 254, 255))
    elif kind in (2, 3):
        form = random.choice("BHIQ")
        number = random.choice(NUMBERS) + random.choice((0, 0, 0, 1, -1))
        size = struct.calcsize(f"={form}")
        raw = (number % (1 << 8 * size)).to_bytes(size, random.choice(("little", "big")))
        out[at : at + size] = raw
    elif kind == 4:
        del out[at:]
    elif kind == 5:
        del out[at : at + length]
    elif kind == 6:
        out[at:at] = out[at : at + length] * random.choice((1, 1, 2, 300))
    elif kind == 7:
        out[at:at] = random.randbytes(random.choice((1, 4, 40)))
    else:
        other = random.randint(0, len(out))
        out[at:at] = out[other : other + length]
    return bytes(out)


def of_tokens(text: str, random: Random) -> str:
    """One token replaced, left out, doubled, moved or multiplied."""
    tokens = TOKEN.findall(text) or [""]
    at, other = random.randrange(len(tokens)), random.randrange(len(tokens))
    kind = random.randrange(7)
    if kind < 3:
        tokens[at] = random.choice(TOKENS)
    elif kind == 3:
        del tokens[at]
    elif kind == 4:
        tokens.insert(at, tokens[other])
    elif kind == 5:
        tokens[at], tokens[other] = tokens[other], tokens[at]
    else:
        tokens[at] *= random.choice((2, 3, 100, 3000))
    return "".join(tokens)


def of_text(content: bytes, random: Random) -> bytes:
    return of_tokens(content.decode("latin-1"), random).encode("utf-8", "surrogatepass")


def unpacked(
    change: Callable[[bytes, Random], bytes],
) -> Callable[[bytes, Random], bytes]:
    """A change under gzip, or with gzip put around it."""

    def layer(content: bytes, random: Random) -> bytes:
        is_packed = content[:2] == b"\x1f\x8b"
        if is_packed:
            content = readers.gunzip(content[:100_000])[0][:100_000]
        content = change(content, random)
        if not is_packed and random.random() < 0.9:
            return content
        if random.random() < 0.2:
            return content
        at = random.randint(0, len(content)) if random.random() < 0.3 else 0
        parts = [content[:at], content[at:]] if at else [content]
        level = random.choice((0, 1, 9))
        return b"".join(gzip.compress(part, level, mtime=0) for part in parts)

    return layer


def of_idx(content: bytes, random: Random) -> bytes:
    """A field of the header, with the body to fit as often as not."""
    if len(content) < 4 or random.random() < 0.2:
        return of_bytes(content, random)
    rank = min(content[3], (len(content) - 4) // 4)
    code, shape = content[2], list(struct.unpack_from(f">{rank}I", content, 4))
    body = content[4 + 4 * rank :]
    kind = random.randrange(6)
    if kind == 0:
        code = random.choice([*readers.IDX, 0, 7, 10, 15, 255])
    elif kind == 1 and shape:
        shape[random.randrange(rank)] = random.choice(NUMBERS) % (1 << 32)
    elif kind == 2:
        shape.insert(random.randint(0, rank), random.choice((0, 1, 1, 2)))
    elif kind == 3 and shape:
        del shape[random.randrange(rank)]
    elif kind == 4:
        body = random.randbytes(random.choice((0, 1, 8, 100)))
    size = random.choice((len(body), 100, 1))
    for n in shape:
        size = min(size * max(n, 1), 4096)
    if random.random() < 0.5:
        width = int(readers.IDX.get(code, ">u1")[2])
        total = width
        for n in shape:
            total = min(total * n, 4096)
        body = (body * (total // max(len(body), 1) + 1))[:total].ljust(total, b"\0")
    shape = shape[:255]
    return corpus.idx(code, shape, body)


def of_npz(content: bytes, random: Random) -> bytes:
    """Members changed and packed anew, then perhaps a field of the records."""
    if random.random() < 0.3:
        return of_records(content, random)
    try:
        entries = list(readers.directory(content))[:8]
        members = [[e.name + ".npy", readers.member(content, e)[:100_000]] for e in entries]
    except (readers.Refused, readers.Undecided):
        return of_bytes(content, random)
    if not members:
        members.append(["a.npy", corpus.npy()])
    at = random.randrange(len(members))
    kind = random.randrange(8)
    if kind < 5:
        members[at][1] = of_npy(members[at][1], random)
    elif kind == 5:
        members[at][0] = random.choice(
            ("a.npy", "a", "../b.npy", "\n.npy", "x" * 300, "é.npy", "/")
        )
    elif kind == 6:
        members.append(list(members[at]))
    else:
        members[at][1] = of_bytes(members[at][1], random)
    method = random.choice((0, 0, 0, 8, 8, 8, 8, 12, 14))
    packed = corpus.archive(*((name, data) for name, data in members), method=method)
    return packed if random.random() < 0.7 else of_records(packed, random)


def of_npy(data: bytes, random: Random) -> bytes:
    """The text of the header changed and its length made to fit."""
    if len(data) < 12 or data[6] not in (1, 2, 3):
        return of_bytes(data, random)
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    header, body = data[8 + width : 8 + width + length], data[8 + width + length :]
    kind = random.randrange(8)
    if kind < 4:
        header = of_text(header.rstrip(), random) + b"\n"
    elif kind == 4:
        count = random.choice((0, 1, 2, 6, 12))
        shape = random.choice((f"({count},)", f"({count}, 1)", f"(1, {count}, 1)", "()"))
        descr = random.choice(
            ("<f4", ">f8", "|b1", "<i2", "<c8", "<f2", "|u1", "=f4", "<f16", "|O")
        )
        header = f"{{'descr': '{descr}', 'fortran_order': {bool(count % 2)}, 'shape': {shape}, }}\n".encode()  # noqa: E501
        body = random.randbytes(random.choice((count, 2 * count, 4 * count, 8 * count, 1)))
    elif kind == 5:
        body = body[: random.randint(0, len(body))]
    elif kind == 6:
        body += random.randbytes(random.choice((1, 4, 8)))
    version = random.choice((1, 1, 1, 1, 2, 2, 3, 4, 255)) if kind == 7 else data[6]
    size = len(header) + (random.choice((0, 0, 0, 0, 1, -1, 9000, 70000)) if kind == 7 else 0)
    form = 2 if version == 1 else 4
    raw = (size % (1 << 8 * form)).to_bytes(form, "little")
    return b"\x93NUMPY" + bytes((version, 0)) + raw + header + body


FIELDS = {
    corpus.LOCAL: (
        (4, "H"),
        (6, "H"),
        (8, "H"),
        (14, "I"),
        (18, "I"),
        (22, "I"),
        (26, "H"),
        (28, "H"),
    ),
    corpus.CENTRAL: (
        (6, "H"),
        (8, "H"),
        (10, "H"),
        (16, "I"),
        (20, "I"),
        (24, "I"),
        (28, "H"),
        (30, "H"),
        (32, "H"),
        (42, "I"),
    ),
    corpus.END: ((4, "H"), (6, "H"), (8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "H")),
}


def of_records(content: bytes, random: Random) -> bytes:
    """One field of one record of an archive."""
    mark = random.choice(list(FIELDS))
    places = [found.start() for found in re.finditer(re.escape(mark), content)]
    if not places:
        return of_bytes(content, random)
    offset, form = random.choice(FIELDS[mark])
    at, size = random.choice(places) + offset, struct.calcsize(form)
    if at + size > len(content):
        return of_bytes(content, random)
    old = int.from_bytes(content[at : at + size], "little")
    new = random.choice((old + 1, old - 1, 2 * old, old // 2, *random.sample(NUMBERS, 6)))
    out = bytearray(content)
    out[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
    if random.random() < 0.3:  # the same lie in both records
        for other, place in ((corpus.LOCAL, 14), (corpus.CENTRAL, 16)):
            if mark in (corpus.LOCAL, corpus.CENTRAL) and other != mark and 14 <= offset <= 26:
                shift = offset - (14 if mark == corpus.LOCAL else 16)
                where = out.find(other)
                if 0 <= where < len(out) - 50:
                    out[where + place + shift : where + place + shift + size] = out[at : at + size]
    return bytes(out)


def of_safetensors(content: bytes, random: Random) -> bytes:
    """The text of the header changed, or an entry made up, and the length made to fit."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or length > len(content) - 8:
        return of_bytes(content, random)
    header, body = content[8 : 8 + length], content[8 + length :]
    kind = random.randrange(8)
    if kind < 4:
        header = of_text(header[:100_000], random)
    elif kind < 6:
        header, body = of_entries(header, body, random)
    elif kind == 6:
        body = of_bytes(body, random)
    lie = random.choice(NUMBERS) if kind == 7 else len(header)
    return struct.pack("<Q", lie) + header + body


def of_entries(header: bytes, body: bytes, random: Random) -> tuple[bytes, bytes]:
    """One entry changed as a whole, with what follows from it, or not."""
    try:
        entries: dict[str, Any] = json.loads(header)
    except (ValueError, RecursionError):
        return of_text(header, random), body
    if not isinstance(entries, dict):
        return header, body
    dtype = random.choice([*readers.SAFE, "BF16", "F8_E4M3", "F4", "X", 3, None])
    shape: Any = random.choice(([], [1], [2, 3], [0], [0, 1 << 40], [1 << 32, 1 << 32], [-1], "x"))
    start = random.choice((len(body), len(body), 0, 1, -1, 1 << 40))
    size = random.choice((0, 1, 2, 4, 6, 8, 12, 24, 48, 1 << 62))
    name = random.choice((*entries, "new", "", "\n\x1b", "__metadata__"))
    if random.random() < 0.3:
        entries.pop(name, None)
    else:
        entries[name] = corpus.entry(shape, start, start + size, dtype)
        if start == len(body) and size < 100:
            body += random.randbytes(size)
    return json.dumps(entries).encode(), body


def of_checkpoint(content: bytes, random: Random) -> bytes:
    """The manifest or another entry changed, and packed anew."""
    if random.random() < 0.2:
        return of_npz(content, random)
    try:
        members = {
            e.name: readers.member(content, e)[:100_000]
            for e in list(readers.directory(content))[:64]
        }
    except (readers.Refused, readers.Undecided):
        return of_bytes(content, random)
    name = random.choice(["checkpoint", "checkpoint", *members])
    found = members.get(name, corpus.npy())
    if name == "checkpoint" and len(found) > 128 and random.random() < 0.9:
        text = of_text(found[128:], random)
        members[name] = corpus.npy(f"({len(text)},)", "'|u1'", body=text)
    elif random.random() < 0.2:
        members.pop(name, None)
    else:
        members[name] = of_npy(found, random)
    return corpus.archive(*((f"{name}.npy", data) for name, data in members.items()))


LAYERS: dict[str, Callable[[bytes, Random], bytes]] = {
    "idx": unpacked(of_idx),
    "csv": unpacked(of_text),
    "npz": of_npz,
    "safetensors": of_safetensors,
    "checkpoint": of_checkpoint,
}
