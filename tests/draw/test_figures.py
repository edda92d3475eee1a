"""Pictures of training: what stands where, and in which colour."""

import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.draw.pictured import drawn
from tinygrad_np import DataError, ShapeError, draw, nn
from tinygrad_np.draw import figures
from tinygrad_np.training import Epoch, History

pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex

HISTORY = [
    Epoch(1, 1.0, 0.1, 2.0, 0.5, 1.5, 0.6, [3.0, 2.0, 1.5, 1.5], [0.25, 0.5, 0.5, 0.75]),
    Epoch(2, 1.0, 0.1, 1.0, 0.75, 0.8, 0.8, [1.2, 1.0, 0.9, 0.9], [0.5, 0.75, 0.75, 1.0]),
    Epoch(3, 1.0, 0.1, 0.5, 0.9, 0.6, 0.85, [0.6, 0.5, 0.5, 0.4], [1.0, 0.75, 1.0, 1.0]),
]


def lines(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines
    }


def test_curves() -> None:
    figure = figures.curves(HISTORY, "a title")
    left, right = figure.axes
    assert figure.get_suptitle() == "a title"
    assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "loss (cross-entropy, nats)")
    assert (right.get_xlabel(), right.get_ylabel()) == ("epoch", "accuracy (%)")
    every_step = [loss for epoch in HISTORY for loss in epoch.step_losses]
    shares = [100 * share for epoch in HISTORY for share in epoch.step_accuracies]
    assert lines(left) == {
        "training, every step": (list(np.arange(1, 13) / 4), every_step),
        "training, mean of the epoch": ([0.5, 1.5, 2.5], [2.0, 1.0, 0.5]),
        "validation": ([1, 2, 3], [1.5, 0.8, 0.6]),
    }
    assert lines(right) == {
        "training, every step": (list(np.arange(1, 13) / 4), shares),
        "training, mean of the epoch": ([0.5, 1.5, 2.5], [50, 75, 90]),
        "validation": ([1, 2, 3], [60, 80, 85]),
    }
    [legend] = figure.legends  # below both, so that it covers no point
    for axes in figure.axes:
        assert [t.get_text() for t in legend.get_texts()] == list(lines(axes))
        assert axes.get_xlim() == pytest.approx((0, 3.06))
        assert all(tick == round(tick) for tick in axes.get_xticks())
    assert left.get_ylim() == (0, 2.5)
    # what the epochs need; steps may leave the picture below, and are seen at 100 %
    assert right.get_ylim() == pytest.approx((46, max(shares) + 0.8))
    colours = {line.get_label(): to_hex(line.get_color()).upper() for line in left.lines}
    assert colours == {
        "training, every step": figures.TRAIN,
        "training, mean of the epoch": figures.TRAIN,
        "validation": figures.VALIDATION,
    }
    assert drawn(figure).startswith(b"\x89PNG")


def test_curves_without_validation_or_steps() -> None:
    figure = figures.curves([Epoch(1, 1.0, 0.1, 2.0, 0.5), Epoch(2, 1.0, 0.1, 1.0, 0.6)])
    assert [list(lines(axes)) for axes in figure.axes] == [["training, mean of the epoch"]] * 2
    assert [axes.get_ylim() for axes in figure.axes] == [(0, 2.5), (49, 61)]
    assert drawn(figure)


def test_curves_of_targets_that_are_no_labels() -> None:
    nan = math.nan
    history = [Epoch(1, 1.0, 0.1, 2.0, nan, 1.5, nan, [3.0, 1.0], [nan, nan])]
    _, right = figures.curves(history).axes
    assert right.get_ylim() == (-10, 110)


def test_curves_of_full_batches() -> None:
    """One step per epoch is no curve of its own for one epoch, but is for many."""
    history = [Epoch(e, 1.0, 0.1, 1 / e, 0.5, 1 / e, 0.5, [1 / e]) for e in range(1, 101)]
    left, _ = figures.curves(history).axes
    assert list(lines(left)) == ["training, mean of the epoch", "validation"]
    assert {line.get_marker() for line in left.lines} == {"None"}


