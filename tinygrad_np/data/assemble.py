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
from .sources import Source, check_shapes, encoded, name_rows

_DIGITS = 10
_LETTERS = 26
_CALLED = {"train": "training", "test": "test"}


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
    train, *others = parts.values()
    test = others[0] if others else None
    if test is None and train.part and train.labels is not None:
        said.append(f"found the {_CALLED[train.part]} part alone, a seventh is now the test part")
    for name_of, part in parts.items():
        if not len(part.images) and test is not None:
            raise DataError(
                f"{place}: the {_CALLED[name_of]} part has no picture, expected at least one; "
                "leave the part out or fill it"
            )
        if part.labels is not None and len(part.labels) != len(part.images):
            raise DataError(
                f"{part.place or place}: found {len(part.labels)} labels, expected "
                f"{len(part.images)}, one for each image; use labels and images of one data set"
            )
    if test is not None and test.labels is None and train.labels is not None:
        said.append("the test part, which has no labels, was left out")
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
    if classes is None and name_rows(found := np.concatenate(labels)):
        raise DataError(
            f"{place}: found {len(np.unique(found))} classes in {len(found)} rows, as names and "
            "numbers of rows are, expected several rows of each class; name the column of labels "
            "with label=, or leave these out"
        )
    if names is None:
        labels, names, classes = _numbered(place, labels, name, classes, said)
    if names is None or classes not in (None, len(names)):
        _check([part.place or place for part in used], labels, classes)
    turned = upright(train.images, labels[0], name, transpose, said)
    if test is None:
        made = Dataset(_seventh(place, turned, labels[0]), names)
        if not len(made[1][1]):
            said.append("the test part is empty, as there is one row of each class; add rows")
    else:
        other = upright(test.images, None, name, turned is not train.images, [])
        made = Dataset(((turned, labels[0]), (other, labels[1])), names)
    _say(place, said)
    return made


def as_in_training(
    place: str, sources: Sequence[Source], name: str = "", names: Sequence[str] = ()
) -> Source:
    """All pictures as one piece, upright and with labels as `assembled` gives them.

    Numbers that are `names` of classes, and labels that it would refuse, stay as they are. What was
    changed is told by a DataWarning.
    """
    found = joined(place, sources)
    labels = None
    if found.labels is not None:
        with suppress(DataError):
            [labels], words = encoded(place, [found.labels])
            if words is None:
                as_given = labels
                changed: list[str] = []
                [labels], _, _ = _numbered(place, [labels], name, len(names) or None, changed)
                if set(map(str, np.unique(as_given))) <= set(names):
                    found.labels = as_given
                else:
                    found.labels = labels
                    found.said += changed
    found.images = upright(found.images, labels, name, None, found.said)
    _say(place, found.said)
    return found


def joined(place: str, sources: Sequence[Source]) -> Source:
    """The pictures and labels of several pieces as one."""
    check_shapes(place, {source.images.shape[1:] for source in sources})
    labels = [source.labels for source in sources if source.labels is not None]
    said = [text for source in sources for text in source.said]
    ids = [source.ids for source in sources if source.ids is not None]
    return Source(
        np.concatenate([source.images for source in sources]),
        np.concatenate(labels) if len(labels) == len(sources) else None,
        sources[0].part,
        said,
        sources[0].place if len(sources) == 1 else "",
        np.concatenate(ids) if len(ids) == len(sources) else None,
        sources[0].id_name,
        sources[0].by_file,
    )


def _say(place: str, said: Sequence[str]) -> None:
    if said:
        told = "; ".join(dict.fromkeys(said))
        warnings.warn(f"{place}: {told}.", DataWarning, stacklevel=4)


def _numbered(
    place: str, labels: list[NDArray[np.int64]], name: str, classes: int | None, said: list[str]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...] | None, int | None]:
    """Labels from 0, what they were where they were others, and how many classes that says.

    Labels from 1 become less by one, and those in equal steps, as 0 and 255, get their numbers.
    """
    values = np.unique(np.concatenate(labels))
    if not values.size:
        return labels, None, classes
    least, most = int(values[0]), int(values[-1])
    ranges = [(int(part.min()), int(part.max())) for part in labels if part.size]
    if sorted(ranges) == [(0, most - 1), (1, most)] and all(
        len(np.unique(part)) == most for part in labels
    ):
        told = " and test labels ".join(f"from {low} to {high}" for low, high in ranges)
        raise DataError(
            f"{place}: found training labels {told}, expected the same classes in both; subtract 1 "
            "from those that count from 1"
        )
    if least >= 1 and (count := _counts_from_one(values, name, classes, said)):
        zero = " (10 stands for 0)" if count == _DIGITS else ""
        said.append(f"labels 1 to {count} became 0 to {count - 1}{zero}")
        names = [str(i) for i in range(1, count + 1)]
        if zero:
            return [part % count for part in labels], (names[-1], *names[:-1]), count
        return [part - 1 for part in labels], tuple(names), count
    steps, count = np.diff(values), len(values)
    outside = least < 0 or most >= (classes or max(_DIGITS, int(np.count_nonzero(values)) + 1))
    if outside and classes in (None, count) and steps.size and (steps == steps[0]).all():
        said.append(f"labels {', '.join(map(str, values[:3]))}{', …' * (count > 3)} became 0 to "
                    f"{count - 1}, and are the names of the classes")  # fmt: skip
        return [values.searchsorted(part) for part in labels], tuple(map(str, values)), count
    return labels, None, classes


def _counts_from_one(
    values: NDArray[np.int64], name: str, classes: int | None, said: list[str]
) -> int:
    """How many classes there are where labels, all above 0, count from 1; else 0."""
    most = int(values[-1])
    whole = len(values) == most  # 1, 2, … and no other
    # files of EMNIST's letters count from 1, and a part of them may lack some
    if "letters" in name.lower() and most <= _LETTERS and classes in (None, _LETTERS):
        return _LETTERS
    if classes is None:
        return _DIGITS if whole and most == _DIGITS else 0
    if whole and most < classes - 1:
        said.append(
            f"labels 1 to {most} of {classes} classes were left as they are, so that no picture is "
            "of class 0; if they count from 1, subtract 1"
        )
    return classes if most == classes else 0


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
    """The last n // 7 rows become the test part, or of each class where rows of one stand together.

    A seventh is MNIST's own proportion. A class is never in the test part alone.
    """
    n = len(labels)
    if n < 7:
        raise DataError(
            f"{place}: found {n} rows, expected at least 7, as a seventh becomes the test part; "
            "add rows"
        )
    counts = np.bincount(labels)
    last = np.arange(n) >= n - n // 7
    by_chance = n - (counts / n * counts).sum()  # how often the class changes in rows in any order
    if (
        2 * np.count_nonzero(np.diff(labels)) <= by_chance
        or np.setdiff1d(labels[last], labels[~last]).size
    ):
        order = np.argsort(labels, kind="stable")
        place_in = np.empty(n, np.intp)  # of a row in its class, from its end
        place_in[order] = np.arange(n) - np.repeat(np.cumsum(counts), counts)
        last = place_in >= -(counts // 7)[labels]
        if not last.any():  # no class has seven
            several = order[counts[labels[order]] > 1]
            last[several[min(6, len(several) - 1) :: 7]] = True
    return (images[~last], labels[~last]), (images[last], labels[last])
