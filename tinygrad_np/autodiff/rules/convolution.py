"""Convolution and pooling of images: each place of a window in reverse."""

from ..primitives.convolution import (
    convolve,
    convolve_back,
    convolve_weight,
    fold_windows,
    window_max,
    window_shares,
    windows,
)
from .table import constant, defvjp, terms

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
)
defvjp(
    windows,
    lambda g, _out, _x, _kernel, stride, dilation: fold_windows(g, _x.shape[-2:], stride, dilation),
)
defvjp(
    fold_windows,
    lambda g, _out, _y, _size, stride, dilation: windows(g, _y.shape[:2], stride, dilation),
)
constant(window_shares)
# finite at every operand, NaN included: no reach is needed
defvjp(
    window_max,
    lambda g, out, x, kernel, stride, dilation: fold_windows(
        g * window_shares(x, out, kernel, stride, dilation), x.shape[-2:], stride, dilation
    ),
    selects=1,
)
