"""Operators on functions of one argument as operators on any argument."""

import functools
from collections.abc import Callable
from typing import Any


def subvals(x: Any, ivs: Any) -> tuple[Any, ...]:
    """A tuple like ``x`` with the values of the pairs (place, value) in it."""
    out = list(x)
    for place, value in ivs:
        out[place] = value
    return tuple(out)


def get_name(f: Any) -> str:
    """The name of a function."""
    return str(getattr(f, "__name__", "[unknown name]"))


def get_doc(f: Any) -> str:
    """The docstring of a function."""
    return str(getattr(f, "__doc__", ""))


def wraps(
    fun: Any, namestr: str = "{fun}", docstr: str = "{doc}", **kwargs: Any
) -> Callable[..., Any]:
    """Give a function the name and docstring of ``fun``, put into these texts."""

    def named(f: Any) -> Any:
        f.__name__ = namestr.format(fun=get_name(fun), **kwargs)
        f.__doc__ = docstr.format(fun=get_name(fun), doc=get_doc(fun), **kwargs)
        return f

    return named


def wrap_nary_f(fun: Any, op: Any, argnum: Any) -> Callable[..., Any]:
    """Name what an operator makes of a function."""
    doc = """\
    {op} of function {fun} with respect to argument number {argnum}. Takes the
    same arguments as {fun} but returns the {op}.
    """
    return wraps(fun, "{op}_of_{fun}_wrt_argnum_{argnum}", doc, op=get_name(op), argnum=argnum)


def unary_to_nary(unary_operator: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``operator(fun, x)`` one of functions of several arguments.

    ``operator(fun, argnum=0)(*args)`` works on argument ``argnum``, or on the tuple of those that a
    tuple or list of numbers names.
    """

    @functools.wraps(unary_operator)
    def nary_operator(fun: Any, argnum: Any = 0, *given: Any, **options: Any) -> Any:
        places = argnum if isinstance(argnum, (tuple, list)) else (argnum,)
        known = isinstance(argnum, (int, tuple, list)) and bool not in map(type, places)
        if not known or not callable(fun):
            raise TypeError(
                f"{get_name(unary_operator)} takes a function, and for argnum the place of an "
                f"argument or a tuple of places, not {fun!r} and {argnum!r}."
            )

        @wrap_nary_f(fun, unary_operator, argnum)
        def nary(*args: Any, **kwargs: Any) -> Any:
            if not isinstance(argnum, int):
                x = tuple(args[i] for i in argnum)
            elif len(args) == 1 and not kwargs:  # 2 µs less
                return unary_operator(fun, args[argnum], *given, **options)
            else:
                x = args[argnum]

            def unary(v: Any) -> Any:
                pairs = [(argnum, v)] if isinstance(argnum, int) else zip(argnum, v, strict=True)
                return fun(*subvals(args, pairs), **kwargs)

            unary.__name__ = get_name(fun)
            return unary_operator(unary, x, *given, **options)

        return nary

    return nary_operator
