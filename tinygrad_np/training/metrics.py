"""Measures of a classifier's predictions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import refusal, shown, whole
from ..errors import ShapeError
from .inputs import as_arrays, numbers

Metrics = Mapping[str, Callable[[Any, Any], Any]]


def named(metrics: Metrics | Iterable[Callable[[Any, Any], Any]] | None) -> Metrics:
    """Own metrics by name: a dict as it is, functions by their names.

    What has no name that tells it from the others, as a lambda has none, is called metric_1 and so
    on by its place. Raises TypeError for what is no function, and for names that are none.
    """
    if metrics is None:
        return {}
    if not isinstance(metrics, (Mapping, list, tuple, set)):
        raise refusal(
            "fit", "metrics", metrics, "a dict of names and functions, or a list of functions,"
        )
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    else:
        called = [str(getattr(metric, "__name__", "")) for metric in metrics]
        pairs = [
            (name if name.isidentifier() and called.count(name) == 1 else f"metric_{i}", metric)
            for i, (name, metric) in enumerate(zip(called, metrics, strict=True), 1)
        ]
    for name, metric in pairs:
        if isinstance(metric, type) or not callable(metric):
            raise TypeError(
                f"metrics: found {shown(metric)}, expected functions of "
                "(outputs, targets), such as {'error': lambda outputs, y: abs(outputs - y).mean()}."
            )
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(
                f"metrics: found the name {name!r}, expected a word of letters, digits and "
                "underscores, by which the history has it."
            )
    return dict(pairs)


def measured(metrics: Metrics, outputs: Any, targets: Any) -> dict[str, float]:
    """What each metric says of outputs and targets, which it gets as arrays.

    Raises TypeError, with the metric's name, for what is no number.
    """
    found = {}
    if metrics:
        outputs, targets = as_arrays(outputs), as_arrays(targets)
    for name, metric in metrics.items():
        value = metric(outputs, targets)
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"metrics: {name} returned {type(value).__name__} of shape {np.shape(value)}; a "
                "metric returns one number for all the examples, such as their mean."
            ) from None
    return found


def accuracy(predictions: Any, labels: Any) -> float:
    """The share of equal entries: (n,) and (n,) to a float in 0 … 1.

    Raises ShapeError for other shapes, and for none at all.

    >>> tg.training.accuracy(np.array([1, 2, 3, 3]), np.array([1, 2, 3, 0]))
    0.75
    """
    predictions, labels = _paired("accuracy", predictions, labels)
    return float(np.mean(np.equal(predictions, labels)))


def top_k(scores: Any, labels: Any, k: int = 5) -> float:
    """The share of rows whose label is among the k highest scores: (n, classes), (n,) to a float.

    ``scores`` are logits or probabilities. Of equal scores the earlier class is the higher one, as
    for ``argmax``, so that ``k=1`` is the accuracy; a NaN is no score. Raises ShapeError for other
    shapes, ValueError for labels out of range and a k outside 1 … classes.

    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    >>> tg.training.top_k(scores, np.array([2, 2]), k=2)
    0.5
    """
    scores, labels = _scored("top_k", scores, labels)
    classes = scores.shape[1]
    if whole("top_k", "k", k) > classes:
        raise ValueError(f"top_k: k={k} for {classes} classes; 1 to {classes} is needed.")
    own = scores[np.arange(len(labels)), labels][:, None]
    later = np.arange(classes) >= labels[:, None]
    not_above = (scores < own) | ((scores == own) & later)
    return float(np.mean(classes - not_above.sum(axis=1) < k))


def confusion(predictions: Any, labels: Any, classes: int) -> np.ndarray:
    """How often label ``i`` was taken for ``j``: (n,) and (n,) to (classes, classes) of int64.

    Raises ShapeError as ``accuracy`` does, ValueError for entries outside 0 … classes - 1.

    >>> tg.training.confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    predictions, labels = _paired("confusion", predictions, labels)
    whole("confusion", "classes", classes)
    for name, values in (("labels", labels), ("predictions", predictions)):
        _in_range("confusion", name, values, classes)
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)


