"""The names of HIPS/autograd's core, with the old way to give a primitive its derivatives."""

import warnings
from typing import Any

from ...autodiff.rules import TABLE as primitive_vjps
from .extend import (
    JVPNode,
    SparseObject,
    VJPNode,
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
)
from .extend import primitive as _primitive
from .tracing import VSpace, getval, isbox, make_jvp, make_vjp, vspace

__all__ = [
    "JVPNode", "SparseObject", "VJPNode", "VSpace", "def_linear", "defjvp", "defjvp_argnum",
    "defjvp_argnums", "defvjp", "defvjp_argnum", "defvjp_argnums", "getval", "isbox", "make_jvp",
    "make_vjp", "primitive", "primitive_vjps", "primitive_with_deprecation_warnings", "vspace",
]  # fmt: skip


def primitive(fun: Any) -> Any:
    """A primitive that takes its derivatives by methods, too: ``f.defvjp(rule, argnum=0)``.

    Such rules are ``rule(g, ans, vspace, result_vspace, *args, **kwargs)``, those of ``f.defgrad``
    are ``rule(ans, *args, **kwargs)(g)``; ``f.defvjp_is_zero(argnums)`` is for constants.
    """
    made = _primitive(fun)

    def add_vjp(rule: Any, argnum: int = 0) -> None:
        def maker(ans: Any, *args: Any, **kwargs: Any) -> Any:
            spaces = vspace(args[argnum]), vspace(ans)
            return lambda g: rule(g, ans, *spaces, *args, **kwargs)

        maker.__module__ = rule.__module__
        _warn("f.defvjp(rule)", "defvjp(f, rule)")
        defvjp(made, maker, argnums=(argnum,))

    def add_gradient(rule: Any, argnum: int = 0) -> None:
        _warn("f.defgrad(rule)", "defvjp(f, rule)")
        defvjp(made, rule, argnums=(argnum,))

    def add_zeros(argnums: Any = (0,)) -> None:
        _warn("f.defvjp_is_zero(argnums)", "defvjp(f, None)")
        defvjp(made, *[None] * len(argnums), argnums=argnums)

    made.defvjp, made.defgrad, made.defvjp_is_zero = add_vjp, add_gradient, add_zeros
    return made


primitive_with_deprecation_warnings = primitive


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is the old way; write {new}.", DeprecationWarning, stacklevel=3)
