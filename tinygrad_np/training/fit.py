"""The training loop."""

import math
import os
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..arguments import flag, path, refusal, shown
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError, ReplayError, ShapeError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..optim.optimisers import Optimiser
from ..replay import Replay
from .callbacks import EarlyStopping, ProgressBar, Run, hooks
from .checks import (
    EVALUATION_ROWS,
    Arrays,
    as_tensors,
    check_loss,
    check_model,
    check_settings,
    check_validation,
    examples,
    given_batch,
)
from .decision import GREATEST, Decision, decision, has_classes
from .guard import Before, Diverged, Guard
from .history import MONITORS, History, Progress, Tally
from .interrupt import Interrupt
from .metrics import Metrics, accuracy, measured, named
from .origin import origin_of
from .resume import Keeper

Loss = Callable[[Any, Any], Any]
OwnMetrics = Metrics | Iterable[Callable[[Any, Any], Any]]


def fit(
    model: Module,
    batches: Iterable[Arrays],
    optimiser: Optimiser,
    *,
    epochs: int,
    loss: Loss = cross_entropy,
    validation: Arrays | None = None,
    metrics: OwnMetrics | None = None,
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
    ``(n,)``, or whatever targets ``loss(outputs, y)`` takes; the loss gets both as Tensors.
    ``validation`` is evaluated with the same loss after each epoch. There is an accuracy where
    outputs mean classes (``docs/training.md``), else it is NaN. ``metrics`` are functions of
    ``(outputs, targets)``, arrays, that give a number: a dict of them by name, or a list. A
    callback has any of the methods ``on_start(Run)``, ``on_step(Progress)``, ``on_epoch(Epoch)``
    and ``on_end(History)``; True from the middle two ends the training. With ``keep_best`` the
    model ends with the weights of ``history.best``, which goes by what ``early_stopping`` monitors,
    else by the validation accuracy, or by the loss where there is no accuracy.

    Ctrl-C ends the training after the step that is running, and a second one at once. A loss or a
    gradient that is not finite ends it before the update, with a RuntimeWarning that says in which
    batch and where it began (``history.cause`` has it too). Steps are replayed (see ``tg.replay``),
    which changes no bit of the result; with ``replay=False`` each one runs as Python, as a model
    needs that prints, counts, or looks at values.

    ``checkpoint`` is a file (``.npz`` or ``.safetensors``) in which the whole training is saved
    every ``checkpoint_every`` steps (None: after epochs, at most once a second) and at its end.
    With ``resume`` it goes on from there, if the file is there, bit for bit as if it had not been
    interrupted. ``docs/training.md`` says more.

    Raises DataError for an epoch without batches, for validation data that do not fit and for a
    checkpoint of another training, TypeError for arguments of another kind and for words and
    objects among the data, ValueError for settings that contradict each other and an optimiser of
    another model, ReplayError for a model that cannot be replayed.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 2)).astype(np.float32)
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> model = tg.nn.Linear(2, 2, seed=0)
    >>> batches = tg.data.batches(x, y, batch_size=20, seed=0)
    >>> optimiser = tg.optim.Adam(model.parameters(), lr=0.1)
    >>> history = tg.training.fit(model, batches, optimiser, epochs=5)
    >>> history[-1].train_accuracy > 0.9
    True
    """
    check_settings(model, batches, optimiser, epochs, loss)
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        needed = "one such as tg.training.EarlyStopping(patience=3)"
        raise refusal("fit", "early_stopping", early_stopping, needed)
    keep_best, progress = flag("fit", "keep_best", keep_best), flag("fit", "progress", progress)
    replay, resume = flag("fit", "replay", replay), flag("fit", "resume", resume)
    own = named(metrics)
    events = hooks(callbacks)
    decided = None if validation is None else check_validation(model, validation, loss)
    monitor = _monitor(validation, early_stopping, keep_best, own, decided)
    history = History(monitor, mode=early_stopping.mode if early_stopping else None)
    run = Run(model, batches, optimiser, epochs, loss, validation, history, metrics=own)
    if progress:
        events = hooks([*callbacks, ProgressBar()])
    loop = _Loop(run, events, early_stopping, keep_best, replay)
    if checkpoint is not None:
        place = path("fit", "checkpoint", checkpoint)
        loop.keeper = _keeper(run, place, checkpoint_every, resume)
        if resume and loop.keeper.path.exists():
            loop.tally, loop.best = loop.keeper.resume(keep_best)
    elif resume or checkpoint_every is not None:
        raise ValueError("resume and checkpoint_every need a file; give checkpoint=PATH.")
    loop.run()
    if history.cause:
        warnings.warn(history.cause, RuntimeWarning, stacklevel=2)
    return history


def _keeper(run: Run, path: Path, every: int | None, resume: bool) -> Keeper:
    if path.suffix not in (".npz", ".safetensors"):
        raise DataError(f"{path}: a checkpoint is an .npz or .safetensors file.")
    if path.exists() and not resume:
        raise DataError(
            f"{path}: is there already; give resume=True to go on with it, or remove it."
        )
    return Keeper(path, run, every)


def _monitor(
    validation: Arrays | None,
    early_stopping: EarlyStopping | None,
    keep_best: bool,
    metrics: Metrics,
    decided: Decision | None,
) -> str:
    """What the best epoch goes by."""
    if validation is None and keep_best:
        raise ValueError("keep_best=True goes by validation; give validation=(x, y).")
    monitor = "train_loss"
    if early_stopping is not None:
        monitor = early_stopping.monitor
        own = [f"{part}_{name}" for name in metrics for part in ("train", "validation")]
        if monitor not in (*MONITORS, *own):
            raise ValueError(
                f"early stopping monitors {monitor}, and there is {', '.join((*MONITORS, *own))}; "
                "give one of these, or metrics= with that name."
            )
    elif validation is not None:
        monitor = "validation_loss" if decided is None else "validation_accuracy"
    if monitor == "validation_accuracy" and validation is not None and decided is None:
        raise ValueError(
            "early stopping monitors validation_accuracy, and there is none, as these outputs and "
            "targets mean no classes; give monitor='validation_loss', or metrics= of your own."
        )
    if validation is None and monitor.startswith("validation"):
        raise ValueError(
            f"early stopping monitors {monitor}; give validation=(x, y), or monitor='train_loss'."
        )
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
        self.guard = Guard(run.model, run.optimiser)
        step = _step(run, self.guard)
        self.step: Callable[..., tuple[Any, ...]] = Replay(step) if replay else step
        self.replay = replay
        self.judge = _Judge(run.loss)
        self.now: Tally | None = None  # of the epoch that is on its way
        self.place: Any = None  # of the batches, behind the last step that is in the tally
        self.is_settled = True  # whether all state is that behind this step

    def run(self) -> None:
        """All epochs that are left, unless something ends them before."""
        try:
            self._tell("on_start", self.given)
            self.history.stopped = "error"
            with Interrupt() as self.interrupt:
                self.history.stopped = self._epochs()
        except BaseException as error:
            self._rescue(error)
            raise
        finally:
            if self.best is not None:
                self.given.model.load_state_dict(self.best)
            if self.history.stopped is not None:
                self._tell("on_end", self.history)

    def _rescue(self, error: BaseException) -> None:
        """Save what was reached before an exception ended the training."""
        if self.keeper is None or not self.is_settled:
            return
        try:
            if self.now is None:
                self.keeper.finish(self.best)
            elif self.now.losses:
                self.keeper.save(self.now, self.best, self.place)
            else:
                self.keeper.finish(self.best, self.place)
        except Exception as second:
            error.add_note(f"The checkpoint could not be saved either: {second}")

    def _tell(self, event: str, what: Any) -> bool:
        """Call all callbacks; whether one of them wants an end."""
        answers = [callback(what) for callback in self.events[event]]
        return any(answers)

    def _epochs(self) -> str:
        """Train, and say why it ended."""
        reason = None
        for number in range(len(self.history) + 1, self.given.epochs + 1):
            if self.early_stopping is not None and self.early_stopping.is_over(self.history):
                self.history.cause = self.early_stopping.blind(self.history)
                reason = "early"
                break
            reason = self._epoch(number)
            if reason is not None:
                break
        if self.keeper is not None and reason != "diverged":
            self.keeper.finish(self.best)
        return reason or "finished"

    def _epoch(self, number: int) -> str | None:
        """One pass over the data and what follows it; the reason to stop, if there is one."""
        run = self.given
        run.model.train()
        tally, self.tally = self.tally or Tally(_rate(run.optimiser)), None
        self.now = tally
        recheck = getattr(self.step, "recheck", None)
        if recheck is not None and number > 1 and run.steps_per_epoch() != 1:
            recheck()
        reason = self._steps(number, tally)
        finished = reason is None or len(tally.losses) == run.steps_per_epoch()
        if self.keeper is not None and not finished and reason != "diverged":
            self.keeper.save(tally, self.best)
        done = tally.epoch(number, finished)
        if run.validation is not None:
            found = evaluate(run.model, *run.validation, run.loss, run.metrics)
            done.validation_loss, done.validation_accuracy, done.validation_metrics = found
        self.history.epochs.append(done)
        self.now = None
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
        keeper, metrics = self.keeper, self.given.metrics
        before = Before(self.given.model)
        start = time.perf_counter()
        if keeper is not None:
            self.place = keeper.place()
        done = len(tally.losses)
        batches = iter(self.given.batches) if keeper is None else keeper.batches(done)
        reason = None
        for batch in batches:
            x, y = given_batch(batch, self.given.model)
            before.note()
            try:
                loss, right, own = self._step(x, y, before, number, len(tally.losses) + 1)
            except Diverged as error:
                loss, right, own, reason = error.loss, math.nan, {}, "diverged"
            rows = len(y)
            tally.add(loss, right, rows)
            if rows:
                tally.add_metrics(own, rows)
            if keeper is not None:
                self.place = keeper.place()
            self.is_settled = True
            if self.events["on_step"]:
                accuracy = tally.right / tally.seen
                own = tally.means() if metrics else {}
                now = Progress(number, len(tally.losses), rows, loss, accuracy, own)
                if self._tell("on_step", now):
                    reason = reason or "callback"
            if self.interrupt.asked:
                reason = reason or "interrupted"
            if keeper is not None and reason != "diverged" and keeper.is_due():
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

    def _step(
        self, x: Any, y: Any, before: Before, number: int, step: int
    ) -> tuple[float, float, dict[str, float]]:
        """One step: the loss, how many were right, and the own metrics, before the update."""
        given = (x, y) if self.replay else (as_tensors(x), as_tensors(y))
        self.is_settled = False
        try:
            value, *rest = self.step(*given)
        except Diverged as error:
            before.restore()
            self.history.cause = self._cause(error.loss, given, before, number, step)
            raise
        except Exception as error:
            if not self.guard.is_updating:
                before.restore()
                self.is_settled = True
            raise _with_remedy(error, y, number, step) from error
        if not rest:
            return value.item(), math.nan, {}
        [found] = rest
        if isinstance(found, Tensor) and not found.ndim:
            return value.item(), found.item(), {}
        right = self.judge.right(found, y)
        return value.item(), right, measured(self.given.metrics, found, y) if len(y) else {}

    def _cause(self, loss: float, given: Any, before: Before, number: int, step: int) -> str:
        """Why the training stops before an update, in words."""
        x, y = map(as_tensors, given)
        parts = {"x": x, "y": y}
        names = {f"{n} of the batch": t.numpy() for n, t in parts.items() if isinstance(t, Tensor)}
        run, params = lambda: self.given.loss(self.given.model(x), y), self.guard.params
        origin = origin_of(run, params, names)
        before.restore()
        what = "a gradient is not finite" if math.isfinite(loss) else f"the loss is {loss}"
        began = "" if origin is None else f" It began where {origin}."
        if isinstance(y, Tensor) and not y.size:
            began = f" Batch {step} is empty, with y of shape {y.shape}; leave it out."
        return (
            f"fit: {what} in batch {step} of epoch {number}; its update was not made, and the "
            f"training ends with the weights of before.{began}"
        )


class _Judge:
    """How many outputs of a training are right; what they mean is found out once."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.decision: Decision | None = None
        self.is_known = False

    def right(self, outputs: Any, y: Any) -> float:
        """How many, NaN where outputs mean no classes."""
        if not isinstance(outputs, Tensor) or isinstance(y, (list, tuple, dict)):
            return math.nan
        if not self.is_known:
            self.decision, self.is_known = decision(outputs, y, self.loss), True
        return math.nan if self.decision is None else float(self.decision.right(outputs, y).item())


