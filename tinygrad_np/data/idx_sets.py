"""IDX files that make up one data set, whatever they and their folders are called."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from . import npz
from .files import Content, listed, load_idx, one_line, opened
from .kinds import START, kind
from .sources import PARTS, Source, as_images, as_labels

_LISTED = 10_000  # entries of a folder that are looked at
_ENDING = re.compile(r"\.(gz|npz|csv|tsv|txt|mat|parquet|pq)$")
_SHARD = re.compile(r"\d+-of-(\d+)")
_ROLES = {
    **dict.fromkeys(["images", "image", "imgs", "pictures", "idx3"], "images"),
    **dict.fromkeys(["labels", "label", "targets", "idx1", "idx2"], "labels"),
}
_EMPTY_WORDS = re.compile(r"idx\d|ubyte|int|byte|")
_QMNIST_COLUMNS = 8  # of which the first one has the class

# what files are called that are read by themselves
TABLES = {".csv", ".mat", ".parquet", ".pq"}
ROLES = ("images", "labels")
Key = tuple[str, str]  # the part of a data set, and what a file has of it
FOUR: list[Key] = [(part, role) for part in ("train", "test") for role in ROLES]


@dataclass(frozen=True)
class IdxSet:
    """The files of one data set: those in one folder whose names have the same other words."""

    home: Path
    group: str
    files: dict[Key, Path]

    @property
    def parts(self) -> list[str]:
        found = [part for part in ("train", "test") if any(part == key[0] for key in self.files)]
        return found or [""] * bool(self.files)

    def missing(self) -> Key | None:
        """The first file that is needed: images and labels of each part that is there."""
        needed = [(part, role) for part in self.parts or ["train", "test"] for role in ROLES]
        return next((each for each in needed if each not in self.files), None)

    def read(self) -> list[Source]:
        """The parts that there are."""
        return [
            _read_pair(self.files[part, "images"], self.files.get((part, "labels")), part)
            for part in self.parts
        ]


def set_of(path: Path, kind: str = "idx", alone: bool = False) -> IdxSet:
    """The data set that a file belongs to; that file by itself where the set is not whole.

    ``alone``: of the set only the part that the file is of.
    """
    own, key = _role(path)
    given = None if key[1] else _nameless(files_in(path.parent, 0))
    if given is not None and path in given.files.values():
        kept = {k: other for k, other in given.files.items() if k[0] == key[0] or not alone}
        return IdxSet(given.home, given.group, kept)
    found: dict[Key, Path] = {}
    for other in files_in(own[0], 1):
        its_set, its_key = _role(other)
        if its_set == own and kind_of(other) == kind:
            found.setdefault(its_key, other)
    if key[1]:
        found[key] = path
    if alone or any(each not in found for each in FOUR):
        found = {each: other for each, other in found.items() if each[0] == key[0]}
    if any((key[0], role) not in found for role in ROLES):
        found = {(key[0], "images"): path}
    return IdxSet(*own, found)


def shards_of(path: Path) -> list[Path]:
    """The pieces (``train-00000-of-00002``) of a table one of whose pieces is given, or none."""
    if not pieces(path):
        return []
    return [other for other in files_in(path.parent, 0)
            if pieces(other) and other.suffix == path.suffix
            and parsed(other.name)[0] == parsed(path.name)[0]]  # fmt: skip


def pieces(path: Path) -> int:
    """Of how many pieces the name of a file says that it is one; 0 where it does not."""
    found = _SHARD.search(path.name)
    return int(found[1]) if found else 0


def sets_in(files: Sequence[Path]) -> list[IdxSet]:
    """The data sets that files make up; what is called so may be damaged."""
    sets: dict[tuple[Path, str], IdxSet] = {}
    for path in files:
        own, (part, role) = _role(path)
        found = kind_of(path) if role else ""
        if found == "idx" or (role and part and path.suffix not in TABLES and found != "picture"):
            sets.setdefault(own, IdxSet(*own, {})).files.setdefault((part, role), path)
    made = list(sets.values())
    if all(each.missing() for each in made) and (given := _nameless(files)):
        made.append(given)
    return made


def _nameless(files: Sequence[Path]) -> IdxSet | None:
    """The set of IDX files whose names tell no role: labels have one axis or two, images more."""
    found: dict[Key, Path] = {}
    for path in files:
        _, (part, role) = _role(path)
        start = start_of(path)
        if role or kind(start or b"\0") != "idx" or len(start) < 4:
            continue
        key = part, "images" if start[3] > 2 else "labels"
        if key in found or any(path.parent != other.parent for other in found.values()):
            return None
        found[key] = path
    made = IdxSet(next(iter(found.values())).parent, "", found) if found else None
    return made if made and made.missing() is None else None


def the_one(folder: Path, sets: Sequence[IdxSet]) -> IdxSet | None:
    """Of the data sets that are whole the one with both parts that is nearest to the top."""
    sets = [each for each in sets if each.missing() is None]
    sets = [each for each in sets if set(FOUR) <= set(each.files)] or sets
    nearest = min((len(each.home.parts) for each in sets), default=0)
    sets = [each for each in sets if len(each.home.parts) == nearest]
    if len(sets) > 1:
        apart = len({each.home for each in sets}) == len(sets)
        places = [str(each.home if apart else each.files[each.parts[0], "images"]) for each in sets]
        places.sort(key=lambda place: (len(place), place))
        raise DataError(
            f"{folder}: found data sets in {' and '.join(places)}, expected one; give the "
            "path of the one that is wanted"
        )
    return sets[0] if sets else None


def files_in(folder: Path, deep: int) -> list[Path]:
    """The files in a folder and so many levels below, those that are nearest first."""
    found: list[Path] = []
    level = [folder]
    for _ in range(deep + 1):
        entries = []
        for place in level:
            with suppress(DataError):
                entries += listed(place, _LISTED)
        found += [entry for entry in entries if entry.is_file()]
        level = [entry for entry in entries if entry.is_dir()]
    return found


def kind_of(path: Path) -> str:
    """What a file is, see `kinds.kind`; nothing where it cannot be read."""
    start = start_of(path)
    return kind(start) if start else ""


def start_of(path: Path) -> bytes:
    """The first bytes of a file's content; none where it cannot be read."""
    with suppress(DataError), opened("load", path) as file:
        return Content(file, str(path)).read(START)
    return b""


