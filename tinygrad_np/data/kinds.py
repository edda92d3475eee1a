"""What a file is, by how its content starts, and what reads it."""

from collections.abc import Sequence

PICKLE = (
    "a pickle can run code, so it is not read: if you trust it, read it with the library "
    "that wrote it and save the arrays with np.savez"
)
DOOR = "an IDX, CSV, npz, mat or Parquet file, or a folder of those or of pictures for each class"
_READ = "tg.data.load(path) reads it"
_PICTURE = (
    "tg.data.load reads a folder of pictures for each class, tg.data.digits_from the digits in one"
)
_SAVED = "np.savez(path, x=x, y=y) writes what tg.data.load reads"
_SHOWN = "open it in a program that shows it, and save pictures as PNG"
# what files are, a short name for those that `load` reads, what reads them, and how they start
_ALL: list[tuple[str, str, str, list[bytes]]] = [
    ("an IDX file", "idx", "load_idx(path) reads it, load(path) a folder of four",
     [b"\0\0%c" % code for code in (8, 9, 11, 12, 13, 14)]),
    ("an .npz of arrays or a zip archive", "npz", "tg.data.load(path) reads an .npz of pictures, "
     "tg.load(path) gives the arrays of any, other archives are unpacked", [b"PK\3\4"]),
    ("a .mat file", "mat", _READ, [b"MATL"]),
    ("a Parquet file", "parquet", _READ, [b"PAR1"]),
    ("a PNG picture", "picture", _PICTURE, [b"\x89PNG"]),
    ("a JPEG picture", "picture", _PICTURE, [b"\xff\xd8\xff"]),
    ("a picture", "picture", _PICTURE,
     [b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n"]),
    ("an array of NumPy's", "", f"np.load(path) reads it, {_SAVED}", [b"\x93NUM"]),
    ("an HDF5 file", "", f"h5py.File(path) reads it, {_SAVED}", [b"\x89HDF"]),
    ("packed data (bzip2, xz or 7z)", "", "unpack it", [b"BZh", b"\xfd7zX", b"7z\xbc\xaf"]),
    ("packed data (rar or zstd)", "", "unpack it", [b"Rar!", b"\x28\xb5\x2f\xfd"]),
    ("an Excel file or the like", "", "save it as CSV", [b"\xd0\xcf\x11\xe0"]),
    ("text in UTF-16", "", "save it in UTF-8", [b"\xff\xfe", b"\xfe\xff"]),
    ("JSON", "", f"json.load(file) reads it, {_SAVED}", [b"{", b"["]),
    ("a drawing or XML", "", _SHOWN, [b"<?xml", b"<svg"]),
    ("a PDF", "", _SHOWN, [b"%PDF"]),
    ("a web page", "", "get the file that it links to", [b"<!", b"<htm"]),
    ("a pickle", "", PICKLE, [b"\x80%c" % i for i in range(2, 6)]),
]  # fmt: skip
_BMP = b"BM"  # and four bytes of a length, then zeros
_TAR = slice(257, 262)  # where such an archive has its mark
START = _TAR.stop  # bytes of a file that are needed
# what zip archives are, and an entry that shows it
_ZIPPED = [
    ("xl/workbook.", "an Excel file: save it as CSV"),
    ("[Content_Types].xml", "a file of an office program: save tables as CSV, pictures as PNG"),
    ("content.xml", "an OpenDocument file: save it as CSV"),
    ("data.pkl", "a file of PyTorch's: read it with torch.load, and save arrays of pictures and "
     "labels with np.savez(path, x=x, y=y)"),
    ("model.weights.h5", "a model of Keras' and no data: save arrays of pictures and labels with "
     "np.savez(path, x=x, y=y)"),
]  # fmt: skip


def kind(start: bytes) -> str:
    """ "idx", "npz", "mat", "parquet", "picture", "csv" (any text), or "" for what is not read."""
    if start[:2] == _BMP and start[6:10] == b"\0\0\0\0":
        return "picture"
    for _, name, _, starts in _ALL:
        if start.startswith(tuple(starts)):
            return name
    return "" if b"\0" in start else "csv"


def known_kind(start: bytes) -> str:
    """What a file is that starts so, and what reads it; nothing where that is not known."""
    if start[_TAR] == b"ustar":
        return "this is a tar archive: unpack it"
    for told, _, remedy, starts in _ALL:
        if start.startswith(tuple(starts)):
            return f"this is {told}: {remedy}"
    return ""


def known_archive(entries: Sequence[str]) -> str:
    """What a zip archive is that has these entries beside arrays; nothing where there are none."""
    for shows, told in _ZIPPED:
        if any(shows in entry for entry in entries):
            return f"this is {told}"
    if not entries:
        return ""
    first = " and ".join(entries[:2]) + ", …" * (len(entries) > 2)
    return f"this is a zip archive with {first}: unpack it, and give the path of what was in it"
