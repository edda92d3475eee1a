"""Training by L-BFGS, all examples at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..autodiff.transforms import value_and_grad
from ..nn import Module, functional_call


def lbfgs(
    module: Module,
    objective: Callable[[Any, Any, list[Any]], Any],
    x: np.ndarray,
    y: Any,
    seen: Callable[[float], None],
    **options: Any,
) -> Any:
    """Minimise ``objective(outputs, y, weights)`` by the module's parameters; SciPy's result.

    ``weights`` are those of two axes. ``seen`` gets the loss after each iteration, ``options`` are
    those of SciPy's L-BFGS-B (Byrd et al. 1995), which works in float64; the network is evaluated
    in its own dtype. The module gets the parameters that were found.
    """
    start = module.state_dict()
    cuts = np.cumsum([array.size for array in start.values()])[:-1]

    def unpacked(flat: np.ndarray) -> dict[str, np.ndarray]:
        parts = zip(start.items(), np.split(flat, cuts), strict=True)
        return {name: part.reshape(a.shape).astype(a.dtype) for (name, a), part in parts}

    def loss(params: dict[str, Any]) -> Any:
        weights = [p for p in params.values() if p.ndim == 2]
        return objective(functional_call(module, params, x), y, weights)

    differentiated = value_and_grad(loss)

    def value_and_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slopes = differentiated(unpacked(flat))
        return float(value), packed(slopes)

    def callback(intermediate_result: Any) -> None:  # SciPy goes by the name
        seen(float(intermediate_result.fun))

    found = minimize(
        value_and_slope, packed(start), jac=True, method="L-BFGS-B", callback=callback,
        options=options,
    )  # fmt: skip
    module.load_state_dict(unpacked(found.x))
    return found


def packed(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """All elements in one vector of float64."""
    return np.concatenate([array.ravel() for array in arrays.values()]).astype(np.float64)
