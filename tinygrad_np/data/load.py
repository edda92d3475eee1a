"""One door to data of one's own: whatever the file or folder is, it becomes a data set."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import arguments
from ..errors import DataError
from .archives import read_mat, read_npz
from .assemble import as_in_training, assembled
from .datasets import Dataset, fashion_mnist, mnist, published
from .files import Content, StrPath, opened, way_to
from .idx_sets import (
    FOUR,
    TABLES,
    IdxSet,
    files_in,
    kind_of,
    parsed,
    pieces,
    set_of,
    sets_in,
    shards_of,
    start_of,
    the_one,
)  # fmt: skip
from .kinds import DOOR, START, kind, known_kind
from .parquet import read_parquet
from .pictures import pictures_in, read_classes
from .sources import Size, Source
from .tables import Label, read_csv

_DEEP = 3  # levels of folders that are looked into


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
    (n,) int64 from 0; where labels are words or count otherwise, `names` of the result has these.
    What has no test part gives the last seventh of its rows, or of each class where the rows of one
    stand together; what has no labels gives None for them, and no test part.
    `classes` is needed where labels leave gaps above 9; labels from 1 to `classes` then become 0 to
    `classes` - 1, and those in equal steps (0 and 255) get the numbers from 0. Pictures that are
    transposed, as EMNIST's, are turned upright; `transpose` decides it. What was changed is
    told by a DataWarning. Raises DataError for anything else, with what was found and what to do;
    no pickle is read.

    >>> (x_train, y_train), (x_test, y_test) = tg.data.load("mnist")
    >>> x_train.shape, y_test.dtype
    ((60000, 28, 28), dtype('int64'))
    """
    place = os.fspath(arguments.path("load", "path", path))
    if isinstance(path, str) and path in ("mnist", "fashion"):
        for option, given, usual in (
            ("label", label, None), ("size", size, (28, 28)), ("classes", classes, 10),
            ("transpose", transpose, False),
        ):  # fmt: skip
            if given not in (None, usual):
                raise DataError(
                    f"load: found {option}={given!r}, expected none beside {path!r}, which is read "
                    "as it is; leave it out"
                )
        return mnist() if path == "mnist" else fashion_mnist()
    if not os.path.lexists(place) or not str(path):
        raise DataError(
            f"found no data set, folder or file called {os.fspath(path)!r}, expected mnist, "
            f"fashion, a folder of four IDX files, or {DOOR}; "
            f"{way_to(place).replace('check the path', 'check the spelling')}"
        )
    if not (label is None or isinstance(label, str) or arguments.is_whole(label)):
        needed = "the name or the place of a column (0 is the first, -1 the last)"
        raise arguments.refusal("load", "label", label, needed, DataError)
    if size is not None:
        size = _checked_size(size)
    if os.path.isdir(place):
        sources, names = _read_folder(Path(place), label, size)
    else:
        sources, names = _read_file(Path(place), label)
    found = sources[0].images.shape[1:]
    if size is not None and found != size:
        raise DataError(
            f"{place}: found size={size!r} and pictures of {'×'.join(map(str, found))}, expected a "
            "folder of pictures for each class, which alone is resized; leave size= out"
        )
    made = assembled(place, sources, names, classes, transpose)
    if classes is not None and made.names is not None and len(made.names) < classes:
        raise DataError(
            f"{place}: found classes={classes} and labels of {len(made.names)} words, expected a "
            "class for each word; leave classes= out"
        )
    return made


def load_pictures(
    path: Path, size: tuple[int, int] | None = None, names: Sequence[str] = ()
) -> Source:
    """All pictures of a file or folder, in order, upright and labelled as `load` has them.

    The labels of IDX files are taken from beside the file; of folders all parts are read. Labels
    that are `names` of classes stay as they are. Rows of tables may be pictures of `size`.
    """
    if path.is_dir():
        read, name = _read_folder(path, None, size)
    else:
        read, name = _read_file(path, None, alone=True, size=size)
    return as_in_training(str(path), read, name, names)


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


def _read_file(
    path: Path, label: Label, alone: bool = False, size: Size = None
) -> tuple[list[Source], str]:
    """The parts in a file and in those of its set, unless it is to be alone; what its name says."""
    with opened("load", path) as file:
        start = Content(file, str(path)).read(START)
    found = kind(start)
    if label is not None and found not in ("csv", "parquet"):
        raise _no_table(path, label)
    if found == "idx" or (found == "npz" and parsed(path.name)[2]):
        whole = set_of(path, found, alone)
        if found == "idx" or whole.missing() is None:
            return whole.read(), path.name
    if found == "npz":
        return read_npz(path), path.name
    if found == "parquet" and not alone and (shards := shards_of(path)):
        return _read_pieces({shard: parsed(shard.name)[1] for shard in shards}, label), path.name
    if found == "mat":
        return read_mat(path), path.name
    if found == "parquet":
        return [read_parquet(path, label, size)], path.name
    if found == "csv" and start:
        return [read_csv(path, label, size)], path.name
    told = known_kind(start) or ("it is empty" if not start else "its kind is not known")
    raise DataError(f"{path}: found no data set, expected {DOOR}; {told}")


