"""Histograms of activations and gradients while a network learns."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import whole
from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor
from ..nn.functional import cross_entropy
from ..nn.module import Module
from .checks import check_loss, check_model
from .features import leaf_layers, tapped
from .inputs import as_tensors, examples, outputs_of


@dataclass(frozen=True)
class Histogram:
    """How often values fell between edges; zeros and values not finite are counted beside.

    ``counts`` (bins,) int64; ``edges`` (bins + 1,) float64 rise from the least to the greatest
    value; without values all are 0.
    """

    counts: np.ndarray
    edges: np.ndarray
    zeros: int = 0
    lost: int = 0

    @property
    def size(self) -> int:
        """How many values there were."""
        return int(self.counts.sum()) + self.zeros + self.lost


def histogram(values: np.ndarray, bins: int, magnitudes: bool = False) -> Histogram:
    """Of values of any shape, or with ``magnitudes`` of log10 |value|."""
    finite = values[np.isfinite(values)].astype(np.float64)
    counted = finite[finite != 0]
    zeros, lost = finite.size - counted.size, values.size - finite.size
    if not counted.size:
        return Histogram(np.zeros(bins, np.int64), np.zeros(bins + 1), zeros, lost)
    counts, edges = np.histogram(np.log10(np.abs(counted)) if magnitudes else counted, bins)
    return Histogram(counts.astype(np.int64), edges, zeros, lost)


class Histograms:
    """A callback of ``fit``: histograms of what layers put out and of gradients, on fixed examples.

    At the start (epoch 0 of a new training) and after every ``every_epochs``-th epoch a copy of the
    model in training mode goes forward and backward over ``x (n, ...)`` and labels ``y (n,)``; the
    model, its generators and its running statistics are not touched. ``epochs`` lists when;
    ``activations`` has for each layer without layers below it the histograms of its outputs,
    ``gradients`` for each parameter those of log10 |gradient|, ``kinds`` for each layer the name of
    its class. A layer that is not called has empty ones. Raises ValueError for ``every_epochs`` or
    ``bins`` below 1.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> x, y = np.ones((8, 4), np.float32), np.zeros(8, int)
    >>> record = tg.training.Histograms(model, x, y)
    >>> optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> batches = tg.data.batches(x, y, 4, seed=0)
    >>> _ = tg.training.fit(model, batches, optimiser, epochs=2, callbacks=[record])
    >>> record.epochs
    [0, 1, 2]
    """

    def __init__(
        self,
        model: Module,
        x: np.ndarray,
        y: np.ndarray,
        every_epochs: int = 1,
        bins: int = 64,
        loss: Callable[[Any, Any], Any] = cross_entropy,
    ) -> None:
        check_model("Histograms", model)
        check_loss("Histograms", loss)
        whole("Histograms", "every_epochs", every_epochs), whole("Histograms", "bins", bins)
        x, y = examples("x", x, model), examples("y", y, model)
        self.epochs: list[int] = []
        self.activations: dict[str, list[Histogram]] = {n: [] for n in leaf_layers(model)}
        self.gradients: dict[str, list[Histogram]] = {n: [] for n, _ in model.named_parameters()}
        self.kinds = {
            n: type(m).__name__ for n, m in model.named_modules() if n in self.activations
        }
        self._model, self._x, self._y, self._loss = model, x, y, loss
        self._every, self._bins = every_epochs, bins

    def __repr__(self) -> str:
        told = f"{len(self.activations)} layers, {len(self.gradients)} parameters"
        return f"Histograms({told}, recorded after epochs {self.epochs})"

    def on_start(self, run: Any) -> None:
        """Before the first step, or where a resumed training goes on."""
        self.record(len(run.history))

    def on_epoch(self, epoch: Any) -> None:
        """After an epoch."""
        if epoch.epoch % self._every == 0:
            self.record(epoch.epoch)

    def record(self, epoch: int) -> None:
        """Add the histograms of the model as it is now."""
        twin = copy.deepcopy(self._model).train()
        twin.zero_grad()
        names = list(self.activations)
        with tapped(twin, names) as outputs, np.errstate(all="ignore"):  # fit tells what diverges
            self._loss(outputs_of(twin, as_tensors(self._x)), as_tensors(self._y)).backward()
        self.epochs.append(epoch)
        for name in names:
            taken = leaves(outputs.get(name, []))
            parts = [part.numpy().ravel() for part in taken if isinstance(part, Tensor)]
            values = np.concatenate(parts or [np.empty(0)])
            self.activations[name].append(histogram(values, self._bins))
        for name, parameter in twin.named_parameters():
            gradient = np.empty(0) if parameter.grad is None else parameter.grad.numpy().ravel()
            self.gradients[name].append(histogram(gradient, self._bins, True))
