"""A training as a file: all that a stopped run needs to continue with the same bits.

The file is read and written as weights are (``.npz`` or ``.safetensors``), so it holds arrays
only; the entry ``checkpoint`` is JSON in UTF-8. ``docs/training.md`` describes every entry.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.files import one_line
from ..errors import DataError
from . import weights
from .history import MONITORS, Epoch, History, Tally

FORMAT = "tinygrad_np checkpoint 1"
# JSON as Python objects takes twenty times its size
_MAX_JSON = 1 << 20
# of epochs, and of the one on its way, in the order of the file
COLUMNS = (
    "seconds", "learning_rate", "train_loss", "train_accuracy", "validation_loss",
    "validation_accuracy",
)  # fmt: skip
SUMS = ("rate", "seen", "right", "total", "seconds")


@dataclass
class Position:
    """The place of a training in its data.

    ``batches`` is how many make an epoch, if that is known, ``first`` a checksum of the very first;
    ``start`` and ``now`` are the states of the batches before it and at the moment of the save.
    """

    batches: int | None
    first: int
    start: Any
    now: Any


@dataclass
class Checkpoint:
    """A training between two steps.

    ``weights`` and ``best`` are states as ``load_state_dict`` takes them, ``best`` None where they
    are not kept; ``optimiser`` is that of ``Optimiser.state_dict``, ``generators`` has the states
    of the model's generators by name. ``tally`` is the epoch on its way, if one is.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> batches = tg.data.batches(np.ones((8, 4), np.float32), np.zeros(8, int), 4, seed=0)
    >>> optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> _ = tg.training.fit(model, batches, optimiser, epochs=1, checkpoint="run.npz")
    >>> sorted(tg.load("run.npz"))[:2]
    ['checkpoint', 'history']
    """

    weights: dict[str, np.ndarray]
    best: dict[str, np.ndarray] | None
    optimiser: Any
    generators: dict[str, Any]
    position: Position
    history: History
    tally: Tally | None = None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file beside and rename it, so that it is the old one or the new one.

        Raises what ``tg.save`` raises.
        """
        arrays: dict[str, np.ndarray] = {}
        manifest = {
            "format": FORMAT,
            "monitor": self.history.monitor,
            "mode": self.history.mode,
            "metrics": _metric_names(self.history, self.tally),
            "validated": any(epoch.validation_loss is not None for epoch in self.history),
            "best": self.best is not None,
            "optimiser": _packed(self.optimiser, "optimiser", arrays),
            "generators": _packed(self.generators, "generators", arrays),
            "batches": self.position.batches,
            "first": self.position.first,
            "start": _packed(self.position.start, "start", arrays),
            "now": _packed(self.position.now, "now", arrays),
        }
        arrays |= {f"model/{name}": value for name, value in self.weights.items()}
        arrays |= {f"best/{name}": value for name, value in (self.best or {}).items()}
        arrays |= _history_arrays(self.history, self.tally)
        text = json.dumps(manifest).encode()
        return weights.save(path, {"checkpoint": np.frombuffer(text, np.uint8), **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Checkpoint":
        """Read a file that ``save`` wrote. Raises DataError for a missing, damaged or other one."""
        arrays = weights.load(path)
        if "checkpoint" not in arrays:
            raise DataError(
                f"{path}: has no entry 'checkpoint', so it is no checkpoint; give one that "
                "training.fit wrote, or read weights with tg.load."
            )
        try:
            return cls._of(arrays)
        except Exception as error:  # whatever is missing or of another kind
            text = f"{type(error).__name__}: {one_line(error)}"
            raise DataError(f"{path}: not a readable checkpoint ({text}).") from error

    @classmethod
    def _of(cls, arrays: dict[str, np.ndarray]) -> "Checkpoint":
        manifest = _manifest(arrays)
        history, tally = _history(manifest, arrays)
        batches, first = manifest["batches"], manifest["first"]
        if not (batches is None or type(batches) is int) or type(first) is not int:
            raise ValueError(f"batches {batches!r}, first {first!r}")
        best = _below("best/", arrays) if manifest["best"] is True else None
        return cls(
            weights=_below("model/", arrays),
            best=best,
            optimiser=_unpacked(manifest["optimiser"], arrays),
            generators=_of_type(dict, _unpacked(manifest["generators"], arrays)),
            position=Position(
                batches,
                first,
                _unpacked(manifest["start"], arrays),
                _unpacked(manifest["now"], arrays),
            ),
            history=history,
            tally=tally,
        )


def _manifest(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    text = arrays["checkpoint"]
    if text.dtype != np.uint8 or text.ndim != 1 or text.size > _MAX_JSON:
        raise ValueError(f"entry 'checkpoint' is {text.dtype} of shape {text.shape}")
    manifest: dict[str, Any] = _of_type(dict, json.loads(text.tobytes().decode()))
    if manifest.get("format") != FORMAT:
        raise ValueError(f"format {manifest.get('format')!r}, not {FORMAT!r}")
    return manifest


def _of_type(kind: Any, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} for {kind.__name__}")
    return value


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _packed(nest: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """A nest as JSON takes it; its arrays go to ``arrays``, named by their place."""
    if isinstance(nest, Mapping):
        return {str(key): _packed(part, f"{name}/{key}", arrays) for key, part in nest.items()}
    if isinstance(nest, (list, tuple)):
        return [_packed(part, f"{name}/{i}", arrays) for i, part in enumerate(nest)]
    if isinstance(nest, np.ndarray):
        arrays[name] = nest
        return {"$array": name}
    return nest.item() if isinstance(nest, np.generic) else nest


def _unpacked(nest: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of ``_packed``; tuples are lists now."""
    if isinstance(nest, dict):
        if nest.keys() == {"$array"}:
            return arrays[nest["$array"]]
        return {key: _unpacked(part, arrays) for key, part in nest.items()}
    return [_unpacked(part, arrays) for part in nest] if isinstance(nest, list) else nest


def _metric_names(history: History, tally: Tally | None) -> list[str]:
    return list(tally.metrics if tally is not None else history[-1].metrics if history else {})


def _history_arrays(history: History, tally: Tally | None) -> dict[str, np.ndarray]:
    """A row for each epoch, one for the epoch on its way, loss and accuracy of every step."""
    rows = [[*(getattr(e, name) for name in COLUMNS), len(e.step_losses)] for e in history]
    losses = [loss for epoch in history for loss in epoch.step_losses]
    shares = [share for epoch in history for share in epoch.step_accuracies]
    table = np.array(rows, np.float64).reshape(len(rows), len(COLUMNS) + 1)  # None becomes NaN
    found: dict[str, np.ndarray] = {"history": table}
    if names := _metric_names(history, tally):
        own = [
            [(e.metrics[n], e.validation_metrics.get(n, np.nan)) for n in names] for e in history
        ]
        found["metrics"] = np.array(own, np.float64).reshape(len(rows), len(names), 2)
    if tally is not None:
        sums = [getattr(tally, name) for name in SUMS]
        found["tally"] = np.array([*sums, *tally.metrics.values()], np.float64)
        losses += tally.losses
        shares += tally.accuracies
    return {
        **found,
        "step_losses": np.array(losses, np.float64),
        "step_accuracies": np.array(shares, np.float64),
    }


def _of_floats(array: np.ndarray, ndim: int) -> np.ndarray:
    if array.dtype != np.float64 or array.ndim != ndim:
        raise ValueError(f"{array.dtype} of shape {array.shape} for float64 with {ndim} axes")
    return array


def _history(
    manifest: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[History, Tally | None]:
    """The inverse of ``_history_arrays``."""
    rows, losses = _of_floats(arrays["history"], 2), _of_floats(arrays["step_losses"], 1)
    shares = _of_floats(arrays["step_accuracies"], 1).tolist()
    # files of before there were own metrics have no names of such
    mode, names = manifest.get("mode"), _of_type(list, manifest.get("metrics", []))
    own = _of_floats(arrays["metrics"], 3) if names else np.empty((len(rows), 0, 2))
    if own.shape != (len(rows), len(names), 2) or not all(type(n) is str for n in names):
        raise ValueError(f"metrics {names!r} of shape {own.shape}")
    known = [*MONITORS, *(f"{part}_{n}" for n in names for part in ("train", "validation"))]
    if manifest["monitor"] not in known or mode not in (None, "max", "min"):
        raise ValueError(f"monitor {manifest['monitor']!r}, mode {mode!r}")
    history, given, start = History(manifest["monitor"], mode=mode), losses.tolist(), 0
    if len(shares) != len(given):
        raise ValueError(f"{len(shares)} accuracies of {len(given)} steps")
    for number, (*values, count) in enumerate(rows.tolist(), start=1):
        steps = slice(start, start + int(count))
        start = steps.stop
        if len(given[steps]) != count or not count:
            raise ValueError(f"{count} steps in epoch {number}")
        epoch = Epoch(number, **dict(zip(COLUMNS, values, strict=True)))
        epoch.step_losses, epoch.step_accuracies = given[steps], shares[steps]
        trained, held = (dict(zip(names, each, strict=True)) for each in own[number - 1].T.tolist())
        epoch.metrics = trained
        if manifest["validated"]:
            epoch.validation_metrics = held
        else:
            epoch.validation_loss = epoch.validation_accuracy = None
        history.epochs.append(epoch)
    if "tally" not in arrays:
        if start != len(given):
            raise ValueError(f"{len(given)} steps for {start}")
        return history, None
    sums = _of_floats(arrays["tally"], 1).tolist()
    tally = Tally(**dict(zip(SUMS, sums[: len(SUMS)], strict=True)))
    tally.metrics = dict(zip(names, sums[len(SUMS) :], strict=True))
    tally.losses, tally.accuracies, tally.seen = given[start:], shares[start:], int(tally.seen)
    if not tally.losses or tally.seen < 1:
        raise ValueError(f"an epoch of {len(tally.losses)} steps and {tally.seen} examples")
    return history, tally
