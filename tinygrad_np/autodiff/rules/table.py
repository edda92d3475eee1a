"""The table: for each function, its derivative with respect to each operand.

A rule is a function of the cotangent ``g``, the result ``out``, the operands and the options of
the call. A parameter whose name begins with an underscore is one whose *values* the rule does not
read (its shape or dtype at most): it may change after the forward pass, and need not be kept.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import CO_VARARGS as VARARGS
from inspect import CO_VARKEYWORDS as VARKEYWORDS
from typing import Any, NamedTuple

import numpy as np

from ...errors import TapeError
from ..nests import leaves, rebuild, tupled
from ..primitives import Kept as Kept
from ..shapes import Axis, keep
from .lending import in_one_precision, reading
from .signatures import COMPOSITES as COMPOSITES
from .signatures import composite as composite
from .signatures import defaults, dispatches, name_of, parameters

Vjp = Callable[..., Any]
PACKAGE = __name__.partition(".")[0] + "."


class Traits(NamedTuple):
    """How an operation acts, as far as a replay makes use of it.

    ``body`` computes it from arrays, and right into ``out=`` where that is given: memory as the
    body itself would have made it, or (with ``overwrites``) that of its first operand. It is
    deduced for primitives with a parameter of that name, and for ufuncs. ``elementwise``: each
    element of the result comes from its own elements. ``linear``: its derivative is the same
    everywhere, as its rules show: they read no values that they differentiate by. ``along``:
    only the axis that the option ``axis`` names is reduced or inserted. ``by_row``: so many
    leading operands have rows, and each row of the result comes from theirs alone. ``adds``:
    the result is a sum over rows, which may be added up from blocks of them: "blocks" always,
    "integers" where that is exact. ``copies``: a result that lies as its first operand equals
    it. ``neutral`` is the operand beside which the result equals the other one. ``shape_only``:
    no values are read. ``checks``: it raises, or returns its first operand, which it does
    where that has only integers from 0 to below the operand number ``below``. ``spreads``: a
    number among the operands costs more than an array. ``cost(out, *operands)`` is the number
    of multiply-adds of a product. ``native`` is the operation on one element in LLVM's language, a
    line for each step of it: {a} and {b} are the operands, {0} is what the first line gives, {t}
    the type, {m} the type of truth values, {j} the element's column and {i} its type, as of an
    operand of integers. ``folds`` is the ufunc that joins the elements of each row from left to
    right, up to 64 of them. ``spelled`` is how users write the operation, where that is no call.
    ``alike``: what its rules are given is in one precision, as it was computed.
    """

    body: Callable[..., Any] | None = None
    elementwise: bool = False
    linear: bool = False
    along: bool = False
    by_row: int = 0
    adds: str = ""
    overwrites: bool = False
    copies: bool = False
    neutral: float | None = None
    shape_only: bool = False
    checks: bool = False
    below: int = 0
    spreads: bool = False
    cost: Callable[..., int] | None = None
    native: tuple[str, ...] = ()
    folds: np.ufunc | None = None
    spelled: str = ""
    alike: bool = False


class Rule:
    """One row of the table: an operation, its derivative, and its traits.

    ``forward`` is the function itself, ``eager`` what the funnel calls on arrays, ``direct`` where
    the first is NumPy's. Calls of at most ``sure`` operands need no look: rules know them all.
    """

    __slots__ = (
        "accepts", "accepts_any", "arity", "broadcasts", "certain", "constant", "count", "direct",
        "each", "eager", "fills", "fn", "forward", "heeds", "is_pure", "is_ufunc", "is_users",
        "name", "operands", "reach", "reads", "reads_operands", "reads_out", "selects", "sure",
        "traits", "vjps",
    )  # fmt: skip

    def __init__(
        self,
        fn: Callable[..., Any],
        vjps: tuple[Vjp | None, ...],
        each: Vjp | None,
        broadcasts: bool,
        reach: Vjp | None,
        selects: int,
        eager: Callable[..., Any] | None = None,
        traits: Traits = Traits(),  # noqa: B008 - a tuple
    ) -> None:
        self.fn = fn
        self.is_ufunc = isinstance(fn, np.ufunc)
        self.name = name_of(fn)
        self.forward = getattr(fn, "implementation", fn)
        module = str(getattr(fn, "__module__", None) or type(fn).__module__)
        self.is_pure = self.is_ufunc or module.split(".")[0] in ("numpy", PACKAGE[:-1])
        given = [vjp for vjp in (*vjps, each) if vjp is not None]
        self.is_users = not all(str(vjp.__module__).startswith(PACKAGE) for vjp in given)
        lent, lent_each = vjps, each
        if self.is_users:
            eager = eager and reading(eager, self.name)
            self.forward = self.forward if self.is_ufunc else reading(self.forward, self.name)
            rule = f"a rule of {self.name}"
            lent = tuple(vjp and reading(vjp, rule, defaults(fn, vjp, 2)) for vjp in vjps)
            lent_each = each and reading(each, rule, defaults(fn, each, 3))
        if traits.alike:
            lent = tuple(vjp and in_one_precision(vjp) for vjp in vjps)
        self.traits = self._deduced(traits)
        body = traits.body
        self.eager = eager or (on_arrays(body, self.forward) if body else self.forward)
        self.direct = eager or body or self.forward
        self.each = each
        self.vjps: Sequence[Vjp | None] = Each(lent_each) if lent_each else lent
        self.count = len(self.vjps)
        self.broadcasts, self.selects = broadcasts, selects
        self.constant = not vjps and each is None
        # of users' own the cotangents are looked at
        plain = not self.is_users and not (self.is_ufunc and fn.nout > 1)  # type: ignore[attr-defined]
        most = 2 if self.is_ufunc else 1
        self.arity = len(vjps) if plain and len(vjps) <= most and all(vjps) else 0
        self.certain = self.is_ufunc and not self.constant  # results are recorded without a look
        written = [Reading(vjp, 2) for vjp in vjps if vjp] + [Reading(each, 3)] * bool(each)
        self.reads = [Reading(vjp, 2) for vjp in vjps] if each is None else written
        own = () if self.is_users or each is not None else self.reads
        self.fills = {i for i, reading in enumerate(own) if "room" in reading.names}
        self.reads_out = any(reading.out for reading in written)
        self.reads_operands = any(reading.operands or reading.rest for reading in written)
        given_up = self.reads_out or self.constant or any(reading.rest for reading in written)
        values = [i for reading in written for i in reading.operands if not self.is_option(i)]
        self.traits = self.traits._replace(linear=not (given_up or values))
        self.reach = None if self.traits.linear else reach
        self.heeds = 4 if self.reach is None else 2 if reach is terms else 1
        named = [reading.names for reading in written if not reading.options]
        self.accepts = frozenset.intersection(*named) if named else frozenset()
        self.accepts_any = bool(written) and not named
        self.operands = max((reading.positional for reading in written), default=sys.maxsize)
        if any(reading.variadic for reading in written):
            self.operands = sys.maxsize
        self.sure = min(self.count, self.operands)

    def _deduced(self, traits: Traits) -> Traits:
        """The traits with those that the function itself shows."""
        if self.is_ufunc:
            acts = self.fn.signature is None and self.fn.nout == 1  # type: ignore[attr-defined]
            return traits._replace(elementwise=acts, overwrites=acts)
        code: Any = getattr(self.forward, "__code__", None)
        own = code is not None and str(self.forward.__module__).startswith(PACKAGE)
        if not own or self.is_users or traits.body is not None:
            return traits
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return traits._replace(body=self.forward if "out" in named else None)

    def is_option(self, argument: int) -> bool:
        """Whether there is no derivative by this operand of a function that is no ufunc."""
        if self.is_ufunc or self.each is not None:
            return False
        return argument >= self.count or self.vjps[argument] is None

    def read_by(self, argument: int, count: int) -> Sequence[int]:
        """Which of ``count`` operands the rule for ``argument`` reads the values of."""
        reading = self.reads[0 if self.each is not None else argument]
        if self.is_ufunc:
            return reading.operands
        known = [i for i in reading.operands if i < count]
        return [*known, *range(reading.positional, count)] if reading.rest else known


class Several:
    """The cotangents of an operation with several results, None where there is none.

    It is added up and compared in shape and dtype as the cotangent of one array is. ``kind`` is the
    type of the tuple of results, ``forms`` are their shapes and dtypes.
    """

    __slots__ = ("forms", "found", "kind")
    shape = dtype = None
    size = 0

    def __init__(self, kind: Any, forms: Sequence[Any], found: Sequence[Any]) -> None:
        self.kind = kind
        self.forms = forms
        self.found = found

    def __add__(self, other: "Several") -> "Several":
        pairs = zip(self.found, other.found, strict=True)
        added = [b if a is None else a if b is None else a + b for a, b in pairs]
        return Several(self.kind, self.forms, added)

    def tuple(self, filled: bool) -> Any:
        """The cotangents as rules get them, ``filled`` up with zeros for those of users."""
        found = self.found
        if filled:
            like = next(g for g in found if g is not None)
            found = [
                np.zeros_like(like, dtype=form[1], shape=form[0]) if g is None and form else g
                for g, form in zip(found, self.forms, strict=True)
            ]
        return tupled(self.kind, found)


def field_of(kind: Any, index: int) -> str:
    """How one gets at a result among several: ``.sign``, ``[0]``."""
    names = getattr(kind, "_fields", None)
    return f".{names[index]}" if names else f"[{index}]"


class Part(Rule):
    """On the record of one result of several: its cotangent is one of the operation's."""

    __slots__ = ("index", "kind", "whole")
    arity = 0
    traits = Traits()
    is_ufunc = False
    is_users = True  # nobody writes through it
    selects = 0
    fn: Any = None

    def __init__(self, whole: Rule, kind: Any, index: int) -> None:
        self.whole = whole
        self.kind = kind
        self.index = index

    @property
    def field(self) -> str:
        """How one gets at the result: ``.sign``, ``[0]``."""
        return field_of(self.kind, self.index)

    @property
    def name(self) -> str:  # type: ignore[override]
        """What errors call the result."""
        return self.whole.name + self.field

    def pull(self, g: Any, several: Several) -> Several:
        """What the operation gets of the cotangent ``g`` of this result."""
        found = [None] * len(several.found)
        found[self.index] = g
        return Several(several.kind, several.forms, found)


