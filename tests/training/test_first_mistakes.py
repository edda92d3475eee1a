"""What learners type first, after public reports: each is refused with the remedy that fits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import data, nn, optim, training

X = np.random.default_rng(0).standard_normal((24, 5)).astype(np.float32)
Y = X[:, :3].argmax(axis=1)


def net(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8, seed=0), nn.ReLU(), nn.Linear(8, outputs, seed=1))


def fit(x: Any, y: Any, outputs: int = 3, **options: Any) -> training.History:
    model = net(outputs)
    batches = data.batches(x, y, 24, seed=0)
    optimiser = optim.SGD(model.parameters(), 0.1)
    return training.fit(model, batches, optimiser, epochs=1, **options)


class Inside(nn.Module):
    def __init__(self) -> None:
        self.net = net()


def cut(*indices: float) -> np.ndarray:
    y = Y.astype(np.float32)
    y[0] = indices[0]
    return y


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "labels from 1": (lambda: fit(X, Y + 1), r"count from 1, give labels - 1; else .* 4 outputs"),
    "more labels": (lambda: fit(X, Y * 2), r"0 … 2\. Then the last layer needs 5 outputs"),
    "labels -1 and 1": (lambda: fit(X, np.sign(Y - 0.5).astype(int), 2), r"\(labels \+ 1\) // 2"),
    "one output": (lambda: fit(X, Y > 0, 1), r"labels.astype\(np.int64\)"),
    "one output, integers": (lambda: fit(X, Y, 1), "give it two, or take .*binary_cross_entropy"),
    "labels with NaN": (lambda: fit(X, cut(np.nan)), "such as nan; they must be integers. Leave"),
    "labels with halves": (lambda: fit(X, cut(0.5)), "such as 0.5; .* no classes take mse_loss"),
    "whole floats": (lambda: fit(X, cut(1.0)), r"labels.astype\(np.int64\)"),
    "rows too wide": (lambda: net()(X[:, :4]), "make in_features 4, or give rows of 5 numbers"),
    "early stopping as a callback": (
        lambda: fit(X, Y, callbacks=[training.EarlyStopping(patience=2)]),
        "give it as early_stopping=",
    ),
    "PyTorch's schedules": (lambda: optim.StepLR, r"is the lr itself, .*lr=StepDecay"),  # type: ignore[attr-defined]
    "a history as Keras has it": (
        lambda: fit(X, Y)["loss"],  # type: ignore[call-overload]
        r"take history\[-1\].train_loss for the last one",
    ),
    "a state from within": (
        lambda: Inside().load_state_dict(net().state_dict()),
        r"rename=lambda name: 'net.' \+ name",
    ),
    "a state from around": (
        lambda: net().load_state_dict(Inside().state_dict()),
        r"rename=lambda name: name.removeprefix\('net.'\)",
    ),
    "a word too many": (lambda: nn.Embedding(5, 2, seed=0)(np.array([5])), r"Embedding\(6, …\)"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_the_remedy_is_said(what: str) -> None:
    mistake, message = MISTAKES[what]
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        mistake()


def test_a_checkpoint_is_no_state(tmp_path: Path) -> None:
    fit(X, Y, checkpoint=tmp_path / "c.npz")
    with pytest.raises(tg.ShapeError, match=r"give tg.training.Checkpoint.load\(path\).weights"):
        net().load_state_dict(tg.load(tmp_path / "c.npz"))
    net().load_state_dict(training.Checkpoint.load(tmp_path / "c.npz").weights)
