"""Picture files, read with Pillow: one, or a folder with a folder of pictures for each class."""

import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..errors import DataError
from .files import StrPath, listed, not_found, one_line
from .kinds import START, kind
from .sources import GREY, PARTS, Source, check_shapes

_MOST_PIXELS = 1 << 27  # of one picture
_ENDINGS = {
    ".png", ".jpg", ".jpeg", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".pbm", ".heic", ".heif", ".avif",
}  # fmt: skip
_VALIDATION = ("val", "valid", "validation")
_RESIZED = "give size=(28, 28) to resize them all"
_LONGEST = 2048  # pixels of a side that a photo is reduced to while it is decoded


def decoded(name: str, file: StrPath | BinaryIO) -> NDArray[np.uint8]:
    """A picture as (h, w) uint8 if it is grey, else (h, w, 3) or, where parts are clear, (h, w, 4).

    Photos are turned as their camera says. Raises DataError for a damaged one, ImportError without
    Pillow.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{name}: pictures are read with Pillow: pip install pillow.") from None
    try:
        with warnings.catch_warnings(), Image.open(file) as picture:
            warnings.simplefilter("ignore")
            if picture.width * picture.height > _MOST_PIXELS:
                raise Image.DecompressionBombError
            picture.draft(None, (_LONGEST, _LONGEST))  # of a JPEG only what is needed is computed
            return upright(picture)
    except Image.DecompressionBombError as error:  # Pillow's own limit is another
        raise DataError(
            f"{name}: found a picture of more than {_MOST_PIXELS:,} pixels; make it smaller"
        ) from error
    except Exception as error:  # whatever damage makes Pillow raise
        if isinstance(error, OSError) and error.errno:
            raise DataError(not_found(name, error)) from error
        raise DataError(
            f"{name}: not a readable picture ({one_line(error)}); open and save it in a program "
            "that shows it"
        ) from error


def upright(picture: Any) -> NDArray[np.uint8]:
    """A picture of Pillow's as `decoded` gives them, turned as its camera says."""
    from PIL import ImageOps

    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I") or turned.mode == "F":
        return _stretched(np.asarray(turned))
    clear = "A" in turned.getbands() or "transparency" in turned.info
    grey = turned.mode in ("1", "L")
    return np.asarray(turned.convert("RGBA" if clear else "L" if grey else "RGB"))


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of 16 or 32 bits or floats as bytes."""
    high = values.max(initial=0)
    white = next((white for white in (255, 65535) if high <= white), high)
    return np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8)


def shrunk(picture: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """A picture (h, w) at another size: the mean over the area of each new pixel.

    Where it becomes larger, between the centres of its pixels the values change evenly.
    """
    rows, columns = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    return np.asarray(rows @ picture @ columns.T)


def _weights(old: int, new: int) -> NDArray[np.float64]:
    """What each of `old` pixels along an axis gives to each of `new` ones, (new, old)."""
    scale = old / new
    if scale >= 1:
        edges = np.arange(new + 1) * scale
        low, high = edges[:-1, None], edges[1:, None]
        places = np.arange(old)
        share = np.minimum(high, places + 1) - np.maximum(low, places)
        return np.asarray(np.clip(share, 0, 1) / scale)
    centres = np.clip((np.arange(new) + 0.5) * scale - 0.5, 0, old - 1)[:, None]
    return np.asarray(np.clip(1 - np.abs(centres - np.arange(old)), 0, 1))


def read_classes(
    folder: Path, size: tuple[int, int] | None, home: Path | None = None
) -> list[Source]:
    """The pictures in the folders of a folder; their names are the labels.

    Folders called train and test have such folders within, and one called validation is taken for
    a test part where there is none. Without `size`, (h, w), all pictures
    must have one size; they are called as their files are in `home`, which is the folder itself
    where none is given. Nothing where there are no such folders.
    """
    inner = [place for place in listed(folder) if place.is_dir()]
    parts = [(PARTS[place.name.lower()], place) for place in inner if place.name.lower() in PARTS]
    validation = [place for place in inner if place.name.lower() in _VALIDATION and parts]
    if not parts and len(inner) == 1 and not pictures_in(inner[0]):
        return read_classes(inner[0], size, home or folder)
    said: list[str] = []
    if validation and any(part == "test" for part, _ in parts):
        said.append("the validation part was left out")
    else:
        parts += [("test", place) for place in validation]
    found = []
    for part, place in parts or [("", folder)]:
        classes = [each for each in listed(place) if each.is_dir()]
        files = [(each.name, file) for each in classes for file in pictures_in(each)]
        if files:
            found.append(_read_all(home or folder, place, part, files, size, said))
            missing = [each.name for each in classes if each.name not in dict(files)]
            if loose := len(pictures_in(place)):
                several = "s" * (loose > 1)
                missing.append(f"{loose} picture{several} outside of folders of classes")
            if missing:
                where = "" if place == folder else f"in {place.name}, "
                several = "were" if len(missing) > 1 or loose > 1 else "was"
                said.append(f"{where}{' and '.join(missing)} {several} left out")
    check_shapes(folder, {source.images.shape[1:] for source in found}, _RESIZED)
    return found


def _read_all(
    folder: Path, place: Path, part: str, files: list[tuple[str, Path]],
    size: tuple[int, int] | None, said: list[str],
) -> Source:  # fmt: skip
    images: list[NDArray[np.uint8]] = []
    coloured = False
    for _, file in files:
        picture = decoded(str(file), file)
        coloured = coloured or (picture.ndim == 3 and bool(np.ptp(picture[..., :3], axis=2).any()))
        images.append(grey(picture, size))
    check_shapes(place, {image.shape for image in images}, _RESIZED)
    if coloured:
        said.append("pictures in colours were made grey")
    labels = np.array([name for name, _ in files])
    ids = np.array([str(file.relative_to(folder)) for _, file in files])
    return Source(np.stack(images), labels, part, said, ids=ids, by_file=True)


def grey(picture: NDArray[Any], size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A picture (h, w) uint8, in front of white where it is clear; stretched to `size`."""
    values = picture.astype(np.float64)
    if values.ndim == 3:
        colours = values[..., :3] @ GREY
        if values.shape[2] == 4:
            colours = 255 + (colours - 255) * values[..., 3] / 255
        values = colours
    if size is not None and values.shape != size:
        values = shrunk(values, *size)
    return np.rint(values).astype(np.uint8)


def pictures_in(folder: Path) -> list[Path]:
    """The files in a folder that are pictures, or are called so."""
    if not folder.is_dir():
        return []
    return [
        place for place in listed(folder)
        if is_picture(place) or (place.suffix.lower() in _ENDINGS and place.is_file())
    ]  # fmt: skip


def is_picture(path: StrPath) -> bool:
    """Whether a file starts as pictures do."""
    arguments.path("load", "path", path)
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return kind(file.read(START)) == "picture"
    except OSError:
        return False