def on_arrays(body: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    """``body`` for NumPy's arrays, and ``fn``, which dispatches, for those of other libraries."""

    def call(x: Any, *args: Any, **options: Any) -> Any:
        return (body if type(x) is np.ndarray else fn)(x, *args, **options)

    return call


class Each(Sequence[Vjp]):
    """One rule for every operand, as if it were many."""

    def __init__(self, rule: Vjp) -> None:
        self.rule = rule

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, argument: Any) -> Any:
        return functools.partial(self.rule, argument)


class Reading:
    """What one rule reads, told by the names of its parameters."""

    __slots__ = ("names", "operands", "options", "out", "positional", "rest", "variadic")

    def __init__(self, vjp: Vjp | None, before: int) -> None:
        code = getattr(vjp, "__code__", None)
        self.variadic = vjp is not None and (code is None or bool(code.co_flags & VARARGS))
        self.options = vjp is not None and (code is None or bool(code.co_flags & VARKEYWORDS))
        parameters: tuple[str, ...] = ()
        if code is not None:
            parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        operands = parameters[before : code.co_argcount] if code is not None else ()
        self.positional = len(operands)
        self.names = frozenset(name.lstrip("_") for name in parameters[before:])
        before_operands = parameters[:before][-1:] if code is not None else ("_",) * (vjp is None)
        self.out = not before_operands or not before_operands[0].startswith("_")
        self.operands = tuple(i for i, n in enumerate(operands) if not n.startswith("_"))
        self.rest = self.variadic and (
            code is None or not code.co_varnames[len(parameters)].startswith("_")
        )


