"""Distorted images: against a loop and SciPy, at rest, seeded, and errors that say what to do."""

import math
import re
from typing import Any

import numpy as np
import pytest

from tests.each import for_each
from tinygrad_np.data import augment
from tinygrad_np.errors import DataError

SHAPES = [(5, 28, 28), (3, 7, 12), (4, 1, 5), (2, 3, 6, 5)]


def pictures(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).integers(0, 256, shape)
    return values.astype(np.uint8) if dtype == np.uint8 else (values / 255).astype(dtype)


def looked_up(image: Any, row: float, column: float, background: float) -> float:
    """The four pixels around a place, by the book."""

    def pixel(i: int, j: int) -> float:
        inside = 0 <= i < image.shape[0] and 0 <= j < image.shape[1]
        return float(image[i, j]) if inside else background

    i, j = math.floor(row), math.floor(column)
    y, x = row - i, column - j
    top = (1 - x) * pixel(i, j) + x * pixel(i, j + 1)
    bottom = (1 - x) * pixel(i + 1, j) + x * pixel(i + 1, j + 1)
    return (1 - y) * top + y * bottom


def slowly(image: Any, matrix: Any, offset: Any, field: Any, background: float = 0.0) -> Any:
    """The formula of the module, pixel by pixel."""
    h, w = image.shape
    centre = np.array([(h - 1) / 2, (w - 1) / 2])
    out = np.empty((h, w))
    for i in range(h):
        for j in range(w):
            place = np.linalg.solve(matrix, np.array([i, j]) - centre - offset) + centre
            row, column = place + field[:, i, j]
            out[i, j] = looked_up(image, row, column, background)
    return out


def random_maps(n: int, seed: int = 1) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    matrices = np.eye(2) + generator.uniform(-0.4, 0.4, (n, 2, 2))
    return matrices, generator.uniform(-3, 3, (n, 2))


@pytest.mark.parametrize("background", [0.0, -0.5])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 3e-6), (np.uint8, 0.501)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_affine_is_the_formula(
    shape: tuple[int, ...], dtype: Any, tolerance: float, background: float
) -> None:
    if dtype == np.uint8:
        background = abs(background) * 30
    images = pictures(shape, dtype)
    matrices, offsets = random_maps(len(images))
    out = augment.affine(images, matrices, offsets, background)
    assert (out.shape, out.dtype) == (images.shape, images.dtype)
    still = np.zeros((2, *shape[-2:]))
    for image, warped, matrix, offset in zip(images, out, matrices, offsets, strict=True):
        channels = zip(image.reshape(-1, *shape[-2:]), warped.reshape(-1, *shape[-2:]), strict=True)
        for before, after in channels:
            expected = slowly(before, matrix, offset, still, background)
            np.testing.assert_allclose(after, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_displace_is_the_formula(shape: tuple[int, ...]) -> None:
    images = pictures(shape)
    fields = np.random.default_rng(2).uniform(-4, 4, (len(images), 2, *shape[1:]))
    out = augment.displace(images, fields)
    for image, warped, field in zip(images, out, fields, strict=True):
        np.testing.assert_allclose(
            warped, slowly(image, np.eye(2), np.zeros(2), field), rtol=0, atol=1e-12
        )


def test_scipy_agrees() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    images = pictures((40, 28, 28))
    matrices, offsets = random_maps(40)
    out = augment.affine(images, matrices, offsets)
    centre = np.array([13.5, 13.5])
    grid = np.stack(np.meshgrid(np.arange(28.0), np.arange(28.0), indexing="ij")) - 13.5
    for image, warped, matrix, offset in zip(images, out, matrices, offsets, strict=True):
        shifted = grid - offset[:, None, None]
        places = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), shifted) + centre[:, None, None]
        expected = ndimage.map_coordinates(
            np.pad(image, 2), places + 2, order=1, mode="constant", cval=0.0
        )
        np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-11)


@for_each([*SHAPES, (9, 16), (0, 28, 28), (70, 28, 28)], [np.uint8, np.float32, np.float64])
def test_at_rest_nothing_changes(shape: tuple[int, ...], dtype: Any) -> None:
    images = pictures(shape, dtype)
    at_rest = [
        augment.Distort()(images, 0),
        augment.shift(images, 0, 0),
        augment.rotate(images, 0),
        augment.scale(images, 1, 1),
        augment.shear(images, 0),
        augment.affine(images, np.eye(2)),
    ]
    for out in at_rest:
        assert not np.shares_memory(out, images)
        np.testing.assert_array_equal(out, images, strict=True)


def test_whole_pixels_move_exactly() -> None:
    images = pictures((3, 6, 7), np.float32)
    out = augment.shift(images, [1, 0, -2], [0, 2, 3], background=9)
    expected = np.full_like(images, 9)
    expected[0, 1:] = images[0, :-1]
    expected[1, :, 2:] = images[1, :, :-2]
    expected[2, :-2, 3:] = images[2, 2:, :-3]
    np.testing.assert_array_equal(out, expected, strict=True)


