"""Writes through views, and to what views were made of: NumPy's effect or a refusal, never nothing.

Every function that gives a view in NumPy is tried on a constant, a leaf (inside no_grad), a
recorded result and a detached result; a view is written to, or its base while the view is there.
What NumPy's arrays hold afterwards is what the Tensors must hold, and the gradient must be that of
a program without views.
"""
# ruff: noqa: ARG005 - the functions of one table all take the same arguments

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each, named

X = np.arange(1.0, 13.0).reshape(3, 4)
Z = X * (1 + 2j)

VIEWS: dict[str, Callable[[Any], Any]] = {
    "row": lambda t: t[1],
    "rows": lambda t: t[1:],
    "backwards": lambda t: t[::-1, ::2],
    "all": lambda t: t[...],
    "new axis": lambda t: t[:, None],
    "T": lambda t: t.T,
    "mT": lambda t: t.mT if hasattr(t, "mT") else t.T,
    "transpose": np.transpose,
    "permute_dims": lambda t: np.transpose(t, (1, 0)),
    "matrix_transpose": lambda t: np.swapaxes(t, -1, -2),
    "swapaxes": lambda t: np.swapaxes(t, 0, 1),
    "moveaxis": lambda t: np.moveaxis(t, 0, 1),
    "rollaxis": lambda t: np.rollaxis(t, 1),
    "reshape": lambda t: np.reshape(t, (4, 3)),
    "reshape method": lambda t: t.reshape(-1),
    "reshape in Fortran's order": lambda t: t.T.reshape(-1, order="F"),
    "reshape of a transpose": lambda t: t.T.reshape(-1),  # a copy
    "ravel": np.ravel,
    "ravel method": lambda t: t.ravel(),
    "squeeze": lambda t: np.squeeze(t[None]),
    "squeeze method": lambda t: t[None].squeeze(),
    "expand_dims": lambda t: np.expand_dims(t, 1),
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "atleast_3d": np.atleast_3d,
    "flip": np.flip,
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "rot90": np.rot90,
    "rot180": lambda t: np.rot90(t, 2),
    "real": lambda t: t.real,
    "np.real": np.real,
    "conj method": lambda t: t.conj(),
    "conjugate method": lambda t: t.conjugate(),
    "real_if_close": np.real_if_close,
    "astype in place": lambda t: t.astype(np.float64, copy=False),
    "trim_zeros": lambda t: np.trim_zeros(t[0]),
    "ix_": lambda t: np.ix_(t[0])[0],
    "meshgrid": lambda t: np.meshgrid(t[0], copy=False)[0],
    "apply_over_axes": lambda t: np.apply_over_axes(np.sum, t, []),
    "diff of none": lambda t: np.diff(t, n=0),
    "nan_to_num in place": lambda t: np.nan_to_num(t, copy=False),
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 3, 4)),
    "windows": lambda t: np.lib.stride_tricks.sliding_window_view(t, 2, axis=1),
    "windows of all axes": lambda t: np.lib.stride_tricks.sliding_window_view(t, (2, 3)),
    "diagonal": np.diagonal,
    "diag": np.diag,
    "linalg.diagonal": np.linalg.diagonal,
    "split": lambda t: np.split(t, 3)[1],
    "array_split": lambda t: np.array_split(t, 2, axis=1)[1],
    "hsplit": lambda t: np.hsplit(t, 2)[1],
    "vsplit": lambda t: np.vsplit(t, 3)[1],
    "unstack": lambda t: np.unstack(t)[1] if hasattr(np, "unstack") else t[1],
    "dsplit": lambda t: np.dsplit(t[..., None], 1)[0],
    "iteration": lambda t: next(iter(t)),
    "list": lambda t: list(t)[2],
    "unpacked": lambda t: [*t][1],
    "view of a view": lambda t: t.T[1:],
    "view of a view of a view": lambda t: t.reshape(-1)[2:8].reshape(2, 3),
    "einsum": lambda t: np.einsum("ij->ji", t),
    "einsum diagonal": lambda t: np.einsum("ii->i", t[:3, :3]),
    "array of one": lambda t: t[0:1],
    # these give memory of their own, in NumPy too
    "fancy index": lambda t: t[[0, 2]],
    "mask": lambda t: t[np.array([True, False, True])],
    "take": lambda t: np.take(t, [0, 1], axis=0),
    "flatten": lambda t: t.flatten(),
    "copy": lambda t: t.copy(),
    "np.copy": np.copy,
    "astype": lambda t: t.astype(np.float64),
    "sum": lambda t: np.sum(t, axis=0),
    "roll": lambda t: np.roll(t, 1),
    "tile": lambda t: np.tile(t, 2),
    "repeat": lambda t: np.repeat(t, 2, axis=0),
    "concatenate": lambda t: np.concatenate([t, t]),
    "np.conj": np.conj,
    "round": lambda t: t.round(),
    "np.round": np.round,
    "nan_to_num": np.nan_to_num,
    "positive": lambda t: +t,
    "clip": lambda t: np.clip(t, 0, 5),
}
WRITES: dict[str, Callable[[Any], None]] = {
    "set": lambda v: v.__setitem__(..., 50.0),
    "set one": lambda v: v.__setitem__(0, 60.0),
    "add": lambda v: v.__iadd__(100.0),
    "multiply": lambda v: v.__imul__(3.0),
    "add to a part": lambda v: v.__setitem__(slice(0, 1), v[0:1].__iadd__(7.0)),
    "twice": lambda v: (v.__iadd__(1.0), v.__setitem__(0, 9.0)),
}
KINDS = ["constant", "leaf", "result", "detached", "result under no_grad"]
REFUSED = (tg.TapeError, ValueError, TypeError, NotImplementedError)


