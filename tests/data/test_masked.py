"""Masked arrays are refused where their mask would be lost."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
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


@pytest.mark.parametrize("name", WAYS)
def test_masked_arrays_are_refused(name: str) -> None:
    with pytest.raises((TypeError, tg.DataError), match=r"mask.* would be lost"):
        WAYS[name]()
