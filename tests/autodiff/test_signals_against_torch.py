"""Transforms, order statistics and signals against PyTorch: value, gradient, second order."""

from typing import Any

import numpy as np
import pytest

from tests.autodiff import test_against_torch as against
from tests.autodiff.cases import positive, real

torch = pytest.importorskip("torch")
x, long = real(3, 4), real(7)
places = np.array([0.0, 0.5, 1.5, 1.75])
TWINS: list[tuple[Any, Any, tuple[np.ndarray, ...]]] = []


def twin(ours: Any, theirs: Any, *args: np.ndarray) -> None:
    TWINS.append((ours, theirs, args))


for norm, n in (("backward", None), ("ortho", 3), ("forward", 6)):
    for name in ("fft", "ifft", "rfft", "ihfft"):
        twin(
            lambda a, name=name, n=n, norm=norm: np.abs(getattr(np.fft, name)(a, n, 0, norm)),
            lambda a, name=name, n=n, norm=norm: getattr(torch.fft, name)(a, n, 0, norm).abs(),
            x,
        )
    for name in ("irfft", "hfft"):
        twin(
            lambda a, b, name=name, n=n, norm=norm: (
                getattr(np.fft, name)(a + 1j * b, n, -1, norm) ** 2
            ),
            lambda a, b, name=name, n=n, norm=norm: (
                getattr(torch.fft, name)(a + 1j * b, n, -1, norm) ** 2
            ),
            x, real(3, 4, seed=1),
        )  # fmt: skip
    for name in ("fftn", "ifftn", "rfftn", "fft2", "rfft2"):
        twin(
            lambda a, name=name, norm=norm: np.abs(
                getattr(np.fft, name)(a, s=(2, 5), axes=(1, 0), norm=norm)
            ),
            lambda a, name=name, norm=norm: getattr(torch.fft, name)(
                a, s=(2, 5), dim=(1, 0), norm=norm
            ).abs(),
            x,
        )
twin(
    lambda a, b: np.fft.irfftn(a + 1j * b) ** 2,
    lambda a, b: torch.fft.irfftn(torch.complex(a, b)) ** 2,
    x, real(3, 4, seed=1),
)  # fmt: skip
twin(lambda a: np.fft.fftshift(a**2, 1) * a, lambda a: torch.fft.fftshift(a**2, 1) * a, x)
twin(lambda a: np.fft.ifftshift(a**2) * a, lambda a: torch.fft.ifftshift(a**2) * a, x)
for method in ("linear", "lower", "higher", "midpoint", "nearest"):
    for q in (0.0, 0.77, 1.0):
        twin(
            lambda a, m=method, q=q: np.quantile(a**3, q, axis=1, method=m),
            lambda a, m=method, q=q: torch.quantile(a**3, q, 1, interpolation=m),
            x,
        )
gaps = np.where(np.eye(3, 4) > 0, np.nan, 0)
twin(lambda a: np.median(a**3), lambda a: torch.median(a**3), long)
twin(lambda a: np.median(a**3, axis=0), lambda a: torch.quantile(a**3, 0.5, 0), x)
twin(
    lambda a: np.nanmedian(a**3 + gaps, axis=1),
    lambda a: torch.nanmedian(a**3 + torch.tensor(gaps), 1).values,
    x,
)
twin(
    lambda a: np.nanquantile(a**3 + gaps, np.array([0.2, 0.6]), axis=0),
    lambda a: torch.nanquantile(a**3 + torch.tensor(gaps), torch.tensor(np.array([0.2, 0.6])), 0),
    x,
)
for order in (1, 2):
    twin(
        lambda a, k=order: np.gradient(a**2, 0.5, edge_order=k)[1],
        lambda a, k=order: torch.gradient(a**2, spacing=0.5, edge_order=k)[1],
        x,
    )
    twin(
        lambda a, k=order: np.gradient(a**2, places, axis=1, edge_order=k),
        lambda a, k=order: torch.gradient(
            a**2, spacing=(torch.tensor(places),), dim=1, edge_order=k
        )[0],
        x,
    )
twin(lambda a, b: np.trapezoid(a**2, b), lambda a, b: torch.trapezoid(a**2, b), x, np.sort(real(4)))
twin(
    lambda a: np.trapezoid(a**2, dx=0.3, axis=0), lambda a: torch.trapezoid(a**2, dx=0.3, dim=0), x
)
twin(
    lambda a, b: np.correlate(a, b),
    lambda a, b: torch.nn.functional.conv1d(a[None, None], b[None, None])[0, 0],
    long, real(3, seed=1),
)  # fmt: skip
twin(np.cov, torch.cov, x)
twin(
    lambda a, w: np.cov(a, aweights=w, fweights=np.array([1, 2, 1, 3]), ddof=0),
    lambda a, w: torch.cov(a, correction=0, aweights=w, fweights=torch.tensor([1, 2, 1, 3])),
    x, positive(4, seed=2),
)  # fmt: skip
twin(lambda a: np.corrcoef(a)[0], lambda a: torch.corrcoef(a)[0], x)
twin(np.i0, torch.special.i0, x)


def test_twins_agree() -> None:
    for k, (ours, theirs, args) in enumerate(TWINS):
        try:
            against.test_twins_agree(against.Twin(str(k), ours, theirs, args))
        except AssertionError as error:
            error.add_note(f"twin {k}")
            raise