class Changes:
    """``last`` is another object after each change."""

    last: object = None

    def note(self) -> None:
        """Say that there was one."""
        self.last = object()  # no number, of which threads could lose one


TABLE: dict[Any, Rule] = {}
revision = Changes()  # of the rules of functions
METADATA: set[Any] = set()
FACTS: set[Any] = set()  # metadata that depend on shapes and dtypes alone
WRITERS: set[Any] = set()


def defvjp(
    fn: Callable[..., Any],
    *vjps: Vjp | None,
    each: Vjp | None = None,
    broadcasts: bool = False,
    reach: Vjp | None = None,
    selects: int = 0,
    eager: Callable[..., Any] | None = None,
    traits: Traits = Traits(),  # noqa: B008 - a tuple
) -> None:
    """Give ``fn`` a derivative.

    ``vjps[i](g, out, *operands, **options)`` returns the cotangent of operand ``i``, an array of
    that operand's shape; ``None`` marks an argument without derivative. ``each(i, g, out, ...)`` is
    the rule of functions with any number of operands. With ``broadcasts=True`` the cotangent may
    have the shape of the result, and is summed down to the operand. If a rule does not read the
    values of a parameter, the parameter's name starts with an underscore.

    ``selects=1`` says that the function may leave elements of an operand out, ``selects=2`` that
    the user chose which ones, as in ``where`` and ``clip``. ``reach`` takes the arguments of a rule
    and returns an array that broadcasts to the operand's shape. It is 0 for an element that has an
    effect only on elements of the result whose cotangent is 0. There the gradient is 0, even at an
    infinite slope. ``eager`` computes ``fn`` of arrays and returns a ``Kept``, with values that the
    rule can use; the rule must also work without them. ``traits`` say how the function acts, which
    makes replays of it faster (``Traits``).

    Write the rules with NumPy functions or primitives; then they can be differentiated, too. A rule
    gets read-only arrays; writing into one is a TapeError. If operands and results are real, the
    cotangent must be real. A real operand of a complex function gets the real part. If ``fn``
    returns a tuple (a list counts as one), ``out`` is that tuple, and ``g`` is a tuple with a
    cotangent for each result: zeros for results that were not used and for integers, None for None.

    Raises TypeError for what is no function, and TapeError for a function whose calls are not
    recorded (wrap it in ``tg.primitive``), and for rules that do not fit its operands.

    >>> @tg.primitive
    ... def cube(x):
    ...     return x**3
    ...
    >>> tg.defvjp(cube, lambda g, out, x: g * 3 * x**2)
    >>> tg.grad(cube)(2.0)
    array(12.)
    """
    _check_rules(fn, vjps, each)
    check_flag("broadcasts", broadcasts)
    revision.note()
    TABLE[fn] = Rule(fn, vjps, each, broadcasts, reach, selects, eager, traits)


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r}; give True or False.")


