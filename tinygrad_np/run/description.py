"""What weights carry with them, so that their network can be made again: JSON, and no code."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..data.datasets import Dataset
from ..errors import DataError
from ..training import weights
from .networks import ACTIVATIONS, MLP, NETWORKS, NORMS, SIDE
from .recipes import Parts, Recipe

KEY = "tinygrad_np"
_MOST = 10**8  # weights of a network that a file may ask for
_RING = 2  # pixels at the edge
_EMPTY = 3.0  # mean grey value at the edge of pictures that were cut out, as MNIST's


@dataclass(frozen=True)
class Description:
    """A network and what it was trained on.

    ``shape`` is that of a picture, ``mean`` and ``std`` how its pixels were standardised (or
    None), ``names`` those of the classes (or None), ``cut`` whether pictures have nothing at their
    edge, as digits cut out of a page.
    """

    network: str
    sizes: tuple[int, ...]
    activation: str
    norm: str | None
    shape: tuple[int, int]
    mean: float | None
    std: float | None
    names: tuple[str, ...] | None
    cut: bool

    def build(self) -> nn.Module:
        """The network, its weights not yet loaded."""
        if self.network in NETWORKS:
            return NETWORKS[self.network](classes=self.sizes[-1], seed=0)
        return MLP(self.sizes, self.activation, norm=self.norm, seed=0)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.names or tuple(map(str, range(self.sizes[-1])))


def describe(recipe: Recipe, dataset: Dataset, parts: Parts) -> dict[str, str]:
    """The metadata of a file of weights."""
    images = dataset[0][0]
    ring = np.ones(images.shape[1:], bool)
    ring[_RING:-_RING, _RING:-_RING] = False
    network = next((name for name, made in NETWORKS.items() if made is recipe.network), "mlp")
    cut = images.shape[1:] == (28, 28) and bool(images[:, ring].mean() < _EMPTY)
    described = Description(
        network, recipe.sizes, recipe.activation, recipe.norm, images.shape[1:], parts.mean,
        parts.std, getattr(dataset, "names", None), cut,
    )  # fmt: skip
    return {KEY: json.dumps(asdict(described))}


def weights_at(place: Path) -> Path:
    """The file of weights that is named, by itself or by the folder of its run."""
    found = place / "weights.npz" if place.is_dir() else place
    if not found.exists() and (runs := sorted(place.glob("*/weights.npz"))):
        names = ", ".join(str(run.parent) for run in runs[:5])
        raise DataError(f"{place}: is no run but a folder of runs; name one of them: {names}")
    if found.exists() and found.suffix not in (".npz", ".safetensors"):
        raise DataError(
            f"{place}: these are no weights; WEIGHTS, the weights.npz of a run or its folder, "
            "comes first"
        )
    return found


def is_weights(place: Path) -> bool:
    """Whether a file, or the folder of a run, has weights that ``train`` wrote."""
    file = place / "weights.npz" if place.is_dir() else place
    try:
        return file.suffix in (".npz", ".safetensors") and KEY in weights.metadata(file)
    except DataError:
        return False


def rebuilt(path: Path) -> tuple[nn.Module, Description]:
    """The network in a file of weights that ``train`` wrote, ready to predict.

    Raises DataError for a file without a description, or whose weights are not those described.
    """
    text = weights.metadata(path).get(KEY)
    if text is None:
        raise DataError(
            f"{path}: found weights without a description of their network, expected a file that "
            "`python -m tinygrad_np train` wrote; train again with this version, or load the "
            "weights into your own Module with load_state_dict(tg.load(path))"
        )
    try:
        described = _checked(json.loads(text))
        if sum(a * b for a, b in zip(described.sizes, described.sizes[1:], strict=False)) > _MOST:
            raise ValueError(f"sizes {described.sizes}")
        model = described.build()
        model.load_state_dict(_without_counts(model, weights.load(path)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, DataError) and str(path) in str(error):
            raise
        raise DataError(
            f"{path}: found a description that is not of these weights ({error}), expected a file "
            "that `python -m tinygrad_np train` wrote; get or train it again"
        ) from error
    model.eval()
    return model, described


def _without_counts(model: nn.Module, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights under the names of a network without dropout, whose layers count otherwise."""

    def place(name: str) -> list[tuple[int, str]]:
        return [(int(word) if word.isdigit() else -1, word) for word in name.split(".")]

    own, given = sorted(model.state_dict(), key=place), sorted(state, key=place)
    if len(own) != len(given):
        raise ValueError(f"{len(given)} arrays for {len(own)}")
    return {mine: state[name] for mine, name in zip(own, given, strict=True)}


def _checked(found: Any) -> Description:
    """Only numbers and known words come out of the file."""
    sizes = tuple(_whole(size) for size in found["sizes"])
    names = found["names"] if found["names"] is None else tuple(map(str, found["names"]))
    if found["network"] not in ("mlp", *NETWORKS) or found["activation"] not in ACTIVATIONS:
        raise ValueError(f"network {found['network']!r} with {found['activation']!r}")
    if found["norm"] not in (None, *NORMS) or (names and len(names) != sizes[-1]):
        raise ValueError(f"norm {found['norm']!r}, {len(names or ())} names")
    if len(sizes) < 2 or (found["network"] in NETWORKS and sizes[0] != SIDE * SIDE):
        raise ValueError(f"sizes {sizes}")
    height, width = map(_whole, found["shape"])
    mean, std = (None if found[key] is None else float(found[key]) for key in ("mean", "std"))
    if height * width != sizes[0]:
        raise ValueError(f"pictures of {height}×{width} pixels for {sizes[0]} inputs")
    return Description(
        found["network"], sizes, found["activation"], found["norm"], (height, width), mean, std,
        names, bool(found["cut"]),
    )  # fmt: skip


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"the size {value!r}")
    return value
