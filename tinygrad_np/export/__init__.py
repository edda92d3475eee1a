"""Recordings as programs for others."""

from .numpy_source import to_numpy

__all__ = ["to_numpy"]
