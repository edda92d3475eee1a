"""What to do instead, where NumPy itself turns a Tensor into an array.

NumPy cannot dispatch these functions. They call ``__array__`` of the Tensor, or write it into an
array; the name of the function is found in NumPy's stack frames.
"""

import linecache
import operator
import sys
from typing import Any

import numpy as np

from ...errors import DetachError, TapeError
from ...foreign import check_kind, core, is_foreign
from ..nests import leaves
from .calls import WRITTEN, instead
from .signatures import name_of, parameters
from .table import COMPOSITES, TABLE

PACKAGE = __name__.partition(".")[0] + "."
OF_POLY1D: Any = np.poly1d.__repr__.__code__
FUNNEL = PACKAGE + "autodiff.funnel"
ROOMS = ("linalg", "fft", "ma", "rec", "char", "strings")
CONVERSIONS = ("np.asarray(t)", "float(t)", "int(t)", "complex(t)")
ITERATORS = ("nditer", "nested_iters")  # NumPy puts a text of its own in place of any TypeError
WHOLE = "call the function on the whole Tensor, or tg.stack([f(x) for x in t])"
WAYS = {
    "full": "use np.full_like(other_tensor, t), or np.broadcast_to(t, shape)",
    "full_like": "use np.broadcast_to(t, shape), or np.full_like of a Tensor",
    "r_": "use np.concatenate([t, u]), or np.hstack",
    "c_": "use np.column_stack([t, u]), or np.stack([t, u], axis=-1)",
    "vectorize": WHOLE,
    "matrix": "use t itself, whose @ is the product of matrices",
    "asmatrix": "use t itself, whose @ is the product of matrices",
    "fromiter": "use t itself, or tg.stack([f(x) for x in t])",
    "nditer": "loop over t, or over t.reshape(-1)",
    "nested_iters": "loop over t, and over the parts of it",
    "poly1d": "use np.polyval(c, x), or make a polynomial of all its coefficients, np.poly1d(c), "
    "c = tg.stack([a, b])",
    "polymul": "use np.convolve, which keeps leading zeros",
    "polydiv": "divide values, np.polyval(u, x) / np.polyval(v, x): leading zeros decide here",
    "poly": "multiply the factors with np.convolve: whether complex roots are pairs decides here",
    "bmat": "use np.block([[t, u], [v, w]])",
    "as_strided": "use np.lib.stride_tricks.sliding_window_view(t, shape), np.broadcast_to or t[i]",
    "asarray_chkfinite": "use t itself, and np.isfinite(t).all() for the check",
    "require": "use t itself (t.astype(dtype), t.copy())",
    "intersect1d": "use t[np.isin(t, u)], of which each element has a gradient",
    "ndenumerate": "loop over zip(np.ndindex(t.shape), t.reshape(-1))",
    "put": "write u[np.unravel_index(i, u.shape)] = t on a Tensor u",
    "place": "write u[mask] = t on a Tensor u, or use np.where(mask, t, u)",
    "putmask": "write u[mask] = t[mask] on a Tensor u, or use np.where(mask, t, u)",
    "copyto": "write u[...] = t on a Tensor u, or use np.where(mask, t, u)",
    "fill_diagonal": "write u[i, i] = t on a Tensor u, or use np.diag(t)",
    "put_along_axis": "write u[index] = t on a Tensor u",
}
BESIDE = "give the arrays beside t as Tensors too (tg.array(x))"
OPTIONS = {  # by which NumPy does not dispatch
    **dict.fromkeys(("left", "right", "period", "constant_values", "end_values", "default", "nan",
                     "posinf", "neginf", "k"), BESIDE),
    "initial": "use np.add, np.maximum and their like of the result and t",
    "where": "give a mask (t > 0)",
}  # fmt: skip


