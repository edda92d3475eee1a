"""From a training to a checkpoint and back."""

import copy
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import whole
from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor
from ..data.batches import Batches
from ..data.files import one_line
from ..errors import DataError, ShapeError
from ..files import remove_leftovers
from ..parallel.same import checksum
from .callbacks import Run
from .checkpoint import Checkpoint, Position
from .guard import generators
from .history import Tally

# Between saves at the ends of epochs, which may be short: a save takes some milliseconds.
SAVE_SECONDS = 1.0


class Keeper:
    """Saves a training as it goes, and puts one back to where a checkpoint left it.

    ``every`` is the number of steps between saves; None saves after each epoch, at most once in
    ``SAVE_SECONDS``. Raises DataError for batches whose place cannot be saved, for a file of
    another kind, and for one that is there and is not to be resumed.
    """

    def __init__(self, path: Path, run: Run, every: int | None, resume: bool) -> None:
        if path.suffix not in (".npz", ".safetensors"):
            raise DataError(
                f"{path}: a checkpoint is an .npz or .safetensors file; give the path of such, as "
                f"in {path / 'checkpoint.npz' if path.is_dir() else path.with_suffix('.npz')}."
            )
        if path.exists() and not resume:
            raise DataError(
                f"{path}: is there already; give resume=True to go on with it, or remove it."
            )
        if every is not None:
            whole("fit", "checkpoint_every", every)
        _check_parameters(run)
        self.path = path
        self.run = run
        self.every = every
        self.steps = 0
        self._saved_at = -SAVE_SECONDS
        self._saved_epochs = 0
        remove_leftovers(path)
        start = data_state(run.batches)
        first = first_checksum(run.batches, start)
        self.position = Position(run.steps_per_epoch(), first, start, start)

    def resume(self, keep_best: bool) -> tuple[Tally | None, dict[str, np.ndarray] | None]:
        """Make everything what the file says: the epoch on its way, and the best weights.

        Nothing is changed if something does not fit. Raises DataError for a file that is no
        checkpoint, or that of another training.
        """
        found = Checkpoint.load(self.path)
        wrong = self._misfit(found, keep_best)
        if wrong:
            raise DataError(f"{self.path}: is a checkpoint of another training: {wrong}.")
        self._restore_data(found.position)
        try:
            self.run.optimiser.load_state_dict(found.optimiser)
        except ShapeError as error:
            set_data_state(self.run.batches, self.position.start)
            raise DataError(f"{self.path}: is a checkpoint of another training: {error}") from error
        self.run.model.load_state_dict(found.weights)
        for name, generator in generators(self.run.model).items():
            generator.bit_generator.state = found.generators[name]
        self.run.history.epochs = found.history.epochs
        self.position = found.position
        self._saved_epochs = len(found.history)
        losses = [len(epoch.step_losses) for epoch in found.history]
        self.steps = sum(losses) + (len(found.tally.losses) if found.tally else 0)
        self.run.done = self.steps
        return found.tally, found.best if keep_best else None

    def _misfit(self, found: Checkpoint, keep_best: bool) -> str:
        """What is not as in the training that was saved, apart from the optimiser."""
        model = self.run.model
        wrong = _differences(model.state_dict(), found.weights)
        if found.best is not None:
            wrong += [f"of the best weights {w}" for w in _differences(found.weights, found.best)]
        elif keep_best and found.history:
            wrong.append("it was saved without keep_best=True")
        wrong += _misfit_generators(generators(model), found.generators)
        if found.position.batches != self.position.batches:
            wrong.append(
                f"its epochs have {one_line(found.position.batches)} batches, expected "
                f"{self.position.batches}"
            )
        monitor = self.run.history.monitor
        if found.history.monitor != monitor:
            given = one_line(found.history.monitor)
            wrong.append(f"its best epoch goes by {given}, expected {monitor}")
        last = found.tally or (found.history[-1] if found.history else None)
        if last is not None and list(last.metrics) != self.run.reported():
            given = one_line(", ".join(last.metrics)) or "none"
            wrong.append(
                f"its metrics are {given}, expected {', '.join(self.run.reported()) or 'none'}"
            )
        return "; ".join(wrong)

    def _restore_data(self, position: Position) -> None:
        """Put the batches to a position, if its first batch is theirs."""
        batches = self.run.batches
        try:
            set_data_state(batches, position.start)
            same = first_checksum(batches, position.start) == position.first
            if same:
                set_data_state(batches, position.now)
                return
        except Exception as error:
            set_data_state(batches, self.position.start)
            raise DataError(
                f"{self.path}: its place in the data is not in these batches ({one_line(error)})."
            ) from error
        set_data_state(batches, self.position.start)
        raise DataError(
            f"{self.path}: is a checkpoint of another training: its first batch has other data."
        )

    def batches(self, done: int) -> Iterator[Any]:
        """The batches of an epoch after the first ``done``, which batches with a state know of."""
        batches = self.run.batches
        return islice(batches, done, None) if is_stateless(batches) else iter(batches)

    def is_due(self) -> bool:
        """After each step: whether to save now."""
        self.steps += 1
        return self.every is not None and not self.steps % self.every

    def epoch(self, best: Mapping[str, np.ndarray] | None) -> None:
        """After each epoch: save if it is time."""
        if self.every is None and time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save_between(best)

    def finish(self, best: Mapping[str, np.ndarray] | None, at: Any = None) -> None:
        """After the last epoch, unless it was broken off and is saved as such."""
        history = self.run.history
        if history and history[-1].finished and self._saved_epochs < len(history):
            self._save_between(best, at)

    def _save_between(self, best: Mapping[str, np.ndarray] | None, at: Any = None) -> None:
        self.save(None, best, at)
        self._saved_epochs = len(self.run.history)

    def place(self) -> Any:
        """The state of the batches now, for a save that comes later."""
        return data_state(self.run.batches)

    def save(
        self, tally: Tally | None, best: Mapping[str, np.ndarray] | None, at: Any = None
    ) -> None:
        """Write where the training is; with ``at`` the batches are taken to be there."""
        run = self.run
        if run.group is not None and run.group.rank:
            return  # rank 0 writes
        self.position.now = self.place() if at is None else at
        states = {n: g.bit_generator.state for n, g in generators(run.model).items()}
        Checkpoint(
            weights=run.model.state_dict(),
            best=None if best is None else dict(best),
            optimiser=run.optimiser.state_dict(),
            generators=states,
            position=self.position,
            history=run.history,
            tally=tally,
        ).save(self.path)
        self._saved_at = time.monotonic()


