"""The training loop."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..optim.optimisers import Optimiser
from ..replay import Replay
from .metrics import accuracy

Arrays = tuple[np.ndarray, np.ndarray]
EVALUATION_ROWS = 2048


@dataclass
class Epoch:
    """What one pass over the training data gave.

    ``train_loss`` and ``train_accuracy`` are means over the batches as they came; ``seconds`` is
    the training time without evaluation; ``step_losses`` has one loss per step.
    """

    epoch: int
    seconds: float
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    step_losses: list[float] = field(default_factory=list, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON takes them."""
        return asdict(self)


@dataclass
class Progress:
    """Where the loop is: after each step."""

    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float


def fit(
    model: Module,
    batches: Iterable[Arrays],
    optimiser: Optimiser,
    *,
    epochs: int,
    loss: Callable[[Any, Any], Any] = cross_entropy,
    validation: Arrays | None = None,
    on_step: Callable[[Progress], None] | None = None,
    replay: bool = True,
) -> Iterator[Epoch]:
    """Train, and yield what each epoch gave; the caller stops by no longer asking.

    ``batches`` is iterated once per epoch and gives ``x (n, ...)`` and integer labels ``y (n,)``;
    ``validation`` is evaluated after each epoch; ``on_step`` is called after each step. Steps are
    replayed (see ``tg.replay``), which changes no bit of the result; with ``replay=False`` each one
    runs as Python, as a model needs that prints, counts, or looks at values. Raises DataError for
    an epoch without batches, ReplayError for a model that cannot be replayed.
    """
    step = _step(model, optimiser, loss)
    if replay:
        step = Replay(step)
    for epoch in range(1, epochs + 1):
        yield _epoch(epoch, model, batches, optimiser, step, validation, on_step)


def _step(
    model: Module, optimiser: Optimiser, loss: Callable[[Any, Any], Any]
) -> Callable[..., tuple[Tensor, Tensor]]:
    """A training step: the loss, and how many examples were right, before the update."""

    def step(x: Any, y: Any) -> tuple[Tensor, Tensor]:
        optimiser.zero_grad()
        logits = model(x)
        value = loss(logits, y)
        value.backward()
        optimiser.step()
        return value, np.sum(np.equal(np.argmax(logits, axis=1), y))

    return step


def _epoch(
    epoch: int,
    model: Module,
    batches: Iterable[Arrays],
    optimiser: Optimiser,
    step: Callable[..., tuple[Tensor, Tensor]],
    validation: Arrays | None,
    on_step: Callable[[Progress], None] | None,
) -> Epoch:
    model.train()
    rate = optimiser.rate()
    losses: list[float] = []
    seen = right = 0
    total = 0.0
    start = time.perf_counter()
    for x, y in batches:
        given = x if isinstance(x, Tensor) or isinstance(step, Replay) else Tensor(x)
        value, hits = step(given, y)
        losses.append(value.item())
        seen += len(y)
        right += hits.item()
        total += losses[-1] * len(y)
        if on_step is not None:
            on_step(Progress(epoch, len(losses), len(y), losses[-1], right / seen))
    seconds = time.perf_counter() - start
    if not seen:
        raise DataError(
            f"fit: the batches of epoch {epoch} are empty; give something that can be iterated "
            "over once per epoch, such as tg.data.batches(...), not a generator."
        )
    done = Epoch(epoch, seconds, rate, total / seen, right / seen, step_losses=losses)
    if validation is not None:
        done.validation_loss, done.validation_accuracy = evaluate(model, *validation)
    return done


def predict(model: Module, x: np.ndarray) -> np.ndarray:
    """The model's outputs in evaluation mode, unrecorded: (n, ...) to (n, classes).

    Every module is afterwards in the mode it was in.
    """
    before = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            parts = [
                model(Tensor(x[start : start + EVALUATION_ROWS])).numpy()
                for start in range(0, max(len(x), 1), EVALUATION_ROWS)
            ]
    finally:
        for module, training in before:
            module.training = training
    return np.concatenate(parts)


def evaluate(model: Module, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(mean cross-entropy, accuracy) of a classifier on ``x (n, ...)`` and labels ``y (n,)``.

    Raises what ``cross_entropy`` raises, and ShapeError for no examples.
    """
    return score(predict(model, x), y)


def score(logits: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(mean cross-entropy, accuracy) of logits (n, classes) for labels ``y (n,)``."""
    right = accuracy(np.argmax(logits, axis=1), y)
    return float(cross_entropy(logits.astype(np.float64), y)), right
