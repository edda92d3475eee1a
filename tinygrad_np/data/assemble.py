"""From what was found in files to a data set: whole labels, upright pictures, a test part."""

import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError, DataWarning
from .datasets import Dataset, Part, check_labels
from .orientation import is_transposed
from .sources import Source, check_shapes, encoded

_DIGITS = 10
_LETTERS = 26


def assembled(
    place: str,
    sources: Sequence[Source],
    name: str = "",
    classes: int | None = None,
    transpose: bool | None = False,
) -> Dataset:
    """Training and test part with checked labels and upright pictures.

    `name` is what the files are called. What was changed is told by a DataWarning of the caller's
    caller.
    """
    if classes is not None:
        arguments.whole(place, "classes", classes, error=DataError)
    parts = {
        part: joined(place, group)
        for part in ("train", "test")
        if (group := [source for source in sources if (source.part == "test") == (part == "test")])
    }
    said = [text for part in parts.values() for text in part.said]
    train, test = parts.get("train", parts.get("test")), parts.get("test")
    assert train is not None
    for part in parts.values():
        if part.labels is not None and len(part.labels) != len(part.images):
            raise DataError(
                f"{part.place or place}: found {len(part.labels)} labels, expected "
                f"{len(part.images)}, one for each image; use labels and images of one data set"
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
        turned = upright(train.images, None, name, transpose, said)
        _say(place, said)
        nothing: Any = None
        return Dataset(((turned, nothing), (turned[:0], nothing)))
    used = [part for part in (train, test) if part is not None]
    labels, names = encoded(place, [part.labels for part in used if part.labels is not None])
    if names is None or classes not in (None, len(names)):
        labels, classes = _from_zero(labels, name, classes, said)
        _check([part.place or place for part in used], labels, classes)
    turned = upright(train.images, labels[0], name, transpose, said)
    _say(place, said)
    if test is None:
        return Dataset(_seventh(place, turned, labels[0]), names)
    other = test.images
    if turned is not train.images:
        other = np.ascontiguousarray(other.transpose(0, 2, 1))
    return Dataset(((turned, labels[0]), (other, labels[1])), names)


def as_in_training(
    place: str, sources: Sequence[Source], name: str = "", classes: int | None = None
) -> Source:
    """All pictures as one piece, upright and with labels from 0 as `assembled` gives them.

    Labels that it would refuse stay as they are. What was changed is told by a DataWarning.
    """
    found = joined(place, sources)
    labels = None
    if found.labels is not None:
        with suppress(DataError):
            [labels], names = encoded(place, [found.labels])
            if names is None:
                [labels], _ = _from_zero([labels], name, classes, found.said)
                found.labels = labels
    found.images = upright(found.images, labels, name, None, found.said)
    _say(place, found.said)
    return found


def joined(place: str, sources: Sequence[Source]) -> Source:
    """The pictures and labels of several pieces as one."""
    check_shapes(place, {source.images.shape[1:] for source in sources})
    labels = [source.labels for source in sources if source.labels is not None]
    said = [text for source in sources for text in source.said]
    return Source(
        np.concatenate([source.images for source in sources]),
        np.concatenate(labels) if len(labels) == len(sources) else None,
        sources[0].part,
        said,
        sources[0].place if len(sources) == 1 else "",
    )


def _say(place: str, said: Sequence[str]) -> None:
    if said:
        told = "; ".join(dict.fromkeys(said))
        warnings.warn(f"{place}: {told}.", DataWarning, stacklevel=4)


def _from_zero(
    labels: list[NDArray[np.int64]], name: str, classes: int | None, said: list[str]
) -> tuple[list[NDArray[np.int64]], int | None]:
    """Labels less by one where they count from 1, else themselves; and how many classes it says."""
    values = np.unique(np.concatenate(labels))
    if not values.size or values[0] < 1:
        return labels, classes
    most = int(values[-1])
    whole = len(values) == most  # 1, 2, … and no other
    # files of EMNIST's letters count from 1, and a part of them may lack some
    letters = "letters" in name.lower() and most <= _LETTERS and classes in (None, _LETTERS)
    if letters:
        classes = _LETTERS
    elif classes is None and whole and most == _DIGITS:
        classes = _DIGITS
    if classes is not None and (letters or most == classes):
        zero = " (10 stands for 0)" if classes == _DIGITS else ""
        said.append(f"labels 1 to {classes} became 0 to {classes - 1}{zero}")
        return [part % classes if zero else part - 1 for part in labels], classes
    if classes is not None and whole and most < classes - 1:
        said.append(
            f"labels 1 to {most} of {classes} classes were left as they are, so that no picture is "
            "of class 0; where they count from 1, take 1 off"
        )
    return labels, classes


def _check(places: Sequence[str], labels: list[NDArray[np.int64]], classes: int | None) -> None:
    """Labels are from 0 to classes - 1, each of them below ten or without gaps."""
    values = np.unique(np.concatenate(labels))
    dense = values.size and values[0] >= 0 and np.count_nonzero(values) == values[-1]
    limit = classes or max(int(values[-1]) + 1 if dense else _DIGITS, _DIGITS)
    for place, part in zip(places, labels, strict=True):
        check_labels(place, part, limit)


def upright(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    name: str,
    transpose: bool | None,
    said: list[str],
) -> NDArray[np.uint8]:
    """The pictures themselves, or transposed where they lie on their side or it is asked for."""
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
    """The last n // 7 rows become the test part, or of each class where rows are sorted by it.

    A seventh is MNIST's own proportion.
    """
    n = len(labels)
    if n < 7:
        raise DataError(
            f"{place}: found {n} rows, expected at least 7, as a seventh becomes the test part; "
            "add rows"
        )
    if (np.diff(labels) < 0).any() or labels[0] == labels[-1]:
        kept, held = slice(n - n // 7), slice(n - n // 7, n)
        return (images[kept], labels[kept]), (images[held], labels[held])
    counts = np.bincount(labels)
    last = np.arange(n) - np.repeat(np.cumsum(counts), counts) >= -np.repeat(counts // 7, counts)
    if not last.any():  # no class has seven
        last[6::7] = True
    return (images[~last], labels[~last]), (images[last], labels[last])
