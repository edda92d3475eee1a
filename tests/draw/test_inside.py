"""Pictures of weights, and of activations and gradients over time."""

from typing import Any

import numpy as np
import pytest

from tests.draw.pictured import drawn
from tinygrad_np import ShapeError, nn
from tinygrad_np.draw import inside
from tinygrad_np.training import Histograms
from tinygrad_np.training.record import histogram

pytest.importorskip("matplotlib")


def sheet(figure: Any) -> np.ndarray:
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def test_weights_strongest_first() -> None:
    units = np.array([[1, 2, 3, 4], [9, -8, 7, 6], [0, 0, 0, 1]], float)
    figure = inside.weights(units, (2, 2), count=2, title="a title")
    assert figure.get_suptitle() == "a title\n2 of 3 units of the first layer, the strongest first"
    shown = sheet(figure)
    assert shown.shape == (3, 6)
    np.testing.assert_array_equal(shown[1:, :2], [[9, -8], [7, 6]])
    np.testing.assert_array_equal(shown[1:, 3:5], [[1, 2], [3, 4]])
    assert np.isnan(shown[0]).all()
    assert np.isnan(shown[:, 2]).all()
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "0"]
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    assert 8.9 < high <= 9
    assert drawn(figure)


def test_weights_in_rows_of_ten() -> None:
    figure = inside.weights(np.arange(23 * 784.0).reshape(23, 784))
    assert sheet(figure).shape == (3 * 33, 10 * 30)
    assert [text.get_text() for text in figure.axes[0].texts] == [str(i) for i in range(22, -1, -1)]


def test_weights_of_a_model_are_those_of_its_first_layer() -> None:
    model = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3, seed=0), nn.Linear(3, 2, seed=1))
    figure = inside.weights(model, (2, 2))
    values = sheet(figure)
    strongest = np.linalg.norm(model[1].weight.numpy(), axis=1).argmax()
    np.testing.assert_array_equal(values[1:, :2].ravel(), model[1].weight.numpy()[strongest])


def test_filters_have_a_shape_of_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, (2, 4), seed=0), nn.Flatten())
    filters = model[0].weight.numpy()
    figure = inside.weights(model)
    shown = sheet(figure)
    assert shown.shape == (3, 27)  # 3 of (2, 8), a line above them, a column behind each
    strongest = filters[int(figure.axes[0].texts[0].get_text())]
    np.testing.assert_array_equal(shown[1:, :4], strongest[0])
    np.testing.assert_array_equal(shown[1:, 4:8], strongest[1])
    assert drawn(figure)


def test_weights_of_a_run_that_diverged() -> None:
    assert drawn(inside.weights(np.array([[np.nan, np.inf, 1, 2]] * 3), (2, 2)))
    assert drawn(inside.weights(np.full((2, 4), np.nan), (2, 2)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            np.zeros((3, 5)),
            r"weights of shape \(3, 5\) are no images of shape \(2, 2\); give shape",
        ),
        (np.zeros(4), r"weights of shape \(4,\)"),
        (np.zeros((0, 4)), r"weights of shape \(0, 4\)"),
        (nn.Linear(5, 3, seed=0), r"weights of shape \(3, 5\)"),
        (nn.ReLU(), "ReLU has no weights; give a model"),
    ],
)
def test_weights_that_are_no_images(model: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        inside.weights(model, (2, 2))


def recorded(epochs: int = 3, depth: int = 3) -> Histograms:
    layers = [nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, seed=1)]
    model = nn.Sequential(*layers[:depth])
    x = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    record = Histograms(model, x, np.arange(20) % 3)
    for epoch in range(epochs):
        record.record(epoch)
        for parameter in model.parameters():
            parameter.data[...] *= 2
    return record


def test_histograms() -> None:
    record = recorded()
    figure = inside.histograms(record, "a title")
    shown = {axes.get_title().split("\n")[0]: axes for axes in figure.axes if axes.axison}
    assert list(shown) == [
        "0 Linear", "1 ReLU", "2 Linear", "0.weight", "0.bias", "2.weight", "2.bias",
    ]  # fmt: skip
    last = record.activations["1"][-1]
    assert last.zeros > 0
    expected = f"1 ReLU\n{100 * last.zeros / last.size:.0f} % zeros at the end"
    assert shown["1 ReLU"].get_title() == expected
    assert shown["0 Linear"].get_title() == "0 Linear\n"
    [mesh] = shown["0 Linear"].collections
    depth = np.asarray(mesh.get_array())
    assert depth.shape == (40, 3)
    np.testing.assert_allclose(depth.max(axis=0), 1)
    assert shown["0 Linear"].get_xlim() == (-0.5, 2.5)
    medians = shown["0 Linear"].lines[1].get_ydata()
    outputs = record.activations["0"]
    for found, kept in zip(medians, outputs, strict=True):
        below = kept.counts[kept.edges[1:] <= found].sum()
        assert abs(below / kept.counts.sum() - 0.5) < 0.1
    assert figure.get_suptitle() == "a title"
    assert figure.get_supxlabel() == "epoch"
    assert drawn(figure)


def test_shares_and_quantiles() -> None:
    counted = histogram(np.array([1.0, 1, 1, 3]), 2)
    np.testing.assert_array_equal(counted.edges, [1, 2, 3])
    np.testing.assert_allclose(
        inside._shares(counted, np.array([1, 1.5, 2, 3])), [0.375, 0.375, 0.25]
    )
    assert inside._quantile(counted, 0.75) == 2
    assert inside._quantile(counted, 0.375) == 1.5


def test_histograms_of_one_epoch_and_of_nothing() -> None:
    assert drawn(inside.histograms(recorded(1, depth=2)))
    record = recorded(depth=2)
    empty = histogram(np.array([0.0, np.nan]), 4)
    record.activations["1"] = [empty] * 3
    figure = inside.histograms(record)
    [panel] = [axes for axes in figure.axes if axes.get_title().startswith("1 ReLU")]
    assert [text.get_text() for text in panel.texts] == ["nothing"]
    assert drawn(figure)
    with pytest.raises(ValueError, match="empty record; train with it among the callbacks"):
        inside.histograms(recorded(0))
