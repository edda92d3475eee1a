"""Pictures of a diagnosis: what stands where."""

import math
from typing import Any

import numpy as np
import pytest

from tests.draw.pictured import drawn
from tests.training.short import short
from tinygrad_np import draw, nn, training
from tinygrad_np.draw import doctor as pictures_of
from tinygrad_np.draw.figures import TRAIN, WRONG
from tinygrad_np.run.networks import MLP

pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex

NAMES = ["activations", "gradients", "learning-rate", "updates", "one-batch"]


def data(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 6)) + 3 * np.eye(6)[y]).astype(np.float32), y


@pytest.fixture(scope="module")
def report() -> training.Diagnosis:
    return training.diagnose(MLP((6, 8, 3), seed=0), *data(), 0.1, batch_size=32)


@pytest.fixture(scope="module")
def pictures(report: training.Diagnosis) -> Any:
    return draw.diagnosis(report, "a title")


@pytest.mark.slow
def test_all_are_drawn(pictures: Any) -> None:
    assert list(pictures) == NAMES
    for figure in pictures.values():
        assert figure.get_suptitle() == "a title"
        assert drawn(figure).startswith(b"\x89PNG")


def test_activations(report: training.Diagnosis, pictures: Any) -> None:
    shown = [axes for axes in pictures["activations"].axes if axes.axison]
    layers = report.measurements.start.layers  # type: ignore[union-attr]
    titles = [axes.get_title().splitlines() for axes in shown]
    assert [title[0] for title in titles] == [f"{s.name} ({s.kind})" for s in layers]
    assert titles[1][1] == f"{100 * layers[1].dead:.0f} % of units dead"
    assert titles[0][1].startswith("mean ")
    for axes, layer in zip(shown, layers, strict=True):
        heights = axes.patches[0].get_data().values
        np.testing.assert_allclose(heights, layer.histogram[0] / layer.histogram[0].sum())


def test_gradients(report: training.Diagnosis, pictures: Any) -> None:
    [axes] = pictures["gradients"].axes
    names, norms = zip(*report.measurements.start.depth_profile, strict=True)  # type: ignore[union-attr]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(names)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), norms)
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < min(norms) and max(norms) < high and high / low > 99.9


def test_range_of_learning_rates(report: training.Diagnosis, pictures: Any) -> None:
    [axes] = pictures["learning-rate"].axes
    test = report.measurements.range_test
    assert test is not None and test.suggested is not None
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["every step"].get_ydata(), test.losses)
    np.testing.assert_array_equal(lines["mean of half a decade"].get_xdata(), test.rates)
    marks = {name.split(":")[0]: line.get_xdata()[0] for name, line in lines.items()}
    assert marks["falls fastest"] == test.suggested
    assert marks["the optimiser's"] == 0.1
    assert axes.get_xscale() == "log"


def test_updates(report: training.Diagnosis, pictures: Any) -> None:
    [axes] = pictures["updates"].axes
    *lines, usual = axes.lines
    ratios = report.measurements.updates.ratios  # type: ignore[union-attr]
    assert [line.get_label() for line in lines] == list(ratios)
    for line, steps in zip(lines, ratios.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), steps)
    assert usual.get_label() == "usual: 0.001"


def test_one_batch(report: training.Diagnosis, pictures: Any) -> None:
    [axes] = pictures["one-batch"].axes
    test = report.measurements.overfit
    assert test is not None
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), test.losses)
    assert axes.get_title() == "32 examples by heart: learned, 100 % right"
    assert to_hex(axes.lines[0].get_color()).upper() == TRAIN


@short(30)
def test_the_ill_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_of, "MOST_LAYERS", 7)
    monkeypatch.setattr(pictures_of, "MOST_NAMES", 5)
    model = MLP((6, *[8] * 7, 3), "tanh", initial=nn.init.xavier_uniform, seed=0)
    state = model.state_dict()
    state["layers.4.weight"] *= 100
    model.load_state_dict(state)
    figures = draw.diagnosis(training.diagnose(model, *data(), 1e-3, batch_size=32))
    shown = [axes for axes in figures["activations"].axes if axes.axison]
    colours = {
        axes.get_title().split(" ")[0]: to_hex(axes.title.get_color()).upper() for axes in shown
    }
    assert len(shown) == 7
    assert [name for name, colour in colours.items() if colour == WRONG] == ["layers.5"]
    assert len(figures["gradients"].axes[0].get_xticklabels()) <= 5
    assert all(drawn(figures[name]) for name in ("activations", "gradients", "updates"))


@short(30)
def test_what_was_not_measured_is_not_drawn() -> None:
    x, y = data()
    x[3, 3] = math.nan
    assert draw.diagnosis(training.diagnose(MLP((6, 3), seed=0), x, y)) == {}
    x, y = data()
    lost = draw.diagnosis(training.diagnose(MLP((6, 3), initial=nn.init.zeros), x * 0, y, 0.1))
    assert list(lost) == ["activations", "learning-rate", "one-batch"]
    assert all(map(drawn, lost.values()))