class Foreign:
    """What other libraries call to get at a Tensor's values: they would lose its history."""

    __slots__ = ()

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any) -> Any:
        name = getattr(function, "__name__", "a function")
        raise TypeError(
            f"PyTorch's {name} takes no Tensor of tinygrad_np: the gradient would be lost. Use a "
            "function of NumPy or of tg.nn.functional, or give torch.tensor(t.numpy()), which is a "
            "constant."
        )

    def __dlpack__(self, **_options: Any) -> Any:
        raise TypeError(
            "a Tensor given to another library, by DLPack, would lose its history; give t.numpy(), "
            "which has the values alone."
        )

    def __dlpack_device__(self) -> Any:
        return self.__dlpack__()


def numpys_own() -> str | None:
    """The function of NumPy that the user called, if this was called from inside of one."""
    return asked()[0]


def check_kinds(name: str, values: Any, results: Any) -> None:
    """Refuse results of NumPy's where an operand is another library's: see ``check_kind``."""
    if any(map(is_foreign, map(core, values))):
        for part in leaves(results):
            check_kind(name, values, numpys_own, part)


def asked() -> tuple[str | None, str]:
    """The function of NumPy that the user called, and the option that was given a Tensor, or "".

    It may have come here by way of this package: then the funnel knows what it was given.
    """
    frame, name, option = sys._getframe(1), None, ""
    while frame is not None:
        module, code = str(frame.f_globals.get("__name__")), frame.f_code
        if module == FUNNEL and code.co_name in ("apply", "_apply_unruled"):
            fn = frame.f_locals["fn"]
            name = qualified(str(getattr(fn, "__module__", "")), name_of(fn))
            option = _holder(frame.f_locals["kwargs"])
        elif module.startswith("numpy.") and not code.co_qualname.startswith("errstate."):
            called = code.co_name
            seen = frame.f_locals
            owner = seen.get("self", seen.get("subtype", seen.get("cls")))
            if called.startswith("_") and owner is not None:  # a method that stands for its class
                kind = owner if isinstance(owner, type) else type(owner)
                called = {"RClass": "r_", "CClass": "c_"}.get(kind.__name__, kind.__name__)
                called = getattr(owner, "__name__", called)  # a function of np.ma is an object
            name = qualified(module, called)
            option = _option(name, seen) if name else ""
        elif not module.startswith((PACKAGE, "numpy.")):
            break
        frame = frame.f_back  # type: ignore[assignment]
    return name, option


def _option(name: str, seen: Any) -> str:
    """The option of NumPy's function ``name`` that has a Tensor, of the variables of its frame."""
    known = parameters(operator.attrgetter(name)(np)).values()
    options = {p.name: seen.get(p.name) for p in known if p.default is not p.empty}
    for p in known:
        if p.kind is p.VAR_KEYWORD:
            options |= seen.get(p.name, {})
    return _holder(options)


def _holder(options: dict[str, Any]) -> str:
    """The name of the last option that has a Tensor: NumPy's own code gives others of it."""
    tensors = [k for k, v in options.items() if any(isinstance(p, Foreign) for p in leaves(v))]
    return tensors[-1] if tensors else ""


def qualified(module: str, name: str) -> str | None:
    """``linalg.norm``, as users write it behind ``np.``; None for what they cannot call."""
    if name.startswith("_") or module.startswith("numpy.polynomial"):  # which calls.asking names
        return None
    room = next((r for r in module.split(".")[1:] if r in ROOMS), "")
    if hasattr(getattr(np, room, None), name):
        return f"{room}.{name}"
    return name if hasattr(np, name) else None


def shown(text: str) -> str:
    """The text of a Tensor, cut by one letter for np.poly1d, which cuts "array(" off."""
    return text[1:] if sys._getframe(2).f_code is OF_POLY1D else text


