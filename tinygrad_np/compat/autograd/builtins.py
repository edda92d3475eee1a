"""``isinstance`` and ``type`` of the values that a transform hands in; nests are Python's own."""

import builtins
from typing import Any

from ...autodiff.tensor import Tensor
from .tracing import getval

tuple, list, dict = builtins.tuple, builtins.list, builtins.dict
SequenceBox, DictBox = (builtins.list, builtins.tuple), builtins.dict


def isinstance(x: Any, kinds: Any) -> bool:
    """Whether the value behind ``x`` is of these kinds.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.isinstance(3.0, float)
    True
    """
    return builtins.isinstance(getval(x), kinds) or (
        builtins.isinstance(x, Tensor) and builtins.isinstance(x, kinds)
    )


def type(x: Any) -> Any:
    """The type of the value behind ``x``.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.type(3.0)
    <class 'float'>
    """
    return builtins.type(getval(x))
