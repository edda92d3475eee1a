# ruff: noqa: ARG005, B008, E501 - a table: one row for each operation, with PyTorch's options
"""PyTorch's own table of operations and samples beside NumPy calls on Tensors.

    python -m tests.autodiff.op_db             all samples: operations and samples passed / tried
    python -m tests.autodiff.op_db --list      and what does not pass, with the reason

Compared are value, shape, dtype, the gradient of the weighed results by every operand that PyTorch
differentiates by, and the gradient of the weighed gradient. ``TWINS`` says what an operation of
PyTorch is in NumPy; an operation without an entry is not NumPy's (or draws, or is in place).
"""

import argparse
import importlib
import importlib.util
import itertools
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_np as tg
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import neural
from tinygrad_np.nn import functional as F

Twin = Callable[..., Any]
TWINS: dict[str, Twin] = {}


def same(names: str, fn: Twin | None = None) -> None:
    """Operations that are called alike: ``theirs`` or ``theirs=ours`` for other names."""
    for pair in names.split():
        theirs, _, ours = pair.partition("=")
        twin = fn
        if twin is None:
            twin = np
            for part in (ours or theirs).split("."):
                twin = getattr(twin, part)
        TWINS[theirs] = twin


def axes(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, (list, tuple)) else dim


def over(fn: Twin) -> Twin:
    """A reduction, with PyTorch's names; no axes are all axes there."""

    def reduce(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        axis = axes(dim) if dim not in ((), []) else None
        out = fn(x, axis=axis, keepdims=keepdim)
        return out if dtype is None else out.astype(kind(dtype))

    return reduce


def kind(dtype: Any) -> Any:
    """NumPy's dtype of PyTorch's."""
    return torch.empty(0, dtype=dtype).numpy().dtype if isinstance(dtype, torch.dtype) else dtype


same("abs acos=arccos acosh=arccosh angle asin=arcsin asinh=arcsinh atan=arctan atanh=arctanh "
     "ceil conj conj_physical=conj cos cosh deg2rad exp exp2 expm1 floor i0 imag log log10 log1p "
     "log2 nan_to_num neg=negative positive rad2deg real reciprocal sgn=sign sign sin sinc sinh "
     "sqrt square tan tanh trunc isfinite isinf isnan isneginf isposinf isreal signbit")  # fmt: skip
same("add=add atan2=arctan2 copysign eq=equal fmax fmin fmod ge=greater_equal gt=greater heaviside "
     "hypot isclose ldexp le=less_equal logaddexp logaddexp2 lt=less maximum minimum mul=multiply "
     "ne=not_equal nextafter pow=power float_power remainder true_divide=divide logical_and "
     "logical_or logical_xor logical_not floor_divide")  # fmt: skip
same("add", lambda x, y, alpha=1: x + alpha * y)
same("sub", lambda x, y, alpha=1: x - alpha * y)
same("rsub", lambda x, y, alpha=1: y - alpha * x)
same("div", lambda x, y, rounding_mode=None: {
    None: np.divide, "floor": np.floor_divide, "trunc": lambda a, b: np.trunc(a / b)
}[rounding_mode](x, y))  # fmt: skip
same("__radd__", lambda x, y: y + x)
same("__rsub__", lambda x, y: y - x)
same("__rmul__", lambda x, y: y * x)
same("__rdiv__", lambda x, y: y / x)
same("__rpow__", lambda x, y: y**x)
same("__rmod__", lambda x, y: y % x)
same("__rmatmul__", lambda x, y: y @ x)
same("__getitem__", lambda x, index: x[index])
same("addcdiv", lambda x, a, b, value=1: x + value * (a / b))
same("addcmul", lambda x, a, b, value=1: x + value * (a * b))
same("lerp", lambda x, y, w: x + w * (y - x))
same("frac", lambda x: x - np.trunc(x))
same("rsqrt", lambda x: 1 / np.sqrt(x))
same("round", lambda x, decimals=0: np.round(x, decimals))
same("frexp", lambda x: np.frexp(x))
same("clamp", lambda x, min=None, max=None: np.clip(x, min, max))
same("clamp_min", lambda x, y: np.maximum(x, y))
same("clamp_max", lambda x, y: np.minimum(x, y))
same("where", lambda x, c, y: np.where(c, x, y))
same("masked_fill", lambda x, mask, value: np.where(mask, value, x))
same("masked_select", lambda x, mask: np.extract(*np.broadcast_arrays(mask, x)))
same("fill", lambda x, value: np.full_like(x, value))
same("full_like", lambda x, value, dtype=None, **_: np.full_like(x, value, dtype=kind(dtype)))
same("complex", lambda x, y: x + 1j * y)
same("polar", lambda x, y: x * np.exp(1j * y))
same("sigmoid", neural.sigmoid)
same("logit", lambda x, eps=None: (lambda p: np.log(p / (1 - p)))(
    x if eps is None else np.clip(x, eps, 1 - eps)))  # fmt: skip
# reductions
for name, fn in (("sum", np.sum), ("mean", np.mean), ("nansum", np.nansum), ("amax", np.amax),
                 ("amin", np.amin), ("nanmean", np.nanmean), ("all", np.all), ("any", np.any)):  # fmt: skip
    same(name, over(fn))
same("prod", lambda x, dim=None, keepdim=False, dtype=None: np.prod(
    x, axis=dim, keepdims=keepdim, dtype=kind(dtype)))  # fmt: skip
same("count_nonzero", lambda x, dim=None: np.count_nonzero(x, axis=axes(dim)))

same("argmax", lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim))
same("argmin", lambda x, dim=None, keepdim=False: np.argmin(x, axis=dim, keepdims=keepdim))


