"""What stands for an array in a function that is differentiated: a Tensor."""

from ....autodiff.tensor import Tensor as ArrayBox

__all__ = ["ArrayBox"]
