"""``python -m tinygrad_np predict WEIGHTS FILE…``: what a trained network takes pictures for."""

import argparse
import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..data.digits import digits_from
from ..data.load import load_pictures
from ..data.pictures import decoded, grey, is_picture, pictures_in
from ..data.sources import Source, natural
from ..draw.figures import empty_figure
from ..errors import DataError, DataWarning
from ..recording.text import aligned
from ..training.scoring import predict
from .command_line import Arguments, guarded, new_file, new_folder, not_an_input
from .description import Description, is_weights, rebuilt, weights_at
from .outputs import write, write_picture
from .train import notes

PROGRAM = "python -m tinygrad_np predict"
DESCRIPTION = """Print what a trained network sees in pictures.

WEIGHTS is the weights.npz of a run of `python -m tinygrad_np train`, or the folder of the run.
FILE is a photo or drawing (the digits on it are found and cut out), a folder of them, or any file
that `train --data` takes: CSV, IDX, npz, mat, Parquet, with labels or without.
"""
_CALLED = "call the column of labels 'label' in a header"
SHOWN = 40  # rows of the table, and pictures of a figure


@dataclass
class Guesses:
    """The pictures of one file as the network saw them, and its probabilities (n, classes)."""

    name: str
    source: Source
    shares: np.ndarray

    def ids(self) -> list[Any]:
        """What the file calls its pictures, nothing where it does not."""
        return [] if self.source.ids is None else self.source.ids.tolist()

    def files(self) -> list[str]:
        """The paths of pictures that are called as their files."""
        home = Path(self.name) if Path(self.name).is_dir() else Path(self.name).parent
        return [str(home / each) for each in self.ids()]


def pictures(path: Path, described: Description, as_it_is: bool = False) -> Source:
    """What is in a file or folder, as the network takes it."""
    if is_weights(path):
        raise DataError(
            f"{path}: these are weights; WEIGHTS comes first and once, then files with pictures"
        )
    paths = pictures_in(path) if path.is_dir() else [path] * is_picture(path)
    if paths:
        paths.sort(key=lambda place: natural(place.name))
        cut = described.cut and not as_it_is
        found = [
            digits_from(p) if cut else grey(decoded(str(p), p), described.shape)[np.newaxis]
            for p in paths
        ]
        ids = [place.name if len(each) == 1 else f"{place.name}, {i}"
               for place, each in zip(paths, found, strict=True)
               for i in range(1, len(each) + 1)]  # fmt: skip
        return Source(np.concatenate(found), None, ids=np.array(ids), by_file=True)
    if as_it_is:
        raise DataError(
            f"{path}: found no photo or drawing, which alone --as-is is for; leave it out"
        )
    try:
        source = load_pictures(path, described.shape, described.classes)
    except DataError as error:
        raise DataError(_in_file(str(error))) from error
    if not len(source.images):
        raise DataError(f"{path}: found no picture, expected at least one; give another file")
    if source.images.shape[1:] != described.shape:
        told = "×".join(map(str, source.images.shape[1:]))
        wanted = "×".join(map(str, described.shape))
        raise DataError(
            f"{path}: found pictures of {told} pixels, expected {wanted} as in training; resize "
            "them, or train on pictures of this size with `train --data`"
        )
    return source


def _in_file(message: str) -> str:
    """A message of `load` with what the file may say in place of the argument for labels."""
    message = re.sub("name the column of (the )?labels with label=", _CALLED, message)
    return message.replace("label= names another", f"or {_CALLED}")


def scaled(images: np.ndarray, described: Description) -> np.ndarray:
    """Pictures (n, h, w) uint8 as the network takes them: rows of numbers, as in training."""
    values = images.astype(np.float32) / np.float32(255)
    if described.mean is not None and described.std is not None:
        values = (values - np.float32(described.mean)) / np.float32(described.std)
    return values.reshape(len(images), -1)


def guesses(
    model: nn.Module, described: Description, path: Path, as_it_is: bool = False
) -> Guesses:
    """What the network takes each picture in a file for."""
    found = pictures(path, described, as_it_is)
    logits = predict(model, scaled(found.images, described)).astype(np.float64)
    shares = np.asarray(nn.functional.softmax(logits))
    return Guesses(str(path), found, shares)