def test_curves_of_a_run_that_diverged() -> None:
    history = [HISTORY[0], Epoch(2, 1.0, 0.1, math.nan, 0.1, math.inf, 0.1, [math.nan, math.inf])]
    figure = figures.curves(history)
    assert figure.axes[0].get_ylim() == (0, 2.5)
    assert drawn(figure)
    nothing = figures.curves([Epoch(1, 1.0, 0.1, math.nan, 0.1, math.nan, 0.1, [math.nan])])
    assert nothing.axes[0].get_ylim() == (0, 1.25)


@pytest.mark.parametrize("nothing", [[], [[]], [HISTORY, []], History()])
def test_curves_of_nothing(nothing: Any) -> None:
    with pytest.raises(ValueError, match="train for at least one epoch"):
        figures.curves(nothing)


def test_curves_of_a_history_as_fit_gives_it() -> None:
    left, _ = figures.curves(History(epochs=HISTORY)).axes
    assert lines(left)["validation"] == ([1, 2, 3], [1.5, 0.8, 0.6])


def test_curves_of_several_seeds() -> None:
    """A mean in a band of one standard deviation, over the epochs that both have."""
    longer = [
        replace(epoch, train_loss=epoch.train_loss + 1, validation_accuracy=0.5,
                step_losses=[loss + 1 for loss in epoch.step_losses])
        for epoch in (*HISTORY, replace(HISTORY[2], epoch=4))
    ]  # fmt: skip
    figure = figures.curves([HISTORY, longer], "two")
    left, right = figure.axes
    found = lines(left)
    places, means = found["training, 2 runs: mean ± sd"]
    assert (places, means) == ([0.5, 1.5, 2.5], [2.5, 1.5, 1.0])
    assert found["training, every step, mean"][1][:2] == [3.5, 2.5]
    assert lines(right)["validation, 2 runs: mean ± sd"] == ([1, 2, 3], [55, 65, 67.5])
    assert left.get_xlim() == pytest.approx((0, 4.08))
    band = left.collections[0].get_paths()[0].vertices
    spread = math.sqrt(0.5)  # of a, a + 1
    assert {round(y, 6) for x, y in band if x == 1.5} == {
        round(1.5 - spread, 6), round(1.5 + spread, 6),
    }  # fmt: skip
    alone = [list(line.get_ydata()) for line in left.lines if line.get_alpha() == 0.25]
    assert alone[:2] == [[2.0, 1.0, 0.5], [3.0, 2.0, 1.5, 1.5]]
    assert drawn(figure)


IMAGES = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2)
LABELS = np.array([0, 1, 2, 0, 1, 2])
LOGITS = np.log([
    [0.90, 0.05, 0.05],  # right
    [0.60, 0.30, 0.10],  # 1 taken for 0
    [0.05, 0.15, 0.80],  # right
    [0.02, 0.96, 0.02],  # 0 taken for 1, and surer
    [0.25, 0.50, 0.25],  # right
    [0.01, 0.01, 0.98],  # right
])  # fmt: skip


def shown(figure: Any) -> list[tuple[str, str]]:
    """Title and colour of the frame of every image that is there."""
    found = []
    for axes in figure.axes:
        if axes.axison:
            [colour] = {to_hex(edge.get_edgecolor()).upper() for edge in axes.spines.values()}
            assert to_hex(axes.title.get_color()).upper() == colour
            found.append((axes.get_title(), colour))
    return found


