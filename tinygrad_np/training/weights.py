"""Weights in files: ``.npz`` and ``.safetensors``, no pickle in any path."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data import npz
from ..data.files import one_line
from ..errors import DataError
from ..files import remove_leftovers, replacing
from ..nn.module import Module, as_array

# What a header of safetensors names takes several times its size. 1 MiB is over 10,000 entries.
_MAX_HEADER = 1 << 20
_METADATA = "__metadata__"
_ABANDONED = 3600  # seconds in which a process that saves writes something
_PICKLED = (
    "this may be a pickle, which can run code and is not read: if you trust it, "
    "read it with the library that made it and save arrays by name"
)
_CONVERSIONS = {
    ".npy": "np.load(path) reads one array",
    ".csv": "np.loadtxt(path, delimiter=',') reads a table",
    ".h5": "read it with h5py and save arrays by name",
    **dict.fromkeys([".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib"], _PICKLED),
}


def save(
    path: str | os.PathLike[str],
    state: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write arrays by name to ``path``, which ends in ``.npz`` or ``.safetensors``.

    ``state`` has arrays, numbers or Tensors (also PyTorch's) of a numeric dtype. ``metadata`` has
    texts by name; they are stored in the header of safetensors, or in the comment of the ``.npz``,
    which is a zip archive. The data are first written to another file, which is then renamed; so
    there is always either the old file or the new one. What a process left that was killed
    meanwhile is removed by a call an hour later or more. Equal states give equal bytes. Raises
    DataError for another ending, another dtype, a name that the format needs for itself, and a
    place that cannot be written, TypeError for what is no path or no state, ImportError if
    safetensors is needed and not installed.

    >>> model = tg.nn.Linear(2, 1, seed=0)
    >>> path = tg.save("weights.npz", model.state_dict())
    >>> sorted(tg.load(path))
    ['bias', 'weight']
    """
    target = _as_path("save", path)
    if not isinstance(state, Mapping):
        raise TypeError(f"save: the state is of type {type(state).__name__}; {_as_state(state)}.")
    if {"class", "settings", "ages"} <= state.keys():
        raise TypeError(
            "save: this is the state of an optimiser, which holds more than arrays; "
            "fit(…, checkpoint=path) keeps it with the weights, or save the arrays in it by "
            "themselves: "
            "{n: a for n, a in state.items() if isinstance(a, np.ndarray)}."
        )
    if target.suffix not in (".npz", ".safetensors"):
        raise DataError(
            f"{target}: weights are saved as .npz or .safetensors; give the name one of these "
            f"endings, as in {target.with_suffix('.npz').name if target.name else 'weights.npz'}."
        )
    arrays = {name: _array(target, name, value) for name, value in state.items()}
    words = dict(metadata or {})
    content = _packed(target, arrays, words) if target.suffix == ".safetensors" else None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{target.parent}: cannot be made ({error.strerror}).") from error
    with replacing(target) as file:
        if content is not None:
            file.write(content)
        else:
            npz.write(file, arrays, json.dumps(words).encode() if words else b"")
    remove_leftovers(target, _ABANDONED)
    return target


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read arrays by name from an ``.npz`` or ``.safetensors`` file.

    The sizes that the file declares are checked before memory is allocated. Raises DataError for a
    folder, and for a missing, damaged or other file, ImportError if safetensors is needed and not
    installed.

    >>> path = tg.save("weights.npz", {"w": np.ones(2)})
    >>> tg.load(path)
    {'w': array([1., 1.])}
    """
    source = _as_path("load", path)
    if source.is_dir() or not source.exists():
        raise DataError(f"{source}: {_missing(source)}.")
    if source.suffix not in (".npz", ".safetensors"):
        remedy = _CONVERSIONS.get(source.suffix, "save them there with one of these endings")
        raise DataError(f"{source}: weights are loaded from .npz or .safetensors; {remedy}.")
    if not source.is_file():
        raise DataError(f"{source}: is no file but a device; give the file of the weights.")
    try:
        arrays = npz.read(source) if source.suffix == ".npz" else _read_safetensors(source)
        for name, array in arrays.items():
            if array.dtype.kind not in "biufc":
                raise ValueError(f"{name} has dtype {array.dtype}, which NumPy does not have")
            if array.dtype == bool and array.view(np.uint8).max(initial=0) > 1:
                raise ValueError(f"{name} has booleans other than 0 and 1")
        return arrays
    except ImportError:
        raise
    except Exception as error:  # whatever damage makes the two formats' readers raise
        raise DataError(f"{source}: not a readable file of weights ({one_line(error)}).") from error


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """What ``save`` put into a file beside the arrays; nothing where it did not.

    Raises what ``load`` raises.
    """
    source = _as_path("metadata", path)
    try:
        if source.suffix == ".npz":
            words = json.loads(npz.read_comment(source) or b"{}")
        else:
            words = json.loads(_header(source)).get(_METADATA, {})
        if not isinstance(words, dict):
            raise ValueError(f"metadata of type {type(words).__name__}")
        return {str(name): str(value) for name, value in words.items()}
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror}); check the path.") from error
    except Exception as error:  # whatever damage makes the two formats' readers raise
        raise DataError(f"{source}: not a readable file of weights ({one_line(error)}).") from error


def _missing(source: Path) -> str:
    """That there is no such file, and what there is instead."""
    import difflib

    folder = source if source.is_dir() else source.parent.resolve()
    if not folder.is_dir():
        return f"there is no such file, and no folder {folder}"
    names = sorted(p.name for p in folder.iterdir() if p.suffix in (".npz", ".safetensors"))
    near = difflib.get_close_matches(source.name, names, 3) or names[:3]
    if folder == source:
        there = f"give one of its files, such as {near[0]}" if near else "it has no weights"
        return f"is no file but a folder; {there}"
    there = f"there is {', '.join(near)}" if near else "there are no weights"
    return f"there is no such file; in {folder} {there}"


def _as_path(caller: str, path: Any) -> Path:
    """A path; the two arguments of ``save`` are easily exchanged."""
    try:
        return Path(path)
    except TypeError:
        order = "save(path, state)" if caller == "save" else "load(path)"
        raise TypeError(
            f"{caller}: the path is of type {type(path).__name__}; call {order} with the path of a "
            "file."
        ) from None


def _as_state(given: Any) -> str:
    """How what was given becomes arrays by name."""
    if isinstance(given, Module):
        return "give save(path, model.state_dict())"
    if hasattr(given, "state_dict"):
        return "save the model's state_dict(); fit(…, checkpoint=path) keeps optimisers, too"
    if isinstance(given, (list, tuple)):
        return "give names, too: {str(i): array for i, array in enumerate(arrays)}"
    return "give arrays by name: {'name': array}"


def _array(target: Path, name: Any, value: Any) -> np.ndarray:
    if not isinstance(name, str):
        raise DataError(f"{target}: the name {name!r} is no string; give names as strings.")
    if isinstance(value, Mapping):
        raise DataError(
            f"{target}: entry {name!r} is a dict; save it by itself, or join the names: "
            f"{{f'{name}.{{key}}': array for key, array in state[{name!r}].items()}}."
        )
    try:
        array = np.asarray(as_array(value), order="C")
    except (TypeError, ValueError) as error:  # as for PyTorch's bfloat16, or a ragged list
        raise DataError(f"{target}: entry {name!r} is no array ({one_line(error)}).") from error
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{target}: entry {name!r} has dtype {array.dtype}; only numbers are saved, so convert "
            "it with astype(np.float32) or leave it out."
        )
    return array


def _packed(target: Path, arrays: dict[str, np.ndarray], words: dict[str, str]) -> bytes:
    files = _safetensors()
    if _METADATA in arrays:
        raise DataError(
            f"{target}: safetensors keeps the name {_METADATA} for itself; save as .npz, or give "
            "the entry another name."
        )
    try:
        return files.save(arrays, words or None)  # type: ignore[no-any-return]
    except Exception as error:  # the format has fewer dtypes than NumPy
        raise DataError(f"{target}: cannot be saved as safetensors ({error}).") from error


def _read_safetensors(source: Path) -> dict[str, np.ndarray]:
    files = _safetensors()
    _header(source)
    return dict(files.load_file(source))


def _header(source: Path) -> bytes:
    """The header of a file of safetensors, which is JSON; raises ValueError for none."""
    with open(source, "rb") as file:
        length, header = int.from_bytes(file.read(8), "little"), file.read(_MAX_HEADER)
    if header[:1] not in (b"{", b""):
        raise ValueError(f"a header that starts with {header[:1]!r}, not with a brace")
    if length > _MAX_HEADER:
        raise ValueError(f"a header of {length} bytes, over {_MAX_HEADER}")
    return header[:length]


def _safetensors() -> Any:
    try:
        from safetensors import numpy as files
    except ImportError:
        raise ImportError(
            "files in the safetensors format need its library: pip install safetensors."
        ) from None
    return files
