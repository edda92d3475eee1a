"""The rules of convolution and pooling of images."""

import math
from typing import Any

import numpy as np

from ..primitives.convolution import (
    convolve,
    convolve_back,
    convolve_biased,
    convolve_weight,
    fold_windows,
    windows,
)
from ..primitives.pooling import fixed, window_max, window_max_back, window_pick
from .table import Traits, constant, defvjp, terms


def taps(y: Any, weight: Any) -> int:
    """The multiply-adds of a convolution that gives ``y``, or of one of its adjoints."""
    return int(math.prod(y.shape) * math.prod(weight.shape[1:]))


# Each is linear in both of its arrays, and the derivatives of one are the other two.
defvjp(
    convolve,
    lambda g, _out, _x, weight, *, stride, dilation, groups: convolve_back(
        g, weight, _x.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    lambda g, _out, x, _weight, *, stride, dilation, groups: convolve_weight(
        x, g, _weight.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    reach=terms,
    traits=Traits(cost=lambda out, _x, weight, *_rest, **_options: taps(out, weight)),
)
defvjp(
    convolve_biased,
    lambda g, _out, _x, weight, _bias, *, stride, dilation, groups: convolve_back(
        g, weight, _x.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    lambda g, _out, x, _weight, _bias, *, stride, dilation, groups: convolve_weight(
        x, g, _weight.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    lambda g, _out, _x, _weight, _bias, **_options: np.sum(g, axis=(0, 2, 3)),
    reach=terms,
)
defvjp(
    convolve_back,
    lambda g, _out, _y, weight, _size, *, stride, dilation, groups: convolve(
        g, weight, stride=stride, dilation=dilation, groups=groups
    ),
    lambda g, _out, y, _weight, _size, *, stride, dilation, groups: convolve_weight(
        g, y, _weight.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    reach=terms,
    traits=Traits(cost=lambda _out, y, weight, *_rest, **_options: taps(y, weight)),
)
defvjp(
    convolve_weight,
    lambda g, _out, _x, y, _kernel, *, stride, dilation, groups: convolve_back(
        y, g, _x.shape[2:], stride=stride, dilation=dilation, groups=groups
    ),
    lambda g, _out, x, _y, _kernel, *, stride, dilation, groups: convolve(
        x, g, stride=stride, dilation=dilation, groups=groups
    ),
    reach=terms,
    traits=Traits(cost=lambda out, _x, y, *_rest, **_options: taps(y, out)),
)
defvjp(
    windows,
    lambda g, _out, _x, _kernel, stride, dilation: fold_windows(g, _x.shape[-2:], stride, dilation),
)
defvjp(
    fold_windows,
    lambda g, _out, _y, _size, stride, dilation: windows(g, _y.shape[:2], stride, dilation),
)
constant(fixed)
# finite at every operand, NaN included: no reach is needed
defvjp(
    window_max,
    lambda g, out, x, kernel, stride, dilation: window_max_back(
        g, fixed(x), fixed(out), kernel, stride, dilation
    ),
    selects=1,
)
defvjp(
    window_max_back,
    lambda g, _out, _g, x, top, kernel, stride, dilation: window_pick(
        g, x, top, kernel, stride, dilation
    ),
    None,
    None,
    selects=1,
)
defvjp(
    window_pick,
    lambda g, _out, _t, x, top, kernel, stride, dilation: window_max_back(
        g, x, top, kernel, stride, dilation
    ),
    None,
    None,
    selects=1,
)