def test_predictions() -> None:
    figure = figures.predictions(IMAGES, LABELS, LOGITS)
    assert figure.get_suptitle() == "2 of 6 wrong: most confident mistakes, then right ones"
    assert shown(figure) == [
        ("0 taken for 1\n96 % sure", figures.WRONG),
        ("1 taken for 0\n60 % sure", figures.WRONG),
        ("0\n90 % sure", figures.RIGHT),
        ("2\n80 % sure", figures.RIGHT),
        ("1\n50 % sure", figures.RIGHT),
        ("2\n98 % sure", figures.RIGHT),
    ]
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.axison]
    for picture, i in zip(pictures, [3, 1, 0, 2, 4, 5], strict=True):
        np.testing.assert_array_equal(picture, IMAGES[i])
    for axes in figure.axes:
        if axes.axison:
            assert (list(axes.get_xticks()), list(axes.get_yticks())) == ([], [])
    assert drawn(figure)


@pytest.mark.parametrize(
    ("n", "wrong", "count", "expected", "grid"),
    [
        (100, 50, 25, (15, 10), 25),
        (100, 3, 10, (3, 7), 12),
        (100, 99, 10, (9, 1), 12),
        (100, 100, 10, (10, 0), 12),
        (100, 0, 10, (0, 10), 12),
        (100, 50, 1, (1, 0), 1),
        (5, 2, 25, (2, 3), 6),
        (1, 0, 25, (0, 1), 1),
        (100, 50, 10, (6, 4), 12),
    ],
)
def test_how_many_of_each(n: int, wrong: int, count: int, expected: Any, grid: int) -> None:
    labels = np.zeros(n, int)
    logits = np.tile([1.0, 0.0], (n, 1))
    logits[:wrong] = [0.0, 1.0]
    figure = figures.predictions(np.zeros((n, 3, 3)), labels, logits, count=count)
    colours = [colour for _, colour in shown(figure)]
    assert (colours.count(figures.WRONG), colours.count(figures.RIGHT)) == expected
    assert colours == sorted(colours, reverse=True)
    assert len(figure.axes) == grid


def test_a_title_stands_above_the_count() -> None:
    figure = figures.predictions(np.zeros((2000, 2, 2)), np.zeros(2000, int),
                                 np.tile([1e4, -1e4], (2000, 1)), title="ref-3")  # fmt: skip
    assert figure.get_suptitle() == (
        "ref-3\n0 of 2,000 wrong: most confident mistakes, then right ones"
    )
    assert shown(figure)[0] == ("0\n100 % sure", figures.RIGHT)


def test_predictions_with_names() -> None:
    figure = figures.predictions(IMAGES, LABELS, LOGITS, names=["ankle boot", "bag", "coat"])
    assert [title for title, _ in shown(figure)][1:3] == [
        "bag\ntaken for ankle boot\n60 % sure", "ankle boot\n90 % sure",
    ]  # fmt: skip
    assert drawn(figure)


def test_the_hardest_have_the_largest_loss() -> None:
    figure = figures.hardest(IMAGES, LABELS, LOGITS, count=4, title="zoo")
    assert figure.get_suptitle() == "zoo\nlargest loss: 4 of 6 images"
    assert shown(figure) == [
        ("0 taken for 1\n96 % sure, loss 3.9", figures.WRONG),  # -log 0.02
        ("1 taken for 0\n60 % sure, loss 1.2", figures.WRONG),  # -log 0.3
        ("1\n50 % sure, loss 0.69", figures.RIGHT),
        ("2\n80 % sure, loss 0.22", figures.RIGHT),
    ]
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.axison]
    for picture, i in zip(pictures, [3, 1, 4, 2], strict=True):
        np.testing.assert_array_equal(picture, IMAGES[i])
    named = figures.hardest(IMAGES, LABELS, LOGITS, 2, names=["ankle boot", "bag", "coat"])
    assert shown(named)[0][0] == "ankle boot\ntaken for bag\n96 % sure, loss 3.9"
    assert drawn(named)
    colours = np.random.default_rng(0).random((6, 3, 2, 5))
    [axes, *_] = figures.hardest(colours, LABELS, 5 * LOGITS, 1).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), colours[3].transpose(1, 2, 0))


def test_grids_of_no_images() -> None:
    for show in (figures.hardest, figures.predictions):
        for none in (np.zeros((0, 2, 2)), np.zeros((0, 3, 5, 4))):
            assert shown(show(none, LABELS[:0], LOGITS[:0])) == []