@dataclass(frozen=True)
class PerClass:
    """For each class, (classes,) each; ``support`` counts its examples, the others are in 0 … 1."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def precision_recall(predictions: Any, labels: Any, classes: int) -> PerClass:
    """Precision, recall and F1 of each class: (n,) and (n,) to four arrays (classes,).

    Precision is the share of right ones among the predictions of a class, recall among its
    examples, F1 = 2 right / (predicted + examples). A share of nothing is NaN: the precision of
    a class that is never predicted, the recall of one without examples (``np.nanmean`` leaves them
    out). Raises what ``confusion`` raises.

    >>> found = tg.training.precision_recall(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    >>> found.precision.tolist(), found.recall.tolist()
    ([1.0, 0.5], [0.5, 1.0])
    """
    counts = confusion(predictions, labels, classes)
    right, predicted, support = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    return PerClass(
        precision=_share(right, predicted),
        recall=_share(right, support),
        f1=_share(2 * right, predicted + support),
        support=support,
    )


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy, in bins of equal width over 0 … 1.

    ``edges`` (bins + 1,), ``counts``, mean ``confidence`` and ``accuracy`` (bins,) each, NaN for an
    empty bin. ``expected_error`` is the mean of |accuracy - confidence| over the examples' bins,
    ``greatest_error`` its maximum, ``brier`` the mean squared distance from probabilities to
    one-hot labels (Brier 1950), in 0 … 2.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    expected_error: float
    greatest_error: float
    brier: float


def calibration(probabilities: Any, labels: Any, bins: int = 15) -> Calibration:
    """How far confidence can be trusted: (n, classes) and (n,) to a ``Calibration``.

    The confidence is the highest probability of a row; bin m holds those in ((m - 1)/bins, m/bins],
    and ``expected_error`` is the ECE (Guo et al. 2017, eq. 3). Raises ShapeError for other shapes,
    ValueError for labels out of range, no bins, and rows that are no probabilities.

    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    >>> round(tg.training.calibration(probabilities, np.array([0, 1])).expected_error, 2)
    0.45
    """
    probabilities, labels = _scored("calibration", probabilities, labels, "probabilities")
    probabilities = probabilities.astype(np.float64)
    whole("calibration", "bins", bins)
    sums = probabilities.sum(axis=1)
    if not (probabilities.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise ValueError(
            f"calibration: values from {probabilities.min():.4g} to {probabilities.max():.4g} in "
            "rows that do not sum to 1; give probabilities, softmax(logits)."
        )
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, sure) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    confidence = _share(np.bincount(place, sure, bins), counts)
    share = _share(np.bincount(place, right, bins), counts)
    gaps = np.nan_to_num(np.abs(share - confidence))
    squares = (probabilities**2).sum(axis=1) + 1 - 2 * probabilities[np.arange(len(sure)), labels]
    return Calibration(
        edges=edges,
        counts=counts,
        confidence=confidence,
        accuracy=share,
        expected_error=float(np.average(gaps, weights=counts)),
        greatest_error=float(gaps.max()),
        brier=float(squares.mean()),
    )


def wilson(share: Any, n: Any, z: float = 1.959964) -> tuple[Any, Any]:
    """The interval of a share of ``n`` trials, 95 % by default: shape () or any, to two such.

    It stays within 0 … 1 and is right near both (Wilson 1927).
    """
    share, n = np.asarray(share, np.float64), np.asarray(n)
    middle = share + z * z / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _share(part: Any, whole: Any) -> np.ndarray:
    """part / whole, NaN where the whole is 0."""
    share = np.full(len(whole), np.nan)
    np.divide(part, whole, out=share, where=whole != 0)
    return share


def _plain(metric: str, name: str, given: Any) -> np.ndarray:
    """Numbers as an array; raises TypeError for others."""
    return np.asarray(as_arrays(numbers(f"{metric}: {name}", given)))


def _paired(name: str, predictions: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (n,) and labels (n,) as arrays."""
    predictions, labels = _plain(name, "predictions", predictions), _plain(name, "labels", labels)
    shape = predictions.shape
    if len(shape) != 1 or shape != labels.shape or not shape[0]:
        remedy = "; of logits use argmax(axis=1)" if len(shape) == 2 else ""
        raise ShapeError(
            f"{name}: predictions of shape {shape} and labels of shape {labels.shape}; "
            f"expected (n,) for both, with n at least 1{remedy}."
        )
    return predictions, labels


def _scored(
    name: str, scores: Any, labels: Any, given: str = "scores"
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, classes) and labels (n,) in range, as arrays."""
    scores, labels = _plain(name, given, scores), _plain(name, "labels", labels)
    few = scores.ndim != 2 or scores.shape[1] < 2  # one column has no greatest
    if few or labels.shape != scores.shape[:1] or not len(labels):
        raise ShapeError(
            f"{name}: {given} of shape {scores.shape} and labels of shape {labels.shape}; "
            "expected (n, classes) and (n,), with n at least 1 and 2 classes or more."
        )
    _in_range(name, "labels", labels, scores.shape[1])
    return scores, labels


def _in_range(metric: str, name: str, values: np.ndarray, classes: int) -> None:
    if values.dtype.kind not in "iu":
        raise TypeError(f"{metric}: {name} of dtype {values.dtype}; they must be integers.")
    if values.min() < 0 or values.max() >= classes:
        raise ValueError(
            f"{metric}: {name} from {values.min()} to {values.max()} for {classes} classes."
        )
