"""New training images from old ones: moved, turned, scaled, sheared and elastically distorted.

Every output pixel looks up one place between the pixels of the original. With c the centre of the
image, p an output pixel, d a field of displacements,

    source(p) = c + matrix⁻¹ (p − c − offset) + d(p)

and the four pixels around it are weighted by how near they are (bilinear). Images may be
(n, h, w), (n, channels, h, w), (n, h, w, channels) with 1, 3 or 4 channels, or flat (n, k·k) and
square, of dtype uint8, float32 or float64; results are new arrays of the same shape and dtype.
Shapes that may be meant in two ways raise DataError.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import finite, flag, real, refusal, shown
from ..errors import DataError
from .batches import Seed, generator_from

__all__ = ["Distort", "affine", "displace", "elastic", "rotate", "scale", "shear", "shift"]

Images = NDArray[Any]
_Field = Callable[[int, int], NDArray[Any]]

# Scratch for so many pixels at a time stays in the second-level cache: 28×28 images at 32.
_PIXELS = 32 * 28 * 28
CHANNELS = (1, 3, 4)  # of pictures: grey, red green blue, and those with opacity
_EXACT = 1 << 24  # the first whole number whose successor float32 does not have


@dataclass(frozen=True)
class Distort:
    """A random distortion of each image, to be called with images and a generator.

    Uniform are `shift` in pixels (along each axis), `rotation` in degrees, `scale` (each axis by
    a factor of its own between 1 - scale and 1 + scale) and `shear` (columns moved per row), from
    minus to plus the value given. With `alpha` above 0 each image is also distorted elastically, by
    displacements uniform in -1 to 1, smoothed with a Gaussian of `sigma` pixels, times `alpha`
    pixels. With probability `mirror` left and right change places first. All in one resampling, so
    that images are blurred once; with `whole` the shifts are whole pixels, and an image that is
    only moved and mirrored is not blurred at all. What comes from outside the image is
    `background`. Raises DataError for arguments that are not finite or have no sense.
    Source: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to
    visual document analysis", 2003, section 2.

    >>> distort = tg.data.augment.Distort(shift=2.0, rotation=10.0)
    >>> images = np.zeros((4, 28, 28), np.float32)
    >>> distort(images, np.random.default_rng(0)).shape
    (4, 28, 28)
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    alpha: float = 0.0
    sigma: float = 4.0
    background: float = 0.0
    mirror: float = 0.0
    whole: bool = False

    def __post_init__(self) -> None:
        flag("Distort", "whole", self.whole, DataError)
        for field in fields(self)[:-1]:
            check = finite if field.name == "background" else real
            check("Distort", field.name, getattr(self, field.name), error=DataError)
        if self.scale >= 1:
            raise DataError(
                f"Distort: found scale={self.scale!r}, expected less than 1, as an image scaled "
                "by 1 - scale must be left with a size; give 0.1 for 10 percent"
            )
        if self.mirror > 1:
            raise DataError(
                f"Distort: found mirror={self.mirror!r}, expected a probability; give 0.5 for half"
            )
        if not 0.1 <= self.sigma <= 1000:
            raise DataError(
                f"Distort: found sigma={self.sigma!r}, expected 0.1 to 1000 pixels; give 4 or so"
            )

    def __call__(self, images: Images, seed: Seed) -> Images:
        """Distort each image in its own way; `seed` is an int or np.random.Generator."""
        generator = generator_from("Distort", seed)
        view = _as_images("Distort", images)
        drawn = generator.uniform(-1, 1, (len(view), 6))
        factors = 1 + self.scale * drawn[:, 3:5]
        if self.mirror:
            factors[generator.random(len(view)) < self.mirror, 1] *= -1
        matrices = _matrices(self.rotation * drawn[:, 2], factors, self.shear * drawn[:, 5])
        moves = self.shift * drawn[:, :2]
        if self.whole:  # each as likely, those at the ends too
            moves = np.rint((math.floor(self.shift) + 0.5) * drawn[:, :2])
        field = self._field(generator, view) if self.alpha else None
        out = _warp(view, matrices, moves, field, self.background)
        return _in_the_shape_of(images, out)

    def _field(self, generator: "np.random.Generator", images: Images) -> _Field:
        """Displacements for images start to stop, (stop - start, 2, h, w)."""
        (n, _, h, w), dtype = images.shape, _working(images)
        rows, columns = (_gaussian(size, self.sigma) for size in (h, w))
        # 2u - 1 for u in 0 to 1, smoothed: the factor goes into one matrix, -1 into `middle`.
        down = (2 * self.alpha * rows).astype(dtype)
        across = columns.T.astype(dtype)
        middle = (self.alpha * np.outer(rows.sum(axis=1), columns.sum(axis=1))).astype(dtype)
        shape = (_batch(n, h, w), 2, h, w)
        noise, smooth = np.empty(shape, dtype), np.empty(shape, dtype)

        def draw(start: int, stop: int) -> NDArray[Any]:
            u, v = noise[: stop - start], smooth[: stop - start]
            generator.random(dtype=dtype, out=u)
            # One small product per field: 1.0 µs, and 1.4 as one product with all rows (28×28).
            np.matmul(down, np.matmul(u, across, out=v), out=u)
            u -= middle
            return u

        return draw


