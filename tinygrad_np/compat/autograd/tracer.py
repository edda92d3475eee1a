"""What looks at the values that a transform hands in."""

from ...autodiff.tensor import Tensor as Box
from .tracing import getval, isbox
from .extend import notrace_primitive, primitive, register_notrace

__all__ = ["Box", "getval", "isbox", "notrace_primitive", "primitive", "register_notrace"]
