"""The functions of ``scipy.special`` that turn their arguments into arrays, for Tensors as well.

SciPy's ufuncs take Tensors as they are: ``scipy.special.gammaln(t)`` is recorded. These are Python
functions there that call ``np.asarray``, which refuses a Tensor that requires grad; here they have
the same names, arguments and results. Importing this module imports SciPy (``pip install scipy``).

>>> from tinygrad_np import special
>>> special.logsumexp(np.zeros(4), b=np.ones(4)).round(4)
np.float64(1.3863)
"""

from typing import Any

import numpy as np
from scipy import special as sp
from scipy.special import _ufuncs as hidden

from .autodiff.primitives import neural
from .autodiff.rules.gammas import multigammaln
from .autodiff.rules.log_sums import log_of_sum, sign_of_sum
from .habits import hinted

__all__ = [
    "comb", "factorial", "log_softmax", "logsumexp", "multigammaln", "perm", "polygamma", "softmax",
]  # fmt: skip


@hinted("numpy")
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b exp(a) along ``axis`` (all axes by default), as ``scipy.special.logsumexp``.

    ``b`` broadcasts against ``a``. With ``return_sign`` the result is the log of the absolute value
    and the sign (of complex numbers the phase); without it a negative sum gives NaN.

    >>> from tinygrad_np import special
    >>> float(special.logsumexp(np.array([1000.0, 1000.0])).round(4))
    1000.6931
    """
    a = np.reshape(a, (1,)) if np.ndim(a) == 0 else a
    axis = (
        tuple(range(max(np.ndim(a), np.ndim(b) if b is not None else 0))) if axis is None else axis
    )
    is_complex = np.iscomplexobj(a) or np.iscomplexobj(b)
    out = log_of_sum(a, b, axis, return_sign and not is_complex)
    results = [out]
    if return_sign and is_complex:
        results = [np.real(out), np.exp(np.imag(out) * 1j)]
    elif return_sign:
        results.append(sign_of_sum(a, b, axis))
    if not keepdims:
        results = [np.squeeze(result, axis=axis) for result in results]
    if out.size == 1:  # of arrays NumPy gives numbers
        results = [r[()] if isinstance(r, np.ndarray) and r.ndim == 0 else r for r in results]
    return tuple(results) if return_sign else results[0]


@hinted("numpy")
def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / Σ exp(x) along ``axis`` (all axes by default), as ``scipy.special.softmax``.

    >>> from tinygrad_np import special
    >>> special.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return neural.softmax(np.asarray(x) if isinstance(x, (list, float, int)) else x, axis=axis)


@hinted("numpy")
def log_softmax(x: Any, axis: Any = None) -> Any:
    """x - log Σ exp(x) along ``axis`` (all by default), as ``scipy.special.log_softmax``.

    >>> from tinygrad_np import special
    >>> special.log_softmax(np.array([0.0, 0.0])).round(4)
    array([-0.6931, -0.6931])
    """
    return neural.log_softmax(np.asarray(x) if isinstance(x, (list, float, int)) else x, axis=axis)


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of ``digamma`` at x, in the dtype of x if n is a Python number.

    >>> from tinygrad_np import special
    >>> float(special.polygamma(1, 1.0).round(4))
    1.6449
    """
    if isinstance(n, int):
        return (
            sp.psi(x)
            if n == 0
            else (-1.0) ** (n + 1) * sp.gamma(n + 1.0).item() * hidden._zeta(n + 1, x)
        )
    n = n if hasattr(n, "dtype") else np.asarray(n)
    return np.where(
        n == 0, sp.psi(x), (-1.0) ** (n + 1) * sp.gamma(n + 1.0) * hidden._zeta(n + 1, x)
    )


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """Combinations of N things taken k at a time, for real N and k; ``exact`` takes integers.

    >>> from tinygrad_np import special
    >>> float(special.comb(5, 2))
    10.0
    """
    if exact:
        return sp.comb(N, k, exact=True, repetition=repetition)
    if repetition:
        none = np.logical_and(k == 0, N == 0)
        return np.where(none, 1.0, sp.binom(np.where(none, 1.0, N + k - 1), k))
    inside = np.logical_and(np.logical_and(k <= N, N >= 0), k >= 0)
    return np.where(inside, sp.binom(np.where(inside, N, 1.0), np.where(inside, k, 1.0)), 0.0)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """Permutations of N things taken k at a time, for real N and k; ``exact`` takes integers.

    >>> from tinygrad_np import special
    >>> float(special.perm(5, 2))
    20.0
    """
    if exact:
        return sp.perm(N, k, exact=True)
    inside = np.logical_and(np.logical_and(k <= N, N >= 0), k >= 0)
    return np.where(
        inside, sp.poch(np.where(inside, N - k + 1, 1.0), np.where(inside, k, 1.0)), 0.0
    )


def factorial(n: Any, exact: bool = False) -> Any:
    """n! = Γ(n + 1), 0 for negative n; ``exact`` takes integers.

    >>> from tinygrad_np import special
    >>> float(special.factorial(4))
    24.0
    """
    if exact:
        return sp.factorial(n, exact=True)
    return np.where(n < 0, 0.0, sp.gamma(np.where(n < 0, 1.0, n) + 1))