def test_the_hardest_of_what_has_no_loss() -> None:
    with pytest.raises(ValueError, match="hardest: the logits are not all finite; train to"):
        figures.hardest(IMAGES, LABELS, np.where(LOGITS < -4, np.nan, LOGITS))
    with pytest.raises(DataError, match="labels"):
        figures.hardest(IMAGES, LABELS + 1, LOGITS)
    for show in (figures.hardest, figures.predictions):
        with pytest.raises(ShapeError, match=f"{show.__name__}: 2 names for 3 classes"):
            show(IMAGES, LABELS, LOGITS, names=["cat", "dog"])
        with pytest.raises(ShapeError, match=f"{show.__name__}: images of shape"):
            show(IMAGES[:5], LABELS, LOGITS)


@pytest.mark.parametrize(("names", "angle"), [(["cat", "dog"], 0), (["bird", "dog"], 45)])
def test_long_names_of_classes_are_slanted(names: list[str], angle: float) -> None:
    [axes] = figures.confusion(np.eye(2, dtype=int), names).axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {angle}


def test_long_names_of_classes_are_their_beginning() -> None:
    names = ["$cash$", "x" * 16, "a name of many words", "y" * 17, "y" * 18]
    [axes] = figures.confusion(np.eye(5, dtype=int), names).axes
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == [
            r"\$cash\$", "x" * 16, "a name of many…", "y" * 10 + "… (#3)", "y" * 10 + "… (#4)",
        ]  # fmt: skip


def test_titles_of_images_stand_apart_and_inside() -> None:
    names = ["hummingbird", "golden retriever", "German shepherd of the house"]
    for show in (figures.hardest, figures.predictions):
        images, labels, logits = (np.repeat(a, 4, 0) for a in (IMAGES, LABELS, LOGITS))
        figure = show(images, labels, logits, names=names)
        figure.draw_without_rendering()
        boxes = [axes.title.get_window_extent() for axes in figure.axes]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("names", [None, [f"class {i}" for i in range(41)]])
def test_confusion_of_many_classes(names: list[str] | None) -> None:
    figure = figures.confusion(np.eye(41, dtype=int), names)
    [axes] = figure.axes
    assert axes.get_title() == "41 of 41 right, 41 classes without names and counts"
    assert not axes.texts and max(figure.get_size_inches()) < 10


def test_confusion() -> None:
    counts = np.array([[1000, 5, 0], [300, 200, 0], [0, 0, 0]])
    figure = figures.confusion(counts, ["cat", "dog", "cow"], title="pets")
    [axes] = figure.axes
    assert axes.get_title() == "pets\n1,200 of 1,505 right"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "label")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["cat", "dog", "cow"]
    texts = {t.get_text(): (t.get_position(), t.get_color()) for t in axes.texts}
    assert texts == {
        "1000": ((0, 0), "white"),
        "5": ((1, 0), "black"),
        "300": ((0, 1), "white"),
        "200": ((1, 1), "white"),
    }
    np.testing.assert_allclose(
        axes.images[0].get_array(),
        np.array([[1000 / 1005, 5 / 1005, 0], [0.6, 0.4, 0], [0, 0, 0]]) ** 0.4,
    )
    assert drawn(figure)


def test_confusion_names_classes_by_number() -> None:
    [axes] = figures.confusion(np.eye(10, dtype=int)).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list("0123456789")
    assert axes.get_title() == "10 of 10 right"


@pytest.mark.parametrize(
    ("images", "labels", "logits"),
    [((5, 28, 28), (3,), (5, 10)), ((5, 784), (5,), (5, 10)), ((5, 2, 2), (5,), (4, 10)),
     ((5, 2, 2), (5,), (5,)), ((), (), ())],
)  # fmt: skip
def test_predictions_of_other_shapes(images: Any, labels: Any, logits: Any) -> None:
    with pytest.raises(ShapeError, match=r"expected \(n, h, w\), \(n,\) and \(n, classes\)"):
        figures.predictions(np.zeros(images), np.zeros(labels, int), np.zeros(logits))


