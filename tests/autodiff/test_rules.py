"""Every operation with a derivative, checked at every row of the table of cases."""

import dis
import inspect
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.autodiff.broken import caught, seeds
from tests.autodiff.cases import BY_FUNCTION, CASES, Case, full_name, transform
from tests.autodiff.each import Family, every_function, through_all
from tests.each import named, run_all
from tinygrad_np.autodiff.gradcheck import _ridders, largest_error
from tinygrad_np.autodiff.nests import leaves, rebuild, tupled
from tinygrad_np.autodiff.primitives import neural
from tinygrad_np.autodiff.rules import COMPOSITES, TABLE
from tinygrad_np.autodiff.rules.table import Part, Rule
from tinygrad_np.autodiff.tape import Record

UNSOLVABLE = np.linalg.LinAlgError, np.exceptions.RankWarning, tg.TapeError

of_values, of_derivatives, of_rules = Family(), Family(), Family()


def tensors(case: Case) -> list[tg.Tensor]:
    return [tg.Tensor(v, requires_grad=True) for v in case.variables]


def weights(results: list[Any], seed: int = 7) -> list[np.ndarray]:
    """A cotangent for each result."""
    rng = np.random.default_rng(seed)
    drawn = []
    for result in results:
        weight = rng.uniform(0.5, 1.5, result.shape)
        if result.dtype.kind == "c":
            weight = weight + 1j * rng.uniform(0.5, 1.5, result.shape)
        drawn.append(weight.astype(result.dtype))
    return drawn


def gradients(case: Case, variables: list[Any]) -> list[np.ndarray]:
    results, pullback = tg.vjp(lambda *v: leaves(case.call(*v)), *variables)
    return list(pullback(weights(results)))


def recorded(case: Case) -> tuple[Record, Rule, dict[str, Any]]:
    """The record that a case leaves, its rule, and the options the rule is called with."""
    results = leaves(case.call(*tensors(case)))
    record = next(t._node for t in results if t._node is not None)
    if isinstance(record.rule, Part):
        (record,) = record.parents
    assert isinstance(record, Record)
    return record, record.rule, {} if record.rule.is_ufunc else record.kwargs


def result_of(case: Case) -> Any:
    """The result as rules get it: a tuple of arrays where there are several."""
    out = case.call(*case.variables)
    return rebuild(out, [np.array(part) for part in leaves(out)])


def cotangent(out: Any) -> Any:
    """A cotangent for each result, None for those of integers."""
    drawn = zip(weights(leaves(out)), leaves(out), strict=True)
    return rebuild(out, [g if part.dtype.kind in "fc" else None for g, part in drawn])


def bits(dtype: Any) -> int:
    return int(np.finfo(dtype).bits)


def test_every_operation_with_a_derivative_has_a_case() -> None:
    ours = {fn for fn, rule in TABLE.items() if not rule.constant} | set(COMPOSITES)
    ours -= {np.ravel_multi_index}  # of integers alone: test_coverage.py has it
    # tests/compat, test_checkpoint.py and tests/parallel have theirs
    elsewhere = ("test", "tinygrad_np.compat", "tinygrad_np.autodiff.checkpoint",
                 "tinygrad_np.parallel")  # fmt: skip
    named = {fn for fn in ours if not str(getattr(fn, "__module__", "")).startswith(elsewhere)}
    assert named - set(BY_FUNCTION) == set()


def test_case_names_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@of_values
@through_all()
def value_is_what_numpy_computes(case: Case) -> None:
    found = leaves(case.call(*tensors(case)))
    expected = leaves(case.call(*case.variables, fn=case.reference))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == np.shape(theirs)
        assert ours.dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-14)
    # the same call on Tensors that do not require grad leaves nothing on the tape
    constants = leaves(case.call(*(tg.Tensor(v) for v in case.variables)))
    for constant, theirs in zip(constants, expected, strict=True):
        assert not constant.requires_grad
        np.testing.assert_allclose(constant.numpy(), theirs, rtol=1e-12, atol=1e-14)