def _check_rules(fn: Any, vjps: tuple[Vjp | None, ...], each: Vjp | None) -> None:
    """Refuse rules that would never be called, or not as they are written."""
    name = getattr(fn, "__name__", repr(fn))
    if wrong := [part for part in (*vjps, each) if part is not None and not callable(part)]:
        raise TypeError(
            f"defvjp({name}) was given {wrong[0]!r} for a rule; a rule is a function of "
            "(g, out, *operands), or None."
        )
    if not callable(fn):
        raise TypeError(f"defvjp takes a function and its rules, not {fn!r} for the function.")
    if not vjps and each is None:
        raise TapeError(f"defvjp({name}) was given no rule; give one function per operand.")
    if vjps and each is not None:
        raise TapeError(
            f"defvjp({name}) was given rules by position and each=; give one or the other."
        )
    is_ufunc = isinstance(fn, np.ufunc)
    if not dispatches(fn):
        raise TapeError(
            f"defvjp({name}) of a function that does not dispatch: its rule would never be used. "
            f"Make it a primitive first: {name} = tg.primitive({name}), or @tg.primitive above it."
        )
    needed, operands = (fn.nin, fn.nin) if is_ufunc else _positional(fn)
    if each is None and (len(vjps) > operands or (is_ufunc and len(vjps) < operands)):
        raise TapeError(
            f"defvjp({name}) was given {len(vjps)} rules, and {name} takes {operands} operands; "
            "give one rule per operand (None where there is no derivative)."
        )
    for vjp in (*vjps, each):
        code = getattr(vjp, "__code__", None)
        least = 3 if vjp is each else 2
        if code is None or code.co_flags & VARARGS:
            continue
        named = code.co_kwonlyargcount if code.co_argcount >= least else 0
        if code.co_argcount + named < least + needed:
            first = "(i, g, out, *operands)" if vjp is each else "(g, out, *operands)"
            raise TapeError(
                f"defvjp({name}): a rule takes {first}, not {code.co_argcount} positional "
                f"parameters, and {name} has {needed} operands at least."
            )


