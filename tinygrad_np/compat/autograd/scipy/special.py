"""``scipy.special``, whose functions take Tensors."""

from scipy import special as _special

from .... import special as _ours
from ..lifting import names_of as _names_of

globals().update(_names_of(_special))
globals().update({name: getattr(_ours, name) for name in _ours.__all__})
