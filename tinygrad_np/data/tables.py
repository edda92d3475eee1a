"""Pictures in the rows of a table: CSV files of every order, columns of any file."""

import codecs
import csv
import functools
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..markup import printable
from .files import Content, StrPath, csv_limit, line_blocks, opened, parse_cells, shown_cell
from .kinds import DOOR, known_kind
from .sources import (
    LABEL_NAMES,
    LEAST,
    MISSING,
    OTHER_TABLES,
    Size,
    Source,
    as_images,
    name_rows,
    sides,
)

Label = str | int | None
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
_LONG = re.compile(r"\s*\d{8,18}\s*")  # beyond what float32 has exactly
_DECIMAL_COMMA = re.compile(rb"(?<=[0-9]),(?=[0-9])")
_INDEX = ("", "unnamed: 0", "__index_level_0__", "index")  # columns that count the rows
_IDS = ("id", "imageid")  # columns that name the rows
_MOST_CLASSES = 62
_NO_NUMBERS = (*MISSING, "na", "n/a", "null", "none")  # letters that stand for a missing number


def read_csv(path: StrPath, label: Label = None, size: Size = None) -> Source:
    """Read pictures from the rows of a CSV, with or without a header and labels, plain or gzip.

    Cells are separated by tabs, semicolons, commas or spaces; beside tabs and semicolons numbers
    may have a decimal comma. `label` is the name or the place of the column of labels (-1 is the
    last one); without it that is the column that is called so, or else, where one column is left
    over from square pictures, the first one or the last, whichever looks like labels. A column that
    counts or names the rows is left out. Pictures are square or of `size`. Raises DataError with
    the row and column of the first fault.
    """
    with opened("load", path) as file:
        content = Content(file, os.fspath(path))
        blocks = line_blocks(content, csv_limit(file))
        block = next(blocks, b"").removeprefix(codecs.BOM_UTF8).lstrip(b"\n")
        if told := known_kind(block):
            raise DataError(f"{path}: found no table, expected one; {told}")
        start = block.partition(b"\n")[0]
        if b"\r" in start:
            raise DataError(
                f"{path}: found lines that end with carriage returns alone, expected line feeds; "
                "save the table again"
            )
        separator = next((mark for mark in "\t;," if mark.encode() in start), " ")
        if separator == " ":
            block, blocks, separator = _with_commas(block), map(_with_commas, blocks), ","
        elif separator != ",":
            block, blocks = _with_points(block), map(_with_points, blocks)
        lines = [*filter(None, block.split(b"\n", 8)[:8]), b"", b""][:2]
        is_open = any(lines) and all(line.endswith(separator.encode()) for line in lines if line)
        if is_open:
            cut = functools.partial(re.compile(rb"%b(?=\n)" % separator.encode()).sub, b"")
            block, blocks = cut(block), map(cut, blocks)
            lines = [line[:-1] for line in lines]
        first, second = (_cells(line.decode("utf-8", "replace"), separator) for line in lines)
        numbers = sum(map(bool, map(_NUMBER.fullmatch, second)))
        odd = second and len(second) != len(first) and 2 * numbers < len(second)
        if odd or not first or (len(first) == 1 and not _NUMBER.fullmatch(first[0])):
            raise DataError(
                f"{path}: found text that starts with {shown_cell(start)} and is no table, "
                f"expected {DOOR}; give the path of one"
            )
        header = list(map(printable, first)) if _is_header(first) else None
        if header:
            block = block.partition(b"\n")[2]
        texts = {i for i, name in enumerate(header or ()) if name.strip().lower() in _IDS}
        if label is not None:
            texts.add(label_column(content.name, header, len(first), label) or 0)
        rows = _rows(
            content, chain([block], blocks), separator, len(first), 1 + bool(header), texts
        )
    source = from_columns(os.fspath(path), header, rows, label, size)
    if is_open:
        source.said.append("the last column, which is empty, was left out")
    if header and _is_counted(header):
        told = f"{','.join(header[:3])},… was taken for names of columns"
        source.said.append(f"the first row {told}, as pandas writes them, not for a picture")
    return source


