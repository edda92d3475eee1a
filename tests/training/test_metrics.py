"""Metrics: values by hand, by slow loops, by scikit-learn; and refusals."""

from typing import Any

import numpy as np
import pytest

from tinygrad_np import ShapeError, training


def test_accuracy() -> None:
    assert training.accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4])) == 0.75
    assert training.accuracy([0], [1]) == 0.0
    assert type(training.accuracy([1], [1])) is float


def test_confusion() -> None:
    counts = training.confusion([0, 1, 1, 2, 0], np.array([0, 1, 2, 2, 0]), 4)
    expected = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int64


@pytest.mark.parametrize(
    "metric",
    [
        training.accuracy,
        lambda p, y: training.confusion(p, y, 3),
        lambda p, y: training.precision_recall(p, y, 3),
    ],
)
@pytest.mark.parametrize(
    ("predictions", "labels"),
    [((3,), (3, 1)), ((3, 1), (3,)), ((3,), (4,)), ((), ()), ((3, 3), (3, 3)), ((0,), (0,))],
)
def test_shapes_are_refused(metric: Any, predictions: Any, labels: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        metric(np.zeros(predictions, int), np.zeros(labels, int))
    assert f"predictions of shape {predictions} and labels of shape {labels}" in str(caught.value)
    hint = "of logits use argmax(axis=1)"
    assert (hint in str(caught.value)) == (len(predictions) == 2)


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [([3, 0], [0, 1], "predictions from 0 to 3 for 3"), ([0, 1], [-1, 0], "labels from -1 to 0")],
)
def test_confusion_refuses_classes_out_of_range(
    predictions: Any, labels: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        training.confusion(predictions, labels, 3)


def test_classes_are_integers() -> None:
    with pytest.raises(TypeError, match="confusion: predictions of dtype float64; they must be"):
        training.confusion(np.array([0.0, 1.0]), [0, 1], 2)
    with pytest.raises(TypeError, match="top_k: labels of dtype bool"):
        training.top_k(np.eye(2), np.array([True, False]), 1)


SCORES = np.array([[0.1, 0.5, 0.4], [0.6, 0.1, 0.3], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])


def test_top_k() -> None:
    labels = [1, 2, 0, 2]
    assert [training.top_k(SCORES, labels, k) for k in (1, 2, 3)] == [0.25, 0.5, 1.0]
    assert type(training.top_k(SCORES, labels, 1)) is float


def test_top_k_of_equal_scores_prefers_earlier_classes() -> None:
    same = np.zeros((4, 4))
    assert [training.top_k(same, [0, 1, 2, 3], k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


def test_a_nan_is_no_score() -> None:
    nothing = np.full((2, 3), np.nan)
    assert [training.top_k(nothing, [0, 1], k) for k in (1, 2, 3)] == [0, 0, 0]


def drawn(n: int = 500, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that say something about the labels; class 5 has no example."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes - 1, n)
    logits = rng.standard_normal((n, classes)) + 1.5 * np.eye(classes)[labels]
    logits[:, 4] -= 100  # never predicted
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


def test_top_1_is_the_accuracy() -> None:
    scores, labels = drawn()
    scores = scores.round(1)  # ties
    assert training.top_k(scores, labels, 1) == training.accuracy(scores.argmax(axis=1), labels)


@pytest.mark.parametrize(
    ("k", "labels", "error", "message"),
    [
        (0, [0, 0, 0, 0], ValueError, "k=0.: an int from 1 up"),
        (4, [0, 0, 0, 0], ValueError, "k=4 for 3 classes"),
        (1, [0, 0, 0, 3], ValueError, "labels from 0 to 3 for 3 classes"),
        (1, [0, 0, 0], ShapeError, r"scores of shape \(4, 3\) and labels of shape \(3,\)"),
    ],
)
def test_top_k_refuses(k: int, labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        training.top_k(SCORES, labels, k)


def test_precision_and_recall() -> None:
    found = training.precision_recall([0, 0, 0, 1, 1], [0, 0, 1, 1, 2], 4)
    nan = np.nan
    np.testing.assert_array_equal(found.precision, [2 / 3, 1 / 2, nan, nan])
    np.testing.assert_array_equal(found.recall, [1, 1 / 2, 0, nan])
    np.testing.assert_array_equal(found.f1, [4 / 5, 1 / 2, 0, nan])
    np.testing.assert_array_equal(found.support, [2, 2, 1, 0])


def calibration_by_hand(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> Any:
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    rows, error = [], 0.0
    for m in range(bins):
        inside = (sure > m / bins) & (sure <= (m + 1) / bins)
        if not inside.any():
            rows.append((0, np.nan, np.nan))
            continue
        rows.append((inside.sum(), sure[inside].mean(), right[inside].mean()))
        error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    brier = np.mean([np.sum((p - np.eye(len(p))[y]) ** 2) for p, y in zip(probabilities, labels,
                                                                         strict=True)])  # fmt: skip
    return rows, error, brier


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_calibration(bins: int) -> None:
    probabilities, labels = drawn()
    found = training.calibration(probabilities, labels, bins)
    rows, error, brier = calibration_by_hand(probabilities, labels, bins)
    counts, confidence, accuracy = zip(*rows, strict=True)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.confidence, confidence, rtol=1e-12)
    np.testing.assert_allclose(found.accuracy, accuracy, rtol=1e-12)
    np.testing.assert_allclose(found.edges, np.arange(bins + 1) / bins)
    assert found.expected_error == pytest.approx(error)
    gaps = [abs(a - c) for _, c, a in rows if c == c]
    assert found.greatest_error == pytest.approx(max(gaps))
    assert found.brier == pytest.approx(brier)


def test_calibration_of_what_is_always_sure() -> None:
    """Confidence 1 stands in the last bin; right half of the time, half of it is error."""
    found = training.calibration(np.eye(2)[[0, 1, 0, 1]], [0, 1, 1, 0], 4)
    np.testing.assert_array_equal(found.counts, [0, 0, 0, 4])
    assert (found.expected_error, found.greatest_error, found.brier) == (0.5, 0.5, 1.0)
    sure = training.calibration(np.eye(2)[[0, 1]].astype(np.float32), [0, 1])
    assert (sure.expected_error, sure.brier) == (0, 0)


@pytest.mark.parametrize(
    ("values", "bins", "message"),
    [
        ([[2.0, -1.0]], 15, "values from -1 to 2 in rows that do not sum to 1; give probabilities"),
        ([[0.5, 0.2]], 15, "softmax"),
        ([[np.nan, 0.2]], 15, "do not sum to 1"),
        ([[0.5, 0.5]], 0, "bins=0.: an int from 1 up"),
    ],
)
def test_calibration_refuses(values: Any, bins: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training.calibration(values, [0], bins)
    with pytest.raises(ShapeError, match=r"calibration: probabilities of shape \(2,\)"):
        training.calibration([0.5, 0.5], [0, 1])


def test_scikit_learn_agrees() -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    probabilities, labels = drawn()
    guesses = probabilities.argmax(axis=1)
    every = list(range(6))
    np.testing.assert_array_equal(
        training.confusion(guesses, labels, 6),
        theirs.confusion_matrix(labels, guesses, labels=every),
    )
    found = training.precision_recall(guesses, labels, 6)
    expected = theirs.precision_recall_fscore_support(
        labels, guesses, labels=every, zero_division=np.nan
    )
    assert np.isnan(found.precision[4])
    assert np.isnan(found.recall[5])
    ours = (found.precision, found.recall, found.f1, found.support)
    for name, mine, other in zip(("precision", "recall", "f1", "support"), ours, expected,
                                 strict=True):  # fmt: skip
        np.testing.assert_allclose(mine, other, rtol=1e-12, err_msg=name)
    for k in (1, 2, 5):
        other = theirs.top_k_accuracy_score(labels, probabilities, k=k, labels=every)
        assert training.top_k(probabilities, labels, k) == pytest.approx(other)
    two = probabilities[:, 0]
    true = (two + np.random.default_rng(1).normal(0, 0.3, len(two)) > 0.5).astype(int)
    brier = training.calibration(np.stack([1 - two, two], axis=1), true).brier
    assert brier == pytest.approx(2 * theirs.brier_score_loss(true, two))  # of both classes
