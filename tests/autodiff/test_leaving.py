"""Every way a value can leave the tape, or come back: the gradient is right, or it is refused.

Each way takes a Tensor and gives something back that the program goes on with. The gradient by
the Tensor must be that of central differences of the same program on plain arrays, or the way must
be refused. Only ``.item()``, ``.numpy()``, ``.detach()``, text and files are exits, and outside of
transforms ``.tolist()``.
"""

import array
import copy
import ctypes
import json
import math
import operator
import pickle
import warnings
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import nn

X = np.array([1.5, 2.25, 3.4])
REFUSED = (tg.TapeError, TypeError, NotImplementedError, ValueError, AttributeError, BufferError)
Pair = namedtuple("Pair", "a b")
OBJECTS = np.array([2.0, 3.0, 4.0], dtype=object)
MASKED = np.ma.array([2.0, 3.0, 4.0], mask=[0, 1, 0])


def filled(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A way that writes into an array of NumPy's."""

    def way(t: Any) -> Any:
        target = np.zeros(3)
        make((target, t))
        return target

    return way


def record(t: Any) -> Any:
    rows = np.zeros(3, dtype=[("a", "f8")])
    rows["a"] = t
    return rows["a"]


def raw(t: Any) -> Any:
    return getattr(t, "data" if isinstance(t, np.ndarray) else "_no_such_memory")


WAYS: dict[str, Callable[[Any], Any]] = {
    # dtypes
    "astype object": lambda t: t.astype(object),
    "astype str": lambda t: t.astype(str).astype(float),
    "astype float32": lambda t: t.astype(np.float64),
    "objects beside it": lambda t: np.concatenate([t, OBJECTS]),
    "stack with objects": lambda t: np.stack([t, OBJECTS]),
    "times objects": lambda t: t * OBJECTS,
    "objects times": lambda t: OBJECTS * t,
    "where None": lambda t: np.where([True, False, True], t, None),
    "where word": lambda t: np.where([True, False, True], t, "a"),
    "times a fraction": lambda t: t * Fraction(1, 2),
    "a fraction times": lambda t: Fraction(1, 2) * t,
    "times a list of objects": lambda t: t * [Fraction(1, 2), 2, 3],
    "times a date": lambda t: t * np.timedelta64(2, "s"),
    "choose": lambda t: np.select([np.array([True, False, True])], [t], None),
    # subclasses of arrays
    "masked times": lambda t: MASKED * t,
    "times masked": lambda t: t * MASKED,
    "plus masked": lambda t: np.add(MASKED, t),
    "masked power": lambda t: t**MASKED,
    "masked exp": np.ma.exp,
    "masked sum": np.ma.sum,
    "masked array": np.ma.array,
    "masked where": lambda t: np.ma.where([True, False, True], t, 0.0),
    "masked multiply": lambda t: np.ma.multiply(t, 2.0),
    "masked concatenate": lambda t: np.ma.concatenate([t, t]),
    "masked data": np.ma.getdata,
    "masked equal": lambda t: np.ma.masked_greater(t, 2.0),
    "where masked": lambda t: np.where(MASKED > 2, t, 0.0),
    "concatenate masked": lambda t: np.concatenate([t, MASKED]),
    "sum where masked": lambda t: np.sum(t, where=MASKED > 0),
    "matrix times": lambda t: np.matrix(np.eye(3)) * t,
    "times matrix": lambda t: t * np.matrix([1.0, 2.0, 3.0]),
    "matrix": lambda t: np.asmatrix(t) * 1.0,
    "recarray": lambda t: t * np.rec.array([(1.0,)] * 3, dtype=[("a", "f8")]),
    "recarray field": lambda t: t * np.rec.array([(2.0,)] * 3, dtype=[("a", "f8")]).a,
    "chararray": lambda t: t + np.char.array(["a", "b", "c"]),
    # copies
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda t: pickle.loads(pickle.dumps(t)),
    "copy method": lambda t: t.copy(),
    "np.copy": np.copy,
    "copy in a list": lambda t: copy.copy([t])[0],
    "deepcopy in a list": lambda t: copy.deepcopy([t])[0],
    "Tensor": lambda t: tg.Tensor(t) if isinstance(t, tg.Tensor) else t,
    "tg.array": lambda t: tg.array(t) if isinstance(t, tg.Tensor) else t,
    "Tensor of a list": lambda t: tg.Tensor(list(t)) if isinstance(t, tg.Tensor) else t,
    # containers
    "list": lambda t: list(t)[1],
    "tuple": lambda t: tuple(t)[1],
    "named tuple": lambda t: Pair(t, 1.0).a,
    "dict": lambda t: OrderedDict(a=t)["a"],
    "deque": lambda t: deque([t]).popleft(),
    "sorted": lambda t: sorted(t)[0],
    "max": lambda t: max(t),
    "sum": sum,
    "array of a list": lambda t: np.array(list(t)),
    "array of Tensors": lambda t: np.array([t, t]),
    "asarray": np.asarray,
    "array": np.array,
    "asanyarray": np.asanyarray,
    "ascontiguousarray": np.ascontiguousarray,
    "require": lambda t: np.require(t, np.float64),
    "fromiter": lambda t: np.fromiter(t, float),
    "object array": lambda t: np.array([t, None], dtype=object)[0] * 1.0,
    "r_": lambda t: np.r_[t, 0.0],
    "block": lambda t: np.block([t, t]),
    "array.array": lambda t: np.array(array.array("d", t)),
    "map float": lambda t: np.array(list(map(float, t))),
    "stack of a generator": lambda t: np.stack(list(t)),
    # Python's numbers
    "float": lambda t: float(t[0]),
    "int": lambda t: int(t[0]),
    "complex": lambda t: complex(t[0]).real,
    "math.exp": lambda t: math.exp(t[0]),
    "math.fsum": math.fsum,
    "index": lambda t: operator.index(t[0]),
    "round": lambda t: round(t[0], 1),
    "np.float64": lambda t: np.float64(t[0]),
    "np.float64 of all": np.float64,
    "json": lambda t: np.array(json.loads(json.dumps(list(t)))),
    "bytes": lambda t: np.frombuffer(bytes(t)),
    "tobytes": lambda t: np.frombuffer(t.tobytes()),
    # protocols and buffers
    "interface": lambda t: np.array(t.__array_interface__["shape"]) * 1.0,
    "struct": lambda t: bool(t.__array_struct__) * 1.0,
    "dlpack": np.from_dlpack,
    "memoryview": lambda t: np.asarray(memoryview(t)),
    "frombuffer": np.frombuffer,
    "bytearray": lambda t: np.frombuffer(bytearray(t)),
    "ctypes": lambda t: np.ctypeslib.as_array((ctypes.c_double * 3)(*t)),
    "as_strided": lambda t: np.lib.stride_tricks.as_strided(t, (2, 3), (0, 8)),
    "sliding windows": lambda t: np.lib.stride_tricks.sliding_window_view(t, 2),
    "raw memory": lambda t: np.asarray(raw(t)),
    # writers
    "copyto": filled(lambda p: np.copyto(*p)),
    "setitem": filled(lambda p: p[0].__setitem__(..., p[1])),
    "setitem one": filled(lambda p: p[0].__setitem__(0, p[1][0])),
    "put": filled(lambda p: np.put(p[0], [0, 1, 2], p[1])),
    "place": filled(lambda p: np.place(p[0], [True] * 3, p[1])),
    "putmask": filled(lambda p: np.putmask(p[0], [True] * 3, p[1])),
    "fill": filled(lambda p: p[0].fill(p[1][0])),
    "iadd": filled(lambda p: operator.iadd(*p)),
    "out": filled(lambda p: np.exp(p[1], out=p[0])),
    "at": filled(lambda p: np.add.at(p[0], [0, 1, 2], p[1])),
    "flat": filled(lambda p: p[0].flat.__setitem__(slice(None), p[1])),
    "fill_diagonal": lambda t: (lambda a: (np.fill_diagonal(a, t), a)[1])(np.zeros((3, 3))),
    "full": lambda t: np.full(3, t),
    "full_like": lambda t: np.full_like(np.zeros(3), t),
    "records": record,
    "structured": lambda t: np.array([(t[0],)], dtype=[("a", "f8")])["a"],
    "put_along_axis": filled(lambda p: np.put_along_axis(p[0], np.arange(3), p[1], 0)),
    # functions of Python's
    "vectorize": np.vectorize(lambda v: v * v),
    "frompyfunc": lambda t: np.frompyfunc(lambda v: v * v, 1, 1)(t),
    "apply_along_axis": lambda t: np.apply_along_axis(lambda v: v * 2.0, 0, t),
    "apply_over_axes": lambda t: np.apply_over_axes(np.sum, t, [0]),
    "piecewise": lambda t: np.piecewise(t, [t > 2.0], [lambda v: v * v, 0.0]),
    "interp": lambda t: np.interp(t, [0.0, 5.0], [0.0, 10.0]),
    "fromfunction": lambda t: np.fromfunction(lambda i: t * i, (3,)),
    "nditer": lambda t: np.array([float(v) for v in np.nditer(t)]),
    "ndenumerate": lambda t: np.array([float(v) for _, v in np.ndenumerate(t)]),
    "broadcast": lambda t: np.array([float(v) for v, _ in np.broadcast(t, 1.0)]),
    "poly1d": lambda t: np.poly1d(t)(2.0),
    "histogram": lambda t: np.histogram(t, 3, weights=t)[0],
    "unique": np.unique,
    "meshgrid": lambda t: np.meshgrid(t, t)[0],
    "ix_": lambda t: np.ix_(t)[0],
    "bincount": lambda t: np.bincount([0, 1, 1], weights=t),
    # tuples
    "atleast_1d": lambda t: np.atleast_1d(t, t * 2.0)[1],
    "atleast_2d": lambda t: np.atleast_2d(t, t * 2.0)[0],
    "atleast_3d": lambda t: np.atleast_3d(t, t * 2.0)[1],
    "split": lambda t: np.split(t, 3)[1],
    "broadcast_arrays": lambda t: np.broadcast_arrays(t, np.ones((2, 1)))[0],
    "divmod": lambda t: divmod(t, 2.0)[1],
    "np.divmod": lambda t: np.divmod(t, 2.0)[1],
    "modf": lambda t: np.modf(t)[0],
    "frexp": lambda t: np.frexp(t)[0],
    "gradient": lambda t: np.gradient(np.outer(t, t))[0],
    "eigh": lambda t: np.linalg.eigh(np.diag(t))[0],
    "slogdet": lambda t: np.linalg.slogdet(np.diag(t))[1],
    "qr": lambda t: np.linalg.qr(np.diag(t) + np.ones((3, 3)))[1] ** 2,
    "svd": lambda t: np.linalg.svd(np.outer(t, t) + np.eye(3), compute_uv=False),
    "lstsq": lambda t: np.linalg.lstsq(np.eye(3), t, rcond=None)[0],
    "average returned": lambda t: np.average(t, returned=True)[0],
    "polyfit": lambda t: np.polyfit(np.arange(3.0), t, 1),
    "nonzero": lambda t: t * np.asarray(np.nonzero(t)[0]),
}


def difference(way: Callable[[Any], Any]) -> Any:
    """The slope of the sum of the squares by central differences of plain NumPy."""
    slope = np.zeros(3)
    for i in range(3):
        e = np.zeros(3)
        e[i] = 1e-6
        ends = [np.sum(np.asarray(way(X + s * e), dtype=float) ** 2) for s in (1, -1)]
        slope[i] = (ends[0] - ends[1]) / 2e-6
    return slope


@pytest.mark.filterwarnings("ignore")
@for_each(WAYS, ["leaf", "result", "variable"])
def test_a_value_that_leaves_has_its_gradient_or_is_refused(name: str, how: str) -> None:
    way = WAYS[name]
    leaf = tg.Tensor(X, requires_grad=True)

    def program(t: Any) -> Any:
        return np.sum(way(t) ** 2 * 1.0)

    try:
        if how == "variable":
            found = tg.grad(program)(X)
        else:
            out = program(leaf if how == "leaf" else leaf * 1.0)
            assert isinstance(out, tg.Tensor), f"a plain {type(out).__name__} came out"
            assert out.requires_grad
            out.backward()
            found = leaf.grad
    except REFUSED as error:
        assert str(error), "a refusal says why"
        return
    if found is None:  # of a leaf: a copy is a leaf of its own
        assert how == "leaf"
        assert name in ("copy", "deepcopy", "deepcopy in a list", "pickle")
        return
    np.testing.assert_allclose(np.asarray(found.numpy() if how != "variable" else found),
                               difference(way), rtol=1e-4, atol=1e-6)  # fmt: skip


PROMISED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "object": (lambda t: t.astype(object), TypeError, r"dtype object.*astype\(float\)"),
    "objects": (WAYS["objects beside it"], TypeError, r"dtype object.*astype\(float\)"),
    "None": (WAYS["where None"], TypeError, "np.nan for None"),
    "masked": (WAYS["times masked"], TypeError, r"MaskedArray.*masked_array\.filled\(0\)"),
    "matrix": (WAYS["times matrix"], TypeError, r"is a matrix, .*np\.asarray\(a\)"),
    "masked data": (
        lambda _: tg.Tensor(MASKED),
        TypeError,
        r"a is a MaskedArray, whose mask.*filled",
    ),
    "masked write": (lambda t: (t * 1).__setitem__(0, MASKED[:1]), TypeError, "MaskedArray"),
    "list of a variable": (
        lambda _: tg.grad(lambda a: sum(a.tolist()))(X),
        tg.DetachError,
        r"unlike t\.numpy\(\)\.tolist",
    ),
    "list inside a transform": (
        lambda _: tg.grad(lambda a: np.sum((a * 2).tolist() * a))(X),
        tg.DetachError,
        r"tolist",
    ),
    "list of a Tensor in a transform": (
        lambda t: tg.grad(lambda a: sum(a.tolist()))(t),
        tg.DetachError,
        r"t\.tolist\(\), unlike .* would lose",
    ),
    "deepcopy": (lambda t: copy.deepcopy(t * 1), tg.TapeError, "deep-copied or pickled"),
    "pickle": (lambda t: pickle.dumps(t * 1), tg.TapeError, r"\.detach\(\) first"),
    "exp": (np.ma.exp, tg.DetachError, r"\.detach\(\)"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@for_each(PROMISED)
def test_refusals_say_what_to_do(name: str) -> None:
    way, kind, message = PROMISED[name]
    with pytest.raises(kind, match=message):
        way(tg.Tensor(X, requires_grad=True))


def test_results_of_transforms_are_listed() -> None:
    w = tg.Tensor(X, requires_grad=True)
    assert tg.grad(lambda a: np.sum(a * a * w))(X).tolist() == (2 * X * X).tolist()
    assert tg.grad(lambda a: np.sum(a * a))(w).tolist() == (2 * X).tolist()


def test_the_variable_of_a_transform_is_copied_on_the_tape_alone() -> None:
    assert tg.grad(lambda t: np.sum(copy.copy(t) ** 2))(X).tolist() == (2 * X).tolist()
    for other in (copy.deepcopy, lambda t: pickle.dumps(t)):
        with pytest.raises(tg.TapeError, match="variable of a transform"):
            tg.grad(lambda t, other=other: (other(t), np.sum(t))[1])(X)
    leaf = tg.Tensor(X, requires_grad=True, name="w")
    for twin in (copy.copy(leaf), copy.deepcopy(leaf)):
        assert twin.requires_grad and twin.name == "w" and not twin._is_result
        assert not np.shares_memory(twin._array, leaf._array)


def test_plain_data_of_other_types_is_taken(tmp_path: Any) -> None:
    stored = np.memmap(tmp_path / "a", dtype=float, mode="w+", shape=(3,))
    stored[:] = [2.0, 3.0, 4.0]
    leaf = tg.Tensor(X, requires_grad=True)
    out = leaf * stored
    assert type(out._array) is np.ndarray
    np.sum(out + np.float64(1) + np.int8(1) + True + 1j.real).backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [2.0, 3.0, 4.0]


def test_pandas_is_refused_with_the_remedy() -> None:
    pandas = pytest.importorskip("pandas")
    leaf = tg.Tensor(X, requires_grad=True)
    series, objects = pandas.Series(X, index=[2, 1, 0]), pandas.Series([1.0, "a", 2.0])
    for given in (series, objects, pandas.DataFrame({"a": X})):
        with pytest.raises(TypeError, match=r"to_numpy\(\)"):
            leaf * given
        with pytest.raises((TypeError, ValueError)):
            given * leaf
    np.sum(leaf * series.to_numpy()).backward()
    assert leaf.grad is not None and leaf.grad.tolist() == X.tolist()


def test_a_state_is_no_way_out_of_a_transform() -> None:
    layer = nn.Linear(3, 1, seed=0, bias=False)

    def through(t: Any) -> Any:
        layer.load_state_dict({"weight": t.reshape(1, 3)})
        return np.sum(layer(X[None]))

    for work in (lambda: tg.grad(through)(X), lambda: tg.hessian(through)(X)):
        with pytest.raises(tg.TapeError, match=r"weight is a recorded Tensor.*\.numpy\(\)"):
            work()

    def itself(t: Any) -> Any:
        layer.load_state_dict({"weight": t})
        return np.sum(layer(X[None]))

    with pytest.raises(tg.TapeError, match="variable of a transform"):
        tg.grad(itself)(X[None])
    other = nn.Linear(3, 1, seed=1, bias=False)
    layer.load_state_dict({"weight": other.weight})
    assert layer.weight.tolist() == other.weight.tolist()


def test_lists_that_widen_a_program_are_told_once() -> None:
    t = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            wide = t * [1.0, 2.0]
    (warning,) = caught
    assert wide.dtype == np.float64 and warning.filename == __file__
    assert "float32 Tensor and a Python list" in str(warning.message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _ = t * 2.0, t * np.ones(2), t > [1.0, 2.0], t.astype(np.float64) * [1.0, 2.0], t[[0, 1]]
