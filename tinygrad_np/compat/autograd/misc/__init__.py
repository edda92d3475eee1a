"""Nests as vectors, and graphs that do not change."""

from .flatten import flatten
from .tracers import const_graph

__all__ = ["const_graph", "flatten"]