@of_derivatives
@through_all()
def first_derivative(case: Case) -> None:
    """Along one random direction of all operands, and by each element where that is not enough."""
    if case.order < 1:
        return

    def smooth(*xs: Any) -> list[Any]:
        return [out for out in leaves(case.call(*xs)) if out.dtype.kind in "fc"]

    results, pullback = tg.vjp(smooth, *case.variables)
    chosen = weights(results)
    ways = weights(case.variables, seed=5)
    slopes = pullback(chosen)
    expected = sum(np.sum(slope * way).real for slope, way in zip(slopes, ways, strict=True))

    def shifted(step: float) -> float:
        moved = [v + step * way for v, way in zip(case.variables, ways, strict=True)]
        return float(sum(np.sum(w * p).real for w, p in zip(chosen, smooth(*moved), strict=True)))

    found = _ridders(shifted, 0.02)
    if not abs(found - expected) <= 1e-7 * max(1.0, abs(found), abs(expected)):
        assert largest_error(case.call, *case.variables) <= 1e-7


@of_derivatives
@through_all()
def second_derivative(case: Case) -> None:
    """The pullback's own pullback, along a random direction of all operands and the cotangent."""

    def smooth(*xs: Any) -> list[Any]:
        return [out for out in leaves(case.call(*xs)) if out.dtype.kind in "fc"]

    results = smooth(*tensors(case))
    if case.order < 2 or not results:
        return

    def pull(*inner: Any) -> Any:
        *primals, cotangents = inner
        return tg.vjp(smooth, *primals)[1](cotangents)

    cotangents = weights(results)
    given = [*case.variables, cotangents]
    value, pullback = tg.vjp(pull, *given)
    chosen = weights(list(value), seed=3)
    ways = weights(leaves(given), seed=5)
    slopes = leaves(list(pullback(tuple(chosen))))
    expected = sum(np.sum(slope * way).real for slope, way in zip(slopes, ways, strict=True))

    def shifted(step: float) -> float:
        moved = [v + step * way for v, way in zip(leaves(given), ways, strict=True)]
        pulled = pull(*moved[: len(case.variables)], moved[len(case.variables) :])
        return float(sum(np.sum(w * p).real for w, p in zip(chosen, pulled, strict=True)))

    found = _ridders(shifted, 0.02)
    assert abs(found - expected) <= 1e-7 * max(1.0, abs(found), abs(expected))


@of_derivatives
def pushforward_agrees_with_pullback(cases: list[Case]) -> None:
    """Of one case, and of those that have no second derivative, which compares them all."""
    for place, case in enumerate(cases):
        if place == 0 or case.order < 2:
            with named(case.id):
                compare_pushforward(case)


def compare_pushforward(case: Case) -> None:
    def f(*variables: Any) -> list[Any]:
        return leaves(case.call(*variables))

    primals = case.variables
    if all(result.dtype.kind in "biu" for result in f(*primals)):
        return  # constants
    tangents = weights(primals, seed=1)
    results, pushed = tg.jvp(f, primals, tangents)
    cotangents = weights(results)
    pulled = tg.vjp(f, *primals)[1](cotangents)
    forward = sum(np.sum(v * t).real for v, t in zip(cotangents, pushed, strict=True))
    reverse = sum(np.sum(v * t).real for v, t in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-12)


@of_values
@through_all(dtype=["f2", "f4"])
def dtype_is_kept_and_no_operand_is_written_to(case: Case, dtype: str) -> None:
    narrow = case.astype(dtype)
    before = [v.tobytes() for v in narrow.variables]
    with np.errstate(all="ignore"):
        try:
            expected = leaves(narrow.call(*narrow.variables))
        except TypeError as error:  # NumPy's linear algebra has no float16
            with pytest.raises(TypeError, match=str(error)[:20]):
                narrow.call(*tensors(narrow))
            return
        variables = tensors(narrow)
        for variable in variables:
            variable.data.flags.writeable = False
        results = leaves(narrow.call(*variables))
        assert [r.dtype for r in results] == [np.asarray(e).dtype for e in expected]
        for result in results:
            if result.requires_grad:
                result.backward(np.ones_like(result.data), retain_graph=True)
    for variable, saved in zip(variables, before, strict=True):
        assert variable.data.tobytes() == saved
        assert variable.grad is None or variable.grad.dtype == variable.dtype
        assert variable.grad is None or variable.grad.shape == variable.shape


@of_rules
@through_all(dtype=["f2", "f4"])
def rule_itself_introduces_no_wider_dtype(case: Case, dtype: str) -> None:
    """What a rule returns, before the sweep casts it: no wider than the widest array given."""
    narrow = case.astype(dtype)
    with np.errstate(all="ignore"):
        try:
            record, rule, options = recorded(narrow)
        except TypeError:  # NumPy's linear algebra has no float16
            assert dtype == "f2"
            return
        out = result_of(narrow)
        arrays = [
            *leaves(out),
            *(v for v in record.values if getattr(v, "dtype", None) is not None),
        ]
        widest = max(bits(a.dtype) for a in arrays if a.dtype.kind in "fc")
        for k, parent in enumerate(record.parents):
            if parent is not None:
                raw = rule.vjps[k](cotangent(out), out, *record.values, **options)
                assert bits(raw.dtype) <= widest