def spread_of(fn: Twin) -> Twin:
    def reduce(
        x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
        correction: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        axis = axes(dim) if dim not in ((), []) else None
        freedom = correction if correction is not None else int(unbiased)
        return fn(x, axis=axis, ddof=freedom, keepdims=keepdim)

    return reduce


same("var", spread_of(np.var))
same("std", spread_of(np.std))
same("var_mean", lambda x, dim=None, unbiased=True, keepdim=False, correction=None: (
    spread_of(np.var)(x, dim, unbiased, keepdim, correction=correction),
    over(np.mean)(x, None if isinstance(dim, bool) else dim, keepdim)))  # fmt: skip
same("std_mean", lambda x, dim=None, unbiased=True, keepdim=False, correction=None: (
    spread_of(np.std)(x, dim, unbiased, keepdim, correction=correction),
    over(np.mean)(x, None if isinstance(dim, bool) else dim, keepdim)))  # fmt: skip


def extremum(fn: Twin, arg: Twin, pair: Twin) -> Twin:
    def reduce(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if hasattr(dim, "dtype"):
            return pair(x, dim)
        if dim is None:
            return fn(x)
        return fn(x, axis=dim, keepdims=keepdim), arg(x, axis=dim, keepdims=keepdim)

    return reduce


same("max", extremum(np.max, np.argmax, np.maximum))
same("min", extremum(np.min, np.argmin, np.minimum))
same("aminmax", lambda x, dim=None, keepdim=False: (
    np.min(x, axis=dim, keepdims=keepdim), np.max(x, axis=dim, keepdims=keepdim)))  # fmt: skip

same("cumsum", lambda x, dim, dtype=None: np.cumsum(x, axis=dim, dtype=kind(dtype)))
same("cumprod", lambda x, dim, dtype=None: np.cumprod(x, axis=dim, dtype=kind(dtype)))
for name, ufunc in (("cummax", np.maximum), ("cummin", np.minimum), ("logcumsumexp", np.logaddexp)):
    same(name, lambda x, dim, u=ufunc: u.accumulate(x, axis=dim) if np.ndim(x) else x * 1)
same("logsumexp", lambda x, dim, keepdim=False: np.logaddexp.reduce(
    x, axis=axes(dim), keepdims=keepdim) if np.ndim(x) else x * 1)  # fmt: skip
same("softmax", lambda x, dim, dtype=None: neural.softmax(x, dim))
same("log_softmax", lambda x, dim, dtype=None: neural.log_softmax(x, dim))
same("nn.functional.softmin", lambda x, dim, dtype=None: neural.softmax(-x, dim))
same("diff", lambda x, n=1, dim=-1, prepend=None, append=None: np.diff(
    x, n, dim, **{k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}))  # fmt: skip
same("trapezoid trapz", lambda y, x=None, dim=-1, dx=1.0: np.trapezoid(y, x, dx, dim))
same("cov", lambda x, correction=1, fweights=None, aweights=None: np.cov(
    x, ddof=correction, fweights=fweights, aweights=aweights))  # fmt: skip
same("corrcoef", np.corrcoef)
same("quantile", lambda x, q, dim=None, keepdim=False, interpolation="linear": np.quantile(
    x, q, axis=dim, keepdims=keepdim, method=interpolation))  # fmt: skip
same("nanquantile", lambda x, q, dim=None, keepdim=False, interpolation="linear": np.nanquantile(
    x, q, axis=dim, keepdims=keepdim, method=interpolation))  # fmt: skip
same("bincount", lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength))
same("gradient", lambda x, spacing=None, dim=None, edge_order=1: np.gradient(
    x, *([] if spacing is None else spacing if isinstance(spacing, (list, tuple)) else [spacing]),
    axis=axes(dim), edge_order=edge_order))  # fmt: skip
# shapes
same("T", lambda x: x.T)
same("mT", lambda x: x.mT)
same("t t_copy", lambda x: x.T)
same("reshape view view_copy", lambda x, shape: np.reshape(x, shape))
same("reshape_as view_as", lambda x, y: np.reshape(x, y.shape))

same("ravel", lambda x: np.ravel(x))
same("contiguous clone alias_copy resolve_conj resolve_neg", lambda x, **_: np.copy(x))
same("flatten", lambda x, start_dim=0, end_dim=-1: np.reshape(x, (
    *x.shape[: start_dim % max(x.ndim, 1)], -1,
    *x.shape[end_dim % max(x.ndim, 1) + 1 :])))  # fmt: skip
same("unflatten", lambda x, dim, sizes: np.reshape(
    x, (*x.shape[: dim % x.ndim], *sizes, *x.shape[dim % x.ndim + 1 :])))  # fmt: skip
same("permute permute_copy", lambda x, dims: np.transpose(x, dims))
same("transpose transpose_copy", lambda x, a, b: np.swapaxes(x, a, b) if np.ndim(x) else x * 1)
same("movedim", lambda x, a, b: np.moveaxis(x, a, b) if np.ndim(x) else x * 1)
same("squeeze squeeze_copy", lambda x, dim=None: np.squeeze(x, tuple(
    d % max(x.ndim, 1) for d in ([dim] if isinstance(dim, int) else range(x.ndim) if dim is None else dim)
    if x.ndim and x.shape[d] == 1)))  # fmt: skip
same("unsqueeze unsqueeze_copy", lambda x, dim: np.expand_dims(x, dim))
same("expand expand_copy", lambda x, shape: np.broadcast_to(x, [
    m if n == -1 else n for n, m in zip(shape, (1,) * (len(shape) - x.ndim) + x.shape, strict=True)]))  # fmt: skip
same("expand_as", lambda x, y: np.broadcast_to(x, y.shape))
same("broadcast_to", np.broadcast_to)
same("broadcast_tensors", np.broadcast_arrays)
same("flip", lambda x, dims: np.flip(x, axes(dims)))
same("fliplr flipud trace atleast_1d atleast_2d atleast_3d msort=sort")
same("atleast_1d", lambda *xs: np.atleast_1d(*flat(xs)))
same("atleast_2d", lambda *xs: np.atleast_2d(*flat(xs)))
same("msort", lambda x: np.sort(x, axis=0) if np.ndim(x) else x * 1)
TWINS.pop("atleast_3d")  # the axes of a matrix stand elsewhere
same("rot90", lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims))
same("roll", lambda x, shifts, dims=None: np.roll(x, shifts, axes(dims) if dims != () else None))

