"""Data sets from files to batches: IDX and CSV, MNIST and Fashion-MNIST, pixels and labels."""

from . import augment
from .batches import batches, normalise, one_hot, split
from .datasets import fashion_mnist, load_dataset, load_folder, mnist
from .files import load_csv, load_idx, save_idx
from .libraries import from_sklearn, from_torchvision

__all__ = [
    "augment",
    "batches",
    "fashion_mnist",
    "from_sklearn",
    "from_torchvision",
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
