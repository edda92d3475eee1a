"""The space of an array."""

from ..tracing import VSpace as ArrayVSpace

ComplexArrayVSpace = ArrayVSpace

__all__ = ["ArrayVSpace", "ComplexArrayVSpace"]
