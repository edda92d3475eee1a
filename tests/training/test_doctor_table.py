"""Networks of many kinds, new and trained, accuse nobody; what is planted in them is named."""

import copy
import functools
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.each import for_each
from tests.training.short import short
from tinygrad_np import data, nn, optim, training

F = nn.functional
BCE = F.binary_cross_entropy_with_logits
RNG = np.random.default_rng(0)

X = RNG.standard_normal((400, 4)).astype(np.float32)
SMOOTH = (np.sin(X[:, :1]) + X[:, 1:2]).astype(np.float32)
QUARTERS = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
BARS = RNG.integers(0, 80, (500, 8, 8))
BAR = RNG.integers(0, 5, 500)
BARS[np.arange(500), BAR + 1] += 150
FLAT = (BARS.reshape(500, 64) / 255).astype(np.float32)
IMAGES = FLAT.reshape(-1, 1, 8, 8)
DOUBTFUL = np.where(RNG.random(500) < 0.5, RNG.integers(0, 5, 500), BAR)  # half by chance


def chain(*sizes: int, between: Any = nn.ReLU, after: Any = None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b, seed=i))
        if i < len(sizes) - 2 and between is not None:
            layers.append(between())
    return nn.Sequential(*layers, *([] if after is None else [after()]))


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 5, seed=1),
    )  # fmt: skip


def dropping() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 64, seed=0), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3, seed=3),
        nn.Linear(64, 5, seed=1),
    )  # fmt: skip


def of_one(z: Any, t: Any) -> Any:
    return BCE(z[:, 0], t.astype(np.float32))


def hinge(z: Any, t: Any) -> Any:
    return np.mean(F.relu(1 - t * z[:, 0]))


Task = tuple[Callable[[], nn.Module], Any, Any, Any]
HEALTHY: dict[str, Task] = {
    "classes": (lambda: chain(64, 32, 16, 5), FLAT, BAR, F.cross_entropy),
    "one layer": (lambda: chain(64, 5), FLAT, BAR, F.cross_entropy),
    "images": (conv, IMAGES, BAR, F.cross_entropy),
    "dropout": (dropping, FLAT, BAR, F.cross_entropy),
    "labels in doubt": (lambda: chain(64, 16, 5), FLAT, DOUBTFUL, F.cross_entropy),
    "regression": (lambda: chain(4, 16, 16, 1), X, SMOOTH, F.mse_loss),
    "logit, column": (
        lambda: chain(4, 16, 16, 1), X, QUARTERS[:, None].astype(np.float32), BCE,
    ),
    "logit, integers": (lambda: chain(4, 16, 16, 1), X, QUARTERS, of_one),
    "hinge": (lambda: chain(4, 16, 16, 1, between=nn.Tanh), X, 2 * QUARTERS - 1, hinge),
}  # fmt: skip


def adam(parameters: Any) -> optim.Optimiser:
    return optim.Adam(parameters, 0.003)


TRAINED = 10
# with and without an optimiser in turns: each case new with one and trained with the other
PATIENTS = [
    (case, epochs, adam if (i + bool(epochs)) % 2 else None)
    for i, case in enumerate(HEALTHY)
    for epochs in (0, TRAINED)
]


@functools.cache
def trained(case: str, epochs: int) -> nn.Module:
    make, x, y, loss = HEALTHY[case]
    model = make()
    if epochs:
        batches = data.batches(x, y, 32, seed=0)
        optimiser = adam(model.parameters())
        training.fit(model, batches, optimiser, epochs=epochs, loss=loss, replay=False)
    return model


@pytest.mark.parametrize(("case", "epochs", "optimiser"), PATIENTS)
def test_nobody_is_accused(case: str, epochs: int, optimiser: Any) -> None:
    _, x, y, loss = HEALTHY[case]
    model = copy.deepcopy(trained(case, epochs))
    # one at full length; the others' findings are decided in short
    with nullcontext() if case == "one layer" else short():
        found = training.diagnose(model, x, y, optimiser, loss=loss, batch_size=32)
    assert found.ok, str(found)
    notes = {finding.name for finding in found.findings if finding.level == "note"}
    if epochs:
        assert "loss low at start" in notes
    elif optimiser is not None:
        assert notes <= {"loss high at start"}


