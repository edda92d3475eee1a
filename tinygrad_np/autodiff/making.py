"""Tensors made of lists, of arrays whose memory they share, and of other Tensors."""

from typing import Any

import numpy as np

from ..foreign import listed
from ..habits import hinted
from .funnel import NUMBERS, apply, holds_tensor
from .primitives import has_no_protocols, is_foreign, kind_of
from .rules import calls
from .tape import mode
from .tensor import Tensor


def array(nested: Any, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """A Tensor from a nested list of numbers, arrays and Tensors of equal shapes; recorded.

    ``requires_grad`` makes a leaf of a list of plain numbers. Raises ValueError where the
    parts have different shapes.

    >>> t = tg.Tensor(3.0, requires_grad=True)
    >>> tg.array([[1.0, t], [t, 2.0]]).shape
    (2, 2)
    """
    built = _build(nested)
    if dtype is not None and built.dtype != np.dtype(dtype):
        built = built.astype(dtype)
    if requires_grad and built._node is None:
        built = Tensor(built._array, requires_grad)
    return built


def from_numpy(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A Tensor that shares the memory of an array: a write to one is seen in the other.

    An ``np.memmap`` is shared, too. If the array is overwritten between forward and backward,
    ``backward`` raises an error, as for ``t.data``. Raises TypeError for what is no array of
    numbers, and ReplayError in a step that is replayed, because a replay keeps the memory that it
    was recorded with.

    >>> array = np.zeros(2)
    >>> t = tg.from_numpy(array)
    >>> array[0] = 7.0
    >>> t.tolist()
    [7.0, 0.0]
    """
    array = np.asarray(array) if isinstance(array, np.memmap) else array
    if type(array) is not np.ndarray:
        theirs = is_foreign(array) or has_no_protocols(array)
        given = kind_of(array) if theirs else type(array).__name__
        remedy = "tg.Tensor(data) copies numbers, lists and Tensors, and takes arrays that have "
        remedy += "NumPy's protocols; np.asarray(a), a.filled(0) are arrays."
        raise TypeError(f"from_numpy takes an np.ndarray, not {given}; {remedy}")
    calls.check_dtype(array.dtype, "an array")
    if mode.capture is not None:
        mode.capture.refuse(
            "shares the memory of an array by from_numpy, and would keep that array",
            "make the Tensor once, outside the step, or pass the array as an argument",
        )
    tensor = Tensor._owning(array)
    assert tensor._storage is not None
    tensor._storage.lent = lambda: array  # for good, so that it is watched as long
    tensor._storage.expose()
    tensor.requires_grad = requires_grad
    return tensor


def _build(nested: Any) -> Tensor:
    if isinstance(nested, Tensor):
        return nested
    is_list = isinstance(nested, (list, tuple))
    if not is_list or not (holds_tensor(nested) or is_foreign(listed(nested))):
        return Tensor(nested)
    parts = [part if isinstance(part, NUMBERS) else _build(part) for part in nested]
    dtype = np.result_type(*(p.dtype if isinstance(p, Tensor) else p for p in parts))
    return stack([p if isinstance(p, Tensor) else Tensor(p, dtype=dtype) for p in parts])


@hinted("numpy")
def stack(tensors: Any, axis: int = 0) -> Tensor:
    """``np.stack`` of a list of Tensors and arrays of one shape, along a new axis.

    Raises TypeError for what is not a list.

    >>> tg.stack([tg.Tensor([1.0, 2.0]), np.array([3.0, 4.0])], axis=1).tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"tg.stack takes a list of Tensors and arrays, not {calls.brief(tensors)}.")
    parts = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    return apply(np.stack, (parts,), {"axis": axis})