def parsed(name: str) -> tuple[str, str, str]:
    """The words of a name that are left, the part of a data set and the role in it."""
    text = name.lower()
    while (shorter := _ENDING.sub("", text)) != text:
        text = shorter
    words = re.split(r"[-_. ]+", _SHARD.sub("", text))
    part = next((PARTS[word] for word in words if word in PARTS), "")
    role = next((_ROLES[word] for word in words if word in _ROLES), "")
    left = [w for w in words
            if not (w in PARTS or w in _ROLES or _EMPTY_WORDS.fullmatch(w))]  # fmt: skip
    return "-".join(left), part, role


def _role(path: Path) -> tuple[tuple[Path, str], Key]:
    """The set that a file belongs to by its name, and what it has of that."""
    group, part, role = parsed(path.name)
    named = role and parsed(path.parent.name) == (group, part, role)
    return (path.parent.parent if named else path.parent, group), (part, role)


def _read_pair(images: Path, labels: Path | None, part: str) -> Source:
    said: list[str] = []
    pixels = as_images(str(images), _array_in(images), None, said)
    if labels is None:
        return Source(pixels, None, part, said)
    given = _array_in(labels)
    if given.ndim == 2 and given.dtype == np.int32 and given.shape[1] == _QMNIST_COLUMNS:
        given = given[:, 0]
    return Source(pixels, as_labels(str(labels), given), part, said, str(labels))


def _array_in(path: Path) -> NDArray[Any]:
    """What an IDX file has, or the one array in an ``.npz``, as KMNIST has them."""
    if kind_of(path) != "npz":
        return load_idx(path)
    try:
        return next(iter(npz.read(path).values()))
    except Exception as error:  # whatever damage makes the reader raise
        told = f"not a readable .npz ({one_line(error)}); get the file again"
        raise DataError(f"{path}: {told}") from error