def _read_folder(
    folder: Path, label: Label, size: tuple[int, int] | None
) -> tuple[list[Source], str]:
    files = files_in(folder, _DEEP - 1)
    sets = sets_in(files)
    found = the_one(folder, sets)
    tables = _tables(files)
    if label is not None and (found or not tables):
        raise _no_table(folder, label)
    if found:
        whole = published(found.home)
        if whole is None:
            return found.read(), found.group
        parts = zip(("train", "test"), whole, strict=True)
        return [Source(*pair, part) for part, pair in parts], found.group
    if sets or (label is None and any(kind_of(path) == "idx" for path in files)):
        raise _incomplete(next(iter(sets), IdxSet(folder, "", {})))
    if label is None and (classes := read_classes(folder, size)):
        return classes, folder.name
    if tables:
        return _read_tables(folder, tables, label, size)
    raise _nothing(folder, files)


def _tables(files: Sequence[Path]) -> list[Path]:
    """The files that may hold a data set by themselves."""
    endings = (*TABLES, ".npz", ".tsv")
    return [path for path in files
            if Path(path.name.lower().removesuffix(".gz")).suffix in endings]  # fmt: skip


def _read_tables(
    folder: Path, tables: Sequence[Path], label: Label, size: Size
) -> tuple[list[Source], str]:
    """One file, or those of a training and a test part, which may be in pieces."""
    if len(tables) == 1:
        return _read_file(tables[0], label, alone=True, size=size)
    parts = {path: parsed(path.name)[1] for path in tables}
    wanted = [path for path, part in parts.items() if part]
    groups = {parsed(path.name)[0] for path in wanted}
    if "train" not in parts.values() or len(groups) != 1:
        told = ", ".join(str(path) for path in tables[:5])
        raise DataError(
            f"{folder}: found {told}, expected one file, or one for training and one for test; "
            "give the path of the one that is wanted"
        )
    return _read_pieces({path: parts[path] for path in wanted}, label, size), folder.name


def _read_pieces(parts: Mapping[Path, str], label: Label, size: Size = None) -> list[Source]:
    """Files of which it is known what part of a data set each has."""
    sources = []
    for path, part in parts.items():
        read, _ = _read_file(path, label, alone=True, size=size)
        for source in read:
            source.part = part
        there = sum(other == part for other in parts.values())
        if there < (whole := pieces(path)):
            read[0].said.append(f"found {there} of {whole} pieces like {path.name}")
        sources += read
    return sources


def _incomplete(found: IdxSet) -> DataError:
    start = f"{found.group}-" if found.group else ""
    names = {"train": f"{start}train-", "test": f"{start}test-" if start else "t10k-", "": start}
    ends = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
    part, role = found.missing() or FOUR[0]
    wanted = [names[part] + ends[role] for part, role in FOUR]
    return DataError(
        f"{found.home}: found no {names[part]}{ends[role]}, plain or .gz, expected the four files "
        f"{', '.join(wanted)}, or {DOOR}; check the path or add the file; the path of one file of "
        "images alone is enough for what is there"
    )


def _nothing(folder: Path, files: Sequence[Path]) -> DataError:
    """What is in a folder that has no data set."""
    of_pictures = [place for place in dict.fromkeys(path.parent for path in files)
                   if pictures_in(place)]  # fmt: skip
    if of_pictures:
        places = [str(place.relative_to(folder)) for place in of_pictures[:4]]
        told = ", ".join("the folder itself" if place == "." else place for place in places)
        return DataError(
            f"{folder}: found pictures in {told}{', …' * (len(of_pictures) > 4)}, expected a "
            "folder of pictures for each class, as in cat/1.png and dog/1.png, or those in train "
            "and test; move them so, or give the path of the folder that has such folders"
        )
    known = [f"{path.name}: {told}" for path in files if (told := known_kind(start_of(path)))]
    names = ", ".join(str(path.relative_to(folder)) for path in files[:4]) or "no file"
    remedy = f"it has {known[0]}" if known else "check the path"
    return DataError(f"{folder}: found {names}, expected {DOOR}; {remedy}")
