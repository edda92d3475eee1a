"""Every public callable of NumPy is classified, and a call agrees with what its class says.

The sweep calls everything with Tensors: what comes back has the gradient of central differences, or
it has none and its slope is 0, or there is a refusal.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from benchmarks import coverage
from benchmarks.coverage import CONSTANT, DIFFERENTIABLE, FACT, NOT_APPLICABLE, REFUSED, parts
from benchmarks.probes import PROBES, numbers
from tinygrad_np.autodiff.rules import COMPOSITES, TABLE
from tinygrad_np.autodiff.rules.ways import BESIDE, OPTIONS, WAYS, way_of

KINDS = {name: coverage.classify(name, fn) for name, fn in coverage.names().items()}


@pytest.fixture(scope="module")
def ours() -> dict[str, bool]:
    return coverage.measured(coverage.OURS)


def test_every_name_is_classified() -> None:
    assert coverage.unclassified() == []
    known = {name for name, kind in KINDS.items() if kind in (DIFFERENTIABLE, CONSTANT, FACT)}
    assert known & coverage.WAITING == set(), "no longer waiting"


def test_every_differentiable_function_has_a_probe() -> None:
    without = {name for name, kind in KINDS.items() if kind == DIFFERENTIABLE} - set(PROBES)
    assert without == set(coverage.THROUGH_OTHERS) - set(PROBES)


def test_every_probe_passes(ours: dict[str, bool]) -> None:
    assert {name for name, passed in ours.items() if not passed} - coverage.WAITING == set()


def test_the_page_is_what_the_script_writes(ours: dict[str, bool]) -> None:
    text = coverage.PAGE.read_text(encoding="utf-8")
    if f"NumPy {coverage.release()} " not in text:
        pytest.skip(f"the page is that of another NumPy than {coverage.release()}")
    said = {title: marks for title, marks in coverage.on_the_page(text).items()
            if title != coverage.OURS.name}  # fmt: skip
    assert [title.rpartition(" ")[0] for title in said] == [p.name for p in coverage.PEERS]
    written = coverage.page({coverage.OURS.name: ours, **said}, text)
    assert text == written, "run: python benchmarks/coverage.py --write"


def test_a_new_name_of_numpys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "a_new_function", lambda x: x, raising=False)
    assert coverage.unclassified() == ["a_new_function"]


V, W, Z = numbers(4), numbers(4, seed=1), numbers(4, seed=2)
X, Y, M, N = numbers(2, 3), numbers(2, 3, seed=1), numbers(3, 3) + 2 * np.eye(3), numbers(3, 3)
P, MASK, PLACES = np.abs(V), np.array([True, False, True, True]), np.array([1, 0, 2, 0])
ARGUMENTS: list[tuple[Any, ...]] = [
    (V,), (P,), (X,), (M,), (V, W), (P, np.abs(W)), (X, Y), (M, N), (V, W, Z), ([V, W],),
    ([X, Y], ), (V, 1), (V, 0), (V, (2, 2)), (V, 2.0), (2, V), (PLACES, V), (MASK, V), (V, MASK),
    (V, PLACES), (MASK, V, W), (PLACES, [V, W, Z]), (V, W, M), (X, 1, 0), (V, [0, 2]), (X, 0, 1),
    (np.sum, X, [0]), (np.cumsum, 0, X), (V, [MASK], [np.exp]), ([MASK], [V]), (V, None, 1.0),
    (V[0], V[1]), (V, W, V[0], V[1]),
]  # fmt: skip
AMISS = ("power.reduce", "arctan2.reduce")  # NumPy's own leave elements out with AVX-512
UNTOUCHED = ("test", "info", "show", "set", "print", "get", "save", "load", "from", "gen")


def everything() -> Iterator[tuple[str, Any]]:
    """Functions and methods that may be called with an array."""
    for name, fn in coverage.names().items():
        if not name.rpartition(".")[2].startswith(UNTOUCHED) and KINDS[name] != NOT_APPLICABLE:
            yield name, fn
    for ufunc in coverage.ufuncs():
        for method in ("reduce", "accumulate", "outer", "reduceat"):
            if not (name := f"{ufunc.__name__}.{method}").startswith(AMISS):
                yield name, getattr(ufunc, method)


def moved(arguments: Any, visit: Any) -> Any:
    """The arguments with ``visit`` applied to every array of floats."""
    if isinstance(arguments, (tuple, list)):
        return type(arguments)(moved(part, visit) for part in arguments)
    is_float = isinstance(arguments, (np.ndarray, np.floating)) and arguments.dtype.kind == "f"
    return visit(np.array(arguments)) if is_float else arguments


def weighed(out: Any) -> Any:
    return coverage.weighed(np, out)


def along(shape: tuple[int, ...]) -> np.ndarray:
    """The direction in which everything moves."""
    return np.cos(np.arange(np.prod(shape))).reshape(shape)


def slope(fn: Any, arguments: tuple[Any, ...]) -> float:
    """The derivative of the weighed results along the cosines of the places, NaN if none."""
    ends = []
    for step in (1e-6, 0, -1e-6):
        out = fn(*moved(arguments, lambda a, h=step: a + h * along(a.shape)))
        ends.append((weighed(out), [np.shape(part) for part in parts(out)]))
    same = ends[0][1] == ends[1][1] == ends[2][1]
    forth, back = ((ends[0][0] - ends[1][0]) / 1e-6, (ends[1][0] - ends[2][0]) / 1e-6)
    smooth = same and np.isclose(forth, back, rtol=1e-2, atol=1e-2)
    return (ends[0][0] - ends[2][0]) / 2e-6 if smooth else np.nan


def outcome(fn: Any, arguments: tuple[Any, ...]) -> tuple[str, float]:
    """What Tensors give: a refusal, a constant or a gradient, and the slope that it says."""
    given: list[tg.Tensor] = []

    def make(a: np.ndarray) -> tg.Tensor:
        given.append(tg.Tensor(a, requires_grad=True))
        return given[-1]

    try:
        out = fn(*moved(arguments, make))
        total = weighed(out)
    except Exception as error:
        assert str(error), f"{fn} refuses without a word"
        return "refused", np.nan
    if out is None:  # as np.bmat gives for what is no array
        return "refused", np.nan
    if not isinstance(total, tg.Tensor) or not total.requires_grad:
        return "constant", 0.0
    try:
        total.backward()
    except Exception as error:
        return f"backward raises {error!r}", np.nan
    found = [np.sum(t.grad.numpy() * along(t.shape)) for t in given if t.grad is not None]
    return "gradient", float(sum(found))


@pytest.mark.filterwarnings("ignore")
def test_no_function_of_numpys_is_a_silent_constant() -> None:
    counts: dict[str, int] = {}
    wrong = []
    for name, fn in everything():
        for arguments in ARGUMENTS:
            with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
                try:
                    expected = slope(fn, arguments)
                except Exception:  # no arguments of this function
                    continue
                if name == "interp" and np.any(np.diff(arguments[1]) <= 0):
                    continue  # places out of order, of which NumPy makes anything
                how, found = outcome(fn, arguments)
            counts[how] = counts.get(how, 0) + 1
            close = np.isclose(found, expected, rtol=1e-4, atol=1e-6)
            if (how != "refused" and np.isfinite(expected) and not close) or "raises" in how:
                shown = moved(arguments, np.shape)
                wrong.append(f"{name}{shown}: {how} {found}, differences {expected}")
            kind = KINDS.get(name)
            if how == "gradient" and kind in (CONSTANT, FACT):
                wrong.append(f"{name}: classified as a {kind}")
    assert wrong == [], "\n".join(wrong)
    assert counts["gradient"] > 900 and counts["constant"] > 300, counts


REFUSING: dict[str, Any] = {
    "full": lambda t: np.full((2, 4), t),
    "full_like": lambda t: np.full_like(np.zeros(4), t),
    "r_": lambda t: np.r_[t, 1.0],
    "c_": lambda t: np.c_[t, t],
    "vectorize": lambda t: np.vectorize(lambda v: v * v)(t),
    "matrix": np.matrix,
    "asmatrix": np.asmatrix,
    "bmat": lambda t: np.bmat([[t, t]]),
    "as_strided": lambda t: np.lib.stride_tricks.as_strided(t, (2,), (8,)),
    "asarray_chkfinite": np.asarray_chkfinite,
    "require": lambda t: np.require(t, float),
    "ndenumerate": lambda t: list(np.ndenumerate(t)),
    "put": lambda t: np.put(np.zeros(4), [0, 1], t),
    "place": lambda t: np.place(np.zeros(4), MASK, t),
    "putmask": lambda t: np.putmask(np.zeros(4), MASK, t),
    "copyto": lambda t: np.copyto(np.zeros(4), t),
    "fill_diagonal": lambda t: np.fill_diagonal(np.zeros((4, 4)), t),
    "put_along_axis": lambda t: np.put_along_axis(np.zeros(4), np.arange(4), t, 0),
    "intersect1d": lambda t: np.intersect1d(t, t),
    "fromiter": lambda t: np.fromiter(t, float),
    "nditer": lambda t: np.nditer(t),
    "nested_iters": lambda t: np.nested_iters(t.reshape(2, 2), [[0], [1]]),
    "poly1d": lambda t: np.poly1d([1.0, 2.0]).__setitem__(0, t[0]),
}
BY_CAUSE = ("fromiter", "poly1d")  # NumPy says that it was given a sequence, and our words are why


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_refusals_name_the_function_and_the_way() -> None:
    by_numbers = {"poly", "polydiv", "polymul"}  # refused in a replay and inside vmap alone
    assert set(REFUSING) == set(WAYS) - by_numbers
    for name, call in REFUSING.items():
        kinds = (ValueError,) if name in BY_CAUSE else (tg.TapeError, tg.DetachError)
        with pytest.raises(kinds) as caught:
            call(tg.Tensor(V, requires_grad=True))
        said = str(caught.value.__cause__ if name in BY_CAUSE else caught.value)
        assert name in said and WAYS[name] in said, name
    t = tg.Tensor(V, requires_grad=True)
    for lists in (lambda: np.array([t, t]), lambda: np.sum([t, t]), lambda: np.asarray(t)):
        with pytest.raises(tg.DetachError, match=r"tg\.array or tg\.stack"):
            lists()
    with pytest.raises(tg.TapeError, match=r"np\.put cannot write into a Tensor.*t\[index\] = v"):
        np.put(t, [0], 1.0)
    with pytest.raises(tg.TapeError, match=r"multiply\.at .*t\[index\] = np\.multiply"):
        np.multiply.at(t, [0], 2.0)
    with pytest.raises(tg.TapeError, match=r"add\.at writes in place"):
        np.add.at(np.zeros(4), [0, 1, 2, 3], t)


POINTS = np.array([0.0, 1.0])
OPTIONED: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    # an option by which NumPy does not dispatch, and a call of its function
    "left": ("interp", lambda x, t: np.interp(x, POINTS, POINTS, left=t)),
    "right": ("interp", lambda x, t: np.interp(x, POINTS, POINTS, None, t)),
    "period": ("unwrap", lambda x, t: np.unwrap(x, period=t)),
    "constant_values": ("pad", lambda x, t: np.pad(x, 1, constant_values=t)),
    "end_values": ("pad", lambda x, t: np.pad(x, 1, "linear_ramp", end_values=t)),
    "default": ("select", lambda x, t: np.select([x > 1], [x], t)),
    "nan": ("nan_to_num", lambda x, t: np.nan_to_num(x, nan=t)),
    "posinf": ("nan_to_num", lambda x, t: np.nan_to_num(x, posinf=t)),
    "neginf": ("nan_to_num", lambda x, t: np.nan_to_num(x, True, 0.0, None, t)),
    "k": ("polyint", lambda x, t: np.polyint(x, k=t)),
    "initial": ("sum", lambda x, t: np.sum(x, initial=t)),
    "where": ("mean", lambda x, t: np.mean(x, where=t)),
    "ddof": ("var", lambda x, t: np.var(x, ddof=t)),
    "rtol": ("linalg.pinv", lambda x, t: np.linalg.pinv(x[None] * np.eye(2), rtol=t)),
    "fill_value": ("ma.array", lambda x, t: np.ma.array(x, fill_value=t)),
}


def test_refusals_name_the_option_and_the_way() -> None:
    assert set(OPTIONS) < set(OPTIONED)
    t = tg.Tensor(1.5, requires_grad=True)
    for option, (name, call) in OPTIONED.items():
        with pytest.raises((tg.DetachError, ValueError)) as caught:
            call(POINTS, t)
        error = caught.value.__cause__ if option == "initial" else caught.value  # as in BY_CAUSE
        said = str(error)
        assert said.startswith(f"np.{name}({option}=t) would "), said
        way = OPTIONS.get(option) or way_of(name)
        assert way in said
        if way is BESIDE:
            assert call(tg.array(POINTS), t).requires_grad
        elif option in OPTIONS:
            with pytest.raises(tg.DetachError, match=rf"np\.{name}\({option}=t\) would"):
                call(tg.array(POINTS), t)


def test_constants_are_tensors_that_do_not_require_grad() -> None:
    t = tg.Tensor(X, requires_grad=True)
    for call in (
        lambda: np.lexsort((t[0], t[1])), lambda: np.argsort(t), lambda: np.sign(t) > 0,
        lambda: np.unique(t, return_inverse=True)[1], lambda: np.unique_all(t).counts,
        lambda: np.logical_xor.reduce(t), lambda: np.equal.outer(t, t), lambda: np.packbits(t > 0),
        lambda: np.bitwise_or.accumulate(t > 0),
    ):  # fmt: skip
        out = call()
        assert isinstance(out, tg.Tensor) and not out.requires_grad


def test_indices_of_axes_are_tensors_or_arrays() -> None:
    first, second = np.array([1, 3]), np.array([[2], [1]])
    for mode, order in (("clip", "F"), ("wrap", "C")):
        options: Any = {"mode": mode, "order": order}
        wanted = np.ravel_multi_index((first, second), (2, 3), **options)
        for a, b in ((tg.Tensor(first), second), (tg.Tensor(first), tg.Tensor(second))):
            for pair in ((a, b), [a, b]):
                found = np.ravel_multi_index(pair, (2, 3), **options)
                assert isinstance(found, tg.Tensor) and found.tolist() == wanted.tolist()


def test_the_classes_of_methods() -> None:
    assert coverage.classify_method(np.add, "at") == DIFFERENTIABLE
    assert coverage.classify_method(np.multiply, "at") == REFUSED
    assert coverage.classify_method(np.hypot, "reduceat") == DIFFERENTIABLE
    assert coverage.classify_method(np.equal, "accumulate") == CONSTANT
    assert coverage.classify_method(np.exp, "reduce") == NOT_APPLICABLE
    methods = [fn for fn in [*TABLE, *COMPOSITES] if hasattr(fn, "__self__")]
    assert len(methods) > 100


def test_the_command_prints_counts(
    ours: dict[str, bool], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "measured", lambda _: ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert coverage.main([]) == 0
    assert "| numpy.linalg |" in capsys.readouterr().out
