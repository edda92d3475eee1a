"""An array of another library that forgives nothing: a double for CuPy and its like.

It computes with NumPy inside, through NumPy's two protocols, and returns its own kind. Every
mixture with an array of NumPy's raises, and so does every way to become one without being asked.
"""

from typing import Any

import numpy as np

from tinygrad_np.autodiff.nests import tupled

HOST_ARRAYS = "a Strict array meets an array of NumPy's"
METHODS = frozenset(
    [
        "T", "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "conj", "copy",
        "cumprod", "cumsum", "diagonal", "dot", "fill", "flatten", "imag", "item", "max",
        "mean", "min", "nonzero", "prod", "ravel", "real", "repeat", "reshape", "round", "sort",
        "squeeze", "std", "sum", "swapaxes", "take", "tolist", "trace", "transpose", "var",
        "view",
    ]
)  # fmt: skip
FACTS = {"shape", "ndim", "size", "dtype", "itemsize", "nbytes"}


class Strict(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that keeps to itself; ``host()`` is the one way out."""

    __slots__ = ("__weakref__", "_inside")  # CuPy's can be referred to weakly

    def __init__(self, values: Any) -> None:
        self._inside = np.array(values)

    def host(self) -> np.ndarray:
        return self._inside

    def __getattr__(self, name: str) -> Any:
        if name in FACTS:
            return getattr(self._inside, name)
        if name not in METHODS:
            raise AttributeError(f"Strict has no {name}")
        found = getattr(self._inside, name)
        if not callable(found):
            return wrapped(found)
        if name in ("item", "tolist"):
            return found
        return lambda *args, **kwargs: wrapped(found(*opened(args), **opened(kwargs)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.get("out", ())
        if any(map(is_unknown, inputs)):
            return NotImplemented
        result = getattr(ufunc, method)(*opened(inputs), **opened(options))
        return out[0] if out else wrapped(result)

    def __array_function__(self, fn: Any, _types: Any, args: Any, kwargs: Any) -> Any:
        given = parts((args, kwargs))
        if not fn.__module__.startswith("numpy") or any(map(is_unknown, given)):
            return NotImplemented
        if not any(isinstance(leaf, Strict) for leaf in given):  # like=
            return wrapped(fn(*args, **kwargs))
        return wrapped(fn(*opened(args), **opened(kwargs)))

    def __getitem__(self, index: Any) -> Any:
        return wrapped(self._inside[opened(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._inside[opened(index)] = opened(value)

    def __len__(self) -> int:
        return len(self._inside)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a Strict array does not become an array of NumPy's unless host() is said")

    def __bool__(self) -> bool:
        return bool(self._inside)

    def __float__(self) -> float:
        return float(self._inside[()])

    def __int__(self) -> int:
        return int(self._inside[()])

    def __complex__(self) -> complex:
        return complex(self._inside[()])

    def __index__(self) -> int:
        return self._inside.__index__()

    def __repr__(self) -> str:
        return f"Strict({self._inside!r})"


def parts(tree: Any) -> Any:
    """Everything in a nest that is no list, tuple or dict."""
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in parts(part)]
    return parts(list(tree.values())) if isinstance(tree, dict) else [tree]


def is_unknown(leaf: Any) -> bool:
    """Whether it speaks NumPy's protocols and is neither NumPy's nor ours: it is asked next."""
    return hasattr(type(leaf), "__array_ufunc__") and not isinstance(
        leaf, (Strict, np.ndarray, np.generic)
    )


def opened(tree: Any) -> Any:
    """What a function of NumPy's may be given; raises TypeError for arrays of NumPy's."""
    if isinstance(tree, np.ndarray):
        raise TypeError(f"{HOST_ARRAYS} of shape {tree.shape}")
    if isinstance(tree, dict):
        return {key: opened(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return (
            tupled(type(tree), [opened(part) for part in tree])
            if type(tree) is not list
            else [opened(part) for part in tree]
        )
    return tree._inside if isinstance(tree, Strict) else tree


def wrapped(result: Any) -> Any:
    """What a function of NumPy's returned, arrays and NumPy's numbers as Strict arrays."""
    if isinstance(result, (np.ndarray, np.generic)):
        made = Strict.__new__(Strict)
        made._inside = np.asarray(result)  # a view stays one
        return made
    if isinstance(result, list):
        return [wrapped(part) for part in result]
    return tupled(type(result), map(wrapped, result)) if isinstance(result, tuple) else result
