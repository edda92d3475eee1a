"""Pictures of a diagnosis. They need matplotlib (extra ``plots``)."""

from typing import TYPE_CHECKING

import numpy as np

from ..arguments import instance
from ..training.doctor import Diagnosis
from ..training.doctor.layers import Layer, Start
from ..training.doctor.report import figure as digits
from ..training.doctor.trials import Overfit, RangeTest, Updates
from .figures import RIGHT, TRAIN, VALIDATION, WRONG, empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LAYERS = 20  # histograms in one picture
MOST_NAMES = 16  # names below an axis
# Okabe & Ito 2008, the others of their colours
COLOURS = (TRAIN, VALIDATION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def diagnosis(report: Diagnosis, title: str = "") -> "dict[str, Figure]":
    """The measurements of a diagnosis as pictures by name, as far as they were made.

    "activations" has what comes out of every layer, "gradients" the gradient's norm by depth,
    "learning-rate" the range test, "updates" the change of each weight in the first steps,
    "one-batch" the loss of a few examples learned by heart.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 2, seed=1))
    >>> x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    >>> figures = tg.draw.diagnosis(tg.training.diagnose(model, x, (x[:, 0] > 0).astype(int), 0.1))
    >>> "activations" in figures
    True
    """
    instance("diagnosis", "report", report, Diagnosis, "what tg.training.diagnose returns")
    m = report.measurements
    figures = {}
    if m.start is not None and m.start.layers:
        figures["activations"] = _activations(m.start.layers)
    if m.start is not None and len(m.start.depth_profile) > 1:
        figures["gradients"] = _gradients(m.start)
    if m.range_test is not None:
        figures["learning-rate"] = _range(m.range_test)
    if m.updates is not None and m.updates.ratios:
        figures["updates"] = _updates(m.updates)
    if m.overfit is not None:
        figures["one-batch"] = _one_batch(m.overfit)
    for figure in figures.values():
        figure.suptitle(title)
    from .shown import Figures

    return Figures(figures)


def _activations(layers: list[Layer]) -> "Figure":
    if len(layers) > MOST_LAYERS:  # then activations rather than what goes into them
        layers = [layer for layer in layers if not layer.weighted or layer is layers[-1]]
    if len(layers) > MOST_LAYERS:
        chosen = np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)
        layers = [layers[i] for i in chosen]
    columns = min(len(layers), 4)
    rows = -(-len(layers) // columns)
    figure = empty_figure(2.9 * columns + 0.3, 2.1 * rows + 0.4)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, layer in zip(figure.axes, layers, strict=False):
        counts, edges = layer.histogram
        ill = (layer.dead or 0) > 0.5 or (layer.saturated or 0) > 0.5 or not layer.finite
        axes.set_axis_on()
        axes.stairs(counts / max(counts.sum(), 1), edges, fill=True, color=WRONG if ill else TRAIN)
        axes.set_title(f"{layer.name} ({layer.kind})\n{_state(layer)}", fontsize=9,
                       color=WRONG if ill else RIGHT)  # fmt: skip
        axes.set(yticks=[])
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=4)
    return figure


def _state(layer: Layer) -> str:
    if not layer.finite:
        return "not finite"
    if layer.dead is not None:
        return f"{100 * layer.dead:.0f} % of units dead"
    if layer.saturated is not None:
        return f"{100 * layer.saturated:.0f} % saturated"
    return f"mean {digits(layer.mean)}, sd {digits(layer.std)}"


def _gradients(start: Start) -> "Figure":
    names, norms = zip(*start.depth_profile, strict=True)
    figure = empty_figure(max(6.0, 0.45 * min(len(names), MOST_NAMES) + 3), 4)
    axes = figure.subplots()
    places = np.arange(1, len(names) + 1)
    axes.plot(places, norms, marker="o", color=TRAIN)
    if any(norm > 0 for norm in norms):
        _logarithmic(axes, [norm for norm in norms if norm > 0])
    every = -(-len(names) // MOST_NAMES)
    axes.set_xticks(places[::every], names[::every], rotation=45, ha="right", fontsize=9)
    axes.set(ylabel="norm of the loss's gradient", title="gradients at the start, by depth")
    axes.grid(alpha=0.3)
    return figure


def _logarithmic(axes: "Axes", values: list[float]) -> None:
    """A logarithmic axis of at least two decades, so that small differences look small."""
    low, high = min(values), max(values)
    axes.set_yscale("log")
    middle = np.sqrt(low * high)
    axes.set_ylim(min(low / 2, middle / 10), max(2 * high, middle * 10))


def _range(test: RangeTest) -> "Figure":
    figure = empty_figure(8.5, 4)
    axes = figure.subplots()
    axes.plot(test.rates, test.losses, color=TRAIN, alpha=0.3, linewidth=0.8, label="every step")
    axes.plot(test.rates, test.smooth, color=TRAIN, label="mean of half a decade")
    marks = (
        (test.suggested, "falls fastest", "#009E73", "--"),
        (test.diverges, "is lost", WRONG, "--"),
        (test.given, "the optimiser's", RIGHT, ":"),
    )
    for rate, name, colour, style in marks:
        if rate:
            axes.axvline(rate, color=colour, linestyle=style, label=f"{name}: {digits(rate)}")
    level = float(test.losses[0])
    axes.set_xscale("log")
    axes.set_ylim(min(0, level), 2 * level if np.isfinite(level) and level > 0 else None)
    axes.set(xlabel="learning rate of the step", ylabel="loss", title="learning-rate range test")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    return figure


def _updates(updates: Updates) -> "Figure":
    figure = empty_figure(8, 4)
    axes = figure.subplots()
    names = list(updates.ratios)
    every = -(-len(names) // len(COLOURS))
    shown = names[::every]
    for name, colour in zip(shown, COLOURS, strict=False):
        steps = np.where(updates.ratios[name] > 0, updates.ratios[name], np.nan)
        axes.plot(np.arange(1, len(steps) + 1), steps, marker=".", color=colour, label=name)
    axes.axhline(1e-3, color=RIGHT, linestyle="--", linewidth=1, label="usual: 0.001")
    values = [float(v) for name in shown for v in updates.ratios[name] if v > 0]
    _logarithmic(axes, [*values, 1e-3])
    axes.set(xlabel="step", ylabel="|change| / |weight|", title="updates of the weights")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    return figure


def _one_batch(test: Overfit) -> "Figure":
    figure = empty_figure(6, 4)
    axes = figure.subplots()
    colour = TRAIN if test.learned else WRONG
    axes.plot(np.arange(1, len(test.losses) + 1), test.losses, color=colour)
    right = "" if test.accuracy is None else f", {100 * test.accuracy:.0f} % right"
    verdict = "learned" if test.learned else "NOT learned"
    title = f"{test.examples} examples by heart: {verdict}{right}"
    axes.set(xlabel="step", ylabel="loss", title=title)
    finite = [0.0, *test.losses[np.isfinite(test.losses)]]
    axes.set_ylim(min(finite), 1.05 * max(finite) or 1)
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    return figure
