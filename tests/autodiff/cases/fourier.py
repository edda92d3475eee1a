"""Fourier transforms: odd and even lengths, cut off and continued, all norms and axes."""

from typing import Any

import numpy as np

from .case import complex_, real, row, scalar

NORMS = ("backward", "ortho", "forward")
for fn in (np.fft.fft, np.fft.ifft):
    for n in (None, 3, 6):
        row(fn, complex_(4), n)
        row(fn, real(5), n)
for fn in (np.fft.rfft, np.fft.ihfft):
    for n in (None, 3, 4, 7, 1):
        row(fn, real(5), n)
for fn in (np.fft.irfft, np.fft.hfft):
    for n in (None, 1, 2, 3, 5, 8):
        row(fn, complex_(4), n)
    row(fn, real(4), 5)
    row(fn, complex_(2, 3), axis=0)
for fn in (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft):
    x = real(3, 2) if fn in (np.fft.rfft, np.fft.ihfft) else complex_(3, 2)
    for k, norm in enumerate(NORMS):
        row(fn, x, 4 + k, k % 2 - 1, norm=norm)
OPTIONS: list[dict[str, Any]] = [
    {}, {"axes": (1, 0), "norm": "ortho"}, {"s": (3, 4), "axes": (0, 1)},
    {"s": (2, 3), "axes": (-1, 0)}, {"s": (-1, 5), "axes": (0, 1)},
    {"axes": (0,), "norm": "forward"},
]  # fmt: skip
for fn, x in (
    (np.fft.fftn, complex_(2, 3)), (np.fft.ifftn, real(2, 3)), (np.fft.rfftn, real(2, 3)),
    (np.fft.irfftn, complex_(2, 3)), (np.fft.fft2, real(2, 3)), (np.fft.ifft2, complex_(2, 3)),
    (np.fft.rfft2, real(2, 3)), (np.fft.irfft2, complex_(2, 3)),
):  # fmt: skip
    for options in OPTIONS:
        row(fn, x, **options)
    row(fn, np.stack([x, 0.5 * x]), norm="ortho")
row(np.fft.fftn, complex_(2, 3), axes=(0, 0))
row(np.fft.fftn, scalar)
for fn in (np.fft.fftshift, np.fft.ifftshift):
    row(fn, real(5))
    for axes in (None, 0, -1, (0, 1), [1]):
        row(fn, real(3, 4), axes)
