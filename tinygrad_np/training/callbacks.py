"""Callbacks, the progress bar, early stopping."""

import math
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..arguments import called, real, refusal, shown, whole
from ..nn.module import Module
from ..optim.several import Several
from ..parallel import Group
from .history import MONITORS, Epoch, History, Progress
from .metrics import Metrics

EVENTS = ("on_start", "on_step", "on_epoch", "on_end")


@dataclass(repr=False)
class Run:
    """A training that is on its way: what ``fit`` was given, and the history so far.

    ``done`` is the number of steps that a training which is resumed had behind it, ``accumulate``
    how many batches make a step; several optimisers are in ``optimiser.parts``.

    >>> class Shape:
    ...     def on_start(self, run):
    ...         print(run.model)
    ...
    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> batches = tg.data.batches(np.ones((8, 4), np.float32), np.zeros(8, int), 4, seed=0)
    >>> optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> history = tg.training.fit(model, batches, optimiser, epochs=1, callbacks=[Shape()])
    Linear(4, 2)
    """

    model: Module
    batches: Iterable[tuple[Any, Any]]
    optimiser: Any
    epochs: int
    loss: Callable[[Any, Any], Any]
    validation: tuple[Any, Any] | None
    history: History
    done: int = 0
    metrics: Metrics = field(default_factory=dict)
    accumulate: int = 1
    group: Group | None = None
    early_stopping: "EarlyStopping | None" = None
    keep_best: bool = False
    replay: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the losses, where there are several, each with an optimiser of its own."""
        return self.optimiser.names if isinstance(self.optimiser, Several) else ()

    def reported(self) -> list[str]:
        """What ``Epoch.metrics`` has: the losses by name, and the own metrics."""
        return [*self.names, *self.metrics]

    def __repr__(self) -> str:
        told = f"{type(self.model).__name__}, {type(self.optimiser).__name__}, {called(self.loss)}"
        return f"Run({told}, {len(self.history)} of {self.epochs} epochs)"

    def steps_per_epoch(self) -> int | None:
        """How many updates there are, if the batches say how many they are."""
        return -(-len(self.batches) // self.accumulate) if isinstance(self.batches, Sized) else None


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after ``patience`` epochs in a row that were not better than the best before them.

    ``monitor`` names a field of ``Epoch``: a loss is to fall, an accuracy to rise, by more than
    ``min_delta``. It may also be "train_" or "validation_" and the name of one of ``fit``'s
    ``metrics``; ``mode`` then says whether that is to rise ("max") or to fall ("min"). Raises
    ValueError for settings out of range.

    >>> tg.training.EarlyStopping(patience=3, monitor="validation_accuracy").patience
    3
    """

    patience: int
    monitor: str = "validation_loss"
    min_delta: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        whole("EarlyStopping", "patience", self.patience)
        real("EarlyStopping", "min_delta", self.min_delta)
        if not isinstance(self.monitor, str):
            raise refusal("EarlyStopping", "monitor", self.monitor, f"one of {', '.join(MONITORS)}")
        own = self.monitor not in MONITORS
        if own and not self.monitor.startswith(("train_", "validation_")):
            raise ValueError(
                f"monitor={self.monitor!r}: one of {', '.join(MONITORS)} is needed, or train_NAME "
                "or validation_NAME for a metric of your own."
            )
        if self.mode is not None or own:
            needed = f"'max' if {self.monitor} is to rise, or 'min' if to fall,"
            if not isinstance(self.mode, str) or self.mode not in ("max", "min"):
                raise refusal("EarlyStopping", "mode", self.mode, needed, ValueError)

    def is_over(self, epochs: Sequence[Epoch]) -> bool:
        """Whether training is to stop after these epochs: they alone decide."""
        best, since = math.inf, 0
        for epoch in epochs:
            value = epoch.rank(self.monitor, self.mode)
            if value < best - self.min_delta:
                best, since = value, 0
            else:
                since += 1
        return since >= self.patience

    def blind(self, epochs: Sequence[Epoch]) -> str:
        """What to say where there was nothing to go by in any epoch; else nothing."""
        if any(epoch.rank(self.monitor, self.mode) < math.inf for epoch in epochs):
            return ""
        return (
            f"fit: early stopping ended the training after {len(epochs)} epochs, in all of which "
            f"{self.monitor} was NaN, or infinite, so that none was better; monitor a value that "
            "there is, such as 'train_loss'."
        )


class ProgressBar:
    """A bar of tqdm over all steps, with the loss and accuracy of the epoch so far.

    Raises ImportError where tqdm is not installed.
    """

    def __init__(self, title: str = "") -> None:
        try:
            from tqdm import tqdm
        except ImportError:
            raise ImportError("a progress bar needs tqdm: pip install tqdm.") from None
        self._make = partial(tqdm, desc=title or None, unit=" steps")
        self._bar: Any = None

    def __repr__(self) -> str:
        return "ProgressBar()"

    def on_start(self, run: Run) -> None:
        steps = run.steps_per_epoch()
        total = None if steps is None else steps * run.epochs
        self._bar = self._make(total=total, initial=run.done)

    def on_step(self, now: Progress) -> None:
        shares = "" if math.isnan(now.accuracy) else f", accuracy {100 * now.accuracy:.1f} %"
        own = "".join(f", {name} {value:.3g}" for name, value in now.metrics.items())
        text = f"epoch {now.epoch}, loss {now.loss:.3f}{shares}{own}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def on_end(self, history: History) -> None:
        if history.stopped != "finished":
            self._bar.set_postfix_str(f"stopped: {history.stopped}")
        self._bar.close()


def hooks(callbacks: Iterable[Any]) -> dict[str, list[Callable[[Any], Any]]]:
    """The methods of the callbacks by event. Raises TypeError for a callback without any."""
    found: dict[str, list[Callable[[Any], Any]]] = {event: [] for event in EVENTS}
    if isinstance(callbacks, (str, type, np.ndarray)) or not isinstance(callbacks, Iterable):
        raise refusal("fit", "callbacks", callbacks, "a list of objects, callbacks=[callback],")
    for callback in callbacks:
        known = [event for event in EVENTS if callable(getattr(callback, event, None))]
        if not known or isinstance(callback, type):
            made = "write its name with brackets" if known else "give it one"
            if isinstance(callback, EarlyStopping):
                made = "give it as early_stopping="
            raise TypeError(
                f"callbacks: {shown(callback)} has none of the methods {', '.join(EVENTS)} that "
                f"can be called; {made}."
            )
        for event in known:
            found[event].append(getattr(callback, event))
    return found
