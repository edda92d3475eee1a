"""What is found in a file before it is a data set: pictures as they lie there, and their labels."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

LABEL_NAMES = (
    "label", "labels", "class", "classes", "target", "targets", "y", "digit", "category",
)  # fmt: skip
# what parts of a data set are called in the names of files and folders
PARTS = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["test", "testing", "t10k"], "test"),
}
GREY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
OTHER_TABLES = (
    "for a table of other numbers see MLPClassifier (docs/estimators.md) or docs/own_model.md"
)
LEAST = 8  # pixels of a side: a table of fewer columns is taken for measurements
MISSING = ("", "nan", "<na>")  # what a missing label becomes as a word, in small letters
Size = tuple[int, int] | None  # (h, w) of pictures, where it is known
_WHITES = (1, 16)  # of scaled pictures, and of scikit-learn's digits
_LEAST_WHITE = 100.0  # the brightest pixel of pictures with fractions, such as scaled ones
_ONE_FOR_EACH = 0.75  # values for each row: as many as this are no classes
_FEW = (10, 6)  # numbers, words: so many may be classes of one row each
_MARGIN = 0.25  # how far beyond 0 to 1 a resampled picture reaches (that of a well-known .mat file)


@dataclass
class Source:
    """Pictures (n, h, w) uint8 of one place, their labels of any kind (n,) or None.

    ``part`` is "train", "test" or "" where the place does not tell; ``said`` are remarks for the
    user on what was changed.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None
    part: str = ""
    said: list[str] = field(default_factory=list)
    place: str = ""  # of the labels, where it is not that of the whole
    ids: NDArray[Any] | None = None  # what names the rows, (n,) numbers or words
    id_name: str = ""  # what the column of these is called
    by_file: bool = False  # these are names of files


def natural(name: str) -> tuple[list[Any], str]:
    """A key that sorts names by the numbers in them: 2.png before 10.png."""
    pieces = re.split("([0-9]+)", name)
    return [int(each) if i % 2 else each for i, each in enumerate(pieces)], name


def check_shapes(place: object, shapes: set[Any], remedy: str = "resize them") -> None:
    """Raise DataError where pictures that are to stand in one array have several shapes."""
    if len(shapes) > 1:
        told = " and ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:3])
        raise DataError(f"{place}: found pictures of {told} pixels, expected one size; {remedy}")


def as_images(
    place: str, given: NDArray[Any], count: int | None, said: list[str], white: float | None = None
) -> NDArray[np.uint8]:
    """Pictures (n, h, w) uint8 from any layout and scale that people keep them in.

    Layouts are (n, h, w), (h, w, n), with channels behind or before the pixels, rows (n, k·k) or
    columns (k·k, n); `count` is the number of labels where it is known. Colours become grey.
    Whole numbers from 0 to 255 stay as they are; where the largest is 1 or 16 they are stretched,
    as are numbers from 0 to 1. With `white` that value becomes 255, others in proportion.
    Rows have at least 8·8 numbers for each colour, or any number with `white`, which tells that
    they are pixels. Raises DataError for other shapes and values.
    """
    least = LEAST if white is None else 1
    pixels = _with_channels(_in_order(place, given, count, least), place, said)
    if white is None and pixels.dtype == np.uint8 and pixels.max(initial=0) not in _WHITES:
        return np.ascontiguousarray(pixels)
    return _as_bytes(place, pixels, said, white)


def _in_order(place: str, given: NDArray[Any], count: int | None, least: int) -> NDArray[Any]:
    """With the pictures along the first axis, and at least three axes."""
    shape, remedy = given.shape, "reshape it and save it with np.savez(path, x=x, y=y)"
    if given.ndim == 2:
        if (count not in (None, shape[0]) and shape[1] == count) or (
            count is None and not sides(shape[1], None, least) and sides(shape[0], None, least)
        ):  # fmt: skip
            given = given.T
        if count in (None, len(given)) and (each := sides(given.shape[1], None, least)):
            return given.reshape(len(given), *each)
        remedy += f"; {OTHER_TABLES}"
    elif given.ndim in (3, 4):
        if count in (None, shape[0]):
            return given
        if shape[-1] == count:
            return np.moveaxis(given, -1, 0)
    wanted = "pictures" if count is None else f"pictures for {count} labels"
    raise DataError(
        f"{place}: found an array of shape {shape}, expected {wanted}, as (n, h, w) or square ones "
        f"in rows (n, k·k) with k from {least} up; {remedy}"
    )


def sides(numbers: int, size: Size = None, least: int = LEAST) -> tuple[int, ...]:
    """The shape of a picture of so many numbers: `size`, or a square, grey or in colours; or ()."""
    if size is not None and numbers == size[0] * size[1]:
        return size
    for channels, count in (((), numbers), ((3,), numbers / 3)):
        side = math.isqrt(int(count))
        if side >= least and side * side == count:
            return (*channels, side, side)
    return ()


def _with_channels(images: NDArray[Any], place: str, said: list[str]) -> NDArray[Any]:
    """Grey pictures (n, h, w); an alpha channel is left out."""
    if images.ndim == 3:
        return images
    if images.shape[-1] in (1, 3, 4):
        channels = images
    elif images.shape[1] in (1, 3, 4):
        channels = np.moveaxis(images, 1, -1)
    else:
        raise DataError(
            f"{place}: found pictures of shape {images.shape[1:]}, expected (h, w) or 1, 3 or 4 "
            "channels; save them as (n, h, w) with np.savez(path, x=x, y=y)"
        )
    if channels.shape[-1] == 1:
        return channels[..., 0]
    said.append("pictures in colours were made grey")
    grey = channels[..., :3] @ GREY
    whole = channels.dtype.kind in "iub"
    return np.rint(grey).astype(channels.dtype) if whole else np.asarray(grey)


