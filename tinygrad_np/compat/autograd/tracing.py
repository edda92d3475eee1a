"""Pullbacks, pushforwards and vector spaces of HIPS/autograd, over the transforms of this package.

A function gets Tensors for the numbers and arrays of its argument, in the same nest. As in
HIPS/autograd ``x += v`` there gives the name ``x`` a new value and writes into nothing, integers
are differentiated by as floats, and a gradient by a number is a number.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...autodiff.nests import leaves, rebuild
from ...autodiff.tape import names
from ...autodiff.tensor import Tensor
from ...autodiff.transforms import Run, gradient

Function = Callable[..., Any]
NESTS = (list, tuple, dict)


def rebinding(fun: Function, *args: Any) -> Any:
    """``fun(*args)``, where ``x += v`` is as for numbers."""
    if names.rebind:
        return fun(*args)
    names.rebind = True
    try:
        return fun(*args)
    finally:
        names.rebind = False


def mapped(fn: Function, *nests: Any) -> Any:
    """The nest of the first with ``fn`` of all leaves at the same place."""
    if not isinstance(nests[0], NESTS) and nests[0] is not None:
        return fn(*nests)  # 5 µs less for the commonest nest, which is none
    return rebuild(nests[0], [fn(*parts) for parts in zip(*map(leaves, nests), strict=True)])


def floating(leaf: Any) -> Any:
    """Numbers and arrays that are integers as floats."""
    kind = type(leaf)
    if kind is Tensor or kind is float or (kind is np.ndarray and leaf.dtype.kind in "fc"):
        return leaf
    array = np.asarray(leaf)
    if array.dtype.kind not in "fcbiu":
        raise TypeError(f"Can't differentiate w.r.t. type {type(leaf)}")
    return array.astype(np.float64) if array.dtype.kind in "biu" else leaf


def number(leaf: Any) -> Any:
    """A 0-d array as a number."""
    return leaf[()] if isinstance(leaf, np.ndarray) and leaf.ndim == 0 else leaf


class Traced:
    """One recorded call of a function of one argument, a nest."""

    def __init__(self, fun: Function, x: Any) -> None:
        self.x = x
        self.run = run = rebinding(Run, fun, (mapped(floating, x),), 0)
        if not [out for out in run.outputs if out._node is not None]:
            warnings.warn("Output seems independent of input.", stacklevel=4)

    @property
    def value(self) -> Any:
        """What the function returned, 0-d arrays as numbers."""
        return mapped(number, self.run.result())

    def scalar(self, name: str) -> None:
        """Refuse what is no real number."""
        outputs = self.run.outputs
        found = outputs[0]._array if len(outputs) == 1 else None
        if found is None or found.size != 1 or found.dtype.kind in "bc":
            shapes = [f"{out.shape} {out.dtype}" for out in outputs]
            raise TypeError(
                f"{name} needs a function that returns one real number, not {', '.join(shapes)}; "
                "use jacobian, elementwise_grad or holomorphic_grad."
            )

    def gradient(self, name: str) -> Any:
        """The gradient of the value, which is one real number, for the transform ``name``."""
        self.scalar(name)
        found = gradient(self.run) if self.run.plain else rebinding(gradient, self.run)
        return mapped(number, found)

    def vjp(self, g: Any) -> Any:
        """The cotangent of the argument for that of the value."""
        given = leaves(g) if isinstance(self.run.value, NESTS) else [g]
        seeds = [_seed(out, c) for out, c in zip(self.run.outputs, given, strict=True)]
        return mapped(number, rebuild(self.run.given[0], rebinding(self.run.pulled, seeds)))

    def ones(self) -> Any:
        """The cotangent 1 for each element of the value."""
        found = [np.ones_like(out._array) for out in self.run.outputs]
        return found[0] if type(self.run.value) is Tensor else rebuild(self.run.value, found)


def _seed(out: Tensor, cotangent: Any) -> Any:
    if isinstance(cotangent, Tensor):
        return cotangent
    cotangent = np.asarray(cotangent)
    if cotangent.shape == out.shape and cotangent.dtype == out.dtype:
        return cotangent
    if cotangent.dtype.kind == "c" and out.dtype.kind != "c":
        cotangent = cotangent.real
    return np.broadcast_to(cotangent, out.shape).astype(out.dtype)


def make_vjp(fun: Function, x: Any) -> tuple[Function, Any]:
    """The pullback of ``fun`` at ``x``, and its value there.

    >>> from tinygrad_np.compat import autograd
    >>> pullback, value = autograd.make_vjp(np.sin)(0.0)
    >>> float(pullback(2.0))
    2.0
    """
    traced = Traced(fun, x)
    return traced.vjp, traced.value


def make_jvp(fun: Function, x: Any) -> Function:
    """The pushforward of ``fun`` at ``x``: from a direction to the value and its derivative.

    >>> from tinygrad_np.compat import autograd
    >>> value, moved = autograd.make_jvp(np.sin)(0.0)(2.0)
    >>> float(value), float(moved)
    (0.0, 2.0)
    """

    def pushforward(g: Any) -> tuple[Any, Any]:
        traced = Traced(fun, x)
        zeros = mapped(np.zeros_like, traced.ones())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constants have no slope
            transposed = Traced(traced.vjp, zeros)
        return traced.value, transposed.vjp(g)

    return pushforward


class VSpace:
    """The space that a value lies in: a number, an array, or a nest of such."""

    def __init__(self, value: Any) -> None:
        self.like = mapped(lambda leaf: getval(leaf) if isinstance(leaf, Tensor) else leaf, value)
        self._leaves = [np.asarray(leaf) for leaf in leaves(self.like)]
        for leaf in self._leaves:
            if leaf.dtype.kind not in "biufc":
                raise TypeError(f"Can't find vector space for value {value} of type {type(value)}.")

    @property
    def shape(self) -> Any:
        """The shape of an array; of a nest the nest of spaces."""
        return self._leaves[0].shape if self._is_array else mapped(VSpace, self.like)

    @property
    def _is_array(self) -> bool:
        return not isinstance(self.like, (list, tuple, dict))

    @property
    def dtype(self) -> Any:
        """The dtype of all numbers together."""
        return np.result_type(*self._leaves) if self._leaves else np.dtype(float)

    @property
    def iscomplex(self) -> bool:
        """Whether there are complex numbers in it."""
        return bool(self.dtype.kind == "c")

    @property
    def size(self) -> int:
        """The number of real numbers in it."""
        return sum(leaf.size * (2 if leaf.dtype.kind == "c" else 1) for leaf in self._leaves)

    @property
    def ndim(self) -> int:
        """The number of axes of an array."""
        return len(self.shape)

    def _each(self, fn: Function) -> Any:
        return mapped(lambda leaf: fn(np.asarray(leaf)), self.like)

    def zeros(self) -> Any:
        """The zero of the space."""
        return self._each(np.zeros_like)

    def ones(self) -> Any:
        """Ones everywhere, of complex numbers in both parts."""
        return self._each(lambda a: np.full_like(a, 1 + 1j if a.dtype.kind == "c" else 1))

    def randn(self) -> Any:
        """A normal random element, by NumPy's global generator."""

        def draw(a: Any) -> Any:
            drawn = np.random.randn(*a.shape)
            if a.dtype.kind == "c":
                drawn = drawn + 1j * np.random.randn(*a.shape)
            return np.asarray(drawn, a.dtype)

        return self._each(draw)

    def standard_basis(self) -> Iterator[Any]:
        """The unit vectors, of complex numbers along both parts."""
        for k, leaf in enumerate(self._leaves):
            for place in np.ndindex(leaf.shape):
                for unit in (1.0, 1j) if leaf.dtype.kind == "c" else (1.0,):
                    basis = [np.zeros_like(a) for a in self._leaves]
                    basis[k][place] = unit
                    yield rebuild(self.like, basis)

    def add(self, x: Any, y: Any) -> Any:
        """The sum of two elements."""
        return mapped(lambda a, b: a + b, x, y)

    mut_add = add

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """An element times a number."""
        return mapped(lambda leaf: leaf * a, x)

    def inner_prod(self, x: Any, y: Any) -> Any:
        """The inner product, real for complex spaces, too."""
        return sum(
            np.real(np.sum(np.conj(a) * b)) for a, b in zip(leaves(x), leaves(y), strict=True)
        )

    def covector(self, x: Any) -> Any:
        """The element that the inner product turns into a cotangent: its conjugate."""
        return mapped(np.conj, x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VSpace) and self._signature() == other._signature()

    def __hash__(self) -> int:
        return hash(repr(self._signature()))

    def _signature(self) -> Any:
        kinds = mapped(lambda leaf: str(np.shape(leaf)) + np.asarray(leaf).dtype.char, self.like)
        return kinds if self._is_array else (type(self.like), kinds)

    def __repr__(self) -> str:
        return f"VSpace({self._signature()})"


def vspace(value: Any) -> VSpace:
    """The space that ``value`` lies in."""
    return VSpace(value)


def getval(x: Any) -> Any:
    """The plain number or array of what a transform differentiates; anything else as it is."""
    return number(x.detach().numpy()) if isinstance(x, Tensor) else x


def isbox(x: Any) -> bool:
    """Whether a transform differentiates by ``x``, or by what it was made of."""
    return isinstance(x, Tensor)


# what clients read of a box, in a loop until it is none
Tensor._value = property(getval)  # type: ignore[attr-defined]
