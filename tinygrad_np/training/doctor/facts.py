"""What the arrays alone show, without a network."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.samples import named_arrays

SAMPLE = 10_000  # rows that means and deviations are taken over
NEIGHBOURS = 1000  # rows that others are compared with
FEWEST = 100  # rows below which nothing is said about neighbours


@dataclass
class DataFacts:
    """Ranges of an array of inputs, which is called ``name`` in sentences.

    ``bad`` counts entries that are not finite, ``first_bad`` is the first one's index; ``spread``
    is the greatest standard deviation of a feature over the median one.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: float
    std: float
    spread: float
    whole: bool
    bad: int
    first_bad: tuple[int, ...] | None
    name: str


def data_facts(x: Any, rng: "np.random.Generator") -> list[DataFacts]:
    """The facts of each array of inputs (n, ...)."""
    return [_facts(name, array, rng) for name, array in named_arrays("x", x)]


def counts_of(y: np.ndarray) -> np.ndarray | None:
    """The examples of each label, None where the labels are no classes."""
    are_classes = y.ndim == 1 and y.dtype.kind in "iu" and y.size and y.min() >= 0
    return np.bincount(y) if are_classes and y.max() < 1_000_000 else None


def _facts(name: str, x: np.ndarray, rng: "np.random.Generator") -> DataFacts:
    finite = np.isfinite(x) if x.dtype.kind == "f" else np.ones(1, bool)
    bad = int(finite.size - np.count_nonzero(finite))
    first = tuple(int(i) for i in np.argwhere(~finite)[0]) if bad else None
    rows = rng.permutation(len(x))[:SAMPLE]
    some = x[rows].reshape(len(rows), -1).astype(np.float64)
    kept = x[finite] if bad else x
    stds = some.std(axis=0) if not bad else np.ones(1)
    stds = stds[stds > 0]
    return DataFacts(
        shape=x.shape,
        dtype=str(x.dtype),
        low=float(kept.min()) if kept.size else 0.0,
        high=float(kept.max()) if kept.size else 0.0,
        mean=float(some[np.isfinite(some)].mean()) if kept.size else 0.0,
        std=float(some[np.isfinite(some)].std()) if kept.size else 0.0,
        spread=float(stds.max() / np.median(stds)) if stds.size else 1.0,
        whole=bool(np.array_equal(some, np.round(some))),
        bad=bad,
        first_bad=first,
        name=name,
    )


def nearest_neighbours(
    x: Any, y: np.ndarray, rng: "np.random.Generator"
) -> tuple[float, float] | None:
    """How often the nearest of other examples has the same label, and how often by chance.

    Chance is the sum of the squared shares of the labels plus three standard errors. None for few
    examples, or inputs between which there is no distance, such as numbers of words.
    """
    inputs = [array for _, array in named_arrays("x", x)]
    if len(y) < FEWEST or not all(a.dtype.kind == "f" or a.dtype == np.uint8 for a in inputs):
        return None
    some = rng.permutation(len(y))[: 2 * NEIGHBOURS]
    flat = np.hstack([a[some].reshape(len(some), -1).astype(np.float64) for a in inputs])
    known, asked = np.array_split(np.arange(len(some)), 2)
    squares = (flat * flat).sum(axis=1)
    distances = squares[known] - 2 * flat[asked] @ flat[known].T
    nearest = known[distances.argmin(axis=1)]
    labels: Any = y[some]
    share = float(np.mean(labels[nearest] == labels[asked]))
    equal = float(np.sum((np.bincount(labels) / len(labels)) ** 2))
    return share, above(equal, len(asked))


def above(share: float, n: int, errors: float = 3) -> float:
    """What a share of n may become by chance: so many standard errors more."""
    return share + errors * float(np.sqrt(share * (1 - share) / n))
