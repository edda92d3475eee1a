"""Pictures of the inside of a network: weights, activations, gradients (extra ``plots``)."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import instance
from ..errors import ShapeError
from ..nn.module import Module
from ..training.record import Histogram, Histograms
from .figures import empty_figure, headed, plain
from .sheet import largest, mosaic, signed, strongest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVELS = 40
_COLUMNS = (4, 5, 6)


def weights(
    model: Any, shape: tuple[int, int] = (28, 28), count: int = 40, title: str = ""
) -> "Figure":
    """The weights of the first layer's units as images, the largest first.

    ``model`` is a Module, whose first parameter of two or more axes is taken, or an array (units,
    ...) of which each entry has as many weights as ``shape``; at most ``count`` units are shown.
    Filters (units, channels, height, width) have a shape of their own: their channels stand side
    by side. Red is positive, blue negative, on one scale for all. Raises ShapeError for other
    shapes.

    >>> figure = tg.draw.weights(tg.nn.Linear(784, 10, seed=0), shape=(28, 28), count=4)
    >>> figure.savefig("weights.png")
    """
    is_module = isinstance(model, Module)
    values = _first_weights(model) if is_module else plain("weights", "model", model)
    sides = plain("weights", "shape", shape).ravel()
    shape = (int(sides[0]), int(sides[-1])) if sides.size == 2 else (0, 0)
    if values.ndim == 4:
        shape = (values.shape[2], values.shape[1] * values.shape[3])
        values = values.transpose(0, 2, 1, 3)
    if values.ndim < 2 or math.prod(values.shape[1:]) != math.prod(shape) or not values.size:
        raise ShapeError(
            f"weights of shape {values.shape} are no images of shape {shape}; give shape=(height, "
            "width) that fits one unit's weights."
        )
    images = values.reshape(len(values), *shape)
    chosen = strongest(images, count)
    scale = largest(images[chosen])
    columns = min(len(chosen), 10)
    rows = -(-len(chosen) // columns)
    above, beside = max(max(shape) // 5, 1), max(shape[1] // 14, 1)
    high, wide = shape[0] + above, shape[1] + beside
    figure = empty_figure(max(columns, 5) + 0.7, 1.05 * rows * high / wide + 0.7)
    axes = figure.subplots()
    for place, unit in enumerate(chosen):
        middle, top = place % columns * wide + shape[1] / 2, place // columns * high + above - 0.5
        axes.text(middle, top, f"{unit}", fontsize=8, ha="center", va="bottom")
    signed(axes, mosaic(images[chosen], columns, above, beside), scale, pad=0.01)
    axes.set_axis_off()
    summary = f"{len(chosen)} of {len(images)} units of the first layer, the strongest first"
    figure.suptitle(headed(title, summary))
    return figure


def _first_weights(model: Module) -> np.ndarray:
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            return np.asarray(parameter.numpy())
    raise ShapeError(f"{type(model).__name__} has no weights; give a model with a layer that has.")


def histograms(record: Histograms, title: str = "") -> "Figure":
    """Activations of every layer and gradients of every parameter over the epochs.

    ``record`` is a ``training.Histograms`` that has been through a training. A column is one
    histogram, the darker the more, and lines are the quartiles; the panel ends at the 1st and 99th
    percentile. Zeros are not in it, and their share at the end stands in the title of the panel.
    Raises ValueError for an empty record.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> x, y = np.ones((8, 4), np.float32), np.zeros(8, int)
    >>> record = tg.training.Histograms(model, x, y)
    >>> optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> batches = tg.data.batches(x, y, 4, seed=0)
    >>> _ = tg.training.fit(model, batches, optimiser, epochs=2, callbacks=[record])
    >>> tg.draw.histograms(record).savefig("histograms.png")
    """
    needed = "a tg.training.Histograms that was among the callbacks of fit"
    instance("histograms", "record", record, Histograms, needed)
    if not record.epochs:
        raise ValueError("histograms() of an empty record; train with it among the callbacks.")
    blocks = [
        [(f"{name} {record.kinds[name]}".strip(), h) for name, h in record.activations.items()],
        list(record.gradients.items()),
    ]
    columns = min(_COLUMNS, key=lambda width: width * sum(-(-len(b) // width) for b in blocks))
    columns = min(columns, max(map(len, blocks)))
    rows = [block[i : i + columns] for block in blocks for i in range(0, len(block), columns)]
    units = ["activation"] * -(-len(blocks[0]) // columns)
    units += ["log10 |gradient|"] * (len(rows) - len(units))
    figure = empty_figure(max(2.4 * columns, 5), 2.2 * len(rows) + 0.7)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, row, unit in zip(grid, rows, units, strict=True):
        for axes, (name, kept) in zip(line, row, strict=False):
            axes.set_axis_on()
            _over_time(axes, record.epochs, kept)
            last = kept[-1]
            zeros = f"\n{100 * last.zeros / max(last.size, 1):.0f} % zeros at the end"
            axes.set_title(name + (zeros if last.zeros else "\n"), fontsize=9)
            axes.tick_params(labelsize=8)
        line[0].set_ylabel(unit, fontsize=9)
    figure.supxlabel("epoch", fontsize=9)
    figure.suptitle(title)
    return figure


def _over_time(axes: Any, epochs: list[int], kept: list[Histogram]) -> None:
    """A column for each histogram on common levels, and the quartiles as lines."""
    filled = [h for h in kept if h.counts.any()]
    if not filled:
        axes.text(0.5, 0.5, "nothing", transform=axes.transAxes, ha="center", va="center")
        return
    low = min(_quantile(h, 0.01) for h in filled)
    high = max(_quantile(h, 0.99) for h in filled)
    pad = 0.05 * (high - low) or 0.5
    levels = np.linspace(low - pad, high + pad, _LEVELS + 1)
    shares = np.array([_shares(h, levels) for h in kept]).T
    at = np.array(epochs, float)
    half = np.diff(at) / 2 if len(at) > 1 else np.array([0.5])
    sides = np.concatenate([[at[0] - half[0]], at[:-1] + half[: len(at) - 1], [at[-1] + half[-1]]])
    depth = np.sqrt(shares / np.maximum(shares.max(axis=0), 1e-12))  # every column as dark
    axes.pcolormesh(sides, levels, depth, cmap="Blues", vmin=0, vmax=1)
    for share, style in ((0.25, ":"), (0.5, "-"), (0.75, ":")):
        lines = [_quantile(h, share) if h.counts.any() else np.nan for h in kept]
        axes.plot(at, lines, color="#D55E00", linewidth=1, linestyle=style)
    axes.set(xlim=(sides[0], sides[-1]), ylim=(levels[0], levels[-1]))
    axes.xaxis.get_major_locator().set_params(integer=True)


def _shares(counted: Histogram, levels: np.ndarray) -> np.ndarray:
    """The share of the values between levels, taken as even within each bin."""
    if not counted.counts.any():
        return np.zeros(len(levels) - 1)
    below = np.concatenate([[0], np.cumsum(counted.counts)]) / counted.counts.sum()
    return np.diff(np.interp(levels, counted.edges, below))


def _quantile(counted: Histogram, share: float) -> float:
    below = np.concatenate([[0], np.cumsum(counted.counts)]) / counted.counts.sum()
    return float(np.interp(share, below, counted.edges))