same("tril", lambda x, diagonal=0: np.tril(x, diagonal))
same("triu", lambda x, diagonal=0: np.triu(x, diagonal))
same("diagonal diagonal_copy", lambda x, offset=0, dim1=0, dim2=1: np.diagonal(
    x, offset, dim1, dim2))  # fmt: skip
same("linalg.diagonal", lambda x, offset=0, dim1=-2, dim2=-1: np.diagonal(x, offset, dim1, dim2))

same("diag", lambda x, diagonal=0: np.diag(x, diagonal))
same("diagflat", lambda x, offset=0: np.diagflat(x, offset))
same("cat", lambda xs, dim=0: np.concatenate([x for x in xs if x.shape != (0,)] or xs, dim))
same("stack", lambda xs, dim=0: np.stack(xs, dim))

for name in ("hstack", "vstack", "dstack", "column_stack"):
    same(name, getattr(np, name))
same("chunk unsafe_chunk", lambda x, n, dim=0: np.split(
    x, range(-(-x.shape[dim] // n), x.shape[dim], max(-(-x.shape[dim] // n), 1)), dim))  # fmt: skip
same("split", lambda x, n, dim=0: np.split(x, pieces(n, x.shape[dim]), dim))
same("unsafe_split", lambda x, n, dim=0: np.split(x, pieces(n, x.shape[dim]), dim))
same("split_with_sizes split_with_sizes_copy", lambda x, n, dim=0: np.split(
    x, pieces(n, x.shape[dim]), dim))  # fmt: skip
same("tensor_split", lambda x, n, dim=0: np.array_split(
    x, n.tolist() if hasattr(n, "tolist") else n, dim))  # fmt: skip

for name in ("hsplit", "vsplit", "dsplit"):
    same(name, lambda x, n, f=getattr(np, name): f(x, n))
same("unbind unbind_copy", lambda x, dim=0: np.unstack(x, axis=dim))
same("narrow narrow_copy", lambda x, dim, start, n: np.take(
    x, np.arange(n) + int(start) % max(x.shape[dim], 1), axis=dim))  # fmt: skip
same("select", lambda x, dim, i: np.take(x, i, axis=dim))
same("slice", lambda x, dim=0, start=None, end=None, step=1: x[
    (*(slice(None),) * (dim % x.ndim), slice(start, end, step))])  # fmt: skip
same("unfold unfold_copy", lambda x, dim, size, step: np.moveaxis(sliding_window_view(
    x, size, axis=dim), dim, 0)[::step] if x.ndim and dim % x.ndim == 0 else np.moveaxis(np.moveaxis(
        sliding_window_view(x, size, axis=dim), dim, 0)[::step], 0, dim % x.ndim)
    if x.ndim else np.reshape(x, (size,)))  # fmt: skip
same("tile", np.tile)
same("repeat", lambda x, sizes: np.tile(x, sizes))
same("repeat_interleave", lambda x, repeats, dim=None, **_: np.repeat(x, repeats, axis=dim))
same("nn.functional.pad", lambda x, pad, mode="constant", value=0.0: np.pad(
    x, [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1],
    {"replicate": "edge", "circular": "wrap"}.get(mode, mode),
    **({"constant_values": value or 0.0} if mode == "constant" else {})))  # fmt: skip
same(
    "constant_pad_nd", lambda x, pad, value=0: TWINS["nn.functional.pad"](x, pad, "constant", value)
)
same("meshgrid", lambda x, *xs, indexing="ij": np.meshgrid(
    *(x if isinstance(x, (list, tuple)) else (x, *xs)), indexing=indexing))  # fmt: skip
same("take", np.take)
same("gather", lambda x, dim, index: np.take_along_axis(*trimmed(x, dim, index), dim))
same("take_along_dim", lambda x, index, dim=None: np.take_along_axis(x, index, dim))
same("index_select", lambda x, dim, index: np.take(x, index, axis=dim))
same("sort", lambda x, dim=-1, descending=False, stable=False: ordered(x, dim, descending))


for name in ("argsort", "unique", "searchsorted", "argmax argmin"):
    TWINS.pop(name, None)
same(
    "kthvalue",
    lambda x, k, dim=-1, keepdim=False: picked(np.sort(x, axis=dim), k - 1, dim, keepdim),
)
same("median", lambda x, dim=None, keepdim=False: np.sort(x, axis=None)[(x.size - 1) // 2]
     if dim is None else picked(np.sort(x, axis=dim), (x.shape[dim] - 1) // 2, dim, keepdim))  # fmt: skip
same("cartesian_prod", lambda *xs: np.stack(
    [np.ravel(x) for x in np.meshgrid(*flat(xs), indexing="ij")], axis=-1)
    if len(flat(xs)) > 1 else flat(xs)[0] * 1)  # fmt: skip
same("block_diag", lambda *xs: joined_blocks(flat(xs)))
same("linspace", lambda a, b, steps, dtype=None, **_: np.linspace(a, b, steps, dtype=kind(dtype)))
same("logspace", lambda a, b, steps, base=10.0, dtype=None, **_: np.logspace(
    a, b, steps, base=base, dtype=kind(dtype)))  # fmt: skip
# products
same("matmul mm=matmul bmm=matmul mv=matmul dot inner outer kron vdot linalg.multi_dot")
same("linalg.multi_dot", lambda xs: np.linalg.multi_dot(xs))
same("tensordot", lambda x, y, dims=2: np.tensordot(x, y, dims))
same("einsum", lambda xs, equation: np.einsum(equation, *xs))

same("addmm addmv", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * np.matmul(a, b))
same("baddbmm", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * np.matmul(a, b))
same("addbmm", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * np.sum(np.matmul(a, b), 0))
same("addr", lambda x, a, b, beta=1, alpha=1: beta * x + alpha * np.outer(a, b))
same("cross linalg.cross", lambda x, y, dim=-1: np.cross(*np.broadcast_arrays(x, y), axis=dim))
same("linalg.vecdot", lambda x, y, dim=-1: np.vecdot(*np.broadcast_arrays(x, y), axis=dim))
same("linalg.det linalg.inv linalg.pinv linalg.cholesky linalg.eigvalsh linalg.eigvals "
     "linalg.slogdet linalg.svdvals")  # fmt: skip
same("linalg.inv_ex", np.linalg.inv)
same("pinverse", np.linalg.pinv)
same("linalg.cholesky cholesky", lambda x, upper=False: np.linalg.cholesky(
    symmetric(x), upper=upper))  # fmt: skip
same("linalg.eigvalsh", lambda x, UPLO="L": np.linalg.eigvalsh(
    symmetric(x), UPLO))  # fmt: skip
same("linalg.pinv", lambda x, rcond=1e-15, hermitian=False, **_: np.linalg.pinv(
    symmetric(x) if hermitian else x, hermitian=hermitian))  # fmt: skip
same("linalg.solve linalg.solve_ex", lambda a, b, left=True: np.linalg.solve(a, b)
     if b.ndim != a.ndim - 1 or b.ndim == 1 else np.linalg.solve(a, b[..., None])[..., 0])  # fmt: skip
same("linalg.matrix_power", np.linalg.matrix_power)
same("linalg.vector_norm", lambda x, ord=2, dim=None, keepdim=False: np.linalg.vector_norm(
    x, ord=ord, axis=axes(dim), keepdims=keepdim))  # fmt: skip
same("linalg.matrix_norm", lambda x, ord="fro", dim=(-2, -1), keepdim=False: np.linalg.norm(
    x, ord, axes(dim), keepdim))  # fmt: skip
same("linalg.norm", lambda x, ord=None, dim=None, keepdim=False: np.linalg.norm(
    x, ord, axes(dim), keepdim))  # fmt: skip
same("linalg.tensorinv", lambda x, ind=2: np.linalg.tensorinv(x, ind))
same("linalg.tensorsolve", lambda a, b, dims=None: np.linalg.tensorsolve(a, b, dims))
same("linalg.vander", lambda x, N=None: np.vander(x, N, increasing=True) if x.ndim == 1 else
     x[..., None] ** np.arange(x.shape[-1] if N is None else N))  # fmt: skip
same("linalg.cond", lambda x, p=None: np.linalg.cond(x, p))
same("logdet", lambda x: np.linalg.slogdet(x)[1])
same("dist", lambda x, y, p=2: np.linalg.norm(np.ravel(x - y), p))
# transforms
for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    same(
        f"fft.{name}",
        lambda x, n=None, dim=-1, norm=None, f=getattr(np.fft, name): f(x, n, dim, norm),
    )
for name in ("fft2", "ifft2", "rfft2", "irfft2"):
    same(f"fft.{name}", lambda x, s=None, dim=(-2, -1), norm=None, f=getattr(np.fft, name): f(
        x, s if s is None else np.atleast_1d(s), dim if dim is None else np.atleast_1d(dim), norm))  # fmt: skip
for name in ("fftn", "ifftn", "rfftn", "irfftn"):
    same(f"fft.{name}", lambda x, s=None, dim=None, norm=None, f=getattr(np.fft, name): f(
        x, s if s is None else np.atleast_1d(s), dim if dim is None else np.atleast_1d(dim), norm))  # fmt: skip
for name in ("fftshift", "ifftshift"):
    same(f"fft.{name}", lambda x, dim=None, f=getattr(np.fft, name): f(x, axes(dim)))
# networks, written in NumPy
sigmoid = neural.sigmoid
same("nn.functional.relu", F.relu)
same("nn.functional.relu6", lambda x: np.clip(x, 0, 6))
same("nn.functional.leaky_relu", lambda x, negative_slope=0.01: F.leaky_relu(x, negative_slope))
same("nn.functional.hardtanh", lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val))
same("nn.functional.hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6)
same("nn.functional.logsigmoid", lambda x: -np.logaddexp(0, -x))
same("nn.functional.silu", lambda x: x * sigmoid(x))
same("nn.functional.mish", lambda x: x * np.tanh(np.logaddexp(0, x)))
same("nn.functional.softsign", lambda x: x / (1 + np.abs(x)))
same("nn.functional.tanhshrink", lambda x: x - np.tanh(x))
same("nn.functional.elu", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(
    np.minimum(x, 0))))  # fmt: skip
same("nn.functional.celu", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(
    np.minimum(x, 0) / alpha)))  # fmt: skip
same("nn.functional.softplus", lambda x, beta=1, threshold=20: np.where(
    x * beta > threshold, x, np.logaddexp(0, np.minimum(x * beta, threshold)) / beta))  # fmt: skip
same("nn.functional.glu", lambda x, dim=-1: (lambda a, b: a * sigmoid(b))(*np.split(x, 2, dim)))
same("nn.functional.prelu", lambda x, weight: np.where(x > 0, x, x * (
    np.reshape(weight, (-1,) + (1,) * (x.ndim - 2)) if x.ndim > 1 and weight.ndim else weight)))  # fmt: skip
same("nn.functional.threshold", lambda x, threshold, value: np.where(x > threshold, x, value))
same("nn.functional.linear", lambda x, w, b=None: x @ w.T + (0 if b is None else b))
same("nn.functional.bilinear", lambda x, y, w, b=None: np.einsum("...i,kij,...j->...k", x, w, y)
     + (0 if b is None else b))  # fmt: skip
same("nn.functional.normalize", lambda x, p=2.0, dim=1, eps=1e-12: x / np.maximum(
    np.linalg.vector_norm(x, ord=p, axis=axes(dim), keepdims=True), eps))  # fmt: skip
same("nn.functional.cosine_similarity", lambda x, y, dim=1, eps=1e-8: np.sum(x * y, axis=dim) / (
    np.maximum(np.linalg.vector_norm(x, axis=dim), eps)
    * np.maximum(np.linalg.vector_norm(y, axis=dim), eps)))  # fmt: skip
same("nn.functional.pairwise_distance", lambda x, y, p=2.0, eps=1e-6, keepdim=False:
     np.linalg.vector_norm(x - y + eps, ord=p, axis=-1, keepdims=keepdim))  # fmt: skip
same("nn.functional.embedding", lambda weight, index, **_: weight[index])


def loss(fn: Twin) -> Twin:
    def reduced(x: Any, y: Any, *args: Any, reduction: str = "mean", **options: Any) -> Any:
        out = fn(x, y, *args, **options)
        return {"mean": np.mean, "sum": np.sum, "none": lambda v: v}[reduction](out)

    return reduced


same("nn.functional.mse_loss", loss(lambda x, y: (x - y) ** 2))
same("nn.functional.l1_loss", loss(lambda x, y: np.abs(x - y)))
same("nn.functional.huber_loss", loss(lambda x, y, delta=1.0: np.where(
    np.abs(x - y) < delta, 0.5 * (x - y) ** 2, delta * (np.abs(x - y) - 0.5 * delta))))  # fmt: skip
same("nn.functional.smooth_l1_loss", loss(lambda x, y, beta=1.0: np.abs(x - y) if beta == 0 else
     np.where(np.abs(x - y) < beta, 0.5 * (x - y) ** 2 / beta, np.abs(x - y) - 0.5 * beta)))  # fmt: skip
same("nn.functional.soft_margin_loss", loss(lambda x, y: np.logaddexp(0, -y * x)))
same("nn.functional.poisson_nll_loss", lambda x, y, log_input=True, full=False, eps=1e-8,
     reduction="mean", **_: loss(lambda a, b: (np.exp(a) - b * a if log_input else a - b * np.log(
         a + eps)) + (np.where(b > 1, b * np.log(np.where(b > 1, b, 1)) - b
                               + 0.5 * np.log(2 * np.pi * np.where(b > 1, b, 1)), 0) if full else 0))(
         x, y, reduction=reduction))  # fmt: skip
same("nn.functional.binary_cross_entropy", lambda x, y, weight=None, reduction="mean": loss(
    lambda a, b: -(b * np.maximum(np.log(a), -100) + (1 - b) * np.maximum(np.log(1 - a), -100))
    * (1 if weight is None else weight))(x, y, reduction=reduction))  # fmt: skip
if importlib.util.find_spec("tinygrad_np.special") and importlib.util.find_spec("scipy"):
    sp = importlib.import_module("scipy.special")
    for pair in ["erf", "erfc", "erfinv", "digamma=psi", "lgamma=gammaln", "xlogy", "special.entr=entr", "special.ndtr=ndtr", "special.erfcx=erfcx", "special.i0e=i0e", "special.i1=i1", "special.i1e=i1e", "special.ndtri=ndtri", "special.log_ndtr=log_ndtr", "special.xlog1py=xlog1py", "igamma=gammainc", "igammac=gammaincc", "special.bessel_j0=j0", "special.bessel_j1=j1", "special.bessel_y0=y0", "special.bessel_y1=y1", "special.modified_bessel_i0=i0", "special.modified_bessel_i1=i1", "special.modified_bessel_k0=k0", "special.modified_bessel_k1=k1"]:  # fmt: skip
        theirs, _, ours = pair.partition("=")
        TWINS[theirs] = getattr(sp, ours or theirs)
KNOWN = {  # where PyTorch has other conventions: docs/conventions.md
    "linalg.norm subgradients_at_zero": "second derivatives of norms at 0",
}
TWINS = {name: twin for name, twin in TWINS.items() if callable(twin)}


def symmetric(x: Any) -> Any:
    """What PyTorch takes for granted: its gradients are those of a symmetric matrix."""
    return (x + np.swapaxes(x, -1, -2)) / 2


def flat(xs: Any) -> Any:
    return xs[0] if len(xs) == 1 and isinstance(xs[0], (list, tuple)) else xs


def pieces(n: Any, length: int) -> Any:
    """Where an axis is cut: every ``n``, or after pieces of such lengths."""
    return range(n, length, n) if isinstance(n, int) else list(itertools.accumulate(n))[:-1]


def trimmed(x: Any, dim: int, index: Any) -> Any:
    """What ``gather`` looks at: of the other axes as much as the index has."""
    if not np.ndim(x):
        return np.reshape(x, (1,)), np.reshape(index, (-1,))
    dim %= x.ndim
    return x[tuple(slice(None) if a == dim else slice(n) for a, n in enumerate(index.shape))], index


def ordered(x: Any, dim: int, descending: bool) -> Any:
    if not np.ndim(x):
        return x * 1
    out = np.sort(x, axis=dim)
    return np.flip(out, dim) if descending else out


def picked(x: Any, k: int, dim: int, keepdim: bool) -> Any:
    return np.take(x, [k] if keepdim else k, axis=dim)


def joined_blocks(xs: Any) -> Any:
    blocks = [np.atleast_2d(x) for x in xs]
    return np.block([
        [b if i == k else np.zeros((a.shape[0], b.shape[1])) for k, b in enumerate(blocks)]
        for i, a in enumerate(blocks)
    ])  # fmt: skip


def operations() -> list[Any]:
    """PyTorch's operations that have a twin."""
    known = "expecttest" in sys.modules or importlib.util.find_spec("expecttest") is not None
    if not known:  # of PyTorch's test classes, unused here
        sys.modules["expecttest"] = types.ModuleType("expecttest")
        sys.modules["expecttest"].TestCase = unittest.TestCase  # type: ignore[attr-defined]
    table = importlib.import_module("torch.testing._internal.common_methods_invocations")
    return [op for op in table.op_db if op.name in TWINS and torch.float64 in op.dtypes]


def visited(tree: Any, visit: Callable[[Any], Any]) -> Any:
    if isinstance(tree, (list, tuple)):
        found = [visited(part, visit) for part in tree]
        return tuple(found) if isinstance(tree, tuple) else found
    if isinstance(tree, dict):
        return {name: visited(part, visit) for name, part in tree.items()}
    return visit(tree)


def parts(out: Any) -> list[Any]:
    found = [part for part in leaves(out) if hasattr(part, "dtype")]
    return [p for p in found if str(p.dtype).rpartition(".")[2].startswith(("float", "complex"))]


def weighed(outs: list[Any], seed: int, wrap: Callable[[Any], Any]) -> Any:
    """One number of all results: a random weight for each element."""
    rng, total = np.random.default_rng(seed), 0.0
    for out in outs:
        real, imag = (rng.uniform(0.5, 1.5, tuple(out.shape)) for _ in range(2))
        if str(out.dtype).rpartition(".")[2].startswith("complex"):
            total = total + (out.real * wrap(real)).sum() + (out.imag * wrap(imag)).sum()
        else:
            total = total + (out * wrap(real)).sum()
    return total


def theirs(op: Any, sample: Any) -> tuple[list[Any], list[Any], list[Any] | None]:
    """Results, gradients and the gradients of these, by PyTorch."""
    variables: list[Any] = []
    visited([sample.input, sample.args, sample.kwargs], lambda v: variables.append(v) if isinstance(
        v, torch.Tensor) and v.requires_grad else None)  # fmt: skip
    outs = parts(op(sample.input, *sample.args, **sample.kwargs))
    zeros = [torch.zeros_like(v) for v in variables]
    if not variables or not any(out.requires_grad for out in outs):
        return outs, zeros, zeros
    options: Any = {"allow_unused": True, "materialize_grads": True}
    total = weighed(outs, 1, torch.tensor)
    first = list(torch.autograd.grad(total, variables, create_graph=True, **options))
    deeper = weighed(first, 2, torch.tensor)
    if not getattr(deeper, "requires_grad", False):
        return outs, first, zeros
    try:
        return outs, first, list(torch.autograd.grad(deeper, variables, **options))
    except (RuntimeError, NotImplementedError):  # it has no second derivative
        return outs, first, None


def given(sample: Any, variables: list[Any] | None) -> tuple[Any, Any, Any]:
    """The arguments of a sample as arrays, and as Tensors what PyTorch differentiates by."""

    def visit(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return kind(value)
        array = value.numpy(force=True)
        if value.requires_grad and variables is not None:
            variables.append(tg.Tensor(array, requires_grad=True))
            return variables[-1]
        return array[()] if array.ndim == 0 and array.dtype.kind in "iub" else array

    x, args, options = visited([sample.input, list(sample.args), sample.kwargs], visit)
    return x, args, options


def ours(op: Any, sample: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The same of the twin."""
    variables: list[tg.Tensor] = []
    x, args, options = given(sample, variables)
    outs = parts(TWINS[op.name](x, *args, **options))

    def slopes(total: Any, deeper: bool) -> list[Any]:
        for v in variables:
            v.grad = None
        if getattr(total, "requires_grad", False):
            total.backward(create_graph=deeper)
        return [np.zeros_like(v) if v.grad is None else v.grad for v in variables]

    first = slopes(weighed(outs, 1, np.asarray), True)
    return outs, first, slopes(weighed(first, 2, np.asarray), False)


def differing(found: list[Any], expected: list[Any]) -> str:
    """In which way arrays are not those that were expected; nothing if they are."""
    if len(found) != len(expected):
        return f"{len(found)} arrays, {len(expected)} expected"
    single = any(b.dtype is torch.float32 for b in expected)  # the weights of some samples
    close = 1e-3 if single else 1e-6
    for a, b in zip(found, expected, strict=True):
        mine = a.numpy() if isinstance(a, tg.Tensor) else np.asarray(a)
        other = b.numpy(force=True)
        if mine.shape != other.shape or mine.dtype != other.dtype:
            return f"{mine.shape} {mine.dtype}, {other.shape} {other.dtype} expected"
        if not np.allclose(mine, other, rtol=close, atol=close / 10, equal_nan=True):
            return "values differ"
    return ""


class Outcome(NamedTuple):
    """Of one sample: whether NumPy computes it, what differs, whether the second order was seen."""

    is_numpys: bool
    what: str = ""
    second: bool = False


def outcome(op: Any, sample: Any) -> Outcome:
    """Compare one sample; one is NumPy's if the twin of plain arrays gives PyTorch's value."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = theirs(op, sample)
        x, args, options = given(sample, None)
        try:
            plain = parts(TWINS[op.name](x, *args, **options))
        except Exception as error:
            return Outcome(False, f"{type(error).__name__}: {error}")
        if said := differing(plain, expected[0]):
            return Outcome(False, said)
        try:
            found = ours(op, sample)
        except Exception as error:
            return Outcome(True, f"{type(error).__name__}: {error}")
    for order, (mine, other) in enumerate(zip(found, expected, strict=True)):
        if other is not None and (said := differing(mine, other)):
            return Outcome(True, f"order {order}: {said}", order == 2)
    return Outcome(True, "", expected[2] is not None)


def compared(
    most: int | None = None, part: int = 0, parts: int = 1
) -> Iterator[tuple[str, list[Outcome]]]:
    """Of each operation the outcomes of its samples, or of so many of them at most."""
    for op in operations()[part::parts]:
        torch.manual_seed(0)
        np.random.seed(0)
        samples = op.sample_inputs("cpu", torch.float64, requires_grad=bool(op.supports_autograd))
        found = [outcome(op, sample) for sample in itertools.islice(samples, most)]
        yield f"{op.name} {op.variant_test_name}".strip(), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="show what does not pass")
    options = parser.parse_args()
    counts = dict.fromkeys(("operations", "passed", "samples", "tried", "equal", "second"), 0)
    for name, found in compared():
        inside = [one for one in found if one.is_numpys]
        wrong = [one.what for one in inside if one.what]
        counts["operations"] += bool(inside)
        counts["passed"] += bool(inside) and not wrong
        counts["samples"] += len(found)
        counts["tried"] += len(inside)
        counts["equal"] += len(inside) - len(wrong)
        counts["second"] += sum(one.second and not one.what for one in inside)
        if options.list and (wrong or not inside):
            said = wrong or [one.what for one in found] or ["no samples"]
            print(f"{name}: {len(wrong)} of {len(inside)} differ; {said[0][:150]}", flush=True)
    print(f"operations passed {counts['passed']} / tried {counts['operations']}")
    print(f"samples passed {counts['equal']} / tried {counts['tried']}")
    print(f"of these with a second derivative {counts['second']}; PyTorch has {counts['samples']}")


if __name__ == "__main__":
    main()
