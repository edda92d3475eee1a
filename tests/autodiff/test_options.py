"""Every option that a function of the table has is honoured, in value and gradient, or refused.

The options are those that NumPy names; each is tried with a few values. What comes back is NumPy's,
and its gradient that of central differences; or one of our own sentences names the option.
"""

import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.cases import full_name
from tests.each import for_each
from tinygrad_np.autodiff.rules import COMPOSITES, TABLE

A = np.array([[0.61, 0.27, 0.93], [0.18, 0.76, 0.34], [0.82, 0.47, 0.56]])
B = np.array([[0.44, 0.71, 0.29], [0.87, 0.36, 0.64], [0.23, 0.98, 0.51]])
M = np.array([[True, False, True], [True, True, False], [False, True, True]])
OPTIONS: dict[str, list[Any]] = {
    "axis": [0, 1, -1, (0, 1), None], "keepdims": [True],
    "dtype": [np.float32, np.float64, np.complex128, int], "where": [M], "initial": [0.3, 5.0],
    "ddof": [1], "correction": [1], "mean": [A.mean()], "order": ["F", "K", "A"],
    "casting": ["safe", "same_kind"], "subok": [False, True], "kind": ["stable"], "stable": [True],
    "mode": ["wrap", "clip", "edge", "reflect", "constant"], "constant_values": [1.0],
    "reflect_type": ["even", "odd"], "end_values": [1.0],
    "decimals": [1], "copy": [True, False], "k": [1], "offset": [1],
    "axis1": [1], "axis2": [0], "prepend": [0.0], "append": [1.0], "n": [2], "weights": [B],
    "returned": [True], "nan": [1.0], "deg": [True], "shape": [(2, 2)], "ord": [1, 3],
    "axes": [1, (1, 0)], "max": [0.7], "min": [0.4], "start": [0], "signature": ["d->d"],
}  # fmt: skip
FIRST: dict[Any, tuple[Any, ...]] = {
    np.reshape: ((9,),), np.swapaxes: (0, 1), np.moveaxis: (0, 1), np.expand_dims: (0,),
    np.broadcast_to: ((3, 3),), np.roll: (1,), np.repeat: (2,), np.tile: (2,),
    np.take: ([0, 1],), np.take_along_axis: (np.zeros((3, 3), int),), np.full_like: (2.0,),
    np.resize: ((2, 2),), np.delete: (0,), np.pad: (1,), np.array_split: (3,), np.split: (3,),
    np.rollaxis: (1,), np.linalg.matrix_power: (2,), np.partition: (1,),
}  # fmt: skip
ONE = [
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.cumsum, np.cumprod, np.ptp,
    np.nansum, np.nanmean, np.nanvar, np.nanstd, np.average, np.diff, np.sort,
    np.diagonal, np.trace, np.diag, np.tril, np.triu, np.clip, np.transpose, np.squeeze,
    np.flip, np.rot90, np.nan_to_num, np.round,
    np.linalg.norm, np.copy, np.angle, np.argsort, np.any, np.all, np.argmax, np.count_nonzero,
    np.ravel, np.zeros_like, *FIRST,
]  # fmt: skip
TWO = [np.dot, np.inner, np.outer, np.kron, np.tensordot, np.append, np.linalg.solve]
ONE += [getattr(np.linalg, name) for name in ("cholesky", "eigh", "svd", "qr", "pinv", "cond")]
LISTS = [np.concatenate, np.stack, np.vstack, np.hstack, np.column_stack]
# NumPy's: those of SciPy 1.17 write beyond their memory where they are given where= without out=
UFUNCS = [fn for fn in TABLE if isinstance(fn, np.ufunc) and fn is getattr(np, fn.__name__, None)]
UFUNCS.remove(np.ldexp)
FUNCTIONS = sorted({*ONE, *TWO, *LISTS, *UFUNCS} & {*TABLE, *COMPOSITES}, key=full_name)
OURS = (NotImplementedError, tg.TapeError, tg.DetachError)


def names(fn: Any) -> list[str]:
    if isinstance(fn, np.ufunc):
        return ["where", "dtype", "casting", "order", "subok", "signature"]
    found = inspect.signature(fn).parameters.values()
    more = ["constant_values", "reflect_type", "end_values"] if fn is np.pad else []
    return more + [p.name for p in found if p.default is not p.empty or p.kind is p.KEYWORD_ONLY]


def calls(fn: Any, count: int) -> Iterator[tuple[list[Any], dict[str, Any], Callable[..., Any]]]:
    """Operands, ``count`` options, and the call as a function of the operands."""
    two = fn in TWO or (isinstance(fn, np.ufunc) and fn.nin == 2)
    operands = [A, B] if two or fn in LISTS else [A]
    each = [{name: value} for name in names(fn) for value in OPTIONS.get(name, [])]
    for several in itertools.combinations(each, count):
        options = {name: value for one in several for name, value in one.items()}
        if len(options) < count:
            continue
        if isinstance(fn, np.ufunc) and "where" in options and fn.signature is None:
            options["out"] = None
        if fn in LISTS:
            yield operands, options, lambda *xs, o=options: fn(list(xs), **o)
        else:
            yield operands, options, lambda *xs, o=options: fn(*xs, *FIRST.get(fn, ()), **o)


def flat(found: Any) -> list[Any]:
    if not isinstance(found, (list, tuple)):
        return [found]
    return [part for one in found for part in flat(one)]