@dataclass
class Columns:
    """Numbers (n, columns), and of the columns that are words these, (n,) each, by their place."""

    numbers: NDArray[Any]
    words: dict[int, NDArray[Any]]
    first: int = 1  # the number of the first row

    def __getitem__(self, i: int) -> NDArray[Any]:
        return self.words[i] if i in self.words else self.numbers[:, i]


def from_columns(
    place: str, names: Sequence[str] | None, columns: Columns, label: Label, size: Size = None
) -> Source:
    """Pictures in columns of which one may have the labels; see `read_csv`."""
    count = columns.numbers.shape[1]
    at, said = label_column(place, names, count, label), list[str]()
    called = [name.strip().lower() if names else "?" for name in names or [""] * count]
    ids = next((i for i in range(count) if i != at and called[i] in _IDS), None)
    kept = [i for i in range(count) if i != at and called[i] not in (*_INDEX, *_IDS)]
    of_rows = _of_rows(kept, columns)
    rest = len(kept) - len(of_rows)
    if _may_be_pictures(len(kept), at, size) or not _may_be_pictures(rest, at, size):
        of_rows = []
    kept = [i for i in kept if i not in of_rows]
    if at is None and not sides(len(kept), size) and sides(len(kept) - 1, size):
        at = _left_over(names, kept, columns, said)
        kept.remove(at)
        if _name_rows(columns[at]):
            of_rows, at = [*of_rows, at], None
    said += [
        f"the column {names[i] if names else i + 1}, with another value in nearly each row, was "
        "taken for names of rows, not for labels"
        for i in of_rows
    ]
    if ids is None and of_rows:
        ids = of_rows[0]
    words = [i for i in kept if i in columns.words]
    if not sides(len(kept), size, 1 if words else LEAST):  # a wrong cell is told of first
        remedies = []
        if len(kept) >= LEAST**2:
            odd = [names[i] if names else str(i + 1) for i in _odd(names, kept, columns)]
            remedies += ["name the column of labels with label="] * (at is None)
            remedies += [f"remove the columns {', '.join(odd)} from the file"] * bool(odd)
        if at is not None or not remedies:
            remedies.append(OTHER_TABLES)
        raise DataError(
            f"{place}: found {count} columns, expected a square number of pixels, "
            f"{LEAST}×{LEAST} at least, and one column of labels or none; {'; '.join(remedies)}"
        )
    if words:
        cells = columns[words[0]].tolist()
        row = next((i for i, cell in enumerate(cells) if not _NUMBER.fullmatch(str(cell))), 0)
        raise DataError(
            f"{place}, row {columns.first + row}, column {words[0] + 1}: found "
            f"{str(cells[row])[:20]!r}, expected a number; correct the cell, or name the "
            "column of labels with label="
        )
    if label is not None and at is not None:
        _check_named(place, names, columns, kept, label, at, said)
    if names is not None and (order := _numeric_order([names[i] for i in kept])) is not None:
        kept = [kept[i] for i in order]
        said.append(
            f"columns of pixels were put in the order of their numbers ({names[kept[0]]}, "
            f"{names[kept[1]]}, …)"
        )
    first, end = kept[0], kept[-1] + 1  # a slice is no copy
    in_a_row = kept == list(range(first, end))
    pixels = columns.numbers[:, first:end] if in_a_row else columns.numbers[:, kept]
    labels = None if at is None else columns[at]
    pixels = pixels.reshape(len(pixels), *sides(len(kept), size))
    source = Source(as_images(place, pixels, len(pixels), said), labels, "", said)
    if ids is not None:
        found = columns[ids]
        source.ids = found.astype(np.int64) if found.dtype.kind in "biuf" else found
        source.id_name = names[ids].strip() if names else ""
    return source


