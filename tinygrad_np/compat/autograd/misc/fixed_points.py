"""Fixed points, with the derivative of the implicit function theorem."""

from typing import Any

from ....autodiff.nests import leaves, rebuild
from ..differential_operators import make_vjp
from ..extend import defvjp_argnum, primitive
from ..tracing import vspace

Function = Any
FIRST = 4  # the place of the first array of the nest among the operands


def fixed_point(f: Function, a: Any, x0: Any, distance: Function, tol: float) -> Any:
    """The point ``x = f(a)(x)`` that iteration from ``x0`` comes to; ``a`` is a nest.

    It ends where ``distance`` of two steps is at most ``tol``. The derivative by ``a`` is found by
    iteration, too: it needs no memory for the steps.
    """
    return _fixed(lambda *parts: f(rebuild(a, list(parts))), x0, distance, tol, *leaves(a))


@primitive
def _fixed(f: Function, x0: Any, distance: Function, tol: float, *parts: Any) -> Any:
    step = f(*parts)
    x, before = step(x0), x0
    while distance(x, before) > tol:
        x, before = step(x), x
    return x


def _pulled(argnum: int, ans: Any, args: Any, _kwargs: Any) -> Function:
    """The cotangent of an operand: g (1 - ∂f/∂x)⁻¹ ∂f/∂a, the inverse by iteration."""
    f, x0, distance, tol, *parts = args
    zero = vspace(x0).zeros()
    if argnum < FIRST:  # where it begins
        return lambda _g: zero

    def reverse(params: Any) -> Function:
        parts, x, g = params
        by_x, _ = make_vjp(f(*parts))(x)
        return lambda v: vspace(x).add(by_x(v), g)

    by_part, _ = make_vjp(lambda *parts: f(*parts)(ans), argnum - FIRST)(*parts)
    return lambda g: by_part(fixed_point(reverse, (parts, ans, g), zero, distance, tol))


defvjp_argnum(_fixed, _pulled)
