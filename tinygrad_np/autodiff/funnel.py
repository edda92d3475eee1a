"""The one funnel: how a call of a function on Tensors becomes a value and a record on the tape."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TapeError
from ..foreign import refuse_listed
from .guards import EXCLUSIVE, Seen, Storage
from .nests import CLOSED, are_whole, frozen, leaves, rebuild, tupled
from .primitives import akin, hidden_in, identity, is_foreign, lent, refuse_namespace
from .rules import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, calls, of_scipy, ways
from .rules.calls import NUMERIC, check_call
from .rules.lending import read_only, refuse_write
from .rules.signatures import name_of
from .rules.table import Kept, Rule, unruled
from .tape import NO_OPTIONS, Node, Record, mode, next_number

if TYPE_CHECKING:
    from .tensor import Tensor

ndarray = np.ndarray
SCALARS = frozenset([np.float64, np.float32, np.complex128])
NUMBERS = (bool, int, float, complex)
PLAIN = frozenset(NUMBERS)
DTYPE_OPTIONS = frozenset(["dtype", "casting", "order", "subok", "signature"])
QUIET = CLOSED  # what needs no look beside a Tensor, which is in it, too: see ``bind``
_new = object.__new__


def bind(kind: "type[Tensor]") -> None:
    """Say what the class of Tensors is: its operators need ``apply``, so that it comes later."""
    globals().update(Tensor=kind, QUIET=CLOSED | {kind})


def holds_tensor(nested: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in leaves(nested))


def apply(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] = NO_OPTIONS) -> "Tensor":
    """Apply ``fn`` and record it: the one funnel every operation goes through."""
    rule = TABLE.get(fn)
    if kwargs and kwargs.get("out") is not None:
        return write_into(fn, args, kwargs)  # type: ignore[no-any-return]
    if rule is None:
        return _apply_unruled(fn, args, kwargs)  # type: ignore[no-any-return]
    if kwargs:
        args, kwargs = _settle(rule, args, kwargs)
    if not (ordinary := mode.ordinary) and mode.watch is not None:
        args = mode.watch.operands(args)
    values: Sequence[Any]
    nodes: Sequence[Node | None]
    if len(args) == 1 and type(x := args[0]) is Tensor:  # spelled out: 1 µs less
        values, nodes = (a := x._array,), (p := x._node,)
        guarded = (s := x._storage) is not None and (p is None or s.exposed)
        plain = type(a) is ndarray
    elif len(args) == 2 and type(x := args[0]) is Tensor and type(y := args[1]) is Tensor:
        values, nodes = (a := x._array, b := y._array), (p := x._node, q := y._node)
        plain = type(a) is type(b) is ndarray
        guarded = (s := x._storage) is not None and (p is None or s.exposed)
        if not guarded and (s := y._storage) is not None:
            guarded = q is None or s.exposed
    else:
        if not rule.is_ufunc and len(args) > rule.operands and not rule.is_users:
            return apply(fn, *calls.by_keyword(rule, args, kwargs))
        values, nodes, guarded, plain = _opened(rule, args)
    try:
        if ordinary:
            run = rule.direct if plain else rule.eager
            out = run(*values, **kwargs) if kwargs else run(*values)
        else:
            out = _looked_at(rule, args, values, kwargs)
    except Exception as error:
        raise calls.explained(error, rule, args, ways.numpys_own() or rule.name) from error
    saved = None
    if type(out) is not ndarray:
        if type(out) is Kept:
            saved, out = out, out.out
        if type(out) in SCALARS:
            out = np.asarray(out)
        elif isinstance(out := calls.as_arrays(out), (tuple, Tensor)) or not hasattr(out, "dtype"):
            return _several(rule, args, values, nodes, kwargs, out, saved, guarded)  # type: ignore[no-any-return]
    if not plain and type(out) is ndarray and type(values[0]) not in PLAIN:
        ways.check_kinds(rule.name, values, out)
    record, sure = None, rule.certain or (len(nodes) <= rule.sure and out.dtype.kind in "fc")
    if any(nodes) and (ordinary or mode.recording) and (sure or check_call(rule, nodes, out)):
        record = _new(Record)  # spelled out as well: 0.1 µs
        watch = guarded and rule.reads_operands
        record.guards = _guards(rule, args, values, nodes) if watch else None
        record.number, record.rule = next_number(), rule
        record.values, record.kwargs, record.parents = values, kwargs, nodes
        record.out = (saved or out) if rule.reads_out else None
        record.whole = record.origin = record.storage = record.hooks = None
    if not rule.is_ufunc and (getattr(out, "base", None) is not None or out is values[0]):
        return _placed(out, record, args, (rule, values, kwargs))
    tensor = _new(Tensor)
    tensor._array, tensor._node = out, record
    tensor._storage = Storage(out) if record is None else None
    return tensor


def _looked_at(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """What an operation gives under ``no_grad``, in a capture, or while somebody watches."""
    if mode.watch is not None and any(hasattr(v, "computes_itself") for v in values):
        return rule.fn(*values, **kwargs)
    if mode.capture is not None:
        return mode.capture.apply(rule, args, values, kwargs)
    return rule.eager(*values, **kwargs)


def _source(out: Any, base: Any, args: tuple[Any, ...]) -> "Tensor | None":
    """The Tensor among the operands in whose memory a result lies, which rests on ``base``."""
    for operand in args:
        if type(operand) is Tensor:
            array = operand._array
            if out is array or base is array or base is getattr(array, "base", None) is not None:
                return operand
    while type(deeper := getattr(base, "base", None)) is ndarray:  # as of np.broadcast_to
        base = deeper
        if (source := _source(None, base, args)) is not None:
            return source
    return None


def _opened(rule: Rule, args: tuple[Any, ...]) -> tuple[list[Any], list[Any], bool, bool]:
    """The operands' arrays and nodes, whether any is to be watched, and whether all are NumPy's."""
    values: list[Any] = list(args)
    nodes: list[Node | None] = [None] * len(args)
    listed = None
    guarded, plain = False, bool(args)
    for i, operand in enumerate(args):
        if (kind := type(operand)) is Tensor:
            values[i], nodes[i] = (array := operand._array), (node := operand._node)
            plain = plain and type(array) is ndarray
            if (memory := operand._storage) is not None and (node is None or memory.exposed):
                guarded = True
        elif kind is ndarray and operand.dtype.kind in NUMERIC:
            guarded = True
        elif kind not in PLAIN and (operand is not None or rule.is_ufunc):
            if rule.is_users:
                _refuse_nest(rule, operand)
            if kind is list and rule.is_option(i) and are_whole(operand):
                operand, kind = frozen(operand), tuple  # axes, counts, shapes
            elif kind is list or (kind is tuple and rule.is_ufunc):
                refuse_listed("the operand beside a Tensor", operand)
                operand = listed = np.asarray(operand)  # one of Tensors that require grad refuses
            if kind is not tuple:
                operand = admitted(operand, rule.is_ufunc)
                guarded = guarded or isinstance(operand, ndarray)
                plain = plain and not is_foreign(operand)
            values[i] = operand
    if listed is not None:
        like = next(filter(is_foreign, values), None)
        values = [akin(v, like) if v is listed else v for v in values]
    if listed is not None and rule.certain:
        dtypes = [operand.dtype for operand in args if isinstance(operand, Tensor)]
        calls.say_if_wider(rule, listed.dtype, dtypes)
    return values, nodes, guarded, plain and type(values[0]) is ndarray


def admitted(operand: Any, is_number: bool = False) -> Any:
    """An operand from outside as plain data; refuses what computes in its own way.

    With ``is_number`` Python's own objects (Fraction, Decimal) are refused, too.
    """
    if isinstance(operand, np.memmap):
        operand = operand.view(ndarray)
    calls.refuse_own_way("the operand beside a Tensor", operand)
    dtype = getattr(operand, "dtype", None)
    if is_number and dtype is None and not isinstance(operand, (*NUMBERS, tuple)):
        dtype = np.asarray(operand).dtype
    if isinstance(operand, (ndarray, np.generic)) or is_number:
        calls.check_dtype(dtype, f"the operand {calls.brief(operand)}")
    return operand


def _refuse_nest(rule: Rule, nest: Any) -> None:
    if type(nest) is not Tensor and (holds_tensor(nest) or hidden_in(nest) is not None):
        raise TypeError(
            f"{rule.name} was given Tensors inside a {type(nest).__name__}, where its rules do not "
            f"see them; make each one an operand of its own: {rule.name}(*tensors)."
        )


def _several(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], parents: Sequence[Node | None],
    kwargs: dict[str, Any], out: Any, saved: Any, guarded: bool,
) -> Any:  # fmt: skip
    """Tensors around the results of a function that gave several, in a tuple of the same kind.

    Each that is not of integers has a record of its own, which refers to that of the operation.
    """
    if any(type(part) is Tensor for part in (out if isinstance(out, tuple) else [out])):
        raise TypeError(
            f"{rule.name} returned a Tensor: it computed with Tensors that are not its operands, "
            "which its rules do not see; make each one an operand, or use its array, t.numpy()."
        )
    if not isinstance(out, tuple):
        raise TypeError(f"{rule.name} returned a {type(out).__name__} instead of an array.")
    ways.check_kinds(rule.name, values, out)
    nodes: Sequence[Record | None] = [None] * len(out)
    if any(parents) and mode.recording and not rule.constant:
        for part in out:
            _ = part is None or check_call(rule, parents, part)
        watched = guarded and rule.reads_operands and _guards(rule, args, values, parents)
        record = Record(rule, values, kwargs, parents, watched or None)
        record.out = (saved or out) if rule.reads_out else None
        nodes = record.parts(out)
    made: list[Tensor | None] = []
    for part, node in zip(out, nodes, strict=True):
        given = () if rule.is_ufunc else (*args, *made)
        made.append(None if part is None else _placed(part, node, given))
    return tupled(type(out), made)


def _placed(array: Any, node: Record | None, given: tuple[Any, ...], taken: Any = None) -> "Tensor":
    """A result, which may lie in the memory of what was ``given``, ``taken`` from it by a call."""
    source = _source(array, getattr(array, "base", None), given)
    if source is None:
        return Tensor._of(array, node, Storage(array) if node is None else None)
    storage = source._storage
    tensor = Tensor._of(array, node, storage)
    if node is not None:
        node.storage = storage
    if node is None or storage is None:
        tensor._shared = source._share()
    if node is None and taken is not None:
        tensor._taken = (*getattr(source, "_taken", ()), taken)
        if taken[0].fn in (identity, lent):
            tensor._storage = None  # none writes through those
    return tensor


def _guards(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], parents: Sequence[Node | None]
) -> list[Any] | None:
    """What watches over each operand; contents are compared where the user can write to them."""
    count = len(values)
    read: list[int] = []
    for k, parent in enumerate(parents):
        if parent is not None:
            read += rule.read_by(k, count)
    guards: list[Any] = [None] * count
    for i, operand in enumerate(args):
        if type(operand) is not Tensor:
            if i in read and isinstance(operand, ndarray):
                guards[i] = Seen(values[i])
        elif (storage := operand._storage) is not None:
            guards[i] = storage
            if storage.exposed and i in read:
                with EXCLUSIVE:
                    storage.notice()
    return guards if guards.count(None) < count else None


def _settle(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check the options of a call; operands given by keyword become positional."""
    if "out" in kwargs:  # and None
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
    tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    if any(kwargs[name]._node is not None for name in tensors) or not args:
        args, kwargs = _by_position(rule, args, kwargs)
        tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    for value in kwargs.values() if rule.is_users else ():
        _refuse_nest(rule, value)
    for name in tensors:
        kwargs[name]._refuse_detaching(f"{rule.name}({name}=t)")
    if rule.is_ufunc and not rule.constant:
        args = calls.in_loop(rule.fn, args, kwargs)
    allowed = DTYPE_OPTIONS if rule.is_ufunc else rule.accepts
    known = rule.constant or rule.accepts_any or allowed.issuperset(kwargs)
    if not known and requires_grad(args):
        kwargs = calls.without_defaults(rule, kwargs, allowed)
    # arrays among the options (masks, mostly) are copied: nothing guards them
    if tensors or any(hasattr(value, "dtype") for value in kwargs.values()):
        ways.check_kinds(rule.name, (*args[:1], *kwargs.values()), args[:1])
        kwargs = {name: _kept(value) for name, value in kwargs.items()}
    return args, kwargs


