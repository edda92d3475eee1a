"""``vmap``: a function of one example, computed for all examples of a batch at once."""

from . import rules as rules
from .vmap import vmap

__all__ = ["vmap"]