@of_rules
@through_all()
def rule_leaves_read_only_arrays_alone(case: Case) -> None:
    record, rule, options = recorded(case)
    out = result_of(case)
    g = cotangent(out)
    values = [v.copy() if isinstance(v, np.ndarray) else v for v in record.values]
    for array in leaves([g, out, *values]):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    for k, parent in enumerate(record.parents):
        if parent is not None:
            rule.vjps[k](g, out, *values, **options)
    for array, saved in zip(values, record.values, strict=True):
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(array, saved)


def transposed(v: np.ndarray) -> tuple[np.ndarray, Any]:
    return v.T.copy(), lambda t: np.transpose(t)


def scattered(v: np.ndarray) -> tuple[np.ndarray, Any]:
    """Every second element along the last axis, from the end to the beginning of every axis."""
    if v.ndim == 0:
        return np.array([v, v]), lambda t: t[1]
    every = (slice(None, None, -1),) * v.ndim
    return np.repeat(v[every], 2, axis=-1), lambda t: t[every][..., ::2]


def repeated(v: np.ndarray) -> tuple[np.ndarray, Any]:
    """One row of ``v``, for all of them: an operand whose strides are 0."""
    return v[:1].copy() if v.ndim else v.copy(), lambda t: np.broadcast_to(t, v.shape)


@of_values
def memory_layout_does_not_matter(cases: list[Case]) -> None:
    """The gradient by an operand that is a view is the one by its dense copy, pulled back."""
    for case in cases:
        dense: list[Any] = []  # its gradients, taken once
        for layout in (transposed, scattered, repeated):
            if layout is not repeated or all(v.shape[:1] != (0,) for v in case.variables):
                with named(case.id, layout.__name__), np.errstate(all="ignore"):
                    compare_layout(case, layout, dense)


def compare_layout(case: Case, layout: Any, known: list[Any]) -> None:
    pairs = [layout(v) for v in case.variables]
    bases = [base for base, _ in pairs]
    views = [view for _, view in pairs]

    def through(*given: Any) -> list[Any]:
        viewed = [view(base) for view, base in zip(views, given, strict=True)]
        return leaves(case.call(*viewed))

    try:
        if layout is repeated:
            copies = [np.array(view(base), order="C") for base, view in pairs]
            expected = gradients(case, copies)
        else:
            expected = known[:] = known or gradients(case, case.variables)
    except UNSOLVABLE:
        with pytest.raises(UNSOLVABLE):
            results, pullback = tg.vjp(through, *bases)
            pullback(weights(results))
        return
    results, pullback = tg.vjp(through, *bases)
    found = pullback(weights(results))
    for ours, theirs, (base, view) in zip(found, expected, pairs, strict=True):
        places = view(np.arange(base.size).reshape(base.shape))
        pulled = np.zeros(base.size, base.dtype)
        np.add.at(pulled, places, theirs)
        if not np.array_equal(ours, pulled := pulled.reshape(base.shape)):
            np.testing.assert_allclose(ours, pulled, rtol=1e-9, atol=1e-11)


def shape_of_reading(vjp: Any, before: int) -> list[str]:
    """The names of a rule's parameters from ``out`` on."""
    code = vjp.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    return list(code.co_varnames[before - 1 : count + bool(code.co_flags & inspect.CO_VARARGS)])


def poisoned(array: Any, seed: int) -> Any:
    """Other values of the same shape and dtype."""
    if isinstance(array, tuple):
        return tupled(type(array), [poisoned(part, seed) for part in array])
    rng = np.random.default_rng(seed)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        return array
    other = rng.uniform(2.0, 3.0, array.shape).astype(array.dtype)
    return np.where(rng.uniform(size=array.shape) < 0.3, np.nan, other).astype(array.dtype)


