"""Weights in files: ``.npz`` and ``.safetensors``, no pickle in any path."""

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..autodiff.tensor import Tensor
from ..data.files import replacing
from ..errors import DataError

# What a packed member may grow to without being taken for a zip bomb: this share of its packed
# size, or this many bytes. Weights pack about 1.1 : 1.
_UNPACK_RATIO = 100
_UNPACK_FREE = 1 << 26


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> Path:
    """Write arrays by name to ``path``, which ends in ``.npz`` or ``.safetensors``.

    ``state`` holds arrays, numbers or Tensors of a numeric dtype. The file is written beside and
    renamed, so that it is either the old one or the new one; equal states give equal bytes. Raises
    DataError for another ending, another dtype or a place that cannot be written, ImportError where
    safetensors is needed and not installed.
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
            _write_npz(file, arrays)
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
        raise DataError(f"{source}: there is no such file.")
    try:
        if source.suffix == ".npz":
            return _read_npz(source)
        return dict(_safetensors().load_file(source))
    except ImportError:
        raise
    except Exception as error:  # whatever damage makes the two formats' readers raise
        raise DataError(f"{source}: not a readable file of weights ({error}).") from error


def _array(target: Path, name: str, value: Any) -> np.ndarray:
    array = value.numpy() if isinstance(value, Tensor) else np.asarray(value, order="C")
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{target}: entry {name!r} has dtype {array.dtype}; only numbers are saved."
        )
    return array


def _packed(target: Path, arrays: dict[str, np.ndarray]) -> bytes:
    files = _safetensors()
    try:
        return files.save(arrays)  # type: ignore[no-any-return]
    except Exception as error:  # the format has fewer dtypes than NumPy
        raise DataError(f"{target}: not to be had as safetensors ({error}).") from error


def _write_npz(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """``np.savez`` without its reserved names (an entry may be called "file") and dates."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_npz(source: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(source) as archive:
        return {
            member.filename.removesuffix(".npy"): _read_member(archive, member)
            for member in archive.infolist()
        }


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array, if its header, its length and the length in the archive agree."""
    name, size = member.filename, member.file_size
    if size > max(_UNPACK_FREE, _UNPACK_RATIO * member.compress_size):
        raise ValueError(f"{name} would unpack from {member.compress_size} to {size} bytes")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        if dtype.kind not in "biufc":
            raise ValueError(f"{name} has dtype {dtype}, which is no number")
        body = size - file.tell()
        if math.prod(shape) * dtype.itemsize != body:
            raise ValueError(f"{name} has {body} bytes for shape {shape} of {dtype}")
        array = np.frombuffer(bytearray(file.read()), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _safetensors() -> Any:
    try:
        from safetensors import numpy as files
    except ImportError:
        raise ImportError(
            "files in the safetensors format need its library: pip install safetensors."
        ) from None
    return files
