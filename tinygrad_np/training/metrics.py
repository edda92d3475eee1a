"""What a classifier's predictions are worth."""

from typing import Any

import numpy as np

from ..errors import ShapeError


def accuracy(predictions: Any, labels: Any) -> float:
    """The share of equal entries: (n,) and (n,) to a float in 0 … 1.

    Raises ShapeError for other shapes, and for none at all.
    """
    _paired("accuracy", predictions, labels)
    return float(np.mean(np.equal(predictions, labels)))


def confusion(predictions: Any, labels: Any, classes: int) -> np.ndarray:
    """How often label ``i`` was taken for ``j``: (n,) and (n,) to (classes, classes) of int64.

    Raises ShapeError as ``accuracy`` does, ValueError for entries outside 0 … classes - 1.
    """
    _paired("confusion", predictions, labels)
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(
                f"confusion: {name} from {values.min()} to {values.max()} for {classes} classes."
            )
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)


def _paired(name: str, predictions: Any, labels: Any) -> None:
    shape = np.shape(predictions)
    if len(shape) != 1 or shape != np.shape(labels) or not shape[0]:
        raise ShapeError(
            f"{name}: predictions of shape {shape} and labels of shape {np.shape(labels)}; "
            "expected (n,) for both, with n at least 1."
        )