def made(kind: str, x: Any) -> tuple[Any, Any]:
    """A Tensor of a kind, and the leaf it comes from."""
    leaf = tg.Tensor(x, requires_grad=True)
    if kind == "constant":
        return tg.Tensor(x), leaf
    if kind == "leaf":
        return leaf, leaf
    t = leaf * 1.0
    return (t.detach() if kind == "detached" else t), leaf


def in_mode(kind: str, work: Callable[[], None]) -> bool:
    """Whether the writes were done."""
    try:
        if kind in ("leaf", "result under no_grad"):
            with tg.no_grad():
                work()
        else:
            work()
    except REFUSED:
        return False
    return True


def held(t: Any) -> Any:
    return t.detach().numpy() if isinstance(t, tg.Tensor) else np.array(t)


def numpys(view: Callable[[Any], Any], write: Callable[[Any], None], to_base: bool) -> Any:
    """What NumPy's base and view hold afterwards, or None where NumPy refuses."""
    base = X.copy()
    seen = view(base)
    try:
        write(base if to_base else seen)
    except ValueError:
        return None
    return base, np.array(seen)


@for_each(VIEWS)
def test_a_write_has_numpys_effect_or_is_refused(name: str) -> None:
    for (what, write), to_base in itertools.product(WRITES.items(), [False, True]):
        expected = numpys(VIEWS[name], write, to_base)
        for kind in KINDS:
            with named(kind, what, "to the base" if to_base else "to the view"):
                write_once(name, kind, what, to_base, expected)


def write_once(name: str, kind: str, what: str, to_base: bool, expected: Any) -> None:
    t, _ = made(kind, X)
    found: list[Any] = []

    def work() -> None:
        seen = VIEWS[name](t)
        found.append(seen)
        WRITES[what](t if to_base else seen)

    if not in_mode(kind, work):
        if what in ("set", "set one", "add", "multiply"):  # one write: all of it or nothing
            assert held(t).tolist() == X.tolist()
        return
    assert expected is not None, "NumPy refuses"
    np.testing.assert_array_equal(held(t), expected[0])
    np.testing.assert_array_equal(held(found[0]), expected[1])


# What must work, beside being never silent.
WORKS = [
    "row", "rows", "backwards", "all", "T", "swapaxes", "reshape", "ravel", "flip", "expand_dims",
    "atleast_3d", "split", "unstack", "iteration",
]  # fmt: skip


@for_each(WORKS, ["constant", "leaf", "result"])
def test_a_direct_view_writes_to_its_base(name: str, kind: str) -> None:
    for write in (WRITES["set"], WRITES["add"], WRITES["twice"]):
        expected = numpys(VIEWS[name], write, to_base=False)
        t, leaf = made(kind, X)
        assert in_mode(kind, lambda t=t, write=write: write(VIEWS[name](t)))
        np.testing.assert_array_equal(held(t), expected[0])
        if kind == "result":
            np.sum(t * t).backward()
            slope = tg.grad(lambda u, write=write: written_out(u, name, write))(X)
            np.testing.assert_array_equal(leaf.grad.numpy(), slope)


def written_out(u: Any, name: str, write: Callable[[Any], None]) -> Any:
    """The program without views: what the writes leave is linear in what was there."""
    zero, one = np.zeros(X.shape), np.ones(X.shape)
    for base in (zero, one):
        write(VIEWS[name](base))
    return np.sum((u * (one - zero) + zero) ** 2)


def test_rows_of_a_loop_are_written() -> None:
    for kind in ("constant", "leaf", "result"):
        t, _ = made(kind, X)

        def work(t: Any = t) -> None:
            for i, row in enumerate(t):
                row[...] = i
                row += 1

        assert in_mode(kind, work)
        assert held(t).tolist() == [[1.0] * 4, [2.0] * 4, [3.0] * 4]


