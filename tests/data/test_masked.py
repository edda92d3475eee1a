"""Masked arrays are refused where their mask would be lost."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import data, nn, optim, training

MASKED = np.ma.array(np.ones((4, 3), np.float32), mask=np.eye(4, 3, dtype=bool))
LABELS = np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 0])
X, Y = np.arange(12, dtype=np.float32).reshape(4, 3) / 12, np.array([0, 1, 0, 1])


def fit(x: Any, y: Any, **more: Any) -> None:
    model = nn.Linear(3, 2, seed=0)
    training.fit(model, [(x, y)], optim.SGD(model.parameters(), 0.1), epochs=1, **more)


def estimator(kind: str, name: str) -> None:
    made = getattr(pytest.importorskip("tinygrad_np.sklearn"), kind)((4,), random_state=0)
    method, _, argument = name.partition(" ")
    x, y = (MASKED, Y) if argument == "X" else (X, LABELS)
    if method == "predict":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.set_params(max_iter=1).fit(X, Y).predict(MASKED)
    elif method == "partial_fit" and kind == "MLPClassifier":
        made.partial_fit(x, y, classes=[0, 1])
    else:
        getattr(made, method)(x, y)


WAYS: dict[str, Callable[[], Any]] = {
    "batches": lambda: data.batches(MASKED, np.zeros(4, int), 2, seed=0),
    "split": lambda: data.split(MASKED, np.zeros(4, int), 2, seed=0),
    "linear": lambda: nn.Linear(3, 2, seed=0)(MASKED),
    "diagnose": lambda: training.diagnose(nn.Linear(3, 2, seed=0), MASKED, np.zeros(4, int)),
    "diagnose labels": lambda: training.diagnose(nn.Linear(3, 2, seed=0), np.ones((4, 3)), LABELS),
    "predict": lambda: training.predict(nn.Linear(3, 2, seed=0), MASKED),
    "evaluate": lambda: training.evaluate(nn.Linear(3, 2, seed=0), np.ones((4, 3)), LABELS),
    "fit": lambda: fit(MASKED, np.zeros(4, int)),
    "fit labels": lambda: fit(np.ones((4, 3), np.float32), LABELS),
    "validation": lambda: fit(X, Y, validation=(MASKED, Y)),
    "validation labels": lambda: fit(X, Y, validation=(X, LABELS)),
    "histograms": lambda: training.Histograms(nn.Linear(3, 2, seed=0), MASKED, Y),
    **{
        f"{kind}.{name}": (lambda kind=kind, name=name: estimator(kind, name))
        for kind in ("MLPClassifier", "MLPRegressor")
        for name in ("fit X", "fit y", "partial_fit X", "partial_fit y", "predict X")
    },
    "mse": lambda: nn.functional.mse_loss(tg.Tensor(np.ones((4, 3))), MASKED),
}


@for_each(WAYS)
def test_masked_arrays_are_refused(name: str) -> None:
    with pytest.raises((TypeError, tg.DataError), match=r"mask.* would be lost"):
        WAYS[name]()


class Sparse:
    """As SciPy's matrices are."""

    def toarray(self) -> Any:
        return X


STRANGE: dict[str, tuple[Any, str]] = {
    "sparse": (Sparse(), "is a sparse Sparse; give x.toarray()."),
    "matrix": (X.view(np.matrix), "is a matrix, whose mask, index or own arithmetic would be lost"),
    "ragged": (
        [[1.0], [1.0, 2.0]] * 2,
        "is a list whose entries have different lengths; give rows",
    ),
}
DOORS: dict[str, Callable[[Any], Any]] = {
    "batches": lambda x: data.batches(x, Y, 2, seed=0),
    "split": lambda x: data.split(x, Y, 2, seed=0),
    "fit": lambda x: fit(x, Y),
    "predict": lambda x: training.predict(nn.Linear(3, 2, seed=0), x),
    "evaluate": lambda x: training.evaluate(nn.Linear(3, 2, seed=0), x, Y),
    "diagnose": lambda x: training.diagnose(nn.Linear(3, 2, seed=0), x, Y),
}


@for_each(STRANGE, DOORS)
def test_every_door_says_the_same_of_strange_arrays(what: str, door: str) -> None:
    given, sentence = STRANGE[what]
    with pytest.raises((TypeError, tg.DataError), match=f"x {re.escape(sentence)}"):
        DOORS[door](given)
