"""The loop of a training: epochs, steps, and why they end."""

import functools
import math
import operator
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from ..data.samples import arrays
from ..errors import DataError
from ..recording import Finding, autopsy, trace
from ..replay import Replay
from .callbacks import Run
from .checks import BATCHES, warn_of_pixels
from .decision import Decision
from .guard import Before, Diverged, Guard, Stopped
from .history import Progress, Tally
from .inputs import as_tensors, given_batch
from .interrupt import Interrupt
from .mean import MeanCheck
from .metrics import measured
from .processes import copies, joined_rows, share, validated, weights, whole_state
from .reached import warn_of_unknown
from .resume import Keeper
from .scoring import Judge, predict
from .step import forward_pass, is_count, made_at, rate_of, training_step, with_remedy

# A capture and its check take as long as 30 to 160 eager steps less as many replays: so often
# shapes other than the first come before they are captured. Sequences of all lengths are not.
PATIENCE = 32


class Loop:
    """The state of a training between two steps."""

    def __init__(
        self, run: Run, events: dict[str, list[Callable[[Any], Any]]], decided: Decision | None
    ) -> None:
        self.given = run
        self.history = run.history
        self.events = events
        self.best: dict[str, np.ndarray] | None = None
        self.tally: Tally | None = None  # of an epoch that was begun before
        self.keeper: Keeper | None = None
        self.guard = Guard(run.model, run.optimiser, run.group)
        step = training_step(run, self.guard)
        self.step = Replay(step, patience=PATIENCE) if run.replay else step
        self.judge = Judge(run.loss, decided)
        self.validation_judge = Judge(run.loss, decided, run.group is not None)
        self.mean_check = MeanCheck(run.loss, functools.partial(predict, run.model))
        self.now: Tally | None = None  # of the epoch that is on its way
        self.place: Any = None  # of the batches, behind the last step that is in the tally
        self.strangers: list[str] = []  # parameters that no optimiser has, said once
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
        if self.keeper is None or not self.is_settled or not self.guard.is_sound():
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
        reason, stopping = None, self.given.early_stopping
        for number in range(len(self.history) + 1, self.given.epochs + 1):
            if stopping is not None and stopping.is_over(self.history):
                self.history.cause = stopping.blind(self.history)
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
        self._warn_of_strangers()
        tally, self.tally = self.tally or Tally(rate_of(run.optimiser)), None
        self.now = tally
        if isinstance(self.step, Replay) and number > 1 and run.steps_per_epoch() != 1:
            self.step.recheck()
        reason = self._steps(number, tally)
        finished = reason is None or len(tally.losses) == run.steps_per_epoch()
        if self.keeper is not None and not finished and reason != "diverged":
            self.keeper.save(tally, self.best, self.place)
        done = tally.epoch(number, finished)
        if run.validation is not None:
            found = validated(run, self.validation_judge)
            done.validation_loss, done.validation_accuracy, done.validation_metrics = found
        self.history.epochs.append(done)
        self.now = None
        if run.keep_best and self.history.best is done:
            self.best = run.model.state_dict()
        wants_end, is_asked = self._any(self._tell("on_epoch", done), self.interrupt.asked)
        if run.group is not None:
            run.group.check(whole_state(run))
        if self.keeper is not None and finished and reason != "diverged":
            self.keeper.epoch(self.best)
        if reason is None and is_asked:
            return "interrupted"
        return reason or ("callback" if wants_end else None)

    def _any(self, *answers: bool) -> list[bool]:
        """Each answer, or whether it is one of any process."""
        group = self.given.group
        return [*answers] if group is None else [n > 0 for n in group.sum(*answers)]

    def _warn_of_strangers(self) -> None:
        """Say once of parameters that began to require grad when the optimiser was made already."""
        known = {id(parameter) for parameter in self.guard.params}
        made = made_at(self.given.optimiser)
        if made is None:
            return
        strangers = [
            name
            for name, p in self.given.model.named_parameters()
            if id(p) not in known and p._node is not None and p._node.number > made
        ]
        if new := [name for name in strangers if name not in self.strangers]:
            self.strangers += new
            own = {id(tensor) for _, tensor in self.given.model.named_tensors()}
            cause = "did not require grad when the optimiser was made"
            if not own >= known:
                cause = "took the place of what the optimiser was made with"
            warnings.warn(
                f"fit: {', '.join(new)} {cause}, so the "
                "optimiser does not change it; call optimiser.add_param_group({'params': …}), or "
                "make the optimiser later.",
                RuntimeWarning,
                stacklevel=6,
            )

    def _steps(self, number: int, tally: Tally) -> str | None:
        """The steps of an epoch; the reason to break it off, if there is one."""
        keeper = self.keeper
        before = Before(self.given.model)
        start = time.perf_counter()
        if keeper is not None:
            self.place = keeper.place()
        taken = len(tally.losses) * self.given.accumulate
        batches = iter(self.given.batches) if keeper is None else keeper.batches(taken)
        reason, self.guard.ends = None, [False, False]
        for group in self._groups(batches):
            before.note()
            count = sum(map(joined_rows, group))
            try:
                loss, right, own = self._step(group, count, before, number, len(tally.losses) + 1)
            except Diverged as error:
                loss, right, own, reason = error.loss, math.nan, {}, "diverged"
            except Stopped:
                self.is_settled, reason = True, _why(self.guard.joined[2:])
                break
            tally.add(loss, right, count, own)
            if keeper is not None:
                self.place = keeper.place()
            self.is_settled, wants_end = True, False
            if reason is None:
                self.guard.updates += 1
            if self.events["on_step"]:
                accuracy = tally.right / tally.seen
                now = Progress(
                    number, len(tally.losses), count, loss, accuracy, tally.means() if own else {}
                )
                wants_end = self._tell("on_step", now)
            ends = [wants_end, self.interrupt.asked]
            if self.given.group is not None:  # the others hear of it in the next step
                self.guard.ends = ends
            elif any(ends):
                reason = reason or _why(ends)
            due = keeper is not None and reason != "diverged" and keeper.is_due()
            if due and not self.guard.is_sound():
                reason = "diverged"
            elif due:
                tally.seconds += time.perf_counter() - start
                keeper.save(tally, self.best)  # type: ignore[union-attr] # which is due
                start = time.perf_counter()
            if reason is not None:
                if len(tally.losses) == self.given.steps_per_epoch():
                    next(batches, None)  # so that the epoch is over for the batches too
                break
        tally.seconds += time.perf_counter() - start
        if self.given.group is not None and reason is None:
            ends = self._any(*self.guard.ends)
            reason = _why(ends) if any(ends) else None
        if tally.losses and not tally.seen:
            raise DataError(
                f"fit: the batches of epoch {number} have 0 examples each; leave empty ones out."
            )
        if not tally.seen:
            raise DataError(
                f"fit: the batches of epoch {number} are empty; give something that can be "
                "iterated over once per epoch, such as tg.data.batches(...), not a generator."
            )
        return reason if self.guard.is_sound() else self._go_back(number, tally)

    def _go_back(self, number: int, tally: Tally) -> str:
        """Give up weights that an update made infinite, or NaN."""
        named = self.given.model.named_parameters()
        lost = [name for name, p in named if not np.isfinite(p._array).all()]
        ago = self.guard.go_back()
        self.history.cause = (
            f"fit: an update made {', '.join(lost)} not finite, which was seen in batch "
            f"{len(tally.losses)} of epoch {number}; the training ends with the weights from "
            f"{ago} update{'s' * (ago > 1)} before. Use a smaller learning rate, or look at "
            "update() or step() of an optimiser of your own."
        )
        return "diverged"

    def _groups(self, batches: Iterator[Any]) -> Iterator[list[tuple[Any, Any]]]:
        """The batches, as many together as make one update; the last ones may be fewer."""
        group = []
        for batch in batches:
            pair = given_batch(batch, self.given.model, BATCHES)
            group.append(pair if self.given.group is None else share(pair, batch, self.given.group))
            if len(group) == self.given.accumulate:
                yield group
                group = []
        if group:
            yield group

    def _step(
        self, group: list[Any], count: int, before: Before, number: int, step: int
    ) -> tuple[float, float, dict[str, float]]:
        """One step: the loss, how many were right, and the own metrics, before the update."""
        given = [part for pair in group for part in pair]
        together = self.given.group
        shares_of_all, times = weights(group), copies(group)
        if together is not None:
            given.append(np.array(shares_of_all))
        if not self.given.replay:
            given = [as_tensors(part) for part in given]
        if together is not None and self.mean_check.is_due():
            self.mean_check.look(*group[0])
            before.restore()  # of a model that draws in evaluation mode, too
        self.is_settled = False
        if number == step == 1:
            warn_of_pixels(self.given.model, group[0][0])
        try:
            with nullcontext() if together is None else together.step(before.generators, times):
                value, *looks = self.step(*given)
        except Stopped:
            before.restore()
            raise
        except Diverged as error:
            before.restore()
            self.history.cause = self._cause(error.loss, given, before, number, step)
            raise
        except Exception as error:
            if not self.guard.is_updating:
                before.restore()
                self.is_settled = True
            updating = self.guard.is_updating
            raise with_remedy(error, group[-1][1], number, step, updating) from error
        if self.guard.reached.unknown:
            warn_of_unknown(self.guard.reached.unknown)
            self.guard.reached.unknown = []
        losses = looks.pop() if self.given.names else {}
        own = {name: loss.item() for name, loss in losses.items()}
        right = 0.0
        for batch, share_of_all, found in zip(group, shares_of_all, looks, strict=True):
            _, y = batch
            if isinstance(found, Tensor) and not found.ndim and not self.given.metrics:
                right += found.item() / times
                continue
            right += self.judge.right(found, y) / times
            if self.given.metrics and count and share_of_all:
                for name, each in measured(self.given.metrics, found, y).items():
                    own[name] = own.get(name, 0.0) + each * share_of_all
        if together is None:
            return value.item(), right, own
        loss, counted, *_ = self.guard.joined
        if not own and all(map(is_count, looks)):
            return loss, counted / times, own
        right, *joined = together.sum(right, *own.values())
        return loss, right, dict(zip(own, joined, strict=True))

    def _cause(self, loss: float, given: list[Any], before: Before, number: int, step: int) -> str:
        """Why the training stops before an update, in words."""
        parts = [as_tensors(part) for part in given[: len(given) // 2 * 2]]
        forward = forward_pass(self.given)

        def total(*parts: Any) -> Tensor:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            losses = [value for x, y in pairs for value in forward(x, y)[1].values()]
            return functools.reduce(operator.add, losses)  # type: ignore[no-any-return]

        origin = _origin(total, parts)
        before.restore()
        what = "a gradient is not finite" if math.isfinite(loss) else f"the loss is {loss}"
        began = "" if origin is None else f" It began where {origin}."
        empty = [part for part in parts[1::2] if isinstance(part, Tensor) and not part.size]
        if empty:
            began = f" Batch {step} is empty, with y of shape {empty[0].shape}; leave it out."
        for y in (y for y in parts[1::2] if math.isnan(loss) and isinstance(y, Tensor) and y.size):
            labels = y.numpy()
            if labels.dtype.kind in "iu" and (labels == labels.flat[0]).all():
                began += (
                    f" All labels of batch {step} are {labels.flat[0]}: where the loss ignores "
                    "these, there is nothing to take the mean of; leave the batch out."
                )
        unit = "batch" if self.given.accumulate == 1 else "update"
        return (
            f"fit: {what} in {unit} {step} of epoch {number}; its update was not made, and the "
            f"training ends with the weights from before.{began}"
        )


def _why(ends: list[Any]) -> str:
    """Why a training ends that a callback or Ctrl-C ends."""
    return "callback" if ends[0] else "interrupted"


def _origin(total: Callable[..., Tensor], parts: list[Any]) -> Finding | None:
    """Where the first value that is not finite began, of x and y of one batch or several."""
    try:
        with np.errstate(all="ignore"):
            recording = trace(total, *parts)
    except Exception:  # a step that cannot run again tells nothing
        return None
    words = [f"{'xy'[i % 2]} of the batch" for i, nest in enumerate(parts) for _ in arrays(nest)]
    given = [v for v in recording.of_kind("input") if v.shape]
    for variable, word in zip(given, words, strict=True):
        variable.name = word
    return autopsy(recording)
