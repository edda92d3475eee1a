"""SciPy's special functions: every ufunc is classified; slopes beside PyTorch's and mpmath's."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

sp = pytest.importorskip("scipy.special")

from benchmarks import coverage, special_functions  # noqa: E402
from tests.autodiff.test_special_values import VALUES  # noqa: E402
from tinygrad_np import special  # noqa: E402
from tinygrad_np.autodiff.rules import TABLE, of_scipy  # noqa: E402
from tinygrad_np.autodiff.rules import special as rules  # noqa: E402

UFUNCS = {name: fn for name in dir(sp) if isinstance(fn := getattr(sp, name), np.ufunc)}


def test_every_ufunc_of_scipy_is_classified_once() -> None:
    ruled = {name for name, fn in UFUNCS.items() if of_scipy(fn)[0]}
    assert set(UFUNCS) - ruled == set(rules.REFUSED) - {"_riemann_zeta"}
    assert not ruled & set(rules.REFUSED)


def test_every_name_of_scipy_is_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    assert special_functions.unclassified() == []
    kinds = {name: special_functions.classify(name, fn) for name, fn in
             special_functions.names().items()}  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == special_functions.SIBLING} == set(
        special.__all__
    )
    assert {kinds["gammaln"], kinds["jvp"], kinds["round"], kinds["agm"], kinds["y0_zeros"]} == {
        "differentiable", "differentiable by some operands", "constant", "refused",
        "not applicable",
    }  # fmt: skip
    monkeypatch.setattr(sp, "a_new_function", lambda x: x, raising=False)
    assert special_functions.unclassified() == ["a_new_function"]


def test_the_page_is_what_scipy_and_the_table_say(monkeypatch: pytest.MonkeyPatch) -> None:
    text = coverage.PAGE.read_text(encoding="utf-8")
    part = text[text.index(special_functions.TITLE) :].rstrip("\n")
    assert special_functions.section(text) == part, "run: python benchmarks/coverage.py --write"
    monkeypatch.setattr(special_functions, "release", lambda: "")  # without SciPy it stays
    assert special_functions.section(text) == part and special_functions.section("") == ""


ORDERED = sorted(
    name for name, fn in UFUNCS.items()
    if fn in TABLE and any("l" in types.partition("->")[0] for types in fn.types)
    and any(set(types.partition("->")[0]) == {"d"} for types in fn.types)
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ORDERED)
def test_orders_with_a_fraction_are_those_of_the_value(name: str) -> None:
    """Where SciPy cuts them off in the value, so does the derivative."""
    fn, step, compared = UFUNCS[name], 1e-6, 0
    for first, second, third in itertools.product((-0.3, 0.6, 1.7, 4.6), (2.5, 5.0), (1.3,)):
        orders = [first, second, third][: fn.nin - 1]
        ends = [float(fn(*orders, 0.7 + sign * step)) for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step)
        if np.isfinite(wanted):
            for given in (orders, map(np.array, orders)):
                found = tg.grad(lambda x, v=(*given,): fn(*v, x))(0.7)
                np.testing.assert_allclose(found, wanted, 1e-6, 1e-8)
                compared += 1
    assert compared


def test_a_refused_ufunc_says_so() -> None:
    t = tg.Tensor([1.5], requires_grad=True)
    with pytest.raises(
        tg.TapeError, match=r"agm has no derivative here \(write .*ellipk.*\): give"
    ):
        sp.agm(t, 2.0)
    with pytest.raises(tg.TapeError, match=r"kolmogorov has no .* here \(no function in SciPy"):
        sp.kolmogorov(t)
    assert sp.kolmogorov(t.detach()).item() == sp.kolmogorov(1.5)


def test_the_order_of_a_bessel_function_is_refused_by_name() -> None:
    order = tg.Tensor(1.5, requires_grad=True, name="order")
    out = sp.jv(order, 2.0)
    with pytest.raises(tg.TapeError, match=r"jv has no derivative .* operand 0 \(jv\(order: "):
        out.backward()


def test_the_rules_come_with_the_first_use() -> None:
    program = (
        "import sys, numpy as np, tinygrad_np as tg; t = tg.Tensor(2.0, requires_grad=True)\n"
        "name = 'tinygrad_np.autodiff.rules.special'\n"
        "np.exp(t); assert 'scipy' not in sys.modules and name not in sys.modules\n"
        "from scipy.special import gammaln, zeta, lambertw, softplus\n"
        "np.exp(t); assert name not in sys.modules\n"
        "gammaln(t).backward(); assert name in sys.modules; print(round(t.grad.item(), 6))\n"
        "for f in (zeta, lambda t: zeta(3, t), lambertw, softplus): f(t.detach())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0.422784\n", "")


PYTHON: dict[str, Callable[[Any], Any]] = {
    "logsumexp": sp.logsumexp, "softmax": sp.softmax, "log_softmax": sp.log_softmax,
    "polygamma": lambda t: sp.polygamma(1, t), "multigammaln": lambda t: sp.multigammaln(t, 2),
    "comb": lambda t: sp.comb(5, t), "factorial": sp.factorial, "perm": lambda t: sp.perm(5, t),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTHON)
def test_functions_that_make_arrays_name_their_sibling(name: str) -> None:
    t = tg.Tensor([1.5, 2.5], requires_grad=True)
    said = rf"scipy.special.{name} of a Tensor \(tinygrad_np.special .*\) calls np.asarray\(t\)"
    with pytest.raises(tg.DetachError, match=said):
        PYTHON[name](t)
    assert name in special.__all__


def test_functions_made_of_ufuncs_work_as_they_are() -> None:
    x = np.array([0.7, 1.9])
    for f in (lambda t: sp.zeta(3, t), sp.lambertw, sp.softplus, lambda t: sp.jvp(1, t, 2)):
        tg.gradcheck(f, x)


def test_the_siblings_are_scipys_on_arrays() -> None:
    x = np.array([[0.5, 3.5, -2.0], [-np.inf, 2.0, -1.0]])
    for axis, keepdims in itertools.product((None, 0, 1, (0, 1)), (False, True)):
        for b in (None, np.array([1.0, 0.0, -2.0])):
            for sign in (False, True):
                options = {"axis": axis, "keepdims": keepdims, "b": b, "return_sign": sign}
                np.testing.assert_array_equal(
                    special.logsumexp(x, **options), sp.logsumexp(x, **options)
                )
    assert special.logsumexp([1.0, 2.0]) == sp.logsumexp([1.0, 2.0])
    for n, k in ((5, 2), (5, 6), (-1.0, 2), (5.5, 0.5), (0, 0)):
        assert special.comb(n, k) == sp.comb(n, k)
        assert special.perm(n, k) == sp.perm(n, k)
        assert special.comb(n, k, repetition=True) == sp.comb(n, k, repetition=True)
    assert special.comb(70, 35, exact=True) == sp.comb(70, 35, exact=True)
    assert special.perm(30, 20, exact=True) == sp.perm(30, 20, exact=True)
    assert special.factorial(30, exact=True) == sp.factorial(30, exact=True)
    assert special.factorial(-1.5) == 0.0
    np.testing.assert_array_equal(special.softmax([1.0, 2.0]), sp.softmax([1.0, 2.0]))
    np.testing.assert_array_equal(special.log_softmax([1.0, 2.0]), sp.log_softmax([1.0, 2.0]))
    np.testing.assert_array_equal(special.polygamma([0, 2], 1.5), sp.polygamma([0, 2], 1.5))
    with pytest.raises(ValueError, match="condition a"):
        special.multigammaln(tg.Tensor(0.2, requires_grad=True), 3)


def test_single_precision_stays() -> None:
    x = np.array([0.4, 0.7], np.float32)
    for f in (sp.gammaln, sp.erf, sp.ndtri, lambda t: sp.jv(1, t), sp.i1,
              lambda t: special.polygamma(2, t), special.logsumexp, special.softmax):  # fmt: skip
        t = tg.Tensor(x, requires_grad=True)
        out = f(t)
        out.sum().backward(create_graph=True)
        assert t.grad is not None and out.dtype == t.grad.dtype == np.float32
        assert f(x).dtype == np.float32


def slopes(fn: Any, values: tuple[float, ...]) -> tuple[Any, list[float]]:
    ts = [tg.Tensor(v, requires_grad=True) for v in values]
    with np.errstate(all="ignore"):
        out = fn(*ts)
        out.backward()
    return out.item(), [np.nan if t.grad is None else t.grad.item() for t in ts]


OURS = {"i0e": "i0e", "i0": "i0", "i1": "i1", "i1e": "i1e", "erf": "erf", "erfc": "erfc",
        "erfcx": "erfcx", "erfinv": "erfinv", "digamma": "digamma", "expit": "expit",
        "exp2": "exp2", "expm1": "expm1", "log1p": "log1p", "logit": "logit", "ndtr": "ndtr",
        "ndtri": "ndtri", "log_ndtr": "log_ndtr", "gammaln": "gammaln", "entr": "entr",
        "xlogy": "xlogy", "xlog1py": "xlog1py"}  # fmt: skip
ABOVE: dict[str, Callable[..., bool]] = {  # where PyTorch has no number or another convention
    "digamma": lambda x: x <= 0,
    "log_ndtr": lambda x: x < -20,
    "erfcx": lambda x: abs(x) > 20,  # cancels there
    "xlogy": lambda x, y: x == 0 or y == 0,
    "xlog1py": lambda x, y: x == 0 or y == -1,
    "i0e": lambda x: abs(x) > 1e9,  # cancels there
    "i1e": lambda x: abs(x) < 1e-7 or abs(x) > 1e9,
    "expm1": lambda x: x < -20,
    "i0": lambda x: abs(x) > 700, "i1": lambda x: abs(x) > 700 or abs(x) < 1e-7,
    "logit": lambda x: abs(x) > 1 or x == 0, "gammaln": lambda x: x <= 0,
}  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_slopes_at_special_values_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    fn, other = getattr(sp, name), getattr(torch.special, name)
    for values in itertools.product([*VALUES, 0.25, 0.9][:: fn.nin], repeat=fn.nin):
        out, found = slopes(fn, values)
        if np.isnan(out) or ABOVE.get(name, lambda *_: False)(*values):
            continue
        ts = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
        other(*ts).backward()
        wanted = [t.grad.item() for t in ts]
        shown = f"{name}{values} = {out}: {found}, PyTorch {wanted}"
        for ours, theirs in zip(found, wanted, strict=True):
            if not np.isnan(theirs):
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-300, err_msg=shown)


FAR = [-1e4, -300.0, -31.0, -29.0, -6.0, -1e-9, 0.0, 1e-9, 0.3, 6.0, 25.0, 300.0, 1e5]
MPMATH: dict[str, tuple[Callable[[Any, Any], Any], list[float]]] = {
    "dawsn": (lambda m, x: 1 - 2 * x * m.sqrt(m.pi) / 2 * m.exp(-x * x) * m.erfi(x), FAR),
    "erfcx": (lambda m, x: 2 * x * m.exp(x * x) * m.erfc(x) - 2 / m.sqrt(m.pi), FAR[2:]),
    "log_ndtr": (lambda m, x: m.npdf(x) / m.ncdf(x), FAR[1:-1]),
    "exprel": (lambda m, x: m.mpf(0.5) if x == 0 else (m.exp(x) * (x - 1) + 1) / x**2,
               [-300.0, -6.0, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.99, 1.01, 6.0]),
    "ellipk": (lambda m, x: m.diff(m.ellipk, x), [-50.0, -1.0, 0.0, 1e-9, 0.5, 0.999]),
    "ellipe": (lambda m, x: m.diff(m.ellipe, x), [-50.0, -1.0, 0.0, 1e-9, 0.5, 0.999]),
    "ellipkinc": (lambda m, x: m.diff(lambda v: m.ellipf(4, v), x), [-50.0, -1.0, 0.0, 1e-9, 0.5]),
    "ellipeinc": (lambda m, x: m.diff(lambda v: m.ellipe(4, v), x), [-50.0, -1.0, 0.0, 1e-9, 0.5]),
    "rgamma": (lambda m, x: m.diff(m.rgamma, x), [-6.0, -5.5, -1.0, 0.0, 0.49, 0.51, 1.0, 20.0]),
    "spence": (lambda m, x: m.mpf(-1) if x == 1 else m.log(x) / (1 - x),
               [1e-3, 0.97, 0.99, 1.0, 1.0 + 1e-9, 1.01, 1.03, 50.0]),
    "gammaln": (lambda m, x: m.digamma(x), [0.01, 1.4616, 1.5, 300.0]),
    "expm1": (lambda m, x: m.exp(x), [-40.0, -20.0, 1e-9, 2.0]),
    "i0e": (lambda m, x: m.exp(-x) * (m.besseli(1, x) - m.besseli(0, x)), [3.0, 99.0, 1e4, 1e15]),
    "i1e": (lambda m, x: m.exp(-x) * (m.besseli(0, x) / 2 + m.besseli(2, x) / 2 - m.besseli(1, x)),
            [3.0, 99.0, 1e4, 1e15]),
    "k0e": (lambda m, x: m.exp(x) * (m.besselk(0, x) - m.besselk(1, x)), [3.0, 99.0, 1e4, 1e15]),
    "k1e": (lambda m, x: m.exp(x) * (m.besselk(1, x) - m.besselk(0, x) / 2 - m.besselk(2, x) / 2),
            [3.0, 99.0, 1e4, 1e15]),
}  # fmt: skip


@pytest.mark.parametrize("name", MPMATH)
def test_slopes_keep_their_digits(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    exact, points = MPMATH[name]
    with mpmath.workdps(60):
        wanted = [float(exact(mpmath.mp, mpmath.mpf(x))) for x in points]
    before = (4.0,) if name in ("ellipkinc", "ellipeinc") else ()
    found = [slopes(getattr(sp, name), (*before, x))[1][-1] for x in points]
    np.testing.assert_allclose(found, wanted, rtol=2e-12, atol=1e-300)


def test_degenerate_operands_have_numbers_for_slopes() -> None:
    assert slopes(sp.xlogy, (0.0, 0.0))[1] == [0.0, 0.0]
    assert slopes(sp.xlogy, (0.0, 2.0))[1] == [np.log(2.0), 0.0]
    assert slopes(sp.xlogy, (0.0, -2.0))[1] == slopes(sp.xlog1py, (0.0, -3.0))[1] == [0.0, 0.0]
    assert slopes(sp.xlog1py, (0.0, -1.0))[1] == [0.0, 0.0]
    assert slopes(sp.rel_entr, (0.0, 0.0))[1] == [1.0, 0.0]
    assert slopes(sp.kl_div, (0.0, 0.0))[1] == [0.0, 1.0]
    assert slopes(sp.pseudo_huber, (0.0, 0.0))[1] == [0.0, 0.0]
    assert slopes(sp.boxcox, (0.0, 2.0))[1] == [0.0, 0.25]
    assert slopes(sp.beip, (0.0,))[1] == [0.5]
    assert slopes(sp.binom, (0.0, 1.0))[1] == [1.0, -1.0]
    assert slopes(sp.beta, (-1.0, 1.0))[1][0] == -1.0
    assert slopes(sp.boxcox, (np.inf, -1.0))[1] == [0.0, 1.0]
    assert slopes(sp.ellipk, (-np.inf,))[1] == slopes(sp.exprel, (-np.inf,))[1] == [0.0]
    t = tg.Tensor([-np.inf, -np.inf], requires_grad=True)
    special.logsumexp(t).backward()
    assert t.grad is not None and t.grad.numpy().tolist() == [0.5, 0.5]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", ["beta", "betaln", "binom", "poch"])
def test_short_forms_have_the_bits_of_those_with_ends(name: str, place: int) -> None:
    """Arrays without an end are computed in a short way; a replay, and arrays with one, are not."""
    fn = getattr(sp, name)
    usual = np.array([[0.3, 1.7], [2.5, 40.0], [-1.3, 0.6], [6.0, 2.0]])
    ends = np.array([[-1.0, 1.0], [0.0, 1.0], [1.0, 2.0], [np.inf, 1.0]])
    for dtype, other in itertools.product((np.float64, np.float32), ("array", "number")):
        given = usual.astype(dtype) if other == "array" else usual[:1].astype(dtype)
        both = np.concatenate([given, ends.astype(dtype)])
        fixed = (1 - place, 0.75)

        def slope(rows: Any, fixed: Any = fixed, other: str = other) -> Any:
            operands = [rows[:, 0], rows[:, 1]]
            if other == "number":
                operands[fixed[0]] = fixed[1]
            return np.sum(fn(*operands))

        step = tg.replay(tg.grad(slope))
        with np.errstate(all="ignore"):
            short = tg.grad(slope)(given)
            whole = tg.grad(slope)(both)[: len(given)]
            found = [step(rows) for rows in (given, given, given, ends[: len(given)], given)]
        for slopes in (whole, found[0], found[2], found[4]):
            assert slopes.tobytes() == short.tobytes(), (name, dtype, other)


INF, PI, LN2 = np.inf, np.pi, np.log(2.0)
ENDS: list[tuple[str, tuple[float, ...], int, float]] = [
    # the function, its operands, the place of one, the second derivative by that
    ("gdtr", (1.0, 1.0, 0.0), 2, -1.0), ("gdtr", (2.0, 2.0, 0.0), 2, 4.0),
    ("gdtr", (2.0, 3.0, 0.0), 0, 0.0), ("gdtr", (0.0, 2.0, 3.0), 0, 9.0),
    ("gdtr", (2.0, 0.5, 0.0), 2, -INF), ("gdtr", (2.0, 3.0, INF), 0, 0.0),
    ("gdtrc", (2.0, 2.0, -0.0), 2, -4.0), ("gdtrc", (INF, 2.0, 1.0), 2, 0.0),
    ("gammainc", (2.0, 0.0), 1, 1.0), ("gammainc", (1.5, 0.0), 1, INF),
    ("gammaincc", (3.0, 0.0), 1, 0.0), ("gammainc", (3.0, INF), 1, 0.0),
    ("gammaincinv", (3.0, 0.0), 1, -INF), ("gammaincinv", (1.0, 1.0), 1, INF),
    ("gammainccinv", (2.0, 0.0), 1, INF), ("gammainccinv", (2.0, 1.0), 1, -INF),
    ("pdtr", (1.0, 0.0), 1, -1.0), ("pdtrc", (0.0, 0.0), 1, -1.0),
    ("chdtr", (4.0, 0.0), 1, 0.25), ("chdtr", (1.0, -0.0), 1, -INF), ("chdtrc", (3.0, INF), 1, 0.0),
    ("betainc", (0.5, 0.5, 0.0), 2, -INF), ("betainc", (0.5, 0.5, 1.0), 2, INF),
    ("betainc", (1.0, 1.0, 0.0), 2, 0.0), ("betainc", (2.0, 3.0, 0.0), 2, 12.0),
    ("betainc", (2.0, 3.0, 1.0), 2, 0.0), ("betaincc", (3.0, 2.0, 1.0), 2, 12.0),
    ("betaincinv", (2.0, 3.0, 0.0), 2, -INF), ("bdtr", (1.0, 3, 0.0), 2, -6.0),
    ("bdtrc", (1.0, 3, 1.0), 2, -6.0), ("nbdtr", (2, 2, 0.0), 2, 12.0),
    ("fdtr", (4.0, 2.0, 0.0), 2, 8.0), ("fdtr", (2.0, 4.0, INF), 2, 0.0),
    ("gammaincinv", (0.5, 0.0), 1, PI / 2), ("gammainccinv", (0.5, 1.0), 1, PI / 2),
    ("chdtri", (1.0, 1.0), 1, PI), ("gdtria", (0.0, 0.5, 2.0), 0, PI / 4),
    ("gdtrix", (2.0, 0.5, 0.0), 2, PI / 4), ("gdtria", (0.3, 0.5, INF), 0, 0.0),
    ("betaincinv", (0.5, 0.5, 0.0), 2, PI**2 / 2), ("betaincinv", (1.0, 0.5, 1.0), 2, -2.0),
    ("betainccinv", (0.5, 0.5, 1.0), 2, PI**2 / 2), ("fdtri", (1.0, 1.0, 0.0), 2, PI**2 / 2),
    ("fdtri", (1.0, 2.0, 0.0), 2, 4.0), ("fdtri", (2.0, 2.0, 1.0), 2, INF),
    ("ndtri", (0.0,), 0, -INF), ("stdtrit", (2.0, 1.0), 1, INF),
    ("binom", (0.0, 1.0), 0, 0.0), ("binom", (1.0, 2.0), 0, 1.0), ("binom", (1.0, 2.0), 1, 1.5),
    ("beta", (-0.5, 0.5), 0, 8 * PI * LN2 - 8 * PI), ("beta", (-1.0, 1.0), 0, -2.0),
    ("beta", (INF, 1.0), 1, 0.0), ("betaln", (-1.0, 1.0), 0, 1.0), ("betaln", (INF, 1.0), 0, 0.0),
    ("boxcox", (INF, -2.0), 1, 0.25), ("boxcox", (0.0, 0.0), 1, -INF),
    ("boxcox1p", (INF, 0.0), 1, INF), ("boxcox1p", (1.0, -INF), 1, 0.0),
    ("ellipk", (-INF,), 0, 0.0), ("ellipe", (-INF,), 0, 0.0), ("ellipkm1", (INF,), 0, 0.0),
    ("exprel", (-INF,), 0, 0.0), ("exprel", (INF,), 0, INF), ("expn", (0, INF), 1, 0.0),
    ("expn", (0, 0.0), 1, INF),
    ("erf", (INF,), 0, 0.0), ("erfc", (-INF,), 0, 0.0), ("ndtr", (INF,), 0, 0.0),
    ("poch", (0.0, 2.0), 0, 2.0), ("poch", (-1.0, 2.0), 0, 2.0), ("poch", (-5.0, 3.0), 0, -24.0),
    ("struve", (0, 0.0), 1, 0.0), ("struve", (1, 0.0), 1, 4 / (3 * PI)),
    ("struve", (-1, 0.0), 1, -4 / (3 * PI)), ("modstruve", (0, 0.0), 1, 0.0),
    ("modstruve", (-1, 0.0), 1, 4 / (3 * PI)), ("it2struve0", (0.0,), 0, 0.0),
    ("voigt_profile", (0.0, 0.0, 1.0), 0, -2 / PI), ("voigt_profile", (0.0, 0.0, 1.0), 1, -2 / PI),
    ("voigt_profile", (1.0, 0.0, 1.0), 1, 0.5 / PI),
    ("voigt_profile", (1.0, 0.0, 1.0), 2, -0.5 / PI),
    ("logit", (0.0,), 0, -INF), ("logit", (1.0,), 0, INF), ("spence", (0.0,), 0, INF),
    ("expi", (0.0,), 0, -INF), ("log_ndtr", (-INF,), 0, -1.0), ("log_ndtr", (-1e200,), 0, -1.0),
    ("y0", (0.0,), 0, -INF), ("y1", (0.0,), 0, -INF), ("yv", (1.0, 0.0), 1, -INF),
    ("yn", (2, 0.0), 1, -INF), ("k0e", (0.0,), 0, INF), ("k1e", (0.0,), 0, INF),
    ("kve", (0.5, 0.0), 1, INF), ("kerp", (0.0,), 0, -INF), ("keip", (0.0,), 0, -INF),
    ("wrightomega", (INF,), 0, 0.0),
    ("ellipkinc", (PI, 0.0), 1, PI * 9 / 32), ("ellipeinc", (PI, 0.0), 1, -PI * 3 / 32),
    ("ellipkinc", (PI / 4, 1.0), 1, (3 * np.arcsinh(1) - 2**0.5) * 3 / 32),
    ("lpmv", (0, 3.0, 1.0), 2, 15.0), ("lpmv", (2, 4.0, -1.0), 2, -510.0),
    ("owens_t", (0.0, 1e200), 1, 0.0),
]  # fmt: skip
SLOPES: list[tuple[str, tuple[float, ...], int, float]] = [
    # the function, its operands, the place of one, the slope by that
    ("poch", (0.0, 2.0), 0, 1.0), ("poch", (-1.0, 2.0), 0, -1.0), ("poch", (-2.0, 2.0), 0, -3.0),
    ("poch", (-5.0, 3.0), 0, 47.0), ("poch", (0.0, 0.5), 0, PI**0.5), ("poch", (0.0, 0.0), 0, 0.0),
    ("poch", (-1.0, 2.0), 1, 0.0), ("poch", (3.0, -1.0), 0, -0.25),
    ("struve", (-1, 0.0), 1, 0.0), ("struve", (0, 0.0), 1, 2 / PI), ("struve", (1, 0.0), 1, 0.0),
    ("struve", (-2, 0.0), 1, INF), ("struve", (-0.5, 0.0), 1, INF), ("struve", (-1.5, 0.0), 1, 0.0),
    ("modstruve", (-1, 0.0), 1, 0.0), ("modstruve", (0, 0.0), 1, 2 / PI),
    ("it2struve0", (0.0,), 0, -2 / PI),
    ("voigt_profile", (0.0, 0.0, 1.0), 0, 0.0), ("voigt_profile", (1.0, 0.0, 1.0), 0, -0.5 / PI),
    ("voigt_profile", (1.0, 0.0, 1.0), 1, 0.0), ("voigt_profile", (1.0, 0.0, 1.0), 2, 0.0),
    ("voigt_profile", (1.0, 0.0, 0.0), 2, 1 / PI),
    ("y1", (0.0,), 0, INF), ("yv", (1.0, 0.0), 1, INF), ("yv", (2.5, -0.0), 1, INF),
    ("yv", (-1.0, 0.0), 1, -INF), ("yn", (1, 0.0), 1, INF), ("yn", (2, 0.0), 1, INF),
    ("k0e", (0.0,), 0, -INF), ("k1e", (0.0,), 0, -INF), ("kve", (0.0, 0.0), 1, -INF),
    ("kve", (1.0, 0.0), 1, -INF), ("kerp", (0.0,), 0, INF), ("keip", (0.0,), 0, INF),
    ("logit", (0.0,), 0, INF), ("logit", (1.0,), 0, INF), ("spence", (0.0,), 0, -INF),
    ("spence", (-0.0,), 0, -INF), ("expi", (-0.0,), 0, INF), ("wrightomega", (INF,), 0, 1.0),
    ("ellipkinc", (PI, 0.0), 1, PI / 4), ("ellipeinc", (PI, 0.0), 1, -PI / 4),
    ("ellipkinc", (0.0, 0.5), 1, 0.0), ("ellipkinc", (-PI / 4, 0.0), 1, (1 - PI / 2) / 8),
    ("ellipkinc", (PI / 4, 1.0), 1, (2**0.5 - np.arcsinh(1)) / 4),
    ("ellipeinc", (PI / 4, 1.0), 1, (0.5**0.5 - np.arcsinh(1)) / 2),
    ("lpmv", (0, 2.0, 1.0), 2, 3.0), ("lpmv", (0, 2.0, -1.0), 2, -3.0),
    ("lpmv", (0, 0.5, 1.0), 2, 0.375), ("lpmv", (2, 3.0, -1.0), 2, -30.0),
    ("lpmv", (-2, 3.0, 1.0), 2, -0.25), ("lpmv", (1, 2.0, 1.0), 2, INF),
    ("lpmv", (1, 0.0, 1.0), 2, 0.0), ("lpmv", (4, 5.0, 1.0), 2, 0.0),
    ("owens_t", (0.0, 1e200), 1, 0.0), ("exprel", (709.0,), 0, 1.1575198749865064e305),
]  # fmt: skip
FAR: list[tuple[str, tuple[float, ...], int, float]] = [
    # of ratios of Γ, where one of them is infinite: by mpmath
    ("binom", (2.0, 172.0), 1, 3.99996800025599795e-7),
    ("binom", (2.0, 173.0), 1, -3.9306043933151425e-7),
    ("binom", (2.0, 700.0), 1, 5.85597693213566893e-9),
    ("binom", (2.0, -171.0), 1, 3.9306043933151425e-7),
    ("binom", (2.0, -700.0), 1, -5.80599724679610557e-9),
    ("binom", (300.0, -700.0), 1, -2.6317347512707839e-267),
    ("binom", (-3.5, -1000.0), 1, 29762658.6282719172),
    ("binom", (2.0, 172.0), 0, -3.99996800025599795e-7),
    ("binom", (-3.5, 900.5), 0, 23114824.4448698157), ("binom", (2.0, -700.0), 0, 0.0),
    ("poch", (-171.0, 0.5), 0, 41.1116960815364268),
    ("poch", (-700.0, 0.5), 0, 83.133572774858731),
    ("poch", (-100.0, 190.5), 0, 1.45953665479209166e295),
    ("poch", (-1000.0, -900.5), 0, 0.0), ("poch", (-100.0, 102.5), 0, 1.24062307465542492e158),
    ("beta", (171.5, -171.5), 0, 0.0183183245107276574),
    ("beta", (171.5, -171.5), 1, 0.0183183245107276574),
    ("beta", (-20.25, -979.75), 0, -1.7594913540134198e43),
]  # fmt: skip


def check_slopes(
    table: list[tuple[str, tuple[float, ...], int, float]], order: int, share: float = 1e-12
) -> None:
    for name, operands, place, expected in table:
        fn = getattr(sp, name)

        def of(x: Any, fn: Any = fn, given: Any = operands, place: int = place) -> Any:
            return fn(*given[:place], x, *given[place + 1 :])

        slope = tg.grad(of) if order == 1 else tg.grad(tg.grad(of))
        shown = f"{name}{operands}"
        with np.errstate(all="ignore"):
            found = np.array(slope(operands[place]))
            np.testing.assert_allclose(
                found, expected, share, 1e-14 * min(1, abs(expected)), err_msg=shown
            )
            if order == 1:  # of the second it takes ten seconds
                replayed = tg.replay(slope)
                steps = [replayed(np.array(x)) for x in (0.3, 0.3, operands[place])]
                assert np.array(steps[-1]).tobytes() == found.tobytes(), shown


def test_slopes_at_the_ends_of_the_domain_and_where_a_formula_divides_by_0() -> None:
    check_slopes(SLOPES, 1)


def test_slopes_of_ratios_of_gamma_far_out() -> None:
    check_slopes(FAR, 1, 3e-12)


@pytest.mark.parametrize("pair", ["sici", "shichi"])
def test_slopes_of_pairs_of_integrals_at_0(pair: str) -> None:
    first, second = (lambda t, k=k: getattr(sp, pair)(t)[k] for k in (0, 1))
    with np.errstate(all="ignore"):
        assert [tg.grad(first)(0.0), tg.grad(tg.grad(first))(0.0)] == [1.0, 0.0]
        assert [tg.grad(second)(0.0), tg.grad(tg.grad(second))(0.0)] == [INF, -INF]


def test_messages_show_public_names() -> None:
    s = tg.Tensor(3.0, requires_grad=True)
    with pytest.raises(tg.TapeError, match=r"^zeta has no derivative .* operand 0 \(zeta\("):
        sp.zeta(s, 2.0).backward()
    assert "made by lambertw" in sp.lambertw(s)._repr_html_()


def test_second_derivatives_at_the_ends_of_the_domain() -> None:
    check_slopes(ENDS, 2)
