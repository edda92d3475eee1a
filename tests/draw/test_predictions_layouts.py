"""Images of predictions in every layout are shown the same."""

from typing import Any

import numpy as np
import pytest

from tinygrad_np import DataError, ShapeError, draw

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
LABELS, LOGITS = np.array([0, 1]), np.eye(2)


def shown(images: Any) -> Any:
    return [np.asarray(axes.images[0].get_array()) for axes in
            draw.predictions(images, LABELS, LOGITS).axes[:2]]  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_and_last(channels: int) -> None:
    last = RNG.random((2, 9, 8, channels))
    expected = last[..., 0] if channels == 1 else last
    np.testing.assert_array_equal(shown(last), expected)
    np.testing.assert_array_equal(shown(last.transpose(0, 3, 1, 2)), expected)
    if channels == 1:
        np.testing.assert_array_equal(shown(last[..., 0]), expected)


def test_what_may_be_meant_in_two_ways_is_refused() -> None:
    with pytest.raises(DataError, match=r"predictions: .* channels may be the second axis or the"):
        shown(np.zeros((2, 3, 8, 3)))
    with pytest.raises(ShapeError, match=r"images.reshape\(n, h, w\) makes images of rows of"):
        shown(np.zeros((2, 64)))
