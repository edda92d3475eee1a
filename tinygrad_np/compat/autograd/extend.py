"""Functions of the user's own, with derivatives in the form that HIPS/autograd gives them.

``defvjp(fn, rule, …)`` takes rules ``rule(ans, *args, **kwargs)`` that return the function from the
cotangent of the result to that of the argument. They become rules of this package's table.
"""

import functools
from typing import Any

import numpy as np

from ...autodiff.primitives import primitive as dispatching
from ...autodiff.rules import COMPOSITES, TABLE, of_scipy
from ...autodiff.rules import defvjp as add_rule
from ...autodiff.rules.signatures import dispatches
from ...autodiff.tensor import Tensor
from . import tracing
from .tracing import VSpace as VSpace
from .tracing import getval, mapped, vspace
from .wrap_util import wraps

Box = Tensor


def primitive(fun: Any) -> Any:
    """Make a function one operation: it is called with plain arrays, and needs ``defvjp``.

    >>> from tinygrad_np.compat import autograd
    >>> @autograd.primitive
    ... def double(x):
    ...     return 2 * x
    ...
    >>> autograd.extend.defvjp(double, lambda out, x: lambda g: 2 * g)
    >>> float(autograd.grad(double)(1.0))
    2.0
    """
    if isinstance(fun, np.ufunc) or hasattr(fun, "implementation"):
        return fun
    body = fun

    def plain(*args: Any, **kwargs: Any) -> Any:
        """Numbers for 0-d arrays, as the function would get without a transform."""
        return body(*map(tracing.number, args), **kwargs)

    made: Any = dispatching(wraps(fun)(plain) if not isinstance(fun, type) else plain)
    made.fun, made.makers = fun, {}
    add_rule(made, each=_undefined(made))
    return made


