"""Every function of NumPy given Tensors in a list: a gradient, or a sentence that names it.

NumPy sends no list to a Tensor, so what it calls inside is what an error would name.
"""

import contextlib
import inspect
import io
import linecache
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import coverage
from tests.autodiff.test_coverage import UNTOUCHED
from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves

V, W = np.array([1.3, 0.7, 2.1]), np.array([0.4, 1.1, 0.9])
ROWS = [V, W, V * W]
LIST, NESTED, ARRAY, TENSOR = "a list", "a list of rows", "an array", "a Tensor"
CALLS: list[tuple[Any, ...]] = [
    (LIST,), (NESTED,), (LIST, LIST), (LIST, ARRAY), (ARRAY, LIST), (NESTED, ARRAY),
    (NESTED, NESTED), (ARRAY, ARRAY, LIST), (LIST, ARRAY, ARRAY), (ARRAY, LIST, ARRAY),
    (TENSOR, LIST), (LIST, TENSOR), (LIST, 1), (NESTED, 0), (NESTED, 0, 1), (1, LIST),
    (LIST, (2, 2)), (LIST, 0.5), (LIST, LIST, LIST), (LIST, float),
]  # fmt: skip
MORE = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "arange",
        "broadcast", "ma.array", "ma.exp", "ma.sum", "ma.masked_where")  # fmt: skip
# whose own error hides ours (it is the cause), or is raised before a Tensor is asked
# or is one of an object that holds what it was given
NUMPYS = ("fromiter", "frombuffer", "nditer", "nested_iters", "bmat", "unique", "poly1d",
          "LinAlgError")  # fmt: skip


def functions() -> Iterator[str]:
    for name, fn in coverage.names().items():
        is_number = isinstance(fn, type) and issubclass(fn, np.generic)
        if not is_number and not name.rpartition(".")[2].startswith((*UNTOUCHED, *NUMPYS)):
            yield name
    yield from MORE


def values(shift: float) -> dict[str, Any]:
    moved = [row + shift for row in ROWS]
    return {LIST: list(moved[0]), NESTED: moved, ARRAY: V, TENSOR: moved[0]}


def tensors() -> dict[str, Any]:
    rows = [tg.Tensor(row, requires_grad=True) for row in ROWS]
    numbers = [tg.Tensor(v, requires_grad=True) for v in V]
    return {LIST: numbers, NESTED: rows, ARRAY: V, TENSOR: rows[0]}


def call_of(name: str) -> Callable[..., Any]:
    """As in a program, so that an error can show how the function was called."""
    source, file = f"def call(*given): return np.{name}(*given)", f"<{name} of lists>"
    linecache.cache[file] = (len(source), None, [source], file)
    made: dict[str, Any] = {"np": np}
    exec(compile(source, file, "exec"), made)
    return made["call"]  # type: ignore[no-any-return]


def outcome(call: Any, given: tuple[Any, ...], kinds: dict[str, Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*(kinds.get(a, a) if isinstance(a, str) else a for a in given))


def is_recorded(out: Any) -> bool:
    return any(isinstance(part, tg.Tensor) and part.requires_grad for part in leaves(out))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
@for_each(functions(), parts=2)
def test_lists_of_tensors(name: str) -> None:
    call = call_of(name)
    for given in CALLS if name != "einsum" else [("i,i", LIST, ARRAY)]:
        with np.errstate(all="ignore"):
            try:
                theirs = [outcome(call, given, values(shift)) for shift in (0, 1e-3)]
            except Exception:
                continue  # NumPy takes no such list
            try:
                ours = outcome(call, given, tensors())
            except (tg.DetachError, tg.TapeError, TypeError, NotImplementedError, ValueError) as e:
                fn: Any = operator.attrgetter(name)(np)
                known = {name, name.rpartition(".")[2], getattr(fn, "__name__", name)}
                assert any(said in str(e) for said in known), f"{name} of {given}: {e!r}"
                continue
        still = np.array_equal(*(np.asarray(repr(t)) for t in theirs))
        assert is_recorded(ours) or still, f"{name} of {given} is a silent constant"


def test_the_call_is_shown_as_it_is_written() -> None:
    t, u = (tg.Tensor(v, requires_grad=True) for v in (1.0, 2.0))
    for call, said in (
        (lambda: np.sin([t, u]), r"np\.asarray\(t\) in np\.sin\(\[t, u\]\) would lose"),
        (lambda: np.arange(0, t, 0.5), r"np\.asarray\(t\) in np\.arange\(0, t, 0\.5\) would"),
        (lambda: np.linalg.norm([t, u]), r"np\.linalg\.norm of t would lose"),
        (lambda: np.fft.fft([t, u]), r"np\.fft\.fft of t would lose"),
        (lambda: np.append(t, [u]), r"np\.append of t would lose"),
        (lambda: np.add(t, [u]), r"np\.add of t would lose"),
        (lambda: np.interp(V, V, V, right=t), r"np\.interp\(right=t\) would lose"),
        (lambda: np.polynomial.Polynomial([t, u]), r"numpy\.polynomial\.Polynomial of a Tensor"),
        (lambda: np.ma.exp([t, u]), r"np\.ma\.exp of t would lose"),
    ):  # fmt: skip
        with pytest.raises(tg.DetachError, match=said):
            call()
    with pytest.raises(TypeError, match=r"a Polynomial.*tinygrad_np\.polynomial"):
        np.polynomial.Polynomial([1.0, 2.0]) * t
    with pytest.raises(tg.DetachError, match=r"np\.unwrap\(period=t\) would write a Tensor"):
        np.unwrap(V, period=t)
    made: dict[str, Any] = {"np": np, "t": t}
    with pytest.raises(tg.DetachError, match=r"^np\.asarray\(t\) would lose"):
        exec("np.sin([t])", made)  # no source


def test_a_polynomial_of_a_tensor_shows_its_coefficients() -> None:
    p = np.poly1d(tg.Tensor([1.0, 2.0], requires_grad=True))
    assert repr(p).startswith("poly1d([1., 2.], shape=(2,)")
    assert inspect.signature(np.poly1d.__repr__)  # whose first six letters of the text are cut