def _of_rows(kept: Sequence[int], columns: Columns) -> list[int]:
    """The columns of words that name the rows, and the first or the last of numbers that do."""
    likely = [i for i in kept if i in columns.words or i in (kept[0], kept[-1])]
    return [i for i in likely if _name_rows(columns[i])]


def _check_named(
    place: str, names: Sequence[str] | None, columns: Columns, kept: Sequence[int], label: Label,
    at: int, said: list[str],
) -> None:  # fmt: skip
    """That the column of labels that was named is no pixel beside one that has the labels."""
    if names is not None and names[at].strip().lower() not in LABEL_NAMES:
        others = [names[i] for i in kept if names[i].strip().lower() in LABEL_NAMES]
        if others:
            raise DataError(
                f"{place}: found label={label!r}, the column {names[at]!r}, beside one called "
                f"{others[0]!r}; give label={others[0]!r}, or remove that column from the file"
            )
    ends = [i for i in (kept[0], kept[-1]) if _are_labels(columns[i])] if kept else []
    column = columns[at]
    if column.dtype.kind not in "biuf" and all(map(_NUMBER.fullmatch, map(str, column))):
        column = column.astype(np.float64)
    if len(ends) != 1 or _are_labels(column) or not len(column):
        return
    low, high = column.min(), column.max()
    found = f"is {low:g} in all rows" if low == high else f"has numbers up to {high:g}"
    told = (
        f"found label={label!r}, a column which {found}, beside column {ends[0]}, which has "
        f"labels; give label={ends[0]}, or remove that column from the file"
    )
    if low == high:
        raise DataError(f"{place}: {told}")
    said.append(told)


def _is_whole(column: NDArray[Any]) -> bool:
    """Whether a column has words or whole numbers."""
    return column.dtype.kind not in "biuf" or bool((column == np.rint(column)).all())


def _may_be_pictures(count: int, at: int | None, size: Size) -> bool:
    """Whether so many columns may be pixels, or pixels and labels where these are not known."""
    return bool(sides(count, size) or (at is None and sides(count - 1, size)))


def _odd(names: Sequence[str] | None, kept: Sequence[int], columns: Columns) -> list[int]:
    """The columns that look like no pixels: they hold words, or are called otherwise than most."""
    words = [i for i in kept if i in columns.words and _are_words(columns[i])]
    if names is None:
        return words
    forms = {i: re.sub(r"\d+", "", names[i]) for i in kept}
    usual, often = Counter(forms.values()).most_common(1)[0]
    alike = often > len(kept) // 2
    return [i for i in kept if i in words or (alike and forms[i] != usual)]


def _numeric_order(names: Sequence[str]) -> list[int] | None:
    """How to sort names by the numbers in them, or None where they stand well.

    That is where their other letters differ, and where two numbers (row and column) run on with
    either of them first.
    """
    if len({re.sub(r"\d+", "", name) for name in names}) != 1:
        return None
    # of more digits Python makes no number
    numbers = [tuple(map(int, re.findall(r"\d{1,4000}", name))) for name in names]
    order = sorted(range(len(names)), key=numbers.__getitem__)
    if len(set(numbers)) < len(names) or sorted(numbers) == numbers:
        return None
    turned = [number[::-1] for number in numbers]
    return None if sorted(turned) == turned else order


def label_column(place: str, names: Sequence[str] | None, count: int, label: Label) -> int | None:
    if isinstance(label, str):
        alike = [i for i, name in enumerate(names or ()) if name.lower() == label.lower()]
        if len(alike) == 1:
            return alike[0]
        if names is None or label not in names:
            known = "no header" if names is None else "the columns " + ", ".join(names[:8])
            raise DataError(
                f"{place}: found {known}{' …' if names and len(names) > 8 else ''}, expected one "
                f"called {label!r}; give label= the name or the place (0 is the first) of a column"
            )
        return list(names).index(label)
    if label is not None:
        if not -count <= label < count:
            raise DataError(
                f"{place}: found {count} columns, expected one at label={label}; give a place from "
                f"{-count} to {count - 1}"
            )
        return label % count
    called = [i for i, name in enumerate(names or ()) if name.strip().lower() in LABEL_NAMES]
    return called[0] if len(called) == 1 else None


