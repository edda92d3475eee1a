"""What a training gave: after each step, after each epoch, and as a whole."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, overload

MONITORS = ("validation_loss", "validation_accuracy", "train_loss", "train_accuracy")


@dataclass
class Progress:
    """Where the loop is after a step: ``accuracy`` is that of the epoch so far."""

    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float


@dataclass
class Epoch:
    """What one pass over the training data gave.

    ``train_loss`` and ``train_accuracy`` are means over the batches as they came; ``seconds`` is
    the training time without evaluation. ``step_losses`` and ``step_accuracies`` have the loss and
    the accuracy of each step's batch, before its update. Accuracies are NaN where the targets are
    no integer labels; ``finished`` is False where the pass was broken off.
    """

    epoch: int
    seconds: float
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    step_losses: list[float] = field(default_factory=list, repr=False)
    step_accuracies: list[float] = field(default_factory=list, repr=False)
    finished: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON takes them."""
        return asdict(self)

    def rank(self, monitor: str) -> float:
        """The value named by ``monitor`` so that lower is better; NaN and None are the worst."""
        value = getattr(self, monitor)
        if value is None or math.isnan(value):
            return math.inf
        return -value if monitor.endswith("accuracy") else float(value)


@dataclass
class Tally:
    """An epoch on its way: sums over its steps so far."""

    rate: float
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seen: int = 0
    right: float = 0.0
    total: float = 0.0
    seconds: float = 0.0

    def epoch(self, number: int, finished: bool) -> Epoch:
        """What is known once the steps are done."""
        return Epoch(
            number,
            self.seconds,
            self.rate,
            self.total / self.seen,
            self.right / self.seen,
            step_losses=self.losses,
            step_accuracies=self.accuracies,
            finished=finished,
        )


@dataclass
class History(Sequence[Epoch]):
    """The epochs of a training, in order, and why it ended.

    ``stopped`` is "finished" (all epochs), "early" (``early_stopping``), "callback" (one returned
    True), "interrupted" (Ctrl-C), "diverged" (a loss that is not finite), "error" (an exception is
    on its way) or None while it goes on. ``monitor`` names what ``best`` goes by.
    """

    monitor: str = "train_loss"
    stopped: str | None = None
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The best epoch by ``monitor``: of equal accuracies the lower loss, then the earlier one.

        Raises ValueError for an empty history.
        """
        if not self.epochs:
            raise ValueError("an empty history has no best epoch; train for at least one step.")
        loss = self.monitor.replace("accuracy", "loss")
        return min(self.epochs, key=lambda epoch: (epoch.rank(self.monitor), epoch.rank(loss)))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; ``best`` is the number of the best epoch."""
        return {
            "stopped": self.stopped,
            "monitor": self.monitor,
            "best": self.best.epoch if self.epochs else None,
            "epochs": [epoch.as_dict() for epoch in self.epochs],
        }

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Epoch]: ...
    def __getitem__(self, index: int | slice) -> Epoch | list[Epoch]:
        return self.epochs[index]

    def __len__(self) -> int:
        return len(self.epochs)