def _as_bytes(
    place: str, pixels: NDArray[Any], said: list[str], white: float | None
) -> NDArray[np.uint8]:
    if pixels.dtype.kind not in "biuf":
        raise DataError(
            f"{place}: found pixels of dtype {pixels.dtype}, expected numbers; convert them"
        )
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if np.isnan(low):
        number = np.flatnonzero(np.isnan(pixels).any(axis=(1, 2)))[0] + 1
        raise DataError(f"{place}, picture {number}: found nan, expected numbers; leave it out")
    if white is not None:
        if low < 0 or high > white:
            raise DataError(
                f"{place}: found numbers from {low:g} to {high:g}, expected 0 to {white:g}; check "
                "the pixels"
            )
        return np.asarray(np.rint(pixels * (255 / white)), np.uint8)
    whole = pixels.dtype.kind in "biu" or bool((pixels == np.rint(pixels)).all())
    if low >= 0 and high <= 255 and whole and high not in _WHITES:
        return pixels.astype(np.uint8)
    if low >= 0 and high in _WHITES and whole:
        scaled = pixels * (255 / high)
    elif low >= -_MARGIN and high <= 1 + _MARGIN:
        scaled = np.clip(pixels, 0, 1) * 255
    elif (low, high) == (-1, 1):
        scaled = (pixels + 1) * 127.5
    elif low >= 0 and _LEAST_WHITE <= high <= 255:
        said.append(f"pixels from {low:.3g} to {high:.3g} were rounded to whole numbers")
        return np.asarray(np.rint(pixels), np.uint8)
    else:
        parts = "" if whole else " with fractions"
        raise DataError(
            f"{place}: found numbers from {low:g} to {high:g}{parts}, expected pixels from 0 to "
            "255 or 0 to 1; scale pixels and save them with np.savez(path, x=x, y=y); "
            f"{OTHER_TABLES}"
        )
    said.append(f"pixels from {low:.3g} to {high:.3g} became 0 to 255")
    return np.asarray(np.rint(scaled), np.uint8)


def as_labels(place: str, given: NDArray[Any]) -> NDArray[Any]:
    """Labels (n,), also from a column (n, 1), a row (1, n) or rows with a 1 at the class (n, k)."""
    squeezed = given.reshape(-1) if given.ndim == 2 and 1 in given.shape else given
    if squeezed.ndim == 2 and squeezed.dtype.kind in "biuf" and set(np.unique(squeezed)) in (
        {0, 1}, {-1, 1}):  # fmt: skip
        ones = squeezed == 1
        if (ones.sum(axis=1) == 1).all():
            return np.asarray(ones.argmax(axis=1))
        if (ones.sum(axis=0) == 1).all():
            return np.asarray(ones.argmax(axis=0))
    if squeezed.ndim != 1:
        raise DataError(
            f"{place}: found labels of shape {given.shape}, expected (n,), one for each picture; "
            "save them so with np.savez(path, x=x, y=y)"
        )
    return squeezed


def _no_label(place: str, row: Any, found: str) -> DataError:
    return DataError(
        f"{place}, label number {row + 1}: found {found}, expected a label for each picture; leave "
        "the pictures without one out"
    )


def name_rows(values: NDArray[Any]) -> bool:
    """Whether nearly each value is there once, as in names of files, dates and numbers of rows."""
    words = values.dtype.kind not in "biuf"
    return len(np.unique(values.astype(str) if words else values)) > max(
        _ONE_FOR_EACH * len(values), _FEW[words]
    )


def encoded(
    place: str, parts: Sequence[NDArray[Any]]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...] | None]:
    """The labels of all parts as numbers, and the names of the classes where they were words.

    Words get the numbers of their order in the alphabet.
    """
    joined = np.concatenate([np.asarray(part) for part in parts]) if parts else np.empty(0)
    if joined.dtype.kind not in "biuf":
        names, places = np.unique(joined.astype(str), return_inverse=True)
        absent = np.flatnonzero(np.isin(np.char.lower(names), MISSING)[places])
        if joined.dtype.kind == "O":  # a class may be called "none"; None is none
            absent = np.flatnonzero([v is None or str(v).lower() in MISSING for v in joined])
        if absent.size:
            raise _no_label(place, absent[0], repr(str(joined[absent[0]])))
        if all(name.strip().lstrip("+-").replace(".", "", 1).isdigit() for name in names):
            joined = np.array([float(name) for name in names])[places]
        else:
            ends = np.cumsum([len(part) for part in parts])[:-1]
            numbers = np.split(places.astype(np.int64), ends)
            return numbers, tuple(str(name).strip() for name in names)
    if (absent := np.flatnonzero(np.isnan(joined))).size:
        raise _no_label(place, absent[0], "nan")
    wrong = np.flatnonzero(joined != np.rint(joined))
    if wrong.size:
        raise DataError(
            f"{place}, label number {wrong[0] + 1}: found {joined[wrong[0]]:g}, expected whole "
            "numbers or words; name the column of the labels with label="
        )
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.split(joined.astype(np.int64), ends), None
