"""Compare autodiff with finite differences, a second method that shares no code with it."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import GradientError
from .nests import leaves, rebuild
from .primitives import refuse_namespace
from .rules.calls import NUMERIC, brief
from .tape import no_grad
from .tensor import Tensor
from .transforms import vjp

TOLERANCE = 1e-7
STEPS, STEADY = 7, 1e-11  # a slope that changes by less needs no smaller step: half of the time


def gradcheck(
    f: Callable[..., Any], *args: Any, order: int = 1, tolerance: float = TOLERANCE, seed: int = 0
) -> None:
    """Compare the autodiff derivatives of ``f`` at ``args`` with finite differences.

    ``args`` are nests of real or complex arrays, taken as float64 or complex128; ``f`` gets
    Tensors and may return a nest. A random cotangent drawn from ``seed`` weighs the results.
    ``order=2`` also checks the pullback as a function of its own, ``order=3`` the pullback of
    that, and so on. Returns quietly, or raises GradientError with the argument, the index, both
    numbers and the shapes where they differ by more than ``tolerance``, relative to the larger of
    1 and the numbers. Method: Ridders 1982, "Accurate computation of F'(x) and F'(x)F''(x)".

    >>> tg.gradcheck(lambda x: np.sum(np.tanh(x)), np.array([0.5, 1.0]), order=2)
    """
    largest_error(f, *args, order=order, tolerance=tolerance, seed=seed)


def largest_error(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    tolerance: float = np.inf,
    seed: int = 0,
) -> float:
    """The largest relative difference that ``gradcheck`` finds, over all orders up to ``order``."""
    if type(order) is not int or order < 1 or not isinstance(tolerance, (int, float)):
        raise TypeError(
            f"gradcheck: order={order!r}, tolerance={tolerance!r}; give 1, 2, … and 1e-7."
        )
    wide = rebuild(list(args), [_widen(leaf) for leaf in leaves(list(args))])
    value, pullback = vjp(f, *wide)
    rng = np.random.default_rng(seed)
    weights = [_random_like(out, rng) for out in leaves(value)]
    cotangent = rebuild(value, weights)
    pulled = leaves(list(pullback(cotangent)))
    analytic = [leaf.numpy() if isinstance(leaf, Tensor) else leaf for leaf in pulled]
    numeric = _finite_differences(_weighed(f, weights), wide)
    worst = 0.0
    for k, (ours, theirs) in enumerate(zip(analytic, numeric, strict=True)):
        scale = np.maximum(1.0, np.maximum(np.abs(ours), np.abs(theirs)))
        error = np.nan_to_num(np.abs(ours - theirs) / scale, nan=np.inf, posinf=np.inf)
        if not error.size:
            continue
        place = np.unravel_index(np.argmax(error), error.shape)
        if not error[place] <= tolerance:
            raise GradientError(_difference(f, k, ours, theirs, place, value))
        worst = max(worst, float(error[place]))
    if order == 1:
        return worst

    def pull(*inner: Any) -> Any:
        *primals, weight = inner
        return vjp(f, *primals)[1](weight)

    deeper = largest_error(
        pull, *wide, cotangent, order=order - 1, tolerance=tolerance, seed=seed + 1
    )
    return max(worst, deeper)


def _widen(leaf: Any) -> Any:
    refuse_namespace("an argument of gradcheck", leaf)
    value = leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
    if value.dtype.kind not in NUMERIC:
        raise TypeError(f"gradcheck: an argument {brief(leaf)}; give arrays of numbers.")
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)


def _random_like(out: Any, rng: "np.random.Generator") -> Any:
    draw = rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)
    if out.dtype.kind != "c":
        return draw
    return draw + 1j * rng.uniform(0.5, 1.5, out.shape)


def _weighed(f: Callable[..., Any], weights: list[Any]) -> Callable[..., float]:
    """``f`` as one real number: the real part of its results' sum with the weights."""

    def number(args: Any) -> float:
        with no_grad():
            outs = leaves(f(*rebuild(args, [Tensor(leaf) for leaf in leaves(args)])))
        found = [out._array if isinstance(out, Tensor) else out for out in outs]
        return float(sum(np.sum(w * o).real for w, o in zip(weights, found, strict=True)))

    return number


def _finite_differences(number: Callable[..., float], args: Any) -> list[Any]:
    """df/dx (for complex z = x + iy: df/dx - i df/dy) for every element of every argument."""
    arrays = [leaf.copy() for leaf in leaves(args)]
    slopes = [np.zeros_like(leaf) for leaf in arrays]

    def moved(array: Any, index: tuple[int, ...], origin: Any, unit: complex, step: float) -> float:
        array[index] = origin + step * unit
        return number(rebuild(args, arrays))

    for array, slope in zip(arrays, slopes, strict=True):
        for index, origin in np.ndenumerate(array.copy()):
            for unit in (1.0, 1j) if array.dtype.kind == "c" else (1.0,):
                shifted = functools.partial(moved, array, index, origin, unit)
                slope[index] += unit.conjugate() * _ridders(shifted, 0.02 * max(1.0, abs(origin)))
            array[index] = origin
    return slopes


def _ridders(shifted: Callable[[float], float], step: float) -> float:
    """Central differences with shrinking steps, extrapolated to zero; the steadiest one wins."""
    best, uncertainty = np.nan, np.inf
    previous: list[float] = []
    smallest = step / 2**STEPS
    while step > smallest and uncertainty > STEADY * max(1.0, abs(best)):
        row = [(shifted(step) - shifted(-step)) / (2 * step)]
        factor = 4.0
        for older in previous:
            row.append((factor * row[-1] - older) / (factor - 1))
            factor *= 4.0
            spread = max(abs(row[-1] - row[-2]), abs(row[-1] - older))
            if spread <= uncertainty:
                best, uncertainty = row[-1], spread
        previous = row
        step /= 2
    return best


def _difference(
    f: Callable[..., Any], k: int, ours: Any, theirs: Any, place: tuple[Any, ...], value: Any
) -> str:
    shapes = ", ".join(str(np.shape(out)) for out in leaves(value))
    index = tuple(int(i) for i in place)
    return (
        f"the derivative of {getattr(f, '__name__', repr(f))} with respect to array {k} of its "
        f"arguments (shape {ours.shape}, results {shapes}) differs at index {index}: autodiff "
        f"{ours[place]!r}, finite differences {theirs[place]!r}."
    )