def test_rows_accumulate_recorded_values() -> None:
    """t[i] += v takes the view first, adds to it, and sets it: one update, not two."""
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    for t in (tg.Tensor(np.zeros((2, 2))), tg.Tensor(np.zeros((2, 2)), requires_grad=True) * 1):
        w.grad = None
        for i in (0, 1, 0):
            t[i] += w * (i + 1)
        t[:, 0] *= 2.0
        assert held(t).tolist() == [[4.0, 4.0], [4.0, 4.0]]
        np.sum(t * np.array([[1.0, 10.0], [100.0, 1000.0]])).backward()
        assert w.grad is not None and w.grad.tolist() == [404.0, 2020.0]


def test_a_value_may_be_a_view_of_its_target() -> None:
    x = np.arange(12.0).reshape(4, 3)
    for t in (tg.Tensor(x), tg.Tensor(x, requires_grad=True) * 1):
        expected = x.copy()
        for a in (t, expected):
            a[0] = a[1]
            a[1:] = a[:-1]
            a += a[:1]
            a -= a
            a += 1.0
            rows = a[2:]
            a[:2] = rows
            rows *= 2.0
        np.testing.assert_array_equal(held(t), expected)


def test_what_was_saved_keeps_its_value() -> None:
    w = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    c, t = tg.Tensor([[3.0, 4.0]]), w * 1
    product, square = w * c, t * t
    c[0, 1] = 9.0
    t[0][1] = 9.0
    (np.sum(product) + np.sum(square) + np.sum(t)).backward()
    assert w.grad is not None and w.grad.tolist() == [[3.0 + 2.0 + 1.0, 4.0 + 4.0]]


def test_constants_in_one_memory_that_a_record_read_are_noticed() -> None:
    w, c = tg.Tensor([[1.0, 2.0]], requires_grad=True), tg.Tensor([[3.0, 4.0]])
    product = w * c
    c[0][1] = 9.0
    with pytest.raises(tg.StaleValueError, match="overwritten"):
        np.sum(product).backward()


def test_arrays_handed_out_see_writes() -> None:
    for hand_out in (lambda t: np.asarray(t), lambda t: t.data):
        t = tg.Tensor(X)
        array = hand_out(t)
        t[0, 0] = 77.0
        t[1] += 1.0
        np.testing.assert_array_equal(array, t.numpy())
        assert array[0, 0] == 77.0
    c = tg.Tensor(X)
    c.data[0, 0] = 5.0
    assert c[0, 0].item() == 5.0 and not np.asarray(c).flags.writeable
    result = tg.Tensor(X, requires_grad=True) * 1
    array = result.data
    with pytest.raises(tg.TapeError, match="shares its memory"):
        result[0, 0] = 1.0
    del array
    result[0, 0] = 1.0
    assert result[0, 0].item() == 1.0


MESSAGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "view of a leaf": (lambda w: w.T.__setitem__(0, 7.0), "the leaf itself inside tg.no_grad"),
    "update of it": (lambda w: w.reshape(-1).__iadd__(7.0), "the leaf itself inside tg.no_grad"),
    "view of a view": (lambda w: (w * 1).T[0].__setitem__(0, 7.0), ""),
    "two views": (
        lambda w: (lambda t: (lambda u, v: u.__setitem__(0, 1.0))(t[0], t[1]))(w * 1),
        r"Write t\[0, 1\] = v on the Tensor itself",
    ),
    "base with a view": (
        lambda w: (lambda t: (lambda u: t.__setitem__(0, 1.0))(t[0]))(w * 1), "shares its memory"
    ),
    "detached": (lambda w: (lambda t: t.detach().__setitem__(0, 1.0))(w * 1), "shares its memory"),
    "read-only": (lambda w: np.broadcast_to(w * 1, (2, 3, 4)).__iadd__(1.0), "read-only"),
}  # fmt: skip


@pytest.mark.parametrize("what", MESSAGES)
def test_refusals_name_the_direct_write(what: str) -> None:
    write, message = MESSAGES[what]
    w = tg.Tensor(X, requires_grad=True)
    if not message:
        write(w)  # nobody else is left
        return
    with pytest.raises((tg.TapeError, ValueError), match=message):
        write(w)
    assert w.tolist() == X.tolist()


def test_complex_parts_write_to_constants_and_are_refused_of_results() -> None:
    z = tg.Tensor(Z)
    z.imag[0] = 5.0
    z.real[...] = 1.0
    assert z.tolist()[0] == [1 + 5j] * 4 and z.tolist()[1] == (1 + 1j * Z[1].imag).tolist()
    with pytest.raises(tg.TapeError, match="shares its memory"):
        _part(tg.Tensor(Z, requires_grad=True) * 1)


def _part(t: tg.Tensor) -> None:
    t.imag[0] = 5.0


def test_a_variable_of_a_nested_transform_is_not_written_to() -> None:
    def inner(t: Any) -> Any:
        t[0] = 0.0
        return np.sum(t * t)

    with pytest.raises(tg.TapeError):
        tg.grad(lambda x: np.sum(tg.grad(inner)(x)))(np.ones(2))
    with pytest.raises(tg.TapeError):
        tg.grad(inner)(tg.Tensor([1.0, 2.0], requires_grad=True) * 1)
