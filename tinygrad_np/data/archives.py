"""Pictures and labels among the arrays of an ``.npz`` or a MATLAB file."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..markup import printable
from . import npz
from .files import StrPath, one_line
from .kinds import DOOR, known_archive
from .sources import LABEL_NAMES, Source, as_images, as_labels, name_rows

Arrays = dict[str, NDArray[Any]]
# words of names; the short ones stand alone, or beside the x or y of a name like ytr or teX
_PARTS = {
    part: re.compile(f"{long}|(?:(?<![a-z])|(?<=^[xy]))(?:{short})(?=[xy]?(?![a-z]))")
    for part, long, short in (
        ("train", "train(?:ing)?|trn", "tr"), ("test", "test(?:ing)?|tst", "te"),
        ("validation", "valid(?:ation)?|val", "va|dev"),
    )
}  # fmt: skip
_WORDS = re.compile("[a-z]+|[0-9]+")


def read_npz(path: StrPath) -> list[Source]:
    """Read the pictures in an ``.npz`` whose arrays are called as Keras' or in a like way.

    That is `x_train y_train x_test y_test`, `train_images train_labels …`, or one part alone.
    Arrays of words and pickled ones are left out beside labels that are numbers. Raises DataError
    where they may be the labels or pictures, and for what has no pictures.
    """
    no_numbers: dict[str, npz.NoNumbersError] = {}
    try:
        arrays = npz.read(Path(path), no_numbers)
        if no_numbers and not _has_all(os.fspath(path), arrays):
            raise next(iter(no_numbers.values()))
    except Exception as error:  # whatever damage makes the reader raise
        if told := known_archive(npz.others(Path(path))):
            raise DataError(f"{path}: found no data set, expected {DOOR}; {told}") from error
        raise DataError(
            f"{path}: not a readable .npz of arrays of numbers ({one_line(error)}); write arrays "
            "with np.savez(path, x=x, y=y)"
        ) from error
    return read_arrays(os.fspath(path), arrays, list(no_numbers))


def _has_all(place: str, arrays: Arrays) -> bool:
    """Whether there are pictures with labels without arrays that are none of numbers."""
    try:
        return all(source.labels is not None for source in read_arrays(place, dict(arrays)))
    except DataError:
        return False


def read_mat(path: StrPath) -> list[Source]:
    """Read the pictures in a MATLAB file (version 5 to 7), which needs SciPy.

    Names and layouts are those of `read_npz`, in structs too; pictures may be columns, and their
    classes arrays of their own (`train0 … train9`). Raises ImportError without SciPy.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ImportError(f"{path}: MATLAB files need SciPy: pip install scipy.") from None
    try:
        found = loadmat(os.fspath(path), chars_as_strings=False)
    except NotImplementedError as error:
        raise DataError(
            f"{path}: found a .mat file of version 7.3, expected 5 to 7; save it in MATLAB with "
            "'-v7', or read it with h5py.File(path) and write the arrays with np.savez"
        ) from error
    except Exception as error:  # whatever damage makes SciPy raise
        raise DataError(
            f"{path}: not a readable .mat file ({one_line(error)}); get the file again"
        ) from error
    return read_arrays(os.fspath(path), _flat(found))


def _flat(found: Mapping[str, Any], start: str = "") -> Arrays:
    """The arrays of numbers in nested structs, by names with dots."""
    arrays: Arrays = {}
    for name, value in found.items():
        if isinstance(value, np.ndarray) and value.dtype.names and value.size:
            fields = {field: value[field].flat[0] for field in value.dtype.names}
            arrays |= _flat(fields, f"{start}{name}.")
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size:
            arrays[f"{start}{name}"] = value
    return arrays


def read_arrays(place: str, arrays: Arrays, left: Sequence[str] = ()) -> list[Source]:
    """The parts that arrays by name make up; each has pictures, and labels or none.

    Those called `left` are told of as left out.
    """
    groups: dict[str, Arrays] = {}
    arrays = {printable(name): array for name, array in arrays.items()}
    for name, array in arrays.items():
        part = next((part for part, form in _PARTS.items() if form.search(name.lower())), "")
        groups.setdefault(part, {})[name] = array
    left_out = "test" in groups and groups.pop("validation", None) is not None
    unused: Arrays = groups.pop("", {}) if "train" in groups else {}
    if len(groups) > 1 and "" in groups:
        groups["train"] = groups.pop("")
    sources = [
        source
        for part, group in groups.items()
        for source in _read_part(place, group, "test" if part == "validation" else part, unused)
    ]
    if not sources:
        told = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:6])
        raise DataError(
            f"{place}: found the arrays {told or 'none'}, expected pictures such as x_train (n, h, "
            "w) with labels y_train (n,), and x_test, y_test; write them so with np.savez"
        )
    if without := sorted([*unused, *map(printable, left)]):
        several = len(without) > 1
        sources[0].said.append(f"the array{'s' * several} {', '.join(without)} "
                               f"{'were' if several else 'was'} left out")  # fmt: skip
    if left_out:
        sources[0].said.append("the validation part was left out")
    return sources


def _read_part(place: str, group: Arrays, part: str, unused: Arrays) -> list[Source]:
    """Nothing where there are no pictures in a group of arrays; what is left goes to `unused`."""
    if (classes := _by_class(group)) is not None:
        group = classes
    wide = {name: array for name, array in group.items()
            if array.ndim > 1 and not _is_label(name) and array.size != 1}  # fmt: skip
    if not wide:
        unused |= group
        return []
    name = max(wide, key=lambda name: wide[name].size)
    shape = wide[name].shape
    alike = [n for n in wide if wide[n].shape[1:] == shape[1:]]
    if len(alike) > 1:
        told = " and ".join(f"{n} {wide[n].shape}" for n in alike)
        raise DataError(
            f"{place}: found the arrays {told} for one part, expected names that tell the parts; "
            "call them x_train, y_train, x_test and y_test, put them together, or leave one out"
        )
    others = {n: array for n, array in group.items() if n != name}
    of_labels = _labels_in(others, (shape[0], shape[-1]))
    labels = as_labels(f"{place}, {of_labels}", others.pop(of_labels)) if of_labels else None
    unused |= others
    said: list[str] = []
    count = None if labels is None else len(labels)
    return [Source(as_images(f"{place}, {name}", wide[name], count, said), labels, part, said)]


def _words(name: str) -> list[str]:
    name = name.lower()
    for form in _PARTS.values():
        name = form.sub("_", name)
    return _WORDS.findall(name)


def _is_label(name: str) -> bool:
    return any(word in LABEL_NAMES for word in _words(name))


def _labels_in(others: Arrays, counts: tuple[int, ...]) -> str | None:
    """The array that has a label for each picture: by its name, or else by its length."""
    named = [name for name in others if _is_label(name)]
    likely = [
        name for name, array in others.items()
        if array.size in counts and (array == np.rint(array)).all() and not name_rows(array.ravel())
    ]  # fmt: skip
    return next(iter(named or likely), None)


def _by_class(group: Arrays) -> Arrays | None:
    """Pictures and labels of arrays that have the pictures of one class each, as train0."""
    words = {name: _words(name) for name in group}
    if len(group) < 2 or any(len(w) != 1 or not w[0].isdigit() for w in words.values()):
        return None
    if len({array.shape[1:] for array in group.values()}) > 1:
        return None
    labels = [np.full(len(array), int(words[name][0])) for name, array in group.items()]
    return {"x": np.concatenate(list(group.values())), "labels": np.concatenate(labels)}
