"""Operators and methods: NumPy's functions under the names that ndarrays have for them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .funnel import apply
from .rules import indexing
from .writes import put, update

if TYPE_CHECKING:
    from .tensor import Tensor

Method = Callable[..., Any]
Operator = Callable[["Tensor", Any], "Tensor"]


def _unary(fn: np.ufunc) -> Callable[["Tensor"], "Tensor"]:
    """An operator of one Tensor."""
    return lambda self: apply(fn, (self,))


def _binary(fn: np.ufunc) -> tuple[Operator, Operator, Operator]:
    """An operator in its three forms: t + u, u + t, t += u (NumPy's meaning: in place)."""

    return (
        lambda self, other: apply(fn, (self, other)),
        lambda self, other: apply(fn, (other, self)),
        lambda self, other: update(self, fn, other),
    )


def _method(fn: Any) -> Method:
    """The method that calls a NumPy function on its Tensor."""

    def method(self: "Tensor", *args: Any, **options: Any) -> Any:
        return apply(fn, (self, *args), options)

    method.__name__ = fn.__name__
    method.__doc__ = f"``np.{fn.__name__}`` of this Tensor."
    return method


def _in_place(fn: Any) -> Method:
    """The method that gives its Tensor the value of a function of it, as ndarrays' method does."""

    def method(self: "Tensor", *args: Any, **options: Any) -> None:
        put(self, f"t.{fn.__name__}()", ..., fn(self, *args, **options))

    method.__name__ = fn.__name__
    method.__doc__ = f"Write in place what ``{fn.__name__}`` gives."
    return method


class Operators:
    """What the operators and most methods of a Tensor are: NumPy's functions, applied to it."""

    __slots__ = ()

    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __add__, __radd__, __iadd__ = _binary(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.divide)
    __rpow__, __ipow__ = _binary(np.power)[1:]
    __matmul__, __rmatmul__, __imatmul__ = _binary(np.matmul)
    __mod__, __rmod__, __imod__ = _binary(np.remainder)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary(np.floor_divide)
    __divmod__, __rdivmod__ = _binary(np.divmod)[:2]
    __and__, __rand__, __iand__ = _binary(np.bitwise_and)
    __or__, __ror__, __ior__ = _binary(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _binary(np.bitwise_xor)
    __lshift__, __rlshift__, __ilshift__ = _binary(np.left_shift)
    __rshift__, __rrshift__, __irshift__ = _binary(np.right_shift)
    __lt__, __le__ = _binary(np.less)[0], _binary(np.less_equal)[0]
    __gt__, __ge__ = _binary(np.greater)[0], _binary(np.greater_equal)[0]

    def __pow__(self, other: Any, modulo: Any = None) -> "Tensor":
        if modulo is not None:
            raise TypeError(f"pow(t, v, {modulo!r}): Tensors take no modulus; write t**v % m.")
        return apply(np.power, (self, other))

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None else apply(np.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None else apply(np.not_equal, (self, other))

    # These call the NumPy function of their name.
    sum, mean, var, std, prod = map(_method, (np.sum, np.mean, np.var, np.std, np.prod))
    max, min, ptp, any, all = map(_method, (np.max, np.min, np.ptp, np.any, np.all))
    argmax, argmin, argsort = map(_method, (np.argmax, np.argmin, np.argsort))
    argpartition, choose = map(_method, (np.argpartition, np.choose))
    sort, partition, fill, put = map(
        _in_place, (np.sort, np.partition, indexing.fill, indexing.put)
    )
    cumsum, cumprod, trace, dot = map(_method, (np.cumsum, np.cumprod, np.trace, np.dot))
    swapaxes, squeeze, ravel = map(_method, (np.swapaxes, np.squeeze, np.ravel))
    repeat, take, diagonal = map(_method, (np.repeat, np.take, np.diagonal))
    clip, round = map(_method, (np.clip, np.round))
    nonzero, searchsorted = map(_method, (np.nonzero, np.searchsorted))
