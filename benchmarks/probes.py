"""Calls of NumPy's functions, the same for every library: what coverage.py measures.

A probe is a function of a namespace (``numpy``, ``autograd.numpy``, ``jax.numpy``, …) and of
arrays; a library passes if the value is NumPy's and the gradient that of central differences.
"""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Call = Callable[..., Any]


class Probe(NamedTuple):
    """A call, and the arrays that it is differentiated by."""

    call: Call
    arrays: tuple[np.ndarray, ...]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Distinct numbers between 0.3 and 1.8, of both signs."""
    rng = np.random.default_rng(seed)
    size = rng.permutation(np.linspace(0.31, 1.77, int(np.prod(shape)))) + 0.013 * seed
    return (size * np.where(np.arange(size.size) % 2, -1.0, 1.0)).reshape(shape)


X, Y, V, W = numbers(2, 3), numbers(2, 3, seed=1), numbers(3, seed=2), numbers(3, seed=3)
P, Q, U = np.abs(X), np.abs(Y), X * 0.4
M, N = numbers(3, 3) + 3 * np.eye(3), numbers(3, 3, seed=4)
S = M @ M.T
LINE = numbers(8)
PLACES = np.array([2, 0])
MASK = np.array([[True, False, True], [False, True, True]])
PROBES: dict[str, list[Probe]] = {}


def probe(names: str, *arrays: np.ndarray, of: Call | None = None) -> None:
    """Add a call of each of the names: by default with the arrays as they are."""
    for name in names.split():
        named = operator.attrgetter(name)
        call = of or (lambda np, *xs, named=named: named(np)(*xs))
        if of is not None:
            call = lambda np, *xs, named=named: of(named(np), *xs)
        PROBES.setdefault(name, []).append(Probe(call, arrays))


# elements
probe("negative positive exp exp2 expm1 sin cos arctan sinh cosh tanh arcsinh square absolute", X)
probe("abs fabs sinc cbrt i0 conjugate conj degrees radians rad2deg deg2rad real sign floor", X)
probe("ceil trunc rint round around fix nan_to_num real_if_close angle imag reciprocal", X)
probe("log log2 log10 log1p sqrt", P)
probe("arcsin arccos arctanh tan asin acos atanh", U)
probe("arccosh acosh", P + 1)
probe("asinh atan", X)
probe("add subtract multiply divide true_divide maximum minimum fmax fmin hypot logaddexp", X, Y)
probe("logaddexp2 arctan2 atan2 fmod remainder mod copysign heaviside nextafter floor_divide", X, Y)
probe("power pow float_power", P, Y)
probe("ldexp", X, of=lambda f, x: f(x, np.array([1, 2, 3])))
probe("divmod", X, Y, of=lambda f, x, y: f(x, y)[1])
probe("modf frexp", X, of=lambda f, x: f(x)[0])
probe("clip", X, of=lambda f, x: f(x, -0.9, 0.8))
probe("where", X, Y, of=lambda f, x, y: f(MASK, x, y))
probe("select", X, Y, of=lambda f, x, y: f([MASK, ~MASK], [x, y]))
probe("choose", X, Y, of=lambda f, x, y: f(MASK.astype(int), [x, y]))
probe("piecewise", X, of=lambda f, x: f(x, [MASK, ~MASK], [lambda v: v * v, lambda v: 3 * v]))
probe("interp", V, of=lambda f, x: f(x, np.array([-3.0, 0.1, 3.0]), np.array([1.0, 2.0, 0.5])))
probe("unwrap", V * 4)
# reductions
reductions = "sum mean prod max min amax amin var std ptp nansum nanmean nanprod nanmax nanmin "
for names in (reductions + "nanvar nanstd median nanmedian average",):
    probe(names, X)
    probe(names, X, of=lambda f, x: f(x, axis=1))
probe("sum mean prod max min var std", X, of=lambda f, x: f(x, axis=0, keepdims=True))
probe("quantile nanquantile", X, of=lambda f, x: f(x, 0.3, axis=1))
probe("percentile nanpercentile", X, of=lambda f, x: f(x, 30, axis=1))
probe("cumsum cumprod nancumsum nancumprod", X, of=lambda f, x: f(x, axis=1))
probe("cumulative_sum cumulative_prod", X, of=lambda f, x: f(x, axis=1))
probe("diff gradient trapezoid", X, of=lambda f, x: f(x, axis=1))
probe("ediff1d", V)
probe("cov corrcoef", numbers(3, 5))
probe("convolve correlate", LINE, V)
# shapes
probe("ravel transpose squeeze flip fliplr flipud rot90 atleast_1d atleast_2d atleast_3d copy", X)
probe("tril triu diagonal trace diag diagflat sort unique unique_values sort_complex", M)
probe("permute_dims matrix_transpose", X)
probe("unique_all unique_counts unique_inverse", X, of=lambda f, x: f(x)[0])
probe("reshape", X, of=lambda f, x: f(x, (3, 2)))
probe("swapaxes moveaxis", X, of=lambda f, x: f(x, 0, 1))
probe("rollaxis", X, of=lambda f, x: f(x, 1))
probe("expand_dims", X, of=lambda f, x: f(x, 0))
probe("broadcast_to", V, of=lambda f, x: f(x, (2, 3)))
probe("broadcast_arrays", V, X, of=lambda f, x, y: f(x, y)[0])
probe("roll repeat", X, of=lambda f, x: f(x, 2, axis=1))
probe("tile", X, of=lambda f, x: f(x, (2, 1)))
probe("concatenate concat stack vstack row_stack hstack dstack column_stack", X, Y,
      of=lambda f, x, y: f([x, y]))  # fmt: skip
probe("block", X, Y, of=lambda f, x, y: f([[x, y]]))
probe("append", X, Y)
probe("array_split split hsplit", X, of=lambda f, x: f(x.T, 1)[0])
probe("vsplit", X, of=lambda f, x: f(x, 2)[0])
probe("dsplit", numbers(2, 2, 2), of=lambda f, x: f(x, 2)[1])
probe("unstack", X, of=lambda f, x: f(x)[1])
probe("pad", X, of=lambda f, x: f(x, 1))
probe("resize", X, of=lambda f, x: f(x, (3, 3)))
probe("delete", V, of=lambda f, x: f(x, 1))
probe("insert", V, W, of=lambda f, x, y: f(x, 1, y[0]))
probe("trim_zeros", V)
probe("meshgrid", V, W, of=lambda f, x, y: f(x, y)[1])
probe("ix_", V, W, of=lambda f, x, y: f(x, y)[1])
probe("full_like", V, of=lambda f, v: f(v, v[0]))
probe("astype", X, of=lambda f, x: f(x, float))
probe("linspace logspace", V, of=lambda f, v: f(v[0], v[1], 5))
probe("geomspace", P, of=lambda f, p: f(p[0, 0], p[0, 1], 5))
probe("lib.stride_tricks.sliding_window_view", LINE, of=lambda f, x: f(x, 3))
# indices
probe("take", X, of=lambda f, x: f(x, PLACES, axis=1))
probe("take_along_axis", X, of=lambda f, x: f(x, np.argsort(X, axis=1), axis=1))
probe("compress extract", V, of=lambda f, v: f(np.array([True, False, True]), v))
probe("partition", V, of=lambda f, v: f(v, 1)[1])
probe("union1d setxor1d setdiff1d", V, W)
probe("bincount", V, of=lambda f, v: f(np.array([0, 1, 1]), weights=v))
probe("histogram", V, W, of=lambda f, v, w: f(v, 3, weights=w)[0])
probe("histogram_bin_edges", V, of=lambda f, v: f(v, 3))
probe("histogram2d", V, W, of=lambda f, v, w: f(v, w, 2, density=True)[0])
probe("histogramdd", numbers(5, 2), of=lambda f, x: f(x, 2, density=True)[0])
probe("apply_along_axis", X, of=lambda f, x: f(lambda v: v * v, 1, x))
probe("apply_over_axes", X, of=lambda f, x: f(np.sum, x, [0]))
# products
probe("dot inner outer kron tensordot matmul", M, N)
probe("vdot cross vecdot linalg.vecdot linalg.cross linalg.outer", V, W)
probe("matvec", M, V)
probe("vecmat", V, M)
probe("einsum", M, N, of=lambda f, x, y: f("ij,kj->ik", x, y))
probe("linalg.matmul linalg.solve linalg.tensordot", M, N)
probe("linalg.multi_dot", M, N, of=lambda f, x, y: f([x, y, x]))
probe("linalg.inv linalg.det linalg.norm linalg.pinv linalg.svdvals linalg.cond linalg.trace", M)
probe("linalg.diagonal linalg.matrix_transpose linalg.matrix_norm linalg.vector_norm", M)
probe("linalg.cholesky linalg.eigvalsh", S, of=lambda f, x: f((x + x.T) / 2))
probe("linalg.eigh", S, of=lambda f, x: f((x + x.T) / 2)[1] ** 2)
probe("linalg.eig", S, of=lambda f, x: f(x)[0])
probe("linalg.eigvals", S)
probe("linalg.svd", M, of=lambda f, x: f(x)[1])
probe("linalg.qr", M, of=lambda f, x: f(x)[1] ** 2)
probe("linalg.slogdet", M, of=lambda f, x: f(x)[1])
probe("linalg.lstsq", numbers(4, 2), numbers(4, seed=5), of=lambda f, a, b: f(a, b, rcond=None)[0])
probe("linalg.matrix_power", M, of=lambda f, x: f(x, 3))
probe("linalg.tensorinv", M, of=lambda f, x: f(x, 1))
probe("linalg.tensorsolve", M, V)
# polynomials
probe("polyval", V, X)
probe("polyadd polysub polymul", V, W)
probe("polyder polyint", V)
probe("polydiv", LINE, V, of=lambda f, x, y: f(x, y)[0])
probe("polyfit", LINE, of=lambda f, y: f(np.arange(8.0), y, 2))
probe("poly", V)
probe("roots", np.array([1.0, -3.5, 2.1]))
probe("vander", V)
FAMILIES = (("polynomial", "poly"), ("chebyshev", "cheb"), ("legendre", "leg"),
            ("laguerre", "lag"), ("hermite", "herm"), ("hermite_e", "herme"))  # fmt: skip
for family, short in FAMILIES:
    room = f"polynomial.{family}.{short}"
    probe(f"{room}val", V, W, of=lambda f, x, c: f(x, c))
    probe(f"{room}val2d {room}grid2d", V, M, of=lambda f, x, c: f(x, x * 0.5, c))
    probe(f"{room}val3d {room}grid3d", V, numbers(2, 2, 2), of=lambda f, x, c: f(x, -x, x * 0.5, c))
# transforms
probe("fft.fft fft.ifft fft.rfft fft.ihfft fft.hfft fft.irfft fft.fftshift fft.ifftshift", LINE)
probe("fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.rfft2 fft.rfftn fft.irfft2 fft.irfftn", M)
# methods of ufuncs
METHODS = "add multiply maximum minimum logaddexp subtract divide hypot fmax fmin logaddexp2"
for ufunc in METHODS.split():
    probe(f"{ufunc}.reduce {ufunc}.accumulate", P, of=lambda f, x: f(x, axis=1))
    probe(f"{ufunc}.reduceat", LINE, of=lambda f, x: f(x, [0, 3, 5]))
    probe(f"{ufunc}.outer", V, W)
