"""Operators and methods: NumPy's functions under the names that ndarrays have for them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..habits import hinted, named_as
from .funnel import apply
from .hooks import Handle, register
from .primitives import cast, is_foreign, split_index, take_at
from .rules import calls, indexing, shaping
from .tape import NO_OPTIONS
from .writes import put, update

if TYPE_CHECKING:
    from .tensor import Tensor

UNEQUAL = (str, bytes, type(None))
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


def _part(fn: Any, said: str) -> Any:
    """The attribute that is a NumPy function of its Tensor, and writes into it what it is set."""

    def write(self: "Tensor", value: Any) -> None:
        apply(fn, (self,))[...] = value

    return property(lambda self: apply(fn, (self,)), write, doc=said)


def apply_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """``np.add.reduce`` and its relatives, as the functions they are."""
    if method == "outer":
        a, b = inputs
        return apply(ufunc, (np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), options)
    calls.check_method(ufunc, method, inputs, options)
    if method == "at":
        return put(inputs[0], f"np.{ufunc.__name__}.at", ..., indexing.added_at(ufunc, *inputs))
    known = calls.METHODS.get((method, ufunc), getattr(ufunc, method))
    return apply(known, inputs, {"axis": 0, **options} if len(inputs) == 1 else options)


class Operators:
    """What the operators and most methods of a Tensor are: NumPy's functions, applied to it."""

    __slots__ = ()
    _array: Any

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
        if type(other) is float and other == 0.5 and self._array.dtype.kind == "c":
            return apply(np.sqrt, (self,))  # as NumPy's operator: they differ at infinity
        return apply(np.power, (self, other))

    def __eq__(self, other: object) -> Any:
        if isinstance(other, UNEQUAL):  # as of NumPy's arrays: each element is unequal to it
            return apply(np.zeros_like, (self,), {"dtype": bool})
        return apply(np.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        if isinstance(other, UNEQUAL):
            return apply(np.ones_like, (self,), {"dtype": bool})
        return apply(np.not_equal, (self, other))

    # These call the NumPy function of their name.
    sum, mean, var, std, prod = map(_method, (np.sum, np.mean, np.var, np.std, np.prod))
    max, min, ptp, any, all = map(_method, (np.max, np.min, np.ptp, np.any, np.all))
    argmax, argmin, argsort = map(_method, (np.argmax, np.argmin, np.argsort))
    argpartition, choose = map(_method, (np.argpartition, np.choose))
    sort, partition, fill, put = map(
        _in_place, map(hinted("numpy"), (np.sort, np.partition, indexing.fill, indexing.put))
    )
    cumsum, cumprod, trace, dot = map(_method, (np.cumsum, np.cumprod, np.trace, np.dot))
    swapaxes, squeeze, ravel = map(_method, (np.swapaxes, np.squeeze, np.ravel))
    repeat, take, diagonal = map(_method, (np.repeat, np.take, np.diagonal))
    round = _method(np.round)
    nonzero, searchsorted = map(_method, (np.nonzero, np.searchsorted))

    @property
    def T(self) -> "Tensor":
        """The transpose."""
        return self.transpose()

    @property
    def mT(self) -> "Tensor":
        """The last two axes swapped."""
        return apply(np.swapaxes, (self, -1, -2))

    real = _part(np.real, "The real part, a view that can be written through.")
    imag = _part(np.imag, "The imaginary part, a view that can be written through.")

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator["Tensor"]:
        if self._array.ndim == 0:
            raise TypeError("a 0-d Tensor cannot be iterated over.")
        return (self[i] for i in range(len(self._array)))

    def __getitem__(self, index: Any) -> "Tensor":
        layout, arrays = split_index(index)
        return apply(take_at, (self, layout, *arrays))

    def reshape(self, *shape: Any, order: str = "C") -> "Tensor":
        """The elements in another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return apply(np.reshape, (self, wanted), {"order": order} if order != "C" else NO_OPTIONS)

    @hinted("transpose")
    def transpose(self, *axes: Any) -> "Tensor":
        """The axes in another order, reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return apply(np.transpose, (self,) if order is None else (self, order))

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set ``requires_grad`` and return the Tensor itself.

        >>> tg.Tensor([1.0]).requires_grad_().requires_grad
        True
        """
        self.requires_grad = requires_grad  # type: ignore[misc] # a Tensor's
        return self  # type: ignore[return-value] # which is a Tensor

    def register_hook(self, hook: Any) -> Handle:
        """Call ``hook(gradient)`` whenever a backward reaches this Tensor; returns a handle.

        What the hook returns, a Tensor of the same shape, goes on instead of the gradient; None
        leaves it. Hooks are called in their order, before ``.grad`` is added to, until
        ``handle.remove()``. In a replayed step a hook is a part of it: it computes with Tensors.
        Raises TapeError for a Tensor that requires no grad, TypeError for what is no function.

        >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
        >>> handle = w.register_hook(lambda g: g * 10)
        >>> (w * w).sum().backward()
        >>> w.grad.tolist()
        [20.0, 40.0]
        """
        return register(self, hook)  # type: ignore[arg-type] # a Tensor

    @hinted("flatten")
    def flatten(self, order: str = "C") -> "Tensor":
        """The elements in one row."""
        row = self.reshape(-1, order=order)
        lies = is_foreign(self._array) or np.may_share_memory(row._array, self._array)
        return row.copy() if lies else row

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True,
        copy: bool = True,
    ) -> "Tensor":  # fmt: skip
        """The values in another dtype, in memory as NumPy sees fit; integers are constants."""
        del subok
        if not np.can_cast(self._array.dtype, dtype, casting):
            kept = f"with casting={casting!r}"
            raise TypeError(f"cannot convert a Tensor of {self._array.dtype} to {dtype} {kept}.")
        if not copy and np.dtype(dtype) == self._array.dtype and shaping.lies(self, order):
            return self  # type: ignore[return-value] # which is a Tensor
        return shaping.ordered(apply(cast, (self, np.dtype(dtype))), order)  # type: ignore[no-any-return]

    def copy(self, order: Any = "C") -> "Tensor":
        """The same values in memory of their own, recorded."""
        return apply(np.copy, (self, order))

    def clip(self, min: Any = None, max: Any = None, **options: Any) -> "Tensor":
        """``np.clip`` of this Tensor; None is no bound."""
        return apply(np.clip, (self, min, max), options)

    def compress(self, condition: Any, axis: int | None = None) -> "Tensor":
        """The slices along ``axis`` where the condition holds."""
        return apply(np.compress, (condition, self), {"axis": axis})

    def conj(self) -> "Tensor":
        """The complex conjugate; a real Tensor itself, as of NumPy's arrays."""
        return apply(np.conjugate, (self,)) if self._array.dtype.kind == "c" else self  # type: ignore[return-value]

    conjugate = conj


named_as("Tensor", Operators)
