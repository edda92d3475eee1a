"""Pictures in every layout people have: read as they are meant, or refused with the remedy."""

import re
from typing import Any

import numpy as np
import pytest

from tinygrad_np.data import augment, normalise
from tinygrad_np.errors import DataError

RNG = np.random.default_rng(0)
TURN = augment.Distort(rotation=20, shift=2, alpha=5)

# channels, and a shape (n, channels, h, w)
FIRST = [(1, (3, 1, 28, 28)), (3, (2, 3, 9, 8)), (4, (2, 4, 8, 8)), (3, (5, 3, 32, 32))]


@pytest.mark.parametrize(("channels", "shape"), FIRST)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_channels_last_are_as_channels_first(channels: int, shape: Any, dtype: Any) -> None:
    first = (RNG.random(shape) * 255).astype(dtype)
    last = np.ascontiguousarray(first.transpose(0, 2, 3, 1))
    calls = [
        lambda x: TURN(x, 0),
        lambda x: augment.rotate(x, 30),
        lambda x: augment.displace(x, np.ones((2, *shape[2:]))),
    ]
    for call in calls:
        found = call(last)
        assert (found.shape, found.dtype) == (last.shape, dtype)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, call(first).transpose(0, 2, 3, 1))
        if channels == 1:
            np.testing.assert_array_equal(found[..., 0], call(first[:, 0]))
        assert (found != last).any()


def test_many_channels_are_the_second_axis() -> None:
    images = RNG.random((2, 8, 6, 5))
    np.testing.assert_array_equal(
        augment.rotate(images, 30)[:, 3], augment.rotate(images[:, 3], 30)
    )


AMBIGUOUS = "channels may be the second axis or the last; give one channel at a time as (n, h, w)"
ONE = "give images[None] for one image (h, w, channels)"
FLAT = "give images[None] for one image (h, w), or images.reshape(n, h, w) for flat ones"
REFUSED = [
    ((2, 3, 28, 3), AMBIGUOUS),
    ((2, 1, 28, 1), AMBIGUOUS),
    ((28, 28, 1), ONE),
    ((32, 32, 3), ONE),
    ((32, 32, 4), ONE),
    ((28, 28), FLAT),
    ((64, 64), FLAT),
    ((784, 784), FLAT),
    ((10, 50), FLAT),
    ((28,), "reshape them"),
    ((1, 2, 3, 4, 5), "reshape them"),
]


@pytest.mark.parametrize(("shape", "remedy"), REFUSED)
def test_what_may_be_meant_in_two_ways_is_refused(shape: Any, remedy: str) -> None:
    for call in (lambda x: TURN(x, 0), lambda x: augment.shift(x, 1, 0)):
        with pytest.raises(DataError) as caught:
            call(np.zeros(shape, np.float32))
        assert f"found images of shape {shape}" in str(caught.value)
        assert remedy in str(caught.value)


PIXELS = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
BINARY = (PIXELS > 127).astype(np.uint8)
UNSCALED: dict[str, tuple[Any, str]] = {
    "binary": (BINARY, "no pixel above 1 in images of shape (4, 8, 8), expected 0 to 255; give "
                       "images.astype(np.float32) if that is white"),
    "digits": (PIXELS // 16 + 1, "no pixel above 16 in images of shape (4, 8, 8), expected 0 to "
                                 "255; give images.astype(np.float32) / 16 if that is white"),
    "truth": (BINARY.astype(bool), "scaled already: leave it out, or use astype"),
    "scaled": (PIXELS / 255, "they are scaled already: leave it out, or use astype(np.float32)"),
    "binary floats": (BINARY.astype(np.float32), "scaled already"),
    "whole floats": (PIXELS.astype(np.float64), "give images.astype(np.uint8)"),
    "wide": (PIXELS.astype(np.int64), "found int64 images of shape (4, 8, 8), expected uint8 from "
                                      "0 to 255; give images.astype(np.uint8)"),
    "standardised": (PIXELS / 100 - 1, "give the images as loaded, once"),
    "nan": (np.full((1, 2, 2), np.nan), "give the images as loaded, once"),
    "list": (PIXELS.tolist(), "found images as list, expected an array of uint8 from 0 to 255; "
                              "make one with np.asarray(images, np.uint8)"),
    "objects": (PIXELS.astype(object), "found images as ndarray of dtype object"),
    "words": (PIXELS.astype(str), "found images as ndarray of dtype <U3"),
    "none": (None, "found images as NoneType, expected an array of uint8"),
}  # fmt: skip


@pytest.mark.parametrize(("images", "message"), UNSCALED.values(), ids=UNSCALED)
def test_normalise_never_scales_twice(images: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^normalise: .*{re.escape(message)}"):
        normalise(images)


def test_normalise_of_what_is_white_somewhere_or_black_or_empty() -> None:
    for images in (BINARY * 255, BINARY * 17, BINARY * 0, BINARY[:0]):
        np.testing.assert_array_equal(normalise(images), images.astype(np.float32) / 255)
