"""SciPy's own function for plain arguments, one of table functions for Tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ....autodiff.nests import leaves
from ....autodiff.tensor import Tensor
from ..wrap_util import wraps


def beside(theirs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say that a function does for Tensors what ``theirs`` of SciPy does for arrays."""

    def choose(ours: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(theirs)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = leaves([args, kwargs])
            return (ours if any(isinstance(v, Tensor) for v in given) else theirs)(*args, **kwargs)

        return call  # type: ignore[no-any-return]

    return choose


def exponential(theirs: Any, log: Callable[..., Any]) -> Callable[..., Any]:
    """A density or probability, from its logarithm."""
    return beside(theirs)(lambda *args, **kwargs: np.exp(log(*args, **kwargs)))
