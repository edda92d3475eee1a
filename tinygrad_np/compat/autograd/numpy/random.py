"""``numpy.random`` itself."""

import numpy.random as _random

globals().update({name: getattr(_random, name) for name in dir(_random) if name[0] != "_"})
