"""Arrays of other libraries: which they are, and what is refused of them."""

from typing import Any

import numpy as np


def is_foreign(x: Any) -> bool:
    """Whether it is an array of another library, which speaks NumPy's protocols."""
    kind = type(x)
    if kind is np.ndarray or not hasattr(kind, "__array_function__"):
        return False
    return not hasattr(kind, "mixes") and not isinstance(x, np.ndarray)


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


def kind_of(given: Any) -> str:
    """The kind of an array of another library, as errors name it: "a dask Array"."""
    kind = type(given)
    library = kind.__module__.partition(".")[0]
    return f"{'an' if library[0] in 'aeiou' else 'a'} {library} {kind.__name__}"


def needs_memory(what: str, x: Any) -> None:
    """Raise TypeError for an array that nothing can be written into, as Dask's are.

    A slice of one is no view, so that what is written there would be lost.
    """
    if is_foreign(x) and not hasattr(x, "fill"):
        raise TypeError(
            f"{what} writes into arrays, and {kind_of(x)} is no memory (it has no fill()); "
            "write it in functions of NumPy's, or convert the array."
        )
