"""Arrays of other libraries: which they are, and what is refused of them."""

from typing import Any

import numpy as np

NUMBERS = frozenset([int, float, bool, complex, str, np.float64, np.float32, np.int64])


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
            "write it in functions of NumPy's (p - lr * g with tg.grad in place of an optimiser), or "
            "convert the array (np.asarray(a))."
        )