def _positional(fn: Any) -> tuple[int, int]:
    """How many positional arguments a function takes at least and at most, as far as is told."""
    found = parameters(fn).values()
    named = [p for p in found if p.kind <= p.POSITIONAL_OR_KEYWORD]
    endless = not found or any(p.kind is p.VAR_POSITIONAL for p in found)
    return sum(p.default is p.empty for p in named), sys.maxsize if endless else len(named)


def constant(*fns: Callable[..., Any], traits: Traits = Traits()) -> None:  # noqa: B008 - a tuple
    """Say that the results of ``fns`` do not depend smoothly on anything: they are constants."""
    for fn in fns:
        TABLE[fn] = Rule(fn, (), None, False, None, 0, traits=traits)


def unruled(
    fn: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> tuple[Rule, list[Any]]:
    """A function outside the table as a constant row, of the leaves of what it is given."""
    nest = [list(args), dict(options)]
    rule = Rule(fn, (), None, False, None, 0)

    def call(*values: Any) -> Any:
        given, named = rebuild(nest, list(values))
        return fn(*given, **named)

    call.nest = nest  # type: ignore[attr-defined] # for those who write the call down
    rule.forward = rule.eager = call
    return rule, leaves(nest)


def itself(g: Any, *_operands: Any, **_options: Any) -> Any:
    """The reach of functions that act on each element by itself: what arrived at any result."""
    if not isinstance(g, tuple):
        return g
    return functools.reduce(
        np.logical_or, [np.not_equal(part, 0) for part in g if part is not None]
    )


def whole(g: Any, *_operands: Any, **_options: Any) -> Any:
    """The reach of functions all of whose result may depend on each element of an operand."""
    return np.any(np.not_equal(g, 0))


# The reach of sums of products, where each term counts by itself: the sweep looks at the terms.
terms: Any = object()


def along(axis: Axis) -> Any:
    """The reach of a function that works along its option ``axis``, which is by default this one.

    An element is reached if any element of the result on its line is. The result may have that line
    as it was, with length 1, or not at all.
    """

    def reach(g: Any, _out: Any, x: Any, axis: Axis = axis, *_rest: Any, **_options: Any) -> Any:
        arrived = np.not_equal(g, 0)
        if axis is None:
            return np.any(arrived)
        if np.shape(g) == np.shape(x):
            return np.any(arrived, axis=axis, keepdims=True)
        return keep(arrived, np.shape(x), axis)

    return reach


def onwards(axis: int | None) -> Any:
    """As ``along``, of a function where an element moves nothing but what stands behind it."""

    def reach(g: Any, _out: Any, x: Any, axis: Any = axis, *_rest: Any, **_options: Any) -> Any:
        arrived, axis = np.not_equal(g, 0), 0 if axis is None else axis
        behind = np.logical_or.accumulate(np.flip(arrived, axis), axis=axis)
        return np.reshape(np.flip(behind, axis), np.shape(x))

    return reach


def elementwise(
    fn: Callable[..., Any],
    *vjps: Vjp | None,
    selects: int = 0,
    traits: Traits = Traits(),  # noqa: B008 - a tuple
) -> None:
    """``defvjp`` for functions that broadcast their operands against each other."""
    traits = traits._replace(elementwise=True)
    defvjp(fn, *vjps, broadcasts=True, reach=itself, selects=selects, traits=traits)
