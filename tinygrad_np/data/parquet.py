"""Pictures in the columns of Parquet files."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..markup import printable
from .files import StrPath, one_line
from .pictures import decoded
from .sources import Size, Source, as_images, check_shapes
from .tables import Columns, Label, from_columns, label_column


def read_parquet(path: StrPath, label: Label = None, size: Size = None) -> Source:
    """Read pictures from a Parquet file: a column for each pixel, or one of pictures.

    Those are encoded (as the hubs keep them: PNG or JPEG in `bytes`, which needs Pillow) or lists
    of numbers. `label` as in `read_csv`. Raises ImportError without pyarrow.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(f"{path}: Parquet files need pyarrow: pip install pyarrow.") from None
    try:
        table = parquet.read_table(path)
        names = [printable(str(name)) for name in table.column_names]
        columns = [table.column(i).to_pylist() for i in range(len(names))]
    except Exception as error:  # whatever damage makes pyarrow raise
        told = f"{path}: not a readable Parquet file ({one_line(error)}); get the file again."
        raise DataError(told) from error
    nested = [i for i, column in enumerate(columns)
              if column and isinstance(column[0], (dict, list, bytes))]  # fmt: skip
    if not nested:
        arrays = [np.array(column) for column in columns]
        words = {i: a for i, a in enumerate(arrays) if a.dtype.kind not in "biuf"}
        kept = [np.zeros(len(a)) if i in words else a for i, a in enumerate(arrays)]
        table = Columns(np.stack(kept, axis=1), words)
        return from_columns(str(path), names, table, label, size)
    at = label_column(str(path), names, len(names), label)
    images = _pictures_in(str(path), columns[nested[0]])
    said: list[str] = []
    labels = None if at is None else np.array(columns[at])
    return Source(as_images(str(path), images, len(images), said), labels, "", said)


def _pictures_in(place: str, column: list[Any]) -> NDArray[Any]:
    """The pictures of one column, as they are encoded there."""
    pictures: list[Any] = [cell.get("bytes") if isinstance(cell, dict) else cell for cell in column]
    if any(picture is None for picture in pictures):
        raise DataError(f"{place}: found a row without a picture; remove such rows")
    if isinstance(pictures[0], bytes):
        pictures = [decoded(f"{place}, row {i}", io.BytesIO(picture))
                    for i, picture in enumerate(pictures, 1)]  # fmt: skip
    check_shapes(place, {np.shape(picture) for picture in pictures})
    return np.array(pictures)
