"""Accuracy and confusion: values and refusals."""

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


@pytest.mark.parametrize("metric", [training.accuracy, lambda p, y: training.confusion(p, y, 3)])
@pytest.mark.parametrize(
    ("predictions", "labels"),
    [((3,), (3, 1)), ((3, 1), (3,)), ((3,), (4,)), ((), ()), ((3, 3), (3, 3)), ((0,), (0,))],
)
def test_shapes_are_refused(metric: Any, predictions: Any, labels: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        metric(np.zeros(predictions, int), np.zeros(labels, int))
    assert f"predictions of shape {predictions} and labels of shape {labels}" in str(caught.value)


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [([3, 0], [0, 1], "predictions from 0 to 3 for 3"), ([0, 1], [-1, 0], "labels from -1 to 0")],
)
def test_confusion_refuses_classes_out_of_range(
    predictions: Any, labels: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        training.confusion(predictions, labels, 3)