def shift(images: Images, rows: ArrayLike, columns: ArrayLike, background: float = 0.0) -> Images:
    """Move images down by `rows` and to the right by `columns` pixels, numbers or (n,).

    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> tg.data.augment.shift(image, 1, 0)[0].tolist()
    [[0.0, 0.0], [1.0, 2.0]]
    """
    rows, columns = _numbers("shift", images, rows=rows, columns=columns)
    offset = np.stack(np.broadcast_arrays(rows, columns), axis=-1)
    return affine(images, np.eye(2), offset, background)


def rotate(images: Images, degrees: ArrayLike, background: float = 0.0) -> Images:
    """Turn images counter-clockwise about their centre; `degrees` is a number or (n,).

    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> tg.data.augment.rotate(image, 90)[0].round(2).tolist()
    [[2.0, 4.0], [1.0, 3.0]]
    """
    (degrees,) = _numbers("rotate", images, degrees=degrees)
    return affine(images, _matrices(degrees, (1, 1), 0), 0, background)


def scale(images: Images, rows: ArrayLike, columns: ArrayLike, background: float = 0.0) -> Images:
    """Enlarge images about their centre `rows` times in height and `columns` times in width.

    >>> image = np.zeros((1, 5, 5))
    >>> image[0, 2, 2] = 1.0
    >>> float(tg.data.augment.scale(image, 2.0, 2.0).sum())
    4.0
    """
    rows, columns = _numbers("scale", images, rows=rows, columns=columns)
    factors = np.stack(np.broadcast_arrays(rows, columns), axis=-1)
    return affine(images, _matrices(0, factors, 0), 0, background)


def shear(images: Images, factor: ArrayLike, background: float = 0.0) -> Images:
    """Move each row to the right by `factor`, a number or (n,), times its rows below the centre.

    >>> image = np.zeros((1, 5, 5))
    >>> image[0, :, 2] = 1.0
    >>> tg.data.augment.shear(image, 1.0)[0].argmax(axis=1).tolist()
    [0, 1, 2, 3, 4]
    """
    (factor,) = _numbers("shear", images, factor=factor)
    return affine(images, _matrices(0, (1, 1), factor), 0, background)


def affine(
    images: Images, matrix: ArrayLike, offset: ArrayLike = 0.0, background: float = 0.0
) -> Images:
    """Move what is d away from the centre, (rows, columns), to matrix @ d + offset away from it.

    `matrix` is (2, 2) or (n, 2, 2), `offset` a number, (2,) or (n, 2) in pixels. Raises DataError
    for other shapes, for values that are not finite, and for a matrix that has no inverse.

    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> tg.data.augment.affine(image, [[0.0, 1.0], [1.0, 0.0]])[0].tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    view = _as_images("affine", images)
    matrices = _per_image("affine", "matrix", matrix, (len(view), 2, 2))
    offsets = _per_image("affine", "offset", offset, (len(view), 2))
    out = _warp(view, matrices, offsets, None, background)
    return _in_the_shape_of(images, out)


def displace(images: Images, field: ArrayLike, background: float = 0.0) -> Images:
    """Give each pixel the value `field` pixels away, (2, h, w) or (n, 2, h, w): rows, columns.

    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> field = np.zeros((2, 2, 2))
    >>> tg.data.augment.displace(image, field)[0].tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    view = _as_images("displace", images)
    n, _, h, w = view.shape
    moves = _per_image("displace", "field", field, (n, 2, h, w))
    matrices, offsets = np.broadcast_to(np.eye(2), (n, 2, 2)), np.zeros((n, 2))
    out = _warp(view, matrices, offsets, lambda start, stop: moves[start:stop], background)
    return _in_the_shape_of(images, out)


def elastic(
    images: Images, seed: Seed, alpha: float = 34.0, sigma: float = 4.0, background: float = 0.0
) -> Images:
    """Distort images elastically, as `Distort` does and no more; the defaults are Simard's.

    >>> images = np.zeros((4, 28, 28), np.float32)
    >>> tg.data.augment.elastic(images, seed=0).shape
    (4, 28, 28)
    """
    return Distort(alpha=alpha, sigma=sigma, background=background)(images, seed)