def _check_parameters(run: Run) -> None:
    own = {id(tensor) for _, tensor in run.model.named_tensors()}
    for i, parameter in enumerate(run.optimiser.params):
        if id(parameter) not in own:
            raise DataError(
                f"checkpoint: parameter {i} of the optimiser, of shape {parameter.shape}, is not "
                "in the model, so it would not be saved; make it an attribute of the model."
            )


def _misfit_generators(own: "dict[str, np.random.Generator]", given: dict[str, Any]) -> list[str]:
    wrong = [f"missing generator {name}" for name in own if name not in given]
    wrong += _unexpected("generator ", own, given)
    for name in own.keys() & given.keys():
        try:
            copy.deepcopy(own[name]).bit_generator.state = given[name]
        except Exception:  # whatever is missing or of another kind
            kind = type(own[name].bit_generator).__name__
            wrong.append(f"generator {name} has no state of {kind}")
    return wrong


def _unexpected(kind: str, own: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What only a file has, which may be anything."""
    return [f"unexpected {kind}{one_line(name)}" for name in given if name not in own]


def _differences(own: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> list[str]:
    """Why a state is none of a model's: a phrase for each entry that differs."""
    wrong = [f"missing {name}" for name in own if name not in given]
    wrong += _unexpected("", own, given)
    for name in own:
        if name not in given:
            continue
        found, expected = given[name], own[name]
        if found.shape != expected.shape:
            wrong.append(f"{name} has shape {found.shape}, expected {expected.shape}")
        elif found.dtype != expected.dtype:
            wrong.append(f"{name} has dtype {found.dtype}, expected {expected.dtype}")
    return wrong


def data_state(batches: Any) -> Any:
    """The state of what gives the batches; lists and tuples have none."""
    if is_stateless(batches):
        return None
    if not hasattr(batches, "state") or not hasattr(batches, "restore"):
        raise DataError(
            f"checkpoint: batches of type {type(batches).__name__} have no state() and restore(), "
            "so their place cannot be saved; give tg.data.batches(...), a list or a tuple."
        )
    return batches.state()


def is_stateless(batches: Any) -> bool:
    return isinstance(batches, (list, tuple))


def set_data_state(batches: Any, state: Any) -> None:
    if is_stateless(batches):
        if state is not None:
            raise ValueError("these batches are a list and have no state")
        return
    batches.restore(state)


def first_checksum(batches: Iterable[Any], state: Any) -> int:
    """A checksum of the first batch; the batches are afterwards as they were."""
    found = 0
    whole = copy.copy(batches.whole) if isinstance(batches, Batches) else batches
    first = next(iter(whole), ())
    for array in leaves(list(first) if isinstance(first, (list, tuple)) else []):
        values = array.numpy() if isinstance(array, Tensor) else np.asarray(array, order="C")
        found = checksum(values, found)
    set_data_state(batches, state)
    return found
