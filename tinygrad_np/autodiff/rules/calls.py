"""Checks of the arguments of the table's functions, and the messages of their errors."""

import operator
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import PrecisionWarning, ShapeError, TapeError
from ...foreign import check_known, refuse_listed, theirs
from ...habits import way
from ..nests import leaves, refuse_subclass, tupled
from ..primitives import is_foreign, kind_of, number, refuse_namespace, replace_at
from .signatures import no_option, parameters, remedy
from .table import Rule

PACKAGE = __name__.partition(".")[0] + "."
NUMERIC = "biufc"  # kinds of dtypes
METHODS: dict[tuple[str, np.ufunc], Any] = {
    ("reduce", np.add): np.sum, ("reduce", np.multiply): np.prod,
    ("reduce", np.maximum): np.max, ("reduce", np.minimum): np.min,
    ("reduce", np.logical_and): np.all, ("reduce", np.logical_or): np.any,
    ("accumulate", np.add): np.cumsum, ("accumulate", np.multiply): np.cumprod,
}  # fmt: skip
UNTYPED = (np.max, np.min, np.all, np.any)
WRITTEN = (
    "write t[index] = v (t[...] = v for all of it, t[i, i] = v for a diagonal), or t.put(i, v)."
)


def check_call(rule: Rule, nodes: Sequence[Any], out: Any) -> bool:
    """Whether a result is to be recorded; refuses a call that the rule would not understand."""
    if rule.constant:
        return False
    if len(nodes) > rule.operands:
        refuse_count(rule, len(nodes))
    if len(nodes) > rule.count and any(nodes[rule.count :]):
        give = "give tg.defvjp one rule for each operand, or " if rule.is_users else ""
        raise TapeError(
            f"{rule.name} has derivatives with respect to its first operands ({rule.count}), and a "
            f"later one requires grad; {give}pass that one as .detach(), or as a number (t.item())."
        )
    if (kind := out.dtype.kind) in "fc":
        return True
    if kind not in NUMERIC:
        check_dtype(out.dtype, f"a result of {rule.name}")
    if rule.fn is replace_at and nodes[1] is not None:
        raise TypeError(
            f"a value that requires grad, written into a Tensor of dtype {out.dtype}, a constant, "
            "would lose its gradient; make the target with dtype=np.float32 (or float64), or write "
            "v.detach()."
        )
    return False


