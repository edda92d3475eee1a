"""The record of a training: of each step, each epoch, and the whole."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, overload

from ..habits import NAMES
from ..markup import Html, chart, facts, folded, joined, table

MONITORS = ("validation_loss", "validation_accuracy", "train_loss", "train_accuracy")


@dataclass
class Progress:
    """Where the loop is after a step; ``accuracy`` and ``metrics`` are the epoch's so far.

    >>> tg.training.Progress(epoch=1, step=10, images=640, loss=0.5, accuracy=0.8).step
    10
    """

    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Epoch:
    """What one pass over the training data gave.

    ``train_loss``, ``train_accuracy`` and ``metrics`` are means over the batches as they came,
    ``validation_metrics`` are taken over all the validation data at once; ``seconds`` is the
    training time without evaluation. ``step_losses`` and ``step_accuracies`` have the loss and the
    accuracy of each step's batch, before its update. Accuracies are NaN where outputs mean no
    classes; ``finished`` is False where the pass was broken off.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> batches = tg.data.batches(np.ones((8, 4), np.float32), np.zeros(8, int), 4, seed=0)
    >>> history = tg.training.fit(model, batches, tg.optim.SGD(model.parameters(), 0.1), epochs=2)
    >>> history[-1].epoch, len(history[-1].step_losses)
    (2, 2)
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
    metrics: dict[str, float] = field(default_factory=dict)
    validation_metrics: dict[str, float] = field(default_factory=dict)

    if not TYPE_CHECKING:  # checkers know the fields

        def __getattr__(self, name: str) -> Any:
            every = [each.name for each in fields(self)]
            near = [each for each in every if name and name in each] or every
            raise AttributeError(f"an Epoch has no {name!r}; it has {', '.join(near)}")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def value(self, monitor: str) -> float | None:
        """What ``monitor`` names: a field, or "train_" or "validation_" and a metric's name."""
        if monitor in MONITORS:
            found: float | None = getattr(self, monitor)
            return found
        part, _, name = monitor.partition("_")
        return (self.metrics if part == "train" else self.validation_metrics).get(name)

    def rank(self, monitor: str, mode: str | None = None) -> float:
        """The value named by ``monitor`` so that lower is better; NaN and None are the worst.

        ``mode`` "max" or "min" says which values are good; None: losses are to fall, accuracies to
        rise.
        """
        value = self.value(monitor)
        if value is None or math.isnan(value):
            return math.inf
        rises = monitor.endswith("accuracy") if mode is None else mode == "max"
        return -value if rises else float(value)


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
    metrics: dict[str, float] = field(default_factory=dict)

    def add(self, loss: float, right: float, rows: int, metrics: dict[str, float]) -> None:
        """Note a step on so many examples, of which so many were right."""
        self.losses.append(loss)
        self.accuracies.append(right / rows if rows else math.nan)
        self.seen += rows
        self.right += right
        self.total += loss * rows
        for name, value in metrics.items() if rows else ():
            self.metrics[name] = self.metrics.get(name, 0.0) + value * rows

    def means(self) -> dict[str, float]:
        return {name: total / self.seen for name, total in self.metrics.items()}

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
            metrics=self.means(),
        )


@dataclass
class History(Sequence[Epoch]):
    """The epochs of a training, in order, and why it ended.

    ``stopped`` is "finished" (all epochs), "early" (``early_stopping``), "callback" (one returned
    True), "interrupted" (Ctrl-C), "diverged" (a loss, gradient or weight that is not finite;
    ``cause`` says where that began), "error" (an exception is on its way) or None while it goes on.
    ``monitor`` names what ``best`` goes by, and ``mode`` which values are good, as for
    ``EarlyStopping``.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> batches = tg.data.batches(np.ones((8, 4), np.float32), np.zeros(8, int), 4, seed=0)
    >>> history = tg.training.fit(model, batches, tg.optim.SGD(model.parameters(), 0.1), epochs=2)
    >>> len(history), history.stopped
    (2, 'finished')
    """

    monitor: str = "train_loss"
    stopped: str | None = None
    epochs: list[Epoch] = field(default_factory=list)
    mode: str | None = None
    cause: str = ""

    if not TYPE_CHECKING:  # checkers know the fields

        def __getattr__(self, name: str) -> Any:
            way = NAMES["History"].get(name)
            if way is None:
                return self.__getattribute__(name)
            raise AttributeError(f"a History has no attribute {name!r}; {way}")

    @property
    def best(self) -> Epoch:
        """The best epoch by ``monitor``: of equal accuracies the lower loss, then the earlier one.

        Raises ValueError for an empty history.
        """
        if not self.epochs:
            raise ValueError("an empty history has no best epoch; train for at least one step.")
        loss = f"{self.monitor.partition('_')[0]}_loss"
        return min(self.epochs, key=lambda e: (e.rank(self.monitor, self.mode), e.rank(loss)))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; ``best`` is the number of the best epoch."""
        return {
            "stopped": self.stopped,
            "cause": self.cause,
            "monitor": self.monitor,
            "best": self.best.epoch if self.epochs else None,
            "epochs": [epoch.as_dict() for epoch in self.epochs],
        }

    def _repr_html_(self) -> str:
        return _as_html(self)

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Epoch]: ...
    def __getitem__(self, index: int | slice) -> Epoch | list[Epoch]:
        if isinstance(index, str):
            raise TypeError(
                f"history[{index!r}]: epochs are counted; take history[-1].train_loss for the last "
                "one, [epoch.train_loss for epoch in history] for all."
            )
        return self.epochs[index]

    def __len__(self) -> int:
        return len(self.epochs)


def _as_html(history: History) -> Html:
    """Curves of what was measured, and a table of the epochs."""
    epochs = history.epochs
    told = [
        "1 epoch" if len(epochs) == 1 else f"{len(epochs)} epochs",
        history.stopped or "going on",
    ]
    told += [history.cause] if history.cause else []
    if not epochs:
        return facts("History", told)
    best, value = history.best, history.best.value(history.monitor)
    shown = "" if value is None else f" ({value:.4g})"
    parts: list[str] = [
        facts("History", [*told, f"best {history.monitor}{shown}: epoch {best.epoch}"])
    ]
    names = [*dict.fromkeys(name for epoch in epochs for name in epoch.metrics)]
    columns = []
    for kind in ("loss", "accuracy", *names):
        lines = {}
        for part, late in (("train", 0.5), ("validation", 0.0)):
            found = [epoch.value(f"{part}_{kind}") for epoch in epochs]
            values = [math.nan if value is None else float(value) for value in found]
            if not all(map(math.isnan, values)):
                lines[part] = ([epoch.epoch - late for epoch in epochs], values)
                columns.append((f"{part} {kind}", values))
        if lines:
            parts.append(chart(lines, kind, "epoch"))
    rows = [
        (epoch.epoch, *(f"{values[i]:.4g}" for _, values in columns), f"{epoch.seconds:.2f}")
        for i, epoch in enumerate(epochs)
    ]
    head = ("epoch", *(name for name, _ in columns), "seconds")
    return joined([*parts, folded("epochs", table(rows, head))])
