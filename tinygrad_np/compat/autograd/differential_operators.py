"""The transforms of HIPS/autograd by their names."""

import inspect
import warnings
from typing import Any

import numpy as np

from ...autodiff.checkpoint import checkpoint as checkpoint
from ...autodiff.making import stack
from ...autodiff.tensor import Tensor
from . import tracing
from .lifting import lifted
from .tracing import Function, Traced, mapped, vspace
from .wrap_util import unary_to_nary

_make_vjp, _make_jvp = tracing.make_vjp, tracing.make_jvp  # which programs use, too
make_vjp = unary_to_nary(_make_vjp)
make_jvp = unary_to_nary(_make_jvp)


@unary_to_nary
def grad(fun: Function, x: Any) -> Any:
    """The gradient of a function that returns one real number, in the nest of the argument.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return Traced(fun, x).gradient("grad")


@unary_to_nary
def value_and_grad(fun: Function, x: Any) -> tuple[Any, Any]:
    """The value and the gradient.

    >>> from tinygrad_np.compat import autograd
    >>> value, gradient = autograd.value_and_grad(lambda x: x**2)(3.0)
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    traced = Traced(fun, x)
    found = traced.gradient("value_and_grad")
    return traced.value, found


@unary_to_nary
def elementwise_grad(fun: Function, x: Any) -> Any:
    """The slopes of a function that acts on each element by itself: the sum's gradient.

    Raises TypeError for functions with complex results.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    traced = Traced(fun, x)
    if any(out.dtype.kind == "c" for out in traced.run.outputs):
        raise TypeError("elementwise_grad takes functions with real results.")
    return traced.vjp(traced.ones())


egrad = elementwise_grad


@unary_to_nary
def deriv(fun: Function, x: Any) -> Any:
    """The derivative along ones: of a function of one number the slope.

    >>> from tinygrad_np.compat import autograd
    >>> float(autograd.deriv(np.sin)(0.0))
    1.0
    """
    return tracing.make_jvp(fun, x)(vspace(x).ones())[1]


@unary_to_nary
def jacobian(fun: Function, x: Any) -> Any:
    """The Jacobian, of shape (results, arguments); the function returns one array.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    traced = Traced(fun, x)
    (out,) = traced.run.outputs
    units = np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
    rows = [traced.vjp(unit) for unit in units]
    shape = out.shape + np.shape(x)
    if any(isinstance(row, Tensor) for row in rows):
        return np.reshape(stack(rows), shape)
    return np.reshape(np.stack(rows) if rows else np.zeros(0), shape)


