"""IDX and CSV: what is written is read again, and whatever is damaged is refused in a sentence."""

import gzip
import hashlib
import os
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.each import for_each
from tinygrad_np.data import files, load_csv, load_idx, save_idx
from tinygrad_np.errors import DataError

IDX_DTYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]


def idx(code: int, shape: tuple[int, ...], body: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + body


def refusal(load: Any, path: Path) -> str:
    """The message without the path, after checking that it is one sentence in a DataError."""
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


SMALL = idx(0x08, (2, 2), b"\x01\x02\x03\x04")


@for_each(IDX_DTYPES, "<>", range(6), ["a", "a.gz"])
def test_what_is_saved_is_loaded_bit_for_bit(
    dtype: str, order: str, rank: int, name: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng([rank, ord(order), len(name)])
    shape = rng.integers(0 if name == "a" else 1, 4, rank)
    bits = rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    array = np.frombuffer(bits, order + dtype).reshape(shape)
    save_idx(tmp_path / name, array)
    loaded = load_idx(tmp_path / name)
    assert loaded.shape == array.shape
    assert loaded.dtype == array.dtype.newbyteorder("=")
    assert loaded.dtype.isnative
    assert loaded.flags.writeable
    assert loaded.tobytes() == array.astype(loaded.dtype).tobytes()


def test_idx_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    save_idx(tmp_path / "a", np.array([[1, -2, 300]], np.int16))
    assert (tmp_path / "a").read_bytes() == (
        b"\0\0\x0b\x02" + b"\0\0\0\x01" + b"\0\0\0\x03" + b"\x00\x01\xff\xfe\x01\x2c"
    )


def test_signalling_nan_keeps_its_bits(tmp_path: Path) -> None:
    bits = np.array([0x7FA00001, 0xFF800001], np.uint32)
    save_idx(tmp_path / "a", bits.view(np.float32))
    np.testing.assert_array_equal(load_idx(tmp_path / "a").view(np.uint32), bits)


def test_transposed_arrays_are_saved_in_index_order(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    save_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(load_idx(tmp_path / "a"), array)


def test_packed_bytes_do_not_depend_on_time_or_name(tmp_path: Path) -> None:
    array = np.arange(100, dtype=np.uint8)
    save_idx(tmp_path / "a.gz", array)
    save_idx(tmp_path / "b.gz", array)
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed == (tmp_path / "b.gz").read_bytes()
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(SMALL)
    (tmp_path / "packed").write_bytes(gzip.compress(SMALL))
    for name in ("plain.gz", "packed"):
        np.testing.assert_array_equal(load_idx(str(tmp_path / name)), [[1, 2], [3, 4]])


def test_gzip_members_are_joined(tmp_path: Path) -> None:
    pieces = [SMALL[:5], b"", SMALL[5:11], SMALL[11:]]
    (tmp_path / "a.gz").write_bytes(b"".join(map(gzip.compress, pieces)))
    np.testing.assert_array_equal(load_idx(tmp_path / "a.gz"), [[1, 2], [3, 4]])


def test_checksum_is_of_the_uncompressed_content(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(SMALL))
    right = hashlib.sha256(SMALL).hexdigest()
    assert load_idx(tmp_path / "a.gz", sha256=right).shape == (2, 2)
    assert refusal(lambda path: load_idx(path, sha256="0" * 64), tmp_path / "a.gz") == (
        f", uncompressed content: found SHA-256 {right}, expected {'0' * 64}; "
        "get the published file, or use tg.data.load for data of your own"
    )


BAD_IDX = {
    "empty": (b"", ", byte 0: found nothing, expected the start of an IDX file"),
    "short magic": (b"\0\0\x08", ", byte 0: found 0x000008, expected the start"),
    "wrong zeros": (b"\0\x01" + SMALL[2:], ", byte 0: found 0x00010802, expected"),
    "wrong type": (b"\0\0\x0a" + SMALL[3:], ", byte 0: found 0x00000a02, expected"),
    "text": (b"label,pixel0\n", ", byte 0: found 0x6c616265, expected"),
    "rank 65": (idx(0x08, (1,) * 65, b"\0"), ", byte 3: found rank 65, expected at most 64;"),
    "no dimensions": (SMALL[:4], ", byte 4: found the end, expected 2 dimensions;"),
    "half a dimension": (SMALL[:10], ", byte 10: found the end, expected 2 dimensions;"),
    "no body": (SMALL[:12], ", byte 12: found the end, expected 16 bytes as declared"),
    "short body": (
        SMALL[:-1],
        ", byte 15: found the end, expected 16 bytes as declared (uint8 of shape (2, 2)); "
        "get the file again",
    ),
    "long body": (SMALL + b"\0", ", byte 16: found more data, expected 16 bytes as declared"),
    "short float": (idx(0x0E, (1,), b"\0" * 7), ", byte 15: found the end, expected 16 bytes"),
    "long empty": (idx(0x0E, (0, 9), b"\0"), ", byte 12: found more data, expected 12 bytes"),
    "no element": (idx(0x08, (), b""), ", byte 4: found the end, expected 5 bytes"),
    "too many elements": (
        idx(0x08, (2**32 - 1,) * 2, b""),
        ", byte 4: found shape (4294967295, 4294967295), expected at most 9223372036854775807 b",
    ),
    "too many in none": (
        idx(0x08, (0, 2**32 - 1, 2**32 - 1), b""),
        ", byte 4: found shape (0, 4294967295, 4294967295), expected at most",
    ),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "message"), BAD_IDX.values(), ids=BAD_IDX.keys())
def test_bad_idx(tmp_path: Path, pack: Any, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(pack(content))
    assert refusal(load_idx, tmp_path / "a").startswith(message)


PACKED = gzip.compress(SMALL, mtime=0)
BAD_GZIP = {
    "header only": (PACKED[:10], ", after 0 uncompressed bytes: found damaged gzip data (cut off)"),
    "cut body": (PACKED[:14], ", after "),
    "cut checksum": (
        PACKED[:-1],
        ", after 16 uncompressed bytes: found damaged gzip data (cut off)",
    ),
    "wrong checksum": (
        PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
        ", after 12 uncompressed bytes: found damaged gzip data (Error -3 while decompressing "
        "data: incorrect data check), expected gzip data whole to its end; get the file again",
    ),
    "trailing zero": (PACKED + b"\0", ", after 16 uncompressed bytes: found damaged gzip data ("),
    "trailing text": (PACKED + b"ab", ", after 16 uncompressed bytes: found damaged gzip data ("),
    "trailing magic": (
        PACKED + PACKED[:9],
        ", after 16 uncompressed bytes: found damaged gzip data (cut",
    ),
    "second file": (PACKED + PACKED, ", byte 16: found more data, expected 16 bytes"),
    "no deflate": (
        b"\x1f\x8b\x07" + PACKED[3:],
        ", after 0 uncompressed bytes: found damaged gzip data",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_GZIP.values(), ids=BAD_GZIP.keys())
def test_bad_gzip(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    assert refusal(load_idx, tmp_path / "a.gz").startswith(message)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_lying_header_takes_no_memory(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "a").write_bytes(pack(idx(0x0E, (2**31, 2**20), b"\0" * 100)))
    assert peak_of_refusal(tmp_path / "a") < 1 << 21


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(SMALL + b"\0" * (1 << 26)))
    assert peak_of_refusal(tmp_path / "a.gz") < 1 << 20


def peak_of_refusal(path: Path) -> int:
    tracemalloc.start()
    try:
        refusal(load_idx, path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for load in (load_idx, load_csv):
        assert refusal(load, tmp_path / "none").startswith(
            ": cannot be read (No such file or directory); check the path"
        )
        assert refusal(load, tmp_path).startswith(": found a folder, expected a file;")
        assert refusal(load, tmp_path / "pipe").startswith(": found a device or pipe, expected")


def test_lack_of_memory_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    (tmp_path / "a").write_bytes(SMALL)
    monkeypatch.setattr(files, "read_idx", exhausted)
    assert refusal(load_idx, tmp_path / "a").startswith(": its content does not fit into memory;")


UNSAVEABLE = {
    "int64": (
        np.zeros(2, np.int64),
        "save_idx: found an array of dtype int64, expected one of uint8 int8 int",
    ),
    "bool": (
        np.zeros(2, np.bool_),
        "save_idx: found an array of dtype bool, expected one of uint8",
    ),
    "object": (np.array([None]), "save_idx: found an array of dtype object, expected one of uint8"),
    "side": (
        np.broadcast_to(np.uint8(0), (2**32,)),
        "save_idx: found shape (4294967296,), expected dimensions below 2**32;",
    ),
}


@pytest.mark.parametrize(("array", "message"), UNSAVEABLE.values(), ids=UNSAVEABLE.keys())
def test_what_idx_cannot_hold(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        save_idx(tmp_path / "a", array)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "none" / "a", tmp_path / "folder"):
        message = refusal(lambda path: save_idx(path, np.zeros(1, np.uint8)), target)
        assert message.startswith(": cannot be written (")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a") as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


HEADER = b"label,pixel0,pixel1,pixel2,pixel3\n"
GOOD_ROW = b"7,0,10,255,3\n"
GOOD_CSV = {
    "plain": HEADER + GOOD_ROW,
    "no last newline": HEADER + GOOD_ROW[:-1],
    "crlf": (HEADER + GOOD_ROW).replace(b"\n", b"\r\n"),
    "leading zeros": HEADER + b"007,00,010,255,003\n",
    "gzip": gzip.compress(HEADER + GOOD_ROW),
    "other names": b"label,1x1,1x2,2x1,2x2\n" + GOOD_ROW,
}


@pytest.mark.parametrize("content", GOOD_CSV.values(), ids=GOOD_CSV.keys())
def test_good_csv(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    images, labels = load_csv(tmp_path / "a")
    np.testing.assert_array_equal(images, np.array([[[0, 10], [255, 3]]]), strict=False)
    np.testing.assert_array_equal(labels, np.array([7], np.int64), strict=True)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert images.flags.writeable


WHOLE = "expected a whole number from 0 to 255; correct the cell"
BAD_CSV = {
    "empty": (b"", ", row 1, column 1: found nothing, expected 'label'; give a CSV"),
    "blank": (b"\n", ", row 1, column 1: found nothing, expected 'label'"),
    "kaggle test": (
        HEADER[6:] + b"0,1,2,3\n",
        ", row 1, column 1: found 'pixel0', expected 'label'; give a CSV with a header and the "
        "label first (Kaggle's train.csv, not test.csv)",
    ),
    "no header": (GOOD_ROW, ", row 1, column 1: found '7', expected 'label'"),
    "idx": (SMALL, ", row 1, column 1: found '\\x00\\x00\\x08"),
    "only labels": (b"label\n1\n", ", row 1: found 0 pixel columns, expected a square number"),
    "not square": (b"label,a,b,c\n1,2,3,4\n", ", row 1: found 3 pixel columns, expected a squ"),
    "header only": (HEADER, ", row 2: found the end, expected a row of pixels"),
    "half a header": (HEADER[:-1], ", row 2: found the end, expected a row of pixels"),
    "nan": (HEADER + GOOD_ROW + b"1,2,nan,4,5\n", f", row 3, column 3: found 'nan', {WHOLE}"),
    "empty cell": (HEADER + b"1,,3,4,5\n", f", row 2, column 2: found nothing, {WHOLE}"),
    "empty label": (HEADER + b",2,3,4,5\n", f", row 2, column 1: found nothing, {WHOLE}"),
    "empty end": (HEADER + b"1,2,3,4,\n", f", row 2, column 5: found nothing, {WHOLE}"),
    "float": (HEADER + b"1,2,3.5,4,5\n", f", row 2, column 3: found '3.5', {WHOLE}"),
    "point": (HEADER + b"1,2,.0,4,5\n", f", row 2, column 3: found '.0', {WHOLE}"),
    "large float": (HEADER + b"1,2,256.0,4,5\n", f", row 2, column 3: found '256.0', {WHOLE}"),
    "float among floats": (
        HEADER + b"1.0,2.0,3.25,4.0,5.0\n",
        f", row 2, column 3: found '3.25', {WHOLE}",
    ),
    "negative": (HEADER + b"1,2,3,-4,5\n", f", row 2, column 4: found '-4', {WHOLE}"),
    "space": (HEADER + b"1, 2,3,4,5\n", f", row 2, column 2: found ' 2', {WHOLE}"),
    "256": (HEADER + b"1,2,3,4,256\n", f", row 2, column 5: found '256', {WHOLE}"),
    "999": (HEADER + b"999,2,3,4,5\n", f", row 2, column 1: found '999', {WHOLE}"),
    "1000": (HEADER + b"1,2,1000,4,5\n", f", row 2, column 3: found '1000', {WHOLE}"),
    "not ascii": (HEADER + b"1,2,\xff,4,5\n", f", row 2, column 3: found '\ufffd', {WHOLE}"),
    "digit of Unicode": (HEADER + "1,2,٣,4,5\n".encode(), ", row 2, column 3: found '٣', "),
    "lone return": (HEADER + b"1,2,3\r,4,5\n", f", row 2, column 3: found '3\\r', {WHOLE}"),
    "short row": (
        HEADER + GOOD_ROW + b"1,2,3,4\n" + GOOD_ROW,
        ", row 3: found 4 cells, expected 5 as in row 1; correct or remove the row",
    ),
    "long row": (HEADER + b"1,2,3,4,5,6\n", ", row 2: found 6 cells, expected 5 as in row 1"),
    "rows that add up": (
        HEADER + b"1,2,3,4\n1,2,3,4,5,6\n",
        ", row 2: found 4 cells, expected 5 as in row 1",
    ),
    "blank row": (HEADER + GOOD_ROW + b"\n", ", row 3: found 1 cells, expected 5 as in row 1"),
    "semicolons": (HEADER + b"1;2;3;4;5\n", ", row 2: found 1 cells, expected 5 as in row 1"),
    "cut gzip": (
        gzip.compress(HEADER + GOOD_ROW)[:-3],
        ", after 47 uncompressed bytes: found damaged",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_bad_csv(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    assert refusal(load_csv, tmp_path / "a").startswith(message)


@pytest.mark.parametrize("piece", [40, 64, 100])
def test_csv_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(files, "_PIECE", piece)
    table = np.random.default_rng(0).integers(0, 256, (50, 5))
    rows = [",".join(map(str, row)) for row in table]
    (tmp_path / "a").write_bytes(HEADER + "\r\n".join(rows).encode())
    images, labels = load_csv(tmp_path / "a")
    np.testing.assert_array_equal(labels, table[:, 0])
    np.testing.assert_array_equal(images.reshape(50, 4), table[:, 1:])
    rows[40] = "1,2,3,4,x"
    (tmp_path / "a").write_bytes(HEADER + "\n".join(rows).encode())
    assert refusal(load_csv, tmp_path / "a").startswith(", row 42, column 5: found 'x'")


def test_csv_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PIECE", 64)
    (tmp_path / "a").write_bytes(HEADER + GOOD_ROW + b"1" * 200)
    assert refusal(load_csv, tmp_path / "a").startswith(", byte 47: found a line of over ")


def test_csv_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CSV_UNPACK_FREE", 1 << 16)
    packed = gzip.compress(HEADER + GOOD_ROW * 500_000)
    (tmp_path / "a").write_bytes(packed)
    limit = 100 * len(packed)
    assert refusal(load_csv, tmp_path / "a").startswith(
        f", byte {limit}: found still more bytes, expected at most {limit} from a file this small;"
    )


def test_only_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("folder", "folder"), ("pipe", "device")):
        told = rf"{name}: cannot be written \(it is a {kind}\); name a file"
        with pytest.raises(DataError, match=told), files.replacing(tmp_path / name) as file:
            file.write(b"lost")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert (tmp_path / "pipe").is_fifo()