def narrow() -> nn.Module:
    """A head of two linear layers behind dropout, and a branch that is no chain."""

    class Forked(nn.Module):
        def __init__(self) -> None:
            self.left, self.right = nn.Linear(64, 16, seed=0), nn.Linear(64, 16, seed=1)
            self.head = nn.Linear(16, 5, seed=2)

        def forward(self, x: Any) -> Any:
            return self.head(self.left(x) * F.sigmoid(self.right(x)))

    return Forked()


def dropped_chain() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 32, seed=0), nn.BatchNorm1d(32), nn.Dropout(0.1, seed=1),
        nn.Linear(32, 5, seed=2),
    )  # fmt: skip


def ill(x: Any, y: Any, loss: Any, make: Any = None) -> Task:
    return make or (lambda: chain(x.shape[1], 16, 16, 1)), x, y, loss


ILL: dict[str, tuple[Task, str | None]] = {
    "chained": (ill(FLAT, BAR, F.cross_entropy, lambda: chain(64, 32, 16, 5, between=None)),
                "no activation between layers"),
    "chained, with others": (ill(FLAT, BAR, F.cross_entropy, dropped_chain),
                             "no activation between layers"),
    "forked, not chained": (ill(FLAT, BAR, F.cross_entropy, narrow), None),
    "one hundred": (ill(FLAT[:100], BAR[:100], F.cross_entropy, lambda: chain(64, 128, 5)),
                    "few examples"),
    "forty of one target": (
        ill(X[:40], SMOOTH[:40], F.mse_loss, lambda: chain(4, 64, 1)), "few examples"),
    "sigmoid before logits": (
        ill(X, QUARTERS, of_one, lambda: chain(4, 16, 16, 1, after=nn.Sigmoid)),
        "activation on the outputs",
    ),
    "one class": (ill(X, np.zeros_like(QUARTERS), of_one), "one class"),
    "not scaled": (ill(np.round(X * 40 + 128).clip(0, 255), QUARTERS, of_one),
                   "pixels not scaled"),
    "shuffled": (
        ill(np.where(QUARTERS[:, None], X + 2, X), RNG.permutation(QUARTERS), of_one),
        "labels unrelated to inputs",
    ),
    "rate": (ill(X, SMOOTH, F.mse_loss), "learning rate too high"),
}  # fmt: skip


@for_each([name for name, (_, cause) in ILL.items() if cause])
def test_what_is_planted_is_named(case: str) -> None:
    (make, x, y, loss), cause = ILL[case]
    optimiser = 30.0 if case == "rate" else adam
    with short(100):
        found = training.diagnose(make(), x, y, optimiser, loss=loss, batch_size=32)
    assert cause in [finding.name for finding in found.warnings], str(found)
    assert len(found.warnings) == 1, str(found)


def test_branches_are_no_chain() -> None:
    make, x, y, loss = ILL["forked, not chained"][0]
    with short():
        found = training.diagnose(make(), x, y, adam, loss=loss, batch_size=32)
    assert found.ok, str(found)


def test_the_words_for_chains_and_few_examples() -> None:
    make, x, y, loss = ILL["chained"][0]
    with short():
        [warning] = training.diagnose(make(), x, y, loss=loss).warnings
    assert "1 (Linear) takes what 0 (Linear) gives" in warning.cause
    assert warning.remedy == "put nn.ReLU() between 0 and 1."
    make, x, y, loss = ILL["one hundred"][0]
    with short():
        [warning] = training.diagnose(make(), x, y, loss=loss).warnings
    assert "100 examples, 20 of a class, for 8,965 parameters" in warning.cause
