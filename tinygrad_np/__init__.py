"""Reverse-mode autodiff on NumPy arrays: the whole public interface on one screen."""

from . import nn, optim
from .autodiff.gradcheck import gradcheck
from .autodiff.primitives import primitive
from .autodiff.rules import defvjp
from .autodiff.tape import no_grad
from .autodiff.tensor import Tensor, array, stack
from .autodiff.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .errors import DataError, DetachError, GradientError, ShapeError, StaleValueError, TapeError

__all__ = [
    "DataError",
    "DetachError",
    "GradientError",
    "ShapeError",
    "StaleValueError",
    "TapeError",
    "Tensor",
    "array",
    "defvjp",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "stack",
    "value_and_grad",
    "vjp",
]