@of_rules
@through_all()
def what_a_rule_declares_unread_can_be_poisoned(case: Case) -> None:
    record, rule, options = recorded(case)
    out = result_of(case)
    g = cotangent(out)
    for k, parent in enumerate(record.parents):
        if parent is None:
            continue
        vjp = rule.vjps[k]
        right = vjp(g, out, *record.values, **options)
        reads_out = (rule.reads[0] if rule.each is not None else rule.reads[k]).out
        read = rule.read_by(k, len(record.values))
        values = [
            value if i in read else poisoned(value, seed=i) for i, value in enumerate(record.values)
        ]
        found = vjp(g, out if reads_out else poisoned(out, seed=99), *values, **options)
        np.testing.assert_array_equal(found, right)


SEEDS: dict[Any, list[int]] = {}
for seeded, operand in seeds():
    SEEDS.setdefault(seeded, []).append(operand)


def rules() -> list[tuple[Any, int, Any, str]]:
    """Each rule, the place of its first operand, its function and its name."""
    found = []
    for fn, k in seeds():
        rule = TABLE[fn]
        vjp, before = (rule.each, 3) if rule.each is not None else (rule.vjps[k], 2)
        found.append((vjp, before, fn, f"{full_name(fn)}[{k}]"))
    return found


def unread_by(vjp: Any, before: int) -> list[str]:
    """The operands that a rule declares to read and does not."""
    loaded = {
        instruction.argval
        for instruction in dis.get_instructions(vjp)
        if instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE"))
    }
    names: set[str] = set()
    for value in loaded:  # newer Pythons load two names at once
        names.update(value if isinstance(value, tuple) else (value,))
    code = vjp.__code__
    operands = shape_of_reading(vjp, before)[: 1 + code.co_argcount - before]
    options = {
        p.name for p in inspect.signature(vjp).parameters.values() if p.default is not p.empty
    } | {"axis", "dtype", "nan", "neginf", "posinf", "shape"}
    return [n for n in operands if not n.startswith("_") and n not in names and n not in options]


def test_what_a_rule_declares_read_is_read() -> None:
    unread = {name: unread_by(vjp, before) for vjp, before, _, name in rules()}
    assert {name: operands for name, operands in unread.items() if operands} == {}


@of_rules
def gradcheck_notices_a_rule_that_is_off_by_a_thousandth(cases: list[Case]) -> None:
    fn = cases[0].fn
    assert [k for k in SEEDS.get(fn, ()) if not caught(fn, k)] == []


def positional(fn: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(fn).parameters.values()
    except ValueError:  # a builtin that does not tell
        return []
    return [p.name for p in parameters if p.kind in kinds]


def out_of_order(vjp: Any, before: int, fn: Any) -> list[tuple[str, str]]:
    """The arguments of a rule that NumPy has at another position."""
    if isinstance(fn, np.ufunc):
        return []
    code = vjp.__code__
    ours = [name.lstrip("_") for name in code.co_varnames[before : code.co_argcount]]
    theirs = positional(fn)
    differing = [(a, b) for a, b in zip(ours, theirs, strict=False) if a != b and a not in "xyg"]
    return [pair for pair in differing if pair[1] in ("out", *ours)]


def test_rules_take_arguments_in_numpys_order() -> None:
    """An option that NumPy has at another position would be read as something else."""
    found = {name: out_of_order(vjp, before, fn) for vjp, before, fn, name in rules()}
    assert {name: pairs for name, pairs in found.items() if pairs} == {}


@every_function
def test_function(cases: list[Case]) -> None:
    families = [of_values, of_derivatives, *([of_rules] if cases[0].fn in TABLE else [])]
    run_all(lambda check: check(cases), [(check,) for family in families for check in family])


def test_one_hot_is_rows_of_the_identity() -> None:
    rows = neural.one_hot(tg.Tensor([2, 0]), 3, np.float32)
    assert rows.dtype == np.float32 and not rows.requires_grad
    np.testing.assert_array_equal(rows.numpy(), np.eye(3)[[2, 0]])


def test_linear_widens_to_the_bias() -> None:
    w, b = np.ones((2, 3), np.float32), np.ones(2)
    t = tg.Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    out = neural.linear(t, w, b)
    assert out.dtype == np.float64
    out.sum().backward()
    assert t.grad is not None and t.grad.dtype == np.float32
    np.testing.assert_array_equal(t.grad.numpy(), np.full((4, 3), 2.0))


def test_erf_without_scipy_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"pip install scipy.*approximate='tanh'"):
        neural.erf(np.ones(2))


def test_transform_keeps_the_nest() -> None:
    assert transform(lambda v: v + 1, [1, (2, {"a": 3})]) == [2, (3, {"a": 4})]
