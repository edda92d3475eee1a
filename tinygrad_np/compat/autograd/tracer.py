"""What looks at the values that a transform hands in."""

from ...autodiff.tensor import Tensor as Box
from .extend import notrace_primitive, primitive, register_notrace
from .tracing import getval, isbox

__all__ = ["Box", "getval", "isbox", "notrace_primitive", "primitive", "register_notrace"]
