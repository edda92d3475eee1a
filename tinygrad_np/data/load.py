"""One door to data of one's own: whatever the file or folder is, it becomes a data set."""

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError, DataWarning
from .archives import read_mat, read_npz
from .datasets import Dataset, Part, check_labels, fashion_mnist, last_seventh, mnist, published
from .files import Content, StrPath, load_idx, opened
from .kinds import START, kind, known_kind
from .orientation import is_transposed
from .pictures import decoded, grey, is_picture, read_classes
from .sources import Source, encoded
from .tables import Label, read_csv, read_parquet

_DIGITS = 10
_LETTERS = 26
_LISTED = 10_000  # entries of a folder that are looked at
_DEEP = 3  # levels of folders that are looked into
_ENDING = re.compile(r"\.(gz|npz|csv|tsv|txt|mat|parquet|pq)$")
_SHARD = re.compile(r"\d+-of-\d+")
_PARTS = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["test", "testing", "t10k"], "test"),
}
_ROLES = {
    **dict.fromkeys(["images", "image", "imgs", "pictures", "idx3"], "images"),
    **dict.fromkeys(["labels", "label", "targets", "idx1", "idx2"], "labels"),
}
_EMPTY_WORDS = re.compile(r"idx\d|ubyte|int|byte|")
_FOUR = [("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels")]
_QMNIST_COLUMNS = 8  # of which the first one has the class
_DOOR = "an IDX, CSV, npz, mat or Parquet file, or a folder of those or of pictures for each class"


@dataclass(frozen=True)
class _Role:
    """What the name of a file says: which set it belongs to, which part, and what it holds."""

    home: Path
    group: str
    part: str
    role: str


def load(
    path: StrPath,
    *,
    label: Label = None,
    classes: int | None = None,
    transpose: bool | None = None,
    size: tuple[int, int] | None = None,
) -> Dataset:
    """Return the data set in a file or folder, whatever its content is.

    `path` is "mnist", "fashion", or the place of

    - IDX files as MNIST, EMNIST, KMNIST, QMNIST and the like publish them, plain or gzip, under
      names with dots or dashes, folders deeper, or each in a folder of its own; the path of one
      file stands for the files of its set;
    - a CSV or Parquet table with a picture in each row (Parquet needs pyarrow). `label` is the name
      or place of the column of labels; without it that is looked for;
    - an `.npz` with `x_train y_train x_test y_test` or the like, or a MATLAB file (needs SciPy);
    - a folder with a folder of pictures for each class (needs Pillow), in `train` and `test` or
      not; with `size`, (h, w), all pictures are made so.

    The result is ``((x_train, y_train), (x_test, y_test))`` with images (n, h, w) uint8 and labels
    (n,) int64 from 0; where classes have words, `names` of the result has these. What has no test
    part gives the last seventh of its rows, or where they are sorted by class of each class; what
    has no labels gives None for them, and no test part.
    `classes` is needed where labels leave gaps above 9; labels from 1 to `classes` then count from
    0. Pictures that are transposed, as EMNIST's, are turned upright; `transpose` decides it.
    What was changed is told by a DataWarning. Raises DataError for anything else, with what was
    found and what to do; no pickle is read.

    >>> (x_train, y_train), (x_test, y_test) = tg.data.load("mnist")
    >>> x_train.shape, y_test.dtype
    ((60000, 28, 28), dtype('int64'))
    """
    place = os.fspath(arguments.path("load", "path", path))
    if isinstance(path, str) and path in ("mnist", "fashion"):
        return mnist() if path == "mnist" else fashion_mnist()
    if not os.path.lexists(place) or not str(path):
        raise DataError(
            f"found no data set, folder or file called {os.fspath(path)!r}, expected mnist, "
            f"fashion, a folder of four IDX files, or {_DOOR}; check the spelling"
        )
    if size is not None:
        size = _checked_size(size)
    if os.path.isdir(place):
        sources, names = _read_folder(Path(place), label, size)
    else:
        sources, names = _read_file(Path(place), label)
    if isinstance(sources, Dataset):
        return sources
    return _dataset(place, sources, names, classes, transpose)


