"""``numpy.linalg``, whose functions take Tensors."""

import numpy as _np

from ..lifting import names_of as _names_of

globals().update(_names_of(_np.linalg))
