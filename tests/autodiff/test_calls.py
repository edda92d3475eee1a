# ruff: noqa: E501 - one row of a table for each function
"""Every function of the table and the composites beside NumPy: both give a value, or both raise.

The calls are generated: each function at arrays of many shapes, with options legal and illegal.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff import calls_of_signals
from tests.autodiff.cases import full_name
from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.autodiff.rules import COMPOSITES, TABLE

SHAPES = [(), (0,), (1,), (3,), (4,), (2, 3), (3, 3), (2, 0), (0, 0), (0, 3), (1, 3), (2, 3, 3)]
PAIRS = [*itertools.product([(), (0,), (3,), (4,), (2, 3), (3, 2), (3, 3), (0, 3), (2, 0)], repeat=2),
         ((2, 3, 3), (3,)), ((2, 3, 3), (3, 3)), ((3,), (2, 3, 3)), ((2, 3, 3), (2, 3, 3)),
         ((2, 3, 0), (0, 4)), ((1, 3), (2, 3, 3)), ((2, 1, 3, 3), (2, 3, 3))]  # fmt: skip
AXES: list[Any] = [None, 0, 1, -1, 2, -3, (0,), (0, 1), (0, 0), (), (0, -1), 1.5]
axis = [{"axis": a} for a in AXES]
reduction = [{}, *axis, {"axis": 0, "keepdims": True}, {"keepdims": True}]
pairs_of_axes = [{}, *({"axis1": a, "axis2": b} for a, b in [(0, 1), (1, 0), (0, 0), (-1, -2), (0, 5)]),
                 *({"offset": k} for k in (1, -1, 7, -7))]  # fmt: skip
K = [{"k": k} for k in (0, 1, -1, 5, -5)]

# After the arrays: positional arguments or options. Functions that are not here are ufuncs, called
# with one array or two, or have rows of their own below.
ONE: dict[Any, list[Any]] = {
    np.var: [*reduction, {"ddof": 1}, {"ddof": 9}, {"correction": 1}],
    np.std: [*reduction, {"ddof": 1}, {"correction": 1, "axis": 0}],
    np.sum: [*reduction, {"initial": 2.0}, {"dtype": np.float32}],
    np.prod: [*reduction, {"initial": 2.0}],
    np.mean: [*reduction, {"dtype": np.float32}],
    np.max: [*reduction, {"initial": 1.0}], np.min: [*reduction, {"initial": 1.0}],
    np.amax: reduction, np.amin: reduction, np.ptp: reduction, np.nanmean: reduction,
    np.nansum: [*reduction, {"initial": 2.0}, {"dtype": np.float32}],
    np.any: reduction, np.all: reduction, np.argmax: [{}, *axis], np.argmin: [{}, *axis],
    np.cumsum: [{}, *axis], np.cumprod: [{}, *axis],
    np.average: [*reduction, {"axis": 0, "returned": True}, {"weights": np.ones(3)},
                 {"weights": np.zeros(3)}, {"weights": np.ones(3), "axis": 0},
                 {"weights": np.ones(3), "axis": -1}, {"weights": np.ones((2, 3)), "axis": (0, 1)},
                 {"weights": np.ones((2, 3))}, {"weights": np.array([1.0, -1.0, 0.0]), "axis": -1},
                 {"weights": np.ones((3, 2)), "axis": (1, 0)}],
    np.diff: [{}, *axis[1:], *({"n": n} for n in (0, 2, 5, -1)), {"prepend": 0.0}, {"append": 1.0},
              {"prepend": np.ones((2, 1))}, {"append": np.ones(2), "n": 2}, {"axis": 0, "prepend": 1}],
    np.sort: [{}, *axis, {"stable": True}, {"kind": "stable"}, {"kind": "no"}],
    np.argsort: [{}, *axis],
    np.diagonal: pairs_of_axes, np.trace: [*pairs_of_axes, {"dtype": np.float32}],
    np.linalg.diagonal: [{}, {"offset": 1}, {"offset": -9}],
    np.diag: K, np.tril: K, np.triu: K,
    np.clip: [(0, 1), (None, 1), (0, None), (None, None), (0,), (), {"min": 0}, {"max": 1}, {"min": 0, "max": 1},
              {"a_min": 0, "max": 1}, {"a_min": 0, "a_max": 1, "min": 2}, (0, 1, None), (np.zeros(2), 1), (2, -2)],
    np.take: [([0],), ([0, 0], 0), ([1], -1), ([9], 0), ([-1],), ([-9],), ([0], 5), (1, 1), ([],), ([0.5],), (np.array([], int), 0),
              (np.array([True, False, True]),), ([True],), ([[0], [1]], 0), ([7], 0, None, "wrap"), ([7], 0, None, "clip"),
              ([-7], 0, None, "clip"), ([0], 0, None, "no"), (np.int8([-1]),), (np.uint8([0]), 0)],
    np.take_along_axis: [(np.array([0, 0]), None), (np.zeros((2, 1), int), 1), (np.zeros((2, 2), int), None), (np.zeros((2, 3), int), 0),
                         (np.array([0]), 0), (np.zeros((1, 3), int), -2), (np.ones((2, 3)), 1), (np.array([5]), 0), (np.array([[0, 1, 0]]), 0),
                         (np.array([0, 2, 1]), -1), (np.array([0]), 3)],
    np.compress: [([True, False], ), ([1, 0], 0), ([True] * 9, 0), (np.ones((2, 2), bool),), (True,), ([False, True, True], 1), ([True], 7), ([],)],
    np.extract: [([True, False, True],), (np.ones((2, 3), bool),), (np.ones(9),), ([],), (True,), ([0, 2],)],
    np.rollaxis: [(0,), (1,), (0, 1), (-1,), (-1, -1), (2, 0), (0, 3), (0, 9), (5,), (0, -9), (1, 2)],
    np.moveaxis: [(0, 1), (0, -1), (0, 5), ((0, 1), (1, 0)), ((0, 0), (1, 0)), (0, (0, 1)), ((), ())],
    np.swapaxes: [(0, 1), (0, -1), (0, 5), (0, 0)],
    np.expand_dims: [(0,), (-1,), (3,), ((0, 1),), ((0, 0),), ((),)],
    np.squeeze: [{}, *axis],
    np.reshape: [(-1,), ((3, -1),), ((2, -1),), ((),), ((0, -1),), (9,), ((-1, -1),), {"shape": (-1,)}, (-1, "F"), (-1, "K")],
    np.ravel: [(), ("F",), ("no",)],
    np.transpose: [(), ((1, 0),), ((0, 0),), ((2, 0, 1),), ((0,),), ((-1, 0),)],
    np.broadcast_to: [((2, 3),), ((3,),), ((),), ((2, 3, 3),), ((0, 3),), (3,)],
    np.flip: [{}, *axis], np.fliplr: [()], np.flipud: [()],
    np.rot90: [(), (2,), (-1,), (1, (0, 2)), (1, (0, 0)), (1, (1, 0)), (1, (0, 5))],
    np.roll: [(1,), (1, 0), (-1, 1), ((1, 2), (0, 1)), (1, (0, 1)), (9, -1), (1, 5), ((1, 2), 0), (0,)],
    np.repeat: [(2,), (0,), (2, 0), (np.array([], int),), ([1, 2, 0],), ([1, 2, 0], 0), ([1, 2, 0], -1), ([2], 1), (-1,), ([1, 2],), (2, 7)],
    np.tile: [(2,), ((2, 1),), (0,), ((1, 2, 2),), ((),), ([2],)],
    np.atleast_1d: [()], np.atleast_2d: [()], np.atleast_3d: [()],
    np.array_split: [(2,), (5,), (0,), ([1],), ([1, 2, 9],), (2, 1), (2, -1), (2, 9), ([],), (-1,), (np.array([1]),)],
    np.split: [(2,), (3,), (1,), (0,), ([1],), ([1, 9],), (3, 1), (3, -1), (2, 9), ([],), (-1,)],
    np.hsplit: [(1,), (3,), ([1],)], np.vsplit: [(1,), (2,), ([1],)], np.dsplit: [(1,), (3,), ([1],)],
    np.pad: [(1,), (0,), (-1,), ((1, 2),), (((1, 2), (0, 1)),), (((1,), (2,)),), ((1, 2, 3),), (1, "edge"), (1, "wrap"), (1, "reflect"),
             (1, "symmetric"), (1, "no"), (1, "constant", 3), (2, "edge"), (1.5,), ([[1, 2]],)],
    np.resize: [((2, 2),), (4,), ((),), (0,), ((-1,),), ((3, 0),), ([2, 2],)],
    np.delete: [(0,), (0, 0), (-1, 0), (9,), ([0, 1], 0), ([], 0), (slice(0, 1), 0), ([True, False, True], 0), (0, 5), (-9, 0),
                (np.array([0]), -1), ([9], 0)],
    np.matrix_transpose: [()], np.linalg.matrix_transpose: [()],
    np.copy: [(), ("F",)], np.nan_to_num: [(), {"nan": 1.0}], np.modf: [()],
    np.linalg.norm: [*itertools.product([None, 2, 1, 3, 0, -1, 2.5, np.inf, -np.inf, "fro", "nuc", "no"], [None, 0, -1, 1, (0, 1), (1, 0), (0,), (0, 0), 5, (0, 1, 2)]),
                     {"keepdims": True}, {"axis": 0, "keepdims": True}, {"axis": (0, 1), "keepdims": True}],
    np.linalg.det: [()], np.linalg.inv: [()],
    np.linalg.matrix_power: [(2,), (0,), (1,), (-1,), (3,), (1.5,), (4,)],
    np.full_like: [(2.0,), (np.ones(3),), (1, np.float32), {"fill_value": 2.0, "shape": (2, 2)}],
    np.round: [(), (1,), {"decimals": 2}], np.around: [()], np.fix: [()], np.sinc: [()], np.angle: [(), (True,)],
    np.real: [()], np.imag: [()], np.unstack: [{}, *axis[1:]], np.searchsorted: [([0.5],)],
    np.nonzero: [()], np.argwhere: [()], np.flatnonzero: [()], np.count_nonzero: [{}, *axis],
}  # fmt: skip
ONE |= {
    np.linalg.cholesky: [(), {"upper": True}], np.linalg.eig: [()], np.linalg.eigvals: [()], np.linalg.svdvals: [()],
    np.linalg.eigh: [(), ("U",), ("l",), ("no",)], np.linalg.eigvalsh: [(), ("u",), ("no",)],
    np.linalg.svd: [(), (False,), (True, False), (False, True, True), (True, False, True)],
    np.linalg.qr: [(), ("complete",), ("r",), ("raw",), ("no",)],
    np.linalg.pinv: [(), (0.1,), {"hermitian": True}, {"rtol": None}, {"rtol": 0.2}, (0.1, False), {"rcond": 0.1, "rtol": 0.1}],
    np.linalg.cond: [*((p,) for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc", "no", 3))],
    np.linalg.matrix_norm: [*({"ord": p} for p in (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc", "no", 3)), {"keepdims": True}],
    np.linalg.vector_norm: [*({"ord": p, "axis": a} for p in (None, 2, 1, 3, "no") for a in (None, 0, (0, 1), (0, 0), 5)), {"keepdims": True}],
    np.linalg.slogdet: [()], np.linalg.tensorinv: [(), (1,), (0,), (9,)],
    np.linalg.trace: [{}, {"offset": 1}, {"dtype": np.float32}],
}  # fmt: skip
DTYPES = {"f8": 1.0, "f4": 1.0, "i8": 10, "?": 1}

TWO: dict[Any, list[Any]] = {
    np.dot: [()], np.inner: [()], np.vdot: [()], np.outer: [()], np.linalg.outer: [()], np.kron: [()],
    np.matmul: [()], np.linalg.solve: [()],
    np.cross: [(), {"axis": 0}, {"axis": 5}], np.linalg.cross: [(), {"axis": 0}],
    np.tensordot: [(), (0,), (1,), (3,), ((0, 0),), ((1, 0),), (([0], [0]),), (([0, 1], [0, 1]),), (([0], [0, 1]),), (([0, 0], [0, 0]),), ((5, 0),), (-1,)],
    np.linalg.tensordot: [(), {"axes": 1}, {"axes": ([1], [0])}],
    np.append: [(), {"axis": 0}, {"axis": 1}, {"axis": -1}, {"axis": 5}],
    np.broadcast_arrays: [()], np.where: [],
}  # fmt: skip
TWO |= {
    np.linalg.lstsq: [(), (None,), (0.3,), (-1,)], np.linalg.tensorsolve: [(), {"axes": (0,)}],
    np.linalg.matmul: [()], np.linalg.vecdot: [(), {"axis": 0}, {"axis": 5}],
    np.cross: [(), {"axis": 0}, {"axis": 5}, (0, 0), (-1, -1, 0), (5,)],
}  # fmt: skip
SEQUENCES: dict[Any, list[Any]] = {
    np.concatenate: [(), (1,), (None,), (-1,), (5,), {"dtype": np.float32}], np.stack: [(), (1,), (-1,), (5,)],
    np.vstack: [()], np.hstack: [()], np.dstack: [()], np.column_stack: [()], np.linalg.multi_dot: [()],
    np.lexsort: [(), (0,), (5,)],
}  # fmt: skip
SUBSCRIPTS = ["ii", "ii->i", "i->i", "ij->ji", "...i->i", "...i->...", "i...->...", "ij", "->", "i", "ji", "...", "i->ii", "i->j", "ijk->k", "iij", "...ii->...i",
              "...ij->ji", "ij,jk", "i,i", "ij,j->i", "...i,...i->...", "...ij,jk->...ik", "i,j->ij", ",->", "ij,ij->", "i...,...", "ii,i", "ij,jk->ikl", "i,i,i",
              "i.j->j", "ij->i.", "i-j", "", "...,...->...", "...i,...j", "...i,i->i"]  # fmt: skip

ONE.update(calls_of_signals.ONE)
TWO.update(calls_of_signals.TWO)

# NumPy gives a value, Tensors one of our own sentences: function, the beginning of the sentence.
REFUSALS: dict[Any, str] = {
    np.reshape: "reshape with order=",
    np.average: "np.average: weights of shape",  # over several axes
    np.fft.hfft: "fft.hfft: x of shape",  # of nothing, as einsum
    np.fft.irfft: "fft.irfft: x of shape",
    np.fft.irfft2: "fft.irfft2: x of shape",
    np.fft.irfftn: "fft.irfftn: x of shape",
    np.einsum: "np.einsum: the axes 'i'",  # of (0, 3), where NumPy gives whatever is in memory
}
OURS = (tg.TapeError, NotImplementedError, tg.DetachError)


def data(shape: tuple[int, ...], dtype: str = "f8", seed: int = 0) -> np.ndarray:
    """Distinct numbers of both signs."""
    return drawn(shape, dtype, seed).copy()


@functools.cache
def drawn(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 10 * len(shape))
    return np.asarray(rng.permutation(np.arange(math.prod(shape)) * 0.37 - 0.7 + 0.1 * seed)
                      * DTYPES[dtype]).reshape(shape).astype(dtype)  # fmt: skip


def given(spec: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((), spec) if isinstance(spec, dict) else (spec, {})


def calls(fn: Any) -> Iterator[tuple[list[np.ndarray], Any]]:
    """The arrays of each call, and how to call the function with them."""

    def flat(args: Any, options: Any) -> Any:
        return lambda *xs: fn(*xs, *args, **options)

    if fn in (np.compress, np.extract):
        filled = [shape for shape in SHAPES if math.prod(shape)]  # in others NumPy gives anything
        for shape, spec in itertools.product(filled, ONE[fn]):
            yield [data(shape)], lambda x, spec=spec: fn(spec[0], x, *spec[1:])
    elif fn in ONE or (isinstance(fn, np.ufunc) and fn.nin == 1):
        # NumPy takes anything from nothing, and mode="wrap" never ends there
        shapes = [shape for shape in SHAPES if math.prod(shape) or fn is not np.take]
        for shape, spec in itertools.product(shapes, ONE.get(fn, [()])):
            yield [data(shape)], flat(*given(spec))
        for dtype, spec in itertools.product(("f4", "i8", "?"), ONE.get(fn, [()])):
            yield [data((2, 3), dtype)], flat(*given(spec))
    elif fn in SEQUENCES:
        for (a, b), spec in itertools.product(PAIRS, SEQUENCES[fn]):
            args, options = given(spec)
            xs = [data(a), data(b, seed=1)]
            yield xs, lambda *xs, args=args, options=options: fn(xs, *args, **options)
        yield [], lambda: fn([])
    elif fn is np.einsum:
        for shape, subscripts in itertools.product(SHAPES, SUBSCRIPTS):
            yield [data(shape)], lambda x, s=subscripts: np.einsum(s, x)
        for (a, b), subscripts in itertools.product(PAIRS, SUBSCRIPTS):
            yield [data(a), data(b, seed=1)], lambda x, y, s=subscripts: np.einsum(s, x, y)
    elif fn in TWO or (isinstance(fn, np.ufunc) and fn.nin == 2):
        for (a, b), spec in itertools.product(PAIRS, TWO.get(fn, [()])):
            yield [data(a), data(b, seed=1)], flat(*given(spec))
        for dtype in ("f4", "i8", "?"):
            for spec in TWO.get(fn, [()]):
                yield [data((3, 3), dtype), data((3,), "f8", 1)], flat(*given(spec))
                yield [data((3, 3), dtype), data((3, 3), dtype, 1)], flat(*given(spec))


def outcome(call: Any, arrays: list[Any]) -> Any:
    """The results as arrays, or the exception."""
    try:
        return [
            np.asarray(r.numpy() if isinstance(r, tg.Tensor) else r)
            for r in leaves(tree(call(*arrays)))
        ]
    except Exception as error:
        return error


def tree(result: Any) -> Any:
    return list(result) if isinstance(result, (tuple, list)) else result


def is_refusal(fn: Any, error: Exception) -> bool:
    """One of the sentences that API.md allows, where NumPy gives a value."""
    return isinstance(error, (*OURS, ValueError)) and str(error).startswith(REFUSALS.get(fn, "?"))


def as_tensor(x: np.ndarray) -> tg.Tensor:
    return tg.Tensor(x, requires_grad=x.dtype.kind in "fc")


def differences(fn: Any) -> Iterator[str]:
    def shown() -> str:
        given = call.__defaults__ or [c.cell_contents for c in call.__closure__ or ()]
        return f"{[(x.shape, x.dtype.char) for x in arrays]} {given}"

    for arrays, call in calls(fn):
        theirs = outcome(call, arrays)
        ours = outcome(call, [as_tensor(x) for x in arrays])
        if isinstance(theirs, Exception):
            if not isinstance(ours, Exception):
                yield f"{shown()}: NumPy raises {theirs!r}, here {ours}"
        elif isinstance(ours, Exception):
            if not is_refusal(fn, ours):
                yield f"{shown()}: NumPy gives {theirs}, here {ours!r}"
        elif len(ours) != len(theirs):
            yield f"{shown()}: {len(theirs)} results, here {len(ours)}"
        else:
            for a, b in zip(ours, theirs, strict=True):
                if a.shape != b.shape or a.dtype != b.dtype:
                    yield f"{shown()}: NumPy gives {b.shape} {b.dtype}, here {a.shape} {a.dtype}"
                elif a.tobytes() != b.tobytes() and not np.allclose(
                    a, b, rtol=1e-6 if a.dtype.char in "fF" else 1e-13, atol=1e-15, equal_nan=True
                ):
                    yield f"{shown()}: NumPy gives {b}, here {a}"


def functions() -> list[Any]:
    numpys = [fn for fn in {*TABLE, *COMPOSITES} if not hasattr(fn, "implementation")]
    mine = [
        fn for fn in numpys if str(getattr(fn, "__module__", None)).startswith(("numpy", "None"))
    ]
    return sorted((fn for fn in mine if next(calls(fn), None)), key=full_name)


@pytest.mark.filterwarnings("ignore")
@for_each(functions(), parts=8)
def test_numpy_and_tensors_agree(fn: Any) -> None:
    with np.errstate(all="ignore"):
        assert list(differences(fn)) == []


def test_pad_takes_widths_by_axis() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for widths, expected in (({0: 1}, [(1, 1), (0, 0)]), ({-1: (0, 2), 0: 3}, [(3, 3), (0, 2)])):
        t = tg.Tensor(x, requires_grad=True)
        out = np.pad(t, widths)  # type: ignore[call-overload] # NumPy's stubs lag
        np.testing.assert_array_equal(out.numpy(), np.pad(x, expected))
        np.sum(out * out).backward()
        assert t.grad is not None and t.grad.tolist() == (2 * x).tolist()


def test_copy_takes_an_order() -> None:
    t = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    np.sum(t.copy("F") + t.copy(order="C")).backward()
    assert t.grad is not None and t.grad.tolist() == [[2.0, 2.0]]
