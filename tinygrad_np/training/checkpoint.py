"""Weights in files: ``.npz`` and ``.safetensors``, no pickle in any path."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.files import replacing
from ..errors import DataError


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> Path:
    """Write arrays by name to ``path``, which ends in ``.npz`` or ``.safetensors``.

    The file is written beside and renamed, so that it is either the old one or the new one. Raises
    DataError for another ending, ImportError where safetensors is needed and not installed.
    """
    target = Path(path)
    arrays = {name: np.ascontiguousarray(value) for name, value in state.items()}
    if target.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{target}: weights are saved as .npz or .safetensors.")
    content = _safetensors().save(arrays) if target.suffix == ".safetensors" else None
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        if content is not None:
            file.write(content)
        else:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    return target


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read arrays by name from an ``.npz`` or ``.safetensors`` file.

    Raises DataError for a missing, damaged or foreign file.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source}: there is no such file.")
    try:
        if source.suffix == ".npz":
            with np.load(source, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        if source.suffix == ".safetensors":
            return dict(_safetensors().load_file(source))
    except ImportError:
        raise
    except Exception as error:  # whatever damage makes the two formats' readers raise
        raise DataError(f"{source}: not a readable file of weights ({error}).") from error
    raise DataError(f"{source}: weights are loaded from .npz or .safetensors.")


def _safetensors() -> Any:
    try:
        from safetensors import numpy as files
    except ImportError:
        raise ImportError(
            "files in the safetensors format need its library: pip install safetensors."
        ) from None
    return files