def spelled() -> str:
    """The call in the user's program that led here, as it is written; "" without its source."""
    frame: Any = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith((PACKAGE, "numpy.")):
        frame = frame.f_back
    spots = list(frame.f_code.co_positions())
    line, end, start, stop = spots[frame.f_lasti // 2]
    text = linecache.getline(frame.f_code.co_filename, line or 0, frame.f_globals).encode()
    return text[start : stop if end == line else None].decode().strip() if text else ""


def way_of(called: str) -> str:
    """What to do instead of this function of NumPy, "" where nothing is known."""
    room, _, name = called.rpartition(".")
    if room != "ma":
        return WAYS.get(called, "")
    fn = getattr(np, name, None)
    also = f"np.{name} of t, and " if fn in TABLE or fn in COMPOSITES else ""
    return f"use {also}np.where(mask, fill, t) for what is masked"


def cut(what: str, shape: tuple[int, ...], of_many: bool = False) -> DetachError | TapeError:
    """The error where a Tensor would lose its history, or is ``of_many`` examples."""
    name, option = (None, "") if what.endswith(" which") else asked()  # calls.asking has a name
    converts = what in CONVERSIONS
    text = spelled() if converts and not name else ""
    head = text.partition("(")[0]
    called = name or head.rpartition(".")[2]
    way = way_of(f"ma.{called}" if head.endswith(f"ma.{called}") else called)
    if name and not (converts or of_many):  # NumPy writes into an array, its own or given
        way = BESIDE
    if name and what.startswith(f"{name.rpartition('.')[2]} with out="):
        name = None  # the user's own out=
    shown = f"np.{name} of t" if name else f"{what} in {text}" if text and text != what else what
    if name and option:
        shown, way = f"np.{name}({option}=t)", OPTIONS.get(option, way_of(name))
    way = f"{way}, or " if way else ""
    if of_many:
        return TapeError(
            f"{shown} needs the numbers of a Tensor that differs between the examples of tg.vmap "
            f"(shape {shape}): {way}choose with np.where(condition, a, b), make one Tensor of "
            "several with tg.array or tg.stack, write into a Tensor in place of an array, or look "
            "at values outside."
        )
    kind = TapeError if called in ITERATORS else DetachError
    return kind(
        f"{shown} would lose the history of a Tensor that requires grad (shape {shape}): "
        f"{way}use .item() or .numpy() (or .detach()) if you want the "
        "values alone, tg.array or tg.stack to make one Tensor of several, and a Tensor as the "
        "target of a write."
    )


def lacking(what: str, instead: str) -> AttributeError:
    """The error where a Tensor has no such attribute: NumPy's functions read some too."""
    if not str(sys._getframe(2).f_globals.get("__name__")).startswith("numpy."):
        return AttributeError(f"{what}; {instead}.")
    head = spelled().partition("(")[0]
    name = numpys_own() or head.removeprefix("np.").removeprefix("numpy.")
    of = f"np.{name} of a Tensor: " if name else ""  # in an interpreter nobody knows
    return AttributeError(f"{of}{what}; {way_of(name) or instead}.")


def written(name: str) -> DetachError:
    """The error where a Tensor would be written into an array."""
    called, option = asked()
    way, given = WAYS.get(called or name, WAYS[name]), ""
    if option and called != name:
        way, given = OPTIONS.get(option, way), f"({option}=t)"
    return DetachError(
        f"np.{called or name}{given} would write a Tensor that requires grad into an array, which "
        f"has no history; {way}, or .detach() the value."
    )


def unwritable(name: str) -> TapeError | DetachError:
    """The error where NumPy would write into a Tensor."""
    called, option = asked()
    if option and called != name:  # its other operands are arrays, and so it is NumPy's own
        return written(name)
    return TapeError(f"np.{called or name} cannot write into a Tensor; {WRITTEN}")


def underived(name: str, fn: Any, reason: str = "") -> TapeError:
    """The error of a function that has no rule, for a ``reason`` (in brackets) or for none."""
    way = f"{WAYS[name]}, or pass t.detach()." if name in WAYS else instead(fn)
    return TapeError(f"{name} has no derivative here{reason}: {way}")
