"""Reductions that pass over NaNs."""

from typing import Any

import numpy as np

from ..primitives import cast, chosen, of_dtype
from ..shapes import Axis
from .elementwise import in_single
from .reductions import extremum_back, freedom_of
from .table import along, composite, defvjp


def numbers(a: Any, fill: float) -> Any:
    """``a`` with ``fill`` for its NaNs."""
    return np.where(np.isnan(a), fill, a)


# NaN is no element's value: with it for the initial value, nothing is shared where all are NaN
for extremum in (np.nanmax, np.nanmin):
    defvjp(
        extremum,
        lambda g, out, x, axis=None, *, keepdims=False, initial=None, where=True: extremum_back(
            g, out, x, axis, np.nan if initial is None else initial, where
        ),
        reach=along(None),
        selects=1,
    )


def started(initial: Any, default: int) -> dict[str, Any]:
    """``initial`` as an option, if it is another than the default."""
    return {} if type(initial) is int and initial == default else {"initial": initial}


@composite(np.nansum)
def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, initial: Any = 0,
    where: Any = True,
) -> Any:  # fmt: skip
    """The sum of the numbers."""
    return np.sum(numbers(a, 0), axis=axis, dtype=dtype, keepdims=keepdims,
                  **started(initial, 0), **chosen(where))  # fmt: skip


@composite(np.nanprod)
def nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, initial: Any = 1,
    where: Any = True,
) -> Any:  # fmt: skip
    """The product of the numbers."""
    return np.prod(numbers(a, 1), axis=axis, dtype=dtype, keepdims=keepdims,
                   **started(initial, 1), **chosen(where))  # fmt: skip


@composite(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The sums of the numbers up to each place."""
    return np.cumsum(numbers(a, 0), axis=axis, dtype=dtype)


@composite(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The products of the numbers up to each place."""
    return np.cumprod(numbers(a, 1), axis=axis, dtype=dtype)


def in_dtype(a: Any, dtype: Any) -> Any:
    """The operand in the dtype that was asked for."""
    if dtype is None:
        return a
    if np.result_type(a).kind in "fc" and np.dtype(dtype).kind not in "fc":
        raise TypeError(f"a mean of dtype {np.result_type(a)} with dtype={dtype!r}; give a float.")
    return a.astype(dtype)


def there(a: Any, where: Any) -> Any:
    """1 for what is a number and takes part, in the dtype of ``a`` without its imaginary part."""
    taken = np.logical_and(np.logical_not(np.isnan(a)), where)
    dtype = np.result_type(a)
    return cast(taken, np.zeros((), dtype).real.dtype if dtype.kind in "fc" else np.float64)


@composite(np.nanmean)
@in_single
def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The mean of the numbers."""
    a = in_dtype(a, dtype)
    taken = there(a, where)
    total = np.sum(np.where(taken, a, 0), axis=axis, keepdims=keepdims)
    return total / np.sum(taken, axis=axis, keepdims=keepdims)


@composite(np.nanvar)
@in_single
def nanvar(
    a: Any, axis: Axis = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: float | None = None,
) -> Any:  # fmt: skip
    """The mean square of what differs from the mean, of the numbers."""
    a = in_dtype(a, dtype)
    taken = there(a, where)
    if mean is None:
        mean = nanmean(a, axis, keepdims=True, where=where)
    apart = np.where(taken, a - mean, 0)
    if np.result_type(a).kind in "fc":  # a wider mean does not widen the rest
        apart = of_dtype(apart, np.result_type(a))
    freedom = np.sum(taken, axis=axis, keepdims=keepdims) - freedom_of(ddof, correction)
    squares = np.sum(np.real(apart * np.conjugate(apart)), axis=axis, keepdims=keepdims)
    out = squares / np.where(freedom > 0, freedom, np.nan)
    return out if dtype is None else cast(out, np.dtype(dtype))


@composite(np.nanstd)
@in_single
def nanstd(*args: Any, **options: Any) -> Any:
    """The root of the variance of the numbers."""
    return np.sqrt(np.nanvar(*args, **options))