def load_pictures(path: Path, size: tuple[int, int] | None = None) -> Source:
    """All pictures of one file or folder, in order, with their labels where it has some.

    A folder that has no data set is one of pictures.
    """
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if is_picture(each))
        if files:
            return Source(np.stack([grey(decoded(str(f), f), size) for f in files]), None)
    if not path.is_dir() and _kind(path) == "idx":
        images = _images(str(path), load_idx(path))
        return Source(_upright(images, None, path.name, None, []), None)
    read, _ = _read_folder(path, None, size) if path.is_dir() else _read_file(path, None)
    if isinstance(read, Dataset):
        return Source(np.concatenate([x for x, _ in read]), np.concatenate([y for _, y in read]))
    return _joined(str(path), read)


def _no_table(path: Path, label: Label) -> DataError:
    return DataError(
        f"{path}: found no table, expected one whose labels are in column {label!r}; leave label= "
        "out, or give the path of a CSV or Parquet file"
    )


def _checked_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise arguments.refusal("load", "size", size, "(height, width) in pixels", DataError)
    height, width = (arguments.whole("load", "size", each, error=DataError) for each in size)
    return height, width


def _kind(path: Path) -> str:
    with opened("load", path) as file:
        return kind(Content(file, str(path)).read(START))


def _read_file(path: Path, label: Label) -> tuple[list[Source], str]:
    """The parts in a file, and what its name says."""
    with opened("load", path) as file:
        start = Content(file, str(path)).read(START)
    found = kind(start)
    if label is not None and found not in ("csv", "parquet"):
        raise _no_table(path, label)
    if found == "idx":
        return _read_set_of(path)
    if found == "npz":
        return read_npz(path), path.name
    if found == "mat":
        return read_mat(path), path.name
    if found == "parquet":
        return [read_parquet(path, label)], path.name
    if found == "csv" and start:
        return [read_csv(path, label)], path.name
    told = known_kind(start) or ("it is empty" if not start else "its kind is not known")
    raise DataError(f"{path}: found no data set, expected {_DOOR}; {told}")


# IDX files


def _role(path: Path) -> _Role:
    group, part, role = _parsed(path.name)
    named = part and role and _parsed(path.parent.name) == (group, part, role)
    return _Role(path.parent.parent if named else path.parent, group, part, role)


def _parsed(name: str) -> tuple[str, str, str]:
    """The words of a name that are left, the part of a data set and the role in it."""
    text = name.lower()
    while (shorter := _ENDING.sub("", text)) != text:
        text = shorter
    words = re.split(r"[-_. ]+", _SHARD.sub("", text))
    part = next((_PARTS[word] for word in words if word in _PARTS), "")
    role = next((_ROLES[word] for word in words if word in _ROLES), "")
    left = [w for w in words
            if not (w in _PARTS or w in _ROLES or _EMPTY_WORDS.fullmatch(w))]  # fmt: skip
    return "-".join(left), part, role


def _read_set_of(path: Path) -> tuple[list[Source], str]:
    """The data set that an IDX file belongs to."""
    own = _role(path)
    found: dict[tuple[str, str], Path] = {}
    for other in _files(own.home, 1):
        role = _role(other)
        if (role.home, role.group) == (own.home, own.group) and _starts_as_idx(other):
            found.setdefault((role.part, role.role), other)
    if own.role:
        found[own.part, own.role] = path
    if all(each in found for each in _FOUR):
        return _read_four(found), path.name
    if (own.part, "labels") in found and (own.part, "images") in found:
        pair = (found[own.part, "images"], found[own.part, "labels"])
        return [_read_pair(*pair, own.part)], path.name
    return [Source(_images(str(path), load_idx(path)), None)], path.name


def _read_four(found: dict[tuple[str, str], Path]) -> list[Source]:
    return [_read_pair(found[part, "images"], found[part, "labels"], part)
            for part in ("train", "test")]  # fmt: skip


