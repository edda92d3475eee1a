"""Every attribute of NumPy's arrays: a Tensor has it with NumPy's meaning, or says what to do.

One row for each name of ``dir(np.ndarray)``: how it is read or called, and written to. A constant,
a leaf under ``no_grad`` and a recorded result must give what an array gives, and hold afterwards
what the array holds; or they refuse, and hold what they held.
"""
# ruff: noqa: E501 - one row of a table for each attribute

import math
import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each

X = np.array([[3.0, 1.0, 2.0], [0.5, 6.0, 4.5]])
Z = X * (1 + 2j)
N = np.array([[2, 0, 1], [1, 2, 0]])


def setting(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda t: setattr(t, name, value)


def calling(name: str, *args: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda t: getattr(t, name)(*args, **options)


def several(name: str, *calls: tuple[Any, ...]) -> list[Any]:
    return [calling(name, *args) for args in calls]


WAYS: dict[str, list[Callable[[Any], Any]]] = {
    "T": [lambda t: t.T], "mT": [lambda t: t.mT], "ndim": [lambda t: t.ndim],
    "size": [lambda t: t.size], "nbytes": [lambda t: t.nbytes],
    "shape": [lambda t: t.shape, setting("shape", (3, 2)), setting("shape", -1)],
    "dtype": [lambda t: t.dtype, setting("dtype", np.int64)],
    "real": [lambda t: t.real, setting("real", 7.0), setting("real", X[0]), lambda t: augment(t, "real")],
    "imag": [lambda t: t.imag, setting("imag", 7.0), setting("imag", X[0]), lambda t: augment(t, "imag")],
    "strides": [lambda t: t.strides, setting("strides", (8, 16))],
    "flat": [lambda t: list(t.flat), lambda t: t.flat[2], setting("flat", 3.0),
             lambda t: t.flat.__setitem__(1, 7.0)],
    "sort": [*several("sort", (), (0,), (1,), (-2,), (5,)), calling("sort", axis=0, kind="stable"),
             calling("sort", stable=True), calling("sort", order="a")],
    "partition": [*several("partition", (1,), (1, 0), ([0, 1],), (9,)), calling("partition", 1, axis=0)],
    "argpartition": several("argpartition", (1,), (1, 0)),
    "fill": several("fill", (7,), (2.5,), ([1, 2, 3],), (np.float64(3.0),), (np.array(3.0),)),
    "put": [*several("put", (0, 7.0), ([0, 4], [7.0, 8.0]), ([1, 2, 3], 9.0), ([1, 2, 3], [7.0, 8.0]),
                     ([-1], 5.0), ([1, 1], [7.0, 8.0]), (9, 1.0), ([], []), ([[0, 1]], [[5.0, 6.0]]),
                     ([0], [])), calling("put", 9, 7.0, mode="wrap"), calling("put", [9], 7.0, mode="clip")],
    "resize": several("resize", ((3, 2),), ((4, 4),)),
    "byteswap": [calling("byteswap"), calling("byteswap", inplace=True)],
    "setfield": several("setfield", (1.0, np.float64)), "getfield": several("getfield", (np.float32,)),
    "setflags": [calling("setflags", write=False)], "flags": [lambda t: t.flags.writeable],
    "view": [calling("view"), calling("view", np.int64), calling("view", np.ndarray)],
    "itemset": [calling("itemset", 0, 7.0)],
    "choose": [lambda t: t.astype(int).choose([10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0])],
    "astype": [calling("astype", np.float32), calling("astype", int), calling("astype", float, copy=False),
               calling("astype", np.float32, "C", "safe"), calling("astype", np.float32, casting="same_kind"),
               calling("astype", int, casting="safe"), calling("astype", "no")],
    "clip": [*several("clip", (1, 3), (None, 2), (1,)), calling("clip", min=1), calling("clip", max=2)],
    "copy": [calling("copy"), calling("copy", "F")], "flatten": several("flatten", (), ("F",)),
    "ravel": several("ravel", (), ("F",)),
    "reshape": [*several("reshape", (3, 2), ((3, 2),), (-1,), (5,)), calling("reshape", 3, 2, order="F"),
                calling("reshape", (6,), copy=True)],
    "transpose": several("transpose", (), (1, 0), ((1, 0),), (None,), (0, 0)),
    "swapaxes": several("swapaxes", (0, 1), (0, 5)), "squeeze": several("squeeze", (), (0,)),
    "diagonal": several("diagonal", (), (1,), (0, 1, 0)),
    "repeat": several("repeat", (2,), (2, 0), ([1, 2], 0)), "take": several("take", ([0, 1],), ([0], 1), (9,)),
    "compress": several("compress", ([True, False], 0), ([0, 1, 1],)),
    "nonzero": [calling("nonzero")], "searchsorted": [lambda t: t[0].searchsorted(1.5)],
    "argsort": several("argsort", (), (0,)), "argmax": several("argmax", (), (1,)),
    "argmin": several("argmin", (), (1,)), "round": several("round", (), (1,)),
    "item": [calling("item"), calling("item", 2), calling("item", 1, 0)],
    "tolist": [calling("tolist")], "dot": several("dot", (X[0],)), "conj": [calling("conj")],
    "conjugate": [calling("conjugate")],
    "trace": several("trace", (), (1,)), "all": several("all", (), (1,)), "any": several("any", (), (1,)),
    **{name: [*several(name, (), (0,), ((0, 1),)), calling(name, axis=1, keepdims=True)]
       for name in ("sum", "mean", "std", "var", "prod", "max", "min")},
    "cumsum": several("cumsum", (), (1,)), "cumprod": several("cumprod", (), (1,)),
    "data": [], "base": [lambda t: t.base], "ctypes": [lambda t: t.ctypes],
    "device": [lambda t: t.device], "to_device": several("to_device", ("cpu",)),
    "dump": [lambda t: t.dump and 1], "dumps": [lambda t: t.dumps and 1],
    "itemsize": [lambda t: t.itemsize], "tobytes": [calling("tobytes")],
    "tofile": [lambda t: t.tofile and 1], "tostring": [],
    "__contains__": [lambda t: 3.0 in t, lambda t: 99.0 in t, lambda t: [3.0, 1.0, 2.0] in t],
    "__len__": [len], "__getitem__": [lambda t: t[1], lambda t: t[..., None]],
    "__setitem__": [lambda t: t.__setitem__(0, 5.0), lambda t: t.__setitem__((0, 1), X[0, 0])],
    "__delitem__": [lambda t: operator.delitem(t, 0)],
    "__round__": [round, lambda t: round(t[0, 0].real, 1)],
}  # fmt: skip
KINDS = ["constant", "leaf", "result"]
REFUSED = (tg.TapeError, tg.DetachError, NotImplementedError, AttributeError, TypeError, ValueError,
           IndexError)  # fmt: skip


def augment(t: Any, name: str) -> None:
    setattr(t, name, operator.iadd(getattr(t, name), 1.0))


def made(kind: str, x: Any) -> Any:
    if kind == "constant" or x.dtype.kind not in "fc":
        return tg.Tensor(x)
    leaf = tg.Tensor(x, requires_grad=True)
    return leaf if kind == "leaf" else leaf * 1


def outcome(way: Callable[[Any], Any], t: Any, *, quiet: bool) -> Any:
    """What comes back, as plain lists, or the refusal."""
    try:
        if quiet:
            with tg.no_grad():
                return plain(way(t))
        return plain(way(t))
    except REFUSED as error:
        return error


def plain(found: Any) -> Any:
    if isinstance(found, (tuple, list)):
        return [plain(part) for part in found]
    return found.tolist() if isinstance(found, (tg.Tensor, np.ndarray, np.generic)) else found


def test_every_attribute_of_arrays_has_a_row() -> None:
    public = {name for name in dir(np.ndarray) if not name.startswith("_")}
    assert public - WAYS.keys() == set()


@pytest.mark.filterwarnings("ignore")
@for_each(WAYS, KINDS)
def test_a_tensor_does_what_an_array_does_or_refuses(name: str, kind: str) -> None:
    for x in (X, Z, N, X.astype(np.float32)):
        for number, way in enumerate(WAYS[name]):
            array, t = x.copy(), made(kind, x)
            theirs, ours = outcome(way, array, quiet=False), outcome(way, t, quiet=kind == "leaf")
            shown = f"{name} {number} of {x.dtype}: NumPy {theirs!r}, here {ours!r}"
            now = t.detach().tolist()
            if isinstance(ours, Exception):
                assert now == x.tolist(), shown
                assert len(str(ours)) > 10, shown
            else:
                assert not isinstance(theirs, Exception), shown
                np.testing.assert_allclose(np.array(now), array, rtol=1e-6, err_msg=shown)
                if name not in ("device",):
                    same(ours, theirs, shown)


def same(ours: Any, theirs: Any, shown: str) -> None:
    if (
        isinstance(theirs, list) and theirs and not isinstance(theirs[0], (list, str))
    ) or isinstance(theirs, (list, int, float, complex)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=shown)
    else:
        assert ours == theirs, shown


# What must work, beside being never wrong.
WORKS = ["sort", "partition", "fill", "put", "real", "argpartition", "choose", "__contains__"]


@for_each(WORKS, KINDS)
def test_in_place_methods_work(name: str, kind: str) -> None:
    for way in WAYS[name][:2]:
        array, t = X.copy(), made(kind, X)
        theirs, ours = outcome(way, array, quiet=False), outcome(way, t, quiet=kind == "leaf")
        assert not isinstance(ours, Exception), ours
        assert plain(theirs) == plain(ours)
        assert t.detach().tolist() == array.tolist()


IN_PLACE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    # on a result t of u, weighed by 1 … 6; the gradient by u
    "sort": (lambda t: t.sort(), [[3, 1, 2], [4, 6, 5]]),
    "sort along 0": (lambda t: t.sort(0), [[4, 2, 3], [1, 5, 6]]),
    "partition": (lambda t: t.partition(1), [[3, 1, 2], [4, 6, 5]]),
    "fill": (lambda t: t.fill(1.0), [[0, 0, 0], [0, 0, 0]]),
    "put": (lambda t: t.put([0, 4], 9.0), [[0, 2, 3], [4, 0, 6]]),
    "real": (lambda t: setattr(t, "real", 0.0), [[0, 0, 0], [0, 0, 0]]),
}


@for_each(IN_PLACE)
def test_what_is_done_in_place_is_recorded(name: str) -> None:
    way, slope = IN_PLACE[name]
    u = tg.Tensor(X, requires_grad=True)
    t = u * 1
    square = np.sum(t * t)
    way(t)
    (np.sum(t * np.arange(1.0, 7.0).reshape(2, 3)) + square).backward()
    assert u.grad is not None
    np.testing.assert_allclose(u.grad.numpy(), np.array(slope) + 2 * X)


@for_each(IN_PLACE)
def test_leaves_are_written_in_place_under_no_grad_only(name: str) -> None:
    u = tg.Tensor(X, requires_grad=True)
    product = np.sum(u * u)
    with pytest.raises(tg.TapeError, match="leaf that requires grad"):
        IN_PLACE[name][0](u)
    memory = u._array
    with tg.no_grad():
        IN_PLACE[name][0](u)
    assert u._array is memory
    with pytest.raises(tg.StaleValueError, match="overwritten"):
        product.backward()


def test_values_that_are_put_have_gradients() -> None:
    v = tg.Tensor([1.0, 2.0], requires_grad=True)
    for t in (tg.Tensor(np.zeros(4)), tg.Tensor(np.zeros(4), requires_grad=True) * 1):
        v.grad = None
        t.put([1, 2, 3], v)
        np.sum(t * np.arange(4.0)).backward()
        assert t.tolist() == [0.0, 1.0, 2.0, 1.0]
        assert v.grad is not None and v.grad.tolist() == [4.0, 2.0]


MESSAGES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "flat": (lambda t: t.flat[0], AttributeError, r"no 'flat'; read t\.reshape\(-1\)"),
    "flat =": (lambda t: setattr(t, "flat", 1), AttributeError, r"no 'flat';.*t\[index\] = v"),
    "view": (lambda t: t.view(np.int64), AttributeError, r"no 'view'; use t\[\.\.\.\]"),
    "resize": (lambda t: t.resize(3), AttributeError, r"no 'resize'; use t = np\.resize"),
    "setflags": (
        lambda t: t.setflags(write=False),
        AttributeError,
        r"no 'setflags'; use t\.detach",
    ),
    "tobytes": (lambda t: t.tobytes(), AttributeError, r"no 'tobytes'; t\.numpy\(\)\.tobytes"),
    "shape =": (lambda t: setattr(t, "shape", 6), AttributeError, r"use t = t\.reshape\(shape\)"),
    "dtype =": (lambda t: setattr(t, "dtype", int), AttributeError, r"use t = t\.astype\(dtype\)"),
    "imag =": (lambda t: setattr(t, "imag", 1), ValueError, "destination is read-only"),
    "sort": (lambda t: t.sort(9), ValueError, "axis 9 is out of bounds"),
    "fill": (lambda t: t.fill([1, 2]), ValueError, r"t\.fill of shape \(2,\); give a number"),
    "round": (lambda t: round(t[0, 0]), tg.DetachError, r"round\(t\) would lose"),
}


@for_each(MESSAGES)
def test_refusals_say_what_to_do(name: str) -> None:
    way, kind, message = MESSAGES[name]
    with pytest.raises(kind, match=message):
        way(tg.Tensor(X, requires_grad=True) * 1)


def test_numbers_round_as_pythons_do() -> None:
    t = tg.Tensor(2.5)
    assert (round(t), math.floor(t), math.ceil(t)) == (2, 2, 3)
    assert round(tg.Tensor(1.26), 1).item() == 1.3


def test_elements_that_trade_places() -> None:
    t = tg.Tensor(np.arange(5.0))
    random.Random(0).shuffle(t)  # type: ignore[arg-type]
    assert sorted(t.tolist()) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert not hasattr(t, "flat")  # type: ignore[attr-defined]


def test_what_is_no_number_is_refused_by_name() -> None:
    refused: list[tuple[Any, str]] = [
        (lambda: tg.nn.functional.relu("a"), "relu"),
        (lambda: tg.nn.functional.relu(None), "relu"),
        (lambda: tg.grad(np.sin)(None), "None"),
        (lambda: tg.gradcheck(np.sin, "a"), "'a'"),
    ]
    for call, message in refused:
        with pytest.raises(TypeError, match=message):
            call()
