"""The norm of all gradients, bounded: for loops of one's own; optimisers have ``clip_norm``."""

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import flag, real, shown
from ..autodiff.primitives import cast
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor


def clip_grad_norm(
    params: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by min(1, max_norm / (norm + 1e-6)), and return the norm of before, ().

    The norm is that of the gradients of all ``params`` together, Tensors, as if they were one
    vector (Pascanu et al. 2013; ``torch.nn.utils.clip_grad_norm_``): Euclidean, of another order
    ``norm_type`` above 0, or with ``math.inf`` the greatest element. Parameters without a gradient
    count nothing. Gradients keep their dtypes; the norm has the widest, at least float32. Works in
    replayed steps, ``error_if_nonfinite`` apart, which looks at the value.

    Raises TypeError for what are no Tensors, ValueError for a negative ``max_norm``, a
    ``norm_type`` not above 0, and with ``error_if_nonfinite`` for a norm that is NaN or infinite.

    >>> p = tg.Tensor([3.0, 4.0], requires_grad=True)
    >>> (p * p / 2).sum().backward()
    >>> tg.optim.clip_grad_norm([p], 1.0).item(), p.grad.numpy().round(3).tolist()
    (5.0, [0.6, 0.8])
    """
    place = "clip_grad_norm"
    if not isinstance(max_norm, float) or max_norm != math.inf:
        real(place, "max_norm", max_norm)
    if not isinstance(norm_type, float) or norm_type != math.inf:
        real(place, "norm_type", norm_type, "a number above 0, or math.inf,", ends="()")
    if isinstance(params, np.ndarray) or not isinstance(params, Iterable):
        raise TypeError(f"{place}: params is {shown(params)}; give Tensors, model.parameters().")
    parts = [params] if isinstance(params, Tensor) else [*params]
    for part in parts:
        if not isinstance(part, Tensor):
            raise TypeError(f"{place}: params has {shown(part)}; give Tensors, model.parameters().")
    with no_grad():
        grads = [(part, part.grad) for part in parts]
        found = [(part, _wide(grad)) for part, grad in grads if grad is not None]
        if not found:
            return Tensor(np.float32(0))
        norm: Tensor = _norm([grad for _, grad in found], norm_type)
        if flag(place, "error_if_nonfinite", error_if_nonfinite) and not math.isfinite(norm.item()):
            raise ValueError(
                f"{place}: the norm of the gradients is {norm.item()}; look for the cause with "
                "tg.anomaly(), or leave error_if_nonfinite out."
            )
        factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
        for part, grad in found:
            part.grad = cast(grad * factor, part.dtype)
        return norm


def _wide(grad: Any) -> Any:
    return cast(grad, np.float32) if grad.dtype == np.float16 else grad


def _norm(grads: list[Any], order: float) -> Any:
    sizes = [np.abs(np.reshape(grad, (-1,))) for grad in grads]
    if order == math.inf:
        return functools.reduce(np.maximum, [np.max(size, initial=0.0) for size in sizes])
    total: Any = sum(np.sum(size**order) for size in sizes)
    return np.sqrt(total) if order == 2 else total ** (1 / order)
