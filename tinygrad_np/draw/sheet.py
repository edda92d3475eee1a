"""Images as they are shown, and many of them in one picture: as many axes would take seconds."""

import math
from typing import Any

import numpy as np

from ..data.augment import CHANNELS
from ..errors import ShapeError


def laid_out(caller: str, given: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Images of any layout as (n, h, w, channels); each has ``shape`` where that is given.

    Rows of pixels without a shape are square and grey; where both the first axis and the last may
    be the channels, it is the first. Raises ShapeError for other shapes.
    """
    images: np.ndarray = np.asarray(given)
    each, n = images.shape[1:], len(images)
    side = math.isqrt(math.prod(each))
    if shape is None:
        shape = (side, side) if each == (side**2,) else each
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(shape) not in (2, 3) or math.prod(shape) != math.prod(each):
        raise ShapeError(
            f"{caller}: {math.prod(each):,} values of shape {each} are no image of shape "
            f"{shape}; give shape=(height, width) or (channels, height, width) of one image."
        )
    images = images.reshape(n, *shape)
    if images.ndim == 3:
        return images[..., None]
    is_last = shape[2] in CHANNELS and shape[0] not in CHANNELS
    return images if is_last else images.transpose(0, 2, 3, 1)


def pictures(laid: np.ndarray) -> np.ndarray:
    """What ``imshow`` takes of (n, h, w, channels): (n, h, w) grey, (n, h, w, 3 or 4) colours.

    Colours of floats outside 0 … 1, as of standardised images, fill that range; other numbers of
    channels are shown by their mean.
    """
    if laid.shape[3] not in (3, 4):
        return np.asarray(laid.mean(axis=3) if laid.shape[3] > 1 else laid[..., 0])
    if laid.dtype == np.uint8:
        return laid
    values = np.nan_to_num(laid.astype(np.float64), posinf=0, neginf=0)
    low = values.min(axis=(1, 2, 3), keepdims=True, initial=0)
    high = values.max(axis=(1, 2, 3), keepdims=True, initial=1)
    return np.asarray((values - low) / (high - low))


def mosaic(tiles: np.ndarray, columns: int, above: int, beside: int) -> np.ndarray:
    """Tiles (k, h, w, ...) in rows, NaN between: ``above`` rows over each, ``beside`` it columns.

    Tile i has its top left pixel at ((i // columns) (h + above) + above, i % columns (w + beside)).
    """
    (k, h, w), channels = tiles.shape[:3], tiles.shape[3:]
    rows = -(-k // columns)
    sheet = np.full((rows, h + above, columns, w + beside, *channels), np.nan)
    for i, tile in enumerate(tiles):
        sheet[i // columns, above:, i % columns, :w] = tile
    return sheet.reshape(rows * (h + above), columns * (w + beside), *channels)


def largest(values: np.ndarray, share: float = 0.998) -> float:
    """The size that nearly all finite values have at most, 1 where all are 0: a scale's end."""
    sizes = np.abs(values[np.isfinite(values)])
    return (float(np.quantile(sizes, share)) if sizes.size else 0.0) or 1.0


def strongest(units: np.ndarray, count: int) -> np.ndarray:
    """The places of the units of the largest weights, at most ``count``, the largest first."""
    norms = np.linalg.norm(units.reshape(len(units), -1), axis=1)
    return np.argsort(-norms, kind="stable")[:count]


def signed(axes: Any, sheet: np.ndarray, scale: float, pad: float = 0.02) -> Any:
    """Show numbers from -scale, blue, to scale, red; return the bar beside them."""
    drawn = axes.imshow(sheet, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    return axes.figure.colorbar(drawn, ax=axes, fraction=0.03, pad=pad, extend="both")