def slope(call: Callable[..., Any], operands: list[Any], weights: list[Any], i: int) -> Any:
    """Central differences of the weighed results by operand ``i``."""
    found = np.zeros(np.shape(operands[i]))
    for index in np.ndindex(found.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [np.array(x) for x in operands]
            moved[i][index] += step
            outs = flat(call(*moved))
            ends.append(
                sum(np.sum(w * np.asarray(o)).real for w, o in zip(weights, outs, strict=True))
            )
        found[index] = (ends[0] - ends[1]) / 2e-6
    return found


@for_each(FUNCTIONS)
def test_options_are_honoured_or_refused(fn: Any) -> None:
    for operands, options, call in calls(fn, 1):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            compare_slopes(fn, operands, options, call)


@for_each([fn for fn in FUNCTIONS if not isinstance(fn, np.ufunc)])
def test_two_options_are_honoured_or_refused(fn: Any) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for operands, options, call in calls(fn, 2):
            compare(
                fn, [tg.Tensor(x, requires_grad=True) for x in operands], operands, options, call
            )


def compare(
    fn: Any, given: list[Any], operands: list[Any], options: dict[str, Any], call: Any
) -> tuple[list[Any], list[Any]]:
    """The results of both; none where both refuse, or one of our sentences does."""
    shown = f"{fn.__name__} {options}"
    try:
        theirs: Any = [np.asarray(o) for o in flat(call(*[np.array(x) for x in operands]))]
    except Exception as error:
        theirs = error
    try:
        ours = flat(call(*given))
    except Exception as error:
        assert isinstance(theirs, Exception) or isinstance(error, OURS), f"{shown}: {error!r}"
        return [], []
    assert not isinstance(theirs, Exception), f"{shown}: NumPy {theirs!r}"
    plain = [o.detach().numpy() if isinstance(o, tg.Tensor) else np.asarray(o) for o in ours]
    unset = isinstance(fn, np.ufunc) and "where" in options  # whose other elements are anything
    for mine, other in zip(plain, theirs, strict=True):
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype), shown
        taken = M if unset else ...
        np.testing.assert_allclose(mine[taken], other[taken], rtol=1e-6, err_msg=shown)
    return ([], []) if unset else (ours, theirs)


def compare_slopes(fn: Any, operands: list[Any], options: dict[str, Any], call: Any) -> None:
    shown = f"{fn.__name__} {options}"
    given = [tg.Tensor(x, requires_grad=True) for x in operands]
    ours, theirs = compare(fn, given, operands, options, call)
    smooth = all(o.dtype.char in "dD" and np.isfinite(o).all() for o in theirs)
    if not (ours and smooth):
        return
    weights = [np.random.default_rng(k).uniform(0.5, 1.5, o.shape) for k, o in enumerate(theirs)]
    for out, weight in zip(ours, weights, strict=True):
        if isinstance(out, tg.Tensor) and out.requires_grad:
            out.backward(weight.astype(out.dtype), retain_graph=True)
    for i, t in enumerate(given):
        found = np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        wanted = slope(call, operands, weights, i)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6, err_msg=f"{shown} {i}")


UNSET = {"keepdims": False, "initial": 0.5, "where": True, "prepend": 0.0, "append": 1.0,
         "a_min": None, "a_max": None}  # fmt: skip


def outcome(call: Callable[[], Any]) -> Any:
    """The results, or the type of the refusal, which does not speak of rules."""
    try:
        return [np.array(tg.Tensor(out).detach().numpy()) for out in flat(call())]
    except Exception as error:
        assert "its rules take" not in str(error)
        return type(error)


def test_options_by_position_are_those_by_keyword() -> None:
    """As far as NumPy has them by position, each after the defaults of those before it."""
    equal = 0
    for fn in FUNCTIONS:
        if isinstance(fn, np.ufunc) or not (known := inspect.signature(fn).parameters):
            continue
        operands: list[Any] = [A, B] if fn in TWO else [A]
        first = [[*operands]] if fn in LISTS else [*operands, *FIRST.get(fn, ())]
        places = [p for p in known.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
        before: dict[str, Any] = {}
        for place in places[len(first) :]:
            default = UNSET.get(place.name, place.default)
            for value in [*OPTIONS.get(place.name, []), default]:
                named = before | {place.name: value}
                outcomes = []
                for args, options in (([*first, *named.values()], {}), (first, named)):
                    given = tg.Tensor(A, requires_grad=True)
                    head = [[given]] if fn in LISTS else [given]
                    with warnings.catch_warnings(), np.errstate(all="ignore"):
                        warnings.simplefilter("ignore")
                        outcomes.append(outcome(lambda: fn(*head, *args[1:], **options)))  # noqa: B023
                ours, theirs = outcomes
                numpys = outcome(lambda: fn(*first, **named))  # noqa: B023
                equal += isinstance(ours, list)
                shown = f"{full_name(fn)} {named}"
                np.testing.assert_equal(ours, theirs, err_msg=shown)
                if isinstance(numpys, list) and not isinstance(ours, list):
                    assert issubclass(ours, OURS), shown
            before[place.name] = default
    assert equal > 70
    t = tg.Tensor(A, requires_grad=True)
    with pytest.raises(TypeError, match="sum was given 9 positional arguments; it takes at most 7"):
        tg.autodiff.funnel.apply(np.sum, (t, *[None] * 8))
    with pytest.raises(TypeError, match="sum was given keepdims by position and by keyword"):
        tg.autodiff.funnel.apply(np.sum, (t, 0, None, None, True), {"keepdims": True})
