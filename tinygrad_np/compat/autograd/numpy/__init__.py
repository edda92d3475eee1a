"""NumPy, whose functions take Tensors, with the constructors that it cannot dispatch."""

from builtins import any as _any  # NumPy has one, too
from typing import Any

import numpy as _np

from ....autodiff.making import array as _array
from ....autodiff.nests import leaves as _leaves
from ....autodiff.tensor import Tensor as _Tensor
from ..lifting import holds_tensor as _holds_tensor
from ..lifting import names_of as _names_of

globals().update(_names_of(_np))

from . import fft as fft  # noqa: E402
from . import linalg as linalg  # noqa: E402
from . import numpy_boxes as numpy_boxes  # noqa: E402
from . import numpy_vjps as numpy_vjps  # noqa: E402
from . import numpy_vspaces as numpy_vspaces  # noqa: E402
from . import random as random  # noqa: E402

__version__ = _np.__version__


def _is_ours(value: Any) -> bool:
    return isinstance(value, _Tensor) or _holds_tensor(value)


def array(object: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.array``; a list with Tensors in it becomes one Tensor, as a Tensor becomes a copy."""
    if not _is_ours(object):
        return _np.array(object, *args, **kwargs)
    dtype = args[0] if args else kwargs.get("dtype")
    made = object.copy() if isinstance(object, _Tensor) else _array(object)
    if dtype is not None and made.dtype != _np.dtype(dtype):
        made = made.astype(dtype)
    lacking = kwargs.get("ndmin", 0) - made.ndim
    return made.reshape((1,) * lacking + made.shape) if lacking > 0 else made


def asarray(a: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.asarray``; a Tensor stays as it is, a list of Tensors becomes one."""
    if not _is_ours(a):
        return _np.asarray(a, dtype, **kwargs)
    made = a if isinstance(a, _Tensor) else _array(a)
    return made if dtype is None or made.dtype == _np.dtype(dtype) else made.astype(dtype)


asanyarray = ascontiguousarray = asfortranarray = asarray_chkfinite = asarray


def full(shape: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.full``, of a Tensor that broadcasts to the shape, too."""
    if not _is_ours(fill_value):
        return _np.full(shape, fill_value, dtype, **kwargs)
    return _np.broadcast_to(asarray(fill_value, dtype), shape).copy()


def full_like(a: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.full_like``, of a Tensor as well."""
    if not _is_ours(fill_value):
        return _np.full_like(a, fill_value, dtype, **kwargs)
    shape = kwargs.get("shape")
    wanted = _np.result_type(a) if dtype is None else dtype
    return full(_np.shape(a) if shape is None else shape, fill_value, wanted)


def isscalar(element: Any) -> bool:
    """``np.isscalar``; what a transform hands in for a number is one."""
    return element.ndim == 0 if isinstance(element, _Tensor) else _np.isscalar(element)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """``np.append`` of arrays and lists."""
    return _np.append(asarray(arr), asarray(values), axis)


def _each(fn: Any) -> Any:
    """``fn`` of each array by itself."""

    def call(*arrays: Any) -> Any:
        made = [fn(asarray(a)) for a in arrays]
        return made[0] if len(made) == 1 else tuple(made)

    return call


atleast_1d, atleast_2d, atleast_3d = map(_each, (_np.atleast_1d, _np.atleast_2d, _np.atleast_3d))


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """``np.select`` of arrays and lists."""
    found: Any = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = _np.where(asarray(condition), asarray(choice), found)
    return found


_MISSING: Any = object()


def where(condition: Any, x: Any = _MISSING, y: Any = _MISSING) -> Any:
    """``np.where``, which of Python's own values gives such."""
    if x is _MISSING and y is _MISSING:
        return _np.where(asarray(condition))
    if x is _MISSING or y is _MISSING:
        raise ValueError("np.where takes the condition alone, or x and y as well.")
    found = _np.where(asarray(condition), *(asarray(v) if _is_ours(v) else v for v in (x, y)))
    plain = not _any(hasattr(leaf, "dtype") for leaf in _leaves([condition, x, y]))
    return found.tolist() if plain else found


def einsum(*operands: Any, **kwargs: Any) -> Any:
    """``np.einsum``, with the axes as letters or as lists of numbers."""
    if isinstance(operands[0], str):
        return _np.einsum(operands[0], *map(asarray, operands[1:]), **kwargs)
    given = [asarray(v) if k % 2 == 0 else v for k, v in enumerate(operands)]
    if len(operands) % 2:
        given[-1] = operands[-1]  # the axes of the result
    return _np.einsum(*given, **kwargs)


class _Joined:
    """``np.r_`` and ``np.c_``, of Tensors, too."""

    def __init__(self, original: Any, columns: bool) -> None:
        self._original, self._columns = original, columns

    def __getitem__(self, parts: Any) -> Any:
        given = parts if isinstance(parts, tuple) else (parts,)
        if not _any(map(_is_ours, given)):
            return self._original[parts]
        made = [_np.r_[part] if isinstance(part, slice) else atleast_1d(part) for part in given]
        if not self._columns:
            return _np.concatenate(made)
        return _np.concatenate([m[:, None] if m.ndim == 1 else m for m in made], axis=-1)


r_, c_ = _Joined(_np.r_, False), _Joined(_np.c_, True)


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Matrices with the rows of ``D`` on their diagonals, in the last two axes."""
    if offset != 0 or {axis1, axis2} != {-1, -2}:
        raise NotImplementedError("make_diagonal takes offset=0, axis1=-1, axis2=-2.")
    return _np.expand_dims(D, -1) * _np.eye(_np.shape(D)[-1])


def metadata(A: Any) -> Any:
    """Shape, number of axes, dtype, and whether that is complex."""
    return _np.shape(A), _np.ndim(A), _np.result_type(A), _np.iscomplexobj(A)


for _name in ("append", "atleast_1d", "atleast_2d", "atleast_3d", "einsum", "select", "where"):
    globals()[_name].lifts = getattr(_np, _name)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