def _step(run: Run, guard: Guard) -> Callable[..., tuple[Any, ...]]:
    """A training step: the loss, and before the update how many were right or the outputs."""
    model, loss, wanted = run.model, run.loss, bool(run.metrics)

    def step(x: Any, y: Any) -> tuple[Any, ...]:
        guard.zero_grad()
        outputs = model(x)
        if outputs is None:
            raise TypeError(
                f"fit: the model, of class {type(model).__name__}, returned None; is a `return` "
                "missing in its forward?"
            )
        value = loss(outputs, y)
        if value is None:
            raise TypeError("fit: the loss function returned None; is a `return` missing?")
        if not isinstance(value, Tensor):
            raise TypeError(
                f"the loss is {shown(value)}, computed from none of the model's "
                "parameters; look for .detach(), .numpy() and no_grad() on the way to it."
            )
        if value.size != 1:
            raise ShapeError(
                f"fit(loss={shown(loss)}): it gives shape {value.shape}, expected one number; take "
                "the mean over it, np.mean(…)."
            )
        value.backward()
        guard.step(value)
        if wanted:
            return value, outputs
        if not isinstance(outputs, Tensor) or not isinstance(y, Tensor):
            return (value,)
        if has_classes(outputs, y):
            return value, GREATEST.right(outputs, y)
        return (value, outputs) if outputs.shape in (y.shape[:1], (*y.shape[:1], 1)) else (value,)

    return step


