"""The training loop."""

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..optim.optimisers import Optimiser
from ..replay import Replay
from .callbacks import EarlyStopping, ProgressBar, Run, hooks
from .history import History, Progress, Tally
from .interrupt import Interrupt
from .metrics import accuracy
from .resume import Keeper

Arrays = tuple[np.ndarray, np.ndarray]
Loss = Callable[[Any, Any], Any]
EVALUATION_ROWS = 2048


def fit(
    model: Module,
    batches: Iterable[Arrays],
    optimiser: Optimiser,
    *,
    epochs: int,
    loss: Loss = cross_entropy,
    validation: Arrays | None = None,
    callbacks: Iterable[Any] = (),
    early_stopping: EarlyStopping | None = None,
    keep_best: bool = False,
    progress: bool = False,
    replay: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
) -> History:
    """Train, and return what each epoch gave and why the training ended.

    ``batches`` is iterated once per epoch and gives ``x (n, ...)`` and ``y``: integer labels
    ``(n,)``, or whatever targets ``loss(outputs, y)`` takes. ``validation`` is evaluated with the
    same loss after each epoch. A callback has any of the methods ``on_start(Run)``,
    ``on_step(Progress)``, ``on_epoch(Epoch)`` and ``on_end(History)``; True from the middle two
    ends the training. With ``keep_best`` the model ends with the weights of ``history.best``, which
    goes by what ``early_stopping`` monitors, else by the validation accuracy, or by the loss where
    there are no labels.

    Ctrl-C ends the training after the step that is running, and a second one at once. A loss that
    is not finite ends it too. Steps are replayed (see ``tg.replay``), which changes no bit of the
    result; with ``replay=False`` each one runs as Python, as a model needs that prints, counts, or
    looks at values.

    ``checkpoint`` is a file (``.npz`` or ``.safetensors``) in which the whole training is saved
    every ``checkpoint_every`` steps (None: after epochs, at most once a second) and at its end.
    With ``resume`` it goes on from there, if the file is there, bit for bit as if it had not been
    interrupted. ``docs/training.md`` says more.

    Raises DataError for an epoch without batches and for a checkpoint of another training,
    ValueError for settings that contradict each other, ReplayError for a model that cannot be
    replayed.
    """
    if epochs < 1:
        raise ValueError(f"epochs={epochs}: at least 1 is needed.")
    monitor = _monitor(validation, early_stopping, keep_best)
    run = Run(model, batches, optimiser, epochs, loss, validation, History(monitor))
    given = [*callbacks, ProgressBar()] if progress else callbacks
    loop = _Loop(run, hooks(given), early_stopping, keep_best, replay)
    if checkpoint is not None:
        loop.keeper = _keeper(run, Path(checkpoint), checkpoint_every, resume)
        if resume and loop.keeper.path.exists():
            loop.tally, loop.best = loop.keeper.resume(keep_best)
    elif resume or checkpoint_every is not None:
        raise ValueError("resume and checkpoint_every need a file; give checkpoint=PATH.")
    return loop.run()


def _keeper(run: Run, path: Path, every: int | None, resume: bool) -> Keeper:
    if path.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{path}: a checkpoint is an .npz or .safetensors file.")
    if path.exists() and not resume:
        raise DataError(
            f"{path}: is there already; give resume=True to go on with it, or remove it."
        )
    return Keeper(path, run, every)


def _monitor(
    validation: Arrays | None, early_stopping: EarlyStopping | None, keep_best: bool
) -> str:
    """What the best epoch goes by."""
    if validation is None and keep_best:
        raise ValueError("keep_best=True goes by validation; give validation=(x, y).")
    monitor = "train_loss"
    if early_stopping is not None:
        monitor = early_stopping.monitor
    elif validation is not None:
        monitor = "validation_accuracy" if _is_labels(validation[1]) else "validation_loss"
    if validation is None and monitor.startswith("validation"):
        raise ValueError(
            f"early stopping monitors {monitor}; give validation=(x, y), or monitor='train_loss'."
        )
    if monitor.startswith("validation") and not len(validation[1]):  # type: ignore[index]
        raise ValueError("there is nothing in the validation data; give at least one example.")
    return monitor