@unary_to_nary
def hessian(fun: Function, x: Any) -> Any:
    """The Jacobian of the Jacobian, of functions with several results, too.

    >>> from tinygrad_np.compat import autograd
    >>> autograd.hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(jacobian(fun))(x)


@unary_to_nary
def holomorphic_grad(fun: Function, x: Any) -> Any:
    """The derivative of a holomorphic function of complex numbers.

    >>> from tinygrad_np.compat import autograd
    >>> complex(autograd.holomorphic_grad(lambda z: z**2)(1.0 + 1.0j))
    (2+2j)
    """
    if not vspace(x).iscomplex:
        warnings.warn("Input to holomorphic_grad is not complex", stacklevel=4)
    return grad(lambda v: np.real(fun(v)))(x)


@unary_to_nary
def grad_and_aux(fun: Function, x: Any) -> tuple[Any, Any]:
    """The gradient of the first of two results, and the second as it is.

    >>> from tinygrad_np.compat import autograd
    >>> gradient, aux = autograd.grad_and_aux(lambda x: (x**2, "note"))(3.0)
    >>> float(gradient), aux
    (6.0, 'note')
    """
    aux: list[Any] = []

    def first(v: Any) -> Any:
        value, other = fun(v)
        aux.append(other)
        return value

    traced = Traced(first, x)
    found = traced.gradient("grad_and_aux")
    return found, mapped(tracing.getval, aux[0]) if traced.run.plain else aux[0]


def grad_named(fun: Function, argname: str) -> Function:
    """The gradient by an argument given by its name.

    >>> from tinygrad_np.compat import autograd
    >>> float(autograd.grad_named(lambda x, y: x * y, "y")(3.0, 4.0))
    3.0
    """
    return grad(fun, list(inspect.signature(fun).parameters).index(argname))  # type: ignore[no-any-return]


def multigrad_dict(fun: Function) -> Function:
    """The gradients by all arguments, in a dict by their names.

    >>> from tinygrad_np.compat import autograd
    >>> found = autograd.multigrad_dict(lambda x, y: x * y)(3.0, 4.0)
    >>> {name: float(value) for name, value in found.items()}
    {'x': 4.0, 'y': 3.0}
    """
    signature = inspect.signature(fun)

    def gradients(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def of_dict(named: Any) -> Any:
            inner = inspect.BoundArguments(signature, dict(named))
            return fun(*inner.args, **inner.kwargs)

        return grad(of_dict)(dict(bound.arguments))  # type: ignore[no-any-return]

    return gradients


@unary_to_nary
def make_hvp(fun: Function, x: Any) -> Any:
    """The Hessian-vector product at a point, and the gradient there.

    >>> from tinygrad_np.compat import autograd
    >>> product, gradient = autograd.make_hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    >>> product(np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return tracing.make_vjp(grad(fun), x)


def hessian_tensor_product(fun: Function, argnum: int = 0) -> Function:
    """``product(*args, tensor)``: the Hessian times a tensor of the argument's shape.

    >>> from tinygrad_np.compat import autograd
    >>> product = autograd.hessian_tensor_product(lambda x: np.sum(x**3))
    >>> product(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    gradient = grad(fun, argnum)

    def along(*args: Any, **kwargs: Any) -> Any:
        *given, vector = args
        return lifted(np.tensordot)(gradient(*given, **kwargs), vector, np.ndim(vector))

    return grad(along, argnum)  # type: ignore[no-any-return]


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """``product(*args, tensor)``: the tensor times the Jacobian.

    >>> from tinygrad_np.compat import autograd
    >>> product = autograd.tensor_jacobian_product(lambda x: x**2)
    >>> product(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    array([2., 6.])
    """

    def along(*args: Any, **kwargs: Any) -> Any:
        *given, vector = args
        return np.tensordot(vector, fun(*given, **kwargs), axes=np.ndim(vector))

    return jacobian(along, argnum)  # type: ignore[no-any-return]


vector_jacobian_product = tensor_jacobian_product


@unary_to_nary
def make_jvp_reversemode(fun: Function, x: Any) -> Function:
    """The pushforward at a point, which returns the derivative alone."""
    pushforward = tracing.make_jvp(fun, x)
    return lambda v: pushforward(v)[1]


def half_square(x: Any) -> Any:
    """Half the sum of squares."""
    return np.sum(x**2, axis=-1) / 2


def make_ggnvp(f: Function, g: Function = half_square, f_argnum: int = 0) -> Function:
    """Products with the generalised Gauss–Newton matrix JᵀHJ of ``g`` after ``f`` at a point.

    >>> from tinygrad_np.compat import autograd
    >>> product = autograd.make_ggnvp(lambda x: 2 * x)(np.array([1.0, 3.0]))
    >>> product(np.array([1.0, 0.0]))
    array([4., 0.])
    """

    @unary_to_nary
    def product_at(inner: Function, x: Any) -> Function:
        traced = Traced(inner, x)
        curvature, _ = tracing.make_vjp(grad(g), traced.value)
        push = tracing.make_jvp(inner, x)
        return lambda v: traced.vjp(curvature(push(v)[1]))

    return product_at(f, f_argnum)  # type: ignore[no-any-return]


__all__ = [name for name in dir() if not name.startswith("_")]
