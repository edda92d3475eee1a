"""Derivatives beside finite differences along random directions."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from .tracing import make_jvp, make_vjp, vspace
from .wrap_util import get_name, unary_to_nary

TOL = RTOL = EPS = 1e-6


def scalar_close(a: Any, b: Any) -> bool:
    """Whether two numbers are equal up to 1e-6, absolutely or relative to their sum."""
    return bool(abs(a - b) < TOL or abs(a - b) < RTOL * abs(a + b))


def make_numerical_jvp(f: Any, x: Any) -> Callable[[Any], Any]:
    """The derivative along a direction by central differences."""
    space, results = vspace(x), vspace(f(x))

    def along(v: Any) -> Any:
        ahead = f(space.add(x, space.scalar_mul(v, EPS / 2)))
        behind = f(space.add(x, space.scalar_mul(v, -EPS / 2)))
        return results.scalar_mul(results.add(ahead, results.scalar_mul(behind, -1.0)), 1 / EPS)

    return along


def check_vjp(f: Any, x: Any) -> None:
    """Raise AssertionError where the pullback disagrees with finite differences."""
    vjp, y = make_vjp(f, x)
    space, results = vspace(x), vspace(y)
    v, w = space.randn(), results.randn()
    pulled = space.covector(vjp(results.covector(w)))
    assert vspace(pulled) == vspace(space.zeros()), f"{vspace(pulled)} for {space}"
    exact, numeric = space.inner_prod(v, pulled), results.inner_prod(w, make_numerical_jvp(f, x)(v))
    assert scalar_close(exact, numeric), (
        f"(VJP) check of {get_name(f)} failed at {x}: the pullback gives {exact}, finite "
        f"differences {numeric}"
    )


def check_jvp(f: Any, x: Any) -> None:
    """Raise AssertionError where the pushforward disagrees with finite differences."""
    v = vspace(x).randn()
    check_equivalent(make_jvp(f, x)(v)[1], make_numerical_jvp(f, x)(v))


def check_equivalent(x: Any, y: Any) -> None:
    """Raise AssertionError where two values differ in kind, shape or number."""
    space, other = vspace(x), vspace(y)
    assert space == other, f"{space} and {other}"
    v = space.randn()
    close = scalar_close(space.inner_prod(x, v), space.inner_prod(y, v))
    assert close, f"different values:\n{x}\n{y}"


@unary_to_nary
def check_grads(f: Any, x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> None:
    """Check the derivatives of ``f`` up to ``order``, in forward and reverse mode."""
    if unknown := set(modes) - {"fwd", "rev"}:
        raise AssertionError(f"modes are 'fwd' and 'rev', not {unknown}")
    if "fwd" in modes:
        check_jvp(f, x)
        if order > 1:
            check_grads(_pushing(f), (0, 1), modes, order=order - 1)(x, vspace(x).randn())
    if "rev" in modes:
        check_vjp(f, x)
        if order > 1:
            check_grads(_pulling(f), (0, 1), modes, order=order - 1)(x, vspace(f(x)).randn())


def _pushing(f: Any) -> Callable[..., Any]:
    """The pushforward as a function of the point and the direction."""

    def push(x: Any, v: Any) -> Any:
        return make_jvp(f, x)(v)[1]

    push.__name__ = f"jvp_{get_name(f)}"
    return push


def _pulling(f: Any) -> Callable[..., Any]:
    """The pullback as a function of the point and the cotangent."""

    def pull(x: Any, v: Any) -> Any:
        return make_vjp(f, x)[0](v)

    pull.__name__ = f"vjp_{get_name(f)}"
    return pull


def combo_check(fun: Any, *given: Any, **options: Any) -> Callable[..., None]:
    """``check_grads`` of all combinations of the arguments' values."""

    def check(*args: Any, **kwargs: Any) -> None:
        pairs = [[(name, value) for value in values] for name, values in kwargs.items()]
        for values in itertools.product(*args):
            for chosen in itertools.product(*pairs):
                check_grads(fun, *given, **options)(*values, **dict(chosen))

    return check