def _left_over(
    names: Sequence[str] | None, kept: Sequence[int], columns: Columns, said: list[str]
) -> int:
    """The column of labels among as many as a square of pixels and one more.

    It is the only one that looks like no pixels, else the first or the last.
    """
    odd = _odd(names, kept, columns)
    if len(odd) != 1:
        odd = [i for i in (kept[0], kept[-1]) if _name_rows(columns[i])]
    if odd:
        return odd[0]
    first, last = (_are_labels(columns[i]) for i in (kept[0], kept[-1]))
    if not first and not last and len(columns.numbers):
        said.append(
            "neither the first column nor the last has several whole numbers below "
            f"{_MOST_CLASSES}, as labels have; the first was taken for them, and label= names "
            "another"
        )
    return kept[-1] if last and not first else kept[0]


def _are_words(column: NDArray[Any]) -> bool:
    """Whether most cells of a column are no numbers."""
    return 2 * sum(map(bool, map(_NUMBER.fullmatch, map(str, column)))) < len(column)


def _name_rows(column: NDArray[Any]) -> bool:
    """Whether a column has words or whole numbers, and another one in nearly each row."""
    if column.dtype.kind in "biuf":
        return _is_whole(column) and len(np.unique(column)) == len(column) and name_rows(column)
    return _are_words(column) and name_rows(column)


def _are_labels(column: NDArray[Any]) -> bool:
    """Whether a column looks like labels."""
    if column.dtype.kind not in "biuf":
        return True
    if not len(column):
        return False
    whole = _is_whole(column) and column.min() >= 0 and column.max() < _MOST_CLASSES
    return bool(whole and len(np.unique(column)) > 1)


def _is_header(cells: Sequence[str]) -> bool:
    """Names of columns and no first row, where one may be a word and others missing."""
    named = [cell.strip() for cell in cells if cell.strip()]
    numbers = [cell for cell in named if _NUMBER.fullmatch(cell)]
    words = [cell.lower() for cell in named if not _NUMBER.fullmatch(cell)]
    if 2 * len(words) > len(named) > 1 or (numbers and _is_counted(numbers)):
        return True
    if len(set(numbers)) < len(numbers) or not any(word in LABEL_NAMES for word in words):
        return False
    places = [*map(float, numbers)] or [0]
    return words != ["y"] or max(places) - min(places) < len(places)  # a letter, beside pixels


def _is_counted(cells: Sequence[str]) -> bool:
    """Whether a row is 0, 1, 2, … or has ".1", ".2" at what is there again: names by pandas."""
    names = [cell.strip() for cell in cells]
    if names[-1:] == [str(len(names) - 1)] and names == list(map(str, range(len(names)))):
        return True
    met: Counter[str] = Counter()
    for name in names:
        whole, _, again = name.partition(".")
        if not whole.isdigit() or (again and again != str(met[whole] + 1)):
            return False
        met[whole] += bool(again)
    return met.total() > len(names) // 2


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _with_commas(block: bytes) -> bytes:
    """Cells that were separated by spaces."""
    return b"".join(b",".join(line.split()) + b"\n" for line in block.splitlines())


def _with_points(block: bytes) -> bytes:
    """Numbers that had a decimal comma."""
    return _DECIMAL_COMMA.sub(b".", block)


