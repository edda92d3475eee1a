"""Filters and feature maps: what is drawn is what the layers have and put out."""

from typing import Any

import numpy as np
import pytest

from tests.draw.pictured import drawn
from tinygrad_np import ShapeError, draw, nn, training

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)


def tiles(axes: Any, high: int, wide: int) -> list[np.ndarray]:
    """The tiles of a mosaic, found by the gaps between them."""
    sheet = np.ma.filled(axes.images[0].get_array(), np.nan)
    filled = np.isfinite(sheet)
    found = []
    for top in range(sheet.shape[0] - high + 1):
        for left in range(sheet.shape[1] - wide + 1):
            edge = (top == 0 or not filled[top - 1, left]) and (
                left == 0 or not filled[top, left - 1]
            )
            if edge and filled[top : top + high, left : left + wide].all():
                found.append(sheet[top : top + high, left : left + wide])
    return found


def network(channels: int = 1) -> nn.Sequential:
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Conv2d(channels, 10, (3, 4), seed=rng), nn.BatchNorm2d(10), nn.ReLU(),
        nn.Conv2d(10, 6, 2, seed=rng), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 6 * 5, 3, seed=rng),
    )  # fmt: skip


def test_filters_of_one_channel_are_the_weights() -> None:
    model = network()
    values = model[0].weight.numpy()
    order = np.argsort(-np.linalg.norm(values.reshape(10, -1), axis=1))
    for count, title in ((16, "10 filters"), (9, "9 of 10 filters")):
        figure = draw.filters(model, count=count, title="zoo")
        assert figure.get_suptitle() == f"zoo\n{title} of 0 Conv2d, the strongest first"
        axes, bar = figure.axes
        shown = tiles(axes, 3, 4)
        for tile, unit in zip(shown, order[:count], strict=True):
            np.testing.assert_array_equal(tile, values[unit, 0])
        assert [text.get_text() for text in axes.texts] == [str(i) for i in order[:count]]
        low, high = bar.get_ylim()
        assert low == -high
    assert drawn(figure)


def test_filters_of_many_channels_are_rows() -> None:
    values = network()[3].weight.numpy()
    order = np.argsort(-np.linalg.norm(values.reshape(6, -1), axis=1))
    for count, channels in ((16, "10 channels"), (4, "4 of 10 channels")):
        figure = draw.filters(network(), "3", count)
        assert figure.get_suptitle().endswith(f"\nin columns: {channels}")
        sheet = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
        kept = values[order][:count, :count]
        rows = sheet[np.isfinite(sheet).any(axis=1)]
        assert rows.shape[0] == 2 * len(kept)
        for i, own in enumerate(kept):
            row = rows[2 * i : 2 * i + 2]
            full = row[:, np.isfinite(row).all(axis=0)]
            np.testing.assert_array_equal(full, np.concatenate(own, axis=1))
    assert drawn(figure)


def test_filters_of_three_channels_are_colours() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 4, seed=0), nn.Conv2d(2, 3, 2, seed=1))
    model[0].weight.data[0] *= 3
    figure = draw.filters(model)
    assert (
        figure.get_suptitle() == "2 filters of 0 Conv2d, the strongest first\nin colours; grey is 0"
    )
    [axes] = figure.axes
    sheet = np.asarray(axes.images[0].get_array())
    values = model[0].weight.numpy()
    scale = np.quantile(np.abs(values), 0.998)
    for left, filter_ in zip((0, 5), values, strict=True):
        expected = np.clip(0.5 + filter_.transpose(1, 2, 0) / (2 * scale), 0, 1)
        np.testing.assert_allclose(sheet[-4:, left : left + 4], expected, atol=1e-6)
    assert drawn(figure)
    inner = nn.Sequential(nn.Conv2d(1, 3, 2, seed=0), nn.Conv2d(3, 2, 2, seed=1))
    assert draw.filters(inner, "1").get_suptitle().endswith("in columns: 3 channels")


class Own(nn.Module):
    """A kernel of its own, in a list, and a convolution that is defined first and called last."""

    def __init__(self) -> None:
        self.last = nn.Conv2d(2, 2, 2, seed=0)
        self.first = nn.Conv2d(1, 2, 2, seed=0)
        self.kernels = [nn.Conv2d(2, 2, 2, seed=1).weight]

    def forward(self, x: Any) -> Any:
        x = nn.functional.conv2d(self.first(np.reshape(x, (-1, 1, 6, 6))), self.kernels[0])
        return self.last(x)


