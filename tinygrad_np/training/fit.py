"""``fit``: what it is given is checked, and the loop runs."""

import os
import warnings
from collections.abc import Iterable
from typing import Any

from ..arguments import flag, path, refusal, whole
from ..habits import hinted
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..parallel import Group
from .callbacks import EarlyStopping, ProgressBar, Run, hooks
from .checks import (
    Arrays,
    check_settings,
    check_validation,
    given_optimiser,
    monitored,
    warn_of_schedule,
)  # fmt: skip
from .decision import Loss
from .history import History
from .loop import Loop
from .metrics import named
from .processes import align, given_group, shares
from .resume import Keeper
from .scoring import OwnMetrics


@hinted("fit")
def fit(
    model: Module,
    batches: Iterable[Arrays],
    optimiser: Any,
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
    accumulate: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    group: Group | None = None,
) -> History:
    """Train a model, and return the losses and accuracies of each epoch and why the training ended.

    ``batches`` is iterated once per epoch and gives ``x (n, ...)`` and ``y``: integer labels
    ``(n,)``, or whatever targets ``loss(outputs, y)`` takes; the loss gets both as Tensors. Either
    may be a tuple, list or dict of arrays: of ``x`` the arguments of the model's ``forward`` by
    place or name, or its one argument. Outputs may be tuples, dicts or dataclasses. Of several
    optimisers each has some of the parameters: in a list they go down one loss, in a dict each
    goes down its own, as ``loss`` then gives a dict of losses by the same names. With
    ``accumulate=n`` the gradients of n batches make one update, that of the mean over all their
    examples.

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

    With a ``group`` (``tg.parallel.Group``) several processes train, each on its rows of every
    batch: all call ``fit`` with the same batches, and end with the weights that one process would
    give but for rounding (``docs/scaling.md``). The loss must be a mean over rows: batches 1, 2, 4,
    8, … and the validation data are asked. Rank 0 writes the checkpoint and shows progress.

    Raises DataError for an epoch without batches, for validation data that do not fit and for a
    checkpoint of another training, TypeError for arguments of another kind and for words and
    objects among the data, ValueError for settings that contradict each other, an optimiser of
    another model and, in a group, a loss that is no mean, ReplayError for a model that cannot be
    replayed.

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
    check_settings(model, batches, epochs, loss)
    optimiser = given_optimiser(model, optimiser)
    accumulate = whole("fit", "accumulate", accumulate)
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        needed = "one such as tg.training.EarlyStopping(patience=3)"
        raise refusal("fit", "early_stopping", early_stopping, needed)
    keep_best, progress = flag("fit", "keep_best", keep_best), flag("fit", "progress", progress)
    replay, resume = flag("fit", "replay", replay), flag("fit", "resume", resume)
    own = named(metrics)
    events = hooks(callbacks)
    group = given_group(group, optimiser)
    if group is not None:
        batches = shares(batches, group)
    run = Run(
        model, batches, optimiser, epochs, loss, validation, History(), metrics=own,
        accumulate=accumulate, group=group, early_stopping=early_stopping, keep_best=keep_best,
        replay=replay,
    )  # fmt: skip
    if twice := set(own) & set(run.names):
        raise ValueError(
            f"fit: {', '.join(twice)} is the name of a metric and of an optimiser, whose loss is "
            "reported by that name; give the metric another one."
        )
    decided = None if validation is None else check_validation(model, validation, loss)
    history = run.history
    history.monitor = monitored(run, decided)
    history.mode = early_stopping.mode if early_stopping else None
    if progress and (group is None or group.rank == 0):
        events = hooks([*callbacks, ProgressBar()])
    loop = Loop(run, events, decided)
    if checkpoint is not None:
        place = path("fit", "checkpoint", checkpoint)
        loop.keeper = Keeper(place, run, checkpoint_every, resume)
        if resume and loop.keeper.path.exists():
            loop.tally, loop.best = loop.keeper.resume(keep_best)
    elif resume or checkpoint_every is not None:
        raise ValueError("resume and checkpoint_every need a file; give checkpoint=PATH.")
    warn_of_schedule(run)
    if group is None:
        loop.run()
    else:
        with group, group.joined(model):
            align(run)
            loop.run()
    if history.cause and (group is None or group.rank == 0):
        warnings.warn(history.cause, RuntimeWarning, stacklevel=3)
    return history
