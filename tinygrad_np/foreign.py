"""Arrays of other libraries: which they are, and what is refused of them."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import ShapeError

NUMBERS = frozenset([int, float, bool, complex, str, np.float64, np.float32, np.int64])
PACKAGE = __name__.partition(".")[0] + "."
LACKING = re.compile(r"<ufunc '(\w+)'>, '(\w+)'")  # as NumPy says that all refused
SPELLED = {"take_at": "t[index]", "replace_at": "t[index] = v", "replace_nonfinite": "nan_to_num"}


def is_foreign(x: Any) -> bool:
    """Whether it is an array of another library, which speaks NumPy's protocols."""
    kind = type(x)
    if kind is np.ndarray or not hasattr(kind, "__array_function__"):
        return False
    return not hasattr(kind, "mixes") and not isinstance(x, np.ndarray)


def core(x: Any) -> Any:
    """The array that a Tensor, or the examples of a batch, holds; all else as it is."""
    while hasattr(type(x), "mixes"):
        x = x._array if hasattr(type(x), "requires_grad") else getattr(x, "held", None)
    return x


def has_no_protocols(x: Any) -> bool:
    """Whether it is an array of the array API standard alone, as array-api-strict's are."""
    kind = type(x)
    speaks = hasattr(kind, "__array_function__") or isinstance(x, np.generic)
    return hasattr(kind, "__array_namespace__") and not speaks


def refuse_namespace(what: str, given: Any) -> None:
    """Refuse arrays of the array API standard alone: they would become NumPy's unseen."""
    if has_no_protocols(given):
        raise TypeError(
            f"{what} is {kind_of(given)}, an array of the array API standard without NumPy's "
            "protocols (__array_ufunc__, __array_function__), which Tensors need; give "
            "np.asarray(a), or an array that has them (CuPy, Dask)."
        )


def refuse_listed(what: str, given: Any) -> None:
    """Refuse a nested list that holds arrays of another library: it would become NumPy's unseen."""
    if (part := listed(given)) is not None:
        refuse_namespace(f"a part of {what}", part)
        raise TypeError(
            f"{what} is a list with {kind_of(part)} in it, and would become an array of NumPy's "
            "unseen; use tg.array(list), which keeps the kind."
        )


def listed(nest: Any) -> Any:
    """An array of another library in nested lists (or in a Tensor there), None without one."""
    if not isinstance(nest, (list, tuple)):
        return part if is_foreign(part := core(nest)) or has_no_protocols(part) else None
    if NUMBERS.issuperset(map(type, nest)):  # the commonest: a third of the time
        return None
    return next((part for part in map(listed, nest) if part is not None), None)


def refuse_mixture(what: str, given: Any, own: Any) -> None:
    """Refuse NumPy's array for another library's, and the reverse."""
    if is_foreign(given := core(given)) is not is_foreign(own := core(own)):
        raise TypeError(
            f"{what} is {kind_of(given)}, and stands for {kind_of(own)}; convert it first "
            "(np.asarray(a, like=b) makes it the kind of b)."
        )


def kind_of(given: Any) -> str:
    """The kind of an array of another library, as errors name it: "a dask Array"."""
    kind = type(given)
    name = f"{kind.__module__.partition('.')[0]} {kind.__name__}".removeprefix("builtins ")
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def needs_memory(what: str, x: Any) -> None:
    """Raise TypeError for an array that nothing can be written into, as Dask's are.

    A slice of one is no view, so that what is written there would be lost.
    """
    if is_foreign(x) and not hasattr(x, "fill"):
        raise TypeError(
            f"{what} writes into arrays, and {kind_of(x)} is no memory (it has no fill()); "
            "write it in functions of NumPy's (p - lr * g with tg.grad, in place of an optimiser), "
            "or convert the array (np.asarray(a))."
        )


def hosted(x: Any) -> Any:
    """A copy in NumPy's memory of another library's array, by its ``get()`` if it has one (CuPy).

    Raises TypeError where the library refuses that.
    """
    if not is_foreign(x):
        return x
    try:
        return x.get() if hasattr(x, "get") else np.asarray(x)
    except TypeError as error:
        raise TypeError(
            f"{kind_of(x)} does not become an array of NumPy's by itself ({error}); convert it "
            "with the function of its library first."
        ) from error


def check_kind(
    name: str, values: Iterable[Any], called: Callable[[], str | None] | None, out: Any,
    own: Any = None,
) -> None:  # fmt: skip
    """Refuse a result of NumPy's of another library's operands, and a cotangent of the reverse.

    ``called`` finds the function that the user called; ``own`` is what a cotangent is for.
    """
    values = [*map(core, values)]
    given = next((kind_of(value) for value in values if is_foreign(value)), None)
    is_numpys = type(out := core(out)) is np.ndarray
    if given is None or not (is_numpys or (type(core(own)) is np.ndarray and is_foreign(out))):
        return
    name = (called and called()) or SPELLED.get(name, name)
    if is_numpys and np.ndarray in map(type, values):
        raise TypeError(
            f"{name} of {given} and of an array of NumPy's would go through NumPy unseen; convert "
            "one of them first (np.asarray(a), or np.asarray(a, like=b), model.to(like=b))."
        )
    if is_numpys:
        raise TypeError(
            f"{name} of {given} returned an array of NumPy's: that library has no {name} of its "
            "own; compute with NumPy (t.numpy()), or write it in functions that the library has."
        )
    raise TypeError(
        f"{name} of {given} and of an array of NumPy's that requires grad, whose gradient would be "
        f"{given}, too; convert it first (np.asarray(a, like=b), model.to(like=b))."
    )


def theirs(
    error: Exception, name: str, operands: Iterable[Any], called: str = ""
) -> Exception | None:
    """An error of another library's with the operation and the library; None for other errors."""
    arrays = [*map(core, operands)]
    kind = next((kind_of(array) for array in arrays if is_foreign(array)), None)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_own = trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(PACKAGE)
    is_own &= not isinstance(error, AttributeError) and "__array_" not in str(error)  # from C
    if kind is None or is_own:
        return None
    said = f"{type(error).__name__}: " + str(error).strip().partition("\n")[0].rstrip(".")
    if lacking := LACKING.search(said):
        said = "np." + lacking[1] + f".{lacking[2]}" * (lacking[2] != "__call__")
    way = "write it in functions that the library has, or compute with NumPy's arrays"
    if any(type(array) is np.ndarray and array.dtype.kind in "fc" for array in arrays):
        way = "an operand is NumPy's: convert it first (np.asarray(a, like=b))"
    what = SPELLED.get(called or name, called or name) + " or its derivative," * (not called)
    made = ShapeError if type(error) is ValueError else TypeError
    return made(f"{what} of {kind} needs what that library lacks or refuses ({said}); {way}.")


def check_known(array: Any) -> None:
    """Refuse what gradients cannot do with: a shape unknown before it is computed, and masks."""
    if any(n != n for n in array.shape):  # NaN
        raise TypeError(
            f"{kind_of(array)} of shape {array.shape}, whose lengths nobody knows yet, is no "
            "Tensor: gradients need them; compute them first (a.compute_chunk_sizes())."
        )
    if isinstance(getattr(array, "_meta", None), np.ma.MaskedArray):
        raise TypeError(
            f"{kind_of(array)} of masked arrays is no Tensor: the mask would be lost; give its "
            "plain numbers (da.ma.filled(a, 0)), with np.where for a mask."
        )