def test_feature_maps_are_what_the_layers_put_out() -> None:
    image = RNG.random((1, 1, 9, 9))
    colours = RNG.random((3, 9, 9))
    for model, given, x, layers in (
        (network(), image, image, {"0": (7, 6), "3": (6, 5)}),
        (network(), image, image, {"2": (7, 6)}),
        (network(3), colours, colours[None], {"0": (7, 6), "3": (6, 5)}),
        (Own(), RNG.random(36), None, {"first": (5, 5), "last": (3, 3), "": (3, 3)}),
    ):
        alone = next(iter(layers)) if len(layers) == 1 else None
        figure = draw.feature_maps(model, given, alone, title="zoo")
        picture, *panels = figure.axes
        assert len(panels) == 2 * len(layers)  # each with a legend
        x = given.reshape(1, 36) if x is None else x
        shown = np.asarray(picture.images[0].get_array())
        np.testing.assert_array_equal(shown, x[0].transpose(1, 2, 0) if shown.ndim == 3 else
                                      x.reshape(shown.shape))  # fmt: skip
        for axes, (name, (high, wide)) in zip(panels, layers.items(), strict=False):
            maps = training.features(model, x, name)[0]
            for tile, map_ in zip(tiles(axes, high, wide), maps, strict=True):
                np.testing.assert_array_equal(tile, map_)
            kind = type(dict(model.named_modules())[name]).__name__
            title = f"{name} {kind}".strip() + f": {len(maps)} channels of {high}×{wide}"
            assert axes.get_title() == title
    assert drawn(figure)


def test_many_layers_and_many_channels() -> None:
    model = nn.Sequential(*[nn.Conv2d(1, 1, 1, seed=i) for i in range(6)])
    figure = draw.feature_maps(model, np.ones((1, 3, 3)))
    titles = [axes.get_title().split(":")[0] for axes in figure.axes if axes.get_title()]
    assert titles == ["0 Conv2d", "2 Conv2d", "3 Conv2d", "5 Conv2d"]
    assert figure.axes[1].get_title() == "0 Conv2d: 1 channel of 3×3"
    assert draw.filters(model).get_suptitle() == "1 filter of 0 Conv2d, the strongest first"
    figure = draw.feature_maps(network(), RNG.random((9, 9))[None], "0", count=4)
    assert figure.axes[1].get_title() == "0 Conv2d: 4 of 10 channels of 7×6"
    assert len(tiles(figure.axes[1], 7, 6)) == 4


MLP = nn.Sequential(nn.Linear(9, 4, seed=0), nn.ReLU())
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: draw.filters(MLP), ValueError,
     "filters: Sequential has no weight of four axes, .*; those that have one: none"),
    (lambda: draw.filters(network(), "1"), ValueError,
     "layer '1' has no weight of four axes, .*: '0', '3'"),
    (lambda: draw.filters(network(), []), ValueError, "layer .* has no weight of four axes"),  # type: ignore[arg-type]
    (lambda: draw.filters(network(), count=0), ValueError, r"filters\(count=0\)"),
    (lambda: draw.filters(network()[0].weight), TypeError, "Module"),  # type: ignore[arg-type]
    (lambda: draw.feature_maps(MLP, np.ones(9)), ValueError,
     "feature_maps: Sequential has no convolution"),
    (lambda: draw.feature_maps(network(), np.ones((2, 1, 9, 9))), ShapeError,
     r"feature_maps: 2 images of shape \(1, 9, 9\); give one of them"),
    (lambda: draw.feature_maps(network(), np.ones((1, 9, 9)), "5"), ShapeError,
     r"layer '5' puts out shape \(1, 180\); expected \(n, channels, h, w\)"),
    (lambda: draw.feature_maps(network(), np.ones((1, 9, 9)), "8"), ValueError, "no layer '8'"),
]  # fmt: skip


def test_what_is_refused() -> None:
    for call, error, message in REFUSED:
        with pytest.raises(error, match=message):
            call()