def _numbers(caller: str, images: Images, **given: ArrayLike) -> list[NDArray[np.float64]]:
    """What is a number, or one for each image, as arrays () or (n,)."""
    n = len(_as_images(caller, images))
    return [
        _per_image(
            caller, name, value, (n,) if isinstance(value, (list, tuple)) or np.ndim(value) else ()
        )
        for name, value in given.items()
    ]


def _matrices(degrees: ArrayLike, factors: ArrayLike, shear: ArrayLike) -> NDArray[np.float64]:
    """Scale along the axes (rows, columns), then shear, then turn: (..., 2, 2)."""
    angle, sheared = np.radians(degrees), np.asarray(shear, np.float64)
    rows, columns = np.moveaxis(np.asarray(factors, np.float64), -1, 0)
    cos, sin, rows, columns, sheared = np.broadcast_arrays(
        np.cos(angle), np.sin(angle), rows, columns, sheared
    )
    # Rows count downwards: turning counter-clockwise takes the right (0, 1) up, to (-sin, cos).
    first = np.stack([(cos - sin * sheared) * rows, -sin * columns], axis=-1)
    second = np.stack([(sin + cos * sheared) * rows, cos * columns], axis=-1)
    return np.stack([first, second], axis=-2)


def _gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """Smoothing along one axis as a matrix; outside the image there is nothing to be averaged."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(-size - int(6 * sigma), size + int(6 * sigma) + 1)
    density = np.exp(-0.5 * (reach / sigma) ** 2).sum()
    matrix: NDArray[np.float64] = np.exp(-0.5 * (distance / sigma) ** 2) / density
    return matrix


def _warp(
    images: Images,
    matrices: NDArray[Any],
    offsets: NDArray[Any],
    field: _Field | None,
    background: float,
) -> Images:
    """Bilinear resampling of (n, channels, h, w), a few images at a time."""
    finite("augment", "background", background, DataError)
    n, channels, h, w = images.shape
    work = _working(images)
    count = _batch(n, h, w)
    # A border of one pixel before and two behind, so that no neighbour needs a test.
    padded = np.full((count, h + 3, w + 3), background, work)
    base = (np.arange(count) * padded[0].size).astype(work)[:, None, None]
    # float32 holds the index within one batch of images exactly, see _as_images.
    y, x, y0, x0 = (np.empty((count, h, w), work) for _ in range(4))
    corners = [np.empty((count, h, w), work) for _ in range(4)]
    index = np.empty((count, h, w), np.intp)
    places = [0, 1, w + 3, w + 4]  # of the four neighbours, from the first
    rows, columns = _coordinates(matrices, offsets, h, w, work)
    out = np.empty(images.shape, images.dtype)
    for start in range(0, n, count):
        stop = min(start + count, n)
        k = stop - start
        yk, xk, y0k, x0k, indexk = y[:k], x[:k], y0[:k], x0[:k], index[:k]
        np.add(rows[start:stop, 0, :, None], columns[start:stop, 0, None, :], out=yk)
        np.add(rows[start:stop, 1, :, None], columns[start:stop, 1, None, :], out=xk)
        if field is not None:
            moves = field(start, stop)
            yk += moves[:, 0]
            xk += moves[:, 1]
        np.floor(np.clip(yk, 0, h + 1, out=yk), out=y0k)
        np.floor(np.clip(xk, 0, w + 1, out=xk), out=x0k)
        yk -= y0k
        xk -= x0k
        y0k *= w + 3
        y0k += x0k
        y0k += base[:k]
        np.copyto(indexk, y0k, casting="unsafe")
        for channel in range(channels):
            padded[:k, 1 : h + 1, 1 : w + 1] = images[start:stop, channel]
            flat = padded[:k].reshape(-1)
            a, b, c, d = (
                # No index is out of range; "wrap" finds that out quicker than "clip" does.
                np.take(flat[place:], indexk, out=corner[:k], mode="wrap")
                for place, corner in zip(places, corners, strict=True)
            )
            _blend(a, b, c, d, yk, xk)
            if out.dtype.kind == "u":
                np.rint(a, out=a)
            np.copyto(out[start:stop, channel], a, casting="unsafe")
    return out


def _batch(n: int, h: int, w: int) -> int:
    """How many of n images are done at a time."""
    return max(1, min(n, _PIXELS // max(h * w, 1)))


def _blend(a: Images, b: Images, c: Images, d: Images, y: Images, x: Images) -> None:
    """Leave in `a` what is `y` of the way from (a b) to (c d), and `x` from left to right."""
    b -= a
    b *= x
    a += b
    d -= c
    d *= x
    c += d
    c -= a
    c *= y
    a += c


def _coordinates(
    matrices: NDArray[Any], offsets: NDArray[Any], h: int, w: int, work: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Padded source coordinates as a sum of (n, 2, h) and (n, 2, w)."""
    (a, b), (c, d) = np.moveaxis(matrices.astype(np.float64, copy=False), 0, -1)
    determinant = a * d - b * c
    if not determinant.all():
        wrong = int(np.flatnonzero(determinant == 0)[0])
        raise DataError(
            f"affine: found a matrix for image {wrong} that has no inverse, "
            f"{matrices[wrong].tolist()}, expected one that leaves the image an "
            "area; scale by other factors than 0"
        )
    inverse = (
        np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2) / determinant[:, None, None]
    )
    centre = np.array([(h - 1) / 2, (w - 1) / 2])
    rows = inverse[:, :, :1] * (np.arange(h) - centre[0] - offsets[:, :1, None])
    columns = inverse[:, :, 1:] * (np.arange(w) - centre[1] - offsets[:, 1:, None])
    rows += centre[:, None] + 1
    return rows.astype(work), columns.astype(work)