def _kept(value: Any) -> Any:
    """An option's value, arrays and Tensors as copies."""
    if isinstance(value, Tensor):
        return value.copy()._array
    refuse_namespace("an option of a function of Tensors", value)
    return np.array(admitted(value)) if isinstance(value, ndarray) else value


def _by_position(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with all arguments up to the last Tensor given by position."""
    try:
        bound = inspect.signature(rule.forward).bind(*args, **kwargs)
    except ValueError:  # NumPy does not tell the names of this function's parameters
        raise TypeError(f"{rule.name} takes Tensors by position, not by keyword.") from None
    names = list(bound.arguments)
    tensors = [(i, v) for i, v in enumerate(bound.arguments.values()) if isinstance(v, Tensor)]
    operands = [i for i, v in tensors if v._node is not None or not rule.is_option(i)]
    last = max(operands, default=0)
    if len(bound.args) <= last:
        return args, kwargs
    return bound.args[: last + 1], {n: bound.arguments[n] for n in names[last + 1 :]}


def requires_grad(tree: Any) -> bool:
    """Whether a call's arguments hold a Tensor that requires grad."""
    return any(isinstance(leaf, Tensor) and leaf._node is not None for leaf in leaves(tree))


def unwrap(tree: Any, lends: bool = False) -> Any:
    """A call's arguments with arrays for Tensors, which are read-only if somebody is lent them."""

    def opened(leaf: Any) -> Any:
        array = leaf._array if isinstance(leaf, Tensor) else leaf
        return read_only(array) if lends and array is not leaf and type(array) is ndarray else array

    return rebuild(tree, list(map(opened, leaves(tree))))


def _apply_unruled(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Functions outside the table: composites, facts, writers, and whatever needs no gradient."""
    if fn in FACTS:  # rules and composites ask for shapes all the time
        if len(args) == 1 and type(args[0]) is Tensor and not kwargs:
            return fn(args[0]._array)  # 5 µs less
        return fn(*unwrap(args), **unwrap(kwargs))
    given = (*args, *kwargs.values())
    for operand in (others := [] if QUIET.issuperset(map(type, given)) else leaves(given)):
        refuse_namespace("the operand beside a Tensor", operand)
    if fn in COMPOSITES:
        if mode.capture is not None:
            args, kwargs = mode.capture.lift((args, kwargs), declared=True)
        since, out = next_number(), COMPOSITES[fn](*args, **kwargs)
        calls.made_by(fn, out, since)
        ways.check_kinds(name_of(fn), others, out)
        return out
    is_ruled, reason = (False, "") if fn in TABLE else of_scipy(fn)
    if is_ruled:
        return apply(fn, args, kwargs)
    name = name_of(fn)
    if fn in METADATA:
        if mode.capture is not None:
            mode.capture.leave(f"np.{name}")
        return fn(*unwrap(args), **unwrap(kwargs))
    if fn in WRITERS and isinstance(given[0], Tensor):
        raise ways.unwritable(name)
    if hasattr(fn, "implementation") and not holds_tensor((args, kwargs)):
        return fn.implementation(*args, **kwargs)  # hidden in an operand: recorded as it computes
    if requires_grad((args, kwargs)):
        if fn in WRITERS:
            raise ways.written(name)
        raise ways.underived(name, fn, reason)
    if mode.capture is not None:
        rule, parts = unruled(fn, args, kwargs)
        out = mode.capture.apply(rule, parts, unwrap(parts), NO_OPTIONS)
    else:
        try:
            out = calls.as_arrays(fn(*unwrap(args, True), **unwrap(kwargs, True)))
        except ValueError as error:
            refuse_write(error, name)
            raise
    found = leaves((args, kwargs))
    if isinstance(out, tuple):
        return tupled(type(out), [_of_unruled(part, found) for part in out])
    return _of_unruled(out, found)


def _of_unruled(out: Any, given: list[Any]) -> Any:
    """A result of a function without a rule, in memory of its own or of what was given."""
    if not isinstance(out, ndarray) and not hasattr(out, "computes_itself"):
        return out
    if mode.capture is not None:
        return Tensor._owning(out)
    made = _placed(out, None, tuple(given))
    return made if getattr(made, "_shared", None) is not None else Tensor(out)


def write_into(fn: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """``out=``: into an array only constants may go, into a Tensor nothing."""
    if holds_tensor(options["out"]):
        raise TapeError(f"np.{name_of(fn)}(out=tensor) cannot be recorded; assign the result.")
    for operand in leaves((inputs, options)):
        if isinstance(operand, Tensor):
            what = f"{name_of(fn)} with out=array (or array += t: assign the result instead)"
            operand._refuse_detaching(what)
    if mode.capture is not None:
        mode.capture.leave("a write into an array (array += t, out=array)")
    return fn(*unwrap(inputs), **unwrap(options))
