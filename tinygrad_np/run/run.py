"""One run of a recipe: from a data set and a seed to a trained network and its figures."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn, training
from ..autodiff.tensor import Tensor
from ..data.datasets import Dataset
from ..errors import ShapeError
from ..nn.functional import cross_entropy
from ..parallel import Group
from ..training import weights
from ..training.history import Epoch, History
from ..training.interrupt import Interrupt
from ..training.processes import evaluated_by
from ..training.scoring import Judge, predict, score
from .outputs import write_json
from .recipes import Parts, Recipe

FINISHED = "result.json"
FIGURES = (
    "train_seconds", "train_accuracy", "validation_accuracy", "test_accuracy", "test_loss",
)  # fmt: skip
FASHION = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
# trains a recipe's network without ``fit``: from (recipe, model, parts, batches, callbacks)
Trainer = Callable[[Recipe, nn.Module, Parts, Any, Iterable[Any]], History]


@dataclass
class Result:
    """What a run on ``data`` gave; accuracies in 0 … 1, seconds of training alone.

    ``dataset`` is what the data are called, ``parts`` those that the recipe cut;
    ``history.stopped`` says whether all epochs of the recipe were trained.
    """

    recipe: Recipe
    dataset: str
    data: Dataset
    parts: Parts
    seed: int
    train_seconds: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    test_loss: float
    history: History
    model: nn.Module
    test_logits: np.ndarray
    histograms: training.Histograms | None = None
    folder: str = ""  # the name of its own among those of other runs

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        return self.data[1]

    @property
    def names(self) -> tuple[str, ...] | None:
        """Those of the classes, where they have words."""
        return FASHION if self.dataset == "fashion" else getattr(self.data, "names", None)

    @property
    def judged(self) -> float:
        """The accuracy that is held against the reported one."""
        return getattr(self, f"{self.recipe.judged_on}_accuracy")  # type: ignore[no-any-return]

    @property
    def reported(self) -> float | None:
        """What the reference project reports on this data set."""
        return self.recipe.reported_accuracy(self.dataset)

    def passes(self) -> int:
        """How many whole epochs were trained."""
        return sum(epoch.finished for epoch in self.history)

    def as_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "dataset": self.dataset,
            "seed": self.seed,
            "epochs": len(self.history),
            **{name: getattr(self, name) for name in FIGURES},
            "reported_accuracy": self.reported,
            "parameters": sum(p.size for p in self.model.parameters()),
            "weights_sha256": weights_sha256(self.model.state_dict()),
            "history": [epoch.as_dict() for epoch in self.history],
        }


def run(
    recipe: Recipe,
    dataset_name: str,
    dataset: Dataset,
    parts: Parts | None = None,
    *,
    seed: int = 0,
    trainer: Trainer | None = None,
    replay: bool = True,
    callbacks: Iterable[Any] = (),
    probe: int = 0,
    checkpoint: Path | None = None,
    resume: bool = False,
    group: Group | None = None,
) -> Result:
    """Train a recipe's network from a seed, and open the test set once, at the end.

    ``parts`` are those of the recipe for the data set, where the caller has them already. A
    ``trainer`` stands in for ``training.fit``; without ``replay`` every step runs as Python, to
    the same weights. The weights and the order of the batches come from two generators of the same
    seed. ``callbacks`` are those of ``training.fit``; with ``probe`` the result has histograms of
    up to 50 epochs, on so many training examples. Ctrl-C ends the training and gives what was
    reached, also while accuracies are measured. The file ``checkpoint`` always has a recent state
    of the training; with ``resume`` it goes on from there, without it the file is written anew.
    With a ``group`` its processes share the training. Raises DataError where the data do not fit
    the network, and for a checkpoint of another run.
    """
    parts = parts or recipe.parts(dataset)
    weights_seed, order_seed = np.random.default_rng(seed).spawn(2)
    model = recipe.build(weights_seed)
    batches = recipe.batches(parts.train, order_seed)
    record = None
    if probe:
        x, y = (array[:probe] for array in parts.train)
        record = training.Histograms(model, x, y, -(-recipe.epochs // 50), loss=recipe.loss)
        callbacks = [*callbacks, record]
    if trainer is not None:
        history = trainer(recipe, model, parts, batches, callbacks)
    else:
        if recipe.batch_size is None and not replay:  # one Tensor: making one copies the data
            batches = [(Tensor(x), y) for x, y in batches]
        optimiser = recipe.build_optimiser(model, parts.train)
        if checkpoint is not None and not resume:
            if group is None or group.rank == 0:
                checkpoint.unlink(missing_ok=True)
            if group is not None:
                group.sum(0)  # none goes on before the file is gone
        history = training.fit(
            model,
            batches,
            optimiser,
            epochs=recipe.epochs,
            loss=recipe.loss,
            validation=parts.validation,
            callbacks=callbacks,
            replay=replay,
            checkpoint=checkpoint,
            resume=resume,
            group=group,
        )
    validation_accuracy = history[-1].validation_accuracy
    assert validation_accuracy is not None
    with Interrupt() as interrupt:  # Ctrl-C would lose what was trained
        logits = predict(model, parts.test[0])
        test_loss, test_accuracy = score(logits, parts.test[1])
        _, train_accuracy = evaluated_by(group, model, *parts.train, Judge(cross_entropy))
    if interrupt.asked if group is None else group.sum(interrupt.asked)[0]:
        history.stopped = "interrupted"
    return Result(
        recipe=recipe,
        dataset=dataset_name,
        data=dataset,
        parts=parts,
        seed=seed,
        train_seconds=sum(epoch.seconds for epoch in history),
        train_accuracy=train_accuracy,
        validation_accuracy=validation_accuracy,
        test_accuracy=test_accuracy,
        test_loss=test_loss,
        history=history,
        model=model,
        test_logits=logits,
        histograms=record,
    )


def keep(result: Result, folder: Path, command: str) -> None:
    """Leave what says that a run has finished, and by which command."""
    found = {"command": command, **result.as_json(), "monitor": result.history.monitor}
    write_json(folder / FINISHED, found)


def vacant(folder: Path, command: str, note: Callable[[object], None]) -> Path:
    """This folder or the first of those with numbers behind its name that loses no other run.

    Such a folder has no finished run, or one of the same command; it is told where it is another.
    """
    for number in itertools.count(1):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        if _finished(place).get("command", command) == command:
            break
    if place != folder:
        note(f"{folder} has a run of other data or settings; this one goes to {place}.")
    return place


def _finished(folder: Path) -> dict[str, Any]:
    """What the finished run in a folder left, nothing if there is none."""
    try:
        found = json.loads((folder / FINISHED).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def kept(
    folder: Path, command: str, recipe: Recipe, dataset_name: str, dataset: Dataset, parts: Parts,
    seed: int,
) -> Result | None:  # fmt: skip
    """The result of a run of this command that has finished in this folder, else None."""
    found = _finished(folder)
    if found.get("command") != command:
        return None
    try:
        model = recipe.build(seed)
        model.load_state_dict(weights.load(folder / "weights.npz"))
        epochs = [Epoch(**epoch) for epoch in found["history"]]
        figures = {name: found[name] for name in FIGURES}
        history = History(found["monitor"], "finished", epochs)
    except (OSError, ValueError, TypeError, KeyError, ShapeError):
        return None
    return Result(
        recipe=replace(recipe, epochs=len(epochs)), dataset=dataset_name, data=dataset,
        parts=parts, seed=seed, history=history, model=model,
        test_logits=predict(model, parts.test[0]), folder=folder.name, **figures,
    )  # fmt: skip


def weights_sha256(state: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of a state, in its order."""
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