def _rate(optimiser: Any) -> float:
    """The learning rate of the next step, as far as an optimiser of the user's own tells one."""
    if callable(getattr(optimiser, "rate", None)):
        return float(optimiser.rate())
    lr = getattr(optimiser, "lr", math.nan)
    return float(lr) if isinstance(lr, (int, float)) else math.nan


def _with_remedy(error: Exception, y: Any, number: int, step: int) -> Exception:
    """The error of a step, with what only the training knows of it."""
    if isinstance(error, ReplayError) and "replay=False" not in str(error):
        return ReplayError(
            f"{error} Or train with fit(..., replay=False), which runs each step as Python: for a "
            "step that looks at values, counts, prints, or draws numbers by itself."
        )
    if isinstance(error, ShapeError) and len(y) == 1 and "batch_norm" in str(error):
        return ShapeError(
            f"{error} Batch {step} of epoch {number} has one example: as a last batch it is what "
            "the others leave; take a batch size that does not leave one."
        )
    return error


def predict(model: Module, x: np.ndarray) -> np.ndarray:
    """The model's outputs in evaluation mode, unrecorded: (n, ...) to (n, classes).

    Every module is afterwards in the mode it was in.

    >>> tg.training.predict(tg.nn.Linear(4, 2, seed=0), np.ones((5, 4), np.float32)).shape
    (5, 2)
    """
    check_model("predict", model)
    x = examples("x", x, model)
    before = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            parts = [
                _output(model(Tensor(x[start : start + EVALUATION_ROWS])))
                for start in range(0, max(len(x), 1), EVALUATION_ROWS)
            ]
    finally:
        for module, training in before:
            module.training = training
    return np.concatenate(parts)