@pytest.mark.parametrize(
    ("shape", "names"), [((3, 4), None), ((), None), ((3,), None), ((3, 3), ["cat", "dog"])]
)
def test_confusion_of_other_shapes(shape: Any, names: Any) -> None:
    with pytest.raises(ShapeError, match=r"confusion: counts of shape .* expected \(classes, cl"):
        figures.confusion(np.zeros(shape, int), names)


# in tenths of a bin: sure 95, 95 and 65 %, of which one, not, and one are right
SURE = np.array([[0.95, 0.05, 0], [0.95, 0.05, 0], [0.35, 0.65, 0]])


@pytest.mark.parametrize("predictions", [SURE, np.log(SURE + 1e-30) + np.array([[3], [0], [-5]])])
def test_reliability_of_probabilities_and_of_logits(predictions: Any) -> None:
    figure = figures.reliability(predictions, np.array([0, 2, 1]), title="three")
    above, below = figure.axes
    # |0.5 - 0.95| for two of three, |1 - 0.65| for one
    assert above.get_title() == "three\nexpected calibration error 41.67 points"
    bars = [(round(bar.get_x()), bar.get_height()) for bar in above.patches]
    assert bars == [(60, 100), (90, 50)]
    assert [(round(bar.get_x()), bar.get_height()) for bar in below.patches] == [(60, 1), (90, 2)]
    diagonal, points, *_ = above.lines
    assert (list(diagonal.get_xdata()), list(diagonal.get_ydata())) == ([0, 100], [0, 100])
    np.testing.assert_allclose(points.get_xydata(), [[65, 100], [95, 50]])
    whiskers = [segment[:, 1] for segment in above.collections[0].get_segments()]
    np.testing.assert_allclose(whiskers, [[20.65, 100], [9.45, 90.55]], atol=0.01)  # Wilson's
    assert (above.get_ylabel(), below.get_ylabel()) == ("right (%)", "examples")
    assert below.get_yscale() == "log"
    assert drawn(figure)


def test_reliability_of_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="calibration: values from nan"):
        figures.reliability(np.full((2, 3), np.nan), [0, 1])


def test_titles_that_are_wider_than_the_figure_are_wrapped() -> None:
    title = "fashion-distorted on handwritten-letters-of-the-archive.parquet, seed 12 and others"
    for figure in (
        figures.hardest(IMAGES, LABELS, LOGITS, 1, title),
        figures.confusion(np.eye(9, dtype=int), title=title),
        draw.embedding(np.eye(3), [0, 1, 2], "pca", title=title),
    ):
        figure.draw_without_rendering()
        shown = figure._suptitle or figure.axes[0].title
        assert title in shown.get_text()
        box = shown.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height


def test_pictures_touch_no_global_state() -> None:
    before = "matplotlib.pyplot" in sys.modules
    figures.confusion(np.eye(2, dtype=int))
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.curves(HISTORY),
        lambda: figures.predictions(IMAGES, LABELS, LOGITS),
        lambda: figures.confusion(np.eye(2)),
        lambda: figures.reliability(SURE, np.array([0, 1, 2])),
        lambda: draw.weights(np.zeros((3, 4)), (2, 2)),
        lambda: draw.embedding(np.eye(3), [0, 1, 2], "pca"),
        lambda: draw.hardest(IMAGES, LABELS, LOGITS),
        lambda: draw.saliency(nn.Linear(4, 2, seed=0), np.ones((1, 4))),
        lambda: draw.filters(nn.Conv2d(1, 1, 2, seed=0)),
        lambda: draw.feature_maps(nn.Conv2d(1, 1, 2, seed=0), np.ones((1, 2, 2))),
    ],
)
def test_without_matplotlib(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"need matplotlib: pip install matplotlib"):
        call()
