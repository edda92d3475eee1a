"""What functions tell of their parameters, and composites: functions made of rows of the table."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...habits import way

COMPOSITES: dict[Any, Callable[..., Any]] = {}


def name_of(fn: Any) -> str:
    """What errors and drawings call a function; of a ufunc's method both names."""
    name = getattr(fn, "__name__", repr(fn))
    if isinstance(fn, np.ufunc):
        return name.lstrip("_")  # behind the functions of SciPy that are written in Python
    ufunc = getattr(fn, "__self__", None)
    if not isinstance(ufunc, np.ufunc):
        return name
    return ufunc.__name__ if name == "__call__" else f"{ufunc.__name__}.{name}"


def parameters(fn: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function, none if it does not tell."""
    try:
        return inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return {}


def remedy(options: list[str]) -> str:
    """What to do instead of giving these options."""
    if "where" in options:
        return "choose with np.where(mask, result, other) instead."
    if "axes" in options:
        return "bring the axes into place with np.moveaxis, before and after."
    if "keepdims" in options:
        return "put the axis back with np.expand_dims, or .detach() the operand."
    return "leave the option out, or .detach() the operand."


def defaults(fn: Any, vjp: Any, before: int) -> dict[int, tuple[str, Any]]:
    """The defaults of ``fn`` that a rule of it has not, by the place among the rule's arguments."""
    theirs = [p for p in parameters(fn).values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
    own = [p for p in parameters(vjp).values() if p.kind is p.POSITIONAL_OR_KEYWORD][before:]
    return {
        place: (mine.name, their.default)
        for place, (mine, their) in enumerate(zip(own, theirs, strict=False), before)
        if mine.default is mine.empty and their.default is not their.empty
    }


def dispatches(fn: Any) -> bool:
    """Whether calls of a function with Tensors come to the table."""
    is_method = isinstance(getattr(fn, "__self__", None), np.ufunc)
    made = hasattr(fn, "implementation") or hasattr(fn, "_implementation")
    return isinstance(fn, np.ufunc) or is_method or made


def composite(*fns: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say that ``fns``, called on Tensors, are made of other functions of the table.

    The body takes NumPy's arguments in NumPy's order; those that it lacks are refused by name.
    """

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        for fn in fns:
            COMPOSITES[fn] = heeding(fn, body)
        return body

    return register


def no_option(function: str, names: list[str], theirs: Iterable[str]) -> TypeError:
    """The error for options that a function of NumPy does not have."""
    shown = ", ".join(f"{name}=" for name in names)
    known = way("numpy", " ".join(map(repr, names))) or "."
    return TypeError(f"{function} takes no option {shown} but {', '.join(theirs)}{known}")


def heeding(fn: Any, body: Callable[..., Any]) -> Callable[..., Any]:
    """``body``, which is given only the options that it has.

    Others may have NumPy's default; else NotImplementedError says what to do.
    """
    own = inspect.signature(body).parameters
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return body

    @functools.cache  # at the first call: of all functions it would take as long as an import
    def compared() -> tuple[Mapping[str, inspect.Parameter], list[str], int, bool]:
        theirs = parameters(fn)
        order = [name for name, p in theirs.items() if p.kind is not p.KEYWORD_ONLY]
        names = [name for name, p in own.items() if p.kind is not p.KEYWORD_ONLY]
        same = [a == b for a, b in zip(names, order, strict=False)]
        aligned = same.index(False) if same[:1] == [True] and False in same else len(names)
        open_ended = not theirs or any(p.kind is p.VAR_KEYWORD for p in theirs.values())
        return theirs, order, aligned, open_ended

    @functools.wraps(body)
    def call(*args: Any, **options: Any) -> Any:
        if len(args) == 1 and not options:
            return body(*args)
        theirs, order, aligned, open_ended = compared()
        if len(args) > aligned and len(order) >= len(args):
            options = dict(zip(order[aligned:], args[aligned:], strict=False)) | options
            args = args[:aligned]
        if options and not own.keys() >= options.keys():
            for name in options.keys() - own.keys():
                known = name in theirs
                if options[name] is (theirs[name].default if known else None):
                    del options[name]
                elif known or open_ended:
                    raise NotImplementedError(
                        f"np.{name_of(fn)} with {name}= cannot be recorded; {remedy([name])}"
                    )
                else:
                    raise no_option(name_of(fn), [name], theirs)
        return body(*args, **options)

    return call