def _undefined(fun: Any) -> Any:
    """The rule of what has none, which says so."""

    def each(argnum: int, _g: Any, _out: Any, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError(
            f"VJP of {fun.__name__} wrt argnum {argnum} is not defined; give it with defvjp."
        )

    return each


def notrace_primitive(fun: Any) -> Any:
    """A function that gets plain values, and whose results are constants."""

    @wraps(fun)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return fun(*map(getval, args), **kwargs)

    return plain


def register_notrace(_trace_type: Any, fun: Any) -> None:
    """Say that results of ``fun`` are constants."""
    defvjp_argnum(fun, _no_slope)


def _no_slope(argnum: int, _ans: Any, args: Any, _kwargs: Any) -> Any:
    return lambda _g: vspace(args[argnum]).zeros()


def defvjp(fun: Any, *makers: Any, **options: Any) -> None:
    """Give ``fun`` derivatives: ``maker(ans, *args, **kwargs)(g)`` is the cotangent of an argument.

    ``argnums=`` names the arguments, those from the first on by default. None stands for zeros.
    NumPy's and SciPy's functions that have a rule here keep it; a ufunc gets those it lacks. As in
    HIPS/autograd a function that is no ``primitive`` is differentiated through what it calls.
    """
    argnums = options.get("argnums", range(len(makers)))
    known = _makers(fun)
    known.update(zip(argnums, makers, strict=False))
    _register(fun, known)


def _makers(fun: Any) -> dict[int, Any]:
    return getattr(fun, "makers", {})


def _is_known(fun: Any) -> bool:
    """Whether a rule would say nothing new.

    NumPy's and SciPy's functions keep the rule that they have in the table. A function that is no
    primitive is differentiated through what it calls: nobody asks for its rule.
    """
    known = _lifted(fun)
    return not hasattr(fun, "makers") and (
        known in TABLE or known in COMPOSITES or of_scipy(known)[0] or not dispatches(known)
    )


def _register(fun: Any, makers: dict[int, Any]) -> None:
    row = TABLE.get(_lifted(fun)) if _is_known(fun) else None
    if _is_known(fun) and (row is None or not row.is_ufunc or all(row.vjps)):
        return

    def rule(argnum: int) -> Any:
        if argnum not in makers:
            return functools.partial(_undefined(fun), argnum)
        maker = makers[argnum]

        def vjp(g: Any, out: Any, *args: Any, **kwargs: Any) -> Any:
            args = tuple(map(tracing.number, args))
            if maker is None:
                return np.zeros_like(args[argnum])
            return maker(out, *args, **kwargs)(g)

        vjp.__module__ = getattr(maker, "__module__", None) or "user"
        return vjp

    if row is None:
        add_rule(_lifted(fun), *[rule(k) for k in range(max(makers) + 1)])
        return
    filled = [vjp or (makers.get(k) and rule(k)) for k, vjp in enumerate(row.vjps)]
    if any(makers.get(k) for k, vjp in enumerate(row.vjps) if vjp is None):
        add_rule(row.fn, *filled, broadcasts=True, reach=row.reach)


def _lifted(fun: Any) -> Any:
    """The function of NumPy or SciPy behind the one that takes lists of Tensors."""
    return getattr(fun, "lifts", fun)


def defvjp_argnum(fun: Any, vjpmaker: Any) -> None:
    """Give ``fun`` one rule for all arguments: ``vjpmaker(argnum, ans, args, kwargs)(g)``."""

    def each(argnum: int, g: Any, out: Any, *args: Any, **kwargs: Any) -> Any:
        return vjpmaker(argnum, out, tuple(map(tracing.number, args)), kwargs)(g)

    each.__module__ = getattr(vjpmaker, "__module__", None) or "user"
    if not _is_known(fun):
        add_rule(_lifted(fun), each=each)


def defvjp_argnums(fun: Any, vjpmaker: Any) -> None:
    """Give ``fun`` a rule for several arguments: ``vjpmaker(argnums, ans, args, kwargs)(g)``."""

    def one(argnum: int, ans: Any, args: Any, kwargs: Any) -> Any:
        return lambda g: next(iter(vjpmaker((argnum,), ans, args, kwargs)(g)))

    one.__module__ = getattr(vjpmaker, "__module__", None) or "user"
    defvjp_argnum(fun, one)


def defjvp(fun: Any, *makers: Any, **options: Any) -> None:
    """Give ``fun`` derivatives in forward mode: ``maker(g, ans, *args, **kwargs)``.

    Forward mode is the transpose of the pullback here, so these serve arguments without a
    ``defvjp``: their pullback is the transpose of ``maker``, which is linear in g. ``"same"``, for
    a function that is linear in the argument, says nothing new: that needs its ``defvjp``.
    """
    known = _makers(fun)
    pairs = zip(options.get("argnums", range(len(makers))), makers, strict=False)
    added = {n: _transposed(fun, n, m) for n, m in pairs if n not in known and m != "same"}
    if added:
        known.update(added)
        _register(fun, known)


def _transposed(fun: Any, argnum: int, maker: Any) -> Any:
    """The pullback of an argument, from its pushforward."""
    if maker is None:
        return None

    def vjp_maker(ans: Any, *args: Any, **kwargs: Any) -> Any:
        def push(v: Any) -> Any:
            return maker(v, ans, *args, **kwargs)

        return tracing.make_vjp(push, mapped(np.zeros_like, args[argnum]))[0]

    vjp_maker.__module__ = str(getattr(maker, "__module__", None) or fun.__module__)
    return vjp_maker


def defjvp_argnum(fun: Any, jvpmaker: Any) -> None:
    """Give ``fun`` one rule in forward mode for all arguments, as ``defjvp`` does for each."""
    if _makers(fun):
        return

    def one(argnum: int, ans: Any, args: Any, kwargs: Any) -> Any:
        def push(v: Any) -> Any:
            return jvpmaker(argnum, v, ans, args, kwargs)

        return tracing.make_vjp(push, mapped(np.zeros_like, args[argnum]))[0]

    one.__module__ = str(getattr(jvpmaker, "__module__", None) or fun.__module__)
    defvjp_argnum(fun, one)


def defjvp_argnums(fun: Any, jvpmaker: Any) -> None:
    """Give ``fun`` a rule in forward mode for several arguments at once."""
    defjvp_argnum(
        fun, lambda argnum, g, ans, args, kwargs: jvpmaker((argnum,), (g,), ans, args, kwargs)
    )


def def_linear(_fun: Any) -> None:
    """Say that a function is linear in each argument: nothing new, see ``defjvp``."""


class SparseObject:
    """A cotangent that HIPS/autograd adds in place; a dense one serves here."""

    def __init__(self, vs: VSpace, mut_add: Any) -> None:
        self.vs, self.mut_add = vs, mut_add

    def dense(self) -> Any:
        """The cotangent as an array."""
        return self.mut_add(self.vs.zeros())


JVPNode = VJPNode = object