def test_quarter_turns_are_numpys() -> None:
    images = pictures((4, 9, 9))
    out = augment.rotate(images, [0, 90, 180, 270])
    expected = [np.rot90(image, times) for times, image in enumerate(images)]
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


def test_scale_enlarges_and_shear_moves_lower_rows_right() -> None:
    images = np.zeros((1, 9, 9))
    images[0, 6, 5] = 1  # two rows below and one column right of the centre
    assert augment.scale(images, 2, 3)[0, 8, 7] == pytest.approx(1)
    assert augment.scale(images, 0.5, 1)[0, 5, 5] == pytest.approx(1)
    assert augment.shear(images, 1)[0, 6, 7] == pytest.approx(1)
    assert augment.shear(images, -0.5)[0, 6, 4] == pytest.approx(1)


def measured(images: Any, transform: augment.Distort, seed: int = 0) -> Any:
    """Where the centre of a blob went, in rows and columns from the middle."""
    out = transform(images, seed)
    grid = np.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    mass = out.sum(axis=(1, 2))
    return np.stack([out.sum(axis=2) @ grid, out.sum(axis=1) @ grid], axis=-1) / mass[:, None]


def blobs(n: int, row: float, column: float) -> Any:
    grid = np.arange(41) - 20
    height, width = (np.exp(-0.5 * ((grid - at) / 2) ** 2) for at in (row, column))
    return np.broadcast_to(np.outer(height, width), (n, 41, 41)).copy()


def test_shifts_are_uniform_within_their_bound() -> None:
    moved = measured(blobs(2000, 0, 0), augment.Distort(shift=3))
    assert np.abs(moved).max() == pytest.approx(3, abs=0.01)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(moved.std(axis=0), 3 / 3**0.5, rtol=0.05)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.1


def test_rotation_scale_and_shear_keep_their_bounds() -> None:
    turned = measured(blobs(500, 0, 10), augment.Distort(rotation=30))
    angles = np.degrees(np.arctan2(-turned[:, 0], turned[:, 1]))
    assert (angles.min(), angles.max()) == pytest.approx((-30, 30), abs=0.5)
    np.testing.assert_allclose(np.hypot(*turned.T), 10, atol=0.05)
    grown = measured(blobs(500, 8, 8), augment.Distort(scale=0.25)) / 8
    assert (grown.min(), grown.max()) == pytest.approx((0.75, 1.25), abs=0.02)
    assert abs(np.corrcoef(grown.T)[0, 1]) < 0.2
    sheared = measured(blobs(500, 8, 0), augment.Distort(shear=0.5))
    assert (sheared[:, 1].min(), sheared[:, 1].max()) == pytest.approx((-4, 4), abs=0.1)
    np.testing.assert_allclose(sheared[:, 0], 8, atol=0.01)


def test_elastic_is_smoothed_noise() -> None:
    """Simard's recipe with SciPy, from the numbers that the generator gives."""
    ndimage = pytest.importorskip("scipy.ndimage")
    images = pictures((45, 20, 28))
    generator = np.random.default_rng(3)
    generator.uniform(size=(45, 6))
    noise = 2 * generator.random((45, 2, 20, 28)) - 1
    smooth = ndimage.gaussian_filter(noise, (0, 0, 4, 4), mode="constant", truncate=20)
    expected = augment.displace(images, 34 * smooth)
    out = augment.elastic(images, np.random.default_rng(3), alpha=34, sigma=4)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-9)
    assert np.abs(34 * smooth).std() > 0.5


def test_one_resampling_does_both() -> None:
    images = pictures((4, 9, 9))
    both = augment.Distort(shift=2, rotation=20, alpha=8, sigma=2)(images, 5)
    generator = np.random.default_rng(5)
    drawn = generator.uniform(-1, 1, (4, 6))
    smooth = augment._gaussian(9, 2)
    fields = 8 * smooth @ (2 * generator.random((4, 2, 9, 9)) - 1) @ smooth.T
    for image, warped, numbers, field in zip(images, both, drawn, fields, strict=True):
        angle = np.radians(20 * numbers[2])
        turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        expected = slowly(image, np.array(turn), 2 * numbers[:2], field)
        np.testing.assert_allclose(warped, expected, rtol=0, atol=1e-12)