class _Loop:
    """The state of a training between two steps."""

    def __init__(
        self,
        run: Run,
        events: dict[str, list[Callable[[Any], Any]]],
        early_stopping: EarlyStopping | None,
        keep_best: bool,
        replay: bool,
    ) -> None:
        self.given = run
        self.history = run.history
        self.events = events
        self.early_stopping = early_stopping
        self.keep_best = keep_best
        self.best: dict[str, np.ndarray] | None = None
        self.tally: Tally | None = None  # of an epoch that was begun before
        self.keeper: Keeper | None = None
        step = _step(run.model, run.optimiser, run.loss)
        self.step: Callable[..., tuple[Tensor, ...]] = Replay(step) if replay else step
        self.replay = replay

    def run(self) -> History:
        """All epochs that are left, unless something ends them before."""
        self._tell("on_start", self.given)
        self.history.stopped = "error"
        try:
            with Interrupt() as self.interrupt:
                self.history.stopped = self._epochs()
        finally:
            self._tell("on_end", self.history)
        return self.history

    def _tell(self, event: str, what: Any) -> bool:
        """Call all callbacks; whether one of them wants an end."""
        answers = [callback(what) for callback in self.events[event]]
        return any(answers)

    def _epochs(self) -> str:
        """Train, and say why it ended."""
        reason = None
        for number in range(len(self.history) + 1, self.given.epochs + 1):
            if self.early_stopping is not None and self.early_stopping.is_over(self.history):
                reason = "early"
                break
            reason = self._epoch(number)
            if reason is not None:
                break
        if self.keeper is not None and reason != "diverged":
            self.keeper.finish(self.best)
        if self.best is not None:
            self.given.model.load_state_dict(self.best)
        return reason or "finished"

    def _epoch(self, number: int) -> str | None:
        """One pass over the data and what follows it; the reason to stop, if there is one."""
        run = self.given
        run.model.train()
        tally, self.tally = self.tally or Tally(run.optimiser.rate()), None
        reason = self._steps(number, tally)
        finished = reason is None or len(tally.losses) == run.steps_per_epoch()
        if self.keeper is not None and not finished and reason != "diverged":
            self.keeper.save(tally, self.best)
        done = tally.epoch(number, finished)
        if run.validation is not None:
            found = evaluate(run.model, *run.validation, run.loss)
            done.validation_loss, done.validation_accuracy = found
        self.history.epochs.append(done)
        if self.keep_best and self.history.best is done:
            self.best = run.model.state_dict()
        wants_end = self._tell("on_epoch", done)
        if self.keeper is not None and finished and reason != "diverged":
            self.keeper.epoch(self.best)
        if reason is None and self.interrupt.asked:
            return "interrupted"
        return reason or ("callback" if wants_end else None)

    def _steps(self, number: int, tally: Tally) -> str | None:
        """The steps of an epoch; the reason to break it off, if there is one."""
        step, is_replayed, told = self.step, self.replay, self.events["on_step"]
        keeper, reason = self.keeper, None
        start = time.perf_counter()
        done = len(tally.losses)
        batches = iter(self.given.batches) if keeper is None else keeper.batches(done)
        for x, y in batches:
            given = x if is_replayed or isinstance(x, Tensor) else Tensor(x)
            value, *hits = step(given, y)
            loss, right = value.item(), hits[0].item() if hits else math.nan
            tally.losses.append(loss)
            tally.accuracies.append(right / len(y) if len(y) else math.nan)
            tally.seen += len(y)
            tally.right += right
            tally.total += loss * len(y)
            if told:
                share = tally.right / tally.seen
                now = Progress(number, len(tally.losses), len(y), loss, share)
                if self._tell("on_step", now):
                    reason = "callback"
            if self.interrupt.asked:
                reason = "interrupted"
            if not math.isfinite(loss):
                reason = "diverged"
            elif keeper is not None and keeper.is_due():
                tally.seconds += time.perf_counter() - start
                keeper.save(tally, self.best)
                start = time.perf_counter()
            if reason is not None:
                if len(tally.losses) == self.given.steps_per_epoch():
                    next(batches, None)  # so that the epoch is over for the batches too
                break
        tally.seconds += time.perf_counter() - start
        if not tally.seen:
            raise DataError(
                f"fit: the batches of epoch {number} are empty; give something that can be "
                "iterated over once per epoch, such as tg.data.batches(...), not a generator."
            )
        return reason


def _step(model: Module, optimiser: Optimiser, loss: Loss) -> Callable[..., tuple[Tensor, ...]]:
    """A training step: the loss, and for labels how many were right, before the update."""

    def step(x: Any, y: Any) -> tuple[Tensor, ...]:
        optimiser.zero_grad()
        outputs = model(x)
        value = loss(outputs, y)
        value.backward()
        optimiser.step()
        if not _is_labels(y) or outputs.ndim != 2:
            return (value,)
        return value, np.sum(np.equal(np.argmax(outputs, axis=1), y))

    return step


def _is_labels(y: Any) -> bool:
    """Whether targets are classes (n,), so that there is an accuracy."""
    y = y if isinstance(y, Tensor) else np.asarray(y)
    return bool(y.ndim == 1 and y.dtype.kind in "iu")


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


def evaluate(
    model: Module, x: np.ndarray, y: np.ndarray, loss: Loss = cross_entropy
) -> tuple[float, float]:
    """(mean loss, accuracy) of a model on ``x (n, ...)`` and labels ``y (n,)`` or other targets.

    The accuracy is NaN where ``y`` holds no integer labels. Raises what ``loss`` raises, and
    ShapeError for no examples.
    """
    return score(predict(model, x), y, loss)


def score(outputs: np.ndarray, y: np.ndarray, loss: Loss = cross_entropy) -> tuple[float, float]:
    """(mean loss, accuracy) of logits (n, classes) for labels ``y (n,)``, as ``evaluate``."""
    right = math.nan
    if _is_labels(y) and outputs.ndim == 2:
        right = accuracy(np.argmax(outputs, axis=1), y)
    with no_grad():
        value = loss(Tensor(outputs.astype(np.float64)), y)
    return float(value.item()), right