def _rows(
    content: Content, blocks: Iterable[bytes], separator: str, count: int, row: int,
    texts: set[int],
) -> Columns:  # fmt: skip
    """All rows; a column is of words where one of the first cells of its blocks is one.

    Those at the places `texts` are, too, where any cell is one, or a number as it was written.
    """
    first = row
    numbers: list[NDArray[Any]] = []
    words: list[dict[int, NDArray[Any]]] = []
    for block in filter(None, blocks):
        table = parse_cells(block, count) if separator == "," else None
        found: dict[int, NDArray[Any]] = {}
        if table is None:
            texts = texts | _lettered(block, separator, count, texts)
            table, found = _parsed(content, block, separator, count, row, texts)
        numbers.append(table)
        words.append(found)
        row += len(table)
    if not sum(map(len, numbers)):
        raise content.fault(f"row {row}", "the end", "a row of pixels", "give a CSV with images")
    joined = {
        i: np.concatenate([
            found[i] if i in found else np.char.mod("%.8g", part[:, i])
            for found, part in zip(words, numbers, strict=True)
        ])
        for i in sorted(set().union(*words))
    }  # fmt: skip
    return Columns(np.concatenate(numbers), joined, first)


def _lettered(block: bytes, separator: str, count: int, texts: set[int]) -> set[int]:
    """The first or the last column, where it has words with letters below a number.

    One alone is a slip of the pen.
    """
    lines = [line for line in block.decode("utf-8", "replace").split("\n") if line.strip()]
    found = set()
    for i, cells in (
        (0, (line.split(separator, 1)[0].strip(' "') for line in lines)),
        (count - 1, (line.rsplit(separator, 1)[-1].strip(' "') for line in lines)),
    ):
        first = next(cells, "")
        if i not in texts and _NUMBER.fullmatch(first) and sum(
            each[:1].isalpha() and each.lower() not in _NO_NUMBERS for each in cells
        ) > 1:  # fmt: skip
            found.add(i)
    return found


def _parsed(
    content: Content, block: bytes, separator: str, count: int, row: int, texts: set[int]
) -> tuple[NDArray[Any], dict[int, NDArray[Any]]]:
    """The columns of a block whose cells are not all small whole numbers."""
    text = block.decode("utf-8", "replace")
    lines = [line for line in text.split("\n") if line.strip()]
    first = _cells(lines[0], separator) if lines else []
    words = [i for i, cell in enumerate(first)
             if i in texts or (cell.strip() and not _NUMBER.fullmatch(cell))
             or _LONG.fullmatch(cell)]  # fmt: skip
    numbers = [i for i in range(count) if i not in words]
    found = np.zeros((len(lines), count), np.float32)
    try:
        if numbers and lines:
            found[:, numbers] = np.loadtxt(
                lines, np.float32, None, separator, usecols=numbers, ndmin=2, quotechar='"'
            )
        cells = list(csv.reader(lines, delimiter=separator)) if words else []
        columns: dict[int, NDArray[Any]] = {
            i: np.array([line[i].strip() for line in cells]) for i in words
        }
        for i in words:
            if i not in texts and np.char.isdigit(columns[i]).all():
                columns[i] = columns[i].astype(np.int64)
        if '"' in text or all(line.count(separator) == count - 1 for line in lines):
            return found, columns
    except (ValueError, IndexError):
        pass
    raise _fault(content, lines, separator, count, row, words)


def _fault(
    content: Content, lines: Iterable[str], separator: str, count: int, row: int, words: list[int]
) -> DataError:
    """What `_parsed` refused, in reading order."""
    for number, line in enumerate(lines, row):
        cells = _cells(line, separator)
        if len(cells) != count:
            return content.fault(
                f"row {number}", f"{len(cells)} cells", f"{count} as in row 1",
                "correct or remove the row",
            )  # fmt: skip
        for column, cell in enumerate(cells, 1):
            if column - 1 not in words and not _NUMBER.fullmatch(cell):
                return content.fault(
                    f"row {number}, column {column}", shown_cell(cell.encode()), "a number",
                    "correct the cell",
                )  # fmt: skip
    return content.fault(f"row {row}", "an unreadable row", "numbers", "correct the table")
