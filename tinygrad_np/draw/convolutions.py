"""What convolutions look for and what they find: filters and feature maps (extra ``plots``)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import shown, whole
from ..errors import ShapeError
from ..markup import counted
from ..nn.module import Module
from ..training.checks import check_model
from .attribution import batch, called, convolutions, image_layers
from .figures import empty_figure, headed
from .sheet import laid_out, largest, mosaic, pictures, signed, strongest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 8
_LAYERS = 4  # whose maps are in one picture


def filters(model: Module, layer: str | None = None, count: int = 16, title: str = "") -> "Figure":
    """The filters of a convolution as images, the strongest first.

    ``layer`` is a name as in ``model.named_modules()``, of a module with a weight (filters,
    channels, height, width); None is the first. Of several channels a row is a filter and a column
    a channel; those of a first convolution of three channels are colours, where grey is 0. Red is
    positive, blue negative, on one scale for all. At most ``count`` filters are shown, and as many
    of their channels. Raises ValueError for a model without convolutions and for other layers.

    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 8, 5, seed=0), tg.nn.ReLU())
    >>> tg.draw.filters(model).savefig("filters.png")
    """
    check_model("filters", model)
    whole("filters", "count", count)
    found = convolutions(model)
    name = next(iter(found), None) if layer is None else layer
    if not isinstance(name, str) or name not in found:
        known = ", ".join(map(repr, found)) or "none"
        what = type(model).__name__ if layer is None else f"layer {shown(layer)}"
        raise ValueError(
            f"filters: {what} has no weight of four axes, as a convolution has; those that have "
            f"one: {known}."
        )
    values = found[name].numpy()
    order = strongest(values, count)
    kept, (units, channels) = values[order][:, :count], values.shape[:2]
    scale = largest(kept)
    is_colour = channels == 3 and name == next(iter(found))
    if is_colour:
        kept = np.clip(0.5 + kept / (2 * scale), 0, 1).transpose(0, 2, 3, 1)[:, None]
    k, across, high, wide = kept.shape[:4]
    columns = min(k, _COLUMNS) if across == 1 else across
    rows = -(-k * across // columns)
    above, beside = (1 if across > 1 else max(-(-wide // 3), 1)), max(wide // 5, 1)
    what = f"{_of(k, units, 'filter')} of {called(model, name)}, the strongest first"
    if is_colour:
        what += "\nin colours; grey is 0"
    elif across > 1:
        what += f"\nin columns: {_of(across, channels, 'channel')}"
    heading = headed(title, what)
    inches = min(0.7 * columns, 5.6)  # the width of all
    tall = inches * rows * (high + above) / (columns * (wide + beside))
    figure = empty_figure(max(inches, 4) + 0.9, tall + 0.2 * (heading.count("\n") + 1) + 0.1)
    axes = figure.subplots()
    tiles = mosaic(kept.reshape(k * across, *kept.shape[2:]), columns, above, beside)
    for i, unit in enumerate(order):
        place = i * across
        left, top = place % columns * (wide + beside), place // columns * (high + above) + above
        at = (left - 1, top + high / 2 - 0.5) if across > 1 else (left + wide / 2 - 0.5, top - 0.5)
        aligned = ("right", "center") if across > 1 else ("center", "bottom")
        axes.text(*at, f"{unit}", fontsize=8, ha=aligned[0], va=aligned[1])
    if is_colour:
        axes.imshow(np.where(np.isnan(tiles), 1, tiles), interpolation="nearest")
    else:
        signed(axes, tiles, scale)
    axes.set_axis_off()
    figure.suptitle(heading, fontsize=11)
    return figure


def feature_maps(
    model: Module,
    image: Any,
    layer: str | None = None,
    count: int = 32,
    title: str = "",
    shape: tuple[int, ...] | None = None,
) -> "Figure":
    """An image, and what convolutions make of it: the channels that they put out.

    ``image`` is one as the model takes it, with or without the axis of examples, of any real dtype.
    ``layer`` is a name as in ``model.named_modules()``, of one that puts out (n, channels, h, w);
    None stands for the convolutions, at most four of them, in the order in which they are called.
    Red is positive, blue negative, on one scale for each layer, whose first ``count`` channels are
    shown; ``shape`` is that of the image, where the model takes rows of pixels that are not square.
    The model is run in evaluation mode and left as it is. Raises ShapeError for several images and
    for layers of other shapes, ValueError for a model without convolutions.

    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 8, 3, seed=0), tg.nn.ReLU())
    >>> tg.draw.feature_maps(model, np.ones((1, 9, 9)), layer="1").savefig("feature_maps.png")
    """
    whole("feature_maps", "count", count)
    x, _ = batch("feature_maps", model, image)
    if len(x) != 1:
        raise ShapeError(f"feature_maps: {len(x)} images of shape {x.shape[1:]}; give one of them.")
    outputs = image_layers("feature_maps", model, x, layer)
    every = list(outputs)
    chosen = np.unique(np.linspace(0, len(every) - 1, min(len(every), _LAYERS)).round().astype(int))
    layers = {every[i]: outputs[every[i]][-1][0] for i in chosen}
    figure = empty_figure(6.2, 1)
    from matplotlib.ticker import MaxNLocator

    sheets = []
    for maps in layers.values():
        k, high, wide = maps[:count].shape
        columns = min(k, _COLUMNS)
        gap = max(-(-max(high, wide) // 10), 1)
        sheets.append(mosaic(maps[:count], columns, gap, gap)[gap:])
    shown = pictures(laid_out("feature_maps", x, shape))[0]
    ratios = [1.2 * shown.shape[0] / shown.shape[1]]
    ratios += [max(5.2 * sheet.shape[0] / sheet.shape[1], 0.6) for sheet in sheets]
    figure.set_figheight(sum(ratios) + 0.4 * len(ratios) + 0.4)
    top, *rest = figure.subplots(len(ratios), 1, height_ratios=ratios)
    top.imshow(shown, cmap="gray_r")
    top.set(xticks=[], yticks=[])
    for edge in top.spines.values():
        edge.set_color("#bbb")
    for axes, (name, maps), sheet in zip(rest, layers.items(), sheets, strict=True):
        bar = signed(axes, sheet, largest(maps))
        bar.ax.tick_params(labelsize=8)
        bar.locator = MaxNLocator(3)
        axes.set_axis_off()
        k, high, wide = maps.shape
        of = _of(min(k, count), k, "channel")
        axes.set_title(f"{called(model, name)}: {of} of {high}×{wide}", fontsize=9)
    what = "what convolutions put out" if layer is None else "what a layer puts out"
    figure.suptitle(headed(title, what), fontsize=11)
    return figure


def _of(shown: int, there: int, noun: str) -> str:
    """How many are shown, and of how many where that is not all."""
    return counted(shown, noun) if shown == there else f"{shown} of {counted(there, noun)}"