def _read_pair(images: Path, labels: Path, part: str) -> Source:
    pixels, given = load_idx(images), load_idx(labels)
    if given.ndim == 2 and given.dtype == np.int32 and given.shape[1] == _QMNIST_COLUMNS:
        given = given[:, 0].astype(np.uint8)
    if (pixels.ndim, given.ndim) != (3, 1) or not pixels.dtype == given.dtype == np.uint8:
        raise DataError(
            f"{labels}: found {given.dtype} labels of shape {given.shape} for {pixels.dtype} "
            f"images of shape {pixels.shape}, expected uint8 (n,) for uint8 (n, h, w); use the "
            "files of an image data set"
        )
    if len(pixels) != len(given):
        raise DataError(
            f"{labels}: found {len(given)} labels, expected {len(pixels)}, one for each image; "
            "use labels and images of one data set"
        )
    return Source(pixels, given, part, place=str(labels))


def _images(place: str, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        what = "labels" if pixels.ndim == 1 else f"{pixels.dtype} of shape {pixels.shape}"
        raise DataError(
            f"{place}: found {what}, expected images, uint8 (n, h, w); give the path of the images"
        )
    return pixels


# folders


def _files(folder: Path, deep: int) -> list[Path]:
    """The files in a folder and so many levels below, those that are nearest first."""
    found: list[Path] = []
    level = [folder]
    for _ in range(deep + 1):
        entries = [entry for place in level for entry in _listed(place)]
        found += [entry for entry in entries if entry.is_file()]
        level = [entry for entry in entries if entry.is_dir()]
    return found


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, in order; nothing where it cannot be read."""
    try:
        entries = (entry for entry in folder.iterdir() if entry.name[0] != ".")
        return sorted(islice(entries, _LISTED))
    except OSError:
        return []


def _read_folder(
    folder: Path, label: Label, size: tuple[int, int] | None
) -> tuple[list[Source] | Dataset, str]:
    files = _files(folder, _DEEP - 1)
    sets: dict[tuple[Path, str], dict[tuple[str, str], Path]] = {}
    for path in files:
        role = _role(path)
        if role.part and role.role and (path.suffix not in _TABLES or _starts_as_idx(path)):
            sets.setdefault((role.home, role.group), {}).setdefault((role.part, role.role), path)
    whole = {key: found for key, found in sets.items() if all(each in found for each in _FOUR)}
    if label is not None and (whole or not _tables(files)):
        raise _no_table(folder, label)
    if whole:
        return _read_whole(folder, whole)
    if not sets:
        if classes := read_classes(folder, size):
            return classes, folder.name
        if tables := _tables(files):
            return _read_tables(folder, tables, label)
    (home, group), found = next(iter(sets.items()), ((folder, ""), {}))
    raise _incomplete(folder, home, group, found)


def _read_whole(
    folder: Path, whole: dict[tuple[Path, str], dict[tuple[str, str], Path]]
) -> tuple[list[Source] | Dataset, str]:
    """The one data set that is nearest to the top."""
    nearest = min(len(home.parts) for home, _ in whole)
    keys = [key for key in whole if len(key[0].parts) == nearest]
    if len(keys) > 1:
        one = {home for home, _ in keys}
        places = (
            [str(home) for home, _ in keys] if len(one) == len(keys)
            else [str(whole[key]["train", "images"]) for key in keys]
        )  # fmt: skip
        places.sort(key=lambda place: (len(place), place))
        raise DataError(
            f"{folder}: found data sets in {' and '.join(places)}, expected one; give the "
            "path of the one that is wanted"
        )
    ((home, group),) = keys
    found = whole[home, group]
    if found["train", "images"].suffix == ".npz":
        sources = []
        for part in ("train", "test"):
            (x,), (y,) = (_array_in(found[part, role]) for role in ("images", "labels"))
            sources.append(Source(_images(str(found[part, "images"]), x), y, part))
        return sources, group
    return published(home) or _read_four(found), group


def _array_in(path: Path) -> list[NDArray[Any]]:
    """The one array in an ``.npz``, as KMNIST has them."""
    from . import npz

    try:
        return list(npz.read(path).values())[:1]
    except Exception as error:  # whatever damage makes the reader raise
        raise DataError(f"{path}: not a readable .npz ({error}); get the file again") from error


_TABLES = {".csv", ".mat", ".parquet", ".pq"}


def _starts_as_idx(path: Path) -> bool:
    try:
        return _kind(path) == "idx"
    except DataError:
        return False


def _tables(files: Sequence[Path]) -> list[Path]:
    """The files that may hold a data set by themselves."""
    endings = (*_TABLES, ".npz", ".tsv")
    return [path for path in files
            if Path(path.name.lower().removesuffix(".gz")).suffix in endings]  # fmt: skip


def _read_tables(folder: Path, tables: Sequence[Path], label: Label) -> tuple[list[Source], str]:
    """One file, or those of a training and a test part, which may be in pieces."""
    if len(tables) == 1:
        return _read_file(tables[0], label)
    parts = {path: _parsed(path.name)[1] for path in tables}
    wanted = [path for path, part in parts.items() if part]
    groups = {_parsed(path.name)[0] for path in wanted}
    if "train" not in parts.values() or len(groups) != 1:
        told = ", ".join(str(path) for path in tables[:5])
        raise DataError(
            f"{folder}: found {told}, expected one file, or one for training and one for test; "
            "give the path of the one that is wanted"
        )
    sources = []
    for path in wanted:
        read, _ = _read_file(path, label)
        for source in read:
            source.part = parts[path]
        sources += read
    return sources, folder.name


def _incomplete(
    folder: Path, home: Path, group: str, found: dict[tuple[str, str], Path]
) -> DataError:
    start = f"{group}-" if group else ""
    test = "test" if group else "t10k"
    names = [f"{start}{part.replace('test', test)}-{role}-idx{3 - 2 * (role == 'labels')}-ubyte"
             for part, role in _FOUR]  # fmt: skip
    missing = next(n for n, each in zip(names, _FOUR, strict=True) if each not in found)
    remedy = "check the path or add the file"
    if found:
        remedy += "; the path of one file of images alone is enough for what is there"
    else:
        for path in _files(folder, 1):
            try:
                with opened("load", path) as file:
                    told = known_kind(Content(file, str(path)).read(START))
            except DataError:
                continue
            if told:
                remedy = f"it has {path.name}: {told}"
                break
    return DataError(
        f"{home if found else folder}: found no {missing}, plain or .gz, expected the four files "
        f"{', '.join(names)}, or {_DOOR}; {remedy}"
    )


# from parts to a data set


def _joined(place: str, sources: Sequence[Source]) -> Source:
    """The pictures and labels of several pieces as one."""
    shapes = {source.images.shape[1:] for source in sources}
    if len(shapes) > 1:
        raise DataError(f"{place}: found pictures of shapes {shapes}, expected one; resize them")
    labels = [source.labels for source in sources if source.labels is not None]
    said = [text for source in sources for text in source.said]
    return Source(
        np.concatenate([source.images for source in sources]),
        np.concatenate(labels) if len(labels) == len(sources) else None,
        sources[0].part,
        said,
        sources[0].place if len(sources) == 1 else "",
    )


def _dataset(
    place: str, sources: Sequence[Source], name: str, classes: int | None, transpose: bool | None
) -> Dataset:
    """Training and test part with checked labels and upright pictures."""
    parts = {
        part: _joined(place, group)
        for part in ("train", "test")
        if (group := [source for source in sources if (source.part == "test") == (part == "test")])
    }
    said = [text for part in parts.values() for text in part.said]
    train, test = parts.get("train", parts.get("test")), parts.get("test")
    assert train is not None
    for part in parts.values():
        if part.labels is not None and len(part.labels) != len(part.images):
            raise DataError(
                f"{place}: found {len(part.labels)} labels, expected {len(part.images)}, one for "
                "each image; use labels and images of one data set"
            )
    if test is not None and test.labels is None and train.labels is not None:
        said.append("the test part, which has no labels, was left out")
        test = None
    if test is train:
        test = None
    if test is not None and train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            f"{place}: found training images of shape {train.images.shape} and test images of "
            f"shape {test.images.shape}, expected the same height and width; use files of one "
            "data set"
        )
    if train.labels is None:
        upright = _upright(train.images, None, name, transpose, said)
        _say(place, said)
        nothing: Any = None
        return Dataset(((upright, nothing), (upright[:0], nothing)))
    used = [part for part in (train, test) if part is not None]
    labels, names = encoded(place, [part.labels for part in used if part.labels is not None])
    places = [part.place or place for part in used]
    labels = _counted(places, labels, names, name, classes, said)
    upright = _upright(train.images, labels[0], name, transpose, said)
    turned = upright is not train.images
    _say(place, said)
    if test is None:
        return Dataset(_seventh(place, upright, labels[0]), names)
    other = np.ascontiguousarray(test.images.transpose(0, 2, 1)) if turned else test.images
    return Dataset(((upright, labels[0]), (other, labels[1])), names)


def _say(place: str, said: Sequence[str]) -> None:
    if said:
        told = "; ".join(dict.fromkeys(said))
        warnings.warn(f"{place}: {told}.", DataWarning, stacklevel=4)


def _counted(
    places: Sequence[str],
    labels: list[NDArray[np.int64]],
    names: tuple[str, ...] | None,
    name: str,
    classes: int | None,
    said: list[str],
) -> list[NDArray[np.int64]]:
    """Labels from 0 to classes - 1, each of them below ten or without gaps."""
    joined = np.concatenate(labels)
    if not joined.size or (names is not None and classes in (None, len(names))):
        return labels
    values = np.unique(joined)
    whole = len(values) == values[-1] and values[0] == 1  # 1, 2, … and no other
    if whole and len(values) == _DIGITS and classes in (None, _DIGITS):
        said.append("labels 1 to 10 became 0 to 9 (10 stands for 0)")
        return [part % _DIGITS for part in labels]
    if classes is None and whole and len(values) == _LETTERS and "letters" in name.lower():
        classes = _LETTERS
    if classes is not None and values[0] >= 1 and values[-1] == classes:
        said.append(f"labels 1 to {classes} became 0 to {classes - 1}")
        return [part - 1 for part in labels]
    dense = values[0] >= 0 and np.count_nonzero(values) == values[-1]  # but for 0 perhaps
    limit = classes or (int(values[-1]) + 1 if dense else _DIGITS)
    for place, part in zip(places, labels, strict=True):
        check_labels(place, part, max(limit, _DIGITS) if classes is None else classes)
    return labels


def _upright(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    name: str,
    transpose: bool | None,
    said: list[str],
) -> NDArray[np.uint8]:
    if transpose is None:
        seen = None if labels is None else is_transposed(images, labels)
        published_so = re.search("(?<!q)(?<!k)emnist", name.lower()) is not None
        transpose = seen if seen is not None else published_so
        if transpose:
            said.append("pictures were transposed and are upright now (not with transpose=False)")
    elif not isinstance(transpose, bool):
        raise arguments.refusal("load", "transpose", transpose, "True, False or None", DataError)
    return np.ascontiguousarray(images.transpose(0, 2, 1)) if transpose else images


def _seventh(place: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Part, Part]:
    """The last n // 7 rows become the test part, or of each class where rows are sorted by it."""
    least, most = labels.min(initial=0), labels.max(initial=0)
    if least == most or len(labels) < 7 or (np.diff(labels) < 0).any():
        return last_seventh(place, images, labels, max(_DIGITS, int(most) + 1))
    counts = np.bincount(labels)
    ends = np.cumsum(counts)
    held = np.concatenate(
        [np.arange(end - count // 7, end) for end, count in zip(ends, counts, strict=True)]
    )
    if not held.size:  # no class has seven
        held = np.arange(6, len(labels), 7)
    kept = np.setdiff1d(np.arange(len(labels)), held)
    return (images[kept], labels[kept]), (images[held], labels[held])
