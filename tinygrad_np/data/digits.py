"""Photos and drawings of handwritten digits, made into pictures as MNIST has them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .ink import Floats, Mask, components, extreme, strokes, width_of
from .lines import without_lines
from .pictures import decoded, shrunk, upright
from .sources import GREY

SIDE = 28  # pixels of a picture
BOX = 20  # pixels of the box that a digit is fitted into
CENTRE = 14  # row and column of the centre of mass
_LONGEST = 1000  # pixels of a side that are looked at
_THINNEST, _THIN = 1.6, 2.2  # widths of strokes in pixels of the box, as `ink.width_of` tells them
_CLOSE = 0.03  # of the height: gaps of twice this are within a stroke
_PIECE = 0.5  # of the height: what is lower may be a piece of a digit
_LEAST = 0.15  # of the height: what is lower and narrower is no piece of a digit
_SPECK = 0.3  # of the height: what is lower and wide of others is none
_BELOW = 0.3  # of the height: how far a piece may be above or below its digit
_LINE = 0.6  # of the height: how far the next digit of a line may be above or below the last
_FLAT = 3.0  # times the height: what is wider is a line on the paper
_NARROW = 8.0  # times the width: what is higher may be a line on the paper, or a 1
_HIGHER = 1.5  # times the height of the others: what is higher is none of them
_LIKE = 0.6  # of the height of the others: what is higher may be a digit that touches the border
_WITHIN = 4.0, 0.06  # times the width and the height of a frame: a piece within is no speck


@dataclass
class Piece:
    """A connected piece of ink: its numbers among the components and its box."""

    labels: list[int]
    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def join(self, other: "Piece") -> None:
        self.labels += other.labels
        self.top, self.left = min(self.top, other.top), min(self.left, other.left)
        self.bottom, self.right = max(self.bottom, other.bottom), max(self.right, other.right)


def digits_from(picture: Any) -> NDArray[np.uint8]:
    """Return the digits on a photo or drawing as MNIST has them, (n, 28, 28) uint8.

    `picture` is a path (read with Pillow), a picture of Pillow's, or an array (h, w) or (h, w, 1,
    3 or 4) of any size, of bytes, numbers from 0 to 1 or truth values; ink may be dark on bright
    paper or bright on a dark one. Several digits come in the order of reading.
    The steps are those that LeCun describes for MNIST, after the ink was found: the picture is made
    grey; light and shadow are taken off, and so it is inverted if need be; each digit is cut out;
    strokes that are too thin to be seen at that size are made thicker; it is scaled to fit a box of
    20×20 pixels with its proportions kept, which gives grey levels; and it is put on 28×28 pixels
    so that its centre of mass is their centre.
    Raises DataError where there is no ink, for other arrays and unreadable files, ImportError
    without Pillow for a path.
    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", first section.

    >>> ((x, y), test) = tg.data.mnist()
    >>> tg.data.digits_from(255 - np.kron(x[0], np.ones((9, 9)))).shape
    (1, 28, 28)
    """
    place, grey = _read(picture)
    ink, mask = without_lines(*strokes(grey))
    labels = components(mask)
    pieces = _digits(labels, mask)
    if not pieces:
        raise DataError(
            f"{place}: found no ink on {grey.shape[0]}×{grey.shape[1]} pixels, expected strokes "
            "that are darker or brighter than what they are on; give a picture of digits"
        )
    return np.stack([_fitted(ink, np.isin(labels, piece.labels), piece) for piece in pieces])


def _read(picture: Any) -> tuple[str, Floats]:
    """What to call a picture, and its grey values (h, w) with no side over 1000 pixels."""
    place = "digits_from"
    if isinstance(picture, (str, os.PathLike)):
        place = os.fspath(picture)
        picture = decoded(str(place), Path(picture))
    elif hasattr(picture, "convert") and hasattr(picture, "getbands"):
        picture = upright(picture)
    values = picture if isinstance(picture, np.ndarray) else None
    if values is None or values.dtype.kind not in "biuf" or not (
        values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (1, 3, 4))
    ) or not min(values.shape):  # fmt: skip
        found = getattr(picture, "shape", type(picture).__name__)
        raise DataError(
            f"digits_from: found {getattr(picture, 'dtype', '')} {found}".replace("  ", " ")
            + ", expected the path of a picture or an array (h, w) or (h, w, channels) of numbers; "
            "give one picture at a time"
        )
    if not np.isfinite(values).all():
        raise DataError(
            "digits_from: found pixels that are not finite, expected numbers; correct them"
        )
    grey = _grey(values)
    factor = max(grey.shape) / _LONGEST
    if factor > 1:
        grey = shrunk(grey, *(max(1, round(side / factor)) for side in grey.shape))
    return str(place), grey


def _grey(values: NDArray[Any]) -> Floats:
    """Grey values; what is clear shows white paper, or black where the colours are bright."""
    scaled = values.astype(np.float64)
    if values.ndim == 2:
        return scaled
    if values.shape[2] < 3:
        return np.asarray(scaled[..., 0])
    grey = np.asarray(scaled[..., :3] @ GREY)
    if values.shape[2] == 3:
        return grey
    white = 255.0 if values.dtype == np.uint8 or scaled.max() > 1 else 1.0
    alpha = scaled[..., 3] / white
    total = float(alpha.sum())
    bright = total > 0 and float((grey * alpha).sum()) / total > white / 2 and alpha.min() < 0.5
    paper = 0.0 if bright else white
    return paper + (grey - paper) * alpha


def _digits(labels: NDArray[np.intp], mask: Mask) -> list[Piece]:
    """The pieces of ink that make up each digit, in the order of reading."""
    pieces = _pieces(labels)
    pieces = [p for p in pieces if not _is_frame(p, pieces, labels)]
    pieces = _off_the_border(pieces, mask.shape)
    pieces = [p for p in pieces if p.width <= _FLAT * max(p.height, 1)] or pieces
    pieces = _without_uprights(pieces, labels)
    if not pieces:
        return []
    height = max(p.height for p in pieces)
    joined = _joined(pieces, labels, mask, height)
    return _in_order(joined)


def _without_uprights(pieces: list[Piece], labels: NDArray[np.intp]) -> list[Piece]:
    """Without narrow pieces that are no 1: they are higher, or far thinner, than the digits."""
    others = [p for p in pieces if p.height <= _NARROW * p.width]
    if not others:
        return pieces
    highest = max(others, key=lambda p: p.height)
    thick = _width(highest, labels)
    return [
        p for p in pieces
        if p in others or (p.height <= _HIGHER * highest.height and _width(p, labels) >= thick / 3)
    ]  # fmt: skip


def _width(piece: Piece, labels: NDArray[np.intp]) -> float:
    """How wide the strokes of a piece are."""
    own = labels[piece.top : piece.bottom, piece.left : piece.right] == piece.labels[0]
    return width_of(own)


def _is_frame(piece: Piece, pieces: list[Piece], labels: NDArray[np.intp]) -> bool:
    """Whether other pieces are within this one: a frame, a box, the lines of a table."""
    within = [
        p.height for p in pieces
        if p is not piece and piece.top <= p.top and p.bottom <= piece.bottom
        and piece.left <= p.left and p.right <= piece.right
    ]  # fmt: skip
    if not within or max(within) < _WITHIN[1] * piece.height:
        return False
    return max(within) >= _WITHIN[0] * _width(piece, labels)


def _off_the_border(pieces: list[Piece], shape: tuple[int, ...]) -> list[Piece]:
    """Without what comes in from the border, unless it is as high as the others."""
    inside = [p for p in pieces if p.top and p.left and p.bottom < shape[0] and p.right < shape[1]]
    if not inside:
        return pieces
    height = max(p.height for p in inside)
    like = [
        p for p in pieces
        if _LIKE * height <= p.height <= _HIGHER * height and p.width <= _HIGHER * height
    ]  # fmt: skip
    return [p for p in pieces if p in inside or p in like]


def _pieces(labels: NDArray[np.intp]) -> list[Piece]:
    count = int(labels.max(initial=0))
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns] - 1
    ends = []
    for places in (rows, columns):
        low, high = np.full(count, np.iinfo(np.intp).max), np.zeros(count, np.intp)
        np.minimum.at(low, numbers, places)
        np.maximum.at(high, numbers, places + 1)
        ends += [low, high]
    return [
        Piece([i + 1], int(ends[0][i]), int(ends[2][i]), int(ends[1][i]), int(ends[3][i]))
        for i in range(count)
    ]


def _joined(pieces: list[Piece], labels: NDArray[np.intp], mask: Mask, height: int) -> list[Piece]:
    """Pieces that are close together, or one above the other, as one."""
    wide = 2 * round(_CLOSE * height) + 1
    near = components(extreme(mask.astype(np.float64), wide, np.maximum) > 0)
    groups: dict[int, Piece] = {}
    for piece in sorted(pieces, key=lambda p: -p.height):
        rows, columns = np.nonzero(
            labels[piece.top : piece.bottom, piece.left : piece.right] == piece.labels[0]
        )
        group = int(near[piece.top + rows[0], piece.left + columns[0]])
        if group in groups:
            groups[group].join(piece)
        else:
            groups[group] = piece
    found: list[Piece] = []
    for piece in sorted(groups.values(), key=lambda p: -p.height):
        home = next((p for p in found if _belongs(piece, p, height)), None)
        if home is not None:
            home.join(piece)
        elif piece.height >= _SPECK * height:
            found.append(piece)
    return found


def _belongs(piece: Piece, digit: Piece, height: int) -> bool:
    """Whether a lower piece is the detached bar of a 5 and the like."""
    common = min(piece.right, digit.right) - max(piece.left, digit.left)
    gap = max(piece.top, digit.top) - min(piece.bottom, digit.bottom)
    return (
        _LEAST * height < max(piece.height, piece.width)
        and piece.height < _PIECE * height
        and common > 0.5 * min(piece.width, digit.width)
        and gap < _BELOW * height
    )


def _in_order(pieces: list[Piece]) -> list[Piece]:
    """Lines from top to bottom, in each from left to right; lines may rise or fall a little."""
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.left):
        home = min(lines, key=lambda line: abs(line[-1].middle - piece.middle), default=None)
        if home is None or abs(home[-1].middle - piece.middle) > _LINE * piece.height:
            lines.append([piece])
        else:
            home.append(piece)
    lines.sort(key=lambda line: sum(p.middle for p in line) / len(line))
    return [piece for line in lines for piece in line]


def _fitted(ink: Floats, own: Mask, piece: Piece) -> NDArray[np.uint8]:
    """One digit in its box of 20×20 pixels, its centre of mass in the middle of 28×28."""
    longest = max(piece.height, piece.width)
    margin = max(1, round(longest / BOX))
    around = (slice(max(0, piece.top - margin), piece.bottom + margin),
              slice(max(0, piece.left - margin), piece.right + margin))  # fmt: skip
    own = own[around]
    near = extreme(own.astype(np.float64), 2 * margin + 1, np.maximum) > 0
    cut = np.where(near, ink[around], 0.0)
    if (width := width_of(own)) * BOX / longest < _THINNEST:
        thicker = round(_THIN * longest / BOX - width)
        cut = np.pad(cut, thicker)
        cut = extreme(cut, thicker | 1, np.maximum)
    rows, columns = (np.flatnonzero(cut.any(axis=axis)) for axis in (1, 0))
    cut = cut[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(cut.shape)
    small = shrunk(cut, *(max(1, round(side * scale)) for side in cut.shape))
    small /= small.max()
    return _centred(small)


def _centred(small: Floats) -> NDArray[np.uint8]:
    """On 28×28 pixels, moved by whole ones."""
    found = np.zeros((SIDE, SIDE), np.uint8)
    starts = []
    for axis in (0, 1):
        weights = small.sum(axis=1 - axis)
        mass = float((weights * np.arange(len(weights))).sum() / weights.sum())
        starts.append(min(max(round(CENTRE - mass), 0), SIDE - len(weights)))
    found[starts[0] : starts[0] + small.shape[0], starts[1] : starts[1] + small.shape[1]] = np.rint(
        255 * small
    )
    return found
