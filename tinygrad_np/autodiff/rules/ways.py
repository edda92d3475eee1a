"""What to do instead, where NumPy itself turns a Tensor into an array.

NumPy cannot dispatch these functions. They call ``__array__`` of the Tensor, or write it into an
array; the name of the function is found in NumPy's stack frames.
"""

import sys
from typing import Any

from ...errors import DetachError, TapeError
from .calls import instead

PACKAGE = __name__.partition(".")[0] + "."
WHOLE = "call the function on the whole Tensor, or tg.stack([f(x) for x in t])"
WAYS = {
    "full": "use np.full_like(other_tensor, t), or np.broadcast_to(t, shape)",
    "full_like": "use np.broadcast_to(t, shape), or np.full_like of a Tensor",
    "r_": "use np.concatenate([t, u]), or np.hstack",
    "c_": "use np.column_stack([t, u]), or np.stack([t, u], axis=-1)",
    "vectorize": WHOLE,
    "matrix": "use t itself, whose @ is the product of matrices",
    "asmatrix": "use t itself, whose @ is the product of matrices",
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


def numpys_own() -> str | None:
    """The function of NumPy that the user called, if one of NumPy's frames called this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame = frame.f_back
    name = None
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("numpy"):
        name = frame.f_code.co_name
        owner = frame.f_locals.get("self", frame.f_locals.get("subtype"))
        if name.startswith("_") and owner is not None:  # a method that stands for its class
            kind = owner if isinstance(owner, type) else type(owner)
            name = {"RClass": "r_", "CClass": "c_"}.get(kind.__name__, kind.__name__)
        frame = frame.f_back  # type: ignore[assignment]
    return None if name is None or name.startswith("_") else name


def cut(what: str, shape: tuple[int, ...]) -> DetachError:
    """The error where a Tensor would lose its history."""
    name = numpys_own() if what == "np.asarray(t)" else None
    way = f"{WAYS[name]}, or " if name in WAYS else ""
    return DetachError(
        f"{f'np.{name} of t' if name else what} would lose the history of a Tensor that requires "
        f"grad (shape {shape}): {way}use .item() or .numpy() (or .detach()) if you want the values "
        "alone, tg.array or tg.stack to make one Tensor of several, and a Tensor as the target of "
        "a write."
    )


def written(name: str) -> DetachError:
    """The error where a Tensor would be written into an array."""
    called = numpys_own() or name
    way = WAYS.get(called, WAYS[name])
    return DetachError(
        f"np.{called} would write a Tensor that requires grad into an array, which has no history; "
        f"{way}, or .detach() the value."
    )


def underived(name: str, fn: Any, reason: str = "") -> TapeError:
    """The error of a function that has no rule, for a ``reason`` (in brackets) or for none."""
    way = f"{WAYS[name]}, or pass t.detach()." if name in WAYS else instead(fn)
    return TapeError(f"{name} has no derivative here{reason}: {way}")
