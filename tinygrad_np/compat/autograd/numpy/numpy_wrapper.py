"""The names of ``numpy`` where HIPS/autograd makes them."""

from .. import numpy as _numpy
from ..lifting import lifted as primitive

globals().update({name: getattr(_numpy, name) for name in _numpy.__all__})

__all__ = ["primitive", *_numpy.__all__]
