"""The estimators beside scikit-learn's own networks: R² and accuracy, by default settings.

    python benchmarks/estimators.py                    the table of docs/estimators.md: two minutes
    python benchmarks/estimators.py --only diabetes    the data sets whose name has this in it
    python benchmarks/estimators.py --seeds 1 --json FILE

Ten data sets that scikit-learn brings or makes, so nothing is downloaded. A seed makes the data,
where they are made, the split (a quarter is the test set, stratified for classes) and the
estimators' ``random_state``; both get the same arrays. Inputs are scaled to mean 0 and variance 1
in the training set, and so are the targets of a regression.
"""

import argparse
import os
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import tinygrad_np.sklearn as ours
from benchmarks.contenders.report import markdown
from tinygrad_np.errors import DataError
from tinygrad_np.run.command_line import Arguments, guarded, new_file
from tinygrad_np.run.outputs import write_json

Data = tuple[np.ndarray, np.ndarray]
LIBRARIES = {"tinygrad_np": ours, "scikit-learn": neural_network}
REGRESSION: dict[str, Callable[[int], Data]] = {
    "make_friedman1, noise 1": lambda seed: datasets.make_friedman1(
        500, noise=1.0, random_state=seed
    ),
    "make_friedman2": lambda seed: datasets.make_friedman2(500, random_state=seed),
    "make_friedman3": lambda seed: datasets.make_friedman3(500, random_state=seed),
    "make_regression, noise 10": lambda seed: datasets.make_regression(
        500, 10, noise=10.0, random_state=seed
    ),
    "diabetes": lambda _: datasets.load_diabetes(return_X_y=True),
}
CLASSES: dict[str, Callable[[int], Data]] = {
    "digits": lambda _: datasets.load_digits(return_X_y=True),
    "iris": lambda _: datasets.load_iris(return_X_y=True),
    "wine": lambda _: datasets.load_wine(return_X_y=True),
    "breast_cancer": lambda _: datasets.load_breast_cancer(return_X_y=True),
    "make_moons, noise 0.2": lambda seed: datasets.make_moons(500, noise=0.2, random_state=seed),
}


@dataclass(frozen=True)
class Row:
    """The scores on one data set, one for each seed, by library."""

    data: str
    score: str
    rows: int
    features: int
    scores: dict[str, list[float]]


def standardised(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """All with the mean and variance of the first taken off."""
    scaler = StandardScaler().fit(train)
    return [scaler.transform(part) for part in (train, *others)]


def measured(name: str, seeds: Sequence[int], **settings: Any) -> Row:
    """Train both libraries' estimators with each seed."""
    is_regression = name in REGRESSION
    kind = "MLPRegressor" if is_regression else "MLPClassifier"
    scores: dict[str, list[float]] = {library: [] for library in LIBRARIES}
    for seed in seeds:
        x, y = (REGRESSION | CLASSES)[name](seed)
        parts = train_test_split(x, y, random_state=seed, stratify=None if is_regression else y)
        train_x, test_x = standardised(*parts[:2])
        train_y, test_y = parts[2:]
        if is_regression:
            train_y, test_y = (
                part[:, 0] for part in standardised(train_y[:, None], test_y[:, None])
            )
        for library, module in LIBRARIES.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                network = getattr(module, kind)(random_state=seed, **settings)
                network.fit(train_x, train_y)
            scores[library].append(float(network.score(test_x, test_y)))
    rows, features = x.shape
    return Row(name, "R²" if is_regression else "accuracy", rows, features, scores)


def table(rows: Sequence[Row]) -> str:
    """Means over the seeds, and the scores of each."""

    def cell(values: list[float]) -> str:
        return f"{statistics.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"

    return markdown(
        ["data", "rows × features", "score", *LIBRARIES],
        [
            [row.data, f"{row.rows} × {row.features}", row.score]
            + [cell(row.scores[library]) for library in LIBRARIES]
            for row in rows
        ],
    )


def compare(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    names = [name for name in REGRESSION | CLASSES if given.only in name]
    if not names or given.seeds < 1:
        raise DataError(
            f"--only {given.only} --seeds {given.seeds}: nothing to measure; the data sets are "
            f"{'; '.join(REGRESSION | CLASSES)}, and seeds are 1 or more."
        )
    rows = [measured(name, range(given.seeds)) for name in names]
    print(table(rows))
    if given.json is not None:
        write_json(given.json, {"scores": [asdict(row) for row in rows]})
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--only", default="", help="data sets whose name has this in it")
    parser.add_argument("--seeds", type=int, default=3, help="how many, 3 if not given")
    parser.add_argument("--json", type=new_file, help="write all scores to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("estimators.py", lambda: compare(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