def table(found: Sequence[Guesses], names: Sequence[str]) -> str:
    """A line for each picture: where it is from, the guess, how sure, the second guess."""
    rows = [("picture", "guess", "sure", "second guess")]
    count = sum(len(each.shares) for each in found)
    for each in found:
        for i, shares in enumerate(each.shares[: SHOWN - len(rows) + 1], 1):
            place = each.name if len(each.shares) == 1 else f"{each.name}, {i}"
            place = each.files()[i - 1] if each.source.by_file else place
            first, second = np.argsort(-shares, kind="stable")[:2]
            rows.append((place, names[first], f"{100 * shares[first]:.1f} %",
                         f"{names[second]} ({100 * shares[second]:.1f} %)"))  # fmt: skip
    lines = aligned(rows, "<<><")
    if count > len(rows) - 1:
        lines.append(f"… and {count - len(rows) + 1:,} more; --csv FILE writes all")
    for each in found:
        if each.source.labels is not None:
            labels = each.source.labels.astype(str)
            lines.append(f"{each.name}: {_right(each.shares.argmax(axis=1), labels, names)}")
    return "\n".join(lines)


def _right(guess: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> str:
    """The share of guesses that are the labels, which are words or numbers."""
    classes = np.array(names)
    known = np.isin(labels, classes)
    strange = sorted(set(labels[~known].tolist()), key=natural)
    such = ", ".join(map(repr, strange[:3]))
    told = f"labels such as {such} are none of the network's classes ({names[0]} … {names[-1]})"
    if not known.any():
        return told
    right = classes[guess] == labels
    share = f"{100 * right[known].mean():.2f} % of {known.sum():,} as labelled"
    return f"{share}; {told}" if len(strange) else share


def submission(found: Sequence[Guesses], names: Sequence[str]) -> bytes:
    """All guesses as Kaggle takes them: ImageId, as in the files or else from 1 on, and Label.

    Pictures are called as their files; where all those are numbers with an ending, as the numbers.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    guess = [names[i] for each in found for i in each.shares.argmax(axis=1)]
    called = [each for each in found if each.ids()]
    bare = [each.name for each in found if not each.ids()]
    if called and bare:
        raise DataError(
            f"{bare[0]}: found pictures without names, beside those of {called[0].name}, which "
            "have them, expected both with or both without for --csv; write a file for each"
        )
    ids = [i for each in called for i in each.ids()]
    stems = [Path(i).stem for i in ids] if all(each.source.by_file for each in called) else []
    if len(set(stems)) == len(ids) and all(map(str.isdecimal, stems)):
        ids = stems
    elif stems and len(set(ids)) < len(ids):  # in several folders
        ids = [file for each in called for file in each.files()]
    ids = ids or list(range(1, len(guess) + 1))
    writer.writerow([found[0].source.id_name or "ImageId", "Label"])
    writer.writerows(zip(ids, guess, strict=True))
    return file.getvalue().encode()


def seen(each: Guesses, names: Sequence[str]) -> object:
    """A figure of what the network saw of a file, with its guesses."""
    count = min(len(each.shares), SHOWN)
    columns = min(count, 10)
    rows = -(-count // columns)
    figure = empty_figure(1.1 * max(columns, 3), 1.45 * rows + 0.4)
    figure.suptitle(Path(each.name).name, fontsize="small")
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if i < count:
            axes.imshow(each.source.images[i], cmap="gray", vmin=0, vmax=255)
            best = int(each.shares[i].argmax())
            title = f"{names[best]}  {100 * each.shares[i, best]:.0f} %"
            axes.set_title(title, fontsize="small")
    return figure


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Arguments(PROGRAM, description=DESCRIPTION)
    parser.add_argument("weights", metavar="WEIGHTS", type=Path)
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument("--csv", type=new_file, help="write ImageId,Label, as Kaggle expects it")
    parser.add_argument(
        "--show", action="store_true", help="write a picture of what the network saw of each file"
    )
    parser.add_argument(
        "--out", type=new_folder, default="runs/seen", help="where --show writes (%(default)s)"
    )
    parser.add_argument(
        "--as-is", action="store_true", help="resize pictures, find and cut out no digits"
    )
    given = parser.parse_args(arguments)
    not_an_input("--csv", given.csv, [given.weights, *given.files])
    if given.show:
        empty_figure(1, 1)
    return given


def run(given: argparse.Namespace) -> int:
    note = notes()
    model, described = rebuilt(weights_at(given.weights))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        found = [guesses(model, described, path, given.as_is) for path in given.files]
    for warning in said:
        note(_in_file(str(warning.message)))
    if given.csv is not None:  # before the table, whose reader may stop reading
        write(given.csv, submission(found, described.classes))
    print(table(found, described.classes))
    if given.csv is not None:
        print(f"written to {given.csv}")
    if given.show:
        stems = [Path(each.name).stem for each in found]
        for i, (stem, each) in enumerate(zip(stems, found, strict=True)):
            again = f"-{i + 1}" if stem in stems[:i] else ""
            target = given.out / f"{stem}{again}.png"
            write_picture(target, seen(each, described.classes))  # type: ignore[arg-type]
            print(f"what the network saw: {target}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("predict", lambda: run(parse(arguments)))