def _working(images: Images) -> np.dtype[Any]:
    return np.dtype(np.float64 if images.dtype == np.float64 else np.float32)


def _as_images(caller: str, images: Images) -> Images:
    """A view (n, channels, h, w)."""
    if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32, np.float64):
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(
            f"{caller}: found images of type {found}, expected an array of uint8, float32 or "
            "float64; convert with np.asarray(images, np.float32)"
        )
    view = images
    side = math.isqrt(images.shape[1]) if images.ndim == 2 else 0
    if side and side * side == images.shape[1] != len(images):
        view = images.reshape(-1, 1, side, side)
    elif images.ndim == 3 and not _is_one_picture(images.shape):
        view = images[:, None]
    elif images.ndim == 4 and not channels_last(caller, images.shape):
        view = images
    elif images.ndim == 4:
        view = images.transpose(0, 3, 1, 2)
    else:
        raise DataError(f"{caller}: found images of shape {images.shape}, {_wanted(images.shape)}")
    if math.prod(size + 3 for size in view.shape[2:]) >= _EXACT and images.dtype != np.float64:
        raise DataError(
            f"{caller}: found {images.dtype} images of shape {images.shape}, expected fewer than "
            f"{_EXACT} pixels each; convert with astype(np.float64)"
        )
    return view


def channels_last(caller: str, shape: tuple[int, ...]) -> bool:
    """Whether images of four axes are (n, h, w, channels), not (n, channels, h, w).

    Raises DataError where both may be meant.
    """
    first, last = (shape[axis] in CHANNELS for axis in (1, 3))
    if first and shape[3] in (1, 3):
        raise DataError(
            f"{caller}: found images of shape {shape}, whose channels may be the second axis or "
            "the last; give one channel at a time as (n, h, w)"
        )
    return last and not first


def _is_one_picture(shape: tuple[int, ...]) -> bool:
    """Whether this is (h, w, channels) rather than as many images, 1, 3 or 4 pixels wide."""
    return shape[2] in (1, 3) or (shape[2] == 4 and shape[1] >= 16)


def _wanted(shape: tuple[int, ...]) -> str:
    """What is expected for images of this shape, and how they may become that."""
    remedy = "reshape them"
    if len(shape) == 3:
        remedy = "give images[None] for one image (h, w, channels)"
    elif len(shape) == 2:
        remedy = "give images[None] for one image (h, w), or images.reshape(n, h, w) for flat ones"
    return (
        "expected (n, h, w), (n, channels, h, w), (n, h, w, channels) or square ones as (n, h·h); "
        + remedy
    )


def _in_the_shape_of(images: Images, out: Images) -> Images:
    """What `_as_images` made of images, back in their own layout."""
    if images.ndim == 4 and out.shape != images.shape:
        return np.ascontiguousarray(out.transpose(0, 2, 3, 1))
    return out.reshape(images.shape)


def _per_image(
    caller: str, name: str, values: ArrayLike, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Parameters of all images, (n, ...), from those of one or of each."""
    try:
        given = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        expected = f"numbers of shape {shape[1:]} or {shape}"
        raise refusal(caller, name, values, expected, DataError) from None
    try:
        found = np.broadcast_to(given, shape)
    except ValueError:
        raise DataError(
            f"{caller}: found {name} of shape {given.shape}, expected {shape[1:]} or {shape}, one "
            "for each image; check the number of images"
        ) from None
    if not np.isfinite(given).all():
        raise DataError(
            f"{caller}: found {name}={shown(values)} with values that are not finite, expected "
            "numbers; correct them"
        )
    return found
