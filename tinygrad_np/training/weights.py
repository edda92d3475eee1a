"""Weights in files: ``.npz`` and ``.safetensors``, no pickle in any path."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.files import one_line, replacing
from ..errors import DataError
from ..nn.module import as_array
from . import npz

# What a header of safetensors names takes several times its size. 1 MiB is over 10,000 entries.
_MAX_HEADER = 1 << 20
_METADATA = "__metadata__"


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> Path:
    """Write arrays by name to ``path``, which ends in ``.npz`` or ``.safetensors``.

    ``state`` holds arrays, numbers or Tensors (PyTorch's too) of a numeric dtype. The file is
    written beside and renamed, so that it is either the old one or the new one; equal states give
    equal bytes. Raises DataError for another ending, another dtype, a name that the format keeps
    for itself, or a place that cannot be written, ImportError where safetensors is needed and not
    installed.
    """
    target = Path(path)
    if target.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{target}: weights are saved as .npz or .safetensors.")
    arrays = {name: _array(target, name, value) for name, value in state.items()}
    content = _packed(target, arrays) if target.suffix == ".safetensors" else None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{target.parent}: cannot be made ({error.strerror}).") from error
    with replacing(target) as file:
        if content is not None:
            file.write(content)
        else:
            npz.write(file, arrays)
    return target


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read arrays by name from an ``.npz`` or ``.safetensors`` file.

    Memory is taken only for what the file really holds. Raises DataError for a missing, damaged or
    foreign file, ImportError where safetensors is needed and not installed.
    """
    source = Path(path)
    if source.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{source}: weights are loaded from .npz or .safetensors.")
    if not source.is_file():
        found = "found no file but a folder or device"
        raise DataError(f"{source}: {found if source.exists() else 'there is no such file'}.")
    try:
        arrays = npz.read(source) if source.suffix == ".npz" else _read_safetensors(source)
        for name, array in arrays.items():
            if array.dtype.kind not in "biufc":
                raise ValueError(f"{name} has dtype {array.dtype}, which NumPy lacks")
            if array.dtype == bool and array.view(np.uint8).max(initial=0) > 1:
                raise ValueError(f"{name} has truth values other than 0 and 1")
        return arrays
    except ImportError:
        raise
    except Exception as error:  # whatever damage makes the two formats' readers raise
        raise DataError(f"{source}: not a readable file of weights ({one_line(error)}).") from error


def _array(target: Path, name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(as_array(value), order="C")
    except (TypeError, ValueError) as error:  # as for PyTorch's bfloat16, or a ragged list
        raise DataError(f"{target}: entry {name!r} is no array ({one_line(error)}).") from error
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{target}: entry {name!r} has dtype {array.dtype}; only numbers are saved."
        )
    return array


def _packed(target: Path, arrays: dict[str, np.ndarray]) -> bytes:
    files = _safetensors()
    if _METADATA in arrays:
        raise DataError(
            f"{target}: safetensors keeps the name {_METADATA} for itself; save as .npz, or give "
            "the entry another name."
        )
    try:
        return files.save(arrays)  # type: ignore[no-any-return]
    except Exception as error:  # the format has fewer dtypes than NumPy
        raise DataError(f"{target}: not to be had as safetensors ({error}).") from error


def _read_safetensors(source: Path) -> dict[str, np.ndarray]:
    files = _safetensors()
    with open(source, "rb") as file:
        length, start = int.from_bytes(file.read(8), "little"), file.read(1)
    if start not in (b"{", b""):
        raise ValueError(f"a header that starts with {start!r}, not with a brace")
    if length > _MAX_HEADER:
        raise ValueError(f"a header of {length} bytes, over {_MAX_HEADER}")
    return dict(files.load_file(source))


def _safetensors() -> Any:
    try:
        from safetensors import numpy as files
    except ImportError:
        raise ImportError(
            "files in the safetensors format need its library: pip install safetensors."
        ) from None
    return files