ALL = augment.Distort(shift=2, rotation=10, scale=0.1, shear=0.1, alpha=34, sigma=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_seeds(dtype: Any) -> None:
    images = pictures((70, 28, 28), dtype)
    first = ALL(images, 1)
    np.testing.assert_array_equal(ALL(images, np.random.default_rng(1)), first, strict=True)
    assert (ALL(images, 2) != first).any(axis=(1, 2)).all()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(ALL(images, generator), first)
    assert (ALL(images, generator) != first).any(axis=(1, 2)).all()
    assert (first[0] != ALL(np.repeat(images[:1], 70, axis=0), 1)[1]).any()


def test_layouts_give_the_same() -> None:
    images = pictures((6, 8, 8), np.float32)
    expected = ALL(images, 0)
    images.flags.writeable = False
    turned = np.ascontiguousarray(images.transpose(2, 1, 0)).transpose(2, 1, 0)
    spread = np.repeat(images, 2, axis=2)[:, :, ::2]
    for other in (images, turned, spread):
        np.testing.assert_array_equal(ALL(other, 0), expected, strict=True)
    np.testing.assert_array_equal(ALL(images.reshape(6, 64), 0).reshape(6, 8, 8), expected)
    coloured = np.stack([images, images[::-1]], axis=1)
    out = ALL(coloured, 0)
    np.testing.assert_array_equal(out[:, 0], expected)
    np.testing.assert_array_equal(out[:, 1], ALL(images[::-1], 0))


def test_far_away_there_is_background() -> None:
    images = pictures((2, 5, 5), np.float32)
    assert (augment.shift(images, 1e9, 0, background=0.25) == 0.25).all()
    assert (augment.displace(images, np.full((2, 5, 5), -1e30), background=0.25) == 0.25).all()


IMAGES = np.zeros((3, 4, 4), np.float32)
BAD: dict[str, tuple[Any, str]] = {
    "list": (lambda: augment.rotate([[0]], 1), "rotate: found images of type list, expected an"),
    "integers": (
        lambda: ALL(IMAGES.astype(int), 0),
        "Distort: found images of type int64, expected an array of uint8, float32 or float64;",
    ),
    "one image": (
        lambda: ALL(IMAGES[0, 0], 0),
        "Distort: found images of shape (4,), expected (n, h, w),",
    ),
    "oblong and flat": (
        lambda: ALL(np.zeros((2, 12), np.float32), 0),
        "Distort: found images of shape (2, 12), expected (n, h, w),",
    ),
    "too large": (
        lambda: ALL(np.zeros((0, 5000, 5000), np.float32), 0),
        "Distort: found float32 images of shape (0, 5000, 5000), expected fewer than 16777216",
    ),
    "no seed": (lambda: ALL(IMAGES, None), "Distort: found seed=None, expected an int from 0 up"),
    "count": (
        lambda: augment.rotate(IMAGES, [1, 2]),
        "rotate: found degrees of shape (2,), expected () or (3,), one for each",
    ),
    "offset": (
        lambda: augment.shift(IMAGES, [1, 2], 0),
        "shift: found rows of shape (2,), expected () or (3,), one for each image;",
    ),
    "field": (
        lambda: augment.displace(IMAGES, np.zeros((2, 5, 4))),
        "displace: found field of shape (2, 5, 4), expected (2, 4, 4) or (3, 2, 4, 4), one",
    ),
    "nan": (lambda: augment.shift(IMAGES, np.nan, 0), "shift: found rows=nan with values that are"),
    "flattened": (
        lambda: augment.scale(IMAGES, [1, 0, 1], 1),
        "affine: found a matrix for image 1 that has no inverse, ",
    ),
    "negative": (
        lambda: augment.Distort(shift=-1),
        "Distort: found shift=-1, expected a number from 0 up",
    ),
    "infinite": (
        lambda: augment.Distort(background=float("inf")),
        "Distort: found background=inf, expected a finite number",
    ),
    "scale": (lambda: augment.Distort(scale=1), "Distort: found scale=1, expected less than 1,"),
    "text": (
        lambda: augment.Distort(rotation="9"),
        "Distort: found rotation='9', expected a number",
    ),  # type: ignore[arg-type]
    "sigma": (lambda: augment.elastic(IMAGES, 0, 34, 0), "Distort: found sigma=0"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        call()


def test_mirrored_with_its_probability() -> None:
    images = np.random.default_rng(0).random((400, 5, 4))
    out = augment.Distort(mirror=0.25)(images, 1)
    flipped = np.all(out == images[:, :, ::-1], axis=(1, 2))
    kept = np.all(out == images, axis=(1, 2))
    assert np.all(flipped ^ kept)
    assert abs(np.mean(flipped) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 400)
    np.testing.assert_array_equal(augment.Distort(mirror=1.0)(images, 1), images[:, :, ::-1])
    with pytest.raises(DataError, match=r"mirror=1\.5, expected a probability"):
        augment.Distort(mirror=1.5)


def test_moved_by_whole_pixels_and_not_blurred() -> None:
    """Each of the 5 · 5 shifts, mirrored or not, about as often as the others."""
    images = np.random.default_rng(0).random((5000, 3, 4)).astype(np.float32) + 1
    out = augment.Distort(shift=2.9, mirror=0.5, whole=True)(images, 1)
    counts = []
    for source in (images, images[:, :, ::-1]):
        padded = np.pad(source, ((0, 0), (2, 2), (2, 2)))
        for i in range(5):
            for j in range(5):
                moved = padded[:, i : i + 3, j : j + 4]
                counts.append(int(np.all(out == moved, axis=(1, 2)).sum()))
    assert sum(counts) == 5000 and min(counts) > 60 and max(counts) < 140
