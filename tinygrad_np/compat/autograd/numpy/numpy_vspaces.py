"""The space of an array."""

from ..core import VSpace as ArrayVSpace

ComplexArrayVSpace = ArrayVSpace

__all__ = ["ArrayVSpace", "ComplexArrayVSpace"]