def in_loop(fn: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The operands in the dtypes that ``dtype=`` has them computed in: rules read these."""
    signature = options.get("signature")
    if options.get("dtype") is not None:
        signature = (*[None] * fn.nin, *[np.dtype(options["dtype"])] * fn.nout)
    if signature is None or len(args) != fn.nin:
        return args
    given = [getattr(a, "dtype", type(a)) for a in args]
    try:
        wanted = fn.resolve_dtypes((*given, *[None] * fn.nout), signature=signature)
    except TypeError:  # which the call says, too
        return args
    pairs = zip(args, wanted, strict=False)
    return tuple(a.astype(d) if getattr(a, "dtype", d) != d else a for a, d in pairs)


def check_method(ufunc: Any, method: str, inputs: Any, options: dict[str, Any]) -> None:
    """Refuse what NumPy's functions take, and the methods of its ufuncs do not."""
    name = f"np.{ufunc.__name__}.{method}"
    if method == "at" and not (ufunc in (np.add, np.subtract) and hasattr(inputs[0], "_storage")):
        raise TapeError(
            f"{name} writes in place and cannot be recorded; use t[index] = value on a Tensor "
            f"(t[index] = np.{ufunc.__name__}(t[index], v)), where each index counts once, or "
            "np.add.at(t, index, v)."
        )
    if method == "accumulate" and np.ndim(inputs[0]) == 0:
        raise TypeError(f"{name} of shape (): there is no axis to run along.")
    if method == "accumulate" and options.get("axis", 0) is None:
        raise ValueError(f"{name} with axis=None: give the one axis to run along.")
    if options.get("dtype") is not None and METHODS.get((method, ufunc)) in UNTYPED:
        raise NotImplementedError(f"{name} with dtype= cannot be recorded; give t.astype(dtype).")


def refuse_count(rule: Rule, count: int) -> None:
    each = "; give options by keyword"
    if rule.is_users and rule.each is None:
        each += ", or one rule for any number of operands as each="
    raise TypeError(
        f"{rule.name} was given {count} positional arguments, and its rules take {rule.operands} "
        f"after g and out{each}."
    )


def by_keyword(
    rule: Rule, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call with what NumPy names beyond the rules' operands, as ``out``, given by keyword."""
    known = parameters(rule.forward).values()
    names = [p.name for p in known if p.kind <= p.POSITIONAL_OR_KEYWORD]
    if len(args) > len(names):
        takes = f"at most {len(names)}" if names else f"at most {rule.operands} operands"
        raise TypeError(
            f"{rule.name} was given {len(args)} positional arguments; it takes {takes}."
        )
    named = dict(zip(names[rule.operands :], args[rule.operands :], strict=False))
    if twice := sorted(named.keys() & kwargs.keys()):
        raise TypeError(f"{rule.name} was given {', '.join(twice)} by position and by keyword.")
    return args[: rule.operands], {**kwargs, **named}


def without_defaults(rule: Rule, options: dict[str, Any], known: Any) -> dict[str, Any]:
    """The options but those that say what holds without them; others that are unknown are refused.

    Of ufuncs NumPy tells no defaults.
    """
    if rule.is_ufunc:
        own: Mapping[str, Any] = {"where": True}
    else:
        own = {name: p.default for name, p in parameters(rule.forward).items()}
    kept = {k: v for k, v in options.items() if k in known or k not in own or v is not own[k]}
    if unknown := sorted(kept.keys() - known):
        refuse_options(rule, unknown)
    return kept


def refuse_options(rule: Rule, names: list[str]) -> None:
    """Say that a rule does not know these options, which the function may not have at all."""
    shown = ", ".join(f"{name}=" for name in names)
    theirs = parameters(rule.forward)
    if theirs and not any(p.kind is p.VAR_KEYWORD or p.name in names for p in theirs.values()):
        raise no_option(rule.name, names, theirs)
    raise NotImplementedError(f"{rule.name} with {shown} cannot be recorded; {remedy(names)}")


def refuse_own_way(what: str, given: Any) -> None:
    """Refuse what computes in its own way: masked arrays, matrices, series."""
    kind = type(given)
    if kind is np.ndarray or isinstance(given, (np.generic, np.memmap)):
        return
    refuse_namespace(what, given)
    if is_foreign(given):
        check_known(given)
    if str(kind.__module__).startswith("numpy.polynomial."):
        raise TypeError(
            f"{what} is a {kind.__name__}, which computes with arrays; use the functions of "
            "tinygrad_np.polynomial of its coefficients, p.coef."
        )
    if hasattr(kind, "__array_wrap__") and not hasattr(kind, "__array_ufunc__"):
        raise TypeError(
            f"{what} is {kind_of(given)}, which is no array of NumPy's; give np.asarray(a)."
        )
    speaks = hasattr(kind, "__array_ufunc__") and not hasattr(kind, "__array_function__")
    if isinstance(given, np.ndarray) or (speaks and hasattr(kind, "__array__")):
        refuse_subclass(what, given, also=(kind,))


def checked(cotangent: Any, g: Any, values: Sequence[Any], name: str, argument: int) -> Any:
    """What a rule of the user's own returned: a Python number counts for each element.

    A real operand of a complex function has the real part of its cotangent (``_fit`` takes it).
    """
    value = values[argument]
    refuse_own_way(f"the cotangent that the rule of {name} returned", cotangent)
    if type(cotangent) in (bool, int, float, complex):  # np.sum(g) is none: a sum too many
        cotangent = np.full(value.shape, cotangent)
    elif isinstance(cotangent, list):
        cotangent = np.asarray(cotangent)
    dtype = getattr(cotangent, "dtype", None)
    if dtype is None or dtype.kind not in "biufc":
        given = repr(cotangent) if dtype is None else dtype
    elif dtype.kind == "c" and not any(map(np.iscomplexobj, leaves([g, *values]))):
        given = f"{dtype} where all is real: an imaginary part would be lost,"
    else:
        return cotangent
    raise TapeError(
        f"the rule of {name} for operand {argument} returned {given} instead of an "
        f"array of shape {value.shape} and dtype {value.dtype}: a bug in the rule."
    )


def check_function(f: Any, argnums: Any = 0) -> None:
    """Refuse what is no function, and places that are no numbers."""
    if not callable(f):
        raise TypeError(f"a function to differentiate was expected, not {f!r}.")
    places = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not all(isinstance(n, (int, np.integer)) and type(n) is not bool for n in places):
        raise TypeError(f"argnums={argnums!r}; give the place of an argument, or a tuple of them.")


def positions(argnums: int | tuple[int, ...] | None, args: Sequence[Any]) -> Sequence[int]:
    """The arguments to differentiate by: all of them for None."""
    if argnums is None:
        return range(len(args))
    if type(argnums) is int and 0 <= argnums < len(args):
        return (argnums,)
    wanted = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    if any(not -len(args) <= n < len(args) for n in wanted):
        raise TypeError(f"argnums={argnums} of a call with {len(args)} arguments; count from 0.")
    places = tuple(n % len(args) for n in wanted)
    if len({*places}) < len(places):
        raise TypeError(f"argnums={argnums} names an argument twice; name each once.")
    return places


def refuse_imaginary(what: str, given: Any, real: Any) -> None:
    """Refuse complex numbers for what is real: they would lose their imaginary part."""
    if np.iscomplexobj(given) and not np.iscomplexobj(real):
        raise TypeError(
            f"{what} is complex and stands for a real array, so its imaginary part would be lost; "
            "give its real part (np.real(v))."
        )


def check_dtype(dtype: Any, what: str) -> None:
    """Refuse objects, words, dates and records, through which no gradient goes."""
    if getattr(dtype, "kind", "f") not in NUMERIC:
        raise TypeError(
            f"{what}, of dtype {dtype}, is not numeric, and Tensors need numbers; convert the data "
            "first (a.astype(float)), and use np.nan for None."
        )


SIBLINGS = {
    "numpy.polynomial": "tinygrad_np.polynomial has functions that take Tensors",
    "scipy": "tinygrad_np.special and tinygrad_np.compat.autograd have functions that take Tensors",
}


def asking(what: str) -> str:
    """``what`` is done, and by which function of a library that has siblings here."""
    frame, name, others = sys._getframe(2), "", ""
    while frame.f_back:
        module = str(frame.f_globals.get("__name__"))
        found = [said for room, said in SIBLINGS.items() if module.startswith(room + ".")]
        if found:
            public, called = _public(frame, module)
            if called:
                room = next((r for r in ("linalg", "fft") if hasattr(getattr(np, r), called)), "")
                others = f"np.{room}.{called} takes Tensors" if room else found[0]
                name = f"{public}.{called}"
        elif not module.startswith("numpy."):
            break
        frame = frame.f_back
    return f"{name} of a Tensor ({others}) calls {what}, which" if name else what


def _public(frame: Any, module: str) -> tuple[str, str]:
    """The room and the name of what a frame of a library runs; no name if it is private."""
    room, called, seen = module.split("._")[0], frame.f_code.co_name, frame.f_locals
    owner = seen.get("self")
    if "<locals>" in frame.f_code.co_qualname:  # what wraps a function has it
        wrapped = [v for v in seen.values() if callable(v) and hasattr(v, "__code__")]
        if wrapped:
            room, called = wrapped[0].__module__.split("._")[0], wrapped[0].__name__
    elif owner is not None:
        names = vars(sys.modules.get(room, np)).items()
        known = next((key for key, value in names if value is owner), "")
        if not called.startswith("_"):
            called = f"{known}.{called}" if known else called
        else:
            called = known or type(owner).__name__  # Polynomial and its like
    return room, "" if called.startswith("_") else called


def instead(fn: Any) -> str:
    """What to do instead of calling a function that has no derivative here."""
    if str(getattr(fn, "__module__", "")).startswith("numpy.polynomial"):
        return f"use tinygrad_np.polynomial.{fn.__name__}."
    return "give it one with tg.defvjp, or pass t.detach()."


def brief(given: Any) -> str:
    """What was given, in a few words."""
    shown = repr(given)
    return shown if len(shown) < 60 and "\n" not in shown else f"of type {type(given).__name__}"


def truth(array: Any) -> bool:
    """Whether one element is true; of many none can say."""
    if array.size > 1:
        raise ValueError(
            f"the truth value of a Tensor of shape {array.shape} is that of many elements; use "
            "(t > 0).all() or (t > 0).any(), or np.where(t > 0, a, b) to choose for each element."
        )
    return bool(array)


def index(array: Any) -> int:
    """One whole number as an index or a count."""
    if array.ndim or array.dtype.kind not in "iu":
        raise TypeError(
            f"a Tensor of shape {array.shape} and dtype {array.dtype} as an index or a count: "
            "one whole number is needed; give int(t.item()), or a Tensor of integers."
        )
    return operator.index(array)


def element(array: Any, index: tuple[Any, ...]) -> Any:
    """One element as a Python number: the only one, or that at an index."""
    if not index and array.size != 1:
        raise ValueError(
            f"item() of a Tensor of shape {array.shape}, which has {array.size} elements; use "
            "t.tolist() or t.numpy() for all, t.item(i, j) for one, or reduce it, as in "
            "t.mean().item()."
        )
    return array.item(*index) if index else number(array)


def as_numbers(data: Any, dtype: Any) -> Any:
    """What a Tensor is made of, copied."""
    refuse_subclass("Tensor(a): a", data)
    refuse_listed("Tensor(a): a", data)
    try:
        return np.array(data, dtype=dtype, subok=False)
    except (TypeError, ValueError) as error:
        wanted = "" if dtype is None else f" with dtype={dtype!r}"
        given = brief(data).removeprefix("of ")
        if "inhomogeneous" in str(error):
            raise ShapeError(
                f"a Tensor of {given}{wanted}: its rows have different lengths; give rows of one "
                "length, filled up with zeros, say, or a Tensor for each row."
            ) from None
        kind = type(error)
        raise kind(f"a Tensor of {given}{wanted}: {error}") from None


def as_arrays(out: Any, inside: bool = False) -> Any:
    """A function's result as array (or tuple of arrays); arrays of other libraries stay."""
    if isinstance(out, (np.generic, bool, int, float, complex)):
        return np.asarray(out)
    refuse_own_way("a result of a primitive", out)
    if not isinstance(out, (tuple, list)):
        as_it_is = not inside or out is None or hasattr(out, "__array_function__")
        return out if as_it_is else np.asarray(out)
    if inside:
        raise TypeError(
            f"a function returned a {type(out).__name__} inside a tuple; return one array, or a "
            "tuple whose entries are arrays."
        )
    return tupled(type(out), [p if type(p) is np.ndarray else as_arrays(p, True) for p in out])


def released(record: Any) -> str:
    """Said of a graph that was swept before."""
    way = "; call that one with retain_graph=True to go through it twice."
    record.guards = record.guards or ""  # from now on it is no reason that this was released
    if record.guards:
        way = f", which failed ({record.guards.removesuffix('.')}); compute the result again."
    return f"this part of the graph ({record.called}) was released by an earlier backward{way}"


def keep_reason(node: Any, error: Exception) -> None:
    """Note why a backward from ``node`` failed, for who tries again: it is released in part."""
    if getattr(node, "released", False) and node.guards is None:
        node.guards = f"{type(error).__name__}: {error}"


def made_by(fn: Any, out: Any, since: int) -> None:
    """Note that the records from ``since`` on, of the results of a composite, are parts of it."""
    made = (out,) if hasattr(out, "_node") else leaves(out)
    todo = [part._node for part in made if hasattr(part, "_node")]
    for node in todo:  # which grows
        if node and node.number > since and node.rule and node.whole is not fn:
            node.whole = fn
            todo += node.parents


def describe(record: Any) -> str:
    """An operation with its operands, as errors name it: ``multiply(w: (3,) float32, 2.0)``."""
    operands = []
    for value, parent in zip(record.values, record.parents, strict=False):
        name = getattr(parent, "name", None)
        label = f"{name}: " if name else ""
        shown = f"{value.shape} {value.dtype}" if hasattr(value, "dtype") else repr(value)
        operands.append(label + shown)
    inside = f" inside {record.called}" if record.whole else ""
    return f"{record.rule.name}({', '.join(operands)}){inside}"


def explained(error: Exception, rule: Rule, args: tuple[Any, ...], called: str) -> Exception:
    """The error with the function called, its operands and, for products, the likely cure."""
    if (found := theirs(error, rule.name, leaves(list(args)), called)) is not None:
        return found
    shown = [_shown(i, operand) for i, operand in enumerate(args)]
    if type(error) is not ValueError:
        error = error if rule.is_users else in_numpys_words(error)
        error.add_note(f"in {called} of\n  " + "\n  ".join(shown))
        return error
    said = re.sub(r"^\w+: ", "", str(error)).partition(", with gufunc")[0]
    text = f"{called}: {said} Operands:\n  " + "\n  ".join(shown) + _likely_cure(rule, args)
    return ShapeError(text)


def in_numpys_words(error: Exception) -> Exception:
    """The error, with NumPy's name for an option that was given under PyTorch's."""
    known = way("numpy", str(error))
    return TypeError(f"{error}{known}") if known else error


def _shown(position: int, operand: Any) -> str:
    name = getattr(operand, "name", None) or f"operand {position}"
    if hasattr(operand, "shape"):
        return f"{name}: shape {operand.shape}, dtype {operand.dtype}"
    return f"{name}: {operand!r}"


def _likely_cure(rule: Rule, args: tuple[Any, ...]) -> str:
    if rule.fn is not np.matmul:
        return ""
    if np.ndim(args[0]) == 0 or np.ndim(args[1]) == 0:
        return "\n  use * for the product with a number"
    if np.ndim(args[1]) != 2:
        return ""
    if np.shape(args[0])[-1] == np.shape(args[1])[-1]:
        return "\n  did you mean x @ w.T?"
    return ""


def say_if_wider(rule: Rule, listed: np.dtype[Any], dtypes: Sequence[np.dtype[Any]]) -> None:
    """Warn of a Python list that turns a float32 program into float64."""
    for dtype in dtypes:
        wide = np.result_type(dtype, listed)
        if dtype.kind in "fc" and wide != dtype and listed.kind in "iuf":
            frame, depth = sys._getframe(1), 2
            while frame.f_back and frame.f_globals["__name__"].startswith(PACKAGE):
                frame, depth = frame.f_back, depth + 1
            warnings.warn(
                f"{rule.name} of a {dtype} Tensor and a Python list, which NumPy makes "
                f"{listed}, is {wide}; write np.array(list, np.{dtype}) to stay in {dtype}.",
                PrecisionWarning,
                stacklevel=depth,
            )


def is_of_many(value: Any) -> bool:
    """Whether this Tensor has one value for each example of a ``vmap``: no memory can hold it."""
    return hasattr(getattr(value, "_array", None), "computes_itself")


def detached(array: Any) -> Any:
    """What a constant holds: of many examples what is no more recorded outside, either."""
    return array.detach() if hasattr(array, "computes_itself") else array


def without_history(tensor: Any) -> Any:
    """The same values as a constant here; what is recorded of them outside a ``vmap`` stays."""
    made = tensor.detach()
    made._array = tensor._array
    return made


def lost(what: str, is_view_of_leaf: bool) -> TapeError:
    """The error for a write that would not reach everyone it should."""
    if is_view_of_leaf:
        return TapeError(
            f"{what} on a view of a leaf that requires grad is not possible; write t[i, j] = v on "
            "the leaf itself inside tg.no_grad(), or on a copy (t.copy()) to record it."
        )
    return TapeError(
        f"{what} on a recorded Tensor that shares its memory (with t[0], t.T, t.reshape(-1), "
        "t.detach() or an array of it): the others would keep the old values. Write t[0, 1] = v on "
        "the Tensor itself while it has no views, or write into a copy (t.copy())."
    )
