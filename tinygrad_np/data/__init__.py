"""Data sets from files to batches: IDX and CSV, MNIST and Fashion-MNIST, pixels and labels."""

from ..habits import lacking
from ..nn.functional import one_hot
from . import augment
from .batches import batches, split
from .datasets import Dataset, fashion_mnist, mnist
from .digits import digits_from
from .files import load_csv, load_idx, save_idx
from .libraries import from_sklearn, from_torchvision
from .load import load
from .scaling import normalise

# the names that `load` had before it read more than IDX and CSV
load_dataset = load_folder = load


def __getattr__(name: str) -> None:
    raise lacking(__name__, name)


__all__ = [
    "Dataset",
    "augment",
    "batches",
    "digits_from",
    "fashion_mnist",
    "from_sklearn",
    "from_torchvision",
    "load",
    "load_csv",
    "load_dataset",
    "load_folder",
    "load_idx",
    "mnist",
    "normalise",
    "one_hot",
    "save_idx",
    "split",
]
