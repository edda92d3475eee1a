"""Arrays for people: a number, the values of a small array, statistics of a large one."""

from typing import Any

import numpy as np

from .elements import Html, code, table

PRINTED = 100  # elements of an array whose values are shown, not statistics
COLUMNS = 12  # of a table; longer rows are text, which wraps


def number(value: Any, digits: int = 4) -> str:
    """A number in at most about eight characters."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(value) if abs(int(value)) < 10**8 else f"{float(value):.4g}"
    value = value + 0.0  # makes 0.0 of -0.0
    whole = str(value)
    return whole if len(whole) <= digits + 2 else f"{value:.{digits}g}"


def of_array(array: Any) -> Html:
    """Values of an array of up to 100 elements, else a row of statistics."""
    if not isinstance(array, np.ndarray):
        return code(repr(array))
    if array.size > PRINTED:
        names, values = _statistics(array)
        return table([values], names)
    if array.ndim == 2 and array.size and array.shape[1] <= COLUMNS:
        rows = [(i, *map(number, row)) for i, row in enumerate(array)]
        return table(rows, ("", *map(str, range(array.shape[1]))))
    return code(np.array2string(array, separator=", "))


def _statistics(array: np.ndarray) -> tuple[list[str], list[str]]:
    """What each statistic is called, and what it is; of finite numbers, in float64."""
    finite = array[np.isfinite(array)]
    shown = {}
    if finite.dtype.kind == "b":
        shown["true"] = f"{100 * finite.mean():.3g} %"
    elif finite.size:
        of = np.abs(finite) if finite.dtype.kind == "c" else finite
        named = zip(("min", "max"), (of.min(), of.max()), strict=True)
        shown = {name: number(value) for name, value in named}
        wide = of.astype(np.float64)
        with np.errstate(all="ignore"):
            shown |= {"mean": number(float(wide.mean())), "std": number(float(wide.std()))}
        shown["zeros"] = f"{100 * (finite == 0).mean():.3g} %"
        if finite.dtype.kind == "c":
            shown = {f"{name} of |·|": value for name, value in shown.items()}
    if finite.size < array.size:
        shown["not finite"] = f"{array.size - finite.size:,}"
    return list(shown), list(shown.values())
