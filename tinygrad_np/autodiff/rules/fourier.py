"""Discrete Fourier transforms: they are linear, so the derivative of each is its transpose.

With w = exp(-2πi/n), ``fft`` multiplies by the symmetric matrix w^jk, and is its own transpose.
Transforms between n real numbers and the first n // 2 + 1 of n complex ones are each other's
transposes up to a weight: each frequency also stands for its mirror image, except the first one
and, for even n, the last. (Cooley & Tukey 1965; NumPy's documentation of ``np.fft`` has the
definitions.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import akin, cast, pad_zeros
from .table import Traits, composite, defvjp


def fitted(g: Any, shape: tuple[int, ...], axis: int) -> Any:
    """``g`` cut off, or continued with zeros, to the length that ``shape`` has on ``axis``."""
    axis = axis % len(shape)
    there, n = np.shape(g)[axis], shape[axis]
    if there > n:
        return g[(*(slice(None),) * axis, slice(n))]
    widths = [[0, n - there if a == axis else 0] for a in range(len(shape))]
    return pad_zeros(g, widths) if there < n else g


def mirrored(g: Any, n: int, axis: int) -> Any:
    """How many of ``n`` frequencies each of the first n // 2 + 1 on ``axis`` stands for."""
    counts = np.full(n // 2 + 1, 2, np.finfo(g.dtype).dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    shape = (-1,) + (1,) * (-axis - 1 if axis < 0 else np.ndim(g) - axis - 1)
    return akin(np.reshape(counts, shape), g)


def fft_back(transform: Any, g: Any, x: Any, _n: int | None, axis: int, norm: Any) -> Any:
    """The transform of the cotangent, as long as the operand is."""
    return fitted(transform(g, axis=axis, norm=norm), np.shape(x), axis)


def from_half(transform: Any, g: Any, x: Any, n: int | None, axis: int, norm: Any) -> Any:
    """The transpose of a transform from real numbers to half of the frequencies."""
    n = np.shape(x)[axis] if n is None else n
    return fitted(transform(g / mirrored(g, n, axis), n, axis, norm), np.shape(x), axis)


def to_half(transform: Any, g: Any, x: Any, _n: int | None, axis: int, norm: Any) -> Any:
    """The transpose of a transform from half of the frequencies to real numbers."""
    back = transform(g, axis=axis, norm=norm) * mirrored(g, np.shape(g)[axis], axis)
    back = back if np.iscomplexobj(x) else cast(back, x.dtype)
    return fitted(back, np.shape(x), axis)


def ruled(fn: Any, back: Any, transform: Any, body: Any = None) -> None:
    """Give ``fn`` the derivative ``back``, which goes by another ``transform``."""
    defvjp(
        fn,
        lambda g, _out, _x, n=None, axis=-1, norm=None: back(transform, g, _x, n, axis, norm),
        traits=Traits(body=body or fn),
        eager=body,
    )


def of_some(fn: Any) -> Any:
    """``fn`` from half of the frequencies, if there are any."""

    def body(
        x: Any, n: int | None = None, axis: int = -1, norm: Any = None, *, out: Any = None
    ) -> Any:
        if x.ndim and x.shape[axis] == 0 and n is not None:
            raise ValueError(
                f"x of shape {x.shape} has no frequencies on axis {axis}, and NumPy's result would "
                "be undefined; give at least one."
            )
        return fn(x, n, axis, norm) if out is None else fn(x, n, axis, norm, out=out)

    return body


ruled(np.fft.fft, fft_back, np.fft.fft)
ruled(np.fft.ifft, fft_back, np.fft.ifft)
ruled(np.fft.rfft, from_half, np.fft.hfft)
ruled(np.fft.ihfft, from_half, np.fft.irfft)
ruled(np.fft.irfft, to_half, np.fft.ihfft, of_some(np.fft.irfft))
ruled(np.fft.hfft, to_half, np.fft.rfft, of_some(np.fft.hfft))
defvjp(np.fft.fftshift, lambda g, _out, _x, axes=None: np.fft.ifftshift(g, axes))
defvjp(np.fft.ifftshift, lambda g, _out, _x, axes=None: np.fft.fftshift(g, axes))


def lengths(x: Any, s: Any, axes: Any, halved: bool = False) -> list[tuple[int, Any]]:
    """The axes of a transform over several, each with the length that it is given there.

    ``halved``: the last axis holds half of the frequencies.
    """
    shape = np.shape(x)
    if axes is None:
        axes = range(-(len(shape) if s is None else len(s)), 0)
    sizes = [shape[a] for a in axes] if s is None else list(s)
    if s is None and halved:
        sizes[-1] = 2 * (sizes[-1] - 1)
    if len(sizes) != len(axes):
        raise ValueError(
            f"a Fourier transform with s={s} and axes={tuple(axes)}: give one length for each axis."
        )
    return [(a, shape[a] if n == -1 else n) for a, n in zip(axes, sizes, strict=True)]


def over_axes(one: Any, default: Any, real: Any = None) -> Callable[..., Any]:
    """A transform over several axes: ``one`` over each in turn, ``real`` over the last of them.

    The last axis comes first, but for ``irfft``, which ends with it.
    """

    def several(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        places = lengths(a, s, axes, halved=real is np.fft.irfft)
        transforms = [one] * len(places)
        if real is not None:
            transforms[-1] = real
        turns = list(zip(transforms, places, strict=True))
        for transform, (axis, n) in turns if real is np.fft.irfft else reversed(turns):
            a = transform(a, n, axis, norm)
        return a

    return several


for of_all, of_two, *parts in (
    (np.fft.fftn, np.fft.fft2, np.fft.fft),
    (np.fft.ifftn, np.fft.ifft2, np.fft.ifft),
    (np.fft.rfftn, np.fft.rfft2, np.fft.fft, np.fft.rfft),
    (np.fft.irfftn, np.fft.irfft2, np.fft.ifft, np.fft.irfft),
):
    composite(of_all)(over_axes(parts[0], None, *parts[1:]))
    composite(of_two)(over_axes(parts[0], (-2, -1), *parts[1:]))