def _output(given: Any) -> np.ndarray:
    if not isinstance(given, Tensor):
        raise TypeError(
            f"predict: the model gives {shown(given)}; one Tensor (n, ...) is needed: give a "
            "module whose forward returns the output to look at."
        )
    array: np.ndarray = given.numpy()
    return array


@overload
def evaluate(
    model: Module, x: np.ndarray, y: np.ndarray, loss: Loss = ..., metrics: None = None
) -> tuple[float, float]: ...
@overload
def evaluate(
    model: Module, x: np.ndarray, y: np.ndarray, loss: Loss, metrics: OwnMetrics
) -> tuple[float, float, dict[str, float]]: ...
@overload
def evaluate(
    model: Module, x: np.ndarray, y: np.ndarray, loss: Loss = ..., *, metrics: OwnMetrics
) -> tuple[float, float, dict[str, float]]: ...
def evaluate(
    model: Module,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss = cross_entropy,
    metrics: OwnMetrics | None = None,
) -> tuple[float, float] | tuple[float, float, dict[str, float]]:
    """(mean loss, accuracy) of a model on ``x (n, ...)`` and labels ``y (n,)`` or other targets.

    The accuracy is NaN where outputs mean no classes. With ``metrics``, as ``fit`` takes them, the
    third result has what they say, by name. Raises what ``loss`` raises, and ShapeError for no
    examples.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> x, y = np.ones((8, 4), np.float32), np.zeros(8, int)
    >>> loss, accuracy = tg.training.evaluate(model, x, y)
    >>> accuracy in (0.0, 1.0)
    True
    """
    check_model("evaluate", model)
    check_loss("evaluate", loss)
    own, y = named(metrics), examples("y", y, model)
    outputs = predict(model, x)
    found = score(outputs, y, loss)
    return found if metrics is None else (*found, measured(own, outputs, y))


def score(outputs: np.ndarray, y: np.ndarray, loss: Loss = cross_entropy) -> tuple[float, float]:
    """(mean loss, accuracy) of outputs (n, ...) for labels ``y (n,)``, as ``evaluate``."""
    outputs = outputs.astype(np.float64)
    targets = np.ravel(y) if y.shape == (*outputs.shape[:1], 1) else y
    decided = decision(outputs, y, loss)
    right = math.nan if decided is None else accuracy(decided.classes(outputs), targets)
    with no_grad():
        value = loss(Tensor(outputs), as_tensors(y))
    if not isinstance(value, (Tensor, np.ndarray, np.generic, float, int)) or np.ndim(value):
        raise TypeError(
            f"the loss, {shown(loss)}, gave {shown(value)} for outputs of shape {outputs.shape} "
            f"and targets of shape {y.shape}; it is to give one number."
        )
    return float(np.asarray(value)), right
