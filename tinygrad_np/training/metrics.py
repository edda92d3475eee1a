"""What a classifier's predictions are worth."""

from typing import Any

import numpy as np


def accuracy(predictions: Any, labels: Any) -> float:
    """The share of equal entries: (n,) and (n,) to a float in 0 … 1."""
    return float(np.mean(np.equal(predictions, labels)))


def confusion(predictions: Any, labels: Any, classes: int) -> np.ndarray:
    """How often label ``i`` was taken for ``j``: (n,) and (n,) to (classes, classes) of int64."""
    counts = np.bincount(np.asarray(labels) * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)
